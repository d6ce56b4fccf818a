/* SPDX-License-Identifier: MIT */
/* The virt board's tree: dtc finds nothing wrong with it, and the walk finds all of it. */
#include <errno.h>
#include <libfdt.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/arm/fdt.h"
#include "tests/dts.h"
#include "vmm/util.h"

struct fixture {
	struct arm_virt virt;
	struct gmem_range memory[2];
	uint64_t mpidr[600];
	struct arm_fdt fdt;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (unsigned i = 0; i < ARRAY_SIZE(f->mpidr); i++)
		f->mpidr[i] = (i / 256) << 16 | (i / 16 % 16) << 8 | i % 16;
	f->memory[0] = (struct gmem_range){ 0x40000000, 0x20000000 };
	f->memory[1] = (struct gmem_range){ 0x100000000, 0x80000000 };
	f->virt = (struct arm_virt){
		.n_cpus = 2,
		.mpidr = f->mpidr,
		.memory = f->memory,
		.n_memory = 2,
		.gic = ARM_GIC_V3,
		.gic_dist = { 0x8000000, 0x10000 },
		.gic_cpu = { 0x80a0000, 0xf60000 },
		.msi = ARM_MSI_ITS,
		.gic_msi = { 0x8080000, 0x20000 },
		.timer_ppi = { 13, 14, 11, 10 },
		.pmu_ppi = 7,
		.uart_kind = ARM_UART_PL011,
		.uart = { 0x9000000, 0x1000, 1 },
		.rtc = { 0x9010000, 0x1000, 2 },
		.gpio = { 0x9030000, 0x1000, 7 },
		.gpio_power_line = 3,
		.ecam = { 0x3f000000, 0x100000 },
		.pci_io = { 0x3eff0000, 0x10000 },
		.pci_mem32 = { 0x10000000, 0x2eff0000 },
		.pci_mem64 = { 0x8000000000, 0x8000000000 },
		.pci_spi = 3,
		.virtio_mmio = { 0xa000000, 0x200 },
		.n_virtio_mmio = 8,
		.virtio_spi = 16,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arm_fdt_close(&f->fdt);
	free(f);
	return 0;
}

/* The tree as the machine builds from it, which is checked like one from a file. */
static void make(struct fixture *f)
{
	struct arm_fdt made = { 0 };
	char *said;

	arm_fdt_close(&f->fdt);
	assert_int_equal(arm_fdt_virt(&made, &f->virt), 0);
	said = dts_complaints(made.blob, made.size);
	assert_string_equal(said, "");
	free(said);
	assert_int_equal(arm_fdt_open_blob(&f->fdt, made.blob, made.size, "virt"), 0);
	arm_fdt_close(&made);
}

static int copy_node(void *ctx, const struct arm_fdt_node *node)
{
	struct arm_fdt_node *out = ctx;

	if (strcmp(node->path, out->path) != 0)
		return 0;
	*out = *node;
	return 1;
}

static struct arm_fdt_node visit(struct fixture *f, const char *path)
{
	struct arm_fdt_node node = { .path = path };

