/* SPDX-License-Identifier: MIT */
/* The file is a bzImage, at least at first. */
#include "tests/boot_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	boot_fuzz_one(data, size);
	return 0;
}
