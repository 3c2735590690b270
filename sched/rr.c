// SPDX-License-Identifier: BSD-3-Clause

// rr: the servers in turn. The state is the position of the last pick, -1 at the list's head.

#include "sched.h"

static void rr_init(struct sched_state *state, const struct sched_list *)
{
	state->words[0] = -1;
}

static void rr_changed(struct sched_state *state, const struct sched_list *,
    enum sched_change change, uint32_t position)
{
	int64_t *at = &state->words[0];
	if (change == SCHED_ADDED && *at >= (int64_t)position)
		++*at;
	// Deleted: the pointed one's predecessor, so that the next pick is the one after it.
	if (change == SCHED_DELETED && *at >= (int64_t)position)
		--*at;
}

static int rr_pick(struct sched_state *state, const struct sched_list *list)
{
	int64_t at = state->words[0];
	for (uint32_t i = 0; i < list->n; i++) {
		at = at + 1 < (int64_t)list->n ? at + 1 : 0;
		if (sched_usable(&list->servers[at])) {
			state->words[0] = at;
			return at;
		}
	}
	return -1;
}

const struct sched_ops sched_rr = { "rr", false, rr_init, rr_changed, rr_pick };
