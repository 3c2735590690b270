// SPDX-License-Identifier: BSD-3-Clause

#include "ports.h"

#include <bsd/string.h>
#include <errno.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "rss.h"

#define DESCRIPTORS    1024
#define RING_SLOTS     2048 // to and from a twin, and between workers
#define POOL_CACHE     256
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 4 + 4) // VLAN tag, FCS

static unsigned queues_wanted(const struct conf *c, const struct conf_port *p)
{
	return p->queues ? p->queues : c->n_workers;
}

// ---- packet memory ----

static unsigned packets_wanted(const struct conf *c)
{
	unsigned n = 4096 + c->n_workers * (2 * POOL_CACHE + BURST_MAX);
	for (size_t i = 0; i < c->n_ports; i++) {
		unsigned q = queues_wanted(c, &c->ports[i]);
		n += q * DESCRIPTORS + RTE_MAX(q, c->n_workers) * DESCRIPTORS;
		n += (c->n_workers + 1) * RING_SLOTS / 2;
	}
	return n;
}

static unsigned data_room(const struct conf *c)
{
	unsigned mtu = 1500;
	for (size_t i = 0; i < c->n_ports; i++) {
		struct netdev_info info;
		unsigned m = c->ports[i].mtu;
		if (!m && c->ports[i].kind == CONF_DEVICE_LINUX &&
		    netdev_info(c->ports[i].device, &info) == 0)
			m = info.mtu;
		if (m > mtu)
			mtu = m > 16000 ? 16000 : m;
	}
	unsigned room = RTE_ALIGN_CEIL(mtu + FRAME_OVERHEAD, 1024u);
	return RTE_MAX(room, 2048u) + RTE_PKTMBUF_HEADROOM;
}

size_t ports_packet_bytes(const struct conf *c)
{
	// An element's header and the pool's padding: 192 bytes are enough.
	return (size_t)packets_wanted(c) * (data_room(c) + sizeof(struct rte_mbuf) + 192);
}

static bool has_pci(const struct conf *c)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].kind == CONF_DEVICE_PCI)
			return true;
	}
	return false;
}

// As rte_pktmbuf_pool_create(), but packets may lie across pages when no device reads them by their
// physical address. AF_XDP wants that: the driver registers count x size bytes from the pool's
// beginning with the kernel, and packets behind, where gaps at page ends have pushed them, would
// silently never leave.
static struct rte_mempool *make_pool(const struct conf *c)
{
	struct rte_pktmbuf_pool_private private = { .mbuf_data_room_size = data_room(c) };
	unsigned flags = has_pci(c) ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
	struct rte_mempool *p = rte_mempool_create_empty("packets", packets_wanted(c),
	    sizeof(struct rte_mbuf) + data_room(c), POOL_CACHE, sizeof(private), SOCKET_ID_ANY,
	    flags);
	if (!p)
		return NULL;
	rte_pktmbuf_pool_init(p, &private);
	if (rte_mempool_populate_default(p) < 0) {
		rte_mempool_free(p);
		return NULL;
	}
	rte_mempool_obj_iter(p, rte_pktmbuf_init, NULL);
	return p;
}

// ---- devices ----

// Attaches a virtual device and finds the port it made. The EAL's own way of vdev arguments would
// go on without the port when it cannot be made.
static int attach(struct port_setup *s, const char *name, const char *args, char *error)
{
	int ret = rte_eal_hotplug_add("vdev", name, args);
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(name, &s->port.dpdk_id);
	if (ret < 0) {
		snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: DPDK cannot open %s%s%s: %s",
		    s->port.index, s->conf->name, name, args[0] ? "," : "", args, strerror(-ret));
		return ret;
	}
	s->attached = true;
	return 0;
}

static int attach_vdev(struct port_setup *s, char *error)
{
	char name[64];
	const char *comma = strchr(s->conf->device, ',');
	snprintf(name, sizeof(name), "%.*s", comma ? (int)(comma - s->conf->device) : 63,
	    s->conf->device);
	return attach(s, name, comma ? comma + 1 : "", error);
}

