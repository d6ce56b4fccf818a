/* SPDX-License-Identifier: MIT */
/* Sections are those of Broadcom's "BCM2835 ARM Peripherals", 4.2. */
#include "devices/bcm283x_dma.h"

#include "devices/bcm283x_bus.h"
#include "devices/reg32.h"
#include "vmm/util.h"

#define CS 0x00
#define CONBLK_AD 0x04
#define TI 0x08
#define SOURCE_AD 0x0c
#define DEST_AD 0x10
#define TXFR_LEN 0x14
#define STRIDE 0x18
#define NEXTCONBK 0x1c
#define DEBUG 0x20
#define CHANNEL_LEN 0x100
#define INT_STATUS 0xfe0
#define ENABLE 0xff0

#define CS_ACTIVE BIT(0)
#define CS_END BIT(1)
#define CS_INT BIT(2)
#define CS_ERROR BIT(8)
#define CS_KEPT 0x30ff0000u	/* priorities, waiting for writes, debug */
#define CS_ABORT BIT(30)
#define CS_RESET BIT(31)

#define TI_INTEN BIT(0)
#define TI_TDMODE BIT(1)
#define TI_DEST_INC BIT(4)
#define TI_DEST_DREQ BIT(6)
#define TI_DEST_IGNORE BIT(7)
#define TI_SRC_INC BIT(8)
#define TI_SRC_DREQ BIT(10)
#define TI_SRC_IGNORE BIT(11)
#define TI_PERMAP 16

#define DEBUG_READ_ERROR BIT(2)
#define DEBUG_ERRORS 7u
#define DEBUG_VERSION (2u << 25)
#define DEBUG_LITE BIT(28)
#define FIRST_LITE 7

#define BLOCK_LEN 32

/* Of one turn of the loop, per channel: other work comes between. */
#define DMA_TURN_BYTES (256u << 10)
#define DMA_TURN_BLOCKS 64
#define DMA_PIECE 4096

/* --- interrupts ---------------------------------------------------------------- */

static uint32_t dma_ints(const struct bcm283x_dma *dma)
{
	uint32_t ints = 0;

	for (unsigned i = 0; i < BCM283X_DMA_CHANNELS; i++)
		ints |= dma->channels[i].cs & CS_INT ? BIT(i) : 0;
	return ints;
}

static void dma_update_irqs(struct bcm283x_dma *dma)
{
	uint32_t ints = dma_ints(dma), levels = ints & (BIT(BCM283X_DMA_IRQS) - 1), changed;

	if (ints >> (BCM283X_DMA_IRQS - 1))
		levels |= BIT(BCM283X_DMA_IRQS - 1);
	changed = levels ^ dma->raised;
	dma->raised = levels;
	for (unsigned i = 0; i < BCM283X_DMA_IRQS; i++)
		if (changed & BIT(i))
			irq_set(&dma->irqs[i], levels & BIT(i));
}

/* --- control blocks --------------------------------------------------------------- */

/* What cannot be done: the channel stands still until it is reset. */
static void dma_error(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch, uint32_t addr)
{
	log_guest(&dma->rate, "bcm283x-dma: nothing to be had at %#x", addr);
	ch->debug |= DEBUG_READ_ERROR;
	ch->cs = (ch->cs & ~CS_ACTIVE) | CS_ERROR;
}

/* 4.2.1.3: in 2D mode rows of up to 64 KiB with strides between them. */
static void dma_begin(struct bcm283x_dma_channel *ch)
{
	bool rows = ch->ti & TI_TDMODE;

	ch->width = rows ? ch->len & 0xffff : ch->len & 0x3fffffff;
	ch->rows = rows ? ch->len >> 16 & 0x3fff : 0;
	ch->row = ch->width;
}

static bool dma_load(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch)
{
	uint8_t block[BLOCK_LEN];

	if (gmem_read(dma->mem, ch->block & BCM283X_BUS_MEMORY_MASK & ~(BLOCK_LEN - 1u), block,
		      sizeof(block)) < 0) {
		dma_error(dma, ch, ch->block);
		return false;
	}
	ch->ti = load_le(block, 4);
	ch->src = load_le(block + 4, 4);
	ch->dst = load_le(block + 8, 4);
	ch->len = load_le(block + 12, 4);
	ch->stride = load_le(block + 16, 4);
	ch->next = load_le(block + 20, 4);
	dma_begin(ch);
	return true;
}

/* The block is done: false if no other follows, or it cannot be read. */
static bool dma_next(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch)
{
	ch->cs |= CS_END | (ch->ti & TI_INTEN ? CS_INT : 0);
	ch->block = ch->next;
	if (ch->block)
		return dma_load(dma, ch);
	ch->cs &= ~CS_ACTIVE;
	return false;
}

/* --- moving data ------------------------------------------------------------------- */

