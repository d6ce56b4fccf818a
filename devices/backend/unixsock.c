/* SPDX-License-Identifier: MIT */
#include "devices/backend/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100
#define LOCK_NS 10000000

/* Whether nobody listens there any more, and nobody will. */
static bool is_stale(const struct sockaddr_un *addr)
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
static int lock_dir(const char *path)
{
	const struct timespec pause = { .tv_nsec = LOCK_NS };
	char copy[UNIXSOCK_PATH_MAX + 1];
	int fd;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int bind_at(struct unixsock *s)
{
	const struct sockaddr *addr = (struct sockaddr *)&s->addr;
	struct stat st;

	/* What bind() makes of it is the mode of the file (unix(7) leaves this out). */
	if (fchmod(s->fd, S_IRUSR | S_IWUSR) < 0)
		return -errno;
	if (bind(s->fd, addr, sizeof(s->addr)) == 0)
		return 0;
	if (errno != EADDRINUSE || lstat(s->addr.sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (!is_stale(&s->addr))
		return -EADDRINUSE;
	if (unlink(s->addr.sun_path) < 0 || bind(s->fd, addr, sizeof(s->addr)) < 0)
		return -errno;
	return 0;
}

static int listen_at(struct unixsock *s, const char *path, int type, int backlog)
{
	int lock, ret;

	*s = (struct unixsock){ .addr.sun_family = AF_UNIX };
	if (strlen(path) > UNIXSOCK_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(s->addr.sun_path, path);
	s->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	lock = lock_dir(s->addr.sun_path);
	ret = bind_at(s);
	if (ret == 0 && (lstat(s->addr.sun_path, &s->st) < 0 ||
			 listen(s->fd, backlog) < 0))
		ret = -errno;
	if (lock >= 0)
		close(lock);
	if (ret < 0)
		close(s->fd);
	return ret;
}

int unixsock_listen(struct unixsock *s, const char *path, int backlog)
{
	return listen_at(s, path, SOCK_STREAM, backlog);
}

int unixsock_listen_packets(struct unixsock *s, const char *path, int backlog)
{
	return listen_at(s, path, SOCK_SEQPACKET, backlog);
}

void unixsock_unlink(const struct unixsock *s)
{
	struct stat st;

	/* Unless it is another one by now. */
	if (lstat(s->addr.sun_path, &st) == 0 && st.st_dev == s->st.st_dev &&
	    st.st_ino == s->st.st_ino)
		unlink(s->addr.sun_path);
}

void unixsock_close(struct unixsock *s)
{
	unixsock_unlink(s);
	close(s->fd);
	s->fd = -1;
}

int unixsock_option(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno : value;
}

const char *unixsock_error(int error)
{
	switch (error) {
	case -EEXIST:
		return "there is something, but no socket";
	case -EADDRINUSE:
		return "in use by another process";
	default:
		return strerror(-error);
	}
}
