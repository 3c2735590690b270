// SPDX-License-Identifier: BSD-3-Clause

#include "idle.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#define PAUSES      64
#define YIELDS      256
#define NAPS        2048
#define NAP_NS      20000
#define LONG_NAP_NS 200000

static uint64_t cycles_per_tick;

static struct {
	uint64_t next; // TSC at which the next tick begins
} __rte_cache_aligned clocks[WORKERS_MAX];

void idle_setup(void)
{
	cycles_per_tick = rte_get_tsc_hz() / TICKS_PER_SECOND;
}

void idle_slack(void)
{
	prctl(PR_SET_TIMERSLACK, 1);
}

void idle_tick(struct worker *w)
{
	uint64_t *next = &clocks[w->index].next;
	w->tsc = rte_rdtsc();
	if (*next == 0)
		*next = w->tsc + cycles_per_tick;
	while (w->tsc >= *next) {
		w->now++;
		*next += cycles_per_tick;
	}
}

void idle_adaptive(struct worker *, unsigned empty_polls)
{
	if (empty_polls < PAUSES)
		rte_pause();
	else if (empty_polls < YIELDS)
		sched_yield();
	else
		nanosleep(
		    &(struct timespec){ .tv_nsec = empty_polls < NAPS ? NAP_NS : LONG_NAP_NS },
		    NULL);
}

void idle_poll(struct worker *, unsigned)
{
	rte_pause();
}
