/* SPDX-License-Identifier: MIT */
/* SD host, card and DMA engine of a BCM283x, driven as Linux's bcm2835.c does it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_sdhost.h"
#include "tests/fake.h"
#include "tests/mem_disk.h"
#include "tests/until.h"
#include "vmm/util.h"

#define SDHOST 0x3f202000
#define DMA 0x3f007000
#define DISK_LEN (2u << 20)

#define NO_RSP 0x400
#define LONG_RSP 0x200
#define BUSY 0x800
#define WR 0x80
#define RD 0x40

struct fixture {
	struct fake f;
	struct fake_irq irq, dma_irqs[BCM283X_DMA_IRQS];
	struct mem_disk disk;
	struct bcm283x_sdhost host;
	struct bcm283x_dma dma;
	uint32_t rca;
};

static uint32_t in(struct fixture *t, uint64_t gpa)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, gpa, 4, &v));
	return v;
}

static void out(struct fixture *t, uint64_t gpa, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, gpa, 4, value));
}

static int setup_disk(void **state, bool readonly)
{
	static const struct disk_info plain = { DISK_LEN, 512, 512, 0, false };
	struct disk_info info = plain;
	struct fixture *t = calloc(1, sizeof(*t));
	struct irq_line irqs[BCM283X_DMA_IRQS];

	info.readonly = readonly;
	fake_init(&t->f);
	mem_disk_init(&t->disk, t->f.loop, &info);
	for (unsigned i = 0; i < DISK_LEN; i++)
		t->disk.data[i] = i * 7 + i / 512;
	for (unsigned i = 0; i < BCM283X_DMA_IRQS; i++)
		irqs[i] = fake_irq_line(&t->dma_irqs[i]);
	bcm283x_dma_init(&t->dma, &t->f.mem, t->f.loop, irqs);
	bcm283x_sdhost_init(&t->host, fake_irq_line(&t->irq));
	assert_int_equal(bcm283x_sdhost_insert(&t->host, t->f.loop, t->disk.disk), 0);
	bcm283x_sdhost_connect(&t->host, &t->dma);
	assert_int_equal(bus_add(&t->f.mmio, &t->host.region, SDHOST), 0);
	assert_int_equal(bus_add(&t->f.mmio, &t->dma.region, DMA), 0);
	out(t, SDHOST + 0x30, 1);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_disk(state, false);
}

static int setup_readonly(void **state)
{
	return setup_disk(state, true);
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	mem_disk_release(&t->disk);
	bcm283x_sdhost_finish(&t->host);
	bcm283x_dma_finish(&t->dma);
	mem_disk_finish(&t->disk);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* Whether it was answered. */
static bool cmd(struct fixture *t, unsigned index, uint32_t arg, uint32_t flags)
{
	uint32_t value;

	out(t, SDHOST + 4, arg);
	out(t, SDHOST, 0x8000 | index | flags);
	value = in(t, SDHOST);
	assert_int_equal(value & 0x8000, 0);
	if (value & 0x4000) {
		assert_int_equal(in(t, SDHOST + 0x20) & 0x40, 0x40);
		out(t, SDHOST + 0x20, 0x7f8);
	}
	return !(value & 0x4000);
}

static uint32_t rsp(struct fixture *t)
{
	return in(t, SDHOST + 0x10);
}

static bool acmd(struct fixture *t, unsigned index, uint32_t arg, uint32_t flags)
{
	return cmd(t, 55, t->rca << 16, 0) && (rsp(t) & 1 << 5) && cmd(t, index, arg, flags);
}

static void identify(struct fixture *t)
{
	assert_true(cmd(t, 0, 0, NO_RSP));
	assert_true(cmd(t, 8, 0x1aa, 0));
	assert_int_equal(rsp(t), 0x1aa);
	assert_true(acmd(t, 41, 0x40ff8000, 0));
	assert_int_equal(rsp(t), 0xc0ff8000);
	assert_true(cmd(t, 2, 0, LONG_RSP));
	assert_true(cmd(t, 3, 0, 0));
	t->rca = rsp(t) >> 16;
	assert_int_not_equal(t->rca, 0);
	assert_true(cmd(t, 7, t->rca << 16, BUSY));
	assert_int_equal(in(t, SDHOST + 0x20), 0x400);
	out(t, SDHOST + 0x20, 0x400);
	assert_true(acmd(t, 6, 2, 0));
	assert_int_equal(rsp(t) >> 9 & 0xf, 4);
}

