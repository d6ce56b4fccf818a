/* SPDX-License-Identifier: MIT */
/* What is said to a back end, and when. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_impl.h"

/* Transport features that rings may have without our help; others stay hidden. */
#define RING_FEATURES VIRTIO_COMMON_FEATURES
#define PROTOCOL_FEATURES                                                                          \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |                    \
	 BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_CONFIG) |              \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE))
/* What a shared-memory region takes; all of them or none. */
#define SHM_FEATURES                                                                               \
	(BIT(VHOST_USER_PROTOCOL_F_SHMEM) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD) |           \
	 BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK))
/* Requests of a back end that have come when it stops: more of them are a flood. */
#define CHANNEL_MAX_LEFT 64
/*
 * Rings are named by "user addresses", which need only agree with the memory
 * table: guest addresses, away from 0, so that a back end learns nothing of
 * where things lie in this process.
 */
#define USER_BASE BIT(46)

static bool has_protocol(const struct vhost_user *u, unsigned bit)
{
	return u->protocol & BIT(bit);
}

/* --- losing it --------------------------------------------------------------- */

void vhost_user_drop(struct vhost_user *u)
{
	u->state = VHOST_USER_DOWN;
	u->started = 0;
	shutdown(u->conn.fd, SHUT_RDWR);
	if (u->v.shm)
		shm_window_clear(u->v.shm);
}

void vhost_user_lose(struct vhost_user *u, const char *why)
{
	if (u->state == VHOST_USER_DOWN)
		return;
	vhost_user_drop(u);
	if (virtio_running(&u->v))
		virtio_fail(&u->v, "%s: %s", u->p.name, why);
	else
		log_guest(&u->v.rate, "%s: %s", u->p.name, why);
}

void vhost_user_shm_lost(struct virtio_device *v)
{
	vhost_user_lose(vhost_user_of(v), "memory that the back end has lent is gone");
}

const char *vhost_user_reason(int error)
{
	switch (error) {
	case -EAGAIN:
	case -ETIMEDOUT:
		return "the back end does not answer";
	case -ECONNRESET:
	case -EPIPE:
		return "the back end has gone";
	case -EPROTO:
		return "the back end breaks the protocol";
	default:
		return strerror(-error);
	}
}

/* --- talking (v->lock held) ---------------------------------------------------- */

/* A conversation: the first error ends it, and what follows does nothing. */
struct talk {
	struct vhost_user *u;
	uint64_t deadline;
	int error;
	const char *why;	/* NULL: as @error says */
};

static struct talk talk_begin(struct vhost_user *u)
{
	return (struct talk){ .u = u, .deadline = loop_now_ns() + u->p.timeout_ns };
}

/* Whether all went well; otherwise the connection is given up. */
static bool talk_end(struct talk *t)
{
	if (t->error)
		vhost_user_lose(t->u, t->why ? t->why : vhost_user_reason(t->error));
	return !t->error;
}

static void say(struct talk *t, uint32_t request, struct vhost_user_msg *msg, uint32_t size,
		const int *fds, unsigned n_fds)
{
	msg->h.request = request;
	msg->h.flags |= VHOST_USER_VERSION;
	msg->h.size = size;
	if (!t->error)
		t->error = vhost_user_send(t->u->conn.fd, msg, fds, n_fds, t->deadline);
}

static void say_u64(struct talk *t, uint32_t request, uint64_t value)
{
	struct vhost_user_msg msg = { .u64 = value };

	say(t, request, &msg, sizeof(msg.u64), NULL, 0);
}

static void say_state(struct talk *t, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_msg msg = { .state = { index, num } };

	say(t, request, &msg, sizeof(msg.state), NULL, 0);
}

static void say_fd(struct talk *t, uint32_t request, uint32_t index, int fd)
{
	struct vhost_user_msg msg = { .u64 = index };

	say(t, request, &msg, sizeof(msg.u64), &fd, 1);
}

