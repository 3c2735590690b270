// SPDX-License-Identifier: BSD-3-Clause

// Packets that are not forwarded: each under its own name, and answered where IPVS answers.

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define L3      14

static struct lab *lab;

static int set_up(void **)
{
	lab = web_lab(&(struct lab_options){});
	return 0;
}

static int tear_down(void **)
{
	finish(lab);
	return 0;
}

static struct frame syn(bool v6, uint16_t payload)
{
	return frame_make(&(struct frame_spec){ v6 ? CLIENT6 : CLIENT, v6 ? VIP6 : VIP, 1, 80,
	    .tcp_flags = TCP_SYN, .payload = payload });
}

// The frame is dropped for this reason and no other, and nothing comes out.
static void refused(const struct frame *f, enum drop_reason reason)
{
	uint64_t before = lab_drops(lab, reason), all = lab_drops_total(lab);
	assert_true(lab_send(lab, 0, 0, f->data, f->bytes));
	lab_run(lab);
	if (lab_drops(lab, reason) != before + 1)
		fprintf(stderr, "not dropped as %s\n", drop_reasons[reason].name);
	assert_int_equal(lab_drops(lab, reason), before + 1);
	assert_int_equal(lab_drops_total(lab), all + 1);
}

static void set_byte(struct frame *f, size_t at, uint8_t value)
{
	f->data[at] = value;
}

// After an edit of the IPv4 header.
static void sum_again(struct frame *f)
{
	uint8_t *ip = f->data + L3;
	ip[10] = ip[11] = 0;
	uint16_t sum = frame_checksum(ip, (ip[0] & 15) * 4, 0);
	ip[10] = sum >> 8;
	ip[11] = sum;
}

static void frames(void **)
{
	for (unsigned bytes = 1; bytes < 14; bytes++) {
		struct frame f = syn(false, 0);
		f.bytes = bytes;
		refused(&f, DROP_short_frame);
	}
	struct frame f = frame_make(
	    &(struct frame_spec){ CLIENT, VIP, 1, 80, .tcp_flags = TCP_SYN, .vlan = 5 });
	f.bytes = 16;
	refused(&f, DROP_short_frame);
	f = frame_make(&(struct frame_spec){ CLIENT, VIP, 1, 80, .dst_mac = MAC_OF(0x77) });
	refused(&f, DROP_other_host);
	expect_nothing(lab);
}

static void ipv4_headers(void **)
{
	struct frame f;
	for (unsigned bytes = L3; bytes < L3 + 20; bytes++) {
		f = syn(false, 0);
		f.bytes = bytes;
		refused(&f, DROP_bad_ip_header);
	}
	static const uint8_t first[] = { 0x55, 0x65, 0x05, 0x44, 0x40, 0x4f };
	for (unsigned i = 0; i < sizeof(first); i++) {
		f = syn(false, 0);
		set_byte(&f, L3, first[i]);
		refused(&f, DROP_bad_ip_header);
	}
	f = syn(false, 0);
	set_byte(&f, L3 + 3, 19); // shorter than its header
	refused(&f, DROP_bad_ip_header);
	for (unsigned at = 0; at < 20; at++) {
		f = syn(false, 0);
		if (at == 0)
			continue; // version and length: other reasons
		f.data[L3 + at] ^= 0x20;
		if (at != 2 && at != 3) // a length that fits no more may be found first
			refused(&f, DROP_bad_ip_checksum);
	}
	f = syn(false, 100);
	f.bytes -= 1;
	refused(&f, DROP_truncated);
	expect_nothing(lab);
}

static void ipv6_headers(void **)
{
	struct frame f;
	for (unsigned bytes = L3; bytes < L3 + 40; bytes++) {
		f = syn(true, 0);
		f.bytes = bytes;
		refused(&f, DROP_bad_ip_header);
	}
	f = syn(true, 0);
	set_byte(&f, L3, 0x40);
	refused(&f, DROP_bad_ip_header);
	f = syn(true, 10);
	f.bytes -= 1;
	refused(&f, DROP_truncated);
	// Nine destination options headers; and one that is longer than the packet.
	uint8_t chain[72] = {};
	for (unsigned i = 0; i < 9; i++)
		chain[8 * i] = i == 8 ? 6 : 60;
	f = frame_make(&(struct frame_spec){ CLIENT6, VIP6, 1, 80, .tcp_flags = TCP_SYN,
	    .extension = chain, .extension_bytes = 72, .extension_first = 60 });
	refused(&f, DROP_too_many_headers);
	chain[0] = 6;
	chain[1] = 200;
	f = frame_make(&(struct frame_spec){ CLIENT6, VIP6, 1, 80, .tcp_flags = TCP_SYN,
	    .extension = chain, .extension_bytes = 8, .extension_first = 60 });
	refused(&f, DROP_bad_ip_header);
	expect_nothing(lab);
}

