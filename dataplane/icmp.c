// SPDX-License-Identifier: BSD-3-Clause

// ICMP errors that the director makes itself (RFC 792, RFC 4443; RFC 1812 4.3.2 for what is never
// answered). They go back to the MAC address that the packet came from; to a client from the
// address it was for: it knows the director by its VIP.

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "checksum.h"
#include "stages.h"

// Of the packet an error is about, so much is quoted: to fill 576 bytes (RFC 1812), 1280 (RFC
// 4443).
#define QUOTE4_MAX (576 - 20 - 8)
#define QUOTE6_MAX (1280 - 40 - 8)

// The TOS of Linux's ICMP errors: internetwork control.
#define ICMP_TOS 0xc0

static const struct {
	uint8_t type4, code4, type6, code6;
} errors[] = {
	[ICMP_TIME_EXCEEDED] = { 11, 0, 3, 0 },
	[ICMP_TOO_BIG] = { 3, 4, 2, 0 },
	[ICMP_HOST_UNREACHABLE] = { 3, 1, 1, 3 },
	[ICMP_PORT_UNREACHABLE] = { 3, 3, 1, 4 },
};

static void write_icmp(uint8_t *icmp, uint8_t type, uint8_t code, uint32_t word)
{
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 4, &word, 4);
}

static void set_checksum(uint8_t *icmp, uint16_t sum)
{
	sum = ~sum;
	memcpy(icmp + 2, &sum, 2);
}

static void write_error4(struct worker *w, uint8_t *l3, const uint8_t *about, uint32_t quote,
    enum icmp_error e, uint16_t mtu, const uint8_t *source)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
	const struct rte_ipv4_hdr *old = (const struct rte_ipv4_hdr *)about;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = (old->type_of_service & 0x1e) | ICMP_TOS,
		.total_length = rte_cpu_to_be_16(20 + 8 + quote),
		.packet_id = rte_cpu_to_be_16(w->ip_id++),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = load32(source),
		.dst_addr = old->src_addr,
	};
	ip->hdr_checksum = ~ipv4_header_sum(l3, 5);
	uint8_t *icmp = l3 + 20;
	write_icmp(icmp, errors[e].type4, errors[e].code4, rte_cpu_to_be_32(mtu));
	memcpy(icmp + 8, about, quote);
	set_checksum(icmp, rte_raw_cksum(icmp, 8 + quote));
}

static void write_error6(uint8_t *l3, const uint8_t *about, uint32_t quote, enum icmp_error e,
    uint16_t mtu, const uint8_t *source)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
	const struct rte_ipv6_hdr *old = (const struct rte_ipv6_hdr *)about;
	*ip = (struct rte_ipv6_hdr){
		.vtc_flow = rte_cpu_to_be_32(6u << 28),
		.payload_len = rte_cpu_to_be_16(8 + quote),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = 64,
	};
	memcpy(ip->src_addr, source, 16);
	memcpy(ip->dst_addr, old->src_addr, 16);
	uint8_t *icmp = l3 + 40;
	write_icmp(icmp, errors[e].type6, errors[e].code6, rte_cpu_to_be_32(mtu));
	memcpy(icmp + 8, about, quote);
	uint64_t sum = rte_raw_cksum(icmp, 8 + quote);
	sum += rte_raw_cksum(ip->src_addr, 32);
	sum += rte_cpu_to_be_16(8 + quote) + (uint64_t)rte_cpu_to_be_16(IPPROTO_ICMPV6);
	set_checksum(icmp, checksum_fold(sum));
}

// Never about what was sent to many, nor to an address that is nobody's.
static bool may_answer(const struct packet *p, const struct rte_ether_hdr *eth)
{
	const uint8_t *src = p->addresses;
	if (rte_is_multicast_ether_addr(&eth->dst_addr) ||
	    rte_is_multicast_ether_addr(&eth->src_addr))
		return false;
	if (p->v6)
		return src[0] != 0xff && (load64(src) | load64(src + 8)) != 0;
	return src[0] != 0 && src[0] != 127 && src[0] < 224;
}

void icmp_refuse(struct worker *w, const struct port *port, struct packet *p, enum icmp_error e,
    uint16_t mtu, const uint8_t *source, enum drop_reason reason)
{
	static const uint8_t none[16];
	const unsigned address = p->v6 ? 16 : 4;
	bool silent = source && memcmp(source, none, address) == 0;
	if (!source)
		source = p->addresses + address;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	uint32_t l3 = p->v6 ? 40 : 20;
	uint32_t quote = RTE_MIN(p->l3_bytes, (uint32_t)p->m->data_len - p->l2_bytes);
	quote = RTE_MIN(quote, p->v6 ? (uint32_t)QUOTE6_MAX : QUOTE4_MAX);
	struct rte_mbuf *m = NULL;
	if (!silent && may_answer(p, eth) && rate_limit_take(&w->icmp_limit, w->now))
		m = rte_pktmbuf_alloc(port->pool);
	uint8_t *frame = m ? (uint8_t *)rte_pktmbuf_append(m, p->l2_bytes + l3 + 8 + quote) : NULL;
	if (frame) {
		memcpy(frame, eth, p->l2_bytes); // with its VLAN tag
		memcpy(frame, &eth->src_addr, RTE_ETHER_ADDR_LEN);
		memcpy(frame + RTE_ETHER_ADDR_LEN, &port->mac, RTE_ETHER_ADDR_LEN);
		if (p->v6)
			write_error6(frame + p->l2_bytes, packet_l3(p), quote, e, mtu, source);
		else
			write_error4(w, frame + p->l2_bytes, packet_l3(p), quote, e, mtu, source);
		w->counters.made++;
		tx(w, port->index, m);
	} else {
		rte_pktmbuf_free(m); // NULL is fine
	}
	drop(w, p->m, reason);
}
