/* SPDX-License-Identifier: MIT */
/*
 * The card with virglrenderer and windows that share its textures: what a guest draws is
 * seen at the desktop, and nobody has copied it. Skipped where there is no Xvfb, unless
 * MICROVM_XVFB is set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/gpu/gpu_virgl.h"
#include "devices/ui/screenshot.h"
#include "devices/ui/ui_sdl_impl.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/fake_renderer.h"
#include "tests/gpu_rig.h"
#include "tests/have_gl.h"
#include "tests/until.h"
#include "tests/virgl.h"
#include "tests/xdesk.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define TITLE "guest of textures"
#define FEATURES (GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES)
/* A texture, and the part of it that is shown. */
#define W 160u
#define H 128u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)
#define FRAMES 24

struct t {
	struct loop *loop;		/* of the windows */
	struct ui_sdl *ui;
	struct gpu_rig rig;
	unsigned long window;
};

/* Both loops are turned. */
#define UNTIL(t, cond) UNTIL_IN((t)->loop, (loop_run_once((t)->rig.r.fake.loop, 0), (cond)))

/* --- a machine with a desktop ------------------------------------------------------- */

/* @shared: the card draws with the contexts of the windows. */
static struct t *make(unsigned n_outputs, bool shared)
{
	struct t *t = calloc(1, sizeof(*t));
	struct gpu_params params = { .n_outputs = n_outputs, .n_plugged = n_outputs };
	const struct ui_sdl_params windows = {
		.name = TITLE, .n_outputs = n_outputs, .width = W, .height = H, .gl = true,
	};
	struct gpu_virgl_params virgl = { 0 };
	struct display display;
	char why[200];

	assert_int_equal(loop_create(&t->loop), 0);
	assert_int_equal(ui_sdl_create(&t->ui, t->loop, &windows, why, sizeof(why)), 0);
	assert_non_null(ui_sdl_gl(t->ui).ops);
	if (shared)
		virgl.gl = ui_sdl_gl(t->ui);
	assert_int_equal(gpu_virgl_create(&params.renderer, &virgl, why, sizeof(why)), 0);
	gpu_rig_init(&t->rig, VRIG_MMIO, &params);
	gpu_rig_start(&t->rig, FEATURES);
	ui_sdl_set_sink(t->ui, gpu_sink(t->rig.gpu));
	display = ui_sdl_display(t->ui);
	gpu_set_display(t->rig.gpu, &display);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE)));
	xdesk_tool("windowmove --sync %lu 0 0", t->window);
	return t;
}

static int setup(void **state)
{
	*state = make(1, true);
	return 0;
}

static int setup_two(void **state)
{
	*state = make(2, true);
	return 0;
}

static int setup_apart(void **state)
{
	*state = make(1, false);
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->rig.r.d);
	gpu_set_display(t->rig.gpu, NULL);
	gpu_rig_finish(&t->rig);
	ui_sdl_destroy(t->ui);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static uint32_t seen(struct t *t, uint32_t x, uint32_t y)
{
	return xdesk_pixel(&desk, t->window, x, y);
}

static uint64_t read_backs(struct t *t)
{
	struct gpu_stats stats;

	gpu_get_stats(t->rig.gpu, &stats);
	return stats.read_backs;
}

/* --- a guest ------------------------------------------------------------------------ */

static void create(struct t *t, uint32_t id, uint32_t flags)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = id, .target = 2, .format = XRGB, .bind = 2 | 8, .width = W,
		.height = H, .depth = 1, .array_size = 1, .flags = flags,
	};

	assert_int_equal(vgpu_create_3d(&t->rig.g, c), OK);
	assert_int_equal(vgpu_attach_range(&t->rig.g, id, GPU_RIG_FB, BYTES), OK);
	assert_int_equal(vgpu_ctx_command(&t->rig.g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, id),
			 OK);
}

