/* SPDX-License-Identifier: MIT */
/*
 * From the guest (LAN9500, TX data format). A transfer is a sequence of buffers, each behind
 * two command words and padded to a multiple of four bytes; a frame is one buffer or several,
 * of one transfer or several. While the host's end takes nothing, one finished frame and what
 * followed it in its packet are kept, and all other packets are refused.
 */
#include <assert.h>
#include <errno.h>

#include "devices/backend/netframe.h"
#include "devices/usb/smsc95xx_impl.h"

#define TX_FRAME_PADDED 60

void smsc_tx_reset(struct smsc95xx *s)
{
	bool blocked = s->tx.blocked;

	s->tx = (struct smsc_tx){ 0 };
	if (blocked)
		usb_ready(&s->usb);
}

/* The rest of the transfer is lost: the next one begins with a command. */
static void tx_error(struct smsc95xx *s, const char *why)
{
	log_guest(&s->log, "%s: transmit: %s", s->usb.name, why);
	s->tx.done = s->tx.len;
	s->tx.n_commands = s->tx.skip = s->tx.left = s->tx.pad = 0;
	s->tx.open = false;
	s->tx_dropped++;
	smsc_raise(s, SMSC_INT_TXE);
	if (*smsc_reg(s, SMSC_HW_CFG) & SMSC_HW_CFG_SBP) {
		s->tx.junk = true;
		return;
	}
	usb_halt(&s->usb, SMSC_EP_BULK_OUT, false);
}

/* --- a frame ------------------------------------------------------------------------- */

/* What the word in front of the frame asks for; false: it does not fit the frame. */
static bool tx_checksum(uint8_t *frame, unsigned len, uint32_t how)
{
	unsigned start = how & 0xfff, to = how >> 16 & 0xfff;
	uint16_t sum;

	if (start > len || to + 2 > len)
		return false;
	sum = ~netframe_sum(frame + start, len - start);
	frame[to] = sum >> 8;
	frame[to + 1] = sum;
	return true;
}

static bool tx_is_on(struct smsc95xx *s)
{
	return *smsc_reg(s, SMSC_MAC_CR) & SMSC_MAC_CR_TXEN &&
	       *smsc_reg(s, SMSC_TX_CFG) & SMSC_TX_CFG_ON && smsc_phy_has_link(s);
}

/* The frame is ready to go. */
static void tx_send(struct smsc95xx *s)
{
	static const uint8_t hdr[NETDEV_HDR_LEN];
	const struct iovec iov[] = {
		{ (void *)hdr, sizeof(hdr) },
		{ s->tx.frame + s->tx.frame_at, s->tx.frame_len - s->tx.frame_at },
	};
	int ret = 0;

	if (*smsc_reg(s, SMSC_MAC_CR) & SMSC_MAC_CR_LOOPBK || smsc_phy_loops(s))
		smsc_rx_loop_back(s, iov[1].iov_base, iov[1].iov_len);
	else
		ret = tx_is_on(s) ? netdev_send(s->dev, 0, iov, ARRAY_SIZE(iov)) : -ENETDOWN;
	s->tx.blocked = ret == -EAGAIN;
	if (!ret)
		s->sent++;
	else if (!s->tx.blocked)
		s->tx_dropped++;
}

/* Cuts off and adds what command B asks for; NULL, or what is wrong. */
static const char *tx_prepare(struct smsc95xx *s)
{
	struct smsc_tx *tx = &s->tx;
	uint32_t b = tx->command_b;
	bool csum = b & SMSC_TX_B_CSUM && *smsc_reg(s, SMSC_COE_CR) & SMSC_COE_TX;
	unsigned at = csum ? SMSC_TX_CSUM_LEN : 0, len;

	if (tx->frame_len != (b & SMSC_TX_B_LEN))
		return "buffers that do not make up a frame";
	if (b & SMSC_TX_B_HAS_FCS)
		tx->frame_len -= MIN(tx->frame_len, (unsigned)SMSC_FCS);
	len = tx->frame_len - MIN(tx->frame_len, at);
	if (len < SMSC_FRAME_MIN || len > SMSC_FRAME_MAX)
		return "a frame that is too short or too long";
	if (csum && !tx_checksum(tx->frame + at, len, load_le(tx->frame, 4)))
		return "a checksum outside of its frame";
	if (!(b & SMSC_TX_B_NO_PAD) && len < TX_FRAME_PADDED) {
		memset(tx->frame + tx->frame_len, 0, TX_FRAME_PADDED - len);
		tx->frame_len = at + TX_FRAME_PADDED;
	}
	tx->frame_at = at;
	return NULL;
}

