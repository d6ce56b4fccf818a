/* SPDX-License-Identifier: MIT */
/* The ACPI tables against the specification (ACPI 6.4) and against layout.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/layout.h"
#include "devices/acpi_ged.h"
#include "devices/pci.h"
#include "devices/pvpanic.h"
#include "devices/rtc_cmos.h"
#include "tests/acpi_tables.h"
#include "vmm/util.h"

/* --- the tables ----------------------------------------------------------------- */

static void rsdp_has_both_checksums(void **state)
{
	struct acpi_tables *t = *state;

	acpi_assert_sums_to_0(t->rsdp.p, 20);
	acpi_assert_sums_to_0(t->rsdp.p, 36);
	assert_int_equal(acpi_field(&t->rsdp, 15, 1), 2);
	assert_int_equal(acpi_field(&t->rsdp, 16, 4), 0);
	assert_int_equal(acpi_field(&t->rsdp, 20, 4), 36);
}

static void tables_do_not_overlap(void **state)
{
	struct acpi_tables *t = *state;
	const struct acpi_table *all[] = {
		&t->rsdp, &t->xsdt, &t->fadt, &t->dsdt, &t->madt, &t->mcfg, &t->ssdt,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		for (unsigned j = i + 1; j < ARRAY_SIZE(all); j++)
			assert_false(ranges_overlap(all[i]->gpa, all[i]->len, all[j]->gpa,
						    all[j]->len));
}

static void assert_port(const struct acpi_table *t, unsigned off, uint64_t port)
{
	assert_int_equal(acpi_field(t, off, 4), 0x01000801);	/* system I/O, a byte */
	assert_int_equal(acpi_field(t, off + 4, 8), port);
}

static void fadt_is_of_a_hardware_reduced_platform(void **state)
{
	const struct acpi_table *t = &((struct acpi_tables *)*state)->fadt;

	assert_int_equal(t->len, 276);
	assert_int_equal(acpi_field(t, 8, 1), 6);
	assert_int_equal(acpi_field(t, 131, 1), 4);
	assert_int_equal(acpi_field(t, 108, 1), RTC_CMOS_CENTURY);
	assert_int_equal(acpi_field(t, 109, 2), 0x0004);	/* a CMOS RTC, MSI; no VGA or 8042 */
	assert_int_equal(acpi_field(t, 112, 4), 0x00100475);
	/* No FACS, PM1, timer or GPE block. */
	for (unsigned off = 36; off < 108; off += 4)
		assert_int_equal(acpi_field(t, off, 4), 0);
	for (unsigned off = 148; off < 244; off += 4)
		assert_int_equal(acpi_field(t, off, 4), 0);
}

static void fadt_says_whether_there_is_vga(void **state)
{
	struct acpi_tables *t = *state;

	t->acpi.vga = true;
	acpi_tables_build(t);
	assert_int_equal(acpi_field(&t->fadt, 109, 2), 0);
}

static void fadt_points_at_the_sleep_and_reset_registers(void **state)
{
	const struct acpi_table *t = &((struct acpi_tables *)*state)->fadt;

	assert_port(t, 116, X86_GED_PORT + ACPI_GED_RESET);
	assert_int_equal(acpi_field(t, 128, 1), ACPI_GED_RESET_VALUE);
	assert_port(t, 244, X86_GED_PORT + ACPI_GED_SLEEP_CONTROL);
	assert_port(t, 256, X86_GED_PORT + ACPI_GED_SLEEP_STATUS);
}

static void madt_lists_each_cpu_and_the_ioapic(void **state)
{
	struct acpi_tables *t = *state;
	static const unsigned cpus[] = { 1, 2, 255 };

	for (unsigned i = 0; i < ARRAY_SIZE(cpus); i++) {
		unsigned off = ACPI_HEADER_LEN + 8;

		t->acpi.cpus = cpus[i];
		acpi_tables_build(t);
		assert_int_equal(acpi_field(&t->madt, 36, 4), X86_LAPIC_GPA);
		assert_int_equal(acpi_field(&t->madt, 40, 4), 0);	/* no 8259 */
		for (unsigned n = 0; n < cpus[i]; n++, off += 8) {
			assert_int_equal(acpi_field(&t->madt, off, 2), 0x0800);
			assert_int_equal(acpi_field(&t->madt, off + 2, 1), n);
			assert_int_equal(acpi_field(&t->madt, off + 3, 1), n);
			assert_int_equal(acpi_field(&t->madt, off + 4, 4), 1);
		}
		assert_int_equal(acpi_field(&t->madt, off, 2), 0x0c01);
		assert_int_equal(acpi_field(&t->madt, off + 4, 4), X86_IOAPIC_GPA);
		assert_int_equal(acpi_field(&t->madt, off + 8, 4), 0);
		assert_int_equal(t->madt.len, off + 12);
	}
}

static void mcfg_has_bus_0_of_segment_0(void **state)
{
	const struct acpi_table *t = &((struct acpi_tables *)*state)->mcfg;

	assert_int_equal(t->len, 60);
	assert_int_equal(acpi_field(t, 44, 8), X86_ECAM_GPA);
	assert_int_equal(acpi_field(t, 52, 8), 0);	/* segment 0, buses 0 to 0 */
}

static void no_ram_for_the_tables_is_an_error(void **state)
{
	static const struct gmem_range ram = { 0, 0xe1000 };
	struct acpi_tables *t = *state;
	struct gmem mem;
	uint64_t rsdp;

	assert_int_equal(gmem_init(&mem, &ram, 1), 0);
	assert_int_equal(x86_acpi_build(&mem, &t->acpi, &rsdp), -EFAULT);
	gmem_finish(&mem);
}

/* --- the DSDT's resources against layout.h --------------------------------------- */

/* Device (NAME): ExtOpPrefix, DeviceOp, length of 1 or 2 bytes, name. */
static struct acpi_table device(const struct acpi_tables *t, const char *name)
{
	const struct acpi_table *d = &t->dsdt;

	for (unsigned i = ACPI_HEADER_LEN; i + 8 < d->len; i++) {
		unsigned n = d->p[i + 2] >> 6, len = d->p[i + 2];

		if (d->p[i] != 0x5b || d->p[i + 1] != 0x82 || memcmp(d->p + i + 3 + n, name, 4))
			continue;
		if (n)
			len = (len & 15) | d->p[i + 3] << 4;
		return (struct acpi_table){ d->p + i + 2, 0, len };
	}
	fail_msg("the DSDT has no device %s", name);
	return (struct acpi_table){ 0 };
}

static void assert_has(struct acpi_table d, const void *bytes, unsigned len)
{
	assert_non_null(memmem(d.p, d.len, bytes, len));
}

/* 6.4.2.5, I/O Port Descriptor */
static void assert_ports(struct acpi_table d, uint16_t base, uint8_t len)
{
	uint8_t b[] = { 0x47, 1, base, base >> 8, base, base >> 8, 1, len };

	assert_has(d, b, sizeof(b));
}

/* 6.4.3.4, 32-Bit Fixed Memory Range Descriptor */
static void assert_memory(struct acpi_table d, bool writable, uint32_t base, uint32_t len)
{
	uint8_t b[12] = { 0x86, 9, 0, writable };

	store_le(b + 4, 4, base);
	store_le(b + 8, 4, len);
	assert_has(d, b, sizeof(b));
}

/* 6.4.3.6, Extended Interrupt Descriptor: consumer, active high, exclusive */
static void assert_interrupt(struct acpi_table d, bool level, uint32_t gsi)
{
	uint8_t b[9] = { 0x89, 6, 0, level ? 1 : 3, 1 };

	store_le(b + 5, 4, gsi);
	assert_has(d, b, sizeof(b));
}

static void platform_devices_are_where_the_layout_says(void **state)
{
	struct acpi_tables *t = *state;

	assert_ports(device(t, "COM1"), X86_COM1_PORT, 8);
	assert_interrupt(device(t, "COM1"), false, X86_COM1_GSI);
	assert_ports(device(t, "RTC_"), X86_RTC_PORT, RTC_CMOS_LEN);
	assert_interrupt(device(t, "RTC_"), false, X86_RTC_GSI);
	assert_ports(device(t, "PVPN"), X86_PVPANIC_PORT, PVPANIC_LEN);
	assert_has(device(t, "PVPN"), "QEMU0001", 9);
	assert_ports(device(t, "MBRD"), X86_GED_PORT, ACPI_GED_LEN);
	assert_memory(device(t, "MBRD"), false, X86_ECAM_GPA, PCI_ECAM_SIZE);
}

static void event_device_reads_the_event_register(void **state)
{
	struct acpi_tables *t = *state;
	struct acpi_table ged = device(t, "GED_");
	/* OperationRegion (EVTS, SystemIO, port, 1) */
	uint8_t region[] = { 0x5b, 0x80, 'E', 'V', 'T', 'S', 1, 0x0b,
			     (X86_GED_PORT + ACPI_GED_EVENTS) & 0xff,
			     (X86_GED_PORT + ACPI_GED_EVENTS) >> 8, 1 };

	assert_has(ged, "ACPI0013", 9);
	assert_interrupt(ged, true, X86_GED_GSI);
	assert_has(ged, region, sizeof(region));
}

static void virtio_mmio_slots_are_where_the_layout_says(void **state)
{
	struct acpi_tables *t = *state;
	static const unsigned gsis[] = X86_VIRTIO_MMIO_GSIS;

	assert_int_equal(ARRAY_SIZE(gsis), X86_VIRTIO_MMIO_SLOTS);
	for (unsigned i = 0; i < X86_VIRTIO_MMIO_SLOTS; i++) {
		char name[5];

		snprintf(name, sizeof(name), "VIO%u", i);
		assert_has(device(t, name), "LNRO0005", 9);
		assert_memory(device(t, name), true,
			      X86_VIRTIO_MMIO_GPA + i * X86_VIRTIO_MMIO_STRIDE, 0x200);
		assert_interrupt(device(t, name), true, gsis[i]);
	}
}

static void host_bridge_has_the_layouts_windows(void **state)
{
	struct acpi_tables *t = *state;
	struct acpi_table pci = device(t, "PCI0");
	/* 6.4.3.5.3 and .2: type, flags, granularity, first, last, offset, length */
	uint8_t io[16] = { 0x88, 13, 0, 1, 0x0c, 3 }, mem[26] = { 0x87, 23, 0, 0, 0x0c, 1 };

	store_le(io + 8, 2, X86_PCI_IO_BASE);
	store_le(io + 10, 2, X86_PCI_IO_BASE + X86_PCI_IO_SIZE - 1);
	store_le(io + 14, 2, X86_PCI_IO_SIZE);
	assert_has(pci, io, sizeof(io));
	store_le(mem + 10, 4, X86_PCI_MEM32_BASE);
	store_le(mem + 14, 4, X86_PCI_MEM32_BASE + X86_PCI_MEM32_SIZE - 1);
	store_le(mem + 22, 4, X86_PCI_MEM32_SIZE);
	assert_has(pci, mem, sizeof(mem));
	assert_ports(pci, 0xcf8, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACPI_TEST(rsdp_has_both_checksums),
		ACPI_TEST(tables_do_not_overlap),
		ACPI_TEST(fadt_is_of_a_hardware_reduced_platform),
		ACPI_TEST(fadt_says_whether_there_is_vga),
		ACPI_TEST(fadt_points_at_the_sleep_and_reset_registers),
		ACPI_TEST(madt_lists_each_cpu_and_the_ioapic),
		ACPI_TEST(mcfg_has_bus_0_of_segment_0),
		ACPI_TEST(no_ram_for_the_tables_is_an_error),
		ACPI_TEST(platform_devices_are_where_the_layout_says),
		ACPI_TEST(event_device_reads_the_event_register),
		ACPI_TEST(virtio_mmio_slots_are_where_the_layout_says),
		ACPI_TEST(host_bridge_has_the_layouts_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