static void l4_headers(void **)
{
	for (unsigned bytes = 0; bytes < 20; bytes++) {
		struct frame f = syn(false, 0);
		set_byte(&f, L3 + 3, 20 + bytes);
		sum_again(&f);
		refused(&f, DROP_short_l4);
		f = syn(true, 0);
		set_byte(&f, L3 + 5, bytes);
		refused(&f, DROP_short_l4);
	}
	for (unsigned bytes = 0; bytes < 8; bytes++) {
		struct frame f = frame_make(
		    &(struct frame_spec){ CLIENT, VIP, 1, 53, .protocol = 17 });
		set_byte(&f, L3 + 3, 20 + bytes);
		sum_again(&f);
		refused(&f, DROP_short_l4);
	}
	expect_nothing(lab);
}

// The first fragment holds the whole L4 header, and no other reaches into it.
static void fragments(void **)
{
	static const uint8_t first[] = { 6, 0, 0, 1, 0, 0, 0, 9 },
	                     second[] = { 6, 0, 0, 9, 0, 0, 0, 9 };
	struct frame f = frame_make(&(struct frame_spec){
	    CLIENT, VIP, .protocol = 255, .payload = 16, .fragment = 0x2000 });
	set_byte(&f, L3 + 9, 6);
	sum_again(&f);
	refused(&f, DROP_short_l4);
	f = frame_make(&(struct frame_spec){ CLIENT, VIP, 1, 80, .payload = 64, .fragment = 1 });
	refused(&f, DROP_fragment_overlap);
	for (unsigned i = 0; i < 2; i++) {
		f = frame_make(&(struct frame_spec){ CLIENT6, VIP6, 1, 80, .payload = i ? 64 : 0,
		    .extension = i ? second : first, .extension_bytes = 8, .extension_first = 44 });
		if (!i) {
			f.bytes -= 8;
			set_byte(&f, L3 + 5, 8 + 12);
		}
		refused(&f, i ? DROP_fragment_overlap : DROP_short_l4);
	}
	expect_nothing(lab);
}

static void martians(void **)
{
	static const char *const sources[] = { "0.0.0.0", "127.0.0.1", "224.0.0.1",
		"255.255.255.255", "240.0.0.1", VIP, "::", "::1", "ff02::1", VIP6 };
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct frame f = frame_make(&(struct frame_spec){ sources[i],
		    strchr(sources[i], ':') ? VIP6 : VIP, 1, 80, .tcp_flags = TCP_SYN });
		refused(&f, DROP_martian_source);
	}
	expect_nothing(lab);
	assert_int_equal(crew_connections(lab_crew(lab)), 0);
}

// An ICMP error about what was sent, from its destination to its source.
static struct frame_seen expect_error(bool v6, uint8_t type, uint8_t code)
{
	struct frame_seen s = expect_out(lab);
	assert_string_equal(s.src, v6 ? VIP6 : VIP);
	assert_string_equal(s.dst, v6 ? CLIENT6 : CLIENT);
	assert_int_equal(s.protocol, v6 ? 58 : 1);
	assert_int_equal(s.icmp_type, type);
	assert_int_equal(s.icmp_code, code);
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
	assert_int_equal(s.dst_mac, 0x0200000000c1);
	assert_int_equal(s.src_mac, MAC_OF(1));
	return s;
}

static void no_server(void **)
{
	for (unsigned i = 0; i < 2; i++) {
		const char *rs = i ? RS2 : RS1, *rs6 = i ? RS26 : RS16;
		lab_server_delete(lab, "web", rs, 80);
		lab_server_delete(lab, "web6", rs6, 80);
	}
	struct frame f = syn(false, 0);
	refused(&f, DROP_no_server);
	expect_error(false, 3, 3);
	f = syn(true, 0);
	refused(&f, DROP_no_server);
	expect_error(true, 1, 4);
}

static void time_exceeded(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct frame f = frame_make(&(struct frame_spec){ v6 ? CLIENT6 : CLIENT,
		    v6 ? VIP6 : VIP, 1, 80, .tcp_flags = TCP_SYN, .ttl = 1 });
		refused(&f, DROP_ttl_exceeded);
		expect_error(v6, v6 ? 3 : 11, 0);
	}
}

static void hops_that_do_not_work(void **)
{
	struct frame f = syn(false, 0);
	lab_hop_kind(lab, RS1, HOP_NO_MAC);
	lab_hop_kind(lab, RS16, HOP_NO_MAC);
	refused(&f, DROP_no_neighbour);
	expect_nothing(lab);
	lab_hop_kind(lab, RS1, HOP_DOWN);
	lab_hop_kind(lab, RS16, HOP_DOWN);
	refused(&f, DROP_no_route);
	expect_error(false, 3, 1);
	f = syn(true, 0);
	refused(&f, DROP_no_route);
	expect_error(true, 1, 3);
}

