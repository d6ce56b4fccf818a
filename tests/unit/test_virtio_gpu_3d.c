/* SPDX-License-Identifier: MIT */
/* The card's side of 3D, over a renderer that draws nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/fake_renderer.h"
#include "tests/gpu_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define ATTACH VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE
#define DETACH VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE
#define DESTROY VIRTIO_GPU_CMD_CTX_DESTROY
#define TO_HOST VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
#define FROM_HOST VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D
#define FEATURES (GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES)
#define W 64u
#define H 32u
#define BYTES (W * H * 4)

struct t {
	struct gpu_rig rig;
	struct fake_renderer *r;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	struct gpu_params params = { .n_outputs = 1, .n_plugged = 1 };

	t->r = fake_renderer_create(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	params.renderer = &t->r->base;
	gpu_rig_init(&t->rig, VRIG_MMIO, &params);
	gpu_rig_start(&t->rig, FEATURES);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->rig.r.d);
	assert_int_equal(t->r->resources + t->r->attached + t->r->contexts, 0);
	gpu_rig_finish(&t->rig);
	free(t);
	return 0;
}

static struct gpu_usage usage_of(struct t *t)
{
	struct gpu_usage usage;

	gpu_get_usage(t->rig.gpu, &usage);
	return usage;
}

static struct virtio_gpu_resource_create_3d texture(uint32_t id)
{
	return (struct virtio_gpu_resource_create_3d){
		.resource_id = id, .target = 2, .format = XRGB, .bind = 2, .width = W, .height = H,
		.depth = 1, .array_size = 1,
	};
}

/* Context 1, resource 1 with backing. */
static void begin(struct t *t)
{
	struct vgpu *g = &t->rig.g;

	assert_int_equal(vgpu_ctx_create(g, 1, 0, "test"), OK);
	assert_int_equal(vgpu_create_3d(g, texture(1)), OK);
	assert_int_equal(vgpu_attach_range(g, 1, GPU_RIG_FB, BYTES), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
}

/* --- what works ------------------------------------------------------------- */

static void contexts_come_and_go(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	char name[65] = "";

	assert_int_equal(vgpu_ctx_create(g, 1, 0, "glxgears"), OK);
	assert_string_equal(t->r->ctx_name, "glxgears");
	assert_int_equal(t->r->ctx_capset, 0);
	/* The longest, which has no end of its own. */
	memset(name, 'x', 64);
	assert_int_equal(vgpu_ctx_create(g, UINT32_MAX, 2, name), OK);
	assert_string_equal(t->r->ctx_name, name);
	assert_int_equal(t->r->ctx_capset, 2);
	/* The same bucket. */
	assert_int_equal(vgpu_ctx_create(g, 65, 1, ""), OK);
	assert_int_equal(usage_of(t).contexts, 3);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), OK);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 65, 0), OK);
	assert_int_equal(vgpu_ctx_create(g, 1, 0, "again"), OK);
	assert_int_equal(usage_of(t).contexts, 2);
	gpu_rig_start(&t->rig, FEATURES);
	assert_int_equal(usage_of(t).contexts, 0);
	assert_int_equal(t->r->contexts, 0);
}

/* What is its padding without the feature means nothing. */
static void capset_counts_only_when_negotiated(void **state)
{
	struct t *t = *state;

	gpu_rig_start(&t->rig, FEATURES & ~BIT(VIRTIO_GPU_F_CONTEXT_INIT));
	assert_int_equal(vgpu_ctx_create(&t->rig.g, 1, 77, ""), OK);
	assert_int_equal(t->r->ctx_capset, 0);
}

