/* SPDX-License-Identifier: MIT */
/*
 * The Ethernet function of a LAN9514, up and running: registers, packets in both directions,
 * frames from a host that sometimes takes none. What comes out of it is a frame of Ethernet,
 * and no transfer to the guest has more than what was put in.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/usb/smsc95xx_impl.h"
#include "tests/fake_netdev.h"
#include "tests/fuzz/input.h"
#include "tests/usb_host.h"

#define CHECK(cond) do { if (!(cond)) abort(); } while (0)
#define STEPS 256
#define BULK_IN 1
#define BULK_OUT 2
#define INTERRUPT 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct rig {
	struct usb_bus bus;
	struct usb_device *dev;
	struct fake_netdev host;
};

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

static uint32_t reg_get(struct rig *r, unsigned reg)
{
	uint32_t value = 0;

	usb_host_control(r->dev, USB_DIR_IN | USB_TYPE_VENDOR, 0xa1, 0, reg, &value, 4);
	return value;
}

static void reg_set(struct rig *r, unsigned reg, uint32_t value)
{
	usb_host_control(r->dev, USB_TYPE_VENDOR, 0xa0, 0, reg, &value, 4);
}

static void bring_up(struct rig *r, unsigned how)
{
	reg_set(r, SMSC_HW_CFG, SMSC_HW_CFG_BIR | SMSC_HW_CFG_MEF | SMSC_HW_CFG_BCE |
				(how & 3) << 9 | (how & 4 ? SMSC_HW_CFG_SBP : 0));
	reg_set(r, SMSC_BURST_CAP, how & 8 ? 37 : 4);
	reg_set(r, SMSC_COE_CR, how & 16 ? SMSC_COE_TX | SMSC_COE_RX : 0);
	reg_set(r, SMSC_INT_EP_CTL, SMSC_INT_ALL);
	reg_set(r, SMSC_TX_CFG, SMSC_TX_CFG_ON);
	reg_set(r, SMSC_MAC_CR, SMSC_MAC_CR_PRMS | SMSC_MAC_CR_TXEN | SMSC_MAC_CR_RXEN |
				(how & 32 ? SMSC_MAC_CR_LOOPBK : 0));
}

static void access_reg(struct rig *r, struct input *in)
{
	unsigned reg = take(in, 1) * 4;

	reg_get(r, reg);
	reg_set(r, reg, take(in, 4));
	reg_get(r, reg);
}

static void access_phy(struct rig *r, struct input *in)
{
	reg_set(r, SMSC_MII_DATA, take(in, 2));
	reg_set(r, SMSC_MII_ADDR, SMSC_PHY_ADDR << 11 | take(in, 2));
}

static void send_packet(struct rig *r, const uint8_t *data, unsigned len)
{
	unsigned sent = r->host.sent;

	if (usb_out(r->dev, BULK_OUT, data, len) == -EPIPE)
		usb_host_control(r->dev, USB_RECIP_ENDPOINT, USB_REQ_CLEAR_FEATURE,
				 USB_ENDPOINT_HALT, BULK_OUT, NULL, 0);
	if (r->host.sent != sent)
		CHECK(r->host.last->len >= NETDEV_HDR_LEN + SMSC_FRAME_MIN &&
		      r->host.last->len <= NETDEV_HDR_LEN + SMSC_FRAME_MAX);
}

static void send_raw(struct rig *r, struct input *in)
{
	unsigned len = take(in, 2) % (SMSC_PACKET + 1);
	uint8_t packet[SMSC_PACKET] = { 0 };

	for (unsigned i = 0; i < len && in->left; i++)
		packet[i] = take(in, 1);
	send_packet(r, packet, len);
}

/* A buffer that begins as it should: its commands of a few bytes. */
static void send_buffer(struct rig *r, struct input *in)
{
	unsigned len = take(in, 2) & SMSC_TX_A_SIZE, how = take(in, 1), at = 0, n;
	uint8_t data[8 + 2048] = { 0 };

	store_le(data, 4, len | (how & 3) << 12 | (how >> 2 & 3) << 16);
	store_le(data + 4, 4, (len + (how & 0x40 ? take(in, 1) : 0)) | (how >> 4 & 3) << 13);
	store_le(data + 8, 4, how & 0x80 ? take(in, 4) : 0x00320022);
	do {
		n = MIN(8 + len - at, (unsigned)SMSC_PACKET);
		send_packet(r, data + at, n);
		at += n;
	} while (n == SMSC_PACKET);
}

static void receive(struct rig *r, struct input *in)
{
	unsigned packets = 1 + take(in, 1) % 64, len = take(in, 2) % (SMSC_PACKET + 1);
	uint8_t packet[SMSC_PACKET];

	for (unsigned i = 0; i < packets; i++) {
		int ret = usb_in(r->dev, BULK_IN, packet, len);

		CHECK(ret <= (int)len);
		if (ret < (int)len)
			break;
	}
	usb_in(r->dev, INTERRUPT, packet, MIN(len, 16u));
}

static void give(struct rig *r, struct input *in)
{
	static uint8_t frame[NETDEV_HDR_LEN + NETDEV_FRAME_MAX];
	unsigned len = take(in, 2) % (sizeof(frame) + 1);

	frame[0] = take(in, 1) & 3;
	store_le(frame + NETDEV_HDR_LEN + 8, 8, take(in, 8));
	store_le(frame + NETDEV_HDR_LEN + 16, 8, take(in, 8));
	if (fake_netdev_left(&r->host) < FAKE_NETDEV_FRAMES)
		fake_netdev_give(&r->host, 0, frame, len);
}

static void disturb(struct rig *r, struct input *in)
{
	switch (take(in, 1) & 7) {
	case 0:
		usb_host_configure(r->dev);
		break;
	case 1:
		r->host.send_ret = -EAGAIN;
		break;
	case 2:
		fake_netdev_drain(&r->host, 0);
		break;
	case 3:
		if (r->host.listening[0])
			r->host.dev.front->readable(r->host.dev.front_ctx, 0);
		break;
	default:
		bring_up(r, take(in, 1));
		break;
	}
}

static void step(struct rig *r, struct input *in)
{
	static void (*const steps[])(struct rig *r, struct input *in) = {
		access_reg, access_phy, send_raw, send_buffer, receive, give, disturb, send_buffer,
	};

	steps[take(in, 1) & 7](r, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct rig r = { 0 };

	log_set_level(LOG_ERROR);
	fake_netdev_init(&r.host, 1, 0);
	usb_bus_init(&r.bus, NULL, NULL);
	CHECK(smsc95xx_create(&r.dev, &r.host.dev, mac) == 0);
	usb_host_start(&r.bus, r.dev);
	bring_up(&r, take(&in, 1));
	for (unsigned i = 0; i < STEPS && in.left; i++)
		step(&r, &in);
	smsc95xx_destroy(r.dev);
	fake_netdev_finish(&r.host);
	return 0;
}