static int attach_pci(struct port_setup *s, char *error)
{
	// Found by the EAL, which was given the address; here too, 3b:00.0 is 0000:3b:00.0.
	char name[300];
	int ret = rte_eth_dev_get_port_by_name(s->conf->device, &s->port.dpdk_id);
	if (ret < 0) {
		snprintf(name, sizeof(name), "0000:%s", s->conf->device);
		ret = rte_eth_dev_get_port_by_name(name, &s->port.dpdk_id);
	}
	if (ret < 0) {
		snprintf(error, PORTS_ERROR_MAX,
		    "ports[%u] %s: DPDK sees no device %s (is it there, and bound to vfio-pci?)",
		    s->port.index, s->conf->name, s->conf->device);
		return -ENODEV;
	}
	s->attached = true;
	return 0;
}

static int attach_linux(struct port_setup *s, bool xdp, unsigned queues, char *error)
{
	char name[64], args[384];
	if (xdp) {
		snprintf(name, sizeof(name), "net_af_xdp_%s", s->conf->name);
		snprintf(args, sizeof(args), "iface=%s,start_queue=0,queue_count=%u",
		    s->conf->device, queues);
	} else {
		// A frame has room for the MTU behind the 66 bytes of the kernel's own header.
		unsigned frame = 2048, need = s->port.mtu + FRAME_OVERHEAD + 66;
		while (frame < need)
			frame *= 2;
		snprintf(name, sizeof(name), "net_af_packet_%s", s->conf->name);
		unsigned block = RTE_MAX(frame, 4096u);
		snprintf(args, sizeof(args), "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u",
		    s->conf->device, queues, block, frame, DESCRIPTORS);
	}
	return attach(s, name, args, error);
}

static void detach(struct port_setup *s)
{
	if (s->started)
		rte_eth_dev_stop(s->port.dpdk_id);
	if (s->attached)
		rte_eth_dev_close(s->port.dpdk_id);
	s->started = s->attached = false;
}

// ---- queues ----

static bool queues_in_pairs(const char *driver)
{
	return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_tap") == 0 ||
	       strcmp(driver, "net_af_xdp") == 0;
}

static int configure(
    struct ports *p, struct port_setup *s, unsigned want_rx, unsigned n_workers, char *error)
{
	struct rte_eth_dev_info info;
	uint16_t id = s->port.dpdk_id, rxd = DESCRIPTORS, txd = DESCRIPTORS;
	int ret = rte_eth_dev_info_get(id, &info);
	const char *what = "device information";
	if (ret < 0)
		goto fail;
	s->rx_queues = RTE_MIN(want_rx, info.max_rx_queues);
	s->tx_queues = RTE_MIN(n_workers, info.max_tx_queues);
	strlcpy(s->driver, info.driver_name, sizeof(s->driver));
	if (queues_in_pairs(s->driver)) {
		uint16_t pairs = RTE_MAX(s->rx_queues, s->tx_queues);
		s->rx_queues = s->tx_queues = RTE_MIN(pairs, info.max_rx_queues);
	}

	struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	uint64_t rss = info.flow_type_rss_offloads &
	               (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	if (s->rx_queues > 1 && rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = rss;
	}
	if (info.max_mtu && s->port.mtu >= info.min_mtu && s->port.mtu <= info.max_mtu)
		conf.rxmode.mtu = s->port.mtu;
	what = "configuration";
	if ((ret = rte_eth_dev_configure(id, s->rx_queues, s->tx_queues, &conf)) < 0)
		goto fail;
	what = "queues";
	if ((ret = rte_eth_dev_adjust_nb_rx_tx_desc(id, &rxd, &txd)) < 0)
		goto fail;
	int socket = rte_eth_dev_socket_id(id);
	for (uint16_t q = 0; q < s->rx_queues; q++) {
		if ((ret = rte_eth_rx_queue_setup(id, q, rxd, socket, NULL, p->pool)) < 0)
			goto fail;
	}
	for (uint16_t q = 0; q < s->tx_queues; q++) {
		if ((ret = rte_eth_tx_queue_setup(id, q, txd, socket, NULL)) < 0)
			goto fail;
	}
	what = "start";
	if ((ret = rte_eth_dev_start(id)) < 0)
		goto fail;
	s->started = true;
	return 0;
fail:
	snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: %s (%s): %s", s->port.index, s->conf->name,
	    what, s->driver[0] ? s->driver : s->conf->device, strerror(-ret));
	return ret;
}

