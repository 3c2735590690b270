// SPDX-License-Identifier: BSD-3-Clause

// Packets of which a recording has no bytes, from their descriptions. The recorder's own packets
// are simple: sequence and acknowledgement stand in the text, the window is 64240, checksums are
// good. What the text does not say (a payload) becomes filler.

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define WINDOW    64240
#define TCP_BYTES 20

struct described {
	bool v6;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	bool ports;
	uint8_t protocol;
	char rest[2048];  // behind the destination
	const char *tail; // behind what is nested: the network header's fields
};

// "[v6]:port", "v4:port" or an address alone.
static bool read_end(char *text, struct described *d, uint8_t *address, int *port)
{
	struct ip_addr a;
	char *colon = strrchr(text, ':');
	*port = -1;
	if (*text == '[' && colon && colon[-1] == ']') {
		colon[-1] = '\0';
		text++;
		*port = atoi(colon + 1);
	} else if (colon && colon == strchr(text, ':')) {
		*colon = '\0';
		*port = atoi(colon + 1);
	}
	if (ip_addr_parse(text, &a) < 0)
		return false;
	d->v6 = a.family == AF_INET6;
	memcpy(address, a.bytes, 16);
	return true;
}

static bool read_ends(const char *text, struct described *d)
{
	char from[80], to[80];
	int used = 0, sport, dport;
	if (sscanf(text, "%79s > %79s %n", from, to, &used) < 2 || !used ||
	    !read_end(from, d, d->src, &sport) || !read_end(to, d, d->dst, &dport))
		return false;
	d->ports = sport >= 0 && dport >= 0;
	d->sport = sport;
	d->dport = dport;
	snprintf(d->rest, sizeof(d->rest), "%s", text + used);
	d->tail = strrchr(d->rest, '}');
	d->tail = d->tail ? d->tail + 1 : d->rest;
	return true;
}

static long number(const char *text, const char *key, int base, long otherwise)
{
	const char *at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, base) : otherwise;
}

static bool protocol_of(struct described *d)
{
	if (!strncmp(d->rest, "tcp ", 4))
		d->protocol = IPPROTO_TCP;
	else if (!strncmp(d->rest, "udp ", 4))
		d->protocol = IPPROTO_UDP;
	else if (!strncmp(d->rest, "IPIP/", 5))
		d->protocol = atoi(d->rest + 5);
	else if (!strncmp(d->rest, "proto=", 6))
		d->protocol = atoi(d->rest + 6);
	else if (!strncmp(d->rest, "GRE ", 4))
		d->protocol = IPPROTO_GRE;
	else
		return false;
	return true;
}

static void fill_l4(struct described *d, uint8_t *l4, size_t bytes, uint16_t offset)
{
	static const char flags[] = "FSRPAUEC";
	memset(l4, 'B', bytes);
	if (offset || bytes < 8)
		return;
	put16(l4, d->sport);
	put16(l4 + 2, d->dport);
	if (d->protocol == IPPROTO_UDP) {
		// A piece of IPv6 has no length in its text, and IPVS asks for none.
		put16(l4 + 4, d->ports ? (size_t)number(d->rest, " len=", 10, 0) + 8 : bytes);
		put16(l4 + 6, 0x1234);
	}
	if (d->protocol != IPPROTO_TCP || bytes < TCP_BYTES)
		return;
	put32(l4 + 4, number(d->rest, "seq=", 10, 1000));
	put32(l4 + 8, number(d->rest, "ack=", 10, 0));
	l4[12] = TCP_BYTES / 4 << 4;
	l4[13] = d->ports ? 0 : 2; // of a piece nothing is known: it opens a connection
	const char *f = strchr(d->rest, '[');
	for (f = d->ports && f ? f + 1 : ""; *f && *f != ']'; f++)
		if (strchr(flags, *f))
			l4[13] |= 1 << (strchr(flags, *f) - flags);
	put16(l4 + 14, WINDOW);
	put16(l4 + 16, 0x1234);
	put16(l4 + 18, 0);
}

// A checksum that the text calls bad differs by one bit.
static void checksum_l4(struct gram *p, bool bad)
{
	struct headers h;
	if (!headers_read(p->data, p->bytes, &h) || h.fragment)
		return;
	size_t at = h.l3_bytes + (h.protocol == IPPROTO_TCP ? 16 : 6);
	if (h.protocol == IPPROTO_TCP || h.protocol == IPPROTO_UDP) {
		put16(p->data + at, 0);
		uint16_t sum = l4_checksum(p->data, &h);
		put16(p->data + at, (sum || h.protocol == IPPROTO_TCP ? sum : 0xffff) ^ bad);
	}
}

static struct gram *build_v4(struct described *d)
{
	long total = number(d->tail, " tot=", 10, 0);
	if (total < 20 || total > 65535)
		return NULL;
	struct gram *p = gram_new(NULL, total);
	uint8_t *ip = p->data;
	uint16_t offset = number(d->tail, "frag(off=", 10, 0);
	ip[0] = 0x45;
	ip[1] = number(d->tail, " tos=", 16, 0);
	put16(ip + 2, total);
	put16(ip + 4, number(d->tail, " id=", 16, 0));
	put16(ip + 6, offset / 8 | (strstr(d->tail, " DF") ? 0x4000 : 0) |
	                  (strstr(d->tail, ",MF)") ? 0x2000 : 0));
	ip[8] = number(d->tail, " ttl=", 10, 64);
	ip[9] = d->protocol;
	memcpy(ip + 12, d->src, 4);
	memcpy(ip + 16, d->dst, 4);
	fill_l4(d, ip + 20, total - 20, offset);
	ipv4_checksum_set(ip);
	return p;
}

static struct gram *build_v6(struct described *d)
{
	long length = number(d->tail, " plen=", 10, -1);
	bool fragment = strstr(d->rest, "v6frag(") != NULL;
	size_t header = fragment ? 8 : 0;
	if (length < (long)header || length > 65535)
		return NULL;
	struct gram *p = gram_new(NULL, 40 + length);
	uint8_t *ip = p->data;
	uint16_t offset = number(d->rest, "frag(off=", 10, 0);
	put32(ip, 6u << 28 | (uint32_t)number(d->tail, " tc=", 16, 0) << 20);
	put16(ip + 4, length);
	ip[6] = fragment ? IPPROTO_FRAGMENT : d->protocol;
	ip[7] = number(d->tail, " hlim=", 10, 64);
	memcpy(ip + 8, d->src, 16);
	memcpy(ip + 24, d->dst, 16);
	if (fragment) {
		ip[40] = d->protocol;
		put16(ip + 42, offset | (strstr(d->rest, ",MF)") ? 1 : 0));
		put32(ip + 44, number(d->rest, "fid=", 16, 0));
	}
	fill_l4(d, ip + 40 + header, length - header, offset);
	return p;
}

struct gram *gram_from_text(const char *text, uint16_t port)
{
	static uint16_t made_up = 40000;
	struct described d = {};
	if (!read_ends(text, &d) || !protocol_of(&d))
		return NULL;
	if (!d.ports) {
		d.sport = made_up++;
		d.dport = port;
	}
	struct gram *p = d.v6 ? build_v6(&d) : build_v4(&d);
	if (!p)
		return NULL;
	checksum_l4(p, strstr(d.rest, "ck=BAD"));
	p->filler = !d.ports || number(d.rest, " len=", 10, 1) != 0 || strchr(d.rest, '{');
	return p;
}
