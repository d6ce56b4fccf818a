/* SPDX-License-Identifier: MIT */
/* The comparer of screenshots: what it finds, what it lets pass, and that the installer's references are told apart. */
#include <errno.h>
#include <glob.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/pngdiff.h"
#include "vmm/util.h"

#define W 40u
#define H 25u

struct fix {
	char dir[32], a[48], b[48];
	uint8_t rgb[W * H * 3];
};

static void write_png(const char *path, const uint8_t *rgb, unsigned width, unsigned height)
{
	png_image image = { .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_RGB };

	assert_true(png_image_write_to_file(&image, path, 0, rgb, 0, NULL));
}

static int setup(void **state)
{
	struct fix *fix = calloc(1, sizeof(*fix));

	strcpy(fix->dir, "/tmp/pngdiff.XXXXXX");
	assert_non_null(mkdtemp(fix->dir));
	snprintf(fix->a, sizeof(fix->a), "%s/a.png", fix->dir);
	snprintf(fix->b, sizeof(fix->b), "%s/b.png", fix->dir);
	memset(fix->rgb, 100, sizeof(fix->rgb));
	write_png(fix->a, fix->rgb, W, H);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fix *fix = *state;

	unlink(fix->a);
	unlink(fix->b);
	rmdir(fix->dir);
	free(fix);
	return 0;
}

static uint8_t *pixel(struct fix *fix, unsigned x, unsigned y)
{
	return &fix->rgb[(y * W + x) * 3];
}

#define run(...) run_args((char *[]){ "pngdiff", __VA_ARGS__, NULL })

static int run_args(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return pngdiff_main(argc, argv);
}

/* B is what @fix->rgb has become. */
static void compare(struct fix *fix, struct pngdiff *d)
{
	write_png(fix->b, fix->rgb, W, H);
	assert_int_equal(pngdiff_files(d, fix->a, fix->b), 0);
}

static void a_picture_is_like_itself(void **state)
{
	struct fix *fix = *state;
	struct pngdiff d = { 0 };

	compare(fix, &d);
	assert_int_equal(d.pixels, W * H);
	assert_int_equal(d.differing, 0);
	assert_int_equal(d.worst, 0);
	assert_int_equal(run(fix->a, fix->b), 0);
}

static void a_channel_that_is_off_by_more_than_the_threshold_counts(void **state)
{
	struct fix *fix = *state;
	struct pngdiff d = { .threshold = 20 };

	pixel(fix, 3, 4)[2] = 120;
	pixel(fix, W - 1, H - 1)[1] = 80;
	compare(fix, &d);
	assert_int_equal(d.differing, 0);
	assert_int_equal(d.worst, 20);
	pixel(fix, W - 1, H - 1)[1] = 79;
	compare(fix, &d);
	assert_int_equal(d.differing, 1);
	assert_int_equal(d.worst, 21);
}

static void one_pixel_too_many_is_not_alike(void **state)
{
	struct fix *fix = *state;

	for (unsigned x = 0; x < 5; x++)
		pixel(fix, x, 7)[0] = 255;
	write_png(fix->b, fix->rgb, W, H);
	assert_int_equal(run(fix->a, fix->b), 1);
	/* 5 of 1000 */
	assert_int_equal(run("-m", "5000", fix->a, fix->b), 0);
	assert_int_equal(run("-m", "4999", fix->a, fix->b), 1);
	assert_int_equal(run("-t", "155", fix->a, fix->b), 0);
	assert_int_equal(run("-t", "154", fix->a, fix->b), 1);
}

