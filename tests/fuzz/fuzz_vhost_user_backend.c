/* SPDX-License-Identifier: MIT */
/*
 * A front end that sends the messages of the input to a back end. Of each: the
 * request, what comes along (below), the payload's size, the payload. A size of
 * 255 stands for noise in place of a message: the next byte says how much. Requests from
 * 240 on are none: the device asks for memory to be mapped, or what is an answer to that
 * comes on the channel that the front end gave.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/shm_window.h"
#include "devices/virtio/vhost_user_backend.h"
#include "tests/echo_dev.h"
#include "vmm/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY 0x10000
#define NOISE 255
#define LEND 240
#define SHM_LEN (16 * SHM_PAGE)

enum what {
	FD_NONE, FD_MEMORY, FD_UNSEALED, FD_EVENT, FD_EVENT2, FD_PIPE, FD_SOCKET, FD_NULL,
	FD_KINDS,
	/* beside one of these */
	NEED_REPLY = 8, KICK = 16, FD_COUNT_SHIFT = 5,
};

struct rig {
	struct loop *loop;
	struct vhost_user_backend b;
	struct echo_dev e;
	int fds[FD_KINDS];
	int channel;		/* FD_SOCKET's other end */
	bool away;		/* between memory_leave() and memory_enter() */
};

static void memory_leave(void *ctx)
{
	struct rig *r = ctx;

	if (r->away || !r->b.mem.n_regions)
		abort();
	r->away = true;
	/* A device that keeps its state has let go of its chains. */
	r->e.n_parked = 0;
}

static void memory_enter(void *ctx)
{
	struct rig *r = ctx;

	if (!r->away)
		abort();
	r->away = false;
}

static int make_memory(int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, MEMORY) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0)
		abort();
	return fd;
}

static struct rig *rig_create(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	int fds[2];

	if (loop_create(&r->loop) < 0 || pipe2(fds, O_CLOEXEC) < 0)
		abort();
	r->fds[FD_NONE] = -1;
	r->fds[FD_MEMORY] = make_memory(F_SEAL_SHRINK | F_SEAL_GROW);
	r->fds[FD_UNSEALED] = make_memory(F_SEAL_GROW);
	r->fds[FD_EVENT] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->fds[FD_EVENT2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->fds[FD_PIPE] = fds[1];
	r->fds[FD_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	r->fds[FD_SOCKET] = fds[0];
	r->channel = fds[1];
	vhost_user_backend_init(&r->b, r->loop, "fuzz");
	echo_init(&r->e, r->loop, &r->b.mem);
	vhost_user_backend_attach(&r->b, &r->e.v, &(struct vhost_user_backend_params){ 0 });
	log_set_level(LOG_ERROR);
	return r;
}

static void settle(struct rig *r)
{
	for (unsigned i = 0; i < 6; i++)
		loop_run_once(r->loop, 0);
}

/* One message; how many bytes of @data it took. */
static size_t send_one(struct rig *r, int fd, const uint8_t *data, size_t size)
{
	unsigned what = data[1] & 7, n = what == FD_NONE ? 0 : 1 + (data[1] >> FD_COUNT_SHIFT);
	uint32_t len = MIN((size_t)data[2], size - 3);
	struct vhost_user_msg msg = { .h = {
		data[0], VHOST_USER_VERSION | (data[1] & NEED_REPLY), len,
	} };
	int fds[VHOST_USER_MAX_FDS];

	for (unsigned i = 0; i < VHOST_USER_MAX_FDS; i++)
		fds[i] = r->fds[what];
	memcpy(&msg.u64, data + 3, len);
	vhost_user_send(fd, &msg, fds, n, 0);
	settle(r);
	if (data[1] & KICK) {
		eventfd_write(r->fds[FD_EVENT], 1);
		settle(r);
	}
	return 3 + len;
}

static size_t send_noise(struct rig *r, int fd, const uint8_t *data, size_t size)
{
	size_t len = size > 3 ? MIN((size_t)data[3], size - 4) : 0;

	if (len && send(fd, data + 4, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return size;
	settle(r);
	return MIN(size, 4 + len);
}

static void ask(struct rig *r, bool map, uint64_t page)
{
	struct virtio_device *v = &r->e.v;
	const struct shm_map piece = {
		.fd = r->fds[FD_MEMORY], .off = page * SHM_PAGE, .len = SHM_PAGE, .writable = true,
	};

	pthread_mutex_lock(&v->lock);
	if (map)
		virtio_shm_map(v, &piece);
	else
		virtio_shm_unmap(v, piece.off, piece.len);
	pthread_mutex_unlock(&v->lock);
}

/* What is asked for, by bits of the second byte, or comes: an answer, or the payload as it is. */
static size_t lend(struct rig *r, const uint8_t *data, size_t size)
{
	uint32_t len = MIN((size_t)data[2], size - 3);
	struct vhost_user_msg answer = {
		.h = { VHOST_USER_BACKEND_SHMEM_MAP, VHOST_USER_VERSION | VHOST_USER_REPLY, 8 },
		.u64 = data[1] >> 2,
	};

	switch (data[1] & 3) {
	case 2:
		vhost_user_send(r->channel, &answer, NULL, 0, 0);
		break;
	case 3:
		send(r->channel, data + 3, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	default:
		ask(r, data[1] & 1, data[1] >> 2);
		break;
	}
	settle(r);
	return 3 + len;
}

/* So that neither a full socket nor a full counter is what later messages meet. */
static void drain(struct rig *r, int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* What was in the guest's memory before, and its kicks, are no business of this run. */
static void forget(struct rig *r)
{
	eventfd_t n;

	drain(r, r->channel);
	drain(r, r->fds[FD_SOCKET]);
	eventfd_read(r->fds[FD_EVENT], &n);
	eventfd_read(r->fds[FD_EVENT2], &n);
	if (fallocate(r->fds[FD_MEMORY], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MEMORY) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig *r;
	int pair[2];

	if (!r)
		r = rig_create();
	if (size > 4096 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	forget(r);
	if (size > 1024 && pwrite(r->fds[FD_MEMORY], data + 1024, size - 1024, 0) < 0)
		abort();
	/* A device that keeps its state when rings stop, or one that does not. */
	r->b.p = (struct vhost_user_backend_params){ .ctx = r, .shm_len = size & 2 ? SHM_LEN : 0 };
	if (size & 1) {
		r->b.p.memory_leave = memory_leave;
		r->b.p.memory_enter = memory_enter;
	}
	if (vhost_user_backend_connect(&r->b, pair[1]) < 0)
		abort();
	for (size_t end = MIN(size, (size_t)1024), off = 0; off + 3 <= end;) {
		bool noise = data[off + 2] == NOISE;

		if (data[off] >= LEND)
			off += lend(r, data + off, end - off);
		else
			off += (noise ? send_noise : send_one)(r, pair[0], data + off, end - off);
		drain(r, pair[0]);
	}
	close(pair[0]);
	/* A message a turn: noise may be of more messages than any number of turns so far. */
	for (size_t left = size; left && r->b.conn.fd >= 0; left--)
		loop_run_once(r->loop, 0);
	settle(r);
	if (r->b.mem.n_regions || r->b.conn.fd >= 0 || virtio_get_status(&r->e.v) || r->away)
		abort();
	return 0;
}
