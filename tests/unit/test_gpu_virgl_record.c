/* SPDX-License-Identifier: MIT */
/*
 * What a guest draws is recorded by microvm-gpu, and played by it without a guest: the
 * pictures are the same.
 */
#include <linux/virtio_gpu.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>
#include <png.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "devices/gpu/gpu_recording.h"
#include "tests/gpu_front.h"
#include "tests/have_gl.h"
#include "tests/pngdiff.h"
#include "tests/program.h"
#include "tests/virgl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define FEATURES (BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT) | VIRTIO_COMMON_FEATURES)
#define TO_HOST VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
#define W 64u
#define H 32u
#define BYTES (4 * W * H)
#define ALL VGPU_RECT(0, 0, W, H)
#define COPY_TRANSFER3D 45
#define STAGING_BIND (1u << 19)

enum { PICTURE = 1, TEXTURE, STAGING };

struct t {
	struct gpu_front f;
	char dir[64], path[80];
	uint32_t *memory;	/* FAKE_RAM2_GPA */
};

/* --- drawing -------------------------------------------------------------------------- */

static void make(struct t *t, uint32_t id, uint32_t target, uint32_t format, uint32_t bind,
		 uint32_t width, uint32_t height)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = id, .target = target, .format = format, .bind = bind,
		.width = width, .height = height, .depth = 1, .array_size = 1,
	};

	assert_int_equal(vgpu_create_3d(&t->f.g, c), OK);
	assert_int_equal(vgpu_ctx_command(&t->f.g, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, id), OK);
}

static void submit(struct t *t, const struct virgl_stream *s)
{
	t->f.g.next.flags = VIRTIO_GPU_FLAG_FENCE;
	assert_int_equal(vgpu_submit(&t->f.g, 1, s->words, 4 * s->n, 4 * s->n), OK);
	t->f.g.next.flags = 0;
}

static void begin(struct t *t)
{
	struct virgl_stream s = { .n = 0 };

	gpu_front_start(&t->f, FEATURES);
	t->memory = gmem_ptr(&t->f.r.fake.mem, FAKE_RAM2_GPA, FAKE_RAM2_LEN);
	assert_int_equal(vgpu_ctx_create(&t->f.g, 1, 0, "test"), OK);
	make(t, PICTURE, 2, XRGB, 2, W, H);
	make(t, TEXTURE, 2, XRGB, 2 | 8, W, H);
	assert_int_equal(vgpu_attach_range(&t->f.g, TEXTURE, FAKE_RAM2_GPA, BYTES), OK);
	virgl_surface(&s, 1, PICTURE, XRGB);
	virgl_framebuffer(&s, 1);
	submit(t, &s);
	assert_int_equal(vgpu_set_scanout(&t->f.g, 0, PICTURE, ALL), OK);
}

static void flush(struct t *t, uint32_t colour)
{
	assert_int_equal(vgpu_flush(&t->f.g, PICTURE, ALL), OK);
	assert_int_equal(gpu_front_screenshot(&t->f, W, H), colour);
}

static void clear(struct t *t, float r, float g, float b)
{
	struct virgl_stream s = { .n = 0 };

	virgl_clear(&s, r, g, b, 1);
	submit(t, &s);
}

static void copy_to_picture(struct t *t)
{
	const uint32_t copy[] = { PICTURE, 0, 0, 0, 0, TEXTURE, 0, 0, 0, 0, W, H, 1 };
	struct virgl_stream s = { .n = 0 };

	virgl_cmd(&s, VIRGL_RESOURCE_COPY_REGION, 0, ARRAY_SIZE(copy), copy);
	submit(t, &s);
}

static void paint(struct t *t, uint32_t colour)
{
	for (unsigned i = 0; i < W * H; i++)
		t->memory[i] = colour;
}

/* From guest memory by a command of the queue... */
static void transfer(struct t *t, uint32_t colour)
{
	const struct virtio_gpu_transfer_host_3d c = {
		.resource_id = TEXTURE, .box = { .w = W, .h = H, .d = 1 }, .stride = 4 * W,
	};

	paint(t, colour);
	assert_int_equal(vgpu_transfer_3d(&t->f.g, TO_HOST, 1, c), OK);
	copy_to_picture(t);
}

