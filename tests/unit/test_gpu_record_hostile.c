/* SPDX-License-Identifier: MIT */
/* Recordings that somebody hands over: cut, changed, and made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/gpu/gpu_pages.h"
#include "devices/gpu/gpu_replay.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/capture.h"
#include "tests/fake_renderer.h"
#include "tests/record_rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM

/* --- playing ---------------------------------------------------------------------- */

struct bytes {
	const uint8_t *data;
	size_t left;
};

static ssize_t read_bytes(void *ctx, void *buf, size_t len)
{
	struct bytes *b = ctx;

	len = MIN(len, b->left);
	memcpy(buf, b->data, len);
	b->data += len;
	b->left -= len;
	return len;
}

static void ignore_frame(void *ctx, uint64_t n, unsigned output, const struct picture *picture)
{
	uint32_t row[DISPLAY_MAX_SIZE];

	picture_row(picture, 0, row);
}

/* What gpu_replay_run() makes of it; -EBADMSG: not even that. */
static int play_bytes(const void *data, size_t len, bool *cut)
{
	struct gpu_replay_params params = { .frame = ignore_frame };
	struct bytes b = { data, len };
	struct gpu_recording r;
	struct gpu_replay *p;
	struct loop *loop;
	int ret;

	if (gpu_recording_open(&r, read_bytes, &b) < 0)
		return -EBADMSG;
	params.n_outputs = r.file.n_outputs;
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(gpu_replay_create(&p, loop, &params), 0);
	ret = gpu_replay_run(p, &r);
	*cut = r.cut;
	gpu_replay_destroy(p);
	loop_destroy(loop);
	gpu_recording_close(&r);
	return ret;
}

/* --- of a recording --------------------------------------------------------------- */

static void record(struct record_rig *t)
{
	struct gpu_rig *rig = &t->rig;

	record_rig_begin(t, NULL, RECORD_LIMIT);
	gpu_rig_show(rig, 7, XRGB, RECORD_W, RECORD_H, GPU_RIG_FB);
	record_rig_show(t, 7, GPU_RIG_FB, 0x77);
	record_rig_show(t, 7, GPU_RIG_FB, 0);
	assert_int_not_equal(vgpu_unref(&rig->g, 70), OK);
	/* No pages at all, though addresses wrap behind them. */
	assert_int_not_equal(vgpu_attach_range(&rig->g, 8, UINT64_MAX, 0), OK);
	assert_int_not_equal(vgpu_attach_range(&rig->g, 8, UINT64_MAX - 1, 1), OK);
	assert_true(gpu_record_active(t->record));
	record_rig_end(t);
}