static void resources_transfers_and_commands_arrive_as_they_were_sent(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	static const uint32_t commands[] = { 1, 20, 300, 4000 };
	const struct virtio_gpu_transfer_host_3d c = {
		.box = { 1, 2, 3, 4, 5, 6 }, .offset = 16, .resource_id = 1, .level = 7,
		.stride = 8, .layer_stride = 9,
	};
	const struct gpu_transfer *got = &t->r->transfer;

	begin(t);
	assert_int_equal(t->r->create.target, 2);
	assert_int_equal(t->r->create.bind, 2);
	assert_int_equal(t->r->create.array_size, 1);
	assert_true(usage_of(t).bytes == BYTES);
	assert_int_equal(vgpu_transfer_3d(g, TO_HOST, 1, c), OK);
	assert_true(got->to_host && got->ctx_id == 1 && got->box.x == 1 && got->box.d == 6);
	assert_true(got->offset == 16 && got->level == 7 && got->stride == 8);
	assert_int_equal(got->layer_stride, 9);
	assert_int_equal(vgpu_transfer_3d(g, FROM_HOST, 1, c), OK);
	assert_false(got->to_host);
	assert_int_equal(t->rig.fb[BYTES / 4 - 1], 0x5a5a5a5a);
	assert_int_equal(vgpu_submit(g, 1, commands, sizeof(commands), sizeof(commands)), OK);
	assert_int_equal(t->r->submit_ctx, 1);
	assert_int_equal(t->r->submit_len, 16);
	assert_int_equal(t->r->submit_sum, 4321);
	/* Of a longer request only what it says. */
	assert_int_equal(vgpu_submit(g, 1, commands, sizeof(commands), 8), OK);
	assert_int_equal(t->r->submit_sum, 21);
	assert_int_equal(vgpu_ctx_command(g, DETACH, 1, 1), OK);
	assert_int_equal(t->r->ctx_attached, 0);
}

static void errors_of_the_renderer_become_answers(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	const uint32_t word = 0;

	begin(t);
	t->r->error = -ENOMEM;
	assert_int_equal(vgpu_ctx_create(g, 2, 0, ""), MEMORY);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 2, 0), CONTEXT);
	t->r->error = -EINVAL;
	assert_int_equal(vgpu_create_3d(g, texture(2)), PARAMETER);
	assert_int_equal(vgpu_unref(g, 2), RESOURCE);
	t->r->error = -EINVAL;
	assert_int_equal(vgpu_submit(g, 1, &word, 4, 4), PARAMETER);
	t->r->error = -EIO;
	assert_int_equal(vgpu_ctx_command(g, DETACH, 1, 1), UNSPEC);
	assert_int_equal(vgpu_ctx_command(g, DETACH, 1, 1), OK);
	t->r->error = -EIO;
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), UNSPEC);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
	assert_int_equal(usage_of(t).contexts, 1);
	assert_int_equal(usage_of(t).resources, 1);
}

static void without_the_feature_there_is_no_3d(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	const uint32_t word = 0;

	gpu_rig_start(&t->rig, GPU_RIG_FEATURES);
	assert_int_equal(vgpu_ctx_create(g, 1, 0, ""), UNSPEC);
	assert_int_equal(vgpu_create_3d(g, texture(1)), UNSPEC);
	assert_int_equal(vgpu_submit(g, 1, &word, 4, 4), UNSPEC);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), UNSPEC);
	assert_int_equal(vgpu_create_2d(g, 1, XRGB, W, H), OK);
}

/* --- fences ----------------------------------------------------------------- */

static uint32_t submit_fenced(struct t *t, uint32_t ctx, uint64_t id, int ring)
{
	struct vgpu *g = &t->rig.g;
	const uint32_t word = 0;
	uint32_t type;

	g->next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE | (ring < 0 ? 0 : VIRTIO_GPU_FLAG_INFO_RING_IDX),
		.fence_id = id, .ring_idx = ring < 0 ? 0 : ring,
	};
	type = vgpu_submit(g, ctx, &word, 4, 4);
	g->next = (struct virtio_gpu_ctrl_hdr){ 0 };
	return type;
}

