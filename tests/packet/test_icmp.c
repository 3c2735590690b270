// SPDX-License-Identifier: BSD-3-Clause

// ICMP errors about packets of connections, from both sides.

#include <arpa/inet.h>

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define ROUTER  "203.0.113.9"
#define ROUTER6 "2001:db8:9::9"
#define L3      14

static struct lab *lab;

static void open_lab(unsigned workers, const char *forward)
{
	char text[400];
	uint16_t rport = strcmp(forward, "nat") == 0 ? 8081 : 80;
	lab = lab_new(&(struct lab_options){ .workers = workers, .ports = 2 });
	lab_hop(lab, RS1, 1, 0x11);
	lab_hop(lab, RS16, 1, 0x61);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		snprintf(text, sizeof(text),
		    "{'name':'%s','protocol':'tcp','address':'%s','port':80,'scheduler':'rr',"
		    "'forward':'%s','servers':[{'address':'%s','port':%u}]}",
		    v6 ? "web6" : "web", v6 ? VIP6 : VIP, forward, v6 ? RS16 : RS1, rport);
		assert_int_equal(lab_service(lab, text), 0);
	}
}

static int set_up_nat(void **)
{
	open_lab(1, "nat");
	return 0;
}

static int set_up_dr(void **)
{
	open_lab(1, "dr");
	return 0;
}

static int tear_down(void **)
{
	finish(lab);
	return 0;
}

// An ICMP error that quotes all of `about`, or its first `quote` bytes.
static struct frame error_about(const struct frame_spec *outer, uint8_t type, uint8_t code,
    uint32_t word, const struct frame *about, size_t quote)
{
	struct frame_spec s = *outer;
	bool v6 = strchr(s.dst, ':') != NULL;
	size_t bytes = about->bytes - L3;
	bytes = quote && quote < bytes ? quote : bytes;
	s.protocol = v6 ? 58 : 1;
	s.payload = 8 + bytes;
	struct frame f = frame_make(&s);
	uint8_t *icmp = f.data + L3 + (v6 ? 40 : 20);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	word = htonl(word);
	memcpy(icmp + 4, &word, 4);
	memcpy(icmp + 8, about->data + L3, bytes);
	uint32_t pseudo = 0;
	if (v6)
		pseudo = (uint16_t)~frame_checksum(f.data + L3 + 8, 32, 58 + s.payload);
	uint16_t sum = frame_checksum(icmp, s.payload, pseudo);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	return f;
}

static void exchange(unsigned port, const struct frame *f, unsigned queue)
{
	uint8_t out[FRAME_MAX];
	assert_true(lab_send(lab, port, queue, f->data, f->bytes));
	lab_run(lab);
	assert_true(lab_receive(lab, !port, out, sizeof(out)) > 0);
}

static void expect_frame(unsigned port, const struct frame *want)
{
	uint8_t out[FRAME_MAX];
	lab_run(lab);
	assert_int_equal(lab_receive(lab, port, out, sizeof(out)), want->bytes);
	assert_memory_equal(out, want->data, want->bytes);
}

static void open_connection(bool v6, unsigned queue)
{
	struct frame f = frame_make(&(struct frame_spec){
	    v6 ? CLIENT6 : CLIENT, v6 ? VIP6 : VIP, 9, 80, .tcp_flags = TCP_SYN });
	exchange(0, &f, queue);
}

static struct frame about(const char *src, const char *dst, uint16_t sport, uint16_t dport)
{
	return frame_make(&(struct frame_spec){
	    src, dst, sport, dport, .payload = 60, .dont_fragment = true, .ttl = 55 });
}

// A quoted packet keeps its own TCP checksum, as the kernel leaves it: it is of no use to anybody.
static struct frame with_checksum_of(struct frame f, const struct frame *other, bool v6)
{
	size_t at = L3 + (v6 ? 40 : 20) + 16;
	memcpy(f.data + at, other->data + at, 2);
	return f;
}

static void to_the_server(bool v6, uint16_t queue)
{
	static const uint8_t types[][2] = { { 3, 4 }, { 3, 1 }, { 3, 3 }, { 3, 13 }, { 4, 0 },
		{ 11, 0 }, { 11, 1 } };
	static const uint8_t types6[][2] = { { 1, 0 }, { 1, 4 }, { 2, 0 }, { 3, 0 }, { 4, 1 } };
	const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP, *rs = v6 ? RS16 : RS1;
	struct frame quoted = about(vip, client, 80, 9), inside = about(rs, client, 8081, 9);
	inside = with_checksum_of(inside, &quoted, v6);
	for (unsigned i = 0; i < (v6 ? 5 : 7); i++) {
		const uint8_t *t = v6 ? types6[i] : types[i];
		for (size_t quote = v6 ? 44 : 28; quote < 120; quote += 46) {
			struct frame in = error_about(
			    &(struct frame_spec){ v6 ? ROUTER6 : ROUTER, vip }, t[0], t[1], 1400,
			    &quoted, quote);
			struct frame want = error_about(
			    &(struct frame_spec){ v6 ? ROUTER6 : ROUTER, rs, .ttl = 63,
			        .src_mac = MAC_OF(2), .dst_mac = MAC_OF(v6 ? 0x61 : 0x11) },
			    t[0], t[1], 1400, &inside, quote);
			assert_true(lab_send(lab, 0, queue, in.data, in.bytes));
			expect_frame(1, &want);
		}
	}
}

