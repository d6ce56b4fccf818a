/* SPDX-License-Identifier: MIT */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/util.h"

#define KVM_PATH "/dev/kvm"

/* --- opening --------------------------------------------------------------- */

static void kvm_explain_open(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		log_error("no " KVM_PATH " on this host: load its module (x86: kvm_intel or kvm_amd), "
			  "and see that virtualisation is enabled in the firmware (in a VM: nested)");
		break;
	case EACCES:
	case EPERM:
		log_error("no permission to open " KVM_PATH ": add your user to the group that owns "
			  "it (usermod -aG kvm NAME) and log in again");
		break;
	default:
		log_error("cannot open " KVM_PATH ": %s", strerror(err));
	}
}

static int kvm_check(struct kvm *kvm)
{
	static const struct { int cap; const char *name; } needed[] = {
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
		{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
		{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	};
	int version = ioctl(kvm->sys_fd, KVM_GET_API_VERSION, 0), size;

	if (version != KVM_API_VERSION) {
		log_error(KVM_PATH " speaks API version %d, not %d: is it KVM?", version,
			  KVM_API_VERSION);
		return -ENOTSUP;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
		if (kvm_cap(kvm, needed[i].cap) <= 0) {
			log_error("this host's KVM lacks %s: use a newer kernel", needed[i].name);
			return -ENOTSUP;
		}
	}
	size = ioctl(kvm->sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		log_error("KVM_GET_VCPU_MMAP_SIZE: %d bytes", size);
		return -ENOTSUP;
	}
	kvm->run_size = size;
	return 0;
}

int kvm_open(struct kvm *kvm)
{
	int ret;

	*kvm = (struct kvm){ .sys_fd = -1, .vm_fd = -1 };
	pthread_mutex_init(&kvm->route_lock, NULL);
	kvm->sys_fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (kvm->sys_fd < 0) {
		ret = -errno;
		kvm_explain_open(-ret);
		return ret;
	}
	return kvm_check(kvm);
}

void kvm_close(struct kvm *kvm)
{
	kvm_destroy_vm(kvm);
	if (kvm->sys_fd >= 0)
		close(kvm->sys_fd);
	kvm->sys_fd = -1;
	pthread_mutex_destroy(&kvm->route_lock);
}

int kvm_cap(struct kvm *kvm, int cap)
{
	int ret = ioctl(kvm->sys_fd, KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

/* --- the VM ---------------------------------------------------------------- */

int kvm_vm_ioctl(struct kvm *kvm, const char *name, unsigned long request, void *arg)
{
	int ret = ioctl(kvm->vm_fd, request, arg);

	if (ret < 0) {
		ret = -errno;
		log_error("%s: %m", name);
	}
	return ret;
}

static int kvm_add_ram(struct kvm *kvm, const struct gmem *mem)
{
	for (unsigned i = 0; i < mem->n_regions; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].len,
			.userspace_addr = (uintptr_t)mem->regions[i].host,
		};
		int ret = kvm_vm_ioctl(kvm, "KVM_SET_USER_MEMORY_REGION",
				       KVM_SET_USER_MEMORY_REGION, &slot);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int kvm_make_vm(struct kvm *kvm, unsigned long type)
{
	int ret;

	/* The call can be interrupted by a signal that a library of ours asked for. */
	do
		kvm->vm_fd = ioctl(kvm->sys_fd, KVM_CREATE_VM, type);
	while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0) {
		ret = -errno;
		log_error("KVM_CREATE_VM: %m");
		return ret;
	}
	return 0;
}

int kvm_create_vm(struct kvm *kvm, const struct gmem *mem, unsigned long type)
{
	int ret = kvm->vm_fd < 0 ? kvm_make_vm(kvm, type) : 0;

	if (ret == 0)
		ret = kvm_add_ram(kvm, mem);
	if (ret < 0)
		kvm_destroy_vm(kvm);
	return ret;
}

void kvm_destroy_vm(struct kvm *kvm)
{
	if (kvm->vm_fd < 0)
		return;
	close(kvm->vm_fd);
	kvm->vm_fd = -1;
	kvm->n_wired = 0;
}

/* --- interrupts -------------------------------------------------------------- */

/* Whether @msg goes through the frame: then *@n is its place there. */
static bool kvm_in_frame(const struct kvm *kvm, const struct msi_message *msg, unsigned *n)
{
	const struct kvm_msi_frame *frame = &kvm->frame;

	*n = msg->data - frame->first;
	return frame->n && msg->addr == frame->addr && msg->data >= frame->first &&
	       *n < frame->n;
}

static struct kvm_irq_routing_entry kvm_msi_entry(const struct kvm *kvm, unsigned gsi,
						  const struct msi_message *msg)
{
	struct kvm_irq_routing_entry e = { .gsi = gsi };
	unsigned n;

	if (kvm_in_frame(kvm, msg, &n)) {
		e.type = KVM_IRQ_ROUTING_IRQCHIP;
		e.u.irqchip.pin = kvm->frame.pin + n;
		return e;
	}
	e.type = KVM_IRQ_ROUTING_MSI;
	e.u.msi.address_lo = msg->addr;
	e.u.msi.address_hi = msg->addr >> 32;
	e.u.msi.data = msg->data;
	if (kvm->msi_devid) {
		e.flags = KVM_MSI_VALID_DEVID;
		e.u.msi.devid = msg->devid;
	}
	return e;
}

/* Hands the whole table to the kernel, which knows no other way. Lock held. */
static int kvm_commit_routes(struct kvm *kvm)
{
	struct kvm_irq_routing *table;
	unsigned n = kvm->n_wired;
	int ret;

	table = calloc(1, sizeof(*table) +
		       (n + KVM_MAX_MSI_ROUTES) * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	memcpy(table->entries, kvm->wired, n * sizeof(table->entries[0]));
	for (unsigned i = 0; i < KVM_MAX_MSI_ROUTES; i++) {
		const struct kvm_msi_route *r = &kvm->msi[i];

		if (!r->used)
			continue;
		table->entries[n++] = kvm_msi_entry(kvm, kvm->first_msi_gsi + i, &r->msg);
	}
	table->nr = n;
	ret = ioctl(kvm->vm_fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
	free(table);
	return ret;
}

static void kvm_irq_line_set(void *ctx, unsigned gsi, bool level)
{
	struct kvm *kvm = ctx;
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (kvm->vm_fd >= 0)
		ioctl(kvm->vm_fd, KVM_IRQ_LINE, &irq);
}

struct irq_line kvm_irq_line(struct kvm *kvm, unsigned gsi)
{
	return (struct irq_line){ .set = kvm_irq_line_set, .ctx = kvm, .n = gsi };
}

static int kvm_msi_send(void *ctx, const struct msi_message *msg)
{
	struct kvm *kvm = ctx;
	struct kvm_msi msi = {
		.address_lo = msg->addr,
		.address_hi = msg->addr >> 32,
		.data = msg->data,
		.flags = kvm->msi_devid ? KVM_MSI_VALID_DEVID : 0,
		.devid = kvm->msi_devid ? msg->devid : 0,
	};
	unsigned n;

	if (kvm->vm_fd < 0)
		return -ENODEV;
	if (kvm_in_frame(kvm, msg, &n)) {
		kvm_irq_line_set(kvm, kvm->frame.line + n, true);
		kvm_irq_line_set(kvm, kvm->frame.line + n, false);
		return 0;
	}
	return ioctl(kvm->vm_fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

static int kvm_irqfd(struct kvm *kvm, int route, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = kvm->msi[route].fd,
		.gsi = kvm->first_msi_gsi + route,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(kvm->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_wire_irqchip(struct kvm *kvm, unsigned irqchip, unsigned n_pins)
{
	int ret;

	pthread_mutex_lock(&kvm->route_lock);
	kvm->msi_devid = ioctl(kvm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID) > 0;
	for (unsigned i = 0; i < n_pins; i++)
		kvm->wired[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = irqchip, .pin = i },
		};
	kvm->n_wired = kvm->first_msi_gsi = n_pins;
	ret = kvm_commit_routes(kvm);
	/* Devices keep their routes from one VM to the next; their eventfds follow. */
	for (int i = 0; i < KVM_MAX_MSI_ROUTES && ret == 0; i++)
		if (kvm->msi[i].used)
			ret = kvm_irqfd(kvm, i, true);
	pthread_mutex_unlock(&kvm->route_lock);
	if (ret < 0)
		log_error("KVM_SET_GSI_ROUTING or KVM_IRQFD: %s", strerror(-ret));
	return ret;
}

/* A free entry, with an eventfd; negative errno when there is none. Lock held. */
static int kvm_msi_alloc(struct kvm *kvm)
{
	for (unsigned i = 0; i < KVM_MAX_MSI_ROUTES; i++) {
		struct kvm_msi_route *r = &kvm->msi[i];

		if (r->used)
			continue;
		r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->fd < 0)
			return -errno;
		r->used = true;
		return i;
	}
	return -ENOSPC;
}

static void kvm_msi_free(struct kvm *kvm, int route)
{
	close(kvm->msi[route].fd);
	kvm->msi[route].used = false;
}

static int kvm_msi_bind(struct kvm *kvm, int *route, const struct msi_message *msg)
{
	int r = *route >= 0 ? *route : kvm_msi_alloc(kvm), ret;
	struct kvm_msi_route old;

	if (r < 0)
		return r;
	old = kvm->msi[r];
	kvm->msi[r].msg = *msg;
	ret = kvm_commit_routes(kvm);
	if (ret == 0 && *route < 0)
		ret = kvm_irqfd(kvm, r, true);
	if (ret < 0) {
		/* A message that the kernel refuses must not spoil the next table. */
		kvm->msi[r] = old;
		if (*route < 0)
			kvm_msi_free(kvm, r);
		return ret;
	}
	*route = r;
	return kvm->msi[r].fd;
}

static int kvm_msi_route(void *ctx, int *route, const struct msi_message *msg)
{
	struct kvm *kvm = ctx;
	int ret;

	if (kvm->vm_fd < 0)
		return -ENODEV;
	pthread_mutex_lock(&kvm->route_lock);
	ret = kvm_msi_bind(kvm, route, msg);
	pthread_mutex_unlock(&kvm->route_lock);
	return ret;
}

static void kvm_msi_unroute(void *ctx, int route)
{
	struct kvm *kvm = ctx;

	if (route < 0)
		return;
	pthread_mutex_lock(&kvm->route_lock);
	if (kvm->vm_fd >= 0)
		kvm_irqfd(kvm, route, false);
	kvm_msi_free(kvm, route);
	pthread_mutex_unlock(&kvm->route_lock);
}

/* What others put into @fd before was seen by them; at worst the guest looks once in vain. */
static int kvm_msi_attach(void *ctx, int route, int fd, bool on)
{
	struct kvm *kvm = ctx;
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = kvm->first_msi_gsi + route,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (kvm->vm_fd < 0)
		return -ENODEV;
	return ioctl(kvm->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

struct msi_sink kvm_msi_sink(struct kvm *kvm)
{
	static const struct msi_ops ops = {
		.send = kvm_msi_send,
		.route = kvm_msi_route,
		.unroute = kvm_msi_unroute,
		.attach = kvm_msi_attach,
	};

	return (struct msi_sink){ .ops = &ops, .ctx = kvm };
}

/* --- doorbells ----------------------------------------------------------------- */

static int kvm_ioeventfd(struct kvm *kvm, uint64_t addr, const struct io_doorbell *db,
			 unsigned flags)
{
	struct kvm_ioeventfd io = {
		.addr = addr,
		.len = db->size,
		.fd = db->fd,
		.datamatch = db->value,
		.flags = flags | (db->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
	};

	if (kvm->vm_fd < 0)
		return -ENODEV;
	return ioctl(kvm->vm_fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}

/*
 * A guest may put two doorbells at one address; the kernel then refuses the
 * second, which is served by bus_write() instead.
 */
static int kvm_bind(struct kvm *kvm, uint64_t addr, const struct io_doorbell *db, unsigned flags)
{
	int ret = kvm_ioeventfd(kvm, addr, db, flags);

	if (ret < 0 && ret != -ENODEV)
		log_guest(&kvm->rate, "no ioeventfd at %#llx: %s", (unsigned long long)addr,
			  strerror(-ret));
	return ret;
}

static int kvm_mmio_bind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	return kvm_bind(ctx, addr, db, 0);
}

static void kvm_mmio_unbind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	kvm_ioeventfd(ctx, addr, db, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static int kvm_pio_bind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	return kvm_bind(ctx, addr, db, KVM_IOEVENTFD_FLAG_PIO);
}

static void kvm_pio_unbind(void *ctx, uint64_t addr, const struct io_doorbell *db)
{
	kvm_ioeventfd(ctx, addr, db, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* --- memory on the bus ----------------------------------------------------------- */

static int kvm_set_window(struct kvm *kvm, unsigned n, const struct io_region *r)
{
	struct kvm_userspace_memory_region slot = { .slot = GMEM_MAX_REGIONS + n };

	if (r) {
		slot.guest_phys_addr = r->base;
		slot.memory_size = r->len;
		slot.userspace_addr = (uintptr_t)r->memory;
		slot.flags = (r->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0) |
			     (r->read_only ? KVM_MEM_READONLY : 0);
	}
	return ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ? -errno : 0;
}

/* What a guest has put over its RAM, or where no CPU can reach, the kernel refuses. */
static int kvm_window_map(void *ctx, const struct io_region *r)
{
	struct kvm *kvm = ctx;
	unsigned n = 0;
	int ret;

	while (n < KVM_MAX_WINDOWS && kvm->windows[n])
		n++;
	if (kvm->vm_fd < 0)
		return -ENODEV;
	ret = n < KVM_MAX_WINDOWS ? kvm_set_window(kvm, n, r) : -ENOSPC;
	if (ret == 0)
		kvm->windows[n] = r;
	else if (!r->read_only)
		log_guest(&kvm->rate, "%s: no memory at %#llx: %s", r->name,
			  (unsigned long long)r->base, strerror(-ret));
	return ret;
}

static void kvm_window_unmap(void *ctx, const struct io_region *r)
{
	struct kvm *kvm = ctx;

	for (unsigned n = 0; n < KVM_MAX_WINDOWS; n++) {
		if (kvm->windows[n] != r)
			continue;
		kvm_set_window(kvm, n, NULL);
		kvm->windows[n] = NULL;
	}
}

/* The kernel's bits count pages of the host; it notes from now on what is written next. */
static int kvm_window_collect(void *ctx, const struct io_region *r, uint64_t *pages)
{
	struct kvm *kvm = ctx;
	uint64_t words = r->len / BUS_PAGE / 64 + 1, *bits;
	struct kvm_dirty_log log = { 0 };
	unsigned n = 0;
	int ret;

	while (kvm->windows[n] != r)
		n++;
	bits = sysconf(_SC_PAGESIZE) == BUS_PAGE ? calloc(words, sizeof(*bits)) : NULL;
	if (!bits)
		return -ENOMEM;
	log.slot = GMEM_MAX_REGIONS + n;
	log.dirty_bitmap = bits;
	ret = ioctl(kvm->vm_fd, KVM_GET_DIRTY_LOG, &log) < 0 ? -errno : 0;
	for (uint64_t i = 0; ret == 0 && i < r->len / BUS_PAGE; i += 64)
		pages[i / 64] |= bits[i / 64];
	free(bits);
	return ret;
}

const struct bus_hook kvm_mmio_hook = {
	.bind = kvm_mmio_bind,
	.unbind = kvm_mmio_unbind,
	.map = kvm_window_map,
	.unmap = kvm_window_unmap,
	.collect = kvm_window_collect,
};
const struct bus_hook kvm_pio_hook = { .bind = kvm_pio_bind, .unbind = kvm_pio_unbind };
