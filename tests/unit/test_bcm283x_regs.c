/* SPDX-License-Identifier: MIT */
/* The plain blocks of a BCM283x: timer, watchdog, clocks, pins, and what has few registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_gpio.h"
#include "devices/bcm283x_pm.h"
#include "devices/bcm283x_regs.h"
#include "devices/bcm283x_timer.h"
#include "devices/bcm283x_uart.h"
#include "tests/fake.h"
#include "tests/fake_chardev.h"
#include "tests/until.h"
#include "vmm/util.h"

#define TIMER 0x3f003000
#define ASB 0x3f00a000
#define PM 0x3f100000
#define CPRMAN 0x3f101000
#define RNG 0x3f104000
#define GPIO 0x3f200000
#define THERMAL 0x3f212000
#define AUX 0x3f215000
#define UART 0x3f215040

#define PASSWORD 0x5a000000u

struct fixture {
	struct fake f;
	struct fake_chardev chr;
	struct fake_irq timer_irqs[BCM283X_TIMER_CHANNELS], gpio_irqs[BCM283X_GPIO_IRQS], aux_irq;
	struct bcm283x_timer timer;
	struct bcm283x_pm pm;
	struct bcm283x_cprman cprman;
	struct bcm283x_rng rng;
	struct bcm283x_gpio gpio;
	struct bcm283x_thermal thermal;
	struct bcm283x_aux aux;
	struct bcm283x_uart uart;
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

static void add(struct fixture *t, struct io_region *region, uint64_t gpa)
{
	assert_int_equal(bus_add(&t->f.mmio, region, gpa), 0);
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	struct irq_line lines[4];

	fake_init(&t->f);
	fake_chardev_init(&t->chr);
	for (unsigned i = 0; i < 4; i++)
		lines[i] = fake_irq_line(&t->timer_irqs[i]);
	bcm283x_timer_init(&t->timer, t->f.loop, lines);
	bcm283x_pm_init(&t->pm, t->f.loop, fake_power_sink(&t->f));
	assert_int_equal(bcm283x_cprman_init(&t->cprman), 0);
	bcm283x_rng_init(&t->rng);
	for (unsigned i = 0; i < 4; i++)
		lines[i] = fake_irq_line(&t->gpio_irqs[i]);
	bcm283x_gpio_init(&t->gpio, lines);
	bcm283x_thermal_init(&t->thermal);
	bcm283x_aux_init(&t->aux);
	bcm283x_uart_init(&t->uart, t->f.loop, &t->chr.chr,
			  bcm283x_aux_line(&t->aux, 0, fake_irq_line(&t->aux_irq)));
	add(t, &t->timer.region, TIMER);
	add(t, &t->pm.region, PM);
	add(t, &t->pm.asb, ASB);
	add(t, &t->cprman.region, CPRMAN);
	add(t, &t->rng.region, RNG);
	add(t, &t->gpio.region, GPIO);
	add(t, &t->thermal.region, THERMAL);
	add(t, &t->aux.region, AUX);
	add(t, &t->uart.region, UART);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bcm283x_uart_finish(&t->uart);
	bcm283x_aux_finish(&t->aux);
	bcm283x_thermal_finish(&t->thermal);
	bcm283x_gpio_finish(&t->gpio);
	bcm283x_rng_finish(&t->rng);
	bcm283x_cprman_finish(&t->cprman);
	bcm283x_pm_finish(&t->pm);
	bcm283x_timer_finish(&t->timer);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* --- system timer -------------------------------------------------------------------- */

static void the_counter_counts_microseconds_in_two_halves(void **state)
{
	struct fixture *t = *state;

	t->timer.start_ns -= (5ull << 32) * 1000;
	assert_int_equal(in(t, TIMER + 8), 5);
	UNTIL_IN(t->f.loop, in(t, TIMER + 4) > 2);
}

