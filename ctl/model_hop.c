// SPDX-License-Identifier: BSD-3-Clause

// Next hops: one for each address of a real server, kept as the kernel mirror says.

#include <stdlib.h>
#include <string.h>

#include "model_private.h"

static int hop_compare(const struct model_hop *a, const struct model_hop *b)
{
	return ip_addr_compare(&a->address, &b->address);
}
TREE_GENERATE(model_hop_tree, model_hop, entry, hop_compare)

// What the mirror knows, as the workers need it.
static struct hop from_answer(const struct model *m, const struct mirror_answer *a)
{
	struct hop h = { .kind = HOP_DOWN };
	if (a->state == HOP_LOCAL) {
		h.kind = HOP_TO_KERNEL;
	} else if (a->state != HOP_NO_ROUTE && a->port >= 0) {
		const struct model_port *port = &m->o.ports[a->port];
		h.kind = a->has_mac ? HOP_SEND : HOP_NO_MAC;
		h.port = a->port;
		h.mtu = a->mtu && a->mtu < port->mtu ? a->mtu : port->mtu;
		h.header_bytes = 12;
		memcpy(h.header, a->mac, 6);
		memcpy(h.header + 6, port->mac, 6);
		if (a->vlan) {
			h.header_bytes = 16;
			h.header[12] = 0x81; // 802.1Q
			h.header[14] = a->vlan >> 8;
			h.header[15] = a->vlan;
		}
		memcpy(h.source, a->source.bytes, a->source.family == AF_INET6 ? 16 : 4);
	}
	return h;
}

static void hop_changed(struct mirror_hop *mh, const struct mirror_answer *a, void *arg)
{
	struct model_hop *h = arg;
	struct hop now = from_answer(h->model, a);
	if (memcmp(&now, &h->hop, sizeof(now)) == 0)
		return;
	h->hop = now;
	model_tell_hop(h->model, h);
}

// Numbers go round, so that one given back is not taken again at once.
static int new_id(struct model *m)
{
	for (unsigned tries = 0; tries < HOPS_MAX; tries++) {
		uint16_t id = m->next_hop++;
		if (!m->hop_used[id] && crew_reach_hop(m->o.crew, id) == 0) {
			m->hop_used[id] = true;
			return id;
		}
	}
	return -1;
}

struct model_hop *model_hop_get(struct model *m, const struct ip_addr *a)
{
	struct model_hop key = { .address = *a };
	struct model_hop *h = RB_FIND(model_hop_tree, &m->hops, &key);
	if (h) {
		h->refs++;
		return h;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	int id = new_id(m);
	if (id < 0) {
		free(h);
		return NULL;
	}
	h->address = *a;
	h->model = m;
	h->id = id;
	h->refs = 1;
	h->hop.kind = HOP_DOWN;
	model_tell_hop(m, h);
	if (m->o.mirror && mirror_hop_new(m->o.mirror, a, hop_changed, h, &h->mirror) < 0) {
		m->hop_used[id] = false;
		free(h);
		return NULL;
	}
	RB_INSERT(model_hop_tree, &m->hops, h);
	// It may have been known before the call: then there was no call back.
	if (h->mirror)
		hop_changed(h->mirror, mirror_hop_answer(h->mirror), h);
	return h;
}

void model_hop_put(struct model *m, struct model_hop *h)
{
	if (--h->refs)
		return;
	if (h->mirror)
		mirror_hop_unref(h->mirror);
	RB_REMOVE(model_hop_tree, &m->hops, h);
	m->hop_used[h->id] = false;
	free(h);
}

void model_set_hop(struct model *m, const struct ip_addr *address, const struct hop *hop)
{
	struct model_hop *h = model_hop_get(m, address); // held for good
	if (!h)
		return;
	h->hop = *hop;
	model_tell_hop(m, h);
}

void model_hops_each(struct model *m, void (*fn)(const struct model_hop *h, void *arg), void *arg)
{
	struct model_hop *h;
	RB_FOREACH(h, model_hop_tree, &m->hops)
	fn(h, arg);
}
