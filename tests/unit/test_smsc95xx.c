/* SPDX-License-Identifier: MIT */
/* The Ethernet function of a LAN9514, told what Linux's driver tells it, and worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/mii.h>

#include "devices/backend/netframe.h"
#include "devices/registry.h"
#include "devices/usb/smsc95xx_impl.h"
#include "devices/usb/usb_models.h"
#include "tests/fake.h"
#include "tests/fake_netdev.h"
#include "tests/packets.h"
#include "tests/usb_host.h"

#define VENDOR_IN (USB_DIR_IN | USB_TYPE_VENDOR)
#define BULK_IN 1
#define BULK_OUT 2
#define INTERRUPT 3
#define TRANSFER_MAX (37 * SMSC_PACKET)	/* Linux's buffer for high speed */
#define DOWN 0x10		/* of the PHY's interrupt sources */
#define NEGOTIATED 0x40
#define PHY_SOURCE 29
#define PHY_MASK 30
#define PHY_SPECIAL 31

static const uint8_t own_mac[6] = { 0xb8, 0x27, 0xeb, 1, 2, 3 };
static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t all_hosts[6] = { 0x01, 0x00, 0x5e, 0, 0, 1 };

struct fixture {
	struct usb_bus bus;
	struct fake_netdev host;
	struct usb_device *dev;
	unsigned readies;
	uint8_t out[4 * 4096];		/* a transfer that is being made */
	unsigned out_len;
	uint8_t in[2 * TRANSFER_MAX];
};

static void on_ready(void *ctx)
{
	((struct fixture *)ctx)->readies++;
}

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	fake_netdev_init(&t->host, 1, NETDEV_ALL_OFFLOADS);
	usb_bus_init(&t->bus, on_ready, t);
	assert_int_equal(smsc95xx_create(&t->dev, &t->host.dev, own_mac), 0);
	usb_host_start(&t->bus, t->dev);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	smsc95xx_destroy(t->dev);
	assert_int_equal(t->host.closed, 1);
	fake_netdev_finish(&t->host);
	free(t);
	return 0;
}

/* --- as the driver does it -------------------------------------------- */

static uint32_t reg_get(struct fixture *t, unsigned reg)
{
	uint32_t value = 0;

	assert_int_equal(usb_host_control(t->dev, VENDOR_IN, 0xa1, 0, reg, &value, 4), 4);
	return value;
}

static void reg_set(struct fixture *t, unsigned reg, uint32_t value)
{
	assert_int_equal(usb_host_control(t->dev, USB_TYPE_VENDOR, 0xa0, 0, reg, &value, 4), 0);
}

static uint16_t phy_get(struct fixture *t, unsigned phy, unsigned reg)
{
	reg_set(t, SMSC_MII_ADDR, phy << 11 | reg << 6 | SMSC_MII_BUSY);
	assert_int_equal(reg_get(t, SMSC_MII_ADDR) & SMSC_MII_BUSY, 0);
	return reg_get(t, SMSC_MII_DATA);
}

static void phy_set(struct fixture *t, unsigned phy, unsigned reg, uint16_t value)
{
	reg_set(t, SMSC_MII_DATA, value);
	reg_set(t, SMSC_MII_ADDR, phy << 11 | reg << 6 | SMSC_MII_WRITE | SMSC_MII_BUSY);
	assert_int_equal(reg_get(t, SMSC_MII_ADDR) & SMSC_MII_BUSY, 0);
}

#define LINUX_HW_CFG (SMSC_HW_CFG_BIR | SMSC_HW_CFG_MEF | SMSC_HW_CFG_BCE | 2 << 9)
#define LINUX_MAC_CR (SMSC_MAC_CR_TXEN | SMSC_MAC_CR_RXEN)

static void bring_up(struct fixture *t, uint32_t hw_cfg, uint32_t mac_cr, uint32_t coe)
{
	reg_set(t, SMSC_HW_CFG, SMSC_HW_CFG_LRST);
	assert_int_equal(reg_get(t, SMSC_HW_CFG), 0);
	reg_set(t, SMSC_ADDRL, load_le(own_mac, 4));
	reg_set(t, SMSC_ADDRH, load_le(own_mac + 4, 2));
	reg_set(t, SMSC_BURST_CAP, TRANSFER_MAX / SMSC_PACKET);
	reg_set(t, SMSC_HW_CFG, hw_cfg);
	reg_set(t, SMSC_INT_STS, ~0u);
	reg_set(t, SMSC_VLAN1, 0x8100);
	reg_set(t, SMSC_COE_CR, coe);
	reg_set(t, SMSC_INT_EP_CTL, SMSC_INT_PHY);
	reg_set(t, SMSC_TX_CFG, SMSC_TX_CFG_ON);
	reg_set(t, SMSC_MAC_CR, mac_cr);
}

static void bring_up_as_linux(struct fixture *t)
{
	bring_up(t, LINUX_HW_CFG, LINUX_MAC_CR, SMSC_COE_TX | SMSC_COE_RX);
}

/* Adds a buffer to the transfer: @a and @b without their lengths. */
static void add_buffer(struct fixture *t, uint32_t a, uint32_t b, const void *data, unsigned len,
		       unsigned frame_len)
{
	unsigned offset = SMSC_TX_A_OFFSET(a);

	t->out_len = align_up(t->out_len, 4);
	store_le(t->out + t->out_len, 4, a | len);
	store_le(t->out + t->out_len + 4, 4, b | frame_len);
	memset(t->out + t->out_len + 8, 0xee, offset);
	memcpy(t->out + t->out_len + 8 + offset, data, len);
	t->out_len += 8 + offset + len;
	assert_in_range(t->out_len, 0, sizeof(t->out) - 4);
}

static void add_frame(struct fixture *t, const void *frame, unsigned len)
{
	add_buffer(t, SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 0, frame, len, len);
}

/* The transfer by packets, until one is refused: what that one got. */
static int send_some(struct fixture *t, bool zlp)
{
	unsigned at = 0, n;
	int ret;

	do {
		n = MIN(t->out_len - at, (unsigned)SMSC_PACKET);
		if (!n && !zlp)
			break;
		ret = usb_out(t->dev, BULK_OUT, t->out + at, n);
		if (ret < 0) {
			memmove(t->out, t->out + at, t->out_len -= at);
			return ret;
		}
		at += n;
	} while (n == SMSC_PACKET);
	t->out_len = 0;
	return 0;
}

static int send_transfer(struct fixture *t)
{
	return send_some(t, true);
}

static void fill(uint8_t *frame, unsigned len, unsigned seed)
{
	memcpy(frame, broadcast, 6);
	memcpy(frame + 6, own_mac, 6);
	frame[12] = 8;
	frame[13] = 6;
	for (unsigned i = 14; i < len; i++)
		frame[i] = i * 7 + seed;
}

static void assert_sent(struct fixture *t, unsigned sent, const uint8_t *frame, unsigned len)
{
	static const uint8_t finished[NETDEV_HDR_LEN];

	assert_int_equal(t->host.sent, sent);
	assert_int_equal(t->host.last->len, NETDEV_HDR_LEN + len);
	assert_memory_equal(t->host.last->data, finished, NETDEV_HDR_LEN);
	assert_memory_equal(t->host.last->data + NETDEV_HDR_LEN, frame, len);
}

/* The host's frame of @len bytes to @mac; its bytes behind the addresses depend on @seed. */
static void give_frame(struct fixture *t, const uint8_t mac[6], unsigned len, unsigned seed)
{
	uint8_t frame[NETDEV_HDR_LEN + NETDEV_FRAME_MAX] = { 0 };

	fill(frame + NETDEV_HDR_LEN, MAX(len, 14u), seed);
	memcpy(frame + NETDEV_HDR_LEN, mac, 6);
	fake_netdev_give(&t->host, 0, frame, NETDEV_HDR_LEN + len);
}

