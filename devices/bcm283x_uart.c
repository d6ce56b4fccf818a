/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_uart.h"

#include <linux/serial_reg.h>

#include "devices/reg32.h"
#include "vmm/util.h"

#define CNTL 0x20
#define STAT 0x24
#define BAUD 0x28

#define CNTL_RESET 3		/* receiver and transmitter on */
#define STAT_SYMBOL BIT(0)
#define STAT_SPACE BIT(1)
#define STAT_RX_IDLE BIT(2)
#define STAT_TX_EMPTY (BIT(3) | BIT(8) | BIT(9))	/* idle, FIFO empty, done */
#define STAT_RX_SHIFT 16

/* "AUX_MU_STAT_REG": what LSR says, and more of it. */
static uint32_t uart_stat(const struct bcm283x_uart *u)
{
	uint32_t stat = STAT_RX_IDLE | MIN(u->uart.rx_len, 8u) << STAT_RX_SHIFT;

	stat |= u->uart.rx_len ? STAT_SYMBOL : 0;
	return stat | (u->uart.tx.full ? 0 : STAT_SPACE | STAT_TX_EMPTY);
}

static uint32_t uart_read32(void *dev, unsigned reg)
{
	struct bcm283x_uart *u = dev;

	switch (reg) {
	case CNTL:
		return u->control;
	case STAT:
		return uart_stat(u);
	case BAUD:
		return u->baud;
	default:
		return reg < CNTL ? u->uart.region.ops->read(&u->uart, reg / 4, 1) : 0;
	}
}

static void uart_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_uart *u = dev;

	if (reg < CNTL)
		u->uart.region.ops->write(&u->uart, reg / 4, 1, value & 0xff);
	else if (reg == CNTL)
		u->control = value & 0xff;
	else if (reg == BAUD)
		u->baud = value & 0xffff;
}

static uint64_t uart_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(uart_read32, dev, off, size);
}

static void uart_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(uart_write32, dev, off, size, value);
}

static const struct io_ops uart_ops = { .read = uart_read, .write = uart_write };

void bcm283x_uart_init(struct bcm283x_uart *u, struct loop *loop, struct chardev *chr,
		       struct irq_line irq)
{
	serial16550_init(&u->uart, loop, chr, irq);
	u->control = CNTL_RESET;
	u->baud = 0;
	u->region = (struct io_region){
		.name = "bcm283x-uart",
		.ops = &uart_ops,
		.dev = u,
		.len = BCM283X_UART_LEN,
		.lock = &u->uart.lock,
	};
}

void bcm283x_uart_finish(struct bcm283x_uart *u)
{
	serial16550_finish(&u->uart);
}

void bcm283x_uart_reset(struct bcm283x_uart *u)
{
	pthread_mutex_lock(&u->uart.lock);
	u->control = CNTL_RESET;
	u->baud = 0;
	pthread_mutex_unlock(&u->uart.lock);
	serial16550_reset(&u->uart);
}
