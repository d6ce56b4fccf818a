/* SPDX-License-Identifier: MIT */
/*
 * microvm-view: windows for a machine that has none, by the display protocol.
 * The receiving end of it and our own windows; the rest is in these.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/backend/sandbox.h"
#include "devices/ui/display_receiver.h"
#include "devices/ui/ui_sdl.h"
#include "vmm/log.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 800
#define USAGE 2
/* Of silence, before somebody who waits is told for what. */
#define SILENCE_NS 2000000000ull

struct view {
	/* what the user wants */
	const char *path;
	bool fullscreen, integer, watch, sandbox;
	int verbose;

	struct loop *loop;
	struct loop_fd signals;
	struct loop_timer silence;	/* until there is a hello */
	struct display_receiver *receiver;
	struct ui_sdl *ui;		/* NULL: no hello yet */
	int status;
};

/* --- the source ----------------------------------------------------------------- */

/* A window that is closed is ours alone: the guest goes on. */
static void on_closed(void *ctx, unsigned output)
{
	struct view *v = ctx;

	loop_quit(v->loop);
}

static void on_no_dmabuf(void *ctx)
{
	struct view *v = ctx;

	log_info("dma-bufs cannot be shown: memory");
	display_receiver_no_dmabuf(v->receiver);
}

static struct ui_sdl_params window_params(struct view *v, const struct display_msg_hello *hello,
					  const char *name)
{
	struct ui_sdl_params p = {
		.name = name,
		.n_outputs = hello->n_outputs,
		.width = hello->width ? hello->width : DEFAULT_WIDTH,
		.height = hello->height ? hello->height : DEFAULT_HEIGHT,
		.fullscreen = v->fullscreen,
		.integer = v->integer,
		.gl = hello->flags & DISPLAY_HELLO_DMABUF,
		.no_dmabuf = on_no_dmabuf,
		.closed = on_closed,
		.ctx = v,
	};

	for (unsigned kind = 0; kind < INPUT_HOST; kind++)
		if (hello->inputs & 1u << kind && !v->watch)
			p.sinks[kind] = display_receiver_input(v->receiver, kind);
	return p;
}

/* Whatever a name is made of, titles and terminals get nothing to act on. */
static void plain_name(const struct view *v, const struct display_msg_hello *hello, char *name,
		       size_t len)
{
	snprintf(name, len, "%s%s", *hello->name ? hello->name : "microvm",
		 v->watch ? " (watching)" : "");
	for (; *name; name++)
		if ((unsigned char)*name < ' ' || *name == 127)
			*name = '?';
}

static int on_hello(void *ctx, const struct display_msg_hello *hello)
{
	struct view *v = ctx;
	char name[DISPLAY_HELLO_NAME + 16], why[200];
	struct ui_sdl_params params;
	struct display display;
	int ret;

	loop_timer_disarm(v->loop, &v->silence);
	plain_name(v, hello, name, sizeof(name));
	params = window_params(v, hello, name);
	ret = ui_sdl_create(&v->ui, v->loop, &params, why, sizeof(why));
	if (ret < 0)
		log_error("%s", why);
	/* There are windows, and nothing but this message has been looked at. */
	else if (v->sandbox)
		ret = sandbox_calls(true);
	if (ret < 0) {
		v->status = 1;
		return ret;
	}
	log_debug("%s: %u outputs", name, hello->n_outputs);
	display = ui_sdl_display(v->ui);
	ui_sdl_set_sink(v->ui, display_receiver_sink(v->receiver));
	display_receiver_set_display(v->receiver, &display);
	return (v->watch ? 0 : DISPLAY_HELLO_CONTROL) |
	       (ui_sdl_takes_dmabufs(v->ui) ? DISPLAY_HELLO_DMABUF : 0);
}

static void on_plug(void *ctx, unsigned output, bool on)
{
	struct view *v = ctx;

	ui_sdl_plug(v->ui, output, on);
}

