// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "conf/conf.h"
#include "print.h"

static void print_document(struct app *app, const json_t *result)
{
	print_json(result);
}

int show_config(struct app *app, const struct words *w)
{
	return app_ask(app, "config.get", NULL, print_document);
}

// ---- check ----

static json_t *errors_json(const struct conf_errors *errors)
{
	json_t *list = json_array();
	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "path", errors->list[i].path,
		                                "text", errors->list[i].text));
	return json_pack("{s:o}", "errors", list);
}

int config_check(struct app *app, const struct words *w)
{
	struct conf_errors errors = {};
	struct conf *c = conf_load(w->args[0], &errors);
	int rc = c ? DONE : REFUSED;
	conf_free(c);
	if (app->json) {
		json_t *o = errors_json(&errors);
		print_json(o);
		json_decref(o);
	} else {
		for (size_t i = 0; i < errors.n; i++) {
			const struct conf_error *e = &errors.list[i];
			fprintf(stderr, "%s%s%s\n", e->path, e->path[0] ? ": " : "", e->text);
		}
		if (errors.n)
			fprintf(
			    stderr, "%s: %zu error%s\n", w->args[0], errors.n, plural(errors.n));
		else
			printf("%s: good\n", w->args[0]);
	}
	conf_errors_clear(&errors);
	return rc;
}

// ---- reload ----

static void print_reloaded(struct app *app, const json_t *result)
{
	printf("%lld added, %lld changed, %lld removed\n", (long long)get_number(result, "added"),
	    (long long)get_number(result, "changed"), (long long)get_number(result, "removed"));
}

int config_reload(struct app *app, const struct words *w)
{
	return app_ask(app, "config.reload", NULL, print_reloaded);
}

// ---- save ----

// A new file beside `path`, renamed over it when it is whole. 0 or negative errno.
static int write_file(const char *path, const json_t *document)
{
	char temporary[PATH_MAX];
	struct stat old;
	int ret;
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
		return -ENAMETOOLONG;
	int fd = mkstemp(temporary);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0);
	umask(mask);
	if (fchmod(fd, stat(path, &old) == 0 ? old.st_mode & 07777 : 0666 & ~mask) < 0)
		goto failed;
	if (json_dumpfd(document, fd, PRINT_JSON_FLAGS) < 0 || write(fd, "\n", 1) != 1 ||
	    fsync(fd) < 0)
		goto failed;
	ret = close(fd);
	fd = -1;
	if (ret < 0 || rename(temporary, path) < 0)
		goto failed;
	return 0;
failed:
	ret = errno ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
	unlink(temporary);
	return ret;
}

// A link is followed, so that it is not the link that is replaced.
static int save_to(struct app *app, const char *path, const json_t *document)
{
	char *real = realpath(path, NULL);
	int ret = write_file(real ? real : path, document);
	free(real);
	if (ret < 0) {
		fprintf(stderr, "poise: %s: %s\n", path, strerror(-ret));
		return REFUSED;
	}
	if (app->json) {
		json_t *o = json_pack("{s:s}", "file", path);
		print_json(o);
		json_decref(o);
	} else {
		printf("written to %s\n", path);
	}
	return DONE;
}

static void print_saved(struct app *app, const json_t *result)
{
	printf("written to %s\n", get_text(result, "file"));
}

int config_save(struct app *app, const struct words *w)
{
	const char *path = w->args[0];
	json_t *document;
	if (!path)
		return app_ask(app, "config.save", NULL, print_saved);
	if (strcmp(path, "-") == 0)
		return show_config(app, w);
	int rc = app_call(app, "config.get", NULL, &document);
	if (rc == DONE) {
		rc = save_to(app, path, document);
		json_decref(document);
	}
	return rc;
}
