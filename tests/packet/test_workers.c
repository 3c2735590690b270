// SPDX-License-Identifier: BSD-3-Clause

// Several workers: shares, sums, and the hand-over of packets to the owner of a transmit queue.

#include "packet_test.h"

static void send_from(struct lab *lab, unsigned worker, unsigned client, uint8_t flags)
{
	char src[20];
	snprintf(src, sizeof(src), "10.9.%u.%u", client >> 8, client & 255);
	struct frame f = frame_make(&(struct frame_spec){ src, VIP, 1024, 80, .tcp_flags = flags });
	assert_true(lab_send(lab, 0, worker, f.data, f.bytes));
}

static void shares(unsigned workers, const char *scheduler)
{
	enum { CLIENTS = 10000 };
	struct lab *lab = lab_new(&(struct lab_options){ .workers = workers });
	char text[256];
	unsigned of[2] = {};
	lab_hop(lab, RS1, 0, 0x11);
	lab_hop(lab, RS2, 0, 0x12);
	snprintf(text, sizeof(text),
	    "{'name':'web','protocol':'tcp','address':'" VIP
	    "','port':80,'scheduler':'%s','servers':[{'address':'" RS1 "'},{'address':'" RS2
	    "','weight':3}]}",
	    scheduler);
	assert_int_equal(lab_service(lab, text), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		send_from(lab, i * 2654435761u % workers, i, TCP_SYN);
		lab_run(lab);
		of[expect_server(lab) - 0x11]++;
	}
	// The share of every server is within 2 % of its weight.
	assert_in_range(of[0], CLIENTS / 4 - CLIENTS / 50, CLIENTS / 4 + CLIENTS / 50);
	uint32_t active, inactive;
	lab_server_load(lab, "web", RS1, 80, &active, &inactive);
	assert_int_equal(active, of[0]);
	assert_int_equal(inactive, 0);
	finish(lab);
}

static void shares_of_wrr(void **)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		shares(workers, "wrr");
}

static void shares_of_wlc(void **)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		shares(workers, "wlc");
}

// Few connections on many workers do not all go to the first server.
static void rr_is_staggered(void **)
{
	struct lab *lab = web_lab(&(struct lab_options){ .workers = 2 });
	unsigned seen = 0;
	for (unsigned k = 0; k < 2; k++) {
		send_from(lab, k, k, TCP_SYN);
		lab_run(lab);
		seen |= expect_server(lab);
	}
	assert_int_equal(seen, 0x11 | 0x12);
	finish(lab);
}

static void a_change_reaches_all(void **)
{
	struct lab *lab = web_lab(&(struct lab_options){ .workers = 4 });
	lab_server_delete(lab, "web", RS1, 80);
	for (unsigned i = 0; i < 100; i++) {
		send_from(lab, i % 4, i, TCP_SYN);
		lab_run(lab);
		assert_int_equal(expect_server(lab), 0x12);
	}
	finish(lab);
}

// A whole burst of one new client: the first packet makes the connection, the others follow it.
static void one_client_fills_a_burst(void **)
{
	struct lab *lab = web_lab(&(struct lab_options){});
	send_from(lab, 0, 1, TCP_SYN);
	for (unsigned i = 0; i < 63; i++)
		send_from(lab, 0, 1, TCP_ACK);
	lab_run(lab);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(expect_server(lab), 0x11);
	expect_load(lab, "web", RS1, 1, 0);
	assert_int_equal(crew_connections(lab_crew(lab)), 1);
	finish(lab);
}

// More packets than a transmit queue takes: what it refuses is dropped by name.
static void a_full_transmit_queue(void **)
{
	struct lab *lab = web_lab(&(struct lab_options){ .packets = 16383 });
	for (unsigned i = 0; i < 6000; i++) {
		send_from(lab, 0, i % 500, TCP_SYN);
		if (i % 50 == 0)
			lab_run(lab);
	}
	lab_run(lab);
	struct worker_counters c = lab_counters(lab);
	assert_int_equal(c.rx, 6000);
	assert_int_equal(c.tx + c.drops[DROP_tx_full], 6000);
	assert_true(c.drops[DROP_tx_full] > 1000);
	finish(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_of_wrr),
		cmocka_unit_test(shares_of_wlc),
		cmocka_unit_test(rr_is_staggered),
		cmocka_unit_test(a_change_reaches_all),
		cmocka_unit_test(one_client_fills_a_burst),
		cmocka_unit_test(a_full_transmit_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