/* A recording of all kinds of records, of which the last is a refusal. */
static uint8_t *make_recording(size_t *len)
{
	static struct record_rig rec;
	struct stat st;
	uint8_t *data;
	int fd;

	record_rig_init(&rec);
	record(&rec);
	fd = open(rec.path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	data = malloc(st.st_size);
	*len = st.st_size;
	assert_int_equal(read(fd, data, st.st_size), st.st_size);
	close(fd);
	record_rig_finish(&rec);
	return data;
}

/* Where the record at @off ends. */
static size_t next_record(const uint8_t *data, size_t off)
{
	return off + sizeof(struct gpu_record_head) + load_le(data + off + 4, 4);
}

static void truncated_anywhere_it_plays_to_there(void **state)
{
	size_t len, boundary = sizeof(struct gpu_record_file);
	struct capture cap;
	uint8_t *data;

	(void)state;
	data = make_recording(&len);
	capture_begin(&cap, STDERR_FILENO);
	for (size_t n = 0; n < len; n++) {
		bool cut = false;
		int ret;

		if (n > 600 && n + 600 < len && n % 251)
			continue;
		while (boundary < n)
			boundary = next_record(data, boundary);
		ret = play_bytes(data, n, &cut);
		assert_int_equal(ret, n < sizeof(struct gpu_record_file) ? -EBADMSG : 0);
		assert_int_equal(cut, n >= sizeof(struct gpu_record_file) && n != boundary);
	}
	free(capture_end(&cap));
	free(data);
}

static void flipped_anywhere_it_ends_somehow(void **state)
{
	struct capture cap;
	size_t len;
	uint8_t *data;
	bool cut;

	(void)state;
	data = make_recording(&len);
	capture_begin(&cap, STDERR_FILENO);
	for (size_t n = 0; n < len; n++) {
		if (n > 700 && n + 600 < len && n % 127)
			continue;
		for (unsigned bit = 0; bit < 8; bit += 1 + n % 3) {
			data[n] ^= 1 << bit;
			play_bytes(data, len, &cut);
			data[n] ^= 1 << bit;
		}
	}
	free(capture_end(&cap));
	free(data);
}

/* --- made up --------------------------------------------------------------------------- */

/* A file of our own making. */
struct file {
	uint8_t data[4096 * 8];
	size_t len;
};

static void put_file(struct file *f, uint32_t version, uint32_t n_outputs)
{
	struct gpu_record_file head = {
		.magic = GPU_RECORD_MAGIC, .version = version, .n_outputs = n_outputs,
		.renderer = "2d",
	};

	memcpy(f->data, &head, sizeof(head));
	f->len = sizeof(head);
}

static void put(struct file *f, unsigned type, unsigned arg, const void *payload, uint32_t len)
{
	struct gpu_record_head head = { .type = type, .arg = arg, .len = len };

	memcpy(f->data + f->len, &head, sizeof(head));
	memcpy(f->data + f->len + sizeof(head), payload, len);
	f->len += sizeof(head) + len;
}

static void put_start(struct file *f, uint64_t gpa, uint64_t len)
{
	const struct gmem_range range = { gpa, len };
	const uint64_t features = UINT64_MAX;

	put_file(f, GPU_RECORD_VERSION, 1);
	put(f, GPU_RECORD_MEMORY, 0, &range, sizeof(range));
	put(f, GPU_RECORD_START, 0, &features, sizeof(features));
}

static int play_file(const struct file *f)
{
	struct capture cap;
	bool cut;
	int ret;

	capture_begin(&cap, STDERR_FILENO);
	ret = play_bytes(f->data, f->len, &cut);
	free(capture_end(&cap));
	return ret;
}

static void assert_played(struct file *f, int want, unsigned type, unsigned arg,
			  const void *payload, uint32_t len)
{
	put_start(f, 0, 1 << 20);
	put(f, type, arg, payload, len);
	assert_int_equal(play_file(f), want);
}

static void what_cannot_be_is_refused(void **state)
{
	static const uint8_t zeros[8 + GPU_PAGE];
	const struct gmem_range hole = { 0x100000, GPU_PAGE }, odd = { 0x1001, GPU_PAGE };
	const struct gmem_range wraps = { 0x1000, -0x1000ull }, two[2] = { { 0, 4096 }, { 0, 4096 } };
	const uint64_t above = 1ull << 52;
	struct virtio_gpu_ctrl_hdr hdr = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct file f;

	(void)state;
	put_file(&f, GPU_RECORD_VERSION, 0);
	assert_int_equal(play_file(&f), -EBADMSG);
	put_file(&f, GPU_RECORD_VERSION, DISPLAY_MAX_OUTPUTS + 1);
	assert_int_equal(play_file(&f), -EBADMSG);
	put_file(&f, GPU_RECORD_VERSION + 1, 1);
	assert_int_equal(play_file(&f), -EBADMSG);
	put_file(&f, GPU_RECORD_VERSION, 1);
	assert_int_equal(play_file(&f), 0);
	put_start(&f, 0, 1 << 20);
	assert_int_equal(play_file(&f), 0);
	put(&f, GPU_RECORD_COMMAND, 0, &hdr, sizeof(hdr));
	assert_int_equal(play_file(&f), 0);
	assert_played(&f, -EINVAL, 0, 0, zeros, 8);
	assert_played(&f, -EINVAL, 7, 0, zeros, 8);
	assert_played(&f, -EINVAL, GPU_RECORD_START, 0, zeros, 7);
	assert_played(&f, -EINVAL, GPU_RECORD_START, 1, zeros, 8);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, zeros, 0);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, zeros, 8);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, zeros, 16 * (GPU_RECORD_REGIONS + 1));
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, zeros, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, &wraps, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, &odd, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, two, 32);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0, &(struct gmem_range){ above, GPU_PAGE }, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_MEMORY, 0,
		&(struct gmem_range){ 0, GPU_REPLAY_MAX_RAM + GPU_PAGE }, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_PAGES, 0, zeros, 8);
	assert_played(&f, -EINVAL, GPU_RECORD_PAGES, 0, zeros, 9);
	assert_played(&f, 0, GPU_RECORD_PAGES, 0, zeros, 8 + GPU_PAGE);
	memcpy(f.data + f.len - sizeof(zeros), &hole.gpa, 8);
	assert_int_equal(play_file(&f), -EINVAL);
	memcpy(f.data + f.len - sizeof(zeros), &above, 8);
	assert_int_equal(play_file(&f), -EINVAL);
	memcpy(f.data + f.len - sizeof(zeros), &odd.gpa, 8);
	assert_int_equal(play_file(&f), -EINVAL);
	assert_played(&f, -EINVAL, GPU_RECORD_ZEROS, 0, &hole, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_ZEROS, 0, &odd, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_ZEROS, 0, &wraps, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_ZEROS, 0, &(struct gmem_range){ above, GPU_PAGE }, 16);
	assert_played(&f, -EINVAL, GPU_RECORD_COMMAND, 2, &hdr, sizeof(hdr));
	assert_played(&f, -EINVAL, GPU_RECORD_COMMAND, 0, &hdr, sizeof(hdr) - 1);
	assert_played(&f, -EINVAL, GPU_RECORD_REFUSED, 0, zeros, 3);
	/* Before the driver starts. */
	put_file(&f, GPU_RECORD_VERSION, 1);
	put(&f, GPU_RECORD_COMMAND, 0, &hdr, sizeof(hdr));
	assert_int_equal(play_file(&f), -EINVAL);
}

