/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_property.h"

#include "devices/bcm283x_regs.h"
#include "vmm/util.h"

#define CODE_SUCCESS 0x80000000u
#define CODE_ERROR 0x80000001u
#define TAG_ANSWERED 0x80000000u
#define HEADER 8		/* bytes: size, code */
#define TAG_HEADER 12		/* tag, room for the value, request or answer */
#define VALUE_MAX 2048		/* of what is looked at and answered */

#define FIRMWARE_REVISION 1672531200	/* its time of making */
#define MAX_TEMPERATURE 85000
#define CORE_MICROVOLTS 1200000
#define DMA_CHANNELS 0x7f35	/* that are the ARM's, as in the tree */
#define OTP_ROWS 8
#define SDHOST_DIVIDER_MAX 2049u
#define POWER_ON 1u
#define POWER_NO_DEVICE 2u

enum { CLOCK_EMMC = 1, CLOCK_UART, CLOCK_ARM, CLOCK_CORE, CLOCK_V3D, CLOCK_H264, CLOCK_ISP,
       CLOCK_SDRAM, CLOCK_PIXEL, CLOCK_PWM };

static const uint32_t property_rates[BCM283X_CLOCKS] = {
	[CLOCK_EMMC] = 50000000, [CLOCK_UART] = 48000000, [CLOCK_ARM] = 900000000,
	[CLOCK_CORE] = 250000000, [CLOCK_V3D] = 250000000, [CLOCK_H264] = 250000000,
	[CLOCK_ISP] = 250000000, [CLOCK_SDRAM] = 450000000,
};

static uint32_t word(const uint8_t *value, unsigned n)
{
	return load_le(value + n * 4, 4);
}

static void put(uint8_t *value, unsigned n, uint32_t v)
{
	store_le(value + n * 4, 4, v);
}

static int answer1(uint8_t *value, uint32_t v)
{
	put(value, 0, v);
	return 4;
}

static int answer2(uint8_t *value, uint32_t first, uint32_t second)
{
	put(value, 0, first);
	put(value, 1, second);
	return 8;
}

/* --- tags ------------------------------------------------------------------------ */

static int property_board(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	const struct bcm283x_board *b = &p->board;

	switch (tag) {
	case 0x00000001:	/* firmware revision */
		return answer1(value, FIRMWARE_REVISION);
	case 0x00000002:	/* variant: "start" */
		return answer1(value, 1);
	case 0x00000003:	/* hash of its source: none */
		memset(value, 0, 20);
		return 20;
	case 0x00010001:	/* board model */
		return answer1(value, 0);
	case 0x00010002:
		return answer1(value, b->revision);
	case 0x00010003:
		memcpy(value, b->mac, sizeof(b->mac));
		return sizeof(b->mac);
	case 0x00010004:
		return answer2(value, b->serial, b->serial >> 32);
	case 0x00010005:
		return answer2(value, 0, b->ram);
	case 0x00010006:
		return answer2(value, b->gpu_base, b->gpu_len);
	case 0x00050001:
		memcpy(value, b->cmdline, sizeof(b->cmdline));
		return strnlen(b->cmdline, sizeof(b->cmdline));
	case 0x00060001:
		return answer1(value, DMA_CHANNELS);
	default:
		return -1;
	}
}

/* Bits by number; what is beyond does not exist. */
static uint32_t bit_of(uint32_t bits, uint32_t n, uint32_t max)
{
	return n < max && (bits & BIT(n)) ? 1 : 0;
}

static void set_bit_of(uint32_t *bits, uint32_t n, uint32_t max, bool on)
{
	if (n < max)
		*bits = (*bits & ~BIT(n)) | (on ? BIT(n) : 0);
}

