/* SPDX-License-Identifier: MIT */
/* Sections are those of ARM DDI 0183G, "PrimeCell UART (PL011)", revision r1p5. */
#include "devices/pl011.h"

#include "devices/reg32.h"
#include "vmm/util.h"

/* Registers (3.2). */
#define DR 0x00
#define RSR_ECR 0x04
#define FR 0x18
#define ILPR 0x20
#define IBRD 0x24
#define FBRD 0x28
#define LCR_H 0x2c
#define CR 0x30
#define IFLS 0x34
#define IMSC 0x38
#define RIS 0x3c
#define MIS 0x40
#define ICR 0x44
#define DMACR 0x48

#define PL011_PERIPH_ID 0x00341011	/* 3.3.15: revision 3, ARM, part 011 */

#define DR_FE 0x100
#define DR_BE 0x400
#define DR_OE 0x800
#define DR_ERRORS_SHIFT 8
#define RSR_OE 0x08

#define FR_CTS 0x001
#define FR_DSR 0x002
#define FR_DCD 0x004
#define FR_BUSY 0x008
#define FR_RXFE 0x010
#define FR_TXFF 0x020
#define FR_RXFF 0x040
#define FR_TXFE 0x080
#define FR_RI 0x100

#define LCR_BRK 0x01
#define LCR_FEN 0x10

#define CR_UARTEN 0x0001
#define CR_LBE 0x0080
#define CR_TXE 0x0100
#define CR_RXE 0x0200
#define CR_DTR 0x0400
#define CR_RTS 0x0800
#define CR_OUT1 0x1000
#define CR_OUT2 0x2000
#define CR_MASK 0xff87

#define IFLS_RESET 0x12		/* half full, both */
#define IFLS_MASK 0x3f

#define INT_RI 0x001
#define INT_CTS 0x002
#define INT_DCD 0x004
#define INT_DSR 0x008
#define INT_RX 0x010
#define INT_TX 0x020
#define INT_RT 0x040
#define INT_FE 0x080
#define INT_BE 0x200
#define INT_OE 0x400
#define INT_MASK 0x7ff

/* So often a driver that only sends does not look at FR without sending. */
#define PL011_POLL_LOOKS 16

static void pl011_update_irq(struct pl011 *dev)
{
	bool level = dev->raw & dev->imsc;

	if (level != dev->irq_level)
		irq_set(&dev->irq, level);
	dev->irq_level = level;
}

/* --- receiver ------------------------------------------------------------------- */

static bool pl011_fifo(const struct pl011 *dev)
{
	return dev->lcr_h & LCR_FEN;
}

static unsigned pl011_rx_capacity(const struct pl011 *dev)
{
	return pl011_fifo(dev) ? PL011_RX_FIFO : 1;
}

/* 3.3.9; values that are reserved count as the highest. */
static unsigned pl011_rx_trigger(const struct pl011 *dev)
{
	static const uint8_t levels[8] = { 4, 8, 16, 24, 28, 28, 28, 28 };

	return pl011_fifo(dev) ? levels[dev->ifls >> 3 & 7] : 1;
}

/*
 * 2.8.2. The timeout is for characters that no others follow within 32 bits' time,
 * which is no time at all here: it is due whenever there are any.
 */
static void pl011_rx_update(struct pl011 *dev, bool received)
{
	if (dev->rx_len < pl011_rx_trigger(dev))
		dev->raw &= ~INT_RX;
	else if (received)
		dev->raw |= INT_RX;
	if (!dev->rx_len)
		dev->raw &= ~INT_RT;
	else if (pl011_fifo(dev))
		dev->raw |= INT_RT;
}

/* @data as DR has it. */
static void pl011_rx_push(struct pl011 *dev, uint16_t data)
{
	if (dev->rx_len >= pl011_rx_capacity(dev)) {
		dev->overrun = true;
		dev->rsr |= RSR_OE;
		dev->raw |= INT_OE;
		return;
	}
	dev->rx[(dev->rx_head + dev->rx_len++) % PL011_RX_FIFO] = data;
	if (data & DR_BE)
		dev->raw |= INT_BE | INT_FE;
	pl011_rx_update(dev, true);
}

static uint16_t pl011_rx_pop(struct pl011 *dev)
{
	/* An empty receiver still holds what was last in it. */
	uint16_t data = dev->rx[dev->rx_head];

	if (!dev->rx_len)
		return data & 0xff;
	data |= dev->overrun ? DR_OE : 0;
	dev->overrun = false;
	dev->rsr = data >> DR_ERRORS_SHIFT;
	if (--dev->rx_len)
		dev->rx_head = (dev->rx_head + 1) % PL011_RX_FIFO;
	pl011_rx_update(dev, false);
	return data;
}

static void pl011_rx_clear(struct pl011 *dev)
{
	dev->rx_head = dev->rx_len = 0;
	dev->overrun = false;
	pl011_rx_update(dev, false);
}

/*
 * Whether the guest can be expected to take characters. Linux has receive
 * interrupts on before it has the port, then throws away what has come, then
 * switches them on once more and sets RTS.
 */
