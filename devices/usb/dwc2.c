/* SPDX-License-Identifier: MIT */
/* Registers, port and interrupt; what the values mean is in Linux's drivers/usb/dwc2/hw.h. */
#include "devices/usb/dwc2.h"

#include "devices/reg32.h"
#include "devices/usb/dwc2_regs.h"

/* As a Raspberry Pi's core says of itself: 8 channels, internal DMA, a UTMI+ PHY. */
#define SNPSID 0x4f54280au
#define HWCFG2 0x228ddd50u
#define HWCFG3 0x0ff000e8u
#define HWCFG4 0x1ff00020u

#define USBCFG_RESET 0x1400u
#define HFIR_RESET 7499u	/* 125 us of 60 MHz */
/* There is always room: data goes to devices and memory at once. */
#define TXSTS 0x00080200u

#define HPRT0_CHANGES (HPRT0_CONNDET | HPRT0_ENACHG | HPRT0_OVRCURRCHG)

/* Registers that the guest gets back as it wrote them. */
static const struct {
	uint16_t reg;
	uint32_t reset;
} dwc2_kept[DWC2_KEPT] = {
	{ GRXFSIZ, 0x1000 }, { GNPTXFSIZ, 0x01001000 }, { HPTXFSIZ, 0x02002000 },
	{ DPTXFSIZ1, 0x02002000 }, { DPTXFSIZ1 + 4, 0x02002200 }, { DPTXFSIZ1 + 8, 0x02002400 },
	{ DPTXFSIZ1 + 12, 0x02002600 }, { DPTXFSIZ1 + 16, 0x02002800 },
	{ DPTXFSIZ1 + 20, 0x02002a00 }, { DPTXFSIZ1 + 24, 0x02002c00 },
	{ GGPIO, 0 }, { GUID, 0x2708a000 }, { GDFIFOCFG, 0 }, { HCFG, 0 },
};

static uint32_t *dwc2_find_kept(struct dwc2 *d, unsigned reg)
{
	for (unsigned i = 0; i < DWC2_KEPT; i++)
		if (dwc2_kept[i].reg == reg)
			return &d->kept[i];
	return NULL;
}

/* --- interrupts ------------------------------------------------------------------- */

static uint32_t dwc2_haint(const struct dwc2 *d)
{
	uint32_t haint = 0;

	for (unsigned i = 0; i < DWC2_CHANNELS; i++)
		if (d->channels[i].hcint & d->channels[i].hcintmsk)
			haint |= BIT(i);
	return haint;
}

static bool dwc2_is_host(const struct dwc2 *d)
{
	return !(d->gusbcfg & GUSBCFG_FORCEDEVMODE);
}

static uint32_t dwc2_gintsts(const struct dwc2 *d)
{
	uint32_t status = GINTSTS_NPTXFEMP | GINTSTS_PTXFEMP;

	if (!dwc2_is_host(d))
		return status;
	status |= GINTSTS_CURMODE_HOST;
	/* Who does not wait for frames may still look whether there are any. */
	if (d->sof || (!(d->gintmsk & GINTSTS_SOF) && dwc2_runs(d)))
		status |= GINTSTS_SOF;
	if (d->hprt0 & HPRT0_CHANGES)
		status |= GINTSTS_PRTINT;
	if (dwc2_haint(d) & d->haintmsk)
		status |= GINTSTS_HCHINT;
	return status;
}

static void dwc2_update_irq(struct dwc2 *d)
{
	bool level = (d->gahbcfg & GAHBCFG_GLBL_INTR_EN) && (dwc2_gintsts(d) & d->gintmsk);

	if (level == d->raised)
		return;
	d->raised = level;
	irq_set(&d->irq, level);
}

/* --- the port ------------------------------------------------------------------------ */

bool dwc2_runs(const struct dwc2 *d)
{
	return (d->hprt0 & HPRT0_ENA) && !(d->hprt0 & HPRT0_SUSP) &&
	       !(d->pcgctl & PCGCTL_STOPPCLK);
}

static void dwc2_enable_port(struct dwc2 *d, bool on)
{
	if (!on && !(d->hprt0 & HPRT0_ENA))
		return;
	d->hprt0 &= ~(HPRT0_ENA | HPRT0_SUSP | HPRT0_RES);
	d->hprt0 |= HPRT0_ENACHG | (on ? HPRT0_ENA : 0);
	d->port_changed = true;
	loop_post(d->loop, &d->work);
}

static void dwc2_power_port(struct dwc2 *d, bool on)
{
	if (on == !!(d->hprt0 & HPRT0_PWR))
		return;
	if (on) {
		d->hprt0 |= HPRT0_PWR;
		if (d->root)
			d->hprt0 |= HPRT0_CONNSTS | HPRT0_CONNDET | HPRT0_LNSTS_DP;
	} else {
		dwc2_enable_port(d, false);
		d->hprt0 &= ~(HPRT0_PWR | HPRT0_RST | HPRT0_LNSTS_DP);
		if (d->hprt0 & HPRT0_CONNSTS)
			d->hprt0 ^= HPRT0_CONNSTS;
	}
}

