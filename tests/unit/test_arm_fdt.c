/* SPDX-License-Identifier: MIT */
/* Device trees from files: what is refused, and what is read from the others. */
#include <errno.h>
#include <glob.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arm/fdt.h"
#include "tests/dts.h"
#include "tests/expect.h"
#include "vmm/util.h"

static void open_dts(struct arm_fdt *fdt, const char *source)
{
	struct capture c;
	void *blob;
	size_t len = dts_compile(source, &blob);
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_open_blob(fdt, blob, len, "tree.dtb");
	expect_silence(&c);
	assert_int_equal(ret, 0);
	free(blob);
}

static void refuse_blob(const void *blob, size_t len, const char *words)
{
	struct arm_fdt fdt = { 0 };
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_open_blob(&fdt, blob, len, "tree.dtb");
	expect_line(&c, words);
	assert_true(ret < 0);
	assert_null(fdt.blob);
}

static void refuse_dts(const char *source, const char *words)
{
	void *blob;
	size_t len = dts_compile(source, &blob);

	refuse_blob(blob, len, words);
	free(blob);
}

/* --- the walk ---------------------------------------------------------------------- */

static int copy_node(void *ctx, const struct arm_fdt_node *node)
{
	struct arm_fdt_node *out = ctx;

	if (strcmp(node->path, out->path) != 0)
		return 0;
	*out = *node;
	return 1;
}

/* What the walk says of the node at @path. */
static bool visit(const struct arm_fdt *fdt, const char *path, struct arm_fdt_node *node)
{
	*node = (struct arm_fdt_node){ .path = path };
	return arm_fdt_walk(fdt, copy_node, node) == 1;
}

static void assert_reg(const struct arm_fdt_node *node, unsigned i, uint64_t gpa, uint64_t len)
{
	assert_true(i < node->n_regs);
	assert_int_equal(node->regs[i].gpa, gpa);
	assert_int_equal(node->regs[i].len, len);
}

static const char buses[] =
	"/ { #address-cells = <1>; #size-cells = <1>;\n"
	"  soc { #address-cells = <1>; #size-cells = <1>;\n"
	"    ranges = <0x7e000000 0x3f000000 0x1000000>, <0x40000000 0x40000000 0x1000>;\n"
	"    uart@7e201000 { compatible = \"arm,pl011\", \"arm,primecell\";\n"
	"      reg = <0x7e201000 0x200>, <0x40000000 0x100>, <0x50000000 0x100>; };\n"
	"    edge@7effff00 { compatible = \"edge\"; reg = <0x7effff00 0x101>; };\n"
	"    wide { compatible = \"bus\"; #address-cells = <2>; #size-cells = <2>;\n"
	"      ranges = <1 0 0x7e100000 0 0x1000>;\n"
	"      dev@1,10 { compatible = \"dev\"; reg = <1 0x10 0 0x20>; }; };\n"
	"    same { compatible = \"bus\"; #address-cells = <1>; #size-cells = <1>; ranges;\n"
	"      dev { compatible = \"dev\"; reg = <0x7e000010 0x10>; }; };\n"
	"    i2c { compatible = \"i2c\"; #address-cells = <1>; #size-cells = <0>;\n"
	"      chip@50 { compatible = \"chip\"; reg = <0x50>; }; };\n"
	"    closed { compatible = \"bus\"; #address-cells = <1>; #size-cells = <1>;\n"
	"      dev { compatible = \"dev\"; reg = <0x7e000000 0x10>; }; };\n"
	"  };\n"
	"};\n";

static void regs_are_translated_through_every_bus(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, buses);
	assert_true(visit(&fdt, "/soc/uart@7e201000", &node));
	assert_int_equal(node.n_regs, 3);
	assert_reg(&node, 0, 0x3f201000, 0x200);
	assert_reg(&node, 1, 0x40000000, 0x100);
	assert_reg(&node, 2, 0, 0);	/* no bus passes it on */
	assert_true(visit(&fdt, "/soc/wide/dev@1,10", &node));
	assert_reg(&node, 0, 0x3f100010, 0x20);
	assert_true(visit(&fdt, "/soc/same/dev", &node));
	assert_reg(&node, 0, 0x3f000010, 0x10);
	arm_fdt_close(&fdt);
}

static void what_is_not_whole_in_a_range_has_no_address(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, buses);
	assert_true(visit(&fdt, "/soc/edge@7effff00", &node));
	assert_reg(&node, 0, 0, 0);
	assert_true(visit(&fdt, "/soc/i2c/chip@50", &node));
	assert_int_equal(node.n_regs, 0);
	assert_true(visit(&fdt, "/soc/closed/dev", &node));
	assert_int_equal(node.n_regs, 0);
	arm_fdt_close(&fdt);
}

static void compatible_is_a_list(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, buses);
	assert_true(visit(&fdt, "/soc/uart@7e201000", &node));
	assert_string_equal(node.compatible, "arm,pl011");
	assert_true(arm_fdt_is_compatible(&node, "arm,pl011"));
	assert_true(arm_fdt_is_compatible(&node, "arm,primecell"));
	assert_false(arm_fdt_is_compatible(&node, "arm,pl01"));
	assert_false(arm_fdt_is_compatible(&node, "pl011"));
	arm_fdt_close(&fdt);
}

static int count_nodes(void *ctx, const struct arm_fdt_node *node)
{
	strcat(strcat(ctx, node->path), " ");
	return 0;
}

