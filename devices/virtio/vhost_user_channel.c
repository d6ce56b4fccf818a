/* SPDX-License-Identifier: MIT */
/*
 * What a back end asks for, on its channel. It may be hostile: pieces of memory that
 * cannot be mapped are refused, a message that is none ends the connection.
 */
#include <errno.h>

#include "devices/virtio/vhost_user_impl.h"

static int config_change(struct vhost_user *u, const struct vhost_user_in *in)
{
	if (u->p.config)
		return -ENOTSUP;
	u->config_stale = true;
	virtio_config_changed(&u->v);
	return 0;
}

/* Whether there is a region, and this one; its pieces are there while rings are started. */
static bool names_region(const struct vhost_user *u, const struct vhost_user_shm *s)
{
	return u->v.shm && u->protocol & BIT(VHOST_USER_PROTOCOL_F_SHMEM) &&
	       u->state == VHOST_USER_RUNNING && s->id == u->v.shm->id;
}

static int shm_map(struct vhost_user *u, const struct vhost_user_in *in)
{
	const struct vhost_user_shm *s = &in->msg.shm;
	const struct shm_map map = {
		.fd = in->fds[0], .fd_off = s->fd_off, .off = s->off, .len = s->len,
		.writable = s->flags & VHOST_USER_SHM_WRITABLE,
	};
	int ret = -EINVAL;

	if (names_region(u, s) && !(s->flags & ~(uint64_t)VHOST_USER_SHM_WRITABLE))
		ret = shm_window_map(u->v.shm, &map);
	if (ret < 0)
		log_guest(&u->v.rate, "%s: memory is not mapped: %s", u->p.name,
			  ret == -EPERM ? "neither a dma-buf nor a sealed memfd" : strerror(-ret));
	return ret;
}

static int shm_unmap(struct vhost_user *u, const struct vhost_user_in *in)
{
	const struct vhost_user_shm *s = &in->msg.shm;

	return names_region(u, s) ? shm_window_unmap(u->v.shm, s->off, s->len) : -EINVAL;
}

static const struct request {
	uint32_t request, size;		/* of the payload */
	unsigned n_fds;
	int (*serve)(struct vhost_user *u, const struct vhost_user_in *in);
} requests[] = {
	{ VHOST_USER_BACKEND_CONFIG_CHANGE, 0, 0, config_change },
	{ VHOST_USER_BACKEND_SHMEM_MAP, sizeof(struct vhost_user_shm), 1, shm_map },
	{ VHOST_USER_BACKEND_SHMEM_UNMAP, sizeof(struct vhost_user_shm), 0, shm_unmap },
};

/* 0 when it was done, 1 when not: what the back end is answered. -EPROTO: it is no message. */
static int serve(struct vhost_user *u, const struct vhost_user_in *in)
{
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];

		if (r->request != in->msg.h.request)
			continue;
		if (r->size != in->msg.h.size || r->n_fds != in->n_fds)
			return -EPROTO;
		return r->serve(u, in) < 0;
	}
	return in->n_fds ? -EPROTO : 1;
}

static int answer(struct vhost_user *u, const struct vhost_user_msg *msg, uint64_t value)
{
	struct vhost_user_msg reply = {
		.h = {
			.request = msg->h.request,
			.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
			.size = sizeof(reply.u64),
		},
		.u64 = value,
	};

	if (!(msg->h.flags & VHOST_USER_NEED_REPLY))
		return 0;
	/* There is room unless it does not read its answers. */
	return vhost_user_send(u->channel.fd, &reply, NULL, 0, 0);
}

int vhost_user_channel_step(struct vhost_user *u, uint64_t deadline)
{
	struct vhost_user_in in = { 0 };
	int ret = vhost_user_recv_in(u->channel.fd, &in, deadline);

	if (ret == 0 && u->state >= VHOST_USER_READY) {
		ret = serve(u, &in);
		if (ret >= 0)
			ret = answer(u, &in.msg, ret);
	}
	vhost_user_in_finish(&in);
	return ret;
}
