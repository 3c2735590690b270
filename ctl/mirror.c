// SPDX-License-Identifier: BSD-3-Clause

#include "mirror.h"

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mirror_netlink.h"

#define TWINS_MAX 16

// States of a neighbour in which its MAC may be used.
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

// Hops asked for anew in one turn of the loop after a change of routes.
#define HOPS_PER_TURN 256

// A stale neighbour is asked for again after this; with more than a thousand of them proportionally
// later, so that they cost 2500 requests a second at the most.
#define REFRESH_TICK_MS   100
#define REFRESH_MS        200
#define REFRESH_FAILED_MS 1000
#define REFRESH_US_EACH   400

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
	TAILQ_HEAD(made_list, made) made;
	uint32_t round;
};

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

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static int port_of_twin(const struct mirror *m, unsigned ifindex)
{
	for (int i = 0; i < TWINS_MAX; i++) {
		if (ifindex && m->twins[i] == ifindex)
			return i;
	}
	return -1;
}

// ---- neighbours ----

static void ask(struct mirror *m, struct neighbour *nb)
{
	nb->asked_ms = now_ms();
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
	ask(m, nb);
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

static void hop_ask(struct mirror *m, struct mirror_hop *h)
{
	struct netlink_route r;
	struct mirror_answer a;
	memset(&a, 0, sizeof(a)); // compared as memory
	a.port = -1;
	h->round = m->round;
	int ret = netlink_get_route(&m->requests, &h->to, &r);
	int port = ret == 0 && !r.local ? port_of_twin(m, r.ifindex) : -1;
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
	struct mirror_hop key = { .to = *to };
	struct mirror_hop *h = RB_FIND(hop_tree, &m->hops, &key);
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
	hop_ask(m, h);
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

void mirror_hop_each(struct mirror *m, void (*fn)(struct mirror_hop *hop, void *arg), void *arg)
{
	struct mirror_hop *h, *next;
	for (h = TAILQ_FIRST(&m->all_hops); h; h = next) {
		next = TAILQ_NEXT(h, all);
		fn(h, arg);
	}
}

// ---- what the kernel reports ----

// Routes changed: all hops are asked for anew, some in each turn of the loop. Asked ones go to the
// end of the list.
static void start_round(struct mirror *m)
{
	m->round++;
	event_active(m->on_round, EV_TIMEOUT, 0);
}

static void on_round(evutil_socket_t, short, void *arg)
{
	struct mirror *m = arg;
	for (unsigned i = 0; i < HOPS_PER_TURN; i++) {
		struct mirror_hop *h = TAILQ_FIRST(&m->all_hops);
		if (!h || h->round == m->round)
			return;
		TAILQ_REMOVE(&m->all_hops, h, all);
		TAILQ_INSERT_TAIL(&m->all_hops, h, all);
		hop_ask(m, h);
	}
	event_active(m->on_round, EV_TIMEOUT, 0);
}

static void neighbour_changed(struct mirror *m, const struct nlmsghdr *msg)
{
	struct neighbour key;
	if (!netlink_parse_neighbour(msg, &key.n))
		return;
	struct neighbour *nb = RB_FIND(neighbour_tree, &m->neighbours, &key);
	if (!nb)
		return;
	if (msg->nlmsg_type == RTM_DELNEIGH)
		key.n.state = NUD_FAILED;
	nb->n = key.n;
	struct mirror_hop *h;
	LIST_FOREACH(h, &nb->hops, of_neighbour)
		hop_settle(h, h->answer);
}

// An address that becomes the host's own, or ceases to be, matters only to a hop to just that
// address. With many VIPs that is the common case.
static void host_address_changed(struct mirror *m, const struct ip_addr *a)
{
	struct mirror_hop key = { .to = *a }, *h = RB_FIND(hop_tree, &m->hops, &key);
	if (h)
		hop_ask(m, h);
}

static bool is_host(const struct ip_prefix *p)
{
	return p->len == (p->addr.family == AF_INET6 ? 128 : 32);
}

static struct network *network_find(struct mirror *m, unsigned ifindex, const struct ip_prefix *p)
{
	struct network *n;
	TAILQ_FOREACH(n, &m->networks, entry) {
		if (n->ifindex == ifindex && n->prefix.len == p->len &&
		    ip_addr_equal(&n->prefix.addr, &p->addr))
			return n;
	}
	return NULL;
}

static void network_set(struct mirror *m, bool there, unsigned ifindex, const struct ip_prefix *p)
{
	if (is_host(p) || port_of_twin(m, ifindex) < 0)
		return;
	struct network *n = network_find(m, ifindex, p);
	if (there && !n && (n = calloc(1, sizeof(*n)))) {
		n->ifindex = ifindex;
		n->prefix = *p;
		TAILQ_INSERT_TAIL(&m->networks, n, entry);
	} else if (!there && n) {
		TAILQ_REMOVE(&m->networks, n, entry);
		free(n);
	}
}

static void address_changed(struct mirror *m, const struct nlmsghdr *msg)
{
	unsigned ifindex;
	struct ip_prefix p;
	if (!netlink_parse_address(msg, &ifindex, &p))
		return;
	network_set(m, msg->nlmsg_type == RTM_NEWADDR, ifindex, &p);
	if (is_host(&p))
		host_address_changed(m, &p.addr);
	else
		start_round(m);
}

static int on_message(const struct nlmsghdr *msg, void *arg)
{
	struct mirror *m = arg;
	struct ip_prefix p;
	switch (msg->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_changed(m, msg);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		address_changed(m, msg);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (netlink_parse_local_route(msg, &p) && is_host(&p))
			host_address_changed(m, &p.addr);
		else
			start_round(m);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK: {
		const struct ifinfomsg *i = mnl_nlmsg_get_payload(msg);
		if (port_of_twin(m, i->ifi_index) >= 0)
			start_round(m);
		break;
	}
	}
	return MNL_CB_OK;
}

static void on_dumped_address(const struct nlmsghdr *msg, void *arg)
{
	unsigned ifindex;
	struct ip_prefix p;
	if (msg->nlmsg_type == RTM_NEWADDR && netlink_parse_address(msg, &ifindex, &p))
		network_set(arg, true, ifindex, &p);
}

// Events were lost: everything is read again.
static void resync(struct mirror *m)
{
	struct network *n;
	while ((n = TAILQ_FIRST(&m->networks))) {
		TAILQ_REMOVE(&m->networks, n, entry);
		free(n);
	}
	netlink_dump_addresses(&m->requests, on_dumped_address, m);
	struct neighbour *nb;
	TAILQ_FOREACH(nb, &m->all_neighbours, all) {
		struct netlink_neighbour known;
		if (netlink_get_neighbour(&m->requests, nb->n.ifindex, &nb->n.address, &known) ==
		        0 &&
		    known.ifindex)
			nb->n = known;
	}
	start_round(m);
}

static void on_events(evutil_socket_t, short, void *arg)
{
	struct mirror *m = arg;
	char buf[32768];
	for (unsigned i = 0; i < 64; i++) { // then the others have their turn
		ssize_t n = mnl_socket_recvfrom(m->events, buf, sizeof(buf));
		if (n < 0 && errno == ENOBUFS) {
			log_warning("kernel mirror: events were lost, reading everything again");
			resync(m);
			continue;
		}
		if (n <= 0)
			return;
		mnl_cb_run(buf, n, 0, 0, on_message, m);
	}
}

// The kernel lets a neighbour go stale soon (see tune_twin()) and asks again only when it is used;
// nothing of the data plane's traffic tells it that it is. So it is told here.
static void on_refresh(evutil_socket_t, short, void *arg)
{
	struct mirror *m = arg;
	uint64_t now = now_ms(), wait = REFRESH_MS;
	if (m->n_neighbours * REFRESH_US_EACH / 1000ull > wait)
		wait = m->n_neighbours * REFRESH_US_EACH / 1000;
	struct neighbour *nb;
	TAILQ_FOREACH(nb, &m->all_neighbours, all) {
		bool bad = nb->n.state & NUD_FAILED || !nb->n.state;
		if ((bad && now - nb->asked_ms >= REFRESH_FAILED_MS) ||
		    (nb->n.state & NUD_STALE && now - nb->asked_ms >= wait))
			ask(m, nb);
	}
	event_add(m->on_refresh, &(struct timeval){ .tv_usec = REFRESH_TICK_MS * 1000 });
}

// ---- twins ----

static void set(const char *ifname, const char *family, const char *key, const char *value)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/neigh/%s/%s", family, ifname, key);
	FILE *f = fopen(path, "we");
	if (!f)
		return; // a kernel without it
	fputs(value, f);
	fclose(f);
}

// A server that changes its MAC without a word is found out within a second: after 150 to 450 ms
// the neighbour is stale, is asked at its old MAC once, and after 200 ms by broadcast.
static void tune_twin(const char *ifname)
{
	static const struct {
		const char *key, *value;
	} settings[] = {
		{ "base_reachable_time_ms", "300" },
		{ "delay_first_probe_time", "0" },
		{ "retrans_time_ms", "200" },
		{ "ucast_solicit", "1" },
		{ "mcast_resolicit", "5" },
		{ "mcast_solicit", "5" },
	};
	static const char *const families[] = { "ipv4", "ipv6" };
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
			set(ifname, families[f], settings[i].key, settings[i].value);
	}
	// An address that is added (a VIP) is announced by gratuitous ARP and neighbour
	// advertisement.
	char path[128];
	static const char *const notify[] = { "/proc/sys/net/ipv4/conf/%s/arp_notify",
		"/proc/sys/net/ipv6/conf/%s/ndisc_notify" };
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), i ? notify[1] : notify[0], ifname);
		FILE *f = fopen(path, "we");
		if (f) {
			fputs("1", f);
			fclose(f);
		}
	}
}

