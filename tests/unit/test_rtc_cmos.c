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
#define NS 1000000000ll
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

/* Nanoseconds of the host's clock, small enough to add to. */
static __int128 host_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__int128)now.tv_sec * NS + now.tv_nsec;
}

static __int128 offset_ns(const struct fixture *t)
{
	assert_in_range(t->rtc.offset_ns, 0, NS - 1);
	return (__int128)t->rtc.offset_s * NS + t->rtc.offset_ns;
}

static void keeps_the_time_that_was_set(void **state)
{
	struct fixture *t = *state;
	static const time_t when[] = {
		0, 951782400 /* 2000-02-29 */, 946684799, 1735689599, 4102444800 /* 2100 */,
		253402300799 /* 9999-12-31 23:59:59 */,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(when); i++) {
		__int128 before = host_ns(), set = (__int128)when[i] * NS + NS / 2;

		set_time(t, when[i]);
		/* At some moment of the call it was this, half a second into it. */
		assert_true(before + offset_ns(t) <= set);
		assert_true(host_ns() + offset_ns(t) >= set);
		assert_true(t->rtc.seen_second == when[i]);
	}
}

/* Without the divider's reset only whole seconds change. */
static void setting_keeps_the_fraction_of_the_second(void **state)
{
	struct fixture *t = *state;
	const time_t when = 1000000000;

	for (int i = 0; i < 100; i++) {
		__int128 before, fraction;

		set_time(t, when);
		t->rtc.offset_ns = i * (NS / 100);
		out(t, B, B_24H | B_SET);
		out(t, HOURS, 0x02);
		fraction = offset_ns(t) % NS;
		before = host_ns();
		out(t, B, B_24H);
		/* 01:46:40 became 02:46:40 or, for a slow host, some seconds more */
		assert_true((before + offset_ns(t)) / NS <= when + 3600 + 10);
		assert_true((host_ns() + offset_ns(t)) / NS >= when + 3600 - 1);
		fraction = (fraction - offset_ns(t) % NS + NS) % NS;
		assert_true(fraction <= host_ns() - before);
	}
}

