/* SPDX-License-Identifier: MIT */
/* Registers are those of ARM DDI 0190B, "PrimeCell General Purpose I/O (PL061)", 3.3. */
#include "devices/gpio_pl061.h"

#include <assert.h>

#include "devices/reg32.h"
#include "vmm/util.h"

#define DATA_END 0x400	/* below: data, bits 9:2 of the address are a mask */
#define DIR 0x400
#define IS 0x404
#define IBE 0x408
#define IEV 0x40c
#define IE 0x410
#define RIS 0x414
#define MIS 0x418
#define IC 0x41c
#define AFSEL 0x420

#define PL061_PERIPH_ID 0x00041061

/* --- lines ------------------------------------------------------------------------ */

static uint8_t pl061_pins(const struct gpio_pl061 *dev)
{
	return ((dev->in | dev->pressed) & ~dev->dir) | (dev->data & dev->dir);
}

/* 3.3.3 to 3.3.6: edges are latched, levels are as they are. */
static uint8_t pl061_raw(const struct gpio_pl061 *dev)
{
	uint8_t level = ~(pl061_pins(dev) ^ dev->event);

	return (dev->raw & ~dev->sense) | (level & dev->sense);
}

static void pl061_update_irq(struct gpio_pl061 *dev)
{
	bool level = pl061_raw(dev) & dev->mask;

	if (level != dev->irq_level)
		irq_set(&dev->irq, level);
	dev->irq_level = level;
}

/* After anything that may have moved a pin from where it was in @old. */
static void pl061_moved(struct gpio_pl061 *dev, uint8_t old)
{
	uint8_t pins = pl061_pins(dev), changed = pins ^ old;
	uint8_t wanted = dev->both | ~(pins ^ dev->event);

	dev->raw |= changed & wanted & ~dev->sense;
	pl061_update_irq(dev);
}

void gpio_pl061_set(struct gpio_pl061 *dev, unsigned n, bool level)
{
	uint8_t old;

	assert(n < GPIO_PL061_LINES);
	pthread_mutex_lock(&dev->lock);
	old = pl061_pins(dev);
	dev->in = (dev->in & ~BIT(n)) | (level ? BIT(n) : 0);
	pl061_moved(dev, old);
	pthread_mutex_unlock(&dev->lock);
}

/* --- keys -------------------------------------------------------------------------- */

void gpio_pl061_press(struct gpio_pl061 *dev, unsigned n)
{
	uint8_t old;

	assert(n < GPIO_PL061_LINES);
	pthread_mutex_lock(&dev->lock);
	old = pl061_pins(dev);
	dev->pressed |= BIT(n);
	pl061_moved(dev, old);
	pthread_mutex_unlock(&dev->lock);
	loop_post(dev->loop, &dev->pressed_work);
}

static void pl061_pressed_work(void *arg)
{
	struct gpio_pl061 *dev = arg;

	loop_timer_arm(dev->loop, &dev->release, GPIO_PL061_PRESS_NS);
}

static void pl061_release(void *arg)
{
	struct gpio_pl061 *dev = arg;
	uint8_t old;

	pthread_mutex_lock(&dev->lock);
	old = pl061_pins(dev);
	dev->pressed = 0;
	pl061_moved(dev, old);
	pthread_mutex_unlock(&dev->lock);
}

/* --- registers --------------------------------------------------------------------- */

static uint32_t pl061_read32(void *arg, unsigned reg)
{
	struct gpio_pl061 *dev = arg;

	if (reg < DATA_END)
		return pl061_pins(dev) & reg >> 2;
	switch (reg) {
	case DIR:
		return dev->dir;
	case IS:
		return dev->sense;
	case IBE:
		return dev->both;
	case IEV:
		return dev->event;
	case IE:
		return dev->mask;
	case RIS:
		return pl061_raw(dev);
	case MIS:
		return pl061_raw(dev) & dev->mask;
	case AFSEL:
		return dev->afsel;
	default:
		return reg >= PRIMECELL_ID ? primecell_id(reg, PL061_PERIPH_ID) : 0;
	}
}

static void pl061_write_reg(struct gpio_pl061 *dev, unsigned reg, uint8_t value)
{
	uint8_t outputs = reg >> 2 & dev->dir;

	if (reg < DATA_END) {
		dev->data = (dev->data & ~outputs) | (value & outputs);
		return;
	}
	switch (reg) {
	case DIR:
		dev->dir = value;
		break;
	case IS:
		dev->sense = value;
		break;
	case IBE:
		dev->both = value;
		break;
	case IEV:
		dev->event = value;
		break;
	case IE:
		dev->mask = value;
		break;
	case IC:
		dev->raw &= ~value;
		break;
	case AFSEL:
		dev->afsel = value;
		break;
	}
}

static void pl061_write32(void *arg, unsigned reg, uint32_t value)
{
	struct gpio_pl061 *dev = arg;
	uint8_t old = pl061_pins(dev);

	pl061_write_reg(dev, reg, value);
	pl061_moved(dev, old);
}

static uint64_t pl061_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(pl061_read32, dev, off, size);
}

static void pl061_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(pl061_write32, dev, off, size, value);
}

static const struct io_ops pl061_ops = {
	.read = pl061_read,
	.write = pl061_write,
};

/* --- life --------------------------------------------------------------------------- */

void gpio_pl061_init(struct gpio_pl061 *dev, struct loop *loop, struct irq_line irq)
{
	*dev = (struct gpio_pl061){
		.irq = irq,
		.loop = loop,
		.release = { .cb = pl061_release, .arg = dev },
		.pressed_work = { .cb = pl061_pressed_work, .arg = dev },
		.region = {
			.name = "gpio-pl061",
			.ops = &pl061_ops,
			.dev = dev,
			.len = GPIO_PL061_LEN,
			.lock = &dev->lock,
		},
	};
	pthread_mutex_init(&dev->lock, NULL);
}

void gpio_pl061_finish(struct gpio_pl061 *dev)
{
	loop_cancel(dev->loop, &dev->pressed_work);
	loop_timer_disarm(dev->loop, &dev->release);
	pthread_mutex_destroy(&dev->lock);
}

void gpio_pl061_reset(struct gpio_pl061 *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->data = dev->dir = dev->sense = dev->both = 0;
	dev->event = dev->mask = dev->raw = dev->afsel = 0;
	pl061_update_irq(dev);
	pthread_mutex_unlock(&dev->lock);
}
