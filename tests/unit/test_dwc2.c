/* SPDX-License-Identifier: MIT */
/* The USB host as a driver uses it, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "devices/usb/dwc2.h"
#include "devices/usb/dwc2_regs.h"
#include "tests/fake.h"
#include "tests/must.h"
#include "tests/until.h"

#define HOST 0x3f980000ull
#define BUFFER 0x10000u
#define ALIAS 0xc0000000u
#define SETUP_BUFFER 0x20000u

#define CONTROL USB_ENDPOINT_XFER_CONTROL
#define ISOC USB_ENDPOINT_XFER_ISOC
#define BULK USB_ENDPOINT_XFER_BULK
#define INTERRUPT USB_ENDPOINT_XFER_INT
#define IN true
#define OUT false
#define BULK_MAX 512
#define INT_MAX_LEN 8
#define POWERED (HPRT0_PWR | HPRT0_CONNSTS | HPRT0_LNSTS_DP)

/* Endpoint 1: interrupt IN; 2: bulk IN and OUT. */
#define CONFIG_LEN (9 + 9 + 7 + 7 + 7)
static const uint8_t config[] = {
	9, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 1, 0, 0x80, 0,
	9, USB_DT_INTERFACE, 0, 0, 3, 0xff, 0, 0, 0,
	7, USB_DT_ENDPOINT, 0x81, INTERRUPT, INT_MAX_LEN, 0, 4,
	7, USB_DT_ENDPOINT, 0x82, BULK, 0, BULK_MAX >> 8, 0,
	7, USB_DT_ENDPOINT, 0x02, BULK, 0, BULK_MAX >> 8, 0,
};
static const struct usb_device_descriptor device_descriptor = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
	.bMaxPacketSize0 = 64,
	.idVendor = 0x1234,
};
static const struct usb_descriptors descriptors = { &device_descriptor, NULL, config, NULL };

struct fixture {
	struct fake f;
	struct fake_irq irq;
	struct dwc2 d;
	struct usb_device dev;
	atomic_int left;	/* bytes that the device has to give; -1: NAK */
	int error;		/* of every packet, if negative */
	unsigned got, packets;
	uint8_t first;		/* byte of the last packet that came */
	atomic_bool done;
};

static int device_in(struct usb_device *dev, unsigned ep, void *data, unsigned len)
{
	struct fixture *t = dev->priv;
	int n = t->left;

	t->packets++;
	if (t->error)
		return t->error;
	if (n < 0)
		return -EAGAIN;
	n = MIN(n, (int)len);
	memset(data, 0x50 + ep, n);
	t->left = t->left == n ? -1 : t->left - n;
	return n;
}

static int device_out(struct usb_device *dev, unsigned ep, const void *data, unsigned len)
{
	struct fixture *t = dev->priv;

	(void)ep;
	t->packets++;
	if (t->error)
		return t->error;
	t->got += len;
	if (len)
		t->first = *(const uint8_t *)data;
	return 0;
}

static const struct usb_device_ops device_ops = { .in = device_in, .out = device_out };

static uint32_t rd(struct fixture *t, unsigned reg)
{
	uint64_t value = 0;

	bus_read(&t->f.mmio, HOST + reg, 4, &value);
	return value;
}

static void wr(struct fixture *t, unsigned reg, uint32_t value)
{
	bus_write(&t->f.mmio, HOST + reg, 4, value);
}

static uint32_t ch(struct fixture *t, unsigned n, unsigned reg)
{
	return rd(t, HCHANNELS + n * HCHANNEL_LEN + reg);
}

static void ch_wr(struct fixture *t, unsigned n, unsigned reg, uint32_t value)
{
	wr(t, HCHANNELS + n * HCHANNEL_LEN + reg, value);
}

static uint32_t hcchar(unsigned addr, unsigned ep, unsigned type, bool in, unsigned max)
{
	return HCCHAR_CHENA | addr << HCCHAR_DEVADDR_SHIFT | type << HCCHAR_EPTYPE_SHIFT |
	       (in ? HCCHAR_EPDIR : 0) | ep << HCCHAR_EPNUM_SHIFT | max;
}

static uint32_t hctsiz(unsigned pid, unsigned packets, unsigned len)
{
	return pid << TSIZ_PID_SHIFT | packets << TSIZ_PKTCNT_SHIFT | len;
}

static void start(struct fixture *t, unsigned n, uint32_t chars, uint32_t size, uint32_t addr)
{
	ch_wr(t, n, HCINT, HCINT_ALL);
	ch_wr(t, n, HCTSIZ, size);
	ch_wr(t, n, HCDMA, addr);
	ch_wr(t, n, HCCHAR, chars);
	fake_settle(&t->f);
}

/* Interrupts as a driver has them that waits for these. */
static void listen(struct fixture *t)
{
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	wr(t, GINTMSK, GINTSTS_HCHINT | GINTSTS_PRTINT);
	wr(t, HAINTMSK, 0xff);
	for (unsigned n = 0; n < DWC2_CHANNELS; n++)
		ch_wr(t, n, HCINTMSK, HCINT_CHHLTD);
}

static void port_up(struct fixture *t)
{
	wr(t, HPRT0, HPRT0_PWR);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_CONNDET);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST);
	wr(t, HPRT0, HPRT0_PWR);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_ENACHG);
	fake_settle(&t->f);
}

