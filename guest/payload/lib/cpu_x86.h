/* SPDX-License-Identifier: MIT */
/* Of cpu.h, what x86 has for it. */
#ifndef PAYLOAD_CPU_X86_H
#define PAYLOAD_CPU_X86_H

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void rep_outsb(uint16_t port, const void *buf, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
}

static inline void rep_outsl(uint16_t port, const void *buf, size_t n)
{
	__asm__ volatile("rep outsl" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
}

static inline void rep_insb(uint16_t port, void *buf, size_t n)
{
	__asm__ volatile("rep insb" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
}

static inline void rep_insl(uint16_t port, void *buf, size_t n)
{
	__asm__ volatile("rep insl" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
}

static inline void rep_movsb(uint64_t dst, uint64_t src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

static inline uint8_t read8(uint64_t gpa)
{
	uint8_t v;

	__asm__ volatile("movb (%1), %0" : "=q"(v) : "r"(gpa) : "memory");
	return v;
}

static inline uint16_t read16(uint64_t gpa)
{
	uint16_t v;

	__asm__ volatile("movw (%1), %0" : "=r"(v) : "r"(gpa) : "memory");
	return v;
}

static inline uint32_t read32(uint64_t gpa)
{
	uint32_t v;

	__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(gpa) : "memory");
	return v;
}

static inline uint64_t read64(uint64_t gpa)
{
	uint64_t v;

	__asm__ volatile("movq (%1), %0" : "=r"(v) : "r"(gpa) : "memory");
	return v;
}

static inline void write8(uint64_t gpa, uint8_t v)
{
	__asm__ volatile("movb %0, (%1)" : : "q"(v), "r"(gpa) : "memory");
}

static inline void write16(uint64_t gpa, uint16_t v)
{
	__asm__ volatile("movw %0, (%1)" : : "r"(v), "r"(gpa) : "memory");
}

static inline void write32(uint64_t gpa, uint32_t v)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(gpa) : "memory");
}

static inline void write64(uint64_t gpa, uint64_t v)
{
	__asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(gpa) : "memory");
}

/* Stores before it are seen before loads after it; no mfence, which not every KVM emulates. */
static inline void full_barrier(void)
{
	__asm__ volatile("lock; addl $0, (%%rsp)" : : : "memory", "cc");
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void cpu_halt(void)
{
	__asm__ volatile("cli; hlt" : : : "memory");
}

struct cpu_table {		/* operand of lidt */
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static inline void cpu_load_idt(const struct cpu_table *idt)
{
	__asm__ volatile("lidt %0" : : "m"(*idt) : "memory");
}

static inline void cpu_flush_tlb(void)
{
	uint64_t cr3;

	__asm__ volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(cr3) : : "memory");
}

#endif
