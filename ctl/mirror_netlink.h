// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// rtnetlink requests of the kernel mirror: each asks, waits for the kernel's answer (which it
// gives at once) and returns it. Used by mirror.c only.

#include <libmnl/libmnl.h>
#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/addr.h"

struct netlink { // the socket for requests
	struct mnl_socket *socket;
	unsigned sequence;
	bool no_managed; // the kernel does not know managed neighbours (before 5.16)
};

int netlink_open(struct netlink *n); // 0 or negative errno
void netlink_close(struct netlink *n);

struct netlink_route {
	bool local;
	unsigned ifindex;
	struct ip_addr via;    // family 0: on the link
	struct ip_addr source; // family 0: none given
	uint32_t mtu;          // 0: none given
};
// The route the kernel would take. 0, or -ENETUNREACH and the like.
int netlink_get_route(struct netlink *n, const struct ip_addr *to, struct netlink_route *out);

struct netlink_neighbour {
	unsigned ifindex;
	struct ip_addr address;
	uint16_t state; // NUD_*
	bool has_mac;
	uint8_t mac[ETHER_ADDR_LEN];
};
// What a RTM_NEWNEIGH or RTM_DELNEIGH message says. False: not about IP.
bool netlink_parse_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *out);
int netlink_get_neighbour(
    struct netlink *n, unsigned ifindex, const struct ip_addr *a, struct netlink_neighbour *out);
// Has the kernel resolve the address now, and keep it resolved.
int netlink_ask_neighbour(struct netlink *n, unsigned ifindex, const struct ip_addr *a);
int netlink_del_neighbour(struct netlink *n, unsigned ifindex, const struct ip_addr *a);

// -EEXIST when it is there already, -EADDRNOTAVAIL or -ESRCH when there is none to delete.
int netlink_address(struct netlink *n, bool add, unsigned ifindex, const struct ip_prefix *p);
int netlink_route(
    struct netlink *n, bool add, const struct ip_prefix *to, const struct ip_addr *via);

// What a RTM_NEWADDR or RTM_DELADDR message says.
bool netlink_parse_address(const struct nlmsghdr *h, unsigned *ifindex, struct ip_prefix *out);
// Calls fn for the message of each address that there is.
int netlink_dump_addresses(
    struct netlink *n, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg);
// The same for interfaces.
int netlink_dump_links(
    struct netlink *n, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg);
// The destination of a RTM_NEWROUTE or RTM_DELROUTE message in the local table; false: in another.
bool netlink_parse_local_route(const struct nlmsghdr *h, struct ip_prefix *out);
