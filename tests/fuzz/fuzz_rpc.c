// SPDX-License-Identifier: BSD-3-Clause

// The control socket. The input is what a client writes, in pieces whose sizes its first bytes say;
// the client reads now and then. The server must go on to serve others, answer in whole lines of
// JSON-RPC 2.0, and hold on to nothing.

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/rpc.h"

#define LINE_BYTES 2000 // small, so that inputs reach it
#define HELD_MAX   8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct rpc_server *server;
static char path[64];
static struct rpc_call *held[HELD_MAX];
static unsigned n_held;

static void must(bool holds)
{
	if (!holds)
		abort();
}

// ---- methods ----

static void method_echo(struct rpc_call *call, json_t *params, void *)
{
	must(json_is_object(params));
	rpc_reply(call, json_incref(params));
}

static void method_refuse(struct rpc_call *call, json_t *params, void *)
{
	must(json_is_object(params));
	rpc_error(call, RPC_REFUSED, json_incref(params), "refused %d", 1);
}

static void answer_oldest(void)
{
	struct rpc_call *call = held[0];
	memmove(held, held + 1, --n_held * sizeof(held[0]));
	rpc_reply(call, json_true());
}

static void method_hold(struct rpc_call *call, json_t *, void *)
{
	if (n_held == HELD_MAX)
		answer_oldest();
	held[n_held++] = call;
}

static const struct rpc_method methods[] = {
	{ "echo", method_echo },
	{ "refuse", method_refuse },
	{ "hold", method_hold },
	{},
};

// ---- the server and its clients ----

static void remove_socket(void)
{
	rpc_server_free(server);
	event_base_free(base);
}

static void open_server(void)
{
	static const struct rpc_limits limits = { .line_bytes = LINE_BYTES, .clients = 4 };
	signal(SIGPIPE, SIG_IGN);
	must(freopen("/dev/null", "w", stdout) != NULL);
	base = event_base_new();
	snprintf(path, sizeof(path), "/tmp/fuzz_rpc.%d", (int)getpid());
	must(rpc_server_new(base, path, methods, NULL, &limits, &server) == 0);
	atexit(remove_socket);
}

static void run(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static int open_client(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	strcpy(sa.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	must(fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0);
	run();
	return fd;
}

struct answers {
	char *text;
	size_t n;
	bool end;
};

static void read_some(int fd, struct answers *a)
{
	char block[4096];
	ssize_t n = recv(fd, block, sizeof(block), 0);
	if (n > 0) {
		a->text = realloc(a->text, a->n + n);
		memcpy(a->text + a->n, block, n);
		a->n += n;
	}
	must(n >= 0 || errno == EAGAIN);
	a->end = n == 0;
}

static void check_answer(json_t *o)
{
	json_t *error = json_object_get(o, "error");
	must(json_object_size(o) == 3);
	must(strcmp(json_string_value(json_object_get(o, "jsonrpc")), "2.0") == 0);
	must(json_object_get(o, "id") != NULL);
	must((json_object_get(o, "result") != NULL) != (error != NULL));
	must(!error || json_string_length(json_object_get(error, "message")) > 0);
	must(!error || json_is_integer(json_object_get(error, "code")));
}

static void check_answers(const struct answers *a)
{
	for (size_t at = 0; at < a->n;) {
		const char *line = a->text + at, *end = memchr(line, '\n', a->n - at);
		must(end != NULL);
		json_t *o = json_loadb(line, end - line, JSON_REJECT_DUPLICATES, NULL), *one;
		size_t i;
		must(o != NULL);
		must(!json_is_array(o) || json_array_size(o) > 0);
		if (json_is_object(o))
			check_answer(o);
		json_array_foreach(o, i, one)
			check_answer(one);
		json_decref(o);
		at += end + 1 - line;
	}
}

// Somebody else asks and is answered, whatever state the server is in.
static void check_alive(void)
{
	static const char ask[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n";
	struct answers a = {};
	int fd = open_client();
	must(send(fd, ask, strlen(ask), 0) == (ssize_t)strlen(ask));
	for (unsigned i = 0; i < 4 && !a.n; i++) {
		run();
		read_some(fd, &a);
	}
	check_answers(&a);
	must(a.n > 0);
	free(a.text);
	close(fd);
}

// `seed` decides where the pieces end, what is read meanwhile, and when a held call is answered.
static void write_all(int fd, const uint8_t *data, size_t n, uint32_t seed, struct answers *a)
{
	while (n) {
		seed = seed * 1664525 + 1013904223;
		size_t piece = 1 + (seed >> 24) % (seed & 0x100000 ? 4 : 200);
		piece = piece < n ? piece : n;
		if (send(fd, data, piece, MSG_NOSIGNAL) != (ssize_t)piece)
			return; // cut off
		data += piece;
		n -= piece;
		if (seed & 0x10000)
			run();
		if (seed & 0x20000)
			read_some(fd, a);
		if (n_held && seed & 0x40000)
			answer_oldest();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!server)
		open_server();
	if (size < 2)
		return -1;
	struct answers a = {};
	uint32_t seed = data[0] | data[1] << 8;
	int fd = open_client();
	write_all(fd, data + 2, size - 2, seed, &a);
	check_alive();
	if (seed & 1) { // goes without a word
		close(fd);
		run();
	} else {
		shutdown(fd, SHUT_WR);
		for (unsigned i = 0; i < 1000000 && !a.end; i++) {
			run();
			if (n_held)
				answer_oldest();
			read_some(fd, &a);
		}
		must(a.end);
		check_answers(&a);
		close(fd);
	}
	while (n_held)
		answer_oldest();
	for (unsigned i = 0; i < 100000 && rpc_server_clients(server); i++)
		run();
	must(rpc_server_clients(server) == 0);
	free(a.text);
	return 0;
}
