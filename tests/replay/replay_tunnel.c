// SPDX-License-Identifier: BSD-3-Clause

// The kernel puts a datagram together before it goes into a tunnel; poise may send its pieces
// through one by one. Behind the tunnel that is the same datagram: pieces that come out of tunnel
// packets are put together here, and the tunnel's headers put around the whole.

#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define GRE_CHECKSUM 0x80

struct wrapping {
	struct headers outer;
	size_t inner_at;
};

static bool is_gue(const uint8_t *l4, size_t n, const uint16_t *ports, unsigned n_ports)
{
	for (unsigned i = 0; n >= 12 && i < n_ports; i++)
		if (get16(l4 + 2) == ports[i])
			return true;
	return false;
}

static bool find_inner(
    const struct gram *p, const uint16_t *ports, unsigned n_ports, struct wrapping *t)
{
	if (!headers_read(p->data, p->bytes, &t->outer))
		return false;
	const uint8_t *l4 = p->data + t->outer.l3_bytes;
	size_t n = t->outer.total - t->outer.l3_bytes;
	t->inner_at = t->outer.l3_bytes;
	switch (t->outer.protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		break;
	case IPPROTO_GRE:
		if (n < 8)
			return false;
		t->inner_at += l4[0] & GRE_CHECKSUM ? 8 : 4;
		break;
	case IPPROTO_UDP:
		if (!is_gue(l4, n, ports, n_ports))
			return false;
		t->inner_at += 8 + (l4[8] & 31) * 4 + 4;
		break;
	default:
		return false;
	}
	return t->inner_at < t->outer.total;
}

// Every piece's own checksum has to be right before it counts as one.
static bool checksum_good(const struct gram *p, const struct wrapping *t)
{
	const uint8_t *l4 = p->data + t->outer.l3_bytes;
	size_t n = t->outer.total - t->outer.l3_bytes;
	if (!t->outer.v6 && !ipv4_checksum_good(p->data))
		return false;
	if (t->outer.protocol == IPPROTO_GRE && l4[0] & GRE_CHECKSUM)
		return sum_of(l4, n, 0) == 0xffff;
	if (t->outer.protocol == IPPROTO_UDP && get16(l4 + 6))
		return get16(l4 + 4) == n && l4_checksum(p->data, &t->outer) == 0;
	return true;
}

static struct gram *wrap(
    const struct gram *piece, const struct wrapping *t, const struct gram *inner)
{
	struct gram *p = gram_new(NULL, t->inner_at + inner->bytes);
	memcpy(p->data, piece->data, t->inner_at);
	memcpy(p->data + t->inner_at, inner->data, inner->bytes);
	p->host = piece->host;
	p->reassembled = true;
	p->filler = inner->filler;
	size_t n = p->bytes - t->outer.l3_bytes;
	uint8_t *l4 = p->data + t->outer.l3_bytes;
	struct headers h;
	if (t->outer.v6) {
		put16(p->data + 4, p->bytes - 40);
	} else {
		put16(p->data + 2, p->bytes);
		ipv4_checksum_set(p->data);
	}
	headers_read(p->data, p->bytes, &h);
	if (h.protocol == IPPROTO_GRE && l4[0] & GRE_CHECKSUM) {
		put16(l4 + 4, 0);
		put16(l4 + 4, ~sum_of(l4, n, 0));
	} else if (h.protocol == IPPROTO_UDP) {
		put16(l4 + 4, n);
		bool summed = get16(l4 + 6);
		put16(l4 + 6, 0);
		if (summed)
			put16(l4 + 6, l4_checksum(p->data, &h) ?: 0xffff);
	}
	return p;
}

struct gram *tunnel_add(struct pieces *ps, struct gram *p, const uint16_t *ports, unsigned n_ports)
{
	struct wrapping t;
	struct headers inner;
	if (!find_inner(p, ports, n_ports, &t) ||
	    !headers_read(p->data + t.inner_at, t.outer.total - t.inner_at, &inner) ||
	    !inner.fragment || !checksum_good(p, &t))
		return p;
	struct gram *piece = gram_new(p->data + t.inner_at, t.outer.total - t.inner_at);
	piece = pieces_add(ps, piece);
	struct gram *all = piece ? wrap(p, &t, piece) : NULL;
	gram_free(piece);
	gram_free(p);
	return all;
}
