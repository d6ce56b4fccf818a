/* SPDX-License-Identifier: MIT */
/* What split and packed virtqueues have in common, and what is in a chain. */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtq_impl.h"
#include "vmm/util.h"

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

int virtq_make_slots(struct virtq *q)
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

void *virtq_part(const struct virtq *q, uint64_t gpa, uint64_t align, uint64_t len)
{
	return gpa % align ? NULL : gmem_ptr(q->mem, gpa, len);
}

bool virtq_size_fits(const struct virtq *q, uint32_t size, uint64_t features)
{
	return size && size <= q->max_size &&
	       (is_pow2(size) || features & BIT(VIRTIO_F_RING_PACKED));
}

int virtq_enable(struct virtq *q, uint64_t features)
{
	int ret;

	if (!virtq_size_fits(q, q->size, features))
		return -EINVAL;
	q->packed = features & BIT(VIRTIO_F_RING_PACKED);
	ret = q->packed ? virtq_packed_enable(q) : virtq_split_enable(q);
	if (ret < 0)
		return ret;
	if (!q->external && virtq_make_slots(q) < 0)
		return -ENOMEM;
	if (q->packed)
		virtq_packed_start(q);
	q->indirect = features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	q->event_idx = features & BIT(VIRTIO_RING_F_EVENT_IDX);
	q->kick_asked = false;
	q->enabled = true;
	return 0;
}

/* --- building chains ------------------------------------------------------- */

void virtq_chain_clear(struct virtq_chain *c)
{
	c->readable = c->writable = 0;
	c->n_read = c->n_write = 0;
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

const char *virtq_chain_add(struct virtq_chain *c, const struct gmem *mem, uint64_t gpa,
			    uint32_t bytes, bool write)
{
	uint64_t len = bytes;

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

const char *virtq_find_table(const struct virtq *q, uint64_t gpa, uint32_t len,
			     const void **table, unsigned *n)
{
	*n = len / sizeof(struct vring_desc);
	if (*n == 0 || len % sizeof(struct vring_desc) || *n > q->size)
		return "bad size of an indirect table";
	*table = gmem_ptr(q->mem, gpa, len);
	return *table ? NULL : "indirect table outside RAM";
}

/* --- chains on their way ---------------------------------------------------- */

struct virtq_chain *virtq_pop(struct virtq *q)
{
	struct virtq_chain *c;

	if (!q->enabled || q->broken)
		return NULL;
	c = q->packed ? virtq_packed_pop(q) : virtq_split_pop(q);
	if (!c)
		return NULL;
	c->busy = true;
	c->generation = q->generation;
	q->kick_asked = false;
	return c;
}

void virtq_unpop(struct virtq *q, struct virtq_chain *chain)
{
	if (!virtq_holds(q, chain))
		return;
	chain->busy = false;
	if (q->packed)
		virtq_packed_unpop(q, chain);
	else
		q->next_avail--;
}

void virtq_push(struct virtq *q, struct virtq_chain *chain, size_t written)
{
	if (!virtq_holds(q, chain))
		return;
	chain->busy = false;
	written = MIN(written, chain->writable);
	if (q->packed)
		virtq_packed_push(q, chain, written);
	else
		virtq_split_push(q, chain, written);
}

bool virtq_publish(struct virtq *q)
{
	if (!q->enabled)
		return false;
	return q->packed ? virtq_packed_publish(q) : virtq_split_publish(q);
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
