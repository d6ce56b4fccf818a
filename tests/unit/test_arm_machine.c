/* SPDX-License-Identifier: MIT */
/* Machines from device trees, without KVM: what of it they use is tests/arm_rig.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/arm_rig.h"
#include "vmm/util.h"

#define GIC3 \
	"gic: intc@8000000 { compatible = \"arm,gic-v3\"; interrupt-controller;" \
	" #interrupt-cells = <3>; reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0xf60000>; };"
#define TREE(nodes) \
	"/ { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;" nodes " };"

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

static uint64_t rd(struct arm_rig *r, uint64_t gpa, unsigned size)
{
	uint64_t value = 0;

	return bus_read(&r->vm.mmio, gpa, size, &value) ? value : UINT64_MAX;
}

/* --- what a tree becomes ------------------------------------------------------------- */

static void a_gic_is_where_its_node_says(void **state)
{
	struct arm_rig *r = *state;
	const struct arm_gic_place *gic = &r->machine.gic;

	assert_int_equal(arm_rig_build(r, TREE(GIC3)), 0);
	assert_true(gic->known);
	assert_int_equal(gic->version, ARM_GIC_V3);
	assert_true(gic->dist.gpa == 0x8000000);
	assert_int_equal(gic->n_redists, 1);
	assert_true(gic->redists[0].gpa == 0x80a0000 && gic->redists[0].len == 0xf60000);
	assert_int_equal(gic->n_spis, 0);
}

static void a_device_gets_its_address_and_its_wire(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"rtc@9010000 { compatible = \"arm,pl031\", \"arm,primecell\";"
		" reg = <0 0x9010000 0 0x1000>; interrupts = <0 2 4>; };")), 0);
	assert_int_not_equal(rd(r, 0x9010000, 4), 0);	/* the time */
	assert_int_equal(r->machine.gic.n_spis, 3);
	assert_int_equal(r->lines, 1);
	assert_int_equal(r->last_line, 32 + 2);
}

static void an_address_goes_through_the_buses_around_it(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"soc { compatible = \"simple-bus\"; #address-cells = <1>; #size-cells = <1>;"
		" ranges = <0x7e000000 0 0x3f000000 0x1000000>;"
		" rtc@7e001000 { compatible = \"arm,pl031\"; reg = <0x7e001000 0x1000>; }; };")), 0);
	assert_int_not_equal(rd(r, 0x3f001000, 4), 0);
}

static void disabled_nodes_are_not_there(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"rtc@9010000 { compatible = \"arm,pl031\"; reg = <0 0x9010000 0 0x1000>;"
		" status = \"disabled\"; };")), 0);
	assert_true(rd(r, 0x9010000, 4) == UINT64_MAX);
}

static void slots_of_virtio_are_in_the_order_of_the_tree(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"v@a000000 { compatible = \"virtio,mmio\"; reg = <0 0xa000000 0 0x200>;"
		" interrupts = <0 16 1>; };"
		"v@a000200 { compatible = \"virtio,mmio\"; reg = <0 0xa000200 0 0x200>;"
		" interrupts = <0 17 1>; };")), 0);
	assert_int_equal(r->vm.n_mmio_slots, 2);
	assert_true(r->vm.mmio_slots[0].gpa == 0xa000000);
	assert_true(r->vm.mmio_slots[1].gpa == 0xa000200);
	assert_int_equal(r->vm.mmio_slots[1].irq.n, 32 + 17);
	assert_string_equal(r->machine.slot_paths[1], "/v@a000200");
}

static void a_power_key_is_a_line_of_the_gpio_that_it_names(void **state)
{
	struct arm_rig *r = *state;

	/* The user before what it uses. */
	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"gpio-keys { compatible = \"gpio-keys\";"
		" a { linux,code = <30>; gpios = <&gpio 1 0>; };"
		" power { linux,code = <116>; gpios = <&gpio 3 0>; }; };"
		"gpio: gpio@9030000 { compatible = \"arm,pl061\"; reg = <0 0x9030000 0 0x1000>;"
		" interrupts = <0 7 4>; gpio-controller; #gpio-cells = <2>; };")), 0);
	assert_non_null(r->machine.power_key.gpio);
	assert_int_equal(r->machine.power_key.line, 3);
}

static void a_timer_names_the_private_interrupts(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"timer { compatible = \"arm,armv8-timer\";"
		" interrupts = <1 13 4>, <1 15 4>, <1 12 4>, <1 10 4>; };")), 0);
	assert_int_equal(r->machine.phys_timer, 16 + 15);
	assert_int_equal(r->machine.virt_timer, 16 + 12);
}

