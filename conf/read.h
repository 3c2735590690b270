// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reading a JSON object by a const table of its keys: unknown and missing keys, wrong types and
// values out of range become errors with their path; what is good is stored at the key's
// offset of a struct, what is not leaves it as it was. Used by the configuration's own files
// only.

#include "conf.h"

struct conf_key;

struct conf_reader {
	struct conf_errors *errors;
	void *context; // for the readers of one object
};

typedef void (*conf_read_fn)(
    struct conf_reader *r, const struct conf_key *k, json_t *value, const char *path, void *out);

struct conf_key {
	const char *name;
	conf_read_fn read;
	size_t offset;
	json_int_t min, max;         // numbers; of texts, the most bytes
	const char *const *names;    // of an enumeration, in order from 0; ends with NULL
	const struct conf_key *keys; // of an object within
	bool required;
};

#define CONF_KEYS_MAX 32 // in one table
#define CONF_PATH_MAX 256

// `keys` ends with a NULL name. Returns true when no error was added.
bool conf_read_object(
    struct conf_reader *r, const struct conf_key *keys, json_t *o, const char *path, void *out);

void conf_read_bool(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);
void conf_read_u16(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);
void conf_read_u32(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);
void conf_read_text(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);
void conf_read_enum(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out); // int
void conf_read_addr(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);
void conf_read_within(
    struct conf_reader *, const struct conf_key *, json_t *, const char *, void *out);

// A text, or NULL and an error.
const char *conf_text(struct conf_reader *r, json_t *value, const char *path);
// "\"x\" is not one of a, b, c", with a "did you mean".
void conf_not_one_of(
    struct conf_reader *r, const char *path, const char *text, const char *const *names);

// Calls `read` for each element, with its path and the element of a fresh zeroed array. The array
// and its length, or NULL and 0 and an error.
void *conf_read_list(struct conf_reader *r, json_t *value, const char *path, size_t element,
    void (*read)(struct conf_reader *r, json_t *value, const char *path, void *out), size_t *n);

// "path.key", or "key" where the path is empty; cut to CONF_PATH_MAX.
const char *conf_path_join(char out[static CONF_PATH_MAX], const char *path, const char *key);

// What is there twice among `n` elements of `list`, in O(n log n). `compare` orders two elements;
// `found` is called for each element that has an equal one before it, with both indices, the
// smaller one first, in the order of the list.
struct conf_twice {
	const void *list;
	size_t n, element;
	int (*compare)(const void *a, const void *b);
	void (*found)(
	    struct conf_reader *r, const void *list, size_t first, size_t again, void *arg);
	void *arg;
};
void conf_find_twice(struct conf_reader *r, const struct conf_twice *t);