/* The answer to @request, which has @size bytes. */
static void hear(struct talk *t, uint32_t request, struct vhost_user_msg *msg, uint32_t size)
{
	if (!t->error)
		t->error = vhost_user_recv(t->u->conn.fd, msg, t->deadline);
	if (t->error)
		memset(msg, 0, sizeof(*msg));
	else if (msg->h.request != request || !(msg->h.flags & VHOST_USER_REPLY) ||
		 msg->h.size != size)
		t->error = -EPROTO;
}

static uint64_t ask_u64(struct talk *t, uint32_t request)
{
	struct vhost_user_msg msg = { 0 };

	say(t, request, &msg, 0, NULL, 0);
	hear(t, request, &msg, sizeof(msg.u64));
	return msg.u64;
}

/* Sends @msg and, where the back end can, waits until it says that it has done so. */
static void say_and_wait(struct talk *t, uint32_t request, struct vhost_user_msg *msg,
			 uint32_t size, const int *fds, unsigned n_fds)
{
	bool acked = has_protocol(t->u, VHOST_USER_PROTOCOL_F_REPLY_ACK);

	msg->h.flags = acked ? VHOST_USER_NEED_REPLY : 0;
	say(t, request, msg, size, fds, n_fds);
	if (!acked)
		return;
	hear(t, request, msg, sizeof(msg->u64));
	if (!t->error && msg->u64)
		t->error = -EPROTO;
}

/* --- configuration space ------------------------------------------------------- */

/* Keeps a number of queues to those that are there. */
static void cap_count(struct vhost_user *u)
{
	uint8_t *p = u->config + u->p.count_off;

	if (u->p.count_len && load_le(p, u->p.count_len) > u->p.max_count)
		store_le(p, u->p.count_len, u->p.max_count);
}

/* The whole of it, from its start: some back ends look at the size alone. */
static void fetch_config(struct talk *t)
{
	struct vhost_user *u = t->u;
	uint32_t size = VHOST_USER_CONFIG_HEADER + u->p.config_len;
	struct vhost_user_msg msg = { .config.size = u->p.config_len };

	say(t, VHOST_USER_GET_CONFIG, &msg, size, NULL, 0);
	hear(t, VHOST_USER_GET_CONFIG, &msg, size);
	if (t->error)
		return;
	memcpy(u->config, msg.config.data, u->p.config_len);
	cap_count(u);
	u->config_stale = false;
}

void vhost_user_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct vhost_user *u = vhost_user_of(v);

	if (u->config_stale && u->state >= VHOST_USER_READY) {
		struct talk t = talk_begin(u);

		fetch_config(&t);
		talk_end(&t);
	}
	memcpy(buf, u->config + off, len);
}

void vhost_user_config_write(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len)
{
	struct vhost_user *u = vhost_user_of(v);
	struct vhost_user_msg msg = { .config = { .offset = off, .size = len } };
	struct talk t = talk_begin(u);

	if (u->p.config || u->state < VHOST_USER_READY)
		return;
	memcpy(msg.config.data, buf, len);
	say(&t, VHOST_USER_SET_CONFIG, &msg, VHOST_USER_CONFIG_HEADER + len, NULL, 0);
	u->config_stale = true;
	talk_end(&t);
}

/* --- negotiation --------------------------------------------------------------- */

static void give_channel(struct talk *t)
{
	struct vhost_user *u = t->u;
	struct vhost_user_msg msg = { 0 };

	if (has_protocol(u, VHOST_USER_PROTOCOL_F_BACKEND_REQ))
		say_and_wait(t, VHOST_USER_SET_BACKEND_REQ_FD, &msg, 0, &u->channel_peer, 1);
	close(u->channel_peer);
	u->channel_peer = -1;
}

uint64_t vhost_user_offered(const struct vhost_user *u)
{
	return u->features & (RING_FEATURES | u->p.features) & ~BIT(VIRTIO_F_RING_PACKED);
}

