/* SPDX-License-Identifier: MIT */
/*
 * Textures that leave as dma-bufs, with the test as virglrenderer and plain files of memory as
 * buffers: what it says of them is checked, and every descriptor is closed once.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/gpu/gpu_virgl_impl.h"
#include "devices/ui/gl_dmabuf.h"

#define W 64u
#define H 16u
#define STRIDE (4 * W)
#define BYTES (STRIDE * H)

static int buffer(size_t len)
{
	int fd = memfd_create("buffer", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, len), 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- what is one ---------------------------------------------------------------- */

static struct display_dmabuf linear(int fd)
{
	return (struct display_dmabuf){
		.n_planes = 1, .fds = { fd, -1, -1, -1 }, .strides = { STRIDE },
		.fourcc = DRM_FORMAT_XRGB8888, .modifier = DRM_FORMAT_MOD_LINEAR,
	};
}

static void case_72_planes_lie_within_their_files(void **state)
{
	int fd = buffer(BYTES), empty = buffer(0);
	struct display_dmabuf d = linear(fd);

	assert_int_equal(gl_dmabuf_check(&d, W, H), 0);
	assert_int_equal(gl_dmabuf_check(&d, W, H + 1), -EINVAL);
	assert_int_equal(gl_dmabuf_check(&d, W + 1, H), -EINVAL);
	assert_int_equal(gl_dmabuf_check(&d, 0, H), -EINVAL);
	assert_int_equal(gl_dmabuf_check(&d, W, DISPLAY_MAX_SIZE + 1), -EINVAL);
	d.offsets[0] = 4;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d.offsets[0] = UINT32_MAX;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d.offsets[0] = 0;
	d.strides[0] = UINT32_MAX;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d = linear(empty);
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	close(fd);
	close(empty);
}

static void case_72_planes_are_four_at_most_and_formats_known(void **state)
{
	int fd = buffer(BYTES);
	struct display_dmabuf d = linear(fd);

	d.n_planes = 0;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d.n_planes = DISPLAY_MAX_PLANES + 1;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d.n_planes = 2;		/* whose second has no file */
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d = linear(fd);
	d.fourcc = DRM_FORMAT_NV12;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	d = linear(-1);
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	close(fd);
}

/* Tiles and compression: the driver knows. */
static void other_modifiers_are_checked_as_far_as_they_can_be(void **state)
{
	int fd = buffer(4096);
	struct display_dmabuf d = linear(fd);

	d.modifier = DRM_FORMAT_MOD_INVALID;
	d.strides[0] = 512;
	assert_int_equal(gl_dmabuf_check(&d, W, H), 0);
	d.offsets[0] = 4096;
	assert_int_equal(gl_dmabuf_check(&d, W, H), -EINVAL);
	close(fd);
}

static void file_of_several_planes_is_closed_once(void **state)
{
	int a = buffer(1), b = buffer(1);
	struct display_dmabuf d = { .n_planes = 4, .fds = { a, b, a, b } };

	gl_dmabuf_close(&d);
	assert_false(is_open(a));
	assert_false(is_open(b));
	assert_int_equal(d.n_planes, 0);
	gl_dmabuf_close(&d);
}

/* --- what the library says ------------------------------------------------------- */

#if GPU_VIRGL_BUILT

/* Its answers: one library a process, and one answer a test. */
static struct virgl_renderer_export_query answer;
static unsigned n_asked;

static int fake_execute(void *args, uint32_t size)
{
	struct virgl_renderer_export_query *q = args;

	assert_int_equal(q->hdr.stype, VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY);
	assert_int_equal(size, sizeof(*q));
	assert_int_equal(q->in_resource_id, 3);
	n_asked++;
	q->out_num_fds = answer.out_num_fds;
	q->out_fourcc = answer.out_fourcc;
	q->out_modifier = answer.out_modifier;
	memcpy(q->out_fds, answer.out_fds, sizeof(q->out_fds));
	memcpy(q->out_strides, answer.out_strides, sizeof(q->out_strides));
	memcpy(q->out_offsets, answer.out_offsets, sizeof(q->out_offsets));
	return 0;
}

