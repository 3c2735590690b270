// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Internet checksums (RFC 1071, RFC 1624), on words as they stand in memory.

#include <stdint.h>

#include "conn_table.h"

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The folded, not complemented sum of an IPv4 header of `words` 32-bit words, five at least: 0xffff
// when its checksum is right.
static inline uint16_t ipv4_header_sum(const uint8_t *header, unsigned words)
{
	uint64_t sum = (uint64_t)load32(header) + load32(header + 4) + load32(header + 8) +
	               load32(header + 12) + load32(header + 16);
	for (unsigned i = 5; __builtin_expect(i < words, 0); i++) // options
		sum += load32(header + 4 * i);
	return checksum_fold(sum);
}

// The sum of `bytes`, a multiple of four, to be folded.
static inline uint64_t checksum_words(const void *at, unsigned bytes)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < bytes; i += 4)
		sum += load32((const uint8_t *)at + i);
	return sum;
}

// A checksum field after the words that sum up to `was` became those of `is` (RFC 1624, equation
// 3).
static inline void checksum_adjust(uint8_t *field, uint64_t was, uint64_t is)
{
	uint16_t sum;
	__builtin_memcpy(&sum, field, 2);
	sum = ~checksum_fold((uint16_t)~sum + (uint64_t)(uint16_t)~checksum_fold(was) + is);
	__builtin_memcpy(field, &sum, 2);
}

// The header checksum after the TTL, the upper byte of its word, went down by one (RFC 1624): the
// complement goes up by 0x0100 in network order, with the carry brought round.
static inline uint16_t checksum_ttl_decremented(uint16_t be_checksum)
{
	uint32_t sum = be_checksum + (uint32_t)__builtin_bswap16(0x0100);
	return sum + (sum >= 0xffff);
}
