/* SPDX-License-Identifier: MIT */
/* --vhost-user: a device whose back end listens at a socket. */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_i2c.h>
#include <linux/virtio_input.h>
#include <linux/virtio_net.h>
#include <linux/virtio_snd.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/registry.h"
#include "devices/virtio/vhost_user_frontend.h"

#define ALL_FEATURES ((1ull << 24) - 1)	/* those that are the device's (2.2) */
#define PATH_MAX_LEN (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define KINDS "blk|fs|net|gpu|input|vsock|rng|snd|i2c"

/* A kind of device: what the front end has to know of it. */
struct kind {
	const char *word;
	struct virtio_ops ops;
	unsigned fixed_queues;	/* and beside them... */
	unsigned each_queues;	/* ...for each of queues= */
	uint16_t queue_size;
	const uint16_t *queue_sizes;	/* NULL: all the same */
	uint64_t features;
	uint32_t config_len;
	bool own_config;	/* made up here where the back end has none */
	uint32_t count_off, count_len;	/* of a number of queues in the configuration */
};

#define OPS(name_, id_, class_) { .name = name_, .id = id_, .pci_class = class_, VHOST_USER_OPS }

static const uint16_t gpu_queue_sizes[] = { 256, 16 };

static const struct kind kinds[] = {
	{
		.word = "blk",
		.ops = OPS("virtio-blk", VIRTIO_ID_BLOCK, 0x018000),
		.each_queues = 1,
		.queue_size = 128,
		.features = ALL_FEATURES,
		/* As of virtio 1.1: back ends refuse to give more than they know. */
		.config_len = offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4,
		.count_off = offsetof(struct virtio_blk_config, num_queues),
		.count_len = 2,
	},
	{
		/* The high priority queue and the request queues (5.11.2). */
		.word = "fs",
		.ops = OPS("virtio-fs", VIRTIO_ID_FS, 0x018000),
		.fixed_queues = 1,
		.each_queues = 1,
		.queue_size = 256,
		.config_len = sizeof(struct virtio_fs_config),
		.own_config = true,
	},
	{
		/* Pairs; the control queue stays here, and with it what needs it. */
		.word = "net",
		.ops = OPS("virtio-net", VIRTIO_ID_NET, 0x020000),
		.each_queues = 2,
		.queue_size = 256,
		.features = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			    BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
			    BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_UFO) |
			    BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
			    BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF),
	},
	{
		.word = "gpu",
		.ops = OPS("virtio-gpu", VIRTIO_ID_GPU, 0x038000),
		.fixed_queues = 2,
		.queue_size = 256,
		.queue_sizes = gpu_queue_sizes,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_gpu_config),
	},
	{
		.word = "input",
		.ops = OPS("virtio-input", VIRTIO_ID_INPUT, 0x098000),
		.fixed_queues = 2,
		.queue_size = 64,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_input_config),
	},
	{
		.word = "vsock",
		.ops = OPS("virtio-vsock", VIRTIO_ID_VSOCK, 0x078000),
		.fixed_queues = 3,
		.queue_size = 128,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_vsock_config),
	},
	{
		.word = "rng",
		.ops = OPS("virtio-rng", VIRTIO_ID_RNG, 0x108000),
		.fixed_queues = 1,
		.queue_size = 8,
	},
	{
		.word = "snd",
		.ops = OPS("virtio-snd", VIRTIO_ID_SOUND, 0x040100),
		.fixed_queues = 4,
		.queue_size = 64,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_snd_config),
	},
	{
		.word = "i2c",
		.ops = OPS("virtio-i2c", VIRTIO_ID_I2C_ADAPTER, 0x0c0500),
		.fixed_queues = 1,
		.queue_size = 16,
		.features = ALL_FEATURES,
	},
};

struct vhost_user_dev {
	struct vhost_user u;
	char *path, *name;
	bool told;		/* that nobody is there */
};

/* --- the socket ---------------------------------------------------------------- */

