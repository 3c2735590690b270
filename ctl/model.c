// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <bsd/string.h>
#include <string.h>

#include "model_private.h"

static int key_compare(const struct model_service *a, const struct model_service *b)
{
	int d = (int)a->conf.protocol - b->conf.protocol;
	if (!d)
		d = ip_addr_compare(&a->conf.address, &b->conf.address);
	return d ? d : (int)a->conf.port - b->conf.port;
}
TREE_GENERATE(model_key_tree, model_service, by_key, key_compare)

static int name_compare(const struct model_service *a, const struct model_service *b)
{
	return strcmp(a->conf.name, b->conf.name);
}
TREE_GENERATE(model_name_tree, model_service, by_name, name_compare)

static int ghost_compare(const struct model_ghost *a, const struct model_ghost *b)
{
	int d = (int)a->protocol - b->protocol;
	if (!d)
		d = (int)a->vport - b->vport;
	if (!d)
		d = (int)a->port - b->port;
	if (!d)
		d = ip_addr_compare(&a->vip, &b->vip);
	return d ? d : ip_addr_compare(&a->address, &b->address);
}
TREE_GENERATE(model_ghost_tree, model_ghost, entry, ghost_compare)

static int refuse(char *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int refuse(char *error, int code, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(error, MODEL_ERROR_MAX, format, ap);
	va_end(ap);
	return code;
}

// ---- finding ----

struct model_service *model_find(
    struct model *m, uint8_t protocol, const struct ip_addr *address, uint16_t port)
{
	struct model_service key;
	key.conf.protocol = protocol;
	key.conf.address = *address;
	key.conf.port = port;
	return RB_FIND(model_key_tree, &m->by_key, &key);
}

// "tcp 192.0.2.10:80" or "tcp-192.0.2.10:80".
static int parse_key(const char *text, struct model_service *key)
{
	char protocol[8];
	struct ip_endpoint e;
	size_t n = strcspn(text, " -");
	if (!text[n] || n >= sizeof(protocol))
		return -EINVAL;
	memcpy(protocol, text, n);
	protocol[n] = '\0';
	if (protocol_parse(protocol, &key->conf.protocol) < 0 ||
	    ip_endpoint_parse(text + n + 1, &e) < 0)
		return -EINVAL;
	key->conf.address = e.addr;
	key->conf.port = e.port;
	return 0;
}

struct model_service *model_find_name(struct model *m, const char *name)
{
	struct model_service key;
	if (strlcpy(key.conf.name, name, sizeof(key.conf.name)) < sizeof(key.conf.name)) {
		struct model_service *ms = RB_FIND(model_name_tree, &m->by_name, &key);
		if (ms)
			return ms;
	}
	return parse_key(name, &key) < 0 ? NULL : RB_FIND(model_key_tree, &m->by_key, &key);
}

const struct model_service *model_first_from(struct model *m, const char *cursor)
{
	struct model_service key;
	if (!cursor || parse_key(cursor, &key) < 0)
		return RB_MIN(model_key_tree, &m->by_key);
	return RB_NFIND(model_key_tree, &m->by_key, &key);
}

const struct model_service *model_next(struct model *m, const struct model_service *ms)
{
	return RB_NEXT(model_key_tree, &m->by_key, (struct model_service *)ms);
}

const char *model_key_print(const struct model_service *ms, char buf[static MODEL_KEY_MAX])
{
	char text[ADDR_TEXT_MAX];
	snprintf(buf, MODEL_KEY_MAX, "%s %s", protocol_name(ms->conf.protocol),
	    ip_endpoint_print(&ms->conf.address, ms->conf.port, text));
	return buf;
}

struct model_server *model_find_server(
    struct model_service *ms, const struct ip_addr *address, uint16_t port)
{
	struct model_server *s;
	TAILQ_FOREACH(s, &ms->servers, entry) {
		if (s->conf.port == port && ip_addr_equal(&s->conf.address, address))
			return s;
	}
	return NULL;
}

const struct model_services *model_services(const struct model *m)
{
	return &m->services;
}

// ---- announcing ----

// The VIP as a host address on the twin of the port whose network holds it. One address may be many
// services': the first puts it there, the last takes it away.
static bool announced_by_another(struct model *m, const struct model_service *ms)
{
	// The services of one address and protocol are neighbours in the tree; protocols are few.
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	for (unsigned i = 0; i < 2; i++) {
		struct model_service key;
		key.conf.protocol = protocols[i];
		key.conf.address = ms->conf.address;
		key.conf.port = 0;
		struct model_service *s = RB_NFIND(model_key_tree, &m->by_key, &key);
		for (; s && s->conf.protocol == protocols[i] &&
		       ip_addr_equal(&s->conf.address, &ms->conf.address);
		     s = RB_NEXT(model_key_tree, &m->by_key, s)) {
			if (s != ms && s->announced)
				return true;
		}
	}
	return false;
}

static struct ip_prefix host_prefix(const struct ip_addr *a)
{
	return (struct ip_prefix){ *a, a->family == AF_INET6 ? 128 : 32 };
}

static void announce(struct model *m, struct model_service *ms)
{
	if (ms->announced || !ms->conf.announce || !m->o.mirror)
		return;
	int port = mirror_port_of(m->o.mirror, &ms->conf.address);
	if (port < 0)
		return; // a routed address: the network brings it here, model_tick() asks again
	struct ip_prefix p = host_prefix(&ms->conf.address);
	ms->announced = announced_by_another(m, ms) ||
	                mirror_address_add(m->o.mirror, m->o.ports[port].twin, &p) == 0;
}

// Local addresses are answered for as well, on the twin of the port whose network holds them. They
// stay there when the pool gets smaller: connections may live on with them.
static void announce_local(struct model *m, struct model_service *ms)
{
	const struct conf_local *local = &ms->conf.local;
	ms->local_announced = true;
	for (unsigned i = 0; m->o.mirror && i < local->n; i++) {
		for (uint32_t k = 0; k < local->ranges[i].n; k++) {
			struct ip_addr a = conf_range_at(&local->ranges[i], k);
			struct ip_prefix p = host_prefix(&a);
			int port = mirror_port_of(m->o.mirror, &a);
			if (port < 0) // not yet: model_tick() asks again
				ms->local_announced = false;
			else
				mirror_address_add(m->o.mirror, m->o.ports[port].twin, &p);
		}
	}
}

static void set_local(struct model *m, struct model_service *ms, const struct conf_service *s)
{
	ms->conf.local = s->local;
	ms->conf.client_address = s->client_address;
	ms->conf.toa_kind = s->toa_kind;
	model_tell_local(m, ms);
	announce_local(m, ms);
}

static void withdraw(struct model *m, struct model_service *ms)
{
	if (!ms->announced)
		return;
	ms->announced = false;
	if (announced_by_another(m, ms))
		return;
	struct ip_prefix p = host_prefix(&ms->conf.address);
	for (unsigned i = 0; i < m->o.n_ports; i++)
		mirror_address_del(m->o.mirror, m->o.ports[i].twin, &p);
}

// ---- server numbers ----

static bool grow(void **array, uint32_t *room, uint32_t need, size_t size)
{
	if (need <= *room)
		return true;
	uint32_t n = *room ? *room * 2 : 64;
	void *p = reallocarray(*array, n, size);
	if (!p)
		return false;
	*array = p;
	*room = n;
	return true;
}

// SERVER_NONE: none left.
static uint32_t id_new(struct model *m)
{
	if (m->n_free_ids)
		return m->free_ids[--m->n_free_ids];
	if (m->n_slots == SERVERS_MAX || crew_reach_server(m->o.crew, m->n_slots) < 0 ||
	    !grow((void **)&m->slots, &m->slots_room, m->n_slots + 1, sizeof(m->slots[0])) ||
	    !grow((void **)&m->free_ids, &m->free_ids_room, m->n_slots + 1, sizeof(uint32_t)))
		return SERVER_NONE;
	m->slots[m->n_slots] = (struct model_slot){};
	return m->n_slots++;
}

static void id_free(struct model *m, uint32_t id)
{
	m->slots[id] = (struct model_slot){};
	m->free_ids[m->n_free_ids++] = id; // as long as there are numbers
}

static bool has_connections(const struct model *m, uint32_t id)
{
	struct service_stats stats;
	uint32_t active, inactive;
	crew_server_stats(m->o.crew, id, &stats, &active, &inactive);
	return active + inactive;
}

static struct model_ghost *ghost_find(
    struct model *m, const struct model_service *ms, const struct conf_server *s)
{
	struct model_ghost key = {
		.protocol = ms->conf.protocol,
		.vip = ms->conf.address,
		.vport = ms->conf.port,
		.address = s->address,
		.port = s->port,
	};
	return RB_FIND(model_ghost_tree, &m->ghosts, &key);
}

static void ghost_free(struct model *m, struct model_ghost *g)
{
	RB_REMOVE(model_ghost_tree, &m->ghosts, g);
	model_hop_put(m, g->hop);
	free(g);
}

// ---- servers ----

static uint32_t position_of(const struct model_service *ms, const struct model_server *srv)
{
	uint32_t at = 0;
	const struct model_server *s;
	TAILQ_FOREACH(s, &ms->servers, entry) {
		if (s == srv)
			break;
		at++;
	}
	return at;
}

int model_server_add(struct model *m, struct model_service *ms, const struct conf_server *s,
    char error[static MODEL_ERROR_MAX])
{
	char text[ADDR_TEXT_MAX];
	if (model_find_server(ms, &s->address, s->port))
		return refuse(error, -EEXIST, "%s has a server %s already", ms->conf.name,
		    ip_endpoint_print(&s->address, s->port, text));
	struct model_server *srv = calloc(1, sizeof(*srv));
	if (!srv)
		return refuse(error, -ENOMEM, "out of memory");
	srv->conf = *s;
	srv->weight_before = -1;
	srv->hop = model_hop_get(m, &s->address);
	if (!srv->hop) {
		free(srv);
		return refuse(error, -ENOSPC, "more than %u real server addresses", HOPS_MAX);
	}
	// A server of the same name that was deleted takes its connections up again.
	struct model_ghost *g = ghost_find(m, ms, s);
	bool fresh = !g;
	if (g) {
		srv->id = g->id;
		ghost_free(m, g);
	} else {
		srv->id = id_new(m);
		if (srv->id == SERVER_NONE) {
			model_hop_put(m, srv->hop);
			free(srv);
			return refuse(error, -ENOSPC, "more than %u real servers", SERVERS_MAX);
		}
	}
	m->slots[srv->id] = (struct model_slot){ ms, srv, NULL };
	TAILQ_INSERT_HEAD(&ms->servers, srv, entry);
	ms->n_servers++;
	model_tell_server(m, ms, &srv->conf, srv->hop,
	    (struct server_news){ srv->id, .alive = true, .fresh = fresh, .counts = true });
	model_tell_list(m, ms, NULL, SCHED_ADDED, 0);
	return 0;
}

int model_server_edit(struct model *m, struct model_service *ms, struct model_server *srv,
    const struct conf_server *s, char error[static MODEL_ERROR_MAX])
{
	srv->weight_before = -1;
	srv->conf.weight = s->weight;
	if (srv->conf.forward != s->forward || !conf_same_tunnel(&srv->conf.tunnel, &s->tunnel)) {
		srv->conf.forward = s->forward; // of new connections
		srv->conf.tunnel = s->tunnel;   // of all
		model_tell_server(m, ms, &srv->conf, srv->hop,
		    (struct server_news){ srv->id, .alive = true, .counts = true });
	}
	model_tell_list(m, ms, NULL, SCHED_EDITED, position_of(ms, srv));
	return 0;
}

int model_server_drain(
    struct model *m, struct model_service *ms, struct model_server *srv, bool drain)
{
	if (drain == (srv->weight_before >= 0))
		return 0;
	if (drain) {
		srv->weight_before = srv->conf.weight;
		srv->conf.weight = 0;
	} else {
		srv->conf.weight = srv->weight_before;
		srv->weight_before = -1;
	}
	model_tell_list(m, ms, NULL, SCHED_EDITED, position_of(ms, srv));
	return 0;
}

// `ms` is NULL-safe for its connections: when the service goes as well, they count for nobody.
static void server_remove(
    struct model *m, struct model_service *ms, struct model_server *srv, bool with_service)
{
	uint32_t at = position_of(ms, srv);
	TAILQ_REMOVE(&ms->servers, srv, entry);
	ms->n_servers--;
	if (!with_service)
		model_tell_list(m, ms, NULL, SCHED_DELETED, at);
	model_tell_server(
	    m, ms, &srv->conf, srv->hop, (struct server_news){ srv->id, .counts = !with_service });
	struct model_ghost *g = calloc(1, sizeof(*g));
	if (g) {
		*g = (struct model_ghost){
			.protocol = ms->conf.protocol,
			.vip = ms->conf.address,
			.vport = ms->conf.port,
			.address = srv->conf.address,
			.port = srv->conf.port,
			.id = srv->id,
			.hop = srv->hop,
		};
		RB_INSERT(model_ghost_tree, &m->ghosts, g);
		m->slots[srv->id] = (struct model_slot){ NULL, NULL, g };
	}
	free(srv);
}

void model_server_delete(struct model *m, struct model_service *ms, struct model_server *srv)
{
	server_remove(m, ms, srv, false);
}

// ---- services ----

int model_service_add(
    struct model *m, const struct conf_service *s, char error[static MODEL_ERROR_MAX])
{
	char text[ADDR_TEXT_MAX];
	if (model_find(m, s->protocol, &s->address, s->port))
		return refuse(error, -EEXIST, "there is a service %s %s already",
		    protocol_name(s->protocol), ip_endpoint_print(&s->address, s->port, text));
	struct model_service *ms = calloc(1, sizeof(*ms));
	if (!ms)
		return refuse(error, -ENOMEM, "out of memory");
	ms->conf = *s;
	ms->conf.servers = NULL;
	ms->conf.n_servers = 0;
	ms->scheduler = sched_find(s->scheduler);
	if (!ms->scheduler) {
		free(ms);
		return refuse(error, -ENOENT, "no scheduler \"%s\"", s->scheduler);
	}
	TAILQ_INIT(&ms->servers);
	if (RB_INSERT(model_name_tree, &m->by_name, ms)) {
		free(ms);
		return refuse(error, -EEXIST, "there is a service named %s already", s->name);
	}
	RB_INSERT(model_key_tree, &m->by_key, ms);
	TAILQ_INSERT_TAIL(&m->services, ms, entry);
	model_tell_service(m, ms);
	set_local(m, ms, s);
	for (size_t i = 0; i < s->n_servers; i++) {
		int ret = model_server_add(m, ms, &s->servers[i], error);
		if (ret < 0) {
			model_service_delete(m, ms);
			return ret;
		}
	}
	announce(m, ms);
	return 0;
}

int model_service_edit(struct model *m, struct model_service *ms, const struct conf_service *s,
    char error[static MODEL_ERROR_MAX])
{
	const struct sched_ops *scheduler = sched_find(s->scheduler);
	if (!scheduler)
		return refuse(error, -ENOENT, "no scheduler \"%s\"", s->scheduler);
	const struct model_server *srv;
	TAILQ_FOREACH(srv, &ms->servers, entry) {
		if (srv->conf.forward == FORWARD_FULLNAT &&
		    !conf_local_has_family(&s->local, srv->conf.address.family))
			return refuse(error, -EINVAL,
			    "%s has servers with forward \"fullnat\", which need local_addresses",
			    ms->conf.name);
	}
	if (strcmp(s->name, ms->conf.name) != 0) {
		struct model_service key;
		strlcpy(key.conf.name, s->name, sizeof(key.conf.name));
		if (RB_FIND(model_name_tree, &m->by_name, &key))
			return refuse(
			    error, -EEXIST, "there is a service named %s already", s->name);
		RB_REMOVE(model_name_tree, &m->by_name, ms);
		strlcpy(ms->conf.name, s->name, sizeof(ms->conf.name));
		RB_INSERT(model_name_tree, &m->by_name, ms);
	}
	ms->conf.forward = s->forward;
	if (!conf_same_fullnat(&ms->conf, s))
		set_local(m, ms, s);
	ms->conf.announce = s->announce;
	if (s->announce)
		announce(m, ms);
	else
		withdraw(m, ms);
	if (scheduler != ms->scheduler) {
		ms->scheduler = scheduler;
		strlcpy(ms->conf.scheduler, s->scheduler, sizeof(ms->conf.scheduler));
		model_tell_list(m, ms, scheduler, SCHED_EDITED, 0);
	}
	return 0;
}

void model_service_delete(struct model *m, struct model_service *ms)
{
	withdraw(m, ms);
	struct model_server *s;
	while ((s = TAILQ_FIRST(&ms->servers)))
		server_remove(m, ms, s, true);
	RB_REMOVE(model_key_tree, &m->by_key, ms);
	RB_REMOVE(model_name_tree, &m->by_name, ms);
	TAILQ_REMOVE(&m->services, ms, entry);
	model_tell_service_gone(m, ms);
	free(ms);
}

void model_service_stats(
    const struct model *m, const struct model_service *ms, struct service_stats *out)
{
	*out = (struct service_stats){};
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		const struct service_stats *s = &ms->service[k]->stats;
		out->connections += __atomic_load_n(&s->connections, __ATOMIC_RELAXED);
		out->in_packets += __atomic_load_n(&s->in_packets, __ATOMIC_RELAXED);
		out->out_packets += __atomic_load_n(&s->out_packets, __ATOMIC_RELAXED);
		out->in_bytes += __atomic_load_n(&s->in_bytes, __ATOMIC_RELAXED);
		out->out_bytes += __atomic_load_n(&s->out_bytes, __ATOMIC_RELAXED);
	}
}

