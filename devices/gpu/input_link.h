/* SPDX-License-Identifier: MIT */
/*
 * An input device of the VMM's that takes events of ours: the other end of
 * devices/backend/display_link.h. Connections are handed over, one at a time; a new one
 * takes the place of the one before, and without one events are lost. Loop thread.
 */
#ifndef MICROVM_INPUT_LINK_H
#define MICROVM_INPUT_LINK_H

#include "devices/ui/input.h"
#include "vmm/loop.h"

struct input_link;

struct input_link_params {
	enum input_kind kind;
	struct input_sink feedback;	/* its lights */
	void (*left)(void *ctx);	/* no connection will come any more */
	void *ctx;
};

/* Takes @port (handover.h), also when it fails. 0 or negative errno. */
int input_link_create(struct input_link **out, struct loop *loop, int port,
		      const struct input_link_params *params);
void input_link_destroy(struct input_link *l);	/* NULL is legal */

struct input_sink input_link_sink(struct input_link *l);

#endif
