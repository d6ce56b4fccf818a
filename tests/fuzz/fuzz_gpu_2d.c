/* SPDX-License-Identifier: MIT */
/*
 * A driver of a graphics card: the input is a sequence of commands of any
 * content and shape on both queues, frames, monitors and displays that come and
 * go, memory that moves, resets. Every command comes back once, the display is
 * told nothing that breaks its rules (the fake one aborts, and reads every
 * pixel that it is shown), limits hold, and after a reset nothing is left.
 */
#include <stdlib.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/fuzz/input.h"
#include "tests/gpu_rig.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

#define MAX_BYTES (1 * MiB)
#define MAX_RESOURCES 12
#define OUTPUTS 3
#define MAX_ENTRIES 12
#define AREA 512u		/* of a command; entries included */
#define ROOM 1100u		/* of an answer */
#define SLOTS 32		/* commands in flight */

struct fuzz {
	struct gpu_rig rig;
	uint64_t commands, answers;	/* guest memory */
	unsigned in_flight, slot;
	uint32_t room[2][VIRTQ_MAX_SIZE];	/* by head; 0xffffffff: not in flight */
};

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

static uint32_t take_size(struct input *in)
{
	static const uint32_t sizes[] = { 16, 17, 64, 64, 64, 65, 128, 200 };
	uint8_t how = take(in, 1);

	return how < 0xe0 ? sizes[how % 8] : take_u32(in, 255);
}

static struct virtio_gpu_rect take_rect(struct input *in)
{
	return VGPU_RECT(take_u32(in, 20), take_u32(in, 20), take_size(in), take_size(in));
}

static uint32_t take_format(struct input *in)
{
	static const uint8_t formats[] = { 1, 2, 3, 4, 67, 68, 121, 134 };

	return take(in, 1) < 0xf0 ? formats[take(in, 1) % 8] : take_u32(in, 200);
}

/* --- commands ------------------------------------------------------------- */

static size_t put_entries(struct input *in, uint8_t *p, size_t at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, at += sizeof(struct virtio_gpu_mem_entry)) {
		struct virtio_gpu_mem_entry e = {
			.addr = GPU_RIG_FB + take(in, 2) * 16, .length = 1 + take(in, 1) * 256,
		};

		if (take(in, 1) >= 0xf0)
			e = (struct virtio_gpu_mem_entry){ .addr = take(in, 8),
							   .length = take(in, 4) };
		memcpy(p + at, &e, sizeof(e));
	}
	return at;
}

static void fill_blob(struct input *in, union gpu_command *c, uint32_t n)
{
	c->create_blob.resource_id = take_u32(in, 8);
	c->create_blob.blob_mem = take(in, 1) < 0xe0 ? 1 : take_u32(in, 4);
	c->create_blob.blob_flags = take_u32(in, 7);
	c->create_blob.nr_entries = take(in, 1) < 0xe0 ? n : take_u32(in, 20);
	c->create_blob.size = take(in, 1) < 0xe0 ? take(in, 1) % 32 * 4096 : take(in, 8);
}

static void fill_scanout_blob(struct input *in, union gpu_command *c)
{
	c->set_scanout_blob.r = take_rect(in);
	c->set_scanout_blob.scanout_id = take_u32(in, OUTPUTS);
	c->set_scanout_blob.resource_id = take_u32(in, 8);
	c->set_scanout_blob.width = take_size(in);
	c->set_scanout_blob.height = take_size(in);
	c->set_scanout_blob.format = take_format(in);
	c->set_scanout_blob.strides[0] = take(in, 1) < 0xe0 ? c->set_scanout_blob.width * 4 +
				take(in, 1) % 64 : take_u32(in, 255);
	c->set_scanout_blob.offsets[0] = take_u32(in, 200);
}

