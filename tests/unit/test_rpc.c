// SPDX-License-Identifier: BSD-3-Clause

// JSON-RPC 2.0 on the control socket: requests, answers and errors of clients that behave, and
// the socket itself. What is done about the others is in test_rpc_limits.c.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc_rig.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));
	rig_open(r, NULL);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

struct exchange {
	const char *say, *hear; // hear NULL: nothing, and the method ran
};

#define RESULT(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define ERROR(id, code, text) \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" text "\"" \
	"}}"
#define NOT_A_REQUEST ERROR("null", "-32600", "not a JSON-RPC 2.0 request")

static const struct exchange exchanges[] = {
	// ids of all kinds
	{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":[1,{}]}}",
	    RESULT("1", "{\"a\":[1,{}]}") },
	{ "{\"method\":\"echo\",\"id\":\"\",\"jsonrpc\":\"2.0\"}", RESULT("\"\"", "{}") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":\"a \\u00e9\\n\\\"\",\"method\":\"echo\"}",
	    RESULT("\"a \\u00e9\\n\\\"\"", "{}") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":-9223372036854775808,\"method\":\"echo\"}",
	    RESULT("-9223372036854775808", "{}") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"echo\"}", RESULT("1.5", "{}") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"echo\"}", RESULT("null", "{}") },
	{ " \t{ \"jsonrpc\" : \"2.0\", \"id\" : 2, \"method\" : \"echo\" } \r", RESULT("2", "{}") },
	// errors
	{ "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"refuse\"}",
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":1,\"message\":\"\\\"x\\\" is there "
	    "already\",\"data\":{\"errno\":17}}}" },
	{ "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"Echo\"}",
	    ERROR("4", "-32601", "no method \\\"Echo\\\"") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"\"}",
	    ERROR("4", "-32601", "no method \\\"\\\"") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"echo\",\"params\":[1]}",
	    ERROR("5", "-32602", "parameters are given by name, in an object") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"echo\",\"params\":null}",
	    ERROR("5", "-32602", "parameters are given by name, in an object") },
	{ "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":7}",
	    ERROR("6", "-32600", "not a JSON-RPC 2.0 request") },
	{ "{\"jsonrpc\":\"1.0\",\"id\":6,\"method\":\"echo\"}",
	    ERROR("6", "-32600", "not a JSON-RPC 2.0 request") },
	{ "{\"id\":6,\"method\":\"echo\"}", ERROR("6", "-32600", "not a JSON-RPC 2.0 request") },
	// an id that is none; what is no request at all
	{ "{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"echo\"}", NOT_A_REQUEST },
	{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", NOT_A_REQUEST },
	{ "{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"echo\"}", NOT_A_REQUEST },
	{ "{}", NOT_A_REQUEST },
	{ "17", NOT_A_REQUEST },
	{ "\"echo\"", NOT_A_REQUEST },
	{ "null", NOT_A_REQUEST },
	// notifications
	{ "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{}}", NULL },
	{ "{\"jsonrpc\":\"2.0\",\"method\":\"refuse\"}", NULL },
	// batches
	{ "[]", ERROR("null", "-32600", "a batch has 1 to 1000 requests") },
	{ "[1,[]]", "[" NOT_A_REQUEST "," NOT_A_REQUEST "]" },
	{ "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"},{\"jsonrpc\":\"2.0\",\"method\":"
	  "\"echo\"},{\"jsonrpc\":\"2.0\",\"id\":\"z\",\"method\":\"nope\"}]",
	    "[" RESULT("1", "{}") "," ERROR("\"z\"", "-32601", "no method \\\"nope\\\"") "]" },
	{ "[{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}]", NULL },
};

static void test_exchanges(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	for (size_t i = 0; i < N(exchanges); i++) {
		unsigned runs = r->runs;
		client_say(r, &c, exchanges[i].say);
		client_is_silent(r, &c); // not before the newline
		client_say(r, &c, "\n");
		if (exchanges[i].hear) {
			client_hears(r, &c, exchanges[i].hear);
		} else {
			client_is_silent(r, &c);
			assert_int_equal(r->runs, runs + 1);
		}
	}
	client_close(&c);
}

