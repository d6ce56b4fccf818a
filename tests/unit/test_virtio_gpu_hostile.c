/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W 64u
#define H 32u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)
#define MAX_BYTES (8 * MiB)
#define MAX_RESOURCES 100
#define MANY 20000
#define POISON 0xa5

static int setup(void **state)
{
	const struct gpu_params params = {
		.n_outputs = 16,
		.n_plugged = 1,
		.max_bytes = MAX_BYTES,
		.max_resources = MAX_RESOURCES,
	};
	struct gpu_rig *t = calloc(1, sizeof(*t));

	gpu_rig_init(t, VRIG_MMIO, &params);
	*state = t;
	return 0;
}

static struct gpu_usage usage_of(struct gpu_rig *t)
{
	struct gpu_usage usage;

	gpu_get_usage(t->gpu, &usage);
	return usage;
}

static void assert_empty(struct gpu_rig *t)
{
	struct gpu_usage usage = usage_of(t);

	assert_int_equal(usage.resources, 0);
	assert_true(usage.bytes == 0);
	assert_true(usage.backing == 0);
	assert_int_equal(usage.parked, 0);
}

/* Whatever came before, the device works: the next good command is answered well. */
static int teardown(void **state)
{
	struct gpu_rig *t = *state;

	t->g.next = (struct virtio_gpu_ctrl_hdr){ 0 };
	assert_false(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(vgpu_create_2d(&t->g, 0xfffffffe, XRGB, W, H), OK);
	vdrv_reset(&t->r.d);
	assert_empty(t);
	gpu_rig_finish(t);
	free(t);
	return 0;
}

static void make(struct gpu_rig *t, uint32_t id)
{
	assert_int_equal(vgpu_create_2d(&t->g, id, XRGB, W, H), OK);
	assert_int_equal(vgpu_attach_range(&t->g, id, GPU_RIG_FB, BYTES), OK);
}

/* --- making resources ----------------------------------------------------- */

static void case_37_sizes_whose_products_wrap(void **state)
{
	struct gpu_rig *t = *state;
	static const uint32_t sizes[][2] = {
		{ 0x40000001, 128 }, { 0xffffffff, 0xffffffff }, { 0x10000, 0x4000 },
		{ 0x80000000, 2 }, { 0x40000000, 4 }, { 2, 0x80000000 }, { 16384, 16384 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, sizes[i][0], sizes[i][1]),
				 NO_MEMORY);
	assert_empty(t);
}

static void case_38_resources_that_make_no_sense(void **state)
{
	struct gpu_rig *t = *state;
	static const uint32_t formats[] = { 0, 5, 66, 69, 120, 122, 133, 135, 0xffffffff };

	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 0, 5), BAD_PARAMETER);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 5, 0), BAD_PARAMETER);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 0, 0xffffffff), BAD_PARAMETER);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, DISPLAY_MAX_SIZE + 1, 1), BAD_PARAMETER);
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
		assert_int_equal(vgpu_create_2d(&t->g, 1, formats[i], W, H), BAD_PARAMETER);
	assert_int_equal(vgpu_create_2d(&t->g, 0, XRGB, W, H), BAD_RESOURCE);
	assert_empty(t);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), BAD_RESOURCE);
	assert_int_equal(usage_of(t).resources, 1);
	assert_true(usage_of(t).bytes == BYTES);
}

static void case_39_caps_on_number_and_bytes(void **state)
{
	struct gpu_rig *t = *state;
	uint32_t n = 0;

	while (vgpu_create_2d(&t->g, n + 1, XRGB, 1, 1) == OK)
		n++;
	assert_int_equal(t->g.last.type, NO_MEMORY);
	assert_int_equal(n, MAX_RESOURCES);
	for (uint32_t i = 1; i <= n; i++)
		assert_int_equal(vgpu_unref(&t->g, i), OK);
	assert_empty(t);
	for (n = 0; vgpu_create_2d(&t->g, n + 1, XRGB, 512, 512) == OK; n++)
		;
	assert_int_equal(t->g.last.type, NO_MEMORY);
	assert_int_equal(n, MAX_BYTES / MiB);
	/* To the last byte. */
	assert_int_equal(vgpu_create_2d(&t->g, 99, XRGB, 1, 1), NO_MEMORY);
	assert_int_equal(vgpu_unref(&t->g, 3), OK);
	assert_int_equal(vgpu_create_2d(&t->g, 99, XRGB, 1, 1), OK);
	for (uint32_t i = 1; i <= n; i++)
		vgpu_unref(&t->g, i);
	vgpu_unref(&t->g, 99);
	assert_empty(t);
}

