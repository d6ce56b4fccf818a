/* SPDX-License-Identifier: MIT */
/* The DMA engine of a BCM283x, with a peripheral that paces it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_dma.h"
#include "tests/fake.h"
#include "tests/until.h"
#include "vmm/util.h"

#define DMA 0x3f007000
#define BLOCKS 0x1000
#define FROM 0x2000
#define TO 0x8000
#define FIFO 0x7e202040u
#define DREQ 13

#define CS 0x00
#define CONBLK_AD 0x04
#define TI 0x08
#define SOURCE_AD 0x0c
#define DEST_AD 0x10
#define TXFR_LEN 0x14
#define STRIDE 0x18
#define NEXTCONBK 0x1c
#define DEBUG 0x20
#define INT_STATUS 0xfe0
#define ENABLE 0xff0

#define CS_ACTIVE BIT(0)
#define CS_END BIT(1)
#define CS_INT BIT(2)
#define CS_ERROR BIT(8)
#define CS_ABORT BIT(30)
#define CS_RESET BIT(31)

#define INTEN BIT(0)
#define ROWS BIT(1)
#define DEST_INC BIT(4)
#define DEST_DREQ BIT(6)
#define DEST_IGNORE BIT(7)
#define SRC_INC BIT(8)
#define SRC_DREQ BIT(10)
#define SRC_IGNORE BIT(11)
#define COPY (DEST_INC | SRC_INC)
#define TO_FIFO (SRC_INC | DEST_DREQ | DREQ << 16)
#define FROM_FIFO (DEST_INC | SRC_DREQ | DREQ << 16)

struct fixture {
	struct fake f;
	struct fake_irq irqs[BCM283X_DMA_IRQS];
	struct bcm283x_dma dma;
	struct bcm283x_dma_peer peer;
	unsigned room;		/* what the peer can take or give */
	bool write;		/* what it was asked for last */
	uint8_t fifo[64];
	unsigned moved;
};

static unsigned peer_ready(void *ctx, bool write)
{
	struct fixture *t = ctx;

	t->write = write;
	return t->room;
}

static void peer_moves(struct fixture *t, unsigned len)
{
	assert_int_equal(len % 4, 0);
	assert_in_range(len, 4, t->room);
	t->room -= len;
	t->moved += len;
	assert_in_range(t->moved, 0, sizeof(t->fifo));
}

static void peer_read(void *ctx, void *data, unsigned len)
{
	struct fixture *t = ctx;

	memcpy(data, t->fifo + t->moved, len);
	peer_moves(t, len);
}

static void peer_write(void *ctx, const void *data, unsigned len)
{
	struct fixture *t = ctx;

	memcpy(t->fifo + t->moved, data, len);
	peer_moves(t, len);
}

static uint32_t in(struct fixture *t, unsigned reg)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, DMA + reg, 4, &v));
	return v;
}

static void out(struct fixture *t, unsigned reg, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, DMA + reg, 4, value));
}

static void put(struct fixture *t, uint64_t gpa, const void *data, unsigned len)
{
	assert_int_equal(gmem_write(&t->f.mem, gpa, data, len), 0);
}

