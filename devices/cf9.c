/* SPDX-License-Identifier: MIT */
#include "devices/cf9.h"

#define CF9_SYSTEM 0x02		/* a hard reset, not one of the CPU alone: here they are the same */
#define CF9_RESET 0x04		/* becomes 1: now */
#define CF9_FULL 0x08		/* with a power cycle, likewise */
#define CF9_BITS (CF9_SYSTEM | CF9_RESET | CF9_FULL)

static uint64_t cf9_read(void *arg, uint64_t off, unsigned size)
{
	struct cf9 *dev = arg;

	return dev->value;
}

static void cf9_write(void *arg, uint64_t off, unsigned size, uint64_t value)
{
	struct cf9 *dev = arg;
	uint8_t old = atomic_exchange(&dev->value, value & CF9_BITS);

	if (value & ~old & CF9_RESET)
		power_event(&dev->power, POWER_RESET, 0);
}

static const struct io_ops cf9_ops = { .read = cf9_read, .write = cf9_write };

void cf9_init(struct cf9 *dev, struct power_sink power)
{
	*dev = (struct cf9){
		.power = power,
		.region = { .name = "cf9", .ops = &cf9_ops, .dev = dev, .len = 1 },
	};
}

void cf9_reset(struct cf9 *dev)
{
	dev->value = 0;
}
