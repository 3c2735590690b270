// SPDX-License-Identifier: BSD-3-Clause

// The connection table's buckets: what happens when hashes are equal or a chain takes all there is,
// the hash itself, and how much memory it all needs.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "table_rig.h"

#define MANY  200000u
#define AGING 3200u // ticks

// Different tuples with one hash: signatures, and so whole chains of buckets, are equal.
static void test_collisions(void **)
{
	enum { N = 3000 };
	static uint32_t order[N];
	struct rig r;
	const uint64_t hash = 0x123456789abcdef0;

	rig_init(&r, false, N, 0);
	rig_grant(&r, N);
	for (uint32_t i = 0; i < N; i++) {
		struct tuple k = tuple_of(i, false, false);
		assert_int_equal(conn_table_new(&r.t, 0, AGING), i);
		set_tuple(&r.t, i, false, &k);
		assert_true(conn_table_insert(&r.t, hash, i));
	}
	assert_int_equal(r.t.overflow_used, N / BUCKET_SLOTS - 1);
	shuffle(order, N);
	for (uint32_t gone = 0; gone <= N; gone++) {
		for (uint32_t n = 0; n < (gone % 100 ? 20 : N); n++) {
			uint32_t at = gone % 100 ? below(N) : n;
			struct tuple k = tuple_of(order[at], false, false);
			assert_int_equal(
			    conn_table_find(&r.t, hash, k.addresses, k.ports, k.protocol, false),
			    at < gone ? CONN_NONE : order[at]);
		}
		assert_int_equal(
		    r.t.overflow_used, gone + BUCKET_SLOTS < N ? (N - gone - 1) / BUCKET_SLOTS : 0);
		if (gone < N)
			conn_table_remove(&r.t, hash, order[gone]);
	}
	assert_int_equal(r.t.entries, 0);
	rig_free(&r);
}

// The hash alone does not make a tuple equal: with one hash for all, every bit is compared.
static void test_equal_hash(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rig r;
		struct tuple k = tuple_of(5, false, v6);

		rig_init(&r, v6, 2, 0);
		rig_grant(&r, 2);
		uint32_t n = conn_table_new(&r.t, 0, AGING);
		set_tuple(&r.t, n, false, &k);
		assert_true(conn_table_insert(&r.t, 0, n)); // as empty slots: signature 0
		for (unsigned bit = 0; bit < (v6 ? 256 : 64) + 32; bit++) {
			uint8_t *byte = bit < (v6 ? 256 : 64)
			                    ? &k.addresses[bit / 8]
			                    : &k.ports[(bit - (v6 ? 256 : 64)) / 8];
			*byte ^= 1 << bit % 8;
			assert_int_equal(
			    conn_table_find(&r.t, 0, k.addresses, k.ports, k.protocol, v6),
			    CONN_NONE);
			*byte ^= 1 << bit % 8;
		}
		assert_int_equal(
		    conn_table_find(&r.t, 0, k.addresses, k.ports, k.protocol ^ 1, v6), CONN_NONE);
		assert_int_equal(conn_table_find(&r.t, 0, k.addresses, k.ports, k.protocol, v6), n);
		assert_int_equal(
		    conn_table_find(&r.t, 1ull << LEVEL_MIN, k.addresses, k.ports, k.protocol, v6),
		    CONN_NONE);
		rig_free(&r);
	}
}

// Two entries of the same record and bucket are told apart, also when the tuples are equal.
static void test_reply_entry(void **)
{
	struct rig r;
	struct tuple in = tuple_of(1, false, true), out = tuple_of(1, true, true);

	rig_init(&r, true, 10, 0);
	rig_grant(&r, 10);
	uint32_t n = conn_table_new(&r.t, 0, AGING);
	set_tuple(&r.t, n, false, &in);
	set_tuple(&r.t, n, true, &out);
	assert_true(conn_table_insert(&r.t, 5, n | ENTRY_REPLY));
	assert_true(conn_table_insert(&r.t, 5, n));
	assert_int_equal(conn_table_find(&r.t, 5, in.addresses, in.ports, in.protocol, true), n);
	assert_int_equal(conn_table_find(&r.t, 5, out.addresses, out.ports, out.protocol, true),
	    n | ENTRY_REPLY);
	conn_table_remove(&r.t, 5, n);
	assert_int_equal(
	    conn_table_find(&r.t, 5, in.addresses, in.ports, in.protocol, true), CONN_NONE);
	assert_int_equal(conn_table_find(&r.t, 5, out.addresses, out.ports, out.protocol, true),
	    n | ENTRY_REPLY);
	conn_table_remove(&r.t, 5, n); // not there any more
	assert_int_equal(r.t.entries, 1);
	rig_free(&r);
}

