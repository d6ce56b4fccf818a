/* SPDX-License-Identifier: MIT */
/* The virt board's tree, written from front to back; each node cites its binding. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <linux/input-event-codes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arm/fdt_int.h"
#include "vmm/util.h"

#define VIRT_NAME "the virt board's device tree"
#define VIRT_SIZE_FIRST (32u << 10)	/* more than the tree of a dozen CPUs takes */
#define VIRT_UART16550_HZ 1843200
#define VIRT_APB_HZ 24000000
#define VIRT_PCI_SLOTS 4	/* that the interrupt map tells apart */

/* Phandles. */
enum { VIRT_GIC = 1, VIRT_MSI, VIRT_CLOCK, VIRT_GPIO };

/* interrupt-controller/arm,gic.yaml and arm,gic-v3.yaml */
#define GIC_SPI 0
#define GIC_PPI 1
#define GIC_LEVEL_HIGH 4
#define GIC_IRQ_CELLS 3

/* Cells of the root, and so of everything here. */
#define VIRT_ADDR_CELLS 2
#define VIRT_SIZE_CELLS 2

/* --- writing: the first error stays ---------------------------------------------- */

struct tree_out {
	void *blob;
	int err;
};

static void out_check(struct tree_out *o, int err)
{
	if (!o->err)
		o->err = err;
}

__attribute__((format(printf, 2, 3)))
static void out_begin(struct tree_out *o, const char *fmt, ...)
{
	char name[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	out_check(o, fdt_begin_node(o->blob, name));
}

static void out_end(struct tree_out *o)
{
	out_check(o, fdt_end_node(o->blob));
}

static void out_null(struct tree_out *o, const char *name)
{
	out_check(o, fdt_property(o->blob, name, NULL, 0));
}

static void out_u32(struct tree_out *o, const char *name, uint32_t value)
{
	out_check(o, fdt_property_u32(o->blob, name, value));
}

/* Several strings have NULs between them; the last one's is the array's own. */
#define out_strings(o, name, s) out_check(o, fdt_property((o)->blob, name, s, sizeof(s)))

__attribute__((format(printf, 3, 4)))
static void out_string(struct tree_out *o, const char *name, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_check(o, fdt_property_string(o->blob, name, text));
}

/* A value that is put together cell by cell. */
struct cells {
	unsigned n;
	fdt32_t v[256];
};

static void cell(struct cells *c, uint32_t value)
{
	assert(c->n < ARRAY_SIZE(c->v));
	c->v[c->n++] = cpu_to_fdt32(value);
}

static void cell64(struct cells *c, uint64_t value)
{
	cell(c, value >> 32);
	cell(c, value);
}

static void cells_range(struct cells *c, struct gmem_range r)
{
	cell64(c, r.gpa);
	cell64(c, r.len);
}

static void out_cells(struct tree_out *o, const char *name, const struct cells *c)
{
	out_check(o, fdt_property(o->blob, name, c->v, c->n * sizeof(c->v[0])));
}

static void out_reg(struct tree_out *o, uint64_t gpa, uint64_t len)
{
	struct cells c = { 0 };

	cells_range(&c, (struct gmem_range){ gpa, len });
	out_cells(o, "reg", &c);
}

static void cells_spi(struct cells *c, unsigned spi)
{
	cell(c, GIC_SPI);
	cell(c, spi);
	cell(c, GIC_LEVEL_HIGH);
}

static void out_spi(struct tree_out *o, unsigned spi)
{
	struct cells c = { 0 };

	cells_spi(&c, spi);
	out_cells(o, "interrupts", &c);
}

/* --- CPUs, memory ------------------------------------------------------------------ */

/* arm/cpus.yaml: one cell is enough for 32-bit CPUs and where affinity 3 is 0. */
static unsigned virt_cpu_cells(const struct arm_virt *virt)
{
	for (unsigned i = 0; i < virt->n_cpus; i++)
		if (virt->mpidr[i] >> 32)
			return 2;
	return 1;
}

static void virt_cpus(struct tree_out *o, const struct arm_virt *virt)
{
	unsigned n = virt_cpu_cells(virt);

	out_begin(o, "cpus");
	out_u32(o, "#address-cells", n);
	out_u32(o, "#size-cells", 0);
	for (unsigned i = 0; i < virt->n_cpus; i++) {
		struct cells reg = { 0 };

		if (n == 2)
			cell(&reg, virt->mpidr[i] >> 32);
		cell(&reg, virt->mpidr[i]);
		out_begin(o, "cpu@%" PRIx64, virt->mpidr[i]);
		out_string(o, "device_type", "cpu");
		out_string(o, "compatible", "arm,armv8");
		out_string(o, "enable-method", "psci");
		out_cells(o, "reg", &reg);
		out_end(o);
	}
	out_end(o);
}

/* arm/psci.yaml; a VM's PSCI is KVM's own, by HVC. */
static void virt_psci(struct tree_out *o)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

	out_begin(o, "psci");
	out_strings(o, "compatible", compatible);
	out_string(o, "method", "hvc");
	out_end(o);
}

