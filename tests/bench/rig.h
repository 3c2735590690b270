// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One worker with a virtual service, connections in its table, and a receive queue that is filled
// by hand: a window of packets at a time.

#include "bench.h"
#include "tests/lab/lab.h"
#include "traffic.h"

#define WINDOW (63 * 64) // packets: whole bursts, as many as a lab's queue holds

struct rig {
	struct bench_case c;
	bool hugepages;
	struct lab *lab;
	struct worker *w;
	const struct port *port;
	struct rte_ring *in, *out;
	struct traffic traffic;
	struct rte_mbuf *packets[WINDOW];
	uint8_t *answers; // ends of each flow's answers, those of the window of "new" behind
	uint64_t random;
	uint32_t next_flow;      // "new": not yet used
	uint32_t fresh;          // "new": connections that have not expired yet
	bool answering;          // "new": the window is of answers
	uint64_t table_bytes[2]; // before and after there were connections
	uint64_t sent;           // through the pipeline since the beginning
};

// All of c->flows are established. Ends the process when they cannot be.
void rig_new(struct rig *r, const struct bench_case *c);
// False, and a line on stderr, when a packet did not come out that went in.
bool rig_free(struct rig *r);

// The next window of packets in the receive queue. What `new` sends is the same until rig_keep()
// says that its connections exist now.
void rig_fill(struct rig *r);
// True: the next window has the answers of the same connections.
bool rig_keep(struct rig *r);
// Takes back what was sent. Ends the process when that is not a whole window.
void rig_drain(struct rig *r);
// "new": the connections made since the beginning expire.
void rig_expire(struct rig *r);

// director.c

// Before the first rig: the most flows any will have, and whether to look for hugepages. False, and
// a line on stderr, when there is not memory enough.
bool director_memory(uint32_t flows_most, bool hugepages);

// Whether answers pass the director, too.
bool director_both_ways(const struct bench_case *c);
// In what a figure is of: 1, but a new connection with answers is a SYN and a SYN/ACK.
unsigned director_packets(const struct bench_case *c);
// A lab with a virtual service in this mode, with servers. Ends the process when it cannot be.
struct lab *director_new(const struct bench_case *c, bool *hugepages);
// Established connections of all servers.
uint64_t director_active(struct lab *lab, const struct bench_case *c);
