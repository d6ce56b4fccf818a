/* SPDX-License-Identifier: MIT */
/* One PCI function that is VGA and virtio: what a guest finds of it, and where its vram is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/gpu_process.h"
#include "devices/registry.h"
#include "devices/virtio/virtio_vga.h"
#include "tests/capture.h"
#include "tests/echo_dev.h"
#include "tests/until.h"
#include "tests/vrig.h"

#define VRAM (1 * MiB)
#define ECAM VRIG_ECAM_GPA
#define MMIO_VGA 0x400
#define MMIO_VBE 0x500

extern const struct virtio_model virtio_gpu_model;

struct t {
	struct fake fake;
	struct fake_irq irq[PCI_BUS_INTX_LINES];
	struct pci_bus bus;
	struct gpu_process *process;
	struct echo_dev echo;
	struct virtio_vga vga;
	bool on;
	/* a kernel that maps memory */
	const struct io_region *mapped;
	unsigned n_mapped;
	uint64_t written;		/* pages, of the first 64 */
	struct capture cap;
};

static int map(void *ctx, const struct io_region *r)
{
	struct t *t = ctx;

	if (t->mapped)
		return -EEXIST;
	t->mapped = r;
	t->n_mapped++;
	return 0;
}

static void unmap(void *ctx, const struct io_region *r)
{
	struct t *t = ctx;

	assert_ptr_equal(r, t->mapped);
	t->mapped = NULL;
}

static int collect(void *ctx, const struct io_region *r, uint64_t *pages)
{
	struct t *t = ctx;

	pages[0] |= t->written;
	t->written = 0;
	return 0;
}

static int bind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	return -ENODEV;
}

static void unbind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
}

static const struct bus_hook hook = { bind, unbind, map, unmap, collect };

static void plug(struct t *t, const struct virtio_vga_params *params)
{
	struct virtio_vga_params p = *params;

	p.loop = t->fake.loop;
	p.process = t->process;
	p.width = 1024;
	p.height = 768;
	echo_init(&t->echo, t->fake.loop, &t->fake.mem);
	assert_int_equal(virtio_vga_init(&t->vga, &t->echo.v, &t->bus, &p), 0);
	assert_int_equal(pci_bus_assign(&t->bus), 0);
	bus_set_hook(&t->fake.mmio, &hook, t);
	t->on = true;
}

static int setup(void **state)
{
	static const struct pci_windows windows = {
		.mem32_base = 0xc0000000, .mem32_size = 0x10000000,
		.mem64_base = 0x4000000000, .mem64_size = 0x4000000000,
	};
	struct t *t = calloc(1, sizeof(*t));
	struct irq_line lines[PCI_BUS_INTX_LINES];

	fake_init(&t->fake);
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		lines[i] = fake_irq_line(&t->irq[i]);
	pci_bus_init(&t->bus, &t->fake.mmio, &t->fake.pio, fake_msi_sink(&t->fake), lines,
		     &windows);
	assert_int_equal(pci_bus_map_config(&t->bus, ECAM), 0);
	assert_int_equal(gpu_process_create(&t->process, t->fake.loop, "test"), 0);
	/* A screen that says nothing. */
	assert_int_equal(gpu_process_set(t->process, "/bin/false", NULL), 0);
	assert_int_equal(gpu_process_add(t->process, GPU_PROCESS_FRAMEBUFFER, ""), 0);
	capture_begin(&t->cap, STDERR_FILENO);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	bus_set_hook(&t->fake.mmio, NULL, NULL);
	if (t->on) {
		virtio_vga_finish(&t->vga);
		echo_finish(&t->echo);
	}
	gpu_process_destroy(t->process);
	free(capture_end(&t->cap));
	pci_bus_finish(&t->bus);
	fake_finish(&t->fake);
	free(t);
	return 0;
}

static uint32_t config(struct t *t, unsigned off, unsigned size)
{
	return pci_config_read(&t->bus, t->vga.pci.pci.slot, 0, off, size);
}

static void config_set(struct t *t, unsigned off, unsigned size, uint32_t value)
{
	pci_config_write(&t->bus, t->vga.pci.pci.slot, 0, off, size, value);
}

