/* SPDX-License-Identifier: MIT */
/*
 * The card with virglrenderer, on whatever OpenGL this machine has: a driver's
 * commands go in, pixels come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/fake_renderer.h"
#include "tests/gpu_rig.h"
#include "tests/have_gl.h"
#include "tests/virgl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define ARGB VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM
#define TO_HOST VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
#define FROM_HOST VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D
#define ATTACH VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE
#define DETACH VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE
#define FEATURES (GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES)
#define W 64u
#define H 32u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)
#define PATIENCE_NS 60000000000ull

struct t {
	struct gpu_rig rig;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	gpu_rig_init_virgl(&t->rig);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->rig.r.d);
	gpu_rig_finish(&t->rig);
	free(t);
	return 0;
}

static struct virtio_gpu_resource_create_3d texture(uint32_t id, uint32_t format)
{
	return (struct virtio_gpu_resource_create_3d){
		.resource_id = id, .target = 2, .format = format, .bind = 2 | 8, .width = W,
		.height = H, .depth = 1, .array_size = 1,
	};
}

static uint32_t submit(struct t *t, const struct virgl_stream *s)
{
	return vgpu_submit(&t->rig.g, 1, s->words, 4 * s->n, 4 * s->n);
}

/* Context 1; texture 1 in it, with backing, which is the framebuffer of its view 1. */
static void begin(struct t *t)
{
	struct vgpu *g = &t->rig.g;
	struct virgl_stream s = { .n = 0 };

	assert_int_equal(vgpu_ctx_create(g, 1, 0, "test"), OK);
	assert_int_equal(vgpu_create_3d(g, texture(1, XRGB)), OK);
	assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
	virgl_surface(&s, 1, 1, XRGB);
	virgl_framebuffer(&s, 1);
	assert_int_equal(submit(t, &s), OK);
}

static void clear(struct t *t, float r, float g, float b)
{
	struct virgl_stream s = { .n = 0 };

	virgl_clear(&s, r, g, b, 1);
	assert_int_equal(submit(t, &s), OK);
}

static uint32_t transfer(struct t *t, uint32_t type, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
	const struct virtio_gpu_transfer_host_3d c = {
		.box = { .x = x, .y = y, .w = w, .h = h, .d = 1 }, .resource_id = 1,
		.stride = 4 * W, .offset = 4 * (y * W + x),
	};

	return vgpu_transfer_3d(&t->rig.g, type, 1, c);
}

/* --- drawing -------------------------------------------------------------------- */

static void clear_shows_on_the_display(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct fake_display *d = &t->rig.display;

	begin(t);
	clear(t, 1, 0, 0.2f);
	assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
	assert_int_equal(fake_display_pixel(d, 0, 0, 0), 0xff0033);
	assert_int_equal(fake_display_pixel(d, 0, W - 1, H - 1), 0xff0033);
	clear(t, 0, 1, 0);
	assert_int_equal(vgpu_flush(g, 1, VGPU_RECT(8, 4, 16, 8)), OK);
	assert_int_equal(fake_display_pixel(d, 0, 8, 4), 0x00ff00);
	assert_int_equal(fake_display_pixel(d, 0, 23, 11), 0x00ff00);
	/* Nobody has said that the rest has changed. */
	assert_int_equal(fake_display_pixel(d, 0, 7, 4), 0xff0033);
	assert_int_equal(fake_display_pixel(d, 0, 24, 11), 0xff0033);
	assert_int_equal(fake_display_pixel(d, 0, 8, 12), 0xff0033);
	assert_int_equal(vgpu_flush(g, 1, ALL), OK);
	assert_int_equal(fake_display_pixel(d, 0, W - 1, 0), 0x00ff00);
}

static void transfers_go_both_ways_and_the_first_row_is_the_top(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	uint32_t *fb = t->rig.fb;

	begin(t);
	clear(t, 0, 0, 1);
	assert_int_equal(transfer(t, FROM_HOST, 0, 0, W, H), OK);
	assert_int_equal(fb[0] & 0xffffff, 0x0000ff);
	assert_int_equal(fb[W * H - 1] & 0xffffff, 0x0000ff);
	for (uint32_t i = 0; i < W * H; i++)
		fb[i] = i;
	assert_int_equal(transfer(t, TO_HOST, 16, 8, 32, 16), OK);
	assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 0, 0), 0x0000ff);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 16, 8), 8 * W + 16);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 47, 23), 23 * W + 47);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 48, 23), 0x0000ff);
}

static void pictures_of_2d_work_as_they_do_without(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	for (uint32_t i = 0; i < W * H; i++)
		t->rig.fb[i] = i;
	gpu_rig_show(&t->rig, 5, XRGB, W, H, GPU_RIG_FB);
	assert_int_equal(vgpu_transfer(g, 5, ALL, 0), OK);
	assert_int_equal(vgpu_flush(g, 5, ALL), OK);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 0, 0), 0);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 3, 2), 2 * W + 3);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, W - 1, H - 1), W * H - 1);
	/* The console's picture, then the desktop's, then again the console's. */
	begin(t);
	clear(t, 1, 1, 1);
	assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 3, 2), 0xffffff);
	assert_int_equal(vgpu_set_scanout(g, 0, 5, ALL), OK);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 3, 2), 2 * W + 3);
}

