// SPDX-License-Identifier: BSD-3-Clause

// A receiver's reassembly. As in Linux, a piece that lies within another is ignored, and any other
// overlap ends the datagram: the pieces that were there are dropped, later ones begin anew.

#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct key {
	bool v6;
	uint8_t src[16], dst[16], protocol;
	uint32_t id;
};

struct datagram {
	TAILQ_ENTRY(datagram) entry;
	struct key key;
	struct grams got; // by offset
};

struct pieces {
	TAILQ_HEAD(, datagram) datagrams;
};

struct pieces *pieces_new(void)
{
	struct pieces *ps = calloc(1, sizeof(*ps));
	if (!ps)
		abort();
	TAILQ_INIT(&ps->datagrams);
	return ps;
}

static void forget(struct pieces *ps, struct datagram *d)
{
	TAILQ_REMOVE(&ps->datagrams, d, entry);
	grams_free(&d->got);
	free(d);
}

void pieces_free(struct pieces *ps)
{
	struct datagram *d;
	while ((d = TAILQ_FIRST(&ps->datagrams)))
		forget(ps, d);
	free(ps);
}

static struct key key_of(const uint8_t *data, const struct headers *h)
{
	struct key k;
	memset(&k, 0, sizeof(k));
	k.v6 = h->v6;
	memcpy(k.src, h->src, h->v6 ? 16 : 4);
	memcpy(k.dst, h->dst, h->v6 ? 16 : 4);
	if (h->v6) { // the protocol is the first piece's
		k.id = get32(data + h->fragment_header + 4);
	} else {
		k.id = get16(data + 4);
		k.protocol = h->protocol;
	}
	return k;
}

static struct datagram *datagram_for(struct pieces *ps, const struct key *k)
{
	struct datagram *d;
	TAILQ_FOREACH(d, &ps->datagrams, entry)
		if (!memcmp(&d->key, k, sizeof(*k)))
			return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		abort();
	d->key = *k;
	TAILQ_INIT(&d->got);
	TAILQ_INSERT_TAIL(&ps->datagrams, d, entry);
	return d;
}

struct span {
	uint32_t from, to;
	bool more;
};

static struct span span_of(const struct gram *p)
{
	struct headers h;
	headers_read(p->data, p->bytes, &h);
	return (struct span){ h.offset, h.offset + h.total - h.l3_bytes, h.more };
}

enum place { PLACED, KNOWN, SPOILT };

static enum place put_in_place(struct datagram *d, struct gram *p)
{
	struct span s = span_of(p);
	struct gram *at;
	TAILQ_FOREACH(at, &d->got, entry) {
		struct span other = span_of(at);
		if (s.from >= other.from && s.to <= other.to)
			return KNOWN;
		if (s.from < other.to && other.from < s.to)
			return SPOILT;
	}
	TAILQ_FOREACH(at, &d->got, entry) {
		if (span_of(at).from > s.from) {
			TAILQ_INSERT_BEFORE(at, p, entry);
			return PLACED;
		}
	}
	TAILQ_INSERT_TAIL(&d->got, p, entry);
	return PLACED;
}

static bool complete(const struct datagram *d)
{
	uint32_t to = 0;
	bool more = true;
	const struct gram *p;
	TAILQ_FOREACH(p, &d->got, entry) {
		struct span s = span_of(p);
		if (s.from != to)
			return false;
		to = s.to;
		more = s.more;
	}
	return !more;
}

// The first piece's headers without what made it a piece, before `length` bytes.
static struct gram *whole(const struct gram *first, const struct headers *h, size_t length)
{
	size_t fragment = h->fragment_header ? 8 : 0, l3 = h->l3_bytes - fragment;
	struct gram *p = gram_new(NULL, l3 + length);
	memcpy(p->data, first->data, l3);
	p->host = first->host;
	p->line = first->line;
	if (!h->v6) {
		put16(p->data + 2, l3 + length);
		put16(p->data + 6, get16(p->data + 6) & 0x4000);
		ipv4_checksum_set(p->data);
		return p;
	}
	put16(p->data + 4, l3 + length - 40);
	// The header before the fragment header names what follows: its first byte, or byte 6.
	size_t at = 40, next = 6;
	while (at < h->fragment_header) {
		next = at;
		at += (p->data[at + 1] + 1) * 8;
	}
	p->data[next] = first->data[h->fragment_header];
	return p;
}

static struct gram *join(struct datagram *d)
{
	struct gram *first = TAILQ_FIRST(&d->got), *p;
	struct headers h;
	headers_read(first->data, first->bytes, &h);
	struct gram *all = whole(first, &h, span_of(TAILQ_LAST(&d->got, grams)).to);
	size_t l3 = h.l3_bytes - (h.fragment_header ? 8 : 0);
	TAILQ_FOREACH(p, &d->got, entry) {
		struct span s = span_of(p);
		headers_read(p->data, p->bytes, &h);
		memcpy(all->data + l3 + s.from, p->data + h.l3_bytes, s.to - s.from);
		all->filler |= p->filler;
	}
	all->reassembled = true;
	return all;
}

struct gram *pieces_add(struct pieces *ps, struct gram *p)
{
	struct headers h;
	if (!headers_read(p->data, p->bytes, &h) || (!h.fragment && !h.fragment_header))
		return p;
	if (!h.fragment) { // atomic
		struct gram *all = whole(p, &h, h.total - h.l3_bytes);
		memcpy(all->data + h.l3_bytes - 8, p->data + h.l3_bytes, h.total - h.l3_bytes);
		all->filler = p->filler;
		gram_free(p);
		return all;
	}
	struct key k = key_of(p->data, &h);
	struct datagram *d = datagram_for(ps, &k);
	enum place place = put_in_place(d, p);
	if (place != PLACED)
		gram_free(p);
	if (place == SPOILT)
		forget(ps, d);
	if (place != PLACED)
		return NULL;
	if (!complete(d))
		return NULL;
	struct gram *all = join(d);
	forget(ps, d);
	return all;
}