static void fences_done(struct t *t, uint32_t ctx, uint32_t ring, uint64_t seq)
{
	t->r->done = (struct gpu_fence){ ctx, ring, seq };
	t->r->done_due = true;
	eventfd_write(t->r->fd, 1);
	while (t->r->done_due)
		loop_run_once(t->rig.r.fake.loop, -1);
}

static void fence_of_a_ring_that_is_not_there_is_the_whole_cards(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	begin(t);
	assert_int_equal(submit_fenced(t, 1, 10, FAKE_RENDERER_RINGS), 0);
	assert_int_equal(t->r->asked.ctx_id, 0);
	assert_int_equal(submit_fenced(t, 1, 11, 255), 0);
	assert_int_equal(t->r->asked.ctx_id, 0);
	assert_int_equal(submit_fenced(t, 1, 12, FAKE_RENDERER_RINGS - 1), 0);
	assert_int_equal(t->r->asked.ctx_id, 1);
	assert_int_equal(t->r->asked.ring_idx, FAKE_RENDERER_RINGS - 1);
	fences_done(t, 1, FAKE_RENDERER_RINGS - 1, 3);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 12 && g->last.ring_idx == FAKE_RENDERER_RINGS - 1);
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 0, 0, 2);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(g->last.ring_idx, 255);
	/* Nor does a ring count that was not negotiated. */
	gpu_rig_start(&t->rig, FEATURES & ~BIT(VIRTIO_GPU_F_CONTEXT_INIT));
	begin(t);
	assert_int_equal(submit_fenced(t, 1, 13, 1), 0);
	assert_int_equal(t->r->asked.ctx_id, 0);
}

static void fence_that_is_done_at_once_answers_those_before_it(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	begin(t);
	assert_int_equal(submit_fenced(t, 1, 10, 1), 0);
	assert_int_equal(submit_fenced(t, 1, 11, 2), 0);
	t->r->fence_now = true;
	assert_int_equal(submit_fenced(t, 1, 12, 1), OK);
	assert_true(g->last.fence_id == 12);
	assert_int_equal(vgpu_collect(g), OK);	/* taken on the way to it */
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 1, 2, 2);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 11);
}

static void destroyed_context_has_its_fences_answered(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	begin(t);
	assert_int_equal(vgpu_ctx_create(g, 2, 0, ""), OK);
	assert_int_equal(submit_fenced(t, 1, 10, 0), 0);
	assert_int_equal(submit_fenced(t, 2, 11, 0), 0);
	assert_int_equal(submit_fenced(t, 1, 12, 5), 0);
	assert_int_equal(submit_fenced(t, 1, 13, -1), 0);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), OK);
	assert_int_equal(usage_of(t).parked, 2);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(vgpu_collect(g), OK);
	assert_int_equal(vgpu_collect(g), 0);
	/* What the renderer says of the one before is not believed of the next. */
	assert_int_equal(vgpu_ctx_create(g, 1, 0, ""), OK);
	assert_int_equal(submit_fenced(t, 1, 14, 0), 0);
	fences_done(t, 1, 0, 4);
	assert_int_equal(vgpu_collect(g), 0);
	fences_done(t, 1, 0, 5);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 14);
	/* The end of a context on a ring of its own. */
	g->next = (struct virtio_gpu_ctrl_hdr){
		.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, .fence_id = 15,
	};
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), 0);
	assert_int_equal(t->r->asked.ctx_id, 0);
	fences_done(t, 0, 0, 6);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 13);
	assert_int_equal(vgpu_collect(g), OK);
	assert_true(g->last.fence_id == 15);
}

static void case_55_every_fence_is_answered_once(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	unsigned answers = 0, asked = 0;

	begin(t);
	for (unsigned i = 0; i < 2000; i++) {
		/* One number for all of them, rings of all kinds, some that fail. */
		uint32_t type = submit_fenced(t, i % 7 == 0 ? 9 : 1, 42, (int)(i * 37 % 257) - 1);

		asked++;
		answers += type != 0;
		while (vgpu_collect(g))
			answers++;
		assert_int_equal(usage_of(t).parked, asked - answers);
		if (i % 11 == 10) {
			fences_done(t, 0, 0, UINT64_MAX);
			for (unsigned k = 0; k < FAKE_RENDERER_RINGS; k++)
				fences_done(t, 1, k, UINT64_MAX);
			while (vgpu_collect(g))
				answers++;
			assert_int_equal(answers, asked);
		}
	}
}

