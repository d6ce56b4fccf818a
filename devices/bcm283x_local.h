/* SPDX-License-Identifier: MIT */
/*
 * The interrupt controller next to the CPUs of a BCM2836 and BCM2837 (Broadcom's "Quad-A7
 * control", QA7_rev3.4): for each of four CPUs an IRQ and an FIQ made of its timers,
 * its four mailboxes, its PMU and what armctrl collects of the peripherals.
 *
 * It drives a struct bcm283x_cpus: a test's, or KVM's. Registers by vCPUs, lines from
 * any thread, both under the device's lock, which is an irq lock: armctrl and the
 * devices behind it are locked before it, nothing but what @cpus needs after it.
 */
#ifndef MICROVM_BCM283X_LOCAL_H
#define MICROVM_BCM283X_LOCAL_H

#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_LOCAL_LEN 0x100
#define BCM283X_CPUS 4
#define BCM283X_MAILBOXES 4
#define BCM283X_TIMERS 4	/* secure, physical, hypervisor, virtual: bits 0 to 3 */

/* Bits of the pending registers, which the tree uses as numbers of interrupts. */
#define BCM283X_LOCAL_TIMER 0
#define BCM283X_LOCAL_MAILBOX 4
#define BCM283X_LOCAL_GPU 8
#define BCM283X_LOCAL_PMU 9

struct bcm283x_cpus {
	/* With the lock, when it changes. */
	void (*set)(void *ctx, unsigned cpu, bool fiq, bool level);
	/*
	 * Both may be NULL: then bcm283x_local_set_timer() says what timers do. Otherwise
	 * whoever is behind this brings timers to the CPU by a way of its own, and they
	 * are no part of set()'s levels. With the lock: the levels of those timers of @cpu
	 * that are bits in @which, when somebody reads what is pending; and which timers
	 * come as IRQ and as FIQ, when that changes.
	 */
	unsigned (*timers)(void *ctx, unsigned cpu, unsigned which);
	void (*route)(void *ctx, unsigned cpu, unsigned irq, unsigned fiq);
	/*
	 * May be NULL. Mailbox 3 of a CPU that the firmware's spin loop holds is where it
	 * goes on; true: it was, and goes to @pc; the mailbox is left empty.
	 */
	bool (*release)(void *ctx, unsigned cpu, uint32_t pc);
	void *ctx;
};

struct bcm283x_local {
	pthread_mutex_t lock;
	struct io_region region;
	struct bcm283x_cpus cpus;
	uint32_t control, prescaler, gpu_routing, pm_routing;
	uint32_t timer_control[BCM283X_CPUS], mailbox_control[BCM283X_CPUS];
	uint32_t mailboxes[BCM283X_CPUS][BCM283X_MAILBOXES];
	uint8_t timers[BCM283X_CPUS];	/* levels */
	uint8_t pmu;			/* likewise, a bit each CPU */
	bool gpu[2];			/* IRQ, FIQ */
	bool out[BCM283X_CPUS][2];	/* what @cpus was told */
};

void bcm283x_local_init(struct bcm283x_local *local, const struct bcm283x_cpus *cpus);
void bcm283x_local_finish(struct bcm283x_local *local);
/* Lines stay as they are driven. */
void bcm283x_local_reset(struct bcm283x_local *local);

/* Another who gets the CPUs' lines: told at once of those that are up. */
void bcm283x_local_connect(struct bcm283x_local *local, const struct bcm283x_cpus *cpus);

/* Any thread. @timer: bit number. */
void bcm283x_local_set_timer(struct bcm283x_local *local, unsigned cpu, unsigned timer, bool level);
/* What armctrl drives: its IRQ or its FIQ. */
struct irq_line bcm283x_local_gpu(struct bcm283x_local *local, bool fiq);
/* The PMU's line of @cpu. */
struct irq_line bcm283x_local_pmu(struct bcm283x_local *local, unsigned cpu);

#endif
