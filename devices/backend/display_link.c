/* SPDX-License-Identifier: MIT */
/* The source's end of ui/display_proto.h, for one output and one viewer: what comes is checked. */
#include "devices/backend/display_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/backend/gpu_process.h"
#include "devices/ui/display_proto.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* Until the next attempt to have a screen; twice as long after each that came to nothing. */
#define RETRY_NS 1000000000ull
#define RETRY_MAX_NS (64 * RETRY_NS)
#define LASTED_NS (10 * RETRY_NS)	/* one that did come to something */

struct display_link {
	struct display_link_params params;
	unsigned device;		/* of the process */
	struct loop_fd sock;		/* not added: no connection */
	bool ready;			/* both have said HELLO */
	struct loop_timer retry;
	uint64_t retry_ns;
	uint64_t dialed_ns;

	/* what ought to be shown */
	uint32_t width, height;		/* the mode; 0: none yet */
	bool has_picture;
	struct display_surface picture;
	struct display_rect damage;	/* of no width: none */

	/* what the other end has not been told */
	bool tell_mode, tell_picture, tell_off;
	bool unplugged;			/* the other end has no place for a picture... */
	bool tell_insist;		/* ...and that one is needed */
	bool shown;			/* it has a picture */
	bool due;			/* and has yet to say that FLUSH @serial is on the screen */
	uint32_t serial;

	/* of an input device */
	struct display_link_input input;	/* kind INPUT_KINDS: of none */
	struct input_state held;	/* by the other end */
	uint32_t leds;
	bool tell_leds;
};

static bool has_input(const struct display_link *l)
{
	return l->input.kind != INPUT_KINDS;
}

/* --- what is said --------------------------------------------------------- */

static int say(struct display_link *l, union display_msg *m, uint32_t type, int fd)
{
	m->head.type = type;
	return display_proto_send(l->sock.fd, m, fd >= 0 ? &fd : NULL, fd >= 0);
}

static int say_hello(struct display_link *l)
{
	union display_msg m = {
		.hello = { .magic = DISPLAY_PROTO_MAGIC, .version = DISPLAY_PROTO_VERSION,
			   .n_outputs = 1, .inputs = has_input(l) ? BIT(l->input.kind) : 0 },
	};

	return say(l, &m, DISPLAY_MSG_HELLO, -1);
}

static int say_output(struct display_link *l, bool plugged)
{
	union display_msg m = {
		.output = { .plugged = plugged, .width = l->width, .height = l->height },
	};

	return say(l, &m, DISPLAY_MSG_OUTPUT, -1);
}

static int say_mode(struct display_link *l)
{
	int ret = say_output(l, !l->unplugged);

	l->tell_mode = ret < 0;
	return ret;
}

/* A monitor comes that was not there: that is news whatever was said before. */
static int say_insist(struct display_link *l)
{
	int ret = say_output(l, false);

	if (ret == 0)
		ret = say_output(l, true);
	l->tell_insist = ret < 0;
	return ret;
}

static int say_off(struct display_link *l)
{
	union display_msg m = { 0 };
	int ret = l->shown ? say(l, &m, DISPLAY_MSG_OFF, -1) : 0;

	l->tell_off = ret < 0;
	l->shown &= ret < 0;
	return ret;
}

static int say_picture(struct display_link *l)
{
	const struct display_surface *s = &l->picture;
	union display_msg m = display_msg_memory(0, s, s->pixels.fd_offset + s->pixels.offset,
						 s->pixels.stride);
	int ret = say(l, &m, DISPLAY_MSG_SCANOUT, s->pixels.fd);

	if (ret < 0)
		return ret;
	l->tell_picture = false;
	l->shown = true;
	l->damage = (struct display_rect){ 0, 0, s->width, s->height };
	return 0;
}

static int say_damage(struct display_link *l)
{
	const struct display_rect *r = &l->damage;
	union display_msg m = {
		.flush = { .x = r->x, .y = r->y, .width = r->width, .height = r->height,
			   .serial = l->serial + 1 },
	};
	int ret = say(l, &m, DISPLAY_MSG_FLUSH, -1);

	if (ret < 0)
		return ret;
	l->serial++;
	l->due = true;
	l->damage.width = 0;
	return 0;
}

static int say_leds(struct display_link *l)
{
	union display_msg m = { .input.kind = INPUT_KEYBOARD };
	struct display_msg_input *in = &m.input;
	int ret;

	for (unsigned i = 0; i < LED_CNT; i++)
		in->events[in->n++] = (struct display_msg_event){ EV_LED, i, l->leds >> i & 1 };
	in->events[in->n++] = (struct display_msg_event){ EV_SYN, SYN_REPORT, 0 };
	ret = say(l, &m, DISPLAY_MSG_INPUT, -1);
	l->tell_leds = ret < 0;
	return ret;
}

