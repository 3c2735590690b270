// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ports: DPDK devices and their TAP twins, set up by the configuration and wired to the workers.
// Control thread only; the workers see the constant struct port in each.

#include <rte_mempool.h>

#include "conf/conf.h"
#include "crew.h"
#include "netdev.h"

#define PORTS_ERROR_MAX 400

struct port_setup {
	struct port port;
	const struct conf_port *conf; // at start; addresses may have changed since
	char driver[32];
	bool attached, started;
	uint16_t rx_queues, tx_queues;
	struct netdev_claim *claim; // of a "linux:" device
	int twin_fd;
	unsigned twin; // interface index
	struct rte_ring *inject;
	struct rte_ring *punt[WORKERS_MAX];
};

struct ports {
	unsigned n;
	struct rte_mempool *pool;
	bool packed; // the pool has no gaps, see make_pool()
	struct port_setup list[PORTS_MAX];
};

// Bytes of packet memory that these ports want, before the EAL starts.
size_t ports_packet_bytes(const struct conf *c);

// Opens every port, starts it, makes its twin and gives the workers their queues. 0, or negative
// errno and one line in `error`; all that was set up is undone then.
int ports_open(
    const struct conf *c, struct crew *crew, struct ports *p, char error[static PORTS_ERROR_MAX]);
// Stops and undoes everything. The workers must have stopped.
void ports_close(struct ports *p);
