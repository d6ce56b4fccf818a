/* SPDX-License-Identifier: MIT */
#include "devices/gic_v2m.h"

#include "vmm/util.h"

#define MSI_TYPER 0x008		/* 25:16 first interrupt, 9:0 how many */

static uint64_t gic_v2m_read(void *dev, uint64_t off, unsigned size)
{
	const struct gic_v2m *v2m = dev;

	return off == MSI_TYPER && size == 4 ? v2m->first << 16 | v2m->n : 0;
}

static void gic_v2m_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	const struct gic_v2m *v2m = dev;
	struct irq_line irq = v2m->irq;

	/* Messages are of 16 or 32 bits. */
	if (off != GIC_V2M_SETSPI || (size != 2 && size != 4))
		return;
	if (value < v2m->first || value - v2m->first >= v2m->n)
		return;
	irq.n += value - v2m->first;
	irq_pulse(&irq);
}

void gic_v2m_init(struct gic_v2m *v2m, struct irq_line irq, unsigned first, unsigned n)
{
	static const struct io_ops ops = { .read = gic_v2m_read, .write = gic_v2m_write };

	*v2m = (struct gic_v2m){
		.region = { .name = "gic-v2m", .ops = &ops, .dev = v2m, .len = GIC_V2M_LEN },
		.irq = irq,
		.first = first,
		.n = n,
	};
}
