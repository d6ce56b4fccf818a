/* SPDX-License-Identifier: MIT */
/*
 * USB 2.0 between a host controller and devices, by packets: what both need to know.
 *
 *     controller -- usb_bus_find(), usb_setup(), usb_in(), usb_out() --> usb_device.c
 *     usb_device.c answers standard requests, the rest is up to usb_device_ops
 *     device -- usb_ready() --> controller: try again what was refused with -EAGAIN
 *
 * Every device is on one bus and hangs below one port, of the controller or of a hub. A
 * port that is reset enables its device, which then answers to address 0 until it gets
 * another one; so at most one such port is to be enabled at a time, and of several the
 * one that was attached first answers.
 *
 * All devices are high-speed ones: there are no split transactions behind a hub.
 *
 * All on the loop's thread, but for usb_ready(). What a host says is hostile: no length,
 * endpoint or order of calls here is relied upon.
 */
#ifndef MICROVM_USB_H
#define MICROVM_USB_H

#include <linux/usb/ch9.h>
#include <stdbool.h>
#include <stdint.h>

#define USB_BUS_MAX_DEVICES 16
/* The most that a control transfer carries: who asks for more gets less, who sends it a STALL. */
#define USB_CONTROL_MAX 4096

struct usb_device;

/*
 * What becomes of a packet: the bytes that were in it (IN), or 0 (OUT and SETUP);
 * -EAGAIN: NAK, try again; -EPIPE: STALL; -EIO: nobody answers, or something else would not
 * come over a wire.
 */
struct usb_device_ops {
	/* Forgets everything: the port was reset or disabled, or the machine reset. May be NULL. */
	void (*reset)(struct usb_device *dev);
	/*
	 * A request of a class or a vendor, or GET_DESCRIPTOR of something that struct
	 * usb_descriptors has not, or one that is wrong. @data: wLength bytes, at most
	 * USB_CONTROL_MAX, which came (OUT), or are to be given (IN, zeros until then).
	 * OUT: 0; IN: the number of bytes, at most wLength; or -EPIPE. NULL: -EPIPE.
	 * An OUT request comes when all its data is here, in its status stage.
	 */
	int (*control)(struct usb_device *dev, const struct usb_ctrlrequest *req, void *data);
	/*
	 * An endpoint from 1 to 15 that the configuration has: one packet, of at most
	 * @len bytes, which is no more than its wMaxPacketSize. NULL: -EAGAIN.
	 */
	int (*in)(struct usb_device *dev, unsigned ep, void *data, unsigned len);
	int (*out)(struct usb_device *dev, unsigned ep, const void *data, unsigned len);
};

/* Constant. The only configuration has the number that its bConfigurationValue says. */
struct usb_descriptors {
	const struct usb_device_descriptor *device;
	const struct usb_qualifier_descriptor *qualifier;	/* NULL: STALL */
	const uint8_t *config;	/* with all that belongs to it, wTotalLength bytes */
	const char *const *strings;	/* UTF-8, ended by NULL; the first has index 1 */
};

struct usb_bus;

struct usb_device {
	const char *name;	/* for the log */
	const struct usb_device_ops *ops;
	const struct usb_descriptors *descriptors;
	void *priv;		/* of whoever implements @ops */

	/* usb_device.c's */
	struct usb_bus *bus;
	bool enabled;		/* its port lets packets through */
	uint8_t address;
	uint8_t configuration;	/* 0: none yet */
	bool remote_wakeup;
	uint16_t halted[2];	/* a bit each endpoint: OUT, IN */
	struct usb_ctrlrequest request;
	unsigned stage, done, len;	/* of the control transfer */
	uint8_t data[USB_CONTROL_MAX];
};

struct usb_bus {
	struct usb_device *devices[USB_BUS_MAX_DEVICES];
	unsigned n_devices;
	/* Any thread, with any lock of a device: something is ready that was not. */
	void (*ready)(void *ctx);
	void *ctx;
};

/* --- for controllers and hubs ------------------------------------------------------ */

void usb_bus_init(struct usb_bus *bus, void (*ready)(void *ctx), void *ctx);
/* Before the guest runs. 0 or -ENOSPC. The device outlives the bus. */
int usb_bus_attach(struct usb_bus *bus, struct usb_device *dev);
/* Who answers to it; NULL: nobody. */
struct usb_device *usb_bus_find(const struct usb_bus *bus, unsigned address);
/* The machine was reset: all devices are as new, and behind disabled ports. */
void usb_bus_reset(struct usb_bus *bus);

/* Its port was reset and is enabled (true), or has been disabled: either way it is as new. */
void usb_device_enable(struct usb_device *dev, bool enabled);

/* A SETUP packet, which no device refuses: 0, or -EIO behind a disabled port. */
int usb_setup(struct usb_device *dev, const uint8_t packet[8]);
/*
 * A packet from or to any endpoint, 0 included; @len: of the buffer, of the packet. With
 * the IN packet that ends SET_ADDRESS the device has its new one (9.4.6).
 */
int usb_in(struct usb_device *dev, unsigned ep, void *data, unsigned len);
int usb_out(struct usb_device *dev, unsigned ep, const void *data, unsigned len);

/* --- for devices -------------------------------------------------------------------- */

/* The answer of an IN request: up to wLength of @len bytes, into @data; how many. */
int usb_give(const struct usb_ctrlrequest *req, void *data, const void *from, unsigned len);
/* Something that was refused with -EAGAIN would not be any more. Any thread, any lock. */
void usb_ready(struct usb_device *dev);
/* Halts an endpoint of a configured device until the host clears it. */
void usb_halt(struct usb_device *dev, unsigned ep, bool in);

#endif
