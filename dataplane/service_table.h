// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A worker's virtual services: what is looked up for a packet without a connection.
//
// Two hash tables by chaining: by (family, protocol, address, port), and by address alone ("is this
// a VIP?"). The control thread makes the elements; the worker links them in by mail. One worker
// owns all of it: no lock, no allocation. The number of buckets is fixed: 2^16, which keeps chains
// short up to a few hundred thousand services.

#include <stdbool.h>
#include <stdint.h>

#include "sched/sched.h"

#define SERVICE_BUCKETS (1u << 16)

struct service_key {
	uint8_t address[16]; // network order; of IPv4 the first four bytes, the rest zero
	uint16_t port;       // network order
	uint8_t protocol;
	bool v6;
};

struct service_stats { // worker: rw, ctl: ro
	uint64_t connections, in_packets, out_packets, in_bytes, out_bytes;
};

struct local_pool;

struct service {
	struct service *next_key, *next_address; // the chains
	struct service_key key;
	uint32_t id;
	bool staggered; // this worker's start within the list was made
	bool nat;       // it has or had servers that answer through the director
	const struct sched_ops *scheduler;
	struct sched_state state;
	struct sched_list *list;
	struct local_pool *local; // FULLNAT: of the service's family; NULL: none
	uint16_t tells; // FULLNAT: CONN_TOA or CONN_PROXY (conn.h) for its connections, or 0
	uint8_t toa_kind;
	struct service_stats stats;
};

struct service_table {
	struct service *by_key[SERVICE_BUCKETS];
	struct service *by_address[SERVICE_BUCKETS];
	uint64_t secret;
	uint32_t count;
};

// `t` is zeroed memory.
void service_table_init(struct service_table *t, uint64_t secret);
void service_table_add(struct service_table *t, struct service *s);
void service_table_remove(struct service_table *t, struct service *s);

// `address` points to 4 or 16 bytes; `port` is in network order. NULL: none.
struct service *service_table_find(
    const struct service_table *t, const void *address, uint16_t port, uint8_t protocol, bool v6);
bool service_table_has_address(const struct service_table *t, const void *address, bool v6);
