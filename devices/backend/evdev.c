/* SPDX-License-Identifier: MIT */
/* An input device of the host: its life, and its events. */
#include "devices/backend/evdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "devices/backend/evdev_impl.h"

/* Events between two looks at the loop's other sources. */
#define EVDEV_BATCH 256

/* --- events ------------------------------------------------------------------------ */

static void evdev_event(struct evdev *e, const struct evdev_event *ev)
{
	input_state_apply(&e->phys, ev->type, ev->code, ev->value);
	if (ev->type == EV_KEY && ev->value == 1 && evdev_chord(e, ev->code))
		return;
	if (e->passing) {
		e->open = ev->type != EV_SYN || ev->code != SYN_REPORT;
		input_state_apply(&e->told, ev->type, ev->code, ev->value);
		input_send(&e->sink, ev->type, ev->code, ev->value);
	}
	/* It changes hands between two packets. */
	if (ev->type == EV_SYN && ev->code == SYN_REPORT)
		evdev_settle(e);
}

static void evdev_unplugged(struct evdev *e, int err);

/* 1: there may be more; 0: there is none; negative errno. */
static int evdev_read(struct evdev *e)
{
	struct evdev_event ev;
	int ret = 1;

	for (unsigned i = 0; i < EVDEV_BATCH && ret > 0; i++) {
		ret = e->node->ops->next(e->node, &ev);
		if (ret > 0)
			evdev_event(e, &ev);
	}
	/* They may be in libevdev already, so that the descriptor has nothing to say. */
	if (ret > 0)
		loop_post(e->loop, &e->more);
	return ret;
}

static void evdev_read_more(void *arg)
{
	struct evdev *e = arg;
	int ret = evdev_read(e);

	if (ret < 0)
		evdev_unplugged(e, ret);
}

static void evdev_readable(void *arg, uint32_t events)
{
	struct evdev *e = arg;
	int ret = evdev_read(e);

	if (ret == 0 && events & (EPOLLERR | EPOLLHUP))
		ret = -ENODEV;
	if (ret < 0)
		evdev_unplugged(e, ret);
}

/* --- plugged in ----------------------------------------------------------------------- */

static void read_bits(struct evdev *e, uint16_t type, unsigned count)
{
	for (unsigned code = 0; code < count; code++)
		if (input_caps_have(&e->node->caps, type, code))
			input_state_apply(&e->phys, type, code,
					  e->node->ops->value(e->node, type, code));
}

/* MT axes belong to slots, and without slots to nothing that lasts. */
static bool is_single_axis(unsigned code)
{
	return code < ABS_MT_SLOT || code >= INPUT_MT_FIRST + INPUT_MT_CNT;
}

static void read_axes(struct evdev *e)
{
	for (unsigned code = 0; code < ABS_CNT; code++)
		if (input_caps_have(&e->node->caps, EV_ABS, code) && is_single_axis(code))
			input_state_apply(&e->phys, EV_ABS, code,
					  e->node->ops->value(e->node, EV_ABS, code));
}

static void read_slots(struct evdev *e)
{
	for (unsigned slot = 0; slot < e->phys.n_slots; slot++) {
		input_state_apply(&e->phys, EV_ABS, ABS_MT_SLOT, slot);
		for (unsigned i = 0; i < INPUT_MT_CNT; i++)
			if (input_caps_have(&e->node->caps, EV_ABS, INPUT_MT_FIRST + i))
				input_state_apply(&e->phys, EV_ABS, INPUT_MT_FIRST + i,
						  e->node->ops->slot_value(e->node, slot,
									   INPUT_MT_FIRST + i));
	}
	if (e->phys.n_slots)
		input_state_apply(&e->phys, EV_ABS, ABS_MT_SLOT,
				  e->node->ops->value(e->node, EV_ABS, ABS_MT_SLOT));
}

static void read_state(struct evdev *e)
{
	input_state_init(&e->phys, input_caps_slots(&e->caps));
	read_bits(e, EV_KEY, KEY_CNT);
	read_bits(e, EV_SW, SW_CNT);
	read_axes(e);
	read_slots(e);
}

static int evdev_listen(struct evdev *e)
{
	read_state(e);
	return loop_add(e->loop, &e->src, e->node->fd, EPOLLIN, evdev_readable, e);
}

static bool is_same_device(const struct evdev *e, const struct evdev_node *node)
{
	return !memcmp(&e->ids, &node->ids, sizeof(e->ids)) && !strcmp(e->name, node->name) &&
	       !strcmp(e->uniq, node->uniq);
}

