/* SPDX-License-Identifier: MIT */
/* What a run cost, as JSON for scripts: times are CLOCK_MONOTONIC nanoseconds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* Adds up what is named as region @i is. False: that one was here before, or is unused. */
static bool vm_add_usage(struct bus *bus, unsigned i, struct io_usage *sum)
{
	struct io_usage u;

	if (!bus_usage(bus, i, sum))
		return false;
	for (unsigned k = 0; bus_usage(bus, k, &u); k++) {
		if (k == i || strcmp(u.name, sum->name))
			continue;
		if (k < i)
			return false;
		sum->reads += u.reads;
		sum->writes += u.writes;
	}
	return sum->reads || sum->writes;
}

static void vm_print_usage(struct bus *bus, const char *name, FILE *f)
{
	const char *sep = "";
	struct io_usage u;

	fprintf(f, "  \"%s\": {", name);
	for (unsigned i = 0; bus_usage(bus, i, &u); i++) {
		if (!vm_add_usage(bus, i, &u))
			continue;
		fprintf(f, "%s\"%s\": {\"reads\": %" PRIu64 ", \"writes\": %" PRIu64 "}", sep,
			u.name, u.reads, u.writes);
		sep = ",\n    ";
	}
	fprintf(f, "},\n");
}

void vm_print_stats(struct vm *vm, FILE *f)
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
	fprintf(f, "},\n");
	vm_print_usage(&vm->mmio, "mmio", f);
	vm_print_usage(&vm->pio, "pio", f);
	fprintf(f, "  \"exit_status\": %d\n}\n", vm_exit_status(vm));
}
