/* SPDX-License-Identifier: MIT */
/*
 * Where things are in an x86 guest: addresses, ports and interrupts, known to
 * machine.c, boot.c and acpi.c. GSI n is pin n of the one IOAPIC.
 */
#ifndef MICROVM_X86_LAYOUT_H
#define MICROVM_X86_LAYOUT_H

/* RAM: low part up to the PCI hole, the rest from 4 GiB on. */
#define X86_LOW_RAM_MAX 0xc0000000ull
#define X86_HIGH_RAM_BASE 0x100000000ull

/* In front of a VGA card: its window, where there is no RAM then. */
#define X86_VGA_HOLE_GPA 0xa0000ull
#define X86_VGA_HOLE_END 0xc0000ull
#define X86_VGA_PORT 0x3b0
#define X86_VGA_PORTS 0x30

/* Below 1 MiB, in RAM. */
#define X86_GDT_GPA 0x500ull
#define X86_PVH_INFO_GPA 0x6000ull	/* hvm_start_info, modules, memory map */
#define X86_ZERO_PAGE_GPA 0x7000ull	/* struct boot_params */
#define X86_BOOT_STACK_GPA 0x8ff0ull	/* grows down */
#define X86_PAGE_TABLES_GPA 0x9000ull	/* PML4, PDPT, 4 page directories */
#define X86_CMDLINE_GPA 0x20000ull
#define X86_CMDLINE_MAX 0x10000ull	/* room; a kernel may take less */
#define X86_EBDA_GPA 0x9fc00ull		/* end of conventional RAM */
#define X86_ACPI_GPA 0xe0000ull		/* RSDP first */
#define X86_ACPI_MAX 0x1fff0ull
#define X86_RESET_VECTOR_GPA 0xffff0ull	/* where a PC's firmware starts */
#define X86_KERNEL_MIN_GPA 0x100000ull	/* nothing of a kernel may load below */

/* The PCI hole. */
#define X86_PCI_MEM32_BASE 0xc0000000ull
#define X86_PCI_MEM32_SIZE 0x20000000ull
#define X86_ECAM_GPA 0xe0000000ull	/* 1 MiB: bus 0 */
#define X86_TESTDEV_GPA 0xfeb00000ull
#define X86_VIRTIO_MMIO_GPA 0xfeb10000ull	/* slot n at + n * 0x1000 */
#define X86_VIRTIO_MMIO_STRIDE 0x1000ull
#define X86_IOAPIC_GPA 0xfec00000ull
#define X86_LAPIC_GPA 0xfee00000ull
#define X86_IDENTITY_MAP_GPA 0xfffbc000ull	/* KVM_SET_IDENTITY_MAP_ADDR */
#define X86_TSS_GPA 0xfffbd000ull		/* KVM_SET_TSS_ADDR, 3 pages */
/* The 64-bit window starts at the next multiple of its size above RAM. */
#define X86_PCI_MEM64_SIZE 0x800000000ull	/* 32 GiB */

/* Ports. */
#define X86_RTC_PORT 0x70
#define X86_I8042_PORT 0x60
#define X86_COM1_PORT 0x3f8
#define X86_PVPANIC_PORT 0x505
#define X86_RESET_PORT 0xcf9	/* in PCI's 0xcf8 to 0xcff */
#define X86_TESTDEV_PORT 0x5e0
#define X86_GED_PORT 0x600
#define X86_PCI_IO_BASE 0x1000
#define X86_PCI_IO_SIZE 0x8000

/* Interrupts. */
#define X86_COM1_GSI 4
#define X86_RTC_GSI 8
#define X86_GED_GSI 9
#define X86_TESTDEV_GSI 13
#define X86_INTX_GSI 16		/* PCI_BUS_INTX_LINES of them: slot n, pin A -> + n % 4 */
#define X86_VIRTIO_MMIO_SLOTS 8
/* GSIs of the virtio-mmio slots, level triggered, active high. */
#define X86_VIRTIO_MMIO_GSIS { 5, 6, 7, 10, 11, 12, 20, 21 }

#endif
