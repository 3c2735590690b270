// SPDX-License-Identifier: BSD-3-Clause

#include "tcp_state.h"

enum {
	NO = TCP_S_NONE,
	ES = TCP_S_ESTABLISHED,
	SS = TCP_S_SYN_SENT,
	SR = TCP_S_SYN_RECV,
	FW = TCP_S_FIN_WAIT,
	TW = TCP_S_TIME_WAIT,
	CL = TCP_S_CLOSE,
	CW = TCP_S_CLOSE_WAIT,
	LA = TCP_S_LAST_ACK,
	LI = TCP_S_LISTEN,
	SA = TCP_S_SYNACK,
};

#define ALL_CLOSE \
	{ \
		CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL \
	}

// clang-format off
// The columns are the state before:        NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
const uint8_t tcp_next_state[TCP_DIRECTIONS][TCP_EVENTS][TCP_S_COUNT] = {
	[TCP_INPUT] = {
		[TCP_EVENT_SYN]  = { SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR },
		[TCP_EVENT_FIN]  = { CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW },
		[TCP_EVENT_ACK]  = { ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES },
		[TCP_EVENT_RST]  = { CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR },
		[TCP_EVENT_NONE] = ALL_CLOSE,
	},
	[TCP_OUTPUT] = {
		[TCP_EVENT_SYN]  = { SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR },
		[TCP_EVENT_FIN]  = { TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW },
		[TCP_EVENT_ACK]  = { ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES },
		[TCP_EVENT_RST]  = { CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL },
		[TCP_EVENT_NONE] = ALL_CLOSE,
	},
	[TCP_INPUT_ONLY] = {
		[TCP_EVENT_SYN]  = { SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR },
		[TCP_EVENT_FIN]  = { CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW },
		[TCP_EVENT_ACK]  = { ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES },
		[TCP_EVENT_RST]  = { CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL },
		[TCP_EVENT_NONE] = ALL_CLOSE,
	},
};
// clang-format on

const uint16_t tcp_timeout_s[TCP_S_COUNT] = {
	[TCP_S_NONE] = 2,
	[TCP_S_ESTABLISHED] = 900,
	[TCP_S_SYN_SENT] = 120,
	[TCP_S_SYN_RECV] = 60,
	[TCP_S_FIN_WAIT] = 120,
	[TCP_S_TIME_WAIT] = 120,
	[TCP_S_CLOSE] = 10,
	[TCP_S_CLOSE_WAIT] = 60,
	[TCP_S_LAST_ACK] = 30,
	[TCP_S_LISTEN] = 120,
	[TCP_S_SYNACK] = 120,
};

const char *const tcp_state_names[TCP_S_COUNT] = {
	[TCP_S_NONE] = "NONE",
	[TCP_S_ESTABLISHED] = "ESTABLISHED",
	[TCP_S_SYN_SENT] = "SYN_SENT",
	[TCP_S_SYN_RECV] = "SYN_RECV",
	[TCP_S_FIN_WAIT] = "FIN_WAIT",
	[TCP_S_TIME_WAIT] = "TIME_WAIT",
	[TCP_S_CLOSE] = "CLOSE",
	[TCP_S_CLOSE_WAIT] = "CLOSE_WAIT",
	[TCP_S_LAST_ACK] = "LAST_ACK",
	[TCP_S_LISTEN] = "LISTEN",
	[TCP_S_SYNACK] = "SYNACK",
};

#define EVENT(flags) \
	[flags] = (flags)&TCP_RST   ? TCP_EVENT_RST \
	          : (flags)&TCP_SYN ? TCP_EVENT_SYN \
	          : (flags)&TCP_FIN ? TCP_EVENT_FIN \
	          : (flags)&TCP_ACK ? TCP_EVENT_ACK \
	                            : TCP_EVENT_NONE
#define EVENTS4(f)  EVENT(f), EVENT((f) + 1), EVENT((f) + 2), EVENT((f) + 3)
#define EVENTS16(f) EVENTS4(f), EVENTS4((f) + 4), EVENTS4((f) + 8), EVENTS4((f) + 12)

const uint8_t tcp_flag_event[32] = { EVENTS16(0), EVENTS16(16) };
