/* SPDX-License-Identifier: MIT */
/* Mailbox: a property buffer of the fuzzer's, answered several times over. */
#include <stdlib.h>

#include "devices/bcm283x_mbox.h"
#include "tests/fake.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define MBOX 0x3f00b880
#define BUF 0x1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fb_set(void *ctx, const struct bcm283x_fb *fb)
{
	/* Whoever shows it may rely on that. */
	if (fb && ((uint64_t)fb->pitch * fb->virtual_height > 0x800000 ||
		   fb->x + fb->width > fb->virtual_width ||
		   fb->y + fb->height > fb->virtual_height ||
		   fb->width * fb->depth / 8 > fb->pitch || !fb->width || !fb->height))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bcm283x_board board = {
		.ram = 0x3c000000,
		.fb = { 0x3c000000, 0x800000 },
		.fb_sink = { .set = fb_set },
		.cmdline = "quiet",
	};
	struct bcm283x_mbox *mbox = calloc(1, sizeof(*mbox));
	struct fake f;
	uint64_t v;

	if (!mbox)
		return 0;
	log_set_level(LOG_ERROR);
	fake_init(&f);
	bcm283x_mbox_init(mbox, &f.mem, (struct irq_line){ 0 }, &board);
	bus_add(&f.mmio, &mbox->region, MBOX);
	gmem_write(&f.mem, BUF, data, MIN(len, (size_t)BCM283X_PROPERTY_MAX * 2));
	for (unsigned i = 0; i < 3; i++) {
		bus_write(&f.mmio, MBOX + 0x20, 4, BUF | 8);
		bus_read(&f.mmio, MBOX, 4, &v);
	}
	bcm283x_mbox_finish(mbox);
	fake_finish(&f);
	free(mbox);
	return 0;
}
