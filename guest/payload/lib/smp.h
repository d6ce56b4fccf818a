/* SPDX-License-Identifier: MIT */
/*
 * Start of each processor, and of the others by the first: by INIT and SIPI
 * (Intel SDM 3A, 9.4.4) into a trampoline below 1 MiB, or by PSCI. Processor n is
 * the one whose local APIC or affinity has that number.
 */
#ifndef PAYLOAD_SMP_H
#define PAYLOAD_SMP_H

#include <stdbool.h>
#include <stdint.h>

/* How many processors there are: by the MADT or by PSCI. */
unsigned smp_count(void);
/* Which one this is. */
unsigned smp_self(void);
/*
 * Starts processor @n in fn(arg) and waits until it is there; when @fn
 * returns, it halts. False: it did not come.
 */
bool smp_start(unsigned n, void (*fn)(void *arg), void *arg);

#endif
