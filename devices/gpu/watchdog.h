/* SPDX-License-Identifier: MIT */
/*
 * Ends the process when something that ends by itself does not: a call into a
 * graphics driver that a guest's shader keeps busy for ever (case 70). Nothing less
 * gets a thread out of there. Who started the process starts another.
 *
 * Begin and end on one thread; the watchdog has one of its own, which sleeps while
 * there is nothing to watch.
 */
#ifndef MICROVM_WATCHDOG_H
#define MICROVM_WATCHDOG_H

#include <stdint.h>

struct watchdog;

/* As many as the card has. */
#define WATCHDOG_CONTEXTS 256

/* What may take its time, each by itself: a call, the card's next fence, those of contexts. */
enum watchdog_what {
	WATCHDOG_CALL, WATCHDOG_FENCE, WATCHDOG_CONTEXT,
	WATCHDOG_KINDS = WATCHDOG_CONTEXT + WATCHDOG_CONTEXTS
};

/* The process's exit status. */
#define WATCHDOG_STATUS 3

/* 0, or a negative errno. */
int watchdog_create(struct watchdog **out, uint64_t patience_ns);
void watchdog_destroy(struct watchdog *w);	/* NULL is legal */

/* From now on; again: from now on anew. NULL is legal: nobody watches. */
void watchdog_begin(struct watchdog *w, enum watchdog_what what);
void watchdog_end(struct watchdog *w, enum watchdog_what what);

#endif
