/* SPDX-License-Identifier: MIT */
/*
 * Registers of both transports: any access, of any width, anywhere in the
 * windows and in PCI configuration space, with a device behind them that runs
 * when it is let.
 *
 * Input: a byte that chooses the transport, then operations, see
 * transport_op(). The world is made once; each input begins with the machine
 * reset that a guest's reboot does, so that is tested too.
 */
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "tests/echo_dev.h"
#include "tests/fuzz/input.h"
#include "tests/vrig.h"
#include "vmm/util.h"

#define STEPS                                                                                      \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
	 VIRTIO_CONFIG_S_DRIVER_OK)
#define RINGS 0x1000u		/* a page for each queue */
#define MAX_OPS 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct transport_fuzz {
	struct vrig r;
	struct echo_dev e;
	uint8_t caps[PCI_CONFIG_SIZE];	/* configuration space at power-on */
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void make_world(struct transport_fuzz *z, enum vrig_kind kind)
{
	log_set_level(LOG_ERROR);
	vrig_init(&z->r, kind);
	echo_init(&z->e, z->r.fake.loop, &z->r.fake.mem);
	vrig_plug(&z->r, &z->e.v);
	if (z->r.d.is_pci)
		memcpy(z->caps, z->r.pci.pci.config, sizeof(z->caps));
}

static void machine_reset(struct transport_fuzz *z)
{
	struct vrig *r = &z->r;

	if (r->d.is_pci) {
		pci_bus_reset(&r->pci_bus);
		vdrv_pci_write(&r->d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	} else {
		virtio_mmio_reset(&r->mmio);
	}
	/* Leftover kicks find nothing to do. */
	loop_run_once(r->fake.loop, 0);
	memset(vdrv_ptr(&r->d, RINGS, 0x4000), 0, 0x4000);
	memset(z->e.config, 0, sizeof(z->e.config));
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		check(!r->irq[i].level);
}

/* A driver's start in one go, as far as the registers play along; @how leaves steps out. */
static void driver_start(struct transport_fuzz *z, uint8_t how)
{
	struct vdrv *d = &z->r.d;

	vdrv_set(d, VDRV_STATUS, 0);
	vdrv_set(d, VDRV_STATUS, how & 1 ? 1 : 3);
	vdrv_set_features(d, how & 2 ? VIRTIO_COMMON_FEATURES : UINT64_MAX);
	vdrv_set(d, VDRV_STATUS, STEPS & ~VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned q = 0; q < (how >> 4 & 3); q++) {
		uint64_t gpa = RINGS + q * 0x1000;

		vdrv_set(d, VDRV_QUEUE_SEL, q);
		vdrv_set_addr(d, VDRV_QUEUE_DESC, gpa);
		vdrv_set_addr(d, VDRV_QUEUE_AVAIL, gpa + 0x400);
		vdrv_set_addr(d, VDRV_QUEUE_USED, gpa + 0x800);
		vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
	}
	if (how & 8)
		vdrv_set(d, VDRV_STATUS, STEPS);
}

/* A request on queue @q, if it is where driver_start() puts it. */
static void driver_request(struct transport_fuzz *z, unsigned q, uint8_t flags)
{
	struct vdrv *d = &z->r.d;
	struct vring_desc *desc = vdrv_ptr(d, RINGS + q * 0x1000, 0x1000);
	struct vring_avail *avail = (void *)((uint8_t *)desc + 0x400);
	unsigned head = avail->idx % ECHO_QUEUE_SIZE;

	vdrv_set_desc(desc, head, 0x80000, 16, flags & 7, head + 1);
	avail->ring[head] = head;
	avail->idx++;
	vdrv_kick(d, q);
}

/* A queue set up anyhow; what the device says to that is its business. */
static void driver_queue(struct transport_fuzz *z, struct input *in)
{
	struct vdrv *d = &z->r.d;

	vdrv_set(d, VDRV_QUEUE_SEL, take(in, 1) % 8);
	vdrv_set(d, VDRV_QUEUE_SIZE, take(in, 1));
	for (unsigned reg = VDRV_QUEUE_DESC; reg <= VDRV_QUEUE_USED; reg++)
		vdrv_set_addr(d, reg, take(in, 3) << (take(in, 1) & 0x3f));
	vdrv_set(d, VDRV_QUEUE_ENABLE, 1);
}

/* The window in PCI configuration space, at any place and of any length. */
static void driver_window(struct transport_fuzz *z, struct input *in, uint8_t op)
{
	struct vdrv *d = &z->r.d;
	unsigned data = d->cfg_cap + sizeof(struct virtio_pci_cap), size = 1 << (op >> 4 & 3);

	if (!d->is_pci)
		return;
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_BAR, 1, op & 0x80 ? take(in, 1) : 0);
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 4, take(in, 2));
	vdrv_pci_write(d, d->cfg_cap + VIRTIO_PCI_CAP_LENGTH, 4, size);
	if (op & 0x40)
		vdrv_pci_write(d, data, 4, take(in, 4));
	else
		vdrv_pci_read(d, data, 4);
}

