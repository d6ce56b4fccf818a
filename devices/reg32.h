/* SPDX-License-Identifier: MIT */
/*
 * Registers of 32 bits on a bus that takes accesses of any size, as AMBA's have
 * them: a smaller access reads part of a register, and writes only at its lowest
 * byte, where the rest is taken for zeros; one of 8 bytes is two.
 */
#ifndef MICROVM_REG32_H
#define MICROVM_REG32_H

#include <stdint.h>

static inline uint64_t reg32_read(uint32_t (*read)(void *dev, unsigned reg), void *dev,
				  uint64_t off, unsigned size)
{
	unsigned shift = off % 4 * 8;
	uint64_t value = read(dev, off & ~3ull) >> shift;

	if (off % 4 + size > 4)
		value |= (uint64_t)read(dev, (off & ~3ull) + 4) << (32 - shift);
	return size < 8 ? value & ((1ull << size * 8) - 1) : value;
}

static inline void reg32_write(void (*write)(void *dev, unsigned reg, uint32_t value), void *dev,
			       uint64_t off, unsigned size, uint64_t value)
{
	if (off % 4)
		return;
	write(dev, off, size < 4 ? value & ((1ull << size * 8) - 1) : (uint32_t)value);
	if (size == 8)
		write(dev, off + 4, value >> 32);
}

/*
 * The identification registers of an ARM PrimeCell are the last eight of its page:
 * @periph and @cell have a byte for each, the first one lowest.
 */
#define PRIMECELL_ID 0xfe0
#define PRIMECELL_CELL_ID 0xb105f00du

static inline uint32_t primecell_id(unsigned reg, uint32_t periph)
{
	uint32_t id = reg < PRIMECELL_ID + 0x10 ? periph : PRIMECELL_CELL_ID;

	return id >> reg % 0x10 * 2 & 0xff;
}

#endif
