/* SPDX-License-Identifier: MIT */
/*
 * What the firmware of a Raspberry Pi adds to a board's tree beyond what every boot loader
 * does (arm_fdt_patch()), and answers on the property channel. Pure.
 */
#ifndef MICROVM_ARM_RPI_H
#define MICROVM_ARM_RPI_H

#include "arch/arm/fdt.h"

struct arm_rpi {
	uint32_t revision;	/* of the board, as /proc/cpuinfo has it */
	uint64_t serial;
	uint8_t mac[6];		/* of the port that the alias ethernet0 names */
};

/* A Raspberry Pi 2 B 1.1; two machines are as alike as two virtual ones are. */
extern const struct arm_rpi arm_rpi_2b;

/*
 * Writes /serial-number, /system and the address of ethernet0, if there is one. 0, or
 * negative errno after one line in the log.
 */
int arm_rpi_patch(struct arm_fdt *fdt, const struct arm_rpi *rpi);

struct bcm283x_fb;

/*
 * Adds what firmware shows as a "simple-framebuffer", of 16 or 32 bits, tells drivers that
 * would ask the mailbox, and hides the VideoCore from those that would drive it. Likewise.
 */
int arm_rpi_add_framebuffer(struct arm_fdt *fdt, const struct bcm283x_fb *fb);

#define ARM_RPI_MAX_VIRTIO 16

/*
 * Adds nodes for @n virtio-mmio devices where a BCM2836 has nothing, with interrupts that
 * nothing of the tree uses; other boards' trees stay as they are. Before the machine is
 * built. 0, or negative errno after one line in the log.
 */
int arm_rpi_add_virtio(struct arm_fdt *fdt, unsigned n);

#endif
