/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <linux/serial_reg.h>

#include "devices/serial16550.h"
#include "tests/fake.h"
#include "tests/fake_chardev.h"
#include "vmm/util.h"

#define BASE 0x3f8
#define ERRORS UART_LSR_BRK_ERROR_BITS

struct fixture {
	struct fake f;
	struct fake_chardev chr;
	struct fake_irq irq;
	struct serial16550 uart;
};

static uint8_t in(struct fixture *t, unsigned reg)
{
	uint64_t v;

	assert_true(bus_read(&t->f.pio, BASE + reg, 1, &v));
	return v;
}

static void out(struct fixture *t, unsigned reg, uint8_t value)
{
	assert_true(bus_write(&t->f.pio, BASE + reg, 1, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	fake_chardev_init(&t->chr);
	serial16550_init(&t->uart, t->f.loop, &t->chr.chr, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.pio, &t->uart.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	serial16550_finish(&t->uart);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* As a driver leaves it that has opened the port. */
static void open_port(struct fixture *t)
{
	out(t, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(t, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out(t, UART_IER, UART_IER_RDI | UART_IER_RLSI);
}

/* Turns the loop until @len bytes have come out, ten seconds at most. */
static void expect_output(struct fixture *t, const void *data, size_t len)
{
	uint64_t deadline = loop_now_ns() + 10000000000ull;

	while (t->chr.out_len < len && loop_now_ns() < deadline)
		loop_run_once(t->f.loop, 100);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, len);
	assert_memory_equal(t->chr.out, data, len);
}

/* --- what Linux's 8250 driver probes ------------------------------------------ */

static void probe_ier_keeps_four_bits(void **state)
{
	struct fixture *t = *state;

	out(t, UART_IER, 0);
	assert_int_equal(in(t, UART_IER), 0);
	out(t, UART_IER, 0xff);
	assert_int_equal(in(t, UART_IER), 0x0f);
}

static void probe_loopback_shows_modem_outputs_as_inputs(void **state)
{
	struct fixture *t = *state;

	out(t, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(t, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(t, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	assert_int_equal(in(t, UART_MSR) & 0xf0, UART_MSR_RI | UART_MSR_DSR);
}

static void probe_finds_16550a_and_nothing_newer(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, UART_IIR) >> 6, 0);
	out(t, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(t, UART_IIR) >> 6, 3);
	/* 16650: a register EFR behind DLAB or 0xbf; National's 16C552: EXCR behind 0xe0 */
	out(t, UART_LCR, UART_LCR_CONF_MODE_A);
	assert_int_not_equal(in(t, UART_EFR), 0);
	out(t, UART_LCR, UART_LCR_CONF_MODE_B);
	assert_int_not_equal(in(t, UART_EFR), 0);
	out(t, UART_LCR, 0xe0);
	assert_int_equal(in(t, UART_EFR) & UART_MCR_LOOP, 0);
	/* 16750: 64-byte FIFO */
	out(t, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(t, UART_IIR) >> 5, 6);
}

static void probe_scratch_holds_any_value(void **state)
{
	struct fixture *t = *state;

	for (unsigned v = 0; v < 256; v++) {
		out(t, UART_SCR, v);
		assert_int_equal(in(t, UART_SCR), v);
	}
}

static void probe_thre_interrupt_comes_again_when_enabled_again(void **state)
{
	struct fixture *t = *state;

	for (int i = 0; i < 2; i++) {
		out(t, UART_IER, UART_IER_THRI);
		assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_THRI);
		assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_NO_INT);
		out(t, UART_IER, 0);
	}
	assert_int_equal(t->irq.edges, 2);
}

static void divisor_sits_behind_dlab_and_costs_no_character(void **state)
{
	struct fixture *t = *state;

	out(t, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(t, UART_DLL, 0x34);
	out(t, UART_DLM, 0x12);
	assert_int_equal(in(t, UART_DLL), 0x34);
	assert_int_equal(in(t, UART_DLM), 0x12);
	out(t, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(t, UART_IER), 0);
	assert_int_equal(in(t, UART_RX), 0);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 0);
}

/* --- transmitter ---------------------------------------------------------------- */

static void output_reaches_the_chardev_in_order(void **state)
{
	struct fixture *t = *state;
	char text[3 * UART_TX_BUFFER];

	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = 'a' + i % 26;
		if (i % 700 == 0 || !(in(t, UART_LSR) & UART_LSR_THRE))
			fake_settle(&t->f);
		out(t, UART_TX, text[i]);
	}
	expect_output(t, text, sizeof(text));
}

static void a_batch_of_characters_is_one_write(void **state)
{
	struct fixture *t = *state;

	for (int i = 0; i < 1000; i++)
		out(t, UART_TX, 'x');
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 1000);
	assert_int_equal(t->chr.writes, 1);
}

static void a_flood_is_flushed_at_intervals(void **state)
{
	struct fixture *t = *state;
	uint64_t start = loop_now_ns();

	out(t, UART_TX, 'a');
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 1);
	assert_true(t->uart.tx.flush_due_ns >= start + 1000000);
	/* as if the interval were a long one */
	t->uart.tx.flush_due_ns = UINT64_MAX;
	out(t, UART_TX, 'b');
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 1);
	assert_true(t->uart.tx.flush_timer.armed);
	t->uart.tx.flush_due_ns = 0;
	out(t, UART_IER, UART_IER_THRI);
	for (int i = 0; i < UART_TX_BURST; i++)
		out(t, UART_TX, 'c');
	/* The guest waits for this one. */
	t->uart.tx.flush_due_ns = UINT64_MAX;
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 2 + UART_TX_BURST);
}

