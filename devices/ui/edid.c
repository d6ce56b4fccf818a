/* SPDX-License-Identifier: MIT */
#include "devices/ui/edid.h"

#include <stdbool.h>
#include <stdio.h>

#include "vmm/util.h"

#define EDID_VENDOR "MVM"
#define EDID_PRODUCT 1
#define EDID_YEAR 2024u		/* of the model */

#define EDID_MAX_DTD_SIZE 4095u		/* 12 bits (3.10.2) */
#define EDID_MAX_DTD_CLOCK 65535u	/* 16 bits of 10 kHz */
#define EDID_MIN_REFRESH_MHZ 10000u
#define EDID_MAX_REFRESH_MHZ 250000u

/* --- timings (CVT 1.2, 3.4.2, 5.4) ---------------------------------------- */

#define CVT_MIN_VBLANK_US 460
#define CVT_H_BLANK 160
#define CVT_H_FRONT 48
#define CVT_H_SYNC 32
#define CVT_V_FRONT 3
#define CVT_MIN_V_BACK 6

/* The vertical sync's width says what the aspect ratio is (table 2). */
static uint32_t cvt_v_sync(uint32_t w, uint32_t h)
{
	static const struct { uint8_t x, y, lines; } aspects[] = {
		{ 4, 3, 4 }, { 16, 9, 5 }, { 16, 10, 6 }, { 5, 4, 7 }, { 15, 9, 7 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(aspects); i++) {
		uint32_t ideal = h * aspects[i].x / aspects[i].y;

		/* Widths are rounded to cells of 8 pixels. */
		if (align_down(ideal, 8) == w || ideal == w)
			return aspects[i].lines;
	}
	return 10;
}

struct edid_timing edid_cvt(uint32_t width, uint32_t height, uint32_t refresh_mhz)
{
	const uint64_t frame_ns = 1000000000000ull / refresh_mhz;
	/* Of a line, were there nothing but picture outside the least blanking. */
	const uint64_t line_ns = (frame_ns - CVT_MIN_VBLANK_US * 1000) / height;
	struct edid_timing t = {
		.width = width,
		.h_blank = CVT_H_BLANK,
		.h_front = CVT_H_FRONT,
		.h_sync = CVT_H_SYNC,
		.height = height,
		.v_front = CVT_V_FRONT,
		.v_sync = cvt_v_sync(width, height),
	};
	uint64_t lines = CVT_MIN_VBLANK_US * 1000 / MAX(line_ns, 1ull) + 1, total;

	t.v_blank = MAX(lines, (uint64_t)t.v_front + t.v_sync + CVT_MIN_V_BACK);
	total = (uint64_t)(width + t.h_blank) * (height + t.v_blank);
	/* mHz to 10 kHz. */
	t.clock_10khz = (total * refresh_mhz + 5000000) / 10000000;
	return t;
}

/* --- EDID 1.4 ------------------------------------------------------------- */

static void edid_put_be16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void edid_checksum(uint8_t *block, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len - 1; i++)
		sum += block[i];
	block[len - 1] = -sum;
}

/* Three letters of five bits (3.4.1). */
static uint32_t edid_vendor(const char *name)
{
	return (name[0] - '@') << 10 | (name[1] - '@') << 5 | (name[2] - '@');
}

/* What sRGB's primaries and D65 are (3.7). */
static const uint8_t edid_srgb[] = {
	0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54,
};

/* Header, vendor, basic parameters, colours (3.3 ... 3.7). */
static void edid_put_basics(uint8_t *e, const struct edid_monitor *m)
{
	static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };

	memcpy(e, header, sizeof(header));
	edid_put_be16(e + 8, edid_vendor(EDID_VENDOR));
	store_le(e + 10, 2, EDID_PRODUCT);
	store_le(e + 12, 4, m->number);
	e[16] = 0xff;			/* the year is a model's, not of manufacture */
	e[17] = EDID_YEAR - 1990;
	e[18] = 1;
	e[19] = 4;
	e[20] = 0xa5;			/* digital, 8 bits a colour, DisplayPort */
	e[21] = MIN((m->width_mm + 5) / 10, 255u);
	e[22] = MIN((m->height_mm + 5) / 10, 255u);
	if (!e[21] || !e[22])		/* one alone would be an aspect ratio */
		e[21] = e[22] = 0;
	e[23] = 220 - 100;		/* gamma 2.2 */
	e[24] = 0x06;			/* RGB 4:4:4, sRGB, preferred mode is the native one */
	memcpy(e + 25, edid_srgb, sizeof(edid_srgb));
}

/* Modes that need no timing of their own, as far as they fit the picture (3.8). */
static void edid_put_established(uint8_t *e, const struct edid_monitor *m)
{
	if (m->width >= 640 && m->height >= 480)
		e[35] |= 0x20;
	if (m->width >= 800 && m->height >= 600)
		e[35] |= 0x01;
	if (m->width >= 1024 && m->height >= 768)
		e[36] |= 0x08;
}

