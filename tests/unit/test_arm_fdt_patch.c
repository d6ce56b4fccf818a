/* SPDX-License-Identifier: MIT */
/* What a boot loader writes into a tree, and reads back from it. */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arm/fdt.h"
#include "tests/dts.h"
#include "tests/expect.h"
#include "vmm/util.h"

/* In the manner of the Pi's. */
#define BOARD \
	"/memreserve/ 0x0 0x1000;\n" \
	"/ { #address-cells = <1>; #size-cells = <1>;\n" \
	"  chosen { bootargs = \"own\"; stdout-path = \"/uart\"; };\n" \
	"  memory@0 { device_type = \"memory\"; reg = <0 0x40000000>; };\n" \
	"  memory@80000000 { device_type = \"memory\"; reg = <0x80000000 0x1000>; };\n" \
	"  uart { compatible = \"uart\"; };\n" \
	"  cpus { #address-cells = <1>; #size-cells = <0>;\n" \
	"    enable-method = \"brcm,bcm2836-smp\";\n" \
	"    cpu-map { cluster0 { }; };\n" \
	"    cpu@0 { device_type = \"cpu\"; reg = <0xf00>; };\n" \
	"    cpu@1 { device_type = \"cpu\"; reg = <0xf01>; enable-method = \"spin-table\"; };\n" \
	"    l2 { compatible = \"cache\"; };\n" \
	"    cpu@2 { device_type = \"cpu\"; reg = <0xf02>; };\n" \
	"    cpu@3 { device_type = \"cpu\"; reg = <0xf03>; };\n" \
	"  };\n" \
	"};\n"

struct fixture {
	struct arm_fdt fdt;
	struct arm_fdt_boot boot;
	struct gmem_range memory;
	uint8_t seed[40];
};

static void open_dts(struct fixture *f, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);

	arm_fdt_close(&f->fdt);
	assert_int_equal(arm_fdt_open_blob(&f->fdt, blob, len, "tree.dtb"), 0);
	free(blob);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = (struct gmem_range){ 0, 0x10000000 };
	for (unsigned i = 0; i < sizeof(f->seed); i++)
		f->seed[i] = i + 1;
	open_dts(f, BOARD);
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

/* The result is whole as well: it is opened like a file. */
static void patch(struct fixture *f)
{
	struct arm_fdt again = { 0 };
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_patch(&f->fdt, &f->boot);
	expect_silence(&c);
	assert_int_equal(ret, 0);
	assert_int_equal(fdt_totalsize(f->fdt.blob), f->fdt.size);
	assert_int_equal(arm_fdt_open_blob(&again, f->fdt.blob, f->fdt.size, "patched"), 0);
	arm_fdt_close(&again);
}

static void refused(struct fixture *f, const char *words)
{
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_patch(&f->fdt, &f->boot);
	expect_line(&c, words);
	assert_true(ret < 0);
}

static int chosen(struct fixture *f)
{
	return arm_fdt_find(&f->fdt, "/chosen");
}

static void assert_bootargs(struct fixture *f, const char *want)
{
	assert_string_equal(arm_fdt_string(&f->fdt, chosen(f), "bootargs"), want);
}

static void nothing_asked_nothing_changed(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt before;

	/* In the order that editing leaves. */
	patch(f);
	assert_int_equal(arm_fdt_copy(&before, &f->fdt), 0);
	patch(f);
	assert_int_equal(before.size, f->fdt.size);
	assert_memory_equal(before.blob, f->fdt.blob, before.size);
	assert_bootargs(f, "own");
	assert_int_equal(arm_fdt_cpus(&f->fdt, NULL, 0), 4);
	arm_fdt_close(&before);
}

static void memory_is_what_the_guest_has(void **state)
{
	struct fixture *f = *state;
	struct gmem_range r[4];

	f->boot.memory = &f->memory;
	f->boot.n_memory = 1;
	patch(f);
	assert_int_equal(arm_fdt_memory(&f->fdt, r, 4), 1);
	assert_int_equal(r[0].gpa, 0);
	assert_int_equal(r[0].len, 0x10000000);
	assert_int_equal(arm_fdt_find(&f->fdt, "/memory@80000000"), -ENOENT);
	assert_true(arm_fdt_find(&f->fdt, "/memory@0") > 0);
	/* Reservations stay. */
	assert_int_equal(arm_fdt_reserved(&f->fdt, r, 4), 1);
	f->memory = (struct gmem_range){ 0x40000000, 0x20000000 };
	patch(f);
	assert_int_equal(arm_fdt_memory(&f->fdt, r, 4), 1);
	assert_int_equal(r[0].gpa, 0x40000000);
}

