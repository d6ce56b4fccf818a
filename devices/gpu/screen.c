/* SPDX-License-Identifier: MIT */
#include "devices/gpu/screen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/unixsock.h"
#include "devices/ui/ui_null.h"
#include "devices/ui/ui_sdl.h"
#include "devices/ui/ui_view.h"
#include "vmm/log.h"

#define DEFAULT_NAME "microvm"

struct screen {
	struct seat *seat;
	struct ui_null *null;	/* one of the three */
	struct ui_sdl *sdl;
	struct ui_view *view;
};

/*
 * Who has the guest presses its power button; a window that vanished helps nobody.
 * When a VMM found us by a socket, there is nobody to ask.
 */
static void window_closed(void *ctx, unsigned output)
{
	struct screen *s = ctx;
	int ret = seat_closed(s->seat);

	if (ret == 0 && s->view)
		ui_view_closing(s->view);
	else if (ret == 0)
		ui_sdl_closing(s->sdl);
	else if (ret != -EAGAIN)
		log_warn("a window was asked to close: shut the guest down instead");
}

static int open_none(struct screen *s, struct loop *loop)
{
	int ret = ui_null_create(&s->null, loop, GPU_DEFAULT_REFRESH_MHZ);

	if (ret < 0)
		log_error("--display none: %s", strerror(-ret));
	return ret;
}

static int open_sdl(struct screen *s, struct loop *loop, const struct screen_params *params)
{
	const struct display_output *first = &params->gpu->output;
	struct ui_sdl_params p = {
		.name = params->name ? params->name : DEFAULT_NAME,
		.n_outputs = params->gpu->n_outputs,
		.width = first->width ? first->width : GPU_DEFAULT_WIDTH,
		.height = first->height ? first->height : GPU_DEFAULT_HEIGHT,
		.fullscreen = params->look.fullscreen,
		.integer = params->look.integer,
		.gl = params->virgl,
		.closed = window_closed,
		.ctx = s,
	};
	char why[200];
	int ret;

	for (unsigned kind = 0; kind < INPUT_HOST; kind++)
		p.sinks[kind] = seat_sink(s->seat, kind);
	ret = ui_sdl_create(&s->sdl, loop, &p, why, sizeof(why));
	if (ret < 0)
		log_msg(params->mode == SCREEN_AUTO ? LOG_WARN : LOG_ERROR, "--display sdl: %s%s",
			why, params->mode == SCREEN_AUTO ? "; nothing is shown" : "");
	return ret;
}

static int listen_for_viewers(struct screen *s, const struct seat_socket *where)
{
	int ret = where->path ? ui_view_listen(s->view, where->path) :
				ui_view_inherit(s->view, where->fd);

	if (ret < 0 && where->path)
		log_error("--display egl,socket=%s: %s", where->path, unixsock_error(ret));
	else if (ret < 0)
		log_error("--display egl,fd=%d: no SOCK_SEQPACKET socket that listens", where->fd);
	return ret;
}

static int open_view(struct screen *s, struct loop *loop, const struct screen_params *params)
{
	struct ui_view_params p = {
		.name = params->name ? params->name : DEFAULT_NAME,
		.n_outputs = params->gpu->n_outputs,
		.dmabuf = params->virgl,
		.refresh_mhz = GPU_DEFAULT_REFRESH_MHZ,
		.closed = window_closed,
		.ctx = s,
	};
	int ret;

	for (unsigned kind = 0; kind < INPUT_HOST; kind++)
		if (seat_has(s->seat, kind))
			p.sinks[kind] = seat_sink(s->seat, kind);
	ret = ui_view_create(&s->view, loop, &p);
	if (ret == 0)
		ret = listen_for_viewers(s, params->viewers);
	if (ret < 0)
		ui_view_destroy(s->view);
	return ret;
}