static void disabled_nodes_and_all_below_are_passed_over(void **state)
{
	struct arm_fdt fdt;
	char paths[256] = "";

	open_dts(&fdt, "/ { a { compatible = \"x\"; };\n"
		 "b { compatible = \"x\"; status = \"disabled\"; c { compatible = \"x\"; }; };\n"
		 "d { compatible = \"x\"; status = \"okay\"; };\n"
		 "e { compatible = \"x\"; status = \"ok\";\n"
		 "f { compatible = \"x\"; }; }; g { h { compatible = \"x\"; }; };\n"
		 "i { compatible = \"x\"; status = [6f 6b]; }; };");
	assert_int_equal(arm_fdt_walk(&fdt, count_nodes, paths), 0);
	assert_string_equal(paths, "/a /d /e /e/f /g/h ");
	arm_fdt_close(&fdt);
}

static int stop_at_once(void *ctx, const struct arm_fdt_node *node)
{
	return -EBUSY;
}

static void a_visitor_ends_the_walk(void **state)
{
	struct arm_fdt fdt;

	open_dts(&fdt, "/ { compatible = \"x\"; a { compatible = \"x\"; }; };");
	assert_int_equal(arm_fdt_walk(&fdt, stop_at_once, NULL), -EBUSY);
	arm_fdt_close(&fdt);
}

/* --- interrupts ------------------------------------------------------------------- */

static const char interrupts[] =
	"/ { interrupt-parent = <&gic>; #address-cells = <1>; #size-cells = <1>;\n"
	"  gic: gic { compatible = \"gic\"; phandle = <7>; interrupt-controller;\n"
	"    #interrupt-cells = <3>; };\n"
	"  two: two { compatible = \"two\"; phandle = <9>; interrupt-controller;\n"
	"    #interrupt-cells = <2>; interrupts = <0 9 4>;\n"
	"    child { compatible = \"dev\"; interrupts = <5 6>; }; };\n"
	"  dev { compatible = \"dev\"; interrupts = <0 1 4>, <0 2 4>; };\n"
	"  own { compatible = \"dev\"; interrupt-parent = <&two>; interrupts = <3 4>; };\n"
	"  ext { compatible = \"dev\"; interrupts = <1 1 1>;\n"
	"    interrupts-extended = <&two 1 2>, <&gic 0 8 4>; };\n"
	"  lost { compatible = \"dev\"; interrupt-parent = <0x99>; interrupts = <1>; };\n"
	"  half { compatible = \"dev\"; interrupts-extended = <&two 1 2>, <0x99 4 4 4>; };\n"
	"  nexus { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <0 &gic 0 1 4>;\n"
	"    dev { compatible = \"dev\"; interrupts = <0>; }; };\n"
	"};";

static void assert_irq(const struct arm_fdt_node *node, unsigned i, uint32_t controller, unsigned n,
		       uint32_t a, uint32_t b)
{
	assert_true(i < node->n_irqs);
	assert_int_equal(node->irqs[i].controller, controller);
	assert_int_equal(node->irqs[i].n, n);
	assert_int_equal(node->irqs[i].cells[0], a);
	assert_int_equal(node->irqs[i].cells[1], b);
}

static void interrupts_find_their_controller(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, interrupts);
	assert_true(visit(&fdt, "/dev", &node));
	assert_int_equal(node.n_irqs, 2);
	assert_irq(&node, 0, 7, 3, 0, 1);
	assert_irq(&node, 1, 7, 3, 0, 2);
	assert_int_equal(node.irqs[1].cells[2], 4);
	assert_true(visit(&fdt, "/own", &node));
	assert_int_equal(node.n_irqs, 1);
	assert_irq(&node, 0, 9, 2, 3, 4);
	assert_true(visit(&fdt, "/two", &node));
	assert_irq(&node, 0, 7, 3, 0, 9);
	assert_true(visit(&fdt, "/two/child", &node));	/* the controller around it */
	assert_irq(&node, 0, 9, 2, 5, 6);
	arm_fdt_close(&fdt);
}

static void interrupts_extended_come_first(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, interrupts);
	assert_true(visit(&fdt, "/ext", &node));
	assert_int_equal(node.n_irqs, 2);
	assert_irq(&node, 0, 9, 2, 1, 2);
	assert_irq(&node, 1, 7, 3, 0, 8);
	arm_fdt_close(&fdt);
}

static void case_95_interrupts_of_a_controller_that_is_not_there(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, interrupts);
	assert_true(visit(&fdt, "/lost", &node));
	assert_int_equal(node.n_irqs, 0);
	assert_true(visit(&fdt, "/half", &node));
	assert_int_equal(node.n_irqs, 1);
	assert_true(visit(&fdt, "/nexus/dev", &node));
	assert_int_equal(node.n_irqs, 0);
	arm_fdt_close(&fdt);
}

static void case_95_interrupt_parents_in_a_circle(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	open_dts(&fdt, "/ { interrupt-parent = <1>;\n"
		 "a { compatible = \"a\"; phandle = <1>; #interrupt-cells = <1>;\n"
		 " interrupt-parent = <2>; interrupts = <3>; };\n"
		 "b { compatible = \"b\"; phandle = <2>; #interrupt-cells = <1>;\n"
		 " interrupt-parent = <1>; interrupts = <4>; };\n"
		 "c { compatible = \"c\"; phandle = <3>; #interrupt-cells = <1>;\n"
		 " interrupt-parent = <3>; interrupts = <5>; }; };");
	assert_true(visit(&fdt, "/a", &node));
	assert_int_equal(node.irqs[0].controller, 2);
	assert_true(visit(&fdt, "/c", &node));
	assert_int_equal(node.irqs[0].controller, 3);
	arm_fdt_close(&fdt);
}

