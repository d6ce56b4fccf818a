/* SPDX-License-Identifier: MIT */
/*
 * Plays a recording (gpu_record.h) to a graphics card: a driver, guest memory and a
 * display for it, and no guest. All checks are those that a guest meets.
 *
 *     gpu_recording_open()
 *     gpu_replay_create()
 *     gpu_replay_run()
 *     gpu_replay_destroy(), gpu_recording_close()
 *
 * Guest memory is where it was, of which only pages that were recorded, and those that
 * the card writes to, take room; a file that names more than GPU_PAGES_MAX is refused.
 * Commands follow each other as soon as the card has done one; what it parks
 * (fences) is waited for when its queue is full, and in the end.
 *
 * Threads: that of the loop.
 */
#ifndef MICROVM_GPU_REPLAY_H
#define MICROVM_GPU_REPLAY_H

#include "devices/gpu/gpu_recording.h"
#include "devices/gpu/renderer.h"
#include "devices/ui/picture.h"
#include "vmm/loop.h"

/* Address space for guest memory, of which a guest could not have more. */
#define GPU_REPLAY_MAX_RAM (1ull << 40)

struct gpu_replay;

struct gpu_replay_params {
	struct gpu_renderer *renderer;	/* owned from success on; NULL: software */
	unsigned n_outputs;
	/* Frame @n, counted from 1, is shown by an output. May be NULL. */
	void (*frame)(void *ctx, uint64_t n, unsigned output, const struct picture *picture);
	void *ctx;
};

struct gpu_replay_stats {
	uint64_t commands, bytes;	/* of them, without memory */
	uint64_t memory;		/* bytes of pages */
	uint64_t frames;		/* flushes of what is shown */
	uint64_t differ;		/* answers that are not as recorded */
};

/* 0, or negative errno after one line in the log. */
int gpu_replay_create(struct gpu_replay **out, struct loop *loop,
		      const struct gpu_replay_params *params);
void gpu_replay_destroy(struct gpu_replay *p);	/* NULL is legal */

/*
 * All of @r. 0; -EINVAL: something in it cannot be; -ENOSPC: it names too much memory;
 * -EIO: the card answers no more; -ETIMEDOUT: not in a long time; or another negative errno.
 * gpu_replay_stats() says how far it came.
 */
int gpu_replay_run(struct gpu_replay *p, struct gpu_recording *r);
const struct gpu_replay_stats *gpu_replay_stats(const struct gpu_replay *p);

#endif
