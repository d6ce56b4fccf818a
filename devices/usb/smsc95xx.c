/* SPDX-License-Identifier: MIT */
/* Descriptors, registers, the interrupt endpoint, and life. */
#include "devices/usb/smsc95xx_impl.h"

#include <errno.h>
#include <stdlib.h>

#define REQUEST_WRITE 0xa0
#define REQUEST_READ 0xa1

#define ID_REV 0xec000002
#define MAC_CR_INITIAL 0x00040000
#define VLAN_INITIAL 0xffff

/* --- descriptors (USB 2.0, 9.6) -------------------------------------------------------- */

#define INTERRUPT_PACKET 16
#define CONFIG_LEN (USB_DT_CONFIG_SIZE + USB_DT_INTERFACE_SIZE + 3 * USB_DT_ENDPOINT_SIZE)

static const struct usb_device_descriptor device_descriptor = {
	.bLength = USB_DT_DEVICE_SIZE,
	.bDescriptorType = USB_DT_DEVICE,
	.bcdUSB = 0x0200,
	.bDeviceClass = USB_CLASS_VENDOR_SPEC,
	.bDeviceProtocol = 1,
	.bMaxPacketSize0 = 64,
	.idVendor = 0x0424,
	.idProduct = 0xec00,
	.bcdDevice = 0x0200,
	.bNumConfigurations = 1,
};

static const uint8_t config_descriptor[CONFIG_LEN] = {
	USB_DT_CONFIG_SIZE, USB_DT_CONFIG, CONFIG_LEN, 0, 1, 1, 0,
	USB_CONFIG_ATT_ONE | USB_CONFIG_ATT_SELFPOWER, 1,

	USB_DT_INTERFACE_SIZE, USB_DT_INTERFACE, 0, 0, 3, USB_CLASS_VENDOR_SPEC, 0, 0xff, 0,

	USB_DT_ENDPOINT_SIZE, USB_DT_ENDPOINT, USB_DIR_IN | SMSC_EP_BULK_IN,
	USB_ENDPOINT_XFER_BULK, SMSC_PACKET & 0xff, SMSC_PACKET >> 8, 0,

	USB_DT_ENDPOINT_SIZE, USB_DT_ENDPOINT, USB_DIR_OUT | SMSC_EP_BULK_OUT,
	USB_ENDPOINT_XFER_BULK, SMSC_PACKET & 0xff, SMSC_PACKET >> 8, 0,

	/* Every millisecond: 2^(4-1) microframes. */
	USB_DT_ENDPOINT_SIZE, USB_DT_ENDPOINT, USB_DIR_IN | SMSC_EP_INTERRUPT,
	USB_ENDPOINT_XFER_INT, INTERRUPT_PACKET, 0, 4,
};

static const struct usb_descriptors descriptors = {
	.device = &device_descriptor,
	.config = config_descriptor,
};

/* --- interrupts ------------------------------------------------------------------------ */

static uint32_t interrupt_status(struct smsc95xx *s)
{
	return *smsc_reg(s, SMSC_INT_STS) | (smsc_phy_interrupts(s) ? SMSC_INT_PHY : 0);
}

/* Whether the endpoint has something to say. */
static bool interrupt_is_due(struct smsc95xx *s)
{
	uint32_t ctl = *smsc_reg(s, SMSC_INT_EP_CTL);

	return ctl & SMSC_INT_EP_ALWAYS || interrupt_status(s) & ctl & SMSC_INT_ALL;
}

void smsc_raise(struct smsc95xx *s, uint32_t bits)
{
	*smsc_reg(s, SMSC_INT_STS) |= bits;
	if (interrupt_is_due(s))
		usb_ready(&s->usb);
}

static int interrupt_in(struct smsc95xx *s, void *data, unsigned len)
{
	uint32_t status = interrupt_status(s);

	if (!interrupt_is_due(s))
		return -EAGAIN;
	len = MIN(len, (unsigned)sizeof(status));
	memcpy(data, &status, len);
	return len;
}

/* --- registers ------------------------------------------------------------------------- */

/* LAN9500, EEPROM format: a mark and the address, nothing else. */
static uint8_t eeprom_byte(const struct smsc95xx *s, unsigned at)
{
	if (at >= 1 && at <= NETADDR_MAC_LEN)
		return s->mac[at - 1];
	return at ? 0xff : 0xa5;
}

