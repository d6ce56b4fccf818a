/* SPDX-License-Identifier: MIT */
/* A channel of the host: one transfer to or from one endpoint, by packets. */
#include <assert.h>
#include <errno.h>

#include "devices/bcm283x_bus.h"
#include "devices/usb/dwc2.h"
#include "devices/usb/dwc2_regs.h"

/* Of one turn of the loop, per channel: other work comes between. */
#define TURN_PACKETS 64

#define HIGH_SPEED_MAX 1024u	/* bytes in a packet */

#define WAIT_NS (512 * 1000 * 1000ull)	/* of frames, for an interrupt endpoint */

/* --- DMA --------------------------------------------------------------------------- */

static int dwc2_dma_read(struct dwc2 *d, const struct dwc2_channel *ch, void *data, unsigned len)
{
	if (len && bcm283x_bus_is_peripheral(ch->hcdma))
		return -EFAULT;
	return gmem_read(d->mem, ch->hcdma & BCM283X_BUS_MEMORY_MASK, data, len);
}

static int dwc2_dma_write(struct dwc2 *d, const struct dwc2_channel *ch, const void *data,
			  unsigned len)
{
	if (len && bcm283x_bus_is_peripheral(ch->hcdma))
		return -EFAULT;
	return gmem_write(d->mem, ch->hcdma & BCM283X_BUS_MEMORY_MASK, data, len);
}

/* --- what a channel is about ---------------------------------------------------------- */

static unsigned dwc2_type(const struct dwc2_channel *ch)
{
	return ch->hcchar >> HCCHAR_EPTYPE_SHIFT & 3;
}

static unsigned dwc2_endpoint(const struct dwc2_channel *ch)
{
	return ch->hcchar >> HCCHAR_EPNUM_SHIFT & 0xf;
}

static unsigned dwc2_packets(const struct dwc2_channel *ch)
{
	return ch->hctsiz >> TSIZ_PKTCNT_SHIFT & TSIZ_PKTCNT;
}

/* Bytes of the next packet, at most. */
static unsigned dwc2_packet_len(const struct dwc2_channel *ch)
{
	unsigned max = MIN(ch->hcchar & HCCHAR_MPS, HIGH_SPEED_MAX);

	return MIN(ch->hctsiz & TSIZ_XFERSIZE, max);
}

static bool dwc2_is_setup(const struct dwc2_channel *ch)
{
	return dwc2_type(ch) == USB_ENDPOINT_XFER_CONTROL && !(ch->hcchar & HCCHAR_EPDIR) &&
	       (ch->hctsiz >> TSIZ_PID_SHIFT & 3) == TSIZ_PID_SETUP;
}

/* A packet with @len bytes is done: what is left of the transfer, and the next toggle. */
static void dwc2_advance(struct dwc2_channel *ch, unsigned len)
{
	uint32_t pid = ch->hctsiz >> TSIZ_PID_SHIFT & 3;
	uint32_t left = (ch->hctsiz & TSIZ_XFERSIZE) - len;

	pid = pid == TSIZ_PID_DATA1 ? TSIZ_PID_DATA0 : TSIZ_PID_DATA1;
	ch->hctsiz = pid << TSIZ_PID_SHIFT | (dwc2_packets(ch) - 1) << TSIZ_PKTCNT_SHIFT | left;
	ch->hcdma += len;
}

/* --- packets: 1 if it was the last one, 0 if not; -EFAULT: no such memory; as in usb.h --- */

static int dwc2_setup(struct dwc2 *d, struct dwc2_channel *ch, struct usb_device *dev)
{
	uint8_t packet[8];
	int ret;

	if ((ch->hctsiz & TSIZ_XFERSIZE) < sizeof(packet) || dwc2_endpoint(ch))
		return -EIO;
	ret = dwc2_dma_read(d, ch, packet, sizeof(packet));
	if (ret == 0)
		ret = usb_setup(dev, packet);
	if (ret < 0)
		return ret;
	dwc2_advance(ch, sizeof(packet));
	return 1;
}

static int dwc2_in(struct dwc2 *d, struct dwc2_channel *ch, struct usb_device *dev)
{
	uint8_t data[HIGH_SPEED_MAX];
	unsigned len = dwc2_packet_len(ch);
	int n = usb_in(dev, dwc2_endpoint(ch), data, len), ret;

	if (n < 0)
		return n;
	assert((unsigned)n <= len);
	ret = dwc2_dma_write(d, ch, data, n);
	if (ret < 0)
		return ret;
	dwc2_advance(ch, n);
	return !dwc2_packets(ch) || (unsigned)n < (ch->hcchar & HCCHAR_MPS);
}

static int dwc2_out(struct dwc2 *d, struct dwc2_channel *ch, struct usb_device *dev)
{
	uint8_t data[HIGH_SPEED_MAX];
	unsigned len = dwc2_packet_len(ch);
	int ret = dwc2_dma_read(d, ch, data, len);

	if (ret == 0)
		ret = usb_out(dev, dwc2_endpoint(ch), data, len);
	if (ret < 0)
		return ret;
	dwc2_advance(ch, len);
	return !dwc2_packets(ch);
}

static int dwc2_packet(struct dwc2 *d, struct dwc2_channel *ch)
{
	struct usb_device *dev = usb_bus_find(&d->bus, ch->hcchar >> HCCHAR_DEVADDR_SHIFT & 0x7f);

	/* No device speaks these, and a transfer has packets. */
	if (!dev || !dwc2_packets(ch) || dwc2_type(ch) == USB_ENDPOINT_XFER_ISOC ||
	    (ch->hcsplt & HCSPLT_SPLTENA))
		return -EIO;
	if (dwc2_is_setup(ch))
		return dwc2_setup(d, ch, dev);
	return ch->hcchar & HCCHAR_EPDIR ? dwc2_in(d, ch, dev) : dwc2_out(d, ch, dev);
}

