/* SPDX-License-Identifier: MIT */
/*
 * What the files of virtio-gpu share; nobody else includes it.
 *
 *     gpu.c           life, configuration, fences of the renderer
 *     gpu_control.c   the control queue: dispatch, answers
 *     gpu_resource.c  resources, their backing and their limits
 *     gpu_3d.c        contexts, their commands, resources of 3D
 *     gpu_blob.c      the host's memory in the guest's
 *     gpu_scanout.c   what is shown, and what the guest is told of monitors
 *     gpu_monitor.c   the display's side: it comes, goes, and changes
 *     gpu_cursor.c    the cursor queue
 *     gpu_park.c      commands that wait for a frame or a fence
 *     gpu_tap.c       what a recording learns of it
 *     gpu_proto*.c    bytes and rules
 *
 * All on the loop's thread with v->lock held, unless said otherwise.
 */
#ifndef MICROVM_GPU_IMPL_H
#define MICROVM_GPU_IMPL_H

#include "devices/virtio/gpu.h"
#include "devices/virtio/gpu_proto.h"
#include "devices/virtio/shm_window.h"

#define GPU_BUCKETS 1024	/* of the table of resources; a power of two */
#define GPU_MAX_CAPSET (64 * KiB)
#define GPU_MAX_RINGS 64	/* of a context (5.7.2) */
#define GPU_CONTEXT_BUCKETS 64u
/* One SUBMIT_3D's commands; Mesa's are a quarter of that at most. */
#define GPU_MAX_SUBMIT (1 * MiB)

/*
 * Work of one turn of the loop, in bytes that a CPU moves or what takes as long;
 * virtio_kick() for the rest, so that windows and other queues have their turn.
 */
#define GPU_TURN_WORK (32 * MiB)
#define GPU_COMMAND_WORK (8 * KiB)	/* of any command */
#define GPU_BACKING_WORK 64		/* of an entry */
#define GPU_SUBMIT_WORK 16		/* of a byte of 3D's commands */
#define GPU_CONTEXT_WORK (2 * MiB)	/* of making one, or its end */
#define GPU_MAP_WORK (64 * KiB)		/* of mapping a blob, or its end, without its pages */
#define GPU_TURN_CURSORS (4 * GPU_CURSOR_QUEUE_SIZE)

#define GPU_POLL_NS 1000000ull	/* between looks at a renderer without a descriptor */
/* A display that has forgotten a frame does not stop the guest. */
#define GPU_FRAME_TIMEOUT_NS 100000000ull

/* At least as many as requests to map and unmap that any transport has under way. */
#define GPU_SHM_IDS 64

/* One command while it is worked on. */
struct gpu_request {
	struct virtq_chain *chain;
	union gpu_command cmd;		/* copied from the guest, once */
	union gpu_answer answer;	/* zeros but for what the handler puts there */
	size_t answer_len;		/* its header included */
	size_t data_len;		/* of what a handler has put behind the header */
	uint32_t frames;		/* outputs whose next frame is waited for */
	uint64_t shm_seq;		/* request to who maps memory that is waited for; 0: none */
};

/* One whose answer is written, but not pushed yet. */
struct gpu_parked {
	struct virtq_chain *chain;
	size_t len;
	uint32_t frames;		/* outputs */
	struct gpu_fence fence;		/* seq 0: none */
	uint64_t shm_seq;		/* 0: none */
};

struct gpu_context {
	uint32_t id;			/* the guest's, not 0 */
	unsigned slot;			/* its bit in gpu_resource.contexts */
	struct gpu_context *next;	/* in its bucket */
};

struct gpu_cursor {
	bool visible;
	bool image_due, move_due;	/* the display has yet to be told */
	uint32_t resource_id;		/* of the next image; 0 hides */
	uint32_t hot_x, hot_y;
	int32_t x, y;
	uint32_t *pixels;		/* GPU_CURSOR_SIZE squared, made at the first image */
};

struct gpu_output {
	struct display_output monitor;
	bool plugged;
	struct gpu_resource *res;	/* shown; NULL: nothing */
	struct gpu_scanout_view view;
	struct display_surface surface;
	bool told;			/* the display shows surface... */
	uint32_t told_width, told_height;	/* ...of this size */
	struct gpu_cursor cursor;
};

