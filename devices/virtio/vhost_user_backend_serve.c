/* SPDX-License-Identifier: MIT */
/* The requests of a vhost-user front end, each checked and done. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_backend_impl.h"

#define PROTOCOL_FEATURES                                                                          \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |                    \
	 BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_CONFIG) |              \
	 BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE))

/* What a front end may offer its guest on its own, and then names to us: QEMU does. */
#define FRONT_END_FEATURES                                                                         \
	(BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_RING_RESET))

static int refuse(struct vhost_user_backend *b, const char *why)
{
	b->why = why;
	return -EINVAL;
}

/* A descriptor of the message, which is the caller's from now on; -1 when there is none. */
static int take_fd(struct vhost_user_backend *b)
{
	int fd = -1;

	if (b->in.n_fds) {
		fd = b->in.fds[0];
		b->in.fds[0] = -1;
	}
	return fd;
}

static void answer_u64(struct vhost_user_backend *b, uint64_t value)
{
	b->in.msg.u64 = value;
	b->in.msg.h.size = sizeof(b->in.msg.u64);
}

/* --- features ---------------------------------------------------------------------- */

static uint64_t offered(const struct vhost_user_backend *b)
{
	return b->v->offered | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
}

static int get_features(struct vhost_user_backend *b)
{
	answer_u64(b, offered(b));
	return 0;
}

static int set_features(struct vhost_user_backend *b)
{
	uint64_t features = b->in.msg.u64 & ~(FRONT_END_FEATURES & ~offered(b));
	uint64_t own = features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	log_debug("%s: features %#llx", b->name, (unsigned long long)features);
	if (features & ~offered(b))
		return refuse(b, "features that were not offered");
	if (own != b->features && b->active)
		vhost_user_rings_reset(b);
	b->features = own;
	/* Rings start out disabled, which this front end would not know of. */
	for (unsigned i = 0; i < b->v->n_queues && features == own; i++)
		b->rings[i].enabled = true;
	for (unsigned i = 0; i < b->v->n_queues; i++)
		b->rings[i].refused = false;
	return 0;
}

static int get_protocol_features(struct vhost_user_backend *b)
{
	answer_u64(b, PROTOCOL_FEATURES | vhost_user_shm_protocol(b));
	return 0;
}

static int set_protocol_features(struct vhost_user_backend *b)
{
	if (b->in.msg.u64 & ~(PROTOCOL_FEATURES | vhost_user_shm_protocol(b)))
		return refuse(b, "protocol features that were not offered");
	b->protocol = b->in.msg.u64;
	return 0;
}

static int get_queue_num(struct vhost_user_backend *b)
{
	answer_u64(b, b->v->n_queues);
	return 0;
}

static int do_nothing(struct vhost_user_backend *b)
{
	return 0;
}

static int reset_device(struct vhost_user_backend *b)
{
	for (unsigned i = 0; i < b->v->n_queues; i++) {
		vhost_user_ring_set_kick(&b->rings[i], -1);
		b->rings[i].enabled = false;
	}
	vhost_user_rings_reset(b);
	return 0;
}

/* --- memory -------------------------------------------------------------------------- */

static int set_mem_table(struct vhost_user_backend *b)
{
	const struct vhost_user_msg *msg = &b->in.msg;
	struct vhost_user_map map;
	const char *why = NULL;

	/* In the message as it came, before its number of regions is looked at as one. */
	if (msg->h.size < offsetof(struct vhost_user_memory, regions) ||
	    msg->memory.n_regions > VHOST_USER_MAX_REGIONS ||
	    msg->h.size != offsetof(struct vhost_user_memory, regions[msg->memory.n_regions]))
		why = "size of a memory table";
	if (!why)
		why = vhost_user_map_init(&map, &msg->memory, b->in.fds, b->in.n_fds);
	if (why)
		return refuse(b, why);
	if (vhost_user_map_same(&map, &b->map)) {
		vhost_user_map_finish(&map);
		return 0;
	}
	vhost_user_rings_hold(b);
	vhost_user_map_gmem(&map, &b->mem);
	vhost_user_map_finish(&b->map);
	b->map = map;
	for (unsigned i = 0; i < b->v->n_queues; i++)
		b->rings[i].refused = false;
	return 0;
}