// All of the above in one write, with empty lines between.
static void test_in_one_write(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	char text[65536] = "";
	for (size_t i = 0; i < N(exchanges); i++) {
		strcat(text, exchanges[i].say);
		strcat(text, i % 2 ? "\n" : "\n\n\r\n");
	}
	assert_int_equal(send(c.fd, text, strlen(text), 0), strlen(text));
	for (size_t i = 0; i < N(exchanges); i++) {
		if (exchanges[i].hear)
			client_hears(r, &c, exchanges[i].hear);
	}
	client_is_silent(r, &c);
	client_close(&c);
}

static void test_in_single_bytes(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	for (size_t i = 0; i < N(exchanges); i += 3) {
		for (const char *p = exchanges[i].say; *p; p++)
			client_put(r, &c, p, 1);
		client_say(r, &c, "\n");
		if (exchanges[i].hear)
			client_hears(r, &c, exchanges[i].hear);
	}
	client_close(&c);
}

// A client that ends its half of the stream gets all its answers, then the end. The last line needs
// no newline.
static void test_half_closed(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	for (unsigned i = 0; i < 100; i++)
		client_say(r, &c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n");
	client_say(r, &c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hold\"}\n");
	client_say(r, &c, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"echo\"}");
	shutdown(c.fd, SHUT_WR);
	for (unsigned i = 0; i < 100; i++)
		client_hears(r, &c, RESULT("1", "{}"));
	client_is_silent(r, &c);
	rpc_reply(r->held[0], json_true());
	client_hears(r, &c, RESULT("2", "true"));
	client_hears(r, &c, RESULT("3", "{}"));
	client_ends(r, &c);
	assert_int_equal(rpc_server_clients(r->server), 0);
}

// Also when what it said was wrong.
static void test_half_closed_rubbish(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n}";
	assert_int_equal(send(c.fd, text, strlen(text), 0), strlen(text));
	shutdown(c.fd, SHUT_WR);
	client_hears(r, &c, RESULT("1", "{}"));
	client_hears_error(r, &c, RPC_PARSE_ERROR, "line 1, column 1");
	client_ends(r, &c);
}

// Answers of one client come in the order of its requests, also when one takes long; others go on.
static void test_answered_later(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r), other = client_open(r);
	client_say(r, &c,
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n");
	client_is_silent(r, &c);
	assert_int_equal(r->runs, 1);
	client_say(r, &other, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"echo\"}\n");
	client_hears(r, &other, RESULT("9", "{}"));
	assert_false(rpc_call_void(r->held[0]));
	rpc_error(r->held[0], RPC_REFUSED, NULL, "no");
	client_hears(r, &c, ERROR("1", "1", "no"));
	client_hears(r, &c, RESULT("2", "{}"));
	client_close(&c);
	client_close(&other);
}

// The answers of a batch stand in the order of its requests, whichever came first.
static void test_batch_answered_later(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	client_say(r, &c,
	    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"},"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"hold\"},"
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hold\"},"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"echo\"}]\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"echo\"}\n");
	client_is_silent(r, &c);
	assert_int_equal(r->n_held, 3);
	rpc_reply(r->held[2], json_string("two"));
	client_is_silent(r, &c);
	rpc_reply(r->held[0], NULL);
	client_is_silent(r, &c);
	rpc_reply(r->held[1], json_string("nobody asked"));
	client_hears(
	    r, &c, "[" RESULT("1", "{}") "," RESULT("2", "\"two\"") "," RESULT("3", "{}") "]");
	client_hears(r, &c, RESULT("4", "{}"));
	client_close(&c);
}

