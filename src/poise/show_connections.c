// SPDX-License-Identifier: BSD-3-Clause

// Connections: as `ipvsadm -Lnc`, a page at a time. A director has millions of them, so a page is
// printed and forgotten before the next is asked for; the columns are as wide as the addresses of
// the family need, and grow when they must.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "print.h"

#define PAGE 4000

enum { CLIENT, VIRTUAL, SERVER, STATE, SERVICE, N_WIDTHS };

struct listing {
	struct app *app;
	bool count;
	json_int_t limit; // how many more may be shown; -1: all
	json_int_t shown;
	size_t width[N_WIDTHS];
};

// ---- as a table ----

static void endpoint_of(const json_t *c, const char *address, const char *port, char buf[static 80])
{
	const char *text = get_text(c, address);
	// The server of a connection may have been deleted.
	if (text[0])
		endpoint(text, get_number(c, port), buf, 80);
	else
		strlcpy(buf, "-", 80);
}

struct row {
	char text[N_WIDTHS][80];
};

static void row_of(const json_t *c, struct row *r)
{
	endpoint_of(c, "client", "client_port", r->text[CLIENT]);
	endpoint_of(c, "virtual", "virtual_port", r->text[VIRTUAL]);
	endpoint_of(c, "server", "server_port", r->text[SERVER]);
	strlcpy(r->text[STATE], get_text(c, "state"), sizeof(r->text[STATE]));
	const char *service = get_text(c, "service");
	strlcpy(r->text[SERVICE], service[0] ? service : "-", sizeof(r->text[SERVICE]));
}

static void print_row(const struct listing *l, const char *protocol, const char *expires,
    const struct row *r, const char *worker)
{
	const size_t *width = l->width;
	printf("%-3s  %6s  %-*s  %-*s  %-*s  %-*s  %-*s  %s\n", protocol, expires,
	    (int)width[STATE], r->text[STATE], (int)width[CLIENT], r->text[CLIENT],
	    (int)width[VIRTUAL], r->text[VIRTUAL], (int)width[SERVER], r->text[SERVER],
	    (int)width[SERVICE], r->text[SERVICE], worker);
}

static void widen(struct listing *l, const struct row *r)
{
	for (unsigned i = 0; i < N_WIDTHS; i++) {
		size_t n = strlen(r->text[i]);
		if (n > l->width[i])
			l->width[i] = n;
	}
}

static void print_page(struct listing *l, const json_t *list)
{
	static const struct row head = { { "Source", "Virtual", "Destination", "State",
	    "Service" } };
	const json_t *c;
	struct row r;
	size_t i;
	if (!json_array_size(list))
		return;
	json_array_foreach(list, i, c) {
		row_of(c, &r);
		widen(l, &r);
	}
	if (l->shown == 0) {
		widen(l, &head);
		fputs(tint_on(l->app, TINT_BOLD), stdout);
		print_row(l, "Pro", "Expire", &head, "Worker");
		fputs(tint_off(l->app), stdout);
	}
	json_array_foreach(list, i, c) {
		char expires[24], worker[24];
		long long s = get_number(c, "expires_s");
		snprintf(expires, sizeof(expires), "%02lld:%02lld", s / 60, s % 60);
		snprintf(worker, sizeof(worker), "%lld", (long long)get_number(c, "worker"));
		row_of(c, &r);
		print_row(l, get_text(c, "protocol"), expires, &r, worker);
	}
}

// ---- as JSON: one document, a connection a line ----

static void json_page(struct listing *l, const json_t *list)
{
	const json_t *c;
	size_t i;
	json_array_foreach(list, i, c) {
		printf("%s\n        ", l->shown + i ? "," : "");
		json_dumpf(c, stdout, JSON_REAL_PRECISION(15));
	}
}

static void json_end(const struct listing *l, const json_t *error)
{
	printf("%s]", l->shown ? "\n    " : "");
	if (error) {
		printf(",\n    \"error\": ");
		json_dumpf(error, stdout, 0);
	}
	printf("\n}\n");
}

// ---- pages ----

static void take_page(struct listing *l, json_t *page, bool first)
{
	json_t *list = json_object_get(page, "connections");
	while (l->limit >= 0 && json_array_size(list) > l->limit)
		json_array_remove(list, json_array_size(list) - 1);
	if (!l->count && l->app->json) {
		if (first)
			printf("{\n    \"connections\": [");
		json_page(l, list);
	} else if (!l->count) {
		print_page(l, list);
	}
	l->shown += json_array_size(list);
	if (l->limit >= 0)
		l->limit -= json_array_size(list);
}

static int finish(struct listing *l, int rc, json_t *error, bool first)
{
	bool document = l->app->json && !l->count && !first;
	if (rc == REFUSED && !document)
		print_refusal(l->app, error);
	else if (document)
		json_end(l, error);
	else if (rc == DONE && l->count && l->app->json)
		printf("{\n    \"connections\": %lld\n}\n", (long long)l->shown);
	else if (rc == DONE && l->count)
		printf("%lld\n", (long long)l->shown);
	else if (rc == DONE && !l->shown)
		printf("no connections\n");
	return rc;
}

static int pages(struct listing *l, json_t *filter)
{
	bool first = true, more = true;
	json_t *page = NULL, *error = NULL;
	int rc = DONE;
	while (more) {
		bool last = l->limit >= 0 && l->limit < PAGE;
		json_object_set_new(filter, "limit", json_integer(last ? l->limit : PAGE));
		rc = app_try(l->app, "connections", json_copy(filter), &page);
		if (rc != DONE)
			break;
		take_page(l, page, first);
		first = false;
		json_t *next = json_object_get(page, "next");
		more = json_is_string(next) && l->limit != 0;
		json_object_set(filter, "cursor", next);
		json_decref(page);
	}
	if (rc == REFUSED)
		error = page;
	rc = finish(l, rc, error, first);
	json_decref(error);
	return rc;
}

static void print_count(struct app *app, const json_t *result)
{
	const json_t *w;
	size_t i;
	struct table *t = table_new(app);
	table_column(t, "Worker", COLUMN_RIGHT);
	table_column(t, "IPv4", COLUMN_RIGHT);
	table_column(t, "IPv6", COLUMN_RIGHT);
	json_array_foreach(json_object_get(result, "workers"), i, w) {
		table_line(t, NULL);
		table_number(t, get_number(w, "worker"), TINT_NONE);
		table_number(t, get_number(w, "ipv4"), TINT_NONE);
		table_number(t, get_number(w, "ipv6"), TINT_NONE);
	}
	table_print(t);
	printf("%lld of %lld connections\n", (long long)get_number(result, "connections"),
	    (long long)get_number(result, "limit"));
}

int show_connections(struct app *app, const struct words *w)
{
	static const char *const filters[] = { "service", "server", "client", "state" };
	struct listing l = { .app = app, .count = words_flag(w, "count"), .limit = -1 };
	json_t *filter = json_object();
	int rc = words_number(w, "limit", 1, 1000000000, filter);
	if (rc != DONE)
		goto out;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *text = words_option(w, filters[i]);
		if (text)
			json_object_set_new(filter, filters[i], json_string(text));
	}
	if (l.count && !json_object_size(filter)) {
		rc = app_ask(app, "connections.count", NULL, print_count);
		goto out;
	}
	if (json_object_get(filter, "limit"))
		l.limit = get_number(filter, "limit");
	rc = pages(&l, filter);
out:
	json_decref(filter);
	return rc;
}
