/* SPDX-License-Identifier: MIT */
#include "arch/arm/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/arm/irq_path.h"
#include "arch/arm/layout.h"
#include "arch/arm/rpi.h"
#include "devices/backend/chardev.h"
#include "vmm/arch.h"
#include "vmm/util.h"

/* What the tree may grow by when it becomes the guest's, beside the command line. */
#define TREE_ROOM (16 * KiB)
#define RPI_RAW_OFFSET 0x8000

/* --- life --------------------------------------------------------------------------------- */

static enum arm_width wanted_width(const struct config *cfg)
{
	if (!cfg->cpu)
		return ARM_WIDTH_AUTO;
	return strcmp(cfg->cpu, "32") ? ARM_WIDTH_64 : ARM_WIDTH_32;
}

static int probe_kernel(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct arm_boot boot = { .width = wanted_width(vm->cfg) };
	int bits = kvm_cap(&vm->kvm, KVM_CAP_ARM_VM_IPA_SIZE);
	int ret;

	arm_files_fill(vm, &boot);
	ret = arm_boot_probe(&boot, &m->kernel);
	/* Without that capability guests have 40 bits: api.rst 4.2. */
	m->ipa_bits = bits ? bits : 40;
	if (ret < 0 || !m->kernel.aarch32 || kvm_cap(&vm->kvm, KVM_CAP_ARM_EL1_32BIT) > 0)
		return ret;
	log_error("%s is for 32-bit CPUs, and this host's cannot be one for a guest: its KVM lacks "
		  "KVM_CAP_ARM_EL1_32BIT", boot.kernel_name ? boot.kernel_name : boot.kernel);
	return -EINVAL;
}

static void add_range(struct gmem_range *ranges, int *n, uint64_t gpa, uint64_t len)
{
	if (len)
		ranges[(*n)++] = (struct gmem_range){ gpa, len };
}

int arch_layout(struct vm *vm, struct gmem_range *ranges)
{
	struct arch_machine *m = calloc(1, sizeof(*m));
	int ret, n = 0;

	if (!m)
		return -ENOMEM;
	vm->machine = m;
	pthread_mutex_init(&m->gate.lock, NULL);
	pthread_cond_init(&m->gate.opened, NULL);
	m->gic_fds = (struct arm_gic_fds){ -1, -1 };
	ret = arm_files_open(vm);
	if (ret == 0)
		ret = probe_kernel(vm);
	if (ret == 0)
		ret = arm_tree_create(vm);
	if (ret < 0) {
		vm->end = ret == -ENOTSUP ? VM_END_FAILURE : VM_END_BAD_INPUT;
		return ret;
	}
	/* Ascending. */
	add_range(ranges, &n, m->firmware.gpa, m->firmware.len);
	add_range(ranges, &n, m->ram.gpa, m->ram.len);
	add_range(ranges, &n, m->pvtime_gpa, m->pvtime_gpa ? VIRT_PVTIME_SIZE : 0);
	return n;
}

int arch_machine_create(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret;

	if (strcmp(vm->cfg->serial, "none")) {
		ret = chardev_open(&m->serial_chr, vm->cfg->serial, vm->loop, vm->term);
		if (ret < 0)
			return ret;
	}
	ret = arm_screen_create(vm);
	if (ret == 0)
		ret = arm_machine_build(vm);
	if (ret == 0)
		ret = arm_files_insert_card(vm);
	if (ret == -EINVAL)
		vm->end = VM_END_BAD_INPUT;
	return ret;
}

void arch_machine_destroy(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	if (!m)
		return;
	pthread_cond_destroy(&m->gate.opened);
	pthread_mutex_destroy(&m->gate.lock);
	arm_gic_destroy(&m->gic_fds);
	arm_machine_clear(vm);
	arm_screen_destroy(vm);
	chardev_close(m->serial_chr);
	arm_fdt_close(&m->tree);
	arm_files_close(vm);
	free(m);
	vm->machine = NULL;
}

void arch_machine_reset(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	for (struct arm_device *dev = m->devices; dev; dev = dev->next)
		if (dev->ops->reset)
			dev->ops->reset(vm, dev);
	arm_screen_reset(vm);
	/* These are of the VM that goes now. */
	if (m->irq_path)
		m->irq_path->disconnect(vm);
	arm_gic_destroy(&m->gic_fds);
}

