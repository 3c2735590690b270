// SPDX-License-Identifier: BSD-3-Clause

// Clients of the control socket that misbehave: each is told why and cut off as docs/protocol.md
// says, and the others do not notice.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc_rig.h"

#define N(a)       (sizeof(a) / sizeof((a)[0]))
#define LONGEST    (4u << 20)
#define LARGE      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"large\",\"params\":{\"bytes\":100000}}\n"
#define LARGE_SIZE 100000

// ---- lines ----

// The longest line there may be, and one byte more.
static void test_line_length(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	char *text = malloc(LONGEST + 2);
	for (unsigned more = 0; more < 2; more++) {
		size_t n = LONGEST + more;
		struct client c = client_open(&r);
		memset(text, ' ', n);
		memcpy(text, ECHO, strlen(ECHO) - 1);
		text[n] = '\n';
		client_put(&r, &c, text, n + 1);
		if (more)
			client_hears_error(
			    &r, &c, RPC_INVALID_REQUEST, "request longer than 4194304 bytes");
		else
			client_hears(&r, &c, ECHOED);
		if (more)
			client_ends(&r, &c);
		else
			client_close(&c);
	}
	assert_int_equal(r.runs, 1);
	free(text);
	check_alive(&r);
	rig_close(&r);
}

// 100 MB without a newline, by a client that reads nothing until it is done or stopped.
static void test_endless_line(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	struct client c = client_open(&r);
	char block[65536];
	memset(block, '[', sizeof(block));
	size_t sent = 0;
	for (size_t n = sizeof(block); n == sizeof(block) && sent < 100000000; sent += n)
		n = client_put(&r, &c, block, sizeof(block));
	assert_in_range(sent, LONGEST, 2 * LONGEST);
	client_hears_error(&r, &c, RPC_INVALID_REQUEST, "request longer than 4194304 bytes");
	client_ends(&r, &c); // not a reset, which a client may see in place of the error
	check_alive(&r);
	rig_close(&r);
}

struct rubbish {
	const char *text;
	size_t n;
	const char *says;
};
#define TEXT(s) s, sizeof(s) - 1

static const struct rubbish rubbish[] = {
	{ TEXT("GET / HTTP/1.0\r\n\r\n"), "line 1, column " },
	{ TEXT("\0\0\0\0\n"), "line 1, column " },
	{ TEXT("\xff\xfe\xfd\n"), "line 1, column " },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":\"\xc3\x28\",\"method\":\"echo\"}\n"),
	    "line 1, column " },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":\"\xed\xa0\x80\",\"method\":\"echo\"}\n"), "line 1" },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0000\",\"method\":\"echo\"}\n"),
	    "line 1, column " },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":\"\0\",\"method\":\"echo\"}\n"), "line 1, column " },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\0\n"), "line 1, column " },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"} {}\n"), "end of file expected" },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"echo\"}\n"), "duplicate" },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":1e999,\"method\":\"echo\"}\n"), "overflow" },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"echo\"}\n"),
	    "too big integer" },
	{ TEXT("{\"jsonrpc\":\"2.0\",\"id\":1,\n"), "line 1, column " },
	{ TEXT("\x1b[31m\n"), "line 1, column 1" },
	{ TEXT("'\n"), "line 1, column 1" },
};

// What comes after the line that is no JSON is not carried out.
static void test_rubbish(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	for (size_t i = 0; i < N(rubbish); i++) {
		struct client c = client_open(&r);
		client_say(&r, &c, ECHO);
		client_hears(&r, &c, ECHOED);
		assert_int_equal(send(c.fd, rubbish[i].text, rubbish[i].n, 0), rubbish[i].n);
		send(c.fd, ECHO, strlen(ECHO), MSG_NOSIGNAL);
		client_hears_error(&r, &c, RPC_PARSE_ERROR, rubbish[i].says);
		client_ends(&r, &c);
		assert_int_equal(r.runs, i + 1);
	}
	r.runs = 0;
	check_alive(&r);
	rig_close(&r);
}

// Arrays and objects in each other, a million deep: refused, without using up the stack.
static void test_deep_nesting(void **)
{
	static const char *const kinds[] = { "[",
		"{\"a\":", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":" };
	struct rig r;
	rig_open(&r, NULL);
	for (size_t i = 0; i < N(kinds); i++) {
		struct client c = client_open(&r);
		char *text = malloc(LONGEST);
		size_t n = 0;
		while (n + strlen(kinds[i]) < LONGEST - 1) {
			memcpy(text + n, kinds[i], strlen(kinds[i]));
			n += strlen(kinds[i]);
		}
		text[n++] = '\n';
		client_put(&r, &c, text, n);
		client_hears_error(&r, &c, RPC_PARSE_ERROR, "maximum parsing depth reached");
		client_ends(&r, &c);
		free(text);
	}
	check_alive(&r);
	rig_close(&r);
}

