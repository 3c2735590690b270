// SPDX-License-Identifier: BSD-3-Clause

#include "wheel.h"

#include <string.h>

void wheel_init(struct wheel *w, struct wheel_chunk *chunks, uint32_t room, uint32_t now)
{
	w->chunks = chunks;
	w->room = room;
	w->high = 0;
	w->free = WHEEL_NONE;
	w->items = 0;
	w->slot = now / WHEEL_SLOT_TICKS;
	memset(w->heads, 0xff, sizeof(w->heads));
	memset(w->fill, 0, sizeof(w->fill));
}

static uint32_t chunk_new(struct wheel *w)
{
	if (w->free != WHEEL_NONE) {
		uint32_t c = w->free;
		w->free = w->chunks[c].next;
		return c;
	}
	return w->high < w->room ? w->high++ : WHEEL_NONE;
}

// Not before the slot that time is in, which is not over: wheel_take() has not been there. And less
// than a round after the one looked at next, which may lag behind.
uint16_t wheel_slot_for(const struct wheel *w, uint32_t now, uint32_t deadline)
{
	uint32_t begin = w->slot * WHEEL_SLOT_TICKS;
	uint32_t ahead = (deadline - begin) / WHEEL_SLOT_TICKS;
	uint32_t first = (now - begin) / WHEEL_SLOT_TICKS;
	if ((int32_t)(deadline - now) < 0 || ahead < first)
		ahead = first;
	if (ahead > WHEEL_SLOTS - 1)
		ahead = WHEEL_SLOTS - 1;
	return (w->slot + ahead) % WHEEL_SLOTS;
}

int wheel_arm(struct wheel *w, uint32_t record, uint32_t now, uint32_t deadline)
{
	uint16_t slot = wheel_slot_for(w, now, deadline);
	if (w->heads[slot] == WHEEL_NONE || w->fill[slot] == WHEEL_CHUNK_ITEMS) {
		uint32_t c = chunk_new(w);
		if (c == WHEEL_NONE)
			return -1;
		w->chunks[c].next = w->heads[slot];
		w->heads[slot] = c;
		w->fill[slot] = 0;
	}
	w->chunks[w->heads[slot]].items[w->fill[slot]++] = record;
	w->items++;
	return slot;
}

uint32_t wheel_take(
    struct wheel *w, uint32_t now, uint32_t items[WHEEL_CHUNK_ITEMS], uint16_t *slot)
{
	if (!wheel_due(w, now))
		return 0;
	uint16_t s = w->slot % WHEEL_SLOTS;
	uint32_t c = w->heads[s];
	if (c == WHEEL_NONE) {
		w->slot++;
		return 0;
	}
	uint32_t n = w->fill[s];
	struct wheel_chunk *chunk = &w->chunks[c];
	memcpy(items, chunk->items, n * sizeof(items[0]));
	w->items -= n;
	w->heads[s] = chunk->next;
	w->fill[s] = WHEEL_CHUNK_ITEMS; // only the head chunk of a slot is ever part full
	if (chunk->next == WHEEL_NONE)
		w->slot++;
	else
		__builtin_prefetch(&w->chunks[chunk->next]);
	chunk->next = w->free;
	w->free = c;
	*slot = s;
	return n;
}
