/* SPDX-License-Identifier: MIT */
/*
 * Fingers on windows, for the guest's touch screen: protocol B of the kernel's
 * multi-touch-protocol.rst, and the oldest finger as a pointer for those who know
 * of one only.
 */
#include "devices/ui/ui_sdl_impl.h"
#include "vmm/util.h"

/* Whether that is news. */
static bool put(struct ui_source *s, uint16_t type, uint16_t code, int32_t value)
{
	bool news = input_state_apply(&s->state, type, code, value);

	if (news)
		input_send(&s->sink, type, code, value);
	return news;
}

/* NULL: not on any window. */
static struct ui_finger *find(struct ui_input *in, const SDL_TouchFingerEvent *e)
{
	for (unsigned i = 0; i < INPUT_TOUCH_SLOTS; i++) {
		struct ui_finger *f = &in->fingers[i];

		if (f->down && f->screen == e->touchId && f->id == e->fingerId)
			return f;
	}
	return NULL;
}

/* NULL: there are as many as the guest's screen can tell apart. */
static struct ui_finger *add(struct ui_input *in, const SDL_TouchFingerEvent *e)
{
	unsigned i = 0;

	while (i < INPUT_TOUCH_SLOTS && in->fingers[i].down)
		i++;
	if (i == INPUT_TOUCH_SLOTS)
		return NULL;
	in->fingers[i] = (struct ui_finger){
		.down = true, .screen = e->touchId, .id = e->fingerId, .touch = in->next_touch,
	};
	/* As many numbers as the device has for them (input_caps.c). */
	in->next_touch = (in->next_touch + 1) & 0xffff;
	return &in->fingers[i];
}

static const struct ui_finger *oldest(const struct ui_input *in)
{
	const struct ui_finger *old = NULL;

	for (unsigned i = 0; i < INPUT_TOUCH_SLOTS; i++) {
		const struct ui_finger *f = &in->fingers[i];

		/* Numbers wrap, but not within ten fingers. */
		if (f->down && (!old || ((old->touch - f->touch) & 0xffff) < 0x8000))
			old = f;
	}
	return old;
}

/* Whether there is a place for it. */
static bool move(struct ui_sdl *ui, struct ui_finger *f, const SDL_TouchFingerEvent *e)
{
	struct ui_window *w = ui_input_window(ui, e->windowID);
	float x = MIN(MAX(e->x, 0.0f), 1.0f), y = MIN(MAX(e->y, 0.0f), 1.0f);
	int width = 0, height = 0;

	w = w ? w : ui->input.focus;
	if (!w)
		return false;
	ui->sdl.GetWindowSize(w->window, &width, &height);
	return width > 0 && height > 0 &&
	       ui_input_place(w, x * (width - 1), y * (height - 1), &f->x, &f->y);
}

static void tell(struct ui_input *in, const struct ui_finger *f)
{
	struct ui_source *s = &in->touch;
	const struct ui_finger *first = oldest(in);
	bool news = put(s, EV_ABS, ABS_MT_SLOT, f - in->fingers);

	news |= put(s, EV_ABS, ABS_MT_TRACKING_ID, f->down ? f->touch : -1);
	if (f->down) {
		news |= put(s, EV_ABS, ABS_MT_POSITION_X, f->x);
		news |= put(s, EV_ABS, ABS_MT_POSITION_Y, f->y);
	}
	news |= put(s, EV_KEY, BTN_TOUCH, !!first);
	if (first) {
		news |= put(s, EV_ABS, ABS_X, first->x);
		news |= put(s, EV_ABS, ABS_Y, first->y);
	}
	if (news)
		input_sync(&s->sink);
}

static bool is_trackpad(const struct ui_sdl *ui, SDL_TouchID id)
{
	SDL_TouchDeviceType type = ui->sdl.GetTouchDeviceType(id);

	return type == SDL_TOUCH_DEVICE_INDIRECT_ABSOLUTE ||
	       type == SDL_TOUCH_DEVICE_INDIRECT_RELATIVE;
}

void ui_touch_event(struct ui_sdl *ui, const SDL_TouchFingerEvent *e)
{
	struct ui_input *in = &ui->input;
	struct ui_finger *f = find(in, e);

	if (!in->touch.there || is_trackpad(ui, e->touchId))
		return;
	if (!f && e->type == SDL_FINGERDOWN)
		f = add(in, e);
	if (!f)
		return;
	/* One that finds no place does not begin, but it ends wherever it is. */
	if (!move(ui, f, e) && e->type == SDL_FINGERDOWN)
		f->down = false;
	else if (e->type == SDL_FINGERUP)
		f->down = false;
	tell(in, f);
}

void ui_touch_release(struct ui_sdl *ui)
{
	struct ui_input *in = &ui->input;

	memset(in->fingers, 0, sizeof(in->fingers));
	input_state_release(&in->touch.state, &in->touch.sink);
}

void ui_touch_init(struct ui_sdl *ui, const struct input_sink *sink)
{
	struct ui_source *s = &ui->input.touch;

	s->there = sink->event;
	s->sink = *sink;
	input_state_init(&s->state, INPUT_TOUCH_SLOTS);
}
