/* SPDX-License-Identifier: MIT */
/* The mailbox of a BCM283x and what the firmware answers behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_mbox.h"
#include "tests/fake.h"
#include "vmm/util.h"

#define MBOX 0x3f00b880
#define BUF 0x1000
#define ALIAS 0xc0000000u

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct bcm283x_mbox mbox;
	struct bcm283x_fb fb;	/* as told last */
	unsigned told;
	bool shown;
};

static uint32_t in(struct fixture *t, unsigned reg)
{
	uint64_t v;

	assert_true(bus_read(&t->f.mmio, MBOX + reg, 4, &v));
	return v;
}

static void out(struct fixture *t, unsigned reg, uint32_t value)
{
	assert_true(bus_write(&t->f.mmio, MBOX + reg, 4, value));
}

static void fb_set(void *ctx, const struct bcm283x_fb *fb)
{
	struct fixture *t = ctx;

	t->told++;
	t->shown = fb;
	if (fb)
		t->fb = *fb;
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));
	struct bcm283x_board board = {
		.revision = 0xa01041,
		.serial = 0x123456789abcdef0,
		.mac = { 0xb8, 0x27, 0xeb, 1, 2, 3 },
		.ram = 0x3b400000,
		.gpu_base = 0x3b400000,
		.gpu_len = 0x4c00000,
		.fb = { 0x3c000000, 0x800000 },
		.fb_sink = { fb_set, t },
		.cmdline = "console=ttyAMA0",
	};

	fake_init(&t->f);
	bcm283x_mbox_init(&t->mbox, &t->f.mem, fake_irq_line(&t->irq), &board);
	assert_int_equal(bus_add(&t->f.mmio, &t->mbox.region, MBOX), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bcm283x_mbox_finish(&t->mbox);
	fake_finish(&t->f);
	free(t);
	return 0;
}

static uint32_t mem(struct fixture *t, uint64_t gpa)
{
	uint32_t v;

	assert_int_equal(gmem_read(&t->f.mem, gpa, &v, 4), 0);
	return v;
}

static void put(struct fixture *t, uint64_t gpa, uint32_t v)
{
	assert_int_equal(gmem_write(&t->f.mem, gpa, &v, 4), 0);
}

/* One tag with room for @n words, of which two are given; the code of the buffer. */
static uint32_t ask(struct fixture *t, uint32_t tag, unsigned n, uint32_t a, uint32_t b)
{
	uint32_t words[512] = { 24 + n * 4, 0, tag, n * 4, 0, a, b };

	/* A value of one word has no room for a second. */
	if (n < 2)
		words[6] = 0;
	if (n < 1)
		words[5] = 0;
	assert_true(6 + n <= ARRAY_SIZE(words));
	assert_int_equal(gmem_write(&t->f.mem, BUF, words, 24 + n * 4), 0);
	out(t, 0x20, ALIAS | BUF | 8);
	assert_int_equal(in(t, 0x00), ALIAS | BUF | 8);
	return mem(t, BUF + 4);
}

static uint32_t got(struct fixture *t, unsigned n)
{
	return mem(t, BUF + 20 + n * 4);
}

static void wants(struct fixture *t, uint32_t tag, uint32_t a, uint32_t want0, uint32_t want1)
{
	assert_int_equal(ask(t, tag, 2, a, 0), 0x80000000);
	assert_int_equal(mem(t, BUF + 16) & 0x80000000, 0x80000000);
	assert_int_equal(got(t, 0), want0);
	assert_int_equal(got(t, 1), want1);
}

/* --- the mailbox ------------------------------------------------------------------- */

static void an_answer_interrupts_until_it_is_read(void **state)
{
	struct fixture *t = *state;
	uint32_t words[] = { 28, 0, 1, 4, 0, 0, 0 };

	gmem_write(&t->f.mem, BUF, words, sizeof(words));
	assert_int_equal(in(t, 0x18), 1u << 30);
	out(t, 0x1c, 1);
	out(t, 0x20, ALIAS | BUF | 8);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(in(t, 0x18), 1);
	assert_int_equal(in(t, 0x10), ALIAS | BUF | 8);
	assert_int_equal(in(t, 0x00), ALIAS | BUF | 8);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(mem(t, BUF + 4), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000004);
	assert_int_not_equal(mem(t, BUF + 20), 0);
}