/* All of texture @id, by the context's view of the same number. */
static void clear(struct t *t, uint32_t id, uint32_t rgb)
{
	struct virgl_stream s = { .n = 0 };

	virgl_framebuffer(&s, id);
	virgl_clear(&s, (rgb >> 16) / 255.0f, (rgb >> 8 & 255) / 255.0f, (rgb & 255) / 255.0f, 1);
	assert_int_equal(vgpu_submit(&t->rig.g, 1, s.words, 4 * s.n, 4 * s.n), OK);
}

static void view(struct t *t, uint32_t id)
{
	struct virgl_stream s = { .n = 0 };

	virgl_surface(&s, id, id, XRGB);
	assert_int_equal(vgpu_submit(&t->rig.g, 1, s.words, 4 * s.n, 4 * s.n), OK);
}

static void paint(struct t *t, uint32_t id)
{
	const struct virtio_gpu_transfer_host_3d c = {
		.box = { .w = W, .h = H, .d = 1 }, .resource_id = id, .stride = 4 * W,
	};

	for (uint32_t i = 0; i < W * H; i++)
		t->rig.fb[i] = i % W << 16 | i / W << 8 | 0x55;
	assert_int_equal(vgpu_transfer_3d(&t->rig.g, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, c), OK);
}

/* Waits for the frame that answers it. */
static void flush(struct t *t, uint32_t id)
{
	uint32_t answer = vgpu_flush(&t->rig.g, id, ALL);

	if (!answer)
		UNTIL(t, (answer = vgpu_collect(&t->rig.g)));
	assert_int_equal(answer, OK);
}

static void begin(struct t *t)
{
	assert_int_equal(vgpu_ctx_create(&t->rig.g, 1, 0, "test"), OK);
}

/* --- tests -------------------------------------------------------------------------- */

static void frames_are_drawn_from_textures_and_nobody_copies(void **state)
{
	struct t *t = *state;
	struct ui_sdl_counts before, after;

	begin(t);
	for (uint32_t id = 1; id <= 2; id++) {
		create(t, id, 0);
		view(t, id);
	}
	before = ui_sdl_counts(t->ui);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t id = 1 + i % 2, rgb = 0x0a0807 * (i + 1);

		clear(t, id, rgb);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, id, ALL), OK);
		flush(t, id);
		UNTIL(t, seen(t, W / 2, H / 2) == rgb);
	}
	after = ui_sdl_counts(t->ui);
	assert_true(after.textures - before.textures >= FRAMES);
	assert_int_equal(after.uploads, 0);
	assert_int_equal(read_backs(t), 0);
}

static void check_parts(struct t *t, uint32_t flags)
{
	const struct virtio_gpu_rect part = VGPU_RECT(24, 16, 80, 60);

	create(t, 5, flags);
	paint(t, 5);
	assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 5, ALL), OK);
	flush(t, 5);
	xdesk_tool("windowsize %lu %u %u", t->window, W, H);
	UNTIL(t, seen(t, 0, 0) == 0x000055 && seen(t, W - 1, H - 1) ==
	      ((W - 1) << 16 | (H - 1) << 8 | 0x55));
	for (uint32_t y = 0; y < H; y += 7)
		for (uint32_t x = 0; x < W; x += 9)
			assert_int_equal(seen(t, x, y), x << 16 | y << 8 | 0x55);
	/* A part, which the window takes the size of. */
	assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 5, part), OK);
	xdesk_tool("windowsize %lu 80 64", t->window);
	flush(t, 5);
	/* 80 x 64 pixels: bars of two rows. */
	UNTIL(t, seen(t, 0, 2) == (24 << 16 | 16 << 8 | 0x55) && seen(t, 0, 1) == 0);
	assert_int_equal(seen(t, 79, 61), 103 << 16 | 75 << 8 | 0x55);
	assert_int_equal(seen(t, 79, 62), 0);
	assert_int_equal(vgpu_unref(&t->rig.g, 5), OK);
	UNTIL(t, seen(t, 40, 32) == 0);
}

