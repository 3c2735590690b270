// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "poise.h"

static int global(struct app *app, const struct words *w)
{
	const char *socket = words_option(w, "socket"), *color = words_option(w, "color");
	const char *plain = getenv("NO_COLOR");
	if (socket)
		app->socket = socket;
	app->json = words_flag(w, "json");
	if (!color || strcmp(color, "auto") == 0)
		app->color = isatty(STDOUT_FILENO) && !(plain && plain[0]);
	else if (strcmp(color, "always") == 0)
		app->color = true;
	else if (strcmp(color, "never") != 0)
		return usage_error("--color: \"%s\" is none of auto, always, never", color);
	return DONE;
}

static int run(int argc, const char *const *argv)
{
	struct app app = { .socket = SOCKET_DEFAULT };
	struct words w;
	if (argc > 0 && strcmp(argv[0], "__complete") == 0)
		return complete(&app, argv + 1, argc - 1);
	int rc = words_parse(argc, argv, &w);
	if (rc == DONE)
		rc = global(&app, &w);
	if (rc != DONE) {
		// Said already.
	} else if (words_flag(&w, "help")) {
		rc = help_for(&app, w.positional, w.n_positional);
	} else if (words_flag(&w, "version")) {
		printf("poise %s\n", POISE_VERSION);
	} else {
		rc = w.verb->run(&app, &w);
	}
	client_close(app.client);
	words_release(&w);
	return rc;
}

int main(int argc, char **argv)
{
	// The character set decides how trees are drawn; numbers stay as they are everywhere.
	setlocale(LC_CTYPE, "");
	int rc = run(argc - 1, (const char *const *)argv + 1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "poise: standard output: %s\n", strerror(errno));
		if (rc == DONE)
			rc = REFUSED;
	}
	return rc;
}