/* A transfer into a buffer of @max bytes, a multiple of a packet; its length, or -EAGAIN. */
static int receive(struct fixture *t, unsigned max)
{
	unsigned n = 0;
	int ret;

	do {
		ret = usb_in(t->dev, BULK_IN, t->in + n, SMSC_PACKET);
		if (ret < 0) {
			assert_int_equal(n, 0);
			return ret;
		}
		n += ret;
	} while (ret == SMSC_PACKET && n < max);
	return n;
}

/* Checks the frame at @at of a transfer as Linux does: where the next one is. */
static unsigned take_frame(struct fixture *t, unsigned at, unsigned len, unsigned seed, bool csum)
{
	unsigned size = len + SMSC_FCS + (csum ? 2 : 0);
	uint8_t frame[SMSC_FRAME_MAX];

	assert_int_equal(at % 4, 0);
	assert_int_equal(load_le(t->in + at, 4) >> 16 & 0x3fff, size);
	assert_int_equal(load_le(t->in + at, 4) & 0x8000, 0);
	fill(frame, len, seed);
	assert_memory_equal(t->in + at + 4 + 2 + 6, frame + 6, len - 6);
	return at + 4 + 2 + size;
}

/* --- the driver's probe -------------------------------------------- */

static void test_descriptors_name_the_chip(void **state)
{
	struct fixture *t = *state;
	uint8_t d[64];

	assert_int_equal(usb_host_control(t->dev, USB_DIR_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_DEVICE << 8, 0, d, 18), 18);
	assert_int_equal(load_le(d + 8, 4), 0xec000424);
	assert_int_equal(usb_host_control(t->dev, USB_DIR_IN, USB_REQ_GET_DESCRIPTOR,
					  USB_DT_CONFIG << 8, 0, d, sizeof(d)), 39);
	assert_int_equal(d[2], 39);
	assert_int_equal(d[18 + 2], 0x81);
	assert_int_equal(d[25 + 2], 0x02);
	assert_int_equal(d[32 + 2], 0x83);
}

static void test_registers_after_a_reset(void **state)
{
	struct fixture *t = *state;

	reg_set(t, SMSC_ADDRL, 1);
	reg_set(t, 0x24, 0x01110000);
	assert_int_equal(reg_get(t, 0x24), 0x01110000);
	reg_set(t, SMSC_HW_CFG, SMSC_HW_CFG_LRST);
	assert_int_equal(reg_get(t, SMSC_ID_REV) >> 16, 0xec00);
	assert_int_equal(reg_get(t, SMSC_HW_CFG), 0);
	assert_int_equal(reg_get(t, 0x24), 0);
	assert_int_equal(reg_get(t, SMSC_ADDRL), load_le(own_mac, 4));
	assert_int_equal(reg_get(t, SMSC_TX_FIFO_INF), 0x2000);
	assert_int_equal(reg_get(t, SMSC_RX_FIFO_INF), 0);
	assert_int_equal(reg_get(t, SMSC_INT_STS), 0);
}

static void test_bits_that_clear_themselves(void **state)
{
	struct fixture *t = *state;

	reg_set(t, SMSC_PM_CTRL, SMSC_PM_CTRL_PHY_RST);
	assert_int_equal(reg_get(t, SMSC_PM_CTRL), SMSC_PM_CTRL_DEV_RDY);
	reg_set(t, SMSC_PM_CTRL, SMSC_PM_CTRL_WUPS);
	assert_int_equal(reg_get(t, SMSC_PM_CTRL), SMSC_PM_CTRL_DEV_RDY);
	reg_set(t, SMSC_RX_CFG, SMSC_FIFO_FLUSH);
	assert_int_equal(reg_get(t, SMSC_RX_CFG), 0);
	reg_set(t, SMSC_TX_CFG, SMSC_TX_CFG_ON | SMSC_FIFO_FLUSH);
	assert_int_equal(reg_get(t, SMSC_TX_CFG), SMSC_TX_CFG_ON);
	reg_set(t, SMSC_TX_CFG, SMSC_TX_CFG_ON | SMSC_TX_CFG_STOP);
	assert_int_equal(reg_get(t, SMSC_TX_CFG), 0);
	assert_int_equal(reg_get(t, SMSC_INT_STS), SMSC_INT_TX_STOP);
	reg_set(t, SMSC_INT_STS, ~0u);
	assert_int_equal(reg_get(t, SMSC_INT_STS), 0);
	/* Each reset of the PHY is of all of it, and no other is. */
	for (unsigned i = 0; i < 4; i++) {
		phy_set(t, 1, MII_BMCR, BMCR_SPEED100);
		if (i == 0)
			reg_set(t, SMSC_PM_CTRL, 0);
		else if (i == 1)
			reg_set(t, SMSC_PM_CTRL, SMSC_PM_CTRL_PHY_RST);
		else
			reg_set(t, SMSC_HW_CFG, i == 2 ? SMSC_HW_CFG_SRST : SMSC_HW_CFG_LRST);
		assert_int_equal(phy_get(t, 1, MII_BMCR) & BMCR_ANENABLE,
				 i == 1 || i == 2 ? BMCR_ANENABLE : 0);
	}
	reg_set(t, SMSC_FLOW, 0xffff0003);
	assert_int_equal(reg_get(t, SMSC_FLOW), 0xffff0002);
	reg_set(t, SMSC_HW_CFG, SMSC_HW_CFG_SRST);
	assert_int_equal(reg_get(t, SMSC_HW_CFG), 0);
}

static void test_registers_that_cannot_be_written(void **state)
{
	struct fixture *t = *state;

	for (unsigned reg = SMSC_ID_REV; reg < SMSC_REGS_END; reg += 4) {
		if (reg != SMSC_ID_REV && reg != SMSC_STRAP_STATUS && reg != SMSC_RX_FIFO_INF &&
		    reg != SMSC_TX_FIFO_INF)
			continue;
		uint32_t value = reg_get(t, reg);

		reg_set(t, reg, ~value);
		assert_int_equal(reg_get(t, reg), value);
	}
}

/* The byte at @at, or what E2P_CMD said instead. */
static int eeprom(struct fixture *t, unsigned op, unsigned at)
{
	uint32_t cmd;

	reg_set(t, SMSC_E2P_CMD, SMSC_E2P_CMD_BUSY | op << 28 | at);
	cmd = reg_get(t, SMSC_E2P_CMD);
	assert_int_equal(cmd & SMSC_E2P_CMD_BUSY, 0);
	return cmd & SMSC_E2P_CMD_TIMEOUT ? -EIO : (int)reg_get(t, SMSC_E2P_DATA);
}

static void test_eeprom_has_the_address(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(reg_get(t, SMSC_ADDRL), load_le(own_mac, 4));
	assert_int_equal(reg_get(t, SMSC_ADDRH), load_le(own_mac + 4, 2));
	assert_int_equal(eeprom(t, SMSC_E2P_READ, 0), 0xa5);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(eeprom(t, SMSC_E2P_READ, 1 + i), own_mac[i]);
	assert_int_equal(eeprom(t, SMSC_E2P_READ, 7), 0xff);
	assert_int_equal(eeprom(t, SMSC_E2P_READ, 0x1ff), 0xff);
	reg_set(t, SMSC_ADDRL, 1);
	eeprom(t, SMSC_E2P_RELOAD, 0);
	assert_int_equal(reg_get(t, SMSC_ADDRL), load_le(own_mac, 4));
}