static void parts_are_where_they_belong_whichever_row_is_first(void **state)
{
	struct t *t = *state;

	begin(t);
	check_parts(t, 0);
	check_parts(t, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP);
	assert_int_equal(read_backs(t), 0);
}

static void consoles_picture_is_a_texture_too(void **state)
{
	struct t *t = *state;

	for (uint32_t i = 0; i < W * H; i++)
		t->rig.fb[i] = i;
	assert_int_equal(vgpu_create_2d(&t->rig.g, 9, XRGB, W, H), OK);
	assert_int_equal(vgpu_attach_range(&t->rig.g, 9, GPU_RIG_FB, BYTES), OK);
	assert_int_equal(vgpu_transfer(&t->rig.g, 9, ALL, 0), OK);
	assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 9, ALL), OK);
	flush(t, 9);
	UNTIL(t, seen(t, 5, 7) == 7 * W + 5);
	t->rig.fb[7 * W + 5] = 0x334455;
	assert_int_equal(vgpu_transfer(&t->rig.g, 9, VGPU_RECT(5, 7, 1, 1), 4 * (7 * W + 5)), OK);
	flush(t, 9);
	UNTIL(t, seen(t, 5, 7) == 0x334455);
	assert_int_equal(seen(t, W - 1, H - 1), W * H - 1);
	assert_int_equal(ui_sdl_counts(t->ui).uploads, 0);
	assert_int_equal(read_backs(t), 0);
}

static void show_blob(struct t *t)
{
	const struct virtio_gpu_mem_entry entry = { .addr = GPU_RIG_FB, .length = BYTES };
	const struct virtio_gpu_resource_create_blob blob = {
		.resource_id = 7, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .size = BYTES,
		.nr_entries = 1,
	};

	assert_int_equal(vgpu_create_blob(&t->rig.g, blob, &entry, 1), OK);
}

static void guest_memory_and_textures_take_turns(void **state)
{
	const struct virtio_gpu_set_scanout_blob blob = {
		.r = ALL, .resource_id = 7, .width = W, .height = H, .format = XRGB,
		.strides = { 4 * W },
	};
	struct t *t = *state;

	begin(t);
	create(t, 1, 0);
	view(t, 1);
	show_blob(t);
	for (uint32_t i = 1; i < 4; i++) {
		for (uint32_t j = 0; j < W * H; j++)
			t->rig.fb[j] = 0x010203 * i;
		assert_int_equal(vgpu_set_scanout_blob(&t->rig.g, blob), OK);
		flush(t, 7);
		UNTIL(t, seen(t, 3, 3) == 0x010203 * i && seen(t, W - 1, H - 1) == 0x010203 * i);
		clear(t, 1, 0x100000 * i);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
		flush(t, 1);
		UNTIL(t, seen(t, 3, 3) == 0x100000 * i);
	}
	assert_int_equal(read_backs(t), 0);
}

static void screenshots_read_what_windows_do_not(void **state)
{
	struct t *t = *state;
	const struct picture *p = ui_sdl_picture(t->ui, 0);
	uint32_t row[W];

	begin(t);
	create(t, 1, 0);
	paint(t, 1);
	assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
	flush(t, 1);
	picture_row(p, 9, row);
	assert_int_equal(row[8], 0xff000000 | 8 << 16 | 9 << 8 | 0x55);
	assert_int_equal(read_backs(t), 1);
	UNTIL(t, seen(t, 8, 9) == (8 << 16 | 9 << 8 | 0x55));
}

static void windows_without_opengl_show_what_is_read_back(void **state)
{
	struct t *t = *state;

	begin(t);
	create(t, 1, 0);
	view(t, 1);
	clear(t, 1, 0x112233);
	assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
	flush(t, 1);
	UNTIL(t, seen(t, 3, 3) == 0x112233);
	ui_sdl_without_gl(t->ui);
	clear(t, 1, 0x332211);
	flush(t, 1);
	UNTIL(t, seen(t, 3, 3) == 0x332211);
	assert_true(read_backs(t) > 0);
}