struct t {
	struct gpu_virgl v;
	struct gpu_resource res;
	struct virgl_image image;
	int fd;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	t->v.lib.execute = fake_execute;
	t->res = (struct gpu_resource){ .id = 3, .width = W, .height = H };
	t->image = (struct virgl_image){ .v = &t->v, .res = &t->res };
	t->fd = buffer(2 * BYTES);
	answer = (struct virgl_renderer_export_query){
		.out_num_fds = 1, .out_fourcc = DRM_FORMAT_XRGB8888,
		.out_modifier = DRM_FORMAT_MOD_LINEAR,
		.out_fds = { t->fd, -1, -1, -1 }, .out_strides = { STRIDE },
	};
	n_asked = 0;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	gl_dmabuf_close(&t->image.dmabuf);
	assert_false(is_open(t->fd));
	free(t);
	return 0;
}

static void texture_is_exported_once(void **state)
{
	struct t *t = *state;
	struct display_dmabuf d;

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(gpu_virgl_dmabuf(&t->image, &d), 0);
		assert_int_equal(d.n_planes, 1);
		assert_int_equal(d.fds[0], t->fd);
		assert_int_equal(d.strides[0], STRIDE);
		assert_true(d.fourcc == DRM_FORMAT_XRGB8888 && d.modifier == 0);
	}
	assert_int_equal(n_asked, 1);
}

static void planes_may_share_a_file(void **state)
{
	struct t *t = *state;
	struct display_dmabuf d;

	answer.out_modifier = 0x100000000000001ull;	/* some tiles of Intel's */
	answer.out_strides[1] = 64;
	answer.out_offsets[1] = BYTES;
	assert_int_equal(gpu_virgl_dmabuf(&t->image, &d), 0);
	assert_int_equal(d.n_planes, 2);
	assert_true(d.fds[0] == t->fd && d.fds[1] == t->fd && d.offsets[1] == BYTES);
}

static void refused(struct t *t)
{
	struct display_dmabuf d;

	assert_int_equal(gpu_virgl_dmabuf(&t->image, &d), -ENOTSUP);
	assert_int_equal(d.n_planes, 0);
	assert_false(is_open(t->fd));
	/* For good. */
	assert_int_equal(gpu_virgl_dmabuf(&t->image, &d), -ENOTSUP);
	assert_int_equal(n_asked, 1);
}

static void case_72_more_planes_than_there_are(void **state)
{
	answer.out_num_fds = 5;
	refused(*state);
}

static void case_72_plane_past_the_end_of_its_file(void **state)
{
	answer.out_offsets[0] = 2 * BYTES;
	refused(*state);
}

static void case_72_rows_past_the_end_of_their_file(void **state)
{
	answer.out_strides[0] = 3 * STRIDE;
	refused(*state);
}

static void case_72_rows_that_overlap(void **state)
{
	answer.out_strides[0] = STRIDE - 4;
	refused(*state);
}

static void case_72_format_that_nobody_shows(void **state)
{
	answer.out_fourcc = DRM_FORMAT_RGB565;
	refused(*state);
}

static void texture_without_a_buffer_has_none(void **state)
{
	struct t *t = *state;
	struct display_dmabuf d;

	answer.out_num_fds = 0;
	assert_int_equal(gpu_virgl_dmabuf(&t->image, &d), -ENOTSUP);
	close(t->fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_72_planes_lie_within_their_files),
		cmocka_unit_test(case_72_planes_are_four_at_most_and_formats_known),
		cmocka_unit_test(other_modifiers_are_checked_as_far_as_they_can_be),
		cmocka_unit_test(file_of_several_planes_is_closed_once),
#if GPU_VIRGL_BUILT
		T(texture_is_exported_once),
		T(planes_may_share_a_file),
		T(case_72_more_planes_than_there_are),
		T(case_72_plane_past_the_end_of_its_file),
		T(case_72_rows_past_the_end_of_their_file),
		T(case_72_rows_that_overlap),
		T(case_72_format_that_nobody_shows),
		T(texture_without_a_buffer_has_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
