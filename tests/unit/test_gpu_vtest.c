/* SPDX-License-Identifier: MIT */
/*
 * A recording is played by our card, and told to virgl_test_server without one: what both
 * draw by the same library is the same. Where it is not, we are wrong; where it is and
 * looks wrong, the library is.
 */
#include <linux/virtio_gpu.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <png.h>
#include <unistd.h>

#include "devices/gpu/gpu_recording.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/have_gl.h"
#include "tests/program.h"
#include "tests/vtest.h"

#define W 320u
#define H 240u
#define BYTES (4 * W * H)
#define MAX_RESOURCES 64
#define MAX_ENTRIES 512
#define TRANSFER3D 43
#define NOP 0

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

/* --- by the server: the few commands that a program which draws needs ---------------- */

struct resource {
	uint32_t id;			/* 0: a free slot */
	bool y_0_top;
	struct virtio_gpu_mem_entry entries[MAX_ENTRIES];
	uint32_t n_entries;
};

struct teller {
	struct vtest server;
	struct gmem mem;
	struct resource resources[MAX_RESOURCES];
	uint32_t shown;			/* the resource on the monitor */
	uint64_t flushes, compared;
	char dir[32];			/* of our frames */
};

static struct resource *find(struct teller *t, uint32_t id)
{
	for (unsigned i = 0; i < MAX_RESOURCES; i++)
		if (t->resources[i].id == id)
			return &t->resources[i];
	return NULL;
}

static void tell_create(struct teller *t, const struct virtio_gpu_resource_create_3d *c)
{
	const struct gpu_create_3d args = {
		.target = c->target, .format = c->format, .bind = c->bind, .width = c->width,
		.height = c->height, .depth = c->depth, .array_size = c->array_size,
		.last_level = c->last_level, .nr_samples = c->nr_samples,
	};
	struct resource *res = find(t, 0);

	assert_non_null(res);
	*res = (struct resource){
		.id = c->resource_id, .y_0_top = c->flags & VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
	};
	vtest_create(&t->server, c->resource_id, &args);
}

static void tell_unref(struct teller *t, uint32_t id)
{
	struct resource *res = find(t, id);

	if (!res)
		return;
	vtest_unref(&t->server, id);
	res->id = 0;
}

static void note_backing(struct teller *t, const struct virtio_gpu_resource_attach_backing *c)
{
	struct resource *res = find(t, c->resource_id);

	if (!res)
		return;
	assert_true(c->nr_entries <= MAX_ENTRIES);
	memcpy(res->entries, c + 1, c->nr_entries * sizeof(res->entries[0]));
	res->n_entries = c->nr_entries;
}

static void gather(const struct teller *t, const struct resource *res, uint64_t off, void *to,
		   uint64_t len)
{
	char *p = to;

	for (uint32_t i = 0; i < res->n_entries && len; i++) {
		const struct virtio_gpu_mem_entry *e = &res->entries[i];
		uint64_t n = off < e->length ? MIN(len, e->length - off) : 0;

		if (n)
			assert_int_equal(gmem_read(&t->mem, e->addr + off, p, n), 0);
		off -= MIN(off, e->length);
		p += n;
		len -= n;
	}
	assert_int_equal(len, 0);
}

/* To the host, of a buffer or of one layer. */
static void tell_transfer(struct teller *t, const uint32_t *packet)
{
	struct resource *res = find(t, packet[1]);
	struct gpu_transfer x = {
		.level = packet[2], .stride = packet[4], .layer_stride = packet[5],
		.box = { packet[6], packet[7], packet[8], packet[9], packet[10], packet[11] },
	};
	uint32_t len = x.stride ? x.stride * x.box.h : x.box.w;
	void *data = malloc(len);

	assert_true(res && data && x.box.d == 1 && packet[13] == 1);
	gather(t, res, packet[12], data, len);
	vtest_put(&t->server, res->id, &x, data, len);
	free(data);
}

/* The server has no guest memory: what would be read of it is told before. */
static void tell_submit(struct teller *t, uint32_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += 1 + (words[i] >> 16)) {
		if ((words[i] & 0xff) != TRANSFER3D)
			continue;
		tell_transfer(t, &words[i]);
		words[i] = (words[i] & 0xffff0000) | NOP;
	}
	vtest_submit(&t->server, words, n);
}

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
static void compare(struct teller *t, const struct resource *res)
{
	const struct gpu_transfer all = { .box = { .w = W, .h = H, .d = 1 }, .stride = 4 * W };
	uint8_t *ours = malloc(3 * W * H);
	uint32_t *theirs = malloc(BYTES);
	unsigned off = 0;

	assert_true(ours && theirs);
	take_frame(t->dir, t->flushes, ours);
	vtest_get(&t->server, res->id, &all, theirs, BYTES);
	for (uint32_t y = 0; y < H; y++) {
		uint32_t row = res->y_0_top ? H - 1 - y : y;

		for (uint32_t x = 0; x < W; x++)
			off += !is_near(theirs[row * W + x], ours + 3 * (y * W + x));
	}
	free(theirs);
	free(ours);
	assert_in_range(off, 0, W * H / 500);
	t->compared++;
}

static void tell_flush(struct teller *t, uint32_t id)
{
	struct resource *res = find(t, id);

	if (id != t->shown)
		return;
	t->flushes++;
	if (res)
		compare(t, res);
}

static void tell_command(struct teller *t, struct gpu_recording *r)
{
	union gpu_command *c = (void *)r->payload;

	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		tell_create(t, &c->create_3d);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		tell_unref(t, c->unref.resource_id);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		note_backing(t, &c->attach);
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		tell_submit(t, (uint32_t *)(&c->submit + 1), c->submit.size / 4);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		t->shown = c->set_scanout.resource_id;
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		tell_flush(t, c->flush.resource_id);
		break;
	}
}

static void tell(struct teller *t, struct gpu_recording *r)
{
	struct gmem_range ranges[GPU_RECORD_REGIONS];

	switch (r->head.type) {
	case GPU_RECORD_MEMORY:
		memcpy(ranges, r->payload, r->head.len);
		gmem_finish(&t->mem);
		assert_int_equal(gmem_init_private(&t->mem, ranges,
						   r->head.len / sizeof(ranges[0])), 0);
		break;
	case GPU_RECORD_PAGES:
		assert_int_equal(gmem_write(&t->mem, load_le(r->payload, 8), r->payload + 8,
					    r->head.len - 8), 0);
		break;
	case GPU_RECORD_COMMAND:
		if (r->head.arg == GPU_CONTROLQ)
			tell_command(t, r);
		break;
	}
}

static void both_draw_the_same(void **state)
{
	static struct teller t = { .mem.fd = -1, .dir = "/tmp/test_gpu_vtest.XXXXXX" };
	char path[PATH_MAX];
	struct gpu_recording r;

	(void)state;
	if (!vtest_start(&t.server))
		skip();
	assert_non_null(mkdtemp(t.dir));
	play(t.dir);
	recording_path(path);
	assert_int_equal(gpu_recording_open_fd(&r, open(path, O_RDONLY)), 0);
	while (gpu_recording_next(&r) > 0)
		tell(&t, &r);
	gpu_recording_close(&r);
	vtest_stop(&t.server);
	gmem_finish(&t.mem);
	clean_up(t.dir, t.flushes);
	assert_int_equal(t.compared, 17);
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
