/* SPDX-License-Identifier: MIT */
/* Sections are those of Broadcom's "BCM2835 ARM Peripherals", 6.1. */
#include "devices/bcm283x_gpio.h"

#include "devices/reg32.h"
#include "vmm/util.h"

#define GPFSEL0 0x00
#define GPFSEL5 0x14
#define GPSET 0x1c		/* two registers, as those that follow */
#define GPCLR 0x28
#define GPLEV 0x34
#define GPEDS 0x40
#define GPREN 0x4c		/* the first of six kinds, 12 bytes each */
#define GPAFEN 0x88
#define GPPUD 0x94
#define GPPUDCLK 0x98

#define PINS_PER_SELECT 10
#define FUNCTION_OUTPUT 1
#define FUNCTION_ALT0 4
#define ALL_PINS (BIT(BCM283X_GPIO_PINS) - 1)

enum { RISING, FALLING, HIGH, LOW, ASYNC_RISING, ASYNC_FALLING };

/* The pins of each interrupt. */
static const uint64_t gpio_irq_pins[BCM283X_GPIO_IRQS] = {
	0x0fffffffull, 0x3ffffull << 28, 0xffull << 46, ALL_PINS
};

/* --- levels ------------------------------------------------------------------------ */

static unsigned gpio_function(const struct bcm283x_gpio *gpio, unsigned pin)
{
	return gpio->functions[pin / PINS_PER_SELECT] >> pin % PINS_PER_SELECT * 3 & 7;
}

static uint64_t gpio_levels(const struct bcm283x_gpio *gpio)
{
	uint64_t outputs = 0;

	for (unsigned pin = 0; pin < BCM283X_GPIO_PINS; pin++)
		if (gpio_function(gpio, pin) == FUNCTION_OUTPUT)
			outputs |= BIT(pin);
	return (gpio->out & outputs) | (gpio->in & ~outputs);
}

static void gpio_update_irqs(struct bcm283x_gpio *gpio)
{
	for (unsigned i = 0; i < BCM283X_GPIO_IRQS; i++) {
		bool level = gpio->events & gpio_irq_pins[i];

		if (level != !!(gpio->raised & BIT(i)))
			irq_set(&gpio->irqs[i], level);
		gpio->raised = (gpio->raised & ~BIT(i)) | (level ? BIT(i) : 0);
	}
}

/* Edges since the last time, and levels that go on making events. */
static void gpio_update(struct bcm283x_gpio *gpio)
{
	uint64_t now = gpio_levels(gpio), rose = now & ~gpio->levels, fell = gpio->levels & ~now;

	gpio->levels = now;
	gpio->events |= (rose & (gpio->detect[RISING] | gpio->detect[ASYNC_RISING])) |
			(fell & (gpio->detect[FALLING] | gpio->detect[ASYNC_FALLING])) |
			(now & gpio->detect[HIGH]) | (~now & gpio->detect[LOW]);
	gpio_update_irqs(gpio);
}

/* --- registers ------------------------------------------------------------------------- */

/* The half of a pair of registers that begins at @first; false: @reg is not of it. */
static bool gpio_half(unsigned reg, unsigned first, unsigned *shift)
{
	*shift = reg == first ? 0 : 32;
	return reg == first || reg == first + 4;
}

static uint32_t gpio_read32(void *dev, unsigned reg)
{
	struct bcm283x_gpio *gpio = dev;
	unsigned shift;

	if (reg <= GPFSEL5)
		return gpio->functions[reg / 4];
	if (gpio_half(reg, GPLEV, &shift))
		return gpio->levels >> shift;
	if (gpio_half(reg, GPEDS, &shift))
		return gpio->events >> shift;
	if (reg >= GPREN && reg <= GPAFEN + 4 &&
	    gpio_half(reg, reg - (reg - GPREN) % 12, &shift))
		return gpio->detect[(reg - GPREN) / 12] >> shift;
	if (reg == GPPUD)
		return gpio->pull;
	if (gpio_half(reg, GPPUDCLK, &shift))
		return gpio->pull_clock[shift / 32];
	return 0;
}

