/* SPDX-License-Identifier: MIT */
#include "devices/usb/usb_models.h"

#include <stddef.h>

extern const struct usb_model smsc95xx_model, hid_model;

const struct usb_model *const usb_models[] = {
	&smsc95xx_model,
	&hid_model,
	NULL,
};
