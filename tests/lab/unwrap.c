// SPDX-License-Identifier: BSD-3-Clause

// What a real server does with a tunnel's packet: reassembles and unwraps it.

#include <arpa/inet.h>
#include <string.h>

#include "frame.h"

static uint16_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void read_outer(const uint8_t *l3, struct frame_wrapped *o)
{
	o->kind = o->outer.protocol;
	if (o->outer.v6) {
		o->tos = get16(l3) >> 4;
		o->flow_label = (uint32_t)(l3[1] & 0xf) << 16 | get16(l3 + 2);
	} else {
		o->tos = l3[1];
		o->id = get16(l3 + 4);
		o->dont_fragment = l3[6] & 0x40;
	}
}

// The bytes of a GRE header, 0: not one. RFC 2784, with no field but the checksum.
static size_t read_gre(const uint8_t *gre, size_t room, struct frame_wrapped *o, uint16_t *type)
{
	if (room < 8 || (get16(gre) & 0x7fff) != 0)
		return 0;
	*type = get16(gre + 2);
	o->checksum = gre[0] & 0x80;
	if (!o->checksum)
		return 4;
	if (get16(gre + 6) != 0)
		return 0;
	o->checksum_good = frame_checksum(gre, room, 0) == 0;
	return 8;
}

// GUE version 0 (draft-ietf-intarea-gue): data, no optional field, no flag.
static size_t read_gue(const uint8_t *udp, size_t room, struct frame_wrapped *o, uint16_t *type)
{
	if (room < 12 || get16(udp + 4) != room || udp[8] != 0 || get16(udp + 10) != 0)
		return 0;
	*type = udp[9] == 4 ? 0x0800 : udp[9] == 41 ? 0x86dd : 0;
	o->checksum = get16(udp + 6) != 0;
	o->checksum_good = o->checksum && o->outer.l4_checksum_good;
	return 12;
}

bool frame_unwrap(const uint8_t *frame, size_t bytes, struct frame_wrapped *o)
{
	memset(o, 0, sizeof(*o));
	if (!frame_see(frame, bytes, &o->outer) || !o->outer.ip_checksum_good || o->outer.fragment)
		return false;
	read_outer(frame + o->outer.l3_at, o);
	size_t at = o->outer.l4_at, end = o->outer.l3_at + o->outer.l3_bytes, step = 0;
	uint16_t type = o->kind == 4 ? 0x0800 : o->kind == 41 ? 0x86dd : 0;
	if (o->kind == 47)
		step = read_gre(frame + at, end - at, o, &type);
	else if (o->kind == 17)
		step = read_gue(frame + at, end - at, o, &type);
	if (!type || (step == 0 && o->kind != 4 && o->kind != 41))
		return false;
	at += step;
	memcpy(o->inner.data, frame, 12);
	put16(o->inner.data + 12, type);
	memcpy(o->inner.data + 14, frame + at, end - at);
	o->inner.bytes = 14 + end - at;
	return frame[at] >> 4 == (type == 0x0800 ? 4 : 6);
}

struct piece {
	size_t at, bytes, header; // of its payload; of all headers before it
	bool more;
	uint32_t id;
	uint8_t protocol; // what it is a fragment of
};

static bool read_piece(const struct frame *f, struct piece *p)
{
	struct frame_seen s;
	if (!frame_see(f->data, f->bytes, &s) || !s.ip_checksum_good)
		return false;
	const uint8_t *l3 = f->data + s.l3_at;
	p->header = s.l3_at + (s.v6 ? 48 : 20);
	p->bytes = s.l3_at + s.l3_bytes - p->header;
	if (s.v6) {
		if (l3[6] != 44 || l3[41] != 0)
			return false;
		p->protocol = l3[40];
		p->at = get16(l3 + 42) & ~7u;
		p->more = l3[43] & 1;
		p->id = (uint32_t)get16(l3 + 44) << 16 | get16(l3 + 46);
	} else {
		if (l3[0] != 0x45 || l3[6] & 0x40)
			return false;
		p->protocol = l3[9];
		p->at = (get16(l3 + 6) & 0x1fff) * 8;
		p->more = l3[6] & 0x20;
		p->id = get16(l3 + 4);
	}
	return !p->more || p->bytes % 8 == 0;
}

static void whole_header(struct frame *f, const struct frame *like, bool v6, uint8_t protocol)
{
	uint8_t *l3 = f->data + 14;
	memcpy(f->data, like->data, v6 ? 54 : 34);
	if (v6) {
		l3[6] = protocol;
		put16(l3 + 4, f->bytes - 54);
	} else {
		put16(l3 + 2, f->bytes - 14);
		put16(l3 + 6, 0);
		put16(l3 + 10, 0);
		put16(l3 + 10, frame_checksum(l3, 20, 0));
	}
}

bool frame_reassemble(const struct frame *pieces, size_t n, struct frame *out)
{
	const bool v6 = get16(pieces[0].data + 12) == 0x86dd;
	const size_t payload = v6 ? 54 : 34; // no VLAN tag
	size_t sum = 0, end = 0;
	struct piece first = {}, p;
	for (size_t i = 0; i < n; i++) {
		if (!read_piece(&pieces[i], &p) || payload + p.at + p.bytes > FRAME_MAX)
			return false;
		if (i == 0)
			first = p;
		if (p.id != first.id || p.protocol != first.protocol)
			return false;
		memcpy(out->data + payload + p.at, pieces[i].data + p.header, p.bytes);
		sum += p.bytes;
		if (!p.more) {
			if (end)
				return false;
			end = p.at + p.bytes;
		}
	}
	out->bytes = payload + end;
	whole_header(out, &pieces[0], v6, first.protocol);
	return end && sum == end;
}
