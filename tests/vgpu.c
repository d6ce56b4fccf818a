/* SPDX-License-Identifier: MIT */
#include "tests/vgpu.h"

#include <stdlib.h>

void vgpu_init(struct vgpu *g, const struct gmem *mem, struct vdrv_ring *control,
	       struct vdrv_ring *cursor, uint64_t area, struct vgpu_port port)
{
	*g = (struct vgpu){
		.mem = mem,
		.rings = { control, cursor },
		.port = port,
		.request = area,
		.answers = area + VGPU_REQUEST_BYTES,
	};
	if (!gmem_ptr(mem, area, VGPU_AREA_BYTES))
		abort();
}

static uint64_t vgpu_slot(const struct vgpu *g, unsigned q, unsigned head)
{
	/* The cursor queue's answers have the last slot to themselves. */
	return g->answers + (q ? VGPU_SLOTS - 1 : head % (VGPU_SLOTS - 1)) * VGPU_ANSWER_BYTES;
}

/* Takes one used chain: its head, the answer's header in g->last; -1: there is none. */
static int vgpu_take(struct vgpu *g, unsigned q)
{
	int head = vdrv_used(g->rings[q], &g->last_len);

	if (head < 0)
		return -1;
	vdrv_set_used_event(g->rings[q], 0);
	memcpy(&g->last, gmem_ptr(g->mem, vgpu_slot(g, q, head), sizeof(g->last)),
	       sizeof(g->last));
	return head;
}

/* Takes answers until that to @want comes. */
static uint32_t vgpu_await(struct vgpu *g, unsigned q, int want)
{
	int head;

	while ((head = vgpu_take(g, q)) >= 0) {
		if (head == want)
			return g->last.type;
		if (g->n_late == VGPU_SLOTS)
			abort();
		g->late[g->n_late++] = g->last.type;
	}
	return 0;
}

uint32_t vgpu_send(struct vgpu *g, unsigned q, const void *out, uint32_t out_len, void *in,
		   uint32_t in_len)
{
	struct vdrv_ring *ring = g->rings[q];
	uint64_t slot = vgpu_slot(g, q, ring->free[ring->n_free - 1]);
	struct vdrv_buf bufs[2];
	unsigned n = 0;
	uint32_t type;
	int head;

	if (out_len > VGPU_REQUEST_BYTES || in_len > VGPU_ANSWER_BYTES)
		abort();
	memset(gmem_ptr(g->mem, slot, VGPU_ANSWER_BYTES), 0, sizeof(g->last));
	if (out_len) {
		memcpy(gmem_ptr(g->mem, g->request, out_len), out, out_len);
		bufs[n++] = (struct vdrv_buf)VDRV_OUT(g->request, out_len);
	}
	if (in_len)
		bufs[n++] = (struct vdrv_buf)VDRV_IN(slot, in_len);
	head = vdrv_add(ring, bufs, n);
	if (head < 0)
		abort();
	if (vdrv_wants_kick(ring))
		g->port.kick(g->port.ctx, q);
	g->port.wait(g->port.ctx, q);
	type = vgpu_await(g, q, head);
	if (in)
		memcpy(in, gmem_ptr(g->mem, slot, in_len), in_len);
	return type;
}

uint32_t vgpu_collect(struct vgpu *g)
{
	uint32_t type;

	if (!g->n_late)
		return vgpu_take(g, 0) < 0 ? 0 : g->last.type;
	type = g->late[0];
	memmove(g->late, g->late + 1, --g->n_late * sizeof(type));
	return type;
}

static void vgpu_fill(const struct vgpu *g, uint32_t type, void *cmd)
{
	struct virtio_gpu_ctrl_hdr hdr = g->next;

	hdr.type = type;
	memcpy(cmd, &hdr, sizeof(hdr));
}

uint32_t vgpu_command(struct vgpu *g, uint32_t type, void *cmd, uint32_t len)
{
	vgpu_fill(g, type, cmd);
	return vgpu_send(g, 0, cmd, len, NULL, sizeof(g->last));
}

uint32_t vgpu_create_2d(struct vgpu *g, uint32_t id, uint32_t format, uint32_t w, uint32_t h)
{
	struct virtio_gpu_resource_create_2d c = {
		.resource_id = id, .format = format, .width = w, .height = h,
	};

	return vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, &c, sizeof(c));
}

uint32_t vgpu_unref(struct vgpu *g, uint32_t id)
{
	struct virtio_gpu_resource_unref c = { .resource_id = id };

	return vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_UNREF, &c, sizeof(c));
}

/* A command with something behind it. */
static uint32_t vgpu_with_bytes(struct vgpu *g, uint32_t type, void *cmd, uint32_t len,
				const void *what, uint32_t bytes)
{
	uint32_t ret;
	char *buf = malloc(len + bytes);

	if (!buf)
		abort();
	vgpu_fill(g, type, cmd);
	memcpy(buf, cmd, len);
	if (bytes)
		memcpy(buf + len, what, bytes);
	ret = vgpu_send(g, 0, buf, len + bytes, NULL, sizeof(g->last));
	free(buf);
	return ret;
}

static uint32_t vgpu_with_entries(struct vgpu *g, uint32_t type, void *cmd, uint32_t len,
				  const struct virtio_gpu_mem_entry *entries, uint32_t n)
{
	return vgpu_with_bytes(g, type, cmd, len, entries, n * sizeof(*entries));
}