/* Fields of what has any; the length with what follows. */
static size_t fill(struct input *in, union gpu_command *c, uint8_t *p)
{
	size_t size = gpu_command_size(GPU_CONTROLQ, c->hdr.type);
	uint32_t n = take(in, 1) % MAX_ENTRIES;

	size = size ? size : gpu_command_size(GPU_CURSORQ, c->hdr.type);
	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		c->create_2d.resource_id = take_u32(in, 8);
		c->create_2d.format = take_format(in);
		c->create_2d.width = take_size(in);
		c->create_2d.height = take_size(in);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		c->set_scanout.r = take_rect(in);
		c->set_scanout.scanout_id = take_u32(in, OUTPUTS);
		c->set_scanout.resource_id = take_u32(in, 8);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		c->flush.r = take_rect(in);
		c->flush.resource_id = take_u32(in, 8);
		break;
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		c->transfer_2d.r = take_rect(in);
		c->transfer_2d.offset = take(in, 1) < 0xe0 ? take(in, 2) : take(in, 8);
		c->transfer_2d.resource_id = take_u32(in, 8);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		c->attach.resource_id = take_u32(in, 8);
		c->attach.nr_entries = take(in, 1) < 0xe0 ? n : take_u32(in, 20);
		return put_entries(in, p, size, n);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		fill_blob(in, c, n);
		return put_entries(in, p, size, n);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		fill_scanout_blob(in, c);
		break;
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		c->cursor.pos.scanout_id = take_u32(in, OUTPUTS);
		c->cursor.pos.x = take(in, 4);
		c->cursor.pos.y = take(in, 4);
		c->cursor.resource_id = take_u32(in, 8);
		c->cursor.hot_x = take_u32(in, 64);
		c->cursor.hot_y = take_u32(in, 64);
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
		0x101, 0x101, 0x106, 0x106, 0x105, 0x105, 0x103, 0x103, 0x104, 0x104, 0x102, 0x107,
		0x10c, 0x10c, 0x10d, 0x10d, 0x100, 0x10a, 0x10b, 0x300, 0x300, 0x301, 0x108, 0x109,
	};
	uint8_t how = take(in, 1);

	return how < 0xf8 ? types[how % ARRAY_SIZE(types)] : take_u32(in, 255) + 0x100;
}

static void add_command(struct fuzz *f, struct input *in)
{
	struct vdrv *d = &f->rig.r.d;
	union gpu_command c = { .hdr.type = take_type(in) };
	uint8_t shape = take(in, 1), buf[AREA] = { 0 };
	unsigned q = c.hdr.type >= 0x300 || shape >= 0xf8, n = 0;
	uint64_t out = f->commands + f->slot * AREA, back = f->answers + f->slot * 2048;
	struct vdrv_buf bufs[4];
	size_t len;
	int head;

	if (f->in_flight == SLOTS)
		return;
	c.hdr.flags = shape & 1 ? VIRTIO_GPU_FLAG_FENCE : 0;
	c.hdr.fence_id = f->slot;
	len = fill(in, &c, buf);
	memcpy(buf, &c, MIN(sizeof(c), MAX(gpu_command_size(q, c.hdr.type), sizeof(c.hdr))));
	if (shape & 0x40)
		len = MIN(len, (size_t)take(in, 1));
	memcpy(vdrv_ptr(d, out, AREA), buf, AREA);
	/* In one piece or two. */
	if (shape & 0x20 && len > 1) {
		size_t first = 1 + take(in, 1) % (len - 1);

		bufs[n++] = (struct vdrv_buf)VDRV_OUT(out, first);
		bufs[n++] = (struct vdrv_buf)VDRV_OUT(out + first, len - first);
	} else if (len) {
		bufs[n++] = (struct vdrv_buf)VDRV_OUT(out, len);
	}
	len = shape & 0x10 ? take(in, 1) : ROOM;
	if (len)
		bufs[n++] = (struct vdrv_buf)VDRV_IN(back, len);
	head = n ? vdrv_add(&d->rings[q], bufs, n) : -1;
	if (head < 0)
		return;
	f->room[q][head] = len;
	f->in_flight++;
	f->slot = (f->slot + 1) % SLOTS;
}

static void collect(struct fuzz *f)
{
	uint32_t len;
	int head;

	for (unsigned q = 0; q < 2; q++) {
		while ((head = vdrv_used(&f->rig.r.d.rings[q], &len)) >= 0) {
			CHECK(f->room[q][head] != UINT32_MAX);
			CHECK(len == MIN(f->room[q][head], MAX(len, 24u)));
			f->room[q][head] = UINT32_MAX;
			f->in_flight--;
		}
	}
}

/* --- the rest ------------------------------------------------------------- */

static struct gpu_usage usage_of(struct fuzz *f)
{
	struct gpu_usage usage;

