// SPDX-License-Identifier: BSD-3-Clause

// The way to the kernel and from it. Frames for the kernel go through a ring to the thread that
// writes them to the port's TAP twin; what the kernel sends on the twin comes through another.

#include "stages.h"

void punt(struct worker *w, const struct port *port, struct rte_mbuf *m)
{
	if (unlikely(!rate_limit_take(&w->punt_limit, w->now))) {
		drop(w, m, DROP_punt_limited);
		return;
	}
	struct rte_ring *ring = w->tx[port->index].punt;
	if (unlikely(!ring || rte_ring_sp_enqueue(ring, m) != 0)) {
		drop(w, m, DROP_punt_full);
		return;
	}
	w->counters.punted++;
	w->ports[port->index].punted++;
}

void inject(struct worker *w)
{
	struct rte_mbuf *m[TX_BURST];
	for (unsigned i = 0; i < w->n_tx; i++) {
		struct rte_ring *ring = w->tx[i].inject;
		unsigned n = ring ? rte_ring_sc_dequeue_burst(ring, (void **)m, TX_BURST, NULL) : 0;
		if (!n)
			continue;
		w->counters.injected += n;
		w->ports[i].injected += n;
		for (unsigned k = 0; k < n; k++)
			tx(w, i, m[k]);
	}
}