/* By channel 0; HCINT of the stage that ended it. */
static uint32_t request(struct fixture *t, unsigned addr, unsigned type, unsigned what,
			unsigned value, unsigned len)
{
	const struct usb_ctrlrequest req = { type, what, value, 0, len };
	bool in = type & USB_DIR_IN;

	must(gmem_write(&t->f.mem, SETUP_BUFFER, &req, sizeof(req)) == 0);
	start(t, 0, hcchar(addr, 0, CONTROL, OUT, 64), hctsiz(TSIZ_PID_SETUP, 1, 8), SETUP_BUFFER);
	if (!(ch(t, 0, HCINT) & HCINT_XFERCOMPL))
		return ch(t, 0, HCINT);
	if (len) {
		start(t, 0, hcchar(addr, 0, CONTROL, in, 64),
		      hctsiz(TSIZ_PID_DATA1, (len + 63) / 64, len), BUFFER);
		if (!(ch(t, 0, HCINT) & HCINT_XFERCOMPL))
			return ch(t, 0, HCINT);
	}
	start(t, 0, hcchar(addr, 0, CONTROL, !in, 64), hctsiz(TSIZ_PID_DATA1, 1, 0), BUFFER);
	return ch(t, 0, HCINT);
}

#define COMPLETE (HCINT_XFERCOMPL | HCINT_CHHLTD | HCINT_ACK)

static void configure(struct fixture *t)
{
	port_up(t);
	must(request(t, 0, 0, USB_REQ_SET_ADDRESS, 5, 0) == COMPLETE);
	must(request(t, 5, 0, USB_REQ_SET_CONFIGURATION, 1, 0) == COMPLETE);
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_init(&t->f);
	t->left = -1;
	t->dev = (struct usb_device){ .name = "device", .ops = &device_ops,
				      .descriptors = &descriptors, .priv = t };
	dwc2_init(&t->d, &t->f.mem, t->f.loop, fake_irq_line(&t->irq));
	must(dwc2_plug(&t->d, &t->dev) == 0);
	must(bus_add(&t->f.mmio, &t->d.region, HOST) == 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	bus_remove(&t->f.mmio, &t->d.region);
	dwc2_finish(&t->d);
	fake_finish(&t->f);
	free(t);
	return 0;
}

/* --- the core --------------------------------------------------------------------------- */

static void the_core_is_what_a_driver_expects(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(rd(t, GSNPSID), 0x4f54280a);
	assert_int_not_equal(rd(t, HFIR), 0);
	assert_int_equal(rd(t, GRXFSIZ), 0x1000);
	assert_int_equal(rd(t, GHWCFG3) >> 16, 4080);		/* words of FIFOs */
	assert_int_equal(rd(t, GHWCFG4) >> 14 & 3, 0);		/* a UTMI+ of 8 bits */
	assert_int_equal(rd(t, GINTSTS), GINTSTS_CURMODE_HOST | GINTSTS_NPTXFEMP | GINTSTS_PTXFEMP);
	assert_true(rd(t, GNPTXSTS) & 0xffff && rd(t, HPTXSTS) & 0xffff);
	assert_int_equal(rd(t, GHWCFG2) >> 14 & 0xf, DWC2_CHANNELS - 1);
	assert_int_equal(rd(t, GHWCFG2) >> 3 & 3, 2);		/* internal DMA */
	assert_int_equal(rd(t, GHWCFG4) >> 30 & 1, 0);		/* without descriptors */
	assert_true(rd(t, GINTSTS) & GINTSTS_CURMODE_HOST);
	wr(t, GRXFSIZ, 774);
	assert_int_equal(rd(t, GRXFSIZ), 774);
	wr(t, GINTMSK, 1);
	wr(t, GRSTCTL, GRSTCTL_CSFTRST);
	assert_int_equal(rd(t, GRSTCTL), GRSTCTL_AHBIDLE);
	assert_int_equal(rd(t, GRXFSIZ), 0x1000);
	assert_int_equal(rd(t, GINTMSK), 0);
	/* A driver divides by it. */
	assert_int_not_equal(rd(t, HFIR), 0);
}

static void a_reset_of_the_core_is_of_all_but_its_mode(void **state)
{
	static const struct { uint32_t reg, bits; } regs[] = {
		{ GAHBCFG, ~0u }, { GINTMSK, ~0u }, { HAINTMSK, 0xff }, { HFIR, 0xffff },
		{ HCFG, ~0u }, { PCGCTL, ~0u },
	};
	struct fixture *t = *state;

	configure(t);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	wr(t, GINTMSK, GINTSTS_SOF);
	UNTIL_IN(t->f.loop, t->irq.level);
	start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN), BUFFER);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		wr(t, regs[i].reg, ~0u);
		assert_int_equal(rd(t, regs[i].reg), regs[i].bits);
	}
	/* To flush FIFOs is none. */
	wr(t, GRSTCTL, 0x10 << 6 | 0x30);
	assert_int_equal(rd(t, HCFG), ~0u);
	assert_int_equal(rd(t, GRSTCTL), GRSTCTL_AHBIDLE);
	assert_true(t->dev.enabled);
	wr(t, GRSTCTL, GRSTCTL_CSFTRST);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		if (regs[i].reg != HFIR)
			assert_int_equal(rd(t, regs[i].reg), 0);
	for (unsigned reg = HCCHAR; reg < HCHANNEL_LEN; reg += 4)
		assert_int_equal(ch(t, 1, reg), 0);
	assert_int_equal(rd(t, GINTSTS), GINTSTS_CURMODE_HOST | GINTSTS_NPTXFEMP | GINTSTS_PTXFEMP);
	assert_int_equal(t->irq.level, 0);
	fake_settle(&t->f);
	assert_false(t->dev.enabled);
	assert_int_equal(t->d.sof_armed, 0);
}

