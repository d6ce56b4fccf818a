/* SPDX-License-Identifier: MIT */
/* Section and table numbers are those of the ACPI specification 6.4. */
#include "arch/x86/acpi.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86/layout.h"
#include "devices/acpi_ged.h"
#include "devices/pci.h"
#include "devices/rtc_cmos.h"
#include "vmm/util.h"

/* What iasl writes is an array definition; it lacks these two words. */
static const
#include "arch/x86/dsdt.hex"

#define ACPI_OEM_ID "MICROV"
#define ACPI_OEM_TABLE_ID "MICROVM "
#define ACPI_CREATOR_ID "MVM "
#define ACPI_REVISION 1		/* of our tables, and of their creator */

/* Table 5.4, DESCRIPTION_HEADER */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* Table 5.3, RSDP */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;	/* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

/* Table 5.1, Generic Address Structure */
struct acpi_gas {
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
} __attribute__((packed));

/* Table 5.9; what a hardware-reduced platform leaves 0 (4.1) is not named. */
struct acpi_fadt {
	struct acpi_header header;
	uint8_t fixed_hardware[72];	/* FACS, DSDT (32 bit), PM1, GPE... */
	uint8_t century;
	uint16_t iapc_boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_fixed_hardware[8];
	struct acpi_gas sleep_control, sleep_status;
	uint64_t hypervisor_vendor;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_fadt) == 276, "Table 5.9");
_Static_assert(offsetof(struct acpi_fadt, century) == 108, "Table 5.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "Table 5.9");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "Table 5.9");

#define FADT_REVISION 6
#define FADT_MINOR 4
/* Table 5.10 */
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_PWR_BUTTON BIT(4)		/* a device of the namespace */
#define FADT_SLP_BUTTON BIT(5)		/* the same, or none */
#define FADT_FIX_RTC BIT(6)		/* no wake status in fixed registers */
#define FADT_RESET_REG_SUP BIT(10)
#define FADT_HW_REDUCED_ACPI BIT(20)
/* Table 5.11; without bit 1 there is no 8042, without bit 5 there is a CMOS RTC. */
#define FADT_VGA_NOT_PRESENT BIT(2)

/* Table 5.19, MADT; flags without PCAT_COMPAT: no 8259. */
struct acpi_madt {
	uint32_t lapic;
	uint32_t flags;
} __attribute__((packed));

/* 5.2.12.2, Processor Local APIC */
struct acpi_madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));
#define MADT_LAPIC 0
#define MADT_LAPIC_ENABLED 1

/* 5.2.12.3, I/O APIC */
struct acpi_madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));
#define MADT_IOAPIC 1

/* PCI Firmware Specification 3.2, table 4-2 and 4-3: one segment. */
struct acpi_mcfg {
	uint64_t reserved;
	uint64_t ecam;
	uint16_t segment;
	uint8_t bus_first, bus_last;
	uint32_t reserved2;
} __attribute__((packed));

/* --- tables into guest memory ----------------------------------------------- */

struct acpi_writer {
	uint8_t *base;		/* X86_ACPI_GPA in the host */
	uint32_t used;
};

static void acpi_append(struct acpi_writer *w, const void *data, uint32_t len)
{
	/* 255 CPUs, the most there may be, take a sixth of the room. */
	assert(len <= X86_ACPI_MAX - w->used);
	memcpy(w->base + w->used, data, len);
	w->used += len;
}

static uint8_t acpi_checksum(const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

/* Where the next table begins, a multiple of 16 for looks. */
static uint32_t acpi_table_begin(struct acpi_writer *w, const char *signature, uint8_t revision)
{
	struct acpi_header h = {
		.revision = revision,
		.oem_revision = ACPI_REVISION,
		.creator_revision = ACPI_REVISION,
	};
	uint32_t start;

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, ACPI_OEM_ID, sizeof(h.oem_id));
	memcpy(h.oem_table_id, ACPI_OEM_TABLE_ID, sizeof(h.oem_table_id));
	memcpy(h.creator_id, ACPI_CREATOR_ID, sizeof(h.creator_id));
	w->used = align_up(w->used, 16);
	start = w->used;
	acpi_append(w, &h, sizeof(h));
	return start;
}

