/* SPDX-License-Identifier: MIT */
/* Memory and CPUs of trees from files, and the tree that the guest gets. No KVM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/arm/rpi.h"
#include "devices/backend/netaddr.h"
#include "tests/arm_rig.h"
#include "tests/capture.h"
#include "vmm/util.h"

#define GIC \
	"gic: intc@8000000 { compatible = \"arm,gic-v3\"; interrupt-controller;" \
	" #interrupt-cells = <3>; reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0xf60000>; };"
#define CPUS \
	"cpus { #address-cells = <1>; #size-cells = <0>;" \
	" cpu@f00 { device_type = \"cpu\"; compatible = \"arm,cortex-a7\"; reg = <0xf00>; };" \
	" cpu@f01 { device_type = \"cpu\"; compatible = \"arm,cortex-a7\"; reg = <0xf01>; }; };"
#define MEMORY(at) "memory@" #at " { device_type = \"memory\"; reg = <0 0x" #at " 0 0x10000000>; };"
#define TREE(nodes) \
	"/ { #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>; chosen { };" \
	GIC nodes "};"

static int setup(void **state)
{
	struct arm_rig *r = calloc(1, sizeof(*r));

	arm_rig_init(r);
	r->cfg.append = (char *)"quiet";
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

static void memory_is_where_the_tree_says_and_as_large_as_asked_for(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(80000000))), 0);
	assert_true(r->machine.ram.gpa == 0x80000000 && r->machine.ram.len == 512 * MiB);
	assert_true(r->machine.pvtime_gpa == 0 && r->machine.firmware.len == 0);
}

/* As in the trees of the Raspberry Pi's own kernels: their firmware fills it in. */
static void memory_may_have_no_length_yet(void **state)
{
	static const char empty[] = "memory@0 { device_type = \"memory\"; reg = <0 0 0 0>; };";
	struct arm_rig *r = *state;
	struct gmem_range ram;
	struct arm_fdt fdt = { 0 };
	struct arm_entry entry = { 0 };
	char tree[1024];

	r->cfg.memory = 64 * MiB;
	snprintf(tree, sizeof(tree), TREE(CPUS "%s"), empty);
	assert_int_equal(arm_rig_create(r, tree), 0);
	assert_true(r->machine.ram.gpa == 0 && r->machine.ram.len == 64 * MiB);
	assert_int_equal(arm_tree_for_guest(&r->vm, &entry, &fdt), 0);
	assert_int_equal(arm_fdt_memory(&fdt, &ram, 1), 1);
	assert_int_equal(ram.len, 64 * MiB);
	arm_fdt_close(&fdt);
	arm_rig_again(r);
	snprintf(tree, sizeof(tree), TREE(CPUS "%s" MEMORY(40000000)), empty);
	assert_int_equal(arm_rig_create(r, tree), 0);
	assert_int_equal(r->machine.ram.gpa, 0x40000000);
}

static void cpus_have_the_numbers_of_the_tree(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.cpus = 2;
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), 0);
	assert_true(r->machine.mpidr[0] == 0xf00 && r->machine.mpidr[1] == 0xf01);
}

static void firmware_is_at_0_unless_that_is_memory(void **state)
{
	struct arm_rig *r = *state;

	r->machine.kernel.raw = true;
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), 0);
	assert_int_not_equal(r->machine.firmware.len, 0);
	arm_rig_again(r);
	r->machine.kernel.raw = true;
	r->cfg.memory = 64 * MiB;
	assert_int_equal(arm_rig_create(r, TREE(CPUS "memory { device_type = \"memory\";"
					       " reg = <0 0 0 0x4000000>; };")), 0);
	assert_int_equal(r->machine.firmware.len, 0);
}

static void more_memory_than_there_is_room_for_is_refused(void **state)
{
	struct arm_rig *r = *state;
	const char *tree = TREE(CPUS MEMORY(0) "uart@20000000 { compatible = \"arm,pl011\";"
				" reg = <0 0x20000000 0 0x1000>; };");

	r->cfg.memory = 128 * MiB;	/* up to the GIC */
	assert_int_equal(arm_rig_create(r, tree), 0);
	arm_rig_again(r);
	r->cfg.memory += 4 * KiB;
	assert_int_equal(arm_rig_create(r, tree), -EINVAL);
}

static void what_is_said_to_be_room_is_room(void **state)
{
	const char *tree = TREE(CPUS MEMORY(0) "uart@4000000 { compatible = \"arm,pl011\";"
				" reg = <0 0x4000000 0 0x1000>; };");
	struct arm_rig *r = *state;
	struct capture said;

	capture_begin(&said, STDERR_FILENO);
	assert_int_equal(arm_rig_create(r, tree), -EINVAL);
	assert_true(capture_end_has(&said, "/uart@4000000 of the device tree is at 0x4000000, so "
				    "there is room for 64M"));
	arm_rig_again(r);
	r->cfg.memory = 64 * MiB;
	assert_int_equal(arm_rig_create(r, tree), 0);
}

