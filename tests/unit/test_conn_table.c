// SPDX-License-Identifier: BSD-3-Clause

// The connection table against a plain array of what is in it.

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

// Connection i with both its tuples. CONN_NONE: the table is full.
static uint32_t add_at(struct conn_table *t, uint32_t i, uint32_t now)
{
	uint32_t record = conn_table_new(t, now, AGING);
	for (unsigned reply = 0; record != CONN_NONE && reply < 2; reply++) {
		struct tuple k = tuple_of(i, reply, t->v6);
		set_tuple(t, record, reply, &k);
		assert_true(
		    conn_table_insert(t, hash_of(t, &k), record | (reply ? ENTRY_REPLY : 0)));
	}
	return record;
}

static uint32_t add(struct conn_table *t, uint32_t i)
{
	return add_at(t, i, 0);
}

static void drop(struct conn_table *t, uint32_t i, uint32_t record)
{
	for (unsigned reply = 0; reply < 2; reply++) {
		struct tuple k = tuple_of(i, reply, t->v6);
		conn_table_remove(t, hash_of(t, &k), record | (reply ? ENTRY_REPLY : 0));
	}
	conn_table_free(t, record);
}

// `record`: CONN_NONE when connection i must not be there.
static void check(const struct conn_table *t, uint32_t i, uint32_t record)
{
	for (unsigned reply = 0; reply < 2; reply++) {
		struct tuple k = tuple_of(i, reply, t->v6);
		uint32_t want = record;
		if (record != CONN_NONE && reply)
			want |= ENTRY_REPLY;
		assert_int_equal(find(t, &k), want);
		k.protocol ^= IPPROTO_TCP ^ IPPROTO_UDP;
		assert_int_equal(find(t, &k), CONN_NONE);
	}
}

// ---- tests ----

static void test_empty(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rig r;
		rig_init(&r, v6, 1000, 0);
		assert_int_equal(conn_table_new(&r.t, 0, AGING), CONN_NONE); // nothing granted
		rig_grant(&r, 1);
		check(&r.t, 7, CONN_NONE);
		uint32_t record = add(&r.t, 7);
		assert_int_equal(record, 0);
		const struct conn *c = conn_at(&r.t, record);
		assert_int_equal(c->flags, CONN_IN_USE);
		assert_int_equal(c->server, SERVER_NONE);
		assert_int_equal(c->timeout, AGING);
		assert_int_equal(conn_number(&r.t, c), record);
		check(&r.t, 7, record);
		assert_int_equal(conn_table_new(&r.t, 0, AGING), CONN_NONE);
		conn_table_remove(&r.t, 12345, record); // another bucket: stays
		check(&r.t, 7, record);
		assert_int_equal(r.t.entries, 2);
		conn_table_grant(&r.t, 0); // never less than before
		assert_int_equal(r.t.room, 1);
		drop(&r.t, 7, record);
		check(&r.t, 7, CONN_NONE);
		assert_int_equal(r.t.count + r.t.entries, 0);
		assert_int_equal(add(&r.t, 8), 0);
		rig_free(&r);
	}
}

// Up to the maximum in steps, and down again.
static void growth(bool v6)
{
	static uint32_t records[MANY], order[MANY];
	struct rig r;
	uint32_t granted = 1000, steps = 0;

	rig_init(&r, v6, MANY, 0);
	rig_grant(&r, granted);
	for (uint32_t i = 0; i < MANY; i++) {
		records[i] = add(&r.t, i);
		if (records[i] == CONN_NONE) {
			assert_int_equal(r.t.count, granted);
			granted = granted + 30000 < MANY ? granted + 30000 : MANY;
			rig_grant(&r, granted);
			records[i] = add(&r.t, i);
			steps++;
		}
		assert_true(records[i] < granted);
		check(&r.t, i / 2, records[i / 2]);
	}
	assert_int_equal(steps, 7);
	assert_int_equal(r.t.count, MANY);
	assert_int_equal(r.t.entries, 2 * MANY);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(add(&r.t, MANY), CONN_NONE);
	for (uint32_t i = 0; i < MANY; i++) {
		check(&r.t, i, records[i]);
		check(&r.t, MANY + i, CONN_NONE);
	}
	print_message("v%u: %u buckets, %u of %u overflow\n", v6 ? 6 : 4, r.t.n_buckets,
	    r.t.overflow_used, r.t.overflow_room);
	assert_true(r.t.n_buckets * (BUCKET_LOAD + 1) > r.t.entries);
	assert_true(r.t.overflow_used < r.t.overflow_room * 3 / 4);

	shuffle(order, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		drop(&r.t, order[i], records[order[i]]);
		records[order[i]] = CONN_NONE;
		check(&r.t, order[i / 2], CONN_NONE);
		check(&r.t, order[MANY - 1 - i / 2], records[order[MANY - 1 - i / 2]]);
	}
	assert_int_equal(r.t.count + r.t.entries + r.t.overflow_used, 0);
	rig_free(&r);
}

