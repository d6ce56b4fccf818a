/* SPDX-License-Identifier: MIT */
#include "lib/cpu.h"
#include "lib/mem.h"
#include "lib/report.h"
#include "lib/start.h"

#define TRAPS 32
#define TRAP_STUB_SIZE 16
#define GATE_INTERRUPT 0x8e	/* present, 64-bit interrupt gate */
#define SEL_CODE64 0x08

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, reserved;
};

struct trap_frame {
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern const char trap_stubs[];

static struct gate gates[TRAPS];

__attribute__((noreturn))
void trap_report(const struct trap_frame *frame, uint64_t cr2);

void trap_report(const struct trap_frame *frame, uint64_t cr2)
{
	print("exception %lu, error 0x%lx, at 0x%lx, cr2 0x%lx, rsp 0x%lx\n", frame->vector,
	      frame->error, frame->rip, cr2, frame->rsp);
	result(PAYLOAD_FAIL);
}

void cpu_catch_traps(void)
{
	struct cpu_table idt = { sizeof(gates) - 1, gpa_of(gates) };

	for (unsigned n = 0; n < TRAPS; n++) {
		uint64_t stub = gpa_of(trap_stubs + n * TRAP_STUB_SIZE);

		gates[n] = (struct gate){ .offset_low = stub, .selector = SEL_CODE64,
			.type = GATE_INTERRUPT, .offset_mid = stub >> 16,
			.offset_high = stub >> 32 };
	}
	cpu_load_idt(&idt);
}

/* Where start.S leads the first processor. */
void payload_start(void)
{
	cpu_catch_traps();
	result(payload());
}
