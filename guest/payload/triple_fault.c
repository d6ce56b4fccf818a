/* SPDX-License-Identifier: MIT */
/*
 * A fault without a handler for it, nor for the double fault: the processor
 * shuts down and the VM ends with the status for that (case 98).
 *
 * RUN:
 * EXIT: 4
 */
#include "lib/cpu.h"
#include "lib/report.h"

int payload(void)
{
	struct cpu_table none = { 0, 0 };

	cpu_load_idt(&none);
	__asm__ volatile("ud2");
	return PAYLOAD_FAIL;
}
