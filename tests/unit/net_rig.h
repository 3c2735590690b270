// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A network namespace for a test that needs root, and a second one as its peer.

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SKIPPED 77 // as meson understands it

// Runs a shell command; what fails in it fails the test.
__attribute__((format(printf, 1, 2))) static inline void sh(const char *format, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	int ret = system(line);
	if (ret != 0)
		fail_msg("\"%s\" ended with %d", line, ret);
}

// What a shell command prints, until the next call.
__attribute__((format(printf, 1, 2))) static inline const char *shout(const char *format, ...)
{
	static char out[65536];
	char line[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	FILE *f = popen(line, "r");
	size_t n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	pclose(f);
	return out;
}

// This process goes into a network namespace of its own, and a /run of its own.
static inline void net_private(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "skipped: network namespaces need root\n");
		exit(TEST_SKIPPED);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		abort();
	// The old mount shows the settings of the old namespace, where it is not of this one.
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		abort();
	if (system("ip link set lo up") != 0)
		abort();
}

// A process that does nothing but hold a namespace; ends with this one.
static inline pid_t net_peer(void)
{
	int ready[2];
	char c;
	if (pipe(ready) < 0)
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		abort();
	close(ready[0]);
	return pid;
}

static inline void net_peer_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
