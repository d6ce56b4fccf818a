/* SPDX-License-Identifier: MIT */
#include "arch/x86/machine.h"

#include <errno.h>
#include <stdlib.h>

#include "arch/x86/acpi.h"
#include "arch/x86/layout.h"
#include "arch/x86/place.h"
#include "devices/virtio/virtio_vga.h"
#include "vmm/arch.h"
#include "vmm/util.h"

int arch_layout(struct vm *vm, struct gmem_range *ranges)
{
	uint64_t size = vm->cfg->memory, low = MIN(size, X86_LOW_RAM_MAX);
	int n = 0;

	vm->vga_place = vm_wants_vga(vm);
	if (vm->vga_place) {
		ranges[n++] = (struct gmem_range){ 0, X86_VGA_HOLE_GPA };
		ranges[n++] = (struct gmem_range){ X86_VGA_HOLE_END, low - X86_VGA_HOLE_END };
	} else {
		ranges[n++] = (struct gmem_range){ 0, low };
	}
	if (size != low)
		ranges[n++] = (struct gmem_range){ X86_HIGH_RAM_BASE, size - low };
	return n;
}

/* --- devices -------------------------------------------------------------------- */

/*
 * The window for 64-bit BARs lies above RAM where the CPU can reach it; between the two
 * is room for what devices on MMIO share. A guest with more RAM than its CPU can reach
 * would not get far.
 */
static int x86_place_mem64(struct vm *vm, struct pci_windows *windows)
{
	const struct gmem_region *last = &vm->mem.regions[vm->mem.n_regions - 1];
	uint64_t end = MAX(last->gpa + last->len, X86_HIGH_RAM_BASE);
	unsigned bits = x86_cpu_phys_bits(vm->machine->cpuid);
	struct x86_above above;

	if (!x86_place_above(&above, end, bits)) {
		log_error("--memory: this host's CPU has %u bits for guests' addresses, which is "
			  "%lluG at most", bits,
			  (unsigned long long)x86_max_memory(bits) / GiB);
		vm->end = VM_END_BAD_INPUT;
		return -EINVAL;
	}
	vm->shm_room = above.shm_room;
	windows->mem64_base = above.mem64.gpa;
	windows->mem64_size = above.mem64.len;
	return 0;
}

static int x86_add_pci(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct irq_line intx[PCI_BUS_INTX_LINES];
	struct pci_windows windows = {
		.mem32_base = X86_PCI_MEM32_BASE,
		.mem32_size = X86_PCI_MEM32_SIZE,
		.io_base = X86_PCI_IO_BASE,
		.io_size = X86_PCI_IO_SIZE,
	};
	int ret;

	ret = x86_place_mem64(vm, &windows);
	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < PCI_BUS_INTX_LINES; i++)
		intx[i] = kvm_irq_line(&vm->kvm, X86_INTX_GSI + i);
	pci_bus_init(&vm->pci, &vm->mmio, &vm->pio, kvm_msi_sink(&vm->kvm), intx, &windows);
	/* Among PCI's ports: it wins by being there first. */
	cf9_init(&m->cf9, vm_power_sink(vm));
	ret = bus_add(&vm->pio, &m->cf9.region, X86_RESET_PORT);
	return ret < 0 ? ret : pci_bus_map_config(&vm->pci, X86_ECAM_GPA);
}

static void x86_add_mmio_slots(struct vm *vm)
{
	static const unsigned char gsis[] = X86_VIRTIO_MMIO_GSIS;

	_Static_assert(ARRAY_SIZE(gsis) == X86_VIRTIO_MMIO_SLOTS, "one gsi a slot");
	for (unsigned i = 0; i < X86_VIRTIO_MMIO_SLOTS; i++)
		vm->mmio_slots[i] = (struct vm_mmio_slot){
			.gpa = X86_VIRTIO_MMIO_GPA + i * X86_VIRTIO_MMIO_STRIDE,
			.irq = kvm_irq_line(&vm->kvm, gsis[i]),
		};
	vm->n_mmio_slots = X86_VIRTIO_MMIO_SLOTS;
}

static int x86_add_serial(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret;

	if (strcmp(vm->cfg->serial, "none") == 0)
		return 0;
	ret = chardev_open(&m->serial_chr, vm->cfg->serial, vm->loop, vm->term);
	if (ret < 0)
		return ret;
	serial16550_init(&m->com1, vm->loop, m->serial_chr, kvm_irq_line(&vm->kvm, X86_COM1_GSI));
	m->has_serial = true;
	return bus_add(&vm->pio, &m->com1.region, X86_COM1_PORT);
}

static int x86_add_testdev(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	int ret;

	if (!vm->cfg->testdev)
		return 0;
	ret = testdev_init(&m->testdev, vm->loop, kvm_irq_line(&vm->kvm, X86_TESTDEV_GSI),
			   vm_power_sink(vm));
	if (ret < 0)
		return ret;
	m->has_testdev = true;
	ret = bus_add(&vm->pio, &m->testdev.pio, X86_TESTDEV_PORT);
	return ret < 0 ? ret : bus_add(&vm->mmio, &m->testdev.mmio, X86_TESTDEV_GPA);
}

