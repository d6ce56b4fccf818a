/* SPDX-License-Identifier: MIT */
/* Displays come and go, and say what their monitors are like (ui/display.h). */
#include "devices/virtio/gpu_impl.h"

static void gpu_changed(struct gpu *g)
{
	g->changed_again = g->events & VIRTIO_GPU_EVENT_DISPLAY;
	g->events |= VIRTIO_GPU_EVENT_DISPLAY;
	virtio_config_changed(&g->v);
}

void gpu_events_clear(struct gpu *g, uint32_t events)
{
	g->events &= ~events;
	/* A change that came after the answer and before this would never be heard of. */
	if ((events & VIRTIO_GPU_EVENT_DISPLAY) && g->changed_again)
		gpu_changed(g);
}

static uint32_t size_mm(uint32_t pixels)
{
	return ((uint64_t)pixels * 254 + 480) / 960;	/* 96 dots an inch */
}

static uint32_t size_clamp(uint32_t pixels)
{
	return MIN(MAX(pixels, (uint32_t)GPU_MIN_SCANOUT), (uint32_t)DISPLAY_MAX_SIZE);
}

bool gpu_monitor_merge(struct display_output *m, const struct display_output *what)
{
	struct display_output to = *m;

	if (what->width)
		to.width = size_clamp(what->width);
	if (what->height)
		to.height = size_clamp(what->height);
	if (to.width != m->width || what->width_mm)
		to.width_mm = what->width_mm ? what->width_mm : size_mm(to.width);
	if (to.height != m->height || what->height_mm)
		to.height_mm = what->height_mm ? what->height_mm : size_mm(to.height);
	if (what->refresh_mhz)
		to.refresh_mhz = what->refresh_mhz;
	if (!memcmp(&to, m, sizeof(to)))
		return false;
	*m = to;
	return true;
}

static void gpu_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct gpu *g = ctx;

	if (output >= g->n_outputs)
		return;
	gpu_lock(g);
	if (gpu_monitor_merge(&g->outputs[output].monitor, what) && g->outputs[output].plugged)
		gpu_changed(g);
	gpu_unlock(g);
}

static void gpu_plug(void *ctx, unsigned output, bool on)
{
	struct gpu *g = ctx;

	if (output >= g->n_outputs)
		return;
	gpu_lock(g);
	if (g->outputs[output].plugged != on) {
		g->outputs[output].plugged = on;
		gpu_changed(g);
	}
	gpu_unlock(g);
}

static void gpu_frame_done(void *ctx, unsigned output)
{
	struct gpu *g = ctx;

	if (output >= g->n_outputs)
		return;
	gpu_lock(g);
	gpu_park_frames(g, 1u << output);
	virtio_signal(&g->v, GPU_CONTROLQ);
	gpu_unlock(g);
}

static const struct display_sink_ops gpu_sink_ops = {
	.configure = gpu_configure,
	.plug = gpu_plug,
	.frame_done = gpu_frame_done,
};

struct display_sink gpu_sink(struct gpu *g)
{
	return (struct display_sink){ &gpu_sink_ops, g };
}

static void gpu_display_leave(struct gpu *g)
{
	for (unsigned i = 0; i < g->n_outputs; i++) {
		gpu_scanout_tell_off(g, i);
		if (g->display.ops && g->outputs[i].cursor.visible)
			g->display.ops->cursor(g->display.ctx, i, NULL);
	}
	virtio_signal(&g->v, GPU_CONTROLQ);
	g->display = (struct display){ 0 };
}

void gpu_set_display(struct gpu *g, const struct display *display)
{
	gpu_lock(g);
	gpu_display_leave(g);
	if (display)
		g->display = *display;
	for (unsigned i = 0; i < g->n_outputs; i++) {
		gpu_scanout_tell(g, i);
		if (g->outputs[i].cursor.visible)
			gpu_cursor_tell(g, i);
	}
	gpu_unlock(g);
}
