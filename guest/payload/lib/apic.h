/* SPDX-License-Identifier: MIT */
/*
 * Local APIC (Intel SDM 3A, 11) in xAPIC mode and the IOAPIC (82093AA).
 *
 * Payloads run with interrupts off and look for a delivered interrupt in the
 * local APIC's request register: its bit is set on delivery and, since the
 * interrupt is never taken, stays. So each expected interrupt gets a vector of
 * its own, by apic_new_vector().
 */
#ifndef PAYLOAD_APIC_H
#define PAYLOAD_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* Software-enables this processor's local APIC; without that nothing arrives. */
void lapic_enable(void);
unsigned lapic_id(void);
/* Whether @vector is requested and not yet taken. */
bool lapic_requested(unsigned vector);
/* The message that raises @vector, edge triggered, on processor @apic_id. */
uint64_t msi_address(unsigned apic_id);
/* INIT; start-up in real mode at page @page, below 256. */
void lapic_send_init(unsigned apic_id);
void lapic_send_startup(unsigned apic_id, unsigned page);

/* A vector that no one has used. */
unsigned apic_new_vector(void);

/* Unmasks pin @gsi: @vector to this processor on a rising edge. */
void ioapic_route(unsigned gsi, unsigned vector);
void ioapic_mask(unsigned gsi);
uint32_t ioapic_read(unsigned reg);
void ioapic_write(unsigned reg, uint32_t value);

#endif
