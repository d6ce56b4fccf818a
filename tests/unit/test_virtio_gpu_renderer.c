/* SPDX-License-Identifier: MIT */
/* The card over a renderer that takes its time, and that refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/fake_renderer.h"
#include "tests/gpu_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W 64u
#define H 32u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)
#define FEATURES (GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES)

struct t {
	struct gpu_rig rig;
	struct fake_renderer *r;
};

static int setup_with(void **state, int fd)
{
	struct t *t = calloc(1, sizeof(*t));
	struct gpu_params params = { .n_outputs = 1, .n_plugged = 1 };

	t->r = fake_renderer_create(fd);
	params.renderer = &t->r->base;
	gpu_rig_init(&t->rig, VRIG_MMIO, &params);
	gpu_rig_start(&t->rig, FEATURES);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static int setup_without_fd(void **state)
{
	return setup_with(state, -1);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->rig.r.d);
	assert_int_equal(t->r->resources + t->r->attached, 0);
	gpu_rig_finish(&t->rig);
	free(t);
	return 0;
}

/* --- fences --------------------------------------------------------------- */

static void ask_fence(struct t *t, uint64_t id, uint32_t ctx, uint8_t ring, bool on_ring)
{
	t->rig.g.next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE | (on_ring ? VIRTIO_GPU_FLAG_INFO_RING_IDX : 0),
		.fence_id = id, .ctx_id = ctx, .ring_idx = ring,
	};
}

static void fences_done(struct t *t, uint32_t ctx, uint32_t ring, uint64_t seq)
{
	t->r->done = (struct gpu_fence){ ctx, ring, seq };
	t->r->done_due = true;
	if (t->r->fd >= 0)
		eventfd_write(t->r->fd, 1);
	while (t->r->done_due)
		loop_run_once(t->rig.r.fake.loop, -1);
}

static void fenced_command_waits_for_the_renderer(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	ask_fence(t, 50, 0, 0, false);
	assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), 0);
	assert_int_equal(t->r->asked.ctx_id, 0);
	assert_true(t->r->asked.seq == 1);
	/* One that fails has its turn on the same timeline; one without a fence has none. */
	ask_fence(t, 51, 0, 0, false);
	assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), 0);
	g->next.flags = 0;
	assert_int_equal(vgpu_create_2d(g, 2, XRGB, W, H), OK);
	assert_int_equal(vgpu_collect(g), 0);
	assert_true(t->r->asked.seq == 1);
	fences_done(t, 0, 0, 1);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 50);
	assert_int_equal(vgpu_collect(g), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_true(g->last.fence_id == 51);
	/* When nothing is waited for, its turn is now. */
	ask_fence(t, 52, 0, 0, false);
	assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	g->next.flags = 0;
	if (t->r->fd < 0)	/* nobody asks when nothing is waited for */
		return;
	fences_done(t, 0, 0, 1);
	assert_int_equal(vgpu_collect(g), 0);
}

static void timelines_are_apart(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	static const struct { uint32_t ctx; uint8_t ring; bool on; } all[] = {
		{ 1, 0, true }, { 1, 1, true }, { 2, 1, true }, { 7, 9, false }, { 1, 1, true },
	};

	assert_int_equal(vgpu_ctx_create(g, 1, 0, "one"), OK);
	assert_int_equal(vgpu_ctx_create(g, 2, 0, "two"), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		ask_fence(t, 100 + i, all[i].ctx, all[i].ring, all[i].on);
		assert_int_equal(vgpu_create_2d(g, i + 1, XRGB, W, H), 0);
		assert_int_equal(t->r->asked.ctx_id, all[i].on ? all[i].ctx : 0);
		assert_int_equal(t->r->asked.ring_idx, all[i].on ? all[i].ring : 0);
		assert_true(t->r->asked.seq == i + 1);
	}
	fences_done(t, 1, 1, 4);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 101);
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 0, 0, 100);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 103);
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 1, 1, 5);
	fences_done(t, 1, 0, 5);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(vgpu_collect(g), 0);
	/* A renderer that lies of what nobody waits for. */
	fences_done(t, 77, 77, UINT64_MAX);
	fences_done(t, 2, 1, 3);
	assert_int_equal(vgpu_collect(g), OK);
}

static void flush_waits_for_fence_and_frame(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	vgpu_create_2d(g, 1, XRGB, W, H);
	vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES);
	assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
	t->rig.display.paced = true;
	ask_fence(t, 1, 0, 0, false);
	assert_int_equal(vgpu_flush(g, 1, ALL), 0);
	fake_display_frame(&t->rig.display, 0, gpu_sink(t->rig.gpu));
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 0, 0, 1);
	assert_int_equal(vgpu_collect(g), OK);
}

static void fence_that_is_done_already_is_answered(void **state)
{
	struct t *t = *state;

	t->r->fence_now = true;
	ask_fence(t, 9, 0, 0, false);
	assert_int_equal(vgpu_create_2d(&t->rig.g, 1, XRGB, W, H), OK);
	assert_true(t->rig.g.last.fence_id == 9);
}

static void case_22_reset_forgets_fences(void **state)
{
	struct t *t = *state;
	unsigned resets = t->r->resets;
	struct gpu_usage usage;

	for (unsigned i = 0; i < 1000; i++) {
		ask_fence(t, i, 1, i % 5, i % 2);
		assert_int_equal(vgpu_create_2d(&t->rig.g, 1, XRGB, W, H), 0);
		gpu_rig_start(&t->rig, GPU_RIG_FEATURES);
		gpu_get_usage(t->rig.gpu, &usage);
		assert_int_equal(usage.parked, 0);
		fences_done(t, 0, 0, UINT64_MAX);
		fences_done(t, 1, i % 5, UINT64_MAX);
		assert_int_equal(vgpu_collect(&t->rig.g), 0);
	}
	assert_int_equal(t->r->resets, resets + 1000);
}

