// SPDX-License-Identifier: BSD-3-Clause

// A million malformed frames: bytes at random, headers cut short, lengths that lie, options,
// extension headers. Nothing crashes (this runs under the sanitizers too), nothing leaks, every
// frame is counted once, and the director works as before.

#include <stdlib.h>

#include "packet_test.h"

#define FRAMES 1000000u

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed >> 32;
}

static struct frame_spec random_spec(uint8_t *chain)
{
	static const char *const to[] = { VIP, "192.0.2.2", "224.0.0.1", "255.255.255.255" };
	static const char *const to6[] = { VIP6, "2001:db8::2", "ff02::1" };
	static const uint8_t protocols[] = { 6, 6, 6, 17, 17, 1, 58, 132, 50, 0, 255 };
	static const uint8_t extensions[] = { 0, 43, 44, 60, 51, 6, 17, 59, 135 };
	bool v6 = rnd() & 1;
	struct frame_spec s = {
		.src = v6 ? (rnd() % 9 ? "2001:db8:1::1" : "ff02::1")
		          : (rnd() % 9 ? "198.51.100.1" : "0.0.0.0"),
		.dst = v6 ? to6[rnd() % 3] : to[rnd() % 4],
		.sport = rnd() % 64,
		.dport = rnd() & 1 ? 80 : 53,
		.protocol = protocols[rnd() % sizeof(protocols)],
		.tcp_flags = rnd(),
		.payload = rnd() & 1 ? rnd() % 100 : rnd() % 2000,
		.ttl = rnd() & 3 ? 64 : rnd() % 4,
		.vlan = rnd() % 8 ? 0 : rnd() % 4096,
		.fragment = rnd() % 8 ? 0 : rnd() & 0x3fff,
		.options = rnd() % 4 ? 0 : rnd() % 11,
		.partial_checksum = rnd() % 4 == 0,
	};
	if (v6 && rnd() % 2) {
		s.extension = chain;
		s.extension_bytes = 8 * (1 + rnd() % 12);
		s.extension_first = extensions[rnd() % sizeof(extensions)];
		for (size_t i = 0; i < s.extension_bytes; i += 8) {
			chain[i] = extensions[rnd() % sizeof(extensions)];
			chain[i + 1] = rnd() % 4 ? 0 : rnd();
		}
	}
	return s;
}

static struct frame malformed(void)
{
	uint8_t chain[96] = {};
	struct frame f;
	if (rnd() % 10 == 0) { // nothing but noise, with our MAC address half of the time
		f.bytes = 1 + rnd() % 200;
		for (size_t i = 0; i < f.bytes; i++)
			f.data[i] = rnd();
		if (rnd() & 1)
			memcpy(f.data, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, RTE_MIN(f.bytes, 6u));
		return f;
	}
	struct frame_spec s = random_spec(chain);
	f = frame_make(&s);
	size_t l3 = s.vlan ? 18 : 14;
	for (unsigned n = rnd() % 4; n; n--) // bytes that lie
		f.data[rnd() % 2 ? l3 + rnd() % 24 : rnd() % f.bytes] = rnd();
	if (rnd() % 2 && f.data[l3] >> 4 == 4 && (f.data[l3] & 15) >= 5) { // but its sum is right
		size_t header = (f.data[l3] & 15) * 4;
		f.data[l3 + 10] = f.data[l3 + 11] = 0;
		uint16_t sum = frame_checksum(f.data + l3, header, 0);
		f.data[l3 + 10] = sum >> 8;
		f.data[l3 + 11] = sum;
	}
	if (rnd() % 4 == 0) // cut short
		f.bytes = 1 + rnd() % f.bytes;
	else if (rnd() % 8 == 0) // or followed by something
		f.bytes = RTE_MIN(f.bytes + rnd() % 60, (size_t)FRAME_MAX);
	return f;
}

static unsigned take_all(struct lab *lab)
{
	static uint8_t out[FRAME_MAX];
	unsigned n = 0;
	while (lab_receive(lab, 0, out, sizeof(out)))
		n++;
	while (lab_punted(lab, 0, out, sizeof(out)))
		n++;
	return n;
}

static void storm(void **)
{
	struct lab *lab = web_lab(&(struct lab_options){ .connections_max = 8192 });
	uint64_t came_out = 0;
	lab_hop_mtu(lab, RS2, 0, 0x12, 700, 0);
	lab_hop_mtu(lab, RS26, 0, 0x62, 1280, 33);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct frame f = malformed();
		bool sent = rnd() % 6 ? lab_send(lab, 0, 0, f.data, f.bytes)
		                      : lab_send_in_parts(lab, 0, 0, f.data, f.bytes,
		                            1 + rnd() % RTE_MIN(f.bytes, 300u) + f.bytes / 8);
		assert_true(sent);
		if (i % 64 == 0) {
			lab_run(lab);
			came_out += take_all(lab);
		}
		if (i % 4096 == 0)
			lab_pass(lab, LAB_SECONDS(1));
	}
	lab_run(lab);
	came_out += take_all(lab);
	struct worker_counters c = lab_counters(lab);
	assert_int_equal(c.rx, FRAMES);
	assert_int_equal(came_out, c.tx + c.punted);
	assert_true(lab_books_balance(lab));
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++) {
		if (c.drops[r])
			printf("%9lu %s\n", c.drops[r], drop_reasons[r].name);
	}
	printf("%9lu sent, %lu punted, %lu made\n", c.tx, c.punted, c.made);

	send_tcp(lab, false, 60000, TCP_SYN);
	assert_in_range(expect_server(lab), 0x11, 0x12);
	lab_pass(lab, LAB_SECONDS(2000));
	lab_run(lab);
	assert_int_equal(crew_connections(lab_crew(lab)), 0);
	finish(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(storm) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
