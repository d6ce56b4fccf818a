/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtq.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util.h"

/*
 * The driver writes the rings and tables at any time, so they are accessed by
 * atomic loads and stores only: each value is read exactly once.
 */
#define ring_load(p, order) __atomic_load_n(p, __ATOMIC_##order)
#define ring_store(p, v, order) __atomic_store_n(p, v, __ATOMIC_##order)

/* Indexes run free; a ring's size is a power of two. */
static unsigned virtq_slot(const struct virtq *q, uint16_t idx)
{
	return idx & (q->size - 1);
}

/* --- life ------------------------------------------------------------------ */

void virtq_init(struct virtq *q, const struct gmem *mem, unsigned index, uint16_t max_size)
{
	assert(is_pow2(max_size) && max_size <= VIRTQ_MAX_SIZE);
	*q = (struct virtq){ .mem = mem, .index = index, .max_size = max_size };
	virtq_reset(q);
}

void virtq_finish(struct virtq *q)
{
	for (unsigned i = 0; q->chains && i < q->max_size; i++)
		if (q->chains[i].segs != q->chains[i].inline_segs)
			free(q->chains[i].segs);
	free(q->chains);
	q->chains = NULL;
}

void virtq_reset(struct virtq *q)
{
	q->size = q->max_size;
	q->desc_gpa = q->avail_gpa = q->used_gpa = 0;
	q->enabled = false;
	q->broken = NULL;
	q->generation++;
}

static int virtq_make_slots(struct virtq *q)
{
	if (q->chains)
		return 0;
	q->chains = calloc(q->max_size, sizeof(q->chains[0]));
	if (!q->chains)
		return -ENOMEM;
	for (unsigned i = 0; i < q->max_size; i++) {
		q->chains[i].segs = q->chains[i].inline_segs;
		q->chains[i].capacity = VIRTQ_INLINE_SEGS;
	}
	return 0;
}

static void *virtq_part(const struct virtq *q, uint64_t gpa, uint64_t align, uint64_t len)
{
	return gpa % align ? NULL : gmem_ptr(q->mem, gpa, len);
}

int virtq_enable(struct virtq *q, uint64_t features)
{
	uint64_t n = q->size;

	if (!is_pow2(n) || n > q->max_size)
		return -EINVAL;
	/* Alignments and sizes: 2.7. */
	q->desc = virtq_part(q, q->desc_gpa, VRING_DESC_ALIGN_SIZE, 16 * n);
	q->avail = virtq_part(q, q->avail_gpa, VRING_AVAIL_ALIGN_SIZE, 6 + 2 * n);
	q->used = virtq_part(q, q->used_gpa, VRING_USED_ALIGN_SIZE, 6 + 8 * n);
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	if (!q->external && virtq_make_slots(q) < 0)
		return -ENOMEM;
	q->indirect = features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	q->event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
	q->kick_asked = false;
	q->next_avail = q->avail_idx = 0;
	q->next_used = q->used_idx = 0;
	q->enabled = true;
	return 0;
}

int virtq_adopt(struct virtq *q)
{
	if (virtq_make_slots(q) < 0)
		return -ENOMEM;
	q->used_idx = q->next_used = ring_load(&q->used->idx, ACQUIRE);
	q->next_avail = q->avail_idx = q->used_idx;
	return 0;
}

void virtq_set_base(struct virtq *q, uint16_t base)
{
	q->next_avail = q->avail_idx = base;
	q->used_idx = q->next_used = ring_load(&q->used->idx, ACQUIRE);
}

static bool virtq_holds(const struct virtq *q, const struct virtq_chain *c)
{
	return c->busy && c->generation == q->generation;
}

uint16_t virtq_base(const struct virtq *q)
{
	uint16_t base = q->next_avail;

	for (unsigned i = 0; q->chains && i < q->max_size; i++)
		base -= virtq_holds(q, &q->chains[i]);
	return base;
}

/* --- taking chains --------------------------------------------------------- */

/* Indirect tables may lie at any address (2.7.5.3). */
struct unaligned_u64 {
	uint64_t v;
} __attribute__((packed, may_alias));

static uint64_t load_once(const void *p)
{
	if ((uintptr_t)p % sizeof(uint64_t) == 0)
		return ring_load((const uint64_t *)p, RELAXED);
	return ((const volatile struct unaligned_u64 *)p)->v;
}

static struct vring_desc desc_load(const void *table, unsigned i)
{
	const char *p = (const char *)table + i * sizeof(struct vring_desc);
	uint64_t rest = load_once(p + 8);

	return (struct vring_desc){
		.addr = load_once(p),
		.len = rest,
		.flags = rest >> 32,
		.next = rest >> 48,
	};
}

static bool chain_grow(struct virtq_chain *c)
{
	bool is_inline = c->segs == c->inline_segs;
	struct iovec *segs = realloc(is_inline ? NULL : c->segs, 2 * c->capacity * sizeof(*segs));

	if (!segs)
		return false;
	if (is_inline)
		memcpy(segs, c->inline_segs, sizeof(c->inline_segs));
	c->segs = segs;
	c->capacity *= 2;
	return true;
}

