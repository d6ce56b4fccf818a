/* SPDX-License-Identifier: MIT */
#include "devices/backend/evdev_lib.h"

#include <dlfcn.h>

#include "devices/dynlib.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define EVDEV_SONAME "libevdev.so.2"

void evdev_lib_preload(void)
{
	/* Without it, whoever asks for a key by name is told so. */
	if (!dlopen(EVDEV_SONAME, RTLD_LAZY))
		log_debug("%s", dlerror());
}

int evdev_lib_load(struct evdev_lib *lib)
{
	const struct dynlib_symbol symbols[] = {
		{ "libevdev_new_from_fd", &lib->new_from_fd },
		{ "libevdev_free", &lib->free },
		{ "libevdev_grab", &lib->grab },
		{ "libevdev_next_event", &lib->next_event },
		{ "libevdev_has_property", &lib->has_property },
		{ "libevdev_has_event_code", &lib->has_event_code },
		{ "libevdev_get_event_value", &lib->get_event_value },
		{ "libevdev_get_slot_value", &lib->get_slot_value },
		{ "libevdev_get_current_slot", &lib->get_current_slot },
		{ "libevdev_get_num_slots", &lib->get_num_slots },
		{ "libevdev_get_abs_info", &lib->get_abs_info },
		{ "libevdev_get_name", &lib->get_name },
		{ "libevdev_get_uniq", &lib->get_uniq },
		{ "libevdev_get_id_bustype", &lib->get_id_bustype },
		{ "libevdev_get_id_vendor", &lib->get_id_vendor },
		{ "libevdev_get_id_product", &lib->get_id_product },
		{ "libevdev_get_id_version", &lib->get_id_version },
		{ "libevdev_event_code_from_name", &lib->code_from_name },
		{ "libevdev_event_code_get_name", &lib->code_get_name },
	};
	char why[200];
	int ret = dynlib_load_why(EVDEV_SONAME, symbols, ARRAY_SIZE(symbols), "1.0", "libevdev2",
				  why, sizeof(why));

	if (ret < 0)
		log_error("--input: %s", why);
	return ret;
}
