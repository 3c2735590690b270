// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the control thread can ask of a worker: one kind of mail for each. The control thread
// fills one in and sends it (ctl/crew.h); run() is carried out by the worker. What comes
// back in it, for the control thread to free, is said at each.

#include "worker.h"

// A new service, with an empty list and an initialised scheduler.
struct order_service_add {
	struct mail mail;
	struct service *service; // the worker keeps it
};

// No more new connections; the service and its list come back.
struct order_service_delete {
	struct mail mail;
	struct service *service;
};

// Another list of servers, and what the change was; or, with `scheduler`, another scheduler on
// the same list. The old list comes back.
struct order_list {
	struct mail mail;
	struct service *service;
	const struct sched_ops *scheduler; // not NULL: start this one anew
	struct sched_list *list;           // may be NULL with a scheduler: the list stays
	enum sched_change change;
	uint32_t position;
	bool nat; // a server of the list answers through the director
};

// What a server's number stands for now. `fresh` zeroes its counters.
struct order_server {
	struct mail mail;
	uint32_t id;
	struct service *service;
	uint16_t hop;
	bool available, fresh;
	uint8_t forward;
	struct server_key key; // where it is
};

// Another pool of local addresses, and how servers learn the client's; the old pool comes back.
struct order_local {
	struct mail mail;
	struct service *service;
	struct local_pool *local; // may be NULL
	uint16_t tells;           // as in struct service
	uint8_t toa_kind;
};

struct order_hop {
	struct mail mail;
	uint16_t id;
	struct hop hop;
};

struct order_settings {
	struct mail mail;
	struct timeouts timeouts;
	uint32_t punt_per_s, icmp_per_s;
};

// Room for so many connections from now on.
struct order_grant {
	struct mail mail;
	bool v6;
	uint32_t records;
};

// Copies connections out of a table, a slice of records a loop: from record `next` on until `max`
// are copied or the table ends (next == CONN_NONE then).
struct order_connections {
	struct mail mail;
	bool v6;
	uint32_t next;
	uint32_t server; // SERVER_NONE: of any
	uint32_t now;    // the worker's tick, for what is left of a timeout
	uint32_t n, max;
	struct conn6 *copies; // of IPv4, struct conn4 at the beginning of each
};

enum mail_result order_service_add_run(struct worker *w, struct mail *m);
enum mail_result order_service_delete_run(struct worker *w, struct mail *m);
enum mail_result order_list_run(struct worker *w, struct mail *m);
enum mail_result order_server_run(struct worker *w, struct mail *m);
enum mail_result order_local_run(struct worker *w, struct mail *m);
enum mail_result order_hop_run(struct worker *w, struct mail *m);
enum mail_result order_settings_run(struct worker *w, struct mail *m);
enum mail_result order_grant_run(struct worker *w, struct mail *m);
enum mail_result order_connections_run(struct worker *w, struct mail *m);
