// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Frames as they stand on the wire, for tests: made with right checksums, read and checked by code
// that shares nothing with the data plane's.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 9700

struct frame {
	size_t bytes;
	uint8_t data[FRAME_MAX];
};

// What is 0 gets a sensible value.
struct frame_spec {
	const char *src, *dst; // addresses as text, both of one family
	uint16_t sport, dport;
	uint8_t protocol;  // 6 (default), 17, or any other without a header of its own
	uint8_t tcp_flags; // TCP: default ACK
	uint16_t payload;  // bytes
	uint8_t ttl;       // default 64
	uint16_t vlan;     // 0: no tag
	uint64_t dst_mac;  // default: lab0, 02:00:00:00:00:01
	uint64_t src_mac;  // default: 02:00:00:00:00:c1
	bool dont_fragment;
	uint16_t fragment;        // IPv4: offset and flags as in the header, host order
	uint8_t options;          // IPv4: words of no-operation options
	const uint8_t *extension; // IPv6: headers after the fixed one, `extension_bytes` of them
	size_t extension_bytes;
	uint8_t extension_first; // protocol number of the first of them
	bool partial_checksum;   // only the pseudo-header's sum, as veth hands it on
};

struct frame frame_make(const struct frame_spec *s);

// What a receiver sees in a frame.
struct frame_seen {
	uint64_t dst_mac, src_mac;
	uint16_t vlan; // 0: none
	bool v6;
	char src[46], dst[46];
	uint8_t protocol, ttl, tcp_flags;
	uint16_t sport, dport;
	uint16_t fragment;
	size_t l3_at, l4_at, l3_bytes;
	bool ip_checksum_good, l4_checksum_good;
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_word;
};
// False: not IP, or it ends too early.
bool frame_see(const uint8_t *frame, size_t bytes, struct frame_seen *out);

// What a receiver finds in a tunnel's packet: IP in IP (4 and 41), GRE (47), or GUE in any UDP
// (17).
struct frame_wrapped {
	struct frame_seen outer;
	uint8_t kind; // the protocol of the outer IP header; 4 and 41 are IP in IP
	uint8_t tos;
	bool dont_fragment;
	uint16_t id;         // IPv4
	uint32_t flow_label; // IPv6
	bool checksum, checksum_good;
	struct frame inner; // with the outer one's MAC addresses
};
// False: nothing of the kind, or with a header that a plain receiver would not take.
bool frame_unwrap(const uint8_t *frame, size_t bytes, struct frame_wrapped *out);
// Puts the pieces of one packet together, in any order, as one frame. False: they do not make one.
bool frame_reassemble(const struct frame *pieces, size_t n, struct frame *out);

uint16_t frame_checksum(const void *data, size_t bytes, uint32_t sum);