/* How much may be moved now; *@peer: with whom. */
static uint32_t dma_pace(struct bcm283x_dma *dma, const struct bcm283x_dma_channel *ch,
			 const struct bcm283x_dma_peer **peer)
{
	uint32_t n = MIN(ch->row, (uint32_t)DMA_PIECE);

	*peer = bcm283x_bus_is_peripheral(ch->src) || bcm283x_bus_is_peripheral(ch->dst) ?
		dma->peers[ch->ti >> TI_PERMAP & (BCM283X_DMA_PEERS - 1)] : NULL;
	if (!*peer || !(ch->ti & (TI_SRC_DREQ | TI_DEST_DREQ)))
		return n;
	n = MIN(n, (*peer)->ready((*peer)->ctx, bcm283x_bus_is_peripheral(ch->dst)));
	return n & ~3u;
}

static bool dma_fetch(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch,
		      const struct bcm283x_dma_peer *peer, uint8_t *data, uint32_t n)
{
	uint32_t gpa = ch->src & BCM283X_BUS_MEMORY_MASK;

	memset(data, 0, n);
	if (ch->ti & TI_SRC_IGNORE)
		return true;
	if (bcm283x_bus_is_peripheral(ch->src)) {
		if (peer && (ch->ti & TI_SRC_DREQ))
			peer->read(peer->ctx, data, n);
		return true;
	}
	if (ch->ti & TI_SRC_INC)
		return gmem_read(dma->mem, gpa, data, n) == 0;
	/* The same word again and again: of a piece it is looked at once. */
	if (gmem_read(dma->mem, gpa, data, MIN(n, 4u)) < 0)
		return false;
	for (uint32_t i = 4; i < n; i += 4)
		memcpy(data + i, data, MIN(n - i, 4u));
	return true;
}

static bool dma_store(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch,
		      const struct bcm283x_dma_peer *peer, const uint8_t *data, uint32_t n)
{
	uint32_t gpa = ch->dst & BCM283X_BUS_MEMORY_MASK;
	uint32_t last = n > 4 ? n - 4 : 0;

	if (ch->ti & TI_DEST_IGNORE)
		return true;
	if (bcm283x_bus_is_peripheral(ch->dst)) {
		if (peer && (ch->ti & TI_DEST_DREQ))
			peer->write(peer->ctx, data, n);
		return true;
	}
	if (ch->ti & TI_DEST_INC)
		return gmem_write(dma->mem, gpa, data, n) == 0;
	return gmem_write(dma->mem, gpa, data + last, n - last) == 0;
}

/* At most a piece; 0: it has to wait, or has stopped. */
static uint32_t dma_move(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch)
{
	const struct bcm283x_dma_peer *peer;
	uint8_t data[DMA_PIECE];
	uint32_t n = dma_pace(dma, ch, &peer);

	if (!n)
		return 0;
	if (!dma_fetch(dma, ch, peer, data, n)) {
		dma_error(dma, ch, ch->src);
		return 0;
	}
	if (!dma_store(dma, ch, peer, data, n)) {
		dma_error(dma, ch, ch->dst);
		return 0;
	}
	ch->row -= n;
	ch->src += ch->ti & TI_SRC_INC ? n : 0;
	ch->dst += ch->ti & TI_DEST_INC ? n : 0;
	return n;
}

/* To the next row, or the next block. */
static bool dma_advance(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch)
{
	if (!ch->rows)
		return dma_next(dma, ch);
	ch->rows--;
	ch->row = ch->width;
	ch->src += (int16_t)ch->stride;
	ch->dst += (int16_t)(ch->stride >> 16);
	return true;
}

/* True if there is more to do at once. */
static bool dma_run(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch)
{
	uint32_t bytes = 0, blocks = 0, n;

	while ((ch->cs & CS_ACTIVE) && bytes < DMA_TURN_BYTES && blocks < DMA_TURN_BLOCKS) {
		if (!ch->row) {
			blocks++;
			if (!dma_advance(dma, ch))
				return false;
			continue;
		}
		n = dma_move(dma, ch);
		if (!n)
			return false;
		bytes += n;
	}
	return ch->cs & CS_ACTIVE;
}

/* Loop thread. */
static void dma_work(void *arg)
{
	struct bcm283x_dma *dma = arg;
	bool more = false;

	pthread_mutex_lock(&dma->lock);
	for (unsigned i = 0; i < BCM283X_DMA_CHANNELS; i++)
		more |= dma_run(dma, &dma->channels[i]);
	dma_update_irqs(dma);
	if (more)
		loop_post(dma->loop, &dma->work);
	pthread_mutex_unlock(&dma->lock);
}

void bcm283x_dma_kick(struct bcm283x_dma *dma)
{
	loop_post(dma->loop, &dma->work);
}

/* --- registers ------------------------------------------------------------------------- */

