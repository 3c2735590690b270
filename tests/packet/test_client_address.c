// SPDX-License-Identifier: BSD-3-Clause

// FULLNAT servers are told who the client is: TCP option and PROXY protocol v2. A client and a
// server with TCP sequence numbers of their own talk through the director; what each sees must fit.

#include <arpa/inet.h>

#include "packet_test.h"

#define CLIENT  "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define L3      14
#define SPORT   4242

static struct lab *lab;
static bool v6;
static unsigned l4_at;

static void open_lab(const char *how, bool six)
{
	char text[500];
	v6 = six;
	l4_at = L3 + (v6 ? 40 : 20);
	lab = lab_new(&(struct lab_options){ .ports = 2 });
	lab_hop(lab, RS1, 1, 0x11);
	lab_hop(lab, RS16, 1, 0x61);
	for (unsigned udp = 0; udp < 2; udp++) {
		snprintf(text, sizeof(text),
		    "{'protocol':'%s','address':'%s','port':80,'scheduler':'rr','forward':'fullnat'"
		    ","
		    "'client_address':'%s','local_addresses':['%s'],'servers':[{'address':'%s'}]}",
		    udp ? "udp" : "tcp", v6 ? VIP6 : VIP, how, v6 ? "2001:db8::99" : "192.0.2.99",
		    v6 ? RS16 : RS1);
		assert_int_equal(lab_service(lab, text), 0);
	}
}

// ---- segments ----

struct segment {
	uint32_t seq, ack;
	uint8_t flags;
	unsigned options_bytes, bytes; // options, payload
	uint8_t options[40], payload[1500];
};

static uint16_t local_port;

static void put(uint8_t *p, uint32_t v)
{
	v = htonl(v);
	memcpy(p, &v, 4);
}

static uint32_t get(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return ntohl(v);
}

static void sum_again(struct frame *f)
{
	uint8_t *l4 = f->data + l4_at;
	size_t n = f->bytes - l4_at;
	l4[16] = l4[17] = 0;
	uint32_t pseudo = 6 + n;
	pseudo += (uint16_t)~frame_checksum(f->data + L3 + (v6 ? 8 : 12), v6 ? 32 : 8, 0);
	uint16_t sum = frame_checksum(l4, n, pseudo);
	l4[16] = sum >> 8;
	l4[17] = sum;
}

static struct frame write_segment(bool reply, const struct segment *s)
{
	struct frame f = frame_make(&(struct frame_spec){
	    .src = reply ? (v6 ? RS16 : RS1)
	           : v6  ? CLIENT6
	                 : CLIENT,
	    .dst = reply ? (v6 ? "2001:db8::99" : "192.0.2.99")
	           : v6  ? VIP6
	                 : VIP,
	    .sport = reply ? 80 : SPORT,
	    .dport = reply ? local_port : 80,
	    .payload = s->options_bytes + s->bytes,
	    .tcp_flags = s->flags,
	    .dst_mac = MAC_OF(reply ? 2 : 1),
	});
	uint8_t *l4 = f.data + l4_at;
	put(l4 + 4, s->seq);
	put(l4 + 8, s->ack);
	l4[12] = (20 + s->options_bytes) / 4 << 4;
	memcpy(l4 + 20, s->options, s->options_bytes);
	memcpy(l4 + 20 + s->options_bytes, s->payload, s->bytes);
	sum_again(&f);
	return f;
}

static struct segment read_segment(const uint8_t *frame, size_t n)
{
	struct segment s = {};
	struct frame_seen seen;
	assert_true(n > 0 && frame_see(frame, n, &seen));
	assert_true(seen.ip_checksum_good);
	assert_true(seen.l4_checksum_good);
	assert_int_equal(seen.l3_at + seen.l3_bytes, n);
	const uint8_t *l4 = frame + seen.l4_at;
	unsigned header = (l4[12] >> 4) * 4;
	s.seq = get(l4 + 4);
	s.ack = get(l4 + 8);
	s.flags = l4[13];
	s.options_bytes = header - 20;
	memcpy(s.options, l4 + 20, s.options_bytes);
	s.bytes = n - seen.l4_at - header;
	memcpy(s.payload, l4 + header, s.bytes);
	if (seen.dport == 80)
		local_port = seen.sport;
	return s;
}

