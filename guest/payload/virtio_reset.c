/* SPDX-License-Identifier: MIT */
/*
 * Resets while requests are in flight, by the processor that made them and by
 * another (case 22): nothing is written after a reset has been seen to end, and
 * the device works after each.
 *
 * ALSO ON: arm64
 * RUN: --cpus 2 --rng on,bus=mmio
 * RUN: --cpus 2 --rng on,bus=pci
 */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/rng.h"
#include "lib/smp.h"

#define ROUNDS 200
#define LEN 4096

static uint8_t buf[LEN];
static volatile bool stop, stopped;

static void submit(struct virtq *q)
{
	for (unsigned n = 0; n < q->size; n++) {
		virtq_set_desc(q, n, gpa_of(buf), LEN, VRING_DESC_F_WRITE, 0);
		virtq_add(q, n);
	}
	virtq_kick(q);
}

/* 2.1.2: after the status reads 0 the device uses no buffer of ours. */
static void test_own_resets(struct virtq *q)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		uint16_t used;

		rng_start(q, RNG_FEATURES);
		submit(q);
		if (n & 1)
			wait_turn();
		virtio_reset(q->v);
		used = q->used->idx;
		buf[0] = buf[LEN - 1] = 0x77;
		for (unsigned turns = 0; turns < 20; turns++)
			wait_turn();
		CHECK(buf[0] == 0x77 && buf[LEN - 1] == 0x77);
		CHECK_EQ(q->used->idx, used);
	}
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

static void reset_often(void *arg)
{
	struct virtio *v = arg;

	while (!stop)
		v->t->set_status(v, 0);
	stopped = true;
}

/* Steps of a driver whose device is reset under its feet. */
static void test_resets_by_another(struct virtq *q)
{
	struct virtio *v = q->v;

	CHECK(smp_start(1, reset_often, v));
	for (unsigned n = 0; n < ROUNDS; n++) {
		v->t->set_status(v, 1);
		v->t->set_status(v, 3);
		v->t->set_features(v, 1, 1);
		v->t->set_status(v, 11);
		v->t->select_queue(v, 0);
		v->t->set_queue_size(v, q->size);
		v->t->set_queue_rings(v, gpa_of(q->desc), gpa_of(q->avail), gpa_of(q->used));
		v->t->enable_queue(v);
		v->t->set_status(v, 15);
		submit(q);
		q->avail->idx = 0;
	}
	stop = true;
	WAIT_FOR(stopped);
	rng_start(q, RNG_FEATURES);
	rng_check_works(q);
}

int payload(void)
{
	struct virtio v;
	struct virtq q;

	virtio_find(&v, VIRTIO_ID_RNG);
	virtq_alloc(&q, &v, 0);
	test_own_resets(&q);
	test_resets_by_another(&q);
	return PAYLOAD_GOOD;
}
