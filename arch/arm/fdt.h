/* SPDX-License-Identifier: MIT */
/*
 * The device tree of an ARM machine: read from a file or generated, patched as
 * a boot loader does, and walked to build the machine from it.
 *
 * Pure: bytes and parameters in, bytes and calls out; no KVM, no guest memory.
 * A tree from a file is a lie until arm_fdt_open() has checked all of it (case
 * 95), limits of this file included; afterwards every function here stays
 * within it. Devicetree Specification 0.4 is "DTSpec", bindings are those of
 * Linux, Documentation/devicetree/bindings.
 *
 * Order: arm_fdt_open() or arm_fdt_virt(); then arm_fdt_walk() and the readers;
 * then arm_fdt_patch() and arm_fdt_disable(), after which node offsets from
 * before mean nothing. A boot after a reset patches again: patching replaces
 * what the last patch set, but for @cmdline, which is appended; keep a copy
 * (arm_fdt_copy()) of the tree as it was. One thread.
 */
#ifndef MICROVM_ARM_FDT_H
#define MICROVM_ARM_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/gmem.h"

/* What arm64 kernels map of a tree (Documentation/arm64/booting.rst); larger ones are refused. */
#define ARM_FDT_MAX (2u << 20)
#define ARM_FDT_MAX_NODES 16384
#define ARM_FDT_MAX_DEPTH 32
#define ARM_FDT_MAX_PATH 512
#define ARM_FDT_MAX_REGS 32		/* of a node; what is beyond is not reported */
#define ARM_FDT_MAX_IRQS 64		/* likewise */
#define ARM_FDT_MAX_IRQ_CELLS 4
#define ARM_FDT_MAX_CMDLINE 65535

/* Zeroed is empty. */
struct arm_fdt {
	void *blob;		/* owned */
	size_t size;		/* bytes of it, to hand to the guest */
	char *name;		/* owned; of the file, for messages */
};

/* --- where a tree comes from; 0, or negative errno after one line in the log --- */

/* Reads @path and checks it; @fdt is empty. */
int arm_fdt_open(struct arm_fdt *fdt, const char *path);
/* The same with @len bytes in memory, which are copied; @name is for messages. */
int arm_fdt_open_blob(struct arm_fdt *fdt, const void *blob, size_t len, const char *name);
int arm_fdt_copy(struct arm_fdt *fdt, const struct arm_fdt *from);
void arm_fdt_close(struct arm_fdt *fdt);	/* empty is legal */

/* Writes the tree into a file, for --dump-dtb. */
int arm_fdt_save(const struct arm_fdt *fdt, const char *path);

enum arm_gic { ARM_GIC_V2, ARM_GIC_V3 };
enum arm_msi { ARM_MSI_NONE, ARM_MSI_V2M, ARM_MSI_ITS };
enum arm_uart { ARM_UART_NONE, ARM_UART_PL011, ARM_UART_16550 };

/* A device with a window and a wire; no node for a len of 0. */
struct arm_virt_dev {
	uint64_t gpa, len;
	unsigned spi;		/* n of SPI n, GIC interrupt 32 + n; level triggered, active high */
};

/*
 * The virt board. All addresses, below 2^32 where @aarch32 has no LPAE, are the
 * caller's; a range with a len of 0 is not there.
 */
struct arm_virt {
	bool aarch32;			/* 32-bit CPUs */
	unsigned n_cpus;
	const uint64_t *mpidr;		/* n_cpus of them: affinity fields of MPIDR_EL1 */
	const struct gmem_range *memory;
	unsigned n_memory;

	enum arm_gic gic;
	struct gmem_range gic_dist;
	struct gmem_range gic_cpu;	/* v2: CPU interface; v3: redistributors */
	struct gmem_range gic_redist2;	/* v3: second region of redistributors */
	enum arm_msi msi;
	struct gmem_range gic_msi;	/* the ITS's or the v2m frame's registers */
	unsigned v2m_spi, v2m_n;	/* first SPI and their number; for v2m */
	unsigned timer_ppi[4];		/* secure, physical, virtual, hypervisor: n of PPI n */
	unsigned pmu_ppi;		/* of CPUs with a PMU; 0: none */

	enum arm_uart uart_kind;
	struct arm_virt_dev uart;
	struct arm_virt_dev rtc;	/* PL031 */
	struct arm_virt_dev gpio;	/* PL061, the power key at line gpio_power_line */
	unsigned gpio_power_line;
	struct arm_virt_dev testdev;	/* "microvm,testdev" */
	struct arm_virt_dev pvpanic;	/* "qemu,pvpanic-mmio"; its spi does not count */

	struct gmem_range ecam;		/* 1 MiB a bus, from bus 0 on */
	struct gmem_range pci_io;	/* CPU addresses, and the first of the PCI I/O addresses */
	uint64_t pci_io_base;
	struct gmem_range pci_mem32, pci_mem64;	/* PCI addresses are CPU addresses */
	unsigned pci_spi;		/* slot n, pin A -> SPI pci_spi + n % 4, pins on likewise */

	struct gmem_range virtio_mmio;	/* slot n at gpa + n * len, with SPI virtio_spi + n */
	unsigned n_virtio_mmio, virtio_spi;
};

/* Generates the board; @fdt is empty. */
int arm_fdt_virt(struct arm_fdt *fdt, const struct arm_virt *virt);

/* --- reading ------------------------------------------------------------------ */

/* An interrupt as the tree has it; what the cells mean is the controller's to say. */
struct arm_fdt_irq {
	uint32_t controller;		/* phandle */
	unsigned n;
	uint32_t cells[ARM_FDT_MAX_IRQ_CELLS];
};

