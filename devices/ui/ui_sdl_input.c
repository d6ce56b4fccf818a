/* SPDX-License-Identifier: MIT */
/* Keys, buttons, motion and wheels in windows, for the guest's devices. */
#include "devices/ui/keymap.h"
#include "devices/ui/ui_sdl_impl.h"
#include "vmm/util.h"

_Static_assert(SDL_SCANCODE_A == 0x04 && SDL_SCANCODE_RGUI == 0xe7 &&
	       SDL_SCANCODE_MODE == 257 && SDL_SCANCODE_AUDIOFASTFORWARD + 1 == KEYMAP_SCANCODES,
	       "SDL counts as keymap.h does");

static const uint16_t lock_keys[UI_LOCKS] = {
	[UI_NUM] = KEY_NUMLOCK, [UI_CAPS] = KEY_CAPSLOCK, [UI_SCROLL] = KEY_SCROLLLOCK,
};
static const uint16_t lock_leds[UI_LOCKS] = {
	[UI_NUM] = LED_NUML, [UI_CAPS] = LED_CAPSL, [UI_SCROLL] = LED_SCROLLL,
};
static const uint16_t lock_mods[UI_LOCKS] = {
	[UI_NUM] = KMOD_NUM, [UI_CAPS] = KMOD_CAPS, [UI_SCROLL] = KMOD_SCROLL,
};

/* --- towards the guest ------------------------------------------------------------ */

/* A packet of its own. */
static void send_key(struct ui_source *s, unsigned code, bool down)
{
	if (!input_state_apply(&s->state, EV_KEY, code, down))
		return;
	input_send(&s->sink, EV_KEY, code, down);
	input_sync(&s->sink);
}

static void release(struct ui_source *s)
{
	input_state_release(&s->state, &s->sink);
}

static void release_all(struct ui_sdl *ui)
{
	release(&ui->input.keyboard);
	release(&ui->input.mouse);
	release(&ui->input.tablet);
	ui_touch_release(ui);
}

static void init_source(struct ui_source *s, const struct input_sink *sink)
{
	s->there = sink->event;
	s->sink = *sink;
	input_state_init(&s->state, 0);
}

bool ui_input_relative(const struct ui_sdl *ui)
{
	return ui->input.grabbed && ui->input.mouse.there;
}

/* Which device the pointer is now; NULL: none of the guest's. */
static struct ui_source *pointer(struct ui_sdl *ui)
{
	struct ui_input *in = &ui->input;

	if (ui_input_relative(ui))
		return &in->mouse;
	return in->tablet.there ? &in->tablet : NULL;
}

void ui_input_flush(struct ui_sdl *ui)
{
	struct ui_input *in = &ui->input;

	if (!in->moved)
		return;
	in->moved = false;
	if (!ui_input_relative(ui)) {
		input_send(&in->tablet.sink, EV_ABS, ABS_X, in->x);
		input_send(&in->tablet.sink, EV_ABS, ABS_Y, in->y);
		input_sync(&in->tablet.sink);
		return;
	}
	if (in->dx)
		input_send(&in->mouse.sink, EV_REL, REL_X, in->dx);
	if (in->dy)
		input_send(&in->mouse.sink, EV_REL, REL_Y, in->dy);
	if (in->dx || in->dy)
		input_sync(&in->mouse.sink);
	in->dx = in->dy = 0;
}

/* --- keyboard and pointer taken from the desktop ---------------------------------- */

static void grab(struct ui_sdl *ui, bool on)
{
	struct ui_input *in = &ui->input;

	if (in->grabbed == on)
		return;
	ui_input_flush(ui);
	release(&in->mouse);
	release(&in->tablet);
	in->grabbed = on;
	if (in->focus)
		ui->sdl.SetWindowKeyboardGrab(in->focus->window, on ? SDL_TRUE : SDL_FALSE);
	if (in->mouse.there)
		ui->sdl.SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
	ui_cursor_show(ui);
	for (unsigned i = 0; i < ui->n; i++) {
		ui_window_title(&ui->windows[i]);
		ui_window_touch(&ui->windows[i]);
	}
}

/* --- lock keys -------------------------------------------------------------------- */

/*
 * Where the guest's light differs from the host's lock, a tap of the key brings
 * them together: once after the focus came, since a guest may have other plans
 * with that key.
 */
