/* SPDX-License-Identifier: MIT */
/* What a Raspberry Pi's firmware finds on its card. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/arm/boot_pi.h"
#include "tests/capture.h"
#include "tests/dts.h"
#include "tests/fat_image.h"
#include "vmm/util.h"

#define TREE \
	"/ { #address-cells = <1>; #size-cells = <1>; leds { phandle = <1>; label = \"old\"; };" \
	" __symbols__ { leds = \"/leds\"; };" \
	" __overrides__ { label = <1>, \"label\"; second = <1>, \"more\"; cells = <1>, \"#address-cells:0\"; }; };"
#define PART \
	"/ { fragment@0 { target-path = \"/leds\"; __overlay__ { led { phandle = <2>; pin = <1>; };" \
	" }; }; __overrides__ { pin = <2>, \"pin:0\"; }; };"

static const struct arm_pi_wants all = { true, true, true, 0x564d0002 };

struct card {
	struct fat_image fat;
	uint32_t overlays;
	char path[32];
	int fd;
	struct arm_pi pi;
};

static void add_blob(struct card *c, uint32_t dir, const char *name, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);

	fat_image_file(&c->fat, dir, name, blob, len);
	free(blob);
}

static void card_init_named(struct card *c, const char *config, const char *kernel)
{
	memset(c, 0, sizeof(*c));
	fat_image_init(&c->fat, 16);
	c->overlays = fat_image_dir(&c->fat, FAT_ROOT, "overlays");
	add_blob(c, c->overlays, "part.dtbo", PART);
	add_blob(c, FAT_ROOT, "bcm2709-rpi-2-b.dtb", TREE);
	fat_image_text(&c->fat, FAT_ROOT, kernel, "kernel seven");
	fat_image_text(&c->fat, FAT_ROOT, "first.img", "abcde");
	fat_image_text(&c->fat, FAT_ROOT, "second.img", "xyz");
	fat_image_text(&c->fat, FAT_ROOT, "cmdline.txt", "root=/dev/mmcblk0p2 quiet\r\nmore\n");
	if (config)
		fat_image_text(&c->fat, FAT_ROOT, "config.txt", config);
}

static void card_init(struct card *c, const char *config)
{
	card_init_named(c, config, "kernel7.img");
}

static int card_open(struct card *c)
{
	c->fd = fat_image_save(&c->fat, 0, c->path);
	return arm_pi_open(&c->pi, c->path, &all);
}

static void card_finish(struct card *c)
{
	arm_pi_close(&c->pi);
	close(c->fd);
	fat_image_finish(&c->fat);
}

static void has(const struct arm_pi_file *f, const char *want)
{
	char text[64] = "";

	assert_non_null(f->name);
	assert_int_equal(pread(f->fd, text, sizeof(text) - 1, 0), strlen(want));
	assert_string_equal(text, want);
}

static void without_a_word_the_usual_names_count(void **state)
{
	struct card c;

	card_init(&c, NULL);
	assert_int_equal(card_open(&c), 0);
	assert_true(c.pi.is_card && c.pi.open);
	has(&c.pi.kernel, "kernel seven");
	assert_null(c.pi.initrd.name);
	assert_string_equal(c.pi.cmdline, "root=/dev/mmcblk0p2 quiet");
	assert_true(arm_fdt_find(&c.pi.tree, "/leds") >= 0);
	card_finish(&c);
}

static void several_initramfs_are_one(void **state)
{
	struct card c;
	char text[16] = "";

	card_init(&c, "initramfs first.img,second.img followkernel\nkernel=second.img\n");
	assert_int_equal(card_open(&c), 0);
	has(&c.pi.kernel, "xyz");
	assert_int_equal(pread(c.pi.initrd.fd, text, sizeof(text), 0), 12);
	assert_memory_equal(text, "abcde\0\0\0xyz\0", 12);
	card_finish(&c);
}

static void make_file(const char *dir, const char *name, const char *text, off_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(ftruncate(fileno(f), len), 0);
	fclose(f);
}

/* Neither alone is; nothing of the second is copied. */
static void case_96_initramfs_that_together_are_more_than_memory(void **state)
{
	static const char *const names[] = { "kernel7.img", "first.img", "big.img", "config.txt" };
	static const char config[] = "initramfs first.img,big.img\n";
	const struct arm_pi_wants wants = { .kernel = true, .initrd = true };
	char dir[] = "/tmp/test_arm_pi.XXXXXX", path[64];
	struct arm_pi pi = { 0 };

	assert_non_null(mkdtemp(dir));
	make_file(dir, names[0], "kernel", 6);
	make_file(dir, names[1], "abcd", 4);
	make_file(dir, names[2], "", 1 << 30);
	make_file(dir, names[3], config, sizeof(config) - 1);
	assert_int_equal(arm_pi_open(&pi, dir, &wants), -EFBIG);
	assert_int_equal(lseek(pi.initrd.fd, 0, SEEK_END), 4);
	arm_pi_close(&pi);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void an_initramfs_may_be_named_after_its_kernel(void **state)
{
	struct card c;

	card_init(&c, "auto_initramfs=1\n");
	assert_int_equal(card_open(&c), 0);
	assert_null(c.pi.initrd.name);
	arm_pi_close(&c.pi);
	close(c.fd);
	fat_image_text(&c.fat, FAT_ROOT, "initramfs7", "goes with it");
	assert_int_equal(card_open(&c), 0);
	has(&c.pi.initrd, "goes with it");
	card_finish(&c);
	card_init(&c, "auto_initramfs=1\nkernel=first.img\n");
	assert_int_equal(card_open(&c), 0);
	assert_null(c.pi.initrd.name);
	card_finish(&c);
}

static void overlays_and_parameters_are_applied(void **state)
{
	uint32_t pin = 0;
	struct card c;

	card_init(&c, "dtparam=label=new\ndtoverlay=part,pin=7\ndtparam=pin=8\n"
		  "dtparam=second=on\n"
		  "dtoverlay=\ndtparam=nothing\ndtoverlay=not-there\ndtparam=pin=9\n");
	assert_int_equal(card_open(&c), 0);
	assert_string_equal(arm_fdt_string(&c.pi.tree, arm_fdt_find(&c.pi.tree, "/leds"), "label"),
			    "new");
	assert_true(arm_fdt_u32(&c.pi.tree, arm_fdt_find(&c.pi.tree, "/leds/led"), "pin", 0, &pin));
	assert_int_equal(pin, 8);
	/* A parameter of the tree while an overlay is open that has none of that name. */
	assert_string_equal(arm_fdt_string(&c.pi.tree, arm_fdt_find(&c.pi.tree, "/leds"), "more"),
			    "on");
	card_finish(&c);
}

/* The forms that bcm2709-rpi-2-b.dtb, vc4-kms-v3d.dtbo and dwc2.dtbo have, made small. */
#define PI_OS_TREE \
	"/ { #address-cells = <1>; #size-cells = <1>; aliases { phandle = <4>; usb = \"/usb\"; };" \
	" memory@0 { device_type = \"memory\"; reg = <0 0>; };" \
	" chosen { phandle = <1>; bootargs = \"own\"; }; i2c { phandle = <5>; };" \
	" usb { phandle = <2>; compatible = \"brcm,bcm2708-usb\"; }; gpu { phandle = <3>;" \
	"  compatible = \"brcm,bcm2835-vc4\"; status = \"disabled\"; };" \
	" __symbols__ { chosen = \"/chosen\"; usb = \"/usb\"; vc4 = \"/gpu\"; };" \
	" __overrides__ { cache_line_size; i2c_arm = <5>, \"status\";" \
	"  drm_fb0_vc4 = <4>, \"drm-fb0=\", \"/gpu\";" \
	"  audio = <1>, \"bootargs{on='snd.hdmi=1 snd.jack=1',off='snd.hdmi=0 snd.jack=0'}\"; }; };"
#define VC4 \
	"/ { fragment@0 { target = <0xffffffff>; __overlay__ { status = \"okay\"; }; };" \
	" fragment@1 { target = <0xffffffff>; __overlay__ { bootargs = \"snd.hdmi=0\"; }; };" \
	" fragment@2 { target-path = \"/gpu\"; __dormant__ { dmas; }; };" \
	" __fixups__ { vc4 = \"/fragment@0:target:0\"; chosen = \"/fragment@1:target:0\"; };" \
	" __overrides__ { audio = <0>, \"!2\"; noaudio = <0>, \"=2\"; }; };"
#define DWC2 \
	"/ { fragment@0 { target = <0xffffffff>; #address-cells = <1>; __overlay__ { phandle = <1>;" \
	"  compatible = \"brcm,bcm2835-usb\"; dr_mode = \"otg\"; status = \"okay\"; }; };" \
	" __fixups__ { usb = \"/fragment@0:target:0\"; };" \
	" __symbols__ { dwc2_usb = \"/fragment@0/__overlay__\"; };" \
	" __local_fixups__ { __overrides__ { dr_mode = <0>; }; };" \
	" __overrides__ { dr_mode = <1>, \"dr_mode\"; }; };"

static const char *text_at(const struct arm_fdt *fdt, const char *path, const char *name)
{
	return arm_fdt_string(fdt, arm_fdt_find(fdt, path), name);
}

static void a_card_of_raspberry_pi_os_is_taken_whole(void **state)
{
	struct capture said;
	struct card c;
	char *text;

	card_init_named(&c, "dtparam=audio=on\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\n"
			"max_framebuffers=2\n[cm4]\notg_mode=1\n[all]\ndtparam=i2c_arm=on\n"
			"dtoverlay=dwc2,dr_mode=host\ndevice_tree=os.dtb\ndtparam=drm_fb0_vc4\n",
			"kernel7.img");
	add_blob(&c, FAT_ROOT, "os.dtb", PI_OS_TREE);
	add_blob(&c, c.overlays, "vc4-kms-v3d.dtbo", VC4);
	add_blob(&c, c.overlays, "dwc2.dtbo", DWC2);
	fat_image_text(&c.fat, FAT_ROOT, "initramfs7", "");
	capture_begin(&said, STDERR_FILENO);
	assert_int_equal(card_open(&c), 0);
	text = capture_end(&said);
	assert_string_equal(text, "");
	free(text);
	assert_non_null(c.pi.initrd.name);
	assert_string_equal(text_at(&c.pi.tree, "/chosen", "bootargs"),
			    "own snd.hdmi=1 snd.jack=1 snd.hdmi=0");
	assert_string_equal(text_at(&c.pi.tree, "/gpu", "status"), "okay");
	assert_string_equal(text_at(&c.pi.tree, "/i2c", "status"), "okay");
	assert_string_equal(text_at(&c.pi.tree, "/usb", "compatible"), "brcm,bcm2835-usb");
	assert_string_equal(text_at(&c.pi.tree, "/usb", "dr_mode"), "host");
	assert_string_equal(text_at(&c.pi.tree, "/aliases", "drm-fb0"), "/gpu");
	card_finish(&c);
}

static void upstream_kernels_have_downstreams_tree_adapted(void **state)
{
	struct card c;

	card_init(&c, "upstream_kernel=1\n");
	add_blob(&c, c.overlays, "upstream.dtbo", PART);
	assert_int_equal(card_open(&c), 0);
	assert_true(arm_fdt_find(&c.pi.tree, "/leds/led") >= 0);
	arm_pi_close(&c.pi);
	close(c.fd);
	add_blob(&c, FAT_ROOT, "bcm2836-rpi-2-b.dtb", TREE);
	assert_int_equal(card_open(&c), 0);
	assert_int_equal(arm_fdt_find(&c.pi.tree, "/leds/led"), -ENOENT);
	card_finish(&c);
}

/* What a message says, and what is to be done. */
static void refused(const char *config, const char *kernel, int error, const char *text)
{
	struct capture said;
	struct card c;

	card_init_named(&c, config, kernel);
	capture_begin(&said, STDERR_FILENO);
	assert_int_equal(card_open(&c), error);
	assert_true(capture_end_has(&said, text));
	card_finish(&c);
}

static void what_is_missing_is_said_with_what_to_do(void **state)
{
	static const char usual[] = "kernel7.img";

	refused("arm_64bit=1", usual, -EINVAL, "needs an image for them (armhf)");
	refused("", "kernel8.img", -ENOENT, "has no kernel7.img but kernel8.img: a Raspberry Pi 2");
	refused("", "kernel6.img", -ENOENT, "has no kernel7.img and no kernel.img, which would be "
		"the kernel; --kernel names another");
	refused("kernel=/a/b", usual, -ENOENT, "has no /a/b, which would be the kernel");
	refused("device_tree=x", usual, -ENOENT, "has no x, which would be the device tree; --dtb");
	refused("device_tree=", usual, -EINVAL, "--dtb names it");
	refused("initramfs first.img,x 0", usual, -ENOENT, "has no x, which would be the "
		"initramfs; --initrd");
}

static void a_prefix_counts_where_kernel_and_tree_are_behind_it(void **state)
{
	struct card c;
	uint32_t dir;

	card_init(&c, "os_prefix=new/\n");
	dir = fat_image_dir(&c.fat, FAT_ROOT, "new");
	fat_image_text(&c.fat, dir, "kernel7.img", "newer");
	fat_image_text(&c.fat, dir, "cmdline.txt", "prefixed");
	assert_int_equal(card_open(&c), 0);
	has(&c.pi.kernel, "kernel seven");
	arm_pi_close(&c.pi);
	close(c.fd);
	add_blob(&c, dir, "bcm2709-rpi-2-b.dtb", TREE);
	assert_int_equal(card_open(&c), 0);
	has(&c.pi.kernel, "newer");
	assert_string_equal(c.pi.cmdline, "prefixed");
	card_finish(&c);
}

static void what_the_user_says_need_not_be_on_the_card(void **state)
{
	static const struct arm_pi_wants none = { 0 };
	struct card c;

	card_init(&c, "kernel=nowhere\ninitramfs nothing\ndevice_tree=no\n");
	assert_int_equal(card_open(&c), -ENOENT);
	arm_pi_close(&c.pi);
	assert_int_equal(arm_pi_open(&c.pi, c.path, &none), 0);
	assert_null(c.pi.kernel.name);
	assert_null(c.pi.tree.blob);
	card_finish(&c);
}

static void a_second_look_sees_what_has_changed(void **state)
{
	struct card c;
	uint8_t *text;

	card_init(&c, "kernel=kernel7.img\n");
	assert_int_equal(card_open(&c), 0);
	text = memmem(c.fat.p, c.fat.len, "kernel7.img", 11);
	memcpy(text, "second.img\n", 11);
	assert_int_equal(pwrite(c.fd, c.fat.p, c.fat.len, 0), c.fat.len);
	assert_int_equal(arm_pi_reload(&c.pi, c.path, &all), 0);
	has(&c.pi.kernel, "xyz");
	assert_non_null(c.pi.tree.blob);
	card_finish(&c);
}

static void case_94_cards_that_cannot_be_booted_are_refused(void **state)
{
	static const struct {
		const char *config;
		int ret;
	} lies[] = {
		{ "arm_64bit=1\n", -EINVAL }, { "device_tree=\n", -EINVAL },
		{ "kernel=none.img\n", -ENOENT }, { "device_tree=none.dtb\n", -ENOENT },
		{ "initramfs none.img 0\n", -ENOENT }, { "device_tree=first.img\n", -EINVAL },
		{ "kernel=overlays\n", -EISDIR }, { "dtparam=cells=99\n", -EINVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		struct card c;
		int ret;

		card_init(&c, lies[i].config);
		ret = card_open(&c);
		if (ret != lies[i].ret && !(ret == -ENOEXEC && lies[i].ret == -EINVAL))
			fail_msg("%s: %d", lies[i].config, ret);
		card_finish(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_the_usual_names_count),
		cmocka_unit_test(several_initramfs_are_one),
		cmocka_unit_test(case_96_initramfs_that_together_are_more_than_memory),
		cmocka_unit_test(an_initramfs_may_be_named_after_its_kernel),
		cmocka_unit_test(overlays_and_parameters_are_applied),
		cmocka_unit_test(a_card_of_raspberry_pi_os_is_taken_whole),
		cmocka_unit_test(upstream_kernels_have_downstreams_tree_adapted),
		cmocka_unit_test(what_is_missing_is_said_with_what_to_do),
		cmocka_unit_test(a_prefix_counts_where_kernel_and_tree_are_behind_it),
		cmocka_unit_test(what_the_user_says_need_not_be_on_the_card),
		cmocka_unit_test(a_second_look_sees_what_has_changed),
		cmocka_unit_test(case_94_cards_that_cannot_be_booted_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
