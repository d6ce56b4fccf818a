/* SPDX-License-Identifier: MIT */
/* What input.c (the device) and input_events.c (what goes to the guest) share. */
#ifndef MICROVM_VIRTIO_INPUT_IMPL_H
#define MICROVM_VIRTIO_INPUT_IMPL_H

#include <linux/virtio_input.h>

#include "devices/virtio/input.h"
#include "devices/virtio/virtio.h"

enum { INPUT_EVENTQ, INPUT_STATUSQ, INPUT_QUEUES };

/* Of a packet that makes good what was dropped. */
#define INPUT_STEP 32

/* Under the device's lock. */
struct input_events {
	/* Packets on their way to the guest, and at the end an open one; indexes run freely. */
	struct virtio_input_event ring[INPUT_RING];
	unsigned head, tail;
	unsigned committed;	/* whole packets end here */
	bool open;		/* a packet has begun */
	bool skipped;		/* it, or a part of it, is not in the ring */
	bool begun;		/* a part of the packet at head is with the guest */
	/*
	 * The guest does not know @now, and nothing new enters the ring until it
	 * does: it is told in steps.
	 */
	bool behind;
	bool dropped;		/* SYN_DROPPED is due */
	struct input_state now;	/* after all that came */
	struct input_state told;	/* after all that the guest has got */

	struct virtq_chain *buffers[INPUT_QUEUE_SIZE];	/* of the guest, in its order */
	unsigned first, n_buffers;
	unsigned most_buffers;	/* that there ever were, since the driver started */
};

struct input {
	struct virtio_device v;
	struct input_caps caps;
	struct input_id ids;
	char *name, *serial;
	struct input_sink feedback;
	void (*close)(void *ctx);	/* feedback.ctx */
	struct loop_work quiet;		/* lights and sounds off after a reset */

	/* under v.lock */
	struct virtio_input_config config;	/* as @select and @subsel of it have it */
	uint64_t lit, sounding;		/* LEDs and sounds that the guest has switched on */
	bool quiet_due;
	struct input_events ev;
};

static inline struct input *input_of(struct virtio_device *v)
{
	return container_of(v, struct input, v);
}

/* --- input_events.c; v->lock held --------------------------------------------- */

void input_events_init(struct input *in);
/* The driver has started, or is gone. */
void input_events_start(struct input *in);
void input_events_reset(struct input *in);
/* One event of a source that this device has. */
void input_events_take(struct input *in, uint16_t type, uint16_t code, int32_t value);
/* The driver has given buffers. */
void input_events_buffers(struct input *in);

#endif