	if (arm_fdt_walk(&f->fdt, copy_node, &node) != 1)
		fail_msg("there is no %s", path);
	return node;
}

static void assert_absent(struct fixture *f, const char *path)
{
	assert_int_equal(arm_fdt_find(&f->fdt, path), -ENOENT);
}

static void assert_dev(const struct arm_fdt_node *node, uint64_t gpa, uint64_t len, unsigned spi)
{
	assert_int_equal(node->n_regs, 1);
	assert_int_equal(node->regs[0].gpa, gpa);
	assert_int_equal(node->regs[0].len, len);
	assert_int_equal(node->n_irqs, 1);
	assert_int_equal(node->irqs[0].n, 3);
	assert_int_equal(node->irqs[0].cells[0], 0);
	assert_int_equal(node->irqs[0].cells[1], spi);
	assert_int_equal(node->irqs[0].cells[2], 4);
}

static void a_board_with_gicv3_and_its(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	uint32_t v;

	make(f);
	node = visit(f, "/interrupt-controller@8000000");
	assert_true(arm_fdt_is_compatible(&node, "arm,gic-v3"));
	assert_int_equal(node.n_regs, 2);
	assert_int_equal(node.regs[1].gpa, 0x80a0000);
	assert_false(arm_fdt_has(&f->fdt, node.offset, "#redistributor-regions"));
	node = visit(f, "/interrupt-controller@8000000/msi-controller@8080000");
	assert_true(arm_fdt_is_compatible(&node, "arm,gic-v3-its"));
	assert_int_equal(node.regs[0].gpa, 0x8080000);
	assert_int_equal(node.regs[0].len, 0x20000);
	assert_true(arm_fdt_u32(&f->fdt, node.offset, "#msi-cells", 0, &v));
	f->virt.gic_redist2 = (struct gmem_range){ 0x4000000000, 0x4000000 };
	make(f);
	node = visit(f, "/interrupt-controller@8000000");
	assert_int_equal(node.n_regs, 3);
	assert_int_equal(node.regs[2].gpa, 0x4000000000);
	assert_true(arm_fdt_u32(&f->fdt, node.offset, "#redistributor-regions", 0, &v));
	assert_int_equal(v, 2);
}

static void a_board_with_gicv2_and_v2m(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;
	uint32_t v;

	f->virt.gic = ARM_GIC_V2;
	f->virt.gic_cpu = (struct gmem_range){ 0x8010000, 0x2000 };
	f->virt.msi = ARM_MSI_V2M;
	f->virt.gic_msi = (struct gmem_range){ 0x8020000, 0x1000 };
	f->virt.v2m_spi = 64;
	f->virt.v2m_n = 160;
	make(f);
	node = visit(f, "/interrupt-controller@8000000");
	assert_true(arm_fdt_is_compatible(&node, "arm,cortex-a15-gic"));
	node = visit(f, "/interrupt-controller@8000000/v2m@8020000");
	assert_true(arm_fdt_u32(&f->fdt, node.offset, "arm,msi-base-spi", 0, &v));
	assert_int_equal(v, 96);
	assert_true(arm_fdt_u32(&f->fdt, node.offset, "arm,msi-num-spis", 0, &v));
	assert_int_equal(v, 160);
	/* PPIs say which CPUs have them. */
	assert_int_equal(visit(f, "/timer").irqs[0].cells[2], 0x304);
	node = visit(f, "/pcie@3f000000");
	assert_int_equal(arm_fdt_pci(&f->fdt, &node, &pci), 0);
	assert_int_equal(pci.msi_controller,
			 visit(f, "/interrupt-controller@8000000/v2m@8020000").phandle);
	f->virt.msi = ARM_MSI_NONE;
	make(f);
	assert_absent(f, "/interrupt-controller@8000000/v2m@8020000");
	node = visit(f, "/pcie@3f000000");
	assert_int_equal(arm_fdt_pci(&f->fdt, &node, &pci), 0);
	assert_int_equal(pci.msi_controller, 0);
}

static void cpus_timer_and_psci(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	struct arm_fdt_cpu cpus[4];

	make(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 4), 2);
	assert_int_equal(cpus[1].mpidr, 1);
	assert_string_equal(cpus[1].method, "psci");
	node = visit(f, "/timer");
	assert_true(arm_fdt_is_compatible(&node, "arm,armv8-timer"));
	assert_true(arm_fdt_has(&f->fdt, node.offset, "always-on"));
	assert_int_equal(node.n_irqs, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(node.irqs[i].cells[0], 1);
		assert_int_equal(node.irqs[i].cells[1], f->virt.timer_ppi[i]);
		assert_int_equal(node.irqs[i].cells[2], 4);
	}
	node = visit(f, "/pmu");
	assert_int_equal(node.irqs[0].cells[1], 7);
	node = visit(f, "/psci");
	assert_true(arm_fdt_is_compatible(&node, "arm,psci-1.0"));
	assert_true(arm_fdt_is_compatible(&node, "arm,psci-0.2"));
	assert_string_equal(arm_fdt_string(&f->fdt, node.offset, "method"), "hvc");
	f->virt.pmu_ppi = 0;
	make(f);
	assert_absent(f, "/pmu");
}

