// SPDX-License-Identifier: BSD-3-Clause

// Services and servers: add, edit, delete, drain, ready. What is allowed is the daemon's to say;
// here is only what cannot be put into a request.

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "conf/conf.h"
#include "print.h"

static void set_option(const struct words *w, const char *name, json_t *into)
{
	const char *text = words_option(w, name);
	if (text)
		json_object_set_new(into, name, json_string(text));
}

// "address" and, when given, "port".
static int set_endpoint(const char *text, json_t *into)
{
	struct ip_endpoint e;
	char buf[ADDR_TEXT_MAX];
	if (ip_endpoint_parse(text, &e) < 0)
		return usage_error("\"%s\" is not an address, nor address:port", text);
	json_object_set_new(into, "address", json_string(ip_addr_print(&e.addr, buf)));
	if (e.port)
		json_object_set_new(into, "port", json_integer(e.port));
	return DONE;
}

// ipip | gue:PORT[+csum|+remcsum] | gre[+csum]; what of it may go together is the daemon's to say.
static int set_tunnel(const char *text, json_t *into)
{
	static const char *const checksums[][2] = { { "csum", "full" }, { "remcsum", "remote" } };
	char type[16];
	const char *checksum = strchr(text, '+'), *port = strchr(text, ':'), *problem;
	json_t *tunnel = json_object();
	snprintf(type, sizeof(type), "%.*s", (int)strcspn(text, ":+"), text);
	json_object_set_new(tunnel, "type", json_string(type));
	json_object_set_new(into, "tunnel", tunnel);
	if (port && (!checksum || port < checksum)) {
		char digits[24];
		snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(port + 1, "+"), port + 1);
		long long n = strtonum(digits, LLONG_MIN, LLONG_MAX, &problem);
		if (problem)
			return usage_error("tunnel %s: \"%s\" is not a port", text, digits);
		json_object_set_new(tunnel, "port", json_integer(n));
	}
	for (size_t i = 0; checksum && i < 2; i++) {
		if (strcmp(checksum + 1, checksums[i][0]) != 0)
			continue;
		json_object_set_new(tunnel, "checksum", json_string(checksums[i][1]));
		return DONE;
	}
	if (checksum)
		return usage_error(
		    "tunnel %s: \"%s\" is neither +csum nor +remcsum", text, checksum);
	return DONE;
}

// ---- services ----

static void set_fullnat(const struct words *w, json_t *into)
{
	const char *text;
	json_t *list = json_array();
	for (size_t i = 0; (text = words_option_at(w, "local-address", i)); i++)
		json_array_append_new(list, json_string(text));
	if (json_array_size(list))
		json_object_set(into, "local_addresses", list);
	json_decref(list);
	if ((text = words_option(w, "client-address")))
		json_object_set_new(into, "client_address", json_string(text));
}

// ADDR[:PORT][,weight=N][,forward=F][,tunnel=T]
static int server_spec(const char *text, json_t *into)
{
	static const char *const keys[] = { "weight", "forward", "tunnel" };
	const char *problem = NULL;
	int rc = USAGE;
	char *copy = strdup(text), *rest = copy, *part = strsep(&rest, ",");
	if (!copy)
		return usage_error("out of memory");
	if (set_endpoint(part, into) != DONE)
		goto out;
	while ((part = strsep(&rest, ","))) {
		char *value = part;
		const char *key = strsep(&value, "=");
		if (value && strcmp(key, "weight") == 0) {
			long long n = strtonum(value, LLONG_MIN, LLONG_MAX, &problem);
			if (problem) {
				usage_error(
				    "--server %s: weight \"%s\" is not a number", text, value);
				goto out;
			}
			json_object_set_new(into, key, json_integer(n));
		} else if (value && strcmp(key, "forward") == 0) {
			json_object_set_new(into, key, json_string(value));
		} else if (value && strcmp(key, "tunnel") == 0) {
			if (set_tunnel(value, into) != DONE)
				goto out;
		} else {
			const char *near = conf_did_you_mean(key, keys, 3);
			usage_error("--server %s: \"%s\" is none of weight=N, forward=F, "
			            "tunnel=T%s%s%s",
			    text, key, near ? ", did you mean \"" : "", near ? near : "",
			    near ? "\"?" : "");
			goto out;
		}
	}
	rc = DONE;
out:
	free(copy);
	return rc;
}