/* Returns the table's address for others to point to. */
static uint64_t acpi_table_end(struct acpi_writer *w, uint32_t start)
{
	struct acpi_header *h = (struct acpi_header *)(w->base + start);

	h->length = w->used - start;
	h->checksum = acpi_checksum(h, h->length);
	return X86_ACPI_GPA + start;
}

/* --- AML (chapter 20) --------------------------------------------------------- */

static void aml_byte(struct acpi_writer *w, uint8_t byte)
{
	acpi_append(w, &byte, 1);
}

/* A path from the root, given as segments of 4 characters without dots (20.2.2). */
static void aml_path(struct acpi_writer *w, const char *segments)
{
	unsigned n = strlen(segments) / 4;

	assert(n > 0 && strlen(segments) % 4 == 0);
	aml_byte(w, '\\');
	if (n == 2) {
		aml_byte(w, 0x2e);	/* DualNamePrefix */
	} else if (n > 2) {
		aml_byte(w, 0x2f);	/* MultiNamePrefix */
		aml_byte(w, n);
	}
	acpi_append(w, segments, n * 4);
}

static void aml_name_integer(struct acpi_writer *w, const char *segments, uint64_t value)
{
	aml_byte(w, 0x08);	/* NameOp */
	aml_path(w, segments);
	aml_byte(w, 0x0e);	/* QWordPrefix */
	acpi_append(w, &value, sizeof(value));
}

/* Device (\_SB.Cxxx) { Name (_HID, "ACPI0007") Name (_UID, n) } */
static void aml_cpu(struct acpi_writer *w, uint8_t n)
{
	static const char hid[] = "\x08_HID\x0d" "ACPI0007";	/* NameOp, StringPrefix; the NUL */
	static const char uid[] = "\x08_UID\x0a";		/* NameOp, BytePrefix */
	const unsigned path_len = 2 + 2 * 4, body_len = sizeof(hid) + sizeof(uid) - 1 + 1;
	char path[9];

	snprintf(path, sizeof(path), "_SB_C%03X", n);
	aml_byte(w, 0x5b);	/* ExtOpPrefix */
	aml_byte(w, 0x82);	/* DeviceOp */
	aml_byte(w, 1 + path_len + body_len);	/* PkgLength below 64: one byte (20.2.4) */
	aml_path(w, path);
	acpi_append(w, hid, sizeof(hid));
	acpi_append(w, uid, sizeof(uid) - 1);
	aml_byte(w, n);
}

/* --- the tables ------------------------------------------------------------------ */

static uint64_t acpi_dsdt(struct acpi_writer *w)
{
	w->used = align_up(w->used, 16);
	acpi_append(w, dsdt_aml_code, sizeof(dsdt_aml_code));
	return X86_ACPI_GPA + w->used - sizeof(dsdt_aml_code);
}

static uint64_t acpi_ssdt(struct acpi_writer *w, const struct x86_acpi *acpi)
{
	uint32_t start = acpi_table_begin(w, "SSDT", 2);
	char path[13];

	aml_name_integer(w, "M64B", acpi->mem64_base);
	aml_name_integer(w, "M64E", acpi->mem64_base + acpi->mem64_size - 1);
	aml_name_integer(w, "M64L", acpi->mem64_size);
	aml_name_integer(w, "VGAP", acpi->vga);
	/* Present, enabled, shown and working, or absent (6.3.7). */
	aml_name_integer(w, "_SB_COM1_STA", acpi->serial ? 0x0f : 0);
	for (unsigned i = 0; i < X86_VIRTIO_MMIO_SLOTS; i++) {
		snprintf(path, sizeof(path), "_SB_VIO%u_STA", i);
		aml_name_integer(w, path, i < acpi->virtio_mmio ? 0x0f : 0);
	}
	for (unsigned i = 0; i < acpi->cpus; i++)
		aml_cpu(w, i);
	return acpi_table_end(w, start);
}

/* A byte wide port. */
static struct acpi_gas acpi_port(uint16_t port)
{
	return (struct acpi_gas){ .space = 1, .bit_width = 8, .access_size = 1, .address = port };
}

