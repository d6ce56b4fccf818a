/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"

static void every_command_has_its_size_on_its_queue(void **state)
{
	static const struct { uint32_t type; enum gpu_queue q; size_t size; } all[] = {
		{ 0x100, GPU_CONTROLQ, 24 }, { 0x101, GPU_CONTROLQ, 40 },
		{ 0x102, GPU_CONTROLQ, 32 }, { 0x103, GPU_CONTROLQ, 48 },
		{ 0x104, GPU_CONTROLQ, 48 }, { 0x105, GPU_CONTROLQ, 56 },
		{ 0x106, GPU_CONTROLQ, 32 }, { 0x107, GPU_CONTROLQ, 32 },
		{ 0x108, GPU_CONTROLQ, 32 }, { 0x109, GPU_CONTROLQ, 32 },
		{ 0x10a, GPU_CONTROLQ, 32 }, { 0x10b, GPU_CONTROLQ, 32 },
		{ 0x10c, GPU_CONTROLQ, 56 }, { 0x10d, GPU_CONTROLQ, 96 },
		{ 0x200, GPU_CONTROLQ, 96 }, { 0x201, GPU_CONTROLQ, 24 },
		{ 0x202, GPU_CONTROLQ, 32 }, { 0x203, GPU_CONTROLQ, 32 },
		{ 0x204, GPU_CONTROLQ, 72 }, { 0x205, GPU_CONTROLQ, 72 },
		{ 0x206, GPU_CONTROLQ, 72 }, { 0x207, GPU_CONTROLQ, 32 },
		{ 0x208, GPU_CONTROLQ, 40 }, { 0x209, GPU_CONTROLQ, 32 },
		{ 0x300, GPU_CURSORQ, 56 }, { 0x301, GPU_CURSORQ, 56 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(gpu_command_size(all[i].q, all[i].type), all[i].size);
		assert_int_equal(gpu_command_size(!all[i].q, all[i].type), 0);
		assert_true(all[i].size <= sizeof(union gpu_command));
		assert_string_not_equal(gpu_command_name(all[i].type), "unknown command");
	}
	assert_int_equal(gpu_command_size(GPU_CONTROLQ, 0), 0);
	assert_int_equal(gpu_command_size(GPU_CONTROLQ, UINT32_MAX), 0);
	assert_string_equal(gpu_command_name(0x104), "RESOURCE_FLUSH");
	assert_string_equal(gpu_command_name(0x9999), "unknown command");
}

static void case_53_answers_give_back_no_more_than_the_fence(void **state)
{
	struct virtio_gpu_ctrl_hdr hdr, answer, zero = { .type = 0x1100 };

	memset(&hdr, 0xff, sizeof(hdr));
	hdr.flags = ~(uint32_t)VIRTIO_GPU_FLAG_FENCE;
	answer = gpu_answer_header(&hdr, 0x1100);
	assert_memory_equal(&answer, &zero, sizeof(answer));
	hdr.flags = VIRTIO_GPU_FLAG_FENCE | 0xfff0;
	answer = gpu_answer_header(&hdr, 0x1100);
	assert_int_equal(answer.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_true(answer.fence_id == UINT64_MAX);
	assert_int_equal(answer.ctx_id, UINT32_MAX);
	assert_int_equal(answer.ring_idx, 0);
	assert_int_equal(answer.padding[0] | answer.padding[1] | answer.padding[2], 0);
	hdr.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
	answer = gpu_answer_header(&hdr, 0x1100);
	assert_int_equal(answer.ring_idx, 255);
}

static void errors_have_answers(void **state)
{
	assert_int_equal(gpu_answer_type(0), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(gpu_answer_type(-ENOMEM), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(gpu_answer_type(-EINVAL), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(gpu_answer_type(-ENXIO), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	assert_int_equal(gpu_answer_type(-ENOENT), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(gpu_answer_type(-EIO), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void formats_of_the_specification_and_no_others(void **state)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < 1000; i++)
		n += gpu_fourcc(i) != 0;
	assert_int_equal(n, 8);
	assert_int_equal(gpu_fourcc(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM), DRM_FORMAT_XRGB8888);
	assert_int_equal(gpu_fourcc(UINT32_MAX), 0);
}

static void case_37_bytes_of_an_image_do_not_wrap(void **state)
{
	assert_true(gpu_image_bytes(1920, 1080) == 8294400);
	assert_true(gpu_image_bytes(0x40000001, 128) == 0x40000001ull * 128 * 4);
	assert_true(gpu_image_bytes(0x80000000, 0x80000000) == UINT64_MAX);
	assert_true(gpu_image_bytes(UINT32_MAX, UINT32_MAX) == UINT64_MAX);
	assert_true(gpu_image_bytes(0, UINT32_MAX) == 0);
}

static bool fits(uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
	const struct virtio_gpu_rect r = { x, y, w, h };

	return gpu_rect_fits(&r, 100, 50);
}

static void case_45_rectangles(void **state)
{
	assert_true(fits(0, 0, 100, 50));
	assert_true(fits(99, 49, 1, 1));
	assert_false(fits(0, 0, 0, 1));
	assert_false(fits(0, 0, 1, 0));
	assert_false(fits(1, 0, 100, 50));
	assert_false(fits(0, 1, 100, 50));
	assert_false(fits(UINT32_MAX, 0, 2, 1));
	assert_false(fits(2, 0, UINT32_MAX, 1));
	assert_false(fits(0, UINT32_MAX, 1, 2));
	assert_false(fits(100, 0, 1, 1));
}

static void rectangles_are_clipped(void **state)
{
	const struct display_rect a = { 10, 10, 20, 20 };
	struct display_rect out;

	assert_true(gpu_rect_clip(&out, &a, &(struct display_rect){ 0, 0, 11, 100 }));
	assert_int_equal(out.x, 10);
	assert_int_equal(out.width, 1);
	assert_int_equal(out.height, 20);
	assert_true(gpu_rect_clip(&out, &(struct display_rect){ 15, 5, 1, 90 }, &a));
	assert_int_equal(out.y, 10);
	assert_int_equal(out.width, 1);
	assert_false(gpu_rect_clip(&out, &a, &(struct display_rect){ 30, 10, 5, 5 }));
	assert_false(gpu_rect_clip(&out, &a, &(struct display_rect){ 0, 0, 10, 100 }));
	assert_false(gpu_rect_clip(&out, &a, &(struct display_rect){ 0, 30, 100, 1 }));
}

static void sizes_of_scanouts(void **state)
{
	assert_true(gpu_scanout_size_valid(16, 16));
	assert_true(gpu_scanout_size_valid(DISPLAY_MAX_SIZE, DISPLAY_MAX_SIZE));
	assert_false(gpu_scanout_size_valid(15, 16));
	assert_false(gpu_scanout_size_valid(16, 15));
	assert_false(gpu_scanout_size_valid(DISPLAY_MAX_SIZE + 1, 16));
	assert_false(gpu_scanout_size_valid(16, UINT32_MAX));
}

static void case_74_pictures_in_blobs(void **state)
{
	const struct virtio_gpu_set_scanout_blob good = {
		.r = { 0, 0, 64, 32 }, .width = 64, .height = 32, .format = 1,
		.strides = { 256 }, .offsets = { 100 },
	};
	struct virtio_gpu_set_scanout_blob c = good;
	const uint64_t size = 100 + 256 * 32;

	assert_true(gpu_scanout_blob_valid(&c, size));
	assert_false(gpu_scanout_blob_valid(&c, size - 1));
	assert_false(gpu_scanout_blob_valid(&c, 0));
	c.strides[0] = 255;
	assert_false(gpu_scanout_blob_valid(&c, size));
	c.strides[0] = UINT32_MAX;
	assert_false(gpu_scanout_blob_valid(&c, size));
	assert_true(gpu_scanout_blob_valid(&c, 100 + UINT32_MAX * 32ull));
	c = good;
	c.offsets[0] = UINT32_MAX;
	assert_false(gpu_scanout_blob_valid(&c, size));
	/* Other planes mean nothing to formats that have one. */
	c = good;
	c.offsets[3] = c.strides[2] = UINT32_MAX;
	assert_true(gpu_scanout_blob_valid(&c, size));
}

/* Target, format, width, height, depth, layers, last level, samples. */
static struct virtio_gpu_resource_create_3d make_3d(const uint32_t f[8])
{
	return (struct virtio_gpu_resource_create_3d){
		.target = f[0], .format = f[1], .width = f[2], .height = f[3], .depth = f[4],
		.array_size = f[5], .last_level = f[6], .nr_samples = f[7],
	};
}

static void resources_of_3d_and_what_they_cost(void **state)
{
	static const struct { uint32_t f[8]; uint64_t bytes; } all[] = {
		{ { 0, 64, 1000, 1, 1, 1, 0, 0 }, 1000 },
		{ { 0, 64, UINT32_MAX, 1, 1, 0, 0, 0 }, UINT32_MAX },
		{ { 1, 1, 8, 1, 1, 1, 3, 0 }, 4 * 15 },
		{ { 2, 1, 64, 32, 1, 1, 0, 0 }, 8192 },
		{ { 2, 1, 64, 32, 1, 0, 6, 1 }, 4 * (2048 + 512 + 128 + 32 + 8 + 2 + 1) },
		{ { 2, 31, 64, 32, 1, 1, 0, 4 }, 64 * 32 * 16 * 4 },
		{ { 3, 94, 4, 4, 4, 1, 2, 0 }, 8 * (64 + 8 + 1) },
		{ { 4, 1, 16, 16, 1, 6, 0, 0 }, 16 * 16 * 6 * 4 },
		{ { 5, 1, 16, 8, 1, 1, 0, 0 }, 16 * 8 * 4 },
		{ { 6, 64, 16, 1, 1, 5, 0, 0 }, 16 * 5 * 4 },
		{ { 7, 27, 16, 2, 1, 5, 0, 2 }, 16 * 2 * 5 * 2 * 32 },
		{ { 8, 240, 2, 2, 1, 12, 1, 0 }, (4 + 1) * 12 * 16 },
		{ { 2, 1, 16384, 16384, 1, 1, 14, 0 }, 4 * 0x15555555ull },
		{ { 3, 27, 16384, 16384, 16384, 1, 0, 0 }, 32ull << 42 },
		{ { 7, 27, 16384, 16384, 1, 16384, 0, 32 }, 1024ull << 42 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct virtio_gpu_resource_create_3d c = make_3d(all[i].f);

		assert_true(gpu_create_3d_valid(&c));
		assert_true(gpu_create_3d_bytes(&c) == all[i].bytes);
	}
}

static void case_66_resources_of_3d_that_cannot_be(void **state)
{
	static const uint32_t all[][8] = {
		{ 9, 1, 1, 1, 1, 1, 0, 0 }, { UINT32_MAX, 1, 1, 1, 1, 1, 0, 0 },
		{ 0, 64, 0, 1, 1, 1, 0, 0 }, { 2, 1, 0, 1, 1, 1, 0, 0 },
		{ 2, 1, 1, 0, 1, 1, 0, 0 }, { 2, 1, 1, 1, 0, 1, 0, 0 },
		{ 0, 64, 8, 2, 1, 1, 0, 0 }, { 0, 64, 8, 1, 2, 1, 0, 0 },
		{ 0, 64, 8, 1, 1, 2, 0, 0 }, { 0, 64, 8, 1, 1, 1, 1, 0 },
		{ 0, 64, 8, 1, 1, 1, 0, 2 },
		{ 1, 1, 8, 2, 1, 1, 0, 0 }, { 1, 1, 8, 1, 1, 2, 0, 0 }, { 1, 1, 8, 1, 1, 1, 4, 0 },
		{ 1, 1, 16385, 1, 1, 1, 0, 0 }, { 1, 1, 8, 1, 1, 1, 0, 2 },
		{ 2, 1, 16385, 1, 1, 1, 0, 0 }, { 2, 1, 1, 16385, 1, 1, 0, 0 },
		{ 2, 1, UINT32_MAX, UINT32_MAX, 1, 1, 0, 0 }, { 2, 1, 8, 8, 2, 1, 0, 0 },
		{ 2, 1, 8, 8, 1, 2, 0, 0 }, { 2, 1, 8, 8, 1, 1, 4, 0 },
		{ 2, 1, 8, 8, 1, 1, UINT32_MAX, 0 }, { 2, 1, 8, 8, 1, 1, 32, 0 },
		{ 2, 1, 8, 8, 1, 1, 1, 2 }, { 2, 1, 8, 8, 1, 1, 0, 33 },
		{ 2, 1, 8, 8, 1, 1, 0, UINT32_MAX },
		{ 3, 1, 8, 8, 16385, 1, 0, 0 }, { 3, 1, 8, 8, 8, 2, 0, 0 },
		{ 3, 1, 8, 8, 8, 1, 0, 4 },
		{ 4, 1, 8, 8, 1, 5, 0, 0 }, { 4, 1, 8, 8, 1, 12, 0, 0 },
		{ 4, 1, 8, 4, 1, 6, 0, 0 }, { 4, 1, 8, 8, 6, 6, 0, 0 },
		{ 5, 1, 8, 8, 1, 1, 1, 0 }, { 5, 1, 8, 8, 2, 1, 0, 0 },
		{ 6, 1, 8, 2, 1, 4, 0, 0 }, { 6, 1, 8, 1, 1, 0, 0, 0 },
		{ 7, 1, 8, 8, 1, 0, 0, 0 }, { 7, 1, 8, 8, 1, 16385, 0, 0 },
		{ 7, 1, 8, 8, 1, UINT32_MAX, 0, 0 }, { 7, 1, 8, 8, 2, 4, 0, 0 },
		{ 8, 1, 8, 8, 1, 7, 0, 0 }, { 8, 1, 8, 8, 1, 0, 0, 0 },
		{ 8, 1, 8, 4, 1, 6, 0, 0 }, { 8, 1, 8, 8, 1, 6, 0, 2 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct virtio_gpu_resource_create_3d c = make_3d(all[i]);

		if (gpu_create_3d_valid(&c))
			fail_msg("number %u is taken", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_has_its_size_on_its_queue),
		cmocka_unit_test(case_53_answers_give_back_no_more_than_the_fence),
		cmocka_unit_test(errors_have_answers),
		cmocka_unit_test(formats_of_the_specification_and_no_others),
		cmocka_unit_test(case_37_bytes_of_an_image_do_not_wrap),
		cmocka_unit_test(case_45_rectangles),
		cmocka_unit_test(rectangles_are_clipped),
		cmocka_unit_test(sizes_of_scanouts),
		cmocka_unit_test(case_74_pictures_in_blobs),
		cmocka_unit_test(resources_of_3d_and_what_they_cost),
		cmocka_unit_test(case_66_resources_of_3d_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
