// SPDX-License-Identifier: BSD-3-Clause

// Stage 3 and 5: a packet that has a connection moves it on and leaves. Order of things as in IPVS
// (ip_vs_in): reuse, server gone, counters, state, and then transmission, which may still fail.

#include <netinet/in.h>
#include <rte_prefetch.h>

#include "conf/conf.h"
#include "fullnat.h"
#include "tunnel.h"

// ---- the connection ----

// A SYN for a connection that is over starts a new one (conn_reuse_mode 1).
static bool wants_anew(const struct conn *c, const struct packet *p)
{
	return p->tcp_flags & TCP_SYN && !p->reply &&
	       (1u << c->state & (1u << TCP_S_TIME_WAIT | 1u << TCP_S_CLOSE));
}

static __rte_noinline void set_state(
    struct worker *w, struct conn_table *t, struct conn *c, uint8_t state)
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

static __rte_always_inline void advance(
    struct worker *w, struct conn_table *t, struct conn *c, const struct packet *p)
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

// ---- the way out ----

// DR: nothing of the IP packet changes but its TTL; the frame goes to the real server's MAC.
static __rte_always_inline void send_dr(
    struct worker *w, const struct port *from, struct packet *p, const struct hop *h, const bool v6)
{
	if (may_leave(w, from, p, h, NULL, v6))
		leave(w, p, h, v6);
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
		const struct hop *h = &w->hops[s->hop];
		if (p->reply) {
			if (unlikely(p->fragment))
				fragment_follows(w, p);
			count_out(s, p);
			advance(w, t, c, p);
			if (c->forward == FORWARD_FULLNAT)
				send_fullnat_out(w, b->port, p, c, h, v6);
			else
				send_nat_out(w, b->port, p, c, h, v6);
			continue;
		}
		if (unlikely(!s->available)) {
			drop(w, p->m, DROP_server_deleted);
			continue;
		}
		count_in(s, p);
		advance(w, t, c, p);
		if (unlikely(p->fragment))
			fragment_follows(w, p);
		if (unlikely(p->options))
			heed_ip_options(p);
		if (c->forward == FORWARD_NAT)
			send_nat_in(w, b->port, p, c, h, v6);
		else if (c->forward == FORWARD_FULLNAT)
			send_fullnat_in(w, b->port, p, c, h, v6);
		else if (c->forward == FORWARD_TUN)
			send_tun(w, b->port, p, &w->server_table->keys[c->server], h, NULL);
		else
			send_dr(w, b->port, p, h, v6);
	}
	known->n = 0;
}

void forward(struct worker *w, struct burst *b)
{
	forward_family(w, b, false);
	forward_family(w, b, true);
}
