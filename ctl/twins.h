// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The exception path: a thread of its own that carries frames between the workers' rings and the
// TAP twins. Nothing the control thread does (a reload of 100,000 services, a slow client) delays
// ARP, VRRP, BGP or ssh, and no worker makes a system call for them.
//
// While frames flow it looks every 50 us, else every millisecond.

#include "ports.h"

struct twins;

int twins_start(struct ports *p, unsigned n_workers, struct twins **out); // 0 or negative errno
// Carries what stands in the rings yet, and ends the thread. The workers have stopped.
void twins_stop(struct twins *t);

struct twin_counters { // twin thread: w
	uint64_t to_kernel, from_kernel;
	uint64_t kernel_full;  // the twin's queue in the kernel was full
	uint64_t workers_full; // the ring to the worker was full, or there was no packet memory
};
const struct twin_counters *twins_counters(const struct twins *t, unsigned port);
