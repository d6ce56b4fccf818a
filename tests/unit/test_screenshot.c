/* SPDX-License-Identifier: MIT */
/* Surfaces in pieces and formats, pointers drawn into them, and the PNG that comes of it. */
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm_fourcc.h>
#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/iov.h"
#include "devices/ui/screenshot.h"
#include "devices/ui/surface.h"
#include "vmm/util.h"

#define W 50u
#define H 20u

/* --- pieces --------------------------------------------------------------- */

static uint8_t *pattern(size_t len)
{
	uint8_t *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = i * 7 + i / 251;
	return p;
}

/* Cuts @len bytes into separately allocated pieces, so that every overrun is seen. */
static unsigned cut(const uint8_t *src, size_t len, struct iovec *iov, unsigned step)
{
	unsigned n = 0;
	size_t at = 0;

	while (at < len) {
		size_t piece = MIN(len - at, 1 + (n * 37 + step) % (2 * step));

		iov[n].iov_base = malloc(piece);
		iov[n].iov_len = piece;
		memcpy(iov[n++].iov_base, src + at, piece);
		at += piece;
	}
	return n;
}

static void free_pieces(struct iovec *iov, unsigned n)
{
	while (n--)
		free(iov[n].iov_base);
}

static void rows_are_read_across_pieces(void **state)
{
	enum { LEN = 4000 };
	uint8_t *src = pattern(LEN), *dst = malloc(LEN);
	struct iovec iov[LEN];
	static const struct iov_rows froms[] = {
		{ 0, 100, 100, 40 }, { 3, 100, 40, 39 }, { 3999, 1, 1, 1 }, { 0, 4000, 4000, 1 },
		{ 17, 1000, 983, 4 }, { 5, 7, 7, 500 },
	};

	for (unsigned step = 1; step < 300; step += 43) {
		unsigned n = cut(src, LEN, iov, step);

		for (unsigned i = 0; i < ARRAY_SIZE(froms); i++) {
			const struct iov_rows *f = &froms[i];

			memset(dst, 0xee, LEN);
			assert_int_equal(iov_read_rows(iov, n, f, dst, f->len), f->len * f->rows);
			for (uint32_t r = 0; r < f->rows; r++)
				assert_memory_equal(dst + r * f->len, src + f->off + r * f->stride,
						    f->len);
		}
		free_pieces(iov, n);
	}
	free(src);
	free(dst);
}

