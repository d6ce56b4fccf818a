/* SPDX-License-Identifier: MIT */
#include "devices/virtio/vhost_user_msg.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/loop.h"
#include "vmm/util.h"

/* Room for more than anybody may send us, so that what comes is closed, not cut off. */
#define RECV_FDS 32

/* Waits until @fd is ready. 0, -ETIMEDOUT or negative errno. */
static int wait_for(int fd, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = loop_now_ns();
		/* Rounded up, or the last millisecond would be spent spinning. */
		int n = poll(&p, 1, now < deadline ? (deadline - now + 999999) / 1000000 : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int vhost_user_send(int fd, const struct vhost_user_msg *msg, const int *fds, unsigned n_fds,
		    uint64_t deadline)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = {
		.iov_base = (void *)&msg->h,
		.iov_len = sizeof(msg->h) + msg->h.size,
	};
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert(n_fds <= VHOST_USER_MAX_FDS && msg->h.size <= VHOST_USER_PAYLOAD_MAX);
	if (n_fds) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, n_fds * sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		int ret = 0;

		if (n < 0 && errno == EAGAIN)
			ret = wait_for(fd, POLLOUT, deadline);
		else if (n < 0 && errno != EINTR)
			ret = -errno;
		if (ret < 0)
			return ret;
		if (n <= 0)
			continue;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= n;
		/* They went with the first byte. */
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
	return 0;
}

/* Keeps one descriptor that came; -EPROTO when there is no room for it. */
static int keep_fd(struct vhost_user_in *in, int fd)
{
	if (in->n_fds < VHOST_USER_MAX_FDS) {
		in->fds[in->n_fds++] = fd;
		return 0;
	}
	close(fd);
	return -EPROTO;
}

static int keep_fds(struct vhost_user_in *in, struct msghdr *m)
{
	int ret = m->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t off = 0; off + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
		     off += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + off, sizeof(fd));
			if (keep_fd(in, fd) < 0)
				ret = -EPROTO;
		}
	}
	return ret;
}

/* Some of @len bytes. -EAGAIN when there is nothing yet. */
static ssize_t recv_some(int fd, struct vhost_user_in *in, void *buf, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(RECV_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (keep_fds(in, &m) < 0)
		return -EPROTO;
	return n ? n : -ECONNRESET;
}

/* Up to byte @end of the message. 0, -EAGAIN or another error. */
static int recv_to(int fd, struct vhost_user_in *in, size_t end)
{
	while (in->got < end) {
		ssize_t n = recv_some(fd, in, (char *)&in->msg.h + in->got, end - in->got);

		if (n < 0)
			return n;
		in->got += n;
	}
	return 0;
}

int vhost_user_in_step(int fd, struct vhost_user_in *in)
{
	const struct vhost_user_header *h = &in->msg.h;
	int ret = recv_to(fd, in, sizeof(*h));

	if (ret < 0)
		return ret;
	if ((h->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
	    h->size > VHOST_USER_PAYLOAD_MAX)
		return -EPROTO;
	return recv_to(fd, in, sizeof(*h) + h->size);
}

void vhost_user_in_finish(struct vhost_user_in *in)
{
	for (unsigned i = 0; i < in->n_fds; i++)
		if (in->fds[i] >= 0)
			close(in->fds[i]);
	*in = (struct vhost_user_in){ 0 };
}

int vhost_user_recv_in(int fd, struct vhost_user_in *in, uint64_t deadline)
{
	int ret = vhost_user_in_step(fd, in);

	while (ret == -EAGAIN) {
		ret = wait_for(fd, POLLIN, deadline);
		if (ret == 0)
			ret = vhost_user_in_step(fd, in);
	}
	return ret == -ETIMEDOUT && !in->got ? -EAGAIN : ret;
}

int vhost_user_recv(int fd, struct vhost_user_msg *msg, uint64_t deadline)
{
	struct vhost_user_in in = { 0 };
	int ret = vhost_user_recv_in(fd, &in, deadline);

	if (in.n_fds)
		ret = -EPROTO;
	*msg = in.msg;
	vhost_user_in_finish(&in);
	return ret;
}
