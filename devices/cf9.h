/* SPDX-License-Identifier: MIT */
/*
 * Port 0xcf9, by which a PC's chipset resets the machine (Intel 82801 "ICH" data sheets,
 * "RST_CNT, Reset Control Register"): what Linux's reboot=pci and other kernels' last
 * resort writes. It lies in the middle of PCI's 0xcf8, which takes accesses of 32 bits
 * alone, and has to be on the bus before that.
 */
#ifndef MICROVM_CF9_H
#define MICROVM_CF9_H

#include <stdatomic.h>

#include "vmm/bus.h"
#include "vmm/power.h"

struct cf9 {
	struct io_region region;
	struct power_sink power;
	atomic_uchar value;
};

void cf9_init(struct cf9 *dev, struct power_sink power);
void cf9_reset(struct cf9 *dev);

#endif