static void test_eeprom_cannot_be_written(void **state)
{
	struct fixture *t = *state;

	for (unsigned op = SMSC_E2P_READ + 1; op < SMSC_E2P_RELOAD; op++) {
		reg_set(t, SMSC_E2P_DATA, 0);
		assert_int_equal(eeprom(t, op, 1), -EIO);
	}
	assert_int_equal(eeprom(t, SMSC_E2P_READ, 1), own_mac[0]);
	/* U-Boot reads a register of the PHY so. */
	reg_set(t, SMSC_MII_DATA, 0);
	reg_set(t, SMSC_MII_ADDR, SMSC_PHY_ADDR << 11 | MII_BMSR << 6);
	assert_true(reg_get(t, SMSC_MII_DATA) & BMSR_LSTATUS);
	/* Without BUSY it is no command. */
	reg_set(t, SMSC_E2P_CMD, 2);
	assert_int_equal(reg_get(t, SMSC_E2P_CMD), SMSC_E2P_CMD_LOADED | 2);
	assert_int_equal(reg_get(t, SMSC_E2P_DATA), own_mac[0]);
}

static void test_other_requests_stall(void **state)
{
	struct fixture *t = *state;
	uint8_t data[64] = { 0 };

	assert_int_equal(usb_host_control(t->dev, VENDOR_IN, 0xa2, 0, 0, data, 4), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, VENDOR_IN, 0xa1, 0, 0, data, 8), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, VENDOR_IN, 0xa1, 0, 0, data, 2), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, USB_TYPE_VENDOR, 0xa0, 0, 0, data, 2), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, USB_TYPE_VENDOR, 0xa0, 0, 0, NULL, 0), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, USB_TYPE_VENDOR, 0xa1, 0, 0, data, 4), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, USB_TYPE_CLASS, 0xa0, 0, 0, data, 4), -EPIPE);
}

static void case_36_registers_that_are_not_there_read_as_zeros(void **state)
{
	struct fixture *t = *state;
	static const unsigned regs[] = { 1, 2, SMSC_REGS_END, 0x200, 0xfffc, 0xffff };

	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		reg_set(t, regs[i], ~0u);
		assert_int_equal(reg_get(t, regs[i]), 0);
	}
	assert_int_equal(reg_get(t, SMSC_ID_REV) >> 16, 0xec00);
}

/* --- the PHY -------------------------------------------- */

static void test_phy_has_a_link_of_100_full(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(phy_get(t, 1, MII_PHYSID1), 0x0007);
	assert_int_equal(phy_get(t, 1, MII_PHYSID2) & 0xfff0, 0xc0c0);
	assert_int_equal(phy_get(t, 1, MII_BMSR) & (BMSR_LSTATUS | BMSR_ANEGCOMPLETE),
			 BMSR_LSTATUS | BMSR_ANEGCOMPLETE);
	assert_true(phy_get(t, 1, MII_LPA) & LPA_100FULL);
	assert_true(phy_get(t, 1, MII_EXPANSION) & EXPANSION_NWAY);
	assert_int_equal(phy_get(t, 1, PHY_SPECIAL) & 0x101c, 0x1018);
	assert_true(phy_get(t, 1, 17) & 2);
	assert_int_equal(phy_get(t, 1, 18) & 0x1f, 1);
	assert_int_equal(phy_get(t, 1, 16), 0);
}

static void test_phy_says_what_was_agreed_upon(void **state)
{
	static const struct { uint16_t advertise, bmcr, special; } cases[] = {
		{ ADVERTISE_100HALF | ADVERTISE_10FULL, BMCR_ANENABLE, 0x1008 },
		{ ADVERTISE_10FULL, BMCR_ANENABLE, 0x1014 },
		{ ADVERTISE_10HALF, BMCR_ANENABLE, 0x1004 },
		{ ADVERTISE_ALL, BMCR_SPEED100 | BMCR_FULLDPLX, 0x0018 },
		{ ADVERTISE_ALL, 0, 0x0004 },
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		phy_set(t, 1, MII_ADVERTISE, cases[i].advertise);
		phy_set(t, 1, MII_BMCR, cases[i].bmcr);
		assert_int_equal(phy_get(t, 1, PHY_SPECIAL) & 0x101c, cases[i].special);
		assert_int_equal(phy_get(t, 1, MII_ADVERTISE), cases[i].advertise);
		assert_int_equal(phy_get(t, 1, MII_BMCR), cases[i].bmcr);
	}
	assert_int_equal(phy_get(t, 1, MII_LPA), 0);
}

static void test_no_phy_at_other_addresses(void **state)
{
	struct fixture *t = *state;

	for (unsigned phy = 0; phy < 32; phy++) {
		if (phy == 1)
			continue;
		assert_int_equal(phy_get(t, phy, MII_PHYSID1), 0xffff);
		phy_set(t, phy, MII_BMCR, BMCR_PDOWN);
	}
	assert_true(phy_get(t, 1, MII_BMSR) & BMSR_LSTATUS);
}

static void test_phy_reset_restores_it(void **state)
{
	struct fixture *t = *state;

	phy_set(t, 1, 17, 0x2000);
	phy_set(t, 1, 27, 0x8000);
	assert_int_equal(phy_get(t, 1, 17), 0x2002);
	assert_int_equal(phy_get(t, 1, 27), 0x8000);
	phy_set(t, 1, MII_BMCR, BMCR_RESET);
	assert_int_equal(phy_get(t, 1, MII_BMCR), BMCR_SPEED100 | BMCR_ANENABLE);
	assert_int_equal(phy_get(t, 1, 27), 0);
}

static int interrupt(struct fixture *t, uint32_t *status)
{
	uint8_t data[16];
	int ret = usb_in(t->dev, INTERRUPT, data, sizeof(data));

	*status = ret == 4 ? load_le(data, 4) : 0;
	return ret;
}

static void test_phy_interrupts_by_the_endpoint(void **state)
{
	struct fixture *t = *state;
	uint32_t status;

	/* A lite reset, as of ifup, leaves the PHY's mask. */
	phy_set(t, 1, PHY_MASK, NEGOTIATED | DOWN);
	bring_up_as_linux(t);
	assert_int_equal(interrupt(t, &status), -EAGAIN);
	t->readies = 0;
	phy_set(t, 1, MII_BMCR, BMCR_ANENABLE | BMCR_ANRESTART);
	assert_int_not_equal(t->readies, 0);
	assert_int_equal(interrupt(t, &status), 4);
	assert_int_equal(status, SMSC_INT_PHY);
	/* Only its source clears it. */
	reg_set(t, SMSC_INT_STS, ~0u);
	assert_int_equal(interrupt(t, &status), 4);
	assert_int_equal(phy_get(t, 1, PHY_SOURCE) & NEGOTIATED, NEGOTIATED);
	assert_int_equal(interrupt(t, &status), -EAGAIN);
	phy_set(t, 1, MII_BMCR, BMCR_ANENABLE | BMCR_PDOWN);
	assert_int_equal(interrupt(t, &status), 4);
	assert_int_equal(phy_get(t, 1, PHY_SOURCE), DOWN);
	assert_int_equal(phy_get(t, 1, MII_BMSR) & (BMSR_LSTATUS | BMSR_ANEGCOMPLETE), 0);
	phy_set(t, 1, MII_BMCR, BMCR_ANENABLE);
	assert_int_equal(phy_get(t, 1, PHY_SOURCE) & NEGOTIATED, NEGOTIATED);
}

static void test_masks_of_interrupts(void **state)
{
	struct fixture *t = *state;
	uint32_t status;

	bring_up_as_linux(t);
	phy_set(t, 1, MII_BMCR, BMCR_ANENABLE | BMCR_ANRESTART);
	assert_int_equal(interrupt(t, &status), -EAGAIN);
	phy_set(t, 1, PHY_MASK, NEGOTIATED);
	reg_set(t, SMSC_INT_EP_CTL, 0);
	assert_int_equal(reg_get(t, SMSC_INT_STS), SMSC_INT_PHY);
	assert_int_equal(interrupt(t, &status), -EAGAIN);
	t->readies = 0;
	reg_set(t, SMSC_INT_EP_CTL, SMSC_INT_PHY);
	assert_int_not_equal(t->readies, 0);
	assert_int_equal(interrupt(t, &status), 4);
	phy_get(t, 1, PHY_SOURCE);
	reg_set(t, SMSC_INT_EP_CTL, SMSC_INT_EP_ALWAYS);
	assert_int_equal(interrupt(t, &status), 4);
	assert_int_equal(status, 0);
	assert_int_equal(usb_in(t->dev, INTERRUPT, &status, 2), 2);
}

