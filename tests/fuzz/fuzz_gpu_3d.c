/* SPDX-License-Identifier: MIT */
/*
 * A driver of a card with 3D: the input is a sequence of commands of contexts, of
 * resources and of fences on any timeline, answers of a renderer that is late and
 * refuses, of who maps blobs into the guest and is late too, and resets. Every command comes
 * back once, limits hold, what the renderer is asked makes sense (the fake one aborts),
 * streams that it is given are judged as a walk from packet to packet judges them, and after
 * a reset nothing is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "devices/gpu/virgl_stream.h"
#include "devices/virtio/gpu_proto.h"
#include "devices/virtio/shm_window.h"
#include "tests/fake_renderer.h"
#include "tests/fuzz/input.h"
#include "tests/gpu_rig.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

#define FEATURES (GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES)
#define MAX_BYTES (4 * MiB)
#define HOSTMEM MiB
#define MAX_RESOURCES 12
#define MAX_WORDS 64u
#define AREA 512u		/* of a command, entries or words included */
#define ROOM 124u		/* of an answer: a capability set of the fake one */
#define SLOTS 32
#define MAX_ASKED 3		/* pieces of memory to map, at once */

struct fuzz {
	struct gpu_rig rig;
	struct fake_renderer *r;
	uint64_t commands, answers;	/* guest memory */
	unsigned in_flight, slot;
	bool out[VIRTQ_MAX_SIZE];	/* by head */
	struct virtio_transport_ops transport;	/* the rig's, and a window in another process */
	unsigned asked;			/* of that, and not answered yet */
};

/* --- who maps blobs ------------------------------------------------------- */

static struct fuzz *fuzz_of(void *ctx)
{
	return container_of(ctx, struct fuzz, rig.r.mmio);
}

static int shm_ask(struct fuzz *f, uint64_t off, uint64_t len)
{
	CHECK(len && !(len % 4096) && !(off % 4096) && range_fits(off, len, HOSTMEM));
	CHECK(f->asked < MAX_ASKED);
	f->asked++;
	return 0;
}

static int shm_map(void *ctx, const struct shm_map *map)
{
	CHECK(map->fd >= 0);
	return shm_ask(fuzz_of(ctx), map->off, map->len);
}

static int shm_unmap(void *ctx, uint64_t off, uint64_t len)
{
	return shm_ask(fuzz_of(ctx), off, len);
}

static unsigned shm_room(void *ctx)
{
	return MAX_ASKED - fuzz_of(ctx)->asked;
}

/* One is done, or could not be. */
static void shm_answer(struct fuzz *f, bool ok)
{
	struct virtio_device *v = gpu_device(f->rig.gpu);

	if (!f->asked)
		return;
	f->asked--;
	pthread_mutex_lock(&v->lock);
	v->ops->shm_done(v, ok);
	pthread_mutex_unlock(&v->lock);
}

static void shm_plug(struct fuzz *f)
{
	struct virtio_device *v = gpu_device(f->rig.gpu);

	CHECK(v->transport_ctx == &f->rig.r.mmio);
	f->transport = *v->transport;
	f->transport.shm_map = shm_map;
	f->transport.shm_unmap = shm_unmap;
	f->transport.shm_room = shm_room;
	v->transport = &f->transport;
}

/* Mostly small numbers, sometimes those at which things wrap. */
static uint32_t take_u32(struct input *in, uint32_t small)
{
	uint8_t how = take(in, 1);

	if (how < 0xe0)
		return how % (small + 1);
	if (how < 0xf0)
		return UINT32_MAX - (how & 15);
	return take(in, 4);
}

/* --- commands ------------------------------------------------------------- */

static void fill_create(struct input *in, struct virtio_gpu_resource_create_3d *c)
{
	c->resource_id = take_u32(in, 8);
	c->target = take_u32(in, 8);
	c->format = take_u32(in, 200);
	c->bind = take_u32(in, 255);
	c->width = take_u32(in, 200);
	c->height = take_u32(in, 64);
	c->depth = 1 + take_u32(in, 3);
	c->array_size = take_u32(in, 12);
	c->last_level = take_u32(in, 3);
	c->nr_samples = take_u32(in, 4);
	c->flags = take_u32(in, 1);
}

static void fill_transfer(struct input *in, struct virtio_gpu_transfer_host_3d *c)
{
	c->box = (struct virtio_gpu_box){
		.x = take_u32(in, 64), .y = take_u32(in, 64), .w = take_u32(in, 64),
		.h = take_u32(in, 64), .d = take_u32(in, 2),
	};
	c->offset = take(in, 1) < 0xe0 ? take(in, 2) : take(in, 8);
	c->resource_id = take_u32(in, 8);
	c->level = take_u32(in, 3);
	c->stride = take_u32(in, 255);
}