struct arm_fdt_node {
	int offset;			/* for the readers below; until the tree is edited */
	const char *path;		/* valid during the visit */
	const char *compatible;		/* strings, each with its NUL, the most specific first */
	unsigned compatible_len;	/* of all of them, NULs included */
	uint32_t phandle;		/* 0: none */
	unsigned n_regs, n_irqs;
	/*
	 * CPU addresses; a len of 0 where they are none: beyond the ranges of a bus.
	 * None at all on buses without ranges: I2C's, PCI's, the CPUs'.
	 */
	struct gmem_range regs[ARM_FDT_MAX_REGS];
	struct arm_fdt_irq irqs[ARM_FDT_MAX_IRQS];
};

/*
 * Calls @visit for each node that has a compatible and is enabled, as are all
 * of those around it, in the order of the tree; an answer other than 0 ends the
 * walk and is what it returns. Interrupts that go through an interrupt-map are
 * not reported.
 */
int arm_fdt_walk(const struct arm_fdt *fdt,
		 int (*visit)(void *ctx, const struct arm_fdt_node *node), void *ctx);

bool arm_fdt_is_compatible(const struct arm_fdt_node *node, const char *compatible);
/* By path, from the root, or phandle: the offset, or -ENOENT. */
int arm_fdt_find(const struct arm_fdt *fdt, const char *path);
int arm_fdt_find_phandle(const struct arm_fdt *fdt, uint32_t phandle);
/* The enabled child of @node after child @after, the first for -1; or -ENOENT. */
int arm_fdt_child(const struct arm_fdt *fdt, int node, int after);

/* The first child of the node at @node, or, if @child is not negative, the next; or -ENOENT. */
int arm_fdt_child(const struct arm_fdt *fdt, int node, int child);

/*
 * Properties of the node at offset @node. A value that is too short counts as
 * absent; strings end in a NUL. Pointers are valid until the tree is edited.
 */
bool arm_fdt_has(const struct arm_fdt *fdt, int node, const char *name);
const void *arm_fdt_bytes(const struct arm_fdt *fdt, int node, const char *name, unsigned *len);
const char *arm_fdt_string(const struct arm_fdt *fdt, int node, const char *name);
/* Cell @index of the value; false, and *@value as it was, when there is none. */
bool arm_fdt_u32(const struct arm_fdt *fdt, int node, const char *name, unsigned index,
		 uint32_t *value);
/* Two cells, the higher first. */
bool arm_fdt_u64(const struct arm_fdt *fdt, int node, const char *name, unsigned index,
		 uint64_t *value);

struct arm_fdt_cpu {
	uint64_t mpidr;			/* reg */
	const char *method;		/* enable-method, of the CPU or of /cpus; NULL: none */
	uint64_t release_addr;		/* of "spin-table"; 0: none */
};

/* Enabled CPUs in the order of the tree: how many there are, of which @max are filled in. */
unsigned arm_fdt_cpus(const struct arm_fdt *fdt, struct arm_fdt_cpu *cpus, unsigned max);
/*
 * What nodes of device_type "memory" say: how many, of which @max are filled in. One without
 * a length is for the boot loader to fill in, as in the trees of the Raspberry Pi's kernels.
 */
unsigned arm_fdt_memory(const struct arm_fdt *fdt, struct gmem_range *ranges, unsigned max);
/* The /memreserve/ entries and what has a reg under /reserved-memory: likewise. */
unsigned arm_fdt_reserved(const struct arm_fdt *fdt, struct gmem_range *ranges, unsigned max);
/* The node of /chosen/stdout-path, through /aliases, its options left off; or -ENOENT. */
int arm_fdt_stdout(const struct arm_fdt *fdt);

/* A "pci-host-ecam-generic" node. PCI addresses of I/O begin at @io_base. */
struct arm_fdt_pci {
	unsigned bus_first, bus_last;
	struct gmem_range io, mem32, mem64;	/* CPU addresses; len 0: none */
	uint64_t io_base, mem32_base, mem64_base;	/* PCI addresses */
	struct arm_fdt_irq intx[4];		/* of slot 0, pins A to D; n is 0: none */
	uint32_t msi_controller;		/* phandle of msi-parent or msi-map; 0: none */
};

/* 0; or -EINVAL after a line in the log. */
int arm_fdt_pci(const struct arm_fdt *fdt, const struct arm_fdt_node *node,
		struct arm_fdt_pci *pci);

/* --- patching: 0, or negative errno after one line in the log ------------------ */

struct arm_fdt_boot {
	const struct gmem_range *memory;	/* instead of what the tree says */
	unsigned n_memory;
	const char *cmdline;		/* behind the tree's own bootargs; NULL: nothing */
	uint64_t initrd_gpa, initrd_len;	/* len 0: none */
	const char *stdout_path;	/* NULL: as it is */
	unsigned n_cpus;		/* the first of them; the others are removed; 0: all */
	bool psci;			/* there is PSCI by HVC: say so, to every CPU */
	/* NULL: none. 8 bytes for kaslr-seed, the others are the rng-seed. */
	const uint8_t *seed;
	unsigned seed_len;		/* more than 8, 512 at most */
};

int arm_fdt_patch(struct arm_fdt *fdt, const struct arm_fdt_boot *boot);
/* status = "disabled"; the parent's offset, and any before it, stay as they are. */
int arm_fdt_disable(struct arm_fdt *fdt, const char *path);

#endif
