// SPDX-License-Identifier: BSD-3-Clause

// Listing connections: a page at a time, which one worker copies out of one of its tables a
// slice a loop, while it forwards.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "methods.h"

#define PAGE_DEFAULT 1000
#define PAGE_MAX     10000

struct listing {
	struct order_connections order; // its mail is the first member
	struct daemon *d;
	struct rpc_call *call;
	unsigned worker;
	// What the control thread filters by.
	struct ip_prefix client; // family 0: any
	int state;               // -1: any
	// A service is looked up by its key, since it may go while this is on its way.
	bool by_service;
	uint8_t protocol;
	struct ip_addr vip;
	uint16_t vport;
	bool by_server;
	struct ip_endpoint server;
};

static const char *state_name(const struct conn *c)
{
	return c->protocol == IPPROTO_TCP ? tcp_state_names[c->state] : "UDP";
}

static void tuple_in(const struct conn *c, bool v6, struct ip_addr *client, uint16_t *cport,
    struct ip_addr *vip, uint16_t *vport)
{
	*client = *vip = (struct ip_addr){ .family = v6 ? AF_INET6 : AF_INET };
	if (v6) {
		const struct conn6 *c6 = (const struct conn6 *)c;
		memcpy(client->bytes, c6->in.src, 16);
		memcpy(vip->bytes, c6->in.dst, 16);
		*cport = ntohs(c6->in.sport);
		*vport = ntohs(c6->in.dport);
	} else {
		const struct conn4 *c4 = (const struct conn4 *)c;
		memcpy(client->bytes, &c4->in.src, 4);
		memcpy(vip->bytes, &c4->in.dst, 4);
		*cport = ntohs(c4->in.sport);
		*vport = ntohs(c4->in.dport);
	}
}

// NULL: filtered out.
static json_t *conn_json(const struct listing *l, const struct conn *c)
{
	struct ip_addr client, vip, server = {};
	uint16_t cport, vport, port = 0;
	const struct model_service *ms = NULL;
	tuple_in(c, l->order.v6, &client, &cport, &vip, &vport);
	bool known = model_server_by_id(l->d->model, c->server, &ms, &server, &port);
	if ((l->client.addr.family && !ip_prefix_contains(&l->client, &client)) ||
	    (l->state >= 0 && (c->protocol != IPPROTO_TCP || c->state != l->state)) ||
	    (l->by_service && (c->protocol != l->protocol || vport != l->vport ||
	                          !ip_addr_equal(&vip, &l->vip))) ||
	    (l->by_server && (!ip_addr_equal(&server, &l->server.addr) ||
	                         (l->server.port && port != l->server.port))))
		return NULL;
	int32_t left = c->last_seen + c->timeout - l->order.now;
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], s[ADDR_TEXT_MAX] = "";
	if (known)
		ip_addr_print(&server, s);
	json_t *o = json_pack("{s:s,s:s,s:i,s:s,s:i,s:s,s:i,s:s,s:i,s:s,s:i}", "protocol",
	    protocol_name(c->protocol), "client", ip_addr_print(&client, a), "client_port", cport,
	    "virtual", ip_addr_print(&vip, b), "virtual_port", vport, "server", s, "server_port",
	    port, "state", state_name(c), "expires_s", left > 0 ? left / (int)TICKS_PER_SECOND : 0,
	    "forward", forward_name(c->forward), "worker", l->worker);
	json_object_set_new(o, "service", ms ? json_string(ms->conf.name) : json_null());
	return o;
}

// The place after this page: the rest of the table, else the next table.
static json_t *next_cursor(const struct listing *l)
{
	unsigned worker = l->worker, family = l->order.v6;
	uint32_t record = l->order.next;
	if (record == CONN_NONE) {
		record = 0;
		if (family == 1 && ++worker == l->d->crew->n)
			return NULL;
		family = !family;
	}
	char text[40];
	snprintf(text, sizeof(text), "%u:%c:%u", worker, family ? '6' : '4', record);
	return json_string(text);
}

static void listing_back(struct mail *m)
{
	struct listing *l = (struct listing *)m;
	json_t *list = json_array();
	for (uint32_t i = 0; i < l->order.n && !rpc_call_void(l->call); i++) {
		json_t *o = conn_json(l, (const struct conn *)&l->order.copies[i]);
		if (o)
			json_array_append_new(list, o);
	}
	json_t *result = json_pack("{s:o}", "connections", list), *next = next_cursor(l);
	if (next)
		json_object_set_new(result, "next", next);
	rpc_reply(l->call, result);
	free(l->order.copies);
	free(l);
}

