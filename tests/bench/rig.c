// SPDX-License-Identifier: BSD-3-Clause

#include "rig.h"

#include <inttypes.h>
#include <rte_ring.h>
#include <rte_tcp.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/pipeline.h"

// Connections that are not established end after a minute.
#define NEW_GONE_S 61

#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

static void fail(const struct rig *r, const char *what, uint64_t got, uint64_t want)
{
	fprintf(stderr, "bench: %s %s %s, %u flows: %s: %" PRIu64 " instead of %" PRIu64 "\n",
	    r->c.mode, bench_families[r->c.v6], bench_kinds[r->c.kind], r->c.flows, what, got,
	    want);
	for (unsigned i = 0; i < DROP_REASON_COUNT; i++) {
		if (lab_drops(r->lab, i))
			fprintf(stderr, "bench: %" PRIu64 " dropped: %s\n", lab_drops(r->lab, i),
			    drop_reasons[i].name);
	}
	exit(1);
}

static void need(const struct rig *r, const char *what, uint64_t got, uint64_t want)
{
	if (got != want)
		fail(r, what, got, want);
}

// ---- packets ----

static uint8_t *answer_of(struct rig *r, uint32_t flow)
{
	size_t slot = flow < r->c.flows ? flow : r->c.flows + (flow - r->next_flow);
	return r->answers + slot * r->traffic.ends_bytes;
}

static void put(struct rig *r, unsigned i, uint32_t flow, bool answer, uint8_t tcp_flags)
{
	uint8_t request[TRAFFIC_ENDS_MAX], *ends = request;
	if (answer)
		ends = answer_of(r, flow);
	else
		traffic_request(&r->traffic, flow, request);
	traffic_put(&r->traffic, r->packets[i], flow, ends, tcp_flags);
}

// What left for the servers, in packets[], tells what they answer to.
static void learn_answers(struct rig *r, uint32_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t ends[TRAFFIC_ENDS_MAX];
		uint32_t flow = traffic_answer(&r->traffic, r->packets[i], ends);
		if (flow - first >= n)
			fail(r, "flow of what left", flow, first + i);
		memcpy(answer_of(r, flow), ends, r->traffic.ends_bytes);
	}
}

// What left for the clients has the ends of their requests, turned round.
static void check_answers(const struct rig *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t got[TRAFFIC_ENDS_MAX], want[TRAFFIC_ENDS_MAX];
		uint32_t flow = traffic_answer(&r->traffic, r->packets[i], got);
		traffic_request(&r->traffic, flow, want);
		need(r, "client of an answer", memcmp(got, want, r->traffic.ends_bytes), 0);
	}
}

// ---- connections ----

static void send_all_flows(struct rig *r, bool answers, uint8_t tcp_flags)
{
	for (uint32_t flow = 0; flow < r->c.flows;) {
		unsigned n = RTE_MIN(r->c.flows - flow, (uint32_t)WINDOW);
		for (unsigned i = 0; i < n; i++)
			put(r, i, flow + i, answers, tcp_flags);
		rte_ring_enqueue_bulk(r->in, (void **)r->packets, n, NULL);
		lab_run(r->lab);
		// Those that were not used stand behind.
		unsigned back = rte_ring_dequeue_burst(r->out, (void **)r->packets, WINDOW, NULL);
		need(r, "packets while connections were made", back, n);
		if (answers)
			check_answers(r, n);
		else if (r->answers)
			learn_answers(r, flow, n);
		flow += n;
	}
}

void rig_new(struct rig *r, const struct bench_case *c)
{
	*r = (struct rig){ .c = *c, .random = 1, .next_flow = c->flows };
	r->lab = director_new(c, &r->hugepages);
	r->w = lab_worker(r->lab, 0);
	r->port = r->w->rx[0].port;
	r->in = lab_ring_in(r->lab, 0, 0);
	r->out = lab_ring_out(r->lab, 0, 0);
	traffic_init(&r->traffic, c->v6);
	if (rte_pktmbuf_alloc_bulk(r->port->pool, r->packets, WINDOW) < 0)
		fail(r, "packet buffers", 0, WINDOW);
	if (director_both_ways(c)) {
		r->answers = calloc((size_t)c->flows + WINDOW, r->traffic.ends_bytes);
		if (!r->answers)
			fail(r, "memory for answers", 0, c->flows);
	}
	r->table_bytes[0] = crew_memory_bytes(lab_crew(r->lab), 0);
	send_all_flows(r, false, SYN);
	if (r->answers)
		send_all_flows(r, true, SYN | ACK);
	send_all_flows(r, false, ACK);
	r->table_bytes[1] = crew_memory_bytes(lab_crew(r->lab), 0);
	need(r, "established connections", director_active(r->lab, c), c->flows);
	r->sent = r->w->counters.tx;
}

bool rig_free(struct rig *r)
{
	need(r, "packets sent", r->w->counters.tx, r->sent);
	need(r, "packets received", r->w->counters.rx, r->sent);
	need(r, "drops", lab_drops_total(r->lab), 0);
	need(r, "connections at the end", r->w->conns[r->c.v6].count, r->c.flows);
	bool good = lab_books_balance(r->lab);
	rte_pktmbuf_free_bulk(r->packets, WINDOW);
	free(r->answers);
	return lab_free(r->lab) && good;
}

void rig_expire(struct rig *r)
{
	need(r, "connections with the new ones", r->w->conns[r->c.v6].count, r->c.flows + r->fresh);
	lab_pass(r->lab, LAB_SECONDS(NEW_GONE_S));
	lab_run(r->lab);
	need(r, "connections left", r->w->conns[r->c.v6].count, r->c.flows);
	r->fresh = 0;
}

// ---- windows ----

// xorshift64*: quick, and always the same flows in the same order.
static uint32_t random_below(struct rig *r, uint32_t n)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (r->random * 0x2545f4914f6cdd1dull >> 32) * n >> 32;
}

static void fill_established(struct rig *r)
{
	bool answer = false;
	for (unsigned i = 0; i < WINDOW; i++) {
		// A request and an answer, whichever first: equal parts that no branch predictor
		// can learn.
		if (r->answers)
			answer = i & 1 ? !answer : random_below(r, 2);
		put(r, i, random_below(r, r->c.flows), answer, ACK);
	}
}

static void fill_new(struct rig *r)
{
	for (unsigned i = 0; i < WINDOW; i++)
		put(r, i, r->next_flow + i, r->answering, r->answering ? SYN | ACK : SYN);
}

void rig_fill(struct rig *r)
{
	if (r->c.kind == BENCH_NEW)
		fill_new(r);
	else
		fill_established(r);
	need(r, "packets in the queue",
	    rte_ring_enqueue_bulk(r->in, (void **)r->packets, WINDOW, NULL), WINDOW);
}

// Others each time: the buckets of the last ones are still in the cache.
static void next_connections(struct rig *r)
{
	r->next_flow += WINDOW;
	r->fresh += WINDOW;
}

bool rig_keep(struct rig *r)
{
	r->sent += WINDOW;
	if (r->c.kind == BENCH_NEW) {
		if (r->answering)
			check_answers(r, WINDOW);
		else if (r->answers)
			learn_answers(r, r->next_flow, WINDOW);
		r->answering = r->answers && !r->answering;
		if (!r->answering)
			next_connections(r);
	}
	crew_grow(lab_crew(r->lab));
	return r->answering;
}

void rig_drain(struct rig *r)
{
	need(r, "packets sent in a window",
	    rte_ring_dequeue_bulk(r->out, (void **)r->packets, WINDOW, NULL), WINDOW);
}