static void case_40_unref_takes_the_backing_along(void **state)
{
	struct gpu_rig *t = *state;

	for (unsigned i = 0; i < MANY; i++) {
		make(t, 1);
		assert_int_equal(vgpu_unref(&t->g, 1), OK);
	}
	assert_empty(t);
}

/* --- backing -------------------------------------------------------------- */

static void case_41_backing_twice(void **state)
{
	struct gpu_rig *t = *state;

	make(t, 1);
	assert_int_equal(vgpu_attach_range(&t->g, 1, GPU_RIG_FB + 4096, BYTES), UNSPEC);
	assert_true(usage_of(t).backing == 1);
	t->fb[0] = 0x123456;
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, 0), OK);
	assert_int_equal(fake_display_pixel(&t->display, 0, 0, 0), 0x123456);
	assert_int_equal(vgpu_detach(&t->g, 1), OK);
	assert_int_equal(vgpu_detach(&t->g, 1), BAD_RESOURCE);
	assert_true(usage_of(t).backing == 0);
}

static void case_42_numbers_of_entries(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_mem_entry *entries = calloc(GPU_MAX_BACKING + 1, sizeof(*entries));
	static const uint32_t bad[] = { 0, 3, GPU_MAX_BACKING + 1, 1u << 28, UINT32_MAX };

	for (unsigned i = 0; i <= GPU_MAX_BACKING; i++)
		entries[i] = (struct virtio_gpu_mem_entry){ .addr = GPU_RIG_FB + i % 7 * 2,
							    .length = 1 };
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	/* More than come along, or none. */
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vgpu_attach(&t->g, 1, entries, 2, bad[i]), BAD_PARAMETER);
	assert_int_equal(vgpu_attach(&t->g, 1, entries, GPU_MAX_BACKING + 1, GPU_MAX_BACKING + 1),
			 BAD_PARAMETER);
	assert_true(usage_of(t).backing == 0);
	assert_int_equal(vgpu_attach(&t->g, 1, entries, GPU_MAX_BACKING, GPU_MAX_BACKING), OK);
	assert_true(usage_of(t).backing == GPU_MAX_BACKING);
	assert_int_equal(vgpu_detach(&t->g, 1), OK);
	/* Fewer than come along is legal. */
	assert_int_equal(vgpu_attach(&t->g, 1, entries, 9, 2), OK);
	assert_true(usage_of(t).backing == 2);
	free(entries);
}

static void case_42_all_backing_together_is_limited(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_mem_entry *entries = calloc(GPU_MAX_BACKING, sizeof(*entries));
	uint32_t n = 0, type;

	for (unsigned i = 0; i < GPU_MAX_BACKING; i++)
		entries[i] = (struct virtio_gpu_mem_entry){ .addr = GPU_RIG_FB, .length = 4096 };
	do {
		assert_int_equal(vgpu_create_2d(&t->g, ++n, XRGB, 1, 1), OK);
		type = vgpu_attach(&t->g, n, entries, GPU_MAX_BACKING, GPU_MAX_BACKING);
	} while (type == OK);
	assert_int_equal(type, NO_MEMORY);
	assert_int_equal(n - 1, GPU_MAX_BACKING_TOTAL / GPU_MAX_BACKING);
	free(entries);
}

static void case_43_entries_outside_memory(void **state)
{
	struct gpu_rig *t = *state;
	static const struct virtio_gpu_mem_entry bad[] = {
		{ .addr = GPU_RIG_FB, .length = 0 },
		{ .addr = FAKE_RAM_LEN - 1, .length = 2 },
		{ .addr = FAKE_RAM_LEN, .length = 1 },
		{ .addr = FAKE_RAM2_GPA + FAKE_RAM2_LEN - 4096, .length = 4097 },
		{ .addr = UINT64_MAX, .length = 1 },
		{ .addr = UINT64_MAX - 1, .length = UINT32_MAX },
		{ .addr = GPU_RIG_FB, .length = UINT32_MAX },
		{ .addr = VRIG_MMIO_GPA, .length = 4 },
	};
	struct virtio_gpu_mem_entry entries[3];

	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		for (unsigned k = 0; k < 3; k++) {
			for (unsigned j = 0; j < 3; j++)
				entries[j] = (struct virtio_gpu_mem_entry){ .addr = GPU_RIG_FB,
									    .length = 64 };
			entries[k] = bad[i];
			assert_int_equal(vgpu_attach(&t->g, 1, entries, 3, 3), BAD_PARAMETER);
			assert_true(usage_of(t).backing == 0);
			assert_int_equal(vgpu_detach(&t->g, 1), BAD_RESOURCE);
		}
	}
	assert_int_equal(vgpu_attach_range(&t->g, 1, GPU_RIG_FB, BYTES), OK);
}

