/* SPDX-License-Identifier: MIT */
/* BARs: sizing, placing, moving, hostile values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/pci_guest.h"
#include "vmm/util.h"

#define DECODE (PCI_COMMAND_MEMORY | PCI_COMMAND_IO)

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

static bool is_mapped(struct pci_guest *g, unsigned index)
{
	return g->dev.pci.bars[index].region->mapped;
}

static uint32_t bar_reg(struct pci_guest *g, unsigned reg)
{
	return pg_ecam_read(g, 1, PCI_BASE_ADDRESS_0 + 4 * reg, 4);
}

static void set_bar_reg(struct pci_guest *g, unsigned reg, uint32_t value)
{
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_0 + 4 * reg, 4, value);
}

/* --- assignment -------------------------------------------------------------- */

static void assigned_addresses_and_types_are_in_the_registers(void **state)
{
	struct pci_guest *g = *state;

	assert_int_equal(bar_reg(g, 0), 0xc);
	assert_int_equal(bar_reg(g, 1), PG_MEM64 >> 32);
	assert_int_equal(bar_reg(g, 2), PG_MEM32);
	assert_int_equal(bar_reg(g, 3), PG_IO | 1);
	assert_int_equal(bar_reg(g, 4), 0);
	assert_false(is_mapped(g, PG_BAR_MEM64) || is_mapped(g, PG_BAR_MEM32) ||
		     is_mapped(g, PG_BAR_IO));
}

struct toy_bus {
	struct fake fake;
	struct pci_bus bus;
	struct pci_dev devs[4];
	struct io_region regions[4];
};

static void toy_bus_init(struct toy_bus *t, const struct pci_windows *windows)
{
	static const struct irq_line none[PCI_BUS_INTX_LINES];

	memset(t, 0, sizeof(*t));
	fake_init(&t->fake);
	pci_bus_init(&t->bus, &t->fake.mmio, NULL, fake_msi_sink(&t->fake), none, windows);
}

static void toy_bus_add(struct toy_bus *t, unsigned i, enum pci_bar_type type, uint64_t size)
{
	static const struct pci_id id = { .vendor = 1 };

	t->regions[i] = (struct io_region){ .len = size };
	pci_dev_init(&t->devs[i], "dev", NULL, &id);
	pci_bar_init(&t->devs[i], 0, type, false, size, &t->regions[i]);
	assert_int_equal(pci_bus_add(&t->bus, &t->devs[i]), 0);
}

static void toy_bus_finish(struct toy_bus *t)
{
	pci_bus_finish(&t->bus);
	fake_finish(&t->fake);
}

static void assign_aligns_naturally_and_wastes_nothing(void **state)
{
	static const struct pci_windows windows = { .mem32_base = 0xc0001000,
						    .mem32_size = 0x6000 };
	struct toy_bus t;

	toy_bus_init(&t, &windows);
	toy_bus_add(&t, 0, PCI_BAR_MEM32, 0x10);
	toy_bus_add(&t, 1, PCI_BAR_MEM32, 0x2000);
	toy_bus_add(&t, 2, PCI_BAR_MEM64, 0x1000);	/* no window of its own */
	toy_bus_add(&t, 3, PCI_BAR_MEM32, 0x1000);
	assert_int_equal(pci_bus_assign(&t.bus), 0);
	assert_int_equal(t.devs[1].bars[0].assigned, 0xc0002000);
	assert_int_equal(t.devs[2].bars[0].assigned, 0xc0004000);
	assert_int_equal(t.devs[3].bars[0].assigned, 0xc0005000);
	assert_int_equal(t.devs[0].bars[0].assigned, 0xc0006000);
	toy_bus_finish(&t);
}

