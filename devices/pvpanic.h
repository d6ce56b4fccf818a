/* SPDX-License-Identifier: MIT */
/*
 * pvpanic (Linux: drivers/misc/pvpanic, ACPI id QEMU0001): one byte that reads
 * the events we know and to which a guest's kernel writes the one that befell
 * it: bit 0 panicked, bit 1 crashed and kexec'ed a crash kernel, which runs on.
 */
#ifndef MICROVM_PVPANIC_H
#define MICROVM_PVPANIC_H

#include "vmm/bus.h"
#include "vmm/log.h"
#include "vmm/power.h"

#define PVPANIC_LEN 1

struct pvpanic {
	struct io_region region;
	struct power_sink power;
	struct log_rate rate;
};

void pvpanic_init(struct pvpanic *dev, struct power_sink power);

#endif
