// SPDX-License-Identifier: BSD-3-Clause

// TUN: what does not get through as it is, lengths and lives; and connections.

#include "tun_test.h"

static struct frame_seen answer(struct way w, struct frame *f)
{
	struct frame_seen s;
	*f = next();
	assert_true(f->bytes > 0);
	assert_true(frame_see(f->data, f->bytes, &s));
	assert_string_equal(s.src, vip(w)); // the client knows the director by it
	assert_string_equal(s.dst, client(w));
	assert_int_equal(s.dst_mac, 0x0200000000c1);
	assert_int_equal(s.protocol, w.inner6 ? 58 : 1);
	assert_true(s.ip_checksum_good && s.l4_checksum_good);
	return s;
}

static void ttl_over(void **)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		open_lab(w, &(struct lab_options){});
		struct frame_spec s = spec(w, false, 0);
		s.ttl = 1;
		struct frame in = frame_make(&s), out;
		send_frame(&in);
		struct frame_seen seen = answer(w, &out);
		assert_int_equal(seen.icmp_type, w.inner6 ? 3 : 11);
		assert_memory_equal(out.data + seen.l4_at + 8, in.data + L3, in.bytes - L3);
		assert_int_equal(lab_drops(lab, DROP_ttl_exceeded), 1);
		finish(lab);
	}
}

// To the byte: what fills the tunnel passes, one more is answered with the tunnel's MTU.
static void too_big(void **)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		uint16_t mtu = 1500 - overhead(w), headers = (w.inner6 ? 40 : 20) + 8;
		open_lab(w, &(struct lab_options){});
		struct frame_spec s = spec(w, true, mtu - headers);
		s.dont_fragment = true;
		passes(w, &s);
		s.payload++;
		struct frame in = frame_make(&s), out;
		send_frame(&in);
		struct frame_seen seen = answer(w, &out);
		assert_int_equal(seen.icmp_type, w.inner6 ? 2 : 3);
		assert_int_equal(seen.icmp_code, w.inner6 ? 0 : 4);
		assert_int_equal(seen.icmp_word, mtu);
		assert_int_equal(lab_drops(lab, DROP_packet_too_big), 1);
		expect_nothing(lab);
		finish(lab);
	}
}

// May the packet be cut, it is the outer one that is.
static void cut(void **)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		if (w.inner6)
			continue;
		open_lab(w, &(struct lab_options){});
		for (unsigned mtu = 1400; mtu <= 1500; mtu += 25) {
			struct frame_wrapped t;
			struct frame pieces[4], whole;
			size_t n = 0;
			set_hop(RS1, mtu, SELF);
			set_hop(RS16, mtu, SELF6);
			for (unsigned more = 1; more < 20; more += 6) {
				uint16_t payload = mtu - overhead(w) - 28 + more;
				if (payload > 1472)
					continue;
				struct frame_spec s = spec(w, true, payload);
				struct frame in = frame_make(&s);
				send_frame(&in);
				for (n = 0; n < 4 && (pieces[n] = next()).bytes; n++)
					assert_true(pieces[n].bytes <= L3 + mtu);
				assert_int_equal(n, 2);
				assert_true(frame_reassemble(pieces, n, &whole));
				unwrap(&whole, &t);
				check_outer(w, &t);
				check_inner(w, s, &t);
			}
		}
		assert_int_equal(lab_drops_total(lab), 0);
		finish(lab);
	}
}

// Two packets that are cut have pieces that nobody takes for each other's.
static void pieces_have_numbers(void **)
{
	for (unsigned outer6 = 0; outer6 < 2; outer6++) {
		struct way w = { .kind = 0, .outer6 = outer6 };
		open_lab(w, &(struct lab_options){});
		struct frame_spec s = spec(w, true, 1472);
		struct frame in = frame_make(&s), pieces[4], whole;
		for (unsigned i = 0; i < 4; i++) {
			if (i % 2 == 0)
				send_frame(&in);
			pieces[i] = next();
		}
		assert_true(frame_reassemble(pieces, 2, &whole));
		assert_true(frame_reassemble(pieces + 2, 2, &whole));
		assert_false(frame_reassemble(pieces + 1, 2, &whole));
		struct frame mixed[2] = { pieces[0], pieces[3] };
		assert_false(frame_reassemble(mixed, 2, &whole));
		finish(lab);
	}
}

// A jumbo frame into many pieces of 1500 bytes.
static void jumbo(void **)
{
	for (unsigned outer6 = 0; outer6 < 2; outer6++) {
		struct way w = { .kind = 5, .outer6 = outer6 };
		open_lab(w, &(struct lab_options){ .mtu = 4000 });
		set_hop(RS1, 1500, SELF);
		set_hop(RS16, 1500, SELF6);
		struct frame_spec s = spec(w, true, 3900);
		struct frame in = frame_make(&s), pieces[4], whole;
		struct frame_wrapped t;
		send_frame(&in);
		for (unsigned i = 0; i < 3; i++)
			pieces[i] = next();
		expect_nothing(lab);
		assert_true(frame_reassemble(pieces, 3, &whole));
		unwrap(&whole, &t);
		check_outer(w, &t);
		check_inner(w, s, &t);
		finish(lab);
	}
}

