// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What holds when the file is silent (docs/configuration.md).

#include "conf.h"

extern const struct conf conf_defaults;
