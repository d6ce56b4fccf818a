/* SPDX-License-Identifier: MIT */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/virtio.h"

void virtio_find(struct virtio *v, unsigned id)
{
	if (virtio_find_mmio(v, id, 0) || virtio_find_pci(v, id, 0))
		return;
	print("no virtio device of id %u\n", id);
	result(PAYLOAD_SKIP);
}

void virtio_reset(struct virtio *v)
{
	v->t->set_status(v, 0);
	WAIT_FOR(v->t->status(v) == 0);
}

uint64_t virtio_offered(struct virtio *v)
{
	return v->t->features(v, 0) | (uint64_t)v->t->features(v, 1) << 32;
}

void virtio_negotiate(struct virtio *v, uint64_t features)
{
	const uint8_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_reset(v);
	v->t->set_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	v->t->set_status(v, found);
	if (features & ~virtio_offered(v))
		FAIL("features 0x%llx of 0x%llx are not offered",
		     (unsigned long long)(features & ~virtio_offered(v)),
		     (unsigned long long)features);
	v->t->set_features(v, 0, features);
	v->t->set_features(v, 1, features >> 32);
	v->t->set_status(v, found | VIRTIO_CONFIG_S_FEATURES_OK);
	CHECK_EQ(v->t->status(v), found | VIRTIO_CONFIG_S_FEATURES_OK);
}

void virtio_driver_ok(struct virtio *v)
{
	uint8_t status = v->t->status(v) | VIRTIO_CONFIG_S_DRIVER_OK;

	v->t->set_status(v, status);
	CHECK_EQ(v->t->status(v), status);
}

bool virtio_needs_reset(struct virtio *v)
{
	return v->t->status(v) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static unsigned avail_len(unsigned size)
{
	return 6 + 2 * size;
}

static unsigned used_len(unsigned size)
{
	return 6 + 8 * size;
}

void virtq_alloc(struct virtq *q, struct virtio *v, unsigned index)
{
	*q = (struct virtq){ .v = v, .index = index, .size = VIRTQ_SIZE };
	q->desc = mem_alloc(q->size * sizeof(struct vring_desc), 16);
	q->avail = mem_alloc(avail_len(q->size), 2);
	q->used = mem_alloc(used_len(q->size), 4);
}

void virtq_enable(struct virtq *q)
{
	struct virtio *v = q->v;

	memset((void *)q->desc, 0, q->size * sizeof(struct vring_desc));
	memset((void *)q->avail, 0, avail_len(q->size));
	memset((void *)q->used, 0, used_len(q->size));
	q->used_idx = 0;
	v->t->select_queue(v, q->index);
	CHECK(v->t->queue_max(v) >= q->size);
	v->t->set_queue_size(v, q->size);
	v->t->set_queue_rings(v, gpa_of(q->desc), gpa_of(q->avail), gpa_of(q->used));
	v->t->enable_queue(v);
	CHECK(v->t->queue_enabled(v));
}

void virtq_set_desc(struct virtq *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		    uint16_t next)
{
	q->desc[i].addr = addr;
	q->desc[i].len = len;
	q->desc[i].flags = flags;
	q->desc[i].next = next;
}

void virtq_add(struct virtq *q, uint16_t head)
{
	q->avail->ring[q->avail->idx % q->size] = head;
	barrier();
	q->avail->idx++;
}

void virtq_kick(struct virtq *q)
{
	full_barrier();
	q->v->t->notify(q->v, q->index);
}

bool virtq_has_used(struct virtq *q)
{
	return q->used->idx != q->used_idx;
}

struct vring_used_elem virtq_wait(struct virtq *q)
{
	struct vring_used_elem e;

	WAIT_FOR(virtq_has_used(q));
	barrier();
	e.id = q->used->ring[q->used_idx % q->size].id;
	e.len = q->used->ring[q->used_idx % q->size].len;
	q->used_idx++;
	return e;
}

volatile uint16_t *virtq_used_event(struct virtq *q)
{
	return &q->avail->ring[q->size];
}

uint16_t virtq_avail_event(struct virtq *q)
{
	return *(volatile uint16_t *)&q->used->ring[q->size];
}
