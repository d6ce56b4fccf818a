/* SPDX-License-Identifier: MIT */
/* Who has the device, and how it changes hands. */
#include <string.h>

#include "devices/backend/evdev_impl.h"

static bool is_exclusive(const struct evdev *e)
{
	return e->params.grab != EVDEV_GRAB_OFF;
}

/* --- to the guest ---------------------------------------------------------------- */

static void pass_on(struct evdev *e)
{
	e->passing = true;
	evdev_lights_on(e);
	/* Axes and switches stand where they stand; more than once if touches have to end first. */
	while (input_state_step(&e->told, &e->phys, UINT32_MAX, &e->sink))
		;
}

static void take(struct evdev *e)
{
	int ret = 0;

	/* The host has seen the key go down, and is to see it come up; so is a chord's. */
	if (is_exclusive(e) && input_state_any_key(&e->phys))
		return;
	if (is_exclusive(e) && !e->grabbed)
		ret = e->node->ops->grab(e->node, true);
	if (ret < 0) {
		log_warn("%s (%s): cannot be grabbed, it stays with the host: %s", e->params.path,
			 e->name, strerror(-ret));
		e->wanted = false;
		return;
	}
	e->grabbed = is_exclusive(e);
	pass_on(e);
}

/* --- to the host ------------------------------------------------------------------- */

static void stop_passing(struct evdev *e)
{
	if (!e->passing)
		return;
	e->passing = false;
	if (e->open)
		input_sync(&e->sink);
	e->open = false;
	input_state_release(&e->told, &e->sink);
}

static void give_back(struct evdev *e)
{
	if (!e->giving_up && keychord_any_down(&e->params.chord, &e->phys))
		return;
	loop_timer_disarm(e->loop, &e->release);
	evdev_lights_off(e);
	e->node->ops->grab(e->node, false);
	e->grabbed = false;
}

void evdev_settle(struct evdev *e)
{
	if (!e->node || !e->started)
		return;
	if (e->wanted && !e->passing)
		take(e);
	else if (!e->wanted && e->grabbed)
		give_back(e);
}

void evdev_let_go(struct evdev *e)
{
	stop_passing(e);
	loop_timer_disarm(e->loop, &e->release);
	evdev_lights_off(e);
	if (e->node && e->grabbed)
		e->node->ops->grab(e->node, false);
	e->grabbed = false;
}

/* --- the chord ----------------------------------------------------------------------- */

static void want(struct evdev *e, bool wanted)
{
	if (e->wanted == wanted)
		return;
	e->wanted = wanted;
	e->giving_up = false;
	if (!wanted) {
		stop_passing(e);
		loop_timer_arm(e->loop, &e->release, EVDEV_RELEASE_NS);
	}
	evdev_settle(e);
}

/* Whether @e is one of those that @code, gone down on @keys, is for. */
static bool chord_is_for(const struct evdev *e, const struct evdev *keys, unsigned code)
{
	return is_exclusive(e) && keychord_completed(&e->params.chord, &keys->phys, code);
}

bool evdev_chord(struct evdev *keys, unsigned code)
{
	bool any = false, guests = false;

	for (struct evdev *e = keys->params.set->first; e; e = e->next) {
		any |= chord_is_for(e, keys, code);
		guests |= chord_is_for(e, keys, code) && e->wanted;
	}
	for (struct evdev *e = keys->params.set->first; e; e = e->next)
		if (chord_is_for(e, keys, code))
			want(e, !guests);
	return any;
}
