/* SPDX-License-Identifier: MIT */
/* From a card to a display: what has changed since the last picture, and who is told. */
#include <libdrm/drm_fourcc.h>

#include "devices/vga/vga_impl.h"
#include "vmm/util.h"

/* The cursor: on for 16 pictures of 70 Hz, off for 16. */
#define BLINK_NS (16 * 1000000000ull / 70)
/* A guest that has not changed anything for so long is left alone, its cursor on. */
#define BLINK_FOR_NS (10 * 1000000000ull)
/* Changes that are this near to each other are told as one. */
#define DAMAGE_GAP 32

/* --- what is told ---------------------------------------------------------------------- */

uint32_t *vga_canvas_line(const struct vga_card *c, uint32_t y)
{
	return (uint32_t *)c->config.canvas + (size_t)y * c->painter.mode.width;
}

static void damage_tell(struct vga_card *c)
{
	struct vga_painter *p = &c->painter;
	const struct display *d = &c->config.display;

	if (p->damage.height)
		d->ops->flush(d->ctx, 0, &p->damage);
	p->damage.height = 0;
}

void vga_damage(struct vga_card *c, uint32_t x, uint32_t y, uint32_t width)
{
	struct vga_painter *p = &c->painter;
	struct display_rect *r = &p->damage;
	uint32_t right = x + width;

	/* A surface that is about to be set is new as a whole. */
	if (!p->set)
		return;
	if (r->height && y > r->y + r->height + DAMAGE_GAP)
		damage_tell(c);
	if (!r->height) {
		*r = (struct display_rect){ x, y, width, 1 };
		return;
	}
	right = MAX(right, r->x + r->width);
	r->x = MIN(r->x, x);
	r->width = right - r->x;
	r->height = y - r->y + 1;
}

/* Nothing of what was painted counts any more. */
static void paint_off(struct vga_card *c)
{
	struct vga_painter *p = &c->painter;
	const struct display *d = &c->config.display;

	if (p->mode.kind != VGA_OFF)
		d->ops->off(d->ctx, 0);
	p->set = false;
	p->width = p->height = 0;
	p->damage.height = 0;
	memset(&p->mode, 0, sizeof(p->mode));
}

static void paint_set(struct vga_card *c)
{
	struct vga_painter *p = &c->painter;
	const struct vga_mode *m = &p->mode;
	const struct display *d = &c->config.display;
	struct display_surface s = {
		.width = m->width, .height = m->height,
		.pixels = {
			.pieces = &p->piece, .n_pieces = 1,
			.shared = c->config.shared, .fd = c->config.fd,
		},
	};

	if (vga_mode_direct(m, &s.fourcc)) {
		p->piece = (struct iovec){ c->vram, c->vram_mask + 1ull };
		s.pixels.fd_offset = c->config.vram_at;
		s.pixels.offset = p->place.start;
		s.pixels.stride = m->stride;
	} else {
		p->piece = (struct iovec){ c->config.canvas, c->config.canvas_len };
		s.pixels.fd_offset = c->config.canvas_at;
		s.pixels.stride = 4 * m->width;
	}
	if (d->ops->mode && (m->width != p->width || m->height != p->height))
		d->ops->mode(d->ctx, 0, m->width, m->height);
	p->width = m->width;
	p->height = m->height;
	d->ops->set(d->ctx, 0, &s);
	p->set = true;
	p->damage = (struct display_rect){ 0, 0, m->width, m->height };
}

/* --- what has changed ---------------------------------------------------------------------- */

/* A copy of the registers, and of what was written until now: the rest is the next picture's. */
static void paint_snapshot(struct vga_card *c, struct vga_regs *regs)
{
	uint64_t bytes = 8 * vga_page_words(c);

	pthread_mutex_lock(&c->lock);
	*regs = c->regs;
	memcpy(c->painter.pages, c->dirty, bytes);
	memset(c->dirty, 0, bytes);
	c->told = false;
	pthread_mutex_unlock(&c->lock);
	if (c->config.dirty.collect)
		c->config.dirty.collect(c->config.dirty.ctx, c->painter.pages);
}

static bool paint_any_page(const struct vga_card *c)
{
	for (uint64_t i = 0; i < vga_page_words(c); i++)
		if (c->painter.pages[i])
			return true;
	return false;
}

