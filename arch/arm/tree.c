/* SPDX-License-Identifier: MIT */
/* The tree: where it comes from, what it says of memory and CPUs, and the guest's copy. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "arch/arm/layout.h"
#include "arch/arm/machine.h"
#include "arch/arm/rpi.h"
#include "vmm/util.h"

#define SEED_LEN 40		/* 8 bytes for kaslr-seed, 32 for rng-seed */

/* --- a tree of the user's ----------------------------------------------------------- */

/* The first that has a length, or else the first. */
static bool tree_find_ram(const struct arm_fdt *tree, uint64_t *gpa)
{
	struct gmem_range ranges[GMEM_MAX_REGIONS];
	unsigned n = MIN(arm_fdt_memory(tree, ranges, ARRAY_SIZE(ranges)),
			 (unsigned)ARRAY_SIZE(ranges)), i = 0;

	while (i < n && !ranges[i].len)
		i++;
	if (n)
		*gpa = ranges[i < n ? i : 0].gpa;
	return n;
}

static int tree_place_ram(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	uint64_t gpa = 0;

	if (!tree_find_ram(&m->tree, &gpa)) {
		log_error("%s: no node says where memory is", m->tree.name);
		return -EINVAL;
	}
	m->ram = (struct gmem_range){ gpa, vm->cfg->memory };
	if (m->ram.gpa + m->ram.len <= m->ram.gpa || m->ram.gpa % (64 * KiB)) {
		log_error("%s: no memory can be at %#" PRIx64, m->tree.name, m->ram.gpa);
		return -EINVAL;
	}
	if (range_fits(m->ram.gpa, m->ram.len, BIT(m->ipa_bits)))
		return 0;
	log_error("--memory: %s has it at %#" PRIx64 ", and this host's CPU has %u bits for guests' "
		  "addresses", m->tree.name, m->ram.gpa, m->ipa_bits);
	return -EINVAL;
}

/* The first device above the beginning of RAM. */
struct tree_first {
	uint64_t ram, gpa;
	char path[ARM_FDT_MAX_PATH];
};

static int tree_see_first(void *ctx, const struct arm_fdt_node *node)
{
	struct tree_first *first = ctx;

	for (unsigned i = 0; i < node->n_regs && !arm_node_is_memory(node); i++) {
		const struct gmem_range *reg = &node->regs[i];

		if (!reg->len || reg->gpa < first->ram || reg->gpa >= first->gpa)
			continue;
		first->gpa = reg->gpa;
		snprintf(first->path, sizeof(first->path), "%s", node->path);
	}
	return 0;
}

/* The tree's own memory may be more than there is before the first device. */
static int tree_check_ram(struct vm *vm)
{
	const struct gmem_range *ram = &vm->machine->ram;
	struct tree_first first = { .ram = ram->gpa, .gpa = UINT64_MAX };
	int ret = arm_fdt_walk(&vm->machine->tree, tree_see_first, &first);

	if (ret < 0 || first.gpa - ram->gpa >= ram->len)
		return ret;
	log_error("--memory: %s of the device tree is at %#" PRIx64 ", so there is room for %"
		  PRIu64 "M", first.path, first.gpa, (first.gpa - ram->gpa) >> 20);
	return -EINVAL;
}

static int tree_take_cpus(struct vm *vm)
{
	struct arm_fdt_cpu cpus[CONFIG_MAX_CPUS];
	unsigned n = arm_fdt_cpus(&vm->machine->tree, cpus, CONFIG_MAX_CPUS);

	if (n < vm->n_vcpus) {
		log_error("--cpus %u: the device tree has %u", vm->n_vcpus, n);
		return -EINVAL;
	}
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		vm->machine->mpidr[i] = cpus[i].mpidr;
	return 0;
}

static int tree_see_slot(void *ctx, const struct arm_fdt_node *node)
{
	bool *found = ctx;

	*found |= arm_fdt_is_compatible(node, "brcm,bcm2835-sdhost") ||
		  arm_fdt_is_compatible(node, "brcm,bcm2835-sdhci");
	return *found;
}

static int tree_see_virtio(void *ctx, const struct arm_fdt_node *node)
{
	return arm_fdt_is_compatible(node, "virtio,mmio");
}

/*
 * A Raspberry Pi has no place for virtio devices: one for each that was asked for, but for
 * the disk that becomes the card in its slot and what is on USB. A tree that has thought of
 * them stays.
 */
