/* SPDX-License-Identifier: MIT */
/*
 * As much of a keyboard controller (port 0x64, and 0x60) as a PC without a
 * keyboard needs: command 0xfe pulses the CPU's reset line, which Linux's
 * reboot=k and old boot loaders use. The ACPI tables say there is none, so no
 * driver probes it.
 */
#ifndef MICROVM_I8042_H
#define MICROVM_I8042_H

#include "vmm/bus.h"
#include "vmm/power.h"

#define I8042_LEN 5	/* 0x60..0x64 */

struct i8042 {
	struct io_region region;
	struct power_sink power;
};

void i8042_init(struct i8042 *dev, struct power_sink power);

#endif
