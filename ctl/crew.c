// SPDX-License-Identifier: BSD-3-Clause

#include "crew.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "dataplane/pipeline.h"

// Connections a table has room for at first, and the least it grows by. A table that
// takes a million new connections a second uses 10,000 between two looks at it.
#define GRANT_FIRST 16384u
#define GRANT_STEP  65536u

// Packets that stand between two workers.
#define HANDOVER_SLOTS 1024

static struct conn_table *table(const struct crew *c, unsigned worker, unsigned v6)
{
	return &c->workers[worker]->conns[v6];
}

// ---- memory ----

static int reserve_table(struct crew_memory *m, uint32_t max, bool v6, bool huge)
{
	struct conn_table_size s = conn_table_size(max);
	int ret = reserve_new(&m->records, (size_t)s.records << (v6 ? 7 : 6), huge);
	if (ret == 0)
		ret = reserve_new(&m->buckets, (size_t)s.buckets * sizeof(struct bucket), huge);
	if (ret == 0)
		ret = reserve_new(&m->overflow, (size_t)s.overflow * sizeof(struct bucket), false);
	if (ret == 0)
		ret = reserve_new(&m->chunks, (size_t)s.chunks * sizeof(struct wheel_chunk), false);
	return ret;
}

static int fill_table(struct crew_memory *m, uint32_t records, bool v6)
{
	struct conn_table_size s = conn_table_size(records);
	int ret = reserve_grant(&m->records, (size_t)s.records << (v6 ? 7 : 6));
	if (ret == 0)
		ret = reserve_grant(&m->buckets, (size_t)s.buckets * sizeof(struct bucket));
	if (ret == 0)
		ret = reserve_grant(&m->overflow, (size_t)s.overflow * sizeof(struct bucket));
	if (ret == 0)
		ret = reserve_grant(&m->chunks, (size_t)s.chunks * sizeof(struct wheel_chunk));
	return ret;
}

static int grant(struct crew *c, unsigned worker, bool v6, uint32_t records)
{
	int ret = fill_table(&c->memory[worker][v6], records, v6);
	if (ret < 0)
		return ret;
	struct order_grant *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	c->granted += records - c->room[worker][v6];
	c->room[worker][v6] = records;
	o->mail.run = order_grant_run;
	o->mail.back = (void (*)(struct mail *))free; // the mail is its first member
	o->v6 = v6;
	o->records = records;
	crew_send(c, worker, &o->mail);
	return 0;
}

void crew_grow(struct crew *c)
{
	for (unsigned k = 0; k < c->n; k++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			uint32_t room = c->room[k][v6];
			uint32_t count = __atomic_load_n(&table(c, k, v6)->count, __ATOMIC_RELAXED);
			uint32_t step = RTE_MAX(GRANT_STEP, room / 8);
			if (count + RTE_MIN(step, room) / 2 < room)
				continue;
			uint64_t left = c->connections_max - c->granted;
			if (left && c->under_way[k] < c->mail_slots / 2)
				grant(c, k, v6, room + RTE_MIN(step, left));
		}
	}
}

static int new_worker(struct crew *c, unsigned index, const struct crew_options *o)
{
	struct worker *w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
	if (!w)
		return -ENOMEM;
	c->workers[index] = w;
	w->index = index;
	w->ip_id = index * 65536 / c->n; // so that two do not number packets alike
	w->fragments = rte_zmalloc("fragments", sizeof(*w->fragments), RTE_CACHE_LINE_SIZE);
	if (!w->fragments)
		return -ENOMEM;
	w->n_workers = c->n;
	int ret = reserve_new(&c->servers[index], sizeof(struct real_server) * SERVERS_MAX, false);
	if (ret == 0)
		ret = reserve_new(&c->hops[index], sizeof(struct hop) * HOPS_MAX, false);
	if (ret == 0)
		ret = reserve_new(&c->services[index], sizeof(struct service_table), false);
	if (ret == 0)
		ret = reserve_new(
		    &c->server_keys[index], sizeof(struct server_key) * SERVERS_MAX, false);
	if (ret == 0)
		ret = reserve_new(&c->server_tables[index], sizeof(struct server_table), false);
	if (ret < 0)
		return ret;
	w->servers = c->servers[index].base;
	w->hops = c->hops[index].base;
	w->services = c->services[index].base;
	w->server_table = c->server_tables[index].base;
	w->server_table->keys = c->server_keys[index].base;

	uint64_t secret;
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	service_table_init(w->services, secret);
	w->server_table->secret = ~secret;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct crew_memory *m = &c->memory[index][v6];
		uint64_t key[4];
		if (getrandom(key, sizeof(key), 0) != sizeof(key))
			return -EIO;
		ret = reserve_table(m, o->connections_max, v6, o->hugepages);
		if (ret < 0)
			return ret;
		struct conn_table_memory cm = { m->records.base, m->buckets.base, m->overflow.base,
			m->chunks.base };
		conn_table_init(&w->conns[v6], v6, &cm, key, 0);
	}
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "inbox%u", index);
	w->inbox = rte_ring_create(
	    name, c->mail_slots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "outbox%u", index);
	w->outbox = rte_ring_create(
	    name, c->mail_slots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return w->inbox && w->outbox ? 0 : -ENOMEM;
}

