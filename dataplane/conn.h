// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A connection, as IPVS has it (ip_vs_conn), in one cache line for IPv4 and two for IPv6.
//
// A record belongs to one worker, which alone reads and writes it. Everything on the way of a
// known packet is in here or one index away: server -> counters and next hop.
//
// Times are ticks of 10 ms on the worker's clock: 31 days, the longest timeout, fit into 28
// bits, so that differences of 32-bit ticks never become ambiguous.

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define TICKS_PER_SECOND 100u

#define CONN_NONE   UINT32_MAX
#define SERVER_NONE UINT32_MAX

enum conn_flag {
	CONN_IN_USE = 1 << 0,
	// Counted at its server as inactive, not active (IPVS: IP_VS_CONN_F_INACTIVE).
	CONN_INACTIVE = 1 << 1,
	// Replies do not pass here: the one-sided state table (IP_VS_CONN_F_NOOUTPUT).
	CONN_NO_OUTPUT = 1 << 2,
	// Its replies are looked for as well: both its tuples are in the table.
	CONN_BOTH_WAYS = 1 << 3,
	// The server is told who the client is, by a TCP option or a PROXY protocol header; and it
	// has acknowledged something since (client_address.h).
	CONN_TOA = 1 << 4,
	CONN_PROXY = 1 << 5,
	CONN_TOLD = 1 << 6,
};

// What both families share: 40 bytes.
struct conn {
	uint32_t server;    // id; when not in use: the next free record
	uint32_t last_seen; // tick of the last packet
	uint32_t timeout;   // ticks from last_seen to expiry, of the present state
	uint16_t armed;     // the wheel slot that watches over it
	uint16_t flags;     // enum conn_flag
	uint8_t protocol;   // IPPROTO_TCP, IPPROTO_UDP
	uint8_t state;      // enum tcp_state; 0 for UDP
	uint8_t forward;    // enum forward (conf/conf.h), fixed when the connection is made
	uint8_t looks;      // at it by the wheel, while it is young
	uint32_t packets;   // from the client
	// Whence the client's last packet came, for replies that pass here; set by the first.
	uint8_t client_mac[6];
	uint16_t client_vlan; // the tag's second half, network order; 0: none
	uint8_t client_port;  // index
	uint8_t spare[3];
	uint32_t isn; // with CONN_TOA and CONN_PROXY: of the client's SYN
};

// Addresses and ports in network order and in the order of the packet's own headers, so that
// comparing a tuple with a packet is two loads.
struct tuple4 {
	uint32_t src, dst;
	uint16_t sport, dport;
};

struct tuple6 {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
};

struct conn4 {
	struct conn c;
	struct tuple4 in;  // client -> virtual service
	struct tuple4 out; // real server -> client, as it leaves the real server
};

struct conn6 {
	struct conn c;
	struct tuple6 in, out;
	uint32_t pad[4];
};

static_assert(sizeof(struct conn) == 40);
static_assert(sizeof(struct conn4) == 64, "an IPv4 connection is one cache line");
static_assert(sizeof(struct conn6) == 128, "an IPv6 connection is two cache lines");
