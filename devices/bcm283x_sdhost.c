/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_sdhost.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define SDCMD 0x00
#define SDARG 0x04
#define SDTOUT 0x08
#define SDCDIV 0x0c
#define SDRSP0 0x10
#define SDRSP3 0x1c
#define SDHSTS 0x20
#define SDVDD 0x30
#define SDEDM 0x34
#define SDHCFG 0x38
#define SDHBCT 0x3c
#define SDDATA 0x40
#define SDHBLC 0x50

#define CMD_NEW 0x8000
#define CMD_FAIL 0x4000
#define CMD_BUSYWAIT 0x800
#define CMD_WRITE 0x80
#define CMD_READ 0x40
#define CMD_INDEX 0x3f

#define STS_BUSY 0x400
#define STS_BLOCK 0x200
#define STS_TRANSFER_TIMEOUT 0x80
#define STS_CMD_TIMEOUT 0x40
#define STS_DATA 0x01
#define STS_CLEARABLE 0x7f8u

#define CFG_BUSY_EN BIT(10)
#define CFG_BLOCK_EN BIT(8)
#define CFG_DATA_EN BIT(4)

#define EDM_FSM_DATA 1
#define EDM_FSM_READ 2
#define EDM_FSM_WRITE 3
#define EDM_FSM_WRITE_START 10
#define EDM_FIFO_SHIFT 4
#define EDM_FORCE_DATA BIT(19)
#define EDM_KEPT 0x0007fe00u	/* thresholds */
#define FIFO_WORDS 16u

/* --- how far it is ------------------------------------------------------------------- */

static unsigned sdhost_ready(const struct bcm283x_sdhost *host)
{
	unsigned n = 0;

	if (host->has_card && host->left)
		n = host->writes ? sd_card_writable(&host->card) : sd_card_readable(&host->card);
	return MIN((uint64_t)n, host->left);
}

static bool sdhost_failed(const struct bcm283x_sdhost *host)
{
	return host->left && host->has_card && host->card.failed;
}

/* There is no bit of its own that data can be moved: whether it is so shows in one. */
static bool sdhost_data(const struct bcm283x_sdhost *host)
{
	return sdhost_ready(host) >= 4 || sdhost_failed(host);
}

static uint32_t sdhost_status(const struct bcm283x_sdhost *host)
{
	return host->status | (sdhost_data(host) ? STS_DATA : 0);
}

/* What was held up by the card, and the line. */
static void sdhost_update(struct bcm283x_sdhost *host)
{
	bool busy = host->has_card && sd_card_busy(&host->card), level;

	if (sdhost_failed(host))
		host->status |= STS_TRANSFER_TIMEOUT;
	if (host->busy_due && !busy) {
		host->status |= STS_BUSY;
		host->busy_due = false;
	}
	if (host->block_due && (host->left ? sdhost_data(host) : !busy)) {
		host->status |= host->config & CFG_BLOCK_EN ? STS_BLOCK : 0;
		host->block_due = false;
	}
	level = ((host->status & STS_BUSY) && (host->config & CFG_BUSY_EN)) ||
		((host->status & STS_BLOCK) && (host->config & CFG_BLOCK_EN)) ||
		(sdhost_data(host) && (host->config & CFG_DATA_EN));
	if (level != host->irq_level)
		irq_set(&host->irq, level);
	host->irq_level = level;
}

static void sdhost_changed(void *ctx)
{
	struct bcm283x_sdhost *host = ctx;

	sdhost_update(host);
	if (host->dma && host->left)
		bcm283x_dma_kick(host->dma);
}

/* --- commands and data --------------------------------------------------------------- */

