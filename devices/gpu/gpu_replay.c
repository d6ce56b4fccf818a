/* SPDX-License-Identifier: MIT */
#include "devices/gpu/gpu_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/replay_memory.h"
#include "devices/virtio/gpu.h"
#include "devices/virtio/gpu_proto.h"
#include "vmm/log.h"

#define RING_BYTES (16 * KiB)
#define SLOTS (GPU_QUEUE_SIZE / 2)	/* commands in flight: two descriptors each */
#define ANSWER_BYTES (64 * KiB + sizeof(struct virtio_gpu_ctrl_hdr))
#define PATIENCE_NS 120000000000ull	/* for an answer; the renderer has its own, less by default */
#define MAX_COMPLAINTS 10

struct ring_area {
	struct vring_desc desc[GPU_QUEUE_SIZE];
	_Alignas(4) uint16_t avail[3 + GPU_QUEUE_SIZE];
	_Alignas(4) uint16_t used_flags;
	uint16_t used_idx;
	struct vring_used_elem used[GPU_QUEUE_SIZE];
	uint16_t avail_event;
};
_Static_assert(sizeof(struct ring_area) <= RING_BYTES, "fits");

struct own {
	union {
		struct ring_area ring;
		char room[RING_BYTES];
	} rings[GPU_QUEUES];
	char answer[ANSWER_BYTES];
	_Alignas(4096) char request[GPU_RECORD_MAX_PAYLOAD];
};

struct ring {
	struct ring_area *area;
	unsigned size;
	uint16_t avail_idx, used_idx;
	uint16_t free[SLOTS];
	unsigned n_free;
	bool busy[SLOTS];
};

struct gpu_replay {
	struct loop *loop;
	struct gpu_replay_params params;
	struct gpu *gpu;
	struct virtio_device *v;
	struct replay_memory memory;
	struct own *own;	/* in there */
	struct ring rings[GPU_QUEUES];
	bool started;
	uint32_t refused;	/* how the last command was, and no record has said so yet */
	struct gpu_replay_stats stats;
	struct picture pictures[DISPLAY_MAX_OUTPUTS];
};

/* --- the display ------------------------------------------------------------------ */

static void replay_set(void *ctx, unsigned output, const struct display_surface *surface)
{
	struct gpu_replay *p = ctx;

	picture_set(&p->pictures[output], surface);
}

static bool replay_flush(void *ctx, unsigned output, const struct display_rect *damage)
{
	struct gpu_replay *p = ctx;

	picture_flush(&p->pictures[output]);
	p->stats.frames++;
	if (p->params.frame)
		p->params.frame(p->params.ctx, p->stats.frames, output, &p->pictures[output]);
	return false;
}

static void replay_off(void *ctx, unsigned output)
{
	struct gpu_replay *p = ctx;

	picture_off(&p->pictures[output]);
}

static void replay_cursor(void *ctx, unsigned output, const struct display_cursor *cursor)
{
	struct gpu_replay *p = ctx;

	picture_cursor(&p->pictures[output], cursor);
}

static void replay_cursor_move(void *ctx, unsigned output, int32_t x, int32_t y)
{
	struct gpu_replay *p = ctx;

	picture_cursor_move(&p->pictures[output], x, y);
}

static const struct display_ops replay_display = {
	.set = replay_set,
	.flush = replay_flush,
	.off = replay_off,
	.cursor = replay_cursor,
	.cursor_move = replay_cursor_move,
};

/* --- memory ------------------------------------------------------------------------ */

/* The card's memory is another from here on. */
static int play_memory(struct gpu_replay *p, const struct gpu_recording *r)
{
	struct gmem_range ranges[GPU_RECORD_REGIONS];
	int ret;

	memcpy(ranges, r->payload, r->head.len);
	gpu_memory_leave(p->gpu);
	ret = replay_memory_set(&p->memory, ranges, r->head.len / sizeof(ranges[0]));
	gpu_memory_enter(p->gpu);
	return ret;
}

static int play_pages(struct gpu_replay *p, const struct gpu_recording *r)
{
	uint64_t gpa = load_le(r->payload, sizeof(gpa)), len = r->head.len - sizeof(gpa);

	p->stats.memory += len;
	return replay_memory_write(&p->memory, gpa, r->payload + sizeof(gpa), len);
}

static int play_zeros(struct gpu_replay *p, const struct gpu_recording *r)
{
	struct gmem_range range;

	memcpy(&range, r->payload, sizeof(range));
	return replay_memory_clear(&p->memory, range.gpa, range.len);
}

/* --- the driver --------------------------------------------------------------------- */

static void ignore_queue_irq(void *ctx, unsigned q)
{
}

static void ignore_config_irq(void *ctx)
{
}