static void a_refusal_that_is_new_is_counted(void **state)
{
	const struct virtio_gpu_resource_unref unref = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = 1,
	};
	struct gpu_replay_params params = { .n_outputs = 1 };
	struct gpu_recording r;
	struct gpu_replay *p;
	struct capture cap;
	struct loop *loop;
	struct bytes b;
	struct file f;

	(void)state;
	put_start(&f, 0, 1 << 20);
	/* Of the last one nobody knows. */
	put(&f, GPU_RECORD_COMMAND, 0, &unref, sizeof(unref));
	put(&f, GPU_RECORD_COMMAND, 0, &unref, sizeof(unref));
	b = (struct bytes){ f.data, f.len };
	assert_int_equal(gpu_recording_open(&r, read_bytes, &b), 0);
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(gpu_replay_create(&p, loop, &params), 0);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(gpu_replay_run(p, &r), 0);
	free(capture_end(&cap));
	assert_int_equal(gpu_replay_stats(p)->differ, 1);
	gpu_replay_destroy(p);
	gpu_recording_close(&r);
	loop_destroy(loop);
}

/* A guest of 64 GiB, more than which a sanitizer has no room for, of which the card is shown the same, or much. */
static void too_much_memory_is_refused(void **state)
{
	struct {
		struct virtio_gpu_resource_attach_backing c;
		struct virtio_gpu_mem_entry entries[8];
	} attach = {
		.c = { .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, .nr_entries = 8 },
	};
	struct file f;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		attach.entries[i] = (struct virtio_gpu_mem_entry){ .length = -4096 };
	put_start(&f, 0, 64 * GiB);
	put(&f, GPU_RECORD_COMMAND, 0, &attach, sizeof(attach));
	assert_int_equal(play_file(&f), -ENOSPC);
	put_start(&f, 0, 64 * GiB);
	for (unsigned k = 0; k < 5; k++) {
		for (unsigned i = 0; i < 4; i++)
			attach.entries[i].addr = (4 * k + i) * GiB;
		attach.c.nr_entries = 4;
		for (unsigned i = 0; i < 4; i++)
			attach.entries[i].length = GiB - GPU_PAGE;
		put(&f, GPU_RECORD_COMMAND, 0, &attach, sizeof(attach));
	}
	assert_int_equal(play_file(&f), -ENOSPC);
}

