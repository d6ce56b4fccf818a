/* SPDX-License-Identifier: MIT */
/*
 * SD hosts and DMA engine: register accesses of the fuzzer's on cards that are ready, with
 * control blocks of the fuzzer's in memory. First 16 words of these, then seven bytes an
 * access: what, register, value; or a command, with what a driver does for it, or data.
 */
#include <stdlib.h>

#include "devices/bcm283x_sdhci.h"
#include "devices/bcm283x_sdhost.h"
#include "tests/fake.h"
#include "tests/fuzz/input.h"
#include "tests/mem_disk.h"
#include "vmm/log.h"
#include "vmm/util.h"

#define SDHOST 0x3f202000
#define SDHCI 0x3f300000
#define DMA 0x3f007000
#define BLOCKS 0x1000
#define ACCESSES 256
#define TURNS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct rig {
	struct fake f;
	struct mem_disk disk, disk2;
	struct bcm283x_sdhost host;
	struct bcm283x_sdhci emmc;
	struct bcm283x_dma dma;
};

static void out(struct rig *r, uint64_t gpa, uint32_t value)
{
	bus_write(&r->f.mmio, gpa, 4, value);
}

static void command(struct rig *r, unsigned index, uint32_t arg)
{
	out(r, SDHOST + 4, arg);
	out(r, SDHOST, 0x8000 | index);
}

static void emmc_command(struct rig *r, unsigned index, uint32_t arg)
{
	out(r, SDHCI + 8, arg);
	out(r, SDHCI + 0xc, index << 24);
}

static void emmc_init(struct rig *r, const struct disk_info *info)
{
	mem_disk_init(&r->disk2, r->f.loop, info);
	bcm283x_sdhci_init(&r->emmc, (struct irq_line){ 0 });
	if (bcm283x_sdhci_insert(&r->emmc, r->f.loop, r->disk2.disk) < 0)
		abort();
	bus_add(&r->f.mmio, &r->emmc.region, SDHCI);
	out(r, SDHCI + 0x34, ~0u);
	emmc_command(r, 8, 0x1aa);
	emmc_command(r, 55, 0);
	emmc_command(r, 41, 0x40ff8000);
	emmc_command(r, 2, 0);
	emmc_command(r, 3, 0);
	emmc_command(r, 7, 0x4d56u << 16);
	out(r, SDHCI + 4, 2 << 16 | 512);
}

static void rig_init(struct rig *r)
{
	static const struct disk_info info = { 1u << 20, 512, 512, 0, false };
	static const struct irq_line irqs[BCM283X_DMA_IRQS];

	fake_init(&r->f);
	mem_disk_init(&r->disk, r->f.loop, &info);
	bcm283x_dma_init(&r->dma, &r->f.mem, r->f.loop, irqs);
	bcm283x_sdhost_init(&r->host, irqs[0]);
	if (bcm283x_sdhost_insert(&r->host, r->f.loop, r->disk.disk) < 0)
		abort();
	bcm283x_sdhost_connect(&r->host, &r->dma);
	bus_add(&r->f.mmio, &r->host.region, SDHOST);
	bus_add(&r->f.mmio, &r->dma.region, DMA);
	out(r, SDHOST + 0x30, 1);
	command(r, 0, 0);
	command(r, 8, 0x1aa);
	command(r, 55, 0);
	command(r, 41, 0x40ff8000);
	command(r, 2, 0);
	command(r, 3, 0);
	command(r, 7, 0x4d56u << 16);
	out(r, SDHOST + 0x3c, 512);
	out(r, SDHOST + 0x50, 2);
	emmc_init(r, &info);
}

/* A loop of control blocks never settles: a few turns have to do. */
static void turn(struct rig *r)
{
	for (unsigned i = 0; i < TURNS; i++)
		loop_run_once(r->f.loop, 0);
}

/* Behind CMD55 if it is one of the application's; @how: its index and what is like it. */
static void whole_command(struct rig *r, bool emmc, unsigned how, uint32_t arg)
{
	unsigned index = how & 0x3f, flags = how >> 6 & 0x3f;
	bool app = how & BIT(12), reads = how & BIT(13);

	if (app && emmc)
		emmc_command(r, 55, 0x4d56u << 16);
	else if (app)
		command(r, 55, 0x4d56u << 16);
	if (emmc) {
		out(r, SDHCI + 8, arg);
		out(r, SDHCI + 0xc, index << 24 | (flags & 3) << 20 | 2 << 16 |
				    (flags >> 2 & 3) << 2 | (reads ? 0x10 : 0) |
				    (flags & 0x20 ? 0x22 : 0));
	} else {
		out(r, SDHOST + 4, arg);
		out(r, SDHOST, 0x8000 | flags << 6 | index);
	}
}

/* Words in either direction. */
static void move_data(struct rig *r, bool emmc, unsigned how, uint32_t value)
{
	uint64_t port = emmc ? SDHCI + 0x20 : SDHOST + 0x40, word;

	for (unsigned i = 0; i <= (how & 0xff); i++)
		if (how & 0x100)
			bus_read(&r->f.mmio, port, 4, &word);
		else
			out(r, port, value + i);
}

static void access(struct rig *r, struct input *in)
{
	unsigned what = take(in, 1), reg = take(in, 2), size = 1 << (what >> 1 & 3);
	uint64_t base = what & 1 ? DMA : what & 128 ? SDHCI : SDHOST;
	uint64_t gpa = base + (reg & (what & 1 ? 0xfff : 0xff)), value = take(in, 4);

	if (reg & 0x8000)
		whole_command(r, what & 128, reg, value);
	else if (reg & 0x4000)
		move_data(r, what & 128, reg, value);
	else if (what & 8)
		bus_read(&r->f.mmio, gpa, size, &value);
	else
		bus_write(&r->f.mmio, gpa, size, value);
	if (what & 16)
		turn(r);
	if (what & 32)
		mem_disk_hold(&r->disk);
	else
		mem_disk_release(&r->disk);
	r->disk.error = r->disk2.error = what & 64 ? -5 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct input in = { data, len };

	if (!r)
		return 0;
	log_set_level(LOG_ERROR);
	rig_init(r);
	for (unsigned i = 0; i < 16; i++) {
		uint32_t word = take(&in, 4);

		gmem_write(&r->f.mem, BLOCKS + i * 4, &word, 4);
	}
	for (unsigned i = 0; i < ACCESSES && in.left; i++)
		access(r, &in);
	mem_disk_release(&r->disk);
	turn(r);
	bcm283x_sdhci_finish(&r->emmc);
	bcm283x_sdhost_finish(&r->host);
	bcm283x_dma_finish(&r->dma);
	mem_disk_finish(&r->disk);
	mem_disk_finish(&r->disk2);
	fake_finish(&r->f);
	free(r);
	return 0;
}
