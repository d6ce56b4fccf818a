/* SPDX-License-Identifier: MIT */
/*
 * Memory of a payload: addresses are guest-physical ones everywhere, since all
 * that is mapped is mapped onto itself. The first 4 GiB are from the start.
 */
#ifndef PAYLOAD_MEM_H
#define PAYLOAD_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void *ptr(uint64_t gpa)
{
	return (void *)(uintptr_t)gpa;
}

static inline uint64_t gpa_of(const volatile void *p)
{
	return (uintptr_t)p;
}

/* Makes [gpa, gpa + len) accessible; below 512 GiB. */
void mem_map(uint64_t gpa, uint64_t len);

/* Zeroed memory from a pool of 512 KiB that is never returned; @align a power of two. */
void *mem_alloc(size_t size, size_t align);

/* What gcc calls by itself. */
void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* --- RAM, as this machine is described to its kernel ---------------------- */

/* Whether all of [gpa, gpa + len) is RAM. */
bool start_is_ram(uint64_t gpa, uint64_t len);
/* One past the last byte of RAM below 4 GiB. */
uint64_t start_low_ram_end(void);

#ifdef __x86_64__
/* --- PVH start info (Xen public/arch-x86/hvm/start_info.h) --------------- */

#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp;
	uint64_t memmap;		/* from version 1 on */
	uint32_t memmap_entries, reserved;
};

#define PVH_MEMMAP_RAM 1

struct pvh_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

const struct pvh_start_info *start_info(void);
/* Entry @n of the memory map, NULL past the end. */
const struct pvh_memmap_entry *start_memmap(unsigned n);
#endif

#endif
