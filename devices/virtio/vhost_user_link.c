/* SPDX-License-Identifier: MIT */
/* A connection's life, on the loop: made, watched, lost, made again. */
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_impl.h"

/* For the rest of a message on the back end's channel. */
#define CHANNEL_TIMEOUT_NS 100000000ull

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void hang_up(struct vhost_user *u)
{
	bool was_open = u->conn.fd >= 0;

	loop_remove(u->v.loop, &u->conn);
	loop_remove(u->v.loop, &u->channel);
	pthread_mutex_lock(&u->v.lock);
	if (u->state != VHOST_USER_DOWN)
		vhost_user_drop(u);
	close_fd(&u->conn.fd);
	close_fd(&u->channel.fd);
	close_fd(&u->channel_peer);
	pthread_mutex_unlock(&u->v.lock);
	if (was_open && u->p.source->hung_up)
		u->p.source->hung_up(u->p.source_ctx);
}

/* Whether @u->conn is of no use any more: lost, perhaps on another thread. */
static bool is_lost(struct vhost_user *u)
{
	bool lost;

	pthread_mutex_lock(&u->v.lock);
	lost = u->state == VHOST_USER_DOWN;
	pthread_mutex_unlock(&u->v.lock);
	return lost;
}

static void redial(void *arg);

static void conn_event(void *arg, uint32_t events)
{
	struct vhost_user *u = arg;

	pthread_mutex_lock(&u->v.lock);
	vhost_user_lose(u, vhost_user_reason(-ECONNRESET));
	pthread_mutex_unlock(&u->v.lock);
	redial(u);
}

/* The driver's fault as a rule, and no reason to look for another back end. */
static void ring_error(void *arg, uint32_t events)
{
	struct vhost_user *u = arg;

	pthread_mutex_lock(&u->v.lock);
	if (u->state == VHOST_USER_RUNNING)
		virtio_fail(&u->v, "%s: the back end reports a broken ring", u->p.name);
	pthread_mutex_unlock(&u->v.lock);
}

/* One message a turn, so that a flood of them leaves the loop to others. */
static void channel_event(void *arg, uint32_t events)
{
	struct vhost_user *u = arg;
	int ret;

	pthread_mutex_lock(&u->v.lock);
	ret = vhost_user_channel_step(u, loop_now_ns() + CHANNEL_TIMEOUT_NS);
	if (ret < 0 && ret != -EAGAIN && ret != -ECONNRESET)
		vhost_user_lose(u, vhost_user_reason(ret));
	pthread_mutex_unlock(&u->v.lock);
	/* It has nothing to say; whether it lives, the connection tells. */
	if (ret == -ECONNRESET)
		loop_remove(u->v.loop, &u->channel);
}

/* Takes over @fd and the back end's end of a channel. */
static int take_connection(struct vhost_user *u, int fd)
{
	int pair[2] = { -1, -1 }, ret = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		ret = -errno;
	pthread_mutex_lock(&u->v.lock);
	u->conn.fd = fd;
	u->channel.fd = pair[0];
	u->channel_peer = pair[1];
	u->state = VHOST_USER_FRESH;
	pthread_mutex_unlock(&u->v.lock);
	if (ret == 0)
		ret = loop_add(u->v.loop, &u->conn, fd, EPOLLRDHUP, conn_event, u);
	if (ret == 0)
		ret = loop_add(u->v.loop, &u->channel, pair[0], EPOLLIN, channel_event, u);
	if (ret < 0) {
		log_error("%s: cannot watch a connection: %s", u->p.name, strerror(-ret));
		hang_up(u);
	}
	return ret;
}

static int dial(struct vhost_user *u)
{
	int fd;

	u->dials_paid_ns = MAX(u->dials_paid_ns, loop_now_ns()) + u->p.redial_ns;
	fd = u->p.source->dial(u->p.source_ctx);
	return fd < 0 ? fd : take_connection(u, fd);
}

/* Whether a connection is due: there is none, and no driver that has to reset the device first. */
static bool is_due(struct vhost_user *u)
{
	bool due;

	pthread_mutex_lock(&u->v.lock);
	due = u->state == VHOST_USER_DOWN && !(u->v.status & VIRTIO_CONFIG_S_DRIVER_OK);
	pthread_mutex_unlock(&u->v.lock);
	return due;
}

/*
 * The driver learns of the loss by a bit that many never look at, and waits for
 * its requests for ever: these are answered with errors.
 */
static void stand_in(struct vhost_user *u)
{
	pthread_mutex_lock(&u->v.lock);
	if (u->v.status & VIRTIO_CONFIG_S_DRIVER_OK && u->p.refuse)
		virtio_adopt(&u->v);
	else
		virtio_disown(&u->v);
	pthread_mutex_unlock(&u->v.lock);
}

void vhost_user_notify(struct virtio_device *v, unsigned q)
{
	struct vhost_user *u = vhost_user_of(v);
	unsigned left = u->p.queue_size;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(v, q))) {
		virtq_push(virtio_queue(v, q), chain, u->p.refuse(chain));
		left--;
	}
	virtio_signal(v, q);
	if (!left)
		virtio_kick(v, q);
}

