/* SPDX-License-Identifier: MIT */
/*
 * input_bench [EVENTS]: how long a key takes from a file descriptor of the host to the
 * guest's used ring, by the loop, evdev.c and virtio-input; one at a time, each
 * after a pause, as keys come. The driver's side is a thread that looks at the
 * ring all the time. Prints microseconds, and JSON to build/bench/input.json.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/backend/evdev.h"
#include "devices/virtio/input.h"
#include "tests/fake_evdev.h"
#include "tests/samples.h"
#include "tests/vrig.h"

#define PAUSE_NS 200000
#define BUF 0x80000ull
#define TARGET_US 100

struct bench {
	struct vrig r;
	struct virtio_device *v;
	struct evdev_set set;
	struct fake_evdev keyboard;
	struct evdev *e;
	pthread_t thread;
	unsigned given;
};

static void *turn(void *arg)
{
	struct bench *b = arg;

	loop_run(b->r.fake.loop);
	return NULL;
}

static void give(struct bench *b, unsigned n)
{
	struct vdrv_ring *ring = &b->r.d.rings[0];

	while (n--) {
		uint64_t gpa = BUF + 8 * (b->given++ % (2 * INPUT_QUEUE_SIZE));

		vdrv_add(ring, &(struct vdrv_buf)VDRV_IN(gpa, 8), 1);
	}
	if (vdrv_wants_kick(ring))
		vdrv_kick(&b->r.d, 0);
}

static void bench_init(struct bench *b)
{
	const struct evdev_params params = {
		.path = "/nonexistent",
		.grab = EVDEV_GRAB_OFF,
		.set = &b->set,
		.open = fake_evdev_open,
		.open_ctx = &b->keyboard,
	};
	struct input_sink sink;

	vrig_init(&b->r, VRIG_PCI_MSIX);
	fake_evdev_init(&b->keyboard, "keyboard");
	input_caps_init(&b->keyboard.caps, INPUT_KEYBOARD);
	b->keyboard.open_ret = 0;
	if (evdev_open(&b->e, b->r.fake.loop, &params) < 0 ||
	    input_create(&b->v, b->r.fake.loop, &b->r.fake.mem, &(struct input_params){
		.kind = INPUT_HOST, .caps = evdev_caps(b->e) }) < 0)
		abort();
	vrig_plug(&b->r, b->v);
	vdrv_start(&b->r.d, VIRTIO_COMMON_FEATURES);
	sink = input_device_sink(b->v);
	evdev_start(b->e, &sink);
	b->r.racing = true;
	pthread_create(&b->thread, NULL, turn, b);
	give(b, INPUT_QUEUE_SIZE);
}

static void bench_finish(struct bench *b)
{
	loop_quit(b->r.fake.loop);
	pthread_join(b->thread, NULL);
	evdev_close(b->e);
	vrig_unplug(&b->r);
	input_destroy(b->v);
	vrig_finish(&b->r);
	fake_evdev_finish(&b->keyboard);
}

static void pause_ns(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

/* Nanoseconds until key and SYN_REPORT are both in the used ring. */
static uint64_t one_key(struct bench *b, bool down)
{
	struct vdrv_ring *ring = &b->r.d.rings[0];
	uint64_t start, end;
	unsigned got = 0;

	pause_ns(PAUSE_NS);
	start = loop_now_ns();
	fake_evdev_key(&b->keyboard, KEY_A, down);
	while (got < 2)
		got += vdrv_used(ring, NULL) >= 0;
	end = loop_now_ns();
	give(b, 2);
	return end - start;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
	struct bench *b = calloc(1, sizeof(*b));
	uint64_t *ns = calloc(n, sizeof(*ns));

	if (!b || !ns || !n)
		return 2;
	bench_init(b);
	for (unsigned i = 0; i < n; i++)
		ns[i] = one_key(b, !(i & 1));
	bench_finish(b);
	samples_print_latency("key to the guest's used ring", ns, n, TARGET_US,
			      "build/bench/input.json");
	free(ns);
	free(b);
	return 0;
}