static void a_board_of_32_bits(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;

	f->virt.aarch32 = true;
	make(f);
	node = visit(f, "/timer");
	assert_true(arm_fdt_is_compatible(&node, "arm,armv7-timer"));
	node = visit(f, "/pmu");
	assert_true(arm_fdt_is_compatible(&node, "arm,cortex-a15-pmu"));
}

static void many_cpus_and_affinities_of_40_bits(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_cpu cpus[600];

	f->virt.n_cpus = 512;
	make(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 600), 512);
	assert_int_equal(cpus[511].mpidr, 0x10f0f);
	f->mpidr[511] = 0x100010f0f;
	make(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 600), 512);
	assert_int_equal(cpus[510].mpidr, 0x10f0e);
	assert_int_equal(cpus[511].mpidr, 0x100010f0f);
}

static void memory_in_two_places(void **state)
{
	struct fixture *f = *state;
	struct gmem_range r[4];

	make(f);
	assert_int_equal(arm_fdt_memory(&f->fdt, r, 4), 2);
	assert_int_equal(r[0].gpa, 0x40000000);
	assert_int_equal(r[1].gpa, 0x100000000);
	assert_int_equal(r[1].len, 0x80000000);
}

static void platform_devices(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;

	f->virt.testdev = (struct arm_virt_dev){ 0x9050000, 0x1000, 8 };
	f->virt.pvpanic = (struct arm_virt_dev){ 0x9060000, 0x2, 0 };
	make(f);
	node = visit(f, "/serial@9000000");
	assert_true(arm_fdt_is_compatible(&node, "arm,pl011"));
	assert_true(arm_fdt_is_compatible(&node, "arm,primecell"));
	assert_dev(&node, 0x9000000, 0x1000, 1);
	assert_int_equal(arm_fdt_stdout(&f->fdt), node.offset);
	node = visit(f, "/rtc@9010000");
	assert_true(arm_fdt_is_compatible(&node, "arm,pl031"));
	assert_dev(&node, 0x9010000, 0x1000, 2);
	node = visit(f, "/testdev@9050000");
	assert_dev(&node, 0x9050000, 0x1000, 8);
	node = visit(f, "/pvpanic@9060000");
	assert_true(arm_fdt_is_compatible(&node, "qemu,pvpanic-mmio"));
	assert_int_equal(node.n_irqs, 0);
}

static void the_power_key_is_a_line_of_the_gpio(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	int key;
	uint32_t v;

	make(f);
	node = visit(f, "/gpio@9030000");
	assert_true(arm_fdt_is_compatible(&node, "arm,pl061"));
	assert_dev(&node, 0x9030000, 0x1000, 7);
	key = arm_fdt_find(&f->fdt, "/gpio-keys/power-key");
	assert_true(arm_fdt_u32(&f->fdt, key, "linux,code", 0, &v));
	assert_int_equal(v, KEY_POWER);
	assert_true(arm_fdt_u32(&f->fdt, key, "gpios", 0, &v));
	assert_int_equal(v, node.phandle);
	assert_true(arm_fdt_u32(&f->fdt, key, "gpios", 1, &v));
	assert_int_equal(v, 3);
}

static void a_16550_instead(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;

	f->virt.uart_kind = ARM_UART_16550;
	f->virt.uart.len = 8;
	make(f);
	node = visit(f, "/serial@9000000");
	assert_true(arm_fdt_is_compatible(&node, "ns16550a"));
	assert_dev(&node, 0x9000000, 8, 1);
}

