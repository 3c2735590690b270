// SPDX-License-Identifier: BSD-3-Clause

#include "sched.h"

#include <string.h>

// In the order in which error messages name them.
#define SCHEDULERS(X) X(rr) X(wrr) X(wlc)

#define TABLE_ENTRY(name) &sched_##name,
#define NAME_ENTRY(name)  #name,

static const struct sched_ops *const table[] = { SCHEDULERS(TABLE_ENTRY) NULL };
static const char *const names[] = { SCHEDULERS(NAME_ENTRY) NULL };

const struct sched_ops *sched_find(const char *name)
{
	for (const struct sched_ops *const *s = table; *s; s++) {
		if (strcmp((*s)->name, name) == 0)
			return *s;
	}
	return NULL;
}

const char *const *sched_names(void)
{
	return names;
}
