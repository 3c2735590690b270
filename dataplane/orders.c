// SPDX-License-Identifier: BSD-3-Clause

#include "orders.h"

#include <stddef.h>

#include "conf/conf.h"

// Records looked at in one loop: 16 KiB of IPv4, a few microseconds.
#define CONNECTIONS_SLICE 256

#define order_of(m, type) ((struct type *)((char *)(m)-offsetof(struct type, mail)))

enum mail_result order_service_add_run(struct worker *w, struct mail *m)
{
	service_table_add(w->services, order_of(m, order_service_add)->service);
	return MAIL_DONE;
}

enum mail_result order_service_delete_run(struct worker *w, struct mail *m)
{
	service_table_remove(w->services, order_of(m, order_service_delete)->service);
	return MAIL_DONE;
}

enum mail_result order_list_run(struct worker *w, struct mail *m)
{
	struct order_list *o = order_of(m, order_list);
	struct service *s = o->service;
	if (o->list) {
		struct sched_list *old = s->list;
		s->list = o->list;
		o->list = old;
	}
	s->nat |= o->nat;
	if (o->scheduler) {
		s->scheduler = o->scheduler;
		s->staggered = false;
		s->scheduler->init(&s->state, s->list);
	} else {
		s->scheduler->changed(&s->state, s->list, o->change, o->position);
	}
	return MAIL_DONE;
}

enum mail_result order_server_run(struct worker *w, struct mail *m)
{
	const struct order_server *o = order_of(m, order_server);
	struct real_server *s = &w->servers[o->id];
	if (o->fresh)
		*s = (struct real_server){};
	s->service = o->service;
	s->hop = o->hop;
	s->available = o->available;
	s->forward = o->forward;
	server_table_set(w->server_table, o->id, &o->key,
	    o->forward == FORWARD_NAT       ? SERVER_NAT
	    : o->forward == FORWARD_FULLNAT ? SERVER_FULLNAT
	                                    : 0);
	return MAIL_DONE;
}

enum mail_result order_local_run(struct worker *w, struct mail *m)
{
	struct order_local *o = order_of(m, order_local);
	struct local_pool *old = o->service->local;
	o->service->local = o->local;
	o->service->tells = o->tells;
	o->service->toa_kind = o->toa_kind;
	o->local = old;
	return MAIL_DONE;
}

enum mail_result order_hop_run(struct worker *w, struct mail *m)
{
	const struct order_hop *o = order_of(m, order_hop);
	w->hops[o->id] = o->hop;
	return MAIL_DONE;
}

enum mail_result order_settings_run(struct worker *w, struct mail *m)
{
	const struct order_settings *o = order_of(m, order_settings);
	w->timeouts = o->timeouts;
	rate_limit_set(&w->punt_limit, o->punt_per_s, w->now);
	rate_limit_set(&w->icmp_limit, o->icmp_per_s, w->now);
	return MAIL_DONE;
}

enum mail_result order_grant_run(struct worker *w, struct mail *m)
{
	const struct order_grant *o = order_of(m, order_grant);
	conn_table_grant(&w->conns[o->v6], o->records);
	return MAIL_DONE;
}

enum mail_result order_connections_run(struct worker *w, struct mail *m)
{
	struct order_connections *o = order_of(m, order_connections);
	const struct conn_table *t = &w->conns[o->v6];
	uint32_t end = RTE_MIN(o->next + CONNECTIONS_SLICE, t->high);
	o->now = w->now;
	while (o->next < end && o->n < o->max) {
		const struct conn *c = conn_at(t, o->next++);
		if (!(c->flags & CONN_IN_USE) ||
		    (o->server != SERVER_NONE && c->server != o->server))
			continue;
		memcpy(&o->copies[o->n++], c, (size_t)1 << t->shift);
	}
	if (o->next >= t->high) {
		o->next = CONN_NONE;
		return MAIL_DONE;
	}
	return o->n < o->max ? MAIL_AGAIN : MAIL_DONE;
}
