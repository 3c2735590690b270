// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A connection table on memory of its own, for tests. What is reserved but not granted may not be
// touched: it faults.

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/conn_table.h"

struct rig {
	struct conn_table t;
	struct conn_table_memory memory;
	uint32_t max;
	size_t sizes[4]; // bytes reserved: records, buckets, overflow, chunks
};

static inline void rig_bytes(uint32_t records, bool v6, size_t bytes[4])
{
	struct conn_table_size s = conn_table_size(records);
	bytes[0] = (size_t)s.records << (v6 ? 7 : 6);
	bytes[1] = (size_t)s.buckets * sizeof(struct bucket);
	bytes[2] = (size_t)s.overflow * sizeof(struct bucket);
	bytes[3] = (size_t)s.chunks * sizeof(struct wheel_chunk);
}

static inline void *rig_reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

static inline void rig_grant(struct rig *r, uint32_t records)
{
	size_t bytes[4];
	rig_bytes(records, r->t.v6, bytes);
	if (mprotect(r->memory.records, bytes[0], PROT_READ | PROT_WRITE) != 0 ||
	    mprotect(r->memory.buckets, bytes[1], PROT_READ | PROT_WRITE) != 0 ||
	    mprotect(r->memory.overflow, bytes[2], PROT_READ | PROT_WRITE) != 0 ||
	    mprotect(r->memory.chunks, bytes[3], PROT_READ | PROT_WRITE) != 0)
		abort();
	conn_table_grant(&r->t, records);
}

static inline void rig_init(struct rig *r, bool v6, uint32_t max, uint32_t now)
{
	static const uint64_t key[4] = { 0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
		0x082efa98ec4e6c89 };
	rig_bytes(max, v6, r->sizes);
	r->max = max;
	r->memory.records = rig_reserve(r->sizes[0]);
	r->memory.buckets = rig_reserve(r->sizes[1]);
	r->memory.overflow = rig_reserve(r->sizes[2]);
	r->memory.chunks = rig_reserve(r->sizes[3]);
	conn_table_init(&r->t, v6, &r->memory, key, now);
}

static inline void rig_free(struct rig *r)
{
	munmap(r->memory.records, r->sizes[0]);
	munmap(r->memory.buckets, r->sizes[1]);
	munmap(r->memory.overflow, r->sizes[2]);
	munmap(r->memory.chunks, r->sizes[3]);
}

// ---- chance ----

static uint64_t seed = 1;

static inline uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint64_t)(uint32_t)(seed >> 32) * n >> 32;
}

// ---- tuples: those of connection i are a function of i ----

// Stands at an odd address, as in a packet.
struct __attribute__((packed)) tuple {
	uint8_t odd;
	uint8_t addresses[32];
	uint8_t ports[4];
	uint8_t protocol;
};

static inline uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

// No two are equal: `i` and `reply` stand in the address in clear.
static inline struct tuple tuple_of(uint32_t i, bool reply, bool v6)
{
	struct tuple t = { .protocol = i % 3 ? IPPROTO_TCP : IPPROTO_UDP };
	uint64_t x = scramble((uint64_t)i << 1 | reply);
	uint32_t clear = i << 1 | reply;

	memcpy(t.ports, &x, 4);
	if (v6) {
		for (unsigned k = 0; k < 4; k++, x = scramble(x))
			memcpy(t.addresses + 8 * k, &x, 8);
		memcpy(t.addresses + 8 * (i % 4), &clear, 4);
	} else {
		memcpy(t.addresses, &clear, 4);
		memcpy(t.addresses + 4, (uint8_t *)&x + 4, 4);
	}
	return t;
}

static inline uint64_t hash_of(const struct conn_table *t, const struct tuple *k)
{
	return tuple_hash(t, k->addresses, k->ports, k->protocol, t->v6);
}

static inline uint32_t find(const struct conn_table *t, const struct tuple *k)
{
	return conn_table_find(t, hash_of(t, k), k->addresses, k->ports, k->protocol, t->v6);
}

static inline void set_tuple(
    struct conn_table *t, uint32_t record, bool reply, const struct tuple *k)
{
	struct conn *c = conn_at(t, record);
	uint8_t *to = (uint8_t *)conn_tuple(c, reply, t->v6);
	unsigned n = t->v6 ? 32 : 8;
	memcpy(to, k->addresses, n);
	memcpy(to + n, k->ports, 4);
	c->protocol = k->protocol;
}

static inline void shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = below(i), swap = order[k];
		order[k] = order[i - 1];
		order[i - 1] = swap;
	}
}
