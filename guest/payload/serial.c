/* SPDX-License-Identifier: MIT */
/*
 * COM1 as a 16550A: registers, loopback with FIFO and overrun, modem lines, the
 * transmitter's interrupt, and output, more of it at once than any buffer in
 * between holds (case 97).
 *
 * RUN: --serial stdio
 * OUTPUT: all 20000 of them
 */
#include <linux/serial_reg.h>

#include "arch/x86/layout.h"
#include "lib/apic.h"
#include "lib/cpu.h"
#include "lib/report.h"

#define COM1 X86_COM1_PORT
#define FIFO 16
#define IIR_FIFOS 0xc0
#define FLOOD 20000

static void uart_reset(void)
{
	outb(COM1 + UART_LCR, UART_LCR_WLEN8);
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_MCR, 0);
	outb(COM1 + UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
}

static void put(char c)
{
	WAIT_FOR(inb(COM1 + UART_LSR) & UART_LSR_THRE);
	outb(COM1 + UART_TX, c);
}

static void puts(const char *s)
{
	while (*s)
		put(*s++);
}

static void test_registers(void)
{
	outb(COM1 + UART_SCR, 0x5a);
	CHECK_EQ(inb(COM1 + UART_SCR), 0x5a);
	outb(COM1 + UART_LCR, UART_LCR_DLAB);
	outb(COM1 + UART_DLL, 0x01);
	outb(COM1 + UART_DLM, 0x23);
	CHECK_EQ(inb(COM1 + UART_DLL), 0x01);
	CHECK_EQ(inb(COM1 + UART_DLM), 0x23);
	outb(COM1 + UART_LCR, UART_LCR_WLEN8);
	CHECK_EQ(inb(COM1 + UART_LCR), UART_LCR_WLEN8);
	CHECK_EQ(inb(COM1 + UART_IER), 0);
	CHECK_EQ(inb(COM1 + UART_IIR) & IIR_FIFOS, IIR_FIFOS);
	outb(COM1 + UART_FCR, 0);
	CHECK_EQ(inb(COM1 + UART_IIR) & IIR_FIFOS, 0);
	CHECK_EQ(inl(COM1 + 6), 0xffffffff);	/* straddles the end (case 36) */
	CHECK_EQ(inb(COM1 + 8), 0xff);
}

static void test_loopback(void)
{
	uart_reset();
	outb(COM1 + UART_MCR, UART_MCR_LOOP);
	CHECK(!(inb(COM1 + UART_LSR) & UART_LSR_DR));
	for (unsigned n = 0; n < FIFO; n++)
		put('a' + n);
	for (unsigned n = 0; n < FIFO; n++) {
		WAIT_FOR(inb(COM1 + UART_LSR) & UART_LSR_DR);
		CHECK_EQ(inb(COM1 + UART_RX), 'a' + n);
	}
	CHECK(!(inb(COM1 + UART_LSR) & UART_LSR_DR));
	for (unsigned n = 0; n < FIFO + 1; n++)
		put('A' + n);
	CHECK(inb(COM1 + UART_LSR) & UART_LSR_OE);
	CHECK(!(inb(COM1 + UART_LSR) & UART_LSR_OE));	/* reading has cleared it */
	CHECK_EQ(inb(COM1 + UART_RX), 'A');
	outb(COM1 + UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	CHECK(!(inb(COM1 + UART_LSR) & UART_LSR_DR));
}

static void test_modem_lines(void)
{
	const uint8_t lines = UART_MSR_CTS | UART_MSR_DSR | UART_MSR_RI | UART_MSR_DCD;

	outb(COM1 + UART_MCR, UART_MCR_LOOP);
	CHECK_EQ(inb(COM1 + UART_MSR) & lines, 0);
	outb(COM1 + UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	CHECK_EQ(inb(COM1 + UART_MSR), UART_MSR_CTS | UART_MSR_DCTS);
	CHECK_EQ(inb(COM1 + UART_MSR), UART_MSR_CTS);
	outb(COM1 + UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_OUT1 | UART_MCR_OUT2);
	CHECK_EQ(inb(COM1 + UART_MSR) & lines, UART_MSR_DSR | UART_MSR_RI | UART_MSR_DCD);
	uart_reset();
}

static void test_interrupt(void)
{
	unsigned vector = apic_new_vector();

	lapic_enable();
	ioapic_route(X86_COM1_GSI, vector);
	CHECK(!lapic_requested(vector));
	outb(COM1 + UART_MCR, UART_MCR_OUT2);
	outb(COM1 + UART_IER, UART_IER_THRI);
	WAIT_FOR(lapic_requested(vector));
	CHECK_EQ(inb(COM1 + UART_IIR) & 0x0f, UART_IIR_THRI);
	CHECK_EQ(inb(COM1 + UART_IIR) & 0x0f, UART_IIR_NO_INT);
	outb(COM1 + UART_IER, 0);
	ioapic_mask(X86_COM1_GSI);
}

/* The last line comes out only if nothing before it got stuck. */
static void test_output(void)
{
	for (unsigned n = 1; n <= FLOOD; n++)
		put(n % 80 ? '.' : '\n');
	puts("\r\nall 20000 of them\r\n");
	WAIT_FOR(inb(COM1 + UART_LSR) & UART_LSR_TEMT);
}

int payload(void)
{
	uart_reset();
	test_registers();
	test_loopback();
	test_modem_lines();
	test_interrupt();
	test_output();
	return PAYLOAD_GOOD;
}