static void a_channel_interrupts_when_the_counter_gets_there(void **state)
{
	struct fixture *t = *state;

	out(t, TIMER + 0x18, in(t, TIMER + 4) + 2000);
	UNTIL_IN(t->f.loop, t->timer_irqs[3].level);
	assert_int_equal(in(t, TIMER), 1 << 3);
	assert_int_equal(t->timer_irqs[1].level, 0);
	out(t, TIMER, 1 << 3);
	assert_int_equal(t->timer_irqs[3].level, 0);
	assert_int_equal(in(t, TIMER), 0);
	assert_int_equal(t->timer_irqs[3].edges, 1);
}

static void a_match_is_seen_by_who_polls_as_well(void **state)
{
	struct fixture *t = *state;

	out(t, TIMER + 0x10, in(t, TIMER + 4) + 1000000);
	t->timer.start_ns -= 2000000000ull;
	assert_int_equal(in(t, TIMER), 1 << 1);
	assert_int_equal(t->timer_irqs[1].level, 1);
}

static void a_channel_has_the_value_that_was_written(void **state)
{
	struct fixture *t = *state;

	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++)
		out(t, TIMER + 0x0c + 4 * i, 0x80000000 + i);
	for (unsigned i = 0; i < BCM283X_TIMER_CHANNELS; i++)
		assert_int_equal(in(t, TIMER + 0x0c + 4 * i), 0x80000000 + i);
	assert_int_equal(in(t, TIMER + 0x1c), 0);
	assert_int_equal(in(t, TIMER), 0);
	/* What has matched is forgotten by a reset. */
	t->timer.start_ns -= 0x80000000ull * 1000 + 1000000;
	assert_int_equal(in(t, TIMER), 0xf);
	assert_int_equal(t->timer_irqs[1].level, 1);
	bcm283x_timer_reset(&t->timer);
	assert_int_equal(in(t, TIMER), 0);
	assert_int_equal(t->timer_irqs[1].level, 0);
}

static void a_reset_begins_anew(void **state)
{
	struct fixture *t = *state;

	t->timer.start_ns -= 1ull << 50;
	out(t, TIMER + 0x0c, 123);
	bcm283x_timer_reset(&t->timer);
	assert_int_equal(in(t, TIMER + 8), 0);
	assert_int_equal(in(t, TIMER + 0xc), 0);
	assert_int_equal(in(t, TIMER), 0);
	fake_settle(&t->f);
}

/* --- watchdog and power -------------------------------------------------------------- */

static void linux_restart_resets_the_machine(void **state)
{
	struct fixture *t = *state;

	out(t, PM + 0x24, PASSWORD | 10);
	out(t, PM + 0x1c, PASSWORD | (in(t, PM + 0x1c) & ~0x30u) | 0x20);
	UNTIL_IN(t->f.loop, t->f.power.count[POWER_RESET]);
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
	assert_int_equal(t->f.power.count[POWER_OFF], 0);
}

static void a_watchdog_bites_once(void **state)
{
	struct fixture *t = *state;
	uint64_t before;

	out(t, PM + 0x24, PASSWORD | 10);
	assert_int_equal(in(t, PM + 0x24), 10);
	out(t, PM + 0x1c, PASSWORD | 0x122);
	UNTIL_IN(t->f.loop, t->f.power.count[POWER_RESET]);
	assert_int_equal(in(t, PM + 0x1c), 0x102);
	out(t, PM + 0x24, PASSWORD | 0xf00001);
	assert_int_equal(in(t, PM + 0x24), 1);
	fake_settle(&t->f);
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
	/* It waits for as long as it was told, in 65536ths of a second. */
	before = loop_now_ns();
	out(t, PM + 0x24, PASSWORD | 10 << 16);
	out(t, PM + 0x1c, PASSWORD | 0x122);
	assert_true(t->pm.due_ns >= before + 10000000000ull);
	assert_true(t->pm.due_ns <= loop_now_ns() + 10000000000ull);
	t->pm.due_ns = loop_now_ns() + 5000000000ull;
	assert_in_range(in(t, PM + 0x24), 0, 5 << 16);
	/* Its configuration written again does not feed it. */
	out(t, PM + 0x1c, PASSWORD | 0x122);
	assert_in_range(in(t, PM + 0x24), 0, 5 << 16);
	bcm283x_pm_reset(&t->pm);
	assert_int_equal(in(t, PM + 0x1c), 0x102);
	assert_int_equal(in(t, PM + 0x20), 0x1000);
	assert_int_equal(in(t, PM + 0x24), 0);
	t->pm.due_ns = 0;
	fake_settle(&t->f);
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
}