bool model_server_by_id(const struct model *m, uint32_t id, const struct model_service **ms,
    struct ip_addr *address, uint16_t *port)
{
	if (id >= m->n_slots)
		return false;
	const struct model_slot *slot = &m->slots[id];
	*ms = slot->service;
	if (slot->server) {
		*address = slot->server->conf.address;
		*port = slot->server->conf.port;
	} else if (slot->ghost) {
		*address = slot->ghost->address;
		*port = slot->ghost->port;
	}
	return slot->server || slot->ghost;
}

// ---- the rest ----

void model_settings(
    struct model *m, const struct conf_timeouts *t, uint32_t punt_per_s, uint32_t icmp_per_s)
{
	struct order_settings o = {
		.timeouts.udp = t->udp_s * TICKS_PER_SECOND,
		.punt_per_s = punt_per_s,
		.icmp_per_s = icmp_per_s,
	};
	for (unsigned i = 0; i < TCP_S_COUNT; i++)
		o.timeouts.tcp[i] = tcp_timeout_s[i] * TICKS_PER_SECOND;
	o.timeouts.tcp[TCP_S_ESTABLISHED] = t->tcp_s * TICKS_PER_SECOND;
	o.timeouts.tcp[TCP_S_FIN_WAIT] = t->tcp_fin_s * TICKS_PER_SECOND;
	m->timeouts = *t;
	model_tell_settings(m, &o);
}

