// SPDX-License-Identifier: BSD-3-Clause

#include "fullnat.h"

#include <rte_common.h>

#include "rss.h"

// With nine ports of ten in use by chance, one connection in 850 finds none free among so many.
#define TRIES 64

// The first of them must fit the NIC's hash as well.
#define TRIES_BY_HASH 40

// Bits of a port that hold the worker's number.
static unsigned worker_bits(const struct worker *w)
{
	return w->n_workers > 1 ? 32 - __builtin_clz(w->n_workers - 1) : 0;
}

unsigned fullnat_owner(const struct worker *w, const uint8_t *port)
{
	unsigned owner = port[1] & ((1u << worker_bits(w)) - 1);
	return owner < w->n_workers ? owner : w->index; // else it is nobody's
}

static void address_at(const struct local_pool *pool, uint32_t i, uint8_t *address, bool v6)
{
	const struct local_range *r = pool->ranges;
	while (i >= r->n)
		i -= r++->n;
	unsigned bytes = v6 ? 16 : 4;
	memcpy(address, r->first, bytes);
	uint32_t low;
	memcpy(&low, address + bytes - 4, 4);
	low = rte_cpu_to_be_32(rte_be_to_cpu_32(low) + i);
	memcpy(address + bytes - 4, &low, 4);
}

// The next candidate: all addresses with one port, then the next port.
static void advance(struct real_server *s, const struct local_pool *pool, uint32_t ports)
{
	if (++s->local_address < pool->n)
		return;
	s->local_address = 0;
	if (++s->local_port >= ports)
		s->local_port = 0;
}

bool fullnat_choose(struct worker *w, const struct local_pool *pool, struct real_server *s,
    uint8_t protocol, void *out, bool v6)
{
	const struct conn_table *t = &w->conns[v6];
	const unsigned bits = worker_bits(w);
	const uint32_t ports = (65536 - LOCAL_PORT_FIRST) >> bits;
	uint8_t *addresses = out, *dst = addresses + (v6 ? 16 : 4), *pair = dst + (v6 ? 16 : 4);
	const struct port *back = w->tx[w->hops[s->hop].port].port; // where answers come in
	const struct rss *rss = back ? back->rss : NULL;
	if (!pool || pool->n == 0)
		return false;
	if (s->local_address >= pool->n) // there were more of them
		s->local_address = 0;
	for (unsigned i = 0; i < TRIES; i++) {
		uint16_t port = rte_cpu_to_be_16(
		    LOCAL_PORT_FIRST + ((uint32_t)s->local_port << bits | w->index));
		address_at(pool, s->local_address, dst, v6);
		memcpy(pair + 2, &port, 2);
		advance(s, pool, ports);
		if (rss && i < TRIES_BY_HASH &&
		    rss_worker(rss, addresses, pair, protocol, v6) != w->index)
			continue;
		uint64_t hash = tuple_hash(t, addresses, pair, protocol, v6);
		if (conn_table_find(t, hash, addresses, pair, protocol, v6) == CONN_NONE)
			return true;
	}
	return false;
}
