/* SPDX-License-Identifier: MIT */
/* --input KIND,bus=usb: a device of ours whose events come from microvm-gpu. */
#include <errno.h>
#include <string.h>

#include "devices/backend/display_link.h"
#include "devices/registry.h"
#include "devices/usb/hid.h"
#include "devices/usb/hid_model.h"
#include "vmm/log.h"
#include "vmm/util.h"

static const char *const kinds[] = {
	[INPUT_KEYBOARD] = "keyboard",
	[INPUT_MOUSE] = "mouse",
	[INPUT_TABLET] = "tablet",
};

/* INPUT_KINDS: none of them. */
static enum input_kind find_kind(const struct opt_value *opts)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (opts->first && !strcmp(opts->first, kinds[i]))
			return i;
	return INPUT_KINDS;
}

int hid_model_check(const char *label, const struct opt_value *opts)
{
	if (find_kind(opts) != INPUT_KINDS)
		return 0;
	log_error("%s: bus=usb: keyboard, mouse or tablet", label);
	return -EINVAL;
}

static void close_link(void *ctx)
{
	display_link_destroy(ctx);
}

static int connect(struct hid *h, const struct virtio_env *env, enum input_kind kind)
{
	const struct display_link_input input = { .kind = kind, .sink = hid_sink(h) };
	const struct display_link_params params = {
		.loop = env->loop, .process = env->gpu, .input = &input,
	};
	struct display_link *link;
	struct input_sink feedback;
	int ret = display_link_create(&link, &params);

	if (ret < 0)
		return ret;
	feedback = display_link_feedback(link);
	hid_set_source(h, &feedback, close_link);
	return 0;
}

int hid_model_create(struct usb_device **out, const struct virtio_env *env,
		     const struct opt_value *opts)
{
	const struct hid_params params = {
		.kind = find_kind(opts),
		.name = opt_value_get(opts, "name"),
		.serial = opt_value_get(opts, "serial"),
	};
	struct hid *h;
	int ret = hid_create(&h, env->loop, &params);

	if (ret < 0)
		return ret;
	ret = connect(h, env, params.kind);
	if (ret < 0)
		hid_destroy(h);
	else
		*out = hid_device(h);
	return ret;
}

void hid_model_destroy(struct usb_device *usb)
{
	hid_destroy(hid_of(usb));
}
