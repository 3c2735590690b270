// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A worker's clock, and what it does when there is nothing to do. On the worker's lcore, but not on
// a packet's way: the one place where a worker makes system calls.

#include "dataplane/worker.h"

// Before threads are made: they inherit the timer slack. Else a sleep of 20 us takes 105.
void idle_slack(void);
// After the EAL has measured the TSC, before the workers start.
void idle_setup(void);

// Sets the worker's tsc and now.
void idle_tick(struct worker *w);

// "adaptive": after empty polls first pauses, then yields, then sleeps 20 us, in the end 200 us.
void idle_adaptive(struct worker *w, unsigned empty_polls);
// "poll": never sleeps.
void idle_poll(struct worker *w, unsigned empty_polls);