static void answers_come_in_their_order_and_interrupt_who_wants_it(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(in(t, 0x1c), 0);
	for (unsigned i = 0; i < 16; i++)
		put(t, BUF + 16 * i, 12);
	/* More than there is room for at once, two of them at any time. */
	out(t, 0x20, BUF | 8);
	for (unsigned i = 1; i < 16; i++) {
		out(t, 0x2c, (BUF + 16 * i) | 8);
		assert_int_equal(in(t, 0x18), 2);
		assert_int_equal(in(t, 0x10), (BUF + 16 * (i - 1)) | 8);
		assert_int_equal(in(t, i % 4 * 4), (BUF + 16 * (i - 1)) | 8);
	}
	assert_int_equal(t->irq.level, 0);
	out(t, 0x1c, ~0u);
	assert_int_equal(in(t, 0x1c), 1);
	assert_int_equal(t->irq.level, 1);
	out(t, 0x1c, 2);
	assert_int_equal(t->irq.level, 0);
	/* What is no mailbox to write to; an empty one says what it said last. */
	out(t, 0x10, BUF | 8);
	out(t, 0x30, BUF | 8);
	assert_int_equal(in(t, 0x18), 1);
	assert_int_equal(in(t, 0), (BUF + 16 * 15) | 8);
	assert_int_equal(in(t, 0), (BUF + 16 * 15) | 8);
	assert_int_equal(in(t, 0x10), (BUF + 16 * 15) | 8);
	assert_int_equal(in(t, 0x18), 1u << 30);
	assert_int_equal(in(t, 0x38), 1u << 30);
	assert_int_equal(in(t, 0x14), 0);
	out(t, 0x1c, 1);
	bcm283x_mbox_reset(&t->mbox);
	assert_int_equal(in(t, 0x1c), 0);
	assert_int_equal(in(t, 0), 0);
}

static void a_full_mailbox_says_so_and_takes_no_more(void **state)
{
	struct fixture *t = *state;

	put(t, BUF, 12);
	put(t, BUF + 8, 0);
	for (unsigned i = 0; i < 12; i++)
		out(t, 0x20, BUF | 8);
	assert_int_equal(in(t, 0x38) >> 31, 1);
	assert_int_equal(in(t, 0x18), 1u << 31 | 8);
	for (unsigned i = 0; i < 8; i++)
		in(t, 0);
	assert_int_equal(in(t, 0x18), 1u << 30);
	assert_int_equal(in(t, 0x38) >> 31, 0);
}

static void other_channels_and_what_is_not_memory_get_no_answer(void **state)
{
	struct fixture *t = *state;

	put(t, BUF, 12);
	out(t, 0x20, BUF | 1);
	out(t, 0x20, 0x3ffffff0 | 8);
	assert_int_equal(in(t, 0x18), 1u << 30);
}

static void a_reset_forgets_answers(void **state)
{
	struct fixture *t = *state;

	put(t, BUF, 12);
	out(t, 0x1c, 1);
	out(t, 0x20, BUF | 8);
	bcm283x_mbox_reset(&t->mbox);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(in(t, 0x18), 1u << 30);
}

/* --- properties --------------------------------------------------------------------- */

static void the_board_says_who_it_is(void **state)
{
	struct fixture *t = *state;

	wants(t, 0x10002, 0, 0xa01041, 0);
	wants(t, 0x10003, 0, 0x01eb27b8, 0x0302);
	wants(t, 0x10004, 0, 0x9abcdef0, 0x12345678);
	wants(t, 0x10005, 0, 0, 0x3b400000);
	wants(t, 0x10006, 0, 0x3b400000, 0x4c00000);
	wants(t, 0x60001, 0, 0x7f35, 0);
	wants(t, 0x2, 0, 1, 0);
	wants(t, 0x10001, 77, 0, 0);
	assert_int_equal(ask(t, 0x3, 5, 77, 77), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000000 | 20);
	assert_int_equal(got(t, 0), 0);
	assert_int_equal(ask(t, 0x50001, 8, 0, 0), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000000 | 15);
	assert_int_equal(got(t, 0), 0x736e6f63);
}