static void assign_falls_back_to_the_low_window(void **state)
{
	static const struct pci_windows windows = {
		.mem32_base = 0xc0000000, .mem32_size = 0x10000,
		.mem64_base = BIT(38), .mem64_size = 0x1000,
	};
	struct toy_bus t;

	toy_bus_init(&t, &windows);
	toy_bus_add(&t, 0, PCI_BAR_MEM64, 0x1000);
	toy_bus_add(&t, 1, PCI_BAR_MEM64, 0x1000);
	assert_int_equal(pci_bus_assign(&t.bus), 0);
	assert_true(t.devs[0].bars[0].assigned == BIT(38));
	assert_int_equal(t.devs[1].bars[0].assigned, 0xc0000000);
	toy_bus_finish(&t);
}

static void assign_reports_full_windows(void **state)
{
	static const struct { struct pci_windows windows; enum pci_bar_type type; } cases[] = {
		{ { .mem32_base = 0xc0000000, .mem32_size = 0xfff }, PCI_BAR_MEM32 },
		{ { .mem32_base = 0xc0000800, .mem32_size = 0x1000 }, PCI_BAR_MEM32 },
		{ { .mem64_base = BIT(38), .mem64_size = BIT(30) }, PCI_BAR_MEM32 },
		{ { .mem32_base = 0xc0000000, .mem32_size = BIT(20) }, PCI_BAR_IO },
		{ { .mem64_base = 0ull - 0x800, .mem64_size = 0x800 }, PCI_BAR_MEM64 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct toy_bus t;

		toy_bus_init(&t, &cases[i].windows);
		toy_bus_add(&t, 0, cases[i].type, 0x1000);
		assert_int_equal(pci_bus_assign(&t.bus), -ENOSPC);
		toy_bus_finish(&t);
	}
}

static void assign_takes_a_window_that_ends_at_the_top(void **state)
{
	static const struct pci_windows windows = { .mem64_base = 0ull - 0x2000,
						    .mem64_size = 0x2000 };
	struct toy_bus t;

	toy_bus_init(&t, &windows);
	toy_bus_add(&t, 0, PCI_BAR_MEM64, 0x1000);
	toy_bus_add(&t, 1, PCI_BAR_MEM64, 0x1000);
	assert_int_equal(pci_bus_assign(&t.bus), 0);
	assert_true(t.devs[1].bars[0].assigned == 0ull - 0x1000);
	toy_bus_finish(&t);
}

/* --- decode --------------------------------------------------------------------- */

static void decode_bits_map_and_unmap_their_own_kind(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, PCI_COMMAND_IO);
	assert_true(pg_answers(g, PG_BAR_IO, PG_IO));
	assert_false(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
	pg_command(g, PCI_COMMAND_MEMORY);
	assert_false(pg_answers(g, PG_BAR_IO, PG_IO));
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	pg_command(g, 0);
	assert_false(is_mapped(g, PG_BAR_MEM64) || is_mapped(g, PG_BAR_MEM32));
}

static void moving_with_decode_on_takes_the_doorbell_along(void **state)
{
	struct pci_guest *g = *state;
	eventfd_t n;

	pg_command(g, DECODE);
	pg_set_bar(g, PG_BAR_MEM64, 0x4100000000ull);
	assert_false(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	assert_true(pg_answers(g, PG_BAR_MEM64, 0x4100000000ull));
	pg_mmio_write(g, 0x4100000000ull + PG_DOORBELL, 4, 0);
	assert_int_equal(eventfd_read(g->dev.doorbell.fd, &n), 0);
	pg_mmio_write(g, PG_MEM64 + PG_DOORBELL, 4, 0);
	assert_int_equal(eventfd_read(g->dev.doorbell.fd, &n), -1);
	pg_set_bar(g, PG_BAR_IO, 0x2000);
	assert_true(pg_answers(g, PG_BAR_IO, 0x2000));
	assert_false(pg_answers(g, PG_BAR_IO, PG_IO));
}

static void moving_with_decode_off_counts_once_decode_is_on(void **state)
{
	struct pci_guest *g = *state;

	pg_set_bar(g, PG_BAR_MEM32, 0xc8000000);
	assert_false(is_mapped(g, PG_BAR_MEM32));
	pg_command(g, DECODE);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xc8000000));
}

