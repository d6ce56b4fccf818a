/* SPDX-License-Identifier: MIT */
/* What evdev.c, evdev_grab.c and evdev_lights.c share. */
#ifndef MICROVM_EVDEV_IMPL_H
#define MICROVM_EVDEV_IMPL_H

#include "devices/backend/evdev.h"
#include "devices/backend/path_watch.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* What is set on the device: by the guest, and by the host before. */
struct evdev_lights {
	uint32_t leds, leds_set;	/* by code; those that the guest has set at all */
	uint32_t sounding;
	int32_t rep[REP_CNT];		/* milliseconds; -1: not set */
	uint32_t host_leds;
	int32_t host_rep[REP_CNT];
	bool lit;		/* the device shows the guest's */
};

struct evdev {
	struct loop *loop;
	struct evdev_params params;	/* path is its own */
	struct evdev *next;	/* of the set */
	struct input_caps caps;
	struct input_id ids;
	char name[EVDEV_NAME_LEN], uniq[EVDEV_NAME_LEN];

	struct evdev_node *node;	/* NULL: unplugged */
	struct loop_fd src;
	struct loop_work more;		/* events that were not read yet */
	struct path_watch watch;	/* unplugged */
	struct log_rate rate;		/* of coming and going */
	bool started;
	struct input_sink sink;
	struct input_state phys;	/* of the device */
	struct input_state told;	/* that the sink was told of */

	bool wanted;		/* the guest is to have it */
	bool passing;		/* events go to the guest */
	bool open;		/* a packet has begun */
	bool grabbed;
	bool giving_up;		/* the time for keys to come up is over */
	struct loop_timer release;
	struct evdev_lights lights;
};

/* --- evdev_grab.c: who has it ------------------------------------------------- */

/* Does what is due now and can be done: pass on, grab, give back. */
void evdev_settle(struct evdev *e);
/* A key went down. Whether it completed a chord, which is not for the guest. */
bool evdev_chord(struct evdev *e, unsigned code);
/* The device is no more: nothing is held, nothing is ours. */
void evdev_let_go(struct evdev *e);

/* --- evdev_lights.c ------------------------------------------------------------- */

void evdev_lights_init(struct evdev_lights *lights);
/* The guest's on the device, then the host's again. No-op unless it is plugged in. */
void evdev_lights_on(struct evdev *e);
void evdev_lights_off(struct evdev *e);
void evdev_lights_set(struct evdev *e, uint16_t type, uint16_t code, int32_t value);

#endif
