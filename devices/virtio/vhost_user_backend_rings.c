/* SPDX-License-Identifier: MIT */
/* Rings of a vhost-user back end: from what the front end says of them to queues of the device. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_backend_impl.h"

/* --- interrupts, with v->lock held ----------------------------------------------- */

/*
 * The front end shares these: their flags made them non-blocking when they came,
 * and one that changes this keeps nobody waiting but its own device.
 */
static void signal_fd(int fd)
{
	if (fd >= 0)
		eventfd_write(fd, 1);
}

static void queue_irq(void *ctx, unsigned q)
{
	struct vhost_user_backend *b = ctx;

	signal_fd(b->rings[q].call);
}

static void send_config_change(struct vhost_user_backend *b)
{
	struct vhost_user_msg msg = {
		.h = { VHOST_USER_BACKEND_CONFIG_CHANGE, VHOST_USER_VERSION, 0 },
	};

	/* One that does not read these has some to read yet. */
	if (b->channel >= 0)
		vhost_user_send(b->channel, &msg, NULL, 0, 0);
}

static void config_irq(void *ctx)
{
	struct vhost_user_backend *b = ctx;

	if (virtio_running(b->v)) {
		send_config_change(b);
		return;
	}
	/* It needs a reset, which only a broken ring can tell. */
	for (unsigned i = 0; i < b->v->n_queues; i++)
		if (b->rings[i].live)
			signal_fd(b->rings[i].err);
}

const struct virtio_transport_ops vhost_user_backend_transport = {
	.queue_irq = queue_irq,
	.config_irq = config_irq,
	.shm_map = vhost_user_shm_map,
	.shm_unmap = vhost_user_shm_unmap,
	.shm_room = vhost_user_shm_room,
};

void vhost_user_set_fd(struct vhost_user_backend *b, int *slot, int fd)
{
	int old;

	pthread_mutex_lock(&b->v->lock);
	old = *slot;
	*slot = fd;
	pthread_mutex_unlock(&b->v->lock);
	if (old >= 0)
		close(old);
}

/* --- kicks -------------------------------------------------------------------------- */

/* Each write is an edge: nothing is read, which could wait, for the front end reads too. */
static void ring_kicked(void *arg, uint32_t events)
{
	struct vhost_user_ring *r = arg;

	if (r->live)
		virtio_kicked_queue(r->b->v, r->index);
}

int vhost_user_ring_set_kick(struct vhost_user_ring *r, int fd)
{
	int ret;

	loop_remove(r->b->loop, &r->kick);
	if (r->kick.fd >= 0)
		close(r->kick.fd);
	r->kick.fd = -1;
	if (fd < 0)
		return 0;
	ret = loop_add(r->b->loop, &r->kick, fd, EPOLLIN | EPOLLET, ring_kicked, r);
	if (ret < 0)
		close(fd);
	return ret;
}

/* --- starting and stopping ------------------------------------------------------------ */

static bool ring_started(const struct vhost_user_ring *r)
{
	return r->kick.fd >= 0;
}

static bool ring_wanted(const struct vhost_user_ring *r)
{
	return ring_started(r) && r->enabled && r->num && r->addressed && !r->refused;
}

/* Guest addresses of what was set up; false when it is not in guest memory. */
static bool ring_setup(const struct vhost_user_ring *r, struct virtio_queue_setup *s)
{
	const struct vhost_user_map *map = &r->b->map;

	s->size = r->num;
	s->base = r->base;
	return vhost_user_map_gpa(map, r->addr.desc, &s->desc) &&
	       vhost_user_map_gpa(map, r->addr.avail, &s->avail) &&
	       vhost_user_map_gpa(map, r->addr.used, &s->used);
}

static void ring_start(struct vhost_user_ring *r)
{
	struct vhost_user_backend *b = r->b;
	struct virtio_queue_setup s;

	r->live = ring_setup(r, &s) && virtio_start_queue(b->v, r->index, &s);
	r->refused = !r->live;
	if (r->live)
		return;
	log_guest(&b->rate, "%s: ring %u cannot be where it is said to be", b->name, r->index);
	pthread_mutex_lock(&b->v->lock);
	signal_fd(r->err);
	pthread_mutex_unlock(&b->v->lock);
}

