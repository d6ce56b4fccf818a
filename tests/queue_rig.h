/* SPDX-License-Identifier: MIT */
/*
 * A queue of a device and the ring of its driver, split or packed, in memory with
 * a hole, without a device or a transport. Misuse by the test itself aborts.
 */
#ifndef MICROVM_TESTS_QUEUE_RIG_H
#define MICROVM_TESTS_QUEUE_RIG_H

#include <stdatomic.h>

#include "devices/virtio/virtq.h"
#include "tests/vdrv.h"

/* Two regions side by side, a hole, a third. */
#define RAM_A 0x0ull
#define RAM_B 0x20000ull
#define HOLE 0x30000ull
#define RAM_C 0x40000ull
#define RAM_END 0x50000ull

#define RING_GPA 0x1000ull
#define TABLE_GPA 0x8000ull
#define BUF 0x10000ull
#define SIZE 16
#define MAX_SIZE 64

struct queue_rig {
	uint64_t format;	/* VIRTIO_F_RING_PACKED or 0, for all that is started */
	struct gmem mem;
	struct virtq q;
	struct vdrv_ring r;
};

/* For cmocka: the format is where @state points; NULL: 0. */
int queue_rig_setup(void **state);
int queue_rig_teardown(void **state);

/* The queue is where the ring is. */
void queue_rig_set_addrs(struct queue_rig *t);
/* A new ring of @size; @features may name a format too. */
void queue_rig_start(struct queue_rig *t, uint16_t size, uint64_t features);
void *queue_rig_ram(struct queue_rig *t, uint64_t gpa);
/* Whether the next chain breaks the queue, for good and for that reason; it is reset then. */
bool queue_rig_breaks(struct queue_rig *t, const char *why);
/* Whether all pieces of a chain are in RAM, and as long as it says. */
bool queue_rig_chain_is_sane(struct queue_rig *t, const struct virtq_chain *c);

/* The guest's second vCPU, which writes @values into @words of memory until it is to stop. */
struct queue_rig_writer {
	uint64_t *p;
	size_t words;
	const uint64_t *values;
	size_t n_values;
	atomic_bool stop;
};

void *queue_rig_scribble(void *writer);

#endif
