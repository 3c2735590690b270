// SPDX-License-Identifier: BSD-3-Clause

// As much of a shell as recordings need: words, quotes, ";" and "for x in a b; do ...; done".

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay_shell.h"

// The next word; NULL at the end. A ";" outside quotes is a word.
static char *next_word(const char **at)
{
	char word[512];
	size_t n = 0;
	const char *p = *at;
	while (isspace((unsigned char)*p))
		p++;
	if (!*p)
		return NULL;
	char quote = 0;
	if (*p == ';') {
		*at = p + 1;
		return strdup(";");
	}
	for (; *p && (quote || (!isspace((unsigned char)*p) && *p != ';')); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
		else if (n + 1 < sizeof(word))
			word[n++] = *p;
	}
	word[n] = '\0';
	*at = p;
	return strdup(word);
}

// $name in a word.
static char *expand(const char *word, const char *name, const char *value)
{
	char out[512];
	size_t n = 0, length = strlen(name);
	for (const char *p = word; *p && n + 1 < sizeof(out);) {
		if (*p == '$' && !strncmp(p + 1, name, length)) {
			n += snprintf(out + n, sizeof(out) - n, "%s", value);
			p += 1 + length;
		} else {
			out[n++] = *p++;
		}
	}
	out[n < sizeof(out) ? n : sizeof(out) - 1] = '\0';
	return strdup(out);
}

static bool run_words(char **words, unsigned n, shell_command *fn, void *arg);

static bool run_for(char **words, unsigned n, unsigned *used, shell_command *fn, void *arg)
{
	unsigned values = 3, body, end;
	for (body = values; body < n && strcmp(words[body], "do") != 0; body++)
		;
	for (end = body; end < n && strcmp(words[end], "done") != 0; end++)
		;
	if (n < 4 || strcmp(words[2], "in") != 0 || end == n)
		return false;
	*used = end + 1;
	bool good = true;
	for (unsigned v = values; good && v < body && strcmp(words[v], ";") != 0; v++) {
		char *copy[SHELL_WORDS];
		unsigned m = end - body - 1;
		for (unsigned i = 0; i < m; i++)
			copy[i] = expand(words[body + 1 + i], words[1], words[v]);
		good = run_words(copy, m, fn, arg);
		for (unsigned i = 0; i < m; i++)
			free(copy[i]);
	}
	return good;
}

static bool run_words(char **words, unsigned n, shell_command *fn, void *arg)
{
	for (unsigned i = 0; i < n;) {
		unsigned end = i, used;
		if (!strcmp(words[i], ";")) {
			i++;
			continue;
		}
		if (!strcmp(words[i], "for")) {
			if (!run_for(words + i, n - i, &used, fn, arg))
				return false;
			i += used;
			continue;
		}
		while (end < n && strcmp(words[end], ";") != 0)
			end++;
		if (!fn(words + i, end - i, arg))
			return false;
		i = end;
	}
	return true;
}

bool shell_run(const char *line, shell_command *fn, void *arg)
{
	char *words[SHELL_WORDS], *word;
	unsigned n = 0;
	while (n < SHELL_WORDS && (word = next_word(&line)))
		words[n++] = word;
	bool good = n < SHELL_WORDS && run_words(words, n, fn, arg);
	while (n)
		free(words[--n]);
	return good;
}
