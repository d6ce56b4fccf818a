/* SPDX-License-Identifier: MIT */
/*
 * A driver of a disk: the input is a sequence of requests of any content and
 * shape, kicks, writes to the configuration, resets, and failures of the host.
 * Every request comes back once, with a status where there is room for one,
 * nothing but the disk's bytes is read or written (the disk in memory aborts),
 * and a read-only disk stays as it is.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>

#include "devices/virtio/blk.h"
#include "tests/fuzz/input.h"
#include "tests/mem_disk.h"
#include "tests/vrig.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)

#define SIZE (32u << 10)
#define AREA 2560u		/* of a request, each way */
#define MAX_REQUESTS 64
#define KINDS 16		/* of disks */
#define UNTOUCHED 0xcc

struct request {
	bool used;		/* this slot is */
	uint64_t status;	/* gpa of the last byte to be written; 0: none */
	uint32_t room;
};

struct fuzz {
	struct vrig r;
	struct mem_disk m;
	struct virtio_device *v;
	bool readonly;
	unsigned in_flight;
	struct request requests[BLK_QUEUE_SIZE];	/* by head */
};

/* --- requests -------------------------------------------------------------------------- */

/* Cuts [gpa, gpa + len) into up to 3 buffers. */
static unsigned cut(struct input *in, struct vdrv_buf *bufs, uint64_t gpa, uint32_t len, bool write)
{
	unsigned pieces = take(in, 1) % 4, n = 0;

	while (pieces-- && len) {
		uint32_t piece = pieces ? MIN(len, (uint32_t)take(in, 1)) : len;

		bufs[n++] = (struct vdrv_buf){ gpa, piece, write };
		gpa += piece;
		len -= piece;
	}
	return n;
}

static uint32_t buf_bytes(const struct vdrv_buf *bufs, unsigned n, bool write)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += bufs[i].write == write ? bufs[i].len : 0;
	return sum;
}

static uint32_t take_len(struct input *in)
{
	uint8_t how = take(in, 1);

	/* Mostly whole sectors. */
	if (how & 1)
		return MIN((how >> 1) % 6 * 512u, AREA);
	return take(in, 2) % AREA;
}

static uint64_t take_sector(struct input *in)
{
	uint8_t how = take(in, 1);

	if (how < 0xc0)
		return how % 72;
	return how < 0xe0 ? UINT64_MAX / 512 + take(in, 1) : take(in, 8);
}

static void fill_header(struct fuzz *f, struct input *in, uint64_t gpa)
{
	static const uint32_t types[] = { 0, 1, 0, 1, 4, 8, 11, 13 };
	uint8_t type = take(in, 1);
	struct virtio_blk_outhdr hdr = { .type = type < 0xe0 ? types[type % 8] : take(in, 4) };
	struct virtio_blk_discard_write_zeroes *range;

	hdr.sector = take_sector(in);
	memcpy(vdrv_ptr(&f->r.d, gpa, 16), &hdr, 16);
	range = vdrv_ptr(&f->r.d, gpa + 16, 16);
	range->sector = take_sector(in);
	range->num_sectors = take(in, 1) < 0xe0 ? take(in, 1) % 72 : take(in, 4);
	range->flags = take(in, 1) & 3;
}

static void add_request(struct fuzz *f, struct input *in)
{
	struct vdrv *d = &f->r.d;
	uint32_t out_len = take_len(in) + take(in, 1) % 33, in_len = take_len(in) + (take(in, 1) & 3);
	uint64_t out, into;
	struct vdrv_buf bufs[6];
	unsigned n;
	int head;

	/* Areas come back when nothing is in flight. */
	if (f->in_flight == MAX_REQUESTS || d->heap > FAKE_RAM_LEN - 3 * AREA)
		return;
	out = vdrv_alloc(d, AREA + 64, 16);
	into = vdrv_alloc(d, AREA + 64, 16);
	memset(vdrv_ptr(d, into, AREA + 64), UNTOUCHED, AREA + 64);
	fill_header(f, in, out);
	n = cut(in, bufs, out, out_len, false);
	n += cut(in, bufs + n, into, in_len, true);
	if (!n)
		return;
	head = vdrv_add(&d->rings[0], bufs, n);
	if (head < 0)
		return;
	in_len = buf_bytes(bufs, n, true);
	f->requests[head] = (struct request){
		.used = true, .status = in_len ? into + in_len - 1 : 0, .room = in_len,
	};
	f->in_flight++;
}

