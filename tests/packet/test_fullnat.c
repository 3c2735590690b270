// SPDX-License-Identifier: BSD-3-Clause

// FULLNAT: both ends change; local addresses and ports; several workers.

#include <rte_ethdev.h>
#include <stdlib.h>

#include "ctl/rss.h"
#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define LOCALS  "'192.0.2.100-192.0.2.102','192.0.2.200'"
#define L3      14

static struct lab *lab;

static void open_lab(unsigned workers, const char *locals, uint32_t connections_max)
{
	char text[400];
	lab = lab_new(&(struct lab_options){
	    .workers = workers, .ports = 2, .connections_max = connections_max });
	static const uint8_t source[16] = { 192, 0, 2, 2 };
	lab_hop_from(lab, RS1, 1, 0x11, source);
	lab_hop(lab, RS16, 1, 0x61);
	snprintf(text, sizeof(text),
	    "{'name':'web','protocol':'tcp','address':'" VIP
	    "','port':80,'scheduler':'rr','forward':'fullnat','local_addresses':[%s],'servers':"
	    "[{'address':'" RS1 "','port':8081}]}",
	    locals);
	assert_int_equal(lab_service(lab, text), 0);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'dns6','protocol':'udp','address':'" VIP6
	        "','port':53,'scheduler':'rr','forward':'fullnat','local_addresses':"
	        "['2001:db8:2::/126'],'servers':[{'address':'" RS16 "','port':5353}]}"),
	    0);
}

static int set_up(void **)
{
	open_lab(1, LOCALS, 0);
	return 0;
}

static int tear_down(void **)
{
	finish(lab);
	return 0;
}

static size_t exchange(unsigned port, unsigned queue, const struct frame_spec *s, uint8_t *out)
{
	struct frame f = frame_make(s);
	assert_true(lab_send(lab, port, queue, f.data, f.bytes));
	lab_run(lab);
	return lab_receive(lab, !port, out, FRAME_MAX);
}

// What the server sees of a client's SYN.
static struct frame_seen opened(const char *client, uint16_t sport, unsigned queue)
{
	uint8_t out[FRAME_MAX];
	struct frame_seen s;
	size_t n = exchange(
	    0, queue, &(struct frame_spec){ client, VIP, sport, 80, .tcp_flags = TCP_SYN }, out);
	assert_true(n > 0 && frame_see(out, n, &s));
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
	assert_string_equal(s.dst, RS1);
	assert_int_equal(s.dport, 8081);
	return s;
}

static void there_and_back(void **)
{
	uint8_t out[FRAME_MAX];
	for (unsigned i = 0; i < 500; i++) {
		struct frame_seen s = opened(CLIENT, 1000 + i, 0);
		// All addresses in turn, the first port first.
		static const char *const locals[] = { "192.0.2.100", "192.0.2.101", "192.0.2.102",
			"192.0.2.200" };
		assert_string_equal(s.src, locals[i % 4]);
		assert_int_equal(s.sport, 1024 + i / 4);
		struct frame_spec answer = { RS1, s.src, 8081, s.sport, .payload = i, .ttl = 50,
			.dst_mac = MAC_OF(2), .src_mac = MAC_OF(0x11) };
		struct frame want = frame_make(&(struct frame_spec){ VIP, CLIENT, 80, 1000 + i,
		    .payload = i, .ttl = 49, .src_mac = MAC_OF(1), .dst_mac = 0x0200000000c1 });
		assert_int_equal(exchange(1, 0, &answer, out), want.bytes);
		assert_memory_equal(out, want.data, want.bytes);
		// And what the client sends then goes the same way.
		struct frame_spec more = { CLIENT, VIP, 1000 + i, 80, .payload = i };
		want = frame_make(&(struct frame_spec){ s.src, RS1, s.sport, 8081, .payload = i,
		    .ttl = 63, .src_mac = MAC_OF(2), .dst_mac = MAC_OF(0x11) });
		assert_int_equal(exchange(0, 0, &more, out), want.bytes);
		assert_memory_equal(out, want.data, want.bytes);
	}
	assert_int_equal(lab_drops_total(lab), 0);
}

