/* SPDX-License-Identifier: MIT */
/* PCI configuration space, its two windows, INTx and reset. BARs: test_pci_bar.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/pci_guest.h"
#include "vmm/util.h"

static int setup(void **state)
{
	*state = malloc(sizeof(struct pci_guest));
	pg_init(*state);
	return 0;
}

static int teardown(void **state)
{
	pg_finish(*state);
	free(*state);
	return 0;
}

/* --- what a kernel does ------------------------------------------------------ */

static void enumeration_finds_bridge_and_device_and_nothing_else(void **state)
{
	struct pci_guest *g = *state;

	assert_int_equal(pg_ecam_read(g, 0, PCI_VENDOR_ID, 4), 0x00081b36);
	assert_int_equal(pg_ecam_read(g, 0, PCI_CLASS_REVISION, 4) >> 8, 0x060000);
	assert_int_equal(pg_ecam_read(g, 0, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(pg_ecam_read(g, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(pg_ecam_read(g, 1, PCI_CLASS_REVISION, 4), 0xff000001);
	assert_int_equal(pg_ecam_read(g, 1, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(pg_ecam_read(g, 1, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(pg_ecam_read(g, 1, PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	for (unsigned slot = 2; slot < PCI_BUS_SLOTS; slot++) {
		assert_int_equal(pg_ecam_read(g, slot, PCI_VENDOR_ID, 4), 0xffffffff);
		assert_int_equal(pg_port_read(g, slot, PCI_VENDOR_ID, 4), 0xffffffff);
	}
}

static void linux_brings_a_device_up(void **state)
{
	struct pci_guest *g = *state;
	uint32_t low, high;
	unsigned cap;

	/* arch/x86/pci/direct.c: is mechanism 1 there? */
	bus_write(&g->fake.pio, 0xcfb, 1, 1);
	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000000);
	assert_int_equal(pg_pio_read(g, 0xcf8, 4), 0x80000000);
	/* Size with decode off, put back, enable. */
	low = pg_ecam_read(g, 1, PCI_BASE_ADDRESS_0, 4);
	high = pg_ecam_read(g, 1, PCI_BASE_ADDRESS_1, 4);
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_0, 4, ~0u);
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_1, 4, ~0u);
	assert_int_equal(pg_ecam_read(g, 1, PCI_BASE_ADDRESS_0, 4), ~(PG_MEM64_SIZE - 1) | 0xc);
	assert_int_equal(pg_ecam_read(g, 1, PCI_BASE_ADDRESS_1, 4), ~0u);
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_0, 4, low);
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_1, 4, high);
	assert_false(pg_answers(g, PG_BAR_MEM64, pg_bar(g, PG_BAR_MEM64)));
	pg_command(g, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(pci_bus_master(&g->dev.pci));
	assert_true(pg_answers(g, PG_BAR_MEM64, pg_bar(g, PG_BAR_MEM64)));
	/* MSI-X: on with all masked, a vector filled in, masks off. */
	cap = pg_find_cap(g, 1, PCI_CAP_ID_MSIX);
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_FLAGS, 2), PG_VECTORS - 1);
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_TABLE, 4), PG_TABLE | PG_BAR_MEM64);
	assert_int_equal(pg_ecam_read(g, 1, cap + PCI_MSIX_PBA, 4), PG_PBA | PG_BAR_MEM64);
	pg_ecam_write(g, 1, cap + PCI_MSIX_FLAGS, 2,
		      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pg_mmio_write(g, pg_bar(g, PG_BAR_MEM64) + PG_TABLE + 0x10, 4, 0xfee01000);
	pg_mmio_write(g, pg_bar(g, PG_BAR_MEM64) + PG_TABLE + 0x18, 4, 0x4021);
	pg_mmio_write(g, pg_bar(g, PG_BAR_MEM64) + PG_TABLE + 0x1c, 4, 0);
	pg_ecam_write(g, 1, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	g->fake.msi.fail_routes = 1;
	pci_msix_notify(&g->dev.msix, 1);
	assert_int_equal(g->fake.msi.sent, 1);
	assert_int_equal(g->fake.msi.last_addr, 0xfee01000);
	assert_int_equal(g->fake.msi.last_data, 0x4021);
}

static void ports_and_ecam_show_the_same_registers(void **state)
{
	struct pci_guest *g = *state;

	for (unsigned off = 0; off < PCI_CONFIG_SIZE; off++)
		for (unsigned size = 1; size <= 4; size *= 2)
			if (off % size == 0)
				assert_int_equal(pg_ecam_read(g, 1, off, size),
						 pg_port_read(g, 1, off, size));
	pg_port_write(g, 1, PCI_INTERRUPT_LINE, 1, 11);
	assert_int_equal(pg_ecam_read(g, 1, PCI_INTERRUPT_LINE, 1), 11);
	pg_port_write(g, 1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(pg_ecam_read(g, 1, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
}

static void extended_config_space_reads_zero(void **state)
{
	struct pci_guest *g = *state;

	assert_int_equal(pg_ecam_read(g, 1, PCI_CONFIG_SIZE, 4), 0);
	pg_ecam_write(g, 1, PCI_CONFIG_SIZE, 4, ~0u);
	assert_int_equal(pg_ecam_read(g, 1, PCI_CONFIG_SIZE, 4), 0);
	assert_int_equal(pg_ecam_read(g, 1, 0xffc, 4), 0);
	assert_int_equal(g->dev.config_writes, 0);
}

static void capability_write_mask_is_honoured_bit_by_bit(void **state)
{
	struct pci_guest *g = *state;
	unsigned cap = pg_find_cap(g, 1, PCI_CAP_ID_VNDR);

	assert_int_equal(cap, g->dev.vendor_cap);
	assert_int_equal(pg_ecam_read(g, 1, cap + 4, 4), 0x55443322);
	for (unsigned off = 2; off < 8; off++)
		pg_ecam_write(g, 1, cap + off, 1, 0xff);
	assert_int_equal(pg_ecam_read(g, 1, cap + 2, 2), 0x1108);
	assert_int_equal(pg_ecam_read(g, 1, cap + 4, 4), 0x55443fff);
	assert_int_equal(g->dev.config_writes, 6);
}

static void capability_read_hook_runs_before_the_answer(void **state)
{
	struct pci_guest *g = *state;

	pg_ecam_read(g, 1, 0x40, 4);
	assert_int_equal(g->dev.config_reads, 1);
}

static void a_bus_takes_32_functions_and_refuses_the_next(void **state)
{
	struct pci_guest *g = *state;
	static const struct pci_id id = { .vendor = 1, .device = 2 };
	struct pci_dev devs[PCI_BUS_SLOTS - 1];

	for (unsigned i = 0; i < PCI_BUS_SLOTS - 2; i++) {
		pci_dev_init(&devs[i], "dev", NULL, &id);
		assert_int_equal(pci_bus_add(&g->bus, &devs[i]), 0);
		assert_int_equal(devs[i].slot, i + 2);
	}
	pci_dev_init(&devs[PCI_BUS_SLOTS - 2], "dev", NULL, &id);
	assert_int_equal(pci_bus_add(&g->bus, &devs[PCI_BUS_SLOTS - 2]), -ENOSPC);
	assert_int_equal(pg_ecam_read(g, 31, 0, 4), 0x00020001);
	pci_bus_remove(&devs[5]);
	assert_int_equal(pg_ecam_read(g, 7, 0, 4), ~0u);
	assert_int_equal(pci_bus_add(&g->bus, &devs[PCI_BUS_SLOTS - 2]), 0);
	for (unsigned i = 0; i < PCI_BUS_SLOTS - 1; i++)
		pci_bus_remove(&devs[i]);
}

/* Where the config windows cannot be placed, neither is. */
static void map_config_fails_whole(void **state)
{
	struct pci_guest *g = *state;
	struct io_region full[BUS_MAX_REGIONS];
	uint64_t value;

	bus_remove(&g->fake.mmio, &g->bus.ecam);
	bus_remove(&g->fake.pio, &g->bus.ports);
	assert_int_equal(pci_bus_map_config(&g->bus, 0ull - PCI_ECAM_SIZE / 2), -EINVAL);
	assert_false(bus_read(&g->fake.pio, 0xcf8, 4, &value));
	for (unsigned i = 0; i < BUS_MAX_REGIONS; i++) {
		full[i] = (struct io_region){ .len = 1 };
		assert_int_equal(bus_add(&g->fake.pio, &full[i], 0x8000 + i), 0);
	}
	assert_int_equal(pci_bus_map_config(&g->bus, PG_ECAM), -ENOSPC);
	assert_false(bus_read(&g->fake.mmio, PG_ECAM, 4, &value));
	for (unsigned i = 0; i < BUS_MAX_REGIONS; i++)
		bus_remove(&g->fake.pio, &full[i]);
	assert_int_equal(pci_bus_map_config(&g->bus, PG_ECAM), 0);
}

/* --- INTx ----------------------------------------------------------------------- */

static void intx_reaches_the_line_of_the_slot(void **state)
{
	struct pci_guest *g = *state;

	pci_intx_set(&g->dev.pci, true);
	pci_intx_set(&g->dev.pci, true);
	assert_int_equal(g->intx[1].level, 1);
	assert_int_equal(g->intx[1].edges, 1);
	assert_true(pg_ecam_read(g, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pci_intx_set(&g->dev.pci, false);
	assert_int_equal(g->intx[1].level, 0);
	assert_false(pg_ecam_read(g, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

static void intx_line_stays_high_until_the_last_sharer_lets_go(void **state)
{
	struct pci_guest *g = *state;
	static const struct pci_id id = { .vendor = 1 };
	struct pci_dev devs[4];

	for (unsigned i = 0; i < 4; i++) {
		pci_dev_init(&devs[i], "dev", NULL, &id);
		pci_bus_add(&g->bus, &devs[i]);
	}
	assert_int_equal(devs[3].slot % PCI_BUS_INTX_LINES, 1);
	pci_intx_set(&g->dev.pci, true);
	pci_intx_set(&devs[3], true);
	pci_intx_set(&g->dev.pci, false);
	assert_int_equal(g->intx[1].level, 1);
	/* Taking a function away counts as letting go. */
	pci_bus_remove(&devs[3]);
	assert_int_equal(g->intx[1].level, 0);
	assert_int_equal(g->intx[1].edges, 1);
	for (unsigned i = 0; i < 3; i++)
		pci_bus_remove(&devs[i]);
}

static void intx_disable_bit_drops_the_line_and_keeps_the_status(void **state)
{
	struct pci_guest *g = *state;

	pci_intx_set(&g->dev.pci, true);
	pg_command(g, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(g->intx[1].level, 0);
	assert_true(pg_ecam_read(g, 1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pg_command(g, 0);
	assert_int_equal(g->intx[1].level, 1);
	pg_command(g, PCI_COMMAND_INTX_DISABLE);
	pci_intx_set(&g->dev.pci, false);
	pci_intx_set(&g->dev.pci, true);
	assert_int_equal(g->intx[1].level, 0);
}

static void intx_is_silent_while_msix_is_on(void **state)
{
	struct pci_guest *g = *state;

	pci_intx_set(&g->dev.pci, true);
	pg_msix_flags(g, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(g->intx[1].level, 0);
	pg_command(g, PCI_COMMAND_MASTER);
	assert_int_equal(g->intx[1].level, 0);
	pg_msix_flags(g, 0);
	assert_int_equal(g->intx[1].level, 1);
}

static void intx_of_a_function_on_no_bus_is_a_no_op(void **state)
{
	static const struct pci_id id = { .vendor = 1 };
	struct pci_dev dev;

	pci_dev_init(&dev, "dev", NULL, &id);
	pci_intx_set(&dev, true);
	pci_bus_remove(&dev);
	assert_false(dev.intx_asserted);
}

/* --- reset -------------------------------------------------------------------- */

static void reset_brings_back_power_on_state_and_assigned_addresses(void **state)
{
	struct pci_guest *g = *state;
	uint8_t before[PCI_CONFIG_SIZE];

	memcpy(before, g->dev.pci.config, sizeof(before));
	for (unsigned i = 0; i < PCI_BARS; i++)
		pg_ecam_write(g, 1, PCI_BASE_ADDRESS_0 + 4 * i, 4, 0x80000000);
	pg_command(g, 0xffff);
	pg_ecam_write(g, 1, PCI_INTERRUPT_LINE, 1, 9);
	pg_ecam_write(g, 1, g->dev.vendor_cap + 4, 4, ~0u);
	pg_msix_set(g, 2, 0xfee00000, 1, false);
	pg_msix_flags(g, PCI_MSIX_FLAGS_ENABLE);
	pci_msix_notify(&g->dev.msix, 0);
	pci_intx_set(&g->dev.pci, true);
	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000800);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0x80000000));

	pci_bus_reset(&g->bus);
	assert_memory_equal(g->dev.pci.config, before, sizeof(before));
	assert_int_equal(g->dev.resets, 1);
	assert_false(pg_answers(g, PG_BAR_MEM32, 0x80000000));
	assert_false(pci_bus_master(&g->dev.pci));
	assert_false(pci_msix_enabled(&g->dev.msix));
	assert_int_equal(g->intx[1].level, 0);
	assert_int_equal(pci_msix_pba_read(&g->dev.msix, 0, 8), 0);
	assert_int_equal(pci_msix_table_read(&g->dev.msix, 2 * 16, 8), 0);
	assert_int_equal(pci_msix_table_read(&g->dev.msix, 2 * 16 + 8, 8), 1ull << 32);
	assert_int_equal(pg_pio_read(g, 0xcf8, 4), 0);
	pg_command(g, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
	assert_true(pg_answers(g, PG_BAR_IO, PG_IO));
}

static void reset_while_being_sized_forgets_the_probe(void **state)
{
	struct pci_guest *g = *state;

	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2, 4, ~0u);
	pci_bus_reset(&g->bus);
	pg_command(g, PCI_COMMAND_MEMORY);
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
}

/* --- hostile ---------------------------------------------------------------------- */

static void case_26_only_writable_bits_of_the_header_change(void **state)
{
	struct pci_guest *g = *state;
	static const uint32_t values[] = { 0xffffffff, 0, 0xc1000000, 0xa5a5a5a5 };
	/* Command, cache line size, BARs, interrupt line: all that may change. */
	static const struct { unsigned off; uint32_t mask; } writable[] = {
		{ PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
		{ PCI_CACHE_LINE_SIZE, 0xff },
		{ PCI_BASE_ADDRESS_0, ~(PG_MEM64_SIZE - 1) }, { PCI_BASE_ADDRESS_1, ~0u },
		{ PCI_BASE_ADDRESS_2, ~(PG_MEM32_SIZE - 1) },
		{ PCI_BASE_ADDRESS_3, ~(PG_IO_SIZE - 1) },
		{ PCI_INTERRUPT_LINE, 0xff },
	};
	uint32_t before[16];

	for (unsigned i = 0; i < 16; i++)
		before[i] = pg_ecam_read(g, 1, 4 * i, 4);
	for (unsigned v = 0; v < ARRAY_SIZE(values); v++) {
		for (unsigned i = 0; i < 16; i++)
			pg_ecam_write(g, 1, 4 * i, 4, values[v]);
		for (unsigned i = 0; i < 16; i++) {
			uint32_t mask = 0;

			for (unsigned w = 0; w < ARRAY_SIZE(writable); w++)
				if (writable[w].off == 4 * i)
					mask = writable[w].mask;
			assert_int_equal(pg_ecam_read(g, 1, 4 * i, 4),
					 (before[i] & ~mask) | (values[v] & mask));
		}
	}
}

static void case_26_capability_list_survives_writes_everywhere(void **state)
{
	struct pci_guest *g = *state;

	for (unsigned slot = 0; slot < 2; slot++)
		for (unsigned off = 0; off < 0x1000; off++)
			pg_ecam_write(g, slot, off, 1, 0x5a ^ off);
	assert_int_equal(pg_find_cap(g, 1, PCI_CAP_ID_VNDR), g->dev.vendor_cap);
	assert_int_equal(pg_find_cap(g, 1, PCI_CAP_ID_MSIX), g->dev.msix.cap);
	assert_int_equal(pg_find_cap(g, 1, 0x7f), 0);
	assert_int_equal(pg_find_cap(g, 0, PCI_CAP_ID_MSIX), 0);
	assert_int_equal(pg_ecam_read(g, 1, PCI_VENDOR_ID, 4), 0x10441af4);
	assert_int_equal(pg_ecam_read(g, 0, PCI_VENDOR_ID, 4), 0x00081b36);
}

static void case_26_status_error_bits_stay_clear(void **state)
{
	struct pci_guest *g = *state;

	pg_ecam_write(g, 1, PCI_STATUS, 2, 0xffff);
	assert_int_equal(pg_ecam_read(g, 1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	pg_ecam_write(g, 1, PCI_STATUS, 2, 0xc100);
	assert_int_equal(pg_ecam_read(g, 1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
}

static void case_36_port_address_takes_dwords_only(void **state)
{
	struct pci_guest *g = *state;

	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000804);
	for (unsigned off = 0; off < 4; off++) {
		bus_write(&g->fake.pio, 0xcf8 + off, 1, 0xff);
		assert_int_equal(pg_pio_read(g, 0xcf8 + off, 1), 0xff);
	}
	bus_write(&g->fake.pio, 0xcf8, 2, 0xffff);
	assert_int_equal(pg_pio_read(g, 0xcf8, 2), 0xffff);
	bus_write(&g->fake.pio, 0xcf8, 8, ~0ull);
	assert_true(pg_pio_read(g, 0xcf8, 8) == UINT64_MAX);
	bus_write(&g->fake.pio, 0xcfa, 4, ~0u);
	assert_int_equal(pg_pio_read(g, 0xcfa, 4), ~0u);
	assert_int_equal(pg_pio_read(g, 0xcf8, 4), 0x80000804);
	/* Reserved bits read 0. */
	bus_write(&g->fake.pio, 0xcf8, 4, ~0u);
	assert_int_equal(pg_pio_read(g, 0xcf8, 4), 0x80fffffc);
}

static void case_36_port_data_needs_enable_bus_0_and_function_0(void **state)
{
	struct pci_guest *g = *state;
	static const uint32_t addresses[] = {
		0x00000800,	/* slot 1, not enabled */
		0x80010800,	/* bus 1 */
		0x80ff0800,	/* bus 255 */
		0x80000900,	/* function 1 */
		0x80001000,	/* slot 2: nobody */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		bus_write(&g->fake.pio, 0xcf8, 4, addresses[i]);
		assert_int_equal(pg_pio_read(g, 0xcfc, 4), ~0u);
		assert_int_equal(pg_pio_read(g, 0xcfd, 1), 0xff);
		bus_write(&g->fake.pio, 0xcfc, 4, 0);
	}
	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000800);
	assert_int_equal(pg_pio_read(g, 0xcfc, 4), 0x10441af4);
}

static void case_36_port_data_bytes_words_and_straddling(void **state)
{
	struct pci_guest *g = *state;

	bus_write(&g->fake.pio, 0xcf8, 4, 0x80000800);
	assert_int_equal(pg_pio_read(g, 0xcfd, 1), 0x1a);
	assert_int_equal(pg_pio_read(g, 0xcfe, 2), 0x1044);
	assert_int_equal(pg_pio_read(g, 0xcfd, 2), 0x441a);
	assert_int_equal(pg_pio_read(g, 0xcff, 2), 0xffff);
	assert_int_equal(pg_pio_read(g, 0xcfe, 4), ~0u);
	assert_true(pg_pio_read(g, 0xcfc, 8) == UINT64_MAX);
}

static void case_36_ecam_odd_sizes_and_dword_crossings_are_refused(void **state)
{
	struct pci_guest *g = *state;
	uint64_t at = PG_ECAM + 0x8000;

	assert_true(pg_mmio_read(g, at, 8) == UINT64_MAX);
	assert_int_equal(pg_mmio_read(g, at + 1, 4), ~0u);
	assert_int_equal(pg_mmio_read(g, at + 3, 2), 0xffff);
	assert_int_equal(pg_mmio_read(g, at + 1, 2), 0x441a);
	pg_mmio_write(g, at + PCI_BASE_ADDRESS_2, 8, 0);
	pg_mmio_write(g, at + PCI_BASE_ADDRESS_2 + 2, 4, 0);
	assert_int_equal(pg_bar(g, PG_BAR_MEM32), PG_MEM32);
	assert_int_equal(g->dev.config_writes, 0);
	/* Over the end of the window. */
	assert_int_equal(pg_mmio_read(g, PG_ECAM + PCI_ECAM_SIZE - 1, 2), 0xffff);
}

static void case_36_ecam_functions_other_than_0_are_absent(void **state)
{
	struct pci_guest *g = *state;

	for (unsigned fn = 1; fn < 8; fn++) {
		pg_mmio_write(g, PG_ECAM + 0x8000 + fn * 0x1000 + PCI_BASE_ADDRESS_2, 4, 0);
		assert_int_equal(pg_mmio_read(g, PG_ECAM + 0x8000 + fn * 0x1000, 4), ~0u);
	}
	assert_int_equal(pg_bar(g, PG_BAR_MEM32), PG_MEM32);
}

static void case_36_config_by_number_refuses_what_is_out_of_range(void **state)
{
	struct pci_guest *g = *state;
	static const struct { unsigned slot, fn, off, size; } bad[] = {
		{ 32, 0, 0, 4 }, { ~0u, 0, 0, 4 }, { 1, 8, 0, 4 }, { 1, ~0u, 0, 4 },
		{ 1, 0, 4096, 4 }, { 1, 0, ~3u, 4 }, { 1, 0, 0, 3 }, { 1, 0, 3, 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		pci_config_write(&g->bus, bad[i].slot, bad[i].fn, bad[i].off, bad[i].size, 0);
		assert_int_equal(pci_config_read(&g->bus, bad[i].slot, bad[i].fn, bad[i].off,
						 bad[i].size), all_ones(bad[i].size));
	}
	assert_int_equal(g->dev.config_writes + g->dev.config_reads, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(enumeration_finds_bridge_and_device_and_nothing_else),
		T(linux_brings_a_device_up),
		T(ports_and_ecam_show_the_same_registers),
		T(extended_config_space_reads_zero),
		T(capability_write_mask_is_honoured_bit_by_bit),
		T(capability_read_hook_runs_before_the_answer),
		T(a_bus_takes_32_functions_and_refuses_the_next),
		T(map_config_fails_whole),
		T(intx_reaches_the_line_of_the_slot),
		T(intx_line_stays_high_until_the_last_sharer_lets_go),
		T(intx_disable_bit_drops_the_line_and_keeps_the_status),
		T(intx_is_silent_while_msix_is_on),
		T(intx_of_a_function_on_no_bus_is_a_no_op),
		T(reset_brings_back_power_on_state_and_assigned_addresses),
		T(reset_while_being_sized_forgets_the_probe),
		T(case_26_only_writable_bits_of_the_header_change),
		T(case_26_capability_list_survives_writes_everywhere),
		T(case_26_status_error_bits_stay_clear),
		T(case_36_port_address_takes_dwords_only),
		T(case_36_port_data_needs_enable_bus_0_and_function_0),
		T(case_36_port_data_bytes_words_and_straddling),
		T(case_36_ecam_odd_sizes_and_dword_crossings_are_refused),
		T(case_36_ecam_functions_other_than_0_are_absent),
		T(case_36_config_by_number_refuses_what_is_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