/* All of it is there. */
static void tx_finish(struct smsc95xx *s)
{
	const char *why = tx_prepare(s);

	s->tx.open = false;
	if (why)
		tx_error(s, why);
	else
		tx_send(s);
}

/* --- buffers ------------------------------------------------------------------------- */

static const char *tx_check(const struct smsc_tx *tx, uint32_t a, uint32_t b)
{
	if (a & SMSC_TX_A_FIRST ? tx->open : !tx->open)
		return "a buffer that is not the next one of its frame";
	if (!(a & SMSC_TX_A_FIRST) && (tx->command_b ^ b) & SMSC_TX_B_LEN)
		return "buffers of frames of different lengths";
	if ((a & SMSC_TX_A_FIRST ? 0 : tx->frame_len) + (a & SMSC_TX_A_SIZE) > (b & SMSC_TX_B_LEN))
		return "a buffer larger than its frame";
	return NULL;
}

/* Both commands are there. */
static void tx_begin(struct smsc95xx *s)
{
	struct smsc_tx *tx = &s->tx;
	uint32_t a = load_le(tx->commands, 4), b = load_le(tx->commands + 4, 4);
	const char *why = tx_check(tx, a, b);

	if (why) {
		tx_error(s, why);
		return;
	}
	if (a & SMSC_TX_A_FIRST) {
		tx->open = true;
		tx->frame_len = 0;
		tx->command_b = b;
	}
	tx->last = a & SMSC_TX_A_LAST;
	tx->skip = SMSC_TX_A_OFFSET(a);
	tx->left = a & SMSC_TX_A_SIZE;
	tx->pad = -(tx->skip + tx->left) & 3;
}

/* Moves up to @max bytes of the packet to @to, or nowhere; how many. */
static unsigned tx_take(struct smsc_tx *tx, void *to, unsigned max)
{
	unsigned n = MIN(max, tx->len - tx->done);

	if (to)
		memcpy(to, tx->packet + tx->done, n);
	tx->done += n;
	return n;
}

/* Some of the packet, up to what comes next in a buffer. */
static void tx_step(struct smsc95xx *s)
{
	struct smsc_tx *tx = &s->tx;
	unsigned n;

	if (tx->n_commands < sizeof(tx->commands)) {
		tx->n_commands += tx_take(tx, tx->commands + tx->n_commands,
					  sizeof(tx->commands) - tx->n_commands);
		if (tx->n_commands < sizeof(tx->commands))
			return;
		tx_begin(s);
	} else if (tx->skip) {
		tx->skip -= tx_take(tx, NULL, tx->skip);
	} else if (tx->left) {
		n = tx_take(tx, tx->frame + tx->frame_len, tx->left);
		tx->left -= n;
		tx->frame_len += n;
	} else {
		tx->pad -= tx_take(tx, NULL, tx->pad);
	}
	if (tx->open && tx->n_commands == sizeof(tx->commands) && !tx->skip && !tx->left &&
	    tx->last)
		tx_finish(s);
	if (!tx->skip && !tx->left && !tx->pad && tx->n_commands == sizeof(tx->commands))
		tx->n_commands = 0;
}

/* A short packet ends a transfer, where padding may be missing and nothing else. */
static void tx_end_transfer(struct smsc95xx *s)
{
	struct smsc_tx *tx = &s->tx;

	if (!tx->junk && (tx->skip || tx->left || (tx->n_commands && !tx->pad)))
		tx_error(s, "a transfer that ends within a buffer");
	tx->n_commands = tx->pad = 0;
	tx->junk = false;
}

static void tx_run(struct smsc95xx *s)
{
	struct smsc_tx *tx = &s->tx;

	while (tx->done < tx->len && !tx->blocked)
		tx_step(s);
	if (!tx->blocked && tx->len < SMSC_PACKET)
		tx_end_transfer(s);
}

/* --- by packets ---------------------------------------------------------------------- */

int smsc_tx_out(struct smsc95xx *s, const uint8_t *data, unsigned len)
{
	struct smsc_tx *tx = &s->tx;

	if (tx->blocked)
		return -EAGAIN;
	assert(len <= SMSC_PACKET);
	memcpy(tx->packet, data, len);
	tx->len = len;
	tx->done = tx->junk ? tx->len : 0;
	tx_run(s);
	return 0;
}

void smsc_tx_writable(struct smsc95xx *s)
{
	if (!s->tx.blocked)
		return;
	tx_send(s);
	tx_run(s);
	if (!s->tx.blocked)
		usb_ready(&s->usb);
}
