/* SPDX-License-Identifier: MIT */
/*
 * Text mode against a reference that knows what a guest wrote, and works a pixel
 * out from its coordinates; it knows nothing of planes, cells or dirty pages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/vga_rig.h"
#include "vmm/util.h"

#define TEXT 0xb8000
#define CELLS 0x4000			/* of 32 KiB */

/* What the guest believes to have set up. */
struct page {
	unsigned columns, rows, cell_width, cell_height, pitch, start;
	uint16_t cells[CELLS];		/* attribute << 8 | character */
	uint8_t fonts[2][256][32];	/* [1]: for attributes with bit 3 */
	bool two_fonts, blink, dark;	/* dark: what blinks is not seen */
	bool join;			/* boxes, over the ninth dot */
	int cursor, cursor_first, cursor_last;	/* cell; -1: none to be seen */
	unsigned split;			/* lines below it are of the page at 0 */
	unsigned pan;			/* dots */
	bool pan_top;			/* only above the split */
	unsigned preset;
};

static struct page *page_new(void)
{
	struct page *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->columns = p->pitch = 80;
	p->rows = 25;
	p->cell_width = 9;
	p->cell_height = 16;
	p->blink = p->join = true;
	p->cursor = -1;
	p->split = 1023;
	for (unsigned i = 0; i < CELLS; i++)
		p->cells[i] = 0x0720;
	return p;
}

static bool page_dot(const struct page *p, uint16_t cell, unsigned x, unsigned y)
{
	uint8_t ch = cell & 0xff, attr = cell >> 8;
	const uint8_t *glyph = p->fonts[p->two_fonts && (attr & 8)][ch];

	if (p->blink && (attr & 0x80) && p->dark)
		return false;
	if (x < 8)
		return glyph[y] >> (7 - x) & 1;
	return p->join && ch >= 0xc0 && ch <= 0xdf && (glyph[y] & 1);
}

static uint32_t page_pixel(const struct page *p, unsigned x, unsigned y)
{
	bool below = y > p->split;
	unsigned line = below ? y - p->split - 1 : y + p->preset;
	unsigned dot = x + (below && p->pan_top ? 0 : p->pan);
	unsigned in_y = line % p->cell_height;
	unsigned at = (below ? 0 : p->start) + line / p->cell_height * p->pitch +
		      dot / p->cell_width;
	uint16_t cell;
	bool on;

	/* What lies behind the window is empty here. */
	cell = at < CELLS ? p->cells[at] : 0;
	on = page_dot(p, cell, dot % p->cell_width, in_y);
	if ((int)at == p->cursor && (int)in_y >= p->cursor_first && (int)in_y <= p->cursor_last)
		on = true;
	return vga_text_colours[on ? cell >> 8 & 15 : cell >> 12 & (p->blink ? 7 : 15)];
}

static void assert_page(struct vga_rig *r, const struct page *p)
{
	assert_int_equal(r->width, p->columns * p->cell_width);
	assert_int_equal(r->height, p->rows * p->cell_height);
	for (unsigned y = 0; y < r->height; y++)
		for (unsigned x = 0; x < r->width; x++)
			if (vga_rig_pixel(r, x, y) != page_pixel(p, x, y))
				fail_msg("%u,%u is %06x, not %06x", x, y, vga_rig_pixel(r, x, y),
					 page_pixel(p, x, y));
}

/* --- what the guest does ------------------------------------------------------------- */

struct text {
	struct vga_rig rig;
	struct page *page;
};

static void fill_font(struct text *t, unsigned n, uint16_t base)
{
	for (unsigned i = 0; i < 256 * 32; i++)
		t->page->fonts[n][i / 32][i % 32] = rand();
	rig_font(&t->rig, base, t->page->fonts[n], 256);
}