static int open_any(struct screen *s, struct loop *loop, const struct screen_params *params)
{
	int ret = -ENXIO;

	if (params->mode == SCREEN_EGL && params->viewers)
		return open_view(s, loop, params);
	if (params->mode == SCREEN_SDL || (params->mode == SCREEN_AUTO && ui_sdl_desktop()))
		ret = open_sdl(s, loop, params);
	return ret == 0 || params->mode == SCREEN_SDL ? ret : open_none(s, loop);
}

int screen_create(struct screen **out, struct loop *loop, struct seat *seat,
		  const struct screen_params *params)
{
	struct screen *s = calloc(1, sizeof(*s));
	int ret;

	if (!s) {
		log_error("%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	s->seat = seat;
	ret = open_any(s, loop, params);
	if (ret < 0)
		free(s);
	else
		*out = s;
	return ret;
}

struct gl_provider screen_gl(struct screen *s)
{
	return s && s->sdl ? ui_sdl_gl(s->sdl) : (struct gl_provider){ 0 };
}

static struct display display_of(struct screen *s)
{
	if (s->view)
		return ui_view_display(s->view);
	return s->sdl ? ui_sdl_display(s->sdl) : ui_null_display(s->null);
}

void screen_connect(struct screen *s)
{
	struct display_sink sink = seat_display_sink(s->seat);
	struct display display = display_of(s);
	struct input_sink feedback = { 0 };

	if (s->view) {
		feedback = ui_view_feedback(s->view);
		ui_view_set_sink(s->view, sink);
	} else if (s->sdl) {
		feedback = ui_sdl_feedback(s->sdl);
		ui_sdl_set_sink(s->sdl, sink);
	} else {
		ui_null_set_sink(s->null, sink);
	}
	seat_set_feedback(s->seat, INPUT_KEYBOARD, &feedback);
	seat_set_display(s->seat, &display);
}

static void say_counts(struct screen *s)
{
	struct ui_sdl_counts counts = ui_sdl_counts(s->sdl);
	struct gpu_stats stats = { 0 };

	if (seat_gpu(s->seat))
		gpu_get_stats(seat_gpu(s->seat), &stats);
	log_debug("--display sdl: %" PRIu64 " frames from textures, %" PRIu64 " uploads of pixels, "
		  "%" PRIu64 " read from the GPU", counts.textures, counts.uploads,
		  stats.read_backs);
}

void screen_disconnect(struct screen *s)
{
	if (!s)
		return;
	if (s->sdl) {
		say_counts(s);
		ui_sdl_release(s->sdl);
	}
	seat_set_display(s->seat, NULL);
	/* It lets go of keys, too, and nobody draws in it. */
	ui_view_destroy(s->view);
	s->view = NULL;
	seat_set_feedback(s->seat, INPUT_KEYBOARD, &(struct input_sink){ 0 });
}

void screen_destroy(struct screen *s)
{
	if (!s)
		return;
	ui_null_destroy(s->null);
	ui_sdl_destroy(s->sdl);
	free(s);
}

static void screen_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct screen *s = ctx;
	struct display_sink card = seat_display_sink(s->seat);

	card.ops->configure(card.ctx, output, what);
}

static void screen_plug(void *ctx, unsigned output, bool on)
{
	struct screen *s = ctx;
	struct display_sink card = seat_display_sink(s->seat);

	if (s->sdl)
		ui_sdl_plug(s->sdl, output, on);
	if (s->view)
		ui_view_plug(s->view, output, on);
	card.ops->plug(card.ctx, output, on);
}

static void screen_frame_done(void *ctx, unsigned output)
{
	struct screen *s = ctx;
	struct display_sink card = seat_display_sink(s->seat);

	card.ops->frame_done(card.ctx, output);
}

static const struct display_sink_ops screen_sink_ops = {
	.configure = screen_configure,
	.plug = screen_plug,
	.frame_done = screen_frame_done,
};

struct display_sink screen_sink(struct screen *s)
{
	return (struct display_sink){ &screen_sink_ops, s };
}

const struct picture *screen_picture(const struct screen *s, unsigned output)
{
	if (s->view)
		return ui_view_picture(s->view, output);
	return s->sdl ? ui_sdl_picture(s->sdl, output) : ui_null_picture(s->null, output);
}
