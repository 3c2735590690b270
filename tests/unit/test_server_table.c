// SPDX-License-Identifier: BSD-3-Clause

// Where real servers are: by number, and by address, against a plain array.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/server_table.h"

#define IDS 2000u

static struct server_table *t;

static int set_up(void **)
{
	t = calloc(1, sizeof(*t));
	t->keys = calloc(IDS, sizeof(*t->keys));
	t->secret = 0x243f6a8885a308d3;
	return !t || !t->keys;
}

static int tear_down(void **)
{
	free(t->keys);
	free(t);
	return 0;
}

// Few addresses and ports, so that many numbers share them.
static struct server_key key_of(unsigned i)
{
	struct server_key k = {
		.port = htons(80 + i % 3),
		.protocol = i % 5 ? IPPROTO_TCP : IPPROTO_UDP,
		.v6 = i % 2,
	};
	k.address[0] = 10;
	k.address[k.v6 ? 15 : 3] = i % 41;
	return k;
}

static bool same(const struct server_key *a, const struct server_key *b)
{
	return a->port == b->port && a->protocol == b->protocol && a->v6 == b->v6 &&
	       memcmp(a->address, b->address, 16) == 0;
}

static unsigned kinds(const struct server_key *k)
{
	return server_table_kinds(t, k->address, k->port, k->protocol, k->v6);
}

static void kinds_of_one(void **)
{
	struct server_key k = key_of(1), other = key_of(2);
	assert_int_equal(kinds(&k), 0);
	server_table_set(t, 7, &k, 0); // a DR server: known by number only
	assert_int_equal(kinds(&k), 0);
	assert_true(same(&t->keys[7], &k));
	server_table_set(t, 7, &k, SERVER_NAT);
	assert_int_equal(kinds(&k), SERVER_NAT);
	// Edited to something else: answers of old connections may come still.
	server_table_set(t, 7, &k, SERVER_FULLNAT);
	assert_int_equal(kinds(&k), SERVER_NAT | SERVER_FULLNAT);
	server_table_set(t, 7, &k, 0);
	assert_int_equal(kinds(&k), SERVER_NAT | SERVER_FULLNAT);
	// The number stands for another server now.
	server_table_set(t, 7, &other, SERVER_NAT);
	assert_int_equal(kinds(&k), 0);
	assert_int_equal(kinds(&other), SERVER_NAT);
	// Protocol and port are part of it.
	struct server_key near = other;
	near.port ^= htons(1);
	assert_int_equal(kinds(&near), 0);
	near = other;
	near.protocol ^= IPPROTO_TCP ^ IPPROTO_UDP;
	assert_int_equal(kinds(&near), 0);
}

static void many_against_an_array(void **)
{
	static struct {
		struct server_key key;
		unsigned kinds;
	} want[IDS];
	uint32_t seed = 1;
	memset(want, 0, sizeof(want));
	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned id = (seed >> 8) % IDS, kind = (seed >> 20) % 3;
		struct server_key k = key_of((seed >> 4) % 97);
		want[id].kinds = same(&want[id].key, &k) ? want[id].kinds | kind : kind;
		want[id].key = k;
		server_table_set(t, id, &k, kind);
		if (i % 97)
			continue;
		struct server_key probe = key_of(seed % 97);
		unsigned expected = 0;
		for (unsigned j = 0; j < IDS; j++)
			expected |= same(&want[j].key, &probe) ? want[j].kinds : 0;
		assert_int_equal(kinds(&probe), expected);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(kinds_of_one),
		T(many_against_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
