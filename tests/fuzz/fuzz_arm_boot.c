/* SPDX-License-Identifier: MIT */
/* The file of an ARM kernel; what the loader accepts is looked at closely. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arm/boot.h"
#include "arch/arm/fdt.h"
#include "tests/must.h"
#include "vmm/util.h"

#define RAM_GPA 0x40000000ull
#define RAM_LEN (16 * MiB)	/* a kernel is unpacked into it for each input */
#define OTHER_LEN MiB		/* memory at 0 that is not RAM */
#define INITRD_LEN 5000u

/* Made once: a new machine for each input would cost more than the input. */
static struct machine {
	struct gmem mem;
	int kernel_fd, initrd_fd;
	char kernel_path[32], initrd_path[32];
} machine;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int machine_file(char *path, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void machine_init(struct machine *m)
{
	static const struct gmem_range ram[] = { { 0, OTHER_LEN }, { RAM_GPA, RAM_LEN } };

	must(gmem_init(&m->mem, ram, ARRAY_SIZE(ram)) == 0);
	m->kernel_fd = machine_file(m->kernel_path, sizeof(m->kernel_path));
	m->initrd_fd = machine_file(m->initrd_path, sizeof(m->initrd_path));
	must(ftruncate(m->initrd_fd, INITRD_LEN) == 0);
}

static void must_be_in_ram(uint64_t gpa, uint64_t len)
{
	must(gpa >= RAM_GPA && range_fits(gpa - RAM_GPA, len, RAM_LEN));
}

static void check(const struct machine *m, const struct arm_entry *e)
{
	must(gmem_contains(&m->mem, e->pc & ~1ull, 1));
	must_be_in_ram(e->dtb_gpa, ARM_FDT_MAX);
	must(e->dtb_gpa % ARM_FDT_MAX == 0);
	must(e->initrd_len == INITRD_LEN);
	must_be_in_ram(e->initrd_gpa, e->initrd_len);
	must(!ranges_overlap(e->dtb_gpa, ARM_FDT_MAX, e->initrd_gpa, e->initrd_len));
	must(!ranges_overlap(e->dtb_gpa, ARM_FDT_MAX, e->pc & ~1ull, 4));
	must(!ranges_overlap(e->initrd_gpa, e->initrd_len, e->pc & ~1ull, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gmem_range reserved = { RAM_GPA, 0x1000 };
	struct machine *m = &machine;
	struct arm_boot boot = {
		.ram = { RAM_GPA, RAM_LEN },
		.raw_dtb_gpa = UINT64_MAX,
		.reserved = &reserved,
		.n_reserved = 1,
	};
	struct arm_entry entry;
	struct arm_probe probe;

	if (!m->mem.n_regions)
		machine_init(m);
	boot.kernel = m->kernel_path;
	boot.initrd = m->initrd_path;
	must(ftruncate(m->kernel_fd, 0) == 0);
	must(pwrite(m->kernel_fd, data, size, 0) == (ssize_t)size);
	if (arm_boot_load(&m->mem, &boot, &entry) == 0) {
		check(m, &entry);
		must(arm_boot_probe(&boot, &probe) == 0);
		must(probe.aarch32 == entry.aarch32 && !probe.raw);
	}
	must(gmem_discard(&m->mem) == 0);
	return 0;
}
