/* SPDX-License-Identifier: MIT */
/* What the firmware of a Raspberry Pi writes into a tree. */
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/arm/rpi.h"
#include "tests/dts.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_board_is_named_and_its_port_has_an_address),
		cmocka_unit_test(what_was_there_is_replaced),
		cmocka_unit_test(case_95_an_alias_that_leads_nowhere_is_no_port),
		cmocka_unit_test(case_95_an_alias_without_its_end_is_no_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
