/* SPDX-License-Identifier: MIT */
/*
 * Windows as somebody at the desktop sees and uses them, with the test as the
 * card. Skipped where there is no Xvfb, unless MICROVM_XVFB is set.
 */
#include <SDL2/SDL.h>
#include <dlfcn.h>
#include <errno.h>
#include <libdrm/drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/ui/ui_sdl_impl.h"
#include "tests/have_gl.h"
#include "tests/until.h"
#include "tests/xdesk.h"
#include "vmm/util.h"

#define W 320u
#define H 200u
#define MAX_EVENTS 4096
#define TITLE "guest of test"

struct seen {
	unsigned n;
	struct { uint16_t type, code; int32_t value; } events[MAX_EVENTS];
};

struct t {
	struct loop *loop;
	struct ui_sdl *ui;
	struct display d;
	unsigned long window;
	struct seen keyboard, mouse, tablet, touch;
	bool fullscreen, integer, has_touch;	/* for create() */
	struct display_output asked[2];
	unsigned n_asked, n_frames, n_closed, closed;
	uint32_t *fb;
	struct iovec piece, *pieces;
	struct display_surface surface;
};

static bool by_gl;	/* how windows are drawn */

#define UNTIL(t, cond) UNTIL_IN((t)->loop, cond)

/* --- a card and its guest ------------------------------------------------------------ */

static void note(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct seen *s = ctx;

	assert_true(s->n < MAX_EVENTS);
	s->events[s->n].type = type;
	s->events[s->n].code = code;
	s->events[s->n++].value = value;
}

/* How often that was seen. */
static unsigned saw(const struct seen *s, uint16_t type, uint16_t code, int32_t value)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->events[i].type == type && s->events[i].code == code &&
		     s->events[i].value == value;
	return n;
}

static int32_t last(const struct seen *s, uint16_t type, uint16_t code)
{
	int32_t value = -1;

	for (unsigned i = 0; i < s->n; i++)
		if (s->events[i].type == type && s->events[i].code == code)
			value = s->events[i].value;
	return value;
}

static int32_t sum(const struct seen *s, uint16_t type, uint16_t code)
{
	int32_t value = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (s->events[i].type == type && s->events[i].code == code)
			value += s->events[i].value;
	return value;
}

static void configure(void *ctx, unsigned output, const struct display_output *what)
{
	struct t *t = ctx;

	t->n_asked++;
	t->asked[output] = *what;
}

static void frame_done(void *ctx, unsigned output)
{
	struct t *t = ctx;

	t->n_frames++;
}

static void closed(void *ctx, unsigned output)
{
	struct t *t = ctx;

	t->n_closed++;
	t->closed = output;
}

static const struct display_sink_ops sink_ops = {
	.configure = configure, .frame_done = frame_done,
};

static uint32_t colour(uint32_t x, uint32_t y)
{
	return (x & 255) << 16 | (y & 255) << 8 | ((x ^ y) & 255);
}

static void paint(struct t *t)
{
	for (uint32_t y = 0; y < H; y++)
		for (uint32_t x = 0; x < W; x++)
			t->fb[y * W + x] = colour(x, y);
}

static void show(struct t *t)
{
	t->surface = (struct display_surface){
		.fourcc = DRM_FORMAT_XRGB8888, .width = W, .height = H,
		.pixels = { .pieces = &t->piece, .n_pieces = 1, .stride = 4 * W },
	};
	t->d.ops->set(t->d.ctx, 0, &t->surface);
}

static void flush(struct t *t, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	const struct display_rect r = { x, y, width, height };

	assert_true(t->d.ops->flush(t->d.ctx, 0, &r));
}

