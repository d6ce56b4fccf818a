/* SPDX-License-Identifier: MIT */
/*
 * Single instructions: device memory, barriers, processor registers; on x86 ports,
 * too.
 *
 * Device memory is accessed by plain moves of the named size and nothing else,
 * so that a payload knows what the VMM is to see; 64 bits on armv7 are two moves,
 * the lower half first.
 */
#ifndef PAYLOAD_CPU_H
#define PAYLOAD_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __x86_64__
#include "lib/cpu_x86.h"
#else
#include "lib/cpu_arm.h"
#endif

static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

#endif
