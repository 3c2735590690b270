// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <string.h>

#include "log.h"
#include "methods.h"

static const char *const no_keys[] = { NULL };

void method_config_get(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	struct conf *c = daemon_running_conf(d);
	if (!c) {
		reply_refused(call, -ENOMEM, "out of memory");
		return;
	}
	rpc_reply(call, conf_to_json(c));
	conf_free(c);
}

void method_config_reload(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	struct reload_counts n;
	struct conf_errors errors = {};
	if (reply_unknown_keys(call, params, no_keys))
		return;
	if (daemon_reload(d, &n, &errors) < 0) {
		log_warning("reload of %s refused: %zu errors", d->conf_path, errors.n);
		reply_errors(call, &errors);
		return;
	}
	log_info("%s reloaded: %u added, %u changed, %u removed", d->conf_path, n.added, n.changed,
	    n.removed);
	crew_settle(d->crew, 10); // made when answered, as far as it can be waited for
	rpc_reply(call, json_pack("{s:i,s:i,s:i}", "added", n.added, "changed", n.changed,
	                    "removed", n.removed));
}

void method_config_save(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	struct conf *c = daemon_running_conf(d);
	int ret = c ? conf_save(c, d->conf_path) : -ENOMEM;
	conf_free(c);
	if (ret < 0) {
		char line[256];
		snprintf(line, sizeof(line), "%.180s: %s", d->conf_path, strerror(-ret));
		reply_refused(call, ret, line);
		return;
	}
	rpc_reply(call, json_pack("{s:s}", "file", d->conf_path));
}