static int setup(void **state)
{
	struct text *t = calloc(1, sizeof(*t));

	srand(1);
	vga_rig_init(&t->rig, VGA_MIN_VRAM);
	t->page = page_new();
	fill_font(t, 0, 0);
	memcpy(t->page->fonts[1], t->page->fonts[0], sizeof(t->page->fonts[0]));
	/* The cursor is off unless a test is about it. */
	rig_reg(&t->rig, 0x3d4, 0x0a, 0x20);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct text *t = *state;

	vga_rig_finish(&t->rig);
	free(t->page);
	free(t);
	return 0;
}

static void put(struct text *t, unsigned at, uint8_t attr, uint8_t ch)
{
	t->page->cells[at] = attr << 8 | ch;
	rig_poke(&t->rig, TEXT + 2 * at, 2, attr << 8 | ch);
}

static void put_randomly(struct text *t, unsigned n)
{
	while (n--)
		put(t, rand() % CELLS, rand(), rand());
}

static void fill(struct text *t)
{
	for (unsigned at = 0; at < CELLS; at++)
		put(t, at, rand(), rand());
}

static void set_start(struct text *t, unsigned start)
{
	t->page->start = start;
	rig_reg(&t->rig, 0x3d4, 0x0c, start >> 8);
	rig_reg(&t->rig, 0x3d4, 0x0d, start);
}

static void check(struct text *t)
{
	vga_rig_paint(&t->rig);
	assert_page(&t->rig, t->page);
}

/* --- pictures -------------------------------------------------------------------------- */

static void blank_after_reset_with_a_font_and_a_cursor(void **state)
{
	static const char *const letter[16] = {
		"........", "........", "........", "...##...", "..#..#..", ".#....#.", ".#....#.",
		".#....#.", ".######.", ".#....#.", ".#....#.", ".#....#.", "........", "........",
		"........", "........",
	};
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_poke(&r, TEXT + 2, 1, 'A');
	vga_rig_paint(&r);
	assert_int_equal(r.width, 720);
	assert_int_equal(r.height, 400);
	for (unsigned y = 0; y < 400; y++)
		for (unsigned x = 0; x < 720; x++) {
			bool cursor = x < 9 && (y == 13 || y == 14);
			bool lit = x >= 9 && x < 17 && y < 16 && letter[y][x - 9] == '#';

			assert_int_equal(vga_rig_pixel(&r, x, y), cursor || lit ? 0xaaaaaa : 0);
		}
	vga_rig_finish(&r);
}

static void every_character_in_every_attribute(void **state)
{
	struct text *t = *state;

	for (unsigned attr = 0; attr < 256; attr += 8) {
		for (unsigned i = 0; i < 2000; i++)
			put(t, i, attr + i / 256, i);
		check(t);
	}
}

static void bright_backgrounds_when_nothing_blinks(void **state)
{
	struct text *t = *state;

	fill(t);
	t->page->blink = false;
	rig_attr(&t->rig, 0x10, 0x04);
	check(t);
}

static void boxes_are_not_joined_when_the_guest_says_so(void **state)
{
	struct text *t = *state;

	fill(t);
	t->page->join = false;
	rig_attr(&t->rig, 0x10, 0x08);
	check(t);
}

static void what_blinks_is_dark_half_of_the_time(void **state)
{
	struct text *t = *state;
	bool dark[8];
	uint64_t wait;

	for (unsigned i = 0; i < 8; i++) {
		fill(t);
		wait = vga_rig_paint(&t->rig);
		assert_in_range(wait, 1, 1000 * RIG_MS);
		t->page->dark = false;
		for (unsigned x = 0; x < 720 * 400 && !t->page->dark; x++)
			t->page->dark = vga_rig_pixel(&t->rig, x % 720, x / 720) !=
					page_pixel(t->page, x % 720, x / 720);
		assert_page(&t->rig, t->page);
		dark[i] = t->page->dark;
		/* Each half lasts for two of the cursor's. */
		assert_true(i < 2 || dark[i] != dark[i - 2]);
		t->rig.now += wait;
	}
}