static void unaligned_address_is_cut_to_the_size(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	set_bar_reg(g, 2, 0xc8000ff0);
	assert_int_equal(bar_reg(g, 2), 0xc8000000);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xc8000000));
}

static void last_slot_below_a_4_gib_boundary_is_an_address(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	pg_set_bar(g, PG_BAR_MEM64, 0x41ffffc000ull);
	assert_true(pg_answers(g, PG_BAR_MEM64, 0x41ffffc000ull));
	set_bar_reg(g, 2, 0xfffff000);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xfffff000));
}

static void byte_and_word_writes_place_a_bar(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2 + 3, 1, 0xc4);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xc4000000));
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2 + 2, 2, 0xc012);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xc0120000));
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2 + 1, 1, 0xff);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0xc012f000));
}

static void io_bars_go_nowhere_without_a_port_bus(void **state)
{
	static const struct pci_windows windows = { .io_base = 0x1000, .io_size = 0x1000 };
	struct toy_bus t;

	toy_bus_init(&t, &windows);
	toy_bus_add(&t, 0, PCI_BAR_IO, 0x20);
	assert_int_equal(pci_bus_assign(&t.bus), 0);
	pci_config_write(&t.bus, 1, 0, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_false(t.regions[0].mapped);
	toy_bus_finish(&t);
}

static void removing_a_function_takes_its_bars_off_the_bus(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	pci_bus_remove(&g->dev.pci);
	assert_false(is_mapped(g, PG_BAR_MEM64) || is_mapped(g, PG_BAR_MEM32) ||
		     is_mapped(g, PG_BAR_IO));
	assert_int_equal(pg_ecam_read(g, 1, 0, 4), ~0u);
}

/* --- hostile --------------------------------------------------------------------- */

static void case_27_sizing_with_decode_on_gives_the_mask_and_maps_nothing(void **state)
{
	static const struct { unsigned reg, index; uint32_t mask; } bars[] = {
		{ 0, PG_BAR_MEM64, ~(PG_MEM64_SIZE - 1) | 0xc },
		{ 1, PG_BAR_MEM64, ~0u },
		{ 2, PG_BAR_MEM32, ~(PG_MEM32_SIZE - 1) },
		{ 3, PG_BAR_IO, ~(PG_IO_SIZE - 1) | 1 },
	};
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	for (unsigned i = 0; i < ARRAY_SIZE(bars); i++) {
		uint64_t addr = pg_bar(g, bars[i].index);
		uint32_t old = bar_reg(g, bars[i].reg);

		set_bar_reg(g, bars[i].reg, ~0u);
		assert_int_equal(bar_reg(g, bars[i].reg), bars[i].mask);
		assert_false(is_mapped(g, bars[i].index));
		set_bar_reg(g, bars[i].reg, old);
		assert_true(pg_answers(g, bars[i].index, addr));
	}
}

/* The mask differs by who asks: without the type bits, word by word, byte by byte. */
static void case_27_masked_and_partial_probes_map_nothing(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	set_bar_reg(g, 2, 0xfffffff0);
	assert_int_equal(bar_reg(g, 2), 0xfffff000);
	assert_false(is_mapped(g, PG_BAR_MEM32));
	set_bar_reg(g, 2, PG_MEM32);

	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2, 2, 0xffff);
	assert_false(is_mapped(g, PG_BAR_MEM32));
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2 + 2, 2, 0xffff);
	assert_false(is_mapped(g, PG_BAR_MEM32));
	set_bar_reg(g, 2, PG_MEM32);

	for (unsigned i = 0; i < 4; i++) {
		pg_ecam_write(g, 1, PCI_BASE_ADDRESS_2 + i, 1, 0xff);
		assert_false(is_mapped(g, PG_BAR_MEM32));
	}
	assert_int_equal(bar_reg(g, 2), 0xfffff000);
	set_bar_reg(g, 2, PG_MEM32);

	/* On the port bus the upper half may well be zero. */
	pg_ecam_write(g, 1, PCI_BASE_ADDRESS_3, 2, 0xffff);
	assert_int_equal(bar_reg(g, 3), 0xffe1);
	assert_false(is_mapped(g, PG_BAR_IO));
	set_bar_reg(g, 3, PG_IO);
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
	assert_true(pg_answers(g, PG_BAR_IO, PG_IO));
}

