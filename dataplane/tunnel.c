// SPDX-License-Identifier: BSD-3-Clause

#include "tunnel.h"

#include <netinet/in.h>
#include <rte_udp.h>

#include "conf/conf.h"
#include "leave.h"
#include "sum.h"

#define GUE_BYTES 4

// What each puts between the outer IP header and the packet; index 1: with a checksum.
static const struct {
	uint8_t protocol; // 0: the packet's own
	uint8_t bytes[2];
} kinds[] = {
	[TUNNEL_IPIP] = { 0, { 0, 0 } },
	[TUNNEL_GUE] = { IPPROTO_UDP,
	    { sizeof(struct rte_udp_hdr) + GUE_BYTES, sizeof(struct rte_udp_hdr) + GUE_BYTES } },
	[TUNNEL_GRE] = { IPPROTO_GRE, { 4, 8 } },
};

#define OVERHEAD_MAX (sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_udp_hdr) + GUE_BYTES)
static_assert(OVERHEAD_MAX + 18 <= RTE_PKTMBUF_HEADROOM, "and the link header");

// Source ports of GUE: Linux's ip_local_port_range, from which its own tunnels choose as well.
#define GUE_PORT_MIN 32768u
#define GUE_PORT_MAX 60999u

#define TOS_ECN_MASK 3
#define TOS_ECN_CE   3
#define TOS_ECN_ECT0 2

// What the outer header takes over.
struct inner {
	uint16_t bytes;
	uint8_t protocol; // of an outer header: 4 or 41
	uint8_t tos, ttl;
	bool dont_fragment;
};

static struct inner read_inner(const struct packet *p)
{
	struct inner in = { .bytes = p->l3_bytes };
	if (p->v6) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet_l3(p);
		in.protocol = IPPROTO_IPV6;
		in.tos = rte_be_to_cpu_32(ip->vtc_flow) >> 20;
		in.ttl = ip->hop_limits;
	} else {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet_l3(p);
		in.protocol = IPPROTO_IPIP;
		in.tos = ip->type_of_service;
		in.ttl = ip->time_to_live;
		in.dont_fragment = ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	}
	// RFC 3168, full functionality: congestion met on the way stays the inner header's.
	if ((in.tos & TOS_ECN_MASK) == TOS_ECN_CE)
		in.tos = (in.tos & ~TOS_ECN_MASK) | TOS_ECN_ECT0;
	return in;
}

static void write_outer4(struct worker *w, uint8_t *l3, const struct packet *p,
    const struct inner *in, uint8_t protocol, const void *source, const void *destination)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = in->tos,
		.total_length = rte_cpu_to_be_16(p->l3_bytes),
		.time_to_live = in->ttl,
		.next_proto_id = protocol,
		.src_addr = load32(source),
		.dst_addr = load32(destination),
	};
	// Only what may be cut needs a number (RFC 6864).
	if (in->dont_fragment)
		ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	else
		ip->packet_id = rte_cpu_to_be_16(w->ip_id++);
	ip->hdr_checksum = ~ipv4_header_sum(l3, 5);
}

static void write_outer6(uint8_t *l3, const struct packet *p, const struct inner *in,
    uint8_t protocol, const void *source, const void *destination)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)in->tos << 20),
		.payload_len = rte_cpu_to_be_16(p->l3_bytes - sizeof(*ip)),
		.proto = protocol,
		.hop_limits = in->ttl,
	};
	memcpy(ip->src_addr, source, 16);
	memcpy(ip->dst_addr, destination, 16);
}

// Of all that follows the outer header, which ends at `at`; `sum`: what counts besides.
static uint16_t checksum_from(const struct packet *p, unsigned at, uint64_t sum)
{
	uint16_t raw = 0;
	mbuf_sum(p->m, at, p->l3_bytes - at, &raw);
	return ~checksum_fold(sum + raw);
}

