/* SPDX-License-Identifier: MIT */
/*
 * Command streams of virgl's protocol: packets of a header and as many words as it
 * says (virgl_protocol.h of virglrenderer and Mesa). Pure; any thread.
 */
#ifndef MICROVM_VIRGL_STREAM_H
#define MICROVM_VIRGL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Whether @n words are whole packets. A decoder that finds out on its way has done
 * half of them, and says nothing of it (case 58).
 */
bool virgl_stream_valid(const uint32_t *words, size_t n);

/*
 * Whether one of the @n words' packets, which are whole, makes a resource by itself
 * (PIPE_RESOURCE_CREATE): the host's memory, of which the card's account does not know.
 */
bool virgl_stream_makes_resources(const uint32_t *words, size_t n);

/*
 * Calls @found with the resources whose backing the @n words move to or from the host
 * (TRANSFER3D, and the sources of COPY_TRANSFER3D), as often as they do. What is no
 * packet any more is left out.
 */
void virgl_stream_transfers(const uint32_t *words, size_t n,
			    void (*found)(void *ctx, uint32_t resource_id), void *ctx);

#endif
