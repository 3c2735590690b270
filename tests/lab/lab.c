// SPDX-License-Identifier: BSD-3-Clause

#include "lab.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/pipeline.h"

#define QUEUE_SLOTS 4096
#define MEGABYTES   "256" // for all labs of a process, one after the other
#define DATA_ROOM   4096  // and what a longer MTU needs

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

struct lab_port {
	struct port port;
	struct rte_ring *in[WORKERS_MAX], *out[WORKERS_MAX], *punt[WORKERS_MAX], *inject;
};

struct lab {
	struct lab_options o;
	struct rte_mempool *pool;
	struct lab_port ports[PORTS_MAX];
	struct model_port model_ports[PORTS_MAX];
	struct crew *crew;
	struct model *model;
	uint32_t now;
	// Buffers whose room behind the frame is poisoned until the workers have turned: the
	// address sanitizer knows nothing of a pool's own memory.
	struct rte_mbuf *guarded[QUEUE_SLOTS];
	unsigned n_guarded;
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("lab: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(99);
}

// ---- begin and end ----

static void start_eal(const struct lab_options *o)
{
	static bool started;
	char prefix[48];
	snprintf(prefix, sizeof(prefix), "--file-prefix=lab%d", (int)getpid());
	const char *args[] = { "lab", "--no-pci", "--no-telemetry", "--no-shconf",
		"--log-level=lib.*:error", "-l0", "-m", MEGABYTES, prefix,
		o->hugepages ? "--in-memory" : "--no-huge" };
	if (!started && rte_eal_init(RTE_DIM(args), (char **)args) < 0)
		die("the EAL does not start: %s", rte_strerror(rte_errno));
	started = true;
}

static struct rte_ring *ring(const char *what, unsigned port, unsigned k)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "lab_%s_%u_%u", what, port, k);
	struct rte_ring *r = rte_ring_create(
	    name, QUEUE_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!r)
		die("no memory for the ring %s", name);
	return r;
}

static void new_port(struct lab *lab, unsigned i)
{
	struct lab_port *lp = &lab->ports[i];
	char name[16];
	unsigned n = lab->o.workers;
	for (unsigned k = 0; k < n; k++) {
		lp->in[k] = ring("in", i, k);
		lp->out[k] = ring("out", i, k);
		lp->punt[k] = ring("punt", i, k);
	}
	lp->inject = ring("inject", i, 0);
	snprintf(name, sizeof(name), "lab%u", i);
	int id = rte_eth_from_rings(name, lp->in, n, lp->out, n, SOCKET_ID_ANY);
	struct rte_eth_conf conf = {};
	if (id < 0 || rte_eth_dev_configure(id, n, n, &conf) < 0)
		die("no ring device %s: %s", name, rte_strerror(rte_errno));
	for (unsigned k = 0; k < n; k++) {
		rte_eth_rx_queue_setup(id, k, QUEUE_SLOTS, SOCKET_ID_ANY, NULL, lab->pool);
		rte_eth_tx_queue_setup(id, k, QUEUE_SLOTS, SOCKET_ID_ANY, NULL);
	}
	if (rte_eth_dev_start(id) < 0)
		die("ring device %s does not start", name);
	lp->port = (struct port){
		.index = i,
		.dpdk_id = id,
		.mac = { { 2, 0, 0, 0, 0, i + 1 } },
		.mtu = lab->o.mtu,
		.software = !lab->o.hardware,
		.pool = lab->pool,
	};
	lab->model_ports[i].mtu = lab->o.mtu;
	memcpy(lab->model_ports[i].mac, lp->port.mac.addr_bytes, 6);
	for (unsigned k = 0; k < n; k++) {
		struct worker *w = lab->crew->workers[k];
		w->rx[w->n_rx++] = (struct rx_queue){ &lp->port, k };
		w->tx[w->n_tx++] = (struct tx_port){
			.port = &lp->port,
			.queue = k,
			.punt = lp->punt[k],
			.inject = k == 0 ? lp->inject : NULL,
		};
	}
}

