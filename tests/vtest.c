/* SPDX-License-Identifier: MIT */
#include "tests/vtest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/must.h"

#define SERVER "/usr/bin/virgl_test_server"

enum { RESOURCE_CREATE = 2, RESOURCE_UNREF = 3, TRANSFER_GET = 4, TRANSFER_PUT = 5, SUBMIT = 6,
       CREATE_RENDERER = 8 };

static void put(struct vtest *t, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(t->fd, p, len, MSG_NOSIGNAL);

		must(n > 0);
		p += n;
		len -= n;
	}
}

static void command(struct vtest *t, uint32_t what, uint32_t len)
{
	const uint32_t header[] = { len, what };

	put(t, header, sizeof(header));
}

void vtest_create(struct vtest *t, uint32_t id, const struct gpu_create_3d *a)
{
	const uint32_t words[] = { id, a->target, a->format, a->bind, a->width, a->height,
				   a->depth, a->array_size, a->last_level, a->nr_samples };

	command(t, RESOURCE_CREATE, sizeof(words) / 4);
	put(t, words, sizeof(words));
}

void vtest_unref(struct vtest *t, uint32_t id)
{
	command(t, RESOURCE_UNREF, 1);
	put(t, &id, sizeof(id));
}

static void transfer(struct vtest *t, uint32_t what, uint32_t id, const struct gpu_transfer *x,
		     uint32_t len, uint32_t carried)
{
	const uint32_t words[] = { id, x->level, x->stride, x->layer_stride, x->box.x, x->box.y,
				   x->box.z, x->box.w, x->box.h, x->box.d, len };

	command(t, what, sizeof(words) / 4 + (carried + 3) / 4);
	put(t, words, sizeof(words));
}

void vtest_put(struct vtest *t, uint32_t id, const struct gpu_transfer *x, const void *data,
	       uint32_t len)
{
	transfer(t, TRANSFER_PUT, id, x, len, len);
	put(t, data, len);
}

void vtest_get(struct vtest *t, uint32_t id, const struct gpu_transfer *x, void *data,
	       uint32_t len)
{
	char *p = data;

	transfer(t, TRANSFER_GET, id, x, len, 0);
	while (len) {
		ssize_t n = recv(t->fd, p, len, 0);

		must(n > 0);
		p += n;
		len -= n;
	}
}

void vtest_submit(struct vtest *t, const uint32_t *words, uint32_t n)
{
	command(t, SUBMIT, n);
	put(t, words, 4ul * n);
}

/* --- life -------------------------------------------------------------------------- */

static void run_server(const char *path)
{
	int null = open("/dev/null", O_RDWR);
	char option[80];

	snprintf(option, sizeof(option), "--socket-path=%s", path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 1);
	dup2(null, 2);
	execl(SERVER, SERVER, "--no-loop-or-fork", "--use-egl-surfaceless", option, NULL);
	_exit(127);
}

static void connect_to(struct vtest *t, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(t->fd >= 0);
	/* It says nothing when it listens. */
	while (connect(t->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		const struct timespec moment = { .tv_nsec = 10000000 };

		must((errno == ENOENT || errno == ECONNREFUSED) &&
		     waitpid(t->pid, NULL, WNOHANG) == 0);
		nanosleep(&moment, NULL);
	}
}

bool vtest_is_there(void)
{
	return access(SERVER, X_OK) == 0;
}

bool vtest_start(struct vtest *t)
{
	const char name[] = "test";
	char path[64];

	if (!vtest_is_there())
		return false;
	snprintf(t->dir, sizeof(t->dir), "/tmp/vtest.XXXXXX");
	must(mkdtemp(t->dir));
	snprintf(path, sizeof(path), "%s/socket", t->dir);
	t->pid = fork();
	must(t->pid >= 0);
	if (!t->pid)
		run_server(path);
	connect_to(t, path);
	command(t, CREATE_RENDERER, sizeof(name));
	put(t, name, sizeof(name));
	return true;
}

void vtest_stop(struct vtest *t)
{
	char path[64];

	close(t->fd);
	kill(t->pid, SIGKILL);
	must(waitpid(t->pid, NULL, 0) == t->pid);
	snprintf(path, sizeof(path), "%s/socket", t->dir);
	unlink(path);
	rmdir(t->dir);
}
