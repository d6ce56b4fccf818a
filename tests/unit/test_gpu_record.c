/* SPDX-License-Identifier: MIT */
/* A card is recorded, the recording is played, and the pictures are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "devices/gpu/gpu_pages.h"
#include "devices/gpu/gpu_replay.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/capture.h"
#include "tests/fake_renderer.h"
#include "tests/record_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define W RECORD_W
#define H RECORD_H
#define BYTES (4 * W * H)
#define ALL RECORD_ALL
#define MAX_FRAMES 32

struct shown {
	uint32_t first, last;	/* pixels */
	unsigned output;
};

struct t {
	struct record_rig rec;
	struct shown frames[MAX_FRAMES];
	unsigned n_frames;
};

/* --- playing --------------------------------------------------------------------- */

static void note_frame(void *ctx, uint64_t n, unsigned output, const struct picture *picture)
{
	struct t *t = ctx;
	struct shown *s = &t->frames[t->n_frames++];
	uint32_t row[W];

	assert_true(t->n_frames <= MAX_FRAMES && n == t->n_frames);
	assert_int_equal(picture->surface.width, W);
	s->output = output;
	picture_row(picture, 0, row);
	s->first = row[0] & 0xffffff;
	picture_row(picture, picture->surface.height - 1, row);
	s->last = row[W - 1] & 0xffffff;
}

static int open_recording(struct gpu_recording *r, const char *path)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	return gpu_recording_open_fd(r, fd);
}

static int play_with(struct t *t, struct gpu_renderer *renderer, struct gpu_replay_stats *stats)
{
	struct gpu_replay_params params = {
		.n_outputs = 2, .frame = note_frame, .ctx = t, .renderer = renderer,
	};
	struct gpu_recording r;
	struct gpu_replay *p;
	struct loop *loop;
	int ret;

	t->n_frames = 0;
	assert_int_equal(open_recording(&r, t->rec.path), 0);
	assert_int_equal(r.file.n_outputs, 2);
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(gpu_replay_create(&p, loop, &params), 0);
	ret = gpu_replay_run(p, &r);
	*stats = *gpu_replay_stats(p);
	gpu_replay_destroy(p);
	loop_destroy(loop);
	gpu_recording_close(&r);
	return ret;
}

static void play(struct t *t, const struct shown *frames, unsigned n)
{
	struct gpu_replay_stats stats;

	assert_int_equal(play_with(t, NULL, &stats), 0);
	assert_int_equal(stats.differ, 0);
	assert_int_equal(stats.frames, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(t->frames[i].first, frames[i].first);
		assert_int_equal(t->frames[i].last, frames[i].last);
		assert_int_equal(t->frames[i].output, frames[i].output);
	}
}

/* How many records of @type, *@bytes of them. */
static unsigned count(struct t *t, unsigned type, uint64_t *bytes)
{
	struct gpu_recording r;
	unsigned n = 0;
	int ret;

	*bytes = 0;
	assert_int_equal(open_recording(&r, t->rec.path), 0);
	while ((ret = gpu_recording_next(&r)) > 0) {
		if (r.head.type != type)
			continue;
		*bytes += r.head.len;
		n++;
	}
	assert_int_equal(ret, 0);
	gpu_recording_close(&r);
	return n;
}

/* --- what is recorded --------------------------------------------------------------- */

static void pictures_are_played_as_they_were_shown(void **state)
{
	static const struct shown frames[] = {
		{ 0x112233, 0x112233, 0 }, { 0x445566, 0x445566, 0 }, { 0x445566, 0x778899, 0 },
	};
	struct t *t = *state;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x112233);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x445566);
	/* What a transfer left out is not shown. */
	record_rig_paint(&t->rec, GPU_RIG_FB, 0x778899);
	assert_int_equal(vgpu_transfer(&t->rec.rig.g, 7, VGPU_RECT(0, H - 1, W, 1),
				       4 * W * (H - 1)), OK);
	assert_int_equal(vgpu_flush(&t->rec.rig.g, 7, ALL), OK);
	record_rig_end(&t->rec);
	play(t, frames, ARRAY_SIZE(frames));
}

static void only_pages_that_changed_are_in_the_file(void **state)
{
	struct t *t = *state;
	uint64_t bytes;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 0);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 1);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 1);
	assert_int_equal(bytes, 8 + BYTES);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 1);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 1);
	t->rec.rig.fb[GPU_PAGE / 4] = 5;
	assert_int_equal(vgpu_transfer(&t->rec.rig.g, 7, ALL, 0), OK);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	assert_int_equal(bytes, 2 * 8 + BYTES + GPU_PAGE);
	assert_int_equal(count(t, GPU_RECORD_ZEROS, &bytes), 0);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0);
	assert_int_equal(count(t, GPU_RECORD_ZEROS, &bytes), 1);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	record_rig_end(&t->rec);
	play(t, (const struct shown[]){ { 0, 0, 0 }, { 1, 1, 0 }, { 1, 1, 0 }, { 0, 0, 0 } }, 4);
}