static void create(struct t *t, unsigned n_outputs, bool mouse, bool tablet)
{
	struct ui_sdl_params params = {
		.name = TITLE, .n_outputs = n_outputs, .width = W, .height = H,
		.fullscreen = t->fullscreen, .integer = t->integer, .gl = by_gl,
		.sinks[INPUT_KEYBOARD] = { note, &t->keyboard },
		.closed = closed, .ctx = t,
	};
	char why[160] = "";

	if (mouse)
		params.sinks[INPUT_MOUSE] = (struct input_sink){ note, &t->mouse };
	if (tablet)
		params.sinks[INPUT_TABLET] = (struct input_sink){ note, &t->tablet };
	if (t->has_touch)
		params.sinks[INPUT_MULTITOUCH] = (struct input_sink){ note, &t->touch };
	if (ui_sdl_create(&t->ui, t->loop, &params, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	t->d = ui_sdl_display(t->ui);
	ui_sdl_set_sink(t->ui, (struct display_sink){ &sink_ops, t });
}

static struct t *make(void)
{
	struct t *t = calloc(1, sizeof(*t));

	assert_int_equal(loop_create(&t->loop), 0);
	t->fb = malloc(4 * W * H);
	t->piece = (struct iovec){ t->fb, 4 * W * H };
	paint(t);
	return t;
}

/* A window in the corner, with the focus and the first picture. */
static void open_window(struct t *t, bool mouse, bool tablet)
{
	create(t, 1, mouse, tablet);
	show(t);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE)));
	xdesk_tool("windowmove --sync %lu 0 0", t->window);
	xdesk_focus(&desk, t->window);
	UNTIL(t, xdesk_pixel(&desk, t->window, 7, 5) == colour(7, 5));
	UNTIL(t, t->n_asked);
}

static int setup_with(void **state, bool mouse, bool tablet)
{
	struct t *t = make();

	open_window(t, mouse, tablet);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false, true);
}

static int setup_mouse(void **state)
{
	return setup_with(state, true, false);
}

static int setup_empty(void **state)
{
	*state = make();
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	ui_sdl_destroy(t->ui);
	loop_destroy(t->loop);
	free(t->pieces);
	free(t->fb);
	free(t);
	return 0;
}

/* --- pictures --------------------------------------------------------------------------- */

static void window_shows_the_guests_name_and_picture(void **state)
{
	struct t *t = *state;

	assert_true(xdesk_title_has(&desk, t->window, "ctrl-alt-g"));
	for (uint32_t y = 0; y < H; y += 13)
		for (uint32_t x = 0; x < W; x += 17)
			assert_int_equal(xdesk_pixel(&desk, t->window, x, y), colour(x, y));
	assert_int_equal(xdesk_pixel(&desk, t->window, W - 1, H - 1), colour(W - 1, H - 1));
}

static void only_damage_is_copied_and_a_frame_answers(void **state)
{
	struct t *t = *state;

	t->fb[20 * W + 30] = 0x112233;
	t->fb[21 * W + 30] = 0x445566;
	flush(t, 30, 20, 1, 1);
	assert_int_equal(t->n_frames, 0);
	UNTIL(t, t->n_frames);
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 20) == 0x112233);
	assert_int_equal(xdesk_pixel(&desk, t->window, 30, 21), colour(30, 21));
	flush(t, 0, 0, W, H);
	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames == 2);
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 21) == 0x445566);
	assert_int_equal(t->n_frames, 2);
}

static void every_format_has_its_colours(void **state)
{
	static const struct { uint32_t fourcc, pixel; } formats[] = {
		{ DRM_FORMAT_ARGB8888, 0x00a0b0c0 }, { DRM_FORMAT_XRGB8888, 0x55a0b0c0 },
		{ DRM_FORMAT_ABGR8888, 0x00c0b0a0 }, { DRM_FORMAT_XBGR8888, 0x55c0b0a0 },
		{ DRM_FORMAT_RGBA8888, 0xa0b0c000 }, { DRM_FORMAT_RGBX8888, 0xa0b0c055 },
		{ DRM_FORMAT_BGRA8888, 0xc0b0a000 }, { DRM_FORMAT_BGRX8888, 0xc0b0a055 },
	};
	struct t *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		t->fb[3 * W + 3] = formats[i].pixel;
		t->fb[4 * W + 4] = 0;
		t->surface.fourcc = formats[i].fourcc;
		t->d.ops->set(t->d.ctx, 0, &t->surface);
		UNTIL(t, xdesk_pixel(&desk, t->window, 3, 3) == 0xa0b0c0);
		t->d.ops->off(t->d.ctx, 0);
		UNTIL(t, xdesk_pixel(&desk, t->window, 3, 3) == 0);
	}
}

static void picture_in_scattered_pages(void **state)
{
	struct t *t = *state;
	const unsigned n = 4 * W * H / 1000;

	t->pieces = calloc(n, sizeof(*t->pieces));
	for (unsigned i = 0; i < n; i++)
		t->pieces[i] = (struct iovec){ (char *)t->fb + 1000 * i, 1000 };
	t->surface.pixels.pieces = t->pieces;
	t->surface.pixels.n_pieces = n;
	t->d.ops->set(t->d.ctx, 0, &t->surface);
	for (uint32_t y = 0; y < H; y++)
		t->fb[y * W + 100] = 0xabcdef;
	flush(t, 90, 1, 50, H - 1);
	UNTIL(t, t->n_frames);
	UNTIL(t, xdesk_pixel(&desk, t->window, 100, 1) == 0xabcdef);
	assert_int_equal(xdesk_pixel(&desk, t->window, 100, H - 1), 0xabcdef);
	assert_int_equal(xdesk_pixel(&desk, t->window, 100, 0), colour(100, 0));
	assert_int_equal(xdesk_pixel(&desk, t->window, 139, 77), colour(139, 77));
}