static void follow_locks(struct ui_sdl *ui)
{
	struct ui_input *in = &ui->input;
	unsigned mods = ui->sdl.GetModState();

	for (unsigned i = 0; in->focus && i < UI_LOCKS; i++) {
		if (!in->lock_known[i] || in->lock_done[i] || (i == UI_SCROLL && !in->has_scroll))
			continue;
		in->lock_done[i] = true;
		if (in->lock_on[i] == !!(mods & lock_mods[i]))
			continue;
		send_key(&in->keyboard, lock_keys[i], true);
		send_key(&in->keyboard, lock_keys[i], false);
	}
}

static void locks_changed(void *arg)
{
	follow_locks(arg);
}

static void light(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct ui_sdl *ui = ctx;
	struct ui_input *in = &ui->input;

	for (unsigned i = 0; type == EV_LED && i < UI_LOCKS; i++) {
		if (lock_leds[i] != code)
			continue;
		in->lock_known[i] = true;
		in->lock_on[i] = value;
		/* The device's lock is held here. */
		loop_post(ui->loop, &in->locks);
	}
}

struct input_sink ui_sdl_feedback(struct ui_sdl *ui)
{
	return (struct input_sink){ light, ui };
}

void ui_input_focus(struct ui_window *w, bool on)
{
	struct ui_sdl *ui = w->ui;
	struct ui_input *in = &ui->input;

	if (on) {
		in->focus = w;
		/* Most have none: what they say then is that it is off. */
		in->has_scroll |= ui->sdl.GetModState() & KMOD_SCROLL;
		memset(in->lock_done, 0, sizeof(in->lock_done));
		follow_locks(ui);
		return;
	}
	if (in->focus != w)
		return;
	grab(ui, false);
	in->focus = NULL;
	in->swallowed = 0;
	/* Where it goes, nobody tells us of keys that come up. */
	release_all(ui);
}

/* --- keys ------------------------------------------------------------------------- */

/* Whether the key means us rather than the guest. */
static bool own_chord(struct ui_sdl *ui, const SDL_KeyboardEvent *e)
{
	struct ui_input *in = &ui->input;
	const struct input_state *s = &in->keyboard.state;

	if (!in->focus ||
	    !(input_state_key(s, KEY_LEFTCTRL) || input_state_key(s, KEY_RIGHTCTRL)) ||
	    !(input_state_key(s, KEY_LEFTALT) || input_state_key(s, KEY_RIGHTALT)))
		return false;
	switch (e->keysym.scancode) {
	case SDL_SCANCODE_G:
		grab(ui, !in->grabbed);
		return true;
	case SDL_SCANCODE_F:
		ui_window_fullscreen(in->focus);
		return true;
	case SDL_SCANCODE_I:
		ui_window_integer(in->focus);
		return true;
	default:
		return false;
	}
}

static void key(struct ui_sdl *ui, const SDL_KeyboardEvent *e)
{
	struct ui_input *in = &ui->input;
	unsigned code = keymap_key(e->keysym.scancode);
	bool down = e->type == SDL_KEYDOWN;

	if (e->repeat || !code)
		return;
	if (e->keysym.scancode == in->swallowed && in->swallowed) {
		in->swallowed = down ? in->swallowed : 0;
		return;
	}
	if (down && own_chord(ui, e)) {
		in->swallowed = e->keysym.scancode;
		return;
	}
	/* Without the focus, a key goes nowhere but up. */
	if (in->focus || !down)
		send_key(&in->keyboard, code, down);
}

/* --- the pointer ------------------------------------------------------------------ */

struct ui_window *ui_input_window(struct ui_sdl *ui, uint32_t id)
{
	for (unsigned i = 0; i < ui->n; i++)
		if (ui->windows[i].id == id)
			return &ui->windows[i];
	return NULL;
}

static void side_of(const struct ui_window *w, uint32_t *width, uint32_t *height)
{
	*width = w->picture.shown ? w->picture.surface.width : w->asked_width;
	*height = w->picture.shown ? w->picture.surface.height : w->asked_height;
}

/* Monitors are side by side, as the card says. */
bool ui_input_place(struct ui_window *at, int x, int y, int32_t *ax, int32_t *ay)
{
	struct ui_sdl *ui = at->ui;
	uint64_t left = 0, width = 0, height = 0;
	int64_t fx, fy;
	uint32_t w, h;

	for (unsigned i = 0; i < ui->n; i++) {
		side_of(&ui->windows[i], &w, &h);
		if (!ui->windows[i].plugged)
			continue;
		left += i < at->output ? w : 0;
		width += w;
		height = MAX(height, h);
	}
	side_of(at, &w, &h);
	if (!width || !height)
		return false;
	ui_window_locate(at, x, y, &fx, &fy);
	*ax = ((int64_t)left * 65536 + fx * w) * INPUT_ABS_MAX / ((int64_t)width * 65536);
	*ay = fy * h * INPUT_ABS_MAX / ((int64_t)height * 65536);
	return true;
}