static void pci_gets_windows_wires_and_configuration(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"pcie@3f000000 { compatible = \"pci-host-ecam-generic\"; device_type = \"pci\";"
		" reg = <0 0x3f000000 0 0x100000>; bus-range = <0 0>;"
		" #address-cells = <3>; #size-cells = <2>; #interrupt-cells = <1>;"
		" ranges = <0x2000000 0 0x10000000 0 0x10000000 0 0x20000000>,"
		" <0x3000000 2 0 2 0 2 0>;"
		" interrupt-map-mask = <0x1800 0 0 7>;"
		" interrupt-map = <0 0 0 1 &gic 0 3 4>, <0 0 0 2 &gic 0 4 4>,"
		" <0 0 0 3 &gic 0 5 4>, <0 0 0 4 &gic 0 6 4>; };")), 0);
	assert_true(r->vm.pci.windows.mem32_base == 0x10000000);
	assert_true(r->vm.pci.windows.mem64_base == 0x200000000);
	assert_int_equal(r->vm.pci.intx[3].n, 32 + 6);
	assert_int_equal(rd(r, 0x3f000000, 2), 0x1b36);	/* the host bridge */
}

static void a_v2m_frame_turns_messages_into_wires(void **state)
{
	struct arm_rig *r = *state;
	const struct kvm_msi_frame *frame = &r->vm.kvm.frame;

	assert_int_equal(arm_rig_build(r, TREE(
		"gic: intc@8000000 { compatible = \"arm,cortex-a15-gic\"; interrupt-controller;"
		" #interrupt-cells = <3>; #address-cells = <2>; #size-cells = <2>; ranges;"
		" reg = <0 0x8000000 0 0x10000>, <0 0x8010000 0 0x2000>;"
		" v2m@8020000 { compatible = \"arm,gic-v2m-frame\"; reg = <0 0x8020000 0 0x1000>;"
		" arm,msi-base-spi = <80>; arm,msi-num-spis = <64>; }; };")), 0);
	assert_int_equal(r->machine.gic.version, ARM_GIC_V2);
	assert_true(frame->addr == 0x8020040);
	assert_int_equal(frame->first, 80);
	assert_int_equal(frame->n, 64);
	assert_int_equal(frame->pin, 48);
	assert_int_equal(r->machine.gic.n_spis, 48 + 64);
}

/* --- what is not there ---------------------------------------------------------------- */

static void a_device_without_a_model_reads_as_zeros(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"x@9100000 { compatible = \"nobody,knows\"; reg = <0 0x9100000 0 0x1000>; };")), 0);
	assert_int_equal(r->machine.n_unknown, 1);
	assert_int_equal(rd(r, 0x9100ffc, 4), 0);
	assert_true(rd(r, 0x9101000, 4) == UINT64_MAX);
}

static void a_device_is_not_hidden_by_one_without_a_model(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"x@9000000 { compatible = \"nobody,knows\"; reg = <0 0x9000000 0 0x100000>; };"
		"rtc@9010000 { compatible = \"arm,pl031\"; reg = <0 0x9010000 0 0x1000>; };")), 0);
	assert_int_not_equal(rd(r, 0x9010000, 4), 0);
	assert_int_equal(rd(r, 0x9020000, 4), 0);
}

static void a_pmu_that_the_host_lacks_is_taken_out(void **state)
{
	struct arm_rig *r = *state;
	const char *tree = TREE(GIC3 "pmu { compatible = \"arm,armv8-pmuv3\"; interrupts = <1 7 4>; };");

	r->has_pmu = true;
	assert_int_equal(arm_rig_build(r, tree), 0);
	assert_int_equal(r->machine.pmu_irq, 23);
	assert_int_equal(r->machine.n_off, 0);
	arm_rig_again(r);
	r->has_pmu = false;
	assert_int_equal(arm_rig_build(r, tree), 0);
	assert_int_equal(r->machine.pmu_irq, 0);
	assert_string_equal(r->machine.off[0], "/pmu");
}

/* --- trees that lie --------------------------------------------------------------------- */

static void case_95_a_tree_without_a_gic_is_refused(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, "/ { #address-cells = <1>; #size-cells = <1>;"
		" rtc@1000 { compatible = \"arm,pl031\"; reg = <0x1000 0x1000>; }; };"), -EINVAL);
}

static void case_95_a_second_gic_or_its_is_refused(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"b { compatible = \"arm,gic-v3\"; reg = <0 1 0 1>, <0 2 0 1>; };")), -EINVAL);
	arm_rig_again(r);
	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"a { compatible = \"arm,gic-v3-its\"; reg = <0 0x10000 0 0x20000>; };"
		"b { compatible = \"arm,gic-v3-its\"; reg = <0 0x90000 0 0x20000>; };")), -EINVAL);
}

static void case_95_nodes_without_addresses_are_refused(void **state)
{
	static const char *const trees[] = {
		TREE("gic: i { compatible = \"arm,gic-v3\"; reg = <0 0x8000000 0 0x10000>; };"),
		TREE("gic: i { compatible = \"arm,gic-400\"; };"),
		TREE(GIC3 "i { compatible = \"arm,gic-v3-its\"; };"),
		TREE(GIC3 "r { compatible = \"arm,pl031\"; };"),
		TREE(GIC3 "r { compatible = \"arm,pl011\"; reg = <0 0x1000 0 0>; };"),
		TREE(GIC3 "p { compatible = \"pci-host-ecam-generic\"; device_type = \"pci\";"
		     " #address-cells = <3>; #size-cells = <2>; reg = <0 0x3f000000 0 0x1000>; };"),
		TREE(GIC3 "v { compatible = \"arm,gic-v2m-frame\"; };"),
	};
	struct arm_rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(trees); i++) {
		assert_int_equal(arm_rig_build(r, trees[i]), -EINVAL);
		arm_rig_again(r);
	}
}

