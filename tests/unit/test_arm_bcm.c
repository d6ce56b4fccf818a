/* SPDX-License-Identifier: MIT */
/* Boards with a BCM2836 from their device trees, Debian's among them; without KVM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "devices/bcm283x_local.h"
#include "devices/bcm283x_sdhost.h"
#include "devices/usb/usb.h"
#include "devices/usb/usb_models.h"
#include "tests/arm_rig.h"
#include "tests/mem_disk.h"
#include "vmm/util.h"

#define LOCAL 0x40000000
#define ARMCTRL 0x3f00b200

#define SOC(nodes) \
	"/ { #address-cells = <1>; #size-cells = <1>; interrupt-parent = <&intc>; soc {" \
	" compatible = \"simple-bus\"; #address-cells = <1>; #size-cells = <1>;" \
	" ranges = <0x7e000000 0x3f000000 0x1000000>, <0x40000000 0x40000000 0x1000>;" \
	" intc: interrupt-controller@7e00b200 { compatible = \"brcm,bcm2836-armctrl-ic\";" \
	"  reg = <0x7e00b200 0x200>; interrupt-controller; #interrupt-cells = <2>;" \
	"  interrupt-parent = <&l1>; interrupts = <8 4>; };" \
	" l1: local_intc@40000000 { compatible = \"brcm,bcm2836-l1-intc\";" \
	"  reg = <0x40000000 0x100>;" \
	"  interrupt-controller; #interrupt-cells = <2>; interrupt-parent = <&l1>; };" \
	nodes " }; };"

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

static uint32_t rd(struct arm_rig *r, uint64_t gpa)
{
	uint64_t value = 0;

	return bus_read(&r->vm.mmio, gpa, 4, &value) ? value : UINT32_MAX;
}

static void wr(struct arm_rig *r, uint64_t gpa, uint32_t value)
{
	assert_true(bus_write(&r->vm.mmio, gpa, 4, value));
}

/* --- boards in text ----------------------------------------------------------------- */

static void a_bcm2836_needs_no_gic(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC()), 0);
	assert_non_null(r->machine.bcm.local);
	assert_false(r->machine.gic.known);
	assert_int_equal(r->machine.n_unknown, 0);
	assert_int_equal(r->lines, 0);
	arm_rig_again(r);
	r->cfg.gic = (char *)"none";
	assert_int_equal(arm_rig_build(r, SOC()), 0);
}

/* A tree may name any number of CPUs. */
static void case_95_more_cpus_than_the_controller_has(void **state)
{
	struct arm_rig *r = *state;

	r->vm.n_vcpus = BCM283X_CPUS;
	assert_int_equal(arm_rig_build(r, SOC()), 0);
	arm_rig_again(r);
	r->vm.n_vcpus = BCM283X_CPUS + 1;
	assert_int_equal(arm_rig_build(r, SOC()), -EINVAL);
}

static void a_device_interrupts_through_both_controllers(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"serial@7e201000 { compatible = \"arm,pl011\"; reg = <0x7e201000 0x200>;"
		" interrupts = <2 25>; };")), 0);
	wr(r, 0x3f201030, 0x301);		/* CR: on */
	wr(r, 0x3f201038, 1 << 5);		/* IMSC: room to send */
	wr(r, 0x3f201000, 'x');
	wr(r, ARMCTRL + 0x14, 1 << 25);
	assert_int_equal(rd(r, ARMCTRL + 8), 1 << 25);
	assert_int_equal(rd(r, LOCAL + 0x60), 1 << 8);
	assert_true(r->machine.bcm.local->out[0][0]);
}

static void the_fiq_of_the_peripherals_is_connected_as_well(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"serial@7e201000 { compatible = \"arm,pl011\"; reg = <0x7e201000 0x200>;"
		" interrupts = <2 25>; };")), 0);
	wr(r, 0x3f201030, 0x301);
	wr(r, 0x3f201038, 1 << 5);
	wr(r, 0x3f201000, 'x');
	wr(r, ARMCTRL + 0xc, 0x80 | 57);
	assert_int_equal(rd(r, LOCAL + 0x70), 1 << 8);
}

