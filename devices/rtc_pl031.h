/* SPDX-License-Identifier: MIT */
/*
 * PL031 real-time clock (ARM DDI 0224C): seconds since 1970, from the host plus
 * what the guest has set, and a match interrupt.
 *
 * Registers by vCPUs under the device's lock; the timer on the loop thread. It
 * is armed only while the match could raise an interrupt.
 */
#ifndef MICROVM_RTC_PL031_H
#define MICROVM_RTC_PL031_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"

#define RTC_PL031_LEN 0x1000

struct rtc_pl031 {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct loop_timer timer;	/* loop thread */
	struct loop_work rearm;
	uint32_t offset;		/* guest time minus the host's, modulo 2^32 */
	uint32_t match, load;
	uint32_t seen;			/* the match flag is right up to this second */
	bool raw, mask, irq_level;
};

/* Starts at the host's time. */
void rtc_pl031_init(struct rtc_pl031 *rtc, struct loop *loop, struct irq_line irq);
void rtc_pl031_finish(struct rtc_pl031 *rtc);
/* Keeps the time. */
void rtc_pl031_reset(struct rtc_pl031 *rtc);

#endif
