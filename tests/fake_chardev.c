/* SPDX-License-Identifier: MIT */
#include "tests/fake_chardev.h"

#include <stdint.h>
#include <string.h>

#include "vmm/util.h"

static struct fake_chardev *fake_of(struct chardev *chr)
{
	return container_of(chr, struct fake_chardev, chr);
}

static void fake_attached(struct chardev *chr)
{
}

static size_t fake_write(struct chardev *chr, const void *data, size_t len)
{
	struct fake_chardev *f = fake_of(chr);
	size_t n = MIN(len, f->appetite);
	size_t keep = MIN(n, sizeof(f->out) - f->out_len);

	memcpy(f->out + f->out_len, data, keep);
	f->out_len += keep;
	f->appetite -= n;
	f->writes++;
	f->was_short = n < len;
	if (f->on_write)
		f->on_write(f->on_write_arg);
	return n;
}

static void fake_kick_input(struct chardev *chr)
{
	fake_of(chr)->kicks++;
}

static void fake_wait(struct chardev *chr, int timeout_ms)
{
	struct fake_chardev *f = fake_of(chr);

	f->waits++;
	f->appetite = f->wait_gives;
}

static bool fake_connected(struct chardev *chr)
{
	return !fake_of(chr)->away;
}

static void fake_close(struct chardev *chr)
{
}

static const struct chardev_ops fake_ops = {
	.attached = fake_attached,
	.write = fake_write,
	.kick_input = fake_kick_input,
	.wait = fake_wait,
	.connected = fake_connected,
	.close = fake_close,
};

void fake_chardev_init(struct fake_chardev *f)
{
	*f = (struct fake_chardev){ .chr.ops = &fake_ops, .appetite = SIZE_MAX };
}

size_t fake_chardev_type(struct fake_chardev *f, const void *data, size_t len)
{
	size_t room = f->chr.front->room(f->chr.front_ctx);

	len = MIN(len, room);
	if (len)
		f->chr.front->input(f->chr.front_ctx, data, len);
	return len;
}

void fake_chardev_drain(struct fake_chardev *f, size_t n)
{
	f->appetite = n;
	if (f->was_short) {
		f->was_short = false;
		f->chr.front->drained(f->chr.front_ctx);
	}
}

void fake_chardev_connect(struct fake_chardev *f, bool here)
{
	f->away = !here;
	if (f->chr.front->connected)
		f->chr.front->connected(f->chr.front_ctx);
}