int mirror_add_twin(struct mirror *m, int port, unsigned ifindex)
{
	char name[IF_NAMESIZE];
	if (port < 0 || port >= TWINS_MAX)
		return -EINVAL;
	if (!if_indextoname(ifindex, name))
		return -errno;
	m->twins[port] = ifindex;
	tune_twin(name);
	netlink_dump_addresses(&m->requests, on_dumped_address, m);
	start_round(m);
	return 0;
}

int mirror_port_of(const struct mirror *m, const struct ip_addr *a)
{
	const struct network *n;
	TAILQ_FOREACH(n, &m->networks, entry) {
		if (ip_prefix_contains(&n->prefix, a))
			return port_of_twin(m, n->ifindex);
	}
	return -1;
}

bool mirror_is_local(const struct mirror *m, const struct ip_addr *a)
{
	struct netlink_route r;
	return netlink_get_route((struct netlink *)&m->requests, a, &r) == 0 && r.local;
}

// ---- what poise sets up itself ----

static struct made *made_find(
    struct mirror *m, unsigned ifindex, const struct ip_prefix *p, const struct ip_addr *via)
{
	struct made *d;
	TAILQ_FOREACH(d, &m->made, entry) {
		if (d->ifindex == ifindex && d->prefix.len == p->len &&
		    ip_addr_equal(&d->prefix.addr, &p->addr) &&
		    (!via || ip_addr_equal(&d->via, via)))
			return d;
	}
	return NULL;
}

