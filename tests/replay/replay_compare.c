// SPDX-License-Identifier: BSD-3-Clause

// Byte for byte; what is free stands in a table.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

// ---- deliberate differences from the kernel ----

// Here and nowhere else: which packets it is about (not which recordings: new ones are judged by
// the same table), and a check of what is to come instead.
static const struct difference DIFFERENCES[] = {
	{},
};

const struct difference *difference_for(const char *file, const struct step *s)
{
	for (const struct difference *d = DIFFERENCES; d->right; d++)
		if (d->applies(file, s))
			return d;
	return NULL;
}

// ---- free fields ----

struct pair {
	const uint8_t *expected;
	uint8_t *got;
	size_t bytes;             // of the shorter
	const struct gram *whole; // the expected one
	const struct context *c;
};

static bool same_v4(const struct pair *p)
{
	return p->bytes >= 20 && p->expected[0] == p->got[0] && p->got[0] >> 4 == 4 &&
	       (size_t)(p->got[0] & 15) * 4 <= p->bytes && (p->got[0] & 15) >= 5;
}

static bool same_v6(const struct pair *p)
{
	return p->bytes >= 40 && p->expected[0] >> 4 == 6 && p->got[0] >> 4 == 6;
}

static bool is_gue(const struct pair *p, const struct headers *h)
{
	if (h->protocol != IPPROTO_UDP || h->total - h->l3_bytes < 8)
		return false;
	for (unsigned i = 0; i < p->c->n_gue_ports; i++)
		if (get16(p->expected + h->l3_bytes + 2) == p->c->gue_ports[i])
			return true;
	return false;
}

static bool is_outer(const struct pair *p)
{
	struct headers h;
	return headers_read(p->expected, p->bytes, &h) &&
	       (h.protocol == IPPROTO_IPIP || h.protocol == IPPROTO_IPV6 ||
	           h.protocol == IPPROTO_GRE || is_gue(p, &h));
}

// Not the packet that was sent, changed: one that the director or a host made, or put around it.
static bool is_made(const struct pair *p)
{
	const struct gram *s = p->c->step->sent;
	bool v6 = p->expected[0] >> 4 == 6;
	size_t at = v6 ? 8 : 12, n = v6 ? 16 : 4;
	return is_outer(p) || s->bytes < at + n || s->data[0] >> 4 != p->expected[0] >> 4 ||
	       memcmp(s->data + at, p->expected + at, n) != 0;
}

// Whoever makes a packet chooses its id; one that is passed on keeps the id it came with.
static void free_id(struct pair *p)
{
	const struct gram *s = p->c->step->sent;
	uint16_t id = same_v4(p) ? get16(p->expected + 4) : 0;
	bool passed_on = s->bytes >= 20 && s->data[0] >> 4 == 4 && get16(s->data + 4) == id;
	if (!id || !is_made(p) || (passed_on && !is_outer(p)) || !ipv4_checksum_good(p->got))
		return;
	memcpy(p->got + 4, p->expected + 4, 2);
	ipv4_checksum_set(p->got);
}

static void free_flow_label(struct pair *p)
{
	uint32_t label = same_v6(p) ? get32(p->expected) & 0xfffff : 0;
	// IPVS leaves that of an outer header 0.
	if (label && is_made(p) && !is_outer(p))
		put32(p->got, (get32(p->got) & 0xfff00000) | label);
}

// A checksum that is there stays one, and has to be right for the port that was chosen.
static void free_gue_port(struct pair *p)
{
	struct headers h, g;
	if (p->whole->reassembled && p->whole->filler)
		return;
	if (!headers_read(p->expected, p->bytes, &h) || !headers_read(p->got, p->bytes, &g) ||
	    h.l3_bytes != g.l3_bytes || !is_gue(p, &h))
		return;
	uint8_t *udp = p->got + g.l3_bytes;
	if (get16(udp + 6) && l4_checksum(p->got, &g) != 0)
		return;
	memcpy(udp, p->expected + h.l3_bytes, 2);
	if (get16(udp + 6)) {
		put16(udp + 6, 0);
		put16(udp + 6, l4_checksum(p->got, &g) ?: 0xffff);
	}
}

// Of a datagram that was put together: whether its pieces were marked "don't fragment".
static void free_df_of_pieces(struct pair *p)
{
	if (!p->whole->reassembled || !same_v4(p) || !ipv4_checksum_good(p->got))
		return;
	memcpy(p->got + 6, p->expected + 6, 2);
	ipv4_checksum_set(p->got);
}

static const struct free_field {
	const char *modes, *field;
	void (*take)(struct pair *p);
} FREE_FIELDS[] = {
	{ "TUN, ICMP and answers made by the director",
	    "IPv4 id (where the kernel chose one: not 0), and the header checksum with it",
	    free_id },
	{ "ICMP and answers made by the director", "IPv6 flow label, where the kernel chose one",
	    free_flow_label },
	{ "TUN gue", "UDP source port, and the UDP checksum with it (which must be right)",
	    free_gue_port },
	{ "fragments",
	    "all are compared as the datagram that the receiver puts together; its "
	    "\"don't fragment\" bit is free",
	    free_df_of_pieces },
};

void print_free_fields(void)
{
	puts("free fields:");
	for (unsigned i = 0; i < sizeof(FREE_FIELDS) / sizeof(FREE_FIELDS[0]); i++)
		printf("  %s: %s\n", FREE_FIELDS[i].modes, FREE_FIELDS[i].field);
	puts("deliberate differences:");
	for (const struct difference *d = DIFFERENCES; d->right; d++)
		printf("  %s\n", d->reason);
	if (!DIFFERENCES[0].right)
		puts("  none");
}

// ---- equality ----

static const char *differ_at(const struct gram *e, const struct gram *g, size_t bytes)
{
	static char text[80];
	for (size_t i = 0; i < bytes; i++)
		if (e->data[i] != g->data[i]) {
			snprintf(text, sizeof(text), "byte %zu is %02x, not %02x", i, g->data[i],
			    e->data[i]);
			return text;
		}
	return NULL;
}

const char *gram_differs(const struct gram *expected, struct gram *got, const struct context *c)
{
	static char lengths[80];
	if (expected->bytes != got->bytes) {
		snprintf(
		    lengths, sizeof(lengths), "%zu bytes, not %zu", got->bytes, expected->bytes);
		return lengths;
	}
	struct pair p = { expected->data, got->data, got->bytes, expected, c };
	for (unsigned i = 0; i < sizeof(FREE_FIELDS) / sizeof(FREE_FIELDS[0]); i++)
		FREE_FIELDS[i].take(&p);
	size_t bytes = got->bytes;
	struct headers h;
	if (expected->filler && headers_read(expected->data, expected->bytes, &h))
		bytes = h.v6 ? 40 : 20;
	return differ_at(expected, got, bytes);
}
