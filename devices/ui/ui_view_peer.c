/* SPDX-License-Identifier: MIT */
/*
 * To a viewer: of everything the latest state, once it reads. Nothing is queued
 * but what its socket has room for; of pictures, one FLUSH an output is on its way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/ui/surface.h"
#include "devices/ui/ui_view_impl.h"
#include "vmm/util.h"

static bool send_fds(struct view_peer *p, const union display_msg *m, const int *fds,
		     unsigned n_fds)
{
	int ret;

	if (p->broken || p->blocked)
		return false;
	ret = display_proto_send(p->sock.fd, m, fds, n_fds);
	if (ret == -EAGAIN) {
		p->blocked = true;
		loop_modify(p->view->loop, &p->sock, EPOLLIN | EPOLLOUT);
	} else if (ret < 0) {
		/* Whoever called us may be in the middle of all viewers: it ends later. */
		p->broken = true;
		shutdown(p->sock.fd, SHUT_RDWR);
	}
	return ret == 0;
}

static bool send_msg(struct view_peer *p, const union display_msg *m)
{
	return send_fds(p, m, NULL, 0);
}

void view_peer_unblock(struct view_peer *p)
{
	p->blocked = false;
	loop_modify(p->view->loop, &p->sock, EPOLLIN);
	view_peer_tell(p);
}

/* --- pictures ------------------------------------------------------------------- */

static bool send_dmabuf(struct view_peer *p, unsigned i, const struct display_dmabuf *d)
{
	const struct display_surface *s = &p->view->stage.outputs[i].picture.surface;
	union display_msg m = { .scanout = {
		.head = { DISPLAY_MSG_SCANOUT, i },
		.kind = DISPLAY_SCANOUT_DMABUF,
		.flags = s->image.flipped ? DISPLAY_SCANOUT_FLIPPED : 0,
		.fourcc = d->fourcc,
		.n_planes = d->n_planes,
		.width = s->width,
		.height = s->height,
		.x = s->image.x,
		.y = s->image.y,
		.buffer_width = s->image.width,
		.buffer_height = s->image.height,
		.modifier = d->modifier,
	} };

	for (unsigned plane = 0; plane < d->n_planes; plane++) {
		m.scanout.offsets[plane] = d->offsets[plane];
		m.scanout.strides[plane] = d->strides[plane];
	}
	if (!send_fds(p, &m, d->fds, d->n_planes))
		return false;
	p->outputs[i].memory_id = 0;
	p->view->stats.dmabufs++;
	return true;
}

static bool send_memory(struct view_peer *p, unsigned i, const struct display_stage_memory *mem)
{
	const struct display_surface *s = &p->view->stage.outputs[i].picture.surface;
	const union display_msg m = display_msg_memory(i, s, mem->offset, mem->stride);

	if (!send_fds(p, &m, &mem->fd, 1))
		return false;
	p->outputs[i].memory_id = mem->id;
	p->view->stats.memories++;
	return true;
}

/* What the viewer can show of it. False: pixels, then. */
static bool find_dmabuf(const struct view_peer *p, const struct display_surface *s,
			struct display_dmabuf *d)
{
	return p->dmabuf && s->image.width && s->image.dmabuf &&
	       s->image.dmabuf(s->image.ctx, d) == 0 && surface_format_valid(d->fourcc);
}

/* It was told of another picture; a guest that flips says what differs. */
static void picture_told(struct view_peer *p, unsigned i, uint32_t kind, uint32_t fourcc)
{
	const struct display_surface *s = &p->view->stage.outputs[i].picture.surface;
	struct view_peer_output *o = &p->outputs[i];

	if (!o->shown || kind != o->kind || fourcc != o->fourcc || s->width != o->width ||
	    s->height != o->height)
		o->damage = (struct display_rect){ 0, 0, s->width, s->height };
	o->shown = true;
	o->kind = kind;
	o->fourcc = fourcc;
	o->width = s->width;
	o->height = s->height;
	o->news &= ~VIEW_PICTURE;
}

/*
 * SCANOUT when it is another one, and its memory up to date. False: not now, or
 * never. Copies of a guest that flips are in the same memory.
 */
static bool send_scanout(struct view_peer *p, unsigned i)
{
	struct ui_view *view = p->view;
	struct view_peer_output *o = &p->outputs[i];
	const struct display_surface *s = &view->stage.outputs[i].picture.surface;
	struct display_stage_memory mem;
	struct display_dmabuf dmabuf;
	int ret;

	if (find_dmabuf(p, s, &dmabuf)) {
		if (o->news & VIEW_PICTURE) {
			if (!send_dmabuf(p, i, &dmabuf))
				return false;
			picture_told(p, i, DISPLAY_SCANOUT_DMABUF, dmabuf.fourcc);
		}
		return true;
	}
	ret = display_stage_share(&view->stage, i, &mem);
	if (ret < 0) {
		log_guest(&view->rate, "a picture of %u x %u cannot be shared: %s", s->width,
			  s->height, strerror(-ret));
		return false;
	}
	if (o->shown && mem.id && o->memory_id == mem.id) {
		o->news &= ~VIEW_PICTURE;
	} else if (o->news & VIEW_PICTURE) {
		if (!send_memory(p, i, &mem))
			return false;
		picture_told(p, i, DISPLAY_SCANOUT_MEMORY, s->fourcc);
	}
	return true;
}

static void send_flush(struct view_peer *p, unsigned i)
{
	struct view_peer_output *o = &p->outputs[i];
	const union display_msg m = { .flush = {
		.head = { DISPLAY_MSG_FLUSH, i },
		.x = o->damage.x, .y = o->damage.y,
		.width = o->damage.width, .height = o->damage.height,
		.serial = o->serial + 1,
	} };

	if (!send_msg(p, &m))
		return;
	o->serial++;
	o->in_flight = true;
	o->damage = (struct display_rect){ 0 };
	p->view->stats.frames++;
}