/* Closes a lost connection and makes a new one, when it is due and not too soon. */
static void redial(void *arg)
{
	struct vhost_user *u = arg;
	uint64_t due_ns = loop_now_ns() + VHOST_USER_REDIAL_BURST * u->p.redial_ns;

	if (u->conn.fd >= 0 && is_lost(u))
		hang_up(u);
	if (u->conn.fd < 0)
		stand_in(u);
	if (!is_due(u))
		return;
	loop_timer_disarm(u->v.loop, &u->timer);
	if (u->dials_paid_ns > due_ns)
		loop_timer_arm(u->v.loop, &u->timer, u->dials_paid_ns - due_ns);
	else if (dial(u) < 0)
		loop_timer_arm(u->v.loop, &u->timer, u->p.redial_ns);
}

void vhost_user_quiesce(struct virtio_device *v)
{
	struct vhost_user *u = vhost_user_of(v);
	bool down, stopped;

	pthread_mutex_lock(&v->lock);
	stopped = u->state == VHOST_USER_RUNNING;
	if (stopped)
		vhost_user_stop(u);
	if (stopped && u->p.renew && u->state == VHOST_USER_READY)
		vhost_user_drop(u);
	down = u->state == VHOST_USER_DOWN;
	pthread_mutex_unlock(&v->lock);
	if (down)
		loop_call(v->loop, redial, u);

	pthread_mutex_lock(&v->lock);
	if (u->state == VHOST_USER_FRESH)
		vhost_user_negotiate(u);
	pthread_mutex_unlock(&v->lock);
}

/* --- life ------------------------------------------------------------------------ */

static int init_device(struct vhost_user *u, struct loop *loop, const struct gmem *mem)
{
	uint16_t sizes[VIRTIO_MAX_QUEUES];
	int ret;

	for (unsigned q = 0; q < u->p.n_queues; q++)
		sizes[q] = u->p.queue_sizes ? u->p.queue_sizes[q] : u->p.queue_size;
	ret = virtio_init(&u->v, u->p.ops, loop, mem, sizes, u->p.n_queues, 0, u->p.config_len);
	if (ret < 0)
		return ret;
	u->err.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->err.fd < 0)
		ret = -errno;
	if (ret == 0)
		ret = loop_add(loop, &u->err, u->err.fd, EPOLLIN | EPOLLET, ring_error, u);
	if (ret < 0) {
		log_error("%s: eventfd: %s", u->p.name, strerror(-ret));
		vhost_user_finish(u);
	}
	return ret;
}

/* The shared-memory region, as long as the first back end wants it. */
static int make_window(struct vhost_user *u)
{
	int ret;

	if (!u->shm_len)
		return 0;
	ret = shm_window_init(&u->shm, u->p.shm_id, u->shm_len);
	if (ret < 0) {
		log_error("%s: no address space of %llu bytes for memory of the back end: %s",
			  u->p.name, (unsigned long long)u->shm_len, strerror(-ret));
		return ret;
	}
	u->v.shm = &u->shm;
	log_info("%s: up to %llu MiB of the host's memory can be mapped into the guest", u->p.name,
		 (unsigned long long)(u->shm_len / MiB));
	return 0;
}

static int connect_first(struct vhost_user *u)
{
	bool ready;
	int ret = dial(u);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&u->v.lock);
	ready = vhost_user_negotiate(u);
	u->v.offered = vhost_user_offered(u);
	pthread_mutex_unlock(&u->v.lock);
	return ready ? make_window(u) : -EPROTO;
}

int vhost_user_init(struct vhost_user *u, const struct vhost_user_params *params,
		    struct loop *loop, const struct gmem *mem)
{
	int ret;

	assert(params->n_queues <= VIRTIO_MAX_QUEUES && params->config_len <= sizeof(u->config));
	*u = (struct vhost_user){
		.p = *params,
		.conn.fd = -1,
		.channel.fd = -1,
		.channel_peer = -1,
		.err.fd = -1,
		.timer = { .cb = redial, .arg = u },
	};
	if (!u->p.timeout_ns)
		u->p.timeout_ns = VHOST_USER_TIMEOUT_NS;
	if (!u->p.redial_ns)
		u->p.redial_ns = VHOST_USER_REDIAL_NS;
	if (params->config)
		u->p.config = memcpy(u->config, params->config, params->config_len);
	ret = init_device(u, loop, mem);
	if (ret < 0)
		return ret;
	ret = connect_first(u);
	if (ret < 0)
		vhost_user_finish(u);
	return ret;
}

void vhost_user_finish(struct vhost_user *u)
{
	loop_timer_disarm(u->v.loop, &u->timer);
	hang_up(u);
	loop_remove(u->v.loop, &u->err);
	if (u->err.fd >= 0)
		close(u->err.fd);
	virtio_finish(&u->v);
	shm_window_finish(&u->shm);
}
