/* SPDX-License-Identifier: MIT */
/*
 * Loads an x86 kernel into guest memory and says how to enter it. Pure: guest
 * memory and files in, registers out; no KVM.
 *
 *   bzImage        64-bit entry of the Linux boot protocol
 *                  (Documentation/x86/boot.rst), 2.12 or later
 *   ELF vmlinux    PVH entry when it has the note (Xen public/arch-x86/hvm/
 *                  start_info.h, XEN_ELFNOTE_PHYS32_ENTRY), else 64-bit entry
 *                  at e_entry with a zero page
 *
 * Files are read straight into their place, once. Every number in them is
 * taken for a lie until checked (cases 91-93, 96). Main thread, no vCPU runs,
 * and RAM is all zeros: new, or after gmem_discard().
 */
#ifndef MICROVM_X86_BOOT_H
#define MICROVM_X86_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gmem.h"

/* What a VGA card shows when the kernel starts; PVH has no way to say so. */
struct x86_screen {
	bool there;		/* else there is no card */
	uint16_t width, height;	/* of a linear framebuffer of 32 bits a pixel; 0: none */
	bool planar;		/* else mode 12h; else text, 80x25 */
	uint64_t base, size;	/* of vram; base 0: nobody knows */
};

struct x86_boot {
	const char *kernel;	/* paths */
	const char *initrd;	/* NULL: none */
	const char *cmdline;	/* NULL: empty */
	uint64_t rsdp_gpa;	/* of the ACPI tables */
	struct x86_screen screen;
};

enum x86_entry_mode {
	X86_ENTRY_LONG,		/* 64-bit, paging by X86_PAGE_TABLES_GPA, rsi = zero page */
	X86_ENTRY_PVH,		/* 32-bit protected, no paging, ebx = start info */
};

/* Selectors of the GDT at X86_GDT_GPA: flat segments, ring 0. */
#define X86_BOOT_CS64 0x10	/* __BOOT_CS of the 64-bit boot protocol */
#define X86_BOOT_DS 0x18	/* __BOOT_DS */
#define X86_BOOT_CS32 0x20
#define X86_GDT_LIMIT 0x27

struct x86_entry {
	enum x86_entry_mode mode;
	uint64_t rip;
	uint64_t arg;		/* rsi or ebx */
};

/*
 * Loads kernel, initrd, command line and the boot information they need (zero
 * page or start info, GDT, page tables). 0, or negative errno after one line in
 * the log that names the file and what is wrong with it.
 */
int x86_boot_load(struct gmem *mem, const struct x86_boot *boot, struct x86_entry *entry);

#endif
