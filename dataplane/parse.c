// SPDX-License-Identifier: BSD-3-Clause

// Stage 1: headers. What comes out is well-formed TCP, UDP and ICMP addressed to this port;
// everything else is dropped by name or is the kernel's.

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "checksum.h"
#include "ipv6.h"
#include "stages.h"
#include "sum.h"

// What becomes of a packet: a drop reason, or one of these.
enum { TO_FRAGMENTS = -4, TO_ICMP = -3, TO_LOOKUP = -2, TO_KERNEL = -1 };

static bool is_l4(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static int parse_l4(struct packet *p, const uint8_t *l4, uint32_t room)
{
	if (p->protocol == IPPROTO_TCP) {
		if (room < sizeof(struct rte_tcp_hdr))
			return DROP_short_l4;
		p->tcp_flags = ((const struct rte_tcp_hdr *)l4)->tcp_flags & 0x1f;
	} else if (p->protocol == IPPROTO_UDP) {
		if (room < sizeof(struct rte_udp_hdr))
			return DROP_short_l4;
		p->tcp_flags = 0;
	} else if (p->protocol == (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		p->ports = l4;
		return room < 8 ? TO_KERNEL : TO_ICMP;
	} else {
		return TO_KERNEL;
	}
	p->ports = l4;
	return TO_LOOKUP;
}

// `offset` of the fragment in bytes. The first one has the ports, and all of the L4 header.
static int parse_fragment(struct packet *p, const uint8_t *l4, uint32_t room, uint32_t offset)
{
	static const uint32_t headers[] = { [IPPROTO_TCP] = 16, [IPPROTO_UDP] = 8 };
	if (!is_l4(p->protocol))
		return TO_KERNEL;
	p->ports = l4;
	if (offset == 0) {
		p->fragment = FRAGMENT_FIRST;
		return parse_l4(p, l4, room);
	}
	p->fragment = FRAGMENT_LATER;
	return offset < headers[p->protocol] ? DROP_fragment_overlap : TO_FRAGMENTS;
}

// `room`: bytes of the IP packet in the first segment; `total`: in all of the frame.
static int parse_ipv4(
    struct worker *w, struct packet *p, const uint8_t *l3, uint32_t room, uint32_t total)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
	if (room < sizeof(*ip))
		return DROP_bad_ip_header;
	uint32_t header = (ip->version_ihl & 0xf) * 4;
	uint32_t length = rte_be_to_cpu_16(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip) || header > room || length < header)
		return DROP_bad_ip_header;
	if (ipv4_header_sum(l3, header / 4) != 0xffff)
		return DROP_bad_ip_checksum;
	if (length > total)
		return DROP_truncated;
	p->l3_bytes = length;
	p->addresses = (const uint8_t *)&ip->src_addr;
	p->protocol = ip->next_proto_id;
	p->v6 = false;
	p->options = header > sizeof(*ip);
	room = RTE_MIN(room, length) - header;
	uint16_t fragment = rte_be_to_cpu_16(ip->fragment_offset);
	if (unlikely(fragment & (RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG))) {
		p->fragment_id = ip->packet_id;
		return parse_fragment(
		    p, l3 + header, room, (fragment & RTE_IPV4_HDR_OFFSET_MASK) * 8);
	}
	return parse_l4(p, l3 + header, room);
}

static int parse_ipv6(
    struct worker *w, struct packet *p, const uint8_t *l3, uint32_t room, uint32_t total)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;
	if (room < sizeof(*ip) || l3[0] >> 4 != 6)
		return DROP_bad_ip_header;
	uint32_t length = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (length > UINT16_MAX)
		return DROP_bad_ip_header;
	if (length > total)
		return DROP_truncated;
	p->l3_bytes = length;
	p->addresses = ip->src_addr;
	p->v6 = true;
	p->options = false;
	room = RTE_MIN(room, length);

	const uint8_t *fragment;
	int l4 = ipv6_skip_headers(l3, room, &p->protocol, &fragment);
	if (l4 < 0)
		return l4 == IPV6_TOO_MANY ? DROP_too_many_headers : DROP_bad_ip_header;
	if (unlikely(fragment != NULL)) {
		p->fragment_id = load32(fragment + 4);
		return parse_fragment(
		    p, l3 + l4, room - l4, (fragment[2] << 8 | fragment[3]) & 0xfff8);
	}
	return parse_l4(p, l3 + l4, room - l4);
}

static uint16_t pseudo_header_sum(const struct packet *p, uint32_t l4_bytes)
{
	uint64_t sum = rte_cpu_to_be_16(p->protocol) + (uint64_t)rte_cpu_to_be_16(l4_bytes);
	for (unsigned i = 0; i < (p->v6 ? 8 : 2); i++)
		sum += load32(p->addresses + 4 * i);
	return checksum_fold(sum);
}

