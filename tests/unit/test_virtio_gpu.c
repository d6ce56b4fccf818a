/* SPDX-License-Identifier: MIT */
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define ARGB VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM
#define W 64u
#define H 32u
#define ALL VGPU_RECT(0, 0, W, H)

static int setup(void **state)
{
	const struct gpu_params params = { .n_outputs = 3, .n_plugged = 1 };
	struct gpu_rig *t = calloc(1, sizeof(*t));

	gpu_rig_init(t, *(const enum vrig_kind *)*state, &params);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct gpu_rig *t = *state;
	struct gpu_usage usage;

	vdrv_reset(&t->r.d);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.resources + usage.bytes + usage.backing + usage.parked, 0);
	gpu_rig_finish(t);
	free(t);
	return 0;
}

static void fill(struct gpu_rig *t, uint32_t base, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		t->fb[i] = base + i;
}

static struct fake_output *output(struct gpu_rig *t, unsigned n)
{
	return &t->display.outputs[n];
}

/* --- presenting itself ---------------------------------------------------- */

static void device_presents_itself(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_device *v = gpu_device(t->gpu);

	assert_int_equal(v->ops->id, VIRTIO_ID_GPU);
	assert_int_equal(t->r.d.n_queues, 2);
	assert_int_equal(virtio_queue_max_size(v, 0), GPU_QUEUE_SIZE);
	assert_int_equal(virtio_queue_max_size(v, 1), GPU_CURSOR_QUEUE_SIZE);
	assert_true(vdrv_device_features(&t->r.d) == GPU_RIG_FEATURES);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);
	assert_int_equal(vdrv_config_read(&t->r.d, 8, 4), 3);	/* num_scanouts */
	assert_int_equal(vdrv_config_read(&t->r.d, 12, 4), 0);	/* num_capsets */
}

static struct virtio_gpu_resp_display_info display_info(struct gpu_rig *t)
{
	struct virtio_gpu_ctrl_hdr cmd = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info info;

	assert_int_equal(vgpu_send(&t->g, 0, &cmd, sizeof(cmd), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(t->g.last_len, sizeof(info));
	return info;
}

static void display_info_says_which_monitors_there_are(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_resp_display_info info = display_info(t);

	assert_int_equal(info.pmodes[0].enabled, 1);
	assert_int_equal(info.pmodes[0].r.width, GPU_DEFAULT_WIDTH);
	assert_int_equal(info.pmodes[0].r.height, GPU_DEFAULT_HEIGHT);
	for (unsigned i = 1; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
		assert_int_equal(info.pmodes[i].enabled, 0);
		assert_int_equal(info.pmodes[i].r.width, 0);
	}
}

static uint32_t get_edid(struct gpu_rig *t, uint32_t output, struct virtio_gpu_resp_edid *edid)
{
	struct virtio_gpu_cmd_get_edid cmd = {
		.hdr.type = VIRTIO_GPU_CMD_GET_EDID, .scanout = output,
	};

	return vgpu_send(&t->g, 0, &cmd, sizeof(cmd), edid, sizeof(*edid));
}

static void edid_has_the_monitors_size(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_resp_edid edid;

	assert_int_equal(get_edid(t, 0, &edid), VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(edid.size, 128);
	assert_int_equal(edid.edid[54 + 2] | edid.edid[54 + 4] >> 4 << 8, GPU_DEFAULT_WIDTH);
	assert_int_equal(edid.edid[54 + 5] | edid.edid[54 + 7] >> 4 << 8, GPU_DEFAULT_HEIGHT);
	assert_int_equal(edid.edid[21], 34);	/* 1280 / 96 inches, in cm */
}

static void one_resource_has_a_limit_of_its_own(void **state)
{
	struct gpu_rig *t = *state;

	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 8192, 8193),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, 8192, 8192), OK);
	assert_int_equal(vgpu_create_2d(&t->g, 2, XRGB, 8192, 8192), OK);
	assert_int_equal(vgpu_create_2d(&t->g, 3, XRGB, 1, 1), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
}

/* --- monitors change ------------------------------------------------------ */

static void resized_window_changes_what_the_guest_is_told(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);
	struct virtio_gpu_resp_edid edid;

