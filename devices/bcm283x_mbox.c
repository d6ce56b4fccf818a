/* SPDX-License-Identifier: MIT */
#include "devices/bcm283x_mbox.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define MAIL0_READ 0x00
#define MAIL0_PEEK 0x10
#define MAIL0_STATUS 0x18
#define MAIL0_CONFIG 0x1c
#define MAIL1_WRITE 0x20
#define MAIL1_STATUS 0x38

#define STATUS_EMPTY BIT(30)
#define STATUS_FULL BIT(31)
#define CONFIG_IRQ 1		/* while there is something to read */

#define CHANNEL_MASK 0xfu
#define CHANNEL_PROPERTY 8
/* The GPU's address has two bits of how it caches above the ARM's. */
#define ADDRESS_MASK 0x3ffffff0u

static void mbox_update_irq(struct bcm283x_mbox *mbox)
{
	bool level = mbox->len && (mbox->config & CONFIG_IRQ);

	if (level != mbox->irq_level)
		irq_set(&mbox->irq, level);
	mbox->irq_level = level;
}

static uint32_t mbox_pop(struct bcm283x_mbox *mbox)
{
	/* An empty one still says what was last in it. */
	if (mbox->len) {
		mbox->last = mbox->fifo[mbox->head];
		mbox->head = (mbox->head + 1) % BCM283X_MBOX_DEPTH;
		mbox->len--;
	}
	return mbox->last;
}

/* Who does not look whether it is full loses what it says. */
static void mbox_send(struct bcm283x_mbox *mbox, uint32_t message)
{
	if ((message & CHANNEL_MASK) != CHANNEL_PROPERTY || mbox->len == BCM283X_MBOX_DEPTH ||
	    !bcm283x_property_answer(&mbox->property, message & ADDRESS_MASK)) {
		log_guest(&mbox->property.rate, "bcm283x-mbox: nobody answers %#x", message);
		return;
	}
	mbox->fifo[(mbox->head + mbox->len++) % BCM283X_MBOX_DEPTH] = message;
}

static uint32_t mbox_read32(void *dev, unsigned reg)
{
	struct bcm283x_mbox *mbox = dev;
	uint32_t full = mbox->len == BCM283X_MBOX_DEPTH ? STATUS_FULL : 0;

	/* The FIFO shows at four addresses. */
	if (reg < MAIL0_PEEK)
		return mbox_pop(mbox);
	switch (reg) {
	case MAIL0_PEEK:
		return mbox->len ? mbox->fifo[mbox->head] : mbox->last;
	case MAIL0_STATUS:
		return full | (mbox->len ? mbox->len : STATUS_EMPTY);
	case MAIL0_CONFIG:
		return mbox->config;
	case MAIL1_STATUS:
		/* What is written is taken at once, as long as its answer has a place. */
		return full | STATUS_EMPTY;
	default:
		return 0;
	}
}

static void mbox_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_mbox *mbox = dev;

	if (reg == MAIL0_CONFIG)
		mbox->config = value & CONFIG_IRQ;
	else if (reg >= MAIL1_WRITE && reg < MAIL1_WRITE + 0x10)
		mbox_send(mbox, value);
}

static uint64_t mbox_read(void *dev, uint64_t off, unsigned size)
{
	uint64_t value = reg32_read(mbox_read32, dev, off, size);

	mbox_update_irq(dev);
	return value;
}

static void mbox_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(mbox_write32, dev, off, size, value);
	mbox_update_irq(dev);
}

static const struct io_ops mbox_ops = { .read = mbox_read, .write = mbox_write };

void bcm283x_mbox_init(struct bcm283x_mbox *mbox, const struct gmem *mem, struct irq_line irq,
		       const struct bcm283x_board *board)
{
	*mbox = (struct bcm283x_mbox){
		.irq = irq,
		.region = {
			.name = "bcm283x-mbox",
			.ops = &mbox_ops,
			.dev = mbox,
			.len = BCM283X_MBOX_LEN,
			.lock = &mbox->lock,
		},
	};
	pthread_mutex_init(&mbox->lock, NULL);
	bcm283x_property_init(&mbox->property, mem, board);
}

void bcm283x_mbox_finish(struct bcm283x_mbox *mbox)
{
	pthread_mutex_destroy(&mbox->lock);
}

void bcm283x_mbox_reset(struct bcm283x_mbox *mbox)
{
	pthread_mutex_lock(&mbox->lock);
	mbox->head = mbox->len = 0;
	mbox->config = mbox->last = 0;
	bcm283x_property_reset(&mbox->property);
	mbox_update_irq(mbox);
	pthread_mutex_unlock(&mbox->lock);
}