static void partition_63_is_power_off(void **state)
{
	struct fixture *t = *state;

	out(t, PM + 0x20, PASSWORD | in(t, PM + 0x20) | 0x555);
	out(t, PM + 0x24, PASSWORD | 10);
	out(t, PM + 0x1c, PASSWORD | 0x122);
	UNTIL_IN(t->f.loop, t->f.power.count[POWER_OFF]);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
}

static void a_watchdog_that_is_fed_or_stopped_does_nothing(void **state)
{
	struct fixture *t = *state;

	out(t, PM + 0x24, PASSWORD | 15 << 16);
	out(t, PM + 0x1c, PASSWORD | 0x122);
	assert_in_range(in(t, PM + 0x24), 1, 15 << 16);
	t->pm.due_ns = 0;
	out(t, PM + 0x24, PASSWORD | 15 << 16);
	fake_settle(&t->f);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
	out(t, PM + 0x1c, PASSWORD | 0x102);
	t->pm.due_ns = 0;
	fake_settle(&t->f);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
	assert_int_equal(in(t, PM + 0x1c), 0x102);
}

static void without_the_password_nothing_changes(void **state)
{
	struct fixture *t = *state;

	out(t, PM + 0x24, 10);
	out(t, PM + 0x1c, 0x122);
	out(t, CPRMAN + 0xf4, 1);
	out(t, ASB + 8, 1);
	assert_int_equal(in(t, PM + 0x1c), 0x102);
	assert_int_equal(in(t, CPRMAN + 0xf4), 42667);
	assert_int_equal(in(t, ASB + 8), 0);
}

static void domains_and_bridges_answer_at_once(void **state)
{
	struct fixture *t = *state;

	out(t, PM + 0x10c, PASSWORD | 1 | 1 << 3);
	assert_int_equal(in(t, PM + 0x10c), 1 | 1 << 1 | 1 << 3 | 1 << 4);
	out(t, PM + 0x10c, PASSWORD);
	assert_int_equal(in(t, PM + 0x10c), 0);
	/* That they do is no bit that can be written. */
	out(t, PM + 0x10c, PASSWORD | 1 << 1 | 1 << 4);
	assert_int_equal(in(t, PM + 0x10c), 0);
	out(t, ASB + 8, PASSWORD | 2 | 4);
	assert_int_equal(in(t, ASB + 8), 4);
	out(t, ASB + 0x20, PASSWORD);
	assert_int_equal(in(t, ASB + 0x20), 0x62726467);
	out(t, ASB + 8, PASSWORD | 1);
	assert_int_equal(in(t, ASB + 8), 3);
	out(t, ASB + 8, PASSWORD);
	assert_int_equal(in(t, ASB + 8), 0);
	/* The last registers of each, and both at once. */
	assert_true(bus_write(&t->f.mmio, PM + 0x10c, 8, (uint64_t)(PASSWORD | 1) << 32 | PASSWORD));
	assert_int_equal(in(t, PM + 0x10c), 0);
	assert_int_equal(in(t, PM + 0x110), 3);
	assert_false(bus_write(&t->f.mmio, PM + 0x110, 8, (uint64_t)PASSWORD << 32 | PASSWORD));
	assert_int_equal(in(t, PM + 0x110), 3);
	out(t, ASB + 8, PASSWORD | 1);
	bcm283x_pm_reset(&t->pm);
	assert_int_equal(in(t, PM + 0x110), 0);
	assert_int_equal(in(t, ASB + 8), 0);
}

