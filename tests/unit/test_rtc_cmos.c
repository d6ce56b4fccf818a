/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <time.h>

#include "devices/rtc_cmos.h"
#include "tests/fake.h"
#include "vmm/util.h"

#define BASE 0x70
#define SECONDS 0
#define SECONDS_ALARM 1
#define MINUTES 2
#define MINUTES_ALARM 3
#define HOURS 4
#define HOURS_ALARM 5
#define WDAY 6
#define MDAY 7
#define MONTH 8
#define YEAR 9
#define A 10
#define A_RUN 0x26
#define A_DIVIDER_RESET 0x70
#define B 11
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02
#define C 12
#define D 13

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct rtc_cmos rtc;
};

static uint8_t in(struct fixture *t, uint8_t reg)
{
	uint64_t v;

	assert_true(bus_write(&t->f.pio, BASE, 1, reg));
	assert_true(bus_read(&t->f.pio, BASE + 1, 1, &v));
	return v;
}

static void out(struct fixture *t, uint8_t reg, uint8_t value)
{
	assert_true(bus_write(&t->f.pio, BASE, 1, reg));
	assert_true(bus_write(&t->f.pio, BASE + 1, 1, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	rtc_cmos_init(&t->rtc, t->f.loop, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.pio, &t->rtc.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	rtc_cmos_finish(&t->rtc);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static unsigned from_bcd(uint8_t v)
{
	assert_in_range(v >> 4, 0, 9);
	assert_in_range(v & 15, 0, 9);
	return (v >> 4) * 10 + (v & 15);
}

/* The time in BCD and 24 hours, read until it holds still. */
static time_t read_time(struct fixture *t)
{
	struct tm tm;
	uint8_t s;

	do {
		s = in(t, SECONDS);
		tm = (struct tm){
			.tm_sec = from_bcd(s),
			.tm_min = from_bcd(in(t, MINUTES)),
			.tm_hour = from_bcd(in(t, HOURS)),
			.tm_mday = from_bcd(in(t, MDAY)),
			.tm_mon = from_bcd(in(t, MONTH)) - 1,
			.tm_year = from_bcd(in(t, RTC_CMOS_CENTURY)) * 100 +
				   from_bcd(in(t, YEAR)) - 1900,
		};
	} while (in(t, SECONDS) != s);
	return timegm(&tm);
}

/* As Linux does it: SET, the divider in reset, all registers, and back. */
static void set_time(struct fixture *t, time_t when)
{
	uint8_t b = in(t, B), a = in(t, A) & 0x7f;
	struct tm tm;
	char text[16];

	gmtime_r(&when, &tm);
	strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm);
	out(t, B, b | B_SET);
	out(t, A, A_DIVIDER_RESET);
	for (unsigned i = 0; i < 7; i++) {
		static const uint8_t regs[] = {
			RTC_CMOS_CENTURY, YEAR, MONTH, MDAY, HOURS, MINUTES, SECONDS,
		};

		out(t, regs[i], (text[2 * i] - '0') << 4 | (text[2 * i + 1] - '0'));
	}
	out(t, B, b);
	out(t, A, a);
}

/* Makes the guest's clock jump, and so plays the host's. */
static void jump(struct fixture *t, int64_t seconds)
{
	t->rtc.offset_s += seconds;
}

static void wait_for_irq(struct fixture *t)
{
	uint64_t deadline = loop_now_ns() + 10000000000ull;

	while (!t->irq.level && loop_now_ns() < deadline)
		loop_run_once(t->f.loop, 1000);
	assert_int_equal(t->irq.level, 1);
}

/* --- time ----------------------------------------------------------------------- */

static void starts_at_the_hosts_time(void **state)
{
	struct fixture *t = *state;
	time_t before = time(NULL), seen = read_time(t);

	assert_in_range(seen, before - 1, time(NULL) + 1);
	assert_int_equal(in(t, D), 0x80);
	assert_int_equal(in(t, B), B_24H);
}

static void keeps_the_time_that_was_set(void **state)
{
	struct fixture *t = *state;
	static const time_t when[] = {
		0, 951782400 /* 2000-02-29 */, 946684799, 1735689599, 4102444800 /* 2100 */,
		253402300799 /* 9999-12-31 23:59:59 */,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(when); i++) {
		time_t start = time(NULL), seen;

		set_time(t, when[i]);
		/* What ten thousand years end with has no successor in two digits of century. */
		seen = i == ARRAY_SIZE(when) - 1 ? when[i] : read_time(t);
		assert_in_range(seen - when[i], 0, time(NULL) - start + 1);
	}
}

static void weekday_follows_the_date(void **state)
{
	struct fixture *t = *state;

	set_time(t, 1735689600);	/* Wednesday, 1 January 2025 */
	assert_int_equal(in(t, WDAY), 4);
	jump(t, 4 * 86400);
	assert_int_equal(in(t, WDAY), 1);
}

static void century_turns(void **state)
{
	struct fixture *t = *state;

	set_time(t, 946684700);
	assert_int_equal(in(t, RTC_CMOS_CENTURY), 0x19);
	jump(t, 100);
	assert_int_equal(in(t, RTC_CMOS_CENTURY), 0x20);
	assert_int_equal(in(t, YEAR), 0);
	assert_int_equal(in(t, MONTH), 1);
}

static void binary_and_twelve_hour_codes(void **state)
{
	struct fixture *t = *state;
	static const struct { unsigned hour; uint8_t bcd, binary; } hours[] = {
		{ 0, 0x12, 12 }, { 1, 0x01, 1 }, { 11, 0x11, 11 },
		{ 12, 0x92, 0x80 | 12 }, { 13, 0x81, 0x80 | 1 }, { 23, 0x91, 0x80 | 11 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(hours); i++) {
		out(t, B, B_24H);
		set_time(t, hours[i].hour * 3600 + 45 * 60);
		out(t, B, B_24H | B_BINARY);
		assert_int_equal(in(t, HOURS), hours[i].hour);
		assert_int_equal(in(t, MINUTES), 45);
		out(t, B, B_BINARY);
		assert_int_equal(in(t, HOURS), hours[i].binary);
		out(t, B, 0);
		assert_int_equal(in(t, HOURS), hours[i].bcd);
		/* and the other way round */
		out(t, HOURS, hours[i].bcd);
		out(t, B, B_24H | B_BINARY);
		assert_int_equal(in(t, HOURS), hours[i].hour);
	}
}

static void stands_still_while_set(void **state)
{
	struct fixture *t = *state;
	uint8_t seconds;

	out(t, B, B_24H | B_SET);
	seconds = in(t, SECONDS);
	jump(t, 7);
	assert_int_equal(in(t, SECONDS), seconds);
	assert_int_equal(in(t, A) & 0x80, 0);
	out(t, SECONDS, 0x30);
	out(t, MINUTES, 0x59);
	assert_int_equal(in(t, SECONDS), 0x30);
	out(t, B, B_24H);
	jump(t, 20);
	assert_int_equal(in(t, MINUTES), 0x59);
}

static void divider_reset_gives_half_a_second_until_the_next_update(void **state)
{
	struct fixture *t = *state;
	uint64_t start = loop_now_ns();

	set_time(t, 1000000000);
	in(t, C);
	out(t, B, B_24H | B_UIE);
	wait_for_irq(t);
	/* Late is the machine's load, early would be wrong. */
	assert_true(loop_now_ns() - start >= 499000000);
	assert_true(read_time(t) >= 1000000001);
}

/* Whether UIP is ever seen with the guest's clock at @ns of its second. */
static bool sees_uip_at(struct fixture *t, int64_t ns)
{
	/* Another try where the host was away between the two looks at its clock. */
	for (int i = 0; i < 1000; i++) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		t->rtc.offset_ns = (ns - now.tv_nsec + 1000000000) % 1000000000;
		if (in(t, A) & 0x80)
			return true;
	}
	return false;
}

static void update_in_progress_just_before_the_second_ends(void **state)
{
	struct fixture *t = *state;

	assert_true(sees_uip_at(t, 999800000));
	assert_false(sees_uip_at(t, 100000000));
}

/* --- interrupts ------------------------------------------------------------------ */

static void idle_clock_arms_no_timer(void **state)
{
	struct fixture *t = *state;

	read_time(t);
	in(t, C);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
	out(t, B, B_24H | B_UIE);
	fake_settle(&t->f);
	assert_true(t->rtc.timer.armed);
	out(t, B, B_24H);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
}

static void update_ended_interrupt_until_register_c_is_read(void **state)
{
	struct fixture *t = *state;

	out(t, B, B_24H | B_UIE);
	for (int i = 0; i < 2; i++) {
		jump(t, 1);
		assert_int_equal(in(t, C) & 0x10, 0x10);
		assert_int_equal(t->irq.level, 0);
		wait_for_irq(t);
		/* Nobody acknowledges: nothing more can happen, nothing is waited for. */
		fake_settle(&t->f);
		assert_false(t->rtc.timer.armed);
		assert_int_equal(in(t, C) & 0x90, 0x90);
		assert_int_equal(t->irq.level, 0);
	}
	assert_int_equal(t->irq.edges, 2);
}

static void flags_show_without_their_interrupt_being_enabled(void **state)
{
	struct fixture *t = *state;

	in(t, C);
	jump(t, 1);
	assert_int_equal(in(t, C) & 0x90, 0x10);
	assert_int_equal(t->irq.edges, 0);
}

static void periodic_interrupt_at_the_rate_asked_for(void **state)
{
	struct fixture *t = *state;

	for (unsigned rate = 1; rate < 16; rate++) {
		out(t, A, 0x20 | rate);
		out(t, B, B_24H);
		in(t, C);
		out(t, B, B_24H | B_PIE);
		wait_for_irq(t);
		assert_int_equal(in(t, C) & 0xc0, 0xc0);
	}
}

static void no_periodic_interrupt_at_rate_zero_or_without_divider(void **state)
{
	struct fixture *t = *state;

	out(t, A, 0x20);
	out(t, B, B_24H | B_PIE);
	in(t, C);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
	out(t, A, A_DIVIDER_RESET | 3);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
	assert_int_equal(in(t, C) & 0x40, 0);
}

static void alarm_interrupts_at_its_time(void **state)
{
	struct fixture *t = *state;

	set_time(t, 86400 + 12 * 3600 + 30 * 60 + 55);
	out(t, SECONDS_ALARM, 0x56);
	out(t, MINUTES_ALARM, 0x34);
	in(t, C);
	out(t, B, B_24H | B_AIE);
	jump(t, 4 * 60);
	out(t, HOURS_ALARM, 0x12);
	assert_int_equal(t->irq.level, 0);
	wait_for_irq(t);
	assert_int_equal(in(t, C) & 0xa0, 0xa0);
	/* then a day later */
	jump(t, 86000);
	assert_int_equal(in(t, C) & 0x20, 0);
	jump(t, 1000);
	assert_int_equal(in(t, C) & 0xa0, 0xa0);
}

static void alarm_with_any_hour_comes_each_hour(void **state)
{
	struct fixture *t = *state;

	set_time(t, 86400 * 365);
	out(t, SECONDS_ALARM, 0x00);
	out(t, MINUTES_ALARM, 0x30);
	out(t, HOURS_ALARM, 0xff);
	in(t, C);
	for (int i = 0; i < 3; i++) {
		jump(t, 1200);
		assert_int_equal(in(t, C) & 0x20, 0);
		jump(t, 1200);
		assert_int_equal(in(t, C) & 0x20, 0x20);
		jump(t, 1200);
		assert_int_equal(in(t, C) & 0x20, 0);
	}
}

static void case_25_alarm_that_never_matches_arms_nothing(void **state)
{
	struct fixture *t = *state;

	out(t, SECONDS_ALARM, 0x75);
	out(t, MINUTES_ALARM, 0xff);
	out(t, HOURS_ALARM, 0xff);
	out(t, B, B_24H | B_AIE);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
	jump(t, 86400 * 2);
	assert_int_equal(in(t, C) & 0x20, 0);
}

static void setting_the_clock_disables_update_ended_interrupts(void **state)
{
	struct fixture *t = *state;

	out(t, B, B_24H | B_UIE | B_PIE);
	out(t, B, B_24H | B_UIE | B_PIE | B_SET);
	assert_int_equal(in(t, B), B_24H | B_PIE | B_SET);
}

static void steps_of_the_hosts_clock_do_no_harm(void **state)
{
	struct fixture *t = *state;

	out(t, B, B_24H | B_UIE | B_AIE);
	in(t, C);
	jump(t, -100000000);
	assert_int_equal(in(t, C) & 0x30, 0);
	wait_for_irq(t);
	in(t, C);
	jump(t, 1000000000);
	assert_int_equal(in(t, C) & 0x90, 0x90);
	wait_for_irq(t);
}

/* --- hostile, and the rest --------------------------------------------------------- */

static void case_90_index_has_seven_bits(void **state)
{
	struct fixture *t = *state;

	out(t, 0x7f, 0x11);
	assert_int_equal(in(t, 0xff), 0x11);
	out(t, 0x80 | 0x40, 0x22);
	assert_int_equal(in(t, 0x40), 0x22);
}

static void ram_keeps_what_is_written(void **state)
{
	struct fixture *t = *state;

	for (unsigned i = 14; i < 128; i++)
		if (i != RTC_CMOS_CENTURY)
			out(t, i, i ^ 0x5a);
	for (unsigned i = 14; i < 128; i++)
		if (i != RTC_CMOS_CENTURY)
			assert_int_equal(in(t, i), i ^ 0x5a);
	rtc_cmos_reset(&t->rtc);
	assert_int_equal(in(t, 14), 14 ^ 0x5a);
}

static void case_24_any_bytes_in_any_register(void **state)
{
	struct fixture *t = *state;
	unsigned seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		/* Numerical Recipes' generator: any that is the same each time */
		seed = seed * 1664525 + 1013904223;
		out(t, seed >> 24, seed >> 16);
		in(t, seed >> 8);
		if (i % 64 == 0)
			fake_settle(&t->f);
	}
	rtc_cmos_reset(&t->rtc);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, A) & 0x60, 0x20);
}

