// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What people see: tables (libsmartcols), JSON, refusals, and the small formats they share.
//
// Nothing is ever cut. On a terminal that is too narrow, columns marked as spare are left out,
// the last first; into a file or a pipe goes all of it.

#include "poise.h"

enum tint { TINT_NONE, TINT_BOLD, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_COUNT };

enum { // columns
	COLUMN_RIGHT = 1,
	COLUMN_TREE = 2,
	COLUMN_SPARE = 4,
};

#define COLUMNS_MAX 64

struct table;
struct libscols_line;

struct table *table_new(const struct app *app);
void table_column(struct table *t, const char *head, unsigned flags);
// A line below all others, or below those of its parent.
struct libscols_line *table_line(struct table *t, struct libscols_line *parent);
// The next cell of the line made last.
void table_text(struct table *t, const char *text, enum tint tint);
void table_number(struct table *t, json_int_t n, enum tint tint);
void table_format(struct table *t, enum tint tint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_print(struct table *t); // and frees it

const char *tint_on(const struct app *app, enum tint tint); // "" without colour
const char *tint_off(const struct app *app);

void print_json(const json_t *document);
// As it came, or a line for each of data.errors, else the message.
void print_refusal(const struct app *app, const json_t *error);
#define PRINT_JSON_FLAGS (JSON_INDENT(4) | JSON_REAL_PRECISION(15))

// Members of a reply; what is not there is "" or 0.
const char *get_text(const json_t *o, const char *key);
json_int_t get_number(const json_t *o, const char *key);

#define DURATION_MAX 40
const char *duration(json_int_t seconds, char buf[static DURATION_MAX]); // "3 d 4 h"
const char *plural(json_int_t n);                                        // "s" or ""
// "192.0.2.1:80", "[2001:db8::1]:80"
const char *endpoint(const char *address, json_int_t port, char *buf, size_t size);
