/* SPDX-License-Identifier: MIT */
#include "tests/echo_dev.h"

#include <stdlib.h>
#include <string.h>

static struct echo_dev *echo_of(struct virtio_device *v)
{
	return container_of(v, struct echo_dev, v);
}

static size_t echo_copy(const struct virtq_chain *chain)
{
	char buf[64];
	size_t done = 0, n, m;

	do {
		n = chain_read(chain, done, buf, sizeof(buf));
		m = chain_write(chain, done, buf, n);
		done += m;
	} while (m == sizeof(buf) && done < ECHO_MAX);
	return done;
}

static void echo_serve(struct echo_dev *e)
{
	unsigned left = ECHO_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(&e->v, 0))) {
		virtq_push(virtio_queue(&e->v, 0), chain, echo_copy(chain));
		left--;
	}
	virtio_signal(&e->v, 0);
	if (!left)
		virtio_kick(&e->v, 0);
}

static void echo_return_all(struct echo_dev *e)
{
	while (e->n_parked) {
		struct virtq_chain *chain = e->parked[--e->n_parked];

		virtq_push(virtio_queue(&e->v, 1), chain, chain_zero(chain, 0, ECHO_MAX));
	}
}

static void echo_park(struct echo_dev *e)
{
	unsigned left = ECHO_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(&e->v, 1))) {
		e->parked[e->n_parked++] = chain;
		if (e->n_parked == ECHO_PARK)
			echo_return_all(e);
		left--;
	}
	virtio_signal(&e->v, 1);
	if (!left)
		virtio_kick(&e->v, 1);
}

static void echo_look(struct echo_dev *e)
{
	struct virtq_chain *chain = virtio_pop(&e->v, 2);

	if (chain)
		virtq_unpop(virtio_queue(&e->v, 2), chain);
}

static void echo_notify(struct virtio_device *v, unsigned q)
{
	struct echo_dev *e = echo_of(v);

	e->notifies[q]++;
	if (q == 0)
		echo_serve(e);
	else if (q == 1)
		echo_park(e);
	else
		echo_look(e);
}

static void echo_activate(struct virtio_device *v)
{
	echo_of(v)->activations++;
}

static void echo_reset(struct virtio_device *v)
{
	struct echo_dev *e = echo_of(v);

	e->resets++;
	e->n_parked = 0;
}

static void echo_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	memcpy(buf, echo_of(v)->config + off, len);
}

static void echo_config_write(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len)
{
	memcpy(echo_of(v)->config + off, buf, len);
}

static const struct virtio_ops echo_ops = {
	.name = "virtio-echo",
	.id = ECHO_ID,
	.pci_class = ECHO_CLASS,
	.config_read = echo_config_read,
	.config_write = echo_config_write,
	.activate = echo_activate,
	.notify = echo_notify,
	.reset = echo_reset,
};

void echo_init(struct echo_dev *e, struct loop *loop, const struct gmem *mem)
{
	static const uint16_t sizes[ECHO_QUEUES] = { ECHO_QUEUE_SIZE, ECHO_QUEUE_SIZE, 1 };

	memset(e, 0, sizeof(*e));
	if (virtio_init(&e->v, &echo_ops, loop, mem, sizes, ECHO_QUEUES, ECHO_FEATURES,
			ECHO_CONFIG_LEN) < 0)
		abort();
	memcpy(e->config, "0123456789", ECHO_CONFIG_LEN);
}

void echo_finish(struct echo_dev *e)
{
	virtio_finish(&e->v);
}