/* --- clocks -------------------------------------------------------------------------- */

/* As clk-bcm2835.c works it out: 19.2 MHz * (integer + fraction) / dividers. */
static uint64_t pll_hz(struct fixture *t, unsigned ctl, unsigned frac)
{
	uint64_t ndiv = (uint64_t)(in(t, CPRMAN + ctl) & 0x3ff) << 20 | in(t, CPRMAN + frac);

	return 19200000 * ndiv >> 20;
}

static void the_uart_has_48_mhz(void **state)
{
	struct fixture *t = *state;
	uint64_t per = pll_hz(t, 0x1140, 0x1240) / in(t, CPRMAN + 0x1540);
	uint64_t hz = (per << 12) / in(t, CPRMAN + 0xf4);

	assert_in_range(hz, 47990000, 48010000);
	assert_int_equal(in(t, CPRMAN + 0xf0) & 0x1f, 0x16);	/* on, from PLLD */
	assert_int_equal(in(t, CPRMAN + 0x114), 0x1f00);
	assert_int_equal(in(t, CPRMAN + 0x100), 0);
}

static void a_clock_is_busy_while_it_is_on(void **state)
{
	struct fixture *t = *state;

	out(t, CPRMAN + 0xa0, PASSWORD | 0x11);
	assert_int_equal(in(t, CPRMAN + 0xa0), 0x91);
	out(t, CPRMAN + 0xa0, PASSWORD | 0x81);
	assert_int_equal(in(t, CPRMAN + 0xa0), 0x01);
	bcm283x_cprman_reset(&t->cprman);
	assert_int_equal(in(t, CPRMAN + 0xa0), 0);
}

/* Where the kernel serves reads, the guest gets what is there; reg32.h has two registers at most. */
static void expect_memory_like_handlers(struct fixture *t)
{
	const struct io_region *r = &t->cprman.region;
	uint64_t v;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= r->len; off++) {
			assert_true(bus_read(&t->f.mmio, CPRMAN + off, size, &v));
			assert_true(off % 4 + size > 8 ||
				    v == load_le((const char *)r->memory + off, size));
		}
}

static void clocks_read_the_same_from_memory(void **state)
{
	struct fixture *t = *state;
	uint8_t first[BCM283X_CPRMAN_LEN];

	assert_true(t->cprman.region.read_only);
	assert_int_equal((uintptr_t)t->cprman.region.memory % BUS_PAGE, 0);
	memcpy(first, t->cprman.region.memory, sizeof(first));
	expect_memory_like_handlers(t);
	for (unsigned reg = 0; reg < BCM283X_CPRMAN_LEN; reg += 4)
		out(t, CPRMAN + reg, 0xa5000000u | 0x5bad11);
	assert_memory_equal(t->cprman.region.memory, first, sizeof(first));
	for (unsigned reg = 0; reg < BCM283X_CPRMAN_LEN; reg += 4)
		out(t, CPRMAN + reg, PASSWORD | (reg * 0x9e37 & 0xffffff));
	expect_memory_like_handlers(t);
	assert_int_equal(in(t, CPRMAN + 0x1ffc), 0x1ffc * 0x9e37 & 0xffffff);
	assert_int_equal(in(t, CPRMAN + 0x100), 0);
	assert_int_equal(in(t, CPRMAN + 0x114), 0x1f00);
	bcm283x_cprman_reset(&t->cprman);
	assert_memory_equal(t->cprman.region.memory, first, sizeof(first));
}

/* --- pins ---------------------------------------------------------------------------- */