static void case_46_rows_stop_where_the_pieces_end(void **state)
{
	uint8_t *src = pattern(100), dst[200];
	struct iovec iov[100];
	unsigned n = cut(src, 100, iov, 10);
	static const struct { struct iov_rows from; uint64_t copied; } all[] = {
		{ { 90, 20, 20, 3 }, 10 }, { { 100, 20, 20, 3 }, 0 },
		{ { UINT64_MAX, 1, 1, 1 }, 0 },
		{ { 50, 20, 10, 5 }, 30 }, { { 95, 20, 10, 5 }, 5 }, { { 1ull << 40, 9, 9, 9 }, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		assert_true(iov_read_rows(iov, n, &all[i].from, dst, 20) == all[i].copied);
	assert_true(iov_read_rows(NULL, 0, &all[0].from, dst, 20) == 0);
	free_pieces(iov, n);
	free(src);
}

static struct display_surface surface_of(const struct iovec *iov, unsigned n, uint32_t fourcc)
{
	return (struct display_surface){
		.fourcc = fourcc, .width = W, .height = H,
		.pixels = { .pieces = iov, .n_pieces = n, .stride = W * 4 },
	};
}

static void surface_in_one_piece_is_read_in_place(void **state)
{
	uint8_t *src = pattern(W * H * 4 + 8);
	const struct iovec one = { src, W * H * 4 + 8 };
	const struct iovec two[] = { { src, W * 4 * 3 }, { src + W * 4 * 3, W * 4 * (H - 3) } };
	struct display_surface s = surface_of(&one, 1, DRM_FORMAT_XRGB8888);

	s.pixels.offset = 8;
	assert_ptr_equal(surface_ptr(&s, 0, H), src + 8);
	assert_ptr_equal(surface_ptr(&s, 5, 1), src + 8 + 5 * W * 4);
	s = surface_of(two, 2, DRM_FORMAT_XRGB8888);
	assert_null(surface_ptr(&s, 0, H));
	assert_null(surface_ptr(&s, 2, 2));
	assert_ptr_equal(surface_ptr(&s, 0, 3), src);
	assert_ptr_equal(surface_ptr(&s, 3, H - 3), src + W * 4 * 3);
	free(src);
}

/* What libraries reckon with, by an int, is not farther apart than that. */
static void case_74_surface_that_is_too_far_apart_is_read_by_us(void **state)
{
	char byte;
	const struct iovec all = { &byte, 4ull << 30 };	/* nobody looks */
	struct display_surface s = surface_of(&all, 1, DRM_FORMAT_XRGB8888);

	s.pixels.stride = 1 << 30;
	s.height = 3;
	assert_ptr_equal(surface_ptr(&s, 0, 2), &byte);
	assert_null(surface_ptr(&s, 0, 3));
	s.pixels.stride = 0x80000000;
	assert_null(surface_ptr(&s, 0, 1));
}

static void formats_become_argb(void **state)
{
	static const struct { uint32_t fourcc; uint8_t bytes[4]; bool alpha; } all[] = {
		{ DRM_FORMAT_ARGB8888, { 3, 2, 1, 4 }, true },
		{ DRM_FORMAT_XRGB8888, { 3, 2, 1, 4 }, false },
		{ DRM_FORMAT_ABGR8888, { 1, 2, 3, 4 }, true },
		{ DRM_FORMAT_XBGR8888, { 1, 2, 3, 4 }, false },
		{ DRM_FORMAT_RGBA8888, { 4, 3, 2, 1 }, true },
		{ DRM_FORMAT_RGBX8888, { 4, 3, 2, 1 }, false },
		{ DRM_FORMAT_BGRA8888, { 4, 1, 2, 3 }, true },
		{ DRM_FORMAT_BGRX8888, { 4, 1, 2, 3 }, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		uint32_t pixel;

		memcpy(&pixel, all[i].bytes, 4);
		surface_to_argb(all[i].fourcc, &pixel, &pixel, 1);
		assert_int_equal(pixel, all[i].alpha ? 0x04010203 : 0xff010203);
		assert_true(surface_format_valid(all[i].fourcc));
	}
	assert_false(surface_format_valid(DRM_FORMAT_RGB565));
	assert_false(surface_format_valid(0));
}

/* --- pictures and files --------------------------------------------------- */

struct shot {
	struct picture picture;
	uint32_t pixels[W * H];
	struct iovec iov[W * H];
	unsigned n;
	char path[40];
};

static int setup(void **state)
{
	struct shot *s = calloc(1, sizeof(*s));
	struct display_surface surface;
	int fd;

	for (unsigned i = 0; i < W * H; i++)
		s->pixels[i] = 0xab000000 | i * 0x010305;
	s->n = cut((uint8_t *)s->pixels, sizeof(s->pixels), s->iov, 100);
	surface = surface_of(s->iov, s->n, DRM_FORMAT_XRGB8888);
	picture_set(&s->picture, &surface);
	strcpy(s->path, "/tmp/microvm-shot-XXXXXX");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shot *s = *state;

	free_pieces(s->iov, s->n);
	unlink(s->path);
	free(s);
	return 0;
}

/* The file's pixels as 0xRRGGBB; freed by the caller. */
static uint32_t *read_png(const char *path, uint32_t width, uint32_t height)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint32_t *pixels = malloc(4ull * width * height);

	assert_true(png_image_begin_read_from_file(&image, path));
	assert_int_equal(image.format, PNG_FORMAT_RGB);
	assert_int_equal(image.width, width);
	assert_int_equal(image.height, height);
	image.format = PNG_FORMAT_BGRA;
	assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
	for (unsigned i = 0; i < width * height; i++)
		pixels[i] &= 0xffffff;
	return pixels;
}

/* 0 or negative errno. */
static int save(const struct picture *p, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), ret;

	assert_true(fd >= 0);
	ret = screenshot_write(p, fd);
	close(fd);
	return ret;
}

static void screenshot_has_every_pixel(void **state)
{
	struct shot *s = *state;
	uint32_t *pixels;

	assert_int_equal(save(&s->picture, s->path), 0);
	pixels = read_png(s->path, W, H);
	for (unsigned i = 0; i < W * H; i++)
		assert_int_equal(pixels[i], s->pixels[i] & 0xffffff);
	free(pixels);
}

static void pointer_is_drawn_where_it_is(void **state)
{
	struct shot *s = *state;
	uint32_t image[3 * 2] = { 0xff112233, 0x00000000, 0x80402010, 0xffffffff, 0x01ffffff, 0 };
	const struct display_cursor cursor = { .width = 3, .height = 2, .pixels = image };
	static const int32_t places[][2] = {
		{ 5, 6 }, { -1, -1 }, { W - 1, H - 1 }, { -100, 0 }, { W, 0 }, { 0, H },
		{ INT32_MAX, INT32_MAX }, { INT32_MIN, INT32_MIN }, { INT32_MAX, 0 },
	};
	uint32_t *pixels;

	picture_cursor(&s->picture, &cursor);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		int64_t x0 = places[i][0], y0 = places[i][1];

		picture_cursor_move(&s->picture, x0, y0);
		assert_int_equal(save(&s->picture, s->path), 0);
		pixels = read_png(s->path, W, H);
		for (int64_t y = 0; y < H; y++)
			for (int64_t x = 0; x < W; x++) {
				uint32_t under = s->pixels[y * W + x] & 0xffffff;
				bool in = x >= x0 && x < x0 + 3 && y >= y0 && y < y0 + 2;
				uint32_t over = in ? image[(y - y0) * 3 + x - x0] : 0;

				if (over >> 24 == 0xff)
					assert_int_equal(pixels[y * W + x], over & 0xffffff);
				else if (over == 0)
					assert_int_equal(pixels[y * W + x], under);
				else if (over >> 24 == 1)	/* brighter than it may be */
					assert_int_equal(pixels[y * W + x], 0xffffff);
				else
					assert_in_range(pixels[y * W + x] & 0xff,
							0x10 + (under & 0xff) * 127 / 255 - 1,
							0x10 + (under & 0xff) * 127 / 255 + 1);
			}
		free(pixels);
	}
	picture_cursor(&s->picture, NULL);
	picture_cursor_move(&s->picture, 1, 1);
	assert_int_equal(save(&s->picture, s->path), 0);
	pixels = read_png(s->path, W, H);
	assert_int_equal(pixels[W + 1], s->pixels[W + 1] & 0xffffff);
	free(pixels);
}