/* At 60 Hz, largest first (3.9). */
static const struct edid_standard {
	uint16_t width, height;
	uint8_t aspect;		/* 0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9 */
} edid_standards[] = {
	{ 2048, 1152, 3 }, { 1920, 1200, 0 }, { 1920, 1080, 3 }, { 1680, 1050, 0 },
	{ 1600, 1200, 1 }, { 1600, 900, 3 }, { 1440, 900, 0 }, { 1400, 1050, 1 },
	{ 1280, 1024, 2 }, { 1280, 960, 1 }, { 1280, 800, 0 }, { 1280, 720, 3 },
};

#define EDID_STANDARDS 8	/* places */

static void edid_put_standards(uint8_t *e, const struct edid_monitor *m)
{
	uint8_t *p = e + 38, *end = p + 2 * EDID_STANDARDS;

	for (unsigned i = 0; i < ARRAY_SIZE(edid_standards) && p < end; i++) {
		const struct edid_standard *s = &edid_standards[i];

		if (s->width > m->width || s->height > m->height)
			continue;
		*p++ = s->width / 8 - 31;
		*p++ = s->aspect << 6;	/* + 60 Hz */
	}
	while (p < end)
		*p++ = 0x01;		/* unused */
}

/* 3.10.2. The size in millimetres has 12 bits as well. */
static void edid_put_timing(uint8_t *d, const struct edid_timing *t, const struct edid_monitor *m)
{
	uint32_t w_mm = MIN(m->width_mm, 4095u), h_mm = MIN(m->height_mm, 4095u);

	store_le(d, 2, t->clock_10khz);
	d[2] = t->width;
	d[3] = t->h_blank;
	d[4] = t->width >> 8 << 4 | t->h_blank >> 8;
	d[5] = t->height;
	d[6] = t->v_blank;
	d[7] = t->height >> 8 << 4 | t->v_blank >> 8;
	d[8] = t->h_front;
	d[9] = t->h_sync;
	d[10] = (t->v_front & 15) << 4 | (t->v_sync & 15);
	d[11] = t->h_front >> 8 << 6 | t->h_sync >> 8 << 4 | t->v_front >> 4 << 2 | t->v_sync >> 4;
	d[12] = w_mm;
	d[13] = h_mm;
	d[14] = w_mm >> 8 << 4 | h_mm >> 8;
	d[17] = 0x1a;			/* separate sync, +h -v: reduced blanking */
}

#define EDID_TAG_SERIAL 0xff
#define EDID_TAG_RANGE 0xfd
#define EDID_TAG_NAME 0xfc

/* 13 characters, a newline after fewer, padded with spaces (3.10.3). */
static void edid_put_text(uint8_t *d, uint8_t tag, const char *text)
{
	size_t len = strnlen(text, 13);

	d[3] = tag;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, text, len);
	if (len < 13)
		d[5 + len] = '\n';
}

static uint32_t edid_line_khz(const struct edid_timing *t)
{
	return t->clock_10khz * 10 / (t->width + t->h_blank);
}

/* What the monitor can follow: limits only, no secondary timing formula (3.10.3.3). */
static void edid_put_range(uint8_t *d, const struct edid_timing *t, uint32_t refresh_mhz)
{
	uint32_t hz = (refresh_mhz + 999) / 1000, khz = edid_line_khz(t) + 1;
	uint32_t max_v = MAX(hz, 75u), max_h = MAX(khz, 81u);
	uint32_t max_mhz10 = (MAX(t->clock_10khz, 16200u) + 999) / 1000;

	d[3] = EDID_TAG_RANGE;
	d[4] = max_h > 255 ? 0x08 : 0;	/* + 255 */
	d[5] = MIN(refresh_mhz / 1000, 50u);
	d[6] = max_v;
	d[7] = 30;
	d[8] = MIN(max_h > 255 ? max_h - 255 : max_h, 255u);
	d[9] = MIN(max_mhz10, 255u);
	d[10] = 0x01;
	d[11] = '\n';
	memset(d + 12, ' ', 6);
	/* Lower than the lowest that is said above. */
	if (edid_line_khz(t) < d[7])
		d[7] = MAX(edid_line_khz(t), 1u);
}

/* --- DisplayID 1.3 (4.4) -------------------------------------------------- */

#define DISPLAYID_HEADER 4
#define DISPLAYID_BLOCK 3	/* header of a data block */

/* Begins a data block of @len bytes after @d, which is set to them. */
static uint8_t *displayid_block(uint8_t **end, uint8_t tag, uint8_t len)
{
	uint8_t *d = *end;

	d[0] = tag;
	d[2] = len;
	*end = d + DISPLAYID_BLOCK + len;
	return d + DISPLAYID_BLOCK;
}

/* Who made it (4.1), the same as the base block says. */
static void displayid_put_product(uint8_t **end, const struct edid_monitor *m)
{
	uint8_t *d = displayid_block(end, 0x00, 12);

	memcpy(d, EDID_VENDOR, 3);
	store_le(d + 3, 2, EDID_PRODUCT);
	store_le(d + 5, 4, m->number);
	d[9] = 0xff;			/* the year is a model's */
	d[10] = EDID_YEAR - 2000;
}

