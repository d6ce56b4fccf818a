/* SPDX-License-Identifier: MIT */
#include "devices/registry.h"

extern const struct virtio_model virtio_rng_model, virtio_console_model, virtio_blk_model,
	virtio_net_model, virtio_balloon_model, virtio_vsock_model,
	virtio_share_model, virtio_gpu_model, virtio_input_model, virtio_vhost_user_model;

const struct virtio_model *const virtio_models[] = {
	&virtio_rng_model,
	&virtio_console_model,
	&virtio_blk_model,
	&virtio_net_model,
	&virtio_balloon_model,
	&virtio_vsock_model,
	&virtio_share_model,
	&virtio_gpu_model,
	&virtio_input_model,
	&virtio_vhost_user_model,
	NULL,
};