static void memory_of_several_ranges(void **state)
{
	struct fixture *f = *state;
	struct gmem_range ranges[] = { { 0x40000000, 0x40000000 }, { 0x100000000, 0x80000000 } };
	struct gmem_range r[4];

	f->boot.memory = ranges;
	f->boot.n_memory = 2;
	refused(f, "has addresses of 1 and sizes of 1 cells, which have no room");
	open_dts(f, "/ { #address-cells = <2>; #size-cells = <1>; };");
	patch(f);
	assert_int_equal(arm_fdt_memory(&f->fdt, r, 4), 2);
	assert_int_equal(r[1].gpa, 0x100000000);
	assert_int_equal(r[1].len, 0x80000000);
	open_dts(f, "/ { #address-cells = <2>; #size-cells = <2>;\n"
		 "memory { device_type = \"memory\"; }; };");
	ranges[1].len = 0x400000000;
	patch(f);
	assert_int_equal(arm_fdt_memory(&f->fdt, r, 4), 2);
	assert_int_equal(r[1].len, 0x400000000);
	open_dts(f, "/ { #address-cells = <3>; #size-cells = <2>; };");
	refused(f, "have no room");
}

static void command_line_goes_behind_the_trees_own(void **state)
{
	struct fixture *f = *state;

	f->boot.cmdline = "console=ttyAMA0 quiet";
	patch(f);
	assert_bootargs(f, "own console=ttyAMA0 quiet");
	f->boot.cmdline = "";
	patch(f);
	assert_bootargs(f, "own console=ttyAMA0 quiet");
	open_dts(f, "/ { };");
	f->boot.cmdline = "alone";
	patch(f);
	assert_bootargs(f, "alone");
	open_dts(f, "/ { chosen { bootargs = \"\"; }; };");
	patch(f);
	assert_bootargs(f, "alone");
	open_dts(f, "/ { chosen { bootargs = [61 62]; }; };");
	patch(f);
	assert_bootargs(f, "alone");
}

static void case_95_command_line_of_100_kib(void **state)
{
	struct fixture *f = *state;
	char *line = malloc(102401);

	memset(line, 'x', 102400);
	line[102400] = 0;
	f->boot.cmdline = line;
	refused(f, "a command line of 102404 characters, at most 65535 are possible");
	line[65531] = 0;
	patch(f);
	assert_int_equal(strlen(arm_fdt_string(&f->fdt, chosen(f), "bootargs")), 65535);
	refused(f, "a command line of 131067 characters");
	free(line);
}

static void initrd_is_told_and_taken_back(void **state)
{
	struct fixture *f = *state;
	unsigned len;
	uint32_t v;
	uint64_t w;

	f->boot.initrd_gpa = 0x8000000;
	f->boot.initrd_len = 0x123456;
	patch(f);
	/* One cell, since the tree's addresses have one. */
	assert_non_null(arm_fdt_bytes(&f->fdt, chosen(f), "linux,initrd-end", &len));
	assert_int_equal(len, 4);
	assert_true(arm_fdt_u32(&f->fdt, chosen(f), "linux,initrd-start", 0, &v));
	assert_int_equal(v, 0x8000000);
	assert_true(arm_fdt_u32(&f->fdt, chosen(f), "linux,initrd-end", 0, &v));
	assert_int_equal(v, 0x8123456);
	f->boot.initrd_len = 0;
	patch(f);
	assert_false(arm_fdt_has(&f->fdt, chosen(f), "linux,initrd-start"));
	assert_false(arm_fdt_has(&f->fdt, chosen(f), "linux,initrd-end"));
	open_dts(f, "/ { #address-cells = <2>; };");
	f->boot.initrd_len = 0x1000;
	patch(f);
	assert_true(arm_fdt_u64(&f->fdt, chosen(f), "linux,initrd-end", 0, &w));
	assert_int_equal(w, 0x8001000);
}

static void seeds_and_stdout(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p;
	unsigned len;

	f->boot.seed = f->seed;
	f->boot.seed_len = sizeof(f->seed);
	f->boot.stdout_path = "/cpus/l2";
	patch(f);
	p = arm_fdt_bytes(&f->fdt, chosen(f), "kaslr-seed", &len);
	assert_int_equal(len, 8);
	assert_memory_equal(p, f->seed, 8);
	p = arm_fdt_bytes(&f->fdt, chosen(f), "rng-seed", &len);
	assert_int_equal(len, 32);
	assert_memory_equal(p, f->seed + 8, 32);
	assert_int_equal(arm_fdt_stdout(&f->fdt), arm_fdt_find(&f->fdt, "/cpus/l2"));
}

static void cpus_beyond_the_wanted_ones_go(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_cpu cpus[4];

	f->boot.n_cpus = 4;
	patch(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 4), 4);
	f->boot.n_cpus = 2;
	patch(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 4), 2);
	assert_int_equal(cpus[0].mpidr, 0xf00);
	assert_int_equal(cpus[1].mpidr, 0xf01);
	assert_string_equal(cpus[0].method, "brcm,bcm2836-smp");
	assert_true(arm_fdt_find(&f->fdt, "/cpus/l2") > 0);
	assert_int_equal(arm_fdt_find(&f->fdt, "/cpus/cpu-map"), -ENOENT);
	f->boot.n_cpus = 3;
	refused(f, "has 2 CPUs, 3 are wanted: give the guest fewer --cpus");
	open_dts(f, "/ { };");
	refused(f, "has no /cpus");
}

