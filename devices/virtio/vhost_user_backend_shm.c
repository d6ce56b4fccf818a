/* SPDX-License-Identifier: MIT */
/* Memory that the device lends: requests to the front end, and its answers, one by one. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "devices/virtio/shm_window.h"
#include "devices/virtio/vhost_user_backend_impl.h"

#define SHM_PROTOCOL                                                                               \
	(BIT(VHOST_USER_PROTOCOL_F_SHMEM) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD))
/* An answer is to come: nothing may be lent that is not taken back in time. */
#define NEEDED                                                                                     \
	(SHM_PROTOCOL | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |                                     \
	 BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ))

uint64_t vhost_user_shm_protocol(const struct vhost_user_backend *b)
{
	return b->p.shm_len ? SHM_PROTOCOL : 0;
}

/* --- requests, with v->lock held --------------------------------------------------- */

static bool is_there(const struct vhost_user_backend *b)
{
	return b->p.shm_len && b->channel >= 0 && (b->protocol & NEEDED) == NEEDED;
}

static void await_answer(struct vhost_user_backend *b)
{
	loop_timer_arm(b->loop, &b->answer_timer,
		       b->p.shm_timeout_ns ? b->p.shm_timeout_ns : VHOST_USER_SHM_TIMEOUT_NS);
}

static int ask(struct vhost_user_backend *b, uint32_t request, struct vhost_user_shm *shm, int fd)
{
	struct vhost_user_msg msg = {
		.h = { request, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, sizeof(*shm) },
		.shm = *shm,
	};

	if (!is_there(b))
		return -ENOTSUP;
	if (b->shm_asked == VHOST_USER_SHM_MAX_ASKED)
		return -EBUSY;
	msg.shm.id = b->p.shm_id;
	if (vhost_user_send(b->channel, &msg, &fd, fd >= 0, 0) < 0) {
		/* The loop sees that, and hangs up. */
		shutdown(b->conn.fd, SHUT_RDWR);
		return -EPIPE;
	}
	if (!b->shm_asked++)
		await_answer(b);
	return 0;
}

int vhost_user_shm_map(void *ctx, const struct shm_map *map)
{
	struct vhost_user_shm shm = {
		.fd_off = map->fd_off, .off = map->off, .len = map->len,
		.flags = map->writable ? VHOST_USER_SHM_WRITABLE : 0,
	};

	return ask(ctx, VHOST_USER_BACKEND_SHMEM_MAP, &shm, map->fd);
}

int vhost_user_shm_unmap(void *ctx, uint64_t off, uint64_t len)
{
	struct vhost_user_shm shm = { .off = off, .len = len };

	return ask(ctx, VHOST_USER_BACKEND_SHMEM_UNMAP, &shm, -1);
}

unsigned vhost_user_shm_room(void *ctx)
{
	const struct vhost_user_backend *b = ctx;

	return is_there(b) ? VHOST_USER_SHM_MAX_ASKED - b->shm_asked : VHOST_USER_SHM_MAX_ASKED;
}

/* --- answers ------------------------------------------------------------------------- */

static bool is_answer(const struct vhost_user_backend *b)
{
	const struct vhost_user_msg *msg = &b->answer.msg;

	return b->shm_asked && !b->answer.n_fds && msg->h.size == sizeof(msg->u64) &&
	       msg->h.flags & VHOST_USER_REPLY &&
	       (msg->h.request == VHOST_USER_BACKEND_SHMEM_MAP ||
		msg->h.request == VHOST_USER_BACKEND_SHMEM_UNMAP);
}

static void take_answer(struct vhost_user_backend *b)
{
	bool ok = b->answer.msg.u64 == 0;

	pthread_mutex_lock(&b->v->lock);
	b->shm_asked--;
	if (b->shm_asked)
		await_answer(b);
	else
		loop_timer_disarm(b->loop, &b->answer_timer);
	if (b->shm_void)
		b->shm_void--;
	else if (b->v->ops->shm_done)
		b->v->ops->shm_done(b->v, ok);
	pthread_mutex_unlock(&b->v->lock);
}

static void answer_event(void *arg, uint32_t events)
{
	struct vhost_user_backend *b = arg;
	int ret = vhost_user_in_step(b->channel, &b->answer);

	if (ret == -EAGAIN)
		return;
	if (ret == -ECONNRESET) {
		/* It has closed its end; what is asked for by that way gets no answer. */
		loop_remove(b->loop, &b->answers);
		return;
	}
	if (ret < 0 || !is_answer(b)) {
		vhost_user_backend_leave(b, "answer that is none");
		return;
	}
	take_answer(b);
	vhost_user_in_finish(&b->answer);
}

static void answer_timeout(void *arg)
{
	vhost_user_backend_leave(arg, "request to map memory that is not answered");
}

/* --- life ------------------------------------------------------------------------------ */

void vhost_user_shm_init(struct vhost_user_backend *b)
{
	b->answers.fd = -1;
	b->answer_timer = (struct loop_timer){ .cb = answer_timeout, .arg = b };
}

int vhost_user_shm_set_channel(struct vhost_user_backend *b, int fd)
{
	loop_remove(b->loop, &b->answers);
	loop_timer_disarm(b->loop, &b->answer_timer);
	vhost_user_in_finish(&b->answer);
	vhost_user_set_fd(b, &b->channel, fd);
	pthread_mutex_lock(&b->v->lock);
	b->shm_asked = b->shm_void = 0;
	pthread_mutex_unlock(&b->v->lock);
	if (fd < 0 || !b->p.shm_len)
		return 0;
	return loop_add(b->loop, &b->answers, fd, EPOLLIN, answer_event, b);
}

void vhost_user_shm_reset(struct vhost_user_backend *b)
{
	pthread_mutex_lock(&b->v->lock);
	b->shm_void = b->shm_asked;
	pthread_mutex_unlock(&b->v->lock);
}
