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

#endif
