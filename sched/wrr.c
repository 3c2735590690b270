// SPDX-License-Identifier: BSD-3-Clause

// wrr: the list is walked in rounds; a round takes the servers whose weight is at least the
// current weight. From round to round the current weight goes down by the greatest common divisor
// of the weights, and after the lowest round it begins anew at the highest. A change of the list
// sends the walk back to the list's head but keeps the current weight.
//
// IPVS plays every round, also those that no server qualifies for: with weights 1 and 2^31-1, and
// the heavy server overloaded, 2^31 of them for one pick. Here such rounds are skipped, with the
// same picks. Why this is exact: with step = gcd, every weight is a multiple of step, and so the
// current weight, which starts at highest - (step - 1), is always 1 modulo step and at least 1.
// Let top be the greatest weight of a server that is not overloaded. Going down, the first round
// that somebody qualifies for is the next one when that is <= top, else top - (step - 1): the only
// number that is 1 modulo step within (top - step, top]. Exactly the servers of weight top qualify
// for it, for all weights are multiples of step. Nothing is divided while picking.

#include "sched.h"

enum {
	LAST,    // position of the last pick, -1: the list's head
	CURRENT, // the current weight
	HIGHEST, // current weight of the first round; 0 when no server has a weight
	STEP,    // greatest common divisor of the weights above 0, or 1
};

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static void measure(struct sched_state *state, const struct sched_list *list)
{
	int64_t step = 0, greatest = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		int64_t weight = list->servers[i].weight;
		step = gcd(step, weight);
		if (weight > greatest)
			greatest = weight;
	}
	state->words[STEP] = step ? step : 1;
	state->words[HIGHEST] = greatest ? greatest - (step - 1) : 0;
}

static void wrr_init(struct sched_state *state, const struct sched_list *list)
{
	measure(state, list);
	state->words[LAST] = -1;
	state->words[CURRENT] = state->words[HIGHEST];
}

static void wrr_changed(
    struct sched_state *state, const struct sched_list *list, enum sched_change, uint32_t)
{
	int64_t *w = state->words;

	measure(state, list);
	w[LAST] = -1;
	if (w[CURRENT] > w[HIGHEST] || w[CURRENT] == 0)
		w[CURRENT] = w[HIGHEST];
	else if (w[STEP] > 1)
		w[CURRENT] = w[CURRENT] / w[STEP] * w[STEP] + 1;
}

static int take(int64_t *w, uint32_t position)
{
	w[LAST] = position;
	return position;
}

static int wrr_pick(struct sched_state *state, const struct sched_list *list)
{
	int64_t *w = state->words;

	if (w[HIGHEST] == 0)
		return -1;

	// The rest of the current round.
	for (uint32_t i = w[LAST] + 1; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		if (!s->overloaded && s->weight >= w[CURRENT])
			return take(w, i);
	}

	// The next round, or the nearest one below it that somebody qualifies for.
	int64_t next = w[CURRENT] > w[STEP] ? w[CURRENT] - w[STEP] : w[HIGHEST];
	int64_t top = 0;
	uint32_t first_of_top = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		if (s->overloaded)
			continue;
		if (s->weight >= next) {
			w[CURRENT] = next;
			return take(w, i);
		}
		if (s->weight > top) {
			top = s->weight;
			first_of_top = i;
		}
	}
	if (top > 0) {
		w[CURRENT] = top - (w[STEP] - 1);
		return take(w, first_of_top);
	}

	// Nobody. IPVS's walk ends where it began when that was within the lowest round, else at
	// the list's head with the highest round to come.
	if (w[LAST] == -1 || w[CURRENT] > w[STEP]) {
		w[LAST] = -1;
		w[CURRENT] = w[HIGHEST];
	}
	return -1;
}

const struct sched_ops sched_wrr = {
	.name = "wrr",
	.init = wrr_init,
	.changed = wrr_changed,
	.pick = wrr_pick,
};
