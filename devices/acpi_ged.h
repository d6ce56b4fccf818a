/* SPDX-License-Identifier: MIT */
/*
 * The fixed hardware of a hardware-reduced ACPI machine (ACPI 6.4, 4.1): sleep
 * control and status (4.8.3.7), the reset register (4.8.3.6), and the events
 * that a Generic Event Device (5.6.9) tells the guest: the power button.
 *
 *     +0  W   sleep control: SLP_TYPx in bits 2-4, SLP_EN bit 5
 *     +1  RW  sleep status: always 0, since nothing wakes up from S5
 *     +2  W   reset: ACPI_GED_RESET_VALUE resets
 *     +4  R   events pending, reading clears them and drops the interrupt
 *
 * Registers by vCPUs, acpi_ged_press_power() from any thread.
 */
#ifndef MICROVM_ACPI_GED_H
#define MICROVM_ACPI_GED_H

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/power.h"

#define ACPI_GED_LEN 8
#define ACPI_GED_SLEEP_CONTROL 0
#define ACPI_GED_SLEEP_STATUS 1
#define ACPI_GED_RESET 2
#define ACPI_GED_EVENTS 4
#define ACPI_GED_RESET_VALUE 0x42
#define ACPI_GED_SLP_TYP_S5 5
#define ACPI_GED_EVENT_POWER 0x01

struct acpi_ged {
	pthread_mutex_t lock;
	struct io_region region;
	struct irq_line irq;
	struct power_sink power;
	uint8_t events;
};

void acpi_ged_init(struct acpi_ged *dev, struct irq_line irq, struct power_sink power);
void acpi_ged_finish(struct acpi_ged *dev);
void acpi_ged_reset(struct acpi_ged *dev);
void acpi_ged_press_power(struct acpi_ged *dev);

#endif