static void case_27_decode_toggled_while_sizing_maps_nothing(void **state)
{
	struct pci_guest *g = *state;

	set_bar_reg(g, 0, ~0u);
	pg_command(g, DECODE);
	assert_false(is_mapped(g, PG_BAR_MEM64));
	set_bar_reg(g, 0, PG_MEM64 & ~0u);
	assert_true(is_mapped(g, PG_BAR_MEM64));
}

static void case_27_half_written_64_bit_bar_is_where_the_registers_say(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	set_bar_reg(g, 0, 0x80000000);
	assert_false(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64 | 0x80000000));
	set_bar_reg(g, 1, 0);
	assert_false(pg_answers(g, PG_BAR_MEM64, PG_MEM64 | 0x80000000));
	assert_true(pg_answers(g, PG_BAR_MEM64, 0x80000000));
	assert_int_equal(pg_bar(g, PG_BAR_MEM64), 0x80000000);
}

static void case_27_unused_and_rom_bars_stay_zero(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	set_bar_reg(g, 4, ~0u);
	set_bar_reg(g, 5, ~0u);
	pg_ecam_write(g, 1, PCI_ROM_ADDRESS, 4, ~0u);
	assert_int_equal(bar_reg(g, 4), 0);
	assert_int_equal(bar_reg(g, 5), 0);
	assert_int_equal(pg_ecam_read(g, 1, PCI_ROM_ADDRESS, 4), 0);
	for (unsigned reg = 0; reg < PCI_BARS; reg++) {
		pg_ecam_write(g, 0, PCI_BASE_ADDRESS_0 + 4 * reg, 4, ~0u);
		assert_int_equal(pg_ecam_read(g, 0, PCI_BASE_ADDRESS_0 + 4 * reg, 4), 0);
	}
}

/* RAM is not on the bus: accesses to it never get here. What is left to see is the way back. */
static void case_28_bar_over_ram_moves_back(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	pg_set_bar(g, PG_BAR_MEM32, 0x1000);
	assert_int_equal(pg_bar(g, PG_BAR_MEM32), 0x1000);
	pg_set_bar(g, PG_BAR_MEM32, PG_MEM32);
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
	assert_false(pg_answers(g, PG_BAR_MEM32, 0x1000));
}

static void case_29_bar_over_bar_ecam_and_zero_has_fixed_priority(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	/* Over the 64-bit BAR, which was there first. */
	pg_set_bar(g, PG_BAR_MEM64, 0xd0000000);
	pg_set_bar(g, PG_BAR_MEM32, 0xd0000000);
	assert_true(pg_answers(g, PG_BAR_MEM64, 0xd0000000));
	/* Over ECAM, which is of the platform: config space stays reachable. */
	pg_set_bar(g, PG_BAR_MEM32, PG_ECAM);
	assert_int_equal(pg_ecam_read(g, 0, 0, 4), 0x00081b36);
	pg_set_bar(g, PG_BAR_MEM64, PG_ECAM);
	assert_int_equal(pg_ecam_read(g, 0, 0, 4), 0x00081b36);
	/* At 0, and the ports' registers. */
	pg_set_bar(g, PG_BAR_MEM32, 0);
	assert_true(pg_answers(g, PG_BAR_MEM32, 0));
	pg_set_bar(g, PG_BAR_IO, 0xce0);
	assert_int_equal(pg_port_read(g, 0, 0, 4), 0x00081b36);
	assert_true(pg_answers(g, PG_BAR_IO, 0xce0));
	/* And back. */
	pg_set_bar(g, PG_BAR_MEM64, PG_MEM64);
	pg_set_bar(g, PG_BAR_MEM32, PG_MEM32);
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
}

