/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/pl011.h"
#include "tests/fake.h"
#include "tests/fake_chardev.h"
#include "tests/until.h"
#include "vmm/util.h"

#define BASE 0x9000000

/* ARM DDI 0183G, 3.2 */
#define DR 0x00
#define RSR 0x04
#define FR 0x18
#define IBRD 0x24
#define FBRD 0x28
#define LCR_H 0x2c
#define CR 0x30
#define IFLS 0x34
#define IMSC 0x38
#define RIS 0x3c
#define MIS 0x40
#define ICR 0x44

#define FEN 0x10
#define UARTEN 0x001
#define LBE 0x080
#define TXE 0x100
#define RXE 0x200
#define DTR 0x400
#define RTS 0x800

#define FR_BUSY 0x08
#define RXFE 0x10
#define TXFF 0x20
#define RXFF 0x40
#define TXFE 0x80

#define RX_INT 0x10
#define TX_INT 0x20
#define RT_INT 0x40

struct fixture {
	struct fake f;
	struct fake_chardev chr;
	struct fake_irq irq;
	struct pl011 uart;
};

static uint64_t in_size(struct fixture *t, unsigned reg, unsigned size)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, BASE + reg, size, &v));
	return v;
}

static uint32_t in(struct fixture *t, unsigned reg)
{
	return in_size(t, reg, 4);
}

static void out(struct fixture *t, unsigned reg, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, BASE + reg, 4, value));
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	fake_chardev_init(&t->chr);
	pl011_init(&t->uart, t->f.loop, &t->chr.chr, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.mmio, &t->uart.region, BASE), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	pl011_finish(&t->uart);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* As Linux's driver leaves it that has opened the port. */
static void open_port(struct fixture *t)
{
	out(t, LCR_H, FEN | 0x60);
	out(t, CR, UARTEN | TXE | RXE);
	out(t, IMSC, RX_INT | RT_INT);
	out(t, CR, UARTEN | TXE | RXE | RTS | DTR);
}

static void expect_output(struct fixture *t, const void *data, size_t len)
{
	UNTIL_IN(t->f.loop, t->chr.out_len >= len);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, len);
	assert_memory_equal(t->chr.out, data, len);
}

/* --- registers ---------------------------------------------------------------------- */

static void the_amba_bus_finds_a_pl011_of_r1p5(void **state)
{
	struct fixture *t = *state;
	static const uint8_t ids[] = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(in(t, 0xfe0 + i * 4), ids[i]);
}

static void power_on_values(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, FR) & ~7, TXFE | RXFE);
	assert_int_equal(in(t, FR) & 7, 7);	/* somebody is there */
	assert_int_equal(in(t, CR), TXE | RXE);
	assert_int_equal(in(t, IFLS), 0x12);
	assert_int_equal(in(t, LCR_H), 0);
	assert_int_equal(in(t, RIS), 0);
	assert_int_equal(in(t, IMSC), 0);
	assert_int_equal(t->irq.level, 0);
}

static void registers_keep_what_they_have_bits_for(void **state)
{
	struct fixture *t = *state;
	static const struct { unsigned reg; uint32_t keeps; } regs[] = {
		{ 0x20, 0xff }, { IBRD, 0xffff }, { FBRD, 0x3f }, { LCR_H, 0xff },
		{ CR, 0xff87 }, { IFLS, 0x3f }, { IMSC, 0x7ff }, { 0x48, 7 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		out(t, regs[i].reg, 0xffffffff);
		assert_int_equal(in(t, regs[i].reg), regs[i].keeps);
		out(t, regs[i].reg, 0);
		assert_int_equal(in(t, regs[i].reg), 0);
	}
}

static void accesses_of_any_size(void **state)
{
	struct fixture *t = *state;

	/* Linux reads and writes 16 bits, boot loaders 8 and 32. */
	assert_true(bus_write(&t->f.mmio, BASE + IBRD, 2, 0x1234));
	assert_int_equal(in_size(t, IBRD, 2), 0x1234);
	assert_int_equal(in_size(t, IBRD, 1), 0x34);
	assert_int_equal(in_size(t, IBRD + 1, 1), 0x12);
	assert_true(bus_write(&t->f.mmio, BASE + IBRD, 8, 0x3f00004321ull));
	assert_int_equal(in_size(t, IBRD, 8), 0x3f00004321ull);
	assert_int_equal(in(t, FBRD), 0x3f);
	assert_true(bus_write(&t->f.mmio, BASE + DR, 1, 'x'));
	expect_output(t, "x", 1);
}

static void case_24_odd_accesses(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	/* Unaligned writes are dropped, reads see what is there. */
	assert_true(bus_write(&t->f.mmio, BASE + IBRD + 1, 2, 0xffff));
	assert_int_equal(in(t, IBRD), 0);
	out(t, IBRD, 0xabcd);
	out(t, FBRD, 0x15);
	assert_int_equal(in_size(t, IBRD + 3, 2), 0x1500);
	assert_int_equal(in_size(t, IBRD + 1, 8) & 0xffffffffff, 0x150000ab);
	assert_true(bus_read(&t->f.mmio, BASE + 0xff8, 8, &v));
	assert_false(bus_read(&t->f.mmio, BASE + 0xffc, 8, &v));
	assert_true(bus_read(&t->f.mmio, BASE + 0x80, 4, &v));
	assert_int_equal(v, 0);
	out(t, FR, 0xffffffff);
	out(t, RIS, 0xffffffff);
	out(t, 0xfe0, 0);
	assert_int_equal(in(t, 0xfe0), 0x11);
	assert_int_equal(in(t, RIS), 0);
}

/* --- transmitter ------------------------------------------------------------------------ */

static void output_needs_no_setting_up(void **state)
{
	struct fixture *t = *state;

	out(t, DR, 'a');
	out(t, DR, 'b');
	expect_output(t, "ab", 2);
}

static void transmit_interrupt_after_each_character_sent(void **state)
{
	struct fixture *t = *state;

	out(t, IMSC, TX_INT);
	assert_int_equal(t->irq.level, 0);	/* there was no transition yet */
	out(t, DR, 'a');
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, MIS), TX_INT);
	out(t, ICR, TX_INT);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, RIS), 0);
	out(t, DR, 'b');
	assert_int_equal(t->irq.level, 1);
	out(t, IMSC, 0);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, RIS), TX_INT);
	assert_int_equal(in(t, MIS), 0);
}

