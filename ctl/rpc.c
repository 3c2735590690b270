// SPDX-License-Identifier: BSD-3-Clause

// Listening, calls and their answers.

#include <bsd/string.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "rpc_private.h"

// ---- answers ----

json_t *rpc_error_message(json_t *id, int code, const char *text, json_t *data)
{
	json_t *error = json_pack("{s:i,s:s}", "code", code, "message", text);
	if (!error) { // not UTF-8: cut within a character
		char plain[512];
		size_t n = strlcpy(plain, text, sizeof(plain));
		for (size_t i = 0; i < n && plain[i]; i++)
			plain[i] = plain[i] & 0x80 ? '?' : plain[i];
		error = json_pack("{s:i,s:s}", "code", code, "message", plain);
	}
	if (data)
		json_object_set_new(error, "data", data);
	return json_pack(
	    "{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(), "error", error);
}

static void batch_answered(struct rpc_client *c, struct rpc_batch *b)
{
	if (--b->pending)
		return;
	// Notifications left null in their place.
	for (size_t i = json_array_size(b->answers); i-- > 0;) {
		if (json_is_null(json_array_get(b->answers, i)))
			json_array_remove(b->answers, i);
	}
	if (c && json_array_size(b->answers))
		rpc_client_write(c, json_incref(b->answers));
	json_decref(b->answers);
	free(b);
}

// `message` may be NULL: a notification's.
static void call_end(struct rpc_call *call, json_t *message)
{
	struct rpc_client *c = call->client;
	struct rpc_batch *b = call->batch;
	if (c)
		LIST_REMOVE(call, entry);
	if (b) {
		if (message)
			json_array_set_new(b->answers, call->index, message);
		batch_answered(c, b);
	} else if (message && c) {
		rpc_client_write(c, message);
	} else {
		json_decref(message);
	}
	json_decref(call->id);
	json_decref(call->params);
	free(call);
	if (c)
		rpc_client_answered(c);
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
	json_t *message = NULL;
	if (call->id)
		message = json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", call->id, "result",
		    result ? result : json_object());
	else
		json_decref(result);
	call_end(call, message);
}

void rpc_error(struct rpc_call *call, int code, json_t *data, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (call->id) {
		call_end(call, rpc_error_message(call->id, code, text, data));
	} else {
		json_decref(data);
		call_end(call, NULL);
	}
}

bool rpc_call_void(const struct rpc_call *call)
{
	return !call->client;
}

// ---- requests ----

static const struct rpc_method *find_method(const struct rpc_server *s, const char *name)
{
	for (const struct rpc_method *m = s->methods; m->name; m++) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static void request(struct rpc_client *c, json_t *o, struct rpc_batch *b, size_t index)
{
	struct rpc_call *call = calloc(1, sizeof(*call));
	if (!call)
		return;
	call->client = c;
	call->batch = b;
	call->index = index;
	LIST_INSERT_HEAD(&c->calls, call, entry);
	c->pending++;

	json_t *id = json_object_get(o, "id"), *params = json_object_get(o, "params");
	const char *version = json_string_value(json_object_get(o, "jsonrpc"));
	const char *name = json_string_value(json_object_get(o, "method"));
	call->params = params && json_is_object(params) ? json_incref(params) : json_object();
	if (id && (json_is_string(id) || json_is_number(id) || json_is_null(id)))
		call->id = json_incref(id);
	if (!version || strcmp(version, "2.0") != 0 || !name || (id && !call->id)) {
		if (!call->id)
			call->id = json_null(); // what is no request is always answered
		rpc_error(call, RPC_INVALID_REQUEST, NULL, "not a JSON-RPC 2.0 request");
		return;
	}
	const struct rpc_method *m = find_method(c->server, name);
	if (!m)
		rpc_error(call, RPC_NO_METHOD, NULL, "no method \"%.80s\"", name);
	else if (params && !json_is_object(params))
		rpc_error(
		    call, RPC_INVALID_PARAMS, NULL, "parameters are given by name, in an object");
	else
		m->run(call, call->params, c->server->arg);
}

static void batch(struct rpc_client *c, json_t *list)
{
	size_t n = json_array_size(list);
	struct rpc_batch *b = calloc(1, sizeof(*b));
	if (n < 1 || n > BATCH_MAX || !b) {
		free(b);
		rpc_client_write(c, rpc_error_message(NULL, RPC_INVALID_REQUEST,
		                        "a batch has 1 to 1000 requests", NULL));
		return;
	}
	b->answers = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(b->answers, json_null());
	b->pending = n;
	for (size_t i = 0; i < n; i++)
		request(c, json_array_get(list, i), b, i);
}

void rpc_handle(struct rpc_client *c, const char *text, size_t n)
{
	json_error_t e;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!root) {
		rpc_client_fail(
		    c, RPC_PARSE_ERROR, "line %d, column %d: %s", e.line, e.column, e.text);
		return;
	}
	if (json_is_array(root))
		batch(c, root);
	else
		request(c, root, NULL, 0);
	json_decref(root);
}

