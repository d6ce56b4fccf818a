/* SPDX-License-Identifier: MIT */
/*
 * config.txt and the files that it includes, as the firmware of a Raspberry Pi 2 reads
 * them ("raspberrypi.com/documentation: config.txt"). What is about hardware that is not
 * here is named at -v and has no effect.
 *
 * Pure: text in, settings out. Main thread.
 */
#ifndef MICROVM_ARM_BOOT_CONFIG_H
#define MICROVM_ARM_BOOT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_CONFIG_MAX (64u << 10)	/* bytes of a file */
#define BOOT_CONFIG_NAME 256		/* bytes of a value, its NUL among them */
#define BOOT_CONFIG_DT 64		/* overlays and parameters */
#define BOOT_CONFIG_INCLUDES 16		/* files */

/* A dtoverlay= or a dtparam=, in their order. */
struct boot_config_dt {
	bool overlay;
	char text[BOOT_CONFIG_NAME];
};

struct boot_config {
	char kernel[BOOT_CONFIG_NAME], device_tree[BOOT_CONFIG_NAME];	/* "": the default's name */
	char cmdline[BOOT_CONFIG_NAME];		/* "cmdline.txt" */
	char initramfs[BOOT_CONFIG_NAME];	/* with commas between; "": none */
	char os_prefix[BOOT_CONFIG_NAME], overlay_prefix[BOOT_CONFIG_NAME];
	uint32_t kernel_address;	/* of what is no Linux */
	uint32_t fb_width, fb_height, fb_depth;	/* 0: not said */
	bool no_tree;			/* device_tree= */
	bool arm_64bit, upstream;
	bool auto_initramfs;		/* the kernel's name says which, if it is there */
	struct boot_config_dt dt[BOOT_CONFIG_DT];
	unsigned n_dt;
};

/* How it reads an included file: 0 and memory to be freed, or negative errno after one line. */
struct boot_config_reader {
	int (*read)(void *ctx, const char *name, char **text, size_t *len);
	void *ctx;
};

/*
 * @name is for messages, @serial is the board's. 0, or negative errno after one line in
 * the log, which names file and line.
 */
int boot_config_parse(struct boot_config *config, const char *name, const char *text, size_t len,
		      uint64_t serial, const struct boot_config_reader *reader);

#endif
