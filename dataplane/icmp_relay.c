// SPDX-License-Identifier: BSD-3-Clause

// ICMP errors about packets of connections (ip_vs_in_icmp, ip_vs_out_icmp): from a router on the
// client's side about what a real server sent, and from the servers' side about what a client sent.
// They go where the packet they quote came from, rewritten as that packet was: without them path
// MTU discovery and traceroute would end at the director.
//
// The connection is the one of the quoted packet's reply. It may be another worker's, and what came
// in does not say whose: errors are rare, so the packet goes round all workers.

#include "leave.h"

#include <rte_icmp.h>

#include "conf/conf.h"
#include "ipv6.h"
#include "nat.h"
#include "sum.h"
#include "tunnel.h"

struct quoted {
	uint8_t *l3;    // its IP header
	uint8_t *ports; // source, destination
	uint8_t *addresses;
	uint8_t protocol;
};

static bool is_error(const struct packet *p)
{
	if (p->v6)
		return p->ports[0] < 128;
	// Destination unreachable, source quench, time exceeded: those that IPVS relays.
	return p->ports[0] == 3 || p->ports[0] == 4 || p->ports[0] == 11;
}

// False: not enough of it, or nothing that a connection could be about.
static bool read_quoted(const struct packet *p, struct quoted *q)
{
	const uint8_t *frame = rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint32_t end = RTE_MIN((uint32_t)p->m->data_len, (uint32_t)p->l2_bytes + p->l3_bytes);
	uint32_t at = p->ports + 8 - frame;
	const uint8_t *fragment = NULL;
	if (at + (p->v6 ? 40 : 20) + 4 > end)
		return false;
	q->l3 = (uint8_t *)frame + at;
	uint32_t room = end - at;
	int l4;
	if (p->v6) {
		if (q->l3[0] >> 4 != 6)
			return false;
		q->addresses = q->l3 + 8;
		l4 = ipv6_skip_headers(q->l3, room, &q->protocol, &fragment);
		// The first fragment has the ports.
		if (l4 < 0 || (fragment && (fragment[2] || fragment[3] & 0xf8)))
			return false;
	} else {
		l4 = (q->l3[0] & 0xf) * 4;
		if (q->l3[0] >> 4 != 4 || l4 < 20 || q->l3[7] || q->l3[6] & 0x1f)
			return false;
		q->addresses = q->l3 + 12;
		q->protocol = q->l3[9];
	}
	if (l4 + 4u > room || (q->protocol != IPPROTO_TCP && q->protocol != IPPROTO_UDP))
		return false;
	q->ports = q->l3 + l4;
	return true;
}

static uint32_t find_reply_of(struct worker *w, const struct quoted *q, const bool v6)
{
	const struct conn_table *t = &w->conns[v6];
	const unsigned bytes = v6 ? 16 : 4;
	uint8_t addresses[32], ports[4];
	memcpy(addresses, q->addresses + bytes, bytes);
	memcpy(addresses + bytes, q->addresses, bytes);
	memcpy(ports, q->ports + 2, 2);
	memcpy(ports + 2, q->ports, 2);
	uint64_t hash = tuple_hash(t, addresses, ports, q->protocol, v6);
	return conn_table_find(t, hash, addresses, ports, q->protocol, v6);
}

static bool checksum_is_good(const struct packet *p)
{
	uint32_t l4 = p->ports - rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint32_t bytes = p->l2_bytes + p->l3_bytes - l4;
	uint16_t raw;
	if (mbuf_sum(p->m, l4, bytes, &raw))
		return false;
	uint64_t sum = raw;
	if (p->v6) {
		sum += rte_cpu_to_be_16(IPPROTO_ICMPV6) + (uint64_t)rte_cpu_to_be_16(bytes);
		sum += (uint64_t)rte_raw_cksum(p->addresses, 32);
	}
	return checksum_fold(sum) == 0xffff;
}

// What one end of the quoted packet and of the outer one become.
struct end {
	const void *address;
	uint16_t port;
};

static void set_outer(struct packet *p, unsigned end, const void *address, const bool v6)
{
	const unsigned bytes = v6 ? 16 : 4;
	uint8_t *at = (uint8_t *)p->addresses + end * bytes;
	uint64_t was = checksum_words(at, bytes), is = checksum_words(address, bytes);
	// ICMPv6 sums up the pseudo-header; IPv4's own checksum stands before the addresses.
	checksum_adjust(v6 ? (uint8_t *)p->ports + 2 : (uint8_t *)p->addresses - 2, was, is);
	memcpy(at, address, bytes);
}