static void transmit_interrupt_lets_its_handler_go_now_and_then(void **state)
{
	struct fixture *t = *state;
	unsigned n = 0;

	out(t, IMSC, TX_INT);
	out(t, DR, 'x');
	while (t->irq.level && n < 10 * UART_TX_BURST) {
		out(t, DR, 'x');
		n++;
	}
	assert_int_equal(n, UART_TX_BURST - 1);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 1);
}

static void case_97_a_full_buffer_makes_the_guest_wait_and_loses_nothing(void **state)
{
	struct fixture *t = *state;
	unsigned sent = 0;

	t->chr.appetite = 0;
	out(t, IMSC, TX_INT);
	while (!(in(t, FR) & TXFF)) {
		for (int i = 0; i < PL011_TX_FIFO; i++, sent++)
			out(t, DR, 'a' + sent % 26);
		assert_true(sent <= UART_TX_BUFFER);
		fake_settle(&t->f);
	}
	assert_true(in(t, FR) & FR_BUSY);
	assert_false(in(t, FR) & TXFE);
	assert_int_equal(t->irq.level, 0);
	/* Waiting for room is not looking for input. */
	for (int i = 0; i < 100; i++)
		in(t, FR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	fake_chardev_drain(&t->chr, SIZE_MAX);
	assert_true(in(t, FR) & TXFE);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(t->chr.out_len, sent);
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(t->chr.out[i], (int)('a' + i % 26));
}

static void case_97_writing_without_looking_stays_within_the_buffer(void **state)
{
	struct fixture *t = *state;

	t->chr.appetite = 0;
	for (unsigned i = 0; i < 3 * UART_TX_BUFFER; i++)
		out(t, DR, 'x');
	fake_settle(&t->f);
	fake_chardev_drain(&t->chr, SIZE_MAX);
	assert_int_equal(t->chr.out_len, UART_TX_BUFFER);
}

static void last_words_are_written_when_the_machine_ends(void **state)
{
	struct fixture *t = *state;

	out(t, DR, 'z');
	pl011_finish(&t->uart);
	assert_int_equal(t->chr.out_len, 1);
	bus_remove(&t->f.mmio, &t->uart.region);
	pl011_init(&t->uart, t->f.loop, NULL, fake_irq_line(&t->irq));
	assert_int_equal(bus_add(&t->f.mmio, &t->uart.region, BASE), 0);
	/* Without a chardev output is dropped. */
	for (int i = 0; i < 10000; i++)
		out(t, DR, 'x');
	assert_true(in(t, FR) & TXFE);
}

/* --- receiver --------------------------------------------------------------------------- */

static void input_interrupts_until_it_is_read(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	assert_int_equal(fake_chardev_type(&t->chr, "ab", 2), 2);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, MIS), RT_INT);
	assert_false(in(t, FR) & RXFE);
	assert_int_equal(in(t, DR), 'a');
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, DR), 'b');
	assert_int_equal(t->irq.level, 0);
	assert_true(in(t, FR) & RXFE);
	assert_int_equal(in(t, DR), 'b');	/* still holds it, and that is no input */
}