static void on_control(void *ctx, bool on)
{
	struct view *v = ctx;

	if (!on && !v->watch)
		log_info("%s: another viewer controls", v->path);
}

static void on_closing(void *ctx)
{
	struct view *v = ctx;

	ui_sdl_closing(v->ui);
}

static void on_feedback(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct view *v = ctx;
	struct input_sink sink = { 0 };

	if (v->ui)
		sink = ui_sdl_feedback(v->ui);
	input_send(&sink, type, code, value);
}

static void on_gone(void *ctx, int error)
{
	struct view *v = ctx;

	if (error == -EPROTO)
		log_error("%s: does not keep to the display protocol", v->path);
	else if (error == -ECONNRESET && !v->ui)
		log_error("%s: hung up: it has as many viewers as it takes", v->path);
	else if (error == -ECONNRESET)
		log_warn("%s: the machine has gone", v->path);
	else if (!v->status)
		log_error("%s: %s", v->path, strerror(-error));
	if (error != -ECONNRESET || !v->ui)
		v->status = 1;
	loop_quit(v->loop);
}

/* microvm listens even while its microvm-gpu is about to be started anew. */
static void on_silence(void *arg)
{
	struct view *v = arg;

	log_warn("%s: no answer so far; waiting", v->path);
}

/* --- life ----------------------------------------------------------------------- */

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		log_error("%.40s...: too long for a socket", path);
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	if (errno == EPROTOTYPE)
		log_error("%s: a socket of another kind, not one of --display egl,socket=", path);
	else
		log_error("%s: %s", path,
			  errno == ECONNREFUSED ? "nobody listens there" : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void say_figures(const struct view *v)
{
	const struct display_receiver_stats *s = display_receiver_stats(v->receiver);
	struct ui_sdl_counts counts = { 0 };

	if (v->ui)
		counts = ui_sdl_counts(v->ui);
	log_info("%llu frames; pictures: %llu by dma-buf, %llu by memory; drawn from dma-bufs: "
		 "%llu, copied: %llu", (unsigned long long)s->frames,
		 (unsigned long long)s->dmabufs, (unsigned long long)s->memories,
		 (unsigned long long)counts.textures, (unsigned long long)counts.uploads);
}

static void on_signal(void *arg, uint32_t events)
{
	loop_quit(arg);
}

/* An end like that of a window. Without it, signals do what they do anyway. */
static void watch_signals(struct view *v)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return;
	if (loop_add(v->loop, &v->signals, fd, EPOLLIN, on_signal, v->loop) == 0)
		sigprocmask(SIG_BLOCK, &set, NULL);
	else
		close(fd);
}

static int serve(struct view *v, int fd)
{
	const struct display_receiver_params params = {
		.hello = on_hello,
		.plug = on_plug,
		.control = on_control,
		.closing = on_closing,
		.feedback = { on_feedback, v },
		.gone = on_gone,
		.ctx = v,
	};
	int ret = display_receiver_create(&v->receiver, v->loop, fd, &params);

	if (ret < 0) {
		log_error("%s", strerror(-ret));
		return 1;
	}
	watch_signals(v);
	v->silence = (struct loop_timer){ .cb = on_silence, .arg = v };
	loop_timer_arm(v->loop, &v->silence, SILENCE_NS);
	loop_run(v->loop);
	loop_timer_disarm(v->loop, &v->silence);
	say_figures(v);
	/* Keys that are held in a window come up while there is a source to tell. */
	ui_sdl_destroy(v->ui);
	display_receiver_set_display(v->receiver, &(struct display){ 0 });
	display_receiver_destroy(v->receiver);
	return v->status;
}

/* Whoever has broken into the machine's microvm-gpu shall not get from there to the user. */
static int confine_files(const struct view *v)
{
	static const char *const no_sockets[] = { NULL };

	if (v->sandbox)
		return sandbox_files(true, no_sockets);
	log_warn("--sandbox=off: who breaks in here can do what you can");
	return 0;
}

