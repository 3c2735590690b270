// SPDX-License-Identifier: BSD-3-Clause

// wlc: the server with the fewest connections for its weight; of equals the newest.

#include "sched.h"

static void wlc_init(struct sched_state *, const struct sched_list *)
{
}

static void wlc_changed(
    struct sched_state *, const struct sched_list *, enum sched_change, uint32_t)
{
}

static int wlc_pick(struct sched_state *, const struct sched_list *list)
{
	int best = -1;
	uint64_t least = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		if (!sched_usable(s))
			continue;
		uint64_t load = sched_overhead(list, s);
		// least / best's weight > load / this weight. An overhead has up to 41 bits and a
		// weight 31: more than 64 together.
		if (best < 0 || (unsigned __int128)least * s->weight >
		                    (unsigned __int128)load * list->servers[best].weight) {
			best = i;
			least = load;
		}
	}
	return best;
}

const struct sched_ops sched_wlc = {
	.name = "wlc",
	.needs_load = true,
	.init = wlc_init,
	.changed = wlc_changed,
	.pick = wlc_pick,
};
