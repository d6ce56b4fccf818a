/* SPDX-License-Identifier: MIT */
/* microvm-gpu: a seat in a process of its own. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "devices/backend/evdev_lib.h"
#include "devices/backend/sandbox.h"
#include "devices/backend/unixsock.h"
#include "devices/control/control_seat.h"
#include "devices/gpu/gpu_2d.h"
#include "devices/gpu/gpu_record.h"
#include "devices/gpu/make_renderer.h"
#include "devices/gpu/options.h"
#include "devices/gpu/play.h"
#include "devices/gpu/screen.h"
#include "devices/ui/ui_sdl.h"
#include "vmm/log.h"

/*
 * Guest memory cannot shrink, but the host may have no page left to put into a
 * hole of it: not in silence. Only what a handler may do.
 */
static void on_bus_error(int sig)
{
	static const char text[] = "microvm-gpu: memory went away (SIGBUS)\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	/* SA_RESETHAND: this time it kills. */
	raise(sig);
}

static void init_signals(void)
{
	struct sigaction bus = { .sa_handler = on_bus_error, .sa_flags = SA_RESETHAND };

	sigaction(SIGBUS, &bus, NULL);
	/* A front end that goes away shows as EPIPE where we write. */
	signal(SIGPIPE, SIG_IGN);
	/* A recording that has become too large, as EFBIG. */
	signal(SIGXFSZ, SIG_IGN);
}

static void on_signal(void *arg, uint32_t events)
{
	loop_quit(arg);
}

/* An orderly end leaves no sockets behind. */
static int watch_signals(struct loop *loop, struct loop_fd *src)
{
	sigset_t set;
	int fd, ret;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = loop_add(loop, src, fd, EPOLLIN, on_signal, loop);
	if (ret < 0)
		close(fd);
	return ret;
}

static int add_inputs(struct seat *seat, const struct gpu_options *o)
{
	int ret = 0;

	for (unsigned i = 0; i < o->n_devices && ret == 0; i++) {
		const struct gpu_option_device *d = &o->devices[i];

		if (d->is_gpu)
			continue;
		ret = d->vmm ? seat_add_events(seat, d->label, &d->socket, d->input.kind) :
			       seat_add_input(seat, d->label, &d->socket, &d->input);
	}
	return ret;
}

static const struct gpu_option_device *find_card(const struct gpu_options *o)
{
	for (unsigned i = 0; i < o->n_devices; i++)
		if (o->devices[i].is_gpu)
			return &o->devices[i];
	return NULL;
}

static int open_record(struct gpu_record **record, const struct gpu_options *o)
{
	const struct gpu_option_device *card = find_card(o);

	return card && card->record.path ?
	       gpu_record_create(record, card->record.path, card->record.limit) : 0;
}

static bool has_pictures(const struct gpu_options *o)
{
	return find_card(o) || o->has_framebuffer;
}

static int show(struct screen **screen, struct seat *seat, struct loop *loop,
		const struct gpu_options *o)
{
	static const struct gpu_params no_card = { .n_outputs = 1 };
	const struct gpu_option_device *card = find_card(o);
	struct screen_params params = {
		.mode = o->display, .viewers = o->has_viewers ? &o->viewers : NULL,
		.name = o->name, .gpu = &no_card,
	};

	if (!has_pictures(o))
		return 0;
	if (!card)
		return screen_create(screen, loop, seat, &params);
	params.gpu = &card->gpu;
	params.look = card->look;
	params.virgl = card->in_3d.virgl;
	return screen_create(screen, loop, seat, &params);
}

static int add_gpu(struct seat *seat, const struct gpu_option_device *d, struct screen *screen,
		   struct gpu_record *record, bool viewers)
{
	const struct gl_provider gl = screen_gl(screen);
	struct gpu_params params = d->gpu;
	int ret;

	params.record = record;
	ret = make_renderer(&params.renderer, d, &gl);
	if (ret == 0 && !params.renderer && viewers)
		ret = gpu_2d_create_shared(&params.renderer);
	if (ret == 0 && gpu_renderer_can_map(params.renderer))
		params.hostmem = d->in_3d.hostmem;
	return ret < 0 ? ret : seat_add_gpu(seat, d->label, &d->socket, &params);
}

/* What makes pictures, and before it the windows in which it may draw them. */
static int add_pictures(struct seat *seat, struct screen **screen, struct loop *loop,
			const struct gpu_options *o, struct gpu_record *record)
{
	int ret = show(screen, seat, loop, o);

	if (ret == 0 && find_card(o))
		ret = add_gpu(seat, find_card(o), *screen, record, o->has_viewers);
	if (ret == 0 && o->has_framebuffer)
		ret = seat_add_framebuffer(seat, "--framebuffer", &o->framebuffer);
	if (ret == 0 && *screen)
		screen_connect(*screen);
	return ret;
}

