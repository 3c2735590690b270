// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The stages of the pipeline, in the order of a packet's way (pipeline.c calls them). Each works
// on the whole burst and leaves its result in the burst's lists; a packet that a stage drops
// or punts is in no list any more.

#include "worker.h"

// All of these in order, for a burst that came in by one port and was handed over by `visited`
// workers.
void stages(
    struct worker *w, const struct port *port, unsigned visited, struct rte_mbuf **m, uint16_t n);

// Ethernet, VLAN, IP, TCP and UDP headers are read and checked.
void parse(struct worker *w, struct burst *b, struct rte_mbuf **m, uint16_t n);
// Which have a connection? `known` and `fresh`.
void lookup(struct worker *w, struct burst *b);
// Known packets move their connection on and leave. A SYN that wants the tuple of a closed
// connection anew goes to `fresh`.
void forward(struct worker *w, struct burst *b);
// Fresh packets: virtual service, scheduler, new connection; then they are `known`.
void select_servers(struct worker *w, struct burst *b);

// Fragments follow the first of their datagram, or wait for it (fragment.h).
void follow_fragments(struct worker *w, struct burst *b);
// Of a first fragment, as soon as it is known: where the others go.
void fragment_follows(struct worker *w, const struct packet *p);
void fragment_to_kernel(struct worker *w, const struct packet *p);
void fragment_to_worker(struct worker *w, const struct packet *p, unsigned worker);
// The worker whose matter the datagram is.
unsigned fragment_owner(const struct worker *w, const struct packet *p);
// Each loop: those that need not wait any more, and those that have waited too long. Bounded.
unsigned sweep_fragments(struct worker *w);

// What IPv4 options ask of a router, of a packet on its way to a server.
void heed_ip_options(struct packet *p);

// ICMP errors about packets of connections go on; all other ICMP is the kernel's.
void relay_icmp(struct worker *w, struct burst *b);

// The worker that owns a connection whose replies pass here: by the client's address and port
// (pointers into the packet).
unsigned owner_of(
    const struct worker *w, const uint8_t *address, const uint8_t *port, uint8_t protocol, bool v6);
void hand_over(struct worker *w, const struct port *port, struct rte_mbuf *m, unsigned owner,
    unsigned visited);
// What the others have handed over. Returns how many packets.
unsigned take_over(struct worker *w);

// To the port's twin: everything that is not for a virtual service.
void punt(struct worker *w, const struct port *port, struct rte_mbuf *m);
// What twins' kernels send, out by their ports.
void inject(struct worker *w);

// What stands in t->pending leaves.
void tx_send(struct worker *w, struct tx_port *t);

static inline void tx(struct worker *w, unsigned port, struct rte_mbuf *m)
{
	struct tx_port *t = &w->tx[port];
	if (unlikely(!t->port)) {
		drop(w, m, DROP_tx_port_down);
		return;
	}
	t->pending[t->n++] = m;
	if (unlikely(t->n == TX_BURST))
		tx_send(w, t);
}

void tx_flush(struct worker *w);

// Connections whose time has come. Bounded; returns how many entries it looked at.
unsigned expire(struct worker *w, unsigned chunks);
// Takes the connection out of the table and off its server's books.
void conn_delete(struct worker *w, struct conn_table *t, struct conn *c);

// Carries out what the control thread asks for. Bounded; returns the pieces of mail.
unsigned read_mail(struct worker *w);

// On a server's books, and its service's.
static inline void count_in(struct real_server *s, const struct packet *p)
{
	s->in_packets++;
	s->in_bytes += p->l3_bytes;
	if (likely(s->service != NULL)) {
		s->service->stats.in_packets++;
		s->service->stats.in_bytes += p->l3_bytes;
	}
}

static inline void count_out(struct real_server *s, const struct packet *p)
{
	s->out_packets++;
	s->out_bytes += p->l3_bytes;
	if (likely(s->service != NULL)) {
		s->service->stats.out_packets++;
		s->service->stats.out_bytes += p->l3_bytes;
	}
}

// A datagram counts once, with its bytes as if it had come whole: of a later fragment those behind
// its IP header.
static inline void fragment_counted(struct real_server *s, const struct packet *p, bool reply)
{
	uint64_t bytes = p->l3_bytes - (p->ports - packet_l3(p));
	uint64_t *of_server = reply ? &s->out_bytes : &s->in_bytes;
	*of_server += bytes;
	if (s->service)
		*(reply ? &s->service->stats.out_bytes : &s->service->stats.in_bytes) += bytes;
}

// Answers `p` with an ICMP error and drops it under `reason`. type and code as in ICMPv4; they are
// translated for IPv6. `mtu` for packet_too_big only. It comes from `source` (4 or 16 bytes; all
// zero: there is no answer), or with NULL from the packet's own destination.
enum icmp_error { ICMP_TIME_EXCEEDED, ICMP_TOO_BIG, ICMP_HOST_UNREACHABLE, ICMP_PORT_UNREACHABLE };
void icmp_refuse(struct worker *w, const struct port *port, struct packet *p, enum icmp_error e,
    uint16_t mtu, const uint8_t *source, enum drop_reason reason);
