/* SPDX-License-Identifier: MIT */
/*
 * The virtio device state machine (virtio 1.2, 2.1 and 3), once for all
 * devices and transports.
 *
 *     transport (virtio_pci, virtio_mmio, vhost_user_backend)  -- registers, interrupts
 *           |  virtio_set_status(), virtio_get_features(), ...
 *     virtio.c                                          -- status, features, queues, reset
 *           |  virtio_ops
 *     device (rng.c, console.c, ...)                    -- what it does
 *
 * A device fills in a const virtio_ops and embeds a struct virtio_device. It
 * knows neither its bus nor its process.
 *
 * Threads and locks
 *   - notify() runs on the device's loop thread with v->lock held.
 *   - config_read(), config_write(), activate(), reset() run on any thread
 *     with v->lock held.
 *   - quiesce() runs without v->lock while the queues are off: it returns when
 *     nothing of the device touches guest memory any more. On any thread, at a
 *     machine reset the loop's: what it waits for does not need the loop, or is
 *     waited for by loop_call(), which is right on either. NULL when the device
 *     touches guest memory only with v->lock held.
 *   - A device's own callbacks (fds, timers) take v->lock themselves, then ask
 *     virtio_running().
 *   - Transports call the virtio_* register functions under a lock of their
 *     own, one register access at a time. Order: transport -> v->lock -> irq.
 *     No device takes a transport's lock.
 *
 * Queues served elsewhere (ops->external): another process or the kernel pops
 * them. The loop does not watch their kick eventfds, which the device hands on
 * at activate() and takes back at quiesce() or reset(). Each queue also has a
 * call eventfd, for its server to write when the driver is to be interrupted;
 * the loop passes that on to the transport, unless this one has the kernel do
 * it. A server may be hostile: on either descriptor nothing is read, and no
 * write waits for room with a lock held.
 *
 * A transport may keep the device from guest memory for a while (a PCI function without bus
 * mastering): then it is not running, and DRIVER_OK's activate() waits until it may.
 *
 * Life: virtio_init() ... virtio_attach() by the transport ... driver
 * negotiates ... DRIVER_OK: activate(), kicks arrive ... status 0: queues off,
 * quiesce(), reset() ... virtio_finish(). Which queues are enabled does not
 * change between DRIVER_OK and reset, but for virtio_start_queue().
 */
#ifndef MICROVM_VIRTIO_H
#define MICROVM_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "devices/virtio/virtq.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/util.h"

#define VIRTIO_MAX_QUEUES 64

/* What virtio.c offers for every device beside the device's own bits. */
#define VIRTIO_COMMON_FEATURES                                                                     \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

struct shm_map;
struct shm_window;
struct virtio_device;

struct virtio_ops {
	const char *name;		/* "virtio-rng" */
	uint16_t id;			/* VIRTIO_ID_... */
	uint32_t pci_class;		/* 24 bits */
	bool external;			/* queues are served elsewhere; notify() after virtio_adopt() */
	/*
	 * Device configuration; [off, off + len) lies within v->config_len.
	 * NULL config_read: zeros. NULL config_write: dropped.
	 */
	void (*config_read)(struct virtio_device *v, uint32_t off, void *buf, uint32_t len);
	void (*config_write)(struct virtio_device *v, uint32_t off, const void *buf, uint32_t len);
	/*
	 * DRIVER_OK: v->features is final, enabled queues may be popped. Each of
	 * them gets one notify() soon, kicked or not. May be NULL.
	 */
	void (*activate)(struct virtio_device *v);
	/*
	 * The driver kicked queue @q, which is enabled. Does a bounded amount of
	 * work; virtio_kick() for the rest.
	 */
	void (*notify)(struct virtio_device *v, unsigned q);
	void (*quiesce)(struct virtio_device *v);	/* may be NULL */
	/* All chains are void: forget them. Also called when it was never active. May be NULL. */
	void (*reset)(struct virtio_device *v);
	/*
	 * A piece of v->shm may have been taken away: the window is empty now. On any
	 * thread with v->lock held. May be NULL.
	 */
	void (*shm_lost)(struct virtio_device *v);
	/*
	 * What was asked for by virtio_shm_map() or virtio_shm_unmap() has been done, or
	 * could not be: once a call that returned 0, in their order, but none any more after a
	 * reset. On the loop's thread with v->lock held.
	 */
	void (*shm_done)(struct virtio_device *v, bool ok);
};

