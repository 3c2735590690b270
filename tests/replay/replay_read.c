// SPDX-License-Identifier: BSD-3-Clause

// The recorder's text. A line is one of
//
//   # title
//   [  1.23] $ command   # rc=1          and its output:   | ...
//   [  1.23] client sends: packet   # label
//   [  1.23] sleep 4
//            <- rs1: packet
//            45000028...                  the packet above, in hex
//            conn: ...  dest: ...  # note  ! send: error
//
// Whatever else there is, is an error: a recording that is not understood proves nothing.

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

static const char *const HOST_NAMES[HOST_COUNT] = { "client", "rs1", "rs2", "rs3", "rs4", "rs5" };

const char *host_name(unsigned host)
{
	return host < HOST_COUNT ? HOST_NAMES[host] : "nobody";
}

const char *host_address(unsigned host, bool v6)
{
	static const char *const addresses[HOST_COUNT][2] = {
		{ "10.0.0.2", "2001:db8::2" },
		{ "10.1.0.11", "2001:db8:1::11" },
		{ "10.1.0.12", "2001:db8:1::12" },
		{ "10.1.0.13", "2001:db8:1::13" },
		{ "10.1.0.14", "2001:db8:1::14" },
		{ "10.1.0.15", "2001:db8:1::15" },
	};
	return addresses[host][v6];
}

uint16_t host_mac_id(unsigned host)
{
	return host == HOST_CLIENT ? 0xc1 : 0x110 + host;
}

bool host_parse(const char *text, size_t length, unsigned *out)
{
	for (unsigned i = 0; i < HOST_COUNT; i++)
		if (strlen(HOST_NAMES[i]) == length && !strncmp(text, HOST_NAMES[i], length)) {
			*out = i;
			return true;
		}
	return false;
}

struct reader {
	struct recording *r;
	struct step *step;   // the last
	struct gram **wants; // where the next hex line goes; NULL: none is expected
	struct gram *arrived;
	unsigned line;
};

static bool bad(const struct reader *rd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool bad(const struct reader *rd, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fprintf(stderr, "replay: %s:%u: ", rd->r->path, rd->line);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return false;
}

static char *copy(const char *text)
{
	char *s = strdup(text);
	if (!s)
		abort();
	return s;
}

static struct step *new_step(struct reader *rd, enum step_kind kind, double t)
{
	struct step *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->kind = kind;
	s->line = rd->line;
	s->t_ms = t * 1000 + 0.5;
	TAILQ_INIT(&s->expected);
	TAILQ_INSERT_TAIL(&rd->r->steps, s, entry);
	rd->step = s;
	return s;
}

// "text   # label" is cut in two.
static char *take_label(char *text)
{
	char *label = strstr(text, "   # ");
	if (!label)
		return copy("");
	*label = '\0';
	return copy(label + 5);
}

static bool read_sends(struct reader *rd, double t, char *text)
{
	char *sends = strstr(text, " sends: ");
	unsigned host;
	if (!sends || !host_parse(text, sends - text, &host))
		return bad(rd, "neither a command, nor a packet sent, nor a sleep");
	struct step *s = new_step(rd, STEP_SEND, t);
	s->label = take_label(sends + 8);
	s->text = copy(sends + 8);
	s->sent = gram_new(NULL, 0);
	s->sent->host = host;
	s->sent->line = rd->line;
	rd->wants = &s->sent;
	return true;
}

static bool read_timed(struct reader *rd, char *line)
{
	char *end;
	double t = strtod(line + 1, &end);
	if (end == line + 1 || strncmp(end, "] ", 2) != 0 || t < 0)
		return bad(rd, "no time at its beginning");
	end += 2;
	if (!strncmp(end, "$ ", 2)) {
		struct step *s = new_step(rd, STEP_COMMAND, t);
		s->label = take_label(end + 2);
		s->failed = !strncmp(s->label, "rc=", 3);
		s->text = copy(end + 2);
		return true;
	}
	if (!strncmp(end, "sleep ", 6)) {
		struct step *s = new_step(rd, STEP_SLEEP, t);
		s->text = copy(end);
		s->label = copy("");
		s->sleep_ms = atof(end + 6) * 1000 + 0.5;
		return true;
	}
	return read_sends(rd, t, end);
}

static bool read_arrival(struct reader *rd, const char *text)
{
	const char *colon = strchr(text, ':');
	unsigned host;
	if (!rd->step || rd->step->kind != STEP_SEND)
		return bad(rd, "a packet arrives, but none was sent");
	if (!strcmp(text, "(nothing received anywhere)"))
		return true;
	if (!colon || !host_parse(text, colon - text, &host) || colon[1] != ' ')
		return bad(rd, "unknown receiver");
	struct gram *p = gram_new(NULL, 0);
	p->host = host;
	p->line = rd->line;
	p->text = copy(colon + 2);
	TAILQ_INSERT_TAIL(&rd->step->expected, p, entry);
	rd->arrived = p;
	rd->wants = &rd->arrived;
	return true;
}

static int nibble(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10;
}

static bool read_hex(struct reader *rd, const char *hex, size_t length)
{
	if (!rd->wants)
		return bad(rd, "bytes of no packet");
	if (length % 2)
		return bad(rd, "half a byte");
	struct gram *old = *rd->wants, *p = gram_new(NULL, length / 2);
	p->host = old->host;
	p->line = old->line;
	for (size_t i = 0; i < length / 2; i++)
		p->data[i] = nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]);
	if (old == rd->arrived) {
		TAILQ_REMOVE(&rd->step->expected, old, entry);
		TAILQ_INSERT_TAIL(&rd->step->expected, p, entry);
		rd->arrived = NULL;
	} else {
		rd->step->sent = p;
	}
	p->text = old->text;
	free(old);
	rd->wants = NULL;
	return true;
}

