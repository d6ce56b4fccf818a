/* SPDX-License-Identifier: MIT */
#include "devices/backend/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define LINE_MAX_LEN 200

struct child {
	const char *name;
	struct loop *loop;
	pid_t pid;		/* 0: it has ended and was waited for */
	struct loop_fd end;	/* a pidfd */
	struct loop_fd output;
	char line[LINE_MAX_LEN];
	unsigned len;
	struct log_rate own_rate, *rate;
};

/* --- in the child, between fork and exec: system calls only -------------------- */

_Noreturn static void die(const char *what)
{
	const char *why = strerrorname_np(errno);
	char text[256];
	int n = snprintf(text, sizeof(text), "%s: %s\n", what, why ? why : "?");

	if (write(STDERR_FILENO, text, n) < 0)
		_exit(126);
	_exit(127);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

/* Root there is our user here. */
static void enter_user_namespace(uid_t uid, gid_t gid)
{
	char map[32];

	if (unshare(CLONE_NEWUSER) < 0)
		die("not root, and no user namespace can be had (kernel.unprivileged_userns_clone,"
		    " user.max_user_namespaces)");
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

static void make_read_only(const char *dir)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("read-only needs a mount namespace of its own");
	if (mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, dir, AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		die("cannot make the directory read-only");
}

/* Out of the way of those that are fixed. */
static int move_fd(int fd)
{
	int moved = fcntl(fd, F_DUPFD, CHILD_FD + CHILD_MAX_FDS);

	if (moved < 0)
		die("fcntl");
	return moved;
}

static void place_fd(int fd, int where)
{
	if (dup2(fd, where) < 0)
		die("dup2");
}

static void arrange_fds(const struct child_spec *spec, int output)
{
	int null = open("/dev/null", O_RDONLY), fds[CHILD_MAX_FDS];

	output = move_fd(output);
	null = move_fd(null);
	for (unsigned i = 0; i < spec->n_fds; i++)
		fds[i] = move_fd(spec->fds[i]);
	place_fd(null, STDIN_FILENO);
	place_fd(output, STDOUT_FILENO);
	place_fd(output, STDERR_FILENO);
	for (unsigned i = 0; i < spec->n_fds; i++)
		place_fd(fds[i], CHILD_FD + i);
	close_range(CHILD_FD + spec->n_fds, ~0u, 0);
}

_Noreturn static void child_run(const struct child_spec *spec, int output, pid_t parent)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	sigset_t none;

	arrange_fds(spec, output);
	if (spec->as_root && uid != 0)
		enter_user_namespace(uid, gid);
	if (spec->read_only)
		make_read_only(spec->read_only);
	/* After the last change of credentials, which would undo it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execv(spec->argv[0], spec->argv);
	die(spec->argv[0]);
}

/* --- what it says -------------------------------------------------------------- */

static void child_flush(struct child *c)
{
	if (c->len)
		log_guest(c->rate, "%s: %.*s", c->name, c->len, c->line);
	c->len = 0;
}

/* Lines; the rest of one that is too long comes as another. */
static void child_take(struct child *c, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n' || c->len == sizeof(c->line))
			child_flush(c);
		if (text[i] != '\n')
			c->line[c->len++] = text[i];
	}
}

/* 0 at the end; -EAGAIN when there is no more now; another error ends it too. */
static ssize_t child_read(struct child *c)
{
	char buf[1024];
	ssize_t n;

	do
		n = read(c->output.fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		child_take(c, buf, n);
	return n < 0 ? -errno : n;
}

static void child_on_output(void *arg, uint32_t events)
{
	struct child *c = arg;
	ssize_t n = child_read(c);

	if (n > 0 || n == -EAGAIN)
		return;
	child_flush(c);
	loop_remove(c->loop, &c->output);
}

/* --- how it ends ----------------------------------------------------------------- */

/* Whether it has ended, waiting for that if told so. */
static bool child_reap(struct child *c, bool wait)
{
	int status;
	pid_t pid;

	if (!c->pid)
		return true;
	do
		pid = waitpid(c->pid, &status, wait ? 0 : WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	c->pid = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_error("%s: ended for a system call that has no place in its sandbox", c->name);
	else if (WIFSIGNALED(status))
		log_info("%s: ended by signal %d", c->name, WTERMSIG(status));
	else
		log_info("%s: ended with status %d", c->name, WEXITSTATUS(status));
	return true;
}

static void child_on_end(void *arg, uint32_t events)
{
	struct child *c = arg;

	if (child_reap(c, false))
		loop_remove(c->loop, &c->end);
}

/* What it said before its end, of which that may be the reason. */
static void child_last_words(struct child *c)
{
	/* A storm of words, or others that hold the pipe, shall not keep us. */
	for (unsigned reads = 0; reads < 16; reads++)
		if (child_read(c) <= 0)
			break;
	child_flush(c);
}

void child_end(struct child *c)
{
	if (!c)
		return;
	loop_remove(c->loop, &c->end);
	loop_remove(c->loop, &c->output);
	if (child_reap(c, false)) {
		child_last_words(c);
	} else {
		/* It complains of being hung up on, no doubt. */
		kill(c->pid, SIGKILL);
		child_reap(c, true);
	}
	if (c->end.fd >= 0)
		close(c->end.fd);
	close(c->output.fd);
	free(c);
}

/* --- how it begins --------------------------------------------------------------- */

static int child_watch(struct child *c, struct loop *loop)
{
	int ret;

	c->end.fd = pidfd_open(c->pid, 0);
	ret = c->end.fd < 0 ? -errno : 0;
	if (ret == 0)
		ret = loop_add(loop, &c->end, c->end.fd, EPOLLIN, child_on_end, c);
	if (ret == 0)
		ret = loop_add(loop, &c->output, c->output.fd, EPOLLIN, child_on_output, c);
	return ret;
}

int child_start(struct child **out, struct loop *loop, const struct child_spec *spec)
{
	struct child *c = calloc(1, sizeof(*c));
	pid_t parent = getpid();
	int pipe_fds[2], ret;

	assert(spec->n_fds <= CHILD_MAX_FDS);
	if (!c)
		return -ENOMEM;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		ret = -errno;
		log_error("%s: pipe: %m", spec->name);
		free(c);
		return ret;
	}
	/* Only our end: the child's programs expect to be able to wait. */
	fcntl(pipe_fds[1], F_SETFL, 0);
	*c = (struct child){
		.name = spec->name,
		.loop = loop,
		.end.fd = -1,
		.output.fd = pipe_fds[0],
		.rate = spec->rate ? spec->rate : &c->own_rate,
	};
	c->pid = fork();
	if (c->pid == 0)
		child_run(spec, pipe_fds[1], parent);
	ret = c->pid < 0 ? -errno : 0;
	close(pipe_fds[1]);
	if (ret < 0)
		c->pid = 0;
	else
		ret = child_watch(c, loop);
	if (ret < 0) {
		log_error("%s: cannot start %s: %s", spec->name, spec->argv[0], strerror(-ret));
		child_end(c);
		return ret;
	}
	*out = c;
	return 0;
}
