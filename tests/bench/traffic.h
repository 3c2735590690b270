// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets of numbered flows, written straight into packet buffers.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define TRAFFIC_VIP  "192.0.2.10"
#define TRAFFIC_VIP6 "2001:db8::10"
#define TRAFFIC_PORT 80

struct traffic {
	bool v6;
	uint16_t bytes;
	uint8_t frame[128];
};

// Frames from a client to the virtual service, as short as Ethernet allows.
void traffic_init(struct traffic *t, bool v6, uint8_t tcp_flags);
// The frame of a flow, as if it had just come in: whatever a director did to the buffer before is
// undone. No flow has the addresses and ports of another.
void traffic_put(const struct traffic *t, struct rte_mbuf *m, uint32_t flow);
