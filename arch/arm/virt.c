/* SPDX-License-Identifier: MIT */
/* The virt board: which of its parts there are, and where; fdt_virt.c says so in a tree. */
#include <errno.h>

#include "arch/arm/layout.h"
#include "arch/arm/machine.h"
#include "devices/gic_v2m.h"
#include "devices/gpio_pl061.h"
#include "devices/pl011.h"
#include "devices/pvpanic.h"
#include "devices/rtc_pl031.h"
#include "devices/serial16550.h"
#include "devices/testdev.h"
#include "vmm/util.h"

#define GIC_V2_MAX_CPUS 8
#define REDIST_SIZE 0x20000ull

/* KVM's reset_mpidr(): 16 CPUs to a cluster, as a GICv3 can send interrupts to at once. */
uint64_t arm_default_mpidr(unsigned id)
{
	return (id & 0xf) | (uint64_t)(id >> 4 & 0xff) << 8 | (uint64_t)(id >> 12 & 0xff) << 16;
}

static int virt_choose_gic(const struct config *cfg, const struct arm_gic_host *host,
			   enum arm_gic *gic)
{
	bool v2 = cfg->gic ? !strcmp(cfg->gic, "2") : !host->v3;

	*gic = v2 ? ARM_GIC_V2 : ARM_GIC_V3;
	if (!host->v2 && !host->v3) {
		log_error("this host's KVM has no interrupt controller for guests, GICv2 or GICv3");
		return -ENOTSUP;
	}
	if (v2 ? !host->v2 : !host->v3) {
		log_error("--gic %s: this host's KVM has no GICv%s for guests, only --gic %d",
			  cfg->gic, cfg->gic, v2 ? 3 : 2);
		return -EINVAL;
	}
	if (v2 && cfg->cpus > GIC_V2_MAX_CPUS) {
		log_error("--cpus %u: a GICv2 serves %d at most", cfg->cpus, GIC_V2_MAX_CPUS);
		return -EINVAL;
	}
	return 0;
}

static void virt_place_gic(struct arm_virt *virt, const struct arm_gic_host *host)
{
	virt->gic_dist = (struct gmem_range){ VIRT_GIC_DIST_GPA, VIRT_GIC_DIST_SIZE };
	if (virt->gic == ARM_GIC_V2) {
		virt->gic_cpu = (struct gmem_range){ VIRT_GIC_CPU_GPA, VIRT_GIC_CPU_SIZE };
		virt->msi = ARM_MSI_V2M;
		virt->gic_msi = (struct gmem_range){ VIRT_V2M_GPA, VIRT_V2M_SIZE };
		virt->v2m_spi = VIRT_V2M_SPI;
		virt->v2m_n = VIRT_V2M_SPIS;
		return;
	}
	virt->gic_cpu = (struct gmem_range){ VIRT_GIC_REDIST_GPA, virt->n_cpus * REDIST_SIZE };
	if (!host->its)
		return;
	virt->msi = ARM_MSI_ITS;
	virt->gic_msi = (struct gmem_range){ VIRT_ITS_GPA, VIRT_ITS_SIZE };
}

/* As many as there will be devices: one that is empty costs host and guest time. */
static unsigned virt_slots(const struct config *cfg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cfg->n_devices; i++)
		n += cfg->devices[i].mmio;
	return MIN(n, (unsigned)VM_MAX_MMIO_SLOTS);
}