/* What follows the command: a stream of packets that fit, but for some. */
static size_t put_stream(struct input *in, uint8_t *p, size_t at, uint32_t *size)
{
	uint32_t words[MAX_WORDS], n = 0, left = 1 + take(in, 1) % MAX_WORDS, end;

	*size = take(in, 1) < 0xe0 ? 4 * left : take_u32(in, 255);
	while (n < left) {
		words[n] = take(in, 1) | (uint32_t)(take(in, 1) % 8) << 16;
		if (take(in, 1) >= 0xf0)
			words[n] = take(in, 4);
		end = n + 1 + (words[n] >> 16);
		for (n++; n < MIN(end, left); n++)
			words[n] = take(in, 1);
	}
	memcpy(p + at, words, 4 * left);
	return at + 4 * left;
}

static size_t put_entries(struct input *in, uint8_t *p, size_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct virtio_gpu_mem_entry)) {
		const struct virtio_gpu_mem_entry e = {
			.addr = GPU_RIG_FB + take(in, 2) * 16, .length = 1 + take(in, 1) * 16,
		};

		memcpy(p + at, &e, sizeof(e));
	}
	return at;
}

/* Fields of what has any; the length with what follows. */
static size_t fill(struct input *in, union gpu_command *c, uint8_t *p)
{
	size_t size = gpu_command_size(GPU_CONTROLQ, c->hdr.type);
	uint32_t n = 1 + take(in, 1) % 4;

	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_CTX_CREATE:
		c->ctx_create.nlen = take_u32(in, 64);
		c->ctx_create.context_init = take_u32(in, 3);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		fill_create(in, &c->create_3d);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D:
	case VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D:
		fill_transfer(in, &c->transfer_3d);
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		return put_stream(in, p, size, &c->submit.size);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		c->attach.resource_id = take_u32(in, 8);
		c->attach.nr_entries = n;
		return put_entries(in, p, size, n);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		c->create_blob.resource_id = take_u32(in, 8);
		c->create_blob.blob_mem = take_u32(in, 4);
		c->create_blob.size = take(in, 1) % 4 * 4096;
		c->create_blob.blob_flags = take_u32(in, 7);
		n = c->create_blob.blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D ? 0 : n;
		c->create_blob.nr_entries = n;
		return put_entries(in, p, size, n);
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
		c->map_blob.resource_id = take_u32(in, 8);
		c->map_blob.offset = take(in, 1) < 0xe0 ? take(in, 1) * 4096 : take(in, 8);
		break;
	case VIRTIO_GPU_CMD_GET_CAPSET:
		c->capset.capset_id = take_u32(in, 3);
		c->capset.capset_version = take_u32(in, 2);
		break;
	default:
		/* An id is all that the others have. */
		c->unref.resource_id = take_u32(in, 8);
		break;
	}
	return size ? size : sizeof(c->hdr);
}

static uint32_t take_type(struct input *in)
{
	static const uint32_t types[] = {
		0x200, 0x200, 0x201, 0x202, 0x203, 0x204, 0x204, 0x205, 0x206, 0x207, 0x207, 0x207,
		0x208, 0x209, 0x102, 0x106, 0x106, 0x107, 0x10c, 0x108, 0x109,
	};

	static const uint32_t blob_types[] = { 0x10c, 0x208, 0x208, 0x209 };
	uint8_t how = take(in, 1);

	return how < 0xe0 ? types[how % ARRAY_SIZE(types)] : blob_types[how & 3];
}

static void add_command(struct fuzz *f, struct input *in)
{
	struct vdrv *d = &f->rig.r.d;
	union gpu_command c = { .hdr.type = take_type(in) };
	uint8_t shape = take(in, 1), buf[AREA] = { 0 };
	uint64_t out = f->commands + f->slot * AREA, back = f->answers + f->slot * ROOM;
	size_t len = fill(in, &c, buf);
	struct vdrv_buf bufs[] = { VDRV_OUT(out, len), VDRV_IN(back, ROOM) };
	int head;

	if (f->in_flight == SLOTS)
		return;
	c.hdr.flags = shape & 3;
	c.hdr.fence_id = take(in, 1);
	c.hdr.ctx_id = take_u32(in, 4);
	c.hdr.ring_idx = take(in, 1);
	memcpy(buf, &c, gpu_command_size(GPU_CONTROLQ, c.hdr.type));
	if (shape >= 0xf8)
		bufs[0].len = MAX(len, 2u) / 2;
	memcpy(vdrv_ptr(d, out, AREA), buf, AREA);
	f->r->error = shape & 0x40 ? -ENOMEM : 0;
	f->r->fence_now = shape & 0x20;
	head = vdrv_add(&d->rings[0], bufs, 2);
	if (head < 0)
		return;
	f->out[head] = true;
	f->in_flight++;
	f->slot = (f->slot + 1) % SLOTS;
}

static void collect(struct fuzz *f)
{
	uint32_t len;
	int head;

	while ((head = vdrv_used(&f->rig.r.d.rings[0], &len)) >= 0) {
		CHECK(f->out[head] && len >= sizeof(struct virtio_gpu_ctrl_hdr) && len <= ROOM);
		f->out[head] = false;
		f->in_flight--;
	}
}

