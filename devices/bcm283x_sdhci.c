/* SPDX-License-Identifier: MIT */
/* Sections are those of the SD Host Controller Simplified Specification 3.00. */
#include "devices/bcm283x_sdhci.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define ARG2 0x00
#define BLOCK 0x04		/* size, count */
#define ARG 0x08
#define COMMAND 0x0c		/* transfer mode, command */
#define RESPONSE 0x10
#define RESPONSE_LAST 0x1c
#define BUFFER 0x20
#define PRESENT 0x24
#define CONTROL0 0x28
#define CONTROL1 0x2c		/* clock, timeout, reset */
#define INT_STATUS 0x30
#define INT_ENABLE 0x34
#define INT_SIGNAL 0x38
#define CAPABILITIES 0x40
#define VERSION 0xfc

#define MODE_COUNT BIT(1)
#define MODE_AUTO_STOP 0x4
#define MODE_AUTO 0xc
#define MODE_READ BIT(4)
#define MODE_MULTI BIT(5)
#define CMD_BUSY_RESPONSE 3
#define CMD_RESPONSE_SHIFT 16
#define CMD_DATA BIT(21)
#define CMD_INDEX_SHIFT 24

#define PRESENT_DATA_INHIBIT BIT(1)
#define PRESENT_WRITE BIT(8)
#define PRESENT_READ BIT(9)
#define PRESENT_SPACE BIT(10)
#define PRESENT_DATA BIT(11)
#define PRESENT_CARD (BIT(16) | BIT(17) | BIT(18))
#define PRESENT_WRITABLE BIT(19)
#define PRESENT_LINES 0x01f00000u

#define CLOCK_INTERNAL BIT(0)
#define CLOCK_STABLE BIT(1)
#define RESET_ALL BIT(24)
#define RESET_CMD BIT(25)
#define RESET_DATA BIT(26)

#define INT_COMMAND BIT(0)
#define INT_TRANSFER BIT(1)
#define INT_SPACE BIT(4)
#define INT_DATA BIT(5)
#define INT_ERROR BIT(15)
#define INT_COMMAND_TIMEOUT BIT(16)
#define INT_DATA_TIMEOUT BIT(20)
#define INT_ERRORS 0xffff0000u

/* 2.2.26: 50 MHz, timeout by MHz, 3.3 V, high speed; neither DMA nor blocks above 512. */
#define CAPABILITIES_VALUE (BIT(24) | BIT(21) | 50u << 8 | BIT(7) | 50u)
#define VERSION_VALUE 0x99020000u

/* --- how far it is -------------------------------------------------------------- */

static uint32_t sdhci_block_size(const struct bcm283x_sdhci *host)
{
	return host->block & 0xfff;
}

/* Whether what is left of this block can be moved. */
static bool sdhci_ready(const struct bcm283x_sdhci *host)
{
	unsigned n;

	if (!host->has_card || !host->left)
		return false;
	n = host->writes ? sd_card_writable(&host->card) : sd_card_readable(&host->card);
	return n >= MIN(host->in_block, host->left);
}

static void sdhci_raise(struct bcm283x_sdhci *host, uint32_t bits)
{
	host->status |= bits & host->enable;
}

static void sdhci_end(struct bcm283x_sdhci *host)
{
	uint32_t resp[4];

	host->end_due = false;
	if ((host->cmd & CMD_DATA) && (host->cmd & MODE_AUTO) == MODE_AUTO_STOP)
		sd_card_command(&host->card, 12, 0, 1, resp);
	sdhci_raise(host, INT_TRANSFER);
}

static void sdhci_update(struct bcm283x_sdhci *host)
{
	bool level;

	if (host->has_card && host->left && host->card.failed) {
		host->left = 0;
		host->end_due = false;
		sdhci_raise(host, INT_DATA_TIMEOUT);
	}
	if (!host->told && sdhci_ready(host)) {
		host->told = true;
		sdhci_raise(host, host->writes ? INT_SPACE : INT_DATA);
	}
	if (host->end_due && !host->left && !sd_card_busy(&host->card))
		sdhci_end(host);
	if (host->status & INT_ERRORS)
		host->status |= INT_ERROR;
	else
		host->status &= ~INT_ERROR;
	level = host->status & host->signal;
	if (level != host->irq_level)
		irq_set(&host->irq, level);
	host->irq_level = level;
}

