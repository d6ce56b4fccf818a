/* SPDX-License-Identifier: MIT */
/* The two interrupt controllers of a BCM2836, one behind the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_armctrl.h"
#include "devices/bcm283x_local.h"
#include "tests/fake.h"
#include "vmm/util.h"

#define LOCAL 0x40000000
#define ARMCTRL 0x3f00b200

struct fixture {
	struct fake f;
	struct bcm283x_local local;
	struct bcm283x_armctrl ic;
	bool lines[BCM283X_CPUS][2];
	unsigned changes;
	unsigned timers[BCM283X_CPUS], asked;
	unsigned routed[BCM283X_CPUS][2];
	int waiting;		/* the CPU in the firmware's loop, -1 none */
	uint32_t released_at;
};

static uint32_t in(struct fixture *t, uint64_t gpa)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, gpa, 4, &v));
	return v;
}

static void out(struct fixture *t, uint64_t gpa, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, gpa, 4, value));
}

static void cpu_set(void *ctx, unsigned cpu, bool fiq, bool level)
{
	struct fixture *t = ctx;

	assert_true(t->lines[cpu][fiq] != level);
	t->lines[cpu][fiq] = level;
	t->changes++;
}

static unsigned cpu_timers(void *ctx, unsigned cpu, unsigned which)
{
	struct fixture *t = ctx;

	t->asked |= which;
	return t->timers[cpu];
}

static void cpu_route(void *ctx, unsigned cpu, unsigned irq, unsigned fiq)
{
	struct fixture *t = ctx;

	t->routed[cpu][0] = irq;
	t->routed[cpu][1] = fiq;
}

