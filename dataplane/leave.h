// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The way out, the same for all modes: TTL, MTU, link header, transmit queue. In the order of IPVS:
// the TTL goes down before the MTU is looked at, and both before anything else of the packet
// changes, so that an ICMP error quotes what came in.

#include <rte_ether.h>
#include <rte_ip.h>

#include "checksum.h"
#include "stages.h"

// Not the plain way: the hop cannot be used, the TTL is over, the packet is too long. `source`: who
// answers, as icmp_refuse() takes it.
void leave_otherwise(struct worker *w, const struct port *from, struct packet *p,
    const struct hop *h, const uint8_t *source);
void leave_cut(struct worker *w, struct packet *p, const struct hop *h);
void leave_too_big(struct worker *w, const struct port *from, struct packet *p, uint16_t mtu,
    const uint8_t *source);

static __rte_always_inline void put_link_header(
    struct rte_mbuf *m, unsigned old_bytes, const struct hop *h, const bool v6)
{
	int more = h->header_bytes + 2 - (int)old_bytes;
	if (unlikely(more != 0)) { // a VLAN tag comes or goes
		m->data_off -= more;
		m->data_len += more;
		m->pkt_len += more;
	}
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t type = rte_cpu_to_be_16(v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	memcpy(eth, h->header, 12);
	if (h->header_bytes > 12)
		memcpy(eth + 12, h->header + 12, 4);
	memcpy(eth + h->header_bytes, &type, 2);
}

// True: the packet may go by this hop, its TTL is one less. False: it was answered or dropped.
// `mtu`: the hop's, less what is put before the packet.
static __rte_always_inline bool may_leave_within(struct worker *w, const struct port *from,
    struct packet *p, const struct hop *h, uint16_t mtu, const uint8_t *source, const bool v6)
{
	uint8_t *l3 = (uint8_t *)p->addresses - (v6 ? offsetof(struct rte_ipv6_hdr, src_addr)
	                                            : offsetof(struct rte_ipv4_hdr, src_addr));
	uint8_t *ttl = l3 + (v6 ? offsetof(struct rte_ipv6_hdr, hop_limits)
	                        : offsetof(struct rte_ipv4_hdr, time_to_live));
	if (unlikely(h->kind != HOP_SEND || *ttl <= 1)) {
		leave_otherwise(w, from, p, h, source);
		return false;
	}
	--*ttl;
	if (!v6) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		ip->hdr_checksum = checksum_ttl_decremented(ip->hdr_checksum);
	}
	if (unlikely(p->l3_bytes > mtu)) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
		if (v6 || p->l3_bytes > from->mtu ||
		    ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) {
			leave_too_big(w, from, p, mtu, source);
			return false;
		}
	}
	return true;
}

static __rte_always_inline bool may_leave(struct worker *w, const struct port *from,
    struct packet *p, const struct hop *h, const uint8_t *source, const bool v6)
{
	return may_leave_within(w, from, p, h, h->mtu, source, v6);
}

// After may_leave() and what the mode changes.
static __rte_always_inline void leave(
    struct worker *w, struct packet *p, const struct hop *h, const bool v6)
{
	if (unlikely(p->l3_bytes > h->mtu)) {
		leave_cut(w, p, h);
		return;
	}
	put_link_header(p->m, p->l2_bytes, h, v6);
	tx(w, h->port, p->m);
}
