/* SPDX-License-Identifier: MIT */
#include "devices/virtio/gpu_proto.h"

#include <errno.h>
#include <libdrm/drm_fourcc.h>

struct gpu_command_info {
	uint32_t type;
	uint32_t size;
	enum gpu_queue queue;
	const char *name;
};

#define COMMAND(q, name_, member) \
	{ VIRTIO_GPU_CMD_##name_, sizeof(((union gpu_command *)0)->member), q, #name_ }

static const struct gpu_command_info gpu_commands[] = {
	COMMAND(GPU_CONTROLQ, GET_DISPLAY_INFO, hdr),
	COMMAND(GPU_CONTROLQ, RESOURCE_CREATE_2D, create_2d),
	COMMAND(GPU_CONTROLQ, RESOURCE_UNREF, unref),
	COMMAND(GPU_CONTROLQ, SET_SCANOUT, set_scanout),
	COMMAND(GPU_CONTROLQ, RESOURCE_FLUSH, flush),
	COMMAND(GPU_CONTROLQ, TRANSFER_TO_HOST_2D, transfer_2d),
	COMMAND(GPU_CONTROLQ, RESOURCE_ATTACH_BACKING, attach),
	COMMAND(GPU_CONTROLQ, RESOURCE_DETACH_BACKING, detach),
	COMMAND(GPU_CONTROLQ, GET_CAPSET_INFO, capset_info),
	COMMAND(GPU_CONTROLQ, GET_CAPSET, capset),
	COMMAND(GPU_CONTROLQ, GET_EDID, get_edid),
	COMMAND(GPU_CONTROLQ, RESOURCE_ASSIGN_UUID, uuid),
	COMMAND(GPU_CONTROLQ, RESOURCE_CREATE_BLOB, create_blob),
	COMMAND(GPU_CONTROLQ, SET_SCANOUT_BLOB, set_scanout_blob),
	COMMAND(GPU_CONTROLQ, CTX_CREATE, ctx_create),
	COMMAND(GPU_CONTROLQ, CTX_DESTROY, hdr),
	COMMAND(GPU_CONTROLQ, CTX_ATTACH_RESOURCE, ctx_resource),
	COMMAND(GPU_CONTROLQ, CTX_DETACH_RESOURCE, ctx_resource),
	COMMAND(GPU_CONTROLQ, RESOURCE_CREATE_3D, create_3d),
	COMMAND(GPU_CONTROLQ, TRANSFER_TO_HOST_3D, transfer_3d),
	COMMAND(GPU_CONTROLQ, TRANSFER_FROM_HOST_3D, transfer_3d),
	COMMAND(GPU_CONTROLQ, SUBMIT_3D, submit),
	COMMAND(GPU_CONTROLQ, RESOURCE_MAP_BLOB, map_blob),
	COMMAND(GPU_CONTROLQ, RESOURCE_UNMAP_BLOB, unmap_blob),
	COMMAND(GPU_CURSORQ, UPDATE_CURSOR, cursor),
	COMMAND(GPU_CURSORQ, MOVE_CURSOR, cursor),
};

static const struct gpu_command_info *gpu_command_find(uint32_t type)
{
	for (unsigned i = 0; i < ARRAY_SIZE(gpu_commands); i++)
		if (gpu_commands[i].type == type)
			return &gpu_commands[i];
	return NULL;
}

size_t gpu_command_size(enum gpu_queue q, uint32_t type)
{
	const struct gpu_command_info *info = gpu_command_find(type);

	return info && info->queue == q ? info->size : 0;
}

const char *gpu_command_name(uint32_t type)
{
	const struct gpu_command_info *info = gpu_command_find(type);

	return info ? info->name : "unknown command";
}

struct virtio_gpu_ctrl_hdr gpu_answer_header(const struct virtio_gpu_ctrl_hdr *hdr, uint32_t type)
{
	struct virtio_gpu_ctrl_hdr answer = { .type = type };

	if (!(hdr->flags & VIRTIO_GPU_FLAG_FENCE))
		return answer;
	answer.flags = hdr->flags & (VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
	answer.fence_id = hdr->fence_id;
	answer.ctx_id = hdr->ctx_id;
	if (hdr->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX)
		answer.ring_idx = hdr->ring_idx;
	return answer;
}

uint32_t gpu_answer_type(int ret)
{
	switch (ret) {
	case 0:
		return VIRTIO_GPU_RESP_OK_NODATA;
	case -ENOMEM:
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	case -EINVAL:
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	case -ENXIO:
		return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
	case -ENOENT:
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	default:
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
}

/* virtio names bytes in memory, DRM bits of a little-endian word. */
uint32_t gpu_fourcc(uint32_t format)
{
	switch (format) {
	case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
		return DRM_FORMAT_ARGB8888;
	case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
		return DRM_FORMAT_XRGB8888;
	case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
		return DRM_FORMAT_BGRA8888;
	case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
		return DRM_FORMAT_BGRX8888;
	case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
		return DRM_FORMAT_ABGR8888;
	case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
		return DRM_FORMAT_RGBX8888;
	case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
		return DRM_FORMAT_RGBA8888;
	case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
		return DRM_FORMAT_XBGR8888;
	default:
		return 0;
	}
}

uint64_t gpu_image_bytes(uint32_t width, uint32_t height)
{
	uint64_t pixels = (uint64_t)width * height;

	return pixels > UINT64_MAX / 4 ? UINT64_MAX : pixels * 4;
}

bool gpu_rect_fits(const struct virtio_gpu_rect *r, uint32_t width, uint32_t height)
{
	return r->width && r->height && range_fits(r->x, r->width, width) &&
	       range_fits(r->y, r->height, height);
}

bool gpu_rect_clip(struct display_rect *out, const struct display_rect *a,
		   const struct display_rect *b)
{
	uint32_t x = MAX(a->x, b->x), y = MAX(a->y, b->y);
	uint32_t right = MIN(a->x + a->width, b->x + b->width);
	uint32_t bottom = MIN(a->y + a->height, b->y + b->height);

	if (x >= right || y >= bottom)
		return false;
	*out = (struct display_rect){ x, y, right - x, bottom - y };
	return true;
}

bool gpu_scanout_size_valid(uint32_t width, uint32_t height)
{
	return width >= GPU_MIN_SCANOUT && width <= DISPLAY_MAX_SIZE &&
	       height >= GPU_MIN_SCANOUT && height <= DISPLAY_MAX_SIZE;
}

bool gpu_scanout_blob_valid(const struct virtio_gpu_set_scanout_blob *c, uint64_t size)
{
	uint64_t bytes = (uint64_t)c->strides[0] * c->height;

	return gpu_fourcc(c->format) && gpu_scanout_size_valid(c->width, c->height) &&
	       gpu_scanout_size_valid(c->r.width, c->r.height) &&
	       gpu_rect_fits(&c->r, c->width, c->height) &&
	       c->strides[0] >= (uint64_t)c->width * 4 && range_fits(c->offsets[0], bytes, size);
}
