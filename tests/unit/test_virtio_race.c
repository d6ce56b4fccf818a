/* SPDX-License-Identifier: MIT */
/*
 * Threads against each other, for TSan above all: a vCPU's register accesses
 * and resets, the loop, and a device that works on chains on a thread of its
 * own without the lock.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/echo_dev.h"
#include "tests/vrig.h"

#define ROUNDS 2000
#define WORK_QUEUE 16
#define PATTERN 0xa5

/* --- a device with a worker --------------------------------------------------- */

struct work_dev {
	struct virtio_device v;
	pthread_t thread;
	pthread_cond_t changed;	/* with v.lock: any of what follows */
	struct virtq_chain *todo[WORK_QUEUE];
	unsigned n_todo;
	bool working, stop;
	unsigned resets;
};

static struct work_dev *work_of(struct virtio_device *v)
{
	return container_of(v, struct work_dev, v);
}

static void *work_thread(void *arg)
{
	struct work_dev *w = arg;

	pthread_mutex_lock(&w->v.lock);
	while (!w->stop) {
		struct virtq_chain *chain;

		if (!w->n_todo) {
			pthread_cond_wait(&w->changed, &w->v.lock);
			continue;
		}
		chain = w->todo[--w->n_todo];
		w->working = true;
		pthread_mutex_unlock(&w->v.lock);
		/* Slowly, so that a reset finds it at work. */
		for (size_t off = 0; off < chain->writable; off += 64) {
			chain_zero(chain, off, 64);
			sched_yield();
		}
		pthread_mutex_lock(&w->v.lock);
		w->working = false;
		virtq_push(virtio_queue(&w->v, 0), chain, chain->writable);
		virtio_signal(&w->v, 0);
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->v.lock);
	return NULL;
}

static void work_notify(struct virtio_device *v, unsigned q)
{
	struct work_dev *w = work_of(v);
	struct virtq_chain *chain;

	while (w->n_todo < WORK_QUEUE && (chain = virtio_pop(v, q)))
		w->todo[w->n_todo++] = chain;
	if (w->n_todo == WORK_QUEUE)
		virtio_kick(v, q);
	pthread_cond_broadcast(&w->changed);
}

static void work_quiesce(struct virtio_device *v)
{
	struct work_dev *w = work_of(v);

	pthread_mutex_lock(&v->lock);
	w->n_todo = 0;
	while (w->working)
		pthread_cond_wait(&w->changed, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

static void work_reset(struct virtio_device *v)
{
	work_of(v)->resets++;
}

static const struct virtio_ops work_ops = {
	.name = "virtio-work",
	.id = ECHO_ID,
	.notify = work_notify,
	.quiesce = work_quiesce,
	.reset = work_reset,
};

/* --- the machine ------------------------------------------------------------------ */

struct t {
	struct vrig r;
	struct work_dev w;
	pthread_t loop;
};

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int setup(void **state)
{
	static const uint16_t sizes[] = { 8 };
	struct t *t = calloc(1, sizeof(*t));

	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	if (virtio_init(&t->w.v, &work_ops, t->r.fake.loop, &t->r.fake.mem, sizes, 1, 0, 0) < 0)
		return -1;
	pthread_cond_init(&t->w.changed, NULL);
	vrig_plug(&t->r, &t->w.v);
	t->r.racing = true;
	pthread_create(&t->w.thread, NULL, work_thread, &t->w);
	pthread_create(&t->loop, NULL, loop_thread, t->r.fake.loop);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	loop_quit(t->r.fake.loop);
	pthread_join(t->loop, NULL);
	pthread_mutex_lock(&t->w.v.lock);
	t->w.stop = true;
	pthread_cond_broadcast(&t->w.changed);
	pthread_mutex_unlock(&t->w.v.lock);
	pthread_join(t->w.thread, NULL);
	vrig_unplug(&t->r);
	virtio_finish(&t->w.v);
	pthread_cond_destroy(&t->w.changed);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static void add_and_kick(struct t *t, uint64_t gpa, unsigned n)
{
	struct vdrv_ring *ring = &t->r.d.rings[0];

	for (unsigned i = 0; i < n; i++)
		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa + i * 512, 512), 1);
	if (vdrv_wants_kick(ring))
		vdrv_kick(&t->r.d, 0);
}

static unsigned collect(struct t *t)
{
	unsigned n = 0;

	while (vdrv_used(&t->r.d.rings[0], NULL) >= 0)
		n++;
	return n;
}

static void collect_all(struct t *t, unsigned n)
{
	for (unsigned got = 0; got < n; sched_yield())
		got += collect(t);
}

static bool untouched(struct t *t, uint64_t gpa, size_t len)
{
	const uint8_t *p = vdrv_ptr(&t->r.d, gpa, len);

	for (size_t i = 0; i < len; i++)
		if (p[i] != PATTERN)
			return false;
	return true;
}

/* What a driver counts on: once status reads 0, its memory is its own again. */
static void case_22_nothing_is_written_after_a_reset(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;
	const size_t len = 8 * 512;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t gpa = 0x80000;

		vdrv_start(d, VIRTIO_COMMON_FEATURES);
		add_and_kick(t, gpa, 1 + i % 8);
		for (unsigned spin = 0; spin < i % 64; spin++)
			collect(t);
		vdrv_reset(d);
		memset(vdrv_ptr(d, gpa, len), PATTERN, len);
		for (unsigned spin = 0; spin < 8; spin++)
			sched_yield();
		assert_true(untouched(t, gpa, len));
	}
	assert_true(t->w.resets >= ROUNDS);
	/* The rounds differ enough for some to have got through. */
	vdrv_start(d, VIRTIO_COMMON_FEATURES);
	add_and_kick(t, 0x80000, 4);
	collect_all(t, 4);
}

