/* SPDX-License-Identifier: MIT */
/* Of cpu.h, what arm64 and armv7 have for it. */
#ifndef PAYLOAD_CPU_ARM_H
#define PAYLOAD_CPU_ARM_H

/*
 * Not by r14, which is another register in each mode of armv7: QEMU's TCG tells KVM
 * of the wrong one, where the syndrome has the register as arm64 sees it.
 */
#ifdef __aarch64__
#define CPU_W "%w"
#define CPU_VALUE
#else
#define CPU_W "%"
#define CPU_VALUE __asm__("r3")
#endif

static inline uint8_t read8(uint64_t gpa)
{
	register uint32_t v CPU_VALUE;

	__asm__ volatile("ldrb " CPU_W "0, [%1]" : "=r"(v) : "r"((uintptr_t)gpa) : "memory");
	return v;
}

static inline uint16_t read16(uint64_t gpa)
{
	register uint32_t v CPU_VALUE;

	__asm__ volatile("ldrh " CPU_W "0, [%1]" : "=r"(v) : "r"((uintptr_t)gpa) : "memory");
	return v;
}

static inline uint32_t read32(uint64_t gpa)
{
	register uint32_t v CPU_VALUE;

	__asm__ volatile("ldr " CPU_W "0, [%1]" : "=r"(v) : "r"((uintptr_t)gpa) : "memory");
	return v;
}

static inline void write8(uint64_t gpa, uint8_t v)
{
	register uint32_t value CPU_VALUE = v;

	__asm__ volatile("strb " CPU_W "0, [%1]" : : "r"(value), "r"((uintptr_t)gpa) : "memory");
}

static inline void write16(uint64_t gpa, uint16_t v)
{
	register uint32_t value CPU_VALUE = v;

	__asm__ volatile("strh " CPU_W "0, [%1]" : : "r"(value), "r"((uintptr_t)gpa) : "memory");
}

static inline void write32(uint64_t gpa, uint32_t v)
{
	register uint32_t value CPU_VALUE = v;

	__asm__ volatile("str " CPU_W "0, [%1]" : : "r"(value), "r"((uintptr_t)gpa) : "memory");
}

static inline uint64_t read64(uint64_t gpa)
{
#ifdef __aarch64__
	uint64_t v;

	__asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(gpa) : "memory");
	return v;
#else
	/* KVM is not told what an ldrd was to do. */
	uint32_t low = read32(gpa);

	return (uint64_t)read32(gpa + 4) << 32 | low;
#endif
}

static inline void write64(uint64_t gpa, uint64_t v)
{
#ifdef __aarch64__
	__asm__ volatile("str %0, [%1]" : : "r"(v), "r"(gpa) : "memory");
#else
	write32(gpa, v);
	write32(gpa + 4, v >> 32);
#endif
}

/* Stores before it are seen before loads after it. */
static inline void full_barrier(void)
{
	__asm__ volatile("dmb sy" : : : "memory");
}

static inline void cpu_pause(void)
{
	__asm__ volatile("yield" : : : "memory");
}

static inline void cpu_halt(void)
{
	__asm__ volatile("wfi" : : : "memory");
}

#endif
