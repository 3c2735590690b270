// SPDX-License-Identifier: BSD-3-Clause

// A client's stream: lines in, lines out, and what is done about clients that misbehave.

#include <errno.h>
#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "rpc_private.h"

// A client that was cut off may have to be rid of what it is writing before it reads; until the
// error has left our buffer, so much of it is thrown away, for so long.
#define LINGER_S     5
#define LINGER_BYTES (16u << 20)
#define READ_CHUNK   65536

static void set_deadline(struct rpc_client *c, unsigned s)
{
	c->timing = true;
	event_add(c->deadline, &(struct timeval){ .tv_sec = s });
}

static size_t unread(const struct rpc_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void rpc_client_free(struct rpc_client *c)
{
	struct rpc_call *call;
	while ((call = LIST_FIRST(&c->calls))) {
		LIST_REMOVE(call, entry);
		call->client = NULL;
	}
	LIST_REMOVE(c, entry);
	c->server->n_clients--;
	event_free(c->turn);
	event_free(c->deadline);
	bufferevent_free(c->bev);
	free(c);
}

void rpc_client_write(struct rpc_client *c, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (!text)
		return;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	evbuffer_add(out, text, strlen(text));
	evbuffer_add(out, "\n", 1);
	free(text);
}

// The error is flushed, then our half of the stream ends; on_write() sees to it.
void rpc_client_fail(struct rpc_client *c, int code, const char *format, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_info("control socket: a client was cut off: %s", text);
	rpc_client_write(c, rpc_error_message(NULL, code, text, NULL));
	c->lingering = true;
	bufferevent_setwatermark(c->bev, EV_READ, 0, READ_CHUNK);
	set_deadline(c, LINGER_S);
	event_active(c->turn, EV_TIMEOUT, 0);
}

void rpc_client_answered(struct rpc_client *c)
{
	c->pending--;
	event_active(c->turn, EV_TIMEOUT, 0);
}

// The length of the first line without its newline, or -1 when it is not complete. What was
// searched is not searched again.
static ssize_t line_length(struct rpc_client *c, struct evbuffer *in)
{
	struct evbuffer_ptr from;
	size_t n = evbuffer_get_length(in);
	if (c->scanned > n)
		c->scanned = n;
	if (evbuffer_ptr_set(in, &from, c->scanned, EVBUFFER_PTR_SET) < 0)
		return -1;
	struct evbuffer_ptr hit = evbuffer_search(in, "\n", 1, &from);
	if (hit.pos < 0)
		c->scanned = n;
	return hit.pos;
}

static void take_line(struct rpc_client *c, struct evbuffer *in, size_t n, size_t newline)
{
	char *text = malloc(n + 1);
	if (!text) {
		rpc_client_fail(c, RPC_TOO_MANY, "out of memory");
		return;
	}
	evbuffer_remove(in, text, n);
	evbuffer_drain(in, newline);
	c->scanned = 0;
	if (c->timing) {
		event_del(c->deadline);
		c->timing = false;
	}
	if (n && text[n - 1] == '\r')
		n--;
	if (n)
		rpc_handle(c, text, n);
	free(text);
}

// Carries out what has come, within bounds.
static void carry_out(struct rpc_client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t limit = c->server->limits.line_bytes;
	unsigned done = 0;
	while (!c->lingering && !c->pending && unread(c) <= UNREAD_MARK) {
		if (done++ == REQUESTS_PER_TURN) {
			event_active(c->turn, EV_TIMEOUT, 0);
			break;
		}
		ssize_t n = line_length(c, in);
		size_t have = evbuffer_get_length(in);
		if (n > (ssize_t)limit || (n < 0 && have > limit)) {
			rpc_client_fail(
			    c, RPC_INVALID_REQUEST, "request longer than %zu bytes", limit);
		} else if (n >= 0) {
			take_line(c, in, n, 1);
		} else if (c->eof && have) {
			take_line(c, in, have, 0); // the last line, without a newline
		} else {
			if (have && !c->timing)
				set_deadline(c, c->server->limits.request_s);
			break;
		}
	}
}

// Reading stops while the input is full: the watermark alone would have libevent call on_read()
// again and again, for as long as it is left so.
static void read_or_wait(struct rpc_client *c)
{
	if (evbuffer_get_length(bufferevent_get_input(c->bev)) > c->server->limits.line_bytes)
		bufferevent_disable(c->bev, EV_READ);
	else if (!c->eof)
		bufferevent_enable(c->bev, EV_READ);
}

// Called from the loop only, never from within a call.
static void on_turn(evutil_socket_t, short, void *arg)
{
	struct rpc_client *c = arg;
	struct evbuffer *in = bufferevent_get_input(c->bev);
	carry_out(c);
	if (c->lingering) {
		c->discarded += evbuffer_get_length(in);
		evbuffer_drain(in, evbuffer_get_length(in));
		// Now the client's writes fail, while the error waits to be read. What it wrote is
		// taken first, then comes EOF: a close with some of it left would be a reset.
		if (!unread(c))
			shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
	}
	bool done = c->eof && !c->pending && !unread(c) && !evbuffer_get_length(in);
	if (done || c->discarded > LINGER_BYTES)
		rpc_client_free(c);
	else
		read_or_wait(c);
}

static void on_read(struct bufferevent *, void *arg)
{
	on_turn(-1, 0, arg);
}

static void on_write(struct bufferevent *, void *arg)
{
	on_turn(-1, 0, arg);
}

static void on_event(struct bufferevent *, short what, void *arg)
{
	struct rpc_client *c = arg;
	if (what & BEV_EVENT_EOF) {
		c->eof = true;
		on_turn(-1, 0, c);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT)
		log_info("control socket: a client was cut off: it did not read for %u s",
		    c->server->limits.write_s);
	rpc_client_free(c);
}

static void on_deadline(evutil_socket_t, short, void *arg)
{
	struct rpc_client *c = arg;
	c->timing = false;
	if (c->lingering)
		rpc_client_free(c);
	else
		rpc_client_fail(c, RPC_INVALID_REQUEST, "request not complete after %u s",
		    c->server->limits.request_s);
}

void rpc_client_new(struct rpc_server *s, int fd)
{
	struct rpc_client *c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->server = s;
	LIST_INIT(&c->calls);
	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->turn = event_new(s->base, -1, 0, on_turn, c);
	c->deadline = evtimer_new(s->base, on_deadline, c);
	if (!c->bev || !c->turn || !c->deadline) {
		if (c->turn)
			event_free(c->turn);
		if (c->deadline)
			event_free(c->deadline);
		if (c->bev)
			bufferevent_free(c->bev);
		else
			close(fd);
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, entry);
	s->n_clients++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	// One byte over the limit is enough to know.
	bufferevent_setwatermark(c->bev, EV_READ, 0, s->limits.line_bytes + 2);
	bufferevent_set_timeouts(c->bev, NULL, &(struct timeval){ .tv_sec = s->limits.write_s });
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (s->n_clients > s->limits.clients)
		rpc_client_fail(c, RPC_TOO_MANY, "too many clients");
}
