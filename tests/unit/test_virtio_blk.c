/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/blk.h"
#include "tests/capture.h"
#include "tests/mem_disk.h"
#include "tests/vrig.h"

#define SIZE (256u << 10)
#define SECTORS (SIZE / 512)
#define UNTOUCHED 0xcc	/* what memory for the device to write holds before */
#define ALL_FEATURES                                                                               \
	(VIRTIO_COMMON_FEATURES | BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE) |         \
	 BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES))

struct t {
	struct vrig r;
	struct virtio_device *v;
	struct mem_disk m;
	bool has_mem_disk;
	char path[40];
};

/* --- the rig ------------------------------------------------------------------------ */

static const struct disk_info plain_info = {
	.size = SIZE, .block_size = 512, .physical_block_size = 4096, .discard_granularity = 4096,
};
static const struct blk_params plain_params = { .serial = "S1", .queues = 1, .writeback = true };

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->v) {
		vrig_unplug(&t->r);
		virtio_blk_destroy(t->v);
	}
	if (t->has_mem_disk)
		mem_disk_finish(&t->m);
	vrig_finish(&t->r);
	unlink(t->path);
	free(t);
	return 0;
}

static void plug(struct t *t, struct disk *disk, const struct blk_params *params, uint64_t features)
{
	assert_int_equal(virtio_blk_create(&t->v, t->r.fake.loop, &t->r.fake.mem, disk, params), 0);
	vrig_plug(&t->r, t->v);
	vdrv_start(&t->r.d, features & vdrv_device_features(&t->r.d));
}

static void start_with(struct t *t, const struct disk_info *info, const struct blk_params *params,
		       uint64_t features)
{
	mem_disk_init(&t->m, t->r.fake.loop, info);
	t->has_mem_disk = true;
	for (uint64_t i = 0; i < info->size; i++)
		t->m.data[i] = i / 512 + i;
	plug(t, t->m.disk, params, features);
}

static void start(struct t *t)
{
	start_with(t, &plain_info, &plain_params, ALL_FEATURES);
}

static struct vdrv_ring *ring(struct t *t)
{
	return &t->r.d.rings[0];
}

static uint64_t alloc(struct t *t, size_t len, int fill)
{
	uint64_t gpa = vdrv_alloc(&t->r.d, len, 16);

	memset(vdrv_ptr(&t->r.d, gpa, len), fill, len);
	return gpa;
}

static void *ptr(struct t *t, uint64_t gpa)
{
	return vdrv_ptr(&t->r.d, gpa, 1);
}

static uint64_t header(struct t *t, uint32_t type, uint64_t sector)
{
	uint64_t gpa = alloc(t, sizeof(struct virtio_blk_outhdr), 0);

	*(struct virtio_blk_outhdr *)ptr(t, gpa) =
		(struct virtio_blk_outhdr){ .type = type, .sector = sector };
	return gpa;
}

/* The next used element of queue @q, however long it takes. */
static uint32_t wait_used(struct t *t, unsigned q)
{
	uint32_t len;

	for (unsigned i = 0; i < 1000; i++) {
		if (vdrv_used(&t->r.d.rings[q], &len) >= 0)
			return len;
		loop_run_once(t->r.fake.loop, 10);
	}
	fail_msg("no answer");
	return 0;
}

/* A request as drivers make it, three descriptors; where its status will be. */
static uint64_t add(struct t *t, unsigned q, uint32_t type, uint64_t sector, uint64_t data,
		    uint32_t len, bool in)
{
	uint64_t status = alloc(t, 1, UNTOUCHED);
	struct vdrv_buf bufs[3] = { VDRV_OUT(header(t, type, sector), 16) };
	unsigned n = 1;

	if (len)
		bufs[n++] = (struct vdrv_buf){ .gpa = data, .len = len, .write = in };
	bufs[n++] = (struct vdrv_buf)VDRV_IN(status, 1);
	assert_true(vdrv_add(&t->r.d.rings[q], bufs, n) >= 0);
	return status;
}

static uint8_t status_at(struct t *t, uint64_t gpa)
{
	return *(uint8_t *)ptr(t, gpa);
}

/* From start to end; the status, and the used length in *@used if @used. */
static uint8_t run(struct t *t, uint32_t type, uint64_t sector, uint64_t data, uint32_t len,
		   bool in, uint32_t *used)
{
	uint64_t status = add(t, 0, type, sector, data, len, in);
	uint32_t n;

	vdrv_kick(&t->r.d, 0);
	n = wait_used(t, 0);
	if (used)
		*used = n;
	return status_at(t, status);
}

static uint8_t run_range(struct t *t, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	uint64_t gpa = alloc(t, 16, 0);

	*(struct virtio_blk_discard_write_zeroes *)ptr(t, gpa) =
		(struct virtio_blk_discard_write_zeroes){ sector, n, flags };
	return run(t, type, 0, gpa, 16, false, NULL);
}

/* What the guest did wrong is not said to be the host's failure. */
static void assert_silent(struct capture *c)
{
	char *text = capture_end(c);

	assert_string_equal(text, "");
	free(text);
}

static unsigned n_requests(struct t *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MEM_DISK_OPS; i++)
		n += t->m.n[i];
	return n;
}

static void assert_works(struct t *t)
{
	uint64_t gpa = alloc(t, 512, UNTOUCHED);
	uint32_t used;

	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 5, gpa, 512, true, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 513);
	assert_memory_equal(ptr(t, gpa), t->m.data + 5 * 512, 512);
}

/* --- what it says of itself ------------------------------------------------------------ */

static uint64_t config(struct t *t, size_t off, unsigned size)
{
	return vdrv_config_read(&t->r.d, off, size);
}
#define CONFIG(t, field) \
	config(t, offsetof(struct virtio_blk_config, field), \
	       sizeof(((struct virtio_blk_config *)0)->field))