static void an_output_reads_back_and_an_input_has_its_pull(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, GPIO + 0x34) & 1, 1);
	assert_int_equal(in(t, GPIO + 0x38) >> (46 - 32) & 1, 1);	/* no HDMI cable */
	out(t, GPIO + 0x10, 1 << 21);		/* 47: the LED */
	out(t, GPIO + 0x20, 1 << 15);
	assert_int_equal(in(t, GPIO + 0x38) >> 15 & 1, 1);
	out(t, GPIO + 0x2c, 1 << 15);
	assert_int_equal(in(t, GPIO + 0x38) >> 15 & 1, 0);
}

static void edges_interrupt_by_bank_until_they_are_acknowledged(void **state)
{
	struct fixture *t = *state;

	out(t, GPIO + 0x4c, 1 << 20);
	bcm283x_gpio_set_input(&t->gpio, 20, true);
	assert_int_equal(t->gpio_irqs[0].level, 1);
	assert_int_equal(t->gpio_irqs[3].level, 1);
	assert_int_equal(t->gpio_irqs[1].level, 0);
	bcm283x_gpio_set_input(&t->gpio, 20, false);
	assert_int_equal(in(t, GPIO + 0x40), 1 << 20);
	out(t, GPIO + 0x40, 1 << 20);
	assert_int_equal(t->gpio_irqs[0].level, 0);
	out(t, GPIO + 0x5c, 1 << 8);		/* 40, falling */
	bcm283x_gpio_set_input(&t->gpio, 40, true);
	assert_int_equal(t->gpio_irqs[1].level, 0);
	bcm283x_gpio_set_input(&t->gpio, 40, false);
	assert_int_equal(t->gpio_irqs[1].level, 1);
}

static void pins_have_registers_of_two_halves(void **state)
{
	static const uint8_t kinds[] = { 0x4c, 0x58, 0x64, 0x70, 0x7c, 0x88 };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		out(t, GPIO + kinds[i], 0x10101 << i);
		out(t, GPIO + kinds[i] + 4, 0xffc00000 | 1u << i);
		assert_int_equal(in(t, GPIO + kinds[i]), 0x10101 << i);
		assert_int_equal(in(t, GPIO + kinds[i] + 4), 1 << i);
		assert_int_equal(in(t, GPIO + kinds[i] + 8), 0);
	}
	out(t, GPIO + 0x94, 0xff);
	out(t, GPIO + 0x98, 0x12345678);
	out(t, GPIO + 0x9c, 0x9a);
	assert_int_equal(in(t, GPIO + 0x94), 3);
	assert_int_equal(in(t, GPIO + 0x98), 0x12345678);
	assert_int_equal(in(t, GPIO + 0x9c), 0x9a);
	assert_int_equal(in(t, GPIO + 0xa0), 0);
	out(t, GPIO, ~0u);
	out(t, GPIO + 0x14, ~0u);
	assert_int_equal(in(t, GPIO), 0x3fffffff);
	assert_int_equal(in(t, GPIO + 0x14), 0xfff);
	bcm283x_gpio_reset(&t->gpio);
	for (unsigned reg = 0x40; reg < 0xa4; reg += 4)
		assert_int_equal(in(t, GPIO + reg), 0);
	assert_int_equal(in(t, GPIO), 0);
	for (unsigned i = 0; i < BCM283X_GPIO_IRQS; i++)
		assert_int_equal(t->gpio_irqs[i].level, 0);
}

