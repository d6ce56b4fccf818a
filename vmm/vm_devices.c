/* SPDX-License-Identifier: MIT */
/* The virtio devices of the configuration, each on the bus it was asked for. */
#include <errno.h>
#include <stdlib.h>

#include "devices/backend/disk.h"
#include "devices/usb/usb_models.h"
#include "devices/virtio/shm_window.h"
#include "devices/virtio/virtio_mmio.h"
#include "devices/virtio/virtio_pci.h"
#include "devices/virtio/virtio_vga.h"
#include "vmm/util.h"
#include "vmm/vm.h"

#define SHM_ALIGN (2 * MiB)

struct vm_virtio {
	const struct virtio_model *model;
	const struct usb_model *usb_model;	/* NULL: it is a virtio device */
	struct usb_device *usb;
	struct virtio_device *v;
	bool on_mmio, is_vga;
	union {
		struct virtio_pci pci;
		struct virtio_vga vga;
		struct virtio_mmio mmio;
	};
	struct vm_virtio *next;
};

/*
 * Shared memory of a device on MMIO: where huge pages can be used. Without room for it
 * the driver sees none, and does without.
 */
static int vm_place_shm(struct vm *vm, struct vm_virtio *dev)
{
	uint64_t gpa = align_up(vm->shm_room.gpa, SHM_ALIGN), len = dev->v->shm->len;
	uint64_t end = vm->shm_room.gpa + vm->shm_room.len;
	int ret;

	if (!vm->shm_room.len || gpa > end || len > end - gpa) {
		log_warn("--%s: no room for %llu MiB of shared memory on virtio-mmio: there is "
			 "none", dev->model->name, (unsigned long long)(len / MiB));
		return 0;
	}
	ret = virtio_mmio_place_shm(&dev->mmio, &vm->mmio, gpa);
	if (ret == 0)
		vm->shm_room = (struct gmem_range){ gpa + len, end - gpa - len };
	return ret;
}

static int vm_place_on_mmio(struct vm *vm, struct vm_virtio *dev)
{
	const struct vm_mmio_slot *slot = &vm->mmio_slots[vm->mmio_slots_used];
	int ret;

	if (!vm->n_mmio_slots) {
		log_error("--%s: this machine has no virtio-mmio slots%s", dev->model->name,
			  vm->pci.mmio ? ": use bus=pci" : ", and no PCI");
		return -ENOSPC;
	}
	if (vm->mmio_slots_used == vm->n_mmio_slots) {
		log_error("--%s: no virtio-mmio slot is left, all %u are taken: use bus=pci",
			  dev->model->name, vm->n_mmio_slots);
		return -ENOSPC;
	}
	ret = virtio_mmio_init(&dev->mmio, dev->v, &vm->mmio, slot->gpa, slot->irq);
	if (ret == 0 && dev->v->shm)
		ret = vm_place_shm(vm, dev);
	if (ret < 0) {
		log_error("--%s: no room for its registers: %s", dev->model->name, strerror(-ret));
		return ret;
	}
	vm->mmio_slots_used++;
	return 0;
}

/* Whether @cfg is to be a VGA card; the first is. */
static bool vm_is_vga(const struct vm *vm, const struct config_device *cfg,
		      struct virtio_vga_params *params)
{
	return !vm->vga && cfg->model->vga && !cfg->mmio &&
	       cfg->model->vga(params, &cfg->opts) > 0;
}

bool vm_wants_vga(const struct vm *vm)
{
	struct virtio_vga_params params;

	for (unsigned i = 0; i < vm->cfg->n_devices; i++)
		if (vm_is_vga(vm, &vm->cfg->devices[i], &params))
			return true;
	return false;
}

static int vm_place_vga(struct vm *vm, struct vm_virtio *dev, struct virtio_vga_params *params)
{
	int ret;

	params->loop = vm->loop;
	params->process = vm->gpu;
	ret = virtio_vga_init(&dev->vga, dev->v, &vm->pci, params);
	if (ret < 0)
		return ret;
	dev->is_vga = true;
	vm->vga = &dev->vga;
	return 0;
}

static int vm_place_on_pci(struct vm *vm, struct vm_virtio *dev,
			   const struct config_device *cfg)
{
	struct virtio_vga_params vga;
	int ret;

	if (vm->vga_place && vm_is_vga(vm, cfg, &vga))
		return vm_place_vga(vm, dev, &vga);
	ret = virtio_pci_init(&dev->pci, dev->v, &vm->pci, NULL);
	if (ret < 0)
		log_error("--%s: no PCI slot is left: use bus=mmio", dev->model->name);
	return ret;
}

/* How many of its model come before @cfg. */
static unsigned vm_device_index(const struct vm *vm, const struct config_device *cfg)
{
	unsigned n = 0;

	for (const struct config_device *dev = vm->cfg->devices; dev < cfg; dev++)
		n += dev->model == cfg->model;
	return n;
}

static struct virtio_env vm_device_env(struct vm *vm, const struct config_device *cfg)
{
	return (struct virtio_env){
		.loop = vm->loop,
		.mem = &vm->mem,
		.term = vm->term,
		.evdevs = &vm->evdevs,
		.gpu = vm->gpu,
		.guest = vm->cfg->name,
		.vga = vm->vga_place,
		.index = vm_device_index(vm, cfg),
	};
}

static int vm_announce_device(struct vm *vm, const struct config_device *cfg)
{
	struct virtio_env env = vm_device_env(vm, cfg);

	return cfg->model->announce ? cfg->model->announce(&env, &cfg->opts) : 0;
}

static bool vm_takes_disk(const struct vm *vm, const struct config_device *cfg)
{
	return vm->disk_slot.insert && vm_is_card(cfg);
}

