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

static const char *const forward_names[] = { "dr", "nat", NULL };
static const char *const protocol_names[] = { "tcp", "udp", NULL };

static void read_forward(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	static const char *const later[] = { "tun", "fullnat", "bypass" };
	const char *text = conf_text(r, v, path);
	if (!text || forward_parse(text, out) == 0)
		return;
	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(text, later[i]) == 0) {
			conf_error_add(r->errors, path,
			    "\"%s\": this version forwards by \"dr\" and \"nat\" only", text);
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
	char sub[CONF_PATH_MAX];
	if (s->address.family && of->address.family && s->address.family != of->address.family) {
		conf_path_join(sub, path, "address");
		conf_error_add(r->errors, sub, "is not of the service's address family");
	}
	if (s->forward == FORWARD_DR && of->port && s->port != of->port) {
		conf_path_join(sub, path, "port");
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
	*s = (struct conf_service){ .scheduler = "wlc", .forward = FORWARD_DR, .announce = true };
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
