// SPDX-License-Identifier: BSD-3-Clause

// The TCP state machine against IPVS's own tables, written down by name.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "dataplane/tcp_state.h"

// IPVS's order, which numbers the states.
static const struct {
	const char *shorthand, *name;
	enum tcp_state state;
	unsigned timeout;
	bool active;
} states[] = {
	{ "NO", "NONE", TCP_S_NONE, 2, false },
	{ "ES", "ESTABLISHED", TCP_S_ESTABLISHED, 900, true },
	{ "SS", "SYN_SENT", TCP_S_SYN_SENT, 120, true },
	{ "SR", "SYN_RECV", TCP_S_SYN_RECV, 60, true },
	{ "FW", "FIN_WAIT", TCP_S_FIN_WAIT, 120, false },
	{ "TW", "TIME_WAIT", TCP_S_TIME_WAIT, 120, false },
	{ "CL", "CLOSE", TCP_S_CLOSE, 10, false },
	{ "CW", "CLOSE_WAIT", TCP_S_CLOSE_WAIT, 60, false },
	{ "LA", "LAST_ACK", TCP_S_LAST_ACK, 30, false },
	{ "LI", "LISTEN", TCP_S_LISTEN, 120, false },
	{ "SA", "SYNACK", TCP_S_SYNACK, 120, true },
};

#define STATES (sizeof(states) / sizeof(states[0]))

