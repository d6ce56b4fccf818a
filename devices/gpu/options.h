/* SPDX-License-Identifier: MIT */
/*
 * The command line of microvm-gpu, as plain data. Before any thread starts.
 */
#ifndef MICROVM_GPU_OPTIONS_H
#define MICROVM_GPU_OPTIONS_H

#include "devices/gpu/screen.h"
#include "devices/gpu/seat.h"
#include "vmm/opts.h"

/* What --gpu says of 3D. */
struct gpu_option_3d {
	bool virgl;
	const char *rendernode;	/* NULL: any */
	unsigned patience;	/* seconds; 0: without end */
	bool venus;		/* Vulkan as well */
	uint64_t hostmem;	/* bytes of the host's memory that can be mapped into the guest */
};

/* What --gpu says of recording. */
struct gpu_option_record {
	const char *path;	/* NULL: none */
	uint64_t limit;		/* bytes */
};

/* One --gpu, --input or --events. */
struct gpu_option_device {
	char label[64];		/* for messages: "--input keyboard" */
	struct opt_value value;	/* what the strings below point into */
	struct seat_socket socket;
	bool is_gpu;
	bool vmm;		/* an input device that is the VMM's */
	struct gpu_params gpu;
	struct screen_look look;
	struct gpu_option_3d in_3d;
	struct gpu_option_record record;
	struct seat_input input;
};

#define GPU_OPTION_FRAMES 32	/* ranges */

/* A recording to be played, in place of serving devices. */
struct gpu_option_replay {
	char *path;		/* NULL: none */
	char *png;		/* directory for frames; NULL: none */
	struct { uint64_t first, last; } frames[GPU_OPTION_FRAMES];	/* numbers, from 1 */
	unsigned n_frames;	/* 0: all */
};

struct gpu_options {
	char *name;		/* of the guest */
	enum screen_mode display;
	bool has_viewers;
	struct seat_socket viewers;	/* egl's; its path points into the last of these */
	const char *rendernode;	/* egl's; NULL: not said there; as above */
	struct opt_value display_value;
	int verbose;
	struct gpu_option_device devices[SEAT_MAX_DEVICES];
	unsigned n_devices;
	struct gpu_option_replay replay;
	bool no_sandbox;
	bool has_framebuffer;
	struct seat_socket framebuffer;
	bool has_control;
	struct seat_socket control;	/* its path points into the next */
	struct opt_value control_value;
};

enum gpu_options_result { GPU_OPTIONS_RUN, GPU_OPTIONS_DONE, GPU_OPTIONS_ERROR };

/* @o needs gpu_options_finish() after any of them. Errors: one line in the log. */
enum gpu_options_result gpu_options_parse(struct gpu_options *o, int argc, char *const argv[]);
void gpu_options_finish(struct gpu_options *o);

/*
 * Keys of --gpu and --input, but for where their front end comes from: microvm
 * has them in its own options of these names, and passes them on.
 */
#define GPU_OPTION_KINDS "2d|virgl"
#define GPU_OPTION_KEYS                                                                            \
	{ "outputs", "N", "monitors, 1 to 16 (1)" },                                               \
	{ "size", "WxH", "of the first picture (1280x800)" },                                      \
	{ "patience", "SECONDS", "virgl: that it may draw without an end, 0: any number (60)" },   \
	{ "rendernode", "FILE", "virgl: the GPU that draws (the first one, else the processor)" }, \
	{ "venus", NULL, "virgl: Vulkan as well, where the library can (off)" },                   \
	{ "hostmem", "SIZE", "venus: address space for memory of the host in the guest (256M)" },  \
	{ "record", "FILE", "write down what the guest asks for (microvm-gpu --replay)" },         \
	{ "record-limit", "SIZE", "of that file (1G)" },                                           \
	{ "fullscreen", NULL, "windows fill the monitors from the start" },                        \
	{ "scale", "aspect|integer", "as large as fits, or by whole numbers (aspect)" },           \
	{ "sandbox", NULL, "keep the process from all it does not need (on)" }
#define GPU_OPTION_INPUT_KEYS                                                                      \
	{ "name", "NAME", "that the guest sees" },                                                 \
	{ "serial", "TEXT", "that the guest sees" }
/* 0, or -EINVAL after one line in the log. Strings point into @value. */
int gpu_option_gpu(struct gpu_params *gpu, struct screen_look *look, const char *label,
		   const struct opt_value *value);
int gpu_option_3d(struct gpu_option_3d *in_3d, const char *label, const struct opt_value *value);
int gpu_option_record(struct gpu_option_record *record, const char *label,
		      const struct opt_value *value);
int gpu_option_input(struct seat_input *input, const char *label, const struct opt_value *value);

#endif
