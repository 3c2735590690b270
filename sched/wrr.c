// SPDX-License-Identifier: BSD-3-Clause

// wrr: in each round of the list, the servers whose weight is at least the current weight; from
// round to round the current weight goes down by the greatest common divisor of all weights, and
// then begins anew at the highest. The current weight is carried across changes; the position is
// not.

#include "sched.h"

enum { AT, CURRENT, HIGHEST, STEP }; // words of the state

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t r = a % b;
		a = b;
		b = r;
	}
	return a;
}

static void measure(struct sched_state *state, const struct sched_list *list)
{
	int64_t step = 0, highest = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		int64_t w = list->servers[i].weight;
		if (w > 0)
			step = gcd(w, step);
		if (w > highest)
			highest = w;
	}
	state->words[STEP] = step ? step : 1;
	// The lowest current weight of which the highest weight's servers are the only ones.
	state->words[HIGHEST] = highest ? highest - (state->words[STEP] - 1) : 0;
}

static void wrr_init(struct sched_state *state, const struct sched_list *list)
{
	measure(state, list);
	state->words[AT] = -1;
	state->words[CURRENT] = state->words[HIGHEST];
}

static void wrr_changed(
    struct sched_state *state, const struct sched_list *list, enum sched_change, uint32_t)
{
	int64_t *w = state->words;
	measure(state, list);
	w[AT] = -1;
	if (w[CURRENT] > w[HIGHEST] || w[CURRENT] == 0)
		w[CURRENT] = w[HIGHEST];
	else if (w[STEP] > 1)
		w[CURRENT] = w[CURRENT] / w[STEP] * w[STEP] + 1;
}

// The current weight of the next round. Rounds in which no server could qualify, since the heavy
// ones are overloaded, are skipped in one step, but for the last.
static int64_t next_weight(const int64_t *w, const struct sched_list *list)
{
	int64_t current = w[CURRENT] - w[STEP], best = w[STEP];
	for (uint32_t i = 0; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		if (!s->overloaded && s->weight > best)
			best = s->weight;
	}
	if (current > best)
		current -= (current - best + w[STEP] - 1) / w[STEP] * w[STEP];
	return current;
}

static int wrr_pick(struct sched_state *state, const struct sched_list *list)
{
	int64_t *w = state->words, last = w[AT], stop = -1;
	bool last_pass = false, restarted = false;
	if (w[HIGHEST] == 0)
		return -1;
	for (;;) {
		while (++w[AT] < (int64_t)list->n) {
			const struct sched_server *s = &list->servers[w[AT]];
			if (!s->overloaded && s->weight >= w[CURRENT])
				return w[AT];
			if (w[AT] == stop)
				return -1;
		}
		w[AT] = -1;
		w[CURRENT] = next_weight(w, list);
		if (w[CURRENT] <= 0) {
			w[CURRENT] = w[HIGHEST];
			// Every server was asked for weight 1 or more: there is none.
			if (last_pass || last == -1)
				return -1;
			restarted = true;
		}
		last_pass = w[CURRENT] <= w[STEP];
		if (last_pass && restarted && last != -1)
			stop = last;
	}
}

const struct sched_ops sched_wrr = { "wrr", false, wrr_init, wrr_changed, wrr_pick };
