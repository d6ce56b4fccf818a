/* SPDX-License-Identifier: MIT */
#include "devices/ui/ui_view.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/ui/ui_view_impl.h"
#include "vmm/util.h"

/* After which a viewer that owes a frame is not waited for any more. */
#define PATIENCE_NS 250000000ull
/* Messages a turn of the loop: guests have their turn too. */
#define MAX_MESSAGES 64
#define RETRY_NS 100000000ull
#define BACKLOG 16

/* --- news ----------------------------------------------------------------------- */

static void tell_all(void *arg)
{
	struct ui_view *view = arg;

	for (unsigned i = 0; i < view->n_peers; i++)
		view_peer_tell(view->peers[i]);
}

void view_news(struct ui_view *view)
{
	if (view->n_peers)
		loop_post(view->loop, &view->tell);
}

void view_output_news(struct ui_view *view, unsigned output, unsigned what)
{
	for (unsigned i = 0; i < view->n_peers; i++)
		view->peers[i]->outputs[output].news |= what;
	view_news(view);
}

/* --- frames --------------------------------------------------------------------- */

/* A monitor's, as ui_null's. */
static uint64_t until_frame(struct ui_view *view)
{
	uint64_t now = loop_now_ns();

	if (view->controller && !view->late)
		return PATIENCE_NS;
	if (now >= view->next_ns)
		view->next_ns += ((now - view->next_ns) / view->period_ns + 1) * view->period_ns;
	return view->next_ns - now;
}

void view_pace_anew(struct ui_view *view)
{
	view->late = false;
	if (view->frame.armed)
		loop_timer_arm(view->loop, &view->frame, until_frame(view));
}

void view_frame_done(struct ui_view *view, unsigned output)
{
	if (!(view->due & 1u << output))
		return;
	view->due &= ~(1u << output);
	if (!view->due)
		loop_timer_disarm(view->loop, &view->frame);
	view->sink.ops->frame_done(view->sink.ctx, output);
}

static void frame(void *arg)
{
	struct ui_view *view = arg;
	uint32_t due = view->due;

	view->late = view->controller;
	for (unsigned i = 0; i < view->stage.n; i++)
		if (due & 1u << i)
			view_frame_done(view, i);
}

/* --- what the card says --------------------------------------------------------- */

/* NULL: an output that nobody asked for. */
static struct display_stage_output *output_of(struct ui_view *view, unsigned output)
{
	return output < view->stage.n ? &view->stage.outputs[output] : NULL;
}

static void view_mode(void *ctx, unsigned output, uint32_t width, uint32_t height)
{
	struct ui_view *view = ctx;
	struct display_stage_output *o = output_of(view, output);

	if (!o)
		return;
	o->mode_width = width;
	o->mode_height = height;
	view_output_news(view, output, VIEW_OUTPUT);
}

static void view_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct ui_view *view = ctx;

	if (!output_of(view, output))
		return;
	if (!display_stage_set(&view->stage, output, surface)) {
		/* What was damaged of the other one may lie outside of this one. */
		for (unsigned i = 0; i < view->n_peers; i++) {
			view->peers[i]->outputs[output].damage = (struct display_rect){ 0 };
			view->peers[i]->outputs[output].memory_id = 0;
		}
	}
	view_output_news(view, output, VIEW_PICTURE);
}

static bool view_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct ui_view *view = ctx;

	if (!output_of(view, output))
		return false;
	display_stage_flush(&view->stage, output, damage);
	for (unsigned i = 0; i < view->n_peers; i++) {
		struct display_rect *d = &view->peers[i]->outputs[output].damage;

		*d = display_rect_join(d, damage);
	}
	view_news(view);
	if (!view->period_ns || !view->sink.ops)
		return false;
	if (!view->due)
		loop_timer_arm(view->loop, &view->frame, until_frame(view));
	view->due |= 1u << output;
	return true;
}

