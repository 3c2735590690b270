// SPDX-License-Identifier: BSD-3-Clause

// The director that is measured: its memory, its virtual service and its servers.

#include "rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS 8

// Where servers listen whose packets get another destination.
#define SERVER_PORT 8080

// Each local address gives 64512 ports for each server: more than there are flows.
#define LOCALS  "198.51.100.0/24"
#define LOCALS6 "2001:db8:2::/120"

// Established connections live longer (31 days) than the new ones of a window.
#define ESTABLISHED_S 2678400

// Room beside the flows: windows of new connections, and the other family's first grant.
#define ROOM_BESIDE 131072

// ---- memory ----

#define MEMORY_BASE       ((uint64_t)256 << 20) // the EAL, the packets, small tables
#define MEMORY_CONNECTION 256                   // tables, and half as much while they grow

// The EAL begins once in a process, with hugepages or without.
static bool hugepages;

// The number after `name` in a file, 0: there is none.
static uint64_t read_number(const char *path, const char *name)
{
	char line[256];
	uint64_t n = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f) && n == 0) {
		if (strncmp(line, name, strlen(name)) == 0)
			n = strtoull(line + strlen(name), NULL, 10);
	}
	fclose(f);
	return n;
}

bool director_memory(uint32_t flows_most, bool want_hugepages)
{
	uint64_t want = MEMORY_BASE + (uint64_t)flows_most * MEMORY_CONNECTION;
	uint64_t ends = (uint64_t)flows_most * TRAFFIC_ENDS_MAX;
	uint64_t kib = read_number("/proc/meminfo", "MemAvailable:");
	uint64_t pages = read_number(
	    "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "");
	hugepages = want_hugepages && pages << 21 >= want;
	if ((hugepages ? ends : want + ends) >> 10 <= kib)
		return true;
	fprintf(stderr,
	    "bench: %u flows want %" PRIu64 " MiB of memory, %" PRIu64 " are available\n",
	    flows_most, (want + ends) >> 20, kib >> 10);
	return false;
}

// ---- the service ----

bool director_both_ways(const struct bench_case *c)
{
	return strcmp(c->mode, "nat") == 0 || strcmp(c->mode, "fullnat") == 0;
}

unsigned director_packets(const struct bench_case *c)
{
	return c->kind == BENCH_NEW && director_both_ways(c) ? 2 : 1;
}

static uint16_t server_port(const struct bench_case *c)
{
	return director_both_ways(c) ? SERVER_PORT : TRAFFIC_PORT;
}

static const char *server_address(bool v6, unsigned i)
{
	static char text[40];
	snprintf(text, sizeof(text), "%s%u", v6 ? "2001:db8::1" : "192.0.2.1", i);
	return text;
}

static void add_server(struct lab *lab, const struct bench_case *c, unsigned i)
{
	// The director's own address, which a tunnel begins at: 192.0.2.2, 2001:db8::2.
	static const uint8_t source[2][16] = { { 192, 0, 2, 2 },
		{ 0x20, 0x01, 0x0d, 0xb8, [15] = 2 } };
	char text[160], tunnel[64] = "";
	const char *address = server_address(c->v6, i);
	if (c->tunnel)
		snprintf(tunnel, sizeof(tunnel), ",'tunnel':{'type':'%s'%s}", c->tunnel,
		    strcmp(c->tunnel, "gue") == 0 ? ",'port':6080" : "");
	lab_hop_from(lab, address, 0, i, source[c->v6]);
	snprintf(
	    text, sizeof(text), "{'address':'%s','port':%u%s}", address, server_port(c), tunnel);
	if (lab_server(lab, "web", text) < 0)
		exit(1);
}

static void add_service(struct lab *lab, const struct bench_case *c)
{
	char text[256], locals[64] = "";
	if (strcmp(c->mode, "fullnat") == 0)
		snprintf(
		    locals, sizeof(locals), ",'local_addresses':['%s']", c->v6 ? LOCALS6 : LOCALS);
	snprintf(text, sizeof(text),
	    "{'name':'web','protocol':'tcp','address':'%s','port':%u,'scheduler':'rr',"
	    "'forward':'%s'%s}",
	    c->v6 ? TRAFFIC_VIP6 : TRAFFIC_VIP, TRAFFIC_PORT, c->mode, locals);
	if (lab_service(lab, text) < 0)
		exit(1);
	for (unsigned i = 1; i <= SERVERS; i++)
		add_server(lab, c, i);
}

struct lab *director_new(const struct bench_case *c, bool *with_hugepages)
{
	struct lab *lab = lab_new(&(struct lab_options){
	    .connections_max = c->flows + c->flows / 4 + ROOM_BESIDE,
	    .packets = 4095,
	    .hugepages = hugepages,
	    .hardware = true,
	});
	static const struct conf_timeouts timeouts = { ESTABLISHED_S, 120, 300 };
	model_settings(lab_model(lab), &timeouts, 0, 0);
	add_service(lab, c);
	*with_hugepages = hugepages;
	return lab;
}

uint64_t director_active(struct lab *lab, const struct bench_case *c)
{
	uint64_t sum = 0;
	for (unsigned i = 1; i <= SERVERS; i++) {
		uint32_t active, inactive;
		lab_server_load(
		    lab, "web", server_address(c->v6, i), server_port(c), &active, &inactive);
		sum += active;
	}
	return sum;
}