/* Its picture (4.2): sizes in tenths of a millimetre. */
static void displayid_put_display(uint8_t **end, const struct edid_monitor *m)
{
	uint8_t *d = displayid_block(end, 0x01, 12);
	uint32_t aspect = m->width > m->height ? m->width * 100 / m->height :
						 m->height * 100 / m->width;

	store_le(d, 2, MIN(m->width_mm, 6553u) * 10);
	store_le(d + 2, 2, MIN(m->height_mm, 6553u) * 10);
	store_le(d + 4, 2, m->width);
	store_le(d + 6, 2, m->height);
	d[9] = 220 - 100;		/* gamma 2.2 */
	d[10] = MIN(aspect - 100, 255u);
	d[11] = 0x77;			/* 8 bits a colour, outside and inside */
}

/* What it is connected by (4.12). */
static void displayid_put_interface(uint8_t **end)
{
	uint8_t *d = displayid_block(end, 0x0f, 10);

	d[0] = 0x81;			/* DisplayPort, one link */
	d[1] = 0x14;			/* version 1.4 */
	d[2] = 0x02;			/* RGB with 8 bits */
}

/* 4.4.1 */
static void displayid_put_timing(uint8_t **end, const struct edid_timing *t)
{
	uint8_t *d = displayid_block(end, 0x03, 20);

	store_le(d, 3, t->clock_10khz - 1);
	d[3] = 0x80 | 0x08;		/* preferred, no stereo, no aspect ratio given */
	store_le(d + 4, 2, t->width - 1);
	store_le(d + 6, 2, t->h_blank - 1);
	store_le(d + 8, 2, (t->h_front - 1) | 0x8000);	/* positive */
	store_le(d + 10, 2, t->h_sync - 1);
	store_le(d + 12, 2, t->height - 1);
	store_le(d + 14, 2, t->v_blank - 1);
	store_le(d + 16, 2, t->v_front - 1);
	store_le(d + 18, 2, t->v_sync - 1);
}

static void edid_put_displayid(uint8_t *e, const struct edid_timing *t,
			       const struct edid_monitor *m)
{
	uint8_t *d = e + 1, *end = d + DISPLAYID_HEADER;

	displayid_put_product(&end, m);	/* the standard wants it first */
	displayid_put_display(&end, m);
	displayid_put_interface(&end);
	displayid_put_timing(&end, t);
	e[0] = 0x70;			/* DisplayID extension */
	d[0] = 0x13;
	d[1] = end - (d + DISPLAYID_HEADER);
	d[2] = 3;			/* a display on its own */
	edid_checksum(d, end - d + 1);
	edid_checksum(e, EDID_BLOCK);
}

/* --- all of it ------------------------------------------------------------ */

static bool edid_timing_fits(const struct edid_timing *t)
{
	return t->width <= EDID_MAX_DTD_SIZE && t->height <= EDID_MAX_DTD_SIZE &&
	       t->v_blank <= EDID_MAX_DTD_SIZE && t->clock_10khz <= EDID_MAX_DTD_CLOCK;
}

/* A smaller picture for who does not read the extension: the same shape, until it fits. */
static struct edid_timing edid_fallback(const struct edid_timing *t, uint32_t refresh_mhz)
{
	struct edid_timing small = *t;

	for (uint32_t by = 2; !edid_timing_fits(&small); by++)
		small = edid_cvt(MAX((uint32_t)align_down(t->width / by, 8), 8u),
				 MAX(t->height / by, 1u), MIN(refresh_mhz, 60000u));
	return small;
}

size_t edid_make(const struct edid_monitor *m, uint8_t out[EDID_MAX_BYTES])
{
	uint32_t refresh = MIN(MAX(m->refresh_mhz, EDID_MIN_REFRESH_MHZ), EDID_MAX_REFRESH_MHZ);
	struct edid_timing t = edid_cvt(m->width, m->height, refresh);
	struct edid_timing first = edid_fallback(&t, refresh);
	bool extended = !edid_timing_fits(&t);
	char serial[14];

	memset(out, 0, EDID_MAX_BYTES);
	edid_put_basics(out, m);
	edid_put_established(out, m);
	edid_put_standards(out, m);
	edid_put_timing(out + 54, &first, m);
	snprintf(serial, sizeof(serial), "%08u", m->number);
	edid_put_text(out + 72, EDID_TAG_NAME, m->name);
	edid_put_text(out + 90, EDID_TAG_SERIAL, serial);
	edid_put_range(out + 108, &t, refresh);
	out[126] = extended;
	edid_checksum(out, EDID_BLOCK);
	if (!extended)
		return EDID_BLOCK;
	edid_put_displayid(out + EDID_BLOCK, &t, m);
	return EDID_MAX_BYTES;
}
