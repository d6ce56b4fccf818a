/* SPDX-License-Identifier: MIT */
/* The input device (virtio 1.3, 5.8): what it says of itself, and what the guest tells it. */
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio/input_impl.h"

/* Status messages between two looks at the loop's other sources. */
#define INPUT_STATUS_BATCH 32
/* Linux's driver reads 64 bytes of a string and wants a zero among them. */
#define INPUT_STRING_MAX 63
/* Virtio's own PCI vendor. */
#define INPUT_VENDOR 0x1af4

/* --- configuration (5.8.4) ------------------------------------------------------ */

static void config_string(struct virtio_input_config *c, const char *s)
{
	c->size = strlen(s);
	memcpy(c->u.string, s, c->size);
}

/* Without the zeros at its end; without any bit it is not there. */
static void config_bits(struct virtio_input_config *c, const uint8_t *bits, unsigned len)
{
	while (len && !bits[len - 1])
		len--;
	memcpy(c->u.bitmap, bits, len);
	c->size = len;
}

static void config_ids(struct virtio_input_config *c, const struct input_id *ids)
{
	c->u.ids = (struct virtio_input_devids){
		.bustype = ids->bustype,
		.vendor = ids->vendor,
		.product = ids->product,
		.version = ids->version,
	};
	c->size = sizeof(c->u.ids);
}

static void config_abs(struct virtio_input_config *c, const struct input_caps *caps)
{
	const struct input_absinfo *abs = &caps->abs[c->subsel % ABS_CNT];

	if (!input_caps_have(caps, EV_ABS, c->subsel))
		return;
	c->u.abs = (struct virtio_input_absinfo){
		.min = abs->minimum,
		.max = abs->maximum,
		.fuzz = abs->fuzz,
		.flat = abs->flat,
		.res = abs->resolution,
	};
	c->size = sizeof(c->u.abs);
}

/* What select and subsel ask for; size 0 when there is no such thing. */
static void config_fill(struct input *in)
{
	struct virtio_input_config *c = &in->config;

	*c = (struct virtio_input_config){ .select = c->select, .subsel = c->subsel };
	if (c->select == VIRTIO_INPUT_CFG_EV_BITS && c->subsel < EV_CNT)
		config_bits(c, in->caps.codes[c->subsel], INPUT_CODES_LEN);
	else if (c->select == VIRTIO_INPUT_CFG_ABS_INFO)
		config_abs(c, &in->caps);
	else if (c->subsel)
		return;
	else if (c->select == VIRTIO_INPUT_CFG_ID_NAME)
		config_string(c, in->name);
	else if (c->select == VIRTIO_INPUT_CFG_ID_SERIAL)
		config_string(c, in->serial);
	else if (c->select == VIRTIO_INPUT_CFG_ID_DEVIDS)
		config_ids(c, &in->ids);
	else if (c->select == VIRTIO_INPUT_CFG_PROP_BITS)
		config_bits(c, in->caps.props, sizeof(in->caps.props));
}

static void input_config_read(struct virtio_device *v, uint32_t off, void *buf, uint32_t len)
{
	memcpy(buf, (const uint8_t *)&input_of(v)->config + off, len);
}

/* Select and subsel, the first two bytes, are the driver's; the rest is not (5.8.5.1). */
static void input_config_write(struct virtio_device *v, uint32_t off, const void *buf,
			       uint32_t len)
{
	struct input *in = input_of(v);
	const uint8_t *bytes = buf;

	if (off >= 2)
		return;
	if (off == 0)
		in->config.select = *bytes++;
	if (off + len >= 2)
		in->config.subsel = *bytes;
	config_fill(in);
}

/* --- lights, sounds and repeat --------------------------------------------------- */

/* Notes what is on, and tells whether that is news. */
static bool status_note(uint64_t *on, unsigned code, int32_t value)
{
	uint64_t was = *on;

	*on = value ? was | BIT(code) : was & ~BIT(code);
	return *on != was;
}

static void status_off(struct input *in, uint16_t type, uint64_t *on)
{
	for (; *on; *on &= *on - 1)
		input_send(&in->feedback, type, __builtin_ctzll(*on), 0);
}

/* What a driver that is gone has left on. */
static void input_go_quiet(struct input *in)
{
	if (in->quiet_due) {
		status_off(in, EV_LED, &in->lit);
		status_off(in, EV_SND, &in->sounding);
	}
	in->quiet_due = false;
}

static void input_quiet(void *arg)
{
	struct input *in = arg;

	pthread_mutex_lock(&in->v.lock);
	input_go_quiet(in);
	pthread_mutex_unlock(&in->v.lock);
}

/* Guests send back other events too, Linux's every EV_MSC: these go nowhere. */
static void status_take(struct input *in, const struct virtio_input_event *e)
{
	int32_t value = e->value;

	if (!input_caps_have(&in->caps, e->type, e->code))
		return;
	switch (e->type) {
	case EV_LED:
		if (status_note(&in->lit, e->code, value))
			input_send(&in->feedback, EV_LED, e->code, !!value);
		break;
	case EV_SND:
		/* Of a tone this is the pitch. */
		if (value >= 0 && (status_note(&in->sounding, e->code, value) || value))
			input_send(&in->feedback, EV_SND, e->code, value);
		break;
	case EV_REP:
		if (value >= 0)
			input_send(&in->feedback, EV_REP, e->code, value);
		break;
	}
}

