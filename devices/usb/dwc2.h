/* SPDX-License-Identifier: MIT */
/*
 * A DesignWare USB 2.0 OTG core 2.80a as a BCM2835 has it, as a host: one port, eight
 * channels that move transfers between the guest's memory and devices by themselves
 * ("buffer DMA"), and an interrupt. There is no device mode, no slave mode, no descriptor
 * DMA; isochronous and split transactions end as errors of the bus.
 *
 * Registers by vCPUs under the lock; devices are spoken to on the loop, a bounded piece
 * at a time, with the lock held. Order of locks: this, then a device's.
 *
 * What is refused for now (NAK) is tried again when a device says that it is ready. That
 * goes for interrupt endpoints too, whose channels hardware would hand back 8000 times
 * a second: a driver that waits for an interrupt need not hear of it, or not that often
 * (dwc2_sof.c). One that polls is told at once.
 *
 * A start of frame is an interrupt only where a driver may wait for it: drivers leave
 * it on for as long as an interrupt endpoint is open. It comes soon after something has
 * happened, then ever more rarely.
 */
#ifndef MICROVM_DWC2_H
#define MICROVM_DWC2_H

#include "devices/usb/usb.h"
#include "vmm/bus.h"
#include "vmm/gmem.h"
#include "vmm/irq.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define DWC2_LEN 0x10000
#define DWC2_CHANNELS 8
#define DWC2_KEPT 14	/* registers that are only kept */

struct dwc2_channel {
	uint32_t hcchar, hcsplt, hcint, hcintmsk, hctsiz, hcdma;
	uint64_t began;		/* dwc2_frames_since(0) then */
};

struct dwc2 {
	pthread_mutex_t lock;
	struct io_region region;
	const struct gmem *mem;
	struct loop *loop;
	struct loop_work work;
	struct irq_line irq;
	bool raised;		/* what the line was set to */
	struct log_rate rate;
	struct usb_bus bus;
	struct usb_device *root;	/* at the port; NULL: nothing */

	uint32_t kept[DWC2_KEPT];
	uint32_t gahbcfg, gusbcfg, gintmsk, haintmsk, hfir, hprt0, pcgctl;
	struct dwc2_channel channels[DWC2_CHANNELS];
	bool port_changed;	/* the device at the port has not heard yet */

	/* dwc2_sof.c */
	uint64_t frames_ns;	/* time in which frames have passed until... */
	uint64_t frames_seen;	/* ...HFNUM was read, by the clock */
	struct loop_timer sof_timer;
	uint64_t sof_delay;	/* ns, until the next one */
	bool sof;		/* as in GINTSTS */
	uint64_t sof_armed;	/* ns, what the timer was set to; 0: it does not run */
	bool sof_soon;		/* something has happened */
	bool sof_now;		/* something waits for it */
	bool read_status;	/* the last read was that of GINTSTS */
};

void dwc2_init(struct dwc2 *d, const struct gmem *mem, struct loop *loop, struct irq_line irq);
/* Puts a device into the port, once, before the guest runs. 0 or -ENOSPC. */
int dwc2_plug(struct dwc2 *d, struct usb_device *dev);
void dwc2_finish(struct dwc2 *d);
/* Loop thread, no vCPU runs. */
void dwc2_reset(struct dwc2 *d);

/* --- between dwc2.c, dwc2_channel.c and dwc2_sof.c; all with the lock held ------------- */

/* The bus is alive: the port is enabled and neither suspended nor without a clock. */
bool dwc2_runs(const struct dwc2 *d);
/* Loop thread: as many packets of a channel as are due. True: there is more to do at once. */
bool dwc2_channel_run(struct dwc2 *d, unsigned n);
uint32_t dwc2_channel_read(struct dwc2 *d, unsigned n, unsigned reg);
void dwc2_channel_write(struct dwc2 *d, unsigned n, unsigned reg, uint32_t value);

uint32_t dwc2_frame(struct dwc2 *d);	/* HFNUM */
/* How long frames have passed since they had passed for @ns; ns. */
uint64_t dwc2_frames_since(const struct dwc2 *d, uint64_t ns);
/* After GINTMSK was read or written; may ask for work. */
void dwc2_sof_mask_read(struct dwc2 *d);
void dwc2_sof_mask_written(struct dwc2 *d, uint32_t old);
void dwc2_sof_acknowledged(struct dwc2 *d);
/* Loop thread: it is time for one. */
void dwc2_sof_timer(struct dwc2 *d);
/* Loop thread: raises SOF, or sees to it that it comes, or that it does not. */
void dwc2_sof_pace(struct dwc2 *d);

#endif
