// SPDX-License-Identifier: BSD-3-Clause

// poised, from top to bottom: arguments, configuration, EAL, ports, twins, kernel mirror, services,
// workers, sockets, READY. And the same in reverse.

#include <errno.h>
#include <getopt.h>
#include <rte_eal.h>
#include <rte_version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "ctl/daemon.h"
#include "ctl/eal.h"
#include "ctl/log.h"
#include "ctl/netdev.h"
#include "idle.h"
#include "watch.h"

#define CONF_PATH_DEFAULT "/etc/poise/poise.json"

struct options {
	const char *conf_path;
	bool check;
};

static void usage(FILE *f)
{
	fprintf(f, "usage: poised [-c FILE] [--check]\n"
	           "  -c, --config FILE  configuration (" CONF_PATH_DEFAULT ")\n"
	           "      --check        report all errors in the file, and exit\n"
	           "      --version      print the version, and exit\n"
	           "  -h, --help         print this, and exit\n"
	           "SIGTERM stops, SIGHUP reloads the file. See poised(8), poise.json(5).\n");
}

// Exits for --help, --version and mistakes.
static struct options parse_arguments(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct options o = { .conf_path = CONF_PATH_DEFAULT };
	int c;
	while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.conf_path = optarg;
			break;
		case 'k':
			o.check = true;
			break;
		case 'V':
			printf("poised %s (%s)\n", POISE_VERSION, rte_version());
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "poised: unexpected argument \"%s\"\n", argv[optind]);
		exit(2);
	}
	return o;
}

static void print_errors(const char *path, struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		const struct conf_error *e = &errors->list[i];
		fprintf(stderr, "%s: %s%s%s\n", path, e->path, e->path[0] ? ": " : "", e->text);
	}
	fprintf(stderr, "%s: %zu error%s\n", path, errors->n, errors->n == 1 ? "" : "s");
	conf_errors_clear(errors);
}

// ---- start-up ----

static int start_eal(struct daemon *d, unsigned *lcores)
{
	char error[EAL_ERROR_MAX] = "";
	struct eal_result eal;
	if (geteuid() != 0)
		log_warning("not root: ports and twins may be out of reach");
	int ret = eal_start(d->conf, ports_packet_bytes(d->conf), &eal, error);
	if (ret < 0) {
		log_error("%s", error);
		return ret;
	}
	d->hugepages = eal.hugepages;
	memcpy(lcores, eal.worker_lcores, sizeof(eal.worker_lcores));
	memcpy(d->worker_cpus, eal.worker_cpus, sizeof(eal.worker_cpus));
	return 0;
}

static int start_crew(struct daemon *d)
{
	struct crew_options o = {
		.n_workers = d->conf->n_workers,
		.connections_max = d->conf->connections_max,
		.hugepages = d->hugepages,
	};
	int ret = crew_new(&o, &d->crew);
	if (ret < 0)
		log_error("workers: no memory for their tables: %s", strerror(-ret));
	return ret;
}

static int start_ports(struct daemon *d)
{
	char error[PORTS_ERROR_MAX] = "";
	int mended = netdev_undo_leftovers();
	if (mended > 0)
		log_info("put %d interface%s back as a poised that was killed had found %s", mended,
		    mended == 1 ? "" : "s", mended == 1 ? "it" : "them");
	int ret = ports_open(d->conf, d->crew, &d->ports, error);
	if (ret < 0) {
		log_error("%s", error);
		return ret;
	}
	ret = twins_start(&d->ports, d->crew->n, &d->twins);
	if (ret < 0)
		log_error("twins: %s", strerror(-ret));
	return ret;
}

static int start_mirror(struct daemon *d)
{
	int ret = mirror_new(d->base, &d->mirror);
	for (unsigned i = 0; ret == 0 && i < d->ports.n; i++) {
		struct port_setup *s = &d->ports.list[i];
		d->model_ports[i].mtu = s->port.mtu;
		d->model_ports[i].twin = s->twin;
		memcpy(d->model_ports[i].mac, s->port.mac.addr_bytes, 6);
		ret = mirror_add_twin(d->mirror, i, s->twin);
	}
	if (ret < 0)
		log_error("kernel mirror: %s", strerror(-ret));
	return ret;
}