static void nothing_interrupts_while_all_of_it_is_off(void **state)
{
	struct fixture *t = *state;

	listen(t);
	wr(t, GAHBCFG, ~(uint32_t)GAHBCFG_GLBL_INTR_EN);
	port_up(t);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST);
	wr(t, HPRT0, HPRT0_PWR);
	assert_true(rd(t, GINTSTS) & GINTSTS_PRTINT);
	assert_int_equal(t->irq.level, 0);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	assert_int_equal(t->irq.level, 1);
}

static void the_mode_is_the_hosts_unless_forced(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(rd(t, GUSBCFG), 0x1400);
	wr(t, GUSBCFG, GUSBCFG_FORCEDEVMODE);
	assert_int_equal(rd(t, GUSBCFG), GUSBCFG_FORCEDEVMODE);
	assert_false(rd(t, GINTSTS) & GINTSTS_CURMODE_HOST);
	/* But not one of the machine's. */
	dwc2_reset(&t->d);
	assert_true(rd(t, GINTSTS) & GINTSTS_CURMODE_HOST);
	wr(t, GUSBCFG, GUSBCFG_FORCEDEVMODE);
	/* That outlives a reset. */
	wr(t, GRSTCTL, GRSTCTL_CSFTRST);
	assert_false(rd(t, GINTSTS) & GINTSTS_CURMODE_HOST);
	wr(t, GUSBCFG, GUSBCFG_FORCEHOSTMODE);
	assert_true(rd(t, GINTSTS) & GINTSTS_CURMODE_HOST);
}

static void the_port_connects_with_power_and_is_enabled_by_a_reset(void **state)
{
	struct fixture *t = *state;

	listen(t);
	assert_int_equal(rd(t, HPRT0), 0);
	wr(t, HPRT0, HPRT0_PWR);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_CONNDET);
	assert_int_equal(t->irq.level, 1);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_CONNDET);
	assert_int_equal(rd(t, HPRT0), POWERED);
	assert_int_equal(t->irq.level, 0);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_RST);
	wr(t, HPRT0, HPRT0_PWR);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENA | HPRT0_ENACHG);
	assert_int_equal(t->irq.level, 1);
	fake_settle(&t->f);
	assert_true(t->dev.enabled);
	/* To write a 1 to it disables it. */
	wr(t, HPRT0, HPRT0_PWR | HPRT0_ENA | HPRT0_ENACHG);
	fake_settle(&t->f);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENACHG);
	assert_false(t->dev.enabled);
	wr(t, HPRT0, 0);
	assert_int_equal(rd(t, HPRT0) & POWERED, 0);
}

static void a_port_without_power_has_nothing(void **state)
{
	struct fixture *t = *state;

	wr(t, HPRT0, HPRT0_RST);
	assert_int_equal(rd(t, HPRT0), 0);
	wr(t, HPRT0, 0);
	fake_settle(&t->f);
	assert_false(t->dev.enabled);
	configure(t);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_SUSP);
	wr(t, HPRT0, 0);
	assert_int_equal(rd(t, HPRT0), HPRT0_ENACHG);
	fake_settle(&t->f);
	assert_false(t->dev.enabled);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_CONNDET | HPRT0_ENACHG);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_CONNDET);
	/* In the middle of a reset. */
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST | HPRT0_CONNDET);
	wr(t, HPRT0, 0);
	assert_int_equal(rd(t, HPRT0), 0);
	fake_settle(&t->f);
	assert_false(t->dev.enabled);
}

static void a_reset_of_the_port_disables_it_while_it_lasts(void **state)
{
	struct fixture *t = *state;

	configure(t);
	/* What is enabled can be suspended and resumed; a test mode is only kept. */
	wr(t, HPRT0, HPRT0_PWR | HPRT0_SUSP | HPRT0_TSTCTL);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENA | HPRT0_SUSP | HPRT0_TSTCTL);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_RST | HPRT0_ENACHG);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RST | HPRT0_SUSP | HPRT0_RES | HPRT0_ENACHG);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_RST);
	fake_settle(&t->f);
	assert_false(t->dev.enabled);
	wr(t, HPRT0, HPRT0_PWR);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENA | HPRT0_ENACHG);
	fake_settle(&t->f);
	assert_true(t->dev.enabled);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RES);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_ENA | HPRT0_ENACHG);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENACHG);
}

static void an_empty_port_cannot_be_enabled(void **state)
{
	struct fixture *t = *state;
	struct dwc2 *d = calloc(1, sizeof(*d));

	bus_remove(&t->f.mmio, &t->d.region);
	dwc2_init(d, &t->f.mem, t->f.loop, (struct irq_line){ 0 });
	must(bus_add(&t->f.mmio, &d->region, HOST) == 0);
	port_up(t);
	assert_int_equal(rd(t, HPRT0), HPRT0_PWR);
	wr(t, GRSTCTL, GRSTCTL_CSFTRST);
	fake_settle(&t->f);
	assert_int_equal(rd(t, HPRT0), 0);
	bus_remove(&t->f.mmio, &d->region);
	dwc2_finish(d);
	free(d);
	must(bus_add(&t->f.mmio, &t->d.region, HOST) == 0);
}

static void a_bus_without_a_clock_carries_nothing(void **state)
{
	struct fixture *t = *state;

	configure(t);
	/* The other bits stop nothing. */
	wr(t, PCGCTL, ~(uint32_t)PCGCTL_STOPPCLK);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	assert_int_equal(t->packets, 1);
	wr(t, PCGCTL, PCGCTL_STOPPCLK);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	assert_int_equal(t->packets, 1);
	wr(t, PCGCTL, 0);
	fake_settle(&t->f);
	assert_int_equal(t->packets, 2);
}

