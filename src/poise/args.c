// SPDX-License-Identifier: BSD-3-Clause

// A command line against the table of verbs. Options may stand anywhere, as --name VALUE or
// --name=VALUE; what follows "--" is no option.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "poise.h"

#define NAMES_MAX 64

int usage_error(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("poise: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return USAGE;
}

static const char *verb_words(const struct verb *v, char buf[static 64])
{
	snprintf(buf, 64, "%s%s%s", v->noun, v->action ? " " : "", v->action ? v->action : "");
	return buf;
}

// ---- verbs ----

const struct verb *verb_find(const char *const *words, size_t n, size_t *used)
{
	size_t skip = n >= 2 && strcmp(words[0], "show") == 0;
	const struct verb *alone = NULL;
	if (n == 0) {
		*used = 0;
		return &verbs[0];
	}
	for (const struct verb *v = verbs; v->noun; v++) {
		if (strcmp(v->noun, words[skip]) != 0)
			continue;
		if (!v->action) {
			alone = v;
		} else if (!skip && n > 1 && strcmp(v->action, words[1]) == 0) {
			*used = 2;
			return v;
		}
	}
	*used = skip + 1;
	return alone;
}

// What might have been meant by word number `i`, those before it being right.
static const char *near_verb(const char *const *words, size_t i)
{
	const char *names[NAMES_MAX] = {};
	size_t n = 0;
	for (const struct verb *v = verbs; v->noun && n < NAMES_MAX; v++) {
		if (i == 0)
			names[n++] = v->noun;
		else if (v->action && strcmp(v->noun, words[0]) == 0)
			names[n++] = v->action;
	}
	return conf_did_you_mean(words[i], names, n);
}

static int unknown_verb(const char *const *words, size_t n)
{
	size_t show = n >= 2 && strcmp(words[0], "show") == 0, actions = 0;
	char list[100] = "";
	for (const struct verb *v = verbs; v->noun; v++) {
		if (!v->action || strcmp(v->noun, words[show]) != 0)
			continue;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
		    actions++ ? ", " : "", v->action);
	}
	const char *near = near_verb(words + show, 0);
	if (show && actions)
		return usage_error(
		    "\"%s\" cannot be shown, did you mean \"%ss\"?", words[1], words[1]);
	if (!actions)
		return usage_error("there is no verb \"%s\"%s%s%s", words[show],
		    near ? ", did you mean \"" : "", near ? near : "",
		    near ? "\"?" : " (see poise help)");
	if (n < 2)
		return usage_error("%s what? There is: %s", words[0], list);
	near = near_verb(words, 1);
	return usage_error("there is no \"%s %s\"%s%s%s", words[0], words[1],
	    near ? ", did you mean \"" : ", there is: ", near ? near : list, near ? "\"?" : "");
}

// ---- options ----

const struct option *option_named(const struct option *list, const char *name, size_t len)
{
	for (; list && list->name; list++) {
		if (strncmp(list->name, name, len) == 0 && !list->name[len])
			return list;
	}
	return NULL;
}

const struct option *option_find(const struct verb *v, const char *word, const char **value)
{
	const char *name = strcmp(word, "-h") == 0 ? "help" : word + 2;
	size_t len = strcspn(name, "=");
	*value = name[len] ? name + len + 1 : NULL;
	const struct option *o = option_named(global_options, name, len);
	return o || !v ? o : option_named(v->options, name, len);
}

