// SPDX-License-Identifier: BSD-3-Clause

// The timing wheel, alone and under a connection table that is looked after as a worker does it.
// Time is a number here.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "table_rig.h"

// A deadline may be looked at when the slot after its own is over.
#define LATE_MAX WHEEL_SLOT_TICKS
#define MONTH    (31u * 86400 * TICKS_PER_SECOND)

// Ticks at which clocks begin: 0, anywhere, and just before they wrap around.
static const uint32_t starts[] = { 0, 12345, 1u << 31, UINT32_MAX - 20000, UINT32_MAX };
#define STARTS (sizeof(starts) / sizeof(starts[0]))

static struct wheel wheel;
static struct wheel_chunk chunks[8192];

// ---- the wheel alone ----

// What is due, as record numbers; how many.
static uint32_t take_all(struct wheel *w, uint32_t now, uint32_t *items)
{
	uint32_t n = 0;
	uint16_t slot;
	while (wheel_due(w, now))
		n += wheel_take(w, now, items + n, &slot);
	return n;
}

// Every deadline within a round, from every position within a slot: never early, and at most
// LATE_MAX late.
static void test_alone(void **)
{
	uint32_t items[WHEEL_CHUNK_ITEMS], least = UINT32_MAX, most = 0;

	for (unsigned s = 0; s < STARTS; s++) {
		for (unsigned n = 0; n < 2000; n++) {
			uint32_t now = starts[s] + n % 40;
			uint32_t deadline = now +
			                    (n < 200 ? n
			                             : below((WHEEL_SLOTS - 5) * WHEEL_SLOT_TICKS));
			wheel_init(&wheel, chunks, 8, starts[s]);
			int slot = wheel_arm(&wheel, 77, now, deadline);
			assert_int_equal(slot, wheel_slot_for(&wheel, now, deadline));
			uint32_t at = deadline;
			if (deadline != now)
				assert_int_equal(take_all(&wheel, deadline - 1, items), 0);
			while (take_all(&wheel, at, items) == 0 && at - deadline <= LATE_MAX)
				at++;
			assert_int_equal(items[0], 77);
			least = at - deadline < least ? at - deadline : least;
			most = at - deadline > most ? at - deadline : most;
		}
	}
	print_message("%u to %u ticks after the deadline\n", least, most);
	assert_true(most <= LATE_MAX);
}

// A deadline beyond a round, or one that has passed, gets the nearest slot that there is.
static void test_far_and_past(void **)
{
	uint32_t items[WHEEL_CHUNK_ITEMS];

	for (unsigned s = 0; s < STARTS; s++) {
		uint32_t now = starts[s];
		wheel_init(&wheel, chunks, 8, now);
		wheel_arm(&wheel, 1, now, now + MONTH);
		assert_int_equal(
		    take_all(&wheel, now + (WHEEL_SLOTS - 2) * WHEEL_SLOT_TICKS, items), 0);
		assert_int_equal(take_all(&wheel, now + WHEEL_SLOTS * WHEEL_SLOT_TICKS, items), 1);
		now += WHEEL_SLOTS * WHEEL_SLOT_TICKS;
		wheel_arm(&wheel, 2, now, now - 1000);
		wheel_arm(&wheel, 3, now, now - MONTH);
		assert_int_equal(take_all(&wheel, now, items), 0);
		assert_int_equal(take_all(&wheel, now + LATE_MAX, items), 2);
	}
}

static void test_many_in_a_slot(void **)
{
	enum { N = 10000 };
	static uint8_t seen[N];
	uint32_t items[WHEEL_CHUNK_ITEMS], all = 0;
	uint16_t slot;

	wheel_init(&wheel, chunks, N / WHEEL_CHUNK_ITEMS + 1, 0);
	int armed = wheel_arm(&wheel, 0, 0, 100);
	for (uint32_t i = 1; i < N; i++)
		assert_int_equal(wheel_arm(&wheel, i, 0, 100), armed);
	assert_int_equal(wheel.high, N / WHEEL_CHUNK_ITEMS + 1);
	while (wheel_due(&wheel, 1000)) {
		uint32_t n = wheel_take(&wheel, 1000, items, &slot);
		for (uint32_t i = 0; i < n; i++, all++) {
			assert_int_equal(slot, armed);
			assert_int_equal(seen[items[i]]++, 0);
		}
	}
	assert_int_equal(all, N);
	assert_int_equal(wheel_take(&wheel, 1000, items, &slot), 0);
}

