// SPDX-License-Identifier: BSD-3-Clause

// Ageing: connections whose time has come leave the table and their server's books.

#include <rte_prefetch.h>

#include "conf/conf.h"
#include "stages.h"

void conn_delete(struct worker *w, struct conn_table *t, struct conn *c)
{
	uint32_t record = conn_number(t, c);
	struct real_server *s = &w->servers[c->server];
	if (c->flags & CONN_INACTIVE)
		s->inactive--;
	else
		s->active--;
	conn_table_remove(t, conn_hash(t, c, false), record);
	if (c->flags & CONN_BOTH_WAYS)
		conn_table_remove(t, conn_hash(t, c, true), record | ENTRY_REPLY);
	conn_table_free(t, record);
}

static unsigned expire_chunk(struct worker *w, struct conn_table *t)
{
	uint32_t items[WHEEL_CHUNK_ITEMS];
	uint16_t slot;
	unsigned n = wheel_take(&t->wheel, w->now, items, &slot);
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(conn_at(t, items[i]));
	for (unsigned i = 0; i < n; i++) {
		if (conn_table_look(t, items[i], slot, w->now))
			conn_delete(w, t, conn_at(t, items[i]));
	}
	return n;
}

unsigned expire(struct worker *w, unsigned chunks)
{
	unsigned n = 0;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct conn_table *t = &w->conns[v6];
		for (unsigned i = 0; i < chunks && wheel_due(&t->wheel, w->now); i++)
			n += expire_chunk(w, t);
	}
	return n;
}