static void two_fonts_by_bit_3_of_attributes(void **state)
{
	struct text *t = *state;
	static const struct { uint8_t select; uint16_t base; } maps[] = {
		{ 0x04, 0x4000 }, { 0x08, 0x8000 }, { 0x0c, 0xc000 }, { 0x20, 0x2000 },
		{ 0x24, 0x6000 }, { 0x28, 0xa000 }, { 0x2c, 0xe000 },
	};

	t->page->two_fonts = true;
	fill(t);
	for (unsigned i = 0; i < ARRAY_SIZE(maps); i++) {
		fill_font(t, 1, maps[i].base);
		rig_reg(&t->rig, 0x3c4, 3, maps[i].select);
		check(t);
	}
}

static void fonts_that_change_repaint_their_characters(void **state)
{
	struct text *t = *state;

	fill(t);
	check(t);
	fill_font(t, 0, 0);
	memcpy(t->page->fonts[1], t->page->fonts[0], sizeof(t->page->fonts[0]));
	check(t);
}

static void geometries(void **state)
{
	struct text *t = *state;
	static const struct { unsigned columns, rows, width, height; } sizes[] = {
		{ 80, 25, 8, 16 }, { 80, 50, 9, 8 }, { 80, 28, 9, 14 }, { 132, 25, 8, 16 },
		{ 132, 60, 8, 8 }, { 40, 12, 9, 32 }, { 1, 1, 8, 1 }, { 256, 30, 9, 16 },
	};

	fill(t);
	rig_reg(&t->rig, 0x3d4, 0x11, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct page *p = t->page;
		unsigned lines;

		p->columns = sizes[i].columns;
		p->rows = sizes[i].rows;
		p->cell_width = sizes[i].width;
		p->cell_height = sizes[i].height;
		p->pitch = (p->columns + 1) & ~1u;
		lines = p->rows * p->cell_height - 1;
		rig_reg(&t->rig, 0x3c4, 1, p->cell_width == 8);
		rig_attr(&t->rig, 0x13, p->cell_width == 8 ? 0 : 8);
		rig_reg(&t->rig, 0x3d4, 0x01, p->columns - 1);
		rig_reg(&t->rig, 0x3d4, 0x13, p->pitch / 2);
		rig_reg(&t->rig, 0x3d4, 0x09, 0x40 | (p->cell_height - 1));
		rig_reg(&t->rig, 0x3d4, 0x12, lines);
		rig_reg(&t->rig, 0x3d4, 0x07, 0x1d | (lines >> 8 & 1) << 1 | (lines >> 9 & 1) << 6);
		check(t);
	}
}

static void forty_columns_are_doubled(void **state)
{
	struct text *t = *state;

	t->page->columns = 40;
	t->page->pitch = 40;
	fill(t);
	rig_reg(&t->rig, 0x3d4, 0x11, 0);
	rig_reg(&t->rig, 0x3d4, 0x01, 39);
	rig_reg(&t->rig, 0x3d4, 0x13, 20);
	rig_reg(&t->rig, 0x3c4, 1, 0x08);
	vga_rig_paint(&t->rig);
	assert_int_equal(t->rig.width, 720);
	for (unsigned i = 0; i < 720 * 400; i++)
		assert_int_equal(vga_rig_pixel(&t->rig, i % 720, i / 720),
				 page_pixel(t->page, i % 720 / 2, i / 720));
}

