// SPDX-License-Identifier: BSD-3-Clause

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

static void write_line(int priority, const char *word, const char *format, va_list ap)
{
	char line[1024];
	vsnprintf(line, sizeof(line), format, ap);
	// systemd sets JOURNAL_STREAM for programs whose stderr is the journal.
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", priority, line);
	else
		fprintf(stderr, "poised: %s%s\n", word, line);
}

#define LOG_FUNCTION(name, priority, word) \
	void name(const char *format, ...) \
	{ \
		va_list ap; \
		va_start(ap, format); \
		write_line(priority, word, format, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_info, LOG_INFO, "")
LOG_FUNCTION(log_warning, LOG_WARNING, "warning: ")
LOG_FUNCTION(log_error, LOG_ERR, "error: ")