// AF_XDP where it binds and the pool suits it (make_pool()), else AF_PACKET.
static int open_linux(
    struct ports *p, struct port_setup *s, unsigned queues, unsigned n_workers, char *error)
{
	struct netdev_info info;
	int ret = netdev_info(s->conf->device, &info);
	if (ret < 0) {
		snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: there is no interface %s here",
		    s->port.index, s->conf->name, s->conf->device);
		return ret;
	}
	if (info.has_addresses)
		log_warning("port %s: %s has addresses of its own, which nobody answers for now; "
		            "they belong into "
		            "ports[%u].addresses, on the twin",
		    s->conf->name, s->conf->device, s->port.index);
	char why[160];
	ret = netdev_claim(s->conf->device, s->conf->mtu, &s->claim, why);
	if (ret < 0) {
		snprintf(
		    error, PORTS_ERROR_MAX, "ports[%u] %s: %s", s->port.index, s->conf->name, why);
		return ret;
	}
	netdev_info(s->conf->device, &info);
	s->port.mtu = info.mtu;
	s->port.software = true;

	bool may_xdp = s->conf->driver == CONF_DRIVER_AF_XDP ||
	               (queues <= RTE_MAX(info.combined_channels, 1u) && info.mtu <= 3498);
	if (s->conf->driver != CONF_DRIVER_AF_PACKET && may_xdp && p->packed) {
		netdev_uses_xdp(s->claim);
		ret = attach_linux(s, true, queues, error);
		if (ret == 0)
			ret = configure(p, s, queues, n_workers, error);
		if (ret == 0 || s->conf->driver == CONF_DRIVER_AF_XDP)
			return ret;
		log_info(
		    "port %s: no AF_XDP on %s, using AF_PACKET", s->conf->name, s->conf->device);
		detach(s);
	}
	ret = attach_linux(s, false, queues, error);
	return ret < 0 ? ret : configure(p, s, queues, n_workers, error);
}

static int open_device(
    struct ports *p, struct port_setup *s, unsigned queues, unsigned n_workers, char *error)
{
	if (s->conf->kind == CONF_DEVICE_LINUX)
		return open_linux(p, s, queues, n_workers, error);
	int ret = s->conf->kind == CONF_DEVICE_PCI ? attach_pci(s, error) : attach_vdev(s, error);
	if (ret < 0)
		return ret;
	uint16_t mtu;
	s->port.mtu = s->conf->mtu;
	if (!s->port.mtu)
		s->port.mtu = rte_eth_dev_get_mtu(s->port.dpdk_id, &mtu) == 0 ? mtu : RTE_ETHER_MTU;
	s->port.software = s->conf->kind == CONF_DEVICE_VDEV;
	return configure(p, s, queues, n_workers, error);
}

// ---- twins and wiring ----

static struct rte_ring *ring(const char *what, unsigned a, unsigned b, unsigned c)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "%s_%u_%u_%u", what, a, b, c);
	return rte_ring_create(name, RING_SLOTS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int make_twin(struct port_setup *s, unsigned n_workers, char *error)
{
	int ret = netdev_tap_new(
	    s->conf->name, s->port.mac.addr_bytes, s->port.mtu, &s->twin_fd, &s->twin);
	if (ret < 0) {
		snprintf(error, PORTS_ERROR_MAX,
		    ret == -ENOENT || ret == -ENODEV
		        ? "ports[%u] %s: cannot make the TAP twin %s: /dev/net/tun: %s (modprobe "
		          "tun)"
		        : "ports[%u] %s: cannot make the TAP twin %s: %s",
		    s->port.index, s->conf->name, s->conf->name,
		    ret == -EEXIST ? "an interface of that name is there already" : strerror(-ret));
		return ret;
	}
	s->inject = ring("inject", s->port.index, 0, 0);
	bool ok = s->inject;
	for (unsigned k = 0; k < n_workers; k++)
		ok &= (s->punt[k] = ring("punt", s->port.index, k, 0)) != NULL;
	if (!ok)
		snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: no memory for rings", s->port.index,
		    s->conf->name);
	return ok ? 0 : -ENOMEM;
}