static void case_95_windows_at_the_end_of_memory_are_refused(void **state)
{
	struct arm_rig *r = *state;

	/* The last bytes there are, then the first of them. */
	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"r { compatible = \"arm,pl031\"; reg = <0xffffffff 0xfffff800 0 0x800>; };")),
		-EINVAL);
	arm_rig_again(r);
	/* Without a model they are just not there. */
	assert_int_equal(arm_rig_build(r, TREE(GIC3
		"r { compatible = \"x,y\"; reg = <0 0 0xffffffff 0xffffffff>; };")), 0);
}

static void case_95_frames_beyond_all_interrupts_are_refused(void **state)
{
	static const char *const frames[] = {
		"arm,msi-base-spi = <31>; arm,msi-num-spis = <8>;",
		"arm,msi-base-spi = <64>; arm,msi-num-spis = <0>;",
		"arm,msi-base-spi = <64>; arm,msi-num-spis = <957>;",
		"arm,msi-base-spi = <0xffffffff>; arm,msi-num-spis = <8>;",
		"arm,msi-base-spi = <64>; arm,msi-num-spis = <0xffffffff>;",
	};
	struct arm_rig *r = *state;
	char tree[1024];

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		snprintf(tree, sizeof(tree), TREE(GIC3 "v { compatible = \"arm,gic-v2m-frame\";"
			 " reg = <0 0x8020000 0 0x1000>; %s };"), frames[i]);
		assert_int_equal(arm_rig_build(r, tree), -EINVAL);
		arm_rig_again(r);
	}
}

static void case_95_interrupts_that_are_none_are_not_connected(void **state)
{
	static const char *const irqs[] = { "<0 988 4>", "<1 5 4>", "<2 5 4>", "<0xffffffff 1 4>" };
	struct arm_rig *r = *state;
	char tree[1024];

	for (unsigned i = 0; i < ARRAY_SIZE(irqs); i++) {
		snprintf(tree, sizeof(tree), TREE(GIC3 "v { compatible = \"virtio,mmio\";"
			 " reg = <0 0xa000000 0 0x200>; interrupts = %s; };"), irqs[i]);
		assert_int_equal(arm_rig_build(r, tree), 0);
		assert_null(r->vm.mmio_slots[0].irq.set);
		assert_int_equal(r->machine.gic.n_spis, 0);
		arm_rig_again(r);
	}
}

static void case_95_more_slots_and_nodes_than_there_is_room_for(void **state)
{
	struct arm_rig *r = *state;
	char *tree = malloc(1 << 20);
	unsigned len = sprintf(tree, "/ { #address-cells = <2>; #size-cells = <2>;"
			       " interrupt-parent = <&gic>;" GIC3);

	for (unsigned i = 0; i < 300; i++)
		len += sprintf(tree + len, "v%u { compatible = \"virtio,mmio\"; reg = <1 %u 0 512>; };"
			       "x%u { compatible = \"no,one\"; reg = <2 %u 0 512>, <3 %u 0 512>; };",
			       i, i * 512, i, i * 512, i * 512);
	sprintf(tree + len, "};");
	assert_int_equal(arm_rig_build(r, tree), 0);
	assert_int_equal(r->vm.n_mmio_slots, VM_MAX_MMIO_SLOTS);
	assert_int_equal(r->machine.n_unknown, 300);
	assert_true(r->machine.n_absent <= ARM_MAX_ABSENT);
	free(tree);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_gic_is_where_its_node_says),
		T(a_device_gets_its_address_and_its_wire),
		T(an_address_goes_through_the_buses_around_it),
		T(disabled_nodes_are_not_there),
		T(slots_of_virtio_are_in_the_order_of_the_tree),
		T(a_power_key_is_a_line_of_the_gpio_that_it_names),
		T(a_timer_names_the_private_interrupts),
		T(pci_gets_windows_wires_and_configuration),
		T(a_v2m_frame_turns_messages_into_wires),
		T(a_device_without_a_model_reads_as_zeros),
		T(a_device_is_not_hidden_by_one_without_a_model),
		T(a_pmu_that_the_host_lacks_is_taken_out),
		T(case_95_a_tree_without_a_gic_is_refused),
		T(case_95_a_second_gic_or_its_is_refused),
		T(case_95_nodes_without_addresses_are_refused),
		T(case_95_windows_at_the_end_of_memory_are_refused),
		T(case_95_frames_beyond_all_interrupts_are_refused),
		T(case_95_interrupts_that_are_none_are_not_connected),
		T(case_95_more_slots_and_nodes_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