static int property_power(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	uint32_t id = word(value, 0), on = word(value, 1) & POWER_ON;

	switch (tag) {
	case 0x00028001:	/* power */
		set_bit_of(&p->powered, id, BCM283X_POWER_DEVICES, on);
		/* fall through */
	case 0x00020001:
		return answer2(value, id, bit_of(p->powered, id, BCM283X_POWER_DEVICES) |
			       (id < BCM283X_POWER_DEVICES ? 0 : POWER_NO_DEVICE));
	case 0x00020002:	/* milliseconds to wait after power-on */
		return answer2(value, id, 0);
	case 0x00038030:	/* domain */
		set_bit_of(&p->domains, id, BCM283X_DOMAINS, word(value, 1));
		/* fall through */
	case 0x00030030:
		return answer2(value, id, bit_of(p->domains, id, BCM283X_DOMAINS));
	case 0x00038009:	/* turbo */
		p->turbo = on;
		/* fall through */
	case 0x00030009:
		return answer2(value, id, p->turbo);
	default:
		return -1;
	}
}

static uint32_t clock_rate(const struct bcm283x_property *p, uint32_t id)
{
	return id < BCM283X_CLOCKS ? p->rates[id] : 0;
}

/* Nothing runs at these rates, but who sets one within the limits may read it back. */
static void clock_set(struct bcm283x_property *p, uint32_t id, uint32_t hz)
{
	if (id < BCM283X_CLOCKS && property_rates[id])
		p->rates[id] = MIN(MAX(hz, property_rates[id] / 2), property_rates[id]);
}

/*
 * The divider of the SD host that is its own, which counts from 2 on; nothing runs at that
 * rate. Twice: without and with turbo. A driver divides by it.
 */
static int property_sdhost(uint8_t *value)
{
	uint32_t core = property_rates[CLOCK_CORE], hz = word(value, 0);
	uint32_t divider = hz ? (core - 1) / hz + 1 : SDHOST_DIVIDER_MAX;

	divider = MIN(MAX(divider, 2u), SDHOST_DIVIDER_MAX);
	put(value, 1, core / divider);
	put(value, 2, core / divider);
	return 12;
}

static int property_clock(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	uint32_t id = word(value, 0), max = id < BCM283X_CLOCKS ? property_rates[id] : 0;

	switch (tag) {
	case 0x00010007:
		/* None: a governor of their rates would cost exits and change nothing. */
		return 0;
	case 0x00038001:
		set_bit_of(&p->clocks_off, id, BCM283X_CLOCKS, !(word(value, 1) & 1));
		/* fall through */
	case 0x00030001:
		return answer2(value, id, max ? !bit_of(p->clocks_off, id, BCM283X_CLOCKS) :
			       POWER_NO_DEVICE);
	case 0x00038002:
		clock_set(p, id, word(value, 1));
		/* fall through */
	case 0x00030002:
	case 0x00030047:	/* measured */
		return answer2(value, id, clock_rate(p, id));
	case 0x00030004:
		return answer2(value, id, max);
	case 0x00030007:
		return answer2(value, id, max / 2);
	case 0x00038042:
		return property_sdhost(value);
	default:
		return -1;
	}
}

/* Customer's one-time programmable rows: never written. */
static int property_otp(uint8_t *value)
{
	uint32_t start = word(value, 0), n = word(value, 1);

	if (!range_fits(start, n, OTP_ROWS))
		n = 0;
	put(value, 1, n);
	memset(value + 8, 0, n * 4);
	return 8 + n * 4;
}

static int property_health(struct bcm283x_property *p, uint32_t tag, uint8_t *value)
{
	uint32_t id = word(value, 0);

	switch (tag) {
	case 0x00030003:	/* voltage: now, highest, lowest, and what one sets */
	case 0x00030005:
	case 0x00030008:
	case 0x00038003:
		return answer2(value, id, id >= 1 && id <= 4 ? CORE_MICROVOLTS : 0);
	case 0x00030006:
		return answer2(value, id, BCM283X_TEMPERATURE);
	case 0x0003000a:
		return answer2(value, id, MAX_TEMPERATURE);
	case 0x00030046:	/* throttled: never */
		return answer1(value, 0);
	case 0x0003000c:	/* GPU memory: there is none to have */
	case 0x0003000d:
		return answer1(value, 0);
	case 0x0003000e:
	case 0x0003000f:
	case 0x00030012:	/* QPUs */
		return answer1(value, ~0u);
	case 0x00030020:	/* EDID: no such block */
		memset(value + 4, 0, 132);
		put(value, 1, ~0u);
		return 136;
	case 0x00030021:
		return property_otp(value);
	case 0x00030048:	/* the guest reboots; the display is its driver's */
	case 0x00030066:
		return 0;
	default:
		return -1;
	}
}

