// SPDX-License-Identifier: BSD-3-Clause

#include "frame.h"

#include <arpa/inet.h>
#include <string.h>

#define LAB0_MAC   0x020000000001
#define CLIENT_MAC 0x0200000000c1

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint64_t get48(const uint8_t *p)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 6; i++)
		v = v << 8 | p[i];
	return v;
}

static void put48(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 6; i++)
		p[i] = v >> (40 - 8 * i);
}

// Bytes in network order, result in host order. Not inverted.
static uint32_t add_up(const uint8_t *p, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += get16(p + i);
	if (bytes & 1)
		sum += p[bytes - 1] << 8;
	return sum;
}

uint16_t frame_checksum(const void *data, size_t bytes, uint32_t sum)
{
	sum = add_up(data, bytes, sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static uint32_t pseudo_sum(const uint8_t *l3, bool v6, uint8_t protocol, size_t l4_bytes)
{
	uint32_t sum = v6 ? add_up(l3 + 8, 32, 0) : add_up(l3 + 12, 8, 0);
	return sum + protocol + l4_bytes;
}

static size_t checksum_at(uint8_t protocol)
{
	return protocol == 6 ? 16 : protocol == 17 ? 6 : 0;
}

static size_t put_link(uint8_t *p, const struct frame_spec *s, bool v6)
{
	put48(p, s->dst_mac ? s->dst_mac : LAB0_MAC);
	put48(p + 6, s->src_mac ? s->src_mac : CLIENT_MAC);
	size_t at = 12;
	if (s->vlan) {
		put16(p + at, 0x8100);
		put16(p + at + 2, s->vlan);
		at += 4;
	}
	put16(p + at, v6 ? 0x86dd : 0x0800);
	return at + 2;
}

static size_t put_l3(uint8_t *l3, const struct frame_spec *s, bool v6, uint8_t protocol, size_t l4)
{
	uint8_t ttl = s->ttl ? s->ttl : 64;
	if (v6) {
		l3[0] = 0x60;
		put16(l3 + 4, s->extension_bytes + l4);
		l3[6] = s->extension_bytes ? s->extension_first : protocol;
		l3[7] = ttl;
		inet_pton(AF_INET6, s->src, l3 + 8);
		inet_pton(AF_INET6, s->dst, l3 + 24);
		if (s->extension_bytes)
			memcpy(l3 + 40, s->extension, s->extension_bytes);
		return 40 + s->extension_bytes;
	}
	size_t bytes = 20 + 4 * s->options;
	l3[0] = 0x40 | bytes / 4;
	put16(l3 + 2, bytes + l4);
	put16(l3 + 4, 0x1234);
	put16(l3 + 6, s->fragment | (s->dont_fragment ? 0x4000 : 0));
	l3[8] = ttl;
	l3[9] = protocol;
	inet_pton(AF_INET, s->src, l3 + 12);
	inet_pton(AF_INET, s->dst, l3 + 16);
	memset(l3 + 20, 1, bytes - 20);
	put16(l3 + 10, frame_checksum(l3, bytes, 0));
	return bytes;
}

static size_t put_l4(uint8_t *l4, const struct frame_spec *s, uint8_t protocol)
{
	size_t bytes = protocol == 6 ? 20 : protocol == 17 ? 8 : 0;
	if (bytes) {
		put16(l4, s->sport);
		put16(l4 + 2, s->dport);
	}
	if (protocol == 6) {
		l4[12] = 5 << 4;
		l4[13] = s->tcp_flags ? s->tcp_flags : 0x10;
		put16(l4 + 14, 0xffff);
	} else if (protocol == 17) {
		put16(l4 + 4, 8 + s->payload);
	}
	for (size_t i = 0; i < s->payload; i++)
		l4[bytes + i] = i * 7 + 3;
	return bytes + s->payload;
}

struct frame frame_make(const struct frame_spec *s)
{
	struct frame f;
	bool v6 = strchr(s->dst, ':') != NULL;
	uint8_t protocol = s->protocol ? s->protocol : 6, l4_text[FRAME_MAX];
	memset(f.data, 0, 128);
	memset(l4_text, 0, 64);
	size_t l4_bytes = put_l4(l4_text, s, protocol);
	size_t l3_at = put_link(f.data, s, v6);
	uint8_t *l3 = f.data + l3_at, *l4;
	l4 = l3 + put_l3(l3, s, v6, protocol, l4_bytes);
	memcpy(l4, l4_text, l4_bytes);
	f.bytes = l4 + l4_bytes - f.data;
	size_t at = checksum_at(protocol);
	if (at && !(s->fragment & 0x1fff)) {
		uint32_t pseudo = pseudo_sum(l3, v6, protocol, l4_bytes);
		uint16_t sum = s->partial_checksum ? ~frame_checksum(NULL, 0, pseudo)
		                                   : frame_checksum(l4, l4_bytes, pseudo);
		put16(l4 + at, protocol == 17 && sum == 0 ? 0xffff : sum);
	}
	return f;
}

static void see_l4(const uint8_t *l3, const uint8_t *l4, size_t bytes, struct frame_seen *o)
{
	size_t at = checksum_at(o->protocol);
	if (bytes >= 4 && at) {
		o->sport = get16(l4);
		o->dport = get16(l4 + 2);
	}
	if (o->protocol == 6 && bytes >= 20)
		o->tcp_flags = l4[13];
	if (o->protocol == 1 || o->protocol == 58) {
		if (bytes >= 8) {
			o->icmp_type = l4[0];
			o->icmp_code = l4[1];
			o->icmp_word = (uint32_t)get16(l4 + 4) << 16 | get16(l4 + 6);
		}
	}
	uint32_t pseudo = o->protocol == 1 ? 0 : pseudo_sum(l3, o->v6, o->protocol, bytes);
	o->l4_checksum_good = frame_checksum(l4, bytes, pseudo) == 0;
}

static size_t skip_extensions(const uint8_t *l3, size_t bytes, struct frame_seen *o)
{
	size_t at = 40;
	o->protocol = l3[6];
	while ((o->protocol == 0 || o->protocol == 43 || o->protocol == 60 || o->protocol == 44) &&
	       at + 8 <= bytes) {
		if (o->protocol == 44)
			o->fragment = get16(l3 + at + 2);
		size_t step = o->protocol == 44 ? 8 : (l3[at + 1] + 1) * 8;
		o->protocol = l3[at];
		at += step;
	}
	return at;
}

bool frame_see(const uint8_t *frame, size_t bytes, struct frame_seen *o)
{
	memset(o, 0, sizeof(*o));
	if (bytes < 14)
		return false;
	o->dst_mac = get48(frame);
	o->src_mac = get48(frame + 6);
	o->l3_at = 14;
	uint16_t type = get16(frame + 12);
	if (type == 0x8100 && bytes >= 18) {
		o->vlan = get16(frame + 14) & 0xfff;
		type = get16(frame + 16);
		o->l3_at = 18;
	}
	const uint8_t *l3 = frame + o->l3_at;
	size_t room = bytes - o->l3_at, header;
	o->v6 = type == 0x86dd;
	if ((type != 0x0800 && !o->v6) || room < (o->v6 ? 40 : 20))
		return false;
	inet_ntop(o->v6 ? AF_INET6 : AF_INET, l3 + (o->v6 ? 8 : 12), o->src, sizeof(o->src));
	inet_ntop(o->v6 ? AF_INET6 : AF_INET, l3 + (o->v6 ? 24 : 16), o->dst, sizeof(o->dst));
	if (o->v6) {
		o->l3_bytes = 40 + get16(l3 + 4);
		o->ttl = l3[7];
		o->ip_checksum_good = true;
		if (o->l3_bytes > room)
			return false;
		header = skip_extensions(l3, o->l3_bytes, o);
	} else {
		header = (l3[0] & 0xf) * 4;
		o->l3_bytes = get16(l3 + 2);
		o->ttl = l3[8];
		o->protocol = l3[9];
		o->fragment = get16(l3 + 6) & 0x3fff;
		if (o->l3_bytes > room || header > o->l3_bytes)
			return false;
		o->ip_checksum_good = frame_checksum(l3, header, 0) == 0;
	}
	o->l4_at = o->l3_at + header;
	if (header > o->l3_bytes)
		return false;
	see_l4(l3, l3 + header, o->l3_bytes - header, o);
	return true;
}
