// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Schedulers: which real server gets a new connection.
//
// A scheduler is a const table of functions over a *list* of servers and a little *state*.
// Both belong to one worker alone: nothing here is shared, locked or allocated, so pick() may
// be called from the data path. Pure C, no DPDK: the same code runs in a unit test with plain
// arrays.
//
// The list stands newest server first, as in IPVS (a new server goes to the head), and every
// scheduler walks it in that order; ties keep the earlier, which is the newest. The control
// thread makes a new list for every change and the worker swaps it in, telling the scheduler
// what the change was, one at a time and in order, since IPVS's rr and wrr carry their
// position across changes.
//
// Source of the algorithms: the behaviour of Linux IPVS (net/netfilter/ipvs), as recorded from
// the real kernel in tests/oracle.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_server {
	uint32_t id;    // of the data plane, opaque to schedulers
	int32_t weight; // >= 0; 0: takes no new connections
	// Over its upper threshold: takes no new connections. As in IPVS, schedulers are not told
	// of its changes: it may be set in place between two picks.
	bool overloaded;
	// Connections of this server, summed over all workers. Filled in by the caller before
	// pick() of a scheduler that asks for it with `needs_load`.
	uint32_t active, inactive;
};

struct sched_list {
	uint32_t n;
	// Which overhead formula to use (see sched_overhead()). Set by the caller, like the loads.
	bool overhead_total;
	struct sched_server servers[]; // newest first
};

// Large enough for every scheduler's state, so that it can be part of a larger struct.
struct sched_state {
	int64_t words[4];
};

enum sched_change {
	SCHED_ADDED,   // servers[position] of the new list is new
	SCHED_DELETED, // servers[position] of the old list is gone
	SCHED_EDITED,  // servers[position] was edited; IPVS restarts wrr even for the same weight
};

struct sched_ops {
	const char *name;
	bool needs_load;
	// The scheduler begins to serve this list (a new service is an empty list).
	void (*init)(struct sched_state *state, const struct sched_list *list);
	// `list` is the list after the change.
	void (*changed)(struct sched_state *state, const struct sched_list *list,
	    enum sched_change change, uint32_t position);
	// The position in `list` of the server to use, or -1 when there is none.
	int (*pick)(struct sched_state *state, const struct sched_list *list);
};

extern const struct sched_ops sched_rr, sched_wrr, sched_wlc;

// NULL when there is no scheduler of that name. sched_names() ends with NULL.
const struct sched_ops *sched_find(const char *name);
const char *const *sched_names(void);

// What a server's connections cost, in 1/256 of an active one. Kernels before 6.1.181 count an
// inactive connection as 1, so that it decides among equals only; those since then add the total
// instead, which makes an active one 257.
static inline uint64_t sched_overhead(const struct sched_list *list, const struct sched_server *s)
{
	uint64_t cost = (uint64_t)s->active * 256 + s->inactive;
	return list->overhead_total ? cost + s->active : cost;
}

static inline bool sched_usable(const struct sched_server *s)
{
	return s->weight > 0 && !s->overloaded;
}
