/* SPDX-License-Identifier: MIT */
/*
 * A keyboard, mouse or tablet on USB: Device Class Definition for HID 1.11, a device of
 * one interface with an interrupt endpoint. Keyboard and mouse know the boot protocol
 * (its appendix B) as well, which boot loaders use.
 *
 *     source -- hid_sink(): packets of events --> reports, a queue of HID_QUEUE
 *     host -- IN packets --> a report each, NAK when there is nothing new
 *     host -- SET_REPORT --> LEDs: feedback
 *
 * The keyboard's report has a bit for each key, so any number may be down. Its first eight
 * bytes are what the boot protocol has, for hosts that never ask for that.
 *
 * What is more than the queue holds comes to the host as the state that it has ended in:
 * keys may be missed that went down and up again, but none stays down, and motion is
 * added up. The same is so before the host has asked for a first report.
 */
#ifndef MICROVM_HID_H
#define MICROVM_HID_H

#include "devices/ui/input.h"
#include "devices/usb/usb.h"
#include "vmm/loop.h"

#define HID_QUEUE 64

struct hid;

struct hid_params {
	enum input_kind kind;	/* INPUT_KEYBOARD, _MOUSE or _TABLET */
	const char *name;	/* that the host shows; NULL: of its kind. Both are copied */
	const char *serial;	/* NULL: none */
	struct input_sink feedback;	/* EV_LED of a keyboard; on the loop's thread */
};

/* 0 or -ENOMEM. Loop thread, or before it runs. */
int hid_create(struct hid **out, struct loop *loop, const struct hid_params *params);
/* Loop thread; no controller asks any more. NULL is legal. */
void hid_destroy(struct hid *h);

/* For usb_bus_attach(). */
struct usb_device *hid_device(struct hid *h);
/* Takes events from any thread, without locks that the bus's ready() takes. */
struct input_sink hid_sink(struct hid *h);
struct hid *hid_of(struct usb_device *dev);
/*
 * Who hears of LEDs from now on. @close(@feedback->ctx), may be NULL, is called first thing in
 * hid_destroy(): no source sends afterwards. Loop thread.
 */
void hid_set_source(struct hid *h, const struct input_sink *feedback, void (*close)(void *ctx));

#endif