static void transfer(struct fixture *t, uint32_t bytes, uint32_t blocks)
{
	out(t, SDHOST + 0x3c, bytes);
	out(t, SDHOST + 0x50, blocks);
}

static unsigned fifo(struct fixture *t)
{
	return in(t, SDHOST + 0x34) >> 4 & 0x1f;
}

static void pio_read(struct fixture *t, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i += 4) {
		UNTIL_IN(t->f.loop, fifo(t));
		store_le(data + i, 4, in(t, SDHOST + 0x40));
	}
}

static void pio_write(struct fixture *t, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i += 4) {
		UNTIL_IN(t->f.loop, fifo(t) < 16);
		out(t, SDHOST + 0x40, load_le(data + i, 4));
	}
}

/* What the host is at: 1 nothing, 2 reading, 3 writing, 10 waiting for the card. */
static unsigned machine_state(struct fixture *t)
{
	return in(t, SDHOST + 0x34) & 0xf;
}

static void put(struct fixture *t, uint64_t gpa, const void *data, unsigned len)
{
	assert_int_equal(gmem_write(&t->f.mem, gpa, data, len), 0);
}

/* --- the card ------------------------------------------------------------------------ */

static void a_card_is_found_and_says_how_large_it_is(void **state)
{
	struct fixture *t = *state;
	uint32_t size;

	assert_true(cmd(t, 0, 0, NO_RSP));
	assert_false(cmd(t, 5, 0, 0));		/* SDIO */
	assert_true(cmd(t, 8, 0x1aa, 0));
	assert_true(acmd(t, 41, 0, 0));		/* a look */
	assert_int_equal(rsp(t) >> 31, 0);
	assert_true(acmd(t, 41, 0x40ff8000, 0));
	assert_true(cmd(t, 2, 0, LONG_RSP));
	assert_int_equal(in(t, SDHOST + 0x1c) & 0xffffff, 0x4d564d);
	assert_int_equal(in(t, SDHOST + 0x10) & 1, 1);
	assert_true(cmd(t, 3, 0, 0));
	t->rca = rsp(t) >> 16;
	assert_true(cmd(t, 9, t->rca << 16, LONG_RSP));
	assert_int_equal(in(t, SDHOST + 0x1c) >> 30, 1);
	size = in(t, SDHOST + 0x14) >> 16 | (in(t, SDHOST + 0x18) & 0x3f) << 16;
	assert_int_equal((size + 1) * 512u << 10, DISK_LEN);
	assert_false(cmd(t, 52, 0, 0));
	assert_true(cmd(t, 13, t->rca << 16, 0));
	assert_int_equal(rsp(t) & 1 << 22, 1 << 22);
	assert_true(cmd(t, 13, t->rca << 16, 0));
	assert_int_equal(rsp(t) & 1 << 22, 0);
}

static void its_registers_are_read_as_data(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64];

	identify(t);
	transfer(t, 8, 1);
	assert_true(acmd(t, 51, 0, RD));
	pio_read(t, data, 8);
	assert_int_equal(data[1] & 5, 5);
	assert_int_equal(data[3], 2);
	transfer(t, 64, 1);
	assert_true(cmd(t, 6, 0x80fffff1, RD));
	pio_read(t, data, 64);
	assert_int_equal(data[16] & 0xf, 1);
	assert_int_equal(data[13], 3);
	transfer(t, 64, 1);
	assert_true(acmd(t, 13, 0, RD));
	pio_read(t, data, 64);
	assert_int_equal(data[0], 0x80);
	assert_int_equal(in(t, SDHOST + 0x34) & 0xf, 1);
}

static void registers_are_kept_until_the_machine_is_reset(void **state)
{
	static const struct { unsigned reg; uint32_t bits; } regs[] = {
		{ 0x04, ~0u }, { 0x08, ~0u }, { 0x0c, 0x7ff }, { 0x30, 1 }, { 0x38, 0x7ff },
		{ 0x3c, 0xffff }, { 0x50, 0xffff },
	};
	struct fixture *t = *state;

	identify(t);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		out(t, SDHOST + regs[i].reg, ~0u);
		assert_int_equal(in(t, SDHOST + regs[i].reg), regs[i].bits);
	}
	/* Thresholds, and what the FIFO is at. */
	out(t, SDHOST + 0x34, ~0u);
	assert_int_equal(in(t, SDHOST + 0x34), 0x0007fe01);
	assert_int_equal(in(t, SDHOST + 0x54), 0);
	assert_false(cmd(t, 52, 0, 0));
	bcm283x_sdhost_reset(&t->host);
	for (unsigned reg = 0; reg < 0x100; reg += 4)
		assert_int_equal(in(t, SDHOST + reg), reg == 0x34 ? 1 : 0);
}

