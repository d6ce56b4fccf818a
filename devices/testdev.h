/* SPDX-License-Identifier: MIT */
/*
 * A device for payloads and benchmarks, there only when asked for: results,
 * time marks, and registers to aim accesses and interrupts at. The same window
 * on PIO and MMIO, laid out in testdev_regs.h.
 *
 * Registers by vCPUs; the doorbell on the loop thread.
 */
#ifndef MICROVM_TESTDEV_H
#define MICROVM_TESTDEV_H

#include "devices/testdev_regs.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/power.h"

struct testdev {
	pthread_mutex_t lock;
	struct io_region pio, mmio;	/* two windows on the same registers */
	struct io_doorbell pio_doorbell, mmio_doorbell;
	struct loop *loop;
	struct loop_fd kick;
	struct irq_line irq;
	struct power_sink power;
	uint8_t scratch[8];
	uint32_t kicks;
	char line[256];		/* characters until a newline, then one log line */
	unsigned line_len;
};

/* 0 or negative errno. */
int testdev_init(struct testdev *dev, struct loop *loop, struct irq_line irq,
		 struct power_sink power);
void testdev_finish(struct testdev *dev);
void testdev_reset(struct testdev *dev);

#endif
