/* SPDX-License-Identifier: MIT */
/*
 * A seat: a graphics card, what shows its pictures, and the keyboards and
 * pointers that go with it, each a virtio device that some VMM uses by
 * vhost-user; and what is the VMM's itself: a framebuffer, shown where the card has no
 * picture or in its place, and input devices. What microvm-gpu is made of.
 *
 * Devices are added one by one; then the loop runs. Main thread, without any
 * lock.
 */
#ifndef MICROVM_SEAT_H
#define MICROVM_SEAT_H

#include "devices/ui/display.h"
#include "devices/ui/input.h"
#include "devices/virtio/gpu.h"
#include "vmm/loop.h"

#define SEAT_MAX_DEVICES 24

struct seat;

/* Where a device's front end comes from. */
struct seat_socket {
	const char *path;	/* we listen there; NULL: @fd */
	/*
	 * Inherited, and the seat's from now on: a socket that listens; one that is
	 * connected, SOCK_STREAM; or one by which connections are handed over
	 * (devices/backend/handover.h), SOCK_SEQPACKET.
	 */
	int fd;
};

struct seat_input {
	enum input_kind kind;	/* but INPUT_HOST */
	const char *name;	/* as the guest sees it; NULL: of its kind */
	const char *serial;
};

int seat_create(struct seat **out, struct loop *loop);
void seat_destroy(struct seat *seat);	/* NULL is legal */

/* 0, or negative errno after one line in the log that begins with @label. */
int seat_add_gpu(struct seat *seat, const char *label, const struct seat_socket *socket,
		 const struct gpu_params *params);
int seat_add_input(struct seat *seat, const char *label, const struct seat_socket *socket,
		   const struct seat_input *input);

/* @socket: by which connections are handed over that speak ui/display_proto.h. */
int seat_add_framebuffer(struct seat *seat, const char *label, const struct seat_socket *socket);

/* The same for events that an input device of the VMM's takes; not INPUT_HOST. */
int seat_add_events(struct seat *seat, const char *label, const struct seat_socket *socket,
		    enum input_kind kind);

/* The card; NULL: there is none. */
struct gpu *seat_gpu(struct seat *seat);
/* Shows the card's and the framebuffer's pictures, which gets the sink. NULL: nobody looks. */
void seat_set_display(struct seat *seat, const struct display *display);
struct display_sink seat_display_sink(struct seat *seat);
/* Where events for the first device of @kind go; a sink that takes everything if there is none. */
struct input_sink seat_sink(struct seat *seat, enum input_kind kind);
bool seat_has(struct seat *seat, enum input_kind kind);
/*
 * Tells who started us that a window was closed, by way of the card. 0; -ENOTCONN:
 * we were not started so, or it has gone; or another negative errno.
 */
int seat_closed(struct seat *seat);
/* LEDs, sounds and repeat that the guest sends to devices of @kind go to @sink from now on. */
void seat_set_feedback(struct seat *seat, enum input_kind kind, const struct input_sink *sink);

#endif