static void a_suspended_port_carries_nothing(void **state)
{
	struct fixture *t = *state;

	configure(t);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_SUSP);
	assert_true(rd(t, HPRT0) & HPRT0_SUSP);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	assert_int_equal(t->packets, 0);
	wr(t, HPRT0, HPRT0_PWR | HPRT0_RES);
	assert_int_equal(rd(t, HPRT0) & (HPRT0_RES | HPRT0_SUSP), HPRT0_RES);
	wr(t, HPRT0, HPRT0_PWR);
	assert_int_equal(rd(t, HPRT0), POWERED | HPRT0_ENA);
	fake_settle(&t->f);
	assert_int_equal(t->packets, 1);
}

static void frames_pass_while_the_port_is_enabled(void **state)
{
	struct fixture *t = *state;
	uint32_t frame = rd(t, HFNUM);

	assert_int_equal(rd(t, HFNUM), frame);
	assert_false(rd(t, GINTSTS) & GINTSTS_SOF);
	port_up(t);
	frame = rd(t, HFNUM) & 0xffff;
	UNTIL_IN(t->f.loop, (rd(t, HFNUM) & 0xffff) != frame);
	assert_true(rd(t, HFNUM) >> 16 <= rd(t, HFIR));
	assert_true(rd(t, GINTSTS) & GINTSTS_SOF);
	wr(t, PCGCTL, PCGCTL_STOPPCLK);
	assert_false(rd(t, GINTSTS) & GINTSTS_SOF);
}

/* --- transfers ------------------------------------------------------------------------------- */

static void a_device_is_found_and_configured(void **state)
{
	struct fixture *t = *state;
	uint8_t data[18];

	listen(t);
	port_up(t);
	assert_int_equal(request(t, 0, USB_DIR_IN, USB_REQ_GET_DESCRIPTOR, USB_DT_DEVICE << 8, 64),
			 COMPLETE);
	must(gmem_read(&t->f.mem, BUFFER, data, sizeof(data)) == 0);
	assert_memory_equal(data, &device_descriptor, sizeof(data));
	assert_int_equal(request(t, 0, 0, USB_REQ_SET_ADDRESS, 5, 0), COMPLETE);
	assert_int_equal(request(t, 0, 0, USB_REQ_SET_CONFIGURATION, 1, 0),
			 HCINT_XACTERR | HCINT_CHHLTD);
	assert_int_equal(request(t, 5, 0, USB_REQ_SET_CONFIGURATION, 1, 0), COMPLETE);
	assert_int_equal(t->irq.level, 1);
	assert_int_equal(rd(t, HAINT), 1);
	ch_wr(t, 0, HCINT, HCINT_ALL);
	assert_int_equal(t->irq.level, 0);
}

static void a_channels_registers_are_kept(void **state)
{
	struct fixture *t = *state;

	ch_wr(t, 7, HCSPLT, 0x5a);
	ch_wr(t, 7, HCINTMSK, UINT32_MAX);
	assert_int_equal(ch(t, 7, HCSPLT), 0x5a);
	assert_int_equal(ch(t, 7, HCINTMSK), HCINT_ALL);
	assert_int_equal(ch(t, 7, HCDMA + 4), 0);
	/* Only a transaction that is to be split is one. */
	configure(t);
	start(t, 7, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	assert_int_equal(ch(t, 7, HCINT), COMPLETE);
}

static void a_setup_packet_is_one_of_a_control_endpoint_alone(void **state)
{
	struct fixture *t = *state;
	const struct usb_ctrlrequest req = { 0, USB_REQ_SET_CONFIGURATION, 1, 0, 0 };

	configure(t);
	must(gmem_write(&t->f.mem, SETUP_BUFFER, &req, sizeof(req)) == 0);
	/* The highest bit asks for a PING, as drivers do at high speed. */
	start(t, 0, hcchar(5, 0, CONTROL, OUT, 64), BIT(31) | hctsiz(TSIZ_PID_SETUP, 1, 8),
	      SETUP_BUFFER);
	assert_int_equal(ch(t, 0, HCINT), COMPLETE);
	assert_int_equal(ch(t, 0, HCTSIZ), hctsiz(TSIZ_PID_DATA1, 0, 0));
	assert_int_equal(t->packets, 0);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(TSIZ_PID_SETUP, 1, 8), SETUP_BUFFER);
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	assert_int_equal(t->got, 8);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), BIT(31) | hctsiz(TSIZ_PID_DATA1, 1, 8),
	      SETUP_BUFFER);
	assert_int_equal(ch(t, 1, HCTSIZ), hctsiz(TSIZ_PID_DATA0, 0, 0));
	/* The status of a request, whatever its toggle. */
	start(t, 0, hcchar(5, 0, CONTROL, OUT, 64), hctsiz(TSIZ_PID_SETUP, 1, 8), SETUP_BUFFER);
	start(t, 0, hcchar(5, 0, CONTROL, IN, 64), hctsiz(TSIZ_PID_SETUP, 1, 64), BUFFER);
	assert_int_equal(ch(t, 0, HCINT), COMPLETE);
	assert_int_equal(ch(t, 0, HCTSIZ) & TSIZ_XFERSIZE, 64);
}

static void a_transfer_ends_with_its_last_packet(void **state)
{
	struct fixture *t = *state;

	configure(t);
	t->left = 3 * BULK_MAX;
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 2, 2 * BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	assert_int_equal(t->left, BULK_MAX);
	assert_int_equal(ch(t, 1, HCTSIZ), hctsiz(TSIZ_PID_DATA0, 0, 0));
}