static void reserved_memory_is_no_device_in_the_way(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000)
		"reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;"
		" pool@41000000 { compatible = \"shared-dma-pool\";"
		" reg = <0 0x41000000 0 0x100000>; }; };")), 0);
	assert_int_equal(arm_machine_build(&r->vm), 0);
	assert_int_equal(r->machine.n_unknown, 0);
}

static void case_95_trees_without_memory_or_cpus_are_refused(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_create(r, TREE(CPUS)), -EINVAL);
	arm_rig_again(r);
	assert_int_equal(arm_rig_create(r, TREE(MEMORY(40000000))), -EINVAL);
	arm_rig_again(r);
	r->cfg.cpus = 3;
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), -EINVAL);
}

static void case_95_memory_that_wraps_or_is_unaligned_is_refused(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40001000))), -EINVAL);
	arm_rig_again(r);
	assert_int_equal(arm_rig_create(r, TREE(CPUS
		"memory { device_type = \"memory\"; reg = <0xffffffff 0xfff00000 0 0x1000>; };")),
		-EINVAL);
}

static void memory_beyond_the_bits_of_the_hosts_cpu_is_refused(void **state)
{
	struct arm_rig *r = *state;

	r->ipa_bits = 36;
	r->cfg.memory = 62 * GiB;
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(80000000))), 0);
	arm_rig_again(r);
	r->cfg.memory += 64 * KiB;
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(80000000))), -EINVAL);
}

static void options_that_the_tree_decides_are_refused(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.gic = (char *)"3";
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), -EINVAL);
	arm_rig_again(r);
	r->cfg.gic = NULL;
	r->cfg.uart = (char *)"pl011";
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), -EINVAL);
}

static void to_do_without_a_gic_needs_a_board_without_one(void **state)
{
	struct arm_rig *r = *state;

	r->cfg.gic = (char *)"none";
	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000))), 0);
	assert_int_equal(arm_machine_build(&r->vm), -EINVAL);
	arm_rig_again(r);
	r->cfg.dtb = NULL;
	assert_int_equal(arm_tree_create(&r->vm), -EINVAL);
}

static void the_guest_sees_its_memory_cpus_and_slots_in_use(void **state)
{
	static const struct arm_entry entry = { .initrd_gpa = 0x48000000, .initrd_len = 0x1000 };
	struct arm_rig *r = *state;
	struct arm_fdt fdt = { 0 };
	struct gmem_range ram = { 0 };
	const char *args;
	int slot;

	assert_int_equal(arm_rig_create(r, TREE(CPUS MEMORY(40000000)
		"v@a000000 { compatible = \"virtio,mmio\"; reg = <0 0xa000000 0 0x200>; };"
		"v@a000200 { compatible = \"virtio,mmio\"; reg = <0 0xa000200 0 0x200>; };")), 0);
	assert_int_equal(arm_machine_build(&r->vm), 0);
	r->vm.mmio_slots_used = 1;
	assert_int_equal(arm_tree_for_guest(&r->vm, &entry, &fdt), 0);
	assert_int_equal(arm_fdt_cpus(&fdt, NULL, 0), 1);
	assert_int_equal(arm_fdt_memory(&fdt, &ram, 1), 1);
	assert_true(ram.gpa == 0x40000000 && ram.len == 512 * MiB);
	args = arm_fdt_string(&fdt, arm_fdt_find(&fdt, "/chosen"), "bootargs");
	assert_string_equal(args, "quiet");
	slot = arm_fdt_find(&fdt, "/v@a000000");
	assert_null(arm_fdt_string(&fdt, slot, "status"));
	slot = arm_fdt_find(&fdt, "/v@a000200");
	assert_string_equal(arm_fdt_string(&fdt, slot, "status"), "disabled");
	/* The machine's own is as it was, for the next boot. */
	assert_int_equal(arm_fdt_cpus(&r->machine.tree, NULL, 0), 2);
	arm_fdt_close(&fdt);
}

/* --- virtio on a board that knows nothing of it ---------------------------------------------- */

#define PI(nodes) \
	"/ { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&intc>; chosen { };" \
	" intc: intc@3f00b200 { compatible = \"brcm,bcm2836-armctrl-ic\"; interrupt-controller;" \
	" #interrupt-cells = <2>; reg = <0x3f00b200 0x200>; };" \
	" local@40000000 { compatible = \"brcm,bcm2836-l1-intc\"; reg = <0x40000000 0x100>; };" \
	" memory@0 { device_type = \"memory\"; reg = <0 0x1000>; }; " CPUS nodes " };"
