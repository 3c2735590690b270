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

static const char *const forward_names[] = { "dr", "nat", "tun", "fullnat", NULL };
static const char *const tunnel_type_names[] = { "ipip", "gue", "gre", NULL };
static const char *const tunnel_checksum_names[] = { "none", "full", "remote", NULL };
static const char *const client_address_names[] = { "none", "toa", "proxy_v2", NULL };
static const char *const protocol_names[] = { "tcp", "udp", NULL };

static void read_forward(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	static const char *const later[] = { "bypass" };
	const char *text = conf_text(r, v, path);
	if (!text || forward_parse(text, out) == 0)
		return;
	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(text, later[i]) == 0) {
			conf_error_add(r->errors, path,
			    "\"%s\": this version forwards by \"dr\", \"nat\", \"tun\" and "
			    "\"fullnat\" only",
			    text);
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
		strlcpy(out, text, CONF_SCHED_NAME_MAX); // names are shorter
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

static const struct conf_key tunnel_keys[] = {
	{ "type", conf_read_enum, offsetof(struct conf_tunnel, type), .names = tunnel_type_names },
	{ "port", conf_read_u16, offsetof(struct conf_tunnel, port), 1, 65535 },
	{ "checksum", conf_read_enum, offsetof(struct conf_tunnel, checksum),
	    .names = tunnel_checksum_names },
	{},
};

// Whole, also when an edit gives it: what is absent has its default.
static void read_tunnel(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf_tunnel t = {};
	char sub[CONF_PATH_MAX];
	if (!conf_read_object(r, tunnel_keys, v, path, &t))
		return;
	size_t before = r->errors->n;
	conf_path_join(sub, path, "port");
	if (t.type == TUNNEL_GUE && !t.port)
		conf_error_add(r->errors, sub, "is missing");
	if (t.type != TUNNEL_GUE && t.port)
		conf_error_add(r->errors, sub, "is for type \"gue\" only");
	conf_path_join(sub, path, "checksum");
	if (t.type == TUNNEL_IPIP && t.checksum != TUNNEL_CHECKSUM_NONE)
		conf_error_add(r->errors, sub, "is for types \"gue\" and \"gre\" only");
	if (t.type == TUNNEL_GRE && t.checksum == TUNNEL_CHECKSUM_REMOTE)
		conf_error_add(r->errors, sub, "\"remote\" is for type \"gue\" only");
	if (r->errors->n == before)
		*(struct conf_tunnel *)out = t;
}

static const struct conf_key server_keys[] = {
	{ "address", conf_read_addr, offsetof(struct conf_server, address), .required = true },
	{ "port", conf_read_u16, offsetof(struct conf_server, port), 1, 65535 },
	{ "weight", conf_read_u32, offsetof(struct conf_server, weight), 0, WEIGHT_MAX },
	{ "forward", read_forward, offsetof(struct conf_server, forward) },
	{ "tunnel", read_tunnel, offsetof(struct conf_server, tunnel) },
	{},
};

// What an edit may set.
static const struct conf_key server_edit_keys[] = {
	{ "weight", conf_read_u32, offsetof(struct conf_server, weight), 0, WEIGHT_MAX },
	{ "forward", read_forward, offsetof(struct conf_server, forward) },
	{ "tunnel", read_tunnel, offsetof(struct conf_server, tunnel) },
	{},
};

// What depends on how packets reach it. `o`: what was written.
static void check_server(struct conf_reader *r, json_t *o, const char *path,
    const struct conf_service *of, const struct conf_server *s)
{
	char sub[CONF_PATH_MAX];
	if (s->forward != FORWARD_TUN && s->address.family && of->address.family &&
	    s->address.family != of->address.family) {
		conf_path_join(sub, path, "address");
		conf_error_add(r->errors, sub, "is not of the service's address family");
	}
	bool changed = s->forward == FORWARD_NAT || s->forward == FORWARD_FULLNAT;
	if (!changed && of->port && s->port != of->port) {
		conf_path_join(sub, path, "port");
		conf_error_add(r->errors, sub,
		    "with forward \"%s\" it must be the service's, %u: the packet is not changed",
		    forward_name(s->forward), of->port);
	}
	if (s->forward == FORWARD_FULLNAT && s->address.family &&
	    !conf_local_has_family(&of->local, s->address.family)) {
		conf_path_join(sub, path, "forward");
		conf_error_add(r->errors, sub,
		    "\"fullnat\" needs local_addresses of the server's family in its service");
	}
	if (s->forward != FORWARD_TUN && json_object_get(o, "tunnel")) {
		conf_path_join(sub, path, "tunnel");
		conf_error_add(r->errors, sub, "is for forward \"tun\" only");
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
		check_server(r, o, path, of, s);
}

static void edit_server(struct conf_reader *r, json_t *o, struct conf_server *s)
{
	size_t before = r->errors->n;
	conf_read_object(r, server_edit_keys, o, "", s);
	if (r->errors->n == before)
		check_server(r, o, "", r->context, s);
	if (s->forward != FORWARD_TUN)
		s->tunnel = (struct conf_tunnel){};
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
		edit_server(&r, o, &s);
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
	{ "local_addresses", conf_read_local, offsetof(struct conf_service, local) },
	{ "client_address", conf_read_enum, offsetof(struct conf_service, client_address),
	    .names = client_address_names },
	{ "toa_kind", conf_read_u32, offsetof(struct conf_service, toa_kind), 9, 254 },
	{ "servers", read_servers },
	{},
};

static const struct conf_key service_edit_keys[] = {
	{ "name", read_name, offsetof(struct conf_service, name),
	    .max = CONF_SERVICE_NAME_MAX - 1 },
	{ "scheduler", read_scheduler, offsetof(struct conf_service, scheduler) },
	{ "forward", read_forward, offsetof(struct conf_service, forward) },
	{ "announce", conf_read_bool, offsetof(struct conf_service, announce) },
	{ "local_addresses", conf_read_local, offsetof(struct conf_service, local) },
	{ "client_address", conf_read_enum, offsetof(struct conf_service, client_address),
	    .names = client_address_names },
	{ "toa_kind", conf_read_u32, offsetof(struct conf_service, toa_kind), 9, 254 },
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

static int server_compare(const void *x, const void *y)
{
	const struct conf_server *a = x, *b = y;
	int d = ip_addr_compare(&a->address, &b->address);
	return d ? d : (int)a->port - b->port;
}

static void server_again(
    struct conf_reader *r, const void *list, size_t first, size_t again, void *path)
{
	const struct conf_server *s = (const struct conf_server *)list + again;
	char sub[CONF_PATH_MAX + 32], text[ADDR_TEXT_MAX];
	if (!s->address.family) // reported as broken
		return;
	snprintf(sub, sizeof(sub), "%s[%zu]", (const char *)path, again);
	conf_error_add(r->errors, sub, "%s is there already, as servers[%zu]",
	    ip_endpoint_print(&s->address, s->port, text), first);
}

void conf_read_service(struct conf_reader *r, json_t *o, const char *path, void *out)
{
	struct conf_service *s = out;
	*s = (struct conf_service){ .scheduler = "wlc",
		.forward = FORWARD_DR,
		.announce = true,
		.toa_kind = CONF_TOA_KIND };
	conf_read_object(r, service_keys, o, path, s);
	if (!s->name[0])
		conf_default_name(s, s->name);
	json_t *servers = json_object_get(o, "servers");
	if (!servers)
		return;
	char sub[CONF_PATH_MAX];
	conf_path_join(sub, path, "servers");
	struct conf_reader inner = { r->errors, s };
	s->servers = conf_read_list(
	    &inner, servers, sub, sizeof(*s->servers), read_server, &s->n_servers);
	conf_find_twice(r, &(struct conf_twice){ s->servers, s->n_servers, sizeof(*s->servers),
	                       server_compare, server_again, sub });
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
