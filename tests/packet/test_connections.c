// SPDX-License-Identifier: BSD-3-Clause

// The life of connections: states, books, timers, growth.

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

static void segment(uint16_t sport, uint8_t flags)
{
	send_tcp(lab, false, sport, flags);
}

static uint64_t connections(void)
{
	return crew_connections(lab_crew(lab));
}

static void opened_used_and_closed(void **)
{
	segment(1, TCP_SYN);
	assert_int_equal(expect_server(lab), 0x11);
	expect_load(lab, "web", RS1, 1, 0);
	segment(1, TCP_ACK);
	segment(1, TCP_ACK);
	expect_load(lab, "web", RS1, 1, 0);
	segment(1, TCP_FIN | TCP_ACK);
	expect_load(lab, "web", RS1, 0, 1);
	segment(1, TCP_ACK);
	expect_load(lab, "web", RS1, 0, 1);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(119));
	lab_run(lab);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(2));
	lab_run(lab);
	assert_int_equal(connections(), 0);
	expect_load(lab, "web", RS1, 0, 0);
}

// A connection lives for the timeout of its state after its last packet: not less, and not much
// more.
static void lives_for(uint8_t first, uint8_t second, unsigned seconds)
{
	segment(7, first);
	if (second)
		segment(7, second);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(seconds) - 1);
	lab_run(lab);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(1 + seconds / 32));
	lab_run(lab);
	assert_int_equal(connections(), 0);
}

static void timeouts_of_states(void **)
{
	lives_for(TCP_SYN, 0, 60);
	lives_for(TCP_SYN, TCP_ACK, 900);
	lives_for(TCP_SYN, TCP_RST, 60);              // SYN_RECV ignores it
	lives_for(TCP_SYN, TCP_FIN | TCP_ACK, 120);   // TIME_WAIT
	lives_for(TCP_SYN, 0x08 /* PSH alone */, 10); // CLOSE
}

static void packets_keep_it_alive(void **)
{
	segment(1, TCP_SYN);
	segment(1, TCP_ACK);
	for (unsigned i = 0; i < 20; i++) {
		lab_pass(lab, LAB_SECONDS(800));
		lab_run(lab);
		assert_int_equal(connections(), 1);
		segment(1, TCP_ACK);
	}
	lab_pass(lab, LAB_SECONDS(950));
	lab_run(lab);
	assert_int_equal(connections(), 0);
}

static void settings_change_the_timeout(void **)
{
	segment(1, TCP_SYN);
	segment(1, TCP_ACK);
	model_settings(lab_model(lab), &(struct conf_timeouts){ 5, 3, 7 }, 200000, 1000);
	segment(1, TCP_ACK);
	lab_pass(lab, LAB_SECONDS(4));
	lab_run(lab);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(2));
	lab_run(lab);
	assert_int_equal(connections(), 0);
}

static void udp_lives_for_300_seconds(void **)
{
	struct frame_spec s = { "198.51.100.1", VIP, 1, 53, .protocol = 17 };
	send_spec(lab, &s);
	lab_pass(lab, LAB_SECONDS(299));
	send_spec(lab, &s);
	lab_pass(lab, LAB_SECONDS(299));
	lab_run(lab);
	assert_int_equal(connections(), 1);
	lab_pass(lab, LAB_SECONDS(12));
	lab_run(lab);
	assert_int_equal(connections(), 0);
}

// conn_reuse_mode 1: a SYN starts a closed connection anew, on the server whose turn it is.
static void a_syn_after_the_end_starts_anew(void **)
{
	segment(1, TCP_SYN);
	assert_int_equal(expect_server(lab), 0x11);
	segment(1, TCP_FIN | TCP_ACK); // SYN_RECV: TIME_WAIT
	expect_server(lab);
	segment(1, TCP_SYN);
	assert_int_equal(expect_server(lab), 0x12);
	assert_int_equal(connections(), 1);
	expect_load(lab, "web", RS1, 0, 0);
	expect_load(lab, "web", RS2, 1, 0);
	// FIN_WAIT is not over: the same connection goes on.
	segment(1, TCP_ACK);
	segment(1, TCP_FIN | TCP_ACK);
	segment(1, TCP_SYN);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(expect_server(lab), 0x12);
	assert_int_equal(connections(), 1);
}