/* A reset lasts for as long as the guest says, and enables the port. */
static void dwc2_reset_port(struct dwc2 *d, bool on)
{
	bool was = d->hprt0 & HPRT0_RST;

	if (on && !was && (d->hprt0 & HPRT0_PWR)) {
		dwc2_enable_port(d, false);
		d->hprt0 |= HPRT0_RST;
	} else if (!on && was) {
		d->hprt0 &= ~HPRT0_RST;
		if (d->hprt0 & HPRT0_CONNSTS)
			dwc2_enable_port(d, true);
	}
}

static void dwc2_write_hprt0(struct dwc2 *d, uint32_t value)
{
	d->hprt0 &= ~((value & HPRT0_CHANGES) | HPRT0_TSTCTL);
	d->hprt0 |= value & HPRT0_TSTCTL;
	if (value & HPRT0_ENA)
		dwc2_enable_port(d, false);
	dwc2_power_port(d, value & HPRT0_PWR);
	dwc2_reset_port(d, value & HPRT0_RST);
	if (!(d->hprt0 & HPRT0_ENA))
		return;
	if (value & HPRT0_SUSP)
		d->hprt0 |= HPRT0_SUSP;
	d->hprt0 &= ~HPRT0_RES;
	if (value & HPRT0_RES)
		d->hprt0 = (d->hprt0 & ~HPRT0_SUSP) | HPRT0_RES;
	loop_post(d->loop, &d->work);
}

/* --- the loop's part ------------------------------------------------------------------- */

/* The first thing that a device hears, before any packet. */
static void dwc2_tell_device(struct dwc2 *d)
{
	if (!d->port_changed || !d->root)
		return;
	d->port_changed = false;
	usb_device_enable(d->root, d->hprt0 & HPRT0_ENA);
}

static void dwc2_work(void *arg)
{
	struct dwc2 *d = arg;
	bool more = false;

	pthread_mutex_lock(&d->lock);
	dwc2_tell_device(d);
	for (unsigned i = 0; i < DWC2_CHANNELS && dwc2_runs(d); i++)
		more |= dwc2_channel_run(d, i);
	dwc2_sof_pace(d);
	dwc2_update_irq(d);
	if (more)
		loop_post(d->loop, &d->work);
	pthread_mutex_unlock(&d->lock);
}

static void dwc2_sof_due(void *arg)
{
	struct dwc2 *d = arg;

	pthread_mutex_lock(&d->lock);
	dwc2_sof_timer(d);
	pthread_mutex_unlock(&d->lock);
	dwc2_work(d);
}

/* Any thread, with any lock of a device. */
static void dwc2_ready(void *arg)
{
	struct dwc2 *d = arg;

	loop_post(d->loop, &d->work);
}

/* --- registers ---------------------------------------------------------------------------- */

/* Back to what it is after power-on; devices lose the port with it. */
static void dwc2_clear(struct dwc2 *d)
{
	for (unsigned i = 0; i < DWC2_KEPT; i++)
		d->kept[i] = dwc2_kept[i].reset;
	d->gahbcfg = d->gintmsk = d->haintmsk = d->hprt0 = d->pcgctl = 0;
	d->hfir = HFIR_RESET;
	d->sof = d->sof_now = d->sof_soon = d->read_status = false;
	d->port_changed = true;
	memset(d->channels, 0, sizeof(d->channels));
}

static uint32_t dwc2_read_global(struct dwc2 *d, unsigned reg)
{
	switch (reg) {
	case GOTGCTL:
		return GOTGCTL_ASESVLD;
	case GAHBCFG:
		return d->gahbcfg;
	case GUSBCFG:
		return d->gusbcfg;
	case GRSTCTL:
		return GRSTCTL_AHBIDLE;
	case GINTSTS:
		return dwc2_gintsts(d);
	case GINTMSK:
		dwc2_sof_mask_read(d);
		return d->gintmsk;
	case GNPTXSTS:
		return TXSTS;
	case GSNPSID:
		return SNPSID;
	case GHWCFG2:
		return HWCFG2;
	case GHWCFG3:
		return HWCFG3;
	case GHWCFG4:
		return HWCFG4;
	default:
		return 0;
	}
}

static uint32_t dwc2_read_host(struct dwc2 *d, unsigned reg)
{
	switch (reg) {
	case HFIR:
		return d->hfir;
	case HFNUM:
		return dwc2_frame(d);
	case HPTXSTS:
		return TXSTS;
	case HAINT:
		return dwc2_haint(d);
	case HAINTMSK:
		return d->haintmsk;
	case HPRT0:
		return d->hprt0;
	case PCGCTL:
		return d->pcgctl;
	default:
		return 0;
	}
}

static bool dwc2_is_channel(unsigned reg)
{
	return reg >= HCHANNELS && reg < HCHANNELS + DWC2_CHANNELS * HCHANNEL_LEN;
}

