/* SPDX-License-Identifier: MIT */
/*
 * ACPI as a guest finds it: RSDP by the start info, every table's checksum,
 * FADT, MADT and MCFG agree with the machine; then power off by the sleep
 * control register with the type that the DSDT's \_S5 names.
 *
 * RUN: --cpus 2
 */
#include "arch/x86/layout.h"
#include "lib/acpi.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/smp.h"

#define SLP_EN 0x20		/* 4.8.3.7 */
#define SLP_TYP_SHIFT 2

static void print_tables(void)
{
	const struct acpi_header *table;

	for (unsigned n = 0; (table = acpi_table(n)); n++) {
		const char *s = table->signature;

		print("%c%c%c%c at 0x%lx, %u bytes\n", s[0], s[1], s[2], s[3], gpa_of(table),
		      table->length);
		CHECK(!start_is_ram(gpa_of(table), table->length));
	}
}

static void test_mcfg(void)
{
	const uint8_t *mcfg = acpi_find("MCFG");
	uint64_t base;

	memcpy(&base, mcfg + 44, sizeof(base));	/* PCI Firmware 3.2, table 4-2 */
	CHECK_EQ(base, X86_ECAM_GPA);
	CHECK(read32(base) != 0xffffffff);
}

static void test_madt(void)
{
	const uint8_t *madt = acpi_find("APIC");
	uint32_t lapic;

	memcpy(&lapic, madt + 36, sizeof(lapic));
	CHECK_EQ(lapic, X86_LAPIC_GPA);
	CHECK_EQ(smp_count(), 2);
}

int payload(void)
{
	const struct acpi_fadt *fadt = acpi_find("FACP");

	print_tables();
	test_mcfg();
	test_madt();
	CHECK(fadt->flags & ACPI_FADT_HW_REDUCED);
	CHECK(fadt->sleep_status.address);
	acpi_write(&fadt->sleep_control, acpi_sleep_type_s5() << SLP_TYP_SHIFT);
	print("off\n");			/* no SLP_EN: nothing has happened yet */
	acpi_write(&fadt->sleep_control, acpi_sleep_type_s5() << SLP_TYP_SHIFT | SLP_EN);
	for (unsigned n = 0; n < WAIT_MAX; n++)
		wait_turn();
	FAIL("still here");
}
