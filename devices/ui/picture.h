/* SPDX-License-Identifier: MIT */
/*
 * What an output shows at the moment, as a display has been told: its surface,
 * and the pointer with its place. A display embeds one per output, so that a
 * screenshot can always be taken. Loop thread.
 */
#ifndef MICROVM_PICTURE_H
#define MICROVM_PICTURE_H

#include "devices/ui/display.h"

struct picture {
	bool shown;
	struct display_surface surface;		/* valid while shown, see display_ops */
	bool cursor_shown;
	uint32_t cursor_width, cursor_height, hot_x, hot_y;
	int32_t cursor_x, cursor_y;		/* of the image's top left corner */
	uint64_t changes;			/* moves with whatever would change a screenshot */
	uint32_t cursor[DISPLAY_MAX_CURSOR * DISPLAY_MAX_CURSOR];
};

/* What the display_ops of these names do with one. A zeroed one shows nothing. */
void picture_set(struct picture *p, const struct display_surface *surface);
void picture_flush(struct picture *p);
void picture_off(struct picture *p);
void picture_cursor(struct picture *p, const struct display_cursor *cursor);
void picture_cursor_move(struct picture *p, int32_t x, int32_t y);

/*
 * Row @y as DRM_FORMAT_XRGB8888 with the pointer drawn into it, surface.width
 * pixels to @row. The picture is shown.
 */
void picture_row(const struct picture *p, uint32_t y, uint32_t *row);

#endif
