// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The model: the one live picture of services, servers and settings, edited in one place
// whichever door a change comes through. It checks a change, makes it, and tells every worker by
// mail; a change that is refused has changed nothing.
//
// A service is known by its key (protocol, address, port); its name is a label that is unique.
// Servers stand newest first, as in IPVS. A deleted server whose connections live on keeps
// its number and counters until they are gone, and gets them back when it is added again.
//
// Control thread only.

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "conf/conf.h"
#include "crew.h"
#include "mirror.h"

#define MODEL_ERROR_MAX 200

struct model_hop { // one for each address of a real server
	RB_ENTRY(model_hop) entry;
	struct ip_addr address;
	struct mirror_hop *mirror; // NULL in tests without a kernel mirror
	struct model *model;
	uint16_t id;
	unsigned refs;
	struct hop hop; // as last sent to the workers
};

struct model_server {
	TAILQ_ENTRY(model_server) entry;
	struct conf_server conf; // as it is now
	int32_t weight_before;   // of a drained server; else -1
	uint32_t id;
	struct model_hop *hop;
};
TAILQ_HEAD(model_servers, model_server);

struct model_service {
	RB_ENTRY(model_service) by_key, by_name;
	TAILQ_ENTRY(model_service) entry; // in the order of adding
	struct conf_service conf;         // but for servers and n_servers, which stand here
	struct model_servers servers;     // newest first
	unsigned n_servers;
	const struct sched_ops *scheduler;
	struct service *service[WORKERS_MAX]; // what the workers hold
	bool announced, local_announced;      // the VIP; all local addresses
};
TAILQ_HEAD(model_services, model_service);

// A deleted server with connections: key of its service, its address and port.
struct model_ghost;

struct model;

struct model_options {
	struct crew *crew;
	struct mirror *mirror; // NULL: every hop is down until model_set_hop() (tests, benchmarks)
	// Where VIPs are announced and hops leave: index, MAC and twin of each port.
	const struct model_port {
		uint8_t mac[6];
		uint16_t mtu;
		unsigned twin; // interface index
	} * ports;
	unsigned n_ports;
};

int model_new(const struct model_options *o, struct model **out);
void model_free(struct model *m);

// All: 0, or negative errno (-EEXIST, -ENOENT, -EINVAL, -ENOMEM, -ENOSPC) and one line in `error`.
int model_service_add(
    struct model *m, const struct conf_service *s, char error[static MODEL_ERROR_MAX]);
// Takes name, scheduler, forward and announce of `s`; its key says which.
int model_service_edit(struct model *m, struct model_service *ms, const struct conf_service *s,
    char error[static MODEL_ERROR_MAX]);
void model_service_delete(struct model *m, struct model_service *ms);

int model_server_add(struct model *m, struct model_service *ms, const struct conf_server *s,
    char error[static MODEL_ERROR_MAX]);
int model_server_edit(struct model *m, struct model_service *ms, struct model_server *srv,
    const struct conf_server *s, char error[static MODEL_ERROR_MAX]);
void model_server_delete(struct model *m, struct model_service *ms, struct model_server *srv);
// Weight 0, and back to the weight before; done twice is done once.
int model_server_drain(
    struct model *m, struct model_service *ms, struct model_server *srv, bool drain);

struct model_service *model_find(
    struct model *m, uint8_t protocol, const struct ip_addr *address, uint16_t port);
// By name, or by "tcp 192.0.2.10:80" / "tcp-192.0.2.10:80".
struct model_service *model_find_name(struct model *m, const char *name);
struct model_server *model_find_server(
    struct model_service *ms, const struct ip_addr *address, uint16_t port);
const struct model_services *model_services(const struct model *m);
// In the order of their keys: the first whose key is not before `cursor` (a text of
// model_key_print(); NULL: the very first), and the one after. NULL: the end.
const struct model_service *model_first_from(struct model *m, const char *cursor);
const struct model_service *model_next(struct model *m, const struct model_service *ms);
#define MODEL_KEY_MAX (ADDR_TEXT_MAX + 8)
// "tcp 192.0.2.10:80"
const char *model_key_print(const struct model_service *ms, char buf[static MODEL_KEY_MAX]);

// Timeouts and limits.
void model_settings(
    struct model *m, const struct conf_timeouts *t, uint32_t punt_per_s, uint32_t icmp_per_s);
const struct conf_timeouts *model_timeouts(const struct model *m);

// The service and server of a number that a worker's connection holds. False: neither is known any
// more.
bool model_server_by_id(const struct model *m, uint32_t id, const struct model_service **ms,
    struct ip_addr *address, uint16_t *port);
void model_service_stats(
    const struct model *m, const struct model_service *ms, struct service_stats *out);
void model_hops_each(struct model *m, void (*fn)(const struct model_hop *h, void *arg), void *arg);

// Tests and benchmarks without a mirror: the next hop of an address. Given before or after its
// servers.
void model_set_hop(struct model *m, const struct ip_addr *address, const struct hop *hop);

// Once a second: forgets deleted servers whose last connection is gone; announces what could not be
// before.
void model_tick(struct model *m);
