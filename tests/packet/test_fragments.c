// SPDX-License-Identifier: BSD-3-Clause

// Fragments: what a receiver puts together is the datagram, whatever the mode, the order they come
// in and the workers they come in on.

#include <stdlib.h>

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define LIP     "192.0.2.99"
#define LIP6    "2001:db8::99"
#define PAYLOAD 5000
#define PIECE   1200 // a multiple of eight
#define PIECES  ((8 + PAYLOAD + PIECE - 1) / PIECE)

static struct lab *lab;
static bool v6;

static void open_lab(unsigned workers, const char *forward, bool six)
{
	char text[500];
	bool maps = strstr(forward, "nat") != NULL;
	v6 = six;
	lab = lab_new(&(struct lab_options){ .workers = workers, .ports = 2 });
	lab_hop(lab, RS1, 1, 0x11);
	lab_hop(lab, RS16, 1, 0x61);
	snprintf(text, sizeof(text),
	    "{'name':'dns','protocol':'udp','address':'%s','port':53,'scheduler':'rr',"
	    "'forward':'%s',%s'servers':[{'address':'%s','port':%u}]}",
	    v6 ? VIP6 : VIP, forward,
	    strcmp(forward, "fullnat") != 0 ? ""
	    : v6                            ? "'local_addresses':['" LIP6 "'],"
	                                    : "'local_addresses':['" LIP "'],",
	    v6 ? RS16 : RS1, maps ? 5353 : 53);
	assert_int_equal(lab_service(lab, text), 0);
}

// ---- cutting and putting together ----

static struct frame whole(const struct frame_spec *spec)
{
	struct frame_spec s = *spec;
	s.protocol = 17;
	s.payload = PAYLOAD;
	return frame_make(&s);
}

static struct frame piece(const struct frame *f, unsigned i, uint32_t id)
{
	struct frame p = *f;
	size_t l3 = 14, header = v6 ? 40 : 20, all = f->bytes - l3 - header;
	size_t at = i * PIECE, n = all - at < PIECE ? all - at : PIECE;
	bool more = at + n < all;
	uint8_t *ip = p.data + l3, *to = ip + header;
	if (v6) {
		uint8_t h[8] = { ip[6], 0, at >> 8, (at & 0xf8) | more, id >> 24, id >> 16, id >> 8,
			id };
		ip[6] = 44;
		memcpy(to, h, 8);
		to += 8;
		ip[4] = (n + 8) >> 8;
		ip[5] = n + 8;
	} else {
		ip[2] = (n + 20) >> 8;
		ip[3] = n + 20;
		ip[4] = id >> 8;
		ip[5] = id;
		ip[6] = (more ? 0x20 : 0) | at / 8 >> 8;
		ip[7] = at / 8;
		ip[10] = ip[11] = 0;
		uint16_t sum = frame_checksum(ip, 20, 0);
		ip[10] = sum >> 8;
		ip[11] = sum;
	}
	memcpy(to, f->data + l3 + header + at, n);
	p.bytes = to + n - p.data;
	return p;
}

// The datagram that a receiver at a port has when all fragments are there.
static struct frame put_together(unsigned port, unsigned expected)
{
	static uint8_t out[FRAME_MAX];
	struct frame f = {};
	size_t n, header = v6 ? 40 : 20;
	for (unsigned i = 0; i < expected; i++) {
		struct frame_seen s;
		n = lab_receive(lab, port, out, sizeof(out));
		assert_true(n > 0 && frame_see(out, n, &s));
		assert_true(s.ip_checksum_good);
		size_t at = v6 ? s.fragment & 0xfff8 : (s.fragment & 0x1fff) * 8u;
		size_t bytes = s.l3_at + s.l3_bytes - s.l4_at;
		memcpy(f.data, out, 14 + header);
		memcpy(f.data + 14 + header + at, out + s.l4_at, bytes);
		f.bytes = f.bytes > 14 + header + at + bytes ? f.bytes : 14 + header + at + bytes;
	}
	assert_int_equal(lab_receive(lab, port, out, sizeof(out)), 0);
	uint8_t *ip = f.data + 14;
	size_t all = f.bytes - 14 - header;
	if (v6) {
		ip[4] = all >> 8;
		ip[5] = all;
		ip[6] = 17;
		return f;
	}
	ip[2] = (all + 20) >> 8;
	ip[3] = all + 20;
	ip[6] = ip[7] = ip[10] = ip[11] = 0;
	uint16_t sum = frame_checksum(ip, 20, 0);
	ip[10] = sum >> 8;
	ip[11] = sum;
	return f;
}

static uint32_t seed = 7;

