/* SPDX-License-Identifier: MIT */
/*
 * A framebuffer of the VMM's that we show: the other end of
 * devices/backend/display_link.h. Connections are handed over, one at a time; a new one
 * takes the place of the one before. Loop thread.
 */
#ifndef MICROVM_FRAMEBUFFER_H
#define MICROVM_FRAMEBUFFER_H

#include "devices/gpu/mux.h"
#include "vmm/loop.h"

struct framebuffer;

/*
 * Draws on @mux. Takes @port (handover.h), also when it fails; @left is called when that
 * ends. 0 or negative errno.
 */
int framebuffer_create(struct framebuffer **out, struct loop *loop, int port, struct mux *mux,
		       void (*left)(void *ctx), void *ctx);
void framebuffer_destroy(struct framebuffer *f);	/* NULL is legal */

/* handover_tell(). */
int framebuffer_tell(struct framebuffer *f, char word);

#endif
