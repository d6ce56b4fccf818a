/* SPDX-License-Identifier: MIT */
/*
 * An SD card: bytes of an input are laid over a sound FAT file system with config.txt, a
 * tree and an overlay, as offset, length and bytes, or are the overlay or config.txt.
 */
#include <stdlib.h>
#include <unistd.h>

#include "arch/arm/boot_pi.h"
#include "arch/arm/overlay.h"
#include "tests/dts.h"
#include "tests/fat_image.h"
#include "tests/fuzz/input.h"
#include "tests/must.h"
#include "vmm/util.h"

#define CONFIG "kernel=k.img\ninitramfs a.img,b.img 0\ndtoverlay=part,pin=3\ndtparam=pin=4\n" \
	"dtparam=audio=on,n=1,fb\ninclude m\n"
#define TREE \
	"/ { #address-cells = <1>; #size-cells = <1>; leds { phandle = <1>; label = \"x\"; };" \
	" chosen { phandle = <2>; bootargs = \"a\"; }; aliases { phandle = <3>; l = \"/leds\"; };" \
	" __symbols__ { leds = \"/leds\"; }; __overrides__ { label = <1>, \"label\";" \
	" audio = <2>, \"bootargs{on='b c',off=d}\"; fb = <3>, \"fb=\", \"/leds\";" \
	" n = <1>, \"n:0{0=\", <7>, \"1=\", <8>, \"}\"; }; };"
#define PART \
	"/ { fragment@0 { target = <0xffffffff>; __overlay__ { phandle = <1>; led { phandle = <2>; pin = <1>;" \
	" again = <2>; }; }; }; fragment@1 { target-path = \"/\"; __dormant__ { extra { }; }; };" \
	" __fixups__ { leds = \"/fragment@0:target:0\"; };" \
	" __local_fixups__ { fragment@0 { __overlay__ { led { again = <0>; }; }; }; };" \
	" fragment@2 { target-path = \"/chosen\"; __overlay__ { bootargs = \"e\"; }; };" \
	" __overrides__ { pin = <2>, \"pin:0\", <0>, \"+1\"; name = <2>, \"name\"; }; };"

enum { OVER_CARD, THE_OVERLAY, THE_CONFIG, THE_PARAMETER, N_KINDS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Compiled once: the trees' text would cost more than the input. */
static struct blobs {
	void *tree, *part;
	size_t tree_len, part_len;
} blobs;

static void make_card(struct fat_image *f, unsigned bits, const struct input *part,
		      const struct input *config)
{
	uint32_t dir;

	fat_image_init(f, bits);
	if (config)
		fat_image_file(f, FAT_ROOT, "config.txt", config->data, config->left);
	else
		fat_image_text(f, FAT_ROOT, "config.txt", CONFIG);
	dir = fat_image_dir(f, FAT_ROOT, "overlays");
	fat_image_file(f, dir, "part.dtbo", part ? part->data : blobs.part,
		       part ? part->left : blobs.part_len);
	fat_image_file(f, FAT_ROOT, "bcm2709-rpi-2-b.dtb", blobs.tree, blobs.tree_len);
	fat_image_text(f, FAT_ROOT, "K.IMG", "kernel");
	fat_image_text(f, FAT_ROOT, "A.IMG", "one");
	fat_image_text(f, FAT_ROOT, "B.IMG", "two");
	fat_image_text(f, FAT_ROOT, "M", "os_prefix=a\n");
	fat_image_text(f, FAT_ROOT, "cmdline.txt", "console=serial0\n");
}

/* Where there is something to damage: the beginning and the first clusters. */
static void damage(struct fat_image *f, struct input *in)
{
	while (in->left) {
		size_t off = take(in, 2), len = take(in, 1) % 32 + 1;

		off = off < 0x8000 ? off % (f->root + 4096) : f->data + (off & 0x7fff);
		for (size_t i = 0; i < len && off + i < f->len; i++)
			f->p[off + i] = take(in, 1);
	}
}

static void boot(const struct fat_image *f)
{
	static const struct arm_pi_wants all = { true, true, true, 7 };
	struct arm_pi pi = { 0 };
	char path[32];
	int fd = fat_image_save(f, 0, path);

	if (arm_pi_open(&pi, path, &all) == 0) {
		must(pi.kernel.name && pi.tree.blob && pi.cmdline);
		must(lseek(pi.kernel.fd, 0, SEEK_END) <= (off_t)f->len);
	}
	arm_pi_close(&pi);
	close(fd);
}

static void parameter(struct input *in)
{
	struct arm_fdt part = { 0 };
	char value[64];
	size_t n = take(in, 1) % sizeof(value);

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = i < n ? (char)take(in, 1) : 0;
	if (arm_overlay_open(&part, in->data, in->left, "part") < 0)
		return;
	arm_overlay_param(&part, "p", value);
	arm_overlay_param(&part, "pin", "0x10");
	arm_fdt_close(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned bits[] = { 12, 16, 32 };
	struct input in = { data, MIN(size, (size_t)60000) };
	unsigned kind = take(&in, 1), b = bits[kind / N_KINDS % 3];
	struct fat_image f;

	if (!blobs.tree) {
		blobs.tree_len = dts_compile(TREE, &blobs.tree);
		blobs.part_len = dts_compile(PART, &blobs.part);
	}
	kind %= N_KINDS;
	if (kind == THE_PARAMETER) {
		parameter(&in);
		return 0;
	}
	make_card(&f, b, kind == THE_OVERLAY ? &in : NULL, kind == THE_CONFIG ? &in : NULL);
	if (kind == OVER_CARD)
		damage(&f, &in);
	boot(&f);
	fat_image_finish(&f);
	return 0;
}