// One bucket's chain takes all overflow buckets: inserts are refused and change nothing, no bucket
// is split on the chain's cost, and all goes on when it is gone.
static void test_overflow_exhausted(void **)
{
	enum { ROOM = 50000 };
	struct rig r;
	uint32_t chained = 0, others = 0;

	rig_init(&r, false, ROOM, 0);
	rig_grant(&r, ROOM);
	for (uint32_t i = 0; i < ROOM; i++) {
		struct tuple k = tuple_of(i, false, false);
		assert_int_equal(conn_table_new(&r.t, 0, AGING), i);
		set_tuple(&r.t, i, false, &k);
	}
	while (conn_table_insert(&r.t, 0, chained))
		chained++;
	assert_int_equal(chained, BUCKET_SLOTS * (1 + r.t.overflow_room));
	assert_int_equal(r.t.entries, chained);
	assert_false(conn_table_insert(&r.t, 0, chained));

	// Six more in every other bucket: over the load, so that bucket 0 is to be split.
	uint32_t before = r.t.n_buckets;
	for (uint32_t b = 1; b < before; b++) {
		for (uint32_t i = 0; i < BUCKET_LOAD; i++, others++)
			assert_true(conn_table_insert(
			    &r.t, b | (uint64_t)i << LEVEL_MIN, others % ROOM | ENTRY_REPLY));
	}
	assert_true(r.t.entries > before * BUCKET_LOAD);
	assert_int_equal(r.t.n_buckets, before);
	for (uint32_t i = 0; i < chained; i += 97) {
		struct tuple k = tuple_of(i, false, false);
		assert_int_equal(
		    conn_table_find(&r.t, 0, k.addresses, k.ports, k.protocol, false), i);
	}
	for (uint32_t i = 0; i < chained; i++)
		conn_table_remove(&r.t, 0, chained - 1 - i);
	assert_int_equal(r.t.overflow_used, 0);
	assert_int_equal(r.t.entries, others);
	for (uint32_t i = 0; i < BUCKET_LOAD + 1; i++)
		assert_true(conn_table_insert(&r.t, (uint64_t)(i % 2) << LEVEL_MIN, i));
	assert_true(r.t.n_buckets > before);
	rig_free(&r);
}

// The signatures that are equal, and perhaps empty slots: those have no entry.
static void test_bucket_match(void **)
{
	for (unsigned round = 0; round < 100000; round++) {
		struct bucket b = {};
		uint16_t want = below(3);
		uint32_t mask = 0;
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			b.signature[i] = below(2) ? below(3) : below(65536);
			mask |= (uint32_t)(b.signature[i] == want) << i;
		}
		b.entry[0] = b.next = UINT32_MAX; // must not count
		assert_int_equal(bucket_match(&b, want), mask);
	}
}

// Every bit of a tuple and of the key matters.
static void test_hash(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct conn_table t = { .v6 = v6, .key = { 1, 2, 3, 4 } };
		struct tuple k = tuple_of(99, false, v6);
		uint64_t hash = hash_of(&t, &k);
		uint8_t *bytes = k.addresses;
		for (unsigned bit = 0; bit < (v6 ? 256 : 64); bit++) {
			bytes[bit / 8] ^= 1 << bit % 8;
			assert_true(hash_of(&t, &k) != hash);
			bytes[bit / 8] ^= 1 << bit % 8;
		}
		for (unsigned bit = 0; bit < 32; bit++) {
			k.ports[bit / 8] ^= 1 << bit % 8;
			assert_true(hash_of(&t, &k) != hash);
			k.ports[bit / 8] ^= 1 << bit % 8;
		}
		k.protocol ^= 1;
		assert_true(hash_of(&t, &k) != hash);
		k.protocol ^= 1;
		for (unsigned bit = 0; bit < 256; bit++) {
			t.key[bit / 64] ^= 1ull << bit % 64;
			assert_true(hash_of(&t, &k) != hash);
			t.key[bit / 64] ^= 1ull << bit % 64;
		}
		assert_true(hash_of(&t, &k) == hash);
	}
}

// Tuples as they come: one service, clients and ports that follow one another.
static void test_ordinary_tuples(void **)
{
	struct rig r;

	rig_init(&r, false, MANY, 0);
	rig_grant(&r, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		struct tuple k = { .addresses = { 10, 0, i / 50000 % 256, 1, 192, 0, 2, 1 },
			.ports = { (i % 50000 + 10000) >> 8, i % 50000 + 10000, 0, 80 },
			.protocol = IPPROTO_TCP };
		uint32_t n = conn_table_new(&r.t, 0, AGING);
		set_tuple(&r.t, n, false, &k);
		assert_true(conn_table_insert(&r.t, hash_of(&r.t, &k), n));
		memset(k.addresses, 10, 4); // swapped: the server's side
		k.addresses[4] = i / 50000;
		set_tuple(&r.t, n, true, &k);
		assert_true(conn_table_insert(&r.t, hash_of(&r.t, &k), n | ENTRY_REPLY));
	}
	print_message(
	    "%u buckets, %u of %u overflow\n", r.t.n_buckets, r.t.overflow_used, r.t.overflow_room);
	assert_true(r.t.overflow_used < r.t.overflow_room * 3 / 4);
	rig_free(&r);
}

// What conn_table.h says about memory, with the constants of small tables. Never less for more.
static void test_size(void **)
{
	static const uint32_t counts[] = { 1u << 20, 10u << 20, 100u << 20, RECORDS_MAX / 2 };
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			size_t bytes[4];
			rig_bytes(counts[i], v6, bytes);
			size_t all = bytes[0] + bytes[1] + bytes[2] + bytes[3];
			double each = (double)all / counts[i];
			if (i == 0)
				print_message("%.1f bytes a connection\n", each);
			assert_true(each < (v6 ? 159 : 95));
		}
	}
	struct conn_table_size before = {};
	for (uint32_t n = 0; n < RECORDS_MAX; n += 1 + n / 7) {
		struct conn_table_size s = conn_table_size(n);
		assert_true(s.records >= n && s.buckets >= 1u << LEVEL_MIN);
		assert_true(s.buckets >= before.buckets && s.overflow >= before.overflow &&
		            s.chunks >= before.chunks);
		before = s;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_equal_hash),
		cmocka_unit_test(test_reply_entry),
		cmocka_unit_test(test_overflow_exhausted),
		cmocka_unit_test(test_bucket_match),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_ordinary_tuples),
		cmocka_unit_test(test_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
