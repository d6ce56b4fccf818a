/* SPDX-License-Identifier: MIT */
/* From the source; what goes to it is in display_receiver_send.c. */
#include "devices/ui/display_receiver.h"

#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "devices/ui/display_receiver_impl.h"
#include "vmm/util.h"

/* Messages a turn of the loop: others have their turn too. */
#define MAX_MESSAGES 64

/* --- surfaces ------------------------------------------------------------------- */

static void drop_buffer(struct receiver_buffer *b)
{
	display_memory_close(&b->memory);
	while (b->dmabuf.n_planes)
		close(b->dmabuf.fds[--b->dmabuf.n_planes]);
}

static int give_dmabuf(void *ctx, struct display_dmabuf *out)
{
	const struct receiver_buffer *b = ctx;

	*out = b->dmabuf;
	return 0;
}

/* Where we can tell, without the driver that knows the modifier. */
static bool dmabuf_fits(const struct display_msg_scanout *s, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return s->modifier != DRM_FORMAT_MOD_LINEAR || size < 0 ||
	       range_fits(s->offsets[0], s->strides[0] * (s->buffer_height - 1ull) +
			  4ull * s->buffer_width, size);
}

static bool is_dmabuf(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == DMA_BUF_MAGIC;
}

/* Pixels that nobody has written: black, and of no size as long as nobody looks. */
static int take_nothing(struct receiver_buffer *b, uint64_t len)
{
	void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return -errno;
	b->memory.map = map;
	b->memory.len = len;
	b->piece = (struct iovec){ map, len };
	return 0;
}

static int take_dmabuf(struct display_receiver *r, struct receiver_buffer *b,
		       struct display_surface *surface)
{
	const struct display_msg_scanout *s = &r->packet.msg.scanout;
	struct display_packet *p = &r->packet;
	struct display_dmabuf *d = &b->dmabuf;
	int ret;

	if (!(r->flags & DISPLAY_HELLO_DMABUF))
		return -EPROTO;
	for (unsigned i = 0; i < p->n_fds; i++)
		if (!is_dmabuf(p->fds[i]))
			return -EPROTO;
	if (!dmabuf_fits(s, p->fds[0]))
		return -EPROTO;
	ret = take_nothing(b, 4ull * s->width * s->height);
	if (ret < 0)
		return ret;
	*d = (struct display_dmabuf){ .fourcc = s->fourcc, .modifier = s->modifier };
	for (; d->n_planes < p->n_fds; d->n_planes++) {
		d->fds[d->n_planes] = p->fds[d->n_planes];
		d->offsets[d->n_planes] = s->offsets[d->n_planes];
		d->strides[d->n_planes] = s->strides[d->n_planes];
	}
	p->n_fds = 0;
	surface->pixels.stride = 4 * s->width;
	surface->image = (struct display_image){
		.width = s->buffer_width, .height = s->buffer_height, .x = s->x, .y = s->y,
		.flipped = s->flags & DISPLAY_SCANOUT_FLIPPED, .dmabuf = give_dmabuf, .ctx = b,
	};
	r->stats.dmabufs++;
	return 0;
}

static int take_memory(struct display_receiver *r, struct receiver_buffer *b,
		       struct display_surface *surface)
{
	const struct display_msg_scanout *s = &r->packet.msg.scanout;
	uint64_t len = (s->height - 1ull) * s->strides[0] + 4ull * s->width;
	const void *at;
	int ret = display_memory_open(&b->memory, r->packet.fds[0], s->offsets[0], len, &at);

	if (ret < 0)
		return ret;
	r->packet.n_fds = 0;
	b->piece = (struct iovec){ (void *)at, len };
	surface->pixels.stride = s->strides[0];
	surface->pixels.shared = true;
	surface->pixels.fd = b->memory.fd;
	surface->pixels.fd_offset = s->offsets[0];
	r->stats.memories++;
	return 0;
}

static void change_mode(struct display_receiver *r, unsigned output, uint32_t width,
			uint32_t height)
{
	struct receiver_output *o = &r->outputs[output];

	if (width == o->mode_width && height == o->mode_height)
		return;
	o->mode_width = width;
	o->mode_height = height;
	if (r->display.ops && r->display.ops->mode)
		r->display.ops->mode(r->display.ctx, output, width, height);
}

