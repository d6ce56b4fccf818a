/* SPDX-License-Identifier: MIT */
/* The card's inside, for vga*.c and no others. */
#ifndef MICROVM_VGA_IMPL_H
#define MICROVM_VGA_IMPL_H

#include "devices/vga/vga.h"

#define VGA_FONT_HEIGHT 16
#define VGA_GLYPH_BYTES 32		/* of plane 2, for each character */
#define VGA_LEGACY (256 << 10)		/* bytes of vram that legacy modes have */
#define VGA_MAX_LINES 1024
#define VGA_MAX_COLUMNS (256 + 1)	/* and one that is panned into the picture */

enum {
	SEQ_RESET, SEQ_CLOCKING, SEQ_MAP_MASK, SEQ_FONT, SEQ_MEMORY, SEQ_COUNT,
};
enum {
	GC_SET_RESET, GC_ENABLE_SET_RESET, GC_COMPARE, GC_ROTATE, GC_READ_MAP, GC_MODE, GC_MISC,
	GC_DONT_CARE, GC_BIT_MASK, GC_COUNT,
};
enum {
	CRTC_H_DISPLAY = 0x01, CRTC_OVERFLOW = 0x07, CRTC_PRESET_ROW = 0x08, CRTC_MAX_SCAN = 0x09,
	CRTC_CURSOR_FIRST = 0x0a, CRTC_CURSOR_LAST = 0x0b, CRTC_START_HIGH = 0x0c,
	CRTC_START_LOW = 0x0d, CRTC_CURSOR_HIGH = 0x0e, CRTC_CURSOR_LOW = 0x0f,
	CRTC_SYNC_END = 0x11, CRTC_V_DISPLAY = 0x12, CRTC_OFFSET = 0x13, CRTC_UNDERLINE = 0x14,
	CRTC_MODE = 0x17, CRTC_LINE_COMPARE = 0x18, CRTC_COUNT = 0x19,
};
enum {
	ATTR_MODE = 0x10, ATTR_PLANES = 0x12, ATTR_PAN = 0x13, ATTR_SELECT = 0x14,
	ATTR_COUNT = 0x15,
};
enum {
	DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRT_WIDTH,
	DISPI_VIRT_HEIGHT, DISPI_X_OFFSET, DISPI_Y_OFFSET, DISPI_VRAM_64K, DISPI_COUNT,
};

#define MISC_COLOUR 0x01
#define MISC_RAM 0x02
#define SEQ_CLOCKING_8_DOTS 0x01
#define SEQ_CLOCKING_HALF 0x08
#define SEQ_CLOCKING_OFF 0x20
#define SEQ_MEMORY_SEQUENTIAL 0x04
#define SEQ_MEMORY_CHAIN_4 0x08
#define GC_MODE_READ_1 0x08
#define GC_MODE_ODD_EVEN 0x10
#define GC_MODE_CGA 0x20
#define GC_MODE_256 0x40
#define GC_MISC_GRAPHICS 0x01
#define ATTR_MODE_MONO 0x02
#define ATTR_MODE_LINE_9 0x04
#define ATTR_MODE_BLINK 0x08
#define ATTR_MODE_PAN_TOP 0x20
#define ATTR_MODE_P54S 0x80
#define ATTR_INDEX_ON 0x20		/* PAS: the picture is on */
#define CRTC_MODE_RUN 0x80
#define CRTC_PROTECT 0x80		/* of CRTC_SYNC_END */

/* Bochs' VBE extension: VBE_DISPI_... */
#define DISPI_VERSION 0xb0c5
#define DISPI_ENABLED 0x01
#define DISPI_GETCAPS 0x02
#define DISPI_8BIT_DAC 0x20
#define DISPI_LFB 0x40
#define DISPI_NOCLEAR 0x80

/* All that a guest writes; a copy of it is what one picture is painted by. */
struct vga_regs {
	uint8_t misc, feature;
	uint8_t seq_index, gc_index, crtc_index, attr_index;
	bool attr_data;			/* the next write to 0x3c0 is data */
	bool retrace;
	uint8_t seq[SEQ_COUNT], gc[GC_COUNT], crtc[CRTC_COUNT], attr[ATTR_COUNT];
	uint8_t dac[256][3], dac_mask, dac_index, dac_part;
	bool dac_reading;
	uint8_t dac_latch[3];
	uint16_t dispi_index, dispi[DISPI_COUNT];
	bool big_endian;
	uint32_t latch;			/* plane p in byte p */
};

enum vga_kind { VGA_OFF, VGA_TEXT, VGA_PLANES, VGA_CGA, VGA_256, VGA_LINEAR };
enum vga_step { VGA_BYTES, VGA_WORDS, VGA_DWORDS };	/* of the CRTC's counter */

/* What registers come to. Zeroed before it is filled in: compared as memory. */
struct vga_mode {
	enum vga_kind kind;
	uint32_t width, height;
	uint32_t colours[256];		/* XRGB; 16 in text and of planes */

	/* legacy modes */
	uint16_t columns;
	uint8_t dots, wide;		/* a column; dots of the picture for each */
	uint8_t pan, pan_below;		/* above and below the split */
	uint8_t scans;			/* lines of a row, 1 ... 32 */
	uint8_t preset;			/* of these, the first one's number */
	bool twice;			/* each line */
	uint16_t pitch, split;		/* in counts; the last line above */
	enum vga_step step;
	uint8_t wrap_bit;		/* of the counter, becomes bit 0 of words */
	bool scan_13, scan_14;		/* these bits are the line's number's */
	uint16_t fonts[2];		/* in plane 2; by bit 3 of attributes */
	uint8_t underline;		/* line; 0xff: none */
	bool line_9, blink;

