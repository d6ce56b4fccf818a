/* SPDX-License-Identifier: MIT */
/*
 * The source's end of the display protocol (display_proto.h): a display that is
 * looked at from other processes, by as many as want to, and the input that
 * comes from one of them. Knows nothing of windows or OpenGL.
 *
 *     ui_view_create(&view, loop, &params)
 *     ui_view_set_sink(view, gpu_sink(gpu)); gpu_set_display(gpu, ui_view_display(view))
 *     ui_view_listen(view, path), or ui_view_add(view, fd) of one that is connected
 *     ...
 *     ui_view_destroy(view), after the card let go of it
 *
 * Viewers come and go without the card noticing, and nothing waits for one:
 * of everything there is one latest state, sent as fast as it is read. Frames
 * are paced by the viewer that controls, as long as it shows them in time, and
 * by a timer otherwise. The first viewer that wants to control does; when it
 * goes, what it held is let go of, and the next one that wants to takes over.
 *
 * Pictures in shared memory (display_pixels.shared) that others can only read are
 * handed over as they are, images by dma-buf to those who can take them, and of
 * everything else what was damaged is copied, once, when somebody looks.
 *
 * Loop thread, without any lock but where display.h says so.
 */
#ifndef MICROVM_UI_VIEW_H
#define MICROVM_UI_VIEW_H

#include "devices/ui/display.h"
#include "devices/ui/input.h"
#include "devices/ui/picture.h"
#include "vmm/loop.h"

/* At a time; the next one takes the place of one that has not said hello, or is refused. */
#define UI_VIEW_MAX_VIEWERS 8

struct ui_view;

struct ui_view_params {
	const char *name;	/* the guest's, for titles; copied */
	unsigned n_outputs;	/* 1 ... DISPLAY_MAX_OUTPUTS, all of them with a monitor */
	bool dmabuf;		/* pictures may have images with dma-bufs */
	/* The pace when nobody controls, in mHz; 0: flushes are answered at once. */
	uint32_t refresh_mhz;
	struct input_sink sinks[INPUT_HOST];	/* by kind; without event(): there is none */
	void (*closed)(void *ctx, unsigned output);	/* a close button; or NULL */
	void *ctx;
};

/* Since the beginning. */
struct ui_view_stats {
	unsigned viewers;		/* now, that have said hello */
	uint64_t connections;		/* accepted */
	uint64_t refused;		/* ended for what they sent, or too many */
	uint64_t frames;		/* FLUSH, of all viewers */
	uint64_t dmabufs, memories;	/* SCANOUT of either kind */
	uint64_t copied;		/* bytes of pixels */
};

/* 0 or negative errno. */
int ui_view_create(struct ui_view **out, struct loop *loop, const struct ui_view_params *params);
/* What is held is let go of; viewers see an end. NULL is legal. */
void ui_view_destroy(struct ui_view *view);

/* For its owner only, as unixsock.h says. 0 or negative errno. Once, this or the next. */
int ui_view_listen(struct ui_view *view, const char *path);
/* Takes @fd, a SOCK_SEQPACKET socket that listens; -EINVAL, and then it is left: it is none. */
int ui_view_inherit(struct ui_view *view, int fd);
/* Takes @fd, a connected SOCK_SEQPACKET socket, even when that fails. 0 or negative errno. */
int ui_view_add(struct ui_view *view, int fd);

struct display ui_view_display(struct ui_view *view);
/* Before the first flush. */
void ui_view_set_sink(struct ui_view *view, struct display_sink sink);
/* For the keyboard's lights. */
struct input_sink ui_view_feedback(struct ui_view *view);

/* Whoever pressed a close button: the guest is asked to shut down. */
void ui_view_closing(struct ui_view *view);
/* A monitor of an output; the sink is not told. */
void ui_view_plug(struct ui_view *view, unsigned output, bool on);
/* What output 0 ... DISPLAY_MAX_OUTPUTS - 1 shows. */
const struct picture *ui_view_picture(const struct ui_view *view, unsigned output);
const struct ui_view_stats *ui_view_stats(struct ui_view *view);

#endif
