/* SPDX-License-Identifier: MIT */
/*
 * Bytes as a device tree: opened, walked with everything that can be asked, patched
 * as for a boot, and opened once more. What opened is sound, so it has to stay so.
 */
#include <string.h>

#include "arch/arm/fdt.h"
#include "tests/must.h"
#include "vmm/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *ctx, const struct arm_fdt_node *node)
{
	const struct arm_fdt *fdt = ctx;
	struct arm_fdt_pci pci;
	unsigned len;
	uint32_t v;
	uint64_t w;

	must(node->n_regs <= ARM_FDT_MAX_REGS && node->n_irqs <= ARM_FDT_MAX_IRQS);
	must(strlen(node->path) < ARM_FDT_MAX_PATH);
	must(strnlen(node->compatible, node->compatible_len) < node->compatible_len);
	for (unsigned i = 0; i < node->n_regs; i++)
		must(node->regs[i].gpa + node->regs[i].len >= node->regs[i].gpa);
	for (unsigned i = 0; i < node->n_irqs; i++)
		must(node->irqs[i].n >= 1 && node->irqs[i].n <= ARM_FDT_MAX_IRQ_CELLS);
	arm_fdt_is_compatible(node, "arm,pl011");
	arm_fdt_u32(fdt, node->offset, "clock-frequency", 0, &v);
	arm_fdt_u64(fdt, node->offset, "reg", 3, &w);
	arm_fdt_string(fdt, node->offset, "status");
	arm_fdt_bytes(fdt, node->offset, "reg", &len);
	arm_fdt_pci(fdt, node, &pci);
	return 0;
}

static void ask(struct arm_fdt *fdt)
{
	struct arm_fdt_cpu cpus[4];
	struct gmem_range ranges[4];

	must(arm_fdt_walk(fdt, visit, fdt) == 0);
	arm_fdt_cpus(fdt, cpus, ARRAY_SIZE(cpus));
	arm_fdt_memory(fdt, ranges, ARRAY_SIZE(ranges));
	arm_fdt_reserved(fdt, ranges, ARRAY_SIZE(ranges));
	arm_fdt_stdout(fdt);
	arm_fdt_find(fdt, "/soc/serial@7e201000");
	arm_fdt_find_phandle(fdt, 1);
}

static void patch(struct arm_fdt *fdt)
{
	static const struct gmem_range memory = { 0x40000000, 0x10000000 };
	static const uint8_t seed[40] = { 1 };
	const struct arm_fdt_boot boot = {
		.memory = &memory,
		.n_memory = 1,
		.cmdline = "console=ttyAMA0",
		.initrd_gpa = 0x48000000,
		.initrd_len = 0x1000,
		.n_cpus = 1,
		.psci = true,
		.seed = seed,
		.seed_len = sizeof(seed),
	};
	struct arm_fdt again = { 0 };

	if (arm_fdt_patch(fdt, &boot) < 0)
		return;
	arm_fdt_disable(fdt, "/chosen");
	must(arm_fdt_open_blob(&again, fdt->blob, fdt->size, "patched") == 0);
	ask(&again);
	arm_fdt_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arm_fdt fdt = { 0 };

	if (arm_fdt_open_blob(&fdt, data, size, "fuzz") < 0)
		return 0;
	ask(&fdt);
	patch(&fdt);
	arm_fdt_close(&fdt);
	return 0;
}