static void sdhci_changed(void *ctx)
{
	sdhci_update(ctx);
}

/* --- commands and data ------------------------------------------------------------- */

/* 2.2.7: a long response without its checksum. */
static void sdhci_long_response(struct bcm283x_sdhci *host)
{
	for (unsigned i = 0; i < 3; i++)
		host->rsp[i] = host->rsp[i] >> 8 | host->rsp[i + 1] << 24;
	host->rsp[3] >>= 8;
}

static void sdhci_begin(struct bcm283x_sdhci *host, uint32_t blocks)
{
	host->writes = !(host->cmd & MODE_READ);
	host->in_block = sdhci_block_size(host);
	host->left = (uint64_t)host->in_block * blocks;
	host->told = false;
	host->end_due = host->left;
}

static void sdhci_command(struct bcm283x_sdhci *host, uint32_t value)
{
	bool multi = value & MODE_MULTI, counted = value & MODE_COUNT;
	uint32_t blocks = multi && counted ? host->block >> 16 : 1;
	unsigned index = value >> CMD_INDEX_SHIFT & 0x3f;
	enum sd_response ret = SD_NO_RESPONSE;

	host->cmd = value;
	if (index == 12 || index == 0) {
		host->left = 0;
		host->end_due = false;
	}
	if (host->has_card)
		ret = sd_card_command(&host->card, index, host->arg, MAX(blocks, 1u), host->rsp);
	if (ret == SD_NO_RESPONSE) {
		sdhci_raise(host, INT_COMMAND_TIMEOUT);
		return;
	}
	if (ret == SD_LONG)
		sdhci_long_response(host);
	sdhci_raise(host, INT_COMMAND);
	if (value & CMD_DATA)
		sdhci_begin(host, blocks);
	else if ((value >> CMD_RESPONSE_SHIFT & 3) == CMD_BUSY_RESPONSE)
		host->end_due = true;
}

static void sdhci_moved(struct bcm283x_sdhci *host, unsigned n)
{
	host->left -= n;
	host->in_block -= n;
	if (host->in_block)
		return;
	host->in_block = sdhci_block_size(host);
	host->told = false;
}

static unsigned sdhci_room(const struct bcm283x_sdhci *host, bool write)
{
	return host->writes == write && sdhci_ready(host) ? MIN(4u, host->in_block) : 0;
}

static uint32_t sdhci_read_buffer(struct bcm283x_sdhci *host)
{
	unsigned n = sdhci_room(host, false);
	uint8_t data[4] = { 0 };

	sd_card_read(&host->card, data, n);
	sdhci_moved(host, n);
	return load_le(data, 4);
}

static void sdhci_write_buffer(struct bcm283x_sdhci *host, uint32_t value)
{
	unsigned n = sdhci_room(host, true);
	uint8_t data[4];

	store_le(data, 4, value);
	sd_card_write(&host->card, data, n);
	sdhci_moved(host, n);
}

/* --- registers ------------------------------------------------------------------------- */

static uint32_t sdhci_present(const struct bcm283x_sdhci *host)
{
	uint32_t present = PRESENT_LINES;

	if (host->has_card)
		present |= PRESENT_CARD | (host->card.readonly ? 0 : PRESENT_WRITABLE);
	if (host->left || host->end_due)
		present |= PRESENT_DATA_INHIBIT;
	if (host->left)
		present |= host->writes ? PRESENT_WRITE : PRESENT_READ;
	if (sdhci_ready(host))
		present |= host->writes ? PRESENT_SPACE : PRESENT_DATA;
	return present;
}