// ---- parameters ----

static int param_cursor(const struct daemon *d, json_t *params, struct listing *l)
{
	json_t *v = json_object_get(params, "cursor");
	if (!v)
		return 0;
	const char *text = json_string_value(v);
	unsigned worker, family, record;
	int end = 0;
	if (!text || sscanf(text, "%u:%u:%u%n", &worker, &family, &record, &end) != 3 ||
	    text[end] || worker >= d->crew->n || (family != 4 && family != 6))
		return -EINVAL;
	l->worker = worker;
	l->order.v6 = family == 6;
	l->order.next = record;
	return 0;
}

static int param_state(json_t *params)
{
	const char *text = json_string_value(json_object_get(params, "state"));
	for (int i = 0; text && i < TCP_S_COUNT; i++) {
		if (strcasecmp(text, tcp_state_names[i]) == 0)
			return i;
	}
	return -EINVAL;
}

static void check_params(
    const struct daemon *d, json_t *params, struct listing *l, struct conf_errors *errors)
{
	json_t *v;
	l->order.max = PAGE_DEFAULT;
	if ((v = json_object_get(params, "limit"))) {
		json_int_t n = json_integer_value(v);
		if (!json_is_integer(v) || n < 1 || n > PAGE_MAX)
			conf_error_add(errors, "limit", "is not a number from 1 to %d", PAGE_MAX);
		else
			l->order.max = n;
	}
	if (param_cursor(d, params, l) < 0)
		conf_error_add(errors, "cursor", "is not one that a page before gave");
	if ((v = json_object_get(params, "client")) &&
	    (!json_is_string(v) || ip_prefix_parse(json_string_value(v), &l->client) < 0))
		conf_error_add(errors, "client", "is not an address or a prefix");
	l->state = -1;
	if (json_object_get(params, "state") && (l->state = param_state(params)) < 0)
		conf_error_add(errors, "state", "is not a TCP state");
	if ((v = json_object_get(params, "server"))) {
		l->by_server = true;
		if (!json_is_string(v) || ip_endpoint_parse(json_string_value(v), &l->server) < 0)
			conf_error_add(errors, "server", "is not an address or address:port");
	}
}

void method_connections(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "cursor", "limit", "service", "server", "client",
		"state", NULL };
	struct daemon *d = arg;
	struct conf_errors errors = {};
	if (reply_unknown_keys(call, params, keys))
		return;
	struct listing *l = calloc(1, sizeof(*l));
	if (!l)
		goto no_memory;
	check_params(d, params, l, &errors);
	if (errors.n) {
		reply_errors(call, &errors);
		free(l);
		return;
	}
	if (json_object_get(params, "service")) {
		const struct model_service *ms = param_service(call, params, d);
		if (!ms) {
			free(l);
			return;
		}
		l->by_service = true;
		l->protocol = ms->conf.protocol;
		l->vip = ms->conf.address;
		l->vport = ms->conf.port;
	}
	l->order.copies = calloc(l->order.max, sizeof(l->order.copies[0]));
	if (!l->order.copies)
		goto no_memory;
	l->d = d;
	l->call = call;
	l->order.server = SERVER_NONE;
	l->order.mail.run = order_connections_run;
	l->order.mail.back = listing_back;
	crew_send(d->crew, l->worker, &l->order.mail);
	return;
no_memory:
	free(l);
	reply_refused(call, -ENOMEM, "out of memory");
}

void method_connections_count(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { NULL };
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, keys))
		return;
	json_t *workers = json_array();
	for (unsigned k = 0; k < d->crew->n; k++) {
		const struct worker *w = d->crew->workers[k];
		json_array_append_new(workers,
		    json_pack("{s:i,s:I,s:I}", "worker", k, "ipv4",
		        (json_int_t)__atomic_load_n(&w->conns[0].count, __ATOMIC_RELAXED), "ipv6",
		        (json_int_t)__atomic_load_n(&w->conns[1].count, __ATOMIC_RELAXED)));
	}
	rpc_reply(
	    call, json_pack("{s:I,s:I,s:o}", "connections", (json_int_t)crew_connections(d->crew),
	              "limit", (json_int_t)d->crew->connections_max, "workers", workers));
}