static int unknown_option(const struct verb *v, const char *word)
{
	const char *names[NAMES_MAX] = {};
	char name[64], verb[64];
	size_t n = 0;
	for (const struct option *o = v->options; o && o->name; o++)
		names[n++] = o->name;
	for (const struct option *o = global_options; o->name; o++)
		names[n++] = o->name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = conf_did_you_mean(name + strspn(name, "-"), names, n);
	if (near)
		return usage_error("poise %s has no option %s, did you mean --%s?",
		    verb_words(v, verb), name, near);
	return usage_error("poise %s has no option %s (see poise help %s)", verb_words(v, verb),
	    name, verb_words(v, verb));
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

// One option and, when it has one, its value; *i moves on.
static int take_option(struct words *w, int argc, const char *const *argv, int *i)
{
	const char *value, *word = argv[*i];
	const struct option *o = NULL;
	size_t used;
	if (strncmp(word, "--", 2) == 0 || strcmp(word, "-h") == 0)
		o = option_find(w->verb, word, &value);
	if (!o && !w->verb) {
		w->verb = verb_find(w->positional, w->n_positional, &used);
		if (!w->verb)
			return unknown_verb(w->positional, w->n_positional);
		return take_option(w, argc, argv, i);
	}
	if (!o)
		return unknown_option(w->verb, word);
	if (o->kind == KIND_FLAG && value)
		return usage_error("--%s takes no value", o->name);
	if (o->kind != KIND_FLAG && !value) {
		if (*i + 1 >= argc)
			return usage_error(
			    "--%s needs a value: --%s %s", o->name, o->name, kinds[o->kind].name);
		value = argv[++*i];
	}
	for (size_t k = 0; k < w->n_options; k++) {
		if (w->options[k].option == o && !kinds[o->kind].repeat && o->kind != KIND_FLAG)
			return usage_error("--%s is given twice", o->name);
	}
	w->options[w->n_options++] = (struct given){ o, value };
	return DONE;
}

// ---- arguments ----

bool service_in_two_words(const struct verb *v, const char *const *args, size_t n)
{
	return v->n_args && v->args[0].kind == KIND_SERVICE && n == v->n_args + 1 &&
	       (strcmp(args[0], "tcp") == 0 || strcmp(args[0], "udp") == 0);
}

static int take_arguments(struct words *w, const char *const *args, size_t n)
{
	const struct verb *v = w->verb;
	char verb[64], synopsis[200];
	w->rest = args;
	w->n_rest = n;
	if (v->n_args && v->args[0].kind == KIND_VERB)
		return DONE;
	verb_synopsis(v, synopsis, sizeof(synopsis));
	size_t skip = service_in_two_words(v, args, n);
	if (skip && asprintf(&w->joined, "%s %s", args[0], args[1]) < 0) {
		w->joined = NULL;
		return usage_error("%s", strerror(ENOMEM));
	}
	if (n - skip > v->n_args) {
		const char *near = v->action || v->n_args ? NULL : near_verb(&args[-1], 1);
		if (near)
			return usage_error(
			    "there is no \"%s %s\", did you mean \"%s\"?", v->noun, args[0], near);
		return usage_error(
		    "unexpected \"%s\", expected: poise %s", args[v->n_args + skip], synopsis);
	}
	for (unsigned i = 0; i < v->n_args; i++) {
		if (i + skip < n)
			w->args[i] = i == 0 && skip ? w->joined : args[i + skip];
		else if (!v->args[i].optional)
			return usage_error("poise %s needs %s: poise %s", verb_words(v, verb),
			    kinds[v->args[i].kind].name, synopsis);
	}
	return DONE;
}

int words_parse(int argc, const char *const *argv, struct words *w)
{
	size_t used = 0;
	bool options = true;
	*w = (struct words){};
	w->positional = calloc(argc + 1, sizeof(w->positional[0]));
	w->options = calloc(argc + 1, sizeof(w->options[0]));
	if (!w->positional || !w->options)
		return usage_error("%s", strerror(ENOMEM));
	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && is_option(argv[i])) {
			int rc = take_option(w, argc, argv, &i);
			if (rc != DONE)
				return rc;
		} else {
			w->positional[w->n_positional++] = argv[i];
		}
	}
	// These two need no proper verb.
	if (words_flag(w, "help") || words_flag(w, "version"))
		return DONE;
	w->verb = verb_find(w->positional, w->n_positional, &used);
	if (!w->verb)
		return unknown_verb(w->positional, w->n_positional);
	return take_arguments(w, w->positional + used, w->n_positional - used);
}

void words_release(struct words *w)
{
	free(w->positional);
	free(w->options);
	free(w->joined);
}

// ---- what was given ----

const char *words_option_at(const struct words *w, const char *name, size_t i)
{
	for (size_t k = 0; k < w->n_options; k++) {
		if (strcmp(w->options[k].option->name, name) == 0 && i-- == 0)
			return w->options[k].value;
	}
	return NULL;
}

const char *words_option(const struct words *w, const char *name)
{
	return words_option_at(w, name, 0);
}

bool words_flag(const struct words *w, const char *name)
{
	for (size_t k = 0; k < w->n_options; k++) {
		if (strcmp(w->options[k].option->name, name) == 0)
			return true;
	}
	return false;
}

int words_number(
    const struct words *w, const char *name, long long min, long long max, json_t *into)
{
	const char *text = words_option(w, name), *problem;
	if (!text)
		return DONE;
	long long n = strtonum(text, min, max, &problem);
	if (problem)
		return usage_error("--%s: \"%s\" is not a number%s", name, text,
		    strcmp(problem, "invalid") == 0 ? "" : " in its range");
	json_object_set_new(into, name, json_integer(n));
	return DONE;
}
