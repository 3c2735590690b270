// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DPDK's environment: lcores, memory, and what of it poise asks for. Called once, at start.

#include <stdbool.h>

#include "conf/conf.h"

#define EAL_ERROR_MAX 240

struct eal_result {
	bool hugepages;
	unsigned worker_lcores[CONF_WORKERS_MAX];
	int worker_cpus[CONF_WORKERS_MAX];
};

// Chooses CPUs and memory by the configuration and what the machine has, and initialises the EAL.
// `packet_bytes`: memory that the packet pool will need. 0, or negative errno and one line in
// `error`.
int eal_start(const struct conf *c, size_t packet_bytes, struct eal_result *out,
    char error[static EAL_ERROR_MAX]);
