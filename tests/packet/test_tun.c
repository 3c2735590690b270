// SPDX-License-Identifier: BSD-3-Clause

// TUN: every tunnel over each family for packets of each family; what the outer header takes over,
// checksums, and lengths.

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define SELF    "192.0.2.2"
#define SELF6   "2001:db8::2"
#define L3      14

static struct lab *lab;

// As servers are told to take them, and what a receiver finds.
static const struct {
	const char *json;
	uint8_t protocol; // of the outer header; 0: 4 or 41
	uint16_t bytes;   // after it
	bool checksum;
} kinds[] = {
	{ "{}", 0, 0, false },
	{ "{'type':'gue','port':6080}", 17, 12, false },
	{ "{'type':'gue','port':6080,'checksum':'full'}", 17, 12, true },
	{ "{'type':'gue','port':6080,'checksum':'remote'}", 17, 12, true },
	{ "{'type':'gre'}", 47, 4, false },
	{ "{'type':'gre','checksum':'full'}", 47, 8, true },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct way { // of a packet: which tunnel, and the families of the two headers
	unsigned kind;
	bool inner6, outer6;
};
#define WAYS (KINDS * 4)

static struct way way_at(unsigned i)
{
	return (struct way){ i / 4, i & 1, i & 2 };
}

static uint16_t overhead(struct way w)
{
	return (w.outer6 ? 40 : 20) + kinds[w.kind].bytes;
}

static const char *client(struct way w)
{
	return w.inner6 ? CLIENT6 : CLIENT;
}

static const char *vip(struct way w)
{
	return w.inner6 ? VIP6 : VIP;
}

static void set_hop(const char *server, uint16_t mtu, const char *source)
{
	struct hop h = { .header = { 2, 0, 0, 0, 0, strchr(server, ':') ? 0x61 : 0x11, 2, 0, 0, 0,
		             0, 1 },
		.header_bytes = 12,
		.kind = HOP_SEND,
		.mtu = mtu };
	struct ip_addr a, s;
	assert_int_equal(ip_addr_parse(server, &a), 0);
	if (source) {
		assert_int_equal(ip_addr_parse(source, &s), 0);
		memcpy(h.source, s.bytes, s.family == AF_INET6 ? 16 : 4);
	}
	model_set_hop(lab_model(lab), &a, &h);
}

// A TCP and a UDP service of each family, with one server.
static void open_lab(struct way w, const struct lab_options *o)
{
	lab = lab_new(o);
	set_hop(RS1, 1500, SELF);
	set_hop(RS16, 1500, SELF6);
	for (unsigned udp = 0; udp < 2; udp++) {
		char text[400];
		snprintf(text, sizeof(text),
		    "{'name':'%s','protocol':'%s','address':'%s','port':%u,'scheduler':'rr',"
		    "'forward':'tun','servers':[{'address':'%s','tunnel':%s}]}",
		    udp ? "dns" : "web", udp ? "udp" : "tcp", vip(w), udp ? 53 : 80,
		    w.outer6 ? RS16 : RS1, kinds[w.kind].json);
		assert_int_equal(lab_service(lab, text), 0);
	}
}

static struct frame_spec spec(struct way w, bool udp, uint16_t payload)
{
	return (struct frame_spec){ client(w), vip(w), 4001, udp ? 53 : 80,
		.protocol = udp ? 17 : 6, .tcp_flags = TCP_SYN, .payload = payload };
}

static void send_frame(const struct frame *f)
{
	assert_true(lab_send(lab, 0, 0, f->data, f->bytes));
	lab_run(lab);
}

static struct frame next(void)
{
	struct frame f;
	f.bytes = lab_receive(lab, 0, f.data, sizeof(f.data));
	return f;
}

static void unwrap(const struct frame *f, struct frame_wrapped *out)
{
	assert_true(f->bytes > 0);
	assert_true(frame_unwrap(f->data, f->bytes, out));
}

// What every packet of a way has in common.
static void check_outer(struct way w, const struct frame_wrapped *t)
{
	uint8_t inner = w.inner6 ? 41 : 4;
	assert_int_equal(t->kind, kinds[w.kind].protocol ? kinds[w.kind].protocol : inner);
	assert_int_equal(t->outer.v6, w.outer6);
	assert_string_equal(t->outer.src, w.outer6 ? SELF6 : SELF);
	assert_string_equal(t->outer.dst, w.outer6 ? RS16 : RS1);
	assert_int_equal(t->outer.dst_mac, MAC_OF(w.outer6 ? 0x61 : 0x11));
	assert_int_equal(t->outer.src_mac, MAC_OF(1));
	assert_int_equal(t->outer.l3_bytes, t->inner.bytes - L3 + overhead(w));
	assert_int_equal(t->checksum, kinds[w.kind].checksum);
	assert_int_equal(t->checksum_good, t->checksum);
	assert_int_equal(t->flow_label, 0);
	if (t->kind == 17) {
		assert_int_equal(t->outer.dport, 6080);
		assert_in_range(t->outer.sport, 32768, 60999);
	}
}

// The wrapped packet is what was sent, with its TTL one less.
static void check_inner(struct way w, struct frame_spec s, const struct frame_wrapped *t)
{
	s.ttl = (s.ttl ? s.ttl : 64) - 1;
	s.dst_mac = MAC_OF(w.outer6 ? 0x61 : 0x11);
	s.src_mac = MAC_OF(1);
	s.vlan = 0;
	s.partial_checksum = false;
	struct frame want = frame_make(&s);
	assert_int_equal(t->inner.bytes, want.bytes);
	assert_memory_equal(t->inner.data, want.data, want.bytes);
}

static void passes(struct way w, const struct frame_spec *s)
{
	struct frame in = frame_make(s);
	struct frame_wrapped t;
	send_frame(&in);
	struct frame out = next();
	unwrap(&out, &t);
	check_outer(w, &t);
	check_inner(w, *s, &t);
	assert_int_equal(t.outer.ttl, (s->ttl ? s->ttl : 64) - 1);
	assert_int_equal(t.dont_fragment, !w.outer6 && !w.inner6 && s->dont_fragment);
	expect_nothing(lab);
}

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

// ---- what does not get through ----

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

// ---- recorded of the kernel ----

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	for (; hex[0] && hex[1]; hex += 2) {
		unsigned byte;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[n++] = byte;
	}
	return n;
}