static void case_22_reset_forgets_contexts_and_their_fences(void **state)
{
	struct t *t = *state;

	for (unsigned i = 0; i < 200; i++) {
		begin(t);
		assert_int_equal(submit_fenced(t, 1, i, i % 5), 0);
		assert_int_equal(submit_fenced(t, 1, i, -1), 0);
		gpu_rig_start(&t->rig, FEATURES);
		assert_int_equal(usage_of(t).parked + usage_of(t).contexts, 0);
		fences_done(t, 1, i % 5, UINT64_MAX);
		fences_done(t, 0, 0, UINT64_MAX);
		assert_int_equal(vgpu_collect(&t->rig.g), 0);
	}
}

/* --- refusals ----------------------------------------------------------------- */

static void case_56_contexts_that_are_not_there(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	static const uint32_t none[] = { 0, 2, 65, UINT32_MAX };
	const struct virtio_gpu_transfer_host_3d c = {
		.box = { .w = 1, .h = 1, .d = 1 }, .resource_id = 1,
	};
	const uint32_t word = 0;
	char longer[66] = "";

	begin(t);
	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(vgpu_submit(g, none[i], &word, 4, 4), CONTEXT);
		assert_int_equal(vgpu_transfer_3d(g, TO_HOST, none[i], c), CONTEXT);
		assert_int_equal(vgpu_transfer_3d(g, FROM_HOST, none[i], c), CONTEXT);
		assert_int_equal(vgpu_ctx_command(g, ATTACH, none[i], 1), CONTEXT);
		assert_int_equal(vgpu_ctx_command(g, DETACH, none[i], 1), CONTEXT);
		assert_int_equal(vgpu_ctx_command(g, DESTROY, none[i], 0), CONTEXT);
	}
	assert_int_equal(t->r->submits + t->r->transfers, 0);
	assert_int_equal(vgpu_ctx_create(g, 0, 0, ""), CONTEXT);
	assert_int_equal(vgpu_ctx_create(g, 1, 0, ""), CONTEXT);
	memset(longer, 'x', 65);
	assert_int_equal(vgpu_ctx_create(g, 2, 0, longer), PARAMETER);
	/* Capability sets that there are not, and bits that mean nothing. */
	assert_int_equal(vgpu_ctx_create(g, 2, 3, ""), PARAMETER);
	assert_int_equal(vgpu_ctx_create(g, 2, 255, ""), PARAMETER);
	assert_int_equal(vgpu_ctx_create(g, 2, 0x101, ""), PARAMETER);
	assert_int_equal(vgpu_ctx_create(g, 2, 1u << 31, ""), PARAMETER);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), OK);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 1, 0), CONTEXT);
	assert_int_equal(vgpu_submit(g, 1, &word, 4, 4), CONTEXT);
	assert_int_equal(usage_of(t).contexts, 0);
}

static void resources_that_are_not_there(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_transfer_host_3d c = { .box = { .w = 1, .h = 1, .d = 1 } };

	begin(t);
	for (unsigned i = 0; i < 3; i++) {
		c.resource_id = i ? i + 1 : 0;
		assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, c.resource_id), RESOURCE);
		assert_int_equal(vgpu_ctx_command(g, DETACH, 1, c.resource_id), RESOURCE);
		assert_int_equal(vgpu_transfer_3d(g, TO_HOST, 1, c), RESOURCE);
	}
	assert_int_equal(vgpu_create_3d(g, texture(0)), RESOURCE);
	assert_int_equal(vgpu_create_3d(g, texture(1)), RESOURCE);
}

