/* SPDX-License-Identifier: MIT */
/* "stdio" and "file:PATH": ends that are there from the start. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/backend/chardev_kinds.h"
#include "devices/backend/hostfd.h"
#include "devices/backend/term.h"
#include "vmm/log.h"
#include "vmm/util.h"

/*
 * Input that was read and the front end had no room for. Of a terminal all that
 * is typed, up to this much; of anything else only what a front end that offered
 * room did not take in the end.
 */
#define STREAM_HELD_MAX 4096
#define STREAM_BREAK 0x100	/* among the held bytes: a line break */

struct chardev_stream {
	struct chardev chr;
	struct loop *loop;
	struct term *term;		/* NULL: not stdio */
	struct hostfd in, out;
	struct loop_fd in_src, out_src;
	struct loop_work read_on;	/* input that epoll does not know */
	bool eof;			/* of @in */
	bool lost;			/* nobody is behind @out any more */
	uint16_t held[STREAM_HELD_MAX];
	unsigned held_head, held_len;
};

static struct chardev_stream *stream_of(struct chardev *chr)
{
	return container_of(chr, struct chardev_stream, chr);
}

/* --- input ------------------------------------------------------------------ */

static void stream_hold(struct chardev_stream *s, uint16_t what)
{
	assert(s->held_len < STREAM_HELD_MAX);
	s->held[(s->held_head + s->held_len++) % STREAM_HELD_MAX] = what;
}

static uint16_t stream_peek(const struct chardev_stream *s)
{
	return s->held[s->held_head];
}

static void stream_drop(struct chardev_stream *s)
{
	s->held_head = (s->held_head + 1) % STREAM_HELD_MAX;
	s->held_len--;
}

/* Hands over what is held, as much as the front end takes. */
static void stream_deliver(struct chardev_stream *s)
{
	const struct chardev_front_ops *front = s->chr.front;
	uint8_t run[256];
	size_t room, n;

	while (front && s->held_len && (room = front->room(s->chr.front_ctx)) > 0) {
		room = MIN(room, sizeof(run));
		for (n = 0; n < room && s->held_len && stream_peek(s) != STREAM_BREAK; n++) {
			run[n] = stream_peek(s);
			stream_drop(s);
		}
		if (n) {
			front->input(s->chr.front_ctx, run, n);
			continue;
		}
		stream_drop(s);
		if (front->brk)
			front->brk(s->chr.front_ctx);
	}
}

/* How much may be read now. */
static size_t stream_appetite(const struct chardev_stream *s)
{
	const struct chardev_front_ops *front = s->chr.front;

	if (!front || s->eof)
		return 0;
	if (s->term && term_has_keys(s->term))
		return term_may_read(s->term) ? STREAM_HELD_MAX - s->held_len : 0;
	return s->held_len ? 0 : MIN(front->room(s->chr.front_ctx), (size_t)STREAM_HELD_MAX);
}

static void stream_readable(void *arg, uint32_t events);

/*
 * Watches the input only while something may be read: a hung-up pipe wakes
 * whoever watches it, again and again.
 */
static void stream_watch_input(struct chardev_stream *s)
{
	bool want = stream_appetite(s) > 0;

	if (!want) {
		loop_remove(s->loop, &s->in_src);
		return;
	}
	if (s->in_src.added)
		return;
	if (s->in.how != HOSTFD_DIRECT &&
	    loop_add(s->loop, &s->in_src, s->in.fd, EPOLLIN, stream_readable, s) < 0)
		s->in.how = HOSTFD_DIRECT;	/* such as /dev/null */
	if (s->in.how == HOSTFD_DIRECT)
		loop_post(s->loop, &s->read_on);
}

static void stream_take(struct chardev_stream *s, uint8_t byte)
{
	enum term_act act = s->term ? term_filter(s->term, byte) : TERM_PASS;

	if (act == TERM_PASS)
		stream_hold(s, byte);
	else if (act == TERM_BREAK)
		stream_hold(s, STREAM_BREAK);
}

static void stream_read(void *arg)
{
	struct chardev_stream *s = arg;
	uint8_t buf[1024];
	size_t max = MIN(stream_appetite(s), sizeof(buf));
	ssize_t n = max ? hostfd_read(&s->in, buf, max) : -EAGAIN;

	for (ssize_t i = 0; i < n; i++)
		stream_take(s, buf[i]);
	/* EIO is a terminal that has hung up; any other error ends input just as well. */
	if (n == 0 || (n < 0 && n != -EAGAIN))
		s->eof = true;
	stream_deliver(s);
	stream_watch_input(s);
}

static void stream_readable(void *arg, uint32_t events)
{
	stream_read(arg);
}