static const struct virtio_transport_ops no_transport = {
	.queue_irq = ignore_queue_irq,
	.config_irq = ignore_config_irq,
};

static uint64_t own_gpa(const struct gpu_replay *p, const void *host)
{
	return REPLAY_OWN_GPA + ((const char *)host - (const char *)p->own);
}

static bool start_ring(struct gpu_replay *p, unsigned q, unsigned size)
{
	struct ring *ring = &p->rings[q];
	struct ring_area *area = &p->own->rings[q].ring;
	const struct virtio_queue_setup setup = {
		.size = size,
		.desc = own_gpa(p, area->desc),
		.avail = own_gpa(p, area->avail),
		.used = own_gpa(p, &area->used_flags),
	};

	memset(area, 0, sizeof(*area));
	*ring = (struct ring){ .area = area, .size = size };
	while (ring->n_free < size / 2) {
		ring->free[ring->n_free] = ring->n_free;
		ring->n_free++;
	}
	return virtio_start_queue(p->v, q, &setup);
}

/* What the driver took and this card has; nothing of how rings are. */
static uint64_t replay_features(const struct gpu_replay *p, uint64_t recorded)
{
	const uint64_t ours = BIT(VIRTIO_F_VERSION_1) - 1 - BIT(VIRTIO_RING_F_INDIRECT_DESC) -
			      BIT(VIRTIO_RING_F_EVENT_IDX);

	return (recorded & p->v->offered & ours) | BIT(VIRTIO_F_VERSION_1);
}

static int play_start(struct gpu_replay *p, const struct gpu_recording *r)
{
	uint64_t features = replay_features(p, load_le(r->payload, sizeof(uint64_t)));
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_set_status(p->v, 0);
	virtio_set_status(p->v, status);
	virtio_set_driver_features(p->v, 0, features);
	virtio_set_driver_features(p->v, 1, features >> 32);
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_set_status(p->v, status);
	if (!start_ring(p, GPU_CONTROLQ, GPU_QUEUE_SIZE) ||
	    !start_ring(p, GPU_CURSORQ, GPU_CURSOR_QUEUE_SIZE))
		return -EIO;
	virtio_set_status(p->v, status | VIRTIO_CONFIG_S_DRIVER_OK);
	p->started = true;
	return 0;
}

/* What has been answered; a file that has the card write into rings ends the play. */
static int collect(struct ring *ring)
{
	while (ring->used_idx != *(volatile uint16_t *)&ring->area->used_idx) {
		uint32_t head = ring->area->used[ring->used_idx % ring->size].id;

		if (head % 2 || head / 2 >= ring->size / 2 || !ring->busy[head / 2])
			return -EIO;
		ring->busy[head / 2] = false;
		ring->free[ring->n_free++] = head / 2;
		ring->used_idx++;
	}
	return 0;
}

/* Until @n commands of the queue are free. */
static int await(struct gpu_replay *p, struct ring *ring, unsigned n)
{
	uint64_t from = loop_now_ns();
	int ret = collect(ring);

	while (ret == 0 && ring->n_free < n) {
		unsigned before = ring->n_free;

		if (!virtio_running(p->v))
			return -EIO;
		loop_run_once(p->loop, 100);
		ret = collect(ring);
		if (ring->n_free != before)
			from = loop_now_ns();
		else if (loop_now_ns() - from > PATIENCE_NS)
			return -ETIMEDOUT;
	}
	return ret;
}

static void put_command(struct gpu_replay *p, struct ring *ring, size_t len)
{
	uint16_t slot = ring->free[--ring->n_free];
	struct vring_desc *desc = &ring->area->desc[2 * slot];

	ring->busy[slot] = true;
	desc[0] = (struct vring_desc){
		.addr = own_gpa(p, p->own->request), .len = len,
		.flags = VRING_DESC_F_NEXT, .next = 2 * slot + 1,
	};
	desc[1] = (struct vring_desc){
		.addr = own_gpa(p, p->own->answer), .len = ANSWER_BYTES,
		.flags = VRING_DESC_F_WRITE,
	};
	ring->area->avail[2 + ring->avail_idx % ring->size] = 2 * slot;
	ring->area->avail[1] = ++ring->avail_idx;
}

/* --- commands ------------------------------------------------------------------------- */

static void check_answer(struct gpu_replay *p, uint32_t recorded)
{
	const union gpu_command *c = (const void *)p->own->request;

	if (p->refused == recorded)
		return;
	p->stats.differ++;
	if (p->stats.differ <= MAX_COMPLAINTS)
		log_warn("command %llu, %s: the answer is %#x, and %#x is recorded",
			 (unsigned long long)p->stats.commands, gpu_command_name(c->hdr.type),
			 p->refused, recorded);
}