static void screenshots_see_what_the_window_shows(void **state)
{
	struct t *t = *state;
	const struct picture *p = ui_sdl_picture(t->ui, 0);
	uint32_t row[W];

	assert_true(p->shown);
	picture_row(p, 9, row);
	assert_int_equal(row[8], 0xff000000 | colour(8, 9));
	t->d.ops->off(t->d.ctx, 0);
	assert_false(p->shown);
}

/* --- sizes -------------------------------------------------------------------------------- */

static void resized_window_asks_for_its_size_and_keeps_the_aspect(void **state)
{
	struct t *t = *state;

	assert_int_equal(t->asked[0].width, W);
	assert_true(t->asked[0].refresh_mhz >= 1000);
	xdesk_tool("windowsize --sync %lu 640 600", t->window);
	UNTIL(t, t->asked[0].width == 640 && t->asked[0].height == 600);
	/* Twice the picture, in the middle: bars of 100 rows. */
	for (uint32_t i = 0; i < W * H; i++)
		t->fb[i] = 0x00ff00;
	flush(t, 0, 0, W, H);
	UNTIL(t, xdesk_pixel(&desk, t->window, 320, 300) == 0x00ff00);
	assert_int_equal(xdesk_pixel(&desk, t->window, 320, 99), 0);
	assert_int_equal(xdesk_pixel(&desk, t->window, 320, 100), 0x00ff00);
	assert_int_equal(xdesk_pixel(&desk, t->window, 0, 499), 0x00ff00);
	assert_int_equal(xdesk_pixel(&desk, t->window, 0, 500), 0);
}

static void whole_multiples_are_a_chord_away(void **state)
{
	struct t *t = *state;

	for (uint32_t i = 0; i < W * H; i++)
		t->fb[i] = 0x00ff00;
	flush(t, 0, 0, W, H);
	xdesk_tool("windowsize --sync %lu 500 300", t->window);
	UNTIL(t, t->asked[0].width == 500);
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 150) == 0x00ff00);
	xdesk_tool("key ctrl+alt+i");
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 150) == 0);
	assert_int_equal(xdesk_pixel(&desk, t->window, 90, 50), 0x00ff00);
	assert_int_equal(xdesk_pixel(&desk, t->window, 90, 49), 0);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_I, 1), 0);
}

static void full_screen_is_a_chord_away(void **state)
{
	struct t *t = *state;

	xdesk_tool("key ctrl+alt+f");
	/* Without a window manager there is no way back. */
	UNTIL(t, t->asked[0].width == XDESK_WIDTH && t->asked[0].height == XDESK_HEIGHT);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_F, 1), 0);
}

static void full_screen_may_be_so_from_the_start(void **state)
{
	struct t *t = *state;

	t->fullscreen = true;
	create(t, 2, false, true);
	/* Without a window manager it is only asked for. */
	UNTIL(t, t->asked[0].width == XDESK_WIDTH && t->asked[0].height == XDESK_HEIGHT);
	/* The second one has no monitor left to fill. */
	UNTIL(t, t->asked[1].width == W && t->asked[1].height == H);
}

static void whole_multiples_may_be_so_from_the_start(void **state)
{
	struct t *t = *state;

	t->integer = true;
	open_window(t, false, true);
	for (uint32_t i = 0; i < W * H; i++)
		t->fb[i] = 0x00ff00;
	flush(t, 0, 0, W, H);
	xdesk_tool("windowsize --sync %lu 500 300", t->window);
	UNTIL(t, xdesk_pixel(&desk, t->window, 90, 50) == 0x00ff00);
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 150) == 0);
}

