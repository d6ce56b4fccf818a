/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtio.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/shm_window.h"

#define STATUS_STEPS                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
	 VIRTIO_CONFIG_S_DRIVER_OK)

static void virtio_lock(struct virtio_device *v)
{
	pthread_mutex_lock(&v->lock);
}

static void virtio_unlock(struct virtio_device *v)
{
	pthread_mutex_unlock(&v->lock);
}

/* --- kicks ----------------------------------------------------------------- */

/*
 * The loop's thread against a reset by a vCPU: whoever gets the lock first wins,
 * and a kick that comes second finds the device not running.
 */
void virtio_kicked_queue(struct virtio_device *v, unsigned q)
{
	virtio_lock(v);
	if ((virtio_running(v) || (v->adopted && !v->held)) && virtio_queue(v, q)->enabled)
		v->ops->notify(v, q);
	virtio_unlock(v);
}

static void virtio_kicked(void *arg, uint32_t events)
{
	struct virtio_queue *q = arg;
	eventfd_t n;

	/* First, lest a kick during notify() is lost; always, or the loop spins (case 16). */
	eventfd_read(q->kick.fd, &n);
	virtio_kicked_queue(q->v, q->vq.index);
}

/*
 * Who serves an external queue shares the eventfd: it can fill the counter and
 * have a write wait for room.
 */
static bool virtio_kick_fits(const struct virtio_device *v, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return !v->ops->external || poll(&p, 1, 0) > 0;
}

void virtio_kick(struct virtio_device *v, unsigned q)
{
	int fd = v->queues[q].kick.fd;

	if (virtio_kick_fits(v, fd))
		eventfd_write(fd, 1);
}

int virtio_kick_fd(const struct virtio_device *v, unsigned q)
{
	return v->queues[q].kick.fd;
}

int virtio_call_fd(const struct virtio_device *v, unsigned q)
{
	return v->ops->external ? v->queues[q].call.fd : -1;
}

/*
 * The server of an external queue interrupts the driver. Each write is one
 * edge, so nothing has to be read, which could wait: the server reads too.
 */
static void virtio_called(void *arg, uint32_t events)
{
	struct virtio_queue *q = arg;
	struct virtio_device *v = q->v;

	pthread_mutex_lock(&v->call_lock);
	if (v->calls)
		v->transport->queue_irq(v->transport_ctx, q->vq.index);
	pthread_mutex_unlock(&v->call_lock);
}

/* With the lock held. Once off, nobody is interrupting any more. */
static void virtio_set_calls(struct virtio_device *v, bool on)
{
	pthread_mutex_lock(&v->call_lock);
	v->calls = on && v->ops->external;
	pthread_mutex_unlock(&v->call_lock);
}

/* --- life ------------------------------------------------------------------ */

/* A new eventfd in @src, on the loop if it has a callback. */
static int virtio_add_eventfd(struct virtio_queue *q, struct loop_fd *src, uint32_t events,
			      void (*cb)(void *arg, uint32_t events))
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ret;

	if (fd < 0) {
		log_error("%s: eventfd: %m", q->v->ops->name);
		return -errno;
	}
	src->fd = fd;
	if (!cb)
		return 0;
	ret = loop_add(q->v->loop, src, fd, events, cb, q);
	if (ret < 0) {
		log_error("%s: cannot watch a queue: %s", q->v->ops->name, strerror(-ret));
		close(fd);
		src->fd = -1;
	}
	return ret;
}

static void virtio_drop_eventfd(struct virtio_device *v, struct loop_fd *src)
{
	loop_remove(v->loop, src);
	if (src->fd >= 0)
		close(src->fd);
}

static void virtio_queue_finish(struct virtio_device *v, struct virtio_queue *q)
{
	virtio_drop_eventfd(v, &q->kick);
	virtio_drop_eventfd(v, &q->call);
	virtq_finish(&q->vq);
}

