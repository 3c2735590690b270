// SPDX-License-Identifier: BSD-3-Clause

#include "rig.h"

#include <inttypes.h>
#include <rte_ring.h>
#include <rte_tcp.h>
#include <stdlib.h>

#include "dataplane/pipeline.h"

#define SERVERS 8

// Connections of other windows live less long than the established ones (31 days).
#define ESTABLISHED_S 2678400
#define NEW_GONE_S    61

// Room beside the flows: windows of new connections, and the other family's first grant.
#define ROOM_BESIDE 131072

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

// ---- the director ----

static const char *server_address(bool v6, unsigned i)
{
	static char text[40];
	snprintf(text, sizeof(text), "%s%u", v6 ? "2001:db8::1" : "192.0.2.1", i);
	return text;
}

static void add_service(struct rig *r)
{
	bool v6 = r->c.v6;
	char text[128];
	snprintf(text, sizeof(text),
	    "{'name':'web','protocol':'tcp','address':'%s','port':%u,'scheduler':'rr'}",
	    v6 ? TRAFFIC_VIP6 : TRAFFIC_VIP, TRAFFIC_PORT);
	if (lab_service(r->lab, text) < 0)
		exit(1);
	for (unsigned i = 1; i <= SERVERS; i++) {
		const char *address = server_address(v6, i);
		lab_hop(r->lab, address, 0, i);
		snprintf(text, sizeof(text), "{'address':'%s','forward':'%s'}", address, r->c.mode);
		if (lab_server(r->lab, "web", text) < 0)
			exit(1);
	}
}

// Pages for the EAL, the packets and the tables.
static bool enough_hugepages(void)
{
	uint64_t pages = 0, want = ((uint64_t)256 << 20) + (uint64_t)BENCH_FLOWS_MOST * 256;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	if (!f)
		return false;
	if (fscanf(f, "%" SCNu64, &pages) != 1)
		pages = 0;
	fclose(f);
	return pages << 21 >= want;
}

// The EAL begins once in a process, with hugepages or without.
static int hugepages = -1;

static bool use_hugepages(void)
{
	if (hugepages < 0)
		hugepages = enough_hugepages();
	return hugepages;
}

void rig_no_hugepages(void)
{
	hugepages = 0;
}

// ---- connections ----

static void send_all_flows(struct rig *r, uint8_t tcp_flags)
{
	struct traffic t;
	traffic_init(&t, r->c.v6, tcp_flags);
	for (uint32_t flow = 0; flow < r->c.flows;) {
		unsigned n = RTE_MIN(r->c.flows - flow, (uint32_t)WINDOW);
		for (unsigned i = 0; i < n; i++)
			traffic_put(&t, r->packets[i], flow++);
		rte_ring_enqueue_bulk(r->in, (void **)r->packets, n, NULL);
		lab_run(r->lab);
		unsigned back = rte_ring_dequeue_burst(r->out, (void **)r->packets, WINDOW, NULL);
		need(r, "packets while connections were made", back, n);
		// Those that were not used stand behind.
	}
}

static uint64_t active(struct rig *r)
{
	uint64_t sum = 0;
	for (unsigned i = 1; i <= SERVERS; i++) {
		uint32_t a, inactive;
		lab_server_load(
		    r->lab, "web", server_address(r->c.v6, i), TRAFFIC_PORT, &a, &inactive);
		sum += a;
	}
	return sum;
}

void rig_new(struct rig *r, const struct bench_case *c)
{
	*r = (struct rig){
		.c = *c,
		.hugepages = use_hugepages(),
		.random = 1,
		.next_flow = c->flows,
	};
	r->lab = lab_new(&(struct lab_options){
	    .connections_max = c->flows + c->flows / 4 + ROOM_BESIDE,
	    .packets = 4095,
	    .hugepages = r->hugepages,
	    .hardware = true,
	});
	static const struct conf_timeouts timeouts = { ESTABLISHED_S, 120, 300 };
	model_settings(lab_model(r->lab), &timeouts, 0, 0);
	add_service(r);
	r->w = lab_worker(r->lab, 0);
	r->port = r->w->rx[0].port;
	r->in = lab_ring_in(r->lab, 0, 0);
	r->out = lab_ring_out(r->lab, 0, 0);
	if (rte_pktmbuf_alloc_bulk(r->port->pool, r->packets, WINDOW) < 0)
		fail(r, "packet buffers", 0, WINDOW);
	r->table_bytes[0] = crew_memory_bytes(lab_crew(r->lab), 0);
	send_all_flows(r, RTE_TCP_SYN_FLAG);
	send_all_flows(r, RTE_TCP_ACK_FLAG);
	r->table_bytes[1] = crew_memory_bytes(lab_crew(r->lab), 0);
	need(r, "established connections", active(r), c->flows);
	traffic_init(
	    &r->traffic, c->v6, c->kind == BENCH_NEW ? RTE_TCP_SYN_FLAG : RTE_TCP_ACK_FLAG);
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

void rig_fill(struct rig *r)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		uint32_t flow = r->c.kind == BENCH_NEW ? r->next_flow + i
		                                       : random_below(r, r->c.flows);
		traffic_put(&r->traffic, r->packets[i], flow);
	}
	need(r, "packets in the queue",
	    rte_ring_enqueue_bulk(r->in, (void **)r->packets, WINDOW, NULL), WINDOW);
}

void rig_keep(struct rig *r)
{
	r->sent += WINDOW;
	if (r->c.kind == BENCH_NEW) {
		// Others each time: the buckets of the last ones are still in the cache.
		r->next_flow += WINDOW;
		r->fresh += WINDOW;
	}
	crew_grow(lab_crew(r->lab));
}

void rig_drain(struct rig *r)
{
	need(r, "packets sent in a window",
	    rte_ring_dequeue_bulk(r->out, (void **)r->packets, WINDOW, NULL), WINDOW);
}
