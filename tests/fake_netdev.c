/* SPDX-License-Identifier: MIT */
#include "tests/fake_netdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util.h"

static struct fake_netdev *fake_of(struct netdev *dev)
{
	return container_of(dev, struct fake_netdev, dev);
}

static int fake_send(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct fake_netdev *f = fake_of(dev);
	struct fake_frame *frame = f->last;

	f->tries++;
	if (f->send_ret < 0)
		return f->send_ret;
	frame->len = 0;
	frame->queue = queue;
	for (unsigned i = 0; i < n; i++) {
		if (iov[i].iov_len > sizeof(frame->data) - frame->len)
			abort();
		memcpy(frame->data + frame->len, iov[i].iov_base, iov[i].iov_len);
		frame->len += iov[i].iov_len;
	}
	f->sent++;
	return 0;
}

/* As readv(2) does it. */
static ssize_t fake_recv(struct netdev *dev, unsigned queue, const struct iovec *iov, unsigned n)
{
	struct fake_netdev *f = fake_of(dev);
	struct fake_frame *frame;
	size_t done = 0;

	if (f->recv_ret < 0)
		return f->recv_ret;
	if (f->in_head == f->in_tail)
		return -EAGAIN;
	frame = f->in[f->in_head++ % FAKE_NETDEV_FRAMES];
	for (unsigned i = 0; i < n && done < frame->len; i++) {
		size_t k = MIN(iov[i].iov_len, frame->len - done);

		memcpy(iov[i].iov_base, frame->data + done, k);
		done += k;
	}
	done = frame->len;
	free(frame);
	return done;
}

static void fake_listen(struct netdev *dev, unsigned queue, bool on)
{
	fake_of(dev)->listening[queue] = on;
}

static void fake_set_offloads(struct netdev *dev, unsigned offloads)
{
	fake_of(dev)->offloads_set = offloads;
	fake_of(dev)->syncs++;
}

static void fake_set_queues(struct netdev *dev, unsigned n)
{
	fake_of(dev)->queues_set = n;
}

static void fake_close(struct netdev *dev)
{
	fake_of(dev)->closed++;
}

static const struct netdev_ops fake_netdev_ops = {
	.send = fake_send,
	.recv = fake_recv,
	.listen = fake_listen,
	.set_offloads = fake_set_offloads,
	.set_queues = fake_set_queues,
	.close = fake_close,
};

void fake_netdev_init(struct fake_netdev *f, unsigned n_queues, unsigned offloads)
{
	memset(f, 0, sizeof(*f));
	f->dev = (struct netdev){
		.ops = &fake_netdev_ops,
		.n_queues = n_queues,
		.offloads = offloads,
		.mtu = 1500,
		.kind = "fake",
	};
	f->last = calloc(1, sizeof(*f->last));
	if (!f->last)
		abort();
}

void fake_netdev_finish(struct fake_netdev *f)
{
	while (f->in_head != f->in_tail)
		free(f->in[f->in_head++ % FAKE_NETDEV_FRAMES]);
	free(f->last);
}

unsigned fake_netdev_left(const struct fake_netdev *f)
{
	return f->in_tail - f->in_head;
}

void fake_netdev_give(struct fake_netdev *f, unsigned queue, const void *frame, size_t len)
{
	struct fake_frame *copy = calloc(1, sizeof(*copy));

	if (!copy || len > sizeof(copy->data) || fake_netdev_left(f) == FAKE_NETDEV_FRAMES)
		abort();
	memcpy(copy->data, frame, len);
	copy->len = len;
	f->in[f->in_tail++ % FAKE_NETDEV_FRAMES] = copy;
	if (f->listening[queue])
		f->dev.front->readable(f->dev.front_ctx, queue);
}

void fake_netdev_drain(struct fake_netdev *f, unsigned queue)
{
	f->send_ret = 0;
	f->dev.front->writable(f->dev.front_ctx, queue);
}
