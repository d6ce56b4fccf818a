/* SPDX-License-Identifier: MIT */
#include "devices/control/control_proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct forward {
	struct control_call *call;
	struct loop *loop;
	struct loop_fd src;
	const char *name;
	size_t len;
	char answer[JSON_OUT_MAX];
};

static void forward_free(struct forward *f)
{
	loop_remove(f->loop, &f->src);
	close(f->src.fd);
	free(f);
}

static void forward_cancel(void *arg)
{
	forward_free(arg);
}

static void forward_fail(struct forward *f, const char *why)
{
	struct control_call *call = f->call;
	const char *name = f->name;

	forward_free(f);
	control_refuse(call, "%s %s", name, why);
}

static void forward_event(void *arg, uint32_t events)
{
	struct forward *f = arg;
	struct control_call *call = f->call;
	char answer[JSON_OUT_MAX];
	ssize_t n = recv(f->src.fd, f->answer + f->len, sizeof(f->answer) - f->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		forward_fail(f, "has gone");
		return;
	}
	f->len += n;
	end = memchr(f->answer, '\n', f->len);
	if (!end && f->len == sizeof(f->answer))
		forward_fail(f, "answers with too long a line");
	if (!end)
		return;
	/* One line for one request. */
	n = end + 1 - f->answer;
	memcpy(answer, f->answer, n);
	forward_free(f);
	control_relay(call, answer, n);
}

static int send_request(int fd, struct control_call *call)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	size_t len;
	const char *line = control_line(call, &len);
	struct iovec iov[] = { { (char *)line, len }, { "\n", 1 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int passed = control_take_fd(call), ret = 0;

	if (passed >= 0) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &passed, sizeof(passed));
	}
	/* A new connection has room for a line. */
	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len + 1)
		ret = -EPIPE;
	if (passed >= 0)
		close(passed);
	return ret;
}

void control_forward(struct control_call *call, struct loop *loop, int fd, const char *name)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (!f || loop_add(loop, &f->src, fd, EPOLLIN, forward_event, f) < 0) {
		free(f);
		close(fd);
		control_refuse(call, "out of memory");
		return;
	}
	f->call = call;
	f->loop = loop;
	f->name = name;
	if (send_request(fd, call) < 0) {
		forward_fail(f, "has gone");
		return;
	}
	control_later(call, forward_cancel, f);
}