static uint64_t bar(struct t *t, unsigned n)
{
	uint64_t low = config(t, PCI_BASE_ADDRESS_0 + 4 * n, 4);

	return (low & ~15ull) |
	       (low & PCI_BASE_ADDRESS_MEM_TYPE_64 ?
		(uint64_t)config(t, PCI_BASE_ADDRESS_0 + 4 * n + 4, 4) << 32 : 0);
}

static uint64_t peek(struct t *t, uint64_t gpa, unsigned size)
{
	uint64_t value;

	bus_read(&t->fake.mmio, gpa, size, &value);
	return value;
}

static uint8_t in(struct t *t, uint16_t port)
{
	uint64_t value;

	bus_read(&t->fake.pio, port, 1, &value);
	return value;
}

static uint16_t vbe(struct t *t, unsigned index)
{
	return peek(t, bar(t, 2) + MMIO_VBE + 2 * index, 2);
}

/* --- what a guest finds --------------------------------------------------- */

static const struct virtio_vga_params text = { .vram = VRAM };

static void function_is_a_vga_card_and_on_from_the_start(void **state)
{
	struct t *t = *state;

	plug(t, &text);
	assert_int_equal(config(t, PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(config(t, PCI_DEVICE_ID, 2), 0x1040 + ECHO_ID);
	assert_int_equal(config(t, PCI_CLASS_REVISION, 4) >> 8, 0x030000);
	assert_int_equal(config(t, PCI_COMMAND, 2) & 3, 3);
	/* 32 bits, prefetchable; 64 bits. */
	assert_int_equal(config(t, PCI_BASE_ADDRESS_0, 4) & 15, 8);
	assert_int_equal(config(t, PCI_BASE_ADDRESS_2, 4) & 15, 4);
	config_set(t, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(config(t, PCI_BASE_ADDRESS_0, 4), (uint32_t)-VRAM | 8);
}

static void registers_are_in_the_second_bar_before_virtio(void **state)
{
	struct t *t = *state;
	struct vdrv d;

	plug(t, &text);
	assert_int_equal(peek(t, bar(t, 2), 8), 0x00ffffffffffff00);
	assert_int_equal(vbe(t, 0) & 0xfff0, 0xb0c0);
	assert_int_equal(vbe(t, 10), VRAM >> 16);
	assert_int_equal(peek(t, bar(t, 2) + MMIO_VGA + 0xc, 1), in(t, 0x3cc));
	/* Its driver finds virtio by the capabilities, behind that. */
	vdrv_init_pci(&d, &t->fake.mmio, &t->fake.mem, VRIG_HEAP_GPA, ECAM, t->vga.pci.pci.slot);
	vdrv_start(&d, BIT(VIRTIO_F_VERSION_1));
	assert_int_equal(t->echo.activations, 1);
	/* Pages that are nobody's. */
	assert_int_equal(peek(t, bar(t, 2) + 0x7000, 4), 0);
}

static void ports_and_window_answer_whatever_the_command_register_says(void **state)
{
	struct t *t = *state;

	plug(t, &text);
	config_set(t, PCI_COMMAND, 2, 0);
	bus_write(&t->fake.mmio, 0xb8000, 2, 0x1f41);
	assert_int_equal(peek(t, 0xb8000, 2), 0x1f41);
	assert_int_equal(peek(t, 0xb8002, 2), 0x0720);
	assert_int_not_equal(in(t, 0x3cc), 0xff);
	assert_false(bus_write(&t->fake.mmio, 0xa0000 - 1, 1, 0));
	assert_false(bus_write(&t->fake.mmio, 0xc0000, 1, 0));
	virtio_vga_finish(&t->vga);
	echo_finish(&t->echo);
	t->on = false;
	assert_int_equal(peek(t, 0xb8000, 2), 0xffff);
	assert_int_equal(in(t, 0x3cc), 0xff);
}

static void a_second_card_finds_no_screen(void **state)
{
	struct virtio_vga_params p = text;
	struct virtio_vga second;
	struct echo_dev echo;
	struct t *t = *state;

	plug(t, &text);
	p.loop = t->fake.loop;
	p.process = t->process;
	echo_init(&echo, t->fake.loop, &t->fake.mem);
	assert_int_equal(virtio_vga_init(&second, &echo.v, &t->bus, &p), -ENOENT);
	echo_finish(&echo);
	/* The first is still there. */
	assert_int_equal(peek(t, 0xb8000, 2), 0x0720);
}

static void reset_brings_back_the_first_picture(void **state)
{
	const struct virtio_vga_params p = { .vram = VRAM, .boot_width = 320, .boot_height = 200 };
	struct t *t = *state;
	uint64_t pixel;

	plug(t, &p);
	pixel = bar(t, 0) + 0x50000;
	assert_int_equal(vbe(t, 1), 320);
	assert_int_equal(vbe(t, 4), 0x41);
	bus_write(&t->fake.mmio, pixel, 4, 0x123456);
	assert_int_equal(peek(t, pixel, 4), 0x123456);
	bus_write(&t->fake.mmio, bar(t, 2) + MMIO_VBE + 2 * 4, 2, 0);
	assert_int_equal(vbe(t, 4), 0);
	pci_bus_reset(&t->bus);
	assert_int_equal(vbe(t, 1), 320);
	assert_int_equal(vbe(t, 4), 0x41);
	assert_int_equal(peek(t, pixel, 4), 0);
}

static void reset_brings_back_mode_12h(void **state)
{
	const struct virtio_vga_params p = { .vram = 256 * 1024, .boot_planar = true };
	struct t *t = *state;

	plug(t, &p);
	assert_int_equal(in(t, 0x3cc), 0xe3);
	assert_int_equal(vbe(t, 4), 0);
	assert_int_equal(peek(t, 0xa0000, 2), 0);
	bus_write(&t->fake.mmio, 0xa0000, 2, 0x55aa);
	assert_int_equal(peek(t, 0xa0000, 2), 0x55aa);
	bus_write(&t->fake.pio, 0x3c2, 1, 0x67);
	bus_write(&t->fake.mmio, bar(t, 2) + MMIO_VBE + 2 * 4, 2, 0x41);
	pci_bus_reset(&t->bus);
	assert_int_equal(in(t, 0x3cc), 0xe3);
	assert_int_equal(vbe(t, 4), 0);
	assert_int_equal(peek(t, 0xa0000, 2), 0);
}

/* --- vram ----------------------------------------------------------------- */

static void vram_is_mapped_where_its_bar_is(void **state)
{
	struct t *t = *state;

	plug(t, &text);
	assert_ptr_equal(t->mapped, &t->vga.fb);
	assert_int_equal(t->mapped->base, bar(t, 0));
	assert_ptr_equal(t->mapped->memory, t->vga.memory.guest);
	config_set(t, PCI_BASE_ADDRESS_0, 4, 0xc8000000);
	assert_int_equal(t->mapped->base, 0xc8000000);
	config_set(t, PCI_COMMAND, 2, 0);
	assert_null(t->mapped);
	config_set(t, PCI_COMMAND, 2, 2);
	assert_non_null(t->mapped);
	assert_int_equal(t->n_mapped, 3);
}

static void accesses_that_reach_us_all_the_same_are_vrams(void **state)
{
	struct t *t = *state;

	plug(t, &text);
	bus_write(&t->fake.mmio, bar(t, 0) + VRAM - 4, 4, 0xcafe);
	assert_int_equal(((uint32_t *)t->vga.memory.guest)[VRAM / 4 - 1], 0xcafe);
	assert_int_equal(peek(t, bar(t, 0) + VRAM - 4, 4), 0xcafe);
}

/* Whether the kernel could write the guest's first pixel for it. */
static bool writable(struct t *t)
{
	int pipes[2];
	bool can;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	can = read(pipes[0], t->vga.memory.guest, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return can;
}

static void a_still_picture_waits_for_the_guests_next_write(void **state)
{
	const struct virtio_vga_params p = { .vram = VRAM, .boot_width = 320, .boot_height = 200 };
	struct t *t = *state;

	plug(t, &p);
	UNTIL_IN(t->fake.loop, t->vga.memory.watched);
	assert_false(t->vga.refresh.timer.armed);
	assert_false(writable(t));
	/* A vCPU that cannot write is told to try again, and somebody looks. */
	assert_true(bus_repair(&t->fake.mmio));
	assert_true(writable(t));
	UNTIL_IN(t->fake.loop, t->vga.refresh.timer.armed);
	UNTIL_IN(t->fake.loop, t->vga.memory.watched);
	/* Or a write of registers was made of it. */
	bus_write(&t->fake.mmio, bar(t, 0), 4, 0xff);
	assert_true(writable(t));
	UNTIL_IN(t->fake.loop, t->vga.memory.watched);
	/* What is written before the watch is seen. */
	t->written = 1;
	bus_repair(&t->fake.mmio);
	UNTIL_IN(t->fake.loop, t->written == 0);
}

static void a_hidden_card_looks_at_nothing(void **state)
{
	const struct virtio_vga_params p = { .vram = VRAM, .boot_width = 320, .boot_height = 200 };
	struct t *t = *state;

	plug(t, &p);
	UNTIL_IN(t->fake.loop, t->vga.memory.watched);
	vga_memory_repair(&t->vga.memory);
	vga_refresh_show(&t->vga.refresh, false);
	UNTIL_IN(t->fake.loop, !t->vga.refresh.timer.armed && !t->vga.refresh.work.queued);
	t->written = 1;
	bus_write(&t->fake.mmio, bar(t, 0), 4, 0xff);
	UNTIL_IN(t->fake.loop, !t->vga.refresh.timer.armed && !t->vga.refresh.work.queued);
	assert_int_equal(t->written, 1);
	assert_false(t->vga.memory.watched);
}

/* --- its option ROM ------------------------------------------------------- */

static void file(char *path, const void *bytes, size_t len)
{
	int fd;

	strcpy(path, "/tmp/test-virtio-vga-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void a_rom_is_found_where_its_bar_is_and_cannot_be_written(void **state)
{
	struct virtio_vga_params p = { .vram = VRAM };
	uint8_t rom[5 * 512] = { 0x55, 0xaa, 5, 0xcb, [5 * 512 - 1] = 0x77 };
	struct t *t = *state;
	char path[64];
	uint64_t at;

	file(path, rom, sizeof(rom));
	p.rom = path;
	plug(t, &p);
	unlink(path);
	at = config(t, PCI_ROM_ADDRESS, 4);
	assert_int_equal(at & 0x7ff, 0);
	assert_int_equal(peek(t, at, 4), 0xffffffff);
	config_set(t, PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(config(t, PCI_ROM_ADDRESS, 4), 0xfffff000);
	config_set(t, PCI_ROM_ADDRESS, 4, at | 1);
	assert_int_equal(peek(t, at, 4), 0xcb05aa55);
	assert_int_equal(peek(t, at + 5 * 512 - 1, 1), 0x77);
	assert_int_equal(peek(t, at + 5 * 512, 1), 0xff);
	bus_write(&t->fake.mmio, at, 4, 0);
	assert_int_equal(peek(t, at, 4), 0xcb05aa55);
	config_set(t, PCI_ROM_ADDRESS, 4, 0xc9000001);
	assert_int_equal(peek(t, at, 4), 0xffffffff);
	assert_int_equal(peek(t, 0xc9000000, 2), 0xaa55);
	config_set(t, PCI_COMMAND, 2, 0);
	assert_int_equal(peek(t, 0xc9000000, 2), 0xffff);
	pci_bus_reset(&t->bus);
	assert_int_equal(config(t, PCI_ROM_ADDRESS, 4), at);
}

static void files_that_are_no_roms_are_refused(void **state)
{
	static uint8_t large[PCI_ROM_MAX + 1] = { 0x55, 0xaa, 1 };
	static const uint8_t other[512] = { 'M', 'Z' }, shorter[512] = { 0x55, 0xaa, 2 },
			     none[512] = { 0x55, 0xaa, 0 };
	const struct { const void *bytes; size_t len; const char *said; } bad[] = {
		{ other, 512, "does not begin with 55 AA" },
		{ shorter, 2, "does not begin with 55 AA" },
		{ shorter, 0, "does not begin with 55 AA" },
		{ shorter, 512, "truncated" },
		{ none, 512, "truncated" },
		{ large, sizeof(large), "too large" },
	};
	struct t *t = *state;
	struct pci_rom rom;
	char path[64], *said;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		file(path, bad[i].bytes, bad[i].len);
		assert_int_equal(pci_rom_load(&rom, "--gpu vga-bios", path), -EINVAL);
		unlink(path);
		said = capture_end(&t->cap);
		capture_begin(&t->cap, STDERR_FILENO);
		assert_non_null(strstr(said, bad[i].said));
		free(said);
	}
	assert_int_equal(pci_rom_load(&rom, "--gpu vga-bios", "/nonexistent"), -ENOENT);
	assert_int_equal(pci_rom_load(&rom, "--gpu vga-bios", "/tmp"), -EINVAL);
	assert_int_equal(pci_rom_load(&rom, "--gpu vga-bios", NULL), 0);
	pci_rom_finish(&rom);
}

/* --- what a user says ----------------------------------------------------- */

static int option(struct virtio_vga_params *p, const char *text_)
{
	struct opt_value value;
	int ret;

	assert_int_equal(opt_value_parse(&value, "--gpu", text_, virtio_gpu_model.keys), 0);
	ret = virtio_vga_option(p, "--gpu", &value);
	opt_value_finish(&value);
	return ret;
}

static void options_say_what_is_wanted(void **state)
{
	struct virtio_vga_params p;

	assert_int_equal(option(&p, "2d,display=none"), 0);
	assert_int_equal(option(&p, "2d,display=sdl"), 1);
	assert_false(p.asked);
	assert_int_equal(option(&p, "2d,display=sdl,vga=off"), 0);
	assert_int_equal(option(&p, "2d,vga=on,display=none"), 1);
	assert_true(p.asked);
	assert_int_equal(p.vram, 16 * MiB);
	assert_int_equal(p.boot_width, 0);
	assert_int_equal(p.width, 1280);
	assert_int_equal(option(&p, "2d,vga=1024x768,vram=4M,size=800x600,display=none"), 1);
	assert_int_equal(p.vram, 4 * MiB);
	assert_int_equal(p.boot_width, 1024);
	assert_int_equal(p.boot_height, 768);
	assert_int_equal(p.width, 800);
	assert_false(p.boot_planar);
	assert_int_equal(option(&p, "2d,display=none,vram=32M"), 1);
	assert_int_equal(option(&p, "2d,display=none,vga=text"), 1);
	assert_false(p.boot_planar);
	assert_int_equal(option(&p, "2d,display=none,vga=planar,vram=256K"), 1);
	assert_true(p.boot_planar && p.asked);
	assert_int_equal(p.boot_width, 0);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {
		"vga=maybe", "vga=0x768", "vga=1024x", "vga=1024x768x", "vga=1024x-768", "vga=99999x1",
		"vga=1024x768,vram=2M", "vram=3M", "vram=128K", "vram=512M", "vram=-1", "vga=off,vram=16M",
		"vga= 1024x768", "vga=16384x16384", "vga=planar4", "vga=Planar",
	};
	struct t *t = *state;
	struct virtio_vga_params p;
	char text_[64], *said;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text_, sizeof(text_), "2d,%s", bad[i]);
		assert_int_equal(option(&p, text_), -EINVAL);
		said = capture_end(&t->cap);
		capture_begin(&t->cap, STDERR_FILENO);
		/* One line. */
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		free(said);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(function_is_a_vga_card_and_on_from_the_start),
		T(registers_are_in_the_second_bar_before_virtio),
		T(ports_and_window_answer_whatever_the_command_register_says),
		T(a_second_card_finds_no_screen),
		T(reset_brings_back_the_first_picture),
		T(reset_brings_back_mode_12h),
		T(vram_is_mapped_where_its_bar_is),
		T(accesses_that_reach_us_all_the_same_are_vrams),
		T(a_still_picture_waits_for_the_guests_next_write),
		T(a_hidden_card_looks_at_nothing),
		T(a_rom_is_found_where_its_bar_is_and_cannot_be_written),
		T(files_that_are_no_roms_are_refused),
		T(options_say_what_is_wanted),
		T(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
