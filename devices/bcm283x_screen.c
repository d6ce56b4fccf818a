/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_screen.h"

#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <string.h>

#include "devices/uncached.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define FRAME_NS (1000000000ull / 60)
#define QUIET_NS 500000000ull
#define MAX_SIDE 4096u

/* --- pixels --------------------------------------------------------------------------- */

static uint32_t swap_red_blue(uint32_t v)
{
	return (v & 0xff00) | (v >> 16 & 0xff) | (v & 0xff) << 16;
}

static void line_8(const struct bcm283x_fb *fb, const uint8_t *from, uint32_t *to)
{
	for (uint32_t x = 0; x < fb->width; x++)
		to[x] = swap_red_blue(fb->palette[from[x]]);
}

static void line_16(const struct bcm283x_fb *fb, const uint8_t *from, uint32_t *to)
{
	for (uint32_t x = 0; x < fb->width; x++) {
		uint32_t v = load_le(from + x * 2, 2);
		uint32_t r = v >> 11, g = v >> 5 & 0x3f, b = v & 0x1f;

		to[x] = (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | b << 3 | b >> 2;
	}
}

static void line_rest(const struct bcm283x_fb *fb, const uint8_t *from, uint32_t *to)
{
	uint32_t bytes = fb->depth / 8;

	for (uint32_t x = 0; x < fb->width; x++) {
		uint32_t v = load_le(from + x * bytes, bytes) & 0xffffff;

		to[x] = fb->rgb ? swap_red_blue(v) : v;
	}
}

static void screen_line(struct bcm283x_screen *s, uint32_t y)
{
	const struct bcm283x_fb *fb = &s->fb;
	uint64_t off = (uint64_t)(fb->y + y) * fb->pitch + fb->x * (fb->depth / 8);
	const uint8_t *from = (const uint8_t *)s->memory.vram + off;
	uint32_t *to = (uint32_t *)s->memory.canvas + (size_t)y * fb->width;

	if (fb->blank) {
		memset(to, 0, fb->width * 4);
		return;
	}
	uncached_sync(from, fb->width * (fb->depth / 8));
	if (fb->depth == 8)
		line_8(fb, from, to);
	else if (fb->depth == 16)
		line_16(fb, from, to);
	else
		line_rest(fb, from, to);
}

/* --- what has changed -------------------------------------------------------------------- */

static bool screen_dirty(const struct bcm283x_screen *s, uint32_t y)
{
	uint64_t off = (uint64_t)(s->fb.y + y) * s->fb.pitch;

	for (uint64_t page = off / BUS_PAGE; page <= (off + s->fb.pitch - 1) / BUS_PAGE; page++)
		if (s->pages[page / 64] & BIT(page % 64))
			return true;
	return false;
}

static bool screen_any_page(const struct bcm283x_screen *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->pages); i++)
		if (s->pages[i])
			return true;
	return false;
}

/* All of it lies in the memory, and the picture in the canvas. */
static bool screen_fits(const struct bcm283x_screen *s, const struct bcm283x_fb *fb)
{
	uint64_t bytes = fb->depth / 8;

	return fb->gpa == s->params.first.gpa && bytes >= 1 && bytes <= 4 && fb->width &&
	       fb->height && fb->width <= MAX_SIDE && fb->height <= MAX_SIDE &&
	       fb->x <= fb->virtual_width && fb->width <= fb->virtual_width - fb->x &&
	       fb->y <= fb->virtual_height && fb->height <= fb->virtual_height - fb->y &&
	       fb->virtual_width * bytes <= fb->pitch &&
	       (uint64_t)fb->pitch * fb->virtual_height <= BCM283X_SCREEN_LEN &&
	       (uint64_t)fb->width * fb->height * 4 <= s->memory.canvas_len;
}

static void screen_off(struct bcm283x_screen *s)
{
	const struct display *d = &s->params.display;

	if (s->set)
		d->ops->off(d->ctx, 0);
	s->set = false;
	s->mode_width = s->mode_height = 0;
}

static void screen_set(struct bcm283x_screen *s)
{
	const struct display *d = &s->params.display;
	struct display_surface surface = {
		.fourcc = DRM_FORMAT_XRGB8888,
		.width = s->fb.width, .height = s->fb.height,
		.pixels = {
			.pieces = &s->piece, .n_pieces = 1, .stride = s->fb.width * 4,
			.shared = true, .fd = s->memory.fd, .fd_offset = s->memory.canvas_at,
		},
	};

	s->piece = (struct iovec){ s->memory.canvas, s->memory.canvas_len };
	if (d->ops->mode && (s->fb.width != s->mode_width || s->fb.height != s->mode_height))
		d->ops->mode(d->ctx, 0, s->fb.width, s->fb.height);
	s->mode_width = s->fb.width;
	s->mode_height = s->fb.height;
	d->ops->set(d->ctx, 0, &surface);
	s->set = true;
}

/* Takes what is wanted. True: all of it has to be painted. */
static bool screen_take(struct bcm283x_screen *s)
{
	struct bcm283x_fb wanted;
	bool changed;

	pthread_mutex_lock(&s->lock);
	wanted = s->wanted;
	changed = s->changed;
	s->changed = false;
	pthread_mutex_unlock(&s->lock);
	if (wanted.width != s->fb.width || wanted.height != s->fb.height)
		screen_off(s);
	s->fb = wanted;
	return changed || !s->set;
}

static void screen_draw(struct bcm283x_screen *s, bool all)
{
	const struct display *d = &s->params.display;
	struct display_rect damage = { .width = s->fb.width };
	bool any = false;

	for (uint32_t y = 0; y < s->fb.height; y++) {
		if (!all && !screen_dirty(s, y))
			continue;
		screen_line(s, y);
		damage.y = any ? damage.y : y;
		damage.height = y - damage.y + 1;
		any = true;
	}
	if (!s->set)
		screen_set(s);
	if (any)
		d->ops->flush(d->ctx, 0, &damage);
}