/* --- transmit -------------------------------------------- */

static void test_frames_of_all_lengths_are_sent(void **state)
{
	static const unsigned lens[] = { 14, 59, 60, 61, 62, 63, 64, 503, 504, 505, 1015, 1016,
					 1017, 1514, 1518 };
	struct fixture *t = *state;
	uint8_t frame[SMSC_FRAME_MAX + 60];

	bring_up_as_linux(t);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(frame, 0, sizeof(frame));
		fill(frame, lens[i], i);
		add_frame(t, frame, lens[i]);
		assert_int_equal(send_transfer(t), 0);
		assert_sent(t, i + 1, frame, MAX(lens[i], 60u));
	}
}

static void test_a_transfer_of_full_packets_needs_no_empty_one(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[504];

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 3; i++) {
		fill(frame, sizeof(frame), i);
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_some(t, false), 0);
		assert_sent(t, i + 1, frame, sizeof(frame));
	}
}

static void test_several_frames_of_one_transfer(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[1001];

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 5; i++) {
		fill(frame, 997 + i % 4, i);
		add_frame(t, frame, 997 + i % 4);
	}
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 5, frame, 997);
}

static void test_a_frame_of_several_buffers(void **state)
{
	static const unsigned cuts[] = { 0, 1, 7, 20, 200, 700, 701, 900 };
	struct fixture *t = *state;
	uint8_t frame[900];

	bring_up_as_linux(t);
	fill(frame, sizeof(frame), 1);
	/* Within a transfer, then with a transfer for each buffer. */
	for (unsigned each = 0; each < 2; each++) {
		for (unsigned i = 1; i < ARRAY_SIZE(cuts); i++) {
			uint32_t a = (i == 1 ? SMSC_TX_A_FIRST : 0) | i % 4 << 16 |
				     (i == ARRAY_SIZE(cuts) - 1 ? SMSC_TX_A_LAST : 0);

			add_buffer(t, a, 0, frame + cuts[i - 1], cuts[i] - cuts[i - 1],
				   sizeof(frame));
			if (each)
				assert_int_equal(send_transfer(t), 0);
		}
		if (!each)
			assert_int_equal(send_transfer(t), 0);
		assert_sent(t, each + 1, frame, sizeof(frame));
	}
}

static void test_what_command_b_asks_for(void **state)
{
	const uint32_t whole = SMSC_TX_A_FIRST | SMSC_TX_A_LAST;
	struct fixture *t = *state;
	uint8_t frame[100] = { 0 };

	bring_up_as_linux(t);
	fill(frame, 40, 0);
	add_buffer(t, whole, SMSC_TX_B_NO_PAD, frame, 40, 40);
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 1, frame, 40);
	add_buffer(t, whole, SMSC_TX_B_HAS_FCS, frame, 100, 100);
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 2, frame, 96);
	/* Without the engine the word is the frame's. */
	reg_set(t, SMSC_COE_CR, 0);
	add_buffer(t, whole, SMSC_TX_B_CSUM, frame, 100, 100);
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 3, frame, 100);
}

/* A UDP datagram of @len bytes, its checksum left to the chip as Linux does that. */
static struct pkt make_unfinished(unsigned len, struct pkt *finished)
{
	struct pkt p;
	uint8_t data[1000];
	uint32_t sum;

	fill(data, sizeof(data), len);
	p = *finished = pkt_make_udp(own_mac, pkt_ip("10.0.2.15"), pkt_ip("10.0.2.2"), 1, 2, data,
				     len);
	assert_int_equal(pkt_checksum(p.data, p.len), 0);
	sum = 17 + 8 + len;
	for (unsigned i = 26; i < 34; i += 2)
		sum += pkt_be16(p.data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	p.data[40] = sum >> 8;
	p.data[41] = sum;
	return p;
}

static void test_checksums_are_filled_in(void **state)
{
	struct fixture *t = *state;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t buffer[4 + PKT_MAX];
		struct pkt finished, p = make_unfinished(30 + 41 * i, &finished);

		store_le(buffer, 4, 34 | 40 << 16);
		memcpy(buffer + 4, p.data, p.len);
		add_buffer(t, SMSC_TX_A_FIRST | SMSC_TX_A_LAST, SMSC_TX_B_CSUM, buffer, p.len + 4,
			   p.len + 4);
		assert_int_equal(send_transfer(t), 0);
		assert_sent(t, i + 1, finished.data, finished.len);
	}
}

static void test_transmitter_that_is_off_drops(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[60];

	bring_up_as_linux(t);
	fill(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 3; i++) {
		reg_set(t, SMSC_TX_CFG, i == 0 ? 0 : SMSC_TX_CFG_ON);
		reg_set(t, SMSC_MAC_CR, i == 1 ? SMSC_MAC_CR_RXEN : LINUX_MAC_CR);
		phy_set(t, 1, MII_BMCR, i == 2 ? BMCR_PDOWN : BMCR_ANENABLE);
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_transfer(t), 0);
	}
	assert_int_equal(t->host.tries, 0);
}

static void test_a_host_that_takes_nothing_holds_the_guest_up(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[600];

	bring_up_as_linux(t);
	t->host.send_ret = -EAGAIN;
	for (unsigned i = 0; i < 4; i++) {
		fill(frame, 100, i);
		add_frame(t, frame, 100);
	}
	fill(frame, sizeof(frame), 9);
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), -EAGAIN);
	assert_int_equal(send_transfer(t), -EAGAIN);
	assert_int_equal(t->host.tries, 1);
	assert_int_equal(reg_get(t, SMSC_TX_FIFO_INF), 0);
	/* All in the packet that was taken, then the rest. */
	t->readies = 0;
	fake_netdev_drain(&t->host, 0);
	assert_int_equal(t->host.sent, 4);
	assert_int_equal(t->readies, 1);
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 5, frame, sizeof(frame));
}

static void test_a_host_that_takes_nothing_after_all(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[60];

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 2; i++) {
		fill(frame, sizeof(frame), i);
		add_frame(t, frame, sizeof(frame));
	}
	t->host.send_ret = -EAGAIN;
	assert_int_equal(send_transfer(t), 0);
	t->readies = 0;
	t->host.dev.front->writable(t->host.dev.front_ctx, 0);
	assert_int_equal(t->readies, 0);
	fake_netdev_drain(&t->host, 0);
	assert_sent(t, 2, frame, sizeof(frame));
	/* The next transfer begins with a command. */
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	assert_int_equal(t->host.sent, 3);
}

static void test_a_frame_that_the_host_loses_is_lost(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[60];

	bring_up_as_linux(t);
	fill(frame, sizeof(frame), 0);
	t->host.send_ret = -EIO;
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	t->host.send_ret = 0;
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	assert_int_equal(t->host.sent, 1);
	assert_int_equal(reg_get(t, SMSC_INT_STS), 0);
}

static void test_flush_and_resets_end_the_wait_for_the_host(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[60];

	fill(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 3; i++) {
		bring_up_as_linux(t);
		t->host.send_ret = -EAGAIN;
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_transfer(t), 0);
		t->readies = 0;
		if (i == 0)
			reg_set(t, SMSC_TX_CFG, SMSC_TX_CFG_ON | SMSC_FIFO_FLUSH);
		else if (i == 1)
			reg_set(t, SMSC_HW_CFG, SMSC_HW_CFG_LRST);
		else
			usb_host_configure(t->dev);
		assert_int_equal(t->readies, 1);
		fake_netdev_drain(&t->host, 0);
		assert_int_equal(t->host.sent, 0);
	}
}