static void more_than_is_reported_is_left_off(void **state)
{
	char source[16384] = "/ { #address-cells = <1>; #size-cells = <1>;\n"
		"interrupt-parent = <1>;\n"
		"pic { phandle = <1>; #interrupt-cells = <1>; };\n"
		"dev { compatible = \"dev\"; interrupts = <", *p = source + strlen(source);
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	for (unsigned i = 0; i < ARM_FDT_MAX_IRQS + 5; i++)
		p += sprintf(p, "%u ", i);
	p += sprintf(p, ">; reg = <");
	for (unsigned i = 0; i < ARM_FDT_MAX_REGS + 5; i++)
		p += sprintf(p, "%u 1 ", i);
	sprintf(p, ">; }; };");
	open_dts(&fdt, source);
	assert_true(visit(&fdt, "/dev", &node));
	assert_int_equal(node.n_irqs, ARM_FDT_MAX_IRQS);
	assert_int_equal(node.n_regs, ARM_FDT_MAX_REGS);
	arm_fdt_close(&fdt);
}

/* --- readers ------------------------------------------------------------------------ */

static void properties_are_read_within_their_bounds(void **state)
{
	struct arm_fdt fdt;
	uint32_t u = 42;
	uint64_t v = 43;
	unsigned len;
	int node;

	open_dts(&fdt, "/ { node { cells = <1 2 3>; text = \"ab\"; open = [61 62]; none;\n"
		 "byte = [01]; }; };");
	node = arm_fdt_find(&fdt, "/node");
	assert_true(node > 0);
	assert_int_equal(arm_fdt_find(&fdt, "/nothing"), -ENOENT);
	assert_true(arm_fdt_u32(&fdt, node, "cells", 2, &u));
	assert_int_equal(u, 3);
	assert_false(arm_fdt_u32(&fdt, node, "cells", 3, &u));
	assert_false(arm_fdt_u32(&fdt, node, "cells", 0x40000000, &u));
	assert_false(arm_fdt_u32(&fdt, node, "byte", 0, &u));
	assert_false(arm_fdt_u32(&fdt, node, "absent", 0, &u));
	assert_int_equal(u, 3);
	assert_true(arm_fdt_u64(&fdt, node, "cells", 0, &v));
	assert_int_equal(v, 0x100000002);
	assert_false(arm_fdt_u64(&fdt, node, "cells", 1, &v));
	assert_string_equal(arm_fdt_string(&fdt, node, "text"), "ab");
	assert_null(arm_fdt_string(&fdt, node, "open"));
	assert_null(arm_fdt_string(&fdt, node, "none"));
	assert_true(arm_fdt_has(&fdt, node, "none"));
	assert_false(arm_fdt_has(&fdt, node, "absent"));
	assert_non_null(arm_fdt_bytes(&fdt, node, "open", &len));
	assert_int_equal(len, 2);
	arm_fdt_close(&fdt);
}

static void nodes_by_phandle_and_children(void **state)
{
	struct arm_fdt fdt;
	int node, child;

	open_dts(&fdt, "/ { a { phandle = <5>; b { }; c { }; }; };");
	node = arm_fdt_find_phandle(&fdt, 5);
	assert_int_equal(node, arm_fdt_find(&fdt, "/a"));
	assert_int_equal(arm_fdt_find_phandle(&fdt, 6), -ENOENT);
	assert_int_equal(arm_fdt_find_phandle(&fdt, 0), -ENOENT);
	child = arm_fdt_child(&fdt, node, -1);
	assert_int_equal(child, arm_fdt_find(&fdt, "/a/b"));
	child = arm_fdt_child(&fdt, node, child);
	assert_int_equal(child, arm_fdt_find(&fdt, "/a/c"));
	assert_int_equal(arm_fdt_child(&fdt, node, child), -ENOENT);
	arm_fdt_close(&fdt);
}

static const char pi_like[] =
	"/memreserve/ 0x0 0x1000;\n"
	"/ { #address-cells = <1>; #size-cells = <1>;\n"
	"  aliases { serial0 = \"/soc/uart@7e201000\"; };\n"
	"  chosen { stdout-path = \"serial0:115200n8\"; };\n"
	"  memory@0 { device_type = \"memory\"; reg = <0 0x40000000>, <0x80000000 0x1000>; };\n"
	"  reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;\n"
	"    cma { size = <0x4000000>; }; fw@1000 { reg = <0x1000 0x2000>; }; };\n"
	"  soc { #address-cells = <1>; #size-cells = <1>;\n"
	"    ranges = <0x7e000000 0x3f000000 0x1000000>;\n"
	"    uart@7e201000 { compatible = \"arm,pl011\"; reg = <0x7e201000 0x200>; }; };\n"
	"  cpus { #address-cells = <1>; #size-cells = <0>; enable-method = \"brcm,bcm2836-smp\";\n"
	"    cpu@0 { device_type = \"cpu\"; reg = <0xf00>; };\n"
	"    cpu@1 { device_type = \"cpu\"; reg = <0xf01>; enable-method = \"spin-table\";\n"
	"      cpu-release-addr = <0 0xd8>; };\n"
	"    cpu@2 { device_type = \"cpu\"; reg = <0xf02>; cpu-release-addr = <0xe0>; };\n"
	"    cpu@3 { device_type = \"cpu\"; reg = <0xf03>; status = \"fail\"; };\n"
	"    cpu@4 { device_type = \"cpu\"; };\n"
	"    l2 { compatible = \"cache\"; }; };\n"
	"};";

