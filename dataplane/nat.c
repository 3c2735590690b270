// SPDX-License-Identifier: BSD-3-Clause

#include "nat.h"

#include <netinet/in.h>

// After the rewrite, over all of the datagram.
static void complete_udp_checksum(struct packet *p, uint8_t *field)
{
	uint32_t l4 = p->ports - rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint32_t bytes = p->l2_bytes + p->l3_bytes - l4;
	uint16_t raw;
	if (rte_raw_cksum_mbuf(p->m, l4, bytes, &raw))
		return;
	uint64_t sum = raw + checksum_words(p->addresses, p->v6 ? 32 : 8) +
	               (uint64_t)rte_cpu_to_be_16(IPPROTO_UDP) + rte_cpu_to_be_16(bytes);
	uint16_t value = ~checksum_fold(sum);
	value = value ? value : 0xffff;
	memcpy(field, &value, 2);
}

void nat_rewrite(struct packet *p, unsigned end, const void *address, uint16_t port, bool v6)
{
	unsigned bytes = v6 ? 16 : 4;
	uint8_t *old_address = (uint8_t *)p->addresses + end * bytes;
	uint8_t *old_port = (uint8_t *)p->ports + end * 2;
	uint8_t *field = (uint8_t *)p->ports + (p->protocol == IPPROTO_TCP ? 16 : 6);
	uint16_t was_port, value;
	memcpy(&was_port, old_port, 2);
	memcpy(&value, field, 2);
	uint64_t was = checksum_words(old_address, bytes), is = checksum_words(address, bytes);

	if (!v6) // its checksum stands before the addresses
		checksum_adjust((uint8_t *)p->addresses - 2, was, is);
	memcpy(old_address, address, bytes);
	memcpy(old_port, &port, 2);
	if (p->protocol == IPPROTO_TCP) {
		checksum_adjust(field, was + was_port, is + port);
	} else if (value) {
		checksum_adjust(field, was + was_port, is + port);
		memcpy(&value, field, 2);
		value = value ? value : 0xffff;
		memcpy(field, &value, 2);
	} else {
		complete_udp_checksum(p, field);
	}
}

// ---- the client ----

void nat_client_seen(struct conn *c, const struct packet *p, const struct port *port)
{
	const uint8_t *eth = rte_pktmbuf_mtod(p->m, const uint8_t *);
	memcpy(c->client_mac, eth + 6, 6);
	c->client_vlan = 0;
	if (p->l2_bytes > 14)
		memcpy(&c->client_vlan, eth + 14, 2);
	c->client_port = port->index;
}

void nat_client_hop(const struct worker *w, const struct conn *c, struct hop *out)
{
	static const uint8_t tpid[2] = { 0x81, 0x00 };
	const struct port *port = w->tx[c->client_port].port;
	out->kind = HOP_SEND;
	out->port = c->client_port;
	out->mtu = port->mtu;
	memcpy(out->header, c->client_mac, 6);
	memcpy(out->header + 6, &port->mac, 6);
	out->header_bytes = c->client_vlan ? 16 : 12;
	memcpy(out->header + 12, tpid, 2);
	memcpy(out->header + 14, &c->client_vlan, 2);
}