static void what_linux_asks_at_boot_is_answered(void **state)
{
	static const uint32_t tags[] = {
		0x1, 0x2, 0x3, 0x30046, 0x10007, 0x30030, 0x38030, 0x28001, 0x30066, 0x30048,
		0x30002,
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(tags); i++) {
		assert_int_equal(ask(t, tags[i], 32, 0, 0), 0x80000000);
		assert_int_equal(mem(t, BUF + 16) >> 31, 1);
	}
}

static void an_unknown_tag_is_an_error_and_stays_as_it_was(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(ask(t, 0x48010, 2, 0x1234, 0x5678), 0x80000001);
	assert_int_equal(mem(t, BUF + 16), 0);
	assert_int_equal(got(t, 0), 0x1234);
	assert_int_equal(got(t, 1), 0x5678);
}

static void behind_an_unknown_tag_nothing_is_answered(void **state)
{
	struct fixture *t = *state;
	uint32_t words[] = { 60, 0, 0x10002, 4, 0, 0, 0x48010, 4, 0, 7, 0x30006, 8, 0, 0, 0 };

	gmem_write(&t->f.mem, BUF, words, sizeof(words));
	out(t, 0x20, BUF | 8);
	assert_int_equal(mem(t, BUF + 4), 0x80000001);
	assert_int_equal(mem(t, BUF + 20), 0xa01041);
	assert_int_equal(mem(t, BUF + 36), 7);
	assert_int_equal(mem(t, BUF + 48), 0);
}

/* bcm2835-sdhost.c divides by it, also when it asks for no clock at all. */
static void a_card_has_a_clock_that_is_no_faster_than_wanted(void **state)
{
	struct fixture *t = *state;
	static const struct {
		uint32_t wanted, got;
	} rates[] = {
		{ 0, 122010 }, { 1, 122010 }, { 400000, 400000 }, { 25000000, 25000000 },
		{ 50000000, 50000000 }, { 49999999, 41666666 }, { 0xffffffff, 125000000 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		assert_int_equal(ask(t, 0x38042, 3, rates[i].wanted, ~0u), 0x80000000);
		assert_int_equal(got(t, 0), rates[i].wanted);
		assert_int_equal(got(t, 1), rates[i].got);
		assert_int_equal(got(t, 2), rates[i].got);
	}
}

static void domains_and_devices_keep_their_power(void **state)
{
	struct fixture *t = *state;

	wants(t, 0x30030, 5, 5, 0);
	ask(t, 0x38030, 2, 5, 1);
	wants(t, 0x30030, 5, 5, 1);
	wants(t, 0x30030, 4000, 4000, 0);
	ask(t, 0x28001, 2, 3, 1 | 2);
	assert_int_equal(got(t, 1), 1);
	wants(t, 0x20001, 3, 3, 1);
	wants(t, 0x20001, 77, 77, 2);
	wants(t, 0x20002, 3, 3, 0);
	/* Off again, each of them alone. */
	ask(t, 0x28001, 2, 4, 1);
	ask(t, 0x28001, 2, 3, 2);
	wants(t, 0x20001, 3, 3, 0);
	wants(t, 0x20001, 4, 4, 1);
	wants(t, 0x20001, 0, 0, 1);
	ask(t, 0x38009, 2, 0, 1);
	wants(t, 0x30009, 0, 0, 1);
	bcm283x_mbox_reset(&t->mbox);
	wants(t, 0x30030, 5, 5, 0);
	wants(t, 0x20001, 4, 4, 0);
	wants(t, 0x20001, 0, 0, 1);
	wants(t, 0x30009, 0, 0, 0);
}

static void clocks_are_on_until_they_are_not(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(ask(t, 0x10007, 2, 77, 78), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000000);
	wants(t, 0x30001, 3, 3, 1);
	ask(t, 0x38001, 2, 3, 2);
	assert_int_equal(got(t, 1), 0);
	wants(t, 0x30001, 3, 3, 0);
	wants(t, 0x30001, 4, 4, 1);
	ask(t, 0x38001, 2, 3, 3);
	wants(t, 0x30001, 3, 3, 1);
	/* Those that nothing has. */
	wants(t, 0x30001, BCM283X_CLOCKS, BCM283X_CLOCKS, 2);
	wants(t, 0x30001, 0, 0, 2);
	ask(t, 0x38001, 2, 3, 0);
	bcm283x_mbox_reset(&t->mbox);
	wants(t, 0x30001, 3, 3, 1);
}

static void voltages_and_temperatures_are_those_of_a_board_at_rest(void **state)
{
	static const uint32_t tags[] = { 0x30003, 0x30005, 0x30008, 0x38003 };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(tags); i++)
		for (unsigned id = 0; id < 6; id++)
			wants(t, tags[i], id, id, id >= 1 && id <= 4 ? 1200000 : 0);
	wants(t, 0x3000a, 0, 0, 85000);
	wants(t, 0x30046, 77, 0, 0);
	/* No memory of the GPU's, no code for it, no EDID. */
	wants(t, 0x3000c, 77, 0, 0);
	wants(t, 0x3000f, 77, ~0u, 0);
	ask(t, 0x30020, 34, 0, 0x77);
	assert_int_equal(mem(t, BUF + 16), 0x80000000 | 136);
	assert_int_equal(got(t, 1), ~0u);
	ask(t, 0x30048, 2, 77, 78);
	assert_int_equal(mem(t, BUF + 16), 0x80000000);
}

