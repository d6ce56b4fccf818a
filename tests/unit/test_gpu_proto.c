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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