struct gpu {
	struct virtio_device v;
	struct gpu_renderer *renderer;
	uint64_t max_bytes;
	unsigned max_resources;
	struct display display;		/* ops NULL: none */
	unsigned n_outputs;
	struct gpu_output outputs[DISPLAY_MAX_OUTPUTS];
	struct gpu_resource *table[GPU_BUCKETS];
	struct gpu_context *contexts[GPU_CONTEXT_BUCKETS];
	uint64_t context_slots[GPU_MAX_CONTEXTS / 64];	/* by bit: taken */
	struct gpu_usage usage;
	struct gpu_stats stats;
	uint64_t work;			/* left of this turn */
	uint32_t events;		/* VIRTIO_GPU_EVENT_... */
	bool changed_again;		/* since DISPLAY of these, and before GET_DISPLAY_INFO */

	struct gpu_parked parked[GPU_QUEUE_SIZE];	/* usage.parked of them, oldest first */
	uint64_t fence_seq;		/* of the last fence */
	uint64_t shm_len;		/* bytes of the shared-memory region; 0: there is none */
	uint64_t shm_asked, shm_done;	/* requests to map and unmap, since the reset... */
	uint32_t shm_ids[GPU_SHM_IDS];	/* ...and whose those under way are */
	struct loop_timer frame_timer;	/* armed while a frame is waited for */
	struct loop_timer poll_timer;	/* while a fence is open and has no descriptor */
	struct loop_fd poll;
	struct gpu_record *record;	/* not owned; NULL: none */
};

static inline struct gpu *gpu_of(struct virtio_device *v)
{
	return container_of(v, struct gpu, v);
}

/* Takes @work from the turn. */
static inline void gpu_spend(struct gpu *g, uint64_t work)
{
	g->work -= MIN(g->work, work);
}

/*
 * Commands' handlers are given a command that is complete, with nothing in it
 * checked, and return VIRTIO_GPU_RESP_....
 */
#define GPU_HANDLER(name) uint32_t name(struct gpu *g, struct gpu_request *req)

static inline void gpu_lock(struct gpu *g)
{
	pthread_mutex_lock(&g->v.lock);
}

static inline void gpu_unlock(struct gpu *g)
{
	pthread_mutex_unlock(&g->v.lock);
}

/* --- gpu_control.c -------------------------------------------------------- */

void gpu_control_notify(struct gpu *g);
unsigned gpu_n_capsets(struct gpu *g);

/* --- gpu_monitor.c -------------------------------------------------------- */

/* Takes what is not 0 in @what; false: nothing is new. */
bool gpu_monitor_merge(struct display_output *m, const struct display_output *what);
/* Lets go of what the driver has seen (5.7.4). */
void gpu_events_clear(struct gpu *g, uint32_t events);

/* --- gpu_resource.c ------------------------------------------------------- */

GPU_HANDLER(gpu_resource_create_2d);
GPU_HANDLER(gpu_resource_create_blob);
GPU_HANDLER(gpu_resource_unref);
GPU_HANDLER(gpu_resource_attach);
GPU_HANDLER(gpu_resource_detach);
GPU_HANDLER(gpu_resource_uuid);
GPU_HANDLER(gpu_transfer_2d);

struct gpu_resource *gpu_resource_find(const struct gpu *g, uint32_t id);
/* VIRTIO_GPU_RESP_OK_NODATA: there may be a new one by this id that costs @bytes, @limit at most. */
uint32_t gpu_resource_admit(const struct gpu *g, uint32_t id, uint64_t bytes, uint64_t limit);
/* Costs @bytes once it is settled; NULL: out of memory. */
struct gpu_resource *gpu_resource_new(uint32_t id, enum gpu_resource_kind kind, uint64_t bytes);
/* The card's from now on, or freed when making it failed with @ret; the answer to the guest. */
uint32_t gpu_resource_settle(struct gpu *g, struct gpu_resource *res, int ret);
void gpu_resource_destroy_all(struct gpu *g);
/* The context in this slot has gone: nothing is attached to it. */
void gpu_resource_forget_context(struct gpu *g, unsigned slot);
/* Host addresses of all backing go, and come again; see gpu_memory_leave(). */
void gpu_resource_unmap_all(struct gpu *g);
void gpu_resource_map_all(struct gpu *g);

