// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Shared by rpc.c (listening, calls, answers) and rpc_client.c (a client's stream) only.

#include <bsd/sys/queue.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "rpc.h"

// Requests of one client carried out before the others have their turn.
#define REQUESTS_PER_TURN 16
// Replies that wait to be read: above this, no further request of that client is carried out.
#define UNREAD_MARK (1u << 20)
#define BATCH_MAX   1000

struct rpc_client {
	LIST_ENTRY(rpc_client) entry;
	struct rpc_server *server;
	struct bufferevent *bev;
	struct event *turn;     // go on with the requests that have come
	struct event *deadline; // of a request that is not complete, or of lingering
	size_t scanned;         // bytes of the input that hold no newline
	unsigned pending;       // calls not yet answered
	LIST_HEAD(, rpc_call) calls;
	bool timing;    // the deadline runs
	bool eof;       // no more will come
	bool lingering; // cut off: the error is on its way, what comes is thrown away
	size_t discarded;
};

// The answers of a batch, in the order of its requests.
struct rpc_batch {
	json_t *answers; // an array; null where there is none (yet)
	size_t pending;
};

struct rpc_call {
	LIST_ENTRY(rpc_call) entry;
	struct rpc_client *client; // NULL: gone
	struct rpc_batch *batch;   // NULL: alone
	size_t index;              // in the batch
	json_t *id;                // NULL: a notification
	json_t *params;
};

struct rpc_server {
	struct event_base *base;
	const struct rpc_method *methods;
	void *arg;
	struct rpc_limits limits;
	struct evconnlistener *listener;
	struct event *accept_again;
	char path[108];
	unsigned long long inode, device;
	unsigned n_clients;
	LIST_HEAD(, rpc_client) clients;
};

// rpc_client.c
void rpc_client_new(struct rpc_server *s, int fd);
void rpc_client_free(struct rpc_client *c);
void rpc_client_write(struct rpc_client *c, json_t *message); // takes it over
// Sends the error and cuts the client off.
void rpc_client_fail(struct rpc_client *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// A call was answered: go on with the next request.
void rpc_client_answered(struct rpc_client *c);

// rpc.c
// One line, which is a request or a batch.
void rpc_handle(struct rpc_client *c, const char *text, size_t n);
json_t *rpc_error_message(json_t *id, int code, const char *text, json_t *data);
