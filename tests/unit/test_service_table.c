// SPDX-License-Identifier: BSD-3-Clause

// The table of services against an array of the services that are in it.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/service_table.h"

#define MANY 100000u

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 32) % n;
}

static struct service_table *table_new(uint64_t secret)
{
	struct service_table *t = calloc(1, sizeof(*t));
	assert_non_null(t);
	service_table_init(t, secret);
	return t;
}

// An exact copy on the heap: a sanitizer sees whoever reads 16 bytes of an IPv4 address.
static void *address_copy(const struct service_key *k)
{
	size_t n = k->v6 ? 16 : 4;
	void *a = malloc(n);
	assert_non_null(a);
	return memcpy(a, k->address, n);
}

static struct service *find(const struct service_table *t, const struct service_key *k)
{
	void *a = address_copy(k);
	struct service *s = service_table_find(t, a, k->port, k->protocol, k->v6);
	free(a);
	return s;
}

static bool has_address(const struct service_table *t, const struct service_key *k)
{
	void *a = address_copy(k);
	bool has = service_table_has_address(t, a, k->v6);
	free(a);
	return has;
}

static void test_exact(void **)
{
	struct service_table *t = table_new(99);
	const struct service_key key = { { 192, 0, 2, 1 }, htons(80), IPPROTO_TCP, false };
	struct service s = { .key = key };

	assert_null(find(t, &key));
	assert_false(has_address(t, &key));
	service_table_add(t, &s);
	assert_ptr_equal(find(t, &key), &s);
	assert_true(has_address(t, &key));
	assert_int_equal(t->count, 1);

	struct service_key k = key;
	k.port = htons(81);
	assert_null(find(t, &k));
	assert_true(has_address(t, &k));
	k.port = 80; // the other byte order
	assert_null(find(t, &k));
	k = key;
	k.protocol = IPPROTO_UDP;
	assert_null(find(t, &k));
	k = key;
	k.address[3]++;
	assert_null(find(t, &k));
	assert_false(has_address(t, &k));
	k = key;
	k.v6 = true; // c000:201::
	assert_null(find(t, &k));
	assert_false(has_address(t, &k));

	service_table_remove(t, &s);
	assert_null(find(t, &key));
	assert_false(has_address(t, &key));
	assert_int_equal(t->count, 0);
	free(t);
}

// Hashes of keys that differ in one thing alone are equal now and then: with a million secrets,
// about 15 times for each of them.
static void test_collisions(void **)
{
	enum { SECRETS = 1000000 };
	struct service_table *t = table_new(0);
	const struct service_key key = { { 192, 0, 2, 1 }, htons(80), IPPROTO_TCP, false };
	struct service s = { .key = key };

	for (uint64_t secret = 0; secret < SECRETS; secret++) {
		service_table_init(t, secret * 0x9e3779b97f4a7c15);
		service_table_add(t, &s);
		assert_ptr_equal(
		    service_table_find(t, key.address, key.port, key.protocol, false), &s);
		assert_null(service_table_find(t, key.address, key.port, IPPROTO_UDP, false));
		assert_null(service_table_find(t, key.address, htons(81), key.protocol, false));
		assert_null(service_table_find(t, key.address, key.port, key.protocol, true));
		const uint8_t other[4] = { 192, 0, 2, 2 };
		assert_null(service_table_find(t, other, key.port, key.protocol, false));
		assert_false(service_table_has_address(t, other, false));
		service_table_remove(t, &s);
	}
	assert_int_equal(t->count, 0);
	free(t);
}

// Services of one address: it is a VIP as long as one of them is there.
static void test_shared_address(void **)
{
	enum { N = 500 };
	static struct service s[2 * N];
	struct service_table *t = table_new(1);

	for (uint32_t i = 0; i < 2 * N; i++) {
		s[i] = (struct service){ .key = { .address = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
			                     .port = htons(i / 2),
			                     .protocol = i % 2 ? IPPROTO_TCP : IPPROTO_UDP,
			                     .v6 = true } };
		service_table_add(t, &s[i]);
	}
	for (uint32_t i = 0; i < 2 * N; i++)
		assert_ptr_equal(find(t, &s[i].key), &s[i]);
	for (uint32_t i = 0; i < 2 * N; i++) {
		assert_true(has_address(t, &s[0].key));
		service_table_remove(t, &s[i ^ 5]);
		assert_null(find(t, &s[i ^ 5].key));
		assert_int_equal(t->count, 2 * N - 1 - i);
	}
	assert_false(has_address(t, &s[0].key));
	free(t);
}

