/* SPDX-License-Identifier: MIT */
#include "devices/vga/vga.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

void vga_changed(struct vga_card *c)
{
	if (c->told)
		return;
	c->told = true;
	if (c->config.changed)
		c->config.changed(c->config.ctx);
}

void vga_touch(struct vga_card *c, uint32_t off)
{
	uint64_t page = off / VGA_PAGE;

	c->dirty[page / 64] |= BIT(page % 64);
	vga_changed(c);
}

/* Blanks in all of the text window, at even addresses, and glyphs for them. */
static void vga_clear_text(struct vga_card *c)
{
	memset(c->vram, 0, VGA_LEGACY);
	for (uint32_t at = 0; at < 0x8000; at += 2) {
		c->vram[at * 4] = ' ';
		c->vram[at * 4 + 1] = 0x07;
	}
	for (uint32_t ch = 0; ch < 256; ch++)
		for (uint32_t scan = 0; scan < VGA_FONT_HEIGHT; scan++)
			c->vram[(ch * VGA_GLYPH_BYTES + scan) * 4 + 2] = vga_font[ch][scan];
}

void vga_reset(struct vga *vga)
{
	struct vga_card *c = vga->card;

	pthread_mutex_lock(&c->lock);
	vga_regs_reset(&c->regs);
	vga_clear_text(c);
	memset(c->dirty, 0xff, 8);
	vga_changed(c);
	pthread_mutex_unlock(&c->lock);
}

void vga_set_planar(struct vga *vga)
{
	struct vga_card *c = vga->card;

	pthread_mutex_lock(&c->lock);
	vga_regs_planar(&c->regs);
	memset(c->vram, 0, VGA_LEGACY);
	memset(c->dirty, 0xff, 8);
	vga_changed(c);
	pthread_mutex_unlock(&c->lock);
}

void vga_set_monitor(struct vga *vga, const struct edid_monitor *monitor)
{
	struct vga_card *c = vga->card;

	pthread_mutex_lock(&c->lock);
	memset(c->edid, 0, sizeof(c->edid));
	edid_make(monitor, c->edid);
	pthread_mutex_unlock(&c->lock);
}

static struct io_region vga_region(struct vga_card *c, const char *name, const struct io_ops *ops,
				   uint64_t len)
{
	return (struct io_region){
		.name = name, .ops = ops, .dev = c, .len = len, .lock = &c->lock,
	};
}

static bool vga_config_valid(const struct vga_config *config)
{
	return is_pow2(config->vram_len) && config->vram_len >= VGA_MIN_VRAM &&
	       config->vram_len <= VGA_MAX_VRAM && config->canvas_len >= VGA_MIN_CANVAS;
}

int vga_init(struct vga *vga, const struct vga_config *config)
{
	struct vga_card *c;

	memset(vga, 0, sizeof(*vga));
	if (!vga_config_valid(config))
		return -EINVAL;
	c = vga->card = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->config = *config;
	c->vram = config->vram;
	c->vram_mask = config->vram_len - 1;
	c->dirty = calloc(vga_page_words(c), 8);
	c->painter.pages = calloc(vga_page_words(c), 8);
	c->painter.cells = calloc(VGA_MAX_LINES, sizeof(*c->painter.cells));
	if (!c->dirty || !c->painter.pages || !c->painter.cells) {
		vga_finish(vga);
		return -ENOMEM;
	}
	c->painter.shown = true;
	vga->ports = vga_region(c, "vga", &vga_port_ops, VGA_PORTS_LEN);
	vga->dispi = vga_region(c, "vga-dispi", &vga_dispi_ops, VGA_DISPI_PORTS_LEN);
	vga->window = vga_region(c, "vga-window", &vga_window_ops, VGA_WINDOW_LEN);
	vga->mmio = vga_region(c, "vga-mmio", &vga_mmio_ops, VGA_MMIO_LEN);
	vga->fb = vga_region(c, "vga-fb", &vga_fb_ops, config->vram_len);
	vga_reset(vga);
	return 0;
}

void vga_finish(struct vga *vga)
{
	struct vga_card *c = vga->card;

	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->dirty);
	free(c->painter.pages);
	free(c->painter.cells);
	free(c);
	vga->card = NULL;
}
