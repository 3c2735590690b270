// SPDX-License-Identifier: BSD-3-Clause

// The director itself: ports, workers, drops, neighbours, version.

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "print.h"

// ---- ports ----

static void port_line(struct table *t, const json_t *p)
{
	bool up = strcmp(get_text(p, "link"), "up") == 0;
	table_line(t, NULL);
	table_text(t, get_text(p, "name"), TINT_BOLD);
	table_text(t, get_text(p, "link"), up ? TINT_GOOD : TINT_BAD);
	if (get_number(p, "speed_mbps"))
		table_number(t, get_number(p, "speed_mbps"), TINT_NONE);
	else
		table_text(t, "-", TINT_NONE);
	table_number(t, get_number(p, "mtu"), TINT_NONE);
	table_text(t, get_text(p, "mac"), TINT_NONE);
	table_format(t, TINT_NONE, "%lld/%lld", (long long)get_number(p, "rx_queues"),
	    (long long)get_number(p, "tx_queues"));
	table_text(t, get_text(p, "driver"), TINT_NONE);
	table_text(t, get_text(p, "device"), TINT_NONE);
	table_text(t, get_text(p, "twin"), TINT_NONE);
}

static bool in_port_line(const char *key)
{
	static const char *const keys[] = { "speed_mbps", "mtu", "rx_queues", "tx_queues" };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static bool is_trouble(const char *key)
{
	return strstr(key, "error") || strstr(key, "missed") || strstr(key, "full") ||
	       strstr(key, "no_memory");
}

// All counters that the daemon has, a line each and a column a port: there may be new ones.
static void port_counters(struct app *app, const json_t *ports)
{
	json_t *first = json_array_get(ports, 0), *value;
	const json_t *p;
	const char *key;
	size_t i;
	struct table *t = table_new(app);
	table_column(t, "Counter", 0);
	json_array_foreach(ports, i, p)
		table_column(t, get_text(p, "name"), COLUMN_RIGHT);
	json_object_foreach(first, key, value) {
		if (!json_is_integer(value) || in_port_line(key))
			continue;
		table_line(t, NULL);
		table_text(t, key, TINT_NONE);
		json_array_foreach(ports, i, p) {
			json_int_t n = get_number(p, key);
			table_number(t, n, n && is_trouble(key) ? TINT_BAD : TINT_NONE);
		}
	}
	table_print(t);
}

static void print_ports(struct app *app, const json_t *result)
{
	static const struct {
		const char *head;
		unsigned flags;
	} columns[] = {
		{ "Port", 0 }, { "Link", 0 }, { "Mbit/s", COLUMN_RIGHT }, { "MTU", COLUMN_RIGHT },
		{ "MAC", 0 }, { "RxQ/TxQ", COLUMN_RIGHT }, { "Driver", 0 }, { "Device", 0 },
		{ "Twin", COLUMN_SPARE }, // bears the port's name
	};
	const json_t *ports = json_object_get(result, "ports"), *p;
	size_t i;
	struct table *t = table_new(app);
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		table_column(t, columns[i].head, columns[i].flags);
	json_array_foreach(ports, i, p)
		port_line(t, p);
	table_print(t);
	putchar('\n');
	port_counters(app, ports);
}

int show_ports(struct app *app, const struct words *w)
{
	return app_ask(app, "ports", NULL, print_ports);
}

// ---- workers ----

static const struct {
	const char *head, *key;
	unsigned flags;
} worker_columns[] = {
	{ "Rx", "rx", 0 },
	{ "Injected", "injected", 0 },
	{ "Made", "made", 0 },
	{ "Taken", "taken_over", 0 },
	{ "Tx", "tx", 0 },
	{ "Punted", "punted", 0 },
	{ "Handed", "handed_over", 0 },
	{ "Dropped", "dropped", 0 },
	{ "Conns", "connections", 0 },
	{ "Room", "connections_room", COLUMN_SPARE },
	{ "Memory", "memory_bytes", COLUMN_SPARE },
};
#define N_WORKER_COLUMNS (sizeof(worker_columns) / sizeof(worker_columns[0]))

static void queues_text(const json_t *worker, char buf[static 200])
{
	const json_t *q;
	size_t i;
	buf[0] = '\0';
	json_array_foreach(json_object_get(worker, "queues"), i, q) {
		strlcat(buf, i ? " " : "", 200);
		strlcat(buf, json_is_string(q) ? json_string_value(q) : "", 200);
	}
}

static void worker_line(struct table *t, const json_t *w, json_int_t sum[static N_WORKER_COLUMNS])
{
	char queues[200];
	double busy = json_number_value(json_object_get(w, "busy_percent"));
	table_line(t, NULL);
	table_number(t, get_number(w, "worker"), TINT_NONE);
	table_number(t, get_number(w, "cpu"), TINT_NONE);
	table_format(t, busy >= 90 ? TINT_WARN : TINT_NONE, "%.1f", busy);
	for (size_t i = 0; i < N_WORKER_COLUMNS; i++) {
		json_int_t n = get_number(w, worker_columns[i].key);
		sum[i] += n;
		table_number(t, n, TINT_NONE);
	}
	queues_text(w, queues);
	table_text(t, queues, TINT_NONE);
}

static void print_workers(struct app *app, const json_t *result)
{
	const json_t *workers = json_object_get(result, "workers"), *w;
	json_int_t sum[N_WORKER_COLUMNS] = {};
	size_t i;
	struct table *t = table_new(app);
	table_column(t, "Worker", COLUMN_RIGHT);
	table_column(t, "CPU", COLUMN_RIGHT);
	table_column(t, "Busy%", COLUMN_RIGHT);
	for (i = 0; i < N_WORKER_COLUMNS; i++)
		table_column(t, worker_columns[i].head, COLUMN_RIGHT | worker_columns[i].flags);
	table_column(t, "Queues", COLUMN_SPARE);
	json_array_foreach(workers, i, w)
		worker_line(t, w, sum);
	if (json_array_size(workers) > 1) {
		table_line(t, NULL);
		table_text(t, "all", TINT_BOLD);
		table_text(t, "", TINT_NONE);
		table_text(t, "", TINT_NONE);
		for (i = 0; i < N_WORKER_COLUMNS; i++)
			table_number(t, sum[i], TINT_BOLD);
	}
	table_print(t);
}

int show_workers(struct app *app, const struct words *w)
{
	return app_ask(app, "workers", NULL, print_workers);
}

// ---- drops ----

static size_t worker_count(const json_t *drops)
{
	const json_t *first = json_array_get(drops, 0);
	return json_array_size(json_object_get(first, "workers"));
}

static void drop_line(
    struct table *t, const json_t *drop, size_t n_workers, json_int_t sum[static COLUMNS_MAX])
{
	const json_t *per_worker = json_object_get(drop, "workers");
	table_line(t, NULL);
	table_text(t, get_text(drop, "reason"), TINT_NONE);
	table_number(t, get_number(drop, "count"), TINT_NONE);
	for (size_t k = 0; k < n_workers; k++) {
		json_int_t n = json_integer_value(json_array_get(per_worker, k));
		sum[k] += n;
		if (n_workers > 1)
			table_number(t, n, TINT_NONE);
	}
	table_text(t, get_text(drop, "help"), TINT_NONE);
}

static void print_drops_of(struct app *app, const json_t *result, bool all)
{
	const json_t *drops = json_object_get(result, "drops"), *d;
	size_t i, n_workers = worker_count(drops);
	json_int_t sum[COLUMNS_MAX] = {};
	if (n_workers > COLUMNS_MAX - 3)
		n_workers = COLUMNS_MAX - 3;
	struct table *t = table_new(app);
	table_column(t, "Reason", 0);
	table_column(t, "Packets", COLUMN_RIGHT);
	for (i = 0; n_workers > 1 && i < n_workers; i++) {
		char head[24];
		snprintf(head, sizeof(head), "Worker%zu", i);
		table_column(t, head, COLUMN_RIGHT);
	}
	table_column(t, "Meaning", 0);
	json_array_foreach(drops, i, d) {
		if (all || get_number(d, "count"))
			drop_line(t, d, n_workers, sum);
	}
	table_line(t, NULL);
	table_text(t, "total", TINT_BOLD);
	table_number(t, get_number(result, "total"), TINT_BOLD);
	for (i = 0; n_workers > 1 && i < n_workers; i++)
		table_number(t, sum[i], TINT_BOLD);
	table_print(t);
}

static void print_drops(struct app *app, const json_t *result)
{
	print_drops_of(app, result, false);
}

static void print_all_drops(struct app *app, const json_t *result)
{
	print_drops_of(app, result, true);
}

int show_drops(struct app *app, const struct words *w)
{
	return app_ask(app, "drops", NULL, words_flag(w, "all") ? print_all_drops : print_drops);
}

// ---- neighbours ----

static enum tint state_tint(const char *state)
{
	if (strcmp(state, "reachable") == 0 || strcmp(state, "local") == 0)
		return TINT_GOOD;
	return strcmp(state, "resolving") == 0 ? TINT_WARN : TINT_BAD;
}

static void text_or_dash(struct table *t, const char *text)
{
	table_text(t, text[0] ? text : "-", TINT_NONE);
}

static void print_neighbours(struct app *app, const json_t *result)
{
	const json_t *list = json_object_get(result, "neighbours"), *n;
	size_t i;
	if (!json_array_size(list)) {
		printf("no neighbours\n");
		return;
	}
	struct table *t = table_new(app);
	table_column(t, "Address", 0);
	table_column(t, "State", 0);
	table_column(t, "MAC", 0);
	table_column(t, "Port", 0);
	table_column(t, "Via", 0);
	table_column(t, "Servers", COLUMN_RIGHT);
	json_array_foreach(list, i, n) {
		const char *state = get_text(n, "state");
		table_line(t, NULL);
		table_text(t, get_text(n, "address"), TINT_NONE);
		table_text(t, state, state_tint(state));
		text_or_dash(t, get_text(n, "mac"));
		text_or_dash(t, get_text(n, "port"));
		text_or_dash(t, get_text(n, "via"));
		table_number(t, get_number(n, "servers"), TINT_NONE);
	}
	table_print(t);
}

int show_neighbours(struct app *app, const struct words *w)
{
	return app_ask(app, "neighbours", NULL, print_neighbours);
}

// ---- version ----

static void print_version(struct app *app, const json_t *result)
{
	char up[DURATION_MAX];
	bool huge = json_is_true(json_object_get(result, "hugepages"));
	printf("poised %s (%s), process %lld, up %s, %s hugepages\n", get_text(result, "version"),
	    get_text(result, "dpdk"), (long long)get_number(result, "pid"),
	    duration(get_number(result, "uptime_s"), up), huge ? "with" : "without");
	if (strcmp(get_text(result, "version"), POISE_VERSION) != 0)
		printf("poise %s\n", POISE_VERSION);
}

int show_version(struct app *app, const struct words *w)
{
	return app_ask(app, "version", NULL, print_version);
}
