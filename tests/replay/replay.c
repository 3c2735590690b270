// SPDX-License-Identifier: BSD-3-Clause

// replay --packets PATH...: recordings, or directories of them. Exit code 0: every packet of every
// recording is equal.

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "replay.h"

static struct {
	unsigned files, good, broken;
} count;

static void play_file(const char *path)
{
	struct recording *r = recording_read(path);
	struct verdict v = {};
	count.files++;
	if (!r || !play(r, &v)) {
		printf("%s: not understood\n", path);
		count.broken++;
		if (r)
			recording_free(r);
		return;
	}
	printf("%s: %u of %u packets equal", v.name, v.equal, v.packets);
	if (v.unsupported)
		printf("; not supported: %s (%u commands)", v.missing, v.unsupported);
	if (v.broken)
		printf("; the books do not balance");
	printf("\n%s", v.first);
	if (v.equal == v.packets && v.packets && !v.unsupported && !v.broken)
		count.good++;
	recording_free(r);
}

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// All "*.txt" below a directory.
static void play_directory(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, alphasort);
	if (n < 0) {
		perror(path);
		count.broken++;
		return;
	}
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		char sub[1024];
		snprintf(sub, sizeof(sub), "%s/%s", path, name);
		if (name[0] != '.' && is_directory(sub))
			play_directory(sub);
		else if (fnmatch("*.txt", name, FNM_PERIOD) == 0)
			play_file(sub);
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--free")) {
		print_free_fields();
		return 0;
	}
	if (argc < 3 || strcmp(argv[1], "--packets") != 0) {
		fprintf(stderr, "usage: replay --packets PATH... | --free\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 2; i < argc; i++)
		is_directory(argv[i]) ? play_directory(argv[i]) : play_file(argv[i]);
	printf("%u of %u recordings equal", count.good, count.files);
	if (count.broken)
		printf(", %u could not be played", count.broken);
	putchar('\n');
	return count.files && count.good == count.files && !count.broken ? 0 : 1;
}
