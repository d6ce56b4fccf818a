/* SPDX-License-Identifier: MIT */
/* virtio 1.2, 4.2. */
#include <linux/virtio_mmio.h>

#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/virtio.h"

#define MAGIC 0x74726976	/* "virt" */

static uint32_t get(struct virtio *v, unsigned reg)
{
	return read32(v->regs + reg);
}

static void put(struct virtio *v, unsigned reg, uint32_t value)
{
	write32(v->regs + reg, value);
}

static uint8_t mmio_status(struct virtio *v)
{
	return get(v, VIRTIO_MMIO_STATUS);
}

static void mmio_set_status(struct virtio *v, uint8_t status)
{
	put(v, VIRTIO_MMIO_STATUS, status);
}

static uint32_t mmio_features(struct virtio *v, uint32_t select)
{
	put(v, VIRTIO_MMIO_DEVICE_FEATURES_SEL, select);
	return get(v, VIRTIO_MMIO_DEVICE_FEATURES);
}

static void mmio_set_features(struct virtio *v, uint32_t select, uint32_t bits)
{
	put(v, VIRTIO_MMIO_DRIVER_FEATURES_SEL, select);
	put(v, VIRTIO_MMIO_DRIVER_FEATURES, bits);
}

static void mmio_select_queue(struct virtio *v, unsigned q)
{
	put(v, VIRTIO_MMIO_QUEUE_SEL, q);
}

static unsigned mmio_queue_max(struct virtio *v)
{
	return get(v, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

static void mmio_set_queue_size(struct virtio *v, unsigned size)
{
	put(v, VIRTIO_MMIO_QUEUE_NUM, size);
}

static void mmio_set_queue_rings(struct virtio *v, uint64_t desc, uint64_t avail, uint64_t used)
{
	put(v, VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	put(v, VIRTIO_MMIO_QUEUE_DESC_HIGH, desc >> 32);
	put(v, VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	put(v, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, avail >> 32);
	put(v, VIRTIO_MMIO_QUEUE_USED_LOW, used);
	put(v, VIRTIO_MMIO_QUEUE_USED_HIGH, used >> 32);
}

static void mmio_enable_queue(struct virtio *v)
{
	put(v, VIRTIO_MMIO_QUEUE_READY, 1);
}

static bool mmio_queue_enabled(struct virtio *v)
{
	return get(v, VIRTIO_MMIO_QUEUE_READY);
}

static void mmio_notify(struct virtio *v, unsigned q)
{
	put(v, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

static uint32_t mmio_isr(struct virtio *v)
{
	uint32_t isr = get(v, VIRTIO_MMIO_INTERRUPT_STATUS);

	put(v, VIRTIO_MMIO_INTERRUPT_ACK, isr);
	return isr;
}

static const struct virtio_transport mmio_transport = {
	.status = mmio_status,
	.set_status = mmio_set_status,
	.features = mmio_features,
	.set_features = mmio_set_features,
	.select_queue = mmio_select_queue,
	.queue_max = mmio_queue_max,
	.set_queue_size = mmio_set_queue_size,
	.set_queue_rings = mmio_set_queue_rings,
	.enable_queue = mmio_enable_queue,
	.queue_enabled = mmio_queue_enabled,
	.notify = mmio_notify,
	.isr = mmio_isr,
};

bool virtio_find_mmio(struct virtio *v, unsigned id, unsigned n)
{
	for (unsigned slot = 0; slot < BOARD_VIRTIO_MMIO_SLOTS; slot++) {
		*v = (struct virtio){
			.t = &mmio_transport,
			.bus = "mmio",
			.regs = BOARD_VIRTIO_MMIO_GPA + slot * BOARD_VIRTIO_MMIO_STRIDE,
			.gsi = board_virtio_mmio_gsi(slot),
		};
		v->config = v->regs + VIRTIO_MMIO_CONFIG;
		if (get(v, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC && get(v, VIRTIO_MMIO_VERSION) == 2 &&
		    get(v, VIRTIO_MMIO_DEVICE_ID) == id && n-- == 0)
			return true;
	}
	return false;
}