static void send_three(void *arg)
{
	for (int i = 0; i < 3; i++)
		out(arg, UART_TX, 'x');
}

static void a_guest_that_sends_on_does_not_hold_up_the_loop(void **state)
{
	struct fixture *t = *state;

	t->chr.on_write = send_three;
	t->chr.on_write_arg = t;
	out(t, UART_TX, 'x');
	loop_run_once(t->f.loop, 0);
	assert_int_equal(t->chr.writes, 2);
	assert_true(t->uart.tx.flush_timer.armed);
	t->chr.on_write = NULL;
	expect_output(t, "xxxxxxx", 7);
}

static void thre_interrupt_after_each_character_sent(void **state)
{
	struct fixture *t = *state;

	out(t, UART_IER, UART_IER_THRI);
	assert_int_equal(in(t, UART_IIR), UART_IIR_THRI);
	assert_int_equal(t->irq.level, 0);
	for (int i = 0; i < 16; i++)
		out(t, UART_TX, 'x');
	/* All sixteen are one interrupt to whoever looks when they are written. */
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(t->irq.edges, 2);
	assert_int_equal(in(t, UART_IIR), UART_IIR_THRI);
	assert_int_equal(t->irq.level, 0);
}

/* Serves THRE interrupts as a handler does until there is none; how many characters that were. */
static unsigned serve_thre(struct fixture *t)
{
	unsigned n = 0;

	while (in(t, UART_IIR) == UART_IIR_THRI) {
		for (int i = 0; i < SERIAL16550_TX_FIFO; i++)
			out(t, UART_TX, 'x');
		n += SERIAL16550_TX_FIFO;
		assert_in_range(n, 1, UART_TX_BUFFER);
	}
	return n;
}

static void thre_interrupt_lets_its_handler_go_now_and_then(void **state)
{
	struct fixture *t = *state;

	out(t, UART_IER, UART_IER_THRI);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(serve_thre(t), UART_TX_BURST);
		assert_int_equal(t->irq.level, 0);
		/* A guest that polls need not wait. */
		assert_true(in(t, UART_LSR) & UART_LSR_THRE);
		fake_settle(&t->f);
		assert_int_equal(t->irq.level, 1);
		/* Nothing but a flush makes the next one. */
		assert_int_equal(t->uart.tx.len, 0);
		assert_false(t->uart.tx.held);
	}
}

/* Fills the buffer as a guest does that respects THRE; how many characters that took. */
static unsigned fill(struct fixture *t)
{
	unsigned n = 0;

	while (in(t, UART_LSR) & UART_LSR_THRE) {
		for (int i = 0; i < SERIAL16550_TX_FIFO; i++)
			out(t, UART_TX, 'a' + n++ % 26);
		assert_in_range(n, 1, UART_TX_BUFFER);
	}
	return n;
}

