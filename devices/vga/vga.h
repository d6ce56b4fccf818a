/* SPDX-License-Identifier: MIT */
/*
 * A VGA card with the Bochs VBE extension: what shows a guest's picture before
 * it has a driver. Registers, the legacy window, and a painter that brings what
 * changed to a display (devices/ui/display.h). Behind no bus: who has the card
 * adds its io_regions where they belong,
 *
 *     ports   0x3b0, VGA's registers             (FreeVGA names them)
 *     dispi   0x1ce, VBE's index and data
 *     window  0xa0000, 128 KiB
 *     mmio    4 KiB: EDID at 0, 0x3c0-0x3df at 0x400, VBE at 0x500, byte order
 *             at 0x600 (QEMU's docs/specs/standard-vga.rst)
 *     fb      vram, as a linear framebuffer
 *
 * and maps vram into the guest where fb is, as soon as it can.
 *
 * Threads: registers and the window by vCPUs, under the card's lock; vga_paint()
 * and vga_show() on the loop thread that the display is on, with no lock held.
 * The painter looks at a copy of the registers, so that one picture has one
 * mode whatever the vCPUs do, and takes the lock for a few lines at a time.
 * Guests write vram, directly, at any time: bytes are looked at, never trusted.
 *
 * Legacy modes are in the first 256 KiB of vram: byte n of plane p is at
 * 4 * n + p.
 */
#ifndef MICROVM_VGA_H
#define MICROVM_VGA_H

#include "devices/ui/display.h"
#include "devices/ui/edid.h"
#include "vmm/bus.h"

#define VGA_PORTS 0x3b0
#define VGA_PORTS_LEN 0x30
#define VGA_DISPI_PORTS 0x1ce
#define VGA_DISPI_PORTS_LEN 4
#define VGA_WINDOW_GPA 0xa0000
#define VGA_WINDOW_LEN 0x20000
#define VGA_MMIO_LEN 0x1000

#define VGA_MIN_VRAM (256 << 10)
#define VGA_MAX_VRAM (256 << 20)
#define VGA_PAGE 4096		/* of vram, as dirty pages are counted */
/* Holds every picture of a legacy mode: 256 characters of 9 dots, doubled; 1024 lines. */
#define VGA_MIN_CANVAS (4ull * 256 * 9 * 2 * 1024)

/*
 * Which pages of vram the guest has written without passing through here.
 * collect() sets their bits in @pages, page n in bit n % 64 of word n / 64, and
 * leaves the others as they are; each write is told once, by the first call
 * after it. The loop thread, no lock held.
 */
struct vga_dirty {
	void (*collect)(void *ctx, uint64_t *pages);	/* NULL: nobody does */
	void *ctx;
};

struct vga_config {
	/* A power of two, VGA_MIN_VRAM ... VGA_MAX_VRAM; zeroed. Both outlive the card. */
	void *vram;
	uint64_t vram_len;
	/*
	 * Where pictures are painted, VGA_MIN_CANVAS or more; what does not fit is cut
	 * off at the bottom. Page aligned; touched only where there is a picture.
	 */
	void *canvas;
	uint64_t canvas_len;
	/* Both are in memfd @fd, sealed against shrinking, so that other processes can look. */
	bool shared;
	int fd;
	uint64_t vram_at, canvas_at;	/* where in it */
	struct vga_dirty dirty;
	struct display display;		/* output 0 */
	/*
	 * The first register or window access since vga_paint() that may have changed
	 * the picture. With the card's lock held; NULL: nobody wants to know.
	 */
	void (*changed)(void *ctx);
	void *ctx;
};

/* vga_paint(): the picture stays as it is until somebody changes it. */
#define VGA_NEVER UINT64_MAX

struct vga {
	struct io_region ports, dispi, window, mmio, fb;
	struct vga_card *card;		/* vga_impl.h */
};

/* Text mode with a font, 80 x 25, blank. 0, -EINVAL for sizes, -ENOMEM. */
int vga_init(struct vga *vga, const struct vga_config *config);
void vga_finish(struct vga *vga);	/* again, or zeroed: no-op */
/*
 * As after vga_init(), but for pixels beyond the first 256 KiB: they stay until
 * their owner gives the pages back. No vCPU runs; the loop thread.
 */
void vga_reset(struct vga *vga);
/*
 * After either: mode 12h as a BIOS sets it, 640x480, 16 colours, planes; black, and no
 * font. No vCPU runs.
 */
void vga_set_planar(struct vga *vga);

/* What the EDID says from now on. Loop thread. */
void vga_set_monitor(struct vga *vga, const struct edid_monitor *monitor);

/*
 * Whether the display is the card's, which it is from the beginning: a driver that
 * scans out something else takes it away, by off() here and a set() of its own, and
 * registers then change no picture. Given back, the next vga_paint() sets one.
 */
void vga_show(struct vga *vga, bool shown);

/*
 * While the display is not the card's: whether text was written since the last call, which
 * is what a guest without a driver does, and one with a driver does not.
 */
bool vga_text_written(struct vga *vga);

/*
 * Brings the display up to date: set() after the mode has changed, flush() for
 * what was repainted, off() while the guest has blanked it. @now_ns is a clock that
 * does not go back, for what blinks. Returns nanoseconds until the picture changes
 * by itself, or VGA_NEVER.
 */
uint64_t vga_paint(struct vga *vga, uint64_t now_ns);
/* Whether what is shown lies in vram beyond the legacy window, where only collect() sees writes. */
bool vga_linear(const struct vga *vga);
/* For how long before @now_ns, the time of the last vga_paint(), nothing had changed. */
uint64_t vga_quiet_ns(const struct vga *vga, uint64_t now_ns);

#endif