static void clocks_have_rates_within_their_limits(void **state)
{
	struct fixture *t = *state;

	wants(t, 0x30002, 2, 2, 48000000);
	wants(t, 0x30004, 3, 3, 900000000);
	wants(t, 0x30007, 3, 3, 450000000);
	ask(t, 0x38002, 3, 3, 600000000);
	assert_int_equal(got(t, 1), 600000000);
	ask(t, 0x38002, 3, 3, 4000000000u);
	wants(t, 0x30002, 3, 3, 900000000);
	wants(t, 0x30002, 0xffffffff, 0xffffffff, 0);
	wants(t, 0x30006, 0, 0, 45000);
}

static void several_tags_are_answered_in_one_buffer(void **state)
{
	struct fixture *t = *state;
	uint32_t words[] = { 60, 0, 0x10002, 4, 0, 0, 0x10003, 6, 0, 0, 0, 0x30006, 8, 0, 0, 0, 0 };

	words[0] = sizeof(words);
	gmem_write(&t->f.mem, BUF, words, sizeof(words));
	out(t, 0x20, BUF | 8);
	assert_int_equal(mem(t, BUF + 4), 0x80000000);
	assert_int_equal(mem(t, BUF + 20), 0xa01041);
	assert_int_equal(mem(t, BUF + 32), 0x80000006);
	assert_int_equal(mem(t, BUF + 60), 45000);
}

static void an_answer_that_does_not_fit_is_cut_and_says_its_length(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(ask(t, 0x10004, 1, 0, 0), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000008);
	assert_int_equal(got(t, 0), 0x9abcdef0);
	assert_int_equal(got(t, 1), 0);		/* the end tag */
}

/* --- the frame buffer ------------------------------------------------------------------ */

static void a_frame_buffer_is_set_up_and_shown(void **state)
{
	struct fixture *t = *state;

	ask(t, 0x48003, 2, 1024, 768);
	ask(t, 0x48004, 2, 1024, 1536);
	ask(t, 0x48005, 1, 16, 0);
	ask(t, 0x48006, 1, 0, 0);
	ask(t, 0x48009, 2, 0, 768);
	assert_int_equal(got(t, 1), 768);
	ask(t, 0x40008, 1, 0, 0);
	assert_int_equal(got(t, 0), 2048);
	assert_false(t->shown);
	ask(t, 0x40001, 2, 4096, 0);
	assert_int_equal(got(t, 0), 0xfc000000);
	assert_int_equal(got(t, 1), 2048 * 1536);
	assert_true(t->shown);
	assert_int_equal(t->fb.width, 1024);
	assert_int_equal(t->fb.y, 768);
	assert_int_equal(t->fb.depth, 16);
	assert_false(t->fb.rgb);
	ask(t, 0x48001, 1, 0, 0);
	assert_false(t->shown);
}

/* bcm2708_fb.c, whose one display is number 0. */
static void a_display_is_counted_and_described(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(ask(t, 0x40013, 1, 77, 0), 0x80000000);
	assert_int_equal(got(t, 0), 1);
	assert_int_equal(ask(t, 0x48013, 1, 0, 0), 0x80000000);
	assert_int_equal(ask(t, 0x40014, 16, 0, 0), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000000 | 40);
	assert_int_equal(got(t, 1), 640);
	assert_int_equal(got(t, 2), 480);
	assert_int_equal(got(t, 3), 32);
	assert_int_equal(got(t, 4), 2560);
	assert_int_equal(got(t, 9), 0xfc000000);
	t->mbox.property.board.fb.len = 0;
	ask(t, 0x40013, 1, 77, 0);
	assert_int_equal(got(t, 0), 0);
}

