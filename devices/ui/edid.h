/* SPDX-License-Identifier: MIT */
/*
 * What a monitor says of itself: EDID 1.4 (VESA E-EDID Standard, release A2),
 * with a DisplayID 1.3 extension for pictures that a detailed timing of EDID is
 * too small for. Timings follow VESA CVT 1.2 with reduced blanking. Pure.
 */
#ifndef MICROVM_EDID_H
#define MICROVM_EDID_H

#include <stddef.h>
#include <stdint.h>

#define EDID_BLOCK 128
#define EDID_MAX_BYTES (2 * EDID_BLOCK)

struct edid_monitor {
	uint32_t width, height;		/* pixels of the preferred mode, 1 ... 16384 */
	uint32_t width_mm, height_mm;	/* of the picture; capped at what a field holds */
	uint32_t refresh_mhz;		/* thousandths of a hertz; capped to 10 ... 250 Hz */
	const char *name;		/* up to 13 characters of ASCII */
	uint32_t number;		/* of the monitor, not 0: its serial number */
};

/* All in pixels and lines; the clock in units of 10 kHz, as EDID has it. */
struct edid_timing {
	uint32_t width, h_blank, h_front, h_sync;
	uint32_t height, v_blank, v_front, v_sync;
	uint32_t clock_10khz;
};

/*
 * CVT with reduced blanking for @width x @height at @refresh_mhz, but for the
 * clock: that is the one nearest to the refresh rate instead of a multiple of
 * 250 kHz below it.
 */
struct edid_timing edid_cvt(uint32_t width, uint32_t height, uint32_t refresh_mhz);

/* Writes EDID_BLOCK or twice as many bytes to @out and returns how many. */
size_t edid_make(const struct edid_monitor *m, uint8_t out[EDID_MAX_BYTES]);

#endif
