/* SPDX-License-Identifier: MIT */
/*
 * MC146818A real-time clock with 128 bytes of CMOS RAM at ports 0x70/0x71, as
 * the PC has it: UTC from the host plus what the guest has set, update-in-
 * progress, periodic, alarm and update-ended interrupts.
 *
 * Registers by vCPUs under the device's lock; the timer on the loop thread. It
 * is armed only while an enabled interrupt could newly occur, so an idle clock
 * and one whose interrupts nobody acknowledges cost no wake-up; flags that
 * nobody is interrupted for are worked out when register C is read.
 */
#ifndef MICROVM_RTC_CMOS_H
#define MICROVM_RTC_CMOS_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"

#define RTC_CMOS_LEN 2
#define RTC_CMOS_CENTURY 0x32	/* index of the century byte, for the FADT */

struct rtc_cmos {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct loop_timer timer;	/* loop thread */
	struct loop_work rearm;
	uint8_t index;
	/* Time registers in here count only while the clock stands still. */
	uint8_t ram[128];
	/* Guest time minus CLOCK_REALTIME; 64 bits of nanoseconds would not hold any year. */
	int64_t offset_s;
	int32_t offset_ns;		/* 0..999999999 */
	int64_t seen_second;		/* update and alarm flags are right up to here */
	uint64_t seen_period;		/* the periodic flag likewise */
};

/* Starts at the host's time. */
void rtc_cmos_init(struct rtc_cmos *rtc, struct loop *loop, struct irq_line irq);
void rtc_cmos_finish(struct rtc_cmos *rtc);
/* Keeps time and RAM, and lets a clock that the guest had stopped run on. */
void rtc_cmos_reset(struct rtc_cmos *rtc);

#endif