static int start_model(struct daemon *d)
{
	char error[MODEL_ERROR_MAX] = "";
	struct model_options o = {
		.crew = d->crew,
		.mirror = d->mirror,
		.ports = d->model_ports,
		.n_ports = d->ports.n,
	};
	int ret = model_new(&o, &d->model);
	if (ret == 0)
		ret = daemon_apply(d, error);
	if (ret < 0)
		log_error("%s", error[0] ? error : strerror(-ret));
	return ret;
}

static int start_workers(struct daemon *d, const unsigned *lcores)
{
	int ret = crew_start(d->crew, lcores, idle_tick,
	    d->conf->idle == CONF_IDLE_POLL ? idle_poll : idle_adaptive);
	if (ret < 0)
		log_error("workers: %s", strerror(-ret));
	return ret;
}

static void socket_error(const struct daemon *d, int error)
{
	if (error == -EADDRINUSE)
		log_error("control.socket: another poised listens on %s", d->conf->control_socket);
	else
		log_error("control.socket %s: %s", d->conf->control_socket, strerror(-error));
}

// Asked first, so that a second poised ends before it touches a port of the one that runs.
static int find_socket_free(struct daemon *d)
{
	int ret = rpc_clear_stale(d->conf->control_socket);
	if (ret < 0)
		socket_error(d, ret);
	return ret;
}

static int start_socket(struct daemon *d)
{
	int ret = rpc_server_new(
	    d->base, d->conf->control_socket, daemon_methods, d, NULL, &d->rpc);
	if (ret < 0)
		socket_error(d, ret);
	return ret;
}

static int start(struct daemon *d)
{
	unsigned lcores[CONF_WORKERS_MAX];
	int ret = -ENOMEM;
	clock_gettime(CLOCK_MONOTONIC, &d->started);
	idle_slack();
	if (!(d->base = event_base_new()) || (ret = find_socket_free(d)) < 0 ||
	    (ret = start_eal(d, lcores)) < 0)
		return ret;
	idle_setup();
	if ((ret = start_crew(d)) < 0 || (ret = start_ports(d)) < 0 ||
	    (ret = start_mirror(d)) < 0 || (ret = start_model(d)) < 0 ||
	    (ret = start_workers(d, lcores)) < 0 || (ret = watch_start(d)) < 0)
		return ret;
	watch_until_resolved(d);
	return start_socket(d);
}

static void stop(struct daemon *d)
{
	if (d->rpc)
		rpc_server_free(d->rpc);
	watch_stop(d);
	if (d->crew)
		crew_stop(d->crew);
	twins_stop(d->twins);
	model_free(d->model);
	mirror_free(d->mirror);
	ports_close(&d->ports);
	crew_free(d->crew);
	if (d->base)
		event_base_free(d->base);
	conf_free(d->conf);
}

int main(int argc, char **argv)
{
	struct options o = parse_arguments(argc, argv);
	struct conf_errors errors = {};
	struct daemon d = { .conf_path = o.conf_path };
	d.conf = conf_load(o.conf_path, &errors);
	if (!d.conf) {
		print_errors(o.conf_path, &errors);
		return 1;
	}
	if (o.check) {
		printf("%s: good\n", o.conf_path);
		conf_free(d.conf);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	int ret = start(&d);
	if (ret == 0) {
		log_info("ready: %zu port%s, %u worker%s, %zu service%s, control socket %s",
		    d.conf->n_ports, d.conf->n_ports == 1 ? "" : "s", d.crew->n,
		    d.crew->n == 1 ? "" : "s", d.conf->n_services,
		    d.conf->n_services == 1 ? "" : "s", d.conf->control_socket);
		sd_notify(0, "READY=1");
		event_base_dispatch(d.base);
		sd_notify(0, "STOPPING=1");
		log_info("stopping");
	}
	stop(&d);
	return ret == 0 ? 0 : 1;
}
