/* SPDX-License-Identifier: MIT */
/*
 * --gpu and --input: graphics card, keyboards and pointers, all of them served
 * by one microvm-gpu that we start, but for those on USB, which get their events there.
 */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/evdev.h"
#include "devices/backend/gpu_process.h"
#include "devices/backend/unixsock.h"
#include "devices/gpu/options.h"
#include "devices/registry.h"
#include "devices/virtio/gpu_proto.h"
#include "devices/virtio/input.h"
#include "devices/virtio/vhost_user_frontend.h"
#include "devices/virtio/virtio_vga.h"

#define ALL_FEATURES ((1ull << 24) - 1)	/* those that are the device's (2.2) */
#define GPU_QUEUES 2
#define INPUT_QUEUES 2

extern const struct virtio_model input_host_model;	/* input_model.c */

struct seat_front {
	struct vhost_user u;
	struct gpu_process *process;
	unsigned device;	/* of the process */
	char *name;		/* "--input keyboard" */
};

/* --- the process ------------------------------------------------------------------- */

static int front_dial(void *ctx)
{
	struct seat_front *f = ctx;

	return gpu_process_dial(f->process, f->device);
}

static void front_hung_up(void *ctx)
{
	struct seat_front *f = ctx;

	gpu_process_hung_up(f->process, f->device);
}

static const struct vhost_user_source_ops front_source = {
	.dial = front_dial,
	.hung_up = front_hung_up,
};

static bool has_key(const struct opt_key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name))
		keys++;
	return keys->name;
}

static void put_element(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == ',')
			fputc(',', out);
		fputc(*text, out);
	}
}

/* The part of @opts that is for the process, as an option's value; to be freed. */
static char *pass_on(const struct opt_value *opts, bool first, const struct opt_key *keys)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool comma = first;

	if (!out)
		return NULL;
	if (first)
		put_element(out, opts->first);
	for (unsigned i = 0; i < opts->n_pairs; i++) {
		const struct opt_pair *pair = &opts->pairs[i];

		if (!has_key(keys, pair->key))
			continue;
		fprintf(out, "%s%s", comma ? "," : "", pair->key);
		if (pair->value) {
			fputc('=', out);
			put_element(out, pair->value);
		}
		comma = true;
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int announce(const struct virtio_env *env, const char *option, const struct opt_value *opts,
		    bool first, const struct opt_key *keys)
{
	char *value = pass_on(opts, first, keys);
	int ret = value ? gpu_process_add(env->gpu, option, value) : -ENOMEM;

	free(value);
	return ret < 0 ? ret : 0;
}

/* --- any of them ---------------------------------------------------------------------- */

static void front_free(struct seat_front *f)
{
	free(f->name);
	free(f);
}

/* @word: what comes behind the option in messages. */
static int front_create(struct virtio_device **out, const struct virtio_env *env,
			const char *option, const char *word, struct vhost_user_params *p)
{
	struct seat_front *f = calloc(1, sizeof(*f));
	int ret = -ENOMEM;

	if (!f)
		return ret;
	if (asprintf(&f->name, "--%s %s", option, word) < 0)
		f->name = NULL;
	f->process = env->gpu;
	ret = gpu_process_take(env->gpu, option);
	if (f->name && ret >= 0) {
		f->device = ret;
		p->name = f->name;
		p->source = &front_source;
		p->source_ctx = f;
		ret = vhost_user_init(&f->u, p, env->loop, env->mem);
	}
	if (!f->name || ret < 0) {
		front_free(f);
		return ret < 0 ? ret : -ENOMEM;
	}
	*out = &f->u.v;
	return 0;
}

static void front_destroy(struct virtio_device *v)
{
	struct seat_front *f = container_of(v, struct seat_front, u.v);

	vhost_user_finish(&f->u);
	front_free(f);
}

/* --- --input ------------------------------------------------------------------------------ */

#define INPUT_OPS(class_)                                                                          \
	{ .name = "virtio-input", .id = VIRTIO_ID_INPUT, .pci_class = class_, VHOST_USER_OPS }

static const struct virtio_ops keyboard_ops = INPUT_OPS(0x090000);
static const struct virtio_ops pointer_ops = INPUT_OPS(0x090200);
static const struct virtio_ops other_ops = INPUT_OPS(0x098000);

static const struct opt_key input_own_keys[] = { GPU_OPTION_INPUT_KEYS, { 0 } };

static const struct opt_key input_keys[] = {
	{ "evdev", "FILE", "a device of the host, /dev/input/eventN" },
	{ "grab", "on|off|toggle", "for the guest, for both, or for the host at first (on)" },
	{ "toggle", "CHORD", "gives it back and takes it again (" EVDEV_CHORD ")" },
	GPU_OPTION_INPUT_KEYS,
	{ 0 },
};

/* A device of the host needs no process but this one. */
static bool is_host(const struct opt_value *opts)
{
	return opt_value_get(opts, "evdev");
}

static bool is_usb(const struct opt_value *opts)
{
	return opt_value_is(opts, "bus", "usb");
}

static bool is_here(const struct opt_value *opts)
{
	return is_host(opts) || is_usb(opts);
}

static int input_check(const char *label, const struct opt_value *opts)
{
	static const char *const others[][2] = { { "name", "serial" }, { "grab", "toggle" } };
	bool host = is_host(opts);
	struct seat_input input;

	if (is_usb(opts) && (!opts->first || !opt_words_have("keyboard|mouse|tablet", opts->first))) {
		log_error("%s: bus=usb: keyboard, mouse or tablet", label);
		return -EINVAL;
	}
	if (host && opts->first) {
		log_error("%s: either %.20s or evdev=", label, opts->first);
		return -EINVAL;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (!opt_value_get(opts, others[!host][i]))
			continue;
		log_error("%s: %s= is %s evdev=", label, others[!host][i],
			  host ? "not for" : "for");
		return -EINVAL;
	}
	return host ? input_host_model.check(label, opts) : gpu_option_input(&input, label, opts);
}

static int input_announce(const struct virtio_env *env, const struct opt_value *opts)
{
	if (is_host(opts))
		return 0;
	if (is_usb(opts))
		return MIN(gpu_process_add(env->gpu, GPU_PROCESS_EVENTS, opts->first), 0);
	return announce(env, "input", opts, opts->first, input_own_keys);
}

static const struct virtio_ops *ops_of(const char *kind)
{
	return !strcmp(kind, "multitouch") ? &other_ops :
	       !strcmp(kind, "keyboard") ? &keyboard_ops : &pointer_ops;
}

static int input_front_create(struct virtio_device **out, const struct virtio_env *env,
			      const struct opt_value *opts)
{
	struct vhost_user_params p = {
		.ops = ops_of(opts->first),
		.n_queues = INPUT_QUEUES,
		.queue_size = INPUT_QUEUE_SIZE,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_input_config),
	};

	return front_create(out, env, "input", opts->first, &p);
}