static int x86_add_platform(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct power_sink power = vm_power_sink(vm);
	int ret;

	rtc_cmos_init(&m->rtc, vm->loop, kvm_irq_line(&vm->kvm, X86_RTC_GSI));
	i8042_init(&m->i8042, power);
	pvpanic_init(&m->pvpanic, power);
	acpi_ged_init(&m->ged, kvm_irq_line(&vm->kvm, X86_GED_GSI), power);
	if ((ret = bus_add(&vm->pio, &m->rtc.region, X86_RTC_PORT)) < 0 ||
	    (ret = bus_add(&vm->pio, &m->i8042.region, X86_I8042_PORT)) < 0 ||
	    (ret = bus_add(&vm->pio, &m->pvpanic.region, X86_PVPANIC_PORT)) < 0)
		return ret;
	return bus_add(&vm->pio, &m->ged.region, X86_GED_PORT);
}

int arch_machine_create(struct vm *vm)
{
	int ret;

	vm->machine = calloc(1, sizeof(*vm->machine));
	if (!vm->machine)
		return -ENOMEM;
	ret = x86_cpu_probe(&vm->kvm, &vm->machine->cpuid);
	if (ret < 0)
		return ret;
	x86_add_mmio_slots(vm);
	if ((ret = x86_add_pci(vm)) < 0 || (ret = x86_add_platform(vm)) < 0 ||
	    (ret = x86_add_serial(vm)) < 0)
		return ret;
	return x86_add_testdev(vm);
}

void arch_machine_destroy(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	if (!m)
		return;
	if (m->has_testdev)
		testdev_finish(&m->testdev);
	if (m->has_serial)
		serial16550_finish(&m->com1);
	chardev_close(m->serial_chr);
	if (m->rtc.loop) {
		acpi_ged_finish(&m->ged);
		rtc_cmos_finish(&m->rtc);
	}
	if (vm->pci.mmio)
		pci_bus_finish(&vm->pci);
	free(m->cpuid);
	free(m);
	vm->machine = NULL;
}

void arch_machine_reset(struct vm *vm)
{
	struct arch_machine *m = vm->machine;

	if (m->has_serial)
		serial16550_reset(&m->com1);
	if (m->has_testdev)
		testdev_reset(&m->testdev);
	cf9_reset(&m->cf9);
	rtc_cmos_reset(&m->rtc);
	acpi_ged_reset(&m->ged);
}

void arch_press_power(struct vm *vm)
{
	acpi_ged_press_power(&vm->machine->ged);
}

/* --- booting ---------------------------------------------------------------------- */

unsigned long arch_vm_type(struct vm *vm)
{
	return 0;
}

int arch_vm_init(struct vm *vm)
{
	struct kvm *kvm = &vm->kvm;
	uint64_t identity_map = X86_IDENTITY_MAP_GPA;
	int ret;

	/* Pages that KVM itself needs in the guest on some Intel CPUs. */
	if ((ret = kvm_vm_ioctl(kvm, "KVM_SET_TSS_ADDR", KVM_SET_TSS_ADDR,
				(void *)(uintptr_t)X86_TSS_GPA)) < 0 ||
	    (ret = kvm_vm_ioctl(kvm, "KVM_SET_IDENTITY_MAP_ADDR", KVM_SET_IDENTITY_MAP_ADDR,
				&identity_map)) < 0 ||
	    (ret = kvm_vm_ioctl(kvm, "KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP, NULL)) < 0)
		return ret;
	/* A hardware-reduced machine has no 8259: all lines end at the IOAPIC. */
	return kvm_wire_irqchip(kvm, KVM_IRQCHIP_IOAPIC, KVM_IOAPIC_NUM_PINS);
}

int arch_vm_ready(struct vm *vm)
{
	return 0;
}

/* What firmware would say of the screen. */
static void x86_screen(const struct vm *vm, struct x86_screen *screen)
{
	const struct virtio_vga_params *p = &vm->vga->params;

	screen->there = true;
	screen->width = p->boot_width;
	screen->height = p->boot_height;
	screen->planar = p->boot_planar;
	screen->base = vm->vga->pci.pci.bars[VIRTIO_VGA_BAR_VRAM].assigned;
	screen->size = p->vram;
}

int arch_load(struct vm *vm)
{
	struct arch_machine *m = vm->machine;
	struct x86_acpi acpi = {
		.cpus = vm->n_vcpus,
		.mem64_base = vm->pci.windows.mem64_base,
		.mem64_size = vm->pci.windows.mem64_size,
		.virtio_mmio = vm->mmio_slots_used,
		.serial = m->has_serial,
		.vga = vm->vga,
	};
	struct x86_boot boot = {
		.kernel = vm->cfg->kernel,
		.initrd = vm->cfg->initrd,
		.cmdline = vm->cfg->append,
	};
	int ret;

	if (vm->vga)
		x86_screen(vm, &boot.screen);

	ret = x86_acpi_build(&vm->mem, &acpi, &boot.rsdp_gpa);
	if (ret < 0) {
		log_error("the ACPI tables do not fit: give the guest more --memory");
		return ret;
	}
	return x86_boot_load(&vm->mem, &boot, &m->entry);
}
