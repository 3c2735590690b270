// SPDX-License-Identifier: BSD-3-Clause

// Replays recordings of the real IPVS through the schedulers: every new connection must get the
// server that it got there. The argument is the directory of the recordings (*.trace).
//
// What stands around a scheduler in IPVS is kept here in books of its own: how many active and
// inactive connections a server has (a TCP connection is active from its handshake until its first
// FIN or RST, one of UDP never; one-packet scheduling leaves nothing behind), and which server is
// over its thresholds. The listings in the recordings are checked against these books, so that a
// wrong book does not pass for a wrong pick. A line that is not understood is a failure.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <fts.h>
#include <stdio.h>

#include "sched_farm.h"

#define SERVERS         16u
#define CONNECTIONS     4096u
#define TIME_WAIT_S     120
#define CLOSE_S         10
#define LONGEST_COMMAND 16

// A server keeps its connections, and with them its book, when it is deleted and added again.
struct book {
	uint32_t active, inactive, upper, lower;
	bool overloaded;
};

struct connection {
	uint32_t server; // 0: none
	bool active;
	double expires; // 0: not within a recording
};

struct replay {
	const char *file;
	unsigned line, picks, equal, wrong; // wrong: lines that were not understood, false listings
	bool ready, one_packet;
	struct farm farm;
	struct book books[SERVERS];
	struct connection connections[CONNECTIONS];
	double now; // seconds since the start of the recording
	unsigned rows, expected_rows;
};

static void complain(struct replay *r, const char *what, const char *line)
{
	print_error("%s:%u: %s: %s\n", r->file, r->line, what, line);
	r->wrong++;
}

// ---- books ----

static uint32_t total(const struct book *b)
{
	return b->active + b->inactive;
}

// Where the overload ends: the lower threshold, or three quarters of the upper one.
static uint32_t relief(const struct book *b)
{
	return b->lower ? b->lower : b->upper - (b->upper >> 2);
}

static void book_in(struct book *b, bool active)
{
	(*(active ? &b->active : &b->inactive))++;
	if (b->upper && total(b) == b->upper && total(b) >= relief(b))
		b->overloaded = true;
}

static void book_out(struct book *b, bool active)
{
	uint32_t before = total(b);
	(*(active ? &b->active : &b->inactive))--;
	if (before == relief(b))
		b->overloaded = b->upper && total(b) >= b->upper;
}

static void book_thresholds(struct book *b, uint32_t upper, uint32_t lower)
{
	if (b->upper == upper && b->lower == lower)
		return;
	b->upper = upper;
	b->lower = lower;
	if (!upper || total(b) < relief(b))
		b->overloaded = false;
	if (upper && total(b) >= upper)
		b->overloaded = true;
}

static void expire(struct replay *r)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &r->connections[i];
		if (!c->server || !c->expires || c->expires > r->now)
			continue;
		book_out(&r->books[c->server], c->active);
		c->server = 0;
	}
}

// ---- commands ----

static void server_command(struct replay *r, const char *const *words, unsigned n, const char *line)
{
	unsigned a, b, c, rs = 0, upper = 0, lower = 0;
	int weight = 1;
	char end;

	for (unsigned i = 4; i < n; i++) {
		const char *value = i + 1 < n ? words[i + 1] : "";
		if (strcmp(words[i], "-m") == 0)
			continue;
		if (strcmp(words[i], "-r") == 0 &&
		    sscanf(value, "%u.%u.%u.1%u:%u%c", &a, &b, &c, &rs, &a, &end) != 5)
			rs = 0;
		else if (strcmp(words[i], "-w") == 0)
			weight = atoi(value);
		else if (strcmp(words[i], "-x") == 0)
			upper = atoi(value);
		else if (strcmp(words[i], "-y") == 0)
			lower = atoi(value);
		else if (strcmp(words[i], "-r") != 0)
			return complain(r, "unknown option", line);
		i++;
	}
	bool present = rs && farm_position(&r->farm, rs) >= 0;
	if (rs == 0 || rs >= SERVERS || present == (words[1][1] == 'a'))
		return complain(r, "no such server", line);
	if (words[1][1] == 'd')
		return farm_delete(&r->farm, rs);
	book_thresholds(&r->books[rs], upper, lower);
	(words[1][1] == 'a' ? farm_add : farm_edit)(&r->farm, rs, weight);
}

// -A and -E. An edit leaves the scheduler alone unless it names another one.
static void service_command(
    struct replay *r, const char *const *words, unsigned n, const char *line)
{
	const struct sched_ops *ops = n > 5 ? sched_find(words[5]) : NULL;

	if (!ops || strcmp(words[4], "-s") != 0 ||
	    (n > 6 && (n > 7 || strcmp(words[6], "-o") != 0)))
		return complain(r, "unknown service", line);
	r->one_packet = n > 6;
	if (words[1][1] == 'A') {
		farm_init(&r->farm, words[5]);
		r->farm.list->overhead_total = true; // the recorded kernel's
		r->ready = true;
	} else if (ops != r->farm.ops) {
		r->farm.ops = ops;
		ops->init(&r->farm.state, r->farm.list);
	}
}

