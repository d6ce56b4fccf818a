/* SPDX-License-Identifier: MIT */
/*
 * From where the VMM enters to 64-bit C, once for the first processor and once
 * for each that smp.c starts.
 *
 * The first one arrives by PVH (Xen public/arch-x86/hvm/start_info.h): 32-bit
 * protected mode, flat segments, paging and interrupts off, ebx = start info.
 * The others arrive by SIPI in real mode, in a copy of ap_trampoline.
 */
#define SEL_CODE64 0x08
#define SEL_DATA 0x10
#define SEL_CODE32 0x18

#define PTE_TABLE 0x03		/* present, writable */
#define PTE_PAGE_2M 0x83	/* the same, page size */

#define EFER 0xc0000080

	.section .note.pvh, "a", @note
	.balign 4
	.long 4			/* of the name */
	.long 4			/* of the value */
	.long 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start32

	.section .text.start, "ax"
	.code32
	.globl start32
start32:
	cld
	movl %ebx, start_info_gpa

	/* 0-4 GiB onto itself: 2048 pages of 2 MiB in four directories. */
	movl $boot_pd, %edi
	movl $PTE_PAGE_2M, %eax
1:	movl %eax, (%edi)
	addl $8, %edi
	addl $0x200000, %eax
	jnc 1b
	movl $boot_pd + PTE_TABLE, boot_pdpt
	movl $boot_pd + 0x1000 + PTE_TABLE, boot_pdpt + 8
	movl $boot_pd + 0x2000 + PTE_TABLE, boot_pdpt + 16
	movl $boot_pd + 0x3000 + PTE_TABLE, boot_pdpt + 24
	movl $boot_pdpt + PTE_TABLE, boot_pml4
	movl $boot_stack_top, cpu_stack

enter_long:
	movl $0x20, %eax	/* CR4.PAE */
	movl %eax, %cr4
	movl $boot_pml4, %eax
	movl %eax, %cr3
	movl $EFER, %ecx
	rdmsr
	orl $0x100, %eax	/* EFER.LME */
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax	/* PG, PE */
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $SEL_CODE64, $start64

	.code64
start64:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq cpu_stack, %rsp
	xorl %ebp, %ebp
	call *cpu_entry		/* does not return */

/* Runs at SIPI's page: cs = page / 16, ip = 0. */
	.globl ap_trampoline, ap_trampoline_end
	.code16
ap_trampoline:
	cli
	cld
	lgdtl %cs:(ap_gdt_pointer - ap_trampoline)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE32, $ap_start32
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	.code32
ap_start32:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %ss
	jmp enter_long

/*
 * Exceptions: each stub leaves the same frame for trap_report(), which ends
 * the payload. Nothing returns, so nothing is saved.
 */
	.code64
	.globl trap_stubs
	.balign 16
trap_stubs:
	.set vector, 0
	.rept 32
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 \
		|| vector == 29 || vector == 30)
	pushq $0		/* in place of the error code */
	.endif
	pushq $vector
	jmp trap_common
	.set vector, vector + 1
	.endr
trap_common:
	cld
	movq %rsp, %rdi
	movq %cr2, %rsi
	andq $-16, %rsp
	call trap_report

	.section .rodata
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* SEL_CODE64 */
	.quad 0x00cf93000000ffff	/* SEL_DATA */
	.quad 0x00cf9b000000ffff	/* SEL_CODE32 */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt

	.data
	.balign 8
	.globl cpu_stack, cpu_entry	/* of the processor that starts next */
cpu_stack:
	.quad 0
cpu_entry:
	.quad payload_start
	.globl start_info_gpa
start_info_gpa:
	.quad 0

	.bss
	.balign 4096
	.globl boot_pdpt
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pd:
	.skip 4 * 4096
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