static void switch_off(struct display_receiver *r, unsigned output)
{
	struct receiver_output *o = &r->outputs[output];

	if (o->shown && r->display.ops)
		r->display.ops->off(r->display.ctx, output);
	o->shown = false;
	o->mode_width = o->mode_height = 0;
	drop_buffer(&o->buffers[o->current]);
}

/* The old one may be looked at until set() of the new one has returned. */
static int on_scanout(struct display_receiver *r, unsigned output)
{
	const struct display_msg_scanout *s = &r->packet.msg.scanout;
	struct receiver_output *o = &r->outputs[output];
	struct receiver_buffer *b = &o->buffers[!o->current];
	struct display_surface surface = {
		.fourcc = s->fourcc, .width = s->width, .height = s->height,
		.pixels = { .pieces = &b->piece, .n_pieces = 1 },
	};
	int ret = s->kind == DISPLAY_SCANOUT_DMABUF ? take_dmabuf(r, b, &surface) :
						      take_memory(r, b, &surface);

	if (ret < 0)
		return ret;
	/* Displays are told of the size first, whatever the source does. */
	change_mode(r, output, s->width, s->height);
	if (r->display.ops)
		r->display.ops->set(r->display.ctx, output, &surface);
	drop_buffer(&o->buffers[o->current]);
	o->current = !o->current;
	o->shown = true;
	o->width = s->width;
	o->height = s->height;
	return 0;
}

/* --- messages ------------------------------------------------------------------- */

static int on_hello(struct display_receiver *r, unsigned output)
{
	const struct display_msg_hello *hello = &r->packet.msg.hello;
	int ret = r->params.hello(r->params.ctx, hello);

	if (ret < 0)
		return ret;
	r->flags = ret;
	receiver_send_hello(r);
	r->n_outputs = hello->n_outputs;
	return 0;
}

static int on_output(struct display_receiver *r, unsigned output)
{
	const struct display_msg_output *m = &r->packet.msg.output;
	struct receiver_output *o = &r->outputs[output];

	if (m->plugged == o->unplugged) {
		o->unplugged = !m->plugged;
		if (r->params.plug)
			r->params.plug(r->params.ctx, output, m->plugged);
	}
	if (m->width)
		change_mode(r, output, m->width, m->height);
	return 0;
}

static int on_flush(struct display_receiver *r, unsigned output)
{
	const struct display_msg_flush *f = &r->packet.msg.flush;
	const struct display_rect damage = { f->x, f->y, f->width, f->height };
	struct receiver_output *o = &r->outputs[output];

	if (!o->shown || !range_fits(f->x, f->width, o->width) ||
	    !range_fits(f->y, f->height, o->height))
		return -EPROTO;
	r->stats.frames++;
	o->serial = f->serial;
	if (r->display.ops && r->display.ops->flush(r->display.ctx, output, &damage))
		o->drawing = true;
	else
		receiver_done(r, output);
	return 0;
}

/* The display owes nothing any more; what it was asked for before is answered all the same. */
static int on_off(struct display_receiver *r, unsigned output)
{
	bool was_drawing = r->outputs[output].drawing;

	switch_off(r, output);
	if (was_drawing)
		receiver_done(r, output);
	return 0;
}

static int on_cursor(struct display_receiver *r, unsigned output)
{
	const struct display_msg_cursor *c = &r->packet.msg.cursor;
	const struct display_cursor cursor = {
		.width = c->width, .height = c->height, .hot_x = c->hot_x, .hot_y = c->hot_y,
		.pixels = c->pixels,
	};

	if (r->display.ops)
		r->display.ops->cursor(r->display.ctx, output, c->width ? &cursor : NULL);
	return 0;
}

static int on_cursor_move(struct display_receiver *r, unsigned output)
{
	const struct display_msg_cursor_move *m = &r->packet.msg.cursor_move;

	if (r->display.ops)
		r->display.ops->cursor_move(r->display.ctx, output, m->x, m->y);
	return 0;
}

static int on_control(struct display_receiver *r, unsigned output)
{
	if (r->params.control)
		r->params.control(r->params.ctx, r->packet.msg.control.on);
	return 0;
}