static void double_scanned_lines(void **state)
{
	struct text *t = *state;

	fill(t);
	rig_reg(&t->rig, 0x3d4, 0x09, 0xcf);
	vga_rig_paint(&t->rig);
	for (unsigned i = 0; i < 720 * 400; i++)
		assert_int_equal(vga_rig_pixel(&t->rig, i % 720, i / 720),
				 page_pixel(t->page, i % 720, i / 720 / 2));
	/* Split between the two of a line, or behind them: a new one begins. */
	set_start(t, 100);
	t->page->start = 0;
	rig_reg(&t->rig, 0x3d4, 0x09, 0x8f);
	rig_reg(&t->rig, 0x3d4, 0x11, 0);
	rig_reg(&t->rig, 0x3d4, 0x07, 0x0f);
	for (unsigned split = 100; split < 102; split++) {
		rig_reg(&t->rig, 0x3d4, 0x18, split);
		vga_rig_paint(&t->rig);
		for (unsigned i = (split + 1) * 720; i < 720 * 400; i++)
			assert_int_equal(vga_rig_pixel(&t->rig, i % 720, i / 720),
					 page_pixel(t->page, i % 720, (i / 720 - split - 1) / 2));
	}
}

/* Colours by way of plane enable, palette, colour select and the DAC's mask. */
static void colours_of_the_palette(void **state)
{
	struct text *t = *state;

	put(t, 0, 0x9f, 0);
	rig_attr(&t->rig, 0x10, 0x04);
	rig_dac(&t->rig, 0x35, 1, 62, 63);
	rig_attr(&t->rig, 9, 0x35);
	vga_rig_paint(&t->rig);
	memset(t->page->fonts[0][0], 0, 32);
	rig_font(&t->rig, 0, t->page->fonts[0], 1);
	vga_rig_paint(&t->rig);
	assert_int_equal(vga_rig_pixel(&t->rig, 3, 3), 0x04fbff);
	/* Of index 9 only bit 0 is left. */
	rig_attr(&t->rig, 0x12, 0x07);
	vga_rig_paint(&t->rig);
	assert_int_equal(vga_rig_pixel(&t->rig, 3, 3), 0x0000aa);
	rig_attr(&t->rig, 0x12, 0x0f);
	/* Bits 6 and 7, then 4 to 7 of colour select. */
	rig_attr(&t->rig, 0x14, 0x0e);
	rig_dac(&t->rig, 0xf5, 63, 0, 0);
	rig_dac(&t->rig, 0xe5, 0, 0, 63);
	vga_rig_paint(&t->rig);
	assert_int_equal(vga_rig_pixel(&t->rig, 3, 3), 0xff0000);
	rig_attr(&t->rig, 0x10, 0x84);
	vga_rig_paint(&t->rig);
	assert_int_equal(vga_rig_pixel(&t->rig, 3, 3), 0x0000ff);
	rig_dac(&t->rig, 0x05, 0, 63, 0);
	rig_out(&t->rig, 0x3c6, 0x0f);
	vga_rig_paint(&t->rig);
	assert_int_equal(vga_rig_pixel(&t->rig, 3, 3), 0x00ff00);
}

static void underline_of_a_monochrome_adapter(void **state)
{
	struct text *t = *state;

	memset(t->page->fonts[0][1], 0, 32);
	rig_font(&t->rig, 0, t->page->fonts[0], 2);
	put(t, 0, 0x01, 1);
	put(t, 1, 0x07, 1);
	put(t, 2, 0x71, 1);
	rig_attr(&t->rig, 0x10, 0x0e);
	rig_reg(&t->rig, 0x3d4, 0x14, 12);
	vga_rig_paint(&t->rig);
	for (unsigned y = 0; y < 16; y++)
		for (unsigned x = 0; x < 27; x++)
			assert_int_equal(vga_rig_pixel(&t->rig, x, y),
					 x >= 18 ? 0xaaaaaa : y == 12 && x < 9 ? 0x0000aa : 0);
}

/* --- scrolling --------------------------------------------------------------------------- */

static void start_addresses(void **state)
{
	struct text *t = *state;
	static const unsigned starts[] = { 80, 81, 2000, 16384 - 2000, 16384 - 1000, 32767, 20000 };

	fill(t);
	/* What is behind the window, as in the reference. */
	memset(t->rig.vram + 0x8000 * 4, 0, 0x8000 * 4);
	for (unsigned i = 0; i < 32; i++)
		for (unsigned k = 0; k < 256; k++)
			t->page->fonts[0][k][i] = t->page->fonts[1][k][i] = i ^ k;
	rig_font(&t->rig, 0, t->page->fonts[0], 256);
	for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
		set_start(t, starts[i]);
		check(t);
	}
}