static void resets_and_outputs_are_played(void **state)
{
	static const struct shown frames[] = { { 0xff, 0xff, 0 }, { 0xee, 0xee, 1 } };
	struct t *t = *state;
	uint64_t bytes;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0xff);
	vdrv_reset(&t->rec.rig.r.d);
	gpu_rig_start(&t->rec.rig, GPU_RIG_FEATURES);
	/* By the same number, which is free again. */
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB + BYTES);
	assert_int_equal(vgpu_set_scanout(&t->rec.rig.g, 0, 0, ALL), OK);
	assert_int_equal(vgpu_set_scanout(&t->rec.rig.g, 1, 7, ALL), OK);
	record_rig_show(&t->rec, 7, GPU_RIG_FB + BYTES, 0xee);
	record_rig_end(&t->rec);
	assert_int_equal(count(t, GPU_RECORD_START, &bytes), 2);
	assert_int_equal(count(t, GPU_RECORD_MEMORY, &bytes), 1);
	play(t, frames, ARRAY_SIZE(frames));
}

static void memory_that_moves_is_recorded_again(void **state)
{
	static const struct shown frames[] = { { 0xaa, 0xaa, 0 }, { 0xaa, 0xaa, 0 } };
	struct t *t = *state;
	uint64_t bytes;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0xaa);
	gpu_memory_leave(t->rec.rig.gpu);
	gpu_memory_enter(t->rec.rig.gpu);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0xaa);
	record_rig_end(&t->rec);
	assert_int_equal(count(t, GPU_RECORD_MEMORY, &bytes), 2);
	assert_int_equal(count(t, GPU_RECORD_START, &bytes), 1);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	play(t, frames, ARRAY_SIZE(frames));
}

static void blobs_are_captured_when_they_are_looked_at(void **state)
{
	const struct virtio_gpu_resource_create_blob blob = {
		.resource_id = 9, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .nr_entries = 1,
		.size = BYTES,
	};
	const struct virtio_gpu_set_scanout_blob scanout = {
		.resource_id = 9, .r = ALL, .width = W, .height = H, .format = XRGB,
		.strides = { 4 * W },
	};
	const struct virtio_gpu_mem_entry entry = { .addr = GPU_RIG_FB, .length = BYTES };
	static const struct shown frames[] = { { 0x1f, 0x1f, 0 }, { 0x2f, 0x2f, 0 } };
	struct t *t = *state;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	assert_int_equal(vgpu_create_blob(&t->rec.rig.g, blob, &entry, 1), OK);
	assert_int_equal(vgpu_set_scanout_blob(&t->rec.rig.g, scanout), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		record_rig_paint(&t->rec, GPU_RIG_FB, frames[i].first);
		assert_int_equal(vgpu_flush(&t->rec.rig.g, 9, ALL), OK);
	}
	record_rig_end(&t->rec);
	play(t, frames, ARRAY_SIZE(frames));
}

static void pointer_is_in_the_picture(void **state)
{
	static const struct shown frames[] = { { 0xff00ff, 0x10, 0 } };
	struct t *t = *state;
	uint32_t *image = t->rec.rig.fb;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	image = gmem_ptr(&t->rec.rig.r.fake.mem, GPU_RIG_FB + 65536, 64 * 64 * 4);
	image[0] = 0xffff00ff;
	assert_int_equal(vgpu_create_2d(&t->rec.rig.g, 3, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64,
					64), OK);
	assert_int_equal(vgpu_attach_range(&t->rec.rig.g, 3, GPU_RIG_FB + 65536, 64 * 64 * 4), OK);
	assert_int_equal(vgpu_transfer(&t->rec.rig.g, 3, VGPU_RECT(0, 0, 64, 64), 0), OK);
	assert_int_equal(vgpu_cursor(&t->rec.rig.g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 3, 0, 0, 0, 0),
			 OK);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x10);
	record_rig_end(&t->rec);
	play(t, frames, ARRAY_SIZE(frames));
}