static void command(struct replay *r, const char *line)
{
	char copy[256];
	const char *words[LONGEST_COMMAND];
	unsigned n = 0;

	snprintf(copy, sizeof(copy), "%s", line + 2);
	for (char *w = strtok(copy, " "); w && n < LONGEST_COMMAND; w = strtok(NULL, " "))
		words[n++] = w;
	if (n < 2 || strcmp(words[0], "ipvsadm") != 0 || n == LONGEST_COMMAND)
		return complain(r, "unknown command", line);
	bool service = strcmp(words[1], "-A") == 0 || strcmp(words[1], "-E") == 0;
	bool server = strcmp(words[1], "-a") == 0 || strcmp(words[1], "-e") == 0 ||
	              strcmp(words[1], "-d") == 0;
	if (service && r->ready == (words[1][1] == 'E'))
		service_command(r, words, n, line);
	else if (server && r->ready)
		server_command(r, words, n, line);
	else if (strcmp(words[1], "-Ln") == 0 && r->ready)
		r->expected_rows += r->farm.list->n;
	else
		complain(r, "unknown command", line);
}

// ---- connections ----

static void opened(struct replay *r, const char *line)
{
	unsigned id, rs = 0;
	char protocol[8], source[64], destination[64], server[16];

	if (sscanf(line + 2, "%u %7s %63s %63s -> %15s", &id, protocol, source, destination,
	        server) != 5 ||
	    (sscanf(server, "rs%u", &rs) != 1 && strcmp(server, "none") != 0) || rs >= SERVERS ||
	    id >= CONNECTIONS || r->connections[id].server || !r->ready)
		return complain(r, "unknown connection", line);
	for (uint32_t i = 0; i < r->farm.list->n; i++) {
		struct sched_server *s = &r->farm.list->servers[i];
		const struct book *b = &r->books[s->id];
		s->active = b->active;
		s->inactive = b->inactive;
		s->overloaded = b->overloaded;
	}
	const struct sched_server *s = farm_pick(&r->farm);
	uint32_t got = s ? s->id : 0;
	r->picks++;
	r->equal += got == rs;
	if (got != rs)
		print_error("%s:%u: got rs%u (0: none): %s\n", r->file, r->line, got, line);
	if (!rs)
		return;
	bool active = line[0] == 'C';
	book_in(&r->books[rs], active);
	if (r->one_packet)
		book_out(&r->books[rs], active);
	else
		r->connections[id] = (struct connection){ .server = rs, .active = active };
}

static void closed(struct replay *r, const char *line)
{
	unsigned id = atoi(line + 2);
	struct connection *c = &r->connections[id < CONNECTIONS ? id : 0];

	if (!c->server || !c->active || c->expires)
		return complain(r, "no such connection", line);
	struct book *b = &r->books[c->server];
	b->active--;
	b->inactive++;
	c->active = false;
	c->expires = r->now + (line[0] == 'R' ? CLOSE_S : TIME_WAIT_S);
}

// ---- listings ----

static void listed(struct replay *r, const char *line)
{
	unsigned a, b, c, rs, active, inactive, upper, lower;
	int weight;

	if (!strstr(line, "-> 10."))
		return; // a title
	bool plain = sscanf(line, "| -> %u.%u.%u.1%u:%u Masq %d %u %u", &a, &b, &c, &rs, &a,
	                 &weight, &active, &inactive) == 8;
	bool thresholds = sscanf(line, "| -> %u.%u.%u.1%u:%u %u %u %u %u", &a, &b, &c, &rs, &a,
	                      &upper, &lower, &active, &inactive) == 9;
	if (!(plain || thresholds) || rs >= SERVERS || farm_position(&r->farm, rs) < 0)
		return complain(r, "unknown row", line);
	const struct book *book = &r->books[rs];
	r->rows++;
	if (active != book->active || inactive != book->inactive)
		complain(r, "other connections", line);
	if (plain && weight != farm_server(&r->farm, rs)->weight)
		complain(r, "other weight", line);
	if (thresholds && (upper != book->upper || lower != book->lower))
		complain(r, "other thresholds", line);
}

static void replay_line(struct replay *r, const char *line)
{
	const char *at = strrchr(line, '@');
	if (at && strchr("CUFR#", line[0]))
		r->now = atof(at + 1);
	if (r->ready)
		expire(r);
	if (line[0] == '#')
		return;
	if (line[0] == '$')
		command(r, line);
	else if (line[0] == '|' && r->ready)
		listed(r, line);
	else if (line[0] == 'C' || line[0] == 'U')
		opened(r, line);
	else if (line[0] == 'F' || line[0] == 'R')
		closed(r, line);
	else
		complain(r, "unknown line", line);
}

static bool replay_file(const char *path, const char *name, unsigned *picks)
{
	static struct replay r;
	char line[256];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	r = (struct replay){ .file = name };
	while (fgets(line, sizeof(line), f)) {
		r.line++;
		line[strcspn(line, "\n")] = 0;
		replay_line(&r, line);
	}
	fclose(f);
	farm_free(&r.farm);
	if (r.rows != r.expected_rows)
		complain(&r, "rows are missing", "");
	print_message("%s: %u of %u picks equal\n", name, r.equal, r.picks);
	*picks += r.picks;
	return r.picks > 0 && r.equal == r.picks && !r.wrong;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void test_traces(void **state)
{
	char *paths[] = { *state, NULL };
	unsigned files = 0, bad = 0, picks = 0;
	FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);

	assert_non_null(walk);
	for (FTSENT *e; (e = fts_read(walk)) != NULL;) {
		const char *dot = strrchr(e->fts_name, '.');
		if (e->fts_info != FTS_F || !dot || strcmp(dot, ".trace") != 0)
			continue;
		files++;
		bad += !replay_file(e->fts_path, e->fts_path + strlen(*state) + 1, &picks);
	}
	fts_close(walk);
	print_message("%u recordings, %u picks\n", files, picks);
	assert_true(files > 0);
	assert_int_equal(bad, 0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_traces, argv[1]),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