static bool pl011_rx_ready(const struct pl011 *dev)
{
	const uint16_t open = CR_UARTEN | CR_RXE | CR_RTS;

	if (dev->cr & CR_LBE)
		return false;
	return (dev->cr & open) == open || dev->listening || dev->looks >= PL011_POLL_LOOKS;
}

static unsigned pl011_rx_room(const struct pl011 *dev)
{
	return pl011_rx_ready(dev) ? pl011_rx_capacity(dev) - dev->rx_len : 0;
}

/* An empty receiver asks for more, so that a full FIFO costs one wake-up. */
static void pl011_rx_feed(struct pl011 *dev)
{
	if (dev->chr && dev->starved && !dev->rx_len && pl011_rx_room(dev)) {
		dev->starved = false;
		loop_post(dev->loop, &dev->refill);
	}
}

/* --- transmitter ------------------------------------------------------------------ */

/* 2.8.3: the interrupt comes when the FIFO has become as empty as it is to be: at once. */
static void pl011_write_data(struct pl011 *dev, uint8_t data)
{
	if (dev->cr & CR_LBE)
		pl011_rx_push(dev, data);
	else
		uart_tx_push(&dev->tx, data);
	dev->raw &= ~INT_TX;
	if (uart_tx_ready(&dev->tx, dev->imsc & INT_TX))
		dev->raw |= INT_TX;
}

static void pl011_tx_ready(void *arg)
{
	struct pl011 *dev = arg;

	dev->raw |= INT_TX;
	pl011_update_irq(dev);
}

/* --- the chardev's side ------------------------------------------------------------ */

static size_t pl011_room(void *ctx)
{
	struct pl011 *dev = ctx;
	size_t room;

	pthread_mutex_lock(&dev->lock);
	room = pl011_rx_room(dev);
	dev->starved |= !room;
	pthread_mutex_unlock(&dev->lock);
	return room;
}

static void pl011_input(void *ctx, const uint8_t *data, size_t len)
{
	struct pl011 *dev = ctx;

	pthread_mutex_lock(&dev->lock);
	for (size_t i = 0; i < len; i++)
		pl011_rx_push(dev, data[i]);
	pl011_update_irq(dev);
	pthread_mutex_unlock(&dev->lock);
}

static void pl011_drained(void *ctx)
{
	struct pl011 *dev = ctx;

	uart_tx_drained(&dev->tx);
}

static void pl011_brk(void *ctx)
{
	struct pl011 *dev = ctx;

	pthread_mutex_lock(&dev->lock);
	pl011_rx_push(dev, DR_BE | DR_FE);
	pl011_update_irq(dev);
	pthread_mutex_unlock(&dev->lock);
}

static const struct chardev_front_ops pl011_front_ops = {
	.room = pl011_room,
	.input = pl011_input,
	.drained = pl011_drained,
	.brk = pl011_brk,
};

static void pl011_refill_work(void *arg)
{
	struct pl011 *dev = arg;

	chardev_kick_input(dev->chr);
}

/* --- registers ------------------------------------------------------------------------ */

/* Modem inputs: a peer that is there, or in loopback our own outputs (2.4.7). */
static void pl011_update_modem(struct pl011 *dev)
{
	uint16_t now = FR_CTS | FR_DSR | FR_DCD, changed;

	if (dev->cr & CR_LBE)
		now = (dev->cr & CR_RTS ? FR_CTS : 0) | (dev->cr & CR_DTR ? FR_DSR : 0) |
		      (dev->cr & CR_OUT1 ? FR_DCD : 0);
	changed = now ^ dev->modem;
	dev->raw |= (changed & FR_CTS ? INT_CTS : 0) | (changed & FR_DSR ? INT_DSR : 0) |
		    (changed & FR_DCD ? INT_DCD : 0);
	dev->modem = now;
}

/* The ring indicator is one of the inputs as well, but apart from the others in FR. */
static void pl011_update_ring(struct pl011 *dev, uint16_t old_cr)
{
	const uint16_t looped = CR_LBE | CR_OUT2;

	if (((dev->cr & looped) == looped) != ((old_cr & looped) == looped))
		dev->raw |= INT_RI;
}

static uint32_t pl011_read_fr(struct pl011 *dev)
{
	uint32_t fr = dev->modem;

	if ((dev->cr & (CR_LBE | CR_OUT2)) == (CR_LBE | CR_OUT2))
		fr |= FR_RI;
	fr |= dev->tx.full ? FR_TXFF | FR_BUSY : FR_TXFE;
	if (!dev->rx_len)
		fr |= FR_RXFE;
	else if (dev->rx_len == pl011_rx_capacity(dev))
		fr |= FR_RXFF;
	/* Else it waits for room. */
	if (!dev->tx.full && dev->looks < PL011_POLL_LOOKS)
		dev->looks++;
	return fr;
}

