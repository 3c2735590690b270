// SPDX-License-Identifier: BSD-3-Clause

// The list of what is wrong, and the guess at what was meant.
//
// "No error was added" is how callers know that a configuration is good, so an error is never
// lost: without memory for its text the list still grows, and without memory for the list it
// becomes a constant one.

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static char no_path[] = "", no_memory[] = "out of memory";
static struct conf_error last_resort[] = { { no_path, no_memory } };

// The length of the UTF-8 sequence at `s` when all of it is there, else 0.
static size_t sequence(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

// Errors quote what a file said, cut to a length: they go to terminals, which obey control
// characters, and into JSON, which takes whole characters only.
static char *make_printable(char *text)
{
	unsigned char *s = (unsigned char *)text;
	while (s && *s) {
		size_t n = sequence(s);
		if (n == 0 || (n == 1 && iscntrl(*s)) || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)) {
			*s++ = '?';
			if (n == 2)
				*s++ = '?';
		} else {
			s += n;
		}
	}
	return text;
}

void conf_error_add(struct conf_errors *errors, const char *path, const char *format, ...)
{
	struct conf_error e = {};
	struct conf_error *list = errors->list;
	va_list ap;
	if (errors->list == last_resort)
		return;
	// It has room for the next power of two; growing by one is quadratic for some allocators.
	if ((errors->n & (errors->n - 1)) == 0)
		list = reallocarray(list, errors->n ? errors->n * 2 : 1, sizeof(*list));
	if (!list) {
		conf_errors_clear(errors);
		*errors = (struct conf_errors){ last_resort, 1 };
		return;
	}
	errors->list = list;
	va_start(ap, format);
	if (vasprintf(&e.text, format, ap) < 0)
		e.text = NULL;
	va_end(ap);
	e.path = make_printable(strdup(path));
	if (e.path && e.text) {
		make_printable(e.text);
	} else {
		free(e.path);
		free(e.text);
		e = last_resort[0];
	}
	list[errors->n++] = e;
}

void conf_errors_clear(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n && errors->list != last_resort; i++) {
		if (errors->list[i].text == no_memory)
			continue;
		free(errors->list[i].path);
		free(errors->list[i].text);
	}
	if (errors->list != last_resort)
		free(errors->list);
	*errors = (struct conf_errors){};
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// Edit distance (insert, delete, replace, swap of neighbours) by rows; case does not count.
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
			unsigned d = before[j - 1] + !same(a[i - 1], b[j - 1]);
			d = before[j] + 1 < d ? before[j] + 1 : d;
			d = now[j - 1] + 1 < d ? now[j - 1] + 1 : d;
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
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