static void motion(struct ui_sdl *ui, const SDL_MouseMotionEvent *e)
{
	struct ui_input *in = &ui->input;
	struct ui_window *w = ui_input_window(ui, e->windowID);

	if (ui_input_relative(ui)) {
		in->dx += e->xrel;
		in->dy += e->yrel;
		in->moved = true;
	} else if (w && in->tablet.there && ui_input_place(w, e->x, e->y, &in->x, &in->y)) {
		in->moved = true;
	}
}

static void button(struct ui_sdl *ui, const SDL_MouseButtonEvent *e)
{
	static const uint16_t buttons[] = {
		[SDL_BUTTON_LEFT] = BTN_LEFT, [SDL_BUTTON_MIDDLE] = BTN_MIDDLE,
		[SDL_BUTTON_RIGHT] = BTN_RIGHT, [SDL_BUTTON_X1] = BTN_SIDE,
		[SDL_BUTTON_X2] = BTN_EXTRA, BTN_FORWARD, BTN_BACK, BTN_TASK,
	};
	struct ui_source *s = pointer(ui);
	bool down = e->type == SDL_MOUSEBUTTONDOWN;

	if (!s && down && ui->input.mouse.there && ui->input.focus)
		grab(ui, true);
	else if (s && e->button < ARRAY_SIZE(buttons) && buttons[e->button])
		send_key(s, buttons[e->button], down);
}

/* Notches, in 120ths. */
static int32_t v120(float notches)
{
	float limited = MIN(MAX(notches, -1000.0f), 1000.0f) * 120;

	return limited < 0 ? limited - 0.5f : limited + 0.5f;
}

static void wheel(struct ui_sdl *ui, const SDL_MouseWheelEvent *e)
{
	struct ui_source *s = pointer(ui);
	int32_t x = v120(e->preciseX), y = v120(e->preciseY);

	if (!s || (!x && !y))
		return;
	if (y)
		input_wheel_turn(&s->wheel, false, y, &s->sink);
	if (x)
		input_wheel_turn(&s->wheel, true, x, &s->sink);
	input_sync(&s->sink);
}

/* What SDL makes a pointer of for programs that know no fingers; @which made it. */
static bool is_finger(const struct ui_sdl *ui, uint32_t which)
{
	return which == SDL_TOUCH_MOUSEID && ui->input.touch.there;
}

/* --- entry points ----------------------------------------------------------------- */

void ui_input_event(struct ui_sdl *ui, const SDL_Event *e)
{
	/* What happens after a motion happens at its end. */
	if (e->type != SDL_MOUSEMOTION)
		ui_input_flush(ui);
	switch (e->type) {
	case SDL_KEYDOWN:
	case SDL_KEYUP:
		key(ui, &e->key);
		break;
	case SDL_MOUSEMOTION:
		if (!is_finger(ui, e->motion.which))
			motion(ui, &e->motion);
		break;
	case SDL_MOUSEBUTTONDOWN:
	case SDL_MOUSEBUTTONUP:
		if (!is_finger(ui, e->button.which))
			button(ui, &e->button);
		break;
	case SDL_MOUSEWHEEL:
		wheel(ui, &e->wheel);
		break;
	case SDL_FINGERDOWN:
	case SDL_FINGERMOTION:
	case SDL_FINGERUP:
		ui_touch_event(ui, &e->tfinger);
		break;
	}
}

void ui_input_init(struct ui_sdl *ui, const struct ui_sdl_params *params)
{
	struct ui_input *in = &ui->input;

	init_source(&in->keyboard, &params->sinks[INPUT_KEYBOARD]);
	init_source(&in->mouse, &params->sinks[INPUT_MOUSE]);
	init_source(&in->tablet, &params->sinks[INPUT_TABLET]);
	ui_touch_init(ui, &params->sinks[INPUT_MULTITOUCH]);
	in->locks = (struct loop_work){ .cb = locks_changed, .arg = ui };
}

void ui_input_finish(struct ui_sdl *ui)
{
	struct ui_input *in = &ui->input;

	release_all(ui);
	loop_cancel(ui->loop, &in->locks);
}
