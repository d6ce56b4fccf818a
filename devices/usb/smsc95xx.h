/* SPDX-License-Identifier: MIT */
/*
 * The Ethernet function of SMSC's LAN9514, which is also a hub: a Raspberry Pi's network.
 * A vendor's class, known to drivers by its registers (Microchip's data sheets of LAN9500
 * and LAN9514; Linux's smsc95xx).
 *
 * Drivers take the address from a device tree; else from the EEPROM, which has one here
 * unlike on a Raspberry Pi. All frames are finished ones, of at most 1518 bytes with a VLAN tag
 * and without FCS; the chip adds checksums where it is told to. Loop thread only.
 */
#ifndef MICROVM_SMSC95XX_H
#define MICROVM_SMSC95XX_H

#include "devices/backend/netaddr.h"
#include "devices/backend/netdev.h"
#include "devices/usb/usb.h"

/* What the network behind it may have: nothing longer fits a frame. */
#define SMSC95XX_MTU 1500

/* Owns @dev from then on, unless it fails. 0 or negative errno. */
int smsc95xx_create(struct usb_device **out, struct netdev *dev,
		    const uint8_t mac[NETADDR_MAC_LEN]);
void smsc95xx_destroy(struct usb_device *usb);	/* off its bus, or with it */

#endif