/* What the device cannot do without, or NULL. */
static const char *missing(const struct vhost_user *u, uint64_t n_queues)
{
	if (!(u->features & BIT(VIRTIO_F_VERSION_1)))
		return "the back end knows only virtio before 1.0";
	if (n_queues < u->p.n_queues)
		return "the back end serves fewer queues than asked for (queues=)";
	if (!u->p.config && u->p.config_len && !has_protocol(u, VHOST_USER_PROTOCOL_F_CONFIG))
		return "the back end has no configuration space, which this kind needs";
	if (u->v.offered & ~vhost_user_offered(u))
		return "the back end lacks features of the one before it";
	if (u->shm_len % SHM_PAGE || u->shm_len > u->p.shm_max)
		return "the back end wants a shared-memory region that it was not told to";
	if (u->v.shm && u->shm_len != u->v.shm->len)
		return "the back end has another shared-memory region than the one before it";
	return NULL;
}

/* Bits of it that are of use to us. */
static uint64_t useful_protocol(const struct vhost_user *u, uint64_t offered)
{
	uint64_t protocol = offered & (PROTOCOL_FEATURES | SHM_FEATURES);

	if (!u->p.shm_max || (offered & SHM_FEATURES) != SHM_FEATURES)
		protocol &= PROTOCOL_FEATURES;
	return protocol;
}

static void ask_shm(struct talk *t)
{
	struct vhost_user_msg msg = { 0 };

	t->u->shm_len = 0;
	if (!has_protocol(t->u, VHOST_USER_PROTOCOL_F_SHMEM))
		return;
	say(t, VHOST_USER_GET_SHMEM_CONFIG, &msg, 0, NULL, 0);
	hear(t, VHOST_USER_GET_SHMEM_CONFIG, &msg, sizeof(msg.shm_config));
	t->u->shm_len = msg.shm_config.len[t->u->p.shm_id];
}

/* More patient than later: the back end may have to start. */
bool vhost_user_negotiate(struct vhost_user *u)
{
	struct talk t = talk_begin(u);
	uint64_t n_queues = UINT64_MAX;

	t.deadline += (VHOST_USER_START_FACTOR - 1) * u->p.timeout_ns;
	u->protocol = 0;
	u->features = ask_u64(&t, VHOST_USER_GET_FEATURES);
	if (u->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) {
		u->protocol = useful_protocol(u, ask_u64(&t, VHOST_USER_GET_PROTOCOL_FEATURES));
		say_u64(&t, VHOST_USER_SET_PROTOCOL_FEATURES, u->protocol);
	}
	say(&t, VHOST_USER_SET_OWNER, &(struct vhost_user_msg){ 0 }, 0, NULL, 0);
	if (has_protocol(u, VHOST_USER_PROTOCOL_F_MQ))
		n_queues = ask_u64(&t, VHOST_USER_GET_QUEUE_NUM);
	ask_shm(&t);
	if (!t.error)
		t.why = missing(u, n_queues);
	if (t.why)
		t.error = -ENOTSUP;
	give_channel(&t);
	if (!u->p.config && u->p.config_len)
		fetch_config(&t);
	if (!talk_end(&t))
		return false;
	u->state = VHOST_USER_READY;
	return true;
}

/* --- starting and stopping the rings ------------------------------------------- */

static void send_memory(struct talk *t)
{
	const struct gmem *mem = t->u->v.mem;
	struct vhost_user_msg msg = { .memory.n_regions = mem->n_regions };
	int fds[VHOST_USER_MAX_REGIONS];

	_Static_assert(GMEM_MAX_REGIONS <= VHOST_USER_MAX_REGIONS, "one message has them all");
	for (unsigned i = 0; i < mem->n_regions; i++) {
		const struct gmem_region *r = &mem->regions[i];

		msg.memory.regions[i] = (struct vhost_user_region){
			.gpa = r->gpa,
			.len = r->len,
			.user = USER_BASE + r->gpa,
			.offset = r->offset,
		};
		fds[i] = mem->fd;
	}
	say_and_wait(t, VHOST_USER_SET_MEM_TABLE, &msg,
		     offsetof(struct vhost_user_memory, regions[mem->n_regions]), fds,
		     mem->n_regions);
}