static void view_off(void *ctx, unsigned output)
{
	struct ui_view *view = ctx;

	if (!output_of(view, output))
		return;
	display_stage_off(&view->stage, output);
	view->due &= ~(1u << output);
	if (!view->due)
		loop_timer_disarm(view->loop, &view->frame);
	view_output_news(view, output, VIEW_PICTURE);
}

static void view_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
	struct ui_view *view = ctx;
	struct display_stage_output *o = output_of(view, output);

	if (!o)
		return;
	picture_cursor(&o->picture, cursor);
	view_output_news(view, output, VIEW_CURSOR);
}

static void view_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
	struct ui_view *view = ctx;
	struct display_stage_output *o = output_of(view, output);

	if (!o)
		return;
	picture_cursor_move(&o->picture, x, y);
	view_output_news(view, output, VIEW_CURSOR_MOVE);
}

static const struct display_ops view_ops = {
	.mode = view_mode,
	.set = view_set,
	.flush = view_flush,
	.off = view_off,
	.cursor = view_cursor,
	.cursor_move = view_cursor_move,
};

struct display ui_view_display(struct ui_view *view)
{
	return (struct display){ &view_ops, view };
}

static void view_feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct ui_view *view = ctx;

	if (type != EV_LED || code >= LED_CNT)
		return;
	view->leds[code] = value;
	for (unsigned i = 0; i < view->n_peers; i++)
		view->peers[i]->tell_leds = true;
	view_news(view);
}

struct input_sink ui_view_feedback(struct ui_view *view)
{
	return (struct input_sink){ view_feedback, view };
}

void ui_view_closing(struct ui_view *view)
{
	for (unsigned i = 0; i < view->n_peers; i++)
		view->peers[i]->tell_closing = true;
	view_news(view);
}

void ui_view_plug(struct ui_view *view, unsigned output, bool on)
{
	struct display_stage_output *o = output_of(view, output);

	if (!o || o->plugged == on)
		return;
	o->plugged = on;
	view_output_news(view, output, VIEW_OUTPUT);
}

/* --- viewers come and go -------------------------------------------------------- */

static void drop_peer(struct view_peer *p)
{
	struct ui_view *view = p->view;
	unsigned i = 0;

	while (view->peers[i] != p)
		i++;
	memmove(&view->peers[i], &view->peers[i + 1],
		(view->n_peers - i - 1) * sizeof(view->peers[0]));
	view->n_peers--;
	view->stats.viewers -= p->hello;
	view_seat_left(p);
	if (!view->stats.viewers)
		display_stage_forget(&view->stage);
	log_debug("a viewer has gone, there are %u", view->stats.viewers);
	view_peer_destroy(p);
}

static void peer_event(void *arg, uint32_t events)
{
	struct view_peer *p = arg;
	struct ui_view *view = p->view;
	int ret = 0;

	if (events & EPOLLOUT)
		view_peer_unblock(p);
	for (int i = 0; i < MAX_MESSAGES && ret == 0; i++) {
		ret = display_proto_recv(p->sock.fd, &view->packet, DISPLAY_VIEWER);
		if (ret == 0)
			ret = view_seat_message(p);
		display_packet_drop(&view->packet);
	}
	if (ret == -EPROTO) {
		log_guest(&view->rate, "a viewer does not keep to the protocol: disconnected");
		view->stats.refused++;
	}
	if (ret < 0 && ret != -EAGAIN)
		drop_peer(p);
}

/* Somebody who is connected and says nothing keeps nobody out. */
static bool make_room(struct ui_view *view)
{
	for (unsigned i = 0; i < view->n_peers && view->n_peers == UI_VIEW_MAX_VIEWERS; i++)
		if (!view->peers[i]->hello)
			drop_peer(view->peers[i]);
	return view->n_peers < UI_VIEW_MAX_VIEWERS;
}

