/* SPDX-License-Identifier: MIT */
/*
 * Registers of a DesignWare USB 2.0 OTG core, those of its host; names are those of
 * Linux's drivers/usb/dwc2/hw.h.
 */
#ifndef MICROVM_DWC2_REGS_H
#define MICROVM_DWC2_REGS_H

#include "vmm/util.h"

#define GOTGCTL 0x000
#define GAHBCFG 0x008
#define GUSBCFG 0x00c
#define GRSTCTL 0x010
#define GINTSTS 0x014
#define GINTMSK 0x018
#define GRXFSIZ 0x024
#define GNPTXFSIZ 0x028
#define GNPTXSTS 0x02c
#define GGPIO 0x038
#define GUID 0x03c
#define GSNPSID 0x040
#define GHWCFG2 0x048
#define GHWCFG3 0x04c
#define GHWCFG4 0x050
#define GDFIFOCFG 0x05c
#define HPTXFSIZ 0x100
#define DPTXFSIZ1 0x104	/* to 7 */
#define HCFG 0x400
#define HFIR 0x404
#define HFNUM 0x408
#define HPTXSTS 0x410
#define HAINT 0x414
#define HAINTMSK 0x418
#define HPRT0 0x440
#define HCHANNELS 0x500
#define PCGCTL 0xe00

/* In a channel's HCHANNEL_LEN bytes. */
#define HCCHAR 0x00
#define HCSPLT 0x04
#define HCINT 0x08
#define HCINTMSK 0x0c
#define HCTSIZ 0x10
#define HCDMA 0x14
#define HCHANNEL_LEN 0x20

#define GOTGCTL_ASESVLD BIT(18)

#define GAHBCFG_GLBL_INTR_EN BIT(0)

#define GUSBCFG_FORCEHOSTMODE BIT(29)
#define GUSBCFG_FORCEDEVMODE BIT(30)

#define GRSTCTL_CSFTRST BIT(0)
#define GRSTCTL_AHBIDLE BIT(31)

#define GINTSTS_CURMODE_HOST BIT(0)
#define GINTSTS_SOF BIT(3)
#define GINTSTS_NPTXFEMP BIT(5)
#define GINTSTS_PRTINT BIT(24)
#define GINTSTS_HCHINT BIT(25)
#define GINTSTS_PTXFEMP BIT(26)

#define HFIR_FRINT 0xffffu

#define HPRT0_CONNSTS BIT(0)
#define HPRT0_CONNDET BIT(1)
#define HPRT0_ENA BIT(2)
#define HPRT0_ENACHG BIT(3)
#define HPRT0_OVRCURRCHG BIT(5)
#define HPRT0_RES BIT(6)
#define HPRT0_SUSP BIT(7)
#define HPRT0_RST BIT(8)
#define HPRT0_LNSTS_DP BIT(10)
#define HPRT0_PWR BIT(12)
#define HPRT0_TSTCTL (0xfu << 13)

#define HCCHAR_MPS 0x7ffu
#define HCCHAR_EPNUM_SHIFT 11
#define HCCHAR_EPDIR BIT(15)
#define HCCHAR_EPTYPE_SHIFT 18
#define HCCHAR_DEVADDR_SHIFT 22
#define HCCHAR_CHDIS BIT(30)
#define HCCHAR_CHENA BIT(31)

#define HCSPLT_SPLTENA BIT(31)

#define HCINT_XFERCOMPL BIT(0)
#define HCINT_CHHLTD BIT(1)
#define HCINT_AHBERR BIT(2)
#define HCINT_STALL BIT(3)
#define HCINT_NAK BIT(4)
#define HCINT_ACK BIT(5)
#define HCINT_XACTERR BIT(7)
#define HCINT_ALL 0x3fffu

#define TSIZ_XFERSIZE 0x7ffffu
#define TSIZ_PKTCNT_SHIFT 19
#define TSIZ_PKTCNT 0x3ffu
#define TSIZ_PID_SHIFT 29
#define TSIZ_PID_DATA0 0u
#define TSIZ_PID_DATA1 2u
#define TSIZ_PID_SETUP 3u

#define PCGCTL_STOPPCLK BIT(0)

#endif
