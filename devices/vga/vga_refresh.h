/* SPDX-License-Identifier: MIT */
/*
 * When a VGA card is painted: at most 60 times a second, and not at all while
 * nothing changes.
 *
 *     vga_refresh_init(&r, &vga, loop, &watch);
 *     config.changed = vga_refresh_kick, config.ctx = &r;
 *     vga_init(&vga, &config);
 *
 * Registers and window tell by themselves that they were written. Writes to vram
 * that is mapped into the guest are looked for at each frame of a linear mode,
 * until none was found for a while; then watch() makes the next one tell.
 */
#ifndef MICROVM_VGA_REFRESH_H
#define MICROVM_VGA_REFRESH_H

#include "devices/vga/vga.h"
#include "vmm/loop.h"

/*
 * From watch() on, the guest's next write to vram leads to a vga_refresh_kick();
 * after it, nobody watches. Loop thread, no lock held. NULL: nobody can, and
 * pages are looked at ten times a second.
 */
struct vga_watch {
	void (*watch)(void *ctx);
	/* While the card is not shown, its guest has written text. NULL: nobody minds. */
	void (*text)(void *ctx);
	void *ctx;
};

struct vga_refresh {
	struct vga *vga;
	struct loop *loop;
	struct vga_watch watch;
	bool hidden;			/* vga_refresh_show(false) */
	/* the loop's */
	struct loop_work work;
	struct loop_timer timer;
	uint64_t painted_ns;		/* 0: never */
	uint64_t kicked_ns;		/* the last time */
};

/* Paints nothing before the loop turns; @vga is initialised until then. */
void vga_refresh_init(struct vga_refresh *r, struct vga *vga, struct loop *loop,
		      const struct vga_watch *watch);
/* Before vga_finish(). */
void vga_refresh_finish(struct vga_refresh *r);

/* Something has changed. Any thread, with the card's lock or without. @ctx: the vga_refresh. */
void vga_refresh_kick(void *ctx);
/* vga_show(), and what follows from it. Loop thread. */
void vga_refresh_show(struct vga_refresh *r, bool shown);

#endif