static void eeprom_load(struct smsc95xx *s)
{
	*smsc_reg(s, SMSC_ADDRL) = load_le(s->mac, 4);
	*smsc_reg(s, SMSC_ADDRH) = load_le(s->mac + 4, 2);
	*smsc_reg(s, SMSC_E2P_CMD) |= SMSC_E2P_CMD_LOADED;
}

/* Done at once. What would change it gets no answer. */
static void eeprom_command(struct smsc95xx *s, uint32_t value)
{
	uint32_t *cmd = smsc_reg(s, SMSC_E2P_CMD);

	*cmd = (value & ~(SMSC_E2P_CMD_BUSY | SMSC_E2P_CMD_TIMEOUT)) | SMSC_E2P_CMD_LOADED;
	if (!(value & SMSC_E2P_CMD_BUSY))
		return;
	if (SMSC_E2P_CMD_OP(value) == SMSC_E2P_READ)
		*smsc_reg(s, SMSC_E2P_DATA) = eeprom_byte(s, value & SMSC_E2P_CMD_ADDR);
	else if (SMSC_E2P_CMD_OP(value) == SMSC_E2P_RELOAD)
		eeprom_load(s);
	else
		*cmd |= SMSC_E2P_CMD_TIMEOUT;
}

/* Soft lite reset: all but the PHY. */
static void chip_reset(struct smsc95xx *s)
{
	memset(s->regs, 0, sizeof(s->regs));
	*smsc_reg(s, SMSC_ID_REV) = ID_REV;
	*smsc_reg(s, SMSC_PM_CTRL) = SMSC_PM_CTRL_DEV_RDY;
	*smsc_reg(s, SMSC_MAC_CR) = MAC_CR_INITIAL;
	eeprom_load(s);
	*smsc_reg(s, SMSC_VLAN1) = *smsc_reg(s, SMSC_VLAN2) = VLAN_INITIAL;
	smsc_tx_reset(s);
	smsc_rx_reset(s);
}

static uint32_t reg_read(struct smsc95xx *s, unsigned off)
{
	if (off % 4 || off >= SMSC_REGS_END)
		return 0;
	switch (off) {
	case SMSC_INT_STS:
		return interrupt_status(s);
	case SMSC_RX_FIFO_INF:
		return MIN(s->rx.bytes, (unsigned)SMSC_RX_FIFO_USED);
	case SMSC_TX_FIFO_INF:
		return s->tx.blocked ? 0 : SMSC_TX_FIFO_FREE;
	default:
		return *smsc_reg(s, off);
	}
}

static uint32_t tx_cfg_write(struct smsc95xx *s, uint32_t value)
{
	if (value & SMSC_FIFO_FLUSH)
		smsc_tx_reset(s);
	if (value & SMSC_TX_CFG_STOP) {
		smsc_raise(s, SMSC_INT_TX_STOP);
		value &= ~SMSC_TX_CFG_ON;
	}
	return value & ~(SMSC_FIFO_FLUSH | SMSC_TX_CFG_STOP);
}

static uint32_t pm_ctrl_write(struct smsc95xx *s, uint32_t value)
{
	if (value & SMSC_PM_CTRL_PHY_RST)
		smsc_phy_reset(s);
	/* Nothing wakes it up. */
	return (value & ~(SMSC_PM_CTRL_PHY_RST | SMSC_PM_CTRL_WUPS)) | SMSC_PM_CTRL_DEV_RDY;
}

/*
 * Done at once, so that nobody sees it busy; some drivers, U-Boot's, do not say that it is to
 * be. Behind other addresses there is no PHY.
 */
static uint32_t mii_addr_write(struct smsc95xx *s, uint32_t value)
{
	unsigned phy = value >> 11 & 0x1f, reg = value >> 6 & 0x1f;

	if (!(value & SMSC_MII_WRITE))
		*smsc_reg(s, SMSC_MII_DATA) = phy == SMSC_PHY_ADDR ? smsc_phy_read(s, reg) : 0xffff;
	else if (phy == SMSC_PHY_ADDR)
		smsc_phy_write(s, reg, *smsc_reg(s, SMSC_MII_DATA));
	smsc_rx_update(s);
	return value & ~SMSC_MII_BUSY;
}

static void hw_cfg_write(struct smsc95xx *s, uint32_t value)
{
	*smsc_reg(s, SMSC_HW_CFG) = value;
	if (value & SMSC_HW_CFG_SRST)
		smsc_phy_reset(s);
	if (value & (SMSC_HW_CFG_LRST | SMSC_HW_CFG_SRST))
		chip_reset(s);
}

