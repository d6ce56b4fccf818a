/* SPDX-License-Identifier: MIT */
/*
 * Registers of one byte on a bus of bytes, as ISA has them: an access of
 * several bytes is one of each byte, from the lowest offset up. Every offset
 * that the bus lets through is therefore answered, whatever its size.
 */
#ifndef MICROVM_BYTE_REGS_H
#define MICROVM_BYTE_REGS_H

#include <stdint.h>

static inline uint64_t byte_regs_read(uint8_t (*read)(void *dev, unsigned off), void *dev,
				      uint64_t off, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read(dev, off + i) << (8 * i);
	return value;
}

static inline void byte_regs_write(void (*write)(void *dev, unsigned off, uint8_t value), void *dev,
				   uint64_t off, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		write(dev, off + i, value >> (8 * i));
}

#endif