/* Whether two modes have surfaces of the same shape, in the same place. */
static bool paint_same_surface(const struct vga_mode *a, const struct vga_mode *b)
{
	uint32_t fourcc_a, fourcc_b;
	bool direct = vga_mode_direct(a, &fourcc_a);

	return direct == vga_mode_direct(b, &fourcc_b) && fourcc_a == fourcc_b &&
	       a->width == b->width && a->height == b->height &&
	       (!direct || a->stride == b->stride);
}

static void paint_new_mode(struct vga_card *c, const struct vga_mode *m)
{
	struct vga_painter *p = &c->painter;

	if (memcmp(m, &p->mode, sizeof(*m)) == 0)
		return;
	p->fresh = true;
	if (!paint_same_surface(m, &p->mode))
		p->set = false;
	p->mode = *m;
}

/* --- blinking ------------------------------------------------------------------------------- */

static bool paint_asleep(const struct vga_painter *p, uint64_t now)
{
	return now - p->changed_ns >= BLINK_FOR_NS;
}

/* Time until the picture changes by itself. */
static uint64_t paint_wait(const struct vga_painter *p, uint64_t now)
{
	if (p->mode.kind != VGA_TEXT || !p->blinks || paint_asleep(p, now))
		return VGA_NEVER;
	return BLINK_NS - now % BLINK_NS;
}

/* --- a picture ------------------------------------------------------------------------------- */

static void paint_picture(struct vga_card *c, uint64_t now, bool moved, bool dirty)
{
	struct vga_painter *p = &c->painter;
	unsigned phase;

	if (p->fresh || moved || dirty)
		p->changed_ns = now;
	/* In 0 everything is seen. */
	phase = paint_asleep(p, now) ? 0 : now / BLINK_NS;
	if (p->mode.kind == VGA_LINEAR) {
		if (p->fresh || moved || dirty)
			vga_paint_linear(c, moved);
		return;
	}
	/* The first 64 pages, which are all that legacy modes have. */
	dirty = p->pages[0];
	if (p->fresh || moved || dirty || (p->blinks && phase != p->phase)) {
		p->phase = phase;
		vga_paint_legacy(c);
	}
}

static uint64_t paint(struct vga_card *c, uint64_t now)
{
	struct vga_painter *p = &c->painter;
	struct vga_regs regs;
	struct vga_place place;
	struct vga_mode mode;
	uint32_t fourcc;
	bool moved;

	paint_snapshot(c, &regs);
	vga_mode_of(&regs, c->config.canvas_len, &mode, &place);
	if (mode.kind == VGA_OFF) {
		paint_off(c);
		return VGA_NEVER;
	}
	paint_new_mode(c, &mode);
	moved = memcmp(&place, &p->place, sizeof(place));
	/* A picture in vram has moved with its surface. */
	if (moved && vga_mode_direct(&mode, &fourcc))
		p->set = false;
	p->place = place;
	paint_picture(c, now, moved, paint_any_page(c));
	if (!p->set)
		paint_set(c);
	damage_tell(c);
	p->fresh = false;
	return paint_wait(p, now);
}

uint64_t vga_paint(struct vga *vga, uint64_t now_ns)
{
	struct vga_card *c = vga->card;

	return c->painter.shown ? paint(c, now_ns) : VGA_NEVER;
}

void vga_show(struct vga *vga, bool shown)
{
	struct vga_card *c = vga->card;

	if (!shown)
		paint_off(c);
	c->painter.shown = shown;
}

bool vga_text_written(struct vga *vga)
{
	struct vga_card *c = vga->card;
	uint64_t bytes = 8 * vga_page_words(c), written;
	struct vga_regs regs;
	struct vga_place place;
	struct vga_mode mode;

	pthread_mutex_lock(&c->lock);
	regs = c->regs;
	written = c->dirty[0];
	memset(c->dirty, 0, bytes);
	c->told = false;
	pthread_mutex_unlock(&c->lock);
	vga_mode_of(&regs, c->config.canvas_len, &mode, &place);
	return mode.kind == VGA_TEXT && written;
}

uint64_t vga_quiet_ns(const struct vga *vga, uint64_t now_ns)
{
	return now_ns - vga->card->painter.changed_ns;
}

bool vga_linear(const struct vga *vga)
{
	const struct vga_painter *p = &vga->card->painter;

	return p->shown && p->set && p->mode.kind == VGA_LINEAR;
}
