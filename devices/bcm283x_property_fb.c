/* SPDX-License-Identifier: MIT */
/* The tags of the frame buffer; each but a few comes as get, test and set. */
#include "devices/bcm283x_bus.h"
#include "devices/bcm283x_property.h"
#include "vmm/util.h"

#define TAG_SET 0x8000
#define TAG_TEST 0x4000
#define TAG_KIND(tag) ((tag) & ~(TAG_SET | TAG_TEST))

#define FB_ALLOCATE 0x00040001	/* set: release */
#define FB_BLANK 0x00040002
#define FB_SIZE 0x00040003
#define FB_VIRTUAL_SIZE 0x00040004
#define FB_DEPTH 0x00040005
#define FB_ORDER 0x00040006
#define FB_ALPHA 0x00040007
#define FB_PITCH 0x00040008
#define FB_OFFSET 0x00040009
#define FB_OVERSCAN 0x0004000a
#define FB_PALETTE 0x0004000b
#define FB_VSYNC 0x0004000e
#define FB_DISPLAYS 0x00040013	/* how many; set: which one is meant */
#define FB_SETTINGS 0x00040014

#define FB_MAX 4096		/* pixels each way, the virtual picture's too */
#define FB_PALETTE_ENTRIES 256
#define ALPHA_IGNORED 2

static uint32_t word(const uint8_t *value, unsigned n)
{
	return load_le(value + n * 4, 4);
}

static int answer(uint8_t *value, unsigned n, uint32_t first, uint32_t second)
{
	store_le(value, 4, first);
	if (n > 1)
		store_le(value + 4, 4, second);
	return n * 4;
}

/* --- what it is like ---------------------------------------------------------------- */

static uint64_t fb_bytes(const struct bcm283x_fb *fb)
{
	return (uint64_t)fb->pitch * fb->virtual_height;
}

static void fb_tell(struct bcm283x_property *p)
{
	const struct bcm283x_fb_sink *sink = &p->board.fb_sink;

	if (sink->set)
		sink->set(sink->ctx, p->fb_allocated ? &p->fb : NULL);
}

/*
 * Makes @fb the picture if there is room for all of it, the virtual size no smaller than
 * what is seen of it; else it stays as it was, which is what the guest is told.
 */
static void fb_try(struct bcm283x_property *p, struct bcm283x_fb *fb, bool set)
{
	fb->virtual_width = MAX(fb->virtual_width, fb->width);
	fb->virtual_height = MAX(fb->virtual_height, fb->height);
	fb->pitch = align_up(fb->virtual_width * fb->depth / 8, 4);
	fb->x = MIN(fb->x, fb->virtual_width - fb->width);
	fb->y = MIN(fb->y, fb->virtual_height - fb->height);
	if (fb_bytes(fb) > p->board.fb.len) {
		*fb = p->fb;
		return;
	}
	if (set) {
		p->fb = *fb;
		fb_tell(p);
	}
}

static uint32_t fb_side(uint32_t n, uint32_t old)
{
	return n && n <= FB_MAX ? n : old;
}

static bool fb_depth_ok(uint32_t depth)
{
	return depth == 8 || depth == 16 || depth == 24 || depth == 32;
}

/* --- tags --------------------------------------------------------------------------------- */

static int fb_allocate(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	bool release = tag & TAG_SET;

	/* U-Boot would take any answer for a picture, at address 0, and write to that. */
	if (!p->board.fb.len)
		return release ? 0 : -1;
	p->fb_allocated = !release;
	fb_tell(p);
	return release ? 0 : answer(value, 2, (uint32_t)p->fb.gpa | BCM283X_BUS_UNCACHED,
				    fb_bytes(&p->fb));
}

/* Offset, how many, colours; the answer to what is no palette is 1. */
static int fb_palette(struct bcm283x_property *p, uint32_t tag, uint8_t *value, uint32_t len)
{
	uint32_t first = word(value, 0), n = word(value, 1);

	if (!(tag & (TAG_SET | TAG_TEST))) {
		for (unsigned i = 0; i < FB_PALETTE_ENTRIES; i++)
			store_le(value + i * 4, 4, p->fb.palette[i]);
		return sizeof(p->fb.palette);
	}
	if (!n || !range_fits(first, n, FB_PALETTE_ENTRIES) ||
	    !range_fits(8, (uint64_t)n * 4, len))
		return answer(value, 1, 1, 0);
	for (unsigned i = 0; i < n && (tag & TAG_SET); i++)
		p->fb.palette[first + i] = word(value, 2 + i) & 0xffffff;
	if (tag & TAG_SET)
		fb_tell(p);
	return answer(value, 1, 0, 0);
}