static bool cpu_release(void *ctx, unsigned cpu, uint32_t pc)
{
	struct fixture *t = ctx;

	if (t->waiting != (int)cpu)
		return false;
	t->waiting = -1;
	t->released_at = pc;
	return true;
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	struct bcm283x_cpus cpus = { .set = cpu_set, .release = cpu_release, .ctx = t };

	t->waiting = -1;
	fake_init(&t->f);
	bcm283x_local_init(&t->local, &cpus);
	bcm283x_armctrl_init(&t->ic, bcm283x_local_gpu(&t->local, false),
			     bcm283x_local_gpu(&t->local, true));
	assert_int_equal(bus_add(&t->f.mmio, &t->local.region, LOCAL), 0);
	assert_int_equal(bus_add(&t->f.mmio, &t->ic.region, ARMCTRL), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bcm283x_armctrl_finish(&t->ic);
	bcm283x_local_finish(&t->local);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static struct irq_line line_of(struct fixture *t, unsigned bank, unsigned n)
{
	struct irq_line line = { 0 };

	assert_true(bcm283x_armctrl_line(&t->ic, bank, n, &line));
	return line;
}

/* --- next to the CPUs ---------------------------------------------------------------- */

static void a_timer_interrupts_its_cpu_alone_and_only_when_enabled(void **state)
{
	struct fixture *t = *state;

	bcm283x_local_set_timer(&t->local, 2, 3, true);
	assert_int_equal(t->changes, 0);
	assert_int_equal(in(t, LOCAL + 0x68), 0);
	out(t, LOCAL + 0x48, 1 << 3);
	assert_true(t->lines[2][0]);
	assert_int_equal(t->changes, 1);
	assert_int_equal(in(t, LOCAL + 0x68), 1 << 3);
	assert_int_equal(in(t, LOCAL + 0x60), 0);
	bcm283x_local_set_timer(&t->local, 2, 3, false);
	assert_false(t->lines[2][0]);
}

static void the_fiq_enable_of_a_timer_wins(void **state)
{
	struct fixture *t = *state;

	out(t, LOCAL + 0x40, 0x11);
	bcm283x_local_set_timer(&t->local, 0, 0, true);
	assert_true(t->lines[0][1]);
	assert_false(t->lines[0][0]);
	assert_int_equal(in(t, LOCAL + 0x60), 0);
	assert_int_equal(in(t, LOCAL + 0x70), 1);
}

static void registers_are_kept_until_a_reset(void **state)
{
	static const struct { unsigned reg; uint32_t bits; } regs[] = {
		{ 0x00, 0x300 }, { 0x08, ~0u }, { 0x0c, 0xf }, { 0x10, 0xff }, { 0x40, 0xff },
		{ 0x4c, 0xff }, { 0x50, 0xff }, { 0x5c, 0xff },
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		out(t, LOCAL + regs[i].reg, ~0u);
		assert_int_equal(in(t, LOCAL + regs[i].reg), regs[i].bits);
	}
	/* Between them, and what is only written. */
	for (unsigned reg = 0x14; reg < 0x40; reg += 4)
		assert_int_equal(in(t, LOCAL + reg), 0);
	out(t, LOCAL + 0x14, 0xf0);
	assert_int_equal(in(t, LOCAL + 0x10), 0xf);
	for (unsigned reg = 0x18; reg < 0x40; reg += 4)
		out(t, LOCAL + reg, ~0u);
	bcm283x_local_reset(&t->local);
	for (unsigned reg = 0; reg < 0x100; reg += 4)
		assert_int_equal(in(t, LOCAL + reg), 0);
}

static void a_mailbox_is_an_interrupt_until_its_bits_are_cleared(void **state)
{
	struct fixture *t = *state;

	out(t, LOCAL + 0x5c, 1);
	out(t, LOCAL + 0x80 + 3 * 16, 0x5);
	out(t, LOCAL + 0x80 + 3 * 16, 0x100);
	assert_true(t->lines[3][0]);
	assert_int_equal(in(t, LOCAL + 0x6c), 1 << 4);
	assert_int_equal(in(t, LOCAL + 0xc0 + 3 * 16), 0x105);
	assert_int_equal(in(t, LOCAL + 0x80 + 3 * 16), 0);
	out(t, LOCAL + 0xc0 + 3 * 16, 0x5);
	assert_true(t->lines[3][0]);
	out(t, LOCAL + 0xc0 + 3 * 16, 0x100);
	assert_false(t->lines[3][0]);
	assert_int_equal(t->changes, 2);
}

static void a_mailbox_of_another_number_needs_its_own_enable(void **state)
{
	struct fixture *t = *state;

	out(t, LOCAL + 0x50, 1);
	out(t, LOCAL + 0x84, 1);
	assert_int_equal(t->changes, 0);
	out(t, LOCAL + 0x50, 1 << 5);
	assert_true(t->lines[0][1]);
	assert_int_equal(in(t, LOCAL + 0x70), 1 << 5);
}

static void mailbox_3_releases_a_cpu_that_the_firmware_holds(void **state)
{
	struct fixture *t = *state;

	t->waiting = 1;
	out(t, LOCAL + 0x88 + 1 * 16, 0x301980);
	out(t, LOCAL + 0x8c + 1 * 16, 0);
	out(t, LOCAL + 0x8c + 2 * 16, 0x301980);
	assert_int_equal(t->released_at, 0);
	out(t, LOCAL + 0x8c + 1 * 16, 0x301980);
	assert_int_equal(t->released_at, 0x301980);
	assert_int_equal(in(t, LOCAL + 0xcc + 1 * 16), 0);
	out(t, LOCAL + 0x8c + 1 * 16, 0x7);
	assert_int_equal(in(t, LOCAL + 0xcc + 1 * 16), 0x7);
	assert_int_equal(t->released_at, 0x301980);
}

static void the_pmu_goes_where_its_routing_says(void **state)
{
	struct fixture *t = *state;
	struct irq_line pmu = bcm283x_local_pmu(&t->local, 1);

	irq_set(&pmu, true);
	assert_int_equal(t->changes, 0);
	out(t, LOCAL + 0x10, 1 << 1);
	assert_true(t->lines[1][0]);
	assert_int_equal(in(t, LOCAL + 0x64), 1 << 9);
	out(t, LOCAL + 0x10, 1 << 5);
	assert_false(t->lines[1][0]);
	assert_true(t->lines[1][1]);
	irq_set(&pmu, false);
	assert_false(t->lines[1][1]);
	irq_set(&pmu, true);
	assert_true(t->lines[1][1]);
	assert_int_equal(in(t, LOCAL + 0x70), 0);
	out(t, LOCAL + 0x14, 0xff);
	assert_false(t->lines[1][1]);
}

static void timers_with_a_way_of_their_own_are_only_read_here(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_cpus cpus = { .set = cpu_set, .timers = cpu_timers, .ctx = t };

	bcm283x_local_connect(&t->local, &cpus);
	t->timers[0] = 0xfa;
	out(t, LOCAL + 0x40, 0x0a);
	assert_int_equal(t->changes, 0);
	assert_int_equal(in(t, LOCAL + 0x60), 0x0a);
	/* The others cost something to ask for. */
	assert_int_equal(t->asked, 0x0a);
	t->timers[0] = 0;
	assert_int_equal(in(t, LOCAL + 0x60), 0);
}

static void such_timers_are_told_where_to_go(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_cpus cpus = { .set = cpu_set, .route = cpu_route, .ctx = t };

	out(t, LOCAL + 0x40, 0x08);
	bcm283x_local_connect(&t->local, &cpus);
	assert_int_equal(t->routed[0][0], 0x08);
	out(t, LOCAL + 0x4c, 0x2a);
	assert_int_equal(t->routed[3][0], 0x08);
	assert_int_equal(t->routed[3][1], 0x02);
	bcm283x_local_reset(&t->local);
	assert_int_equal(t->routed[0][0] | t->routed[3][0] | t->routed[3][1], 0);
}

static void who_is_connected_later_hears_of_lines_that_are_up(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_cpus cpus = { .set = cpu_set, .ctx = t };

	out(t, LOCAL + 0x50, 1);
	out(t, LOCAL + 0x80, 1);
	memset(t->lines, 0, sizeof(t->lines));
	bcm283x_local_connect(&t->local, &cpus);
	assert_true(t->lines[0][0]);
}

static void a_reset_takes_all_lines_down(void **state)
{
	struct fixture *t = *state;

	out(t, LOCAL + 0x50, 1);
	out(t, LOCAL + 0x80, 1);
	out(t, LOCAL + 0x0c, 3);
	bcm283x_local_reset(&t->local);
	assert_false(t->lines[0][0]);
	assert_int_equal(in(t, LOCAL + 0x0c), 0);
	assert_int_equal(in(t, LOCAL + 0xc0), 0);
}

/* --- of the peripherals ----------------------------------------------------------------- */

static void a_peripheral_reaches_the_cpu_that_the_gpu_is_routed_to(void **state)
{
	struct fixture *t = *state;
	struct irq_line uart = line_of(t, 2, 25);

	irq_set(&uart, true);
	assert_int_equal(t->changes, 0);
	out(t, ARMCTRL + 0x14, 1 << 25);
	assert_true(t->lines[0][0]);
	assert_int_equal(in(t, LOCAL + 0x60), 1 << 8);
	assert_int_equal(in(t, ARMCTRL + 0x08), 1 << 25);
	/* GPU interrupt 57 has a bit of its own beside that of its bank. */
	assert_int_equal(in(t, ARMCTRL + 0x00), 1 << 19 | 1 << 9);
	out(t, LOCAL + 0x0c, 2);
	assert_false(t->lines[0][0]);
	assert_true(t->lines[2][0]);
	out(t, ARMCTRL + 0x20, 1 << 25);
	assert_false(t->lines[2][0]);
	assert_int_equal(in(t, ARMCTRL + 0x14), 0);
}

static void the_arms_own_lines_are_bank_0(void **state)
{
	struct fixture *t = *state;
	struct irq_line mbox = line_of(t, 0, 1);

	out(t, ARMCTRL + 0x18, 0xffffffff);
	assert_int_equal(in(t, ARMCTRL + 0x18), 0xff);
	irq_set(&mbox, true);
	assert_int_equal(in(t, ARMCTRL + 0x00), 1 << 1);
	assert_true(t->lines[0][0]);
	out(t, ARMCTRL + 0x24, 1 << 1);
	assert_false(t->lines[0][0]);
}

static void every_shortcut_is_where_the_datasheet_has_it(void **state)
{
	static const uint8_t gpu[] = { 7, 9, 10, 18, 19, 53, 54, 55, 56, 57, 62 };
	struct fixture *t = *state;

	out(t, ARMCTRL + 0x10, ~0u);
	out(t, ARMCTRL + 0x14, ~0u);
	for (unsigned i = 0; i < 64; i++) {
		struct irq_line line = line_of(t, 1 + i / 32, i % 32);
		uint32_t want = i < 32 ? 1 << 8 : 1 << 9;

		for (unsigned k = 0; k < ARRAY_SIZE(gpu); k++)
			want |= gpu[k] == i ? 1u << (10 + k) : 0;
		irq_set(&line, true);
		assert_int_equal(in(t, ARMCTRL), want);
		irq_set(&line, false);
	}
	assert_int_equal(in(t, ARMCTRL), 0);
}

static void one_source_may_be_the_fiq_enabled_or_not(void **state)
{
	struct fixture *t = *state;
	struct irq_line usb = line_of(t, 1, 9), doorbell = line_of(t, 0, 2), uart = line_of(t, 2, 25);

	out(t, ARMCTRL + 0x0c, 0x80 | 9);
	irq_set(&usb, true);
	assert_true(t->lines[0][1]);
	assert_false(t->lines[0][0]);
	assert_int_equal(in(t, LOCAL + 0x70), 1 << 8);
	out(t, LOCAL + 0x0c, 1 << 2);
	assert_true(t->lines[1][1] && !t->lines[0][1]);
	out(t, ARMCTRL + 0x0c, 0x80 | 66);
	assert_false(t->lines[1][1]);
	irq_set(&doorbell, true);
	assert_true(t->lines[1][1]);
	out(t, ARMCTRL + 0x0c, 0x80 | 127);
	assert_false(t->lines[1][1]);
	/* Numbers end behind the ARM's own, and do not begin anew; without its bit there is none. */
	out(t, ARMCTRL + 0x0c, 0x80 | (96 + 2));
	assert_false(t->lines[1][1]);
	out(t, ARMCTRL + 0x0c, 66);
	assert_false(t->lines[1][1]);
	assert_int_equal(in(t, ARMCTRL + 0x0c), 66);
	irq_set(&uart, true);
	out(t, ARMCTRL + 0x0c, ~0u << 8 | 0x80 | 57);
	assert_true(t->lines[1][1]);
	assert_int_equal(in(t, ARMCTRL + 0x0c), 0x80 | 57);
	bcm283x_armctrl_reset(&t->ic);
	assert_false(t->lines[1][1]);
	assert_int_equal(in(t, ARMCTRL + 0x0c), 0);
}

static void who_is_enabled_can_be_read(void **state)
{
	struct fixture *t = *state;
	struct irq_line usb = line_of(t, 1, 9);

	out(t, ARMCTRL + 0x10, 0x80000201);
	out(t, ARMCTRL + 0x14, 0x80000002);
	out(t, ARMCTRL + 0x18, ~0u);
	out(t, ARMCTRL + 0x1c, 1);
	for (unsigned reg = 0; reg <= 0xc; reg += 0xc) {
		assert_int_equal(in(t, ARMCTRL + 0x10 + reg), 0x80000200);
		assert_int_equal(in(t, ARMCTRL + 0x14 + reg), 0x80000002);
		assert_int_equal(in(t, ARMCTRL + 0x18 + reg), 0xff);
	}
	assert_int_equal(in(t, ARMCTRL + 0x28), 0);
	irq_set(&usb, true);
	assert_true(t->lines[0][0]);
	bcm283x_armctrl_reset(&t->ic);
	assert_false(t->lines[0][0]);
	for (unsigned reg = 0x10; reg < 0x28; reg += 4)
		assert_int_equal(in(t, ARMCTRL + reg), 0);
	/* Nobody forgets who calls. */
	out(t, ARMCTRL + 0x10, 1 << 9);
	assert_true(t->lines[0][0]);
}

static void lines_that_are_none_are_refused(void **state)
{
	struct fixture *t = *state;
	struct irq_line line;

	assert_false(bcm283x_armctrl_line(&t->ic, 0, 8, &line));
	assert_false(bcm283x_armctrl_line(&t->ic, 1, 32, &line));
	assert_false(bcm283x_armctrl_line(&t->ic, 3, 0, &line));
}

static void case_36_every_offset_and_size_is_answered(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	for (unsigned size = 1; size <= 8; size *= 2) {
		for (unsigned off = 0; off + size <= 0x100; off++) {
			bus_write(&t->f.mmio, LOCAL + off, size, ~0ull);
			bus_read(&t->f.mmio, LOCAL + off, size, &v);
		}
		for (unsigned off = 0; off + size <= 0x200; off++) {
			bus_write(&t->f.mmio, ARMCTRL + off, size, ~0ull);
			bus_read(&t->f.mmio, ARMCTRL + off, size, &v);
		}
	}
	bcm283x_armctrl_reset(&t->ic);
	bcm283x_local_reset(&t->local);
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++)
		assert_false(t->lines[cpu][0] || t->lines[cpu][1]);
	assert_int_equal(in(t, ARMCTRL + 0x10), 0);
}

/* Two threads drive lines while a third is the guest: for TSan. */
static void *driver(void *arg)
{
	struct irq_line *line = arg;

	for (unsigned i = 0; i < 2000; i++)
		irq_pulse(line);
	return NULL;
}

static void lines_are_driven_from_any_thread(void **state)
{
	struct fixture *t = *state;
	struct irq_line lines[2] = { line_of(t, 1, 3), line_of(t, 2, 24) };
	pthread_t threads[2];

	out(t, ARMCTRL + 0x10, ~0u);
	out(t, ARMCTRL + 0x14, ~0u);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, driver, &lines[i]);
	for (unsigned i = 0; i < 1000; i++) {
		out(t, LOCAL + 0x0c, i % 4);
		in(t, LOCAL + 0x60);
		in(t, ARMCTRL);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (unsigned cpu = 0; cpu < BCM283X_CPUS; cpu++)
		assert_false(t->lines[cpu][0]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_timer_interrupts_its_cpu_alone_and_only_when_enabled),
		T(the_fiq_enable_of_a_timer_wins),
		T(registers_are_kept_until_a_reset),
		T(a_mailbox_is_an_interrupt_until_its_bits_are_cleared),
		T(a_mailbox_of_another_number_needs_its_own_enable),
		T(mailbox_3_releases_a_cpu_that_the_firmware_holds),
		T(the_pmu_goes_where_its_routing_says),
		T(timers_with_a_way_of_their_own_are_only_read_here),
		T(such_timers_are_told_where_to_go),
		T(who_is_connected_later_hears_of_lines_that_are_up),
		T(a_reset_takes_all_lines_down),
		T(a_peripheral_reaches_the_cpu_that_the_gpu_is_routed_to),
		T(the_arms_own_lines_are_bank_0),
		T(every_shortcut_is_where_the_datasheet_has_it),
		T(one_source_may_be_the_fiq_enabled_or_not),
		T(who_is_enabled_can_be_read),
		T(lines_that_are_none_are_refused),
		T(case_36_every_offset_and_size_is_answered),
		T(lines_are_driven_from_any_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
