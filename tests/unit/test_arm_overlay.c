/* SPDX-License-Identifier: MIT */
/* Overlays and parameters of device trees. */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arm/overlay.h"
#include "tests/capture.h"
#include "tests/dts.h"
#include "vmm/util.h"

/* Labels as dtc -@ writes them, and an overlay as it comes out of that. */
#define BASE(nodes) \
	"/ { #address-cells = <1>; #size-cells = <1>;" \
	" i2c: i2c@7e804000 { phandle = <9>; compatible = \"x\"; reg = <0x7e804000 0x1000>;" \
	"  clock-frequency = <100000>; status = \"disabled\"; };" \
	" chosen { phandle = <8>; bootargs = \"one\"; };" nodes \
	" __symbols__ { i2c = \"/i2c@7e804000\"; }; };"
#define OVERLAY(more) \
	"/ { fragment@0 { target = <0xffffffff>; __overlay__ { status = \"okay\";" \
	"  rtc@51 { phandle = <1>; compatible = \"rtc\"; speed = <5>; }; }; };" \
	" fragment@1 { target-path = \"/\"; __dormant__ { extra { }; }; };" \
	" __fixups__ { i2c = \"/fragment@0:target:0\"; };" more " };"
#define OVERRIDES(list) "__overrides__ { " list " };"

static void open_base(struct arm_fdt *fdt, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);

	memset(fdt, 0, sizeof(*fdt));
	assert_int_equal(arm_fdt_open_blob(fdt, blob, len, "base.dtb"), 0);
	free(blob);
}

static int open_overlay(struct arm_fdt *fdt, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);
	int ret;

	memset(fdt, 0, sizeof(*fdt));
	ret = arm_overlay_open(fdt, blob, len, "part.dtbo");
	free(blob);
	return ret;
}

static const char *text_of(const struct arm_fdt *fdt, const char *path, const char *name)
{
	int node = arm_fdt_find(fdt, path);

	assert_true(node >= 0);
	return arm_fdt_string(fdt, node, name);
}

static void an_overlay_is_merged(void **state)
{
	struct arm_fdt base, part;

	open_base(&base, BASE(""));
	assert_int_equal(open_overlay(&part, OVERLAY("")), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), 0);
	assert_string_equal(text_of(&base, "/i2c@7e804000", "status"), "okay");
	assert_string_equal(text_of(&base, "/i2c@7e804000/rtc@51", "compatible"), "rtc");
	assert_int_equal(arm_fdt_find(&base, "/extra"), -ENOENT);
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

/* As dwc2.dtbo and vc4-kms-v3d.dtbo have them, for their parameters. */
#define LABELLED(more) \
	"/ { fragment@0 { target = <0xffffffff>; __overlay__ { phandle = <1>; speed = <5>; }; };" \
	" __symbols__ { bus = \"/fragment@0/__overlay__\"; };" \
	" __fixups__ { i2c = \"/fragment@0:target:0\"; };" \
	" __overrides__ { speed = <1>, \"speed:0\"; };" \
	more " };"

