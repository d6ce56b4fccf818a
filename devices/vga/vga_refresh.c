/* SPDX-License-Identifier: MIT */
#include "devices/vga/vga_refresh.h"

#include "vmm/util.h"

#define FRAME_NS (1000000000ull / 60)
#define QUIET_NS 500000000ull		/* nothing written for so long: a still picture */
#define LOOK_NS 100000000ull

static void refresh_arm(struct vga_refresh *r, uint64_t ns)
{
	if (ns == VGA_NEVER)
		loop_timer_disarm(r->loop, &r->timer);
	else
		loop_timer_arm(r->loop, &r->timer, ns);
}

/* Who was kicked may be so before the first of many writes has come through. */
static bool refresh_quiet(const struct vga_refresh *r, uint64_t now)
{
	return vga_quiet_ns(r->vga, now) >= QUIET_NS && now - r->kicked_ns >= QUIET_NS;
}

/*
 * A still picture in vram. What was written between the last look and watch() is
 * found by one more look; what comes later, tells.
 */
static uint64_t refresh_rest(struct vga_refresh *r, uint64_t now)
{
	if (!r->watch.watch)
		return LOOK_NS;
	r->watch.watch(r->watch.ctx);
	vga_paint(r->vga, now);
	return refresh_quiet(r, now) ? VGA_NEVER : FRAME_NS;
}

static void refresh_hidden(struct vga_refresh *r)
{
	if (vga_text_written(r->vga) && r->watch.text)
		r->watch.text(r->watch.ctx);
}

static void refresh_paint(void *arg)
{
	struct vga_refresh *r = arg;
	uint64_t now = loop_now_ns(), wait;

	r->painted_ns = now;
	if (r->hidden) {
		refresh_hidden(r);
		return;
	}
	wait = vga_paint(r->vga, now);
	if (vga_linear(r->vga))
		wait = refresh_quiet(r, now) ? refresh_rest(r, now) : FRAME_NS;
	refresh_arm(r, wait);
}

/* The next frame, or now if that has passed. */
static void refresh_serve(void *arg)
{
	struct vga_refresh *r = arg;
	uint64_t now = loop_now_ns(), due = r->painted_ns ? r->painted_ns + FRAME_NS : 0;

	r->kicked_ns = now;
	refresh_arm(r, due > now ? due - now : 0);
}

void vga_refresh_kick(void *ctx)
{
	struct vga_refresh *r = ctx;

	loop_post(r->loop, &r->work);
}

void vga_refresh_show(struct vga_refresh *r, bool shown)
{
	vga_show(r->vga, shown);
	/* What was written until now is old when it is hidden. */
	if (!shown && !r->hidden)
		vga_text_written(r->vga);
	r->hidden = !shown;
	vga_refresh_kick(r);
}

void vga_refresh_init(struct vga_refresh *r, struct vga *vga, struct loop *loop,
		      const struct vga_watch *watch)
{
	*r = (struct vga_refresh){
		.vga = vga,
		.loop = loop,
		.watch = watch ? *watch : (struct vga_watch){ 0 },
		.work = { .cb = refresh_serve, .arg = r },
		.timer = { .cb = refresh_paint, .arg = r },
	};
}

void vga_refresh_finish(struct vga_refresh *r)
{
	loop_cancel(r->loop, &r->work);
	loop_timer_disarm(r->loop, &r->timer);
}