static void print_added(struct app *app, const json_t *result)
{
	printf("service %s added\n", get_text(result, "name"));
}

int service_add(struct app *app, const struct words *w)
{
	json_t *params = json_object(), *servers = json_array();
	const char *text;
	json_object_set_new(params, "protocol", json_string(w->args[0]));
	int rc = set_endpoint(w->args[1], params);
	if (rc == DONE && !json_object_get(params, "port"))
		rc = usage_error("\"%s\" has no port", w->args[1]);
	set_option(w, "name", params);
	set_option(w, "scheduler", params);
	set_option(w, "forward", params);
	set_fullnat(w, params);
	if (words_flag(w, "no-announce"))
		json_object_set_new(params, "announce", json_false());
	for (size_t i = 0; rc == DONE && (text = words_option_at(w, "server", i)); i++) {
		json_t *server = json_object();
		rc = server_spec(text, server);
		json_array_append_new(servers, server);
	}
	if (json_array_size(servers))
		json_object_set(params, "servers", servers);
	json_decref(servers);
	if (rc != DONE) {
		json_decref(params);
		return rc;
	}
	return app_ask(app, "service.add", params, print_added);
}

int service_edit(struct app *app, const struct words *w)
{
	bool on = words_flag(w, "announce"), off = words_flag(w, "no-announce");
	json_t *set = json_object();
	set_option(w, "name", set);
	set_option(w, "scheduler", set);
	set_fullnat(w, set);
	if (on || off)
		json_object_set_new(set, "announce", json_boolean(on));
	int rc = DONE;
	if (on && off)
		rc = usage_error("--announce and --no-announce, which of them?");
	else if (!json_object_size(set))
		rc = usage_error("nothing to change (see poise help service edit)");
	if (rc != DONE) {
		json_decref(set);
		return rc;
	}
	return app_ask(
	    app, "service.edit", json_pack("{s:s,s:o}", "service", w->args[0], "set", set), NULL);
}

int service_delete(struct app *app, const struct words *w)
{
	return app_ask(app, "service.delete", json_pack("{s:s}", "service", w->args[0]), NULL);
}

// ---- servers ----

int server_add(struct app *app, const struct words *w)
{
	json_t *server = json_object();
	int rc = set_endpoint(w->args[1], server);
	if (rc == DONE)
		rc = words_number(w, "weight", LLONG_MIN, LLONG_MAX, server);
	set_option(w, "forward", server);
	if (rc == DONE && words_option(w, "tunnel"))
		rc = set_tunnel(words_option(w, "tunnel"), server);
	if (rc != DONE) {
		json_decref(server);
		return rc;
	}
	return app_ask(app, "server.add",
	    json_pack("{s:s,s:o}", "service", w->args[0], "server", server), NULL);
}

static int check_server(const struct words *w)
{
	struct ip_endpoint e;
	if (ip_endpoint_parse(w->args[1], &e) < 0)
		return usage_error("\"%s\" is not an address, nor address:port", w->args[1]);
	return DONE;
}

int server_edit(struct app *app, const struct words *w)
{
	json_t *set = json_object();
	int rc = check_server(w);
	if (rc == DONE)
		rc = words_number(w, "weight", LLONG_MIN, LLONG_MAX, set);
	set_option(w, "forward", set);
	if (rc == DONE && words_option(w, "tunnel"))
		rc = set_tunnel(words_option(w, "tunnel"), set);
	if (rc == DONE && !json_object_size(set))
		rc = usage_error("nothing to change (see poise help server edit)");
	if (rc != DONE) {
		json_decref(set);
		return rc;
	}
	return app_ask(app, "server.edit",
	    json_pack("{s:s,s:s,s:o}", "service", w->args[0], "server", w->args[1], "set", set),
	    NULL);
}

static int server_method(struct app *app, const struct words *w, const char *method)
{
	int rc = check_server(w);
	if (rc != DONE)
		return rc;
	return app_ask(
	    app, method, json_pack("{s:s,s:s}", "service", w->args[0], "server", w->args[1]), NULL);
}

int server_delete(struct app *app, const struct words *w)
{
	return server_method(app, w, "server.delete");
}

int server_drain(struct app *app, const struct words *w)
{
	return server_method(app, w, "server.drain");
}

int server_ready(struct app *app, const struct words *w)
{
	return server_method(app, w, "server.ready");
}
