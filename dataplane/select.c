// SPDX-License-Identifier: BSD-3-Clause

// Stage 4: packets without a connection. Those for a virtual service get one, by its scheduler; the
// others are the kernel's.

#include <netinet/in.h>

#include "conf/conf.h"
#include "fullnat.h"
#include "stages.h"

// Until its first packet has moved the state machine on (IPVS: ip_vs_conn_new).
#define NEW_CONN_TIMEOUT (3 * TICKS_PER_SECOND)

#define FTP_DATA_PORT 20

// Source addresses that no client has. Kernels drop these before IPVS sees them.
static bool is_martian(const uint8_t *src, const uint8_t *dst, const bool v6)
{
	static const uint8_t none[16], loopback[16] = { [15] = 1 };
	if (!v6)
		return src[0] == 0 || src[0] == 127 || src[0] >= 224 || load32(src) == load32(dst);
	return src[0] == 0xff || memcmp(src, none, 16) == 0 || memcmp(src, loopback, 16) == 0 ||
	       memcmp(src, dst, 16) == 0;
}

// Connections of the list's servers over all workers. Others' figures are read as they stand.
static void read_loads(struct worker *w, struct sched_list *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		struct sched_server *s = &list->servers[i];
		s->active = s->inactive = 0;
		for (unsigned k = 0; k < w->n_workers; k++) {
			const struct real_server *r = &w->all_servers[k][s->id];
			s->active += __atomic_load_n(&r->active, __ATOMIC_RELAXED);
			s->inactive += __atomic_load_n(&r->inactive, __ATOMIC_RELAXED);
		}
	}
}

// The id of the server for a new connection, or SERVER_NONE.
static uint32_t schedule(struct worker *w, struct service *s)
{
	if (s->scheduler->needs_load)
		read_loads(w, s->list);
	else if (unlikely(!s->staggered)) {
		// Worker k begins k servers further on, so that few connections on many
		// workers do not all go to the first.
		for (unsigned k = 0; k < w->index; k++)
			s->scheduler->pick(&s->state, s->list);
	}
	s->staggered = true;
	int at = s->scheduler->pick(&s->state, s->list);
	return at < 0 ? SERVER_NONE : s->list->servers[at].id;
}

// `server`: where replies come from, the virtual service itself when they do not pass here.
static void set_tuples(
    struct conn *c, const struct packet *p, const struct server_key *server, const bool v6)
{
	if (v6) {
		struct conn6 *c6 = (struct conn6 *)c;
		memcpy(&c6->in, p->addresses, 32);
		memcpy(&c6->in.sport, p->ports, 4);
		memcpy(c6->out.src, server ? server->address : c6->in.dst, 16);
		memcpy(c6->out.dst, c6->in.src, 16);
		c6->out.sport = server ? server->port : c6->in.dport;
		c6->out.dport = c6->in.sport;
	} else {
		struct conn4 *c4 = (struct conn4 *)c;
		memcpy(&c4->in, p->addresses, 8);
		memcpy(&c4->in.sport, p->ports, 4);
		c4->out = (struct tuple4){ c4->in.dst, c4->in.src, c4->in.dport, c4->in.sport };
		if (server) {
			c4->out.src = load32(server->address);
			c4->out.sport = server->port;
		}
	}
}

// Both tuples of a connection whose replies pass here, else the client's.
static bool insert(struct conn_table *t, const struct packet *p, uint32_t record, bool nat)
{
	if (!conn_table_insert(t, p->hash, record))
		return false;
	if (!nat)
		return true;
	const struct conn *c = conn_at(t, record);
	if (conn_table_insert(t, conn_hash(t, c, true), record | ENTRY_REPLY))
		return true;
	conn_table_remove(t, p->hash, record);
	return false;
}

// NO_DROP, or why there is none.
enum { NO_DROP = -1 };

static int new_conn(struct worker *w, struct packet *p, uint32_t server, const bool v6)
{
	struct conn_table *t = &w->conns[v6];
	struct real_server *s = &w->servers[server];
	bool both_ways = s->forward == FORWARD_NAT || s->forward == FORWARD_FULLNAT;
	uint32_t record = conn_table_new(t, w->now, NEW_CONN_TIMEOUT);
	if (unlikely(record == CONN_NONE))
		return DROP_connections_full;
	struct conn *c = conn_at(t, record);
	int reason = DROP_connections_full;
	c->protocol = p->protocol;
	set_tuples(c, p, both_ways ? &w->server_table->keys[server] : NULL, v6);
	if (s->forward == FORWARD_FULLNAT) {
		void *out = v6 ? (void *)&((struct conn6 *)c)->out : &((struct conn4 *)c)->out;
		reason = DROP_no_local_port;
		if (!fullnat_choose(w, s->service->local, s, p->protocol, out, v6))
			goto none;
		reason = DROP_connections_full;
	}
	if (unlikely(!insert(t, p, record, both_ways)))
		goto none;
	c->server = server;
	c->forward = s->forward;
	c->flags |= CONN_INACTIVE | (both_ways ? CONN_BOTH_WAYS : CONN_NO_OUTPUT);
	if (s->forward == FORWARD_FULLNAT &&
	    (p->protocol == IPPROTO_TCP || s->service->tells == CONN_PROXY))
		c->flags |= s->service->tells;
	s->inactive++;
	s->connections++;
	s->service->stats.connections++;
	p->record = record;
	return NO_DROP;
none:
	conn_table_free(t, record);
	return reason;
}