	/* linear modes */
	uint8_t bpp;			/* 4: planes; 8, 15, 16, 24, 32 */
	bool big_endian;
	uint32_t stride;		/* bytes */
};

/* What moves within a mode without setting a new one. */
struct vga_place {
	uint32_t start;			/* counts; in linear modes the first byte */
	uint16_t cursor;		/* likewise */
	uint8_t cursor_first, cursor_last;	/* lines; first > last: none */
};

/* The loop thread's. */
struct vga_painter {
	bool shown;			/* the display is ours */
	bool set;			/* and has a surface of the mode */
	bool fresh;			/* nothing of what was painted counts */
	uint32_t width, height;		/* that the display was told */
	struct vga_mode mode;
	struct vga_place place;
	unsigned phase;			/* of what blinks */
	bool blinks;			/* something of the picture does */
	uint64_t changed_ns;		/* when the guest last changed anything */
	uint64_t *pages;		/* dirty ones, of this picture */
	/* What the columns of each line were painted from. */
	uint32_t (*cells)[VGA_MAX_COLUMNS];
	struct iovec piece;
	struct display_rect damage;	/* not told yet; of no height: none */
};

struct vga_card {
	pthread_mutex_t lock;
	struct vga_config config;
	uint8_t *vram;
	uint32_t vram_mask;
	struct vga_regs regs;		/* lock */
	uint64_t *dirty;		/* lock; pages written through the window */
	bool told;			/* lock; changed() was called */
	uint8_t edid[EDID_MAX_BYTES];	/* lock */
	struct vga_painter painter;
};

extern const uint8_t vga_font[256][VGA_FONT_HEIGHT];
extern const struct io_ops vga_port_ops, vga_dispi_ops, vga_window_ops, vga_mmio_ops,
	vga_fb_ops;

/* 64 pages a word; vram has 64 or more. */
static inline uint64_t vga_page_words(const struct vga_card *c)
{
	return (c->vram_mask + 1ull) / VGA_PAGE / 64;
}

/* Something that the picture may depend on was written. The lock is held. */
void vga_changed(struct vga_card *c);
/* The same for byte @off of vram. */
void vga_touch(struct vga_card *c, uint32_t off);

/* --- vga_regs.c: the lock is held ------------------------------------------- */

void vga_regs_reset(struct vga_regs *r);	/* to mode 3, text */
void vga_regs_planar(struct vga_regs *r);	/* to mode 12h */
/* A byte of 0x3b0 + @off. */
uint8_t vga_port_read(void *dev, unsigned off);
void vga_port_write(void *dev, unsigned off, uint8_t value);

/* --- vga_dispi.c: the lock is held ------------------------------------------ */

uint16_t vga_dispi_get(const struct vga_card *c, unsigned index);
void vga_dispi_set(struct vga_card *c, unsigned index, uint16_t value);

static inline bool vga_dispi_on(const struct vga_regs *r)
{
	return r->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

/* Bytes of a row of @width pixels. */
static inline uint32_t vga_row_bytes(unsigned bpp, uint32_t width)
{
	/* Four planes of eight pixels a byte; else whole bytes a pixel. */
	return bpp == 4 ? (width + 7) / 8 * 4 : width * ((bpp + 7) / 8);
}

/* --- vga_mode.c: pure --------------------------------------------------------- */

/* What @r mean to a card with room for pictures of @canvas_len bytes. */
void vga_mode_of(const struct vga_regs *r, uint64_t canvas_len, struct vga_mode *mode,
		 struct vga_place *place);
/* Whether pictures of the mode lie in vram as the display wants them; their format. */
bool vga_mode_direct(const struct vga_mode *mode, uint32_t *fourcc);

/* --- painting: the loop thread ------------------------------------------------- */

/* Dots @x ... @x + @width - 1 of line @y of the picture have changed. */
void vga_damage(struct vga_card *c, uint32_t x, uint32_t y, uint32_t width);
uint32_t *vga_canvas_line(const struct vga_card *c, uint32_t y);
/* By the painter's mode and place, and its pages that were written. They take the lock. */
void vga_paint_legacy(struct vga_card *c);
void vga_paint_linear(struct vga_card *c, bool moved);

/* One column of a line, legacy modes. */
struct vga_column {
	uint32_t at;			/* of its four bytes in vram */
	uint8_t scan;			/* line of the row, 0 ... 31 */
	bool cursor;			/* is in it */
	unsigned phase;			/* of what blinks */
};

/*
 * What a column of text shows, all of it: the dots of a glyph's line and their
 * attribute. Sets *@blinks if it will look different in another phase. The lock
 * is held.
 */
uint32_t vga_text_cell(const struct vga_card *c, const struct vga_mode *m,
		       const struct vga_column *col, bool *blinks);
void vga_text_dots(const struct vga_mode *m, uint32_t cell, uint32_t dots[9]);
/* Of the other legacy modes, a cell is the four bytes. */
void vga_planes_dots(const uint32_t *colours, uint32_t cell, uint32_t dots[8]);
void vga_graphics_dots(const struct vga_mode *m, uint32_t cell, uint32_t dots[8]);

#endif
