/* SPDX-License-Identifier: MIT */
/*
 * A renderer that draws nothing, takes its time with fences and refuses when it is
 * told to; it aborts when a card breaks the rules of gpu/renderer.h.
 */
#ifndef MICROVM_TESTS_FAKE_RENDERER_H
#define MICROVM_TESTS_FAKE_RENDERER_H

#include <linux/virtio_gpu.h>

#include "devices/gpu/renderer.h"
#include "vmm/util.h"

#define FAKE_RENDERER_FEATURES (BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT))
#define FAKE_RENDERER_CONTEXTS 1024
#define FAKE_RENDERER_RINGS 16	/* that contexts have */

struct fake_renderer {
	struct gpu_renderer base;
	int error;		/* of the next call that may fail */
	int fd;			/* for poll(); -1: none */
	struct gpu_fence asked, done;	/* the last fence; what poll() says */
	bool done_due;
	bool fence_now;		/* fences are done at once */
	unsigned resources, attached, resets, contexts;
	uint32_t n_capsets;

	/* the last of each */
	uint32_t ctx_ids[FAKE_RENDERER_CONTEXTS];	/* those that there are */
	uint32_t ctx_capset;
	char ctx_name[80];
	struct gpu_create_3d create;
	struct gpu_transfer transfer;
	uint32_t submit_ctx;
	size_t submit_len;
	uint32_t submit_sum;	/* of its words */
	unsigned submits, transfers, ctx_attached;
	unsigned mapped;		/* blobs now */
	unsigned map_seals;		/* of their memfds; 0: F_SEAL_SHRINK */
	uint64_t map_short;		/* bytes that these lack */
};

/* @fd is its own from now on. Goes with the card. */
struct fake_renderer *fake_renderer_create(int fd);

#endif
