// SPDX-License-Identifier: BSD-3-Clause

// Between workers. A connection whose replies pass here (NAT) belongs to one worker, but its two
// directions may come in on queues of two others: the NIC hashes addresses that the director has
// changed. The owner follows from what both directions have, the client's address and port; a
// worker that has no connection for such a packet hands it over by a ring, and the owner starts
// with it from the beginning. So it is right with any distribution of packets over queues.

#include "stages.h"

#define HANDOVER_BURST BURST_MAX

unsigned owner_of(
    const struct worker *w, const uint8_t *address, const uint8_t *port, uint8_t protocol, bool v6)
{
	uint16_t p;
	memcpy(&p, port, 2);
	uint64_t a = v6 ? hash_mix(load64(address) ^ w->owner_secret, ~load64(address + 8))
	                : load32(address) ^ w->owner_secret;
	uint64_t h = hash_mix(a, ((uint64_t)p << 8 | protocol) ^ ~w->owner_secret);
	return ((h >> 32) * w->n_workers) >> 32;
}

// The mbuf says where it came in and how many workers it has visited.
void hand_over(
    struct worker *w, const struct port *port, struct rte_mbuf *m, unsigned owner, unsigned visited)
{
	m->port = visited << 8 | port->index;
	if (unlikely(rte_ring_sp_enqueue(w->handover_to[owner], m) != 0)) {
		drop(w, m, DROP_handover_full);
		return;
	}
	w->counters.handed_over++;
}

unsigned take_over(struct worker *w)
{
	struct rte_mbuf *m[HANDOVER_BURST];
	unsigned total = 0;
	for (unsigned k = 0; k < w->n_workers; k++) {
		struct rte_ring *ring = w->handover_from[k];
		unsigned n = ring
		                 ? rte_ring_sc_dequeue_burst(ring, (void **)m, HANDOVER_BURST, NULL)
		                 : 0;
		w->counters.taken_over += n;
		total += n;
		// A burst is of one port: runs of the same.
		for (unsigned from = 0, to; from < n; from = to) {
			for (to = from + 1; to < n && m[to]->port == m[from]->port; to++)
				;
			stages(w, w->tx[m[from]->port & 0xff].port, m[from]->port >> 8, m + from,
			    to - from);
		}
	}
	return total;
}