#define SD "mmc@3f202000 { compatible = \"brcm,bcm2835-sdhost\"; reg = <0x3f202000 0x100>; };"

static const struct virtio_model *model_named(const char *name)
{
	unsigned i = 0;

	while (strcmp(virtio_models[i]->name, name))
		i++;
	return virtio_models[i];
}

static unsigned slots_of(struct arm_rig *r, const char *tree, const char *const *options)
{
	unsigned n;

	r->cfg.n_devices = 0;
	for (; *options; options += 2) {
		struct config_device *dev = &r->cfg.devices[r->cfg.n_devices++];

		*dev = (struct config_device){ .model = model_named(options[0]) };
		if (!strcmp(options[1], "by default"))
			dev->by_default = true;
		else if (*options[1])
			dev->opts = (struct opt_value){ .pairs = { { "bus", options[1] } },
							.n_pairs = 1 };
		dev->usb = !strcmp(options[1], "usb");
	}
	assert_int_equal(arm_rig_create(r, tree), 0);
	assert_int_equal(arm_machine_build(&r->vm), 0);
	n = r->vm.n_mmio_slots;
	arm_rig_again(r);
	r->cfg.n_devices = 0;
	return n;
}

#define SLOTS(r, tree, ...) slots_of(r, tree, (const char *const[]){ __VA_ARGS__, NULL })

static void a_raspberry_pi_has_a_slot_for_each_virtio_device_asked_for(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(SLOTS(r, PI(SD), "rng", "by default", "net", "by default"), 0);
	assert_int_equal(SLOTS(r, PI(SD), "disk", ""), 0);
	assert_int_equal(SLOTS(r, PI(SD), "disk", "", "disk", "", "net", ""), 2);
	assert_int_equal(SLOTS(r, PI(SD), "disk", "mmio", "disk", "", "net", "by default"), 1);
	assert_int_equal(SLOTS(r, PI(), "disk", ""), 1);
	assert_int_equal(SLOTS(r, PI(), "net", "usb", "rng", ""), 1);
}

static void a_tree_that_has_slots_gets_no_more(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(SLOTS(r, PI("v@50000000 { compatible = \"virtio,mmio\";"
				     " reg = <0x50000000 0x200>; };"),
			       "rng", "", "net", ""), 1);
	assert_int_equal(SLOTS(r, TREE(CPUS MEMORY(80000000)), "rng", ""), 0);
}

/* The first card on USB is the board's own. */
static void the_boards_mac_is_that_of_its_ethernet(void **state)
{
	static const uint8_t asked_for[] = { 2, 0, 0, 0, 0, 7 };
	struct arm_rig *r = *state;
	uint8_t made[6];
	struct config_device net = {
		.model = model_named("net"),
		.opts = { .pairs = { { "mac", "02:00:00:00:00:07" } }, .n_pairs = 1 },
	};

	r->vm.cfg = &r->cfg;
	r->cfg.name = (char *)"pi";
	r->cfg.devices[0] = r->cfg.devices[1] = r->cfg.devices[2] = net;
	assert_memory_equal(arm_board(&r->vm).mac, arm_rpi_2b.mac, 6);
	r->cfg.n_devices = 3;
	assert_memory_equal(arm_board(&r->vm).mac, arm_rpi_2b.mac, 6);
	r->cfg.devices[1].usb = r->cfg.devices[2].usb = true;
	assert_memory_equal(arm_board(&r->vm).mac, asked_for, 6);
	/* Else from the guest's name, as that of any card. */
	r->cfg.devices[1].opts.n_pairs = 0;
	netaddr_default_mac(made, r->cfg.name, 1, "user");
	assert_memory_equal(arm_board(&r->vm).mac, made, 6);
	r->cfg.n_devices = 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_raspberry_pi_has_a_slot_for_each_virtio_device_asked_for),
		T(a_tree_that_has_slots_gets_no_more),
		T(the_boards_mac_is_that_of_its_ethernet),
		T(memory_is_where_the_tree_says_and_as_large_as_asked_for),
		T(memory_may_have_no_length_yet),
		T(cpus_have_the_numbers_of_the_tree),
		T(firmware_is_at_0_unless_that_is_memory),
		T(more_memory_than_there_is_room_for_is_refused),
		T(what_is_said_to_be_room_is_room),
		T(reserved_memory_is_no_device_in_the_way),
		T(case_95_trees_without_memory_or_cpus_are_refused),
		T(case_95_memory_that_wraps_or_is_unaligned_is_refused),
		T(memory_beyond_the_bits_of_the_hosts_cpu_is_refused),
		T(options_that_the_tree_decides_are_refused),
		T(to_do_without_a_gic_needs_a_board_without_one),
		T(the_guest_sees_its_memory_cpus_and_slots_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
