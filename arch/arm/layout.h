/* SPDX-License-Identifier: MIT */
/*
 * Where things are on the virt board: known to virt.c, which makes its device
 * tree; everything else reads the tree. SPI n is GIC interrupt 32 + n.
 *
 * Firmware that is built for QEMU's board of that name finds RAM, the UART and the
 * place of its own where it expects them. All of it but more RAM and a second
 * window for PCI is within 32 bits, since not every armv7 kernel knows LPAE.
 */
#ifndef MICROVM_ARM_LAYOUT_H
#define MICROVM_ARM_LAYOUT_H

#define VIRT_FIRMWARE_GPA 0x00000000ull	/* memory, if a kernel is raw */
#define VIRT_FIRMWARE_SIZE 0x08000000ull	/* U-Boot looks for settings in its upper half */
#define VIRT_GIC_DIST_GPA 0x08000000ull
#define VIRT_GIC_DIST_SIZE 0x00010000ull
#define VIRT_GIC_CPU_GPA 0x08010000ull	/* v2 */
#define VIRT_GIC_CPU_SIZE 0x00002000ull
#define VIRT_V2M_GPA 0x08020000ull
#define VIRT_V2M_SIZE 0x00001000ull
#define VIRT_ITS_GPA 0x08080000ull
#define VIRT_ITS_SIZE 0x00020000ull
#define VIRT_UART_GPA 0x09000000ull
#define VIRT_RTC_GPA 0x09010000ull
#define VIRT_GPIO_GPA 0x09030000ull
#define VIRT_TESTDEV_GPA 0x09050000ull
#define VIRT_PVPANIC_GPA 0x09060000ull
#define VIRT_VIRTIO_MMIO_GPA 0x0a000000ull	/* slot n at + n * stride */
#define VIRT_VIRTIO_MMIO_STRIDE 0x200ull
#define VIRT_GIC_REDIST_GPA 0x0b000000ull	/* v3: 128 KiB a CPU, with room for 640 */
#define VIRT_PCI_MEM32_GPA 0x10000000ull
#define VIRT_PCI_MEM32_SIZE 0x2eff0000ull
#define VIRT_ECAM_GPA 0x3f000000ull	/* 1 MiB: bus 0 */
#define VIRT_RAM_GPA 0x40000000ull
/*
 * Memory in no node, 64 bytes a CPU: behind RAM, so that RAM starts at a multiple of
 * a huge page in a memfd too.
 */
#define VIRT_PVTIME_SIZE 0x00010000ull

/*
 * The window for 64-bit BARs starts at the next multiple of its size above all
 * memory and 4 GiB. With less than 7 GiB of RAM all addresses then fit into 34 bits, for which
 * 4 KiB pages need a level of tables less in the host (CONFIG_PGTABLE_LEVELS of
 * stage 2: Arm ARM, D8.2, concatenated tables).
 */
#define VIRT_PCI_MEM64_SIZE 0x200000000ull	/* 8 GiB */

/* SPIs */
#define VIRT_UART_SPI 1
#define VIRT_RTC_SPI 2
#define VIRT_INTX_SPI 3		/* PCI_BUS_INTX_LINES of them: slot n, pin A -> + n % 4 */
#define VIRT_GPIO_SPI 7
#define VIRT_TESTDEV_SPI 8
#define VIRT_VIRTIO_MMIO_SPI 16	/* slot n at + n */
#define VIRT_V2M_SPI 64
#define VIRT_V2M_SPIS 160

#define VIRT_GPIO_POWER_LINE 3

/* PPIs; KVM's own defaults (arch timer), and a free one for the PMU as SBSA has it. */
#define VIRT_TIMER_PPIS { 13, 14, 11, 10 }	/* secure, physical, virtual, hypervisor */
#define VIRT_PMU_PPI 7

#endif
