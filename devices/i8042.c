/* SPDX-License-Identifier: MIT */
#include "devices/i8042.h"

#include "devices/byte_regs.h"

#define I8042_COMMAND 4		/* port 0x64 */

/*
 * Commands 0xf0-0xff pulse the output lines whose bits are clear for 6 us; line
 * 0 is the CPU's reset (IBM PC/AT technical reference, keyboard controller).
 */
static bool i8042_pulses_reset(uint8_t command)
{
	return (command & 0xf1) == 0xf0;
}

/*
 * Status says that both buffers are empty: a guest that is about to send the
 * reset command waits for the input buffer.
 */
static uint8_t i8042_read_byte(void *dev, unsigned off)
{
	return 0;
}

static void i8042_write_byte(void *arg, unsigned off, uint8_t value)
{
	struct i8042 *dev = arg;

	if (off == I8042_COMMAND && i8042_pulses_reset(value))
		power_event(&dev->power, POWER_RESET, 0);
}

static uint64_t i8042_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(i8042_read_byte, dev, off, size);
}

static void i8042_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(i8042_write_byte, dev, off, size, value);
}

static const struct io_ops i8042_ops = {
	.read = i8042_read,
	.write = i8042_write,
};

void i8042_init(struct i8042 *dev, struct power_sink power)
{
	*dev = (struct i8042){
		.power = power,
		.region = {
			.name = "i8042",
			.ops = &i8042_ops,
			.dev = dev,
			.len = I8042_LEN,
		},
	};
}
