/* SPDX-License-Identifier: MIT */
/* A back end that lends memory, and front ends that answer it, late, wrongly or never. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/shm_window.h"
#include "devices/virtio/vhost_user_backend.h"
#include "tests/echo_dev.h"
#include "tests/until.h"
#include "tests/vhost_peer.h"

#define SHM_ID 3
#define SHM_LEN (16ull * SHM_PAGE)
#define MAP VHOST_USER_BACKEND_SHMEM_MAP
#define UNMAP VHOST_USER_BACKEND_SHMEM_UNMAP
#define MAX_ASKED VHOST_USER_SHM_MAX_ASKED

struct t {
	struct loop *loop;
	struct vhost_user_backend b;
	struct vhost_user_backend_params params;
	struct virtio_ops ops;
	struct echo_dev e;
	struct vhost_peer p;
	unsigned done, ok, left;
	int fd;
};

static struct t *the_t;

static void note_done(struct virtio_device *v, bool ok)
{
	the_t->done++;
	the_t->ok += ok;
}

static void note_left(void *ctx)
{
	the_t->left++;
}

static void connect_peer(struct t *t)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vhost_user_backend_connect(&t->b, pair[1]), 0);
	vp_init(&t->p, pair[0], t->loop);
}

static int setup_with(void **state, uint64_t timeout_ns)
{
	struct t *t = calloc(1, sizeof(*t));
	struct vhost_user_backend_params params = {
		.shm_id = SHM_ID, .shm_len = SHM_LEN, .shm_timeout_ns = timeout_ns,
		.left = note_left,
	};

	assert_non_null(t);
	the_t = t;
	assert_int_equal(loop_create(&t->loop), 0);
	vhost_user_backend_init(&t->b, t->loop, "test");
	echo_init(&t->e, t->loop, &t->b.mem);
	t->ops = *t->e.v.ops;
	t->ops.shm_done = note_done;
	t->e.v.ops = &t->ops;
	vhost_user_backend_attach(&t->b, &t->e.v, &params);
	t->fd = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(t->fd, SHM_PAGE), 0);
	connect_peer(t);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, 0);
}

static int setup_impatient(void **state)
{
	return setup_with(state, 50000000);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vp_finish(&t->p);
	vhost_user_backend_finish(&t->b);
	echo_finish(&t->e);
	loop_destroy(t->loop);
	close(t->fd);
	free(t);
	return 0;
}

static int map(struct t *t)
{
	const struct shm_map m = { .fd = t->fd, .off = SHM_PAGE, .len = SHM_PAGE, .writable = true };
	int ret;

	pthread_mutex_lock(&t->e.v.lock);
	ret = virtio_shm_map(&t->e.v, &m);
	pthread_mutex_unlock(&t->e.v.lock);
	return ret;
}

static int unmap(struct t *t)
{
	int ret;

	pthread_mutex_lock(&t->e.v.lock);
	ret = virtio_shm_unmap(&t->e.v, SHM_PAGE, SHM_PAGE);
	pthread_mutex_unlock(&t->e.v.lock);
	return ret;
}

static unsigned room(struct t *t)
{
	return virtio_shm_room(&t->e.v);
}

/* What the back end asks for next. */
static void hear(struct t *t, uint32_t request)
{
	struct vhost_user_in in = { 0 };

	assert_int_equal(vhost_user_recv_in(t->p.channel, &in, 0), 0);
	assert_int_equal(in.msg.h.request, request);
	assert_int_equal(in.msg.h.flags, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY);
	assert_int_equal(in.msg.h.size, sizeof(in.msg.shm));
	assert_int_equal(in.msg.shm.id, SHM_ID);
	assert_int_equal(in.msg.shm.off, SHM_PAGE);
	assert_int_equal(in.msg.shm.len, SHM_PAGE);
	assert_int_equal(in.n_fds, request == MAP);
	vhost_user_in_finish(&in);
}

static void settle(struct t *t)
{
	for (unsigned i = 0; i < 50; i++)
		loop_run_once(t->loop, 0);
}

static void answer_with(struct t *t, struct vhost_user_header h, uint64_t value)
{
	struct vhost_user_msg msg = { .h = h, .u64 = value };

	assert_true(send(t->p.channel, &msg.h, sizeof(msg.h) + h.size, MSG_NOSIGNAL) > 0);
	settle(t);
}

static void answer(struct t *t, uint32_t request, uint64_t value)
{
	answer_with(t, (struct vhost_user_header){ request, VHOST_USER_VERSION | VHOST_USER_REPLY,
						   8 }, value);
}

static void start(struct t *t)
{
	vp_start(&t->p, 0, 2, ECHO_QUEUE_SIZE);
}

/* --- tests ------------------------------------------------------------------------------- */

static void region_is_told(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { 0 };

	assert_true(vp_ask(&t->p, VHOST_USER_GET_PROTOCOL_FEATURES) &
		    BIT(VHOST_USER_PROTOCOL_F_SHMEM));
	assert_true(vp_send(&t->p, VHOST_USER_GET_SHMEM_CONFIG, &msg, 0, NULL, 0));
	assert_int_equal(vp_recv(&t->p, &msg), 0);
	assert_int_equal(msg.h.size, sizeof(msg.shm_config));
	assert_int_equal(msg.shm_config.n_regions, 1);
	for (unsigned i = 0; i < VHOST_USER_SHM_IDS; i++)
		assert_true(msg.shm_config.len[i] == (i == SHM_ID ? SHM_LEN : 0));
}

