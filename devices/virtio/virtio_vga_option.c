/* SPDX-License-Identifier: MIT */
/* What --gpu says of VGA: vga=, vram=, vga-bios=. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/gpu/options.h"
#include "devices/virtio/virtio_vga.h"

#define BYTES_A_PIXEL 4

/* A window shows early boot; nobody looks at what is shown nowhere. */
static bool has_window(const struct opt_value *opts)
{
	const char *display = opt_value_get(opts, "display");
	const char *x = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

	if (display)
		return strcmp(display, "none");
	return opt_value_get(opts, "socket") || (x && *x) || (wayland && *wayland);
}

static int parse_vram(struct virtio_vga_params *p, const char *label, const char *text)
{
	p->vram = VIRTIO_VGA_DEFAULT_VRAM;
	if (!text)
		return 0;
	if (opt_parse_size(text, &p->vram) == 0 && is_pow2(p->vram) && p->vram >= VGA_MIN_VRAM &&
	    p->vram <= VGA_MAX_VRAM)
		return 0;
	log_error("%s: vram=%.40s: a power of two from %dK to %dM", label, text,
		  VGA_MIN_VRAM / 1024, VGA_MAX_VRAM >> 20);
	return -EINVAL;
}

static int parse_mode(struct virtio_vga_params *p, const char *label, const char *text)
{
	char size[16];
	unsigned width, height;
	int end = -1;

	if (!strcmp(text, "on") || !strcmp(text, "text"))
		return 0;
	p->boot_planar = !strcmp(text, "planar");
	if (p->boot_planar)
		return 0;
	snprintf(size, sizeof(size), "%s", text);
	if (strlen(text) >= sizeof(size) || strspn(size, "0123456789x") != strlen(size) ||
	    sscanf(size, "%5ux%5u%n", &width, &height, &end) != 2 || size[end] || !width ||
	    !height || width > DISPLAY_MAX_SIZE || height > DISPLAY_MAX_SIZE) {
		log_error("%s: vga=%.40s: on, off, text, planar or a size such as 1024x768", label, text);
		return -EINVAL;
	}
	if ((uint64_t)width * height * BYTES_A_PIXEL > p->vram) {
		log_error("%s: vga=%s does not fit into %llu MiB: vram= makes it more", label, text,
			  (unsigned long long)(p->vram / MiB));
		return -EINVAL;
	}
	p->boot_width = width;
	p->boot_height = height;
	return 0;
}

int virtio_vga_option(struct virtio_vga_params *p, const char *label, const struct opt_value *opts)
{
	const char *mode = opt_value_get(opts, "vga"), *vram = opt_value_get(opts, "vram");
	const char *rom = opt_value_get(opts, "vga-bios");
	bool off = mode && !strcmp(mode, "off");
	struct gpu_params gpu;
	struct screen_look look;
	int ret = gpu_option_gpu(&gpu, &look, label, opts);

	*p = (struct virtio_vga_params){ 0 };
	if (ret < 0)
		return ret;
	if (!mode && !vram && !rom && (opt_value_is(opts, "bus", "mmio") || !has_window(opts)))
		return 0;
	if (off && (vram || rom)) {
		log_error("%s: %s= is for vga=on", label, vram ? "vram" : "vga-bios");
		return -EINVAL;
	}
	if (off)
		return 0;
	if (opt_value_is(opts, "bus", "mmio")) {
		log_error("%s: a VGA card is on bus=pci", label);
		return -EINVAL;
	}
	p->rom = rom;
	p->asked = mode || vram || rom;
	p->width = gpu.output.width ? gpu.output.width : GPU_DEFAULT_WIDTH;
	p->height = gpu.output.height ? gpu.output.height : GPU_DEFAULT_HEIGHT;
	ret = parse_vram(p, label, vram);
	if (ret == 0)
		ret = parse_mode(p, label, mode ? mode : "on");
	return ret < 0 ? ret : 1;
}