// ---- listening ----

static void on_accept(
    struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *arg)
{
	rpc_client_new(arg, fd);
}

static void on_accept_again(evutil_socket_t, short, void *arg)
{
	struct rpc_server *s = arg;
	evconnlistener_enable(s->listener);
}

// Out of file descriptors: the connection waits in the queue, and would be reported again at once.
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct rpc_server *s = arg;
	log_warning("control socket: accept: %s", strerror(errno));
	evconnlistener_disable(listener);
	event_add(s->accept_again, &(struct timeval){ .tv_sec = 1 });
}

static int make_directories(const char *path)
{
	char dir[108];
	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

int rpc_clear_stale(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlcpy(sa.sun_path, path, sizeof(sa.sun_path)) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int ret = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	close(fd);
	if (ret != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

static int listen_on(struct rpc_server *s, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	strcpy(s->path, path);
	int ret = make_directories(path);
	if (ret == 0)
		ret = rpc_clear_stale(path);
	if (ret < 0)
		return ret;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t old = umask(0117);
	ret = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(old);
	if (ret == 0 && stat(path, &st) == 0) {
		s->inode = st.st_ino;
		s->device = st.st_dev;
	}
	if (ret == 0) {
		s->listener = evconnlistener_new(
		    s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, fd);
		ret = s->listener ? 0 : -ENOMEM;
	}
	if (ret < 0)
		close(fd);
	else
		evconnlistener_set_error_cb(s->listener, on_accept_error);
	return ret;
}

int rpc_server_new(struct event_base *base, const char *path, const struct rpc_method *methods,
    void *arg, const struct rpc_limits *limits, struct rpc_server **out)
{
	static const struct rpc_limits defaults = {
		.line_bytes = 4u << 20,
		.request_s = 30,
		.write_s = 30,
		.clients = 128,
	};
	struct rpc_server *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->base = base;
	s->methods = methods;
	s->arg = arg;
	s->limits = limits ? *limits : defaults;
	s->limits.line_bytes = s->limits.line_bytes ? s->limits.line_bytes : defaults.line_bytes;
	s->limits.request_s = s->limits.request_s ? s->limits.request_s : defaults.request_s;
	s->limits.write_s = s->limits.write_s ? s->limits.write_s : defaults.write_s;
	s->limits.clients = s->limits.clients ? s->limits.clients : defaults.clients;
	s->accept_again = evtimer_new(base, on_accept_again, s);
	int ret = s->accept_again ? listen_on(s, path) : -ENOMEM;
	if (ret < 0) {
		if (s->accept_again)
			event_free(s->accept_again);
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void rpc_server_free(struct rpc_server *s)
{
	struct stat st;
	struct rpc_client *c;
	if (!s)
		return;
	while ((c = LIST_FIRST(&s->clients)))
		rpc_client_free(c);
	evconnlistener_free(s->listener);
	event_free(s->accept_again);
	if (stat(s->path, &st) == 0 && st.st_ino == s->inode && st.st_dev == s->device)
		unlink(s->path);
	free(s);
}

unsigned rpc_server_clients(const struct rpc_server *s)
{
	return s->n_clients;
}
