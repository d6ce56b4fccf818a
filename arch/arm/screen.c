/* SPDX-License-Identifier: MIT */
/* --framebuffer: a Raspberry Pi's picture, shown by microvm-gpu. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arm/machine.h"
#include "arch/arm/rpi.h"
#include "devices/backend/display_link.h"
#include "devices/backend/gpu_process.h"
#include "devices/bcm283x_screen.h"
#include "vmm/opts.h"
#include "vmm/util.h"

/* Where such a board's firmware has it, with 64 MiB for the GPU; at a multiple of its size. */
#define SCREEN_GPA 0x3c000000ull
#define SCREEN_WIDTH 1024
#define SCREEN_HEIGHT 768
#define SCREEN_DEPTH 32
#define LABEL "--framebuffer"

struct arm_screen {
	struct bcm283x_screen screen;
	struct display_link *link;
};

static const struct opt_key screen_keys[] = {
	{ "depth", "16|32", "bits of a pixel (32)" },
	{ "display", "none|sdl|egl", "what shows it" },
	{ "program", "FILE", "microvm-gpu" },
	{ 0 }
};

/* --- what it is like ------------------------------------------------------------------- */

static bool parse_size(const char *text, uint32_t *width, uint32_t *height)
{
	const char *x = strchr(text, 'x');
	uint64_t w, h;
	char first[8];

	if (!strcmp(text, "on"))
		return true;
	if (!x || x - text >= (ptrdiff_t)sizeof(first))
		return false;
	memcpy(first, text, x - text);
	first[x - text] = '\0';
	if (opt_parse_number(first, 1, UINT16_MAX, &w) < 0 ||
	    opt_parse_number(x + 1, 1, UINT16_MAX, &h) < 0)
		return false;
	*width = w;
	*height = h;
	return true;
}

/* config.txt's, unless the user says otherwise. */
static int read_first(struct vm *vm, const struct opt_value *v, struct bcm283x_fb *fb)
{
	const struct boot_config *c = &vm->machine->pi.config;
	uint32_t width = c->fb_width ? c->fb_width : SCREEN_WIDTH;
	uint32_t height = c->fb_height ? c->fb_height : SCREEN_HEIGHT;
	uint32_t depth = c->fb_depth == 16 ? 16 : SCREEN_DEPTH;
	const char *bits = opt_value_get(v, "depth");

	if (bits)
		depth = !strcmp(bits, "16") ? 16 : 32;
	if (v->first && parse_size(v->first, &width, &height) &&
	    bcm283x_screen_fit(fb, SCREEN_GPA, width, height, depth))
		return 0;
	log_error(LABEL " %.40s: on, or a size such as 1024x768, of %u MiB at most",
		  v->first ? v->first : "", BCM283X_SCREEN_LEN >> 20);
	return -EINVAL;
}

static int check_place(struct vm *vm)
{
	const struct gmem_range *ram = &vm->machine->ram;

	if (!arm_files_are_rpi_2(vm)) {
		log_error(LABEL ": is a Raspberry Pi 2's; other machines have --gpu");
		return -EINVAL;
	}
	if (range_fits(ram->gpa, ram->len, SCREEN_GPA))
		return 0;
	log_error("--memory: with " LABEL " there is room for %" PRIu64 "M",
		  (uint64_t)(SCREEN_GPA >> 20));
	return -EINVAL;
}

/* --- the display --------------------------------------------------------------------------- */

static void screen_configure(void *ctx, unsigned output, const struct display_output *what)
{
}

static void screen_plug(void *ctx, unsigned output, bool on)
{
	struct arm_screen *s = ctx;

	bcm283x_screen_show(&s->screen, on);
}

static void screen_frame_done(void *ctx, unsigned output)
{
}

static const struct display_sink_ops screen_ops = {
	.configure = screen_configure, .plug = screen_plug, .frame_done = screen_frame_done,
};

static int connect_display(struct vm *vm, struct arm_screen *s, const struct opt_value *v)
{
	const struct display_link_params params = {
		.loop = vm->loop, .process = vm->gpu, .sink = { &screen_ops, s },
	};
	const char *display = opt_value_get(v, "display"), *program = opt_value_get(v, "program");
	int ret = display || program ? gpu_process_set(vm->gpu, program, display) : 0;

	if (ret == 0)
		ret = gpu_process_add(vm->gpu, GPU_PROCESS_FRAMEBUFFER, "");
	return ret < 0 ? ret : display_link_create(&s->link, &params);
}

/* --- life ------------------------------------------------------------------------------------ */

static int create(struct vm *vm, const struct opt_value *v)
{
	struct bcm283x_screen_params params = { .loop = vm->loop, .bus = &vm->mmio };
	struct arm_screen *s;
	int ret = check_place(vm);

	if (ret == 0)
		ret = read_first(vm, v, &params.first);
	if (ret < 0)
		return ret;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	ret = connect_display(vm, s, v);
	if (ret == 0) {
		params.display = display_link_display(s->link);
		ret = bcm283x_screen_init(&s->screen, &params);
	}
	if (ret < 0) {
		display_link_destroy(s->link);
		free(s);
		return ret;
	}
	vm->machine->screen = s;
	vm->machine->bcm.screen = &s->screen;
	return 0;
}

int arm_screen_create(struct vm *vm)
{
	struct opt_value v = { 0 };
	int ret;

	if (!vm->cfg->framebuffer)
		return 0;
	ret = opt_value_parse(&v, LABEL, vm->cfg->framebuffer, screen_keys);
	if (ret == 0)
		ret = create(vm, &v);
	opt_value_finish(&v);
	return ret;
}

void arm_screen_reset(struct vm *vm)
{
	if (vm->machine->screen)
		bcm283x_screen_reset(&vm->machine->screen->screen);
}

void arm_screen_destroy(struct vm *vm)
{
	struct arm_screen *s = vm->machine->screen;

	if (!s)
		return;
	bcm283x_screen_finish(&s->screen);
	display_link_destroy(s->link);
	free(s);
	vm->machine->screen = NULL;
}

int arm_screen_patch(struct vm *vm, struct arm_fdt *fdt)
{
	return vm->machine->screen ? arm_rpi_add_framebuffer(fdt,
		&vm->machine->screen->screen.params.first) : 0;
}