static uint32_t word(struct fixture *t, uint64_t gpa)
{
	uint8_t data[4];

	assert_int_equal(gmem_read(&t->f.mem, gpa, data, 4), 0);
	return load_le(data, 4);
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	struct irq_line irqs[BCM283X_DMA_IRQS];
	uint8_t data[0x1000];

	fake_init(&t->f);
	for (unsigned i = 0; i < BCM283X_DMA_IRQS; i++)
		irqs[i] = fake_irq_line(&t->irqs[i]);
	bcm283x_dma_init(&t->dma, &t->f.mem, t->f.loop, irqs);
	t->peer = (struct bcm283x_dma_peer){ peer_ready, peer_read, peer_write, t };
	bcm283x_dma_attach(&t->dma, DREQ, &t->peer);
	assert_int_equal(bus_add(&t->f.mmio, &t->dma.region, DMA), 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = 1 + i % 251;
	put(t, FROM, data, sizeof(data));
	for (unsigned i = 0; i < sizeof(t->fifo); i++)
		t->fifo[i] = 0x80 + i;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bcm283x_dma_finish(&t->dma);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* Control block @n, as Linux writes it: memory by its bus address. */
static void block(struct fixture *t, unsigned n, uint32_t ti, uint32_t src, uint32_t dst,
		  uint32_t len, uint32_t stride, uint32_t next)
{
	uint32_t b[8] = { ti, src, dst, len, stride, next };

	put(t, BLOCKS + 32 * n, b, sizeof(b));
}

static uint32_t block_at(unsigned n)
{
	return 0xc0000000 | (BLOCKS + 32 * n);
}

static void start(struct fixture *t, unsigned channel, unsigned n)
{
	out(t, channel << 8 | CONBLK_AD, block_at(n));
	out(t, channel << 8 | CS, CS_ACTIVE);
}

/* A block alone, on channel 0, until nothing moves any more. */
static void run(struct fixture *t, uint32_t ti, uint32_t src, uint32_t dst, uint32_t len)
{
	block(t, 0, ti, src, dst, len, 0, 0);
	start(t, 0, 0);
	fake_settle(&t->f);
}

static void assert_copied(struct fixture *t, uint64_t to, uint64_t from, unsigned len)
{
	uint8_t a[0x1000], b[0x1000];

	assert_int_equal(gmem_read(&t->f.mem, from, a, len), 0);
	assert_int_equal(gmem_read(&t->f.mem, to, b, len), 0);
	assert_memory_equal(a, b, len);
}

/* --- what is moved ------------------------------------------------------------------- */

static void memory_is_copied_along_a_chain(void **state)
{
	struct fixture *t = *state;

	block(t, 0, COPY, 0xc0000000 | FROM, 0xc0000000 | TO, 4000, 0, block_at(1));
	block(t, 1, COPY, 0, FAKE_RAM2_GPA, 5001, 0, block_at(2));
	block(t, 2, COPY | INTEN, FROM + 0x100, TO + 0x2000, 16, 0, 0);
	start(t, 11, 0);
	UNTIL_IN(t->f.loop, t->irqs[11].level);
	assert_int_equal(in(t, INT_STATUS), BIT(11));
	assert_int_equal(in(t, 0xb00 | CS), CS_END | CS_INT);
	assert_int_equal(in(t, 0xb00 | CONBLK_AD), 0);
	assert_copied(t, TO, FROM, 4000);
	assert_int_equal(word(t, TO + 4000), 0);
	assert_copied(t, FAKE_RAM2_GPA + 0x1000, 0x1000, 5001 - 0x1000);
	assert_copied(t, TO + 0x2000, FROM + 0x100, 16);
	out(t, 0xb00 | CS, CS_INT);
	assert_int_equal(t->irqs[11].level, 0);
}

static void two_dimensions_have_strides(void **state)
{
	struct fixture *t = *state;

	/* The highest bits are of neither dimension. */
	block(t, 0, COPY | ROWS, FROM, TO, 3u << 30 | 2 << 16 | 8, 4 << 16 | (uint16_t)-4, 0);
	start(t, 0, 0);
	UNTIL_IN(t->f.loop, in(t, CS) & CS_END);
	assert_copied(t, TO, FROM, 8);
	assert_copied(t, TO + 12, FROM + 4, 8);
	assert_copied(t, TO + 24, FROM + 8, 8);
	assert_int_equal(word(t, TO + 8), 0);
	assert_int_equal(word(t, TO + 32), 0);
}

static void the_highest_bits_are_not_of_the_length(void **state)
{
	struct fixture *t = *state;

	run(t, COPY, FROM, TO, 3u << 30 | 16);
	assert_int_equal(in(t, CS), CS_END);
	assert_copied(t, TO, FROM, 16);
	assert_int_equal(word(t, TO + 16), 0);
}

static void an_address_that_stands_still_is_the_same_word_each_time(void **state)
{
	struct fixture *t = *state;

	run(t, DEST_INC, FROM, TO, 10);
	assert_copied(t, TO, FROM, 4);
	assert_copied(t, TO + 4, FROM, 4);
	assert_copied(t, TO + 8, FROM, 2);
	assert_int_equal(word(t, TO + 8) >> 16, 0);
	run(t, SRC_INC, FROM, TO + 0x100, 12);
	assert_copied(t, TO + 0x100, FROM + 8, 4);
	assert_int_equal(word(t, TO + 0x104), 0);
	run(t, SRC_INC, FROM, TO + 0x200, 2);
	assert_copied(t, TO + 0x200, FROM, 2);
	assert_int_equal(word(t, TO + 0x200) >> 16, 0);
	/* More than one piece. */
	run(t, DEST_INC, FROM, TO, 0x1800);
	assert_copied(t, TO + 0x17fc, FROM, 4);
}

static void what_is_ignored_is_zeros_or_lost(void **state)
{
	struct fixture *t = *state;

	put(t, TO, "full", 4);
	run(t, SRC_INC | DEST_IGNORE, FROM, TO, 4);
	assert_memory_equal(&(uint32_t){ word(t, TO) }, "full", 4);
	run(t, COPY | SRC_IGNORE, 0x3f000000, TO, 4);
	assert_int_equal(in(t, CS), CS_END);
	assert_int_equal(word(t, TO), 0);
}

/* --- peripherals ------------------------------------------------------------------------ */

static void a_peripheral_says_how_much_can_be_moved(void **state)
{
	struct fixture *t = *state;

	t->room = 11;
	run(t, TO_FIFO, FROM, FIFO, 16);
	assert_true(t->write);
	assert_int_equal(t->moved, 8);
	assert_int_equal(in(t, CS), CS_ACTIVE);
	assert_int_equal(in(t, TXFR_LEN), 8);
	assert_int_equal(in(t, SOURCE_AD), FROM + 8);
	assert_int_equal(in(t, DEST_AD), FIFO);
	t->room = 64;
	fake_settle(&t->f);
	assert_int_equal(t->moved, 8);
	bcm283x_dma_kick(&t->dma);
	fake_settle(&t->f);
	assert_int_equal(in(t, CS), CS_END);
	put(t, TO, t->fifo, 16);
	assert_copied(t, TO, FROM, 16);

	t->moved = 0;
	run(t, FROM_FIFO, FIFO, TO + 0x100, 16);
	assert_false(t->write);
	assert_int_equal(t->moved, 16);
	assert_copied(t, TO + 0x100, TO, 16);
}

static void a_peripheral_that_is_not_asked_for_is_left_alone(void **state)
{
	struct fixture *t = *state;

	t->room = 64;
	put(t, TO, "full", 4);
	run(t, DEST_INC | DREQ << 16, FIFO, TO, 4);
	assert_int_equal(word(t, TO), 0);
	run(t, SRC_INC | DREQ << 16, FROM, FIFO, 4);
	/* Only memory paced by it, and another's number. */
	run(t, COPY | SRC_DREQ | DREQ << 16, FROM, TO, 8);
	assert_copied(t, TO, FROM, 8);
	run(t, DEST_INC | SRC_DREQ | 7 << 16, FIFO, TO, 4);
	assert_int_equal(word(t, TO), 0);
	run(t, SRC_INC | DEST_DREQ | 7 << 16, FROM, FIFO, 4);
	assert_int_equal(in(t, CS), CS_END);
	assert_int_equal(t->moved, 0);
}

static void the_registers_show_the_block(void **state)
{
	struct fixture *t = *state;

	block(t, 0, TO_FIFO | ROWS, FROM, FIFO, 5 << 16 | 24, 0x123456, block_at(1));
	start(t, 3, 0);
	fake_settle(&t->f);
	assert_int_equal(in(t, 0x300 | CONBLK_AD), block_at(0));
	assert_int_equal(in(t, 0x300 | TI), TO_FIFO | ROWS);
	assert_int_equal(in(t, 0x300 | SOURCE_AD), FROM);
	assert_int_equal(in(t, 0x300 | DEST_AD), FIFO);
	assert_int_equal(in(t, 0x300 | TXFR_LEN), 5 << 16 | 24);
	assert_int_equal(in(t, 0x300 | STRIDE), 0x123456);
	assert_int_equal(in(t, 0x300 | NEXTCONBK), block_at(1));
	assert_int_equal(in(t, 0x300 | 0x24), 0);
	/* A version, and from the 7th on those that can do less. */
	assert_int_equal(in(t, 0x600 | DEBUG), 2 << 25);
	assert_int_equal(in(t, 0x700 | DEBUG), 2 << 25 | BIT(28));
}

/* --- interrupts ------------------------------------------------------------------------- */

static void the_last_channels_share_an_interrupt(void **state)
{
	struct fixture *t = *state;

	block(t, 0, COPY | INTEN, FROM, TO, 4, 0, 0);
	start(t, 12, 0);
	start(t, 14, 0);
	start(t, 2, 0);
	fake_settle(&t->f);
	assert_int_equal(in(t, INT_STATUS), BIT(14) | BIT(12) | BIT(2));
	for (unsigned i = 0; i < BCM283X_DMA_IRQS; i++)
		assert_int_equal(t->irqs[i].level, i == 2 || i == 11);
	out(t, 0xc00 | CS, CS_INT);
	assert_int_equal(t->irqs[11].level, 1);
	out(t, 0xe00 | CS, CS_INT);
	assert_int_equal(t->irqs[11].level, 0);
	assert_int_equal(t->irqs[2].level, 1);
	assert_int_equal(t->irqs[2].edges, 1);
}

static void what_ends_a_block_is_acknowledged_bit_by_bit(void **state)
{
	struct fixture *t = *state;

	run(t, COPY, FROM, TO, 4);
	assert_int_equal(in(t, CS), CS_END);
	assert_int_equal(in(t, INT_STATUS), 0);
	run(t, COPY | INTEN, FROM, TO, 4);
	assert_int_equal(in(t, CS), CS_END | CS_INT);
	out(t, CS, CS_END);
	assert_int_equal(in(t, CS), CS_INT);
	assert_int_equal(t->irqs[0].level, 1);
	out(t, CS, CS_INT);
	assert_int_equal(in(t, CS), 0);
	/* Priorities stay until others are set. */
	out(t, CS, 0x00a50000);
	assert_int_equal(in(t, CS), 0x00a50000);
	out(t, CS, 0x10000000);
	assert_int_equal(in(t, CS), 0x10000000);
}

/* --- pause, abort, reset ------------------------------------------------------------------- */

static void a_channel_that_was_paused_goes_on_where_it_was(void **state)
{
	struct fixture *t = *state;

	t->room = 8;
	run(t, TO_FIFO, FROM, FIFO, 16);
	/* While it is active its block stays. */
	out(t, CONBLK_AD, block_at(5));
	assert_int_equal(in(t, CONBLK_AD), block_at(0));
	out(t, CS, 0);
	assert_int_equal(in(t, CS), 0);
	t->room = 64;
	bcm283x_dma_kick(&t->dma);
	fake_settle(&t->f);
	assert_int_equal(t->moved, 8);
	out(t, CS, CS_ACTIVE);
	fake_settle(&t->f);
	assert_int_equal(t->moved, 16);
	assert_int_equal(in(t, CS), CS_END);
}

static void a_row_that_was_paused_is_not_the_last(void **state)
{
	struct fixture *t = *state;

	t->room = 4;
	run(t, TO_FIFO | ROWS, FROM, FIFO, 2 << 16 | 4);
	assert_int_equal(in(t, TXFR_LEN), 1 << 16 | 4);
	out(t, CS, 0);
	t->room = 64;
	out(t, CS, CS_ACTIVE);
	fake_settle(&t->f);
	assert_int_equal(t->moved, 12);
	assert_int_equal(in(t, CS), CS_END);
}

static void another_block_is_not_the_rest_of_what_was_paused(void **state)
{
	struct fixture *t = *state;

	run(t, TO_FIFO, FROM, FIFO, 16);
	out(t, CS, 0);
	block(t, 1, COPY, FROM, TO, 4, 0, 0);
	start(t, 0, 1);
	fake_settle(&t->f);
	assert_int_equal(in(t, CS), CS_END);
	assert_copied(t, TO, FROM, 4);
}

static void a_block_that_is_aborted_makes_place_for_the_next(void **state)
{
	struct fixture *t = *state;

	for (unsigned paused = 0; paused <= 1; paused++) {
		put(t, TO, "full", 4);
		block(t, 0, TO_FIFO, FROM, FIFO, 16, 0, block_at(1));
		block(t, 1, COPY | INTEN, FROM, TO, 4, 0, 0);
		start(t, 0, 0);
		fake_settle(&t->f);
		if (paused)
			out(t, CS, 0);
		out(t, CS, CS_ABORT | CS_ACTIVE);
		fake_settle(&t->f);
		assert_int_equal(in(t, CS), CS_END | CS_INT);
		assert_copied(t, TO, FROM, 4);
		out(t, CS, CS_RESET);
	}
	assert_int_equal(t->moved, 0);
}

/* As drivers did before they knew that a reset is enough. */
static void a_chain_that_is_cut_off_ends_when_its_block_is_aborted(void **state)
{
	struct fixture *t = *state;

	for (unsigned paused = 0; paused <= 1; paused++) {
		block(t, 0, TO_FIFO, FROM, FIFO, 16, 0, block_at(1));
		block(t, 1, COPY, FROM, TO, 4, 0, 0);
		start(t, 0, 0);
		fake_settle(&t->f);
		if (paused)
			out(t, CS, 0);
		out(t, NEXTCONBK, 0);
		out(t, CS, CS_ABORT | CS_ACTIVE);
		assert_int_equal(in(t, CS) & CS_ACTIVE, 0);
		assert_int_equal(in(t, CONBLK_AD), 0);
	}
	t->room = 64;
	bcm283x_dma_kick(&t->dma);
	fake_settle(&t->f);
	assert_int_equal(word(t, TO), 0);
	assert_int_equal(t->moved, 0);
	/* Nothing to abort: it begins. */
	block(t, 0, COPY, FROM, TO, 4, 0, 0);
	out(t, CONBLK_AD, block_at(0));
	out(t, CS, CS_ABORT | CS_ACTIVE);
	fake_settle(&t->f);
	assert_copied(t, TO, FROM, 4);
}

static void without_a_block_nothing_begins(void **state)
{
	struct fixture *t = *state;

	block(t, 0, COPY, FROM, TO, 4, 0, 0);
	out(t, CS, CS_ACTIVE);
	assert_int_equal(in(t, CS), 0);
	out(t, CONBLK_AD, block_at(0));
	fake_settle(&t->f);
	assert_int_equal(word(t, TO), 0);
}

static void a_reset_is_of_everything(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, ENABLE), 0x7fff);
	out(t, ENABLE, 0xffff0003);
	assert_int_equal(in(t, ENABLE), 3);
	run(t, COPY | INTEN, FROM, TO, 4);
	assert_int_equal(t->irqs[0].level, 1);
	bcm283x_dma_reset(&t->dma);
	assert_int_equal(t->irqs[0].level, 0);
	assert_int_equal(in(t, CS), 0);
	assert_int_equal(in(t, SOURCE_AD), 0);
	assert_int_equal(in(t, ENABLE), 0x7fff);
	run(t, COPY | INTEN, FROM, TO, 4);
	out(t, CS, CS_RESET);
	assert_int_equal(t->irqs[0].level, 0);
}