/* All that can be said now. A FLUSH that is not answered yet holds up what follows, but OFF. */
static int say_news(struct display_link *l)
{
	int ret = 0;

	if (l->tell_off)
		ret = say_off(l);
	if (ret == 0 && l->tell_mode)
		ret = say_mode(l);
	if (ret == 0 && l->tell_insist)
		ret = say_insist(l);
	if (ret == 0 && l->tell_leds)
		ret = say_leds(l);
	if (ret == 0 && l->due)
		return 0;
	if (ret == 0 && l->has_picture && l->tell_picture)
		ret = say_picture(l);
	if (ret == 0 && l->has_picture && l->damage.width)
		ret = say_damage(l);
	return ret;
}

static void hung_up(struct display_link *l);

static void pump(struct display_link *l)
{
	int ret = l->ready ? say_news(l) : 0;

	if (ret == -EAGAIN)
		loop_modify(l->params.loop, &l->sock, EPOLLIN | EPOLLOUT);
	else if (ret < 0)
		hung_up(l);
}

/* --- what is heard -------------------------------------------------------- */

static void tell_plug(struct display_link *l, bool on)
{
	const struct display_sink *s = &l->params.sink;

	if (s->ops && s->ops->plug)
		s->ops->plug(s->ctx, 0, on);
}

static int hear_hello(struct display_link *l, const struct display_msg_hello *m)
{
	union display_msg control = { .control = { .on = 1 } };

	if (l->ready || m->version != DISPLAY_PROTO_VERSION)
		return -EPROTO;
	l->ready = true;
	l->tell_mode = l->width;
	l->tell_picture = l->has_picture;
	l->tell_leds = l->leds;
	return say(l, &control, DISPLAY_MSG_CONTROL, -1);
}

static void hear_configure(struct display_link *l, const struct display_msg_configure *m)
{
	const struct display_output what = {
		.width = m->width,
		.height = m->height,
		.width_mm = m->width_mm,
		.height_mm = m->height_mm,
		.refresh_mhz = m->refresh_mhz,
	};
	const struct display_sink *s = &l->params.sink;

	if (s->ops && s->ops->configure)
		s->ops->configure(s->ctx, 0, &what);
}

static void hear_input(struct display_link *l, const struct display_msg_input *m)
{
	if (m->kind != l->input.kind)
		return;
	for (unsigned i = 0; i < m->n; i++) {
		const struct display_msg_event *e = &m->events[i];

		input_state_apply(&l->held, e->type, e->code, e->value);
		input_send(&l->input.sink, e->type, e->code, e->value);
	}
}

/* 0, or a negative errno that ends the connection. */
static int hear(struct display_link *l, const union display_msg *m)
{
	if (m->head.type == DISPLAY_MSG_HELLO)
		return hear_hello(l, &m->hello);
	if (!l->ready || m->head.output != 0)
		return -EPROTO;
	switch (m->head.type) {
	case DISPLAY_MSG_FRAME_DONE:
		l->due &= m->frame_done.serial != l->serial;
		break;
	case DISPLAY_MSG_INPUT:
		hear_input(l, &m->input);
		break;
	case DISPLAY_MSG_CONFIGURE:
		hear_configure(l, &m->configure);
		break;
	case DISPLAY_MSG_PLUG:
		l->unplugged = !m->plug.on;
		l->tell_mode = true;
		tell_plug(l, m->plug.on);
		break;
	}
	return 0;
}

static void on_event(void *arg, uint32_t events)
{
	struct display_link *l = arg;
	struct display_packet p;
	int ret = display_proto_recv(l->sock.fd, &p, DISPLAY_VIEWER);

	if (ret == 0) {
		ret = hear(l, &p.msg);
		display_packet_drop(&p);
	}
	if (ret < 0 && ret != -EAGAIN) {
		hung_up(l);
		return;
	}
	if (events & EPOLLOUT)
		loop_modify(l->params.loop, &l->sock, EPOLLIN);
	pump(l);
}

/* --- the connection ------------------------------------------------------- */

static void retry_later(struct display_link *l)
{
	loop_timer_arm(l->params.loop, &l->retry, l->retry_ns);
	l->retry_ns = MIN(2 * l->retry_ns, RETRY_MAX_NS);
}

static void hang_up(struct display_link *l)
{
	if (!l->sock.added)
		return;
	loop_remove(l->params.loop, &l->sock);
	close(l->sock.fd);
	l->ready = l->shown = l->due = l->tell_off = l->unplugged = l->tell_insist = false;
}

