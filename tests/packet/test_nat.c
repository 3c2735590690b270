// SPDX-License-Identifier: BSD-3-Clause

// NAT, both ways: addresses, ports and checksums; states with replies seen; several workers.

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define L3      14

static struct lab *lab;

static void open_lab(unsigned workers)
{
	lab = lab_new(&(struct lab_options){ .workers = workers, .ports = 2 });
	static const uint8_t source[16] = { 192, 0, 2, 2 }, source6[16] = { 0x20, 1, 0xd, 0xb8 };
	lab_hop_from(lab, RS1, 1, 0x11, source);
	lab_hop_from(lab, RS2, 1, 0x12, source);
	lab_hop_from(lab, RS16, 1, 0x61, source6);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'web','protocol':'tcp','address':'" VIP
	        "','port':80,'scheduler':'rr','forward':'nat','servers':[{'address':'" RS2
	        "','port':8082},{'address':'" RS1 "','port':8081}]}"),
	    0);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'web6','protocol':'tcp','address':'" VIP6
	        "','port':80,'scheduler':'rr','forward':'nat','servers':[{'address':'" RS16
	        "','port':8081}]}"),
	    0);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'dns','protocol':'udp','address':'" VIP
	        "','port':53,'scheduler':'rr','forward':'nat','servers':[{'address':'" RS1
	        "','port':5353}]}"),
	    0);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'dns6','protocol':'udp','address':'" VIP6
	        "','port':53,'scheduler':'rr','forward':'nat','servers':[{'address':'" RS16
	        "','port':5353}]}"),
	    0);
}

static int set_up(void **)
{
	open_lab(1);
	return 0;
}

static int tear_down(void **)
{
	finish(lab);
	return 0;
}

// Sends by a port and expects, byte by byte, what leaves by the other.
static void turns_into(unsigned in, const struct frame_spec *sent, const struct frame_spec *wanted)
{
	struct frame f = frame_make(sent), want = frame_make(wanted);
	uint8_t out[FRAME_MAX];
	assert_true(lab_send(lab, in, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_receive(lab, !in, out, sizeof(out)), want.bytes);
	assert_memory_equal(out, want.data, want.bytes);
}

static void there_and_back(bool v6, uint8_t protocol, uint16_t payload, uint16_t vlan)
{
	const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP, *rs = v6 ? RS16 : RS1;
	uint16_t vport = protocol == 6 ? 80 : 53, rport = protocol == 6 ? 8081 : 5353;
	struct frame_spec in = { client, vip, 4001, vport, .protocol = protocol,
		.tcp_flags = TCP_SYN, .payload = payload, .vlan = vlan };
	struct frame_spec at_server = { client, rs, 4001, rport, .protocol = protocol,
		.tcp_flags = TCP_SYN, .payload = payload, .ttl = 63, .src_mac = MAC_OF(2),
		.dst_mac = MAC_OF(v6 ? 0x61 : 0x11) };
	turns_into(0, &in, &at_server);
	struct frame_spec answer = { rs, client, rport, 4001, .protocol = protocol,
		.tcp_flags = TCP_SYN | TCP_ACK, .payload = payload, .ttl = 9, .dst_mac = MAC_OF(2),
		.src_mac = MAC_OF(v6 ? 0x61 : 0x11) };
	struct frame_spec at_client = { vip, client, vport, 4001, .protocol = protocol,
		.tcp_flags = TCP_SYN | TCP_ACK, .payload = payload, .ttl = 8, .vlan = vlan,
		.src_mac = MAC_OF(1), .dst_mac = 0x0200000000c1 };
	turns_into(1, &answer, &at_client);
}

static void every_family_and_protocol(void **)
{
	static const uint16_t payloads[] = { 0, 1, 2, 3, 777, 1400 };
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned udp = 0; udp < 2; udp++) {
			for (unsigned i = 0; i < 6; i++) {
				finish(lab);
				open_lab(1);
				there_and_back(v6, udp ? 17 : 6, payloads[i], i == 4 ? 33 : 0);
			}
		}
	}
}

// Incremental checksums against whole ones, over many addresses and contents.
static void checksums(void **)
{
	for (unsigned i = 0; i < 3000; i++) {
		char src[20];
		snprintf(src, sizeof(src), "10.%u.%u.%u", i * 7 % 256, i * 13 % 256, i % 256);
		struct frame f = frame_make(&(struct frame_spec){ src, VIP, 1024 + i * 11 % 60000,
		    i & 1 ? 80 : 53, .protocol = i & 1 ? 6 : 17, .tcp_flags = TCP_SYN,
		    .payload = i % 61, .partial_checksum = i % 5 == 0 });
		uint8_t out[FRAME_MAX];
		struct frame_seen s;
		assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
		lab_run(lab);
		size_t n = lab_receive(lab, 1, out, sizeof(out));
		assert_true(frame_see(out, n, &s));
		assert_true(s.ip_checksum_good && s.l4_checksum_good);
		// A sum of 0 is written as 0xffff by UDP.
		if (!(i & 1))
			assert_true(out[s.l4_at + 6] | out[s.l4_at + 7]);
	}
}