static void test_batch_sizes(void **state)
{
	struct rig *r = *state;
	static const char one[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"},";
	for (unsigned n = 1000; n <= 1001; n++) {
		struct client c = client_open(r);
		r->runs = 0;
		client_say(r, &c, "[");
		for (unsigned i = 0; i < n; i++)
			client_put(r, &c, one, strlen(one) - (i == n - 1));
		client_say(r, &c, "]\n");
		json_t *answer = client_line(r, &c);
		if (n == 1000)
			assert_int_equal(json_array_size(answer), n);
		else
			assert_true(json_is_object(json_object_get(answer, "error")));
		assert_int_equal(r->runs, n == 1000 ? n : 0);
		json_decref(answer);
		client_say(r, &c, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n");
		client_hears(r, &c, RESULT("2", "{}"));
		client_close(&c);
	}
}

// A long name is cut in the message, also within a character.
static void test_long_names(void **state)
{
	struct rig *r = *state;
	struct client c = client_open(r);
	for (unsigned lead = 0; lead < 2; lead++) {
		char text[300] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"";
		strcat(text, lead ? "x" : "");
		for (unsigned i = 0; i < 60; i++)
			strcat(text, "é");
		strcat(text, "\"}\n");
		client_say(r, &c, text);
		json_t *o = client_line(r, &c), *error = json_object_get(o, "error");
		assert_int_equal(json_integer_value(json_object_get(error, "code")), RPC_NO_METHOD);
		const char *message = json_string_value(json_object_get(error, "message"));
		assert_int_equal(strncmp(message, "no method \"", 11), 0);
		json_decref(o);
	}
	client_close(&c);
}

// ---- the socket ----

static void test_socket_file(void **state)
{
	struct rig *r = *state;
	struct stat st;
	assert_int_equal(lstat(r->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);

	// The umask of the process is the same as before.
	mode_t old = umask(0123);
	struct rpc_server *second;
	char path[64];
	snprintf(path, sizeof(path), "%s/run/second", r->dir);
	assert_int_equal(rpc_server_new(r->base, path, rig_methods, r, NULL, &second), 0);
	assert_int_equal(umask(old), 0123);
	rpc_server_free(second);
}

static void test_live_socket_is_refused(void **state)
{
	struct rig *r = *state;
	struct rpc_server *second = NULL;
	assert_int_equal(
	    rpc_server_new(r->base, r->path, rig_methods, r, NULL, &second), -EADDRINUSE);
	assert_int_equal(rpc_clear_stale(r->path), -EADDRINUSE);
	struct client c = client_open(r); // the first is not disturbed
	client_say(r, &c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n");
	client_hears(r, &c, RESULT("1", "{}"));
	client_close(&c);
}

// Makes a socket file on which nobody listens.
static void leave_stale(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct rig *r = *state;
	char path[64];
	struct stat st;
	struct rpc_server *second;
	snprintf(path, sizeof(path), "%s/run/stale", r->dir);
	leave_stale(path);
	assert_int_equal(rpc_clear_stale(path), 0);
	assert_int_equal(lstat(path, &st), -1);
	assert_int_equal(rpc_clear_stale(path), 0); // none is fine
	leave_stale(path);
	assert_int_equal(rpc_server_new(r->base, path, rig_methods, r, NULL, &second), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);

	// When somebody else has taken the place meanwhile, his socket is left alone.
	unlink(path);
	leave_stale(path);
	rpc_server_free(second);
	assert_int_equal(unlink(path), 0);
}

static void test_wrong_paths(void **state)
{
	struct rig *r = *state;
	struct rpc_server *second;
	char path[200];
	snprintf(path, sizeof(path), "%s/run/file", r->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(rpc_server_new(r->base, path, rig_methods, r, NULL, &second), -ENOTSOCK);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/%0*d", r->dir, 120, 0);
	assert_int_equal(
	    rpc_server_new(r->base, path, rig_methods, r, NULL, &second), -ENAMETOOLONG);
	assert_int_equal(rpc_clear_stale(path), -ENAMETOOLONG);
	assert_int_equal(
	    rpc_server_new(r->base, "/proc/none/sock", rig_methods, r, NULL, &second), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_exchanges),
		T(test_in_one_write),
		T(test_in_single_bytes),
		T(test_half_closed),
		T(test_half_closed_rubbish),
		T(test_answered_later),
		T(test_batch_answered_later),
		T(test_batch_sizes),
		T(test_long_names),
		T(test_socket_file),
		T(test_live_socket_is_refused),
		T(test_stale_socket_is_replaced),
		T(test_wrong_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