/* Who is given an address writes to it, even if that is 0 and its own code. */
static void a_board_without_a_screen_has_no_buffer_for_one(void **state)
{
	struct fixture *t = *state;

	t->mbox.property.board.fb.len = 0;
	ask(t, 0x40001, 2, 4096, 0);
	assert_int_equal(mem(t, BUF + 16), 0);
	assert_int_equal(ask(t, 0x48001, 1, 0, 0), 0x80000000);
	assert_int_equal(mem(t, BUF + 16), 0x80000000);
}

static void what_is_shown_from_the_beginning_is_described(void **state)
{
	struct fixture *t = *state;

	t->mbox.property.board.fb_first = (struct bcm283x_fb){
		.width = 800, .height = 600, .virtual_width = 800, .virtual_height = 600,
		.depth = 16, .pitch = 1600,
	};
	bcm283x_mbox_reset(&t->mbox);
	wants(t, 0x40003, 0, 800, 600);
	wants(t, 0x40005, 0, 16, 0);
	wants(t, 0x40008, 0, 1600, 0);
	wants(t, 0x40001, 0, 0xfc000000, 800 * 600 * 2);
}

/* Its own memory is refused by another address; then it asks for ours. */
static void a_kernel_gets_a_frame_buffer_of_ours_for_its_own(void **state)
{
	struct fixture *t = *state;
	uint32_t words[] = {
		120, 0,
		0x48003, 8, 0, 800, 480, 0x48004, 8, 0, 800, 480, 0x48005, 4, 0, 32,
		0x48009, 8, 0, 0, 0, 0x40001, 8, 0, 0xc1000000, 800 * 480 * 4,
		0x48008, 4, 0, 3200, 0,
	};

	words[0] = sizeof(words);
	gmem_write(&t->f.mem, BUF, words, sizeof(words));
	out(t, 0x20, BUF | 8);
	assert_int_equal(mem(t, BUF + 4), 0x80000000);
	assert_int_equal(mem(t, BUF + 24 * 4), 0xfc000000);
	assert_int_equal(mem(t, BUF + 25 * 4), 800 * 480 * 4);
	assert_int_equal(mem(t, BUF + 29 * 4), 3200);
	assert_int_equal(t->fb.width, 800);
	assert_false(t->fb.rgb);
}

static void what_does_not_fit_is_answered_with_what_is(void **state)
{
	struct fixture *t = *state;

	ask(t, 0x48003, 2, 4096, 4096);		/* 64 MiB */
	assert_int_equal(got(t, 0), 640);
	ask(t, 0x48003, 2, 0xffffffff, 0x80000000);
	assert_int_equal(got(t, 0), 640);
	/* A row of 2^32 bytes and a few, and a side of none. */
	ask(t, 0x48003, 2, 0x08000010, 0);
	assert_int_equal(got(t, 0), 640);
	assert_int_equal(got(t, 1), 480);
	ask(t, 0x44003, 2, 4096, 4097);
	assert_int_equal(got(t, 0), 4096);
	assert_int_equal(got(t, 1), 480);
	ask(t, 0x44003, 2, 2048, 1024);		/* all there is */
	assert_int_equal(got(t, 1), 1024);
	ask(t, 0x44003, 2, 800, 600);
	assert_int_equal(got(t, 0), 800);
	ask(t, 0x40003, 2, 0, 0);
	assert_int_equal(got(t, 0), 640);
	ask(t, 0x48005, 1, 7, 0);
	assert_int_equal(got(t, 0), 32);
	ask(t, 0x48009, 2, 0xffffffff, 0xffffffff);
	assert_int_equal(got(t, 0), 0);
}