static uint32_t sdhci_read32(void *dev, unsigned reg)
{
	struct bcm283x_sdhci *host = dev;

	if (reg >= RESPONSE && reg <= RESPONSE_LAST)
		return host->rsp[(reg - RESPONSE) / 4];
	switch (reg) {
	case ARG2:
		return host->arg2;
	case BLOCK:
		return host->block;
	case ARG:
		return host->arg;
	case COMMAND:
		return host->cmd;
	case BUFFER:
		return sdhci_read_buffer(host);
	case PRESENT:
		return sdhci_present(host);
	case CONTROL0:
		return host->control0;
	case CONTROL1:
		return host->control1;
	case INT_STATUS:
		return host->status;
	case INT_ENABLE:
		return host->enable;
	case INT_SIGNAL:
		return host->signal;
	case CAPABILITIES:
		return CAPABILITIES_VALUE;
	case VERSION:
		return VERSION_VALUE;
	default:
		return 0;
	}
}

static void sdhci_stop(struct bcm283x_sdhci *host)
{
	host->left = 0;
	host->end_due = host->told = false;
}

static void sdhci_power_on(struct bcm283x_sdhci *host)
{
	memset(host->rsp, 0, sizeof(host->rsp));
	host->arg2 = host->block = host->arg = host->cmd = 0;
	host->control0 = host->control1 = 0;
	host->status = host->enable = host->signal = 0;
	sdhci_stop(host);
}

/* 2.2.17, 2.2.14: a reset ends at once, and a clock is stable. */
static void sdhci_write_control1(struct bcm283x_sdhci *host, uint32_t value)
{
	if (value & RESET_ALL) {
		sdhci_power_on(host);
		return;
	}
	if (value & RESET_DATA)
		sdhci_stop(host);
	value &= ~(uint32_t)(RESET_CMD | RESET_DATA | CLOCK_STABLE);
	host->control1 = value | (value & CLOCK_INTERNAL ? CLOCK_STABLE : 0);
}

static void sdhci_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_sdhci *host = dev;

	switch (reg) {
	case ARG2:
		host->arg2 = value;
		break;
	case BLOCK:
		/* In the middle of a transfer they count for the next one. */
		if (!host->left)
			host->block = value;
		break;
	case ARG:
		host->arg = value;
		break;
	case COMMAND:
		sdhci_command(host, value);
		break;
	case BUFFER:
		sdhci_write_buffer(host, value);
		break;
	case CONTROL0:
		host->control0 = value;
		break;
	case CONTROL1:
		sdhci_write_control1(host, value);
		break;
	case INT_STATUS:
		host->status &= ~value;
		break;
	case INT_ENABLE:
		host->enable = value;
		host->status &= value;
		break;
	case INT_SIGNAL:
		host->signal = value;
		break;
	}
}

static uint64_t sdhci_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = reg32_read(sdhci_read32, dev, off, size);

	sdhci_update(dev);
	return value;
}

static void sdhci_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(sdhci_write32, dev, off, size, value);
	sdhci_update(dev);
}

static const struct io_ops sdhci_ops = { .read = sdhci_read, .write = sdhci_write };

/* --- life ----------------------------------------------------------------------------------- */

void bcm283x_sdhci_init(struct bcm283x_sdhci *host, struct irq_line irq)
{
	memset(host, 0, sizeof(*host));
	host->irq = irq;
	host->region = (struct io_region){
		.name = "bcm283x-sdhci",
		.ops = &sdhci_ops,
		.dev = host,
		.len = BCM283X_SDHCI_LEN,
		.lock = &host->lock,
	};
	pthread_mutex_init(&host->lock, NULL);
}

int bcm283x_sdhci_insert(struct bcm283x_sdhci *host, struct loop *loop, struct disk *disk)
{
	int ret = sd_card_init(&host->card, loop, disk, &host->lock, sdhci_changed, host);

	host->has_card = ret == 0;
	return ret;
}

void bcm283x_sdhci_finish(struct bcm283x_sdhci *host)
{
	if (host->has_card)
		sd_card_finish(&host->card);
	pthread_mutex_destroy(&host->lock);
}

void bcm283x_sdhci_reset(struct bcm283x_sdhci *host)
{
	pthread_mutex_lock(&host->lock);
	sdhci_power_on(host);
	if (host->has_card)
		sd_card_reset(&host->card);
	sdhci_update(host);
	pthread_mutex_unlock(&host->lock);
}
