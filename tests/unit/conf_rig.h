// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of the configuration share: a directory with one file, and texts as JSON.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/conf.h"

static char dir[] = "/tmp/poise-test-conf.XXXXXX";
static char file[sizeof(dir) + 16];

static inline int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/poise.json", dir);
	return 0;
}

static inline int remove_dir(void **state)
{
	unlink(file);
	return rmdir(dir); // fails when something was left behind
}

static inline json_t *json(const char *text)
{
	json_error_t e;
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!o)
		fail_msg("%s: %s", text, e.text);
	return o;
}

static inline struct conf *parse(const char *text, struct conf_errors *errors)
{
	json_t *root = json(text);
	struct conf *c = conf_parse(root, errors);
	json_decref(root);
	return c;
}
