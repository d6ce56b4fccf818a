/* SPDX-License-Identifier: MIT */
#include "tests/vhost_backend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/must.h"
#include "vmm/util.h"

struct vb_ring {
	uint32_t num;
	struct vhost_user_addr addr;
	int kick, call;
	uint16_t next;
	bool enabled, started;
};

/* One connection. */
struct vb {
	struct vhost_backend *b;
	int fd;
	bool bad;
	struct vhost_user_memory memory;
	uint8_t *maps[VHOST_USER_MAX_REGIONS];
	struct vb_ring rings[VB_QUEUES];
};

/* --- rings ------------------------------------------------------------------- */

/* Where [addr, addr + len) is mapped, by gpa or by "user address"; must be there. */
static void *vb_ptr(struct vb *c, bool user, uint64_t addr, uint64_t len)
{
	for (unsigned i = 0; i < c->memory.n_regions; i++) {
		const struct vhost_user_region *r = &c->memory.regions[i];
		uint64_t off = addr - (user ? r->user : r->gpa);

		if (off < r->len && len <= r->len - off)
			return c->maps[i] + off;
	}
	must(!"memory that was not shared");
	return NULL;
}

/* Readable descriptors, then writable ones; no indirect ones, which are not offered. */
static uint32_t vb_echo(struct vb *c, const struct vb_ring *r, uint16_t head)
{
	struct vring_desc *table = vb_ptr(c, true, r->addr.desc, 16ull * r->num);
	uint8_t buf[256];
	uint32_t in = 0, out = 0;

	for (uint16_t i = head;; i = table[i].next) {
		uint8_t *p = vb_ptr(c, false, table[i].addr, table[i].len);

		for (uint32_t k = 0; k < table[i].len; k++)
			if (table[i].flags & VRING_DESC_F_WRITE && out < in)
				p[k] = buf[out++];
			else if (!(table[i].flags & VRING_DESC_F_WRITE) && in < sizeof(buf))
				buf[in++] = p[k];
		if (!(table[i].flags & VRING_DESC_F_NEXT))
			return out;
	}
}

static void vb_serve(struct vb *c, struct vb_ring *r)
{
	struct vring_avail *avail = vb_ptr(c, true, r->addr.avail, 6 + 2ull * r->num);
	struct vring_used *used = vb_ptr(c, true, r->addr.used, 6 + 8ull * r->num);
	bool any = false;

	while (r->next != __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE)) {
		uint16_t head = avail->ring[r->next % r->num];
		struct vring_used_elem *e = &used->ring[r->next % r->num];

		e->id = head;
		e->len = vb_echo(c, r, head);
		__atomic_store_n(&used->idx, ++r->next, __ATOMIC_RELEASE);
		any = true;
	}
	if (any)
		eventfd_write(r->call, 1);
}

/* --- messages ---------------------------------------------------------------- */

struct vb_in {
	struct vhost_user_msg msg;
	int fds[VHOST_USER_MAX_FDS];
	unsigned n_fds;
};

