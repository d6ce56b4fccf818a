/* SPDX-License-Identifier: MIT */
/*
 * A back end that sends the bytes of the input: the first two say how many of
 * them are its answers, which lie ready from the start; the rest comes on its
 * channel. Meanwhile a driver uses the device and resets it.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/vhost_user_frontend.h"
#include "tests/vrig.h"
#include "vmm/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONFIG_LEN 12
#define QUEUES 2

struct peer {
	const uint8_t *data;
	size_t size;
	int fd;			/* -1: nobody has dialled yet */
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

static size_t refuse(const struct virtq_chain *chain)
{
	return chain_write(chain, 0, "no", 2);
}

static void drive(struct vrig *r, struct vhost_user *u)
{
	struct vdrv *d = &r->d;

	vdrv_start(d, u->v.offered);
	for (unsigned i = 0; i < QUEUES; i++) {
		vdrv_add(&d->rings[i], &(struct vdrv_buf)VDRV_IN(vdrv_alloc(d, 8, 8), 8), 1);
		vdrv_kick(d, i);
		vdrv_config_write(d, i, 1, i);
		vdrv_config_read(d, i, 1);
	}
	fake_settle(&r->fake);
	vdrv_config_read(d, 0, 4);
	vdrv_reset(d);
	vdrv_start(d, u->v.offered);
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
	if (channel >= 0) {
		if (noise_len && send(channel, noise, noise_len, MSG_DONTWAIT) < 0)
			abort();
		close(channel);
	}
	vrig_plug(r, &u.v);
	r->d.heap = VRIG_HEAP_GPA;
	drive(r, &u);
	vrig_unplug(r);
	vhost_user_finish(&u);
	if (load_le(u.config + params.count_off, params.count_len) > QUEUES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vrig *r;
	struct peer p = { .fd = -1 };
	size_t answers;

	if (!r) {
		r = calloc(1, sizeof(*r));
		vrig_init(r, VRIG_MMIO);
		log_set_level(LOG_ERROR);
	}
	if (size < 2 || size > 4096)
		return 0;
	answers = MIN((size_t)load_le(data, 2), size - 2);
	p.data = data + 2;
	p.size = answers;
	run(r, &p, data + 2 + answers, size - 2 - answers);
	if (p.fd >= 0) {
		int channel = peer_listen(&p);

		if (channel >= 0)
			close(channel);
		close(p.fd);
	}
	return 0;
}
