// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The daemon's parts, as main() puts them together and the control socket's methods see them.
// Control thread only.

#include <event2/event.h>
#include <time.h>

#include "conf/conf.h"
#include "crew.h"
#include "model.h"
#include "ports.h"
#include "rpc.h"
#include "twins.h"

struct daemon {
	const char *conf_path;
	struct conf *conf; // as of the last (re)load: ports, addresses, routes, limits
	struct event_base *base;
	bool hugepages;
	int worker_cpus[WORKERS_MAX];
	struct timespec started;

	struct crew *crew;
	struct ports ports;
	struct model_port model_ports[PORTS_MAX];
	struct twins *twins;
	struct mirror *mirror;
	struct model *model;
	struct rpc_server *rpc;
	struct event *tick, *second;
};

// Puts the services, addresses, routes and settings of the configuration into effect, at start.
int daemon_apply(struct daemon *d, char error[static MODEL_ERROR_MAX]);

struct reload_counts {
	unsigned added, changed, removed; // services and servers
};
// Reads the file again and applies the difference to what runs now. All errors at once, and nothing
// changed, when the file is wrong or changes what only a start can.
int daemon_reload(struct daemon *d, struct reload_counts *counts, struct conf_errors *errors);

// The running state as a configuration, to be freed with conf_free(). NULL: no memory.
struct conf *daemon_running_conf(const struct daemon *d);

// The methods of the control socket; their argument is the daemon.
extern const struct rpc_method daemon_methods[];
