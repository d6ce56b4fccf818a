/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/i8042.h"
#include "tests/fake.h"

#define BASE 0x60
#define COMMAND 0x64

struct fixture {
	struct fake f;
	struct i8042 dev;
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	i8042_init(&t->dev, fake_power_sink(&t->f));
	assert_int_equal(bus_add(&t->f.pio, &t->dev.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	fake_finish(&t->f);
	free(t);
	return 0;
}

static void pulsing_the_reset_line_resets(void **state)
{
	struct fixture *t = *state;

	assert_true(bus_write(&t->f.pio, COMMAND, 1, 0xfe));
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
}

static void no_other_command_resets(void **state)
{
	struct fixture *t = *state;

	for (unsigned v = 0; v < 0xf0; v++)
		assert_true(bus_write(&t->f.pio, COMMAND, 1, v));
	for (unsigned v = 0xf1; v < 0x100; v += 2)
		assert_true(bus_write(&t->f.pio, COMMAND, 1, v));
	for (unsigned port = BASE; port < COMMAND; port++)
		assert_true(bus_write(&t->f.pio, port, 1, 0xfe));
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
}

static void status_says_that_a_command_may_be_sent(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	assert_true(bus_read(&t->f.pio, COMMAND, 1, &v));
	assert_int_equal(v, 0);
}

static void case_24_wide_accesses_are_one_of_each_byte(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	assert_true(bus_read(&t->f.pio, BASE, 4, &v));
	assert_int_equal(v, 0);
	assert_false(bus_read(&t->f.pio, BASE + 1, 8, &v));
	assert_true(bus_write(&t->f.pio, BASE + 3, 2, 0xfe00));
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pulsing_the_reset_line_resets),
		TEST(no_other_command_resets),
		TEST(status_says_that_a_command_may_be_sent),
		TEST(case_24_wide_accesses_are_one_of_each_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