static void case_44_ids_of_nothing(void **state)
{
	struct gpu_rig *t = *state;
	static const uint32_t ids[] = { 0, 1, 2, 77, UINT32_MAX };
	struct virtio_gpu_resource_assign_uuid uuid = { 0 };

	make(t, 2);
	assert_int_equal(vgpu_unref(&t->g, 2), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_int_equal(vgpu_unref(&t->g, ids[i]), BAD_RESOURCE);
		assert_int_equal(vgpu_attach_range(&t->g, ids[i], GPU_RIG_FB, 4), BAD_RESOURCE);
		assert_int_equal(vgpu_detach(&t->g, ids[i]), BAD_RESOURCE);
		assert_int_equal(vgpu_transfer(&t->g, ids[i], ALL, 0), BAD_RESOURCE);
		assert_int_equal(vgpu_flush(&t->g, ids[i], ALL), BAD_RESOURCE);
		uuid.resource_id = ids[i];
		assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, &uuid,
					      sizeof(uuid)), BAD_RESOURCE);
		if (ids[i])
			assert_int_equal(vgpu_set_scanout(&t->g, 0, ids[i], ALL), BAD_RESOURCE);
	}
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	assert_int_equal(vgpu_detach(&t->g, 1), BAD_RESOURCE);
}

/* --- transfers ------------------------------------------------------------ */

static const struct virtio_gpu_rect bad_rects[] = {
	{ 0xffffffff, 0, 2, 1 }, { 0, 0xffffffff, 1, 2 }, { 0, 0, W + 1, 1 }, { 0, 0, 1, H + 1 },
	{ W, 0, 1, 1 }, { 0, H, 1, 1 }, { 1, 0, W, 1 }, { 0, 1, 1, H }, { 0, 0, 0, 1 },
	{ 0, 0, 1, 0 }, { 1, 1, 0xffffffff, 1 }, { 1, 1, 1, 0xffffffff },
	{ 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0x80000000, 0, 0x80000000, 1 },
};

static void case_45_rectangles_that_wrap(void **state)
{
	struct gpu_rig *t = *state;

	make(t, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_rects); i++)
		assert_int_equal(vgpu_transfer(&t->g, 1, bad_rects[i], 0), BAD_PARAMETER);
	assert_int_equal(vgpu_transfer(&t->g, 1, VGPU_RECT(W - 1, H - 1, 1, 1), 0), OK);
}

static void case_46_offsets_and_backing_that_is_too_short(void **state)
{
	struct gpu_rig *t = *state;
	static const uint64_t bad[] = {
		BYTES + 1, 1ull << 32, UINT64_MAX, UINT64_MAX - BYTES + 1, 1ull << 63,
	};

	memset(t->fb, 0x11, 2 * BYTES);
	make(t, 1);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vgpu_transfer(&t->g, 1, ALL, bad[i]), BAD_PARAMETER);
	/* What there is, is copied, and nothing from behind it. */
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, BYTES - 8), OK);
	assert_int_equal(fake_display_pixel(&t->display, 0, 1, 0), 0x111111);
	assert_int_equal(fake_display_pixel(&t->display, 0, 2, 0), 0);
	assert_int_equal(vgpu_transfer(&t->g, 1, VGPU_RECT(4, 3, 5, 5), BYTES - W * 4 - 12), OK);
	assert_int_equal(fake_display_pixel(&t->display, 0, 8, 3), 0x111111);
	assert_int_equal(fake_display_pixel(&t->display, 0, 6, 4), 0x111111);
	assert_int_equal(fake_display_pixel(&t->display, 0, 7, 4), 0);
	assert_int_equal(fake_display_pixel(&t->display, 0, 4, 5), 0);
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, BYTES), OK);
	assert_int_equal(vgpu_detach(&t->g, 1), OK);
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, 0), BAD_PARAMETER);
}

/* --- scanouts ------------------------------------------------------------- */

