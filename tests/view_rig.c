/* SPDX-License-Identifier: MIT */
#include "tests/view_rig.h"

#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/must.h"
#include "vmm/util.h"

/* --- the card ------------------------------------------------------------------- */

static void card_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct view_rig *r = ctx;

	must(output < VIEW_RIG_OUTPUTS);
	r->n_configures++;
	r->configured = *what;
}

static void card_plug(void *ctx, unsigned output, bool on)
{
	struct view_rig *r = ctx;

	must(output < VIEW_RIG_OUTPUTS);
	r->n_plugs++;
}

static void card_frame_done(void *ctx, unsigned output)
{
	struct view_rig *r = ctx;

	r->frames[output]++;
}

static const struct display_sink_ops card_ops = {
	.configure = card_configure, .plug = card_plug, .frame_done = card_frame_done,
};

static void take(struct view_rig *r, enum input_kind kind, uint16_t type, uint16_t code,
		 int32_t value)
{
	struct view_rig_event *e = &r->events[r->n_events++ % VIEW_RIG_EVENTS];

	*e = (struct view_rig_event){ kind, type, code, value };
}

static void take_keyboard(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	take(ctx, INPUT_KEYBOARD, type, code, value);
}

static void take_tablet(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	take(ctx, INPUT_TABLET, type, code, value);
}

static void closed(void *ctx, unsigned output)
{
	struct view_rig *r = ctx;

	r->n_closes++;
}

void view_rig_init(struct view_rig *r)
{
	const struct ui_view_params params = {
		.name = "guest of views",
		.n_outputs = VIEW_RIG_OUTPUTS,
		.refresh_mhz = 60000,
		.sinks = { [INPUT_KEYBOARD] = { take_keyboard, r },
			   [INPUT_TABLET] = { take_tablet, r } },
		.closed = closed,
		.ctx = r,
	};

	memset(r, 0, sizeof(*r));
	must(loop_create(&r->loop) == 0);
	must(ui_view_create(&r->view, r->loop, &params) == 0);
	ui_view_set_sink(r->view, (struct display_sink){ &card_ops, r });
	r->display = ui_view_display(r->view);
	for (unsigned i = 0; i < 2; i++)
		r->pieces[i] = (struct iovec){ r->pixels[i], sizeof(r->pixels[i]) };
}

void view_rig_finish(struct view_rig *r)
{
	ui_view_destroy(r->view);
	loop_destroy(r->loop);
}

void view_rig_show(struct view_rig *r, unsigned n, uint32_t colour)
{
	const struct display_surface s = {
		.fourcc = DRM_FORMAT_XRGB8888,
		.width = VIEW_RIG_WIDTH,
		.height = VIEW_RIG_HEIGHT,
		.pixels = { .pieces = &r->pieces[n], .n_pieces = 1, .stride = 4 * VIEW_RIG_WIDTH },
	};
	const struct display_rect all = { 0, 0, VIEW_RIG_WIDTH, VIEW_RIG_HEIGHT };

	r->display.ops->mode(r->display.ctx, 0, s.width, s.height);
	r->display.ops->set(r->display.ctx, 0, &s);
	view_rig_draw(r, n, all, colour);
}

void view_rig_draw(struct view_rig *r, unsigned n, struct display_rect where, uint32_t colour)
{
	for (uint32_t y = where.y; y < where.y + where.height; y++)
		for (uint32_t x = where.x; x < where.x + where.width; x++)
			r->pixels[n][y * VIEW_RIG_WIDTH + x] = colour;
	must(r->display.ops->flush(r->display.ctx, 0, &where));
}

/* --- bare sockets --------------------------------------------------------------- */

int view_rig_dial(struct view_rig *r)
{
	int socks[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, socks) == 0);
	ui_view_add(r->view, socks[1]);
	return socks[0];
}

int view_rig_dial_hello(struct view_rig *r, uint32_t flags)
{
	const union display_msg hello = { .hello = {
		.head.type = DISPLAY_MSG_HELLO, .magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION, .flags = flags,
	} };
	int sock = view_rig_dial(r);

	must(display_proto_send(sock, &hello, NULL, 0) == 0);
	return sock;
}

void view_rig_hear(struct view_rig *r, int sock, enum display_msg_type type,
		   struct display_packet *p)
{
	uint64_t from = loop_now_ns();

	for (;;) {
		int ret = display_proto_recv(sock, p, DISPLAY_SOURCE);

		must(ret == 0 || ret == -EAGAIN);
		if (ret == 0 && p->msg.head.type == type)
			return;
		if (ret == 0)
			display_packet_drop(p);
		else
			loop_run_once(r->loop, 10);
		must(loop_now_ns() - from < 100000000000ull);
	}
}

bool view_rig_hung_up(struct view_rig *r, int sock)
{
	struct display_packet p;
	int ret;

	loop_run_once(r->loop, 0);
	while ((ret = display_proto_recv(sock, &p, DISPLAY_SOURCE)) == 0)
		display_packet_drop(&p);
	must(ret == -EAGAIN || ret == -ECONNRESET);
	return ret == -ECONNRESET;
}

/* --- viewers -------------------------------------------------------------------- */

static int viewer_hello(void *ctx, const struct display_msg_hello *hello)
{
	struct view_rig_viewer *v = ctx;
	struct display display = fake_display(&v->display);

	v->n_hellos++;
	v->hello = *hello;
	display_receiver_set_display(v->receiver, &display);
	return v->flags;
}

static void viewer_plug(void *ctx, unsigned output, bool on)
{
	struct view_rig_viewer *v = ctx;

	v->unplugged = on ? v->unplugged & ~(1u << output) : v->unplugged | 1u << output;
}

static void viewer_control(void *ctx, bool on)
{
	struct view_rig_viewer *v = ctx;

	v->controls = on;
}

static void viewer_closing(void *ctx)
{
	struct view_rig_viewer *v = ctx;

	v->n_closing++;
}

static void viewer_gone(void *ctx, int error)
{
	struct view_rig_viewer *v = ctx;

	v->n_gone++;
	v->error = error;
}

static void viewer_light(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct view_rig_viewer *v = ctx;

	if (type == EV_LED)
		v->leds[code] = value;
}

void view_rig_viewer_on(struct loop *loop, struct view_rig_viewer *v, int sock, uint32_t flags)
{
	const struct display_receiver_params params = {
		.hello = viewer_hello, .plug = viewer_plug, .control = viewer_control,
		.closing = viewer_closing, .gone = viewer_gone, .feedback = { viewer_light, v },
		.ctx = v,
	};

	memset(v, 0, sizeof(*v));
	v->flags = flags;
	must(display_receiver_create(&v->receiver, loop, sock, &params) == 0);
}

void view_rig_viewer_init(struct view_rig *r, struct view_rig_viewer *v, uint32_t flags)
{
	view_rig_viewer_on(r->loop, v, view_rig_dial(r), flags);
}

void view_rig_viewer_finish(struct view_rig_viewer *v)
{
	display_receiver_destroy(v->receiver);
	v->receiver = NULL;
}