/* Of the command before, of which no record said that it failed. */
static void check_success(struct gpu_replay *p)
{
	if (p->refused)
		check_answer(p, 0);
	p->refused = 0;
}

static int play_refused(struct gpu_replay *p, const struct gpu_recording *r)
{
	check_answer(p, load_le(r->payload, sizeof(uint32_t)));
	p->refused = 0;
	return 0;
}

static int name_entry(void *ctx, uint64_t gpa, uint64_t len)
{
	struct gpu_replay *p = ctx;

	/* What is not RAM the card refuses. */
	return gmem_contains(&p->memory.mem, gpa, len) ?
	       replay_memory_name(&p->memory, gpa, len) : 0;
}

static int play_command(struct gpu_replay *p, const struct gpu_recording *r)
{
	unsigned q = r->head.arg;
	struct ring *ring = &p->rings[q];
	struct virtio_gpu_ctrl_hdr answer;
	int ret;

	check_success(p);
	ret = await(p, ring, 1);
	if (ret == 0 && q == GPU_CONTROLQ)
		ret = gpu_record_entries(r->payload, r->head.len, name_entry, p);
	if (ret < 0)
		return ret;
	memcpy(p->own->request, r->payload, r->head.len);
	memset(p->own->answer, 0, sizeof(answer));
	put_command(p, ring, r->head.len);
	virtio_kicked_queue(p->v, q);
	p->stats.commands++;
	p->stats.bytes += r->head.len;
	/* It is there as soon as the command is done, though it may not have been given back. */
	memcpy(&answer, p->own->answer, sizeof(answer));
	if (!answer.type)
		return -EIO;
	p->refused = answer.type >= VIRTIO_GPU_RESP_ERR_UNSPEC ? answer.type : 0;
	return 0;
}

static int play(struct gpu_replay *p, const struct gpu_recording *r)
{
	if (!p->started && r->head.type != GPU_RECORD_MEMORY && r->head.type != GPU_RECORD_START)
		return -EINVAL;
	switch (r->head.type) {
	case GPU_RECORD_MEMORY:
		return play_memory(p, r);
	case GPU_RECORD_START:
		return play_start(p, r);
	case GPU_RECORD_PAGES:
		return play_pages(p, r);
	case GPU_RECORD_ZEROS:
		return play_zeros(p, r);
	case GPU_RECORD_COMMAND:
		return play_command(p, r);
	default:
		return play_refused(p, r);
	}
}

int gpu_replay_run(struct gpu_replay *p, struct gpu_recording *r)
{
	int ret;

	do {
		ret = gpu_recording_next(r);
		if (ret > 0)
			ret = play(p, r) ?: 1;
	} while (ret > 0);
	if (ret < 0)
		return ret;
	/* What became of the last command nobody knows: it may have been the end of the recorder. */
	for (unsigned q = 0; q < GPU_QUEUES && p->started && ret == 0; q++)
		ret = await(p, &p->rings[q], p->rings[q].size / 2);
	return ret;
}

const struct gpu_replay_stats *gpu_replay_stats(const struct gpu_replay *p)
{
	return &p->stats;
}

/* --- life ------------------------------------------------------------------------------- */

static int make_card(struct gpu_replay *p)
{
	const struct gpu_params params = {
		.n_outputs = p->params.n_outputs,
		.n_plugged = p->params.n_outputs,
		.renderer = p->params.renderer,
	};
	const struct display display = { &replay_display, p };
	int ret = gpu_create(&p->gpu, p->loop, &p->memory.mem, &params);

	if (ret < 0)
		return ret;
	p->v = gpu_device(p->gpu);
	virtio_attach(p->v, &no_transport, p);
	gpu_set_display(p->gpu, &display);
	return 0;
}

int gpu_replay_create(struct gpu_replay **out, struct loop *loop,
		      const struct gpu_replay_params *params)
{
	struct gpu_replay *p = calloc(1, sizeof(*p));
	int ret = p ? replay_memory_init(&p->memory, align_up(sizeof(*p->own), GPU_PAGE)) : -ENOMEM;

	if (ret < 0) {
		log_error("replay: %s", strerror(-ret));
		free(p);
		return ret;
	}
	p->own = replay_memory_own(&p->memory);
	p->loop = loop;
	p->params = *params;
	ret = make_card(p);
	if (ret < 0) {
		replay_memory_finish(&p->memory);
		free(p);
		return ret;
	}
	*out = p;
	return 0;
}

void gpu_replay_destroy(struct gpu_replay *p)
{
	if (!p)
		return;
	virtio_set_status(p->v, 0);
	gpu_set_display(p->gpu, NULL);
	gpu_destroy(p->gpu);
	replay_memory_finish(&p->memory);
	free(p);
}