static void refusals_are_compared(void **state)
{
	const struct shown frame = { 0x33, 0x33, 0 };
	struct gpu_replay_stats stats;
	struct t *t = *state;
	struct capture cap;
	uint64_t bytes;
	char *text;
	int fd;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	assert_int_not_equal(vgpu_flush(&t->rec.rig.g, 8, ALL), OK);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x33);
	assert_int_not_equal(vgpu_unref(&t->rec.rig.g, 70), OK);
	record_rig_end(&t->rec);
	assert_int_equal(count(t, GPU_RECORD_REFUSED, &bytes), 2);
	play(t, &frame, 1);

	/* The last one, said to have been another. */
	fd = open(t->rec.path, O_WRONLY);
	assert_true(fd >= 0);
	lseek(fd, -4, SEEK_END);
	assert_int_equal(write(fd, &(uint32_t){ VIRTIO_GPU_RESP_ERR_UNSPEC }, 4), 4);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(play_with(t, NULL, &stats), 0);
	text = capture_end(&cap);
	assert_int_equal(stats.differ, 1);
	assert_non_null(strstr(text, "RESOURCE_UNREF: the answer is 0x1203, and 0x1200 is recorded"));
	free(text);
	close(fd);
}

/* --- 3D, by a renderer that adds up what it reads ----------------------------------- */

static struct fake_renderer *new_fake(void)
{
	struct fake_renderer *f = fake_renderer_create(-1);

	f->fence_now = 1;
	return f;
}

#define COPY_WORDS 15

static void begin_3d(struct t *t)
{
	struct virtio_gpu_resource_create_3d c = {
		.resource_id = 5, .width = 4096, .height = 1, .depth = 1, .array_size = 1,
		.format = 64, .bind = 16,
	};
	struct fake_renderer *f = new_fake();

	record_rig_begin(&t->rec, &f->base, RECORD_LIMIT);
	vdrv_reset(&t->rec.rig.r.d);
	gpu_rig_start(&t->rec.rig, GPU_RIG_FEATURES | FAKE_RENDERER_FEATURES);
	assert_int_equal(vgpu_ctx_create(&t->rec.rig.g, 1, 0, "test"), OK);
	assert_int_equal(vgpu_create_3d(&t->rec.rig.g, c), OK);
	assert_int_equal(vgpu_attach_range(&t->rec.rig.g, 5, GPU_RIG_FB, 4096), OK);
}

static void commands_that_read_memory_are_recorded_with_it(void **state)
{
	const struct virtio_gpu_transfer_host_3d from = {
		.box = { .w = 1, .h = 1, .d = 1 }, .resource_id = 5,
	};
	uint32_t copy[COPY_WORDS] = { 45 | 14 << 16, [12] = 5 };
	struct t *t = *state;
	struct gpu_replay_stats stats;
	uint64_t bytes;

	begin_3d(t);
	t->rec.rig.fb[0] = 1;
	assert_int_equal(vgpu_transfer_3d(&t->rec.rig.g, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1,
					  from),
			 OK);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 1);
	t->rec.rig.fb[1] = 2;
	t->rec.rig.g.next.flags = VIRTIO_GPU_FLAG_FENCE;
	assert_int_equal(vgpu_submit(&t->rec.rig.g, 1, copy, sizeof(copy), sizeof(copy)), OK);
	t->rec.rig.g.next.flags = 0;
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	t->rec.rig.fb[2] = 3;
	copy[12] = 6;
	assert_int_equal(vgpu_submit(&t->rec.rig.g, 1, copy, sizeof(copy), sizeof(copy)), OK);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	assert_int_equal(vgpu_transfer_3d(&t->rec.rig.g, VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1,
					  from), OK);
	assert_int_equal(count(t, GPU_RECORD_PAGES, &bytes), 2);
	record_rig_end(&t->rec);

	assert_int_equal(play_with(t, &new_fake()->base, &stats), 0);
	assert_int_equal(stats.differ, 0);
	assert_int_equal(stats.memory, 2 * GPU_PAGE);
}

/* --- files ---------------------------------------------------------------------------- */

static void an_old_recording_is_not_written_over(void **state)
{
	struct t *t = *state;
	struct gpu_record *r[3];
	struct capture cap;
	char path[100], *text;
	struct stat st;

	capture_begin(&cap, STDERR_FILENO);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(gpu_record_create(&r[i], t->rec.path, RECORD_LIMIT), 0);
	text = capture_end(&cap);
	for (unsigned i = 0; i < 3; i++)
		gpu_record_destroy(r[i]);
	snprintf(path, sizeof(path), "%s.2\n", t->rec.path);
	assert_non_null(strstr(text, path));
	free(text);
	path[strlen(path) - 1] = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(gpu_record_create(&r[0], "/dev/null/file", RECORD_LIMIT), -ENOTDIR);
	text = capture_end(&cap);
	assert_non_null(strstr(text, "record=/dev/null/file: Not a directory"));
	free(text);
	gpu_record_destroy(NULL);
	assert_false(gpu_record_active(NULL));
}