// A datagram without a checksum gets one, as IPVS does; both ways.
static void udp_without_a_checksum(void **)
{
	struct frame_spec in = { CLIENT, VIP, 7, 53, .protocol = 17, .payload = 55 };
	struct frame_spec answer = { RS1, CLIENT, 5353, 7, .protocol = 17, .payload = 56,
		.dst_mac = MAC_OF(2) };
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_make(i ? &answer : &in);
		uint8_t out[FRAME_MAX];
		struct frame_seen s;
		f.data[L3 + 26] = f.data[L3 + 27] = 0;
		assert_true(lab_send(lab, i, 0, f.data, f.bytes));
		lab_run(lab);
		size_t n = lab_receive(lab, !i, out, sizeof(out));
		assert_true(frame_see(out, n, &s));
		assert_true(s.l4_checksum_good);
		assert_true(out[L3 + 26] | out[L3 + 27]);
	}
}

static void segment(bool reply, uint8_t flags)
{
	struct frame f = frame_make(
	    reply ? &(struct frame_spec){ RS1, CLIENT, 8081, 9, .tcp_flags = flags,
	                .dst_mac = MAC_OF(2) }
	          : &(struct frame_spec){ CLIENT, VIP, 9, 80, .tcp_flags = flags });
	uint8_t out[FRAME_MAX];
	assert_true(lab_send(lab, reply, 0, f.data, f.bytes));
	lab_run(lab);
	assert_true(lab_receive(lab, !reply, out, sizeof(out)) > 0);
}

static uint8_t state(void)
{
	const struct conn_table *t = &lab_worker(lab, 0)->conns[0];
	for (uint32_t i = 0; i < t->high; i++) {
		if (conn_at(t, i)->flags & CONN_IN_USE)
			return conn_at(t, i)->state;
	}
	return TCP_S_NONE;
}

// Recorded of the kernel: the client closes (nat-01), the server closes (nat-02).
static void states_with_replies(void **)
{
	static const struct {
		bool reply;
		uint8_t flags, state;
	} steps[] = {
		{ false, TCP_SYN, TCP_S_SYN_RECV },
		{ true, TCP_SYN | TCP_ACK, TCP_S_SYN_RECV },
		{ false, TCP_ACK, TCP_S_ESTABLISHED },
		{ true, TCP_ACK, TCP_S_ESTABLISHED },
		{ false, TCP_FIN | TCP_ACK, TCP_S_CLOSE_WAIT },
		{ true, TCP_ACK, TCP_S_CLOSE_WAIT },
		{ true, TCP_FIN | TCP_ACK, TCP_S_TIME_WAIT },
		{ false, TCP_ACK, TCP_S_TIME_WAIT },
	};
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		segment(steps[i].reply, steps[i].flags);
		assert_int_equal(state(), steps[i].state);
	}
	uint32_t active, inactive;
	lab_server_load(lab, "web", RS1, 8081, &active, &inactive);
	assert_int_equal(active, 0);
	assert_int_equal(inactive, 1);
	lab_pass(lab, LAB_SECONDS(121));
	lab_run(lab);
	assert_int_equal(crew_connections(lab_crew(lab)), 0);
	assert_int_equal(lab_worker(lab, 0)->conns[0].entries, 0); // both tuples are gone
}

static void counters_of_both_directions(void **)
{
	segment(false, TCP_SYN);
	segment(true, TCP_SYN | TCP_ACK);
	segment(true, TCP_ACK);
	struct service_stats s;
	model_service_stats(lab_model(lab), model_find_name(lab_model(lab), "web"), &s);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.in_packets, 1);
	assert_int_equal(s.in_bytes, 40);
	assert_int_equal(s.out_packets, 2);
	assert_int_equal(s.out_bytes, 80);
}

// A deleted server takes nothing more, but its answers leave still.
static void answers_of_a_deleted_server(void **)
{
	segment(false, TCP_SYN);
	lab_server_delete(lab, "web", RS1, 8081);
	segment(true, TCP_SYN | TCP_ACK);
	struct frame f = frame_make(&(struct frame_spec){ CLIENT, VIP, 9, 80 });
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_server_deleted), 1);
}