static const struct picture *picture_of(void *ctx, unsigned output)
{
	return screen_picture(ctx, output);
}

static struct control_seat_params control_params(const struct gpu_options *o, struct seat *seat,
						 struct screen *screen)
{
	struct control_seat_params p = {
		.picture = picture_of,
		.ctx = screen,
		.keyboard = seat_sink(seat, INPUT_KEYBOARD),
		.tablet = seat_sink(seat, INPUT_TABLET),
		.mouse = seat_sink(seat, INPUT_MOUSE),
	};

	if (has_pictures(o)) {
		p.n_outputs = find_card(o) ? find_card(o)->gpu.n_outputs : 1;
		p.sink = screen_sink(screen);
	}
	return p;
}

/* Serves the control socket. On an error, what was made is the caller's to destroy too. */
static int serve_control(struct control **c, struct control_seat **commands, struct loop *loop,
			 const struct control_seat_params *params, const struct seat_socket *where)
{
	int ret = control_seat_create(commands, loop, params);

	if (ret == 0)
		ret = control_create(c, loop, control_seat_ops(), *commands);
	if (ret == 0)
		ret = where->path ? control_listen(*c, where->path) : control_port(*c, where->fd);
	if (ret < 0)
		log_error("--control %s: %s", where->path ? where->path : "fd",
			  unixsock_error(ret));
	return ret;
}

/* --- what is not needed ------------------------------------------------------------- */

static bool wants_windows(const struct gpu_options *o)
{
	return has_pictures(o) && (o->display == SCREEN_SDL ||
				   (o->display == SCREEN_AUTO && ui_sdl_desktop()));
}

/* Libraries of the desktop or of OpenGL. */
static bool wants_libraries(const struct gpu_options *o)
{
	return wants_windows(o) || (find_card(o) && find_card(o)->in_3d.virgl);
}

static int confine_files(const struct gpu_options *o)
{
	const char *sockets[SEAT_MAX_DEVICES + 3];
	unsigned n = 0;

	if (o->no_sandbox) {
		log_warn("sandbox=off: a guest that breaks in here can do what you can");
		return 0;
	}
	for (unsigned i = 0; i < o->n_devices; i++)
		if (o->devices[i].socket.path)
			sockets[n++] = o->devices[i].socket.path;
	if (o->has_control && o->control.path)
		sockets[n++] = o->control.path;
	if (o->has_viewers && o->viewers.path)
		sockets[n++] = o->viewers.path;
	sockets[n] = NULL;
	/* Its names of keys. */
	if (o->has_control)
		evdev_lib_preload();
	return sandbox_files(wants_libraries(o), sockets);
}

static int confine_calls(const struct gpu_options *o)
{
	return o->no_sandbox ? 0 : sandbox_calls(wants_libraries(o));
}

static int run(const struct gpu_options *o)
{
	struct control_seat_params params;
	struct control_seat *commands = NULL;
	struct control *control = NULL;
	struct gpu_record *record = NULL;
	struct loop *loop = NULL;
	struct seat *seat = NULL;
	struct screen *screen = NULL;
	struct loop_fd signals = { 0 };
	int ret = loop_create(&loop);

	if (ret == 0)
		ret = watch_signals(loop, &signals);
	if (ret == 0)
		ret = seat_create(&seat, loop);
	if (ret < 0)
		log_error("%s", strerror(-ret));
	if (ret == 0)
		ret = open_record(&record, o);
	if (ret == 0)
		ret = confine_files(o);
	if (ret == 0)
		ret = add_inputs(seat, o);
	if (ret == 0)
		ret = add_pictures(seat, &screen, loop, o, record);
	if (ret == 0 && o->has_control) {
		params = control_params(o, seat, screen);
		ret = serve_control(&control, &commands, loop, &params, &o->control);
	}
	if (ret == 0)
		ret = confine_calls(o);
	if (ret == 0)
		loop_run(loop);
	control_destroy(control);
	control_seat_destroy(commands);
	/* Keys that are held in a window come up while there are devices. */
	screen_disconnect(screen);
	seat_destroy(seat);
	gpu_record_destroy(record);
	screen_destroy(screen);
	if (signals.added)
		close(signals.fd);
	loop_destroy(loop);
	return ret < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct gpu_options o;
	int status = 0;

	log_set_program("microvm-gpu");
	switch (gpu_options_parse(&o, argc, argv)) {
	case GPU_OPTIONS_DONE:
		break;
	case GPU_OPTIONS_ERROR:
		status = 2;
		break;
	case GPU_OPTIONS_RUN:
		log_set_level(LOG_WARN + MIN(o.verbose, 2));
		init_signals();
		status = o.replay.path ? play_main(&o) : run(&o);
		break;
	}
	gpu_options_finish(&o);
	return status;
}
