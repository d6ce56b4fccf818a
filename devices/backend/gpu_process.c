/* SPDX-License-Identifier: MIT */
#include "devices/backend/gpu_process.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/backend/child.h"
#include "devices/backend/handover.h"
#include "devices/backend/unixsock.h"
#include "devices/ui/close_button.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define PROGRAM "microvm-gpu"
#define BACKLOG 16
/* Between two words that it is listened to: it cannot keep us busy. */
#define HEAR_PAUSE_NS 100000000ull

struct gpu_process_device {
	char *option;		/* "--input" */
	char *value;		/* "keyboard,fd=4" */
	bool taken;
	int port;		/* where connections are handed over, -1: no process */
	unsigned generation;	/* of the process that the last connection is to */
};

struct gpu_process {
	struct loop *loop;
	char *name;			/* "--name=GUEST" */
	char *program, *display;	/* NULL: not said */
	struct unixsock viewers;	/* fd -1: none */
	struct child *child;		/* NULL: none */
	unsigned generation;
	struct log_rate rate;		/* of all of them */
	uint64_t start_ns;		/* between two starts */
	uint64_t starts_paid_ns;	/* the time by which those so far would have been due */
	bool slowed;			/* and has been said so */

	void (*closed)(void *ctx, bool again);	/* or NULL */
	void *ctx;
	struct close_button button;
	struct loop_fd words;		/* the card's port, while there is one */
	struct loop_timer pause;	/* in listening to it */

	unsigned n;
	struct gpu_process_device devices[GPU_PROCESS_MAX_DEVICES];
};

_Static_assert(GPU_PROCESS_MAX_DEVICES < CHILD_MAX_FDS, "a descriptor for each, and the viewers'");

/* --- finding the program ------------------------------------------------------------- */

/* DIR/TAIL if it can be run, to be freed; else NULL. */
static char *try_program(const char *dir, int dir_len, const char *tail)
{
	char *path;

	if (asprintf(&path, "%.*s/%s", dir_len, dir, tail) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static char *find_beside(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;
	char *path;

	if (len < 0)
		return NULL;
	self[len] = '\0';
	dir = dirname(self);
	path = try_program(dir, strlen(dir), PROGRAM);
	return path ? path : try_program(dir, strlen(dir), "../libexec/" PROGRAM);
}

static char *find_in_path(void)
{
	const char *dir = getenv("PATH");
	char *path = NULL;

	while (dir && *dir && !path) {
		int len = strcspn(dir, ":");

		path = len ? try_program(dir, len, PROGRAM) : NULL;
		dir += len + (dir[len] == ':');
	}
	return path;
}

static char *find_program(const struct gpu_process *p)
{
	char *path;

	if (p->program) {
		path = strdup(p->program);
		if (path && access(path, X_OK) == 0)
			return path;
		log_error("--gpu: %s: %m", p->program);
		free(path);
		return NULL;
	}
	path = find_beside();
	if (!path)
		path = find_in_path();
	if (!path)
		log_error("no " PROGRAM " beside this program, in ../libexec or in PATH: "
			  "--gpu program=FILE names it");
	return path;
}

void gpu_process_describe(void)
{
	char *program = find_program(&(struct gpu_process){ 0 });
	char *const argv[] = { program, "--describe", NULL };
	pid_t pid;
	int status, ret;

	if (!program)
		return;
	/* What is printed already comes first. */
	fflush(stdout);
	ret = posix_spawn(&pid, program, NULL, NULL, argv, environ);
	if (ret != 0)
		log_error("%s: %s", program, strerror(ret));
	else
		waitpid(pid, &status, 0);
	free(program);
}

/* --- what it says ------------------------------------------------------------------------ */

static void close_button(struct gpu_process *p)
{
	enum close_wish wish = close_button_press(&p->button, loop_now_ns());

	if (p->closed && wish != CLOSE_NOTHING)
		p->closed(p->ctx, wish == CLOSE_STOP);
}

static void hear(void *arg, uint32_t events)
{
	struct gpu_process *p = arg;
	int word = handover_hear(p->words.fd);

	if (word < 0) {
		/* Its connections say the same to those who have them. */
		loop_remove(p->loop, &p->words);
		return;
	}
	loop_modify(p->loop, &p->words, 0);
	loop_timer_arm(p->loop, &p->pause, HEAR_PAUSE_NS);
	if (word == GPU_PROCESS_CLOSED)
		close_button(p);
}

static void hear_again(void *arg)
{
	struct gpu_process *p = arg;

	loop_modify(p->loop, &p->words, EPOLLIN);
}

static struct gpu_process_device *find_option(struct gpu_process *p, const char *option)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->devices[i].option, option))
			return &p->devices[i];
	return NULL;
}