static void ipv6_and_udp(void **)
{
	uint8_t out[FRAME_MAX];
	struct frame_seen s;
	struct frame_spec in = { CLIENT6, VIP6, 77, 53, .protocol = 17, .payload = 90 };
	size_t n = exchange(0, 0, &in, out);
	assert_true(frame_see(out, n, &s));
	assert_true(s.l4_checksum_good);
	assert_string_equal(s.src, "2001:db8:2::");
	assert_string_equal(s.dst, RS16);
	assert_int_equal(s.dport, 5353);
	struct frame_spec answer = { RS16, s.src, 5353, s.sport, .protocol = 17, .payload = 91,
		.dst_mac = MAC_OF(2) };
	n = exchange(1, 0, &answer, out);
	assert_true(frame_see(out, n, &s));
	assert_true(s.l4_checksum_good);
	assert_string_equal(s.src, VIP6);
	assert_string_equal(s.dst, CLIENT6);
	assert_int_equal(s.dport, 77);
}

// Every pair of address and port is used before there is a shortage, which is counted; when
// connections end there is room again.
static void every_port_is_used(void **)
{
	enum { ALL = 65536 - 1024 };
	uint8_t out[FRAME_MAX];
	unsigned missing = 0;
	finish(lab);
	open_lab(1, "'192.0.2.100'", 200000);
	bool *seen = calloc(65536, sizeof(*seen));
	for (unsigned i = 0; i < ALL + 100; i++) {
		char client[20];
		struct frame_seen s;
		snprintf(client, sizeof(client), "10.0.%u.%u", i >> 8 & 255, i & 255);
		size_t n = exchange(0, 0,
		    &(struct frame_spec){ client, VIP, 999 + (i >> 16), 80, .tcp_flags = TCP_SYN },
		    out);
		if (!n) {
			missing++;
			continue;
		}
		assert_true(frame_see(out, n, &s));
		assert_false(seen[s.sport]);
		seen[s.sport] = true;
	}
	free(seen);
	assert_int_equal(missing, 100);
	assert_int_equal(lab_drops(lab, DROP_no_local_port), 100);
	lab_pass(lab, LAB_SECONDS(70));
	lab_run(lab);
	opened(CLIENT, 5, 0);
}

// A pool changed online: connections keep their addresses, new ones get those of the new pool.
static void another_pool(void **)
{
	uint8_t out[FRAME_MAX];
	struct frame_seen s = opened(CLIENT, 1000, 0);
	struct model_service *ms = model_find_name(lab_model(lab), "web");
	struct conf_errors errors = {};
	struct conf_service now;
	char error[MODEL_ERROR_MAX];
	json_t *o = json_pack("{s:[s]}", "local_addresses", "192.0.2.77");
	assert_int_equal(conf_parse_service(o, &ms->conf, &now, &errors), 0);
	json_decref(o);
	assert_int_equal(model_service_edit(lab_model(lab), ms, &now, error), 0);
	assert_string_equal(opened(CLIENT, 1001, 0).src, "192.0.2.77");
	struct frame_spec answer = { RS1, s.src, 8081, s.sport, .dst_mac = MAC_OF(2) };
	assert_true(exchange(1, 0, &answer, out) > 0);
	// Without addresses its servers would be out of reach: refused.
	o = json_pack("{s:[]}", "local_addresses");
	assert_int_equal(conf_parse_service(o, &ms->conf, &now, &errors), 0);
	json_decref(o);
	assert_int_equal(model_service_edit(lab_model(lab), ms, &now, error), -EINVAL);
	assert_string_equal(opened(CLIENT, 1002, 0).src, "192.0.2.77");
}

// A request stays on the worker it came in on; an answer finds it from any.
static void any_queue(void **)
{
	for (unsigned workers = 2; workers <= 4; workers++) {
		uint8_t out[FRAME_MAX];
		finish(lab);
		open_lab(workers, LOCALS, 0);
		for (unsigned i = 0; i < 400; i++) {
			unsigned queue = i % workers;
			struct frame_seen s = opened(CLIENT, 1000 + i, queue);
			uint64_t before = lab_counters(lab).handed_over;
			for (unsigned k = 0; k < workers; k++) {
				struct frame_spec answer = { RS1, s.src, 8081, s.sport,
					.dst_mac = MAC_OF(2) };
				struct frame_seen back;
				size_t n = exchange(1, k, &answer, out);
				assert_true(n > 0 && frame_see(out, n, &back));
				assert_string_equal(back.dst, CLIENT);
				assert_int_equal(back.dport, 1000 + i);
			}
			assert_int_equal(lab_counters(lab).handed_over - before, workers - 1);
		}
		assert_int_equal(crew_connections(lab_crew(lab)), 400);
		assert_int_equal(lab_drops_total(lab), 0);
	}
}

