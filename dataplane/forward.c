// SPDX-License-Identifier: BSD-3-Clause

// Stage 3 and 5: a packet that has a connection moves it on and leaves. Order of things as in IPVS
// (ip_vs_in): reuse, server gone, counters, state, and then transmission, which may still fail.

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_prefetch.h>

#include "checksum.h"
#include "conf/conf.h"
#include "stages.h"

#define FRAGMENTS_MAX 16

// ---- the connection ----

// A SYN for a connection that is over starts a new one (conn_reuse_mode 1).
static bool wants_anew(const struct conn *c, const struct packet *p)
{
	return p->tcp_flags & TCP_SYN &&
	       (1u << c->state & (1u << TCP_S_TIME_WAIT | 1u << TCP_S_CLOSE));
}

static void set_state(struct worker *w, struct conn_table *t, struct conn *c, uint8_t state)
{
	struct real_server *s = &w->servers[c->server];
	bool active = 1u << state & TCP_ACTIVE_STATES;
	if (active && c->flags & CONN_INACTIVE) {
		c->flags &= ~CONN_INACTIVE;
		s->inactive--;
		s->active++;
	} else if (!active && !(c->flags & CONN_INACTIVE)) {
		c->flags |= CONN_INACTIVE;
		s->active--;
		s->inactive++;
	}
	c->state = state;
	conn_set_timeout(t, c, w->now, w->timeouts.tcp[state]);
}

static void advance(struct worker *w, struct conn_table *t, struct conn *c, const struct packet *p)
{
	c->last_seen = w->now;
	c->packets += !p->reply;
	if (c->protocol == IPPROTO_UDP) {
		if (unlikely(c->timeout != w->timeouts.udp))
			conn_set_timeout(t, c, w->now, w->timeouts.udp);
		return;
	}
	unsigned direction = p->reply                    ? TCP_OUTPUT
	                     : c->flags & CONN_NO_OUTPUT ? TCP_INPUT_ONLY
	                                                 : TCP_INPUT;
	uint8_t next = tcp_next_state[direction][tcp_flag_event[p->tcp_flags]][c->state];
	if (unlikely(next != c->state || c->timeout != w->timeouts.tcp[next]))
		set_state(w, t, c, next);
}

static void count_in(struct real_server *s, const struct packet *p)
{
	s->in_packets++;
	s->in_bytes += p->l3_bytes;
	if (likely(s->service != NULL)) {
		s->service->stats.in_packets++;
		s->service->stats.in_bytes += p->l3_bytes;
	}
}

// ---- the way out ----

static void put_link_header(
    struct rte_mbuf *m, unsigned old_bytes, const struct hop *h, const bool v6)
{
	int more = h->header_bytes + 2 - (int)old_bytes;
	m->data_off -= more;
	m->data_len += more;
	m->pkt_len += more;
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t type = rte_cpu_to_be_16(v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	memcpy(eth, h->header, 12);
	if (h->header_bytes > 12)
		memcpy(eth + 12, h->header + 12, 4);
	memcpy(eth + h->header_bytes, &type, 2);
}

// Cuts an IPv4 packet without "don't fragment" to the hop's MTU. The pieces are new packets; what
// came in counts as the first of them.
static void send_fragments(struct worker *w, struct packet *p, const struct hop *h)
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
	w->counters.made += n - 1;
	for (int i = 0; i < n; i++) {
		uint8_t *l3 = rte_pktmbuf_mtod(pieces[i], uint8_t *);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = ~ipv4_header_sum(l3, (ip->version_ihl & 0xf));
		put_link_header(pieces[i], 0, h, false);
		tx(w, h->port, pieces[i]);
	}
}

static void too_big(
    struct worker *w, const struct port *from, struct packet *p, const struct hop *h)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet_l3(p);
	if (p->l3_bytes > from->mtu) {
		// Never a packet of the wire: a sender's TSO or this interface's GRO.
		w->ports[from->index].over_mtu++;
		drop(w, p->m, DROP_over_mtu);
	} else if (p->v6 || ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) {
		icmp_refuse(w, from, p, ICMP_TOO_BIG, h->mtu, DROP_packet_too_big);
	} else {
		send_fragments(w, p, h);
	}
}

// The hop cannot be used as it is: the kernel's own address, no route, no MAC.
static void send_otherwise(
    struct worker *w, const struct port *from, struct packet *p, const struct hop *h)
{
	switch (h->kind) {
	case HOP_TO_KERNEL:
		punt(w, from, p->m);
		break;
	case HOP_NO_MAC:
		drop(w, p->m, DROP_no_neighbour);
		break;
	default:
		icmp_refuse(w, from, p, ICMP_HOST_UNREACHABLE, 0, DROP_no_route);
	}
}

// DR: nothing of the IP packet changes but its TTL; the frame goes to the real server's MAC.
static __rte_always_inline void send_dr(
    struct worker *w, const struct port *from, struct packet *p, const struct hop *h, const bool v6)
{
	if (unlikely(h->kind != HOP_SEND)) {
		send_otherwise(w, from, p, h);
		return;
	}
	uint8_t *l3 = packet_l3(p);
	uint8_t *ttl = l3 + (v6 ? offsetof(struct rte_ipv6_hdr, hop_limits)
	                        : offsetof(struct rte_ipv4_hdr, time_to_live));
	if (unlikely(*ttl <= 1)) {
		icmp_refuse(w, from, p, ICMP_TIME_EXCEEDED, 0, DROP_ttl_exceeded);
		return;
	}
	--*ttl;
	if (!v6) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		ip->hdr_checksum = checksum_ttl_decremented(ip->hdr_checksum);
	}
	if (unlikely(p->l3_bytes > h->mtu)) {
		too_big(w, from, p, h);
		return;
	}
	put_link_header(p->m, p->l2_bytes, h, v6);
	tx(w, h->port, p->m);
}

static __rte_always_inline void forward_family(struct worker *w, struct burst *b, const bool v6)
{
	struct packets *known = &b->known[v6];
	struct conn_table *t = &w->conns[v6];

	for (uint16_t i = 0; i < known->n; i++)
		rte_prefetch0(&w->servers[conn_at(t, known->p[i]->record)->server]);
	for (uint16_t i = 0; i < known->n; i++) {
		struct packet *p = known->p[i];
		struct conn *c = conn_at(t, p->record);
		if (unlikely(wants_anew(c, p))) {
			packets_add(&b->fresh[v6], p);
			continue;
		}
		struct real_server *s = &w->servers[c->server];
		if (unlikely(!s->available)) {
			drop(w, p->m, DROP_server_deleted);
			continue;
		}
		count_in(s, p);
		advance(w, t, c, p);
		send_dr(w, b->port, p, &w->hops[s->hop], v6);
	}
	known->n = 0;
}

void forward(struct worker *w, struct burst *b)
{
	forward_family(w, b, false);
	forward_family(w, b, true);
}
