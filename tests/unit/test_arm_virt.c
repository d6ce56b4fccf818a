/* SPDX-License-Identifier: MIT */
/* The virt board, from options to devices, without KVM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "arch/arm/layout.h"
#include "tests/arm_rig.h"
#include "vmm/util.h"

static const struct arm_gic_host both = { .v2 = true, .v3 = true, .its = true };
static const struct arm_gic_host only_v2 = { .v2 = true };

static int setup(void **state)
{
	struct arm_rig *r = calloc(1, sizeof(*r));

	arm_rig_init(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct arm_rig *r = *state;

	arm_rig_finish(r);
	free(r);
	return 0;
}

static void create(struct arm_rig *r, const struct arm_gic_host *host)
{
	assert_int_equal(arm_rig_virt(r, host), 0);
	assert_int_equal(arm_machine_build(&r->vm), 0);
	/* Everything that the board says is modelled. */
	assert_int_equal(r->machine.n_unknown, 0);
}

static bool is_there(struct arm_rig *r, uint64_t gpa)
{
	uint64_t value;

	return bus_read(&r->vm.mmio, gpa, 4, &value);
}

static void everything_is_where_the_layout_says(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.n_devices = 3;
	r->cfg.devices[0].mmio = r->cfg.devices[2].mmio = true;
	create(r, &both);
	assert_true(is_there(r, VIRT_UART_GPA));
	assert_true(is_there(r, VIRT_RTC_GPA));
	assert_true(is_there(r, VIRT_GPIO_GPA));
	assert_true(is_there(r, VIRT_TESTDEV_GPA));
	assert_true(is_there(r, VIRT_ECAM_GPA));
	assert_int_equal(r->vm.n_mmio_slots, 2);
	assert_true(r->vm.mmio_slots[1].gpa == VIRT_VIRTIO_MMIO_GPA + VIRT_VIRTIO_MMIO_STRIDE);
	assert_int_equal(r->vm.mmio_slots[1].irq.n, 32 + VIRT_VIRTIO_MMIO_SPI + 1);
	assert_int_equal(r->machine.power_key.line, VIRT_GPIO_POWER_LINE);
	assert_true(r->machine.ram.gpa == VIRT_RAM_GPA && r->machine.ram.len == 512 * MiB);
	assert_int_equal(r->machine.virt_timer, 27);
	assert_int_equal(r->machine.phys_timer, 30);
}

static void slots_are_as_many_as_devices(void **state)
{
	struct arm_rig *r = *state;

	create(r, &both);
	assert_int_equal(r->vm.n_mmio_slots, 0);
	arm_rig_again(r);
	r->cfg.n_devices = CONFIG_MAX_DEVICES;
	for (unsigned i = 0; i < CONFIG_MAX_DEVICES; i++)
		r->cfg.devices[i].mmio = true;
	create(r, &both);
	assert_int_equal(r->vm.n_mmio_slots, VM_MAX_MMIO_SLOTS);
	assert_int_equal(r->vm.mmio_slots[VM_MAX_MMIO_SLOTS - 1].irq.n,
			 32 + VIRT_VIRTIO_MMIO_SPI + VM_MAX_MMIO_SLOTS - 1);
}

static void the_newest_gic_of_the_host_is_taken(void **state)
{
	struct arm_rig *r = *state;

	create(r, &both);
	assert_int_equal(r->machine.gic.version, ARM_GIC_V3);
	assert_true(r->machine.gic.its.gpa == VIRT_ITS_GPA);
	assert_int_equal(r->vm.kvm.frame.n, 0);
	arm_rig_again(r);
	create(r, &only_v2);
	assert_int_equal(r->machine.gic.version, ARM_GIC_V2);
	assert_true(r->machine.gic.its.len == 0);
}

static void gic_2_brings_a_frame_for_messages(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.gic = (char *)"2";
	create(r, &both);
	assert_int_equal(r->machine.gic.version, ARM_GIC_V2);
	assert_true(r->vm.kvm.frame.addr == VIRT_V2M_GPA + 0x40);
	assert_int_equal(r->vm.kvm.frame.pin, VIRT_V2M_SPI);
	assert_int_equal(r->vm.kvm.frame.n, VIRT_V2M_SPIS);
	/* No message is the wire of a device. */
	assert_true(VIRT_VIRTIO_MMIO_SPI + VM_MAX_MMIO_SLOTS <= VIRT_V2M_SPI);
}