static void the_last_address_is_no_way_to_all_of_them(void **state)
{
	struct {
		struct virtio_gpu_resource_attach_backing c;
		struct virtio_gpu_mem_entry entry;
	} attach = {
		.c = { .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, .nr_entries = 1 },
		.entry = { UINT64_MAX, 0 },
	};
	struct gpu_pages p = { 0 };
	struct file f;

	(void)state;
	put_start(&f, 0, 1 << 20);
	put(&f, GPU_RECORD_COMMAND, 0, &attach, sizeof(attach));
	assert_int_equal(play_file(&f), 0);
	assert_int_equal(gpu_pages_name(&p, UINT64_MAX, 0), 0);
	assert_int_equal(gpu_pages_name(&p, UINT64_MAX, 2), 0);
	assert_int_equal(p.n, 0);
	assert_int_equal(gpu_pages_name(&p, UINT64_MAX - GPU_PAGE, GPU_PAGE + 1), 0);
	assert_int_equal(p.n, 2);
	gpu_pages_finish(&p);
}

static struct fake_renderer *new_fake(void)
{
	struct fake_renderer *f = fake_renderer_create(-1);

	f->fence_now = 1;
	return f;
}

/* The card, made to write where the player keeps what it works with. */
static void a_player_survives_its_own_rings(void **state)
{
	const uint64_t own = 1ull << 52;
	struct {
		struct virtio_gpu_resource_attach_backing c;
		struct virtio_gpu_mem_entry entry;
	} attach = {
		.c = { .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, .nr_entries = 1,
		       .resource_id = 1 },
		.entry = { own, 65536 },
	};
	struct virtio_gpu_resource_create_3d c = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, .resource_id = 1, .width = 4096,
		.height = 1, .depth = 1, .array_size = 1, .format = 64, .bind = 16,
	};
	struct virtio_gpu_ctx_create ctx = { .hdr = { .type = VIRTIO_GPU_CMD_CTX_CREATE,
						      .ctx_id = 1 } };
	struct virtio_gpu_transfer_host_3d from = {
		.hdr = { .type = VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, .ctx_id = 1 },
		.resource_id = 1, .box = { .w = 1, .h = 1, .d = 1 },
	};
	struct gpu_replay_params params = { .n_outputs = 1, .renderer = &new_fake()->base };
	struct gpu_recording r;
	struct gpu_replay *p;
	struct capture cap;
	struct loop *loop;
	struct bytes b;
	struct file f;

	(void)state;
	put_start(&f, 0, 1 << 20);
	put(&f, GPU_RECORD_COMMAND, 0, &ctx, sizeof(ctx));
	put(&f, GPU_RECORD_COMMAND, 0, &c, sizeof(c));
	put(&f, GPU_RECORD_COMMAND, 0, &attach, sizeof(attach));
	put(&f, GPU_RECORD_COMMAND, 0, &from, sizeof(from));
	put(&f, GPU_RECORD_COMMAND, 0, &from, sizeof(from));
	b = (struct bytes){ f.data, f.len };
	assert_int_equal(gpu_recording_open(&r, read_bytes, &b), 0);
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(gpu_replay_create(&p, loop, &params), 0);
	capture_begin(&cap, STDERR_FILENO);
	assert_int_equal(gpu_replay_run(p, &r), -EIO);
	free(capture_end(&cap));
	gpu_replay_destroy(p);
	gpu_recording_close(&r);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_anywhere_it_plays_to_there),
		cmocka_unit_test(flipped_anywhere_it_ends_somehow),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(the_last_address_is_no_way_to_all_of_them),
		cmocka_unit_test(a_refusal_that_is_new_is_counted),
		cmocka_unit_test(too_much_memory_is_refused),
		cmocka_unit_test(a_player_survives_its_own_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
