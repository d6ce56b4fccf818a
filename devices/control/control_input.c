/* SPDX-License-Identifier: MIT */
/*
 * Keys and pointers of a seat. Keys go down and up one at a time with a pause
 * between: a guest's buffers are few, and what finds none is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/keychord.h"
#include "devices/control/control_seat_impl.h"
#include "vmm/util.h"

#define KEY_DELAY_MS 10
#define NOTCH 120

/* --- a row of keys ------------------------------------------------------------------ */

struct step {
	uint16_t code;
	bool down;
};

struct player {
	struct loop *loop;
	struct loop_timer timer;
	struct control_call *call;
	struct input_sink sink;
	uint64_t delay_ns;
	unsigned n, at;
	struct step steps[];
};

static void player_free(struct player *p)
{
	loop_timer_disarm(p->loop, &p->timer);
	free(p);
}

static void play_step(struct player *p)
{
	const struct step *step = &p->steps[p->at++];

	input_send(&p->sink, EV_KEY, step->code, step->down);
	input_sync(&p->sink);
}

static void play(void *arg)
{
	struct player *p = arg;
	struct control_call *call = p->call;

	if (p->at < p->n) {
		play_step(p);
		loop_timer_arm(p->loop, &p->timer, p->delay_ns);
		return;
	}
	player_free(p);
	control_done(call);
}

/* Whether the key of step @i, which went down, is still to go up. */
static bool is_held(const struct player *p, unsigned i)
{
	if (!p->steps[i].down)
		return false;
	for (unsigned up = i + 1; up < p->at; up++)
		if (p->steps[up].code == p->steps[i].code && !p->steps[up].down)
			return false;
	return true;
}

/* Nobody waits for it any more: what is down goes up, the rest is left out. */
static void play_cancel(void *arg)
{
	struct player *p = arg;
	/* No more than so many steps lie between a key's way down and up. */
	unsigned first = p->at > 2 * KEYCHORD_MAX ? p->at - 2 * KEYCHORD_MAX : 0;

	for (unsigned i = first; i < p->at; i++)
		if (is_held(p, i)) {
			input_send(&p->sink, EV_KEY, p->steps[i].code, 0);
			input_sync(&p->sink);
		}
	player_free(p);
}

/* NULL: refused. */
static struct player *player_create(struct control_seat *s, struct control_call *call,
				    const struct input_sink *sink, unsigned max_steps)
{
	struct player *p = calloc(1, sizeof(*p) + max_steps * sizeof(p->steps[0]));

	if (!p) {
		control_refuse(call, "out of memory");
		return NULL;
	}
	p->loop = s->loop;
	p->timer = (struct loop_timer){ .cb = play, .arg = p };
	p->call = call;
	p->sink = *sink;
	p->delay_ns = control_number(call, "delay_ms", KEY_DELAY_MS) * 1000000ull;
	return p;
}

static void player_start(struct player *p)
{
	control_later(p->call, play_cancel, p);
	loop_timer_arm(p->loop, &p->timer, 0);
}

static void add_step(struct player *p, uint16_t code, bool down)
{
	p->steps[p->n++] = (struct step){ code, down };
}

/* --- text, on a keyboard with the US layout ------------------------------------------- */

#define MAX_STEPS_PER_CHAR 4

static const uint16_t letters[26] = {
	KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M,
	KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z,
};

static const struct {
	char plain, shifted;
	uint16_t code;
} others[] = {
	{ '1', '!', KEY_1 }, { '2', '@', KEY_2 }, { '3', '#', KEY_3 }, { '4', '$', KEY_4 },
	{ '5', '%', KEY_5 }, { '6', '^', KEY_6 }, { '7', '&', KEY_7 }, { '8', '*', KEY_8 },
	{ '9', '(', KEY_9 }, { '0', ')', KEY_0 }, { '-', '_', KEY_MINUS }, { '=', '+', KEY_EQUAL },
	{ '[', '{', KEY_LEFTBRACE }, { ']', '}', KEY_RIGHTBRACE }, { '\\', '|', KEY_BACKSLASH },
	{ ';', ':', KEY_SEMICOLON }, { '\'', '"', KEY_APOSTROPHE }, { '`', '~', KEY_GRAVE },
	{ ',', '<', KEY_COMMA }, { '.', '>', KEY_DOT }, { '/', '?', KEY_SLASH },
	{ ' ', 0, KEY_SPACE }, { '\n', 0, KEY_ENTER }, { '\t', 0, KEY_TAB },
	{ '\b', 0, KEY_BACKSPACE },
};

/* The key of @c; 0: none. */
static uint16_t find_char(char c, bool *shift)
{
	*shift = c >= 'A' && c <= 'Z';
	if (*shift)
		return letters[c - 'A'];
	if (c >= 'a' && c <= 'z')
		return letters[c - 'a'];
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		*shift = c == others[i].shifted;
		if (*shift || c == others[i].plain)
			return others[i].code;
	}
	return 0;
}