	vrig_take_config_irq(&t->r);
	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1001, .height = 777 });
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), VIRTIO_GPU_EVENT_DISPLAY);
	assert_int_equal(display_info(t).pmodes[0].r.width, 1001);
	get_edid(t, 0, &edid);
	assert_int_equal(edid.edid[54 + 5] | edid.edid[54 + 7] >> 4 << 8, 777);
	vdrv_config_write(&t->r.d, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);

	/* Nothing new is no event, nor is what nobody sees. */
	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1001 });
	sink.ops->configure(sink.ctx, 1, &(struct display_output){ .width = 500 });
	sink.ops->configure(sink.ctx, 77, &(struct display_output){ .width = 500 });
	assert_false(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);
}

/* As Linux does: reads events, asks for everything, clears events; changes come at any moment. */
static void change_between_answer_and_clear_is_an_event_again(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);

	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1001 });
	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1002 });
	vrig_take_config_irq(&t->r);
	assert_int_equal(display_info(t).pmodes[0].r.width, 1002);
	vdrv_config_write(&t->r.d, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
	assert_false(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);

	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1003 });
	assert_int_equal(display_info(t).pmodes[0].r.width, 1003);
	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1004 });
	vrig_take_config_irq(&t->r);
	vdrv_config_write(&t->r.d, 4, 4, 0);
	assert_false(vrig_take_config_irq(&t->r));
	vdrv_config_write(&t->r.d, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), VIRTIO_GPU_EVENT_DISPLAY);
	assert_int_equal(display_info(t).pmodes[0].r.width, 1004);
	vdrv_config_write(&t->r.d, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), 0);
	assert_false(vrig_take_config_irq(&t->r));
}

static void size_of_a_window_is_kept_within_what_can_be_shown(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);

	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = 1, .height = 1 << 30 });
	assert_int_equal(display_info(t).pmodes[0].r.width, GPU_MIN_SCANOUT);
	assert_int_equal(display_info(t).pmodes[0].r.height, DISPLAY_MAX_SIZE);
}

static void plugged_monitor_appears_beside_the_first(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);
	struct virtio_gpu_resp_display_info info;

	vrig_take_config_irq(&t->r);
	sink.ops->plug(sink.ctx, 2, true);
	assert_true(vrig_take_config_irq(&t->r));
	sink.ops->plug(sink.ctx, 2, true);
	sink.ops->plug(sink.ctx, 3, true);
	assert_false(vrig_take_config_irq(&t->r));
	info = display_info(t);
	assert_int_equal(info.pmodes[1].enabled, 0);
	assert_int_equal(info.pmodes[2].enabled, 1);
	assert_int_equal(info.pmodes[2].r.x, GPU_DEFAULT_WIDTH);
	sink.ops->plug(sink.ctx, 2, false);
	assert_true(vrig_take_config_irq(&t->r));
	assert_int_equal(display_info(t).pmodes[2].enabled, 0);
}

/* --- pictures ------------------------------------------------------------- */