static void answers_reach_the_device_in_order(void **state)
{
	struct t *t = *state;

	assert_int_equal(map(t), -ENOTSUP);
	start(t);
	assert_int_equal(map(t), 0);
	assert_int_equal(unmap(t), 0);
	assert_int_equal(room(t), MAX_ASKED - 2);
	settle(t);
	assert_int_equal(t->done, 0);
	hear(t, MAP);
	hear(t, UNMAP);
	answer(t, MAP, 0);
	assert_int_equal(t->done + t->ok, 2);
	answer(t, UNMAP, 1);
	assert_int_equal(t->done, 2);
	assert_int_equal(t->ok, 1);
	assert_int_equal(room(t), MAX_ASKED);
}

static void requests_are_limited(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < MAX_ASKED; i++)
		assert_int_equal(map(t), 0);
	assert_int_equal(map(t), -EBUSY);
	assert_int_equal(room(t), 0);
	hear(t, MAP);
	answer(t, MAP, 0);
	assert_int_equal(map(t), 0);
}

static void front_end_that_knows_nothing_of_it_is_not_asked(void **state)
{
	struct t *t = *state;

	start(t);
	vp_do_u64(&t->p, VHOST_USER_SET_PROTOCOL_FEATURES, BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
		  BIT(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_F_SHMEM), -1);
	assert_int_equal(map(t), -ENOTSUP);
}

static void what_was_asked_before_a_reset_is_nobodys(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(map(t), 0);
	assert_int_equal(map(t), 0);
	assert_int_equal(vp_do(&t->p, VHOST_USER_RESET_DEVICE, &(struct vhost_user_msg){ 0 }, 0,
			       NULL, 0), 0);
	assert_int_equal(unmap(t), 0);
	answer(t, MAP, 0);
	answer(t, MAP, 0);
	assert_int_equal(t->done, 0);
	answer(t, UNMAP, 0);
	assert_int_equal(t->done, 1);
}

static void case_72_answers_that_are_none(void **state)
{
	static const struct vhost_user_header bad[] = {
		{ MAP, VHOST_USER_VERSION, 8 },			/* a request */
		{ MAP, VHOST_USER_VERSION | VHOST_USER_REPLY, 4 },
		{ MAP, VHOST_USER_VERSION | VHOST_USER_REPLY, 0 },
		{ 99, VHOST_USER_VERSION | VHOST_USER_REPLY, 8 },
		{ MAP, VHOST_USER_REPLY, 8 },			/* version 0 */
		{ MAP, VHOST_USER_VERSION | VHOST_USER_REPLY, UINT32_MAX },
	};
	struct t *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vhost_user_msg msg = { .h = bad[i] };

		start(t);
		assert_int_equal(map(t), 0);
		assert_true(send(t->p.channel, &msg.h, sizeof(msg.h) + MIN(bad[i].size, 8u),
				 MSG_NOSIGNAL) > 0);
		settle(t);
		assert_int_equal(t->left, i + 1);
		assert_int_equal(t->done, 0);
		vp_finish(&t->p);
		connect_peer(t);
	}
}

static void case_72_answer_to_nothing(void **state)
{
	struct t *t = *state;

	start(t);
	answer(t, MAP, 0);
	assert_int_equal(t->left, 1);
	assert_int_equal(t->done, 0);
}

static void case_72_another_channel_while_one_is_in_use(void **state)
{
	struct t *t = *state;
	int pair[2];

	start(t);
	assert_int_equal(map(t), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_BACKEND_REQ_FD, &(struct vhost_user_msg){ 0 },
			       0, &pair[0], 1), 1);
	hear(t, MAP);
	answer(t, MAP, 0);
	assert_int_equal(t->done, 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_BACKEND_REQ_FD, &(struct vhost_user_msg){ 0 },
			       0, &pair[0], 1), 0);
	close(pair[0]);
	close(pair[1]);
}

static void case_72_channel_that_is_closed(void **state)
{
	struct t *t = *state;

	start(t);
	close(t->p.channel);
	t->p.channel = -1;
	settle(t);
	assert_int_equal(map(t), -EPIPE);
	settle(t);
	assert_int_equal(t->left, 1);
}

static void case_72_answer_that_never_comes(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(map(t), 0);
	UNTIL_IN(t->loop, t->left == 1);
	assert_int_equal(t->done, 0);
	assert_int_equal(map(t), -ENOTSUP);
}

int main(void)
{
#define S(f, how) cmocka_unit_test_setup_teardown(f, how, teardown)
#define T(f) S(f, setup)
	const struct CMUnitTest tests[] = {
		T(region_is_told),
		T(answers_reach_the_device_in_order),
		T(requests_are_limited),
		T(front_end_that_knows_nothing_of_it_is_not_asked),
		T(what_was_asked_before_a_reset_is_nobodys),
		T(case_72_answers_that_are_none),
		T(case_72_answer_to_nothing),
		T(case_72_another_channel_while_one_is_in_use),
		T(case_72_channel_that_is_closed),
		S(case_72_answer_that_never_comes, setup_impatient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
