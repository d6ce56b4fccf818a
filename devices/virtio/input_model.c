/* SPDX-License-Identifier: MIT */
/* What the option --input says: a device of the host for the guest. */
#include <assert.h>
#include <errno.h>

#include "devices/backend/evdev.h"
#include "devices/registry.h"
#include "devices/virtio/input.h"
#include "vmm/log.h"
#include "vmm/util.h"

static int refuse(const char *label, const char *what, const char *why)
{
	log_error("%s: %s: %s", label, what, why);
	return -EINVAL;
}

static enum evdev_grab parse_grab(const char *word)
{
	if (!word || !strcmp(word, "on"))
		return EVDEV_GRAB_ON;
	return strcmp(word, "off") ? EVDEV_GRAB_TOGGLE : EVDEV_GRAB_OFF;
}

/* The path stays @opts's. 0, or negative errno after one line in the log. */
static int input_parse(struct evdev_params *p, const char *label, const struct opt_value *opts)
{
	const char *toggle = opt_value_get(opts, "toggle");
	char why[KEYCHORD_WHY];
	int ret;

	*p = (struct evdev_params){
		.path = opt_value_get(opts, "evdev"),
		.grab = parse_grab(opt_value_get(opts, "grab")),
		.open = evdev_node_open,
	};
	if (!p->path || !*p->path)
		return refuse(label, "evdev", "needed, as in evdev=/dev/input/event3");
	if (toggle && p->grab == EVDEV_GRAB_OFF)
		return refuse(label, "toggle", "only with grab=on or grab=toggle");
	ret = keychord_parse(&p->chord, toggle ? toggle : EVDEV_CHORD, why);
	return ret == -EINVAL ? refuse(label, "toggle", why) : ret;
}

static int input_check(const char *label, const struct opt_value *opts)
{
	struct evdev_params params;

	return input_parse(&params, label, opts);
}

static void close_evdev(void *ctx)
{
	evdev_close(ctx);
}

static int input_host_create(struct virtio_device **out, const struct virtio_env *env,
			     struct evdev *e)
{
	const struct input_params params = {
		.kind = INPUT_HOST,
		.name = evdev_name(e),
		.serial = evdev_uniq(e),
		.ids = evdev_ids(e),
		.caps = evdev_caps(e),
		.feedback = evdev_feedback(e),
		.close = close_evdev,
	};
	struct input_sink sink;
	int ret = input_create(out, env->loop, env->mem, &params);

	if (ret < 0)
		return ret;
	sink = input_device_sink(*out);
	evdev_start(e, &sink);
	return 0;
}

static int input_model_create(struct virtio_device **out, const struct virtio_env *env,
			      const struct opt_value *opts)
{
	struct evdev_params params;
	struct evdev *e;
	int ret = input_parse(&params, "--input", opts);

	if (ret < 0)
		return ret;
	assert(env->evdevs);
	params.set = env->evdevs;
	ret = evdev_open(&e, env->loop, &params);
	if (ret < 0)
		return ret;
	ret = input_host_create(out, env, e);
	if (ret < 0)
		evdev_close(e);
	return ret;
}

/* What seat_devices.c makes of --input when it is one of the host's. */
extern const struct virtio_model input_host_model;

const struct virtio_model input_host_model = {
	.name = "input",
	.help = "a keyboard, mouse or other input device of the host",
	.keys = (const struct opt_key[]){
		{ "evdev", "FILE", "the device, /dev/input/event... or a link to it" },
		{ "grab", "on|off|toggle",
		  "for the guest alone, for both, or for the host at first (on)" },
		{ "toggle", "KEYS", "give it back and take it again (" EVDEV_CHORD ")" },
		{ NULL, NULL, NULL }
	},
	.multiple = true,
	.check = input_check,
	.create = input_model_create,
	.destroy = input_destroy,
};
