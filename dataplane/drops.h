// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Why packets are dropped: one list makes the counters, `poise drops`, the metrics and the
// documentation. A packet that poise takes in and neither sends nor punts is counted under
// exactly one of these.

#include <stddef.h>
#include <stdint.h>

#define DROP_REASONS(X) \
	X(short_frame, "shorter than an Ethernet header") \
	X(other_host, "unicast frame for another MAC address") \
	X(bad_ip_header, "IP version, header length or total length that cannot be") \
	X(bad_ip_checksum, "wrong IPv4 header checksum") \
	X(truncated, "the frame ends before the IP packet does (a sender with TSO on?)") \
	X(over_mtu, "longer than the port's MTU (GRO or TSO at work)") \
	X(short_l4, "no room for the TCP or UDP header") \
	X(too_many_headers, "more than 8 IPv6 extension headers") \
	X(fragment_overlap, "fragment that reaches into the TCP or UDP header") \
	X(fragment_full, "more fragments of a datagram than wait for its first") \
	X(fragment_timeout, "fragment whose datagram's first did not come in time") \
	X(bad_icmp_checksum, "ICMP error with a wrong checksum for a connection") \
	X(martian_source, "new connection from an address that cannot be a client") \
	X(no_server, "no real server can take the connection (answered with port unreachable)") \
	X(no_local_port, "FULLNAT: no local address and port free for the real server") \
	X(server_deleted, "connection of a deleted real server") \
	X(connections_full, "connections.max is reached") \
	X(no_route, "no route to the real server (answered with host unreachable)") \
	X(no_neighbour, "the next hop's MAC address is not known (yet)") \
	X(ttl_exceeded, "TTL or hop limit 1 (answered with time exceeded)") \
	X(packet_too_big, "longer than the next hop's MTU (answered with the MTU)") \
	X(no_source, "no address of the director's own for the outer header of a tunnel") \
	X(tunnel_mtu, "the MTU of a tunnel is less than 68 (over IPv4) or 1280 (over IPv6)") \
	X(no_headroom, "no room before the frame for the client's address") \
	X(fragment_failed, "too long, and could not be cut into fragments") \
	X(punt_limited, "for the kernel, over limits.punt_packets_per_s") \
	X(punt_full, "for the kernel, which did not keep up") \
	X(handover_full, "for another worker, which did not keep up") \
	X(tx_full, "refused by the sending port's queue") \
	X(tx_port_down, "the sending port is gone")

enum drop_reason {
#define X(name, help) DROP_##name,
	DROP_REASONS(X)
#undef X
	    DROP_REASON_COUNT
};

struct drop_reason_info {
	const char *name, *help;
};

// Indexed by enum drop_reason.
extern const struct drop_reason_info drop_reasons[DROP_REASON_COUNT];
