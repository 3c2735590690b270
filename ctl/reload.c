// SPDX-License-Identifier: BSD-3-Clause

// From a configuration to the running state: all of it at start, the difference at a reload.

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "log.h"

// ---- addresses and routes ----

static bool has_address(const struct conf_port *p, const struct ip_prefix *a)
{
	for (size_t i = 0; i < p->n_addresses; i++) {
		if (p->addresses[i].len == a->len && ip_addr_equal(&p->addresses[i].addr, &a->addr))
			return true;
	}
	return false;
}

static bool has_route(const struct conf *c, const struct conf_route *r)
{
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct conf_route *o = &c->routes[i];
		if (o->to.len == r->to.len && ip_addr_equal(&o->to.addr, &r->to.addr) &&
		    ip_addr_equal(&o->via, &r->via))
			return true;
	}
	return false;
}

static void add_address(struct daemon *d, size_t port, const struct ip_prefix *a)
{
	char text[ADDR_TEXT_MAX];
	int ret = mirror_address_add(d->mirror, d->ports.list[port].twin, a);
	if (ret < 0)
		log_warning("port %s: address %s: %s", d->conf->ports[port].name,
		    ip_prefix_print(a, text), strerror(-ret));
}

static void add_route(struct daemon *d, const struct conf_route *r)
{
	char to[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX];
	int ret = mirror_route_add(d->mirror, &r->to, &r->via);
	if (ret < 0)
		log_warning("route %s via %s: %s", ip_prefix_print(&r->to, to),
		    ip_addr_print(&r->via, via), strerror(-ret));
}

// `old` is NULL at start.
static void apply_network(struct daemon *d, const struct conf *old, const struct conf *now)
{
	for (size_t i = 0; i < now->n_ports; i++) {
		const struct conf_port *n = &now->ports[i], *o = old ? &old->ports[i] : NULL;
		for (size_t k = 0; k < n->n_addresses; k++) {
			if (!o || !has_address(o, &n->addresses[k]))
				add_address(d, i, &n->addresses[k]);
		}
		for (size_t k = 0; o && k < o->n_addresses; k++) {
			if (!has_address(n, &o->addresses[k]))
				mirror_address_del(
				    d->mirror, d->ports.list[i].twin, &o->addresses[k]);
		}
	}
	for (size_t i = 0; i < now->n_routes; i++) {
		if (!old || !has_route(old, &now->routes[i]))
			add_route(d, &now->routes[i]);
	}
	for (size_t i = 0; old && i < old->n_routes; i++) {
		if (!has_route(now, &old->routes[i]))
			mirror_route_del(d->mirror, &old->routes[i].to, &old->routes[i].via);
	}
}

static void apply_settings(struct daemon *d, const struct conf *c)
{
	model_settings(d->model, &c->timeouts, c->punt_packets_per_s, c->icmp_per_s);
}

int daemon_apply(struct daemon *d, char error[static MODEL_ERROR_MAX])
{
	apply_network(d, NULL, d->conf);
	apply_settings(d, d->conf);
	for (size_t i = 0; i < d->conf->n_services; i++) {
		int ret = model_service_add(d->model, &d->conf->services[i], error);
		if (ret < 0)
			return ret;
	}
	return 0;
}

// ---- what only a start can change ----

static void check_port(
    const struct conf_port *o, const struct conf_port *n, size_t i, struct conf_errors *errors)
{
	const struct {
		const char *key;
		bool same;
	} checks[] = {
		{ "name", strcmp(o->name, n->name) == 0 },
		{ "device", o->kind == n->kind && strcmp(o->device, n->device) == 0 },
		{ "driver", o->driver == n->driver },
		{ "queues", o->queues == n->queues },
		{ "mtu", o->mtu == n->mtu },
		{ "promiscuous", o->promiscuous == n->promiscuous },
	};
	for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
		char path[64];
		snprintf(path, sizeof(path), "ports[%zu].%s", i, checks[k].key);
		if (!checks[k].same)
			conf_error_add(errors, path, "has changed, which needs a restart");
	}
}