static int virtio_queue_init(struct virtio_device *v, unsigned index, uint16_t size)
{
	struct virtio_queue *q = &v->queues[index];
	bool external = v->ops->external;
	int ret;

	*q = (struct virtio_queue){ .v = v, .kick.fd = -1, .call.fd = -1 };
	virtq_init(&q->vq, v->mem, index, size);
	q->vq.external = external;
	ret = virtio_add_eventfd(q, &q->kick, EPOLLIN, external ? NULL : virtio_kicked);
	if (ret == 0 && external)
		ret = virtio_add_eventfd(q, &q->call, EPOLLIN | EPOLLET, virtio_called);
	if (ret < 0)
		virtio_queue_finish(v, q);
	return ret;
}

int virtio_init(struct virtio_device *v, const struct virtio_ops *ops, struct loop *loop,
		const struct gmem *mem, const uint16_t *queue_sizes, unsigned n_queues,
		uint64_t features, uint32_t config_len)
{
	assert(n_queues <= VIRTIO_MAX_QUEUES);
	assert(!(features & BIT(VIRTIO_F_RING_PACKED)));
	*v = (struct virtio_device){
		.ops = ops,
		.loop = loop,
		.mem = mem,
		.offered = features | (ops->external ? 0 : VIRTIO_COMMON_FEATURES),
		.config_len = config_len,
		.queues = calloc(n_queues, sizeof(v->queues[0])),
	};
	if (!v->queues)
		return -ENOMEM;
	pthread_mutex_init(&v->lock, NULL);
	pthread_mutex_init(&v->call_lock, NULL);
	/* n_queues counts those that are ready, for virtio_finish(). */
	for (; v->n_queues < n_queues; v->n_queues++) {
		int ret = virtio_queue_init(v, v->n_queues, queue_sizes[v->n_queues]);

		if (ret < 0) {
			virtio_finish(v);
			return ret;
		}
	}
	return 0;
}

void virtio_offer_packed(struct virtio_device *v)
{
	assert(!v->ops->external);
	v->offered |= BIT(VIRTIO_F_RING_PACKED);
}

void virtio_finish(struct virtio_device *v)
{
	for (unsigned i = 0; i < v->n_queues; i++)
		virtio_queue_finish(v, &v->queues[i]);
	free(v->queues);
	v->queues = NULL;
	pthread_mutex_destroy(&v->call_lock);
	pthread_mutex_destroy(&v->lock);
}

void virtio_attach(struct virtio_device *v, const struct virtio_transport_ops *ops, void *ctx)
{
	v->transport = ops;
	v->transport_ctx = ctx;
}

/* --- for devices ----------------------------------------------------------- */