static int on_input(struct display_receiver *r, unsigned output)
{
	const struct display_msg_input *in = &r->packet.msg.input;

	for (unsigned i = 0; i < in->n; i++)
		input_send(&r->params.feedback, in->events[i].type, in->events[i].code,
			   in->events[i].value);
	return 0;
}

static int on_close(struct display_receiver *r, unsigned output)
{
	if (r->params.closing)
		r->params.closing(r->params.ctx);
	return 0;
}

static int (*const handlers[DISPLAY_MSG_TYPES])(struct display_receiver *r, unsigned output) = {
	[DISPLAY_MSG_HELLO] = on_hello,
	[DISPLAY_MSG_OUTPUT] = on_output,
	[DISPLAY_MSG_SCANOUT] = on_scanout,
	[DISPLAY_MSG_FLUSH] = on_flush,
	[DISPLAY_MSG_OFF] = on_off,
	[DISPLAY_MSG_CURSOR] = on_cursor,
	[DISPLAY_MSG_CURSOR_MOVE] = on_cursor_move,
	[DISPLAY_MSG_CONTROL] = on_control,
	[DISPLAY_MSG_INPUT] = on_input,
	[DISPLAY_MSG_CLOSE] = on_close,
};

/* Of a valid one, what only the state can tell. */
static int handle(struct display_receiver *r)
{
	const struct display_msg_head *head = &r->packet.msg.head;

	const struct receiver_output *o = &r->outputs[head->output];

	if ((head->type == DISPLAY_MSG_HELLO) == (r->n_outputs > 0) ||
	    (r->n_outputs && head->output >= r->n_outputs))
		return -EPROTO;
	/* One that does not wait for us. */
	if ((head->type == DISPLAY_MSG_SCANOUT || head->type == DISPLAY_MSG_FLUSH) &&
	    (o->drawing || o->send_done))
		return -EPROTO;
	return handlers[head->type](r, head->output);
}

/* --- life ----------------------------------------------------------------------- */

static void disconnect(struct display_receiver *r)
{
	display_packet_drop(&r->packet);
	for (unsigned i = 0; i < DISPLAY_MAX_OUTPUTS; i++)
		switch_off(r, i);
	if (!r->sock.added)
		return;
	loop_remove(r->loop, &r->sock);
	close(r->sock.fd);
	r->broken = true;
}

static void on_socket(void *arg, uint32_t events)
{
	struct display_receiver *r = arg;
	int ret = 0;

	if (events & EPOLLOUT) {
		r->blocked = false;
		loop_modify(r->loop, &r->sock, EPOLLIN);
		receiver_send_all(r);
	}
	for (int i = 0; i < MAX_MESSAGES && ret == 0; i++) {
		ret = display_proto_recv(r->sock.fd, &r->packet, DISPLAY_SOURCE);
		if (ret == 0)
			ret = handle(r);
		display_packet_drop(&r->packet);
	}
	if (ret == 0 || ret == -EAGAIN)
		return;
	disconnect(r);
	if (r->params.gone)
		r->params.gone(r->params.ctx, ret);
}

int display_receiver_create(struct display_receiver **out, struct loop *loop, int fd,
			    const struct display_receiver_params *params)
{
	struct display_receiver *r = calloc(1, sizeof(*r));
	int ret = r ? 0 : -ENOMEM;

	if (ret == 0) {
		r->loop = loop;
		r->params = *params;
		for (unsigned i = 0; i < DISPLAY_MAX_OUTPUTS; i++)
			for (unsigned j = 0; j < 2; j++)
				r->outputs[i].buffers[j].memory.fd = -1;
		receiver_send_init(r);
		ret = loop_add(loop, &r->sock, fd, EPOLLIN, on_socket, r);
	}
	if (ret < 0) {
		close(fd);
		free(r);
		return ret;
	}
	*out = r;
	return 0;
}

void display_receiver_destroy(struct display_receiver *r)
{
	if (!r)
		return;
	disconnect(r);
	free(r);
}

void display_receiver_set_display(struct display_receiver *r, const struct display *display)
{
	r->display = *display;
}

const struct display_receiver_stats *display_receiver_stats(const struct display_receiver *r)
{
	return &r->stats;
}