struct lab *lab_new(const struct lab_options *o)
{
	static const struct conf_timeouts timeouts = { 900, 120, 300 };
	struct lab *lab = calloc(1, sizeof(*lab));
	if (!lab)
		die("out of memory");
	lab->o = *o;
	lab->o.workers = o->workers ? o->workers : 1;
	lab->o.ports = o->ports ? o->ports : 1;
	lab->o.mtu = o->mtu ? o->mtu : 1500;
	lab->o.packets = o->packets ? o->packets : 8191;
	start_eal(&lab->o);
	lab->pool = rte_pktmbuf_pool_create("lab", lab->o.packets, 0, 0, DATA_ROOM, SOCKET_ID_ANY);
	if (!lab->pool)
		die("no memory for %u packets: %s", lab->o.packets, rte_strerror(rte_errno));
	struct crew_options co = {
		.n_workers = lab->o.workers,
		.connections_max = o->connections_max ? o->connections_max : 65536,
		.hugepages = o->hugepages,
	};
	int ret = crew_new(&co, &lab->crew);
	if (ret < 0)
		die("no crew: %s", strerror(-ret));
	for (unsigned i = 0; i < lab->o.ports; i++)
		new_port(lab, i);
	struct model_options mo = {
		.crew = lab->crew,
		.ports = lab->model_ports,
		.n_ports = lab->o.ports,
	};
	ret = model_new(&mo, &lab->model);
	if (ret < 0)
		die("no model: %s", strerror(-ret));
	model_settings(lab->model, &timeouts, 200000, 1000);
	return lab;
}

