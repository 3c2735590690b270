// SPDX-License-Identifier: BSD-3-Clause

// Services and servers: reading them, alone (JSON-RPC) or as part of the file.

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/sched.h"
#include "service.h"

#define WEIGHT_MAX 2147483647

static const char *const forward_names[] = { "dr", NULL };
static const char *const protocol_names[] = { "tcp", "udp", NULL };

const char *forward_name(enum forward f)
{
	return f == FORWARD_LOCAL ? "local" : "dr";
}

int forward_parse(const char *text, enum forward *out)
{
	if (strcmp(text, "dr") != 0)
		return -EINVAL;
	*out = FORWARD_DR;
	return 0;
}

const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "?";
}

int protocol_parse(const char *text, uint8_t *out)
{
	if (strcmp(text, "tcp") == 0)
		*out = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		*out = IPPROTO_UDP;
	else
		return -EINVAL;
	return 0;
}

static void read_forward(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	static const char *const later[] = { "nat", "tun", "fullnat", "bypass" };
	const char *text = conf_text(r, v, path);
	if (!text || forward_parse(text, out) == 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(text, later[i]) == 0) {
			conf_error_add(
			    r->errors, path, "\"%s\": this version forwards by \"dr\" only", text);
			return;
		}
	}
	conf_not_one_of(r, path, text, forward_names);
}

static void read_protocol(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	if (text && protocol_parse(text, out) < 0)
		conf_not_one_of(r, path, text, protocol_names);
}

static void read_scheduler(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	if (!text)
		return;
	if (sched_find(text))
		strcpy(out, text); // names are shorter than CONF_SCHED_NAME_MAX
	else
		conf_not_one_of(r, path, text, sched_names());
}

static void read_name(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	if (!text)
		return;
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:[]") !=
	    strlen(text))
		conf_error_add(
		    r->errors, path, "has characters other than A-Z a-z 0-9 . _ - : [ ]");
	else
		conf_read_text(r, k, v, path, out);
}

// ---- servers ----

static const struct conf_key server_keys[] = {
	{ "address", conf_read_addr, offsetof(struct conf_server, address), .required = true },
	{ "port", conf_read_u16, offsetof(struct conf_server, port), 1, 65535 },
	{ "weight", conf_read_u32, offsetof(struct conf_server, weight), 0, WEIGHT_MAX },
	{ "forward", read_forward, offsetof(struct conf_server, forward) },
	{},
};

// What an edit may set.
static const struct conf_key server_edit_keys[] = {
	{ "weight", conf_read_u32, offsetof(struct conf_server, weight), 0, WEIGHT_MAX },
	{ "forward", read_forward, offsetof(struct conf_server, forward) },
	{},
};

static void check_server(struct conf_reader *r, const char *path, const struct conf_service *of,
    const struct conf_server *s)
{
	char sub[CONF_PATH_MAX + 16];
	if (s->address.family && of->address.family && s->address.family != of->address.family) {
		snprintf(sub, sizeof(sub), "%s%saddress", path, path[0] ? "." : "");
		conf_error_add(r->errors, sub, "is not of the service's address family");
	}
	if (s->forward == FORWARD_DR && of->port && s->port != of->port) {
		snprintf(sub, sizeof(sub), "%s%sport", path, path[0] ? "." : "");
		conf_error_add(r->errors, sub,
		    "with forward \"dr\" it must be the service's, %u: the packet is not changed",
		    of->port);
	}
}

static void read_server(struct conf_reader *r, json_t *o, const char *path, void *out)
{
	const struct conf_service *of = r->context;
	struct conf_server *s = out;
	*s = (struct conf_server){ .port = of->port, .weight = 1, .forward = of->forward };
	size_t before = r->errors->n;
	conf_read_object(r, server_keys, o, path, s);
	if (r->errors->n == before)
		check_server(r, path, of, s);
}

int conf_parse_server(json_t *o, const struct conf_service *service, const struct conf_server *base,
    struct conf_server *out, struct conf_errors *errors)
{
	struct conf_reader r = { errors, (void *)service };
	struct conf_server s = base ? *base : (struct conf_server){};
	size_t before = errors->n;
	if (!o)
		conf_error_add(errors, "server", "is missing");
	else if (base)
		conf_read_object(&r, server_edit_keys, o, "", &s);
	else
		read_server(&r, o, "", &s);
	if (errors->n != before)
		return -EINVAL;
	*out = s;
	return 0;
}

// ---- services ----

