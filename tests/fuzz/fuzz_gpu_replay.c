/* SPDX-License-Identifier: MIT */
/*
 * A recording that somebody hands over: the input is one behind its first part, with a
 * renderer that aborts when the card asks for what makes no sense. It is played to
 * its end or refused, and what it shows can be looked at.
 */
#include <stdlib.h>
#include <unistd.h>

#include "devices/gpu/gpu_replay.h"
#include "tests/fake_renderer.h"
#include "vmm/log.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
/* Of guest memory: to copy all of more than that, over and over, takes seconds. */
#define MAX_RAM MiB

struct input {
	struct gpu_record_file file;
	size_t head;		/* bytes of it that were read */
	const uint8_t *data;
	size_t left;
};

/* A MEMORY record's ranges, shorter. */
static void shrink_memory(uint8_t *payload, size_t len)
{
	for (size_t at = 8; at + 8 <= len; at += sizeof(struct gmem_range))
		store_le(payload + at, 8, MIN(load_le(payload + at, 8), (uint64_t)MAX_RAM));
}

/* The input with no more memory than can be had; the caller frees it. */
static uint8_t *shrink(const uint8_t *data, size_t size)
{
	struct gpu_record_head head;
	uint8_t *copy = malloc(size);

	CHECK(copy);
	memcpy(copy, data, size);
	for (size_t at = 1; range_fits(at, sizeof(head), size); at += head.len) {
		memcpy(&head, copy + at, sizeof(head));
		at += sizeof(head);
		if (head.type == GPU_RECORD_MEMORY)
			shrink_memory(copy + at, MIN((size_t)head.len, size - at));
	}
	return copy;
}

static ssize_t read_input(void *ctx, void *buf, size_t len)
{
	struct input *in = ctx;
	size_t n = MIN(len, in->left);

	if (!in->head) {
		CHECK(len == sizeof(in->file));
		memcpy(buf, &in->file, len);
		in->head = len;
		return len;
	}
	memcpy(buf, in->data, n);
	in->data += n;
	in->left -= n;
	return n;
}

static void look(void *ctx, uint64_t n, unsigned output, const struct picture *picture)
{
	uint32_t *row = malloc(picture->surface.width * sizeof(*row));

	CHECK(row && output < 2 && picture->shown);
	/* The fake renderer has no pixels of its own. */
	if (!picture->surface.pixels.n_pieces) {
		free(row);
		return;
	}
	picture_row(picture, 0, row);
	picture_row(picture, picture->surface.height - 1, row);
	free(row);
}

static struct gpu_renderer *new_renderer(void)
{
	struct fake_renderer *f = fake_renderer_create(-1);

	f->fence_now = 1;
	return &f->base;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {
		.file = { .magic = GPU_RECORD_MAGIC, .version = GPU_RECORD_VERSION, .n_outputs = 2 },
		.left = size,
	};
	struct gpu_replay_params params = { .n_outputs = 2, .frame = look };
	const struct gpu_replay_stats *stats;
	struct gpu_recording r;
	struct gpu_replay *p;
	struct loop *loop;
	uint8_t *copy;

	if (!size)
		return 0;
	log_set_level(LOG_ERROR);
	in.data = copy = shrink(data, size);
	/* The first byte: 3D, or pictures of memory. */
	if (*in.data & 1)
		params.renderer = new_renderer();
	in.data++;
	in.left--;
	CHECK(gpu_recording_open(&r, read_input, &in) == 0);
	CHECK(loop_create(&loop) == 0);
	CHECK(gpu_replay_create(&p, loop, &params) == 0);
	gpu_replay_run(p, &r);
	stats = gpu_replay_stats(p);
	CHECK(stats->bytes <= size && stats->memory <= size && stats->commands <= size);
	gpu_replay_destroy(p);
	loop_destroy(loop);
	gpu_recording_close(&r);
	free(copy);
	return 0;
}
