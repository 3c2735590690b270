// SPDX-License-Identifier: BSD-3-Clause

#include "traffic.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <string.h>

#include "tests/lab/frame.h"

#define FRAME_MIN 60 // without the checksum at the end, which a NIC takes off

// IPv4 without options and IPv6 without extensions: the ports follow the addresses.
#define L3      sizeof(struct rte_ether_hdr)
#define ENDS_V4 (L3 + offsetof(struct rte_ipv4_hdr, src_addr))
#define ENDS_V6 (L3 + offsetof(struct rte_ipv6_hdr, src_addr))

void traffic_init(struct traffic *t, bool v6)
{
	struct frame f = frame_make(&(struct frame_spec){
	    .src = v6 ? "2001:db8:1::" : "10.0.0.0",
	    .dst = v6 ? TRAFFIC_VIP6 : TRAFFIC_VIP,
	    .dport = TRAFFIC_PORT,
	});
	*t = (struct traffic){
		.v6 = v6,
		.ends_at = v6 ? ENDS_V6 : ENDS_V4,
		.ends_bytes = v6 ? 36 : 12,
		.bytes = RTE_MAX(f.bytes, (size_t)FRAME_MIN),
	};
	memcpy(t->frame, f.data, f.bytes);
}

void traffic_request(const struct traffic *t, uint32_t flow, uint8_t *ends)
{
	// 256 ports a client, from 1024 on: 2^24 clients are behind the 32 bits of a flow's number.
	rte_be32_t client = rte_cpu_to_be_32((t->v6 ? 0 : RTE_IPV4(10, 0, 0, 0)) | flow >> 8);
	rte_be16_t port = rte_cpu_to_be_16(1024 + (flow & 0xff));
	memcpy(ends, t->frame + t->ends_at, t->ends_bytes);
	memcpy(ends + (t->v6 ? 12 : 0), &client, sizeof(client));
	memcpy(ends + t->ends_bytes - 4, &port, sizeof(port));
}

static struct rte_tcp_hdr *tcp_of(const struct traffic *t, uint8_t *frame)
{
	return (struct rte_tcp_hdr *)(frame + t->ends_at + t->ends_bytes - 4);
}

uint32_t traffic_answer(const struct traffic *t, const struct rte_mbuf *m, uint8_t *ends)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	const uint8_t *from = frame + t->ends_at;
	unsigned address = t->ends_bytes / 2 - 2, ports = 2 * address;
	memcpy(ends, from + address, address);
	memcpy(ends + address, from, address);
	memcpy(ends + ports, from + ports + 2, 2);
	memcpy(ends + ports + 2, from + ports, 2);
	return rte_be_to_cpu_32(tcp_of(t, frame)->sent_seq);
}

void traffic_put(const struct traffic *t, struct rte_mbuf *m, uint32_t flow, const uint8_t *ends,
    uint8_t tcp_flags)
{
	rte_pktmbuf_reset(m);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, t->bytes);
	memcpy(frame, t->frame, t->bytes);
	memcpy(frame + t->ends_at, ends, t->ends_bytes);
	if (!t->v6) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + L3);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	// TCP's own checksum is not made right: a director behind a NIC does not read it. The
	// sequence number tells the flow of what leaves, which has other ends than what came.
	struct rte_tcp_hdr *tcp = tcp_of(t, frame);
	tcp->sent_seq = rte_cpu_to_be_32(flow);
	tcp->tcp_flags = tcp_flags;
}