static void case_47_outputs_that_are_not_there(void **state)
{
	struct gpu_rig *t = *state;
	static const uint32_t bad[] = { 16, 17, 32, 0x80000000, UINT32_MAX };

	make(t, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct virtio_gpu_set_scanout_blob c = { .scanout_id = bad[i] };

		assert_int_equal(vgpu_set_scanout(&t->g, bad[i], 1, ALL), BAD_SCANOUT);
		assert_int_equal(vgpu_set_scanout(&t->g, bad[i], 0, ALL), BAD_SCANOUT);
		assert_int_equal(vgpu_set_scanout_blob(&t->g, c), BAD_SCANOUT);
	}
	assert_int_equal(vgpu_set_scanout(&t->g, 15, 1, ALL), OK);
}

static void case_48_rectangles_outside_the_resource(void **state)
{
	struct gpu_rig *t = *state;

	make(t, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_rects); i++)
		assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, bad_rects[i]), BAD_PARAMETER);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, VGPU_RECT(0, 0, 15, 16)), BAD_PARAMETER);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, VGPU_RECT(0, 0, 16, 15)), BAD_PARAMETER);
	assert_int_equal(t->display.outputs[0].n_set, 0);
	for (unsigned i = 0; i < MANY; i++)
		vgpu_set_scanout(&t->g, i % 16, 1, i % 3 ? ALL : VGPU_RECT(1, 1, W, H));
	assert_int_equal(usage_of(t).resources, 1);
}

static void case_49_unref_while_shown_and_as_cursor(void **state)
{
	struct gpu_rig *t = *state;

	make(t, 1);
	vgpu_create_2d(&t->g, 2, XRGB, 64, 64);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(vgpu_set_scanout(&t->g, i, 1, ALL), OK);
		vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, i, 2, 1, 1, 0, 0);
	}
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	assert_int_equal(vgpu_unref(&t->g, 1), OK);
	assert_int_equal(vgpu_collect(&t->g), OK);
	assert_int_equal(vgpu_unref(&t->g, 2), OK);
	for (unsigned i = 0; i < 16; i++) {
		assert_false(t->display.outputs[i].picture.shown);
		assert_int_equal(t->display.outputs[i].n_off, 1);
		/* Its own copy. */
		assert_true(t->display.outputs[i].picture.cursor_shown);
	}
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), BAD_RESOURCE);
	vgpu_cursor(&t->g, VIRTIO_GPU_CMD_MOVE_CURSOR, 3, 2, 9, 9, 0, 0);
	assert_int_equal(t->display.outputs[3].picture.cursor_x, 9);
	assert_empty(t);
}

static void case_50_flushes_of_nothing(void **state)
{
	struct gpu_rig *t = *state;

	make(t, 1);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), OK);
	vgpu_set_scanout(&t->g, 0, 1, ALL);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_rects); i++)
		assert_int_equal(vgpu_flush(&t->g, 1, bad_rects[i]), BAD_PARAMETER);
	assert_int_equal(t->display.outputs[0].n_flush, 0);
}

/* --- cursors -------------------------------------------------------------- */

static void case_51_cursors_that_make_no_sense(void **state)
{
	struct gpu_rig *t = *state;
	struct picture *p = &t->display.outputs[0].picture;
	const uint32_t update = VIRTIO_GPU_CMD_UPDATE_CURSOR;

	vgpu_create_2d(&t->g, 1, XRGB, 64, 63);
	vgpu_create_2d(&t->g, 2, XRGB, 64, 64);
	vgpu_create_2d(&t->g, 3, XRGB, 128, 128);
	vgpu_cursor(&t->g, update, 0, 1, 0, 0, 0, 0);
	vgpu_cursor(&t->g, update, 0, 3, 0, 0, 0, 0);
	vgpu_cursor(&t->g, update, 0, 99, 0, 0, 0, 0);
	vgpu_cursor(&t->g, update, 99, 2, 0, 0, 0, 0);
	vgpu_cursor(&t->g, update, UINT32_MAX, 2, 0, 0, 0, 0);
	assert_false(p->cursor_shown);
	vgpu_cursor(&t->g, update, 0, 2, INT32_MAX, INT32_MIN, UINT32_MAX, UINT32_MAX);
	assert_true(p->cursor_shown);
	assert_int_equal(p->hot_x, 63);
	assert_int_equal(p->hot_y, 63);
	/* A command of the other queue, and half of one. */
	assert_int_equal(vgpu_cursor(&t->g, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 2, 0, 0, 0, 0),
			 UNSPEC);
	assert_int_equal(vgpu_send(&t->g, 1, &update, 4, NULL, sizeof(t->g.last)), UNSPEC);
	/* The wrong size leaves the image that was there. */
	vgpu_cursor(&t->g, update, 0, 1, 0, 0, 0, 0);
	assert_true(p->cursor_shown);
	for (unsigned i = 0; i < MANY; i++)
		vgpu_cursor(&t->g, i % 2 ? update : VIRTIO_GPU_CMD_MOVE_CURSOR, i % 20, i % 4, i, i,
			    i, i);
}