/* A library that keeps a list would keep what is gone of it. */
static void case_56_attached_and_detached_once(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	begin(t);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
	assert_int_equal(t->r->ctx_attached, 1);
	assert_int_equal(vgpu_ctx_create(g, 2, 0, ""), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 2, 1), OK);
	assert_int_equal(t->r->ctx_attached, 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vgpu_ctx_command(g, DETACH, 1, 1), OK);
	assert_int_equal(t->r->ctx_attached, 1);
	/* What has the place of one that is gone has nothing of it. */
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 2, 0), OK);
	assert_int_equal(vgpu_ctx_create(g, 3, 0, ""), OK);
	assert_int_equal(vgpu_ctx_command(g, DETACH, 3, 1), OK);
	assert_int_equal(t->r->ctx_attached, 1);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 3, 1), OK);
	assert_int_equal(vgpu_ctx_command(g, ATTACH, 1, 1), OK);
	assert_int_equal(t->r->ctx_attached, 3);
}

static void case_57_contexts_and_resources_without_end(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_resource_create_3d c = texture(1);
	unsigned n = 0;

	while (vgpu_ctx_create(g, n + 1, 0, "") == OK)
		n++;
	assert_int_equal(n, GPU_MAX_CONTEXTS);
	assert_int_equal(vgpu_ctx_create(g, n + 1, 0, ""), MEMORY);
	assert_int_equal(vgpu_ctx_command(g, DESTROY, 7, 0), OK);
	assert_int_equal(vgpu_ctx_create(g, n + 1, 0, ""), OK);
	/* Of bytes... */
	c.width = c.height = 16384;
	assert_int_equal(vgpu_create_3d(g, c), OK);
	c.resource_id = 2;
	assert_int_equal(vgpu_create_3d(g, c), OK);
	c.resource_id = 3;
	assert_int_equal(vgpu_create_3d(g, c), MEMORY);
	c.width = c.height = 1;
	assert_int_equal(vgpu_create_3d(g, c), MEMORY);
	assert_int_equal(vgpu_unref(g, 2), OK);
	c.width = c.height = 16384;
	c.format = 31;
	assert_int_equal(vgpu_create_3d(g, c), MEMORY);
	assert_int_equal(vgpu_unref(g, 1), OK);
	/* ...and of resources. */
	c = texture(1);
	while (vgpu_create_3d(g, c) == OK)
		c.resource_id++;
	assert_int_equal(usage_of(t).resources, GPU_MAX_RESOURCES);
	assert_int_equal(vgpu_create_3d(g, c), MEMORY);
}

static void case_58_commands_of_every_length(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	static const uint32_t bad[] = {
		0, 1, 2, 3, 5, 20, 65, 1u << 30, UINT32_MAX, UINT32_MAX - 3, (1u << 20) + 4,
	};
	uint32_t *much = calloc(1, VGPU_REQUEST_BYTES), len = VGPU_REQUEST_BYTES - 32;

	begin(t);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vgpu_submit(g, 1, much, 16, bad[i]), PARAMETER);
	assert_int_equal(vgpu_submit(g, 1, much, 0, 4), PARAMETER);
	assert_int_equal(t->r->submits, 0);
	assert_int_equal(vgpu_submit(g, 1, much, len, len), OK);
	assert_int_equal(t->r->submit_len, len);
	free(much);
}

static void case_66_resources_of_3d_that_cannot_be(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_resource_create_3d c = texture(1);

	c.target = 9;
	assert_int_equal(vgpu_create_3d(&t->rig.g, c), PARAMETER);
	c = texture(1);
	c.depth = 2;
	assert_int_equal(vgpu_create_3d(&t->rig.g, c), PARAMETER);
	c = texture(1);
	c.last_level = UINT32_MAX;
	assert_int_equal(vgpu_create_3d(&t->rig.g, c), PARAMETER);
	assert_int_equal(usage_of(t).resources, 0);
}

