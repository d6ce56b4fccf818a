/* SPDX-License-Identifier: MIT */
/* ACPI tables (ACPI 6.4, 5.2), by the RSDP that the PVH start info names. */
#ifndef PAYLOAD_ACPI_H
#define PAYLOAD_ACPI_H

#include <stdbool.h>
#include <stdint.h>

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision, creator_id, creator_revision;
} __attribute__((packed));

struct acpi_gas {		/* generic address structure, 5.2.3.2 */
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));

#define ACPI_GAS_MEMORY 0
#define ACPI_GAS_IO 1

struct acpi_fadt {		/* 5.2.9 */
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t unused1[64];	/* of the fixed hardware that is not there */
	uint8_t century;
	uint16_t iapc_boot_arch;
	uint8_t unused2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct acpi_gas x_unused[8];
	struct acpi_gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

#define ACPI_FADT_RESET_REG (1u << 10)
#define ACPI_FADT_HW_REDUCED (1u << 20)

struct acpi_madt_entry {	/* 5.2.12.2: processor local APIC */
	uint8_t type, length;
	uint8_t uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

#define ACPI_MADT_HEADER 44	/* header, local APIC address, flags */
#define ACPI_MADT_LAPIC 0
#define ACPI_MADT_ENABLED 1

bool acpi_sums_to_zero(const void *table, uint32_t len);
/* Table @n of the XSDT, checked for its checksum; NULL past the end. */
const struct acpi_header *acpi_table(unsigned n);
/* The table of that signature; the payload fails if it is not there. */
const void *acpi_find(const char *signature);
/* Writes to a register that a table names. */
void acpi_write(const struct acpi_gas *gas, uint8_t value);
/* SLP_TYPa of \_S5 in the DSDT's bytecode; the payload fails without one. */
uint8_t acpi_sleep_type_s5(void);

#endif
