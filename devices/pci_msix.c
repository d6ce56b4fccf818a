/* SPDX-License-Identifier: MIT */
#include "devices/pci_msix.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/util.h"

_Static_assert(PCI_MSIX_MAX_VECTORS <= 64, "the PBA is one qword");

void pci_msix_init(struct pci_msix *msix, struct pci_dev *dev, unsigned n_vectors, unsigned bar,
		   uint32_t table_off, uint32_t pba_off)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2] = { 0 }, mask[sizeof(body)] = { 0 };

	assert(n_vectors >= 1 && n_vectors <= PCI_MSIX_MAX_VECTORS);
	assert(bar < PCI_BARS && !(table_off % 8) && !(pba_off % 8));
	memset(msix, 0, sizeof(*msix));
	msix->dev = dev;
	msix->n_vectors = n_vectors;
	for (unsigned i = 0; i < n_vectors; i++) {
		struct pci_msix_vector *v = &msix->vectors[i];

		pthread_mutex_init(&v->lock, NULL);
		v->control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		v->route = -1;
		v->fd = -1;
	}

	store_le(body + PCI_MSIX_FLAGS - 2, 2, n_vectors - 1);
	store_le(body + PCI_MSIX_TABLE - 2, 4, table_off | bar);
	store_le(body + PCI_MSIX_PBA - 2, 4, pba_off | bar);
	store_le(mask, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	msix->cap = pci_add_capability(dev, PCI_CAP_ID_MSIX, body, mask, PCI_CAP_MSIX_SIZEOF);
	dev->msix = msix;
}

void pci_msix_finish(struct pci_msix *msix)
{
	const struct msi_sink *sink = &msix->dev->msi;

	for (unsigned i = 0; i < msix->n_vectors; i++) {
		struct pci_msix_vector *v = &msix->vectors[i];

		assert(!v->feeds);
		if (v->route >= 0)
			sink->ops->unroute(sink->ctx, v->route);
		pthread_mutex_destroy(&v->lock);
	}
	msix->dev->msix = NULL;
	msix->n_vectors = 0;
}

static struct msi_message vector_message(const struct pci_msix *msix,
					 const struct pci_msix_vector *v)
{
	return (struct msi_message){
		.addr = v->addr,
		.data = v->data,
		.devid = pci_requester_id(msix->dev),
	};
}

/* With the vector's lock held. Asked once a message, whatever the answer. */
static void vector_bind(struct pci_msix *msix, struct pci_msix_vector *v)
{
	const struct msi_sink *sink = &msix->dev->msi;
	int fd = -ENOSYS;

	if (v->bound && v->bound_addr == v->addr && v->bound_data == v->data)
		return;
	if (sink->ops->route) {
		struct msi_message msg = vector_message(msix, v);

		fd = sink->ops->route(sink->ctx, &v->route, &msg);
	}
	v->bound = true;
	v->bound_addr = v->addr;
	v->bound_data = v->data;
	v->fd = fd < 0 ? -1 : fd;
	if (fd < 0 && !atomic_exchange(&msix->route_failed, true))
		log_warn("%s: no route for MSI-X vector %td, it is sent instead: %s",
			 msix->dev->name, v - msix->vectors, strerror(-fd));
}

/* With the vector's lock held. */
static void vector_deliver(struct pci_msix *msix, struct pci_msix_vector *v)
{
	const struct msi_sink *sink = &msix->dev->msi;
	struct msi_message msg = vector_message(msix, v);
	int ret;

	vector_bind(msix, v);
	if (v->fd >= 0) {
		/* Fails only while the counter is full: then it is signalled already. */
		eventfd_write(v->fd, 1);
		return;
	}
	ret = sink->ops->send(sink->ctx, &msg);
	if (ret < 0)
		log_guest(&msix->dev->rate, "%s: message %#" PRIx64 " = %#x goes nowhere: %s",
			  msix->dev->name, v->addr, v->data, strerror(-ret));
}

static bool vector_open(struct pci_msix *msix, const struct pci_msix_vector *v)
{
	return atomic_load(&msix->enabled) && !atomic_load(&msix->function_mask) &&
	       !(v->control & PCI_MSIX_ENTRY_CTRL_MASKBIT) && pci_bus_master(msix->dev);
}

static void vector_attach(struct pci_msix *msix, struct pci_msix_vector *v, bool on)
{
	const struct msi_sink *sink = &msix->dev->msi;

	for (struct pci_msix_feed *f = v->feeds; f; f = f->next)
		if (f->attached != on)
			f->attached = sink->ops->attach(sink->ctx, v->route, f->fd, on) == 0 && on;
}

/* Has the kernel serve the feeds while it may, and only then. */
static void vector_update_feeds(struct pci_msix *msix, struct pci_msix_vector *v)
{
	bool open = vector_open(msix, v);

	if (!v->feeds || !msix->dev->msi.ops->attach)
		return;
	if (open)
		vector_bind(msix, v);
	vector_attach(msix, v, open && v->fd >= 0);
}

/* With the vector's lock held, after a mask or the message may have changed. */
static void vector_update(struct pci_msix *msix, struct pci_msix_vector *v)
{
	vector_update_feeds(msix, v);
	if (v->pending && vector_open(msix, v)) {
		v->pending = false;
		vector_deliver(msix, v);
	}
}

static void vector_add_feed(struct pci_msix *msix, struct pci_msix_vector *v,
			    struct pci_msix_feed *feed)
{
	pthread_mutex_lock(&v->lock);
	feed->next = v->feeds;
	v->feeds = feed;
	vector_update(msix, v);
	pthread_mutex_unlock(&v->lock);
}