uint32_t vgpu_attach(struct vgpu *g, uint32_t id, const struct virtio_gpu_mem_entry *entries,
		     uint32_t n, uint32_t claimed)
{
	struct virtio_gpu_resource_attach_backing c = { .resource_id = id, .nr_entries = claimed };

	return vgpu_with_entries(g, VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, &c, sizeof(c), entries,
				 n);
}

uint32_t vgpu_attach_range(struct vgpu *g, uint32_t id, uint64_t gpa, uint32_t len)
{
	const struct virtio_gpu_mem_entry entry = { .addr = gpa, .length = len };

	return vgpu_attach(g, id, &entry, 1, 1);
}

uint32_t vgpu_detach(struct vgpu *g, uint32_t id)
{
	struct virtio_gpu_resource_detach_backing c = { .resource_id = id };

	return vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, &c, sizeof(c));
}

uint32_t vgpu_transfer(struct vgpu *g, uint32_t id, struct virtio_gpu_rect r, uint64_t offset)
{
	struct virtio_gpu_transfer_to_host_2d c = { .r = r, .offset = offset, .resource_id = id };

	return vgpu_command(g, VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, &c, sizeof(c));
}

uint32_t vgpu_set_scanout(struct vgpu *g, uint32_t output, uint32_t id, struct virtio_gpu_rect r)
{
	struct virtio_gpu_set_scanout c = { .r = r, .scanout_id = output, .resource_id = id };

	return vgpu_command(g, VIRTIO_GPU_CMD_SET_SCANOUT, &c, sizeof(c));
}

uint32_t vgpu_flush(struct vgpu *g, uint32_t id, struct virtio_gpu_rect r)
{
	struct virtio_gpu_resource_flush c = { .r = r, .resource_id = id };

	return vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_FLUSH, &c, sizeof(c));
}

uint32_t vgpu_create_blob(struct vgpu *g, struct virtio_gpu_resource_create_blob c,
			  const struct virtio_gpu_mem_entry *entries, uint32_t n)
{
	return vgpu_with_entries(g, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, &c, sizeof(c), entries, n);
}

uint32_t vgpu_set_scanout_blob(struct vgpu *g, struct virtio_gpu_set_scanout_blob c)
{
	return vgpu_command(g, VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, &c, sizeof(c));
}

/* --- 3D --------------------------------------------------------------------- */

/* With g->next's context replaced for one command. */
static uint32_t vgpu_in_ctx(struct vgpu *g, uint32_t ctx)
{
	uint32_t before = g->next.ctx_id;

	g->next.ctx_id = ctx;
	return before;
}

uint32_t vgpu_ctx_create(struct vgpu *g, uint32_t ctx, uint32_t init, const char *name)
{
	struct virtio_gpu_ctx_create c = { .nlen = strlen(name), .context_init = init };
	uint32_t before = vgpu_in_ctx(g, ctx), type;

	memcpy(c.debug_name, name, c.nlen < sizeof(c.debug_name) ? c.nlen : sizeof(c.debug_name));
	type = vgpu_command(g, VIRTIO_GPU_CMD_CTX_CREATE, &c, sizeof(c));
	vgpu_in_ctx(g, before);
	return type;
}

uint32_t vgpu_ctx_command(struct vgpu *g, uint32_t type, uint32_t ctx, uint32_t resource)
{
	struct virtio_gpu_ctx_resource c = { .resource_id = resource };
	uint32_t before = vgpu_in_ctx(g, ctx), ret = vgpu_command(g, type, &c, sizeof(c));

	vgpu_in_ctx(g, before);
	return ret;
}

uint32_t vgpu_create_3d(struct vgpu *g, struct virtio_gpu_resource_create_3d c)
{
	return vgpu_command(g, VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, &c, sizeof(c));
}

uint32_t vgpu_transfer_3d(struct vgpu *g, uint32_t type, uint32_t ctx,
			  struct virtio_gpu_transfer_host_3d c)
{
	uint32_t before = vgpu_in_ctx(g, ctx), ret = vgpu_command(g, type, &c, sizeof(c));

	vgpu_in_ctx(g, before);
	return ret;
}

uint32_t vgpu_submit(struct vgpu *g, uint32_t ctx, const void *commands, uint32_t len,
		     uint32_t claimed)
{
	struct virtio_gpu_cmd_submit c = { .size = claimed };
	uint32_t before = vgpu_in_ctx(g, ctx), ret;

	ret = vgpu_with_bytes(g, VIRTIO_GPU_CMD_SUBMIT_3D, &c, sizeof(c), commands, len);
	vgpu_in_ctx(g, before);
	return ret;
}

uint32_t vgpu_cursor(struct vgpu *g, uint32_t type, uint32_t output, uint32_t id, int32_t x,
		     int32_t y, uint32_t hot_x, uint32_t hot_y)
{
	struct virtio_gpu_update_cursor c = {
		.pos = { .scanout_id = output, .x = x, .y = y },
		.resource_id = id,
		.hot_x = hot_x,
		.hot_y = hot_y,
	};

	vgpu_fill(g, type, &c);
	return vgpu_send(g, 1, &c, sizeof(c), NULL, sizeof(g->last));
}