/* --- rings --------------------------------------------------------------------------- */

/* Ring @index; NULL after a refusal. */
static struct vhost_user_ring *find_ring(struct vhost_user_backend *b, uint64_t index)
{
	if (index < b->v->n_queues)
		return &b->rings[index];
	refuse(b, "ring that is not there");
	return NULL;
}

static int in_use(struct vhost_user_backend *b)
{
	return refuse(b, "change of a ring in use");
}

static int set_vring_num(struct vhost_user_backend *b)
{
	const struct vhost_user_state *s = &b->in.msg.state;
	struct vhost_user_ring *r = find_ring(b, s->index);

	if (!r)
		return -EINVAL;
	if (!is_pow2(s->num) || s->num > virtio_queue_max_size(b->v, s->index))
		return refuse(b, "size of a ring");
	if (r->live && r->num != s->num)
		return in_use(b);
	r->num = s->num;
	r->refused = false;
	return 0;
}

/* Flags are about a log of dirty memory, which is not offered. */
static int set_vring_addr(struct vhost_user_backend *b)
{
	const struct vhost_user_addr *a = &b->in.msg.addr;
	struct vhost_user_ring *r = find_ring(b, a->index);

	if (!r)
		return -EINVAL;
	if (r->live && (r->addr.desc != a->desc || r->addr.avail != a->avail ||
			r->addr.used != a->used))
		return in_use(b);
	r->addr = *a;
	r->addressed = true;
	r->refused = false;
	return 0;
}

static int set_vring_base(struct vhost_user_backend *b)
{
	const struct vhost_user_state *s = &b->in.msg.state;
	struct vhost_user_ring *r = find_ring(b, s->index);

	if (!r)
		return -EINVAL;
	if (s->num > UINT16_MAX)
		return refuse(b, "base of a ring");
	if (r->live)
		return in_use(b);
	r->base = s->num;
	r->refused = false;
	return 0;
}

static int get_vring_base(struct vhost_user_backend *b)
{
	struct vhost_user_state *s = &b->in.msg.state;
	struct vhost_user_ring *r = find_ring(b, s->index);

	if (!r)
		return -EINVAL;
	vhost_user_ring_set_kick(r, -1);
	vhost_user_rings_update(b);
	s->num = r->base;
	return 0;
}

static int set_vring_enable(struct vhost_user_backend *b)
{
	const struct vhost_user_state *s = &b->in.msg.state;
	struct vhost_user_ring *r = find_ring(b, s->index);

	if (!r)
		return -EINVAL;
	if (s->num > 1)
		return refuse(b, "ring that is neither enabled nor disabled");
	r->enabled = s->num;
	r->refused = false;
	return 0;
}

/*
 * The eventfd of a message and the ring that it is for; *@fd is -1 when the
 * message says that there is none. What is no anonymous inode could block when
 * it is written, or do worse; it is made to not wait for room.
 */
static struct vhost_user_ring *take_eventfd(struct vhost_user_backend *b, int *fd)
{
	uint64_t what = b->in.msg.u64;
	bool none = what & VHOST_USER_RING_NO_FD;
	struct vhost_user_ring *r;
	struct stat st;

	*fd = -1;
	if (what & ~(uint64_t)(VHOST_USER_RING_MASK | VHOST_USER_RING_NO_FD)) {
		refuse(b, "ring that is not there");
		return NULL;
	}
	r = find_ring(b, what & VHOST_USER_RING_MASK);
	if (!r)
		return NULL;
	if (none != !b->in.n_fds) {
		refuse(b, "descriptor that is missing, or one too many");
		return NULL;
	}
	if (none)
		return r;
	if (fstat(b->in.fds[0], &st) < 0 || st.st_mode & S_IFMT ||
	    fcntl(b->in.fds[0], F_SETFL, O_NONBLOCK) < 0) {
		refuse(b, "descriptor that is no eventfd");
		return NULL;
	}
	*fd = take_fd(b);
	return r;
}