static void trigger_level_tells_data_from_timeout(void **state)
{
	struct fixture *t = *state;
	static const unsigned levels[] = { 4, 8, 16, 24, 28 };
	char text[PL011_RX_FIFO] = "";

	open_port(t);
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		out(t, IFLS, i << 3);
		fake_chardev_type(&t->chr, text, levels[i] - 1);
		assert_int_equal(in(t, MIS), RT_INT);
		fake_chardev_type(&t->chr, text, 1);
		assert_int_equal(in(t, MIS), RT_INT | RX_INT);
		in(t, DR);
		assert_int_equal(in(t, MIS), RT_INT);
		for (unsigned n = 1; n < levels[i]; n++)
			in(t, DR);
		assert_int_equal(in(t, MIS), 0);
	}
}

static void cleared_receive_interrupts_come_again_with_the_next_character(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	fake_chardev_type(&t->chr, "a", 1);
	out(t, ICR, 0x7ff);
	assert_int_equal(t->irq.level, 0);
	fake_chardev_type(&t->chr, "b", 1);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, DR), 'a');
	/* What is left would time out again. */
	out(t, ICR, 0x7ff);
	fake_chardev_type(&t->chr, "c", 1);
	assert_int_equal(in(t, DR), 'b');
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, DR), 'c');
	assert_int_equal(t->irq.level, 0);
}

static void case_97_a_full_fifo_takes_no_input_and_asks_for_more_when_empty(void **state)
{
	struct fixture *t = *state;
	char text[100];

	memset(text, 'x', sizeof(text));
	open_port(t);
	fake_settle(&t->f);
	t->chr.kicks = 0;
	assert_int_equal(fake_chardev_type(&t->chr, text, sizeof(text)), PL011_RX_FIFO);
	assert_true(in(t, FR) & RXFF);
	assert_int_equal(fake_chardev_type(&t->chr, text, 1), 0);
	for (int i = 0; i < PL011_RX_FIFO - 1; i++)
		in(t, DR);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 0);
	in(t, DR);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	assert_int_equal(in(t, RIS) & 0x400, 0);	/* no overrun */
}

static void without_fifo_one_character_at_a_time(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, LCR_H, 0x60);
	assert_int_equal(fake_chardev_type(&t->chr, "ab", 2), 1);
	assert_int_equal(in(t, MIS), RX_INT);
	assert_true(in(t, FR) & RXFF);
	assert_int_equal(in(t, DR), 'a');
	assert_int_equal(in(t, MIS), 0);
}

static void input_waits_until_linux_has_opened_the_port(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	/* the console's writing */
	out(t, CR, UARTEN | TXE | RXE);
	in(t, FR);
	out(t, DR, 'x');
	in(t, FR);
	in(t, FR);
	out(t, CR, TXE | RXE);
	/* pl011_hwinit() */
	out(t, ICR, 0x7ff);
	out(t, IMSC, RX_INT | RT_INT);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	/* pl011_startup() */
	out(t, CR, UARTEN | TXE | RXE);
	in(t, FR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	out(t, IMSC, RX_INT | RT_INT);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
}

static void rts_lets_input_come(void **state)
{
	struct fixture *t = *state;

	out(t, CR, TXE | RXE | RTS);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 0);
	out(t, CR, UARTEN | TXE | RXE | RTS);
	fake_settle(&t->f);
	assert_int_equal(t->chr.kicks, 1);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
}

static void a_guest_that_only_polls_gets_input(void **state)
{
	struct fixture *t = *state;

	for (int i = 0; i < 15; i++)
		in(t, FR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	in(t, FR);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 1);
	assert_false(in(t, FR) & RXFE);
	assert_int_equal(in(t, DR), 'a');
}

static void switching_fifos_clears_the_receiver(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	fake_chardev_type(&t->chr, "abc", 3);
	out(t, LCR_H, 0x60);
	assert_true(in(t, FR) & RXFE);
	assert_int_equal(t->irq.level, 0);
}

static void a_break_is_a_null_with_an_error(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, IMSC, 0x280);
	fake_chardev_type(&t->chr, "a", 1);
	assert_int_equal(t->irq.level, 0);
	t->chr.chr.front->brk(t->chr.chr.front_ctx);
	assert_int_equal(t->irq.level, 1);
	out(t, ICR, 0x280);
	assert_int_equal(in(t, DR), 'a');
	assert_int_equal(in(t, RSR), 0);
	assert_int_equal(in(t, DR), 0x500);
	assert_int_equal(in(t, RSR), 5);
	out(t, RSR, 0);
	assert_int_equal(in(t, RSR), 0);
}

/* --- loopback ------------------------------------------------------------------------------ */

