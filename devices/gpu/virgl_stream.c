/* SPDX-License-Identifier: MIT */
#include "devices/gpu/virgl_stream.h"

#define LENGTH_SHIFT 16	/* command, object, then the number of words that follow */

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
