/* SPDX-License-Identifier: MIT */
/*
 * The PHY (IEEE 802.3, clause 22, and registers of SMSC's LAN8700): a link of 100 Mbit/s,
 * full duplex, that is there as soon as the PHY is on. Its partner negotiates at once.
 */
#include <linux/mii.h>

#include "devices/usb/smsc95xx_impl.h"

#define PHY_ID1 0x0007
#define PHY_ID2 0xc0c3
#define PHY_MODE 17
#define PHY_MODE_ENERGY_ON 0x0002
#define PHY_SPECIAL_MODES 18
#define PHY_SPECIAL_MODES_ALL 0x00e1	/* all capable, address 1 */
#define PHY_CTRL 27
#define PHY_SOURCE 29
#define PHY_SOURCE_ENERGY_ON 0x80
#define PHY_SOURCE_NEGOTIATED 0x40
#define PHY_SOURCE_LINK_DOWN 0x10
#define PHY_MASK 30
#define PHY_SPECIAL 31
#define PHY_SPECIAL_NEGOTIATED 0x1000
#define PHY_SPECIAL_4B5B 0x40
#define PHY_SPECIAL_10 0x04
#define PHY_SPECIAL_100 0x08
#define PHY_SPECIAL_FULL 0x10

bool smsc_phy_has_link(const struct smsc95xx *s)
{
	return !(s->phy.bmcr & BMCR_PDOWN);
}

bool smsc_phy_loops(const struct smsc95xx *s)
{
	return s->phy.bmcr & BMCR_LOOPBACK;
}

bool smsc_phy_interrupts(const struct smsc95xx *s)
{
	return s->phy.source & s->phy.mask;
}

static bool has_negotiated(const struct smsc95xx *s)
{
	return smsc_phy_has_link(s) && s->phy.bmcr & BMCR_ANENABLE;
}

static uint16_t read_status(const struct smsc95xx *s)
{
	return BMSR_100FULL | BMSR_100HALF | BMSR_10FULL | BMSR_10HALF | BMSR_ANEGCAPABLE |
	       BMSR_ERCAP | (smsc_phy_has_link(s) ? BMSR_LSTATUS : 0) |
	       (has_negotiated(s) ? BMSR_ANEGCOMPLETE : 0);
}

/* What came of the negotiation, or was set. */
static uint16_t read_special(const struct smsc95xx *s)
{
	uint16_t own = s->phy.advertise, special = PHY_SPECIAL_4B5B;
	bool fast = s->phy.bmcr & BMCR_SPEED100, full = s->phy.bmcr & BMCR_FULLDPLX;

	if (has_negotiated(s)) {
		special |= PHY_SPECIAL_NEGOTIATED;
		fast = own & (ADVERTISE_100FULL | ADVERTISE_100HALF);
		full = own & (fast ? ADVERTISE_100FULL : ADVERTISE_10FULL);
	}
	return special | (fast ? PHY_SPECIAL_100 : PHY_SPECIAL_10) | (full ? PHY_SPECIAL_FULL : 0);
}

uint16_t smsc_phy_read(struct smsc95xx *s, unsigned reg)
{
	uint16_t value = 0;

	switch (reg) {
	case MII_BMCR:
		return s->phy.bmcr;
	case MII_BMSR:
		return read_status(s);
	case MII_PHYSID1:
		return PHY_ID1;
	case MII_PHYSID2:
		return PHY_ID2;
	case MII_ADVERTISE:
		return s->phy.advertise;
	case MII_LPA:
		return has_negotiated(s) ? LPA_LPACK | LPA_PAUSE_CAP | ADVERTISE_ALL |
					   ADVERTISE_CSMA : 0;
	case MII_EXPANSION:
		return has_negotiated(s) ? EXPANSION_NWAY : 0;
	case PHY_MODE:
		return s->phy.mode | (smsc_phy_has_link(s) ? PHY_MODE_ENERGY_ON : 0);
	case PHY_SPECIAL_MODES:
		return PHY_SPECIAL_MODES_ALL;
	case PHY_CTRL:
		return s->phy.ctrl;
	case PHY_SOURCE:
		value = s->phy.source;
		s->phy.source = 0;
		return value;
	case PHY_MASK:
		return s->phy.mask;
	case PHY_SPECIAL:
		return read_special(s);
	default:
		return value;
	}
}

/* Something happened that the driver may want to hear of. */
static void phy_event(struct smsc95xx *s, uint16_t source)
{
	s->phy.source |= source;
	smsc_raise(s, 0);
}

static void write_control(struct smsc95xx *s, uint16_t value)
{
	bool negotiated = has_negotiated(s), had_link = smsc_phy_has_link(s);

	if (value & BMCR_RESET) {
		smsc_phy_reset(s);
		return;
	}
	s->phy.bmcr = value & ~BMCR_ANRESTART;
	if (had_link && !smsc_phy_has_link(s))
		phy_event(s, PHY_SOURCE_LINK_DOWN);
	if (has_negotiated(s) && (value & BMCR_ANRESTART || !negotiated))
		phy_event(s, PHY_SOURCE_NEGOTIATED | PHY_SOURCE_ENERGY_ON);
}

void smsc_phy_write(struct smsc95xx *s, unsigned reg, uint16_t value)
{
	switch (reg) {
	case MII_BMCR:
		write_control(s, value);
		break;
	case MII_ADVERTISE:
		s->phy.advertise = value;
		break;
	case PHY_MODE:
		s->phy.mode = value & ~PHY_MODE_ENERGY_ON;
		break;
	case PHY_CTRL:
		s->phy.ctrl = value;
		break;
	case PHY_MASK:
		s->phy.mask = value & 0xff;
		smsc_raise(s, 0);
		break;
	}
}

void smsc_phy_reset(struct smsc95xx *s)
{
	s->phy = (struct smsc_phy){
		.bmcr = BMCR_SPEED100 | BMCR_ANENABLE,
		.advertise = ADVERTISE_ALL | ADVERTISE_CSMA,
	};
}
