/* SPDX-License-Identifier: MIT */
/*
 * "unix:PATH": a socket at which one client at a time is served. Another one
 * waits until it leaves, and then takes its place even if the front end has not
 * read all that the first has sent.
 */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/chardev_kinds.h"
#include "devices/backend/chardev_link.h"
#include "vmm/log.h"

#define UNIX_BACKLOG 4
#define UNIX_RETRY_NS 1000000000ull	/* after an accept() for which the host lacked something */
#define UNIX_LOCK_TRIES 100
#define UNIX_LOCK_NS 10000000

struct chardev_unix {
	struct chardev_link link;
	int listener;
	struct loop_fd src;
	struct loop_timer retry;
	struct sockaddr_un addr;
	struct stat st;		/* of our socket in the file system */
};

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == CHARDEV_UNIX_PATH_MAX + 1,
	       "with a terminating zero");

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
	ret = loop_add(u->link.loop, &u->src, u->listener, EPOLLIN, unix_client, u);
	if (ret < 0)
		log_error("%s: cannot be watched: %s", u->addr.sun_path, strerror(-ret));
}

static void unix_retry(void *arg)
{
	unix_watch(arg);
}

static void unix_client(void *arg, uint32_t events)
{
	struct chardev_unix *u = arg;
	int fd = accept4(u->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		/* Such as EMFILE: the client stays in the queue, and so would its event. */
		log_warn("%s: accept: %m", u->addr.sun_path);
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

/* --- the socket's file ------------------------------------------------------- */

/* Whether nobody listens there any more, and nobody will. */
static bool unix_is_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/*
 * Against somebody who starts at the same time: between its bind() and its
 * listen(), and between our question and our unlink(). Whoever holds the lock
 * for no good reason delays us, no more. The descriptor; -1: without a lock.
 */
static int unix_lock_dir(const char *path)
{
	const struct timespec pause = { .tv_nsec = UNIX_LOCK_NS };
	char copy[CHARDEV_UNIX_PATH_MAX + 1];
	int fd;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < UNIX_LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int unix_bind(struct chardev_unix *u)
{
	const struct sockaddr *addr = (struct sockaddr *)&u->addr;
	struct stat st;

	/* What bind() makes of it is the mode of the file (unix(7) leaves this out). */
	if (fchmod(u->listener, S_IRUSR | S_IWUSR) < 0)
		return -errno;
	if (bind(u->listener, addr, sizeof(u->addr)) == 0)
		return 0;
	if (errno != EADDRINUSE || lstat(u->addr.sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (!unix_is_stale(&u->addr))
		return -EADDRINUSE;
	if (unlink(u->addr.sun_path) < 0 || bind(u->listener, addr, sizeof(u->addr)) < 0)
		return -errno;
	return 0;
}

static int unix_listen(struct chardev_unix *u)
{
	int lock, ret;

	u->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->listener < 0)
		return -errno;
	lock = unix_lock_dir(u->addr.sun_path);
	ret = unix_bind(u);
	if (ret == 0 && (lstat(u->addr.sun_path, &u->st) < 0 ||
			 listen(u->listener, UNIX_BACKLOG) < 0))
		ret = -errno;
	if (lock >= 0)
		close(lock);
	return ret;
}

/* Unless it is another one by now. */
static void unix_unlink(const struct chardev_unix *u)
{
	struct stat st;

	if (lstat(u->addr.sun_path, &st) == 0 && st.st_dev == u->st.st_dev &&
	    st.st_ino == u->st.st_ino)
		unlink(u->addr.sun_path);
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
	unix_unlink(u);
	close(u->listener);
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

static const char *unix_error(int err)
{
	switch (err) {
	case -EEXIST:
		return "there is something, but no socket";
	case -EADDRINUSE:
		return "in use by another process";
	default:
		return strerror(-err);
	}
}

int chardev_unix_open(struct chardev **out, const char *path, struct loop *loop,
		      struct term *term)
{
	struct chardev_unix *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return -ENOMEM;
	link_init(&u->link, loop, &unix_ops, unix_changed);
	u->retry = (struct loop_timer){ .cb = unix_retry, .arg = u };
	u->addr.sun_family = AF_UNIX;
	strcpy(u->addr.sun_path, path);
	ret = unix_listen(u);
	if (ret < 0) {
		log_error("%s: %s", path, unix_error(ret));
		if (u->listener >= 0)
			close(u->listener);
		free(u);
		return ret;
	}
	*out = &u->link.chr;
	return 0;
}
