// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <string.h>

#include "methods.h"

// A page of services ends behind the one with which it has so many servers.
#define PAGE_SERVERS 1000

static json_t *stats_json(const struct service_stats *s)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "connections", (json_int_t)s->connections,
	    "in_packets", (json_int_t)s->in_packets, "out_packets", (json_int_t)s->out_packets,
	    "in_bytes", (json_int_t)s->in_bytes, "out_bytes", (json_int_t)s->out_bytes);
}

static const char *hop_text(const struct model_hop *h)
{
	return h->mirror ? mirror_hop_state_name(mirror_hop_answer(h->mirror)->state) : "no route";
}

// Every key there is for its type.
static json_t *tunnel_json(const struct conf_tunnel *t)
{
	json_t *o = json_pack("{s:s}", "type", tunnel_type_name(t->type));
	if (t->type == TUNNEL_GUE)
		json_object_set_new(o, "port", json_integer(t->port));
	if (t->type != TUNNEL_IPIP)
		json_object_set_new(o, "checksum", json_string(tunnel_checksum_name(t->checksum)));
	return o;
}

static json_t *server_json(const struct daemon *d, const struct model_server *s)
{
	char address[ADDR_TEXT_MAX];
	struct service_stats stats;
	uint32_t active, inactive;
	crew_server_stats(d->crew, s->id, &stats, &active, &inactive);
	enum forward f = s->hop->hop.kind == HOP_TO_KERNEL ? FORWARD_LOCAL : s->conf.forward;
	json_t *o = json_pack("{s:s,s:i,s:s,s:i,s:b,s:I,s:I,s:s,s:o}", "address",
	    ip_addr_print(&s->conf.address, address), "port", s->conf.port, "forward",
	    forward_name(f), "weight", s->conf.weight, "drained", s->weight_before >= 0,
	    "active_connections", (json_int_t)active, "inactive_connections", (json_int_t)inactive,
	    "next_hop", hop_text(s->hop), "counters", stats_json(&stats));
	if (s->conf.forward == FORWARD_TUN)
		json_object_set_new(o, "tunnel", tunnel_json(&s->conf.tunnel));
	return o;
}

static json_t *service_json(const struct daemon *d, const struct model_service *ms)
{
	char address[ADDR_TEXT_MAX];
	struct service_stats stats;
	model_service_stats(d->model, ms, &stats);
	json_t *servers = json_array();
	const struct model_server *s;
	TAILQ_FOREACH(s, &ms->servers, entry)
		json_array_append_new(servers, server_json(d, s));
	json_t *o = json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:b,s:o,s:o}", "name", ms->conf.name,
	    "protocol", protocol_name(ms->conf.protocol), "address",
	    ip_addr_print(&ms->conf.address, address), "port", ms->conf.port, "scheduler",
	    ms->conf.scheduler, "forward", forward_name(ms->conf.forward), "announce",
	    ms->conf.announce, "counters", stats_json(&stats), "servers", servers);
	if (ms->conf.local.n) {
		json_object_set_new(o, "local_addresses", conf_local_to_json(&ms->conf.local));
		json_object_set_new(o, "client_address",
		    json_string(conf_client_address_name(ms->conf.client_address)));
	}
	return o;
}

// A change is made when it is answered: workers that nap take it up within a fraction of a
// millisecond, and longer only where the CPUs are short.
#define SETTLE_MS 10

static void reply_done(struct rpc_call *call, struct daemon *d, json_t *result)
{
	crew_settle(d->crew, SETTLE_MS);
	rpc_reply(call, result);
}

void method_services(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "service", "cursor", NULL };
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, keys))
		return;
	json_t *list = json_array();
	if (json_object_get(params, "service")) {
		struct model_service *ms = param_service(call, params, d);
		if (!ms) {
			json_decref(list);
			return;
		}
		json_array_append_new(list, service_json(d, ms));
		rpc_reply(call, json_pack("{s:o}", "services", list));
		return;
	}
	const char *cursor = json_string_value(json_object_get(params, "cursor"));
	unsigned servers = 0;
	const struct model_service *ms = model_first_from(d->model, cursor);
	for (; ms && servers < PAGE_SERVERS; ms = model_next(d->model, ms)) {
		json_array_append_new(list, service_json(d, ms));
		servers += ms->n_servers + 1;
	}
	json_t *result = json_pack("{s:o}", "services", list);
	if (ms) {
		char key[MODEL_KEY_MAX];
		json_object_set_new(result, "next", json_string(model_key_print(ms, key)));
	}
	rpc_reply(call, result);
}

