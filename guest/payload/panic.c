/* SPDX-License-Identifier: MIT */
/*
 * A guest's panic, told by pvpanic, ends the VM with the status for that.
 *
 * RUN:
 * EXIT: 3
 */
#include <misc/pvpanic.h>

#include "arch/x86/layout.h"
#include "lib/cpu.h"
#include "lib/report.h"

int payload(void)
{
	uint8_t known = inb(X86_PVPANIC_PORT);

	CHECK(known & PVPANIC_PANICKED);
	outb(X86_PVPANIC_PORT, 0x80);		/* no event that it knows */
	outb(X86_PVPANIC_PORT, known & PVPANIC_CRASH_LOADED);
	print("a kexec'ed kernel would run on\n");
	outb(X86_PVPANIC_PORT, PVPANIC_PANICKED);
	for (unsigned n = 0; n < WAIT_MAX; n++)
		wait_turn();
	FAIL("still here");
}
