/* SPDX-License-Identifier: MIT */
/* Text: a line of a glyph, from the character in plane 0, attribute in 1 and font in 2. */
#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* A cell: dots in bits 0-7, the leftmost the highest; the ninth in 8; then two colours. */
#define CELL_NINTH 0x100
#define CELL_ALL 0x1ff
#define CELL_FOREGROUND 12
#define CELL_BACKGROUND 16

#define ATTR_BLINK 0x80
#define ATTR_FONT 0x08

/* What blinks with characters is half as fast as the cursor ("Text Cursor", "Attribute Mode"). */
static bool text_dark(unsigned phase)
{
	return phase & 2;
}

static bool text_cursor_seen(unsigned phase)
{
	return !(phase & 1);
}

static uint32_t text_glyph(const struct vga_card *c, const struct vga_mode *m, uint8_t ch,
			   uint8_t attr, uint8_t scan)
{
	uint32_t at = m->fonts[attr & ATTR_FONT ? 1 : 0] + ch * VGA_GLYPH_BYTES + scan;
	uint32_t dots = c->vram[at * 4 + 2];

	/* "Line Graphics Enable": boxes join over the ninth dot. */
	if (m->line_9 && (ch & 0xe0) == 0xc0 && (dots & 1))
		dots |= CELL_NINTH;
	/* As a monochrome adapter has it: attributes of foreground 1 and background 0. */
	if (scan == m->underline && (attr & 0x77) == 1)
		dots |= CELL_ALL;
	return dots;
}

uint32_t vga_text_cell(const struct vga_card *c, const struct vga_mode *m,
		       const struct vga_column *col, bool *blinks)
{
	uint8_t ch = c->vram[col->at], attr = c->vram[col->at + 1];
	uint32_t dots = text_glyph(c, m, ch, attr, col->scan);
	uint8_t background = attr >> 4;

	if (m->blink) {
		background &= 7;
		if (attr & ATTR_BLINK) {
			*blinks = true;
			dots = text_dark(col->phase) ? 0 : dots;
		}
	}
	if (col->cursor) {
		*blinks = true;
		dots = text_cursor_seen(col->phase) ? CELL_ALL : dots;
	}
	return dots | (attr & 0x0fu) << CELL_FOREGROUND | (uint32_t)background << CELL_BACKGROUND;
}

/* Four bits as masks: most of what a screen full of text costs is here. */
#define MASKS(n)                                                                                   \
	{ -((n) >> 3 & 1u), -((n) >> 2 & 1u), -((n) >> 1 & 1u), -((n) & 1u) }
static const uint32_t text_masks[16][4] = {
	MASKS(0), MASKS(1), MASKS(2), MASKS(3), MASKS(4), MASKS(5), MASKS(6), MASKS(7),
	MASKS(8), MASKS(9), MASKS(10), MASKS(11), MASKS(12), MASKS(13), MASKS(14), MASKS(15),
};

void vga_text_dots(const struct vga_mode *m, uint32_t cell, uint32_t dots[9])
{
	uint32_t off = m->colours[cell >> CELL_BACKGROUND & 0x0f];
	uint32_t turn = off ^ m->colours[cell >> CELL_FOREGROUND & 0x0f];
	const uint32_t *left = text_masks[cell >> 4 & 0x0f], *right = text_masks[cell & 0x0f];

	for (unsigned i = 0; i < 4; i++)
		dots[i] = off ^ (turn & left[i]);
	for (unsigned i = 0; i < 4; i++)
		dots[4 + i] = off ^ (turn & right[i]);
	dots[8] = cell & CELL_NINTH ? off ^ turn : off;
}
