// SPDX-License-Identifier: BSD-3-Clause

#include "mirror_netlink.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define BUFFER 8192

int netlink_open(struct netlink *n)
{
	*n = (struct netlink){};
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!n->socket)
		return -errno;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int ret = -errno;
		netlink_close(n);
		return ret;
	}
	return 0;
}

void netlink_close(struct netlink *n)
{
	if (n->socket)
		mnl_socket_close(n->socket);
	n->socket = NULL;
}

static size_t addr_bytes(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

static struct nlmsghdr *begin(struct netlink *n, char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++n->sequence;
	return h;
}

// Sends, and reads up to the acknowledgement, the error or the end of the dump; data messages go to
// fn.
static int talk(struct netlink *n, const struct nlmsghdr *h, mnl_cb_t fn, void *arg)
{
	char buf[BUFFER * 2];
	unsigned port = mnl_socket_get_portid(n->socket), sequence = h->nlmsg_seq;
	if (mnl_socket_sendto(n->socket, h, h->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->socket, buf, sizeof(buf));
		if (got < 0)
			return -errno;
		errno = 0;
		int ret = mnl_cb_run(buf, got, sequence, port, fn, arg);
		if (ret < 0 && errno == ESRCH && ((struct nlmsghdr *)buf)->nlmsg_seq != sequence)
			continue; // an answer to a request given up on
		if (ret < 0)
			return -errno;
		if (ret == MNL_CB_STOP)
			return 0;
	}
}

static int read_attributes(const struct nlattr *a, void *arg)
{
	const struct nlattr **table = arg;
	if (mnl_attr_get_type(a) < 64)
		table[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static bool read_addr(const struct nlattr *a, int family, struct ip_addr *out)
{
	*out = (struct ip_addr){ .family = family };
	if (!a || mnl_attr_get_payload_len(a) != addr_bytes(out))
		return false;
	memcpy(out->bytes, mnl_attr_get_payload(a), addr_bytes(out));
	return true;
}

// ---- routes ----

static int on_route(const struct nlmsghdr *h, void *arg)
{
	struct netlink_route *out = arg;
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	const struct nlattr *t[64] = {}, *metrics[64] = {};
	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*r), read_attributes, t);
	*out = (struct netlink_route){ .local = r->rtm_type == RTN_LOCAL };
	if (r->rtm_type != RTN_LOCAL && r->rtm_type != RTN_UNICAST)
		return MNL_CB_OK; // blackhole, unreachable, broadcast: as if there were none
	if (t[RTA_OIF])
		out->ifindex = mnl_attr_get_u32(t[RTA_OIF]);
	if (!read_addr(t[RTA_GATEWAY], r->rtm_family, &out->via))
		out->via.family = 0;
	if (t[RTA_VIA]) { // an IPv6 gateway of an IPv4 route
		const struct rtvia *v = mnl_attr_get_payload(t[RTA_VIA]);
		out->via = (struct ip_addr){ .family = v->rtvia_family };
		memcpy(out->via.bytes, v->rtvia_addr, addr_bytes(&out->via));
	}
	if (!read_addr(t[RTA_PREFSRC], r->rtm_family, &out->source))
		out->source.family = 0;
	if (t[RTA_METRICS]) {
		mnl_attr_parse_nested(t[RTA_METRICS], read_attributes, metrics);
		if (metrics[RTAX_MTU])
			out->mtu = mnl_attr_get_u32(metrics[RTAX_MTU]);
	}
	return MNL_CB_OK;
}

int netlink_get_route(struct netlink *n, const struct ip_addr *to, struct netlink_route *out)
{
	char buf[BUFFER];
	struct nlmsghdr *h = begin(n, buf, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->rtm_family = to->family;
	r->rtm_dst_len = addr_bytes(to) * 8;
	mnl_attr_put(h, RTA_DST, addr_bytes(to), to->bytes);
	*out = (struct netlink_route){};
	int ret = talk(n, h, on_route, out);
	return ret < 0 ? ret : out->local || out->ifindex ? 0 : -ENETUNREACH;
}

int netlink_route(
    struct netlink *n, bool add, const struct ip_prefix *to, const struct ip_addr *via)
{
	char buf[BUFFER];
	struct nlmsghdr *h = begin(n, buf, add ? RTM_NEWROUTE : RTM_DELROUTE,
	    NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0));
	struct rtmsg *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	r->rtm_family = to->addr.family;
	r->rtm_dst_len = to->len;
	r->rtm_table = RT_TABLE_MAIN;
	r->rtm_protocol = RTPROT_STATIC;
	r->rtm_scope = RT_SCOPE_UNIVERSE;
	r->rtm_type = RTN_UNICAST;
	if (to->len)
		mnl_attr_put(h, RTA_DST, addr_bytes(&to->addr), to->addr.bytes);
	mnl_attr_put(h, RTA_GATEWAY, addr_bytes(via), via->bytes);
	return talk(n, h, NULL, NULL);
}

bool netlink_parse_local_route(const struct nlmsghdr *h, struct ip_prefix *out)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);
	const struct nlattr *t[64] = {};
	if (r->rtm_table != RT_TABLE_LOCAL)
		return false;
	mnl_attr_parse(h, sizeof(*r), read_attributes, t);
	out->len = r->rtm_dst_len;
	return read_addr(t[RTA_DST], r->rtm_family, &out->addr);
}

