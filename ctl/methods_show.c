// SPDX-License-Identifier: BSD-3-Clause

#include <rte_ethdev.h>
#include <rte_version.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "methods.h"

static const char *const no_keys[] = { NULL };

// Counters of a worker are read as they stand.
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static void set_int(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer(value));
}

static const char *device_kinds[] = {
	[CONF_DEVICE_PCI] = "",
	[CONF_DEVICE_LINUX] = "linux:",
	[CONF_DEVICE_VDEV] = "vdev:",
};

static json_t *port_json(const struct daemon *d, unsigned i)
{
	const struct port_setup *s = &d->ports.list[i];
	struct rte_eth_stats stats = {};
	struct rte_eth_link link = {};
	char mac[18], device[300];
	rte_eth_stats_get(s->port.dpdk_id, &stats);
	rte_eth_link_get_nowait(s->port.dpdk_id, &link);
	rte_ether_format_addr(mac, sizeof(mac), &s->port.mac);
	snprintf(device, sizeof(device), "%s%s", device_kinds[s->conf->kind], s->conf->device);

	struct port_counters sum = {};
	for (unsigned k = 0; k < d->crew->n; k++) {
		const struct port_counters *c = &d->crew->workers[k]->ports[i];
		sum.punted += READ(c->punted);
		sum.injected += READ(c->injected);
		sum.mended += READ(c->mended);
		sum.truncated += READ(c->truncated);
		sum.over_mtu += READ(c->over_mtu);
	}
	const struct twin_counters *twin = twins_counters(d->twins, i);
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:s}", "name", s->conf->name, "device",
	    device, "driver", s->driver, "mac", mac, "mtu", s->port.mtu, "link",
	    link.link_status ? "up" : "down", "twin", s->conf->name);
	set_int(
	    o, "speed_mbps", link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed);
	set_int(o, "rx_queues", s->rx_queues);
	set_int(o, "tx_queues", s->tx_queues);
	set_int(o, "rx_packets", stats.ipackets);
	set_int(o, "rx_bytes", stats.ibytes);
	set_int(o, "tx_packets", stats.opackets);
	set_int(o, "tx_bytes", stats.obytes);
	set_int(o, "rx_missed", stats.imissed);
	set_int(o, "rx_errors", stats.ierrors);
	set_int(o, "rx_no_memory", stats.rx_nombuf);
	set_int(o, "tx_errors", stats.oerrors);
	set_int(o, "punted", sum.punted);
	set_int(o, "injected", sum.injected);
	set_int(o, "mended_checksums", sum.mended);
	set_int(o, "truncated", sum.truncated);
	set_int(o, "over_mtu", sum.over_mtu);
	set_int(o, "kernel_full", READ(twin->kernel_full));
	set_int(o, "inject_full", READ(twin->workers_full));
	return o;
}

void method_ports(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	json_t *list = json_array();
	for (unsigned i = 0; i < d->ports.n; i++)
		json_array_append_new(list, port_json(d, i));
	rpc_reply(call, json_pack("{s:o}", "ports", list));
}

static json_t *worker_json(const struct daemon *d, unsigned k)
{
	const struct worker *w = d->crew->workers[k];
	const struct worker_counters *c = &w->counters;
	uint64_t dropped = 0, cycles = READ(c->cycles);
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
		dropped += READ(c->drops[r]);
	json_t *queues = json_array();
	for (unsigned i = 0; i < w->n_rx; i++) {
		char text[40];
		snprintf(text, sizeof(text), "%s:%u",
		    d->ports.list[w->rx[i].port->index].conf->name, w->rx[i].queue);
		json_array_append_new(queues, json_string(text));
	}
	json_t *o = json_pack("{s:i,s:i,s:f}", "worker", k, "cpu", d->worker_cpus[k],
	    "busy_percent", cycles ? 100.0 * READ(c->busy_cycles) / cycles : 0.0);
	set_int(o, "rx", READ(c->rx));
	set_int(o, "tx", READ(c->tx));
	set_int(o, "punted", READ(c->punted));
	set_int(o, "injected", READ(c->injected));
	set_int(o, "made", READ(c->made));
	set_int(o, "handed_over", READ(c->handed_over));
	set_int(o, "taken_over", READ(c->taken_over));
	set_int(o, "waiting", READ(c->waiting));
	set_int(o, "dropped", dropped);
	set_int(o, "connections", READ(w->conns[0].count) + (uint64_t)READ(w->conns[1].count));
	set_int(o, "connections_room", d->crew->room[k][0] + (uint64_t)d->crew->room[k][1]);
	set_int(o, "memory_bytes", crew_memory_bytes(d->crew, k));
	json_object_set_new(o, "queues", queues);
	return o;
}

void method_workers(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	json_t *list = json_array();
	for (unsigned k = 0; k < d->crew->n; k++)
		json_array_append_new(list, worker_json(d, k));
	rpc_reply(call, json_pack("{s:o}", "workers", list));
}

void method_drops(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	json_t *list = json_array();
	uint64_t total = 0;
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++) {
		json_t *workers = json_array();
		uint64_t sum = 0;
		for (unsigned k = 0; k < d->crew->n; k++) {
			uint64_t n = READ(d->crew->workers[k]->counters.drops[r]);
			json_array_append_new(workers, json_integer(n));
			sum += n;
		}
		total += sum;
		json_array_append_new(
		    list, json_pack("{s:s,s:s,s:I,s:o}", "reason", drop_reasons[r].name, "help",
		              drop_reasons[r].help, "count", (json_int_t)sum, "workers", workers));
	}
	rpc_reply(call, json_pack("{s:o,s:I}", "drops", list, "total", (json_int_t)total));
}

struct neighbours {
	const struct daemon *d;
	json_t *list;
};

static void add_neighbour(const struct model_hop *h, void *arg)
{
	struct neighbours *n = arg;
	const struct mirror_answer *a = mirror_hop_answer(h->mirror);
	char address[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX], mac[18];
	rte_ether_format_addr(mac, sizeof(mac), (const struct rte_ether_addr *)a->mac);
	json_t *o = json_pack("{s:s,s:s,s:i}", "address", ip_addr_print(&h->address, address),
	    "state", mirror_hop_state_name(a->state), "servers", h->refs);
	json_object_set_new(o, "mac", a->has_mac ? json_string(mac) : json_null());
	json_object_set_new(o, "port",
	    a->port >= 0 ? json_string(n->d->ports.list[a->port].conf->name) : json_null());
	json_object_set_new(
	    o, "via", a->via.family ? json_string(ip_addr_print(&a->via, via)) : json_null());
	json_array_append_new(n->list, o);
}

void method_neighbours(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	struct neighbours n = { d, json_array() };
	model_hops_each(d->model, add_neighbour, &n);
	rpc_reply(call, json_pack("{s:o}", "neighbours", n.list));
}

void method_version(struct rpc_call *call, json_t *params, void *arg)
{
	struct daemon *d = arg;
	struct timespec now;
	if (reply_unknown_keys(call, params, no_keys))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	rpc_reply(
	    call, json_pack("{s:s,s:s,s:i,s:I,s:b}", "version", POISE_VERSION, "dpdk",
	              rte_version(), "pid", (int)getpid(), "uptime_s",
	              (json_int_t)(now.tv_sec - d->started.tv_sec), "hugepages", d->hugepages));
}
