/* SPDX-License-Identifier: MIT */
/*
 * What --input is with bus=usb: the functions of struct virtio_model (devices/registry.h)
 * for that. Its place in microvm-gpu is GPU_PROCESS_EVENTS. Main thread.
 */
#ifndef MICROVM_HID_MODEL_H
#define MICROVM_HID_MODEL_H

struct opt_value;
struct usb_device;
struct virtio_env;

int hid_model_check(const char *label, const struct opt_value *opts);
int hid_model_create(struct usb_device **out, const struct virtio_env *env,
		     const struct opt_value *opts);
void hid_model_destroy(struct usb_device *usb);

#endif
