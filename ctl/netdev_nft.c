// SPDX-License-Identifier: BSD-3-Clause

#include "netdev_nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 2 // Linux 5.12
#endif

// Before every other ingress hook.
#define PRIORITY (-500)

static struct nlmsghdr *begin(
    struct mnl_nlmsg_batch *b, uint16_t type, uint16_t flags, uint16_t resource, uint32_t sequence)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(b));
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = sequence;
	g->nfgen_family = resource ? AF_UNSPEC : NFPROTO_NETDEV;
	g->version = NFNETLINK_V0;
	g->res_id = htons(resource);
	return h;
}

static uint16_t nft(uint16_t message)
{
	return NFNL_SUBSYS_NFTABLES << 8 | message;
}

static void put_table(struct mnl_nlmsg_batch *b, const char *name, uint32_t sequence)
{
	struct nlmsghdr *h = begin(b, nft(NFT_MSG_NEWTABLE), NLM_F_CREATE | NLM_F_ACK, 0, sequence);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
	mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
	mnl_nlmsg_batch_next(b);
}

static void put_chain(
    struct mnl_nlmsg_batch *b, const char *table, const char *ifname, uint32_t sequence)
{
	struct nlmsghdr *h = begin(b, nft(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, 0, sequence);
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, "ingress");
	struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_NETDEV_INGRESS));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)PRIORITY));
	mnl_attr_put_strz(h, NFTA_HOOK_DEV, ifname);
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_DROP));
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	mnl_nlmsg_batch_next(b);
}

// The answers to `n` messages; the first error of them.
static int read_answers(struct mnl_socket *s, unsigned n)
{
	char buf[8192];
	unsigned port = mnl_socket_get_portid(s);
	while (n) {
		ssize_t got = mnl_socket_recvfrom(s, buf, sizeof(buf));
		if (got < 0)
			return -errno;
		int left = got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; n && mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
			if (h->nlmsg_pid != port || h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (e->error)
				return e->error;
			n--;
		}
	}
	return 0;
}

int nft_drop_ingress(const char *ifname, struct mnl_socket **socket)
{
	char buf[8192], table[32];
	uint32_t sequence = time(NULL);
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		int ret = -errno;
		if (s)
			mnl_socket_close(s);
		return ret;
	}
	snprintf(table, sizeof(table), "poise_%s", ifname);
	struct mnl_nlmsg_batch *b = mnl_nlmsg_batch_start(buf, sizeof(buf));
	begin(b, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES, sequence);
	mnl_nlmsg_batch_next(b);
	put_table(b, table, sequence + 1);
	put_chain(b, table, ifname, sequence + 2);
	begin(b, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES, sequence + 3);
	mnl_nlmsg_batch_next(b);
	int ret = mnl_socket_sendto(s, mnl_nlmsg_batch_head(b), mnl_nlmsg_batch_size(b)) < 0
	              ? -errno
	              : read_answers(s, 2);
	mnl_nlmsg_batch_stop(b);
	if (ret < 0) {
		mnl_socket_close(s);
		return ret;
	}
	*socket = s;
	return 0;
}