static void tell_picture(struct view_peer *p, unsigned i)
{
	struct view_peer_output *o = &p->outputs[i];
	const union display_msg off = { .head = { DISPLAY_MSG_OFF, i } };

	if (!p->view->stage.outputs[i].picture.shown) {
		o->damage = (struct display_rect){ 0 };
		if (o->shown && !send_msg(p, &off))
			return;
		o->shown = false;
		o->news &= ~VIEW_PICTURE;
		return;
	}
	if (o->in_flight || (!(o->news & VIEW_PICTURE) && !o->damage.width))
		return;
	if (send_scanout(p, i) && o->damage.width)
		send_flush(p, i);
}

/* --- the rest ------------------------------------------------------------------- */

static bool send_output(struct view_peer *p, unsigned i)
{
	const struct display_stage_output *s = &p->view->stage.outputs[i];

	return send_msg(p, &(union display_msg){ .output = {
		.head = { DISPLAY_MSG_OUTPUT, i }, .plugged = s->plugged,
		.width = s->mode_width, .height = s->mode_height,
	} });
}

static bool send_cursor(struct view_peer *p, unsigned i)
{
	const struct picture *pic = &p->view->stage.outputs[i].picture;
	union display_msg m = { .cursor = { .head = { DISPLAY_MSG_CURSOR, i } } };

	if (pic->cursor_shown) {
		m.cursor.width = pic->cursor_width;
		m.cursor.height = pic->cursor_height;
		m.cursor.hot_x = pic->hot_x;
		m.cursor.hot_y = pic->hot_y;
		memcpy(m.cursor.pixels, pic->cursor, 4ull * pic->cursor_width * pic->cursor_height);
	}
	return send_msg(p, &m);
}

static bool send_cursor_move(struct view_peer *p, unsigned i)
{
	const struct picture *pic = &p->view->stage.outputs[i].picture;

	return send_msg(p, &(union display_msg){ .cursor_move = {
		.head = { DISPLAY_MSG_CURSOR_MOVE, i }, .x = pic->cursor_x, .y = pic->cursor_y,
	} });
}

static void tell_output(struct view_peer *p, unsigned i)
{
	struct view_peer_output *o = &p->outputs[i];

	if (o->news & VIEW_OUTPUT && send_output(p, i))
		o->news &= ~VIEW_OUTPUT;
	tell_picture(p, i);
	if (o->news & VIEW_CURSOR && send_cursor(p, i))
		o->news &= ~VIEW_CURSOR;
	if (o->news & VIEW_CURSOR_MOVE && send_cursor_move(p, i))
		o->news &= ~VIEW_CURSOR_MOVE;
}

static bool send_leds(struct view_peer *p)
{
	union display_msg m = { .input = { .head.type = DISPLAY_MSG_INPUT,
					   .kind = INPUT_KEYBOARD } };
	struct display_msg_input *in = &m.input;

	for (unsigned i = 0; i < LED_CNT; i++)
		in->events[in->n++] = (struct display_msg_event){ EV_LED, i, p->view->leds[i] };
	in->events[in->n++] = (struct display_msg_event){ EV_SYN, SYN_REPORT, 0 };
	return send_msg(p, &m);
}

static bool send_control(struct view_peer *p, bool on)
{
	return send_msg(p, &(union display_msg){ .control = {
		.head.type = DISPLAY_MSG_CONTROL, .on = on,
	} });
}

static bool send_closing(struct view_peer *p)
{
	return send_msg(p, &(union display_msg){ .head.type = DISPLAY_MSG_CLOSE });
}

void view_peer_tell(struct view_peer *p)
{
	if (!p->hello)
		return;
	for (unsigned i = 0; i < p->view->stage.n; i++)
		tell_output(p, i);
	if (p->tell_control && send_control(p, p->view->controller == p))
		p->tell_control = false;
	if (p->tell_leds && send_leds(p))
		p->tell_leds = false;
	if (p->tell_closing && send_closing(p))
		p->tell_closing = false;
}

/* --- life ----------------------------------------------------------------------- */

void view_peer_hello(struct view_peer *p)
{
	union display_msg m = { .hello = {
		.head.type = DISPLAY_MSG_HELLO,
		.magic = DISPLAY_PROTO_MAGIC,
		.version = DISPLAY_PROTO_VERSION,
		.flags = p->view->params.dmabuf ? DISPLAY_HELLO_DMABUF : 0,
		.n_outputs = p->view->stage.n,
		.width = p->view->stage.outputs[0].mode_width,
		.height = p->view->stage.outputs[0].mode_height,
	} };

	for (unsigned i = 0; i < INPUT_HOST; i++)
		if (p->view->params.sinks[i].event)
			m.hello.inputs |= 1u << i;
	memcpy(m.hello.name, p->view->name, sizeof(m.hello.name));
	send_msg(p, &m);
}

int view_peer_create(struct view_peer **out, struct ui_view *view, int fd)
{
	struct view_peer *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return -ENOMEM;
	}
	p->view = view;
	p->sock.fd = fd;
	p->tell_control = p->tell_leds = true;
	for (unsigned i = 0; i < view->stage.n; i++)
		p->outputs[i].news = VIEW_ALL;
	*out = p;
	return 0;
}

void view_peer_destroy(struct view_peer *p)
{
	loop_remove(p->view->loop, &p->sock);
	close(p->sock.fd);
	free(p);
}
