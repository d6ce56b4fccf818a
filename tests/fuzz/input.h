/* SPDX-License-Identifier: MIT */
/* What a fuzz target makes its decisions of: bytes, and zeros when they are used up. */
#ifndef MICROVM_FUZZ_INPUT_H
#define MICROVM_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *data;
	size_t left;
};

/* A number of @n bytes, up to 8, the lowest first. */
static inline uint64_t take(struct input *in, unsigned n)
{
	uint64_t v = 0;

	n = n < in->left ? n : in->left;
	if (n)
		memcpy(&v, in->data, n);
	in->data += n;
	in->left -= n;
	return v;
}

#endif
