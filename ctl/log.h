// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The daemon's log: lines on stderr with the priority prefix that systemd's journal reads
// ("<4>..."), without it on a terminal. Control thread and twin thread; never a worker.

void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