static void device_presents_itself(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(t->v->ops->id, VIRTIO_ID_BLOCK);
	assert_int_equal(t->r.d.n_queues, 1);
	assert_true(vdrv_device_features(&t->r.d) ==
		    (ALL_FEATURES | t->r.d.always | BIT(VIRTIO_BLK_F_SEG_MAX) |
		     BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY)));
	assert_true(CONFIG(t, capacity) == SECTORS);
	assert_int_equal(CONFIG(t, seg_max), BLK_QUEUE_SIZE - 2);
	assert_int_equal(CONFIG(t, blk_size), 512);
	assert_int_equal(CONFIG(t, physical_block_exp), 3);
	assert_int_equal(CONFIG(t, alignment_offset), 0);
	assert_int_equal(CONFIG(t, min_io_size), 8);
	assert_int_equal(CONFIG(t, wce), 1);
	assert_int_equal(CONFIG(t, num_queues), 1);
	assert_int_equal(CONFIG(t, max_discard_sectors), 1 << 21);
	assert_int_equal(CONFIG(t, max_discard_seg), 1);
	assert_int_equal(CONFIG(t, discard_sector_alignment), 8);
	assert_int_equal(CONFIG(t, max_write_zeroes_sectors), 1 << 21);
	assert_int_equal(CONFIG(t, max_write_zeroes_seg), 1);
	assert_int_equal(CONFIG(t, write_zeroes_may_unmap), 1);
}

static void read_only_disk_says_so(void **state)
{
	struct disk_info info = plain_info;
	struct t *t = *state;
	uint64_t features;

	info.readonly = true;
	info.discard_granularity = 0;
	start_with(t, &info, &plain_params, ALL_FEATURES);
	features = vdrv_device_features(&t->r.d);
	assert_true(features & BIT(VIRTIO_BLK_F_RO));
	assert_false(features & (BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES)));
	assert_int_equal(CONFIG(t, write_zeroes_may_unmap), 0);
}

static void disk_that_cannot_discard_says_so(void **state)
{
	struct disk_info info = plain_info;
	struct t *t = *state;

	info.discard_granularity = 0;
	start_with(t, &info, &plain_params, ALL_FEATURES);
	assert_false(vdrv_device_features(&t->r.d) & BIT(VIRTIO_BLK_F_DISCARD));
	assert_true(vdrv_device_features(&t->r.d) & BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(CONFIG(t, write_zeroes_may_unmap), 0);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
}

static void serial_is_answered_whole_or_as_far_as_there_is_room(void **state)
{
	static const struct { const char *serial; uint32_t room, used; } cases[] = {
		{ "S1", 20, 21 }, { "12345678901234567890", 20, 21 }, { "12345678901234567890", 5, 6 },
		{ "12345678901234567890", 64, 20 }, { NULL, 20, 21 }, { "S1", 0, 1 },
	};
	struct t *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct blk_params params = { .serial = cases[i].serial, .queues = 1 };
		char expected[64];
		uint64_t gpa;
		uint32_t used;

		memset(expected, UNTOUCHED, sizeof(expected));
		memset(expected, 0, MIN(cases[i].room, 20u));
		if (cases[i].serial)
			memcpy(expected, cases[i].serial, MIN(strlen(cases[i].serial),
							      (size_t)cases[i].room));
		start_with(t, &plain_info, &params, 0);
		gpa = alloc(t, 64, UNTOUCHED);
		assert_int_equal(run(t, VIRTIO_BLK_T_GET_ID, 0, gpa, cases[i].room, true, &used),
				 VIRTIO_BLK_S_OK);
		assert_int_equal(used, cases[i].used);
		assert_memory_equal(ptr(t, gpa), expected, 64);
		vrig_unplug(&t->r);
		virtio_blk_destroy(t->v);
		mem_disk_finish(&t->m);
		vrig_finish(&t->r);
		vrig_init(&t->r, t->r.kind);
	}
	t->v = NULL;
	t->has_mem_disk = false;
}

/* --- reading and writing --------------------------------------------------------------- */

static void data_goes_both_ways_without_being_copied(void **state)
{
	struct t *t = *state;
	uint64_t gpa;
	uint32_t used;

	start(t);
	gpa = alloc(t, 1024, UNTOUCHED);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 3, gpa, 1024, true, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1025);
	assert_memory_equal(ptr(t, gpa), t->m.data + 3 * 512, 1024);
	assert_ptr_equal(t->m.last_iov.iov_base, ptr(t, gpa));
	memset(ptr(t, gpa), 0x5a, 1024);
	assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 7, gpa, 512, false, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
	assert_memory_equal(t->m.data + 7 * 512, ptr(t, gpa), 512);
	assert_ptr_equal(t->m.last_iov.iov_base, ptr(t, gpa));
	assert_int_not_equal(t->m.data[6 * 512 + 511], 0x5a);
	assert_int_not_equal(t->m.data[8 * 512], 0x5a);
	assert_int_equal(run(t, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
	assert_int_equal(t->m.n[DISK_FLUSH], 1);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(n_requests(t), 3);
}

static void last_sector_and_whole_disk_can_be_read(void **state)
{
	struct t *t = *state;
	uint64_t gpa;
	uint32_t used;

	start(t);
	gpa = alloc(t, SIZE, UNTOUCHED);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, SECTORS - 1, gpa, 512, true, NULL), VIRTIO_BLK_S_OK);
	assert_memory_equal(ptr(t, gpa), t->m.data + SIZE - 512, 512);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 0, gpa, SIZE, true, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, SIZE + 1);
	assert_memory_equal(ptr(t, gpa), t->m.data, SIZE);
}

