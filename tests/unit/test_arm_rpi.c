/* SPDX-License-Identifier: MIT */
/* What the firmware of a Raspberry Pi writes into a tree. */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/arm/rpi.h"
#include "devices/bcm283x_property.h"
#include "tests/dts.h"
#include "vmm/util.h"

static void open_dts(struct arm_fdt *fdt, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);

	memset(fdt, 0, sizeof(*fdt));
	assert_int_equal(arm_fdt_open_blob(fdt, blob, len, "tree.dtb"), 0);
	free(blob);
}

static void check(const struct arm_fdt *fdt)
{
	int system = arm_fdt_find(fdt, "/system");
	uint64_t serial;
	uint32_t revision;

	assert_string_equal(arm_fdt_string(fdt, 0, "serial-number"), "00000000564d0002");
	assert_true(system >= 0);
	assert_true(arm_fdt_u32(fdt, system, "linux,revision", 0, &revision));
	assert_int_equal(revision, 0xa01041);
	assert_true(arm_fdt_u64(fdt, system, "linux,serial", 0, &serial));
	assert_int_equal(serial, 0x564d0002);
}

static void the_board_is_named_and_its_port_has_an_address(void **state)
{
	struct arm_fdt fdt, again = { 0 };
	unsigned len;
	const uint8_t *mac;

	open_dts(&fdt, "/ { #address-cells = <1>; #size-cells = <1>;"
		 " aliases { ethernet0 = \"/usb/ethernet\"; };"
		 " usb { ethernet { compatible = \"usb424,ec00\"; }; }; };");
	assert_int_equal(arm_rpi_patch(&fdt, &arm_rpi_2b), 0);
	check(&fdt);
	mac = arm_fdt_bytes(&fdt, arm_fdt_find(&fdt, "/usb/ethernet"), "local-mac-address", &len);
	assert_int_equal(len, 6);
	assert_memory_equal(mac, "\xb8\x27\xeb\x4d\x00\x02", 6);
	assert_int_equal(arm_fdt_open_blob(&again, fdt.blob, fdt.size, "again"), 0);
	arm_fdt_close(&again);
	arm_fdt_close(&fdt);
}

static void what_was_there_is_replaced(void **state)
{
	struct arm_fdt fdt;

	open_dts(&fdt, "/ { serial-number = \"old\"; system { linux,serial = <1 2>;"
		 " linux,revision = <3>; }; };");
	assert_int_equal(arm_rpi_patch(&fdt, &arm_rpi_2b), 0);
	assert_int_equal(arm_rpi_patch(&fdt, &arm_rpi_2b), 0);
	check(&fdt);
	arm_fdt_close(&fdt);
}

static void case_95_an_alias_that_leads_nowhere_is_no_port(void **state)
{
	static const char *const aliases[] = { "/nowhere", "", "usb", "/" };
	char text[128];
	struct arm_fdt fdt;

	for (unsigned i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		snprintf(text, sizeof(text), "/ { aliases { ethernet0 = \"%s\"; }; };", aliases[i]);
		open_dts(&fdt, text);
		assert_int_equal(arm_rpi_patch(&fdt, &arm_rpi_2b), 0);
		check(&fdt);
		arm_fdt_close(&fdt);
	}
}

static void case_95_an_alias_without_its_end_is_no_port(void **state)
{
	struct arm_fdt fdt;

	open_dts(&fdt, "/ { aliases { ethernet0 = [2f 75]; }; u { }; };");
	assert_int_equal(arm_rpi_patch(&fdt, &arm_rpi_2b), 0);
	check(&fdt);
	arm_fdt_close(&fdt);
}

static void the_firmwares_picture_is_in_the_tree(void **state)
{
	static const struct {
		uint32_t depth;
		const char *format;
	} depths[] = { { 16, "r5g6b5" }, { 32, "a8r8g8b8" } };
	struct bcm283x_fb fb = { .gpa = 0x3c000000, .width = 640, .height = 480 };
	struct arm_fdt fdt, again = { 0 };
	uint32_t value = 0;
	int node;

	for (unsigned i = 0; i < 2; i++) {
		fb.depth = depths[i].depth;
		fb.pitch = 640 * fb.depth / 8;
		open_dts(&fdt, "/ { #address-cells = <1>; #size-cells = <1>;"
			 " chosen { bootargs = \"quiet\"; }; };");
		assert_int_equal(arm_rpi_add_framebuffer(&fdt, &fb), 0);
		node = arm_fdt_find(&fdt, "/chosen/framebuffer@3c000000");
		assert_true(node >= 0);
		assert_true(arm_fdt_u32(&fdt, node, "reg", 1, &value));
		assert_int_equal(value, fb.pitch * 480);
		assert_true(arm_fdt_u32(&fdt, node, "stride", 0, &value));
		assert_int_equal(value, fb.pitch);
		assert_string_equal(arm_fdt_string(&fdt, node, "format"), depths[i].format);
		assert_string_equal(arm_fdt_string(&fdt, node, "compatible"), "simple-framebuffer");
		assert_true(arm_fdt_has(&fdt, arm_fdt_find(&fdt, "/chosen"), "ranges"));
		assert_int_equal(arm_fdt_open_blob(&again, fdt.blob, fdt.size, "again"), 0);
		arm_fdt_close(&again);
		arm_fdt_close(&fdt);
	}
}

