/* SPDX-License-Identifier: MIT */
/*
 * The ARM machine: what its device tree says. Each enabled node whose compatible is
 * in arm_models gets its model, at its addresses and with its interrupts; what
 * has no model reads as zeros and ignores writes. Private to arch/arm; the rest
 * of the program knows arch.h.
 *
 * Set-up on the main thread, before the first vCPU: in the order of enum arm_stage,
 * and of the tree within each.
 */
#ifndef MICROVM_ARM_MACHINE_H
#define MICROVM_ARM_MACHINE_H

#include "arch/arm/boot.h"
#include "arch/arm/boot_pi.h"
#include "arch/arm/fdt.h"
#include "arch/arm/gic.h"
#include "devices/bcm283x_local.h"
#include "devices/gpio_pl061.h"
#include "vmm/vm.h"

/* Of arch_machine's release[], above all that a 32-bit CPU can start at. */
#define ARM_CPU_HELD BIT(32)
#define ARM_CPU_FREE BIT(33)

#define ARM_MAX_CONTROLLERS 8
#define ARM_MAX_ABSENT 128	/* windows of nodes without a model */
#define ARM_MAX_OFF 64		/* nodes that the guest must not see */

/* A device of the machine, embedded in what its model allocates. */
struct arm_device {
	const struct arm_device_ops *ops;
	struct arm_device *next;
};

/* Main thread, no vCPU runs. */
struct arm_device_ops {
	void (*reset)(struct vm *vm, struct arm_device *dev);	/* may be NULL */
	void (*finish)(struct vm *vm, struct arm_device *dev);	/* and frees it */
};

/* What interrupts of the tree mean: a line for the cells of one. False: it is not one. */
struct arm_controller {
	uint32_t phandle;
	bool (*line)(struct vm *vm, void *ctx, const struct arm_fdt_irq *irq,
		     struct irq_line *line);
	void *ctx;
};

enum arm_stage {
	ARM_STAGE_CONTROLLERS,	/* of interrupts */
	ARM_STAGE_CHAINED,	/* controllers behind those */
	ARM_STAGE_DEVICES,
	ARM_STAGE_USERS,	/* of devices, found by phandle */
	ARM_STAGES
};

struct arm_model {
	const char *compatible;
	enum arm_stage stage;
	/* 0, or negative errno after one line in the log; NULL: nothing to do. */
	int (*add)(struct vm *vm, const struct arm_fdt_node *node);
};

/*
 * models.c, models_bcm.c, models_usb.c in that order; each ended by a NULL compatible: the
 * first that fits a node counts.
 */
extern const struct arm_model arm_models[], arm_bcm_models[], arm_usb_models[];

/* models_kvm.c: what of the tree KVM itself is, for arm_models. */
int arm_add_gic_v2(struct vm *vm, const struct arm_fdt_node *node);
int arm_add_gic_v3(struct vm *vm, const struct arm_fdt_node *node);
int arm_add_its(struct vm *vm, const struct arm_fdt_node *node);
int arm_add_v2m(struct vm *vm, const struct arm_fdt_node *node);
int arm_add_timer(struct vm *vm, const struct arm_fdt_node *node);
int arm_add_pmu(struct vm *vm, const struct arm_fdt_node *node);

struct arm_power_key {
	struct gpio_pl061 *gpio;	/* NULL: none */
	unsigned line;
};

/* Known to its users by the node's phandle. */
struct arm_gpio {
	struct arm_device dev;
	struct gpio_pl061 pl061;
	uint32_t phandle;
};

/* What models_bcm.c's devices know of each other; NULL: the tree has none. */
struct arm_bcm {
	struct bcm283x_local *local;	/* connected to the CPUs by irq_path */
	struct bcm283x_aux *aux;
	struct bcm283x_dma *dma;
	struct bcm283x_sdhost *sdhost;	/* of vm->disk_slot, or else: */
	struct bcm283x_sdhci *sdhci;
	struct bcm283x_screen *screen;
};

struct arm_irq_path;

/* Where vCPUs stop before they enter the guest; irq_wire.c. */
struct arm_gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool closed;
};

struct arm_screen;		/* screen.c */

struct arch_machine {
	struct arm_pi pi;	/* what --boot says */
	char *cmdline;		/* of this boot, but for the tree's own */
	bool booted;		/* once already */
	struct arm_fdt tree;	/* as it was read or made */
	struct arm_probe kernel;
	struct gmem_range ram, firmware;	/* firmware.len 0: none */
	uint64_t pvtime_gpa;	/* 0: nowhere */
	struct gmem_range pci_mem64;	/* of the virt board; len 0: none */
	unsigned ipa_bits;	/* the host's, until the machine needs fewer */
	unsigned n_unknown;