static struct segment through(bool reply, const struct segment *s)
{
	uint8_t out[FRAME_MAX];
	struct frame f = write_segment(reply, s);
	assert_true(lab_send(lab, reply, 0, f.data, f.bytes));
	lab_run(lab);
	return read_segment(out, lab_receive(lab, !reply, out, sizeof(out)));
}

static struct segment data(uint32_t seq, uint32_t ack, const char *text)
{
	struct segment s = { seq, ack, TCP_ACK, 0, strlen(text) };
	memcpy(s.payload, text, s.bytes);
	return s;
}

// ---- PROXY protocol ----

#define ISN  0xffffff80u // wraps around soon
#define ISN2 0x10000000u

static void expect_header(const uint8_t *h, uint8_t protocol)
{
	static const uint8_t start[] = { 0xd, 0xa, 0xd, 0xa, 0, 0xd, 0xa, 0x51, 0x55, 0x49, 0x54,
		0xa, 0x21 };
	uint8_t addresses[36];
	unsigned n = v6 ? 16 : 4;
	assert_memory_equal(h, start, sizeof(start));
	assert_int_equal(h[13], (v6 ? 0x20 : 0x10) + (protocol == 6 ? 1 : 2));
	assert_int_equal(h[14] << 8 | h[15], v6 ? 36 : 12);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? CLIENT6 : CLIENT, addresses);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? VIP6 : VIP, addresses + n);
	assert_memory_equal(h + 16, addresses, 2 * n);
	assert_int_equal(h[16 + 2 * n] << 8 | h[17 + 2 * n], SPORT);
	assert_int_equal(h[18 + 2 * n] << 8 | h[19 + 2 * n], 80);
}

static void handshake(unsigned mss_less)
{
	struct segment s = { ISN, 0, TCP_SYN, 4, 0, { 2, 4, 5, 180 } };
	struct segment o = through(false, &s);
	assert_int_equal(o.seq, ISN);
	assert_memory_equal(o.options, s.options, 4);
	// An option at an odd place.
	s = (struct segment){ ISN2, ISN + 1, TCP_SYN | TCP_ACK, 8, 0,
		{ 1, 2, 4, 5, 180, 1, 1, 0 } };
	o = through(true, &s);
	assert_int_equal(o.ack, ISN + 1);
	assert_int_equal(o.options[3] << 8 | o.options[4], 1460 - mss_less);
}

static void proxy_stream(bool six)
{
	open_lab("proxy_v2", six);
	const unsigned n = v6 ? 52 : 28;
	handshake(n);
	struct segment s = data(ISN + 1, ISN2 + 1, ""), o = through(false, &s);
	assert_int_equal(o.seq, ISN + 1);
	assert_int_equal(o.bytes, 0); // not on a bare ACK

	for (unsigned again = 0; again < 3; again++) { // and retransmitted
		s = data(ISN + 1, ISN2 + 1, "GET / HTTP/1.0\r\n\r\n.");
		o = through(false, &s);
		assert_int_equal(o.seq, ISN + 1);
		assert_int_equal(o.bytes, n + s.bytes);
		expect_header(o.payload, 6);
		assert_memory_equal(o.payload + n, s.payload, s.bytes);
	}
	unsigned sent = s.bytes;

	// The server acknowledges: nothing, some of the header, all of it and some, everything.
	const unsigned acks[][2] = { { 0, 0 }, { 5, 0 }, { n, 0 }, { n + 7, 7 },
		{ n + sent, sent } };
	for (unsigned i = 0; i < 5; i++) {
		s = data(ISN2 + 1, ISN + 1 + acks[i][0], "x");
		o = through(true, &s);
		assert_int_equal(o.ack, ISN + 1 + acks[i][1]);
		assert_int_equal(o.seq, ISN2 + 1);
		assert_int_equal(o.bytes, 1);
	}
	// SACK edges move as well; an option of unknown kind stays.
	s = data(ISN2 + 2, ISN + 1, "");
	s.options_bytes = 16;
	memcpy(s.options, (uint8_t[]){ 254, 4, 9, 9, 1, 5, 10 }, 7);
	put(s.options + 7, ISN + 1 + n + 5);
	put(s.options + 11, ISN + 1 + n + sent);
	s.options[15] = 0;
	o = through(true, &s);
	assert_int_equal(get(o.options + 7), ISN + 1 + 5);
	assert_int_equal(get(o.options + 11), ISN + 1 + sent);
	assert_memory_equal(o.options, s.options, 7);

	// More data, beyond the wrap, and the end.
	for (unsigned i = 0; i < 4; i++) {
		s = data(ISN + 1 + sent, ISN2 + 2, "more and more and more and more and more");
		sent += s.bytes;
		o = through(false, &s);
		assert_int_equal(o.seq, s.seq + n);
		assert_int_equal(o.bytes, s.bytes);
	}
	s = data(ISN + 1 + sent, ISN2 + 2, "");
	s.flags |= TCP_FIN;
	o = through(false, &s);
	assert_int_equal(o.seq, s.seq + n);
	s = data(ISN2 + 2, ISN + 2 + sent + n, "");
	o = through(true, &s);
	assert_int_equal(o.ack, ISN + 2 + sent);
	finish(lab);
}

