// SPDX-License-Identifier: BSD-3-Clause

// rr: the usable servers in turn, whatever their weight.

#include "sched.h"

enum {
	LAST, // position of the last pick, -1: the list's head
};

static void rr_init(struct sched_state *state, const struct sched_list *)
{
	state->words[LAST] = -1;
}

static void rr_changed(struct sched_state *state, const struct sched_list *,
    enum sched_change change, uint32_t position)
{
	int64_t *last = &state->words[LAST];

	if (change == SCHED_ADDED && *last >= (int64_t)position)
		++*last;
	// When the last pick itself goes, its predecessor stands in for it, so that the next pick
	// is the server that followed.
	if (change == SCHED_DELETED && *last >= (int64_t)position)
		--*last;
}

static int rr_pick(struct sched_state *state, const struct sched_list *list)
{
	int64_t at = state->words[LAST];

	for (uint32_t tried = 0; tried < list->n; tried++) {
		if (++at >= (int64_t)list->n)
			at = 0;
		if (sched_usable(&list->servers[at])) {
			state->words[LAST] = at;
			return at;
		}
	}
	return -1;
}

const struct sched_ops sched_rr = {
	.name = "rr",
	.init = rr_init,
	.changed = rr_changed,
	.pick = rr_pick,
};
