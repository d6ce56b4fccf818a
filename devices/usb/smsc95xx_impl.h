/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Ethernet function share: registers by their offsets, and state.
 *
 *     smsc95xx.c       descriptors, registers, interrupt endpoint, life
 *     smsc95xx_phy.c   the PHY behind MII_ADDR and MII_DATA
 *     smsc95xx_tx.c    bulk OUT: commands and pieces of frames
 *     smsc95xx_rx.c    bulk IN: which frames are taken, and how they are packed
 */
#ifndef MICROVM_SMSC95XX_IMPL_H
#define MICROVM_SMSC95XX_IMPL_H

#include "devices/usb/smsc95xx.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define SMSC_EP_BULK_IN 1
#define SMSC_EP_BULK_OUT 2
#define SMSC_EP_INTERRUPT 3
#define SMSC_PACKET 512		/* wMaxPacketSize of both bulk endpoints */
#define SMSC_FRAME_MIN 14
#define SMSC_FRAME_MAX (14 + 4 + SMSC95XX_MTU)
#define SMSC_FCS 4

/* System control and status registers. */
#define SMSC_ID_REV 0x00
#define SMSC_INT_STS 0x08	/* a 1 clears */
#define SMSC_INT_TX_STOP BIT(17)
#define SMSC_INT_PHY BIT(15)	/* a level, and cleared there */
#define SMSC_INT_TXE BIT(14)
#define SMSC_INT_RXDF BIT(11)
#define SMSC_INT_ALL 0x7ffff
#define SMSC_RX_CFG 0x0c
#define SMSC_FIFO_FLUSH 1	/* of RX_CFG and TX_CFG */
#define SMSC_TX_CFG 0x10
#define SMSC_TX_CFG_ON 4
#define SMSC_TX_CFG_STOP 2
#define SMSC_HW_CFG 0x14
#define SMSC_HW_CFG_BIR 0x1000	/* an empty bulk IN is a NAK, not a packet of no bytes */
#define SMSC_HW_CFG_RXDOFF(v) ((v) >> 9 & 3)
#define SMSC_HW_CFG_SBP 0x100	/* bulk OUT does not stall after an error */
#define SMSC_HW_CFG_MEF 0x20	/* several frames a transfer */
#define SMSC_HW_CFG_LRST 8
#define SMSC_HW_CFG_BCE 2	/* of at most BURST_CAP packets */
#define SMSC_HW_CFG_SRST 1
#define SMSC_RX_FIFO_INF 0x18
#define SMSC_RX_FIFO_USED 0xffff
#define SMSC_TX_FIFO_INF 0x1c
#define SMSC_TX_FIFO_FREE 0x2000
#define SMSC_PM_CTRL 0x20
#define SMSC_PM_CTRL_DEV_RDY 0x80
#define SMSC_PM_CTRL_PHY_RST 0x10
#define SMSC_PM_CTRL_WUPS 3	/* a 1 clears */
#define SMSC_E2P_CMD 0x30
#define SMSC_E2P_CMD_BUSY 0x80000000u
#define SMSC_E2P_CMD_OP(v) ((v) >> 28 & 7)
#define SMSC_E2P_READ 0
#define SMSC_E2P_RELOAD 7
#define SMSC_E2P_CMD_TIMEOUT 0x400
#define SMSC_E2P_CMD_LOADED 0x200
#define SMSC_E2P_CMD_ADDR 0x1ff
#define SMSC_E2P_DATA 0x34
#define SMSC_BURST_CAP 0x38
#define SMSC_STRAP_STATUS 0x3c
#define SMSC_INT_EP_CTL 0x68
#define SMSC_INT_EP_ALWAYS 0x80000000u

/* MAC control and status registers. */
#define SMSC_MAC_CR 0x100
#define SMSC_MAC_CR_RXALL BIT(31)
#define SMSC_MAC_CR_LOOPBK BIT(21)
#define SMSC_MAC_CR_MCPAS BIT(19)	/* all multicast ones */
#define SMSC_MAC_CR_PRMS BIT(18)	/* all */
#define SMSC_MAC_CR_INVFILT BIT(17)
#define SMSC_MAC_CR_HFILT BIT(15)	/* hash for single addresses too */
#define SMSC_MAC_CR_HPFILT BIT(13)	/* hash for multicast */
#define SMSC_MAC_CR_BCAST BIT(11)	/* no broadcast */
#define SMSC_MAC_CR_TXEN BIT(3)
#define SMSC_MAC_CR_RXEN BIT(2)
#define SMSC_ADDRH 0x104
#define SMSC_ADDRL 0x108
#define SMSC_HASHH 0x10c
#define SMSC_HASHL 0x110
#define SMSC_MII_ADDR 0x114
#define SMSC_MII_WRITE 2
#define SMSC_MII_BUSY 1
#define SMSC_PHY_ADDR 1
#define SMSC_MII_DATA 0x118
#define SMSC_FLOW 0x11c
#define SMSC_FLOW_BUSY 1
#define SMSC_VLAN1 0x120
#define SMSC_VLAN2 0x124
#define SMSC_COE_CR 0x130	/* checksum offload engines */
#define SMSC_COE_TX BIT(16)
#define SMSC_COE_RX_MODE BIT(1)	/* sums begin behind tags and SNAP */
#define SMSC_COE_RX BIT(0)
#define SMSC_REGS_END 0x134

