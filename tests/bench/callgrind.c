// SPDX-License-Identifier: BSD-3-Clause

// Instructions are the same in every run, however busy the machine: this program runs a few windows
// of itself under callgrind, which counts only while in one function.

#include "rig.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool callgrind_there(void)
{
	return system("valgrind --version >/dev/null 2>&1") == 0;
}

// 0: there was none.
static uint64_t read_total(const char *path)
{
	char line[256];
	uint64_t total = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		sscanf(line, "totals: %" SCNu64, &total);
	fclose(f);
	return total;
}

static int run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char **)argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	return status;
}

// Instructions a packet or connection in `function`.
static double count_in(const char *function, const struct bench_case *c)
{
	char path[] = "/tmp/bench-callgrind-XXXXXX", self[4096], out[64], toggle[64], flows[16];
	int fd = mkstemp(path);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (fd < 0 || n < 0) {
		perror("bench: callgrind");
		exit(1);
	}
	close(fd);
	self[n] = 0;
	snprintf(out, sizeof(out), "--callgrind-out-file=%s", path);
	snprintf(toggle, sizeof(toggle), "--toggle-collect=%s", function);
	snprintf(flows, sizeof(flows), "%u", c->flows);
	const char *const argv[] = { "valgrind", "-q", "--tool=callgrind", "--collect-atstart=no",
		toggle, out, self, "--one", c->mode, bench_families[c->v6], bench_kinds[c->kind],
		flows, c->tunnel, NULL };
	int status = run(argv);
	uint64_t total = read_total(path);
	unlink(path);
	if (status || !total) {
		// A valgrind that does not know all instructions of -march=native, say.
		fprintf(stderr, "bench: valgrind counted nothing in %s (status %d)\n", function,
		    status);
		return NAN;
	}
	return (double)total / (CALLGRIND_PAIRS * WINDOW);
}

double callgrind_instructions(const struct bench_case *c)
{
	static double floor; // of a packet: the same for all
	if (floor == 0)
		floor = count_in("bench_floor", c) / director_packets(c);
	return isnan(floor) ? NAN : count_in("bench_work", c) - floor * director_packets(c);
}
