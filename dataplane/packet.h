// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One packet on its way through the pipeline's stages, and a burst of them.

#include <rte_mbuf.h>
#include <stdint.h>

#include "conn_table.h"
#include "fragment.h"

#define BURST_MAX 64

struct packet {
	struct rte_mbuf *m;
	const uint8_t *addresses; // source, destination: in the IP header
	const uint8_t *ports;     // source, destination: the L4 header begins here (ICMP's too)
	uint64_t hash;
	uint32_t record;   // of its connection, when it has one
	uint16_t l3_bytes; // of the whole IP packet
	uint8_t l2_bytes;  // 14, or 18 with a VLAN tag
	uint8_t protocol;
	uint8_t tcp_flags; // the five lowest bits (FIN SYN RST PSH ACK); 0 for UDP
	bool v6;
	bool reply;           // it matched the real server's tuple
	bool options;         // IPv4: there are some
	uint8_t fragment;     // enum fragment_part
	uint32_t fragment_id; // as in the packet
};

static inline uint8_t *packet_l3(const struct packet *p)
{
	return rte_pktmbuf_mtod_offset(p->m, uint8_t *, p->l2_bytes);
}

// Packets that are at the same stage. They are passed on by pointer.
struct packets {
	uint16_t n;
	struct packet *p[BURST_MAX];
};

static inline void packets_add(struct packets *list, struct packet *p)
{
	list->p[list->n++] = p;
}

struct port;

// Of a fragment that is on the worker of its datagram (fragment.h).
#define FRAGMENT_SETTLED 0x80

struct burst {
	const struct port *port; // that it came in by
	uint8_t visited;         // workers that have handed it over; perhaps with FRAGMENT_SETTLED
	struct packet all[BURST_MAX];
	struct packets parsed[2]; // by parse: IPv4, IPv6
	struct packets known[2];  // by lookup: have a connection
	struct packets fresh[2];  // by lookup: have none yet
	struct packets icmp;      // by parse: ICMP of either family
	struct packets fragments; // by parse: of TCP and UDP datagrams, but for the first of each
};