static void what_is_left_of_a_transfer_can_be_read(void **state)
{
	struct fixture *t = *state;
	uint8_t data[1200] = "";

	configure(t);
	t->left = 1100;
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(TSIZ_PID_DATA0, 8, 8 * BULK_MAX),
	      ALIAS | BUFFER);
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	assert_false(ch(t, 1, HCCHAR) & HCCHAR_CHENA);
	assert_int_equal(ch(t, 1, HCTSIZ), hctsiz(TSIZ_PID_DATA1, 5, 8 * BULK_MAX - 1100));
	assert_int_equal(ch(t, 1, HCDMA), (ALIAS | BUFFER) + 1100);
	must(gmem_read(&t->f.mem, BUFFER, data, sizeof(data)) == 0);
	assert_int_equal(data[1099], 0x52);
	assert_int_equal(data[1100], 0);
}

static void out_packets_arrive_whole(void **state)
{
	struct fixture *t = *state;

	configure(t);
	must(gmem_write(&t->f.mem, BUFFER + 1024, "x", 1) == 0);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(TSIZ_PID_DATA1, 3, 1030), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	assert_int_equal(t->got, 1030);
	assert_int_equal(t->first, 'x');
	assert_int_equal(ch(t, 1, HCTSIZ), hctsiz(TSIZ_PID_DATA0, 0, 0));
	/* An empty one ends a transfer that is a multiple of packets. */
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(TSIZ_PID_DATA1, 2, BULK_MAX), BUFFER);
	assert_int_equal(t->packets, 5);
}

static void a_stall_and_a_silence_are_told_apart(void **state)
{
	struct fixture *t = *state;

	configure(t);
	t->error = -EPIPE;
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_STALL | HCINT_CHHLTD);
	t->error = -EIO;
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	start(t, 1, hcchar(77, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
}

static void what_no_device_speaks_is_an_error(void **state)
{
	struct fixture *t = *state;

	configure(t);
	t->left = 8;
	start(t, 1, hcchar(5, 2, ISOC, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	ch_wr(t, 1, HCSPLT, HCSPLT_SPLTENA);
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	assert_int_equal(t->packets, 0);
}

/* --- waiting ----------------------------------------------------------------------------------- */

static void a_refused_transfer_goes_on_when_the_device_is_ready(void **state)
{
	static const struct { unsigned ep, type, max; } kinds[] = {
		{ 1, INTERRUPT, INT_MAX_LEN }, { 2, BULK, BULK_MAX },
	};
	struct fixture *t = *state;

	configure(t);
	listen(t);
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		start(t, 1, hcchar(5, kinds[i].ep, kinds[i].type, IN, kinds[i].max),
		      hctsiz(0, 1, kinds[i].max), BUFFER);
		assert_int_equal(ch(t, 1, HCINT), 0);
		assert_true(ch(t, 1, HCCHAR) & HCCHAR_CHENA);
		t->packets = 0;
		fake_settle(&t->f);
		assert_int_equal(t->packets, 0);
		t->left = 3;
		usb_ready(&t->dev);
		fake_settle(&t->f);
		assert_int_equal(ch(t, 1, HCINT), COMPLETE);
		ch_wr(t, 1, HCINT, HCINT_ALL);
	}
}

static void who_polls_is_told_of_a_nak(void **state)
{
	/* Each of these keeps the interrupt away. */
	static const struct { uint32_t reg, without; } deaf[] = {
		{ GAHBCFG, GAHBCFG_GLBL_INTR_EN }, { GINTMSK, GINTSTS_HCHINT },
		{ HAINTMSK, BIT(1) }, { HCHANNELS + HCHANNEL_LEN + HCINTMSK, HCINT_CHHLTD },
	};
	struct fixture *t = *state;

	configure(t);
	for (unsigned i = 0; i < ARRAY_SIZE(deaf); i++) {
		listen(t);
		wr(t, deaf[i].reg, ~deaf[i].without);
		start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN),
		      BUFFER);
		assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
		start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
		assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
	}
	/* What it sends is tried again by the hardware. */
	t->error = -EAGAIN;
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), 0);
	t->error = 0;
	usb_ready(&t->dev);
	fake_settle(&t->f);
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
}

static void who_masks_its_interrupt_polls_from_then_on(void **state)
{
	static const struct { unsigned reg; uint32_t on, off; } masks[] = {
		{ GAHBCFG, GAHBCFG_GLBL_INTR_EN, 0 }, { HAINTMSK, 0xff, 0xfd },
		{ GINTMSK, GINTSTS_HCHINT | GINTSTS_PRTINT, GINTSTS_PRTINT },
	};
	struct fixture *t = *state;

	configure(t);
	listen(t);
	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
		start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
		assert_int_equal(ch(t, 1, HCINT), 0);
		wr(t, masks[i].reg, masks[i].off);
		fake_settle(&t->f);
		assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
		wr(t, masks[i].reg, masks[i].on);
	}
}

static void a_driver_that_may_run_out_of_channels_gets_one_back(void **state)
{
	struct fixture *t = *state;
	unsigned busy = 0;

	configure(t);
	listen(t);
	for (unsigned n = 0; n < DWC2_CHANNELS; n++)
		start(t, n, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN),
		      BUFFER);
	for (unsigned n = 0; n < DWC2_CHANNELS; n++)
		busy += ch(t, n, HCCHAR) >> 31;
	assert_int_equal(busy, DWC2_CHANNELS - 1);
}

