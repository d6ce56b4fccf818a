/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a BCM283x that are little more than registers: clock manager (cprman),
 * random numbers, thermal sensor, and what the auxiliary peripherals share. As the
 * firmware leaves them; registers are as Linux's drivers use them, where Broadcom's
 * "BCM2835 ARM Peripherals" does not have them.
 *
 * Registers by vCPUs under each device's lock.
 */
#ifndef MICROVM_BCM283X_REGS_H
#define MICROVM_BCM283X_REGS_H

#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_CPRMAN_LEN 0x2000
#define BCM283X_RNG_LEN 0x10
#define BCM283X_THERMAL_LEN 8
#define BCM283X_AUX_LEN 8
#define BCM283X_AUX_CHILDREN 3	/* mini-UART, two SPI */

#define BCM283X_TEMPERATURE 45000	/* of the sensor, 1/1000 degree Celsius, roughly */

struct bcm283x_cprman {
	pthread_mutex_t lock;
	struct io_region region;
	uint32_t *regs;		/* as the guest reads them; the region's memory */
};

/* 0 or -ENOMEM. */
int bcm283x_cprman_init(struct bcm283x_cprman *cprman);
void bcm283x_cprman_finish(struct bcm283x_cprman *cprman);
void bcm283x_cprman_reset(struct bcm283x_cprman *cprman);

struct bcm283x_rng {
	pthread_mutex_t lock;
	struct io_region region;
	uint32_t ctrl, warmup, mask;
	uint32_t words[16];		/* ahead of the guest */
	unsigned left;
};

void bcm283x_rng_init(struct bcm283x_rng *rng);
void bcm283x_rng_finish(struct bcm283x_rng *rng);
void bcm283x_rng_reset(struct bcm283x_rng *rng);

struct bcm283x_thermal {
	pthread_mutex_t lock;
	struct io_region region;
	uint32_t ctl;
};

void bcm283x_thermal_init(struct bcm283x_thermal *thermal);
void bcm283x_thermal_finish(struct bcm283x_thermal *thermal);
void bcm283x_thermal_reset(struct bcm283x_thermal *thermal);

struct bcm283x_aux {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line outs[BCM283X_AUX_CHILDREN];
	uint32_t pending, enabled;	/* a bit each child */
};

void bcm283x_aux_init(struct bcm283x_aux *aux);
void bcm283x_aux_finish(struct bcm283x_aux *aux);
/* Lines stay as they are driven. */
void bcm283x_aux_reset(struct bcm283x_aux *aux);
/* What child @n is to drive so that AUXIRQ shows it; it goes on to @out. */
struct irq_line bcm283x_aux_line(struct bcm283x_aux *aux, unsigned n, struct irq_line out);

#endif
