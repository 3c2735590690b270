// SPDX-License-Identifier: BSD-3-Clause

// Many short windows, of the floor and of the work in turn, and their medians: what else runs on
// the machine disturbs a few windows and not the figure, and a change of the clock's frequency
// disturbs both alike.

#include "windows.h"

#include <math.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <stdlib.h>

#include "dataplane/stages.h"
#include "dataplane/pipeline.h"

// Windows of new connections before they expire.
#define NEW_WINDOWS 4
// The first pairs fill caches and train branches.
#define WARM_UP_PAIRS 4

// Ring ports hand over pointers alone. A NIC's driver has just written each buffer's first line
// when it returns a burst, and so does this: it is part of the floor.
static inline uint16_t receive(const struct port *port, struct rte_mbuf **m)
{
	uint16_t n = rte_eth_rx_burst(port->dpdk_id, 0, m, BURST_MAX);
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(m[i]);
	for (uint16_t i = 0; i < n; i++) {
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->port = port->dpdk_id;
	}
	return n;
}

void bench_floor(struct rig *r)
{
	struct rte_mbuf *m[BURST_MAX];
	uint16_t n;
	while ((n = receive(r->port, m)) != 0)
		rte_eth_tx_burst(r->port->dpdk_id, 0, m, n);
}

void bench_work(struct rig *r)
{
	struct rte_mbuf *m[BURST_MAX];
	uint16_t n;
	while ((n = receive(r->port, m)) != 0) {
		pipeline(r->w, r->port, m, n);
		tx_flush(r->w);
	}
}

// ---- windows ----

// Cycles of one window.
static uint64_t window(struct rig *r, void (*run)(struct rig *))
{
	rig_fill(r);
	uint64_t start = rte_rdtsc_precise();
	run(r);
	uint64_t end = rte_rdtsc_precise();
	rig_drain(r);
	return end - start;
}

void windows_run(struct rig *r, unsigned pairs, uint64_t *floor, uint64_t *work)
{
	for (unsigned i = 0; i < pairs; i++) {
		uint64_t f = 0, w = 0;
		do {
			f += window(r, bench_floor);
			w += window(r, bench_work);
		} while (rig_keep(r));
		if (r->c.kind == BENCH_NEW && (i + 1) % NEW_WINDOWS == 0)
			rig_expire(r);
		if (floor) {
			floor[i] = f;
			work[i] = w;
		}
	}
	if (r->c.kind == BENCH_NEW && pairs % NEW_WINDOWS)
		rig_expire(r);
}

// ---- figures ----

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

// The value that `part` of all are below, as ns a packet or connection.
static double quantile(const uint64_t *sorted, unsigned n, double part)
{
	return sorted[(unsigned)((n - 1) * part)] * 1e9 / rte_get_tsc_hz() / WINDOW;
}

static double bytes_per_connection(const struct rig *r)
{
	uint64_t growth = r->table_bytes[1] - r->table_bytes[0];
	return growth ? (double)growth / r->c.flows : NAN;
}

struct bench_result measure(const struct bench_case *c, unsigned pairs)
{
	struct rig *r = malloc(sizeof(*r));
	uint64_t *floor = calloc(pairs, sizeof(*floor)), *work = calloc(pairs, sizeof(*work));
	if (!r || !floor || !work)
		abort();
	rig_new(r, c);
	windows_run(r, WARM_UP_PAIRS, NULL, NULL);
	windows_run(r, pairs, floor, work);
	qsort(floor, pairs, sizeof(*floor), compare);
	qsort(work, pairs, sizeof(*work), compare);
	double floor_ns = quantile(floor, pairs, 0.5), work_ns = quantile(work, pairs, 0.5);
	struct bench_result result = {
		.c = *c,
		.hugepages = r->hugepages,
		.workers = 1,
		.services = 1,
		.ns = work_ns - floor_ns,
		.floor_ns = floor_ns,
		.spread_ns = quantile(work, pairs, 0.75) - quantile(work, pairs, 0.25),
		.packets_per_s = director_packets(c) * 1e9 / work_ns,
		.bytes = bytes_per_connection(r),
		.instructions = NAN,
	};
	if (!rig_free(r))
		exit(1);
	free(r);
	free(floor);
	free(work);
	return result;
}
