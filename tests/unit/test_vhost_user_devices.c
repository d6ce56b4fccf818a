/* SPDX-License-Identifier: MIT */
/* --vhost-user: what the option refuses, and back ends that listen at a socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/vhost_backend.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_vhost_user_model;

struct t {
	struct vrig r;
	struct vhost_backend b;
	char path[64];
	int listener;
	pthread_t acceptor;
	struct virtio_device *v;
};

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, VRIG_PCI_MSIX);
	t->r.racing = true;
	vb_init(&t->b);
	t->listener = -1;
	snprintf(t->path, sizeof(t->path), "/tmp/test-vhost-user-%d", getpid());
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->v) {
		vrig_unplug(&t->r);
		virtio_vhost_user_model.destroy(t->v);
	}
	if (t->listener >= 0)
		close(t->listener);
	unlink(t->path);
	vb_finish(&t->b);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static int create(struct t *t, const char *text)
{
	struct virtio_env env = { .loop = t->r.fake.loop, .mem = &t->r.fake.mem };
	struct opt_value opts;
	int ret = opt_value_parse(&opts, "--vhost-user", text, virtio_vhost_user_model.keys);

	if (ret < 0)
		return ret;
	ret = virtio_vhost_user_model.create(&t->v, &env, &opts);
	opt_value_finish(&opts);
	return ret;
}

static void assert_refused(struct t *t, const char *text, const char *why)
{
	struct capture cap;
	int ret;

	capture_begin(&cap, STDERR_FILENO);
	ret = create(t, text);
	assert_true(capture_end_has(&cap, why));
	assert_true(ret < 0);
}

static void *accept_one(void *arg)
{
	struct t *t = arg;
	int fd = accept(t->listener, NULL, NULL);

	if (fd >= 0)
		vb_serve_conn(&t->b, fd);
	return NULL;
}

static void listen_for_one(struct t *t)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, t->path);
	if (t->listener < 0) {
		t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(t->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(listen(t->listener, 1), 0);
	}
	assert_int_equal(pthread_create(&t->acceptor, NULL, accept_one, t), 0);
}

/* With a back end at the socket. */
static void make(struct t *t, const char *keys)
{
	char text[128];

	listen_for_one(t);
	snprintf(text, sizeof(text), "socket=%s,%s", t->path, keys);
	assert_int_equal(create(t, text), 0);
	pthread_join(t->acceptor, NULL);
	vrig_plug(&t->r, t->v);
}

static void words_that_are_missing_or_wrong_are_named(void **state)
{
	struct t *t = *state;

	assert_refused(t, "", "needs kind=");
	assert_refused(t, "kind=blk", "needs kind=");
	assert_refused(t, "socket=/x", "needs kind=");
	assert_refused(t, "kind=toaster,socket=/x", "toaster");
	assert_refused(t, "kind=blk,socket=/x,queues=0", "queues=0");
	assert_refused(t, "kind=blk,socket=/x,queues=65", "from 1 to 64");
	assert_refused(t, "kind=net,socket=/x,queues=33", "from 1 to 32");
	assert_refused(t, "kind=fs,socket=/x,tag=t,queues=64", "from 1 to 63");
	assert_refused(t, "kind=rng,socket=/x,queues=2", "from 1 to 1");
	assert_refused(t, "kind=fs,socket=/x", "needs tag=");
	assert_refused(t, "kind=fs,socket=/x,tag=1234567890123456789012345678901234567", "up to 36");
	assert_refused(t, "kind=blk,socket=/x,tag=t", "tag= is for kind=fs");
}

static void path_that_no_socket_can_have_is_refused(void **state)
{
	struct t *t = *state;
	char text[256];

	snprintf(text, sizeof(text), "kind=rng,socket=/%0107d", 0);
	assert_refused(t, text, "up to 107 characters");
	snprintf(text, sizeof(text), "kind=rng,socket=/%0106d", 0);
	assert_refused(t, text, "No such file");
}

static void back_end_at_a_socket_serves(void **state)
{
	struct t *t = *state;

	make(t, "kind=rng");
	assert_int_equal(t->v->ops->id, VIRTIO_ID_RNG);
	assert_int_equal(t->r.d.n_queues, 1);
	vdrv_start(&t->r.d, t->v->offered);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), 15);
	assert_int_equal(t->b.seen[VHOST_USER_SET_VRING_ENABLE], 1);
}

static void file_system_has_its_tag_and_queues(void **state)
{
	struct t *t = *state;

	make(t, "kind=fs,tag=home");
	assert_int_equal(t->v->ops->id, VIRTIO_ID_FS);
	assert_int_equal(t->r.d.n_queues, 2);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 8), load_le("home\0\0\0\0", 8));
	assert_int_equal(vdrv_config_read(&t->r.d, 36, 4), 1);
}

/* Its successor listens at the same place, and the guest's reset finds it. */
static void back_end_is_found_again_at_its_socket(void **state)
{
	struct t *t = *state;
	unsigned turns = 0;

	make(t, "kind=rng");
	vdrv_start(&t->r.d, t->v->offered);
	vb_kill(&t->b);
	while (!(vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
		assert_true(turns++ < 1000);
		loop_run_once(t->r.fake.loop, 10);
	}
	listen_for_one(t);
	vdrv_reset(&t->r.d);
	vdrv_start(&t->r.d, t->v->offered);
	pthread_join(t->acceptor, NULL);
	assert_int_equal(vdrv_get(&t->r.d, VDRV_STATUS), 15);
	assert_int_equal(t->b.dials, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(words_that_are_missing_or_wrong_are_named),
		TEST(path_that_no_socket_can_have_is_refused),
		TEST(back_end_at_a_socket_serves),
		TEST(file_system_has_its_tag_and_queues),
		TEST(back_end_is_found_again_at_its_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
