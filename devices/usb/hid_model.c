/* SPDX-License-Identifier: MIT */
/*
 * --input KIND,bus=usb: a device of ours whose events come from microvm-gpu, where its place
 * is GPU_PROCESS_EVENTS.
 */
#include "devices/backend/display_link.h"
#include "devices/gpu/options.h"
#include "devices/registry.h"
#include "devices/usb/hid.h"
#include "devices/usb/usb_models.h"

extern const struct virtio_model virtio_input_model;

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

static int create(struct usb_device **out, const struct virtio_env *env,
		  const struct opt_value *opts)
{
	struct seat_input input;
	struct hid_params params;
	struct hid *h;
	int ret = gpu_option_input(&input, "--input", opts);

	if (ret < 0)
		return ret;
	params = (struct hid_params){
		.kind = input.kind, .name = input.name, .serial = input.serial,
	};
	ret = hid_create(&h, env->loop, &params);
	if (ret < 0)
		return ret;
	ret = connect(h, env, input.kind);
	if (ret < 0)
		hid_destroy(h);
	else
		*out = hid_device(h);
	return ret;
}

static void destroy(struct usb_device *usb)
{
	hid_destroy(hid_of(usb));
}

const struct usb_model hid_model = {
	.option = &virtio_input_model,
	.create = create,
	.destroy = destroy,
};