// A service that is taken out and another one of the same key: the lookup gives the one that is
// there. Both may be there for a moment; then the new one is found.
static void test_replace(void **)
{
	struct service_table *t = table_new(7);
	struct service old = { .key = { { 10, 0, 0, 1 }, htons(443), IPPROTO_TCP, false } };
	struct service new = old;

	service_table_add(t, &old);
	service_table_add(t, &new);
	assert_ptr_equal(find(t, &old.key), &new);
	service_table_remove(t, &old);
	assert_ptr_equal(find(t, &old.key), &new);
	assert_true(has_address(t, &old.key));
	service_table_add(t, &old);
	service_table_remove(t, &old);
	assert_ptr_equal(find(t, &old.key), &new);
	service_table_remove(t, &new);
	assert_null(find(t, &old.key));
	free(t);
}

// No two are equal: 64 ports of an address, then the next address; all protocols and families.
static struct service_key key_of(uint32_t i)
{
	struct service_key k = { .port = htons(1 + i / 4 % 64),
		.protocol = i % 2 ? IPPROTO_TCP : IPPROTO_UDP,
		.v6 = i / 2 % 2 };
	uint32_t n = htonl(0x0a000000 + i / 256);
	memcpy(k.address, &n, 4);
	if (k.v6)
		memcpy(k.address + 12, &n, 4);
	return k;
}

static struct service *services_new(uint32_t n)
{
	struct service *s = calloc(n, sizeof(*s));
	assert_non_null(s);
	for (uint32_t i = 0; i < n; i++)
		s[i] = (struct service){ .key = key_of(i), .id = i };
	return s;
}

static void test_many(void **)
{
	struct service_table *t = table_new(0x9e3779b97f4a7c15);
	struct service *s = services_new(MANY);

	for (uint32_t i = 0; i < MANY; i++)
		service_table_add(t, &s[i]);
	assert_int_equal(t->count, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		struct service_key absent = key_of(MANY + 1000 + i);
		assert_ptr_equal(find(t, &s[i].key), &s[i]);
		assert_null(find(t, &absent));
		assert_true(has_address(t, &s[i].key));
		assert_false(has_address(t, &absent));
	}
	// Chains are short: this is what makes a lookup fast.
	uint32_t longest = 0;
	for (uint32_t b = 0; b < SERVICE_BUCKETS; b++) {
		uint32_t n = 0;
		for (const struct service *c = t->by_key[b]; c; c = c->next_key)
			n++;
		longest = n > longest ? n : longest;
	}
	print_message("%u services, at most %u in a bucket\n", MANY, longest);
	assert_true(longest < 16);
	for (uint32_t i = 0; i < MANY; i += 2)
		service_table_remove(t, &s[i]);
	for (uint32_t i = 0; i < MANY; i++)
		assert_ptr_equal(find(t, &s[i].key), i % 2 ? &s[i] : NULL);
	for (uint32_t i = 1; i < MANY; i += 2)
		service_table_remove(t, &s[i]);
	assert_int_equal(t->count, 0);
	for (uint32_t b = 0; b < SERVICE_BUCKETS; b++)
		assert_true(!t->by_key[b] && !t->by_address[b]);
	free(s);
	free(t);
}

static void test_random(void **)
{
	enum { N = 3000, CHANGES = 400000, ADDRESS = 256 };
	static bool present[N];
	static uint32_t with_address[N / ADDRESS + 1][2]; // by family
	struct service_table *t = table_new(5);
	struct service *s = services_new(N);
	uint32_t count = 0;

	for (uint32_t n = 0; n < CHANGES; n++) {
		uint32_t i = below(N), *address = &with_address[i / ADDRESS][i / 2 % 2];
		// Waves, so that addresses come and go altogether.
		if (present[i] && below(100) < (n / 20000 % 2 ? 98 : 20)) {
			service_table_remove(t, &s[i]);
			memset(&s[i].next_key, 0xee, 2 * sizeof(s[i].next_key));
			present[i] = false;
			count--;
			--*address;
		} else if (!present[i] && below(100) < (n / 20000 % 2 ? 1 : 90)) {
			service_table_add(t, &s[i]);
			present[i] = true;
			count++;
			++*address;
		}
		assert_int_equal(t->count, count);
		i = below(N);
		assert_ptr_equal(find(t, &s[i].key), present[i] ? &s[i] : NULL);
		assert_int_equal(
		    has_address(t, &s[i].key), with_address[i / ADDRESS][i / 2 % 2] > 0);
	}
	free(s);
	free(t);
}

// Which services share a bucket depends on the secret.
static void test_secret(void **)
{
	struct service_table *a = table_new(1), *b = table_new(2);
	struct service s = { .key = key_of(1) }, same = s;
	uint32_t at[2] = { SERVICE_BUCKETS, SERVICE_BUCKETS };

	service_table_add(a, &s);
	service_table_add(b, &same);
	for (uint32_t i = 0; i < SERVICE_BUCKETS; i++) {
		at[0] = a->by_key[i] ? i : at[0];
		at[1] = b->by_key[i] ? i : at[1];
	}
	assert_int_not_equal(at[0], at[1]);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_shared_address),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
