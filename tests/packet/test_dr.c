// SPDX-License-Identifier: BSD-3-Clause

// Direct routing: what leaves, bit by bit, and what goes to the kernel instead.

#include "packet_test.h"

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

// Only the MAC addresses, the TTL and the header checksum change.
static void only_ttl_changes(bool v6)
{
	struct frame_spec spec = {
		.src = v6 ? "2001:db8:1::1" : "198.51.100.1",
		.dst = v6 ? VIP6 : VIP,
		.sport = 1000,
		.dport = 80,
		.tcp_flags = TCP_SYN,
		.payload = 333,
		.ttl = 17,
	};
	struct frame f = frame_make(&spec);
	uint8_t out[FRAME_MAX];
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_receive(lab, 0, out, sizeof(out)), f.bytes);
	spec.ttl = 16;
	spec.src_mac = MAC_OF(1);
	spec.dst_mac = MAC_OF(v6 ? 0x61 : 0x11);
	f = frame_make(&spec);
	assert_memory_equal(out, f.data, f.bytes);
}

static void ipv4_changes_ttl_only(void **)
{
	only_ttl_changes(false);
}

static void ipv6_changes_hop_limit_only(void **)
{
	only_ttl_changes(true);
}

// The checksum of every TTL comes out right, also those that wrap around.
static void every_ttl(void **)
{
	for (unsigned ttl = 2; ttl < 256; ttl++) {
		for (unsigned sport = 1001; sport < 1040; sport++) {
			send_spec(lab, &(struct frame_spec){ "198.51.100.1", VIP, sport, 80,
			                   .tcp_flags = TCP_SYN, .ttl = ttl, .payload = sport });
			struct frame_seen s = expect_out(lab);
			assert_true(s.ip_checksum_good);
			assert_int_equal(s.ttl, ttl - 1);
		}
	}
}

static void a_connection_stays_with_its_server(void **)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		unsigned of[100];
		for (unsigned i = 0; i < 100; i++) {
			send_tcp(lab, v6, 2000 + i, TCP_SYN);
			of[i] = expect_server(lab);
		}
		for (unsigned i = 0; i < 100; i++) {
			assert_int_equal(of[i], (v6 ? 0x61 : 0x11) + i % 2); // round robin
			send_tcp(lab, v6, 2000 + i, TCP_ACK);
			assert_int_equal(expect_server(lab), of[i]);
		}
	}
}

static void udp_has_connections_too(void **)
{
	struct frame_spec s = { "198.51.100.1", VIP, 5000, 53, .protocol = 17, .payload = 20 };
	send_spec(lab, &s);
	unsigned first = expect_server(lab);
	send_spec(lab, &s);
	assert_int_equal(expect_server(lab), first);
	s.sport = 5001;
	send_spec(lab, &s);
	assert_int_not_equal(expect_server(lab), first);
	expect_load(lab, "dns", RS1, 0, 1);
	expect_load(lab, "dns", RS2, 0, 1);
}

static void vlan_tags(void **)
{
	// A tag that comes in does not leave when the hop has none; a hop's own is put on.
	send_spec(lab, &(struct frame_spec){ "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN,
	                   .vlan = 7, .payload = 100 });
	struct frame_seen s = expect_out(lab);
	assert_int_equal(s.vlan, 0);
	assert_int_equal(s.dst_mac, MAC_OF(0x11));
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
	lab_hop_mtu(lab, RS2, 0, 0x12, 1500, 99);
	send_tcp(lab, false, 2, TCP_SYN);
	s = expect_out(lab);
	assert_int_equal(s.vlan, 99);
	assert_int_equal(s.dst_mac, MAC_OF(0x12));
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
}

