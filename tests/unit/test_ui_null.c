/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/ui/ui_null.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define W 64u
#define H 32u
#define ALL VGPU_RECT(0, 0, W, H)
#define REFRESH_MHZ 200000	/* 5 ms */

struct t {
	struct gpu_rig rig;
	struct ui_null *ui;
};

static int setup_paced(void **state, uint32_t refresh_mhz)
{
	const struct gpu_params params = { .n_outputs = 2, .n_plugged = 2 };
	struct t *t = calloc(1, sizeof(*t));
	struct display display;

	gpu_rig_init(&t->rig, VRIG_MMIO, &params);
	assert_int_equal(ui_null_create(&t->ui, t->rig.r.fake.loop, refresh_mhz), 0);
	display = ui_null_display(t->ui);
	ui_null_set_sink(t->ui, gpu_sink(t->rig.gpu));
	gpu_set_display(t->rig.gpu, &display);
	gpu_rig_show(&t->rig, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, W, H, GPU_RIG_FB);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_paced(state, REFRESH_MHZ);
}

static int setup_unpaced(void **state)
{
	return setup_paced(state, 0);
}

static int teardown(void **state)
{
	struct t *t = *state;

	gpu_set_display(t->rig.gpu, NULL);
	ui_null_destroy(t->ui);
	gpu_rig_finish(&t->rig);
	free(t);
	return 0;
}

static void picture_is_kept_for_screenshots(void **state)
{
	struct t *t = *state;
	const struct picture *p = ui_null_picture(t->ui, 0);
	uint32_t row[W];
	uint64_t before;

	t->rig.fb[W + 3] = 0xff123456;
	vgpu_transfer(&t->rig.g, 1, ALL, 0);
	before = p->changes;
	assert_int_equal(vgpu_flush(&t->rig.g, 1, ALL), OK);
	assert_true(p->changes > before);
	assert_true(p->shown);
	picture_row(p, 1, row);
	assert_int_equal(row[3], 0xff123456);
	assert_false(ui_null_picture(t->ui, 1)->shown);
	vgpu_create_2d(&t->rig.g, 2, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64);
	vgpu_cursor(&t->rig.g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 7, 8, 0, 0);
	assert_true(p->cursor_shown);
	assert_int_equal(p->cursor_x, 7);
	vgpu_unref(&t->rig.g, 1);
	assert_false(p->shown);
}

static void flushes_are_answered_at_the_next_frame(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;
	unsigned got = 0;

	vgpu_set_scanout(g, 1, 1, ALL);
	/* Unless the frame comes within these very turns of the loop. */
	for (unsigned i = 0; i < 3; i++)
		got += vgpu_flush(g, 1, ALL) == OK;
	while (got < 3) {
		loop_run_once(t->rig.r.fake.loop, -1);
		got += vgpu_collect(g) == OK;
		while (vgpu_collect(g) == OK)
			got++;
	}
	assert_int_equal(got, 3);
}

static void output_that_goes_off_owes_no_frame(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->rig.g;

	if (vgpu_flush(g, 1, ALL) == 0) {
		assert_int_equal(vgpu_unref(g, 1), OK);
		assert_int_equal(vgpu_collect(g), OK);
	}
	assert_int_equal(vgpu_collect(g), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(picture_is_kept_for_screenshots, setup_unpaced,
						teardown),
		cmocka_unit_test_setup_teardown(flushes_are_answered_at_the_next_frame, setup,
						teardown),
		cmocka_unit_test_setup_teardown(output_that_goes_off_owes_no_frame, setup,
						teardown),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