static void test_no_chunk(void **)
{
	uint32_t items[3 * WHEEL_CHUNK_ITEMS];

	wheel_init(&wheel, chunks, 2, 0);
	assert_true(wheel_arm(&wheel, 0, 0, 100) >= 0);
	assert_true(wheel_arm(&wheel, 1, 0, 200) >= 0);
	assert_int_equal(wheel_arm(&wheel, 2, 0, 300), -1);
	for (uint32_t i = 3; i < 2 + WHEEL_CHUNK_ITEMS; i++)
		assert_true(wheel_arm(&wheel, i, 0, 200) >= 0);
	assert_int_equal(wheel_arm(&wheel, 20, 0, 200), -1);
	assert_int_equal(take_all(&wheel, 150, items), 1);
	assert_true(wheel_arm(&wheel, 21, 150, 300) >= 0);
	assert_int_equal(wheel_arm(&wheel, 22, 150, 400), -1);
	wheel.room++; // as when the table grows
	assert_true(wheel_arm(&wheel, 22, 150, 400) >= 0);
	assert_int_equal(take_all(&wheel, 1000, items), WHEEL_CHUNK_ITEMS + 2);
}

// A worker that was held up for long: what is armed meanwhile may be looked at early, but not
// before all that was due, and is not lost.
static void test_lag(void **)
{
	uint32_t items[WHEEL_CHUNK_ITEMS];

	for (uint32_t lag = 0; lag < (WHEEL_SLOTS - 8) * WHEEL_SLOT_TICKS; lag += 61) {
		wheel_init(&wheel, chunks, 100, 5000);
		wheel_arm(&wheel, 1, 5000, 5100);
		for (uint32_t i = 0; i < 10; i++)
			wheel_arm(&wheel, 2, 5000 + lag, 5000 + lag + 300 * i);
		assert_int_equal(take_all(&wheel, 5000 + lag, items), lag >= 112);
		take_all(&wheel, 5000 + lag + 60000, items);
		for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
			assert_int_equal(wheel.heads[i], WHEEL_NONE);
	}
}

// ---- under a connection table ----

#define TIMERS 100000u

static struct rig rig;
static uint32_t deadlines[TIMERS];
static uint32_t now, last_step, expired, looked_at, worst;

// As a worker does it, with the check that the time is right.
static void look_at(uint32_t record, uint16_t slot)
{
	struct conn *c = conn_at(&rig.t, record);
	uint32_t deadline = c->last_seen + c->timeout;

	looked_at++;
	if (!(c->flags & CONN_IN_USE) || c->armed != slot)
		return;
	assert_int_equal(deadline, deadlines[record]);
	if ((int32_t)(deadline - now) > 0) {
		int armed = wheel_arm(&rig.t.wheel, record, now, deadline);
		assert_true(armed >= 0);
		c->armed = armed;
		return;
	}
	uint32_t late = now - deadline;
	worst = late > worst ? late : worst;
	assert_true(late <= LATE_MAX + last_step);
	expired++;
	conn_table_free(&rig.t, record);
}

static void advance(uint32_t ticks)
{
	uint32_t items[WHEEL_CHUNK_ITEMS];
	uint16_t slot;

	now += ticks;
	last_step = ticks;
	while (wheel_due(&rig.t.wheel, now)) {
		for (uint32_t n = wheel_take(&rig.t.wheel, now, items, &slot), i = 0; i < n; i++)
			look_at(items[i], slot);
	}
}

static void begin(uint32_t start)
{
	now = start;
	expired = looked_at = worst = 0;
	rig_init(&rig, false, TIMERS, now);
	rig_grant(&rig, TIMERS);
}

static uint32_t timer(uint32_t timeout)
{
	uint32_t record = conn_table_new(&rig.t, now, timeout);
	assert_true(record < TIMERS);
	deadlines[record] = now + timeout;
	return record;
}

// A packet; the state and with it the timeout may change.
static void touch(uint32_t record, uint32_t timeout)
{
	struct conn *c = conn_at(&rig.t, record);
	if (!(c->flags & CONN_IN_USE))
		return;
	c->last_seen = now;
	if (timeout)
		conn_set_timeout(&rig.t, c, now, timeout);
	deadlines[record] = now + c->timeout;
}

static uint32_t some_timeout(void)
{
	switch (below(4)) {
	case 0:
		return below(50);
	case 1:
		return below(1000);
	case 2:
		return below(12000);
	default:
		return below(120000);
	}
}

