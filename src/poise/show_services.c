// SPDX-License-Identifier: BSD-3-Clause

// Services as a tree: what `ipvsadm -L` and `-L --stats` show, in one table.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "print.h"

int services_collect(struct app *app, const char *service, json_t **result)
{
	json_t *all = json_array(), *page;
	char *cursor = NULL;
	int rc;
	for (;;) {
		rc = app_try(app, "services",
		    json_pack("{s:s*,s:s*}", "service", service, "cursor", cursor), &page);
		if (rc != DONE)
			break;
		json_array_extend(all, json_object_get(page, "services"));
		const char *next = json_string_value(json_object_get(page, "next"));
		free(cursor);
		cursor = next ? strdup(next) : NULL;
		json_decref(page);
		if (!cursor)
			break;
	}
	free(cursor);
	if (rc == DONE)
		*result = json_pack("{s:o}", "services", all);
	else
		json_decref(all);
	if (rc == REFUSED)
		*result = page;
	return rc;
}

static int collect(struct app *app, const char *service, json_t **result)
{
	int rc = services_collect(app, service, result);
	if (rc == REFUSED) {
		print_refusal(app, *result);
		json_decref(*result);
	}
	return rc;
}

// ---- the table ----

static const struct {
	const char *head;
	unsigned flags;
} columns[] = {
	{ "Prot LocalAddress:Port", COLUMN_TREE },
	{ "Name", 0 },
	{ "Sched/Fwd", 0 },
	{ "Weight", COLUMN_RIGHT },
	{ "ActiveConn", COLUMN_RIGHT },
	{ "InActConn", COLUMN_RIGHT },
	{ "State", 0 },
	{ "Conns", COLUMN_RIGHT | COLUMN_SPARE },
	{ "InPkts", COLUMN_RIGHT | COLUMN_SPARE },
	{ "InBytes", COLUMN_RIGHT | COLUMN_SPARE },
	{ "OutPkts", COLUMN_RIGHT | COLUMN_SPARE },
	{ "OutBytes", COLUMN_RIGHT | COLUMN_SPARE },
};

static void counters(struct table *t, const json_t *of)
{
	static const char *const keys[] = { "connections", "in_packets", "in_bytes", "out_packets",
		"out_bytes" };
	const json_t *c = json_object_get(of, "counters");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		table_number(t, get_number(c, keys[i]), TINT_NONE);
}

static bool unreachable(const json_t *server)
{
	const char *hop = get_text(server, "next_hop");
	return strcmp(hop, "reachable") != 0 && strcmp(hop, "local") != 0 &&
	       strcmp(hop, "resolving") != 0;
}

static void server_state(struct table *t, const json_t *s)
{
	const char *hop = get_text(s, "next_hop");
	bool drained = json_is_true(json_object_get(s, "drained"));
	if (unreachable(s))
		table_format(t, TINT_BAD, "%s%s", hop, drained ? ", drained" : "");
	else if (drained)
		table_text(t, "drained", TINT_WARN);
	else
		table_text(t, hop, strcmp(hop, "resolving") == 0 ? TINT_WARN : TINT_GOOD);
}

// "tun gue:6080+csum", as --tunnel takes it.
static void forward_column(struct table *t, const json_t *s)
{
	const json_t *tunnel = json_object_get(s, "tunnel");
	const char *forward = get_text(s, "forward"), *sum;
	char port[24] = "";
	if (!tunnel || strcmp(forward, "tun") != 0) {
		table_text(t, forward, TINT_NONE);
		return;
	}
	if (json_object_get(tunnel, "port"))
		snprintf(port, sizeof(port), ":%lld", (long long)get_number(tunnel, "port"));
	sum = get_text(tunnel, "checksum");
	table_format(t, TINT_NONE, "tun %s%s%s", get_text(tunnel, "type"), port,
	    strcmp(sum, "full") == 0     ? "+csum"
	    : strcmp(sum, "remote") == 0 ? "+remcsum"
	                                 : "");
}

static void server_line(struct table *t, struct libscols_line *parent, const json_t *s)
{
	char text[80];
	json_int_t weight = get_number(s, "weight");
	table_line(t, parent);
	table_text(
	    t, endpoint(get_text(s, "address"), get_number(s, "port"), text, sizeof(text)), 0);
	table_text(t, "", TINT_NONE);
	forward_column(t, s);
	table_number(t, weight, weight ? TINT_NONE : TINT_WARN);
	table_number(t, get_number(s, "active_connections"), TINT_NONE);
	table_number(t, get_number(s, "inactive_connections"), TINT_NONE);
	server_state(t, s);
	counters(t, s);
}