/* Something may be at the path again. */
static void evdev_look(void *arg)
{
	struct evdev *e = arg;
	struct evdev_node *node;

	if (e->params.open(&node, e->params.path, e->params.open_ctx) < 0)
		return;
	if (!is_same_device(e, node)) {
		log_guest(&e->rate, "%s: that is '%s', waiting for '%s'", e->params.path,
			  node->name, e->name);
		node->ops->close(node);
		return;
	}
	path_watch_stop(&e->watch);
	e->node = node;
	if (evdev_listen(e) < 0) {
		evdev_unplugged(e, -ENOMEM);
		return;
	}
	log_guest(&e->rate, "%s (%s): plugged in again", e->params.path, e->name);
	evdev_settle(e);
}

static void evdev_unplugged(struct evdev *e, int err)
{
	int ret;

	log_guest(&e->rate, "%s (%s): unplugged: %s", e->params.path, e->name, strerror(-err));
	evdev_let_go(e);
	loop_remove(e->loop, &e->src);
	loop_cancel(e->loop, &e->more);
	e->node->ops->close(e->node);
	e->node = NULL;
	ret = path_watch_start(&e->watch, e->loop, e->params.path, evdev_look, e);
	if (ret < 0)
		log_error("%s: cannot wait for it: %s", e->params.path, strerror(-ret));
}

/* --- life ------------------------------------------------------------------------------- */

static void evdev_release_due(void *arg)
{
	struct evdev *e = arg;

	e->giving_up = true;
	evdev_settle(e);
}

static const char *open_error(int err)
{
	switch (err) {
	case -ENOTTY:
	case -EINVAL:
		return "not an input device (/dev/input/event...)";
	case -EACCES:
	case -EPERM:
		return "permission denied; the group 'input' may read such devices";
	default:
		return strerror(-err);
	}
}

/* Whether it can be grabbed is found out before the guest starts. */
static int evdev_try_grab(struct evdev *e)
{
	int ret;

	if (e->params.grab == EVDEV_GRAB_OFF)
		return 0;
	ret = e->node->ops->grab(e->node, true);
	if (ret < 0)
		log_error("--input %s (%s): %s", e->params.path, e->name,
			  ret == -EBUSY ? "another program has grabbed it" : strerror(-ret));
	else
		e->node->ops->grab(e->node, false);
	return ret;
}

static int evdev_init(struct evdev *e)
{
	int ret = e->params.open(&e->node, e->params.path, e->params.open_ctx);

	if (ret < 0) {
		/* Of libevdev there was a line already. */
		if (ret != -ENOPKG)
			log_error("--input %s: %s", e->params.path, open_error(ret));
		return ret;
	}
	e->caps = e->node->caps;
	e->ids = e->node->ids;
	memcpy(e->name, e->node->name, sizeof(e->name));
	memcpy(e->uniq, e->node->uniq, sizeof(e->uniq));
	input_state_init(&e->told, input_caps_slots(&e->caps));
	return evdev_try_grab(e);
}

int evdev_open(struct evdev **out, struct loop *loop, const struct evdev_params *params)
{
	struct evdev *e = calloc(1, sizeof(*e));
	int ret = -ENOMEM;

	if (!e)
		return ret;
	e->loop = loop;
	e->params = *params;
	e->params.path = strdup(params->path);
	e->more = (struct loop_work){ .cb = evdev_read_more, .arg = e };
	e->release = (struct loop_timer){ .cb = evdev_release_due, .arg = e };
	e->wanted = params->grab != EVDEV_GRAB_TOGGLE;
	evdev_lights_init(&e->lights);
	e->next = params->set->first;
	params->set->first = e;
	if (e->params.path)
		ret = evdev_init(e);
	if (ret < 0) {
		evdev_close(e);
		return ret;
	}
	*out = e;
	return 0;
}

static void set_remove(struct evdev *e)
{
	struct evdev **p = &e->params.set->first;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
}

void evdev_close(struct evdev *e)
{
	if (!e)
		return;
	evdev_let_go(e);
	loop_remove(e->loop, &e->src);
	loop_cancel(e->loop, &e->more);
	path_watch_stop(&e->watch);
	if (e->node)
		e->node->ops->close(e->node);
	set_remove(e);
	free((char *)e->params.path);
	free(e);
}

void evdev_start(struct evdev *e, const struct input_sink *sink)
{
	int ret;

	e->sink = *sink;
	e->started = true;
	ret = evdev_listen(e);
	if (ret < 0)
		evdev_unplugged(e, ret);
	else
		evdev_settle(e);
}

static void evdev_feedback_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	evdev_lights_set(ctx, type, code, value);
}

struct input_sink evdev_feedback(struct evdev *e)
{
	return (struct input_sink){ .event = evdev_feedback_event, .ctx = e };
}

const struct input_caps *evdev_caps(const struct evdev *e)
{
	return &e->caps;
}

const struct input_id *evdev_ids(const struct evdev *e)
{
	return &e->ids;
}

const char *evdev_name(const struct evdev *e)
{
	return e->name;
}

const char *evdev_uniq(const struct evdev *e)
{
	return e->uniq;
}

bool evdev_is_guests(const struct evdev *e)
{
	return e->passing;
}
