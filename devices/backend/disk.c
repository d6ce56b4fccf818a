/* SPDX-License-Identifier: MIT */
#include "devices/backend/disk.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/backend/disk_impl.h"
#include "vmm/util.h"

/* Between two looks whether an engine could start what it could not before. */
#define DRAIN_POLL_MS 10

/* --- lists ----------------------------------------------------------------- */

void disk_list_init(struct disk_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

void disk_list_add(struct disk_list *list, struct disk_request *req)
{
	req->next = NULL;
	*list->tail = req;
	list->tail = &req->next;
}

struct disk_request *disk_list_take(struct disk_list *list)
{
	struct disk_request *req = list->head;

	if (req) {
		list->head = req->next;
		if (!list->head)
			list->tail = &list->head;
	}
	return req;
}

struct disk_request *disk_list_take_all(struct disk_list *list)
{
	struct disk_request *all = list->head;

	disk_list_init(list);
	return all;
}

/* --- requests -------------------------------------------------------------- */

static void disk_refuse(struct disk *d, struct disk_request *req, int error)
{
	req->ret = error;
	disk_list_add(&d->refused, req);
	eventfd_write(d->done_fd, 1);
}

static bool disk_op_writes(enum disk_op op)
{
	return op == DISK_WRITE || op == DISK_DISCARD || op == DISK_ZERO;
}

static bool disk_range_ok(const struct disk *d, const struct disk_request *req)
{
	return req->op == DISK_FLUSH ||
	       (range_fits(req->off, req->len, d->info.size) &&
		(req->off | req->len) % d->info.block_size == 0);
}

void disk_submit(struct disk *d, struct disk_request *req)
{
	d->n_in_flight++;
	req->ret = 0;
	if (!disk_range_ok(d, req))
		disk_refuse(d, req, -EINVAL);
	else if (d->info.readonly && disk_op_writes(req->op))
		disk_refuse(d, req, -EROFS);
	else
		d->ops->submit(d, req);
}

void disk_commit(struct disk *d)
{
	if (d->ops->commit)
		d->ops->commit(d);
}

static void disk_failed(struct disk *d, const struct disk_request *req)
{
	static const char *const names[] = {
		[DISK_READ] = "reading",
		[DISK_WRITE] = "writing",
		[DISK_FLUSH] = "flushing",
		[DISK_DISCARD] = "discarding",
		[DISK_ZERO] = "zeroing",
	};

	log_guest(&d->rate, "disk %s: %s %llu bytes at %llu: %s: an I/O error for the guest",
		  d->file.path, names[req->op], (unsigned long long)req->len,
		  (unsigned long long)req->off, strerror(-req->ret));
	/* With direct I/O no write is only in the page cache, to be dropped from there. */
	if (req->op == DISK_FLUSH && !d->file.direct)
		d->flush_error = req->ret;
}

static void disk_reap(struct disk *d)
{
	struct disk_list done;
	struct disk_request *req, *batch;

	disk_list_init(&done);
	while ((req = disk_list_take(&d->refused)))
		disk_list_add(&done, req);
	d->ops->reap(d, &done);
	batch = disk_list_take_all(&done);
	for (req = batch; req; req = req->next) {
		assert(d->n_in_flight > 0);
		d->n_in_flight--;
		/* The kernel tells of lost writes once. */
		if (req->op == DISK_FLUSH && req->ret == 0)
			req->ret = d->flush_error;
		if (req->ret < 0)
			disk_failed(d, req);
	}
	if (batch)
		d->done(d->done_arg, batch);
}

static void disk_woken(void *arg, uint32_t events)
{
	struct disk *d = arg;
	eventfd_t n;

	/* First, so that what is done from here on wakes us again. */
	eventfd_read(d->done_fd, &n);
	disk_reap(d);
}

void disk_drain(struct disk *d)
{
	while (d->n_in_flight) {
		struct pollfd pfd = { .fd = d->done_fd, .events = POLLIN };

		disk_commit(d);
		if (poll(&pfd, 1, DRAIN_POLL_MS) > 0)
			disk_woken(d, EPOLLIN);
	}
}

void disk_attach(struct disk *d, void (*done)(void *arg, struct disk_request *batch), void *arg)
{
	d->done = done;
	d->done_arg = arg;
}

const struct disk_info *disk_info(const struct disk *d)
{
	return &d->info;
}

/* --- life ------------------------------------------------------------------ */

/* All but the file. */
static void disk_free(struct disk *d)
{
	loop_remove(d->loop, &d->done_src);
	if (d->done_fd >= 0)
		close(d->done_fd);
	free(d);
}

static int disk_init_events(struct disk *d)
{
	d->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->done_fd < 0)
		return -errno;
	return loop_add(d->loop, &d->done_src, d->done_fd, EPOLLIN, disk_woken, d);
}

int disk_create(struct disk **out, struct loop *loop, const struct disk_engine_ops *ops,
		void *engine, const struct disk_file *file, const struct disk_info *info)
{
	struct disk *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return -ENOMEM;
	d->info = *info;
	d->file = *file;
	d->ops = ops;
	d->engine = engine;
	d->loop = loop;
	disk_list_init(&d->refused);
	ret = disk_init_events(d);
	if (ret == 0)
		ret = ops->start(d);
	if (ret < 0) {
		disk_free(d);
		return ret;
	}
	*out = d;
	return 0;
}

void disk_file_finish(struct disk_file *file)
{
	/* The lock goes with it. */
	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
}

void disk_close(struct disk *d)
{
	if (!d)
		return;
	disk_drain(d);
	d->ops->stop(d);
	disk_file_finish(&d->file);
	disk_free(d);
}
