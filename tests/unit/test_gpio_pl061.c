/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/gpio_pl061.h"
#include "tests/fake.h"
#include "tests/until.h"
#include "vmm/util.h"

#define BASE 0x9030000

/* ARM DDI 0190B, 3.3 */
#define DATA(mask) ((mask) << 2)
#define DIR 0x400
#define IS 0x404
#define IBE 0x408
#define IEV 0x40c
#define IE 0x410
#define RIS 0x414
#define MIS 0x418
#define IC 0x41c
#define AFSEL 0x420

#define KEY 3

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct gpio_pl061 gpio;
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
	gpio_pl061_init(&t->gpio, t->f.loop, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.mmio, &t->gpio.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	gpio_pl061_finish(&t->gpio);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static void the_amba_bus_finds_a_pl061(void **state)
{
	struct fixture *t = *state;
	static const uint8_t ids[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(in(t, 0xfe0 + i * 4), ids[i]);
	assert_int_equal(in(t, 0x800), 0);
}

static void inputs_are_read_through_the_mask_of_the_address(void **state)
{
	struct fixture *t = *state;

	gpio_pl061_set(&t->gpio, 0, true);
	gpio_pl061_set(&t->gpio, 7, true);
	assert_int_equal(in(t, DATA(0xff)), 0x81);
	assert_int_equal(in(t, DATA(0x80)), 0x80);
	assert_int_equal(in(t, DATA(0x7e)), 0);
	gpio_pl061_set(&t->gpio, 7, false);
	assert_int_equal(in(t, DATA(0xff)), 0x01);
}

static void outputs_change_through_the_mask_of_the_address(void **state)
{
	struct fixture *t = *state;

	out(t, DIR, 0x0f);
	gpio_pl061_set(&t->gpio, 0, true);	/* not an input now */
	out(t, DATA(0xff), 0xfe);
	assert_int_equal(in(t, DATA(0xff)), 0x0e);
	out(t, DATA(0x02), 0x00);
	assert_int_equal(in(t, DATA(0xff)), 0x0c);
	out(t, DIR, 0);
	assert_int_equal(in(t, DATA(0xff)), 0x01);
}

static void edges_are_latched_until_cleared(void **state)
{
	struct fixture *t = *state;

	out(t, IE, BIT(KEY));
	out(t, IEV, BIT(KEY));
	gpio_pl061_set(&t->gpio, KEY, true);
	assert_int_equal(t->irq.level, 1);
	gpio_pl061_set(&t->gpio, KEY, false);
	assert_int_equal(in(t, RIS), BIT(KEY));
	assert_int_equal(in(t, MIS), BIT(KEY));
	out(t, IC, BIT(KEY));
	assert_int_equal(t->irq.level, 0);
	gpio_pl061_set(&t->gpio, KEY, false);
	assert_int_equal(t->irq.level, 0);
	/* falling */
	out(t, IEV, 0);
	gpio_pl061_set(&t->gpio, KEY, true);
	assert_int_equal(t->irq.level, 0);
	gpio_pl061_set(&t->gpio, KEY, false);
	assert_int_equal(t->irq.level, 1);
}

static void both_edges(void **state)
{
	struct fixture *t = *state;

	out(t, IBE, BIT(KEY));
	out(t, IE, BIT(KEY));
	for (int i = 1; i <= 4; i++) {
		gpio_pl061_set(&t->gpio, KEY, i % 2);
		assert_int_equal(t->irq.level, 1);
		out(t, IC, 0xff);
		assert_int_equal(t->irq.level, 0);
	}
}

static void levels_are_as_they_are(void **state)
{
	struct fixture *t = *state;

	out(t, IS, BIT(KEY));
	out(t, IEV, BIT(KEY));
	out(t, IE, BIT(KEY));
	gpio_pl061_set(&t->gpio, KEY, true);
	assert_int_equal(t->irq.level, 1);
	out(t, IC, BIT(KEY));
	assert_int_equal(t->irq.level, 1);
	gpio_pl061_set(&t->gpio, KEY, false);
	assert_int_equal(t->irq.level, 0);
	out(t, IEV, 0);
	assert_int_equal(t->irq.level, 1);
}

static void masked_lines_interrupt_nobody(void **state)
{
	struct fixture *t = *state;

	out(t, IBE, 0xff);
	gpio_pl061_set(&t->gpio, KEY, true);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, RIS), BIT(KEY));
	assert_int_equal(in(t, MIS), 0);
	out(t, IE, BIT(KEY));
	assert_int_equal(t->irq.level, 1);
}

static void a_press_goes_down_and_up_again(void **state)
{
	struct fixture *t = *state;

	out(t, IBE, BIT(KEY));
	out(t, IE, BIT(KEY));
	gpio_pl061_press(&t->gpio, KEY);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, DATA(0xff)), BIT(KEY));
	out(t, IC, 0xff);
	UNTIL_IN(t->f.loop, t->irq.level);
	assert_int_equal(in(t, DATA(0xff)), 0);
}

static void a_key_that_is_held_down_over_a_reset_still_goes_up(void **state)
{
	struct fixture *t = *state;

	gpio_pl061_press(&t->gpio, KEY);
	fake_settle(&t->f);
	assert_true(t->gpio.release.armed);
	gpio_pl061_reset(&t->gpio);
	assert_int_equal(in(t, DATA(0xff)), BIT(KEY));
	t->gpio.release.cb(t->gpio.release.arg);
	assert_int_equal(in(t, DATA(0xff)), 0);
}

static void *press(void *arg)
{
	struct fixture *t = arg;

	for (int i = 0; i < 1000; i++)
		gpio_pl061_press(&t->gpio, i % 8);
	return NULL;
}

static void presses_from_another_thread(void **state)
{
	struct fixture *t = *state;
	pthread_t thread;

	out(t, IBE, 0xff);
	out(t, IE, 0xff);
	pthread_create(&thread, NULL, press, t);
	for (int i = 0; i < 1000; i++) {
		out(t, IC, in(t, MIS));
		loop_run_once(t->f.loop, 0);
	}
	pthread_join(thread, NULL);
	fake_settle(&t->f);
	t->gpio.release.cb(t->gpio.release.arg);
	assert_int_equal(in(t, DATA(0xff)), 0);
}

static void reset_is_power_on(void **state)
{
	struct fixture *t = *state;
	static const unsigned regs[] = { DIR, IS, IBE, IEV, IE, AFSEL };

	gpio_pl061_set(&t->gpio, 5, true);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		out(t, regs[i], 0xffffffff);
		assert_int_equal(in(t, regs[i]), 0xff);
	}
	out(t, DATA(0xff), 0xff);
	assert_int_equal(t->irq.level, 1);
	gpio_pl061_reset(&t->gpio);
	assert_int_equal(t->irq.level, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		assert_int_equal(in(t, regs[i]), 0);
	assert_int_equal(in(t, DATA(0xff)), BIT(5));
	assert_int_equal(in(t, RIS), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_amba_bus_finds_a_pl061),
		TEST(inputs_are_read_through_the_mask_of_the_address),
		TEST(outputs_change_through_the_mask_of_the_address),
		TEST(edges_are_latched_until_cleared),
		TEST(both_edges),
		TEST(levels_are_as_they_are),
		TEST(masked_lines_interrupt_nobody),
		TEST(a_press_goes_down_and_up_again),
		TEST(a_key_that_is_held_down_over_a_reset_still_goes_up),
		TEST(presses_from_another_thread),
		TEST(reset_is_power_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
