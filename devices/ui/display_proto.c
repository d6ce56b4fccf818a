/* SPDX-License-Identifier: MIT */
#include "devices/ui/display_proto.h"

#include <assert.h>
#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <linux/input.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/ui/input.h"
#include "devices/ui/surface.h"
#include "vmm/util.h"

/* --- by type -------------------------------------------------------------------- */

static bool size_valid(uint32_t width, uint32_t height)
{
	return width >= 1 && width <= DISPLAY_MAX_SIZE && height >= 1 &&
	       height <= DISPLAY_MAX_SIZE;
}

static bool size_or_none(uint32_t width, uint32_t height)
{
	return (!width && !height) || size_valid(width, height);
}

static bool hello_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_hello *h = &m->hello;
	const uint32_t flags = DISPLAY_HELLO_DMABUF | DISPLAY_HELLO_CONTROL;

	if (h->magic != DISPLAY_PROTO_MAGIC || h->version != DISPLAY_PROTO_VERSION ||
	    !memchr(h->name, 0, sizeof(h->name)))
		return false;
	if (from == DISPLAY_VIEWER)
		return !(h->flags & ~flags) && !h->n_outputs && !h->inputs && !h->width &&
		       !h->height && !*h->name;
	return !(h->flags & ~DISPLAY_HELLO_DMABUF) && h->n_outputs >= 1 &&
	       h->n_outputs <= DISPLAY_MAX_OUTPUTS && h->inputs < BIT(INPUT_HOST) &&
	       size_or_none(h->width, h->height);
}

static bool output_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_output *o = &m->output;

	return o->plugged <= 1 && size_or_none(o->width, o->height);
}

static bool planes_valid(const struct display_msg_scanout *s)
{
	for (unsigned i = 0; i < DISPLAY_MAX_PLANES; i++) {
		if (i >= s->n_planes && (s->offsets[i] || s->strides[i]))
			return false;
		if (i < s->n_planes && (!s->strides[i] || s->strides[i] > INT32_MAX))
			return false;
	}
	return true;
}

static bool memory_valid(const struct display_msg_scanout *s)
{
	return s->n_planes == 1 && !s->flags && !s->x && !s->y && s->buffer_width == s->width &&
	       s->buffer_height == s->height && !s->modifier &&
	       s->strides[0] >= 4ull * s->width;
}

static bool dmabuf_valid(const struct display_msg_scanout *s)
{
	for (unsigned i = 0; i < s->n_planes; i++)
		if (s->offsets[i] > UINT32_MAX)
			return false;
	return !(s->flags & ~DISPLAY_SCANOUT_FLIPPED) &&
	       size_valid(s->buffer_width, s->buffer_height) &&
	       range_fits(s->x, s->width, s->buffer_width) &&
	       range_fits(s->y, s->height, s->buffer_height);
}

static bool scanout_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_scanout *s = &m->scanout;

	if (!size_valid(s->width, s->height) || !surface_format_valid(s->fourcc) ||
	    !s->n_planes || s->n_planes > DISPLAY_MAX_PLANES || !planes_valid(s))
		return false;
	if (s->kind == DISPLAY_SCANOUT_MEMORY)
		return memory_valid(s);
	return s->kind == DISPLAY_SCANOUT_DMABUF && dmabuf_valid(s);
}

static bool flush_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_flush *f = &m->flush;

	return f->width && f->height && range_fits(f->x, f->width, DISPLAY_MAX_SIZE) &&
	       range_fits(f->y, f->height, DISPLAY_MAX_SIZE);
}

static bool cursor_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_cursor *c = &m->cursor;

	if (!c->width || !c->height)
		return !c->width && !c->height && !c->hot_x && !c->hot_y;
	return c->width <= DISPLAY_MAX_CURSOR && c->height <= DISPLAY_MAX_CURSOR &&
	       c->hot_x < c->width && c->hot_y < c->height;
}

static bool control_valid(const union display_msg *m, enum display_end from)
{
	return m->control.on <= 1 && !m->head.output;
}

static bool event_valid(const struct display_msg_event *e, enum display_end from)
{
	switch (e->type) {
	case EV_SYN:
		return e->code == SYN_REPORT && !e->value;
	case EV_KEY:
		return from == DISPLAY_VIEWER && e->code < KEY_CNT && (e->value & ~1) == 0;
	case EV_REL:
		return from == DISPLAY_VIEWER && e->code < REL_CNT;
	case EV_ABS:
		return from == DISPLAY_VIEWER && e->code < ABS_CNT;
	case EV_LED:
		return from == DISPLAY_SOURCE && e->code < LED_CNT && (e->value & ~1) == 0;
	default:
		return false;
	}
}

static bool input_valid(const union display_msg *m, enum display_end from)
{
	const struct display_msg_input *in = &m->input;

	if (in->head.output || in->kind >= INPUT_HOST || !in->n ||
	    in->n > DISPLAY_PROTO_MAX_EVENTS || in->events[in->n - 1].type != EV_SYN)
		return false;
	for (unsigned i = 0; i < in->n; i++)
		if (!event_valid(&in->events[i], from))
			return false;
	return from == DISPLAY_VIEWER || in->kind == INPUT_KEYBOARD;
}

static bool configure_valid(const union display_msg *m, enum display_end from)
{
	return m->configure.width <= DISPLAY_MAX_SIZE && m->configure.height <= DISPLAY_MAX_SIZE;
}

static bool plug_valid(const union display_msg *m, enum display_end from)
{
	return m->plug.on <= 1;
}

static bool no_dmabuf_valid(const union display_msg *m, enum display_end from)
{
	return !m->head.output;
}

/* --- the table ------------------------------------------------------------------ */

#define SOURCE BIT(DISPLAY_SOURCE)
#define VIEWER BIT(DISPLAY_VIEWER)

