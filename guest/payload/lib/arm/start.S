/* SPDX-License-Identifier: MIT */
/*
 * Entry of the first processor as arm64 and armv7 kernels are entered (MMU off,
 * interrupts masked, a device tree), and of the others by PSCI. C turns the MMU
 * on: ordinary memory needs it, or what the VMM writes would not be seen.
 */
#ifdef __aarch64__
	.section .text.start, "ax"
	.globl start
start:
	adrp x1, start_dtb
	add x1, x1, :lo12:start_dtb
	str x0, [x1]
	.globl start_secondary
start_secondary:
	adrp x1, cpu_stack
	ldr x1, [x1, :lo12:cpu_stack]
	mov sp, x1
	adr x1, vectors
	msr vbar_el1, x1
	isb
	bl cpu_enable_mmu
	adrp x1, cpu_entry
	ldr x1, [x1, :lo12:cpu_entry]
	blr x1
1:	wfi
	b 1b

	.balign 2048
vectors:
	.rept 16
	mrs x0, esr_el1
	mrs x1, elr_el1
	mrs x2, far_el1
	bl trap_report
	.balign 128
	.endr
#else
	.syntax unified
	.arm
	.section .text.start, "ax"
	.globl start
start:
	ldr r1, =start_dtb
	str r2, [r1]
	.globl start_secondary
start_secondary:
	ldr r1, =cpu_stack
	ldr sp, [r1]
	ldr r1, =vectors
	mcr p15, 0, r1, c12, c0, 0	@ VBAR
	isb
	bl cpu_enable_mmu
	ldr r1, =cpu_entry
	ldr r1, [r1]
	blx r1
1:	wfi
	b 1b
	.ltorg

	.balign 32
vectors:
	b 1b
	b undefined
	b undefined
	b prefetch
	b data
	b 1b
	b 1b
	b 1b
undefined:
	mov r0, #0
	b trap
prefetch:
	mrc p15, 0, r0, c5, c0, 1	@ IFSR
	b trap
data:
	mrc p15, 0, r0, c5, c0, 0	@ DFSR
trap:
	mov r1, lr
	mrc p15, 0, r2, c6, c0, 0	@ DFAR
	cps #19			@ the mode that has a stack
	bl trap_report
#endif
	.section .note.GNU-stack, "", %progbits
