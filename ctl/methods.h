// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control socket's methods (docs/protocol.md), a file a family. Each is an rpc_method_fn whose
// argument is the daemon.

#include "daemon.h"

// methods_service.c
void method_services(struct rpc_call *call, json_t *params, void *arg);
void method_service_add(struct rpc_call *call, json_t *params, void *arg);
void method_service_edit(struct rpc_call *call, json_t *params, void *arg);
void method_service_delete(struct rpc_call *call, json_t *params, void *arg);
void method_server_add(struct rpc_call *call, json_t *params, void *arg);
void method_server_edit(struct rpc_call *call, json_t *params, void *arg);
void method_server_delete(struct rpc_call *call, json_t *params, void *arg);
void method_server_drain(struct rpc_call *call, json_t *params, void *arg);
void method_server_ready(struct rpc_call *call, json_t *params, void *arg);

// methods_connections.c
void method_connections(struct rpc_call *call, json_t *params, void *arg);
void method_connections_count(struct rpc_call *call, json_t *params, void *arg);

// methods_show.c
void method_ports(struct rpc_call *call, json_t *params, void *arg);
void method_workers(struct rpc_call *call, json_t *params, void *arg);
void method_drops(struct rpc_call *call, json_t *params, void *arg);
void method_neighbours(struct rpc_call *call, json_t *params, void *arg);
void method_version(struct rpc_call *call, json_t *params, void *arg);

// methods_config.c
void method_config_get(struct rpc_call *call, json_t *params, void *arg);
void method_config_reload(struct rpc_call *call, json_t *params, void *arg);
void method_config_save(struct rpc_call *call, json_t *params, void *arg);

// What they share, in methods.c.

// Answers with all errors ("data": {"errors": [...]}) and empties the list.
void reply_errors(struct rpc_call *call, struct conf_errors *errors);
// Refuses with errno in the data; `code` is a negative errno.
void reply_refused(struct rpc_call *call, int code, const char *text);
// True, and answered with an error, when params has a key that is none of `keys` (ends with NULL).
bool reply_unknown_keys(struct rpc_call *call, json_t *params, const char *const *keys);
// The service or server that "service" and "server" of the params name. NULL: answered with an
// error.
struct model_service *param_service(struct rpc_call *call, json_t *params, struct daemon *d);
struct model_server *param_server(struct rpc_call *call, json_t *params, struct model_service *ms);