/* Whoever comes next has nothing else to show. */
static void hung_up(struct display_link *l)
{
	hang_up(l);
	input_state_release(&l->held, &l->input.sink);
	if (loop_now_ns() - l->dialed_ns > LASTED_NS)
		l->retry_ns = RETRY_NS;
	if (l->params.source)
		l->params.source->hung_up(l->params.source->ctx);
	else
		gpu_process_hung_up(l->params.process, l->device);
	retry_later(l);
	tell_plug(l, true);
}

static int connection(struct display_link *l)
{
	const struct display_link_source *source = l->params.source;

	return source ? source->dial(source->ctx) :
			gpu_process_dial(l->params.process, l->device);
}

static int dial(struct display_link *l)
{
	int fd = connection(l), ret = fd;

	l->dialed_ns = loop_now_ns();
	if (fd >= 0) {
		ret = loop_add(l->params.loop, &l->sock, fd, EPOLLIN, on_event, l);
		if (ret < 0)
			close(fd);
	}
	if (ret < 0)
		retry_later(l);
	else if (say_hello(l) < 0)
		hung_up(l);
	return MIN(ret, 0);
}

static void on_retry(void *arg)
{
	struct display_link *l = arg;

	if ((l->has_picture || has_input(l)) && !l->sock.added)
		dial(l);
}

/* --- the device ----------------------------------------------------------- */

static void link_mode(void *ctx, unsigned output, uint32_t width, uint32_t height)
{
	struct display_link *l = ctx;

	l->tell_mode |= width != l->width || height != l->height;
	l->width = width;
	l->height = height;
}

static void link_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct display_link *l = ctx;

	assert(output == 0 && surface->pixels.shared);
	l->picture = *surface;
	l->has_picture = l->tell_picture = true;
	l->damage.width = 0;
	if (!l->sock.added && !l->retry.armed)
		dial(l);
	pump(l);
}

static bool link_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct display_link *l = ctx;
	uint32_t right = damage->x + damage->width, bottom = damage->y + damage->height;
	struct display_rect *r = &l->damage;

	if (!r->width) {
		*r = *damage;
	} else {
		right = MAX(right, r->x + r->width);
		bottom = MAX(bottom, r->y + r->height);
		r->x = MIN(r->x, damage->x);
		r->y = MIN(r->y, damage->y);
		r->width = right - r->x;
		r->height = bottom - r->y;
	}
	pump(l);
	return false;
}

static void link_off(void *ctx, unsigned output)
{
	struct display_link *l = ctx;

	l->has_picture = l->tell_picture = false;
	l->damage.width = 0;
	l->tell_off = true;
	pump(l);
}

static void link_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
}

static void link_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
}

static const struct display_ops link_ops = {
	.mode = link_mode,
	.set = link_set,
	.flush = link_flush,
	.off = link_off,
	.cursor = link_cursor,
	.cursor_move = link_cursor_move,
};

void display_link_insist(struct display_link *l)
{
	l->tell_insist = l->unplugged;
	pump(l);
}

struct display display_link_display(struct display_link *link)
{
	return (struct display){ &link_ops, link };
}

/* --- the input device ----------------------------------------------------- */

static void on_feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct display_link *l = ctx;

	if (type == EV_LED && code < LED_CNT) {
		l->leds = (l->leds & ~(1u << code)) | (uint32_t)!!value << code;
		l->tell_leds = true;
	} else if (type == EV_SYN) {
		pump(l);
	}
}

struct input_sink display_link_feedback(struct display_link *l)
{
	return (struct input_sink){ on_feedback, l };
}

/* --- life ----------------------------------------------------------------- */

/* The place in microvm-gpu that was asked for. */
static int take_place(struct display_link *l)
{
	int ret = 0;

	if (!l->params.source)
		ret = gpu_process_take(l->params.process, has_input(l) ? GPU_PROCESS_EVENTS :
				       GPU_PROCESS_FRAMEBUFFER);
	if (ret < 0)
		log_error("a second framebuffer: there is one");
	l->device = ret;
	return MIN(ret, 0);
}

int display_link_create(struct display_link **out, const struct display_link_params *params)
{
	static const struct display_link_input none = { .kind = INPUT_KINDS };
	struct display_link *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->params = *params;
	l->input = params->input ? *params->input : none;
	l->retry_ns = RETRY_NS;
	l->retry = (struct loop_timer){ .cb = on_retry, .arg = l };
	input_state_init(&l->held, 0);
	ret = take_place(l);
	if (ret == 0 && has_input(l))
		ret = dial(l);
	if (ret < 0)
		display_link_destroy(l);
	else
		*out = l;
	return ret;
}

void display_link_destroy(struct display_link *l)
{
	if (!l)
		return;
	hang_up(l);
	loop_timer_disarm(l->params.loop, &l->retry);
	free(l);
}
