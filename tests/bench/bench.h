// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is measured, and what came out.

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum bench_kind { BENCH_ESTABLISHED, BENCH_NEW, BENCH_KINDS };

struct bench_case {
	const char *mode;   // one of bench_modes[]
	const char *tunnel; // "tun": one of bench_tunnels[]; NULL in other modes
	bool v6;
	enum bench_kind kind;
	uint32_t flows; // established in the table before anything is measured
};

#define BENCH_FLOWS_MOST 10000000

extern const char *const bench_modes[];   // NULL at the end
extern const char *const bench_tunnels[]; // the same
extern const char *const bench_families[2];
extern const char *const bench_kinds[BENCH_KINDS];

// Figures that were not taken are NaN. Those of "new" are for a connection, not for a packet.
struct bench_result {
	struct bench_case c;
	bool hugepages;
	unsigned workers, services;
	double ns;        // a packet, without floor: median of the work less median of the floor
	double floor_ns;  // receive and transmit only
	double spread_ns; // between the quartiles of the work's windows
	double packets_per_s; // floor included
	double bytes;         // of table memory a connection
	double instructions;  // a packet, without floor
};

// measure.c

// A pair of windows is one of the floor and one of the work.
struct bench_result measure(const struct bench_case *c, unsigned pairs);

// callgrind.c

bool callgrind_there(void);
// Instructions a packet, without floor. Runs this program under valgrind, with `--one`. NaN, and a
// line on stderr, when that fails.
double callgrind_instructions(const struct bench_case *c);
#define CALLGRIND_PAIRS 8

// report.c

void report_head(FILE *out);
void report_row(FILE *out, const struct bench_result *r);
// 0, or -1 and a line on stderr.
int report_json(const char *path, const struct bench_result *r, unsigned n);