static void picture_reaches_the_display(void **state)
{
	struct gpu_rig *t = *state;

	fill(t, 0x100000, W * H);
	gpu_rig_show(t, 7, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(output(t, 0)->n_set, 1);
	assert_int_equal(output(t, 0)->mode_width, W);
	assert_int_equal(fake_display_pixel(&t->display, 0, 3, 2), 0);
	assert_int_equal(vgpu_transfer(&t->g, 7, ALL, 0), OK);
	assert_int_equal(vgpu_flush(&t->g, 7, ALL), OK);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(output(t, 0)->n_flush, 1);
	assert_int_equal(output(t, 0)->damage.width, W);
	for (unsigned y = 0; y < H; y++)
		for (unsigned x = 0; x < W; x++)
			assert_int_equal(fake_display_pixel(&t->display, 0, x, y),
					 0x100000 + y * W + x);
}

static void transfer_copies_its_rectangle_and_nothing_else(void **state)
{
	struct gpu_rig *t = *state;
	struct gpu_stats stats;

	fill(t, 0x100000, W * H);
	gpu_rig_show(t, 7, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(vgpu_transfer(&t->g, 7, VGPU_RECT(5, 6, 7, 8), (6 * W + 5) * 4), OK);
	for (unsigned y = 0; y < H; y++)
		for (unsigned x = 0; x < W; x++) {
			bool in = x >= 5 && x < 12 && y >= 6 && y < 14;

			assert_int_equal(fake_display_pixel(&t->display, 0, x, y),
					 in ? 0x100000 + y * W + x : 0);
		}
	gpu_get_stats(t->gpu, &stats);
	assert_int_equal(stats.bytes_copied, 7 * 8 * 4);
}

static void scattered_backing_is_one_picture(void **state)
{
	struct gpu_rig *t = *state;
	struct virtio_gpu_mem_entry entries[64];
	const uint32_t piece = W * H * 4 / 64;

	/* Backwards, with gaps. */
	for (unsigned i = 0; i < 64; i++) {
		entries[i].addr = GPU_RIG_FB + (63 - i) * 2 * piece;
		entries[i].length = piece;
		for (unsigned k = 0; k < piece / 4; k++)
			t->fb[(63 - i) * 2 * piece / 4 + k] = i * piece / 4 + k;
	}
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	assert_int_equal(vgpu_attach(&t->g, 1, entries, 64, 64), OK);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	assert_int_equal(vgpu_transfer(&t->g, 1, VGPU_RECT(1, 1, W - 2, H - 1), (W + 1) * 4), OK);
	for (unsigned y = 1; y < H; y++)
		for (unsigned x = 1; x < W - 1; x++)
			assert_int_equal(fake_display_pixel(&t->display, 0, x, y), y * W + x);
	assert_int_equal(fake_display_pixel(&t->display, 0, W - 1, 5), 0);
}

static void every_format_is_shown_as_it_is(void **state)
{
	struct gpu_rig *t = *state;
	static const struct { uint32_t format, fourcc; uint8_t bytes[4]; } formats[] = {
		{ VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, DRM_FORMAT_ARGB8888, { 3, 2, 1, 9 } },
		{ VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, DRM_FORMAT_XRGB8888, { 3, 2, 1, 9 } },
		{ VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, DRM_FORMAT_BGRA8888, { 9, 1, 2, 3 } },
		{ VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, DRM_FORMAT_BGRX8888, { 9, 1, 2, 3 } },
		{ VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, DRM_FORMAT_ABGR8888, { 1, 2, 3, 9 } },
		{ VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, DRM_FORMAT_RGBX8888, { 9, 3, 2, 1 } },
		{ VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, DRM_FORMAT_RGBA8888, { 9, 3, 2, 1 } },
		{ VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, DRM_FORMAT_XBGR8888, { 1, 2, 3, 9 } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		for (unsigned k = 0; k < W * H; k++)
			memcpy(&t->fb[k], formats[i].bytes, 4);
		gpu_rig_show(t, i + 1, formats[i].format, W, H, GPU_RIG_FB);
		assert_int_equal(vgpu_transfer(&t->g, i + 1, ALL, 0), OK);
		assert_int_equal(output(t, 0)->picture.surface.fourcc, formats[i].fourcc);
		assert_int_equal(fake_display_pixel(&t->display, 0, 9, 9), 0x010203);
	}
}

static void scanout_shows_a_part_of_its_resource(void **state)
{
	struct gpu_rig *t = *state;

	fill(t, 0, W * H);
	gpu_rig_show(t, 7, XRGB, W, H, GPU_RIG_FB);
	vgpu_transfer(&t->g, 7, ALL, 0);
	assert_int_equal(vgpu_set_scanout(&t->g, 1, 7, VGPU_RECT(16, 8, 32, 20)), OK);
	assert_int_equal(output(t, 1)->mode_height, 20);
	assert_int_equal(fake_display_pixel(&t->display, 1, 1, 2), 10 * W + 17);
	/* Damage is told in the output's own coordinates, where it touches it. */
	assert_int_equal(vgpu_flush(&t->g, 7, VGPU_RECT(0, 0, 20, 10)), OK);
	assert_int_equal(output(t, 0)->damage.height, 10);
	assert_int_equal(output(t, 1)->damage.x, 0);
	assert_int_equal(output(t, 1)->damage.width, 4);
	assert_int_equal(output(t, 1)->damage.height, 2);
	assert_int_equal(vgpu_flush(&t->g, 7, VGPU_RECT(0, 0, 16, 10)), OK);
	assert_int_equal(output(t, 0)->n_flush, 2);
	assert_int_equal(output(t, 1)->n_flush, 1);
}

static void resource_0_turns_an_output_off(void **state)
{
	struct gpu_rig *t = *state;

	gpu_rig_show(t, 7, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 0, VGPU_RECT(0, 0, 0, 0)), OK);
	assert_false(output(t, 0)->picture.shown);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 0, VGPU_RECT(0, 0, 0, 0)), OK);
	assert_int_equal(output(t, 0)->n_off, 1);
	assert_int_equal(vgpu_flush(&t->g, 7, ALL), OK);
	assert_int_equal(output(t, 0)->n_flush, 0);
}