static void proxy(void **)
{
	proxy_stream(false);
	proxy_stream(true);
}

// A client that sends data with its SYN: it is not acknowledged, and comes again behind the header.
static void data_with_the_syn(void **)
{
	open_lab("proxy_v2", false);
	struct segment s = data(ISN, 0, "odd");
	s.flags = TCP_SYN;
	struct segment o = through(false, &s);
	assert_int_equal(o.bytes, 0);
	assert_int_equal(o.flags, TCP_SYN);
	finish(lab);
}

static void proxy_datagrams(void **)
{
	for (unsigned six = 0; six < 2; six++) {
		open_lab("proxy_v2", six);
		const unsigned n = v6 ? 52 : 28;
		for (unsigned i = 0; i < 3; i++) {
			uint8_t out[FRAME_MAX];
			struct frame_seen seen;
			struct frame f = frame_make(&(struct frame_spec){ v6 ? CLIENT6 : CLIENT,
			    v6 ? VIP6 : VIP, SPORT, 80, .protocol = 17, .payload = 31 + i });
			if (i == 2 && !v6) // without a checksum
				f.data[l4_at + 6] = f.data[l4_at + 7] = 0;
			assert_true(lab_send(lab, 0, 0, f.data, f.bytes));
			lab_run(lab);
			size_t bytes = lab_receive(lab, 1, out, sizeof(out));
			assert_true(frame_see(out, bytes, &seen));
			assert_true(seen.l4_checksum_good && seen.ip_checksum_good);
			assert_int_equal(bytes, f.bytes + (i == 0 ? n : 0)); // the first only
			if (i == 0)
				expect_header(out + l4_at + 8, 17);
			assert_memory_equal(
			    out + l4_at + 8 + (i == 0 ? n : 0), f.data + l4_at + 8, 31 + i);
		}
		finish(lab);
	}
}

// ---- TCP option ----

static void toa_stream(bool six)
{
	open_lab("toa", six);
	const unsigned n = v6 ? 20 : 8;
	uint8_t want[20] = { 254, n, SPORT >> 8, SPORT & 255 };
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? CLIENT6 : CLIENT, want + 4);
	handshake(n);
	for (unsigned i = 0; i < 3; i++) {
		struct segment s = data(ISN + 1, ISN2 + 1, i ? "early" : "");
		s.options_bytes = 12;
		memset(s.options, 1, 12);
		struct segment o = through(false, &s);
		assert_int_equal(o.seq, ISN + 1);
		assert_int_equal(o.bytes, s.bytes);
		assert_int_equal(o.options_bytes, 12 + n);
		assert_memory_equal(o.options, want, n);
		assert_memory_equal(o.options + n, s.options, 12);
		assert_memory_equal(o.payload, s.payload, s.bytes);
	}
	// Where there is no room for it, it is left out.
	struct segment s = data(ISN + 1, ISN2 + 1, "early");
	s.options_bytes = 40;
	memset(s.options, 1, 40);
	assert_int_equal(through(false, &s).options_bytes, 40);
	s = data(ISN + 1, ISN2 + 1, "");
	s.bytes = 1500 - (v6 ? 60 : 40);
	assert_int_equal(through(false, &s).options_bytes, 0);
	// Once the server has acknowledged something it knows.
	s = data(ISN2 + 1, ISN + 3, "");
	assert_int_equal(through(true, &s).ack, ISN + 3);
	s = data(ISN + 6, ISN2 + 1, "later");
	assert_int_equal(through(false, &s).options_bytes, 0);
	finish(lab);
}

static void toa(void **)
{
	toa_stream(false);
	toa_stream(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proxy),
		cmocka_unit_test(data_with_the_syn),
		cmocka_unit_test(proxy_datagrams),
		cmocka_unit_test(toa),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
