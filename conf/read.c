// SPDX-License-Identifier: BSD-3-Clause

#include "read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- errors ----

void conf_error_add(struct conf_errors *errors, const char *path, const char *format, ...)
{
	struct conf_error e = {};
	struct conf_error *list = reallocarray(errors->list, errors->n + 1, sizeof(*list));
	va_list ap;
	if (!list)
		return;
	errors->list = list;
	va_start(ap, format);
	if (vasprintf(&e.text, format, ap) < 0)
		e.text = NULL;
	va_end(ap);
	e.path = strdup(path);
	if (!e.text || !e.path) {
		free(e.text);
		free(e.path);
		return;
	}
	list[errors->n++] = e;
}

void conf_errors_clear(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		free(errors->list[i].path);
		free(errors->list[i].text);
	}
	free(errors->list);
	*errors = (struct conf_errors){};
}

// Edit distance (insert, delete, replace, swap of neighbours) by rows.
static unsigned distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	size_t n = strlen(a), m = strlen(b);
	unsigned row[3][MAX + 1];
	if (n > MAX || m > MAX)
		return MAX;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *second = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			unsigned d = before[j - 1] + (a[i - 1] != b[j - 1]);
			d = before[j] + 1 < d ? before[j] + 1 : d;
			d = now[j - 1] + 1 < d ? now[j - 1] + 1 : d;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = second[j - 2] + 1 < d ? second[j - 2] + 1 : d;
			now[j] = d;
		}
	}
	return row[n % 3][m];
}

const char *conf_did_you_mean(const char *text, const char *const *names, size_t n)
{
	const char *best = NULL;
	unsigned nearest = strlen(text) < 4 ? 2 : 3; // so many mistakes and more are another word
	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(text, names[i]);
		if (d < nearest) {
			nearest = d;
			best = names[i];
		}
	}
	return best;
}

// ---- objects ----

static void unknown_key(
    struct conf_reader *r, const struct conf_key *keys, const char *key, const char *path)
{
	const char *names[64];
	size_t n = 0;
	for (; keys[n].name; n++)
		names[n] = keys[n].name;
	const char *near = conf_did_you_mean(key, names, n);
	if (near)
		conf_error_add(r->errors, path, "unknown key, did you mean \"%s\"?", near);
	else
		conf_error_add(r->errors, path, "unknown key");
}

static void join(char *out, const char *path, const char *key)
{
	snprintf(out, CONF_PATH_MAX, "%s%s%.100s", path, path[0] ? "." : "", key);
}

bool conf_read_object(
    struct conf_reader *r, const struct conf_key *keys, json_t *o, const char *path, void *out)
{
	size_t before = r->errors->n;
	char sub[CONF_PATH_MAX];
	const char *name;
	json_t *value;
	if (!json_is_object(o)) {
		conf_error_add(r->errors, path, "is not an object");
		return false;
	}
	json_object_foreach(o, name, value) {
		const struct conf_key *k = keys;
		while (k->name && strcmp(k->name, name) != 0)
			k++;
		join(sub, path, name);
		if (!k->name)
			unknown_key(r, keys, name, sub);
	}
	for (const struct conf_key *k = keys; k->name; k++) {
		value = json_object_get(o, k->name);
		join(sub, path, k->name);
		if (value)
			k->read(r, k, value, sub, (char *)out + k->offset);
		else if (k->required)
			conf_error_add(r->errors, sub, "is missing");
	}
	return r->errors->n == before;
}

void conf_read_within(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	// Keys of an inner object keep offsets into the outer struct.
	conf_read_object(r, k->keys, v, path, (char *)out - k->offset);
}

void *conf_read_list(struct conf_reader *r, json_t *value, const char *path, size_t element,
    void (*read)(struct conf_reader *r, json_t *value, const char *path, void *out), size_t *n)
{
	*n = 0;
	if (!json_is_array(value)) {
		conf_error_add(r->errors, path, "is not a list");
		return NULL;
	}
	char *list = calloc(json_array_size(value) + 1, element);
	for (size_t i = 0; list && i < json_array_size(value); i++) {
		char sub[CONF_PATH_MAX];
		snprintf(sub, sizeof(sub), "%.200s[%zu]", path, i);
		read(r, json_array_get(value, i), sub, list + element * (*n)++);
	}
	return list;
}

// ---- values ----

static bool number(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, json_int_t *out)
{
	json_int_t n = json_integer_value(v);
	if (!json_is_integer(v)) {
		conf_error_add(r->errors, path, "is not a whole number");
		return false;
	}
	if (n < k->min || n > k->max) {
		conf_error_add(r->errors, path,
		    "%" JSON_INTEGER_FORMAT " is not between %" JSON_INTEGER_FORMAT
		    " and %" JSON_INTEGER_FORMAT,
		    n, k->min, k->max);
		return false;
	}
	*out = n;
	return true;
}

void conf_read_u16(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	json_int_t n;
	if (number(r, k, v, path, &n))
		*(uint16_t *)out = n;
}

void conf_read_u32(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	json_int_t n;
	if (number(r, k, v, path, &n))
		*(uint32_t *)out = n;
}

void conf_read_bool(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	if (json_is_boolean(v))
		*(bool *)out = json_is_true(v);
	else
		conf_error_add(r->errors, path, "is neither true nor false");
}

const char *conf_text(struct conf_reader *r, json_t *v, const char *path)
{
	if (!json_is_string(v)) {
		conf_error_add(r->errors, path, "is not a text");
		return NULL;
	}
	return json_string_value(v);
}

void conf_read_text(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	if (!text)
		return;
	if (!text[0])
		conf_error_add(r->errors, path, "is empty");
	else if ((json_int_t)strlen(text) > k->max)
		conf_error_add(r->errors, path, "is longer than %d characters", (int)k->max);
	else
		strcpy(out, text); // fits: max is one less than the field
}

void conf_not_one_of(
    struct conf_reader *r, const char *path, const char *text, const char *const *names)
{
	char list[256] = "";
	size_t n = 0;
	for (; names[n]; n++) {
		size_t at = strlen(list);
		snprintf(list + at, sizeof(list) - at, "%s\"%s\"", n ? ", " : "", names[n]);
	}
	const char *near = conf_did_you_mean(text, names, n);
	if (near)
		conf_error_add(r->errors, path, "\"%.60s\" is not one of %s; did you mean \"%s\"?",
		    text, list, near);
	else
		conf_error_add(r->errors, path, "\"%.60s\" is not one of %s", text, list);
}

void conf_read_enum(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	for (int i = 0; text && k->names[i]; i++) {
		if (strcmp(text, k->names[i]) == 0) {
			*(int *)out = i;
			return;
		}
	}
	if (text)
		conf_not_one_of(r, path, text, k->names);
}

void conf_read_addr(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	struct ip_addr a;
	if (!text)
		return;
	if (ip_addr_parse(text, &a) < 0)
		conf_error_add(r->errors, path, "\"%.60s\" is not an IP address", text);
	else if (!ip_addr_is_unicast(&a))
		conf_error_add(r->errors, path, "%.60s is not a unicast address", text);
	else
		*(struct ip_addr *)out = a;
}