static void split_by_line_compare(void **state)
{
	struct text *t = *state;
	static const unsigned lines[] = { 0, 1, 15, 16, 200, 255, 256, 398, 399, 400, 700 };

	fill(t);
	set_start(t, 4000);
	rig_reg(&t->rig, 0x3d4, 0x11, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		t->page->split = lines[i];
		rig_reg(&t->rig, 0x3d4, 0x18, lines[i]);
		rig_reg(&t->rig, 0x3d4, 0x07, 0x0f | (lines[i] >> 8 & 1) << 4);
		rig_reg(&t->rig, 0x3d4, 0x09, 0x0f | (lines[i] >> 9 & 1) << 6);
		check(t);
	}
}

static void smooth_scrolling_by_dots_and_lines(void **state)
{
	struct text *t = *state;

	fill(t);
	set_start(t, 333);
	rig_reg(&t->rig, 0x3d4, 0x11, 0);
	t->page->split = 300;
	rig_reg(&t->rig, 0x3d4, 0x18, 300 & 0xff);
	rig_reg(&t->rig, 0x3d4, 0x07, 0x1f);
	rig_reg(&t->rig, 0x3d4, 0x09, 0x0f);
	for (unsigned i = 0; i < 9; i++) {
		t->page->pan = i == 8 ? 0 : i + 1;
		t->page->preset = i * 15 / 8;
		t->page->pan_top = i & 1;
		rig_attr(&t->rig, 0x13, i);
		rig_attr(&t->rig, 0x10, t->page->pan_top ? 0x2c : 0x0c);
		rig_reg(&t->rig, 0x3d4, 0x08, t->page->preset);
		check(t);
	}
	/* No further than the row's last line. */
	rig_reg(&t->rig, 0x3d4, 0x08, 0x1f);
	t->page->preset = 15;
	check(t);
	/* By characters. */
	rig_reg(&t->rig, 0x3d4, 0x08, 0x60);
	t->page->preset = 0;
	t->page->start += 3;
	check(t);
}

/* --- the cursor ----------------------------------------------------------------------------- */

static void set_cursor(struct text *t, unsigned at, unsigned first, unsigned last)
{
	t->page->cursor = at;
	t->page->cursor_first = first;
	t->page->cursor_last = last;
	rig_reg(&t->rig, 0x3d4, 0x0e, at >> 8);
	rig_reg(&t->rig, 0x3d4, 0x0f, at);
	rig_reg(&t->rig, 0x3d4, 0x0a, first);
	rig_reg(&t->rig, 0x3d4, 0x0b, last);
}

static void cursor_shapes_and_places(void **state)
{
	struct text *t = *state;

	fill(t);
	for (unsigned i = 0; i < 40; i++) {
		set_cursor(t, i * 51, i % 17, i % 31);
		check(t);
	}
	/* Of a screen that has scrolled, and off it. */
	set_start(t, 100);
	check(t);
	set_cursor(t, 99, 0, 15);
	check(t);
}

/* Until it ends; the cursor is in the third row. */
static void watch_it_blink(struct text *t)
{
	bool seen[2] = { false };
	uint64_t wait, begin = t->rig.now;

	while ((wait = vga_rig_paint(&t->rig)) != VGA_NEVER) {
		assert_true(t->rig.now - begin < 20000 * RIG_MS);
		t->page->cursor = vga_rig_pixel(&t->rig, 0, 32) == 0xaaaaaa ? 160 : -1;
		assert_page(&t->rig, t->page);
		seen[t->page->cursor < 0] = true;
		t->rig.now += wait;
	}
	assert_true(seen[0] && seen[1]);
}