/* Appends a buffer, piece by piece where it spans regions of RAM; NULL or what is wrong. */
static const char *chain_add(struct virtq_chain *c, const struct gmem *mem,
			     const struct vring_desc *d)
{
	bool write = d->flags & VRING_DESC_F_WRITE;
	uint64_t gpa = d->addr, len = d->len;

	if (c->n_write && !write)
		return "readable after writable descriptor";
	if (c->readable + c->writable + len > UINT32_MAX)
		return "chain of 4 GiB or more";
	*(write ? &c->writable : &c->readable) += len;
	while (len) {
		struct iovec *seg;
		uint64_t piece;

		if (c->n_read + c->n_write == c->capacity && !chain_grow(c))
			return "out of host memory";
		seg = &c->segs[c->n_read + c->n_write];
		piece = gmem_piece(mem, gpa, len, &seg->iov_base);
		if (!piece)
			return "buffer outside RAM";
		seg->iov_len = piece;
		*(write ? &c->n_write : &c->n_read) += 1;
		/* A region ends below 2^64: this cannot wrap and go on. */
		gpa += piece;
		len -= piece;
	}
	return NULL;
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

	c->readable = c->writable = 0;
	c->n_read = c->n_write = 0;
	for (;;) {
		struct vring_desc d;

		if (i >= n)
			return "descriptor index out of range";
		d = desc_load(table, i);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!q->indirect || in_table || d.flags & VRING_DESC_F_NEXT)
				return "indirect descriptor where none may be";
			n = d.len / sizeof(d);
			if (n == 0 || d.len % sizeof(d) || n > q->size)
				return "bad size of an indirect table";
			table = gmem_ptr(q->mem, d.addr, d.len);
			if (!table)
				return "indirect table outside RAM";
			in_table = true;
			i = 0;
			continue;
		}
		if (left-- == 0)
			return "chain longer than the queue";
		error = chain_add(c, q->mem, &d);
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

struct virtq_chain *virtq_pop(struct virtq *q)
{
	struct virtq_chain *c;
	uint16_t head;

	if (!q->enabled || q->broken || !virtq_waiting(q))
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
	c->busy = true;
	c->generation = q->generation;
	q->next_avail++;
	q->kick_asked = false;
	return c;
}

void virtq_unpop(struct virtq *q, struct virtq_chain *chain)
{
	if (!virtq_holds(q, chain))
		return;
	chain->busy = false;
	q->next_avail--;
}

/* --- giving them back ------------------------------------------------------ */

void virtq_push(struct virtq *q, struct virtq_chain *chain, size_t written)
{
	struct vring_used_elem *e;

	if (!virtq_holds(q, chain))
		return;
	chain->busy = false;
	e = &q->used->ring[virtq_slot(q, q->next_used++)];
	ring_store(&e->id, (uint32_t)(chain - q->chains), RELAXED);
	ring_store(&e->len, (uint32_t)MIN(written, chain->writable), RELAXED);
}

bool virtq_publish(struct virtq *q)
{
	uint16_t old = q->used_idx;

	if (!q->enabled || q->next_used == old)
		return false;
	q->used_idx = q->next_used;
	/* After the elements, and before the look at what the driver wants (2.7.7.2, 2.7.14). */
	ring_store(&q->used->idx, q->used_idx, SEQ_CST);
	if (q->event_idx)
		return vring_need_event(ring_load(&q->avail->ring[q->size], SEQ_CST),
					q->used_idx, old);
	return !(ring_load(&q->avail->flags, SEQ_CST) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* --- what is in a chain ---------------------------------------------------- */

/*
 * The vectors of [off, off + len) one by one: start with *seg on the part's
 * first segment; each call gives the next vector and moves on.
 */
struct chain_cursor {
	const struct iovec *seg;
	size_t off, len;
};

static struct chain_cursor chain_range(const struct virtq_chain *c, bool write, size_t off,
				       size_t len)
{
	size_t size = write ? c->writable : c->readable;

	if (off >= size)
		return (struct chain_cursor){ .len = 0 };
	return (struct chain_cursor){
		.seg = c->segs + (write ? c->n_read : 0),
		.off = off,
		.len = MIN(len, size - off),
	};
}

static bool chain_next(struct chain_cursor *cur, struct iovec *v)
{
	if (!cur->len)
		return false;
	while (cur->off >= cur->seg->iov_len)
		cur->off -= cur->seg++->iov_len;
	v->iov_base = (char *)cur->seg->iov_base + cur->off;
	v->iov_len = MIN(cur->len, cur->seg->iov_len - cur->off);
	cur->off += v->iov_len;
	cur->len -= v->iov_len;
	return true;
}

size_t chain_read(const struct virtq_chain *chain, size_t off, void *dst, size_t len)
{
	struct chain_cursor cur = chain_range(chain, false, off, len);
	char *p = dst;

	for (struct iovec v; chain_next(&cur, &v); p += v.iov_len)
		memcpy(p, v.iov_base, v.iov_len);
	return p - (char *)dst;
}

size_t chain_write(const struct virtq_chain *chain, size_t off, const void *src, size_t len)
{
	struct chain_cursor cur = chain_range(chain, true, off, len);
	const char *p = src;

	for (struct iovec v; chain_next(&cur, &v); p += v.iov_len)
		memcpy(v.iov_base, p, v.iov_len);
	return p - (const char *)src;
}

size_t chain_zero(const struct virtq_chain *chain, size_t off, size_t len)
{
	struct chain_cursor cur = chain_range(chain, true, off, len);
	size_t done = 0;

	for (struct iovec v; chain_next(&cur, &v); done += v.iov_len)
		memset(v.iov_base, 0, v.iov_len);
	return done;
}

unsigned chain_iov(const struct virtq_chain *chain, bool write, size_t off, size_t len,
		   struct iovec *iov, unsigned max)
{
	struct chain_cursor cur = chain_range(chain, write, off, len);
	unsigned n = 0;

	if (cur.len != len)
		return 0;
	for (struct iovec v; chain_next(&cur, &v); iov[n++] = v)
		if (n == max)
			return 0;
	return n;
}