static void a_palette_is_set_within_its_entries(void **state)
{
	struct fixture *t = *state;

	ask(t, 0x40001, 2, 16, 0);
	ask(t, 0x4800b, 258, 0, 256);
	assert_int_equal(got(t, 0), 0);
	/* Red is the lowest byte; nothing is above blue. */
	put(t, BUF + 20 + 8, 0xff123456);
	put(t, BUF + 20 + 12, 0x00abcdef);
	put(t, BUF + 20, 250);
	put(t, BUF + 24, 2);
	t->told = 0;
	put(t, BUF + 8, 0x4400b);
	out(t, 0x20, BUF | 8);
	in(t, 0);
	assert_int_equal(got(t, 0), 0);
	assert_int_equal(t->told, 0);
	put(t, BUF + 20, 250);
	put(t, BUF + 8, 0x4800b);
	out(t, 0x20, BUF | 8);
	in(t, 0);
	assert_int_equal(got(t, 0), 0);
	assert_int_equal(t->told, 1);
	assert_int_equal(t->fb.palette[250], 0x123456);
	assert_int_equal(t->fb.palette[251], 0xabcdef);
	assert_int_equal(t->fb.palette[252], 0);
	ask(t, 0x4800b, 10, 250, 7);
	assert_int_equal(got(t, 0), 1);
	ask(t, 0x4800b, 10, 0, 0);
	assert_int_equal(got(t, 0), 1);
	ask(t, 0x4800b, 3, 0, 2);
	assert_int_equal(got(t, 0), 1);
	ask(t, 0x4800b, 3, 0, 256);
	assert_int_equal(got(t, 0), 1);
	ask(t, 0x4800b, 3, 0xffffffff, 1);
	assert_int_equal(got(t, 0), 1);
	assert_int_equal(t->told, 1);
	ask(t, 0x4000b, 256, 0, 0);
	assert_int_equal(mem(t, BUF + 16), 0x80000400);
	assert_int_equal(got(t, 250), 0x123456);
}

static void a_pictures_form_is_tried_before_it_is_set(void **state)
{
	static const uint32_t depths[] = { 8, 16, 24, 32 };
	struct fixture *t = *state;

	ask(t, 0x40001, 2, 16, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		t->told = 0;
		ask(t, 0x44005, 1, depths[i], 0);
		assert_int_equal(got(t, 0), depths[i]);
		wants(t, 0x40005, 0, i ? depths[i - 1] : 32, 0);
		assert_int_equal(t->told, 0);
		ask(t, 0x48005, 1, depths[i], 0);
		assert_int_equal(t->fb.depth, depths[i]);
		assert_int_equal(t->fb.pitch, 640 * depths[i] / 8);
	}
	t->told = 0;
	/* One bit of the order of colours counts; to look at something changes nothing. */
	ask(t, 0x44006, 1, 3, 0);
	assert_int_equal(got(t, 0), 1);
	ask(t, 0x40006, 1, 1, 0);
	assert_int_equal(got(t, 0), 0);
	ask(t, 0x40005, 1, 8, 0);
	ask(t, 0x40003, 2, 800, 600);
	assert_int_equal(got(t, 0), 640);
	ask(t, 0x40009, 2, 5, 5);
	assert_int_equal(got(t, 0), 0);
	assert_int_equal(t->told, 0);
	ask(t, 0x48006, 1, 3, 0);
	assert_int_equal(got(t, 0), 1);
	assert_true(t->fb.rgb);
	ask(t, 0x48006, 1, 2, 0);
	assert_false(t->fb.rgb);
	assert_int_equal(t->fb.depth, 32);
	/* Larger than what is seen of it, and seen elsewhere. */
	ask(t, 0x44004, 2, 800, 500);
	assert_int_equal(got(t, 0), 800);
	assert_int_equal(got(t, 1), 500);
	ask(t, 0x48004, 2, 800, 500);
	ask(t, 0x48009, 2, 1000, 1000);
	assert_int_equal(t->fb.x, 160);
	assert_int_equal(t->fb.y, 20);
	assert_int_equal(t->fb.pitch, 3200);
	ask(t, 0x48009, 2, 7, 8);
	assert_int_equal(t->fb.x, 7);
	assert_int_equal(t->fb.y, 8);
	ask(t, 0x48004, 2, 100, 100);
	assert_int_equal(got(t, 0), 640);
	assert_int_equal(got(t, 1), 480);
	wants(t, 0x40004, 0, 640, 480);
}

