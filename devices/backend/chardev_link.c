/* SPDX-License-Identifier: MIT */
#include "devices/backend/chardev_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "vmm/log.h"

#define LINK_READ_MAX 4096

/* --- states ------------------------------------------------------------------ */

/* Later, since a state may change in the middle of a front end's own call. */
static void link_tell(void *arg)
{
	struct chardev_link *l = arg;
	const struct chardev_front_ops *front = l->chr.front;

	if (!front)
		return;
	if (l->full && l->state != LINK_ON) {
		l->full = false;
		front->drained(l->chr.front_ctx);
	}
	if (front->connected)
		front->connected(l->chr.front_ctx);
}

static void link_set_state(struct chardev_link *l, enum link_state state)
{
	l->state = state;
	if (state != LINK_ON)
		loop_remove(l->loop, &l->src);
	loop_post(l->loop, &l->tell);
	l->changed(l);
}

void link_begin(struct chardev_link *l)
{
	l->eof = false;
	link_set_state(l, LINK_ON);
	link_watch(l);
}

void link_hang_up(struct chardev_link *l)
{
	if (l->state != LINK_ON)
		return;
	link_set_state(l, LINK_LEAVING);
	link_watch(l);
}

void link_drop(struct chardev_link *l)
{
	if (l->state != LINK_OFF)
		link_set_state(l, LINK_OFF);
}

/* --- input ------------------------------------------------------------------- */

/* How much may be read now. */
static size_t link_appetite(const struct chardev_link *l)
{
	const struct chardev_front_ops *front = l->chr.front;

	if (!front || l->state == LINK_OFF || l->eof)
		return 0;
	return MIN(front->room(l->chr.front_ctx), (size_t)LINK_READ_MAX);
}

static void link_read(void *arg)
{
	struct chardev_link *l = arg;
	uint8_t buf[LINK_READ_MAX];
	size_t max = link_appetite(l);
	ssize_t n = max ? hostfd_read(&l->fd, buf, max) : -EAGAIN;

	if (n > 0)
		l->chr.front->input(l->chr.front_ctx, buf, n);
	else if (n != -EAGAIN)
		l->eof = true;
	/* A terminal says by EIO, a socket by ECONNRESET, what epoll says by EPOLLHUP. */
	if (n < 0 && n != -EAGAIN)
		link_hang_up(l);
	if (l->state == LINK_LEAVING && (l->eof || (max && n == -EAGAIN)))
		link_set_state(l, LINK_OFF);
	link_watch(l);
}

void link_kick_input(struct chardev *chr)
{
	link_watch(link_of(chr));
}

/* --- output ------------------------------------------------------------------ */

size_t link_write(struct chardev *chr, const void *data, size_t len)
{
	struct chardev_link *l = link_of(chr);
	size_t done = 0;

	while (done < len && l->state == LINK_ON) {
		ssize_t n = hostfd_write(&l->fd, (const uint8_t *)data + done, len - done);

		if (n > 0)
			done += n;
		else if (n == 0 || n == -EAGAIN)
			break;
		else
			link_hang_up(l);
	}
	if (l->state != LINK_ON)
		return len;
	if (done < len) {
		l->full = true;
		link_watch(l);
	}
	return done;
}

void link_wait(struct chardev *chr, int timeout_ms)
{
	struct chardev_link *l = link_of(chr);
	struct pollfd p = { .fd = l->fd.fd, .events = POLLOUT };

	if (poll(&p, 1, timeout_ms) > 0 && p.revents & (POLLHUP | POLLERR))
		link_hang_up(l);
}

/* --- both -------------------------------------------------------------------- */

static void link_ready(void *arg, uint32_t events)
{
	struct chardev_link *l = arg;

	if (events & EPOLLIN)
		link_read(l);
	if (events & EPOLLOUT && l->state == LINK_ON && l->full) {
		l->full = false;
		l->chr.front->drained(l->chr.front_ctx);
	}
	if (events & (EPOLLHUP | EPOLLERR))
		link_hang_up(l);
	link_watch(l);
}

static void link_watch_for(struct chardev_link *l, uint32_t events)
{
	int ret = 0;

	if (!l->src.added)
		ret = loop_add(l->loop, &l->src, l->fd.fd, events, link_ready, l);
	else if (events != l->events)
		ret = loop_modify(l->loop, &l->src, events);
	l->events = events;
	if (ret < 0) {
		log_error("epoll_ctl: %s", strerror(-ret));
		link_hang_up(l);
	}
}

void link_watch(struct chardev_link *l)
{
	bool wants_input = link_appetite(l) > 0;

	if (l->state == LINK_LEAVING && (wants_input || l->eof))
		loop_post(l->loop, &l->read_on);
	if (l->state == LINK_ON && l->chr.front)
		/* For nothing at all too: a hang-up is told then as well. */
		link_watch_for(l, (wants_input ? EPOLLIN : 0) | (l->full ? EPOLLOUT : 0));
	else
		loop_remove(l->loop, &l->src);
}

bool link_connected(struct chardev *chr)
{
	return link_of(chr)->state == LINK_ON;
}

/* --- life -------------------------------------------------------------------- */

void link_init(struct chardev_link *l, struct loop *loop, const struct chardev_ops *ops,
	       void (*changed)(struct chardev_link *l))
{
	*l = (struct chardev_link){
		.chr.ops = ops,
		.loop = loop,
		.fd.fd = -1,
		.changed = changed,
		.read_on = { .cb = link_read, .arg = l },
		.tell = { .cb = link_tell, .arg = l },
	};
}

void link_finish(struct chardev_link *l)
{
	loop_remove(l->loop, &l->src);
	loop_cancel(l->loop, &l->read_on);
	loop_cancel(l->loop, &l->tell);
	hostfd_close(&l->fd);
}