static void loopback_receives_what_is_sent_and_the_host_nothing(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, CR, UARTEN | TXE | RXE | LBE);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	for (int i = 0; i < PL011_RX_FIFO + 1; i++)
		out(t, DR, i);
	assert_int_equal(in(t, RIS) & 0x400, 0x400);	/* overrun */
	assert_int_equal(in(t, RSR), 8);
	assert_int_equal(in(t, DR), 0x800);
	for (int i = 1; i < PL011_RX_FIFO; i++)
		assert_int_equal(in(t, DR), i);
	assert_true(in(t, FR) & RXFE);
	fake_settle(&t->f);
	assert_int_equal(t->chr.out_len, 0);
	out(t, LCR_H, FEN | 1);
	out(t, LCR_H, FEN);
	assert_int_equal(in(t, DR), 0x500);
}

static void loopback_shows_modem_outputs_as_inputs(void **state)
{
	struct fixture *t = *state;

	out(t, IMSC, 0xf);
	out(t, CR, LBE | RTS);
	assert_int_equal(in(t, FR) & 0x107, 1);
	assert_int_equal(in(t, MIS), 0xc);	/* DSR and DCD went */
	out(t, ICR, 0xf);
	assert_int_equal(t->irq.level, 0);
	out(t, CR, LBE | DTR);
	assert_int_equal(in(t, FR) & 0x107, 2);
	assert_int_equal(in(t, MIS), 0xa);
	out(t, ICR, 0xf);
	out(t, CR, LBE | 0x3000);
	assert_int_equal(in(t, FR) & 0x107, 0x104);
	assert_int_equal(in(t, MIS), 0xd);
	out(t, ICR, 0xf);
	out(t, CR, 0);
	assert_int_equal(in(t, FR) & 0x107, 7);
	assert_int_equal(in(t, MIS), 0xb);
}

/* --- life ------------------------------------------------------------------------------------- */

static void reset_is_power_on_and_what_was_sent_goes_out(void **state)
{
	struct fixture *t = *state;

	open_port(t);
	out(t, DR, 'q');
	fake_chardev_type(&t->chr, "abc", 3);
	assert_int_equal(t->irq.level, 1);
	pl011_reset(&t->uart);
	assert_int_equal(t->irq.level, 0);
	power_on_values(state);
	assert_int_equal(fake_chardev_type(&t->chr, "a", 1), 0);
	expect_output(t, "q", 1);
}

#define RACE_LEN 20000

static void *send_and_receive(void *arg)
{
	struct fixture *t = arg;

	for (unsigned sent = 0; sent < RACE_LEN;) {
		uint32_t fr = in(t, FR);

		if (!(fr & RXFE))
			in(t, DR);
		for (int i = 0; i < PL011_TX_FIFO && !(fr & TXFF); i++)
			out(t, DR, sent++);
		out(t, ICR, in(t, MIS));
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
	out(t, IMSC, TX_INT | RX_INT | RT_INT);
	pthread_create(&vcpu, NULL, send_and_receive, t);
	while (t->chr.out_len < RACE_LEN / 2) {
		fake_chardev_type(&t->chr, "typed", 5);
		loop_run_once(t->f.loop, 10);
		t->chr.chr.front->brk(t->chr.chr.front_ctx);
	}
	expect_output(t, text, RACE_LEN);
	pthread_join(vcpu, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_amba_bus_finds_a_pl011_of_r1p5),
		TEST(power_on_values),
		TEST(registers_keep_what_they_have_bits_for),
		TEST(accesses_of_any_size),
		TEST(case_24_odd_accesses),
		TEST(output_needs_no_setting_up),
		TEST(transmit_interrupt_after_each_character_sent),
		TEST(transmit_interrupt_lets_its_handler_go_now_and_then),
		TEST(case_97_a_full_buffer_makes_the_guest_wait_and_loses_nothing),
		TEST(case_97_writing_without_looking_stays_within_the_buffer),
		TEST(last_words_are_written_when_the_machine_ends),
		TEST(input_interrupts_until_it_is_read),
		TEST(trigger_level_tells_data_from_timeout),
		TEST(cleared_receive_interrupts_come_again_with_the_next_character),
		TEST(case_97_a_full_fifo_takes_no_input_and_asks_for_more_when_empty),
		TEST(without_fifo_one_character_at_a_time),
		TEST(input_waits_until_linux_has_opened_the_port),
		TEST(rts_lets_input_come),
		TEST(a_guest_that_only_polls_gets_input),
		TEST(switching_fifos_clears_the_receiver),
		TEST(a_break_is_a_null_with_an_error),
		TEST(loopback_receives_what_is_sent_and_the_host_nothing),
		TEST(loopback_shows_modem_outputs_as_inputs),
		TEST(reset_is_power_on_and_what_was_sent_goes_out),
		TEST(a_vcpu_and_the_loop_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
