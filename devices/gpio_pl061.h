/* SPDX-License-Identifier: MIT */
/*
 * PL061 GPIO (ARM DDI 0190B): eight lines with edge and level interrupts. The
 * machine drives inputs; what the guest drives goes nowhere.
 *
 * Registers by vCPUs, gpio_pl061_set() and gpio_pl061_press() from any thread
 * but a press ends on the loop thread.
 */
#ifndef MICROVM_GPIO_PL061_H
#define MICROVM_GPIO_PL061_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"

#define GPIO_PL061_LEN 0x1000
#define GPIO_PL061_LINES 8
/* How long a key is held down: longer than a driver's debouncing. */
#define GPIO_PL061_PRESS_NS 100000000ull

struct gpio_pl061 {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct loop *loop;
	struct loop_timer release;	/* loop thread */
	struct loop_work pressed_work;
	uint8_t in;			/* levels that the machine drives */
	uint8_t pressed;		/* lines of keys that are down */
	uint8_t data, dir, sense, both, event, mask, raw, afsel;
	bool irq_level;
};

void gpio_pl061_init(struct gpio_pl061 *dev, struct loop *loop, struct irq_line irq);
void gpio_pl061_finish(struct gpio_pl061 *dev);
/* The machine's levels stay. */
void gpio_pl061_reset(struct gpio_pl061 *dev);
/* Line @n, below GPIO_PL061_LINES, as an input. */
void gpio_pl061_set(struct gpio_pl061 *dev, unsigned n, bool level);
/* A key on line @n, active high, goes down and, GPIO_PL061_PRESS_NS later, up. */
void gpio_pl061_press(struct gpio_pl061 *dev, unsigned n);

#endif