// Whose packet is it, when this worker has no connection for it? This worker's, unless a NAT
// connection's: then its owner follows from the client, and of an answer to FULLNAT from the
// local port. A server may answer to both: then the one is asked, and after it the other.
static unsigned owner(const struct worker *w, const struct packet *p, const struct service *s,
    const uint8_t *src, const uint8_t *dst, const bool v6)
{
	if (s)
		return s->nat ? owner_of(w, src, p->ports, p->protocol, v6) : w->index;
	uint16_t sport = load32(p->ports) & 0xffff;
	unsigned kinds = server_table_kinds(w->server_table, src, sport, p->protocol, v6);
	unsigned visited = w->burst.visited & ~FRAGMENT_SETTLED;
	if (kinds & SERVER_FULLNAT && visited == 0) {
		unsigned o = fullnat_owner(w, p->ports + 2);
		if (o != w->index)
			return o;
	}
	if (kinds & SERVER_NAT && visited < 2)
		return owner_of(w, dst, p->ports + 2, p->protocol, v6);
	return w->index;
}

// True when the packet has a connection now; else it is punted or dropped.
static bool select_server(
    struct worker *w, const struct port *port, struct packet *p, const bool v6)
{
	const uint8_t *src = p->addresses, *dst = p->addresses + (v6 ? 16 : 4);
	uint16_t sport = load32(p->ports) & 0xffff, dport = load32(p->ports) >> 16;
	struct conn_table *t = &w->conns[v6];

	// A packet before it in the burst may have made the connection, or it is closed and
	// this SYN wants it anew.
	uint32_t entry = conn_table_find(t, p->hash, p->addresses, p->ports, p->protocol, v6);
	if (entry != CONN_NONE) {
		struct conn *c = conn_at(t, entry & ~ENTRY_REPLY);
		bool closed = 1u << c->state & (1u << TCP_S_TIME_WAIT | 1u << TCP_S_CLOSE);
		if (!(p->tcp_flags & TCP_SYN && closed) || entry & ENTRY_REPLY) {
			p->record = entry & ~ENTRY_REPLY;
			p->reply = entry & ENTRY_REPLY;
			return true;
		}
		conn_delete(w, t, c);
	}
	p->reply = false;

	struct service *s = service_table_find(w->services, dst, dport, p->protocol, v6);
	if (w->n_workers > 1) {
		unsigned o = owner(w, p, s, src, dst, v6);
		if (o != w->index) {
			unsigned visited = w->burst.visited + 1;
			if (unlikely(p->fragment)) {
				fragment_to_worker(w, p, o);
				visited |= FRAGMENT_SETTLED;
			}
			hand_over(w, port, p->m, o, visited);
			return false;
		}
	}
	bool opens = p->protocol != IPPROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_RST)) == TCP_SYN;
	if (!s || !opens || sport == rte_cpu_to_be_16(FTP_DATA_PORT)) {
		if (unlikely(p->fragment))
			fragment_to_kernel(w, p);
		punt(w, port, p->m);
		return false;
	}
	if (unlikely(is_martian(src, dst, v6))) {
		drop(w, p->m, DROP_martian_source);
		return false;
	}
	uint32_t server = schedule(w, s);
	if (unlikely(server == SERVER_NONE)) {
		icmp_refuse(w, port, p, ICMP_PORT_UNREACHABLE, 0, NULL, DROP_no_server);
		return false;
	}
	int reason = new_conn(w, p, server, v6);
	if (unlikely(reason != NO_DROP)) {
		w->counters.growth_wanted += reason == DROP_connections_full;
		drop(w, p->m, reason);
		return false;
	}
	return true;
}

void select_servers(struct worker *w, struct burst *b)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (uint16_t i = 0; i < b->fresh[v6].n; i++) {
			struct packet *p = b->fresh[v6].p[i];
			if (select_server(w, b->port, p, v6))
				packets_add(&b->known[v6], p);
		}
		b->fresh[v6].n = 0;
	}
}