static void the_mini_uart_shows_in_aux(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"serial@7e215040 { compatible = \"brcm,bcm2835-aux-uart\"; reg = <0x7e215040 0x40>;"
		" interrupts = <1 29>; };"
		"aux@7e215000 { compatible = \"brcm,bcm2835-aux\"; reg = <0x7e215000 8>; };")), 0);
	wr(r, 0x3f215044, 2);
	wr(r, 0x3f215040, 'x');
	assert_int_equal(rd(r, 0x3f215000), 1);
	wr(r, ARMCTRL + 0x10, 1 << 29);
	assert_int_equal(rd(r, ARMCTRL + 4), 1 << 29);
}

static void sd_command(struct arm_rig *r, unsigned index, uint32_t arg)
{
	wr(r, 0x3f202004, arg);
	wr(r, 0x3f202000, 0x8000 | index);
}

static void the_first_disk_is_the_card_in_the_boards_slot(void **state)
{
	static const struct disk_info info = { 1u << 20, 512, 512, 0, false };
	struct arm_rig *r = *state;
	struct mem_disk disk;

	assert_int_equal(arm_rig_build(r, SOC(
		"mmc@7e202000 { compatible = \"brcm,bcm2835-sdhost\"; reg = <0x7e202000 0x100>;"
		" interrupts = <2 24>; };"
		"dma@7e007000 { compatible = \"brcm,bcm2835-dma\"; reg = <0x7e007000 0xf00>; };"
		)), 0);
	wr(r, 0x3f202030, 1);
	sd_command(r, 8, 0x1aa);
	assert_int_equal(rd(r, 0x3f202000) & 0x4000, 0x4000);
	assert_ptr_equal(r->machine.bcm.sdhost->dma, r->machine.bcm.dma);
	mem_disk_init(&disk, r->vm.loop, &info);
	assert_int_equal(r->vm.disk_slot.insert(r->vm.disk_slot.ctx, disk.disk), 0);
	sd_command(r, 8, 0x1aa);
	assert_int_equal(rd(r, 0x3f202010), 0x1aa);
	arm_rig_again(r);
	mem_disk_finish(&disk);
}

static void a_board_with_the_other_host_has_its_card_there(void **state)
{
	static const struct disk_info info = { 1u << 20, 512, 512, 0, false };
	struct arm_rig *r = *state;
	struct mem_disk disk;

	assert_int_equal(arm_rig_build(r, SOC(
		"mmc@7e300000 { compatible = \"brcm,bcm2835-sdhci\"; reg = <0x7e300000 0x100>;"
		" interrupts = <2 30>; };")), 0);
	assert_int_equal(rd(r, 0x3f300024) & 1 << 16, 0);
	mem_disk_init(&disk, r->vm.loop, &info);
	assert_int_equal(r->vm.disk_slot.insert(r->vm.disk_slot.ctx, disk.disk), 0);
	assert_int_equal(rd(r, 0x3f300024) & 1 << 16, 1 << 16);
	arm_rig_again(r);
	mem_disk_finish(&disk);
}

static void a_board_has_one_usb_socket_inside_and_four_outside(void **state)
{
	static const struct usb_device_ops ops = { 0 };
	struct arm_rig *r = *state;
	struct usb_device devices[6];
	struct vm_usb_place place;

	assert_int_equal(arm_rig_build(r, SOC(
		"usb@7e980000 { compatible = \"brcm,bcm2835-usb\"; reg = <0x7e980000 0x10000>;"
		" interrupts = <1 9>; };")), 0);
	assert_int_equal(rd(r, 0x3f980040), 0x4f54280a);
	place = r->vm.usb_place;
	assert_ptr_equal(place.models, usb_models);
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		devices[i] = (struct usb_device){ .ops = &ops };
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(place.plug(place.ctx, &devices[i], false), 0);
	assert_int_equal(place.plug(place.ctx, &devices[4], false), -ENOSPC);
	assert_int_equal(place.plug(place.ctx, &devices[4], true), 0);
	assert_int_equal(place.plug(place.ctx, &devices[5], true), -ENOSPC);
	/* Power shows that somebody is there. */
	wr(r, 0x3f980018, 1 << 24);
	wr(r, 0x3f980008, 1);
	wr(r, 0x3f980440, 1 << 12);
	wr(r, ARMCTRL + 0x10, 1 << 9);
	assert_int_equal(rd(r, LOCAL + 0x60), 1 << 8);
	arm_rig_again(r);
}