static int listen_to_card(struct gpu_process *p)
{
	struct gpu_process_device *d = find_option(p, "--gpu");

	if (!d)
		d = find_option(p, "--" GPU_PROCESS_FRAMEBUFFER);
	return d ? loop_add(p->loop, &p->words, d->port, EPOLLIN, hear, p) : 0;
}

/* --- starting and ending it ------------------------------------------------------------ */

static void close_ports(struct gpu_process *p)
{
	loop_timer_disarm(p->loop, &p->pause);
	loop_remove(p->loop, &p->words);
	for (unsigned i = 0; i < p->n; i++) {
		if (p->devices[i].port >= 0)
			close(p->devices[i].port);
		p->devices[i].port = -1;
	}
}

static void end(struct gpu_process *p)
{
	child_end(p->child);
	p->child = NULL;
	close_ports(p);
}

/* A port for each device; the child's ends in @fds, of which @n are open on an error too. */
static int make_ports(struct gpu_process *p, int fds[], unsigned *n)
{
	for (*n = 0; *n < p->n; ++*n) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
			log_error(PROGRAM ": socketpair: %m");
			return -errno;
		}
		p->devices[*n].port = pair[0];
		fds[*n] = pair[1];
	}
	return 0;
}

/* Whose descriptor is behind those of the devices. */
#define VIEWERS_DISPLAY "egl,fd="

/* @fds: the devices', with room for one more. */
static int start_child(struct gpu_process *p, char *program, int fds[])
{
	char *argv[2 * GPU_PROCESS_MAX_DEVICES + 8], viewers[sizeof(VIEWERS_DISPLAY) + 10];
	struct child_spec spec = {
		.name = "--gpu", .argv = argv, .fds = fds, .n_fds = p->n, .rate = &p->rate,
	};
	unsigned n = 0;

	argv[n++] = program;
	argv[n++] = p->name;
	if (p->display || p->viewers.fd >= 0) {
		argv[n++] = "--display";
		argv[n++] = p->display;
	}
	if (p->viewers.fd >= 0) {
		snprintf(viewers, sizeof(viewers), VIEWERS_DISPLAY "%u", CHILD_FD + p->n);
		argv[n - 1] = viewers;
		fds[spec.n_fds++] = p->viewers.fd;
	}
	for (int level = LOG_WARN; level < (int)log_get_level() && level < LOG_DEBUG; level++)
		argv[n++] = "--verbose";
	for (unsigned i = 0; i < p->n; i++) {
		argv[n++] = p->devices[i].option;
		argv[n++] = p->devices[i].value;
	}
	assert(n < ARRAY_SIZE(argv));
	argv[n] = NULL;
	return child_start(&p->child, p->loop, &spec);
}

/* Whether it may be started now: one that dies at once does not keep us and the log busy. */
static bool is_time_to_start(struct gpu_process *p)
{
	uint64_t now = loop_now_ns();

	if (p->starts_paid_ns <= now)
		p->slowed = false;
	if (p->starts_paid_ns <= now + (GPU_PROCESS_START_BURST - 1) * p->start_ns) {
		p->starts_paid_ns = MAX(p->starts_paid_ns, now) + p->start_ns;
		return true;
	}
	if (!p->slowed)
		log_warn("--gpu: " PROGRAM " ends again and again: from now on it is started "
			 "every %llu s", (unsigned long long)(p->start_ns / 1000000000));
	p->slowed = true;
	return false;
}

static int start(struct gpu_process *p)
{
	int fds[GPU_PROCESS_MAX_DEVICES + 1];
	unsigned n = 0;
	char *program;
	int ret;

	if (!is_time_to_start(p))
		return -EAGAIN;
	program = find_program(p);
	if (!program)
		return -ENOENT;
	ret = make_ports(p, fds, &n);
	if (ret == 0)
		ret = listen_to_card(p);
	if (ret == 0)
		ret = start_child(p, program, fds);
	while (n)
		close(fds[--n]);
	free(program);
	if (ret < 0)
		close_ports(p);
	else
		p->generation++;
	return ret;
}

/* --- connections -------------------------------------------------------------------------- */

