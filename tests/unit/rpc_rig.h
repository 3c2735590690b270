// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A control socket with a few methods, and clients of it: all in one thread. The server runs
// only within rig_run(), which returns after what there is to do, or some milliseconds.

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl/rpc.h"

#define HELD_MAX 64

struct rig {
	struct event_base *base;
	struct event *tick;
	struct rpc_server *server;
	char dir[32], path[64];
	struct rpc_call *held[HELD_MAX]; // by "hold", oldest first
	unsigned n_held, runs;
};

struct client {
	int fd;
	char *in; // what has come and was not taken
	size_t n;
	bool eof;
};

static inline double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

// ---- methods ----

static inline void method_echo(struct rpc_call *call, json_t *params, void *arg)
{
	struct rig *r = arg;
	r->runs++;
	rpc_reply(call, json_incref(params));
}

static inline void method_hold(struct rpc_call *call, json_t *, void *arg)
{
	struct rig *r = arg;
	r->runs++;
	assert_true(r->n_held < HELD_MAX);
	r->held[r->n_held++] = call;
}

static inline void method_refuse(struct rpc_call *call, json_t *, void *arg)
{
	struct rig *r = arg;
	r->runs++;
	rpc_error(call, RPC_REFUSED, json_pack("{s:i}", "errno", EEXIST), "\"%s\" is %s", "x",
	    "there already");
}

// {"bytes": N}: an answer of that size.
static inline void method_large(struct rpc_call *call, json_t *params, void *arg)
{
	struct rig *r = arg;
	r->runs++;
	size_t n = json_integer_value(json_object_get(params, "bytes"));
	char *text = malloc(n + 1);
	memset(text, 'x', n);
	rpc_reply(call, json_stringn(text, n));
	free(text);
}

static const struct rpc_method rig_methods[] = {
	{ "echo", method_echo },
	{ "hold", method_hold },
	{ "refuse", method_refuse },
	{ "large", method_large },
	{},
};

// ---- the server ----

static inline void on_tick(evutil_socket_t, short, void *)
{
}

static inline void rig_open(struct rig *r, const struct rpc_limits *limits)
{
	signal(SIGPIPE, SIG_IGN); // as poised does
	memset(r, 0, sizeof(*r));
	strcpy(r->dir, "/tmp/test_rpc.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/run/sock", r->dir);
	r->base = event_base_new();
	assert_non_null(r->base);
	r->tick = event_new(r->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(r->tick, &(struct timeval){ .tv_usec = 2000 });
	assert_int_equal(rpc_server_new(r->base, r->path, rig_methods, r, limits, &r->server), 0);
}

static inline void rig_run(struct rig *r)
{
	event_base_loop(r->base, EVLOOP_ONCE);
}

static inline void rig_close(struct rig *r)
{
	char dir[64];
	rpc_server_free(r->server);
	r->server = NULL;
	assert_int_equal(access(r->path, F_OK), -1);
	event_free(r->tick);
	event_base_free(r->base);
	snprintf(dir, sizeof(dir), "%s/run", r->dir);
	rmdir(dir);
	assert_int_equal(rmdir(r->dir), 0); // nothing was left there
}

// Runs the server until `condition` holds; what takes longer than `s` seconds fails.
#define rig_until(r, s, condition) \
	do { \
		double until_ = seconds(CLOCK_MONOTONIC) + (s); \
		while (!(condition)) { \
			if (seconds(CLOCK_MONOTONIC) > until_) \
				fail_msg("not within %d s: %s", (int)(s), #condition); \
			rig_run(r); \
		} \
	} while (0)

// ---- clients ----

static inline int client_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	int ret = -errno;
	close(fd);
	return ret;
}

static inline struct client client_open(struct rig *r)
{
	struct client c = { .fd = client_connect(r->path) };
	assert_true(c.fd >= 0);
	rig_run(r);
	return c;
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	free(c->in);
	*c = (struct client){ .fd = -1 };
}

// Writes all, while the server runs. Less is returned when the server has cut the client off,
// or has not taken a byte for a while.
static inline size_t client_put(struct rig *r, struct client *c, const char *data, size_t n)
{
	size_t sent = 0;
	for (unsigned stuck = 0; sent < n && stuck < 50;) {
		ssize_t ret = send(c->fd, data + sent, n - sent, MSG_NOSIGNAL);
		if (ret < 0 && errno != EAGAIN)
			break;
		stuck = ret < 0 ? stuck + 1 : 0;
		sent += ret > 0 ? ret : 0;
		rig_run(r);
	}
	return sent;
}

static inline void client_say(struct rig *r, struct client *c, const char *text)
{
	assert_int_equal(client_put(r, c, text, strlen(text)), strlen(text));
}

// Reads what there is; after the end nothing may come but the end.
static inline void client_read(struct client *c)
{
	char block[65536];
	ssize_t n;
	while ((n = recv(c->fd, block, sizeof(block), 0)) > 0) {
		c->in = realloc(c->in, c->n + n + 1);
		memcpy(c->in + c->n, block, n);
		c->n += n;
		c->in[c->n] = '\0';
	}
	if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN)
		fail_msg("read: %s", strerror(errno));
}