static void cpus_are_told_with_how_to_start_them(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_cpu cpus[8];

	open_dts(&fdt, pi_like);
	assert_int_equal(arm_fdt_cpus(&fdt, cpus, 8), 3);
	assert_int_equal(cpus[0].mpidr, 0xf00);
	assert_string_equal(cpus[0].method, "brcm,bcm2836-smp");
	assert_int_equal(cpus[0].release_addr, 0);
	assert_string_equal(cpus[1].method, "spin-table");
	assert_int_equal(cpus[1].release_addr, 0xd8);
	assert_int_equal(cpus[2].release_addr, 0xe0);
	assert_int_equal(arm_fdt_cpus(&fdt, cpus, 1), 3);
	assert_int_equal(arm_fdt_cpus(&fdt, NULL, 0), 3);
	arm_fdt_close(&fdt);
}

static void cpus_of_two_cells(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_cpu cpu;

	open_dts(&fdt, "/ { cpus { #address-cells = <2>; #size-cells = <0>;\n"
		 "cpu@0 { device_type = \"cpu\"; reg = <1 0x203>; };\n"
		 "cpu@1 { device_type = \"cpu\"; reg = <1>; }; }; };");
	assert_int_equal(arm_fdt_cpus(&fdt, &cpu, 1), 1);
	assert_int_equal(cpu.mpidr, 0x100000203);
	assert_null(cpu.method);
	arm_fdt_close(&fdt);
	open_dts(&fdt, "/ { };");
	assert_int_equal(arm_fdt_cpus(&fdt, &cpu, 1), 0);
	arm_fdt_close(&fdt);
}

static void memory_and_what_of_it_is_reserved(void **state)
{
	struct arm_fdt fdt;
	struct gmem_range r[4];

	open_dts(&fdt, pi_like);
	assert_int_equal(arm_fdt_memory(&fdt, r, 4), 2);
	assert_int_equal(r[0].gpa, 0);
	assert_int_equal(r[0].len, 0x40000000);
	assert_int_equal(r[1].gpa, 0x80000000);
	assert_int_equal(arm_fdt_memory(&fdt, r, 0), 2);
	assert_int_equal(arm_fdt_reserved(&fdt, r, 4), 2);
	assert_int_equal(r[0].gpa, 0);
	assert_int_equal(r[0].len, 0x1000);
	assert_int_equal(r[1].gpa, 0x1000);
	assert_int_equal(r[1].len, 0x2000);
	arm_fdt_close(&fdt);
}

static void case_95_reserved_memory_that_wraps_is_none(void **state)
{
	struct arm_fdt fdt;
	struct gmem_range r[4];

	open_dts(&fdt, "/memreserve/ 0xfffffffffffff000 0x2000; / { };");
	assert_int_equal(arm_fdt_reserved(&fdt, r, 4), 0);
	arm_fdt_close(&fdt);
}

static int stdout_of(const char *aliases, const char *path)
{
	struct arm_fdt fdt;
	char source[256];
	int node, want;

	snprintf(source, sizeof(source),
		 "/ { aliases { %s }; chosen { stdout-path = %s; }; uart { }; };", aliases, path);
	open_dts(&fdt, source);
	node = arm_fdt_stdout(&fdt);
	want = arm_fdt_find(&fdt, "/uart");
	arm_fdt_close(&fdt);
	return node == want ? 1 : node;
}

static void stdout_goes_through_an_alias(void **state)
{
	assert_int_equal(stdout_of("", "\"/uart\""), 1);
	assert_int_equal(stdout_of("", "\"/uart:115200\""), 1);
	assert_int_equal(stdout_of("s = \"/uart\";", "\"s\""), 1);
	assert_int_equal(stdout_of("s = \"/uart\";", "\"s:115200n8\""), 1);
	assert_int_equal(stdout_of("s = \"/uart\";", "\"t\""), -ENOENT);
	assert_int_equal(stdout_of("", "\"\""), -ENOENT);
	assert_int_equal(stdout_of("", "[2f 75]"), -ENOENT);
}

static void case_95_an_alias_that_names_itself(void **state)
{
	assert_int_equal(stdout_of("s = \"s\";", "\"s\""), -ENOENT);
	assert_int_equal(stdout_of("s = \"t/uart\"; t = \"s\";", "\"s\""), -ENOENT);
	assert_int_equal(stdout_of("s = [2f 75];", "\"s\""), -ENOENT);
}

/* --- PCI ------------------------------------------------------------------------------ */

static const char pci_host[] =
	"/ { #address-cells = <2>; #size-cells = <2>;\n"
	"  gic: gic { phandle = <1>; #interrupt-cells = <3>; #address-cells = <2>;\n"
	"    interrupt-controller; };\n"
	"  pic: pic { phandle = <2>; #interrupt-cells = <1>; interrupt-controller; };\n"
	"  pcie@3f000000 { compatible = \"pci-host-ecam-generic\";\n"
	"    reg = <0 0x3f000000 0 0x200000>;\n"
	"    #address-cells = <3>; #size-cells = <2>; #interrupt-cells = <1>; bus-range = <0 15>;\n"
	"    ranges = <0x01000000 0 0 0 0x3eff0000 0 0x10000>,\n"
	"             <0x02000000 0 0x10000000 0 0x20000000 0 0x2eff0000>,\n"
	"             <0x43000000 0x80 0 0x80 0 0x80 0>, <0x03000000 1 0 1 0 1 0>;\n"
	"    interrupt-map-mask = <0x1800 0 0 7>;\n"
	"    interrupt-map = <0 0 0 1 &gic 0 0 0 3 4>, <0 0 0 2 &gic 0 0 0 4 4>,\n"
	"      <0x800 0 0 3 &gic 0 0 0 9 4>, <0 0 0 3 &pic 77>;\n"
	"    msi-map = <0 &pic 0 0x10000>; };\n"
	"};";

