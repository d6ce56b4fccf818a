/* SPDX-License-Identifier: MIT */
/*
 * The system timer of a BCM283x ("BCM2835 ARM Peripherals", chapter 12): microseconds
 * since power-on in 64 bits, and four channels that interrupt when the lower half
 * becomes what each of them compares with.
 *
 * Registers by vCPUs under the device's lock; the timer on the loop thread.
 */
#ifndef MICROVM_BCM283X_TIMER_H
#define MICROVM_BCM283X_TIMER_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"

#define BCM283X_TIMER_LEN 0x1000
#define BCM283X_TIMER_CHANNELS 4

struct bcm283x_timer {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irqs[BCM283X_TIMER_CHANNELS];
	struct loop *loop;
	struct loop_timer timer;	/* loop thread */
	struct loop_work rearm;
	uint64_t start_ns;
	uint32_t compare[BCM283X_TIMER_CHANNELS];
	uint32_t seen;		/* matches are right up to this microsecond */
	uint8_t matched, raised;	/* bits of channels; what the lines were set to */
};

void bcm283x_timer_init(struct bcm283x_timer *timer, struct loop *loop,
			const struct irq_line irqs[BCM283X_TIMER_CHANNELS]);
void bcm283x_timer_finish(struct bcm283x_timer *timer);
void bcm283x_timer_reset(struct bcm283x_timer *timer);

#endif
