// SPDX-License-Identifier: BSD-3-Clause

#include "leave.h"

#include <rte_ip_frag.h>

#define FRAGMENTS_MAX 16

void leave_cut(struct worker *w, struct packet *p, const struct hop *h)
{
	struct rte_mbuf *pieces[FRAGMENTS_MAX], *m = p->m;
	struct rte_mempool *pool = w->tx[h->port].port ? w->tx[h->port].port->pool : NULL;
	int n = -EINVAL;
	if (pool && m->nb_segs == 1) {
		rte_pktmbuf_adj(m, p->l2_bytes);
		n = rte_ipv4_fragment_copy_nonseg_packet(m, pieces, FRAGMENTS_MAX, h->mtu, pool);
	}
	if (n <= 0) {
		drop(w, m, DROP_fragment_failed);
		return;
	}
	rte_pktmbuf_free(m);
	w->counters.made += n - 1; // what came in counts as the first of them
	for (int i = 0; i < n; i++) {
		uint8_t *l3 = rte_pktmbuf_mtod(pieces[i], uint8_t *);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = ~ipv4_header_sum(l3, (ip->version_ihl & 0xf));
		put_link_header(pieces[i], 0, h, false);
		tx(w, h->port, pieces[i]);
	}
}

void leave_too_big(struct worker *w, const struct port *from, struct packet *p, const struct hop *h,
    const uint8_t *source)
{
	if (p->l3_bytes > from->mtu) {
		// Never a packet of the wire: a sender's TSO or this interface's GRO.
		w->ports[from->index].over_mtu++;
		drop(w, p->m, DROP_over_mtu);
	} else {
		icmp_refuse(w, from, p, ICMP_TOO_BIG, h->mtu, source, DROP_packet_too_big);
	}
}

void leave_otherwise(struct worker *w, const struct port *from, struct packet *p,
    const struct hop *h, const uint8_t *source)
{
	switch (h->kind) {
	case HOP_SEND:
		icmp_refuse(w, from, p, ICMP_TIME_EXCEEDED, 0, source, DROP_ttl_exceeded);
		break;
	case HOP_TO_KERNEL:
		punt(w, from, p->m);
		break;
	case HOP_NO_MAC:
		drop(w, p->m, DROP_no_neighbour);
		break;
	default:
		icmp_refuse(w, from, p, ICMP_HOST_UNREACHABLE, 0, source, DROP_no_route);
	}
}
