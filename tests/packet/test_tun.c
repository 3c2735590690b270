// SPDX-License-Identifier: BSD-3-Clause

// TUN: every tunnel over each family for packets of each family; what the outer header takes over,
// and checksums. (The kernel's own packets, byte by byte: tests/replay.)

#include "tun_test.h"

static void every_way(void **)
{
	static const uint16_t payloads[] = { 0, 1, 2, 3, 777, 1300 };
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		open_lab(w, &(struct lab_options){});
		for (unsigned k = 0; k < 12; k++) {
			struct frame_spec s = spec(w, k & 1, payloads[k / 2]);
			s.sport += k;
			s.dont_fragment = k % 3 == 0;
			s.vlan = k == 4 ? 33 : 0;
			s.options = !w.inner6 && k == 5 ? 3 : 0;
			s.ttl = k == 6 ? 2 : k == 7 ? 255 : 0;
			s.partial_checksum = k > 7;
			passes(w, &s);
		}
		assert_int_equal(lab_drops_total(lab), 0);
		finish(lab);
	}
}

// A packet in several buffers, whose checksums go over all of them.
static void in_parts(void **)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		open_lab(w, &(struct lab_options){});
		for (unsigned segment = 97; segment < 101; segment++) {
			struct frame_spec s = spec(w, segment & 1, 1201);
			struct frame in = frame_make(&s);
			struct frame_wrapped t;
			assert_true(lab_send_in_parts(lab, 0, 0, in.data, in.bytes, segment));
			lab_run(lab);
			struct frame out = next();
			unwrap(&out, &t);
			check_outer(w, &t);
			check_inner(w, s, &t);
		}
		finish(lab);
	}
}

static void set_tos(struct frame *f, bool v6, uint8_t tos)
{
	uint8_t *l3 = f->data + L3;
	if (v6) {
		l3[0] = 0x60 | tos >> 4;
		l3[1] = tos << 4 | 5; // and a flow label
		return;
	}
	l3[1] = tos;
	l3[10] = l3[11] = 0;
	uint16_t sum = frame_checksum(l3, (l3[0] & 0xf) * 4, 0);
	l3[10] = sum >> 8;
	l3[11] = sum;
}

// RFC 3168: all of it goes out, but of CE only that the transport knows ECN.
static void tos_and_ecn(void **)
{
	for (unsigned i = 0; i < 4; i++) {
		struct way w = way_at(i);
		open_lab(w, &(struct lab_options){});
		for (unsigned tos = 0; tos < 256; tos++) {
			struct frame_spec s = spec(w, true, 9);
			struct frame in = frame_make(&s);
			struct frame_wrapped t;
			set_tos(&in, w.inner6, tos);
			send_frame(&in);
			struct frame out = next();
			unwrap(&out, &t);
			check_outer(w, &t);
			assert_int_equal(t.tos, (tos & 3) == 3 ? (tos & 0xfc) | 2 : tos);
			assert_memory_equal(t.inner.data + L3, in.data + L3, 2); // as it was
		}
		finish(lab);
	}
}

// The outer packet has no number when it must not be cut, and one of its own when it may be.
static void numbers(void **)
{
	for (unsigned i = 0; i < 2; i++) { // over IPv4
		struct way w = way_at(i);
		uint16_t seen[50];
		open_lab(w, &(struct lab_options){});
		for (unsigned k = 0; k < 100; k++) {
			struct frame_spec s = spec(w, true, k);
			struct frame_wrapped t;
			s.dont_fragment = k & 1;
			struct frame in = frame_make(&s);
			send_frame(&in);
			struct frame out = next();
			unwrap(&out, &t);
			if (!w.inner6 && s.dont_fragment) {
				assert_true(t.dont_fragment);
				assert_int_equal(t.id, 0);
				continue;
			}
			assert_false(t.dont_fragment);
			for (unsigned n = 0; n < k / 2; n++)
				assert_true(k & 1 || t.id != seen[n]);
			seen[k / 2] = t.id;
		}
		finish(lab);
	}
}

// One flow, one port, so that it stays in order on its way; many flows, many ports.
static void source_ports(void **)
{
	static uint8_t used[65536];
	unsigned different = 0;
	struct way w = { .kind = 2 };
	open_lab(w, &(struct lab_options){});
	memset(used, 0, sizeof(used));
	for (unsigned i = 0; i < 1000; i++) {
		struct frame_spec s = spec(w, i & 1, i % 7);
		uint16_t port = 0;
		s.sport = 1024 + i;
		for (unsigned k = 0; k < 3; k++) {
			struct frame_wrapped t;
			struct frame in = frame_make(&s);
			send_frame(&in);
			struct frame out = next();
			unwrap(&out, &t);
			check_outer(w, &t);
			assert_true(k == 0 || t.outer.sport == port);
			port = t.outer.sport;
		}
		different += !used[port];
		used[port] = 1;
	}
	assert_true(different > 900);
	finish(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(tos_and_ecn),
		cmocka_unit_test(numbers),
		cmocka_unit_test(source_ports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