static void test_growth_v4(void **)
{
	growth(false);
}

static void test_growth_v6(void **)
{
	growth(true);
}

// What a worker does as time goes on: all that is still there saw a packet just now.
static void look_after(struct conn_table *t, uint32_t now)
{
	uint32_t items[WHEEL_CHUNK_ITEMS];
	uint16_t slot;

	while (wheel_due(&t->wheel, now)) {
		for (uint32_t n = wheel_take(&t->wheel, now, items, &slot), i = 0; i < n; i++) {
			struct conn *c = conn_at(t, items[i]);
			if (!(c->flags & CONN_IN_USE) || c->armed != slot)
				continue;
			int armed = wheel_arm(&t->wheel, items[i], now, now + AGING);
			assert_true(armed >= 0);
			c->armed = armed;
		}
	}
}

// Additions and deletions at random, mostly near the limit.
static void random_changes(bool v6)
{
	enum { KEYS = 70000, ROOM = 40000, CHANGES = 500000 };
	static uint32_t records[KEYS];
	struct rig r;
	uint32_t count = 0, refused = 0;

	rig_init(&r, v6, ROOM, 0);
	rig_grant(&r, ROOM);
	memset(records, 0xff, sizeof(records));
	for (uint32_t n = 0; n < CHANGES; n++) {
		uint32_t i = below(KEYS);
		if (records[i] == CONN_NONE) {
			records[i] = add_at(&r.t, i, n / 64 * WHEEL_SLOT_TICKS);
			assert_int_equal(records[i] == CONN_NONE, count == ROOM);
			refused += records[i] == CONN_NONE;
			count += records[i] != CONN_NONE;
		} else if (below(2)) {
			drop(&r.t, i, records[i]);
			records[i] = CONN_NONE;
			count--;
		}
		assert_int_equal(r.t.count, count);
		check(&r.t, i, records[i]);
		i = below(KEYS);
		check(&r.t, i, records[i]);
		if (n % 64 == 0)
			look_after(&r.t, n / 64 * WHEEL_SLOT_TICKS);
	}
	for (uint32_t i = 0; i < KEYS; i++)
		check(&r.t, i, records[i]);
	assert_true(refused > 1000);
	rig_free(&r);
}

static void test_random_v4(void **)
{
	random_changes(false);
}

static void test_random_v6(void **)
{
	random_changes(true);
}

// A listing walks the records while connections come and go: what is there all the time is seen
// exactly once.
static void test_walk_with_changes(void **)
{
	enum { KEYS = 20000, STAY = 5000 };
	static uint32_t records[KEYS];
	static uint8_t seen[KEYS];
	struct rig r;

	rig_init(&r, true, KEYS, 0);
	rig_grant(&r, KEYS);
	memset(records, 0xff, sizeof(records));
	for (uint32_t n = 0; n < KEYS; n++) {
		uint32_t i = (n * 7) % KEYS;
		if (i < STAY || below(2))
			records[i] = add(&r.t, i);
	}
	for (uint32_t at = 0; at < r.t.high; at++) {
		if (at % 256 == 0) {
			for (uint32_t n = 0; n < 50; n++) {
				uint32_t i = STAY + below(KEYS - STAY);
				if (records[i] == CONN_NONE) {
					records[i] = add(&r.t, i);
				} else {
					drop(&r.t, i, records[i]);
					records[i] = CONN_NONE;
				}
			}
		}
		const struct conn6 *c = (const struct conn6 *)conn_at(&r.t, at);
		if (!(c->c.flags & CONN_IN_USE))
			continue;
		uint32_t found = conn_table_find(&r.t,
		    tuple_hash(&r.t, &c->in, &c->in.sport, c->c.protocol, true), &c->in,
		    &c->in.sport, c->c.protocol, true);
		assert_int_equal(found, at);
		for (uint32_t k = 0; k < 4; k++) { // where tuple_of() writes it
			uint32_t clear = load32((const uint8_t *)&c->in + 8 * k) >> 1;
			if (clear < STAY && clear % 4 == k && records[clear] == at)
				seen[clear]++;
		}
	}
	for (uint32_t i = 0; i < STAY; i++)
		assert_int_equal(seen[i], 1);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_growth_v4),
		cmocka_unit_test(test_growth_v6),
		cmocka_unit_test(test_random_v4),
		cmocka_unit_test(test_random_v6),
		cmocka_unit_test(test_walk_with_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
