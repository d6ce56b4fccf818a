/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <misc/pvpanic.h>
#include <string.h>
#include <unistd.h>

#include "devices/pvpanic.h"
#include "tests/capture.h"
#include "tests/fake.h"

#define BASE 0x505

struct fixture {
	struct fake f;
	struct pvpanic dev;
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	pvpanic_init(&t->dev, fake_power_sink(&t->f));
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

static unsigned lines_logged_by(struct fixture *t, uint8_t event, unsigned times)
{
	struct capture c;
	unsigned lines = 0;
	char *text;

	capture_begin(&c, STDERR_FILENO);
	while (times--)
		assert_true(bus_write(&t->f.pio, BASE, 1, event));
	text = capture_end(&c);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	free(text);
	return lines;
}

static void reading_tells_the_events_known(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	assert_true(bus_read(&t->f.pio, BASE, 1, &v));
	assert_int_equal(v, PVPANIC_PANICKED | PVPANIC_CRASH_LOADED);
	assert_false(bus_read(&t->f.pio, BASE, 2, &v));
}

static void a_panic_goes_to_the_machine(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(lines_logged_by(t, PVPANIC_PANICKED, 1), 0);
	assert_int_equal(t->f.power.count[POWER_PANIC], 1);
}

static void a_crash_kernel_runs_on(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(lines_logged_by(t, PVPANIC_CRASH_LOADED, 1), 1);
	assert_int_equal(t->f.power.count[POWER_PANIC], 0);
}

static void case_97_unknown_events_fill_no_log(void **state)
{
	struct fixture *t = *state;

	assert_in_range(lines_logged_by(t, 0xfc, 10000), 1, 2 * LOG_GUEST_BURST);
	assert_int_equal(t->f.power.count[POWER_PANIC], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading_tells_the_events_known),
		TEST(a_panic_goes_to_the_machine),
		TEST(a_crash_kernel_runs_on),
		TEST(case_97_unknown_events_fill_no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
