// SPDX-License-Identifier: BSD-3-Clause

// IPv4 options (RFC 791) of packets to a service. A router on the way of a packet with "record
// route" writes its address there; the director writes the one that the packet was for, as Linux
// does.

#include "checksum.h"
#include "stages.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_RECORD_ROUTE = 7 };

static void record_route(uint8_t *option, unsigned bytes, const uint8_t *address)
{
	unsigned at = option[2];
	if (bytes < 3 || at < 4 || at + 3 > bytes)
		return; // broken, or full
	memcpy(option + at - 1, address, 4);
	option[2] = at + 4;
}

void heed_ip_options(struct packet *p)
{
	uint8_t *l3 = packet_l3(p);
	const unsigned header = (l3[0] & 0xf) * 4;
	const uint64_t was = checksum_words(l3 + 20, header - 20);
	for (unsigned at = 20; at < header && l3[at] != OPTION_END;) {
		if (l3[at] == OPTION_NOP) {
			at++;
			continue;
		}
		unsigned bytes = at + 1 < header ? l3[at + 1] : 0;
		if (bytes < 2 || at + bytes > header)
			break;
		if (l3[at] == OPTION_RECORD_ROUTE)
			record_route(l3 + at, bytes, p->addresses + 4);
		at += bytes;
	}
	checksum_adjust(l3 + 10, was, checksum_words(l3 + 20, header - 20));
}