static void gpio_write_detect(struct bcm283x_gpio *gpio, unsigned reg, uint32_t value)
{
	uint64_t *detect = &gpio->detect[(reg - GPREN) / 12];
	unsigned shift;

	if (gpio_half(reg, reg - (reg - GPREN) % 12, &shift))
		*detect = ((*detect & ~(0xffffffffull << shift)) | (uint64_t)value << shift) &
			  ALL_PINS;
}

static void gpio_write32(void *dev, unsigned reg, uint32_t value)
{
	struct bcm283x_gpio *gpio = dev;
	unsigned shift;

	if (reg <= GPFSEL5)
		gpio->functions[reg / 4] = value & (reg == GPFSEL5 ? 0xfff : 0x3fffffff);
	else if (gpio_half(reg, GPSET, &shift))
		gpio->out |= ((uint64_t)value << shift) & ALL_PINS;
	else if (gpio_half(reg, GPCLR, &shift))
		gpio->out &= ~((uint64_t)value << shift);
	else if (gpio_half(reg, GPEDS, &shift))
		gpio->events &= ~((uint64_t)value << shift);
	else if (reg >= GPREN && reg <= GPAFEN + 4)
		gpio_write_detect(gpio, reg, value);
	else if (reg == GPPUD)
		gpio->pull = value & 3;
	else if (gpio_half(reg, GPPUDCLK, &shift))
		gpio->pull_clock[shift / 32] = value;
	gpio_update(gpio);
}

static uint64_t gpio_read(void *dev, uint64_t off, unsigned size)
{
	return reg32_read(gpio_read32, dev, off, size);
}

static void gpio_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	reg32_write(gpio_write32, dev, off, size, value);
}

static const struct io_ops gpio_ops = { .read = gpio_read, .write = gpio_write };

/* --- life --------------------------------------------------------------------------------- */

void bcm283x_gpio_set_input(struct bcm283x_gpio *gpio, unsigned pin, bool level)
{
	pthread_mutex_lock(&gpio->lock);
	gpio->in = (gpio->in & ~BIT(pin)) | (level ? BIT(pin) : 0);
	gpio_update(gpio);
	pthread_mutex_unlock(&gpio->lock);
}

static void gpio_select(struct bcm283x_gpio *gpio, unsigned pin, uint32_t function)
{
	gpio->functions[pin / PINS_PER_SELECT] |= function << pin % PINS_PER_SELECT * 3;
}

/* As the firmware leaves it: the PL011 on 14 and 15, the SD card on 48 to 53. */
static void gpio_power_on(struct bcm283x_gpio *gpio)
{
	memset(gpio->functions, 0, sizeof(gpio->functions));
	memset(gpio->detect, 0, sizeof(gpio->detect));
	memset(gpio->pull_clock, 0, sizeof(gpio->pull_clock));
	gpio->pull = 0;
	gpio->out = gpio->events = 0;
	for (unsigned pin = 14; pin <= 15; pin++)
		gpio_select(gpio, pin, FUNCTION_ALT0);
	for (unsigned pin = 48; pin < BCM283X_GPIO_PINS; pin++)
		gpio_select(gpio, pin, FUNCTION_ALT0);
	gpio->levels = gpio_levels(gpio);
	gpio_update(gpio);
}

void bcm283x_gpio_init(struct bcm283x_gpio *gpio, const struct irq_line irqs[BCM283X_GPIO_IRQS])
{
	*gpio = (struct bcm283x_gpio){
		.in = BCM283X_GPIO_PULLED_UP,
		.region = {
			.name = "bcm283x-gpio",
			.ops = &gpio_ops,
			.dev = gpio,
			.len = BCM283X_GPIO_LEN,
			.lock = &gpio->lock,
		},
	};
	memcpy(gpio->irqs, irqs, sizeof(gpio->irqs));
	pthread_mutex_init(&gpio->lock, NULL);
	gpio_power_on(gpio);
}

void bcm283x_gpio_finish(struct bcm283x_gpio *gpio)
{
	pthread_mutex_destroy(&gpio->lock);
}

void bcm283x_gpio_reset(struct bcm283x_gpio *gpio)
{
	pthread_mutex_lock(&gpio->lock);
	gpio_power_on(gpio);
	pthread_mutex_unlock(&gpio->lock);
}
