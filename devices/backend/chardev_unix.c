/* SPDX-License-Identifier: MIT */
/*
 * "unix:PATH": a socket at which one client at a time is served. Another one
 * waits until it leaves, and then takes its place even if the front end has not
 * read all that the first has sent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "devices/backend/chardev_kinds.h"
#include "devices/backend/chardev_link.h"
#include "devices/backend/unixsock.h"
#include "vmm/log.h"

#define UNIX_BACKLOG 4
#define UNIX_RETRY_NS 1000000000ull	/* after an accept() for which the host lacked something */

struct chardev_unix {
	struct chardev_link link;
	struct unixsock sock;
	struct loop_fd src;
	struct loop_timer retry;
};

_Static_assert(CHARDEV_UNIX_PATH_MAX == UNIXSOCK_PATH_MAX, "what was checked fits");

static struct chardev_unix *unix_of(struct chardev_link *l)
{
	return container_of(l, struct chardev_unix, link);
}

/* --- clients ----------------------------------------------------------------- */

static void unix_client(void *arg, uint32_t events);

static void unix_watch(struct chardev_unix *u)
{
	bool want = u->link.chr.front && u->link.state != LINK_ON && !u->retry.armed;
	int ret;

	if (!want)
		loop_remove(u->link.loop, &u->src);
	if (!want || u->src.added)
		return;
	ret = loop_add(u->link.loop, &u->src, u->sock.fd, EPOLLIN, unix_client, u);
	if (ret < 0)
		log_error("%s: cannot be watched: %s", u->sock.addr.sun_path, strerror(-ret));
}

static void unix_retry(void *arg)
{
	unix_watch(arg);
}

static void unix_client(void *arg, uint32_t events)
{
	struct chardev_unix *u = arg;
	int fd = accept4(u->sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		/* Such as EMFILE: the client stays in the queue, and so would its event. */
		log_warn("%s: accept: %m", u->sock.addr.sun_path);
		loop_timer_arm(u->link.loop, &u->retry, UNIX_RETRY_NS);
		unix_watch(u);
		return;
	}
	link_drop(&u->link);
	u->link.fd = (struct hostfd){ .fd = fd, .how = HOSTFD_SOCKET, .owned = true };
	link_begin(&u->link);
}

static void unix_changed(struct chardev_link *l)
{
	if (l->state == LINK_OFF)
		hostfd_close(&l->fd);
	unix_watch(unix_of(l));
}

/* --- life -------------------------------------------------------------------- */

static void unix_attached(struct chardev *chr)
{
	struct chardev_link *l = link_of(chr);

	unix_watch(unix_of(l));
	link_watch(l);
}

static void unix_close(struct chardev *chr)
{
	struct chardev_unix *u = unix_of(link_of(chr));

	loop_remove(u->link.loop, &u->src);
	loop_timer_disarm(u->link.loop, &u->retry);
	link_finish(&u->link);
	unixsock_close(&u->sock);
	free(u);
}

static const struct chardev_ops unix_ops = {
	.attached = unix_attached,
	.write = link_write,
	.kick_input = link_kick_input,
	.wait = link_wait,
	.connected = link_connected,
	.close = unix_close,
};

int chardev_unix_open(struct chardev **out, const char *path, struct loop *loop,
		      struct term *term)
{
	struct chardev_unix *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return -ENOMEM;
	link_init(&u->link, loop, &unix_ops, unix_changed);
	u->retry = (struct loop_timer){ .cb = unix_retry, .arg = u };
	ret = unixsock_listen(&u->sock, path, UNIX_BACKLOG);
	if (ret < 0) {
		log_error("%s: %s", path, unixsock_error(ret));
		free(u);
		return ret;
	}
	*out = &u->link.chr;
	return 0;
}
