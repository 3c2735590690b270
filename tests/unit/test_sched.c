// SPDX-License-Identifier: BSD-3-Clause

// The schedulers against sequences that Linux IPVS is known to give.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>

#include "sched_farm.h"

#define WEIGHT_MAX INT32_MAX

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 32) % n;
}

// Servers 'A', 'B', ... in this order, so that the list is ..., 'B', 'A'.
static void build(struct farm *f, const char *scheduler, unsigned n, const int32_t *weights)
{
	farm_init(f, scheduler);
	for (unsigned i = 0; i < n; i++)
		farm_add(f, 'A' + i, weights[i]);
}

#define BUILD(f, scheduler, ...) \
	build(f, scheduler, sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t), \
	    (int32_t[]){ __VA_ARGS__ })

// As many picks as `want` has letters; '-': none.
static void expect(struct farm *f, const char *want)
{
	char got[128] = "";
	for (size_t i = 0; want[i]; i++) {
		const struct sched_server *s = farm_pick(f);
		got[i] = s ? (char)s->id : '-';
	}
	assert_string_equal(got, want);
}

static void overload(struct farm *f, uint32_t id, bool overloaded)
{
	farm_server(f, id)->overloaded = overloaded;
}

static void test_names(void **)
{
	unsigned n = 0;
	for (const char *const *name = sched_names(); *name; name++, n++) {
		assert_non_null(sched_find(*name));
		assert_string_equal(sched_find(*name)->name, *name);
	}
	assert_int_equal(n, 3);
	assert_ptr_equal(sched_find("rr"), &sched_rr);
	assert_ptr_equal(sched_find("wrr"), &sched_wrr);
	assert_ptr_equal(sched_find("wlc"), &sched_wlc);
	assert_null(sched_find(""));
	assert_null(sched_find("r"));
	assert_null(sched_find("WLC"));
	assert_null(sched_find("rrr"));
}

static void test_nobody(void **)
{
	for (const char *const *name = sched_names(); *name; name++) {
		struct farm f;
		farm_init(&f, *name);
		expect(&f, "--");
		farm_add(&f, 'A', 0);
		expect(&f, "--");
		farm_add(&f, 'B', 1);
		expect(&f, "BB");
		overload(&f, 'B', true);
		expect(&f, "--");
		overload(&f, 'B', false);
		expect(&f, "BB");
		farm_delete(&f, 'B');
		expect(&f, "--");
		farm_delete(&f, 'A');
		expect(&f, "--");
		farm_add(&f, 'C', WEIGHT_MAX);
		expect(&f, "CCC");
		farm_free(&f);
	}
}

static void test_rr(void **)
{
	struct farm f;
	BUILD(&f, "rr", 1, 1, 1);
	expect(&f, "CBACBAC");
	farm_add(&f, 'D', 1);
	expect(&f, "BADCBADC");
	farm_edit(&f, 'B', 0);
	expect(&f, "ADCADC");
	farm_delete(&f, 'A');
	expect(&f, "DCDCDC");
	farm_free(&f);

	// The pointed one goes: the one that followed is next.
	BUILD(&f, "rr", 1, 1, 1);
	expect(&f, "C");
	farm_delete(&f, 'C');
	expect(&f, "BABAB");
	farm_free(&f);

	BUILD(&f, "rr", 1, 1, 1);
	expect(&f, "CBA");
	farm_delete(&f, 'A'); // the list's end
	expect(&f, "CBCB");
	farm_free(&f);
}

static void test_rr_weights_and_overload(void **)
{
	struct farm f;
	BUILD(&f, "rr", 1, WEIGHT_MAX, 3);
	expect(&f, "CBACBA");
	overload(&f, 'B', true);
	expect(&f, "CACAC");
	overload(&f, 'B', false);
	expect(&f, "BAC");
	// An edit does not move the position, whatever it changes.
	farm_edit(&f, 'C', 7);
	expect(&f, "BAC");
	farm_edit(&f, 'B', 0);
	farm_edit(&f, 'C', 0);
	expect(&f, "AAA");
	farm_edit(&f, 'A', 0);
	expect(&f, "--");
	farm_edit(&f, 'B', 1);
	expect(&f, "BB");
	farm_free(&f);
}

static void test_wrr(void **)
{
	struct farm f;
	BUILD(&f, "wrr", 10, 20);
	expect(&f, "BABBABBAB");
	farm_free(&f);

	BUILD(&f, "wrr", 1, 2, 3);
	expect(&f, "CBACCBCBACCBCBACCB");
	farm_free(&f);

	BUILD(&f, "wrr", 1, 1, 1);
	expect(&f, "CBACBA");
	farm_free(&f);

	BUILD(&f, "wrr", 0, 20);
	expect(&f, "BBBB");
	farm_free(&f);

	char want[102];
	memset(want, 'A', 101);
	want[0] = 'B';
	want[101] = 0;
	BUILD(&f, "wrr", 100, 1);
	expect(&f, want);
	expect(&f, want);
	farm_free(&f);
}