/* --- gpu_3d.c ------------------------------------------------------------- */

GPU_HANDLER(gpu_ctx_create);
GPU_HANDLER(gpu_ctx_destroy);
GPU_HANDLER(gpu_ctx_attach);
GPU_HANDLER(gpu_ctx_detach);
GPU_HANDLER(gpu_resource_create_3d);
GPU_HANDLER(gpu_transfer_to_host_3d);
GPU_HANDLER(gpu_transfer_from_host_3d);
GPU_HANDLER(gpu_submit);

bool gpu_context_exists(const struct gpu *g, uint32_t id);
void gpu_context_destroy_all(struct gpu *g);

/* --- gpu_blob.c ----------------------------------------------------------- */

GPU_HANDLER(gpu_map_blob);
GPU_HANDLER(gpu_unmap_blob);

/* No more commands for now: one of them could have nowhere to put its request. */
bool gpu_shm_is_full(struct gpu *g);
/* virtio_ops.shm_done */
void gpu_shm_done(struct virtio_device *v, bool ok);
/* The request that it takes to unmap @res, which is mapped; 0: none. */
uint64_t gpu_blob_unmap(struct gpu *g, struct gpu_resource *res);
/* A reset: who maps has unmapped everything. */
void gpu_shm_forget(struct gpu *g);

/* --- gpu_scanout.c -------------------------------------------------------- */

GPU_HANDLER(gpu_display_info);
GPU_HANDLER(gpu_get_edid);
GPU_HANDLER(gpu_set_scanout);
GPU_HANDLER(gpu_set_scanout_blob);
GPU_HANDLER(gpu_flush);

/* Output @n shows nothing any more. */
void gpu_scanout_off(struct gpu *g, unsigned n);
/* The outputs that show @res, likewise. */
void gpu_scanout_drop(struct gpu *g, struct gpu_resource *res);
/* Tells the display of output @n as if all of it were new, or that it is off though it is not. */
void gpu_scanout_tell(struct gpu *g, unsigned n);
void gpu_scanout_tell_off(struct gpu *g, unsigned n);

/* --- gpu_cursor.c --------------------------------------------------------- */

void gpu_cursor_notify(struct gpu *g);
void gpu_cursor_tell(struct gpu *g, unsigned n);
void gpu_cursor_hide(struct gpu *g, unsigned n);

/* --- gpu_park.c ----------------------------------------------------------- */

/*
 * Pushes p->chain with p->len bytes of answer, now or when all that it waits for
 * has come. virtio_signal() is the caller's.
 */
void gpu_park_or_push(struct gpu *g, const struct gpu_parked *p);
/* Request @seq of gpu_blob.c has been answered: an answer for a guest may become an error. */
void gpu_park_shm(struct gpu *g, uint64_t seq, bool ok);
/* The frames of @outputs have been shown, or will never be: pushes, without a signal. */
void gpu_park_frames(struct gpu *g, uint32_t outputs);
/* Everything up to @fence on its timeline is done. */
void gpu_park_fence(struct gpu *g, const struct gpu_fence *fence);
/* Everything on all timelines of context @ctx_id, which is gone. */
void gpu_park_context(struct gpu *g, uint32_t ctx_id);
/* The last number on the timeline of @fence that is waited for; 0: none. */
uint64_t gpu_park_last(const struct gpu *g, const struct gpu_fence *fence);
/* All that wait are answered, or, after a reset, forgotten. */
void gpu_park_flush(struct gpu *g);
void gpu_park_forget(struct gpu *g);
void gpu_park_timeout(void *arg);	/* a loop_timer's; takes the lock */

/* --- gpu_tap.c ------------------------------------------------------------ */

/* About to be done: a command of @size bytes and what follows them; the answer is an error. */
void gpu_tap_control(struct gpu *g, const struct gpu_request *req, size_t size);
void gpu_tap_refused(struct gpu *g, uint32_t type);
void gpu_tap_cursor(struct gpu *g, const struct virtio_gpu_update_cursor *c);

#endif
