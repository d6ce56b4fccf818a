/* SPDX-License-Identifier: MIT */
/*
 * What the user asked for: the program's options as plain data.
 *
 * config_parse() once, before anything else; read-only afterwards. Paths have
 * not been opened yet and sizes not been checked against the host.
 */
#ifndef MICROVM_CONFIG_H
#define MICROVM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/registry.h"
#include "vmm/opts.h"

#define CONFIG_MAX_DEVICES 32
#define CONFIG_MAX_CPUS 255	/* xAPIC ids; more would need x2APIC MADT entries */

/* One virtio device asked for, or there by default. */
struct config_device {
	const struct virtio_model *model;
	struct opt_value opts;
	bool mmio;		/* bus=mmio */
};

struct config {
	char *name;		/* of the guest; "microvm" */
	char *kernel, *initrd, *append;
	uint64_t memory;	/* bytes, a multiple of 4 KiB */
	unsigned cpus;
	char *serial;		/* chardev spec; NULL: decided by config_parse() */
	bool no_reboot, testdev;
	unsigned timeout_s;	/* 0: none */
	char *stats;		/* file; NULL: none */
	int verbose;
	struct config_device devices[CONFIG_MAX_DEVICES];
	unsigned n_devices;
};

enum config_result { CONFIG_RUN, CONFIG_DONE /* help or version was printed */, CONFIG_ERROR };

enum config_result config_parse(struct config *cfg, int argc, char *const argv[]);
void config_finish(struct config *cfg);

#endif
