/* SPDX-License-Identifier: MIT */
/* Registers and RAM of the MC146818A clock. */
#ifndef PAYLOAD_CMOS_H
#define PAYLOAD_CMOS_H

#include "arch/x86/layout.h"
#include "lib/cpu.h"

static inline uint8_t cmos_read(uint8_t index)
{
	outb(X86_RTC_PORT, index);
	return inb(X86_RTC_PORT + 1);
}

static inline void cmos_write(uint8_t index, uint8_t value)
{
	outb(X86_RTC_PORT, index);
	outb(X86_RTC_PORT + 1, value);
}

#endif
