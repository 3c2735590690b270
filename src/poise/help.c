// SPDX-License-Identifier: BSD-3-Clause

// Help out of the table of verbs.

#include <stdio.h>
#include <string.h>

#include "poise.h"
#include "print.h"

static void append(char *buf, size_t size, const char *text)
{
	strlcat(buf, text, size);
}

void verb_synopsis(const struct verb *v, char *buf, size_t size)
{
	buf[0] = '\0';
	append(buf, size, v->noun);
	if (v->action) {
		append(buf, size, " ");
		append(buf, size, v->action);
	}
	for (unsigned i = 0; i < v->n_args; i++) {
		append(buf, size, v->args[i].optional ? " [" : " ");
		append(buf, size, kinds[v->args[i].kind].name);
		append(buf, size, v->args[i].optional ? "]" : "");
	}
}

static void print_options(const struct option *list)
{
	for (; list && list->name; list++) {
		char text[80];
		bool flag = list->kind == KIND_FLAG;
		snprintf(text, sizeof(text), "--%s%s%s", list->name, flag ? "" : " ",
		    flag ? "" : kinds[list->kind].name);
		printf("  %-32s  %s%s\n", text, list->help,
		    kinds[list->kind].repeat ? " (repeatable)" : "");
	}
}

static void print_verbs(bool shown)
{
	for (const struct verb *v = verbs; v->noun; v++) {
		char text[200];
		if (!v->action != shown)
			continue;
		verb_synopsis(v, text, sizeof(text));
		if (v->options)
			append(text, sizeof(text), " [OPTION...]");
		printf("  %-*s  %s\n", shown ? 24 : 42, text, v->help);
	}
}

static void print_usage(void)
{
	printf("usage: poise [OPTION...] [VERB...]\n\n"
	       "To see (\"show\" may stand before it; without a verb: show):\n");
	print_verbs(true);
	printf("\nTo change:\n");
	print_verbs(false);
	printf("\nOptions:\n");
	print_options(global_options);
	printf("\nExit code: 0 done, 1 refused, 2 usage, 3 no daemon. See poise(8), "
	       "poise.json(5).\n");
}

static void print_choices(enum kind kind)
{
	if (!kinds[kind].choices)
		return;
	printf("\n%s:", kinds[kind].name);
	for (const char *const *c = kinds[kind].choices; *c; c++)
		printf(" %s", *c);
}

static void print_verb(const struct verb *v)
{
	char text[200];
	verb_synopsis(v, text, sizeof(text));
	printf("usage: poise %s%s\n%s\n", text, v->options ? " [OPTION...]" : "", v->help);
	if (v->more)
		printf("\n%s\n", v->more);
	if (v->options) {
		printf("\nOptions:\n");
		print_options(v->options);
	}
	bool choices = false;
	for (unsigned i = 0; i < v->n_args; i++) {
		print_choices(v->args[i].kind);
		choices |= kinds[v->args[i].kind].choices != NULL;
	}
	for (const struct option *o = v->options; o && o->name; o++) {
		print_choices(o->kind);
		choices |= kinds[o->kind].choices != NULL;
	}
	if (choices)
		putchar('\n');
}

static json_t *options_json(const struct option *list)
{
	json_t *a = json_array();
	for (; list && list->name; list++)
		json_array_append_new(a, json_pack("{s:s,s:s?,s:s,s:b}", "name", list->name,
		                             "value", kinds[list->kind].name, "help", list->help,
		                             "repeat", kinds[list->kind].repeat));
	return a;
}

// The whole table, for programs.
static void print_table(void)
{
	json_t *list = json_array();
	for (const struct verb *v = verbs; v->noun; v++) {
		char text[200];
		verb_synopsis(v, text, sizeof(text));
		json_array_append_new(list,
		    json_pack("{s:s,s:s?,s:s,s:s,s:o}", "noun", v->noun, "action", v->action,
		        "synopsis", text, "help", v->help, "options", options_json(v->options)));
	}
	json_t *o = json_pack("{s:o,s:o}", "verbs", list, "options", options_json(global_options));
	print_json(o);
	json_decref(o);
}

int help_for(struct app *app, const char *const *words, size_t n)
{
	size_t used, show = n > 1 && strcmp(words[0], "show") == 0, found = 0;
	if (app->json) {
		print_table();
		return DONE;
	}
	if (n == 0) {
		print_usage();
		return DONE;
	}
	// A noun alone: all that can be done with it.
	for (const struct verb *v = verbs; v->noun; v++) {
		if (strcmp(v->noun, words[show]) != 0 ||
		    (n > show + 1 && v != verb_find(words, n, &used)))
			continue;
		if (found++)
			putchar('\n');
		print_verb(v);
	}
	if (!found)
		return usage_error("there is no verb \"%s%s%s\" (see poise help)", words[0],
		    n > 1 ? " " : "", n > 1 ? words[1] : "");
	return DONE;
}

int run_help(struct app *app, const struct words *w)
{
	return help_for(app, w->rest, w->n_rest);
}