// A byte now and then: the time counts from the first byte of the request.
static void test_slow_request(void **)
{
	struct rig r;
	rig_open(&r, &(struct rpc_limits){ .request_s = 1 });
	struct client c = client_open(&r), silent = client_open(&r), held = client_open(&r);
	client_say(&r, &held, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}\n{");
	double begin = seconds(CLOCK_MONOTONIC);
	while (!client_has_line(&c) && seconds(CLOCK_MONOTONIC) < begin + 20) {
		send(c.fd, " ", 1, MSG_NOSIGNAL);
		rig_run(&r);
	}
	assert_true(seconds(CLOCK_MONOTONIC) - begin > 0.9);
	client_hears_error(&r, &c, RPC_INVALID_REQUEST, "request not complete after 1 s");
	client_ends(&r, &c);

	// Who has said nothing, or waits for an answer, is not slow.
	client_is_silent(&r, &silent);
	client_say(&r, &silent, ECHO);
	client_hears(&r, &silent, ECHOED);
	client_is_silent(&r, &held);
	rpc_reply(r.held[0], json_true());
	client_hears(&r, &held, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}");
	client_hears_error(&r, &held, RPC_INVALID_REQUEST, "request not complete after 1 s");
	client_ends(&r, &held);
	client_close(&silent);
	check_alive(&r);
	rig_close(&r);
}

// ---- answers that are not read ----

// Requests are carried out while less than 1 MiB of answers waits (and what the kernel holds).
static void test_deaf(void **)
{
	struct rig r;
	rig_open(&r, &(struct rpc_limits){ .write_s = 1 });
	struct client c = client_open(&r);
	for (unsigned i = 0; i < 1000; i++)
		client_say(&r, &c, LARGE);
	unsigned runs = r.runs;
	assert_in_range((size_t)runs * LARGE_SIZE, 1u << 20, 2u << 20);
	double begin = seconds(CLOCK_MONOTONIC);
	rig_until(&r, 20, rpc_server_clients(r.server) == 0);
	assert_true(seconds(CLOCK_MONOTONIC) - begin > 0.5);
	assert_int_equal(r.runs, runs);
	assert_int_equal(send(c.fd, "x", 1, MSG_NOSIGNAL), -1);
	client_close(&c);
	check_alive(&r);
	rig_close(&r);
}

// What it goes on to write is not taken in without bound either.
static void test_deaf_and_talkative(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	struct client c = client_open(&r);
	static char block[sizeof(LARGE) * 1000];
	for (unsigned i = 0; i < 1000; i++)
		strcat(block, LARGE);
	size_t sent = 0, n = strlen(block);
	for (size_t ret = n; ret == n && sent < 100000000; sent += ret)
		ret = client_put(&r, &c, block, n);
	assert_in_range(sent, n, 2 * LONGEST);
	assert_int_equal(rpc_server_clients(r.server), 1);

	// And when it reads at last, nothing is lost.
	for (size_t i = 0; i < sent / strlen(LARGE) && i < 200; i++) {
		json_t *o = client_line(&r, &c);
		assert_int_equal(json_string_length(json_object_get(o, "result")), LARGE_SIZE);
		json_decref(o);
	}
	client_close(&c);
	check_alive(&r);
	rig_close(&r);
}

// Who reads slowly makes progress, for longer than the limit.
static void test_slow_reader(void **)
{
	struct rig r;
	rig_open(&r, &(struct rpc_limits){ .write_s = 1 });
	struct client c = client_open(&r);
	for (unsigned i = 0; i < 60; i++)
		client_say(&r, &c, LARGE);
	double begin = seconds(CLOCK_MONOTONIC), next = begin;
	size_t lines = 0;
	while (lines < 60) {
		rig_run(&r);
		if (seconds(CLOCK_MONOTONIC) < next)
			continue;
		next = seconds(CLOCK_MONOTONIC) + 0.1;
		client_read(&c);
		if (c.eof)
			fail_msg("cut off after %zu answers", lines);
		for (size_t i = 0; i < c.n; i++)
			lines += c.in[i] == '\n';
		c.n = 0;
	}
	assert_true(seconds(CLOCK_MONOTONIC) - begin > 1.5);
	client_close(&c);
	check_alive(&r);
	rig_close(&r);
}

// A client that goes in the middle of an answer, or while its request is under way.
static void test_gone(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	struct client c = client_open(&r);
	client_say(&r, &c, LARGE LARGE LARGE LARGE LARGE LARGE);
	char some[1000];
	rig_until(&r, 10, recv(c.fd, some, sizeof(some), 0) == sizeof(some));
	client_close(&c);
	check_alive(&r);

	c = client_open(&r);
	client_say(&r, &c,
	    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"},"
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hold\"}]\n");
	struct client d = client_open(&r);
	client_say(&r, &d, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}\n");
	close(c.fd);
	close(d.fd);
	// An unanswered request keeps a half-closed client; its reset is seen by writing to it.
	rpc_reply(r.held[0], json_true());
	for (unsigned i = 0; i < 5; i++)
		rig_run(&r);
	rpc_reply(r.held[1], json_true());
	rpc_error(r.held[2], RPC_REFUSED, json_object(), "late");
	check_alive(&r);
	rig_close(&r);
}

// The server goes first: what is answered afterwards has nowhere to go.
static void test_server_gone(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	struct client c = client_open(&r), d = client_open(&r);
	client_say(&r, &c,
	    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"},"
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hold\"}]\n");
	client_say(&r, &d, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hold\"}\n");
	assert_int_equal(r.n_held, 3);
	rig_close(&r);
	for (unsigned i = 0; i < 3; i++)
		assert_true(rpc_call_void(r.held[i]));
	rpc_reply(r.held[0], json_true());
	rpc_error(r.held[1], RPC_REFUSED, json_object(), "late");
	rpc_reply(r.held[2], NULL);
	for (client_read(&c); c.n;)
		fail_msg("said \"%s\"", c.in);
	assert_true(c.eof);
	client_close(&c);
	client_close(&d);
}

// ---- many clients ----

// 200 clients ask while some of each bad kind are there. Time is that of the processor, all in
// one thread, so that a busy machine does not count.
static void test_many_clients(void **)
{
	struct rig r;
	rig_open(&r, &(struct rpc_limits){ .clients = 210 });
	struct client bad[4], good[200];
	for (unsigned i = 0; i < N(bad); i++)
		bad[i] = client_open(&r);
	for (unsigned i = 0; i < 200; i++) // deaf
		client_put(&r, &bad[0], LARGE, strlen(LARGE));
	static char block[4000000];
	memset(block, '[', sizeof(block));
	client_put(&r, &bad[1], block, sizeof(block)); // in the middle of a long line
	client_put(&r, &bad[2], "{", 1);
	size_t size = 0, at = 0;
	for (; size + strlen(ECHO) < sizeof(block); size += strlen(ECHO))
		memcpy(block + size, ECHO, strlen(ECHO));
	for (unsigned i = 0; i < N(good); i++)
		good[i] = client_open(&r);

	double worst = 0;
	for (unsigned i = 0; i < N(good); i++) {
		// The busy one has thousands of requests waiting, and reads the answers.
		ssize_t ret = send(bad[3].fd, block + at, size - at, MSG_NOSIGNAL);
		at = (at + (ret > 0 ? ret : 0)) % size;
		client_read(&bad[3]);
		bad[3].n = 0;
		double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
		client_say(&r, &good[i], ECHO);
		client_hears(&r, &good[i], ECHOED);
		double took = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
		worst = took > worst ? took : worst;
	}
	print_message("the slowest answer: %.1f ms, the busy one: %u requests\n", worst * 1000,
	    r.runs - (unsigned)N(good));
	assert_true(worst < 0.1);
	assert_true(r.runs > 10 * N(good));
	for (unsigned i = 0; i < N(bad); i++)
		client_close(&bad[i]);
	for (unsigned i = 0; i < N(good); i++)
		client_close(&good[i]);
	check_alive(&r);
	rig_close(&r);
}

static void test_too_many_clients(void **)
{
	struct rig r;
	rig_open(&r, NULL);
	struct client c[140];
	for (unsigned i = 0; i < N(c); i++)
		c[i] = client_open(&r);
	for (unsigned i = 0; i < N(c); i++) {
		if (i < 128) {
			client_say(&r, &c[i], ECHO);
			client_hears(&r, &c[i], ECHOED);
		} else {
			client_hears_error(&r, &c[i], RPC_TOO_MANY, "too many clients");
			client_ends(&r, &c[i]);
		}
	}
	assert_int_equal(rpc_server_clients(r.server), 128);

	// A place that becomes free can be taken.
	client_close(&c[5]);
	rig_until(&r, 10, rpc_server_clients(r.server) == 127);
	c[5] = client_open(&r);
	client_say(&r, &c[5], ECHO);
	client_hears(&r, &c[5], ECHOED);
	for (unsigned i = 0; i < 128; i++)
		client_close(&c[i]);
	check_alive(&r);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_length),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_slow_request),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_deaf_and_talkative),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_server_gone),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_too_many_clients),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
