// SPDX-License-Identifier: BSD-3-Clause

// What the loader says, for tests/unit/test_schema.py: reads each FILE, or without one each
// line of standard input as a file of its own. Writes one line of JSON for each:
// {"errors": ["path: text", ...], "saved": the file that loads as the same, or null}.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static int answer(struct conf *c, struct conf_errors *errors)
{
	json_t *list = json_array();
	for (size_t i = 0; i < errors->n; i++) {
		char *text = NULL;
		if (asprintf(&text, "%s: %s", errors->list[i].path, errors->list[i].text) < 0)
			abort();
		json_array_append_new(list, json_string(text));
		free(text);
	}
	json_t *o = json_pack(
	    "{s:o,s:o}", "errors", list, "saved", c ? conf_to_json(c) : json_null());
	conf_free(c);
	conf_errors_clear(errors);
	int ret = o ? json_dumpf(o, stdout, JSON_COMPACT) : -1;
	json_decref(o);
	return putchar('\n') == EOF ? -1 : ret;
}

static struct conf *parse_line(const char *line, struct conf_errors *errors)
{
	json_error_t e;
	json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		conf_error_add(errors, "", "line %d, column %d: %s", e.line, e.column, e.text);
		return NULL;
	}
	struct conf *c = conf_parse(root, errors);
	json_decref(root);
	return c;
}

int main(int argc, char **argv)
{
	struct conf_errors errors = {};
	char *line = NULL;
	size_t size = 0;
	int ret = 0;
	for (int i = 1; i < argc && ret == 0; i++)
		ret = answer(conf_load(argv[i], &errors), &errors);
	while (argc < 2 && ret == 0 && getline(&line, &size, stdin) > 0)
		ret = answer(parse_line(line, &errors), &errors);
	free(line);
	return ret < 0;
}
