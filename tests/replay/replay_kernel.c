// SPDX-License-Identifier: BSD-3-Clause

// What the kernels around IPVS do with packets that IPVS leaves alone, as far as recordings show
// it: the stack of a host without listeners, and the errors of a router.

#include <string.h>

#include "replay.h"

#define TTL           64
#define OWN_ID        0x4242 // free: chosen by whoever makes a packet
#define ERROR_TOS     0xc0   // internetwork control
#define V4_ERROR_MAX  576
#define V6_ERROR_MAX  1280
#define ECHO_REQUEST  8
#define ECHO6_REQUEST 128
#define ECHO6_REPLY   129
#define UNREACHABLE   3
#define CODE_PROTOCOL 2
#define CODE_PORT     3
#define UNREACHABLE6  1
#define CODE6_PORT    4
#define PARAMETER6    4
#define CODE6_NEXT    1
#define FIN           0x01
#define SYN           0x02
#define RST           0x04
#define ACK           0x10

// A packet of `bytes` behind the network header, addressed back.
static struct gram *back(const uint8_t *src, const uint8_t *dst, bool v6, uint8_t protocol,
    uint8_t tos, uint16_t word, size_t bytes)
{
	struct gram *p = gram_new(NULL, (v6 ? 40 : 20) + bytes);
	uint8_t *ip = p->data;
	if (v6) {
		put32(ip, 6u << 28);
		put16(ip + 4, bytes);
		ip[6] = protocol;
		ip[7] = TTL;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, dst, 16);
		return p;
	}
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, 20 + bytes);
	put16(ip + 4, word ? 0 : OWN_ID);
	put16(ip + 6, word);
	ip[8] = TTL;
	ip[9] = protocol;
	memcpy(ip + 12, src, 4);
	memcpy(ip + 16, dst, 4);
	ipv4_checksum_set(ip);
	return p;
}

static struct gram *finish(struct gram *p, size_t checksum_at)
{
	struct headers h;
	headers_read(p->data, p->bytes, &h);
	put16(p->data + h.l3_bytes + checksum_at, l4_checksum(p->data, &h));
	return p;
}

static struct gram *echo_reply(const uint8_t *data, const struct headers *h)
{
	size_t n = h->total - h->l3_bytes;
	struct gram *p = back(h->dst, h->src, h->v6, h->protocol, h->v6 ? 0 : data[1], 0, n);
	uint8_t *l4 = p->data + (h->v6 ? 40 : 20);
	memcpy(l4, data + h->l3_bytes, n);
	l4[0] = h->v6 ? ECHO6_REPLY : 0;
	put16(l4 + 2, 0);
	return finish(p, 2);
}

static struct gram *reset(const uint8_t *data, const struct headers *h)
{
	const uint8_t *in = data + h->l3_bytes;
	size_t n = h->total - h->l3_bytes, header = (in[12] >> 4) * 4;
	if (n < 20 || header < 20 || header > n || in[13] & RST)
		return NULL;
	struct gram *p = back(h->dst, h->src, h->v6, IPPROTO_TCP, h->v6 ? 0 : data[1], 0x4000, 20);
	uint8_t *l4 = p->data + (h->v6 ? 40 : 20);
	memcpy(l4, in + 2, 2);
	memcpy(l4 + 2, in, 2);
	l4[12] = 5 << 4;
	l4[13] = RST;
	if (in[13] & ACK) {
		memcpy(l4 + 4, in + 8, 4);
	} else {
		l4[13] |= ACK;
		put32(l4 + 8, get32(in + 4) + n - header + !!(in[13] & SYN) + !!(in[13] & FIN));
	}
	return finish(p, 16);
}

static bool is_icmp_error(const struct headers *h, const uint8_t *l4, size_t n)
{
	if (n < 1)
		return true;
	if (h->v6)
		return h->protocol == IPPROTO_ICMPV6 && l4[0] < 128;
	return h->protocol == IPPROTO_ICMP && l4[0] != ECHO_REQUEST && l4[0] != 0;
}

struct gram *icmp_error(const uint8_t *data, size_t bytes, const uint8_t *src, uint8_t type,
    uint8_t code, uint32_t rest)
{
	struct headers h;
	if (!headers_read(data, bytes, &h) || h.offset ||
	    is_icmp_error(&h, data + h.l3_bytes, h.total - h.l3_bytes))
		return NULL;
	size_t room = h.v6 ? V6_ERROR_MAX - 48 : V4_ERROR_MAX - 28;
	size_t n = h.total < room ? h.total : room;
	struct gram *p = back(src, h.src, h.v6, h.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
	    h.v6 ? 0 : ERROR_TOS | (data[1] & 0x1e), 0, 8 + n);
	uint8_t *l4 = p->data + (h.v6 ? 40 : 20);
	l4[0] = type;
	l4[1] = code;
	put32(l4 + 4, rest);
	memcpy(l4 + 8, data, n);
	return finish(p, 2);
}

struct gram *stack_answer(const uint8_t *data, size_t bytes)
{
	struct headers h;
	if (!headers_read(data, bytes, &h) || h.fragment || (!h.v6 && !ipv4_checksum_good(data)))
		return NULL;
	const uint8_t *l4 = data + h.l3_bytes;
	size_t n = h.total - h.l3_bytes;
	bool good = l4_checksum(data, &h) == 0;
	switch (h.protocol) {
	case IPPROTO_ICMP:
		return good && n >= 8 && !h.v6 && l4[0] == ECHO_REQUEST ? echo_reply(data, &h)
		                                                        : NULL;
	case IPPROTO_ICMPV6:
		return good && n >= 8 && h.v6 && l4[0] == ECHO6_REQUEST ? echo_reply(data, &h)
		                                                        : NULL;
	case IPPROTO_TCP:
		return good && n >= 20 ? reset(data, &h) : NULL;
	case IPPROTO_UDP:
		if (n < 8 || get16(l4 + 4) < 8 || get16(l4 + 4) > n ||
		    !(good || (!h.v6 && get16(l4 + 6) == 0)))
			return NULL;
		return h.v6 ? icmp_error(data, bytes, h.dst, UNREACHABLE6, CODE6_PORT, 0)
		            : icmp_error(data, bytes, h.dst, UNREACHABLE, CODE_PORT, 0);
	}
	return h.v6 ? icmp_error(data, bytes, h.dst, PARAMETER6, CODE6_NEXT, 6)
	            : icmp_error(data, bytes, h.dst, UNREACHABLE, CODE_PROTOCOL, 0);
}
