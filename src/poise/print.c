// SPDX-License-Identifier: BSD-3-Clause

#include "print.h"

#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SEPARATOR "  "

struct table {
	const struct app *app;
	struct libscols_table *cols;
	struct libscols_line *line;
	unsigned n_columns, next;
	unsigned flags[COLUMNS_MAX];
	size_t width[COLUMNS_MAX]; // of the widest cell
	bool failed;               // out of memory
};

static const char *const tints[TINT_COUNT] = {
	[TINT_NONE] = "",
	[TINT_BOLD] = "\033[1m",
	[TINT_GOOD] = "\033[32m",
	[TINT_WARN] = "\033[33m",
	[TINT_BAD] = "\033[31m",
};

const char *tint_on(const struct app *app, enum tint tint)
{
	return app->color ? tints[tint] : "";
}

const char *tint_off(const struct app *app)
{
	return app->color ? "\033[0m" : "";
}

struct table *table_new(const struct app *app)
{
	struct table *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->app = app;
	t->cols = scols_new_table();
	if (!t->cols) {
		free(t);
		return NULL;
	}
	scols_table_set_column_separator(t->cols, SEPARATOR);
	scols_table_set_termforce(t->cols, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_minout(t->cols, 1);
	scols_table_enable_colors(t->cols, app->color);
	return t;
}

// Every function below takes a table that could not be made, so that its users need not ask.
static bool usable(const struct table *t)
{
	return t && !t->failed;
}

void table_column(struct table *t, const char *head, unsigned flags)
{
	if (!usable(t) || t->n_columns == COLUMNS_MAX)
		return;
	int f = (flags & COLUMN_RIGHT ? SCOLS_FL_RIGHT : 0) |
	        (flags & COLUMN_TREE ? SCOLS_FL_TREE : 0);
	struct libscols_column *c = scols_table_new_column(t->cols, head, 0, f);
	if (!c) {
		t->failed = true;
		return;
	}
	scols_cell_set_color(scols_column_get_header(c), tints[TINT_BOLD]);
	t->flags[t->n_columns] = flags;
	t->width[t->n_columns] = strlen(head);
	t->n_columns++;
}

struct libscols_line *table_line(struct table *t, struct libscols_line *parent)
{
	if (!usable(t))
		return NULL;
	t->next = 0;
	t->line = scols_table_new_line(t->cols, parent);
	t->failed |= !t->line;
	return t->line;
}

void table_text(struct table *t, const char *text, enum tint tint)
{
	if (!usable(t) || t->next == t->n_columns)
		return;
	unsigned i = t->next++;
	size_t width = strlen(text);
	if ((t->flags[i] & COLUMN_TREE) && scols_line_get_parent(t->line))
		width += 2;
	if (width > t->width[i])
		t->width[i] = width;
	t->failed |= scols_line_set_data(t->line, i, text) != 0;
	if (tint != TINT_NONE && !t->failed)
		scols_cell_set_color(scols_line_get_cell(t->line, i), tints[tint]);
}

void table_number(struct table *t, json_int_t n, enum tint tint)
{
	table_format(t, tint, "%lld", (long long)n);
}

void table_format(struct table *t, enum tint tint, const char *format, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	table_text(t, text, tint);
}

static size_t terminal_width(void)
{
	struct winsize w;
	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static void leave_out_spare(struct table *t)
{
	size_t room = terminal_width(), wanted = 0;
	for (unsigned i = 0; i < t->n_columns; i++)
		wanted += t->width[i] + (i ? strlen(SEPARATOR) : 0);
	for (unsigned i = t->n_columns; room && wanted > room && i-- > 0;) {
		if (!(t->flags[i] & COLUMN_SPARE))
			continue;
		scols_column_set_flags(scols_table_get_column(t->cols, i), SCOLS_FL_HIDDEN);
		wanted -= t->width[i] + strlen(SEPARATOR);
	}
}

void table_print(struct table *t)
{
	if (usable(t)) {
		leave_out_spare(t);
		t->failed |= scols_print_table(t->cols) != 0;
	}
	if (!usable(t))
		fprintf(stderr, "poise: out of memory\n");
	if (t)
		scols_unref_table(t->cols);
	free(t);
}

void print_json(const json_t *document)
{
	json_dumpf(document, stdout, PRINT_JSON_FLAGS | JSON_ENCODE_ANY);
	putchar('\n');
}

void print_refusal(const struct app *app, const json_t *error)
{
	json_t *errors = json_object_get(json_object_get(error, "data"), "errors"), *e;
	size_t i;
	if (app->json) {
		print_json(error);
		return;
	}
	json_array_foreach(errors, i, e) {
		const char *path = get_text(e, "path");
		fprintf(stderr, "%s%s%s\n", path, path[0] ? ": " : "", get_text(e, "text"));
	}
	if (!json_array_size(errors))
		fprintf(stderr, "poise: %s\n", get_text(error, "message"));
}

const char *get_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

json_int_t get_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *duration(json_int_t seconds, char buf[static DURATION_MAX])
{
	long long s = seconds, minutes = s / 60, hours = minutes / 60, days = hours / 24;
	if (days)
		snprintf(buf, DURATION_MAX, "%lld d %lld h", days, hours % 24);
	else if (hours)
		snprintf(buf, DURATION_MAX, "%lld h %lld min", hours, minutes % 60);
	else if (minutes)
		snprintf(buf, DURATION_MAX, "%lld min %lld s", minutes, s % 60);
	else
		snprintf(buf, DURATION_MAX, "%lld s", s);
	return buf;
}

const char *plural(json_int_t n)
{
	return n == 1 ? "" : "s";
}

const char *endpoint(const char *address, json_int_t port, char *buf, size_t size)
{
	bool v6 = strchr(address, ':');
	snprintf(buf, size, "%s%s%s:%lld", v6 ? "[" : "", address, v6 ? "]" : "", (long long)port);
	return buf;
}
