// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The two things that are timed, and pairs of them.

#include "rig.h"

// Everything in the receive queue goes out: as it is, or through the pipeline. callgrind knows them
// by these names.
__attribute__((noinline)) void bench_floor(struct rig *r);
__attribute__((noinline)) void bench_work(struct rig *r);

// `pairs` windows of each, in turn; their cycles into the arrays, unless these are NULL.
void windows_run(struct rig *r, unsigned pairs, uint64_t *floor, uint64_t *work);