static void collect(struct fuzz *f)
{
	uint32_t len;
	int head;

	while ((head = vdrv_used(&f->r.d.rings[0], &len)) >= 0) {
		struct request *req = &f->requests[head];

		CHECK(req->used);
		CHECK(len <= req->room);
		if (req->room) {
			uint8_t *p = vdrv_ptr(&f->r.d, req->status, 1);

			CHECK(*p <= VIRTIO_BLK_S_UNSUPP);
			CHECK(p[1] == UNTOUCHED);
		}
		req->used = false;
		f->in_flight--;
	}
	if (!f->in_flight)
		f->r.d.heap = f->r.d.heap_start + 2 * align_up(vdrv_ring_bytes(BLK_QUEUE_SIZE), 16);
}

/* --- the rest ------------------------------------------------------------------------------ */

static void restart(struct fuzz *f, uint8_t features)
{
	static const unsigned bits[] = {
		VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_BLK_F_DISCARD,
		VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_BLK_F_RO, VIRTIO_RING_F_EVENT_IDX,
	};
	uint64_t wanted = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		wanted |= features & BIT(i) ? 0 : BIT(bits[i]);
	mem_disk_release(&f->m);
	vdrv_reset(&f->r.d);
	memset(f->requests, 0, sizeof(f->requests));
	f->in_flight = 0;
	vdrv_start(&f->r.d, wanted & vdrv_device_features(&f->r.d));
}

static void settle(struct fuzz *f)
{
	vdrv_kick(&f->r.d, 0);
	fake_settle(&f->r.fake);
	collect(f);
}

static void step(struct fuzz *f, struct input *in)
{
	static const int errors[] = { 0, 0, -EIO, -ENOSPC };
	uint8_t op = take(in, 1);

	switch (op % 16) {
	case 0:
		restart(f, op >> 4 | (take(in, 1) & 3) << 4);
		break;
	case 1:
		vdrv_config_write(&f->r.d, take(in, 1) % 72, 1u << (op >> 4 & 3), take(in, 8));
		break;
	case 2:
		if (op & 0x80)
			mem_disk_hold(&f->m);
		else
			mem_disk_release(&f->m);
		break;
	case 3:
		f->m.error = errors[op >> 4 & 3];
		break;
	case 4:
	case 5:
	case 6:
		settle(f);
		break;
	default:
		add_request(f, in);
		break;
	}
}

static void check_disk(struct fuzz *f)
{
	for (unsigned i = 0; f->readonly && i < SIZE; i++)
		CHECK(f->m.data[i] == 0);
	CHECK(!f->readonly || f->m.n[DISK_WRITE] + f->m.n[DISK_DISCARD] + f->m.n[DISK_ZERO] == 0);
}

static struct fuzz *make(uint8_t how)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	const struct disk_info info = {
		.size = SIZE,
		.block_size = how & 2 ? 4096 : 512,
		.physical_block_size = 4096,
		.discard_granularity = how & 5 ? 0 : 4096,
		.readonly = how & 1,
	};
	const struct blk_params params = { .serial = "fuzz", .queues = 1, .writeback = how & 8 };

	vrig_init(&f->r, VRIG_MMIO);
	mem_disk_init(&f->m, f->r.fake.loop, &info);
	f->readonly = info.readonly;
	if (virtio_blk_create(&f->v, f->r.fake.loop, &f->r.fake.mem, f->m.disk, &params) < 0)
		abort();
	vrig_plug(&f->r, f->v);
	return f;
}

/* What an input meets is as if new; making it new takes a hundred times as long. */
static struct fuzz *begin(uint8_t how)
{
	static struct fuzz *made[KINDS];
	struct fuzz **f = &made[how % KINDS];

	if (!*f)
		*f = make(how);
	(*f)->m.error = 0;
	(*f)->m.disk->flush_error = 0;
	restart(*f, 0);
	return *f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fuzz *f;

	log_set_level(LOG_ERROR);
	f = begin(take(&in, 1));
	while (in.left)
		step(f, &in);
	mem_disk_release(&f->m);
	settle(f);
	settle(f);
	CHECK(f->in_flight == 0);
	check_disk(f);
	return 0;
}
