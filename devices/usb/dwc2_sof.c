/* SPDX-License-Identifier: MIT */
/*
 * Frames. Their number follows the clock; what interrupts the guest is another matter.
 *
 * Linux's driver has SOF unmasked while any interrupt endpoint has a transfer, held by
 * a channel or not, and needs one to start such a transfer in its frame, which it can
 * have been told of only by a channel that halted; and to start any other transfer that
 * was queued meanwhile, of which the only sign is that it looks at GINTMSK. (Its
 * interrupt handler does so right after it has read GINTSTS.) So does what Raspberry Pi's
 * own kernels have. For whoever gives no sign, some SOFs come anyway: so many that the
 * frame number, which has 14 bits, is compared rightly.
 */
#include "devices/usb/dwc2.h"
#include "devices/usb/dwc2_regs.h"

#define UFRAME_NS 125000
#define UFRAMES 0x4000
#define FRREM_SHIFT 16

#define SOF_FIRST_NS (1000 * 1000ull)
#define SOF_LAST_NS (512 * SOF_FIRST_NS)

/* HFNUM: the number of the frame, and how much is left of it. */
uint32_t dwc2_frame(const struct dwc2 *d)
{
	uint64_t now = loop_now_ns();
	uint64_t left = UFRAME_NS - now % UFRAME_NS;

	if (!dwc2_runs(d))
		return UFRAMES - 1;
	return left * (d->hfir & HFIR_FRINT) / UFRAME_NS << FRREM_SHIFT |
	       now / UFRAME_NS % UFRAMES;
}

static bool dwc2_sof_wanted(const struct dwc2 *d)
{
	return dwc2_runs(d) && (d->gintmsk & GINTSTS_SOF) && (d->gahbcfg & GAHBCFG_GLBL_INTR_EN);
}

void dwc2_sof_mask_read(struct dwc2 *d)
{
	if (d->read_status || d->sof || !dwc2_sof_wanted(d))
		return;
	d->sof_now = true;
	loop_post(d->loop, &d->work);
}

void dwc2_sof_mask_written(struct dwc2 *d, uint32_t old)
{
	/* It was read for that. */
	d->sof_now = false;
	if ((old ^ d->gintmsk) & GINTSTS_SOF) {
		d->sof_soon = true;
		loop_post(d->loop, &d->work);
	}
}

void dwc2_sof_acknowledged(struct dwc2 *d)
{
	if (!d->sof)
		return;
	d->sof = false;
	loop_post(d->loop, &d->work);
}

void dwc2_sof_timer(struct dwc2 *d)
{
	d->sof_armed = 0;
	d->sof = dwc2_sof_wanted(d);
}

static void dwc2_sof_arm(struct dwc2 *d)
{
	loop_timer_arm(d->loop, &d->sof_timer, d->sof_delay);
	d->sof_armed = d->sof_delay;
	d->sof_delay = MIN(d->sof_delay * 2, SOF_LAST_NS);
}

void dwc2_sof_pace(struct dwc2 *d)
{
	bool now = d->sof_now;

	if (now || d->sof_soon)
		d->sof_delay = SOF_FIRST_NS;
	if (now || !dwc2_sof_wanted(d)) {
		loop_timer_disarm(d->loop, &d->sof_timer);
		d->sof_armed = 0;
	}
	if (dwc2_sof_wanted(d)) {
		d->sof |= now;
		/* What happens all the time does not put off the one that comes first. */
		if (!d->sof && (!d->sof_armed || (d->sof_soon && d->sof_armed > SOF_FIRST_NS)))
			dwc2_sof_arm(d);
	}
	d->sof_now = d->sof_soon = false;
}