static void a_channel_is_halted_on_request(void **state)
{
	struct fixture *t = *state;

	configure(t);
	listen(t);
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	ch_wr(t, 1, HCCHAR, ch(t, 1, HCCHAR) | HCCHAR_CHDIS);
	assert_false(ch(t, 1, HCCHAR) & (HCCHAR_CHENA | HCCHAR_CHDIS));
	assert_int_equal(ch(t, 1, HCINT), HCINT_CHHLTD);
	assert_int_equal(t->irq.level, 1);
	t->packets = 0;
	usb_ready(&t->dev);
	fake_settle(&t->f);
	assert_int_equal(t->packets, 0);
	/* One that stands still has nothing to say... */
	ch_wr(t, 1, HCINT, HCINT_ALL);
	ch_wr(t, 1, HCCHAR, HCCHAR_CHDIS);
	assert_int_equal(ch(t, 1, HCINT), 0);
	assert_int_equal(ch(t, 1, HCCHAR), 0);
	/* ...unless it is started and halted at once, as drivers flush it. */
	ch_wr(t, 1, HCCHAR, HCCHAR_CHENA | HCCHAR_CHDIS);
	assert_int_equal(ch(t, 1, HCINT), HCINT_CHHLTD);
	assert_int_equal(ch(t, 1, HCCHAR), 0);
}

static void only_a_request_halts_a_channel(void **state)
{
	struct fixture *t = *state;

	configure(t);
	listen(t);
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	ch_wr(t, 1, HCCHAR, 0);
	assert_int_equal(ch(t, 1, HCCHAR), HCCHAR_CHENA);
	ch_wr(t, 1, HCCHAR, HCCHAR_CHDIS);
	assert_int_equal(ch(t, 1, HCCHAR), 0);
	assert_int_equal(ch(t, 1, HCINT), HCINT_CHHLTD);
}

static void an_interrupt_endpoints_channel_comes_back_unasked(void **state)
{
	struct fixture *t = *state;

	configure(t);
	listen(t);
	start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN), BUFFER);
	assert_true(ch(t, 1, HCCHAR) & HCCHAR_CHENA);
	ch_wr(t, 1, HCINTMSK, HCINT_CHHLTD);
	assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
	start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN), BUFFER);
	ch_wr(t, 1, HCINT, 0);
	assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
	/* No other's does. */
	start(t, 2, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	ch_wr(t, 2, HCINTMSK, HCINT_CHHLTD);
	assert_int_equal(ch(t, 2, HCINT), 0);
}

/* --- starts of frames ---------------------------------------------------------------------------- */

static unsigned count_sofs(struct fixture *t, uint64_t ns)
{
	uint64_t end = loop_now_ns() + ns;
	unsigned n = 0;

	while (loop_now_ns() < end) {
		loop_run_once(t->f.loop, 10);
		if (!t->irq.level)
			continue;
		n++;
		wr(t, GINTSTS, GINTSTS_SOF);
	}
	return n;
}

static void starts_of_frames_come_while_wanted_and_ever_more_rarely(void **state)
{
	struct fixture *t = *state;

	configure(t);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	wr(t, GINTMSK, GINTSTS_SOF);
	UNTIL_IN(t->f.loop, t->irq.level);
	/* It stays until it is acknowledged. */
	fake_settle(&t->f);
	assert_int_equal(t->irq.edges, 1);
	/* 1, 2, 4... ms: a second has no more than ten. */
	assert_in_range(count_sofs(t, 1000000000), 1, 11);
	wr(t, GINTMSK, 0);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_false(t->d.sof_armed);
}

#define NEVER 1000000000000ull

/* A start of frame was heard, and the next one is far away if nothing happens. */
static void hear_a_frame(struct fixture *t)
{
	configure(t);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	wr(t, GINTMSK, GINTSTS_SOF);
	UNTIL_IN(t->f.loop, t->irq.level);
	wr(t, GINTSTS, GINTSTS_SOF);
	t->d.sof_delay = NEVER;
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(t->d.sof_armed, NEVER);
}

static void who_looks_at_the_mask_has_queued_something(void **state)
{
	struct fixture *t = *state;

	hear_a_frame(t);
	/* An interrupt handler does it behind GINTSTS; some write it back. */
	rd(t, GINTSTS);
	rd(t, GINTMSK);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	rd(t, HFNUM);
	wr(t, GINTMSK, rd(t, GINTMSK));
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 0);
	rd(t, HFNUM);
	rd(t, GINTMSK);
	fake_settle(&t->f);
	assert_int_equal(t->irq.level, 1);
}

static void a_start_of_frame_is_wanted_when_interrupts_are_on(void **state)
{
	struct fixture *t = *state;

	configure(t);
	wr(t, GINTMSK, GINTSTS_SOF);
	fake_settle(&t->f);
	assert_int_equal(t->d.sof_armed, 0);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	UNTIL_IN(t->f.loop, t->irq.level);
	/* Only its own bit acknowledges it. */
	wr(t, GINTSTS, ~(uint32_t)GINTSTS_SOF);
	assert_int_equal(t->irq.level, 1);
	dwc2_reset(&t->d);
	assert_int_equal(t->d.sof_armed, 0);
}

static void a_channel_that_halts_may_be_wanted_in_the_next_frame(void **state)
{
	struct fixture *t = *state;

	hear_a_frame(t);
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
	UNTIL_IN(t->f.loop, t->irq.level);
}

static void traffic_does_not_put_off_a_start_of_frame(void **state)
{
	struct fixture *t = *state;
	uint64_t due;

	configure(t);
	wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
	wr(t, GINTMSK, GINTSTS_SOF);
	fake_settle(&t->f);
	due = t->d.sof_timer.due_ns;
	for (unsigned i = 0; i < 3; i++) {
		start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 4), BUFFER);
		assert_int_equal(ch(t, 1, HCINT), COMPLETE);
		assert_true(t->d.sof || t->d.sof_timer.due_ns == due);
	}
}