/* The guest notices nothing, and what is there is whole. */
static void check_ended(struct t *t, struct capture *cap, const char *why)
{
	struct gpu_replay_stats stats;
	char *text;

	for (unsigned i = 0; i < 4; i++)
		record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x1000 + i);
	text = capture_end(cap);
	assert_non_null(strstr(text, why));
	/* Said once. */
	assert_null(strchr(strchr(text, '\n') + 1, '\n'));
	free(text);
	assert_false(gpu_record_active(t->rec.record));
	record_rig_end(&t->rec);
	assert_int_equal(play_with(t, NULL, &stats), 0);
	assert_in_range(stats.frames, 1, 3);
	assert_int_equal(t->frames[0].first, 0x1000);
}

static void a_recording_ends_at_its_limit(void **state)
{
	struct t *t = *state;
	struct capture cap;
	struct stat st;

	record_rig_begin(&t->rec, NULL, 2 * BYTES + 1000);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	capture_begin(&cap, STDERR_FILENO);
	check_ended(t, &cap, "its limit (record-limit=)");
	assert_int_equal(stat(t->rec.path, &st), 0);
	assert_true(st.st_size <= (off_t)(2 * BYTES + 1000));
}

static void a_recording_ends_when_the_file_can_take_no_more(void **state)
{
	const struct rlimit small = { 2 * BYTES + 1000, RLIM_INFINITY };
	struct rlimit before;
	struct t *t = *state;
	struct capture cap;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	signal(SIGXFSZ, SIG_IGN);
	capture_begin(&cap, STDERR_FILENO);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &small);
	check_ended(t, &cap, "File too large");
	setrlimit(RLIMIT_FSIZE, &before);
}

static void gzip_is_read_as_well(void **state)
{
	const struct shown frame = { 0x77, 0x77, 0 };
	struct t *t = *state;
	char buf[4096];
	ssize_t got;
	gzFile gz;
	int fd;

	record_rig_begin(&t->rec, NULL, RECORD_LIMIT);
	gpu_rig_show(&t->rec.rig, 7, XRGB, W, H, GPU_RIG_FB);
	record_rig_show(&t->rec, 7, GPU_RIG_FB, 0x77);
	record_rig_end(&t->rec);
	fd = open(t->rec.path, O_RDONLY);
	unlink(t->rec.path);
	gz = gzopen(t->rec.path, "wb");
	assert_non_null(gz);
	while ((got = read(fd, buf, sizeof(buf))) > 0)
		assert_int_equal(gzwrite(gz, buf, got), got);
	close(fd);
	gzclose(gz);
	play(t, &frame, 1);
}

/* --- pages ---------------------------------------------------------------------------------- */

static void pages_are_found_again(void **state)
{
	struct gpu_pages pages = { 0 };
	struct gpu_page *page;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		assert_int_equal(gpu_pages_get(&pages, i * i, &page), 0);
		page->hash = i;
	}
	for (uint64_t i = 0; i < 5000; i++) {
		assert_int_equal(gpu_pages_get(&pages, i * i, &page), 1);
		assert_int_equal(page->hash, i);
	}
	assert_int_equal(pages.n, 5000);
	gpu_pages_finish(&pages);
	assert_int_equal(pages.n, 0);
}

static void any_byte_changes_the_hash(void **state)
{
	uint8_t page[GPU_PAGE] = { 0 };
	uint64_t zero = gpu_page_hash(page);

	(void)state;
	assert_true(gpu_page_is_zero(page));
	for (unsigned i = 0; i < GPU_PAGE; i++) {
		page[i] = 1;
		assert_false(gpu_page_is_zero(page));
		assert_true(gpu_page_hash(page) != zero);
		page[i] = 0;
	}
}

/* --- the rest --------------------------------------------------------------------------------- */

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
		T(pictures_are_played_as_they_were_shown),
		T(only_pages_that_changed_are_in_the_file),
		T(resets_and_outputs_are_played),
		T(memory_that_moves_is_recorded_again),
		T(blobs_are_captured_when_they_are_looked_at),
		T(pointer_is_in_the_picture),
		T(refusals_are_compared),
		T(commands_that_read_memory_are_recorded_with_it),
		T(an_old_recording_is_not_written_over),
		T(a_recording_ends_at_its_limit),
		T(a_recording_ends_when_the_file_can_take_no_more),
		T(gzip_is_read_as_well),
		cmocka_unit_test(pages_are_found_again),
		cmocka_unit_test(any_byte_changes_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
