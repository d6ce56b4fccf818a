/* SPDX-License-Identifier: MIT */
/*
 * Many kicks of an empty queue between two time marks, for tests/bench/boot: what a
 * driver pays to tell a device, be it ours or another VMM's at the same address.
 * Afterwards the device still works.
 *
 * ALSO ON: arm64
 * RUN: --rng on,bus=mmio
 */
#include "lib/board.h"
#include "lib/report.h"
#include "lib/rng.h"

#define KICKS 2000		/* as tests/bench/boot has it */

int payload(void)
{
	struct virtio v;
	struct virtq q;

	if (!virtio_find_mmio(&v, VIRTIO_ID_RNG, 0))
		FAIL("no entropy device");
	virtq_alloc(&q, &v, 0);
	rng_start(&q, RNG_FEATURES);
	rng_check_works(&q);
	board_testdev_write(TESTDEV_MARK, 1);
	for (unsigned i = 0; i < KICKS; i++)
		virtq_kick(&q);
	board_testdev_write(TESTDEV_MARK, 2);
	rng_check_works(&q);
	virtio_reset(&v);
	return PAYLOAD_GOOD;
}