static void reg_write(struct smsc95xx *s, unsigned off, uint32_t value)
{
	if (off % 4 || off >= SMSC_REGS_END)
		return;
	switch (off) {
	case SMSC_ID_REV:
	case SMSC_STRAP_STATUS:
		return;
	case SMSC_INT_STS:
		*smsc_reg(s, off) &= ~value;
		return;
	case SMSC_HW_CFG:
		hw_cfg_write(s, value);
		return;
	case SMSC_RX_CFG:
		if (value & SMSC_FIFO_FLUSH)
			smsc_rx_reset(s);
		value &= ~SMSC_FIFO_FLUSH;
		break;
	case SMSC_TX_CFG:
		value = tx_cfg_write(s, value);
		break;
	case SMSC_PM_CTRL:
		value = pm_ctrl_write(s, value);
		break;
	case SMSC_E2P_CMD:
		eeprom_command(s, value);
		return;
	case SMSC_MII_ADDR:
		value = mii_addr_write(s, value);
		break;
	case SMSC_FLOW:
		value &= ~SMSC_FLOW_BUSY;
		break;
	}
	*smsc_reg(s, off) = value;
	if (off == SMSC_MAC_CR)
		smsc_rx_update(s);
	if (off == SMSC_INT_EP_CTL)
		smsc_raise(s, 0);
}

/* --- the device ------------------------------------------------------------------------ */

static int smsc_control(struct usb_device *usb, const struct usb_ctrlrequest *req, void *data)
{
	const uint8_t vendor = USB_TYPE_VENDOR | USB_RECIP_DEVICE;
	struct smsc95xx *s = usb->priv;

	if (req->wLength != 4)
		return -EPIPE;
	if (req->bRequestType == (USB_DIR_IN | vendor) && req->bRequest == REQUEST_READ)
		store_le(data, 4, reg_read(s, req->wIndex));
	else if (req->bRequestType == (USB_DIR_OUT | vendor) && req->bRequest == REQUEST_WRITE)
		reg_write(s, req->wIndex, load_le(data, 4));
	else
		return -EPIPE;
	return 4;
}

static int smsc_in(struct usb_device *usb, unsigned ep, void *data, unsigned len)
{
	switch (ep) {
	case SMSC_EP_BULK_IN:
		return smsc_rx_in(usb->priv, data, len);
	case SMSC_EP_INTERRUPT:
		return interrupt_in(usb->priv, data, len);
	default:
		return -EPIPE;
	}
}

static int smsc_out(struct usb_device *usb, unsigned ep, const void *data, unsigned len)
{
	return ep == SMSC_EP_BULK_OUT ? smsc_tx_out(usb->priv, data, len) : -EPIPE;
}

static void smsc_reset(struct usb_device *usb)
{
	smsc_phy_reset(usb->priv);
	chip_reset(usb->priv);
}

static const struct usb_device_ops smsc_ops = {
	.reset = smsc_reset,
	.control = smsc_control,
	.in = smsc_in,
	.out = smsc_out,
};

/* --- the host's end, and life ------------------------------------------------------------ */

static void smsc_readable(void *ctx, unsigned queue)
{
	(void)queue;
	smsc_rx_readable(ctx);
}

static void smsc_writable(void *ctx, unsigned queue)
{
	(void)queue;
	smsc_tx_writable(ctx);
}

static const struct netdev_front_ops smsc_front_ops = {
	.readable = smsc_readable,
	.writable = smsc_writable,
};

int smsc95xx_create(struct usb_device **out, struct netdev *dev,
		    const uint8_t mac[NETADDR_MAC_LEN])
{
	struct smsc95xx *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->usb = (struct usb_device){
		.name = "smsc95xx",
		.ops = &smsc_ops,
		.descriptors = &descriptors,
		.priv = s,
	};
	s->dev = dev;
	memcpy(s->mac, mac, sizeof(s->mac));
	smsc_reset(&s->usb);
	netdev_attach(dev, &smsc_front_ops, s);
	*out = &s->usb;
	return 0;
}

void smsc95xx_destroy(struct usb_device *usb)
{
	struct smsc95xx *s = usb->priv;

	log_debug("%s, %s: %llu frames sent, %llu dropped; %llu received, %llu dropped", usb->name,
		  s->dev->kind, (unsigned long long)s->sent, (unsigned long long)s->tx_dropped,
		  (unsigned long long)s->received, (unsigned long long)s->rx_dropped);
	netdev_close(s->dev);
	free(s);
}
