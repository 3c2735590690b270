// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The player and its judge.

#include "dataplane/drops.h"
#include "replay.h"

#define FRAME_ROOM 9700

struct player {
	const struct recording *recording;
	struct lab *lab;
	struct director director;
	struct verdict verdict;
	uint64_t t_ms;
	// What arrives goes through its receiver's reassembly, here and in the recording.
	struct pieces *receivers[HOST_COUNT], *expected[HOST_COUNT], *kernel;
	struct grams got; // since the last packet was sent
	unsigned expecting, arrived;
	uint64_t drops[DROP_REASON_COUNT], punted;
};

// What a receiver's stack makes of a packet: NULL as long as pieces are missing.
struct gram *receive(struct player *pl, struct pieces *ps, struct gram *p);
// Compares what arrived with what the step expects, counts it, and empties `got`.
bool judge(struct player *pl, struct step *s);
