// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The timing wheel: which connections to look at, and when.
//
// A hashed wheel of 256 slots, each 16 ticks (160 ms) wide, 41 s around. A slot is a chain of
// 64-byte chunks of 15 record numbers: looking at a slot streams through cache lines whose
// records are known a chunk ahead (20 ns an entry; a linked list through the records costs 170).
//
// It is lazy: a packet writes only the record's last_seen. When a slot comes up, its records
// are looked at: expired ones go, the others are armed again for what is then left, at most
// one round ahead. Only a deadline that moved to *before* the armed slot is armed at once; the old
// entry stays behind, for a round at most, and is told by the record's `armed` field, which
// names the one valid slot. A record always has exactly one valid entry.
//
// A round is short so that few deadlines ever move to before it (of IPVS's timeouts only CLOSE,
// 10 s, and LAST_ACK, 30 s), and stale entries stay few. A connection costs one look in 41 s.
//
// Owned by one worker. Memory is given from outside and may grow; nothing is allocated.

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_SLOTS       256u
#define WHEEL_SLOT_TICKS  16u
#define WHEEL_CHUNK_ITEMS 15u
#define WHEEL_NONE        UINT32_MAX

struct wheel_chunk {
	uint32_t next;
	uint32_t items[WHEEL_CHUNK_ITEMS];
};

struct wheel {
	struct wheel_chunk *chunks;
	uint32_t room;  // chunks that may be used
	uint32_t high;  // chunks used once at least
	uint32_t free;  // chain of chunks used and free again
	uint32_t items; // entries, stale ones as well
	// The slot to look at next, counted without end: tick / WHEEL_SLOT_TICKS, but on and on
	// when ticks wrap around after 497 days. Compare it times WHEEL_SLOT_TICKS, which wraps as
	// they do.
	uint32_t slot;
	uint32_t heads[WHEEL_SLOTS];
	uint8_t fill[WHEEL_SLOTS]; // items in the head chunk
};

void wheel_init(struct wheel *w, struct wheel_chunk *chunks, uint32_t room, uint32_t now);

// Arms `record` for the tick `deadline`, at most a round ahead: its slot is taken 1 to 16 ticks
// after it. The slot for the record's `armed` field, or -1 when there is no chunk left.
int wheel_arm(struct wheel *w, uint32_t record, uint32_t now, uint32_t deadline);

// The slot (as in `armed`) that wheel_arm() would choose.
uint16_t wheel_slot_for(const struct wheel *w, uint32_t now, uint32_t deadline);
// Slots from the one that comes up next to `slot`: smaller is earlier.
static inline uint32_t wheel_distance(const struct wheel *w, uint16_t slot)
{
	return (slot - w->slot) % WHEEL_SLOTS;
}

// True when a slot's time has come and not all of it was looked at.
static inline bool wheel_due(const struct wheel *w, uint32_t now)
{
	return (int32_t)(now - w->slot * WHEEL_SLOT_TICKS) >= (int32_t)WHEEL_SLOT_TICKS;
}

// Takes one chunk of entries that are due into items[], and the slot they stood in. Returns how
// many (0: a slot was empty and is done, or nothing is due).
uint32_t wheel_take(
    struct wheel *w, uint32_t now, uint32_t items[WHEEL_CHUNK_ITEMS], uint16_t *slot);