static void a_command_is_one_when_it_is_new_and_there_is_power(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, SDHOST, 0x4000 | 52);
	assert_int_equal(in(t, SDHOST), 52);
	assert_int_equal(in(t, SDHOST + 0x20), 0);
	/* Without power the card forgets what it was told. */
	out(t, SDHOST + 0x30, 2);
	assert_int_equal(in(t, SDHOST + 0x30), 0);
	assert_false(cmd(t, 13, t->rca << 16, 0));
	out(t, SDHOST + 0x30, 1);
	assert_false(cmd(t, 13, t->rca << 16, 0));
	t->rca = 0;
	identify(t);
	/* To turn it on again is nothing. */
	out(t, SDHOST + 0x30, 1);
	assert_true(cmd(t, 13, t->rca << 16, 0));
}

/* --- data ------------------------------------------------------------------------------- */

static void a_block_is_read_when_its_interrupt_says_so(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	identify(t);
	out(t, SDHOST + 0x38, 1 << 4 | 1 << 10);
	transfer(t, 512, 1);
	mem_disk_hold(&t->disk);
	assert_true(cmd(t, 17, 3, RD));
	assert_int_equal(t->irq.level, 0);
	mem_disk_release(&t->disk);
	UNTIL_IN(t->f.loop, t->irq.level);
	assert_int_equal(in(t, SDHOST + 0x20) & 1, 1);
	pio_read(t, data, 512);
	assert_memory_equal(data, t->disk.data + 3 * 512, 512);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, SDHOST + 0x34) & 0xf, 1);
}

static void a_block_is_written_and_the_interrupt_waits_for_the_disk(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	memset(data, 0xa5, sizeof(data));
	identify(t);
	out(t, SDHOST + 0x38, 1 << 8 | 1 << 10);
	transfer(t, 512, 1);
	assert_true(cmd(t, 24, 9, WR));
	mem_disk_hold(&t->disk);
	pio_write(t, data, 512);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, SDHOST + 0x34) & 0xf, 10);
	mem_disk_release(&t->disk);
	UNTIL_IN(t->f.loop, t->irq.level);
	assert_int_equal(in(t, SDHOST + 0x20) & 0x200, 0x200);
	assert_memory_equal(t->disk.data + 9 * 512, data, 512);
	assert_true(t->disk.last.stable);
	out(t, SDHOST + 0x20, 0x200);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, SDHOST + 0x34) & 0xf, 1);
}

static void only_what_is_enabled_interrupts(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512] = { 0 };

	identify(t);
	/* Data to be had; the FIFO's other side, and what is not of this transfer. */
	out(t, SDHOST + 0x38, 0x7ff & ~(1u << 4));
	transfer(t, 512, 1);
	assert_true(cmd(t, 17, 3, RD));
	UNTIL_IN(t->f.loop, fifo(t));
	assert_int_equal(machine_state(t), 2);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, SDHOST + 0x20), 1);
	out(t, SDHOST + 0x38, 1 << 4);
	assert_int_equal(t->irq.level, 1);
	pio_read(t, data, 512);
	/* More than there was is zeros, and of no later transfer. */
	assert_int_equal(in(t, SDHOST + 0x40), 0);
	assert_int_equal(machine_state(t), 1);
	/* The end of a block, which is not even noted. */
	out(t, SDHOST + 0x38, 0x7ff & ~(1u << 4 | 1u << 8));
	assert_true(cmd(t, 24, 3, WR));
	assert_int_equal(machine_state(t), 3);
	pio_write(t, data, 512);
	UNTIL_IN(t->f.loop, machine_state(t) == 1);
	assert_int_equal(in(t, SDHOST + 0x20), 0);
	assert_int_equal(t->irq.level, 0);
	/* One that is, and the card's being busy no more. */
	out(t, SDHOST + 0x38, 1 << 8);
	assert_true(cmd(t, 24, 3, WR));
	pio_write(t, data, 512);
	UNTIL_IN(t->f.loop, t->irq.level);
	out(t, SDHOST + 0x38, 0x7ff & ~(1u << 8));
	assert_int_equal(t->irq.level, 0);
	out(t, SDHOST + 0x20, 0x7f8);
	out(t, SDHOST + 0x38, 0x7ff & ~(1u << 10));
	assert_true(cmd(t, 18, 3, RD));
	assert_true(cmd(t, 12, 0, BUSY));
	assert_int_equal(in(t, SDHOST + 0x20), 0x400);
	assert_int_equal(t->irq.level, 0);
	out(t, SDHOST + 0x38, 1 << 10);
	assert_int_equal(t->irq.level, 1);
	/* Only these are cleared by a 1. */
	out(t, SDHOST + 0x20, 7);
	assert_int_equal(in(t, SDHOST + 0x20), 0x400);
}