static void a_fragments_content_may_have_a_label(void **state)
{
	struct arm_fdt base, part;
	uint32_t value = 0;
	int node;

	open_base(&base, BASE(""));
	assert_int_equal(open_overlay(&part, LABELLED(
		"__local_fixups__ { __overrides__ { speed = <0>; }; };")), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(arm_overlay_param(&part, "speed", "77"), 0);
		assert_int_equal(arm_overlay_apply(&base, &part), 0);
	}
	node = arm_fdt_find(&base, "/i2c@7e804000");
	assert_true(arm_fdt_u32(&base, node, "speed", 0, &value));
	assert_int_equal(value, 77);
	/* That by which others know it. */
	assert_true(arm_fdt_u32(&base, node, "phandle", 0, &value));
	assert_int_equal(value, 9);
	assert_null(text_of(&base, "/__symbols__", "bus"));
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

static void an_overlay_that_patches_itself_is_refused(void **state)
{
	static const char *const fixups[] = {
		"__local_fixups__ { fragment@1 { target = <0>; }; };",
		"__local_fixups__ { fragment@1 { __overlay__ { x { on = <4>; }; }; }; };",
	};
	struct arm_fdt base, part;

	open_base(&base, BASE(""));
	for (unsigned i = 0; i < ARRAY_SIZE(fixups); i++) {
		char source[1024];

		snprintf(source, sizeof(source), LABELLED("fragment@1 { target = <1>;"
			" __overlay__ { x { on = <7 1>; }; }; }; %s"), fixups[i]);
		assert_int_equal(open_overlay(&part, source), 0);
		assert_int_equal(arm_overlay_apply(&base, &part), -EINVAL);
		arm_fdt_close(&part);
	}
	/* Fixups of what is not there, or not as long, are no reference. */
	assert_int_equal(open_overlay(&part, LABELLED("__local_fixups__ { fragment@7 { x = <0>; };"
		" fragment@0 { target = <2 0xffffffff>; __overlay__ { y = <0>; }; }; };")), 0);
	arm_overlay_apply(&base, &part);
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

static void words_of_an_overlay_come_behind_the_trees_own(void **state)
{
	static const char *const overlays[] = {
		OVERLAY("fragment@2 { target-path = \"/chosen\"; __overlay__ {"
			" bootargs = \"two three\"; }; };"),
		OVERLAY("fragment@2 { target-path = \"/chosen\"; __overlay__ { y; }; };"),
		OVERLAY("fragment@2 { target-path = \"/chosen\"; __overlay__ {"
			" bootargs = \"\"; }; };"),
	};
	static const char *const want[] = { "one two three", "one", "one" };

	for (unsigned i = 0; i < ARRAY_SIZE(overlays); i++) {
		struct arm_fdt base, part;

		open_base(&base, BASE(""));
		assert_int_equal(open_overlay(&part, overlays[i]), 0);
		assert_int_equal(arm_overlay_apply(&base, &part), 0);
		assert_string_equal(text_of(&base, "/chosen", "bootargs"), want[i]);
		arm_fdt_close(&part);
		arm_fdt_close(&base);
	}
}

static void an_overlay_that_does_not_fit_changes_nothing(void **state)
{
	static const char *const bases[] = {
		"/ { i2c { }; };", "/ { i2c { }; __symbols__ { other = \"/i2c\"; }; };",
		"/ { __symbols__ { i2c = \"/i2c\"; }; };",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		struct arm_fdt base, was = { 0 }, part;
		struct capture said;

		open_base(&base, bases[i]);
		assert_int_equal(arm_fdt_copy(&was, &base), 0);
		assert_int_equal(open_overlay(&part, OVERLAY("")), 0);
		capture_begin(&said, STDERR_FILENO);
		assert_int_equal(arm_overlay_apply(&base, &part), -EINVAL);
		assert_true(capture_end_has(&said, i < 2 ? "base.dtb, which has no label i2c" :
							   "does not fit base.dtb: FDT_ERR"));
		assert_int_equal(base.size, was.size);
		assert_memory_equal(base.blob, was.blob, was.size);
		arm_fdt_close(&part);
		arm_fdt_close(&base);
		arm_fdt_close(&was);
	}
}

static void case_95_what_an_overlay_makes_is_checked(void **state)
{
	struct arm_fdt base, part;

	open_base(&base, BASE(""));
	assert_int_equal(open_overlay(&part, "/ { fragment@0 { target-path = \"/\"; __overlay__ {"
				      " #address-cells = <99>; }; }; };"), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), -EINVAL);
	assert_string_equal(text_of(&base, "/i2c@7e804000", "status"), "disabled");
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

static void case_95_aliases_that_go_round_are_refused(void **state)
{
	struct arm_fdt base, part;

	assert_int_equal(open_overlay(&part, OVERLAY("aliases { a = \"a\"; };")), -EINVAL);
	open_base(&base, BASE("aliases { a = \"a/b\"; };"));
	assert_int_equal(open_overlay(&part, OVERLAY("")), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), -EINVAL);
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

/* As in bcm2709-rpi-2-b.dtb: parameters set aliases. */
static void aliases_may_have_a_phandle(void **state)
{
	struct arm_fdt base, part;

	open_base(&base, BASE("aliases { phandle = <7>; i2c1 = \"/i2c@7e804000\"; };"
			      OVERRIDES("p = <7>, \"fb=\", \"/chosen\";")));
	assert_int_equal(arm_overlay_param(&base, "p", "true"), 0);
	assert_string_equal(text_of(&base, "/aliases", "fb"), "/chosen");
	assert_int_equal(open_overlay(&part, OVERLAY("")), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), 0);
	arm_fdt_close(&part);
	assert_int_equal(open_overlay(&part, "/ { fragment@0 { target-path = \"phandle\";"
				      " __overlay__ { x; }; }; };"), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), -EINVAL);
	arm_fdt_close(&part);
	assert_int_equal(open_overlay(&part, OVERLAY("aliases { phandle = <5 6>; };")), -EINVAL);
	arm_fdt_close(&base);
}

