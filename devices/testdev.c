/* SPDX-License-Identifier: MIT */
#include "devices/testdev.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

static bool testdev_is_scratch(uint64_t off, unsigned size)
{
	return off >= TESTDEV_SCRATCH &&
	       range_fits(off - TESTDEV_SCRATCH, size, sizeof(((struct testdev *)0)->scratch));
}

static uint64_t testdev_read(void *arg, uint64_t off, unsigned size)
{
	struct testdev *dev = arg;

	if (testdev_is_scratch(off, size))
		return load_le(dev->scratch + off - TESTDEV_SCRATCH, size);
	if (size != 4)
		return 0;
	switch (off) {
	case TESTDEV_ID:
		return TESTDEV_MAGIC;
	case TESTDEV_DOORBELL:
		return dev->kicks;
	default:
		return 0;
	}
}

/* A payload's text is what the user runs it for, so it is not counted and cut off. */
static void testdev_end_line(struct testdev *dev)
{
	if (dev->line_len)
		log_warn("guest: %.*s", (int)dev->line_len, dev->line);
	dev->line_len = 0;
}

static void testdev_putc(struct testdev *dev, char c)
{
	if (c == '\n' || dev->line_len == sizeof(dev->line))
		testdev_end_line(dev);
	if (c != '\n' && c != '\r')
		dev->line[dev->line_len++] = c;
}

static void testdev_write4(struct testdev *dev, uint64_t off, uint32_t value)
{
	switch (off) {
	case TESTDEV_RESULT:
		testdev_end_line(dev);
		power_event(&dev->power, POWER_RESULT, value);
		break;
	case TESTDEV_MARK:
		power_event(&dev->power, POWER_MARK, value);
		break;
	case TESTDEV_IRQ:
		irq_set(&dev->irq, value & 1);
		break;
	}
}

static void testdev_write(void *arg, uint64_t off, unsigned size, uint64_t value)
{
	struct testdev *dev = arg;

	if (testdev_is_scratch(off, size))
		store_le(dev->scratch + off - TESTDEV_SCRATCH, size, value);
	else if (off == TESTDEV_PUTC && size == 1)
		testdev_putc(dev, value);
	else if (size == 4)
		testdev_write4(dev, off, value);
}

static const struct io_ops testdev_ops = {
	.read = testdev_read,
	.write = testdev_write,
};

static void testdev_kicked(void *arg, uint32_t events)
{
	struct testdev *dev = arg;
	eventfd_t n;

	if (eventfd_read(dev->kick.fd, &n) < 0)
		return;
	pthread_mutex_lock(&dev->lock);
	dev->kicks += n;
	pthread_mutex_unlock(&dev->lock);
}

static void testdev_init_window(struct testdev *dev, struct io_region *region,
				struct io_doorbell *doorbell, const char *name, int fd)
{
	*doorbell = (struct io_doorbell){ .off = TESTDEV_DOORBELL, .size = 4, .fd = fd };
	*region = (struct io_region){
		.name = name,
		.ops = &testdev_ops,
		.dev = dev,
		.len = TESTDEV_LEN,
		.lock = &dev->lock,
		.doorbells = doorbell,
		.n_doorbells = 1,
	};
}

int testdev_init(struct testdev *dev, struct loop *loop, struct irq_line irq,
		 struct power_sink power)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ret;

	if (fd < 0)
		return -errno;
	*dev = (struct testdev){ .loop = loop, .irq = irq, .power = power };
	ret = loop_add(loop, &dev->kick, fd, EPOLLIN, testdev_kicked, dev);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	pthread_mutex_init(&dev->lock, NULL);
	testdev_init_window(dev, &dev->pio, &dev->pio_doorbell, "testdev-pio", fd);
	testdev_init_window(dev, &dev->mmio, &dev->mmio_doorbell, "testdev-mmio", fd);
	return 0;
}

void testdev_finish(struct testdev *dev)
{
	testdev_end_line(dev);
	loop_remove(dev->loop, &dev->kick);
	close(dev->kick.fd);
	pthread_mutex_destroy(&dev->lock);
}

void testdev_reset(struct testdev *dev)
{
	eventfd_t stale;

	pthread_mutex_lock(&dev->lock);
	/* Kicks of the guest that is gone; none at all is the usual case. */
	if (eventfd_read(dev->kick.fd, &stale) == 0)
		log_debug("testdev: %llu kicks before the reset", (unsigned long long)stale);
	testdev_end_line(dev);
	memset(dev->scratch, 0, sizeof(dev->scratch));
	dev->kicks = 0;
	irq_set(&dev->irq, false);
	pthread_mutex_unlock(&dev->lock);
}