static void virt_memory(struct tree_out *o, const struct arm_virt *virt)
{
	for (unsigned i = 0; i < virt->n_memory; i++) {
		out_begin(o, "memory@%" PRIx64, virt->memory[i].gpa);
		out_string(o, "device_type", "memory");
		out_reg(o, virt->memory[i].gpa, virt->memory[i].len);
		out_end(o);
	}
}

/* --- interrupts -------------------------------------------------------------------- */

/* GICv2 says in the flags of a PPI which CPUs have it, and knows of eight. */
static uint32_t virt_ppi_flags(const struct arm_virt *virt)
{
	if (virt->gic == ARM_GIC_V3)
		return GIC_LEVEL_HIGH;
	return (BIT(MIN(virt->n_cpus, 8u)) - 1) << 8 | GIC_LEVEL_HIGH;
}

static void cells_ppi(struct cells *c, const struct arm_virt *virt, unsigned ppi)
{
	cell(c, GIC_PPI);
	cell(c, ppi);
	cell(c, virt_ppi_flags(virt));
}

/* interrupt-controller/arm,gic-v3.yaml, arm,gic.yaml: what MSIs are written to. */
static void virt_msi(struct tree_out *o, const struct arm_virt *virt)
{
	if (virt->msi == ARM_MSI_NONE)
		return;
	out_begin(o, virt->msi == ARM_MSI_ITS ? "msi-controller@%" PRIx64 : "v2m@%" PRIx64,
		  virt->gic_msi.gpa);
	out_string(o, "compatible", "%s",
		   virt->msi == ARM_MSI_ITS ? "arm,gic-v3-its" : "arm,gic-v2m-frame");
	out_null(o, "msi-controller");
	if (virt->msi == ARM_MSI_ITS) {
		out_u32(o, "#msi-cells", 1);
	} else {
		/* The frame has a register that says so too, but this one is asked first. */
		out_u32(o, "arm,msi-base-spi", virt->v2m_spi + 32);
		out_u32(o, "arm,msi-num-spis", virt->v2m_n);
	}
	out_reg(o, virt->gic_msi.gpa, virt->gic_msi.len);
	out_u32(o, "phandle", VIRT_MSI);
	out_end(o);
}

static void virt_gic(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells reg = { 0 };

	cells_range(&reg, virt->gic_dist);
	cells_range(&reg, virt->gic_cpu);
	out_begin(o, "interrupt-controller@%" PRIx64, virt->gic_dist.gpa);
	out_string(o, "compatible", "%s",
		   virt->gic == ARM_GIC_V3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
	if (virt->gic == ARM_GIC_V3 && virt->gic_redist2.len) {
		cells_range(&reg, virt->gic_redist2);
		out_u32(o, "#redistributor-regions", 2);
	}
	out_cells(o, "reg", &reg);
	out_null(o, "interrupt-controller");
	out_u32(o, "#interrupt-cells", GIC_IRQ_CELLS);
	out_u32(o, "#address-cells", VIRT_ADDR_CELLS);
	out_u32(o, "#size-cells", VIRT_SIZE_CELLS);
	out_null(o, "ranges");
	out_u32(o, "phandle", VIRT_GIC);
	virt_msi(o, virt);
	out_end(o);
}

/* timer/arm,arch_timer.yaml */
static void virt_timer(struct tree_out *o, const struct arm_virt *virt)
{
	static const char v8[] = "arm,armv8-timer", v7[] = "arm,armv7-timer";
	struct cells irqs = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(virt->timer_ppi); i++)
		cells_ppi(&irqs, virt, virt->timer_ppi[i]);
	out_begin(o, "timer");
	if (virt->aarch32)
		out_strings(o, "compatible", v7);
	else
		out_strings(o, "compatible", v8);
	out_cells(o, "interrupts", &irqs);
	out_null(o, "always-on");
	out_end(o);
}

