/* SPDX-License-Identifier: MIT */
/*
 * What payloads for every architecture know of the machine: where its devices are,
 * the test device, interrupt lines.
 */
#ifndef PAYLOAD_BOARD_H
#define PAYLOAD_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/testdev_regs.h"
#include "lib/cpu.h"

#ifdef __x86_64__
#include "arch/x86/layout.h"

#define BOARD_RAM_GPA 0
#define BOARD_TESTDEV_GPA X86_TESTDEV_GPA
#define BOARD_ECAM_GPA X86_ECAM_GPA
#define BOARD_PCI_MEM32_GPA X86_PCI_MEM32_BASE
#define BOARD_PCI_MEM32_SIZE X86_PCI_MEM32_SIZE
#define BOARD_VIRTIO_MMIO_GPA X86_VIRTIO_MMIO_GPA
#define BOARD_VIRTIO_MMIO_STRIDE X86_VIRTIO_MMIO_STRIDE
#define BOARD_VIRTIO_MMIO_SLOTS X86_VIRTIO_MMIO_SLOTS
#define BOARD_INTX_GSI X86_INTX_GSI
#define BOARD_INTC_GPA X86_LAPIC_GPA	/* an interrupt controller's registers */

static inline unsigned board_virtio_mmio_gsi(unsigned slot)
{
	static const uint8_t gsis[] = X86_VIRTIO_MMIO_GSIS;

	return gsis[slot];
}

/* By ports: what is tried of device memory may be what is broken. */
static inline void board_testdev_putc(char c)
{
	outb(X86_TESTDEV_PORT + TESTDEV_PUTC, c);
}

static inline void board_testdev_write(unsigned reg, uint32_t v)
{
	outl(X86_TESTDEV_PORT + reg, v);
}

static inline uint32_t board_testdev_read(unsigned reg)
{
	return inl(X86_TESTDEV_PORT + reg);
}
#else
#include "arch/arm/layout.h"

/* A line's number is its GIC interrupt's. */
#define BOARD_SPI(n) (32 + (n))
#define BOARD_RAM_GPA VIRT_RAM_GPA
#define BOARD_TESTDEV_GPA VIRT_TESTDEV_GPA
#define BOARD_ECAM_GPA VIRT_ECAM_GPA
#define BOARD_PCI_MEM32_GPA VIRT_PCI_MEM32_GPA
#define BOARD_PCI_MEM32_SIZE VIRT_PCI_MEM32_SIZE
#define BOARD_VIRTIO_MMIO_GPA VIRT_VIRTIO_MMIO_GPA
#define BOARD_VIRTIO_MMIO_STRIDE VIRT_VIRTIO_MMIO_STRIDE
#define BOARD_VIRTIO_MMIO_SLOTS 8
#define BOARD_INTX_GSI BOARD_SPI(VIRT_INTX_SPI)
#define BOARD_INTC_GPA VIRT_GIC_DIST_GPA

static inline unsigned board_virtio_mmio_gsi(unsigned slot)
{
	return BOARD_SPI(VIRT_VIRTIO_MMIO_SPI + slot);
}

static inline void board_testdev_putc(char c)
{
	write8(VIRT_TESTDEV_GPA + TESTDEV_PUTC, c);
}

static inline void board_testdev_write(unsigned reg, uint32_t v)
{
	write32(VIRT_TESTDEV_GPA + reg, v);
}

static inline uint32_t board_testdev_read(unsigned reg)
{
	return read32(VIRT_TESTDEV_GPA + reg);
}
#endif

/*
 * One line at a time: whether it has risen since it was watched. Interrupts are
 * off; that it arrived is what the interrupt controller's registers say.
 */
void irq_watch(unsigned gsi);
bool irq_came(unsigned gsi);
void irq_unwatch(unsigned gsi);

#endif
