// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>

#define SHELL_WORDS 96

// One command of a line; false: not understood, and the line ends there.
typedef bool shell_command(char **words, unsigned n, void *arg);
bool shell_run(const char *line, shell_command *fn, void *arg);
