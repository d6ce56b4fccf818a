/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine: RAM, buses, devices, vCPUs, and how it ends.
 *
 *     vm_create()   everything that outlives a reset: RAM, devices, host ends
 *     vm_run()      boots, runs, and boots again while the guest resets itself
 *     vm_destroy()
 *
 * All three on the main thread, which turns the loop inside vm_run(). A reset
 * of the guest makes a new KVM VM, so that no state of the old one can be left
 * in a vCPU or an interrupt controller; devices are reset one by one, RAM is
 * given back to the host.
 */
#ifndef MICROVM_VM_H
#define MICROVM_VM_H

#include <stdatomic.h>
#include <stdio.h>

#include "devices/backend/evdev.h"
#include "devices/pci.h"
#include "vmm/config.h"
#include "vmm/kvm.h"
#include "vmm/power.h"
#include "vmm/vcpu.h"

struct control;
struct disk;
struct gpu_process;
struct term;
struct arch_machine;

/* Why the guest stopped; the exit status of the program follows (vm_exit_status()). */
enum vm_end {
	VM_END_NONE,
	VM_END_POWEROFF,
	VM_END_RESET,
	VM_END_QUIT,		/* ctrl-a x */
	VM_END_PANIC,
	VM_END_TRIPLE_FAULT,
	VM_END_KVM_ERROR,
	VM_END_TIMEOUT,
	VM_END_SIGNAL,		/* hard stop */
	VM_END_RESULT,		/* testdev, with a code */
	VM_END_BAD_INPUT,	/* a kernel, an initrd or what a device was given is no good */
	VM_END_FAILURE,		/* the host failed us */
};

#define VM_MAX_MARKS 64
#define VM_MAX_MMIO_SLOTS 32

struct vm_mark {
	unsigned id;
	uint64_t t_ns;		/* CLOCK_MONOTONIC */
	uint64_t exits;		/* to user space, all vCPUs */
};

/* A place for one device on virtio-mmio. */
struct vm_mmio_slot {
	uint64_t gpa;
	struct irq_line irq;
};

/* A place for the first disk, where a machine has one: a slot for an SD card. */
struct vm_disk_slot {
	/* Takes the disk over. 0, or negative errno after one line. NULL: no slot, or taken. */
	int (*insert)(void *ctx, struct disk *disk);
	void *ctx;
};

struct usb_device;
struct usb_model;

/* A place for USB devices (bus=usb), where a machine has one. */
struct vm_usb_place {
	/*
	 * Into a free socket, or first of all where the board itself has such a device
	 * (@inside). 0, or -ENOSPC: all are taken. NULL: this machine has no USB.
	 */
	int (*plug)(void *ctx, struct usb_device *dev, bool inside);
	void *ctx;
	const struct usb_model *const *models;	/* what can be plugged in: usb_models */
};

struct vm_virtio;		/* vm_devices.c */
struct vm_status;		/* vm_control.c */
struct virtio_vga;

struct vm {
	const struct config *cfg;
	uint64_t t_start_ns;
	_Atomic uint64_t t_first_run_ns;
	struct gmem mem;
	struct bus mmio, pio;
	struct loop *loop;
	struct term *term;
	struct gpu_process *gpu;
	struct control *control;
	unsigned control_port;	/* of gpu */
	struct vm_status *statuses;	/* calls that wait for the guest; vm_control.c */
	struct kvm kvm;
	struct vcpu *vcpus;
	unsigned n_vcpus;
	atomic_uint running;	/* vCPU threads alive */

	/* laid out by arch_machine_create(), filled by vm_add_devices() */
	struct arch_machine *machine;
	struct pci_bus pci;
	struct vm_mmio_slot mmio_slots[VM_MAX_MMIO_SLOTS];
	unsigned n_mmio_slots, mmio_slots_used;
	struct gmem_range shm_room;	/* left for shared memory of devices there */
	struct vm_disk_slot disk_slot;
	struct vm_usb_place usb_place;
	bool vga_place;			/* ports and a window for a VGA card are free */
	struct virtio_vga *vga;		/* that is there; NULL: none */
	struct vm_virtio *devices;
	struct evdev_set evdevs;	/* of the host, among them */

	pthread_mutex_t end_lock;
	enum vm_end end;
	unsigned end_code;

	pthread_mutex_t mark_lock;
	struct vm_mark marks[VM_MAX_MARKS];
	unsigned n_marks;

	struct loop_timer timeout;
	struct loop_fd signals;
	int signal_fd;
	unsigned stop_requests;
};

/*
 * @t_start_ns: when the program started, for statistics. 0, or negative errno
 * after one line in the log; vm_exit_status() then says whether the host or the
 * user is to blame, and vm_destroy() is not called. Signals SIGINT, SIGTERM and SIGHUP must be
 * blocked: the VM takes them from a signalfd.
 */
int vm_create(struct vm *vm, const struct config *cfg, uint64_t t_start_ns);
void vm_destroy(struct vm *vm);

/* Runs until the guest ends for good; says why on the log unless all is well. */
enum vm_end vm_run(struct vm *vm);
/* The program's exit status for how vm_run() ended. */
int vm_exit_status(const struct vm *vm);

/* Ends the run; the first reason stands. Any thread. */
void vm_request_end(struct vm *vm, enum vm_end end, unsigned code);
/* For devices: off, reset, panic, results and marks. */
struct power_sink vm_power_sink(struct vm *vm);

/* A disk that nobody has given a bus to: the first is for a machine's disk_slot. */
static inline bool vm_is_card(const struct config_device *dev)
{
	return dev->model->open_disk && !opt_value_get(&dev->opts, "bus");
}

/* vm_devices.c: fills the disk_slot, once. 0, or negative errno and @disk is closed. */
int vm_insert_disk(struct vm *vm, struct disk *disk);
/* Whether a device is to be a VGA card, where the machine has a place for one. */
bool vm_wants_vga(const struct vm *vm);
/* The virtio devices of the configuration, on PCI or MMIO. */
int vm_add_devices(struct vm *vm);
/* The one of @model that was added last; NULL: none is there. */
struct virtio_device *vm_find_device(const struct vm *vm, const struct virtio_model *model);
void vm_reset_devices(struct vm *vm);
void vm_remove_devices(struct vm *vm);

void vm_press_power(struct vm *vm);

/* vm_control.c: the control socket, if one was asked for. Before the devices. */
int vm_add_control(struct vm *vm);

/* vm_stats.c: what the run cost, as JSON. */
void vm_print_stats(struct vm *vm, FILE *f);
uint64_t vm_exit_count(const struct vm *vm);

#endif