/* ...and by one in a stream, from a buffer that is nothing but guest memory. */
static void copy_transfer(struct t *t, uint32_t colour)
{
	const uint32_t copy[] = { TEXTURE, 0, 0, 4 * W, 0, 0, 0, 0, W, H, 1, STAGING, 0, 1 };
	struct virgl_stream s = { .n = 0 };

	paint(t, colour);
	virgl_cmd(&s, COPY_TRANSFER3D, 0, ARRAY_SIZE(copy), copy);
	submit(t, &s);
	copy_to_picture(t);
}

static void make_staging(struct t *t)
{
	make(t, STAGING, 0, 64, STAGING_BIND, BYTES, 1);
	assert_int_equal(vgpu_attach_range(&t->f.g, STAGING, FAKE_RAM2_GPA, BYTES), OK);
}

/* --- playing ----------------------------------------------------------------------------- */

/* microvm-gpu with these arguments: its exit status, and what it said on standard output. */
static int player(char *said, size_t len, const char *arguments)
{
	char program[PATH_MAX], line[PATH_MAX + 400];
	FILE *f;
	size_t got;

	program_path(program, "microvm-gpu");
	/* Mesa has leaks of its own, and who looks for them is not made for a sandbox. */
	snprintf(line, sizeof(line), "ASAN_OPTIONS=detect_leaks=0 exec %s %s", program, arguments);
	f = popen(line, "r");
	assert_non_null(f);
	got = fread(said, 1, len - 1, f);
	said[got] = '\0';
	return WEXITSTATUS(pclose(f));
}

/* The pixel in the middle, as 0xRRGGBB; -1: no such file. */
static int64_t pixel(const char *path)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t rgb[BYTES];
	const uint8_t *p = rgb + 3 * (H / 2 * W + W / 2);

	if (!png_image_begin_read_from_file(&image, path))
		return -1;
	image.format = PNG_FORMAT_RGB;
	assert_true(image.width == W && image.height == H);
	assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
	return p[0] << 16 | p[1] << 8 | p[2];
}

static int64_t frame(struct t *t, unsigned n)
{
	char path[100];
	int64_t colour;

	snprintf(path, sizeof(path), "%s/%04u.png", t->dir, n);
	colour = pixel(path);
	unlink(path);
	return colour;
}

static void what_was_drawn_is_drawn_again(void **state)
{
	struct t *t = *state;
	char arguments[300], said[500];

	begin(t);
	clear(t, 1, 0.6f, 0);
	flush(t, 0xff9900);
	transfer(t, 0x123456);
	flush(t, 0x123456);
	make_staging(t);
	copy_transfer(t, 0x3060c0);
	flush(t, 0x3060c0);
	vdrv_reset(&t->f.r.d);
	begin(t);
	clear(t, 0, 0.2f, 1);
	flush(t, 0x0033ff);
	gpu_front_finish(&t->f);

	snprintf(arguments, sizeof(arguments), "--replay %s --png %s", t->path, t->dir);
	assert_int_equal(player(said, sizeof(said), arguments), 0);
	assert_non_null(strstr(said, "4 frames, "));
	assert_int_equal(frame(t, 1), 0xff9900);
	assert_int_equal(frame(t, 2), 0x123456);
	assert_int_equal(frame(t, 3), 0x3060c0);
	assert_int_equal(frame(t, 4), 0x0033ff);

	snprintf(arguments, sizeof(arguments), "--gpu virgl --replay %s --png %s --frames 1,3-4",
		 t->path, t->dir);
	assert_int_equal(player(said, sizeof(said), arguments), 0);
	assert_int_equal(frame(t, 2), -1);
	assert_int_equal(frame(t, 1), 0xff9900);
	assert_int_equal(frame(t, 3), 0x3060c0);
	assert_int_equal(frame(t, 4), 0x0033ff);

	/* A card without 3D refuses what this one did. */
	snprintf(arguments, sizeof(arguments), "--gpu 2d --replay %s 2>/dev/null", t->path);
	assert_int_equal(player(said, sizeof(said), arguments), 1);
}