/* 2.7.4.1: where one descriptor ends and the next begins says nothing. */
static void layout_of_descriptors_does_not_matter(void **state)
{
	struct t *t = *state;
	uint64_t hdr, in, out;
	uint32_t used;

	start(t);
	/* The header in three pieces, the status in one with data. */
	hdr = header(t, VIRTIO_BLK_T_IN, 2);
	in = alloc(t, 1025, UNTOUCHED);
	vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_OUT(hdr, 1), VDRV_OUT(hdr + 1, 9),
		 VDRV_OUT(hdr + 10, 6), VDRV_IN(in, 100), VDRV_IN(in + 100, 925) }, 5);
	vdrv_kick(&t->r.d, 0);
	used = wait_used(t, 0);
	assert_int_equal(used, 1025);
	assert_memory_equal(ptr(t, in), t->m.data + 1024, 1024);
	assert_int_equal(status_at(t, in + 1024), VIRTIO_BLK_S_OK);
	/* Header and data in one piece. */
	out = alloc(t, 16 + 512, 0x77);
	*(struct virtio_blk_outhdr *)ptr(t, out) =
		(struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = 9 };
	vdrv_add_indirect(ring(t), alloc(t, 32, 0),
			  (struct vdrv_buf[]){ VDRV_OUT(out, 528), VDRV_IN(in, 1) }, 2);
	vdrv_kick(&t->r.d, 0);
	used = wait_used(t, 0);
	assert_int_equal(used, 1);
	assert_int_equal(status_at(t, in), VIRTIO_BLK_S_OK);
	assert_memory_equal(t->m.data + 9 * 512, ptr(t, out + 16), 512);
}

static void chain_of_as_many_segments_as_announced_is_served(void **state)
{
	struct t *t = *state;
	struct vdrv_buf bufs[BLK_QUEUE_SIZE] = { VDRV_OUT(0, 16) };
	unsigned last = BLK_QUEUE_SIZE - 1;
	uint64_t data, status;

	start(t);
	data = alloc(t, last * 512, UNTOUCHED);
	status = alloc(t, 1, UNTOUCHED);
	bufs[0].gpa = header(t, VIRTIO_BLK_T_IN, 0);
	for (unsigned i = 1; i < last; i++)
		bufs[i] = (struct vdrv_buf)VDRV_IN(data + (last - i) * 512, 512);
	bufs[last] = (struct vdrv_buf)VDRV_IN(status, 1);
	vdrv_add_indirect(ring(t), alloc(t, sizeof(struct vring_desc) * BLK_QUEUE_SIZE, 0), bufs,
			  BLK_QUEUE_SIZE);
	vdrv_kick(&t->r.d, 0);
	assert_int_equal(wait_used(t, 0), (last - 1) * 512 + 1);
	assert_int_equal(status_at(t, status), VIRTIO_BLK_S_OK);
	for (unsigned i = 1; i < last; i++)
		assert_memory_equal(ptr(t, data + (last - i) * 512), t->m.data + (i - 1) * 512, 512);
}

static void full_queues_are_answered_each_request_once(void **state)
{
	struct t *t = *state;
	struct blk_params params = { .queues = BLK_MAX_QUEUES, .writeback = true };
	unsigned per_queue = BLK_QUEUE_SIZE / 2;

	start_with(t, &plain_info, &params, ALL_FEATURES | BIT(VIRTIO_BLK_F_MQ));
	assert_int_equal(t->r.d.n_queues, BLK_MAX_QUEUES);
	assert_int_equal(CONFIG(t, num_queues), BLK_MAX_QUEUES);
	mem_disk_hold(&t->m);
	for (unsigned q = 0; q < BLK_MAX_QUEUES; q++) {
		for (unsigned i = 0; i < per_queue; i++)
			add(t, q, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false);
		vdrv_kick(&t->r.d, q);
	}
	fake_settle(&t->r.fake);
	assert_int_equal(t->m.n_held, BLK_MAX_QUEUES * per_queue);
	assert_int_equal(vdrv_used(ring(t), NULL), -1);
	mem_disk_release(&t->m);
	for (unsigned q = 0; q < BLK_MAX_QUEUES; q++) {
		for (unsigned i = 0; i < per_queue; i++)
			assert_int_equal(wait_used(t, q), 1);
		assert_int_equal(vdrv_used(&t->r.d.rings[q], NULL), -1);
	}
	/* Slots are back: once more. */
	assert_int_equal(run(t, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
}

static void batch_is_committed_once_and_shown_at_once(void **state)
{
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	gpa = alloc(t, 512, 0);
	mem_disk_hold(&t->m);
	t->m.commits = 0;
	for (unsigned i = 0; i < 50; i++)
		add(t, 0, VIRTIO_BLK_T_IN, i, gpa, 512, true);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->m.n_held, 50);
	assert_int_equal(t->m.commits, 1);
	/* An interrupt for any of them but the last would set the event anew. */
	vdrv_set_used_event(ring(t), 49);
	mem_disk_release(&t->m);
	fake_settle(&t->r.fake);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	for (unsigned i = 0; i < 50; i++)
		assert_true(vdrv_used(ring(t), NULL) >= 0);
}

/* --- refusals ------------------------------------------------------------------------------ */

static void sectors_outside_the_disk_are_an_error(void **state)
{
	static const struct { uint64_t sector; uint32_t len; } bad[] = {
		{ SECTORS, 512 }, { SECTORS - 1, 1024 }, { UINT64_MAX, 512 }, { UINT64_MAX, 1024 },
		{ UINT64_MAX / 512 + 1, 512 }, { UINT64_MAX / 512 + 2, 512 }, { 1ull << 55, 512 },
		{ 1ull << 63, 512 }, { (1ull << 55) + 1, 512 }, { 0, SIZE + 512 }, { SECTORS + 1, 0 },
	};
	struct t *t = *state;
	struct capture c;
	uint64_t gpa;
	uint32_t used;

	start(t);
	gpa = alloc(t, SIZE + 512, UNTOUCHED);
	capture_begin(&c, 2);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run(t, VIRTIO_BLK_T_IN, bad[i].sector, gpa, bad[i].len, true, &used),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(used, bad[i].len ? 0 : 1);
		assert_int_equal(run(t, VIRTIO_BLK_T_OUT, bad[i].sector, gpa, bad[i].len, false, NULL),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_silent(&c);
	assert_int_equal(n_requests(t), 0);
	assert_int_equal(((uint8_t *)ptr(t, gpa))[0], UNTOUCHED);
	assert_works(t);
}

static void part_of_a_sector_is_an_error(void **state)
{
	static const uint32_t bad[] = { 1, 511, 513, 1000 };
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	gpa = alloc(t, 1024, UNTOUCHED);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(run(t, VIRTIO_BLK_T_IN, 0, gpa, bad[i], true, NULL),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 0, gpa, bad[i], false, NULL),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(n_requests(t), 0);
	assert_works(t);
}

static void part_of_a_larger_block_is_an_error(void **state)
{
	const struct disk_info info = { .size = SIZE, .block_size = 4096,
					.physical_block_size = 4096, .discard_granularity = 4096 };
	struct t *t = *state;
	struct capture c;
	uint64_t gpa;

	start_with(t, &info, &plain_params, ALL_FEATURES);
	gpa = alloc(t, 8192, UNTOUCHED);
	assert_int_equal(CONFIG(t, blk_size), 4096);
	assert_int_equal(CONFIG(t, physical_block_exp), 0);
	assert_true(CONFIG(t, capacity) == SECTORS);
	capture_begin(&c, 2);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 0, gpa, 512, true, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 1, gpa, 4096, true, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 8, 4, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 4, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_silent(&c);
	assert_int_equal(n_requests(t), 0);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 8, gpa, 8192, true, NULL), VIRTIO_BLK_S_OK);
}