static bool vb_recv(struct vb *c, struct vb_in *in)
{
	char control[CMSG_SPACE(sizeof(in->fds))] __attribute__((aligned(8)));
	struct iovec iov = { &in->msg.h, sizeof(in->msg.h) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;

	in->n_fds = 0;
	if (recvmsg(c->fd, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof(in->msg.h))
		return false;
	cmsg = CMSG_FIRSTHDR(&m);
	if (cmsg) {
		in->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(in->fds, CMSG_DATA(cmsg), in->n_fds * sizeof(int));
	}
	must(in->msg.h.size <= VHOST_USER_PAYLOAD_MAX);
	return !in->msg.h.size ||
	       recv(c->fd, &in->msg.u64, in->msg.h.size, MSG_WAITALL) == (ssize_t)in->msg.h.size;
}

static void vb_send_fds(struct vb *c, const void *buf, size_t len, unsigned n)
{
	char control[CMSG_SPACE(100 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&m);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &c->fd, sizeof(int));
	sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

/* Spoils an answer, or sends none. */
static void vb_misbehave(struct vb *c, struct vhost_user_msg *msg)
{
	switch (c->b->mode) {
	case VB_SILENT:
		return;
	case VB_NACK:
		msg->u64 = 1;
		break;
	case VB_WRONG_REQUEST:
		msg->h.request++;
		break;
	case VB_NO_REPLY_FLAG:
		msg->h.flags &= ~VHOST_USER_REPLY;
		break;
	case VB_WRONG_VERSION:
		msg->h.flags ^= 3;
		break;
	case VB_SHORT:
		msg->h.size /= 2;
		break;
	case VB_LONG:
		msg->h.size += 4;
		break;
	case VB_HUGE:
		msg->h.size = UINT32_MAX;
		send(c->fd, &msg->h, sizeof(msg->h), MSG_NOSIGNAL);
		return;
	case VB_PARTIAL:
		send(c->fd, &msg->h, 5, MSG_NOSIGNAL);
		return;
	case VB_FDS:
	case VB_MANY_FDS:
		vb_send_fds(c, &msg->h, sizeof(msg->h) + msg->h.size,
			    c->b->mode == VB_FDS ? 1 : 100);
		return;
	default:
		break;
	}
	send(c->fd, &msg->h, sizeof(msg->h) + msg->h.size, MSG_NOSIGNAL);
}

static void vb_answer(struct vb *c, struct vhost_user_msg *msg, uint32_t size)
{
	msg->h.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	msg->h.size = size;
	if (c->bad && msg->h.request == c->b->bad_request)
		vb_misbehave(c, msg);
	else
		send(c->fd, &msg->h, sizeof(msg->h) + size, MSG_NOSIGNAL);
}

static void vb_map(struct vb *c, struct vb_in *in)
{
	must(in->n_fds == in->msg.memory.n_regions && in->n_fds <= VHOST_USER_MAX_REGIONS);
	must(in->msg.h.size == 8 + 32 * in->n_fds);
	for (unsigned i = 0; i < c->memory.n_regions; i++)
		munmap(c->maps[i], c->memory.regions[i].len);
	c->memory = in->msg.memory;
	for (unsigned i = 0; i < in->n_fds; i++) {
		const struct vhost_user_region *r = &c->memory.regions[i];

		c->maps[i] = mmap(NULL, r->len, PROT_READ | PROT_WRITE, MAP_SHARED, in->fds[i],
				  r->offset);
		must(c->maps[i] != MAP_FAILED);
		/* Sealed: nothing of it can be taken away from under the VMM (case 77). */
		must(ftruncate(in->fds[i], 0) < 0 && errno == EPERM);
	}
}

static void vb_set_fd(struct vb *c, struct vb_in *in, int *fd)
{
	must(in->n_fds == 1 && in->msg.u64 < VB_QUEUES);
	if (*fd >= 0)
		close(*fd);
	*fd = in->fds[0];
	in->n_fds = 0;
}

/* For the test to use. */
static void vb_keep(atomic_int *fd, struct vb_in *in)
{
	int old = atomic_exchange(fd, in->fds[0]);

	must(in->n_fds == 1);
	in->n_fds = 0;
	if (old >= 0)
		close(old);
}

static void vb_config(struct vb *c, struct vhost_user_msg *msg)
{
	struct vhost_backend *b = c->b;
	struct vhost_user_config *cfg = &msg->config;

	must(range_fits(cfg->offset, cfg->size, VB_CONFIG_LEN) &&
	     msg->h.size == VHOST_USER_CONFIG_HEADER + cfg->size);
	pthread_mutex_lock(&b->lock);
	if (msg->h.request == VHOST_USER_GET_CONFIG)
		memcpy(cfg->data, b->config + cfg->offset, cfg->size);
	else
		memcpy(b->config + cfg->offset, cfg->data, cfg->size);
	pthread_mutex_unlock(&b->lock);
}

static uint64_t vb_number(struct vb *c, uint32_t request)
{
	return request == VHOST_USER_GET_FEATURES ? c->b->features :
	       request == VHOST_USER_GET_PROTOCOL_FEATURES ? c->b->protocol : c->b->n_queues;
}

static struct vb_ring *vb_ring(struct vb *c, uint64_t index)
{
	must(index < VB_QUEUES);
	return &c->rings[index];
}

static void vb_handle(struct vb *c, struct vb_in *in)
{
	struct vhost_user_msg *msg = &in->msg;
	bool ack = msg->h.flags & VHOST_USER_NEED_REPLY;

	switch (msg->h.request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
		msg->u64 = vb_number(c, msg->h.request);
		vb_answer(c, msg, sizeof(msg->u64));
		return;
	case VHOST_USER_GET_SHMEM_CONFIG:
		msg->shm_config = (struct vhost_user_shm_config){ .n_regions = 1 };
		msg->shm_config.len[c->b->shm_id] = c->b->shm_len;
		vb_answer(c, msg, sizeof(msg->shm_config));
		return;
	case VHOST_USER_SET_FEATURES:
		c->b->set_features = msg->u64;
		break;
	case VHOST_USER_SET_MEM_TABLE:
		vb_map(c, in);
		break;
	case VHOST_USER_SET_VRING_NUM:
		vb_ring(c, msg->state.index)->num = msg->state.num;
		break;
	case VHOST_USER_SET_VRING_BASE:
		vb_ring(c, msg->state.index)->next = msg->state.num;
		break;
	case VHOST_USER_SET_VRING_ADDR:
		vb_ring(c, msg->addr.index)->addr = msg->addr;
		break;
	case VHOST_USER_SET_VRING_CALL:
		vb_set_fd(c, in, &vb_ring(c, msg->u64)->call);
		break;
	case VHOST_USER_SET_VRING_KICK:
		vb_set_fd(c, in, &vb_ring(c, msg->u64)->kick);
		break;
	case VHOST_USER_SET_VRING_ERR:
		vb_keep(&c->b->err, in);
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		vb_ring(c, msg->state.index)->enabled = msg->state.num;
		break;
	case VHOST_USER_GET_VRING_BASE:
		vb_ring(c, msg->state.index)->started = false;
		vb_ring(c, msg->state.index)->enabled = false;
		msg->state.num = vb_ring(c, msg->state.index)->next;
		vb_answer(c, msg, sizeof(msg->state));
		return;
	case VHOST_USER_GET_CONFIG:
		vb_config(c, msg);
		vb_answer(c, msg, msg->h.size);
		return;
	case VHOST_USER_SET_CONFIG:
		vb_config(c, msg);
		break;
	case VHOST_USER_SET_BACKEND_REQ_FD:
		vb_keep(&c->b->channel, in);
		break;
	}
	msg->u64 = 0;
	if (ack)
		vb_answer(c, msg, sizeof(msg->u64));
}

/* --- a connection's thread ----------------------------------------------------- */

static bool vb_message(struct vb *c)
{
	struct vb_in in = { 0 };

	if (!vb_recv(c, &in))
		return false;
	atomic_fetch_add(&c->b->seen[in.msg.h.request], 1);
	if (c->bad && in.msg.h.request == c->b->bad_request && c->b->mode == VB_DIE)
		return false;
	vb_handle(c, &in);
	for (unsigned i = 0; i < in.n_fds; i++)
		close(in.fds[i]);
	return true;
}

static void vb_kicked(struct vb *c, struct vb_ring *r)
{
	eventfd_t n;

	eventfd_read(r->kick, &n);
	r->started = true;
	if (r->enabled || !(c->b->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		vb_serve(c, r);
}

static void vb_close(struct vb *c)
{
	for (unsigned i = 0; i < VB_QUEUES; i++) {
		if (c->rings[i].kick >= 0)
			close(c->rings[i].kick);
		if (c->rings[i].call >= 0)
			close(c->rings[i].call);
	}
	for (unsigned i = 0; i < c->memory.n_regions; i++)
		munmap(c->maps[i], c->memory.regions[i].len);
	close(c->fd);
	free(c);
}

static void *vb_thread(void *arg)
{
	struct vb *c = arg;

	for (;;) {
		struct pollfd p[1 + VB_QUEUES] = { { .fd = c->fd, .events = POLLIN } };

		for (unsigned i = 0; i < VB_QUEUES; i++)
			p[1 + i] = (struct pollfd){ .fd = c->rings[i].kick, .events = POLLIN };
		poll(p, 1 + VB_QUEUES, -1);
		for (unsigned i = 0; i < VB_QUEUES; i++)
			if (p[1 + i].revents & POLLIN)
				vb_kicked(c, &c->rings[i]);
		if (p[0].revents && !vb_message(c))
			break;
	}
	vb_close(c);
	return NULL;
}

/* --- what the front end dials ---------------------------------------------------- */

void vb_serve_conn(struct vhost_backend *b, int fd)
{
	struct vb *c = calloc(1, sizeof(*c));

	must(c && b->n_threads < VB_MAX_CONNECTIONS);
	c->b = b;
	c->fd = fd;
	c->bad = b->dials < b->bad_connections;
	for (unsigned i = 0; i < VB_QUEUES; i++)
		c->rings[i].kick = c->rings[i].call = -1;
	atomic_store(&b->conn, c->fd);
	must(pthread_create(&b->threads[b->n_threads++], NULL, vb_thread, c) == 0);
	b->dials++;
}

static int vb_dial(void *ctx)
{
	struct vhost_backend *b = ctx;
	int pair[2];

	if (b->refuse)
		return -ECONNREFUSED;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	vb_serve_conn(b, pair[1]);
	return pair[0];
}

static void vb_hung_up(void *ctx)
{
	struct vhost_backend *b = ctx;

	b->hang_ups++;
}

const struct vhost_user_source_ops vb_source = { .dial = vb_dial, .hung_up = vb_hung_up };

void vb_init(struct vhost_backend *b)
{
	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
	b->features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(3);
	b->protocol = BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
		      BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
		      BIT(VHOST_USER_PROTOCOL_F_CONFIG) | BIT(VHOST_USER_PROTOCOL_F_RESET_DEVICE);
	b->n_queues = VB_QUEUES;
	memcpy(b->config, "config space", VB_CONFIG_LEN);
	b->channel = b->err = -1;
}

void vb_finish(struct vhost_backend *b)
{
	for (unsigned i = 0; i < b->n_threads; i++)
		pthread_join(b->threads[i], NULL);
	if (b->channel >= 0)
		close(b->channel);
	if (b->err >= 0)
		close(b->err);
	pthread_mutex_destroy(&b->lock);
}

void vb_kill(struct vhost_backend *b)
{
	shutdown(b->conn, SHUT_RDWR);
}
