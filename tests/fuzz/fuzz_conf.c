// SPDX-License-Identifier: BSD-3-Clause

// The configuration, as text. A good one is saved as what loads as the same; of a bad one there
// are errors, which can be printed and sent as JSON. What the file takes as a service, JSON-RPC
// takes as well.

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_errors(struct conf_errors *errors, bool good)
{
	must((errors->n == 0) == good);
	for (size_t i = 0; i < errors->n; i++) {
		const char *texts[] = { errors->list[i].path, errors->list[i].text };
		must(texts[1][0]);
		for (unsigned k = 0; k < 2; k++) {
			json_t *s = json_string(texts[k]); // NULL: no UTF-8
			must(s);
			json_decref(s);
			for (const char *c = texts[k]; *c; c++)
				must((unsigned char)*c >= ' ' && *c != 0x7f);
		}
	}
	conf_errors_clear(errors);
}

// What the structs promise to those downstream.
static void check_conf(const struct conf *c)
{
	must(c->n_ports >= 1 && c->n_ports <= CONF_PORTS_MAX);
	must(c->n_workers >= 1 && c->n_workers <= CONF_WORKERS_MAX);
	must(c->control_socket[0] && strlen(c->control_socket) < sizeof(c->control_socket));
	for (size_t i = 0; i < c->n_ports; i++)
		must(c->ports[i].name[0] && c->ports[i].device[0]);
	for (size_t i = 0; i < c->n_routes; i++)
		must(c->routes[i].to.addr.family == c->routes[i].via.family);
	for (size_t i = 0; i < c->n_services; i++) {
		const struct conf_service *s = &c->services[i];
		must(s->name[0] && s->port && ip_addr_is_unicast(&s->address));
		for (size_t k = 0; k < s->n_servers; k++) {
			must(s->servers[k].address.family == s->address.family);
			must(s->servers[k].port == s->port && s->servers[k].weight >= 0);
		}
	}
}

static bool same_ports(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < a->n_ports; i++) {
		struct conf_port x = a->ports[i], y = b->ports[i];
		if (x.n_addresses != y.n_addresses)
			return false;
		for (size_t k = 0; k < x.n_addresses; k++) {
			if (!ip_addr_equal(&x.addresses[k].addr, &y.addresses[k].addr) ||
			    x.addresses[k].len != y.addresses[k].len)
				return false;
		}
		if (strcmp(x.name, y.name) != 0 || strcmp(x.device, y.device) != 0 ||
		    x.kind != y.kind || x.driver != y.driver || x.queues != y.queues ||
		    x.mtu != y.mtu || x.promiscuous != y.promiscuous)
			return false;
	}
	return true;
}

static bool same_routes(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < a->n_routes; i++) {
		const struct conf_route *x = &a->routes[i], *y = &b->routes[i];
		if (!ip_addr_equal(&x->via, &y->via) || x->to.len != y->to.len ||
		    !ip_addr_equal(&x->to.addr, &y->to.addr))
			return false;
	}
	return true;
}

static bool same_service(const struct conf_service *a, const struct conf_service *b)
{
	if (strcmp(a->name, b->name) != 0 || a->protocol != b->protocol || a->port != b->port ||
	    !ip_addr_equal(&a->address, &b->address) || strcmp(a->scheduler, b->scheduler) != 0 ||
	    a->forward != b->forward || a->announce != b->announce || a->n_servers != b->n_servers)
		return false;
	for (size_t i = 0; i < a->n_servers; i++) {
		const struct conf_server *x = &a->servers[i], *y = &b->servers[i];
		if (!ip_addr_equal(&x->address, &y->address) || x->port != y->port ||
		    x->weight != y->weight || x->forward != y->forward ||
		    !conf_same_tunnel(&x->tunnel, &y->tunnel))
			return false;
	}
	return true;
}

static bool same_scalars(const struct conf *a, const struct conf *b)
{
	return a->n_workers == b->n_workers &&
	       memcmp(a->worker_cpus, b->worker_cpus, sizeof(a->worker_cpus)) == 0 &&
	       a->idle == b->idle && a->hugepages == b->hugepages &&
	       a->memory_megabytes == b->memory_megabytes &&
	       strcmp(a->control_socket, b->control_socket) == 0 &&
	       a->connections_max == b->connections_max &&
	       memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) == 0 &&
	       a->punt_packets_per_s == b->punt_packets_per_s && a->icmp_per_s == b->icmp_per_s;
}

static bool same(const struct conf *a, const struct conf *b)
{
	if (a->n_ports != b->n_ports || a->n_routes != b->n_routes ||
	    a->n_services != b->n_services)
		return false;
	for (size_t i = 0; i < a->n_services; i++) {
		if (!same_service(&a->services[i], &b->services[i]))
			return false;
	}
	return same_scalars(a, b) && same_ports(a, b) && same_routes(a, b);
}

static void check_service(const struct conf_service *s)
{
	struct conf_errors errors = {};
	struct conf_service again;
	json_t *o = conf_service_to_json(s);
	must(conf_parse_service(o, NULL, &again, &errors) == 0);
	check_errors(&errors, true);
	must(same_service(&again, s));
	for (size_t i = 0; i < s->n_servers; i++) {
		struct conf_server server;
		json_t *one = conf_server_to_json(&s->servers[i], s);
		must(conf_parse_server(one, s, NULL, &server, &errors) == 0);
		must(ip_addr_equal(&server.address, &s->servers[i].address));
		must(server.weight == s->servers[i].weight);
		json_decref(one);
	}
	conf_service_clear(&again);
	json_decref(o);
}

static void check_round_trip(struct conf *c)
{
	struct conf_errors errors = {};
	json_t *saved = conf_to_json(c);
	char *text = json_dumps(saved, JSON_INDENT(4));
	json_t *read = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(read);
	struct conf *again = conf_parse(read, &errors);
	check_errors(&errors, true);
	must(again && same(c, again));
	json_t *saved_again = conf_to_json(again);
	must(json_equal(saved, saved_again));
	check_conf(again);
	conf_free(again);
	json_decref(saved_again);
	json_decref(read);
	free(text);
	json_decref(saved);
}

// The text as parameters of JSON-RPC: any object may come.
static void check_parameters(json_t *root)
{
	static const struct conf_service of = { .name = "x",
		.protocol = IPPROTO_TCP,
		.address = { AF_INET, .bytes = { 192, 0, 2, 1 } },
		.port = 80,
		.scheduler = "rr",
		.forward = FORWARD_DR };
	static const struct conf_server base = { .address = { AF_INET, .bytes = { 10, 0, 0, 1 } },
		.port = 80,
		.weight = 1,
		.forward = FORWARD_DR };
	struct conf_errors errors = {};
	struct conf_service s;
	struct conf_server server;
	for (unsigned edit = 0; edit < 2; edit++) {
		bool good = conf_parse_service(root, edit ? &of : NULL, &s, &errors) == 0;
		check_errors(&errors, good);
		if (good) {
			check_service(&s);
			conf_service_clear(&s);
		}
		good = conf_parse_server(root, &of, edit ? &base : NULL, &server, &errors) == 0;
		check_errors(&errors, good);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errors = {};
	json_t *root = json_loadb(
	    (const char *)data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (!root)
		return -1; // jansson's business: not kept in the corpus
	struct conf *c = conf_parse(root, &errors);
	check_errors(&errors, c != NULL);
	if (c) {
		check_conf(c);
		check_round_trip(c);
		for (size_t i = 0; i < c->n_services; i++)
			check_service(&c->services[i]);
		conf_free(c);
	}
	check_parameters(root);
	json_decref(root);
	return 0;
}