static void case_24_wide_accesses_are_one_of_each_byte(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	assert_true(bus_write(&t->f.pio, BASE, 2, 0x3320));
	assert_int_equal(in(t, 0x20), 0x33);
	assert_true(bus_read(&t->f.pio, BASE, 2, &v));
	assert_int_equal(v, 0x3320);
	assert_false(bus_read(&t->f.pio, BASE, 4, &v));
	assert_false(bus_read(&t->f.pio, BASE + 1, 2, &v));
}

static void read_only_registers_ignore_writes(void **state)
{
	struct fixture *t = *state;

	out(t, C, 0xff);
	assert_int_equal(in(t, C) & 0x8f, 0);
	out(t, D, 0);
	assert_int_equal(in(t, D), 0x80);
}

static void reset_restarts_a_stopped_clock_and_drops_interrupts(void **state)
{
	struct fixture *t = *state;

	out(t, B, B_24H | B_UIE | B_PIE | B_AIE);
	wait_for_irq(t);
	out(t, B, B_24H | B_SET | B_PIE);
	out(t, A, A_DIVIDER_RESET);
	rtc_cmos_reset(&t->rtc);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, B), B_24H);
	assert_int_equal(in(t, A) & 0x7f, A_RUN);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_at_the_hosts_time),
		TEST(keeps_the_time_that_was_set),
		TEST(weekday_follows_the_date),
		TEST(century_turns),
		TEST(binary_and_twelve_hour_codes),
		TEST(stands_still_while_set),
		TEST(divider_reset_gives_half_a_second_until_the_next_update),
		TEST(update_in_progress_just_before_the_second_ends),
		TEST(idle_clock_arms_no_timer),
		TEST(update_ended_interrupt_until_register_c_is_read),
		TEST(flags_show_without_their_interrupt_being_enabled),
		TEST(periodic_interrupt_at_the_rate_asked_for),
		TEST(no_periodic_interrupt_at_rate_zero_or_without_divider),
		TEST(alarm_interrupts_at_its_time),
		TEST(alarm_with_any_hour_comes_each_hour),
		TEST(case_25_alarm_that_never_matches_arms_nothing),
		TEST(setting_the_clock_disables_update_ended_interrupts),
		TEST(steps_of_the_hosts_clock_do_no_harm),
		TEST(case_90_index_has_seven_bits),
		TEST(ram_keeps_what_is_written),
		TEST(case_24_any_bytes_in_any_register),
		TEST(case_24_wide_accesses_are_one_of_each_byte),
		TEST(read_only_registers_ignore_writes),
		TEST(reset_restarts_a_stopped_clock_and_drops_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