static int input_any_create(struct virtio_device **out, const struct virtio_env *env,
			    const struct opt_value *opts)
{
	return is_host(opts) ? input_host_model.create(out, env, opts) :
			       input_front_create(out, env, opts);
}

static void input_any_destroy(struct virtio_device *v)
{
	if (v->ops->external)
		front_destroy(v);
	else
		input_host_model.destroy(v);
}

const struct virtio_model virtio_input_model = {
	.external = true,
	.shares_ram = true,
	.is_here = is_here,
	.name = "input",
	.arg = "keyboard|mouse|tablet|multitouch|none",
	.help = "input device; evdev=FILE: one of the host's",
	.keys = input_keys,
	.multiple = true,
	.check = input_check,
	.announce = input_announce,
	.create = input_any_create,
	.destroy = input_any_destroy,
	.usb = true,
};

/* --- --gpu ---------------------------------------------------------------------------------- */

static const struct opt_key gpu_own_keys[] = { GPU_OPTION_KEYS, { 0 } };

static const struct opt_key gpu_keys[] = {
	GPU_OPTION_KEYS,
	VIRTIO_VGA_KEYS,
	{ "display", "none|sdl|egl", "where pictures are shown (sdl if there is a desktop)" },
	{ "socket", "FILE", "egl: where microvm-view finds them" },
	{ "program", "FILE", "microvm-gpu, where it is not found by itself" },
	{ 0 },
};

static const struct virtio_ops gpu_ops = {
	.name = "virtio-gpu",
	.id = VIRTIO_ID_GPU,
	.pci_class = 0x038000,	/* display controller, other */
	VHOST_USER_OPS,
};

/*
 * A driver that waits for its commands learns that nothing came of them. No
 * answer fits into a command for the pointer, which expects none.
 */