static void a_pci_host_with_windows_and_wires(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;

	open_dts(&fdt, pci_host);
	assert_true(visit(&fdt, "/pcie@3f000000", &node));
	assert_int_equal(arm_fdt_pci(&fdt, &node, &pci), 0);
	assert_int_equal(pci.bus_first, 0);
	assert_int_equal(pci.bus_last, 1);	/* ECAM has no room for more */
	assert_int_equal(pci.io.gpa, 0x3eff0000);
	assert_int_equal(pci.io.len, 0x10000);
	assert_int_equal(pci.io_base, 0);
	assert_int_equal(pci.mem32.gpa, 0x20000000);
	assert_int_equal(pci.mem32_base, 0x10000000);
	assert_int_equal(pci.mem64.gpa, 0x8000000000);
	assert_int_equal(pci.mem64.len, 0x8000000000);
	assert_int_equal(pci.intx[0].controller, 1);
	assert_int_equal(pci.intx[0].n, 3);
	assert_int_equal(pci.intx[0].cells[1], 3);
	assert_int_equal(pci.intx[1].cells[1], 4);
	assert_int_equal(pci.intx[2].controller, 2);
	assert_int_equal(pci.intx[2].cells[0], 77);
	assert_int_equal(pci.intx[3].n, 0);
	assert_int_equal(pci.msi_controller, 2);
	arm_fdt_close(&fdt);
}

static void one_entry_may_serve_all_pins(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;

	open_dts(&fdt, "/ { #address-cells = <1>; #size-cells = <1>;\n"
		 "pic: pic { phandle = <2>; #interrupt-cells = <1>; interrupt-controller; };\n"
		 "pci { compatible = \"pci\"; #address-cells = <3>; #size-cells = <2>;\n"
		 "  #interrupt-cells = <1>; interrupt-map-mask = <0 0 0 0>;\n"
		 "  interrupt-map = <0 0 0 0 &pic 5>; msi-parent = <&pic>; }; };");
	assert_true(visit(&fdt, "/pci", &node));
	assert_int_equal(arm_fdt_pci(&fdt, &node, &pci), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pci.intx[i].cells[0], 5);
	assert_int_equal(pci.mem32.len, 0);
	assert_int_equal(pci.bus_last, 255);
	assert_int_equal(pci.msi_controller, 2);
	arm_fdt_close(&fdt);
}

static void assert_wires(const char *host, unsigned n)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;
	char source[1024];

	snprintf(source, sizeof(source), "/ { #address-cells = <1>; #size-cells = <1>;\n"
		 "pic { phandle = <2>; #interrupt-cells = <2>; #address-cells = <1>; };\n"
		 "pci { compatible = \"pci\"; #address-cells = <3>; #size-cells = <2>; %s }; };",
		 host);
	open_dts(&fdt, source);
	assert_true(visit(&fdt, "/pci", &node));
	assert_int_equal(arm_fdt_pci(&fdt, &node, &pci), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pci.intx[i].n, i < n ? 2 : 0);
	arm_fdt_close(&fdt);
}

#define WIRED "#interrupt-cells = <1>; interrupt-map-mask = <0 0 0 7>; "

static void case_95_an_interrupt_map_that_ends_within_an_entry(void **state)
{
	assert_wires(WIRED "interrupt-map = <0 0 0 1 2 0 5 4>, <0 0 0 2 2 0 6 4>;", 2);
	assert_wires(WIRED "interrupt-map = <0 0 0 1 2 0 5 4>, <0 0 0 2 2 0 6>;", 1);
	assert_wires(WIRED "interrupt-map = <0 0 0 1 2 0 5 4>, <0 0 0 2>;", 1);
	assert_wires(WIRED "interrupt-map = <0 0 0 1 2 0 5 4>, <0 0 0 2 99 0 6 4>;", 1);
	assert_wires(WIRED "interrupt-map = [00];", 0);
	assert_wires(WIRED, 0);
	assert_wires("#interrupt-cells = <2>; interrupt-map = <0 0 0 1 2 0 5 4>;", 0);
}

static void case_95_a_pci_host_of_odd_cells(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;
	struct arm_fdt_pci pci;
	struct capture c;
	int ret;

	open_dts(&fdt, "/ { pci { compatible = \"pci\"; #address-cells = <2>;\n"
		 "#size-cells = <2>; }; };");
	assert_true(visit(&fdt, "/pci", &node));
	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_pci(&fdt, &node, &pci);
	expect_line(&c, "a PCI host of 2 address and 2 size cells");
	assert_int_equal(ret, -EINVAL);
	arm_fdt_close(&fdt);
}

/* --- refusals: the file ------------------------------------------------------------------ */

static void case_95_no_device_tree_at_all(void **state)
{
	static const uint8_t none[64] = "certainly not";

	refuse_blob(none, sizeof(none),
		    "tree.dtb: is not a device tree: it does not begin with 0xd00dfeed");
	refuse_blob("\xd0\x0d\xfe\xed", 4, "is not a device tree");
	refuse_blob(none, 0, "has 0 bytes");
}

/* A sound tree whose header says @value in word @word. */
static void refuse_header(unsigned word, uint32_t value, const char *words)
{
	void *blob;
	size_t len = dts_compile("/ { a { b = <1>; }; };", &blob);

	((fdt32_t *)blob)[word] = cpu_to_fdt32(value);
	refuse_blob(blob, len, words);
	free(blob);
}

