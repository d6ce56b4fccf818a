/* SPDX-License-Identifier: MIT */
#include "devices/virtio/gpu.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "devices/gpu/gpu_record.h"
#include "devices/virtio/gpu_impl.h"

#define GPU_FEATURES                                                                               \
	(BIT(VIRTIO_GPU_F_EDID) | BIT(VIRTIO_GPU_F_RESOURCE_UUID) | BIT(VIRTIO_GPU_F_RESOURCE_BLOB))

static void gpu_notify(struct virtio_device *v, unsigned q)
{
	if (q == GPU_CONTROLQ)
		gpu_control_notify(gpu_of(v));
	else
		gpu_cursor_notify(gpu_of(v));
}

/* --- configuration (5.7.4) ------------------------------------------------ */

static void gpu_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	struct gpu *g = gpu_of(v);
	const struct virtio_gpu_config config = {
		.events_read = g->events,
		.num_scanouts = g->n_outputs,
		.num_capsets = gpu_n_capsets(g),
	};

	memcpy(buf, (const uint8_t *)&config + off, len);
}

static void gpu_config_write(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len)
{
	if (off == offsetof(struct virtio_gpu_config, events_clear) && len == sizeof(uint32_t))
		gpu_events_clear(gpu_of(v), load_le(buf, len));
}

/* --- reset ---------------------------------------------------------------- */

/* On the loop's thread, where displays and renderers are used. */
static void gpu_stop(void *arg)
{
	struct gpu *g = arg;

	gpu_lock(g);
	gpu_park_forget(g);
	for (unsigned i = 0; i < g->n_outputs; i++) {
		gpu_scanout_off(g, i);
		gpu_cursor_hide(g, i);
	}
	gpu_shm_forget(g);
	gpu_context_destroy_all(g);
	gpu_resource_destroy_all(g);
	g->renderer->ops->reset(g->renderer);
	loop_timer_disarm(g->v.loop, &g->poll_timer);
	g->events = 0;
	g->changed_again = false;
	gpu_record_forget_start(g->record);
	gpu_unlock(g);
}

static void gpu_quiesce(struct virtio_device *v)
{
	loop_call(v->loop, gpu_stop, gpu_of(v));
}

static const struct virtio_ops gpu_ops = {
	.name = "virtio-gpu",
	.id = VIRTIO_ID_GPU,
	.pci_class = 0x038000,	/* display controller, other: no VGA */
	.config_read = gpu_config_read,
	.config_write = gpu_config_write,
	.notify = gpu_notify,
	.quiesce = gpu_quiesce,
	.shm_done = gpu_shm_done,
};

/* --- the renderer's fences ------------------------------------------------ */

/* From within poll(). */
static void gpu_fence_done(void *ctx, const struct gpu_fence *fence)
{
	gpu_park_fence(ctx, fence);
}

static bool gpu_fence_open(const struct gpu *g)
{
	for (unsigned i = 0; i < g->usage.parked; i++)
		if (g->parked[i].fence.seq)
			return true;
	return false;
}

static void gpu_poll(void *arg)
{
	struct gpu *g = arg;

	gpu_lock(g);
	g->renderer->ops->poll(g->renderer);
	virtio_signal(&g->v, GPU_CONTROLQ);
	if (g->poll.fd < 0 && gpu_fence_open(g))
		loop_timer_arm(g->v.loop, &g->poll_timer, GPU_POLL_NS);
	gpu_unlock(g);
}

static void gpu_poll_fd(void *arg, uint32_t events)
{
	gpu_poll(arg);
}

static int gpu_poll_init(struct gpu *g)
{
	const struct gpu_renderer_ops *ops = g->renderer->ops;
	int fd = ops->poll_fd ? ops->poll_fd(g->renderer) : -1;

	g->frame_timer = (struct loop_timer){ .cb = gpu_park_timeout, .arg = g };
	g->poll_timer = (struct loop_timer){ .cb = gpu_poll, .arg = g };
	g->poll.fd = -1;
	return fd < 0 ? 0 : loop_add(g->v.loop, &g->poll, fd, EPOLLIN, gpu_poll_fd, g);
}

/* --- life ----------------------------------------------------------------- */