static bool add_char(struct player *p, char c)
{
	bool shift;
	uint16_t code = find_char(c, &shift);

	if (!code)
		return false;
	if (shift)
		add_step(p, KEY_LEFTSHIFT, true);
	add_step(p, code, true);
	add_step(p, code, false);
	if (shift)
		add_step(p, KEY_LEFTSHIFT, false);
	return true;
}

static bool need(struct control_call *call, const struct input_sink *sink, const char *what)
{
	if (sink->event)
		return true;
	control_refuse(call, "there is no %s", what);
	return false;
}

void control_seat_type(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	const char *text = control_text(call, "text");
	struct player *p;

	if (!need(call, &s->p.keyboard, "keyboard"))
		return;
	p = player_create(s, call, &s->p.keyboard, strlen(text) * MAX_STEPS_PER_CHAR);
	if (!p)
		return;
	for (unsigned i = 0; text[i]; i++)
		if (!add_char(p, text[i])) {
			free(p);
			control_refuse(call, "character %u of 'text' is not on a US keyboard",
				       i + 1);
			return;
		}
	player_start(p);
}

void control_seat_key(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	char why[KEYCHORD_WHY];
	struct keychord chord;
	struct player *p;
	int ret;

	if (!need(call, &s->p.keyboard, "keyboard"))
		return;
	ret = keychord_parse(&chord, control_text(call, "keys"), why);
	if (ret < 0) {
		control_refuse(call, "%s", ret == -EINVAL ? why : "no libevdev, which knows names");
		return;
	}
	p = player_create(s, call, &s->p.keyboard, 2 * KEYCHORD_MAX);
	if (!p)
		return;
	for (unsigned i = 0; i < chord.n; i++)
		add_step(p, chord.keys[i][0], true);
	for (unsigned i = chord.n; i > 0; i--)
		add_step(p, chord.keys[i - 1][0], false);
	player_start(p);
}

/* --- pointers ---------------------------------------------------------------------------- */

/* Its place within @size pixels, on an axis of the tablet. */
static int32_t scale(int64_t at, uint32_t size)
{
	return size > 1 ? at * INPUT_ABS_MAX / (size - 1) : 0;
}

void control_seat_move(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	int64_t x = control_number(call, "x", 0), y = control_number(call, "y", 0);
	int output = control_seat_pick_output(s, call);
	const struct display_surface *surface;
	const struct picture *picture;

	if (output < 0 || !need(call, &s->p.tablet, "tablet"))
		return;
	picture = s->p.picture(s->p.ctx, output);
	surface = &picture->surface;
	if (!picture->shown) {
		control_refuse(call, "output %d shows no picture", output);
	} else if (x >= surface->width || y >= surface->height) {
		control_refuse(call, "the picture has %u x %u pixels", surface->width,
			       surface->height);
	} else {
		input_send(&s->p.tablet, EV_ABS, ABS_X, scale(x, surface->width));
		input_send(&s->p.tablet, EV_ABS, ABS_Y, scale(y, surface->height));
		input_sync(&s->p.tablet);
		control_done(call);
	}
}

static const struct input_sink *pointer(const struct control_seat *s)
{
	return s->p.tablet.event ? &s->p.tablet : &s->p.mouse;
}

static uint16_t find_button(const char *name)
{
	static const struct {
		const char *name;
		uint16_t code;
	} buttons[] = {
		{ "left", BTN_LEFT }, { "middle", BTN_MIDDLE }, { "right", BTN_RIGHT },
		{ "side", BTN_SIDE }, { "extra", BTN_EXTRA },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(buttons); i++)
		if (!strcmp(name, buttons[i].name))
			return buttons[i].code;
	return 0;
}

void control_seat_click(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	uint16_t code = find_button(control_text(call, "button"));
	unsigned count = control_number(call, "count", 1);
	struct player *p;

	if (!need(call, pointer(s), "tablet and no mouse"))
		return;
	if (!code) {
		control_refuse(call, "'button' is one of left, middle, right, side, extra");
		return;
	}
	p = player_create(s, call, pointer(s), 2 * count);
	if (!p)
		return;
	for (unsigned i = 0; i < count; i++) {
		add_step(p, code, true);
		add_step(p, code, false);
	}
	player_start(p);
}

void control_seat_scroll(void *ctx, struct control_call *call)
{
	struct control_seat *s = ctx;
	int32_t up = control_number(call, "up", 0), right = control_number(call, "right", 0);

	if (!need(call, pointer(s), "tablet and no mouse"))
		return;
	if (up)
		input_wheel_turn(&s->wheel, false, up * NOTCH, pointer(s));
	if (right)
		input_wheel_turn(&s->wheel, true, right * NOTCH, pointer(s));
	if (up || right)
		input_sync(pointer(s));
	control_done(call);
}
