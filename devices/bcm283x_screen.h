/* SPDX-License-Identifier: MIT */
/*
 * The picture of a Raspberry Pi: memory that its firmware set aside for a frame buffer,
 * which a guest draws to as to RAM, brought to a display. The firmware shows one from the
 * beginning, which kernels find in their tree ("simple-framebuffer"); a guest that asks
 * the mailbox for another is shown that (bcm283x_property.h).
 *
 * Painted at most 60 times a second, and not at all while nothing changes: pages that the
 * guest has written are what changes, and after half a second without any the next write
 * is made to tell (vga_memory.h).
 *
 * The sink under the mailbox's lock, repairs by vCPUs, all else on the loop thread.
 */
#ifndef MICROVM_BCM283X_SCREEN_H
#define MICROVM_BCM283X_SCREEN_H

#include "devices/bcm283x_property.h"
#include "devices/ui/display.h"
#include "devices/vga/vga_memory.h"
#include "vmm/bus.h"
#include "vmm/loop.h"

#define BCM283X_SCREEN_LEN (16u << 20)	/* bytes of the frame buffer, at most */
#define BCM283X_SCREEN_PAGES (BCM283X_SCREEN_LEN / BUS_PAGE)

struct bcm283x_screen_params {
	struct loop *loop;
	struct bus *bus;		/* that the memory is put on, at @first.gpa */
	struct display display;
	struct bcm283x_fb first;	/* what the firmware shows */
};

struct bcm283x_screen {
	struct bcm283x_screen_params params;
	struct vga_memory memory;
	struct io_region region;
	pthread_mutex_t lock;
	/* lock */
	struct bcm283x_fb wanted;
	bool changed;			/* all of it has to be painted */
	/* the loop's */
	struct bcm283x_fb fb;		/* as painted */
	bool set, hidden;		/* the display has a surface; somebody else has the display */
	uint32_t mode_width, mode_height;	/* as the display was told */
	struct iovec piece;	/* of the canvas */
	uint64_t pages[BCM283X_SCREEN_PAGES / 64];
	uint64_t painted_ns, written_ns;
	struct loop_work work;
	struct loop_timer timer;
};

/* 0, or negative errno after one line in the log; then there is nothing to finish. */
int bcm283x_screen_init(struct bcm283x_screen *s, const struct bcm283x_screen_params *params);
void bcm283x_screen_finish(struct bcm283x_screen *s);
/* Memory of zeros, and what the firmware shows. No vCPU runs. */
void bcm283x_screen_reset(struct bcm283x_screen *s);

/* For the mailbox. */
struct bcm283x_fb_sink bcm283x_screen_sink(struct bcm283x_screen *s);
/* Whether the display is this one's: struct display_sink's plug(). */
void bcm283x_screen_show(struct bcm283x_screen *s, bool shown);

/* A picture of that size and depth at the beginning of the memory; false: it has no room. */
bool bcm283x_screen_fit(struct bcm283x_fb *fb, uint64_t gpa, uint32_t width, uint32_t height,
			uint32_t depth);

#endif
