/* SPDX-License-Identifier: MIT */
/* microvm-gpu --replay as a program, in its sandbox: what it writes, says and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <png.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/program.h"
#include "tests/record_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W RECORD_W
#define H RECORD_H
#define FRAMES 4

struct t {
	struct record_rig rec;
	char said[1000];	/* on both */
};

/* --- a recording ------------------------------------------------------------------ */

/* FRAMES of them, of colours 0x010101 times their number; the third on the second monitor. */
static void record(struct t *t)
{
	struct gpu_rig *rig = &t->rec.rig;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(rig, 7, XRGB, W, H, GPU_RIG_FB);
	for (unsigned i = 1; i <= FRAMES; i++) {
		assert_int_equal(vgpu_set_scanout(&rig->g, i != 3, 0, RECORD_ALL), OK);
		assert_int_equal(vgpu_set_scanout(&rig->g, i == 3, 7, RECORD_ALL), OK);
		record_rig_show(&t->rec, 7, GPU_RIG_FB, i * 0x010101);
	}
	assert_int_not_equal(vgpu_unref(&rig->g, 70), OK);
	record_rig_end(&t->rec);
}

/* Writes @len bytes at @off; negative: from the end. */
static void patch(struct t *t, off_t off, const void *bytes, size_t len)
{
	int fd = open(t->rec.path, O_WRONLY);

	assert_true(fd >= 0);
	assert_true(lseek(fd, off, off < 0 ? SEEK_END : SEEK_SET) >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void cut(struct t *t, off_t bytes)
{
	struct stat st;

	assert_int_equal(stat(t->rec.path, &st), 0);
	assert_int_equal(truncate(t->rec.path, st.st_size - bytes), 0);
}

/* --- playing ----------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static int play(struct t *t, const char *fmt, ...)
{
	char program[PATH_MAX], line[PATH_MAX + 500];
	size_t len;
	va_list ap;
	FILE *f;

	program_path(program, "microvm-gpu");
	/* Who looks for leaks is not made for a sandbox. */
	len = snprintf(line, sizeof(line), "ASAN_OPTIONS=detect_leaks=0 exec 2>&1 %s ", program);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	f = popen(line, "r");
	assert_non_null(f);
	len = fread(t->said, 1, sizeof(t->said) - 1, f);
	t->said[len] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void assert_said(const struct t *t, const char *what)
{
	if (!strstr(t->said, what))
		fail_msg("not said: %s; but: %s", what, t->said);
}

/* The first pixel of a frame, which is removed; -1: there is none. */
static int64_t frame(struct t *t, const char *name)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t rgb[3 * W * H];
	char path[100];

	snprintf(path, sizeof(path), "%s/%s.png", t->rec.dir, name);
	if (!png_image_begin_read_from_file(&image, path))
		return -1;
	image.format = PNG_FORMAT_RGB;
	assert_true(image.width == W && image.height == H);
	assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
	unlink(path);
	return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

static void frames_are_written(void **state)
{
	struct t *t = *state;

	record(t);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 0);
	assert_said(t, "rec: 4 frames, ");
	assert_int_equal(frame(t, "0001"), -1);
	assert_int_equal(play(t, "--replay %s --png %s", t->rec.path, t->rec.dir), 0);
	assert_int_equal(frame(t, "0001"), 0x010101);
	assert_int_equal(frame(t, "0002"), 0x020202);
	assert_int_equal(frame(t, "0003-1"), 0x030303);
	assert_int_equal(frame(t, "0004"), 0x040404);
	assert_int_equal(play(t, "--replay %s --png %s --frames 2-3 --gpu 2d", t->rec.path,
			      t->rec.dir), 0);
	assert_int_equal(frame(t, "0001"), -1);
	assert_int_equal(frame(t, "0002"), 0x020202);
	assert_int_equal(frame(t, "0003-1"), 0x030303);
	assert_int_equal(frame(t, "0004"), -1);
	assert_int_equal(play(t, "--replay %s --gpu sandbox=off", t->rec.path), 0);
}

static void what_cannot_be_opened_is_said(void **state)
{
	struct t *t = *state;
	char old[100];

	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "rec: No such file or directory");
	record(t);
	assert_int_equal(play(t, "--replay %s --png %s/none", t->rec.path, t->rec.dir), 1);
	assert_said(t, "/none/0001.png: No such file or directory");
	assert_int_equal(play(t, "--replay %s", t->rec.dir), 1);
	patch(t, offsetof(struct gpu_record_file, renderer), "magic", 6);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "recorded with magic, which is not known");
	assert_int_equal(play(t, "--replay %s --gpu 2d", t->rec.path), 0);
	patch(t, offsetof(struct gpu_record_file, version), &(uint32_t){ 2 }, 4);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "rec: version 2, and only 1 is known");
	patch(t, 0, "M", 1);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "rec: not a recording");
	/* An end of gzip's format that is none, in a file that begins with one. */
	patch(t, 0, "\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff", 13);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	snprintf(old, sizeof(old), "%s: not a recording", t->rec.path);
	assert_said(t, old);
}

static void what_is_wrong_within_is_said(void **state)
{
	const struct gpu_record_head bad = { .type = 99 };
	struct t *t = *state;
	int fd;

	record(t);
	/* The last is a refusal. */
	patch(t, -4, &(uint32_t){ VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY }, 4);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "RESOURCE_UNREF: the answer is 0x1203, and 0x1201 is recorded");
	assert_said(t, "1 answers are not as recorded");
	cut(t, 1);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 0);
	assert_said(t, "4 frames");
	assert_said(t, "ends in the middle");
	cut(t, 3 + sizeof(struct gpu_record_head));
	assert_int_equal(play(t, "--replay %s", t->rec.path), 0);
	fd = open(t->rec.path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, &bad, sizeof(bad)), sizeof(bad));
	close(fd);
	assert_int_equal(play(t, "--replay %s", t->rec.path), 1);
	assert_said(t, "not what a recording can have");
	assert_said(t, "4 frames");
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	record_rig_init(&t->rec);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	record_rig_finish(&t->rec);
	free(t);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames_are_written),
		T(what_cannot_be_opened_is_said),
		T(what_is_wrong_within_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
