// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The connection table of one worker and one family.
//
//	bucket (64 bytes)                        records (64 or 128 bytes, conn.h)
//	{ 10 x 16-bit signature,        -------> record number, with a bit that says whether the
//	  10 x 32-bit entry, next }              tuple is the client's or the real server's
//
// A known packet costs two cache misses, both prefetched for a whole burst: its bucket and its
// record. The ten signatures of a bucket are compared at once.
//
// It grows without ever stopping: by linear hashing. Each insert into a table that is over its
// load splits one bucket in two, in order; the signature holds the hash bits that decide, so that a
// split touches no record. Memory is reserved for `connections.max` from the start, but only what
// is granted (conn_table_grant(), in steps, by the control thread, which also faults it in)
// is used.
//
// Bytes per IPv4 connection with two tuples (NAT): record 64 + 2 entries of 64/6 + overflow 64/24
// + wheel 64/12 = 93; with one (DR): 83.
//
// The hash is keyed with 256 random bits and not linear (unlike CRC or Toeplitz), so that who does
// not know the key cannot aim at one bucket.
//
// One worker owns all of it. No allocation; memory is given from outside and zero.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "conn.h"
#include "wheel.h"

#define BUCKET_SLOTS 10u
#define BUCKET_LOAD  6u // mean entries a bucket before the next split

// The first level has 2^14 buckets, so that bits 14..29 of the hash, the signature, decide every
// later split.
#define LEVEL_MIN 14u
#define LEVEL_MAX 29u

#define ENTRY_REPLY (1u << 31) // the tuple is the record's `out`
#define RECORDS_MAX (1u << 30)

struct bucket {
	uint16_t signature[BUCKET_SLOTS];
	uint32_t entry[BUCKET_SLOTS]; // record number + 1, and ENTRY_REPLY; 0: empty. No gaps.
	uint32_t next;                // overflow bucket + 1; 0: none
};
static_assert(sizeof(struct bucket) == 64);

// How many of each thing a room for `records` connections needs.
struct conn_table_size {
	uint32_t records, buckets, overflow, chunks;
};
struct conn_table_size conn_table_size(uint32_t records);

struct conn_table_memory {
	void *records;
	struct bucket *buckets, *overflow;
	struct wheel_chunk *chunks;
};

struct conn_table {
	uint8_t *records;
	uint32_t shift; // log2 of the record's size
	bool v6;
	struct bucket *buckets, *overflow;
	uint32_t n_buckets, mask; // mask: 2^(level+1) - 1
	uint32_t entries;
	uint32_t bucket_room, overflow_room, overflow_high, overflow_free, overflow_used;

	uint32_t count; // connections; ctl: ro
	uint32_t high;  // records used once at least; ctl: ro
	uint32_t room;  // records granted; ctl: ro
	uint32_t free;  // chain of records used and free again
	uint64_t key[4];
	struct wheel wheel;
};

void conn_table_init(struct conn_table *t, bool v6, const struct conn_table_memory *memory,
    const uint64_t key[4], uint32_t now);
// From now on `records` connections fit. Never less than before.
void conn_table_grant(struct conn_table *t, uint32_t records);

// A record that watches itself expire after `timeout` ticks; the rest of the record is for the
// caller to fill. CONN_NONE when the table is full.
uint32_t conn_table_new(struct conn_table *t, uint32_t now, uint32_t timeout);
// The record's entries must be out of the buckets.
void conn_table_free(struct conn_table *t, uint32_t record);

// false: no overflow bucket is left. `entry` is a record number, perhaps with ENTRY_REPLY.
bool conn_table_insert(struct conn_table *t, uint64_t hash, uint32_t entry);
void conn_table_remove(struct conn_table *t, uint64_t hash, uint32_t entry);

// Sets the time after which `c` expires. A deadline that is now earlier than what the wheel will
// look at is armed anew.
void conn_set_timeout(struct conn_table *t, struct conn *c, uint32_t now, uint32_t timeout);

// What wheel_take() gave: true when the connection's time is over; else it is armed again, or the
// entry was stale.
bool conn_table_look(struct conn_table *t, uint32_t record, uint16_t slot, uint32_t now);

static inline struct conn *conn_at(const struct conn_table *t, uint32_t record)
{
	return (struct conn *)(t->records + ((size_t)record << t->shift));
}

static inline uint32_t conn_number(const struct conn_table *t, const struct conn *c)
{
	return ((const uint8_t *)c - t->records) >> t->shift;
}

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