static void test_random(void **)
{
	for (unsigned s = 0; s < STARTS; s++) {
		begin(starts[s]);
		uint32_t made = 0, packets = 0;
		while (made < 2 * TIMERS) {
			for (uint32_t i = below(400); i > 0 && rig.t.count < TIMERS; i--, made++)
				timer(some_timeout());
			for (uint32_t i = below(400); i > 0; i--, packets++)
				touch(
				    below(rig.t.high + 1) % TIMERS, below(3) ? 0 : some_timeout());
			advance(below(100));
		}
		for (uint32_t idle = now; rig.t.count > 0; advance(1 + below(300)))
			assert_true(now - idle < 200000);
		assert_int_equal(expired, made);
		print_message("from %#x: %u timers, %u packets, %u looks, at most %u ticks late\n",
		    starts[s], made, packets, looked_at, worst);
		rig_free(&rig);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

// All are gone exactly when a sorted list of their deadlines says so.
static void test_sorted(void **)
{
	static uint32_t sorted[TIMERS];

	begin(0);
	for (uint32_t i = 0; i < TIMERS; i++)
		sorted[i] = deadlines[timer(below(200000))];
	qsort(sorted, TIMERS, sizeof(sorted[0]), compare);
	for (uint32_t due = 0, overdue = 0; rig.t.count > 0;) {
		advance(1);
		while (due < TIMERS && sorted[due] <= now)
			due++;
		while (overdue < TIMERS && sorted[overdue] + LATE_MAX <= now)
			overdue++;
		assert_true(expired >= overdue && expired <= due);
		assert_true(now < 300000);
	}
	rig_free(&rig);
}

// A month, the longest timeout: looked at once a round.
static void test_month(void **)
{
	for (unsigned s = 0; s < STARTS; s += STARTS - 1) {
		begin(starts[s]);
		timer(MONTH);
		timer(MONTH - 1);
		while (now - starts[s] < MONTH - 1)
			advance(MONTH - 1 - (now - starts[s]) < 16 ? 1 : 16);
		assert_int_equal(rig.t.count, 2);
		advance(LATE_MAX + 1);
		assert_int_equal(expired, 2);
		assert_true(looked_at < 2 * (MONTH / ((WHEEL_SLOTS - 2) * WHEEL_SLOT_TICKS) + 2));
		rig_free(&rig);
	}
}

// Packets arm nothing; a longer timeout neither; a shorter one when it is earlier than the slot
// that watches.
static void test_lazy(void **)
{
	begin(0);
	uint32_t record = timer(6000);
	struct conn *c = conn_at(&rig.t, record);
	uint16_t first = c->armed;
	assert_int_equal(rig.t.wheel.high, 1);
	for (unsigned i = 0; i < 10; i++) {
		advance(100);
		touch(record, 0);
		touch(record, 90000);
	}
	assert_int_equal(c->armed, first);
	touch(record, 12000);
	assert_int_equal(c->armed, first); // 13000 is not before 6000
	assert_int_equal(rig.t.wheel.high, 1);
	touch(record, 500);
	assert_int_not_equal(c->armed, first);
	assert_int_equal(rig.t.wheel.high, 2);
	advance(499);
	assert_int_equal(rig.t.count, 1);
	advance(1 + LATE_MAX);
	assert_int_equal(rig.t.count, 0);

	// The entry that stays behind means nothing to the next user of the record.
	advance(1000);
	assert_int_equal(timer(50000), record);
	advance(7000);
	assert_int_equal(rig.t.count, 1);
	advance(43000 + LATE_MAX);
	assert_int_equal(rig.t.count, 0);
	rig_free(&rig);
}

// Without a chunk to arm it with, a shorter timeout is late but not lost.
static void test_shorter_without_chunk(void **)
{
	begin(0);
	uint32_t record = timer(6000);
	rig.t.wheel.room = rig.t.wheel.high;
	touch(record, 500);
	advance(3000);
	assert_int_equal(rig.t.count, 1);
	assert_int_equal(conn_table_new(&rig.t, now, 20), CONN_NONE);
	assert_int_equal(rig.t.count, 1);
	last_step = 6000;
	deadlines[record] = 500;
	uint32_t items[WHEEL_CHUNK_ITEMS];
	uint16_t slot;
	now = 6000 + LATE_MAX;
	while (rig.t.count && wheel_due(&rig.t.wheel, now)) {
		if (wheel_take(&rig.t.wheel, now, items, &slot) == 1)
			look_at(items[0], slot);
	}
	assert_int_equal(rig.t.count, 0);
	assert_int_equal(timer(20), record);
	rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_far_and_past),
		cmocka_unit_test(test_many_in_a_slot),
		cmocka_unit_test(test_no_chunk),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_month),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_shorter_without_chunk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
