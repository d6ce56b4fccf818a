/* SPDX-License-Identifier: MIT */
/*
 * A back end that sends the bytes of the input: the first two say how many of
 * them are its answers, which lie ready from the start; the rest comes on its
 * channel. Meanwhile a driver uses the device and resets it. With the highest bit of
 * those two bytes set, the rest are messages for the channel, each behind a byte that
 * says how many bytes it has, 63 at most, and in its upper two bits what descriptors come
 * along: none, a piece of memory, a pipe, or two pieces.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_frontend.h"
#include "tests/vrig.h"
#include "vmm/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG_LEN 12
#define QUEUES 2
#define SHM_ID 1
#define SHM_LEN (8 * SHM_PAGE)
#define MESSAGES 0x8000

struct peer {
	const uint8_t *data;
	size_t size;
	int fd;			/* -1: nobody has dialled yet */
	int channel;		/* -1: none */
	const uint8_t *messages;
	size_t messages_len;
	int memory, pipe[2];
};

static const struct virtio_ops ops = {
	.name = "virtio-fuzz",
	.id = 0x3e,
	.pci_class = 0xff0000,
	VHOST_USER_OPS,
};

static int peer_dial(void *ctx)
{
	struct peer *p = ctx;
	int pair[2];

	if (p->fd >= 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (send(pair[1], p->data, p->size, MSG_DONTWAIT) < 0)
		abort();
	p->fd = pair[1];
	return pair[0];
}

static const struct vhost_user_source_ops source = { .dial = peer_dial };

/* The descriptors in a message: the channel, if this is what it is about, or -1. */
static int take_fds(struct msghdr *m, uint32_t request)
{
	int channel = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		for (size_t off = 0; off < c->cmsg_len - CMSG_LEN(0); off += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + off, sizeof(fd));
			if (request == VHOST_USER_SET_BACKEND_REQ_FD && channel < 0)
				channel = fd;
			else
				close(fd);
		}
	return channel;
}

/* Reads what the front end has said so far, for the channel that it gave. */
static int peer_listen(struct peer *p)
{
	int channel = -1;

	for (;;) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
		} control;
		struct vhost_user_header h;
		uint8_t payload[VHOST_USER_PAYLOAD_MAX];
		struct iovec iov = { &h, sizeof(h) };
		struct msghdr m = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control),
		};
		int fd;

		if (recvmsg(p->fd, &m, MSG_DONTWAIT) != sizeof(h) || h.size > sizeof(payload))
			return channel;
		fd = take_fds(&m, h.request);
		channel = channel < 0 ? fd : channel;
		if (h.size && recv(p->fd, payload, h.size, MSG_DONTWAIT) != (ssize_t)h.size)
			return channel;
	}
}

/* --- messages with descriptors ------------------------------------------------ */

