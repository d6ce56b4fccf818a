/* SPDX-License-Identifier: MIT */
/*
 * Memory that is cached for us and not for the guest, which thinks of it as a device's:
 * on ARM neither sees behind the other's back (Arm ARM, B2.8) unless the caches are told.
 * Any thread.
 */
#ifndef MICROVM_UNCACHED_H
#define MICROVM_UNCACHED_H

#include <stddef.h>

#include "vmm/util.h"

/* After we wrote there, or before we read what the guest wrote. */
static inline void uncached_sync(const void *p, size_t len)
{
#ifdef __aarch64__
	const size_t line = 16;	/* the smallest there is */

	for (uintptr_t at = align_down((uintptr_t)p, line); at < (uintptr_t)p + len; at += line)
		__asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb sy" : : : "memory");
#endif
}

#endif