// A software interface hands on what its sender left to a NIC: a checksum field that holds only the
// pseudo-header's sum. The checksum is finished here. (A complete checksum has that value
// once in 65536 times; finishing it again changes nothing.)
static void mend_checksum(struct worker *w, const struct port *port, struct packet *p)
{
	uint32_t l4 = p->ports - rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint8_t *field = (uint8_t *)p->ports + (p->protocol == IPPROTO_TCP ? 16 : 6);
	uint16_t value;
	memcpy(&value, field, 2);
	if (value == 0 || value != pseudo_header_sum(p, p->l2_bytes + p->l3_bytes - l4))
		return;
	memset(field, 0, 2);
	// The library wants the L4 length from the header before it; extension headers would
	// count, so the sum is taken over the mbuf and the pseudo-header added.
	uint16_t raw;
	if (mbuf_sum(p->m, l4, p->l2_bytes + p->l3_bytes - l4, &raw))
		return;
	uint16_t sum = ~checksum_fold((uint64_t)raw + value);
	if (sum == 0 && p->protocol == IPPROTO_UDP)
		sum = 0xffff;
	memcpy(field, &sum, 2);
	w->ports[port->index].mended++;
}

// Ethernet pads short frames; what leaves again is the IP packet alone.
static void trim(struct packet *p)
{
	uint32_t want = p->l2_bytes + p->l3_bytes;
	if (p->m->nb_segs == 1 && p->m->pkt_len > want)
		p->m->pkt_len = p->m->data_len = want;
}

static int parse_frame(struct worker *w, const struct port *port, struct packet *p)
{
	struct rte_mbuf *m = p->m;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	if (m->data_len < sizeof(*eth))
		return DROP_short_frame;
	if (!rte_is_same_ether_addr(&eth->dst_addr, &port->mac))
		return rte_is_multicast_ether_addr(&eth->dst_addr) ? TO_KERNEL : DROP_other_host;

	rte_be16_t type = eth->ether_type;
	p->l2_bytes = sizeof(*eth);
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *vlan = (const struct rte_vlan_hdr *)(eth + 1);
		if (m->data_len < sizeof(*eth) + sizeof(*vlan))
			return DROP_short_frame;
		type = vlan->eth_proto;
		p->l2_bytes += sizeof(*vlan);
	}
	uint32_t room = m->data_len - p->l2_bytes, total = m->pkt_len - p->l2_bytes;
	int verdict;
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		verdict = parse_ipv4(w, p, packet_l3(p), room, total);
	else if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6))
		verdict = parse_ipv6(w, p, packet_l3(p), room, total);
	else
		return TO_KERNEL;
	if (verdict == TO_LOOKUP || verdict == TO_ICMP || verdict == TO_FRAGMENTS)
		trim(p);
	if (verdict == TO_LOOKUP && port->software && !p->fragment)
		mend_checksum(w, port, p);
	return verdict;
}

// To the worker whose matter its datagram is. True: it is gone.
static bool send_home(struct worker *w, const struct burst *b, const struct packet *p)
{
	if (w->n_workers == 1 || b->visited & FRAGMENT_SETTLED)
		return false;
	unsigned home = fragment_owner(w, p);
	if (home == w->index)
		return false;
	hand_over(w, b->port, p->m, home, b->visited | FRAGMENT_SETTLED);
	return true;
}

void parse(struct worker *w, struct burst *b, struct rte_mbuf **m, uint16_t n)
{
	const struct port *port = b->port;
	b->parsed[0].n = b->parsed[1].n = b->icmp.n = b->fragments.n = 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct packet *p = &b->all[i];
		p->m = m[i];
		p->fragment = FRAGMENT_NONE;
		int verdict = parse_frame(w, port, p);
		if (unlikely(p->fragment && (verdict == TO_LOOKUP || verdict == TO_FRAGMENTS) &&
		             send_home(w, b, p)))
			continue;
		if (likely(verdict == TO_LOOKUP)) {
			packets_add(&b->parsed[p->v6], p);
		} else if (verdict == TO_ICMP) {
			packets_add(&b->icmp, p);
		} else if (verdict == TO_FRAGMENTS) {
			packets_add(&b->fragments, p);
		} else if (verdict == TO_KERNEL) {
			punt(w, port, p->m);
		} else {
			if (verdict == DROP_truncated)
				w->ports[port->index].truncated++;
			drop(w, p->m, verdict);
		}
	}
}
