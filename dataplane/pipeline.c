// SPDX-License-Identifier: BSD-3-Clause

// A packet's way, in order. Every stage is a loop over the whole burst, in the file of its name.

#include "pipeline.h"

#include <rte_ethdev.h>

#include "stages.h"

// Entries of the timing wheel looked at per loop: 2 x 15 a table while packets come in,
// more when there are none.
#define EXPIRE_CHUNKS_BUSY 2
#define EXPIRE_CHUNKS_IDLE 32

// Turns of the loop after it was told to stop, while there is work.
#define LAST_POLLS 64

void stages(
    struct worker *w, const struct port *port, unsigned visited, struct rte_mbuf **m, uint16_t n)
{
	struct burst *b = &w->burst;
	b->port = port;
	b->visited = visited;

	parse(w, b, m, n);      // headers; what is not for us: dropped, or punted to the kernel
	lookup(w, b);           // which packets have a connection?
	forward(w, b);          // they leave
	select_servers(w, b);   // the others get one: service, scheduler, connection
	forward(w, b);          // and leave
	relay_icmp(w, b);       // errors about packets of connections follow these
	follow_fragments(w, b); // as do fragments
}

void pipeline(struct worker *w, const struct port *port, struct rte_mbuf **m, uint16_t n)
{
	w->counters.rx += n;
	w->ports[port->index].rx += n;
	stages(w, port, 0, m, n);
}

unsigned worker_poll(struct worker *w)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned work = 0;
	for (unsigned i = 0; i < w->n_rx; i++) {
		const struct rx_queue *q = &w->rx[i];
		uint16_t n = rte_eth_rx_burst(q->port->dpdk_id, q->queue, m, BURST_MAX);
		if (n)
			pipeline(w, q->port, m, n);
		work += n;
	}
	if (w->n_workers > 1)
		work += take_over(w); // packets of this worker's connections that came in elsewhere
	uint64_t injected = w->counters.injected;
	inject(w);
	tx_flush(w);
	work += w->counters.injected - injected;
	work += sweep_fragments(w);
	work += read_mail(w);
	work += expire(w, work ? EXPIRE_CHUNKS_BUSY : EXPIRE_CHUNKS_IDLE);
	return work;
}

void worker_loop(struct worker *w)
{
	unsigned empty_polls = 0;
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		uint64_t before = w->tsc;
		w->tick(w); // now and tsc
		w->counters.loops++;
		w->counters.cycles += w->tsc - before;
		if (empty_polls == 0) {
			w->counters.busy_loops++;
			w->counters.busy_cycles += w->tsc - before;
		}
		if (worker_poll(w)) {
			empty_polls = 0;
		} else {
			empty_polls++;
			w->idle(w, empty_polls);
		}
	}
	// What stands in the queues yet is not lost.
	for (unsigned i = 0; i < LAST_POLLS && worker_poll(w); i++)
		;
	tx_flush(w);
}
