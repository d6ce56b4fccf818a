/* SPDX-License-Identifier: MIT */
/* A vhost-user back end's connections: taken, listened to, lost. */
#include "devices/virtio/vhost_user_backend.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_backend_impl.h"

#define RETRY_NS 1000000000ull	/* after an accept() for which the host lacked something */

static void watch_listener(struct vhost_user_backend *b);

/* --- a front end leaves -------------------------------------------------------------- */

/* The device as new, and nothing left of the front end. */
static void let_go(struct vhost_user_backend *b)
{
	loop_remove(b->loop, &b->conn);
	vhost_user_in_finish(&b->in);
	vhost_user_rings_reset(b);
	vhost_user_rings_forget(b);
	vhost_user_shm_set_channel(b, -1);
	vhost_user_set_fd(b, &b->display, -1);
	vhost_user_map_gmem(&(struct vhost_user_map){ 0 }, &b->mem);
	vhost_user_map_finish(&b->map);
	b->features = b->protocol = 0;
	close(b->conn.fd);
	b->conn.fd = -1;
}

static void leave(struct vhost_user_backend *b)
{
	let_go(b);
	watch_listener(b);
	if (b->p.left)
		b->p.left(b->p.ctx);
}

void vhost_user_backend_leave(struct vhost_user_backend *b, const char *why)
{
	log_guest(&b->rate, "%s: the front end is hung up on: %s", b->name, why);
	leave(b);
}

static const char *reason(const struct vhost_user_backend *b, int error)
{
	switch (error) {
	case -EINVAL:
		return b->why;
	case -EPROTO:
		return "message that is none";
	case -ETIMEDOUT:
		return "connection whose answers are not read";
	default:
		return strerror(-error);
	}
}

/* --- it speaks -------------------------------------------------------------------------- */

/* One message a turn, so that a flood of them leaves the loop to others. */
static void conn_event(void *arg, uint32_t events)
{
	struct vhost_user_backend *b = arg;
	int ret = vhost_user_in_step(b->conn.fd, &b->in);

	if (ret == -EAGAIN)
		return;
	if (ret == 0) {
		ret = vhost_user_backend_serve(b);
		vhost_user_in_finish(&b->in);
	}
	if (ret == 0)
		return;
	if (ret != -ECONNRESET && ret != -EPIPE) {
		vhost_user_backend_leave(b, reason(b, ret));
		return;
	}
	log_info("%s: the front end has left", b->name);
	leave(b);
}

/* --- it comes ---------------------------------------------------------------------------- */

static void retry(void *arg)
{
	watch_listener(arg);
}

static void listener_event(void *arg, uint32_t events)
{
	struct vhost_user_backend *b = arg;
	int fd = accept4(b->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		vhost_user_backend_connect(b, fd);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	/* Such as EMFILE: the front end stays in the queue, and so would its event. */
	log_guest(&b->rate, "%s: accept: %m", b->name);
	loop_timer_arm(b->loop, &b->retry, RETRY_NS);
	watch_listener(b);
}

/* While there is nobody; others wait in the socket's queue. */
static void watch_listener(struct vhost_user_backend *b)
{
	bool want = b->listener.fd >= 0 && b->conn.fd < 0 && !b->retry.armed;
	int ret = 0;

	if (!want)
		loop_remove(b->loop, &b->listener);
	else if (!b->listener.added)
		ret = loop_add(b->loop, &b->listener, b->listener.fd, EPOLLIN, listener_event, b);
	if (ret < 0)
		log_error("%s: the socket cannot be watched: %s", b->name, strerror(-ret));
}

int vhost_user_backend_connect(struct vhost_user_backend *b, int fd)
{
	int ret;

	if (b->conn.fd >= 0)
		let_go(b);
	b->conn.fd = fd;
	ret = loop_add(b->loop, &b->conn, fd, EPOLLIN, conn_event, b);
	if (ret < 0) {
		log_error("%s: the connection cannot be watched: %s", b->name, strerror(-ret));
		close(fd);
		b->conn.fd = -1;
	}
	watch_listener(b);
	return ret;
}

int vhost_user_backend_listen(struct vhost_user_backend *b, int fd)
{
	assert(b->listener.fd < 0);
	/* A front end that is gone before accept() is no reason to wait for the next. */
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	b->listener.fd = fd;
	watch_listener(b);
	return 0;
}

/* --- life ---------------------------------------------------------------------------------- */

void vhost_user_backend_init(struct vhost_user_backend *b, struct loop *loop, const char *name)
{
	*b = (struct vhost_user_backend){
		.name = name,
		.loop = loop,
		.mem.fd = -1,
		.listener.fd = -1,
		.conn.fd = -1,
		.channel = -1,
		.display = -1,
		.retry = { .cb = retry, .arg = b },
	};
	vhost_user_rings_init(b);
	vhost_user_shm_init(b);
}

void vhost_user_backend_attach(struct vhost_user_backend *b, struct virtio_device *v,
			       const struct vhost_user_backend_params *params)
{
	b->v = v;
	b->p = *params;
	virtio_attach(v, &vhost_user_backend_transport, b);
}

void vhost_user_backend_finish(struct vhost_user_backend *b)
{
	loop_timer_disarm(b->loop, &b->retry);
	if (b->conn.fd >= 0)
		let_go(b);
	loop_remove(b->loop, &b->listener);
	if (b->listener.fd >= 0)
		close(b->listener.fd);
	b->listener.fd = -1;
}
