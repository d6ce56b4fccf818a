/* SPDX-License-Identifier: MIT */
#include "tests/fake_evdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/util.h"

/* --- what was said --------------------------------------------------------------- */

static void events_add(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct fake_events *f = ctx;

	if (f->n == FAKE_EVENTS)
		abort();
	f->list[f->n++] = (struct evdev_event){ type, code, value };
}

struct input_sink fake_events_sink(struct fake_events *f)
{
	return (struct input_sink){ .event = events_add, .ctx = f };
}

void fake_events_expect(struct fake_events *f, uint16_t type, uint16_t code, int32_t value)
{
	const struct evdev_event *e = &f->list[0];

	if (!f->n || e->type != type || e->code != code || e->value != value) {
		fprintf(stderr, "expected %u %#x %d, of %u events there is %u %#x %d\n", type,
			code, value, f->n, f->n ? e->type : 0, f->n ? e->code : 0,
			f->n ? e->value : 0);
		abort();
	}
	memmove(f->list, f->list + 1, --f->n * sizeof(*e));
}

void fake_events_expect_sync(struct fake_events *f)
{
	fake_events_expect(f, EV_SYN, SYN_REPORT, 0);
}

void fake_events_expect_none(const struct fake_events *f)
{
	if (!f->n)
		return;
	fprintf(stderr, "expected nothing, but of %u events the first is %u %#x %d\n", f->n,
		f->list[0].type, f->list[0].code, f->list[0].value);
	abort();
}

/* --- a device ------------------------------------------------------------------------ */

struct fake_node {
	struct evdev_node node;
	struct fake_evdev *f;
};

static struct fake_evdev *fake_of(struct evdev_node *node)
{
	return container_of(node, struct fake_node, node)->f;
}

static int fake_next(struct evdev_node *node, struct evdev_event *event)
{
	ssize_t got = read(node->fd, event, sizeof(*event));

	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (got < (ssize_t)sizeof(*event))
		return -ENODEV;
	input_state_apply(&fake_of(node)->state, event->type, event->code, event->value);
	return 1;
}

static int32_t fake_value(struct evdev_node *node, uint16_t type, uint16_t code)
{
	const struct fake_evdev *f = fake_of(node);

	switch (type) {
	case EV_KEY:
		return input_state_key(&f->state, code);
	case EV_SW:
		return f->state.switches[code / 8] >> code % 8 & 1;
	case EV_ABS:
		return code == ABS_MT_SLOT ? (int)f->state.slot : f->state.abs[code];
	case EV_LED:
		return f->leds >> code & 1;
	case EV_REP:
		return f->rep[code];
	default:
		return 0;
	}
}

static int32_t fake_slot_value(struct evdev_node *node, unsigned slot, uint16_t code)
{
	const struct input_slot *s = &fake_of(node)->state.slots[slot];

	return code == ABS_MT_TRACKING_ID ? s->id : s->value[code - INPUT_MT_FIRST];
}

static int fake_grab(struct evdev_node *node, bool on)
{
	struct fake_evdev *f = fake_of(node);

	if (on && f->grab_ret < 0)
		return f->grab_ret;
	f->grabs += on;
	f->grabbed = on;
	return 0;
}

static int fake_write(struct evdev_node *node, const struct evdev_event *event)
{
	struct fake_evdev *f = fake_of(node);

	events_add(&f->written, event->type, event->code, event->value);
	if (event->type == EV_LED)
		f->leds = event->value ? f->leds | 1u << event->code
				       : f->leds & ~(1u << event->code);
	if (event->type == EV_REP)
		f->rep[event->code] = event->value;
	return 0;
}

static void fake_close(struct evdev_node *node)
{
	struct fake_evdev *f = fake_of(node);

	/* As the kernel does. */
	f->grabbed = false;
	f->closed++;
	close(node->fd);
	fake_evdev_unplug(f);
	free(container_of(node, struct fake_node, node));
}

int fake_evdev_open(struct evdev_node **out, const char *path, void *ctx)
{
	static const struct evdev_node_ops ops = {
		.next = fake_next,
		.value = fake_value,
		.slot_value = fake_slot_value,
		.grab = fake_grab,
		.write = fake_write,
		.close = fake_close,
	};
	struct fake_evdev *f = ctx;
	struct fake_node *n;
	int fds[2];

	(void)path;
	if (f->open_ret < 0)
		return f->open_ret;
	n = calloc(1, sizeof(*n));
	if (!n || pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		abort();
	n->f = f;
	n->node.ops = &ops;
	n->node.fd = fds[0];
	n->node.caps = f->caps;
	n->node.ids = f->ids;
	snprintf(n->node.name, EVDEV_NAME_LEN, "%s", f->name);
	snprintf(n->node.uniq, EVDEV_NAME_LEN, "%s", f->uniq);
	f->type_fd = fds[1];
	f->opened++;
	f->state.n_slots = input_caps_slots(&f->caps);
	*out = &n->node;
	return 0;
}

void fake_evdev_init(struct fake_evdev *f, const char *name)
{
	memset(f, 0, sizeof(*f));
	f->open_ret = -ENOENT;
	f->name = name;
	f->uniq = "";
	f->type_fd = -1;
	input_state_init(&f->state, 0);
}

void fake_evdev_finish(struct fake_evdev *f)
{
	fake_evdev_unplug(f);
}

void fake_evdev_unplug(struct fake_evdev *f)
{
	if (f->type_fd >= 0)
		close(f->type_fd);
	f->type_fd = -1;
}

void fake_evdev_send(struct fake_evdev *f, uint16_t type, uint16_t code, int32_t value)
{
	const struct evdev_event event = { type, code, value };

	if (write(f->type_fd, &event, sizeof(event)) != sizeof(event))
		abort();
}

void fake_evdev_key(struct fake_evdev *f, uint16_t code, bool down)
{
	fake_evdev_send(f, EV_KEY, code, down);
	fake_evdev_send(f, EV_SYN, SYN_REPORT, 0);
}
