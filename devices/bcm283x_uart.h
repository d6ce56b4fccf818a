/* SPDX-License-Identifier: MIT */
/*
 * The mini-UART of a BCM283x ("BCM2835 ARM Peripherals", 2.2): the registers of a 16550,
 * four bytes apart, and three of its own behind them. Under the lock of the 16550.
 */
#ifndef MICROVM_BCM283X_UART_H
#define MICROVM_BCM283X_UART_H

#include "devices/serial16550.h"

#define BCM283X_UART_LEN 0x40

struct bcm283x_uart {
	struct serial16550 uart;
	struct io_region region;
	uint32_t control, baud;
};

/* As serial16550.h has it. */
void bcm283x_uart_init(struct bcm283x_uart *u, struct loop *loop, struct chardev *chr,
		       struct irq_line irq);
void bcm283x_uart_finish(struct bcm283x_uart *u);
void bcm283x_uart_reset(struct bcm283x_uart *u);

#endif
