/* SPDX-License-Identifier: MIT */
/* What a run cost, as JSON for scripts: times are CLOCK_MONOTONIC nanoseconds. */
#include <inttypes.h>
#include <stdio.h>

#include "vmm/vm.h"

static uint64_t vm_exits_of(const struct vm *vm, unsigned reason)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < vm->n_vcpus; i++)
		sum += atomic_load_explicit(&vm->vcpus[i].exits[reason], memory_order_relaxed);
	return sum;
}

uint64_t vm_exit_count(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned reason = 0; reason < VCPU_MAX_REASONS; reason++)
		sum += vm_exits_of(vm, reason);
	return sum;
}

void vm_print_stats(const struct vm *vm, FILE *f)
{
	const char *sep = "";

	fprintf(f, "{\n  \"t_start_ns\": %" PRIu64 ",\n  \"t_first_run_ns\": %" PRIu64 ",\n",
		vm->t_start_ns, (uint64_t)vm->t_first_run_ns);
	fprintf(f, "  \"marks\": [");
	for (unsigned i = 0; i < vm->n_marks; i++, sep = ", ")
		fprintf(f, "%s{\"id\": %u, \"t_ns\": %" PRIu64 ", \"exits\": %" PRIu64 "}", sep,
			vm->marks[i].id, vm->marks[i].t_ns, vm->marks[i].exits);
	fprintf(f, "],\n  \"exits\": {");
	sep = "";
	for (unsigned reason = 0; reason < VCPU_MAX_REASONS; reason++) {
		uint64_t n = vm_exits_of(vm, reason);

		if (n == 0)
			continue;
		fprintf(f, "%s\"%s\": %" PRIu64, sep, vcpu_exit_name(reason), n);
		sep = ", ";
	}
	fprintf(f, "},\n  \"exit_status\": %d\n}\n", vm_exit_status(vm));
}
