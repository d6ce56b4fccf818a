/* SPDX-License-Identifier: MIT */
/*
 * libevdev, loaded when it is first needed: a machine without devices of the
 * host does not pay for its tables.
 */
#ifndef MICROVM_EVDEV_LIB_H
#define MICROVM_EVDEV_LIB_H

#include <libevdev-1.0/libevdev/libevdev.h>

struct evdev_lib {
	__typeof__(libevdev_new_from_fd) *new_from_fd;
	__typeof__(libevdev_free) *free;
	__typeof__(libevdev_grab) *grab;
	__typeof__(libevdev_next_event) *next_event;
	__typeof__(libevdev_has_property) *has_property;
	__typeof__(libevdev_has_event_code) *has_event_code;
	__typeof__(libevdev_get_event_value) *get_event_value;
	__typeof__(libevdev_get_slot_value) *get_slot_value;
	__typeof__(libevdev_get_current_slot) *get_current_slot;
	__typeof__(libevdev_get_num_slots) *get_num_slots;
	__typeof__(libevdev_get_abs_info) *get_abs_info;
	__typeof__(libevdev_get_name) *get_name;
	__typeof__(libevdev_get_uniq) *get_uniq;
	__typeof__(libevdev_get_id_bustype) *get_id_bustype;
	__typeof__(libevdev_get_id_vendor) *get_id_vendor;
	__typeof__(libevdev_get_id_product) *get_id_product;
	__typeof__(libevdev_get_id_version) *get_id_version;
	__typeof__(libevdev_event_code_from_name) *code_from_name;
	__typeof__(libevdev_event_code_get_name) *code_get_name;
};

/* Stays loaded. 0, or -ENOENT after one line in the log. */
int evdev_lib_load(struct evdev_lib *lib);
/* Where it is there: now, for a process that is about to lose sight of files. */
void evdev_lib_preload(void);

#endif
