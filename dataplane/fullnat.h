// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// FULLNAT: both ends of a packet change. The real server sees a local address and port of the
// director instead of the client's, so that its answers come back whatever its routes are.
//
// A local port tells the worker that owns the connection: its lowest bits are the worker's number.
// So a request's connection belongs to the worker it came in on, and an answer that comes in on
// another is handed to the right one without a shared table.
//
// Where a NIC's hash is known (rss.h), candidates whose answers come in on the owner's own queues
// are preferred: then nothing is handed over.
//
// Ports are taken in turn, for each real server: what was taken longest ago is tried first, and is
// most likely free again. A candidate is free when the answer's tuple is not in the table.

#include "client_address.h"
#include "nat.h"

// A range of local addresses.
struct local_range {
	uint8_t first[16]; // network order
	uint32_t n;
};

// What a service has of one family. Made by the control thread, given by mail.
struct local_pool {
	uint32_t n; // addresses in all, at most LOCAL_ADDRESSES_MAX
	uint32_t n_ranges;
	struct local_range ranges[];
};
#define LOCAL_ADDRESSES_MAX 65535

// Ports below are left to the director's own use.
#define LOCAL_PORT_FIRST 1024

// Chooses local address and port, as the answer's destination in `out` (struct tuple4 or tuple6;
// its source is set). False: none is free among those tried.
bool fullnat_choose(struct worker *w, const struct local_pool *pool, struct real_server *s,
    uint8_t protocol, void *out, bool v6);

// The worker whose number is in a local port (network order, as in a packet).
unsigned fullnat_owner(const struct worker *w, const uint8_t *port);

static __rte_always_inline void send_fullnat_in(struct worker *w, const struct port *from,
    struct packet *p, struct conn *c, const struct hop *h, const bool v6)
{
	if (unlikely(c->flags & (CONN_TOA | CONN_PROXY))) {
		send_telling(w, from, p, c, h, v6);
		return;
	}
	nat_client_seen(c, p, from);
	if (!may_leave(w, from, p, h, NULL, v6))
		return;
	if (v6) {
		const struct tuple6 *out = &((struct conn6 *)c)->out;
		nat_rewrite_both(p, out->dst, out->dport, out->src, out->sport, true);
	} else {
		const struct tuple4 *out = &((struct conn4 *)c)->out;
		nat_rewrite_both(p, &out->dst, out->dport, &out->src, out->sport, false);
	}
	leave(w, p, h, v6);
}

static __rte_always_inline void send_fullnat_out(struct worker *w, const struct port *from,
    struct packet *p, struct conn *c, const struct hop *server, const bool v6)
{
	struct hop client;
	nat_client_hop(w, c, &client);
	if (unlikely(c->flags & (CONN_TOA | CONN_PROXY)))
		heed_answer(p, c, v6);
	if (!may_leave(w, from, p, &client, server->source, v6))
		return;
	if (v6) {
		const struct tuple6 *in = &((struct conn6 *)c)->in;
		nat_rewrite_both(p, in->dst, in->dport, in->src, in->sport, true);
	} else {
		const struct tuple4 *in = &((struct conn4 *)c)->in;
		nat_rewrite_both(p, &in->dst, in->dport, &in->src, in->sport, false);
	}
	leave(w, p, &client, v6);
}
