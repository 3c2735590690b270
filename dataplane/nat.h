// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// NAT (masquerading, ip_vs_nat_xmit and handle_response): on the way in the destination becomes the
// real server's, on the way out the source becomes the virtual service's. Checksums are changed by
// the difference (RFC 1624); a UDP checksum of 0 becomes a real one, as in IPVS.

#include "leave.h"

// Sets address and port, `to` as in a tuple's order: source (0) or destination (1).
void nat_rewrite(struct packet *p, unsigned end, const void *address, uint16_t port, bool v6);

// Both ends at once.
void nat_rewrite_both(
    struct packet *p, const void *src, uint16_t sport, const void *dst, uint16_t dport, bool v6);

// The way back to the client: whence its last packet came.
void nat_client_seen(struct conn *c, const struct packet *p, const struct port *port);
void nat_client_hop(const struct worker *w, const struct conn *c, struct hop *out);

static __rte_always_inline void send_nat_in(struct worker *w, const struct port *from,
    struct packet *p, struct conn *c, const struct hop *h, const bool v6)
{
	nat_client_seen(c, p, from);
	if (!may_leave(w, from, p, h, NULL, v6))
		return;
	if (v6)
		nat_rewrite(
		    p, 1, ((struct conn6 *)c)->out.src, ((struct conn6 *)c)->out.sport, true);
	else
		nat_rewrite(
		    p, 1, &((struct conn4 *)c)->out.src, ((struct conn4 *)c)->out.sport, false);
	leave(w, p, h, v6);
}

static __rte_always_inline void send_nat_out(struct worker *w, const struct port *from,
    struct packet *p, struct conn *c, const struct hop *server, const bool v6)
{
	struct hop client;
	nat_client_hop(w, c, &client);
	if (!may_leave(w, from, p, &client, server->source, v6))
		return;
	if (v6)
		nat_rewrite(p, 0, ((struct conn6 *)c)->in.dst, ((struct conn6 *)c)->in.dport, true);
	else
		nat_rewrite(
		    p, 0, &((struct conn4 *)c)->in.dst, ((struct conn4 *)c)->in.dport, false);
	leave(w, p, &client, v6);
}
