// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Fragments of TCP and UDP datagrams. The first one has the ports and goes the way of every packet;
// where it went is remembered for the datagram (source, destination, protocol, identification),
// and the others follow it. Those that come before it wait: so many for a datagram and in all,
// and so long. Nothing is put together: the receiver does that.
//
// All fragments of a datagram are one worker's matter, chosen by what they have in common; when the
// connection is another's, the first one's way is to that worker, and the others follow there.
//
// A first fragment holds the whole TCP or UDP header, and none of the others reaches into it
// (RFC 1858, RFC 5722: tiny and overlapping ones are dropped).
//
// Owned by one worker. No allocation.

#include <stdbool.h>
#include <stdint.h>

#define FRAGMENT_SETS     512u
#define FRAGMENT_WAYS     4u
#define FRAGMENTS_WAITING 8u // of one datagram
#define FRAGMENTS_READY   256u

// How long a datagram is remembered, and its early fragments wait; ticks. Linux gives up
// after 30 s; by then a sender has long used the identification again.
#define FRAGMENT_TICKS (5 * 100u)

enum fragment_part { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct fragment_key {
	uint8_t addresses[32]; // as in the packet; of IPv4 the first eight
	uint32_t id;
	uint8_t protocol;
	bool v6;
	uint16_t zero;
};

enum fragment_way {
	FRAGMENTS_FREE,
	FRAGMENTS_WAIT,   // the first has not come
	FRAGMENTS_FOLLOW, // a connection
	FRAGMENTS_TO_KERNEL,
	FRAGMENTS_TO_WORKER,
};

struct rte_mbuf;

struct fragment_entry {
	struct fragment_key key;
	uint32_t last; // tick of the last fragment
	uint32_t record;
	uint8_t way; // enum fragment_way
	uint8_t worker, n;
	bool reply;
	struct rte_mbuf *waiting[FRAGMENTS_WAITING];
};

struct fragments {
	struct fragment_entry entries[FRAGMENT_SETS * FRAGMENT_WAYS];
	uint32_t used;  // entries that are not free
	uint32_t sweep; // the entry to look at next
	// Numbers of entries whose way became known while fragments waited.
	uint16_t ready[FRAGMENTS_READY];
	uint32_t n_ready;
};
