/* SPDX-License-Identifier: MIT */
/*
 * Both sides of vhost-user against each other: a driver, our front end, our back
 * end on a thread of its own, and a device that knows nothing of all that.
 */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/registry.h"
#include "devices/virtio/vhost_user_backend.h"
#include "devices/virtio/vhost_user_frontend.h"
#include "tests/echo_dev.h"
#include "tests/until.h"
#include "tests/vrig.h"

extern const struct virtio_model virtio_rng_model;

static const struct virtio_ops front_ops = {
	.name = "virtio-pair",
	.id = ECHO_ID,
	.pci_class = ECHO_CLASS,
	VHOST_USER_OPS,
};

struct t {
	struct vrig r;
	struct vhost_user u;
	struct vhost_user_params p;
	/* the other process */
	struct loop *loop;
	pthread_t thread;
	struct vhost_user_backend b;
	struct echo_dev e;
	struct virtio_device *rng;
	int dialled;
	unsigned dials;
	struct loop_work hello;
	sem_t running;
};

static void connect_back_end(void *arg)
{
	struct t *t = arg;

	assert_int_equal(vhost_user_backend_connect(&t->b, t->dialled), 0);
}

static int dial(void *ctx)
{
	struct t *t = ctx;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t->dialled = pair[1];
	t->dials++;
	loop_call(t->loop, connect_back_end, t);
	return pair[0];
}

static const struct vhost_user_source_ops source = { .dial = dial };

static void *back_end_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void say_running(void *arg)
{
	struct t *t = arg;

	sem_post(&t->running);
}

/* Once it runs, calls of others go there. */
static void start_back_end(struct t *t)
{
	sem_init(&t->running, 0, 0);
	t->hello = (struct loop_work){ .cb = say_running, .arg = t };
	loop_post(t->loop, &t->hello);
	pthread_create(&t->thread, NULL, back_end_thread, t->loop);
	sem_wait(&t->running);
}

static int make(void **state, bool rng)
{
	struct t *t = calloc(1, sizeof(*t));
	const struct vhost_user_backend_params params = { 0 };
	struct virtio_env env = { 0 };

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	t->r.racing = true;
	assert_int_equal(loop_create(&t->loop), 0);
	vhost_user_backend_init(&t->b, t->loop, "pair");
	env.loop = t->loop;
	env.mem = &t->b.mem;
	if (rng)
		assert_int_equal(virtio_rng_model.create(&t->rng, &env,
							 &(struct opt_value){ 0 }), 0);
	else
		echo_init(&t->e, t->loop, &t->b.mem);
	vhost_user_backend_attach(&t->b, rng ? t->rng : &t->e.v, &params);
	start_back_end(t);
	t->p = (struct vhost_user_params){
		.ops = &front_ops,
		.name = "pair",
		.n_queues = rng ? 1 : 2,
		.queue_size = rng ? 8 : ECHO_QUEUE_SIZE,
		.features = ECHO_FEATURES,
		.config_len = rng ? 0 : ECHO_CONFIG_LEN,
		.timeout_ns = 20000000000ull,
		.redial_ns = 1000000,
		.source = &source,
		.source_ctx = t,
	};
	assert_int_equal(vhost_user_init(&t->u, &t->p, t->r.fake.loop, &t->r.fake.mem), 0);
	vrig_plug(&t->r, &t->u.v);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return make(state, false);
}

