// SPDX-License-Identifier: BSD-3-Clause

#include "conn_table.h"

#include <string.h>

// Each figure has a constant for small tables, where chance is not evened out. Chunks: 15 entries
// each for every record and a quarter of them again, and one in each slot that is not full.
struct conn_table_size conn_table_size(uint32_t records)
{
	return (struct conn_table_size){
		.records = records,
		.buckets = (1u << LEVEL_MIN) + records / (BUCKET_LOAD / 2),
		.overflow = 1024 + records / 24,
		.chunks = WHEEL_SLOTS + records / 12,
	};
}

void conn_table_init(struct conn_table *t, bool v6, const struct conn_table_memory *memory,
    const uint64_t key[4], uint32_t now)
{
	*t = (struct conn_table){
		.records = memory->records,
		.shift = v6 ? 7 : 6,
		.v6 = v6,
		.buckets = memory->buckets,
		.overflow = memory->overflow,
		.n_buckets = 1u << LEVEL_MIN,
		.mask = (2u << LEVEL_MIN) - 1,
		.free = CONN_NONE,
	};
	memcpy(t->key, key, sizeof(t->key));
	wheel_init(&t->wheel, memory->chunks, 0, now);
}

void conn_table_grant(struct conn_table *t, uint32_t records)
{
	if (records <= t->room)
		return;
	struct conn_table_size s = conn_table_size(records);
	t->bucket_room = s.buckets;
	t->overflow_room = s.overflow;
	t->wheel.room = s.chunks;
	t->room = records;
}

static uint32_t overflow_new(struct conn_table *t)
{
	uint32_t b;
	if (t->overflow_free) {
		b = t->overflow_free;
		t->overflow_free = t->overflow[b - 1].next;
	} else if (t->overflow_high < t->overflow_room) {
		b = ++t->overflow_high;
	} else {
		return 0;
	}
	memset(&t->overflow[b - 1], 0, sizeof(struct bucket));
	t->overflow_used++;
	return b;
}

static void overflow_release(struct conn_table *t, uint32_t b)
{
	t->overflow[b - 1].next = t->overflow_free;
	t->overflow_free = b;
	t->overflow_used--;
}

static struct bucket *bucket_next(const struct conn_table *t, const struct bucket *b)
{
	return b->next ? &t->overflow[b->next - 1] : NULL;
}

// A place in a chain of buckets to write the next entry to.
struct cursor {
	struct bucket *b;
	uint32_t i;
};

static bool cursor_put(struct conn_table *t, struct cursor *c, uint16_t signature, uint32_t entry)
{
	if (c->i == BUCKET_SLOTS) {
		if (!c->b->next && !(c->b->next = overflow_new(t)))
			return false;
		c->b = bucket_next(t, c->b);
		c->i = 0;
	}
	c->b->signature[c->i] = signature;
	c->b->entry[c->i++] = entry;
	return true;
}

// Empties what is behind the cursor and gives the overflow buckets there back.
static void cursor_cut(struct conn_table *t, struct cursor *c)
{
	for (uint32_t i = c->i; i < BUCKET_SLOTS; i++)
		c->b->entry[i] = 0;
	uint32_t next = c->b->next;
	c->b->next = 0;
	while (next) {
		uint32_t after = t->overflow[next - 1].next;
		overflow_release(t, next);
		next = after;
	}
}

// Splits the next bucket of this level: the entries whose next hash bit is set move to the new
// bucket at the table's end.
static void split(struct conn_table *t)
{
	uint32_t half = (t->mask >> 1) + 1; // 2^level
	uint32_t level = __builtin_ctz(half);
	if (t->n_buckets >= t->bucket_room || level >= LEVEL_MAX)
		return;
	struct bucket *from = &t->buckets[t->n_buckets - half];
	uint32_t chain = 0;
	for (const struct bucket *b = from; b->next; b = bucket_next(t, b))
		chain++;
	if (t->overflow_room - t->overflow_used < chain)
		return; // the new chain could need as many
	struct cursor keep = { from, 0 }, move = { &t->buckets[t->n_buckets], 0 };
	for (struct bucket *b = from; b; b = bucket_next(t, b)) {
		for (uint32_t i = 0; i < BUCKET_SLOTS && b->entry[i]; i++) {
			bool moves = b->signature[i] >> (level - LEVEL_MIN) & 1;
			cursor_put(t, moves ? &move : &keep, b->signature[i], b->entry[i]);
		}
	}
	cursor_cut(t, &keep);
	t->n_buckets++;
	if (t->n_buckets == 2 * half)
		t->mask = t->mask << 1 | 1;
}