/* How a device's interrupts leave it; supplied by the transport. v->lock held... */
struct virtio_transport_ops {
	void (*queue_irq)(void *ctx, unsigned q);	/* ...or v->call_lock */
	void (*config_irq)(void *ctx);
	/* Of a shared-memory region in another process; see virtio_shm_map(). NULL: all three. */
	int (*shm_map)(void *ctx, const struct shm_map *map);
	int (*shm_unmap)(void *ctx, uint64_t off, uint64_t len);
	unsigned (*shm_room)(void *ctx);
};

struct virtio_queue {
	struct virtq vq;
	struct loop_fd kick;	/* an eventfd, on the loop since virtio_init() unless external */
	struct loop_fd call;	/* external: an eventfd, on the loop since virtio_init() */
	struct virtio_device *v;
};

struct virtio_device {
	const struct virtio_ops *ops;
	struct loop *loop;
	const struct gmem *mem;
	pthread_mutex_t lock;
	uint64_t offered;	/* features, VIRTIO_COMMON_FEATURES included */
	uint64_t features;	/* accepted by the driver; final at FEATURES_OK */
	uint32_t config_len;
	unsigned n_queues;
	struct virtio_queue *queues;
	struct shm_window *shm;	/* the device's, set before virtio_attach(); NULL: it has none */
	struct log_rate rate;	/* for log_guest() */

	/* virtio.c's own */
	uint8_t status;
	bool active;		/* activate() was called, and no reset since */
	bool held;		/* by virtio_set_dma() */
	bool config_changed;	/* since the driver last read it */
	bool config_irq_due;	/* a change that DRIVER_OK has yet to tell of */
	uint32_t config_generation;
	pthread_mutex_t call_lock;	/* a leaf but for irq: the loop does not wait for v->lock */
	bool calls;		/* external: call eventfds interrupt the driver */
	bool adopted;		/* external: served here nevertheless, until a reset */
	const struct virtio_transport_ops *transport;
	void *transport_ctx;
};

/* --- for devices ------------------------------------------------------- */

/*
 * Queue sizes: @n_queues powers of two. @features: the device's own bits; all
 * bits, when its queues are external. Creates the eventfds and puts them on
 * @loop. 0 or negative errno.
 */
int virtio_init(struct virtio_device *v, const struct virtio_ops *ops, struct loop *loop,
		const struct gmem *mem, const uint16_t *queue_sizes, unsigned n_queues,
		uint64_t features, uint32_t config_len);
/*
 * The driver may choose packed rings (VIRTIO_F_RING_PACKED). Not with external
 * queues: whoever serves them may know split ones only. Before the driver comes.
 */
void virtio_offer_packed(struct virtio_device *v);
/* Loop thread, with no vCPU running. */
void virtio_finish(struct virtio_device *v);

/*
 * DRIVER_OK is set, no reset under way, the device not broken and not kept from guest
 * memory. v->lock held.
 */
bool virtio_running(const struct virtio_device *v);
static inline bool virtio_has_feature(const struct virtio_device *v, unsigned bit)
{
	return v->features & BIT(bit);
}
static inline struct virtq *virtio_queue(struct virtio_device *v, unsigned q)
{
	return &v->queues[q].vq;
}
/*
 * virtq_pop() that turns a broken queue into DEVICE_NEEDS_RESET; what devices
 * call. v->lock held.
 */
struct virtq_chain *virtio_pop(struct virtio_device *v, unsigned q);
/*
 * Shows the driver what was pushed, which it does not see before, and
 * interrupts it if it wants that. Once after a batch of pushes. v->lock held.
 */
void virtio_signal(struct virtio_device *v, unsigned q);
/*
 * As if the driver had kicked: notify() comes again after other sources of the
 * loop had their turn. Any thread.
 */
void virtio_kick(struct virtio_device *v, unsigned q);
/* Device configuration changed: generation up, config interrupt. v->lock held. */
void virtio_config_changed(struct virtio_device *v);
/* The driver broke the rules: says why once, DEVICE_NEEDS_RESET, config interrupt. v->lock held. */
__attribute__((format(printf, 2, 3)))
void virtio_fail(struct virtio_device *v, const char *fmt, ...);

/*
 * For a device that has the pieces of its shared-memory region mapped by the process
 * that shows it to the guest (vhost-user). 0: ops->shm_done() comes; -ENOTSUP: that
 * process has no such region; -EBUSY: there is no room for another request; -EPIPE: it
 * goes. map->fd is the caller's. v->lock held.
 */
int virtio_shm_map(struct virtio_device *v, const struct shm_map *map);
int virtio_shm_unmap(struct virtio_device *v, uint64_t off, uint64_t len);
/* How many more requests there is room for; any number where all are answered at once. */
unsigned virtio_shm_room(struct virtio_device *v);