/* Its parameters, in front of what others say. */
static void the_driver_of_the_mailbox_is_told_size_and_order(void **state)
{
	static const struct {
		const char *node, *bootargs;
	} trees[] = {
		{ "fb { compatible = \"brcm,bcm2708-fb\"; status = \"okay\"; };",
		  "bcm2708_fb.fbwidth=800 bcm2708_fb.fbheight=600 bcm2708_fb.fbdepth=32 "
		  "bcm2708_fb.fbswap=1 quiet" },
		{ "fb { compatible = \"brcm,bcm2708-fb\"; status = \"disabled\"; };", "quiet" },
		{ "fb { compatible = \"brcm,bcm2835-vc4\"; };", "quiet" },
	};
	const struct bcm283x_fb fb = { .gpa = 0x3c000000, .width = 800, .height = 600,
				       .depth = 32, .pitch = 3200 };

	for (unsigned i = 0; i < ARRAY_SIZE(trees); i++) {
		struct arm_fdt fdt;
		char dts[300];

		snprintf(dts, sizeof(dts), "/ { #address-cells = <1>; #size-cells = <1>; %s"
			 " chosen { bootargs = \"quiet\"; }; };", trees[i].node);
		open_dts(&fdt, dts);
		assert_int_equal(arm_rpi_add_framebuffer(&fdt, &fb), 0);
		assert_string_equal(arm_fdt_string(&fdt, arm_fdt_find(&fdt, "/chosen"),
						   "bootargs"), trees[i].bootargs);
		arm_fdt_close(&fdt);
	}
}

static void nobody_drives_a_videocore_in_place_of_the_picture(void **state)
{
	const struct bcm283x_fb fb = { .gpa = 0x3c000000, .width = 800, .height = 600,
				       .depth = 32, .pitch = 3200 };
	struct arm_fdt fdt;

	open_dts(&fdt, "/ { #address-cells = <1>; #size-cells = <1>;"
		 " gpu { compatible = \"brcm,bcm2835-vc4\"; }; };");
	assert_int_equal(arm_rpi_add_framebuffer(&fdt, &fb), 0);
	assert_string_equal(arm_fdt_string(&fdt, arm_fdt_find(&fdt, "/gpu"), "status"), "disabled");
	arm_fdt_close(&fdt);
}

/* --- virtio ------------------------------------------------------------------------------- */

#define BOARD(cells, nodes) \
	"/ { #address-cells = <" #cells ">; #size-cells = <1>; interrupt-parent = <&intc>;" \
	" first@0 { compatible = \"x\"; };" \
	" intc: intc@7e00b200 { compatible = \"brcm,bcm2836-armctrl-ic\"; interrupt-controller;" \
	" #interrupt-cells = <2>; }; " nodes " };"

struct slots {
	unsigned n;
	uint64_t gpa[32];
	uint32_t bank[32], line[32];
};

static int see_slot(void *ctx, const struct arm_fdt_node *node)
{
	struct slots *s = ctx;

	if (!arm_fdt_is_compatible(node, "virtio,mmio"))
		return 0;
	assert_int_equal(node->n_regs, 1);
	assert_int_equal(node->n_irqs, 1);
	assert_int_equal(node->irqs[0].n, 2);
	s->gpa[s->n] = node->regs[0].gpa;
	s->bank[s->n] = node->irqs[0].cells[0];
	s->line[s->n++] = node->irqs[0].cells[1];
	return 0;
}

static void virtio_slots_are_apart_and_in_order(void **state)
{
	struct slots s = { 0 };
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(1, ""));
	assert_int_equal(arm_rpi_add_virtio(&fdt, ARM_RPI_MAX_VIRTIO), 0);
	arm_fdt_walk(&fdt, see_slot, &s);
	assert_int_equal(s.n, ARM_RPI_MAX_VIRTIO);
	for (unsigned i = 1; i < s.n; i++) {
		assert_int_equal(s.gpa[i], s.gpa[0] + i * 0x200);
		assert_true(s.bank[i] * 32 + s.line[i] > s.bank[i - 1] * 32 + s.line[i - 1]);
	}
	arm_fdt_close(&fdt);
}