static void case_97_a_full_buffer_makes_the_guest_wait_and_loses_nothing(void **state)
{
	struct fixture *t = *state;
	char text[UART_TX_BUFFER];
	unsigned n;

	t->chr.appetite = 0;
	out(t, UART_IER, UART_IER_THRI);
	n = fill(t);
	assert_int_equal(n, UART_TX_BUFFER);
	assert_int_equal(in(t, UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT), 0);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_NO_INT);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 0);
	assert_int_equal(in(t, UART_LSR) & UART_LSR_THRE, 0);

	/* A little room is not worth an interrupt yet, half the buffer is. */
	fake_chardev_drain(&t->chr, 10);
	assert_int_equal(t->irq.level, 0);
	fake_chardev_drain(&t->chr, UART_TX_BUFFER / 2);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_THRI);
	assert_true(in(t, UART_LSR) & UART_LSR_TEMT);

	fake_chardev_drain(&t->chr, SIZE_MAX);
	for (unsigned i = 0; i < n; i++)
		text[i] = 'a' + i % 26;
	expect_output(t, text, n);
}

static void case_97_writing_without_looking_at_thre_stays_within_the_buffer(void **state)
{
	struct fixture *t = *state;

	t->chr.appetite = 0;
	for (int i = 0; i < 100000; i++)
		out(t, UART_TX, 'x');
	fake_settle(&t->f);
	fake_chardev_drain(&t->chr, SIZE_MAX);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, UART_TX_BUFFER);
}

static void enabling_thre_interrupt_while_full_waits_for_room(void **state)
{
	struct fixture *t = *state;

	t->chr.appetite = 0;
	fill(t);
	out(t, UART_IER, UART_IER_THRI);
	assert_int_equal(t->irq.level, 0);
	fake_settle(&t->f);
	fake_chardev_drain(&t->chr, SIZE_MAX);
	assert_int_equal(t->irq.level, 1);
}

static void clearing_the_transmit_fifo_takes_nothing_back(void **state)
{
	struct fixture *t = *state;

	out(t, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(t, UART_TX, 'a');
	out(t, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT | UART_FCR_CLEAR_RCVR);
	out(t, UART_FCR, 0);
	expect_output(t, "a", 1);
}

static void output_survives_a_reset_of_the_guest(void **state)
{
	struct fixture *t = *state;

	out(t, UART_IER, 0x0f);
	out(t, UART_TX, 'a');
	serial16550_reset(&t->uart);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, UART_IER), 0);
	expect_output(t, "a", 1);
}

static void reset_is_power_on(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, UART_IER, 0x0f);
	fake_chardev_type(&t->chr, "abc", 3);
	out(t, UART_LCR, UART_LCR_DLAB);
	out(t, UART_DLL, 1);
	in(t, UART_LSR);
	serial16550_reset(&t->uart);
	assert_int_equal(t->irq.level, 0);
	for (unsigned reg = UART_IER; reg <= UART_SCR; reg++)
		assert_int_equal(in(t, reg), reg == UART_IIR ? UART_IIR_NO_INT :
				 reg == UART_LSR ? UART_LSR_THRE | UART_LSR_TEMT :
				 reg == UART_MSR ? UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS : 0);
	out(t, UART_LCR, UART_LCR_DLAB);
	assert_int_equal(in(t, UART_DLL), 12);
}

static void reset_forgets_that_the_guest_was_ready(void **state)
{
	struct fixture *t = *state;

	in(t, UART_LSR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
	serial16550_reset(&t->uart);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
}

static void last_words_are_written_when_the_machine_ends(void **state)
{
	struct fixture *t = *state;
	struct serial16550 uart;
	struct fake_chardev chr;
	uint64_t v = 'z';

	fake_chardev_init(&chr);
	chr.appetite = 1;
	chr.wait_gives = 2;
	serial16550_init(&uart, t->f.loop, &chr.chr, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.pio, &uart.region, 0x2f8), 0);
	for (int i = 0; i < 5; i++)
		bus_write(&t->f.pio, 0x2f8, 1, v);
	bus_remove(&t->f.pio, &uart.region);
	serial16550_finish(&uart);
	assert_int_equal(chr.out_len, 5);
	assert_int_equal(chr.waits, 2);
	assert_null(chr.chr.front);
}

