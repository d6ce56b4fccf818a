/* SPDX-License-Identifier: MIT */
/*
 * Input device (virtio 1.3, 5.8): a keyboard, mouse, tablet or touch screen
 * that the guest sees as an evdev of its own. What it can do is read from the
 * configuration; events come by queue 0, LEDs, sounds and repeat go back by
 * queue 1.
 *
 * Events wait for the guest in a ring of INPUT_RING events, whole packets. One
 * that overruns it drops all that wait; the guest is then told SYN_DROPPED and,
 * as its evdev contract has it, the state that the device has come to: keys,
 * axes, switches and touches, in packets again. Linux's driver swallows
 * SYN_DROPPED and is in step nevertheless. The same state, without
 * SYN_DROPPED, is told when a driver has started.
 *
 * A packet goes to the guest when it has given buffers for all of it, or as
 * they come when it is longer than the queue.
 */
#ifndef MICROVM_VIRTIO_INPUT_H
#define MICROVM_VIRTIO_INPUT_H

#include "devices/ui/input.h"
#include "vmm/gmem.h"
#include "vmm/loop.h"

#define INPUT_QUEUE_SIZE 64
#define INPUT_RING 1024

struct virtio_device;

/* Copied; strings are cut to 63 bytes. */
struct input_params {
	enum input_kind kind;
	const char *name;	/* NULL: "microvm keyboard" and the like */
	const char *serial;	/* the guest's uniq; NULL: none */
	const struct input_id *ids;	/* NULL: virtual, of the kind */
	const struct input_caps *caps;	/* NULL unless INPUT_HOST; EV_FF and such are taken out */
	struct input_sink feedback;	/* EV_LED, EV_SND and EV_REP that the guest sends, declared ones */
	void (*close)(void *ctx);	/* feedback.ctx, first thing in input_destroy(); may be NULL */
};

/* 0 or negative errno. Loop thread, or before it runs. */
int input_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		 const struct input_params *params);
/* Loop thread, no source sends any more. */
void input_destroy(struct virtio_device *v);

/* Takes events for the guest from any thread, without the device's lock held. */
struct input_sink input_device_sink(struct virtio_device *v);

#endif