static void empty(struct rte_ring *r)
{
	struct rte_mbuf *m;
	while (rte_ring_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

bool lab_free(struct lab *lab)
{
	model_free(lab->model);
	crew_free(lab->crew);
	for (unsigned i = 0; i < lab->o.ports; i++) {
		struct lab_port *lp = &lab->ports[i];
		rte_eth_dev_stop(lp->port.dpdk_id);
		rte_eth_dev_close(lp->port.dpdk_id);
		char name[24];
		snprintf(name, sizeof(name), "net_ring_lab%u", i);
		rte_eal_hotplug_remove("vdev", name);
		for (unsigned k = 0; k < lab->o.workers; k++) {
			empty(lp->in[k]);
			empty(lp->out[k]);
			empty(lp->punt[k]);
		}
		empty(lp->inject);
	}
	unsigned lost = rte_mempool_in_use_count(lab->pool);
	if (lost)
		fprintf(stderr, "lab: %u packet buffers were lost\n", lost);
	rte_mempool_free(lab->pool);
	free(lab);
	return lost == 0;
}

void lab_rss(struct lab *lab, unsigned port, const struct rss *rss)
{
	lab->ports[port].port.rss = rss;
}

struct crew *lab_crew(struct lab *lab)
{
	return lab->crew;
}

struct model *lab_model(struct lab *lab)
{
	return lab->model;
}

struct worker *lab_worker(struct lab *lab, unsigned k)
{
	return lab->crew->workers[k];
}

// ---- what an operator does ----

static json_t *parse_json(const char *text)
{
	char *quoted = strdup(text);
	json_error_t e;
	for (char *c = quoted; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json_t *o = json_loads(quoted, 0, &e);
	if (!o)
		die("%s: %s", quoted, e.text);
	free(quoted);
	return o;
}

static int complain(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		fprintf(stderr, "lab: %s: %s\n", errors->list[i].path, errors->list[i].text);
	conf_errors_clear(errors);
	return -EINVAL;
}

int lab_service(struct lab *lab, const char *service)
{
	struct conf_errors errors = {};
	struct conf_service s;
	char error[MODEL_ERROR_MAX] = "";
	json_t *o = parse_json(service);
	int ret = conf_parse_service(o, NULL, &s, &errors);
	json_decref(o);
	if (ret < 0)
		return complain(&errors);
	ret = model_service_add(lab->model, &s, error);
	if (ret < 0)
		fprintf(stderr, "lab: %s\n", error);
	conf_service_clear(&s);
	return ret;
}

static struct model_service *service_named(struct lab *lab, const char *name)
{
	struct model_service *ms = model_find_name(lab->model, name);
	if (!ms)
		die("no service %s", name);
	return ms;
}

int lab_server(struct lab *lab, const char *service, const char *server)
{
	struct model_service *ms = service_named(lab, service);
	struct conf_errors errors = {};
	struct conf_server s;
	char error[MODEL_ERROR_MAX] = "";
	json_t *o = parse_json(server);
	int ret = conf_parse_server(o, &ms->conf, NULL, &s, &errors);
	json_decref(o);
	if (ret < 0)
		return complain(&errors);
	struct model_server *known = model_find_server(ms, &s.address, s.port);
	ret = known ? model_server_edit(lab->model, ms, known, &s, error)
	            : model_server_add(lab->model, ms, &s, error);
	if (ret < 0)
		fprintf(stderr, "lab: %s\n", error);
	return ret;
}

static struct ip_addr address_of(const char *text)
{
	struct ip_addr a;
	if (ip_addr_parse(text, &a) < 0)
		die("%s is no address", text);
	return a;
}

int lab_server_delete(struct lab *lab, const char *service, const char *address, uint16_t port)
{
	struct model_service *ms = service_named(lab, service);
	struct ip_addr a = address_of(address);
	struct model_server *s = model_find_server(ms, &a, port);
	if (!s)
		return -ENOENT;
	model_server_delete(lab->model, ms, s);
	return 0;
}

static struct hop hop_to(unsigned port, uint16_t id, uint16_t mtu, uint16_t vlan)
{
	return (struct hop){
		.header = { 2, 0, 0, 0, id >> 8, id, 2, 0, 0, 0, 0, port + 1, 0x81, 0, vlan >> 8,
		    vlan },
		.header_bytes = vlan ? 16 : 12,
		.kind = HOP_SEND,
		.port = port,
		.mtu = mtu,
	};
}

void lab_hop_from(
    struct lab *lab, const char *address, unsigned port, uint16_t id, const uint8_t source[16])
{
	struct ip_addr a = address_of(address);
	struct hop h = hop_to(port, id, lab->o.mtu, 0);
	memcpy(h.source, source, sizeof(h.source));
	model_set_hop(lab->model, &a, &h);
}

void lab_hop_mtu(
    struct lab *lab, const char *address, unsigned port, uint16_t id, uint16_t mtu, uint16_t vlan)
{
	struct ip_addr a = address_of(address);
	struct hop h = hop_to(port, id, mtu, vlan);
	model_set_hop(lab->model, &a, &h);
}

void lab_hop(struct lab *lab, const char *address, unsigned port, uint16_t id)
{
	lab_hop_mtu(lab, address, port, id, lab->o.mtu, 0);
}

void lab_hop_kind(struct lab *lab, const char *address, enum hop_kind kind)
{
	struct ip_addr a = address_of(address);
	model_set_hop(lab->model, &a, &(struct hop){ .kind = kind, .mtu = lab->o.mtu });
}

void lab_pass(struct lab *lab, uint32_t ticks)
{
	lab->now += ticks;
	for (unsigned k = 0; k < lab->o.workers; k++)
		lab->crew->workers[k]->now = lab->now;
}

// ---- frames ----

static void guard(struct lab *lab, struct rte_mbuf *m)
{
	for (; m && lab->n_guarded < RTE_DIM(lab->guarded); m = m->next) {
		ASAN_POISON_MEMORY_REGION(
		    rte_pktmbuf_mtod_offset(m, char *, m->data_len), rte_pktmbuf_tailroom(m));
		lab->guarded[lab->n_guarded++] = m;
	}
}

static void unguard(struct lab *lab)
{
	while (lab->n_guarded) {
		struct rte_mbuf *m = lab->guarded[--lab->n_guarded];
		ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len);
	}
}

bool lab_send_in_parts(
    struct lab *lab, unsigned port, unsigned queue, const void *frame, size_t bytes, size_t segment)
{
	struct rte_mbuf *head = NULL;
	size_t at = 0;
	do {
		size_t n = RTE_MIN(segment, bytes - at);
		struct rte_mbuf *m = rte_pktmbuf_alloc(lab->pool);
		if (!m || n > rte_pktmbuf_tailroom(m)) {
			rte_pktmbuf_free(m);
			rte_pktmbuf_free(head);
			return false;
		}
		memcpy(rte_pktmbuf_append(m, n), (const uint8_t *)frame + at, n);
		if (!head)
			head = m;
		else if (rte_pktmbuf_chain(head, m) < 0)
			die("a frame of too many parts");
		at += n;
	} while (at < bytes);
	head->port = lab->ports[port].port.dpdk_id;
	if (rte_ring_enqueue(lab->ports[port].in[queue], head) == 0) {
		guard(lab, head);
		return true;
	}
	rte_pktmbuf_free(head);
	return false;
}

bool lab_send(struct lab *lab, unsigned port, unsigned queue, const void *frame, size_t bytes)
{
	return lab_send_in_parts(lab, port, queue, frame, bytes, SIZE_MAX);
}

struct rte_ring *lab_ring_in(struct lab *lab, unsigned port, unsigned queue)
{
	return lab->ports[port].in[queue];
}

struct rte_ring *lab_ring_out(struct lab *lab, unsigned port, unsigned queue)
{
	return lab->ports[port].out[queue];
}

bool lab_inject(struct lab *lab, unsigned port, const void *frame, size_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(lab->pool);
	if (!m)
		return false;
	memcpy(rte_pktmbuf_append(m, bytes), frame, bytes);
	if (rte_ring_enqueue(lab->ports[port].inject, m) == 0)
		return true;
	rte_pktmbuf_free(m);
	return false;
}

void lab_run(struct lab *lab)
{
	unsigned work;
	do {
		work = 0;
		for (unsigned k = 0; k < lab->o.workers; k++) {
			struct worker *w = lab->crew->workers[k];
			work += worker_poll(w);
			work += wheel_due(&w->conns[0].wheel, w->now);
			work += wheel_due(&w->conns[1].wheel, w->now);
		}
		crew_grow(lab->crew);
	} while (work);
	unguard(lab);
}

static size_t take(struct rte_ring *const *rings, unsigned n, void *frame, size_t room)
{
	struct rte_mbuf *m;
	for (unsigned k = 0; k < n; k++) {
		if (rte_ring_dequeue(rings[k], (void **)&m) < 0)
			continue;
		size_t bytes = RTE_MIN((size_t)m->pkt_len, room);
		const void *data = rte_pktmbuf_read(m, 0, bytes, frame);
		if (data != frame)
			memcpy(frame, data, bytes);
		rte_pktmbuf_free(m);
		return bytes;
	}
	return 0;
}

size_t lab_receive(struct lab *lab, unsigned port, void *frame, size_t room)
{
	return take(lab->ports[port].out, lab->o.workers, frame, room);
}

size_t lab_punted(struct lab *lab, unsigned port, void *frame, size_t room)
{
	return take(lab->ports[port].punt, lab->o.workers, frame, room);
}

// ---- books ----

uint64_t lab_drops(struct lab *lab, enum drop_reason reason)
{
	uint64_t n = 0;
	for (unsigned k = 0; k < lab->o.workers; k++)
		n += lab->crew->workers[k]->counters.drops[reason];
	return n;
}

uint64_t lab_drops_total(struct lab *lab)
{
	uint64_t n = 0;
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
		n += lab_drops(lab, r);
	return n;
}

struct worker_counters lab_counters(struct lab *lab)
{
	struct worker_counters sum = {};
	for (unsigned k = 0; k < lab->o.workers; k++) {
		const struct worker_counters *c = &lab->crew->workers[k]->counters;
		sum.rx += c->rx;
		sum.tx += c->tx;
		sum.punted += c->punted;
		sum.injected += c->injected;
		sum.made += c->made;
		sum.handed_over += c->handed_over;
		sum.taken_over += c->taken_over;
		sum.growth_wanted += c->growth_wanted;
		for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
			sum.drops[r] += c->drops[r];
	}
	return sum;
}

void lab_server_load(struct lab *lab, const char *service, const char *address, uint16_t port,
    uint32_t *active, uint32_t *inactive)
{
	struct model_service *ms = service_named(lab, service);
	struct ip_addr a = address_of(address);
	struct service_stats stats;
	const struct model_server *s = model_find_server(ms, &a, port);
	if (!s)
		die("no server %s in %s", address, service);
	crew_server_stats(lab->crew, s->id, &stats, active, inactive);
}

bool lab_books_balance(struct lab *lab)
{
	bool good = true;
	for (unsigned k = 0; k < lab->o.workers; k++) {
		const struct worker *w = lab->crew->workers[k];
		const struct worker_counters *c = &w->counters;
		uint64_t drops = 0, of_servers = 0;
		for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
			drops += c->drops[r];
		size_t n = lab->crew->servers[k].granted / sizeof(struct real_server);
		for (size_t i = 0; i < n; i++)
			of_servers += w->servers[i].active + w->servers[i].inactive;
		uint64_t in_tables = w->conns[0].count + w->conns[1].count;
		if (c->rx + c->injected + c->made + c->taken_over !=
		    c->tx + c->punted + c->handed_over + c->waiting + drops) {
			fprintf(stderr,
			    "lab: worker %u: rx %" PRIu64 " + injected %" PRIu64 " + made %" PRIu64
			    " + taken over %" PRIu64 " != tx %" PRIu64 " + punted %" PRIu64
			    " + handed over %" PRIu64 " + dropped %" PRIu64 "\n",
			    k, c->rx, c->injected, c->made, c->taken_over, c->tx, c->punted,
			    c->handed_over, drops);
			good = false;
		}
		if (of_servers != in_tables) {
			fprintf(stderr,
			    "lab: worker %u: %" PRIu64 " connections in the tables, %" PRIu64
			    " in the servers' books\n",
			    k, in_tables, of_servers);
			good = false;
		}
	}
	return good;
}