static int set_vring_kick(struct vhost_user_backend *b)
{
	int fd;
	struct vhost_user_ring *r = take_eventfd(b, &fd);

	if (!r)
		return -EINVAL;
	if (fd < 0)
		return refuse(b, "ring without kicks, which is to be polled");
	if (vhost_user_ring_set_kick(r, fd) < 0)
		return refuse(b, "kick descriptor that cannot be waited for");
	r->refused = false;
	return 0;
}

static int set_vring_call(struct vhost_user_backend *b)
{
	int fd;
	struct vhost_user_ring *r = take_eventfd(b, &fd);

	if (!r)
		return -EINVAL;
	vhost_user_set_fd(b, &r->call, fd);
	return 0;
}

static int set_vring_err(struct vhost_user_backend *b)
{
	int fd;
	struct vhost_user_ring *r = take_eventfd(b, &fd);

	if (!r)
		return -EINVAL;
	vhost_user_set_fd(b, &r->err, fd);
	return 0;
}

/* --- configuration ----------------------------------------------------------------------- */

/* What is asked for, within the message; beyond the device's configuration are zeros. */
static bool config_fits(const struct vhost_user_msg *msg)
{
	const struct vhost_user_config *c = &msg->config;

	return msg->h.size >= VHOST_USER_CONFIG_HEADER && c->size <= VHOST_USER_CONFIG_MAX &&
	       msg->h.size == VHOST_USER_CONFIG_HEADER + c->size &&
	       range_fits(c->offset, c->size, VHOST_USER_CONFIG_MAX);
}

static uint32_t config_len(const struct vhost_user_backend *b, const struct vhost_user_config *c)
{
	uint32_t len = b->v->config_len;

	return c->offset < len ? MIN(c->size, len - c->offset) : 0;
}

static int get_config(struct vhost_user_backend *b)
{
	struct vhost_user_msg *msg = &b->in.msg;

	if (!config_fits(msg)) {
		/* How an error is told. */
		msg->h.size = 0;
		return 0;
	}
	memset(msg->config.data, 0, msg->config.size);
	virtio_config_read(b->v, msg->config.offset, msg->config.data,
			   config_len(b, &msg->config));
	return 0;
}

static int set_config(struct vhost_user_backend *b)
{
	const struct vhost_user_config *c = &b->in.msg.config;

	if (!config_fits(&b->in.msg))
		return refuse(b, "size of a configuration");
	if (config_len(b, c))
		virtio_config_write(b->v, c->offset, c->data, config_len(b, c));
	return 0;
}

/* --- sockets ------------------------------------------------------------------------------ */

static int set_backend_req_fd(struct vhost_user_backend *b)
{
	if (!b->in.n_fds)
		return refuse(b, "descriptor that is missing, or one too many");
	/* Its answers would come by a way that nobody looks at. */
	if (b->shm_asked)
		return refuse(b, "channel in place of one in use");
	if (vhost_user_shm_set_channel(b, take_fd(b)) < 0)
		return refuse(b, "channel that cannot be waited for");
	return 0;
}

static int get_shmem_config(struct vhost_user_backend *b)
{
	struct vhost_user_shm_config *c = &b->in.msg.shm_config;

	*c = (struct vhost_user_shm_config){ .n_regions = b->p.shm_len > 0 };
	c->len[b->p.shm_id] = b->p.shm_len;
	b->in.msg.h.size = sizeof(*c);
	return 0;
}

/* Where QEMU would take pictures from, and not be without; ours go elsewhere. */
static int gpu_set_socket(struct vhost_user_backend *b)
{
	if (!b->in.n_fds)
		return refuse(b, "descriptor that is missing, or one too many");
	vhost_user_set_fd(b, &b->display, take_fd(b));
	return 0;
}

/* --- which is which ------------------------------------------------------------------------- */

#define ANY UINT32_MAX
#define U64 sizeof(uint64_t)
#define STATE sizeof(struct vhost_user_state)

