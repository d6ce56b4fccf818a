/* SPDX-License-Identifier: MIT */
/*
 * One processor uses a device, another switches its decoding off and on, moves
 * its BAR, masks its vectors and sizes it (cases 30, 31, 34). Accesses may hit
 * or miss; afterwards the device works as before.
 *
 * ALSO ON: arm64
 * RUN: --cpus 2 --rng on,bus=pci
 */
#include "lib/board.h"
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/pci.h"
#include "lib/report.h"
#include "lib/rng.h"
#include "lib/smp.h"

#define ROUNDS 1000

static volatile bool stop, stopped;
static struct pci_bar home;
static struct pci_msix msix;

static void disturb(void *arg)
{
	struct virtio *v = arg;
	uint64_t other = BOARD_PCI_MEM32_GPA + (64 << 20);

	while (!stop) {
		pci_set_command(v->slot, 0, PCI_COMMAND_MEMORY);
		pci_set_command(v->slot, PCI_COMMAND_MEMORY, 0);
		pci_bar_set(v->slot, 0, other);
		pci_msix_mask(&msix, 1, true);	/* hits or misses, too */
		pci_bar_set(v->slot, 0, home.addr);
		pci_msix_mask(&msix, 1, false);
		pci_write32(v->slot, PCI_BASE_ADDRESS_0, 0xffffffff);
		pci_write32(v->slot, PCI_BASE_ADDRESS_0, home.addr);
		pci_msix_enable(&msix, true, true);
		pci_msix_enable(&msix, true, false);
	}
	stopped = true;
}

/* What a driver does, without a hope that it takes effect. */
static void use(struct virtq *q)
{
	struct virtio *v = q->v;

	v->t->status(v);
	v->t->notify(v, 0);
	v->t->isr(v);
	pci_msix_set(&msix, 1, 0xfee00000, 0x20);
	v->t->select_queue(v, 0);
}

int payload(void)
{
	struct virtio v;
	struct virtq q;

	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	home = pci_bar_get(v.slot, 0);
	CHECK(home.wide && pci_msix_find(v.slot, &msix) && msix.n > 1);
	virtq_alloc(&q, &v, 0);
	rng_start(&q, RNG_FEATURES);
	CHECK(smp_start(1, disturb, &v));
	for (unsigned n = 0; n < ROUNDS; n++)
		use(&q);
	stop = true;
	WAIT_FOR(stopped);
	pci_msix_enable(&msix, false, false);
	rng_start(&q, RNG_FEATURES);
	rng_check_works(&q);
	return PAYLOAD_GOOD;
}