static void ip_options_and_extension_headers(void **)
{
	// hop-by-hop, destination options (16 bytes), an atomic fragment header
	static const uint8_t chain[] = { 60, 0, 1, 4, 0, 0, 0, 0, 44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4 };
	send_spec(lab, &(struct frame_spec){
	                   "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN, .options = 10 });
	assert_int_equal(expect_server(lab), 0x11);
	send_spec(
	    lab, &(struct frame_spec){ "2001:db8:1::1", VIP6, 1, 80, .tcp_flags = TCP_SYN,
	             .extension = chain, .extension_bytes = sizeof(chain), .extension_first = 0 });
	assert_int_equal(expect_server(lab), 0x61);
}

static void padding_is_cut_off(void **)
{
	struct frame f = frame_make(
	    &(struct frame_spec){ "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN });
	uint8_t padded[60] = {}, out[FRAME_MAX];
	assert_in_range(f.bytes, 14, 59);
	memcpy(padded, f.data, f.bytes);
	assert_true(lab_send(lab, 0, 0, padded, sizeof(padded)));
	lab_run(lab);
	assert_int_equal(lab_receive(lab, 0, out, sizeof(out)), f.bytes);
}

static void frames_in_several_buffers(void **)
{
	struct frame f = frame_make(&(struct frame_spec){
	    "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN, .payload = 1200 });
	assert_true(lab_send_in_parts(lab, 0, 0, f.data, f.bytes, 500));
	lab_run(lab);
	struct frame_seen s = expect_out(lab);
	assert_int_equal(s.dst_mac, MAC_OF(0x11));
	assert_true(s.l4_checksum_good);
}

static void partial_checksums_are_mended(void **)
{
	const struct worker *w = lab_worker(lab, 0);
	for (unsigned i = 0; i < 4; i++) {
		send_spec(lab, &(struct frame_spec){ i & 1 ? "2001:db8:1::1" : "198.51.100.1",
		                   i & 1 ? VIP6 : VIP, 1, 80, .tcp_flags = TCP_SYN,
		                   .payload = 99 + i, .partial_checksum = true });
		assert_true(expect_out(lab).l4_checksum_good);
		assert_int_equal(w->ports[0].mended, i + 1);
	}
	send_spec(lab, &(struct frame_spec){ "198.51.100.1", VIP, 1, 53, .protocol = 17,
	                   .payload = 7, .partial_checksum = true });
	assert_true(expect_out(lab).l4_checksum_good);
	// A UDP checksum of 0 is "none": it stays.
	struct frame f = frame_make(
	    &(struct frame_spec){ "198.51.100.1", VIP, 2, 53, .protocol = 17, .payload = 7 });
	uint8_t out[FRAME_MAX];
	f.data[14 + 20 + 6] = f.data[14 + 20 + 7] = 0;
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_receive(lab, 0, out, sizeof(out)), f.bytes);
	assert_int_equal(out[14 + 20 + 6] | out[14 + 20 + 7], 0);
}

// Everything that is for no service is the kernel's, unchanged.
static void the_rest_is_the_kernels(void **)
{
	static const struct frame_spec specs[] = {
		{ "198.51.100.1", VIP, 1, 22, .tcp_flags = TCP_SYN },
		{ "198.51.100.1", "192.0.2.2", 1, 80, .tcp_flags = TCP_SYN },
		{ "2001:db8:1::1", VIP6, 1, 22, .tcp_flags = TCP_SYN },
		{ "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_ACK }, // nobody's connection
		{ "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN | TCP_RST },
		{ "198.51.100.1", VIP, 1, 80, .protocol = 17 },
		{ "198.51.100.1", VIP, .protocol = 1, .payload = 16 },
		{ "198.51.100.1", "224.0.0.18", .protocol = 112, .dst_mac = 0x01005e000012 },
		{ "198.51.100.1", "192.0.2.2", .protocol = 1, .payload = 64, .fragment = 0x2000 },
		{ "2001:db8:1::1", VIP6, .protocol = 58, .payload = 16 },
	};
	for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct frame f = frame_make(&specs[i]);
		uint8_t out[FRAME_MAX];
		send_spec(lab, &specs[i]);
		expect_nothing(lab);
		assert_int_equal(lab_punted(lab, 0, out, sizeof(out)), f.bytes);
		assert_memory_equal(out, f.data, f.bytes);
	}
	assert_int_equal(lab_drops_total(lab), 0);
}

static void local_servers_are_the_kernels(void **)
{
	uint8_t out[FRAME_MAX];
	lab_hop_kind(lab, RS1, HOP_TO_KERNEL);
	struct frame f = frame_make(
	    &(struct frame_spec){ "198.51.100.1", VIP, 1, 80, .tcp_flags = TCP_SYN });
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_punted(lab, 0, out, sizeof(out)), f.bytes);
	assert_memory_equal(out, f.data, f.bytes);
	expect_load(lab, "web", RS1, 1, 0);
}

static void what_the_twin_sends_leaves(void **)
{
	struct frame f = frame_make(&(struct frame_spec){
	    "192.0.2.2", "198.51.100.1", .protocol = 1, .payload = 64, .src_mac = MAC_OF(1) });
	uint8_t out[FRAME_MAX];
	assert_true(lab_inject(lab, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_receive(lab, 0, out, sizeof(out)), f.bytes);
	assert_memory_equal(out, f.data, f.bytes);
	assert_int_equal(lab_counters(lab).injected, 1);
}

static void servers_on_another_port(void **)
{
	finish(lab);
	lab = web_lab(&(struct lab_options){ .ports = 2 });
	lab_hop(lab, RS1, 1, 0x11);
	send_tcp(lab, false, 1, TCP_SYN);
	expect_nothing(lab);
	uint8_t out[FRAME_MAX];
	struct frame_seen s;
	size_t n = lab_receive(lab, 1, out, sizeof(out));
	assert_true(frame_see(out, n, &s));
	assert_int_equal(s.dst_mac, MAC_OF(0x11));
	assert_int_equal(s.src_mac, MAC_OF(2));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ipv4_changes_ttl_only),
		T(ipv6_changes_hop_limit_only),
		T(every_ttl),
		T(a_connection_stays_with_its_server),
		T(udp_has_connections_too),
		T(vlan_tags),
		T(ip_options_and_extension_headers),
		T(padding_is_cut_off),
		T(frames_in_several_buffers),
		T(partial_checksums_are_mended),
		T(the_rest_is_the_kernels),
		T(local_servers_are_the_kernels),
		T(what_the_twin_sends_leaves),
		T(servers_on_another_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
