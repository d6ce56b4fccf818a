/* SPDX-License-Identifier: MIT */
#include "devices/gpu/framebuffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/handover.h"
#include "devices/ui/display_receiver.h"
#include "vmm/log.h"

struct framebuffer {
	struct loop *loop;
	struct mux *mux;
	struct handover handover;
	struct display_receiver *receiver;	/* NULL: nobody is connected */
	void (*left)(void *ctx);
	void *ctx;
};

static void drop(struct framebuffer *f)
{
	mux_set_sink(f->mux, MUX_FRAMEBUFFER, NULL);
	display_receiver_destroy(f->receiver);
	f->receiver = NULL;
}

/* It has one picture; what it may do with it, the mux decides. */
static int hello(void *ctx, const struct display_msg_hello *m)
{
	struct framebuffer *f = ctx;
	const struct display display = mux_display(f->mux, MUX_FRAMEBUFFER);

	if (m->n_outputs != 1)
		return -EPROTO;
	display_receiver_set_display(f->receiver, &display);
	return DISPLAY_HELLO_CONTROL;
}

/* What we say of the monitor counts from now on. */
static void control(void *ctx, bool on)
{
	struct framebuffer *f = ctx;
	const struct display_sink sink = display_receiver_sink(f->receiver);

	mux_set_sink(f->mux, MUX_FRAMEBUFFER, on ? &sink : NULL);
}

/* It has heard that its monitor is gone, and says that it needs one. */
static void plug(void *ctx, unsigned output, bool on)
{
	struct framebuffer *f = ctx;

	if (on)
		mux_insist(f->mux);
}

static void gone(void *ctx, int error)
{
	struct framebuffer *f = ctx;

	if (error != -ECONNRESET)
		log_warn("the framebuffer's VMM: %s", strerror(-error));
	drop(f);
}

static void handed_over(void *ctx, int fd)
{
	struct framebuffer *f = ctx;
	const struct display_receiver_params params = {
		.hello = hello, .control = control, .plug = plug, .gone = gone, .ctx = f,
	};
	int ret;

	drop(f);
	if (fd < 0) {
		f->left(f->ctx);
		return;
	}
	ret = display_receiver_create(&f->receiver, f->loop, fd, &params);
	if (ret < 0) {
		log_error("a connection for the framebuffer: %s", strerror(-ret));
		f->receiver = NULL;
	}
}

int framebuffer_create(struct framebuffer **out, struct loop *loop, int port, struct mux *mux,
		       void (*left)(void *ctx), void *ctx)
{
	struct framebuffer *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return -ENOMEM;
	*f = (struct framebuffer){ .loop = loop, .mux = mux, .left = left, .ctx = ctx };
	ret = handover_init(&f->handover, loop, port, handed_over, f);
	if (ret < 0)
		free(f);
	else
		*out = f;
	return ret;
}

void framebuffer_destroy(struct framebuffer *f)
{
	if (!f)
		return;
	drop(f);
	handover_finish(&f->handover);
	free(f);
}

int framebuffer_tell(struct framebuffer *f, char word)
{
	return handover_tell(&f->handover, word);
}