static void write_gre(uint8_t *gre, const struct packet *p, unsigned at, bool checksum, bool v6)
{
	memset(gre, 0, kinds[TUNNEL_GRE].bytes[checksum]);
	gre[0] = checksum ? 0x80 : 0;
	uint16_t type = rte_cpu_to_be_16(v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	memcpy(gre + 2, &type, 2);
	if (checksum) {
		uint16_t sum = checksum_from(p, at, 0);
		memcpy(gre + 4, &sum, 2);
	}
}

// A packet has complete checksums here (parse.c), so remote checksum offload has nothing to say.
static void write_gue(uint8_t *l4, const struct packet *p, unsigned at, const struct inner *in,
    const struct tunnel *t)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)l4;
	uint32_t range = GUE_PORT_MAX + 1 - GUE_PORT_MIN;
	uint32_t port = GUE_PORT_MIN + (uint32_t)(((p->hash >> 32) * range) >> 32);
	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(port),
		.dst_port = t->port,
		.dgram_len = rte_cpu_to_be_16(p->l3_bytes - at),
	};
	uint8_t *gue = l4 + sizeof(*udp);
	gue[0] = 0; // version 0, data, no optional fields
	gue[1] = in->protocol;
	gue[2] = gue[3] = 0;
	if (t->checksum == TUNNEL_CHECKSUM_NONE)
		return;
	const bool v6 = at == sizeof(struct rte_ipv6_hdr);
	const unsigned addresses = v6 ? 32 : 8;
	uint64_t sum = checksum_words(l4 - addresses, addresses);
	sum += udp->dgram_len + (uint64_t)rte_cpu_to_be_16(IPPROTO_UDP);
	udp->dgram_cksum = checksum_from(p, at, sum);
	if (!udp->dgram_cksum)
		udp->dgram_cksum = 0xffff;
}

// From here on the packet has no link header and is the outer one.
static void wrap(struct worker *w, struct packet *p, const struct server_key *key,
    const struct hop *h, unsigned outer, unsigned middle)
{
	const struct tunnel *t = &key->tunnel;
	const struct inner in = read_inner(p);
	const uint8_t protocol = kinds[t->type].protocol ? kinds[t->type].protocol : in.protocol;
	const int more = (int)(outer + middle) - p->l2_bytes;
	p->m->data_off -= more;
	p->m->data_len += more;
	p->m->pkt_len += more;
	p->l2_bytes = 0;
	p->l3_bytes = in.bytes + outer + middle;
	uint8_t *l3 = packet_l3(p);
	if (key->v6)
		write_outer6(l3, p, &in, protocol, h->source, key->address);
	else
		write_outer4(w, l3, p, &in, protocol, h->source, key->address);
	if (t->type == TUNNEL_GUE)
		write_gue(l3 + outer, p, outer, &in, t);
	else if (t->type == TUNNEL_GRE)
		write_gre(l3 + outer, p, outer, t->checksum, p->v6);
}

static bool has_source(const struct hop *h, bool v6)
{
	return v6 ? load64(h->source) | load64(h->source + 8) : load32(h->source);
}

void send_tun(struct worker *w, const struct port *from, struct packet *p,
    const struct server_key *key, const struct hop *h, const uint8_t *source)
{
	const struct tunnel *t = &key->tunnel;
	const unsigned outer = key->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	const unsigned middle = kinds[t->type].bytes[t->checksum != TUNNEL_CHECKSUM_NONE];
	const unsigned mtu = h->mtu - outer - middle;
	if (likely(h->kind == HOP_SEND)) {
		if (unlikely(h->mtu < outer + middle + (key->v6 ? RTE_IPV6_MIN_MTU : 68))) {
			drop(w, p->m, DROP_tunnel_mtu);
			return;
		}
		if (unlikely(!has_source(h, key->v6))) {
			drop(w, p->m, DROP_no_source);
			return;
		}
	}
	if (!may_leave_within(w, from, p, h, mtu, source, p->v6))
		return;
	wrap(w, p, key, h, outer, middle);
	leave(w, p, h, key->v6);
}