static int fb_sizes(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	uint32_t first = word(value, 0), second = word(value, 1);
	bool change = tag & (TAG_SET | TAG_TEST);
	struct bcm283x_fb fb = p->fb;

	if (TAG_KIND(tag) == FB_SIZE && change) {
		fb.width = fb_side(first, fb.width);
		fb.height = fb_side(second, fb.height);
	} else if (TAG_KIND(tag) == FB_VIRTUAL_SIZE && change) {
		fb.virtual_width = fb_side(first, fb.virtual_width);
		fb.virtual_height = fb_side(second, fb.virtual_height);
	} else if (change) {
		fb.x = first;
		fb.y = second;
	}
	if (change)
		fb_try(p, &fb, tag & TAG_SET);
	if (TAG_KIND(tag) == FB_SIZE)
		return answer(value, 2, fb.width, fb.height);
	if (TAG_KIND(tag) == FB_VIRTUAL_SIZE)
		return answer(value, 2, fb.virtual_width, fb.virtual_height);
	return answer(value, 2, fb.x, fb.y);
}

static int fb_format(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	uint32_t wanted = word(value, 0);
	struct bcm283x_fb fb = p->fb;

	if (TAG_KIND(tag) == FB_DEPTH && (tag & (TAG_SET | TAG_TEST)) && fb_depth_ok(wanted))
		fb.depth = wanted;
	if (TAG_KIND(tag) == FB_ORDER && (tag & (TAG_SET | TAG_TEST)))
		fb.rgb = wanted & 1;
	if (tag & (TAG_SET | TAG_TEST))
		fb_try(p, &fb, tag & TAG_SET);
	return answer(value, 1, TAG_KIND(tag) == FB_DEPTH ? fb.depth : fb.rgb, 0);
}

/* struct vc4_display_settings_t of the Raspberry Pi kernel's bcm2708_fb.c. */
static int fb_settings(const struct bcm283x_property *p, uint8_t *value)
{
	const struct bcm283x_fb *fb = &p->fb;
	const uint32_t words[] = {
		0, fb->width, fb->height, fb->depth, fb->pitch, fb->virtual_width,
		fb->virtual_height, fb->x, fb->y, (uint32_t)fb->gpa | BCM283X_BUS_UNCACHED,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		store_le(value + i * 4, 4, words[i]);
	return sizeof(words);
}

int bcm283x_property_fb(struct bcm283x_property *p, uint32_t tag, uint8_t *value, uint32_t len)
{
	switch (TAG_KIND(tag)) {
	case FB_ALLOCATE:
		return fb_allocate(p, tag, value);
	case FB_BLANK:
		p->fb.blank = word(value, 0) & 1;
		fb_tell(p);
		return answer(value, 1, p->fb.blank, 0);
	case FB_SIZE:
	case FB_VIRTUAL_SIZE:
	case FB_OFFSET:
		return fb_sizes(p, tag, value);
	case FB_DEPTH:
	case FB_ORDER:
		return fb_format(p, tag, value);
	case FB_ALPHA:
		return answer(value, 1, ALPHA_IGNORED, 0);
	case FB_PITCH:
		return answer(value, 1, p->fb.pitch, 0);
	case FB_OVERSCAN:
		memset(value, 0, 16);
		return 16;
	case FB_PALETTE:
		return fb_palette(p, tag, value, len);
	case FB_VSYNC:
		return answer(value, 1, 0, 0);
	case FB_DISPLAYS:
		return answer(value, 1, !(tag & TAG_SET) && p->board.fb.len, 0);
	case FB_SETTINGS:
		return fb_settings(p, value);
	default:
		return -1;
	}
}

void bcm283x_property_fb_reset(struct bcm283x_property *p)
{
	bool shown = p->fb_allocated;

	p->fb = p->board.fb_first;
	p->fb_allocated = false;
	if (!p->fb.width) {
		/* What the firmware shows when nobody is there to show it to. */
		p->fb.width = p->fb.virtual_width = 640;
		p->fb.height = p->fb.virtual_height = 480;
		p->fb.depth = 32;
		p->fb.pitch = p->fb.width * 4;
	}
	p->fb.gpa = p->board.fb.gpa;
	if (shown)
		fb_tell(p);
}
