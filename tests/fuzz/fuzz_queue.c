/* SPDX-License-Identifier: MIT */
/*
 * Rings and memory under a live device: what a hostile guest can do without
 * touching a register. The devices are the echo device, which copies, keeps and
 * gives back, and the entropy device, which hands chains to a system call.
 *
 * Input: a byte that chooses device, features, format and queue size, then
 * operations, see queue_op(). RAM is from the heap, so that ASan sees one byte too far.
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
#define RING_STRIDE 0x400u	/* descriptors, the driver's area at 0x200, the device's at 0x300 */
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

static const struct virtio_transport_ops transport = { .queue_irq = queue_irq, .config_irq = config_irq };

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
	virtio_offer_packed(&z->echo.v);
	virtio_offer_packed(z->rng);
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

static bool is_packed(const struct queue_fuzz *z)
{
	return z->features & BIT(VIRTIO_F_RING_PACKED);
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
		if (is_packed(z))
			memset(ram(z, gpa, RING_STRIDE), 0, RING_STRIDE);
		else
			memset(ram(z, gpa + 0x200, 4), 0, 4);
		virtio_enable_queue(v, q);
		check(virtio_queue_enabled(v, q));
	}
	virtio_set_status(v, LIVE);
}

/* Its flags may make it available by chance; as a rule its id is its index. */
static void put_packed(struct queue_fuzz *z, struct vring_packed_desc *d, uint8_t bits)
{
	*d = (struct vring_packed_desc){
		.addr = take_gpa(z),
		.len = take_len(z),
		.flags = (bits & 7) | (bits & 0x30) << 3 | (bits & 8) << 12,
		.id = bits & 0x80 ? take16(z) : (uintptr_t)d / 16 & 15,
	};
}

static void put_desc(struct queue_fuzz *z, uint64_t table, unsigned i)
{
	struct vring_desc *d = ram(z, table + (i & 31) * sizeof(*d), sizeof(*d));
	uint8_t bits = take(z);

	if (!d)
		return;
	if (is_packed(z)) {
		put_packed(z, (struct vring_packed_desc *)d, bits);
		return;
	}
	/* As a rule the next descriptor follows, and the last of a chain has no next. */
	*d = (struct vring_desc){ .addr = take_gpa(z), .len = take_len(z), .flags = bits & 7,
				  .next = bits & 0x80 ? take(z) : i + 1 };
}

/* The descriptor that the device looks at, or one of those behind it. */
static void expose_packed(struct queue_fuzz *z, unsigned q, uint16_t n)
{
	const struct virtq *vq = virtio_queue(z->v, q);
	struct vring_packed_desc *ring = gmem_ptr(&z->mem, ring_gpa(q), 0x200);
	unsigned off = (vq->p.next_avail & 0x7fff) + n % 4;
	bool wrap = vq->p.next_avail >> 15 ^ (off >= vq->size);
	uint16_t *flags = &ring[off % vq->size].flags;

	*flags &= ~(BIT(VRING_PACKED_DESC_F_AVAIL) | BIT(VRING_PACKED_DESC_F_USED));
	*flags |= BIT(wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED);
}

static void expose(struct queue_fuzz *z, unsigned q, uint16_t head)
{
	struct vring_avail *avail = gmem_ptr(&z->mem, ring_gpa(q) + 0x200, 0x100);

	if (is_packed(z)) {
		expose_packed(z, q, head);
		return;
	}
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

/* All slots are free or in the device's hands. */
static void check_packed(const struct virtq *vq)
{
	unsigned off = vq->p.next_avail & 0x7fff, used = vq->p.used & 0x7fff, n = 0;
	bool wrapped = (vq->p.next_avail ^ vq->p.used) >> 15;

	check(vq->packed && vq->p.next_used == vq->p.used);
	check(off < vq->size && used < vq->size);
	check(wrapped ? off <= used : off >= used);
	for (const struct virtq_chain *c = vq->p.free; c; c = c->next_free)
		n++;
	for (unsigned i = 0; i < vq->size; i++)
		n += vq->chains[i].busy && vq->chains[i].generation == vq->generation;
	check(n == vq->size);
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
		if (is_packed(z)) {
			check_packed(vq);
			continue;
		}
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
	z->features |= setup & 0x20 ? BIT(VIRTIO_F_RING_PACKED) : 0;
	z->size = 1 << (setup >> 3 & 3) * 2;
	/* Any size will do: 3 and 13. */
	if (is_packed(z) && setup & 0x40 && z->size > 1)
		z->size = MIN(z->size, 16) - (z->size > 4 ? 3 : 1);
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