static void case_95_overlays_that_are_too_large_are_refused(void **state)
{
	static char blob[ARM_OVERLAY_MAX + 1];
	char *text = malloc(64 << 10), *p = text;
	struct arm_fdt part = { 0 };

	assert_int_equal(arm_overlay_open(&part, blob, sizeof(blob), "x"), -EFBIG);
	assert_int_equal(arm_overlay_open(&part, blob, 100, "x"), -ENOEXEC);
	assert_int_equal(arm_overlay_open(&part, blob, 0, "x"), -EFBIG);
	p += sprintf(p, "/ { ");
	for (unsigned i = 0; i < ARM_OVERLAY_MAX_NODES; i++)
		p += sprintf(p, "n%u { }; ", i);
	sprintf(p, "};");
	assert_int_equal(open_overlay(&part, text), -EINVAL);
	p = text + sprintf(text, "/ { ");
	for (unsigned i = 0; i <= ARM_FDT_MAX_DEPTH; i++)
		p += sprintf(p, "n { ");
	for (unsigned i = 0; i <= ARM_FDT_MAX_DEPTH; i++)
		p += sprintf(p, "}; ");
	sprintf(p, "};");
	assert_int_equal(open_overlay(&part, text), -EINVAL);
	free(text);
}

/* --- parameters ---------------------------------------------------------------------------- */

/* What the tree has after a parameter was set; the property is one of the I2C node. */
static int set(const char *overrides, const char *value, const char *prop, void *bytes,
	       unsigned *len)
{
	char source[1024];
	struct arm_fdt base;
	const void *p;
	int ret, node;

	snprintf(source, sizeof(source), BASE("%s"), overrides);
	open_base(&base, source);
	ret = arm_overlay_param(&base, "p", value);
	node = arm_fdt_find(&base, "/i2c@7e804000");
	if (node < 0)
		node = arm_fdt_find(&base, "/i2c@20");
	p = arm_fdt_bytes(&base, node, prop, len);
	if (p)
		memcpy(bytes, p, MIN(*len, 64u));
	else
		*len = UINT32_MAX;
	arm_fdt_close(&base);
	return ret;
}

/* @decl's parameter, set to @value, makes @prop the @len bytes at @want; UINT32_MAX: it is gone. */
struct param_case {
	const char *decl, *value, *prop, *want;
	unsigned len;
};

static void check_param(const struct param_case *c)
{
	char overrides[256];
	uint8_t bytes[64];
	unsigned len;

	snprintf(overrides, sizeof(overrides), OVERRIDES("p = %s;"), c->decl);
	assert_int_equal(set(overrides, c->value, c->prop, bytes, &len), 0);
	if (len != c->len || (len != UINT32_MAX && memcmp(bytes, c->want, len)))
		fail_msg("%s of '%s'", c->decl, c->value);
}