static void window_follows_a_mode_that_the_guest_chose(void **state)
{
	struct t *t = *state;
	unsigned w, h, before = t->n_asked;

	t->d.ops->mode(t->d.ctx, 0, 400, 260);
	UNTIL(t, (xdesk_size(&desk, t->window, &w, &h), w == 400 && h == 260));
	/* Nor is it asked for what it did by itself. */
	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames);
	assert_int_equal(t->n_asked, before);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void keys_go_down_and_up(void **state)
{
	struct t *t = *state;

	xdesk_tool("key a shift+F5");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_LEFTSHIFT, 0));
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_A, 1), 1);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_A, 0), 1);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_F5, 1), 1);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_F5, 0), 1);
	assert_int_equal(saw(&t->keyboard, EV_SYN, SYN_REPORT, 0), t->keyboard.n / 2);
}

static void focus_that_leaves_lets_go_of_every_key(void **state)
{
	struct t *t = *state;

	xdesk_tool("keydown b keydown shift");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_LEFTSHIFT, 1));
	xdesk_focus(&desk, 0);
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_LEFTSHIFT, 0));
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_B, 0));
	xdesk_tool("keyup b keyup shift key c");
	xdesk_focus(&desk, t->window);
	xdesk_tool("key d");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_D, 0));
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_C, 1), 0);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_B, 0), 1);
}

static void lock_that_differs_is_tapped_once(void **state)
{
	struct t *t = *state;
	struct input_sink light = ui_sdl_feedback(t->ui);

	input_send(&light, EV_LED, LED_SCROLLL, 1);
	input_send(&light, EV_LED, LED_NUML, 0);
	input_send(&light, EV_LED, LED_CAPSL, 1);
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_CAPSLOCK, 0));
	input_send(&light, EV_LED, LED_CAPSL, 1);
	xdesk_tool("key e");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_E, 0));
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_CAPSLOCK, 1), 1);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_NUMLOCK, 1), 0);
}

/* Most desktops have no such lock: theirs is then not off, but not there. */
static void scroll_lock_is_the_guests_own_unless_the_desktop_has_one(void **state)
{
	struct t *t = *state;
	struct input_sink light;

	open_window(t, false, true);
	light = ui_sdl_feedback(t->ui);
	input_send(&light, EV_LED, LED_SCROLLL, 1);
	xdesk_tool("key e");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_E, 0));
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_SCROLLLOCK, 1), 0);
	ui_sdl_destroy(t->ui);
	t->ui = NULL;
	xdesk_add_scroll_lock(&desk);
	xdesk_tool("key Scroll_Lock");
	open_window(t, false, true);
	light = ui_sdl_feedback(t->ui);
	input_send(&light, EV_LED, LED_SCROLLL, 0);
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_SCROLLLOCK, 0));
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_SCROLLLOCK, 1), 1);
	xdesk_tool("key Scroll_Lock");
}

/* --- pointers -------------------------------------------------------------------------------- */

static void pointer_of_a_tablet_is_where_it_is_in_the_picture(void **state)
{
	struct t *t = *state;

	xdesk_tool("mousemove 50 50 mousemove %u %u", W - 1, H - 1);
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_X) == INPUT_ABS_MAX);
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_Y) == INPUT_ABS_MAX);
	xdesk_tool("mousemove 0 0");
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_X) == 0 && last(&t->tablet, EV_ABS, ABS_Y) == 0);
	xdesk_tool("click 1 click 3 click 8 click 9 click 7 click 4 click 5 click 5");
	UNTIL(t, saw(&t->tablet, EV_REL, REL_WHEEL, -1) == 2);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_EXTRA, 0), 1);
	assert_int_equal(saw(&t->tablet, EV_REL, REL_HWHEEL, 1), 1);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_LEFT, 1), 1);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_LEFT, 0), 1);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_RIGHT, 0), 1);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_SIDE, 0), 1);
	assert_int_equal(saw(&t->tablet, EV_REL, REL_WHEEL, 1), 1);
	assert_int_equal(saw(&t->tablet, EV_REL, REL_WHEEL_HI_RES, -120), 2);
}

static void mouse_is_taken_by_a_click_and_given_back_by_the_chord(void **state)
{
	struct t *t = *state;

	xdesk_tool("mousemove 100 100 click 1");
	UNTIL(t, xdesk_title_has(&desk, t->window, "releases"));
	xdesk_tool("mousemove_relative 15 7");
	UNTIL(t, sum(&t->mouse, EV_REL, REL_X) == 15 && sum(&t->mouse, EV_REL, REL_Y) == 7);
	xdesk_tool("click 1");
	UNTIL(t, saw(&t->mouse, EV_KEY, BTN_LEFT, 0));
	/* The click that took it was for us. */
	assert_int_equal(saw(&t->mouse, EV_KEY, BTN_LEFT, 1), 1);
	xdesk_tool("key ctrl+alt+g");
	UNTIL(t, xdesk_title_has(&desk, t->window, "grabs"));
	xdesk_tool("mousemove_relative 5 5 key z");
	UNTIL(t, saw(&t->keyboard, EV_KEY, KEY_Z, 0));
	assert_int_equal(sum(&t->mouse, EV_REL, REL_X), 15);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_G, 1), 0);
	assert_int_equal(saw(&t->keyboard, EV_KEY, KEY_LEFTALT, 0), 1);
}