static int tree_add_virtio(struct vm *vm)
{
	struct arm_fdt *tree = &vm->machine->tree;
	bool slot = false;
	unsigned n = 0;

	if (arm_fdt_walk(tree, tree_see_virtio, NULL) > 0)
		return 0;
	arm_fdt_walk(tree, tree_see_slot, &slot);
	slot &= !vm->machine->pi.is_card;
	for (unsigned i = 0; i < vm->cfg->n_devices; i++) {
		const struct config_device *dev = &vm->cfg->devices[i];
		bool card = slot && vm_is_card(dev);

		slot &= !card;
		n += !card && !dev->usb && !dev->by_default;
	}
	return arm_rpi_add_virtio(tree, n);
}

int arm_tree_take(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	if (m->tree.blob)
		return 0;
	if (vm->cfg->dtb)
		return arm_fdt_open(&m->tree, vm->cfg->dtb);
	return m->pi.open ? arm_fdt_copy(&m->tree, &m->pi.tree) : 0;
}

static int tree_open(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	bool gic = vm->cfg->gic && strcmp(vm->cfg->gic, "none");
	int ret;

	if (gic || vm->cfg->uart) {
		log_error("--%s: with --dtb or --boot, it is the device tree that says so",
			  gic ? "gic" : "uart");
		return -EINVAL;
	}
	if ((ret = arm_tree_take(vm)) < 0 ||
	    (ret = tree_add_virtio(vm)) < 0 ||
	    (ret = tree_place_ram(vm)) < 0 ||
	    (ret = tree_take_cpus(vm)) < 0)
		return ret;
	/* Firmware is at 0, as on the virt board, unless that is RAM. */
	if (m->kernel.raw && m->ram.gpa >= VIRT_FIRMWARE_SIZE)
		m->firmware = (struct gmem_range){ VIRT_FIRMWARE_GPA, VIRT_FIRMWARE_SIZE };
	return tree_check_ram(vm);
}

int arm_tree_create(struct vm *vm)
{
	const struct arch_machine *m = vm->machine;
	struct arm_gic_host host;
	int ret;

	if (vm->cfg->dtb || m->pi.open)
		return tree_open(vm);
	if (vm->cfg->gic && !strcmp(vm->cfg->gic, "none")) {
		log_error("--gic none: the generic board has a GIC; --dtb names another one");
		return -EINVAL;
	}
	if ((ret = arm_virt_place_memory(vm)) < 0 ||
	    (ret = kvm_make_vm(&vm->kvm, arm_vm_type(&vm->kvm, vm->machine->ipa_bits))) < 0)
		return ret;
	arm_gic_probe(&vm->kvm, &host);
	return arm_virt_create(vm, &host);
}

/* --- the guest's --------------------------------------------------------------------- */

static int tree_patch(struct vm *vm, const struct arm_entry *entry, struct arm_fdt *fdt)
{
	struct arch_machine *m = vm->machine;
	uint8_t seed[SEED_LEN];
	struct arm_fdt_boot boot = {
		.memory = &m->ram,
		.n_memory = 1,
		.cmdline = m->cmdline ? m->cmdline : vm->cfg->append,
		.initrd_gpa = entry->initrd_gpa,
		.initrd_len = entry->initrd_len,
		.n_cpus = vm->n_vcpus,
		/* 32-bit boards without a GIC have a way of their own, mailboxes. */
		.psci = m->gic.known || !m->kernel.aarch32,
	};

	/* Without a seed a guest boots as well. */
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed)) {
		boot.seed = seed;
		boot.seed_len = sizeof(seed);
	}
	return arm_fdt_patch(fdt, &boot);
}

/* A slot without a device would only cost the guest a look and a message. */
static int tree_hide(struct vm *vm, struct arm_fdt *fdt)
{
	struct arch_machine *m = vm->machine;
	int ret = 0;

	for (unsigned i = vm->mmio_slots_used; i < vm->n_mmio_slots && ret == 0; i++)
		ret = arm_fdt_disable(fdt, m->slot_paths[i]);
	for (unsigned i = 0; i < m->n_off && ret == 0; i++)
		ret = arm_fdt_disable(fdt, m->off[i]);
	return ret;
}

int arm_tree_for_guest(struct vm *vm, const struct arm_entry *entry, struct arm_fdt *fdt)
{
	int ret;

	if ((ret = arm_fdt_copy(fdt, &vm->machine->tree)) < 0 ||
	    (ret = tree_hide(vm, fdt)) < 0)
		return ret;
	return tree_patch(vm, entry, fdt);
}