static void each_block_that_was_written_interrupts(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512] = { 0 };

	identify(t);
	out(t, SDHOST + 0x38, 1 << 8);
	transfer(t, 512, 3);
	assert_true(cmd(t, 25, 3, WR));
	for (unsigned b = 0; b < 3; b++) {
		pio_write(t, data, 508);
		assert_int_equal(t->irq.level, 0);
		pio_write(t, data, 4);
		UNTIL_IN(t->f.loop, t->irq.level);
		out(t, SDHOST + 0x20, 0x200);
		assert_int_equal(t->irq.level, 0);
	}
}

static void a_transfer_goes_on_beside_other_commands(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	identify(t);
	for (unsigned i = 0; i < 2; i++) {
		transfer(t, 512, 1);
		assert_true(cmd(t, 17, 3, RD));
		assert_true(cmd(t, 13, t->rca << 16, 0));
		assert_int_equal(machine_state(t), 2);
		/* What is for the other direction does nothing. */
		UNTIL_IN(t->f.loop, fifo(t));
		out(t, SDHOST + 0x40, 1);
		pio_read(t, data, 512);
		assert_memory_equal(data, t->disk.data + 3 * 512, 512);
		assert_true(cmd(t, 18, 3, RD));
		assert_true(cmd(t, 12, 0, BUSY));
		assert_int_equal(machine_state(t), 1);
		assert_true(cmd(t, 18, 3, RD));
		out(t, SDHOST + 0x34, 1 << 19);
		assert_int_equal(machine_state(t), 1);
		assert_true(cmd(t, 12, 0, BUSY));
	}
	/* Nobody gives data for a command that nobody knows. */
	assert_false(cmd(t, 52, 0, RD));
	assert_int_equal(machine_state(t), 1);
	assert_true(cmd(t, 24, 3, WR));
	assert_int_equal(machine_state(t), 3);
	assert_int_equal(in(t, SDHOST + 0x40), 0);
	assert_int_equal(fifo(t), 0);
	assert_true(cmd(t, 0, 0, NO_RSP));
	assert_int_equal(machine_state(t), 1);
	/* Nor is there any left when the power is back. */
	t->rca = 0;
	identify(t);
	assert_true(cmd(t, 18, 3, RD));
	out(t, SDHOST + 0x30, 0);
	out(t, SDHOST + 0x30, 1);
	assert_int_equal(machine_state(t), 1);
}

/* One control block, on channel 0; as Linux does it, with memory by its bus address. */
static void dma_start(struct fixture *t, uint32_t ti, uint32_t src, uint32_t dst, uint32_t len)
{
	uint32_t block[8] = { ti, src, dst, len };

	put(t, 0x1000, block, sizeof(block));
	out(t, DMA + 4, 0xc0001000);
	out(t, DMA, 1);
}

static void many_blocks_are_read_by_dma_but_for_the_last_words(void **state)
{
	struct fixture *t = *state;
	unsigned len = 200 * 512;
	uint8_t *data = malloc(len);

	identify(t);
	assert_true(cmd(t, 23, 200, 0));
	transfer(t, 512, 200);
	assert_true(cmd(t, 18, 100, RD));
	dma_start(t, 1 | 1 << 4 | 1 << 10 | 13 << 16, 0x7e202040, 0xc0010000, len - 12);
	UNTIL_IN(t->f.loop, t->dma_irqs[0].level);
	assert_int_equal(in(t, DMA) & 7, 6);
	assert_int_equal(in(t, DMA + 4), 0);
	out(t, DMA, 4 | 1);
	assert_int_equal(t->dma_irqs[0].level, 0);
	assert_int_equal(gmem_read(&t->f.mem, 0x10000, data, len - 12), 0);
	assert_int_equal(fifo(t), 3);
	pio_read(t, data + len - 12, 12);
	assert_memory_equal(data, t->disk.data + 100 * 512, len);
	assert_int_equal(in(t, SDHOST + 0x34) & 0xf, 1);
	assert_true(cmd(t, 13, t->rca << 16, 0));
	assert_int_equal(rsp(t) >> 9 & 0xf, 4);
	free(data);
}

