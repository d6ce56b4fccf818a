/* SPDX-License-Identifier: MIT */
/* Pictures of 2D that other processes can look at as they are. */
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/gpu/gpu_2d.h"
#include "devices/ui/display_memory.h"
#include "tests/open_fds.h"

#define SIDE 256u
#define MANY 70u
#define MOST 64u	/* shared at a time */

static int setup(void **state)
{
	return gpu_2d_create_shared((struct gpu_renderer **)state);
}

static int teardown(void **state)
{
	struct gpu_renderer *r = *state;

	r->ops->destroy(r);
	return 0;
}

static struct gpu_resource make(struct gpu_renderer *r, uint32_t side)
{
	struct gpu_resource res = { .id = 1, .kind = GPU_RESOURCE_2D, .width = side,
				    .height = side };

	assert_int_equal(r->ops->create_2d(r, &res), 0);
	return res;
}

static struct display_surface surface(struct gpu_renderer *r, struct gpu_resource *res)
{
	const struct gpu_scanout_view view = {
		.rect = { 8, 4, 16, 16 }, .width = res->width, .height = res->height,
		.fourcc = DRM_FORMAT_XRGB8888, .stride = 4 * res->width,
	};
	struct display_surface s;

	assert_int_equal(r->ops->surface(r, res, &view, &s), 0);
	return s;
}

static void a_large_picture_is_where_others_can_see_it(void **state)
{
	struct gpu_renderer *r = *state;
	unsigned fds = open_fds();
	struct gpu_resource res = make(r, SIDE);
	struct display_surface s = surface(r, &res);
	struct display_memory seen;
	const void *at;
	int fd;

	assert_true(s.pixels.shared);
	memset(res.shadow.iov_base, 5, res.shadow.iov_len);
	fd = fcntl(s.pixels.fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(display_memory_open(&seen, fd, s.pixels.fd_offset + s.pixels.offset, 64,
					     &at), 0);
	assert_int_equal(*(const char *)at, 5);
	display_memory_close(&seen);
	r->ops->destroy_resource(r, &res);
	assert_int_equal(open_fds(), fds);
}

static void a_small_one_is_not(void **state)
{
	struct gpu_renderer *r = *state;
	unsigned fds = open_fds();
	struct gpu_resource res = make(r, 64);

	assert_false(surface(r, &res).pixels.shared);
	assert_int_equal(open_fds(), fds);
	r->ops->destroy_resource(r, &res);
}

/* A guest makes as many as it likes; descriptors are not without an end. */
static void case_99_the_many_are_not(void **state)
{
	struct gpu_renderer *r = *state;
	unsigned fds = open_fds();
	struct gpu_resource res[MANY];

	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < MANY; i++) {
			res[i] = make(r, SIDE);
			assert_int_equal(surface(r, &res[i]).pixels.shared, i < MOST);
		}
		assert_int_equal(open_fds(), fds + MOST);
		for (unsigned i = 0; i < MANY; i++)
			r->ops->destroy_resource(r, &res[i]);
		assert_int_equal(open_fds(), fds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_large_picture_is_where_others_can_see_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_small_one_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(case_99_the_many_are_not, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
