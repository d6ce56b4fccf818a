/* SPDX-License-Identifier: MIT */
/* The table of a seat's commands, and those that only tell the card something. */
#include <errno.h>
#include <stdlib.h>

#include "devices/control/control_seat_impl.h"

#define MAX_WAIT_MS 3600000
#define MAX_DELAY_MS 1000
#define MAX_NOTCHES 1000

#define NUMBER(name, needed, min, max) { name, JSON_NUMBER, needed, min, max }
#define OUTPUT NUMBER("output", false, 0, DISPLAY_MAX_OUTPUTS - 1)

int control_seat_pick_output(struct control_seat *s, struct control_call *call)
{
	int output = control_number(call, "output", 0);

	if (output < (int)s->p.n_outputs)
		return output;
	if (s->p.n_outputs)
		control_refuse(call, "there is no output %d, the last one is %u", output,
			       s->p.n_outputs - 1);
	else
		control_refuse(call, "there is no graphics card");
	return -1;
}

static void seat_resize(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	const struct display_output what = {
		.width = control_number(call, "width", 0),
		.height = control_number(call, "height", 0),
	};
	int output = control_seat_pick_output(s, call);

	if (output < 0)
		return;
	s->p.sink.ops->configure(s->p.sink.ctx, output, &what);
	control_done(call);
}

static void plug(struct control_seat *s, struct control_call *call, bool on)
{
	int output = control_seat_pick_output(s, call);

	if (output < 0)
		return;
	s->p.sink.ops->plug(s->p.sink.ctx, output, on);
	control_done(call);
}

static void seat_plug(void *ctx, struct control_call *call)
{
	plug(ctx, call, true);
}

static void seat_unplug(void *ctx, struct control_call *call)
{
	plug(ctx, call, false);
}

/* --- the table ----------------------------------------------------------------- */

static const struct control_field output_fields[] = { OUTPUT, { 0 } };
static const struct control_field stable_fields[] = {
	NUMBER("ms", false, 0, MAX_WAIT_MS), NUMBER("limit_ms", false, 0, MAX_WAIT_MS), OUTPUT,
	{ 0 }
};
static const struct control_field type_fields[] = {
	{ "text", JSON_TEXT, true, 0, 0 }, NUMBER("delay_ms", false, 0, MAX_DELAY_MS), { 0 }
};
static const struct control_field key_fields[] = {
	{ "keys", JSON_TEXT, true, 0, 0 }, NUMBER("delay_ms", false, 0, MAX_DELAY_MS), { 0 }
};
static const struct control_field move_fields[] = {
	NUMBER("x", true, 0, DISPLAY_MAX_SIZE - 1), NUMBER("y", true, 0, DISPLAY_MAX_SIZE - 1),
	OUTPUT, { 0 }
};
static const struct control_field click_fields[] = {
	{ "button", JSON_TEXT, true, 0, 0 }, NUMBER("count", false, 1, 3),
	NUMBER("delay_ms", false, 0, MAX_DELAY_MS), { 0 }
};
static const struct control_field scroll_fields[] = {
	NUMBER("up", false, -MAX_NOTCHES, MAX_NOTCHES),
	NUMBER("right", false, -MAX_NOTCHES, MAX_NOTCHES), { 0 }
};
static const struct control_field resize_fields[] = {
	NUMBER("width", true, 1, DISPLAY_MAX_SIZE), NUMBER("height", true, 1, DISPLAY_MAX_SIZE),
	OUTPUT, { 0 }
};

static const struct control_command commands[] = {
	{ "screenshot", output_fields, control_seat_screenshot },
	{ "wait-stable", stable_fields, control_seat_wait_stable },
	{ "output", output_fields, control_seat_output },
	{ "type", type_fields, control_seat_type },
	{ "key", key_fields, control_seat_key },
	{ "move", move_fields, control_seat_move },
	{ "click", click_fields, control_seat_click },
	{ "scroll", scroll_fields, control_seat_scroll },
	{ "resize", resize_fields, seat_resize },
	{ "plug", output_fields, seat_plug },
	{ "unplug", output_fields, seat_unplug },
	{ 0 },
};

const struct control_ops *control_seat_ops(void)
{
	static const struct control_ops ops = { .commands = commands };

	return &ops;
}

int control_seat_create(struct control_seat **out, struct loop *loop,
			const struct control_seat_params *params)
{
	struct control_seat *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->p = *params;
	*out = s;
	return 0;
}

void control_seat_destroy(struct control_seat *s)
{
	free(s);
}