static void mouse_is_given_back_with_the_focus(void **state)
{
	struct t *t = *state;

	xdesk_tool("mousemove 100 100 click 1");
	UNTIL(t, xdesk_title_has(&desk, t->window, "releases"));
	xdesk_tool("mousedown 3");
	UNTIL(t, saw(&t->mouse, EV_KEY, BTN_RIGHT, 1));
	xdesk_focus(&desk, 0);
	UNTIL(t, xdesk_title_has(&desk, t->window, "grabs"));
	assert_int_equal(saw(&t->mouse, EV_KEY, BTN_RIGHT, 0), 1);
	xdesk_tool("mouseup 3");
}

static void pointers_image_is_drawn_while_the_hosts_is_hidden(void **state)
{
	struct t *t = *state;
	uint32_t image[16] = { [0] = 0xff0000ff, [15] = 0xffff0000 };
	const struct display_cursor cursor = { 4, 4, 1, 1, image };

	xdesk_tool("mousemove 100 100 click 1");
	UNTIL(t, xdesk_title_has(&desk, t->window, "releases"));
	t->d.ops->cursor(t->d.ctx, 0, &cursor);
	t->d.ops->cursor_move(t->d.ctx, 0, 40, 30);
	UNTIL(t, xdesk_pixel(&desk, t->window, 40, 30) == 0x0000ff);
	assert_int_equal(xdesk_pixel(&desk, t->window, 43, 33), 0xff0000);
	assert_int_equal(xdesk_pixel(&desk, t->window, 41, 30), colour(41, 30));
	t->d.ops->cursor_move(t->d.ctx, 0, INT32_MIN, INT32_MAX);
	UNTIL(t, xdesk_pixel(&desk, t->window, 40, 30) == colour(40, 30));
	t->d.ops->cursor_move(t->d.ctx, 0, 2, 2);
	UNTIL(t, xdesk_pixel(&desk, t->window, 2, 2) == 0x0000ff);
	t->d.ops->cursor(t->d.ctx, 0, NULL);
	UNTIL(t, xdesk_pixel(&desk, t->window, 2, 2) == colour(2, 2));
}

/* --- fingers ---------------------------------------------------------------------- */

/* The library that the program has loaded. */
struct sdl {
	int (*push)(SDL_Event *e);
	SDL_Window *(*focus)(void);
	uint32_t (*window_id)(SDL_Window *w);
};

static struct sdl sdl(void)
{
	void *lib = dlopen("libSDL2-2.0.so.0", RTLD_LAZY | RTLD_NOLOAD), *address;
	struct sdl s;

	assert_non_null(lib);
	memcpy(&s.push, (address = dlsym(lib, "SDL_PushEvent"), &address), sizeof(address));
	memcpy(&s.focus, (address = dlsym(lib, "SDL_GetKeyboardFocus"), &address),
	       sizeof(address));
	memcpy(&s.window_id, (address = dlsym(lib, "SDL_GetWindowID"), &address),
	       sizeof(address));
	dlclose(lib);
	return s;
}

/* As from a touch screen, which Xvfb has none of. */
static void finger(struct t *t, uint32_t type, SDL_FingerID id, float x, float y)
{
	SDL_Event e = { .tfinger = { .type = type, .touchId = 7, .fingerId = id, .x = x, .y = y } };
	struct sdl s = sdl();

	UNTIL(t, s.focus());
	e.tfinger.windowID = s.window_id(s.focus());
	assert_int_equal(s.push(&e), 1);
}

/* What SDL makes of a finger for programs that know none. */
static void finger_button(struct t *t)
{
	SDL_Event e = { .button = {
		.type = SDL_MOUSEBUTTONDOWN, .which = SDL_TOUCH_MOUSEID,
		.button = SDL_BUTTON_LEFT, .state = SDL_PRESSED,
	} };

	assert_int_equal(sdl().push(&e), 1);
}

#define saw_touch(t, code, value) saw(&(t)->touch, EV_ABS, ABS_MT_##code, value)