static void cursor_blinks_until_nothing_has_happened_for_long(void **state)
{
	struct text *t = *state;
	unsigned ended;

	set_cursor(t, 160, 0, 15);
	/* Whether the end comes in the one half or in the other. */
	for (unsigned i = 0; i < 2; i++) {
		watch_it_blink(t);
		/* Left alone with the cursor on. */
		t->page->cursor = 160;
		assert_page(&t->rig, t->page);
		ended = t->rig.n_flush;
		t->rig.now += 1000 * RIG_MS;
		assert_int_equal(vga_rig_paint(&t->rig), VGA_NEVER);
		assert_int_equal(t->rig.n_flush, ended);
		/* Whatever the guest does next wakes it, here with an odd half. */
		put(t, 5, 0x07, 'x');
		t->rig.now += vga_rig_paint(&t->rig);
		put(t, 5, 0x07, 'y');
	}
}

static void nothing_blinks_without_a_cursor(void **state)
{
	struct text *t = *state;

	assert_int_equal(vga_rig_paint(&t->rig), VGA_NEVER);
}

/* --- what is told ---------------------------------------------------------------------------- */

static void only_what_changed_is_told(void **state)
{
	struct text *t = *state;
	struct vga_rig *r = &t->rig;
	unsigned flushes;

	fill(t);
	vga_rig_paint(r);
	flushes = r->n_flush;
	vga_rig_paint(r);
	assert_int_equal(r->n_flush, flushes);
	/* The same again is no change either. */
	put(t, 85, t->page->cells[85] >> 8, t->page->cells[85]);
	vga_rig_paint(r);
	assert_int_equal(r->n_flush, flushes);
	r->n_pixels = 0;
	put(t, 85, ~t->page->cells[85] >> 8, t->page->cells[85]);
	vga_rig_paint(r);
	assert_int_equal(r->n_flush, flushes + 1);
	assert_in_range(r->n_pixels, 1, 9 * 16);
	assert_int_equal(r->n_set, 1);
}

static void random_writes_leave_nothing_stale(void **state)
{
	struct text *t = *state;

	for (unsigned i = 0; i < 30; i++) {
		put_randomly(t, 1 << i % 10);
		if (i % 3 == 0)
			set_start(t, rand() % 8000);
		check(t);
	}
}

static void changes_are_told_once_until_painted(void **state)
{
	struct text *t = *state;
	struct vga_rig *r = &t->rig;

	vga_rig_paint(r);
	r->n_changed = 0;
	put(t, 0, 1, 2);
	put(t, 1, 1, 2);
	assert_int_equal(r->n_changed, 1);
	vga_rig_paint(r);
	/* Reading, and waiting for a retrace, change nothing. */
	rig_in(r, 0x3da);
	rig_reg_get(r, 0x3d4, 1);
	rig_peek(r, TEXT, 4);
	assert_int_equal(r->n_changed, 1);
	put(t, 0, 1, 3);
	assert_int_equal(r->n_changed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blank_after_reset_with_a_font_and_a_cursor),
		TEST(every_character_in_every_attribute),
		TEST(bright_backgrounds_when_nothing_blinks),
		TEST(boxes_are_not_joined_when_the_guest_says_so),
		TEST(what_blinks_is_dark_half_of_the_time),
		TEST(two_fonts_by_bit_3_of_attributes),
		TEST(fonts_that_change_repaint_their_characters),
		TEST(geometries),
		TEST(forty_columns_are_doubled),
		TEST(double_scanned_lines),
		TEST(colours_of_the_palette),
		TEST(underline_of_a_monochrome_adapter),
		TEST(start_addresses),
		TEST(split_by_line_compare),
		TEST(smooth_scrolling_by_dots_and_lines),
		TEST(cursor_shapes_and_places),
		TEST(cursor_blinks_until_nothing_has_happened_for_long),
		TEST(nothing_blinks_without_a_cursor),
		TEST(only_what_changed_is_told),
		TEST(random_writes_leave_nothing_stale),
		TEST(changes_are_told_once_until_painted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
