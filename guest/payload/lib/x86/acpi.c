/* SPDX-License-Identifier: MIT */
#include "lib/acpi.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"

struct acpi_rsdp {		/* 5.2.5.3 */
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t xchecksum, reserved[3];
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 6.4, table 5.3");
_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.4, table 5.9");

bool acpi_sums_to_zero(const void *table, uint32_t len)
{
	const uint8_t *p = table;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return !sum;
}

static const struct acpi_header *check_table(uint64_t gpa)
{
	const struct acpi_header *table = ptr(gpa);

	CHECK(gpa && table->length >= sizeof(*table) && table->length < 1u << 20);
	CHECK(acpi_sums_to_zero(table, table->length));
	return table;
}

static const struct acpi_header *xsdt(void)
{
	const struct acpi_rsdp *rsdp = ptr(start_info()->rsdp);

	CHECK(rsdp && !memcmp(rsdp->signature, "RSD PTR ", 8));
	CHECK(acpi_sums_to_zero(rsdp, 20));
	CHECK(rsdp->revision >= 2 && rsdp->length >= sizeof(*rsdp));
	CHECK(acpi_sums_to_zero(rsdp, rsdp->length));
	return check_table(rsdp->xsdt);
}

const struct acpi_header *acpi_table(unsigned n)
{
	const struct acpi_header *root = xsdt();
	uint64_t gpa;

	CHECK(!memcmp(root->signature, "XSDT", 4));
	if (n >= (root->length - sizeof(*root)) / sizeof(gpa))
		return NULL;
	memcpy(&gpa, (const char *)(root + 1) + n * sizeof(gpa), sizeof(gpa));
	return check_table(gpa);
}

const void *acpi_find(const char *signature)
{
	const struct acpi_header *table;

	for (unsigned n = 0; (table = acpi_table(n)); n++) {
		if (!memcmp(table->signature, signature, 4))
			return table;
	}
	FAIL("no ACPI table %s", signature);
}

void acpi_write(const struct acpi_gas *gas, uint8_t value)
{
	CHECK(gas->address);
	if (gas->space == ACPI_GAS_IO) {
		outb(gas->address, value);
	} else {
		CHECK_EQ(gas->space, ACPI_GAS_MEMORY);
		write8(gas->address, value);
	}
}

/* 20.2.5.4, 20.2.4: PackageOp, PkgLength, NumElements, then the first integer. */
static uint8_t first_of_package(const uint8_t *p)
{
	CHECK_EQ(p[0], 0x12);
	p += 2 + (p[1] >> 6) + 1;
	switch (*p) {
	case 0x00:	/* ZeroOp */
	case 0x01:	/* OneOp */
		return *p;
	case 0x0a:	/* BytePrefix */
		return p[1];
	default:
		FAIL("_S5_ starts with opcode 0x%x", *p);
	}
}

uint8_t acpi_sleep_type_s5(void)
{
	const struct acpi_fadt *fadt = acpi_find("FACP");
	const struct acpi_header *dsdt = check_table(fadt->x_dsdt ? fadt->x_dsdt : fadt->dsdt);
	const uint8_t *p = (const uint8_t *)(dsdt + 1);
	const uint8_t *end = (const uint8_t *)dsdt + dsdt->length - 8;

	CHECK(!memcmp(dsdt->signature, "DSDT", 4));
	for (; p < end; p++) {
		if (!memcmp(p, "_S5_", 4))
			return first_of_package(p + 4);
	}
	FAIL("no _S5_ in the DSDT");
}
