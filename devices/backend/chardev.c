/* SPDX-License-Identifier: MIT */
#include "devices/backend/chardev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/chardev_kinds.h"
#include "vmm/log.h"

#define CHARDEV_LAST_MS 2000

/* --- "null" ---------------------------------------------------------------- */

static void chardev_null_nothing(struct chardev *chr)
{
}

static size_t chardev_null_write(struct chardev *chr, const void *data, size_t len)
{
	return len;
}

static void chardev_null_close(struct chardev *chr)
{
	free(chr);
}

static const struct chardev_ops chardev_null_ops = {
	.attached = chardev_null_nothing,
	.write = chardev_null_write,
	.kick_input = chardev_null_nothing,
	.close = chardev_null_close,
};

static int chardev_null_open(struct chardev **out, const char *path, struct loop *loop,
			     struct term *term)
{
	struct chardev *chr = calloc(1, sizeof(*chr));

	if (!chr)
		return -ENOMEM;
	chr->ops = &chardev_null_ops;
	*out = chr;
	return 0;
}

/* --- any kind ------------------------------------------------------------- */

int chardev_open(struct chardev **out, const char *spec, struct loop *loop, struct term *term)
{
	static const struct {
		const char *name;
		int (*open)(struct chardev **out, const char *path, struct loop *loop,
			    struct term *term);
	} kinds[] = {
		{ "stdio", chardev_stdio_open },
		{ "null", chardev_null_open },
		{ "file", chardev_file_open },
		{ "pty", chardev_pty_open },
		{ "unix", chardev_unix_open },
	};
	const char *why = chardev_check(spec);
	unsigned i = 0;

	if (why) {
		log_error("character device %.200s: %s", spec, why);
		return -EINVAL;
	}
	while (!chardev_is_kind(spec, kinds[i].name))
		i++;
	return kinds[i].open(out, chardev_path(spec), loop, term);
}

void chardev_close(struct chardev *chr)
{
	if (chr)
		chr->ops->close(chr);
}

void chardev_attach(struct chardev *chr, const struct chardev_front_ops *ops, void *ctx)
{
	chr->front = ops;
	chr->front_ctx = ctx;
	chr->ops->attached(chr);
}

size_t chardev_write(struct chardev *chr, const void *data, size_t len)
{
	return chr->ops->write(chr, data, len);
}

void chardev_write_last(struct chardev *chr, const void *data, size_t len)
{
	const uint64_t deadline = loop_now_ns() + CHARDEV_LAST_MS * 1000000ull;
	const uint8_t *p = data;

	for (;;) {
		size_t n = chardev_write(chr, p, len);
		uint64_t now = loop_now_ns();

		p += n;
		len -= n;
		if (!len || !chr->ops->wait || now >= deadline)
			break;
		chr->ops->wait(chr, (deadline - now) / 1000000 + 1);
	}
	if (len)
		log_warn("nobody took the last %zu bytes of a console's output", len);
}

void chardev_kick_input(struct chardev *chr)
{
	chr->ops->kick_input(chr);
}

int chardev_size(struct chardev *chr, unsigned *cols, unsigned *rows)
{
	return chr->ops->size ? chr->ops->size(chr, cols, rows) : -ENOTTY;
}

bool chardev_connected(struct chardev *chr)
{
	return !chr->ops->connected || chr->ops->connected(chr);
}