static void without_a_chardev_output_is_dropped(void **state)
{
	struct fixture *t = *state;
	struct serial16550 uart;
	uint64_t v;

	serial16550_init(&uart, t->f.loop, NULL, (struct irq_line){ 0 });
	assert_int_equal(bus_add(&t->f.pio, &uart.region, 0x2f8), 0);
	for (int i = 0; i < 10000; i++)
		bus_write(&t->f.pio, 0x2f8, 1, 'x');
	bus_read(&t->f.pio, 0x2f8 + UART_LSR, 1, &v);
	assert_int_equal(v, UART_LSR_THRE | UART_LSR_TEMT);
	fake_settle(&t->f);
	bus_remove(&t->f.pio, &uart.region);
	serial16550_finish(&uart);
}

/* --- receiver --------------------------------------------------------------------- */

static void input_raises_the_interrupt_until_read(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	assert_int_equal(fake_chardev_type(&t->chr, "ab", 2), 2);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	assert_true(in(t, UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(t, UART_RX), 'a');
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, UART_RX), 'b');
	assert_int_equal(t->irq.level, 0);
	assert_false(in(t, UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(t, UART_IIR), 0xc0 | UART_IIR_NO_INT);
}

static void trigger_level_tells_data_from_timeout(void **state)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };
	struct fixture *t = *state;

	open_port(t);
	for (unsigned i = 0; i < 4; i++) {
		out(t, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | i << 6);
		for (unsigned n = 1; n <= 16; n++) {
			assert_int_equal(fake_chardev_type(&t->chr, "x", 1), 1);
			assert_int_equal(in(t, UART_IIR) & 0x0f,
					 n >= levels[i] ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT);
		}
	}
}

static void case_97_a_full_fifo_takes_no_input_and_asks_for_more_when_empty(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	fake_settle(&t->f);
	t->chr.kicks = 0;
	assert_int_equal(fake_chardev_type(&t->chr, "0123456789abcdefXYZ", 19), 16);
	assert_int_equal(fake_chardev_type(&t->chr, "X", 1), 0);
	for (int i = 0; i < 15; i++)
		in(t, UART_RX);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 0);
	assert_int_equal(in(t, UART_RX), 'f');
	assert_false(in(t, UART_LSR) & UART_LSR_OE);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	/* Once is enough. */
	in(t, UART_LSR);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	assert_int_equal(fake_chardev_type(&t->chr, "0123456789", 10), 10);
	assert_int_equal(fake_chardev_type(&t->chr, "0123456789", 10), 6);
}

