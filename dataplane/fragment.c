// SPDX-License-Identifier: BSD-3-Clause

#include "fragment.h"

#include "conf/conf.h"
#include "fullnat.h"
#include "tunnel.h"

// Entries looked at in one loop for those whose time is over.
#define SWEEP 4

// Datagrams released in one loop.
#define RELEASE 16

static void key_of(const struct packet *p, struct fragment_key *k)
{
	*k = (struct fragment_key){ .id = p->fragment_id, .protocol = p->protocol, .v6 = p->v6 };
	memcpy(k->addresses, p->addresses, p->v6 ? 32 : 8);
}

static uint64_t key_hash(const struct worker *w, const struct fragment_key *k)
{
	uint64_t h = hash_mix(
	    load64(k->addresses) ^ w->owner_secret, load64(k->addresses + 8) ^ k->id);
	return hash_mix(h ^ load64(k->addresses + 16), load64(k->addresses + 24) ^ k->protocol);
}

static void drop_waiting(struct worker *w, struct fragment_entry *e, enum drop_reason reason)
{
	for (unsigned i = 0; i < e->n; i++)
		drop(w, e->waiting[i], reason);
	w->counters.waiting -= e->n;
	e->n = 0;
}

static void forget(struct worker *w, struct fragment_entry *e)
{
	drop_waiting(w, e, DROP_fragment_timeout);
	w->fragments->used -= e->way != FRAGMENTS_FREE;
	e->way = FRAGMENTS_FREE;
}

static bool over(const struct worker *w, const struct fragment_entry *e)
{
	return w->now - e->last > FRAGMENT_TICKS;
}

// The datagram's entry; a fresh one in place of the oldest of its set when there is none.
static struct fragment_entry *entry_of(struct worker *w, const struct packet *p)
{
	struct fragment_key k;
	key_of(p, &k);
	struct fragment_entry *set =
	    &w->fragments->entries[key_hash(w, &k) % FRAGMENT_SETS * FRAGMENT_WAYS];
	struct fragment_entry *e, *oldest = set;
	for (e = set; e < set + FRAGMENT_WAYS; e++) {
		if (e->way != FRAGMENTS_FREE && memcmp(&e->key, &k, sizeof(k)) == 0)
			break;
		if (oldest->way != FRAGMENTS_FREE &&
		    (e->way == FRAGMENTS_FREE || (int32_t)(e->last - oldest->last) < 0))
			oldest = e;
	}
	if (e == set + FRAGMENT_WAYS || over(w, e)) {
		e = e == set + FRAGMENT_WAYS ? oldest : e;
		forget(w, e);
		e->key = k;
		e->way = FRAGMENTS_WAIT;
		w->fragments->used++;
	}
	e->last = w->now;
	return e;
}

static void way_is_known(struct worker *w, struct fragment_entry *e, enum fragment_way way)
{
	struct fragments *f = w->fragments;
	e->way = way;
	if (e->n == 0)
		return;
	if (f->n_ready < FRAGMENTS_READY)
		f->ready[f->n_ready++] = e - f->entries;
	else
		drop_waiting(w, e, DROP_fragment_full);
}

void fragment_follows(struct worker *w, const struct packet *p)
{
	struct fragment_entry *e = entry_of(w, p);
	e->record = p->record;
	e->reply = p->reply;
	way_is_known(w, e, FRAGMENTS_FOLLOW);
}

void fragment_to_kernel(struct worker *w, const struct packet *p)
{
	way_is_known(w, entry_of(w, p), FRAGMENTS_TO_KERNEL);
}

void fragment_to_worker(struct worker *w, const struct packet *p, unsigned worker)
{
	struct fragment_entry *e = entry_of(w, p);
	e->worker = worker;
	way_is_known(w, e, FRAGMENTS_TO_WORKER);
}

unsigned fragment_owner(const struct worker *w, const struct packet *p)
{
	struct fragment_key k;
	key_of(p, &k);
	return ((key_hash(w, &k) >> 32) * w->n_workers) >> 32;
}

// ---- later fragments ----

// One end, or both, of a packet without ports.
static void set_address(struct packet *p, unsigned end, const uint8_t *address, const bool v6)
{
	const unsigned bytes = v6 ? 16 : 4;
	uint8_t *at = (uint8_t *)p->addresses + end * bytes;
	if (!v6)
		checksum_adjust((uint8_t *)p->addresses - 2, checksum_words(at, bytes),
		    checksum_words(address, bytes));
	memcpy(at, address, bytes);
}

