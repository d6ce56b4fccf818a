/* SPDX-License-Identifier: MIT */
#include "tests/boot_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86/boot_int.h"
#include "arch/x86/layout.h"
#include "vmm/util.h"

#define INITRD_LEN 5000u

/* Made once: a new machine for each input would cost more than the input. */
static struct machine {
	struct gmem mem;
	int kernel_fd, initrd_fd;
	char kernel_path[32], initrd_path[32];
} machine;

static void require(bool good)
{
	if (!good)
		abort();
}

static int machine_file(char *path, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void machine_init(struct machine *m)
{
	/* Room for a kernel that prefers 16 MiB, and RAM on both sides of the hole. */
	static const struct gmem_range ram[] = { { 0, 24 * MiB }, { X86_HIGH_RAM_BASE, 8 * MiB } };

	require(gmem_init(&m->mem, ram, ARRAY_SIZE(ram)) == 0);
	m->kernel_fd = machine_file(m->kernel_path, sizeof(m->kernel_path));
	m->initrd_fd = machine_file(m->initrd_path, sizeof(m->initrd_path));
	require(ftruncate(m->initrd_fd, INITRD_LEN) == 0);
}

static bool is_ram(const struct machine *m, uint64_t gpa, uint64_t len)
{
	return gmem_ptr(&m->mem, gpa, len) != NULL;
}

/* Where nothing of the loader's lies. */
static void check_initrd(const struct machine *m, uint64_t gpa, uint64_t len)
{
	require(len == INITRD_LEN && gpa >= X86_KERNEL_MIN_GPA && is_ram(m, gpa, len));
}

static void check_zero_page(const struct machine *m, const struct x86_entry *entry)
{
	const struct boot_params *bp = gmem_ptr(&m->mem, entry->arg, sizeof(*bp));
	uint64_t initrd, len, end = 0;

	require(bp && bp->e820_entries > 0 && bp->e820_entries <= BOOT_MAX_E820);
	for (unsigned i = 0; i < bp->e820_entries; i++) {
		require(bp->e820_table[i].addr >= end && bp->e820_table[i].size > 0);
		end = bp->e820_table[i].addr + bp->e820_table[i].size;
	}
	require(bp->hdr.setup_data == 0 && bp->hdr.cmd_line_ptr == X86_CMDLINE_GPA);
	initrd = bp->hdr.ramdisk_image | (uint64_t)bp->ext_ramdisk_image << 32;
	len = bp->hdr.ramdisk_size | (uint64_t)bp->ext_ramdisk_size << 32;
	check_initrd(m, initrd, len);
	/* Of a bzImage it is known where it lies. */
	if (bp->hdr.code32_start)
		require(!ranges_overlap(initrd, len, bp->hdr.code32_start, bp->hdr.init_size));
}

static void check_start_info(const struct machine *m, const struct x86_entry *entry)
{
	const uint8_t *info = gmem_ptr(&m->mem, entry->arg, 56), *module;

	require(info && load_le(info, 4) == 0x336ec578 && load_le(info + 12, 4) == 1);
	require(is_ram(m, load_le(info + 40, 8), load_le(info + 48, 4) * 24));
	module = gmem_ptr(&m->mem, load_le(info + 16, 8), 32);
	require(module);
	check_initrd(m, load_le(module, 8), load_le(module + 8, 8));
}

void boot_fuzz_one(const uint8_t *data, size_t size)
{
	struct machine *m = &machine;
	struct x86_boot boot = { .cmdline = "console=ttyS0", .rsdp_gpa = X86_ACPI_GPA };
	struct x86_entry entry = { 0 };

	if (!m->mem.n_regions)
		machine_init(m);
	boot.kernel = m->kernel_path;
	boot.initrd = m->initrd_path;
	require(ftruncate(m->kernel_fd, 0) == 0);
	require(pwrite(m->kernel_fd, data, size, 0) == (ssize_t)size);
	if (x86_boot_load(&m->mem, &boot, &entry) == 0) {
		require(entry.rip >= X86_KERNEL_MIN_GPA && entry.rip < X86_HIGH_RAM_BASE);
		require(is_ram(m, entry.rip, 1));
		if (entry.mode == X86_ENTRY_PVH)
			check_start_info(m, &entry);
		else
			check_zero_page(m, &entry);
	}
	require(gmem_discard(&m->mem) == 0);
}
