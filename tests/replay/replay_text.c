// SPDX-License-Identifier: BSD-3-Clause

// The recorder's description of a packet, for those of which a recording has only that.

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define GUE_PORT 6080 // the recorder knows this one

static void describe(FILE *out, const uint8_t *data, size_t bytes, bool inner);

static void put_end(FILE *out, const struct headers *h, const uint8_t *address, int port)
{
	char text[INET6_ADDRSTRLEN];
	inet_ntop(h->v6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	if (port < 0)
		fputs(text, out);
	else
		fprintf(out, h->v6 ? "[%s]:%d" : "%s:%d", text, port);
}

static void put_ends(FILE *out, const struct headers *h, const uint8_t *l4)
{
	put_end(out, h, h->src, l4 ? get16(l4) : -1);
	fputs(" > ", out);
	put_end(out, h, h->dst, l4 ? get16(l4 + 2) : -1);
}

static void put_tcp(FILE *out, const struct headers *h, const uint8_t *data, const uint8_t *l4,
    size_t n, bool inner)
{
	put_ends(out, h, l4);
	if (n < 20) {
		fprintf(out, " tcp(seq=%u, truncated)", get32(l4 + 4));
		return;
	}
	fputs(" tcp [", out);
	for (unsigned i = 0; i < 8; i++)
		if (l4[13] >> i & 1)
			fputc("FSRPAUEC"[i], out);
	if (!l4[13])
		fputc('-', out);
	fprintf(out, "] seq=%u ack=%u len=%d", get32(l4 + 4), get32(l4 + 8),
	    (int)n - (l4[12] >> 4) * 4);
	if (!inner)
		fputs(l4_checksum(data, h) == 0 ? " ck=ok" : " ck=BAD", out);
}

static void put_udp(FILE *out, const struct headers *h, const uint8_t *data, const uint8_t *l4,
    size_t n, bool inner)
{
	uint16_t sum = l4_checksum(data, h);
	const char *verdict = !get16(l4 + 6)              ? " ck=0"
	                      : sum == 0 || sum == 0xffff ? " ck=ok"
	                                                  : " ck=BAD";
	put_ends(out, h, l4);
	if (get16(l4 + 2) == GUE_PORT && !inner && n >= 12) {
		size_t header = (l4[8] & 31) * 4 + 4;
		fputs(" GUE hdr=", out);
		for (size_t i = 0; i < header && 8 + i < n; i++)
			fprintf(out, "%02x", l4[8 + i]);
		fprintf(out, "%s { ", verdict);
		if (8 + header < n)
			describe(out, l4 + 8 + header, n - 8 - header, false);
		fputs(" }", out);
		return;
	}
	fprintf(out, " udp len=%d%s", get16(l4 + 4) - 8, inner ? "" : verdict);
}

static void put_icmp(
    FILE *out, const struct headers *h, const uint8_t *data, const uint8_t *l4, size_t n)
{
	put_ends(out, h, NULL);
	fprintf(out, " icmp%s type=%u code=%u rest=%08x len=%zu%s", h->v6 ? "6" : "", l4[0], l4[1],
	    get32(l4 + 4), n, l4_checksum(data, h) == 0 ? " ck=ok" : " ck=BAD");
	bool error = h->v6 ? l4[0] >= 1 && l4[0] <= 4
	                   : (l4[0] >= 3 && l4[0] <= 5) || l4[0] == 11 || l4[0] == 12;
	if (error) {
		fputs(" { ", out);
		describe(out, l4 + 8, n - 8, true);
		fputs(" }", out);
	}
}

static void put_l4(FILE *out, const struct headers *h, const uint8_t *data, bool inner)
{
	const uint8_t *l4 = data + h->l3_bytes;
	size_t n = h->total - h->l3_bytes;
	bool icmp = h->protocol == (h->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (h->protocol == IPPROTO_TCP && n >= 8) {
		put_tcp(out, h, data, l4, n, inner);
	} else if (h->protocol == IPPROTO_UDP && n >= 8) {
		put_udp(out, h, data, l4, n, inner);
	} else if (icmp && n >= 8) {
		put_icmp(out, h, data, l4, n);
	} else if (h->protocol == IPPROTO_IPIP || h->protocol == IPPROTO_IPV6) {
		put_ends(out, h, NULL);
		fprintf(out, " IPIP/%u { ", h->protocol);
		describe(out, l4, n, false);
		fputs(" }", out);
	} else if (h->protocol == IPPROTO_GRE && n >= 4) {
		size_t header = l4[0] & 0x80 ? 8 : 4;
		put_ends(out, h, NULL);
		fputs(" GRE hdr=", out);
		for (size_t i = 0; i < header && i < n; i++)
			fprintf(out, "%02x", l4[i]);
		fputs(" { ", out);
		describe(out, l4 + header, n > header ? n - header : 0, false);
		fputs(" }", out);
	} else {
		put_ends(out, h, NULL);
		fprintf(out, " proto=%u len=%zu", h->protocol, n);
	}
}

static void describe_v4(FILE *out, const struct headers *h, const uint8_t *data, bool inner)
{
	uint16_t word = get16(data + 6);
	if (h->offset) {
		put_ends(out, h, NULL);
		fprintf(out, " proto=%u FRAGMENT ttl=%u id=%04x tot=%u", h->protocol, data[8],
		    get16(data + 4), get16(data + 2));
	} else {
		put_l4(out, h, data, inner || h->more);
		fprintf(out, " ttl=%u tos=%02x id=%04x tot=%u", data[8], data[1], get16(data + 4),
		    get16(data + 2));
	}
	if (word & 0x4000)
		fputs(" DF", out);
	if (h->fragment)
		fprintf(out, " frag(off=%u%s)", h->offset, h->more ? ",MF" : "");
	if (!ipv4_checksum_good(data))
		fputs(" IPCK=BAD", out);
}

static void describe(FILE *out, const uint8_t *data, size_t bytes, bool inner)
{
	struct headers h;
	if (!headers_read(data, bytes, &h)) {
		fputs("not a packet", out);
	} else if (!h.v6) {
		describe_v4(out, &h, data, inner);
	} else if (h.fragment_header) {
		put_ends(out, &h, NULL);
		fprintf(out, " proto=%u v6frag(off=%u%s) fid=%08x hlim=%u plen=%u", h.protocol,
		    h.offset, h.more ? ",MF" : "", get32(data + h.fragment_header + 4), data[7],
		    get16(data + 4));
	} else {
		put_l4(out, &h, data, inner);
		fprintf(out, " hlim=%u tc=%02x plen=%u", data[7], get32(data) >> 20 & 0xff,
		    get16(data + 4));
	}
}

char *gram_to_text(const uint8_t *data, size_t bytes)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		abort();
	describe(out, data, bytes, false);
	fclose(out);
	return text;
}
