// SPDX-License-Identifier: BSD-3-Clause

// Stage 2: has the packet a connection? Three passes over the burst, so that the cache misses of
// all packets overlap: hash and prefetch the bucket; compare signatures and prefetch the record;
// compare the tuple.

#include <rte_prefetch.h>

#include "stages.h"

static __rte_always_inline void lookup_family(struct worker *w, struct packets *in,
    struct packets *known, struct packets *fresh, const bool v6)
{
	const struct conn_table *t = &w->conns[v6];
	const struct bucket *buckets[BURST_MAX];
	uint32_t likely_entry[BURST_MAX]; // the first whose signature is right

	for (uint16_t i = 0; i < in->n; i++) {
		struct packet *p = in->p[i];
		p->hash = tuple_hash(t, p->addresses, p->ports, p->protocol, v6);
		buckets[i] = bucket_of(t, p->hash);
		rte_prefetch0(buckets[i]);
	}
	for (uint16_t i = 0; i < in->n; i++) {
		uint32_t m = bucket_match(buckets[i], hash_signature(in->p[i]->hash));
		likely_entry[i] = m ? buckets[i]->entry[__builtin_ctz(m)] - 1 : CONN_NONE;
		if (likely_entry[i] != CONN_NONE) {
			const struct conn *c = conn_at(t, likely_entry[i] & ~ENTRY_REPLY);
			rte_prefetch0(c);
			if (v6)
				rte_prefetch0((const uint8_t *)c + RTE_CACHE_LINE_SIZE);
		}
	}
	known->n = fresh->n = 0;
	for (uint16_t i = 0; i < in->n; i++) {
		struct packet *p = in->p[i];
		uint32_t e = likely_entry[i];
		if (unlikely(e == CONN_NONE ||
		             !entry_matches(t, e, p->addresses, p->ports, p->protocol, v6)))
			e = conn_table_find(t, p->hash, p->addresses, p->ports, p->protocol, v6);
		if (e != CONN_NONE) {
			p->record = e & ~ENTRY_REPLY;
			p->reply = e & ENTRY_REPLY;
			packets_add(known, p);
		} else {
			packets_add(fresh, p);
		}
	}
}

void lookup(struct worker *w, struct burst *b)
{
	lookup_family(w, &b->parsed[0], &b->known[0], &b->fresh[0], false);
	lookup_family(w, &b->parsed[1], &b->known[1], &b->fresh[1], true);
}
