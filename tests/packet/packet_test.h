// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What packet tests have in common: one service of each family with two servers, and words to send
// and to expect.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// after those:
#include <cmocka.h>

#include "dataplane/tcp_state.h"
#include "tests/lab/frame.h"
#include "tests/lab/lab.h"

#define VIP        "192.0.2.10"
#define VIP6       "2001:db8::10"
#define RS1        "192.0.2.11"
#define RS2        "192.0.2.12"
#define RS16       "2001:db8::11"
#define RS26       "2001:db8::12"
#define MAC_OF(id) (0x020000000000 | (id))

// "web": 192.0.2.10:80, servers .11 and .12, hops 0x11 and 0x12; "web6" likewise; "dns": UDP 53.
static inline struct lab *web_lab(const struct lab_options *o)
{
	struct lab *lab = lab_new(o);
	lab_hop(lab, RS1, 0, 0x11);
	lab_hop(lab, RS2, 0, 0x12);
	lab_hop(lab, RS16, 0, 0x61);
	lab_hop(lab, RS26, 0, 0x62);
	// Servers stand newest first: the second one given is the first one picked.
	assert_int_equal(lab_service(lab, "{'name':'web','protocol':'tcp','address':'" VIP
	                                  "','port':80,'scheduler':'rr','servers':[{'address':'" RS2
	                                  "'},{'address':'" RS1 "'}]}"),
	    0);
	assert_int_equal(
	    lab_service(lab, "{'name':'web6','protocol':'tcp','address':'" VIP6
	                     "','port':80,'scheduler':'rr','servers':[{'address':'" RS26
	                     "'},{'address':'" RS16 "'}]}"),
	    0);
	assert_int_equal(lab_service(lab, "{'name':'dns','protocol':'udp','address':'" VIP
	                                  "','port':53,'scheduler':'rr','servers':[{'address':'" RS2
	                                  "'},{'address':'" RS1 "'}]}"),
	    0);
	return lab;
}

static inline void send_spec(struct lab *lab, const struct frame_spec *s)
{
	struct frame f = frame_make(s);
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
}

// A TCP segment of the client 198.51.100.1 (or 2001:db8:1::1) to the web service.
static inline void send_tcp(struct lab *lab, bool v6, uint16_t sport, uint8_t flags)
{
	send_spec(lab, &(struct frame_spec){
	                   .src = v6 ? "2001:db8:1::1" : "198.51.100.1",
	                   .dst = v6 ? VIP6 : VIP,
	                   .sport = sport,
	                   .dport = 80,
	                   .tcp_flags = flags,
	               });
}

// The next frame that left by port 0, which must be IP.
static inline struct frame_seen expect_out(struct lab *lab)
{
	static uint8_t frame[FRAME_MAX];
	struct frame_seen seen;
	size_t n = lab_receive(lab, 0, frame, sizeof(frame));
	assert_true(n > 0);
	assert_true(frame_see(frame, n, &seen));
	return seen;
}

static inline void expect_nothing(struct lab *lab)
{
	uint8_t frame[FRAME_MAX];
	assert_int_equal(lab_receive(lab, 0, frame, sizeof(frame)), 0);
}

// The server (its hop's number) that the next frame went to.
static inline unsigned expect_server(struct lab *lab)
{
	struct frame_seen s = expect_out(lab);
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
	return s.dst_mac & 0xffff;
}

static inline void expect_load(
    struct lab *lab, const char *service, const char *server, uint32_t active, uint32_t inactive)
{
	uint32_t a, i;
	lab_server_load(lab, service, server, strcmp(service, "dns") == 0 ? 53 : 80, &a, &i);
	assert_int_equal(a, active);
	assert_int_equal(i, inactive);
}

static inline void finish(struct lab *lab)
{
	assert_true(lab_books_balance(lab));
	assert_true(lab_free(lab));
}