static void keep_listing(struct step *s, const char *text)
{
	if (!s)
		return;
	size_t old = s->listing ? strlen(s->listing) : 0;
	s->listing = realloc(s->listing, old + strlen(text) + 2);
	if (!s->listing)
		abort();
	sprintf(s->listing + old, "%s\n", text);
}

static bool read_indented(struct reader *rd, char *line)
{
	size_t indent = strspn(line, " ");
	char *text = line + indent;
	size_t hex = strspn(text, "0123456789abcdef");
	if (!strncmp(text, "<- ", 3))
		return read_arrival(rd, text + 3);
	if (hex >= 2 && text[hex] == '\0')
		return read_hex(rd, text, hex);
	if (!strncmp(text, "conn:", 5) || !strncmp(text, "dest:", 5) || indent >= 15) {
		keep_listing(rd->step, text);
		return true;
	}
	if (!strncmp(text, "! send: ", 8) && rd->step && rd->step->kind == STEP_SEND) {
		rd->step->failed = true;
		return true;
	}
	if (*text == '|' || *text == '#')
		return true;
	return bad(rd, "not understood: %.60s", text);
}

static bool read_line(struct reader *rd, char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
	if (*line == '[')
		return read_timed(rd, line);
	if (*line == ' ')
		return read_indented(rd, line);
	if (*line == '#' || *line == '\0')
		return true;
	return bad(rd, "not understood: %.60s", line);
}

struct recording *recording_read(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return NULL;
	}
	struct recording *r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->name = strrchr(r->path, '/') ? strrchr(r->path, '/') + 1 : r->path;
	TAILQ_INIT(&r->steps);
	struct reader rd = { .r = r };
	char *line = NULL;
	size_t room = 0;
	bool good = true;
	while (good && getline(&line, &room, f) >= 0) {
		rd.line++;
		good = read_line(&rd, line);
	}
	free(line);
	fclose(f);
	if (good)
		return r;
	recording_free(r);
	return NULL;
}

void recording_free(struct recording *r)
{
	struct step *s;
	while ((s = TAILQ_FIRST(&r->steps))) {
		TAILQ_REMOVE(&r->steps, s, entry);
		grams_free(&s->expected);
		gram_free(s->sent);
		free(s->text);
		free(s->label);
		free(s->listing);
		free(s);
	}
	free(r);
}
