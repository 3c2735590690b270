// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv6 extension headers (RFC 8200).

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define IPV6_HEADERS_MAX 8

enum { IPV6_CUT_SHORT = -1, IPV6_TOO_MANY = -2 };

// Of a packet with `room` bytes at `l3` (the fixed header among them): where what comes after the
// extension headers begins, and its protocol; or one of the above. At a fragment, which is not the
// whole packet (offset or "more"; RFC 6946), it ends: *fragment is its header, else NULL.
static inline int ipv6_skip_headers(
    const uint8_t *l3, uint32_t room, uint8_t *protocol, const uint8_t **fragment)
{
	uint32_t at = 40;
	*fragment = 0;
	*protocol = l3[6];
	for (unsigned i = 0; i < IPV6_HEADERS_MAX; i++) {
		const uint8_t *h = l3 + at;
		uint32_t bytes = 8;
		switch (*protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (at + 8 > room)
				return IPV6_CUT_SHORT;
			bytes = (h[1] + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if (at + 8 > room)
				return IPV6_CUT_SHORT;
			if (h[2] || h[3] & 0xf9)
				*fragment = h;
			break;
		default:
			return at;
		}
		*protocol = h[0];
		at += bytes;
		if (at > room)
			return IPV6_CUT_SHORT;
		if (*fragment)
			return at;
	}
	return IPV6_TOO_MANY;
}
