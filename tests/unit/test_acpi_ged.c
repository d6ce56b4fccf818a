/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/acpi_ged.h"
#include "tests/fake.h"

#define BASE 0xfed00000ull
#define SLP_EN 0x20
#define SLP_TYP(n) ((n) << 2)

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct acpi_ged ged;
};

static uint64_t in(struct fixture *t, unsigned off, unsigned size)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, BASE + off, size, &v));
	return v;
}

static void out(struct fixture *t, unsigned off, unsigned size, uint64_t value)
{
	assert_true(bus_write(&t->f.mmio, BASE + off, size, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	acpi_ged_init(&t->ged, fake_irq_line(&t->irq), fake_power_sink(&t->f));
	assert_int_equal(bus_add(&t->f.mmio, &t->ged.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	acpi_ged_finish(&t->ged);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static unsigned events_told(struct fixture *t)
{
	return t->f.power.count[POWER_OFF] + t->f.power.count[POWER_RESET];
}

static void s5_switches_off(void **state)
{
	struct fixture *t = *state;

	out(t, ACPI_GED_SLEEP_CONTROL, 1, SLP_EN | SLP_TYP(ACPI_GED_SLP_TYP_S5));
	assert_int_equal(t->f.power.count[POWER_OFF], 1);
}

static void only_s5_with_enable_switches_off(void **state)
{
	struct fixture *t = *state;

	for (unsigned v = 0; v < 256; v++)
		if (!(v & SLP_EN) || (v & SLP_TYP(7)) != SLP_TYP(ACPI_GED_SLP_TYP_S5))
			out(t, ACPI_GED_SLEEP_CONTROL, 1, v);
	assert_int_equal(events_told(t), 0);
}

static void only_the_reset_value_resets(void **state)
{
	struct fixture *t = *state;

	for (unsigned v = 0; v < 256; v++)
		out(t, ACPI_GED_RESET, 1, v);
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
	assert_int_equal(t->f.power.count[POWER_OFF], 0);
}

static void power_button_interrupts_until_its_event_is_read(void **state)
{
	struct fixture *t = *state;

	acpi_ged_press_power(&t->ged);
	acpi_ged_press_power(&t->ged);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, ACPI_GED_EVENTS, 1), ACPI_GED_EVENT_POWER);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, ACPI_GED_EVENTS, 1), 0);
	acpi_ged_press_power(&t->ged);
	assert_int_equal(t->irq.edges, 2);
}

static void events_are_read_by_wider_accesses_too(void **state)
{
	struct fixture *t = *state;

	acpi_ged_press_power(&t->ged);
	assert_int_equal(in(t, ACPI_GED_EVENTS, 4), ACPI_GED_EVENT_POWER);
	assert_int_equal(t->irq.level, 0);
}

static void reset_drops_the_button(void **state)
{
	struct fixture *t = *state;

	acpi_ged_press_power(&t->ged);
	acpi_ged_reset(&t->ged);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, ACPI_GED_EVENTS, 1), 0);
}

static void case_24_every_offset_and_size_answers(void **state)
{
	struct fixture *t = *state;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= ACPI_GED_LEN; off++) {
			assert_int_equal(in(t, off, size), 0);
			out(t, off, size, 0);
		}
	assert_int_equal(events_told(t), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s5_switches_off),
		TEST(only_s5_with_enable_switches_off),
		TEST(only_the_reset_value_resets),
		TEST(power_button_interrupts_until_its_event_is_read),
		TEST(events_are_read_by_wider_accesses_too),
		TEST(reset_drops_the_button),
		TEST(case_24_every_offset_and_size_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
