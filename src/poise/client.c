// SPDX-License-Identifier: BSD-3-Clause

#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "print.h"

struct client {
	int fd;
	FILE *in;
	char *line;
	size_t room;
	json_int_t id;
};

int client_open(const char *path, unsigned timeout_s, struct client **out)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = timeout_s };
	if (strlcpy(to.sun_path, path, sizeof(to.sun_path)) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	struct client *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	int ret;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		goto no_socket;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		goto no_connection;
	c->in = fdopen(c->fd, "r");
	if (!c->in)
		goto no_connection;
	*out = c;
	return 0;
no_connection:
	ret = -errno;
	close(c->fd);
	free(c);
	return ret;
no_socket:
	ret = -errno;
	free(c);
	return ret;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	fclose(c->in);
	free(c->line);
	free(c);
}

static int send_line(struct client *c, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	size_t len = strlen(text);
	text[len++] = '\n'; // in place of the NUL
	int ret = 0;
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(c->fd, text + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR) {
			ret = -errno;
			break;
		}
		sent += n > 0 ? n : 0;
	}
	free(text);
	return ret;
}

static int read_reply(struct client *c, json_t **reply)
{
	errno = 0;
	ssize_t n = getline(&c->line, &c->room, c->in);
	if (n < 0)
		return errno == EAGAIN                ? -ETIMEDOUT
		       : errno && errno != ECONNRESET ? -errno
		                                      : -EPIPE;
	json_t *o = json_loadb(c->line, n, 0, NULL);
	json_t *error = json_object_get(o, "error"), *result = json_object_get(o, "result");
	json_t *id = json_object_get(o, "id");
	int ret = -EPROTO;
	// What concerns the connection and not a request ("too many clients") has no id.
	if (json_is_object(error) && (!id || json_is_null(id) || json_integer_value(id) == c->id)) {
		*reply = json_incref(error);
		ret = 1;
	} else if (result && json_is_integer(id) && json_integer_value(id) == c->id) {
		*reply = json_incref(result);
		ret = 0;
	}
	json_decref(o);
	return ret;
}

int client_call(struct client *c, const char *method, json_t *params, json_t **reply)
{
	json_t *request = json_pack("{s:s,s:I,s:s,s:o*}", "jsonrpc", "2.0", "id", ++c->id, "method",
	    method, "params", params);
	if (!request)
		return -ENOMEM;
	int ret = send_line(c, request);
	json_decref(request);
	// A daemon that has closed may have said why.
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return ret == -EAGAIN ? -ETIMEDOUT : ret;
	return read_reply(c, reply);
}

// ---- for verbs ----

static void say_unreachable(const struct app *app, int ret)
{
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		fprintf(
		    stderr, "poise: no poised listens on %s: %s\n", app->socket, strerror(-ret));
	else
		fprintf(
		    stderr, "poise: cannot reach poised on %s: %s\n", app->socket, strerror(-ret));
}

static void say_lost(const struct app *app, int ret)
{
	if (ret == -EPIPE)
		fprintf(stderr, "poise: poised on %s closed the connection without an answer\n",
		    app->socket);
	else if (ret == -ETIMEDOUT)
		fprintf(stderr, "poise: poised on %s does not answer (waited %u s)\n", app->socket,
		    CLIENT_TIMEOUT_S);
	else if (ret == -EPROTO)
		fprintf(stderr, "poise: what answers on %s is not poised\n", app->socket);
	else
		fprintf(stderr, "poise: %s: %s\n", app->socket, strerror(-ret));
}

int app_try(struct app *app, const char *method, json_t *params, json_t **result)
{
	int ret = 0;
	if (!app->client)
		ret = client_open(app->socket, CLIENT_TIMEOUT_S, &app->client);
	if (ret < 0) {
		json_decref(params);
		say_unreachable(app, ret);
		return NO_DAEMON;
	}
	ret = client_call(app->client, method, params, result);
	if (ret < 0) {
		say_lost(app, ret);
		return NO_DAEMON;
	}
	return ret ? REFUSED : DONE;
}

int app_call(struct app *app, const char *method, json_t *params, json_t **result)
{
	int rc = app_try(app, method, params, result);
	if (rc == REFUSED) {
		print_refusal(app, *result);
		json_decref(*result);
	}
	return rc;
}

int app_ask(struct app *app, const char *method, json_t *params,
    void (*print)(struct app *app, const json_t *result))
{
	json_t *result;
	int rc = app_call(app, method, params, &result);
	if (rc != DONE)
		return rc;
	if (app->json)
		print_json(result);
	else if (print)
		print(app, result);
	json_decref(result);
	return DONE;
}
