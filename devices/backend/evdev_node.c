/* SPDX-License-Identifier: MIT */
/* An input device of the host, by libevdev. */
#include "devices/backend/evdev_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/backend/evdev_lib.h"
#include "vmm/util.h"

struct host_node {
	struct evdev_node node;
	struct evdev_lib lib;
	struct libevdev *dev;
	bool dropped;		/* the kernel has: libevdev makes it good */
};

static struct host_node *host_of(struct evdev_node *node)
{
	return container_of(node, struct host_node, node);
}

static int host_next(struct evdev_node *node, struct evdev_event *event)
{
	struct host_node *h = host_of(node);
	struct input_event e;
	int ret = h->lib.next_event(h->dev, h->dropped ? LIBEVDEV_READ_FLAG_SYNC
						       : LIBEVDEV_READ_FLAG_NORMAL, &e);

	if (ret == -EAGAIN && h->dropped) {
		h->dropped = false;
		return host_next(node, event);
	}
	if (ret < 0)
		return ret == -EAGAIN ? 0 : ret;
	/* The first of these is SYN_DROPPED itself. */
	h->dropped |= ret == LIBEVDEV_READ_STATUS_SYNC;
	*event = (struct evdev_event){ e.type, e.code, e.value };
	return 1;
}

static int32_t host_value(struct evdev_node *node, uint16_t type, uint16_t code)
{
	return host_of(node)->lib.get_event_value(host_of(node)->dev, type, code);
}

static int32_t host_slot_value(struct evdev_node *node, unsigned slot, uint16_t code)
{
	return host_of(node)->lib.get_slot_value(host_of(node)->dev, slot, code);
}

static int host_grab(struct evdev_node *node, bool on)
{
	return host_of(node)->lib.grab(host_of(node)->dev,
				       on ? LIBEVDEV_GRAB : LIBEVDEV_UNGRAB);
}

static int host_write(struct evdev_node *node, const struct evdev_event *event)
{
	const struct input_event e[2] = {
		{ .type = event->type, .code = event->code, .value = event->value },
		{ .type = EV_SYN, .code = SYN_REPORT },
	};

	return write(node->fd, e, sizeof(e)) < 0 ? -errno : 0;
}

static void host_close(struct evdev_node *node)
{
	struct host_node *h = host_of(node);

	if (h->dev)
		h->lib.free(h->dev);
	if (node->fd >= 0)
		close(node->fd);
	free(h);
}

static const struct evdev_node_ops host_ops = {
	.next = host_next,
	.value = host_value,
	.slot_value = host_slot_value,
	.grab = host_grab,
	.write = host_write,
	.close = host_close,
};

static void read_caps(struct host_node *h)
{
	struct input_caps *caps = &h->node.caps;

	for (unsigned prop = 0; prop < INPUT_PROP_CNT; prop++)
		if (h->lib.has_property(h->dev, prop))
			caps->props[prop / 8] |= 1u << prop % 8;
	for (unsigned type = EV_SYN + 1; type < EV_CNT; type++)
		for (unsigned code = 0; code < KEY_CNT; code++)
			if (h->lib.has_event_code(h->dev, type, code))
				input_caps_add(caps, type, code);
	for (unsigned code = 0; code < ABS_CNT; code++)
		if (input_caps_have(caps, EV_ABS, code))
			caps->abs[code] = *h->lib.get_abs_info(h->dev, code);
	input_caps_sanitize(caps);
}

static void read_identity(struct host_node *h)
{
	const char *uniq = h->lib.get_uniq(h->dev);

	h->node.ids = (struct input_id){
		.bustype = h->lib.get_id_bustype(h->dev),
		.vendor = h->lib.get_id_vendor(h->dev),
		.product = h->lib.get_id_product(h->dev),
		.version = h->lib.get_id_version(h->dev),
	};
	snprintf(h->node.name, EVDEV_NAME_LEN, "%s", h->lib.get_name(h->dev));
	snprintf(h->node.uniq, EVDEV_NAME_LEN, "%s", uniq ? uniq : "");
}

/* Without the right to write there are no lights, which is no reason not to type. */
static int open_fd(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
		return fd;
	close(fd);
	return -ENOTTY;
}

static int host_open(struct host_node *h, const char *path)
{
	if (evdev_lib_load(&h->lib) < 0)
		return -ENOPKG;
	h->node.fd = open_fd(path);
	if (h->node.fd < 0)
		return h->node.fd;
	return h->lib.new_from_fd(h->node.fd, &h->dev);
}

int evdev_node_open(struct evdev_node **out, const char *path, void *ctx)
{
	struct host_node *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return -ENOMEM;
	h->node.ops = &host_ops;
	h->node.fd = -1;
	ret = host_open(h, path);
	if (ret < 0) {
		host_close(&h->node);
		return ret;
	}
	read_caps(h);
	read_identity(h);
	*out = &h->node;
	return 0;
}
