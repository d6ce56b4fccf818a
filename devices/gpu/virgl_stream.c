/* SPDX-License-Identifier: MIT */
#include "devices/gpu/virgl_stream.h"

#define LENGTH_SHIFT 16	/* command, object, then the number of words that follow */
#define COMMAND_MASK 0xff
#define TRANSFER3D 43
#define COPY_TRANSFER3D 45
#define PIPE_RESOURCE_CREATE 48
#define TRANSFER3D_RESOURCE 1	/* word of the packet */
#define COPY_TRANSFER3D_SOURCE 12

bool virgl_stream_valid(const uint32_t *words, size_t n)
{
	while (n) {
		size_t packet = 1 + (words[0] >> LENGTH_SHIFT);

		if (packet > n)
			return false;
		words += packet;
		n -= packet;
	}
	return true;
}

bool virgl_stream_makes_resources(const uint32_t *words, size_t n)
{
	for (size_t at = 0; at < n; at += 1 + (words[at] >> LENGTH_SHIFT))
		if ((words[at] & COMMAND_MASK) == PIPE_RESOURCE_CREATE)
			return true;
	return false;
}

/* Which word of such a packet is a resource with backing that is used; 0: none. */
static unsigned backing_word(uint32_t header)
{
	switch (header & COMMAND_MASK) {
	case TRANSFER3D:
		return TRANSFER3D_RESOURCE;
	case COPY_TRANSFER3D:
		return COPY_TRANSFER3D_SOURCE;
	default:
		return 0;
	}
}

void virgl_stream_transfers(const uint32_t *words, size_t n,
			    void (*found)(void *ctx, uint32_t resource_id), void *ctx)
{
	while (n && (words[0] >> LENGTH_SHIFT) < n) {
		size_t packet = 1 + (words[0] >> LENGTH_SHIFT);
		unsigned word = backing_word(words[0]);

		if (word && word < packet)
			found(ctx, words[word]);
		words += packet;
		n -= packet;
	}
}