/* --- what goes wrong --------------------------------------------------------------------- */

static void case_7_blocks_and_data_outside_ram_stop_the_channel(void **state)
{
	static const uint32_t blocks[][4] = {
		{ COPY, 0x3f000000, TO, 64 },
		{ COPY, FROM, 0x3ffffff0, 64 },
		{ DEST_INC, 0x3f000000, TO, 64 },
		{ SRC_INC, FROM, 0x3f000000, 64 },
		{ DEST_INC, FAKE_RAM_LEN - 2, TO, 64 },
		{ SRC_INC, FROM, FAKE_RAM_LEN - 2, 64 },
		{ COPY, FAKE_RAM_LEN - 8, TO, 0x3fffffff },
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++) {
		run(t, blocks[i][0], blocks[i][1], blocks[i][2], blocks[i][3]);
		assert_int_equal(in(t, CS), CS_ERROR);
		assert_int_equal(in(t, DEBUG) & 7, 4);
		out(t, CS, CS_ACTIVE);
		assert_int_equal(in(t, CS), CS_ERROR);
		out(t, CS, CS_RESET);
		assert_int_equal(in(t, CS), 0);
	}
	out(t, CONBLK_AD, 0x3f000000);
	out(t, CS, CS_ACTIVE);
	assert_int_equal(in(t, CS), CS_ERROR);
	out(t, CS, CS_RESET);
	/* The one after. */
	block(t, 0, COPY, FROM, TO, 4, 0, 0x3f000000);
	start(t, 0, 0);
	fake_settle(&t->f);
	assert_int_equal(in(t, CS), CS_END | CS_ERROR);
}

