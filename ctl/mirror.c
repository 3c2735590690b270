// SPDX-License-Identifier: BSD-3-Clause

#include "mirror.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mirror_private.h"

// Hops asked for anew in one turn of the loop after a change of routes.
#define HOPS_PER_TURN 256

// A stale neighbour is asked for again after this; with more than a thousand of them proportionally
// later, so that they cost 2500 requests a second at the most.
#define REFRESH_TICK_MS   100
#define REFRESH_MS        200
#define REFRESH_FAILED_MS 1000
#define REFRESH_US_EACH   400

int mirror_port_of_twin(const struct mirror *m, unsigned ifindex)
{
	for (int i = 0; i < TWINS_MAX; i++) {
		if (ifindex && m->twins[i] == ifindex)
			return i;
	}
	return -1;
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
		mirror_hop_ask(m, h);
	}
	event_active(m->on_round, EV_TIMEOUT, 0);
}

static void neighbour_changed(struct mirror *m, const struct nlmsghdr *msg)
{
	struct netlink_neighbour n;
	if (!netlink_parse_neighbour(msg, &n))
		return;
	if (msg->nlmsg_type == RTM_DELNEIGH)
		n.state = NUD_FAILED;
	mirror_neighbour_changed(m, &n);
}

// An address that becomes the host's own, or ceases to be, matters only to a hop to just that
// address. With many VIPs that is the common case.
static void host_address_changed(struct mirror *m, const struct ip_addr *a)
{
	struct mirror_hop *h = mirror_hop_find(m, a);
	if (h)
		mirror_hop_ask(m, h);
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
	uint16_t vlan;
	if (is_host(p) || mirror_way_of(m, ifindex, &vlan) < 0)
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
		if (mirror_vlan_changed(m, msg) || mirror_port_of_twin(m, i->ifi_index) >= 0)
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

static void on_dumped_link(const struct nlmsghdr *msg, void *arg)
{
	if (msg->nlmsg_type == RTM_NEWLINK)
		mirror_vlan_changed(arg, msg);
}

// Events were lost: everything is read again.
static void resync(struct mirror *m)
{
	struct network *n;
	while ((n = TAILQ_FIRST(&m->networks))) {
		TAILQ_REMOVE(&m->networks, n, entry);
		free(n);
	}
	netlink_dump_links(&m->requests, on_dumped_link, m);
	netlink_dump_addresses(&m->requests, on_dumped_address, m);
	struct neighbour *nb;
	TAILQ_FOREACH(nb, &m->all_neighbours, all) {
		struct netlink_neighbour known;
		int ret = netlink_get_neighbour(
		    &m->requests, nb->n.ifindex, &nb->n.address, &known);
		if (ret == 0 && known.ifindex)
			nb->n = known;
		else if (ret == -ENOENT) // deleted meanwhile; asked for again by on_refresh()
			nb->n.state = NUD_FAILED;
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
			// What still waits is older than what will be read now.
			do
				n = mnl_socket_recvfrom(m->events, buf, sizeof(buf));
			while (n > 0 || (n < 0 && errno == ENOBUFS));
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
	uint64_t now = mirror_now_ms(), wait = REFRESH_MS;
	if (m->n_neighbours * REFRESH_US_EACH / 1000ull > wait)
		wait = m->n_neighbours * REFRESH_US_EACH / 1000;
	struct neighbour *nb;
	TAILQ_FOREACH(nb, &m->all_neighbours, all) {
		bool bad = nb->n.state & NUD_FAILED || !nb->n.state;
		if ((bad && now - nb->asked_ms >= REFRESH_FAILED_MS) ||
		    (nb->n.state & NUD_STALE && now - nb->asked_ms >= wait))
			mirror_neighbour_ask(m, nb);
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
// the neighbour is stale, is asked at its old MAC once, and after 200 ms by broadcast. With a
// locktime another MAC would not be believed for a second.
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
		{ "locktime", "0" },
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
	netlink_dump_links(&m->requests, on_dumped_link, m);
	netlink_dump_addresses(&m->requests, on_dumped_address, m);
	start_round(m);
	return 0;
}

int mirror_port_of(const struct mirror *m, const struct ip_addr *a)
{
	const struct network *n;
	uint16_t vlan;
	TAILQ_FOREACH(n, &m->networks, entry) {
		if (ip_prefix_contains(&n->prefix, a))
			return mirror_way_of(m, n->ifindex, &vlan);
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
	uint64_t end = mirror_now_ms() + ms;
	struct pollfd p = { .fd = mnl_socket_get_fd(m->events), .events = POLLIN };
	do {
		on_events(-1, 0, m);
	} while (mirror_now_ms() < end && poll(&p, 1, 20) > 0);
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
	TAILQ_INIT(&m->vlans);
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
	struct vlan *v;
	while ((v = TAILQ_FIRST(&m->vlans))) {
		TAILQ_REMOVE(&m->vlans, v, entry);
		free(v);
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