// Receive queue q belongs to worker q modulo their number; transmit queue k to worker k. A worker
// without a transmit queue hands over to the worker that owns queue k modulo their number.
static int wire(struct crew *crew, struct port_setup *s, char *error)
{
	unsigned i = s->port.index;
	for (unsigned q = 0; q < s->rx_queues; q++) {
		struct worker *w = crew->workers[q % crew->n];
		if (w->n_rx == RX_QUEUES_MAX) {
			snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: too many queues", i,
			    s->conf->name);
			return -ENOSPC;
		}
		w->rx[w->n_rx++] = (struct rx_queue){ &s->port, q };
	}
	for (unsigned k = 0; k < crew->n; k++) {
		struct worker *w = crew->workers[k];
		struct tx_port *t = &w->tx[i];
		*t = (struct tx_port){ .port = &s->port, .queue = k, .punt = s->punt[k] };
		w->n_tx = RTE_MAX(w->n_tx, i + 1);
		if (k == 0)
			t->inject = s->inject;
		if (k < s->tx_queues)
			continue;
		struct tx_port *owner = &crew->workers[k % s->tx_queues]->tx[i];
		t->handoff_to = ring("handoff", i, k, 0);
		if (!t->handoff_to) {
			snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: no memory for rings", i,
			    s->conf->name);
			return -ENOMEM;
		}
		owner->handoff_from[owner->n_handoff++] = t->handoff_to;
	}
	return 0;
}

static int open_port(
    struct ports *p, const struct conf *c, struct crew *crew, struct port_setup *s, char *error)
{
	int ret = open_device(p, s, queues_wanted(c, s->conf), crew->n, error);
	if (ret < 0)
		return ret;
	uint16_t id = s->port.dpdk_id;
	rte_eth_macaddr_get(id, &s->port.mac);
	s->port.pool = p->pool;
	// Multicast (VRRP, neighbour discovery) is for the twin's kernel to choose from.
	rte_eth_allmulticast_enable(id);
	if (s->conf->promiscuous && (ret = rte_eth_promiscuous_enable(id)) < 0 && ret != -ENOTSUP) {
		snprintf(error, PORTS_ERROR_MAX, "ports[%u] %s: promiscuous: %s", s->port.index,
		    s->conf->name, strerror(-ret));
		return ret;
	}
	if (crew->n > 1 && s->rx_queues > 1)
		s->port.rss = rss_of_port(id, crew->n);
	ret = make_twin(s, crew->n, error);
	return ret < 0 ? ret : wire(crew, s, error);
}

int ports_open(
    const struct conf *c, struct crew *crew, struct ports *p, char error[static PORTS_ERROR_MAX])
{
	*p = (struct ports){};
	p->pool = make_pool(c);
	p->packed = !has_pci(c);
	if (!p->pool) {
		snprintf(error, PORTS_ERROR_MAX,
		    "no memory for %u packets of %u bytes (memory.megabytes?)", packets_wanted(c),
		    data_room(c));
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->n_ports; i++) {
		struct port_setup *s = &p->list[p->n++];
		s->conf = &c->ports[i];
		s->port.index = i;
		s->twin_fd = -1;
		int ret = open_port(p, c, crew, s, error);
		if (ret < 0) {
			ports_close(p);
			return ret;
		}
		log_info("port %s: %s (%s), %u receive and %u transmit queues%s, MTU %u",
		    s->conf->name, s->conf->device, s->driver, s->rx_queues, s->tx_queues,
		    s->port.rss ? " (hash known)" : "", s->port.mtu);
	}
	return 0;
}

void ports_close(struct ports *p)
{
	for (unsigned i = p->n; i-- > 0;) {
		struct port_setup *s = &p->list[i];
		if (s->twin_fd >= 0)
			close(s->twin_fd);
		s->twin_fd = -1;
		detach(s);
		free((void *)s->port.rss);
		s->port.rss = NULL;
		netdev_release(s->claim);
		s->claim = NULL;
	}
	p->n = 0;
}
