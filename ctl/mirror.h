// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The kernel mirror: what the data plane must know of the kernel's addresses, routes, links
// and neighbours, and nothing else, learnt through rtnetlink (libmnl) in the daemon's own
// network namespace. poise never re-implements the router: it asks it.
//
// The users hold *hops*: "how do I reach this address?". The mirror asks the kernel for the
// route, asks it to keep the neighbour resolved (a managed entry, NTF_EXT_MANAGED, Linux
// 5.16; refreshed with NTF_USE by a timer on older kernels), and calls back whenever the answer
// changes. Control thread only; nothing blocks but the short netlink requests.

#include <event2/event.h>
#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/addr.h"

struct mirror;
struct mirror_hop;

enum mirror_hop_state {
	HOP_NO_ROUTE,  // the kernel knows no way, or one that leaves by no twin
	HOP_RESOLVING, // route known, MAC not (yet)
	HOP_FAILED,    // the kernel gave up; it is asked again every second
	HOP_REACHABLE, // mac is good
	HOP_LOCAL,     // the address is one of the director's own
};
const char *mirror_hop_state_name(enum mirror_hop_state s); // "no route", "resolving", ...

struct mirror_answer {
	enum mirror_hop_state state;
	int port;      // index given to mirror_add_twin(), -1 when none
	uint16_t vlan; // of an interface on the twin; 0: untagged
	bool has_mac;  // a MAC once learnt is kept while the kernel re-resolves
	uint8_t mac[ETHER_ADDR_LEN];
	struct ip_addr via;    // gateway, or AF_UNSPEC when on the link
	uint32_t mtu;          // of the route, 0: it has none and the port's counts
	struct ip_addr source; // the director's preferred source address towards it
};

// Called on the control thread, also from within mirror_hop_new() when the answer is known at once.
typedef void (*mirror_hop_fn)(struct mirror_hop *hop, const struct mirror_answer *a, void *arg);

int mirror_new(struct event_base *base, struct mirror **out); // 0 or negative errno
void mirror_free(struct mirror *m); // also takes back the managed neighbour entries it made

// A twin: an interface of this namespace (by index) that stands for the data plane's port
// `port`. Sets what the twin needs of the kernel (neighbour timers such that a server whose MAC
// changes is followed within a second). 0 or negative errno.
int mirror_add_twin(struct mirror *m, int port, unsigned ifindex);

// Hops are shared: the same address twice gives the same hop with one more reference, and
// the callback of the first. 0 or negative errno.
int mirror_hop_new(struct mirror *m, const struct ip_addr *to, mirror_hop_fn fn, void *arg,
    struct mirror_hop **out);
void mirror_hop_unref(struct mirror_hop *hop);
const struct mirror_answer *mirror_hop_answer(const struct mirror_hop *hop);
const struct ip_addr *mirror_hop_address(const struct mirror_hop *hop);
unsigned mirror_hop_refs(const struct mirror_hop *hop);
void mirror_hop_each(struct mirror *m, void (*fn)(struct mirror_hop *hop, void *arg), void *arg);

// Addresses, routes and links that poise sets up itself. All are idempotent (already there is
// 0) and remember what they made: mirror_*_del only takes back what was made here.
int mirror_address_add(struct mirror *m, unsigned ifindex, const struct ip_prefix *p);
int mirror_address_del(struct mirror *m, unsigned ifindex, const struct ip_prefix *p);
int mirror_route_add(struct mirror *m, const struct ip_prefix *to, const struct ip_addr *via);
int mirror_route_del(struct mirror *m, const struct ip_prefix *to, const struct ip_addr *via);

// The twin's port whose networks (addresses on the twins with their prefixes) hold `a`, or -1.
int mirror_port_of(const struct mirror *m, const struct ip_addr *a);
bool mirror_is_local(const struct mirror *m, const struct ip_addr *a); // an address of this host

// Waits (at most `ms`) until everything written to netlink so far is answered and mirrored.
void mirror_settle(struct mirror *m, unsigned ms);
