/* SPDX-License-Identifier: MIT */
/* Split virtqueues (2.7): a table of descriptors, rings of available and of used heads. */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>

#include "devices/virtio/virtq_impl.h"
#include "vmm/util.h"

/* Indexes run free; a ring's size is a power of two. */
static unsigned virtq_slot(const struct virtq *q, uint16_t idx)
{
	return idx & (q->size - 1);
}

int virtq_split_enable(struct virtq *q)
{
	uint64_t n = q->size;

	/* Alignments and sizes: 2.7. */
	q->desc = virtq_part(q, q->desc_gpa, VRING_DESC_ALIGN_SIZE, 16 * n);
	q->avail = virtq_part(q, q->avail_gpa, VRING_AVAIL_ALIGN_SIZE, 6 + 2 * n);
	q->used = virtq_part(q, q->used_gpa, VRING_USED_ALIGN_SIZE, 6 + 8 * n);
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	q->next_avail = q->avail_idx = 0;
	q->next_used = q->used_idx = 0;
	return 0;
}

void virtq_set_base(struct virtq *q, uint16_t base)
{
	assert(!q->packed);
	q->next_avail = q->avail_idx = base;
	q->used_idx = q->next_used = ring_load(&q->used->idx, ACQUIRE);
}

int virtq_adopt(struct virtq *q)
{
	if (virtq_make_slots(q) < 0)
		return -ENOMEM;
	virtq_set_base(q, ring_load(&q->used->idx, ACQUIRE));
	return 0;
}

uint16_t virtq_base(const struct virtq *q)
{
	uint16_t base = q->next_avail;

	assert(!q->packed);
	for (unsigned i = 0; q->chains && i < q->max_size; i++)
		base -= virtq_holds(q, &q->chains[i]);
	return base;
}

/* --- taking chains --------------------------------------------------------- */

static struct vring_desc desc_load(const void *table, unsigned i)
{
	const char *p = (const char *)table + i * sizeof(struct vring_desc);
	uint64_t rest = virtq_load_once(p + 8);

	return (struct vring_desc){
		.addr = virtq_load_once(p),
		.len = rest,
		.flags = rest >> 32,
		.next = rest >> 48,
	};
}

/*
 * Collects the buffers of the chain that starts at @head; NULL or what is
 * wrong. @left bounds the walk whatever the links say (2.7.5.3.1).
 */
static const char *chain_walk(struct virtq_chain *c, const struct virtq *q, unsigned head)
{
	const void *table = q->desc;
	unsigned i = head, n = q->size, left = q->size;
	bool in_table = false;
	const char *error;

	virtq_chain_clear(c);
	for (;;) {
		struct vring_desc d;

		if (i >= n)
			return "descriptor index out of range";
		d = desc_load(table, i);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!q->indirect || in_table || d.flags & VRING_DESC_F_NEXT)
				return "indirect descriptor where none may be";
			error = virtq_find_table(q, d.addr, d.len, &table, &n);
			if (error)
				return error;
			in_table = true;
			i = 0;
			continue;
		}
		if (left-- == 0)
			return "chain longer than the queue";
		error = virtq_chain_add(c, q->mem, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (error || !(d.flags & VRING_DESC_F_NEXT))
			return error;
		i = d.next;
	}
}

/* The driver's index, read before the entries that it covers (2.7.13.3). */
static uint16_t avail_idx(const struct virtq *q)
{
	return ring_load(&q->avail->idx, ACQUIRE);
}

/* 2.7.10: a kick for the next chain, then another look lest one came in between. */
static void virtq_ask_kick(struct virtq *q)
{
	uint16_t *avail_event = (uint16_t *)&q->used->ring[q->size];

	q->kick_asked = true;
	if (!q->event_idx)
		return;
	ring_store(avail_event, q->next_avail, SEQ_CST);
	q->avail_idx = ring_load(&q->avail->idx, SEQ_CST);
}

static bool virtq_waiting(struct virtq *q)
{
	if (q->avail_idx == q->next_avail)
		q->avail_idx = avail_idx(q);
	if (q->avail_idx == q->next_avail && !q->kick_asked)
		virtq_ask_kick(q);
	if ((uint16_t)(q->avail_idx - q->next_avail) > q->size)
		q->broken = "available index jumped";
	return q->avail_idx != q->next_avail && !q->broken;
}

struct virtq_chain *virtq_split_pop(struct virtq *q)
{
	struct virtq_chain *c;
	uint16_t head;

	if (!virtq_waiting(q))
		return NULL;
	head = ring_load(&q->avail->ring[virtq_slot(q, q->next_avail)], RELAXED);
	if (head >= q->size) {
		q->broken = "head out of range";
		return NULL;
	}
	c = &q->chains[head];
	if (virtq_holds(q, c)) {
		q->broken = "head in flight twice";
		return NULL;
	}
	q->broken = chain_walk(c, q, head);
	if (q->broken)
		return NULL;
	q->next_avail++;
	return c;
}

/* --- giving them back ------------------------------------------------------ */

void virtq_split_push(struct virtq *q, struct virtq_chain *chain, uint32_t written)
{
	struct vring_used_elem *e = &q->used->ring[virtq_slot(q, q->next_used++)];

	ring_store(&e->id, (uint32_t)(chain - q->chains), RELAXED);
	ring_store(&e->len, written, RELAXED);
}

bool virtq_split_publish(struct virtq *q)
{
	uint16_t old = q->used_idx;

	if (q->next_used == old)
		return false;
	q->used_idx = q->next_used;
	/* After the elements, and before the look at what the driver wants (2.7.7.2, 2.7.14). */
	ring_store(&q->used->idx, q->used_idx, SEQ_CST);
	if (q->event_idx)
		return vring_need_event(ring_load(&q->avail->ring[q->size], SEQ_CST),
					q->used_idx, old);
	return !(ring_load(&q->avail->flags, SEQ_CST) & VRING_AVAIL_F_NO_INTERRUPT);
}