static void set_quoted(
    struct packet *p, struct quoted *q, unsigned end, const struct end *to, const bool v6)
{
	const unsigned bytes = v6 ? 16 : 4;
	uint8_t *at = q->addresses + end * bytes, *port_at = q->ports + end * 2;
	uint64_t was = checksum_words(at, bytes), is = checksum_words(to->address, bytes);
	uint16_t old_port, old_sum = 0, new_sum = 0;
	memcpy(&old_port, port_at, 2);
	if (!v6) {
		memcpy(&old_sum, q->l3 + 10, 2);
		checksum_adjust(q->l3 + 10, was, is);
		memcpy(&new_sum, q->l3 + 10, 2);
	}
	memcpy(at, to->address, bytes);
	memcpy(port_at, &to->port, 2);
	checksum_adjust((uint8_t *)p->ports + 2, was + old_port + old_sum, is + to->port + new_sum);
}

// The ends of a tuple: source (0) and destination (1).
static struct end end_of(const struct conn *c, bool reply, unsigned end, const bool v6)
{
	const uint8_t *tuple = conn_tuple(c, reply, v6);
	struct end e = { tuple + end * (v6 ? 16 : 4), 0 };
	memcpy(&e.port, tuple + (v6 ? 32 : 8) + end * 2, 2);
	return e;
}

static void to_server(struct worker *w, const struct port *from, struct packet *p, struct quoted *q,
    struct conn *c, const bool v6)
{
	static const uint8_t silent[16];
	struct real_server *s = &w->servers[c->server];
	const struct hop *h = &w->hops[s->hop];
	count_in(s, p);
	if (c->forward == FORWARD_TUN) {
		send_tun(w, from, p, &w->server_table->keys[c->server], h, silent);
		return;
	}
	if (!may_leave(w, from, p, h, silent, v6))
		return;
	// It quotes an answer: virtual service to client; the server sent it as its reply tuple
	// says.
	if (c->flags & CONN_BOTH_WAYS) {
		struct end server = end_of(c, true, 0, v6), client = end_of(c, true, 1, v6);
		set_outer(p, 1, server.address, v6);
		set_quoted(p, q, 0, &server, v6);
		if (c->forward == FORWARD_FULLNAT) {
			// Routers on the client's side are none of the server's routes.
			set_outer(p, 0, client.address, v6);
			set_quoted(p, q, 1, &client, v6);
		}
	}
	leave(w, p, h, v6);
}

static void to_client(struct worker *w, const struct port *from, struct packet *p, struct quoted *q,
    struct conn *c, const bool v6)
{
	static const uint8_t silent[16];
	struct hop hop;
	nat_client_hop(w, c, &hop);
	count_out(&w->servers[c->server], p);
	if (!may_leave(w, from, p, &hop, silent, v6))
		return;
	struct end client = end_of(c, false, 0, v6), service = end_of(c, false, 1, v6);
	set_outer(p, 0, service.address, v6);
	set_quoted(p, q, 1, &service, v6);
	if (c->forward == FORWARD_FULLNAT) {
		set_outer(p, 1, client.address, v6);
		set_quoted(p, q, 0, &client, v6);
	}
	leave(w, p, &hop, v6);
}

// Might another worker have the connection?
static bool is_of_a_service(const struct worker *w, const struct quoted *q, const bool v6)
{
	const uint8_t *dst = q->addresses + (v6 ? 16 : 4);
	uint16_t dport = load32(q->ports) >> 16;
	return service_table_has_address(w->services, q->addresses, v6) ||
	       server_table_kinds(w->server_table, dst, dport, q->protocol, v6) != 0;
}

static void relay(struct worker *w, struct burst *b, struct packet *p, const bool v6)
{
	struct quoted q;
	if (!is_error(p) || !read_quoted(p, &q)) {
		punt(w, b->port, p->m);
		return;
	}
	uint32_t entry = find_reply_of(w, &q, v6);
	if (entry == CONN_NONE) {
		if ((b->visited & ~FRAGMENT_SETTLED) + 1u < w->n_workers &&
		    is_of_a_service(w, &q, v6))
			hand_over(w, b->port, p->m, (w->index + 1) % w->n_workers, b->visited + 1);
		else
			punt(w, b->port, p->m);
		return;
	}
	struct conn *c = conn_at(&w->conns[v6], entry & ~ENTRY_REPLY);
	if (c->forward == FORWARD_NAT && !checksum_is_good(p)) {
		drop(w, p->m, DROP_bad_icmp_checksum);
		return;
	}
	if (entry & ENTRY_REPLY)
		to_client(w, b->port, p, &q, c, v6);
	else
		to_server(w, b->port, p, &q, c, v6);
}

void relay_icmp(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < b->icmp.n; i++) {
		struct packet *p = b->icmp.p[i];
		relay(w, b, p, p->v6);
	}
	b->icmp.n = 0;
}
