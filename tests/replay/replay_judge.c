// SPDX-License-Identifier: BSD-3-Clause

// A packet was sent: did what came of it arrive where it should, and nothing else?

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay_play.h"

// ---- descriptions instead of bytes ----

static bool hex_word(const char *text, unsigned long *out)
{
	char *end;
	*out = strtoul(text, &end, 16);
	return end - text == 4;
}

// An id that the kernel chose, as in the table of free fields: not 0, and not the one that the
// packet came with, except in a header that the director put around it.
static bool id_is_free(const struct step *s, const char *expected, const char *at, unsigned long id)
{
	bool v4 = s->sent->bytes >= 20 && s->sent->data[0] >> 4 == 4;
	const char *close = strrchr(expected, '}');
	bool outer = strchr(expected, '{') && close && at > close;
	return id && (outer || !v4 || get16(s->sent->data + 4) != id);
}

static bool same_text(const struct step *s, const char *expected, const char *got)
{
	const char *e = expected, *g = got;
	if (strstr(e, " GUE hdr=") && strchr(e, ' ') && strchr(g, ' ')) {
		// The source port is free, and is the first thing in the text.
		const char *a = strchr(e, ' '), *b = strchr(g, ' ');
		const char *x = memrchr(e, ':', a - e), *y = memrchr(g, ':', b - g);
		if (!x || !y || x - e != y - g || memcmp(e, g, x - e) != 0)
			return false;
		e = a;
		g = b;
	}
	while (*e && *e == *g) {
		unsigned long id, other;
		if (!strncmp(e, " id=", 4) && !strncmp(g, " id=", 4) && hex_word(e + 4, &id) &&
		    hex_word(g + 4, &other) && id_is_free(s, expected, e, id)) {
			e += 8;
			g += 8;
			continue;
		}
		e++;
		g++;
	}
	return *e == *g;
}

static const char *differs(
    const struct player *pl, const struct step *s, const struct gram *expected, struct gram *got)
{
	const struct director *d = &pl->director;
	struct context c = { s, d->gue_ports, d->n_gue_ports };
	if (expected->host != got->host)
		return "arrived somewhere else";
	if (expected->bytes)
		return gram_differs(expected, got, &c);
	char *text = gram_to_text(got->data, got->bytes);
	bool same = same_text(s, expected->text, text);
	free(text);
	return same ? NULL : "is another packet";
}

// ---- what is expected ----

// Packets as the receiver's kernel hands them up; of pieces that may be nothing.
static void expected_of(struct player *pl, struct step *s, struct grams *whole)
{
	struct gram *e;
	TAILQ_INIT(whole);
	while ((e = TAILQ_FIRST(&s->expected))) {
		struct gram *piece = e;
		unsigned host = e->host, line = e->line;
		TAILQ_REMOVE(&s->expected, e, entry);
		if (!e->bytes && strstr(e->text, "frag(off=")) {
			piece = gram_from_text(e->text, pl->director.last_port);
			if (!piece) { // compared as text, and never equal
				TAILQ_INSERT_TAIL(whole, e, entry);
				continue;
			}
			piece->filler = true;
			gram_free(e);
		}
		if (piece->bytes)
			piece = receive(pl, pl->expected[host], piece);
		if (!piece)
			continue;
		piece->host = host;
		piece->line = line;
		TAILQ_INSERT_TAIL(whole, piece, entry);
	}
}

// ---- the report ----

static void say(struct verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct verdict *v, const char *format, ...)
{
	size_t n = strlen(v->first);
	va_list ap;
	va_start(ap, format);
	vsnprintf(v->first + n, sizeof(v->first) - n, format, ap);
	va_end(ap);
}

static void say_packet(struct verdict *v, const char *what, const struct gram *p)
{
	say(v, "    %s %s: ", what, host_name(p->host));
	if (!p->bytes) {
		say(v, "%s\n", p->text);
		return;
	}
	char *text = gram_to_text(p->data, p->bytes);
	say(v, "%s%s\n      ", text, p->reassembled ? " (put together from pieces)" : "");
	free(text);
	size_t n = p->bytes < 160 ? p->bytes : 160;
	for (size_t i = 0; i < n; i++)
		say(v, "%02x", p->data[i]);
	say(v, "%s\n", n < p->bytes ? "..." : "");
}

static void report(
    struct player *pl, const struct step *s, const struct grams *missing, const char *why)
{
	struct verdict *v = &pl->verdict;
	const struct gram *p;
	if (v->first[0])
		return;
	say(v, "  line %u, %s sends: %.160s   # %s\n", s->line, host_name(s->sent->host), s->text,
	    s->label);
	TAILQ_FOREACH(p, missing, entry)
		say_packet(v, "expected at", p);
	if (TAILQ_EMPTY(missing))
		say(v, "    nothing more is expected\n");
	TAILQ_FOREACH(p, &pl->got, entry)
		say_packet(v, "got at", p);
	if (TAILQ_EMPTY(&pl->got))
		say(v, "    nothing (more) arrived\n");
	if (why)
		say(v, "    %s\n", why);
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
		if (lab_drops(pl->lab, r) != pl->drops[r])
			say(v, "    dropped: %s\n", drop_reasons[r].help);
	if (pl->punted)
		say(v, "    %" PRIu64 " went to the kernel\n", pl->punted);
}

// ---- the verdict ----

// Takes out of both lists what is equal; the last difference seen.
static const char *match(struct player *pl, const struct step *s, struct grams *expected)
{
	const char *why = NULL;
	struct gram *e, *next, *g;
	for (e = TAILQ_FIRST(expected); e; e = next) {
		next = TAILQ_NEXT(e, entry);
		TAILQ_FOREACH(g, &pl->got, entry) {
			const char *d = differs(pl, s, e, g);
			if (!d)
				break;
			why = d;
		}
		if (!g)
			continue;
		TAILQ_REMOVE(expected, e, entry);
		TAILQ_REMOVE(&pl->got, g, entry);
		gram_free(e);
		gram_free(g);
	}
	return why;
}

bool judge(struct player *pl, struct step *s)
{
	const struct difference *known = difference_for(pl->recording->name, s);
	struct grams expected, *got = &pl->got;
	const char *why = NULL;
	bool good;
	expected_of(pl, s, &expected);
	if (known) {
		good = known->right(s, got);
		why = known->reason;
	} else {
		why = match(pl, s, &expected);
		good = TAILQ_EMPTY(&expected) && TAILQ_EMPTY(got);
	}
	pl->verdict.packets++;
	if (good)
		pl->verdict.equal++;
	else
		report(pl, s, &expected, why);
	grams_free(&expected);
	grams_free(got);
	return true;
}