static void unknown_requests_are_unsupported(void **state)
{
	static const uint32_t types[] = {
		2, 3, 5, 6, 7, 9, 10, 12, VIRTIO_BLK_T_SECURE_ERASE, 15, 16, 20, 24, 26,
		VIRTIO_BLK_T_BARRIER, VIRTIO_BLK_T_BARRIER | 1, UINT32_MAX, 256, 1 << 16,
	};
	struct t *t = *state;
	uint64_t gpa;
	uint32_t used;

	start(t);
	gpa = alloc(t, 512, UNTOUCHED);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(run(t, types[i], 0, gpa, 512, false, &used), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(used, 1);
		assert_int_equal(run(t, types[i], 0, 0, 0, true, NULL), VIRTIO_BLK_S_UNSUPP);
	}
	assert_int_equal(n_requests(t), 0);
	assert_works(t);
}

static void read_only_disk_refuses_whatever_writes(void **state)
{
	struct disk_info info = plain_info;
	struct t *t = *state;
	struct capture c;
	uint64_t gpa;

	info.readonly = true;
	info.discard_granularity = 0;
	start_with(t, &info, &plain_params, UINT64_MAX);
	gpa = alloc(t, 512, UNTOUCHED);
	capture_begin(&c, 2);
	assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 0, gpa, 512, false, NULL), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_silent(&c);
	assert_int_equal(n_requests(t), 0);
	assert_works(t);
}

static void ranges_are_discarded_and_zeroed(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 8, 3, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(t->m.last.op, DISK_ZERO);
	assert_false(t->m.last.unmap);
	assert_true(t->m.last.off == 8 * 512 && t->m.last.len == 3 * 512);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS, 1), VIRTIO_BLK_S_OK);
	assert_true(t->m.last.unmap);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, SECTORS - 1, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(t->m.last.op, DISK_DISCARD);
	assert_true(t->m.last.off == SIZE - 512 && t->m.last.len == 512);
}

