/* SPDX-License-Identifier: MIT */
/*
 * The entropy device over virtio-pci: requests, chains, indirect tables, the
 * ring going round, interrupt suppression, and INTx as it arrives
 * in the local APIC.
 *
 * ALSO ON: arm64 armv7
 * RUN: --rng on,bus=pci
 */
#include "lib/report.h"
#include "lib/rng.h"

int payload(void)
{
	struct virtio v;
	struct virtq q;

	if (!virtio_find_pci(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	virtq_alloc(&q, &v, 0);
	rng_exercise(&q);
	rng_check_line(&q);
	return PAYLOAD_GOOD;
}
