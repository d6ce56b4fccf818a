/* SPDX-License-Identifier: MIT */
/* The entropy device: the simplest there is, so transports and queues are tried on it. */
#ifndef PAYLOAD_RNG_H
#define PAYLOAD_RNG_H

#include "lib/virtio.h"

#define RNG_FEATURES BIT(VIRTIO_F_VERSION_1)

/* Reset, negotiation of @features, queue 0 of @q, DRIVER_OK. */
void rng_start(struct virtq *q, uint64_t features);
/* One request that must be served, from descriptor 0. */
void rng_check_works(struct virtq *q);
/* What the device owes its driver, on whichever transport. */
void rng_exercise(struct virtq *q);
/* The interrupt line, as it arrives in the interrupt controller. */
void rng_check_line(struct virtq *q);

#endif