static uint32_t dma_read_channel(struct bcm283x_dma *dma, unsigned n, unsigned reg)
{
	const struct bcm283x_dma_channel *ch = &dma->channels[n];

	switch (reg) {
	case CS:
		return ch->cs;
	case CONBLK_AD:
		return ch->block;
	case TI:
		return ch->ti;
	case SOURCE_AD:
		return ch->src;
	case DEST_AD:
		return ch->dst;
	case TXFR_LEN:
		return ch->ti & TI_TDMODE ? ch->rows << 16 | ch->row : ch->row;
	case STRIDE:
		return ch->stride;
	case NEXTCONBK:
		return ch->next;
	case DEBUG:
		return ch->debug | DEBUG_VERSION | (n >= FIRST_LITE ? DEBUG_LITE : 0);
	default:
		return 0;
	}
}

static uint32_t dma_read32(void *dev, unsigned reg)
{
	struct bcm283x_dma *dma = dev;

	if (reg == INT_STATUS)
		return dma_ints(dma);
	if (reg == ENABLE)
		return dma->enabled;
	return reg / CHANNEL_LEN < BCM283X_DMA_CHANNELS ?
	       dma_read_channel(dma, reg / CHANNEL_LEN, reg % CHANNEL_LEN) : 0;
}

static void dma_write_cs(struct bcm283x_dma *dma, struct bcm283x_dma_channel *ch, uint32_t value)
{
	bool was = ch->cs & CS_ACTIVE;

	if (value & CS_RESET) {
		memset(ch, 0, sizeof(*ch));
		return;
	}
	ch->cs &= ~((value & (CS_END | CS_INT)) | CS_KEPT | CS_ACTIVE);
	ch->cs |= value & CS_KEPT;
	/* Of one that is paused, too: that is how drivers do it. */
	if ((value & CS_ABORT) && ch->block && (was || ch->row || ch->rows)) {
		ch->row = ch->rows = 0;
		dma_next(dma, ch);
	}
	/* One that stands still in an error stays so; one without a block has ended. */
	if (!(value & CS_ACTIVE) || !ch->block || (ch->cs & CS_ERROR))
		return;
	ch->cs |= CS_ACTIVE;
	if (was || ch->row || ch->rows || dma_load(dma, ch))
		loop_post(dma->loop, &dma->work);
}

static void dma_write_channel(struct bcm283x_dma *dma, unsigned n, unsigned reg, uint32_t value)
{
	struct bcm283x_dma_channel *ch = &dma->channels[n];

	if (reg == CS) {
		dma_write_cs(dma, ch, value);
	} else if (reg == CONBLK_AD && !(ch->cs & CS_ACTIVE)) {
		ch->block = value;
		/* Another one, not the rest of what was paused. */
		ch->row = ch->rows = 0;
	} else if (reg == NEXTCONBK) {
		ch->next = value;
	} else if (reg == DEBUG) {
		ch->debug &= ~(value & DEBUG_ERRORS);
		if (!ch->debug)
			ch->cs &= ~CS_ERROR;
	}
}

static void dma_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_dma *dma = dev;

	if (reg == ENABLE)
		dma->enabled = value & (BIT(BCM283X_DMA_CHANNELS) - 1);
	else if (reg / CHANNEL_LEN < BCM283X_DMA_CHANNELS)
		dma_write_channel(dma, reg / CHANNEL_LEN, reg % CHANNEL_LEN, value);
}

static uint64_t dma_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(dma_read32, dev, off, size);
}

static void dma_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(dma_write32, dev, off, size, value);
	dma_update_irqs(dev);
}

static const struct io_ops dma_ops = { .read = dma_read, .write = dma_write };

/* --- life --------------------------------------------------------------------------------- */

void bcm283x_dma_init(struct bcm283x_dma *dma, const struct gmem *mem, struct loop *loop,
		      const struct irq_line irqs[BCM283X_DMA_IRQS])
{
	*dma = (struct bcm283x_dma){
		.mem = mem,
		.loop = loop,
		.work = { .cb = dma_work, .arg = dma },
		.enabled = BIT(BCM283X_DMA_CHANNELS) - 1,
		.region = {
			.name = "bcm283x-dma",
			.ops = &dma_ops,
			.dev = dma,
			.len = BCM283X_DMA_LEN,
			.lock = &dma->lock,
		},
	};
	memcpy(dma->irqs, irqs, sizeof(dma->irqs));
	pthread_mutex_init(&dma->lock, NULL);
}

void bcm283x_dma_attach(struct bcm283x_dma *dma, unsigned dreq,
			const struct bcm283x_dma_peer *peer)
{
	dma->peers[dreq % BCM283X_DMA_PEERS] = peer;
}

void bcm283x_dma_finish(struct bcm283x_dma *dma)
{
	loop_cancel(dma->loop, &dma->work);
	pthread_mutex_destroy(&dma->lock);
}

void bcm283x_dma_reset(struct bcm283x_dma *dma)
{
	pthread_mutex_lock(&dma->lock);
	memset(dma->channels, 0, sizeof(dma->channels));
	dma->enabled = BIT(BCM283X_DMA_CHANNELS) - 1;
	dma_update_irqs(dma);
	pthread_mutex_unlock(&dma->lock);
}