	struct arm_gic_place gic;
	struct arm_gic_fds gic_fds;
	unsigned virt_timer, phys_timer;	/* GIC interrupts, 16 to 31 */
	int pmu_irq;		/* likewise; 0: the CPUs have no PMU */
	uint64_t mpidr[CONFIG_MAX_CPUS];
	struct arm_bcm bcm;
	struct arm_screen *screen;	/* NULL: none */
	const struct arm_irq_path *irq_path;	/* NULL: the tree has a GIC */
	/* Where a CPU is to start, written by another's thread. */
	_Atomic uint64_t release[BCM283X_CPUS];
	struct arm_gate gate;
	uint32_t ppis[BCM283X_CPUS][2];		/* of timers that are IRQs, FIQs; irq_wire.c */
	_Atomic uint8_t lines[BCM283X_CPUS];	/* irq_user.c: bit 0 the IRQ, bit 1 the FIQ, */
	uint8_t told[BCM283X_CPUS];		/* and what KVM knows of them, */
	uint32_t timers[BCM283X_CPUS];		/* and what KVM says of timers and PMU */
	struct loop_timer waker;
	bool wake_cpus;

	struct arm_controller controllers[ARM_MAX_CONTROLLERS];
	unsigned n_controllers;
	struct arm_device *devices;
	struct arm_gpio *gpios[4];
	unsigned n_gpios;
	struct arm_power_key power_key;
	char *slot_paths[VM_MAX_MMIO_SLOTS];	/* nodes of vm->mmio_slots */
	char *off[ARM_MAX_OFF];
	unsigned n_off;
	struct io_region absent[ARM_MAX_ABSENT];
	unsigned n_absent;

	struct chardev *serial_chr;
	bool serial_used;
	struct arm_entry entry;
	struct log_rate rate;
};

/* --- for models --- */

/* @dev is finished with the machine. */
void arm_device_add(struct vm *vm, struct arm_device *dev, const struct arm_device_ops *ops);
void arm_controller_add(struct vm *vm, const struct arm_controller *controller);
/* A line that is not connected where the tree has none, or one that nobody serves. */
struct irq_line arm_irq(struct vm *vm, const struct arm_fdt_irq *irq);
struct irq_line arm_node_irq(struct vm *vm, const struct arm_fdt_node *node, unsigned index);
/* Places @region where reg @index is. 0, or negative errno after one line. */
int arm_node_map(struct vm *vm, const struct arm_fdt_node *node, unsigned index,
		 struct io_region *region);
/* What --serial says, for the console's port or else the first one; NULL for the others. */
struct chardev *arm_uart_chardev(struct vm *vm, const struct arm_fdt_node *node);
/* Whether it speaks of RAM: a part that the guest's kernel is to keep for something. */
bool arm_node_is_memory(const struct arm_fdt_node *node);
/* Has the guest's tree say that the node is not there. */
int arm_node_off(struct vm *vm, const struct arm_fdt_node *node);

/* --- parts of the machine --- */

/* build.c: devices for vm->machine->tree. 0, or negative errno after one line in the log. */
int arm_machine_build(struct vm *vm);
void arm_machine_clear(struct vm *vm);	/* all of them, after an error too */
/* files.c: what --boot leads to, if that was asked for. 0, or negative errno after one line. */
int arm_files_open(struct vm *vm);
/* The same after a reset, when the guest may have changed them. */
int arm_files_reload(struct vm *vm);
void arm_files_close(struct vm *vm);
/* Kernel and initrd, --boot's or the user's own, into @boot. */
void arm_files_fill(const struct vm *vm, struct arm_boot *boot);
/* models_usb.c: the board, whose Ethernet has the address that --net says. */
struct arm_rpi arm_board(const struct vm *vm);
/* Whether the tree is that of a Raspberry Pi 2. */
bool arm_files_are_rpi_2(const struct vm *vm);
/* The card that it was booted from into its slot. */
int arm_files_insert_card(struct vm *vm);
/* screen.c: --framebuffer. Before the devices; 0, or negative errno after one line. */
int arm_screen_create(struct vm *vm);
void arm_screen_reset(struct vm *vm);
void arm_screen_destroy(struct vm *vm);	/* nothing where there is none */
/* Into the guest's tree. */
int arm_screen_patch(struct vm *vm, struct arm_fdt *fdt);
/* tree.c: the tree of --dtb or --boot into m->tree, once; without those nothing. */
int arm_tree_take(struct vm *vm);
/* tree.c: reads or makes the tree and finds out what it means for memory. */
int arm_tree_create(struct vm *vm);
/* The guest's tree: the machine's with what this boot adds. @fdt is empty. */
int arm_tree_for_guest(struct vm *vm, const struct arm_entry *entry, struct arm_fdt *fdt);
/*
 * virt.c: the board that there is when no tree is given. First where memory is, and
 * how many bits that needs; then the tree. 0, or negative errno after one line.
 */
int arm_virt_place_memory(struct vm *vm);
int arm_virt_create(struct vm *vm, const struct arm_gic_host *host);
/* KVM's affinity fields of vCPU @id, unless they are set to others. */
uint64_t arm_default_mpidr(unsigned id);

/* cpu.c and, by width, cpu64.c and cpu32.c. */
int arm64_set_entry(struct vcpu *vcpu, const struct arm_entry *entry);
int arm32_set_entry(struct vcpu *vcpu, const struct arm_entry *entry);
void arm64_dump(struct vcpu *vcpu);
void arm32_dump(struct vcpu *vcpu);
/* Per vCPU, when the GIC works. */
int arm_cpu_ready(struct vcpu *vcpu);

#endif