void arch_press_power(struct vm *vm)
{
	const struct arm_power_key *key = &vm->machine->power_key;

	if (key->gpio)
		gpio_pl061_press(key->gpio, key->line);
	else
		log_warn("this machine has no power button");
}

/* --- booting -------------------------------------------------------------------------------- */

unsigned long arch_vm_type(struct vm *vm)
{
	return arm_vm_type(&vm->kvm, vm->machine->ipa_bits);
}

int arch_vm_init(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct kvm_enable_cap nisv = { .cap = KVM_CAP_ARM_NISV_TO_USER };
	int ret = 0;

	/* Otherwise such an access ends KVM_RUN with ENOSYS and no word of where it was. */
	if (kvm_cap(&vm->kvm, KVM_CAP_ARM_NISV_TO_USER) > 0)
		ret = kvm_vm_ioctl(&vm->kvm, "KVM_CAP_ARM_NISV_TO_USER", KVM_ENABLE_CAP, &nisv);
	if (ret == 0)
		ret = arm_irq_choose(vm);
	if (ret < 0 || (m->irq_path && !m->irq_path->vgic))
		return ret;
	return arm_gic_create(&m->gic_fds, &vm->kvm, &m->gic, vm->n_vcpus);
}

int arch_vm_ready(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret = 0;

	if (m->gic_fds.gic >= 0)
		ret = arm_gic_ready(&m->gic_fds, &vm->kvm, &m->gic);
	for (unsigned i = 0; i < vm->n_vcpus && ret == 0; i++)
		ret = arm_cpu_ready(&vm->vcpus[i]);
	return ret == 0 && m->irq_path ? m->irq_path->connect(vm) : ret;
}

static int put_tree(struct vm *vm, const struct arm_fdt *fdt, uint64_t room)
{
	struct arch_machine *m = vm->machine;
	int ret;

	if (vm->cfg->dump_dtb) {
		ret = arm_fdt_save(fdt, vm->cfg->dump_dtb);
		if (ret < 0)
			return ret;
	}
	if (fdt->size > room) {
		log_error("the device tree has become too large: %zu bytes", fdt->size);
		return -ENOSPC;
	}
	return gmem_write(&vm->mem, m->entry.dtb_gpa, fdt->blob, fdt->size);
}

/* Where a board's own firmware puts what is no kernel, and U-Boot is made for. */
static uint64_t raw_offset(const struct arch_machine *m)
{
	if (m->pi.open)
		return m->pi.config.kernel_address;
	return m->bcm.local ? RPI_RAW_OFFSET : 0;
}

int arch_load(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct gmem_range reserved[16];
	struct arm_boot boot = {
		.width = wanted_width(vm->cfg),
		.ram = m->ram,
		.raw_gpa = m->firmware.len ? m->firmware.gpa : m->ram.gpa + raw_offset(m),
		/* Where U-Boot for QEMU's board looks for it. */
		.raw_dtb_gpa = m->firmware.len ? m->ram.gpa : UINT64_MAX,
		.reserved = reserved,
	};
	const struct arm_rpi board = arm_board(vm);
	struct arm_fdt fdt = { 0 };
	int ret = arm_files_reload(vm);

	if (ret < 0)
		return ret;
	arm_files_fill(vm, &boot);
	boot.dtb_len = align_up(m->tree.size + strlen(m->cmdline) + TREE_ROOM, 4 * KiB);
	boot.n_reserved = MIN(arm_fdt_reserved(&m->tree, reserved, ARRAY_SIZE(reserved)),
			      (unsigned)ARRAY_SIZE(reserved));
	ret = arm_boot_load(&vm->mem, &boot, &m->entry);
	if (ret == 0)
		ret = arm_tree_for_guest(vm, &m->entry, &fdt);
	if (ret == 0 && m->bcm.local)
		ret = arm_rpi_patch(&fdt, &board);
	if (ret == 0)
		ret = arm_screen_patch(vm, &fdt);
	if (ret == 0)
		ret = put_tree(vm, &fdt, boot.dtb_len);
	arm_fdt_close(&fdt);
	return ret;
}
