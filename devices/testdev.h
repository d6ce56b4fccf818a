/* SPDX-License-Identifier: MIT */
/*
 * A device for payloads and benchmarks, there only when asked for: results,
 * time marks, and registers to aim accesses and interrupts at. The same window
 * on PIO and MMIO:
 *
 *     +0x00  R   4     TESTDEV_MAGIC
 *     +0x04  W   4     result: ends the VM, 0 = good
 *     +0x08  W   4     time mark
 *     +0x0c  W   1     a character for the terminal or log
 *     +0x10  RW  1-8   scratch, 8 bytes
 *     +0x18  W   4     interrupt line: bit 0 its level
 *     +0x1c  RW  4     doorbell count: writes go to an eventfd, reads count them
 *
 * Other offsets read 0. Registers by vCPUs; the doorbell on the loop thread.
 */
#ifndef MICROVM_TESTDEV_H
#define MICROVM_TESTDEV_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/power.h"

#define TESTDEV_LEN 0x20
#define TESTDEV_MAGIC 0x6474766d	/* "mvtd" */
#define TESTDEV_ID 0x00
#define TESTDEV_RESULT 0x04
#define TESTDEV_MARK 0x08
#define TESTDEV_PUTC 0x0c
#define TESTDEV_SCRATCH 0x10
#define TESTDEV_IRQ 0x18
#define TESTDEV_DOORBELL 0x1c

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