	gpu_get_usage(f->rig.gpu, &usage);
	CHECK(usage.resources <= MAX_RESOURCES && usage.bytes <= MAX_BYTES);
	CHECK(usage.parked <= f->in_flight);
	return usage;
}

static void restart(struct fuzz *f, uint8_t features)
{
	static const unsigned bits[] = {
		VIRTIO_GPU_F_EDID, VIRTIO_GPU_F_RESOURCE_UUID, VIRTIO_GPU_F_RESOURCE_BLOB,
		VIRTIO_RING_F_EVENT_IDX,
	};
	uint64_t wanted = GPU_RIG_FEATURES;
	struct gpu_usage usage;
	struct vdrv *d = &f->rig.r.d;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		wanted &= features & BIT(i) ? ~BIT(bits[i]) : UINT64_MAX;
	vdrv_reset(d);
	usage = usage_of(f);
	CHECK(!usage.resources && !usage.bytes && !usage.backing && !usage.parked);
	for (unsigned i = 0; i < OUTPUTS; i++)
		CHECK(!f->rig.display.outputs[i].picture.shown);
	vdrv_start(d, wanted);
	f->commands = vdrv_alloc(d, SLOTS * AREA, 16);
	f->answers = vdrv_alloc(d, SLOTS * 2048, 16);
	memset(f->room, 0xff, sizeof(f->room));
	f->in_flight = f->slot = 0;
}

static void settle(struct fuzz *f)
{
	vdrv_kick(&f->rig.r.d, 0);
	vdrv_kick(&f->rig.r.d, 1);
	fake_settle(&f->rig.r.fake);
	collect(f);
	usage_of(f);
}

static void frame(struct fuzz *f, unsigned output)
{
	fake_display_frame(&f->rig.display, output % OUTPUTS, gpu_sink(f->rig.gpu));
	collect(f);
}

static void monitor(struct fuzz *f, struct input *in)
{
	const struct display_sink sink = gpu_sink(f->rig.gpu);
	const struct display_output what = {
		.width = take_size(in), .height = take_size(in), .width_mm = take_u32(in, 200),
		.refresh_mhz = take_u32(in, 200),
	};
	uint8_t which = take(in, 1);

	if (which & 0x80)
		sink.ops->plug(sink.ctx, which & 3, which & 0x40);
	else
		sink.ops->configure(sink.ctx, which & 3, &what);
}

static void change_display(struct fuzz *f, bool on)
{
	const struct display display = fake_display(&f->rig.display);

	gpu_set_display(f->rig.gpu, on ? &display : NULL);
}

static void step(struct fuzz *f, struct input *in)
{
	struct vdrv *d = &f->rig.r.d;
	uint8_t op = take(in, 1);

	switch (op % 32) {
	case 0:
		restart(f, op >> 5);
		break;
	case 1:
		vdrv_config_write(d, take(in, 1) % 20, 1u << (op >> 5 & 3), take(in, 8));
		vdrv_config_read(d, take(in, 1) % 20, 1u << (op >> 5 & 3));
		break;
	case 2:
		f->rig.display.paced = op & 0x20;
		break;
	case 3:
	case 4:
		frame(f, op >> 5);
		break;
	case 5:
		monitor(f, in);
		break;
	case 6:
		change_display(f, op & 0xe0);
		break;
	case 7:
		gpu_memory_leave(f->rig.gpu);
		collect(f);
		f->rig.r.fake.mem.n_regions = op & 0x20 ? 1 : 2;
		gpu_memory_enter(f->rig.gpu);
		f->rig.r.fake.mem.n_regions = 2;
		break;
	case 8:
	case 9:
	case 10:
	case 11:
	case 12:
	case 13:
		settle(f);
		break;
	default:
		add_command(f, in);
		break;
	}
}

static struct fuzz *make(void)
{
	const struct gpu_params params = {
		.n_outputs = OUTPUTS, .n_plugged = 2, .max_bytes = MAX_BYTES,
		.max_resources = MAX_RESOURCES,
	};
	struct fuzz *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	gpu_rig_init(&f->rig, VRIG_MMIO, &params);
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
	f->rig.display.paced = false;
	change_display(f, true);
	restart(f, 0);
	while (in.left)
		step(f, &in);
	settle(f);
	settle(f);
	for (unsigned i = 0; i < OUTPUTS; i++)
		frame(f, i);
	CHECK(f->in_flight == 0);
	restart(f, 0);
	return 0;
}