bool conn_table_insert(struct conn_table *t, uint64_t hash, uint32_t entry)
{
	struct cursor c = { bucket_of(t, hash), 0 };
	while (c.b->next)
		c.b = bucket_next(t, c.b);
	while (c.i < BUCKET_SLOTS && c.b->entry[c.i])
		c.i++;
	if (!cursor_put(t, &c, hash_signature(hash), entry + 1))
		return false;
	if (++t->entries > t->n_buckets * (uint64_t)BUCKET_LOAD)
		split(t);
	return true;
}

void conn_table_remove(struct conn_table *t, uint64_t hash, uint32_t entry)
{
	struct bucket *hole = NULL, *before = NULL, *last = bucket_of(t, hash);
	uint32_t at = 0;
	for (;;) {
		for (uint32_t i = 0; !hole && i < BUCKET_SLOTS; i++) {
			if (last->entry[i] == entry + 1) {
				hole = last;
				at = i;
			}
		}
		if (!last->next)
			break;
		before = last;
		last = bucket_next(t, last);
	}
	if (!hole)
		return;
	// The chain's last entry fills the hole; an overflow bucket that becomes empty goes.
	uint32_t end = BUCKET_SLOTS - 1;
	while (end > 0 && !last->entry[end])
		end--;
	hole->signature[at] = last->signature[end];
	hole->entry[at] = last->entry[end];
	last->entry[end] = 0;
	if (end == 0 && before) {
		overflow_release(t, before->next);
		before->next = 0;
	}
	t->entries--;
}

uint32_t conn_table_new(struct conn_table *t, uint32_t now, uint32_t timeout)
{
	uint32_t record = t->free;
	if (record == CONN_NONE && t->high >= t->room)
		return CONN_NONE;
	if (record == CONN_NONE)
		record = t->high;
	int slot = wheel_arm(&t->wheel, record, now, now + timeout);
	if (slot < 0)
		return CONN_NONE;
	struct conn *c = conn_at(t, record);
	if (record == t->high)
		t->high++;
	else
		t->free = c->server;
	*c = (struct conn){
		.server = SERVER_NONE,
		.last_seen = now,
		.timeout = timeout,
		.armed = slot,
		.flags = CONN_IN_USE,
	};
	t->count++;
	return record;
}

void conn_table_free(struct conn_table *t, uint32_t record)
{
	struct conn *c = conn_at(t, record);
	c->flags = 0;
	c->server = t->free;
	t->free = record;
	t->count--;
}

void conn_set_timeout(struct conn_table *t, struct conn *c, uint32_t now, uint32_t timeout)
{
	bool shorter = timeout < c->timeout;
	c->timeout = timeout;
	if (!shorter)
		return;
	struct wheel *w = &t->wheel;
	uint16_t slot = wheel_slot_for(w, now, now + timeout);
	if (wheel_distance(w, slot) >= wheel_distance(w, c->armed))
		return;
	// Room for the records to come is not given to stale entries: rather it expires late, when
	// its old slot comes up.
	if (w->items >= t->count + t->room / 4)
		return;
	int armed = wheel_arm(w, conn_number(t, c), now, now + timeout);
	if (armed >= 0)
		c->armed = armed;
}

// How far ahead a connection is armed, look by look; later a round. One that ends soon after a look
// (CLOSE, 10 s) leaves a stale entry for that long. Steps of 10 s leave none, and 0.3 of its age
// keeps stale entries below a quarter of the valid ones.
static const uint8_t look_after_s[] = { 10, 10, 10, 13, 17, 22, 28, 36 };

bool conn_table_look(struct conn_table *t, uint32_t record, uint16_t slot, uint32_t now)
{
	struct conn *c = conn_at(t, record);
	if (!(c->flags & CONN_IN_USE) || c->armed != slot)
		return false; // gone, or watched from another slot
	uint32_t left = c->last_seen + c->timeout - now;
	if ((int32_t)left <= 0)
		return true;
	if (c->looks < sizeof(look_after_s)) {
		uint32_t most = look_after_s[c->looks++] * TICKS_PER_SECOND;
		left = left < most ? left : most;
	}
	int armed = wheel_arm(&t->wheel, record, now, now + left);
	if (armed < 0) // cannot be: there is a place for every record
		return true;
	c->armed = armed;
	return false;
}