static void check_start_only(const struct conf *o, const struct conf *n, struct conf_errors *errors)
{
	const struct {
		const char *path;
		bool same;
	} checks[] = {
		{ "ports", o->n_ports == n->n_ports },
		{ "workers", o->n_workers == n->n_workers &&
		                 memcmp(o->worker_cpus, n->worker_cpus,
		                     o->n_workers * sizeof(o->worker_cpus[0])) == 0 },
		{ "idle", o->idle == n->idle },
		{ "memory.hugepages", o->hugepages == n->hugepages },
		{ "memory.megabytes", o->memory_megabytes == n->memory_megabytes },
		{ "control.socket", strcmp(o->control_socket, n->control_socket) == 0 },
		{ "connections.max", o->connections_max == n->connections_max },
	};
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!checks[i].same)
			conf_error_add(
			    errors, checks[i].path, "has changed, which needs a restart");
	}
	for (size_t i = 0; o->n_ports == n->n_ports && i < n->n_ports; i++)
		check_port(&o->ports[i], &n->ports[i], i, errors);
}

// ---- services ----

static void reload_servers(struct daemon *d, struct model_service *ms, const struct conf_service *s,
    struct reload_counts *counts)
{
	char error[MODEL_ERROR_MAX];
	struct model_server *srv, *next;
	for (srv = TAILQ_FIRST(&ms->servers); srv; srv = next) {
		next = TAILQ_NEXT(srv, entry);
		size_t i = 0;
		while (i < s->n_servers &&
		       !(s->servers[i].port == srv->conf.port &&
		           ip_addr_equal(&s->servers[i].address, &srv->conf.address)))
			i++;
		if (i == s->n_servers) {
			model_server_delete(d->model, ms, srv);
			counts->removed++;
		}
	}
	for (size_t i = 0; i < s->n_servers; i++) {
		const struct conf_server *n = &s->servers[i];
		srv = model_find_server(ms, &n->address, n->port);
		if (!srv) {
			if (model_server_add(d->model, ms, n, error) < 0)
				log_error("reload: %s", error);
			counts->added++;
			continue;
		}
		// A drained server stays drained; it is the weight to come back to that may change.
		bool drained = srv->weight_before >= 0;
		int32_t weight = drained ? srv->weight_before : srv->conf.weight;
		if (weight == n->weight && srv->conf.forward == n->forward &&
		    conf_same_tunnel(&srv->conf.tunnel, &n->tunnel))
			continue;
		struct conf_server now = *n;
		now.weight = drained ? 0 : n->weight;
		model_server_edit(d->model, ms, srv, &now, error);
		srv->weight_before = drained ? n->weight : -1;
		counts->changed++;
	}
}

static bool same_service(const struct conf_service *a, const struct conf_service *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->scheduler, b->scheduler) == 0 &&
	       a->forward == b->forward && a->announce == b->announce && conf_same_fullnat(a, b);
}

static int key_order(const void *a, const void *b)
{
	const struct conf_service *x = *(const struct conf_service *const *)a;
	const struct conf_service *y = *(const struct conf_service *const *)b;
	int d = (int)x->protocol - y->protocol;
	if (!d)
		d = ip_addr_compare(&x->address, &y->address);
	return d ? d : (int)x->port - y->port;
}

static const struct conf_service *in_file(
    const struct conf_service **sorted, size_t n, const struct conf_service *s)
{
	const struct conf_service **hit = bsearch(&s, sorted, n, sizeof(*sorted), key_order);
	return hit ? *hit : NULL;
}

