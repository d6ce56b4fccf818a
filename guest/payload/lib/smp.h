/* SPDX-License-Identifier: MIT */
/*
 * Start of each processor, and of the others by the first: INIT and SIPI
 * (Intel SDM 3A, 9.4.4) into a trampoline below 1 MiB.
 */
#ifndef PAYLOAD_SMP_H
#define PAYLOAD_SMP_H

#include <stdbool.h>
#include <stdint.h>

/* How many processors the MADT lists as enabled. */
unsigned smp_count(void);
/*
 * Starts processor @apic_id in fn(arg) and waits until it is there; when @fn
 * returns, it halts. False: it did not come.
 */
bool smp_start(unsigned apic_id, void (*fn)(void *arg), void *arg);

#endif
