/* SPDX-License-Identifier: MIT */
/*
 * Reads, writes and flushes by io_uring. What it has no operation for, or what
 * has to be copied first, is left to a pool of threads, which begins its life
 * with the first such request: most guests never need one.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "devices/backend/disk_impl.h"
#include "vmm/util.h"

/* In the kernel at once. The rest waits here, in order. */
#define URING_ENTRIES 128
#define URING_RETRY_NS 1000000
/* From here on a copy from the page cache is not made while the loop waits for it. */
#define URING_ASYNC_BYTES (256u << 10)

struct disk_uring {
	struct io_uring ring;
	struct disk_list waiting;
	unsigned n_in_ring;	/* taken by the kernel or about to be */
	struct loop_timer retry;	/* of a submission that the kernel put off */
	struct disk_pool pool;
};

static bool uring_takes(const struct disk *d, const struct disk_request *req)
{
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		return req->len && disk_is_aligned(d, req);
	case DISK_FLUSH:
		return true;
	default:
		return false;
	}
}

static void uring_prepare(const struct disk *d, struct io_uring_sqe *sqe,
			  struct disk_request *req)
{
	int fd = d->file.fd;

	switch (req->op) {
	case DISK_READ:
		io_uring_prep_readv(sqe, fd, req->iov, req->n_iov, req->off);
		break;
	case DISK_WRITE:
		io_uring_prep_writev2(sqe, fd, req->iov, req->n_iov, req->off,
				      req->stable ? RWF_DSYNC : 0);
		break;
	default:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	}
	if (!d->file.direct && req->len >= URING_ASYNC_BYTES)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(sqe, req);
}

static void uring_submit(struct disk *d, struct disk_request *req)
{
	struct disk_uring *u = d->engine;

	if (uring_takes(d, req))
		disk_list_add(&u->waiting, req);
	else
		disk_pool_submit(&u->pool, req);
}

static void uring_commit(struct disk *d)
{
	struct disk_uring *u = d->engine;

	while (u->waiting.head && u->n_in_ring < URING_ENTRIES) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

		if (!sqe)
			break;
		uring_prepare(d, sqe, disk_list_take(&u->waiting));
		u->n_in_ring++;
	}
	if (io_uring_sq_ready(&u->ring))
		io_uring_submit(&u->ring);
	/* The kernel may be short of memory for the moment. */
	if (io_uring_sq_ready(&u->ring))
		loop_timer_arm(d->loop, &u->retry, URING_RETRY_NS);
}

static void uring_retry(void *arg)
{
	uring_commit(arg);
}

/* @res: bytes or negative errno. What is left of @req waits for its next turn. */
static void uring_ended(struct disk_uring *u, struct disk_request *req, int res,
			struct disk_list *done)
{
	u->n_in_ring--;
	if (res == -EINTR || res == -EAGAIN) {
		disk_list_add(&u->waiting, req);
		return;
	}
	if (res > 0 && req->op != DISK_FLUSH) {
		disk_advance(req, res);
		if (req->len) {
			disk_list_add(&u->waiting, req);
			return;
		}
	} else if (res == 0 && req->op != DISK_FLUSH) {
		/* The image became shorter under our hands. */
		res = -EIO;
	}
	req->ret = MIN(res, 0);
	disk_list_add(done, req);
}

static void uring_reap(struct disk *d, struct disk_list *done)
{
	struct disk_uring *u = d->engine;
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
		struct disk_request *req = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		uring_ended(u, req, res, done);
	}
	disk_pool_reap(&u->pool, done);
	uring_commit(d);
}

static int uring_start(struct disk *d)
{
	struct disk_uring *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return -ENOMEM;
	ret = io_uring_queue_init(URING_ENTRIES, &u->ring, 0);
	if (ret < 0) {
		free(u);
		return ret;
	}
	ret = io_uring_register_eventfd(&u->ring, d->done_fd);
	if (ret < 0) {
		io_uring_queue_exit(&u->ring);
		free(u);
		return ret;
	}
	disk_list_init(&u->waiting);
	disk_pool_init(&u->pool, d);
	u->retry = (struct loop_timer){ .cb = uring_retry, .arg = d };
	d->engine = u;
	return 0;
}

static void uring_stop(struct disk *d)
{
	struct disk_uring *u = d->engine;

	loop_timer_disarm(d->loop, &u->retry);
	disk_pool_finish(&u->pool);
	io_uring_queue_exit(&u->ring);
	free(u);
}

const struct disk_engine_ops disk_uring_ops = {
	.name = "io_uring",
	.start = uring_start,
	.stop = uring_stop,
	.submit = uring_submit,
	.commit = uring_commit,
	.reap = uring_reap,
};