void method_service_add(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	struct conf_service s = {};
	struct conf_errors errors = {};
	char error[MODEL_ERROR_MAX];
	if (conf_parse_service(params, NULL, &s, &errors) < 0) {
		reply_errors(call, &errors);
		return;
	}
	int ret = model_service_add(d->model, &s, error);
	if (ret < 0)
		reply_refused(call, ret, error);
	else
		reply_done(call, d, json_pack("{s:s}", "name", s.name));
	conf_service_clear(&s);
}

// The "set" object of an edit. NULL: answered with an error.
static json_t *param_set(struct rpc_call *call, json_t *params)
{
	json_t *set = json_object_get(params, "set");
	if (!json_is_object(set)) {
		struct conf_errors errors = {};
		conf_error_add(&errors, "set", "is missing, or not an object");
		reply_errors(call, &errors);
		return NULL;
	}
	return set;
}

void method_service_edit(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "service", "set", NULL };
	struct daemon *d = arg;
	struct model_service *ms;
	json_t *set;
	if (reply_unknown_keys(call, params, keys) || !(ms = param_service(call, params, d)) ||
	    !(set = param_set(call, params)))
		return;
	struct conf_service s = {};
	struct conf_errors errors = {};
	char error[MODEL_ERROR_MAX];
	if (conf_parse_service(set, &ms->conf, &s, &errors) < 0) {
		reply_errors(call, &errors);
		return;
	}
	int ret = model_service_edit(d->model, ms, &s, error);
	if (ret < 0)
		reply_refused(call, ret, error);
	else
		reply_done(call, d, json_object());
	conf_service_clear(&s);
}

void method_service_delete(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "service", NULL };
	struct daemon *d = arg;
	struct model_service *ms;
	if (reply_unknown_keys(call, params, keys) || !(ms = param_service(call, params, d)))
		return;
	model_service_delete(d->model, ms);
	reply_done(call, d, json_object());
}

void method_server_add(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "service", "server", NULL };
	struct daemon *d = arg;
	struct model_service *ms;
	if (reply_unknown_keys(call, params, keys) || !(ms = param_service(call, params, d)))
		return;
	struct conf_server s;
	struct conf_errors errors = {};
	char error[MODEL_ERROR_MAX];
	if (conf_parse_server(json_object_get(params, "server"), &ms->conf, NULL, &s, &errors) <
	    0) {
		reply_errors(call, &errors);
		return;
	}
	int ret = model_server_add(d->model, ms, &s, error);
	if (ret < 0)
		reply_refused(call, ret, error);
	else
		reply_done(call, d, json_object());
}

void method_server_edit(struct rpc_call *call, json_t *params, void *arg)
{
	static const char *const keys[] = { "service", "server", "set", NULL };
	struct daemon *d = arg;
	struct model_service *ms;
	struct model_server *srv;
	json_t *set;
	if (reply_unknown_keys(call, params, keys) || !(ms = param_service(call, params, d)) ||
	    !(srv = param_server(call, params, ms)) || !(set = param_set(call, params)))
		return;
	struct conf_server s;
	struct conf_errors errors = {};
	char error[MODEL_ERROR_MAX];
	if (conf_parse_server(set, &ms->conf, &srv->conf, &s, &errors) < 0) {
		reply_errors(call, &errors);
		return;
	}
	int ret = model_server_edit(d->model, ms, srv, &s, error);
	if (ret < 0)
		reply_refused(call, ret, error);
	else
		reply_done(call, d, json_object());
}

static struct model_server *the_server(
    struct rpc_call *call, json_t *params, struct daemon *d, struct model_service **ms)
{
	static const char *const keys[] = { "service", "server", NULL };
	if (reply_unknown_keys(call, params, keys) || !(*ms = param_service(call, params, d)))
		return NULL;
	return param_server(call, params, *ms);
}

void method_server_delete(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	struct model_service *ms;
	struct model_server *srv = the_server(call, params, d, &ms);
	if (!srv)
		return;
	model_server_delete(d->model, ms, srv);
	reply_done(call, d, json_object());
}

static void drain(struct rpc_call *call, json_t *params, struct daemon *d, bool drained)
{
	struct model_service *ms;
	struct model_server *srv = the_server(call, params, d, &ms);
	if (!srv)
		return;
	model_server_drain(d->model, ms, srv, drained);
	reply_done(call, d, json_object());
}

void method_server_drain(struct rpc_call *call, json_t *params, void *arg)
{
	drain(call, params, arg, true);
}

void method_server_ready(struct rpc_call *call, json_t *params, void *arg)
{
	drain(call, params, arg, false);
}