static void no_request_is_lost_under_load(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;
	unsigned sent = 0, got = 0;

	vdrv_start(d, VIRTIO_COMMON_FEATURES);
	while (got < 20000) {
		unsigned n = MIN(d->rings[0].n_free, 1 + sent % 7);

		add_and_kick(t, 0x80000, n);
		sent += n;
		vdrv_set_used_event(&d->rings[0], 0);
		got += collect(t);
		vrig_take_queue_irq(&t->r, 0);
		sched_yield(); /* to who does the work, where there are fewer processors than threads */
	}
	collect_all(t, sent - got);
}

/* --- several vCPUs on the registers ---------------------------------------------------- */

struct vcpu {
	struct t *t;
	unsigned seed;
	uint64_t span;
};

static void *vcpu_thread(void *arg)
{
	struct vcpu *c = arg;
	unsigned seed = c->seed;

	for (unsigned i = 0; i < ROUNDS * 5; i++) {
		uint64_t off;

		seed = seed * 1103515245 + 12345;
		off = (seed >> 8) % c->span & ~3ull;
		if (seed & 0x40000000)
			vdrv_raw_write(&c->t->r.d, off, 4, seed >> 4 & 0xf);
		else
			vdrv_raw_read(&c->t->r.d, off, 4);
	}
	return NULL;
}

static void registers_stand_two_vcpus_and_a_driver(void **state)
{
	struct t *t = *state;
	struct vcpu c[2] = {
		{ .t = t, .seed = 1, .span = t->r.d.is_pci ? 0x5000 : 0x200 },
		{ .t = t, .seed = 99, .span = t->r.d.is_pci ? 0x40 : 0x100 },
	};
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, vcpu_thread, &c[i]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		vdrv_set(&t->r.d, VDRV_STATUS, i % 16);
		pthread_mutex_lock(&t->w.v.lock);
		virtio_config_changed(&t->w.v);
		pthread_mutex_unlock(&t->w.v.lock);
		vdrv_kick(&t->r.d, 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* The line and the status register agree when all is quiet, and the device is well. */
	vdrv_start(&t->r.d, VIRTIO_COMMON_FEATURES);
	vrig_take_config_irq(&t->r);
	add_and_kick(t, 0x80000, 3);
	collect_all(t, 3);
}

/* --- the guest rewrites what the device reads -------------------------------------------- */

struct scribbler {
	uint64_t *p, mask;
	size_t words;
	atomic_bool stop;
};

/* Not instrumented: the guest may do this, so that TSan judges the device alone. */
__attribute__((no_sanitize("thread"), no_sanitize("address")))
static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	volatile uint64_t *p = s->p;
	uint64_t seed = 1;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		for (unsigned i = 0; i < 64; i++) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			p[(seed >> 33) % s->words] = (seed >> 20 | seed << 44) & s->mask;
		}
		sched_yield();
	}
	return NULL;
}

static void case_17_18_rings_and_buffers_rewritten_under_a_live_device(void **state)
{
	struct t *t = *state;
	struct vdrv *d = &t->r.d;
	struct scribbler s = { .words = vdrv_ring_bytes(8) / 8 + 64, .mask = 0x0003000f000fffff };
	pthread_t thread;

	/* The flags that make descriptors available, too. */
	if (t->r.kind == VRIG_PACKED)
		s.mask |= 0x8080ull << 48;
	vdrv_start(d, VIRTIO_COMMON_FEATURES);
	/* The rings and what follows them, the buffers of the chains. */
	s.p = vdrv_ptr(d, d->rings[0].desc_gpa, s.words * 8);
	pthread_create(&thread, NULL, scribble, &s);
	for (unsigned i = 0; i < ROUNDS; i++) {
		vdrv_kick(d, 0);
		if (i % 4)
			continue;
		vdrv_start(d, VIRTIO_COMMON_FEATURES);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	vdrv_start(d, VIRTIO_COMMON_FEATURES);
	add_and_kick(t, 0x80000, 1);
	collect_all(t, 1);
}

static enum vrig_kind kinds[VRIG_KINDS] = {
	VRIG_MMIO, VRIG_PCI_INTX, VRIG_PCI_MSIX, VRIG_PACKED,
};

#define ON(f, k, name) { #f " (" name ")", f, setup, teardown, &kinds[k] }
#define T(f) ON(f, VRIG_MMIO, "mmio"), ON(f, VRIG_PCI_INTX, "pci"), \
	     ON(f, VRIG_PCI_MSIX, "msi-x"), ON(f, VRIG_PACKED, "packed")

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(case_22_nothing_is_written_after_a_reset),
		T(no_request_is_lost_under_load),
		T(registers_stand_two_vcpus_and_a_driver),
		T(case_17_18_rings_and_buffers_rewritten_under_a_live_device),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