static inline bool client_has_line(struct client *c)
{
	if (!c->eof)
		client_read(c);
	return c->n && memchr(c->in, '\n', c->n);
}

// The next line, of which the server says that it is JSON.
static inline json_t *client_line(struct rig *r, struct client *c)
{
	rig_until(r, 20, client_has_line(c) || c->eof);
	char *end = c->n ? memchr(c->in, '\n', c->n) : NULL;
	if (!end)
		fail_msg("closed instead of an answer");
	json_error_t e;
	json_t *o = json_loadb(c->in, end - c->in, 0, &e);
	if (!o)
		fail_msg("the server says \"%.*s\": %s", (int)(end - c->in), c->in, e.text);
	c->n -= end + 1 - c->in;
	memmove(c->in, end + 1, c->n);
	return o;
}

// The next line is this, apart from the order and space.
static inline void client_hears(struct rig *r, struct client *c, const char *expected)
{
	json_t *o = client_line(r, c), *want = json_loads(expected, 0, NULL);
	assert_non_null(want);
	if (!json_equal(o, want)) {
		char *text = json_dumps(o, JSON_COMPACT);
		fail_msg("%s, not %s", text, expected);
	}
	json_decref(o);
	json_decref(want);
}

// The next line is an error with this code, and its message holds `text`.
static inline void client_hears_error(struct rig *r, struct client *c, int code, const char *text)
{
	json_t *o = client_line(r, c), *error = json_object_get(o, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	if (!message || json_integer_value(json_object_get(error, "code")) != code ||
	    !strstr(message, text)) {
		char *all = json_dumps(o, JSON_COMPACT);
		fail_msg("%s, not error %d \"%s\"", all, code, text);
	}
	assert_string_equal(json_string_value(json_object_get(o, "jsonrpc")), "2.0");
	assert_true(json_is_null(json_object_get(o, "id")));
	json_decref(o);
}

// Nothing but the end of the stream is left.
static inline void client_ends(struct rig *r, struct client *c)
{
	rig_until(r, 20, (client_read(c), c->eof || c->n));
	if (c->n)
		fail_msg("\"%.*s\" instead of the end", (int)c->n, c->in);
	client_close(c);
}

// Runs the server for some rounds, in which nothing must be said.
static inline void client_is_silent(struct rig *r, struct client *c)
{
	for (unsigned i = 0; i < 5; i++)
		rig_run(r);
	client_read(c);
	if (c->n || c->eof)
		fail_msg("said \"%.*s\"%s", (int)c->n, c->n ? c->in : "", c->eof ? ", end" : "");
}

#define ECHO   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n"
#define ECHOED "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"

// The server is as good as new after what was done to it.
static inline void check_alive(struct rig *r)
{
	rig_until(r, 10, rpc_server_clients(r->server) == 0);
	struct client c = client_open(r);
	client_say(r, &c, ECHO);
	client_hears(r, &c, ECHOED);
	client_close(&c);
	rig_until(r, 10, rpc_server_clients(r->server) == 0);
}