static void case_51_many_moves_are_one(void **state)
{
	struct gpu_rig *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[1];
	struct virtio_gpu_update_cursor c = {
		.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR,
	};

	for (uint32_t i = 0; i < GPU_CURSOR_QUEUE_SIZE; i++) {
		uint64_t gpa = vdrv_alloc(&t->r.d, sizeof(c), 8);

		c.pos.x = i;
		memcpy(vdrv_ptr(&t->r.d, gpa, sizeof(c)), &c, sizeof(c));
		vdrv_add(ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(c)), 1);
	}
	vdrv_kick(&t->r.d, 1);
	fake_settle(&t->r.fake);
	assert_int_equal(t->display.outputs[0].n_move, 1);
	assert_int_equal(t->display.outputs[0].picture.cursor_x, GPU_CURSOR_QUEUE_SIZE - 1);
	for (unsigned i = 0; i < GPU_CURSOR_QUEUE_SIZE; i++)
		assert_true(vdrv_used(ring, NULL) >= 0);
}

/* --- answers -------------------------------------------------------------- */

static void case_52_capsets_and_heads_that_are_not_there(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_get_capset_info info = { .capset_index = 0 };
	struct virtio_gpu_get_capset set = { .capset_id = 1 };
	struct virtio_gpu_cmd_get_edid edid = { .hdr.type = VIRTIO_GPU_CMD_GET_EDID };
	static const uint32_t heads[] = { 16, 17, 0xffffffff };

	assert_true(vgpu_command(&t->g, VIRTIO_GPU_CMD_GET_CAPSET_INFO, &info, sizeof(info)) >=
		    UNSPEC);
	assert_true(vgpu_command(&t->g, VIRTIO_GPU_CMD_GET_CAPSET, &set, sizeof(set)) >= UNSPEC);
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		struct virtio_gpu_resp_edid answer;

		edid.scanout = heads[i];
		memset(&answer, 0, sizeof(answer));
		assert_int_equal(vgpu_send(&t->g, 0, &edid, sizeof(edid), &answer, sizeof(answer)),
				 BAD_SCANOUT);
		assert_int_equal(t->g.last_len, sizeof(answer.hdr));
	}
}

/* Bytes of an answer that the device says it wrote, over poison; it wrote no others. */
static uint32_t poisoned(struct gpu_rig *t, void *cmd, uint32_t len, uint8_t *answer)
{
	memset(gmem_ptr(t->g.mem, t->g.answers, VGPU_SLOTS * VGPU_ANSWER_BYTES), POISON,
	       VGPU_SLOTS * VGPU_ANSWER_BYTES);
	vgpu_send(&t->g, 0, cmd, len, answer, 1500);
	for (uint32_t i = MAX(t->g.last_len, 24u); i < 1500; i++)
		assert_int_equal(answer[i], POISON);
	return t->g.last_len;
}

static void case_53_no_byte_of_an_answer_is_left_over(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_cmd_get_edid edid = { .hdr.type = VIRTIO_GPU_CMD_GET_EDID };
	struct virtio_gpu_ctrl_hdr info = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info *r;
	uint8_t answer[1500];

	/* Whatever the stack held before. */
	memset(answer, POISON, sizeof(answer));
	edid.hdr.padding[0] = edid.hdr.padding[2] = POISON;
	edid.hdr.ring_idx = POISON;
	assert_int_equal(poisoned(t, &edid, sizeof(edid), answer),
			 sizeof(struct virtio_gpu_resp_edid));
	for (unsigned i = 4; i < 24; i++)
		assert_int_equal(answer[i], 0);
	for (unsigned i = 32 + 128; i < sizeof(struct virtio_gpu_resp_edid); i++)
		assert_int_equal(answer[i], 0);
	assert_int_equal(poisoned(t, &info, sizeof(info), answer), sizeof(*r));
	r = (void *)answer;
	for (unsigned i = 1; i < 16; i++)
		for (unsigned k = 0; k < sizeof(r->pmodes[0]); k++)
			assert_int_equal(((uint8_t *)&r->pmodes[i])[k], 0);
	assert_int_equal(r->pmodes[0].flags, 0);
	info.type = 0xdead;
	assert_int_equal(poisoned(t, &info, sizeof(info), answer), 24);
	for (unsigned i = 4; i < 24; i++)
		assert_int_equal(answer[i], 0);
}