static void case_95_the_header_lies(void **state)
{
	refuse_header(1, 0x10000000, "is truncated: its header speaks of 268435456 bytes");
	refuse_header(1, 20, "the strings are not in the file");
	refuse_header(2, 0x7ffffffc, "the structure is not in the file");
	refuse_header(2, 0x3a, "a block is not aligned");
	refuse_header(3, 0xfffffff0, "the strings are not in the file");
	refuse_header(4, 0xfffffff8, "not a sound device tree");	/* off_mem_rsvmap */
	refuse_header(4, 0x2c, "a block is not aligned");
	refuse_header(5, 16, "is a device tree of version 16 (compatible with 16): 17 is known");
	refuse_header(6, 99, "is a device tree of version 17 (compatible with 99)");
	refuse_header(8, 0xffffffff, "the strings are not in the file");
	refuse_header(9, 0xfffffff0, "the structure is not in the file");
	refuse_header(9, 0, "something at 0x38 does not fit");
}

static void case_95_no_end_within_the_structure(void **state)
{
	void *blob;
	size_t len = dts_compile("/ { a { b = <1>; }; };", &blob);
	uint32_t *end = (uint32_t *)((char *)blob + fdt_off_dt_struct(blob) +
				     fdt_size_dt_struct(blob) - 4);

	*end = cpu_to_fdt32(4);	/* FDT_NOP */
	refuse_blob(blob, len, "structure: something at 0x64 does not fit in it");
	*end = cpu_to_fdt32(5);
	refuse_blob(blob, len, "structure: something at 0x60 does not fit in it");
	free(blob);
}

static void case_95_properties_larger_than_the_tree(void **state)
{
	void *blob;
	size_t len = dts_compile("/ { b = <1>; };", &blob);
	/* BEGIN_NODE, empty name, PROP, len, nameoff */
	fdt32_t *s = (fdt32_t *)((char *)blob + fdt_off_dt_struct(blob));

	s[3] = cpu_to_fdt32(0xfffffff0);
	refuse_blob(blob, len, "structure: something at 0x40 does not fit in it");
	/* In 32 bits the next token would be this one once more. */
	s[3] = cpu_to_fdt32(0xfffffff4);
	refuse_blob(blob, len, "structure: something at 0x40 does not fit in it");
	s[3] = cpu_to_fdt32(4);
	s[4] = cpu_to_fdt32(0x1000);
	refuse_blob(blob, len, "not a sound device tree");
	free(blob);
}

static void case_95_names_without_an_end(void **state)
{
	void *blob;
	size_t len = dts_compile("/ { b = <1>; };", &blob);
	char *strings = (char *)blob + fdt_off_dt_strings(blob);

	assert_int_equal(fdt_size_dt_strings(blob), 2);
	strings[1] = 'x';
	refuse_blob(blob, len, "not a sound device tree");
	free(blob);
}

static void case_95_a_name_of_a_thousand_characters(void **state)
{
	uint8_t blob[4096];
	char name[1001] = "";

	memset(name, 'n', sizeof(name) - 1);
	assert_int_equal(fdt_create(blob, sizeof(blob)), 0);
	assert_int_equal(fdt_finish_reservemap(blob), 0);
	assert_int_equal(fdt_begin_node(blob, ""), 0);
	assert_int_equal(fdt_property_u32(blob, name, 1), 0);
	assert_int_equal(fdt_end_node(blob), 0);
	assert_int_equal(fdt_finish(blob), 0);
	refuse_blob(blob, fdt_totalsize(blob), "a name has more than 255 characters");
}

static void case_95_compatible_without_an_end(void **state)
{
	refuse_dts("/ { a { compatible = [61 62]; }; };", "/a: compatible does not end in a NUL");
	refuse_dts("/ { a { compatible; }; };", "/a: compatible does not end in a NUL");
	/* Also where nobody looks. */
	refuse_dts("/ { a { status = \"disabled\"; compatible = [61]; }; };", "compatible");
}

static size_t nested(uint8_t *blob, size_t size, unsigned depth, const char *name)
{
	assert_int_equal(fdt_create(blob, size), 0);
	assert_int_equal(fdt_finish_reservemap(blob), 0);
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(fdt_begin_node(blob, i ? name : ""), 0);
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(fdt_end_node(blob), 0);
	assert_int_equal(fdt_finish(blob), 0);
	return fdt_totalsize(blob);
}

static void case_95_nodes_nested_a_hundred_thousand_deep(void **state)
{
	size_t size = 2 << 20;
	uint8_t *blob = malloc(size);
	struct arm_fdt fdt;

	refuse_blob(blob, nested(blob, size, 100000, "n"), "nodes are nested deeper than 32");
	refuse_blob(blob, nested(blob, size, ARM_FDT_MAX_DEPTH + 1, "n"), "deeper than 32");
	assert_int_equal(arm_fdt_open_blob(&fdt, blob, nested(blob, size, ARM_FDT_MAX_DEPTH, "n"),
					   "tree"), 0);
	arm_fdt_close(&fdt);
	free(blob);
}

static void case_95_a_path_longer_than_any(void **state)
{
	uint8_t blob[8192];
	char name[64] = "";

	memset(name, 'n', sizeof(name) - 1);
	refuse_blob(blob, nested(blob, sizeof(blob), 10, name),
		    "the path of a node in it is longer than 512");
}

static void case_95_more_nodes_than_any_machine_has(void **state)
{
	size_t size = 2 << 20;
	uint8_t *blob = malloc(size);

	assert_int_equal(fdt_create(blob, size), 0);
	assert_int_equal(fdt_finish_reservemap(blob), 0);
	assert_int_equal(fdt_begin_node(blob, ""), 0);
	for (unsigned i = 0; i < ARM_FDT_MAX_NODES + 1; i++) {
		assert_int_equal(fdt_begin_node(blob, "n"), 0);
		assert_int_equal(fdt_end_node(blob), 0);
	}
	assert_int_equal(fdt_end_node(blob), 0);
	assert_int_equal(fdt_finish(blob), 0);
	refuse_blob(blob, fdt_totalsize(blob), "there are more than 16384 nodes");
	free(blob);
}