static void a_screen_is_blanked(void **state)
{
	struct fixture *t = *state;

	ask(t, 0x40001, 2, 16, 0);
	ask(t, 0x48002, 1, 3, 0);
	assert_int_equal(got(t, 0), 1);
	assert_true(t->fb.blank);
	ask(t, 0x48002, 1, 2, 0);
	assert_int_equal(got(t, 0), 0);
	assert_false(t->fb.blank);
	ask(t, 0x40007, 1, 77, 0);
	assert_int_equal(got(t, 0), 2);
	ask(t, 0x4000a, 4, 77, 78);
	assert_int_equal(mem(t, BUF + 16), 0x80000000 | 16);
	assert_int_equal(got(t, 0) | got(t, 1), 0);
	ask(t, 0x4800e, 1, 77, 0);
	assert_int_equal(got(t, 0), 0);
}

static void a_reset_shows_nothing(void **state)
{
	struct fixture *t = *state;

	bcm283x_mbox_reset(&t->mbox);
	assert_int_equal(t->told, 0);
	ask(t, 0x40001, 2, 16, 0);
	ask(t, 0x48005, 1, 16, 0);
	assert_true(t->shown);
	bcm283x_mbox_reset(&t->mbox);
	assert_false(t->shown);
	t->told = 0;
	wants(t, 0x40005, 0, 32, 0);
	ask(t, 0x48005, 1, 16, 0);
	assert_false(t->shown);
}

/* --- hostile buffers ------------------------------------------------------------------------- */

static void case_54_sizes_that_are_none_are_an_error_and_no_more(void **state)
{
	static const uint32_t sizes[] = { 0, 4, 7, 8193, 0x80000000, 0xffffffff };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		put(t, BUF, sizes[i]);
		put(t, BUF + 4, 0);
		out(t, 0x20, BUF | 8);
		assert_int_equal(in(t, 0), BUF | 8);
		assert_int_equal(mem(t, BUF + 4), 0x80000001);
	}
}

static void case_54_a_buffer_ends_with_its_last_tag(void **state)
{
	static const uint32_t sizes[] = { 8, 24, BCM283X_PROPERTY_MAX };
	uint32_t words[] = { 24, 0, 0x10002, 4, 0, 0, 0x77, 0x78 };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		words[0] = sizes[i];
		words[6] = sizes[i] == BCM283X_PROPERTY_MAX ? 0 : 0x77;
		gmem_write(&t->f.mem, BUF, words, sizeof(words));
		out(t, 0x20, BUF | 8);
		in(t, 0);
		assert_int_equal(mem(t, BUF + 4), 0x80000000);
		assert_int_equal(mem(t, BUF + 20), i ? 0xa01041 : 0);
		assert_int_equal(mem(t, BUF + 24), words[6]);
	}
	/* A tag whose length is not there. */
	words[0] = 28;
	words[6] = 0x10002;
	gmem_write(&t->f.mem, BUF, words, sizeof(words));
	out(t, 0x20, BUF | 8);
	assert_int_equal(mem(t, BUF + 4), 0x80000001);
	assert_int_equal(mem(t, BUF + 28), 0x78);
}

static void case_54_numbers_of_what_does_not_exist(void **state)
{
	static const uint32_t setters[] = { 0x28001, 0x38001, 0x38002, 0x38030, 0x38003 };
	static const uint32_t numbers[] = {
		BCM283X_CLOCKS, BCM283X_DOMAINS, BCM283X_POWER_DEVICES, 32, 64, 0x40000000, ~0u,
	};
	struct fixture *t = *state;
	struct bcm283x_property was = t->mbox.property;

	for (unsigned i = 0; i < ARRAY_SIZE(setters); i++)
		for (unsigned n = 0; n < ARRAY_SIZE(numbers); n++)
			if (numbers[n] >= 32 || setters[i] == 0x38002)
				ask(t, setters[i], 2, numbers[n], 0x77777777);
	ask(t, 0x38002, 2, 0, 48000000);	/* a clock of nothing */
	wants(t, 0x30002, 0, 0, 0);
	assert_memory_equal(t->mbox.property.rates, was.rates, sizeof(was.rates));
	assert_int_equal(t->mbox.property.powered, was.powered);
	assert_int_equal(t->mbox.property.domains, was.domains);
	assert_int_equal(t->mbox.property.clocks_off, was.clocks_off);
}