static void many_blocks_are_written_by_dma_and_stopped(void **state)
{
	struct fixture *t = *state;
	unsigned len = 1024 * 512;
	uint8_t *data = malloc(len);

	for (unsigned i = 0; i < len; i++)
		data[i] = i * 3;
	put(t, 0x20000, data, len);
	identify(t);
	out(t, SDHOST + 0x38, 1 << 10);
	transfer(t, 512, 1024);
	assert_true(cmd(t, 25, 1000, WR));
	dma_start(t, 1 | 1 << 8 | 1 << 6 | 13 << 16, 0xc0020000, 0x7e202040, len);
	UNTIL_IN(t->f.loop, t->dma_irqs[0].level);
	assert_true(cmd(t, 12, 0, BUSY));
	UNTIL_IN(t->f.loop, in(t, SDHOST + 0x20) & 0x400);
	assert_memory_equal(t->disk.data + 1000 * 512, data, len);
	assert_int_equal(t->irq.level, 1);
	out(t, SDHOST + 0x20, 0x400);
	assert_int_equal(t->irq.level, 0);
	free(data);
}

static void dma_may_begin_before_the_command(void **state)
{
	struct fixture *t = *state;
	uint8_t data[1024];

	identify(t);
	transfer(t, 512, 1);
	memset(data, 0x77, sizeof(data));
	put(t, 0x20000, data, 512);
	dma_start(t, 1 | 1 << 8 | 1 << 6 | 13 << 16, 0xc0020000, 0x7e202040, 512);
	fake_settle(&t->f);
	assert_int_equal(in(t, DMA) & 1, 1);
	/* Nothing goes the other way. */
	assert_true(cmd(t, 17, 5, RD));
	UNTIL_IN(t->f.loop, fifo(t) == 16);
	assert_int_equal(in(t, DMA) & 1, 1);
	assert_true(cmd(t, 12, 0, BUSY));
	assert_true(cmd(t, 24, 5, WR));
	UNTIL_IN(t->f.loop, t->dma_irqs[0].level);
	UNTIL_IN(t->f.loop, machine_state(t) == 1);
	assert_memory_equal(t->disk.data + 5 * 512, data, 512);
}

/* The engine asks first, and moves then. */
static void what_a_vcpu_does_between_is_no_data_of_dma(void **state)
{
	struct fixture *t = *state;
	const struct bcm283x_dma_peer *peer = &t->host.peer;
	uint8_t data[512] = { 1 };

	identify(t);
	transfer(t, 512, 1);
	assert_true(cmd(t, 24, 5, WR));
	peer->read(peer->ctx, data, 512);
	assert_int_equal(t->host.left, 512);
	assert_true(cmd(t, 12, 0, 0));
	peer->write(peer->ctx, data, 512);
	assert_true(cmd(t, 17, 5, RD));
	UNTIL_IN(t->f.loop, fifo(t));
	peer->write(peer->ctx, data, 512);
	assert_int_equal(t->host.left, 512);
	pio_read(t, data, 512);
	assert_memory_equal(data, t->disk.data + 5 * 512, 512);
	peer->read(peer->ctx, data, 512);
	assert_int_equal(t->host.left, 0);
}

static void case_06_a_block_that_has_no_length_any_more(void **state)
{
	struct fixture *t = *state;
	uint8_t data[508] = { 0 };

	identify(t);
	transfer(t, 512, 2);
	assert_true(cmd(t, 25, 5, WR));
	pio_write(t, data, 4);
	transfer(t, 0, 0);
	pio_write(t, data, 508);
	pio_write(t, data, 508);
	pio_write(t, data, 4);
	UNTIL_IN(t->f.loop, machine_state(t) == 1);
}