static int property_value(struct bcm283x_property *p, uint32_t tag, uint8_t *value, uint32_t len)
{
	int ret = property_board(p, tag, value);

	if (ret < 0)
		ret = property_power(p, tag, value);
	if (ret < 0)
		ret = property_clock(p, tag, value);
	if (ret < 0)
		ret = property_health(p, tag, value);
	if (ret < 0)
		ret = bcm283x_property_fb(p, tag, value, len);
	return ret;
}

/* --- buffers ------------------------------------------------------------------------ */

/* @len bytes of room at @off of the copy, which has them. False: nobody knows this tag. */
static bool property_tag(struct bcm283x_property *p, uint32_t off, uint32_t len)
{
	uint8_t value[VALUE_MAX] = { 0 };
	uint32_t asked = MIN(len, (uint32_t)VALUE_MAX), tag = load_le(p->buf + off, 4);
	int ret;

	memcpy(value, p->buf + off + TAG_HEADER, asked);
	ret = property_value(p, tag, value, asked);
	if (ret < 0) {
		log_guest(&p->rate, "bcm283x-property: no tag %#x", tag);
		return false;
	}
	memcpy(p->buf + off + TAG_HEADER, value, MIN(asked, (uint32_t)ret));
	store_le(p->buf + off + 8, 4, TAG_ANSWERED | ret);
	return true;
}

static bool property_tags(struct bcm283x_property *p, uint32_t size)
{
	uint32_t off = HEADER;

	while (range_fits(off, 4, size)) {
		uint32_t len;

		if (!load_le(p->buf + off, 4))
			return true;
		if (!range_fits(off, TAG_HEADER, size))
			return false;
		len = load_le(p->buf + off + 4, 4);
		if (!range_fits(off + TAG_HEADER, len, size) || !property_tag(p, off, len))
			return false;
		off += TAG_HEADER + align_up(len, 4);
	}
	/* The firmware does not insist on an end either. */
	return true;
}

bool bcm283x_property_answer(struct bcm283x_property *p, uint64_t gpa)
{
	uint32_t size, code;
	uint8_t word0[4];

	if (gmem_read(p->mem, gpa, word0, 4) < 0)
		return false;
	size = load_le(word0, 4);
	if (size < HEADER || size > BCM283X_PROPERTY_MAX ||
	    gmem_read(p->mem, gpa, p->buf, size) < 0) {
		log_guest(&p->rate, "bcm283x-property: a buffer of %u bytes", size);
		store_le(word0, 4, CODE_ERROR);
		return gmem_write(p->mem, gpa + 4, word0, 4) == 0;
	}
	code = property_tags(p, size) ? CODE_SUCCESS : CODE_ERROR;
	store_le(p->buf + 4, 4, code);
	return gmem_write(p->mem, gpa + 4, p->buf + 4, size - 4) == 0;
}

void bcm283x_property_reset(struct bcm283x_property *p)
{
	memcpy(p->rates, property_rates, sizeof(p->rates));
	p->clocks_off = p->turbo = 0;
	p->powered = POWER_ON;		/* the SD card, which it was booted from */
	p->domains = 0;
	bcm283x_property_fb_reset(p);
}

void bcm283x_property_init(struct bcm283x_property *p, const struct gmem *mem,
			   const struct bcm283x_board *board)
{
	memset(p, 0, sizeof(*p));
	p->mem = mem;
	p->board = *board;
	bcm283x_property_reset(p);
}
