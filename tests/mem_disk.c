/* SPDX-License-Identifier: MIT */
#include "tests/mem_disk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static int mem_copy(struct mem_disk *m, struct disk_request *req)
{
	uint64_t off = req->off;

	for (unsigned i = 0; i < req->n_iov; i++) {
		const struct iovec *v = &req->iov[i];

		if (off + v->iov_len > m->disk->info.size)
			abort();
		if (req->op == DISK_READ)
			memcpy(v->iov_base, m->data + off, v->iov_len);
		else
			memcpy(m->data + off, v->iov_base, v->iov_len);
		off += v->iov_len;
	}
	if (off != req->off + req->len)
		abort();
	return 0;
}

static int mem_perform(struct mem_disk *m, struct disk_request *req)
{
	if (m->error)
		return m->error;
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		return mem_copy(m, req);
	case DISK_FLUSH:
		return 0;
	default:
		memset(m->data + req->off, 0, req->len);
		return 0;
	}
}

static void mem_finish(struct mem_disk *m, struct disk_request *req)
{
	req->ret = mem_perform(m, req);
	/* As a real one does on its way, so that nobody relies on them. */
	if (req->ret == 0) {
		req->off += req->len;
		req->len = 0;
	}
	disk_list_add(&m->done, req);
	eventfd_write(m->disk->done_fd, 1);
}

static void mem_submit(struct disk *d, struct disk_request *req)
{
	struct mem_disk *m = d->engine;

	m->n[req->op]++;
	m->last = *req;
	if (req->n_iov)
		m->last_iov = req->iov[0];
	pthread_mutex_lock(&m->lock);
	if (m->hold) {
		disk_list_add(&m->held, req);
		m->n_held++;
	} else {
		mem_finish(m, req);
	}
	pthread_mutex_unlock(&m->lock);
}

static void mem_commit(struct disk *d)
{
	((struct mem_disk *)d->engine)->commits++;
}

static void mem_reap(struct disk *d, struct disk_list *done)
{
	struct mem_disk *m = d->engine;
	struct disk_request *req;

	pthread_mutex_lock(&m->lock);
	while ((req = disk_list_take(&m->done)))
		disk_list_add(done, req);
	pthread_mutex_unlock(&m->lock);
}

static int mem_start(struct disk *d)
{
	((struct mem_disk *)d->engine)->disk = d;
	return 0;
}

static void mem_stop(struct disk *d)
{
}

static const struct disk_engine_ops mem_disk_ops = {
	.name = "memory",
	.start = mem_start,
	.stop = mem_stop,
	.submit = mem_submit,
	.commit = mem_commit,
	.reap = mem_reap,
};

void mem_disk_init(struct mem_disk *m, struct loop *loop, const struct disk_info *info)
{
	const struct disk_file file = { .fd = -1, .path = strdup("memory") };
	struct disk *disk;

	memset(m, 0, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	disk_list_init(&m->held);
	disk_list_init(&m->done);
	m->data = calloc(1, info->size);
	if (!m->data || disk_create(&disk, loop, &mem_disk_ops, m, &file, info) < 0)
		abort();
}

void mem_disk_finish(struct mem_disk *m)
{
	free(m->data);
	pthread_mutex_destroy(&m->lock);
}

void mem_disk_hold(struct mem_disk *m)
{
	pthread_mutex_lock(&m->lock);
	m->hold = true;
	pthread_mutex_unlock(&m->lock);
}

void mem_disk_release(struct mem_disk *m)
{
	struct disk_request *req;

	pthread_mutex_lock(&m->lock);
	m->hold = false;
	while ((req = disk_list_take(&m->held)))
		mem_finish(m, req);
	m->n_held = 0;
	pthread_mutex_unlock(&m->lock);
}
