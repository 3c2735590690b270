// SPDX-License-Identifier: BSD-3-Clause

// The last stage: out of a port, in bursts. Each worker has its own transmit queue; where a port
// has too few, packets go through a ring to the worker that owns one.

#include <rte_ethdev.h>

#include "stages.h"

void tx_send(struct worker *w, struct tx_port *t)
{
	uint16_t sent;
	if (t->handoff_to)
		sent = rte_ring_sp_enqueue_burst(t->handoff_to, (void **)t->pending, t->n, NULL);
	else
		sent = rte_eth_tx_burst(t->port->dpdk_id, t->queue, t->pending, t->n);
	w->counters.tx += sent;
	w->ports[t->port->index].tx += sent;
	for (uint16_t i = sent; i < t->n; i++)
		drop(w, t->pending[i], DROP_tx_full);
	t->n = 0;
}

// Packets of the workers that have no queue here. They are counted as sent already: what the
// queue refuses is moved from sent to dropped.
static void tx_handed_over(struct worker *w, struct tx_port *t)
{
	struct rte_mbuf *m[TX_BURST];
	for (unsigned k = 0; k < t->n_handoff; k++) {
		unsigned n = rte_ring_sc_dequeue_burst(
		    t->handoff_from[k], (void **)m, TX_BURST, NULL);
		if (!n)
			continue;
		uint16_t sent = rte_eth_tx_burst(t->port->dpdk_id, t->queue, m, n);
		w->counters.tx -= n - sent;
		w->ports[t->port->index].tx -= n - sent;
		for (unsigned i = sent; i < n; i++)
			drop(w, m[i], DROP_tx_full);
	}
}

void tx_flush(struct worker *w)
{
	for (unsigned i = 0; i < w->n_tx; i++) {
		struct tx_port *t = &w->tx[i];
		if (t->n)
			tx_send(w, t);
		if (t->n_handoff)
			tx_handed_over(w, t);
	}
}