static void flipping_between_two_resources_is_no_new_mode(void **state)
{
	struct gpu_rig *t = *state;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	gpu_rig_show(t, 2, XRGB, W, H, GPU_RIG_FB + W * H * 4);
	assert_int_equal(vgpu_set_scanout(&t->g, 0, 1, ALL), OK);
	assert_int_equal(output(t, 0)->n_set, 3);
	assert_int_equal(output(t, 0)->n_mode, 1);
	/* The one that is not shown any more may go. */
	assert_int_equal(vgpu_unref(&t->g, 2), OK);
	assert_true(output(t, 0)->picture.shown);
	assert_int_equal(output(t, 0)->n_off, 0);
}

/* --- blobs ---------------------------------------------------------------- */

static uint32_t make_blob(struct gpu_rig *t, uint32_t id, uint64_t gpa, uint32_t size)
{
	const struct virtio_gpu_mem_entry entry = { .addr = gpa, .length = size };
	const struct virtio_gpu_resource_create_blob c = {
		.resource_id = id,
		.blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
		.nr_entries = 1,
		.size = size,
	};

	return vgpu_create_blob(&t->g, c, &entry, 1);
}

static uint32_t show_blob(struct gpu_rig *t, uint32_t id, uint32_t offset)
{
	const struct virtio_gpu_set_scanout_blob c = {
		.r = ALL,
		.resource_id = id,
		.width = W,
		.height = H,
		.format = XRGB,
		.strides = { W * 4 + 64 },
		.offsets = { offset },
	};

	return vgpu_set_scanout_blob(&t->g, c);
}

static void blob_of_guest_memory_is_shown_without_a_copy(void **state)
{
	struct gpu_rig *t = *state;
	struct gpu_usage usage;
	struct gpu_stats stats;

	fill(t, 0, 4096);
	assert_int_equal(make_blob(t, 3, GPU_RIG_FB, 16384), OK);
	assert_int_equal(show_blob(t, 3, 128), OK);
	assert_int_equal(fake_display_pixel(&t->display, 0, 2, 3), 32 + 3 * (W + 16) + 2);
	t->fb[32 + 3 * (W + 16) + 2] = 0xabcdef;
	assert_int_equal(fake_display_pixel(&t->display, 0, 2, 3), 0xabcdef);
	assert_int_equal(vgpu_flush(&t->g, 3, VGPU_RECT(2, 3, 1, 1)), OK);
	assert_int_equal(output(t, 0)->damage.x, 2);
	gpu_get_stats(t->gpu, &stats);
	assert_int_equal(stats.bytes_copied, 0);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.bytes, 0);
	assert_int_equal(usage.backing, 1);
	assert_int_equal(vgpu_unref(&t->g, 3), OK);
	assert_false(output(t, 0)->picture.shown);
}

static void blob_may_lie_in_pieces(void **state)
{
	struct gpu_rig *t = *state;
	const struct virtio_gpu_mem_entry entries[] = {
		{ .addr = GPU_RIG_FB + 32768, .length = 4097 },
		{ .addr = GPU_RIG_FB + 100, .length = 16384 - 4097 },
	};
	const struct virtio_gpu_resource_create_blob c = {
		.resource_id = 3, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 2,
		.size = 16384,
	};
	uint8_t *fb = (uint8_t *)t->fb;

	for (unsigned i = 0; i < 16384; i++)
		fb[i < 4097 ? 32768 + i : 100 + i - 4097] = i / 7;
	assert_int_equal(vgpu_create_blob(&t->g, c, entries, 2), OK);
	assert_int_equal(show_blob(t, 3, 0), OK);
	for (unsigned y = 0; y < H; y++)
		for (unsigned x = 0; x < W; x++) {
			unsigned at = y * (W * 4 + 64) + x * 4;
			uint32_t want = (uint8_t)((at + 2) / 7) << 16 |
					(uint8_t)((at + 1) / 7) << 8 | (uint8_t)(at / 7);

			assert_int_equal(fake_display_pixel(&t->display, 0, x, y), want);
		}
}

