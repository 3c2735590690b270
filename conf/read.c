// SPDX-License-Identifier: BSD-3-Clause

#include "read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- objects ----

// A list or an object with this many errors is not read further: the file is of another kind.
#define ERRORS_ENOUGH 10000

static bool enough(struct conf_reader *r, size_t before, const char *path)
{
	if (r->errors->n - before < ERRORS_ENOUGH)
		return false;
	conf_error_add(r->errors, path, "too many errors, the rest is not read");
	return true;
}

static void unknown_key(
    struct conf_reader *r, const struct conf_key *keys, const char *key, const char *path)
{
	const char *names[CONF_KEYS_MAX];
	size_t n = 0;
	for (; keys[n].name && n < CONF_KEYS_MAX; n++)
		names[n] = keys[n].name;
	const char *near = conf_did_you_mean(key, names, n);
	if (near)
		conf_error_add(r->errors, path, "unknown key, did you mean \"%s\"?", near);
	else
		conf_error_add(r->errors, path, "unknown key");
}

const char *conf_path_join(char out[static CONF_PATH_MAX], const char *path, const char *key)
{
	size_t n = strlcpy(out, path, CONF_PATH_MAX);
	if (n && n < CONF_PATH_MAX - 1)
		out[n++] = '.';
	if (n < CONF_PATH_MAX)
		strlcpy(out + n, key, CONF_PATH_MAX - n);
	return out;
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
		if (k->name)
			continue;
		if (enough(r, before, path))
			break;
		unknown_key(r, keys, name, conf_path_join(sub, path, name));
	}
	for (const struct conf_key *k = keys; k->name; k++) {
		value = json_object_get(o, k->name);
		if (!value && !k->required)
			continue;
		conf_path_join(sub, path, k->name);
		if (value)
			k->read(r, k, value, sub, (char *)out + k->offset);
		else
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
	size_t before = r->errors->n, size = json_array_size(value);
	*n = 0;
	if (!json_is_array(value)) {
		conf_error_add(r->errors, path, "is not a list");
		return NULL;
	}
	char *list = calloc(size + 1, element);
	if (!list) {
		conf_error_add(r->errors, path, "out of memory");
		return NULL;
	}
	while (*n < size && !enough(r, before, path)) {
		char sub[CONF_PATH_MAX];
		snprintf(sub, sizeof(sub), "%.200s[%zu]", path, *n);
		read(r, json_array_get(value, *n), sub, list + element * *n);
		(*n)++;
	}
	return list;
}

struct place {
	const void *what;
	size_t index;
};

static int place_compare(const void *x, const void *y, void *arg)
{
	const struct place *a = x, *b = y;
	const struct conf_twice *t = arg;
	int d = t->compare(a->what, b->what);
	return d ? d : a->index < b->index ? -1 : a->index > b->index;
}

void conf_find_twice(struct conf_reader *r, const struct conf_twice *t)
{
	struct place *places = calloc(t->n + 1, sizeof(*places));
	size_t *first = calloc(t->n + 1, sizeof(*first)); // of its equals; by index
	if (!places || !first) {
		conf_error_add(r->errors, "", "out of memory");
		goto out;
	}
	for (size_t i = 0; i < t->n; i++)
		places[i] = (struct place){ (const char *)t->list + i * t->element, i };
	qsort_r(places, t->n, sizeof(*places), place_compare, (void *)t);
	for (size_t i = 0; i < t->n; i++) {
		const struct place *p = &places[i];
		bool again = i > 0 && t->compare(p[-1].what, p->what) == 0;
		first[p->index] = again ? first[p[-1].index] : p->index;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (first[i] != i)
			t->found(r, t->list, first[i], i, t->arg);
	}
out:
	free(places);
	free(first);
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
		conf_error_add(r->errors, path, "is longer than %d bytes", (int)k->max);
	else
		strlcpy(out, text, k->max + 1); // max is one less than the field
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
