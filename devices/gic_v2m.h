/* SPDX-License-Identifier: MIT */
/*
 * GICv2m message frame (Arm Server Base System Architecture 3.1, appendix E): a
 * register whose writes are edges on a range of wires. Messages of devices need not
 * come by here: whoever routes them knows the frame.
 *
 * Registers by vCPUs; no state.
 */
#ifndef MICROVM_GIC_V2M_H
#define MICROVM_GIC_V2M_H

#include "vmm/bus.h"
#include "vmm/irq.h"

#define GIC_V2M_LEN 0x1000
#define GIC_V2M_SETSPI 0x40	/* MSI_SETSPI_NS, what messages are written to */

struct gic_v2m {
	struct io_region region;
	struct irq_line irq;	/* of the first wire, the others follow by n */
	uint32_t first, n;	/* GIC interrupts, 32 and up */
};

/* @first + @n at most 1020. */
void gic_v2m_init(struct gic_v2m *v2m, struct irq_line irq, unsigned first, unsigned n);

#endif
