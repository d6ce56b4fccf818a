/* SPDX-License-Identifier: MIT */
/*
 * The virtio devices of this build, by the name of their option.
 *
 * A device's .c defines one const struct virtio_model; registry.c lists it.
 * From that follow its option (--rng ...), its help and its place in the
 * machine, on PCI or MMIO.
 */
#ifndef MICROVM_REGISTRY_H
#define MICROVM_REGISTRY_H

#include "vmm/gmem.h"
#include "vmm/loop.h"
#include "vmm/opts.h"

struct disk;
struct evdev_set;
struct gpu_process;
struct term;
struct virtio_device;
struct virtio_vga_params;

/* What a device may use of the process it lives in. */
struct virtio_env {
	struct loop *loop;
	const struct gmem *mem;
	struct term *term;	/* for chardev_open() */
	struct evdev_set *evdevs;	/* of the guest's input devices */
	struct gpu_process *gpu;	/* for devices that microvm-gpu serves */
	const char *guest;	/* its name */
	bool vga;		/* the machine has a place for a VGA card */
	unsigned index;		/* of the device among those of its model */
};

/* A device that comes with another one, unless its option is given. */
struct virtio_companion {
	const struct virtio_model *model;	/* NULL ends a list of them */
	const char *value;
};

struct virtio_model {
	const char *name;	/* of the option, "rng" */
	const char *arg;	/* of the first element in help: "on|off", "CHARDEV", "TAG=DIR" */
	const char *help;	/* a line */
	const struct opt_key *keys;	/* beside those of all, ended by a NULL name; NULL: none */
	void (*describe)(void);	/* prints what of it works on this machine, for help; NULL: nothing */
	bool multiple;		/* the option may be given several times */
	bool by_default;	/* there, with the first word of arg, unless "off" */
	bool external;		/* its queues are served elsewhere, as split ones */
	const struct virtio_companion *companions;	/* NULL: none */
	bool shares_ram;	/* another process serves it and maps guest memory... */
	bool (*is_here)(const struct opt_value *opts);	/* ...unless this is true; may be NULL */
	/*
	 * What can be said of the option before anything is there: 0, or -EINVAL
	 * after one line in the log that begins with @label. May be NULL.
	 */
	int (*check)(const char *label, const struct opt_value *opts);
	/*
	 * Before any device is created: what it will ask of others, such as a place
	 * in microvm-gpu. 0, or negative errno after one line. May be NULL.
	 */
	int (*announce)(const struct virtio_env *env, const struct opt_value *opts);
	/* 0, or negative errno after one line in the log. */
	int (*create)(struct virtio_device **out, const struct virtio_env *env,
		      const struct opt_value *opts);
	void (*destroy)(struct virtio_device *v);	/* loop thread, no vCPU runs */
	/*
	 * Whether the device is to be a VGA card as well, with *@params. 1, 0, or -EINVAL
	 * which check() had found before. NULL: it never is.
	 */
	int (*vga)(struct virtio_vga_params *params, const struct opt_value *opts);
	/*
	 * Of a model that is a disk: what it would be made of, for a machine that has a
	 * place of its own for one. 0, or negative errno after one line. Else NULL.
	 */
	int (*open_disk)(struct disk **out, const struct virtio_env *env,
			 const struct opt_value *opts);
	bool usb;		/* it can be a USB device instead: usb/usb_models.h */
};

/* Ended by NULL. */
extern const struct virtio_model *const virtio_models[];

#endif
