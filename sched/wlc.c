// SPDX-License-Identifier: BSD-3-Clause
#include "sched.h"
static void none_init(struct sched_state *, const struct sched_list *)
{
}
static void none_changed(
    struct sched_state *, const struct sched_list *, enum sched_change, uint32_t)
{
}
static int wlc_pick(struct sched_state *, const struct sched_list *list)
{
	int best = -1;
	uint64_t load = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct sched_server *s = &list->servers[i];
		if (!sched_usable(s))
			continue;
		uint64_t l = ((uint64_t)s->active << 8) + s->inactive;
		if (best < 0 || load * s->weight > l * list->servers[best].weight) {
			best = i;
			load = l;
		}
	}
	return best;
}
const struct sched_ops sched_wlc = { "wlc", true, none_init, none_changed, wlc_pick };
