// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where real servers are, as a worker knows it: the address and port of each number, for new
// connections and tunnels; and whether an address and port is a server's that answers through the
// director (NAT, FULLNAT), for packets that have no connection on this worker.
//
// Owned by one worker, changed by mail. No allocation; memory is given from outside and zero.

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define SERVER_HEADS (1u << 16)

// How packets are wrapped for a server that is forwarded to by TUN.
struct tunnel {
	uint16_t port;    // GUE; network order
	uint8_t type;     // enum tunnel_type (conf/conf.h)
	uint8_t checksum; // enum tunnel_checksum
};

enum server_kind { SERVER_NAT = 1, SERVER_FULLNAT = 2 };

struct server_key {
	uint8_t address[16]; // network order; of IPv4 the first four bytes, the rest zero
	uint16_t port;       // network order
	uint8_t protocol;
	bool v6;
	uint8_t kinds; // of answers that may come from it: enum server_kind; 0: not in the table
	uint32_t next; // in its chain, number + 1; 0: the end
	struct tunnel tunnel;
};
static_assert(sizeof(struct server_key) == 32);

struct server_table {
	struct server_key *keys; // by number
	uint64_t secret;
	uint32_t heads[SERVER_HEADS]; // number + 1
};

// What a number stands for now. With a kind (else 0) it can be found by address, from now until the
// number stands for another server.
void server_table_set(
    struct server_table *t, uint32_t id, const struct server_key *key, unsigned kind);
// The kinds of all servers there; 0: none. `address` points to 4 or 16 bytes; `port` is in network
// order.
unsigned server_table_kinds(
    const struct server_table *t, const void *address, uint16_t port, uint8_t protocol, bool v6);
