/* SPDX-License-Identifier: MIT */
/*
 * Sockets between guest and host (virtio 1.2, 5.10) by the host's kernel: it
 * serves the rings itself (vhost-vsock), and programs on the host reach the
 * guest by AF_VSOCK and its CID.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/registry.h"
#include "devices/virtio/virtio.h"

#define VSOCK_PATH "/dev/vhost-vsock"
/* Receive and transmit are the kernel's; the event queue (5.10.6.7) is for migration alone. */
enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };
#define VSOCK_KERNEL_QUEUES VSOCK_EVENT
#define VSOCK_QUEUE_SIZE 128
/* 0 to 2 have a meaning, and so has the highest (linux/vm_sockets.h). */
#define VSOCK_CID_MIN 3
#define VSOCK_CID_MAX (UINT32_MAX - 1)

struct vsock {
	struct virtio_device v;
	int fd;
	uint64_t cid;
	bool running;		/* the kernel serves the rings */
};

static struct vsock *vsock_of(struct virtio_device *v)
{
	return container_of(v, struct vsock, v);
}

/* 0 or negative errno; after an error in *@ret, nothing. */
static void vsock_ioctl(struct vsock *s, int *ret, unsigned long request, const void *arg)
{
	if (*ret == 0 && ioctl(s->fd, request, arg) < 0)
		*ret = -errno;
}

static void vsock_set_running(struct vsock *s, int *ret, int on)
{
	vsock_ioctl(s, ret, VHOST_VSOCK_SET_RUNNING, &on);
}

/* --- the rings ----------------------------------------------------------------- */

static void vsock_start_ring(struct vsock *s, int *ret, unsigned q)
{
	const struct virtq *vq = virtio_queue(&s->v, q);
	struct vhost_vring_state num = { q, vq->size }, base = { q, 0 };
	struct vhost_vring_file kick = { q, virtio_kick_fd(&s->v, q) };
	struct vhost_vring_file call = { q, virtio_call_fd(&s->v, q) };
	struct vhost_vring_addr addr = {
		.index = q,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};

	vsock_ioctl(s, ret, VHOST_SET_VRING_NUM, &num);
	vsock_ioctl(s, ret, VHOST_SET_VRING_BASE, &base);
	vsock_ioctl(s, ret, VHOST_SET_VRING_ADDR, &addr);
	vsock_ioctl(s, ret, VHOST_SET_VRING_CALL, &call);
	vsock_ioctl(s, ret, VHOST_SET_VRING_KICK, &kick);
}

static void vsock_activate(struct virtio_device *v)
{
	struct vsock *s = vsock_of(v);
	int ret = 0;

	for (unsigned q = 0; q < VSOCK_KERNEL_QUEUES; q++)
		if (!virtio_queue(v, q)->enabled) {
			virtio_fail(v, "the driver leaves queue %u out", q);
			return;
		}
	vsock_ioctl(s, &ret, VHOST_SET_FEATURES, &v->features);
	for (unsigned q = 0; q < VSOCK_KERNEL_QUEUES; q++)
		vsock_start_ring(s, &ret, q);
	vsock_set_running(s, &ret, 1);
	s->running = ret == 0;
	if (ret < 0)
		virtio_fail(v, "the kernel does not take the rings: %s", strerror(-ret));
}

/* When this returns, the kernel is done with guest memory. */
static void vsock_quiesce(struct virtio_device *v)
{
	struct vsock *s = vsock_of(v);
	int ret = 0;

	if (s->running)
		vsock_set_running(s, &ret, 0);
	s->running = false;
}

static void vsock_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct virtio_vsock_config config = { .guest_cid = vsock_of(v)->cid };

	memcpy(buf, (uint8_t *)&config + off, len);
}

static const struct virtio_ops vsock_ops = {
	.name = "virtio-vsock",
	.id = VIRTIO_ID_VSOCK,
	.pci_class = 0x078000,	/* communication controller, other */
	.external = true,
	.config_read = vsock_config_read,
	.activate = vsock_activate,
	.quiesce = vsock_quiesce,
};

/* --- set-up -------------------------------------------------------------------- */

