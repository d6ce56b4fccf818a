/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtio_mmio.h"

#include <assert.h>
#include <linux/virtio_mmio.h>

#include "devices/virtio/virtio_shm.h"
#include "vmm/util.h"

#define MMIO_MAGIC 0x74726976	/* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR 0x1af4	/* as on PCI; drivers do not look at it */

/* --- interrupt (4.2.3.4) --------------------------------------------------- */

/* Sets and clears event bits; the line is high while any is set. */
static void isr_update(struct virtio_mmio *m, uint32_t set, uint32_t clear)
{
	uint32_t old;

	pthread_mutex_lock(&m->isr_lock);
	old = m->isr;
	m->isr = (old | set) & ~clear;
	if (!old != !m->isr)
		irq_set(&m->irq, m->isr);
	pthread_mutex_unlock(&m->isr_lock);
}

static uint32_t isr_read(struct virtio_mmio *m)
{
	uint32_t isr;

	pthread_mutex_lock(&m->isr_lock);
	isr = m->isr;
	pthread_mutex_unlock(&m->isr_lock);
	return isr;
}

static void mmio_queue_irq(void *ctx, unsigned q)
{
	isr_update(ctx, VIRTIO_MMIO_INT_VRING, 0);
}

static void mmio_config_irq(void *ctx)
{
	isr_update(ctx, VIRTIO_MMIO_INT_CONFIG, 0);
}

static const struct virtio_transport_ops mmio_transport = {
	.queue_irq = mmio_queue_irq,
	.config_irq = mmio_config_irq,
};

/* --- registers (4.2.2) ----------------------------------------------------- */

/* Of the region that is selected; one that is not there is -1 long (4.2.2). */
static uint32_t mmio_shm_read(const struct virtio_mmio *m, unsigned reg)
{
	uint64_t len, base;

	if (!m->shm.mapped || m->shm_sel != m->v->shm->id)
		return UINT32_MAX;
	len = m->shm.len;
	base = m->shm.base;
	switch (reg) {
	case VIRTIO_MMIO_SHM_LEN_LOW:
		return len;
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return len >> 32;
	case VIRTIO_MMIO_SHM_BASE_LOW:
		return base;
	default:
		return base >> 32;
	}
}

static uint32_t mmio_reg_read(struct virtio_mmio *m, unsigned reg)
{
	struct virtio_device *v = m->v;

	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return v->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio_offered_features(v, m->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return virtio_queue_max_size(v, m->queue_sel);
	case VIRTIO_MMIO_QUEUE_READY:
		return virtio_queue_enabled(v, m->queue_sel);
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return isr_read(m);
	case VIRTIO_MMIO_STATUS:
		return virtio_get_status(v);
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return mmio_shm_read(m, reg);
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return virtio_config_generation(v);
	default:
		return 0;
	}
}

static void mmio_status_write(struct virtio_mmio *m, uint32_t value)
{
	/* Eight bits are defined (2.1); what lies above must not turn into a reset. */
	if (value > UINT8_MAX)
		return;
	virtio_set_status(m->v, value);
	if (value == 0)
		isr_update(m, 0, UINT32_MAX);
}

static void mmio_queue_ready_write(struct virtio_mmio *m, uint32_t value)
{
	if (value == 1)
		virtio_enable_queue(m->v, m->queue_sel);
	else if (value == 0)
		virtio_disable_queue(m->v, m->queue_sel);
}

static void mmio_reg_write(struct virtio_mmio *m, unsigned reg, uint32_t value)
{
	struct virtio_device *v = m->v;
	unsigned half = reg >> 2 & 1;	/* of the pairs, LOW at ...0 and HIGH at ...4 */

	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		m->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_set_driver_features(v, m->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		m->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		m->queue_sel = value;
		break;
	case VIRTIO_MMIO_SHM_SEL:
		m->shm_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
		virtio_set_queue_size(v, m->queue_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		mmio_queue_ready_write(m, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		isr_update(m, 0, value);
		break;
	case VIRTIO_MMIO_STATUS:
		mmio_status_write(m, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		virtio_set_queue_addr(v, m->queue_sel, VIRTIO_QUEUE_DESC, half, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		virtio_set_queue_addr(v, m->queue_sel, VIRTIO_QUEUE_AVAIL, half, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		virtio_set_queue_addr(v, m->queue_sel, VIRTIO_QUEUE_USED, half, value);
		break;
	}
}

/* 4.2.2.2: registers by aligned words only; the configuration space in any width. */
static uint64_t mmio_read(void *dev, uint64_t off, unsigned size)
{
	struct virtio_mmio *m = dev;
	uint8_t buf[8];

	if (off < VIRTIO_MMIO_CONFIG)
		return size == 4 && off % 4 == 0 ? mmio_reg_read(m, off) : 0;
	virtio_config_read(m->v, off - VIRTIO_MMIO_CONFIG, buf, size);
	return load_le(buf, size);
}

static void mmio_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct virtio_mmio *m = dev;
	uint8_t buf[8];

	if (off >= VIRTIO_MMIO_CONFIG) {
		store_le(buf, size, value);
		virtio_config_write(m->v, off - VIRTIO_MMIO_CONFIG, buf, size);
	} else if (size == 4 && off % 4 == 0) {
		mmio_reg_write(m, off, value);
	}
}

static const struct io_ops mmio_ops = { mmio_read, mmio_write };

/* --- life ------------------------------------------------------------------ */

int virtio_mmio_init(struct virtio_mmio *m, struct virtio_device *v, struct bus *bus, uint64_t gpa,
		     struct irq_line irq)
{
	assert(v->config_len <= VIRTIO_MMIO_SIZE - VIRTIO_MMIO_CONFIG);
	*m = (struct virtio_mmio){ .v = v, .irq = irq };
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->isr_lock, NULL);
	for (unsigned i = 0; i < v->n_queues; i++)
		m->doorbells[i] = (struct io_doorbell){
			.off = VIRTIO_MMIO_QUEUE_NOTIFY,
			.size = 4,
			.match = true,
			.value = i,
			.fd = virtio_kick_fd(v, i),
		};
	m->region = (struct io_region){
		.name = v->ops->name,
		.ops = &mmio_ops,
		.dev = m,
		.len = VIRTIO_MMIO_SIZE,
		.lock = &m->lock,
		.doorbells = m->doorbells,
		.n_doorbells = v->n_queues,
	};
	virtio_attach(v, &mmio_transport, m);
	return bus_add(bus, &m->region, gpa);
}

int virtio_mmio_place_shm(struct virtio_mmio *m, struct bus *bus, uint64_t gpa)
{
	virtio_shm_region(&m->shm, m->v);
	return bus_add(bus, &m->shm, gpa);
}

void virtio_mmio_finish(struct virtio_mmio *m, struct bus *bus)
{
	bus_remove(bus, &m->region);
	bus_remove(bus, &m->shm);
	pthread_mutex_destroy(&m->isr_lock);
	pthread_mutex_destroy(&m->lock);
}

void virtio_mmio_reset(struct virtio_mmio *m)
{
	pthread_mutex_lock(&m->lock);
	m->device_features_sel = m->driver_features_sel = m->queue_sel = m->shm_sel = 0;
	mmio_status_write(m, 0);
	pthread_mutex_unlock(&m->lock);
}