static void bad_ranges_are_refused(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	gpa = alloc(t, 64, 0);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t type = types[i];

		assert_int_equal(run_range(t, type, SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run_range(t, type, 0, SECTORS + 1, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run_range(t, type, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run_range(t, type, 1ull << 55, 1, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run_range(t, type, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
		/* 5.2.6.2: unknown flags, and unmap where it means nothing */
		assert_int_equal(run_range(t, type, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(run_range(t, type, 0, 1, UINT32_MAX), VIRTIO_BLK_S_UNSUPP);
		/* none, a part of one, more than announced */
		assert_int_equal(run(t, type, 0, 0, 0, false, NULL), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run(t, type, 0, gpa, 15, false, NULL), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run(t, type, 0, gpa, 17, false, NULL), VIRTIO_BLK_S_IOERR);
		assert_int_equal(run(t, type, 0, gpa, 32, false, NULL), VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(n_requests(t), 0);
	assert_works(t);
}

static void range_longer_than_announced_is_refused(void **state)
{
	struct disk_info info = plain_info;
	struct t *t = *state;

	start(t);
	/* A disk so large, without the memory for it. */
	info.size = 1ull << 40;
	t->m.disk->info = info;
	vrig_unplug(&t->r);
	virtio_blk_destroy(t->v);
	mem_disk_finish(&t->m);
	vrig_finish(&t->r);
	vrig_init(&t->r, t->r.kind);
	mem_disk_init(&t->m, t->r.fake.loop, &plain_info);
	t->m.disk->info = info;
	plug(t, t->m.disk, &plain_params, ALL_FEATURES);
	mem_disk_hold(&t->m);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, (1 << 21) + 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1 << 22, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(n_requests(t), 0);
}

static void what_was_not_negotiated_is_unsupported(void **state)
{
	struct t *t = *state;

	start_with(t, &plain_info, &plain_params, 0);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_works(t);
}

static void case_19_request_without_room_for_its_status_comes_back_undone(void **state)
{
	struct t *t = *state;
	uint64_t hdr, data;
	uint32_t used;

	start(t);
	hdr = header(t, VIRTIO_BLK_T_OUT, 0);
	data = alloc(t, 512, UNTOUCHED);
	vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_OUT(hdr, 16), VDRV_OUT(data, 512) }, 2);
	vdrv_kick(&t->r.d, 0);
	used = wait_used(t, 0);
	assert_int_equal(used, 0);
	/* Room for the status alone of a read, or for nothing readable at all. */
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 0, 0, 0, true, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
	vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_IN(data, 512) }, 1);
	vdrv_kick(&t->r.d, 0);
	used = wait_used(t, 0);
	assert_int_equal(used, 0);
	assert_int_equal(status_at(t, data + 511), VIRTIO_BLK_S_IOERR);
	assert_int_equal(status_at(t, data), UNTOUCHED);
	assert_int_equal(t->m.n[DISK_WRITE], 0);
	assert_works(t);
}

static void header_that_is_too_short_is_an_error(void **state)
{
	struct t *t = *state;
	uint64_t hdr, status;

	start(t);
	hdr = header(t, VIRTIO_BLK_T_OUT, 0);
	for (unsigned len = 1; len < 16; len += 7) {
		status = alloc(t, 1, UNTOUCHED);
		vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_OUT(hdr, len), VDRV_IN(status, 1) }, 2);
		vdrv_kick(&t->r.d, 0);
		assert_int_equal(wait_used(t, 0), 1);
		assert_int_equal(status_at(t, status), VIRTIO_BLK_S_IOERR);
	}
	/* Empty buffers alone (case 4). */
	vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_OUT(hdr, 0), VDRV_IN(hdr, 0) }, 2);
	vdrv_kick(&t->r.d, 0);
	assert_int_equal(wait_used(t, 0), 0);
	assert_int_equal(n_requests(t), 0);
	assert_works(t);
}

static void case_07_data_outside_ram_breaks_the_device_until_a_reset(void **state)
{
	struct t *t = *state;

	start(t);
	add(t, 0, VIRTIO_BLK_T_IN, 0, 0x180000, 512, true);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_true(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(n_requests(t), 0);
	vdrv_start(&t->r.d, ALL_FEATURES);
	assert_works(t);
}

/* Data that reaches into the device's own answers: only the guest's memory suffers. */
static void case_18_request_that_overwrites_itself_harms_the_guest_alone(void **state)
{
	struct t *t = *state;
	uint64_t hdr;

	start(t);
	for (unsigned i = 0; i < 16; i++) {
		hdr = header(t, VIRTIO_BLK_T_IN, i);
		vdrv_add(ring(t), (struct vdrv_buf[]){ VDRV_OUT(hdr, 16), VDRV_IN(hdr - 256, 512),
			 VDRV_IN(hdr, 1) }, 3);
	}
	vdrv_kick(&t->r.d, 0);
	/* What is read overwrites headers of requests that follow: any answer is right. */
	for (unsigned i = 0; i < 16; i++)
		wait_used(t, 0);
	assert_works(t);
}

static void case_21_malformed_requests_all_come_back(void **state)
{
	struct t *t = *state;
	unsigned seed = 1;
	uint64_t buf;

	start(t);
	buf = alloc(t, 4096, 0xff);
	for (unsigned i = 0; i < 20000; i++) {
		struct vdrv_buf bufs[3];
		unsigned n = 1 + rand_r(&seed) % 3, n_out = rand_r(&seed) % 4;

		for (unsigned k = 0; k < n; k++)
			bufs[k] = (struct vdrv_buf){ buf + rand_r(&seed) % 64, rand_r(&seed) % 600,
						     k >= n_out };
		assert_true(vdrv_add(ring(t), bufs, n) >= 0);
		*(uint32_t *)ptr(t, buf + rand_r(&seed) % 64 / 4 * 4) = rand_r(&seed) % 16;
		if (i % 50 == 49) {
			vdrv_kick(&t->r.d, 0);
			for (unsigned k = 0; k < 50; k++)
				wait_used(t, 0);
		}
	}
	assert_works(t);
}

/* --- failures of the host ---------------------------------------------------------------------- */

static void error_of_the_host_is_an_io_error_and_no_data(void **state)
{
	struct t *t = *state;
	struct capture c;
	uint64_t gpa;
	uint32_t used;
	char *text;

	start(t);
	gpa = alloc(t, 512, UNTOUCHED);
	t->m.error = -ENOSPC;
	capture_begin(&c, 2);
	assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 0, gpa, 512, false, &used), VIRTIO_BLK_S_IOERR);
	assert_int_equal(used, 1);
	text = capture_end(&c);
	assert_non_null(strstr(text, "memory: writing 512 bytes at 0: No space left on device"));
	free(text);
	t->m.error = -EIO;
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 0, gpa, 512, true, &used), VIRTIO_BLK_S_IOERR);
	assert_int_equal(used, 0);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(t, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, NULL), VIRTIO_BLK_S_IOERR);
	t->m.error = 0;
	assert_works(t);
	/* Nothing that a flush was for is lost silently. */
	assert_int_equal(run(t, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, NULL), VIRTIO_BLK_S_IOERR);
}

/* --- the cache (5.2.5, 5.2.6.2) ------------------------------------------------------------------- */

static bool write_is_stable(struct t *t)
{
	uint64_t gpa = alloc(t, 512, 0);
	bool stable;

	/* A flush of the device's own, if it is due. */
	fake_settle(&t->r.fake);
	assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 0, gpa, 512, false, NULL), VIRTIO_BLK_S_OK);
	stable = t->m.last.stable;
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0),
			 virtio_has_feature(t->v, VIRTIO_BLK_F_WRITE_ZEROES) ? VIRTIO_BLK_S_OK
									    : VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(t->m.last.stable, stable);
	return stable;
}

static void set_wce(struct t *t, uint8_t value)
{
	vdrv_config_write(&t->r.d, offsetof(struct virtio_blk_config, wce), 1, value);
	fake_settle(&t->r.fake);
}

static void driver_switches_the_cache(void **state)
{
	struct t *t = *state;

	start(t);
	assert_false(write_is_stable(t));
	set_wce(t, 0);
	assert_int_equal(CONFIG(t, wce), 0);
	/* What was written before is made stable. */
	assert_int_equal(t->m.n[DISK_FLUSH], 1);
	assert_true(write_is_stable(t));
	set_wce(t, 0);
	assert_int_equal(t->m.n[DISK_FLUSH], 1);
	set_wce(t, 1);
	assert_int_equal(CONFIG(t, wce), 1);
	assert_false(write_is_stable(t));
	assert_int_equal(t->m.n[DISK_FLUSH], 1);
	/* A reset brings back what the user asked for. */
	set_wce(t, 0);
	vdrv_start(&t->r.d, ALL_FEATURES);
	assert_int_equal(CONFIG(t, wce), 1);
	assert_false(write_is_stable(t));
}

