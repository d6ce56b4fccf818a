/* SPDX-License-Identifier: MIT */
#include "devices/virtio/virtio_pci.h"

#include <assert.h>
#include <linux/virtio_pci.h>

#include "devices/virtio/virtio_shm.h"
#include "vmm/util.h"

#define PCI_VENDOR_VIRTIO 0x1af4
#define PCI_DEVICE_VIRTIO 0x1040	/* + device id (4.1.2) */
#define PCI_SUBSYSTEM_VIRTIO 0x40	/* 4.1.2.1: this or higher */

/* The BAR: a page for each structure, behind what the layout has there. */
enum { PAGE_COMMON, PAGE_ISR, PAGE_DEVICE, PAGE_NOTIFY, PAGE_MSIX_TABLE, PAGE_MSIX_PBA };
#define BAR_PAGE 0x1000u
#define BAR_SIZE (8 * BAR_PAGE)
#define BAR_BEFORE_MAX (2 * BAR_PAGE)
#define NOTIFY_MULTIPLIER 4
#define SHM_BAR 4	/* and 5; no layout uses them */

#define COMMON_LEN sizeof(struct virtio_pci_common_cfg)
#define ISR_QUEUE 1
#define ISR_CONFIG VIRTIO_PCI_ISR_CONFIG

/* --- interrupts (4.1.4.5, 4.1.5.3, 4.1.5.4) -------------------------------- */

static void isr_set(struct virtio_pci *p, uint8_t bit)
{
	pthread_mutex_lock(&p->isr_lock);
	p->isr |= bit;
	pci_intx_set(&p->pci, true);
	pthread_mutex_unlock(&p->isr_lock);
}

/* Reading the status acknowledges it. */
static uint8_t isr_take(struct virtio_pci *p)
{
	uint8_t isr;

	pthread_mutex_lock(&p->isr_lock);
	isr = p->isr;
	p->isr = 0;
	pci_intx_set(&p->pci, false);
	pthread_mutex_unlock(&p->isr_lock);
	return isr;
}

static void pci_queue_irq(void *ctx, unsigned q)
{
	struct virtio_pci *p = ctx;

	if (pci_msix_enabled(&p->msix))
		pci_msix_notify(&p->msix, atomic_load(&p->queue_vectors[q]));
	else
		isr_set(p, ISR_QUEUE);
}

/* The ISR bit is set either way; INTx does not leave the function while MSI-X is on. */
static void pci_config_irq(void *ctx)
{
	struct virtio_pci *p = ctx;

	isr_set(p, ISR_CONFIG);
	if (pci_msix_enabled(&p->msix))
		pci_msix_notify(&p->msix, atomic_load(&p->config_vector));
}

static const struct virtio_transport_ops pci_transport = {
	.queue_irq = pci_queue_irq,
	.config_irq = pci_config_irq,
};

/* --- common configuration (4.1.4.3) ---------------------------------------- */

/* Where the vector of what is selected is kept; NULL for a queue that is not there. */
static atomic_ushort *queue_vector(struct virtio_pci *p)
{
	return p->queue_select < p->v->n_queues ? &p->queue_vectors[p->queue_select] : NULL;
}

/* 4.1.5.1.2: a vector that cannot be had reads back as none (case 35). */
static void vector_write(struct virtio_pci *p, atomic_ushort *vector, uint16_t value)
{
	atomic_store(vector, value < p->msix.n_vectors ? value : VIRTIO_MSI_NO_VECTOR);
}

static void queue_vector_write(struct virtio_pci *p, unsigned q, uint16_t value)
{
	vector_write(p, &p->queue_vectors[q], value);
	if (p->v->ops->external)
		pci_msix_set_feed(&p->msix, &p->feeds[q], value);
}

static void vectors_reset(struct virtio_pci *p)
{
	vector_write(p, &p->config_vector, VIRTIO_MSI_NO_VECTOR);
	for (unsigned i = 0; i < p->v->n_queues; i++)
		queue_vector_write(p, i, VIRTIO_MSI_NO_VECTOR);
}