static void read_servers(
    struct conf_reader *r, const struct conf_key *, json_t *, const char *, void *)
{
	// Read when the rest of the service, which gives their defaults, is known.
}

static const struct conf_key service_keys[] = {
	{ "name", read_name, offsetof(struct conf_service, name),
	    .max = CONF_SERVICE_NAME_MAX - 1 },
	{ "protocol", read_protocol, offsetof(struct conf_service, protocol), .required = true },
	{ "address", conf_read_addr, offsetof(struct conf_service, address), .required = true },
	{ "port", conf_read_u16, offsetof(struct conf_service, port), 1, 65535, .required = true },
	{ "scheduler", read_scheduler, offsetof(struct conf_service, scheduler) },
	{ "forward", read_forward, offsetof(struct conf_service, forward) },
	{ "announce", conf_read_bool, offsetof(struct conf_service, announce) },
	{ "servers", read_servers },
	{},
};

static const struct conf_key service_edit_keys[] = {
	{ "name", read_name, offsetof(struct conf_service, name),
	    .max = CONF_SERVICE_NAME_MAX - 1 },
	{ "scheduler", read_scheduler, offsetof(struct conf_service, scheduler) },
	{ "forward", read_forward, offsetof(struct conf_service, forward) },
	{ "announce", conf_read_bool, offsetof(struct conf_service, announce) },
	{},
};

void conf_service_clear(struct conf_service *s)
{
	free(s->servers);
	s->servers = NULL;
	s->n_servers = 0;
}

void conf_default_name(const struct conf_service *s, char name[static CONF_SERVICE_NAME_MAX])
{
	char text[ADDR_TEXT_MAX];
	snprintf(name, CONF_SERVICE_NAME_MAX, "%s-%.55s", protocol_name(s->protocol),
	    ip_endpoint_print(&s->address, s->port, text));
}

struct place {
	const struct conf_server *server;
	size_t index;
};

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int d = ip_addr_compare(&x->server->address, &y->server->address);
	if (!d)
		d = (int)x->server->port - y->server->port;
	return d ? d : x->index < y->index ? -1 : 1;
}

static void find_twice(struct conf_reader *r, const struct conf_service *s, const char *path)
{
	struct place *places = calloc(s->n_servers + 1, sizeof(*places));
	for (size_t i = 0; places && i < s->n_servers; i++)
		places[i] = (struct place){ &s->servers[i], i };
	if (places)
		qsort(places, s->n_servers, sizeof(*places), by_address);
	for (size_t i = 1; places && i < s->n_servers; i++) {
		const struct conf_server *a = places[i - 1].server, *b = places[i].server;
		if (!a->address.family || a->port != b->port ||
		    !ip_addr_equal(&a->address, &b->address))
			continue;
		char sub[CONF_PATH_MAX + 32], text[ADDR_TEXT_MAX];
		snprintf(sub, sizeof(sub), "%s%sservers[%zu]", path, path[0] ? "." : "",
		    places[i].index);
		conf_error_add(r->errors, sub, "%s is there already, as servers[%zu]",
		    ip_endpoint_print(&a->address, a->port, text), places[i - 1].index);
	}
	free(places);
}

void conf_read_service(struct conf_reader *r, json_t *o, const char *path, void *out)
{
	struct conf_service *s = out;
	*s = (struct conf_service){ .scheduler = "wlc", .forward = FORWARD_DR, .announce = true };
	conf_read_object(r, service_keys, o, path, s);
	if (!s->name[0])
		conf_default_name(s, s->name);
	json_t *servers = json_object_get(o, "servers");
	if (!servers)
		return;
	char sub[CONF_PATH_MAX];
	snprintf(sub, sizeof(sub), "%.200s%sservers", path, path[0] ? "." : "");
	struct conf_reader inner = { r->errors, s };
	s->servers = conf_read_list(
	    &inner, servers, sub, sizeof(*s->servers), read_server, &s->n_servers);
	find_twice(r, s, path);
}

int conf_parse_service(json_t *o, const struct conf_service *base, struct conf_service *out,
    struct conf_errors *errors)
{
	struct conf_reader r = { errors, NULL };
	struct conf_service s = {};
	size_t before = errors->n;
	if (base) {
		s = *base;
		s.servers = NULL;
		s.n_servers = 0;
		conf_read_object(&r, service_edit_keys, o, "", &s);
	} else {
		conf_read_service(&r, o, "", &s);
	}
	if (errors->n != before) {
		conf_service_clear(&s);
		return -EINVAL;
	}
	*out = s;
	return 0;
}