static int make_pair(const struct gpu_process_device *d, int pair[2])
{
	bool packets = !strcmp(d->option, "--" GPU_PROCESS_FRAMEBUFFER) ||
		       !strcmp(d->option, "--" GPU_PROCESS_EVENTS);

	if (socketpair(AF_UNIX, (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0,
		       pair) == 0)
		return 0;
	log_error(PROGRAM ": socketpair: %m");
	return -errno;
}

/* One end of @pair to the process, the other to the caller; or negative errno. */
static int hand_over(struct gpu_process_device *d, const int pair[2])
{
	int ret = handover_send(d->port, pair[1]);

	close(pair[1]);
	if (ret == 0)
		return pair[0];
	close(pair[0]);
	return ret;
}

int gpu_process_dial(struct gpu_process *p, unsigned device)
{
	struct gpu_process_device *d = &p->devices[device];
	int pair[2], ret = 0;

	assert(device < p->n);
	if (!p->child)
		ret = start(p);
	if (ret == 0)
		ret = make_pair(d, pair);
	if (ret < 0)
		return ret;
	ret = hand_over(d, pair);
	if (ret >= 0)
		d->generation = p->generation;
	else
		/* It has ended, or does not take what it is given: the next attempt finds another. */
		end(p);
	return ret;
}

int gpu_process_visit(struct gpu_process *p, unsigned device)
{
	int pair[2], ret;

	assert(device < p->n);
	ret = p->child ? make_pair(&p->devices[device], pair) : -ENOTCONN;
	return ret < 0 ? ret : hand_over(&p->devices[device], pair);
}

void gpu_process_hung_up(struct gpu_process *p, unsigned device)
{
	if (p->child && p->devices[device].generation == p->generation)
		end(p);
}

/* --- life ------------------------------------------------------------------------------------ */

int gpu_process_create(struct gpu_process **out, struct loop *loop, const char *guest)
{
	struct gpu_process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->start_ns = GPU_PROCESS_START_NS;
	p->viewers.fd = -1;
	p->pause = (struct loop_timer){ .cb = hear_again, .arg = p };
	if (asprintf(&p->name, "--name=%s", guest) < 0) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

static int set_text(char **field, const char *text)
{
	if (!text)
		return 0;
	free(*field);
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

int gpu_process_set(struct gpu_process *p, const char *program, const char *display)
{
	int ret = set_text(&p->program, program);

	return ret < 0 ? ret : set_text(&p->display, display);
}

int gpu_process_listen(struct gpu_process *p, const char *path)
{
	int ret = unixsock_listen_packets(&p->viewers, path, BACKLOG);

	if (ret == 0)
		return 0;
	p->viewers.fd = -1;
	log_error("--gpu: socket=%s: %s", path, unixsock_error(ret));
	return ret;
}

void gpu_process_set_start_ns(struct gpu_process *p, uint64_t ns)
{
	p->start_ns = ns;
}

void gpu_process_on_close(struct gpu_process *p, void (*closed)(void *ctx, bool again),
			  void *ctx)
{
	p->closed = closed;
	p->ctx = ctx;
}

int gpu_process_add(struct gpu_process *p, const char *option, const char *value)
{
	struct gpu_process_device *d = &p->devices[p->n];

	if (p->n == GPU_PROCESS_MAX_DEVICES) {
		log_error("--%s: more than %d devices of " PROGRAM, option,
			  GPU_PROCESS_MAX_DEVICES);
		return -ENOSPC;
	}
	d->port = -1;
	if (asprintf(&d->option, "--%s", option) < 0)
		d->option = NULL;
	if (asprintf(&d->value, "%s%sfd=%u", value, *value ? "," : "", CHILD_FD + p->n) < 0)
		d->value = NULL;
	if (d->option && d->value)
		return p->n++;
	free(d->option);
	free(d->value);
	return -ENOMEM;
}

int gpu_process_take(struct gpu_process *p, const char *option)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct gpu_process_device *d = &p->devices[i];

		if (!d->taken && !strcmp(d->option + 2, option)) {
			d->taken = true;
			return i;
		}
	}
	return -ENOENT;
}

void gpu_process_destroy(struct gpu_process *p)
{
	if (!p)
		return;
	end(p);
	if (p->viewers.fd >= 0)
		unixsock_close(&p->viewers);
	for (unsigned i = 0; i < p->n; i++) {
		free(p->devices[i].option);
		free(p->devices[i].value);
	}
	free(p->name);
	free(p->program);
	free(p->display);
	free(p);
}