static void case_54_commands_that_are_none(void **state)
{
	struct gpu_rig *t = *state;
	static const uint32_t types[] = {
		0, 0xff, 0x10e, 0x1ff, VIRTIO_GPU_CMD_CTX_CREATE, VIRTIO_GPU_CMD_CTX_DESTROY,
		VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
		VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, VIRTIO_GPU_CMD_SUBMIT_3D,
		VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
		VIRTIO_GPU_CMD_UPDATE_CURSOR, VIRTIO_GPU_CMD_MOVE_CURSOR,
		VIRTIO_GPU_RESP_OK_NODATA, UINT32_MAX,
	};
	uint8_t cmd[512] = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(vgpu_command(&t->g, types[i], cmd, sizeof(cmd)), UNSPEC);
	/* Every command, cut off before its end. */
	for (uint32_t type = 0x100; type < 0x10e; type++) {
		size_t size = gpu_command_size(GPU_CONTROLQ, type);

		store_le(cmd, 4, type);
		for (uint32_t len = 1; len < size; len++)
			assert_int_equal(vgpu_send(&t->g, 0, cmd, len, NULL, 24), UNSPEC);
	}
	assert_int_equal(vgpu_send(&t->g, 0, cmd, 0, NULL, 24), UNSPEC);
	assert_empty(t);
}

static void case_54_a_command_of_megabytes(void **state)
{
	struct gpu_rig *t = *state;
	struct vdrv_buf bufs[GPU_QUEUE_SIZE];
	struct virtio_gpu_ctrl_hdr *hdr = gmem_ptr(t->g.mem, GPU_RIG_FB, sizeof(*hdr));
	unsigned n = 0;

	/* The same megabyte over and over. */
	*hdr = (struct virtio_gpu_ctrl_hdr){ .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	while (n < 64)
		bufs[n++] = (struct vdrv_buf)VDRV_OUT(GPU_RIG_FB, FAKE_RAM2_LEN);
	bufs[n++] = (struct vdrv_buf)VDRV_IN(t->g.answers, 24);
	vdrv_add(&t->r.d.rings[0], bufs, n);
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(vgpu_collect(&t->g), UNSPEC);
}

static void features_not_negotiated_are_not_there(void **state)
{
	struct gpu_rig *t = *state;
	uint8_t cmd[512] = { 0 };

	gpu_rig_start(t, VIRTIO_COMMON_FEATURES);
	assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_GET_EDID, cmd, sizeof(cmd)), UNSPEC);
	assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, cmd,
				      sizeof(cmd)), UNSPEC);
	assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, cmd,
				      sizeof(cmd)), UNSPEC);
	assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, cmd, sizeof(cmd)),
			 UNSPEC);
}

static void case_19_short_answers(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_ctrl_hdr info = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

	for (uint32_t room = 0; room < 40; room++) {
		vgpu_send(&t->g, 0, &info, sizeof(info), NULL, room);
		assert_int_equal(t->g.last_len, room);
	}
}

static void case_55_fences_on_what_fails(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_ctrl_hdr unknown = { 0 };

	t->g.next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX | 0xff00,
		.fence_id = 7, .ctx_id = 3, .ring_idx = 255,
	};
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(vgpu_unref(&t->g, 1), BAD_RESOURCE);
		assert_int_equal(t->g.last.flags, 3);
		assert_int_equal(t->g.last.ring_idx, 255);
		assert_true(t->g.last.fence_id == 7);
	}
	assert_int_equal(vgpu_command(&t->g, 0xbad, &unknown, sizeof(unknown)), UNSPEC);
	assert_true(t->g.last.fence_id == 7);
}