/* TX commands A and B. */
#define SMSC_TX_A_OFFSET(a) ((a) >> 16 & 0x1f)
#define SMSC_TX_A_FIRST 0x2000
#define SMSC_TX_A_LAST 0x1000
#define SMSC_TX_A_SIZE 0x7ff
#define SMSC_TX_B_CSUM 0x4000
#define SMSC_TX_B_HAS_FCS 0x2000
#define SMSC_TX_B_NO_PAD 0x1000
#define SMSC_TX_B_LEN 0x7ff
#define SMSC_TX_CSUM_LEN 4	/* of the word that says from where to where */

/* The RX status word. */
#define SMSC_RX_FILTER_FAIL BIT(30)
#define SMSC_RX_BROADCAST BIT(13)
#define SMSC_RX_MULTICAST BIT(10)
#define SMSC_RX_TYPE BIT(5)	/* Ethernet II, not a length */

struct smsc_phy {
	uint16_t bmcr, advertise, mode, ctrl, source, mask;
};

struct smsc_tx {
	uint8_t packet[SMSC_PACKET];	/* that is being taken apart */
	unsigned len, done;
	bool junk;		/* what follows an error, up to the end of the transfer */
	/* of a buffer: its commands, then bytes to skip, to take, and to the next word */
	uint8_t commands[8];
	unsigned n_commands, skip, left, pad;
	bool last;
	/* of a frame, whose command B all its buffers have */
	bool open;		/* begun, and not all of it is here */
	uint32_t command_b;
	unsigned frame_at, frame_len;	/* from where on to where it is one of Ethernet */
	uint8_t frame[SMSC_TX_B_LEN + 1];
	bool blocked;		/* finished, and the host's end takes nothing just now */
};

#define SMSC_RX_FRAMES 64
/* Status, offset, frame, FCS, checksum. */
#define SMSC_RX_SLOT (4 + 3 + SMSC_FRAME_MAX + SMSC_FCS + 2)

struct smsc_rx {
	struct {
		unsigned len;
		uint8_t data[SMSC_RX_SLOT];
	} frames[SMSC_RX_FRAMES];
	unsigned head, count;
	unsigned bytes;		/* of all of them */
	unsigned done;		/* bytes of the first one that have left */
	unsigned pad;		/* to be sent before it */
	unsigned transfer;	/* bytes of the transfer so far */
	bool listening;
	uint8_t spill[NETDEV_FRAME_MAX];	/* what is no frame of ours */
};

struct smsc95xx {
	struct usb_device usb;
	struct netdev *dev;
	uint8_t mac[NETADDR_MAC_LEN];	/* that the EEPROM has */
	uint32_t regs[SMSC_REGS_END / 4];
	struct smsc_phy phy;
	struct smsc_tx tx;
	struct smsc_rx rx;
	uint64_t sent, tx_dropped, received, rx_dropped;
	struct log_rate log;
};

static inline uint32_t *smsc_reg(struct smsc95xx *s, unsigned off)
{
	return &s->regs[off / 4];
}

/* An event for INT_STS. */
void smsc_raise(struct smsc95xx *s, uint32_t bits);

/* --- smsc95xx_phy.c ------------------------------------------------------------------ */

void smsc_phy_reset(struct smsc95xx *s);
uint16_t smsc_phy_read(struct smsc95xx *s, unsigned reg);	/* 0 to 31 */
void smsc_phy_write(struct smsc95xx *s, unsigned reg, uint16_t value);
bool smsc_phy_interrupts(const struct smsc95xx *s);
bool smsc_phy_has_link(const struct smsc95xx *s);
bool smsc_phy_loops(const struct smsc95xx *s);

/* --- smsc95xx_tx.c ------------------------------------------------------------------- */

void smsc_tx_reset(struct smsc95xx *s);
int smsc_tx_out(struct smsc95xx *s, const uint8_t *data, unsigned len);
void smsc_tx_writable(struct smsc95xx *s);

/* --- smsc95xx_rx.c ------------------------------------------------------------------- */

void smsc_rx_reset(struct smsc95xx *s);
int smsc_rx_in(struct smsc95xx *s, uint8_t *data, unsigned len);
/* The receiver may have been turned on or off, or have got room. */
void smsc_rx_update(struct smsc95xx *s);
void smsc_rx_readable(struct smsc95xx *s);
/* A frame that was sent comes back. */
void smsc_rx_loop_back(struct smsc95xx *s, const uint8_t *frame, unsigned len);

#endif
