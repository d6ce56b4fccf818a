/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables (ACPI 6.4) of the x86 machine: RSDP, XSDT, FADT (hardware
 * reduced), MADT, MCFG, and a DSDT compiled from dsdt.asl at build time plus an
 * SSDT with what varies: CPUs, PCI windows, virtio-mmio slots in use. Pure.
 */
#ifndef MICROVM_X86_ACPI_H
#define MICROVM_X86_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gmem.h"

struct x86_acpi {
	unsigned cpus;		/* 1..255; APIC ids 0..cpus - 1 */
	uint64_t mem64_base, mem64_size;	/* PCI window; size 0: none */
	unsigned virtio_mmio;	/* slots in use, the first ones of X86_VIRTIO_MMIO_SLOTS */
	bool serial;		/* COM1 is there */
	bool vga;		/* a VGA card is, behind the host bridge */
};

/*
 * Writes the tables to X86_ACPI_GPA, *@rsdp says where the RSDP is. 0, or
 * -EFAULT when there is no RAM.
 */
int x86_acpi_build(struct gmem *mem, const struct x86_acpi *acpi, uint64_t *rsdp);

#endif
