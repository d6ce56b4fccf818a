/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of virtio-gpu, over any two rings and whoever serves them:
 * a device in this process or another one. Every command takes a header's
 * fields from @next, so that a test can break any of them.
 */
#ifndef MICROVM_TESTS_VGPU_H
#define MICROVM_TESTS_VGPU_H

#include <linux/virtio_gpu.h>

#include "tests/vdrv.h"

/* Who serves the rings. */
struct vgpu_port {
	void (*kick)(void *ctx, unsigned q);
	/* Gives the device time: returns when it has answered, or after a while. */
	void (*wait)(void *ctx, unsigned q);
	void *ctx;
};

#define VGPU_REQUEST_BYTES (512u << 10)	/* of a command with its entries */
#define VGPU_ANSWER_BYTES 2048u
#define VGPU_SLOTS 32u		/* of answers, by head: a parked one stays */
#define VGPU_AREA_BYTES (VGPU_REQUEST_BYTES + VGPU_SLOTS * VGPU_ANSWER_BYTES)

struct vgpu {
	const struct gmem *mem;
	struct vdrv_ring *rings[2];	/* control, cursor */
	struct vgpu_port port;
	uint64_t request, answers;	/* guest memory, of the sizes above */
	struct virtio_gpu_ctrl_hdr next;	/* flags, fence, context of the next command */
	struct virtio_gpu_ctrl_hdr last;	/* header of the last answer */
	uint32_t last_len;		/* what the device said it wrote */
	uint32_t late[VGPU_SLOTS];	/* types of answers to earlier commands, oldest first */
	unsigned n_late;
};

/* @area: guest memory for VGPU_AREA_BYTES. */
void vgpu_init(struct vgpu *g, const struct gmem *mem, struct vdrv_ring *control,
	       struct vdrv_ring *cursor, uint64_t area, struct vgpu_port port);

/*
 * One command from start to end: its bytes as they are, an answer of up to
 * @in_len. The answer's type; 0 when none came, which is right for a parked one.
 */
uint32_t vgpu_send(struct vgpu *g, unsigned q, const void *out, uint32_t out_len, void *in,
		   uint32_t in_len);
/* The same with the type and g->next put into the header of @cmd, and no answer but a header. */
uint32_t vgpu_command(struct vgpu *g, uint32_t type, void *cmd, uint32_t len);
/* The answer to a command that was parked, if it has come by now: its type, or 0. */
uint32_t vgpu_collect(struct vgpu *g);

uint32_t vgpu_create_2d(struct vgpu *g, uint32_t id, uint32_t format, uint32_t w, uint32_t h);
uint32_t vgpu_unref(struct vgpu *g, uint32_t id);
/* Entries as they are; says @claimed of them in the header. */
uint32_t vgpu_attach(struct vgpu *g, uint32_t id, const struct virtio_gpu_mem_entry *entries,
		     uint32_t n, uint32_t claimed);
/* One piece. */
uint32_t vgpu_attach_range(struct vgpu *g, uint32_t id, uint64_t gpa, uint32_t len);
uint32_t vgpu_detach(struct vgpu *g, uint32_t id);
uint32_t vgpu_transfer(struct vgpu *g, uint32_t id, struct virtio_gpu_rect r, uint64_t offset);
uint32_t vgpu_set_scanout(struct vgpu *g, uint32_t output, uint32_t id, struct virtio_gpu_rect r);
uint32_t vgpu_flush(struct vgpu *g, uint32_t id, struct virtio_gpu_rect r);
uint32_t vgpu_create_blob(struct vgpu *g, struct virtio_gpu_resource_create_blob c,
			  const struct virtio_gpu_mem_entry *entries, uint32_t n);
uint32_t vgpu_set_scanout_blob(struct vgpu *g, struct virtio_gpu_set_scanout_blob c);
/* 3D, in the context @ctx whatever g->next says. */
uint32_t vgpu_ctx_create(struct vgpu *g, uint32_t ctx, uint32_t init, const char *name);
uint32_t vgpu_ctx_command(struct vgpu *g, uint32_t type, uint32_t ctx, uint32_t resource);
uint32_t vgpu_create_3d(struct vgpu *g, struct virtio_gpu_resource_create_3d c);
uint32_t vgpu_transfer_3d(struct vgpu *g, uint32_t type, uint32_t ctx,
			  struct virtio_gpu_transfer_host_3d c);
/* Says @claimed bytes in the header, sends @len. */
uint32_t vgpu_submit(struct vgpu *g, uint32_t ctx, const void *commands, uint32_t len,
		     uint32_t claimed);
uint32_t vgpu_cursor(struct vgpu *g, uint32_t type, uint32_t output, uint32_t id, int32_t x,
		     int32_t y, uint32_t hot_x, uint32_t hot_y);

#define VGPU_RECT(x_, y_, w_, h_) \
	((struct virtio_gpu_rect){ .x = (x_), .y = (y_), .width = (w_), .height = (h_) })

#endif
