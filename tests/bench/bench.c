// SPDX-License-Identifier: BSD-3-Clause

// ./dev bench: what a packet costs, in one process, without NIC. See --help.

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "windows.h"

#define PAIRS       1000
#define PAIRS_QUICK 100
#define RESULTS_MAX 64

const char *const bench_modes[] = { "dr", "nat", "tun", "fullnat", NULL };
const char *const bench_tunnels[] = { "ipip", "gre", "gue", NULL };
const char *const bench_families[2] = { "ipv4", "ipv6" };
const char *const bench_kinds[BENCH_KINDS] = { "established", "new" };
static const uint32_t all_flows[] = { 1000, 64000, 1000000 };

struct options {
	const char *mode, *family, *kind, *json; // NULL: all; none
	const char *tunnel;
	uint32_t flows; // 0: all
	int quick, no_hugepages;
	int callgrind; // 1: yes, 0: no, -1: when valgrind is there
};

static const char help[] =
    "usage: bench [OPTION...]\n"
    "\n"
    "What a packet costs in the pipeline of one worker, without NIC: small TCP packets of\n"
    "random flows, in bursts of 64.\n"
    "\n"
    "  --mode MODE      only this one: dr, nat, tun, fullnat\n"
    "  --tunnel TYPE    in mode tun: ipip (default), gre, gue\n"
    "  --family FAMILY  only this one: ipv4, ipv6\n"
    "  --kind KIND      only this one: established (ACKs of known connections),\n"
    "                   new (SYNs, each makes a connection)\n"
    "  --flows N        established connections in the table, up to 10000000;\n"
    "                   default: 1000, 64000 and 1000000\n"
    "  --json FILE      all figures as a list of objects\n"
    "  --quick          1000 flows and few windows, nothing under valgrind: a few seconds\n"
    "  --callgrind      count instructions, which needs valgrind; --no-callgrind: do not.\n"
    "                   Default: when valgrind is installed. Only with 1000 flows.\n"
    "  --no-hugepages   even when enough are free\n"
    "  --help           this page\n"
    "\n"
    "Figures: ns/packet is the median of many windows of 4032 packets less the median of the\n"
    "floor; the floor is receive and transmit only, in windows of the same run in between.\n"
    "In modes nat and fullnat established is requests and answers in equal parts, in random\n"
    "order; new is a SYN and a SYN/ACK, and its figures are for both together.\n"
    "spread: between the quartiles of the windows with work. Mpackets/s: floor included.\n"
    "instructions: a packet, those of the floor subtracted. bytes/conn: by which the tables grew\n"
    "for these flows; \"-\" when they fitted into what there is from the start.\n";

static void usage_error(const char *what, const char *value)
{
	fprintf(stderr, "bench: %s: %s (see --help)\n", what, value);
	exit(2);
}

static unsigned name_in(const char *const *names, unsigned n, const char *what, const char *name)
{
	for (unsigned i = 0; i < n && names[i]; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	usage_error(what, name);
	return 0;
}

static struct bench_case case_of(
    const char *mode, const char *family, const char *kind, uint32_t flows, const char *tunnel)
{
	unsigned type = name_in(bench_tunnels, UINT32_MAX, "tunnel", tunnel);
	return (struct bench_case){
		.tunnel = strcmp(mode, "tun") == 0 ? bench_tunnels[type] : NULL,
		.mode = bench_modes[name_in(bench_modes, UINT32_MAX, "mode", mode)],
		.v6 = name_in(bench_families, 2, "family", family),
		.kind = name_in(bench_kinds, BENCH_KINDS, "kind", kind),
		.flows = flows,
	};
}

static uint32_t flows_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || n < 1 || n > BENCH_FLOWS_MOST)
		usage_error("flows: 1 to 10000000", text);
	return n;
}

// What callgrind looks at, in a process of its own: --one MODE FAMILY KIND FLOWS [TUNNEL].
static int one(char **words)
{
	static struct rig r;
	struct bench_case c = case_of(words[0], words[1], words[2], flows_of(words[3]),
	    words[4] ? words[4] : bench_tunnels[0]);
	if (!director_memory(c.flows, false))
		return 1;
	rig_new(&r, &c);
	windows_run(&r, CALLGRIND_PAIRS, NULL, NULL);
	return rig_free(&r) ? 0 : 1;
}

