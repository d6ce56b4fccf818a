/* SPDX-License-Identifier: MIT */
/*
 * Packed virtqueues (2.8): one ring, in which the driver makes descriptors
 * available in their order and the device overwrites them in the order in which
 * it is done with chains.
 *
 * Between @used and @next_avail lie the descriptors that are the device's: as
 * many as the chains have that were popped and are not known to be used yet. So
 * there are never more than the ring has, whatever flags the driver sets.
 */
#include <errno.h>
#include <linux/virtio_config.h>

#include "devices/virtio/virtq_impl.h"
#include "vmm/util.h"

#define WRAP BIT(VRING_PACKED_EVENT_F_WRAP_CTR)
#define AVAIL BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED BIT(VRING_PACKED_DESC_F_USED)
#define EVENT_FLAGS 3	/* of 16 bits, the others are reserved (2.8.14) */

/* --- places ------------------------------------------------------------------ */

static unsigned place_offset(uint16_t place)
{
	return place & ~WRAP;
}

/* @n up to the ring's size. */
static uint16_t place_after(const struct virtq *q, uint16_t place, unsigned n)
{
	unsigned off = place_offset(place) + n;
	uint16_t wrap = place & WRAP;

	return off < q->size ? off | wrap : (off - q->size) | (wrap ^ WRAP);
}

static uint16_t place_before(const struct virtq *q, uint16_t place, unsigned n)
{
	unsigned off = place_offset(place);
	uint16_t wrap = place & WRAP;

	return off >= n ? (off - n) | wrap : (off + q->size - n) | (wrap ^ WRAP);
}

/* From @a to @b, which is up to the ring's size on. */
static unsigned place_distance(const struct virtq *q, uint16_t a, uint16_t b)
{
	return place_offset(b) - place_offset(a) + ((a ^ b) & WRAP ? q->size : 0);
}

/* What @place was called before its counter last changed, if that is not as at @now. */
static uint16_t place_seen_from(const struct virtq *q, uint16_t place, uint16_t now)
{
	return place_offset(place) - ((place ^ now) & WRAP ? q->size : 0);
}

/* --- descriptors --------------------------------------------------------------- */

struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id, flags;
};

/* Length, id and flags of the ring's descriptor at @place, in one. */
static uint64_t *desc_rest(const struct virtq *q, uint16_t place)
{
	return (uint64_t *)&q->p.ring[place_offset(place)].len;
}

static struct packed_desc desc_load(const void *p, uint64_t rest)
{
	return (struct packed_desc){
		.addr = virtq_load_once(p),
		.len = rest,
		.id = rest >> 32,
		.flags = rest >> 48,
	};
}

/* 2.8.1: available is what has the one flag as the counter and the other one not. */
static bool is_available(uint64_t rest, uint16_t place)
{
	return (rest >> 48 & (AVAIL | USED)) == (place & WRAP ? AVAIL : USED);
}

/* --- life ------------------------------------------------------------------------ */

int virtq_packed_enable(struct virtq *q)
{
	struct virtq_packed *p = &q->p;

	/* 2.8.10.1 */
	p->ring = virtq_part(q, q->desc_gpa, 16, sizeof(*p->ring) * (uint64_t)q->size);
	p->driver = virtq_part(q, q->avail_gpa, 4, sizeof(*p->driver));
	p->device = virtq_part(q, q->used_gpa, 4, sizeof(*p->device));
	return p->ring && p->driver && p->device ? 0 : -EINVAL;
}

void virtq_packed_start(struct virtq *q)
{
	struct virtq_packed *p = &q->p;

	p->next_avail = p->next_used = p->used = WRAP;
	p->free = NULL;
	for (unsigned i = q->size; i--;) {
		struct virtq_chain *c = &q->chains[i];

		c->id_busy = false;
		c->next_free = p->free;
		p->free = c;
	}
}

static void packed_take_slot(struct virtq *q, struct virtq_chain *c)
{
	q->p.free = c->next_free;
	q->chains[c->id].id_busy = true;
}

static void packed_free_slot(struct virtq *q, struct virtq_chain *c)
{
	c->next_free = q->p.free;
	q->p.free = c;
	q->chains[c->id].id_busy = false;
}

/* --- taking chains --------------------------------------------------------------- */

/* In a table, nothing but the write flag counts (2.8.7). */
static const char *packed_walk_table(struct virtq_chain *c, const struct virtq *q,
				     const struct packed_desc *d)
{
	const void *table;
	unsigned n;
	const char *error = virtq_find_table(q, d->addr, d->len, &table, &n);

	for (unsigned i = 0; !error && i < n; i++) {
		const char *p = (const char *)table + i * sizeof(struct vring_packed_desc);
		struct packed_desc e = desc_load(p, virtq_load_once(p + 8));

		error = virtq_chain_add(c, q->mem, e.addr, e.len, e.flags & VRING_DESC_F_WRITE);
	}
	return error;
}

