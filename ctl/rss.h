// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a port's receive side scaling does, asked of its driver. Control thread, before the workers
// start.

#include "dataplane/rss.h"

// Of a started port with several receive queues; queue q is worker q modulo n_workers's. NULL: it
// has none, or does not say.
struct rss *rss_of_port(uint16_t dpdk_id, unsigned n_workers);
// For a key and a redirection table as a NIC has them (tests).
struct rss *rss_new(const uint8_t *key, unsigned key_bytes, const uint16_t *queues,
    unsigned n_queues, unsigned n_workers, uint64_t types);
