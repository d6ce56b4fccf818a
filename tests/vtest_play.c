/* SPDX-License-Identifier: MIT */
#include "tests/vtest_play.h"

#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/must.h"

#define MAX_RESOURCES 64
#define MAX_ENTRIES 16384
#define TRANSFER3D 43
#define COPY_TRANSFER3D 45

struct resource {
	uint32_t id;			/* 0: a free slot */
	bool y_0_top;
	struct virtio_gpu_mem_entry *entries;
	uint32_t n_entries;
};

struct teller {
	struct vtest *server;
	struct gmem mem;
	struct resource resources[MAX_RESOURCES];
	uint32_t shown;			/* the resource on the monitor */
	uint64_t flushes;
	const struct vtest_play *play;
};

static struct resource *find(struct teller *t, uint32_t id)
{
	for (unsigned i = 0; i < MAX_RESOURCES; i++)
		if (t->resources[i].id == id)
			return &t->resources[i];
	return NULL;
}

static void tell_create(struct teller *t, const struct virtio_gpu_resource_create_3d *c)
{
	const struct gpu_create_3d args = {
		.target = c->target, .format = c->format, .bind = c->bind, .width = c->width,
		.height = c->height, .depth = c->depth, .array_size = c->array_size,
		.last_level = c->last_level, .nr_samples = c->nr_samples,
	};
	struct resource *res = find(t, 0);

	must(res);
	*res = (struct resource){
		.id = c->resource_id, .y_0_top = c->flags & VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
	};
	vtest_create(t->server, c->resource_id, &args);
}

static void forget(struct resource *res)
{
	free(res->entries);
	*res = (struct resource){ 0 };
}

static void tell_unref(struct teller *t, uint32_t id)
{
	struct resource *res = find(t, id);

	if (!res)
		return;
	vtest_unref(t->server, id);
	forget(res);
}

static void note_backing(struct teller *t, const struct virtio_gpu_resource_attach_backing *c)
{
	struct resource *res = find(t, c->resource_id);
	size_t len = c->nr_entries * sizeof(res->entries[0]);

	if (!res)
		return;
	must(c->nr_entries <= MAX_ENTRIES && !res->entries);
	res->entries = malloc(len);
	must(res->entries);
	memcpy(res->entries, c + 1, len);
	res->n_entries = c->nr_entries;
}

static void gather(const struct teller *t, const struct resource *res, uint64_t off, void *to,
		   uint64_t len)
{
	char *p = to;

	for (uint32_t i = 0; i < res->n_entries && len; i++) {
		const struct virtio_gpu_mem_entry *e = &res->entries[i];
		uint64_t n = off < e->length ? MIN(len, e->length - off) : 0;

		if (n)
			must(gmem_read(&t->mem, e->addr + off, p, n) == 0);
		off -= MIN(off, e->length);
		p += n;
		len -= n;
	}
	must(!len);
}

/* To the host, of a buffer or of one layer. */
static void tell_transfer(struct teller *t, const struct gpu_transfer *x, uint32_t to,
			  uint32_t from)
{
	struct resource *res = find(t, from);
	uint32_t len = x->stride ? x->stride * x->box.h : x->box.w;
	void *data = malloc(len);

	must(res && data && x->box.d == 1);
	gather(t, res, x->offset, data, len);
	vtest_put(t->server, to, x, data, len);
	free(data);
}

static bool is_transfer(const uint32_t *packet)
{
	return (packet[0] & 0xff) == TRANSFER3D || (packet[0] & 0xff) == COPY_TRANSFER3D;
}

static void tell_packet(struct teller *t, const uint32_t *packet)
{
	bool copy = (packet[0] & 0xff) == COPY_TRANSFER3D;
	const struct gpu_transfer x = {
		.level = packet[2], .stride = packet[4], .layer_stride = packet[5],
		.box = { packet[6], packet[7], packet[8], packet[9], packet[10], packet[11] },
		.offset = packet[copy ? 13 : 12],
	};

	tell_transfer(t, &x, packet[1], packet[copy ? 12 : 1]);
}

/* The server has no guest memory: what would be read of it is told when its turn comes. */
static void tell_submit(struct teller *t, const uint32_t *words, uint32_t n)
{
	uint32_t from = 0, i, packet;

	for (i = 0; i < n; i += packet) {
		packet = 1 + (words[i] >> 16);
		if (!is_transfer(words + i))
			continue;
		if (i > from)
			vtest_submit(t->server, words + from, i - from);
		tell_packet(t, words + i);
		from = i + packet;
	}
	if (n > from)
		vtest_submit(t->server, words + from, n - from);
}

static void tell_flush(struct teller *t, uint32_t id)
{
	const struct vtest_play *play = t->play;
	struct resource *res = find(t, id);

	if (id != t->shown)
		return;
	t->flushes++;
	if (res && play->frame)
		play->frame(play->ctx, t->flushes, id, res->y_0_top);
}

static void tell_command(struct teller *t, const struct gpu_recording *r)
{
	const union gpu_command *c = (const void *)r->payload;

	switch (c->hdr.type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
		tell_create(t, &c->create_3d);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		tell_unref(t, c->unref.resource_id);
		break;
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		note_backing(t, &c->attach);
		break;
	case VIRTIO_GPU_CMD_SUBMIT_3D:
		tell_submit(t, (const uint32_t *)(&c->submit + 1), c->submit.size / 4);
		break;
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		t->shown = c->set_scanout.resource_id;
		break;
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		tell_flush(t, c->flush.resource_id);
		break;
	}
}

static void tell(struct teller *t, const struct gpu_recording *r)
{
	struct gmem_range ranges[GPU_RECORD_REGIONS];

	switch (r->head.type) {
	case GPU_RECORD_MEMORY:
		memcpy(ranges, r->payload, r->head.len);
		gmem_finish(&t->mem);
		must(gmem_init_private(&t->mem, ranges, r->head.len / sizeof(ranges[0])) == 0);
		break;
	case GPU_RECORD_PAGES:
		must(gmem_write(&t->mem, load_le(r->payload, 8), r->payload + 8,
				r->head.len - 8) == 0);
		break;
	case GPU_RECORD_COMMAND:
		if (r->head.arg == GPU_CONTROLQ)
			tell_command(t, r);
		break;
	}
}

void vtest_play(struct vtest *server, struct gpu_recording *r, const struct vtest_play *play)
{
	struct teller *t = calloc(1, sizeof(*t));

	must(t);
	t->server = server;
	t->play = play;
	t->mem.fd = -1;
	while (gpu_recording_next(r) > 0)
		tell(t, r);
	for (unsigned i = 0; i < MAX_RESOURCES; i++)
		forget(&t->resources[i]);
	gmem_finish(&t->mem);
	free(t);
}