static const struct {
	enum tcp_direction direction;
	enum tcp_event event;
	const char *next; // from NO ES SS SR FW TW CL CW LA LI SA
} rows[] = {
	{ TCP_INPUT, TCP_EVENT_SYN, "SR ES ES SR SR SR SR SR SR SR SR" },
	{ TCP_INPUT, TCP_EVENT_FIN, "CL CW SS TW TW TW CL CW LA LI TW" },
	{ TCP_INPUT, TCP_EVENT_ACK, "ES ES SS ES FW TW CL CW CL LI ES" },
	{ TCP_INPUT, TCP_EVENT_RST, "CL CL CL SR CL CL CL CL LA LI SR" },
	{ TCP_INPUT, TCP_EVENT_NONE, "CL CL CL CL CL CL CL CL CL CL CL" },
	{ TCP_OUTPUT, TCP_EVENT_SYN, "SS ES SS SR SS SS SS SS SS LI SR" },
	{ TCP_OUTPUT, TCP_EVENT_FIN, "TW FW SS TW FW TW CL TW LA LI TW" },
	{ TCP_OUTPUT, TCP_EVENT_ACK, "ES ES SS ES FW TW CL CW LA ES ES" },
	{ TCP_OUTPUT, TCP_EVENT_RST, "CL CL SS CL CL TW CL CL CL CL CL" },
	{ TCP_OUTPUT, TCP_EVENT_NONE, "CL CL CL CL CL CL CL CL CL CL CL" },
	{ TCP_INPUT_ONLY, TCP_EVENT_SYN, "SR ES ES SR SR SR SR SR SR SR SR" },
	{ TCP_INPUT_ONLY, TCP_EVENT_FIN, "CL FW SS TW FW TW CL CW LA LI TW" },
	{ TCP_INPUT_ONLY, TCP_EVENT_ACK, "ES ES SS ES FW TW CL CW CL LI ES" },
	{ TCP_INPUT_ONLY, TCP_EVENT_RST, "CL CL CL SR CL CL CL CL LA LI CL" },
	{ TCP_INPUT_ONLY, TCP_EVENT_NONE, "CL CL CL CL CL CL CL CL CL CL CL" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static enum tcp_state by_shorthand(const char *s)
{
	for (size_t i = 0; i < STATES; i++) {
		if (strncmp(states[i].shorthand, s, 2) == 0)
			return states[i].state;
	}
	fail_msg("no state %s", s);
	return TCP_S_NONE;
}

static void test_states(void **)
{
	assert_int_equal(TCP_S_COUNT, STATES);
	for (unsigned i = 0; i < STATES; i++) {
		assert_int_equal(states[i].state, i);
		assert_string_equal(tcp_state_names[i], states[i].name);
		assert_int_equal(tcp_timeout_s[i], states[i].timeout);
		assert_int_equal(TCP_ACTIVE_STATES >> i & 1, states[i].active);
	}
	assert_int_equal(TCP_ACTIVE_STATES >> STATES, 0);
	assert_int_equal(UDP_TIMEOUT_S, 300);
}

static void test_transitions(void **)
{
	bool covered[TCP_DIRECTIONS][TCP_EVENTS] = {};

	for (size_t r = 0; r < ROWS; r++) {
		assert_int_equal(strlen(rows[r].next), 3 * STATES - 1);
		assert_false(covered[rows[r].direction][rows[r].event]);
		covered[rows[r].direction][rows[r].event] = true;
		for (unsigned from = 0; from < STATES; from++) {
			enum tcp_state want = by_shorthand(rows[r].next + 3 * from);
			enum tcp_state got = tcp_next_state[rows[r].direction][rows[r].event][from];
			if (got != want)
				fail_msg("row %zu, from %s: %s, not %s", r, tcp_state_names[from],
				    tcp_state_names[got], tcp_state_names[want]);
		}
	}
	assert_int_equal(ROWS, TCP_DIRECTIONS * TCP_EVENTS);
}

// RST before SYN before FIN before ACK; PSH, which shares the low bits, says nothing.
static void test_flags(void **)
{
	enum { PSH = 0x08 };

	for (unsigned flags = 0; flags < 32; flags++) {
		enum tcp_event want = TCP_EVENT_NONE;
		if (flags & 0x10)
			want = TCP_EVENT_ACK;
		if (flags & 0x01)
			want = TCP_EVENT_FIN;
		if (flags & 0x02)
			want = TCP_EVENT_SYN;
		if (flags & 0x04)
			want = TCP_EVENT_RST;
		assert_int_equal(tcp_flag_event[flags], want);
		assert_int_equal(tcp_flag_event[flags ^ PSH], want);
	}
	assert_int_equal(TCP_FIN | TCP_SYN << 8 | TCP_RST << 16 | TCP_ACK << 24, 0x10040201);
}

// One segment: 'c' from the client, 's' from the server, 'o' from the client of a connection whose
// replies pass elsewhere; then its flags and the state after it.
struct segment {
	char from;
	uint8_t flags;
	const char *state;
};

static void play(const struct segment *s)
{
	enum tcp_state state = TCP_S_NONE;
	for (; s->from; s++) {
		enum tcp_direction d = s->from == 'c'   ? TCP_INPUT
		                       : s->from == 's' ? TCP_OUTPUT
		                                        : TCP_INPUT_ONLY;
		state = tcp_next_state[d][tcp_flag_event[s->flags]][state];
		assert_string_equal(tcp_state_names[state], s->state);
	}
}

#define SYN TCP_SYN
#define ACK TCP_ACK
#define FIN TCP_FIN | TCP_ACK
#define RST TCP_RST

// Whole connections, as they are listed by the real IPVS.
static void test_connections(void **)
{
	play((struct segment[]){ { 'c', SYN, "SYN_RECV" }, { 's', SYN | ACK, "SYN_RECV" },
	    { 'c', ACK, "ESTABLISHED" }, { 's', ACK, "ESTABLISHED" }, { 'c', FIN, "CLOSE_WAIT" },
	    { 's', FIN, "TIME_WAIT" }, { 'c', ACK, "TIME_WAIT" }, { 'c', SYN, "SYN_RECV" }, {} });
	play((struct segment[]){ { 'c', SYN, "SYN_RECV" }, { 's', SYN | ACK, "SYN_RECV" },
	    { 'c', ACK, "ESTABLISHED" }, { 's', FIN, "FIN_WAIT" }, { 'c', ACK, "FIN_WAIT" },
	    { 'c', FIN, "TIME_WAIT" }, { 's', ACK, "TIME_WAIT" }, {} });
	play((struct segment[]){ { 'c', SYN, "SYN_RECV" }, { 'c', RST, "SYN_RECV" },
	    { 's', RST | ACK, "CLOSE" }, { 'c', SYN, "SYN_RECV" }, {} });
	play((struct segment[]){ { 'c', SYN, "SYN_RECV" }, { 'c', ACK, "ESTABLISHED" },
	    { 'c', SYN, "ESTABLISHED" }, { 'c', RST, "CLOSE" }, { 'c', ACK, "CLOSE" }, {} });
	play((struct segment[]){ { 'o', SYN, "SYN_RECV" }, { 'o', ACK, "ESTABLISHED" },
	    { 'o', FIN, "FIN_WAIT" }, { 'o', ACK, "FIN_WAIT" }, {} });
	play((struct segment[]){ { 'o', SYN, "SYN_RECV" }, { 'o', FIN, "TIME_WAIT" }, {} });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_connections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
