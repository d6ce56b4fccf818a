/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/cf9.h"
#include "devices/pci.h"
#include "tests/fake.h"

#define PORT 0xcf9
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define BRIDGE 0x80000000u	/* slot 0, register 0 */

struct fixture {
	struct fake f;
	struct cf9 dev;
	struct pci_bus pci;
};

/* As the machine has it: in front of PCI's ports, which are around it. */
static int setup(void **state)
{
	static const struct irq_line intx[PCI_BUS_INTX_LINES];
	static const struct pci_windows windows;
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	cf9_init(&t->dev, fake_power_sink(&t->f));
	assert_int_equal(bus_add(&t->f.pio, &t->dev.region, PORT), 0);
	pci_bus_init(&t->pci, &t->f.mmio, &t->f.pio, fake_msi_sink(&t->f), intx, &windows);
	assert_int_equal(pci_bus_map_config(&t->pci, 0xe0000000), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	pci_bus_finish(&t->pci);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static uint64_t in(struct fixture *t, uint64_t port, unsigned size)
{
	uint64_t value;

	assert_true(bus_read(&t->f.pio, port, size, &value));
	return value;
}

static void out(struct fixture *t, uint64_t port, unsigned size, uint64_t value)
{
	assert_true(bus_write(&t->f.pio, port, size, value));
}

/* arch/x86/kernel/reboot.c, BOOT_CF9_FORCE: first what kind, then the reset. */
static void linux_resets_by_it(void **state)
{
	static const uint8_t codes[] = { 0x06, 0x0e };

	for (unsigned i = 0; i < 2; i++) {
		struct fixture *t = *state;
		uint8_t kept = in(t, PORT, 1) & ~codes[i];

		out(t, PORT, 1, kept | 2);
		assert_int_equal(t->f.power.count[POWER_RESET], i);
		assert_int_equal(in(t, PORT, 1), 2);
		out(t, PORT, 1, kept | codes[i]);
		assert_int_equal(t->f.power.count[POWER_RESET], i + 1);
		cf9_reset(&t->dev);
		assert_int_equal(in(t, PORT, 1), 0);
	}
}

static void only_the_bit_that_rises_resets(void **state)
{
	struct fixture *t = *state;

	out(t, PORT, 1, 0xfb);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
	assert_int_equal(in(t, PORT, 1), 0x0a);
	out(t, PORT, 1, 4);
	out(t, PORT, 1, 4);
	assert_int_equal(t->f.power.count[POWER_RESET], 1);
}

static void pci_configuration_is_around_it(void **state)
{
	struct fixture *t = *state;

	out(t, CONFIG_ADDRESS, 4, BRIDGE | 0x400);
	assert_int_equal(in(t, CONFIG_ADDRESS, 4), BRIDGE | 0x400);
	out(t, CONFIG_ADDRESS, 4, BRIDGE);
	assert_int_equal(in(t, CONFIG_DATA, 2), 0x1b36);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
}

static void case_24_wide_accesses_are_nobodys(void **state)
{
	struct fixture *t = *state;
	uint64_t value;

	assert_false(bus_write(&t->f.pio, PORT, 2, 0x0606));
	assert_false(bus_read(&t->f.pio, PORT, 4, &value));
	assert_int_equal(value, 0xffffffff);
	out(t, CONFIG_ADDRESS, 2, 0x0600);
	assert_int_equal(t->f.power.count[POWER_RESET], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linux_resets_by_it),
		TEST(only_the_bit_that_rises_resets),
		TEST(pci_configuration_is_around_it),
		TEST(case_24_wide_accesses_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