// Tuples are read as whole words, from packets too, where nothing is aligned.
static inline uint64_t load64(const void *p)
{
	uint64_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const void *p)
{
	uint32_t v;
	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

// `addresses`: source then destination; `ports`: source then destination; as in a packet.
static inline uint64_t tuple_hash(const struct conn_table *t, const void *addresses,
    const void *ports, uint8_t protocol, const bool v6)
{
	const uint8_t *a = addresses;
	uint64_t rest = (uint64_t)load32(ports) << 8 | protocol;
	if (!v6)
		return hash_mix(
		    hash_mix(load64(a) ^ t->key[0], rest ^ t->key[1]) ^ t->key[2], t->key[3]);
	uint64_t src = hash_mix(load64(a) ^ t->key[0], load64(a + 8) ^ t->key[1]);
	uint64_t dst = hash_mix(load64(a + 16) ^ t->key[2], load64(a + 24) ^ t->key[3]);
	return hash_mix(hash_mix(src ^ t->key[1], dst ^ t->key[2]) ^ rest, t->key[0]);
}

static inline uint16_t hash_signature(uint64_t hash)
{
	return hash >> LEVEL_MIN;
}

static inline struct bucket *bucket_of(const struct conn_table *t, uint64_t hash)
{
	uint32_t b = hash & t->mask;
	if (b >= t->n_buckets)
		b &= t->mask >> 1;
	return &t->buckets[b];
}

// A bit for each slot whose signature is `s`; empty slots may be among them.
static inline uint32_t bucket_match(const struct bucket *b, uint16_t s)
{
#ifdef __SSE2__
	__m128i want = _mm_set1_epi16(s);
	__m128i low = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)b->signature), want);
	__m128i high = _mm_cmpeq_epi16(_mm_cvtsi32_si128(load32(&b->signature[8])), want);
	return _mm_movemask_epi8(_mm_packs_epi16(low, high)) & ((1u << BUCKET_SLOTS) - 1);
#else
	uint32_t m = 0;
	for (unsigned i = 0; i < BUCKET_SLOTS; i++)
		m |= (uint32_t)(b->signature[i] == s) << i;
	return m;
#endif
}

static inline bool tuple_equal(
    const void *tuple, const void *addresses, const void *ports, const bool v6)
{
	const uint8_t *t = tuple, *a = addresses;
	if (!v6)
		return load64(t) == load64(a) && load32(t + 8) == load32(ports);
	return ((load64(t) ^ load64(a)) | (load64(t + 8) ^ load64(a + 8)) |
	           (load64(t + 16) ^ load64(a + 16)) | (load64(t + 24) ^ load64(a + 24)) |
	           (load32(t + 32) ^ load32(ports))) == 0;
}

static inline const void *conn_tuple(const struct conn *c, bool reply, const bool v6)
{
	if (v6) {
		const struct conn6 *c6 = (const struct conn6 *)c;
		return reply ? &c6->out : &c6->in;
	}
	const struct conn4 *c4 = (const struct conn4 *)c;
	return reply ? &c4->out : &c4->in;
}

static inline uint64_t conn_hash(const struct conn_table *t, const struct conn *c, bool reply)
{
	const uint8_t *tuple = conn_tuple(c, reply, t->v6);
	return tuple_hash(t, tuple, tuple + (t->v6 ? 32 : 8), c->protocol, t->v6);
}

// Is this entry the tuple's?
static inline bool entry_matches(const struct conn_table *t, uint32_t entry, const void *addresses,
    const void *ports, uint8_t protocol, const bool v6)
{
	const struct conn *c = conn_at(t, entry & ~ENTRY_REPLY);
	return c->protocol == protocol &&
	       tuple_equal(conn_tuple(c, entry & ENTRY_REPLY, v6), addresses, ports, v6);
}

// The entry of a tuple: its record number, with ENTRY_REPLY when the tuple is the real server's;
// CONN_NONE when there is none.
static inline uint32_t conn_table_find(const struct conn_table *t, uint64_t hash,
    const void *addresses, const void *ports, uint8_t protocol, const bool v6)
{
	const struct bucket *b = bucket_of(t, hash);
	for (;;) {
		uint32_t m = bucket_match(b, hash_signature(hash));
		for (; m; m &= m - 1) {
			uint32_t e = b->entry[__builtin_ctz(m)];
			if (!e)
				break; // no gaps: the rest is empty
			e--;
			if (entry_matches(t, e, addresses, ports, protocol, v6))
				return e;
		}
		if (!b->next)
			return CONN_NONE;
		b = &t->overflow[b->next - 1];
	}
}