static uint32_t pl011_read_reg(struct pl011 *dev, unsigned reg)
{
	switch (reg) {
	case DR:
		return pl011_rx_pop(dev);
	case RSR_ECR:
		return dev->rsr;
	case ILPR:
		return dev->ilpr;
	case IBRD:
		return dev->ibrd;
	case FBRD:
		return dev->fbrd;
	case LCR_H:
		return dev->lcr_h;
	case CR:
		return dev->cr;
	case IFLS:
		return dev->ifls;
	case IMSC:
		return dev->imsc;
	case RIS:
		return dev->raw;
	case MIS:
		return dev->raw & dev->imsc;
	case DMACR:
		return dev->dmacr;
	default:
		return reg >= PRIMECELL_ID ? primecell_id(reg, PL011_PERIPH_ID) : 0;
	}
}

/* A break that the guest sends says nothing to a terminal; looped back it is received. */
static void pl011_write_lcr(struct pl011 *dev, uint8_t value)
{
	bool fifo = (value ^ dev->lcr_h) & LCR_FEN;

	if ((value & ~dev->lcr_h & LCR_BRK) && (dev->cr & CR_LBE))
		pl011_rx_push(dev, DR_BE | DR_FE);
	dev->lcr_h = value;
	if (fifo)
		pl011_rx_clear(dev);
}

static void pl011_write_cr(struct pl011 *dev, uint16_t value)
{
	uint16_t old = dev->cr;

	dev->cr = value & CR_MASK;
	pl011_update_modem(dev);
	pl011_update_ring(dev, old);
}

static void pl011_write_reg(struct pl011 *dev, unsigned reg, uint32_t value)
{
	switch (reg) {
	case DR:
		pl011_write_data(dev, value);
		break;
	case RSR_ECR:
		dev->rsr = 0;
		break;
	case ILPR:
		dev->ilpr = value;
		break;
	case IBRD:
		dev->ibrd = value;
		break;
	case FBRD:
		dev->fbrd = value & 0x3f;
		break;
	case LCR_H:
		pl011_write_lcr(dev, value);
		break;
	case CR:
		pl011_write_cr(dev, value);
		break;
	case IFLS:
		dev->ifls = value & IFLS_MASK;
		break;
	case IMSC:
		dev->imsc = value & INT_MASK;
		dev->listening = (value & (INT_RX | INT_RT)) && (dev->cr & CR_UARTEN);
		break;
	case ICR:
		dev->raw &= ~value;
		break;
	case DMACR:
		dev->dmacr = value & 7;
		break;
	}
}

static uint32_t pl011_read32(void *arg, unsigned reg)
{
	struct pl011 *dev = arg;

	if (reg == FR)
		return pl011_read_fr(dev);
	dev->looks = 0;
	return pl011_read_reg(dev, reg);
}

static void pl011_write32(void *arg, unsigned reg, uint32_t value)
{
	struct pl011 *dev = arg;

	dev->looks = 0;
	pl011_write_reg(dev, reg, value);
}

static void pl011_accessed(struct pl011 *dev)
{
	pl011_update_irq(dev);
	pl011_rx_feed(dev);
}

static uint64_t pl011_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = reg32_read(pl011_read32, dev, off, size);

	pl011_accessed(dev);
	return value;
}

static void pl011_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(pl011_write32, dev, off, size, value);
	pl011_accessed(dev);
}

static const struct io_ops pl011_ops = {
	.read = pl011_read,
	.write = pl011_write,
};

/* --- life --------------------------------------------------------------------------------- */

static void pl011_power_on(struct pl011 *dev)
{
	dev->cr = CR_TXE | CR_RXE;
	dev->lcr_h = dev->ibrd = dev->imsc = 0;
	dev->fbrd = dev->ilpr = dev->dmacr = dev->rsr = 0;
	dev->ifls = IFLS_RESET;
	dev->modem = FR_CTS | FR_DSR | FR_DCD;
	dev->looks = 0;
	dev->listening = false;
	dev->starved = true;
	pl011_rx_clear(dev);
	dev->raw = 0;
	uart_tx_reset(&dev->tx);
	pl011_update_irq(dev);
}

void pl011_init(struct pl011 *dev, struct loop *loop, struct chardev *chr, struct irq_line irq)
{
	*dev = (struct pl011){
		.irq = irq,
		.loop = loop,
		.chr = chr,
		.refill = { .cb = pl011_refill_work, .arg = dev },
		.region = {
			.name = "pl011",
			.ops = &pl011_ops,
			.dev = dev,
			.len = PL011_LEN,
			.lock = &dev->lock,
		},
	};
	pthread_mutex_init(&dev->lock, NULL);
	uart_tx_init(&dev->tx, loop, chr, &dev->lock, PL011_TX_FIFO, pl011_tx_ready, dev);
	pl011_power_on(dev);
	if (chr)
		chardev_attach(chr, &pl011_front_ops, dev);
}

void pl011_finish(struct pl011 *dev)
{
	loop_cancel(dev->loop, &dev->refill);
	uart_tx_finish(&dev->tx);
	if (dev->chr)
		chardev_attach(dev->chr, NULL, NULL);
	pthread_mutex_destroy(&dev->lock);
}

void pl011_reset(struct pl011 *dev)
{
	pthread_mutex_lock(&dev->lock);
	pl011_power_on(dev);
	pthread_mutex_unlock(&dev->lock);
}