static void case_69_transfers_need_backing(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_transfer_host_3d c = {
		.box = { .w = W, .h = H, .d = 1 }, .resource_id = 1,
	};

	begin(t);
	c.offset = BYTES + 1;
	assert_int_equal(vgpu_transfer_3d(g, TO_HOST, 1, c), PARAMETER);
	c.offset = UINT64_MAX;
	assert_int_equal(vgpu_transfer_3d(g, FROM_HOST, 1, c), PARAMETER);
	c.offset = 0;
	assert_int_equal(submit_fenced(t, 1, 1, 0), 0);
	assert_int_equal(vgpu_detach(g, 1), OK);
	assert_int_equal(t->r->attached, 0);
	t->rig.fb[0] = 1;
	assert_int_equal(vgpu_transfer_3d(g, FROM_HOST, 1, c), PARAMETER);
	assert_int_equal(t->rig.fb[0], 1);
	/* A resource that a context has, and a fence that is open. */
	assert_int_equal(vgpu_unref(g, 1), OK);
	assert_int_equal(vgpu_ctx_command(g, DETACH, 1, 1), RESOURCE);
	assert_int_equal(vgpu_transfer_3d(g, TO_HOST, 1, c), RESOURCE);
	fences_done(t, 1, 0, 1);
	assert_int_equal(vgpu_collect(g), OK);
}

static void case_73_blobs_of_the_hosts_memory_are_charged(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	struct virtio_gpu_resource_create_blob c = {
		.resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .size = GiB,
	};

	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), OK);
	c.resource_id = 2;
	c.size = GiB + 4096;
	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), MEMORY);
	c.size = GiB;
	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), OK);
	c.resource_id = 3;
	c.size = 4096;
	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), MEMORY);
	c.size = 1ull << 63;
	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), PARAMETER);
	c.size = 0;
	assert_int_equal(vgpu_create_blob(g, c, NULL, 0), PARAMETER);
	assert_int_equal(vgpu_unref(g, 1), OK);
	assert_true(usage_of(t).bytes == GiB);
}

/* There is no region to map into, and so nothing to unmap. */
static void case_75_76_maps_without_a_region(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	const struct virtio_gpu_resource_create_blob blob = {
		.resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .size = 4096,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
	};
	struct virtio_gpu_resource_map_blob map = { .resource_id = 1 };
	struct virtio_gpu_resource_unmap_blob unmap = { .resource_id = 1 };
	static const uint64_t offsets[] = { 0, 1, 4096, 1ull << 63, UINT64_MAX - 4095 };

	assert_int_equal(vgpu_create_blob(g, blob, NULL, 0), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		map.offset = offsets[i];
		assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, &map,
					      sizeof(map)), PARAMETER);
	}
	assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, &unmap,
				      sizeof(unmap)), PARAMETER);
	map.resource_id = unmap.resource_id = 2;
	assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, &map, sizeof(map)),
			 RESOURCE);
	assert_int_equal(vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, &unmap,
				      sizeof(unmap)), RESOURCE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(contexts_come_and_go),
		T(capset_counts_only_when_negotiated),
		T(resources_transfers_and_commands_arrive_as_they_were_sent),
		T(errors_of_the_renderer_become_answers),
		T(without_the_feature_there_is_no_3d),
		T(fence_of_a_ring_that_is_not_there_is_the_whole_cards),
		T(fence_that_is_done_at_once_answers_those_before_it),
		T(destroyed_context_has_its_fences_answered),
		T(case_55_every_fence_is_answered_once),
		T(case_22_reset_forgets_contexts_and_their_fences),
		T(case_56_contexts_that_are_not_there),
		T(resources_that_are_not_there),
		T(case_56_attached_and_detached_once),
		T(case_57_contexts_and_resources_without_end),
		T(case_58_commands_of_every_length),
		T(case_66_resources_of_3d_that_cannot_be),
		T(case_69_transfers_need_backing),
		T(case_73_blobs_of_the_hosts_memory_are_charged),
		T(case_75_76_maps_without_a_region),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