// Names that are wrong are told before anything is measured.
static void check(struct options *o)
{
	case_of(o->mode ? o->mode : bench_modes[0], o->family ? o->family : bench_families[0],
	    o->kind ? o->kind : bench_kinds[0], 1, o->tunnel);
	if (o->callgrind == 1 && !callgrind_there())
		usage_error("not installed", "valgrind");
	if (o->callgrind < 0)
		o->callgrind = !o->quick && callgrind_there();
}

static void parse(int argc, char **argv, struct options *o)
{
	const struct option known[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "tunnel", required_argument, NULL, 't' },
		{ "family", required_argument, NULL, 'f' },
		{ "kind", required_argument, NULL, 'k' },
		{ "flows", required_argument, NULL, 'n' },
		{ "json", required_argument, NULL, 'j' },
		{ "quick", no_argument, &o->quick, 1 },
		{ "callgrind", no_argument, &o->callgrind, 1 },
		{ "no-callgrind", no_argument, &o->callgrind, 0 },
		{ "no-hugepages", no_argument, &o->no_hugepages, 1 },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (option) {
		case 'm':
			o->mode = optarg;
			break;
		case 't':
			o->tunnel = optarg;
			break;
		case 'f':
			o->family = optarg;
			break;
		case 'k':
			o->kind = optarg;
			break;
		case 'n':
			o->flows = flows_of(optarg);
			break;
		case 'j':
			o->json = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		case '?':
			exit(2);
		}
	}
	if (optind < argc)
		usage_error("what is this", argv[optind]);
	check(o);
}

static bool wanted(const struct options *o, const struct bench_case *c)
{
	return (!o->mode || strcmp(o->mode, c->mode) == 0) &&
	       (!o->family || strcmp(o->family, bench_families[c->v6]) == 0) &&
	       (!o->kind || strcmp(o->kind, bench_kinds[c->kind]) == 0);
}

// The rows that are asked for. Returns how many.
static unsigned choose(const struct options *o, struct bench_case *list)
{
	unsigned n = 0, sizes = o->quick || o->flows ? 1 : RTE_DIM(all_flows);
	for (unsigned row = 0; row < RTE_DIM(bench_modes) * BENCH_KINDS * 2; row++) {
		struct bench_case c = {
			.mode = bench_modes[row / 2 / BENCH_KINDS],
			.kind = row / 2 % BENCH_KINDS,
			.v6 = row % 2,
		};
		if (c.mode && strcmp(c.mode, "tun") == 0)
			c.tunnel = o->tunnel;
		for (unsigned i = 0; c.mode && wanted(o, &c) && i < sizes; i++) {
			c.flows = o->flows ? o->flows : all_flows[i];
			list[n++] = c;
		}
	}
	return n;
}

static uint32_t most_flows(const struct bench_case *list, unsigned n)
{
	uint32_t most = 0;
	for (unsigned i = 0; i < n; i++)
		most = RTE_MAX(most, list[i].flows);
	return most;
}

int main(int argc, char **argv)
{
	struct bench_case cases[RESULTS_MAX];
	struct bench_result results[RESULTS_MAX];
	struct options o = { .callgrind = -1, .tunnel = bench_tunnels[0] };
	if ((argc == 6 || argc == 7) && strcmp(argv[1], "--one") == 0)
		return one(argv + 2);
	parse(argc, argv, &o);
	unsigned n = choose(&o, cases);
	if (!director_memory(most_flows(cases, n), !o.no_hugepages))
		return 1;
	bool counted = true;
	report_head(stdout);
	for (unsigned i = 0; i < n; i++) {
		results[i] = measure(&cases[i], o.quick ? PAIRS_QUICK : PAIRS);
		if (o.callgrind && cases[i].flows == all_flows[0]) {
			results[i].instructions = callgrind_instructions(&cases[i]);
			counted &= !isnan(results[i].instructions);
		}
		report_row(stdout, &results[i]);
	}
	if (o.json && report_json(o.json, results, n) < 0)
		return 1;
	return counted ? 0 : 1;
}
