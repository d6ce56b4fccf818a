/* SPDX-License-Identifier: MIT */
/*
 * Addresses as the chip's own masters have them, "BCM2835 ARM Peripherals" 1.2.4: registers
 * are at one place, and of memory there are four views, which differ in caches alone.
 */
#ifndef MICROVM_BCM283X_BUS_H
#define MICROVM_BCM283X_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BCM283X_BUS_PERIPHERALS 0x7e000000u	/* 16 MiB */
#define BCM283X_BUS_MEMORY_MASK 0x3fffffffu
#define BCM283X_BUS_UNCACHED 0xc0000000u	/* the view of memory that goes past all caches */

/* Not memory, even where that reaches as far in its own view. */
static inline bool bcm283x_bus_is_peripheral(uint32_t addr)
{
	return (addr & 0xff000000) == BCM283X_BUS_PERIPHERALS;
}

#endif
