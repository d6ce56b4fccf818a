/* SPDX-License-Identifier: MIT */
/*
 * What a device needs of a machine, without one: RAM, interrupt counters, a
 * power sink, a loop turned by hand. For unit tests and fuzzers; one thread
 * unless a test says otherwise.
 */
#ifndef MICROVM_TESTS_FAKE_H
#define MICROVM_TESTS_FAKE_H

#include <stdatomic.h>

#include "vmm/bus.h"
#include "vmm/gmem.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/power.h"

/* Two RAM regions with a hole between them, so that spanning it can be tried. */
#define FAKE_RAM_LEN 0x100000ull
#define FAKE_RAM2_GPA 0x200000ull
#define FAKE_RAM2_LEN 0x100000ull

struct fake_irq {
	atomic_int level;	/* now */
	atomic_uint edges;	/* rising */
};

#define FAKE_ATTACHED 64

struct fake_msi {
	atomic_uint sent;
	uint64_t last_addr;
	uint32_t last_data;
	_Atomic uint32_t last_devid;	/* of a message, or of a route: vectors are routed by several threads */
	atomic_uint routes;	/* handed out and not returned */
	int attached[FAKE_ATTACHED];	/* eventfds of others, 0: none... */
	int attached_to[FAKE_ATTACHED];	/* ...and the route of each */
	int fail_routes;	/* route() answers -ENOSPC */
};

struct fake_power {
	unsigned count[8];	/* by enum power_event */
	unsigned last_code;
};

struct fake {
	struct gmem mem;
	struct bus mmio, pio;
	struct loop *loop;
	struct fake_msi msi;
	struct fake_power power;
};

void fake_init(struct fake *f);
void fake_finish(struct fake *f);
/* The route that @fd is attached to, -1 none. Nothing is delivered for it: it is only noted. */
int fake_msi_attached(const struct fake *f, int fd);
struct irq_line fake_irq_line(struct fake_irq *irq);
struct msi_sink fake_msi_sink(struct fake *f);
struct power_sink fake_power_sink(struct fake *f);
/* Serves the loop until nothing is ready. */
void fake_settle(struct fake *f);

#endif
