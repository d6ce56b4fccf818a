/* SPDX-License-Identifier: MIT */
/*
 * Entry of a Raspberry Pi 2's CPUs as kernels are entered, MMU off; each gets a stack. What an
 * exception saved is read at once and not from SPSR on the way back: an emulated host
 * may mix up what several guests' CPUs keep there.
 */
	.syntax unified
	.arch_extension virt
	.arm
	.section .text.start, "ax"
	.globl start, secondary
start:
	ldr r1, =dtb
	str r2, [r1]
secondary:
	mrc p15, 0, r0, c0, c0, 5	@ MPIDR
	and r0, r0, #3
	ldr sp, =stacks
	add r1, r0, #1
	add sp, sp, r1, lsl #12
	ldr r1, =vectors
	mcr p15, 0, r1, c12, c0, 0	@ VBAR
	isb
	bl cpu_main
1:	wfi
	b 1b
	.ltorg

	.globl power_off
power_off:
	ldr r0, =0x84000008		@ PSCI SYSTEM_OFF, which is KVM's and in no tree
	hvc #0
	b power_off
	.ltorg

	.balign 32
vectors:
	b 1b
	b trap
	b trap
	b trap
	b trap
	b 1b
	b irq
	sub lr, lr, #4			@ FIQ
	srsdb sp!, #19
	cps #19
	push {r0-r3, r12, lr}
	bl on_fiq
	pop {r0-r3, r12, lr}
	rfeia sp!
irq:
	sub lr, lr, #4
	srsdb sp!, #19
	cps #19
	push {r0-r3, r12, lr}
	bl on_irq
	pop {r0-r3, r12, lr}
	rfeia sp!
trap:
	mov r0, lr
	cps #19
	bl on_trap

	.bss
	.balign 4096
stacks:	.skip 4 * 4096
	.section .note.GNU-stack, "", %progbits