static void an_open_ended_read_ends_with_cmd_12(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	identify(t);
	transfer(t, 512, 2);
	assert_true(cmd(t, 18, 0, RD));
	pio_read(t, data, 512);
	assert_true(cmd(t, 12, 0, 0));
	assert_int_equal(rsp(t) >> 9 & 0xf, 5);
	assert_true(cmd(t, 13, t->rca << 16, 0));
	assert_int_equal(rsp(t) >> 9 & 0xf, 4);
	transfer(t, 512, 1);
	assert_true(cmd(t, 17, 5, RD));
	pio_read(t, data, 512);
	assert_memory_equal(data, t->disk.data + 5 * 512, 512);
}

static void a_write_that_is_stopped_keeps_whole_blocks(void **state)
{
	struct fixture *t = *state;
	uint8_t data[700], was[512];

	memset(data, 0x3c, sizeof(data));
	memcpy(was, t->disk.data + 41 * 512, 512);
	identify(t);
	transfer(t, 512, 8);
	assert_true(cmd(t, 25, 40, WR));
	pio_write(t, data, 700);
	assert_true(cmd(t, 12, 0, BUSY));
	UNTIL_IN(t->f.loop, in(t, SDHOST + 0x20) & 0x400);
	assert_memory_equal(t->disk.data + 40 * 512, data, 512);
	assert_memory_equal(t->disk.data + 41 * 512, was, 512);
	transfer(t, 4, 1);
	assert_true(acmd(t, 22, 0, RD));
	pio_read(t, data, 4);
	assert_int_equal(data[3], 1);
}

/* --- what goes wrong --------------------------------------------------------------------- */

static void an_error_of_the_disk_ends_the_transfer(void **state)
{
	struct fixture *t = *state;

	identify(t);
	out(t, SDHOST + 0x38, 1 << 4);
	transfer(t, 512, 1);
	t->disk.error = -EIO;
	assert_true(cmd(t, 17, 0, RD));
	UNTIL_IN(t->f.loop, t->irq.level);
	assert_int_equal(in(t, SDHOST + 0x20) & 0x80, 0x80);
	assert_true(cmd(t, 12, 0, 0));
	assert_int_equal(rsp(t) & 1 << 19, 1 << 19);
	t->disk.error = 0;
}

/* How many blocks were written is what Linux asks then. */
static void registers_can_be_read_after_an_error(void **state)
{
	uint8_t data[512] = { 0 };
	struct fixture *t = *state;

	identify(t);
	transfer(t, 512, 2);
	assert_true(cmd(t, 25, 7, WR));
	t->disk.error = -EIO;
	pio_write(t, data, 512);
	pio_write(t, data, 512);
	UNTIL_IN(t->f.loop, (in(t, SDHOST + 0x34) & 0xf) == 1);
	assert_true(cmd(t, 12, 0, BUSY));
	assert_int_equal(rsp(t) & 1 << 19, 1 << 19);
	out(t, SDHOST + 0x20, 0x7f8);
	transfer(t, 4, 1);
	memset(data, 0xff, 4);
	assert_true(acmd(t, 22, 0, RD));
	assert_int_equal(in(t, SDHOST + 0x20) & 0x80, 0);
	pio_read(t, data, 4);
	assert_int_equal(load_le(data, 4), 0);
	t->disk.error = 0;
}

static void what_is_not_on_the_card_is_out_of_range(void **state)
{
	struct fixture *t = *state;

	identify(t);
	transfer(t, 512, 1);
	assert_true(cmd(t, 17, DISK_LEN / 512, RD));
	assert_int_equal(rsp(t) >> 31, 1);
	assert_int_equal(fifo(t), 0);
	assert_true(cmd(t, 24, 0xffffffff, WR));
	assert_int_equal(rsp(t) >> 31, 1);
	assert_true(cmd(t, 23, 0xffffffff, 0));
	assert_true(cmd(t, 18, DISK_LEN / 512 - 1, RD));
	assert_true(cmd(t, 12, 0, 0));
	assert_int_equal(t->disk.n[DISK_WRITE], 0);
}

static void a_card_that_is_locked_is_not_written(void **state)
{
	struct fixture *t = *state;

	identify(t);
	transfer(t, 512, 1);
	assert_true(cmd(t, 24, 0, WR));
	assert_int_equal(rsp(t) & 1 << 26, 1 << 26);
	assert_int_equal(fifo(t), 16);
	out(t, SDHOST + 0x40, 0);
	assert_int_equal(t->disk.n[DISK_WRITE], 0);
}