static void an_error_that_is_cleared_is_tried_again(void **state)
{
	struct fixture *t = *state;

	run(t, COPY, 0x3f000000, TO, 4);
	out(t, DEBUG, 3);
	assert_int_equal(in(t, CS), CS_ERROR);
	out(t, DEBUG, 4);
	assert_int_equal(in(t, DEBUG) & 7, 0);
	assert_int_equal(in(t, CS), 0);
	block(t, 1, COPY, FROM, TO, 4, 0, 0);
	start(t, 0, 1);
	fake_settle(&t->f);
	assert_int_equal(in(t, CS), CS_END);
	assert_copied(t, TO, FROM, 4);
}

static void case_3_a_chain_that_loops_leaves_the_loop_to_others(void **state)
{
	struct fixture *t = *state;

	block(t, 0, COPY, FROM, TO, 0, 0, block_at(0));
	start(t, 0, 0);
	for (unsigned i = 0; i < 10; i++)
		loop_run_once(t->f.loop, 0);
	assert_int_equal(in(t, CS) & CS_ACTIVE, CS_ACTIVE);
	out(t, CS, 0);
	fake_settle(&t->f);
	assert_int_equal(in(t, CS) & CS_ACTIVE, 0);
	out(t, CS, CS_RESET);
}

static void case_3_a_turn_of_the_loop_is_so_many_bytes(void **state)
{
	struct fixture *t = *state;

	put(t, 0x80000 - 4, "last", 4);
	block(t, 0, COPY, 0, FAKE_RAM2_GPA, 0x80000, 0, 0);
	start(t, 0, 0);
	loop_run_once(t->f.loop, 0);
	assert_copied(t, FAKE_RAM2_GPA + BLOCKS, BLOCKS, 32);
	assert_int_equal(in(t, TXFR_LEN), 0x40000);
	fake_settle(&t->f);
	assert_copied(t, FAKE_RAM2_GPA + 0x80000 - 4, 0x80000 - 4, 4);
}