int vm_insert_disk(struct vm *vm, struct disk *disk)
{
	int ret = vm->disk_slot.insert(vm->disk_slot.ctx, disk);

	if (ret < 0)
		disk_close(disk);
	vm->disk_slot.insert = NULL;
	return ret;
}

static int vm_insert_configured(struct vm *vm, const struct config_device *cfg)
{
	struct virtio_env env = vm_device_env(vm, cfg);
	struct disk *disk;
	int ret = cfg->model->open_disk(&disk, &env, &cfg->opts);

	return ret < 0 ? ret : vm_insert_disk(vm, disk);
}

/* NULL: the machine has no place for it. */
static const struct usb_model *vm_find_usb_model(const struct vm *vm,
						 const struct virtio_model *option)
{
	const struct usb_model *const *m = vm->usb_place.models;

	while (m && *m && (*m)->option != option)
		m++;
	return m ? *m : NULL;
}

static int vm_plug_usb(struct vm *vm, struct vm_virtio *dev, const struct config_device *cfg)
{
	const struct usb_model *model = vm_find_usb_model(vm, cfg->model);
	const struct vm_usb_place *place = &vm->usb_place;
	struct virtio_env env = vm_device_env(vm, cfg);
	int ret;

	if (!model) {
		log_error("--%s: this machine has no USB: leave bus=usb out", cfg->model->name);
		return -ENODEV;
	}
	ret = model->create(&dev->usb, &env, &cfg->opts);
	if (ret < 0)
		return ret;
	ret = place->plug(place->ctx, dev->usb, model->inside);
	if (ret < 0) {
		log_error("--%s: no USB socket is left", cfg->model->name);
		model->destroy(dev->usb);
	}
	dev->usb_model = model;
	return ret;
}

/* A board that somebody else has described may have no place for what nobody asked for. */
static bool vm_does_without(const struct vm *vm, const struct config_device *cfg)
{
	const struct config_device *end = vm->cfg->devices + vm->cfg->n_devices;
	unsigned asked = 0;

	if (!cfg->by_default || vm->pci.mmio)
		return false;
	for (const struct config_device *dev = cfg + 1; dev < end; dev++)
		asked += !dev->by_default;
	return vm->n_mmio_slots - vm->mmio_slots_used <= asked;
}

static int vm_add_virtio(struct vm *vm, struct vm_virtio *dev, const struct config_device *cfg)
{
	struct virtio_env env = vm_device_env(vm, cfg);
	int ret;

	/* A machine that somebody else has described may have no PCI. */
	dev->on_mmio = cfg->mmio || !vm->pci.mmio;
	ret = cfg->model->create(&dev->v, &env, &cfg->opts);
	if (ret < 0)
		return ret;
	if (cfg->packed)
		virtio_offer_packed(dev->v);
	ret = dev->on_mmio ? vm_place_on_mmio(vm, dev) : vm_place_on_pci(vm, dev, cfg);
	if (ret < 0)
		cfg->model->destroy(dev->v);
	return ret;
}

static int vm_add_device(struct vm *vm, const struct config_device *cfg)
{
	struct vm_virtio *dev;
	int ret;

	if (vm_takes_disk(vm, cfg))
		return vm_insert_configured(vm, cfg);
	if (vm_does_without(vm, cfg)) {
		log_info("no --%s: this machine has no place for it", cfg->model->name);
		return 0;
	}
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->model = cfg->model;
	ret = cfg->usb ? vm_plug_usb(vm, dev, cfg) : vm_add_virtio(vm, dev, cfg);
	if (ret < 0) {
		free(dev);
		return ret;
	}
	dev->next = vm->devices;
	vm->devices = dev;
	return 0;
}

int vm_add_devices(struct vm *vm)
{
	int ret;

	for (unsigned i = 0; i < vm->cfg->n_devices; i++) {
		ret = vm_announce_device(vm, &vm->cfg->devices[i]);
		if (ret < 0)
			return ret;
	}
	for (unsigned i = 0; i < vm->cfg->n_devices; i++) {
		ret = vm_add_device(vm, &vm->cfg->devices[i]);
		if (ret < 0)
			return ret;
	}
	if (!vm->pci.mmio)
		return 0;
	ret = pci_bus_assign(&vm->pci);
	if (ret < 0)
		log_error("the PCI windows are too small for the BARs of all devices");
	return ret;
}

struct virtio_device *vm_find_device(const struct vm *vm, const struct virtio_model *model)
{
	for (const struct vm_virtio *dev = vm->devices; dev; dev = dev->next)
		if (dev->model == model)
			return dev->v;
	return NULL;
}

void vm_reset_devices(struct vm *vm)
{
	if (vm->pci.mmio)
		pci_bus_reset(&vm->pci);
	for (struct vm_virtio *dev = vm->devices; dev; dev = dev->next)
		if (dev->on_mmio)
			virtio_mmio_reset(&dev->mmio);
}

static void vm_remove_device(struct vm *vm, struct vm_virtio *dev)
{
	if (dev->usb_model) {
		dev->usb_model->destroy(dev->usb);
		return;
	}
	if (dev->on_mmio)
		virtio_mmio_finish(&dev->mmio, &vm->mmio);
	else if (dev->is_vga)
		virtio_vga_finish(&dev->vga);
	else
		virtio_pci_finish(&dev->pci);
	dev->model->destroy(dev->v);
}

void vm_remove_devices(struct vm *vm)
{
	while (vm->devices) {
		struct vm_virtio *dev = vm->devices;

		vm->devices = dev->next;
		vm_remove_device(vm, dev);
		free(dev);
	}
}
