// SPDX-License-Identifier: BSD-3-Clause

// Many short connections through one table: each leaves a stale entry in the wheel when its timeout
// gets shorter than what the wheel waits for. However many they are, no connection is refused while
// a record is free, and none outlives its time by more than a round of the wheel.

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "table_rig.h"

#define RECORDS 200000u
#define SECOND  100u

static struct rig rig;
static uint32_t now, refused, worst;

static void look_at(uint32_t record, uint16_t slot)
{
	const struct conn *c = conn_at(&rig.t, record);
	uint32_t deadline = c->last_seen + c->timeout;
	if (!conn_table_look(&rig.t, record, slot, now))
		return;
	assert_true((int32_t)(now - deadline) >= 0);
	if (now - deadline > worst)
		worst = now - deadline;
	conn_table_free(&rig.t, record);
}

static void tick(void)
{
	uint32_t items[WHEEL_CHUNK_ITEMS], n;
	uint16_t slot;
	now++;
	while (wheel_due(&rig.t.wheel, now)) {
		n = wheel_take(&rig.t.wheel, now, items, &slot);
		for (uint32_t i = 0; i < n; i++)
			look_at(items[i], slot);
	}
}

// So many connections a tick: SYN, established at once, reset after `age` ticks, gone 10 s later.
static void churn(uint32_t per_tick, uint32_t age, uint32_t ticks)
{
	uint32_t *made = calloc((size_t)per_tick * age, sizeof(*made)), at = 0;
	uint32_t full = per_tick * age;
	rig_init(&rig, false, RECORDS, 0);
	rig_grant(&rig, RECORDS);
	now = refused = worst = 0;
	for (uint32_t i = 0; i < full; i++)
		made[i] = CONN_NONE;
	for (uint32_t t = 0; t < ticks; t++) {
		for (uint32_t i = 0; i < per_tick; i++, at = (at + 1) % full) {
			if (made[at] != CONN_NONE) {
				struct conn *c = conn_at(&rig.t, made[at]);
				c->last_seen = now;
				conn_set_timeout(&rig.t, c, now, 10 * SECOND);
			}
			made[at] = conn_table_new(&rig.t, now, 3 * SECOND);
			if (made[at] == CONN_NONE) {
				// Only ever because every record is in use.
				assert_int_equal(rig.t.count, RECORDS);
				refused++;
			} else
				conn_set_timeout(
				    &rig.t, conn_at(&rig.t, made[at]), now, 900 * SECOND);
		}
		tick();
	}
	print_message("%u a second, reset after %u s: %u live, %u in the wheel, %u refused, "
	              "at most %u ticks late\n",
	    per_tick * 100, age / 100, rig.t.count, rig.t.wheel.items, refused, worst);
	free(made);
	rig_free(&rig);
}

// Stale entries find room as long as a fifth of the records is free: everything ends in time.
static void in_time(void **)
{
	static const uint32_t ages[] = { 1, 2, 5, 12, 14, 25, 32, 50, 100 };
	for (unsigned i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		uint32_t per_s = RECORDS * 7 / 10 / (ages[i] + 10);
		churn(per_s / SECOND, ages[i] * SECOND, 300 * SECOND);
		assert_int_equal(refused, 0);
		assert_true(worst <= WHEEL_SLOT_TICKS);
	}
}

// A table that is too small: some end late, but it is used to its last record.
static void used_to_the_last_record(void **)
{
	churn(60, 34 * SECOND, 300 * SECOND);
	assert_true(refused > 0);
	assert_in_range(worst, WHEEL_SLOT_TICKS, WHEEL_SLOTS * WHEEL_SLOT_TICKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_time),
		cmocka_unit_test(used_to_the_last_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
