/* SPDX-License-Identifier: MIT */
/*
 * Frames, which pass while somebody looks at their number, and for a while after that; what
 * interrupts the guest is another matter.
 *
 * Linux's driver plans the next transfer of an interrupt endpoint from the frame in which the
 * last one began, and takes what was more than 1.024 s ago, half of all numbers, for the future:
 * a key would be let go up to a second late, and repeat meanwhile. Hardware hands a channel
 * back that is refused in its frame, this one after half a second of frames. That would be
 * many interrupts where nothing happens at all, were it not that no frames pass there.
 *
 * Linux's driver has SOF unmasked while any interrupt endpoint has a transfer, held by
 * a channel or not, and needs one to start such a transfer in its frame, which it can
 * have been told of only by a channel that halted; and to start any other transfer that
 * was queued meanwhile, of which the only sign is that it looks at GINTMSK. (Its
 * interrupt handler does so right after it has read GINTSTS.) So does what Raspberry Pi's
 * own kernels have. For whoever gives no sign, some SOFs come anyway.
 */
#include "devices/usb/dwc2.h"
#include "devices/usb/dwc2_regs.h"

#define UFRAME_NS 125000
#define UFRAMES 0x4000
#define FRREM_SHIFT 16

#define UNSEEN_NS (64 * 1000 * 1000ull)

#define SOF_FIRST_NS (1000 * 1000ull)
#define SOF_LAST_NS (1024 * SOF_FIRST_NS)

static uint64_t dwc2_frames_at(const struct dwc2 *d, uint64_t now)
{
	return d->frames_ns + MIN(now - d->frames_seen, UNSEEN_NS);
}

uint64_t dwc2_frames_since(const struct dwc2 *d, uint64_t ns)
{
	return dwc2_frames_at(d, loop_now_ns()) - ns;
}

/* HFNUM: the number of the frame, and how much is left of it. */
uint32_t dwc2_frame(struct dwc2 *d)
{
	uint64_t now = loop_now_ns(), left;

	if (!dwc2_runs(d))
		return UFRAMES - 1;
	d->frames_ns = dwc2_frames_at(d, now);
	d->frames_seen = now;
	left = UFRAME_NS - d->frames_ns % UFRAME_NS;
	return left * (d->hfir & HFIR_FRINT) / UFRAME_NS << FRREM_SHIFT |
	       d->frames_ns / UFRAME_NS % UFRAMES;
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