static void the_firmware_tells_the_whole_command_line(void **state)
{
	static const struct gmem_range ram = { 0, 1 << 20 };
	static const uint32_t ask[] = { 96, 0, 0x50001, 64, 0, 0 };
	char answer[96] = "";
	struct arm_rig *r = *state;

	r->cfg.append = (char *)"quiet words";
	assert_int_equal(gmem_init(&r->vm.mem, &ram, 1), 0);
	assert_int_equal(arm_rig_build(r,
		"/ { #address-cells = <1>; #size-cells = <1>; chosen { bootargs = \"its own\"; };"
		" l1: local_intc@40000000 { compatible = \"brcm,bcm2836-l1-intc\";"
		"  reg = <0x40000000 0x100>; };"
		" mailbox@3f00b880 { compatible = \"brcm,bcm2835-mbox\"; reg = <0x3f00b880 0x40>; };"
		" };"), 0);
	assert_int_equal(gmem_write(&r->vm.mem, 0x1000, ask, sizeof(ask)), 0);
	wr(r, 0x3f00b8a0, 0xc0001008);
	assert_int_equal(gmem_read(&r->vm.mem, 0x1000, answer, sizeof(answer) - 1), 0);
	assert_string_equal(answer + 20, "its own quiet words");
	r->cfg.append = NULL;
	arm_rig_again(r);
}

static void two_controllers_next_to_the_cpus_are_refused(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"other@40000200 { compatible = \"brcm,bcm2836-l1-intc\";"
		" reg = <0x40000200 0x100>; };"
		)), -EINVAL);
}

static void case_95_interrupts_that_do_not_exist_are_not_connected(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"a@7e003000 { compatible = \"brcm,bcm2835-system-timer\";"
		" reg = <0x7e003000 0x1000>;"
		" interrupts = <3 0>, <1 32>, <0 8>, <0xffffffff 0xffffffff>; };"
		"b@7e200000 { compatible = \"brcm,bcm2835-gpio\"; reg = <0x7e200000 0xb4>;"
		" interrupt-parent = <&l1>; interrupts = <9 4>, <0 4>, <77 4>; };"
		"c@7e100000 { compatible = \"brcm,bcm2835-pm-wdt\";"
		" reg = <0x7e100000 0x114>; };")), 0);
	for (unsigned i = 0; i < 4; i++)
		wr(r, 0x3f00300c + i * 4, 0);
}

static void case_95_a_block_without_registers_is_refused(void **state)
{
	static const char *const names[] = {
		"bcm2836-l1-intc", "bcm2836-armctrl-ic", "bcm2835-system-timer", "bcm2835-pm",
		"bcm2835-cprman", "bcm2835-gpio", "bcm2835-rng", "bcm2836-thermal", "bcm2835-aux",
		"bcm2835-aux-uart", "bcm2835-mbox", "bcm2835-dma",
		"bcm2835-sdhost", "bcm2835-sdhci",
	};
	struct arm_rig *r = *state;
	char text[2048];

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text),
			 "/ { #address-cells = <1>; #size-cells = <1>;"
			 " x { compatible = \"brcm,%s\"; }; };", names[i]);
		assert_int_equal(arm_rig_build(r, text), -EINVAL);
		arm_rig_again(r);
	}
}

static void a_reset_reaches_every_block(void **state)
{
	struct arm_rig *r = *state;

	assert_int_equal(arm_rig_build(r, SOC(
		"c@7e101000 { compatible = \"brcm,bcm2835-cprman\"; reg = <0x7e101000 0x2000>; };"
		)), 0);
	wr(r, 0x3f101000 + 0xf4, 0x5a000001);
	wr(r, ARMCTRL + 0x10, 1);
	for (struct arm_device *dev = r->machine.devices; dev; dev = dev->next)
		dev->ops->reset(&r->vm, dev);
	assert_int_equal(rd(r, 0x3f101000 + 0xf4), 42667);
	assert_int_equal(rd(r, ARMCTRL + 0x10), 0);
}

