/* SPDX-License-Identifier: MIT */
#include "devices/acpi_ged.h"

#include "devices/byte_regs.h"
#include "vmm/util.h"

/* ACPI 6.4, 4.8.3.7 */
#define SLEEP_CONTROL_SLP_TYP(v) (((v) >> 2) & 7)
#define SLEEP_CONTROL_SLP_EN BIT(5)

static uint8_t acpi_ged_take_events(struct acpi_ged *dev)
{
	uint8_t events = dev->events;

	dev->events = 0;
	irq_set(&dev->irq, false);
	return events;
}

static uint8_t acpi_ged_read_byte(void *arg, unsigned off)
{
	struct acpi_ged *dev = arg;

	return off == ACPI_GED_EVENTS ? acpi_ged_take_events(dev) : 0;
}

static void acpi_ged_write_byte(void *arg, unsigned off, uint8_t value)
{
	struct acpi_ged *dev = arg;

	switch (off) {
	case ACPI_GED_SLEEP_CONTROL:
		/* The tables offer S5 alone; any other sleep would be one without a waker. */
		if ((value & SLEEP_CONTROL_SLP_EN) &&
		    SLEEP_CONTROL_SLP_TYP(value) == ACPI_GED_SLP_TYP_S5)
			power_event(&dev->power, POWER_OFF, 0);
		break;
	case ACPI_GED_RESET:
		if (value == ACPI_GED_RESET_VALUE)
			power_event(&dev->power, POWER_RESET, 0);
		break;
	}
}

static uint64_t acpi_ged_read(void *dev, uint64_t off, unsigned size)
{
	return byte_regs_read(acpi_ged_read_byte, dev, off, size);
}

static void acpi_ged_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	byte_regs_write(acpi_ged_write_byte, dev, off, size, value);
}

static const struct io_ops acpi_ged_ops = {
	.read = acpi_ged_read,
	.write = acpi_ged_write,
};

void acpi_ged_init(struct acpi_ged *dev, struct irq_line irq, struct power_sink power)
{
	*dev = (struct acpi_ged){
		.irq = irq,
		.power = power,
		.region = {
			.name = "acpi-ged",
			.ops = &acpi_ged_ops,
			.dev = dev,
			.len = ACPI_GED_LEN,
			.lock = &dev->lock,
		},
	};
	pthread_mutex_init(&dev->lock, NULL);
}

void acpi_ged_finish(struct acpi_ged *dev)
{
	pthread_mutex_destroy(&dev->lock);
}

void acpi_ged_reset(struct acpi_ged *dev)
{
	pthread_mutex_lock(&dev->lock);
	acpi_ged_take_events(dev);
	pthread_mutex_unlock(&dev->lock);
}

void acpi_ged_press_power(struct acpi_ged *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->events |= ACPI_GED_EVENT_POWER;
	irq_set(&dev->irq, true);
	pthread_mutex_unlock(&dev->lock);
}
