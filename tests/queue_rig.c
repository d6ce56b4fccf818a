/* SPDX-License-Identifier: MIT */
#include "tests/queue_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util.h"

int queue_rig_setup(void **state)
{
	static const struct gmem_range ranges[] = {
		{ RAM_A, RAM_B - RAM_A },
		{ RAM_B, HOLE - RAM_B },
		{ RAM_C, RAM_END - RAM_C },
	};
	struct queue_rig *t = calloc(1, sizeof(*t));

	if (!t || gmem_init(&t->mem, ranges, ARRAY_SIZE(ranges)) < 0)
		abort();
	t->format = *state ? *(const uint64_t *)*state : 0;
	virtq_init(&t->q, &t->mem, 0, MAX_SIZE);
	*state = t;
	return 0;
}

int queue_rig_teardown(void **state)
{
	struct queue_rig *t = *state;

	virtq_finish(&t->q);
	gmem_finish(&t->mem);
	free(t);
	return 0;
}

void queue_rig_set_addrs(struct queue_rig *t)
{
	t->q.size = t->r.size;
	t->q.desc_gpa = t->r.desc_gpa;
	t->q.avail_gpa = t->r.avail_gpa;
	t->q.used_gpa = t->r.used_gpa;
}

void queue_rig_start(struct queue_rig *t, uint16_t size, uint64_t features)
{
	virtq_reset(&t->q);
	if ((features | t->format) & BIT(VIRTIO_F_RING_PACKED))
		vdrv_packed_init(&t->r, &t->mem, size, RING_GPA, features);
	else
		vdrv_ring_init(&t->r, &t->mem, size, RING_GPA);
	t->r.features = features;
	queue_rig_set_addrs(t);
	if (virtq_enable(&t->q, features | t->format) < 0)
		abort();
}

void *queue_rig_ram(struct queue_rig *t, uint64_t gpa)
{
	return gmem_ptr(&t->mem, gpa, 1);
}

bool queue_rig_breaks(struct queue_rig *t, const char *why)
{
	const struct virtq_chain *c = virtq_pop(&t->q);
	const char *said = virtq_broken(&t->q);
	bool breaks = !c && said && !strcmp(said, why);

	if (!breaks)
		fprintf(stderr, "a chain is %s, not '%s'\n", c ? "fine" : said ? said : "none", why);
	/* And so it stays. */
	breaks = breaks && !virtq_pop(&t->q);
	virtq_reset(&t->q);
	return breaks && !virtq_broken(&t->q);
}

static bool in_ram(struct queue_rig *t, const struct iovec *v)
{
	for (unsigned i = 0; i < t->mem.n_regions; i++) {
		const struct gmem_region *reg = &t->mem.regions[i];
		size_t off = (uint8_t *)v->iov_base - reg->host;

		if ((uint8_t *)v->iov_base >= reg->host && range_fits(off, v->iov_len, reg->len))
			return true;
	}
	return false;
}

bool queue_rig_chain_is_sane(struct queue_rig *t, const struct virtq_chain *c)
{
	struct iovec iov[4 * SIZE];
	size_t sum = 0;
	unsigned n = chain_iov(c, false, 0, c->readable, iov, ARRAY_SIZE(iov));

	n += chain_iov(c, true, 0, c->writable, iov + n, ARRAY_SIZE(iov) - n);
	for (unsigned i = 0; i < n; i++) {
		if (!in_ram(t, &iov[i]))
			return false;
		sum += iov[i].iov_len;
	}
	return sum == (size_t)c->readable + c->writable;
}

/*
 * Not instrumented, so that TSan judges the device's accesses alone, and through
 * volatile, so that they happen.
 */
__attribute__((no_sanitize("thread"), no_sanitize("address")))
void *queue_rig_scribble(void *writer)
{
	struct queue_rig_writer *w = writer;
	volatile uint64_t *p = w->p;
	unsigned seed = 1;

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		seed = seed * 1103515245 + 12345;
		p[(seed >> 8) % w->words] = w->values[(seed >> 4) % w->n_values];
	}
	return NULL;
}