static void too_long_for_the_next_hop(void **)
{
	lab_hop_mtu(lab, RS1, 0, 0x11, 1400, 0);
	lab_hop_mtu(lab, RS16, 0, 0x61, 1300, 0);
	struct frame f = frame_make(&(struct frame_spec){ CLIENT, VIP, 1, 80, .tcp_flags = TCP_SYN,
	    .payload = 1401 - 40, .dont_fragment = true });
	refused(&f, DROP_packet_too_big);
	struct frame_seen s = expect_error(false, 3, 4);
	assert_int_equal(s.icmp_word, 1400);
	assert_int_equal(s.l3_bytes, 576);
	f = syn(true, 1301 - 60);
	refused(&f, DROP_packet_too_big);
	s = expect_error(true, 2, 0);
	assert_int_equal(s.icmp_word, 1300);
	assert_int_equal(s.l3_bytes, 1280);
	// As long as it may be: it passes.
	send_spec(lab, &(struct frame_spec){ CLIENT, VIP, 1, 80, .tcp_flags = TCP_SYN,
	                   .payload = 1400 - 40, .dont_fragment = true });
	assert_int_equal(expect_server(lab), 0x11);
}

static void cut_into_fragments(void **)
{
	lab_hop_mtu(lab, RS1, 0, 0x11, 600, 0);
	struct frame f = frame_make(
	    &(struct frame_spec){ CLIENT, VIP, 1, 80, .tcp_flags = TCP_SYN, .payload = 1400 });
	uint8_t whole[2000], out[FRAME_MAX];
	size_t have = 0;
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	for (size_t n; (n = lab_receive(lab, 0, out, sizeof(out)));) {
		struct frame_seen s;
		assert_true(frame_see(out, n, &s));
		assert_true(s.ip_checksum_good);
		assert_in_range(s.l3_bytes, 28, 600);
		assert_int_equal(s.ttl, 63);
		size_t at = (s.fragment & 0x1fff) * 8, bytes = s.l3_bytes - 20;
		assert_true(at + bytes <= sizeof(whole));
		memcpy(whole + at, out + s.l4_at, bytes);
		have += bytes;
		assert_int_equal(!(s.fragment & 0x2000), at + bytes == 1420);
	}
	assert_int_equal(have, 1420);
	assert_memory_equal(whole, f.data + L3 + 20, 1420);
	assert_int_equal(lab_drops_total(lab), 0);
}

// Longer than the port's own MTU: no frame of the wire, a sender's TSO.
static void longer_than_the_ports_mtu(void **)
{
	struct frame f = syn(false, 3000);
	refused(&f, DROP_over_mtu);
	f = syn(true, 3000);
	refused(&f, DROP_over_mtu);
	expect_nothing(lab);
	assert_int_equal(lab_worker(lab, 0)->ports[0].over_mtu, 2);
}

static void errors_are_limited(void **)
{
	model_settings(lab_model(lab), &(struct conf_timeouts){ 900, 120, 300 }, 200000, 10);
	lab_hop_kind(lab, RS1, HOP_DOWN);
	lab_hop_kind(lab, RS2, HOP_DOWN);
	lab_pass(lab, LAB_SECONDS(1));
	unsigned answers = 0;
	uint8_t out[FRAME_MAX];
	for (unsigned i = 0; i < 100; i++) {
		struct frame f = syn(false, 0);
		refused(&f, DROP_no_route);
		answers += lab_receive(lab, 0, out, sizeof(out)) > 0;
	}
	assert_int_equal(answers, 1); // a tenth of what a second allows
	for (unsigned second = 0; second < 10; second++) {
		for (unsigned i = 0; i < 100; i++) {
			lab_pass(lab, 1);
			struct frame f = syn(false, 0);
			refused(&f, DROP_no_route);
			answers += lab_receive(lab, 0, out, sizeof(out)) > 0;
		}
	}
	assert_in_range(answers, 100, 102);
}

static void the_kernel_is_not_flooded(void **)
{
	model_settings(lab_model(lab), &(struct conf_timeouts){ 900, 120, 300 }, 1000, 1000);
	lab_pass(lab, LAB_SECONDS(1));
	struct frame f = frame_make(&(struct frame_spec){ CLIENT, "192.0.2.2", .protocol = 1 });
	for (unsigned i = 0; i < 300; i++) {
		assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
		lab_run(lab);
	}
	assert_int_equal(lab_counters(lab).punted, 100);
	assert_int_equal(lab_drops(lab, DROP_punt_limited), 200);
}

// Nothing is answered that was sent to many or from nobody.
static void what_is_not_answered(void **)
{
	lab_hop_kind(lab, RS1, HOP_DOWN);
	lab_hop_kind(lab, RS2, HOP_DOWN);
	struct frame f = frame_make(&(struct frame_spec){
	    CLIENT, VIP, 1, 80, .tcp_flags = TCP_SYN, .src_mac = 0x0300000000c1 });
	refused(&f, DROP_no_route);
	expect_nothing(lab);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames),
		T(ipv4_headers),
		T(ipv6_headers),
		T(l4_headers),
		T(fragments),
		T(martians),
		T(no_server),
		T(time_exceeded),
		T(hops_that_do_not_work),
		T(too_long_for_the_next_hop),
		T(cut_into_fragments),
		T(longer_than_the_ports_mtu),
		T(errors_are_limited),
		T(the_kernel_is_not_flooded),
		T(what_is_not_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