static void case_29_bar_at_the_top_of_the_space_does_not_wrap(void **state)
{
	struct pci_guest *g = *state;

	pg_command(g, DECODE);
	set_bar_reg(g, 1, 0xfffffffe);
	set_bar_reg(g, 0, 0xffffc000);
	assert_true(pg_answers(g, PG_BAR_MEM64, 0xfffffffeffffc000ull));
	/* The very top is what a probe of the upper half looks like: nowhere. */
	set_bar_reg(g, 1, 0xffffffff);
	assert_false(is_mapped(g, PG_BAR_MEM64));
	pg_set_bar(g, PG_BAR_MEM64, PG_MEM64);
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
}

static void case_30_a_move_that_fails_unmaps_and_can_be_repeated_elsewhere(void **state)
{
	struct pci_guest *g = *state;
	eventfd_t n;

	pg_command(g, DECODE);
	set_bar_reg(g, 3, 0x12340000);
	assert_int_equal(bar_reg(g, 3), 0x12340001);
	assert_false(is_mapped(g, PG_BAR_IO));
	set_bar_reg(g, 3, 0x3000);
	assert_true(pg_answers(g, PG_BAR_IO, 0x3000));

	/* A bus that ends below the BAR, as the CPU's physical address width does. */
	g->fake.mmio.size = BIT(40);
	pg_set_bar(g, PG_BAR_MEM64, BIT(40) - 0x4000);
	assert_true(is_mapped(g, PG_BAR_MEM64));
	pg_set_bar(g, PG_BAR_MEM64, BIT(40));
	assert_false(is_mapped(g, PG_BAR_MEM64));
	assert_true(pg_bar(g, PG_BAR_MEM64) == BIT(40));
	pg_mmio_write(g, BIT(40) + PG_DOORBELL, 4, 0);
	pg_mmio_write(g, PG_MEM64 + PG_DOORBELL, 4, 0);
	assert_int_equal(eventfd_read(g->dev.doorbell.fd, &n), -1);
	pg_set_bar(g, PG_BAR_MEM64, PG_MEM64);
	pg_mmio_write(g, PG_MEM64 + PG_DOORBELL, 4, 0);
	assert_int_equal(eventfd_read(g->dev.doorbell.fd, &n), 0);
}

static void case_30_a_full_bus_unmaps_and_recovers(void **state)
{
	struct pci_guest *g = *state;
	struct io_region full[BUS_MAX_REGIONS];
	unsigned n = 0;

	do
		full[n] = (struct io_region){ .len = 1 };
	while (bus_add(&g->fake.mmio, &full[n], 0x1000 + n) == 0 && ++n);
	pg_command(g, DECODE);
	assert_false(is_mapped(g, PG_BAR_MEM32));
	while (n--)
		bus_remove(&g->fake.mmio, &full[n]);
	pg_command(g, DECODE);
	assert_true(pg_answers(g, PG_BAR_MEM32, PG_MEM32));
}

/* Counts what the kernel would hold. */
struct hook_count {
	atomic_int bound;
	atomic_uint binds;
};

static int hook_bind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	struct hook_count *h = ctx;

	h->bound++;
	h->binds++;
	return 0;
}

static void hook_unbind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	((struct hook_count *)ctx)->bound--;
}

static const struct bus_hook hook = { .bind = hook_bind, .unbind = hook_unbind };

struct accessor {
	struct pci_guest *g;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint seen, missed, wrong;
};

