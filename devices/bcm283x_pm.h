/* SPDX-License-Identifier: MIT */
/*
 * Power management of a BCM283x: watchdog, the reset that it is used for, power
 * domains and the bridges of the asynchronous buses. Broadcom has not described it;
 * registers are as Linux's drivers bcm2835_wdt and bcm2835-power use them.
 *
 * A watchdog that expires resets the machine, unless the partition to boot next is
 * 63: by that the guest asks the firmware to halt, which is power-off here.
 *
 * Registers by vCPUs under the device's lock; the watchdog on the loop thread.
 */
#ifndef MICROVM_BCM283X_PM_H
#define MICROVM_BCM283X_PM_H

#include "vmm/bus.h"
#include "vmm/loop.h"
#include "vmm/power.h"

#define BCM283X_PM_LEN 0x114
#define BCM283X_ASB_LEN 0x24

struct bcm283x_pm {
	pthread_mutex_t lock;
	struct io_region region, asb;
	struct power_sink power;
	struct loop *loop;
	struct loop_timer watchdog;	/* loop thread */
	struct loop_work rearm;
	uint32_t regs[BCM283X_PM_LEN / 4], bridges[BCM283X_ASB_LEN / 4];
	uint64_t due_ns;		/* when the watchdog expires, if it runs */
};

void bcm283x_pm_init(struct bcm283x_pm *pm, struct loop *loop, struct power_sink power);
void bcm283x_pm_finish(struct bcm283x_pm *pm);
void bcm283x_pm_reset(struct bcm283x_pm *pm);

#endif
