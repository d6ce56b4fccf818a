/* SPDX-License-Identifier: MIT */
/*
 * A VGA card as a guest sees it, by ports and memory, and a screen that shows no
 * more of it than the card has told: set() brings a picture, flush() a part.
 * Whatever breaks display.h's rules aborts.
 */
#ifndef MICROVM_TESTS_VGA_RIG_H
#define MICROVM_TESTS_VGA_RIG_H

#include "devices/vga/vga_refresh.h"

#define RIG_MMIO 0xfe000000ull		/* of the registers in memory */
#define RIG_FB 0xe0000000ull		/* of vram */
#define RIG_MS 1000000ull

enum { RIG_DISPI_ID, RIG_XRES, RIG_YRES, RIG_BPP, RIG_ENABLE, RIG_BANK, RIG_VIRT_WIDTH,
       RIG_VIRT_HEIGHT, RIG_X_OFFSET, RIG_Y_OFFSET, RIG_VRAM_64K };

struct vga_rig {
	struct vga vga;
	struct bus pio, mmio;
	uint8_t *vram, *canvas;
	uint64_t vram_len, canvas_len;
	uint64_t now;
	uint64_t *touched;		/* pages that the guest wrote directly */
	struct vga_refresh *refresh;	/* told of changes; NULL: the test paints */
	/* the screen */
	uint32_t *screen;		/* XRGB; NULL: no picture */
	struct display_surface surface;	/* as it was set */
	uint32_t width, height;
	unsigned n_mode, n_set, n_flush, n_off, n_changed;
	uint64_t n_pixels;		/* told by flush() */
	bool blind;			/* it looks at no pixels, which others write meanwhile */
};

/* A mode's registers, as BIOSes set them. */
struct vga_rig_mode {
	uint8_t misc, seq[5], crtc[25], gc[9], attr[21];
};
extern const struct vga_rig_mode vga_mode_04h, vga_mode_12h, vga_mode_13h;
extern const uint32_t vga_text_colours[16];

void vga_rig_init(struct vga_rig *r, uint64_t vram_len);
void vga_rig_finish(struct vga_rig *r);
uint64_t vga_rig_paint(struct vga_rig *r);
/* Whether what was just painted, bit by bit, is what painting all of it anew comes to. */
bool vga_rig_fresh(struct vga_rig *r);
uint32_t vga_rig_pixel(const struct vga_rig *r, uint32_t x, uint32_t y);

void rig_out(struct vga_rig *r, uint16_t port, uint8_t value);
uint8_t rig_in(struct vga_rig *r, uint16_t port);
/* Index at @port, data behind it. */
void rig_reg(struct vga_rig *r, uint16_t port, uint8_t index, uint8_t value);
uint8_t rig_reg_get(struct vga_rig *r, uint16_t port, uint8_t index);
void rig_attr(struct vga_rig *r, uint8_t index, uint8_t value);	/* leaves the picture on */
void rig_dac(struct vga_rig *r, uint8_t index, uint8_t red, uint8_t green, uint8_t blue);
void rig_set_mode(struct vga_rig *r, const struct vga_rig_mode *mode);
void rig_dispi(struct vga_rig *r, uint16_t index, uint16_t value);
uint16_t rig_dispi_get(struct vga_rig *r, uint16_t index);
void rig_vbe(struct vga_rig *r, uint16_t width, uint16_t height, uint16_t bpp);

/* Through the window; @gpa of 0xa0000 ... 0xbffff. */
void rig_poke(struct vga_rig *r, uint64_t gpa, unsigned size, uint64_t value);
uint64_t rig_peek(struct vga_rig *r, uint64_t gpa, unsigned size);
/* Straight into vram, as a guest's mapping goes. */
void rig_store(struct vga_rig *r, uint64_t off, const void *data, uint64_t len);

/* Loads plane 2 with @n glyphs from @base, and leaves registers as they were. */
void rig_font(struct vga_rig *r, uint16_t base, const uint8_t (*glyphs)[32], unsigned n);

#endif
