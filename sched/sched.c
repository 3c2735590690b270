// SPDX-License-Identifier: BSD-3-Clause
#include "sched.h"
#include <string.h>
static const struct sched_ops *const all[] = { &sched_rr, &sched_wrr, &sched_wlc };
static const char *const names[] = { "rr", "wrr", "wlc", NULL };
const struct sched_ops *sched_find(const char *name)
{
	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
const char *const *sched_names(void)
{
	return names;
}