static void status_write(struct virtio_pci *p, uint8_t status)
{
	virtio_set_status(p->v, status);
	if (status)
		return;
	vectors_reset(p);
	isr_take(p);
}

/* Width of the register at @off; 0 where none starts. Drivers use no other (4.1.3.1). */
static unsigned common_width(uint64_t off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_STATUS:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return 2;
	default:
		return off < COMMON_LEN && off % 4 == 0 ? 4 : 0;
	}
}

static enum virtio_queue_addr common_addr(uint64_t off)
{
	return off < VIRTIO_PCI_COMMON_Q_AVAILLO ? VIRTIO_QUEUE_DESC :
	       off < VIRTIO_PCI_COMMON_Q_USEDLO	 ? VIRTIO_QUEUE_AVAIL :
						   VIRTIO_QUEUE_USED;
}

static uint32_t common_read(struct virtio_pci *p, uint64_t off)
{
	struct virtio_device *v = p->v;
	atomic_ushort *vector = queue_vector(p);

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return p->device_feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return virtio_offered_features(v, p->device_feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return p->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return virtio_driver_features(v, p->driver_feature_select);
	case VIRTIO_PCI_COMMON_MSIX:
		return atomic_load(&p->config_vector);
	case VIRTIO_PCI_COMMON_NUMQ:
		return v->n_queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return virtio_get_status(v);
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return virtio_config_generation(v);
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return p->queue_select;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return virtio_queue_size(v, p->queue_select);
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return vector ? atomic_load(vector) : VIRTIO_MSI_NO_VECTOR;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return virtio_queue_enabled(v, p->queue_select);
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return vector ? p->queue_select : 0;
	default:
		return virtio_queue_addr(v, p->queue_select, common_addr(off)) >> (off % 8 * 8);
	}
}

