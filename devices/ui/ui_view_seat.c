/* SPDX-License-Identifier: MIT */
/* From viewers: who of them controls, and what that one does. */
#include <errno.h>
#include <stdlib.h>

#include "devices/ui/ui_view_impl.h"
#include "vmm/util.h"

/* Changes of monitors within are one. */
#define CHANGED_NS 20000000ull

/* --- control -------------------------------------------------------------------- */

static void release_all(struct ui_view *view)
{
	for (unsigned i = 0; i < INPUT_HOST; i++)
		input_state_release(&view->held[i], &view->params.sinks[i]);
}

/* The oldest that wants to, when there is nobody. */
static void choose_controller(struct ui_view *view)
{
	for (unsigned i = 0; i < view->n_peers && !view->controller; i++) {
		struct view_peer *p = view->peers[i];

		if (!p->hello || !p->wants_control)
			continue;
		view->controller = p;
		p->tell_control = true;
		view_pace_anew(view);
		view_news(view);
	}
}

static void give_up(struct view_peer *p)
{
	struct ui_view *view = p->view;

	if (view->controller != p)
		return;
	release_all(view);
	view->controller = NULL;
	p->tell_control = true;
	view_pace_anew(view);
	view_news(view);
}

void view_seat_left(struct view_peer *p)
{
	p->wants_control = false;
	give_up(p);
	choose_controller(p->view);
}

/* --- monitors ------------------------------------------------------------------- */

static void apply_changes(void *arg)
{
	struct ui_view *view = arg;
	uint32_t configured = view->configured, plugged = view->plugged;

	view->configured = view->plugged = 0;
	for (unsigned i = 0; i < view->stage.n && view->sink.ops; i++) {
		if (plugged & 1u << i) {
			ui_view_plug(view, i, view->plug[i]);
			view->sink.ops->plug(view->sink.ctx, i, view->plug[i]);
		}
		if (configured & 1u << i) {
			struct display_output what = view->configure[i];

			view->configure[i] = (struct display_output){ 0 };
			view->sink.ops->configure(view->sink.ctx, i, &what);
		}
	}
}

static void await_more(struct ui_view *view)
{
	if (!view->changed.armed)
		loop_timer_arm(view->loop, &view->changed, CHANGED_NS);
}

static void on_configure(struct view_peer *p)
{
	struct ui_view *view = p->view;
	const struct display_msg_configure *m = &view->packet.msg.configure;
	struct display_output *what = &view->configure[m->head.output];

	if (m->width && m->height)
		*what = (struct display_output){ m->width, m->height, m->width_mm, m->height_mm,
						 what->refresh_mhz };
	if (m->refresh_mhz)
		what->refresh_mhz = m->refresh_mhz;
	view->configured |= 1u << m->head.output;
	await_more(view);
}

static void on_plug(struct view_peer *p)
{
	struct ui_view *view = p->view;
	const struct display_msg_plug *m = &view->packet.msg.plug;

	view->plug[m->head.output] = m->on;
	view->plugged |= 1u << m->head.output;
	await_more(view);
}

/* --- the rest ------------------------------------------------------------------- */

static void on_input(struct view_peer *p)
{
	struct ui_view *view = p->view;
	const struct display_msg_input *in = &view->packet.msg.input;
	const struct input_sink *sink = &view->params.sinks[in->kind];

	for (unsigned i = 0; i < in->n; i++) {
		const struct display_msg_event *e = &in->events[i];

		input_state_apply(&view->held[in->kind], e->type, e->code, e->value);
		input_send(sink, e->type, e->code, e->value);
	}
}

static void on_close(struct view_peer *p)
{
	struct ui_view *view = p->view;

	if (view->params.closed)
		view->params.closed(view->params.ctx, view->packet.msg.head.output);
}

static void on_frame_done(struct view_peer *p)
{
	struct ui_view *view = p->view;
	unsigned output = view->packet.msg.head.output;
	struct view_peer_output *o = &p->outputs[output];

	if (!o->in_flight || view->packet.msg.frame_done.serial != o->serial)
		return;
	o->in_flight = false;
	if (view->controller == p) {
		view->late = false;
		if (!o->damage.width && !(o->news & VIEW_PICTURE))
			view_frame_done(view, output);
	}
	view_peer_tell(p);
}

static void on_hello(struct view_peer *p)
{
	const struct display_msg_hello *hello = &p->view->packet.msg.hello;

	p->hello = true;
	p->dmabuf = hello->flags & DISPLAY_HELLO_DMABUF;
	p->wants_control = hello->flags & DISPLAY_HELLO_CONTROL;
	p->view->stats.viewers++;
	choose_controller(p->view);
	view_peer_tell(p);
}

static void on_control(struct view_peer *p)
{
	p->wants_control = p->view->packet.msg.control.on;
	if (!p->wants_control)
		give_up(p);
	choose_controller(p->view);
}

static void on_no_dmabuf(struct view_peer *p)
{
	p->dmabuf = false;
	for (unsigned i = 0; i < p->view->stage.n; i++)
		p->outputs[i].news |= VIEW_PICTURE;
	view_news(p->view);
}

static const struct {
	bool controls;		/* heard of who controls only */
	void (*on)(struct view_peer *p);
} handlers[DISPLAY_MSG_TYPES] = {
	[DISPLAY_MSG_HELLO] = { false, on_hello },
	[DISPLAY_MSG_FRAME_DONE] = { false, on_frame_done },
	[DISPLAY_MSG_CONTROL] = { false, on_control },
	[DISPLAY_MSG_NO_DMABUF] = { false, on_no_dmabuf },
	[DISPLAY_MSG_INPUT] = { true, on_input },
	[DISPLAY_MSG_CONFIGURE] = { true, on_configure },
	[DISPLAY_MSG_PLUG] = { true, on_plug },
	[DISPLAY_MSG_CLOSE] = { true, on_close },
};

int view_seat_message(struct view_peer *p)
{
	struct ui_view *view = p->view;
	const struct display_msg_head *head = &view->packet.msg.head;

	if ((head->type == DISPLAY_MSG_HELLO) == p->hello || head->output >= view->stage.n)
		return -EPROTO;
	if (!handlers[head->type].controls || view->controller == p)
		handlers[head->type].on(p);
	return 0;
}

void view_seat_init(struct ui_view *view)
{
	view->changed = (struct loop_timer){ .cb = apply_changes, .arg = view };
	for (unsigned i = 0; i < INPUT_HOST; i++)
		input_state_init(&view->held[i], i == INPUT_MULTITOUCH ? INPUT_TOUCH_SLOTS : 0);
}

void view_seat_finish(struct ui_view *view)
{
	loop_timer_disarm(view->loop, &view->changed);
	release_all(view);
}