static void what_is_not_wanted_is_not_there(void **state)
{
	struct fixture *f = *state;

	f->virt.uart_kind = ARM_UART_NONE;
	f->virt.rtc.len = f->virt.gpio.len = f->virt.ecam.len = 0;
	f->virt.n_virtio_mmio = 0;
	make(f);
	assert_absent(f, "/serial@9000000");
	assert_absent(f, "/rtc@9010000");
	assert_absent(f, "/gpio@9030000");
	assert_absent(f, "/gpio-keys");
	assert_absent(f, "/pcie@3f000000");
	assert_absent(f, "/virtio@a000000");
	assert_absent(f, "/testdev@9050000");
	assert_absent(f, "/pvpanic@9060000");
	assert_int_equal(arm_fdt_stdout(&f->fdt), -ENOENT);
}

static void pci_windows_and_wires(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;

	make(f);
	node = visit(f, "/pcie@3f000000");
	assert_true(arm_fdt_is_compatible(&node, "pci-host-ecam-generic"));
	assert_int_equal(node.regs[0].len, 0x100000);
	assert_int_equal(arm_fdt_pci(&f->fdt, &node, &pci), 0);
	assert_int_equal(pci.bus_first, 0);
	assert_int_equal(pci.bus_last, 0);
	assert_int_equal(pci.io.gpa, 0x3eff0000);
	assert_int_equal(pci.io_base, 0);
	assert_int_equal(pci.mem32.gpa, 0x10000000);
	assert_int_equal(pci.mem32.len, 0x2eff0000);
	assert_int_equal(pci.mem32_base, 0x10000000);
	assert_int_equal(pci.mem64.gpa, 0x8000000000);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pci.intx[i].cells[0], 0);
		assert_int_equal(pci.intx[i].cells[1], 3 + i);
		assert_int_equal(pci.intx[i].cells[2], 4);
	}
	assert_int_equal(pci.msi_controller,
			 visit(f, "/interrupt-controller@8000000/msi-controller@8080000").phandle);
	f->virt.pci_mem64.len = f->virt.pci_io.len = 0;
	make(f);
	node = visit(f, "/pcie@3f000000");
	assert_int_equal(arm_fdt_pci(&f->fdt, &node, &pci), 0);
	assert_int_equal(pci.io.len, 0);
	assert_int_equal(pci.mem64.len, 0);
	assert_int_equal(pci.mem32.gpa, 0x10000000);
}

static void wires_of_pci_slots_are_swizzled(void **state)
{
	struct fixture *f = *state;
	const fdt32_t *map;
	unsigned len;

	make(f);
	map = arm_fdt_bytes(&f->fdt, arm_fdt_find(&f->fdt, "/pcie@3f000000"), "interrupt-map",
			    &len);
	assert_int_equal(len, 16 * 10 * 4);
	for (unsigned i = 0; i < 16; i++, map += 10) {
		assert_int_equal(fdt32_to_cpu(map[0]), i / 4 << 11);
		assert_int_equal(fdt32_to_cpu(map[3]), i % 4 + 1);
		assert_int_equal(fdt32_to_cpu(map[8]), 3 + (i / 4 + i % 4) % 4);
	}
}

static void virtio_slots(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_node node;
	char path[32];

	make(f);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/virtio@%x", 0xa000000 + i * 0x200);
		node = visit(f, path);
		assert_dev(&node, 0xa000000 + i * 0x200, 0x200, 16 + i);
	}
	assert_absent(f, "/virtio@a001000");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_board_with_gicv3_and_its),
		TEST(a_board_with_gicv2_and_v2m),
		TEST(cpus_timer_and_psci),
		TEST(a_board_of_32_bits),
		TEST(many_cpus_and_affinities_of_40_bits),
		TEST(memory_in_two_places),
		TEST(platform_devices),
		TEST(the_power_key_is_a_line_of_the_gpio),
		TEST(a_16550_instead),
		TEST(what_is_not_wanted_is_not_there),
		TEST(pci_windows_and_wires),
		TEST(wires_of_pci_slots_are_swizzled),
		TEST(virtio_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