const struct conf_timeouts *model_timeouts(const struct model *m)
{
	return &m->timeouts;
}

void model_tick(struct model *m)
{
	struct model_ghost *g, *next;
	RB_FOREACH_SAFE(g, model_ghost_tree, &m->ghosts, next)
	{
		// Mail under way may still make a connection of it.
		if (crew_mail_under_way(m->o.crew) || has_connections(m, g->id))
			continue;
		uint32_t id = g->id;
		ghost_free(m, g);
		id_free(m, id);
	}
	struct model_service *ms;
	TAILQ_FOREACH(ms, &m->services, entry) {
		announce(m, ms);
		if (!ms->local_announced)
			announce_local(m, ms);
	}
}

int model_new(const struct model_options *o, struct model **out)
{
	struct model *m = calloc(1, sizeof(*m));
	if (!m || !(m->hop_used = calloc(HOPS_MAX, sizeof(bool)))) {
		free(m);
		return -ENOMEM;
	}
	m->o = *o;
	TAILQ_INIT(&m->services);
	RB_INIT(&m->ghosts);
	RB_INIT(&m->by_key);
	RB_INIT(&m->by_name);
	RB_INIT(&m->hops);
	*out = m;
	return 0;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	struct model_service *ms;
	while ((ms = TAILQ_FIRST(&m->services)))
		model_service_delete(m, ms);
	struct model_ghost *g;
	while ((g = RB_ROOT(&m->ghosts)))
		ghost_free(m, g);
	struct model_hop *h;
	while ((h = RB_ROOT(&m->hops))) {
		h->refs = 1; // those of model_set_hop()
		model_hop_put(m, h);
	}
	free(m->slots);
	free(m->free_ids);
	free(m->hop_used);
	free(m);
}
