// SPDX-License-Identifier: BSD-3-Clause

// The schedulers against independent implementations of what is written about IPVS's, with random
// lists and random changes. For wrr this one plays every round, where poise skips some.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>

#include "sched_farm.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 32) % n;
}

// ---- rr and wrr, written down literally ----
//
// A chain of nodes as in IPVS, where the position is a node and `head` closes the ring.

struct node {
	struct node *next;
	uint32_t id;
	int32_t weight;
	bool overloaded;
};

struct reference {
	struct node head;
	struct node *at; // rr: the last pick; wrr: IPVS's `cl`
	int64_t current, highest, step;
};

static struct node *node_before(struct reference *r, const struct node *n)
{
	struct node *b = &r->head;
	while (b->next != n)
		b = b->next;
	return b;
}

static struct node *node_find(struct reference *r, uint32_t id)
{
	struct node *n = r->head.next;
	while (n->id != id)
		n = n->next;
	return n;
}

static void node_unlink(struct reference *r, struct node *n)
{
	struct node *before = node_before(r, n);
	if (r->at == n)
		r->at = before;
	before->next = n->next;
	free(n);
}

static void wrr_reference_changed(struct reference *r)
{
	int64_t greatest = 0, divisor = 0;
	for (struct node *n = r->head.next; n != &r->head; n = n->next)
		greatest = n->weight > greatest ? n->weight : greatest;
	for (int64_t d = greatest; d > 0 && !divisor; d--) {
		bool all = true;
		for (struct node *n = r->head.next; n != &r->head; n = n->next)
			all = all && n->weight % d == 0;
		divisor = all ? d : 0;
	}
	r->step = divisor ? divisor : 1;
	r->highest = greatest ? greatest - (r->step - 1) : 0;
	r->at = &r->head;
	if (r->current > r->highest || r->current == 0)
		r->current = r->highest;
	else if (r->step > 1)
		r->current = r->current / r->step * r->step + 1;
}

// Every round is played, also those that nobody qualifies for.
static uint32_t wrr_reference_pick(struct reference *r)
{
	struct node *last = r->at, *stop = NULL, *n = r->at;
	bool restarted = false, last_pass = false;

	if (r->highest == 0)
		return 0;
	for (;;) {
		for (n = n->next; n != &r->head; n = n->next) {
			r->at = n;
			if (!n->overloaded && n->weight >= r->current)
				return n->id;
			if (n == stop)
				return 0;
		}
		r->at = &r->head;
		r->current -= r->step;
		if (r->current <= 0) {
			r->current = r->highest;
			if (last_pass || last == &r->head)
				return 0;
			restarted = true;
		}
		last_pass = r->current <= r->step;
		if (last_pass && restarted && last != &r->head)
			stop = last;
	}
}

static uint32_t rr_reference_pick(struct reference *r)
{
	struct node *n = r->at;
	do {
		n = n->next;
		if (n != &r->head && n->weight > 0 && !n->overloaded) {
			r->at = n;
			return n->id;
		}
	} while (n != r->at);
	return 0;
}

static int32_t random_weight(void)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return 6 * below(20);
	case 2:
		return below(300);
	default:
		return below(7);
	}
}

// One change of both; true when schedulers are told of it.
static bool random_change(struct farm *f, struct reference *r, uint32_t *next_id)
{
	uint32_t n = f->list->n, kind = below(8);
	if (n == 0 || (kind < 2 && n < 9)) {
		int32_t weight = random_weight();
		struct node *new = malloc(sizeof(*new));
		*new = (struct node){ r->head.next, ++*next_id, weight, false };
		r->head.next = new;
		farm_add(f, new->id, weight);
		return true;
	}
	uint32_t id = f->list->servers[below(n)].id;
	struct node *node = node_find(r, id);
	if (kind < 3) {
		node_unlink(r, node);
		farm_delete(f, id);
		return true;
	}
	if (kind < 5) {
		node->weight = random_weight();
		farm_edit(f, id, node->weight);
		return true;
	}
	node->overloaded = !node->overloaded;
	farm_server(f, id)->overloaded = node->overloaded;
	return false;
}

static void against_reference(const char *scheduler, uint32_t (*pick)(struct reference *),
    void (*changed)(struct reference *))
{
	unsigned picks = 0, none = 0;
	uint32_t next_id = 0;

	for (unsigned round = 0; round < 200; round++) {
		struct farm f;
		struct reference r = { .head.next = &r.head, .at = &r.head };
		farm_init(&f, scheduler);
		for (unsigned i = 0; i < 100; i++) {
			for (uint32_t k = below(4); k > 0; k--) {
				if (random_change(&f, &r, &next_id) && changed)
					changed(&r);
			}
			for (uint32_t k = below(22); k > 0; k--, picks++) {
				const struct sched_server *s = farm_pick(&f);
				uint32_t want = pick(&r);
				assert_int_equal(s ? s->id : 0, want);
				none += want == 0;
			}
		}
		while (r.head.next != &r.head)
			node_unlink(&r, r.head.next);
		farm_free(&f);
	}
	print_message("%s: %u picks, %u of them none\n", scheduler, picks, none);
	assert_true(picks > 200000 && none > 1000 && none < picks / 2);
}

static void test_rr_reference(void **)
{
	against_reference("rr", rr_reference_pick, NULL);
}

static void test_wrr_reference(void **)
{
	against_reference("wrr", wrr_reference_pick, wrr_reference_changed);
}

// ---- wlc ----

// -1, 0, 1: a / b against c / d, by continued fractions instead of a wide product.
static int compare_fractions(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	for (int sign = 1;; sign = -sign) {
		uint64_t x = a / b, y = c / d;
		if (x != y)
			return x < y ? -sign : sign;
		a %= b;
		c %= d;
		if (!a || !c)
			return a == c ? 0 : a == 0 ? -sign : sign;
		uint64_t t = a;
		a = b;
		b = t;
		t = c;
		c = d;
		d = t;
	}
}

static uint32_t extreme(void)
{
	static const uint32_t choices[] = { 0, 1, 2, 255, 256, 257, 1u << 16, UINT32_MAX - 1,
		UINT32_MAX };
	return below(2) ? choices[below(9)] : below(UINT32_MAX) >> below(32);
}

static uint32_t wlc_reference(const struct sched_list *list)
{
	uint32_t best = 0; // no id
	uint64_t best_load = 0, best_weight = 1;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		uint64_t per_active = list->overhead_total ? 257 : 256;
		uint64_t load = s->active * per_active + s->inactive;
		if (s->weight == 0 || s->overloaded)
			continue;
		if (!best || compare_fractions(load, s->weight, best_load, best_weight) < 0) {
			best = s->id;
			best_load = load;
			best_weight = s->weight;
		}
	}
	return best;
}

static void test_wlc_random(void **)
{
	for (unsigned round = 0; round < 20000; round++) {
		struct farm f;
		farm_init(&f, "wlc");
		f.list->overhead_total = below(2);
		for (uint32_t n = below(8), i = 0; i < n; i++) {
			farm_add(&f, 'A' + i, extreme() >> 1);
			struct sched_server *s = farm_server(&f, 'A' + i);
			s->active = extreme();
			s->inactive = extreme();
			s->overloaded = below(5) == 0;
		}
		uint32_t want = wlc_reference(f.list);
		const struct sched_server *s = farm_pick(&f);
		assert_int_equal(s ? s->id : 0, want);
		farm_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rr_reference),
		cmocka_unit_test(test_wrr_reference),
		cmocka_unit_test(test_wlc_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