/*
 * The server of external queues has ended, and its driver waits: enabled queues
 * are served by notify() from now on, though the device needs a reset, so that
 * what is asked of it can be answered with errors. Once a reset has begun,
 * virtio_disown() before somebody else serves them; else a no-op. Loop thread,
 * v->lock held.
 */
void virtio_adopt(struct virtio_device *v);
void virtio_disown(struct virtio_device *v);

/* --- for transports ---------------------------------------------------- */

void virtio_attach(struct virtio_device *v, const struct virtio_transport_ops *ops, void *ctx);
/* The eventfd behind queue @q's doorbell, the same from init to finish. */
int virtio_kick_fd(const struct virtio_device *v, unsigned q);
/*
 * External: the eventfd that interrupts the driver for queue @q, likewise; -1
 * otherwise. A transport may have the kernel take it off the loop's hands.
 */
int virtio_call_fd(const struct virtio_device *v, unsigned q);

/*
 * Whether the device may touch guest memory, which it may from virtio_init() on. When it
 * may not any more, this returns when it is done with that; external queues are stopped
 * then and the device needs a reset. Under the transport's lock, as registers.
 */
void virtio_set_dma(struct virtio_device *v, bool on);

uint8_t virtio_get_status(struct virtio_device *v);
/*
 * The driver writes status. Steps out of order are ignored, FEATURES_OK is
 * refused for features that were not offered or lack VERSION_1, 0 resets
 * (cases 22, 23).
 */
void virtio_set_status(struct virtio_device *v, uint8_t status);
/* 32 bits of features, @sel 0 or 1 (others read 0, writes dropped). */
uint32_t virtio_offered_features(struct virtio_device *v, uint32_t sel);
uint32_t virtio_driver_features(struct virtio_device *v, uint32_t sel);
void virtio_set_driver_features(struct virtio_device *v, uint32_t sel, uint32_t value);
/*
 * Registers of queue @q. Out of range, reads give 0 and writes are dropped;
 * once the queue is enabled, writes are dropped. A size that no queue can have,
 * given the features so far, reads back as 0 and keeps the queue off (cases 12-14).
 */
enum virtio_queue_addr { VIRTIO_QUEUE_DESC, VIRTIO_QUEUE_AVAIL, VIRTIO_QUEUE_USED };
uint16_t virtio_queue_max_size(struct virtio_device *v, unsigned q);
uint16_t virtio_queue_size(struct virtio_device *v, unsigned q);
void virtio_set_queue_size(struct virtio_device *v, unsigned q, uint32_t size);
uint64_t virtio_queue_addr(struct virtio_device *v, unsigned q, enum virtio_queue_addr which);
/* Writes the low (@half 0) or high (@half 1) 32 bits. */
void virtio_set_queue_addr(struct virtio_device *v, unsigned q, enum virtio_queue_addr which,
			   unsigned half, uint32_t value);
bool virtio_queue_enabled(struct virtio_device *v, unsigned q);
/*
 * Checks the queue and makes it ready; between FEATURES_OK and DRIVER_OK,
 * dropped at any other time.
 */
void virtio_enable_queue(struct virtio_device *v, unsigned q);
/* Makes it unready, before DRIVER_OK only; afterwards it takes a reset. */
void virtio_disable_queue(struct virtio_device *v, unsigned q);
/*
 * For a transport that starts and stops queues one by one (vhost-user), and
 * knows split ones only. Such a one makes them ready between FEATURES_OK and
 * reset, and has chains of queue @q popped from index @base on. False when it is
 * not there, ready already, or not to be served like that.
 */
struct virtio_queue_setup {
	uint16_t size, base;
	uint64_t desc, avail, used;	/* guest addresses */
};
bool virtio_start_queue(struct virtio_device *v, unsigned q, const struct virtio_queue_setup *s);
/*
 * Makes it unready at any time and says from which index on it is to be gone on
 * with. Chains in flight are void: a reset follows, or the device holds none.
 */
uint16_t virtio_stop_queue(struct virtio_device *v, unsigned q);
/* The driver kicked queue @q, and not by virtio_kick_fd(). Loop thread. */
void virtio_kicked_queue(struct virtio_device *v, unsigned q);
/* Any offset, width and length: outside config_len reads 0 and writes are dropped (case 24). */
void virtio_config_read(struct virtio_device *v, uint64_t off, void *buf, uint32_t len);
void virtio_config_write(struct virtio_device *v, uint64_t off, const void *buf, uint32_t len);
uint32_t virtio_config_generation(struct virtio_device *v);
/* Memory of v->shm may be gone, which a vCPU cannot go on without: empties the window. */
void virtio_shm_repair(struct virtio_device *v);

#endif