static void a_parameter_sets_what_its_declaration_says(void **state)
{
	static const struct param_case cases[] = {
		{ "<9>, \"status\"", "on", "status", "okay", 5 },
		{ "<9>, \"status\"", "off", "status", "disabled", 9 },
		{ "<9>, \"label\"", "hello", "label", "hello", 6 },
		/* Only a status is one, only the kernel's words add up. */
		{ "<9>, \"label\"", "on", "label", "on", 3 },
		{ "<9>, \"label\", <9>, \"label\"", "hello", "label", "hello", 6 },
		{ "<9>, \"flag?=1\", <9>, \"flag?=0\"", "x", "flag", "", UINT32_MAX },
		{ "<9>, \"clock-frequency:0\"", "400000", "clock-frequency", "\0\6\x1a\x80", 4 },
		{ "<9>, \"clock-frequency:4\"", "0x10", "clock-frequency",
		  "\0\1\x86\xa0\0\0\0\x10", 8 },
		{ "<9>, \"new;2\"", "258", "new", "\0\0\1\2", 4 },
		{ "<9>, \"new.1\"", "yes", "new", "\0\1", 2 },
		{ "<9>, \"new#0\"", "7", "new", "\0\0\0\0\0\0\0\7", 8 },
		{ "<9>, \"flag?\"", "true", "flag", "", 0 },
		{ "<9>, \"flag?\"", "false", "flag", "", UINT32_MAX },
		{ "<9>, \"flag!\"", "0", "flag", "", 0 },
		{ "<9>, \"mac[\"", "b8:27:eb:01:02:03", "mac", "\xb8\x27\xeb\1\2\3", 6 },
		{ "<9>, \"mac[=0102\"", "x", "mac", "\1\2", 2 },
		{ "<9>, \"label=mine\"", "x", "label", "mine", 5 },
		{ "<9>, \"clock-frequency:0=3\"", "x", "clock-frequency", "\0\0\0\3", 4 },
		{ "<9>, \"clock-frequency:0=\", <0x01020304>", "x", "clock-frequency",
		  "\1\2\3\4", 4 },
		{ "<9>, \"label\", <9>, \"status\"", "on", "status", "okay", 5 },
		{ "<9>, \"reg:0\"", "0x20", "reg", "\0\0\0\x20\0\0\x10\0", 8 },
		{ "<9>, \"#x-cells:0\"", "1", "#x-cells", "\0\0\0\1", 4 },
		{ "<9>, \"label=\", \"/chosen\", <9>, \"flag?\"", "1", "label", "/chosen", 8 },
		{ "<9>, \"label=\", <9>, \"flag?\"", "1", "label", "", 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_param(&cases[i]);
}

/* 2.2.7 */
static void tables_say_what_a_value_stands_for(void **state)
{
#define WORDS "<9>, \"label{a=alpha,b='b, too',c,=other}\""
#define BUS "<9>, \"bus:0{0=\", <0x55>, \"1=\", <0x66>, \"}\", <9>, \"last\""
	static const struct param_case cases[] = {
		{ WORDS, "a", "label", "alpha", 6 }, { WORDS, "b", "label", "b, too", 7 },
		{ WORDS, "c", "label", "c", 2 }, { WORDS, "cc", "label", "other", 6 },
		{ WORDS, "", "label", "other", 6 },
		{ "<9>, \"label{a=b,}\"", "z", "label", "z", 2 },
		{ "<9>, \"label{,a=b}\"", "a", "label", "b", 2 },
		{ "<9>, \"label{a=}\"", "a", "label", "", 1 },
		{ BUS, "1", "bus", "\0\0\0\x66", 4 }, { BUS, "0", "bus", "\0\0\0\x55", 4 },
		{ BUS, "1", "last", "1", 2 },
		{ "<9>, \"n;2{low=1,high=0x200}\"", "high", "n", "\0\0\2\0", 4 },
		{ "<9>, \"mac[{1=0102,2=0304}\"", "2", "mac", "\3\4", 2 },
		{ "<9>, \"status{near=on,far=off}\"", "near", "status", "okay", 5 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		check_param(&cases[i]);
}

/* "audio" of bcm2709-rpi-2-b.dts, which every card of Raspberry Pi OS sets */
static void sound_is_words_for_the_kernel(void **state)
{
	struct arm_fdt base;

	open_base(&base, BASE(OVERRIDES("audio = <8>, \"bootargs{on='snd.a=1 snd.b=1',"
					"off='snd.a=0 snd.b=0'}\";")));
	assert_int_equal(arm_overlay_param(&base, "audio", "on"), 0);
	assert_string_equal(text_of(&base, "/chosen", "bootargs"), "one snd.a=1 snd.b=1");
	assert_int_equal(arm_overlay_param(&base, "audio", "maybe"), -EINVAL);
	assert_string_equal(text_of(&base, "/chosen", "bootargs"), "one snd.a=1 snd.b=1");
	arm_fdt_close(&base);
}

static void words_for_the_kernel_add_up(void **state)
{
	struct arm_fdt base;

	open_base(&base, BASE(OVERRIDES("p = <8>, \"bootargs\";")));
	assert_int_equal(arm_overlay_param(&base, "p", "two"), 0);
	assert_string_equal(text_of(&base, "/chosen", "bootargs"), "one two");
	arm_fdt_close(&base);
}

static void parameters_of_an_overlay_change_it_before_it_is_merged(void **state)
{
	struct arm_fdt base, part;
	uint32_t speed = 0;

	open_base(&base, BASE(""));
	assert_int_equal(open_overlay(&part, OVERLAY(OVERRIDES(
		"speed = <1>, \"speed:0\"; extra = <0>, \"=1!0\"; more = <0>, \"+1\";"))), 0);
	assert_int_equal(arm_overlay_param(&part, "speed", "77"), 0);
	assert_int_equal(arm_overlay_param(&part, "more", "true"), 0);
	assert_int_equal(arm_overlay_apply(&base, &part), 0);
	assert_true(arm_fdt_u32(&base, arm_fdt_find(&base, "/i2c@7e804000/rtc@51"), "speed", 0,
				&speed));
	assert_int_equal(speed, 77);
	assert_true(arm_fdt_find(&base, "/extra") >= 0);
	assert_int_equal(arm_overlay_param(&part, "extra", "on"), 0);
	assert_true(arm_fdt_find(&part, "/fragment@0/__dormant__") >= 0);
	arm_fdt_close(&part);
	arm_fdt_close(&base);
}

static void a_nodes_name_follows_its_address(void **state)
{
	static const struct {
		const char *decl, *there;
	} cases[] = {
		{ "<9>, \"reg:0\"", "/i2c@20" }, { "<9>, \"reg:4\"", "/i2c@7e804000" },
		{ "<9>, \"x:0\"", "/i2c@7e804000" },
		/* One without an address in it stays as it is. */
		{ "<8>, \"reg:0\"", "/chosen" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		char source[1024];
		struct arm_fdt base;

		snprintf(source, sizeof(source), BASE(OVERRIDES("p = %s;")), cases[i].decl);
		open_base(&base, source);
		assert_int_equal(arm_overlay_param(&base, "p", "0x20"), 0);
		assert_true(arm_fdt_find(&base, cases[i].there) >= 0);
		arm_fdt_close(&base);
	}
}

static void fragments_are_turned_on_and_off(void **state)
{
	static const struct {
		const char *ops, *value;
		bool first, second;	/* merged */
	} cases[] = {
		{ "+1", "x", true, true }, { "-0", "x", false, false }, { "=1", "on", true, true },
		{ "=0", "off", false, false }, { "!0", "on", false, false },
		{ "!1", "off", true, true }, { "=1!0", "on", false, true },
		{ "=1!0", "off", true, false }, { "-0+1", "x", false, true },
	};
	static const struct {
		const char *ops, *value;
	} lies[] = {
		{ "+", "1" }, { "+1+", "1" }, { "+1x", "1" }, { "+2", "1" }, { "=1", "maybe" },
		{ "!1", "maybe" },
	};
	char source[1024];
	struct arm_fdt part;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(source, sizeof(source), OVERLAY(OVERRIDES("p = <0>, \"%s\";")),
			 cases[i].ops);
		assert_int_equal(open_overlay(&part, source), 0);
		assert_int_equal(arm_overlay_param(&part, "p", cases[i].value), 0);
		if ((arm_fdt_find(&part, "/fragment@0/__overlay__") >= 0) != cases[i].first ||
		    (arm_fdt_find(&part, "/fragment@1/__overlay__") >= 0) != cases[i].second)
			fail_msg("%s of %s", cases[i].ops, cases[i].value);
		arm_fdt_close(&part);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		snprintf(source, sizeof(source), OVERLAY(OVERRIDES("p = <0>, \"%s\";")),
			 lies[i].ops);
		assert_int_equal(open_overlay(&part, source), 0);
		assert_int_equal(arm_overlay_param(&part, "p", lies[i].value), -EINVAL);
		arm_fdt_close(&part);
	}
}

static void case_95_values_have_a_limit(void **state)
{
	char *source = malloc(4 * ARM_OVERLAY_MAX_VALUE), text[ARM_OVERLAY_MAX_VALUE + 1];
	struct arm_fdt base;

	memset(text, 'x', sizeof(text));
	text[ARM_OVERLAY_MAX_VALUE] = '\0';
	open_base(&base, BASE(OVERRIDES("p = <9>, \"label\"; words = <8>, \"bootargs\";")));
	assert_int_equal(arm_overlay_param(&base, "p", text), -EINVAL);
	assert_int_equal(arm_overlay_param(&base, "p", text + 1), 0);
	assert_int_equal(arm_overlay_param(&base, "words", text + 1), -ENOMEM);
	assert_string_equal(text_of(&base, "/chosen", "bootargs"), "one");
	arm_fdt_close(&base);
	/* What is there already counts, too: a number goes into all of it. */
	for (unsigned over = 0; over <= 1; over++) {
		sprintf(source, BASE("b { phandle = <7>; big = \"%s\"; };"
				     OVERRIDES("p = <7>, \"big:0\";")), text + !over);
		open_base(&base, source);
		assert_int_equal(arm_overlay_param(&base, "p", "1"), over ? -EINVAL : 0);
		arm_fdt_close(&base);
	}
	free(source);
}

static void unknown_parameters_are_silently_missing(void **state)
{
	struct arm_fdt base;

	open_base(&base, BASE(""));
	assert_int_equal(arm_overlay_param(&base, "p", "1"), -ENOENT);
	arm_fdt_close(&base);
	open_base(&base, BASE(OVERRIDES("q = <9>, \"x\";")));
	assert_int_equal(arm_overlay_param(&base, "p", "1"), -ENOENT);
	arm_fdt_close(&base);
}

static void case_95_declarations_that_lie_are_refused(void **state)
{
	static const struct {
		const char *decl, *value;
	} lies[] = {
		{ "<9>", "1" }, { "[00 00]", "1" }, { "<9>, [41 42]", "1" }, { "<77>, \"x\"", "1" },
		{ "<9>, \"x:\"", "1" }, { "<9>, \"x:99999\"", "1" }, { "<9>, \"x:4095\"", "1" },
		{ "<9>, \"x:0\"", "12x" }, { "<9>, \"x:0\"", "" },
		{ "<9>, \"x:0\"", "maybe" }, { "<9>, \"x?\"", "maybe" }, { "<9>, \"x[\"", "0g" },
		{ "<9>, \"x[\"", "123" }, { "<9>, \"\"", "1" }, { "<9>, \":0\"", "1" },
		{ "<9>, \"x{a=b}\"", "1" }, { "<9>, \"x{1=b\"", "1" }, { "<9>, \"x{1='b}\"", "1" },
		{ "<9>, \"x{1=b}=\"", "1" }, { "<9>, \"x{1='b'c}\"", "1" }, { "<9>, \"x{\"", "1" },
		{ "<9>, \"x{1=\", <2>, \"}\"", "1" }, { "<9>, \"x:0{1=\", <2>", "1" },
		{ "<9>, \"x:0{1=\", <2>, \"\"", "1" }, { "<9>, \"x:0{1=\"", "1" },
		{ "<9>, \"x:0{1=\", <2>, [41]", "1" }, { "<9>, \"x:0{1=\", <2>, \"2=\"", "1" },
		{ "<9>, \"x=\", [2f]", "1" }, { "<9>, \"x:0=\"", "1" }, { "<0>, \"+7\"", "1" },
		{ "<0>, \"x\"", "1" }, { "<0>, \"=0\"", "maybe" }, { "<0>, \"+\"", "1" },
		{ "<9>, \"0123456789012345678901234567890123456789012345678901234567890123\"", "" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		char overrides[256];
		uint8_t bytes[64];
		unsigned len;

		snprintf(overrides, sizeof(overrides), OVERRIDES("p = %s;"), lies[i].decl);
		if (set(overrides, lies[i].value, "x", bytes, &len) != -EINVAL)
			fail_msg("%s of '%s' was taken", lies[i].decl, lies[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_overlay_is_merged),
		cmocka_unit_test(a_fragments_content_may_have_a_label),
		cmocka_unit_test(an_overlay_that_patches_itself_is_refused),
		cmocka_unit_test(words_of_an_overlay_come_behind_the_trees_own),
		cmocka_unit_test(an_overlay_that_does_not_fit_changes_nothing),
		cmocka_unit_test(case_95_what_an_overlay_makes_is_checked),
		cmocka_unit_test(case_95_aliases_that_go_round_are_refused),
		cmocka_unit_test(aliases_may_have_a_phandle),
		cmocka_unit_test(case_95_overlays_that_are_too_large_are_refused),
		cmocka_unit_test(a_parameter_sets_what_its_declaration_says),
		cmocka_unit_test(tables_say_what_a_value_stands_for),
		cmocka_unit_test(sound_is_words_for_the_kernel),
		cmocka_unit_test(words_for_the_kernel_add_up),
		cmocka_unit_test(parameters_of_an_overlay_change_it_before_it_is_merged),
		cmocka_unit_test(a_nodes_name_follows_its_address),
		cmocka_unit_test(fragments_are_turned_on_and_off),
		cmocka_unit_test(case_95_values_have_a_limit),
		cmocka_unit_test(unknown_parameters_are_silently_missing),
		cmocka_unit_test(case_95_declarations_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