static void made_add(
    struct mirror *m, unsigned ifindex, const struct ip_prefix *p, const struct ip_addr *via)
{
	struct made *d = calloc(1, sizeof(*d));
	if (!d)
		return;
	d->ifindex = ifindex;
	d->prefix = *p;
	if (via)
		d->via = *via;
	TAILQ_INSERT_TAIL(&m->made, d, entry);
}

static int made_undo(struct mirror *m, struct made *d)
{
	int ret = d->via.family ? netlink_route(&m->requests, false, &d->prefix, &d->via)
	                        : netlink_address(&m->requests, false, d->ifindex, &d->prefix);
	TAILQ_REMOVE(&m->made, d, entry);
	free(d);
	return ret;
}

int mirror_address_add(struct mirror *m, unsigned ifindex, const struct ip_prefix *p)
{
	int ret = netlink_address(&m->requests, true, ifindex, p);
	if (ret == 0)
		made_add(m, ifindex, p, NULL);
	if (ret == 0 || ret == -EEXIST)
		network_set(m, true, ifindex, p);
	return ret == -EEXIST ? 0 : ret;
}

int mirror_address_del(struct mirror *m, unsigned ifindex, const struct ip_prefix *p)
{
	struct made *d = made_find(m, ifindex, p, NULL);
	if (!d)
		return 0;
	network_set(m, false, ifindex, p);
	return made_undo(m, d);
}

