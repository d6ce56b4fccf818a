/* SPDX-License-Identifier: MIT */
/* Entropy device (virtio 1.2, 5.4): the host's random numbers, written straight into the guest. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices/registry.h"
#include "devices/virtio/virtio.h"

#define RNG_QUEUE_SIZE 8
/* Of one chain; a driver takes less for an answer (5.4.6.1). */
#define RNG_CHAIN_BYTES 4096
/* A chain's descriptors, and borders of RAM that they may cross. */
#define RNG_CHAIN_VECTORS (RNG_QUEUE_SIZE + GMEM_MAX_REGIONS)

struct rng {
	struct virtio_device v;
};

/* The number of bytes written. The host's pool is ready long before a VM runs: no waiting. */
static size_t rng_fill(const struct virtq_chain *chain)
{
	struct iovec iov[RNG_CHAIN_VECTORS];
	unsigned n = chain_iov(chain, true, 0, MIN(chain->writable, (size_t)RNG_CHAIN_BYTES), iov,
			       RNG_CHAIN_VECTORS);
	size_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		ssize_t got = getrandom(iov[i].iov_base, iov[i].iov_len, GRND_NONBLOCK);

		if (got < 0)
			break;
		done += got;
		if ((size_t)got < iov[i].iov_len)
			break;
	}
	return done;
}

static void rng_notify(struct virtio_device *v, unsigned q)
{
	unsigned left = RNG_QUEUE_SIZE;
	struct virtq_chain *chain;

	while (left && (chain = virtio_pop(v, q))) {
		virtq_push(virtio_queue(v, q), chain, rng_fill(chain));
		left--;
	}
	virtio_signal(v, q);
	if (!left)
		virtio_kick(v, q);
}

static const struct virtio_ops rng_ops = {
	.name = "virtio-rng",
	.id = VIRTIO_ID_RNG,
	.pci_class = 0x108000,	/* encryption controller, other */
	.notify = rng_notify,
};

static int rng_create(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts)
{
	static const uint16_t sizes[] = { RNG_QUEUE_SIZE };
	struct rng *rng = calloc(1, sizeof(*rng));
	int ret;

	if (!rng)
		return -ENOMEM;
	ret = virtio_init(&rng->v, &rng_ops, env->loop, env->mem, sizes, 1, 0, 0);
	if (ret < 0) {
		free(rng);
		return ret;
	}
	*out = &rng->v;
	return 0;
}

static void rng_destroy(struct virtio_device *v)
{
	virtio_finish(v);
	free(container_of(v, struct rng, v));
}

const struct virtio_model virtio_rng_model = {
	.name = "rng",
	.arg = "on|off",
	.help = "random numbers from the host",
	.by_default = true,
	.create = rng_create,
	.destroy = rng_destroy,
};