static void sdhost_command(struct bcm283x_sdhost *host, uint32_t value)
{
	enum sd_response ret = SD_NO_RESPONSE;

	host->cmd = value & ~(uint32_t)(CMD_NEW | CMD_FAIL);
	if (!(value & CMD_NEW))
		return;
	if (host->has_card && host->power)
		ret = sd_card_command(&host->card, value & CMD_INDEX, host->arg,
				      MAX(host->blocks, 1u), host->rsp);
	if (ret == SD_NO_RESPONSE) {
		host->cmd |= CMD_FAIL;
		host->status |= STS_CMD_TIMEOUT;
	}
	/* Any other command leaves the data that is on its way alone; CMD12 does not. */
	if (value & (CMD_READ | CMD_WRITE)) {
		host->writes = value & CMD_WRITE;
		host->left = ret == SD_NO_RESPONSE ? 0 :
			     (uint64_t)host->bytes * MAX(host->blocks, 1u);
		host->in_block = host->bytes;
	} else if ((value & CMD_INDEX) == 12 || (value & CMD_INDEX) == 0) {
		host->left = 0;
	}
	host->block_due = false;
	host->busy_due = value & CMD_BUSYWAIT;
	if (host->dma && host->left)
		bcm283x_dma_kick(host->dma);
}

static void sdhost_take(struct bcm283x_sdhost *host, void *data, unsigned len)
{
	sd_card_read(&host->card, data, len);
	host->left -= len;
}

static void sdhost_give(struct bcm283x_sdhost *host, const void *data, unsigned len)
{
	sd_card_write(&host->card, data, len);
	host->left -= len;
	while (len >= host->in_block && host->bytes) {
		len -= host->in_block;
		host->in_block = host->bytes;
		host->block_due = true;
	}
	host->in_block -= len;
}

static uint32_t sdhost_read_data(struct bcm283x_sdhost *host)
{
	uint8_t data[4] = { 0 };

	if (!host->writes && sdhost_ready(host) >= 4)
		sdhost_take(host, data, 4);
	return load_le(data, 4);
}

static void sdhost_write_data(struct bcm283x_sdhost *host, uint32_t value)
{
	uint8_t data[4];

	store_le(data, 4, value);
	if (host->writes && sdhost_ready(host) >= 4)
		sdhost_give(host, data, 4);
}

/* --- the DMA engine's side ----------------------------------------------------------- */

static unsigned peer_ready(void *ctx, bool write)
{
	struct bcm283x_sdhost *host = ctx;
	unsigned n;

	pthread_mutex_lock(&host->lock);
	n = host->writes == write ? sdhost_ready(host) : 0;
	pthread_mutex_unlock(&host->lock);
	return n;
}

/* A vCPU may have been there since: what it has taken is zeros, or not written. */
static void peer_read(void *ctx, void *data, unsigned len)
{
	struct bcm283x_sdhost *host = ctx;

	pthread_mutex_lock(&host->lock);
	if (!host->writes)
		sdhost_take(host, data, MIN(len, sdhost_ready(host)));
	sdhost_update(host);
	pthread_mutex_unlock(&host->lock);
}

static void peer_write(void *ctx, const void *data, unsigned len)
{
	struct bcm283x_sdhost *host = ctx;

	pthread_mutex_lock(&host->lock);
	if (host->writes)
		sdhost_give(host, data, MIN(len, sdhost_ready(host)));
	sdhost_update(host);
	pthread_mutex_unlock(&host->lock);
}

/* --- registers ----------------------------------------------------------------------- */

static uint32_t sdhost_edm(const struct bcm283x_sdhost *host)
{
	uint32_t words = MIN(sdhost_ready(host) / 4, FIFO_WORDS), fsm = EDM_FSM_DATA;

	if (host->left)
		fsm = host->writes ? EDM_FSM_WRITE : EDM_FSM_READ;
	else if (host->has_card && sd_card_busy(&host->card))
		fsm = EDM_FSM_WRITE_START;
	/* Of a write the words that have not yet gone. */
	if (host->left && host->writes)
		words = FIFO_WORDS - words;
	return host->edm | fsm | words << EDM_FIFO_SHIFT;
}

