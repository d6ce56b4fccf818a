/* SPDX-License-Identifier: MIT */
/*
 * The 54 pins of a BCM283x ("BCM2835 ARM Peripherals", chapter 6): what each is used
 * for, levels, pulls, and edges and levels that interrupt. Nothing is connected: inputs
 * are as their pull at power-on has them, unless bcm283x_gpio_set_input() says
 * otherwise.
 *
 * Registers by vCPUs, inputs from any thread, under the device's lock.
 */
#ifndef MICROVM_BCM283X_GPIO_H
#define MICROVM_BCM283X_GPIO_H

#include "vmm/bus.h"
#include "vmm/irq.h"

#define BCM283X_GPIO_LEN 0xb4
#define BCM283X_GPIO_PINS 54
/* "Alternative functions": the pins that are pulled up: 0 to 8, 34 to 36, 46 to 53. */
#define BCM283X_GPIO_PULLED_UP (0x1ffull | 7ull << 34 | 0xffull << 46)
#define BCM283X_GPIO_IRQS 4	/* pins 0-27, 28-45, 46-53, all */

struct bcm283x_gpio {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irqs[BCM283X_GPIO_IRQS];
	uint32_t functions[6];
	uint64_t out, in;	/* a bit each pin */
	uint64_t levels;	/* as seen last */
	uint64_t events;
	uint64_t detect[6];	/* rising, falling, high, low, asynchronous rising and falling */
	uint32_t pull, pull_clock[2];
	uint8_t raised;
};

void bcm283x_gpio_init(struct bcm283x_gpio *gpio, const struct irq_line irqs[BCM283X_GPIO_IRQS]);
void bcm283x_gpio_finish(struct bcm283x_gpio *gpio);
/* Inputs stay as they are driven. */
void bcm283x_gpio_reset(struct bcm283x_gpio *gpio);
/* Any thread. @pin below BCM283X_GPIO_PINS. */
void bcm283x_gpio_set_input(struct bcm283x_gpio *gpio, unsigned pin, bool level);

#endif
