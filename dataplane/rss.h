// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which worker a NIC's receive side scaling gives a packet to: the Toeplitz hash over addresses and
// ports, by tables made from the NIC's key, and its redirection table. FULLNAT chooses local ports
// such that answers come in on the worker that owns the connection.
//
// Constant from before the workers start; all threads may read.

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define RSS_INPUT_MAX 36u // bytes: two IPv6 addresses and two ports
#define RSS_RETA_MAX  512u

struct rss {
	// The hash is linear: that of an input is the xor of what each of its bytes gives in its
	// place.
	uint32_t table[RSS_INPUT_MAX][256];
	uint16_t mask;                // of the hash, into worker[]
	uint8_t worker[RSS_RETA_MAX]; // the redirection table, and whose queue it is
	bool ports[2][2];             // are ports hashed? by IPv6, UDP
};

// `addresses` and `ports` as in the packet, source first.
static inline unsigned rss_worker(
    const struct rss *r, const uint8_t *addresses, const uint8_t *ports, uint8_t protocol, bool v6)
{
	const unsigned bytes = v6 ? 32 : 8;
	uint32_t hash = 0;
	for (unsigned i = 0; i < bytes; i++)
		hash ^= r->table[i][addresses[i]];
	for (unsigned i = 0; i < 4 && r->ports[v6][protocol == IPPROTO_UDP]; i++)
		hash ^= r->table[bytes + i][ports[i]];
	return r->worker[hash & r->mask];
}
