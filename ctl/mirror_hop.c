// SPDX-License-Identifier: BSD-3-Clause

// Hops, and the neighbours they go through: one record an address, shared by all who send there.

#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mirror_private.h"

// States of a neighbour in which its MAC may be used.
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

static int hop_compare(const struct mirror_hop *a, const struct mirror_hop *b)
{
	return ip_addr_compare(&a->to, &b->to);
}

static int neighbour_compare(const struct neighbour *a, const struct neighbour *b)
{
	if (a->n.ifindex != b->n.ifindex)
		return a->n.ifindex < b->n.ifindex ? -1 : 1;
	return ip_addr_compare(&a->n.address, &b->n.address);
}

#define STATIC __attribute__((unused)) static
RB_GENERATE_INTERNAL(hop_tree, mirror_hop, entry, hop_compare, STATIC)
RB_GENERATE_INTERNAL(neighbour_tree, neighbour, entry, neighbour_compare, STATIC)

const char *mirror_hop_state_name(enum mirror_hop_state s)
{
	static const char *const names[] = {
		[HOP_NO_ROUTE] = "no route",
		[HOP_RESOLVING] = "resolving",
		[HOP_FAILED] = "failed",
		[HOP_REACHABLE] = "reachable",
		[HOP_LOCAL] = "local",
	};
	return names[s];
}

uint64_t mirror_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

// ---- neighbours ----

void mirror_neighbour_ask(struct mirror *m, struct neighbour *nb)
{
	struct netlink_neighbour known;
	nb->asked_ms = mirror_now_ms();
	// The kernel would make an entry that the administrator set for good an ordinary one.
	if (netlink_get_neighbour(&m->requests, nb->n.ifindex, &nb->n.address, &known) == 0 &&
	    known.state & NUD_PERMANENT)
		return;
	netlink_ask_neighbour(&m->requests, nb->n.ifindex, &nb->n.address);
}

static struct neighbour *neighbour_get(struct mirror *m, unsigned ifindex, const struct ip_addr *a)
{
	struct neighbour key = { .n = { .ifindex = ifindex, .address = *a } };
	struct neighbour *nb = RB_FIND(neighbour_tree, &m->neighbours, &key);
	if (nb) {
		nb->refs++;
		return nb;
	}
	nb = calloc(1, sizeof(*nb));
	if (!nb)
		return NULL;
	nb->n = key.n;
	nb->refs = 1;
	LIST_INIT(&nb->hops);
	RB_INSERT(neighbour_tree, &m->neighbours, nb);
	TAILQ_INSERT_TAIL(&m->all_neighbours, nb, all);
	m->n_neighbours++;
	mirror_neighbour_ask(m, nb);
	struct netlink_neighbour known;
	if (netlink_get_neighbour(&m->requests, ifindex, a, &known) == 0 && known.ifindex)
		nb->n = known;
	return nb;
}

static void neighbour_put(struct mirror *m, struct neighbour *nb)
{
	if (!nb || --nb->refs)
		return;
	RB_REMOVE(neighbour_tree, &m->neighbours, nb);
	TAILQ_REMOVE(&m->all_neighbours, nb, all);
	m->n_neighbours--;
	if (!(nb->n.state & NUD_PERMANENT)) // that one is not ours
		netlink_del_neighbour(&m->requests, nb->n.ifindex, &nb->n.address);
	free(nb);
}

// ---- hops ----

// The answer with what its neighbour says now; tells the hop's owner when it changed.
static void hop_settle(struct mirror_hop *h, struct mirror_answer a)
{
	const struct neighbour *nb = h->neighbour;
	if (nb) {
		bool usable = nb->n.state & NUD_USABLE && nb->n.has_mac;
		a.state = usable                     ? HOP_REACHABLE
		          : nb->n.state & NUD_FAILED ? HOP_FAILED
		                                     : HOP_RESOLVING;
		a.has_mac = usable;
		if (usable) {
			memcpy(a.mac, nb->n.mac, sizeof(a.mac));
		} else if (h->answer.has_mac && a.state == HOP_RESOLVING &&
		           h->answer.port == a.port && ip_addr_equal(&h->answer.via, &a.via)) {
			// The one before, until the kernel knows better or gives up.
			a.has_mac = true;
			memcpy(a.mac, h->answer.mac, sizeof(a.mac));
		}
	}
	if (memcmp(&a, &h->answer, sizeof(a)) == 0)
		return;
	h->answer = a;
	h->fn(h, &h->answer, h->arg);
}