/* --- transmit: what no driver sends ----------------------------------------------------------- */

static void assert_stalled_until_cleared(struct fixture *t)
{
	unsigned sent = t->host.sent;
	uint8_t frame[64];

	assert_int_equal(reg_get(t, SMSC_INT_STS), SMSC_INT_TXE);
	reg_set(t, SMSC_INT_STS, SMSC_INT_TXE);
	t->out_len = 0;
	fill(frame, sizeof(frame), 7);
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), -EPIPE);
	assert_int_equal(usb_host_control(t->dev, USB_RECIP_ENDPOINT, USB_REQ_CLEAR_FEATURE,
					  USB_ENDPOINT_HALT, BULK_OUT, NULL, 0), 0);
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, sent + 1, frame, sizeof(frame));
}

static void case_54_lengths_that_do_not_fit_their_frame(void **state)
{
	static const struct { uint32_t a, len, b; } cases[] = {
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 0, 0 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 13, 13 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 60, 61 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 61, 60 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 1519, 1519 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 2047, 2047 },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 16, 16 | SMSC_TX_B_HAS_FCS },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 2, 2 | SMSC_TX_B_HAS_FCS | SMSC_TX_B_CSUM },
		{ SMSC_TX_A_FIRST | SMSC_TX_A_LAST, 17, 17 | SMSC_TX_B_CSUM },
		{ SMSC_TX_A_LAST, 60, 60 },
		{ 0, 60, 60 },
	};
	static const uint8_t data[2048];
	struct fixture *t = *state;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		add_buffer(t, cases[i].a, cases[i].b, data, cases[i].len, 0);
		/* It may be the next packet that hears of it. */
		send_transfer(t);
		assert_stalled_until_cleared(t);
	}
}

static void case_54_buffers_that_are_of_another_frame(void **state)
{
	static const uint8_t data[2048];
	struct fixture *t = *state;

	bring_up_as_linux(t);
	/* A second first one; another length; more than there is; all but no end. */
	for (unsigned i = 0; i < 4; i++) {
		add_buffer(t, SMSC_TX_A_FIRST, 0, data, 30, 60);
		add_buffer(t, (i == 0 ? SMSC_TX_A_FIRST : 0) | (i == 3 ? 0 : SMSC_TX_A_LAST), 0,
			   data, i == 2 ? 31 : 30, i == 1 ? 62 : 60);
		if (i == 3)
			add_buffer(t, 0, 0, data, 1, 60);
		send_transfer(t);
		assert_stalled_until_cleared(t);
	}
	/* A whole one within another; the rest of none. */
	add_buffer(t, SMSC_TX_A_FIRST, 0, data, 30, 60);
	add_frame(t, data, 60);
	send_transfer(t);
	assert_stalled_until_cleared(t);
	add_buffer(t, SMSC_TX_A_LAST, 0, data, 0, 60);
	send_transfer(t);
	assert_stalled_until_cleared(t);
}

static void case_54_transfers_that_end_too_soon(void **state)
{
	static const unsigned lens[] = { 1, 7, 8, 9, 13, 68 };
	struct fixture *t = *state;
	uint8_t frame[600];

	bring_up_as_linux(t);
	fill(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		add_buffer(t, SMSC_TX_A_FIRST | SMSC_TX_A_LAST | 2 << 16, 0, frame, 60, 60);
		t->out_len = lens[i];
		send_transfer(t);
		assert_stalled_until_cleared(t);
	}
}

static void case_54_checksums_outside_of_their_frame(void **state)
{
	static const uint32_t words[] = { 0xffffffff, 61, 59 << 16, 60 << 16, 0xfff, 0xfff0000 };
	uint8_t buffer[64] = { 0 };
	struct fixture *t = *state;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		store_le(buffer, 4, words[i]);
		add_buffer(t, SMSC_TX_A_FIRST | SMSC_TX_A_LAST, SMSC_TX_B_CSUM, buffer, 64, 64);
		send_transfer(t);
		assert_stalled_until_cleared(t);
	}
}

static void case_54_without_stalls_the_rest_of_the_transfer_is_lost(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[1000];

	bring_up(t, LINUX_HW_CFG | SMSC_HW_CFG_SBP, LINUX_MAC_CR, 0);
	fill(frame, sizeof(frame), 0);
	add_frame(t, frame, 13);
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	assert_int_equal(reg_get(t, SMSC_INT_STS), SMSC_INT_TXE);
	assert_int_equal(t->host.sent, 0);
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	assert_sent(t, 1, frame, sizeof(frame));
	/* What follows in the same packet, and at the beginning of the next one. */
	for (unsigned i = 0; i < 2; i++) {
		add_frame(t, frame, 13);
		if (i)
			t->out_len = SMSC_PACKET;
		add_frame(t, frame, 60);
		assert_int_equal(send_transfer(t), 0);
		assert_int_equal(t->host.sent, 1);
	}
}

static void case_54_resets_within_a_frame(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[1000];

	bring_up_as_linux(t);
	fill(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 3; i++) {
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(usb_out(t->dev, BULK_OUT, t->out, SMSC_PACKET), 0);
		t->out_len = 0;
		if (i == 0)
			reg_set(t, SMSC_TX_CFG, SMSC_TX_CFG_ON | SMSC_FIFO_FLUSH);
		else if (i == 1)
			bring_up_as_linux(t);
		else
			usb_host_configure(t->dev);
		if (i == 2)
			bring_up_as_linux(t);
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_transfer(t), 0);
		assert_sent(t, i + 1, frame, sizeof(frame));
	}
}

/* --- receive -------------------------------------------- */

static void test_frames_are_received_as_linux_wants_them(void **state)
{
	static const unsigned lens[] = { 60, 61, 62, 63, 1514, 1518 };
	struct fixture *t = *state;

	bring_up_as_linux(t);
	assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		unsigned whole = 4 + 2 + lens[i] + SMSC_FCS + 2;
		uint16_t sum;

		t->readies = 0;
		give_frame(t, own_mac, lens[i], i);
		assert_int_equal(t->readies, 1);
		assert_int_equal(reg_get(t, SMSC_RX_FIFO_INF), whole);
		assert_int_equal(receive(t, TRANSFER_MAX), whole);
		assert_int_equal(take_frame(t, 0, lens[i], i, true), whole);
		assert_memory_equal(t->in + 6, own_mac, 6);
		sum = netframe_sum(t->in + 6 + 14, lens[i] - 14);
		assert_int_equal(pkt_be16(t->in + whole - 2), sum);
		assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
	}
}

static void test_the_offset_may_be_any(void **state)
{
	struct fixture *t = *state;

	for (unsigned offset = 0; offset < 4; offset++) {
		bring_up(t, SMSC_HW_CFG_BIR | offset << 9, LINUX_MAC_CR, 0);
		give_frame(t, own_mac, 60, offset);
		assert_int_equal(receive(t, 2048), 4 + offset + 64);
		assert_memory_equal(t->in + 4 + offset, own_mac, 6);
		assert_int_equal(t->in[4 + offset + 14], 14 * 7 + offset);
	}
}

static void test_status_says_what_kind_of_frame(void **state)
{
	struct fixture *t = *state;

	bring_up(t, SMSC_HW_CFG_BIR, LINUX_MAC_CR | SMSC_MAC_CR_RXALL, 0);
	give_frame(t, own_mac, 60, 0);
	receive(t, 2048);
	assert_int_equal(load_le(t->in, 4), 64 << 16 | SMSC_RX_TYPE);
	give_frame(t, broadcast, 60, 0);
	receive(t, 2048);
	assert_int_equal(load_le(t->in, 4), 64 << 16 | SMSC_RX_TYPE | SMSC_RX_BROADCAST);
	give_frame(t, all_hosts, 60, 0);
	receive(t, 2048);
	assert_int_equal(load_le(t->in, 4),
			 64 << 16 | SMSC_RX_TYPE | SMSC_RX_MULTICAST | SMSC_RX_FILTER_FAIL);
}