static unsigned below(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void send_in_order(
    const struct frame *f, unsigned port, uint32_t id, const unsigned *order, unsigned workers)
{
	for (unsigned i = 0; i < PIECES; i++) {
		struct frame p = piece(f, order[i], id);
		assert_true(lab_send(lab, port, below(workers), p.data, p.bytes));
		if (below(2))
			lab_run(lab);
	}
	lab_run(lab);
}

static void shuffled(unsigned *order)
{
	for (unsigned i = 0; i < PIECES; i++)
		order[i] = i;
	for (unsigned i = PIECES; i > 1; i--) {
		unsigned k = below(i), swap = order[k];
		order[k] = order[i - 1];
		order[i - 1] = swap;
	}
}

// A datagram to the server and one back, each in pieces in any order.
static void exchange(const char *forward, unsigned workers, uint32_t id)
{
	bool nat = strcmp(forward, "nat") == 0, full = strcmp(forward, "fullnat") == 0;
	const char *client = v6 ? CLIENT6 : CLIENT, *vip = v6 ? VIP6 : VIP, *rs = v6 ? RS16 : RS1;
	unsigned order[PIECES];
	shuffled(order);
	struct frame f = whole(&(struct frame_spec){ client, vip, 777, 53 });
	send_in_order(&f, 0, id, order, workers);
	struct frame got = put_together(1, PIECES);
	struct frame_seen s;
	assert_true(frame_see(got.data, got.bytes, &s));
	assert_true(s.l4_checksum_good);
	assert_string_equal(s.src, full ? (v6 ? LIP6 : LIP) : client);
	assert_string_equal(s.dst, nat || full ? rs : vip);
	assert_int_equal(s.dport, nat || full ? 5353 : 53);
	assert_int_equal(s.ttl, 63);
	assert_memory_equal(got.data + s.l4_at + 8, f.data + s.l4_at + 8, PAYLOAD);
	if (!nat && !full)
		return;
	shuffled(order);
	f = whole(
	    &(struct frame_spec){ rs, s.src, 5353, s.sport, .dst_mac = MAC_OF(2), .ttl = 20 });
	send_in_order(&f, 1, id + 1, order, workers);
	got = put_together(0, PIECES);
	assert_true(frame_see(got.data, got.bytes, &s));
	assert_true(s.l4_checksum_good);
	assert_string_equal(s.src, vip);
	assert_string_equal(s.dst, client);
	assert_int_equal(s.sport, 53);
	assert_int_equal(s.dport, 777);
	assert_memory_equal(got.data + s.l4_at + 8, f.data + s.l4_at + 8, PAYLOAD);
}

static void every_mode(void **)
{
	static const char *const modes[] = { "dr", "nat", "fullnat" };
	for (unsigned mode = 0; mode < 3; mode++) {
		for (unsigned six = 0; six < 2; six++) {
			for (unsigned workers = 1; workers <= 4; workers += 3) {
				open_lab(workers, modes[mode], six);
				unsigned rounds = mode == 0 && workers > 1 ? 1 : 40;
				for (unsigned i = 0; i < rounds; i++)
					exchange(modes[mode], workers, 1000 + 2 * i);
				assert_int_equal(lab_drops_total(lab), 0);
				// A datagram counts once, with its whole length.
				struct service_stats stats;
				model_service_stats(
				    lab_model(lab), model_find_name(lab_model(lab), "dns"), &stats);
				assert_int_equal(stats.in_packets, rounds);
				assert_int_equal(
				    stats.in_bytes, rounds * (8 + PAYLOAD + (six ? 48 : 20)));
				finish(lab);
			}
		}
	}
}

// A service of the director itself: fragments reach the kernel all, also those that came early.
static void to_the_kernel(void **)
{
	for (unsigned workers = 1; workers <= 4; workers += 3) {
		open_lab(workers, "nat", false);
		unsigned order[PIECES], n = 0;
		uint8_t out[FRAME_MAX];
		shuffled(order);
		struct frame f = whole(&(struct frame_spec){ CLIENT, VIP, 777, 54 });
		send_in_order(&f, 0, 5, order, workers);
		while (lab_punted(lab, 0, out, sizeof(out)))
			n++;
		assert_int_equal(n, PIECES);
		finish(lab);
	}
}

static void early_ones_wait_bounded(void **)
{
	open_lab(1, "nat", false);
	struct frame f = whole(&(struct frame_spec){ CLIENT, VIP, 777, 53 });
	struct frame p = piece(&f, 1, 9);
	for (unsigned i = 0; i < 20; i++)
		assert_true(lab_send(lab, 0, 0, p.data, p.bytes));
	lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_fragment_full), 20 - FRAGMENTS_WAITING);
	lab_pass(lab, LAB_SECONDS(4));
	for (unsigned i = 0; i < 1000; i++)
		lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_fragment_timeout), 0);
	lab_pass(lab, LAB_SECONDS(2));
	for (unsigned i = 0; i < 1000; i++)
		lab_run(lab);
	assert_int_equal(lab_drops(lab, DROP_fragment_timeout), FRAGMENTS_WAITING);
	finish(lab);
}

// More datagrams than are remembered: the oldest give way, and nothing leaks.
static void a_flood_of_first_and_of_later_ones(void **)
{
	open_lab(2, "nat", true);
	struct frame f = whole(&(struct frame_spec){ CLIENT6, VIP6, 777, 53 });
	for (unsigned i = 0; i < 20000; i++) {
		struct frame p = piece(&f, below(PIECES), i);
		uint8_t out[FRAME_MAX];
		assert_true(lab_send(lab, 0, below(2), p.data, p.bytes));
		lab_run(lab);
		while (lab_receive(lab, 1, out, sizeof(out)))
			;
	}
	assert_true(lab_drops(lab, DROP_fragment_timeout) > 5000);
	finish(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode),
		cmocka_unit_test(to_the_kernel),
		cmocka_unit_test(early_ones_wait_bounded),
		cmocka_unit_test(a_flood_of_first_and_of_later_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