static void fingers_touch_the_guests_screen(void **state)
{
	struct t *t = *state;

	t->has_touch = true;
	open_window(t, false, true);
	finger(t, SDL_FINGERDOWN, 100, 0, 0);
	finger(t, SDL_FINGERDOWN, 200, 1, 1);
	UNTIL(t, saw_touch(t, TRACKING_ID, 1));
	assert_int_equal(saw_touch(t, TRACKING_ID, 0), 1);
	assert_int_equal(saw_touch(t, SLOT, 1), 1);
	assert_int_equal(last(&t->touch, EV_ABS, ABS_MT_POSITION_X), INPUT_ABS_MAX);
	assert_int_equal(last(&t->touch, EV_ABS, ABS_MT_POSITION_Y), INPUT_ABS_MAX);
	/* The pointer is the oldest finger. */
	assert_int_equal(last(&t->touch, EV_ABS, ABS_X), 0);
	assert_int_equal(saw(&t->touch, EV_KEY, BTN_TOUCH, 1), 1);
	finger(t, SDL_FINGERMOTION, 100, 0.5f, 0.5f);
	UNTIL(t, last(&t->touch, EV_ABS, ABS_X) > INPUT_ABS_MAX / 3);
	assert_int_equal(last(&t->touch, EV_ABS, ABS_MT_SLOT), 0);
	finger(t, SDL_FINGERUP, 100, 0.5f, 0.5f);
	UNTIL(t, saw_touch(t, TRACKING_ID, -1));
	assert_int_equal(last(&t->touch, EV_ABS, ABS_X), INPUT_ABS_MAX);
	assert_int_equal(saw(&t->touch, EV_KEY, BTN_TOUCH, 0), 0);
	finger_button(t);
	finger(t, SDL_FINGERUP, 200, 1, 1);
	UNTIL(t, saw(&t->touch, EV_KEY, BTN_TOUCH, 0));
	assert_int_equal(saw_touch(t, TRACKING_ID, -1), 2);
	assert_int_equal(saw(&t->tablet, EV_KEY, BTN_LEFT, 1), 0);
}

static void fingers_are_a_pointer_where_the_guest_has_no_screen_to_touch(void **state)
{
	struct t *t = *state;

	finger_button(t);
	UNTIL(t, saw(&t->tablet, EV_KEY, BTN_LEFT, 1));
}

static void fingers_without_sense_do_no_harm(void **state)
{
	struct t *t = *state;

	t->has_touch = true;
	open_window(t, false, true);
	for (unsigned i = 0; i < 3 * INPUT_TOUCH_SLOTS; i++)
		finger(t, SDL_FINGERDOWN, i, -1e30f * i, 1e30f * i);
	finger(t, SDL_FINGERUP, 1000, 0, 0);
	finger(t, SDL_FINGERMOTION, 1001, 0, 0);
	finger(t, SDL_FINGERMOTION, 0, __builtin_nanf(""), __builtin_inff());
	finger(t, SDL_FINGERUP, 3, 0, 0);
	UNTIL(t, saw_touch(t, TRACKING_ID, -1));
	for (unsigned i = 0; i < INPUT_TOUCH_SLOTS; i++)
		assert_int_equal(saw_touch(t, TRACKING_ID, i), 1);
	assert_int_equal(saw_touch(t, TRACKING_ID, INPUT_TOUCH_SLOTS), 0);
	for (unsigned i = 0; i < t->touch.n; i++)
		assert_in_range(t->touch.events[i].value + 1, 0, INPUT_ABS_MAX + 1);
}

static void focus_that_leaves_lifts_all_fingers(void **state)
{
	struct t *t = *state;

	t->has_touch = true;
	open_window(t, false, true);
	finger(t, SDL_FINGERDOWN, 1, 0.5f, 0.5f);
	finger(t, SDL_FINGERDOWN, 2, 0.5f, 0.5f);
	UNTIL(t, saw_touch(t, TRACKING_ID, 1));
	xdesk_focus(&desk, 0);
	UNTIL(t, saw_touch(t, TRACKING_ID, -1) == 2);
	assert_int_equal(saw(&t->touch, EV_KEY, BTN_TOUCH, 0), 1);
}

/* --- windows ---------------------------------------------------------------------- */

static void close_button_is_told_and_closes_nothing(void **state)
{
	struct t *t = *state;

	xdesk_close_button(&desk, t->window);
	UNTIL(t, t->n_closed);
	assert_int_equal(t->closed, 0);
	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames);
	assert_int_equal(xdesk_find(&desk, TITLE), t->window);
	assert_int_equal(t->n_closed, 1);
}