static void only_an_output_has_the_level_that_was_set(void **state)
{
	struct fixture *t = *state;

	out(t, GPIO + 0x1c, 1 << 20);
	assert_int_equal(in(t, GPIO + 0x34) >> 20 & 1, 0);
	out(t, GPIO + 8, 2);		/* another function */
	assert_int_equal(in(t, GPIO + 0x34) >> 20 & 1, 0);
	out(t, GPIO + 8, 1);
	assert_int_equal(in(t, GPIO + 0x34) >> 20 & 1, 1);
	out(t, GPIO + 8, 1 | 2 << 3);
	assert_int_equal(in(t, GPIO + 0x34) >> 20 & 3, 1);
	/* Nobody set an event for it, then for the edges of another kind. */
	assert_int_equal(in(t, GPIO + 0x40), 0);
	out(t, GPIO + 0x58, 1 << 20);
	out(t, GPIO + 8, 0);
	assert_int_equal(in(t, GPIO + 0x40), 1 << 20);
	out(t, GPIO + 0x40, 1 << 20);
	out(t, GPIO + 8, 1);
	assert_int_equal(in(t, GPIO + 0x40), 0);
	/* What is written in the upper half, where there are no more pins. */
	out(t, GPIO + 0x20, ~0u);
	assert_int_equal(in(t, GPIO + 0x38) >> 22, 0);
	bcm283x_gpio_reset(&t->gpio);
	out(t, GPIO + 8, 1);
	assert_int_equal(in(t, GPIO + 0x34) >> 20 & 1, 0);
}

static void a_level_interrupts_as_long_as_it_lasts(void **state)
{
	struct fixture *t = *state;

	out(t, GPIO + 0x68, 1 << 18);	/* 50, which is high */
	assert_int_equal(t->gpio_irqs[2].level, 1);
	out(t, GPIO + 0x44, 1 << 18);
	assert_int_equal(t->gpio_irqs[2].level, 1);
	bcm283x_gpio_set_input(&t->gpio, 50, false);
	out(t, GPIO + 0x44, 1 << 18);
	assert_int_equal(t->gpio_irqs[2].level, 0);
}

static void the_firmware_has_given_pins_to_uart_and_card(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, GPIO + 4), 4 << 12 | 4 << 15);
	assert_int_equal(in(t, GPIO + 0x14) & 0xfff, 04444);
	out(t, GPIO + 4, 0);
	bcm283x_gpio_reset(&t->gpio);
	assert_int_equal(in(t, GPIO + 4), 4 << 12 | 4 << 15);
}

/* --- the small ones ------------------------------------------------------------------ */

static void random_numbers_come_once_it_is_on(void **state)
{
	struct fixture *t = *state;
	uint32_t any = 0;

	assert_int_equal(in(t, RNG + 4) >> 24, 0);
	assert_int_equal(in(t, RNG + 8), 0);
	out(t, RNG + 4, ~0u);
	assert_int_equal(in(t, RNG + 4), 0xfffff);
	out(t, RNG + 4, 0x40000);
	out(t, RNG + 0xc, ~0u);
	assert_int_equal(in(t, RNG + 0xc), 1);
	/* The other bit is one of its speed. */
	out(t, RNG, ~0u & ~1u);
	assert_int_equal(in(t, RNG), 2);
	assert_int_equal(in(t, RNG + 4), 0x40000);
	out(t, RNG + 8, 1);
	out(t, RNG, 1);
	assert_int_equal(in(t, RNG + 4) & 0xfffff, 0x40000);
	assert_int_not_equal(in(t, RNG + 4) >> 24, 0);
	for (unsigned i = 0; i < 100; i++)
		any |= in(t, RNG + 8);
	assert_int_equal(any, 0xffffffff);
	bcm283x_rng_reset(&t->rng);
	for (unsigned reg = 0; reg < 0x10; reg += 4)
		assert_int_equal(in(t, RNG + reg), 0);
}

static void the_sensor_says_45_degrees(void **state)
{
	struct fixture *t = *state;
	uint32_t stat = in(t, THERMAL + 4);

	assert_true(stat & 1 << 10);
	assert_in_range(407000 - 538 * (stat & 0x3ff), 44000, 46000);
	out(t, THERMAL, 7);
	assert_int_equal(in(t, THERMAL), 7);
	bcm283x_thermal_reset(&t->thermal);
	assert_int_equal(in(t, THERMAL), 0);
}