static const struct request {
	uint32_t request;
	uint32_t size;		/* of the payload; ANY: serve() looks */
	unsigned max_fds;
	bool answers;		/* with the message that serve() leaves */
	/* 0, or -EINVAL after refuse(). */
	int (*serve)(struct vhost_user_backend *b);
} requests[] = {
	{ VHOST_USER_GET_FEATURES, 0, 0, true, get_features },
	{ VHOST_USER_SET_FEATURES, U64, 0, false, set_features },
	{ VHOST_USER_SET_OWNER, 0, 0, false, do_nothing },
	{ VHOST_USER_RESET_OWNER, 0, 0, false, do_nothing },
	{ VHOST_USER_SET_MEM_TABLE, ANY, VHOST_USER_MAX_REGIONS, false, set_mem_table },
	{ VHOST_USER_SET_VRING_NUM, STATE, 0, false, set_vring_num },
	{ VHOST_USER_SET_VRING_ADDR, sizeof(struct vhost_user_addr), 0, false, set_vring_addr },
	{ VHOST_USER_SET_VRING_BASE, STATE, 0, false, set_vring_base },
	{ VHOST_USER_GET_VRING_BASE, STATE, 0, true, get_vring_base },
	{ VHOST_USER_SET_VRING_KICK, U64, 1, false, set_vring_kick },
	{ VHOST_USER_SET_VRING_CALL, U64, 1, false, set_vring_call },
	{ VHOST_USER_SET_VRING_ERR, U64, 1, false, set_vring_err },
	{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, true, get_protocol_features },
	{ VHOST_USER_SET_PROTOCOL_FEATURES, U64, 0, false, set_protocol_features },
	{ VHOST_USER_GET_QUEUE_NUM, 0, 0, true, get_queue_num },
	{ VHOST_USER_SET_VRING_ENABLE, STATE, 0, false, set_vring_enable },
	{ VHOST_USER_SET_BACKEND_REQ_FD, 0, 1, false, set_backend_req_fd },
	{ VHOST_USER_GET_CONFIG, ANY, 0, true, get_config },
	{ VHOST_USER_SET_CONFIG, ANY, 0, false, set_config },
	{ VHOST_USER_GPU_SET_SOCKET, 0, 1, false, gpu_set_socket },
	{ VHOST_USER_RESET_DEVICE, 0, 0, false, reset_device },
	{ VHOST_USER_GET_SHMEM_CONFIG, 0, 0, true, get_shmem_config },
};

static const struct request *find_request(uint32_t request)
{
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].request == request)
			return &requests[i];
	return NULL;
}

static int perform(struct vhost_user_backend *b, const struct request *r)
{
	if (!r)
		return refuse(b, "request that is not known");
	if (r->size != ANY && b->in.msg.h.size != r->size)
		return refuse(b, "size of a message");
	if (b->in.n_fds > r->max_fds)
		return refuse(b, "descriptor that is missing, or one too many");
	return r->serve(b);
}

/* There is room for it, or else the front end does not read its answers. */
static int answer(struct vhost_user_backend *b)
{
	b->in.msg.h.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	return vhost_user_send(b->conn.fd, &b->in.msg, NULL, 0, 0);
}

/* A ring that was to start and could not is no success of the request. */
static bool ring_refused(const struct vhost_user_backend *b, uint32_t request)
{
	const struct vhost_user_state *s = &b->in.msg.state;

	return request == VHOST_USER_SET_VRING_ENABLE && s->num && b->rings[s->index].refused;
}

int vhost_user_backend_serve(struct vhost_user_backend *b)
{
	const struct request *r = find_request(b->in.msg.h.request);
	bool wants_ack = b->in.msg.h.flags & VHOST_USER_NEED_REPLY &&
			 b->protocol & BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	int ret;

	b->why = NULL;
	ret = perform(b, r);
	vhost_user_rings_update(b);
	if (r && r->answers)
		return ret < 0 ? ret : answer(b);
	if (!wants_ack)
		return ret;
	if (ret < 0)
		log_guest(&b->rate, "%s: the front end is refused: %s", b->name, b->why);
	answer_u64(b, ret < 0 || ring_refused(b, b->in.msg.h.request));
	return answer(b);
}