/* Where the guest may poke: offsets beyond the window find nothing on the bus. */
static uint64_t window(struct transport_fuzz *z, uint8_t op)
{
	struct vdrv *d = &z->r.d;

	if (!d->is_pci)
		return VRIG_MMIO_GPA;
	return op & 0x80 ? d->pci_config : d->bar;
}

/*
 * A byte: the operation in the low 4 bits, the width of an access in the next
 * two, and bit 7 for PCI configuration space; the rest is up to it.
 */
static void transport_op(struct transport_fuzz *z, struct input *in)
{
	uint8_t op = take(in, 1);
	unsigned size = 1 << (op >> 4 & 3);
	uint64_t addr, value;

	switch (op & 15) {
	default:
		addr = window(z, op) + take(in, 2);
		bus_write(&z->r.fake.mmio, addr, size, take(in, size));
		break;
	case 1:
		addr = window(z, op) + take(in, 2);
		bus_read(&z->r.fake.mmio, addr, size, &value);
		check(!(value & ~all_ones(size)));
		break;
	case 2:
		/* The registers by index, so that values get where they matter. */
		vdrv_set(&z->r.d, take(in, 1) % VDRV_N_REGS, take(in, size % 8));
		break;
	case 3:
		driver_start(z, take(in, 1));
		break;
	case 4:
		driver_request(z, (op >> 4) % ECHO_QUEUES, take(in, 1));
		break;
	case 5:
		loop_run_once(z->r.fake.loop, 0);
		break;
	case 6:
		pthread_mutex_lock(&z->e.v.lock);
		virtio_config_changed(&z->e.v);
		pthread_mutex_unlock(&z->e.v.lock);
		break;
	case 7:
		driver_queue(z, in);
		break;
	case 8:
		driver_window(z, in, op);
		break;
	}
}

/* --- what holds whatever the guest does -------------------------------------------- */

static void check_status(const struct virtio_device *v)
{
	uint8_t steps = v->status & STEPS & ~VIRTIO_CONFIG_S_ACKNOWLEDGE;

	/* 2, 10 and 14: the steps in their order; the first of all may be left out. */
	check(steps == 0 || steps == 2 || steps == 10 || steps == 14);
	if (steps & VIRTIO_CONFIG_S_FEATURES_OK)
		check(!(v->features & ~v->offered) && v->features & BIT(VIRTIO_F_VERSION_1));
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		check(steps == (STEPS & ~VIRTIO_CONFIG_S_ACKNOWLEDGE));
}

static void check_queues(const struct virtio_device *v)
{
	for (unsigned q = 0; q < v->n_queues; q++) {
		const struct virtq *vq = &v->queues[q].vq;

		check(vq->size <= vq->max_size && (!vq->size || is_pow2(vq->size)));
		if (vq->enabled)
			check(vq->size && v->status & VIRTIO_CONFIG_S_FEATURES_OK);
	}
}

static void check_mmio(struct transport_fuzz *z)
{
	check(z->r.irq[0].level == !!z->r.mmio.isr);
}

static void check_pci(struct transport_fuzz *z)
{
	const struct virtio_pci *p = &z->r.pci;

	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
		check(!((p->pci.config[i] ^ z->caps[i]) & ~p->pci.writable[i]) ||
		      (i >= PCI_BASE_ADDRESS_0 && i < PCI_BASE_ADDRESS_0 + 24));
	for (unsigned q = 0; q < z->e.v.n_queues; q++)
		check(p->queue_vectors[q] < p->msix.n_vectors ||
		      p->queue_vectors[q] == VIRTIO_MSI_NO_VECTOR);
	check(p->pci.intx_level == !!p->isr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct transport_fuzz worlds[VRIG_PACKED];
	struct input in = { data, size };
	unsigned kind = take(&in, 1) % VRIG_PACKED;
	struct transport_fuzz *z = &worlds[kind];

	if (!z->r.fake.loop)
		make_world(z, kind);
	machine_reset(z);
	if (kind == VRIG_PCI_MSIX)
		vdrv_msix_enable(&z->r.d);
	for (unsigned i = 0; in.left && i < MAX_OPS; i++) {
		transport_op(z, &in);
		check_status(&z->e.v);
		check_queues(&z->e.v);
		if (z->r.d.is_pci)
			check_pci(z);
		else
			check_mmio(z);
	}
	machine_reset(z);
	return 0;
}