static void switching_the_cache_off_again_flushes_again(void **state)
{
	struct t *t = *state;

	start(t);
	mem_disk_hold(&t->m);
	set_wce(t, 0);
	set_wce(t, 1);
	set_wce(t, 0);
	assert_int_equal(t->m.n[DISK_FLUSH], 1);
	mem_disk_release(&t->m);
	fake_settle(&t->r.fake);
	assert_int_equal(t->m.n[DISK_FLUSH], 2);
	fake_settle(&t->r.fake);
	assert_int_equal(t->m.n[DISK_FLUSH], 2);
}

static void driver_without_flush_has_stable_writes(void **state)
{
	struct t *t = *state;

	start_with(t, &plain_info, &plain_params, 0);
	assert_true(write_is_stable(t));
	set_wce(t, 1);
	assert_true(write_is_stable(t));
	vdrv_start(&t->r.d, BIT(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(CONFIG(t, wce), 0);
	set_wce(t, 1);
	assert_true(write_is_stable(t));
	vdrv_start(&t->r.d, BIT(VIRTIO_BLK_F_FLUSH));
	set_wce(t, 0);
	assert_false(write_is_stable(t));
}

static void user_decides_how_it_begins(void **state)
{
	const struct blk_params params = { .queues = 1, .writeback = false };
	struct t *t = *state;

	start_with(t, &plain_info, &params, ALL_FEATURES);
	assert_int_equal(CONFIG(t, wce), 0);
	assert_true(write_is_stable(t));
	set_wce(t, 1);
	assert_false(write_is_stable(t));
	set_wce(t, 0);
	assert_true(write_is_stable(t));
}

static void case_24_configuration_takes_nothing_but_the_cache(void **state)
{
	struct t *t = *state;
	const size_t wce = offsetof(struct virtio_blk_config, wce);

	start(t);
	for (size_t off = 0; off < 60; off++) {
		if (off == wce)
			continue;
		vdrv_config_write(&t->r.d, off, 1, 0);
		vdrv_config_write(&t->r.d, off, 1, 0xff);
	}
	assert_true(CONFIG(t, capacity) == SECTORS);
	assert_int_equal(CONFIG(t, wce), 1);
	assert_int_equal(CONFIG(t, seg_max), BLK_QUEUE_SIZE - 2);
	/* Wider than it is, and so from both sides. */
	vdrv_config_write(&t->r.d, wce, 4, 0xffffff00);
	assert_int_equal(CONFIG(t, wce), 0);
	assert_int_equal(CONFIG(t, num_queues), 1);
	vdrv_config_write(&t->r.d, wce - 4, 4, UINT32_MAX);
	assert_int_equal(CONFIG(t, wce), 0);
	vdrv_config_write(&t->r.d, wce, 2, 0x0080);
	assert_int_equal(CONFIG(t, wce), 1);
	assert_int_equal(config(t, 60, 4), t->r.kind == VRIG_MMIO ? 0 : config(t, 60, 4));
	assert_works(t);
}

/* --- resets ---------------------------------------------------------------------------------------- */

/*
 * Requests held by a slow disk while a vCPU resets the device: it waits for
 * them, the loop does not.
 */
struct slow {
	struct t *t;
	atomic_bool reset_done;
	bool served;
};

static void *slow_vcpu(void *arg)
{
	struct slow *s = arg;

	vdrv_set(&s->t->r.d, VDRV_STATUS, 0);
	s->reset_done = true;
	return NULL;
}

static void slow_other(void *arg)
{
	((struct slow *)arg)->served = true;
}

static void case_22_reset_waits_for_the_disk_and_the_loop_does_not(void **state)
{
	struct t *t = *state;
	struct slow s = { .t = t };
	struct loop_timer timer = { .cb = slow_other, .arg = &s };
	uint64_t gpa, status;
	pthread_t vcpu;

	start(t);
	gpa = alloc(t, 512, UNTOUCHED);
	mem_disk_hold(&t->m);
	status = add(t, 0, VIRTIO_BLK_T_IN, 0, gpa, 512, true);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(t->m.n_held, 1);
	pthread_create(&vcpu, NULL, slow_vcpu, &s);
	/* The vCPU is in the reset, and the loop serves others meanwhile. */
	while (virtio_get_status(t->v))
		loop_run_once(t->r.fake.loop, 1);
	loop_timer_arm(t->r.fake.loop, &timer, 1000000);
	while (!s.served)
		loop_run_once(t->r.fake.loop, 1);
	assert_false(s.reset_done);
	assert_int_equal(status_at(t, status), UNTOUCHED);
	mem_disk_release(&t->m);
	while (!s.reset_done)
		loop_run_once(t->r.fake.loop, 1);
	pthread_join(vcpu, NULL);
	/* What came too late was not shown. */
	assert_int_equal(vdrv_used(ring(t), NULL), -1);
	vdrv_start(&t->r.d, ALL_FEATURES);
	assert_works(t);
}

static void *releaser(void *arg)
{
	usleep(20000);
	mem_disk_release(arg);
	return NULL;
}

static void case_22_reset_on_the_loops_thread_drains_the_disk(void **state)
{
	struct t *t = *state;
	pthread_t thread;

	start(t);
	mem_disk_hold(&t->m);
	for (unsigned i = 0; i < 10; i++)
		add(t, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	pthread_create(&thread, NULL, releaser, &t->m);
	vdrv_reset(&t->r.d);
	assert_int_equal(t->m.n_held, 0);
	assert_int_equal(vdrv_used(ring(t), NULL), -1);
	pthread_join(thread, NULL);
	vdrv_start(&t->r.d, ALL_FEATURES);
	assert_works(t);
}

/* As a PCI function without bus mastering: what it had begun is done, and nothing else begun. */
static void what_is_kept_from_guest_memory_is_done_with_it(void **state)
{
	struct t *t = *state;
	pthread_t thread;

	start(t);
	mem_disk_hold(&t->m);
	add(t, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	pthread_create(&thread, NULL, releaser, &t->m);
	virtio_set_dma(t->v, false);
	pthread_join(thread, NULL);
	assert_int_equal(t->m.n_held, 0);
	assert_true(vdrv_used(ring(t), NULL) >= 0);
	add(t, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(vdrv_used(ring(t), NULL), -1);
	virtio_set_dma(t->v, true);
	fake_settle(&t->r.fake);
	assert_true(vdrv_used(ring(t), NULL) >= 0);
	assert_works(t);
}

/* --- on files ----------------------------------------------------------------------------------------- */

static struct disk *open_file(struct t *t, enum disk_engine engine)
{
	const struct disk_params p = { .path = t->path, .engine = engine };
	struct disk *disk;
	int fd;

	strcpy(t->path, "/tmp/test_blk.XXXXXX");
	fd = mkostemp(t->path, O_CLOEXEC);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
	if (disk_open(&disk, t->r.fake.loop, &p) < 0) {
		print_message("skipped: this engine is not permitted here\n");
		skip();
	}
	return disk;
}

static void file_is_read_and_written(struct t *t, enum disk_engine engine)
{
	uint64_t gpa;
	uint32_t used;

	plug(t, open_file(t, engine), &plain_params, ALL_FEATURES);
	gpa = alloc(t, 64 * 512, 0x3c);
	assert_int_equal(run(t, VIRTIO_BLK_T_OUT, 8, gpa, 64 * 512, false, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 1);
	assert_int_equal(run(t, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_WRITE_ZEROES, 10, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(run_range(t, VIRTIO_BLK_T_DISCARD, 200, 100, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(run(t, VIRTIO_BLK_T_IN, 9, gpa, 3 * 512, true, &used), VIRTIO_BLK_S_OK);
	assert_int_equal(used, 3 * 512 + 1);
	for (unsigned i = 0; i < 3 * 512; i++)
		assert_int_equal(((uint8_t *)ptr(t, gpa))[i], i / 512 == 1 ? 0 : 0x3c);
}

static void file_is_read_and_written_by_io_uring(void **state)
{
	file_is_read_and_written(*state, DISK_ENGINE_URING);
}

static void file_is_read_and_written_by_threads(void **state)
{
	file_is_read_and_written(*state, DISK_ENGINE_THREADS);
}

#define RESETS 10000
#define IN_FLIGHT 6

/* Work for all ways that a request can take, data into [@gpa, @gpa + IN_FLIGHT * 4096). */
static void add_work(struct t *t, uint64_t gpa, unsigned round)
{
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		add(t, 0, i % 3 == 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, (round + 8 * i) % 256,
		    gpa + i * 4096, 4096, i % 3 != 2);
	if (round % 8 == 0)
		add(t, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false);
	vdrv_kick(&t->r.d, 0);
}

/* Guest memory after the reset belongs to the guest: the disk writes there no more. */
static void fill_and_look_later(struct t *t, uint64_t gpa, unsigned round)
{
	uint8_t *p = vdrv_ptr(&t->r.d, gpa, IN_FLIGHT * 4096);

	memset(p, UNTOUCHED, IN_FLIGHT * 4096);
	if (round % 16 == 0)
		usleep(100);
	loop_run_once(t->r.fake.loop, 0);
	for (unsigned i = 0; i < IN_FLIGHT * 4096; i += 64)
		assert_int_equal(p[i], UNTOUCHED);
}

static void resets_on_the_loop(struct t *t, enum disk_engine engine)
{
	const uint64_t gpa = FAKE_RAM2_GPA;

	plug(t, open_file(t, engine), &plain_params, ALL_FEATURES);
	for (unsigned round = 0; round < RESETS; round++) {
		add_work(t, gpa, round);
		loop_run_once(t->r.fake.loop, 0);
		vdrv_reset(&t->r.d);
		fill_and_look_later(t, gpa, round);
		vdrv_start(&t->r.d, ALL_FEATURES);
	}
	add_work(t, gpa, 0);
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		wait_used(t, 0);
}

static void case_22_resets_with_io_uring_at_work(void **state)
{
	resets_on_the_loop(*state, DISK_ENGINE_URING);
}

static void case_22_resets_with_threads_at_work(void **state)
{
	resets_on_the_loop(*state, DISK_ENGINE_THREADS);
}

struct vcpu {
	struct t *t;
	atomic_bool done;
};

static void *vcpu_that_resets(void *arg)
{
	struct vcpu *vcpu = arg;
	struct t *t = vcpu->t;
	const uint64_t gpa = FAKE_RAM2_GPA;

	for (unsigned round = 0; round < RESETS; round++) {
		uint8_t *p = vdrv_ptr(&t->r.d, gpa, IN_FLIGHT * 4096);

		add_work(t, gpa, round);
		if (round % 4 == 0)
			vdrv_config_write(&t->r.d, offsetof(struct virtio_blk_config, wce), 1,
					  round / 4 % 2);
		vdrv_reset(&t->r.d);
		memset(p, UNTOUCHED, IN_FLIGHT * 4096);
		vdrv_start(&t->r.d, ALL_FEATURES);
		for (unsigned i = 0; i < IN_FLIGHT * 4096; i += 64)
			if (p[i] != UNTOUCHED)
				abort();
	}
	vcpu->done = true;
	loop_quit(t->r.fake.loop);
	return NULL;
}

static void resets_by_a_vcpu(struct t *t, enum disk_engine engine)
{
	struct vcpu vcpu = { .t = t };
	pthread_t thread;

	plug(t, open_file(t, engine), &plain_params, ALL_FEATURES);
	pthread_create(&thread, NULL, vcpu_that_resets, &vcpu);
	while (!vcpu.done)
		loop_run(t->r.fake.loop);
	pthread_join(thread, NULL);
}

static void case_22_resets_by_a_vcpu_with_io_uring_at_work(void **state)
{
	resets_by_a_vcpu(*state, DISK_ENGINE_URING);
}

static void case_22_resets_by_a_vcpu_with_threads_at_work(void **state)
{
	resets_by_a_vcpu(*state, DISK_ENGINE_THREADS);
}

/* --- the option ------------------------------------------------------------------------------------------ */

static const struct virtio_model *disk_model(void)
{
	for (unsigned i = 0; virtio_models[i]; i++)
		if (!strcmp(virtio_models[i]->name, "disk"))
			return virtio_models[i];
	fail_msg("no such model");
	return NULL;
}

/* The device of --disk PATH,@keys; NULL and the message in *@text. */
static struct virtio_device *create(struct t *t, const char *keys, char **text)
{
	const struct virtio_env env = { .loop = t->r.fake.loop, .mem = &t->r.fake.mem };
	struct virtio_device *v = NULL;
	struct opt_value value;
	char spec[256];
	struct capture c;

	snprintf(spec, sizeof(spec), "%s%s", t->path, keys);
	assert_int_equal(opt_value_parse(&value, "--disk", spec, disk_model()->keys), 0);
	capture_begin(&c, 2);
	if (disk_model()->create(&v, &env, &value) < 0)
		v = NULL;
	*text = capture_end(&c);
	opt_value_finish(&value);
	return v;
}

static void make_file(struct t *t)
{
	int fd;

	strcpy(t->path, "/tmp/test_blk.XXXXXX");
	fd = mkostemp(t->path, O_CLOEXEC);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
}

static void option_is_understood(void **state)
{
	struct t *t = *state;
	struct virtio_device *v;
	char *text;

	make_file(t);
	assert_true(disk_model()->multiple);
	v = create(t, ",serial=a-b_c,queues=4,cache=writethrough", &text);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(v->n_queues, 4);
	assert_true(v->offered & BIT(VIRTIO_BLK_F_MQ));
	assert_false(v->offered & BIT(VIRTIO_BLK_F_RO));
	/* The same file once more. */
	assert_null(create(t, "", &text));
	assert_non_null(strstr(text, "in use"));
	free(text);
	disk_model()->destroy(v);
	v = create(t, ",ro,cache=writeback", &text);
	assert_true(v->offered & BIT(VIRTIO_BLK_F_RO));
	assert_false(v->offered & BIT(VIRTIO_BLK_F_MQ));
	free(text);
	disk_model()->destroy(v);
	v = create(t, ",cache=none", &text);
	assert_non_null(v);
	free(text);
	disk_model()->destroy(v);
}

static void wrong_values_are_refused(void **state)
{
	static const char *const bad[] = {
		",queues=0", ",queues=17", ",queues=x", ",queues=-1",
		",serial=123456789012345678901",
	};
	struct t *t = *state;

	make_file(t);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char *text;

		assert_null(create(t, bad[i], &text));
		assert_non_null(strstr(text, t->path));
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
		free(text);
	}
}

static enum vrig_kind kinds[VRIG_KINDS] = {
	VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX, VRIG_PACKED,
};

#define PACKED(f) { #f " (packed)", f, setup, teardown, &kinds[VRIG_PACKED] }
#define T(f) { #f, f, setup, teardown, &kinds[VRIG_PCI_MSIX] }, PACKED(f)
#define ALL(f) { #f " (mmio)", f, setup, teardown, &kinds[VRIG_MMIO] },                            \
	{ #f " (pci)", f, setup, teardown, &kinds[VRIG_PCI_INTX] },                                \
	{ #f " (pci, msi-x)", f, setup, teardown, &kinds[VRIG_PCI_MSIX] }, PACKED(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(device_presents_itself),
		T(read_only_disk_says_so),
		T(disk_that_cannot_discard_says_so),
		T(serial_is_answered_whole_or_as_far_as_there_is_room),
		ALL(data_goes_both_ways_without_being_copied),
		T(last_sector_and_whole_disk_can_be_read),
		T(layout_of_descriptors_does_not_matter),
		T(chain_of_as_many_segments_as_announced_is_served),
		ALL(full_queues_are_answered_each_request_once),
		T(batch_is_committed_once_and_shown_at_once),
		T(sectors_outside_the_disk_are_an_error),
		T(part_of_a_sector_is_an_error),
		T(part_of_a_larger_block_is_an_error),
		T(unknown_requests_are_unsupported),
		T(read_only_disk_refuses_whatever_writes),
		T(ranges_are_discarded_and_zeroed),
		T(bad_ranges_are_refused),
		T(range_longer_than_announced_is_refused),
		T(what_was_not_negotiated_is_unsupported),
		T(case_19_request_without_room_for_its_status_comes_back_undone),
		T(header_that_is_too_short_is_an_error),
		T(case_07_data_outside_ram_breaks_the_device_until_a_reset),
		T(case_18_request_that_overwrites_itself_harms_the_guest_alone),
		T(case_21_malformed_requests_all_come_back),
		T(error_of_the_host_is_an_io_error_and_no_data),
		T(driver_switches_the_cache),
		T(switching_the_cache_off_again_flushes_again),
		T(driver_without_flush_has_stable_writes),
		T(user_decides_how_it_begins),
		ALL(case_24_configuration_takes_nothing_but_the_cache),
		ALL(case_22_reset_waits_for_the_disk_and_the_loop_does_not),
		T(case_22_reset_on_the_loops_thread_drains_the_disk),
		T(what_is_kept_from_guest_memory_is_done_with_it),
		ALL(file_is_read_and_written_by_io_uring),
		ALL(file_is_read_and_written_by_threads),
		T(case_22_resets_with_io_uring_at_work),
		T(case_22_resets_with_threads_at_work),
		T(case_22_resets_by_a_vcpu_with_io_uring_at_work),
		T(case_22_resets_by_a_vcpu_with_threads_at_work),
		T(option_is_understood),
		T(wrong_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
