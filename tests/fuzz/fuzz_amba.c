/* SPDX-License-Identifier: MIT */
/*
 * ARM's UART, clock and GPIO: any register accesses, typing, breaks, key presses,
 * resets, and a host that takes any amount of output. Checked beside memory safety:
 * each line is up exactly while the masked status says so, and what was sent as far
 * as TXFF was respected comes out in order and complete.
 */
#include <stdlib.h>

#include "devices/gpio_pl061.h"
#include "devices/pl011.h"
#include "devices/rtc_pl031.h"
#include "tests/fake.h"
#include "tests/fake_chardev.h"
#include "tests/fuzz/input.h"
#include "tests/must.h"
#include "vmm/util.h"

#define UART_BASE 0x10000
#define RTC_BASE 0x20000
#define GPIO_BASE 0x30000
#define UART_DR 0x00
#define UART_FR 0x18
#define UART_CR 0x30
#define UART_MIS 0x40
#define RTC_MIS 0x18
#define GPIO_MIS 0x418
#define FR_TXFF 0x20
#define CR_LBE 0x80
#define MAX_OPS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct amba_fuzz {
	struct fake f;
	struct fake_irq uart_irq, rtc_irq, gpio_irq;
	struct fake_chardev chr;
	struct pl011 uart;
	struct rtc_pl031 rtc;
	struct gpio_pl061 gpio;
	uint8_t next, expect;	/* of a running text that is sent whenever TXFF allows */
	bool counted;		/* only that text was sent so far */
};

static uint32_t amba_in(struct amba_fuzz *z, uint64_t addr)
{
	uint64_t v;

	must(bus_read(&z->f.mmio, addr, 4, &v));
	return v;
}

static void amba_send(struct amba_fuzz *z)
{
	if ((amba_in(z, UART_BASE + UART_CR) & CR_LBE) ||
	    (amba_in(z, UART_BASE + UART_FR) & FR_TXFF))
		return;
	for (unsigned i = 0; i < PL011_TX_FIFO; i++)
		must(bus_write(&z->f.mmio, UART_BASE + UART_DR, 1, z->next++));
}

static void amba_drain(struct amba_fuzz *z, size_t n)
{
	fake_chardev_drain(&z->chr, n);
	if (z->chr.out_len == FAKE_CHARDEV_MAX)
		z->counted = false;	/* it keeps no more */
	for (size_t i = 0; i < z->chr.out_len && z->counted; i++)
		must((uint8_t)z->chr.out[i] == z->expect++);
	z->chr.out_len = 0;
}

static void amba_access(struct amba_fuzz *z, struct input *in)
{
	static const uint64_t bases[] = { UART_BASE, RTC_BASE, GPIO_BASE, UART_BASE };
	unsigned how = take(in, 1), size = 1u << (how & 3);
	uint64_t addr = bases[how >> 2 & 3] + take(in, 2) % 0x1000, v;

	if (how & 0x10) {
		bus_read(&z->f.mmio, addr, size, &v);
		return;
	}
	/* Then the text can no longer be followed. */
	if (addr - UART_BASE < 4)
		z->counted = false;
	bus_write(&z->f.mmio, addr, size, take(in, size));
}

static void amba_reset(struct amba_fuzz *z)
{
	pl011_reset(&z->uart);
	rtc_pl031_reset(&z->rtc);
	gpio_pl061_reset(&z->gpio);
}

static void amba_op(struct amba_fuzz *z, struct input *in)
{
	static const uint8_t typed[PL011_RX_FIFO + 4];
	unsigned op = take(in, 1), value = op >> 4;

	switch (op & 15) {
	case 0:
		amba_send(z);
		break;
	case 1:
		must(fake_chardev_type(&z->chr, typed, value * 3 % sizeof(typed)) <= PL011_RX_FIFO);
		break;
	case 2:
		z->chr.chr.front->brk(z->chr.chr.front_ctx);
		break;
	case 3:
		amba_drain(z, value * 64);
		break;
	case 4:
		gpio_pl061_press(&z->gpio, value % GPIO_PL061_LINES);
		break;
	case 5:
		gpio_pl061_set(&z->gpio, value % GPIO_PL061_LINES, value & 8);
		break;
	case 6:
		z->rtc.offset += value << 24;	/* time passes, or is set back */
		break;
	case 7:
		z->gpio.release.cb(z->gpio.release.arg);
		break;
	case 8:
		if (value == 15)
			amba_reset(z);
		else
			loop_run_once(z->f.loop, 0);
		break;
	default:
		amba_access(z, in);
	}
}

static void amba_check_lines(struct amba_fuzz *z)
{
	uint32_t uart = amba_in(z, UART_BASE + UART_MIS);
	uint32_t rtc = amba_in(z, RTC_BASE + RTC_MIS);
	uint32_t gpio = amba_in(z, GPIO_BASE + GPIO_MIS);

	must(z->uart_irq.level == (uart != 0));
	must(z->rtc_irq.level == (rtc != 0));
	must(z->gpio_irq.level == (gpio != 0));
}

static void amba_begin(struct amba_fuzz *z)
{
	must(loop_create(&z->f.loop) == 0);
	bus_init(&z->f.mmio, 0);
	fake_chardev_init(&z->chr);
	z->chr.appetite = 0;
	z->counted = true;
	pl011_init(&z->uart, z->f.loop, &z->chr.chr, fake_irq_line(&z->uart_irq));
	rtc_pl031_init(&z->rtc, z->f.loop, fake_irq_line(&z->rtc_irq));
	gpio_pl061_init(&z->gpio, z->f.loop, fake_irq_line(&z->gpio_irq));
	must(bus_add(&z->f.mmio, &z->uart.region, UART_BASE) == 0);
	must(bus_add(&z->f.mmio, &z->rtc.region, RTC_BASE) == 0);
	must(bus_add(&z->f.mmio, &z->gpio.region, GPIO_BASE) == 0);
}

static void amba_end(struct amba_fuzz *z)
{
	/* All that was sent comes out in the end. */
	amba_drain(z, SIZE_MAX);
	z->chr.wait_gives = 100;
	z->chr.appetite = 50;
	pl011_finish(&z->uart);
	amba_drain(z, 0);
	must(!z->counted || z->expect == z->next);
	rtc_pl031_finish(&z->rtc);
	gpio_pl061_finish(&z->gpio);
	bus_finish(&z->f.mmio);
	loop_destroy(z->f.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct amba_fuzz *z = calloc(1, sizeof(*z));
	struct input in = { data, MIN(size, (size_t)3 * MAX_OPS) };

	must(z);
	amba_begin(z);
	for (unsigned i = 0; in.left; i++) {
		amba_op(z, &in);
		if (i % 8 == 0)
			amba_check_lines(z);
	}
	amba_end(z);
	free(z);
	return 0;
}