static void the_mini_uart_sends_and_interrupts_through_aux(void **state)
{
	struct fixture *t = *state;

	out(t, AUX + 4, 0xff);
	assert_int_equal(in(t, AUX + 4), 7);
	out(t, UART, 'x');
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 1);
	assert_int_equal(t->chr.out[0], 'x');
	assert_int_equal(in(t, UART + 0x20), 3);
	assert_int_equal(in(t, UART + 0x24) & 0x3, 2);
	out(t, UART + 0x28, 0x10e);
	assert_int_equal(in(t, UART + 0x28), 0x10e);
	out(t, UART + 4, 1);
	assert_int_equal(fake_chardev_type(&t->chr, "ab", 2), 1);
	assert_int_equal(in(t, AUX), 1);
	assert_int_equal(t->aux_irq.level, 1);
	assert_int_equal(in(t, UART + 0x24) & 1, 1);
	assert_int_equal(in(t, UART), 'a');
	assert_int_equal(in(t, AUX), 0);
	assert_int_equal(t->aux_irq.level, 0);
}

static void a_reset_of_uart_and_aux(void **state)
{
	struct fixture *t = *state;

	out(t, AUX + 4, 1);
	out(t, UART + 0x20, 0);
	bcm283x_uart_reset(&t->uart);
	bcm283x_aux_reset(&t->aux);
	assert_int_equal(in(t, AUX + 4), 0);
	assert_int_equal(in(t, UART + 0x20), 3);
}

static void case_36_every_offset_and_size_is_answered(void **state)
{
	static const struct { uint64_t gpa; unsigned len; } blocks[] = {
		{ TIMER, 0x100 }, { ASB, 0x24 }, { PM, 0x114 }, { CPRMAN, 0x2000 }, { RNG, 0x10 },
		{ GPIO, 0xb4 }, { THERMAL, 8 }, { AUX, 8 }, { UART, 0x40 },
	};
	struct fixture *t = *state;
	uint64_t v;

	for (unsigned b = 0; b < ARRAY_SIZE(blocks); b++)
		for (unsigned size = 1; size <= 8; size *= 2)
			for (unsigned off = 0; off + size <= blocks[b].len; off++) {
				uint64_t gpa = blocks[b].gpa + off;

				bus_read(&t->f.mmio, gpa, size, &v);
				bus_write(&t->f.mmio, gpa, size, ~0ull);
				bus_write(&t->f.mmio, gpa, size, PASSWORD | 0xf0);
				bus_read(&t->f.mmio, gpa, size, &v);
			}
	bcm283x_pm_reset(&t->pm);
	bcm283x_timer_reset(&t->timer);
	fake_settle(&t->f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_counter_counts_microseconds_in_two_halves),
		T(a_channel_interrupts_when_the_counter_gets_there),
		T(a_match_is_seen_by_who_polls_as_well),
		T(a_channel_has_the_value_that_was_written),
		T(a_reset_begins_anew),
		T(linux_restart_resets_the_machine),
		T(a_watchdog_bites_once),
		T(partition_63_is_power_off),
		T(a_watchdog_that_is_fed_or_stopped_does_nothing),
		T(without_the_password_nothing_changes),
		T(domains_and_bridges_answer_at_once),
		T(the_uart_has_48_mhz),
		T(a_clock_is_busy_while_it_is_on),
		T(clocks_read_the_same_from_memory),
		T(an_output_reads_back_and_an_input_has_its_pull),
		T(edges_interrupt_by_bank_until_they_are_acknowledged),
		T(pins_have_registers_of_two_halves),
		T(only_an_output_has_the_level_that_was_set),
		T(a_level_interrupts_as_long_as_it_lasts),
		T(the_firmware_has_given_pins_to_uart_and_card),
		T(random_numbers_come_once_it_is_on),
		T(the_sensor_says_45_degrees),
		T(the_mini_uart_sends_and_interrupts_through_aux),
		T(a_reset_of_uart_and_aux),
		T(case_36_every_offset_and_size_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
