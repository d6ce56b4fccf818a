/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "devices/ui/close_button.h"

#define T 5000000000ull

static void first_time_presses_the_power_button(void **state)
{
	struct close_button b = { 0 };

	/* However early. */
	assert_int_equal(close_button_press(&b, 1), CLOSE_POWER);
}

static void nervous_finger_presses_once(void **state)
{
	struct close_button b = { 0 };

	assert_int_equal(close_button_press(&b, T), CLOSE_POWER);
	assert_int_equal(close_button_press(&b, T), CLOSE_NOTHING);
	assert_int_equal(close_button_press(&b, T + CLOSE_BOUNCE_NS - 1), CLOSE_NOTHING);
}

static void once_more_soon_afterwards_stops(void **state)
{
	struct close_button b = { 0 };

	assert_int_equal(close_button_press(&b, T), CLOSE_POWER);
	assert_int_equal(close_button_press(&b, T + CLOSE_BOUNCE_NS), CLOSE_STOP);
	assert_int_equal(close_button_press(&b, T + CLOSE_AGAIN_NS - 1), CLOSE_STOP);
}

/* Somebody who told the guest to stay, and closes the window an hour later. */
static void later_it_is_the_power_button_again(void **state)
{
	struct close_button b = { 0 };

	assert_int_equal(close_button_press(&b, T), CLOSE_POWER);
	assert_int_equal(close_button_press(&b, T + CLOSE_AGAIN_NS), CLOSE_POWER);
	assert_int_equal(close_button_press(&b, T + 2 * CLOSE_AGAIN_NS - 1), CLOSE_STOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_time_presses_the_power_button),
		cmocka_unit_test(nervous_finger_presses_once),
		cmocka_unit_test(once_more_soon_afterwards_stops),
		cmocka_unit_test(later_it_is_the_power_button_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