static void without_fifo_one_character_at_a_time(void **state)
{
	struct fixture *t = *state;

	out(t, UART_IER, UART_IER_RDI);
	assert_int_equal(fake_chardev_type(&t->chr, "ab", 2), 1);
	assert_int_equal(in(t, UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(t, UART_RX), 'a');
	assert_int_equal(fake_chardev_type(&t->chr, "b", 1), 1);
	assert_int_equal(in(t, UART_RX), 'b');
}

static void input_waits_until_the_guest_is_ready(void **state)
{
	struct fixture *t = *state;

	/* power-on */
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	/* Linux's console before the port is opened */
	out(t, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(t, UART_MCR, UART_MCR_DTR);
	in(t, UART_LSR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 0);
	/* open */
	out(t, UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
}

static void a_guest_that_only_polls_gets_input(void **state)
{
	struct fixture *t = *state;

	assert_false(in(t, UART_LSR) & UART_LSR_DR);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
	assert_true(in(t, UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(t, UART_RX), 'a');
}

static void switching_fifos_clears_the_receiver(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	fake_chardev_type(&t->chr, "abc", 3);
	out(t, UART_FCR, 0);
	assert_false(in(t, UART_LSR) & UART_LSR_DR);
	assert_int_equal(t->irq.level, 0);
}

static void fcr_bits_count_only_with_fifos_enabled(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, UART_FCR, UART_FCR_TRIGGER_14);
	assert_int_equal(in(t, UART_IIR) >> 6, 0);
	fake_chardev_type(&t->chr, "a", 1);
	assert_int_equal(in(t, UART_IIR), UART_IIR_RDI);
}

static void a_break_is_a_null_with_an_error_that_its_reader_sees_first(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	fake_chardev_type(&t->chr, "a", 1);
	assert_int_equal(in(t, UART_RX), 'a');
	assert_int_equal(t->irq.level, 0);
	t->chr.chr.front->brk(t->chr.chr.front_ctx);
	assert_int_equal(t->irq.level, 1);
	in(t, UART_LSR);
	in(t, UART_RX);
	fake_chardev_type(&t->chr, "a", 1);
	t->chr.chr.front->brk(t->chr.chr.front_ctx);
	fake_chardev_type(&t->chr, "b", 1);
	/* Still behind 'a', but bit 7 knows. */
	assert_int_equal(in(t, UART_LSR) & (ERRORS | UART_LSR_FIFOE), UART_LSR_FIFOE);
	assert_int_equal(in(t, UART_RX), 'a');
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_RLSI);
	assert_int_equal(in(t, UART_LSR) & ERRORS, UART_LSR_BI);
	/* Reading cleared it. */
	assert_int_equal(in(t, UART_LSR) & (ERRORS | UART_LSR_FIFOE), 0);
	assert_int_equal(in(t, UART_RX), 0);
	assert_int_equal(in(t, UART_RX), 'b');
	assert_int_equal(in(t, UART_LSR) & ERRORS, 0);
	assert_int_equal(t->irq.level, 0);
}

/* --- loopback and modem lines ----------------------------------------------------- */

static void loopback_receives_what_is_sent_and_the_host_nothing(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	for (int i = 0; i < 17; i++)
		out(t, UART_TX, i);
	assert_int_equal(in(t, UART_LSR) & ERRORS, UART_LSR_OE);
	assert_int_equal(in(t, UART_LSR) & ERRORS, 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(in(t, UART_RX), i);
	assert_false(in(t, UART_LSR) & UART_LSR_DR);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 0);
}

static void loopback_without_fifo_overruns_with_the_new_character(void **state)
{
	struct fixture *t = *state;

	out(t, UART_MCR, UART_MCR_LOOP);
	out(t, UART_TX, 'a');
	out(t, UART_TX, 'b');
	assert_int_equal(in(t, UART_LSR) & ERRORS, UART_LSR_OE);
	assert_int_equal(in(t, UART_RX), 'b');
}

static void loopback_receives_a_break(void **state)
{
	struct fixture *t = *state;

	out(t, UART_MCR, UART_MCR_LOOP);
	out(t, UART_LCR, UART_LCR_SBC | UART_LCR_WLEN8);
	out(t, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(t, UART_LSR) & ERRORS, UART_LSR_BI);
	assert_int_equal(in(t, UART_RX), 0);
	assert_false(in(t, UART_LSR) & UART_LSR_DR);
}

static void modem_changes_interrupt_until_msr_is_read(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	out(t, UART_IER, UART_IER_MSI);
	assert_int_equal(t->irq.level, 0);
	out(t, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_MSI);
	assert_int_equal(in(t, UART_MSR), UART_MSR_RI | UART_MSR_DDCD | UART_MSR_DDSR |
			 UART_MSR_DCTS);
	assert_int_equal(t->irq.level, 0);
	/* The ring indicator counts when it ends. */
	out(t, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in(t, UART_MSR), UART_MSR_TERI);
	assert_int_equal(in(t, UART_MSR), 0);
	out(t, UART_MCR, 0);
	assert_int_equal(in(t, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS |
			 UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
}

static void interrupt_sources_by_priority(void **state)
{
	struct fixture *t = *state;

	out(t, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(t, UART_MCR, UART_MCR_LOOP);
	out(t, UART_TX, 'a');
	out(t, UART_LCR, UART_LCR_SBC);
	in(t, UART_RX);
	out(t, UART_IER, 0x0f);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_RLSI);
	in(t, UART_LSR);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_RDI);
	in(t, UART_RX);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_THRI);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_MSI);
	in(t, UART_MSR);
	assert_int_equal(in(t, UART_IIR) & 0x0f, UART_IIR_NO_INT);
	assert_int_equal(t->irq.level, 0);
}

/* --- threads ----------------------------------------------------------------------- */

#define RACE_LEN 20000

static void *send_and_receive(void *arg)
{
	struct fixture *t = arg;

	for (unsigned sent = 0; sent < RACE_LEN;) {
		uint8_t lsr = in(t, UART_LSR);

		if (lsr & UART_LSR_DR)
			in(t, UART_RX);
		for (int i = 0; i < SERIAL16550_TX_FIFO && (lsr & UART_LSR_THRE); i++)
			out(t, UART_TX, sent++);
		in(t, UART_IIR);
	}
	return NULL;
}

static void a_vcpu_and_the_loop_at_once(void **state)
{
	struct fixture *t = *state;
	char text[RACE_LEN];
	pthread_t vcpu;

	for (unsigned i = 0; i < RACE_LEN; i++)
		text[i] = i;
	open_port(t);
	pthread_create(&vcpu, NULL, send_and_receive, t);
	while (t->chr.out_len < RACE_LEN / 2) {
		fake_chardev_type(&t->chr, "typed", 5);
		loop_run_once(t->f.loop, 10);
		t->chr.chr.front->brk(t->chr.chr.front_ctx);
	}
	expect_output(t, text, RACE_LEN);
	pthread_join(vcpu, NULL);
}

/* --- hostile ------------------------------------------------------------------------ */

static void case_24_wide_accesses_are_one_of_each_byte(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	assert_true(bus_write(&t->f.pio, BASE + UART_MCR, 4, 0x5a000000));
	assert_int_equal(in(t, UART_SCR), 0x5a);
	assert_true(bus_read(&t->f.pio, BASE + UART_MSR, 2, &v));
	assert_int_equal(v >> 8, 0x5a);
	assert_true(bus_read(&t->f.pio, BASE, 8, &v));
	assert_int_equal(v >> 56, 0x5a);
	/* past the end: nothing */
	assert_false(bus_read(&t->f.pio, BASE + 7, 2, &v));
	assert_int_equal(v, 0xffff);
	assert_false(bus_write(&t->f.pio, BASE + 5, 4, 0));
	assert_int_equal(in(t, UART_SCR), 0x5a);
}

static void read_only_registers_ignore_writes(void **state)
{
	struct fixture *t = *state;

	out(t, UART_LSR, 0xff);
	assert_int_equal(in(t, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	out(t, UART_MSR, 0xff);
	assert_int_equal(in(t, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(probe_ier_keeps_four_bits),
		TEST(probe_loopback_shows_modem_outputs_as_inputs),
		TEST(probe_finds_16550a_and_nothing_newer),
		TEST(probe_scratch_holds_any_value),
		TEST(probe_thre_interrupt_comes_again_when_enabled_again),
		TEST(divisor_sits_behind_dlab_and_costs_no_character),
		TEST(output_reaches_the_chardev_in_order),
		TEST(a_batch_of_characters_is_one_write),
		TEST(a_flood_is_flushed_at_intervals),
		TEST(a_guest_that_sends_on_does_not_hold_up_the_loop),
		TEST(thre_interrupt_after_each_character_sent),
		TEST(thre_interrupt_lets_its_handler_go_now_and_then),
		TEST(case_97_a_full_buffer_makes_the_guest_wait_and_loses_nothing),
		TEST(case_97_writing_without_looking_at_thre_stays_within_the_buffer),
		TEST(enabling_thre_interrupt_while_full_waits_for_room),
		TEST(clearing_the_transmit_fifo_takes_nothing_back),
		TEST(output_survives_a_reset_of_the_guest),
		TEST(reset_is_power_on),
		TEST(reset_forgets_that_the_guest_was_ready),
		TEST(last_words_are_written_when_the_machine_ends),
		TEST(without_a_chardev_output_is_dropped),
		TEST(input_raises_the_interrupt_until_read),
		TEST(trigger_level_tells_data_from_timeout),
		TEST(case_97_a_full_fifo_takes_no_input_and_asks_for_more_when_empty),
		TEST(without_fifo_one_character_at_a_time),
		TEST(input_waits_until_the_guest_is_ready),
		TEST(a_guest_that_only_polls_gets_input),
		TEST(switching_fifos_clears_the_receiver),
		TEST(fcr_bits_count_only_with_fifos_enabled),
		TEST(a_break_is_a_null_with_an_error_that_its_reader_sees_first),
		TEST(loopback_receives_what_is_sent_and_the_host_nothing),
		TEST(loopback_without_fifo_overruns_with_the_new_character),
		TEST(loopback_receives_a_break),
		TEST(modem_changes_interrupt_until_msr_is_read),
		TEST(interrupt_sources_by_priority),
		TEST(a_vcpu_and_the_loop_at_once),
		TEST(case_24_wide_accesses_are_one_of_each_byte),
		TEST(read_only_registers_ignore_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