/* arm/pmu.yaml; 32-bit kernels know PMUs by the CPU's name, and of any ARMv7's registers. */
static void virt_pmu(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells irq = { 0 };

	if (!virt->pmu_ppi)
		return;
	cells_ppi(&irq, virt, virt->pmu_ppi);
	out_begin(o, "pmu");
	out_string(o, "compatible", "%s", virt->aarch32 ? "arm,cortex-a15-pmu" :
		   "arm,armv8-pmuv3");
	out_cells(o, "interrupts", &irq);
	out_end(o);
}

/* --- platform devices ------------------------------------------------------------------ */

static void virt_clock(struct tree_out *o)
{
	out_begin(o, "apb-pclk");
	out_string(o, "compatible", "fixed-clock");
	out_u32(o, "#clock-cells", 0);
	out_u32(o, "clock-frequency", VIRT_APB_HZ);
	out_string(o, "clock-output-names", "clk24mhz");
	out_u32(o, "phandle", VIRT_CLOCK);
	out_end(o);
}

/* arm/primecell.yaml: the bus clock comes last and by this name. */
static void virt_apb_clocks(struct tree_out *o, unsigned n)
{
	static const char two[] = "uartclk\0apb_pclk";
	struct cells c = { 0 };

	for (unsigned i = 0; i < n; i++)
		cell(&c, VIRT_CLOCK);
	out_cells(o, "clocks", &c);
	if (n == 2)
		out_strings(o, "clock-names", two);
	else
		out_string(o, "clock-names", "apb_pclk");
}

/* serial/pl011.yaml, serial/8250.yaml */
static void virt_uart(struct tree_out *o, const struct arm_virt *virt)
{
	static const char pl011[] = "arm,pl011\0arm,primecell";

	if (virt->uart_kind == ARM_UART_NONE)
		return;
	out_begin(o, "serial@%" PRIx64, virt->uart.gpa);
	if (virt->uart_kind == ARM_UART_PL011) {
		out_strings(o, "compatible", pl011);
		virt_apb_clocks(o, 2);
	} else {
		out_string(o, "compatible", "ns16550a");
		out_u32(o, "clock-frequency", VIRT_UART16550_HZ);
	}
	out_reg(o, virt->uart.gpa, virt->uart.len);
	out_spi(o, virt->uart.spi);
	out_end(o);
}

/* rtc/arm,pl031.yaml */
static void virt_rtc(struct tree_out *o, const struct arm_virt *virt)
{
	static const char compatible[] = "arm,pl031\0arm,primecell";

	if (!virt->rtc.len)
		return;
	out_begin(o, "rtc@%" PRIx64, virt->rtc.gpa);
	out_strings(o, "compatible", compatible);
	out_reg(o, virt->rtc.gpa, virt->rtc.len);
	out_spi(o, virt->rtc.spi);
	virt_apb_clocks(o, 1);
	out_end(o);
}

/* input/gpio-keys.yaml */
static void virt_power_key(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells gpios = { 0 };

	cell(&gpios, VIRT_GPIO);
	cell(&gpios, virt->gpio_power_line);
	cell(&gpios, 0);	/* active high */
	out_begin(o, "gpio-keys");
	out_string(o, "compatible", "gpio-keys");
	out_begin(o, "power-key");
	out_string(o, "label", "power key");
	out_u32(o, "linux,code", KEY_POWER);
	out_cells(o, "gpios", &gpios);
	out_end(o);
	out_end(o);
}