static void every_output_has_a_window_and_a_part_of_the_tablet(void **state)
{
	struct t *t = *state;
	unsigned long second;

	create(t, 2, false, true);
	UNTIL(t, (t->window = xdesk_find(&desk, TITLE " 1")));
	UNTIL(t, (second = xdesk_find(&desk, TITLE " 2")));
	UNTIL(t, t->asked[0].width && t->asked[1].width);
	xdesk_tool("windowmove --sync %lu 0 0", t->window);
	xdesk_tool("windowmove --sync %lu 400 300", second);
	xdesk_tool("mousemove 20 20 mousemove %u %u", W - 1, H - 1);
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_X) == INPUT_ABS_MAX / 2 &&
		 last(&t->tablet, EV_ABS, ABS_Y) == INPUT_ABS_MAX);
	xdesk_tool("mousemove %u 300", 400 + W - 1);
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_X) == INPUT_ABS_MAX &&
		 last(&t->tablet, EV_ABS, ABS_Y) == 0);
	ui_sdl_plug(t->ui, 1, false);
	UNTIL(t, !xdesk_find(&desk, TITLE " 2"));
	xdesk_tool("mousemove 20 20 mousemove %u 0", W - 1);
	UNTIL(t, last(&t->tablet, EV_ABS, ABS_X) == INPUT_ABS_MAX);
	ui_sdl_plug(t->ui, 1, true);
	UNTIL(t, xdesk_find(&desk, TITLE " 2"));
}

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

/* However slow the machine, it is the number of times that counts. */
static void idle_window_sleeps(void **state)
{
	struct t *t = *state;
	bool over = false;
	struct loop_timer timer = { .cb = set_flag, .arg = &over };
	unsigned turns = 0;

	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames);
	loop_timer_arm(t->loop, &timer, 500000000);
	for (; !over; turns++)
		loop_run_once(t->loop, -1);
	assert_true(turns < 10);
}

static void work_from_elsewhere_wakes_it(void **state)
{
	struct t *t = *state;
	bool done = false;
	struct loop_work work = { .cb = set_flag, .arg = &done };

	loop_post(t->loop, &work);
	while (!done)
		loop_run_once(t->loop, -1);
}

static void without_a_display_it_says_so_in_a_line(void **state)
{
	struct t *t = *state;
	const struct ui_sdl_params params = { .name = TITLE, .n_outputs = 1 };
	char *display = strdup(getenv("DISPLAY")), why[160] = "";

	unsetenv("DISPLAY");
	assert_false(ui_sdl_desktop());
	assert_int_equal(ui_sdl_create(&t->ui, t->loop, &params, why, sizeof(why)), -ENXIO);
	assert_non_null(strstr(why, "DISPLAY"));
	setenv("DISPLAY", ":9999", 1);
	assert_true(ui_sdl_desktop());
	assert_int_equal(ui_sdl_create(&t->ui, t->loop, &params, why, sizeof(why)), -ENXIO);
	assert_non_null(strstr(why, "no display"));
	assert_null(strchr(why, '\n'));
	setenv("DISPLAY", display, 1);
	free(display);
}

static void desktop_without_a_descriptor_is_asked(void **state)
{
	struct t *t = *state;

	setenv("SDL_VIDEODRIVER", "dummy", 1);
	create(t, 1, true, true);
	unsetenv("SDL_VIDEODRIVER");
	show(t);
	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames);
	UNTIL(t, t->asked[0].width == W);
}

/* --- OpenGL ----------------------------------------------------------------------- */

static void windows_share_their_opengl(void **state)
{
	struct t *t = *state;
	struct gl_provider gl = ui_sdl_gl(t->ui);
	struct gl_current current;
	void *context;

	assert_non_null(gl.ops);
	context = gl.ops->create(gl.ctx, 3, 2);
	assert_non_null(context);
	assert_null(gl.ops->create(gl.ctx, 99, 0));
	assert_int_equal(gl.ops->use(gl.ctx, context), 0);
	/* Whatever a window does, it is still that one. */
	flush(t, 0, 0, W, H);
	UNTIL(t, t->n_frames);
	gl_current_save(&t->ui->gl.lib, &current);
	assert_ptr_equal(current.context, context);
	assert_int_equal(gl.ops->use(gl.ctx, NULL), 0);
	gl.ops->destroy(gl.ctx, context);
}

