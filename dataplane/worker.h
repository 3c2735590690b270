// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A worker: everything one lcore needs to forward packets. It owns all of this and is the only one
// to write it; the control thread reads counters as they stand (aligned words, no order implied)
// and writes only through mail (mail.h).

#include <rte_ring.h>
#include <stdint.h>

#include "conn_table.h"
#include "drops.h"
#include "hop.h"
#include "mail.h"
#include "packet.h"
#include "port.h"
#include "server_table.h"
#include "service_table.h"
#include "tcp_state.h"

#define SERVERS_MAX   (1u << 22)
#define RX_QUEUES_MAX 64
#define TX_BURST      64

// A real server as the data path knows it: one cache line. Numbered by the control thread; the
// number is given again only when no worker has a connection of it left.
struct real_server {
	struct service *service; // NULL: the service was deleted
	uint16_t hop;
	bool available; // false: deleted, its connections are dropped
	uint8_t forward;
	uint32_t active, inactive; // connections; worker: rw, other workers and ctl: ro
	// FULLNAT: the next candidate, address by its number and port, for a new connection.
	uint16_t local_address, local_port;
	uint64_t connections, in_packets, out_packets, in_bytes, out_bytes;
};
static_assert(sizeof(struct real_server) == 64);

struct rx_queue {
	const struct port *port;
	uint16_t queue;
};

// A worker's way out of a port: a transmit queue of its own or, when the port has fewer queues
// than there are workers, a ring to the worker that has one.
struct tx_port {
	const struct port *port; // NULL: not there
	uint16_t queue;
	uint16_t n;
	struct rte_ring *handoff_to;                // not NULL: instead of a queue
	struct rte_ring *handoff_from[WORKERS_MAX]; // from the others, when the queue is shared
	uint16_t n_handoff;
	struct rte_ring *inject; // frames of the kernel's, from the twin, for this worker to send
	struct rte_ring *punt;   // frames for the twin
	struct rte_mbuf *pending[TX_BURST];
};

struct port_counters { // worker: rw, ctl: ro
	uint64_t rx, tx, punted, injected, mended, truncated, over_mtu;
};

struct worker_counters { // worker: rw, ctl: ro
	// rx + injected + made + taken_over = tx + punted + handed_over + waiting + sum of drops,
	// whenever nothing is under way.
	uint64_t rx, tx, punted, injected, made, handed_over, taken_over;
	uint64_t waiting; // fragments, now
	uint64_t drops[DROP_REASON_COUNT];
	uint64_t loops, busy_loops, busy_cycles, cycles;
	uint64_t growth_wanted; // times a table had no room
};

// So many a second, in bursts of at most a tenth of it (one at least).
struct rate_limit {
	uint32_t per_s;
	uint32_t tokens; // in hundredths: one is added each tick for each per second
	uint32_t last;   // tick
};

struct timeouts { // ticks
	uint32_t tcp[TCP_S_COUNT];
	uint32_t udp;
};

struct worker {
	unsigned index;
	uint32_t now; // tick; set once a loop, or by a test
	uint64_t tsc; // cycles, likewise
	bool stop;    // ctl: w; read once a loop

	struct rx_queue rx[RX_QUEUES_MAX];
	unsigned n_rx;
	struct tx_port tx[PORTS_MAX];
	unsigned n_tx;

	struct conn_table conns[2]; // IPv4, IPv6
	struct service_table *services;
	struct server_table *server_table;
	struct real_server *servers;                        // SERVERS_MAX, reserved memory
	struct hop *hops;                                   // HOPS_MAX, reserved memory
	const struct real_server *all_servers[WORKERS_MAX]; // of every worker, this one too
	unsigned n_workers;
	// One ring for each pair of workers; NULL: none (to oneself).
	struct rte_ring *handover_to[WORKERS_MAX], *handover_from[WORKERS_MAX];
	uint64_t owner_secret; // the same for all
	struct fragments *fragments;

	struct timeouts timeouts;
	struct rate_limit punt_limit, icmp_limit;
	uint16_t ip_id; // of the packets it makes

	struct worker_counters counters;
	struct port_counters ports[PORTS_MAX];

	struct rte_ring *inbox, *outbox;
	struct mail *long_work;

	// Not on a packet's way: what the worker does when there is nothing to do, and its clock.
	// Given by the program (src/poised/idle.c), so that dataplane/ makes no system call.
	void (*tick)(struct worker *w);
	void (*idle)(struct worker *w, unsigned empty_polls);

	struct burst burst;
};

static inline void drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	w->counters.drops[reason]++;
	rte_pktmbuf_free(m);
}

static inline uint32_t rate_limit_most(uint32_t per_s)
{
	return per_s >= 10 ? per_s * 10 : per_s ? TICKS_PER_SECOND : 0;
}

// Begins with all the tokens there can be.
static inline void rate_limit_set(struct rate_limit *l, uint32_t per_s, uint32_t now)
{
	*l = (struct rate_limit){ per_s, rate_limit_most(per_s), now };
}

// True when one more is allowed now.
static inline bool rate_limit_take(struct rate_limit *l, uint32_t now)
{
	uint32_t passed = now - l->last;
	if (passed) {
		uint64_t tokens = l->tokens + (uint64_t)passed * l->per_s;
		l->tokens = RTE_MIN(tokens, rate_limit_most(l->per_s));
		l->last = now;
	}
	if (l->tokens < TICKS_PER_SECOND)
		return false;
	l->tokens -= TICKS_PER_SECOND;
	return true;
}