/* A list is either one descriptor for a table or buffers only (2.8.5, 2.8.19). */
static const char *packed_add(struct virtq_chain *c, const struct virtq *q,
			      const struct packed_desc *d)
{
	if (!(d->flags & VRING_DESC_F_INDIRECT))
		return virtq_chain_add(c, q->mem, d->addr, d->len, d->flags & VRING_DESC_F_WRITE);
	if (!q->indirect || c->n_descs > 1 || d->flags & VRING_DESC_F_NEXT)
		return "indirect descriptor where none may be";
	return packed_walk_table(c, q, d);
}

/*
 * Collects the buffers of the chain that starts at next_avail, where @rest was
 * found; NULL or what is wrong. Those behind the first were written before that
 * became available, so the flags that say so of them are not looked at (2.8.6).
 */
static const char *packed_walk(struct virtq_chain *c, const struct virtq *q, uint64_t rest)
{
	unsigned room = q->size - place_distance(q, q->p.used, q->p.next_avail);
	uint16_t place = q->p.next_avail;
	struct packed_desc d;
	const char *error;

	virtq_chain_clear(c);
	for (c->n_descs = 0;;) {
		if (c->n_descs++ == room)
			return "more descriptors than the ring has";
		d = desc_load(&q->p.ring[place_offset(place)], rest);
		error = packed_add(c, q, &d);
		if (error)
			return error;
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		place = place_after(q, place, 1);
		rest = virtq_load_once(desc_rest(q, place));
	}
	c->id = d.id;
	if (c->id >= q->size)
		return "buffer id out of range";
	return q->chains[c->id].id_busy ? "buffer id in flight twice" : NULL;
}

/* 2.8.10: a kick for the next chain, then another look lest one came in between. */
static uint64_t packed_ask_kick(struct virtq *q)
{
	uint32_t flags = q->event_idx ? VRING_PACKED_EVENT_FLAG_DESC :
					VRING_PACKED_EVENT_FLAG_ENABLE;

	q->kick_asked = true;
	ring_store((uint32_t *)q->p.device, flags << 16 | q->p.next_avail, SEQ_CST);
	return ring_load(desc_rest(q, q->p.next_avail), SEQ_CST);
}

struct virtq_chain *virtq_packed_pop(struct virtq *q)
{
	struct virtq_packed *p = &q->p;
	struct virtq_chain *c = p->free;
	/* Before what else is in the descriptors of the chain, and in its buffers (2.8.21.1). */
	uint64_t rest = ring_load(desc_rest(q, p->next_avail), ACQUIRE);

	if (!is_available(rest, p->next_avail) && !q->kick_asked)
		rest = packed_ask_kick(q);
	if (!is_available(rest, p->next_avail))
		return NULL;
	/* Chains have a descriptor at least: with no slot left, there is no room either. */
	q->broken = c ? packed_walk(c, q, rest) : "more descriptors than the ring has";
	if (q->broken)
		return NULL;
	packed_take_slot(q, c);
	p->next_avail = place_after(q, p->next_avail, c->n_descs);
	return c;
}

void virtq_packed_unpop(struct virtq *q, struct virtq_chain *chain)
{
	packed_free_slot(q, chain);
	q->p.next_avail = place_before(q, q->p.next_avail, chain->n_descs);
}

/* --- giving them back ------------------------------------------------------------- */

/*
 * The driver looks at one descriptor after the other: those behind the first are
 * written at once, and are not seen before that one is.
 */
void virtq_packed_push(struct virtq *q, struct virtq_chain *chain, uint32_t written)
{
	struct virtq_packed *p = &q->p;
	uint64_t flags = (p->next_used & WRAP ? AVAIL | USED : 0) |
			 (written ? VRING_DESC_F_WRITE : 0);
	uint64_t rest = flags << 48 | (uint64_t)chain->id << 32 | written;

	if (p->next_used == p->used)
		p->first = rest;
	else
		ring_store(desc_rest(q, p->next_used), rest, RELAXED);
	p->next_used = place_after(q, p->next_used, chain->n_descs);
	packed_free_slot(q, chain);
}

static bool packed_wants_interrupt(const struct virtq *q, uint16_t old)
{
	uint32_t event = ring_load((uint32_t *)q->p.driver, SEQ_CST);
	uint16_t now = q->p.used;

	switch (event >> 16 & EVENT_FLAGS) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		return !q->event_idx || vring_need_event(place_seen_from(q, event, now),
							 place_offset(now),
							 place_seen_from(q, old, now));
	default:
		return true;
	}
}

bool virtq_packed_publish(struct virtq *q)
{
	struct virtq_packed *p = &q->p;
	uint16_t old = p->used;

	if (p->next_used == old)
		return false;
	/* After the others, and before the look at what the driver wants (2.8.22). */
	ring_store(desc_rest(q, old), p->first, SEQ_CST);
	p->used = p->next_used;
	return packed_wants_interrupt(q, old);
}