static void psci_is_told_to_every_cpu(void **state)
{
	struct fixture *f = *state;
	struct arm_fdt_cpu cpus[4];
	int node;

	f->boot.psci = true;
	patch(f);
	node = arm_fdt_find(&f->fdt, "/psci");
	assert_true(node > 0);
	assert_int_equal(fdt_node_check_compatible(f->fdt.blob, node, "arm,psci-1.0"), 0);
	assert_string_equal(arm_fdt_string(&f->fdt, node, "method"), "hvc");
	assert_int_equal(arm_fdt_cpus(&f->fdt, cpus, 4), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_string_equal(cpus[i].method, "psci");
	/* One that has it by SMC, for which there is nobody here. */
	open_dts(f, "/ { cpus { };\n"
		 "psci { compatible = \"arm,psci\"; method = \"smc\"; cpu_on = <1>; }; };");
	patch(f);
	node = arm_fdt_find(&f->fdt, "/psci");
	assert_string_equal(arm_fdt_string(&f->fdt, node, "method"), "hvc");
	assert_int_equal(fdt_node_check_compatible(f->fdt.blob, node, "arm,psci-0.2"), 0);
}

static void everything_at_once_and_once_more(void **state)
{
	struct fixture *f = *state;
	char *said;

	f->boot = (struct arm_fdt_boot){
		.memory = &f->memory,
		.n_memory = 1,
		.cmdline = "root=/dev/vda",
		.initrd_gpa = 0x1000000,
		.initrd_len = 100,
		.n_cpus = 1,
		.psci = true,
		.seed = f->seed,
		.seed_len = sizeof(f->seed),
	};
	for (int i = 0; i < 20; i++)
		patch(f);
	f->boot.cmdline = NULL;
	patch(f);
	assert_int_equal(arm_fdt_cpus(&f->fdt, NULL, 0), 1);
	said = dts_complaints(f->fdt.blob, f->fdt.size);
	assert_null(strstr(said, "ERROR"));
	free(said);
}

static int count(void *ctx, const struct arm_fdt_node *node)
{
	++*(int *)ctx;
	return 0;
}

static void a_device_that_is_not_there_is_disabled(void **state)
{
	struct fixture *f = *state;
	int before = 0, after = 0, ret;
	struct capture c;

	assert_int_equal(arm_fdt_walk(&f->fdt, count, &before), 0);
	assert_int_equal(arm_fdt_disable(&f->fdt, "/uart"), 0);
	assert_int_equal(arm_fdt_walk(&f->fdt, count, &after), 0);
	assert_int_equal(after, before - 1);
	assert_string_equal(arm_fdt_string(&f->fdt, arm_fdt_find(&f->fdt, "/uart"), "status"),
			    "disabled");
	assert_int_equal(arm_fdt_disable(&f->fdt, "/uart"), 0);
	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_disable(&f->fdt, "/nothing");
	expect_line(&c, "tree.dtb: has no /nothing");
	assert_int_equal(ret, -ENOENT);
}

static void case_95_a_tree_as_large_as_it_may_be(void **state)
{
	struct fixture *f = *state;
	char *blob = calloc(1, ARM_FDT_MAX);
	struct capture c;
	void *fill;
	int ret;

	assert_int_equal(fdt_create_empty_tree(blob, ARM_FDT_MAX), 0);
	/* What remains is for the string "fill" and the property's head. */
	assert_int_equal(fdt_setprop(blob, 0, "fill", NULL, 0), 0);
	assert_int_equal(fdt_pack(blob), 0);
	ret = ARM_FDT_MAX - fdt_totalsize(blob);
	assert_int_equal(fdt_open_into(blob, blob, ARM_FDT_MAX), 0);
	assert_int_equal(fdt_setprop_placeholder(blob, 0, "fill", ret & ~3, &fill), 0);
	arm_fdt_close(&f->fdt);
	assert_int_equal(arm_fdt_open_blob(&f->fdt, blob, ARM_FDT_MAX, "tree.dtb"), 0);
	free(blob);
	f->boot.cmdline = "quiet";
	refused(f, "a device tree may have 2097152");
	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_disable(&f->fdt, "/chosen");
	expect_line(&c, "a device tree may have 2097152");
	assert_int_equal(ret, -EFBIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_asked_nothing_changed),
		TEST(memory_is_what_the_guest_has),
		TEST(memory_of_several_ranges),
		TEST(command_line_goes_behind_the_trees_own),
		TEST(case_95_command_line_of_100_kib),
		TEST(initrd_is_told_and_taken_back),
		TEST(seeds_and_stdout),
		TEST(cpus_beyond_the_wanted_ones_go),
		TEST(psci_is_told_to_every_cpu),
		TEST(everything_at_once_and_once_more),
		TEST(a_device_that_is_not_there_is_disabled),
		TEST(case_95_a_tree_as_large_as_it_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
