/* SPDX-License-Identifier: MIT */
/*
 * To the guest. Frames wait in a FIFO, each in the form in which it leaves: status word,
 * offset, frame, FCS, checksum. While that is full nothing is read from the host's end,
 * which keeps some and then drops.
 *
 * A transfer is one frame, or several with MEF, each from the second on at a multiple of four
 * bytes. It ends by a packet that is short, empty if need be: the burst cap is taken for
 * a limit that is not reached, so that no transfer fills the host's buffer and needs none.
 * Nothing waits for more to come (BULK_IN_DLY, 0.14 ms as Linux has it): what comes while the
 * guest is at work is together in the next transfer as it is, and timers are of milliseconds.
 */
#include <errno.h>

#include "devices/backend/netframe.h"
#include "devices/usb/smsc95xx_impl.h"

/* Received from the host in one go, those that are not for the guest included. */
#define RX_BATCH 64
#define RX_SNAP_LEN 8

/* --- which (LAN9500, MAC_CR: address filtering) --------------------------------------- */

/* The bit of the hash table: the six highest of the CRC (IEEE 802.3) over the address. */
static unsigned hash_of(const uint8_t mac[NETADDR_MAC_LEN])
{
	uint32_t crc = ~0u;

	for (unsigned i = 0; i < NETADDR_MAC_LEN; i++)
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ ((crc >> 31 ^ (mac[i] >> bit & 1)) ? 0x04c11db7 : 0);
	return crc >> 26;
}

static bool in_hash(struct smsc95xx *s, const uint8_t *mac)
{
	unsigned hash = hash_of(mac);

	return *smsc_reg(s, hash & 32 ? SMSC_HASHH : SMSC_HASHL) >> (hash & 31) & 1;
}

static bool is_own(struct smsc95xx *s, const uint8_t *mac)
{
	return load_le(mac, 4) == *smsc_reg(s, SMSC_ADDRL) &&
	       load_le(mac + 4, 2) == (*smsc_reg(s, SMSC_ADDRH) & 0xffff);
}

static bool is_broadcast(const uint8_t *mac)
{
	return load_le(mac, 4) == 0xffffffff && load_le(mac + 4, 2) == 0xffff;
}

static bool passes(struct smsc95xx *s, const uint8_t *mac)
{
	uint32_t cr = *smsc_reg(s, SMSC_MAC_CR);

	if (cr & SMSC_MAC_CR_PRMS)
		return true;
	if (is_broadcast(mac))
		return !(cr & SMSC_MAC_CR_BCAST);
	if (mac[0] & 1 && cr & SMSC_MAC_CR_MCPAS)
		return true;
	if (cr & SMSC_MAC_CR_HPFILT && (mac[0] & 1 || cr & SMSC_MAC_CR_HFILT))
		return in_hash(s, mac);
	return is_own(s, mac) != !!(cr & SMSC_MAC_CR_INVFILT);
}

/* --- in which form ------------------------------------------------------------------- */

static uint32_t status_of(struct smsc95xx *s, const uint8_t *frame, unsigned total)
{
	bool type = frame[12] >= 6;	/* 0x600 and above */

	return total << 16 | (passes(s, frame) ? 0 : SMSC_RX_FILTER_FAIL) |
	       (is_broadcast(frame) ? SMSC_RX_BROADCAST : frame[0] & 1 ? SMSC_RX_MULTICAST : 0) |
	       (type ? SMSC_RX_TYPE : 0);
}

/* Where the third layer begins, as far as the chip looks: VLAN tags, SNAP. */
static unsigned l3_of(struct smsc95xx *s, const uint8_t *frame, unsigned len)
{
	unsigned at = 12;

	for (unsigned reg = SMSC_VLAN1; reg <= SMSC_VLAN2 && at + 6 <= len; reg += 4)
		if ((frame[at] << 8 | frame[at + 1]) == (int)(*smsc_reg(s, reg) & 0xffff))
			at += 4;
	if (at + 2 + RX_SNAP_LEN <= len && frame[at] < 6 && frame[at + 2] == 0xaa &&
	    frame[at + 3] == 0xaa && frame[at + 4] == 3)
		at += RX_SNAP_LEN;
	return at + 2;
}

/* What stands in front of a frame. */
static unsigned head_len(struct smsc95xx *s)
{
	return 4 + SMSC_HW_CFG_RXDOFF(*smsc_reg(s, SMSC_HW_CFG));
}

/*
 * The frame of @len bytes is in the next free slot already, behind its head: it is in the
 * FIFO from now on. The FCS is not worth the time that it takes: drivers cut it off.
 */
static void rx_commit(struct smsc95xx *s, unsigned len)
{
	unsigned head = head_len(s), slot = (s->rx.head + s->rx.count) % SMSC_RX_FRAMES;
	uint8_t *data = s->rx.frames[slot].data, *frame = data + head;
	uint32_t coe = *smsc_reg(s, SMSC_COE_CR);
	unsigned total = len + SMSC_FCS;

	memset(frame + len, 0, SMSC_FCS);
	if (coe & SMSC_COE_RX) {
		unsigned l3 = coe & SMSC_COE_RX_MODE ? l3_of(s, frame, len) : SMSC_FRAME_MIN;
		uint16_t sum = netframe_sum(frame + l3, len - l3);

		frame[total++] = sum >> 8;
		frame[total++] = sum;
	}
	memset(data, 0, head);
	store_le(data, 4, status_of(s, frame, total));
	s->rx.frames[slot].len = head + total;
	s->rx.bytes += head + total;
	s->rx.count++;
	s->received++;
	if (s->rx.count == 1)
		usb_ready(&s->usb);
}

