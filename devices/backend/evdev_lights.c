/* SPDX-License-Identifier: MIT */
/* LEDs, sounds and repeat: the guest's while it has the device, the host's before and after. */
#include "devices/backend/evdev_impl.h"

/* Milliseconds; a keyboard that repeats faster is of no use to anybody. */
#define REP_MIN 10
#define REP_LIMIT 10000
/* The ear's. */
#define TONE_MAX 20000

void evdev_lights_init(struct evdev_lights *lights)
{
	*lights = (struct evdev_lights){ .rep = { -1, -1 } };
}

static void put(struct evdev *e, uint16_t type, uint16_t code, int32_t value)
{
	/* It may be unplugged in this moment, or not be ours to write: no light, then. */
	if (input_caps_have(&e->node->caps, type, code))
		e->node->ops->write(e->node, &(struct evdev_event){ type, code, value });
}

void evdev_lights_on(struct evdev *e)
{
	struct evdev_lights *l = &e->lights;

	if (!e->node || l->lit)
		return;
	l->host_leds = 0;
	for (unsigned i = 0; i < LED_CNT; i++)
		if (e->node->ops->value(e->node, EV_LED, i))
			l->host_leds |= 1u << i;
	for (unsigned i = 0; i < REP_CNT; i++)
		l->host_rep[i] = e->node->ops->value(e->node, EV_REP, i);
	for (unsigned i = 0; i < LED_CNT; i++)
		if (l->leds_set >> i & 1)
			put(e, EV_LED, i, l->leds >> i & 1);
	for (unsigned i = 0; i < REP_CNT; i++)
		if (l->rep[i] >= 0)
			put(e, EV_REP, i, l->rep[i]);
	l->lit = true;
}

static void sounds_off(struct evdev *e)
{
	for (unsigned i = 0; i < SND_CNT; i++)
		if (e->lights.sounding >> i & 1)
			put(e, EV_SND, i, 0);
}

void evdev_lights_off(struct evdev *e)
{
	struct evdev_lights *l = &e->lights;

	if (e->node && l->lit) {
		sounds_off(e);
		for (unsigned i = 0; i < LED_CNT; i++)
			if (l->leds_set >> i & 1)
				put(e, EV_LED, i, l->host_leds >> i & 1);
		for (unsigned i = 0; i < REP_CNT; i++)
			if (l->rep[i] >= 0)
				put(e, EV_REP, i, l->host_rep[i]);
	}
	l->sounding = 0;
	l->lit = false;
}

static void note(uint32_t *bits, unsigned n, bool on)
{
	*bits = on ? *bits | 1u << n : *bits & ~(1u << n);
}

void evdev_lights_set(struct evdev *e, uint16_t type, uint16_t code, int32_t value)
{
	struct evdev_lights *l = &e->lights;

	if (type == EV_LED && code < LED_CNT) {
		value = !!value;
		note(&l->leds_set, code, true);
		note(&l->leds, code, value);
	} else if (type == EV_SND && code < SND_CNT && value >= 0) {
		value = MIN(value, TONE_MAX);
		note(&l->sounding, code, value && l->lit);
	} else if (type == EV_REP && code < REP_CNT && value >= 0) {
		value = value ? MIN(MAX(value, REP_MIN), REP_LIMIT) : 0;
		l->rep[code] = value;
	} else {
		return;
	}
	if (e->node && l->lit)
		put(e, type, code, value);
}