static void opengl_that_fails_leaves_pixels(void **state)
{
	struct t *t = *state;
	struct ui_sdl_counts before;

	ui_sdl_without_gl(t->ui);
	t->fb[20 * W + 30] = 0x112233;
	before = ui_sdl_counts(t->ui);
	flush(t, 30, 20, 1, 1);
	assert_true(ui_sdl_counts(t->ui).uploads > before.uploads);
	UNTIL(t, t->n_frames);
	UNTIL(t, xdesk_pixel(&desk, t->window, 30, 20) == 0x112233);
	assert_int_equal(xdesk_pixel(&desk, t->window, 200, 100), colour(200, 100));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_MOUSE(f) cmocka_unit_test_setup_teardown(f, setup_mouse, teardown)
#define TEST_EMPTY(f) cmocka_unit_test_setup_teardown(f, setup_empty, teardown)

/*
 * What X11, D-Bus and others keep to the end of the process is not ours. SDL
 * unloads them; then LeakSanitizer finds neither what points to it nor a name.
 */
int dlclose(void *handle);
int dlclose(void *handle)
{
	return 0;
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdbus-1.so\n";
}

int main(void)
{
	const struct CMUnitTest gl_tests[] = {
		TEST(windows_share_their_opengl),
		TEST(opengl_that_fails_leaves_pixels),
		TEST(window_shows_the_guests_name_and_picture),
		TEST(only_damage_is_copied_and_a_frame_answers),
		TEST(every_format_has_its_colours),
		TEST(picture_in_scattered_pages),
		TEST(resized_window_asks_for_its_size_and_keeps_the_aspect),
		TEST(whole_multiples_are_a_chord_away),
		TEST(full_screen_is_a_chord_away),
		TEST(window_follows_a_mode_that_the_guest_chose),
		TEST_MOUSE(pointers_image_is_drawn_while_the_hosts_is_hidden),
		TEST_EMPTY(every_output_has_a_window_and_a_part_of_the_tablet),
		TEST(idle_window_sleeps),
		TEST_EMPTY(desktop_without_a_descriptor_is_asked),
	};
	const struct CMUnitTest tests[] = {
		TEST(window_shows_the_guests_name_and_picture),
		TEST(only_damage_is_copied_and_a_frame_answers),
		TEST(every_format_has_its_colours),
		TEST(picture_in_scattered_pages),
		TEST(screenshots_see_what_the_window_shows),
		TEST(resized_window_asks_for_its_size_and_keeps_the_aspect),
		TEST(whole_multiples_are_a_chord_away),
		TEST(full_screen_is_a_chord_away),
		TEST_EMPTY(full_screen_may_be_so_from_the_start),
		TEST_EMPTY(whole_multiples_may_be_so_from_the_start),
		TEST(window_follows_a_mode_that_the_guest_chose),
		TEST(keys_go_down_and_up),
		TEST(focus_that_leaves_lets_go_of_every_key),
		TEST(lock_that_differs_is_tapped_once),
		TEST_EMPTY(scroll_lock_is_the_guests_own_unless_the_desktop_has_one),
		TEST(pointer_of_a_tablet_is_where_it_is_in_the_picture),
		TEST_MOUSE(mouse_is_taken_by_a_click_and_given_back_by_the_chord),
		TEST_MOUSE(mouse_is_given_back_with_the_focus),
		TEST_MOUSE(pointers_image_is_drawn_while_the_hosts_is_hidden),
		TEST_EMPTY(fingers_touch_the_guests_screen),
		TEST(fingers_are_a_pointer_where_the_guest_has_no_screen_to_touch),
		TEST_EMPTY(fingers_without_sense_do_no_harm),
		TEST_EMPTY(focus_that_leaves_lifts_all_fingers),
		TEST(close_button_is_told_and_closes_nothing),
		TEST_EMPTY(every_output_has_a_window_and_a_part_of_the_tablet),
		TEST(idle_window_sleeps),
		TEST(work_from_elsewhere_wakes_it),
		TEST_EMPTY(without_a_display_it_says_so_in_a_line),
		TEST_EMPTY(desktop_without_a_descriptor_is_asked),
	};
	int failed, status;

	if (!xdesk_is_there())
		return 0;
	xdesk_by_processor();
	failed = cmocka_run_group_tests(tests, xdesk_group_begin, xdesk_group_end);
	by_gl = true;
	if (have_gl(&status))
		failed += cmocka_run_group_tests(gl_tests, xdesk_group_begin, xdesk_group_end);
	return failed + status;
}