static void a_reset_in_the_middle_forgets_what_comes_late(void **state)
{
	struct fixture *t = *state;
	uint8_t data[512];

	identify(t);
	transfer(t, 512, 1);
	mem_disk_hold(&t->disk);
	assert_true(cmd(t, 17, 3, RD));
	fake_settle(&t->f);
	bcm283x_sdhost_reset(&t->host);
	bcm283x_dma_reset(&t->dma);
	out(t, SDHOST + 0x30, 1);
	t->rca = 0;
	identify(t);
	transfer(t, 512, 1);
	assert_true(cmd(t, 17, 4, RD));
	fake_settle(&t->f);
	assert_int_equal(fifo(t), 0);
	mem_disk_release(&t->disk);
	pio_read(t, data, 512);
	assert_memory_equal(data, t->disk.data + 4 * 512, 512);
}

static void without_a_card_nobody_answers(void **state)
{
	struct fixture *t = *state;
	struct bcm283x_sdhost *empty = calloc(1, sizeof(*empty));

	bcm283x_sdhost_init(empty, (struct irq_line){ 0 });
	bus_remove(&t->f.mmio, &t->host.region);
	assert_int_equal(bus_add(&t->f.mmio, &empty->region, SDHOST), 0);
	out(t, SDHOST + 0x30, 1);
	assert_false(cmd(t, 0, 0, NO_RSP));
	assert_false(cmd(t, 8, 0x1aa, 0));
	bus_remove(&t->f.mmio, &empty->region);
	bcm283x_sdhost_finish(empty);
	free(empty);
}

static void a_disk_that_is_too_small_is_no_card(void **state)
{
	struct fixture *t = *state;
	static const struct disk_info small = { 256 << 10, 512, 512, 0, false };
	static const struct disk_info coarse = { 1 << 20, 4096, 4096, 0, false };
	const struct disk_info *infos[] = { &small, &coarse };

	for (unsigned i = 0; i < ARRAY_SIZE(infos); i++) {
		struct bcm283x_sdhost *host = calloc(1, sizeof(*host));
		struct mem_disk disk = { 0 };

		mem_disk_init(&disk, t->f.loop, infos[i]);
		bcm283x_sdhost_init(host, (struct irq_line){ 0 });
		assert_int_equal(bcm283x_sdhost_insert(host, t->f.loop, disk.disk), -EINVAL);
		bcm283x_sdhost_finish(host);
		disk_close(disk.disk);
		mem_disk_finish(&disk);
		free(host);
	}
}

static void case_36_every_offset_and_size_is_answered(void **state)
{
	struct fixture *t = *state;
	uint64_t v;

	for (unsigned size = 1; size <= 8; size *= 2)
		for (unsigned off = 0; off + size <= 0x100; off++) {
			bus_write(&t->f.mmio, SDHOST + off, size, ~0ull);
			bus_read(&t->f.mmio, SDHOST + off, size, &v);
		}
	bcm283x_sdhost_reset(&t->host);
	fake_settle(&t->f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_card_is_found_and_says_how_large_it_is),
		T(its_registers_are_read_as_data),
		T(registers_are_kept_until_the_machine_is_reset),
		T(a_command_is_one_when_it_is_new_and_there_is_power),
		T(a_block_is_read_when_its_interrupt_says_so),
		T(a_block_is_written_and_the_interrupt_waits_for_the_disk),
		T(only_what_is_enabled_interrupts),
		T(each_block_that_was_written_interrupts),
		T(a_transfer_goes_on_beside_other_commands),
		T(many_blocks_are_read_by_dma_but_for_the_last_words),
		T(many_blocks_are_written_by_dma_and_stopped),
		T(dma_may_begin_before_the_command),
		T(what_a_vcpu_does_between_is_no_data_of_dma),
		T(case_06_a_block_that_has_no_length_any_more),
		T(an_open_ended_read_ends_with_cmd_12),
		T(a_write_that_is_stopped_keeps_whole_blocks),
		T(an_error_of_the_disk_ends_the_transfer),
		T(registers_can_be_read_after_an_error),
		T(what_is_not_on_the_card_is_out_of_range),
		cmocka_unit_test_setup_teardown(a_card_that_is_locked_is_not_written,
						setup_readonly, teardown),
		T(a_reset_in_the_middle_forgets_what_comes_late),
		T(without_a_card_nobody_answers),
		T(a_disk_that_is_too_small_is_no_card),
		T(case_36_every_offset_and_size_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