static void virtio_takes_no_interrupt_that_the_board_uses(void **state)
{
	struct slots s = { 0 };
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(2, "jpeg { compatible = \"y\"; interrupts = <1 4>, <1 6>; };"));
	assert_int_equal(arm_rpi_add_virtio(&fdt, 2), 0);
	arm_fdt_walk(&fdt, see_slot, &s);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.line[0], 5);
	assert_int_equal(s.line[1], 7);
	arm_fdt_close(&fdt);
}

static void interrupts_of_other_controllers_are_not_the_boards(void **state)
{
	struct slots s = { 0 };
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(1, "other: x { compatible = \"x\"; interrupt-controller;"
			     " #interrupt-cells = <2>; };"
			     " y { compatible = \"y\"; interrupt-parent = <&other>;"
			     " interrupts = <1 4>; };"));
	assert_int_equal(arm_rpi_add_virtio(&fdt, 1), 0);
	arm_fdt_walk(&fdt, see_slot, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.line[0], 4);
	arm_fdt_close(&fdt);
}

static void case_95_interrupts_that_the_board_has_not_are_nobodys(void **state)
{
	struct slots s = { 0 };
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(1, "y { compatible = \"y\"; interrupts = <3 4>, <1 36>, <1 68>,"
			     " <0x7fffffff 4>, <0xffffffff 0xffffffff>, <1 32>; };"));
	assert_int_equal(arm_rpi_add_virtio(&fdt, ARM_RPI_MAX_VIRTIO), 0);
	arm_fdt_walk(&fdt, see_slot, &s);
	assert_int_equal(s.n, ARM_RPI_MAX_VIRTIO);
	assert_int_equal(s.bank[0], 1);
	assert_int_equal(s.line[0], 4);
	arm_fdt_close(&fdt);
}

static void more_virtio_devices_than_there_are_interrupts_are_refused(void **state)
{
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(1, ""));
	assert_int_equal(arm_rpi_add_virtio(&fdt, ARM_RPI_MAX_VIRTIO + 1), -ENOSPC);
	arm_fdt_close(&fdt);
	open_dts(&fdt, BOARD(1, "y { compatible = \"y\"; interrupts = <2 0>; };"));
	assert_int_equal(arm_rpi_add_virtio(&fdt, ARM_RPI_MAX_VIRTIO), -ENOSPC);
	assert_int_equal(arm_rpi_add_virtio(&fdt, 1000000), -ENOSPC);
	arm_fdt_close(&fdt);
}

static void case_95_a_tree_without_room_for_the_addresses_is_refused(void **state)
{
	struct arm_fdt fdt;

	open_dts(&fdt, BOARD(3, ""));
	assert_int_equal(arm_rpi_add_virtio(&fdt, 1), -EINVAL);
	arm_fdt_close(&fdt);
}

static void trees_of_others_and_for_nobody_stay_as_they_are(void **state)
{
	struct arm_fdt fdt, was = { 0 };

	open_dts(&fdt, "/ { #address-cells = <1>; #size-cells = <1>; x { compatible = \"x\"; }; };");
	assert_int_equal(arm_fdt_copy(&was, &fdt), 0);
	assert_int_equal(arm_rpi_add_virtio(&fdt, 3), 0);
	assert_int_equal(fdt.size, was.size);
	assert_memory_equal(fdt.blob, was.blob, was.size);
	arm_fdt_close(&fdt);
	arm_fdt_close(&was);
	open_dts(&fdt, BOARD(1, ""));
	assert_int_equal(arm_fdt_copy(&was, &fdt), 0);
	assert_int_equal(arm_rpi_add_virtio(&fdt, 0), 0);
	assert_int_equal(fdt.size, was.size);
	assert_memory_equal(fdt.blob, was.blob, was.size);
	arm_fdt_close(&fdt);
	arm_fdt_close(&was);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_firmwares_picture_is_in_the_tree),
		cmocka_unit_test(the_driver_of_the_mailbox_is_told_size_and_order),
		cmocka_unit_test(nobody_drives_a_videocore_in_place_of_the_picture),
		cmocka_unit_test(virtio_slots_are_apart_and_in_order),
		cmocka_unit_test(virtio_takes_no_interrupt_that_the_board_uses),
		cmocka_unit_test(interrupts_of_other_controllers_are_not_the_boards),
		cmocka_unit_test(case_95_interrupts_that_the_board_has_not_are_nobodys),
		cmocka_unit_test(more_virtio_devices_than_there_are_interrupts_are_refused),
		cmocka_unit_test(case_95_a_tree_without_room_for_the_addresses_is_refused),
		cmocka_unit_test(trees_of_others_and_for_nobody_stay_as_they_are),
		cmocka_unit_test(the_board_is_named_and_its_port_has_an_address),
		cmocka_unit_test(what_was_there_is_replaced),
		cmocka_unit_test(case_95_an_alias_that_leads_nowhere_is_no_port),
		cmocka_unit_test(case_95_an_alias_without_its_end_is_no_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
