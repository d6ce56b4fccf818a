/* SPDX-License-Identifier: MIT */
/*
 * What bus=usb makes of options: a USB device in place of a virtio one. For machines that
 * have sockets (struct vm_usb_place): programs of others link nothing of it.
 *
 * A device's .c defines one const struct usb_model; usb_models.c lists it.
 */
#ifndef MICROVM_USB_MODELS_H
#define MICROVM_USB_MODELS_H

#include <stdbool.h>

struct opt_value;
struct usb_device;
struct virtio_env;
struct virtio_model;

struct usb_model {
	const struct virtio_model *option;	/* which checks and announces it, and has usb set */
	bool inside;		/* of the kind that boards have soldered to their hub */
	/* 0, or negative errno after one line in the log. */
	int (*create)(struct usb_device **out, const struct virtio_env *env,
		      const struct opt_value *opts);
	void (*destroy)(struct usb_device *usb);	/* loop thread, no vCPU runs */
};

/* Ended by NULL. */
extern const struct usb_model *const usb_models[];

#endif
