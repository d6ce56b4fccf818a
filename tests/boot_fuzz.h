/* SPDX-License-Identifier: MIT */
/* Kernels from a fuzzer into the x86 loader; what it accepts is looked at closely. */
#ifndef MICROVM_TESTS_BOOT_FUZZ_H
#define MICROVM_TESTS_BOOT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Loads @data as the kernel's file. Aborts when the guest would find nonsense. */
void boot_fuzz_one(const uint8_t *data, size_t size);

#endif