static void no_way(void **)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way w = way_at(i);
		uint16_t least = overhead(w) + (w.outer6 ? 1280 : 68);
		const char *server = w.outer6 ? RS16 : RS1, *self = w.outer6 ? SELF6 : SELF;
		open_lab(w, &(struct lab_options){});
		struct frame_spec s = spec(w, true, 0);
		struct frame in = frame_make(&s);
		set_hop(server, least - 1, self);
		send_frame(&in);
		assert_int_equal(lab_drops(lab, DROP_tunnel_mtu), 1);
		set_hop(server, least, self);
		passes(w, &s);
		set_hop(server, 1500, NULL);
		send_frame(&in);
		assert_int_equal(lab_drops(lab, DROP_no_source), 1);
		lab_hop_kind(lab, server, HOP_NO_MAC);
		send_frame(&in);
		assert_int_equal(lab_drops(lab, DROP_no_neighbour), 1);
		expect_nothing(lab);
		// One of the director's own addresses: the packet is the kernel's, as it came.
		uint8_t out[FRAME_MAX];
		lab_hop_kind(lab, server, HOP_TO_KERNEL);
		send_frame(&in);
		assert_int_equal(lab_punted(lab, 0, out, sizeof(out)), in.bytes);
		assert_memory_equal(out, in.data, in.bytes);
		lab_hop_kind(lab, server, HOP_DOWN);
		send_frame(&in);
		struct frame f;
		assert_int_equal(answer(w, &f).icmp_type, w.inner6 ? 1 : 3);
		finish(lab);
	}
}

// ---- connections ----

static void segment(uint8_t flags)
{
	struct frame_spec s = { CLIENT, VIP, 4001, 80, .tcp_flags = flags };
	struct frame in = frame_make(&s);
	send_frame(&in);
	in = next();
	assert_true(in.bytes > 0);
}

static uint8_t state(void)
{
	const struct conn_table *t = &lab_worker(lab, 0)->conns[0];
	return t->count == 1 ? conn_at(t, 0)->state : TCP_S_NONE;
}

// The director sees one side only; recorded of the kernel (tun-*). Books count what came in.
static void one_sided(void **)
{
	struct service_stats s;
	open_lab((struct way){ .kind = 4 }, &(struct lab_options){});
	segment(TCP_SYN);
	assert_int_equal(state(), TCP_S_SYN_RECV);
	segment(TCP_ACK);
	assert_int_equal(state(), TCP_S_ESTABLISHED);
	segment(TCP_FIN | TCP_ACK);
	assert_int_equal(state(), TCP_S_FIN_WAIT);
	model_service_stats(lab_model(lab), model_find_name(lab_model(lab), "web"), &s);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.in_packets, 3);
	assert_int_equal(s.in_bytes, 120);
	assert_int_equal(s.out_packets, 0);
	assert_int_equal(lab_worker(lab, 0)->conns[0].entries, 1);
	finish(lab);
}

static void set_server(const char *json)
{
	char text[200];
	snprintf(text, sizeof(text), "{'address':'" RS1 "',%s}", json);
	assert_int_equal(lab_server(lab, "dns", text), 0);
}

// A connection keeps its way of forwarding, and follows the tunnel as it is now.
static void edited(void **)
{
	open_lab((struct way){}, &(struct lab_options){});
	struct frame_spec s = spec((struct way){}, true, 5);
	passes((struct way){}, &s);
	for (unsigned i = 0; i < KINDS; i++) {
		char text[150];
		snprintf(text, sizeof(text), "'forward':'tun','tunnel':%s", kinds[i].json);
		set_server(text);
		passes((struct way){ .kind = i }, &s);
	}
	set_server("'forward':'dr'");
	passes((struct way){}, &s);
	s.sport = 5;
	struct frame in = frame_make(&s);
	send_frame(&in);
	in = next();
	assert_memory_equal(in.data + L3 + 12, "\xc6\x33\x64\x01\xc0\x00\x02\x0a", 8);
	set_server("'forward':'tun','tunnel':{'type':'gre'}");
	passes(
	    (struct way){ .kind = 4 }, &(struct frame_spec){ CLIENT, VIP, 6, 53, .protocol = 17 });
	// Through the director now, which remembers where answers come from; and back.
	set_server("'forward':'nat'");
	set_server("'forward':'tun','tunnel':{'type':'gue','port':6080}");
	passes(
	    (struct way){ .kind = 1 }, &(struct frame_spec){ CLIENT, VIP, 6, 53, .protocol = 17 });
	finish(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ttl_over),
		cmocka_unit_test(too_big),
		cmocka_unit_test(cut),
		cmocka_unit_test(pieces_have_numbers),
		cmocka_unit_test(jumbo),
		cmocka_unit_test(no_way),
		cmocka_unit_test(one_sided),
		cmocka_unit_test(edited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
