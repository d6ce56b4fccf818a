/* SPDX-License-Identifier: MIT */
/*
 * The serial port: any register accesses, typing, breaks, resets, and a host
 * that takes any amount of output. Checked beside memory safety: output comes
 * out in order and complete as far as THRE was respected, the interrupt line is
 * what IIR says, and input never comes when there is no room.
 *
 * Input: operations of two or three bytes, see serial_op().
 */
#include <linux/serial_reg.h>
#include <stdlib.h>

#include "devices/serial16550.h"
#include "tests/fake.h"
#include "tests/fake_chardev.h"
#include "vmm/util.h"

#define BASE 0x3f8
#define MAX_OPS 4096
#define MAX_BATCHES 300	/* an input; 256 fill the buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct serial_fuzz {
	struct fake f;
	struct fake_irq irq;
	struct fake_chardev chr;
	struct serial16550 uart;
	uint8_t next;		/* of a running text that is sent whenever THRE allows */
	uint8_t expect;
	unsigned batches;
	bool counted;		/* only that text was sent so far */
};

static uint8_t serial_in(struct serial_fuzz *z, unsigned reg)
{
	uint64_t v;

	check(bus_read(&z->f.pio, BASE + reg, 1, &v));
	return v;
}

/* A batch of the text, as much as THRE promises room for. */
static void serial_send(struct serial_fuzz *z, uint8_t n)
{
	bool dlab = serial_in(z, UART_LCR) & UART_LCR_DLAB;
	bool loop = serial_in(z, UART_MCR) & UART_MCR_LOOP;

	for (unsigned batch = n < 0xf0 ? n % 8 : n; batch-- && !dlab && !loop;) {
		if (!(serial_in(z, UART_LSR) & UART_LSR_THRE) || z->batches == MAX_BATCHES)
			return;
		z->batches++;
		for (unsigned i = 0; i < SERIAL16550_TX_FIFO; i++)
			check(bus_write(&z->f.pio, BASE + UART_TX, 1, z->next++));
	}
}

static void serial_drain(struct serial_fuzz *z, size_t n)
{
	fake_chardev_drain(&z->chr, n);
	if (z->chr.out_len == FAKE_CHARDEV_MAX)
		z->counted = false;	/* it keeps no more */
	for (size_t i = 0; i < z->chr.out_len && z->counted; i++)
		check((uint8_t)z->chr.out[i] == z->expect++);
	z->chr.out_len = 0;
}

static void serial_access(struct serial_fuzz *z, uint8_t op, uint8_t value)
{
	unsigned size = 1u << (op >> 3 & 3), reg = op & 7;
	uint64_t v = value * 0x0101010101010101ull;

	if (op & 0x20) {
		bus_read(&z->f.pio, BASE + reg, size, &v);
		return;
	}
	/* Sent past THRE, or changed by DLAB: then the text can no longer be followed. */
	if (reg == UART_TX && !(z->uart.lcr & UART_LCR_DLAB))
		z->counted = false;
	bus_write(&z->f.pio, BASE + reg, size, v);
}

static void serial_op(struct serial_fuzz *z, uint8_t op, uint8_t value)
{
	static const uint8_t typed[SERIAL16550_RX_FIFO + 4];
	const struct chardev_front_ops *front = z->chr.chr.front;

	switch (op & 0xc0) {
	case 0x40:
		serial_send(z, value);
		break;
	case 0x80:
		check(fake_chardev_type(&z->chr, typed, value % sizeof(typed)) <=
		      SERIAL16550_RX_FIFO);
		if (op & 1)
			front->brk(z->chr.chr.front_ctx);
		break;
	case 0xc0:
		if (op & 1)
			serial_drain(z, value * 64);
		else if (value == 0xff)
			serial16550_reset(&z->uart);
		else
			loop_run_once(z->f.loop, 0);
		break;
	default:
		serial_access(z, op, value);
	}
}

/* The line is up exactly while IIR names a source. */
static void serial_check_line(struct serial_fuzz *z)
{
	bool level = z->irq.level;

	check(level == !(serial_in(z, UART_IIR) & UART_IIR_NO_INT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct serial_fuzz *z = calloc(1, sizeof(*z));

	check(z && loop_create(&z->f.loop) == 0);
	bus_init(&z->f.pio, 1 << 16);
	fake_chardev_init(&z->chr);
	z->chr.appetite = 0;
	z->counted = true;
	serial16550_init(&z->uart, z->f.loop, &z->chr.chr, fake_irq_line(&z->irq));
	check(bus_add(&z->f.pio, &z->uart.region, BASE) == 0);
	for (size_t i = 0; i + 1 < MIN(size, (size_t)2 * MAX_OPS); i += 2) {
		serial_op(z, data[i], data[i + 1]);
		if (i % 16 == 0)
			serial_check_line(z);
	}
	/* All that was sent comes out in the end. */
	serial_drain(z, SIZE_MAX);
	z->chr.wait_gives = 100;
	z->chr.appetite = 50;
	serial16550_finish(&z->uart);
	serial_drain(z, 0);
	check(!z->counted || z->expect == z->next);
	bus_finish(&z->f.pio);
	loop_destroy(z->f.loop);
	free(z);
	return 0;
}