static int run(struct view *v)
{
	int fd = dial(v->path), status = 1, ret;

	if (fd < 0)
		return status;
	ret = confine_files(v);
	if (ret == 0) {
		ret = loop_create(&v->loop);
		if (ret < 0)
			log_error("%s", strerror(-ret));
	}
	if (ret < 0) {
		close(fd);
		return status;
	}
	status = serve(v, fd);
	if (v->signals.added)
		close(v->signals.fd);
	loop_destroy(v->loop);
	return status;
}

/* --- the command line ----------------------------------------------------------- */

static int set_flag(void *config, const struct opt_at *at, const char *value)
{
	*(bool *)((char *)config + (size_t)at->opt->data) = !strcmp(value, "on");
	return 0;
}

static int set_scale(void *config, const struct opt_at *at, const char *value)
{
	struct view *v = config;

	v->integer = !strcmp(value, "integer");
	if (opt_words_have(at->opt->arg, value))
		return 0;
	log_error("%s %.40s: one of %s", at->label, value, at->opt->arg);
	return -EINVAL;
}

static int set_verbose(void *config, const struct opt_at *at, const char *value)
{
	struct view *v = config;

	/* -vv is two. */
	v->verbose += strcmp(value, "on") ? 0 : 1 + !strcmp(at->opt->name, "vv");
	return 0;
}

static int set_help(void *config, const struct opt_at *at, const char *value);

static int set_version(void *config, const struct opt_at *at, const char *value)
{
	puts("microvm-view " MICROVM_VERSION);
	return -ECANCELED;
}

#define FLAG(member) .set = set_flag, .data = (void *)offsetof(struct view, member)

static const struct opt options[] = {
	{ "fullscreen", NULL, "Windows", "fill the monitors from the start", FLAG(fullscreen) },
	{ "scale", "aspect|integer", "Windows", "as large as fits, or by whole numbers (aspect)",
	  .set = set_scale },
	{ "watch", NULL, "Windows", "only look: neither keyboard, pointer nor sizes", FLAG(watch) },
	{ "sandbox", NULL, "About", "keep the viewer from all it does not need (on)",
	  FLAG(sandbox) },
	{ "verbose", NULL, "About", "say more; twice, everything", .multiple = true,
	  .set = set_verbose },
	{ "v", NULL, "About", NULL, .multiple = true, .set = set_verbose },
	{ "vv", NULL, "About", NULL, .multiple = true, .set = set_verbose },
	{ "help", NULL, "About", "print this text (-h)", .set = set_help },
	{ "h", NULL, "About", NULL, .set = set_help },
	{ "version", NULL, "About", "print the version", .set = set_version },
	{ 0 },
};

static int set_help(void *config, const struct opt_at *at, const char *value)
{
	puts("Usage: microvm-view [OPTION...] SOCKET\n"
	     "Shows the windows of a virtual machine that runs with --gpu ...,display=egl,\n"
	     "socket=SOCKET, and is its keyboard and pointer. Closing a window ends the viewer,\n"
	     "not the machine.\n");
	opts_print(options, stdout);
	return -ECANCELED;
}

/* 0; -ECANCELED: all is done; -EINVAL after one line in the log. */
static int parse(struct view *v, int argc, char **argv)
{
	bool has_socket = argc > 1 && *argv[argc - 1] != '-';
	int ret = opts_parse_argv(options, v, argc - has_socket, argv);

	if (ret < 0)
		return ret;
	v->path = has_socket ? argv[argc - 1] : NULL;
	if (v->path)
		return 0;
	log_error("usage: microvm-view [OPTION...] SOCKET; --help lists options");
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct view v = { .sandbox = true };
	int ret;

	log_set_program("microvm-view");
	ret = parse(&v, argc, argv);
	if (ret == -ECANCELED)
		return opts_printed() == 0 ? 0 : USAGE;
	if (ret < 0)
		return USAGE;
	log_set_level(LOG_WARN + MIN(v.verbose, 2));
	return run(&v);
}
