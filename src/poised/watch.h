// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the control thread does by the clock and on signals, beside answering: mail and table
// growth, housekeeping, warnings that are said once, SIGTERM and SIGHUP.

#include "ctl/daemon.h"

int watch_start(struct daemon *d); // 0 or negative errno
void watch_stop(struct daemon *d);

// Runs the loop until no next hop is being resolved any more, at most a second: the first packets
// after READY find their way.
void watch_until_resolved(struct daemon *d);