void mirror_neighbour_changed(struct mirror *m, const struct netlink_neighbour *now)
{
	struct neighbour key = { .n = *now };
	struct neighbour *nb = RB_FIND(neighbour_tree, &m->neighbours, &key);
	struct mirror_hop *h;
	if (!nb)
		return;
	nb->n = *now;
	LIST_FOREACH(h, &nb->hops, of_neighbour)
		hop_settle(h, h->answer);
}

static void hop_set_neighbour(struct mirror *m, struct mirror_hop *h, struct neighbour *nb)
{
	struct neighbour *old = h->neighbour;
	if (old)
		LIST_REMOVE(h, of_neighbour);
	h->neighbour = nb;
	if (nb)
		LIST_INSERT_HEAD(&nb->hops, h, of_neighbour);
	neighbour_put(m, old);
}

void mirror_hop_ask(struct mirror *m, struct mirror_hop *h)
{
	struct netlink_route r;
	struct mirror_answer a;
	memset(&a, 0, sizeof(a)); // compared as memory
	a.port = -1;
	h->round = m->round;
	int ret = netlink_get_route(&m->requests, &h->to, &r);
	int port = ret == 0 && !r.local ? mirror_way_of(m, r.ifindex, &a.vlan) : -1;
	struct neighbour *nb = NULL;
	if (ret == 0 && r.local) {
		a.state = HOP_LOCAL;
	} else if (port >= 0) {
		a.port = port;
		a.via = r.via;
		a.mtu = r.mtu;
		a.source = r.source;
		nb = neighbour_get(m, r.ifindex, r.via.family ? &r.via : &h->to);
	}
	hop_set_neighbour(m, h, nb);
	hop_settle(h, a);
}

int mirror_hop_new(struct mirror *m, const struct ip_addr *to, mirror_hop_fn fn, void *arg,
    struct mirror_hop **out)
{
	struct mirror_hop *h = mirror_hop_find(m, to);
	if (h) {
		h->refs++;
		*out = h;
		return 0;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->mirror = m;
	h->to = *to;
	h->refs = 1;
	h->fn = fn;
	h->arg = arg;
	h->answer.port = -1;
	RB_INSERT(hop_tree, &m->hops, h);
	TAILQ_INSERT_TAIL(&m->all_hops, h, all);
	*out = h;
	mirror_hop_ask(m, h);
	return 0;
}

void mirror_hop_unref(struct mirror_hop *h)
{
	struct mirror *m = h->mirror;
	if (--h->refs)
		return;
	hop_set_neighbour(m, h, NULL);
	RB_REMOVE(hop_tree, &m->hops, h);
	TAILQ_REMOVE(&m->all_hops, h, all);
	free(h);
}

const struct mirror_answer *mirror_hop_answer(const struct mirror_hop *h)
{
	return &h->answer;
}

const struct ip_addr *mirror_hop_address(const struct mirror_hop *h)
{
	return &h->to;
}

unsigned mirror_hop_refs(const struct mirror_hop *h)
{
	return h->refs;
}

struct mirror_hop *mirror_hop_find(struct mirror *m, const struct ip_addr *to)
{
	struct mirror_hop key = { .to = *to };
	return RB_FIND(hop_tree, &m->hops, &key);
}

void mirror_hop_each(struct mirror *m, void (*fn)(struct mirror_hop *hop, void *arg), void *arg)
{
	struct mirror_hop *h, *next;
	for (h = TAILQ_FIRST(&m->all_hops); h; h = next) {
		next = TAILQ_NEXT(h, all);
		fn(h, arg);
	}
}
