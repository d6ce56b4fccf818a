/* SPDX-License-Identifier: MIT */
#include "devices/backend/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/util.h"

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

int handover_send(int port, int fd)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = "c", .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};

	*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	return sendmsg(port, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* There was room for one: the kernel closes what is more. -1: none came. */
static int received_fd(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void port_event(void *arg, uint32_t events)
{
	struct handover *h = arg;
	union control control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		/* One, and not two where padding would have room for it. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(h->port.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd = n > 0 ? received_fd(&m) : -1;

	if (fd >= 0) {
		h->cb(h->ctx, fd);
	} else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		handover_finish(h);
		h->cb(h->ctx, -1);
	}
}

int handover_init(struct handover *h, struct loop *loop, int port,
		  void (*cb)(void *ctx, int fd), void *ctx)
{
	int ret;

	*h = (struct handover){ .loop = loop, .port.fd = -1, .cb = cb, .ctx = ctx };
	ret = loop_add(loop, &h->port, port, EPOLLIN, port_event, h);
	if (ret < 0)
		close(port);
	return ret;
}

int handover_tell(struct handover *h, char word)
{
	if (!h->port.added)
		return -ENOTCONN;
	return send(h->port.fd, &word, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int handover_hear(int port)
{
	char word = 0;
	/* Without a place for descriptors the kernel closes them; MSG_TRUNC: the whole length. */
	ssize_t n = recv(port, &word, 1, MSG_DONTWAIT | MSG_TRUNC);

	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n == 1 ? (unsigned char)word : 0;
}

void handover_finish(struct handover *h)
{
	if (!h->port.added)
		return;
	loop_remove(h->loop, &h->port);
	close(h->port.fd);
	h->port.fd = -1;
}
