// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The crew: all workers as the control thread sees them. It gives them memory, starts and stops
// them, carries mail to them and back, and lets their tables grow. Control thread only.
//
// Before crew_start() and after crew_stop() mail is carried out at once, by the caller; so do tests
// and benchmarks, which never start a worker.

#include <stdint.h>

#include "dataplane/orders.h"
#include "dataplane/worker.h"
#include "memory.h"

struct crew_options {
	unsigned n_workers;
	uint32_t connections_max; // all workers and both families together
	bool hugepages;           // for the tables
	uint32_t mail_slots;      // 0: 4096
};

struct crew_memory {
	struct reserve records, buckets, overflow, chunks;
};

struct crew {
	unsigned n;
	bool running;
	struct worker *workers[WORKERS_MAX];
	unsigned lcores[WORKERS_MAX];
	uint32_t connections_max;
	uint32_t room[WORKERS_MAX][2]; // connections granted to each table, IPv4 and IPv6
	uint64_t granted;              // the sum of these
	struct crew_memory memory[WORKERS_MAX][2];
	struct reserve servers[WORKERS_MAX], hops[WORKERS_MAX], services[WORKERS_MAX];
	struct reserve server_keys[WORKERS_MAX], server_tables[WORKERS_MAX];
	uint32_t mail_slots, under_way[WORKERS_MAX];
};

// 0 or negative errno.
int crew_new(const struct crew_options *o, struct crew **out);
// All mail must be back (crew_stop()).
void crew_free(struct crew *c);

// Launches the workers on the lcores given. `tick` and `idle`: see struct worker.
int crew_start(struct crew *c, const unsigned *lcores, void (*tick)(struct worker *),
    void (*idle)(struct worker *, unsigned));
// Lets the workers finish their mail and what stands in their queues, and waits for them.
void crew_stop(struct crew *c);

// Sends mail; it comes back through its back(). Waits while as much mail as a ring holds is under
// way; a worker reads its mail in every loop, so not for long.
void crew_send(struct crew *c, unsigned worker, struct mail *m);
// Calls back() for all mail that has come back. Returns how many.
unsigned crew_collect(struct crew *c);
unsigned crew_mail_under_way(const struct crew *c);
// Waits until what was sent has been carried out, a few microseconds with busy workers, at most so
// many milliseconds: who is told that a change is made finds it made.
void crew_settle(struct crew *c, unsigned ms);

// Grants room to tables that are filling up. Called a hundred times a second.
void crew_grow(struct crew *c);

// Memory of tables in use, in bytes; of one worker.
uint64_t crew_memory_bytes(const struct crew *c, unsigned worker);
// Prepares the pages of a server's or a hop's number before workers touch them.
int crew_reach_server(struct crew *c, uint32_t id);
int crew_reach_hop(struct crew *c, uint16_t id);

// Sums over all workers.
uint64_t crew_connections(const struct crew *c);
void crew_server_stats(const struct crew *c, uint32_t id, struct service_stats *stats,
    uint32_t *active, uint32_t *inactive);
