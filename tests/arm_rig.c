/* SPDX-License-Identifier: MIT */
#include "tests/arm_rig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/dts.h"
#include "vmm/util.h"

/* --- what there is of KVM ------------------------------------------------------------- */

int kvm_cap(struct kvm *kvm, int cap)
{
	const struct arm_rig *r = container_of(kvm, struct arm_rig, vm.kvm);

	return cap == KVM_CAP_ARM_PMU_V3 && r->has_pmu;
}

static void rig_line_set(void *ctx, unsigned n, bool level)
{
}

struct irq_line kvm_irq_line(struct kvm *kvm, unsigned gsi)
{
	struct arm_rig *r = container_of(kvm, struct arm_rig, vm.kvm);

	r->lines++;
	r->last_line = gsi;
	return (struct irq_line){ rig_line_set, kvm, gsi };
}

struct msi_sink kvm_msi_sink(struct kvm *kvm)
{
	return fake_msi_sink(&container_of(kvm, struct arm_rig, vm.kvm)->f);
}

int kvm_make_vm(struct kvm *kvm, unsigned long type)
{
	return 0;
}

unsigned long arm_vm_type(struct kvm *kvm, unsigned ipa_bits)
{
	return ipa_bits;
}

void arm_gic_probe(struct kvm *kvm, struct arm_gic_host *host)
{
	*host = (struct arm_gic_host){ .v2 = true, .v3 = true, .its = true };
}

unsigned arm_gic_line(unsigned spi)
{
	return 32 + spi;
}

struct power_sink vm_power_sink(struct vm *vm)
{
	return fake_power_sink(&container_of(vm, struct arm_rig, vm)->f);
}

/* --- the machine ------------------------------------------------------------------------ */

static void rig_begin(struct arm_rig *r)
{
	memset(&r->vm, 0, sizeof(r->vm));
	memset(&r->machine, 0, sizeof(r->machine));
	r->vm.cfg = &r->cfg;
	r->vm.loop = r->f.loop;
	r->vm.machine = &r->machine;
	r->lines = r->last_line = 0;
	bus_init(&r->vm.mmio, 0);
}

static void rig_end(struct arm_rig *r)
{
	arm_machine_clear(&r->vm);
	arm_fdt_close(&r->machine.tree);
	bus_finish(&r->vm.mmio);
}

void arm_rig_init(struct arm_rig *r)
{
	memset(r, 0, sizeof(*r));
	fake_init(&r->f);
	r->ipa_bits = 44;
	r->cfg.memory = 512 * MiB;
	r->cfg.cpus = 1;
	r->cfg.serial = (char *)"null";
	r->cfg.testdev = true;
	rig_begin(r);
}

void arm_rig_finish(struct arm_rig *r)
{
	rig_end(r);
	fake_finish(&r->f);
}

void arm_rig_again(struct arm_rig *r)
{
	rig_end(r);
	rig_begin(r);
}

int arm_rig_virt(struct arm_rig *r, const struct arm_gic_host *host)
{
	int ret;

	r->machine.ipa_bits = r->ipa_bits;
	r->vm.n_vcpus = r->cfg.cpus;
	ret = arm_virt_place_memory(&r->vm);
	return ret < 0 ? ret : arm_virt_create(&r->vm, host);
}

int arm_rig_create(struct arm_rig *r, const char *source)
{
	char path[] = "/tmp/arm_rig.XXXXXX";
	int fd = mkstemp(path), ret;
	void *blob;
	size_t len = dts_compile(source, &blob);

	if (fd < 0 || write(fd, blob, len) != (ssize_t)len)
		abort();
	free(blob);
	close(fd);
	r->machine.ipa_bits = r->ipa_bits;
	r->vm.n_vcpus = r->cfg.cpus;
	r->cfg.dtb = path;
	ret = arm_tree_create(&r->vm);
	r->cfg.dtb = NULL;
	unlink(path);
	return ret;
}

int arm_rig_build_blob(struct arm_rig *r, const void *blob, size_t len)
{
	int ret = arm_fdt_open_blob(&r->machine.tree, blob, len, "test");

	return ret < 0 ? ret : arm_machine_build(&r->vm);
}

int arm_rig_build(struct arm_rig *r, const char *source)
{
	void *blob;
	size_t len = dts_compile(source, &blob);
	int ret = arm_rig_build_blob(r, blob, len);

	free(blob);
	return ret;
}
