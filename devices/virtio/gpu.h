/* SPDX-License-Identifier: MIT */
/*
 * Graphics card (virtio 1.3, 5.7): commands, scanouts, cursors, fences and
 * limits; pictures are made by a gpu_renderer and shown by a display.
 *
 *     gpu_2d_create(&renderer) or another
 *     gpu_create(&gpu, loop, mem, &params)
 *     gpu_device(gpu) goes to a transport: virtio_pci, virtio_mmio, vhost_user
 *     gpu_set_display(gpu, display); the display gets gpu_sink(gpu)
 *     ...
 *     gpu_destroy(gpu), after the transport and the display let go of it
 *
 * All calls on the loop's thread, without any lock.
 */
#ifndef MICROVM_VIRTIO_GPU_H
#define MICROVM_VIRTIO_GPU_H

#include "devices/gpu/renderer.h"
#include "devices/ui/display.h"
#include "devices/virtio/virtio.h"

struct gpu;

struct gpu_params {
	unsigned n_outputs;	/* connectors, 1 ... DISPLAY_MAX_OUTPUTS */
	unsigned n_plugged;	/* the first so many have a monitor; at least 1 as a rule */
	struct display_output output;	/* what each monitor is like; 0: GPU_DEFAULT_... */
	struct gpu_renderer *renderer;	/* owned from success on; NULL: software */
	struct gpu_record *record;	/* gpu/gpu_record.h; not owned, NULL: none */
	/*
	 * Bytes, whole pages, of the shared-memory region VIRTIO_GPU_SHM_ID_HOST_VISIBLE
	 * into which the transport maps blobs of the renderer's; 0: there is none.
	 */
	uint64_t hostmem;
	/* limits; 0: the constants below */
	uint64_t max_bytes;
	unsigned max_resources;
};

#define GPU_DEFAULT_WIDTH 1280
#define GPU_DEFAULT_HEIGHT 800
#define GPU_DEFAULT_REFRESH_MHZ 60000

/* The host's copies of all resources' pixels; a dozen pictures of 3840 x 2160. */
#define GPU_MAX_BYTES (512 * MiB)
/* The same with a renderer of 3D, whose textures and buffers count too. */
#define GPU_MAX_BYTES_3D (2 * GiB)
#define GPU_MAX_3D_RESOURCE_BYTES (1 * GiB)
/* One resource's: it can be copied in less than a tenth of a second. */
#define GPU_MAX_RESOURCE_BYTES (256 * MiB)
#define GPU_MAX_RESOURCES 16384
/* Each is a program of the guest that draws, and some megabytes of the host. */
#define GPU_MAX_CONTEXTS 256
/* Entries of one resource's backing (a framebuffer of 64 MiB in scattered pages)... */
#define GPU_MAX_BACKING 16384
/* ...and of all. */
#define GPU_MAX_BACKING_TOTAL (1u << 20)

#define GPU_QUEUE_SIZE 256
#define GPU_CURSOR_QUEUE_SIZE 16

/* What the guest holds; all zeros after a reset. */
struct gpu_usage {
	unsigned resources;
	uint64_t bytes;		/* of host memory for pixels */
	uint64_t backing;	/* entries */
	unsigned contexts;
	unsigned parked;	/* commands that wait for a frame or a fence */
};

/* What was done since the beginning, for statistics and benchmarks. */
struct gpu_stats {
	uint64_t commands, errors, flushes, frames, submits;
	uint64_t bytes_copied;	/* guest pages to the host's copy */
	uint64_t read_backs;	/* of pictures on a GPU, for who looks at pixels */
};

/* 0, or negative errno after one line in the log. */
int gpu_create(struct gpu **out, struct loop *loop, const struct gmem *mem,
	       const struct gpu_params *params);
void gpu_destroy(struct gpu *gpu);	/* NULL is legal */

struct virtio_device *gpu_device(struct gpu *gpu);

/*
 * Shows what is there on @display, and what comes; the one before is told off()
 * for each output that it showed. NULL @display: nobody looks.
 */
void gpu_set_display(struct gpu *gpu, const struct display *display);
struct display_sink gpu_sink(struct gpu *gpu);

/*
 * For a transport whose guest memory may move (vhost-user's memory table):
 * gpu_memory_leave() before the old mappings go, answers what is parked and
 * forgets every host pointer; gpu_memory_enter() when struct gmem, the same as
 * given to gpu_create(), has the new ones. In between, no queue is served.
 * Backing that is no longer RAM is gone.
 */
void gpu_memory_leave(struct gpu *gpu);
void gpu_memory_enter(struct gpu *gpu);

void gpu_get_usage(struct gpu *gpu, struct gpu_usage *usage);
void gpu_get_stats(struct gpu *gpu, struct gpu_stats *stats);

#endif