/* --- UUIDs ---------------------------------------------------------------- */

static void get_uuid(struct gpu_rig *t, uint32_t id, uint8_t uuid[16])
{
	struct virtio_gpu_resource_assign_uuid c = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, .resource_id = id,
	};
	struct virtio_gpu_resp_resource_uuid r;

	assert_int_equal(vgpu_send(&t->g, 0, &c, sizeof(c), &r, sizeof(r)),
			 VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
	assert_int_equal(t->g.last_len, sizeof(r));
	memcpy(uuid, r.uuid, 16);
}

static void resources_have_uuids_of_their_own(void **state)
{
	struct gpu_rig *t = *state;
	uint8_t a[16], b[16], again[16];

	vgpu_create_2d(&t->g, 1, XRGB, W, H);
	vgpu_create_2d(&t->g, 2, XRGB, W, H);
	get_uuid(t, 1, a);
	get_uuid(t, 2, b);
	get_uuid(t, 1, again);
	assert_memory_equal(a, again, 16);
	assert_memory_not_equal(a, b, 16);
	assert_int_equal(a[6] >> 4, 4);
	assert_int_equal(a[8] >> 6, 2);
}

/* --- fences and frames ---------------------------------------------------- */

static void fence_comes_back_with_the_answer(void **state)
{
	struct gpu_rig *t = *state;

	t->g.next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE, .fence_id = 0x123456789abcull, .ctx_id = 5,
	};
	assert_int_equal(vgpu_create_2d(&t->g, 1, XRGB, W, H), OK);
	assert_int_equal(t->g.last.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_true(t->g.last.fence_id == 0x123456789abcull);
	assert_int_equal(t->g.last.ctx_id, 5);
	t->g.next = (struct virtio_gpu_ctrl_hdr){ .fence_id = 9, .ctx_id = 5 };
	assert_int_equal(vgpu_unref(&t->g, 1), OK);
	assert_int_equal(t->g.last.flags, 0);
	assert_true(t->g.last.fence_id == 0);
}

static void flush_is_answered_at_the_displays_frame(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);
	struct gpu_usage usage;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	/* Others go on meanwhile. */
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, 0), OK);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.parked, 2);
	fake_display_frame(&t->display, 1, sink);
	assert_int_equal(vgpu_collect(&t->g), 0);
	vrig_take_queue_irq(&t->r, 0);
	fake_display_frame(&t->display, 0, sink);
	assert_true(vrig_take_queue_irq(&t->r, 0));
	assert_int_equal(vgpu_collect(&t->g), OK);
	assert_int_equal(vgpu_collect(&t->g), OK);
	assert_int_equal(vgpu_collect(&t->g), 0);
	fake_display_frame(&t->display, 0, sink);
	assert_int_equal(vgpu_collect(&t->g), 0);
}

static void flush_of_two_outputs_waits_for_both(void **state)
{
	struct gpu_rig *t = *state;
	struct display_sink sink = gpu_sink(t->gpu);

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	vgpu_set_scanout(&t->g, 2, 1, ALL);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	fake_display_frame(&t->display, 2, sink);
	assert_int_equal(vgpu_collect(&t->g), 0);
	fake_display_frame(&t->display, 0, sink);
	assert_int_equal(vgpu_collect(&t->g), OK);
}

static void output_that_goes_off_owes_no_frame(void **state)
{
	struct gpu_rig *t = *state;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	assert_int_equal(vgpu_unref(&t->g, 1), OK);
	assert_int_equal(vgpu_collect(&t->g), OK);
}

static void display_that_forgets_a_frame_does_not_stop_the_guest(void **state)
{
	struct gpu_rig *t = *state;
	uint32_t type;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	while (!(type = vgpu_collect(&t->g)))
		loop_run_once(t->r.fake.loop, -1);
	assert_int_equal(type, OK);
}