static const struct {
	unsigned from;
	size_t len;		/* the least; a message that varies is longer */
	bool (*valid)(const union display_msg *m, enum display_end from);	/* NULL: it is */
} types[DISPLAY_MSG_TYPES] = {
	[DISPLAY_MSG_HELLO] = { SOURCE | VIEWER, sizeof(struct display_msg_hello), hello_valid },
	[DISPLAY_MSG_OUTPUT] = { SOURCE, sizeof(struct display_msg_output), output_valid },
	[DISPLAY_MSG_SCANOUT] = { SOURCE, sizeof(struct display_msg_scanout), scanout_valid },
	[DISPLAY_MSG_FLUSH] = { SOURCE, sizeof(struct display_msg_flush), flush_valid },
	[DISPLAY_MSG_OFF] = { SOURCE, sizeof(struct display_msg_head), NULL },
	[DISPLAY_MSG_CURSOR] = { SOURCE, offsetof(struct display_msg_cursor, pixels),
				 cursor_valid },
	[DISPLAY_MSG_CURSOR_MOVE] = { SOURCE, sizeof(struct display_msg_cursor_move), NULL },
	[DISPLAY_MSG_CONTROL] = { SOURCE | VIEWER, sizeof(struct display_msg_control),
				  control_valid },
	[DISPLAY_MSG_INPUT] = { SOURCE | VIEWER, offsetof(struct display_msg_input, events),
				input_valid },
	[DISPLAY_MSG_FRAME_DONE] = { VIEWER, sizeof(struct display_msg_frame_done), NULL },
	[DISPLAY_MSG_CONFIGURE] = { VIEWER, sizeof(struct display_msg_configure),
				    configure_valid },
	[DISPLAY_MSG_PLUG] = { VIEWER, sizeof(struct display_msg_plug), plug_valid },
	[DISPLAY_MSG_CLOSE] = { SOURCE | VIEWER, sizeof(struct display_msg_head), NULL },
	[DISPLAY_MSG_NO_DMABUF] = { VIEWER, sizeof(struct display_msg_head), no_dmabuf_valid },
};

/* What a message says of itself is in no range yet: this may wrap, for one that is not valid. */
static uint64_t said_len(const union display_msg *m)
{
	uint64_t len = types[m->head.type].len;

	if (m->head.type == DISPLAY_MSG_CURSOR)
		len += 4ull * m->cursor.width * m->cursor.height;
	if (m->head.type == DISPLAY_MSG_INPUT)
		len += (uint64_t)sizeof(struct display_msg_event) * m->input.n;
	return len;
}

size_t display_msg_len(const union display_msg *m)
{
	return said_len(m);
}

union display_msg display_msg_memory(unsigned output, const struct display_surface *s,
				     uint64_t offset, uint32_t stride)
{
	return (union display_msg){ .scanout = {
		.head = { DISPLAY_MSG_SCANOUT, output },
		.kind = DISPLAY_SCANOUT_MEMORY,
		.fourcc = s->fourcc,
		.n_planes = 1,
		.width = s->width,
		.height = s->height,
		.buffer_width = s->width,
		.buffer_height = s->height,
		.modifier = DRM_FORMAT_MOD_LINEAR,
		.offsets[0] = offset,
		.strides[0] = stride,
	} };
}

static unsigned said_fds(const union display_msg *m)
{
	if (m->head.type != DISPLAY_MSG_SCANOUT)
		return 0;
	return m->scanout.n_planes;
}

bool display_msg_valid(const union display_msg *m, size_t len, unsigned n_fds,
		       enum display_end from)
{
	uint32_t type = len < sizeof(m->head) ? 0 : m->head.type;

	if (!type || type >= DISPLAY_MSG_TYPES || !(types[type].from & BIT(from)) ||
	    m->head.output >= DISPLAY_MAX_OUTPUTS || len < types[type].len ||
	    len != said_len(m) || n_fds != said_fds(m))
		return false;
	return !types[type].valid || types[type].valid(m, from);
}

/* --- packets -------------------------------------------------------------------- */

/* Room for so many descriptors and not for one more: the kernel closes those. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(DISPLAY_PROTO_MAX_FDS * sizeof(int))];
};
_Static_assert(sizeof(union control) == CMSG_LEN(DISPLAY_PROTO_MAX_FDS * sizeof(int)),
	       "padding has room for descriptors");

void display_packet_drop(struct display_packet *p)
{
	while (p->n_fds)
		close(p->fds[--p->n_fds]);
}

static void take_fds(struct display_packet *p, struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	p->n_fds = 0;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len < CMSG_LEN(0))
		return;
	p->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	assert(p->n_fds <= DISPLAY_PROTO_MAX_FDS);
	memcpy(p->fds, CMSG_DATA(c), p->n_fds * sizeof(int));
}

int display_proto_recv(int sock, struct display_packet *p, enum display_end from)
{
	union control control;
	struct iovec iov = { .iov_base = &p->msg, .iov_len = sizeof(p->msg) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	p->n_fds = 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ECONNRESET;
	take_fds(p, &m);
	/* The end of a connection and an empty packet look the same. */
	if (n > 0 && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    display_msg_valid(&p->msg, n, p->n_fds, from))
		return 0;
	display_packet_drop(p);
	return n == 0 ? -ECONNRESET : -EPROTO;
}

int display_proto_send(int sock, const union display_msg *m, const int *fds, unsigned n_fds)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = (void *)m, .iov_len = display_msg_len(m) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(n_fds <= DISPLAY_PROTO_MAX_FDS);
	if (n_fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n_fds * sizeof(int));
	}
	if (sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* Too many descriptors in flight: they are on their way to somebody who does not read. */
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS)
		return -EAGAIN;
	return -errno;
}
