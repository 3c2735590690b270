// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Shared by the files of the model only.

#include "model.h"

// libbsd's RB_GENERATE_STATIC wants a macro that Linux headers use as a name.
#define TREE_GENERATE(name, type, field, compare) \
	RB_GENERATE_INTERNAL(name, type, field, compare, __attribute__((unused)) static)

RB_HEAD(model_key_tree, model_service);
RB_HEAD(model_name_tree, model_service);
RB_HEAD(model_hop_tree, model_hop);

// A deleted server that may have connections yet.
struct model_ghost {
	RB_ENTRY(model_ghost) entry;
	uint8_t protocol;
	struct ip_addr vip, address;
	uint16_t vport, port;
	uint32_t id;
	struct model_hop *hop;
};
RB_HEAD(model_ghost_tree, model_ghost);

// What a server number stands for.
struct model_slot {
	struct model_service *service; // NULL when it is a ghost's or free
	struct model_server *server;
	struct model_ghost *ghost;
};

struct model {
	struct model_options o;
	struct model_services services;
	struct model_key_tree by_key;
	struct model_name_tree by_name;
	struct model_hop_tree hops;
	struct model_ghost_tree ghosts;
	struct model_slot *slots; // by server number
	uint32_t n_slots, slots_room;
	uint32_t *free_ids;
	uint32_t n_free_ids, free_ids_room;
	uint32_t next_service;
	bool *hop_used; // HOPS_MAX
	uint16_t next_hop;
	struct conf_timeouts timeouts;
};

// model_hop.c
struct model_hop *model_hop_get(
    struct model *m, const struct ip_addr *a); // NULL: no memory, or too many
void model_hop_put(struct model *m, struct model_hop *h);

// model_orders.c: the mail for each kind of change, to every worker.
int model_tell_service(struct model *m, struct model_service *ms);
void model_tell_service_gone(struct model *m, struct model_service *ms);
void model_tell_list(struct model *m, struct model_service *ms, const struct sched_ops *restart,
    enum sched_change change, uint32_t position);
// A server's number: `alive`: takes connections; `fresh`: the number is new;
// `counts`: for the service, else for nobody.
struct server_news {
	uint32_t id;
	bool alive, fresh, counts;
};
void model_tell_server(struct model *m, const struct model_service *ms, const struct conf_server *s,
    const struct model_hop *h, struct server_news news);
void model_tell_local(struct model *m, struct model_service *ms);
void model_tell_hop(struct model *m, const struct model_hop *h);
void model_tell_settings(struct model *m, const struct order_settings *settings);