static void test_an_empty_bulk_in_without_nak(void **state)
{
	struct fixture *t = *state;

	bring_up(t, 0, LINUX_MAC_CR, 0);
	assert_int_equal(receive(t, 2048), 0);
	assert_int_equal(receive(t, 2048), 0);
}

static void test_a_transfer_of_full_packets_ends_with_an_empty_one(void **state)
{
	struct fixture *t = *state;

	bring_up_as_linux(t);
	give_frame(t, own_mac, 1024 - 4 - 2 - 4 - 2, 0);
	assert_int_equal(usb_in(t->dev, BULK_IN, t->in, SMSC_PACKET), SMSC_PACKET);
	assert_int_equal(usb_in(t->dev, BULK_IN, t->in, SMSC_PACKET), SMSC_PACKET);
	assert_int_equal(usb_in(t->dev, BULK_IN, t->in, SMSC_PACKET), 0);
	assert_int_equal(usb_in(t->dev, BULK_IN, t->in, SMSC_PACKET), -EAGAIN);
}

static void test_several_frames_of_one_transfer_up_to_the_cap(void **state)
{
	struct fixture *t = *state;
	unsigned next = 0;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 50; i++)
		give_frame(t, own_mac, 1000 + i, i);
	while (next < 50) {
		int len = receive(t, sizeof(t->in));
		unsigned at = 0;

		assert_in_range(len, 1000, TRANSFER_MAX - 1);
		for (; (int)at < len; next++)
			at = align_up(take_frame(t, at, 1000 + next, next, true), 4);
		/* Nothing but the last frame's bytes behind it. */
		assert_in_range(at - len, 0, 3);
	}
	assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
}

static void test_no_transfer_fills_linuxs_buffer(void **state)
{
	struct fixture *t = *state;
	unsigned got = 0;

	/* 37 of them would be exactly as many bytes as there are in it. */
	bring_up_as_linux(t);
	for (unsigned i = 0; i < 37; i++)
		give_frame(t, own_mac, SMSC_PACKET - 12, i);
	assert_int_equal(receive(t, sizeof(t->in)), 36 * SMSC_PACKET);
	for (unsigned at = 0; at < 36 * SMSC_PACKET; got++)
		at = take_frame(t, at, SMSC_PACKET - 12, got, true);
	assert_int_equal(receive(t, sizeof(t->in)), SMSC_PACKET);
	take_frame(t, 0, SMSC_PACKET - 12, 36, true);
}

static void test_a_cap_of_nothing_is_one_frame_a_transfer(void **state)
{
	struct fixture *t = *state;

	for (unsigned i = 0; i < 2; i++) {
		/* Without MEF it is one, whatever the cap. */
		bring_up(t, i ? LINUX_HW_CFG : LINUX_HW_CFG & ~SMSC_HW_CFG_MEF, LINUX_MAC_CR, 0);
		if (i)
			reg_set(t, SMSC_BURST_CAP, 0);
		give_frame(t, own_mac, 60, 1);
		give_frame(t, own_mac, 61, 2);
		assert_int_equal(receive(t, TRANSFER_MAX), 70);
		assert_int_equal(receive(t, TRANSFER_MAX), 71);
		take_frame(t, 0, 61, 2, false);
	}
}

static void test_without_a_cap_all_that_is_there_is_one_transfer(void **state)
{
	struct fixture *t = *state;

	bring_up(t, LINUX_HW_CFG & ~SMSC_HW_CFG_BCE, LINUX_MAC_CR, 0);
	reg_set(t, SMSC_BURST_CAP, 0);
	for (unsigned i = 0; i < 20; i++)
		give_frame(t, own_mac, 1514, i);
	assert_int_equal(receive(t, sizeof(t->in)), 20 * 1524);
}

static void test_packets_of_any_size_make_up_the_same_transfer(void **state)
{
	struct fixture *t = *state;
	unsigned at = 0, size = 1;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 6; i++)
		give_frame(t, own_mac, 60 + i, i);
	for (int ret = size; ret == (int)size; at += ret) {
		size = size % 61 + 1;
		ret = usb_in(t->dev, BULK_IN, t->in + at, size);
		assert_in_range(ret, 0, size);
	}
	for (unsigned i = 0, next = 0; i < 6; i++)
		next = align_up(take_frame(t, next, 60 + i, i, true), 4);
}

static void test_vlan_and_snap_are_left_out_of_sums_in_mode_1(void **state)
{
	static const struct { uint8_t head[16]; unsigned l3; } cases[] = {
		{ { 0x08, 0x00 }, 14 },
		{ { 0x81, 0x00, 0, 5, 0x08, 0x00 }, 18 },
		{ { 0x81, 0x00, 0, 5, 0x88, 0xa8, 0, 6, 0x08, 0x00 }, 22 },
		{ { 0x00, 0x20, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0 }, 22 },
		{ { 0x81, 0x00, 0, 5, 0x00, 0x20, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0 }, 26 },
		{ { 0x00, 0x20, 0xaa, 0xab, 3, 0, 0, 0, 8, 0 }, 14 },
	};
	struct fixture *t = *state;

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		uint8_t frame[NETDEV_HDR_LEN + 100] = { 0 };
		unsigned l3 = i % 2 ? cases[i / 2].l3 : 14, n;

		bring_up(t, SMSC_HW_CFG_BIR, LINUX_MAC_CR,
			 SMSC_COE_RX | (i % 2 ? SMSC_COE_RX_MODE : 0));
		reg_set(t, SMSC_VLAN2, 0x88a8);
		fill(frame + NETDEV_HDR_LEN, 100, i);
		memcpy(frame + NETDEV_HDR_LEN + 12, cases[i / 2].head, 16);
		fake_netdev_give(&t->host, 0, frame, sizeof(frame));
		n = receive(t, 2048);
		assert_int_equal(n, 4 + 100 + 4 + 2);
		assert_int_equal(pkt_be16(t->in + n - 2),
				 netframe_sum(frame + NETDEV_HDR_LEN + l3, 100 - l3));
	}
}

/* Nothing of what is looked for is in them. */
static void case_54_frames_that_end_before_their_third_layer(void **state)
{
	static const uint8_t heads[][12] = {
		{ 0x81, 0x00, 0, 5, 0x08, 0x00 }, { 0x81, 0x00, 0, 5, 0x88, 0xa8, 0, 6, 8, 0 },
		{ 0x00, 0x20, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0 },
	};
	/* From which length on they are looked at. */
	static const unsigned enough[] = { 18, 22, 22 };
	struct fixture *t = *state;

	bring_up(t, SMSC_HW_CFG_BIR, LINUX_MAC_CR, SMSC_COE_RX | SMSC_COE_RX_MODE);
	reg_set(t, SMSC_VLAN2, 0x88a8);
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++)
		for (unsigned len = SMSC_FRAME_MIN; len <= enough[i]; len++) {
			uint8_t frame[NETDEV_HDR_LEN + 24] = { 0 };
			unsigned l3 = len >= enough[i] ? enough[i] : i == 1 && len >= 18 ? 18 : 14;
			unsigned n;

			fill(frame + NETDEV_HDR_LEN, 24, i);
			memcpy(frame + NETDEV_HDR_LEN + 12, heads[i], 12);
			fake_netdev_give(&t->host, 0, frame, NETDEV_HDR_LEN + len);
			n = receive(t, 2048);
			assert_int_equal(n, 4 + len + 4 + 2);
			assert_int_equal(pkt_be16(t->in + n - 2),
					 netframe_sum(frame + NETDEV_HDR_LEN + l3, len - l3));
		}
}