#define REC4 "45000028123440004006142e0a0a00010a00006403e81b58000003e8000000005002faf07d5b0000"
#define REC4_TTL63 \
	"45000028123440003f06152e0a0a00010a00006403e81b58000003e8000000005002faf07d5b0000"
#define REC6 \
	"6b9000000014060720010db800100000000000000000000120010db80000000000000000000001" \
	"0003e91b58000003e8000000005002faf035460000"
#define REC6_TTL6 \
	"6b9000000014060620010db800100000000000000000000120010db80000000000000000000001" \
	"0003e91b58000003e8000000005002faf035460000"
#define OUTER6 "20010db800010000000000000000000120010db8000100000000000000000011"

static const struct {
	const char *tunnel, *in, *out;
	bool inner6, outer6, number; // number: the outer packet's is free
} recorded[] = {
	{ "{}", REC4, "4500003c000040003f0427b10a0100010a01000b" REC4_TTL63, false, false, false },
	{ "{'type':'gre'}", REC4, "45000040000040003f2f27820a0100010a01000b00000800" REC4_TTL63,
	    false, false, false },
	{ "{'type':'gre','checksum':'full'}", REC4,
	    "45000044000040003f2f277e0a0100010a01000b800008008c880000" REC4_TTL63, false, false,
	    false },
	{ "{}", REC4, "600000000028043f" OUTER6 REC4_TTL63, false, true, false },
	{ "{}", REC6, "45b900502088000006297f370a0100010a01000b" REC6_TTL6, true, false, true },
	{ "{}", REC6, "6b900000003c2906" OUTER6 REC6_TTL6, true, true, false },
	{ "{'type':'gre'}", REC6, "6b90000000402f06" OUTER6 "000086dd" REC6_TTL6, true, true,
	    false },
};

static void recordings(void **)
{
	for (unsigned i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		struct frame in, want, out;
		char text[400];
		lab = lab_new(&(struct lab_options){});
		set_hop("10.1.0.11", 1500, "10.1.0.1");
		set_hop("2001:db8:1::11", 1500, "2001:db8:1::1");
		snprintf(text, sizeof(text),
		    "{'protocol':'tcp','address':'%s','port':7000,'forward':'tun',"
		    "'servers':[{'address':'%s','tunnel':%s}]}",
		    recorded[i].inner6 ? "2001:db8::100" : "10.0.0.100",
		    recorded[i].outer6 ? "2001:db8:1::11" : "10.1.0.11", recorded[i].tunnel);
		assert_int_equal(lab_service(lab, text), 0);
		struct frame_spec any = { recorded[i].inner6 ? CLIENT6 : CLIENT,
			recorded[i].inner6 ? VIP6 : VIP };
		in = frame_make(&any);
		in.bytes = L3 + from_hex(recorded[i].in, in.data + L3);
		want.bytes = L3 + from_hex(recorded[i].out, want.data + L3);
		send_frame(&in);
		out = next();
		assert_int_equal(out.bytes, want.bytes);
		if (recorded[i].number) { // and the checksum over it
			memcpy(want.data + L3 + 4, out.data + L3 + 4, 2);
			memcpy(want.data + L3 + 10, out.data + L3 + 10, 2);
		}
		assert_memory_equal(out.data + L3, want.data + L3, want.bytes - L3);
		finish(lab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(tos_and_ecn),
		cmocka_unit_test(numbers),
		cmocka_unit_test(source_ports),
		cmocka_unit_test(ttl_over),
		cmocka_unit_test(too_big),
		cmocka_unit_test(cut),
		cmocka_unit_test(pieces_have_numbers),
		cmocka_unit_test(jumbo),
		cmocka_unit_test(no_way),
		cmocka_unit_test(one_sided),
		cmocka_unit_test(edited),
		cmocka_unit_test(recordings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
