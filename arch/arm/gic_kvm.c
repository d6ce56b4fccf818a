/* SPDX-License-Identifier: MIT */
#include "arch/arm/gic.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/util.h"

#define GIC_SPI_BASE 32		/* SGIs and PPIs come first */
#define GIC_IRQS_STEP 32	/* KVM_DEV_ARM_VGIC_GRP_NR_IRQS goes by these, from 64 on */
#define GIC_REDIST_SIZE 0x20000ull

/* --- what there is --------------------------------------------------------------- */

unsigned long arm_vm_type(struct kvm *kvm, unsigned ipa_bits)
{
	return kvm_cap(kvm, KVM_CAP_ARM_VM_IPA_SIZE) ? KVM_VM_TYPE_ARM_IPA_SIZE(ipa_bits) : 0;
}

static bool gic_can_create(int vm_fd, uint32_t type)
{
	struct kvm_create_device dev = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return ioctl(vm_fd, KVM_CREATE_DEVICE, &dev) == 0;
}

void arm_gic_probe(struct kvm *kvm, struct arm_gic_host *host)
{
	host->v2 = gic_can_create(kvm->vm_fd, KVM_DEV_TYPE_ARM_VGIC_V2);
	host->v3 = gic_can_create(kvm->vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3);
	host->its = host->v3 && gic_can_create(kvm->vm_fd, KVM_DEV_TYPE_ARM_VGIC_ITS);
}

unsigned arm_gic_line(unsigned spi)
{
	return KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (GIC_SPI_BASE + spi);
}

/* --- making it ------------------------------------------------------------------- */

static int gic_create_device(struct kvm *kvm, const char *name, uint32_t type)
{
	struct kvm_create_device dev = { .type = type };
	int err;

	if (ioctl(kvm->vm_fd, KVM_CREATE_DEVICE, &dev) == 0)
		return dev.fd;
	err = errno;
	if (err == ENODEV)
		log_error("the device tree has %s, and this host's KVM has none for guests", name);
	else
		log_error("KVM_CREATE_DEVICE of %s: %s", name, strerror(err));
	return -err;
}

static int gic_try(int fd, uint32_t group, uint64_t attr, const void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return ioctl(fd, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

static int gic_set(int fd, const char *what, uint32_t group, uint64_t attr, const void *value)
{
	int ret = gic_try(fd, group, attr, value);

	if (ret < 0)
		log_error("KVM_SET_DEVICE_ATTR: %s: %s", what, strerror(-ret));
	return ret;
}

int arm_gic_try(const struct arm_gic_fds *fds, uint32_t group, uint64_t attr, const void *value)
{
	return gic_try(fds->gic, group, attr, value);
}

int arm_gic_get(const struct arm_gic_fds *fds, uint32_t group, uint64_t attr, void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return ioctl(fds->gic, KVM_GET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

int arm_gic_set(const struct arm_gic_fds *fds, const char *what, uint32_t group, uint64_t attr,
		const void *value)
{
	return gic_set(fds->gic, what, group, attr, value);
}

static int gic_set_redists(int fd, const struct arm_gic_place *place, unsigned n_cpus)
{
	for (unsigned i = 0; i < place->n_redists && n_cpus; i++) {
		const struct gmem_range *r = &place->redists[i];
		uint64_t n = MIN(r->len / GIC_REDIST_SIZE, (uint64_t)n_cpus);
		uint64_t region = n << 52 | r->gpa | i;
		int ret = gic_set(fd, "GICv3 redistributors", KVM_DEV_ARM_VGIC_GRP_ADDR,
				  KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &region);

		if (ret < 0)
			return ret;
		n_cpus -= n;
	}
	if (!n_cpus)
		return 0;
	log_error("the device tree has too few GICv3 redistributors: %u are missing", n_cpus);
	return -EINVAL;
}

static int gic_set_places(int fd, const struct arm_gic_place *place, unsigned n_cpus)
{
	int ret;

	if (place->version == ARM_GIC_V3) {
		ret = gic_set(fd, "GICv3 distributor", KVM_DEV_ARM_VGIC_GRP_ADDR,
			      KVM_VGIC_V3_ADDR_TYPE_DIST, &place->dist.gpa);
		return ret < 0 ? ret : gic_set_redists(fd, place, n_cpus);
	}
	ret = gic_set(fd, "GICv2 distributor", KVM_DEV_ARM_VGIC_GRP_ADDR,
		      KVM_VGIC_V2_ADDR_TYPE_DIST, &place->dist.gpa);
	return ret < 0 ? ret : gic_set(fd, "GICv2 CPU interface", KVM_DEV_ARM_VGIC_GRP_ADDR,
				       KVM_VGIC_V2_ADDR_TYPE_CPU, &place->cpu.gpa);
}

int arm_gic_create(struct arm_gic_fds *fds, struct kvm *kvm, const struct arm_gic_place *place,
		   unsigned n_cpus)
{
	uint32_t n_irqs = align_up(GIC_SPI_BASE + MAX(place->n_spis, 1u), GIC_IRQS_STEP);
	bool v3 = place->version == ARM_GIC_V3;
	int ret;

	fds->its = -1;
	fds->gic = gic_create_device(kvm, v3 ? "a GICv3" : "a GICv2",
				     v3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2);
	if (fds->gic < 0)
		return fds->gic;
	ret = gic_set_places(fds->gic, place, n_cpus);
	if (ret < 0)
		return ret;
	ret = gic_set(fds->gic, "number of interrupts", KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &n_irqs);
	if (ret < 0 || !place->its.len)
		return ret;
	fds->its = gic_create_device(kvm, "an ITS", KVM_DEV_TYPE_ARM_VGIC_ITS);
	return MIN(fds->its, 0);
}

int arm_gic_ready(struct arm_gic_fds *fds, struct kvm *kvm, const struct arm_gic_place *place)
{
	int ret = gic_set(fds->gic, "GIC's start", KVM_DEV_ARM_VGIC_GRP_CTRL,
			  KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);

	if (ret == 0 && fds->its >= 0)
		ret = gic_set(fds->its, "ITS", KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
			      &place->its.gpa);
	if (ret == 0 && fds->its >= 0)
		ret = gic_set(fds->its, "ITS's start", KVM_DEV_ARM_VGIC_GRP_CTRL,
			      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
	/* KVM has just made routes of its own; ours are messages only, wires need none. */
	return ret < 0 ? ret : kvm_wire_irqchip(kvm, 0, 0);
}

void arm_gic_destroy(struct arm_gic_fds *fds)
{
	if (fds->its >= 0)
		close(fds->its);
	if (fds->gic >= 0)
		close(fds->gic);
	fds->gic = fds->its = -1;
}