static void virt_place_devices(struct arm_virt *virt, const struct config *cfg)
{
	bool is_16550 = cfg->uart && !strcmp(cfg->uart, "16550");

	if (strcmp(cfg->serial, "none")) {
		virt->uart_kind = is_16550 ? ARM_UART_16550 : ARM_UART_PL011;
		virt->uart = (struct arm_virt_dev){ VIRT_UART_GPA,
						    is_16550 ? SERIAL16550_LEN : PL011_LEN,
						    VIRT_UART_SPI };
	}
	virt->rtc = (struct arm_virt_dev){ VIRT_RTC_GPA, RTC_PL031_LEN, VIRT_RTC_SPI };
	virt->gpio = (struct arm_virt_dev){ VIRT_GPIO_GPA, GPIO_PL061_LEN, VIRT_GPIO_SPI };
	virt->gpio_power_line = VIRT_GPIO_POWER_LINE;
	virt->pvpanic = (struct arm_virt_dev){ VIRT_PVPANIC_GPA, PVPANIC_LEN, 0 };
	if (cfg->testdev)
		virt->testdev = (struct arm_virt_dev){ VIRT_TESTDEV_GPA, TESTDEV_LEN,
						       VIRT_TESTDEV_SPI };
	virt->virtio_mmio = (struct gmem_range){ VIRT_VIRTIO_MMIO_GPA, VIRT_VIRTIO_MMIO_STRIDE };
	virt->n_virtio_mmio = virt_slots(cfg);
	virt->virtio_spi = VIRT_VIRTIO_MMIO_SPI;
}

/* Bits for addresses below @end. */
static unsigned virt_bits(uint64_t end)
{
	unsigned bits = ARM_IPA_BITS_MIN;

	while (bits < 64 && end > BIT(bits))
		bits++;
	return bits;
}

int arm_virt_place_memory(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	unsigned host_bits = m->ipa_bits;
	uint64_t end, window;

	m->ram = (struct gmem_range){ VIRT_RAM_GPA, vm->cfg->memory };
	end = m->ram.gpa + m->ram.len;
	/* 32-bit kernels do not ask for stolen time. */
	if (!m->kernel.aarch32) {
		m->pvtime_gpa = end;
		end += VIRT_PVTIME_SIZE;
	}
	if (virt_bits(end) > host_bits) {
		log_error("--memory: this host's CPU has %u bits for guests' addresses, which is "
			  "%lluG at most", host_bits,
			  (unsigned long long)((BIT(host_bits) - m->ram.gpa) / GiB));
		return -EINVAL;
	}
	if (m->kernel.raw)
		m->firmware = (struct gmem_range){ VIRT_FIRMWARE_GPA, VIRT_FIRMWARE_SIZE };
	m->ipa_bits = virt_bits(end);
	/* A 32-bit kernel's devices are all below 4 GiB. */
	window = align_up(MAX(end, 4 * GiB), VIRT_PCI_MEM64_SIZE);
	if (m->kernel.aarch32 && end < 4 * GiB)
		vm->shm_room = (struct gmem_range){ end, 4 * GiB - end };
	if (m->kernel.aarch32 || virt_bits(window + VIRT_PCI_MEM64_SIZE) > host_bits)
		return 0;
	m->pci_mem64 = (struct gmem_range){ window, VIRT_PCI_MEM64_SIZE };
	vm->shm_room = (struct gmem_range){ end, window - end };
	m->ipa_bits = virt_bits(window + VIRT_PCI_MEM64_SIZE);
	return 0;
}

int arm_virt_create(struct vm *vm, const struct arm_gic_host *host)
{
	struct arch_machine *m = vm->machine;
	struct arm_virt virt = {
		.aarch32 = m->kernel.aarch32,
		.n_cpus = vm->n_vcpus,
		.mpidr = m->mpidr,
		.memory = &m->ram,
		.n_memory = 1,
		.timer_ppi = VIRT_TIMER_PPIS,
		.ecam = { VIRT_ECAM_GPA, PCI_ECAM_SIZE },
		.pci_mem32 = { VIRT_PCI_MEM32_GPA, VIRT_PCI_MEM32_SIZE },
		.pci_mem64 = m->pci_mem64,
		.pci_spi = VIRT_INTX_SPI,
		/* Its driver on 32 bits knows other CPUs' only. */
		.pmu_ppi = kvm_cap(&vm->kvm, KVM_CAP_ARM_PMU_V3) > 0 && !m->kernel.aarch32 ?
			   VIRT_PMU_PPI : 0,
	};
	int ret = virt_choose_gic(vm->cfg, host, &virt.gic);

	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < vm->n_vcpus; i++)
		m->mpidr[i] = arm_default_mpidr(i);
	virt_place_gic(&virt, host);
	virt_place_devices(&virt, vm->cfg);
	return arm_fdt_virt(&m->tree, &virt);
}