static bool gets(struct fixture *t, const uint8_t mac[6])
{
	give_frame(t, mac, 60, 0);
	return receive(t, TRANSFER_MAX) > 0;
}

static void test_filters(void **state)
{
	static const uint8_t other[6] = { 0xb8, 0x27, 0xeb, 1, 2, 4 };
	static const uint8_t hashed[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	/* own, another, broadcast, multicast in the table, not in it */
	static const struct { uint32_t cr; bool own, other, broadcast, in, out; } cases[] = {
		{ 0, 1, 0, 1, 0, 0 },
		{ SMSC_MAC_CR_PRMS, 1, 1, 1, 1, 1 },
		{ SMSC_MAC_CR_PRMS | SMSC_MAC_CR_BCAST, 1, 1, 1, 1, 1 },
		{ SMSC_MAC_CR_RXALL | SMSC_MAC_CR_BCAST, 1, 1, 1, 1, 1 },
		{ SMSC_MAC_CR_BCAST, 1, 0, 0, 0, 0 },
		{ SMSC_MAC_CR_MCPAS, 1, 0, 1, 1, 1 },
		{ SMSC_MAC_CR_HPFILT, 1, 0, 1, 1, 0 },
		{ SMSC_MAC_CR_HPFILT | SMSC_MAC_CR_HFILT, 0, 0, 1, 1, 0 },
		{ SMSC_MAC_CR_INVFILT, 0, 1, 1, 1, 1 },
	};
	struct fixture *t = *state;

	bring_up_as_linux(t);
	/* What Linux's driver says of 224.0.0.1. */
	reg_set(t, SMSC_HASHL, 1u << 31);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		reg_set(t, SMSC_MAC_CR, LINUX_MAC_CR | cases[i].cr);
		assert_int_equal(gets(t, own_mac), cases[i].own);
		assert_int_equal(gets(t, other), cases[i].other);
		assert_int_equal(gets(t, broadcast), cases[i].broadcast);
		assert_int_equal(gets(t, all_hosts), cases[i].in);
		assert_int_equal(gets(t, hashed), cases[i].out);
	}
}

static void test_filters_look_at_all_of_an_address(void **state)
{
	struct fixture *t = *state;
	unsigned low = 0;

	bring_up_as_linux(t);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t mac[6];

		memcpy(mac, own_mac, sizeof(mac));
		mac[i] ^= 0x10;
		assert_false(gets(t, mac));
		memcpy(mac, broadcast, sizeof(mac));
		mac[i] ^= 0x10;
		assert_false(gets(t, mac));
	}
	/* The upper half of what Linux writes there is not of it. */
	reg_set(t, SMSC_ADDRH, 0xffff0000 | load_le(own_mac + 4, 2));
	assert_true(gets(t, own_mac));
	/* An address is in one half of the table. */
	for (unsigned i = 0; i < 64; i++) {
		const uint8_t mac[6] = { 0x33, 0x33, 0, 0, 0, i };
		bool in_low;

		reg_set(t, SMSC_MAC_CR, LINUX_MAC_CR | SMSC_MAC_CR_HPFILT);
		reg_set(t, SMSC_HASHL, ~0u);
		reg_set(t, SMSC_HASHH, 0);
		in_low = gets(t, mac);
		low += in_low;
		reg_set(t, SMSC_HASHL, 0);
		reg_set(t, SMSC_HASHH, ~0u);
		assert_int_equal(gets(t, mac), !in_low);
	}
	assert_int_equal(low, 32);
}

static void test_the_host_keeps_frames_while_the_receiver_is_off(void **state)
{
	struct fixture *t = *state;

	give_frame(t, own_mac, 60, 1);
	assert_false(t->host.listening[0]);
	bring_up_as_linux(t);
	assert_true(t->host.listening[0]);
	reg_set(t, SMSC_MAC_CR, SMSC_MAC_CR_TXEN);
	assert_false(t->host.listening[0]);
	reg_set(t, SMSC_MAC_CR, LINUX_MAC_CR);
	phy_set(t, 1, MII_BMCR, BMCR_PDOWN);
	assert_false(t->host.listening[0]);
	phy_set(t, 1, MII_BMCR, BMCR_ANENABLE);
	assert_true(t->host.listening[0]);
	usb_device_enable(t->dev, false);
	assert_false(t->host.listening[0]);
	assert_int_equal(fake_netdev_left(&t->host), 1);
}

static void test_the_host_keeps_frames_while_the_fifo_is_full(void **state)
{
	struct fixture *t = *state;
	unsigned n = 0;

	bring_up(t, SMSC_HW_CFG_BIR | 2 << 9, LINUX_MAC_CR, 0);
	for (unsigned i = 0; i < SMSC_RX_FRAMES + 10; i++)
		give_frame(t, own_mac, 1514, i);
	assert_false(t->host.listening[0]);
	assert_int_equal(fake_netdev_left(&t->host), 10);
	t->host.dev.front->readable(t->host.dev.front_ctx, 0);
	assert_int_equal(fake_netdev_left(&t->host), 10);
	assert_int_equal(reg_get(t, SMSC_RX_FIFO_INF), 0xffff);
	/* Not before half of it is free. */
	while (!t->host.listening[0]) {
		assert_int_equal(receive(t, 2048), 1524);
		take_frame(t, 0, 1514, n++, false);
	}
	assert_int_equal(n, SMSC_RX_FRAMES / 2 + 1);
	t->host.dev.front->readable(t->host.dev.front_ctx, 0);
	assert_int_equal(fake_netdev_left(&t->host), 0);
	while (n < SMSC_RX_FRAMES + 10) {
		assert_int_equal(receive(t, 2048), 1524);
		take_frame(t, 0, 1514, n++, false);
	}
	assert_int_equal(receive(t, 2048), -EAGAIN);
}

static void test_frames_that_fit_no_ethernet_are_dropped(void **state)
{
	uint8_t frame[NETDEV_HDR_LEN + 60] = { 0 };
	struct fixture *t = *state;

	bring_up_as_linux(t);
	give_frame(t, own_mac, 13, 0);
	give_frame(t, own_mac, 1519, 0);
	give_frame(t, own_mac, NETDEV_FRAME_MAX, 0);
	/* Unfinished ones: a checksum, a segmentation. */
	memcpy(frame + NETDEV_HDR_LEN, own_mac, 6);
	frame[0] = 1;
	fake_netdev_give(&t->host, 0, frame, sizeof(frame));
	frame[0] = 0;
	frame[1] = 1;
	fake_netdev_give(&t->host, 0, frame, sizeof(frame));
	assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
	/* One whose checksum somebody found right is as good as any. */
	frame[0] = 2;
	frame[1] = 0;
	fake_netdev_give(&t->host, 0, frame, sizeof(frame));
	assert_int_equal(receive(t, TRANSFER_MAX), 4 + 2 + 60 + 4 + 2);
}

static void test_a_host_that_fails_is_asked_again_later(void **state)
{
	struct fixture *t = *state;

	bring_up_as_linux(t);
	t->host.recv_ret = -EIO;
	give_frame(t, own_mac, 60, 0);
	assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
	t->host.recv_ret = 0;
	give_frame(t, own_mac, 60, 1);
	assert_int_equal(receive(t, TRANSFER_MAX), 72 + 72);
}

