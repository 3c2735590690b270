// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of tunnels have in common: all ways there are, a service for each, and what must
// be true of every packet that leaves.

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

static inline struct way way_at(unsigned i)
{
	return (struct way){ i / 4, i & 1, i & 2 };
}

static inline uint16_t overhead(struct way w)
{
	return (w.outer6 ? 40 : 20) + kinds[w.kind].bytes;
}

static inline const char *client(struct way w)
{
	return w.inner6 ? CLIENT6 : CLIENT;
}

static inline const char *vip(struct way w)
{
	return w.inner6 ? VIP6 : VIP;
}

static inline void set_hop(const char *server, uint16_t mtu, const char *source)
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
static inline void open_lab(struct way w, const struct lab_options *o)
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

static inline void send_frame(const struct frame *f)
{
	assert_true(lab_send(lab, 0, 0, f->data, f->bytes));
	lab_run(lab);
}

static inline struct frame next(void)
{
	struct frame f;
	f.bytes = lab_receive(lab, 0, f.data, sizeof(f.data));
	return f;
}

static inline void unwrap(const struct frame *f, struct frame_wrapped *out)
{
	assert_true(f->bytes > 0);
	assert_true(frame_unwrap(f->data, f->bytes, out));
}

// What every packet of a way has in common.
static inline void check_outer(struct way w, const struct frame_wrapped *t)
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
static inline void check_inner(struct way w, struct frame_spec s, const struct frame_wrapped *t)
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

static inline void passes(struct way w, const struct frame_spec *s)
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
