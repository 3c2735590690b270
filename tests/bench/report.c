// SPDX-License-Identifier: BSD-3-Clause

// The figures, for people and for programs.

#include "bench.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static void number(FILE *out, int width, int digits, double value)
{
	if (isnan(value))
		fprintf(out, " %*s", width, "-");
	else
		fprintf(out, " %*.*f", width, digits, value);
}

void report_head(FILE *out)
{
	fputs("mode    family kind           flows huge   ns/packet  spread   floor  Mpackets/s"
	      " instructions bytes/conn\n",
	    out);
}

void report_row(FILE *out, const struct bench_result *r)
{
	// Three letters each: "tun/gre" is as long as "fullnat".
	bool plain = !r->c.tunnel || strcmp(r->c.tunnel, bench_tunnels[0]) == 0;
	char mode[32];
	snprintf(
	    mode, sizeof(mode), "%s%s%s", r->c.mode, plain ? "" : "/", plain ? "" : r->c.tunnel);
	fprintf(out, "%-7s %-6s %-11s %8u %-4s", mode, bench_families[r->c.v6],
	    bench_kinds[r->c.kind], r->c.flows, r->hugepages ? "yes" : "no");
	number(out, 11, 1, r->ns);
	number(out, 7, 1, r->spread_ns);
	number(out, 7, 1, r->floor_ns);
	number(out, 11, 2, r->packets_per_s / 1e6);
	number(out, 12, 1, r->instructions);
	number(out, 10, 0, r->bytes);
	fputc('\n', out);
	fflush(out);
}

static json_t *real_or_null(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *to_json(const struct bench_result *r)
{
	return json_pack(
	    "{s:s, s:s?, s:s, s:s, s:I, s:i, s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", //
	    "mode", r->c.mode,                                                         //
	    "tunnel", r->c.tunnel,                                                     //
	    "family", bench_families[r->c.v6],                                         //
	    "kind", bench_kinds[r->c.kind],                                            //
	    "flows", (json_int_t)r->c.flows,                                           //
	    "workers", (int)r->workers,                                                //
	    "hugepages", (int)r->hugepages,                                            //
	    "services", (int)r->services,                                              //
	    "ns_per_packet", real_or_null(r->ns),                                      //
	    "floor_ns", real_or_null(r->floor_ns),                                     //
	    "spread", real_or_null(r->spread_ns),                                      //
	    "packets_per_second", real_or_null(r->packets_per_s),                      //
	    "instructions_per_packet", real_or_null(r->instructions),                  //
	    "bytes_per_connection", real_or_null(r->bytes));
}

int report_json(const char *path, const struct bench_result *r, unsigned n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, to_json(&r[i]));
	int ret = json_dump_file(list, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	if (ret < 0)
		fprintf(stderr, "bench: %s cannot be written\n", path);
	json_decref(list);
	return ret;
}
