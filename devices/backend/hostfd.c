/* SPDX-License-Identifier: MIT */
#include "devices/backend/hostfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A terminal counts as writable while it has room for this much (tty(4), WAKEUP_CHARS). */
#define HOSTFD_SHARED_CHUNK 256

static bool hostfd_is_pty_master(int fd)
{
	unsigned n;

	return ioctl(fd, TIOCGPTN, &n) == 0;
}

/* Opening a pipe's or terminal's entry gives an open file of its own to the same thing. */
static int hostfd_reopen(int fd, int flags)
{
	char path[32];

	/* Whereas opening a master makes a new terminal. */
	if (hostfd_is_pty_master(fd))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void hostfd_open_inherited(struct hostfd *h, int fd, int flags)
{
	struct stat st;

	*h = (struct hostfd){ .fd = fd };
	if (fstat(fd, &st) < 0) {
		h->how = HOSTFD_NONE;
	} else if (S_ISSOCK(st.st_mode)) {
		h->how = HOSTFD_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		int own = hostfd_reopen(fd, flags);

		h->owned = own >= 0;
		h->how = h->owned ? HOSTFD_OWN : HOSTFD_SHARED;
		h->fd = h->owned ? own : fd;
	} else {
		/* Opened anew it would lose its offset, which "2>&1" shares with us. */
		h->how = HOSTFD_DIRECT;
	}
}

int hostfd_open_output(struct hostfd *h, const char *path)
{
	/* O_NONBLOCK for a FIFO: without a reader it is an error, not a wait. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*h = (struct hostfd){
		.fd = fd,
		.how = S_ISREG(st.st_mode) ? HOSTFD_DIRECT : HOSTFD_OWN,
		.owned = true,
	};
	return 0;
}

void hostfd_close(struct hostfd *h)
{
	if (h->owned)
		close(h->fd);
	*h = (struct hostfd){ .fd = -1 };
}

static bool hostfd_ready(const struct hostfd *h, short events)
{
	struct pollfd p = { .fd = h->fd, .events = events };

	return h->how != HOSTFD_SHARED || poll(&p, 1, 0) > 0;
}

ssize_t hostfd_read(const struct hostfd *h, void *buf, size_t len)
{
	ssize_t n;

	if (h->how == HOSTFD_NONE)
		return 0;
	if (!hostfd_ready(h, POLLIN))
		return -EAGAIN;
	do {
		if (h->how == HOSTFD_SOCKET)
			n = recv(h->fd, buf, len, MSG_DONTWAIT);
		else
			n = read(h->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t hostfd_write(const struct hostfd *h, const void *buf, size_t len)
{
	ssize_t n;

	if (h->how == HOSTFD_NONE)
		return -EBADF;
	if (!hostfd_ready(h, POLLOUT))
		return -EAGAIN;
	if (h->how == HOSTFD_SHARED && len > HOSTFD_SHARED_CHUNK)
		len = HOSTFD_SHARED_CHUNK;
	do {
		if (h->how == HOSTFD_SOCKET)
			n = send(h->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(h->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}
