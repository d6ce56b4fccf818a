/* SPDX-License-Identifier: MIT */
/* What --vsock refuses; where the host has vhost-vsock, its kernel takes the rings and leaves them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "tests/capture.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_vsock_model;

#define PATH "/dev/vhost-vsock"
/* Of nobody, with some luck. */
#define CID "cid=3735928559"

static int create(struct fake *f, const char *text, struct virtio_device **v)
{
	struct virtio_env env = { .loop = f->loop, .mem = &f->mem };
	struct opt_value opts;
	int ret;

	if (opt_value_parse(&opts, "--vsock", text, virtio_vsock_model.keys) < 0)
		abort();
	ret = virtio_vsock_model.create(v, &env, &opts);
	opt_value_finish(&opts);
	return ret;
}

static void assert_refused(const char *text, int error, const char *why)
{
	struct virtio_device *v;
	struct capture cap;
	struct fake f;
	char *log;
	int ret;

	fake_init(&f);
	capture_begin(&cap, STDERR_FILENO);
	ret = create(&f, text, &v);
	log = capture_end(&cap);
	fake_finish(&f);
	assert_int_equal(ret, error);
	assert_non_null(strstr(log, why));
	free(log);
}

static void addresses_that_no_guest_can_have_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "cid=0", "cid=2", "cid=-1", "cid=4294967295", "cid=18446744073709551616", "cid=x",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i], -EINVAL, "needs cid=N");
}

static void host_without_the_device_is_told_what_to_do(void **state)
{
	if (access(PATH, F_OK) == 0)
		skip();
	assert_refused("cid=3", -ENOENT, "load the module vhost_vsock");
}

static void kernel_takes_the_rings_and_leaves_them(void **state)
{
	struct virtio_device *v, *second;
	struct vrig r;

	if (access(PATH, R_OK | W_OK) < 0)
		skip();
	vrig_init(&r, VRIG_PCI_MSIX);
	assert_int_equal(create(&r.fake, CID, &v), 0);
	assert_int_equal(create(&r.fake, CID, &second), -EADDRINUSE);
	vrig_plug(&r, v);
	for (unsigned i = 0; i < 3; i++) {
		vdrv_start(&r.d, VIRTIO_COMMON_FEATURES);
		assert_false(vdrv_get(&r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		vdrv_kick(&r.d, 0);
		vdrv_reset(&r.d);
	}
	assert_int_equal(vdrv_config_read(&r.d, 0, 8), 3735928559);
	/* Not without its queues. */
	vdrv_negotiate(&r.d, BIT(VIRTIO_F_VERSION_1));
	vdrv_setup_queue(&r.d, 0, 0);
	vdrv_set(&r.d, VDRV_STATUS, 15);
	assert_true(vdrv_get(&r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vrig_unplug(&r);
	virtio_vsock_model.destroy(v);
	vrig_finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_no_guest_can_have_are_refused),
		cmocka_unit_test(host_without_the_device_is_told_what_to_do),
		cmocka_unit_test(kernel_takes_the_rings_and_leaves_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