// Services that go, go first, and those that get another name let go of the old one, so that names
// can be swapped.
static void make_way(
    struct daemon *d, const struct conf_service **sorted, size_t n, struct reload_counts *counts)
{
	char error[MODEL_ERROR_MAX];
	unsigned i = 0;
	struct model_service *ms, *next;
	for (ms = TAILQ_FIRST(model_services(d->model)); ms; ms = next) {
		next = TAILQ_NEXT(ms, entry);
		const struct conf_service *s = in_file(sorted, n, &ms->conf);
		if (!s) {
			counts->removed++;
			model_service_delete(d->model, ms);
		} else if (strcmp(s->name, ms->conf.name) != 0) {
			struct conf_service between = ms->conf;
			snprintf(between.name, sizeof(between.name), "~%u", i++);
			model_service_edit(d->model, ms, &between, error);
		}
	}
}

static int reload_services(struct daemon *d, const struct conf *c, struct reload_counts *counts)
{
	char error[MODEL_ERROR_MAX];
	const struct conf_service **sorted = calloc(c->n_services + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_services; i++)
		sorted[i] = &c->services[i];
	qsort(sorted, c->n_services, sizeof(*sorted), key_order);
	make_way(d, sorted, c->n_services, counts);
	free(sorted);
	for (size_t i = 0; i < c->n_services; i++) {
		const struct conf_service *s = &c->services[i];
		struct model_service *ms = model_find(d->model, s->protocol, &s->address, s->port);
		if (!ms) {
			counts->added++;
			if (model_service_add(d->model, s, error) < 0)
				log_error("reload: %s", error);
			continue;
		}
		bool differs = !same_service(&ms->conf, s), refused = false;
		if (differs) {
			counts->changed++;
			refused = model_service_edit(d->model, ms, s, error) < 0;
		}
		reload_servers(d, ms, s, counts);
		// What its servers still needed, they may not need any more.
		if (refused && model_service_edit(d->model, ms, s, error) < 0)
			log_error("reload: %s", error);
	}
	return 0;
}

int daemon_reload(struct daemon *d, struct reload_counts *counts, struct conf_errors *errors)
{
	*counts = (struct reload_counts){};
	struct conf *c = conf_load(d->conf_path, errors);
	if (!c)
		return -EINVAL;
	check_start_only(d->conf, c, errors);
	if (errors->n) {
		conf_free(c);
		return -EINVAL;
	}
	apply_network(d, d->conf, c);
	apply_settings(d, c);
	reload_services(d, c, counts);
	// The ports keep pointers into the configuration they were opened with, whose values
	// are the same in the new one.
	for (unsigned i = 0; i < d->ports.n; i++)
		d->ports.list[i].conf = &c->ports[i];
	conf_free(d->conf);
	d->conf = c;
	return 0;
}

// ---- and back ----

static int copy_servers(struct conf_service *out, const struct model_service *ms)
{
	out->servers = calloc(ms->n_servers + 1, sizeof(*out->servers));
	if (!out->servers)
		return -ENOMEM;
	// Oldest first: added again in that order, they stand as they stand now.
	const struct model_server *s;
	TAILQ_FOREACH_REVERSE(s, &ms->servers, model_servers, entry)
	out->servers[out->n_servers++] = s->conf;
	return 0;
}

struct conf *daemon_running_conf(const struct daemon *d)
{
	// The file's own text carries ports and the rest; services are the model's.
	json_t *root = conf_to_json(d->conf);
	if (!root)
		return NULL;
	json_object_del(root, "services");
	struct conf_errors errors = {};
	struct conf *c = conf_parse(root, &errors);
	json_decref(root);
	conf_errors_clear(&errors);
	if (!c)
		return NULL;
	size_t n = 0;
	const struct model_service *ms;
	TAILQ_FOREACH(ms, model_services(d->model), entry)
		n++;
	c->services = calloc(n + 1, sizeof(*c->services));
	if (!c->services)
		goto fail;
	TAILQ_FOREACH(ms, model_services(d->model), entry) {
		struct conf_service *s = &c->services[c->n_services++];
		*s = ms->conf;
		s->servers = NULL;
		s->n_servers = 0;
		if (copy_servers(s, ms) < 0)
			goto fail;
	}
	return c;
fail:
	conf_free(c);
	return NULL;
}