/* gpio/pl061-gpio.yaml */
static void virt_gpio(struct tree_out *o, const struct arm_virt *virt)
{
	static const char compatible[] = "arm,pl061\0arm,primecell";

	if (!virt->gpio.len)
		return;
	out_begin(o, "gpio@%" PRIx64, virt->gpio.gpa);
	out_strings(o, "compatible", compatible);
	out_reg(o, virt->gpio.gpa, virt->gpio.len);
	out_spi(o, virt->gpio.spi);
	out_null(o, "gpio-controller");
	out_u32(o, "#gpio-cells", 2);
	out_u32(o, "#address-cells", 0);
	out_null(o, "interrupt-controller");
	out_u32(o, "#interrupt-cells", 2);
	virt_apb_clocks(o, 1);
	out_u32(o, "phandle", VIRT_GPIO);
	out_end(o);
	virt_power_key(o, virt);
}

static void virt_tools(struct tree_out *o, const struct arm_virt *virt)
{
	if (virt->testdev.len) {
		out_begin(o, "testdev@%" PRIx64, virt->testdev.gpa);
		out_string(o, "compatible", "microvm,testdev");
		out_reg(o, virt->testdev.gpa, virt->testdev.len);
		out_spi(o, virt->testdev.spi);
		out_end(o);
	}
	if (virt->pvpanic.len) {
		/* misc/pvpanic-mmio.txt */
		out_begin(o, "pvpanic@%" PRIx64, virt->pvpanic.gpa);
		out_string(o, "compatible", "qemu,pvpanic-mmio");
		out_reg(o, virt->pvpanic.gpa, virt->pvpanic.len);
		out_end(o);
	}
}

/* virtio/mmio.yaml */
static void virt_virtio(struct tree_out *o, const struct arm_virt *virt)
{
	for (unsigned i = 0; i < virt->n_virtio_mmio; i++) {
		uint64_t gpa = virt->virtio_mmio.gpa + i * virt->virtio_mmio.len;

		out_begin(o, "virtio@%" PRIx64, gpa);
		out_string(o, "compatible", "virtio,mmio");
		out_reg(o, gpa, virt->virtio_mmio.len);
		out_spi(o, virt->virtio_spi + i);
		out_null(o, "dma-coherent");
		out_end(o);
	}
}

/* --- PCI: pci/host-generic-pci.yaml, and the bindings that it cites --------------------- */

static void cells_window(struct cells *c, uint32_t space, uint64_t base, struct gmem_range r)
{
	if (!r.len)
		return;
	cell(c, space << 24);
	cell64(c, base);
	cells_range(c, r);
}

static void virt_pci_ranges(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells c = { 0 };

	cells_window(&c, 1, virt->pci_io_base, virt->pci_io);
	cells_window(&c, 2, virt->pci_mem32.gpa, virt->pci_mem32);
	cells_window(&c, 3, virt->pci_mem64.gpa, virt->pci_mem64);
	out_cells(o, "ranges", &c);
}

static void virt_pci_intx(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells map = { 0 }, mask = { 0 };

	for (unsigned slot = 0; slot < VIRT_PCI_SLOTS; slot++)
		for (unsigned pin = 0; pin < 4; pin++) {
			cell(&map, slot << 11);
			cell64(&map, 0);
			cell(&map, pin + 1);
			cell(&map, VIRT_GIC);
			cell64(&map, 0);
			cells_spi(&map, virt->pci_spi + (slot + pin) % 4);
		}
	cell(&mask, (VIRT_PCI_SLOTS - 1) << 11);
	cell64(&mask, 0);
	cell(&mask, 7);
	out_u32(o, "#interrupt-cells", 1);
	out_cells(o, "interrupt-map", &map);
	out_cells(o, "interrupt-map-mask", &mask);
}

