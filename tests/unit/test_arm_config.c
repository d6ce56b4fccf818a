/* SPDX-License-Identifier: MIT */
/* config.txt, as a Raspberry Pi 2 reads it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/arm/boot_config.h"
#include "vmm/util.h"

#define SERIAL 0x564d0002

/* Files to include: "more" and one that includes itself. */
static int read_file(void *ctx, const char *name, char **text, size_t *len)
{
	unsigned *n = ctx;
	const char *found = !strcmp(name, "more") ? "cmdline=other.txt\n" :
			    !strcmp(name, "itself") ? "include itself\n" : NULL;

	++*n;
	if (!found)
		return -ENOENT;
	*text = strdup(found);
	*len = strlen(found);
	return 0;
}

static int parse(struct boot_config *c, const char *text)
{
	unsigned n = 0;
	const struct boot_config_reader reader = { read_file, &n };

	return boot_config_parse(c, "config.txt", text, strlen(text), SERIAL, &reader);
}

static void what_is_not_said_has_a_default(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, ""), 0);
	assert_string_equal(c.cmdline, "cmdline.txt");
	assert_string_equal(c.overlay_prefix, "overlays/");
	assert_string_equal(c.kernel, "");
	assert_int_equal(c.kernel_address, 0x8000);
	assert_false(c.arm_64bit || c.no_tree || c.upstream);
	assert_int_equal(c.n_dt, 0);
}

static void settings_are_read_with_spaces_and_carriage_returns(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "# kernel=no\r\n  kernel = vmlinuz-6.1 \r\n"
			       "initramfs initrd.img-6.1 followkernel\r\n"
			       "kernel_address=0x10000\nos_prefix=new/\n"
			       "device_tree=a.dtb\nframebuffer_width=1024\nupstream_kernel=1"), 0);
	assert_string_equal(c.kernel, "vmlinuz-6.1");
	assert_string_equal(c.initramfs, "initrd.img-6.1");
	assert_string_equal(c.os_prefix, "new/");
	assert_string_equal(c.device_tree, "a.dtb");
	assert_int_equal(c.kernel_address, 0x10000);
	assert_int_equal(c.fb_width, 1024);
	assert_true(c.upstream);
}

static void other_boards_sections_do_not_count(void **state)
{
	static const struct {
		const char *filter;
		bool counts;
	} filters[] = {
		{ "pi2", true }, { "Pi2", true }, { "pi1", false }, { "pi3+", false },
		{ "cm4", false }, { "all", true }, { "none", false }, { "board-type=0x04", true },
		{ "board-type=0x14", false }, { "0x564d0002", true }, { "0x1", false },
		{ "EDID=VSC-TD2220", false }, { "gpio4=0", false }, { "gpio4=1", true },
		{ "gpio17=0", true }, { "gpio17=1", false }, { "gpio53=1", true },
		{ "gpio54=0", false }, { "gpio17", false }, { "gpio=0", false },
		{ "gpio17=", false },
		{ "HDMI:0", true }, { "tryboot", false }, { "pi4", false }, { "", false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(filters); i++) {
		struct boot_config c;
		char text[128];

		snprintf(text, sizeof(text), "[%s]\nkernel=this\n[all]\ncmdline=that\n",
			 filters[i].filter);
		assert_int_equal(parse(&c, text), 0);
		if (!!*c.kernel != filters[i].counts)
			fail_msg("[%s] counts: %d", filters[i].filter, !!*c.kernel);
		assert_string_equal(c.cmdline, "that");
	}
}

static void filters_of_one_kind_replace_each_other_and_others_add_up(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "[pi1]\n[pi2]\nkernel=a\n[EDID=x]\nkernel=b\n[pi2]\nkernel=c\n"),
			 0);
	assert_string_equal(c.kernel, "a");
}

static void overlays_and_parameters_keep_their_order(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "dtparam=audio=on\ndtoverlay=vc4-kms-v3d,cma-128\n"
			       "dtparam=noaudio\ndtoverlay=\ndevice_tree_param=spi=on\n"), 0);
	assert_int_equal(c.n_dt, 5);
	assert_true(!c.dt[0].overlay && c.dt[1].overlay && !c.dt[2].overlay && c.dt[3].overlay &&
		    !c.dt[4].overlay);
	assert_string_equal(c.dt[1].text, "vc4-kms-v3d,cma-128");
	assert_string_equal(c.dt[3].text, "");
	assert_string_equal(c.dt[4].text, "spi=on");
}

static void files_are_included_where_they_are_named(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "cmdline=first.txt\ninclude more\ninclude nothing\nkernel=k\n"),
			 0);
	assert_string_equal(c.cmdline, "other.txt");
	assert_string_equal(c.kernel, "k");
}

static void no_tree_is_not_the_default_tree(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "device_tree=\n"), 0);
	assert_true(c.no_tree);
	assert_int_equal(parse(&c, "device_tree=\ndevice_tree=x\n"), 0);
	assert_false(c.no_tree);
}

static void what_is_about_other_hardware_has_no_effect(void **state)
{
	struct boot_config c;

	assert_int_equal(parse(&c, "initial_turbo=30\ngpu_mem=256\nrubbish\n=\n[\n[x\nkernel"), 0);
	assert_string_equal(c.kernel, "");
}

static void case_94_values_that_are_none_are_refused(void **state)
{
	static const char *const lines[] = {
		"kernel_address=0x", "kernel_address=-1", "kernel_address=0x100000000",
		"kernel_address=12x", "arm_64bit=yes", "kernel_old=", "include itself",
	};
	struct boot_config c;

	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(parse(&c, lines[i]), -EINVAL);
}

static void case_94_too_much_is_refused(void **state)
{
	static const char *const keys[] = { "kernel=", "dtoverlay=", "os_prefix=", "initramfs " };
	struct boot_config c;
	char text[8192] = "";

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(text, sizeof(text), "%s%0255d", keys[i], 1);
		assert_int_equal(parse(&c, text), 0);
		snprintf(text, sizeof(text), "%s%0256d", keys[i], 1);
		assert_int_equal(parse(&c, text), -EINVAL);
	}
	*text = '\0';
	for (unsigned i = 0; i < BOOT_CONFIG_DT; i++)
		strcat(text, "dtparam=x\n");
	assert_int_equal(parse(&c, text), 0);
	strcat(text, "dtparam=x\n");
	assert_int_equal(parse(&c, text), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_a_default),
		cmocka_unit_test(settings_are_read_with_spaces_and_carriage_returns),
		cmocka_unit_test(other_boards_sections_do_not_count),
		cmocka_unit_test(filters_of_one_kind_replace_each_other_and_others_add_up),
		cmocka_unit_test(overlays_and_parameters_keep_their_order),
		cmocka_unit_test(files_are_included_where_they_are_named),
		cmocka_unit_test(no_tree_is_not_the_default_tree),
		cmocka_unit_test(what_is_about_other_hardware_has_no_effect),
		cmocka_unit_test(case_94_values_that_are_none_are_refused),
		cmocka_unit_test(case_94_too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