// One real server, in one service by NAT and in another by FULLNAT.
static void both_kinds_of_answers(void **)
{
	uint8_t out[FRAME_MAX];
	finish(lab);
	open_lab(3, LOCALS, 0);
	assert_int_equal(
	    lab_service(lab,
	        "{'name':'nat','protocol':'tcp','address':'" VIP
	        "','port':81,'scheduler':'rr','forward':'nat','servers':[{'address':'" RS1
	        "','port':8081}]}"),
	    0);
	for (unsigned i = 0; i < 300; i++) {
		struct frame_seen s = opened(CLIENT, 1000 + i, i % 3);
		struct frame_spec syn = { CLIENT, VIP, 3000 + i, 81, .tcp_flags = TCP_SYN };
		assert_true(exchange(0, i % 3, &syn, out) > 0);
		struct frame_spec full = { RS1, s.src, 8081, s.sport, .dst_mac = MAC_OF(2) };
		struct frame_spec nat = { RS1, CLIENT, 8081, 3000 + i, .dst_mac = MAC_OF(2) };
		for (unsigned k = 0; k < 3; k++) {
			struct frame_seen back;
			assert_true(frame_see(out, exchange(1, k, &full, out), &back));
			assert_int_equal(back.dport, 1000 + i);
			assert_int_equal(back.sport, 80);
			assert_true(frame_see(out, exchange(1, k, &nat, out), &back));
			assert_int_equal(back.dport, 3000 + i);
			assert_int_equal(back.sport, 81);
		}
	}
	assert_int_equal(lab_drops_total(lab), 0);
}

// The verification suite of Microsoft's RSS specification, with its key.
static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25,
	0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb,
	0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

static struct rss *rss_with(unsigned workers, uint64_t types)
{
	uint16_t queues[128];
	for (unsigned i = 0; i < 128; i++)
		queues[i] = i % 8; // eight queues
	return rss_new(key, sizeof(key), queues, 128, workers, types);
}

static void toeplitz(void **)
{
	static const struct {
		uint8_t addresses[8], ports[4];
		uint32_t with_ports, without;
	} cases[] = {
		{ { 66, 9, 149, 187, 161, 142, 100, 80 }, { 0x0a, 0xea, 0x06, 0xe6 }, 0x51ccc178,
		    0x323e8fc2 },
		{ { 199, 92, 111, 2, 65, 69, 140, 83 }, { 0x37, 0x96, 0x12, 0x83 }, 0xc626b0ea,
		    0xd718262a },
	};
	struct rss *r = rss_with(128, RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	for (unsigned i = 0; i < 128; i++)
		r->worker[i] = i;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rss_worker(r, cases[i].addresses, cases[i].ports, 6, false),
		    cases[i].with_ports & 127);
		assert_int_equal(rss_worker(r, cases[i].addresses, cases[i].ports, 17, false),
		    cases[i].without & 127);
	}
	free(r);
	assert_null(rss_new(key, 39, NULL, 128, 2, 0));
	assert_null(rss_new(key, 40, NULL, 100, 2, 0));
}

// A NIC whose hash is known: answers come in on the worker that owns the connection.
static void by_the_nics_hash(void **)
{
	uint8_t out[FRAME_MAX], addresses[8], ports[4];
	for (unsigned workers = 2; workers <= 4; workers++) {
		finish(lab);
		open_lab(workers, LOCALS, 0);
		struct rss *r = rss_with(workers, RTE_ETH_RSS_NONFRAG_IPV4_TCP);
		lab_rss(lab, 1, r);
		for (unsigned i = 0; i < 1000; i++) {
			struct frame_seen s = opened(CLIENT, 1000 + i, i % workers);
			struct frame_spec answer = { RS1, s.src, 8081, s.sport,
				.dst_mac = MAC_OF(2) };
			struct frame f = frame_make(&answer);
			memcpy(addresses, f.data + L3 + 12, 8);
			memcpy(ports, f.data + L3 + 20, 4);
			unsigned queue = rss_worker(r, addresses, ports, 6, false);
			assert_int_equal(queue, i % workers);
			assert_true(exchange(1, queue, &answer, out) > 0);
		}
		assert_int_equal(lab_counters(lab).handed_over, 0);
		lab_rss(lab, 1, NULL);
		free(r);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(there_and_back),
		T(ipv6_and_udp),
		T(every_port_is_used),
		T(another_pool),
		T(any_queue),
		T(both_kinds_of_answers),
		cmocka_unit_test(toeplitz),
		T(by_the_nics_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