static void test_flush_and_resets_empty_the_fifo(void **state)
{
	struct fixture *t = *state;

	for (unsigned i = 0; i < 3; i++) {
		bring_up_as_linux(t);
		give_frame(t, own_mac, 1000, i);
		give_frame(t, own_mac, 1000, i);
		assert_int_equal(usb_in(t->dev, BULK_IN, t->in, SMSC_PACKET), SMSC_PACKET);
		if (i == 0)
			reg_set(t, SMSC_RX_CFG, SMSC_FIFO_FLUSH);
		else
			usb_host_configure(t->dev);
		if (i == 2)
			bring_up_as_linux(t);
		assert_int_equal(reg_get(t, SMSC_RX_FIFO_INF), 0);
		/* Without BIR a reset chip answers with nothing. */
		assert_int_equal(receive(t, TRANSFER_MAX), i == 1 ? 0 : -EAGAIN);
	}
}

static void test_loopback(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[100];

	fill(frame, sizeof(frame), 3);
	for (unsigned i = 0; i < 2; i++) {
		bring_up(t, LINUX_HW_CFG, LINUX_MAC_CR | (i ? SMSC_MAC_CR_LOOPBK : 0), 0);
		phy_set(t, 1, MII_BMCR, i ? BMCR_ANENABLE : BMCR_LOOPBACK);
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_transfer(t), 0);
		assert_int_equal(receive(t, TRANSFER_MAX), 4 + 2 + 104);
		take_frame(t, 0, sizeof(frame), 3, false);
	}
	assert_int_equal(t->host.tries, 0);
	/* Not for us, then without end. */
	memset(frame, 2, 6);
	add_frame(t, frame, sizeof(frame));
	assert_int_equal(send_transfer(t), 0);
	assert_int_equal(receive(t, TRANSFER_MAX), -EAGAIN);
	memcpy(frame, broadcast, 6);
	for (unsigned i = 0; i <= SMSC_RX_FRAMES; i++) {
		assert_int_equal(reg_get(t, SMSC_INT_STS), 0);
		add_frame(t, frame, sizeof(frame));
		assert_int_equal(send_transfer(t), 0);
	}
	assert_int_equal(reg_get(t, SMSC_INT_STS), SMSC_INT_RXDF);
}

static void test_endpoints_that_are_not_there(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(t->dev->ops->in(t->dev, BULK_OUT, t->in, 1), -EPIPE);
	assert_int_equal(t->dev->ops->out(t->dev, BULK_IN, t->in, 1), -EPIPE);
}

/* --- the option -------------------------------------------- */

extern const struct virtio_model virtio_net_model;
extern const struct usb_model smsc95xx_model;

/* What --net @text makes for guest "pi", as its first card; or what refuses it. */
static int make_card(struct fake *f, const char *text, struct usb_device **out)
{
	static const struct opt_key keys[] = {
		{ "bus", "usb", "" }, { "mac", "M", "" }, { "mtu", "N", "" },
		{ "queues", "N", "" }, { "tap", "T", "" }, { NULL, NULL, NULL },
	};
	struct virtio_env env = { .loop = f->loop, .mem = &f->mem, .guest = "pi" };
	struct opt_value opts;
	int ret;

	assert_int_equal(opt_value_parse(&opts, "--net", text, keys), 0);
	ret = virtio_net_model.check("--net", &opts);
	if (ret == 0)
		ret = smsc95xx_model.create(out, &env, &opts);
	opt_value_finish(&opts);
	return ret;
}

static void test_option_makes_it_with_an_address_and_short_packets(void **state)
{
	static const struct { const char *text; unsigned mtu; } cases[] = {
		{ "user,bus=usb", 1500 }, { "user,bus=usb,mtu=1400", 1400 },
		{ "user,bus=usb,mac=b8:27:eb:01:02:03", 1500 },
	};
	struct fake *f = calloc(1, sizeof(*f));
	struct usb_device *usb;
	uint8_t mac[6];

	(void)state;
	fake_init(f);
	netaddr_default_mac(mac, "pi", 0, "user");
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smsc95xx *s;

		assert_int_equal(make_card(f, cases[i].text, &usb), 0);
		s = usb->priv;
		assert_int_equal(s->dev->mtu, cases[i].mtu);
		assert_memory_equal(s->mac, i == 2 ? own_mac : mac, 6);
		smsc95xx_model.destroy(usb);
	}
	fake_finish(f);
	free(f);
}

static void test_option_refuses_what_the_chip_cannot_do(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct usb_device *usb;

	(void)state;
	fake_init(f);
	assert_int_equal(make_card(f, "user,bus=usb,mtu=1501", &usb), -EINVAL);
	assert_int_equal(make_card(f, "user,bus=usb,mtu=1279", &usb), -EINVAL);
	assert_int_equal(make_card(f, "tap=tap0,bus=usb,queues=1", &usb), -EINVAL);
	fake_finish(f);
	free(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors_name_the_chip),
		TEST(test_registers_after_a_reset),
		TEST(test_bits_that_clear_themselves),
		TEST(test_registers_that_cannot_be_written),
		TEST(test_eeprom_has_the_address),
		TEST(test_eeprom_cannot_be_written),
		TEST(test_other_requests_stall),
		TEST(case_36_registers_that_are_not_there_read_as_zeros),
		TEST(test_phy_has_a_link_of_100_full),
		TEST(test_phy_says_what_was_agreed_upon),
		TEST(test_no_phy_at_other_addresses),
		TEST(test_phy_reset_restores_it),
		TEST(test_phy_interrupts_by_the_endpoint),
		TEST(test_masks_of_interrupts),
		TEST(test_frames_of_all_lengths_are_sent),
		TEST(test_a_transfer_of_full_packets_needs_no_empty_one),
		TEST(test_several_frames_of_one_transfer),
		TEST(test_a_frame_of_several_buffers),
		TEST(test_what_command_b_asks_for),
		TEST(test_checksums_are_filled_in),
		TEST(test_transmitter_that_is_off_drops),
		TEST(test_a_host_that_takes_nothing_holds_the_guest_up),
		TEST(test_a_host_that_takes_nothing_after_all),
		TEST(test_a_frame_that_the_host_loses_is_lost),
		TEST(test_flush_and_resets_end_the_wait_for_the_host),
		TEST(case_54_lengths_that_do_not_fit_their_frame),
		TEST(case_54_buffers_that_are_of_another_frame),
		TEST(case_54_transfers_that_end_too_soon),
		TEST(case_54_checksums_outside_of_their_frame),
		TEST(case_54_without_stalls_the_rest_of_the_transfer_is_lost),
		TEST(case_54_resets_within_a_frame),
		TEST(test_frames_are_received_as_linux_wants_them),
		TEST(test_the_offset_may_be_any),
		TEST(test_status_says_what_kind_of_frame),
		TEST(test_an_empty_bulk_in_without_nak),
		TEST(test_a_transfer_of_full_packets_ends_with_an_empty_one),
		TEST(test_several_frames_of_one_transfer_up_to_the_cap),
		TEST(test_no_transfer_fills_linuxs_buffer),
		TEST(test_a_cap_of_nothing_is_one_frame_a_transfer),
		TEST(test_without_a_cap_all_that_is_there_is_one_transfer),
		TEST(test_packets_of_any_size_make_up_the_same_transfer),
		TEST(test_vlan_and_snap_are_left_out_of_sums_in_mode_1),
		TEST(case_54_frames_that_end_before_their_third_layer),
		TEST(test_filters),
		TEST(test_filters_look_at_all_of_an_address),
		TEST(test_the_host_keeps_frames_while_the_receiver_is_off),
		TEST(test_the_host_keeps_frames_while_the_fifo_is_full),
		TEST(test_frames_that_fit_no_ethernet_are_dropped),
		TEST(test_a_host_that_fails_is_asked_again_later),
		TEST(test_flush_and_resets_empty_the_fifo),
		TEST(test_loopback),
		TEST(test_endpoints_that_are_not_there),
		cmocka_unit_test(test_option_makes_it_with_an_address_and_short_packets),
		cmocka_unit_test(test_option_refuses_what_the_chip_cannot_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