static void gpu_init_outputs(struct gpu *g, const struct gpu_params *params)
{
	const struct display_output defaults = {
		.width = GPU_DEFAULT_WIDTH,
		.height = GPU_DEFAULT_HEIGHT,
		.refresh_mhz = GPU_DEFAULT_REFRESH_MHZ,
	};

	g->n_outputs = params->n_outputs;
	for (unsigned i = 0; i < g->n_outputs; i++) {
		struct gpu_output *out = &g->outputs[i];

		out->plugged = i < params->n_plugged;
		gpu_monitor_merge(&out->monitor, &defaults);
		gpu_monitor_merge(&out->monitor, &params->output);
	}
}

static int gpu_init(struct gpu *g, struct loop *loop, const struct gmem *mem)
{
	static const uint16_t sizes[GPU_QUEUES] = { GPU_QUEUE_SIZE, GPU_CURSOR_QUEUE_SIZE };
	const struct gpu_renderer_ops *ops = g->renderer->ops;
	uint64_t features = GPU_FEATURES | (ops->features ? ops->features(g->renderer) : 0);
	int ret = virtio_init(&g->v, &gpu_ops, loop, mem, sizes, GPU_QUEUES, features,
			      sizeof(struct virtio_gpu_config));

	if (ret < 0)
		return ret;
	g->renderer->host.fence_done = gpu_fence_done;
	g->renderer->host.ctx = g;
	ret = gpu_poll_init(g);
	if (ret < 0)
		virtio_finish(&g->v);
	return ret;
}

int gpu_create(struct gpu **out, struct loop *loop, const struct gmem *mem,
	       const struct gpu_params *params)
{
	struct gpu *g = calloc(1, sizeof(*g));
	int ret = g ? 0 : -ENOMEM;

	assert(params->n_outputs >= 1 && params->n_outputs <= DISPLAY_MAX_OUTPUTS);
	if (ret == 0) {
		g->renderer = params->renderer;
		g->record = params->record;
		g->max_bytes = params->max_bytes ? params->max_bytes :
			       g->renderer && g->renderer->ops->create_3d ? GPU_MAX_BYTES_3D :
									    GPU_MAX_BYTES;
		g->max_resources = params->max_resources ? params->max_resources :
							   GPU_MAX_RESOURCES;
		g->shm_len = params->hostmem;
		gpu_init_outputs(g, params);
		ret = g->renderer ? 0 : gpu_2d_create(&g->renderer);
	}
	if (ret == 0) {
		ret = gpu_init(g, loop, mem);
		if (ret < 0 && !params->renderer)
			g->renderer->ops->destroy(g->renderer);
	}
	if (ret < 0) {
		log_error("virtio-gpu: cannot be made: %s", strerror(-ret));
		free(g);
		return ret;
	}
	*out = g;
	return 0;
}

void gpu_destroy(struct gpu *g)
{
	if (!g)
		return;
	gpu_stop(g);
	loop_remove(g->v.loop, &g->poll);
	g->renderer->ops->destroy(g->renderer);
	virtio_finish(&g->v);
	free(g);
}

struct virtio_device *gpu_device(struct gpu *g)
{
	return &g->v;
}

void gpu_memory_leave(struct gpu *g)
{
	gpu_lock(g);
	gpu_park_flush(g);
	virtio_signal(&g->v, GPU_CONTROLQ);
	/* Who shows a blob looks at guest memory. */
	for (unsigned i = 0; i < g->n_outputs; i++)
		if (g->outputs[i].res && g->outputs[i].res->kind == GPU_RESOURCE_BLOB)
			gpu_scanout_tell_off(g, i);
	gpu_resource_unmap_all(g);
	gpu_unlock(g);
}

static void gpu_memory_show(struct gpu *g, unsigned n)
{
	struct gpu_output *out = &g->outputs[n];

	if (!out->res || out->res->kind != GPU_RESOURCE_BLOB)
		return;
	if (g->renderer->ops->surface(g->renderer, out->res, &out->view, &out->surface) < 0)
		gpu_scanout_off(g, n);
	else
		gpu_scanout_tell(g, n);
}

void gpu_memory_enter(struct gpu *g)
{
	gpu_lock(g);
	gpu_resource_map_all(g);
	gpu_record_forget_memory(g->record);
	for (unsigned i = 0; i < g->n_outputs; i++)
		gpu_memory_show(g, i);
	gpu_unlock(g);
}

void gpu_get_usage(struct gpu *g, struct gpu_usage *usage)
{
	gpu_lock(g);
	*usage = g->usage;
	gpu_unlock(g);
}

void gpu_get_stats(struct gpu *g, struct gpu_stats *stats)
{
	gpu_lock(g);
	*stats = g->stats;
	stats->read_backs = g->renderer->read_backs;
	gpu_unlock(g);
}
