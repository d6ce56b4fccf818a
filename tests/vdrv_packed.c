/* SPDX-License-Identifier: MIT */
/* The driver's side of packed virtqueues (2.8). */
#include <string.h>

#include "tests/vdrv_impl.h"
#include "vmm/util.h"

#define WRAP BIT(VRING_PACKED_EVENT_F_WRAP_CTR)
#define AVAIL BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED BIT(VRING_PACKED_DESC_F_USED)
#define ANY_FLAGS (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

static unsigned offset_of(uint16_t place)
{
	return place & ~WRAP;
}

uint16_t vdrv_place_after(const struct vdrv_ring *r, uint16_t place, unsigned n)
{
	uint16_t wrap = place & WRAP;
	unsigned off = offset_of(place) + n;

	for (; off >= r->size; off -= r->size)
		wrap ^= WRAP;
	return off | wrap;
}

/* Length, id and flags: what the device and the driver hand over by, in one. */
static uint64_t *rest_at(struct vdrv_ring *r, uint16_t place)
{
	return (uint64_t *)&r->p.ring[offset_of(place)].len;
}

static uint64_t rest_of(const struct vring_packed_desc *d)
{
	return d->len | (uint64_t)d->id << 32 | (uint64_t)d->flags << 48;
}

void vdrv_packed_init(struct vdrv_ring *r, const struct gmem *mem, uint16_t size, uint64_t gpa,
		      uint64_t features)
{
	uint64_t events = 16ull * size;
	uint8_t *p = gmem_ptr(mem, gpa, events + 8);

	must(p && size && size <= VDRV_MAX_SIZE);
	memset(p, 0, events + 8);
	memset(r, 0, sizeof(*r));
	r->mem = mem;
	r->size = r->n_free = r->p.n_ids = size;
	r->packed = true;
	r->features = features;
	r->desc_gpa = gpa;
	r->avail_gpa = gpa + events;
	r->used_gpa = gpa + events + 4;
	r->p.ring = (void *)p;
	r->p.driver = (void *)(p + events);
	r->p.device = (void *)(p + events + 4);
	r->p.avail = r->p.used = WRAP;
	/* Id 0 is taken first; an interrupt is due for the first chain, as with a split ring. */
	for (unsigned i = 0; i < size; i++)
		r->free[i] = size - 1 - i;
	vdrv_set_used_event(r, 0);
}

void vdrv_packed_set(struct vdrv_ring *r, uint16_t place, const struct vring_packed_desc *d)
{
	struct vring_packed_desc with_flags = *d;

	with_flags.flags |= place & WRAP ? AVAIL : USED;
	__atomic_store_n(&r->p.ring[offset_of(place)].addr, d->addr, __ATOMIC_RELAXED);
	/* The device must see it before its wish for a kick is read. */
	__atomic_store_n(rest_at(r, place), rest_of(&with_flags), __ATOMIC_SEQ_CST);
}

static struct vring_packed_desc desc_of(const struct vdrv_buf *buf, uint16_t id, bool last)
{
	return (struct vring_packed_desc){
		.addr = buf->gpa,
		.len = buf->len,
		.id = id,
		.flags = (buf->write ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT),
	};
}

static uint16_t take_id(struct vdrv_ring *r, uint16_t n, uint64_t first_gpa)
{
	uint16_t id = r->free[--r->p.n_ids];

	r->chain_len[id] = n;
	r->first_gpa[id] = first_gpa;
	r->n_free -= n;
	r->p.n_added += n;
	return id;
}

/* From the last to the first, which makes all of them available. */
int vdrv_packed_add(struct vdrv_ring *r, const struct vdrv_buf *bufs, unsigned n)
{
	uint16_t id = take_id(r, n, bufs[0].gpa), first = r->p.avail;

	for (unsigned k = n; k--;) {
		/* Only the last one's id counts (2.8.6). */
		struct vring_packed_desc d = desc_of(&bufs[k], k == n - 1 ? id : 0xdead,
						     k == n - 1);

		vdrv_packed_set(r, vdrv_place_after(r, first, k), &d);
	}
	r->p.avail = vdrv_place_after(r, first, n);
	return id;
}

int vdrv_packed_add_indirect(struct vdrv_ring *r, uint64_t table_gpa, const struct vdrv_buf *bufs,
			     unsigned n)
{
	struct vring_packed_desc *table = gmem_ptr(r->mem, table_gpa, n * sizeof(*table));
	uint16_t id = take_id(r, 1, bufs[0].gpa);

	must(table);
	for (unsigned k = 0; k < n; k++)
		table[k] = desc_of(&bufs[k], 0, true);
	vdrv_packed_set(r, r->p.avail, &(struct vring_packed_desc){
		.addr = table_gpa,
		.len = n * sizeof(*table),
		.id = id,
		.flags = VRING_DESC_F_INDIRECT,
	});
	r->p.avail = vdrv_place_after(r, r->p.avail, 1);
	return id;
}

static bool load_used(struct vdrv_ring *r, uint64_t *rest)
{
	uint16_t both = r->p.used & WRAP ? AVAIL | USED : 0;

	*rest = __atomic_load_n(rest_at(r, r->p.used), __ATOMIC_SEQ_CST);
	return (*rest >> 48 & (AVAIL | USED)) == both;
}

bool vdrv_packed_has_used(struct vdrv_ring *r)
{
	uint64_t rest;

	return load_used(r, &rest);
}

int vdrv_packed_used(struct vdrv_ring *r, uint32_t *len)
{
	uint64_t rest;
	uint16_t id, n;

	if (!load_used(r, &rest))
		return -1;
	id = rest >> 32;
	must(id < r->size);
	/* Of nothing written there is no length (2.8.4). */
	must(!(rest >> 48 & ANY_FLAGS & ~VRING_DESC_F_WRITE));
	if (len)
		*len = rest >> 48 & VRING_DESC_F_WRITE ? rest : 0;
	/* A test that broke the rules has it as it comes. */
	n = r->chain_len[id];
	r->p.used = vdrv_place_after(r, r->p.used, n ? n : 1);
	if (!n)
		return id;
	r->chain_len[id] = 0;
	r->n_free += n;
	r->free[r->p.n_ids++] = id;
	return id;
}

bool vdrv_packed_wants_kick(struct vdrv_ring *r)
{
	uint32_t event = __atomic_load_n(r->p.device, __ATOMIC_SEQ_CST);
	uint16_t added = r->p.n_added, off = event & ~WRAP;

	r->p.n_added = 0;
	if (event >> 16 == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (event >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE)
		return added > 0;
	must(r->features & BIT(VIRTIO_RING_F_EVENT_IDX));
	if ((event ^ r->p.avail) & WRAP)
		off -= r->size;
	return vring_need_event(off, offset_of(r->p.avail), offset_of(r->p.avail) - added);
}

void vdrv_packed_set_used_event(struct vdrv_ring *r, uint16_t n)
{
	uint32_t place = vdrv_place_after(r, r->p.used, n);

	if (r->features & BIT(VIRTIO_RING_F_EVENT_IDX))
		__atomic_store_n(r->p.driver, VRING_PACKED_EVENT_FLAG_DESC << 16 | place,
				 __ATOMIC_SEQ_CST);
}

void vdrv_packed_set_no_interrupt(struct vdrv_ring *r, bool on)
{
	uint32_t flags = on ? VRING_PACKED_EVENT_FLAG_DISABLE : VRING_PACKED_EVENT_FLAG_ENABLE;

	__atomic_store_n(r->p.driver, flags << 16, __ATOMIC_SEQ_CST);
}
