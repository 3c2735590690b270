// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The JSON-RPC 2.0 server: a Unix stream socket, one object a line, many clients.
//
// It knows framing, limits and errors (docs/protocol.md), and nothing of poise: methods are
// given as a table. All of it runs on the control thread's libevent loop; no call blocks.
// One client, slow, silent or hostile, costs the others nothing: each has its own bounded
// buffers, its requests wait while its replies are not read, and a request that
// needs time is answered later through its `struct rpc_call`.

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct rpc_server;
struct rpc_call; // one request on its way to its answer

// A method either answers before it returns or keeps `call` and answers later; exactly
// one of rpc_reply() and rpc_error() must be called for every call. `params` is an object
// (an absent one is empty), owned by the call until it is answered.
typedef void (*rpc_method_fn)(struct rpc_call *call, json_t *params, void *arg);

struct rpc_method {
	const char *name;
	rpc_method_fn run;
};

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_TOO_MANY = -32000,
	RPC_REFUSED = 1,
};

struct rpc_limits {         // zero: the default of docs/protocol.md
	size_t line_bytes;  // 4 MiB
	unsigned request_s; // 30
	unsigned write_s;   // 30
	unsigned clients;   // 128
};

// Listens on `path` (mode 0660; directories are made; a stale socket of a dead daemon is
// replaced, a live one is -EADDRINUSE). `methods` ends with a NULL name. 0 or negative errno.
int rpc_server_new(struct event_base *base, const char *path, const struct rpc_method *methods,
    void *arg, const struct rpc_limits *limits, struct rpc_server **out);
// Removes the socket file of a dead daemon. -EADDRINUSE: one listens there.
int rpc_clear_stale(const char *path);
// Closes every client and unlinks the socket. Calls not yet answered become void: answering
// one later is allowed and does nothing but free it.
void rpc_server_free(struct rpc_server *s);
unsigned rpc_server_clients(const struct rpc_server *s);

// Both take over `result` / `data` (data may be NULL) and end the call. Safe when the
// client has gone meanwhile.
void rpc_reply(struct rpc_call *call, json_t *result);
void rpc_error(struct rpc_call *call, int code, json_t *data, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// True when the client is gone and nobody waits for the answer: long work may stop.
bool rpc_call_void(const struct rpc_call *call);
