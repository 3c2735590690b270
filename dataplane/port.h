// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A port of the data plane: constant from before the workers start until after they stop.

#include <rte_ether.h>
#include <stdbool.h>
#include <stdint.h>

#define PORTS_MAX   16
#define WORKERS_MAX 32

struct rte_mempool;
struct rss;

struct port {
	uint16_t index; // in the configuration's order
	uint16_t dpdk_id;
	struct rte_ether_addr mac;
	uint16_t mtu;
	// A software interface may deliver TCP and UDP with only the pseudo-header's sum in the
	// checksum field (its sender counted on a NIC to finish it): these are mended.
	bool software;
	const struct rss *rss;    // how its NIC spreads packets; NULL: not known
	struct rte_mempool *pool; // packets that the director makes come from here
};