static int setup_rng(void **state)
{
	return make(state, true);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vrig_unplug(&t->r);
	vhost_user_finish(&t->u);
	loop_quit(t->loop);
	pthread_join(t->thread, NULL);
	vhost_user_backend_finish(&t->b);
	if (t->rng)
		virtio_rng_model.destroy(t->rng);
	else
		echo_finish(&t->e);
	loop_destroy(t->loop);
	sem_destroy(&t->running);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

#define until(t, cond) UNTIL_IN((t)->r.fake.loop, cond)

/* One chain through queue @q and its interrupt; bytes written. */
static uint32_t request(struct t *t, unsigned q, uint64_t gpa)
{
	struct vdrv *d = &t->r.d;
	struct vdrv_buf bufs[] = { VDRV_OUT(gpa, 8), VDRV_IN(gpa + 8, 8) };
	uint32_t len = 0;
	int head = vdrv_add(&d->rings[q], t->rng ? bufs + 1 : bufs, t->rng ? 1 : 2);
	bool done = false;

	vdrv_set_used_event(&d->rings[q], 0);
	vdrv_kick(d, q);
	until(t, done |= vdrv_used(&d->rings[q], &len) == head);
	until(t, vrig_take_queue_irq(&t->r, q));
	return len;
}

static void assert_echo(struct t *t)
{
	struct vdrv *d = &t->r.d;
	uint64_t heap = d->heap, gpa = vdrv_alloc(d, 16, 8);

	memcpy(vdrv_ptr(d, gpa, 8), "hello!!", 8);
	assert_int_equal(request(t, 0, gpa), 8);
	assert_string_equal(vdrv_ptr(d, gpa + 8, 8), "hello!!");
	d->heap = heap;
}

static void start(struct t *t)
{
	vdrv_start(&t->r.d, t->u.v.offered);
	for (unsigned q = 0; q < t->p.n_queues; q++)
		vrig_take_queue_irq(&t->r, q);
}

static void device_works_as_if_it_were_here(void **state)
{
	struct t *t = *state;

	assert_true(vdrv_device_features(&t->r.d) == (VIRTIO_COMMON_FEATURES | ECHO_FEATURES));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("0123", 4));
	vdrv_config_write(&t->r.d, 4, 4, load_le("abcd", 4));
	assert_int_equal(vdrv_config_read(&t->r.d, 3, 4), load_le("3abc", 4));
	start(t);
	for (unsigned i = 0; i < 100; i++)
		assert_echo(t);
}

static void drivers_come_and_go(void **state)
{
	struct t *t = *state;

	for (unsigned i = 0; i < 10; i++) {
		start(t);
		assert_echo(t);
		vdrv_reset(&t->r.d);
	}
	assert_int_equal(t->dials, 1);
}

static void random_numbers_come(void **state)
{
	struct t *t = *state;
	uint64_t gpa;

	start(t);
	gpa = vdrv_alloc(&t->r.d, 16, 8);
	for (unsigned i = 0; i < 100; i++) {
		*(uint64_t *)vdrv_ptr(&t->r.d, gpa + 8, 8) = 0;
		assert_int_equal(request(t, 0, gpa), 8);
		assert_true(*(uint64_t *)vdrv_ptr(&t->r.d, gpa + 8, 8) != 0);
	}
}

static void change_config(void *arg)
{
	struct t *t = arg;

	pthread_mutex_lock(&t->e.v.lock);
	memcpy(t->e.config, "CONFIG", 6);
	virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
}

static void change_of_configuration_reaches_the_driver(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("0123", 4));
	vrig_take_config_irq(&t->r);
	loop_call(t->loop, change_config, t);
	until(t, vrig_take_config_irq(&t->r));
	assert_int_equal(vdrv_config_read(&t->r.d, 0, 4), load_le("CONF", 4));
}

static bool needs_reset(struct t *t)
{
	return vdrv_get(&t->r.d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* What the device finds out there, the driver is told here, and a reset heals both. */
static void driver_that_breaks_its_ring_is_told(void **state)
{
	struct t *t = *state;

	for (unsigned i = 0; i < 3; i++) {
		start(t);
		assert_echo(t);
		vdrv_set_avail_idx(&t->r.d.rings[0], 1000);
		vdrv_kick(&t->r.d, 0);
		until(t, needs_reset(t));
		vdrv_reset(&t->r.d);
	}
	start(t);
	assert_echo(t);
	assert_int_equal(t->dials, 1);
}

static void drop_connection(void *arg)
{
	struct t *t = arg;

	shutdown(t->b.conn.fd, SHUT_RDWR);
}

static void driver_survives_the_back_end(void **state)
{
	struct t *t = *state;

	start(t);
	assert_echo(t);
	loop_call(t->loop, drop_connection, t);
	until(t, needs_reset(t));
	vdrv_reset(&t->r.d);
	until(t, t->dials == 2);
	start(t);
	assert_echo(t);
}

#define ON(kind, f, s) { #f " on " #kind, f, s, teardown, (void *)&kinds[VRIG_##kind] }
#define ON_ALL(f, s) ON(MMIO, f, s), ON(PCI_INTX, f, s), ON(PCI_MSIX, f, s)

int main(void)
{
	static const enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX };
	const struct CMUnitTest tests[] = {
		ON_ALL(device_works_as_if_it_were_here, setup),
		ON_ALL(random_numbers_come, setup_rng),
		ON(PCI_MSIX, drivers_come_and_go, setup),
		ON_ALL(change_of_configuration_reaches_the_driver, setup),
		ON(PCI_MSIX, driver_that_breaks_its_ring_is_told, setup),
		ON(MMIO, driver_survives_the_back_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
