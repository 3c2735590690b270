// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IP addresses as people write them: parsing and printing of addresses, prefixes and
// endpoints. Pure functions, no state, any thread.

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest text any function below writes: "[v6 address]:65535" and a NUL.
#define ADDR_TEXT_MAX 64

struct ip_addr {
	int family; // AF_INET, AF_INET6, or AF_UNSPEC (0) when unset
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16]; // network order; of IPv4 the first four, the rest zero
	};
};

struct ip_prefix {
	struct ip_addr addr; // host bits are kept: "192.0.2.2/24" is an interface address
	uint8_t len;
};

struct ip_endpoint {
	struct ip_addr addr;
	uint16_t port; // host order, 0 when absent
};

// All parsers: 0, or -EINVAL and *out untouched.
int ip_addr_parse(const char *text, struct ip_addr *out);
int ip_prefix_parse(const char *text, struct ip_prefix *out); // without "/len": a host
// "192.0.2.1:80", "192.0.2.1", "[2001:db8::1]:80", "[2001:db8::1]", "2001:db8::1".
int ip_endpoint_parse(const char *text, struct ip_endpoint *out);

// All printers write at most ADDR_TEXT_MAX bytes and return their buffer.
const char *ip_addr_print(const struct ip_addr *a, char buf[static ADDR_TEXT_MAX]);
const char *ip_prefix_print(const struct ip_prefix *p, char buf[static ADDR_TEXT_MAX]);
// "192.0.2.1:80", "[2001:db8::1]:80".
const char *ip_endpoint_print(
    const struct ip_addr *a, uint16_t port, char buf[static ADDR_TEXT_MAX]);

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b);
int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b); // IPv4 first, then bytes
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_addr_is_unicast(const struct ip_addr *a); // not 0.0.0.0/::, multicast, broadcast
bool ip_addr_is_loopback(const struct ip_addr *a);