static void of_a_deleted_server(void **)
{
	segment(1, TCP_SYN);
	segment(1, TCP_ACK);
	expect_server(lab);
	expect_server(lab);
	assert_int_equal(lab_server_delete(lab, "web", RS1, 80), 0);
	segment(1, TCP_ACK);
	expect_nothing(lab);
	assert_int_equal(lab_drops(lab, DROP_server_deleted), 1);
	// Added again, it takes its connections up.
	assert_int_equal(lab_server(lab, "web", "{'address':'" RS1 "'}"), 0);
	expect_load(lab, "web", RS1, 1, 0);
	segment(1, TCP_ACK);
	assert_int_equal(expect_server(lab), 0x11);
}

static void of_a_deleted_service(void **)
{
	segment(1, TCP_SYN);
	expect_server(lab);
	model_service_delete(lab_model(lab), model_find_name(lab_model(lab), "web"));
	segment(1, TCP_ACK);
	expect_nothing(lab);
	assert_int_equal(lab_drops(lab, DROP_server_deleted), 1);
	segment(2, TCP_SYN); // the kernel's now
	expect_nothing(lab);
	assert_int_equal(lab_counters(lab).punted, 1);
	lab_pass(lab, LAB_SECONDS(2000));
	lab_run(lab);
	assert_int_equal(connections(), 0);
	model_tick(lab_model(lab));
}

static void a_server_without_weight_keeps_its_connections(void **)
{
	finish(lab);
	lab = lab_new(&(struct lab_options){});
	lab_hop(lab, RS1, 0, 0x11);
	lab_hop(lab, RS2, 0, 0x12);
	lab_service(lab, "{'name':'web','protocol':'tcp','address':'" VIP
	                 "','port':80,'scheduler':'wrr','servers':[{'address':'" RS2
	                 "'},{'address':'" RS1 "'}]}");
	segment(1, TCP_SYN);
	assert_int_equal(expect_server(lab), 0x11);
	lab_server(lab, "web", "{'address':'" RS1 "','weight':0}");
	for (unsigned i = 2; i < 12; i++) {
		segment(i, TCP_SYN);
		assert_int_equal(expect_server(lab), 0x12);
	}
	segment(1, TCP_ACK);
	assert_int_equal(expect_server(lab), 0x11);
}

// The whole table fills up to connections.max, in steps, without losing one; then it is full.
static void growth_up_to_the_limit(void **)
{
	finish(lab);
	lab = web_lab(&(struct lab_options){ .connections_max = 100000, .packets = 16383 });
	unsigned full = 0;
	for (unsigned i = 0; i < 150000; i++) {
		char src[20];
		snprintf(src, sizeof(src), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		struct frame f = frame_make(
		    &(struct frame_spec){ src, VIP, 1024, 80, .tcp_flags = TCP_SYN });
		assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
		lab_run(lab);
		uint8_t out[FRAME_MAX];
		full += lab_receive(lab, 0, out, sizeof(out)) == 0;
	}
	assert_int_equal(lab_drops(lab, DROP_connections_full), full);
	// Half of what is allowed is granted in steps to the family that fills up; both families
	// begin with some room.
	assert_in_range(connections(), 80000, 100000);
	assert_int_equal(connections() + full, 150000);
	// When they are over there is room again.
	lab_pass(lab, LAB_SECONDS(70));
	lab_run(lab);
	assert_int_equal(connections(), 0);
	segment(1, TCP_SYN);
	assert_int_equal(expect_server(lab), 0x11);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(opened_used_and_closed),
		T(timeouts_of_states),
		T(packets_keep_it_alive),
		T(settings_change_the_timeout),
		T(udp_lives_for_300_seconds),
		T(a_syn_after_the_end_starts_anew),
		T(of_a_deleted_server),
		T(of_a_deleted_service),
		T(a_server_without_weight_keeps_its_connections),
		T(growth_up_to_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