static void common_write(struct virtio_pci *p, uint64_t off, uint32_t value)
{
	struct virtio_device *v = p->v;

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		p->device_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		p->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_set_driver_features(v, p->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		vector_write(p, &p->config_vector, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		status_write(p, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		p->queue_select = value;
		break;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		virtio_set_queue_size(v, p->queue_select, value);
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		if (queue_vector(p))
			queue_vector_write(p, p->queue_select, value);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			virtio_enable_queue(v, p->queue_select);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO ... VIRTIO_PCI_COMMON_Q_USEDHI:
		virtio_set_queue_addr(v, p->queue_select, common_addr(off), off / 4 % 2, value);
		break;
	}
}

/* Whether an access of 8 bytes hits one of the three addresses, both halves of it. */
static bool common_is_addr(uint64_t off)
{
	return off >= VIRTIO_PCI_COMMON_Q_DESCLO && off < COMMON_LEN && off % 8 == 0;
}

/* --- the BAR --------------------------------------------------------------- */

static uint64_t common_access_read(struct virtio_pci *p, uint64_t off, unsigned size)
{
	if (size == common_width(off))
		return common_read(p, off);
	if (size == 8 && common_is_addr(off))
		return common_read(p, off) | (uint64_t)common_read(p, off + 4) << 32;
	return 0;
}

static void common_access_write(struct virtio_pci *p, uint64_t off, unsigned size, uint64_t value)
{
	if (size == common_width(off)) {
		common_write(p, off, value);
	} else if (size == 8 && common_is_addr(off)) {
		common_write(p, off, value);
		common_write(p, off + 4, value >> 32);
	}
}

static uint64_t before_read(const struct io_region *r, uint64_t off, unsigned size)
{
	uint64_t value;

	if (!range_fits(off, size, r->len))
		return all_ones(size);
	if (r->lock)
		pthread_mutex_lock(r->lock);
	value = r->ops->read(r->dev, off, size);
	if (r->lock)
		pthread_mutex_unlock(r->lock);
	return value & all_ones(size);
}

static void before_write(const struct io_region *r, uint64_t off, unsigned size, uint64_t value)
{
	if (!range_fits(off, size, r->len))
		return;
	if (r->lock)
		pthread_mutex_lock(r->lock);
	r->ops->write(r->dev, off, size, value);
	if (r->lock)
		pthread_mutex_unlock(r->lock);
}

static uint64_t bar_read(void *dev, uint64_t off, unsigned size)
{
	struct virtio_pci *p = dev;
	uint64_t in_page = off % BAR_PAGE;
	uint8_t buf[8];

	if (off < p->base)
		return before_read(p->layout.before, off, size);
	switch ((off - p->base) / BAR_PAGE) {
	case PAGE_COMMON:
		return common_access_read(p, in_page, size);
	case PAGE_ISR:
		return in_page == 0 && size == 1 ? isr_take(p) : 0;
	case PAGE_DEVICE:
		virtio_config_read(p->v, in_page, buf, size);
		return load_le(buf, size);
	case PAGE_MSIX_TABLE:
		return pci_msix_table_read(&p->msix, in_page, size);
	case PAGE_MSIX_PBA:
		return pci_msix_pba_read(&p->msix, in_page, size);
	default:
		return 0;
	}
}

static void bar_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct virtio_pci *p = dev;
	uint64_t in_page = off % BAR_PAGE;
	uint8_t buf[8];

	if (off < p->base) {
		before_write(p->layout.before, off, size, value);
		return;
	}
	switch ((off - p->base) / BAR_PAGE) {
	case PAGE_COMMON:
		common_access_write(p, in_page, size, value);
		break;
	case PAGE_DEVICE:
		store_le(buf, size, value);
		virtio_config_write(p->v, in_page, buf, size);
		break;
	case PAGE_NOTIFY:
		/* The bus serves doorbells itself; this is for the PCI_CFG window. */
		if (in_page % NOTIFY_MULTIPLIER == 0 &&
		    in_page / NOTIFY_MULTIPLIER < p->v->n_queues)
			virtio_kick(p->v, in_page / NOTIFY_MULTIPLIER);
		break;
	case PAGE_MSIX_TABLE:
		pci_msix_table_write(&p->msix, in_page, size, value);
		break;
	}
}

static const struct io_ops bar_ops = { bar_read, bar_write };

/* --- the window in configuration space (4.1.4.9) --------------------------- */

/* The access that the guest has set up; false when it leads nowhere (case 35). */
static bool window_target(const struct virtio_pci *p, uint32_t *off, uint32_t *size)
{
	const uint8_t *cap = p->pci.config + p->cfg_cap;

	*off = load_le(cap + VIRTIO_PCI_CAP_OFFSET, 4);
	*size = load_le(cap + VIRTIO_PCI_CAP_LENGTH, 4);
	return cap[VIRTIO_PCI_CAP_BAR] == p->layout.bar &&
	       (*size == 1 || *size == 2 || *size == 4) && *off % *size == 0 &&
	       range_fits(*off, *size, p->region.len);
}

static bool is_window_data(const struct virtio_pci *p, unsigned off, unsigned size)
{
	return ranges_overlap(off, size, p->cfg_cap + sizeof(struct virtio_pci_cap), 4);
}

static void window_reading(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct virtio_pci *p = container_of(dev, struct virtio_pci, pci);
	uint32_t target, len, value = 0;

	if (!is_window_data(p, off, size))
		return;
	if (window_target(p, &target, &len)) {
		pthread_mutex_lock(&p->lock);
		value = bar_read(p, target, len);
		pthread_mutex_unlock(&p->lock);
	}
	store_le(dev->config + p->cfg_cap + sizeof(struct virtio_pci_cap), 4, value);
}

static void window_written(struct virtio_pci *p, unsigned off, unsigned size)
{
	const struct pci_dev *dev = &p->pci;
	uint32_t target, len, value;

	if (!is_window_data(p, off, size) || !window_target(p, &target, &len))
		return;
	value = load_le(dev->config + p->cfg_cap + sizeof(struct virtio_pci_cap), len);
	pthread_mutex_lock(&p->lock);
	bar_write(p, target, len, value);
	pthread_mutex_unlock(&p->lock);
}

/* --- bus mastering ---------------------------------------------------------- */

/* A function reaches memory with it alone (PCI local bus 3.0, 6.2.2). With the lock. */
static void follow_bus_master(struct virtio_pci *p)
{
	virtio_set_dma(p->v, pci_bus_master(&p->pci));
}

static void config_written(struct pci_dev *dev, unsigned off, unsigned size)
{
	struct virtio_pci *p = container_of(dev, struct virtio_pci, pci);

	window_written(p, off, size);
	if (!ranges_overlap(off, size, PCI_COMMAND, 2))
		return;
	pthread_mutex_lock(&p->lock);
	follow_bus_master(p);
	pthread_mutex_unlock(&p->lock);
}

/* --- life ------------------------------------------------------------------ */

static void pci_dev_reset(struct pci_dev *dev)
{
	struct virtio_pci *p = container_of(dev, struct virtio_pci, pci);

	pthread_mutex_lock(&p->lock);
	p->device_feature_select = p->driver_feature_select = 0;
	p->queue_select = 0;
	status_write(p, 0);
	follow_bus_master(p);
	pthread_mutex_unlock(&p->lock);
	if (p->layout.reset)
		p->layout.reset(p->layout.ctx);
}

static const struct pci_ops pci_ops = {
	.config_written = config_written,
	.config_reading = window_reading,
	.reset = pci_dev_reset,
};

static uint32_t bar_page(const struct virtio_pci *p, unsigned page)
{
	return p->base + page * BAR_PAGE;
}

/* Adds a capability that says where a structure lies; @extra bytes follow it. */
static unsigned add_cap(struct virtio_pci *p, uint8_t type, uint32_t off, uint32_t len,
			unsigned extra, uint32_t extra_value, bool writable)
{
	struct {
		struct virtio_pci_cap cap;
		uint32_t extra;
	} c = {
		.cap = {
			.cap_len = sizeof(c.cap) + extra,
			.cfg_type = type,
			.bar = p->layout.bar,
			.offset = off,
			.length = len,
		},
		.extra = extra_value,
	}, mask = {
		.cap = { .bar = 0xff, .offset = UINT32_MAX, .length = UINT32_MAX },
		.extra = UINT32_MAX,
	};

	return pci_add_capability(&p->pci, PCI_CAP_ID_VNDR, (uint8_t *)&c + 2,
				  writable ? (uint8_t *)&mask + 2 : NULL, c.cap.cap_len);
}

static void add_caps(struct virtio_pci *p)
{
	struct virtio_device *v = p->v;

	add_cap(p, VIRTIO_PCI_CAP_COMMON_CFG, bar_page(p, PAGE_COMMON), COMMON_LEN, 0, 0, false);
	add_cap(p, VIRTIO_PCI_CAP_ISR_CFG, bar_page(p, PAGE_ISR), 1, 0, 0, false);
	if (v->config_len)
		add_cap(p, VIRTIO_PCI_CAP_DEVICE_CFG, bar_page(p, PAGE_DEVICE), v->config_len, 0,
			0, false);
	add_cap(p, VIRTIO_PCI_CAP_NOTIFY_CFG, bar_page(p, PAGE_NOTIFY),
		v->n_queues * NOTIFY_MULTIPLIER, 4, NOTIFY_MULTIPLIER, false);
	p->cfg_cap = add_cap(p, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 4, 0, true);
}

static void init_bar(struct virtio_pci *p)
{
	struct virtio_device *v = p->v;

	for (unsigned i = 0; i < v->n_queues; i++)
		p->doorbells[i] = (struct io_doorbell){
			.off = bar_page(p, PAGE_NOTIFY) + i * NOTIFY_MULTIPLIER,
			.fd = virtio_kick_fd(v, i),
		};
	p->region = (struct io_region){
		.name = v->ops->name,
		.ops = &bar_ops,
		.dev = p,
		.len = BAR_SIZE,
		.prio = IO_PRIO_BAR,
		.lock = &p->lock,
		.doorbells = p->doorbells,
		.n_doorbells = v->n_queues,
	};
	pci_bar_init(&p->pci, p->layout.bar, PCI_BAR_MEM64, false, BAR_SIZE, &p->region);
	/* One for configuration changes and one for each queue. */
	pci_msix_init(&p->msix, &p->pci, MIN(v->n_queues + 1, (unsigned)PCI_MSIX_MAX_VECTORS),
		      p->layout.bar, bar_page(p, PAGE_MSIX_TABLE), bar_page(p, PAGE_MSIX_PBA));
}

/* A shared-memory region (4.1.4.7), in a BAR of its own that caches may hold. */
static void init_shm(struct virtio_pci *p)
{
	uint64_t len = p->v->shm->len, size = SHM_PAGE;
	const struct virtio_pci_cap64 cap = {
		.cap = {
			.cap_len = sizeof(cap),
			.cfg_type = VIRTIO_PCI_CAP_SHARED_MEMORY_CFG,
			.bar = SHM_BAR,
			.id = p->v->shm->id,
			.length = len,
		},
		.length_hi = len >> 32,
	};

	while (size < len)
		size *= 2;
	virtio_shm_region(&p->shm, p->v);
	pci_add_capability(&p->pci, PCI_CAP_ID_VNDR, (const uint8_t *)&cap + 2, NULL, sizeof(cap));
	pci_bar_init(&p->pci, SHM_BAR, PCI_BAR_MEM64, true, size, &p->shm);
}

static void init_others(struct virtio_pci *p)
{
	const struct virtio_pci_layout *l = &p->layout;

	for (unsigned i = 0; i < l->n_bars; i++)
		pci_bar_init(&p->pci, l->bars[i].index, l->bars[i].type, l->bars[i].prefetch,
			     l->bars[i].size, l->bars[i].region);
	store_le(p->pci.config + PCI_COMMAND, 2, l->command);
	p->pci.writable[PCI_COMMAND] |= l->command;
}

int virtio_pci_init(struct virtio_pci *p, struct virtio_device *v, struct pci_bus *bus,
		    const struct virtio_pci_layout *layout)
{
	static const struct virtio_pci_layout nothing;
	const struct virtio_pci_layout *l = layout ? layout : &nothing;
	const struct pci_id id = {
		.vendor = PCI_VENDOR_VIRTIO,
		.device = PCI_DEVICE_VIRTIO + v->ops->id,
		.subsystem_vendor = PCI_VENDOR_VIRTIO,
		.subsystem = PCI_SUBSYSTEM_VIRTIO,
		.class_code = l->class_code ? l->class_code : v->ops->pci_class,
		.revision = 1,
	};

	assert(v->config_len <= BAR_PAGE);
	*p = (struct virtio_pci){ .v = v, .layout = *l };
	p->base = l->before ? align_up(l->before->len, BAR_PAGE) : 0;
	assert(p->base <= BAR_BEFORE_MAX);
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->isr_lock, NULL);
	pci_dev_init(&p->pci, v->ops->name, &pci_ops, &id);
	add_caps(p);
	init_bar(p);
	init_others(p);
	if (v->shm)
		init_shm(p);
	for (unsigned i = 0; i < v->n_queues; i++)
		p->feeds[i] = (struct pci_msix_feed){
			.fd = virtio_call_fd(v, i),
			.vector = PCI_MSIX_NO_VECTOR,
		};
	vectors_reset(p);
	virtio_attach(v, &pci_transport, p);
	follow_bus_master(p);
	return pci_bus_add(bus, &p->pci);
}

void virtio_pci_finish(struct virtio_pci *p)
{
	pci_bus_remove(&p->pci);
	vectors_reset(p);
	pci_msix_finish(&p->msix);
	pthread_mutex_destroy(&p->isr_lock);
	pthread_mutex_destroy(&p->lock);
}
