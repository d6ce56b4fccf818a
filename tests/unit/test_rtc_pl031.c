/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "devices/rtc_pl031.h"
#include "tests/fake.h"
#include "tests/until.h"
#include "vmm/util.h"

#define BASE 0x9010000

/* ARM DDI 0224C, 3.3 */
#define DR 0x00
#define MR 0x04
#define LR 0x08
#define CR 0x0c
#define IMSC 0x10
#define RIS 0x14
#define MIS 0x18
#define ICR 0x1c

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct rtc_pl031 rtc;
};

static uint32_t in(struct fixture *t, unsigned reg)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, BASE + reg, 4, &v));
	return v;
}

static void out(struct fixture *t, unsigned reg, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, BASE + reg, 4, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	rtc_pl031_init(&t->rtc, t->f.loop, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.mmio, &t->rtc.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	rtc_pl031_finish(&t->rtc);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* As if the guest's clock had gone on by @seconds since it was looked at. */
static void pass(struct fixture *t, uint32_t seconds)
{
	t->rtc.offset += seconds;
}

static void the_amba_bus_finds_a_pl031(void **state)
{
	struct fixture *t = *state;
	static const uint8_t ids[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(in(t, 0xfe0 + i * 4), ids[i]);
	assert_int_equal(in(t, CR), 1);
	assert_int_equal(in(t, 0x20), 0);
}

static void starts_at_the_hosts_time(void **state)
{
	struct fixture *t = *state;
	uint32_t before = time(NULL), now = in(t, DR), after = time(NULL);

	/* time() may be a tick behind. */
	assert_in_range(now, before, after + 1);
}

static void the_guest_sets_the_time(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 1000);
	assert_in_range(in(t, DR), 1000, 1100);
	assert_int_equal(in(t, LR), 1000);
	pass(t, 50);
	assert_in_range(in(t, DR), 1050, 1150);
	out(t, LR, 0xfffffff0);
	pass(t, 0x100);
	assert_in_range(in(t, DR), 0xf0, 0xf0 + 100);
}

static void the_match_raises_the_line_until_it_is_cleared(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 1000);
	out(t, MR, 5000);
	out(t, IMSC, 1);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_true(t->rtc.timer.armed);
	pass(t, 3000);
	assert_int_equal(in(t, RIS), 0);
	pass(t, 1000);
	assert_int_equal(in(t, RIS), 1);
	assert_int_equal(in(t, MIS), 1);
	assert_int_equal(t->irq.level, 1);
	out(t, ICR, 1);
	assert_int_equal(in(t, RIS), 0);
	assert_int_equal(t->irq.level, 0);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
}

static void a_masked_match_is_noted_without_a_timer(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 1000);
	out(t, MR, 2000);
	fake_settle(&t->f);
	assert_false(t->rtc.timer.armed);
	pass(t, 1000);
	assert_int_equal(in(t, RIS), 1);
	assert_int_equal(in(t, MIS), 0);
	assert_int_equal(t->irq.level, 0);
	out(t, IMSC, 1);
	assert_int_equal(t->irq.level, 1);
	out(t, IMSC, 0);
	assert_int_equal(t->irq.level, 0);
}

static void the_timer_raises_the_line(void **state)
{
	struct fixture *t = *state;

	out(t, MR, in(t, DR) + 1);
	out(t, IMSC, 1);
	UNTIL_IN(t->f.loop, t->irq.level);
}

static void a_match_with_now_is_one(void **state)
{
	struct fixture *t = *state;

	out(t, IMSC, 1);
	out(t, MR, 77777);
	assert_int_equal(t->irq.level, 0);
	out(t, LR, 77777);
	assert_int_equal(t->irq.level, 1);
}

static void a_time_that_is_past_does_not_match(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 5000);
	out(t, MR, 100);
	out(t, IMSC, 1);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_false(t->rtc.timer.armed);
	/* Nor when the host's clock is set back over it. */
	out(t, MR, 4990);
	pass(t, -20);
	assert_int_equal(in(t, RIS), 0);
	fake_settle(&t->f);
	assert_true(t->rtc.timer.armed);
	pass(t, 20);
	assert_int_equal(in(t, RIS), 1);
}

static void reset_keeps_the_time(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 1000);
	out(t, MR, 1000);
	out(t, IMSC, 1);
	assert_int_equal(t->irq.level, 1);
	rtc_pl031_reset(&t->rtc);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, IMSC), 0);
	assert_int_equal(in(t, RIS), 0);
	assert_int_equal(in(t, MR), 0);
	assert_in_range(in(t, DR), 1000, 1100);
}

static void read_only_registers_ignore_writes(void **state)
{
	struct fixture *t = *state;

	out(t, LR, 1000);
	out(t, DR, 5);
	out(t, RIS, 1);
	out(t, MIS, 1);
	out(t, CR, 0);
	assert_in_range(in(t, DR), 1000, 1100);
	assert_int_equal(in(t, RIS), 0);
	assert_int_equal(in(t, CR), 1);
	out(t, IMSC, 0xffffffff);
	assert_int_equal(in(t, IMSC), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_amba_bus_finds_a_pl031),
		TEST(starts_at_the_hosts_time),
		TEST(the_guest_sets_the_time),
		TEST(the_match_raises_the_line_until_it_is_cleared),
		TEST(a_masked_match_is_noted_without_a_timer),
		TEST(the_timer_raises_the_line),
		TEST(a_match_with_now_is_one),
		TEST(a_time_that_is_past_does_not_match),
		TEST(reset_keeps_the_time),
		TEST(read_only_registers_ignore_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
