// SPDX-License-Identifier: BSD-3-Clause

#include "traffic.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <string.h>

#include "tests/lab/frame.h"

#define FRAME_MIN 60 // without the checksum at the end, which a NIC takes off

void traffic_init(struct traffic *t, bool v6, uint8_t tcp_flags)
{
	struct frame f = frame_make(&(struct frame_spec){
	    .src = v6 ? "2001:db8:1::" : "10.0.0.0",
	    .dst = v6 ? TRAFFIC_VIP6 : TRAFFIC_VIP,
	    .dport = TRAFFIC_PORT,
	    .tcp_flags = tcp_flags,
	});
	*t = (struct traffic){ .v6 = v6, .bytes = RTE_MAX(f.bytes, (size_t)FRAME_MIN) };
	memcpy(t->frame, f.data, f.bytes);
}

// 256 ports a client, from 1024 on: 2^24 clients are behind the 32 bits of a flow's number.
static rte_be32_t client(uint32_t flow, uint32_t network)
{
	return rte_cpu_to_be_32(network | flow >> 8);
}

static void put_source(const struct traffic *t, uint8_t *l3, uint32_t flow)
{
	struct rte_tcp_hdr *tcp;
	if (t->v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
		rte_be32_t last = client(flow, 0);
		memcpy(ip->src_addr + 12, &last, sizeof(last));
		tcp = (struct rte_tcp_hdr *)(ip + 1);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		ip->src_addr = client(flow, RTE_IPV4(10, 0, 0, 0));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		tcp = (struct rte_tcp_hdr *)(ip + 1);
	}
	// TCP's own checksum is not made right: a director behind a NIC does not read it.
	tcp->src_port = rte_cpu_to_be_16(1024 + (flow & 0xff));
}

void traffic_put(const struct traffic *t, struct rte_mbuf *m, uint32_t flow)
{
	rte_pktmbuf_reset(m);
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, t->bytes);
	memcpy(frame, t->frame, t->bytes);
	put_source(t, frame + sizeof(struct rte_ether_hdr), flow);
}