static void to_the_client(bool v6, uint16_t queue)
{
	const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP, *rs = v6 ? RS16 : RS1;
	struct frame quoted = about(client, rs, 9, 8081), inside = about(client, vip, 9, 80);
	inside = with_checksum_of(inside, &quoted, v6);
	struct frame in = error_about(&(struct frame_spec){ rs, client, .dst_mac = MAC_OF(2) },
	    v6 ? 2 : 3, v6 ? 0 : 4, 1300, &quoted, 0);
	struct frame want = error_about(&(struct frame_spec){ vip, client, .ttl = 63,
	                                    .src_mac = MAC_OF(1), .dst_mac = 0x0200000000c1 },
	    v6 ? 2 : 3, v6 ? 0 : 4, 1300, &inside, 0);
	assert_true(lab_send(lab, 1, queue, in.data, in.bytes));
	expect_frame(0, &want);
}

static void nat_to_the_server(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		open_connection(v6, 0);
		to_the_server(v6, 0);
	}
}

static void nat_to_the_client(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		open_connection(v6, 0);
		to_the_client(v6, 0);
	}
}

// It does not matter which worker an error comes in on.
static void any_worker(void **)
{
	finish(lab);
	open_lab(4, "nat");
	for (unsigned v6 = 0; v6 < 2; v6++) {
		open_connection(v6, 1);
		for (unsigned queue = 0; queue < 4; queue++) {
			to_the_server(v6, queue);
			to_the_client(v6, queue);
		}
	}
	// One about an unknown connection goes round once, and then to the kernel.
	struct worker_counters before = lab_counters(lab);
	struct frame quoted = about(VIP, CLIENT, 80, 4444);
	struct frame in = error_about(&(struct frame_spec){ ROUTER, VIP }, 3, 1, 0, &quoted, 0);
	assert_true(lab_send(lab, 0, 2, in.data, in.bytes));
	lab_run(lab);
	struct worker_counters after = lab_counters(lab);
	assert_int_equal(after.handed_over - before.handed_over, 3);
	assert_int_equal(after.punted - before.punted, 1);
}

// DR: the packet is not changed but for its TTL.
static void dr_to_the_server(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP;
		open_connection(v6, 0);
		struct frame quoted = about(vip, client, 80, 9);
		struct frame_spec outer = { v6 ? ROUTER6 : ROUTER, vip };
		struct frame in = error_about(&outer, v6 ? 2 : 3, v6 ? 0 : 4, 1300, &quoted, 0);
		outer.ttl = 63;
		outer.src_mac = MAC_OF(2);
		outer.dst_mac = MAC_OF(v6 ? 0x61 : 0x11);
		struct frame want = error_about(&outer, v6 ? 2 : 3, v6 ? 0 : 4, 1300, &quoted, 0);
		assert_true(lab_send(lab, 0, 0, in.data, in.bytes));
		expect_frame(1, &want);
	}
}

static void the_rest_is_the_kernels(void **)
{
	open_connection(false, 0);
	struct frame quoted = about(VIP, CLIENT, 80, 9), unknown = about(VIP, CLIENT, 80, 4444);
	struct frame_spec outer = { ROUTER, VIP };
	struct frame frames[] = {
		error_about(&outer, 5, 1, 0, &quoted, 0),  // redirect
		error_about(&outer, 12, 0, 0, &quoted, 0), // parameter problem
		error_about(&outer, 8, 0, 0, &quoted, 0),  // echo
		error_about(&outer, 3, 4, 0, &unknown, 0),
		error_about(&outer, 3, 4, 0, &quoted, 22), // no ports in it
	};
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t out[FRAME_MAX];
		assert_true(lab_send(lab, 0, 0, frames[i].data, frames[i].bytes));
		lab_run(lab);
		assert_int_equal(lab_punted(lab, 0, out, sizeof(out)), frames[i].bytes);
		assert_memory_equal(out, frames[i].data, frames[i].bytes);
	}
}

static void wrong_checksums_and_short_lives(void **)
{
	open_connection(false, 0);
	struct frame quoted = about(VIP, CLIENT, 80, 9);
	struct frame f = error_about(&(struct frame_spec){ ROUTER, VIP }, 3, 4, 1300, &quoted, 0);
	f.data[L3 + 22] ^= 1;
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_bad_icmp_checksum), 1);
	// No error is sent about an error.
	f = error_about(&(struct frame_spec){ ROUTER, VIP, .ttl = 1 }, 3, 4, 1300, &quoted, 0);
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_ttl_exceeded), 1);
	uint8_t out[FRAME_MAX];
	assert_int_equal(lab_receive(lab, 0, out, sizeof(out)), 0);
	assert_int_equal(lab_receive(lab, 1, out, sizeof(out)), 0);
}

// Errors count as packets, but do not keep a connection alive.
static void no_state_no_timer(void **)
{
	open_connection(false, 0);
	struct frame quoted = about(VIP, CLIENT, 80, 9);
	struct frame f = error_about(&(struct frame_spec){ ROUTER, VIP }, 3, 1, 0, &quoted, 0);
	lab_pass(lab, LAB_SECONDS(50));
	exchange(0, &f, 0);
	lab_pass(lab, LAB_SECONDS(11));
	lab_run(lab);
	assert_int_equal(crew_connections(lab_crew(lab)), 0);
	struct service_stats s;
	model_service_stats(lab_model(lab), model_find_name(lab_model(lab), "web"), &s);
	assert_int_equal(s.in_packets, 2);
}

#define NAT(f) cmocka_unit_test_setup_teardown(f, set_up_nat, tear_down)
#define DR(f)  cmocka_unit_test_setup_teardown(f, set_up_dr, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NAT(nat_to_the_server),
		NAT(nat_to_the_client),
		NAT(any_worker),
		DR(dr_to_the_server),
		NAT(the_rest_is_the_kernels),
		NAT(wrong_checksums_and_short_lives),
		NAT(no_state_no_timer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