/* --- displays come and go ------------------------------------------------- */

static void new_display_is_told_what_is_shown(void **state)
{
	struct gpu_rig *t = *state;
	struct fake_display *other = calloc(1, sizeof(*other));
	struct display d = fake_display(other);

	fill(t, 0, W * H);
	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	vgpu_transfer(&t->g, 1, ALL, 0);
	vgpu_create_2d(&t->g, 2, ARGB, 64, 64);
	vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 5, 6, 1, 2);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	gpu_set_display(t->gpu, &d);
	assert_int_equal(vgpu_collect(&t->g), OK);
	assert_false(output(t, 0)->picture.shown);
	assert_false(output(t, 0)->picture.cursor_shown);
	assert_int_equal(fake_display_pixel(other, 0, 2, 20), 20 * W + 2);
	assert_true(other->outputs[0].picture.cursor_shown);
	assert_int_equal(other->outputs[0].picture.cursor_x, 5);
	assert_int_equal(other->outputs[0].picture.hot_y, 2);
	assert_int_equal(other->outputs[1].n_set, 0);
	gpu_set_display(t->gpu, NULL);
	assert_false(other->outputs[0].picture.shown);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), OK);
	free(other);
}

/* --- cursors -------------------------------------------------------------- */

static void cursor_is_shown_moved_and_hidden(void **state)
{
	struct gpu_rig *t = *state;
	struct picture *p = &output(t, 0)->picture;

	fill(t, 0xff000000, 64 * 64);
	vgpu_create_2d(&t->g, 2, ARGB, 64, 64);
	vgpu_attach_range(&t->g, 2, GPU_RIG_FB, 64 * 64 * 4);
	vgpu_transfer(&t->g, 2, VGPU_RECT(0, 0, 64, 64), 0);
	assert_int_equal(vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, -3, 10, 4, 5), OK);
	assert_true(p->cursor_shown);
	assert_int_equal(p->cursor[65], 0xff000000 + 65);
	assert_int_equal(p->cursor_x, -3);
	assert_int_equal(p->cursor_y, 10);
	assert_int_equal(p->hot_x, 4);
	assert_int_equal(p->hot_y, 5);
	assert_int_equal(vgpu_cursor(&t->g, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 100, -70, 0, 0), OK);
	assert_true(p->cursor_shown);
	assert_int_equal(p->cursor_y, -70);
	assert_int_equal(output(t, 0)->n_cursor, 1);
	assert_int_equal(vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 0, 0, 0, 0), OK);
	assert_false(p->cursor_shown);
	assert_int_equal(output(t, 1)->n_cursor, 0);
}

static void cursor_may_be_a_blob_or_without_alpha(void **state)
{
	struct gpu_rig *t = *state;
	struct picture *p = &output(t, 1)->picture;

	fill(t, 0x01000000, 64 * 64);
	assert_int_equal(make_blob(t, 3, GPU_RIG_FB, 64 * 64 * 4), OK);
	vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 3, 0, 0, 0, 0);
	assert_int_equal(p->cursor[4095], 0x01000000 + 4095);
	vgpu_create_2d(&t->g, 4, VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 64, 64);
	vgpu_attach_range(&t->g, 4, GPU_RIG_FB, 64 * 64 * 4);
	vgpu_transfer(&t->g, 4, VGPU_RECT(0, 0, 64, 64), 0);
	vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 4, 0, 0, 0, 0);
	/* The word 0x01000012 has the bytes 12 00 00 01: X, R, G, B. */
	assert_int_equal(p->cursor[0x12], 0xff000001);
}

/* --- reset, and memory that moves ----------------------------------------- */

static void reset_leaves_nothing(void **state)
{
	struct gpu_rig *t = *state;
	struct gpu_usage usage;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	make_blob(t, 3, GPU_RIG_FB, 16384);
	vgpu_create_2d(&t->g, 2, ARGB, 64, 64);
	vgpu_cursor(&t->g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 0, 0, 0, 0);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), 0);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.resources, 3);
	assert_int_equal(usage.bytes, W * H * 4 + 64 * 64 * 4);
	gpu_rig_start(t, GPU_RIG_FEATURES);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.resources + usage.bytes + usage.backing + usage.parked, 0);
	assert_false(output(t, 0)->picture.shown);
	assert_false(output(t, 0)->picture.cursor_shown);
	t->display.paced = false;
	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(vgpu_flush(&t->g, 1, ALL), OK);
	assert_int_equal(vgpu_collect(&t->g), 0);
}