static uint64_t acpi_fadt(struct acpi_writer *w, const struct x86_acpi *acpi, uint64_t dsdt)
{
	uint32_t start = acpi_table_begin(w, "FACP", FADT_REVISION);
	struct acpi_fadt fadt = {
		.century = RTC_CMOS_CENTURY,
		.iapc_boot_arch = acpi->vga ? 0 : FADT_VGA_NOT_PRESENT,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
			 FADT_FIX_RTC | FADT_RESET_REG_SUP | FADT_HW_REDUCED_ACPI,
		.reset_reg = acpi_port(X86_GED_PORT + ACPI_GED_RESET),
		.reset_value = ACPI_GED_RESET_VALUE,
		.minor_version = FADT_MINOR,
		.x_dsdt = dsdt,
		.sleep_control = acpi_port(X86_GED_PORT + ACPI_GED_SLEEP_CONTROL),
		.sleep_status = acpi_port(X86_GED_PORT + ACPI_GED_SLEEP_STATUS),
	};

	acpi_append(w, (uint8_t *)&fadt + sizeof(fadt.header), sizeof(fadt) - sizeof(fadt.header));
	return acpi_table_end(w, start);
}

static uint64_t acpi_madt(struct acpi_writer *w, unsigned cpus)
{
	uint32_t start = acpi_table_begin(w, "APIC", 5);
	struct acpi_madt madt = { .lapic = X86_LAPIC_GPA };
	struct acpi_madt_ioapic ioapic = {
		.type = MADT_IOAPIC,
		.length = sizeof(ioapic),
		.address = X86_IOAPIC_GPA,
	};

	acpi_append(w, &madt, sizeof(madt));
	for (unsigned i = 0; i < cpus; i++) {
		struct acpi_madt_lapic lapic = {
			.type = MADT_LAPIC,
			.length = sizeof(lapic),
			.uid = i,
			.apic_id = i,
			.flags = MADT_LAPIC_ENABLED,
		};

		acpi_append(w, &lapic, sizeof(lapic));
	}
	acpi_append(w, &ioapic, sizeof(ioapic));
	return acpi_table_end(w, start);
}

static uint64_t acpi_mcfg(struct acpi_writer *w)
{
	uint32_t start = acpi_table_begin(w, "MCFG", 1);
	struct acpi_mcfg mcfg = {
		.ecam = X86_ECAM_GPA,
		.bus_last = PCI_ECAM_SIZE / MiB - 1,	/* 1 MiB a bus */
	};

	acpi_append(w, &mcfg, sizeof(mcfg));
	return acpi_table_end(w, start);
}

static uint64_t acpi_xsdt(struct acpi_writer *w, const uint64_t *tables, unsigned n)
{
	uint32_t start = acpi_table_begin(w, "XSDT", 1);

	acpi_append(w, tables, n * sizeof(*tables));
	return acpi_table_end(w, start);
}

static void acpi_rsdp(struct acpi_writer *w, uint64_t xsdt)
{
	struct acpi_rsdp rsdp = { .revision = 2, .length = sizeof(rsdp), .xsdt = xsdt };

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, ACPI_OEM_ID, sizeof(rsdp.oem_id));
	rsdp.checksum = acpi_checksum(&rsdp, offsetof(struct acpi_rsdp, length));
	rsdp.extended_checksum = acpi_checksum(&rsdp, sizeof(rsdp));
	memcpy(w->base, &rsdp, sizeof(rsdp));
}

int x86_acpi_build(struct gmem *mem, const struct x86_acpi *acpi, uint64_t *rsdp)
{
	struct acpi_writer w = {
		.base = gmem_ptr(mem, X86_ACPI_GPA, X86_ACPI_MAX),
		.used = sizeof(struct acpi_rsdp),
	};
	uint64_t tables[4];

	assert(acpi->cpus >= 1 && acpi->cpus <= 255);
	assert(acpi->virtio_mmio <= X86_VIRTIO_MMIO_SLOTS);
	if (!w.base)
		return -EFAULT;
	tables[0] = acpi_fadt(&w, acpi, acpi_dsdt(&w));
	tables[1] = acpi_madt(&w, acpi->cpus);
	tables[2] = acpi_mcfg(&w);
	tables[3] = acpi_ssdt(&w, acpi);
	acpi_rsdp(&w, acpi_xsdt(&w, tables, ARRAY_SIZE(tables)));
	*rsdp = X86_ACPI_GPA;
	return 0;
}