static void case_55_as_many_parked_as_the_queue_has(void **state)
{
	struct gpu_rig *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[0];
	struct virtio_gpu_resource_flush c = {
		.hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_FLUSH, .flags = VIRTIO_GPU_FLAG_FENCE,
			 .fence_id = 1 },
		.r = ALL, .resource_id = 1,
	};
	uint64_t gpa = vdrv_alloc(&t->r.d, sizeof(c), 8);
	unsigned n = 0, got = 0;

	make(t, 1);
	vgpu_set_scanout(&t->g, 0, 1, ALL);
	t->display.paced = true;
	memcpy(vdrv_ptr(&t->r.d, gpa, sizeof(c)), &c, sizeof(c));
	for (; vdrv_add(ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(c)), 1) >= 0; n++)
		;
	vdrv_kick(&t->r.d, 0);
	fake_settle(&t->r.fake);
	assert_int_equal(n, GPU_QUEUE_SIZE);
	assert_int_equal(usage_of(t).parked, n);
	assert_int_equal(vdrv_used(ring, NULL), -1);
	fake_display_frame(&t->display, 0, gpu_sink(t->gpu));
	while (vdrv_used(ring, NULL) >= 0)
		got++;
	assert_int_equal(got, n);
	assert_int_equal(usage_of(t).parked, 0);
	t->display.paced = false;
}

static void case_22_reset_with_frames_and_commands_waiting(void **state)
{
	struct gpu_rig *t = *state;

	for (unsigned i = 0; i < 1000; i++) {
		t->display.paced = true;
		make(t, 1);
		vgpu_set_scanout(&t->g, i % 16, 1, ALL);
		assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
		vdrv_add(&t->r.d.rings[0], &(struct vdrv_buf)VDRV_OUT(t->g.request, 64), 1);
		vdrv_kick(&t->r.d, 0);
		gpu_rig_start(t, GPU_RIG_FEATURES);
		assert_empty(t);
		/* Late. */
		fake_display_frame(&t->display, i % 16, gpu_sink(t->gpu));
		assert_int_equal(vgpu_collect(&t->g), 0);
	}
	t->display.paced = false;
}

static void one_turn_copies_a_bounded_amount(void **state)
{
	struct gpu_rig *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[0];
	struct virtio_gpu_transfer_to_host_2d c = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = VGPU_RECT(0, 0, 512, 512), .resource_id = 1,
	};
	uint64_t gpa = vdrv_alloc(&t->r.d, sizeof(c), 8);
	struct gpu_stats stats;
	unsigned got = 0;

	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 512, 512), OK);
	assert_int_equal(vgpu_attach_range(&t->g, 1, GPU_RIG_FB, MiB), OK);
	memcpy(vdrv_ptr(&t->r.d, gpa, sizeof(c)), &c, sizeof(c));
	for (unsigned i = 0; i < 128; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_OUT(gpa, sizeof(c)), 1);
	vdrv_kick(&t->r.d, 0);
	loop_run_once(t->r.fake.loop, 0);
	gpu_get_stats(t->gpu, &stats);
	assert_true(stats.bytes_copied >= MiB && stats.bytes_copied <= 40 * MiB);
	/* The rest comes without another kick. */
	for (unsigned i = 0; i < 100; i++)
		fake_settle(&t->r.fake);
	while (vdrv_used(ring, NULL) >= 0)
		got++;
	assert_int_equal(got, 128);
}

/* --- blobs ---------------------------------------------------------------- */

static const struct virtio_gpu_resource_create_blob good_blob = {
	.resource_id = 5, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 1, .size = 16384,
};

static uint32_t try_blob(struct gpu_rig *t, struct virtio_gpu_resource_create_blob c)
{
	const struct virtio_gpu_mem_entry entry = { .addr = GPU_RIG_FB, .length = 16384 };

	return vgpu_create_blob(&t->g, c, &entry, 1);
}

static void case_73_blobs_that_make_no_sense(void **state)
{
	struct gpu_rig *t = *state;
	static const uint64_t sizes[] = {
		0, 1, 4095, 16383, 20480, 1ull << 63, UINT64_MAX & ~4095ull, 1ull << 32,
	};
	static const uint32_t mems[] = { 0, 2, 3, 4, UINT32_MAX };
	struct virtio_gpu_resource_create_blob c;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		c = good_blob;
		c.size = sizes[i];
		assert_int_equal(try_blob(t, c), BAD_PARAMETER);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(mems); i++) {
		c = good_blob;
		c.blob_mem = mems[i];
		assert_int_equal(try_blob(t, c), BAD_PARAMETER);
	}
	c = good_blob;
	c.blob_flags = 8;
	assert_int_equal(try_blob(t, c), BAD_PARAMETER);
	c = good_blob;
	c.nr_entries = 0;
	assert_int_equal(try_blob(t, c), BAD_PARAMETER);
	c.nr_entries = 2;
	assert_int_equal(try_blob(t, c), BAD_PARAMETER);
	c = good_blob;
	c.resource_id = 0;
	assert_int_equal(try_blob(t, c), BAD_RESOURCE);
	assert_empty(t);
	assert_int_equal(try_blob(t, good_blob), OK);
	assert_int_equal(try_blob(t, good_blob), BAD_RESOURCE);
	/* Not for the commands of classic resources. */
	assert_int_equal(vgpu_attach_range(&t->g, 5, GPU_RIG_FB, 4096), UNSPEC);
	assert_int_equal(vgpu_detach(&t->g, 5), BAD_RESOURCE);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 5, ALL), BAD_PARAMETER);
	/* But for this one, which Linux sends for its console's: there is nothing to be done. */
	assert_int_equal(vgpu_transfer(&t->g, 5, ALL, 0), OK);
}

