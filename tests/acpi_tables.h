/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of a machine as a guest finds them: by pointers from the
 * RSDP. Each is looked at on the way: signature, checksum, length, place.
 */
#ifndef MICROVM_TESTS_ACPI_TABLES_H
#define MICROVM_TESTS_ACPI_TABLES_H

#include "arch/x86/acpi.h"

#define ACPI_HEADER_LEN 36

struct acpi_table {
	const uint8_t *p;
	uint64_t gpa;
	uint32_t len;
};

struct acpi_tables {
	struct gmem mem;
	struct x86_acpi acpi;
	struct acpi_table rsdp, xsdt, fadt, dsdt, madt, mcfg, ssdt;
};

/* For cmocka: *state is a struct acpi_tables, built for a machine with a bit of all. */
int acpi_tables_setup(void **state);
int acpi_tables_teardown(void **state);
/* Builds those of t->acpi and finds them. */
void acpi_tables_build(struct acpi_tables *t);

uint64_t acpi_field(const struct acpi_table *t, unsigned off, unsigned size);
void acpi_assert_sums_to_0(const uint8_t *p, uint32_t len);

#define ACPI_TEST(name) \
	cmocka_unit_test_setup_teardown(name, acpi_tables_setup, acpi_tables_teardown)

#endif