/* --- transfers --------------------------------------------------------------------------- */

static void dwc2_halt(struct dwc2 *d, struct dwc2_channel *ch, uint32_t why)
{
	ch->hcchar &= ~(HCCHAR_CHENA | HCCHAR_CHDIS);
	ch->hcint |= HCINT_CHHLTD | why;
	/* Its driver may want to have it going again in a later frame. */
	d->sof_soon = true;
}

/* Whether the guest is interrupted when the channel halts. */
static bool dwc2_is_heard(const struct dwc2 *d, unsigned n)
{
	return (d->gahbcfg & GAHBCFG_GLBL_INTR_EN) && (d->gintmsk & GINTSTS_HCHINT) &&
	       (d->haintmsk & BIT(n)) && (d->channels[n].hcintmsk & HCINT_CHHLTD);
}

static bool dwc2_is_full(const struct dwc2 *d)
{
	for (unsigned i = 0; i < DWC2_CHANNELS; i++)
		if (!(d->channels[i].hcchar & HCCHAR_CHENA))
			return false;
	return true;
}

/*
 * NAK. Hardware tries control and bulk transfers again by itself. A driver that waits
 * for an interrupt is left waiting until there is something, unless it may need the
 * channel for something else.
 */
static void dwc2_refused(struct dwc2 *d, unsigned n)
{
	struct dwc2_channel *ch = &d->channels[n];

	switch (dwc2_type(ch)) {
	case USB_ENDPOINT_XFER_CONTROL:
		return;
	case USB_ENDPOINT_XFER_BULK:
		if (!(ch->hcchar & HCCHAR_EPDIR) || dwc2_is_heard(d, n))
			return;
		break;
	default:
		if (dwc2_is_heard(d, n) && !dwc2_is_full(d) &&
		    dwc2_frames_since(d, ch->began) < WAIT_NS)
			return;
	}
	dwc2_halt(d, ch, HCINT_NAK);
}

static void dwc2_ended(struct dwc2 *d, unsigned n, int how)
{
	struct dwc2_channel *ch = &d->channels[n];

	if (how > 0) {
		dwc2_halt(d, ch, HCINT_XFERCOMPL | HCINT_ACK);
	} else if (how == -EAGAIN) {
		dwc2_refused(d, n);
	} else if (how == -EPIPE) {
		dwc2_halt(d, ch, HCINT_STALL);
	} else if (how == -EFAULT) {
		log_guest(&d->rate, "dwc2: no memory at %#x", ch->hcdma);
		dwc2_halt(d, ch, HCINT_AHBERR);
	} else {
		dwc2_halt(d, ch, HCINT_XACTERR);
	}
}

bool dwc2_channel_run(struct dwc2 *d, unsigned n)
{
	struct dwc2_channel *ch = &d->channels[n];
	int ret = 0;

	if (!(ch->hcchar & HCCHAR_CHENA))
		return false;
	for (unsigned i = 0; i < TURN_PACKETS && ret == 0; i++)
		ret = dwc2_packet(d, ch);
	if (ret == 0)
		return true;
	dwc2_ended(d, n, ret);
	return false;
}

/* --- registers ------------------------------------------------------------------------------ */

uint32_t dwc2_channel_read(struct dwc2 *d, unsigned n, unsigned reg)
{
	const struct dwc2_channel *ch = &d->channels[n];

	switch (reg) {
	case HCCHAR:
		return ch->hcchar;
	case HCSPLT:
		return ch->hcsplt;
	case HCINT:
		return ch->hcint;
	case HCINTMSK:
		return ch->hcintmsk;
	case HCTSIZ:
		return ch->hctsiz;
	case HCDMA:
		return ch->hcdma;
	default:
		return 0;
	}
}

static void dwc2_write_hcchar(struct dwc2 *d, struct dwc2_channel *ch, uint32_t value)
{
	bool was = ch->hcchar & HCCHAR_CHENA;

	if (!was)
		ch->began = dwc2_frames_since(d, 0);
	ch->hcchar = value;
	if (value & HCCHAR_CHDIS) {
		ch->hcchar &= ~(HCCHAR_CHENA | HCCHAR_CHDIS);
		if (was || (value & HCCHAR_CHENA))
			dwc2_halt(d, ch, 0);
	}
	if (was && !(value & HCCHAR_CHDIS))
		ch->hcchar |= HCCHAR_CHENA;
	else
		loop_post(d->loop, &d->work);
}

/*
 * A driver that changes its mind about a channel of an interrupt endpoint may know that
 * hardware hands it back at the end of the frame, and go without asking for that.
 */
static void dwc2_hand_back(struct dwc2 *d, struct dwc2_channel *ch)
{
	if (!(ch->hcchar & HCCHAR_CHENA) || dwc2_type(ch) != USB_ENDPOINT_XFER_INT)
		return;
	dwc2_halt(d, ch, HCINT_NAK);
	loop_post(d->loop, &d->work);
}

void dwc2_channel_write(struct dwc2 *d, unsigned n, unsigned reg, uint32_t value)
{
	struct dwc2_channel *ch = &d->channels[n];

	switch (reg) {
	case HCCHAR:
		dwc2_write_hcchar(d, ch, value);
		break;
	case HCSPLT:
		ch->hcsplt = value;
		break;
	case HCINT:
		ch->hcint &= ~value;
		dwc2_hand_back(d, ch);
		break;
	case HCINTMSK:
		ch->hcintmsk = value & HCINT_ALL;
		dwc2_hand_back(d, ch);
		break;
	case HCTSIZ:
		ch->hctsiz = value;
		break;
	case HCDMA:
		ch->hcdma = value;
		break;
	}
}