static void virt_pci_msi(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells map = { 0 };

	cell(&map, 0);
	cell(&map, VIRT_MSI);
	cell(&map, 0);
	cell(&map, 0x10000);
	if (virt->msi == ARM_MSI_ITS)
		out_cells(o, "msi-map", &map);
	else if (virt->msi == ARM_MSI_V2M)
		out_u32(o, "msi-parent", VIRT_MSI);
}

static void virt_pci(struct tree_out *o, const struct arm_virt *virt)
{
	struct cells buses = { 0 };

	if (!virt->ecam.len)
		return;
	cell(&buses, 0);
	cell(&buses, virt->ecam.len / MiB - 1);
	out_begin(o, "pcie@%" PRIx64, virt->ecam.gpa);
	out_string(o, "compatible", "pci-host-ecam-generic");
	out_string(o, "device_type", "pci");
	out_reg(o, virt->ecam.gpa, virt->ecam.len);
	out_u32(o, "#address-cells", 3);
	out_u32(o, "#size-cells", 2);
	out_cells(o, "bus-range", &buses);
	out_u32(o, "linux,pci-domain", 0);
	out_null(o, "dma-coherent");
	virt_pci_ranges(o, virt);
	virt_pci_intx(o, virt);
	virt_pci_msi(o, virt);
	out_end(o);
}

/* --- all of it ------------------------------------------------------------------------ */

static void virt_names(struct tree_out *o, const struct arm_virt *virt)
{
	if (virt->uart_kind != ARM_UART_NONE) {
		out_begin(o, "aliases");
		out_string(o, "serial0", "/serial@%" PRIx64, virt->uart.gpa);
		out_end(o);
	}
	out_begin(o, "chosen");
	if (virt->uart_kind != ARM_UART_NONE)
		out_string(o, "stdout-path", "serial0:115200n8");
	out_end(o);
}

static void virt_write(struct tree_out *o, const struct arm_virt *virt)
{
	out_begin(o, "%s", "");
	out_string(o, "compatible", "linux,dummy-virt");
	out_string(o, "model", "microvm,virt");
	out_u32(o, "interrupt-parent", VIRT_GIC);
	out_u32(o, "#address-cells", VIRT_ADDR_CELLS);
	out_u32(o, "#size-cells", VIRT_SIZE_CELLS);
	virt_names(o, virt);
	virt_memory(o, virt);
	virt_cpus(o, virt);
	virt_psci(o);
	virt_gic(o, virt);
	virt_timer(o, virt);
	virt_pmu(o, virt);
	virt_clock(o);
	virt_uart(o, virt);
	virt_rtc(o, virt);
	virt_gpio(o, virt);
	virt_tools(o, virt);
	virt_pci(o, virt);
	virt_virtio(o, virt);
	out_end(o);
}

/* 0 or an error of libfdt's. */
static int virt_write_blob(void *blob, size_t size, const struct arm_virt *virt)
{
	struct tree_out o = { .blob = blob };

	out_check(&o, fdt_create(blob, size));
	out_check(&o, fdt_finish_reservemap(blob));
	virt_write(&o, virt);
	out_check(&o, fdt_finish(blob));
	return o.err;
}

int arm_fdt_virt(struct arm_fdt *fdt, const struct arm_virt *virt)
{
	int err = -FDT_ERR_NOSPACE, ret;

	*fdt = (struct arm_fdt){ .name = strdup(VIRT_NAME) };
	/* fdt_create() clears all that it gets, which for the largest tree would take a while. */
	for (size_t size = VIRT_SIZE_FIRST; err == -FDT_ERR_NOSPACE && size <= ARM_FDT_MAX;
	     size *= 4) {
		free(fdt->blob);
		fdt->blob = malloc(size);
		if (!fdt->blob || !fdt->name) {
			arm_fdt_close(fdt);
			return -ENOMEM;
		}
		err = virt_write_blob(fdt->blob, size, virt);
	}
	if (!err) {
		fdt->size = fdt_totalsize(fdt->blob);
		return 0;
	}
	ret = tree_failed(fdt, "cannot be written", err);
	arm_fdt_close(fdt);
	return ret;
}