#define MS 1000000ull

static void no_frames_pass_where_nobody_looks(void **state)
{
	struct fixture *t = *state;
	unsigned before, after;

	port_up(t);
	before = rd(t, HFNUM) & 0x3fff;
	t->d.frames_seen -= 10000 * MS;
	after = rd(t, HFNUM) & 0x3fff;
	assert_int_equal((after - before) & 0x3fff, 64 * 8);
}

/* Or else the driver takes the frame in which the transfer began for one of the future. */
static void an_interrupt_endpoints_channel_does_not_wait_for_a_second_of_frames(void **state)
{
	struct fixture *t = *state;

	configure(t);
	listen(t);
	start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN), BUFFER);
	rd(t, HFNUM);
	t->d.frames_ns += 512 * MS;
	usb_ready(&t->dev);
	fake_settle(&t->f);
	assert_int_equal(ch(t, 1, HCINT), HCINT_NAK | HCINT_CHHLTD);
	/* It waits as long again. */
	start(t, 1, hcchar(5, 1, INTERRUPT, IN, INT_MAX_LEN), hctsiz(0, 1, INT_MAX_LEN), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), 0);
	/* Others are no business of frames. */
	ch_wr(t, 1, HCCHAR, ch(t, 1, HCCHAR) | HCCHAR_CHDIS);
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), BUFFER);
	t->d.frames_ns += 512 * MS;
	usb_ready(&t->dev);
	fake_settle(&t->f);
	assert_int_equal(ch(t, 1, HCINT), 0);
}

/* --- hostile guests ---------------------------------------------------------------------------------- */

static void case_07_dma_outside_memory_ends_the_transfer(void **state)
{
	static const uint32_t where[] = {
		FAKE_RAM_LEN - 4,	/* into a hole */
		0x3ffffff0, 0x7e980000, 0xfffffff0, ALIAS | 0x3f980000,
	};
	struct fixture *t = *state;

	configure(t);
	for (unsigned i = 0; i < ARRAY_SIZE(where); i++) {
		t->left = BULK_MAX;
		start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 1, BULK_MAX), where[i]);
		assert_int_equal(ch(t, 1, HCINT), HCINT_AHBERR | HCINT_CHHLTD);
		start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, BULK_MAX), where[i]);
		assert_int_equal(ch(t, 1, HCINT), HCINT_AHBERR | HCINT_CHHLTD);
		start(t, 1, hcchar(5, 0, CONTROL, OUT, 64), hctsiz(TSIZ_PID_SETUP, 1, 8),
		      where[i]);
		assert_int_equal(ch(t, 1, HCINT), HCINT_AHBERR | HCINT_CHHLTD);
		/* Where nothing is moved none is needed. */
		start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, 1, 0), where[i]);
		assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	}
	assert_int_equal(t->got, 0);
}

/* With as much memory as there can be, of which a part looks alike in its own view. */
static void case_07_dma_to_peripherals_is_none_to_memory(void **state)
{
	const struct gmem_range range = { 0x3e000000, 1 << 20 };
	struct fixture *t = *state;
	struct gmem mem;

	configure(t);
	assert_int_equal(gmem_init_private(&mem, &range, 1), 0);
	t->d.mem = &mem;
	for (unsigned in = 0; in < 2; in++) {
		uint32_t hcchar_dir = hcchar(5, 2, BULK, in ? IN : OUT, BULK_MAX);

		t->left = 2 * BULK_MAX;
		start(t, 1, hcchar_dir, hctsiz(0, 1, BULK_MAX), 0x7e000000);
		assert_int_equal(ch(t, 1, HCINT), HCINT_AHBERR | HCINT_CHHLTD);
		start(t, 1, hcchar_dir, hctsiz(0, 1, BULK_MAX), ALIAS | 0x3e000000);
		assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	}
	t->d.mem = &t->f.mem;
	gmem_finish(&mem);
}

