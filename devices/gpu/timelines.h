/* SPDX-License-Identifier: MIT */
/*
 * Fences of contexts that have yet to come: while a context has any, the watchdog waits
 * for the next of them (case 70). Those of one timeline come in their order, perhaps
 * several at once. On the thread of the watchdog's other calls.
 */
#ifndef MICROVM_TIMELINES_H
#define MICROVM_TIMELINES_H

#include "devices/gpu/renderer.h"
#include "devices/gpu/watchdog.h"

#define TIMELINES_RINGS 64	/* of a context (5.7.2) */

/* Zeroed: none. */
struct timelines {
	struct timelines_context {
		uint32_t ctx_id;	/* 0: nobody's */
		uint64_t open;		/* rings, by bit */
		uint64_t asked[TIMELINES_RINGS];	/* the last one's number */
	} contexts[WATCHDOG_CONTEXTS];
};

/* Both of a context. A fence of more contexts than there can be is not watched. */
void timelines_asked(struct timelines *t, struct watchdog *dog, const struct gpu_fence *fence);
void timelines_done(struct timelines *t, struct watchdog *dog, const struct gpu_fence *fence);
/* It has gone, and its fences with it. */
void timelines_forget(struct timelines *t, struct watchdog *dog, uint32_t ctx_id);

#endif