static void send_one(struct peer *p, const uint8_t *bytes, size_t len, unsigned kind)
{
	const int memory[] = { p->memory, p->memory };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(memory))];
	} control = { 0 };
	unsigned n = kind == 3 ? 2 : 1;
	struct iovec iov = { (void *)bytes, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (kind) {
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), kind == 2 ? p->pipe : memory, n * sizeof(int));
	}
	sendmsg(p->channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One of them; false: there is none any more. */
static bool send_next(struct peer *p)
{
	size_t len;
	uint8_t first;

	if (p->channel < 0 || !p->messages_len)
		return false;
	first = *p->messages++;
	p->messages_len--;
	len = MIN(first & 63u, p->messages_len);
	if (len)
		send_one(p, p->messages, len, first >> 6);
	p->messages += len;
	p->messages_len -= len;
	return true;
}

static void check_window(const struct vhost_user *u)
{
	const struct shm_window *w = u->v.shm;

	for (uint64_t off = 0; w && off < w->len; off += SHM_PAGE)
		(void)((const volatile uint8_t *)w->host)[off];
	for (unsigned i = 1; w && i < w->n_pieces; i++)
		if (w->pieces[i - 1].off + w->pieces[i - 1].len > w->pieces[i].off)
			abort();
}

static size_t refuse(const struct virtq_chain *chain)
{
	return chain_write(chain, 0, "no", 2);
}

static void drive(struct vrig *r, struct vhost_user *u, struct peer *p)
{
	struct vdrv *d = &r->d;

	vdrv_start(d, u->v.offered);
	while (send_next(p)) {
		fake_settle(&r->fake);
		check_window(u);
		/* Some are on their way while the rings stop. */
		if (p->messages_len % 5 == 1)
			break;
	}
	send_next(p);
	for (unsigned i = 0; i < QUEUES; i++) {
		vdrv_add(&d->rings[i], &(struct vdrv_buf)VDRV_IN(vdrv_alloc(d, 8, 8), 8), 1);
		vdrv_kick(d, i);
		vdrv_config_write(d, i, 1, i);
		vdrv_config_read(d, i, 1);
	}
	fake_settle(&r->fake);
	vdrv_config_read(d, 0, 4);
	send_next(p);
	vdrv_reset(d);
	if (u->v.shm && u->v.shm->n_pieces)
		abort();
	vdrv_start(d, u->v.offered);
	while (send_next(p))
		fake_settle(&r->fake);
	check_window(u);
	bus_repair(&r->fake.mmio);
	fake_settle(&r->fake);
}

static void run(struct vrig *r, struct peer *p, const uint8_t *noise, size_t noise_len)
{
	const struct vhost_user_params params = {
		.ops = &ops,
		.name = "fuzz",
		.n_queues = QUEUES,
		.queue_size = 8,
		.features = UINT64_MAX,
		.config_len = CONFIG_LEN,
		.count_off = 4,
		.count_len = 2,
		.max_count = QUEUES,
		.shm_id = SHM_ID,
		.shm_max = SHM_LEN,
		/* What is not there will not come. */
		.timeout_ns = 1,
		.redial_ns = UINT32_MAX,
		.refuse = refuse,
		.source = &source,
		.source_ctx = p,
	};
	struct vhost_user u;
	int channel;

	if (vhost_user_init(&u, &params, r->fake.loop, &r->fake.mem) < 0)
		return;
	channel = peer_listen(p);
	if (p->messages) {
		p->channel = channel;
	} else if (channel >= 0) {
		if (noise_len && send(channel, noise, noise_len, MSG_DONTWAIT) < 0)
			abort();
		close(channel);
	}
	vrig_plug(r, &u.v);
	r->d.heap = VRIG_HEAP_GPA;
	drive(r, &u, p);
	if (p->channel >= 0)
		close(p->channel);
	vrig_unplug(r);
	vhost_user_finish(&u);
	if (load_le(u.config + params.count_off, params.count_len) > QUEUES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vrig *r;
	static int memory = -1, pipes[2];
	struct peer p = { .fd = -1, .channel = -1 };
	size_t answers;

	if (!r) {
		r = calloc(1, sizeof(*r));
		vrig_init(r, VRIG_MMIO);
		log_set_level(LOG_ERROR);
		memory = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (ftruncate(memory, 4 * SHM_PAGE) < 0 || pipe(pipes) < 0 ||
		    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
			abort();
	}
	if (size < 2 || size > 4096)
		return 0;
	answers = MIN((size_t)load_le(data, 2) & ~(size_t)MESSAGES, size - 2);
	p.data = data + 2;
	p.size = answers;
	p.memory = memory;
	memcpy(p.pipe, pipes, sizeof(pipes));
	if (load_le(data, 2) & MESSAGES) {
		p.messages = data + 2 + answers;
		p.messages_len = size - 2 - answers;
	}
	run(r, &p, data + 2 + answers, size - 2 - answers);
	if (p.fd >= 0) {
		int channel = peer_listen(&p);

		if (channel >= 0)
			close(channel);
		close(p.fd);
	}
	return 0;
}
