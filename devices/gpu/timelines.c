/* SPDX-License-Identifier: MIT */
#include "devices/gpu/timelines.h"

#include "vmm/util.h"

/* NULL: none such. */
static struct timelines_context *find(struct timelines *t, uint32_t ctx_id)
{
	for (unsigned i = 0; i < WATCHDOG_CONTEXTS; i++)
		if (t->contexts[i].ctx_id == ctx_id)
			return &t->contexts[i];
	return NULL;
}

static enum watchdog_what what(const struct timelines *t, const struct timelines_context *c)
{
	return WATCHDOG_CONTEXT + (c - t->contexts);
}

void timelines_asked(struct timelines *t, struct watchdog *dog, const struct gpu_fence *fence)
{
	struct timelines_context *c = find(t, fence->ctx_id);

	if (!c)
		c = find(t, 0);
	if (!c || fence->ring_idx >= TIMELINES_RINGS)
		return;
	c->ctx_id = fence->ctx_id;
	/* Of several, each has its time once the one before has come. */
	if (!c->open)
		watchdog_begin(dog, what(t, c));
	c->open |= BIT(fence->ring_idx);
	c->asked[fence->ring_idx] = fence->seq;
}

void timelines_done(struct timelines *t, struct watchdog *dog, const struct gpu_fence *fence)
{
	struct timelines_context *c = find(t, fence->ctx_id);

	if (!c || fence->ring_idx >= TIMELINES_RINGS)
		return;
	if (fence->seq >= c->asked[fence->ring_idx])
		c->open &= ~BIT(fence->ring_idx);
	if (c->open)
		watchdog_begin(dog, what(t, c));
	else
		watchdog_end(dog, what(t, c));
}

void timelines_forget(struct timelines *t, struct watchdog *dog, uint32_t ctx_id)
{
	struct timelines_context *c = find(t, ctx_id);

	if (!c)
		return;
	watchdog_end(dog, what(t, c));
	*c = (struct timelines_context){ 0 };
}