static void case_74_pictures_outside_their_blob(void **state)
{
	struct gpu_rig *t = *state;
	const struct virtio_gpu_set_scanout_blob good = {
		.r = ALL, .resource_id = 5, .width = W, .height = H, .format = XRGB,
		.strides = { W * 4 }, .offsets = { 16384 - BYTES },
	};
	struct virtio_gpu_set_scanout_blob c;

#define BAD(change) do { c = good; c.change; \
	assert_int_equal(vgpu_set_scanout_blob(&t->g, c), BAD_PARAMETER); } while (0)
	assert_int_equal(try_blob(t, good_blob), OK);
	BAD(strides[0] = W * 4 - 1);
	BAD(strides[0] = 0);
	BAD(strides[0] = UINT32_MAX);
	BAD(strides[0] = W * 4 + 1);
	BAD(offsets[0] += 1);
	BAD(offsets[0] = UINT32_MAX);
	BAD(width = W + 1);
	BAD(height = H + 1);
	BAD(width = UINT32_MAX);
	BAD(height = UINT32_MAX);
	BAD(width = 0);
	BAD(format = 0);
	BAD(format = 3000);
	BAD(r.x = 1);
	BAD(r.width = 15);
	BAD(r.height = 0);
	BAD(r.y = UINT32_MAX);
#undef BAD
	c = good;
	c.resource_id = 6;
	assert_int_equal(vgpu_set_scanout_blob(&t->g, c), BAD_RESOURCE);
	make(t, 6);
	assert_int_equal(vgpu_set_scanout_blob(&t->g, c), BAD_PARAMETER);
	assert_int_equal(t->display.outputs[0].n_set, 0);
	assert_int_equal(vgpu_set_scanout_blob(&t->g, good), OK);
	assert_int_equal(vgpu_flush(&t->g, 5, VGPU_RECT(0, 0, 16384, 16384)), OK);
	assert_int_equal(t->display.outputs[0].damage.width, W);
	assert_int_equal(vgpu_flush(&t->g, 5, VGPU_RECT(0xffffffff, 0, 2, 2)), BAD_PARAMETER);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(case_37_sizes_whose_products_wrap),
		T(case_38_resources_that_make_no_sense),
		T(case_39_caps_on_number_and_bytes),
		T(case_40_unref_takes_the_backing_along),
		T(case_41_backing_twice),
		T(case_42_numbers_of_entries),
		T(case_42_all_backing_together_is_limited),
		T(case_43_entries_outside_memory),
		T(case_44_ids_of_nothing),
		T(case_45_rectangles_that_wrap),
		T(case_46_offsets_and_backing_that_is_too_short),
		T(case_47_outputs_that_are_not_there),
		T(case_48_rectangles_outside_the_resource),
		T(case_49_unref_while_shown_and_as_cursor),
		T(case_50_flushes_of_nothing),
		T(case_51_cursors_that_make_no_sense),
		T(case_51_many_moves_are_one),
		T(case_52_capsets_and_heads_that_are_not_there),
		T(case_53_no_byte_of_an_answer_is_left_over),
		T(case_54_commands_that_are_none),
		T(case_54_a_command_of_megabytes),
		T(features_not_negotiated_are_not_there),
		T(case_19_short_answers),
		T(case_55_fences_on_what_fails),
		T(case_55_as_many_parked_as_the_queue_has),
		T(case_22_reset_with_frames_and_commands_waiting),
		T(one_turn_copies_a_bounded_amount),
		T(case_73_blobs_that_make_no_sense),
		T(case_74_pictures_outside_their_blob),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