static void a_region_that_is_left_out_has_edges(void **state)
{
	static const struct { unsigned x, y; bool seen; } spots[] = {
		{ 10, 5, false }, { 13, 9, false }, { 9, 5, true }, { 10, 4, true }, { 14, 9, true }, { 13, 10, true },
	};
	struct fix *fix = *state;

	for (size_t i = 0; i < ARRAY_SIZE(spots); i++) {
		pixel(fix, spots[i].x, spots[i].y)[0] = 255;
		write_png(fix->b, fix->rgb, W, H);
		assert_int_equal(run("-x", "10,5,4,5", fix->a, fix->b), spots[i].seen);
		assert_int_equal(run("-x", "0,0,1,1", "-x", "10,5,4,5", fix->a, fix->b), spots[i].seen);
		pixel(fix, spots[i].x, spots[i].y)[0] = 100;
	}
}

static void what_is_not_looked_at_is_not_alike(void **state)
{
	struct fix *fix = *state;

	assert_int_equal(run("-x", "0,0,4294967295,4294967295", fix->a, fix->a), 1);
}

static void pictures_of_other_sizes_are_not_alike(void **state)
{
	struct fix *fix = *state;
	struct pngdiff d = { 0 };

	write_png(fix->b, fix->rgb, H, W);
	assert_int_equal(pngdiff_files(&d, fix->a, fix->b), -EINVAL);
	assert_int_equal(run("-m", "1000000", fix->a, fix->b), 1);
}

static void what_is_no_picture_is_refused(void **state)
{
	struct fix *fix = *state;
	FILE *f;

	assert_int_equal(run(fix->a, fix->b), 2); /* not there */
	f = fopen(fix->b, "w");
	fputs("no picture", f);
	fclose(f);
	assert_int_equal(run(fix->a, fix->b), 2);
	assert_int_equal(run(fix->b, fix->a), 2);
	write_png(fix->b, fix->rgb, W, H);
	assert_int_equal(truncate(fix->b, 60), 0);
	assert_int_equal(run(fix->a, fix->b), 2);
}

static void arguments_that_are_no_good_are_refused(void **state)
{
	struct fix *fix = *state;
	char *a = fix->a;

	assert_int_equal(run(a), 2);
	assert_int_equal(run(a, a, a), 2);
	assert_int_equal(run("-t", "256", a, a), 2);
	assert_int_equal(run("-t", "x", a, a), 2);
	assert_int_equal(run("-m", "1000001", a, a), 2);
	assert_int_equal(run("-m", "1%", a, a), 2);
	assert_int_equal(run("-x", "1,2,3", a, a), 2);
	assert_int_equal(run("-x", "1,2,3,4,5", a, a), 2);
	assert_int_equal(run("-y", a, a), 2);
	assert_int_equal(run("-x", "0,0,0,0", "-x", "0,0,0,0", "-x", "0,0,0,0", "-x", "0,0,0,0", "-x", "0,0,0,0",
			     "-x", "0,0,0,0", "-x", "0,0,0,0", "-x", "0,0,0,0", "-x", "0,0,0,0", a, a), 2);
}

/* A click that goes astray leaves another page, or the same one: with what the smoke test lets pass, that is seen. */
static void pages_of_the_installer_are_told_apart(void **state)
{
	glob_t pages;

	assert_int_equal(glob("tests/golden/installer/*.png", 0, NULL, &pages), 0);
	for (size_t i = 0; i < pages.gl_pathc; i++) {
		assert_int_equal(run("-t", "48", "-m", "40", pages.gl_pathv[i], pages.gl_pathv[i]), 0);
		for (size_t j = 0; j < i; j++)
			assert_int_equal(run("-t", "48", "-m", "200", pages.gl_pathv[i], pages.gl_pathv[j]), 1);
	}
	globfree(&pages);
}

#define FIXED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXED(a_picture_is_like_itself),
		FIXED(a_channel_that_is_off_by_more_than_the_threshold_counts),
		FIXED(one_pixel_too_many_is_not_alike),
		FIXED(a_region_that_is_left_out_has_edges),
		FIXED(what_is_not_looked_at_is_not_alike),
		FIXED(pictures_of_other_sizes_are_not_alike),
		FIXED(what_is_no_picture_is_refused),
		FIXED(arguments_that_are_no_good_are_refused),
		cmocka_unit_test(pages_of_the_installer_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
