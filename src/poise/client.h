// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A blocking JSON-RPC client on a Unix stream socket, one request at a time.

#include <jansson.h>

#include "poise.h"

// The daemon may be busy with a large reload; longer than this it is not coming back.
#define CLIENT_TIMEOUT_S 60

// 0 or negative errno. `timeout_s` is for each read and write.
int client_open(const char *path, unsigned timeout_s, struct client **out);
void client_close(struct client *c);

// Takes over `params` (NULL: none). 0: *reply is the result; 1: it is the error object; negative
// errno: no answer (-EPIPE: the daemon closed, -EPROTO: not an answer to this request).
int client_call(struct client *c, const char *method, json_t *params, json_t **reply);

// The same for verbs: connects when not yet done, and says on stderr, or as JSON, why not. DONE,
// and *result is a new reference; or the exit code.
int app_call(struct app *app, const char *method, json_t *params, json_t **result);
// As app_call(), but leaves it to the caller to report a refusal: REFUSED, and *result is the
// error.
int app_try(struct app *app, const char *method, json_t *params, json_t **result);
// Calls, and prints the result as JSON or by `print` (NULL: nothing).
int app_ask(struct app *app, const char *method, json_t *params,
    void (*print)(struct app *app, const json_t *result));