static bool is_wanted(struct smsc95xx *s, const uint8_t *frame)
{
	return *smsc_reg(s, SMSC_MAC_CR) & SMSC_MAC_CR_RXALL || passes(s, frame);
}

/* --- from the host -------------------------------------------------------------------- */

/* False: the host has none. */
static bool rx_one(struct smsc95xx *s)
{
	struct smsc_rx *rx = &s->rx;
	uint8_t hdr[NETDEV_HDR_LEN];
	uint8_t *frame = rx->frames[(rx->head + rx->count) % SMSC_RX_FRAMES].data + head_len(s);
	const struct iovec iov[] = {
		{ hdr, sizeof(hdr) },
		{ frame, SMSC_FRAME_MAX },
		{ rx->spill, sizeof(rx->spill) },
	};
	ssize_t len = netdev_recv(s->dev, 0, iov, ARRAY_SIZE(iov));

	if (len < 0)
		return false;
	/* One of before this card was there may leave something to be done to it. */
	if (len < NETDEV_HDR_LEN + SMSC_FRAME_MIN || len > NETDEV_HDR_LEN + SMSC_FRAME_MAX ||
	    hdr[0] & ~2 || hdr[1])
		s->rx_dropped++;
	else if (is_wanted(s, frame))
		rx_commit(s, len - NETDEV_HDR_LEN);
	return true;
}

static bool rx_is_on(struct smsc95xx *s)
{
	return *smsc_reg(s, SMSC_MAC_CR) & SMSC_MAC_CR_RXEN && smsc_phy_has_link(s);
}

void smsc_rx_update(struct smsc95xx *s)
{
	/* Not for each frame: that costs a system call. */
	unsigned max = s->rx.listening ? SMSC_RX_FRAMES : SMSC_RX_FRAMES / 2;
	bool listen = rx_is_on(s) && s->rx.count < max;

	if (listen != s->rx.listening)
		netdev_listen(s->dev, 0, listen);
	s->rx.listening = listen;
}

void smsc_rx_readable(struct smsc95xx *s)
{
	unsigned left = RX_BATCH;

	while (rx_is_on(s) && left-- && s->rx.count < SMSC_RX_FRAMES && rx_one(s))
		;
	smsc_rx_update(s);
}

void smsc_rx_loop_back(struct smsc95xx *s, const uint8_t *frame, unsigned len)
{
	struct smsc_rx *rx = &s->rx;

	if (!rx_is_on(s) || !is_wanted(s, frame))
		return;
	if (rx->count == SMSC_RX_FRAMES) {
		s->rx_dropped++;
		smsc_raise(s, SMSC_INT_RXDF);
		return;
	}
	memcpy(rx->frames[(rx->head + rx->count) % SMSC_RX_FRAMES].data + head_len(s), frame, len);
	rx_commit(s, len);
}

/* --- to the guest --------------------------------------------------------------------- */

/* Whether the first frame, of which nothing has left, goes into the same transfer. */
static bool rx_joins(struct smsc95xx *s)
{
	uint32_t cfg = *smsc_reg(s, SMSC_HW_CFG);
	unsigned cap = (*smsc_reg(s, SMSC_BURST_CAP) & 0xff) * SMSC_PACKET;
	unsigned end = align_up(s->rx.transfer, 4) + s->rx.frames[s->rx.head].len;

	if (!s->rx.transfer)
		return true;
	return cfg & SMSC_HW_CFG_MEF && (!(cfg & SMSC_HW_CFG_BCE) || end < cap);
}

/* What of the first frame fits, and what is in front of it to make it aligned. */
static unsigned rx_take(struct smsc95xx *s, uint8_t *data, unsigned len)
{
	struct smsc_rx *rx = &s->rx;
	unsigned pad = MIN(rx->pad, len), frame_len = rx->frames[rx->head].len;
	unsigned n = MIN(frame_len - rx->done, len - pad);

	memset(data, 0, pad);
	memcpy(data + pad, rx->frames[rx->head].data + rx->done, n);
	rx->pad -= pad;
	rx->done += n;
	rx->transfer += pad + n;
	if (rx->done == frame_len) {
		rx->bytes -= frame_len;
		rx->done = 0;
		rx->head = (rx->head + 1) % SMSC_RX_FRAMES;
		rx->count--;
	}
	return pad + n;
}

int smsc_rx_in(struct smsc95xx *s, uint8_t *data, unsigned len)
{
	struct smsc_rx *rx = &s->rx;
	unsigned n = 0;

	if (!rx->count && !rx->transfer)
		return *smsc_reg(s, SMSC_HW_CFG) & SMSC_HW_CFG_BIR ? -EAGAIN : 0;
	while (n < len && rx->count) {
		if (!rx->done && !rx->pad) {
			if (!rx_joins(s))
				break;
			rx->pad = -rx->transfer & 3;
		}
		n += rx_take(s, data + n, len - n);
	}
	if (n < len)
		rx->transfer = 0;
	smsc_rx_update(s);
	return n;
}

void smsc_rx_reset(struct smsc95xx *s)
{
	s->rx.head = s->rx.count = s->rx.bytes = s->rx.done = s->rx.pad = s->rx.transfer = 0;
	smsc_rx_update(s);
}