static int socket_dial(void *ctx)
{
	struct vhost_user_dev *dev = ctx;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", dev->path);
	/* With O_NONBLOCK: one that listens and never accepts is no reason to wait. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		ret = -errno;
	if (ret == 0) {
		dev->told = false;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	if (!dev->told)
		log_error("%s: no back end: %s", dev->name, strerror(-ret));
	dev->told = true;
	return ret;
}

static const struct vhost_user_source_ops socket_source = { .dial = socket_dial };

/* --- the option ---------------------------------------------------------------- */

static const struct kind *find_kind(const char *word)
{
	unsigned i = 0;

	/* The option's own check lets no other word through. */
	while (strcmp(kinds[i].word, word))
		i++;
	return &kinds[i];
}

/* What the guest is told where the back end does not tell it. */
static int own_config(const struct kind *kind, const struct opt_value *opts, unsigned queues,
		      struct virtio_fs_config *fs)
{
	const char *tag = opt_value_get(opts, "tag");

	if (strcmp(kind->word, "fs")) {
		if (!tag)
			return 0;
		log_error("--vhost-user: tag= is for kind=fs");
		return -EINVAL;
	}
	if (!tag || !*tag || strlen(tag) > sizeof(fs->tag)) {
		log_error("--vhost-user: kind=fs needs tag=NAME, up to %zu characters, by which "
			  "the guest mounts it", sizeof(fs->tag));
		return -EINVAL;
	}
	memcpy(fs->tag, tag, strlen(tag));
	fs->num_request_queues = queues;
	return 0;
}

static int parse_queues(const struct kind *kind, const struct opt_value *opts, unsigned *queues)
{
	const char *text = opt_value_get(opts, "queues");
	unsigned max = kind->each_queues ?
		       (VIRTIO_MAX_QUEUES - kind->fixed_queues) / kind->each_queues : 1;
	uint64_t n = 1;

	if (text && opt_parse_number(text, 1, max, &n) < 0) {
		log_error("--vhost-user: queues=%.40s: a number from 1 to %u for kind=%s", text,
			  max, kind->word);
		return -EINVAL;
	}
	*queues = n;
	return 0;
}

static void dev_free(struct vhost_user_dev *dev)
{
	free(dev->path);
	free(dev->name);
	free(dev);
}

static struct vhost_user_dev *dev_alloc(const char *word, const char *path)
{
	struct vhost_user_dev *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	dev->path = strdup(path);
	if (asprintf(&dev->name, "--vhost-user %s at %s", word, path) < 0)
		dev->name = NULL;
	if (dev->path && dev->name)
		return dev;
	dev_free(dev);
	return NULL;
}

static int dev_create(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts)
{
	const char *word = opt_value_get(opts, "kind"), *path = opt_value_get(opts, "socket");
	struct virtio_fs_config fs = { 0 };
	const struct kind *kind;
	struct vhost_user_dev *dev;
	struct vhost_user_params p;
	unsigned queues;

	if (!word || !path || !*path || strlen(path) > PATH_MAX_LEN) {
		log_error("--vhost-user: needs kind=%s and socket=PATH, up to %zu characters",
			  KINDS, PATH_MAX_LEN);
		return -EINVAL;
	}
	kind = find_kind(word);
	if (parse_queues(kind, opts, &queues) < 0 || own_config(kind, opts, queues, &fs) < 0)
		return -EINVAL;
	dev = dev_alloc(word, path);
	if (!dev)
		return -ENOMEM;
	p = (struct vhost_user_params){
		.ops = &kind->ops,
		.name = dev->name,
		.n_queues = kind->fixed_queues + queues * kind->each_queues,
		.queue_size = kind->queue_size,
		.queue_sizes = kind->queue_sizes,
		.features = kind->features,
		.config_len = kind->config_len,
		.config = kind->own_config ? &fs : NULL,
		.count_off = kind->count_off,
		.count_len = kind->count_len,
		.max_count = queues,
		.source = &socket_source,
		.source_ctx = dev,
	};
	if (vhost_user_init(&dev->u, &p, env->loop, env->mem) < 0) {
		dev_free(dev);
		return -EIO;
	}
	*out = &dev->u.v;
	return 0;
}

static void dev_destroy(struct virtio_device *v)
{
	struct vhost_user_dev *dev = container_of(v, struct vhost_user_dev, u.v);

	vhost_user_finish(&dev->u);
	dev_free(dev);
}

const struct virtio_model virtio_vhost_user_model = {
	.external = true,
	.shares_ram = true,
	.name = "vhost-user",
	.help = "device of another process: kind=blk,socket=PATH",
	.keys = (const struct opt_key[]){
		{ "kind", KINDS, "what it is" },
		{ "socket", "FILE", "where the back end listens" },
		{ "queues", "N", "for blk, fs and net: so many (pairs of) request queues (1)" },
		{ "tag", "NAME", "for fs: what the guest mounts" },
		{ 0 },
	},
	.multiple = true,
	.create = dev_create,
	.destroy = dev_destroy,
};
