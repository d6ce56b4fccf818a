/* SPDX-License-Identifier: MIT */
/* Sleeping with SDL and the loop at once, handing out what SDL says, and life. */
#include "devices/ui/ui_sdl.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "devices/ui/close_button.h"
#include "devices/ui/ui_sdl_impl.h"
#include "vmm/log.h"
#include "vmm/util.h"

/* How often a desktop is asked that has no descriptor to wait for: neither X11 nor Wayland. */
#define ASK_MS 20
#define BATCH 32
/* How long SDL keeps a change of the focus to itself (200 ms), and somewhat more. */
#define SETTLE_NS 250000000ull

/* --- events ----------------------------------------------------------------------------- */

static void window_event(struct ui_sdl *ui, const SDL_WindowEvent *e)
{
	for (unsigned i = 0; i < ui->n; i++)
		if (ui->windows[i].id == e->windowID)
			ui_window_event(&ui->windows[i], e);
}

static void event(struct ui_sdl *ui, const SDL_Event *e)
{
	switch (e->type) {
	case SDL_WINDOWEVENT:
		ui_input_flush(ui);
		window_event(ui, &e->window);
		break;
	case SDL_RENDER_TARGETS_RESET:
	case SDL_RENDER_DEVICE_RESET:
		for (unsigned i = 0; i < ui->n; i++)
			ui_window_reset(&ui->windows[i]);
		break;
	default:
		ui_input_event(ui, e);
	}
}

/* Whether there was anything: what the loop knows of timers may be old then. */
static bool pump(struct ui_sdl *ui)
{
	SDL_Event events[BATCH];
	bool any = false;
	int n;

	ui->sdl.PumpEvents();
	while ((n = ui->sdl.PeepEvents(events, BATCH, SDL_GETEVENT, SDL_FIRSTEVENT,
				       SDL_LASTEVENT)) > 0) {
		for (int i = 0; i < n; i++)
			event(ui, &events[i]);
		any = true;
	}
	ui_input_flush(ui);
	if (any)
		ui->settled_ns = loop_now_ns() + SETTLE_NS;
	return any;
}

/*
 * Asking SDL empties what the connection's library has read already, so that
 * whatever comes later shows at its descriptor.
 */
static void ui_wait(void *ctx, int epfd, int timeout_ms)
{
	struct ui_sdl *ui = ctx;
	struct pollfd fds[] = {
		{ .fd = epfd, .events = POLLIN },
		{ .fd = ui->fd, .events = POLLIN },
	};
	uint64_t now;

	if (pump(ui))
		return;
	/* It tells when it is asked once more, and before a key that comes later. */
	now = loop_now_ns();
	if (now < ui->settled_ns && (timeout_ms < 0 || timeout_ms > (int)(SETTLE_NS / 1000000)))
		timeout_ms = (ui->settled_ns - now) / 1000000 + 1;
	if (ui->fd < 0 && (timeout_ms < 0 || timeout_ms > ASK_MS))
		timeout_ms = ASK_MS;
	if (poll(fds, ARRAY_SIZE(fds), timeout_ms) > 0 && fds[1].revents)
		pump(ui);
}

/* The loop's own descriptor for that is in its epoll. */
static void ui_wake(void *ctx)
{
}

static const struct loop_wait_ops wait_ops = { .wait = ui_wait, .wake = ui_wake };

/* --- the desktop ------------------------------------------------------------------------- */

static int wayland_fd(struct wl_display *display)
{
	int (*get_fd)(struct wl_display *) = NULL;
	void *lib = dlopen("libwayland-client.so.0", RTLD_LAZY | RTLD_NOLOAD);
	void *address = lib ? dlsym(lib, "wl_display_get_fd") : NULL;
	int fd = -1;

	memcpy(&get_fd, &address, sizeof(address));
	if (get_fd)
		fd = get_fd(display);
	if (lib)
		dlclose(lib);
	return fd;
}

static int connection_fd(struct ui_sdl *ui)
{
	SDL_SysWMinfo info;

	SDL_VERSION(&info.version);
	if (!ui->sdl.GetWindowWMInfo(ui->windows[0].window, &info))
		return -1;
	switch (info.subsystem) {
	case SDL_SYSWM_X11:
		return ConnectionNumber(info.info.x11.display);
	case SDL_SYSWM_WAYLAND:
		return wayland_fd(info.info.wl.display);
	default:
		return -1;
	}
}

