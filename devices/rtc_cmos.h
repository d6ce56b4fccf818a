/* SPDX-License-Identifier: MIT */
/*
 * MC146818A real-time clock with 128 bytes of CMOS RAM at ports 0x70/0x71, as
 * the PC has it: UTC from the host plus what the guest has set, update-in-
 * progress, periodic, alarm and update-ended interrupts.
 *
 * Registers by vCPUs under the device's lock; timers on the loop thread, armed
 * only while an interrupt is enabled, so an idle clock costs no wake-up.
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
	uint8_t ram[128];
	int64_t offset_ns;	/* guest time minus host's CLOCK_REALTIME */
	uint64_t periodic_due_ns;
	int64_t last_second;	/* of the last update-ended or alarm check */
};

void rtc_cmos_init(struct rtc_cmos *rtc, struct loop *loop, struct irq_line irq);
void rtc_cmos_finish(struct rtc_cmos *rtc);
void rtc_cmos_reset(struct rtc_cmos *rtc);

#endif