static void test_wrr_changes(void **)
{
	struct farm f;
	BUILD(&f, "wrr", 4, 3, 2);
	expect(&f, "CBAABACBACBAABACBA");
	farm_edit(&f, 'C', 5);
	expect(&f, "CBACBACCACBACBACBACCACBA");
	overload(&f, 'A', true);
	expect(&f, "CBCBCCCBCBCBCCCB");
	overload(&f, 'B', true);
	overload(&f, 'C', true);
	expect(&f, "---");
	overload(&f, 'B', false);
	expect(&f, "BBBB");
	farm_free(&f);

	// An edit to the same weight restarts the walk at the list's head.
	BUILD(&f, "wrr", 1, 1, 1);
	expect(&f, "C");
	farm_edit(&f, 'A', 1);
	expect(&f, "CB");
	farm_delete(&f, 'B'); // the pointed one
	expect(&f, "CACA");
	farm_free(&f);
}

// The picks depend on the proportions alone, up to the greatest weights there are.
static void test_wrr_proportions(void **)
{
	for (unsigned round = 0; round < 300; round++) {
		struct farm small, large;
		uint32_t n = 1 + below(6), greatest = 0;
		int32_t weights[6];
		for (uint32_t i = 0; i < n; i++) {
			weights[i] = below(8);
			greatest = (uint32_t)weights[i] > greatest ? (uint32_t)weights[i]
			                                           : greatest;
		}
		int32_t factor = greatest ? WEIGHT_MAX / greatest : 1;
		build(&small, "wrr", n, weights);
		for (uint32_t i = 0; i < n; i++)
			weights[i] *= factor;
		build(&large, "wrr", n, weights);
		for (unsigned i = 0; i < 200; i++) {
			const struct sched_server *a = farm_pick(&small), *b = farm_pick(&large);
			assert_int_equal(a ? a->id : 0, b ? b->id : 0);
		}
		farm_free(&small);
		farm_free(&large);
	}
}

// Playing 2^31 rounds for a pick would not end in a test's time.
static void test_wrr_many_rounds(void **)
{
	struct farm f;
	BUILD(&f, "wrr", WEIGHT_MAX, 1);
	expect(&f, "BAAAAAAAAAAAAAAAA");
	overload(&f, 'A', true);
	for (unsigned i = 0; i < 10000; i++)
		expect(&f, "B");
	overload(&f, 'B', true);
	expect(&f, "---");
	overload(&f, 'A', false);
	expect(&f, "AAAA");
	farm_free(&f);
}

static void loads(struct farm *f, uint32_t id, uint32_t active, uint32_t total)
{
	struct sched_server *s = farm_server(f, id);
	s->active = active;
	s->inactive = total - active;
}

static void test_wlc(void **)
{
	// Weight, active, total of A, B, C; the pick where an overhead is 256 * active + total.
	static const struct {
		struct {
			int32_t weight;
			uint32_t active, total;
		} servers[3];
		const char *pick;
	} cases[] = {
		{ { { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 } }, "C" },
		{ { { 1, 1, 1 }, { 2, 2, 2 }, { 3, 3, 3 } }, "C" },
		{ { { 1, 1, 300 }, { 1, 2, 2 }, { 1, 0, 300 } }, "C" },
		{ { { 0, 0, 0 }, { 5, 5, 5 }, { 10, 11, 11 } }, "B" },
		{ { { 3, 4, 4 }, { 2, 1, 1 }, { 1, 0, 0 } }, "C" },
		{ { { 10, 10, 10 }, { 10, 9, 500 }, { 1, 0, 0 } }, "C" },
		{ { { 10, 0, 0 }, { 10, 1, 1 }, { 10, 1, 1 } }, "A" },
		{ { { 3, 2, 2 }, { 2, 2, 2 }, { 1, 1, 1 } }, "A" },
		{ { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } }, "-" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct farm f;
		farm_init(&f, "wlc");
		f.list->overhead_total = true;
		for (unsigned k = 0; k < 3; k++) {
			farm_add(&f, 'A' + k, cases[i].servers[k].weight);
			loads(&f, 'A' + k, cases[i].servers[k].active, cases[i].servers[k].total);
		}
		expect(&f, cases[i].pick);
		farm_free(&f);
	}
}

// 256 inactive connections are as dear as an active one, or with the total one fewer of each.
static void test_wlc_overhead(void **)
{
	struct farm f;
	BUILD(&f, "wlc", 1, 1);
	assert_true(f.ops->needs_load);
	loads(&f, 'A', 1, 1);
	loads(&f, 'B', 0, 256);
	expect(&f, "B"); // equal: the newest
	loads(&f, 'B', 0, 257);
	expect(&f, "A");
	f.list->overhead_total = true;
	expect(&f, "B"); // equal again: 257 each
	loads(&f, 'B', 0, 258);
	expect(&f, "A");
	loads(&f, 'A', 0, 0);
	overload(&f, 'A', true);
	expect(&f, "B");
	farm_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_rr),
		cmocka_unit_test(test_rr_weights_and_overload),
		cmocka_unit_test(test_wrr),
		cmocka_unit_test(test_wrr_changes),
		cmocka_unit_test(test_wrr_proportions),
		cmocka_unit_test(test_wrr_many_rounds),
		cmocka_unit_test(test_wlc),
		cmocka_unit_test(test_wlc_overhead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
