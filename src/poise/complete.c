// SPDX-License-Identifier: BSD-3-Clause

// Completion: poise __complete WORD... prints what may stand in place of the last word, one a line;
// ":file" stands for file names. Names of services and servers come from the daemon; when there is
// none, nothing is printed, and nothing is said.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "poise.h"
#include "print.h"

// Who presses the tab key does not wait long.
#define TIMEOUT_S 1

struct completion {
	struct app *app;
	const char *prefix;           // must stand before what is offered ("--color=")
	const char *word;             // the last word
	const char *service;          // that names the service, or NULL
	const struct option *pending; // whose value is the last word
	const char **positional;
	size_t n;
	const struct option **used;
	size_t n_used;
};

static void offer(const struct completion *c, const char *text)
{
	size_t skip = strlen(c->prefix);
	if (strncmp(c->word + skip, text, strlen(c->word + skip)) == 0)
		printf("%s%s\n", c->prefix, text);
}

// ---- what the daemon knows ----

static json_t *ask_services(const struct completion *c, const char *service)
{
	json_t *all = NULL, *reply = NULL;
	if (client_open(c->app->socket, TIMEOUT_S, &c->app->client) < 0)
		return NULL;
	// One page: nobody chooses from more.
	json_t *params = service ? json_pack("{s:s}", "service", service) : json_object();
	if (client_call(c->app->client, "services", params, &reply) == 0)
		all = json_incref(json_object_get(reply, "services"));
	json_decref(reply);
	return all;
}

// `protocol`: the ADDR:PORT of its services, else names.
static void offer_services(const struct completion *c, const char *protocol)
{
	json_t *services = ask_services(c, NULL), *s;
	char text[80];
	size_t i;
	json_array_foreach(services, i, s) {
		if (!protocol)
			offer(c, get_text(s, "name"));
		else if (strcmp(get_text(s, "protocol"), protocol) == 0)
			offer(c, endpoint(get_text(s, "address"), get_number(s, "port"), text,
			             sizeof(text)));
	}
	json_decref(services);
}

static void offer_servers(const struct completion *c)
{
	json_t *services = ask_services(c, c->service), *s, *server;
	char text[80];
	size_t i, k;
	json_array_foreach(services, i, s) {
		json_array_foreach(json_object_get(s, "servers"), k, server)
			offer(c, endpoint(get_text(server, "address"), get_number(server, "port"),
			             text, sizeof(text)));
	}
	json_decref(services);
}

static void offer_kind(const struct completion *c, enum kind kind)
{
	const char *const *choice = kinds[kind].choices;
	for (; choice && *choice; choice++)
		offer(c, *choice);
	switch (kind) {
	case KIND_SERVICE:
		offer_services(c, NULL);
		break;
	case KIND_SERVER:
		offer_servers(c);
		break;
	case KIND_FILE:
	case KIND_FILE_OR_STDOUT:
		printf(":file\n");
		break;
	default:
		break;
	}
}

// ---- what the table knows ----

static void offer_options(const struct completion *c, const struct option *list)
{
	char text[64];
	for (; list && list->name; list++) {
		bool used = false;
		for (size_t i = 0; i < c->n_used; i++)
			used |= c->used[i] == list && !kinds[list->kind].repeat;
		snprintf(text, sizeof(text), "--%s", list->name);
		if (!used)
			offer(c, text);
	}
}

static bool first_of_noun(const struct verb *v)
{
	const struct verb *first = verbs;
	while (strcmp(first->noun, v->noun) != 0)
		first++;
	return first == v;
}

// Nouns, each once, or the actions of a noun.
static void offer_verbs(const struct completion *c, const char *const *words, size_t n)
{
	bool show = n > 0 && strcmp(words[0], "show") == 0;
	for (const struct verb *v = verbs; v->noun; v++) {
		bool shown = !v->action && v != verbs && v->run != run_help;
		if (n == 0 || (n == 1 && show)) {
			if (first_of_noun(v) && (!show || shown))
				offer(c, v->noun);
		} else if (n == 1 && v->action && strcmp(v->noun, words[0]) == 0) {
			offer(c, v->action);
		}
	}
}

static void offer_argument(struct completion *c, const struct verb *v, size_t used)
{
	const char *const *args = c->positional + used;
	size_t n = c->n - used;
	if (!v->n_args)
		return;
	bool two = v->args[0].kind == KIND_SERVICE && n > 0 &&
	           (strcmp(args[0], "tcp") == 0 || strcmp(args[0], "udp") == 0);
	char *joined = NULL;
	if (v->args[0].kind == KIND_VERB) {
		offer_verbs(c, args, n);
	} else if (two && n == 1) {
		offer_services(c, args[0]);
	} else if (n - two < v->n_args) {
		if (two && asprintf(&joined, "%s %s", args[0], args[1]) < 0)
			joined = NULL;
		c->service = two ? joined : n ? args[0] : NULL;
		offer_kind(c, v->args[n - two].kind);
	}
	free(joined);
}

static void offer_positional(struct completion *c)
{
	size_t used = 0;
	const struct verb *v = verb_find(c->positional, c->n, &used);
	if (c->n == 0 || !v || !v->action)
		offer_verbs(c, c->positional, c->n);
	if (c->n > 0 && v && v != verbs)
		offer_argument(c, v, used);
}

// ---- the words before ----

static void take_word(struct completion *c, const char *word)
{
	size_t used;
	const char *value = NULL;
	if (c->pending) {
		if (strcmp(c->pending->name, "socket") == 0)
			c->app->socket = word;
		if (c->pending->kind == KIND_SERVICE)
			c->service = word;
		c->pending = NULL;
		return;
	}
	if (strncmp(word, "--", 2) != 0) {
		c->positional[c->n++] = word;
		return;
	}
	const struct option *o = option_find(verb_find(c->positional, c->n, &used), word, &value);
	if (!o)
		return;
	c->used[c->n_used++] = o;
	if (o->kind == KIND_FLAG)
		return;
	c->pending = o;
	if (value)
		take_word(c, value);
}

// --name=VALUE, half typed
static void offer_value(struct completion *c, const struct verb *v)
{
	const char *value;
	char prefix[64];
	const struct option *o = option_find(v, c->word, &value);
	if (!o || snprintf(prefix, sizeof(prefix), "--%s=", o->name) >= sizeof(prefix))
		return;
	c->prefix = prefix;
	offer_kind(c, o->kind);
	c->prefix = "";
}

static void offer_all(struct completion *c)
{
	size_t used;
	const struct verb *v = verb_find(c->positional, c->n, &used);
	if (c->pending) {
		offer_kind(c, c->pending->kind);
	} else if (c->word[0] != '-') {
		offer_positional(c);
	} else if (strncmp(c->word, "--", 2) == 0 && strchr(c->word, '=')) {
		offer_value(c, v);
	} else {
		offer_options(c, v ? v->options : NULL);
		offer_options(c, global_options);
	}
}

int complete(struct app *app, const char *const *words, size_t n)
{
	struct completion c = { .app = app, .prefix = "", .word = n ? words[n - 1] : "" };
	c.positional = calloc(n + 1, sizeof(c.positional[0]));
	c.used = calloc(n + 1, sizeof(c.used[0]));
	if (c.positional && c.used) {
		for (size_t i = 0; i + 1 < n; i++)
			take_word(&c, words[i]);
		offer_all(&c);
	}
	client_close(app->client);
	free(c.positional);
	free(c.used);
	return DONE;
}