int mirror_route_add(struct mirror *m, const struct ip_prefix *to, const struct ip_addr *via)
{
	int ret = netlink_route(&m->requests, true, to, via);
	if (ret == 0)
		made_add(m, 0, to, via);
	return ret == -EEXIST ? 0 : ret;
}

int mirror_route_del(struct mirror *m, const struct ip_prefix *to, const struct ip_addr *via)
{
	struct made *d = made_find(m, 0, to, via);
	return d ? made_undo(m, d) : 0;
}

// ---- begin and end ----

void mirror_settle(struct mirror *m, unsigned ms)
{
	uint64_t end = now_ms() + ms;
	struct pollfd p = { .fd = mnl_socket_get_fd(m->events), .events = POLLIN };
	do {
		on_events(-1, 0, m);
	} while (now_ms() < end && poll(&p, 1, 20) > 0);
	while (TAILQ_FIRST(&m->all_hops) && TAILQ_FIRST(&m->all_hops)->round != m->round)
		on_round(-1, 0, m);
}

static int open_events(struct mirror *m, struct event_base *base)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	m->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->events || mnl_socket_bind(m->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	int size = 4 << 20, fd = mnl_socket_get_fd(m->events);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (mnl_socket_setsockopt(
		        m->events, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i], sizeof(int)) < 0)
			return -errno;
	}
	m->on_events = event_new(base, fd, EV_READ | EV_PERSIST, on_events, m);
	return m->on_events && event_add(m->on_events, NULL) == 0 ? 0 : -ENOMEM;
}

int mirror_new(struct event_base *base, struct mirror **out)
{
	struct mirror *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	RB_INIT(&m->hops);
	RB_INIT(&m->neighbours);
	TAILQ_INIT(&m->all_hops);
	TAILQ_INIT(&m->all_neighbours);
	TAILQ_INIT(&m->networks);
	TAILQ_INIT(&m->made);
	m->on_round = event_new(base, -1, 0, on_round, m);
	m->on_refresh = evtimer_new(base, on_refresh, m);
	int ret = m->on_round && m->on_refresh ? netlink_open(&m->requests) : -ENOMEM;
	if (ret == 0)
		ret = open_events(m, base);
	if (ret < 0) {
		mirror_free(m);
		return ret;
	}
	event_add(m->on_refresh, &(struct timeval){ .tv_usec = REFRESH_TICK_MS * 1000 });
	*out = m;
	return 0;
}

void mirror_free(struct mirror *m)
{
	if (!m)
		return;
	struct mirror_hop *h;
	while ((h = TAILQ_FIRST(&m->all_hops))) {
		h->refs = 1;
		mirror_hop_unref(h);
	}
	struct made *d;
	while ((d = TAILQ_LAST(&m->made, made_list)))
		made_undo(m, d);
	struct network *n;
	while ((n = TAILQ_FIRST(&m->networks))) {
		TAILQ_REMOVE(&m->networks, n, entry);
		free(n);
	}
	struct event *events[] = { m->on_events, m->on_round, m->on_refresh };
	for (unsigned i = 0; i < 3; i++) {
		if (events[i])
			event_free(events[i]);
	}
	if (m->events)
		mnl_socket_close(m->events);
	netlink_close(&m->requests);
	free(m);
}
