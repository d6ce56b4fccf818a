/* SPDX-License-Identifier: MIT */
/* Sections are named as in National Semiconductor's PC16550D data sheet of 1995. */
#include "devices/serial16550.h"

#include <linux/serial_reg.h>

#include "devices/byte_regs.h"
#include "vmm/util.h"

#define SERIAL_IER_MASK 0x0f
#define SERIAL_MCR_MASK 0x1f
#define SERIAL_IIR_FIFO 0xc0	/* FIFOs enabled */
#define SERIAL_DIVISOR_9600 12

/* --- interrupts ---------------------------------------------------------- */

static bool serial_fifo(const struct serial16550 *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned serial_rx_trigger(const struct serial16550 *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return serial_fifo(s) ? levels[s->fcr >> UART_FCR_R_TRIG_SHIFT] : 1;
}

/*
 * The source of highest priority ("Interrupt Control Functions"). The characters
 * that a timeout waits for would have come in no time, so it is due as soon as
 * anything is received.
 */
static uint8_t serial_irq_id(const struct serial16550 *s)
{
	if ((s->ier & UART_IER_RLSI) && s->errors)
		return UART_IIR_RLSI;
	if ((s->ier & UART_IER_RDI) && s->rx_len)
		return s->rx_len >= serial_rx_trigger(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if ((s->ier & UART_IER_THRI) && s->thre_pending)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && (s->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void serial_update_irq(struct serial16550 *s)
{
	bool level = serial_irq_id(s) != UART_IIR_NO_INT;

	if (level != s->irq_level)
		irq_set(&s->irq, level);
	s->irq_level = level;
}

/* --- receiver -------------------------------------------------------------- */

/* A character reaches the top of the FIFO: its errors show ("Line Status Register"). */
static void serial_rx_reveal(struct serial16550 *s)
{
	if (s->rx_len)
		s->errors |= s->rx[s->rx_head].errors;
}

static void serial_rx_push(struct serial16550 *s, uint8_t data, uint8_t errors)
{
	unsigned capacity = serial_fifo(s) ? SERIAL16550_RX_FIFO : 1;

	if (s->rx_len >= capacity) {
		s->errors |= UART_LSR_OE;
		/* Without FIFOs the new character takes the old one's place. */
		if (!serial_fifo(s))
			s->rx[s->rx_head] = (struct serial16550_rx){ data, errors };
		return;
	}
	s->rx[(s->rx_head + s->rx_len++) % SERIAL16550_RX_FIFO] =
		(struct serial16550_rx){ data, errors };
	if (s->rx_len == 1)
		serial_rx_reveal(s);
}

static uint8_t serial_rx_pop(struct serial16550 *s)
{
	/* An empty receiver still holds what was last in it. */
	uint8_t data = s->rx[s->rx_head].data;

	if (!s->rx_len)
		return data;
	if (--s->rx_len) {
		s->rx_head = (s->rx_head + 1) % SERIAL16550_RX_FIFO;
		serial_rx_reveal(s);
	}
	return data;
}

static void serial_rx_clear(struct serial16550 *s)
{
	s->rx_head = 0;
	s->rx_len = 0;
}

/*
 * Whether the guest can be expected to take characters. RTS says so, and so do
 * receive interrupts; a guest that leaves the modem lines alone (DTR is clear)
 * may poll. Linux, between its first use of the console and the opening of the
 * port, which clears the FIFO, has DTR set and RTS clear.
 */
static bool serial_rx_ready(const struct serial16550 *s)
{
	if (s->mcr & UART_MCR_LOOP)
		return false;
	return (s->mcr & UART_MCR_RTS) || (s->ier & UART_IER_RDI) ||
	       (!(s->mcr & UART_MCR_DTR) && s->polled);
}

static unsigned serial_rx_room(const struct serial16550 *s)
{
	unsigned capacity = serial_fifo(s) ? SERIAL16550_RX_FIFO : 1;

	return serial_rx_ready(s) && s->rx_len < capacity ? capacity - s->rx_len : 0;
}

/* An empty receiver asks for more, so that a full FIFO costs one wake-up. */
static void serial_rx_feed(struct serial16550 *s)
{
	if (s->chr && s->starved && !s->rx_len && serial_rx_room(s)) {
		s->starved = false;
		loop_post(s->loop, &s->refill);
	}
}

/* --- transmitter --------------------------------------------------------- */

static void serial_write_thr(struct serial16550 *s, uint8_t data)
{
	if (s->mcr & UART_MCR_LOOP)
		serial_rx_push(s, data, 0);
	else
		uart_tx_push(&s->tx, data);
	/* Taken up by the shift register at once: empty again. */
	s->thre_pending = uart_tx_ready(&s->tx, s->ier & UART_IER_THRI);
}

static void serial_tx_ready(void *dev)
{
	struct serial16550 *s = dev;

	s->thre_pending = true;
	serial_update_irq(s);
}

/* --- the chardev's side ---------------------------------------------------- */

static size_t serial_room(void *ctx)
{
	struct serial16550 *s = ctx;
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = serial_rx_room(s);
	s->starved |= !room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

static void serial_input(void *ctx, const uint8_t *data, size_t len)
{
	struct serial16550 *s = ctx;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < len; i++)
		serial_rx_push(s, data[i], 0);
	serial_update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_drained(void *ctx)
{
	struct serial16550 *s = ctx;

	uart_tx_drained(&s->tx);
}

/* A break is a null character with BI set. */
static void serial_brk(void *ctx)
{
	struct serial16550 *s = ctx;

	pthread_mutex_lock(&s->lock);
	serial_rx_push(s, 0, UART_LSR_BI);
	serial_update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

static const struct chardev_front_ops serial_front_ops = {
	.room = serial_room,
	.input = serial_input,
	.drained = serial_drained,
	.brk = serial_brk,
};

static void serial_refill_work(void *arg)
{
	struct serial16550 *s = arg;

	chardev_kick_input(s->chr);
}

/* --- registers --------------------------------------------------------------- */

/* Modem inputs: a peer that is there, or in loopback our own outputs. */
static void serial_update_msr(struct serial16550 *s)
{
	uint8_t now = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS, old = s->msr, delta = 0;

	if (s->mcr & UART_MCR_LOOP)
		now = (s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
		      (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
		      (s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
		      (s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
	if ((now ^ old) & UART_MSR_CTS)
		delta |= UART_MSR_DCTS;
	if ((now ^ old) & UART_MSR_DSR)
		delta |= UART_MSR_DDSR;
	if ((now ^ old) & UART_MSR_DCD)
		delta |= UART_MSR_DDCD;
	if (old & ~now & UART_MSR_RI)
		delta |= UART_MSR_TERI;
	s->msr = now | (old & UART_MSR_ANY_DELTA) | delta;
}

static uint8_t serial_read_iir(struct serial16550 *s)
{
	uint8_t id = serial_irq_id(s);

	/* Telling of THRE is what clears it. */
	if (id == UART_IIR_THRI)
		s->thre_pending = false;
	return id | (serial_fifo(s) ? SERIAL_IIR_FIFO : 0);
}

/* With FIFOs bit 7 says that some character in there has an error. */
static bool serial_fifo_error(const struct serial16550 *s)
{
	for (unsigned i = 0; serial_fifo(s) && i < s->rx_len; i++)
		if (s->rx[(s->rx_head + i) % SERIAL16550_RX_FIFO].errors)
			return true;
	return false;
}

static uint8_t serial_read_lsr(struct serial16550 *s)
{
	uint8_t lsr = s->errors;

	if (s->rx_len)
		lsr |= UART_LSR_DR;
	if (!s->tx.full)
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	if (serial_fifo_error(s))
		lsr |= UART_LSR_FIFOE;
	s->errors = 0;
	if (s->rx_len)
		s->rx[s->rx_head].errors = 0;
	s->polled = true;
	return lsr;
}

static uint8_t serial_read_msr(struct serial16550 *s)
{
	uint8_t msr = s->msr;

	s->msr &= ~UART_MSR_ANY_DELTA;
	return msr;
}

static uint8_t serial_read_reg(struct serial16550 *s, unsigned off)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_RX:
		return dlab ? s->dll : serial_rx_pop(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return serial_read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return serial_read_lsr(s);
	case UART_MSR:
		return serial_read_msr(s);
	default:
		return s->scr;
	}
}

static void serial_write_ier(struct serial16550 *s, uint8_t value)
{
	/* Enabling the interrupt of an empty transmitter raises it at once. */
	if ((value & ~s->ier & UART_IER_THRI) && !s->tx.full)
		s->thre_pending = true;
	s->ier = value & SERIAL_IER_MASK;
}

static void serial_write_fcr(struct serial16550 *s, uint8_t value)
{
	bool toggled = (value ^ s->fcr) & UART_FCR_ENABLE_FIFO;

	if (toggled || (value & UART_FCR_CLEAR_RCVR))
		serial_rx_clear(s);
	/* The other bits count only together with bit 0 ("FIFO Control Register"). */
	s->fcr = value & UART_FCR_ENABLE_FIFO ? value & (UART_FCR_ENABLE_FIFO |
							 UART_FCR_TRIGGER_MASK) : 0;
}

/* A break that the guest sends says nothing to a terminal; looped back it is received. */
static void serial_write_lcr(struct serial16550 *s, uint8_t value)
{
	if ((value & ~s->lcr & UART_LCR_SBC) && (s->mcr & UART_MCR_LOOP))
		serial_rx_push(s, 0, UART_LSR_BI);
	s->lcr = value;
}

static void serial_write_reg(struct serial16550 *s, unsigned off, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_TX:
		if (dlab)
			s->dll = value;
		else
			serial_write_thr(s, value);
		break;
	case UART_IER:
		if (dlab)
			s->dlm = value;
		else
			serial_write_ier(s, value);
		break;
	case UART_FCR:
		serial_write_fcr(s, value);
		break;
	case UART_LCR:
		serial_write_lcr(s, value);
		break;
	case UART_MCR:
		s->mcr = value & SERIAL_MCR_MASK;
		serial_update_msr(s);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
}

static uint8_t serial_read_byte(void *dev, unsigned off)
{
	return serial_read_reg(dev, off);
}

static void serial_write_byte(void *dev, unsigned off, uint8_t value)
{
	serial_write_reg(dev, off, value);
}

static void serial_accessed(struct serial16550 *s)
{
	serial_update_irq(s);
	serial_rx_feed(s);
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = byte_regs_read(serial_read_byte, dev, off, size);

	serial_accessed(dev);
	return value;
}

static void serial_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(serial_write_byte, dev, off, size, value);
	serial_accessed(dev);
}

static const struct io_ops serial_ops = {
	.read = serial_read,
	.write = serial_write,
};

/* --- life -------------------------------------------------------------------- */

static void serial_power_on(struct serial16550 *s)
{
	s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->errors = s->dlm = 0;
	s->dll = SERIAL_DIVISOR_9600;
	s->msr = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	s->thre_pending = false;
	s->polled = false;
	s->starved = true;
	serial_rx_clear(s);
	uart_tx_reset(&s->tx);
	serial_update_irq(s);
}

void serial16550_init(struct serial16550 *s, struct loop *loop, struct chardev *chr,
		      struct irq_line irq)
{
	*s = (struct serial16550){
		.irq = irq,
		.loop = loop,
		.chr = chr,
		.refill = { .cb = serial_refill_work, .arg = s },
		.region = {
			.name = "serial16550",
			.ops = &serial_ops,
			.dev = s,
			.len = SERIAL16550_LEN,
			.lock = &s->lock,
		},
	};
	pthread_mutex_init(&s->lock, NULL);
	uart_tx_init(&s->tx, loop, chr, &s->lock, SERIAL16550_TX_FIFO, serial_tx_ready, s);
	serial_power_on(s);
	if (chr)
		chardev_attach(chr, &serial_front_ops, s);
}

void serial16550_finish(struct serial16550 *s)
{
	loop_cancel(s->loop, &s->refill);
	uart_tx_finish(&s->tx);
	if (s->chr)
		chardev_attach(s->chr, NULL, NULL);
	pthread_mutex_destroy(&s->lock);
}

void serial16550_reset(struct serial16550 *s)
{
	pthread_mutex_lock(&s->lock);
	serial_power_on(s);
	pthread_mutex_unlock(&s->lock);
}