static void case_95_cell_counts_out_of_bounds(void **state)
{
	refuse_dts("/ { #address-cells = <17>; };", "/: #address-cells is 17");
	refuse_dts("/ { a { #size-cells = <0xffffffff>; }; };", "/a: #size-cells is 4294967295");
	refuse_dts("/ { a { #interrupt-cells = <5>; }; };", "#interrupt-cells is 5, at most 4");
	refuse_dts("/ { #address-cells = [01]; };", "#address-cells is not a number");
	refuse_dts("/ { #address-cells = <1>; #size-cells = <1>; a { reg = <1 2 3>; }; };",
		   "/a: reg has 12 bytes, no multiple of 8");
	refuse_dts("/ { #address-cells = <1>; #size-cells = <1>; a { #address-cells = <1>;\n"
		   " #size-cells = <1>; ranges = <1 2>; }; };",
		   "/a: ranges has 8 bytes, no multiple of 12");
	refuse_dts("/ { interrupt-parent = <1>; p { phandle = <1>; #interrupt-cells = <2>; };\n"
		   " a { interrupts = <1 2 3>; }; };",
		   "/a: interrupts has 12 bytes, no multiple of 8");
	refuse_dts("/ { p { phandle = <1>; #interrupt-cells = <2>; };\n"
		   " a { interrupts-extended = <1 2>; }; };",
		   "/a: interrupts-extended ends within one");
}

static void case_95_a_bus_of_no_cells_at_all(void **state)
{
	refuse_dts("/ { #address-cells = <0>; #size-cells = <0>; a { #address-cells = <0>;\n"
		   " #size-cells = <0>; ranges = <1>; }; };", "no multiple of 0");
}

static void case_95_reg_wraps(void **state)
{
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	refuse_dts("/ { #address-cells = <2>; #size-cells = <2>;\n"
		   " a { reg = <0xffffffff 0xfffff000 0 0x1001>; }; };", "/a: reg wraps");
	/* Translated to where it would wrap, it has no address. */
	open_dts(&fdt, "/ { #address-cells = <2>; #size-cells = <2>; a { #address-cells = <1>;\n"
		 "#size-cells = <1>; ranges = <0 0xffffffff 0xfffff000 0x10000>;\n"
		 "b { compatible = \"b\"; reg = <0 0x1000>, <0x800 0x1000>, <0x2000 1>; }; }; };");
	assert_true(visit(&fdt, "/a/b", &node));
	assert_reg(&node, 0, 0, 0);
	assert_reg(&node, 1, 0, 0);
	assert_reg(&node, 2, 0, 0);
	arm_fdt_close(&fdt);
}

static void case_95_a_bus_with_a_thousand_ranges(void **state)
{
	char *source = malloc(65536), *p = source;

	p += sprintf(p, "/ { #address-cells = <1>; #size-cells = <1>; a { #address-cells = <1>;\n"
		     "#size-cells = <1>; ranges = <");
	for (int i = 0; i < 1000; i++)
		p += sprintf(p, "%d 0 1 ", i);
	sprintf(p, ">; }; };");
	refuse_dts(source, "/a: ranges has 1000 entries, at most 128 make sense");
	free(source);
}

static void case_95_two_nodes_of_one_phandle(void **state)
{
	refuse_dts("/ { a { phandle = <3>; #interrupt-cells = <1>; };\n"
		   " b { phandle = <3>; #interrupt-cells = <2>; }; };",
		   "two nodes have phandle 0x3");
}

static void many_controllers(void **state)
{
	char source[8192] = "/ { ", *p = source + 4;
	struct arm_fdt fdt;
	struct arm_fdt_node node;

	for (int i = 100; i > 0; i--)
		p += sprintf(p, "p%d { phandle = <%d>; #interrupt-cells = <1>; };\n", i, i);
	sprintf(p, "d { compatible = \"d\"; interrupts-extended = <57 1>, <1 2>, <100 3>; }; };");
	open_dts(&fdt, source);
	assert_true(visit(&fdt, "/d", &node));
	assert_int_equal(node.n_irqs, 3);
	assert_int_equal(node.irqs[0].controller, 57);
	assert_int_equal(node.irqs[2].controller, 100);
	arm_fdt_close(&fdt);
}

/* --- files ----------------------------------------------------------------------------- */

static void refuse_path(const char *path, const char *words)
{
	struct arm_fdt fdt = { 0 };
	struct capture c;
	int ret;

	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_open(&fdt, path);
	expect_line(&c, words);
	assert_true(ret < 0);
}

