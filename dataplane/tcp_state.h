// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The TCP state machine and the timeouts of IPVS (ip_vs_proto_tcp.c as it behaves, recorded in
// tests/oracle): which state follows on which segment. Const tables, no code.

#include <stdbool.h>
#include <stdint.h>

enum tcp_state { // IPVS's numbers: connection sync carries them
	TCP_S_NONE,
	TCP_S_ESTABLISHED,
	TCP_S_SYN_SENT,
	TCP_S_SYN_RECV,
	TCP_S_FIN_WAIT,
	TCP_S_TIME_WAIT,
	TCP_S_CLOSE,
	TCP_S_CLOSE_WAIT,
	TCP_S_LAST_ACK,
	TCP_S_LISTEN,
	TCP_S_SYNACK,
	TCP_S_COUNT
};

// Where a segment comes from. A connection whose replies do not pass here (DR, LOCAL) sees
// INPUT_ONLY.
enum tcp_direction { TCP_INPUT, TCP_OUTPUT, TCP_INPUT_ONLY, TCP_DIRECTIONS };

// In order of precedence when several flags are set; none of them: TCP_EVENT_NONE.
enum tcp_event {
	TCP_EVENT_RST,
	TCP_EVENT_SYN,
	TCP_EVENT_FIN,
	TCP_EVENT_ACK,
	TCP_EVENT_NONE,
	TCP_EVENTS
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

extern const uint8_t tcp_next_state[TCP_DIRECTIONS][TCP_EVENTS][TCP_S_COUNT];
extern const uint16_t tcp_timeout_s[TCP_S_COUNT];
extern const char *const tcp_state_names[TCP_S_COUNT];

// States that count as active connections of their server; the others are inactive.
#define TCP_ACTIVE_STATES \
	(1u << TCP_S_ESTABLISHED | 1u << TCP_S_SYN_SENT | 1u << TCP_S_SYN_RECV | 1u << TCP_S_SYNACK)

#define UDP_TIMEOUT_S 300

// The flag bits FIN, SYN, RST, ACK of a segment to its event.
extern const uint8_t tcp_flag_event[32];
