/* SPDX-License-Identifier: MIT */
/* What is booted: the user's own files, or those that --boot leads to, or some of each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arm/machine.h"
#include "arch/arm/rpi.h"
#include "devices/backend/disk.h"
#include "vmm/util.h"

static struct arm_pi_wants wanted_files(const struct vm *vm)
{
	return (struct arm_pi_wants){
		.kernel = !vm->cfg->kernel,
		.initrd = !vm->cfg->initrd && !vm->cfg->kernel,
		.tree = !vm->cfg->dtb,
		.serial = arm_rpi_2b.serial,
	};
}

/*
 * The kernel's name of the port that an alias has: the firmware writes it where cmdline.txt
 * has the alias. The tree of a board has two, a PL011 and the mini-UART.
 */
static const char *serial_name(const struct arm_fdt *tree, const char *alias)
{
	int aliases = arm_fdt_find(tree, "/aliases");
	const char *path = aliases < 0 ? NULL : arm_fdt_string(tree, aliases, alias);
	int node = path ? arm_fdt_find(tree, path) : -1;
	const char *compatible = node < 0 ? NULL : arm_fdt_string(tree, node, "compatible");

	return compatible && !strcmp(compatible, "arm,pl011") ? "ttyAMA0" : "ttyS0";
}

/* cmdline.txt, its aliases replaced, then --append. */
static int make_cmdline(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	const char *text = m->pi.cmdline ? m->pi.cmdline : "", *append = vm->cfg->append;
	const char *hit = strstr(text, "console=serial");
	char *cmdline, alias[8] = "";
	int ret;

	if (hit && (hit[14] == '0' || hit[14] == '1'))
		memcpy(alias, hit + 8, 7);
	if (*alias)
		ret = asprintf(&cmdline, "%.*sconsole=%s%s%s%s", (int)(hit - text), text,
			       serial_name(&m->tree, alias),
			       hit + 15, *append ? " " : "", append);
	else
		ret = asprintf(&cmdline, "%s%s%s", text, *text && *append ? " " : "", append);
	if (ret < 0)
		return -ENOMEM;
	free(m->cmdline);
	m->cmdline = cmdline;
	return 0;
}

int arm_files_open(struct vm *vm)
{
	const struct arm_pi_wants wants = wanted_files(vm);
	int ret = 0;

	if (vm->cfg->boot)
		ret = arm_pi_open(&vm->machine->pi, vm->cfg->boot, &wants);
	if (ret == 0)
		ret = arm_tree_take(vm);
	return ret < 0 ? ret : make_cmdline(vm);
}

int arm_files_reload(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	const struct arm_pi_wants wants = wanted_files(vm);
	bool again = m->booted;
	int ret = 0;

	m->booted = true;
	if (!again || !vm->cfg->boot)
		return 0;
	ret = arm_pi_reload(&m->pi, vm->cfg->boot, &wants);
	return ret < 0 ? ret : make_cmdline(vm);
}

void arm_files_close(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	arm_pi_close(&m->pi);
	free(m->cmdline);
	m->cmdline = NULL;
}

static int see_controller(void *ctx, const struct arm_fdt_node *node)
{
	return arm_fdt_is_compatible(node, "brcm,bcm2836-l1-intc");
}

/* Firmware for such a board is 32-bit, and nothing in it says so. */
bool arm_files_are_rpi_2(const struct vm *vm)
{
	const struct arm_fdt *tree = &vm->machine->tree;

	return tree->blob && arm_fdt_walk(tree, see_controller, NULL) > 0;
}

void arm_files_fill(const struct vm *vm, struct arm_boot *boot)
{
	const struct arm_pi *pi = &vm->machine->pi;

	boot->raw32 = arm_files_are_rpi_2(vm);
	boot->kernel = vm->cfg->kernel;
	boot->initrd = vm->cfg->initrd;
	if (!boot->kernel) {
		boot->kernel = pi->kernel.path;
		boot->kernel_name = pi->kernel.name;
		boot->raw = true;
	}
	if (!boot->initrd && pi->initrd.name) {
		boot->initrd = pi->initrd.path;
		boot->initrd_name = pi->initrd.name;
	}
}

int arm_files_insert_card(struct vm *vm)
{
	struct disk_params params = { .path = vm->cfg->boot };
	struct disk *disk;
	int ret;

	if (!vm->machine->pi.is_card || !vm->disk_slot.insert)
		return 0;
	params.readonly = access(params.path, W_OK) < 0;
	if (params.readonly)
		log_warn("--boot %s: cannot be written: the card is write-protected", params.path);
	ret = disk_open(&disk, vm->loop, &params);
	return ret < 0 ? ret : vm_insert_disk(vm, disk);
}