static void blobs_of_guest_memory_are_shown_from_there(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	const struct virtio_gpu_mem_entry entry = { .addr = GPU_RIG_FB, .length = BYTES };
	const struct virtio_gpu_resource_create_blob blob = {
		.resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .size = BYTES,
		.nr_entries = 1,
	};
	const struct virtio_gpu_set_scanout_blob show = {
		.r = ALL, .resource_id = 1, .width = W, .height = H, .format = XRGB,
		.strides = { 4 * W },
	};

	assert_int_equal(vgpu_create_blob(g, blob, &entry, 1), OK);
	t->rig.fb[5] = 0xabcdef;
	assert_int_equal(vgpu_set_scanout_blob(g, show), OK);
	assert_int_equal(fake_display_pixel(&t->rig.display, 0, 5, 0), 0xabcdef);
	assert_int_equal(vgpu_ctx_create(g, 1, 0, ""), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
	assert_int_equal(vgpu_unref(g, 1), OK);
}

static void pointers_of_textures(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_resource_create_3d c = texture(2, ARGB);
	struct virgl_stream s = { .n = 0 };

	begin(t);
	c.width = c.height = 64;
	assert_int_equal(vgpu_create_3d(g, c), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 2), OK);
	virgl_surface(&s, 2, 2, ARGB);
	virgl_framebuffer(&s, 2);
	virgl_clear(&s, 0.2f, 0, 0, 0.4f);
	assert_int_equal(submit(t, &s), OK);
	assert_int_equal(vgpu_cursor(g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 5, 6, 1, 1), OK);
	assert_int_equal(t->rig.display.outputs[0].n_cursor, 1);
	assert_int_equal(t->rig.display.outputs[0].picture.cursor[0], 0x66330000);
	/* One of another size leaves the one before. */
	vgpu_cursor(g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 5, 6, 1, 1);
	assert_int_equal(t->rig.display.outputs[0].n_cursor, 1);
}

/* --- capability sets and fences ---------------------------------------------------- */

static void capsets_are_those_of_the_library(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_get_capset_info info = { .hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO };
	struct virtio_gpu_get_capset set = { .hdr.type = VIRTIO_GPU_CMD_GET_CAPSET };
	struct virtio_gpu_resp_capset_info said;
	uint8_t data[VGPU_ANSWER_BYTES];

	assert_int_equal(vdrv_config_read(&t->rig.r.d, 12, 4), 2);
	for (uint32_t i = 0; i < 2; i++) {
		info.capset_index = i;
		assert_int_equal(vgpu_send(&t->rig.g, 0, &info, sizeof(info), &said, sizeof(said)),
				 VIRTIO_GPU_RESP_OK_CAPSET_INFO);
		assert_int_equal(said.capset_id, i + 1);
		assert_in_range(said.capset_max_size, 100, VGPU_ANSWER_BYTES - 24);
		set.capset_id = said.capset_id;
		set.capset_version = said.capset_max_version;
		assert_int_equal(vgpu_send(&t->rig.g, 0, &set, sizeof(set), data, sizeof(data)),
				 VIRTIO_GPU_RESP_OK_CAPSET);
		assert_int_equal(t->rig.g.last_len, 24 + said.capset_max_size);
		/* It begins with a version; a set of zeros would be one of nothing. */
		assert_int_not_equal(load_le(data + 24, 4), 0);
	}
}

static void fences_come_when_it_is_drawn(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	uint64_t from = loop_now_ns();
	struct virgl_stream s = { .n = 0 };
	unsigned answers = 0;

	begin(t);
	virgl_clear(&s, 0, 1, 1, 1);
	for (unsigned i = 0; i < 30; i++) {
		static const uint32_t rings[] = { 0, 5, 255 };

		g->next = (struct virtio_gpu_ctrl_hdr){
			.flags = VIRTIO_GPU_FLAG_FENCE |
				 (i % 2 ? VIRTIO_GPU_FLAG_INFO_RING_IDX : 0),
			.fence_id = 100 + i, .ring_idx = rings[i % 3],
		};
		answers += submit(t, &s) != 0;
	}
	g->next.flags = 0;
	while (answers < 30) {
		assert_true(loop_now_ns() - from < PATIENCE_NS);
		loop_run_once(t->rig.r.fake.loop, 10);
		answers += vgpu_collect(g) != 0;
	}
	assert_int_equal(vgpu_collect(g), 0);
}

static void reset_and_start_again_draws_again(void **state)
{
	struct t *t = *state;
	struct virgl_stream fenced = { .n = 0 };

	virgl_clear(&fenced, 1, 1, 1, 1);
	for (unsigned i = 0; i < 10; i++) {
		begin(t);
		clear(t, 0, 0, 1);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
		assert_int_equal(fake_display_pixel(&t->rig.display, 0, 1, 1), 0x0000ff);
		/* A fence that the renderer may not have told yet. */
		t->rig.g.next.flags = VIRTIO_GPU_FLAG_FENCE;
		submit(t, &fenced);
		gpu_rig_start(&t->rig, FEATURES);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(clear_shows_on_the_display),
		T(transfers_go_both_ways_and_the_first_row_is_the_top),
		T(pictures_of_2d_work_as_they_do_without),
		T(blobs_of_guest_memory_are_shown_from_there),
		T(pointers_of_textures),
		T(capsets_are_those_of_the_library),
		T(fences_come_when_it_is_drawn),
		T(reset_and_start_again_draws_again),
	};
	int status;

	if (!have_gl(&status))
		return status;
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