static void each_register_follows_the_clock(void **state)
{
	struct fixture *t = *state;
	static const struct { uint8_t reg, value; } after[] = {
		{ SECONDS, 0x10 }, { MINUTES, 0x32 }, { HOURS, 0x05 }, { WDAY, 6 },
		{ MDAY, 0x09 }, { MONTH, 0x11 }, { YEAR, 0x01 }, { RTC_CMOS_CENTURY, 0x20 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(after); i++) {
		set_time(t, 0);
		read_time(t);
		jump(t, 1005280322);	/* to 2001-11-09 04:32:02, Friday, */
		jump(t, 3608);		/* and ten seconds past five */
		assert_int_equal(in(t, after[i].reg), after[i].value);
	}
}

static void each_register_can_be_written_while_the_clock_runs(void **state)
{
	struct fixture *t = *state;
	static const struct { uint8_t reg, value; time_t change; } writes[] = {
		{ SECONDS, 0x30, 30 }, { MINUTES, 0x20, 1200 }, { HOURS, 0x07, 7 * 3600 },
		{ MDAY, 0x11, 10 * 86400 }, { MONTH, 0x02, 31 * 86400 },
		{ YEAR, 0x71, 365 * 86400 },
		{ RTC_CMOS_CENTURY, 0x20, 36525ll * 86400 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
		time_t start = time(NULL), seen;

		set_time(t, 0);
		jump(t, 5);
		out(t, writes[i].reg, writes[i].value);
		jump(t, writes[i].reg == SECONDS ? 0 : -5);
		seen = read_time(t) - writes[i].change;
		assert_in_range(seen, 0, time(NULL) - start + 1);
	}
	/* The day of the week is the date's. */
	set_time(t, 0);
	out(t, WDAY, 1);
	assert_int_equal(in(t, WDAY), 5);
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

static void update_and_alarm_timers_are_due_when_the_second_ends(void **state)
{
	struct fixture *t = *state;

	set_time(t, 86400);
	out(t, SECONDS_ALARM, 0x20);
	out(t, MINUTES_ALARM, 0);
	out(t, HOURS_ALARM, 0);
	for (unsigned i = 0; i < 2; i++) {
		__int128 guest, wait, slack;
		uint64_t start;

		out(t, B, B_24H);
		in(t, C);
		out(t, B, B_24H | (i ? B_AIE : B_UIE));
		start = loop_now_ns();
		guest = host_ns() + offset_ns(t);
		fake_settle(&t->f);
		slack = loop_now_ns() - start;
		wait = i ? (86420 * NS) - guest : NS - guest % NS;
		if (!t->rtc.timer.armed)
			continue;	/* over already, on a slow host */
		assert_true(t->rtc.timer.due_ns + slack >= start + wait);
		assert_true(t->rtc.timer.due_ns <= start + wait + slack + NS / 1000);
	}
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

static uint64_t periods(unsigned shift)
{
	uint64_t now = loop_now_ns();

	return (uint64_t)((unsigned __int128)now * 32768 / NS) >> shift;
}

static void periods_by_rate(void **state)
{
	/* 256 and 128 Hz, then 8192 Hz and each half the one before */
	static const uint8_t shifts[] = { 0, 7, 8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct fixture *t = *state;

	for (unsigned rate = 1; rate < 16; rate++) {
		uint64_t before, start, due;

		out(t, A, 0x20 | rate);
		before = periods(shifts[rate]);
		in(t, C);
		assert_in_range(t->rtc.seen_period, before, periods(shifts[rate]));
		out(t, B, B_24H);
		in(t, C);
		out(t, B, B_24H | B_PIE);
		start = loop_now_ns();
		loop_run_once(t->f.loop, 0);
		if (!t->rtc.timer.armed)
			continue;	/* due already, on a slow host */
		/* The end of the period that was seen; what was late in arming comes on top. */
		due = (uint64_t)((unsigned __int128)(t->rtc.seen_period + 1) * NS *
				 (1u << shifts[rate]) / 32768);
		due = MAX(due, start);
		assert_in_range(t->rtc.timer.due_ns, due, due + (loop_now_ns() - start) + 1);
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

static bool alarm_is(uint8_t alarm, unsigned value)
{
	return alarm >= 0xc0 || alarm == value;
}

/* Seconds from @when to the alarm, by trying each. */
static unsigned seconds_to_alarm(time_t when, const uint8_t alarm[3])
{
	for (unsigned d = 1; d <= 86400; d++) {
		unsigned s = (when + d) % 86400;

		if (alarm_is(alarm[0], s / 3600) && alarm_is(alarm[1], s / 60 % 60) &&
		    alarm_is(alarm[2], s % 60))
			return d;
	}
	return 0;
}

/* Whether the alarm flag rises after @seconds, from @when on. */
static bool alarm_within(struct fixture *t, time_t when, int64_t seconds)
{
	uint64_t start;
	bool flag;

	/* Again where a slow host spent the half second that there is to the next update. */
	do {
		start = loop_now_ns();
		set_time(t, when);
		in(t, C);
		jump(t, seconds);
		flag = in(t, C) & 0x20;
	} while (loop_now_ns() - start >= 400000000);
	return flag;
}

static void alarms_of_every_kind_to_the_second(void **state)
{
	struct fixture *t = *state;
	unsigned seed = 7;

	for (unsigned i = 0; i < 300; i++) {
		static const uint8_t range[3] = { 24, 60, 60 };
		static const uint8_t regs[3] = { HOURS_ALARM, MINUTES_ALARM, SECONDS_ALARM };
		uint8_t alarm[3];
		time_t when;
		unsigned d;

		for (unsigned k = 0; k < 3; k++) {
			seed = seed * 1664525 + 1013904223;
			alarm[k] = seed >> 28 < 5 ? 0xc0 | (seed >> 8) : (seed >> 8) % range[k];
		}
		seed = seed * 1664525 + 1013904223;
		when = 86400 + (seed >> 8) % 86400;
		out(t, B, B_24H);
		d = seconds_to_alarm(when, alarm);
		for (unsigned k = 0; k < 3; k++)
			out(t, regs[k], alarm[k] >= 0xc0 ? alarm[k] :
			    (alarm[k] / 10) << 4 | alarm[k] % 10);
		assert_true(alarm_within(t, when, d));
		if (d > 1)
			assert_false(alarm_within(t, when, d - 1));
	}
}

static void alarms_before_1970(void **state)
{
	struct fixture *t = *state;

	out(t, HOURS_ALARM, 0x23);
	out(t, MINUTES_ALARM, 0x59);
	out(t, SECONDS_ALARM, 0x50);
	assert_true(alarm_within(t, -86400 * 10ll - 15, 5));
	assert_false(alarm_within(t, -86400 * 10ll - 15, 4));
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
		TEST(setting_keeps_the_fraction_of_the_second),
		TEST(each_register_follows_the_clock),
		TEST(each_register_can_be_written_while_the_clock_runs),
		TEST(weekday_follows_the_date),
		TEST(century_turns),
		TEST(binary_and_twelve_hour_codes),
		TEST(stands_still_while_set),
		TEST(divider_reset_gives_half_a_second_until_the_next_update),
		TEST(update_in_progress_just_before_the_second_ends),
		TEST(idle_clock_arms_no_timer),
		TEST(update_ended_interrupt_until_register_c_is_read),
		TEST(update_and_alarm_timers_are_due_when_the_second_ends),
		TEST(flags_show_without_their_interrupt_being_enabled),
		TEST(periodic_interrupt_at_the_rate_asked_for),
		TEST(periods_by_rate),
		TEST(no_periodic_interrupt_at_rate_zero_or_without_divider),
		TEST(alarm_interrupts_at_its_time),
		TEST(alarm_with_any_hour_comes_each_hour),
		TEST(alarms_of_every_kind_to_the_second),
		TEST(alarms_before_1970),
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
