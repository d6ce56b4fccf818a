/* SPDX-License-Identifier: MIT */
/*
 * A recording is played by our card, and told to virgl_test_server without one: what both
 * draw by the same library is the same. Where it is not, we are wrong; where it is and
 * looks wrong, the library is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <png.h>
#include <unistd.h>

#include "tests/have_gl.h"
#include "tests/program.h"
#include "tests/vtest_play.h"

#define W 320u
#define H 240u
#define BYTES (4 * W * H)
#define FRAMES 110		/* those of the guest's console included */

static void recording_path(char path[PATH_MAX])
{
	program_path(path, "../../tests/recordings/kmscube.gz");
}

/* --- by our card ------------------------------------------------------------------- */

/* In a process of its own: Mesa leaks. */
static void play(const char *dir)
{
	char program[PATH_MAX], recording[PATH_MAX], line[3 * PATH_MAX];

	program_path(program, "microvm-gpu");
	recording_path(recording);
	snprintf(line, sizeof(line), "ASAN_OPTIONS=detect_leaks=0 exec %s --replay %s --png %s",
		 program, recording, dir);
	assert_int_equal(system(line), 0);
}

/* Our frame, as rows of 8-bit RGB. */
static void take_frame(const char *dir, uint64_t n, uint8_t rgb[3 * W * H])
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	char path[100];

	snprintf(path, sizeof(path), "%s/%04llu.png", dir, (unsigned long long)n);
	assert_true(png_image_begin_read_from_file(&image, path));
	image.format = PNG_FORMAT_RGB;
	assert_true(image.width == W && image.height == H);
	assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
}

static void clean_up(const char *dir, uint64_t frames)
{
	char path[100];

	for (uint64_t n = 1; n <= frames; n++) {
		snprintf(path, sizeof(path), "%s/%04llu.png", dir, (unsigned long long)n);
		unlink(path);
	}
	rmdir(dir);
}

/* --- by the server --------------------------------------------------------------------- */

struct viewer {
	struct vtest server;
	char dir[32];			/* of our frames */
	uint64_t compared;
};

static bool is_near(uint32_t pixel, const uint8_t rgb[3])
{
	for (unsigned i = 0; i < 3; i++)
		if (abs((int)(pixel >> 8 * (2 - i) & 255) - rgb[i]) > 3)
			return false;
	return true;
}

/*
 * The server cannot be told that row 0 is the top one: the library draws upside down there,
 * and may round otherwise at edges.
 */
static void compare(void *ctx, uint64_t n, uint32_t id, bool y_0_top)
{
	const struct gpu_transfer all = { .box = { .w = W, .h = H, .d = 1 }, .stride = 4 * W };
	struct viewer *v = ctx;
	uint8_t *ours = malloc(3 * W * H);
	uint32_t *theirs = malloc(BYTES);
	unsigned off = 0;

	assert_true(ours && theirs);
	take_frame(v->dir, n, ours);
	vtest_get(&v->server, id, &all, theirs, BYTES);
	for (uint32_t y = 0; y < H; y++) {
		uint32_t row = y_0_top ? H - 1 - y : y;

		for (uint32_t x = 0; x < W; x++)
			off += !is_near(theirs[row * W + x], ours + 3 * (y * W + x));
	}
	free(theirs);
	free(ours);
	assert_in_range(off, 0, W * H / 500);
	v->compared++;
}

static void both_draw_the_same(void **state)
{
	static struct viewer v = { .dir = "/tmp/test_gpu_vtest.XXXXXX" };
	const struct vtest_play how = { .frame = compare, .ctx = &v };
	char path[PATH_MAX];
	struct gpu_recording r;

	(void)state;
	if (!vtest_start(&v.server))
		skip();
	assert_non_null(mkdtemp(v.dir));
	play(v.dir);
	recording_path(path);
	assert_int_equal(gpu_recording_open_fd(&r, open(path, O_RDONLY)), 0);
	vtest_play(&v.server, &r, &how);
	gpu_recording_close(&r);
	vtest_stop(&v.server);
	clean_up(v.dir, FRAMES);
	assert_int_equal(v.compared, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_draw_the_same),
	};
	int status;

	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
