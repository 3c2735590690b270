// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A next hop: how a packet for a real server leaves. Each worker has its own copy of the array,
// written only by mail from the control thread, which follows the kernel's neighbours. A real
// server holds the number of its hop, so there is no route lookup per packet.

#include <stdint.h>

#define HOPS_MAX 65536u // the number is 16 bits

enum hop_kind {
	HOP_DOWN,      // no route (yet)
	HOP_NO_MAC,    // route, but the neighbour's MAC is not known
	HOP_SEND,      // header is good
	HOP_TO_KERNEL, // the address is one of the director's own: LOCAL
};

struct hop {
	uint8_t header[18];   // destination and source MAC, VLAN tag; the EtherType is the packet's
	uint8_t header_bytes; // before the EtherType: 12, or 16 with a VLAN tag
	uint8_t kind;         // enum hop_kind
	uint8_t port;         // index into worker->tx
	uint8_t reserved;
	uint16_t mtu;
	uint8_t source[16]; // the director's own address towards it, for ICMP errors; 0: unknown
	uint8_t pad[24];
};
static_assert(sizeof(struct hop) == 64);