/* --- the rest ------------------------------------------------------------- */

static struct gpu_usage usage_of(struct fuzz *f)
{
	struct gpu_usage usage;

	gpu_get_usage(f->rig.gpu, &usage);
	CHECK(usage.resources <= MAX_RESOURCES && usage.bytes <= MAX_BYTES);
	CHECK(usage.resources == f->r->resources && usage.contexts == f->r->contexts);
	CHECK(usage.parked <= f->in_flight);
	return usage;
}

static void restart(struct fuzz *f)
{
	struct vdrv *d = &f->rig.r.d;
	struct gpu_usage usage;

	vdrv_reset(d);
	f->asked = 0;
	usage = usage_of(f);
	CHECK(!f->r->mapped);
	CHECK(!usage.resources && !usage.bytes && !usage.backing && !usage.parked &&
	      !usage.contexts);
	vdrv_start(d, FEATURES);
	f->commands = vdrv_alloc(d, SLOTS * AREA, 16);
	f->answers = vdrv_alloc(d, SLOTS * ROOM, 16);
	memset(f->out, 0, sizeof(f->out));
	f->in_flight = f->slot = 0;
}

static void settle(struct fuzz *f)
{
	vdrv_kick(&f->rig.r.d, 0);
	fake_settle(&f->rig.r.fake);
	collect(f);
	usage_of(f);
}

/* The renderer says something, true or not. */
static void fences_done(struct fuzz *f, const struct gpu_fence *fence)
{
	f->r->done = *fence;
	f->r->done_due = true;
	eventfd_write(f->r->fd, 1);
	fake_settle(&f->rig.r.fake);
	collect(f);
}

static void all_fences_done(struct fuzz *f)
{
	struct gpu_fence fence = { .seq = UINT64_MAX };

	fences_done(f, &fence);
	for (fence.ctx_id = 0; f->in_flight && fence.ctx_id < 5; fence.ctx_id++)
		for (fence.ring_idx = 0; fence.ring_idx < FAKE_RENDERER_RINGS; fence.ring_idx++)
			fences_done(f, &fence);
	/* Contexts of any number. */
	for (unsigned i = 0; i < FAKE_RENDERER_CONTEXTS; i++) {
		fence.ctx_id = f->r->ctx_ids[i];
		if (!fence.ctx_id)
			continue;
		for (fence.ring_idx = 0; fence.ring_idx < FAKE_RENDERER_RINGS; fence.ring_idx++)
			fences_done(f, &fence);
	}
}

/* Everybody is done with everything, which may let other commands go on. */
static void all_done(struct fuzz *f)
{
	while (f->asked)
		shm_answer(f, true);
	settle(f);
	all_fences_done(f);
}

/* Streams of the input itself, and their judge's other half. */
static void judge(struct input *in)
{
	uint32_t words[MAX_WORDS];
	size_t n = take(in, 1) % MAX_WORDS, at = 0;

	for (size_t i = 0; i < n; i++)
		words[i] = take(in, 1) | (uint32_t)(take(in, 1) % 16) << 16;
	while (at < n)
		at += 1 + (words[at] >> 16);
	CHECK(virgl_stream_valid(words, n) == (at == n));
}

static void step(struct fuzz *f, struct input *in)
{
	uint8_t op = take(in, 1);

	switch (op % 16) {
	case 0:
		if (op & 0x80)
			restart(f);
		break;
	case 1:
		fences_done(f, &(struct gpu_fence){ .ctx_id = take_u32(in, 4),
						    .ring_idx = take_u32(in, 16),
						    .seq = f->r->asked.seq - take(in, 1) });
		break;
	case 2:
		gpu_memory_leave(f->rig.gpu);
		collect(f);
		gpu_memory_enter(f->rig.gpu);
		break;
	case 3:
		if (op & 0x80)
			shm_answer(f, op & 0x40);
		else
			judge(in);
		break;
	case 4:
	case 5:
	case 6:
		settle(f);
		break;
	default:
		add_command(f, in);
		break;
	}
}

static struct fuzz *make(void)
{
	struct gpu_params params = {
		.n_outputs = 1, .n_plugged = 1, .max_bytes = MAX_BYTES,
		.max_resources = MAX_RESOURCES, .hostmem = HOSTMEM,
	};
	struct fuzz *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->r = fake_renderer_create(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	params.renderer = &f->r->base;
	gpu_rig_init(&f->rig, VRIG_MMIO, &params);
	shm_plug(f);
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz *f;
	struct input in = { data, size };

	log_set_level(LOG_ERROR);
	if (!f)
		f = make();
	restart(f);
	while (in.left)
		step(f, &in);
	settle(f);
	for (unsigned i = 0; i <= SLOTS && (f->in_flight || f->asked); i++)
		all_done(f);
	CHECK(f->in_flight == 0 && !f->asked);
	f->r->error = 0;
	restart(f);
	return 0;
}
