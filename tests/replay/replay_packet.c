// SPDX-License-Identifier: BSD-3-Clause

#include <stdlib.h>
#include <string.h>

#include "replay.h"

struct gram *gram_new(const void *data, size_t bytes)
{
	struct gram *p = calloc(1, sizeof(*p) + bytes);
	if (!p)
		abort();
	p->bytes = bytes;
	if (data)
		memcpy(p->data, data, bytes);
	return p;
}

void gram_free(struct gram *p)
{
	if (p)
		free(p->text);
	free(p);
}

void grams_free(struct grams *list)
{
	struct gram *p;
	while ((p = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, p, entry);
		gram_free(p);
	}
}

uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

uint16_t sum_of(const void *data, size_t bytes, uint32_t start)
{
	const uint8_t *b = data;
	uint64_t sum = start;
	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += get16(b + i);
	if (bytes % 2)
		sum += (uint32_t)b[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

void ipv4_checksum_set(uint8_t *packet)
{
	put16(packet + 10, 0);
	put16(packet + 10, ~sum_of(packet, (packet[0] & 15) * 4, 0));
}

bool ipv4_checksum_good(const uint8_t *packet)
{
	return sum_of(packet, (packet[0] & 15) * 4, 0) == 0xffff;
}

static bool read_v4(const uint8_t *data, size_t bytes, struct headers *h)
{
	h->l3_bytes = (data[0] & 15) * 4;
	if (bytes < 20 || h->l3_bytes < 20 || h->l3_bytes > bytes)
		return false;
	h->total = get16(data + 2) < bytes ? get16(data + 2) : bytes;
	h->protocol = data[9];
	h->src = data + 12;
	h->dst = data + 16;
	h->offset = (get16(data + 6) & 0x1fff) * 8;
	h->more = get16(data + 6) & 0x2000;
	h->fragment = h->offset || h->more;
	return h->total >= h->l3_bytes;
}

static bool read_v6(const uint8_t *data, size_t bytes, struct headers *h)
{
	if (bytes < 40)
		return false;
	h->v6 = true;
	h->total = 40u + get16(data + 4) < bytes ? 40u + get16(data + 4) : bytes;
	h->src = data + 8;
	h->dst = data + 24;
	h->protocol = data[6];
	h->l3_bytes = 40;
	while (h->protocol == IPPROTO_HOPOPTS || h->protocol == IPPROTO_ROUTING ||
	       h->protocol == IPPROTO_DSTOPTS || h->protocol == IPPROTO_FRAGMENT) {
		const uint8_t *at = data + h->l3_bytes;
		if (h->l3_bytes + 8 > h->total)
			return false;
		bool fragment = h->protocol == IPPROTO_FRAGMENT;
		h->protocol = at[0];
		if (!fragment) {
			h->l3_bytes += (at[1] + 1) * 8;
			continue;
		}
		h->fragment_header = h->l3_bytes;
		h->l3_bytes += 8;
		h->offset = get16(at + 2) & 0xfff8;
		h->more = at[3] & 1;
		h->fragment = h->offset || h->more;
		break;
	}
	return h->l3_bytes <= h->total;
}

bool headers_read(const uint8_t *data, size_t bytes, struct headers *out)
{
	*out = (struct headers){};
	if (bytes == 0)
		return false;
	if (data[0] >> 4 == 4)
		return read_v4(data, bytes, out);
	return data[0] >> 4 == 6 && read_v6(data, bytes, out);
}

uint16_t l4_checksum(const uint8_t *packet, const struct headers *h)
{
	size_t bytes = h->total - h->l3_bytes;
	uint32_t sum = h->protocol + bytes;
	sum += sum_of(h->src, h->v6 ? 16 : 4, 0);
	sum += sum_of(h->dst, h->v6 ? 16 : 4, 0);
	if (h->protocol == IPPROTO_ICMP) // has no pseudo-header
		sum = 0;
	return ~sum_of(packet + h->l3_bytes, bytes, sum);
}
