/* SPDX-License-Identifier: MIT */
#include "devices/pvpanic.h"

#include <misc/pvpanic.h>

#include "devices/byte_regs.h"

#define PVPANIC_KNOWN (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

static uint8_t pvpanic_read_byte(void *dev, unsigned off)
{
	return PVPANIC_KNOWN;
}

static void pvpanic_write_byte(void *arg, unsigned off, uint8_t value)
{
	struct pvpanic *dev = arg;

	if (value & PVPANIC_PANICKED)
		power_event(&dev->power, POWER_PANIC, 0);
	else if (value & PVPANIC_CRASH_LOADED)
		log_guest(&dev->rate, "the guest's kernel crashed and runs its crash kernel");
	else
		log_guest(&dev->rate, "pvpanic: unknown event 0x%02x", value);
}

static uint64_t pvpanic_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(pvpanic_read_byte, dev, off, size);
}

static void pvpanic_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(pvpanic_write_byte, dev, off, size, value);
}

static const struct io_ops pvpanic_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};

void pvpanic_init(struct pvpanic *dev, struct power_sink power)
{
	*dev = (struct pvpanic){
		.power = power,
		.region = {
			.name = "pvpanic",
			.ops = &pvpanic_ops,
			.dev = dev,
			.len = PVPANIC_LEN,
		},
	};
}
