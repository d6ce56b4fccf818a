/* SPDX-License-Identifier: MIT */
/*
 * What the firmware of a Raspberry Pi 2 finds on its card: config.txt, and by that the
 * kernel, the device tree with its overlays, the initramfs and the command line.
 *
 * Pure: files in, files and bytes out. Main thread. Files are copies, which nobody else
 * can change; a boot after a reset looks again, with arm_pi_reload().
 */
#ifndef MICROVM_ARM_BOOT_PI_H
#define MICROVM_ARM_BOOT_PI_H

#include "arch/arm/boot_config.h"
#include "arch/arm/boot_source.h"
#include "arch/arm/fdt.h"

struct arm_pi_file {
	int fd;			/* -1: none */
	char path[32];		/* to open it by */
	char *name;		/* owned; for messages */
};

struct arm_pi {
	bool open;
	bool is_card;		/* not a directory */
	struct boot_config config;
	struct arm_pi_file kernel, initrd;
	char *cmdline;		/* owned; never NULL */
	struct arm_fdt tree;	/* empty where it was not wanted */
};

/* What is not to come from there, since the user has said otherwise. */
struct arm_pi_wants {
	bool kernel, initrd, tree;
	uint64_t serial;	/* the board's */
};

/* @pi is zeroed. 0, or negative errno after one line in the log; arm_pi_close() either way. */
int arm_pi_open(struct arm_pi *pi, const char *path, const struct arm_pi_wants *wants);
/* All but the tree, once more. Likewise. */
int arm_pi_reload(struct arm_pi *pi, const char *path, const struct arm_pi_wants *wants);
void arm_pi_close(struct arm_pi *pi);	/* zeroed is legal */

#endif