/* One look. */
static void screen_look(struct bcm283x_screen *s, uint64_t now)
{
	bool all = screen_take(s);

	memset(s->pages, 0, sizeof(s->pages));
	bus_collect(s->params.bus, &s->region, s->pages);
	if (all || screen_any_page(s))
		s->written_ns = now;
	if (!screen_fits(s, &s->fb))
		screen_off(s);
	else if (all || screen_any_page(s))
		screen_draw(s, all);
}

static void screen_paint(void *arg)
{
	struct bcm283x_screen *s = arg;
	uint64_t now = loop_now_ns();

	if (s->hidden)
		return;
	s->painted_ns = now;
	screen_look(s, now);
	if (now - s->written_ns >= QUIET_NS) {
		/* What came before that is found by one more look; what comes later, tells. */
		vga_memory_watch(&s->memory);
		screen_look(s, now);
	}
	if (now - s->written_ns < QUIET_NS)
		loop_timer_arm(s->params.loop, &s->timer, FRAME_NS);
}

/* The next frame, or now if that has passed. */
static void screen_serve(void *arg)
{
	struct bcm283x_screen *s = arg;
	uint64_t now = loop_now_ns(), due = s->painted_ns ? s->painted_ns + FRAME_NS : 0;

	/* Who was kicked may be so before the write has come through. */
	s->written_ns = now;
	loop_timer_arm(s->params.loop, &s->timer, due > now ? due - now : 0);
}

static void screen_kick(struct bcm283x_screen *s, bool all)
{
	pthread_mutex_lock(&s->lock);
	s->changed |= all;
	pthread_mutex_unlock(&s->lock);
	loop_post(s->params.loop, &s->work);
}

/* --- the guest's side ------------------------------------------------------------------------ */

static void screen_repair(void *dev)
{
	struct bcm283x_screen *s = dev;

	if (vga_memory_repair(&s->memory))
		screen_kick(s, false);
}

/* Where the kernel does not serve the memory: a write to pages that are watched, for one. */
static uint64_t screen_read(void *dev, uint64_t off, unsigned size)
{
	struct bcm283x_screen *s = dev;

	return load_le((const uint8_t *)s->memory.vram + off, size);
}

static void screen_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct bcm283x_screen *s = dev;

	vga_memory_repair(&s->memory);
	store_le((uint8_t *)s->memory.vram + off, size, value);
	screen_kick(s, true);
}

static void screen_want(void *ctx, const struct bcm283x_fb *fb)
{
	struct bcm283x_screen *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->wanted = fb ? *fb : s->params.first;
	pthread_mutex_unlock(&s->lock);
	screen_kick(s, true);
}

struct bcm283x_fb_sink bcm283x_screen_sink(struct bcm283x_screen *s)
{
	return (struct bcm283x_fb_sink){ screen_want, s };
}

void bcm283x_screen_show(struct bcm283x_screen *s, bool shown)
{
	s->hidden = !shown;
	/* Whoever had it in between has left nothing of ours. */
	s->set = false;
	if (shown)
		screen_kick(s, true);
	else
		loop_timer_disarm(s->params.loop, &s->timer);
}

/* --- life -------------------------------------------------------------------------------------- */

bool bcm283x_screen_fit(struct bcm283x_fb *fb, uint64_t gpa, uint32_t width, uint32_t height,
			uint32_t depth)
{
	*fb = (struct bcm283x_fb){
		.gpa = gpa, .width = width, .height = height, .virtual_width = width,
		.virtual_height = height, .depth = depth,
		.pitch = align_up(width * (depth / 8), 4),
	};
	return width && height && width <= MAX_SIDE && height <= MAX_SIDE &&
	       (depth == 16 || depth == 32) && (uint64_t)fb->pitch * height <= BCM283X_SCREEN_LEN;
}

void bcm283x_screen_reset(struct bcm283x_screen *s)
{
	vga_memory_clear(&s->memory);
	screen_want(s, NULL);
}

int bcm283x_screen_init(struct bcm283x_screen *s, const struct bcm283x_screen_params *params)
{
	static const struct io_ops ops = { screen_read, screen_write };
	int ret;

	memset(s, 0, sizeof(*s));
	s->params = *params;
	s->wanted = params->first;
	s->changed = true;
	ret = vga_memory_create(&s->memory, BCM283X_SCREEN_LEN);
	if (ret < 0)
		return ret;
	pthread_mutex_init(&s->lock, NULL);
	s->region = (struct io_region){
		.name = "bcm283x-screen", .ops = &ops, .dev = s, .len = BCM283X_SCREEN_LEN,
		.memory = s->memory.guest, .repair = screen_repair, .logged = true,
	};
	s->work = (struct loop_work){ .cb = screen_serve, .arg = s };
	s->timer = (struct loop_timer){ .cb = screen_paint, .arg = s };
	ret = bus_add(params->bus, &s->region, params->first.gpa);
	if (ret < 0) {
		log_error("no place for the frame buffer: %s", strerror(-ret));
		pthread_mutex_destroy(&s->lock);
		vga_memory_finish(&s->memory);
		return ret;
	}
	screen_kick(s, true);
	return 0;
}

void bcm283x_screen_finish(struct bcm283x_screen *s)
{
	bus_remove(s->params.bus, &s->region);
	loop_cancel(s->params.loop, &s->work);
	loop_timer_disarm(s->params.loop, &s->timer);
	screen_off(s);
	vga_memory_finish(&s->memory);
	pthread_mutex_destroy(&s->lock);
}