// The name that it was given; the one it has without adds nothing to its key.
static const char *own_name(const json_t *s)
{
	char text[80], name[100];
	endpoint(get_text(s, "address"), get_number(s, "port"), text, sizeof(text));
	snprintf(name, sizeof(name), "%s-%s", get_text(s, "protocol"), text);
	return strcmp(name, get_text(s, "name")) == 0 ? "" : get_text(s, "name");
}

static void service_line(struct table *t, const json_t *s)
{
	char text[80];
	const json_t *servers = json_object_get(s, "servers"), *server;
	json_int_t active = 0, inactive = 0;
	size_t i;
	json_array_foreach(servers, i, server) {
		active += get_number(server, "active_connections");
		inactive += get_number(server, "inactive_connections");
	}
	struct libscols_line *line = table_line(t, NULL);
	endpoint(get_text(s, "address"), get_number(s, "port"), text, sizeof(text));
	table_format(t, TINT_BOLD, "%s %s", get_text(s, "protocol"), text);
	table_text(t, own_name(s), TINT_BOLD);
	table_text(t, get_text(s, "scheduler"), TINT_NONE);
	table_text(t, "", TINT_NONE);
	table_number(t, active, TINT_NONE);
	table_number(t, inactive, TINT_NONE);
	if (!json_array_size(servers))
		table_text(t, "no servers", TINT_WARN);
	else
		table_text(t, json_is_false(json_object_get(s, "announce")) ? "not announced" : "",
		    TINT_NONE);
	counters(t, s);
	json_array_foreach(servers, i, server)
		server_line(t, line, server);
}

static void print_services(struct app *app, const json_t *result)
{
	const json_t *services = json_object_get(result, "services"), *s;
	size_t i;
	if (!json_array_size(services)) {
		printf("no services\n");
		return;
	}
	struct table *t = table_new(app);
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		table_column(t, columns[i].head, columns[i].flags);
	json_array_foreach(services, i, s)
		service_line(t, s);
	table_print(t);
}

int show_services(struct app *app, const struct words *w)
{
	json_t *result;
	int rc = collect(app, w->args[0], &result);
	if (rc != DONE)
		return rc;
	if (app->json)
		print_json(result);
	else
		print_services(app, result);
	json_decref(result);
	return DONE;
}

// ---- the line about the director ----

struct totals {
	json_int_t services, servers, unreachable;
};

static struct totals count(const json_t *result)
{
	struct totals n = {};
	const json_t *s, *servers, *server;
	size_t i, k;
	json_array_foreach(json_object_get(result, "services"), i, s) {
		n.services++;
		servers = json_object_get(s, "servers");
		json_array_foreach(servers, k, server) {
			n.servers++;
			n.unreachable += unreachable(server);
		}
	}
	return n;
}

static void print_summary(struct app *app, const json_t *version, const json_t *conns,
    const json_t *drops, const struct totals *n)
{
	char up[DURATION_MAX];
	json_int_t dropped = get_number(drops, "total");
	printf("poised %s up %s, %lld service%s, %lld server%s", get_text(version, "version"),
	    duration(get_number(version, "uptime_s"), up), (long long)n->services,
	    plural(n->services), (long long)n->servers, plural(n->servers));
	if (n->unreachable)
		printf(" (%s%lld unreachable%s)", tint_on(app, TINT_BAD), (long long)n->unreachable,
		    tint_off(app));
	printf(", %lld/%lld connections, %lld drop%s\n",
	    (long long)get_number(conns, "connections"), (long long)get_number(conns, "limit"),
	    (long long)dropped, plural(dropped));
}

int show_summary(struct app *app, const struct words *w)
{
	json_t *version = NULL, *conns = NULL, *drops = NULL, *result = NULL;
	int rc = collect(app, NULL, &result);
	if (rc != DONE)
		return rc;
	if (app->json) {
		print_json(result);
		goto out;
	}
	if ((rc = app_call(app, "version", NULL, &version)) != DONE)
		goto out;
	if ((rc = app_call(app, "connections.count", NULL, &conns)) != DONE)
		goto no_count;
	if ((rc = app_call(app, "drops", NULL, &drops)) != DONE)
		goto no_drops;
	struct totals n = count(result);
	print_summary(app, version, conns, drops, &n);
	putchar('\n');
	print_services(app, result);
	json_decref(drops);
no_drops:
	json_decref(conns);
no_count:
	json_decref(version);
out:
	json_decref(result);
	return rc;
}