static uint32_t dwc2_read32(void *dev, unsigned reg)
{
	struct dwc2 *d = dev;
	uint32_t *kept = dwc2_find_kept(d, reg), value;

	if (kept)
		value = *kept;
	else if (dwc2_is_channel(reg))
		value = dwc2_channel_read(d, (reg - HCHANNELS) / HCHANNEL_LEN,
					  reg % HCHANNEL_LEN);
	else
		value = reg < HCFG ? dwc2_read_global(d, reg) : dwc2_read_host(d, reg);
	d->read_status = reg == GINTSTS;
	return value;
}

/* FIFOs are empty whenever it is asked for. */
static void dwc2_write_grstctl(struct dwc2 *d, uint32_t value)
{
	if (!(value & GRSTCTL_CSFTRST))
		return;
	dwc2_clear(d);
	loop_post(d->loop, &d->work);
}

static void dwc2_write_gintmsk(struct dwc2 *d, uint32_t value)
{
	uint32_t old = d->gintmsk;

	d->gintmsk = value;
	dwc2_sof_mask_written(d, old);
	if (old & ~value & GINTSTS_HCHINT)
		loop_post(d->loop, &d->work);
}

/* Who was waited for is not to be interrupted any more: that may be one that polls now. */
static void dwc2_write_haintmsk(struct dwc2 *d, uint32_t value)
{
	uint32_t gone = d->haintmsk & ~value;

	d->haintmsk = value;
	for (unsigned i = 0; i < DWC2_CHANNELS; i++)
		if ((gone & BIT(i)) && (d->channels[i].hcchar & HCCHAR_CHENA))
			loop_post(d->loop, &d->work);
}

static void dwc2_write_global(struct dwc2 *d, unsigned reg, uint32_t value)
{
	switch (reg) {
	case GAHBCFG:
		d->gahbcfg = value;
		loop_post(d->loop, &d->work);
		break;
	case GUSBCFG:
		d->gusbcfg = value;
		break;
	case GRSTCTL:
		dwc2_write_grstctl(d, value);
		break;
	case GINTSTS:
		if (value & GINTSTS_SOF)
			dwc2_sof_acknowledged(d);
		break;
	case GINTMSK:
		dwc2_write_gintmsk(d, value);
		break;
	}
}

static void dwc2_write_host(struct dwc2 *d, unsigned reg, uint32_t value)
{
	switch (reg) {
	case HFIR:
		d->hfir = value & HFIR_FRINT;
		break;
	case HAINTMSK:
		dwc2_write_haintmsk(d, value & (BIT(DWC2_CHANNELS) - 1));
		break;
	case HPRT0:
		dwc2_write_hprt0(d, value);
		break;
	case PCGCTL:
		d->pcgctl = value;
		loop_post(d->loop, &d->work);
		break;
	}
}

static void dwc2_write32(void *dev, unsigned reg, uint32_t value)
{
	struct dwc2 *d = dev;
	uint32_t *kept = dwc2_find_kept(d, reg);

	d->read_status = false;
	if (kept)
		*kept = value;
	else if (dwc2_is_channel(reg))
		dwc2_channel_write(d, (reg - HCHANNELS) / HCHANNEL_LEN, reg % HCHANNEL_LEN,
				   value);
	else if (reg < HCFG)
		dwc2_write_global(d, reg, value);
	else
		dwc2_write_host(d, reg, value);
}

static uint64_t dwc2_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(dwc2_read32, dev, off, size);
}

static void dwc2_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(dwc2_write32, dev, off, size, value);
	dwc2_update_irq(dev);
}

static const struct io_ops dwc2_ops = { .read = dwc2_read, .write = dwc2_write };

/* --- life ------------------------------------------------------------------------------------ */

void dwc2_init(struct dwc2 *d, const struct gmem *mem, struct loop *loop, struct irq_line irq)
{
	*d = (struct dwc2){
		.mem = mem,
		.loop = loop,
		.work = { .cb = dwc2_work, .arg = d },
		.sof_timer = { .cb = dwc2_sof_due, .arg = d },
		.irq = irq,
		.gusbcfg = USBCFG_RESET,
		.region = {
			.name = "dwc2",
			.ops = &dwc2_ops,
			.dev = d,
			.len = DWC2_LEN,
			.lock = &d->lock,
		},
	};
	usb_bus_init(&d->bus, dwc2_ready, d);
	dwc2_clear(d);
	pthread_mutex_init(&d->lock, NULL);
}

int dwc2_plug(struct dwc2 *d, struct usb_device *dev)
{
	int ret = usb_bus_attach(&d->bus, dev);

	if (ret == 0)
		d->root = dev;
	return ret;
}

void dwc2_finish(struct dwc2 *d)
{
	loop_cancel(d->loop, &d->work);
	loop_timer_disarm(d->loop, &d->sof_timer);
	pthread_mutex_destroy(&d->lock);
}

void dwc2_reset(struct dwc2 *d)
{
	pthread_mutex_lock(&d->lock);
	dwc2_clear(d);
	d->gusbcfg = USBCFG_RESET;
	d->port_changed = false;
	usb_bus_reset(&d->bus);
	dwc2_sof_pace(d);
	dwc2_update_irq(d);
	pthread_mutex_unlock(&d->lock);
}