/* As when the card was given a GPU of its own. */
static void card_with_contexts_of_its_own_is_read_back(void **state)
{
	struct t *t = *state;

	begin(t);
	create(t, 1, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP);
	view(t, 1);
	for (uint32_t i = 1; i < 4; i++) {
		clear(t, 1, 0x302010 * i);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
		flush(t, 1);
		UNTIL(t, seen(t, 3, 3) == 0x302010 * i);
	}
	paint(t, 1);
	flush(t, 1);
	UNTIL(t, seen(t, 50, 70) == (50 << 16 | 70 << 8 | 0x55));
	assert_int_equal(ui_sdl_counts(t->ui).textures, 0);
	assert_true(read_backs(t) > 0);
}

static void every_window_has_its_texture(void **state)
{
	struct t *t = *state;
	unsigned long second;

	begin(t);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE " 1")));
	UNTIL(t, (second = xdesk_find(&desk, TITLE " 2")));
	xdesk_tool("windowmove --sync %lu 0 0", t->window);
	xdesk_tool("windowmove --sync %lu 400 0", second);
	for (uint32_t id = 1; id <= 2; id++) {
		create(t, id, 0);
		view(t, id);
		clear(t, id, id == 1 ? 0xff8000 : 0x0080ff);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, id - 1, id, ALL), OK);
		flush(t, id);
	}
	UNTIL(t, seen(t, 9, 9) == 0xff8000 && xdesk_pixel(&desk, second, 9, 9) == 0x0080ff);
	assert_int_equal(vgpu_unref(&t->rig.g, 2), OK);
	UNTIL(t, xdesk_pixel(&desk, second, 9, 9) == 0);
	ui_sdl_plug(t->ui, 1, false);
	clear(t, 1, 0x00ff00);
	flush(t, 1);
	UNTIL(t, seen(t, 9, 9) == 0x00ff00);
	ui_sdl_plug(t->ui, 1, true);
	UNTIL(t, xdesk_find(&desk, TITLE " 2"));
	assert_int_equal(read_backs(t), 0);
}

static void driver_that_starts_again_draws_again(void **state)
{
	struct t *t = *state;

	for (uint32_t i = 1; i < 4; i++) {
		begin(t);
		create(t, 1, 0);
		view(t, 1);
		clear(t, 1, 0x203040 * i);
		assert_int_equal(vgpu_set_scanout(&t->rig.g, 0, 1, ALL), OK);
		flush(t, 1);
		UNTIL(t, seen(t, 3, 3) == 0x203040 * i);
		vdrv_reset(&t->rig.r.d);
		UNTIL(t, seen(t, 3, 3) == 0);
		gpu_rig_start(&t->rig, FEATURES);
	}
}

/* See test_ui_sdl.c. */
int dlclose(void *handle);
int dlclose(void *handle)
{
	return 0;
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdbus-1.so\n";
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_are_drawn_from_textures_and_nobody_copies),
		TEST(parts_are_where_they_belong_whichever_row_is_first),
		TEST(consoles_picture_is_a_texture_too),
		TEST(guest_memory_and_textures_take_turns),
		TEST(screenshots_read_what_windows_do_not),
		TEST(windows_without_opengl_show_what_is_read_back),
		cmocka_unit_test_setup_teardown(card_with_contexts_of_its_own_is_read_back,
						setup_apart, teardown),
		cmocka_unit_test_setup_teardown(every_window_has_its_texture, setup_two, teardown),
		TEST(driver_that_starts_again_draws_again),
	};
	int status;

	if (!xdesk_is_there())
		return 0;
	xdesk_by_processor();
	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, xdesk_group_begin, xdesk_group_end);
}