static void case_96_files_that_are_none(void **state)
{
	char path[32];
	int fd = memfd_create("tree", MFD_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	refuse_path("/nonexistent.dtb", "No such file or directory");
	refuse_path("/", "is a directory");
	refuse_path("/dev/zero", "is a character device");
	refuse_path(path, "is empty");
	assert_int_equal(ftruncate(fd, INT64_MAX), 0);
	refuse_path(path, "a device tree may have 2097152");
	close(fd);
}

static void a_tree_is_saved_and_opened_again(void **state)
{
	struct arm_fdt fdt, again, copy;
	char path[] = "/tmp/tree.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	open_dts(&fdt, pi_like);
	assert_int_equal(arm_fdt_save(&fdt, path), 0);
	assert_int_equal(arm_fdt_open(&again, path), 0);
	assert_int_equal(again.size, fdt.size);
	assert_memory_equal(again.blob, fdt.blob, fdt.size);
	assert_int_equal(arm_fdt_copy(&copy, &fdt), 0);
	assert_int_equal(copy.size, fdt.size);
	assert_memory_equal(copy.blob, fdt.blob, fdt.size);
	arm_fdt_close(&copy);
	arm_fdt_close(&again);
	arm_fdt_close(&fdt);
	arm_fdt_close(&fdt);	/* empty by now */
	close(fd);
	unlink(path);
}

static void a_tree_that_cannot_be_saved(void **state)
{
	struct arm_fdt fdt;
	struct capture c;
	int ret;

	open_dts(&fdt, "/ { };");
	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_save(&fdt, "/nonexistent/tree");
	expect_line(&c, "/nonexistent/tree: open: No such file or directory");
	assert_int_equal(ret, -ENOENT);
	capture_begin(&c, STDERR_FILENO);
	ret = arm_fdt_save(&fdt, "/dev/full");
	expect_line(&c, "/dev/full: write: No space left");
	assert_int_equal(ret, -ENOSPC);
	arm_fdt_close(&fdt);
}

static void what_is_behind_the_tree_is_left_off(void **state)
{
	struct arm_fdt fdt;
	void *blob;
	size_t len = dts_compile("/ { };", &blob);

	blob = realloc(blob, len + 100);
	memset((char *)blob + len, 0xaa, 100);
	assert_int_equal(arm_fdt_open_blob(&fdt, blob, len + 100, "tree"), 0);
	assert_int_equal(fdt.size, len);
	arm_fdt_close(&fdt);
	free(blob);
}

/* --- real ones, where the kernels of the smoke tests are --------------------------------- */

static void trees_of_real_boards_are_accepted(void **state)
{
	const char *cache = getenv("MICROVM_CACHE"), *home = getenv("HOME");
	char pattern[512];
	glob_t g;

	if (cache)
		snprintf(pattern, sizeof(pattern), "%s", cache);
	else
		snprintf(pattern, sizeof(pattern), "%s/.cache/microvm", home ? home : "");
	/* A few kinds: with firmware's nodes, GICs, nexuses, PCI. */
	strncat(pattern, "/kernel-arm*/usr/lib/linux-image-*/"
		"{*bcm2836*,*vexpress*,*a20-cubie*,*rk3288-v*,broadcom/*,arm/*,*/rk3399-rock*}",
		sizeof(pattern) - strlen(pattern) - 1);
	if (glob(pattern, GLOB_BRACE, NULL, &g) != 0)
		skip();
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct arm_fdt fdt;
		char paths[65536] = "";

		if (!strstr(g.gl_pathv[i], ".dtb"))
			continue;
		assert_int_equal(arm_fdt_open(&fdt, g.gl_pathv[i]), 0);
		assert_int_equal(arm_fdt_walk(&fdt, count_nodes, paths), 0);
		arm_fdt_close(&fdt);
	}
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regs_are_translated_through_every_bus),
		cmocka_unit_test(what_is_not_whole_in_a_range_has_no_address),
		cmocka_unit_test(compatible_is_a_list),
		cmocka_unit_test(disabled_nodes_and_all_below_are_passed_over),
		cmocka_unit_test(a_visitor_ends_the_walk),
		cmocka_unit_test(interrupts_find_their_controller),
		cmocka_unit_test(interrupts_extended_come_first),
		cmocka_unit_test(case_95_interrupts_of_a_controller_that_is_not_there),
		cmocka_unit_test(case_95_interrupt_parents_in_a_circle),
		cmocka_unit_test(more_than_is_reported_is_left_off),
		cmocka_unit_test(properties_are_read_within_their_bounds),
		cmocka_unit_test(nodes_by_phandle_and_children),
		cmocka_unit_test(cpus_are_told_with_how_to_start_them),
		cmocka_unit_test(cpus_of_two_cells),
		cmocka_unit_test(memory_and_what_of_it_is_reserved),
		cmocka_unit_test(case_95_reserved_memory_that_wraps_is_none),
		cmocka_unit_test(stdout_goes_through_an_alias),
		cmocka_unit_test(case_95_an_alias_that_names_itself),
		cmocka_unit_test(a_pci_host_with_windows_and_wires),
		cmocka_unit_test(one_entry_may_serve_all_pins),
		cmocka_unit_test(case_95_an_interrupt_map_that_ends_within_an_entry),
		cmocka_unit_test(case_95_a_pci_host_of_odd_cells),
		cmocka_unit_test(case_95_no_device_tree_at_all),
		cmocka_unit_test(case_95_the_header_lies),
		cmocka_unit_test(case_95_no_end_within_the_structure),
		cmocka_unit_test(case_95_properties_larger_than_the_tree),
		cmocka_unit_test(case_95_names_without_an_end),
		cmocka_unit_test(case_95_a_name_of_a_thousand_characters),
		cmocka_unit_test(case_95_compatible_without_an_end),
		cmocka_unit_test(case_95_nodes_nested_a_hundred_thousand_deep),
		cmocka_unit_test(case_95_a_path_longer_than_any),
		cmocka_unit_test(case_95_more_nodes_than_any_machine_has),
		cmocka_unit_test(case_95_cell_counts_out_of_bounds),
		cmocka_unit_test(case_95_a_bus_of_no_cells_at_all),
		cmocka_unit_test(case_95_reg_wraps),
		cmocka_unit_test(case_95_a_bus_with_a_thousand_ranges),
		cmocka_unit_test(case_95_two_nodes_of_one_phandle),
		cmocka_unit_test(many_controllers),
		cmocka_unit_test(case_96_files_that_are_none),
		cmocka_unit_test(a_tree_is_saved_and_opened_again),
		cmocka_unit_test(a_tree_that_cannot_be_saved),
		cmocka_unit_test(what_is_behind_the_tree_is_left_off),
		cmocka_unit_test(trees_of_real_boards_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
