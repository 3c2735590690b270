// SPDX-License-Identifier: BSD-3-Clause

#include "client_address.h"

#include <netinet/in.h>

#include "conf/conf.h"
#include "nat.h"
#include "sum.h"

// TCP header fields, by their place.
enum { SEQ = 4, ACK = 8, OFFSET = 12, CHECKSUM = 16, HEADER = 20 };
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, OPTION_SACK = 5 };

#define TCP_HEADER_MAX 60
#define LONGEST        52

static uint32_t get32(const uint8_t *p)
{
	return rte_be_to_cpu_32(load32(p));
}

static unsigned header_bytes(const uint8_t *tcp)
{
	return (tcp[OFFSET] >> 4) * 4;
}

// Bytes of the L4 header and payload.
static unsigned l4_bytes(const struct packet *p)
{
	return p->l3_bytes - (p->ports - packet_l3(p));
}

// Writes into the TCP header, at any place, and keeps its checksum right.
static void patch(uint8_t *tcp, unsigned at, const void *bytes, unsigned n)
{
	unsigned from = at & ~1u, to = (at + n + 1) & ~1u;
	uint64_t was = 0, is = 0;
	uint16_t word;
	for (unsigned i = from; i < to; i += 2, was += word)
		memcpy(&word, tcp + i, 2);
	memcpy(tcp + at, bytes, n);
	for (unsigned i = from; i < to; i += 2, is += word)
		memcpy(&word, tcp + i, 2);
	checksum_adjust(tcp + CHECKSUM, was, is);
}

static void patch32(uint8_t *tcp, unsigned at, uint32_t value)
{
	value = rte_cpu_to_be_32(value);
	patch(tcp, at, &value, 4);
}

// ---- to the server ----

static unsigned write_toa(uint8_t *out, const struct conn *c, uint8_t kind, bool v6)
{
	const uint8_t *tuple = conn_tuple(c, false, v6);
	out[0] = kind;
	out[1] = TOA_BYTES(v6);
	memcpy(out + 2, tuple + (v6 ? 32 : 8), 2);
	memcpy(out + 4, tuple, v6 ? 16 : 4);
	return TOA_BYTES(v6);
}

static unsigned write_proxy(uint8_t *out, const struct conn *c, bool v6)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	memcpy(out, signature, 12);
	out[12] = 0x21; // version 2, PROXY
	out[13] = (v6 ? 0x20 : 0x10) | (c->protocol == IPPROTO_TCP ? 1 : 2);
	out[14] = 0;
	out[15] = v6 ? 36 : 12;
	memcpy(out + 16, conn_tuple(c, false, v6), v6 ? 36 : 12);
	return PROXY_BYTES(v6);
}

// Makes room for `n` bytes behind the first `at` of the L4 part, an even place, and puts them
// there. Lengths and checksums follow. False: there is no room before the frame, or its headers are
// not all in the first buffer.
static bool insert(struct packet *p, unsigned at, const uint8_t *bytes, unsigned n)
{
	unsigned before = p->ports + at - rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint8_t *start = before <= p->m->data_len ? (uint8_t *)rte_pktmbuf_prepend(p->m, n) : NULL;
	if (!start)
		return false;
	memmove(start, start + n, before);
	memcpy(start + before, bytes, n);
	p->addresses -= n;
	p->ports -= n;
	p->l3_bytes += n;
	uint8_t *l3 = packet_l3(p), *l4 = (uint8_t *)p->ports;
	uint8_t *length = l3 + (p->v6 ? 4 : 2);
	uint16_t was, is;
	memcpy(&was, length, 2);
	is = rte_cpu_to_be_16(rte_be_to_cpu_16(was) + n);
	memcpy(length, &is, 2);
	if (!p->v6)
		checksum_adjust(l3 + 10, was, is);
	// The pseudo-header's length, and UDP's own, go up; of the sum of the new bytes n is even.
	uint64_t more = checksum_words(bytes, n) + rte_cpu_to_be_16(n);
	if (p->protocol == IPPROTO_TCP) {
		checksum_adjust(l4 + CHECKSUM, 0, more);
		return true;
	}
	memcpy(&was, l4 + 4, 2);
	is = rte_cpu_to_be_16(rte_be_to_cpu_16(was) + n);
	memcpy(l4 + 4, &is, 2);
	checksum_adjust(l4 + 6, was, more + is);
	memcpy(&is, l4 + 6, 2);
	is = is ? is : 0xffff;
	memcpy(l4 + 6, &is, 2);
	return true;
}

// How far a sequence number is into what the client sends; negative: before it.
static int32_t position(const struct conn *c, uint32_t number)
{
	return number - (c->isn + 1);
}

// What this packet is to carry, and where; 0: nothing.
static unsigned prepare(const struct worker *w, const struct packet *p, struct conn *c,
    uint8_t *bytes, unsigned *at, uint16_t mtu, bool v6)
{
	const uint8_t *tcp = p->ports;
	if (p->fragment) // what follows would have to move
		return 0;
	if (c->protocol == IPPROTO_UDP) {
		*at = 8;
		return c->packets == 1 ? write_proxy(bytes, c, v6) : 0;
	}
	unsigned header = header_bytes(tcp);
	if (p->tcp_flags & TCP_SYN) {
		c->isn = get32(tcp + SEQ);
		return 0;
	}
	if (p->tcp_flags & TCP_RST || header < HEADER || header > l4_bytes(p))
		return 0;
	if (c->flags & CONN_PROXY) {
		*at = header;
		bool first = position(c, get32(tcp + SEQ)) == 0 && l4_bytes(p) > header;
		return first ? write_proxy(bytes, c, v6) : 0;
	}
	const struct service *s = w->servers[c->server].service;
	unsigned n = TOA_BYTES(v6);
	if (c->flags & CONN_TOLD || !s || header + n > TCP_HEADER_MAX || p->l3_bytes + n > mtu)
		return 0;
	*at = HEADER;
	return write_toa(bytes, c, s->toa_kind, v6);
}