static void stop_all(struct vhost_user_backend *b)
{
	for (unsigned i = 0; i < b->v->n_queues; i++) {
		struct vhost_user_ring *r = &b->rings[i];

		if (r->live)
			r->base = virtio_stop_queue(b->v, i);
		r->live = false;
	}
}

static void end_hold(struct vhost_user_backend *b)
{
	if (b->held)
		b->p.memory_enter(b->p.ctx);
	b->held = false;
}

void vhost_user_rings_reset(struct vhost_user_backend *b)
{
	stop_all(b);
	end_hold(b);
	virtio_set_status(b->v, 0);
	vhost_user_shm_reset(b);
	b->active = b->paused = false;
}

void vhost_user_rings_hold(struct vhost_user_backend *b)
{
	if (!b->active)
		return;
	if (!b->p.memory_leave || virtio_get_status(b->v) & VIRTIO_CONFIG_S_NEEDS_RESET) {
		vhost_user_rings_reset(b);
		return;
	}
	/* Its last answers are to reach the driver: the rings are stopped behind it. */
	if (!b->held)
		b->p.memory_leave(b->p.ctx);
	b->held = true;
	stop_all(b);
}

/* FEATURES_OK, or not when these features will not do. */
static bool negotiate(struct vhost_user_backend *b)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_set_status(b->v, status);
	virtio_set_driver_features(b->v, 0, b->features);
	virtio_set_driver_features(b->v, 1, b->features >> 32);
	virtio_set_status(b->v, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return virtio_get_status(b->v) & VIRTIO_CONFIG_S_FEATURES_OK;
}

/*
 * After a stop of all rings with the device's state kept: whether it is another
 * driver that comes, and not the same one that goes on, as when a VMM was paused.
 */
static bool is_new_driver(const struct vhost_user_backend *b)
{
	for (unsigned i = 0; i < b->v->n_queues; i++)
		if (ring_started(&b->rings[i]) && b->rings[i].base)
			return false;
	return true;
}

static void start_wanted(struct vhost_user_backend *b)
{
	bool ok, any = false;

	if (b->paused && is_new_driver(b))
		vhost_user_rings_reset(b);
	b->paused = false;
	ok = b->active || negotiate(b);
	for (unsigned i = 0; i < b->v->n_queues; i++) {
		struct vhost_user_ring *r = &b->rings[i];

		if (!ring_wanted(r) || r->live)
			continue;
		if (ok)
			ring_start(r);
		r->refused = !r->live;
		any |= r->live;
	}
	if (b->active)
		return;
	/* Without any, nobody drives it yet. */
	b->active = any;
	virtio_set_status(b->v, any ? virtio_get_status(b->v) | VIRTIO_CONFIG_S_DRIVER_OK : 0);
}

void vhost_user_rings_update(struct vhost_user_backend *b)
{
	bool started = false, stop = false, start = false;

	for (unsigned i = 0; i < b->v->n_queues; i++) {
		const struct vhost_user_ring *r = &b->rings[i];

		started |= ring_started(r);
		stop |= r->live && !ring_wanted(r);
	}
	if (stop)
		vhost_user_rings_hold(b);
	b->paused |= !started && b->active;
	end_hold(b);
	for (unsigned i = 0; i < b->v->n_queues; i++)
		start |= ring_wanted(&b->rings[i]) && !b->rings[i].live;
	if (start)
		start_wanted(b);
}

/* --- life ------------------------------------------------------------------------------- */

void vhost_user_rings_init(struct vhost_user_backend *b)
{
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		b->rings[i] = (struct vhost_user_ring){
			.b = b, .index = i, .kick.fd = -1, .call = -1, .err = -1,
		};
}

void vhost_user_rings_forget(struct vhost_user_backend *b)
{
	for (unsigned i = 0; i < b->v->n_queues; i++) {
		struct vhost_user_ring *r = &b->rings[i];

		vhost_user_ring_set_kick(r, -1);
		vhost_user_set_fd(b, &r->call, -1);
		vhost_user_set_fd(b, &r->err, -1);
	}
	vhost_user_rings_init(b);
}
