// SPDX-License-Identifier: BSD-3-Clause

// The model's mail to the workers.

#include <stdlib.h>
#include <string.h>
#include <err.h>

#include "dataplane/fullnat.h"
#include "model_private.h"

// An order in its envelope. Running out of memory for a few bytes leaves no way to keep the workers
// in step with the model.
static void *order(size_t bytes)
{
	void *o = calloc(1, bytes);
	if (!o)
		err(1, "no memory for an order to a worker");
	return o;
}

// Every order begins with its mail.
static void free_order(struct mail *m)
{
	free(m);
}

static void send_order(struct model *m, unsigned worker, struct mail *mail,
    enum mail_result (*run)(struct worker *, struct mail *), void (*back)(struct mail *))
{
	mail->run = run;
	mail->back = back;
	crew_send(m->o.crew, worker, mail);
}

int model_tell_service(struct model *m, struct model_service *ms)
{
	struct service_key key = {
		.port = htons(ms->conf.port),
		.protocol = ms->conf.protocol,
		.v6 = ms->conf.address.family == AF_INET6,
	};
	memcpy(key.address, ms->conf.address.bytes, key.v6 ? 16 : 4);
	uint32_t id = m->next_service++;
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct service *s = order(sizeof(*s));
		struct order_service_add *o = order(sizeof(*o));
		s->key = key;
		s->id = id;
		s->scheduler = ms->scheduler;
		s->list = order(sizeof(struct sched_list));
		s->scheduler->init(&s->state, s->list);
		o->service = ms->service[k] = s;
		send_order(m, k, &o->mail, order_service_add_run, free_order);
	}
	return 0;
}

static void service_back(struct mail *mail)
{
	struct order_service_delete *o = (struct order_service_delete *)mail;
	free(o->service->list);
	free(o->service->local);
	free(o->service);
	free(o);
}

void model_tell_service_gone(struct model *m, struct model_service *ms)
{
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_service_delete *o = order(sizeof(*o));
		o->service = ms->service[k];
		send_order(m, k, &o->mail, order_service_delete_run, service_back);
	}
}

static void list_back(struct mail *mail)
{
	struct order_list *o = (struct order_list *)mail;
	free(o->list); // the one before
	free(o);
}

void model_tell_list(struct model *m, struct model_service *ms, const struct sched_ops *restart,
    enum sched_change change, uint32_t position)
{
	size_t bytes = sizeof(struct sched_list) + ms->n_servers * sizeof(struct sched_server);
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_list *o = order(sizeof(*o));
		o->service = ms->service[k];
		o->scheduler = restart;
		o->change = change;
		o->position = position;
		o->list = order(bytes);
		const struct model_server *s;
		TAILQ_FOREACH(s, &ms->servers, entry) {
			o->nat |= s->conf.forward == FORWARD_NAT;
			o->list->servers[o->list->n++] = (struct sched_server){ .id = s->id,
				.weight = s->conf.weight };
		}
		send_order(m, k, &o->mail, order_list_run, list_back);
	}
}

void model_tell_server(struct model *m, const struct model_service *ms, const struct conf_server *s,
    const struct model_hop *h, struct server_news news)
{
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_server *o = order(sizeof(*o));
		o->id = news.id;
		o->service = news.counts ? ms->service[k] : NULL;
		o->hop = h->id;
		o->available = news.alive;
		o->fresh = news.fresh;
		o->forward = s->forward;
		o->key.port = htons(s->port);
		o->key.protocol = ms->conf.protocol;
		o->key.v6 = s->address.family == AF_INET6;
		o->key.tunnel = (struct tunnel){ htons(s->tunnel.port), s->tunnel.type,
			s->tunnel.checksum };
		memcpy(o->key.address, s->address.bytes, o->key.v6 ? 16 : 4);
		send_order(m, k, &o->mail, order_server_run, free_order);
	}
}

static void local_back(struct mail *mail)
{
	struct order_local *o = (struct order_local *)mail;
	free(o->local); // the one before
	free(o);
}

// Those of the service's family.
static struct local_pool *local_pool(const struct conf_service *s)
{
	struct local_pool *p = order(sizeof(*p) + s->local.n * sizeof(struct local_range));
	for (unsigned i = 0; i < s->local.n; i++) {
		const struct conf_range *r = &s->local.ranges[i];
		if (r->first.family != s->address.family)
			continue;
		struct local_range *to = &p->ranges[p->n_ranges++];
		memcpy(to->first, r->first.bytes, sizeof(to->first));
		to->n = r->n;
		p->n += r->n;
	}
	return p;
}

void model_tell_local(struct model *m, struct model_service *ms)
{
	static const uint16_t tells[] = {
		[CONF_CLIENT_TOA] = CONN_TOA,
		[CONF_CLIENT_PROXY_V2] = CONN_PROXY,
	};
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_local *o = order(sizeof(*o));
		o->service = ms->service[k];
		o->local = local_pool(&ms->conf);
		o->tells = tells[ms->conf.client_address];
		o->toa_kind = ms->conf.toa_kind;
		send_order(m, k, &o->mail, order_local_run, local_back);
	}
}

void model_tell_hop(struct model *m, const struct model_hop *h)
{
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_hop *o = order(sizeof(*o));
		o->id = h->id;
		o->hop = h->hop;
		send_order(m, k, &o->mail, order_hop_run, free_order);
	}
}

void model_tell_settings(struct model *m, const struct order_settings *settings)
{
	for (unsigned k = 0; k < m->o.crew->n; k++) {
		struct order_settings *o = order(sizeof(*o));
		*o = *settings;
		send_order(m, k, &o->mail, order_settings_run, free_order);
	}
}
