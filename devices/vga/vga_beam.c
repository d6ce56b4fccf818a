/* SPDX-License-Identifier: MIT */
/*
 * Legacy pictures, as a CRTC walks over them: line by line, column by column.
 * Each column is made of a *cell*, 32 bits that say all about its dots. Only those
 * are painted whose cell is another one than last time, so that it does not matter
 * what led to it: text, font, cursor or scrolling.
 */
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

#define BAND 32				/* lines with the lock held */

struct beam {
	uint32_t y;
	uint16_t row;			/* count at which the row begins */
	uint8_t scan;			/* line of the row */
	bool again;			/* the second of two */
	uint8_t pan;
};

static void beam_start(const struct vga_painter *p, struct beam *b)
{
	*b = (struct beam){
		.row = p->place.start,
		.scan = p->mode.preset,
		.pan = p->mode.pan,
	};
}

/* "Line Compare": what is below the split begins at 0. */
static void beam_next(const struct vga_mode *m, struct beam *b)
{
	if (b->y++ == m->split) {
		b->row = b->scan = b->again = 0;
		b->pan = m->pan_below;
		return;
	}
	b->again = m->twice && !b->again;
	if (b->again || ++b->scan < m->scans)
		return;
	b->scan = 0;
	b->row += m->pitch;
}

/* "CRTC Addressing": from the counter to a plane's byte, which wraps at 64 KiB (case 85). */
static uint32_t beam_address(const struct vga_mode *m, uint16_t count, uint8_t scan)
{
	uint32_t at = count;

	if (m->step == VGA_WORDS)
		at = at << 1 | (count >> m->wrap_bit & 1);
	else if (m->step == VGA_DWORDS)
		at = at << 2 | (count >> 12 & 3);
	if (m->scan_13)
		at = (at & ~0x2000u) | (scan & 1) << 13;
	if (m->scan_14)
		at = (at & ~0x4000u) | (scan & 2) << 13;
	return at & 0xffff;
}

/* --- a column --------------------------------------------------------------------------- */

static bool beam_on_cursor(const struct vga_place *place, uint16_t count, uint8_t scan)
{
	return count == place->cursor && scan >= place->cursor_first && scan <= place->cursor_last;
}

static uint32_t column_cell(struct vga_card *c, const struct beam *b, unsigned i)
{
	struct vga_painter *p = &c->painter;
	uint16_t count = b->row + i;
	struct vga_column col = {
		.at = beam_address(&p->mode, count, b->scan) * 4,
		.scan = b->scan,
		.phase = p->phase,
	};

	if (p->mode.kind != VGA_TEXT)
		return load_le(c->vram + col.at, 4);
	col.cursor = beam_on_cursor(&p->place, count, b->scan);
	return vga_text_cell(c, &p->mode, &col, &p->blinks);
}

/* Dots that lie left or right of the picture are panned out of it. */
static void column_clipped(const struct vga_mode *m, const uint32_t *dots, int x, uint32_t *line)
{
	for (int i = 0; i < m->dots * m->wide; i++)
		if (x + i >= 0 && x + i < (int)m->width)
			line[x + i] = dots[i / m->wide];
}

static int column_left(const struct vga_mode *m, const struct beam *b, unsigned i)
{
	return ((int)i * m->dots - b->pan) * m->wide;
}

static void column_paint(const struct vga_mode *m, int x, uint32_t cell, uint32_t *line)
{
	int n = m->dots * m->wide;
	uint32_t dots[9];

	if (m->kind == VGA_TEXT)
		vga_text_dots(m, cell, dots);
	else
		vga_graphics_dots(m, cell, dots);
	if (m->wide == 1 && x >= 0 && x + n <= (int)m->width)
		memcpy(line + x, dots, 4 * n);
	else
		column_clipped(m, dots, x, line);
}

/* --- lines -------------------------------------------------------------------------------- */

static void line_damage(struct vga_card *c, const struct beam *b, unsigned first, unsigned last)
{
	const struct vga_mode *m = &c->painter.mode;
	int left = MAX(column_left(m, b, first), 0);
	int right = MIN(column_left(m, b, last + 1), (int)m->width);

	if (left < right)
		vga_damage(c, left, b->y, right - left);
}

static void line_paint(struct vga_card *c, const struct beam *b)
{
	struct vga_painter *p = &c->painter;
	const struct vga_mode *m = &p->mode;
	uint32_t *cells = p->cells[b->y], *line = vga_canvas_line(c, b->y);
	/* One more, of which the first dots are seen when others are panned away. */
	unsigned n = m->columns + (b->pan ? 1 : 0), first = n, last = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t cell = column_cell(c, b, i);

		if (cell == cells[i] && !p->fresh)
			continue;
		cells[i] = cell;
		column_paint(m, column_left(m, b, i), cell, line);
		first = MIN(first, i);
		last = i;
	}
	if (first < n)
		line_damage(c, b, first, last);
}

void vga_paint_legacy(struct vga_card *c)
{
	struct vga_painter *p = &c->painter;
	struct beam b;

	p->blinks = false;
	beam_start(p, &b);
	while (b.y < p->mode.height) {
		uint32_t end = MIN(b.y + BAND, p->mode.height);

		pthread_mutex_lock(&c->lock);
		for (; b.y < end; beam_next(&p->mode, &b))
			line_paint(c, &b);
		pthread_mutex_unlock(&c->lock);
	}
}