static bool named(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

bool ui_sdl_desktop(void)
{
	return named("DISPLAY") || named("WAYLAND_DISPLAY");
}

static void set_hints(struct ui_sdl *ui, bool gl)
{
	static const char *const hints[][2] = {
		/* Signals are the program's, and so is what the close button means. */
		{ SDL_HINT_NO_SIGNAL_HANDLERS, "1" },
		{ "SDL_QUIT_ON_LAST_WINDOW_CLOSE", "0" },
		{ SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1" },
		{ SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0" },
		/* The click that brings a window to the front is meant for what is in it. */
		{ SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1" },
		{ SDL_HINT_VIDEO_MINIMIZE_ON_FOCUS_LOSS, "0" },
		{ SDL_HINT_GRAB_KEYBOARD, "1" },
		/* Where we draw by software, SDL would do the last step of it by GL. */
		{ SDL_HINT_FRAMEBUFFER_ACCELERATION, "0" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(hints); i++)
		ui->sdl.SetHint(hints[i][0], hints[i][1]);
	/* On X11 it would be GLX, whose contexts are nobody's without a window. */
	if (gl)
		ui->sdl.SetHint(SDL_HINT_VIDEO_X11_FORCE_EGL, "1");
	/* By itself, SDL would go on to the machine's console, or to nowhere. */
	ui->sdl.SetHint(SDL_HINT_VIDEODRIVER, named("DISPLAY") ? named("WAYLAND_DISPLAY") ?
			"x11,wayland" : "x11" : "wayland");
}

static void set_titles(void *arg)
{
	struct ui_sdl *ui = arg;

	for (unsigned i = 0; i < ui->n; i++)
		ui_window_title(&ui->windows[i]);
}

void ui_sdl_closing(struct ui_sdl *ui)
{
	if (ui->closing.armed)
		return;
	loop_timer_arm(ui->loop, &ui->closing, CLOSE_AGAIN_NS);
	set_titles(ui);
}

static int open_windows(struct ui_sdl *ui, const struct ui_sdl_params *params)
{
	int ret = 0;

	for (unsigned i = 0; i < params->n_outputs && ret == 0; i++) {
		ui->n++;
		ret = ui_window_init(&ui->windows[i], ui, i, params);
	}
	return ret;
}

static void close_windows(struct ui_sdl *ui)
{
	for (unsigned i = 0; i < ui->n; i++)
		ui_window_finish(&ui->windows[i]);
	ui->n = 0;
	ui_gl_close(ui);
}

static int open_gl_windows(struct ui_sdl *ui, const struct ui_sdl_params *params, char *why,
			   size_t len)
{
	int ret;

	ui->paint = &ui_gl_ops;
	ui_gl_prepare(&ui->sdl);
	ret = open_windows(ui, params);
	if (ret < 0)
		snprintf(why, len, "%s", ui->sdl.GetError());
	else
		ret = ui_gl_open(ui, why, len);
	if (ret < 0)
		close_windows(ui);
	return ret;
}

static int open_any_windows(struct ui_sdl *ui, const struct ui_sdl_params *params, char *why,
			    size_t len)
{
	int ret = -ENOTSUP;

	if (params->gl) {
		ret = open_gl_windows(ui, params, why, len);
		if (ret < 0)
			log_warn("--display sdl: no OpenGL for windows, pictures are copied: %s",
				 why);
	}
	if (ret < 0) {
		ui->paint = &ui_soft_ops;
		ret = open_windows(ui, params);
		if (ret < 0)
			snprintf(why, len, "%s", ui->sdl.GetError());
	}
	if (ret < 0)
		return ret;
	set_titles(ui);
	for (unsigned i = 0; i < ui->n; i++)
		ui->sdl.ShowWindow(ui->windows[i].window);
	return 0;
}

static bool begin_soft(struct ui_sdl *ui)
{
	unsigned i = 0;

	while (i < ui->n && ui_soft_ops.begin(&ui->windows[i]) == 0)
		i++;
	if (i == ui->n)
		return true;
	for (unsigned j = 0; j <= i; j++)
		ui_soft_ops.finish(&ui->windows[j]);
	return false;
}

void ui_sdl_without_gl(struct ui_sdl *ui)
{
	bool soft = begin_soft(ui);

	if (!ui->gl_failed)
		log_warn("--display sdl: OpenGL of windows failed, %s", soft ?
			 "pictures are copied from now on" : "and there is nothing else here");
	ui->gl_failed = true;
	if (!soft)
		return;
	for (unsigned i = 0; i < ui->n; i++)
		ui_gl_ops.finish(&ui->windows[i]);
	ui->paint = &ui_soft_ops;
	for (unsigned i = 0; i < ui->n; i++)
		ui_window_reset(&ui->windows[i]);
}

static int open_desktop(struct ui_sdl *ui, const struct ui_sdl_params *params, char *why,
			size_t len)
{
	int ret;

	if (!ui_sdl_desktop() && !named("SDL_VIDEODRIVER")) {
		snprintf(why, len, "no display: neither DISPLAY nor WAYLAND_DISPLAY is set");
		return -ENXIO;
	}
	ret = ui_sdl_lib_load(&ui->sdl, why, len);
	if (ret < 0)
		return ret;
	set_hints(ui, params->gl);
	if (ui->sdl.Init(SDL_INIT_VIDEO) < 0) {
		snprintf(why, len, "no display to open a window on: %s",
			 ui->sdl.GetError());
		return -ENXIO;
	}
	ui->inited = true;
	ui->sdl.EnableScreenSaver();
	/* Keys are keys here, not parts of letters. */
	ui->sdl.StopTextInput();
	ui->arrow = ui->sdl.CreateSystemCursor(SDL_SYSTEM_CURSOR_ARROW);
	return open_any_windows(ui, params, why, len);
}

/* --- life --------------------------------------------------------------------------------- */

int ui_sdl_create(struct ui_sdl **out, struct loop *loop, const struct ui_sdl_params *params,
		  char *why, size_t len)
{
	struct ui_sdl *ui = calloc(1, sizeof(*ui));
	int ret;

	assert(params->n_outputs >= 1 && params->n_outputs <= DISPLAY_MAX_OUTPUTS);
	if (!ui || !(ui->name = strdup(params->name))) {
		free(ui);
		snprintf(why, len, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	ui->loop = loop;
	ui->closing = (struct loop_timer){ .cb = set_titles, .arg = ui };
	ui->wants_gl = params->gl;
	ui->closed = params->closed;
	ui->no_dmabuf = params->no_dmabuf;
	ui->ctx = params->ctx;
	ui_input_init(ui, params);
	ret = open_desktop(ui, params, why, len);
	if (ret < 0) {
		ui_sdl_destroy(ui);
		return ret;
	}
	ui->fd = connection_fd(ui);
	loop_set_wait(loop, &wait_ops, ui);
	log_debug("--display sdl: %s", ui->sdl.GetCurrentVideoDriver());
	*out = ui;
	return 0;
}

void ui_sdl_release(struct ui_sdl *ui)
{
	ui_input_finish(ui);
	ui->input = (struct ui_input){ 0 };
	ui->sink = (struct display_sink){ 0 };
}

void ui_sdl_destroy(struct ui_sdl *ui)
{
	if (!ui)
		return;
	ui_sdl_release(ui);
	loop_set_wait(ui->loop, NULL, NULL);
	loop_timer_disarm(ui->loop, &ui->closing);
	close_windows(ui);
	if (ui->arrow)
		ui->sdl.FreeCursor(ui->arrow);
	if (ui->inited)
		ui->sdl.Quit();
	free(ui->name);
	free(ui);
}

struct display ui_sdl_display(struct ui_sdl *ui)
{
	return (struct display){ &ui_window_display_ops, ui };
}

void ui_sdl_set_sink(struct ui_sdl *ui, struct display_sink sink)
{
	ui->sink = sink;
}

struct gl_provider ui_sdl_gl(struct ui_sdl *ui)
{
	if (!ui->gl.context || ui->gl.apart)
		return (struct gl_provider){ 0 };
	return gl_egl_provider(&ui->gl.egl);
}

bool ui_sdl_takes_dmabufs(const struct ui_sdl *ui)
{
	return ui->paint == &ui_gl_ops && ui->gl.importable;
}

struct ui_sdl_counts ui_sdl_counts(const struct ui_sdl *ui)
{
	return ui->counts;
}

void ui_sdl_plug(struct ui_sdl *ui, unsigned output, bool on)
{
	struct ui_window *w = output < ui->n ? &ui->windows[output] : NULL;

	if (!w || w->plugged == on)
		return;
	w->plugged = on;
	if (on)
		ui->sdl.ShowWindow(w->window);
	else
		ui->sdl.HideWindow(w->window);
}

const struct picture *ui_sdl_picture(const struct ui_sdl *ui, unsigned output)
{
	return &ui->windows[output].picture;
}