/* --- Debian's tree of a Raspberry Pi 2 ------------------------------------------------------ */

/* The bytes of the file that a command of the shell names; 0: it could not be had. */
static size_t fetch_tree(char *blob, size_t room)
{
	static const char find[] =
		"d=$(tests/assets.sh kernel-armmp 2>/dev/null) && d=$(dirname \"$d\") && "
		"cat \"$d\"/usr/lib/linux-image-*/bcm2836-rpi-2-b.dtb 2>/dev/null";
	FILE *f = popen(find, "r");
	size_t len = f ? fread(blob, 1, room, f) : 0;

	if (f)
		pclose(f);
	return len;
}

static const char *const without_a_model[] = {
	"brcm,bcm2835-txp",
	"brcm,bcm2835-i2c",
	"brcm,bcm2835-pwm",
	"brcm,bcm2835-hvs",
	"brcm,bcm2835-pixelvalve0",
	"brcm,bcm2835-pixelvalve1",
	"brcm,bcm2835-pixelvalve2",
	"brcm,bcm2835-vec",
	"brcm,bcm2835-hdmi",
	"brcm,bcm2835-v3d",
	"brcm,bcm2836-vchiq",
};

static bool is_expected(const struct arm_fdt_node *node)
{
	for (unsigned i = 0; i < ARRAY_SIZE(without_a_model); i++)
		if (arm_fdt_is_compatible(node, without_a_model[i]))
			return true;
	return false;
}

static bool has_model(const struct arm_fdt_node *node)
{
	const struct arm_model *const tables[] = { arm_models, arm_bcm_models, arm_usb_models };

	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct arm_model *m = tables[i]; m->compatible; m++)
			if (arm_fdt_is_compatible(node, m->compatible))
				return true;
	return false;
}

static int check_node(void *ctx, const struct arm_fdt_node *node)
{
	unsigned *n = ctx;

	if (!node->n_regs && !node->n_irqs)
		return 0;
	if (!strncmp(node->path, "/cpus", 5))
		return 0;
	if (has_model(node) == is_expected(node))
		fail_msg("%s (%s) has %s model", node->path, node->compatible,
			 has_model(node) ? "a" : "no");
	*n += !has_model(node);
	return 0;
}

static void a_raspberry_pi_2_of_debians_tree_builds(void **state)
{
	struct arm_rig *r = *state;
	char *blob = malloc(ARM_FDT_MAX);
	size_t len = fetch_tree(blob, ARM_FDT_MAX);
	unsigned n = 0;
	int ret;

	if (!len) {
		free(blob);
		skip();
	}
	ret = arm_rig_build_blob(r, blob, len);
	free(blob);
	assert_int_equal(ret, 0);
	assert_int_equal(arm_fdt_walk(&r->machine.tree, check_node, &n), 0);
	assert_int_equal(r->machine.n_unknown, n);
	assert_int_equal(rd(r, 0x3f101000 + 0xf4), 42667);
	assert_int_equal(rd(r, 0x3f00a020), 0x62726467);
	assert_int_equal(rd(r, LOCAL + 0x60), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_bcm2836_needs_no_gic),
		T(case_95_more_cpus_than_the_controller_has),
		T(a_device_interrupts_through_both_controllers),
		T(the_fiq_of_the_peripherals_is_connected_as_well),
		T(the_mini_uart_shows_in_aux),
		T(the_first_disk_is_the_card_in_the_boards_slot),
		T(a_board_with_the_other_host_has_its_card_there),
		T(a_board_has_one_usb_socket_inside_and_four_outside),
		T(the_firmware_tells_the_whole_command_line),
		T(two_controllers_next_to_the_cpus_are_refused),
		T(case_95_interrupts_that_do_not_exist_are_not_connected),
		T(case_95_a_block_without_registers_is_refused),
		T(a_reset_reaches_every_block),
		T(a_raspberry_pi_2_of_debians_tree_builds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