static void case_3_a_turn_of_the_loop_is_so_many_blocks(void **state)
{
	struct fixture *t = *state;

	for (unsigned i = 0; i < 100; i++)
		block(t, i, COPY, FROM + 0x1000, TO, 0, 0, i < 99 ? block_at(i + 1) : 0);
	start(t, 0, 0);
	loop_run_once(t->f.loop, 0);
	assert_int_equal(in(t, CONBLK_AD), block_at(64));
	fake_settle(&t->f);
	assert_int_equal(in(t, CS), CS_END);
}

static void case_36_every_offset_and_size_is_answered(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= BCM283X_DMA_LEN; off++) {
			bus_write(&t->f.mmio, DMA + off, size, 0x3fffffffffull);
			bus_read(&t->f.mmio, DMA + off, size, &v);
		}
	/* There is no channel 15, and no register of one: the peers are behind the others. */
	for (unsigned i = 0; i < BCM283X_DMA_PEERS; i++)
		bcm283x_dma_attach(&t->dma, i, &t->peer);
	for (unsigned reg = 0xf00; reg < BCM283X_DMA_LEN; reg += 4) {
		if (reg == INT_STATUS || reg == ENABLE)
			continue;
		out(t, reg, block_at(0));
		assert_int_equal(in(t, reg), 0);
	}
	for (unsigned i = 0; i < BCM283X_DMA_PEERS; i++)
		assert_ptr_equal(t->dma.peers[i], &t->peer);
	bcm283x_dma_reset(&t->dma);
	fake_settle(&t->f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_is_copied_along_a_chain),
		T(two_dimensions_have_strides),
		T(the_highest_bits_are_not_of_the_length),
		T(an_address_that_stands_still_is_the_same_word_each_time),
		T(what_is_ignored_is_zeros_or_lost),
		T(a_peripheral_says_how_much_can_be_moved),
		T(a_peripheral_that_is_not_asked_for_is_left_alone),
		T(the_registers_show_the_block),
		T(the_last_channels_share_an_interrupt),
		T(what_ends_a_block_is_acknowledged_bit_by_bit),
		T(a_channel_that_was_paused_goes_on_where_it_was),
		T(a_row_that_was_paused_is_not_the_last),
		T(another_block_is_not_the_rest_of_what_was_paused),
		T(a_block_that_is_aborted_makes_place_for_the_next),
		T(a_chain_that_is_cut_off_ends_when_its_block_is_aborted),
		T(without_a_block_nothing_begins),
		T(a_reset_is_of_everything),
		T(case_7_blocks_and_data_outside_ram_stop_the_channel),
		T(an_error_that_is_cleared_is_tried_again),
		T(case_3_a_chain_that_loops_leaves_the_loop_to_others),
		T(case_3_a_turn_of_the_loop_is_so_many_bytes),
		T(case_3_a_turn_of_the_loop_is_so_many_blocks),
		T(case_36_every_offset_and_size_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
