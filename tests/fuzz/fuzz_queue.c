/* SPDX-License-Identifier: MIT */
/*
 * Rings and memory under a live device: what a hostile guest can do without
 * touching a register. The devices are the echo device, which copies, keeps and
 * gives back, and the entropy device, which hands chains to a system call.
 *
 * Input: a byte that chooses device, features and queue size, then operations,
 * see queue_op(). RAM is from the heap, so that ASan sees one byte too far.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "devices/registry.h"
#include "tests/echo_dev.h"
#include "vmm/util.h"

/* Two regions side by side, a hole, a third. */
#define RAM_A 0x0ull
#define RAM_B 0x2000ull
#define HOLE 0x4000ull
#define RAM_C 0x6000ull
#define RAM_END 0x7000ull

#define LIVE                                                                                       \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
	 VIRTIO_CONFIG_S_DRIVER_OK)
#define RING_STRIDE 0x400u	/* descriptors, avail at 0x200, used at 0x300 */
#define MAX_OPS 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not random: the same input does the same. */
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	memset(buf, 0x5a, len);
	return len;
}

struct queue_fuzz {
	struct gmem mem;
	struct loop *loop;
	struct echo_dev echo;
	struct virtio_device *rng;

	struct virtio_device *v;	/* the one chosen */
	uint64_t features;
	uint16_t size;			/* of its queues */
	unsigned config_irqs;		/* since it was started */
	const uint8_t *data;
	size_t left;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* --- the world, made once ---------------------------------------------------- */

static void queue_irq(void *ctx, unsigned q)
{
	check(q < ((struct queue_fuzz *)ctx)->v->n_queues);
}

static void config_irq(void *ctx)
{
	((struct queue_fuzz *)ctx)->config_irqs++;
}

static const struct virtio_transport_ops transport = { queue_irq, config_irq };

static void add_region(struct gmem *mem, uint64_t gpa, uint64_t len)
{
	struct gmem_region *r = &mem->regions[mem->n_regions++];

	*r = (struct gmem_region){ .gpa = gpa, .len = len, .host = aligned_alloc(4096, len) };
	check(r->host);
}

static void make_world(struct queue_fuzz *z)
{
	const struct opt_value opts = { .first = "on" };

	log_set_level(LOG_ERROR);
	add_region(&z->mem, RAM_A, RAM_B - RAM_A);
	add_region(&z->mem, RAM_B, HOLE - RAM_B);
	add_region(&z->mem, RAM_C, RAM_END - RAM_C);
	check(loop_create(&z->loop) == 0);
	echo_init(&z->echo, z->loop, &z->mem);
	virtio_attach(&z->echo.v, &transport, z);
	for (unsigned i = 0; virtio_models[i]; i++)
		if (!strcmp(virtio_models[i]->name, "rng"))
			check(virtio_models[i]->create(&z->rng, &(struct virtio_env){
				.loop = z->loop, .mem = &z->mem }, &opts) == 0);
	virtio_attach(z->rng, &transport, z);
}

/* --- input ------------------------------------------------------------------- */

static uint8_t take(struct queue_fuzz *z)
{
	if (!z->left)
		return 0;
	z->left--;
	return *z->data++;
}

static uint16_t take16(struct queue_fuzz *z)
{
	uint8_t low = take(z);

	return low | take(z) << 8;
}

/* An address: mostly in RAM, near the borders of regions, or nowhere. */
static uint64_t take_gpa(struct queue_fuzz *z)
{
	static const uint64_t bases[] = {
		RAM_A, RAM_A, RAM_B, RAM_C, RAM_B - 8, HOLE - 8, HOLE, RAM_END - 8,
		RAM_END, UINT64_MAX - 15, 1ull << 32, 1ull << 63, 0xd0000000, RAM_A, RAM_A, RAM_C,
	};
	uint16_t off = take16(z);

	return bases[off >> 12] + (off & 0xfff);
}

static uint32_t take_len(struct queue_fuzz *z)
{
	static const uint32_t bases[] = { 0, 0x1000, 0x2000, 0x4000, 0x80000000, 0xffffff00, 0, 0 };
	uint16_t len = take16(z);

	return bases[len >> 13] + (len & 0xfff);
}

/* --- a guest without manners --------------------------------------------------- */

static struct vring_desc *ram(struct queue_fuzz *z, uint64_t gpa, uint64_t len)
{
	return gmem_ptr(&z->mem, gpa, len);
}

static uint64_t ring_gpa(unsigned q)
{
	return RAM_A + q * RING_STRIDE;
}

static void start(struct queue_fuzz *z)
{
	struct virtio_device *v = z->v;

	virtio_set_status(v, 0);
	z->config_irqs = 0;
	virtio_set_driver_features(v, 0, z->features);
	virtio_set_driver_features(v, 1, z->features >> 32);
	virtio_set_status(v, LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned q = 0; q < v->n_queues; q++) {
		uint64_t gpa = ring_gpa(q);

		virtio_set_queue_size(v, q, MIN(z->size, virtio_queue_max_size(v, q)));
		virtio_set_queue_addr(v, q, VIRTIO_QUEUE_DESC, 0, gpa);
		virtio_set_queue_addr(v, q, VIRTIO_QUEUE_AVAIL, 0, gpa + 0x200);
		virtio_set_queue_addr(v, q, VIRTIO_QUEUE_USED, 0, gpa + 0x300);
		/* What a ring says when nobody has used it yet. */
		memset(ram(z, gpa + 0x200, 4), 0, 4);
		virtio_enable_queue(v, q);
		check(virtio_queue_enabled(v, q));
	}
	virtio_set_status(v, LIVE);
}

static void put_desc(struct queue_fuzz *z, uint64_t table, unsigned i)
{
	struct vring_desc *d = ram(z, table + (i & 31) * sizeof(*d), sizeof(*d));
	uint8_t bits = take(z);

	if (!d)
		return;
	/* As a rule the next descriptor follows, and the last of a chain has no next. */
	*d = (struct vring_desc){ .addr = take_gpa(z), .len = take_len(z), .flags = bits & 7,
				  .next = bits & 0x80 ? take(z) : i + 1 };
}

static void expose(struct queue_fuzz *z, unsigned q, uint16_t head)
{
	struct vring_avail *avail = gmem_ptr(&z->mem, ring_gpa(q) + 0x200, 0x100);

	avail->ring[avail->idx & (virtio_queue_size(z->v, q) - 1)] = head;
	avail->idx++;
}

static void scribble(struct queue_fuzz *z)
{
	uint64_t gpa = take16(z) % RAM_END;

	for (unsigned n = take(z) % 32; n; n--) {
		uint8_t *p = gmem_ptr(&z->mem, gpa++, 1), byte = take(z);

		if (p)
			*p = byte;
	}
}

/* A byte: the operation in the low bits, then the queue; the rest is up to it. */
static void queue_op(struct queue_fuzz *z)
{
	uint8_t op = take(z);
	unsigned q = (op >> 3 & 3) % z->v->n_queues;

	switch (op & 7) {
	case 0:
		virtio_kick(z->v, q);
		loop_run_once(z->loop, 0);
		break;
	case 1:
	case 2:
		put_desc(z, ring_gpa(q), take(z));
		break;
	case 3:
		put_desc(z, RAM_C - 0x1000 * (op >> 5 & 3), take(z));
		break;
	case 4:
		expose(z, q, take(z));
		break;
	case 5:
		scribble(z);
		break;
	case 6:
		expose(z, q, take(z));
		virtio_kick(z->v, q);
		loop_run_once(z->loop, 0);
		break;
	case 7:
		if (op & 0x80)
			start(z);
		else
			virtio_set_status(z->v, op & 0x40 ? LIVE : LIVE | VIRTIO_CONFIG_S_FAILED);
		break;
	}
}

/* What holds whatever the guest does. */
static void check_world(struct queue_fuzz *z)
{
	uint8_t status = virtio_get_status(z->v);

	check((status & LIVE) == LIVE);
	for (unsigned q = 0; q < z->v->n_queues; q++) {
		const struct virtq *vq = virtio_queue(z->v, q);

		check(vq->enabled);
		check(!vq->broken || status & VIRTIO_CONFIG_S_NEEDS_RESET);
		check(vq->next_used == vq->used_idx);
		check((uint16_t)(vq->next_avail - vq->next_used) <= vq->size);
	}
	/* It is said once. */
	check(z->config_irqs == !!(status & VIRTIO_CONFIG_S_NEEDS_RESET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct queue_fuzz world;
	struct queue_fuzz *z = &world;
	uint8_t setup;

	if (!z->loop)
		make_world(z);
	z->data = data;
	z->left = size;
	setup = take(z);
	z->v = setup & 1 ? z->rng : &z->echo.v;
	z->features = BIT(VIRTIO_F_VERSION_1);
	z->features |= setup & 2 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0;
	z->features |= setup & 4 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
	z->size = 1 << (setup >> 3 & 3) * 2;
	for (unsigned i = 0; i < z->mem.n_regions; i++)
		memset(z->mem.regions[i].host, 0, z->mem.regions[i].len);
	start(z);
	for (unsigned i = 0; z->left && i < MAX_OPS; i++) {
		queue_op(z);
		check_world(z);
	}
	/* Nothing stays for the next input: no kick, no chain. */
	virtio_set_status(z->v, 0);
	for (unsigned i = 0; i < 3; i++)
		loop_run_once(z->loop, 0);
	return 0;
}
