/* SPDX-License-Identifier: MIT */
/*
 * What the firmware of a Raspberry Pi answers on the mailbox's property channel: buffers
 * of tags in the guest's memory, read once, answered, written back. The tags are those of
 * github.com/raspberrypi/firmware/wiki/Mailbox-property-interface and of Linux's
 * soc/bcm2835/raspberrypi-firmware.h; at one that is not known the buffer ends with an error,
 * as with the firmware.
 *
 * A guest that wants a frame buffer gets it from memory that the machine set aside, and
 * whoever shows it is told by struct bcm283x_fb_sink.
 *
 * Under the mailbox's lock.
 */
#ifndef MICROVM_BCM283X_PROPERTY_H
#define MICROVM_BCM283X_PROPERTY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gmem.h"
#include "vmm/log.h"

#define BCM283X_PROPERTY_MAX 8192	/* bytes of a buffer; longer ones are refused */
#define BCM283X_CLOCKS 16
#define BCM283X_POWER_DEVICES 9
#define BCM283X_DOMAINS 32

/* What the guest sees; pitch in bytes, offsets in pixels of the virtual picture. */
struct bcm283x_fb {
	uint64_t gpa;
	uint32_t width, height, virtual_width, virtual_height, x, y;
	uint32_t depth;		/* 8 (by palette), 16 (r5g6b5), 24 or 32 bits */
	uint32_t pitch;
	bool rgb;		/* red lowest in memory, else blue */
	bool blank;
	uint32_t palette[256];	/* 0x00bbggrr */
};

struct bcm283x_fb_sink {
	/* With the mailbox's lock; @fb is copied or looked at now. NULL: there is none. */
	void (*set)(void *ctx, const struct bcm283x_fb *fb);
	void *ctx;
};

struct bcm283x_board {
	uint32_t revision;	/* 0xa01041: a Raspberry Pi 2 B 1.1 */
	uint64_t serial;
	uint8_t mac[6];
	uint32_t ram;		/* bytes that are the ARM's, from 0 on */
	uint32_t gpu_base, gpu_len;
	struct gmem_range fb;	/* len 0: no frame buffer */
	struct bcm283x_fb fb_first;	/* what it is like before anybody asked; width 0: 640x480 */
	struct bcm283x_fb_sink fb_sink;
	char cmdline[1024];	/* as handed to the kernel */
};

struct bcm283x_property {
	const struct gmem *mem;
	struct bcm283x_board board;
	uint32_t rates[BCM283X_CLOCKS];
	uint32_t clocks_off, powered, domains, turbo;
	struct bcm283x_fb fb;
	bool fb_allocated;
	struct log_rate rate;
	uint8_t buf[BCM283X_PROPERTY_MAX];
};

/* Any revision that a board may have is up to the caller. @mem outlives it. */
void bcm283x_property_init(struct bcm283x_property *p, const struct gmem *mem,
			   const struct bcm283x_board *board);
/* Rates and power as the firmware leaves them, no frame buffer. */
void bcm283x_property_reset(struct bcm283x_property *p);
/* Answers the buffer at @gpa. False: there is none, and nothing was written. */
bool bcm283x_property_answer(struct bcm283x_property *p, uint64_t gpa);

/*
 * The tags of the frame buffer, bcm283x_property_fb.c: the length of the answer in
 * @value, of which @len bytes are what was asked (the rest is zero); -1: unknown.
 */
int bcm283x_property_fb(struct bcm283x_property *p, uint32_t tag, uint8_t *value, uint32_t len);
void bcm283x_property_fb_reset(struct bcm283x_property *p);

#endif
