/* SPDX-License-Identifier: MIT */
/* The distributor of a GIC of version 2 or 3: IHI 0048, 4.3; IHI 0069, 12.9. */
#include "lib/board.h"

#define GICD_CTLR 0x000
#define GICD_ISPENDR 0x200
#define GICD_ICPENDR 0x280
#define GICD_ICFGR 0xc00
#define CTLR_ENABLE 3		/* both groups */
#define CFG_EDGE 2

/* As an edge it stays pending once it has come, and nobody has to enable it for that. */
void irq_watch(unsigned gsi)
{
	uint64_t cfg = VIRT_GIC_DIST_GPA + GICD_ICFGR + gsi / 16 * 4;

	write32(VIRT_GIC_DIST_GPA + GICD_CTLR, CTLR_ENABLE);
	write32(cfg, read32(cfg) | CFG_EDGE << gsi % 16 * 2);
	write32(VIRT_GIC_DIST_GPA + GICD_ICPENDR + gsi / 32 * 4, 1u << gsi % 32);
}

bool irq_came(unsigned gsi)
{
	return read32(VIRT_GIC_DIST_GPA + GICD_ISPENDR + gsi / 32 * 4) >> gsi % 32 & 1;
}

void irq_unwatch(unsigned gsi)
{
	uint64_t cfg = VIRT_GIC_DIST_GPA + GICD_ICFGR + gsi / 16 * 4;

	write32(cfg, read32(cfg) & ~(CFG_EDGE << gsi % 16 * 2));
	write32(VIRT_GIC_DIST_GPA + GICD_ICPENDR + gsi / 32 * 4, 1u << gsi % 32);
}
