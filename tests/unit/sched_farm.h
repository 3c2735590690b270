// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A service's list of servers with its scheduler, changed as the control thread changes it: a new
// list for every change, of which the scheduler is told. For the tests of schedulers.

#include <stdlib.h>
#include <string.h>

#include "sched/sched.h"

struct farm {
	const struct sched_ops *ops;
	struct sched_state state;
	struct sched_list *list;
};

static inline struct sched_list *farm_list(uint32_t n)
{
	struct sched_list *l = calloc(1, sizeof(*l) + n * sizeof(l->servers[0]));
	if (!l)
		abort();
	l->n = n;
	return l;
}

static inline void farm_init(struct farm *f, const char *scheduler)
{
	*f = (struct farm){ .ops = sched_find(scheduler), .list = farm_list(0) };
	if (!f->ops)
		abort();
	f->ops->init(&f->state, f->list);
}

static inline void farm_free(struct farm *f)
{
	free(f->list);
}

// The list that the scheduler saw before is gone when it is told: it must not look back.
static inline void farm_swap(
    struct farm *f, struct sched_list *list, enum sched_change change, uint32_t position)
{
	list->overhead_total = f->list->overhead_total;
	free(f->list);
	f->list = list;
	f->ops->changed(&f->state, list, change, position);
}

static inline int farm_position(const struct farm *f, uint32_t id)
{
	for (uint32_t i = 0; i < f->list->n; i++) {
		if (f->list->servers[i].id == id)
			return i;
	}
	return -1;
}

static inline struct sched_server *farm_server(const struct farm *f, uint32_t id)
{
	int at = farm_position(f, id);
	if (at < 0)
		abort();
	return &f->list->servers[at];
}

static inline void farm_add(struct farm *f, uint32_t id, int32_t weight)
{
	const struct sched_list *old = f->list;
	struct sched_list *new = farm_list(old->n + 1);
	new->servers[0] = (struct sched_server){ .id = id, .weight = weight };
	memcpy(&new->servers[1], old->servers, old->n * sizeof(old->servers[0]));
	farm_swap(f, new, SCHED_ADDED, 0);
}

static inline void farm_delete(struct farm *f, uint32_t id)
{
	const struct sched_list *old = f->list;
	uint32_t at = farm_server(f, id) - old->servers;
	struct sched_list *new = farm_list(old->n - 1);
	memcpy(new->servers, old->servers, at * sizeof(old->servers[0]));
	memcpy(&new->servers[at], &old->servers[at + 1], (new->n - at) * sizeof(old->servers[0]));
	farm_swap(f, new, SCHED_DELETED, at);
}

static inline void farm_edit(struct farm *f, uint32_t id, int32_t weight)
{
	const struct sched_list *old = f->list;
	uint32_t at = farm_server(f, id) - old->servers;
	struct sched_list *new = farm_list(old->n);
	memcpy(new->servers, old->servers, old->n * sizeof(old->servers[0]));
	new->servers[at].weight = weight;
	farm_swap(f, new, SCHED_EDITED, at);
}

static inline struct sched_server *farm_pick(struct farm *f)
{
	int at = f->ops->pick(&f->state, f->list);
	return at < 0 ? NULL : &f->list->servers[at];
}