// Rings between each two workers.
static int join(struct crew *c)
{
	uint64_t secret;
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	for (unsigned k = 0; k < c->n; k++) {
		c->workers[k]->owner_secret = secret;
		for (unsigned j = 0; j < c->n; j++) {
			char name[RTE_RING_NAMESIZE];
			if (j == k)
				continue;
			snprintf(name, sizeof(name), "over_%u_%u", k, j);
			struct rte_ring *r = rte_ring_create(
			    name, HANDOVER_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (!r)
				return -ENOMEM;
			c->workers[k]->handover_to[j] = r;
			c->workers[j]->handover_from[k] = r;
		}
	}
	return 0;
}

int crew_new(const struct crew_options *o, struct crew **out)
{
	struct crew *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->n = o->n_workers;
	c->connections_max = o->connections_max;
	c->mail_slots = o->mail_slots ? o->mail_slots : 4096;
	int ret = 0;
	for (unsigned k = 0; ret == 0 && k < c->n; k++)
		ret = new_worker(c, k, o);
	if (ret == 0)
		ret = join(c);
	// Every table begins with the same room, as far as connections.max allows.
	uint32_t first = RTE_MIN(GRANT_FIRST, o->connections_max / (2 * c->n));
	for (unsigned k = 0; ret == 0 && k < c->n; k++) {
		for (unsigned j = 0; j < c->n; j++)
			c->workers[k]->all_servers[j] = c->workers[j]->servers;
		for (unsigned v6 = 0; ret == 0 && v6 < 2; v6++)
			ret = grant(c, k, v6, first);
	}
	if (ret < 0) {
		crew_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

static void crew_forget_fragments(struct worker *w)
{
	struct fragments *f = w->fragments;
	for (unsigned i = 0; f && i < FRAGMENT_SETS * FRAGMENT_WAYS; i++)
		rte_pktmbuf_free_bulk(f->entries[i].waiting, f->entries[i].n);
	rte_free(f);
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	for (unsigned k = 0; k < c->n; k++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			reserve_free(&c->memory[k][v6].records);
			reserve_free(&c->memory[k][v6].buckets);
			reserve_free(&c->memory[k][v6].overflow);
			reserve_free(&c->memory[k][v6].chunks);
		}
		reserve_free(&c->servers[k]);
		reserve_free(&c->hops[k]);
		reserve_free(&c->services[k]);
		reserve_free(&c->server_keys[k]);
		reserve_free(&c->server_tables[k]);
		for (unsigned j = 0; c->workers[k] && j < c->n; j++)
			rte_ring_free(c->workers[k]->handover_to[j]);
		if (c->workers[k]) {
			rte_ring_free(c->workers[k]->inbox);
			rte_ring_free(c->workers[k]->outbox);
			crew_forget_fragments(c->workers[k]);
			rte_free(c->workers[k]);
		}
	}
	free(c);
}

// ---- mail ----

void crew_send(struct crew *c, unsigned worker, struct mail *m)
{
	struct worker *w = c->workers[worker];
	m->worker = worker;
	if (!c->running) {
		while (m->run(w, m) == MAIL_AGAIN)
			;
		if (m->back)
			m->back(m);
		return;
	}
	// One less than the ring's size fits.
	while (c->under_way[worker] >= c->mail_slots - 1) {
		if (!crew_collect(c))
			nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
	}
	c->under_way[worker]++;
	rte_ring_sp_enqueue(w->inbox, m);
}

unsigned crew_collect(struct crew *c)
{
	unsigned total = 0;
	for (unsigned k = 0; k < c->n; k++) {
		struct mail *m;
		while (c->under_way[k] &&
		       rte_ring_sc_dequeue(c->workers[k]->outbox, (void **)&m) == 0) {
			c->under_way[k]--;
			total++;
			if (m->back)
				m->back(m);
		}
	}
	return total;
}

void crew_settle(struct crew *c, unsigned ms)
{
	struct timespec nap = { .tv_nsec = 10000 };
	for (unsigned i = 0; crew_mail_under_way(c) && i < ms * 100; i++) {
		if (!crew_collect(c))
			nanosleep(&nap, NULL);
	}
}

unsigned crew_mail_under_way(const struct crew *c)
{
	unsigned n = 0;
	for (unsigned k = 0; k < c->n; k++)
		n += c->under_way[k];
	return n;
}

// ---- start and stop ----

static int worker_main(void *arg)
{
	worker_loop(arg);
	return 0;
}

int crew_start(struct crew *c, const unsigned *lcores, void (*tick)(struct worker *),
    void (*idle)(struct worker *, unsigned))
{
	for (unsigned k = 0; k < c->n; k++) {
		struct worker *w = c->workers[k];
		w->tick = tick;
		w->idle = idle;
		tick(w);
		// Tables were made at tick 0: nothing is in them yet.
		w->conns[0].wheel.slot = w->conns[1].wheel.slot = w->now / WHEEL_SLOT_TICKS;
	}
	c->running = true;
	for (unsigned k = 0; k < c->n; k++) {
		c->lcores[k] = lcores[k];
		int ret = rte_eal_remote_launch(worker_main, c->workers[k], lcores[k]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void crew_stop(struct crew *c)
{
	if (!c->running)
		return;
	while (crew_mail_under_way(c)) {
		if (!crew_collect(c))
			nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	for (unsigned k = 0; k < c->n; k++)
		__atomic_store_n(&c->workers[k]->stop, true, __ATOMIC_RELAXED);
	for (unsigned k = 0; k < c->n; k++)
		rte_eal_wait_lcore(c->lcores[k]);
	c->running = false;
}

// ---- figures ----

uint64_t crew_memory_bytes(const struct crew *c, unsigned worker)
{
	uint64_t bytes = 0;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct crew_memory *m = &c->memory[worker][v6];
		bytes += m->records.granted + m->buckets.granted + m->overflow.granted +
		         m->chunks.granted;
	}
	return bytes;
}

int crew_reach_server(struct crew *c, uint32_t id)
{
	for (unsigned k = 0; k < c->n; k++) {
		int ret = reserve_grant(
		    &c->servers[k], ((size_t)id + 1) * sizeof(struct real_server));
		if (ret == 0)
			ret = reserve_grant(
			    &c->server_keys[k], ((size_t)id + 1) * sizeof(struct server_key));
		if (ret < 0)
			return ret;
	}
	return 0;
}

int crew_reach_hop(struct crew *c, uint16_t id)
{
	for (unsigned k = 0; k < c->n; k++) {
		int ret = reserve_grant(&c->hops[k], ((size_t)id + 1) * sizeof(struct hop));
		if (ret < 0)
			return ret;
	}
	return 0;
}

uint64_t crew_connections(const struct crew *c)
{
	uint64_t n = 0;
	for (unsigned k = 0; k < c->n; k++) {
		for (unsigned v6 = 0; v6 < 2; v6++)
			n += __atomic_load_n(&table(c, k, v6)->count, __ATOMIC_RELAXED);
	}
	return n;
}

void crew_server_stats(const struct crew *c, uint32_t id, struct service_stats *stats,
    uint32_t *active, uint32_t *inactive)
{
	*stats = (struct service_stats){};
	*active = *inactive = 0;
	for (unsigned k = 0; k < c->n; k++) {
		const struct real_server *s = &c->workers[k]->servers[id];
		*active += __atomic_load_n(&s->active, __ATOMIC_RELAXED);
		*inactive += __atomic_load_n(&s->inactive, __ATOMIC_RELAXED);
		stats->connections += __atomic_load_n(&s->connections, __ATOMIC_RELAXED);
		stats->in_packets += __atomic_load_n(&s->in_packets, __ATOMIC_RELAXED);
		stats->out_packets += __atomic_load_n(&s->out_packets, __ATOMIC_RELAXED);
		stats->in_bytes += __atomic_load_n(&s->in_bytes, __ATOMIC_RELAXED);
		stats->out_bytes += __atomic_load_n(&s->out_bytes, __ATOMIC_RELAXED);
	}
}
