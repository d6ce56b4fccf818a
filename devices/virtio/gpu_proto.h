/* SPDX-License-Identifier: MIT */
/*
 * virtio-gpu's commands and answers (virtio 1.3, 5.7.6) as bytes and rules: how
 * long each is, what may be asked on which queue, which numbers make sense
 * together. Pure: no device, no guest memory, no state; any thread.
 *
 * Everything here judges a copy of what the guest wrote.
 */
#ifndef MICROVM_GPU_PROTO_H
#define MICROVM_GPU_PROTO_H

#include <linux/virtio_gpu.h>

#include "devices/ui/display.h"
#include "vmm/util.h"

enum gpu_queue { GPU_CONTROLQ, GPU_CURSORQ, GPU_QUEUES };

/* Bytes that the driver may have the device read for one command, what follows it included. */
#define GPU_MAX_COMMAND (4 * MiB)

/* A command's fixed part. */
union gpu_command {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_cmd_get_edid get_edid;
	struct virtio_gpu_resource_create_2d create_2d;
	struct virtio_gpu_resource_unref unref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_set_scanout_blob set_scanout_blob;
	struct virtio_gpu_resource_flush flush;
	struct virtio_gpu_transfer_to_host_2d transfer_2d;
	struct virtio_gpu_resource_attach_backing attach;
	struct virtio_gpu_resource_detach_backing detach;
	struct virtio_gpu_resource_assign_uuid uuid;
	struct virtio_gpu_resource_create_blob create_blob;
	struct virtio_gpu_get_capset_info capset_info;
	struct virtio_gpu_get_capset capset;
	struct virtio_gpu_update_cursor cursor;
	struct virtio_gpu_ctx_create ctx_create;
	struct virtio_gpu_ctx_resource ctx_resource;
	struct virtio_gpu_resource_create_3d create_3d;
	struct virtio_gpu_transfer_host_3d transfer_3d;
	struct virtio_gpu_cmd_submit submit;
	struct virtio_gpu_resource_map_blob map_blob;
	struct virtio_gpu_resource_unmap_blob unmap_blob;
};

/* An answer, but for a capset's data. */
union gpu_answer {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_resp_display_info display_info;
	struct virtio_gpu_resp_edid edid;
	struct virtio_gpu_resp_resource_uuid uuid;
	struct virtio_gpu_resp_capset_info capset_info;
	struct virtio_gpu_resp_map_info map_info;
};

/*
 * Bytes of the fixed part of command @type on queue @q; 0 when that queue
 * knows no such command.
 */
size_t gpu_command_size(enum gpu_queue q, uint32_t type);

/* "RESOURCE_FLUSH"; "unknown command" for others. */
const char *gpu_command_name(uint32_t type);

/*
 * The beginning of an answer of @type to @hdr: its fence and ring come back
 * when it asked for a fence (5.7.6.7), and all other bytes are 0 (case 53).
 */
struct virtio_gpu_ctrl_hdr gpu_answer_header(const struct virtio_gpu_ctrl_hdr *hdr, uint32_t type);

/* VIRTIO_GPU_RESP_... for 0 or the negative errno of a renderer (gpu/renderer.h). */
uint32_t gpu_answer_type(int ret);

/* DRM_FORMAT_... for VIRTIO_GPU_FORMAT_...; 0 when there is no such format. */
uint32_t gpu_fourcc(uint32_t format);

/* Bytes of a 2D resource with rows without gaps; UINT64_MAX never fits any limit (case 37). */
uint64_t gpu_image_bytes(uint32_t width, uint32_t height);

/* Whether @r is not empty and lies within @width x @height; nothing wraps (case 45). */
bool gpu_rect_fits(const struct virtio_gpu_rect *r, uint32_t width, uint32_t height);
/* What @a and @b share, in the same coordinates; false: nothing. Neither may wrap. */
bool gpu_rect_clip(struct display_rect *out, const struct display_rect *a,
		   const struct display_rect *b);

/* A scanout below this in either direction is refused (case 48). */
#define GPU_MIN_SCANOUT 16
bool gpu_scanout_size_valid(uint32_t width, uint32_t height);

/*
 * Whether SET_SCANOUT_BLOB describes one plane of 32-bit pixels that lies in a
 * blob of @size bytes, with its rectangle in it (case 74).
 */
bool gpu_scanout_blob_valid(const struct virtio_gpu_set_scanout_blob *c, uint64_t size);

/* --- 3D (gpu_proto_3d.c) -------------------------------------------------- */

/* Width and height of a level of a texture, slices, layers and their product's factors. */
#define GPU_MAX_3D_SIZE 16384u
#define GPU_MAX_SAMPLES 32u

/*
 * Whether RESOURCE_CREATE_3D describes something that can be: sizes, layers,
 * levels and samples that go with its target (case 66). Formats and flags are the
 * renderer's to judge.
 */
bool gpu_create_3d_valid(const struct virtio_gpu_resource_create_3d *c);

/*
 * Bytes that such a resource costs the host at most, all its levels, layers and
 * samples included.
 */
uint64_t gpu_create_3d_bytes(const struct virtio_gpu_resource_create_3d *c);

#endif