// ---- neighbours ----

bool netlink_parse_neighbour(const struct nlmsghdr *h, struct netlink_neighbour *out)
{
	const struct ndmsg *d = mnl_nlmsg_get_payload(h);
	const struct nlattr *t[64] = {};
	if (d->ndm_family != AF_INET && d->ndm_family != AF_INET6)
		return false;
	mnl_attr_parse(h, sizeof(*d), read_attributes, t);
	*out = (struct netlink_neighbour){ .ifindex = d->ndm_ifindex, .state = d->ndm_state };
	if (t[NDA_LLADDR] && mnl_attr_get_payload_len(t[NDA_LLADDR]) == ETHER_ADDR_LEN) {
		out->has_mac = true;
		memcpy(out->mac, mnl_attr_get_payload(t[NDA_LLADDR]), ETHER_ADDR_LEN);
	}
	return read_addr(t[NDA_DST], d->ndm_family, &out->address);
}

static int on_neighbour(const struct nlmsghdr *h, void *arg)
{
	if (h->nlmsg_type == RTM_NEWNEIGH)
		netlink_parse_neighbour(h, arg);
	return MNL_CB_OK;
}

static struct nlmsghdr *begin_neighbour(struct netlink *n, char *buf, uint16_t type, uint16_t flags,
    unsigned ifindex, const struct ip_addr *a)
{
	struct nlmsghdr *h = begin(n, buf, type, flags | NLM_F_ACK);
	struct ndmsg *d = mnl_nlmsg_put_extra_header(h, sizeof(*d));
	d->ndm_family = a->family;
	d->ndm_ifindex = ifindex;
	mnl_attr_put(h, NDA_DST, addr_bytes(a), a->bytes);
	return h;
}

int netlink_get_neighbour(
    struct netlink *n, unsigned ifindex, const struct ip_addr *a, struct netlink_neighbour *out)
{
	char buf[BUFFER];
	*out = (struct netlink_neighbour){};
	return talk(n, begin_neighbour(n, buf, RTM_GETNEIGH, 0, ifindex, a), on_neighbour, out);
}

int netlink_ask_neighbour(struct netlink *n, unsigned ifindex, const struct ip_addr *a)
{
	for (;;) {
		char buf[BUFFER];
		struct nlmsghdr *h = begin_neighbour(
		    n, buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, a);
		struct ndmsg *d = mnl_nlmsg_get_payload(h);
		d->ndm_flags = NTF_USE;
		if (!n->no_managed)
			mnl_attr_put_u32(h, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
		int ret = talk(n, h, NULL, NULL);
		if (ret != -EINVAL || n->no_managed)
			return ret;
		n->no_managed = true;
	}
}

int netlink_del_neighbour(struct netlink *n, unsigned ifindex, const struct ip_addr *a)
{
	char buf[BUFFER];
	return talk(n, begin_neighbour(n, buf, RTM_DELNEIGH, 0, ifindex, a), NULL, NULL);
}

// ---- addresses ----

int netlink_address(struct netlink *n, bool add, unsigned ifindex, const struct ip_prefix *p)
{
	char buf[BUFFER];
	struct nlmsghdr *h = begin(n, buf, add ? RTM_NEWADDR : RTM_DELADDR,
	    NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0));
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = p->addr.family;
	m->ifa_prefixlen = p->len;
	m->ifa_flags = add && p->addr.family == AF_INET6 ? IFA_F_NODAD : 0;
	m->ifa_index = ifindex;
	mnl_attr_put(h, IFA_LOCAL, addr_bytes(&p->addr), p->addr.bytes);
	mnl_attr_put(h, IFA_ADDRESS, addr_bytes(&p->addr), p->addr.bytes);
	if (add && p->addr.family == AF_INET && p->len < 31) {
		uint32_t broadcast = p->addr.v4.s_addr | htonl(UINT32_MAX >> p->len);
		mnl_attr_put_u32(h, IFA_BROADCAST, broadcast);
	}
	return talk(n, h, NULL, NULL);
}

bool netlink_parse_address(const struct nlmsghdr *h, unsigned *ifindex, struct ip_prefix *out)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *t[64] = {};
	mnl_attr_parse(h, sizeof(*m), read_attributes, t);
	*ifindex = m->ifa_index;
	out->len = m->ifa_prefixlen;
	return read_addr(t[IFA_LOCAL] ? t[IFA_LOCAL] : t[IFA_ADDRESS], m->ifa_family, &out->addr);
}

struct dump {
	void (*fn)(const struct nlmsghdr *h, void *arg);
	void *arg;
};

static int on_dumped(const struct nlmsghdr *h, void *arg)
{
	const struct dump *d = arg;
	d->fn(h, d->arg);
	return MNL_CB_OK;
}

int netlink_dump_addresses(
    struct netlink *n, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	char buf[BUFFER];
	struct dump d = { fn, arg };
	struct nlmsghdr *h = begin(n, buf, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = AF_UNSPEC;
	return talk(n, h, on_dumped, &d);
}

int netlink_dump_links(
    struct netlink *n, void (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	char buf[BUFFER];
	struct dump d = { fn, arg };
	struct nlmsghdr *h = begin(n, buf, RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_family = AF_UNSPEC;
	return talk(n, h, on_dumped, &d);
}
