// SPDX-License-Identifier: BSD-3-Clause

#include "leave.h"

#include <rte_ip_frag.h>

#define FRAGMENTS_MAX 16

#define FRAGMENT6_BYTES 8 // the extension header

static bool write_piece6(struct rte_mbuf *piece, const uint8_t *l3, unsigned at, unsigned bytes,
    bool more, rte_be32_t id)
{
	const unsigned header = sizeof(struct rte_ipv6_hdr);
	uint8_t *out = (uint8_t *)rte_pktmbuf_append(piece, header + FRAGMENT6_BYTES + bytes);
	if (!out)
		return false;
	memcpy(out, l3, header);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)out;
	uint16_t where = rte_cpu_to_be_16(at | more);
	uint8_t *fragment = out + header;
	fragment[0] = ip->proto;
	fragment[1] = 0;
	memcpy(fragment + 2, &where, 2);
	memcpy(fragment + 4, &id, 4);
	ip->proto = IPPROTO_FRAGMENT;
	ip->payload_len = rte_cpu_to_be_16(FRAGMENT6_BYTES + bytes);
	memcpy(fragment + FRAGMENT6_BYTES, l3 + header + at, bytes);
	return true;
}

// Only packets that the director itself sends: what it has wrapped for a tunnel. The number of
// pieces, or negative errno.
static int cut6(struct worker *w, const struct rte_mbuf *m, struct rte_mbuf **pieces, uint16_t mtu,
    struct rte_mempool *pool)
{
	const uint8_t *l3 = rte_pktmbuf_mtod(m, const uint8_t *);
	const unsigned header = sizeof(struct rte_ipv6_hdr), all = m->pkt_len - header;
	const unsigned step = (mtu - header - FRAGMENT6_BYTES) & ~7u;
	const rte_be32_t id = rte_cpu_to_be_32(
	    (w->index << 27) ^ (w->now << 16) ^ (uint32_t)w->ip_id++);
	int n = 0;
	for (unsigned at = 0; at < all; at += step) {
		unsigned bytes = RTE_MIN(step, all - at);
		struct rte_mbuf *piece = n < FRAGMENTS_MAX ? rte_pktmbuf_alloc(pool) : NULL;
		if (!piece || !write_piece6(piece, l3, at, bytes, at + bytes < all, id)) {
			rte_pktmbuf_free(piece);
			rte_pktmbuf_free_bulk(pieces, n);
			return -ENOMEM;
		}
		pieces[n++] = piece;
	}
	return n;
}

static void complete_piece4(uint8_t *l3)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = ~ipv4_header_sum(l3, (ip->version_ihl & 0xf));
}

void leave_cut(struct worker *w, struct packet *p, const struct hop *h)
{
	struct rte_mbuf *pieces[FRAGMENTS_MAX], *m = p->m;
	struct rte_mempool *pool = w->tx[h->port].port ? w->tx[h->port].port->pool : NULL;
	const bool v6 = packet_l3(p)[0] >> 4 == 6;
	int n = -EINVAL;
	if (pool && m->nb_segs == 1) {
		rte_pktmbuf_adj(m, p->l2_bytes);
		n = v6 ? cut6(w, m, pieces, h->mtu, pool)
		       : rte_ipv4_fragment_copy_nonseg_packet(
		             m, pieces, FRAGMENTS_MAX, h->mtu, pool);
	}
	if (n <= 0) {
		drop(w, m, DROP_fragment_failed);
		return;
	}
	rte_pktmbuf_free(m);
	w->counters.made += n - 1; // what came in counts as the first of them
	for (int i = 0; i < n; i++) {
		if (!v6)
			complete_piece4(rte_pktmbuf_mtod(pieces[i], uint8_t *));
		put_link_header(pieces[i], 0, h, v6);
		tx(w, h->port, pieces[i]);
	}
}

void leave_too_big(struct worker *w, const struct port *from, struct packet *p, uint16_t mtu,
    const uint8_t *source)
{
	if (p->l3_bytes > from->mtu) {
		// Never a packet of the wire: a sender's TSO or this interface's GRO.
		w->ports[from->index].over_mtu++;
		drop(w, p->m, DROP_over_mtu);
	} else {
		icmp_refuse(w, from, p, ICMP_TOO_BIG, mtu, source, DROP_packet_too_big);
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
