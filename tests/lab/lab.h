// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A laboratory: a whole director in one process, without kernel, threads or time of its own. Frames
// go in at a port's queue, the real workers' loop turns, frames come out. Everything between, from
// the model to the pipeline, is what poised runs. Packet tests, benchmarks and the pipeline's
// fuzzer stand on it. One lab in a process at a time, one thread.
//
// Ports are lab0, lab1 with MACs 02:00:00:00:00:01, :02; each has a receive and a transmit queue
// for each worker, so that a test chooses the worker by the queue it sends to.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/crew.h"
#include "ctl/model.h"

struct rte_mbuf;
struct rte_ring;
struct rss;
struct lab;

struct lab_options {
	unsigned workers, ports;  // 0: 1
	uint32_t connections_max; // 0: 65536
	uint16_t mtu;             // 0: 1500
	unsigned packets;         // in the pool; 0: 8191
	bool hugepages;           // else the EAL runs without
	bool hardware;            // checksums are good when they come: ports are not `software`
};

// Ends the process with a line when it cannot be made: nothing can be tested then.
struct lab *lab_new(const struct lab_options *o);
// False, and a line on stderr, when a packet buffer was lost.
bool lab_free(struct lab *lab);

// As if the port's NIC spread packets so; NULL: not known, as at first.
void lab_rss(struct lab *lab, unsigned port, const struct rss *rss);

struct crew *lab_crew(struct lab *lab);
struct model *lab_model(struct lab *lab);
struct worker *lab_worker(struct lab *lab, unsigned k);

// What an operator would do, as JSON text with ' for ". 0, or negative errno and a line on stderr.
int lab_service(struct lab *lab, const char *service);
int lab_server(struct lab *lab, const char *service, const char *server);
int lab_server_delete(struct lab *lab, const char *service, const char *address, uint16_t port);
// The next hop of a real server's address: sent by `port` to 02:00:00:00:`id`; or another kind.
void lab_hop(struct lab *lab, const char *address, unsigned port, uint16_t id);
// With the director's own address towards it (16 bytes).
void lab_hop_from(
    struct lab *lab, const char *address, unsigned port, uint16_t id, const uint8_t source[16]);
void lab_hop_kind(struct lab *lab, const char *address, enum hop_kind kind);
void lab_hop_mtu(
    struct lab *lab, const char *address, unsigned port, uint16_t id, uint16_t mtu, uint16_t vlan);

// Time: in ticks of 10 ms; passes for all workers at once.
void lab_pass(struct lab *lab, uint32_t ticks);
#define LAB_SECONDS(s) ((uint32_t)(s)*TICKS_PER_SECOND)

// Puts a frame into the queue of a port (queue = worker). False when it does not fit.
bool lab_send(struct lab *lab, unsigned port, unsigned queue, const void *frame, size_t bytes);
// The same in several buffers of at most `segment` bytes.
bool lab_send_in_parts(struct lab *lab, unsigned port, unsigned queue, const void *frame,
    size_t bytes, size_t segment);
// The rings behind a queue of a port: for who prepares many packets before the workers turn.
struct rte_ring *lab_ring_in(struct lab *lab, unsigned port, unsigned queue);
struct rte_ring *lab_ring_out(struct lab *lab, unsigned port, unsigned queue);
// As if a port's twin had sent it.
bool lab_inject(struct lab *lab, unsigned port, const void *frame, size_t bytes);
// Workers turn until nothing is left to do.
void lab_run(struct lab *lab);
// The next frame that left by a port, by any queue; its length, 0: none.
size_t lab_receive(struct lab *lab, unsigned port, void *frame, size_t room);
// The next frame for the kernel.
size_t lab_punted(struct lab *lab, unsigned port, void *frame, size_t room);

// Sums over the workers.
uint64_t lab_drops(struct lab *lab, enum drop_reason reason);
uint64_t lab_drops_total(struct lab *lab);
struct worker_counters lab_counters(struct lab *lab);
void lab_server_load(struct lab *lab, const char *service, const char *address, uint16_t port,
    uint32_t *active, uint32_t *inactive);
// rx + injected + made = tx + punted + dropped on every worker, and the servers' connections are
// those in the tables. Else false and what does not agree on stderr.
bool lab_books_balance(struct lab *lab);