bool virtio_running(const struct virtio_device *v)
{
	const uint8_t ends = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	return !v->held &&
	       (v->status & (VIRTIO_CONFIG_S_DRIVER_OK | ends)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

void virtio_fail(struct virtio_device *v, const char *fmt, ...)
{
	char why[128];
	va_list ap;

	if (!virtio_running(v))
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_guest(&v->rate, "%s: %s: it needs a reset", v->ops->name, why);
	/* 2.1.2 */
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	v->transport->config_irq(v->transport_ctx);
}

struct virtq_chain *virtio_pop(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_queue(v, q);
	struct virtq_chain *chain = virtq_pop(vq);

	if (!chain && virtq_broken(vq))
		virtio_fail(v, "queue %u: %s", q, virtq_broken(vq));
	return chain;
}

void virtio_signal(struct virtio_device *v, unsigned q)
{
	if (virtq_publish(virtio_queue(v, q)))
		v->transport->queue_irq(v->transport_ctx, q);
}

void virtio_config_changed(struct virtio_device *v)
{
	v->config_changed = true;
	if (virtio_running(v))
		v->transport->config_irq(v->transport_ctx);
	else
		v->config_irq_due = true;
}

void virtio_adopt(struct virtio_device *v)
{
	if (v->adopted || !(v->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	v->adopted = true;
	for (unsigned i = 0; i < v->n_queues; i++) {
		struct virtio_queue *q = &v->queues[i];

		if (!q->vq.enabled || virtq_adopt(&q->vq) < 0)
			continue;
		if (loop_add(v->loop, &q->kick, q->kick.fd, EPOLLIN, virtio_kicked, q) == 0)
			virtio_kick(v, i);
	}
}

void virtio_disown(struct virtio_device *v)
{
	for (unsigned i = 0; i < v->n_queues; i++)
		loop_remove(v->loop, &v->queues[i].kick);
}

/* --- status (2.1, 3.1) ----------------------------------------------------- */

/* Without the lock around quiesce(): what it waits for may need that. */
static void virtio_reset(struct virtio_device *v)
{
	virtio_lock(v);
	v->status = 0;
	v->features = 0;
	v->config_irq_due = false;
	v->active = v->adopted = false;
	virtio_set_calls(v, false);
	for (unsigned i = 0; i < v->n_queues; i++)
		virtq_reset(&v->queues[i].vq);
	virtio_unlock(v);

	if (v->ops->quiesce)
		v->ops->quiesce(v);

	virtio_lock(v);
	if (v->ops->reset)
		v->ops->reset(v);
	virtio_unlock(v);
}

static bool virtio_features_acceptable(struct virtio_device *v)
{
	return !(v->features & ~v->offered) && virtio_has_feature(v, VIRTIO_F_VERSION_1);
}

/*
 * Chains made available, even kicked for, before DRIVER_OK are seen now. An
 * external server gets the eventfd with the kicks that are in it.
 */
static void virtio_kick_all(struct virtio_device *v)
{
	for (unsigned i = 0; i < v->n_queues; i++)
		if (v->queues[i].vq.enabled && (!v->ops->external || v->adopted))
			virtio_kick(v, i);
}

/* DRIVER_OK is set, and the device may go on or begin. */
static void virtio_go(struct virtio_device *v)
{
	if (!v->active) {
		v->active = true;
		virtio_set_calls(v, true);
		if (v->ops->activate)
			v->ops->activate(v);
	}
	if (v->config_irq_due)
		v->transport->config_irq(v->transport_ctx);
	v->config_irq_due = false;
	virtio_kick_all(v);
}

/* What is on its way ends; external servers cannot be sent on from where they were. */
static void virtio_hold(struct virtio_device *v)
{
	bool active;

	virtio_lock(v);
	active = v->active && !v->held;
	if (active && v->ops->external) {
		virtio_fail(v, "kept from guest memory");
		virtio_set_calls(v, false);
	}
	v->held = true;
	virtio_unlock(v);
	if (active && v->ops->quiesce)
		v->ops->quiesce(v);
}

void virtio_set_dma(struct virtio_device *v, bool on)
{
	if (!on) {
		virtio_hold(v);
		return;
	}
	virtio_lock(v);
	if (v->held) {
		v->held = false;
		if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
			virtio_go(v);
	}
	virtio_unlock(v);
}

/* Takes the steps in @status that are new, in their order, as far as each may be taken. */
static void virtio_step(struct virtio_device *v, uint8_t status)
{
	static const uint8_t steps[] = {
		VIRTIO_CONFIG_S_ACKNOWLEDGE,
		VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_DRIVER_OK,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		if (v->status & steps[i])
			continue;
		/* U-Boot resets the device after this step, and does not take it again. */
		if (!(status & steps[i]) && steps[i] == VIRTIO_CONFIG_S_ACKNOWLEDGE)
			continue;
		if (!(status & steps[i]))
			return;
		if (steps[i] == VIRTIO_CONFIG_S_FEATURES_OK && !virtio_features_acceptable(v)) {
			log_guest(&v->rate, "%s: features %#llx refused", v->ops->name,
				  (unsigned long long)v->features);
			return;
		}
		v->status |= steps[i];
		if (steps[i] == VIRTIO_CONFIG_S_DRIVER_OK && !v->held)
			virtio_go(v);
	}
}

void virtio_set_status(struct virtio_device *v, uint8_t status)
{
	if (status == 0) {
		virtio_reset(v);
		return;
	}
	virtio_lock(v);
	/* 2.1.1: the driver must not clear a bit, and NEEDS_RESET is not its to set. */
	if (!(v->status & ~status & (STATUS_STEPS | VIRTIO_CONFIG_S_FAILED))) {
		v->status |= status & VIRTIO_CONFIG_S_FAILED;
		virtio_step(v, status);
	}
	virtio_unlock(v);
}

uint8_t virtio_get_status(struct virtio_device *v)
{
	uint8_t status;

	virtio_lock(v);
	status = v->status;
	virtio_unlock(v);
	return status;
}

/* --- features (2.2) -------------------------------------------------------- */

uint32_t virtio_offered_features(struct virtio_device *v, uint32_t sel)
{
	return sel < 2 ? v->offered >> (32 * sel) : 0;
}

uint32_t virtio_driver_features(struct virtio_device *v, uint32_t sel)
{
	uint64_t features;

	virtio_lock(v);
	features = v->features;
	virtio_unlock(v);
	return sel < 2 ? features >> (32 * sel) : 0;
}

/* Replaces half @half of *@reg. */
static void set_half(uint64_t *reg, unsigned half, uint32_t value)
{
	uint64_t mask = (uint64_t)UINT32_MAX << (32 * half);

	*reg = (*reg & ~mask) | (uint64_t)value << (32 * half);
}

void virtio_set_driver_features(struct virtio_device *v, uint32_t sel, uint32_t value)
{
	virtio_lock(v);
	if (sel < 2 && !(v->status & VIRTIO_CONFIG_S_FEATURES_OK))
		set_half(&v->features, sel, value);
	virtio_unlock(v);
}

/* --- queues ---------------------------------------------------------------- */

/* Queue @q with v->lock taken; NULL and no lock when there is none such. */
static struct virtq *virtio_lock_queue(struct virtio_device *v, unsigned q)
{
	if (q >= v->n_queues)
		return NULL;
	virtio_lock(v);
	return virtio_queue(v, q);
}

uint16_t virtio_queue_max_size(struct virtio_device *v, unsigned q)
{
	return q < v->n_queues ? virtio_queue(v, q)->max_size : 0;
}

uint16_t virtio_queue_size(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_lock_queue(v, q);
	uint16_t size;

	if (!vq)
		return 0;
	size = vq->size;
	virtio_unlock(v);
	return size;
}

void virtio_set_queue_size(struct virtio_device *v, unsigned q, uint32_t size)
{
	struct virtq *vq = virtio_lock_queue(v, q);

	if (!vq)
		return;
	if (!vq->enabled)
		vq->size = virtq_size_fits(vq, size, v->features & v->offered) ? size : 0;
	virtio_unlock(v);
}

static uint64_t *queue_addr(struct virtq *vq, enum virtio_queue_addr which)
{
	switch (which) {
	case VIRTIO_QUEUE_DESC:
		return &vq->desc_gpa;
	case VIRTIO_QUEUE_AVAIL:
		return &vq->avail_gpa;
	default:
		return &vq->used_gpa;
	}
}

uint64_t virtio_queue_addr(struct virtio_device *v, unsigned q, enum virtio_queue_addr which)
{
	struct virtq *vq = virtio_lock_queue(v, q);
	uint64_t gpa;

	if (!vq)
		return 0;
	gpa = *queue_addr(vq, which);
	virtio_unlock(v);
	return gpa;
}

void virtio_set_queue_addr(struct virtio_device *v, unsigned q, enum virtio_queue_addr which,
			   unsigned half, uint32_t value)
{
	struct virtq *vq = virtio_lock_queue(v, q);

	if (!vq)
		return;
	if (!vq->enabled)
		set_half(queue_addr(vq, which), half, value);
	virtio_unlock(v);
}

bool virtio_queue_enabled(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_lock_queue(v, q);
	bool enabled;

	if (!vq)
		return false;
	enabled = vq->enabled;
	virtio_unlock(v);
	return enabled;
}

/* 3.1.1: queues are set up when the features are settled and before the device is live. */
static bool virtio_in_setup(const struct virtio_device *v)
{
	uint8_t settled = VIRTIO_CONFIG_S_FEATURES_OK;

	return (v->status & (settled | VIRTIO_CONFIG_S_DRIVER_OK)) == settled;
}

void virtio_enable_queue(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_lock_queue(v, q);

	if (!vq)
		return;
	if (virtio_in_setup(v) && !vq->enabled && virtq_enable(vq, v->features) < 0)
		log_guest(&v->rate, "%s: queue %u of size %u cannot be enabled", v->ops->name, q,
			  vq->size);
	virtio_unlock(v);
}

void virtio_disable_queue(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_lock_queue(v, q);

	if (!vq)
		return;
	/* Nothing was popped yet, so nobody has to be waited for. */
	if (virtio_in_setup(v))
		vq->enabled = false;
	virtio_unlock(v);
}

bool virtio_start_queue(struct virtio_device *v, unsigned q, const struct virtio_queue_setup *s)
{
	struct virtq *vq = virtio_lock_queue(v, q);
	bool started;

	if (!vq)
		return false;
	started = v->status & VIRTIO_CONFIG_S_FEATURES_OK && !vq->enabled &&
		  !virtio_has_feature(v, VIRTIO_F_RING_PACKED);
	if (started) {
		vq->size = s->size;
		vq->desc_gpa = s->desc;
		vq->avail_gpa = s->avail;
		vq->used_gpa = s->used;
		started = virtq_enable(vq, v->features) == 0;
	}
	if (started)
		virtq_set_base(vq, s->base);
	virtio_unlock(v);
	if (started)
		virtio_kick(v, q);
	return started;
}

uint16_t virtio_stop_queue(struct virtio_device *v, unsigned q)
{
	struct virtq *vq = virtio_lock_queue(v, q);
	uint16_t base;

	if (!vq)
		return 0;
	base = virtq_base(vq);
	virtq_reset(vq);
	virtio_unlock(v);
	return base;
}

/* --- device configuration (2.5) -------------------------------------------- */

void virtio_config_read(struct virtio_device *v, uint64_t off, void *buf, uint32_t len)
{
	memset(buf, 0, len);
	if (!range_fits(off, len, v->config_len) || !v->ops->config_read)
		return;
	virtio_lock(v);
	/*
	 * The generation moves when new values are first seen, not when they
	 * came to be, so that its 8 bits cannot wrap unseen (4.1.4.3.1).
	 */
	v->config_generation += v->config_changed;
	v->config_changed = false;
	v->ops->config_read(v, off, buf, len);
	virtio_unlock(v);
}

void virtio_config_write(struct virtio_device *v, uint64_t off, const void *buf, uint32_t len)
{
	if (!range_fits(off, len, v->config_len) || !v->ops->config_write)
		return;
	virtio_lock(v);
	v->ops->config_write(v, off, buf, len);
	virtio_unlock(v);
}

uint32_t virtio_config_generation(struct virtio_device *v)
{
	uint32_t generation;

	virtio_lock(v);
	generation = v->config_generation;
	virtio_unlock(v);
	return generation;
}

void virtio_shm_repair(struct virtio_device *v)
{
	pthread_mutex_lock(&v->lock);
	if (v->shm->n_pieces) {
		log_guest(&v->rate, "%s: shared memory has been taken away", v->ops->name);
		shm_window_clear(v->shm);
		if (v->ops->shm_lost)
			v->ops->shm_lost(v);
	}
	pthread_mutex_unlock(&v->lock);
}

int virtio_shm_map(struct virtio_device *v, const struct shm_map *map)
{
	return v->transport->shm_map ? v->transport->shm_map(v->transport_ctx, map) : -ENOTSUP;
}

int virtio_shm_unmap(struct virtio_device *v, uint64_t off, uint64_t len)
{
	return v->transport->shm_unmap ? v->transport->shm_unmap(v->transport_ctx, off, len) :
					 -ENOTSUP;
}

unsigned virtio_shm_room(struct virtio_device *v)
{
	return v->transport->shm_room ? v->transport->shm_room(v->transport_ctx) : UINT_MAX;
}