/* Sees the device or nobody. */
static void *access_bar(void *arg)
{
	struct accessor *a = arg;

	while (!a->stop) {
		uint64_t value = pg_mmio_read(a->g, PG_MEM64 + 8, 4);

		if (value == 0xa0a0a0a0)
			a->seen++;
		else if (value == ~0u)
			a->missed++;
		else
			a->wrong++;
		pg_mmio_write(a->g, PG_MEM64 + PG_DOORBELL, 4, 0);
		pg_mmio_write(a->g, PG_MEM64 + PG_TABLE + 12, 4, 0);
		pg_port_read(a->g, 1, PCI_BASE_ADDRESS_0, 4);
		sched_yield();
	}
	return NULL;
}

static void case_31_decode_toggled_1e5_times_under_another_vcpus_accesses(void **state)
{
	struct pci_guest *g = *state;
	struct accessor a = { .g = g };
	struct hook_count count = { 0 };

	bus_set_hook(&g->fake.mmio, &hook, &count);
	pthread_create(&a.thread, NULL, access_bar, &a);
	for (unsigned i = 0; i < 100000; i++)
		pg_command(g, i & 1 ? 0 : DECODE);
	assert_int_equal(count.bound, 0);
	assert_int_equal(count.binds, 50000);
	pg_command(g, DECODE);
	assert_int_equal(count.bound, 1);
	a.stop = true;
	pthread_join(a.thread, NULL);
	assert_int_equal(a.wrong, 0);
	assert_true(pg_answers(g, PG_BAR_MEM64, PG_MEM64));
	bus_set_hook(&g->fake.mmio, NULL, NULL);
	assert_int_equal(count.bound, 0);
}

static void case_31_writing_the_same_address_again_rebinds_nothing(void **state)
{
	struct pci_guest *g = *state;
	struct hook_count count = { 0 };

	bus_set_hook(&g->fake.mmio, &hook, &count);
	pg_command(g, DECODE);
	for (unsigned i = 0; i < 1000; i++) {
		pg_set_bar(g, PG_BAR_MEM64, PG_MEM64);
		pg_command(g, DECODE | (i & 1 ? PCI_COMMAND_MASTER : 0));
	}
	assert_int_equal(count.binds, 1);
	bus_set_hook(&g->fake.mmio, NULL, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(assigned_addresses_and_types_are_in_the_registers),
		cmocka_unit_test(assign_aligns_naturally_and_wastes_nothing),
		cmocka_unit_test(assign_falls_back_to_the_low_window),
		cmocka_unit_test(assign_reports_full_windows),
		cmocka_unit_test(assign_takes_a_window_that_ends_at_the_top),
		T(decode_bits_map_and_unmap_their_own_kind),
		T(moving_with_decode_on_takes_the_doorbell_along),
		T(moving_with_decode_off_counts_once_decode_is_on),
		T(unaligned_address_is_cut_to_the_size),
		T(last_slot_below_a_4_gib_boundary_is_an_address),
		T(byte_and_word_writes_place_a_bar),
		cmocka_unit_test(io_bars_go_nowhere_without_a_port_bus),
		T(removing_a_function_takes_its_bars_off_the_bus),
		T(case_27_sizing_with_decode_on_gives_the_mask_and_maps_nothing),
		T(case_27_masked_and_partial_probes_map_nothing),
		T(case_27_decode_toggled_while_sizing_maps_nothing),
		T(case_27_half_written_64_bit_bar_is_where_the_registers_say),
		T(case_27_unused_and_rom_bars_stay_zero),
		T(case_28_bar_over_ram_moves_back),
		T(case_29_bar_over_bar_ecam_and_zero_has_fixed_priority),
		T(case_29_bar_at_the_top_of_the_space_does_not_wrap),
		T(case_30_a_move_that_fails_unmaps_and_can_be_repeated_elsewhere),
		T(case_30_a_full_bus_unmaps_and_recovers),
		T(case_31_decode_toggled_1e5_times_under_another_vcpus_accesses),
		T(case_31_writing_the_same_address_again_rebinds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