static void case_06_sizes_that_make_no_sense(void **state)
{
	struct fixture *t = *state;

	configure(t);
	/* No packets; a SETUP packet of 7 bytes, and one to another endpoint. */
	start(t, 1, hcchar(5, 2, BULK, IN, BULK_MAX), hctsiz(0, 0, BULK_MAX), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	start(t, 1, hcchar(5, 0, CONTROL, OUT, 64), hctsiz(TSIZ_PID_SETUP, 1, 7), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	start(t, 1, hcchar(5, 3, CONTROL, OUT, 64), hctsiz(TSIZ_PID_SETUP, 1, 8), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
	/* More packets than bytes, all but one empty; packets of no bytes; of too many. */
	start(t, 1, hcchar(5, 2, BULK, OUT, BULK_MAX), hctsiz(0, TSIZ_PKTCNT, 1), BUFFER);
	UNTIL_IN(t->f.loop, ch(t, 1, HCINT));
	assert_int_equal(ch(t, 1, HCINT), COMPLETE);
	assert_int_equal(t->packets, TSIZ_PKTCNT);
	t->left = 100;
	start(t, 1, hcchar(5, 2, BULK, IN, 0), hctsiz(0, TSIZ_PKTCNT, TSIZ_XFERSIZE), BUFFER);
	UNTIL_IN(t->f.loop, ch(t, 1, HCINT) & HCINT_CHHLTD);
	start(t, 1, hcchar(5, 2, BULK, OUT, HCCHAR_MPS), hctsiz(0, 1, TSIZ_XFERSIZE), BUFFER);
	assert_int_equal(ch(t, 1, HCINT), HCINT_XACTERR | HCINT_CHHLTD);
}

static void case_36_registers_that_do_not_exist(void **state)
{
	struct fixture *t = *state;
	uint64_t value;

	for (unsigned reg = 0; reg < DWC2_LEN; reg += 4) {
		for (unsigned size = 1; size <= 8; size *= 2)
			assert_true(bus_read(&t->f.mmio, HOST + reg, MIN(size, DWC2_LEN - reg),
					     &value));
		wr(t, reg, UINT32_MAX);
	}
	fake_settle(&t->f);
	wr(t, HCHANNELS + DWC2_CHANNELS * HCHANNEL_LEN, HCCHAR_CHENA);
	assert_int_equal(rd(t, HCHANNELS + DWC2_CHANNELS * HCHANNEL_LEN), 0);
	wr(t, HFIR, 0);
	port_up(t);
	assert_int_equal(rd(t, HFNUM) >> 16, 0);
}

/* A long transfer is done in pieces, between which others have their turn. */
static void case_25_a_long_transfer_starves_nobody(void **state)
{
	struct fixture *t = *state;
	unsigned turns = 0;

	configure(t);
	ch_wr(t, 1, HCINT, HCINT_ALL);
	ch_wr(t, 1, HCTSIZ, hctsiz(0, TSIZ_PKTCNT, 0));
	ch_wr(t, 1, HCCHAR, hcchar(5, 2, BULK, OUT, BULK_MAX));
	while (!ch(t, 1, HCINT)) {
		unsigned before = t->packets;

		loop_run_once(t->f.loop, 0);
		assert_in_range(t->packets - before, 1, 64);
		turns++;
	}
	assert_in_range(turns, 16, 17);
}

static void *reset_often(void *arg)
{
	struct fixture *t = arg;

	for (unsigned i = 0; i < 3000; i++) {
		wr(t, GRSTCTL, GRSTCTL_CSFTRST);
		wr(t, HPRT0, HPRT0_PWR);
		wr(t, HPRT0, HPRT0_PWR | HPRT0_RST);
		wr(t, HPRT0, HPRT0_PWR);
		ch_wr(t, i % 8, HCTSIZ, hctsiz(TSIZ_PID_SETUP, 100, 8));
		ch_wr(t, i % 8, HCCHAR, hcchar(0, i % 3, i % 4, i & 1, 64));
		wr(t, GINTMSK, GINTSTS_SOF);
		wr(t, GAHBCFG, GAHBCFG_GLBL_INTR_EN);
		rd(t, GINTMSK);
		wr(t, GINTSTS, GINTSTS_SOF);
	}
	t->done = true;
	return NULL;
}

static void case_22_resets_in_the_middle_of_transfers(void **state)
{
	struct fixture *t = *state;
	pthread_t guest;

	must(pthread_create(&guest, NULL, reset_often, t) == 0);
	UNTIL_IN(t->f.loop, (usb_ready(&t->dev), t->done));
	pthread_join(guest, NULL);
	dwc2_reset(&t->d);
	assert_int_equal(t->irq.level, 0);
	assert_int_equal(rd(t, HPRT0), 0);
	assert_false(t->dev.enabled);
	configure(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_core_is_what_a_driver_expects),
		T(a_reset_of_the_core_is_of_all_but_its_mode),
		T(nothing_interrupts_while_all_of_it_is_off),
		T(the_mode_is_the_hosts_unless_forced),
		T(the_port_connects_with_power_and_is_enabled_by_a_reset),
		T(a_port_without_power_has_nothing),
		T(a_reset_of_the_port_disables_it_while_it_lasts),
		T(an_empty_port_cannot_be_enabled),
		T(a_bus_without_a_clock_carries_nothing),
		T(a_suspended_port_carries_nothing),
		T(frames_pass_while_the_port_is_enabled),
		T(a_device_is_found_and_configured),
		T(a_channels_registers_are_kept),
		T(a_setup_packet_is_one_of_a_control_endpoint_alone),
		T(a_transfer_ends_with_its_last_packet),
		T(what_is_left_of_a_transfer_can_be_read),
		T(out_packets_arrive_whole),
		T(a_stall_and_a_silence_are_told_apart),
		T(what_no_device_speaks_is_an_error),
		T(a_refused_transfer_goes_on_when_the_device_is_ready),
		T(who_polls_is_told_of_a_nak),
		T(who_masks_its_interrupt_polls_from_then_on),
		T(a_driver_that_may_run_out_of_channels_gets_one_back),
		T(a_channel_is_halted_on_request),
		T(only_a_request_halts_a_channel),
		T(an_interrupt_endpoints_channel_comes_back_unasked),
		T(starts_of_frames_come_while_wanted_and_ever_more_rarely),
		T(who_looks_at_the_mask_has_queued_something),
		T(a_start_of_frame_is_wanted_when_interrupts_are_on),
		T(a_channel_that_halts_may_be_wanted_in_the_next_frame),
		T(traffic_does_not_put_off_a_start_of_frame),
		T(no_frames_pass_where_nobody_looks),
		T(an_interrupt_endpoints_channel_does_not_wait_for_a_second_of_frames),
		T(case_07_dma_outside_memory_ends_the_transfer),
		T(case_07_dma_to_peripherals_is_none_to_memory),
		T(case_06_sizes_that_make_no_sense),
		T(case_36_registers_that_do_not_exist),
		T(case_25_a_long_transfer_starves_nobody),
		T(case_22_resets_in_the_middle_of_transfers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
