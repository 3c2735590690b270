// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The kernel mirror as its own files share it: hops and the neighbours they go through
// (mirror_hop.c), what the kernel reports and what is set up in it (mirror.c). Control thread only.

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "mirror.h"
#include "mirror_netlink.h"

#define TWINS_MAX 16

struct neighbour {
	RB_ENTRY(neighbour) entry;
	TAILQ_ENTRY(neighbour) all;
	struct netlink_neighbour n;
	uint64_t asked_ms;
	unsigned refs;
	LIST_HEAD(, mirror_hop) hops;
};

struct mirror_hop {
	RB_ENTRY(mirror_hop) entry;
	TAILQ_ENTRY(mirror_hop) all;
	LIST_ENTRY(mirror_hop) of_neighbour;
	struct mirror *mirror;
	struct ip_addr to;
	unsigned refs;
	mirror_hop_fn fn;
	void *arg;
	struct neighbour *neighbour; // NULL: none needed
	struct mirror_answer answer;
	uint32_t round; // in which it was last asked for
};

struct network { // of an address on a twin
	TAILQ_ENTRY(network) entry;
	unsigned ifindex;
	struct ip_prefix prefix;
};

struct vlan { // an interface on a twin
	TAILQ_ENTRY(vlan) entry;
	unsigned ifindex, twin;
	uint16_t id;
};

struct made { // by us: an address (ifindex) or a route (via)
	TAILQ_ENTRY(made) entry;
	unsigned ifindex;
	struct ip_prefix prefix;
	struct ip_addr via;
};

RB_HEAD(hop_tree, mirror_hop);
RB_HEAD(neighbour_tree, neighbour);

struct mirror {
	struct netlink requests;
	struct mnl_socket *events;
	struct event *on_events, *on_round, *on_refresh;
	unsigned twins[TWINS_MAX]; // interface index by port, 0: none
	struct hop_tree hops;
	TAILQ_HEAD(, mirror_hop) all_hops;
	struct neighbour_tree neighbours;
	TAILQ_HEAD(, neighbour) all_neighbours;
	unsigned n_neighbours;
	TAILQ_HEAD(, network) networks;
	TAILQ_HEAD(, vlan) vlans;
	TAILQ_HEAD(made_list, made) made;
	uint32_t round;
};

// The hop to an address, or NULL.
struct mirror_hop *mirror_hop_find(struct mirror *m, const struct ip_addr *to);
// Asks the kernel for the route again, and tells the hop's owner when the answer is another.
void mirror_hop_ask(struct mirror *m, struct mirror_hop *h);

// Has the kernel resolve or confirm a neighbour.
void mirror_neighbour_ask(struct mirror *m, struct neighbour *nb);
// What the kernel says now, for a neighbour that a hop goes through. Others are ignored.
void mirror_neighbour_changed(struct mirror *m, const struct netlink_neighbour *now);

int mirror_port_of_twin(const struct mirror *m, unsigned ifindex); // -1: no twin
// The port, and the VLAN (0: none), by which an interface leaves: a twin, or a VLAN on one. -1: by
// none.
int mirror_way_of(const struct mirror *m, unsigned ifindex, uint16_t *vlan);
// A RTM_NEWLINK or RTM_DELLINK message. True: it is about a VLAN on a twin.
bool mirror_vlan_changed(struct mirror *m, const struct nlmsghdr *msg);
uint64_t mirror_now_ms(void);