static void follow(struct worker *w, const struct port *from, struct packet *p, struct conn *c,
    bool reply, const bool v6)
{
	const unsigned bytes = v6 ? 16 : 4;
	struct real_server *s = &w->servers[c->server];
	const struct hop *h = &w->hops[s->hop];
	const uint8_t *in = conn_tuple(c, false, v6), *out = conn_tuple(c, true, v6);
	struct hop client;
	fragment_counted(s, p, reply);
	if (reply)
		nat_client_hop(w, c, &client);
	else if (c->forward == FORWARD_TUN) {
		send_tun(w, from, p, &w->server_table->keys[c->server], h, NULL);
		return;
	}
	if (!may_leave(w, from, p, reply ? &client : h, reply ? h->source : NULL, v6))
		return;
	if (reply) {
		set_address(p, 0, in + bytes, v6);
		if (c->forward == FORWARD_FULLNAT)
			set_address(p, 1, in, v6);
	} else if (c->flags & CONN_BOTH_WAYS) {
		set_address(p, 1, out, v6);
		if (c->forward == FORWARD_FULLNAT)
			set_address(p, 0, out + bytes, v6);
	}
	leave(w, p, reply ? &client : h, v6);
}

static bool same_connection(const struct conn *c, const struct packet *p, bool reply)
{
	return c->flags & CONN_IN_USE && c->protocol == p->protocol &&
	       memcmp(conn_tuple(c, reply, p->v6), p->addresses, p->v6 ? 32 : 8) == 0;
}

static void go(
    struct worker *w, const struct port *from, struct packet *p, const struct fragment_entry *e)
{
	struct conn *c;
	switch (e->way) {
	case FRAGMENTS_FOLLOW:
		c = conn_at(&w->conns[p->v6], e->record);
		p->hash = p->fragment_id;
		if (same_connection(c, p, e->reply))
			follow(w, from, p, c, e->reply, p->v6);
		else // it ended meanwhile
			drop(w, p->m, DROP_fragment_timeout);
		break;
	case FRAGMENTS_TO_WORKER:
		hand_over(w, from, p->m, e->worker, (w->burst.visited + 1) | FRAGMENT_SETTLED);
		break;
	default:
		punt(w, from, p->m);
	}
}

void follow_fragments(struct worker *w, struct burst *b)
{
	for (uint16_t i = 0; i < b->fragments.n; i++) {
		struct packet *p = b->fragments.p[i];
		struct fragment_entry *e = entry_of(w, p);
		if (e->way != FRAGMENTS_WAIT) {
			go(w, b->port, p, e);
		} else if (e->n < FRAGMENTS_WAITING) {
			p->m->port = b->visited << 8 | b->port->index;
			e->waiting[e->n++] = p->m;
			w->counters.waiting++;
		} else {
			drop(w, p->m, DROP_fragment_full);
		}
	}
	b->fragments.n = 0;
}

// ---- each loop ----

// Those that waited go through all stages again, where they find the way.
static unsigned release(struct worker *w, struct fragment_entry *e)
{
	struct rte_mbuf *m[FRAGMENTS_WAITING];
	unsigned n = e->n;
	memcpy(m, e->waiting, n * sizeof(m[0]));
	e->n = 0;
	w->counters.waiting -= n;
	for (unsigned i = 0; i < n; i++) {
		unsigned visited = m[i]->port >> 8 | FRAGMENT_SETTLED;
		stages(w, w->tx[m[i]->port & 0xff].port, visited, &m[i], 1);
	}
	return n;
}

unsigned sweep_fragments(struct worker *w)
{
	struct fragments *f = w->fragments;
	unsigned work = 0;
	if (likely(f->used == 0))
		return 0;
	for (unsigned i = 0; i < RELEASE && f->n_ready; i++) {
		struct fragment_entry *e = &f->entries[f->ready[--f->n_ready]];
		if (e->n && e->way != FRAGMENTS_WAIT) // it may be another datagram's by now
			work += release(w, e);
	}
	for (unsigned i = 0; i < SWEEP; i++) {
		struct fragment_entry *e =
		    &f->entries[f->sweep++ % (FRAGMENT_SETS * FRAGMENT_WAYS)];
		if (e->way != FRAGMENTS_FREE && over(w, e))
			forget(w, e);
	}
	return work;
}