static void changes_are_counted(void **state)
{
	struct shot *s = *state;
	uint64_t before = s->picture.changes;

	picture_cursor_move(&s->picture, 3, 3);		/* of a pointer that is not shown */
	assert_true(s->picture.changes == before);
	picture_flush(&s->picture);
	assert_true(s->picture.changes == ++before);
	picture_off(&s->picture);
	assert_true(s->picture.changes == ++before);
}

static void nothing_shown_is_nothing_written(void **state)
{
	struct shot *s = *state;
	struct stat st;

	picture_off(&s->picture);
	assert_int_equal(save(&s->picture, s->path), -ENODATA);
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void full_disk_is_an_error(void **state)
{
	struct shot *s = *state;
	int fd = open("/dev/full", O_WRONLY);

	assert_int_equal(screenshot_write(&s->picture, fd), -ENOSPC);
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read_across_pieces),
		cmocka_unit_test(case_46_rows_stop_where_the_pieces_end),
		cmocka_unit_test(surface_in_one_piece_is_read_in_place),
		cmocka_unit_test(case_74_surface_that_is_too_far_apart_is_read_by_us),
		cmocka_unit_test(formats_become_argb),
		T(screenshot_has_every_pixel),
		T(pointer_is_drawn_where_it_is),
		T(changes_are_counted),
		T(nothing_shown_is_nothing_written),
		T(full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
