// SPDX-License-Identifier: BSD-3-Clause

#include "nat.h"

#include <netinet/in.h>

#include "sum.h"

// After the rewrite, over all of the datagram.
static void complete_udp_checksum(struct packet *p, uint8_t *field)
{
	uint32_t l4 = p->ports - rte_pktmbuf_mtod(p->m, const uint8_t *);
	uint32_t bytes = p->l2_bytes + p->l3_bytes - l4;
	uint16_t raw;
	if (mbuf_sum(p->m, l4, bytes, &raw))
		return;
	uint64_t sum = raw + checksum_words(p->addresses, p->v6 ? 32 : 8) +
	               (uint64_t)rte_cpu_to_be_16(IPPROTO_UDP) + rte_cpu_to_be_16(bytes);
	uint16_t value = ~checksum_fold(sum);
	value = value ? value : 0xffff;
	memcpy(field, &value, 2);
}

// What sums were and are, of addresses alone and of ports.
struct change {
	uint64_t was, is;
	uint32_t was_ports, is_ports;
};

static void set_end(
    struct packet *p, unsigned end, const void *address, uint16_t port, bool v6, struct change *c)
{
	unsigned bytes = v6 ? 16 : 4;
	uint8_t *old_address = (uint8_t *)p->addresses + end * bytes;
	uint8_t *old_port = (uint8_t *)p->ports + end * 2;
	uint16_t was_port;
	memcpy(&was_port, old_port, 2);
	c->was += checksum_words(old_address, bytes);
	c->is += checksum_words(address, bytes);
	c->was_ports += was_port;
	c->is_ports += port;
	memcpy(old_address, address, bytes);
	memcpy(old_port, &port, 2);
}

static void mend_checksums(struct packet *p, bool v6, const struct change *c)
{
	uint8_t *field = (uint8_t *)p->ports + (p->protocol == IPPROTO_TCP ? 16 : 6);
	uint16_t value;
	memcpy(&value, field, 2);
	if (!v6) // its checksum stands before the addresses
		checksum_adjust((uint8_t *)p->addresses - 2, c->was, c->is);
	if (p->protocol == IPPROTO_TCP) {
		checksum_adjust(field, c->was + c->was_ports, c->is + c->is_ports);
	} else if (value) {
		checksum_adjust(field, c->was + c->was_ports, c->is + c->is_ports);
		memcpy(&value, field, 2);
		value = value ? value : 0xffff;
		memcpy(field, &value, 2);
	} else if (!p->fragment) { // the datagram is not all here; none is good as well
		complete_udp_checksum(p, field);
	}
}

void nat_rewrite(struct packet *p, unsigned end, const void *address, uint16_t port, bool v6)
{
	struct change c = {};
	set_end(p, end, address, port, v6, &c);
	mend_checksums(p, v6, &c);
}

void nat_rewrite_both(
    struct packet *p, const void *src, uint16_t sport, const void *dst, uint16_t dport, bool v6)
{
	struct change c = {};
	set_end(p, 0, src, sport, v6, &c);
	set_end(p, 1, dst, dport, v6, &c);
	mend_checksums(p, v6, &c);
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