// The server has not seen what a client may send with its SYN (RFC 7413), where no header could
// stand before it; it is sent again when the SYN alone is acknowledged.
static void strip_syn(struct packet *p)
{
	uint8_t *tcp = (uint8_t *)p->ports;
	unsigned header = header_bytes(tcp), all = l4_bytes(p);
	if (!(p->tcp_flags & TCP_SYN) || header < HEADER || header >= all || p->m->nb_segs > 1)
		return;
	unsigned n = all - header;
	uint8_t *length = packet_l3(p) + (p->v6 ? 4 : 2);
	uint16_t was, is, raw = 0;
	mbuf_sum(p->m, tcp + header - rte_pktmbuf_mtod(p->m, uint8_t *), n, &raw);
	memcpy(&was, length, 2);
	is = rte_cpu_to_be_16(rte_be_to_cpu_16(was) - n);
	memcpy(length, &is, 2);
	if (!p->v6)
		checksum_adjust(packet_l3(p) + 10, was, is);
	checksum_adjust(
	    tcp + CHECKSUM, (uint64_t)raw + rte_cpu_to_be_16(all), rte_cpu_to_be_16(header));
	rte_pktmbuf_trim(p->m, n);
	p->l3_bytes -= n;
}

void send_telling(struct worker *w, const struct port *from, struct packet *p, struct conn *c,
    const struct hop *h, bool v6)
{
	uint8_t bytes[LONGEST];
	unsigned at = 0;
	if (c->protocol == IPPROTO_TCP && c->flags & CONN_PROXY)
		strip_syn(p);
	unsigned n = prepare(w, p, c, bytes, &at, h->mtu, v6);
	nat_client_seen(c, p, from);
	if (!may_leave_within(w, from, p, h, h->mtu - n, NULL, v6))
		return;
	const uint8_t *out = conn_tuple(c, true, v6);
	uint16_t sport, dport;
	memcpy(&sport, out + (v6 ? 34 : 10), 2); // the answer's destination
	memcpy(&dport, out + (v6 ? 32 : 8), 2);
	nat_rewrite_both(p, out + (v6 ? 16 : 4), sport, out, dport, v6);
	uint8_t *tcp = (uint8_t *)p->ports;
	if (c->protocol == IPPROTO_TCP && c->flags & CONN_PROXY && !(p->tcp_flags & TCP_SYN) &&
	    position(c, get32(tcp + SEQ)) > 0)
		patch32(tcp, SEQ, get32(tcp + SEQ) + PROXY_BYTES(v6));
	if (n && !insert(p, at, bytes, n)) {
		drop(w, p->m, DROP_no_headroom);
		return;
	}
	if (n && at == HEADER && c->flags & CONN_TOA) { // the option's words count in the offset
		tcp = (uint8_t *)p->ports;
		uint8_t offset = tcp[OFFSET] + ((n / 4) << 4);
		patch(tcp, OFFSET, &offset, 1);
	}
	leave(w, p, h, v6);
}

// ---- from the server ----

static uint32_t lower(const struct conn *c, uint32_t number, uint32_t n)
{
	int32_t at = position(c, number);
	return at <= 0 ? number : at <= (int32_t)n ? c->isn + 1 : number - n;
}

static void heed_options(uint8_t *tcp, unsigned end, const struct conn *c, unsigned n, bool syn)
{
	for (unsigned at = HEADER; at < end && tcp[at] != OPTION_END;) {
		if (tcp[at] == OPTION_NOP) {
			at++;
			continue;
		}
		unsigned bytes = at + 1 < end ? tcp[at + 1] : 0;
		if (bytes < 2 || at + bytes > end)
			return;
		if (syn && tcp[at] == OPTION_MSS && bytes == 4) {
			uint16_t mss = tcp[at + 2] << 8 | tcp[at + 3];
			mss = rte_cpu_to_be_16(mss > n ? mss - n : mss);
			patch(tcp, at + 2, &mss, 2);
		}
		if (tcp[at] == OPTION_SACK && c->flags & CONN_PROXY) {
			for (unsigned edge = at + 2; edge + 4 <= at + bytes; edge += 4)
				patch32(tcp, edge, lower(c, get32(tcp + edge), n));
		}
		at += bytes;
	}
}

void heed_answer(struct packet *p, struct conn *c, bool v6)
{
	uint8_t *tcp = (uint8_t *)p->ports;
	if (c->protocol != IPPROTO_TCP)
		return;
	unsigned n = c->flags & CONN_PROXY ? PROXY_BYTES(v6) : TOA_BYTES(v6);
	if (p->tcp_flags & TCP_ACK) {
		if (position(c, get32(tcp + ACK)) > 0)
			c->flags |= CONN_TOLD;
		if (c->flags & CONN_PROXY)
			patch32(tcp, ACK, lower(c, get32(tcp + ACK), n));
	}
	unsigned end = header_bytes(tcp);
	const uint8_t *frame = rte_pktmbuf_mtod(p->m, const uint8_t *);
	if (end <= l4_bytes(p) && tcp + end <= frame + p->m->data_len)
		heed_options(tcp, end, c, n, p->tcp_flags & TCP_SYN);
}