/* The interrupt before the kick, with which the back end begins. */
static void start_ring(struct talk *t, unsigned q)
{
	struct vhost_user *u = t->u;
	const struct virtq *vq = virtio_queue(&u->v, q);
	struct vhost_user_msg msg = {
		.addr = {
			.index = q,
			.desc = USER_BASE + vq->desc_gpa,
			.used = USER_BASE + vq->used_gpa,
			.avail = USER_BASE + vq->avail_gpa,
		},
	};

	say_state(t, VHOST_USER_SET_VRING_NUM, q, vq->size);
	say_state(t, VHOST_USER_SET_VRING_BASE, q, 0);
	say(t, VHOST_USER_SET_VRING_ADDR, &msg, sizeof(msg.addr), NULL, 0);
	say_fd(t, VHOST_USER_SET_VRING_CALL, q, virtio_call_fd(&u->v, q));
	say_fd(t, VHOST_USER_SET_VRING_ERR, q, u->err.fd);
	say_fd(t, VHOST_USER_SET_VRING_KICK, q, virtio_kick_fd(&u->v, q));
	u->started |= BIT(q);
}

/* Without protocol features a ring is enabled from the start. */
static void enable_rings(struct talk *t)
{
	struct vhost_user *u = t->u;

	if (!(u->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		return;
	for (unsigned q = 0; q < u->v.n_queues; q++) {
		struct vhost_user_msg msg = { .state = { .index = q, .num = 1 } };

		if (u->started & BIT(q))
			say_and_wait(t, VHOST_USER_SET_VRING_ENABLE, &msg, sizeof(msg.state),
				     NULL, 0);
	}
}

void vhost_user_activate(struct virtio_device *v)
{
	struct vhost_user *u = vhost_user_of(v);
	struct talk t;

	if (u->state == VHOST_USER_DOWN)
		virtio_fail(v, "%s: no back end is there", u->p.name);
	if (u->state == VHOST_USER_DOWN ||
	    (u->state == VHOST_USER_FRESH && !vhost_user_negotiate(u)))
		return;
	t = talk_begin(u);
	say_u64(&t, VHOST_USER_SET_FEATURES,
		v->features | (u->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)));
	send_memory(&t);
	for (unsigned q = 0; q < v->n_queues; q++)
		if (virtio_queue(v, q)->enabled)
			start_ring(&t, q);
	enable_rings(&t);
	if (talk_end(&t))
		u->state = VHOST_USER_RUNNING;
}

/*
 * The window is empty for the next driver: what the back end asked for until it
 * stopped has come by now, and is not to be done later.
 */
static void empty_window(struct talk *t)
{
	struct vhost_user *u = t->u;
	unsigned left = CHANNEL_MAX_LEFT;
	int ret = 0;

	if (!u->v.shm)
		return;
	while (!t->error && ret == 0 && left--)
		ret = vhost_user_channel_step(u, 0);
	if (!t->error && ret != -EAGAIN && ret != -ECONNRESET)
		t->error = ret < 0 ? ret : -EPROTO;
	shm_window_clear(u->v.shm);
}

/* When all have answered, the back end uses the rings no more. */
void vhost_user_stop(struct vhost_user *u)
{
	struct talk t = talk_begin(u);

	for (unsigned q = 0; q < u->v.n_queues; q++) {
		struct vhost_user_msg msg;

		if (!(u->started & BIT(q)))
			continue;
		say_state(&t, VHOST_USER_GET_VRING_BASE, q, 0);
		hear(&t, VHOST_USER_GET_VRING_BASE, &msg, sizeof(msg.state));
		if (!t.error && msg.state.index != q)
			t.error = -EPROTO;
	}
	if (has_protocol(u, VHOST_USER_PROTOCOL_F_RESET_DEVICE))
		say(&t, VHOST_USER_RESET_DEVICE, &(struct vhost_user_msg){ 0 }, 0, NULL, 0);
	u->started = 0;
	/* What the driver wrote there is forgotten too. */
	u->config_stale = !u->p.config;
	u->state = VHOST_USER_READY;
	empty_window(&t);
	talk_end(&t);
}
