/* SPDX-License-Identifier: MIT */
/*
 * To the source. Of everything there is one latest state to be sent and no
 * queue, so that a source that does not read costs nothing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "devices/ui/display_receiver_impl.h"
#include "vmm/util.h"

/* True: it went out. Of a socket that is broken, the reading side hears too. */
static bool receiver_send(struct display_receiver *r, const union display_msg *m)
{
	int ret;

	if (r->broken || r->blocked)
		return false;
	ret = display_proto_send(r->sock.fd, m, NULL, 0);
	if (ret == -EAGAIN) {
		r->blocked = true;
		loop_modify(r->loop, &r->sock, EPOLLIN | EPOLLOUT);
	} else if (ret < 0) {
		r->broken = true;
		shutdown(r->sock.fd, SHUT_RDWR);
	}
	return ret == 0;
}

void receiver_send_hello(struct display_receiver *r)
{
	receiver_send(r, &(union display_msg){ .hello = {
		.head.type = DISPLAY_MSG_HELLO,
		.magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION,
		.flags = r->flags,
	} });
}

/* --- outputs -------------------------------------------------------------------- */

static bool send_configure(struct display_receiver *r, unsigned output)
{
	const struct display_output *what = &r->outputs[output].configure;
	const union display_msg m = { .configure = {
		.head = { DISPLAY_MSG_CONFIGURE, output },
		.width = MIN(what->width, (uint32_t)DISPLAY_MAX_SIZE),
		.height = MIN(what->height, (uint32_t)DISPLAY_MAX_SIZE),
		.width_mm = what->width_mm,
		.height_mm = what->height_mm,
		.refresh_mhz = what->refresh_mhz,
	} };

	return receiver_send(r, &m);
}

static void send_output(struct display_receiver *r, unsigned i)
{
	struct receiver_output *o = &r->outputs[i];
	const union display_msg done = {
		.frame_done = { .head = { DISPLAY_MSG_FRAME_DONE, i }, .serial = o->serial },
	};
	const union display_msg plug = {
		.plug = { .head = { DISPLAY_MSG_PLUG, i }, .on = o->plug },
	};
	const union display_msg close = { .head = { DISPLAY_MSG_CLOSE, i } };

	if (o->send_done && receiver_send(r, &done))
		o->send_done = false;
	if (o->send_configure && send_configure(r, i)) {
		o->send_configure = false;
		o->configure = (struct display_output){ 0 };
	}
	if (o->send_plug && receiver_send(r, &plug))
		o->send_plug = false;
	if (o->send_close && receiver_send(r, &close))
		o->send_close = false;
}

static void sink_configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct display_receiver *r = ctx;
	struct display_output *c;

	if (output >= r->n_outputs)
		return;
	c = &r->outputs[output].configure;
	if (what->width && what->height) {
		c->width = what->width;
		c->height = what->height;
		c->width_mm = what->width_mm;
		c->height_mm = what->height_mm;
	}
	if (what->refresh_mhz)
		c->refresh_mhz = what->refresh_mhz;
	r->outputs[output].send_configure = true;
	receiver_send_all(r);
}

static void sink_plug(void *ctx, unsigned output, bool on)
{
	struct display_receiver *r = ctx;

	if (output >= r->n_outputs)
		return;
	r->outputs[output].plug = on;
	r->outputs[output].send_plug = true;
	receiver_send_all(r);
}

void receiver_done(struct display_receiver *r, unsigned output)
{
	r->outputs[output].drawing = false;
	r->outputs[output].send_done = true;
	receiver_send_all(r);
}

static void sink_frame_done(void *ctx, unsigned output)
{
	struct display_receiver *r = ctx;

	if (output < r->n_outputs && r->outputs[output].drawing)
		receiver_done(r, output);
}

static const struct display_sink_ops sink_ops = {
	.configure = sink_configure,
	.plug = sink_plug,
	.frame_done = sink_frame_done,
};

