/* SPDX-License-Identifier: MIT */
/*
 * The KVM VM (Linux Documentation/virt/kvm/api.rst): opening, memory slots,
 * interrupt routes, doorbells. With vcpu.c and the arch folders the only user
 * of <linux/kvm.h>.
 *
 * kvm_open() once; kvm_create_vm() and kvm_destroy_vm() around each boot of the
 * guest, on the main thread with no vCPU running. What interrupts go through
 * (kvm_irq_line(), kvm_msi_sink(), the hooks) may be called from any thread in
 * between, and is safe though without effect while there is no VM.
 */
#ifndef MICROVM_KVM_H
#define MICROVM_KVM_H

#include <linux/kvm.h>

#include "vmm/bus.h"
#include "vmm/gmem.h"
#include "vmm/irq.h"
#include "vmm/log.h"

#define KVM_MAX_MSI_ROUTES 256
#define KVM_MAX_WIRED_ROUTES 64
#define KVM_MAX_WINDOWS 16	/* regions of memory on the bus */

struct kvm_msi_route {
	bool used;
	int fd;			/* eventfd, bound by KVM_IRQFD */
	struct msi_message msg;
};

/*
 * A doorbell whose messages are wires (a GICv2m frame): data @first + i written to
 * @addr is an edge on pin @pin + i of the interrupt controller, which
 * KVM_IRQ_LINE calls @line + i.
 */
struct kvm_msi_frame {
	uint64_t addr;
	uint32_t first, n;	/* n 0: there is none */
	unsigned pin, line;
};

struct kvm {
	int sys_fd;		/* /dev/kvm */
	int vm_fd;		/* -1: no VM */
	size_t run_size;	/* bytes of a vCPU's kvm_run mapping */

	pthread_mutex_t route_lock;
	struct kvm_irq_routing_entry wired[KVM_MAX_WIRED_ROUTES];
	unsigned n_wired, first_msi_gsi;
	struct kvm_msi_route msi[KVM_MAX_MSI_ROUTES];
	/* slot GMEM_MAX_REGIONS + n is memory of this region; NULL: free. The bus's lock. */
	const struct io_region *windows[KVM_MAX_WINDOWS];
	struct kvm_msi_frame frame;	/* set by the architecture before the first VM */
	bool msi_devid;		/* this VM's messages name their sender */
	struct log_rate rate;
};

/*
 * 0, or negative errno after one line that says what the user can do about it;
 * kvm_close() follows either way.
 */
int kvm_open(struct kvm *kvm);
void kvm_close(struct kvm *kvm);

/* 0 or the value of a capability (KVM_CHECK_EXTENSION). */
int kvm_cap(struct kvm *kvm, int cap);

/*
 * A VM without memory, @type is KVM_CREATE_VM's argument: to ask it what it can.
 * kvm_create_vm() then goes on with it. 0 or negative errno.
 */
int kvm_make_vm(struct kvm *kvm, unsigned long type);
/* Makes a VM with @mem as its RAM, one slot a region. 0 or negative errno. */
int kvm_create_vm(struct kvm *kvm, const struct gmem *mem, unsigned long type);
/* MSI routes stay and are part of the next VM. No-op without a VM. */
void kvm_destroy_vm(struct kvm *kvm);

/*
 * ioctl on the VM that logs its name when it fails: 0 or more, or negative
 * errno.
 */
int kvm_vm_ioctl(struct kvm *kvm, const char *name, unsigned long request, void *arg);

/*
 * Wires gsi n to pin n of in-kernel interrupt controller @irqchip for all n
 * below @n_pins; MSIs use the gsis from there on. Once after the interrupt
 * controller was made and works.
 */
int kvm_wire_irqchip(struct kvm *kvm, unsigned irqchip, unsigned n_pins);

/* @gsi as KVM_IRQ_LINE takes it. */
struct irq_line kvm_irq_line(struct kvm *kvm, unsigned gsi);
struct msi_sink kvm_msi_sink(struct kvm *kvm);

/* For bus_set_hook(), with the struct kvm as its context. */
extern const struct bus_hook kvm_mmio_hook, kvm_pio_hook;

#endif