/* The recorder's process dies; what it was at is in the file. */
static void a_recording_outlives_its_recorder(void **state)
{
	struct t *t = *state;
	char arguments[300], said[500];
	struct gpu_recording r;
	uint32_t last = 0;
	struct stat st;
	pid_t pid;

	begin(t);
	clear(t, 1, 0, 0);
	flush(t, 0xff0000);
	pid = gpu_front_child();
	if (pid <= 0) {
		gpu_front_finish(&t->f);
		skip();
	}
	kill(pid, SIGKILL);
	GPU_FRONT_UNTIL(&t->f, gpu_front_needs_reset(&t->f));
	vdrv_reset(&t->f.r.d);
	begin(t);
	clear(t, 0, 1, 0);
	flush(t, 0x00ff00);
	gpu_front_finish(&t->f);

	assert_int_equal(gpu_recording_open_fd(&r, open(t->path, O_RDONLY)), 0);
	while (gpu_recording_next(&r) > 0)
		if (r.head.type == GPU_RECORD_COMMAND)
			last = load_le(r.payload, 4);
	assert_int_equal(last, VIRTIO_GPU_CMD_RESOURCE_FLUSH);
	gpu_recording_close(&r);
	snprintf(arguments, sizeof(arguments), "--replay %s --png %s", t->path, t->dir);
	assert_int_equal(player(said, sizeof(said), arguments), 0);
	assert_int_equal(frame(t, 1), 0xff0000);

	/* The next one has another file. */
	snprintf(arguments, sizeof(arguments), "--replay %s.1 --png %s", t->path, t->dir);
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(player(said, sizeof(said), arguments), 0);
	assert_int_equal(frame(t, 1), 0x00ff00);
}

/*
 * Debian's kmscube in a guest, 16 frames of 320x240 behind those of its console: what Mesa
 * makes of a program, on the OpenGL that is here. Other ones round otherwise.
 */
static void a_recorded_cube_is_drawn_again(void **state)
{
	static const unsigned frames[] = { 93, 101, 108 };
	char dir[] = "/tmp/test_gpu_record.XXXXXX", recording[PATH_MAX];
	char arguments[2 * PATH_MAX], said[500], path[100], reference[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(dir));
	program_path(recording, "../../tests/recordings/kmscube");
	snprintf(arguments, sizeof(arguments), "--replay %s.gz --png %s --frames 93,101,108",
		 recording, dir);
	assert_int_equal(player(said, sizeof(said), arguments), 0);
	assert_non_null(strstr(said, ": 110 frames, 268 commands"));
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		struct pngdiff d = { .threshold = 16 };

		snprintf(path, sizeof(path), "%s/%04u.png", dir, frames[i]);
		snprintf(reference, sizeof(reference), "%.*s-%04u.png", PATH_MAX - 20, recording,
			 frames[i]);
		assert_int_equal(pngdiff_files(&d, path, reference), 0);
		assert_int_equal(d.pixels, 320 * 240);
		/* Edges; between any two of these there are a thousand. */
		assert_true(d.differing < 300);
		unlink(path);
	}
	rmdir(dir);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));
	char option[120];

	snprintf(t->dir, sizeof(t->dir), "/tmp/test_gpu_record.XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	snprintf(t->path, sizeof(t->path), "%s/rec", t->dir);
	snprintf(option, sizeof(option), "virgl,record=%s", t->path);
	gpu_front_init(&t->f, option);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;
	char path[100];

	unlink(t->path);
	snprintf(path, sizeof(path), "%s.1", t->path);
	unlink(path);
	rmdir(t->dir);
	free(t);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_drawn_is_drawn_again),
		T(a_recording_outlives_its_recorder),
		cmocka_unit_test(a_recorded_cube_is_drawn_again),
	};
	int status;

	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