static void memory_that_moves_is_found_again(void **state)
{
	struct gpu_rig *t = *state;

	fill(t, 0, W * H + 4096);
	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(make_blob(t, 3, GPU_RIG_FB, 16384), OK);
	assert_int_equal(vgpu_set_scanout(&t->g, 1, 1, ALL), OK);
	assert_int_equal(show_blob(t, 3, 0), OK);
	t->display.paced = true;
	assert_int_equal(vgpu_flush(&t->g, 3, ALL), 0);
	gpu_memory_leave(t->gpu);
	assert_int_equal(vgpu_collect(&t->g), OK);
	assert_false(output(t, 0)->picture.shown);
	assert_true(output(t, 1)->picture.shown);
	gpu_memory_enter(t->gpu);
	assert_int_equal(fake_display_pixel(&t->display, 0, 1, 0), 1);
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, 0), OK);
	assert_int_equal(fake_display_pixel(&t->display, 1, 5, 0), 5);
}

static void backing_that_is_no_memory_any_more_is_gone(void **state)
{
	struct gpu_rig *t = *state;
	struct gmem *mem = &t->r.fake.mem;
	struct gpu_usage usage;

	gpu_rig_show(t, 1, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(make_blob(t, 3, GPU_RIG_FB, 16384), OK);
	assert_int_equal(show_blob(t, 3, 0), OK);
	gpu_memory_leave(t->gpu);
	mem->n_regions = 1;
	gpu_memory_enter(t->gpu);
	assert_false(output(t, 0)->picture.shown);
	assert_int_equal(vgpu_transfer(&t->g, 1, ALL, 0),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(show_blob(t, 3, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	gpu_get_usage(t->gpu, &usage);
	assert_int_equal(usage.backing, 0);
	mem->n_regions = 2;
	assert_int_equal(vgpu_unref(&t->g, 3), OK);
	assert_int_equal(vgpu_attach_range(&t->g, 1, GPU_RIG_FB, 4096), OK);
}

static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX };

#define T(f) { #f, f, setup, teardown, &kinds[0] }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(device_presents_itself),
		{ "device_presents_itself (pci)", device_presents_itself, setup, teardown,
		  &kinds[1] },
		T(display_info_says_which_monitors_there_are),
		T(edid_has_the_monitors_size),
		T(one_resource_has_a_limit_of_its_own),
		T(resized_window_changes_what_the_guest_is_told),
		T(change_between_answer_and_clear_is_an_event_again),
		{ "resized_window_changes_what_the_guest_is_told (pci)",
		  resized_window_changes_what_the_guest_is_told, setup, teardown, &kinds[1] },
		T(size_of_a_window_is_kept_within_what_can_be_shown),
		T(plugged_monitor_appears_beside_the_first),
		T(picture_reaches_the_display),
		{ "picture_reaches_the_display (pci)", picture_reaches_the_display, setup, teardown,
		  &kinds[1] },
		T(transfer_copies_its_rectangle_and_nothing_else),
		T(scattered_backing_is_one_picture),
		T(every_format_is_shown_as_it_is),
		T(scanout_shows_a_part_of_its_resource),
		T(resource_0_turns_an_output_off),
		T(flipping_between_two_resources_is_no_new_mode),
		T(blob_of_guest_memory_is_shown_without_a_copy),
		T(blob_may_lie_in_pieces),
		T(resources_have_uuids_of_their_own),
		T(fence_comes_back_with_the_answer),
		T(flush_is_answered_at_the_displays_frame),
		T(flush_of_two_outputs_waits_for_both),
		T(output_that_goes_off_owes_no_frame),
		T(display_that_forgets_a_frame_does_not_stop_the_guest),
		T(new_display_is_told_what_is_shown),
		T(cursor_is_shown_moved_and_hidden),
		T(cursor_may_be_a_blob_or_without_alpha),
		T(reset_leaves_nothing),
		T(memory_that_moves_is_found_again),
		T(backing_that_is_no_memory_any_more_is_gone),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