static size_t gpu_refuse(const struct virtq_chain *chain)
{
	struct virtio_gpu_ctrl_hdr in = { 0 }, out;

	chain_read(chain, 0, &in, sizeof(in));
	out = gpu_answer_header(&in, VIRTIO_GPU_RESP_ERR_UNSPEC);
	return chain_write(chain, 0, &out, sizeof(out));
}

static int check_viewers(const char *label, const struct opt_value *opts)
{
	const char *display = opt_value_get(opts, "display"), *path = opt_value_get(opts, "socket");

	if (!path)
		return 0;
	if (display && strcmp(display, "egl")) {
		log_error("%s: socket= is for display=egl", label);
		return -EINVAL;
	}
	if (*path && strlen(path) <= UNIXSOCK_PATH_MAX)
		return 0;
	log_error("%s: socket=%.40s: a path of up to %zu characters", label, path,
		  UNIXSOCK_PATH_MAX);
	return -EINVAL;
}

static int gpu_check(const char *label, const struct opt_value *opts)
{
	struct gpu_option_record record;
	struct gpu_option_3d in_3d;
	struct virtio_vga_params vga;
	struct gpu_params params;
	struct screen_look look;
	int ret = gpu_option_gpu(&params, &look, label, opts);

	if (ret == 0)
		ret = MIN(virtio_vga_option(&vga, label, opts), 0);
	if (ret == 0)
		ret = gpu_option_3d(&in_3d, label, opts);
	if (ret == 0)
		ret = gpu_option_record(&record, label, opts);
	return ret < 0 ? ret : check_viewers(label, opts);
}

static int gpu_vga(struct virtio_vga_params *params, const struct opt_value *opts)
{
	return virtio_vga_option(params, "--gpu", opts);
}

/* The VGA card's pictures go to the same process. */
static int vga_announce(const struct virtio_env *env, const struct opt_value *opts)
{
	struct virtio_vga_params params;
	int ret = gpu_vga(&params, opts);

	if (ret <= 0)
		return ret;
	if (env->vga)
		return MIN(gpu_process_add(env->gpu, GPU_PROCESS_FRAMEBUFFER, ""), 0);
	if (!params.asked)
		return 0;
	log_error("--gpu: this machine has no place for a VGA card: vga=off");
	return -EINVAL;
}

static int gpu_announce(const struct virtio_env *env, const struct opt_value *opts)
{
	const char *viewers = opt_value_get(opts, "socket");
	int ret = gpu_process_set(env->gpu, opt_value_get(opts, "program"),
				  opt_value_get(opts, "display"));

	if (ret == 0 && viewers)
		ret = gpu_process_listen(env->gpu, viewers);
	if (ret == 0)
		ret = announce(env, "gpu", opts, opts->first, gpu_own_keys);
	return ret < 0 ? ret : vga_announce(env, opts);
}

static int gpu_front_create(struct virtio_device **out, const struct virtio_env *env,
			    const struct opt_value *opts)
{
	static const uint16_t sizes[GPU_QUEUES] = { GPU_QUEUE_SIZE, GPU_CURSOR_QUEUE_SIZE };
	struct vhost_user_params p = {
		.ops = &gpu_ops,
		.n_queues = GPU_QUEUES,
		.queue_size = GPU_QUEUE_SIZE,
		.queue_sizes = sizes,
		.features = ALL_FEATURES,
		.config_len = sizeof(struct virtio_gpu_config),
		.refuse = gpu_refuse,
		.shm_id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE,
	};
	struct gpu_option_3d in_3d;
	int ret = gpu_option_3d(&in_3d, "--gpu", opts);

	if (ret < 0)
		return ret;
	p.shm_max = in_3d.hostmem;
	return front_create(out, env, "gpu", opts->first ? opts->first : "2d", &p);
}

const struct virtio_model virtio_gpu_model = {
	.external = true,
	.shares_ram = true,
	.name = "gpu",
	.arg = GPU_OPTION_KINDS "|none",
	.help = "graphics card (virgl: 3D), with a keyboard and a tablet unless --input is given",
	.keys = gpu_keys,
	.describe = gpu_process_describe,
	.companions = (const struct virtio_companion[]){
		{ &virtio_input_model, "keyboard" },
		{ &virtio_input_model, "tablet" },
		{ 0 },
	},
	.check = gpu_check,
	.announce = gpu_announce,
	.create = gpu_front_create,
	.destroy = front_destroy,
	.vga = gpu_vga,
};
