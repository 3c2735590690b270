// SPDX-License-Identifier: BSD-3-Clause

#include "eal.h"

#include <errno.h>
#include <glob.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What DPDK itself, rings and workers' structures take beside the packets.
#define BASE_MEGABYTES 48

#define ARGS_MAX 64

struct args {
	int n;
	char *v[ARGS_MAX + 1];
};

static void add(struct args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct args *a, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (a->n < ARGS_MAX && vasprintf(&a->v[a->n], format, ap) >= 0)
		a->n++;
	va_end(ap);
}

static size_t free_hugepage_bytes(void)
{
	glob_t g;
	size_t bytes = 0;
	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		size_t kb = 0, n = 0;
		sscanf(strrchr(g.gl_pathv[i], '-') - 9, "hugepages-%zu", &kb);
		FILE *f = fopen(g.gl_pathv[i], "r");
		if (f) {
			if (fscanf(f, "%zu", &n) == 1)
				bytes += n * kb * 1024;
			fclose(f);
		}
	}
	globfree(&g);
	return bytes;
}

// Workers get CPUs of their own, from the second on; the control thread may run on any that the
// process may use, since it sleeps nearly always.
static int choose_cpus(const struct conf *c, struct eal_result *out, char *error)
{
	cpu_set_t may;
	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return -errno;
	unsigned n = CPU_COUNT(&may), next = 0, all[CPU_SETSIZE];
	for (int cpu = 0, i = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &may))
			all[i++] = cpu;
	}
	if (n > c->n_workers)
		next = 1;
	for (unsigned k = 0; k < c->n_workers; k++) {
		int cpu = c->worker_cpus[k];
		if (cpu >= 0 && !CPU_ISSET(cpu, &may)) {
			snprintf(error, EAL_ERROR_MAX,
			    "workers[%u]: there is no CPU %d for this process", k, cpu);
			return -EINVAL;
		}
		if (cpu < 0 && k + next >= n) {
			snprintf(error, EAL_ERROR_MAX,
			    "workers: %u workers, but this process may use %u CPU%s only",
			    c->n_workers, n, n == 1 ? "" : "s");
			return -EINVAL;
		}
		out->worker_cpus[k] = cpu >= 0 ? cpu : (int)all[k + next];
		out->worker_lcores[k] = k + 1;
	}
	return 0;
}

static void add_lcores(struct args *a, const struct conf *c, const struct eal_result *r)
{
	cpu_set_t may;
	sched_getaffinity(0, sizeof(may), &may);
	char text[4096];
	size_t at = snprintf(text, sizeof(text), "0@(");
	for (int cpu = 0, first = 1; cpu < CPU_SETSIZE && at < sizeof(text) / 2; cpu++) {
		if (CPU_ISSET(cpu, &may)) {
			at += snprintf(text + at, sizeof(text) - at, "%s%d", first ? "" : ",", cpu);
			first = 0;
		}
	}
	at += snprintf(text + at, sizeof(text) - at, ")");
	for (unsigned k = 0; k < c->n_workers; k++)
		at += snprintf(
		    text + at, sizeof(text) - at, ",%u@%d", r->worker_lcores[k], r->worker_cpus[k]);
	add(a, "--lcores");
	add(a, "%s", text);
}

static int choose_memory(
    const struct conf *c, size_t megabytes, struct eal_result *out, char *error)
{
	size_t free_mb = free_hugepage_bytes() >> 20;
	out->hugepages = c->hugepages == CONF_HUGEPAGES_ON ||
	                 (c->hugepages == CONF_HUGEPAGES_AUTO && free_mb >= megabytes);
	if (out->hugepages && free_mb < megabytes) {
		snprintf(error, EAL_ERROR_MAX,
		    "memory.hugepages: %zu MB of free hugepages, %zu MB are needed (sysctl "
		    "vm.nr_hugepages=%zu)",
		    free_mb, megabytes, megabytes / 2 + 1);
		return -ENOMEM;
	}
	if (!out->hugepages && c->hugepages == CONF_HUGEPAGES_AUTO && free_mb)
		fprintf(stderr,
		    "poised: %zu MB of free hugepages are too few (%zu MB): going without\n",
		    free_mb, megabytes);
	return 0;
}

int eal_start(const struct conf *c, size_t packet_bytes, struct eal_result *out,
    char error[static EAL_ERROR_MAX])
{
	size_t megabytes = c->memory_megabytes ? c->memory_megabytes
	                                       : BASE_MEGABYTES + (packet_bytes >> 20);
	if (c->memory_megabytes && c->memory_megabytes < BASE_MEGABYTES + (packet_bytes >> 20)) {
		snprintf(error, EAL_ERROR_MAX,
		    "memory.megabytes: %u is too little, these ports need %zu", c->memory_megabytes,
		    BASE_MEGABYTES + (packet_bytes >> 20));
		return -ENOMEM;
	}
	int ret = choose_cpus(c, out, error);
	if (ret == 0)
		ret = choose_memory(c, megabytes, out, error);
	if (ret < 0)
		return ret;

	static struct args a;             // the EAL keeps pointers to these texts: they stay
	static char *order[ARGS_MAX + 1]; // and shuffles this
	add(&a, "poised");
	add_lcores(&a, c, out);
	add(&a, "--log-level=lib.*:warning");
	add(&a, "--log-level=pmd.*:warning");
	add(&a, "--log-level=bus.*:warning");
	add(&a, "--no-shconf");
	add(&a, "--no-telemetry");
	add(&a, "--file-prefix=poise%d", getpid());
	if (out->hugepages)
		add(&a, "--in-memory");
	else
		add(&a, "--no-huge");
	add(&a, "-m");
	add(&a, "%zu", megabytes);
	bool pci = false;
	for (size_t i = 0; i < c->n_ports; i++) {
		if (c->ports[i].kind == CONF_DEVICE_PCI) {
			add(&a, "-a");
			add(&a, "%s", c->ports[i].device);
			pci = true;
		}
	}
	if (!pci)
		add(&a, "--no-pci");
	memcpy(order, a.v, sizeof(order));
	if (rte_eal_init(a.n, order) < 0) {
		snprintf(error, EAL_ERROR_MAX, "DPDK does not start: %s%s", rte_strerror(rte_errno),
		    rte_errno == EACCES || geteuid() != 0 ? " (is this root?)" : "");
		return -EIO;
	}
	return 0;
}
