// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>

#include "replay.h"

bool ipvsadm_run(struct director *d, char **words, unsigned n);