static void vector_remove_feed(struct pci_msix *msix, struct pci_msix_vector *v,
			       struct pci_msix_feed *feed)
{
	const struct msi_sink *sink = &msix->dev->msi;
	struct pci_msix_feed **p = &v->feeds;

	pthread_mutex_lock(&v->lock);
	while (*p != feed)
		p = &(*p)->next;
	*p = feed->next;
	if (feed->attached)
		sink->ops->attach(sink->ctx, v->route, feed->fd, false);
	feed->attached = false;
	pthread_mutex_unlock(&v->lock);
}

void pci_msix_set_feed(struct pci_msix *msix, struct pci_msix_feed *feed, unsigned vector)
{
	if (vector >= msix->n_vectors)
		vector = PCI_MSIX_NO_VECTOR;
	if (vector == feed->vector)
		return;
	if (feed->vector != PCI_MSIX_NO_VECTOR)
		vector_remove_feed(msix, &msix->vectors[feed->vector], feed);
	feed->vector = vector;
	if (vector != PCI_MSIX_NO_VECTOR)
		vector_add_feed(msix, &msix->vectors[vector], feed);
}

void pci_msix_notify(struct pci_msix *msix, unsigned vector)
{
	struct pci_msix_vector *v;

	if (vector >= msix->n_vectors || !atomic_load(&msix->enabled))
		return;
	v = &msix->vectors[vector];
	pthread_mutex_lock(&v->lock);
	if (vector_open(msix, v))
		vector_deliver(msix, v);
	else
		v->pending = true;
	pthread_mutex_unlock(&v->lock);
}

bool pci_msix_enabled(struct pci_msix *msix)
{
	return atomic_load(&msix->enabled);
}

void pci_msix_config_written(struct pci_msix *msix)
{
	uint16_t flags = load_le(msix->dev->config + msix->cap + PCI_MSIX_FLAGS, 2);

	atomic_store(&msix->function_mask, flags & PCI_MSIX_FLAGS_MASKALL);
	atomic_store(&msix->enabled, flags & PCI_MSIX_FLAGS_ENABLE);
	/* Taking each lock also waits for what was being delivered before. */
	for (unsigned i = 0; i < msix->n_vectors; i++) {
		struct pci_msix_vector *v = &msix->vectors[i];

		pthread_mutex_lock(&v->lock);
		vector_update(msix, v);
		pthread_mutex_unlock(&v->lock);
	}
}

/* Routes stay: the next message of a vector takes its old one over. */
void pci_msix_reset(struct pci_msix *msix)
{
	atomic_store(&msix->enabled, false);
	atomic_store(&msix->function_mask, false);
	for (unsigned i = 0; i < msix->n_vectors; i++) {
		struct pci_msix_vector *v = &msix->vectors[i];

		pthread_mutex_lock(&v->lock);
		v->addr = 0;
		v->data = 0;
		v->control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		v->pending = false;
		vector_update_feeds(msix, v);
		pthread_mutex_unlock(&v->lock);
	}
}

/* The vector that an access to the table is about, or NULL. */
static struct pci_msix_vector *table_vector(struct pci_msix *msix, uint64_t off, unsigned size)
{
	if ((size != 4 && size != 8) || off % size)
		return NULL;
	if (off / PCI_MSIX_ENTRY_SIZE >= msix->n_vectors)
		return NULL;
	return &msix->vectors[off / PCI_MSIX_ENTRY_SIZE];
}

uint64_t pci_msix_table_read(struct pci_msix *msix, uint64_t off, unsigned size)
{
	struct pci_msix_vector *v = table_vector(msix, off, size);
	uint8_t entry[PCI_MSIX_ENTRY_SIZE];

	if (!v)
		return 0;
	pthread_mutex_lock(&v->lock);
	store_le(entry + PCI_MSIX_ENTRY_LOWER_ADDR, 8, v->addr);
	store_le(entry + PCI_MSIX_ENTRY_DATA, 4, v->data);
	store_le(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, v->control);
	pthread_mutex_unlock(&v->lock);
	return load_le(entry + off % PCI_MSIX_ENTRY_SIZE, size);
}

/* One dword of an entry. The low address bits and the reserved control bits stay 0. */
static void vector_write(struct pci_msix_vector *v, unsigned reg, uint32_t value)
{
	switch (reg) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		v->addr = (v->addr & ~0xffffffffull) | (value & ~3u);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		v->addr = (v->addr & 0xffffffff) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		v->data = value;
		break;
	case PCI_MSIX_ENTRY_VECTOR_CTRL:
		v->control = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
		break;
	}
}

void pci_msix_table_write(struct pci_msix *msix, uint64_t off, unsigned size, uint64_t value)
{
	struct pci_msix_vector *v = table_vector(msix, off, size);
	unsigned reg = off % PCI_MSIX_ENTRY_SIZE;

	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	vector_write(v, reg, value);
	if (size == 8)
		vector_write(v, reg + 4, value >> 32);
	vector_update(msix, v);
	pthread_mutex_unlock(&v->lock);
}

uint64_t pci_msix_pba_read(struct pci_msix *msix, uint64_t off, unsigned size)
{
	uint64_t pending = 0;

	if ((size != 4 && size != 8) || off % size || off >= sizeof(pending))
		return 0;
	for (unsigned i = 0; i < msix->n_vectors; i++) {
		struct pci_msix_vector *v = &msix->vectors[i];

		pthread_mutex_lock(&v->lock);
		if (v->pending)
			pending |= BIT(i);
		pthread_mutex_unlock(&v->lock);
	}
	return pending >> off * 8 & all_ones(size);
}