static int vsock_open(struct vsock *s)
{
	s->fd = open(VSOCK_PATH, O_RDWR | O_CLOEXEC);
	if (s->fd >= 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		log_error("--vsock: no permission to open " VSOCK_PATH ": add your user to the "
			  "group that owns it");
	else
		log_error("--vsock: cannot open " VSOCK_PATH ": %m: load the module vhost_vsock");
	return -errno;
}

/* Where guest memory is in this process: that is what the kernel reads and writes. */
static void vsock_set_memory(struct vsock *s, int *ret, const struct gmem *mem)
{
	union {
		struct vhost_memory t;
		uint8_t room[offsetof(struct vhost_memory, regions[GMEM_MAX_REGIONS])];
	} table = { .t.nregions = mem->n_regions };

	for (unsigned i = 0; i < mem->n_regions; i++)
		table.t.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].len,
			.userspace_addr = (uintptr_t)mem->regions[i].host,
		};
	vsock_ioctl(s, ret, VHOST_SET_MEM_TABLE, &table);
}

static int vsock_set_up(struct vsock *s, const struct gmem *mem, uint64_t *features)
{
	int ret = 0;

	vsock_ioctl(s, &ret, VHOST_SET_OWNER, NULL);
	vsock_ioctl(s, &ret, VHOST_GET_FEATURES, features);
	vsock_set_memory(s, &ret, mem);
	if (ret < 0) {
		log_error("--vsock: " VSOCK_PATH ": %s", strerror(-ret));
		return ret;
	}
	vsock_ioctl(s, &ret, VHOST_VSOCK_SET_GUEST_CID, &s->cid);
	if (ret == -EADDRINUSE)
		log_error("--vsock: another VM has cid=%llu", (unsigned long long)s->cid);
	else if (ret < 0)
		log_error("--vsock: cid=%llu: %s", (unsigned long long)s->cid, strerror(-ret));
	return ret;
}

static int vsock_parse_cid(const struct opt_value *opts, uint64_t *cid)
{
	const char *text = opt_value_get(opts, "cid");

	if (text && opt_parse_number(text, VSOCK_CID_MIN, VSOCK_CID_MAX, cid) == 0)
		return 0;
	log_error("--vsock: needs cid=N, by which the host knows the guest: from %u to %u",
		  VSOCK_CID_MIN, VSOCK_CID_MAX);
	return -EINVAL;
}

static int vsock_init(struct vsock *s, const struct virtio_env *env, const struct opt_value *opts)
{
	static const uint16_t sizes[VSOCK_QUEUES] = {
		VSOCK_QUEUE_SIZE, VSOCK_QUEUE_SIZE, VSOCK_QUEUE_SIZE,
	};
	uint64_t features, mask = VIRTIO_COMMON_FEATURES | BIT(VIRTIO_VSOCK_F_SEQPACKET);
	int ret = vsock_parse_cid(opts, &s->cid);

	if (ret == 0)
		ret = vsock_open(s);
	if (ret == 0)
		ret = vsock_set_up(s, env->mem, &features);
	if (ret < 0)
		return ret;
	return virtio_init(&s->v, &vsock_ops, env->loop, env->mem, sizes, VSOCK_QUEUES,
			   features & mask, sizeof(struct virtio_vsock_config));
}

static void vsock_free(struct vsock *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int vsock_create(struct virtio_device **out, const struct virtio_env *env,
			const struct opt_value *opts)
{
	struct vsock *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	ret = vsock_init(s, env, opts);
	if (ret < 0) {
		vsock_free(s);
		return ret;
	}
	*out = &s->v;
	return 0;
}

static void vsock_destroy(struct virtio_device *v)
{
	virtio_finish(v);
	vsock_free(vsock_of(v));
}

const struct virtio_model virtio_vsock_model = {
	.external = true,
	.name = "vsock",
	.help = "sockets between guest and host: cid=N",
	.keys = (const struct opt_key[]){
		{ "cid", "N", "the guest's address, from 3" },
		{ 0 },
	},
	.create = vsock_create,
	.destroy = vsock_destroy,
};