// What a server sends of its own accord is the kernel's to route.
static void servers_own_traffic(void **)
{
	static const struct frame_spec specs[] = {
		{ RS1, CLIENT, 33333, 9998, .tcp_flags = TCP_SYN, .dst_mac = MAC_OF(2) },
		{ RS1, CLIENT, 8081, 9999, .dst_mac = MAC_OF(2) },
	};
	uint8_t out[FRAME_MAX];
	for (unsigned i = 0; i < 2; i++) {
		struct frame f = frame_make(&specs[i]);
		assert_true(lab_send(lab, 1, 0, f.data, f.bytes));
		lab_run(lab);
		assert_int_equal(lab_punted(lab, 1, out, sizeof(out)), f.bytes);
		assert_memory_equal(out, f.data, f.bytes);
	}
}

// The client comes back by another router: the answers follow.
static void the_way_back_follows_the_client(void **)
{
	struct frame_seen s;
	uint8_t out[FRAME_MAX];
	segment(false, TCP_SYN);
	struct frame f = frame_make(
	    &(struct frame_spec){ CLIENT, VIP, 9, 80, .src_mac = 0x0200000000c9, .vlan = 12 });
	assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
	lab_run(lab);
	lab_receive(lab, 1, out, sizeof(out));
	f = frame_make(&(struct frame_spec){ RS1, CLIENT, 8081, 9, .dst_mac = MAC_OF(2) });
	assert_true(lab_send(lab, 1, 0, f.data, f.bytes));
	lab_run(lab);
	assert_true(frame_see(out, lab_receive(lab, 0, out, sizeof(out)), &s));
	assert_int_equal(s.dst_mac, 0x0200000000c9);
	assert_int_equal(s.vlan, 12);
}

// An answer whose TTL is over, or that is too long: the server hears from the director itself.
static void errors_to_the_server(void **)
{
	struct frame_seen s;
	uint8_t out[FRAME_MAX];
	segment(false, TCP_SYN);
	struct frame f = frame_make(&(struct frame_spec){
	    RS1, CLIENT, 8081, 9, .dst_mac = MAC_OF(2), .ttl = 1, .src_mac = MAC_OF(0x11) });
	assert_true(lab_send(lab, 1, 0, f.data, f.bytes));
	lab_run(lab);
	assert_true(frame_see(out, lab_receive(lab, 1, out, sizeof(out)), &s));
	assert_string_equal(s.src, "192.0.2.2");
	assert_string_equal(s.dst, RS1);
	assert_int_equal(s.icmp_type, 11);
	assert_int_equal(s.dst_mac, MAC_OF(0x11));
	assert_memory_equal(out + s.l4_at + 8, f.data + L3, 40); // it quotes what it was about
}

// With any distribution over queues: a client's packets and its answers come in on workers chosen
// by chance, and nothing is lost.
static void any_queue(void **)
{
	uint32_t seed = 1;
	for (unsigned workers = 2; workers <= 4; workers += 2) {
		finish(lab);
		open_lab(workers);
		for (unsigned i = 0; i < 2000; i++) {
			uint16_t sport = 2000 + i % 500;
			bool reply = i >= 500 && i & 1;
			seed = seed * 1664525 + 1013904223;
			unsigned queue = (seed >> 16) % workers;
			struct frame f = frame_make(
			    reply ? &(struct frame_spec){ (i % 500) % 2 ? RS2 : RS1, CLIENT,
			                (i % 500) % 2 ? 8082 : 8081, sport, .dst_mac = MAC_OF(2) }
			          : &(struct frame_spec){ CLIENT, VIP, sport, 80,
			                .tcp_flags = i < 500 ? TCP_SYN : TCP_ACK });
			uint8_t out[FRAME_MAX];
			assert_true(lab_send(lab, reply, queue, f.data, f.bytes));
			lab_run(lab);
			bool sent = lab_receive(lab, !reply, out, sizeof(out)) > 0;
			// Which server a client got depends on its owner's turn: an answer from
			// the other is no answer, but the kernel's.
			assert_true(sent || (reply && lab_punted(lab, 1, out, sizeof(out))));
		}
		struct worker_counters c = lab_counters(lab);
		assert_int_equal(crew_connections(lab_crew(lab)), 500);
		assert_true(c.handed_over > 100);
		assert_int_equal(c.handed_over, c.taken_over);
		assert_int_equal(lab_drops_total(lab), 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_family_and_protocol),
		T(checksums),
		T(udp_without_a_checksum),
		T(states_with_replies),
		T(counters_of_both_directions),
		T(answers_of_a_deleted_server),
		T(servers_own_traffic),
		T(the_way_back_follows_the_client),
		T(errors_to_the_server),
		T(any_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