static void input_status(struct input *in)
{
	unsigned left = INPUT_STATUS_BATCH;
	struct virtio_input_event e;
	struct virtq_chain *chain;

	input_go_quiet(in);
	while (left && (chain = virtio_pop(&in->v, INPUT_STATUSQ))) {
		if (chain_read(chain, 0, &e, sizeof(e)) == sizeof(e))
			status_take(in, &e);
		else
			log_guest(&in->v.rate, "%s: a status of %zu bytes", in->v.ops->name,
				  chain->readable);
		virtq_push(virtio_queue(&in->v, INPUT_STATUSQ), chain, 0);
		left--;
	}
	virtio_signal(&in->v, INPUT_STATUSQ);
	if (!left)
		virtio_kick(&in->v, INPUT_STATUSQ);
}

/* --- the device ------------------------------------------------------------------ */

static void input_activate(struct virtio_device *v)
{
	input_events_start(input_of(v));
}

static void input_notify(struct virtio_device *v, unsigned q)
{
	if (q == INPUT_EVENTQ)
		input_events_buffers(input_of(v));
	else
		input_status(input_of(v));
}

static void input_reset(struct virtio_device *v)
{
	struct input *in = input_of(v);

	input_events_reset(in);
	in->config = (struct virtio_input_config){ 0 };
	in->quiet_due = true;
	loop_post(v->loop, &in->quiet);
}

static const struct virtio_ops input_ops = {
	.name = "virtio-input",
	.id = VIRTIO_ID_INPUT,
	.pci_class = 0x098000,	/* input device, other */
	.config_read = input_config_read,
	.config_write = input_config_write,
	.activate = input_activate,
	.notify = input_notify,
	.reset = input_reset,
};

/* Whether a source may say that. Lights, sounds and repeat are the guest's to set. */
static bool input_takes(const struct input_caps *caps, uint16_t type, uint16_t code)
{
	switch (type) {
	case EV_SYN:
		/* The latter stands between the touches of screens without slots. */
		return code == SYN_REPORT ||
		       (code == SYN_MT_REPORT && !input_caps_slots(caps) &&
			input_caps_have(caps, EV_ABS, ABS_MT_POSITION_X));
	case EV_KEY:
	case EV_REL:
	case EV_ABS:
	case EV_MSC:
	case EV_SW:
		return input_caps_have(caps, type, code);
	default:
		return false;
	}
}

static void input_sink_event(void *ctx, uint16_t type, uint16_t code, int32_t value)
{
	struct input *in = ctx;

	if (!input_takes(&in->caps, type, code))
		return;
	pthread_mutex_lock(&in->v.lock);
	input_events_take(in, type, code, value);
	pthread_mutex_unlock(&in->v.lock);
}

struct input_sink input_device_sink(struct virtio_device *v)
{
	return (struct input_sink){ .event = input_sink_event, .ctx = input_of(v) };
}

/* --- life ---------------------------------------------------------------------------- */

static void input_describe(struct input *in, const struct input_params *params)
{
	static const char *const names[INPUT_KINDS] = {
		[INPUT_KEYBOARD] = "microvm keyboard",
		[INPUT_MOUSE] = "microvm mouse",
		[INPUT_TABLET] = "microvm tablet",
		[INPUT_MULTITOUCH] = "microvm touch screen",
		[INPUT_HOST] = "microvm input",
	};
	const struct input_id ids = {
		.bustype = BUS_VIRTUAL,
		.vendor = INPUT_VENDOR,
		.product = params->kind + 1,
		.version = 1,
	};

	in->ids = params->ids ? *params->ids : ids;
	in->name = strndup(params->name ? params->name : names[params->kind], INPUT_STRING_MAX);
	in->serial = strndup(params->serial ? params->serial : "", INPUT_STRING_MAX);
	if (params->kind == INPUT_HOST)
		in->caps = *params->caps;
	else
		input_caps_init(&in->caps, params->kind);
	input_caps_sanitize(&in->caps);
}

static void input_free(struct input *in)
{
	free(in->name);
	free(in->serial);
	free(in);
}

int input_create(struct virtio_device **out, struct loop *loop, const struct gmem *mem,
		 const struct input_params *params)
{
	static const uint16_t sizes[INPUT_QUEUES] = { INPUT_QUEUE_SIZE, INPUT_QUEUE_SIZE };
	struct input *in = calloc(1, sizeof(*in));
	int ret;

	if (!in)
		return -ENOMEM;
	input_describe(in, params);
	in->feedback = params->feedback;
	in->close = params->close;
	in->quiet = (struct loop_work){ .cb = input_quiet, .arg = in };
	input_events_init(in);
	ret = in->name && in->serial ? 0 : -ENOMEM;
	if (ret == 0)
		ret = virtio_init(&in->v, &input_ops, loop, mem, sizes, INPUT_QUEUES, 0,
				  sizeof(struct virtio_input_config));
	if (ret < 0) {
		input_free(in);
		return ret;
	}
	*out = &in->v;
	return 0;
}

void input_destroy(struct virtio_device *v)
{
	struct input *in = input_of(v);

	if (in->close)
		in->close(in->feedback.ctx);
	loop_cancel(v->loop, &in->quiet);
	virtio_finish(v);
	input_free(in);
}
