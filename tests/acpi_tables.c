/* SPDX-License-Identifier: MIT */
#include "tests/acpi_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/layout.h"
#include "vmm/util.h"

uint64_t acpi_field(const struct acpi_table *t, unsigned off, unsigned size)
{
	assert_true(range_fits(off, size, t->len));
	return load_le(t->p + off, size);
}

void acpi_assert_sums_to_0(const uint8_t *p, uint32_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	assert_int_equal(sum, 0);
}

static struct acpi_table table_at(struct acpi_tables *t, uint64_t gpa, const char *signature)
{
	struct acpi_table table = { .gpa = gpa };

	assert_int_equal(gpa % 16, 0);
	assert_true(gpa >= X86_ACPI_GPA);
	table.p = gmem_ptr(&t->mem, gpa, ACPI_HEADER_LEN);
	assert_non_null(table.p);
	assert_memory_equal(table.p, signature, 4);
	table.len = load_le(table.p + 4, 4);
	assert_true(range_fits(gpa - X86_ACPI_GPA, table.len, X86_ACPI_MAX));
	acpi_assert_sums_to_0(table.p, table.len);
	return table;
}

static void find_tables(struct acpi_tables *t, uint64_t rsdp)
{
	t->rsdp = (struct acpi_table){ gmem_ptr(&t->mem, rsdp, 36), rsdp, 36 };
	assert_memory_equal(t->rsdp.p, "RSD PTR ", 8);
	t->xsdt = table_at(t, acpi_field(&t->rsdp, 24, 8), "XSDT");
	assert_int_equal(t->xsdt.len, ACPI_HEADER_LEN + 4 * 8);
	t->fadt = table_at(t, acpi_field(&t->xsdt, ACPI_HEADER_LEN, 8), "FACP");
	t->madt = table_at(t, acpi_field(&t->xsdt, ACPI_HEADER_LEN + 8, 8), "APIC");
	t->mcfg = table_at(t, acpi_field(&t->xsdt, ACPI_HEADER_LEN + 16, 8), "MCFG");
	t->ssdt = table_at(t, acpi_field(&t->xsdt, ACPI_HEADER_LEN + 24, 8), "SSDT");
	t->dsdt = table_at(t, acpi_field(&t->fadt, 140, 8), "DSDT");
}

void acpi_tables_build(struct acpi_tables *t)
{
	uint64_t rsdp = 0;

	assert_int_equal(gmem_discard(&t->mem), 0);
	assert_int_equal(x86_acpi_build(&t->mem, &t->acpi, &rsdp), 0);
	assert_int_equal(rsdp, X86_ACPI_GPA);
	find_tables(t, rsdp);
}

int acpi_tables_setup(void **state)
{
	static const struct gmem_range ram = { 0, 1 * MiB };
	struct acpi_tables *t = calloc(1, sizeof(*t));

	if (!t || gmem_init(&t->mem, &ram, 1) < 0)
		return -1;
	t->acpi = (struct x86_acpi){
		.cpus = 2,
		.mem64_base = 0x800000000,
		.mem64_size = X86_PCI_MEM64_SIZE,
		.virtio_mmio = 3,
		.serial = true,
	};
	*state = t;
	acpi_tables_build(t);
	return 0;
}

int acpi_tables_teardown(void **state)
{
	struct acpi_tables *t = *state;

	gmem_finish(&t->mem);
	free(t);
	return 0;
}