int ui_view_add(struct ui_view *view, int fd)
{
	struct view_peer *p;
	int ret;

	view->stats.connections++;
	if (!make_room(view)) {
		log_guest(&view->rate, "more than %d viewers: one is refused",
			  UI_VIEW_MAX_VIEWERS);
		view->stats.refused++;
		close(fd);
		return -EBUSY;
	}
	ret = view_peer_create(&p, view, fd);
	if (ret < 0)
		return ret;
	ret = loop_add(view->loop, &p->sock, fd, EPOLLIN, peer_event, p);
	if (ret < 0) {
		view_peer_destroy(p);
		return ret;
	}
	view->peers[view->n_peers++] = p;
	view_peer_hello(p);
	return 0;
}

static void listener_event(void *arg, uint32_t events)
{
	struct ui_view *view = arg;
	int fd = accept4(view->sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		ui_view_add(view, fd);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	/* Such as EMFILE: the viewer stays in the queue, and so would its event. */
	log_guest(&view->rate, "viewers: accept: %m");
	loop_remove(view->loop, &view->listener);
	loop_timer_arm(view->loop, &view->retry, RETRY_NS);
}

static int watch_listener(struct ui_view *view)
{
	return loop_add(view->loop, &view->listener, view->sock.fd, EPOLLIN, listener_event, view);
}

static void listen_again(void *arg)
{
	struct ui_view *view = arg;

	if (watch_listener(view) < 0)
		loop_timer_arm(view->loop, &view->retry, RETRY_NS);
}

int ui_view_listen(struct ui_view *view, const char *path)
{
	int ret = unixsock_listen_packets(&view->sock, path, BACKLOG);

	if (ret < 0) {
		view->sock.fd = -1;
		return ret;
	}
	return watch_listener(view);
}

int ui_view_inherit(struct ui_view *view, int fd)
{
	if (unixsock_option(fd, SO_DOMAIN) != AF_UNIX ||
	    unixsock_option(fd, SO_TYPE) != SOCK_SEQPACKET ||
	    unixsock_option(fd, SO_ACCEPTCONN) != 1 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -EINVAL;
	/* Of no name: who made it removes it. */
	view->sock = (struct unixsock){ .fd = fd };
	return watch_listener(view);
}

/* --- life ----------------------------------------------------------------------- */

int ui_view_create(struct ui_view **out, struct loop *loop, const struct ui_view_params *params)
{
	struct ui_view *view = calloc(1, sizeof(*view));

	assert(params->n_outputs >= 1 && params->n_outputs <= DISPLAY_MAX_OUTPUTS);
	if (!view)
		return -ENOMEM;
	view->loop = loop;
	view->params = *params;
	snprintf(view->name, sizeof(view->name), "%s", params->name);
	view->sock.fd = -1;
	view->tell = (struct loop_work){ .cb = tell_all, .arg = view };
	view->retry = (struct loop_timer){ .cb = listen_again, .arg = view };
	view->frame = (struct loop_timer){ .cb = frame, .arg = view };
	view->period_ns = params->refresh_mhz ? 1000000000000ull / params->refresh_mhz : 0;
	display_stage_init(&view->stage, params->n_outputs);
	view_seat_init(view);
	*out = view;
	return 0;
}

void ui_view_destroy(struct ui_view *view)
{
	if (!view)
		return;
	view_seat_finish(view);
	while (view->n_peers)
		drop_peer(view->peers[view->n_peers - 1]);
	loop_remove(view->loop, &view->listener);
	if (view->sock.fd >= 0)
		unixsock_close(&view->sock);
	loop_timer_disarm(view->loop, &view->retry);
	loop_timer_disarm(view->loop, &view->frame);
	loop_cancel(view->loop, &view->tell);
	display_stage_finish(&view->stage);
	free(view);
}

void ui_view_set_sink(struct ui_view *view, struct display_sink sink)
{
	view->sink = sink;
}

const struct picture *ui_view_picture(const struct ui_view *view, unsigned output)
{
	static const struct picture nothing;

	return output < view->stage.n ? &view->stage.outputs[output].picture : &nothing;
}

const struct ui_view_stats *ui_view_stats(struct ui_view *view)
{
	view->stats.copied = view->stage.copied;
	return &view->stats;
}
