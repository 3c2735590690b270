// SPDX-License-Identifier: BSD-3-Clause

#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "ctl/log.h"

#define TICK_MS         10 // tables that fill up are looked at this often
#define TICK_BUSY_MS    1  // while mail is under way
#define RESOLVE_WAIT_MS 1000
#define SIGNALS         3

static struct {
	struct event *signals[SIGNALS];
	bool said_partial[PORTS_MAX], said_long[PORTS_MAX];
} watch;

static void arm(struct event *e, unsigned ms)
{
	event_add(e, &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void on_tick(evutil_socket_t, short, void *arg)
{
	struct daemon *d = arg;
	crew_collect(d->crew);
	crew_grow(d->crew);
	arm(d->tick, crew_mail_under_way(d->crew) ? TICK_BUSY_MS : TICK_MS);
}

static void say_once(struct daemon *d, unsigned i)
{
	uint64_t mended = 0, cut = 0;
	const char *name = d->conf->ports[i].name, *device = d->conf->ports[i].device;
	for (unsigned k = 0; k < d->crew->n; k++) {
		const struct port_counters *c = &d->crew->workers[k]->ports[i];
		mended += __atomic_load_n(&c->mended, __ATOMIC_RELAXED);
		cut += __atomic_load_n(&c->truncated, __ATOMIC_RELAXED) +
		       __atomic_load_n(&c->over_mtu, __ATOMIC_RELAXED);
	}
	if (mended && !watch.said_partial[i]) {
		watch.said_partial[i] = true;
		log_warning("port %s: packets with partial checksums come in by %s and are mended, "
		            "which costs time: "
		            "switch checksum offload off at their sender (ethtool -K IFACE tx off)",
		    name, device);
	}
	if (cut && d->ports.list[i].port.software && !watch.said_long[i]) {
		watch.said_long[i] = true;
		log_warning("port %s: packets longer than the MTU come in by %s and are dropped: "
		            "switch segmentation "
		            "offload off at their sender (ethtool -K IFACE tso off gso off), or "
		            "GRO on the way",
		    name, device);
	}
}

static void on_second(evutil_socket_t, short, void *arg)
{
	struct daemon *d = arg;
	model_tick(d->model);
	for (unsigned i = 0; i < d->ports.n; i++)
		say_once(d, i);
}

static void on_stop(evutil_socket_t, short, void *arg)
{
	struct daemon *d = arg;
	event_base_loopbreak(d->base);
}

static void on_reload(evutil_socket_t, short, void *arg)
{
	struct daemon *d = arg;
	struct reload_counts n;
	struct conf_errors errors = {};
	sd_notify(0, "RELOADING=1");
	if (daemon_reload(d, &n, &errors) < 0) {
		for (size_t i = 0; i < errors.n; i++)
			log_error("%s: %s%s%s", d->conf_path, errors.list[i].path,
			    errors.list[i].path[0] ? ": " : "", errors.list[i].text);
		log_error("%s: not reloaded, nothing has changed", d->conf_path);
		conf_errors_clear(&errors);
	} else {
		log_info("%s reloaded: %u added, %u changed, %u removed", d->conf_path, n.added,
		    n.changed, n.removed);
	}
	sd_notify(0, "READY=1");
}

int watch_start(struct daemon *d)
{
	static const struct {
		int number;
		event_callback_fn fn;
	} signals[SIGNALS] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
	for (unsigned i = 0; i < SIGNALS; i++) {
		watch.signals[i] = evsignal_new(d->base, signals[i].number, signals[i].fn, d);
		if (!watch.signals[i] || event_add(watch.signals[i], NULL) < 0)
			return -ENOMEM;
	}
	d->tick = evtimer_new(d->base, on_tick, d);
	d->second = event_new(d->base, -1, EV_PERSIST, on_second, d);
	if (!d->tick || !d->second)
		return -ENOMEM;
	arm(d->tick, TICK_MS);
	arm(d->second, 1000);
	return 0;
}

void watch_stop(struct daemon *d)
{
	for (unsigned i = 0; i < SIGNALS; i++) {
		if (watch.signals[i])
			event_free(watch.signals[i]);
	}
	if (d->tick)
		event_free(d->tick);
	if (d->second)
		event_free(d->second);
}

// ---- waiting for the first next hops ----

static void count_unresolved(const struct model_hop *h, void *arg)
{
	unsigned *n = arg;
	*n += mirror_hop_answer(h->mirror)->state == HOP_RESOLVING;
}

void watch_until_resolved(struct daemon *d)
{
	struct timespec start, now;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		unsigned unresolved = 0;
		model_hops_each(d->model, count_unresolved, &unresolved);
		clock_gettime(CLOCK_MONOTONIC, &now);
		long ms = (now.tv_sec - start.tv_sec) * 1000 +
		          (now.tv_nsec - start.tv_nsec) / 1000000;
		if (!unresolved || ms >= RESOLVE_WAIT_MS)
			return;
		event_base_loop(d->base, EVLOOP_ONCE);
	}
}
