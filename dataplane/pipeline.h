// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The worker loop, and the pipeline that it calls for each burst. Runs on a worker lcore; tests and
// benchmarks call the parts on any one thread.

#include "worker.h"

// One burst, at most BURST_MAX packets, that came in by `port`. Packets to send stand in
// w->tx until tx_flush().
void pipeline(struct worker *w, const struct port *port, struct rte_mbuf **m, uint16_t n);

// One turn of the loop: all queues, the twins, mail, ageing. Returns 0 when there was nothing to
// do.
unsigned worker_poll(struct worker *w);

// Until w->stop.
void worker_loop(struct worker *w);