static void stream_kick_input(struct chardev *chr)
{
	stream_deliver(stream_of(chr));
	stream_watch_input(stream_of(chr));
}

/* The terminal's window, or whether it is ours to read, has changed. */
static void stream_term_changed(void *arg)
{
	struct chardev_stream *s = arg;

	stream_watch_input(s);
	if (s->chr.front && s->chr.front->resized)
		s->chr.front->resized(s->chr.front_ctx);
}

/* --- output ----------------------------------------------------------------- */

static void stream_writable(void *arg, uint32_t events)
{
	struct chardev_stream *s = arg;

	loop_remove(s->loop, &s->out_src);
	if (s->chr.front)
		s->chr.front->drained(s->chr.front_ctx);
}

static void stream_lose_output(struct chardev_stream *s, int err)
{
	s->lost = true;
	loop_remove(s->loop, &s->out_src);
	log_warn("a console's output goes nowhere from here on: %s", strerror(-err));
}

/* After a short write. */
static void stream_watch_output(struct chardev_stream *s)
{
	int ret;

	if (s->out_src.added)
		return;
	ret = loop_add(s->loop, &s->out_src, s->out.fd, EPOLLOUT, stream_writable, s);
	if (ret < 0)
		stream_lose_output(s, ret);
}

static size_t stream_write(struct chardev *chr, const void *data, size_t len)
{
	struct chardev_stream *s = stream_of(chr);
	size_t done = 0;

	while (done < len && !s->lost) {
		ssize_t n = hostfd_write(&s->out, (const uint8_t *)data + done, len - done);

		if (n >= 0)
			done += n;
		else if (n != -EAGAIN)
			stream_lose_output(s, n);
		else
			break;
	}
	if (done < len && !s->lost)
		stream_watch_output(s);
	return s->lost ? len : done;
}

static void stream_wait(struct chardev *chr, int timeout_ms)
{
	struct pollfd p = { .fd = stream_of(chr)->out.fd, .events = POLLOUT };

	poll(&p, 1, timeout_ms);
}

/* --- life -------------------------------------------------------------------- */

static int stream_size(struct chardev *chr, unsigned *cols, unsigned *rows)
{
	struct chardev_stream *s = stream_of(chr);

	return s->term ? term_size(s->term, cols, rows) : -ENOTTY;
}

static void stream_attached(struct chardev *chr)
{
	struct chardev_stream *s = stream_of(chr);

	if (s->term && chr->front)
		term_begin(s->term);
	stream_deliver(s);
	stream_watch_input(s);
}

static void stream_close(struct chardev *chr)
{
	struct chardev_stream *s = stream_of(chr);

	loop_remove(s->loop, &s->in_src);
	loop_remove(s->loop, &s->out_src);
	loop_cancel(s->loop, &s->read_on);
	hostfd_close(&s->in);
	hostfd_close(&s->out);
	if (s->term)
		term_release(s->term);
	free(s);
}

static const struct chardev_ops stream_ops = {
	.attached = stream_attached,
	.write = stream_write,
	.kick_input = stream_kick_input,
	.wait = stream_wait,
	.size = stream_size,
	.close = stream_close,
};

static struct chardev_stream *stream_new(struct loop *loop)
{
	struct chardev_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->chr.ops = &stream_ops;
	s->loop = loop;
	s->read_on = (struct loop_work){ .cb = stream_read, .arg = s };
	return s;
}

int chardev_stdio_open(struct chardev **out, const char *path, struct loop *loop,
		       struct term *term)
{
	struct chardev_stream *s = stream_new(loop);
	int ret;

	if (!s)
		return -ENOMEM;
	ret = term_claim(term, stream_term_changed, s);
	if (ret < 0) {
		log_error("stdio is in use already: only one console can have it");
		free(s);
		return ret;
	}
	s->term = term;
	hostfd_open_inherited(&s->in, term_input_fd(term), O_RDONLY);
	hostfd_open_inherited(&s->out, term_output_fd(term), O_WRONLY);
	s->eof = s->in.how == HOSTFD_NONE;
	s->lost = s->out.how == HOSTFD_NONE;
	*out = &s->chr;
	return 0;
}

int chardev_file_open(struct chardev **out, const char *path, struct loop *loop,
		      struct term *term)
{
	struct chardev_stream *s = stream_new(loop);
	int ret;

	if (!s)
		return -ENOMEM;
	ret = hostfd_open_output(&s->out, path);
	if (ret < 0) {
		log_error("%s: %s", path, strerror(-ret));
		free(s);
		return ret;
	}
	s->eof = true;
	*out = &s->chr;
	return 0;
}
