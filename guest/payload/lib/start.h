/* SPDX-License-Identifier: MIT */
/* What start.S and C know of each other. */
#ifndef PAYLOAD_START_H
#define PAYLOAD_START_H

#include <stdint.h>

/* What a processor that comes out of start.S gets; the first one finds them set. */
extern void *cpu_stack;
extern void (*cpu_entry)(void);

extern const char ap_trampoline[], ap_trampoline_end[];

void payload_start(void);

/* On this processor, an exception from now on is printed and ends the payload. */
void cpu_catch_traps(void);

#endif
