/* SPDX-License-Identifier: MIT */
/*
 * What the user asked for: the program's options as plain data.
 *
 * config_parse() once, before anything else; read-only afterwards. Paths have
 * not been opened yet and sizes not been checked against the host. Relative
 * paths are so to the current directory, those of a configuration file to the
 * directory of that file.
 */
#ifndef MICROVM_CONFIG_H
#define MICROVM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "devices/registry.h"
#include "vmm/opts.h"
#include "vmm/util.h"

#define CONFIG_MAX_DEVICES 32
#define CONFIG_MAX_CPUS 255	/* xAPIC ids; more would need x2APIC MADT entries */
#define CONFIG_MIN_MEMORY (4 * MiB)	/* the first holds the tables, the next a payload */
#define CONFIG_MAX_MEMORY (1024 * GiB)	/* leaves room in 46 bits for PCI windows */
#define CONFIG_MAX_TIMEOUT 31536000	/* seconds; a year */

/* One virtio device asked for, or there by default. */
struct config_device {
	const struct virtio_model *model;
	struct opt_value opts;
	bool mmio, usb;		/* bus=... */
	bool packed;		/* offers packed rings */
	bool by_default;	/* nobody asked for it */
};

struct config {
	char *name;		/* of the guest; "microvm" */
	char *kernel;		/* never NULL after CONFIG_RUN, unless boot has one */
	char *initrd;		/* NULL: none */
	char *append;		/* kernel command line, with its console=; never NULL */
	uint64_t memory;	/* bytes, a multiple of 4 KiB */
	unsigned cpus;
	char *serial;		/* chardev spec; never NULL */
	bool no_reboot, testdev;
	unsigned timeout_s;	/* 0: none */
	char *stats;		/* file; NULL: none */
	char *control;		/* socket; NULL: none */
	/* of ARM guests; NULL: what host and kernel call for */
	char *dtb, *dump_dtb;	/* files */
	char *boot;		/* SD card, its image or a directory with its files */
	char *gic;		/* "2", "3", "none" */
	char *cpu;		/* "32", "64" */
	char *uart;		/* "pl011", "16550" */
	char *framebuffer;	/* of a Raspberry Pi: "1024x768,display=none"; NULL: not shown */
	int verbose;		/* how often it was asked for */
	struct config_device devices[CONFIG_MAX_DEVICES];
	unsigned n_devices;
};

enum config_result { CONFIG_RUN, CONFIG_DONE /* help or version was printed */, CONFIG_ERROR };

/* @cfg needs config_finish() after CONFIG_RUN only. Errors: one line in the log. */
enum config_result config_parse(struct config *cfg, int argc, char *const argv[]);
/*
 * The same for a configuration file's text and nothing else, not even a kernel:
 * for tests and the fuzzer.
 */
enum config_result config_parse_text(struct config *cfg, const char *name, const char *text,
				     size_t len);
/* Writes a configuration file that has the same effect from any directory. 0 or negative errno. */
int config_dump(const struct config *cfg, FILE *out);
void config_finish(struct config *cfg);	/* again: no-op */

#endif
