/* SPDX-License-Identifier: MIT */
/*
 * "pty", "pty:LINK": a terminal that a program of the host can open, as it
 * would a serial port; LINK is a symbolic link to it. With the program's end
 * closed the terminal is hung up, which poll() tells at any time; that it was
 * opened is told by inotify alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "devices/backend/chardev_kinds.h"
#include "devices/backend/chardev_link.h"
#include "vmm/log.h"

struct chardev_pty {
	struct chardev_link link;	/* its descriptor is the master */
	char name[64];		/* the end for others */
	char *alias;		/* NULL: none */
	int inotify;
	struct loop_fd opens;
};

static struct chardev_pty *pty_of(struct chardev_link *l)
{
	return container_of(l, struct chardev_pty, link);
}

static int pty_open_other_end(const struct chardev_pty *p)
{
	return open(p->name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* --- who comes and goes ------------------------------------------------------ */

static void pty_look(struct chardev_pty *p)
{
	struct chardev_link *l = &p->link;
	struct pollfd fd = { .fd = l->fd.fd, .events = POLLIN };
	short events = poll(&fd, 1, 0) > 0 ? fd.revents : 0;

	if (!(events & POLLHUP)) {
		if (l->state != LINK_ON)
			link_begin(l);
		return;
	}
	/* Came, wrote and left before we looked. */
	if (l->state == LINK_OFF && events & POLLIN)
		link_begin(l);
	link_hang_up(l);
}

static void pty_opened(void *arg, uint32_t events)
{
	struct chardev_pty *p = arg;
	char buf[4096];

	/* What it was does not matter, only how it is now. */
	while (read(p->inotify, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
	pty_look(p);
}

/* What one did not read is not for the next. */
static void pty_flush(struct chardev_pty *p)
{
	int fd = pty_open_other_end(p);

	if (fd < 0)
		return;
	tcflush(fd, TCIFLUSH);
	close(fd);
}

static void pty_changed(struct chardev_link *l)
{
	if (l->state == LINK_LEAVING)
		pty_flush(pty_of(l));
}

static void pty_attached(struct chardev *chr)
{
	struct chardev_link *l = link_of(chr);
	struct chardev_pty *p = pty_of(l);

	if (!chr->front)
		loop_remove(l->loop, &p->opens);
	else if (!p->opens.added &&
		 loop_add(l->loop, &p->opens, p->inotify, EPOLLIN, pty_opened, p) < 0)
		log_error("%s: cannot be watched", p->name);
	if (chr->front)
		pty_look(p);
	link_watch(l);
}

/* --- the link to it ---------------------------------------------------------- */

static int pty_link(struct chardev_pty *p, const char *path)
{
	struct stat st;

	/* One that leads nowhere is what somebody left who could not clean up. */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && stat(path, &st) < 0 &&
	    errno == ENOENT && unlink(path) < 0)
		return -errno;
	if (symlink(p->name, path) < 0)
		return -errno;
	p->alias = strdup(path);
	if (!p->alias) {
		unlink(path);
		return -ENOMEM;
	}
	return 0;
}

/* Unless it is another one by now. */
static void pty_unlink(struct chardev_pty *p)
{
	char target[sizeof(p->name)];
	ssize_t n = p->alias ? readlink(p->alias, target, sizeof(target)) : -1;

	if (n == (ssize_t)strlen(p->name) && !memcmp(target, p->name, n))
		unlink(p->alias);
	free(p->alias);
}

/* --- life -------------------------------------------------------------------- */

static void pty_close(struct chardev *chr)
{
	struct chardev_pty *p = pty_of(link_of(chr));

	loop_remove(p->link.loop, &p->opens);
	pty_unlink(p);
	link_finish(&p->link);
	if (p->inotify >= 0)
		close(p->inotify);
	free(p);
}

static const struct chardev_ops pty_ops = {
	.attached = pty_attached,
	.write = link_write,
	.kick_input = link_kick_input,
	.wait = link_wait,
	.connected = link_connected,
	.close = pty_close,
};

/* Bytes as they are; and opened and closed once, the terminal counts as hung up. */
static int pty_prepare(struct chardev_pty *p)
{
	struct termios t;
	int fd = pty_open_other_end(p), ret;

	if (fd < 0)
		return -errno;
	ret = tcgetattr(fd, &t);
	cfmakeraw(&t);
	if (ret == 0)
		ret = tcsetattr(fd, TCSANOW, &t);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int pty_make(struct chardev_pty *p)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	p->link.fd = (struct hostfd){ .fd = fd, .how = HOSTFD_OWN, .owned = true };
	if (grantpt(fd) < 0 || unlockpt(fd) < 0)
		return -errno;
	ret = ptsname_r(fd, p->name, sizeof(p->name));
	if (ret)
		return -ret;
	ret = pty_prepare(p);
	if (ret < 0)
		return ret;
	p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->inotify < 0 || inotify_add_watch(p->inotify, p->name, IN_OPEN | IN_CLOSE) < 0)
		return -errno;
	return 0;
}

int chardev_pty_open(struct chardev **out, const char *path, struct loop *loop,
		     struct term *term)
{
	struct chardev_pty *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return -ENOMEM;
	link_init(&p->link, loop, &pty_ops, pty_changed);
	p->inotify = -1;
	ret = pty_make(p);
	if (ret < 0) {
		log_error("no new terminal: %s", strerror(-ret));
	} else if (path) {
		ret = pty_link(p, path);
		if (ret < 0)
			log_error("%s: %s", path, strerror(-ret));
	}
	if (ret < 0) {
		pty_close(&p->link.chr);
		return ret;
	}
	/* No warning, but it has to be seen. */
	log_warn("pty%s%s is %s", path ? ":" : "", path ? path : "", p->name);
	*out = &p->link.chr;
	return 0;
}