struct display_sink display_receiver_sink(struct display_receiver *r)
{
	return (struct display_sink){ &sink_ops, r };
}

void display_receiver_close(struct display_receiver *r, unsigned output)
{
	if (output >= r->n_outputs)
		return;
	r->outputs[output].send_close = true;
	receiver_send_all(r);
}

void display_receiver_want_control(struct display_receiver *r, bool on)
{
	r->control = on;
	r->send_control = true;
	receiver_send_all(r);
}

void display_receiver_no_dmabuf(struct display_receiver *r)
{
	r->send_no_dmabuf = true;
	receiver_send_all(r);
}

/* --- input ---------------------------------------------------------------------- */

static void gather(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct receiver_input *in = ctx;
	struct display_msg_input *p = &in->packet.input;

	p->events[p->n++] = (struct display_msg_event){ type, code, value };
}

static void send_packet(struct receiver_input *in)
{
	in->stuck = !receiver_send(in->r, &in->packet);
	if (!in->stuck)
		in->packet.input.n = 0;
}

/* After a packet that was late: what has become of the rest meanwhile. */
static void catch_up(struct receiver_input *in)
{
	const struct input_sink to_packet = { gather, in };

	send_packet(in);
	while (!in->stuck && input_state_step(&in->told, &in->wanted, DISPLAY_PROTO_MAX_EVENTS,
					      &to_packet))
		send_packet(in);
}

static void complete(struct receiver_input *in)
{
	const struct display_msg_input *p = &in->packet.input;

	gather(in, EV_SYN, SYN_REPORT, 0);
	for (unsigned i = 0; i < p->n; i++)
		input_state_apply(&in->told, p->events[i].type, p->events[i].code,
				  p->events[i].value);
	send_packet(in);
}

static void input_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct receiver_input *in = ctx;
	bool sync = type == EV_SYN && code == SYN_REPORT;

	if (!sync && type != EV_KEY && type != EV_REL && type != EV_ABS)
		return;
	input_state_apply(&in->wanted, type, code, value);
	if (in->stuck || !in->r->n_outputs)
		return;
	if (sync || in->packet.input.n == DISPLAY_PROTO_MAX_EVENTS - 1)
		complete(in);
	if (!sync && !in->stuck)
		gather(in, type, code, value);
}

struct input_sink display_receiver_input(struct display_receiver *r, enum input_kind kind)
{
	return (struct input_sink){ input_event, &r->inputs[kind] };
}

/* --- all of it ------------------------------------------------------------------ */

void receiver_send_all(struct display_receiver *r)
{
	const union display_msg control = {
		.control = { .head.type = DISPLAY_MSG_CONTROL, .on = r->control },
	};
	const union display_msg no_dmabuf = { .head.type = DISPLAY_MSG_NO_DMABUF };

	if (!r->n_outputs)
		return;
	if (r->send_no_dmabuf && receiver_send(r, &no_dmabuf))
		r->send_no_dmabuf = false;
	if (r->send_control && receiver_send(r, &control))
		r->send_control = false;
	for (unsigned i = 0; i < r->n_outputs; i++)
		send_output(r, i);
	for (unsigned i = 0; i < INPUT_HOST; i++)
		if (r->inputs[i].stuck)
			catch_up(&r->inputs[i]);
}

void receiver_send_init(struct display_receiver *r)
{
	for (unsigned i = 0; i < INPUT_HOST; i++) {
		struct receiver_input *in = &r->inputs[i];

		in->r = r;
		in->packet.input.head.type = DISPLAY_MSG_INPUT;
		in->packet.input.kind = i;
		input_state_init(&in->wanted, i == INPUT_MULTITOUCH ? INPUT_TOUCH_SLOTS : 0);
		input_state_init(&in->told, i == INPUT_MULTITOUCH ? INPUT_TOUCH_SLOTS : 0);
	}
}