static void case_54_rows_that_cannot_be_programmed_are_eight(void **state)
{
	static const uint32_t none[][2] = {
		{ 0, 9 }, { 8, 1 }, { 1, 8 }, { 0, 0x3fffffff }, { 0, ~0u }, { ~0u, 1 }, { ~0u, 2 },
	};
	struct fixture *t = *state;

	for (unsigned n = 0; n <= 8; n++) {
		ask(t, 0x30021, 10, 8 - n, n);
		assert_int_equal(mem(t, BUF + 16), 0x80000000 | (8 + n * 4));
		assert_int_equal(got(t, 0), 8 - n);
		assert_int_equal(got(t, 1), n);
		assert_int_equal(got(t, 9), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		ask(t, 0x30021, 10, none[i][0], none[i][1]);
		assert_int_equal(mem(t, BUF + 16), 0x80000008);
		assert_int_equal(got(t, 1), 0);
	}
}

static void case_54_values_past_the_buffer_are_an_error(void **state)
{
	static const uint32_t lens[] = { 5, 0x7fffffff, 0xfffffff0, 0xffffffff };
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		uint32_t words[] = { 24, 0, 0x10002, lens[i], 0, 0x77 };

		gmem_write(&t->f.mem, BUF, words, sizeof(words));
		out(t, 0x20, BUF | 8);
		in(t, 0);
		assert_int_equal(mem(t, BUF + 4), 0x80000001);
		assert_int_equal(mem(t, BUF + 20), 0x77);
	}
}

static void case_7_a_buffer_that_leaves_ram_is_an_error(void **state)
{
	struct fixture *t = *state;

	put(t, FAKE_RAM_LEN - 16, 4096);
	put(t, FAKE_RAM_LEN - 12, 0);
	out(t, 0x20, (FAKE_RAM_LEN - 16) | 8);
	assert_int_equal(mem(t, FAKE_RAM_LEN - 12), 0x80000001);
}

static void case_53_nothing_of_ours_is_in_an_answer(void **state)
{
	struct fixture *t = *state;

	for (uint32_t kind = 0; kind < 7; kind++)
		for (uint32_t n = 0; n < 0x70; n++) {
			uint32_t tag = kind << 16 | n;

			ask(t, tag, 300, 0, 0);
			for (unsigned i = 40; i < 256 && kind != 5; i++)
				assert_int_equal(got(t, i), 0);
		}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_interrupts_until_it_is_read),
		T(answers_come_in_their_order_and_interrupt_who_wants_it),
		T(a_full_mailbox_says_so_and_takes_no_more),
		T(other_channels_and_what_is_not_memory_get_no_answer),
		T(a_reset_forgets_answers),
		T(the_board_says_who_it_is),
		T(what_linux_asks_at_boot_is_answered),
		T(an_unknown_tag_is_an_error_and_stays_as_it_was),
		T(behind_an_unknown_tag_nothing_is_answered),
		T(a_card_has_a_clock_that_is_no_faster_than_wanted),
		T(domains_and_devices_keep_their_power),
		T(clocks_are_on_until_they_are_not),
		T(voltages_and_temperatures_are_those_of_a_board_at_rest),
		T(clocks_have_rates_within_their_limits),
		T(several_tags_are_answered_in_one_buffer),
		T(an_answer_that_does_not_fit_is_cut_and_says_its_length),
		T(a_frame_buffer_is_set_up_and_shown),
		T(a_display_is_counted_and_described),
		T(a_board_without_a_screen_has_no_buffer_for_one),
		T(what_is_shown_from_the_beginning_is_described),
		T(a_kernel_gets_a_frame_buffer_of_ours_for_its_own),
		T(what_does_not_fit_is_answered_with_what_is),
		T(a_palette_is_set_within_its_entries),
		T(a_pictures_form_is_tried_before_it_is_set),
		T(a_screen_is_blanked),
		T(a_reset_shows_nothing),
		T(case_54_sizes_that_are_none_are_an_error_and_no_more),
		T(case_54_a_buffer_ends_with_its_last_tag),
		T(case_54_numbers_of_what_does_not_exist),
		T(case_54_rows_that_cannot_be_programmed_are_eight),
		T(case_54_values_past_the_buffer_are_an_error),
		T(case_7_a_buffer_that_leaves_ram_is_an_error),
		T(case_53_nothing_of_ours_is_in_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
