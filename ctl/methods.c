// SPDX-License-Identifier: BSD-3-Clause

#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct rpc_method daemon_methods[] = {
	{ "services", method_services },
	{ "service.add", method_service_add },
	{ "service.edit", method_service_edit },
	{ "service.delete", method_service_delete },
	{ "server.add", method_server_add },
	{ "server.edit", method_server_edit },
	{ "server.delete", method_server_delete },
	{ "server.drain", method_server_drain },
	{ "server.ready", method_server_ready },
	{ "connections", method_connections },
	{ "connections.count", method_connections_count },
	{ "ports", method_ports },
	{ "workers", method_workers },
	{ "drops", method_drops },
	{ "neighbours", method_neighbours },
	{ "version", method_version },
	{ "config.get", method_config_get },
	{ "config.reload", method_config_reload },
	{ "config.save", method_config_save },
	{ NULL, NULL },
};

void reply_errors(struct rpc_call *call, struct conf_errors *errors)
{
	json_t *list = json_array();
	char first[256] = "wrong parameters";
	for (size_t i = 0; i < errors->n; i++) {
		const struct conf_error *e = &errors->list[i];
		json_array_append_new(
		    list, json_pack("{s:s,s:s}", "path", e->path, "text", e->text));
		if (i == 0)
			snprintf(first, sizeof(first), "%s%s%s", e->path, e->path[0] ? ": " : "",
			    e->text);
	}
	json_t *data = json_pack("{s:o}", "errors", list);
	if (errors->n > 1)
		rpc_error(
		    call, RPC_INVALID_PARAMS, data, "%s (and %zu more)", first, errors->n - 1);
	else
		rpc_error(call, RPC_INVALID_PARAMS, data, "%s", first);
	conf_errors_clear(errors);
}

void reply_refused(struct rpc_call *call, int code, const char *text)
{
	rpc_error(call, RPC_REFUSED, json_pack("{s:i}", "errno", -code), "%s", text);
}

bool reply_unknown_keys(struct rpc_call *call, json_t *params, const char *const *keys)
{
	struct conf_errors errors = {};
	const char *key;
	json_t *value;
	size_t n = 0;
	while (keys[n])
		n++;
	json_object_foreach(params, key, value) {
		size_t i = 0;
		while (i < n && strcmp(keys[i], key) != 0)
			i++;
		if (i < n)
			continue;
		const char *near = conf_did_you_mean(key, keys, n);
		if (near)
			conf_error_add(
			    &errors, key, "unknown parameter, did you mean \"%s\"?", near);
		else
			conf_error_add(&errors, key, "unknown parameter");
	}
	if (!errors.n)
		return false;
	reply_errors(call, &errors);
	return true;
}

static const char *param_text(struct rpc_call *call, json_t *params, const char *key)
{
	const char *text = json_string_value(json_object_get(params, key));
	if (!text) {
		struct conf_errors errors = {};
		conf_error_add(&errors, key, "is missing, or not a text");
		reply_errors(call, &errors);
	}
	return text;
}

struct model_service *param_service(struct rpc_call *call, json_t *params, struct daemon *d)
{
	const char *text = param_text(call, params, "service");
	if (!text)
		return NULL;
	struct model_service *ms = model_find_name(d->model, text);
	if (!ms) {
		char line[160];
		snprintf(line, sizeof(line), "no service \"%.100s\"", text);
		reply_refused(call, -ENOENT, line);
	}
	return ms;
}

struct model_server *param_server(struct rpc_call *call, json_t *params, struct model_service *ms)
{
	const char *text = param_text(call, params, "server");
	if (!text)
		return NULL;
	struct ip_endpoint e;
	char line[256];
	if (ip_endpoint_parse(text, &e) < 0) {
		struct conf_errors errors = {};
		conf_error_add(&errors, "server", "\"%.80s\" is not address:port", text);
		reply_errors(call, &errors);
		return NULL;
	}
	struct model_server *s = model_find_server(ms, &e.addr, e.port ? e.port : ms->conf.port);
	if (!s) {
		snprintf(line, sizeof(line), "service %s has no server %.80s", ms->conf.name, text);
		reply_refused(call, -ENOENT, line);
	}
	return s;
}
