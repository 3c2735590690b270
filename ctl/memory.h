// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reserved memory: address space for the most that may ever be needed, filled with pages step by
// step.
//
// Tables on it grow without moving. A step is faulted in here, on the control thread, so that a
// worker never takes a page fault in the middle of a burst. Pages are huge ones from the pool when
// wanted and available, else transparent huge pages, else ordinary ones.

#include <stdbool.h>
#include <stddef.h>

struct reserve {
	void *base;
	size_t bytes;   // reserved
	size_t granted; // faulted in, from the beginning
	bool huge;      // try the hugepage pool
};

// 0 or negative errno.
int reserve_new(struct reserve *r, size_t bytes, bool huge);
// At least `bytes` from the beginning are there and zero (those not granted before). -ENOMEM.
int reserve_grant(struct reserve *r, size_t bytes);
void reserve_free(struct reserve *r);
