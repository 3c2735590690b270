// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets of numbered flows, written straight into packet buffers.

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define TRAFFIC_VIP  "192.0.2.10"
#define TRAFFIC_VIP6 "2001:db8::10"
#define TRAFFIC_PORT 80

// Source and destination addresses, then the ports: as they stand in a packet of either family.
#define TRAFFIC_ENDS_MAX 36

struct traffic {
	bool v6;
	uint8_t ends_at, ends_bytes;
	uint16_t bytes;
	uint8_t frame[128];
};

// Frames for or from the director, as short as Ethernet allows.
void traffic_init(struct traffic *t, bool v6);

// From a client to the virtual service. No flow has the ends of another.
void traffic_request(const struct traffic *t, uint32_t flow, uint8_t *ends);
// The ends of what would answer the packet in `m`. Returns the flow it is of.
uint32_t traffic_answer(const struct traffic *t, const struct rte_mbuf *m, uint8_t *ends);

// The frame of a flow, as if it had just come in: whatever a director did to the buffer before is
// undone.
void traffic_put(const struct traffic *t, struct rte_mbuf *m, uint32_t flow, const uint8_t *ends,
    uint8_t tcp_flags);