static uint32_t sdhost_read32(void *dev, unsigned reg)
{
	struct bcm283x_sdhost *host = dev;

	if (reg >= SDRSP0 && reg <= SDRSP3)
		return host->rsp[(reg - SDRSP0) / 4];
	switch (reg) {
	case SDCMD:
		return host->cmd;
	case SDARG:
		return host->arg;
	case SDTOUT:
		return host->timeout;
	case SDCDIV:
		return host->divider;
	case SDHSTS:
		return sdhost_status(host);
	case SDVDD:
		return host->power;
	case SDEDM:
		return sdhost_edm(host);
	case SDHCFG:
		return host->config;
	case SDHBCT:
		return host->bytes;
	case SDDATA:
		return sdhost_read_data(host);
	case SDHBLC:
		return host->blocks;
	default:
		return 0;
	}
}

static void sdhost_write_power(struct bcm283x_sdhost *host, uint32_t value)
{
	host->power = value & 1;
	if (host->power)
		return;
	host->left = 0;
	host->busy_due = host->block_due = false;
	if (host->has_card)
		sd_card_reset(&host->card);
}

static void sdhost_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_sdhost *host = dev;

	switch (reg) {
	case SDCMD:
		sdhost_command(host, value & 0xffff);
		break;
	case SDARG:
		host->arg = value;
		break;
	case SDTOUT:
		host->timeout = value;
		break;
	case SDCDIV:
		host->divider = value & 0x7ff;
		break;
	case SDHSTS:
		host->status &= ~(value & STS_CLEARABLE);
		break;
	case SDVDD:
		sdhost_write_power(host, value);
		break;
	case SDEDM:
		host->edm = value & EDM_KEPT;
		if (value & EDM_FORCE_DATA)
			host->left = 0;
		break;
	case SDHCFG:
		host->config = value & 0x7ff;
		break;
	case SDHBCT:
		host->bytes = value & 0xffff;
		break;
	case SDDATA:
		sdhost_write_data(host, value);
		break;
	case SDHBLC:
		/* Said to have 9 bits; Linux counts up to 1024 in it, of one transfer. */
		host->blocks = value & 0xffff;
		break;
	}
}

static uint64_t sdhost_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = reg32_read(sdhost_read32, dev, off, size);

	sdhost_update(dev);
	return value;
}

static void sdhost_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(sdhost_write32, dev, off, size, value);
	sdhost_update(dev);
}

static const struct io_ops sdhost_ops = { .read = sdhost_read, .write = sdhost_write };

/* --- life ---------------------------------------------------------------------------- */

static void sdhost_power_on(struct bcm283x_sdhost *host)
{
	memset(host->rsp, 0, sizeof(host->rsp));
	host->cmd = host->arg = host->timeout = host->divider = 0;
	host->status = host->edm = host->config = host->bytes = host->blocks = 0;
	sdhost_write_power(host, 0);
}

void bcm283x_sdhost_init(struct bcm283x_sdhost *host, struct irq_line irq)
{
	memset(host, 0, sizeof(*host));
	host->irq = irq;
	host->peer = (struct bcm283x_dma_peer){ peer_ready, peer_read, peer_write, host };
	host->region = (struct io_region){
		.name = "bcm283x-sdhost",
		.ops = &sdhost_ops,
		.dev = host,
		.len = BCM283X_SDHOST_LEN,
		.lock = &host->lock,
	};
	pthread_mutex_init(&host->lock, NULL);
}

int bcm283x_sdhost_insert(struct bcm283x_sdhost *host, struct loop *loop, struct disk *disk)
{
	int ret = sd_card_init(&host->card, loop, disk, &host->lock, sdhost_changed, host);

	host->has_card = ret == 0;
	return ret;
}

void bcm283x_sdhost_connect(struct bcm283x_sdhost *host, struct bcm283x_dma *dma)
{
	host->dma = dma;
	bcm283x_dma_attach(dma, BCM283X_SDHOST_DREQ, &host->peer);
}

void bcm283x_sdhost_finish(struct bcm283x_sdhost *host)
{
	/* The engine may be gone by then. */
	host->dma = NULL;
	if (host->has_card)
		sd_card_finish(&host->card);
	pthread_mutex_destroy(&host->lock);
}

void bcm283x_sdhost_reset(struct bcm283x_sdhost *host)
{
	pthread_mutex_lock(&host->lock);
	sdhost_power_on(host);
	sdhost_update(host);
	pthread_mutex_unlock(&host->lock);
}