static void a_gic_without_its_has_wires_only(void **state)
{
	struct arm_rig *r = *state;

	create(r, &(struct arm_gic_host){ .v3 = true });
	assert_true(r->machine.gic.its.len == 0);
	assert_int_equal(r->vm.pci.intx[0].n, 32 + VIRT_INTX_SPI);
}

static void a_gic_that_the_host_lacks_is_refused(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.gic = (char *)"3";
	assert_int_equal(arm_rig_virt(r, &only_v2), -EINVAL);
	arm_rig_again(r);
	assert_int_equal(arm_rig_virt(r, &(struct arm_gic_host){ 0 }), -ENOTSUP);
	arm_rig_again(r);
	r->cfg.gic = (char *)"2";
	r->cfg.cpus = 9;
	assert_int_equal(arm_rig_virt(r, &both), -EINVAL);
}

static void redistributors_are_as_many_as_cpus(void **state)
{
	struct arm_rig *r = *state;
	const struct gmem_range *redist = &r->machine.gic.redists[0];

	r->cfg.cpus = 255;
	create(r, &both);
	assert_int_equal(r->machine.gic.n_redists, 1);
	assert_true(redist->len == 255 * 0x20000);
	assert_true(redist->gpa + redist->len <= VIRT_PCI_MEM32_GPA);
	assert_true(r->machine.mpidr[17] == 0x101);
}

static void serial_ports_come_in_two_kinds_or_not_at_all(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.uart = (char *)"16550";
	create(r, &both);
	assert_true(r->machine.serial_used);
	assert_false(is_there(r, VIRT_UART_GPA + 0x100));
	arm_rig_again(r);
	r->cfg.serial = (char *)"none";
	create(r, &both);
	assert_false(is_there(r, VIRT_UART_GPA));
}

static void addresses_have_no_more_bits_than_they_need(void **state)
{
	struct arm_rig *r = *state;

	create(r, &both);
	assert_true(r->vm.pci.windows.mem64_base == 8 * GiB);
	assert_int_equal(r->machine.ipa_bits, 34);
	arm_rig_again(r);
	r->cfg.memory = 7 * GiB;	/* stolen time behind it is at the window's place */
	create(r, &both);
	assert_true(r->machine.pvtime_gpa == 8 * GiB);
	assert_true(r->vm.pci.windows.mem64_base == 16 * GiB);
	assert_int_equal(r->machine.ipa_bits, 35);
}

static void what_the_host_cannot_address_is_not_there_or_refused(void **state)
{
	struct arm_rig *r = *state;

	r->ipa_bits = 33;
	create(r, &both);
	assert_true(r->vm.pci.windows.mem64_size == 0);
	assert_int_equal(r->machine.ipa_bits, 32);
	arm_rig_again(r);
	r->cfg.memory = 8 * GiB;
	assert_int_equal(arm_rig_virt(r, &both), -EINVAL);
}

static void a_32_bit_machine_is_below_4_gib(void **state)
{
	struct arm_rig *r = *state;
	const struct pci_windows *w = &r->vm.pci.windows;

	r->machine.kernel.aarch32 = true;
	r->has_pmu = true;
	create(r, &both);
	assert_true(w->mem64_size == 0 && w->mem32_base + w->mem32_size <= 4 * GiB);
	assert_int_equal(r->machine.ipa_bits, 32);
	assert_true(r->machine.pvtime_gpa == 0);
	assert_int_equal(r->machine.pmu_irq, 0);
}

static void firmware_gets_memory_at_0(void **state)
{
	struct arm_rig *r = *state;

	create(r, &both);
	assert_true(r->machine.firmware.len == 0);
	arm_rig_again(r);
	r->machine.kernel.raw = true;
	create(r, &both);
	assert_true(r->machine.firmware.gpa == 0 && r->machine.firmware.len == VIRT_FIRMWARE_SIZE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(everything_is_where_the_layout_says),
		T(slots_are_as_many_as_devices),
		T(the_newest_gic_of_the_host_is_taken),
		T(gic_2_brings_a_frame_for_messages),
		T(a_gic_without_its_has_wires_only),
		T(a_gic_that_the_host_lacks_is_refused),
		T(redistributors_are_as_many_as_cpus),
		T(serial_ports_come_in_two_kinds_or_not_at_all),
		T(addresses_have_no_more_bits_than_they_need),
		T(what_the_host_cannot_address_is_not_there_or_refused),
		T(a_32_bit_machine_is_below_4_gib),
		T(firmware_gets_memory_at_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