/* --- capability sets ------------------------------------------------------ */

static void capsets_are_handed_on(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_get_capset_info info = {
		.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO, .capset_index = 1,
	};
	struct virtio_gpu_get_capset set = {
		.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET, .capset_id = 2, .capset_version = 2,
	};
	struct virtio_gpu_resp_capset_info said;
	uint8_t data[24 + 100];

	assert_int_equal(vdrv_config_read(&t->rig.r.d, 12, 4), 2);
	assert_int_equal(vgpu_send(&t->rig.g, 0, &info, sizeof(info), &said, sizeof(said)),
			 VIRTIO_GPU_RESP_OK_CAPSET_INFO);
	assert_int_equal(said.capset_id, 2);
	assert_int_equal(said.capset_max_version, 2);
	assert_int_equal(said.capset_max_size, 100);
	assert_int_equal(vgpu_send(&t->rig.g, 0, &set, sizeof(set), data, sizeof(data)),
			 VIRTIO_GPU_RESP_OK_CAPSET);
	assert_int_equal(t->rig.g.last_len, 124);
	assert_int_equal(data[24], 2);
	assert_int_equal(data[24 + 50], 0);
	/* As much as there is room for. */
	assert_int_equal(vgpu_send(&t->rig.g, 0, &set, sizeof(set), data, 30),
			 VIRTIO_GPU_RESP_OK_CAPSET);
	assert_int_equal(t->rig.g.last_len, 30);
}

static void case_52_capsets_that_are_not_there(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_get_capset_info info = { .capset_index = 2 };
	static const uint32_t bad[][2] = { { 0, 1 }, { 3, 1 }, { 1, 3 }, { UINT32_MAX, 0 } };

	assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_GET_CAPSET_INFO, &info, sizeof(info)),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	info.capset_index = UINT32_MAX;
	assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_GET_CAPSET_INFO, &info, sizeof(info)),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct virtio_gpu_get_capset set = { .capset_id = bad[i][0],
						     .capset_version = bad[i][1] };

		assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_GET_CAPSET, &set, sizeof(set)),
				 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
		assert_int_equal(g->last_len, 24);
	}
}

/* --- refusals ------------------------------------------------------------- */

static void errors_become_answers(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	static const struct { int error; uint32_t type; } all[] = {
		{ -ENOMEM, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY },
		{ -EINVAL, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER },
		{ -ENXIO, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID },
		{ -ENOENT, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID },
		{ -EIO, VIRTIO_GPU_RESP_ERR_UNSPEC },
	};
	struct gpu_usage usage;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		t->r->error = all[i].error;
		assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), all[i].type);
		assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), OK);
		t->r->error = all[i].error;
		assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), all[i].type);
		assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), OK);
		t->r->error = all[i].error;
		assert_int_equal(vgpu_transfer(g, 1, ALL, 0), all[i].type);
		t->r->error = all[i].error;
		assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), all[i].type);
		assert_int_equal(t->rig.display.outputs[0].n_set, i);
		assert_int_equal(vgpu_set_scanout(g, 0, 1, ALL), OK);
		t->r->error = all[i].error;
		vgpu_cursor(g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 0, 0, 0, 0);
		assert_int_equal(t->rig.display.outputs[0].n_cursor, 0);
		assert_int_equal(vgpu_unref(g, 1), OK);
	}
	gpu_get_usage(t->rig.gpu, &usage);
	assert_int_equal(usage.resources + usage.bytes + usage.backing, 0);
}

static void blobs_of_the_host_are_the_renderers_matter(void **state)
{
	struct t *t = *state;
	const struct virtio_gpu_mem_entry entry = { .addr = GPU_RIG_FB, .length = 8192 };
	struct virtio_gpu_resource_create_blob c = {
		.resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .size = 8192,
	};

	assert_int_equal(vgpu_create_blob(&t->rig.g, c, NULL, 0), OK);
	c.resource_id = 2;
	c.nr_entries = 1;
	assert_int_equal(vgpu_create_blob(&t->rig.g, c, &entry, 1),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	c.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
	t->r->error = -ENOMEM;
	assert_int_equal(vgpu_create_blob(&t->rig.g, c, &entry, 1),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(vgpu_create_blob(&t->rig.g, c, &entry, 1), OK);
	t->r->attached++;	/* a blob is made with its memory, and detached like others */
	assert_int_equal(vgpu_unref(&t->rig.g, 2), OK);
}

static void memory_that_moves_is_detached_and_attached(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	vgpu_create_2d(g, 1, XRGB, W, H);
	vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES);
	gpu_memory_leave(t->rig.gpu);
	assert_int_equal(t->r->attached, 0);
	t->r->error = -EIO;
	gpu_memory_enter(t->rig.gpu);
	assert_int_equal(vgpu_detach(g, 1), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), OK);
	gpu_memory_leave(t->rig.gpu);
	gpu_memory_enter(t->rig.gpu);
	assert_int_equal(t->r->attached, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(fenced_command_waits_for_the_renderer),
		cmocka_unit_test_setup_teardown(fenced_command_waits_for_the_renderer,
						setup_without_fd, teardown),
		T(timelines_are_apart),
		T(flush_waits_for_fence_and_frame),
		T(fence_that_is_done_already_is_answered),
		T(case_22_reset_forgets_fences),
		T(capsets_are_handed_on),
		T(case_52_capsets_that_are_not_there),
		T(errors_become_answers),
		T(blobs_of_the_host_are_the_renderers_matter),
		T(memory_that_moves_is_detached_and_attached),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
