/* SPDX-License-Identifier: MIT */
/* The back end of vhost-user with front ends that are in order, confused and hostile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/vhost_user_backend.h"
#include "tests/echo_dev.h"
#include "tests/vhost_peer.h"

#define V1 BIT(VIRTIO_F_VERSION_1)
#define SIZE ECHO_QUEUE_SIZE

struct t {
	struct loop *loop;
	struct vhost_user_backend b;
	struct echo_dev e;
	struct vhost_peer p;
	unsigned left, leaves, enters;
};

static void note_left(void *ctx)
{
	struct t *t = ctx;

	t->left++;
}

static void note_leave(void *ctx)
{
	struct t *t = ctx;

	/* Memory is there until this returns. */
	assert_true(t->b.mem.n_regions > 0);
	t->leaves++;
}

static void note_enter(void *ctx)
{
	struct t *t = ctx;

	assert_true(t->b.mem.n_regions > 0);
	t->enters++;
}

static void connect_peer(struct t *t)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vhost_user_backend_connect(&t->b, pair[1]), 0);
	vp_init(&t->p, pair[0], t->loop);
}

static int make(void **state, bool keeps)
{
	struct t *t = calloc(1, sizeof(*t));
	struct vhost_user_backend_params params = { .left = note_left, .ctx = t };

	if (keeps) {
		params.memory_leave = note_leave;
		params.memory_enter = note_enter;
	}
	assert_int_equal(loop_create(&t->loop), 0);
	vhost_user_backend_init(&t->b, t->loop, "test");
	echo_init(&t->e, t->loop, &t->b.mem);
	vhost_user_backend_attach(&t->b, &t->e.v, &params);
	connect_peer(t);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return make(state, false);
}

static int setup_keeper(void **state)
{
	return make(state, true);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vp_finish(&t->p);
	vhost_user_backend_finish(&t->b);
	assert_int_equal(t->b.mem.n_regions, 0);
	echo_finish(&t->e);
	loop_destroy(t->loop);
	free(t);
	return 0;
}

static void settle(struct t *t)
{
	for (unsigned i = 0; i < 50; i++)
		loop_run_once(t->loop, 0);
}

static void start(struct t *t)
{
	vp_start(&t->p, 0, 2, SIZE);
}

/* Adds a request that is to be echoed; where the echo will be. */
static uint64_t ask_echo(struct t *t, unsigned q)
{
	uint64_t gpa = vp_alloc(&t->p, 64);
	struct vdrv_buf bufs[] = { VDRV_OUT(gpa, 6), VDRV_IN(gpa + 32, 6) };

	gmem_write(&t->p.mem, gpa, "hello", 6);
	assert_true(vdrv_add(&t->p.q[q].ring, bufs, 2) >= 0);
	return gpa + 32;
}

static void assert_echo(struct t *t)
{
	uint64_t gpa = ask_echo(t, 0);

	vp_take_irq(&t->p, 0);
	vp_kick(&t->p, 0);
	assert_int_equal(vp_used(&t->p, 0), 6);
	assert_true(vp_take_irq(&t->p, 0));
	assert_string_equal(gmem_ptr(&t->p.mem, gpa, 6), "hello");
}

/* --- in order ------------------------------------------------------------------------ */

static void front_end_learns_what_there_is(void **state)
{
	struct t *t = *state;
	uint64_t features = vp_ask(&t->p, VHOST_USER_GET_FEATURES);

	assert_true(features == (ECHO_FEATURES | VIRTIO_COMMON_FEATURES |
				 BIT(VHOST_USER_F_PROTOCOL_FEATURES)));
	assert_int_equal(vp_ask(&t->p, VHOST_USER_GET_QUEUE_NUM), ECHO_QUEUES);
	assert_true(vp_ask(&t->p, VHOST_USER_GET_PROTOCOL_FEATURES) &
		    BIT(VHOST_USER_PROTOCOL_F_CONFIG));
}

static void rings_are_served(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 40; i++)
		assert_echo(t);
	assert_int_equal(t->e.activations, 1);
	assert_int_equal(t->e.resets, 0);
	assert_true(t->e.v.features == V1);
}

static void chains_that_lie_ready_need_no_kick(void **state)
{
	struct t *t = *state;

	vp_negotiate(&t->p, 0);
	vp_share_memory(&t->p);
	vp_set_ring(&t->p, 0, SIZE, 0);
	ask_echo(t, 0);
	settle(t);
	assert_int_equal(vdrv_used(&t->p.q[0].ring, NULL), -1);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_int_equal(vp_used(&t->p, 0), 6);
}

static void ring_that_comes_later_joins(void **state)
{
	struct t *t = *state;

	vp_start(&t->p, 0, 1, SIZE);
	assert_echo(t);
	vp_set_ring(&t->p, 1, SIZE, 0);
	assert_int_equal(vp_enable(&t->p, 1, true), 0);
	for (unsigned i = 0; i < ECHO_PARK; i++)
		ask_echo(t, 1);
	vp_kick(&t->p, 1);
	assert_true(vp_used(&t->p, 1) >= 0);
	assert_echo(t);
	assert_int_equal(t->e.resets, 0);
	assert_int_equal(t->e.activations, 1);
}

static void front_end_without_protocol_features_is_served(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .u64 = V1 };
	struct vdrv_ring *r = &t->p.q[0].ring;

	/* For what the helper wants to be told; the front end's choice comes after it. */
	vp_negotiate(&t->p, 0);
	vp_share_memory(&t->p);
	vp_set_ring(&t->p, 0, SIZE, 0);
	assert_true(vp_send(&t->p, VHOST_USER_SET_FEATURES, &msg, 8, NULL, 0));
	settle(t);
	assert_int_equal(r->avail_idx, 0);
	assert_echo(t);
}

static void base_says_where_to_go_on(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 5; i++)
		assert_echo(t);
	assert_int_equal(vp_stop_ring(&t->p, 0), 5);
	ask_echo(t, 0);
	vp_kick(&t->p, 0);
	settle(t);
	assert_int_equal(vdrv_used(&t->p.q[0].ring, NULL), -1);
	vp_set_ring(&t->p, 0, SIZE, 5);
	assert_int_equal(vp_used(&t->p, 0), 6);
	assert_echo(t);
	assert_int_equal(vp_stop_ring(&t->p, 0), 7);
}

/* Chains that the device holds are not lost, but served by whoever comes next. */
static void base_leaves_chains_in_flight_to_the_next(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < ECHO_PARK + 2; i++)
		ask_echo(t, 1);
	vp_kick(&t->p, 1);
	for (unsigned i = 0; i < ECHO_PARK; i++)
		assert_true(vp_used(&t->p, 1) >= 0);
	assert_int_equal(t->e.n_parked, 2);
	assert_int_equal(vp_stop_ring(&t->p, 1), ECHO_PARK);
	vp_stop_ring(&t->p, 0);
	assert_int_equal(t->e.n_parked, 0);
	vp_set_ring(&t->p, 1, SIZE, ECHO_PARK);
	settle(t);
	assert_int_equal(t->e.n_parked, 2);
	ask_echo(t, 1);
	ask_echo(t, 1);
	vp_kick(&t->p, 1);
	for (unsigned i = 0; i < ECHO_PARK; i++)
		assert_true(vp_used(&t->p, 1) >= 0);
}

static void device_is_reset_when_its_last_ring_stops(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 3; i++) {
		unsigned resets = t->e.resets;

		assert_echo(t);
		vp_stop_ring(&t->p, 0);
		vp_stop_ring(&t->p, 1);
		assert_true(t->e.resets > resets);
		assert_int_equal(virtio_get_status(&t->e.v), 0);
		vp_set_ring(&t->p, 0, SIZE, 0);
		vp_set_ring(&t->p, 1, SIZE, 0);
	}
	assert_echo(t);
}

static void reset_of_the_device_disables_rings(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vp_do(&t->p, VHOST_USER_RESET_DEVICE, &(struct vhost_user_msg){ 0 }, 0,
			       NULL, 0), 0);
	assert_int_equal(virtio_get_status(&t->e.v), 0);
	vp_set_ring(&t->p, 0, SIZE, 0);
	settle(t);
	assert_int_equal(t->e.activations, 1);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_echo(t);
}

static void disabled_ring_is_not_served(void **state)
{
	struct t *t = *state;

	start(t);
	assert_echo(t);
	assert_int_equal(vp_enable(&t->p, 0, false), 0);
	ask_echo(t, 0);
	vp_kick(&t->p, 0);
	settle(t);
	assert_int_equal(vdrv_used(&t->p.q[0].ring, NULL), -1);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_int_equal(vp_used(&t->p, 0), 6);
	assert_echo(t);
}

static void device_that_can_keeps_its_state_when_a_ring_stops(void **state)
{
	struct t *t = *state;

	start(t);
	assert_echo(t);
	assert_int_equal(vp_enable(&t->p, 0, false), 0);
	assert_int_equal(t->leaves, 1);
	assert_int_equal(t->enters, 1);
	assert_int_equal(t->e.resets, 0);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_echo(t);
	assert_int_equal(t->e.activations, 1);
}

/* As when a VMM is paused: the same driver goes on where it was. */
static void device_that_can_keeps_its_state_when_all_rings_stop(void **state)
{
	struct t *t = *state;

	start(t);
	for (unsigned i = 0; i < 3; i++) {
		uint16_t base;

		assert_echo(t);
		base = vp_stop_ring(&t->p, 0);
		assert_int_equal(vp_stop_ring(&t->p, 1), 0);
		vp_set_ring(&t->p, 0, SIZE, base);
		vp_set_ring(&t->p, 1, SIZE, 0);
	}
	assert_echo(t);
	assert_int_equal(t->e.activations, 1);
	assert_int_equal(t->e.resets, 0);
	/* Another one begins at 0. */
	vp_stop_ring(&t->p, 0);
	vp_stop_ring(&t->p, 1);
	assert_int_equal(t->e.resets, 0);
	vp_set_ring(&t->p, 0, SIZE, 0);
	vp_set_ring(&t->p, 1, SIZE, 0);
	assert_echo(t);
	assert_int_equal(t->e.activations, 2);
	assert_int_equal(t->e.resets, 1);
}

static void device_that_keeps_its_state_can_be_reset(void **state)
{
	struct t *t = *state;
	uint16_t base;

	start(t);
	assert_echo(t);
	base = vp_stop_ring(&t->p, 0);
	vp_stop_ring(&t->p, 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_RESET_DEVICE, &(struct vhost_user_msg){ 0 }, 0,
			       NULL, 0), 0);
	assert_int_equal(t->e.resets, 1);
	vp_set_ring(&t->p, 0, SIZE, base);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_echo(t);
	assert_int_equal(t->e.activations, 2);
}

/* --- memory ------------------------------------------------------------------------------ */

/* Another memfd with the same contents, as when a front end moves memory. */
static void move_memory(struct t *t)
{
	struct gmem mem;

	assert_int_equal(gmem_init(&mem, &(struct gmem_range){ 0, VP_MEMORY }, 1), 0);
	memcpy(mem.regions[0].host, t->p.mem.regions[0].host, VP_MEMORY);
	gmem_finish(&t->p.mem);
	t->p.mem = mem;
	assert_int_equal(vp_share_memory(&t->p), 0);
	for (unsigned q = 0; q < 2; q++) {
		struct vdrv_ring *r = &t->p.q[q].ring;

		r->desc = gmem_ptr(&mem, r->desc_gpa, 16);
		r->avail = gmem_ptr(&mem, r->avail_gpa, 16);
		r->used = gmem_ptr(&mem, r->used_gpa, 16);
	}
}

static void memory_may_move_under_running_rings(void **state)
{
	struct t *t = *state;

	start(t);
	assert_echo(t);
	move_memory(t);
	assert_echo(t);
	assert_int_equal(t->e.activations, 2);
}

static void device_that_can_keeps_its_state_when_memory_moves(void **state)
{
	struct t *t = *state;

	start(t);
	assert_echo(t);
	move_memory(t);
	assert_echo(t);
	assert_int_equal(t->leaves, 1);
	assert_int_equal(t->enters, 1);
	assert_int_equal(t->e.activations, 1);
	assert_int_equal(t->e.resets, 0);
}

static void ring_before_its_memory_waits_for_it(void **state)
{
	struct t *t = *state;

	vp_negotiate(&t->p, 0);
	assert_int_equal(gmem_init(&t->p.mem, &(struct gmem_range){ 0, VP_MEMORY }, 1), 0);
	vp_set_ring(&t->p, 0, SIZE, 0);
	assert_int_equal(vp_enable(&t->p, 0, true), 1);
	assert_int_equal(virtio_get_status(&t->e.v), 0);
	assert_int_equal(t->e.activations, 0);
	assert_int_equal(vp_share_memory(&t->p), 0);
	assert_echo(t);
	assert_int_equal(t->e.activations, 1);
}

static void same_memory_again_changes_nothing(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vp_share_memory(&t->p), 0);
	assert_echo(t);
	assert_int_equal(t->e.activations, 1);
}

static void memory_of_several_regions_is_found_by_user_addresses(void **state)
{
	static const struct gmem_range ranges[] = {
		{ 0, 0x1000 }, { 0x100000, 0x100000 }, { 4 * GiB, 0x100000 },
	};
	struct t *t = *state;

	assert_int_equal(gmem_init(&t->p.mem, ranges, 3), 0);
	t->p.heap = 4 * GiB;
	start(t);
	assert_echo(t);
	assert_int_equal(t->b.mem.n_regions, 3);
}

/* One region of @len bytes at @offset of @fd, shared; what the back end says. */
static uint64_t share(struct t *t, int fd, uint64_t gpa, uint64_t len, uint64_t offset)
{
	struct vhost_user_msg msg = { .memory = {
		.n_regions = 1,
		.regions = { { .gpa = gpa, .len = len, .user = VP_USER, .offset = offset } },
	} };

	return vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 8 + 32, &fd, 1);
}

static int memfd(uint64_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0 && ftruncate(fd, size) == 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void case_77_memory_that_could_shrink_is_refused(void **state)
{
	struct t *t = *state;
	int good = memfd(0x4000, F_SEAL_SHRINK), bad = memfd(0x4000, F_SEAL_GROW);

	vp_negotiate(&t->p, 0);
	assert_int_equal(share(t, bad, 0, 0x4000, 0), 1);
	assert_int_equal(t->b.mem.n_regions, 0);
	assert_int_equal(share(t, good, 0, 0x4000, 0), 0);
	close(good);
	close(bad);
}

static void memory_that_is_not_there_is_refused(void **state)
{
	struct t *t = *state;
	int fd = memfd(0x4000, F_SEAL_SHRINK), sealed = memfd(0x4000, F_SEAL_SHRINK | F_SEAL_WRITE);
	int null = open("/dev/zero", O_RDWR | O_CLOEXEC);
	const struct { uint64_t gpa, len, offset; } bad[] = {
		{ 0, 0x5000, 0 },		/* beyond the end */
		{ 0, 0x4000, 0x1000 },
		{ 0, 0x1000, 0x4000 },
		{ 0, 0x1000, BIT(62) },
		{ 0, 0, 0 },			/* empty */
		{ 0, 0x800, 0 },		/* not of whole pages */
		{ 0x800, 0x1000, 0 },
		{ 0, 0x1000, 0x10 },
		{ 0, 0ull - 0x1000, 0 },
		{ 0ull - 0x1000, 0x2000, 0 },	/* wraps */
		{ 0, 0x1000, 0ull - 0x1000 },
	};

	vp_negotiate(&t->p, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(share(t, fd, bad[i].gpa, bad[i].len, bad[i].offset), 1);
	assert_int_equal(share(t, null, 0, 0x1000, 0), 1);
	assert_int_equal(share(t, t->p.channel, 0, 0x1000, 0), 1);
	assert_int_equal(share(t, sealed, 0, 0x1000, 0), 1);
	assert_int_equal(t->b.mem.n_regions, 0);
	assert_int_equal(share(t, fd, 0x4000, 0x1000, 0x3000), 0);
	close(fd);
	close(sealed);
	close(null);
}

static void tables_that_do_not_fit_together_are_refused(void **state)
{
	struct t *t = *state;
	int fd = memfd(0x4000, F_SEAL_SHRINK), fds[VHOST_USER_MAX_FDS];
	struct vhost_user_msg msg = { .memory = {
		.n_regions = 2,
		.regions = { { 0, 0x2000, VP_USER, 0 }, { 0x2000, 0x2000, VP_USER + 0x2000, 0 } },
	} };
	struct vhost_user_msg m;

	for (unsigned i = 0; i < VHOST_USER_MAX_FDS; i++)
		fds[i] = fd;
	vp_negotiate(&t->p, 0);
	m = msg;
	m.memory.regions[1].gpa = 0x1000;	/* one over the other */
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &m, 8 + 64, fds, 2), 1);
	m = msg;
	m.memory.regions[1].user = VP_USER + 0x1000;
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &m, 8 + 64, fds, 2), 1);
	/* Descriptors and regions are not the same number. */
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 8 + 64, fds, 1), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 8 + 64, fds, 3), 1);
	/* More regions than bytes, than there may be, or none. */
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 8 + 32, fds, 2), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 4, fds, 2), 1);
	m = msg;
	m.memory.n_regions = UINT32_MAX;
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &m, 8 + 64, fds, 2), 1);
	m.memory.n_regions = 0;
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &m, 8, NULL, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 8 + 64, fds, 2), 0);
	close(fd);
}

/* What was shared before is of use until the next table is good. */
static void bad_table_leaves_the_one_before(void **state)
{
	struct t *t = *state;
	int fd = memfd(0x4000, 0);

	start(t);
	assert_int_equal(share(t, fd, 0, 0x4000, 0), 1);
	assert_echo(t);
	assert_int_equal(t->e.activations, 1);
	close(fd);
}

/* --- rings that are wrong ------------------------------------------------------------------ */

static void ring_outside_memory_is_refused(void **state)
{
	struct t *t = *state;
	const uint64_t bad[] = { 0, VP_USER + VP_MEMORY, VP_USER - 16, UINT64_MAX - 15,
				 VP_USER + VP_MEMORY - 16 };
	struct vhost_user_msg msg;
	eventfd_t n;

	vp_negotiate(&t->p, 0);
	vp_share_memory(&t->p);
	vp_set_ring(&t->p, 0, SIZE, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		for (unsigned part = 0; part < 3; part++) {
			msg = (struct vhost_user_msg){ .addr = { .desc = VP_USER, .used = VP_USER,
								 .avail = VP_USER } };
			(&msg.addr.desc)[part] = bad[i];
			assert_int_equal(vp_do(&t->p, VHOST_USER_SET_VRING_ADDR, &msg,
					       sizeof(msg.addr), NULL, 0), 0);
			assert_int_equal(vp_enable(&t->p, 0, true), 1);
			assert_int_equal(eventfd_read(t->p.q[0].err, &n), 0);
			assert_int_equal(vp_enable(&t->p, 0, false), 0);
		}
	}
	vp_set_ring(&t->p, 0, SIZE, 0);
	assert_int_equal(vp_enable(&t->p, 0, true), 0);
	assert_echo(t);
}

static void ring_of_a_wrong_size_or_number_is_refused(void **state)
{
	struct t *t = *state;
	const uint32_t sizes[] = { 0, 3, 2 * SIZE, BIT(16), BIT(31), UINT32_MAX };
	const uint32_t indexes[] = { ECHO_QUEUES, 64, 255, UINT32_MAX };
	const uint32_t requests[] = { VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
				      VHOST_USER_SET_VRING_ENABLE };
	struct vhost_user_msg msg = { .addr.index = ECHO_QUEUES };

	vp_negotiate(&t->p, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_NUM, 0, sizes[i]), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(indexes); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(requests); k++)
			assert_int_equal(vp_do_state(&t->p, requests[k], indexes[i], 1), 1);
	assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_BASE, 0, BIT(16)), 1);
	assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_ENABLE, 0, 2), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_VRING_ADDR, &msg, sizeof(msg.addr), NULL, 0),
			 1);
}

static void ring_in_use_cannot_be_changed(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .addr = { .desc = VP_USER, .used = VP_USER,
						.avail = VP_USER } };

	start(t);
	assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_NUM, 0, 2), 1);
	assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_NUM, 0, SIZE), 0);
	assert_int_equal(vp_do_state(&t->p, VHOST_USER_SET_VRING_BASE, 0, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_VRING_ADDR, &msg, sizeof(msg.addr), NULL, 0),
			 1);
	assert_echo(t);
}

static void ring_of_the_guests_that_breaks_is_reported(void **state)
{
	struct t *t = *state;
	eventfd_t n;

	start(t);
	vdrv_set_avail_idx(&t->p.q[0].ring, 1000);
	vp_kick(&t->p, 0);
	settle(t);
	assert_int_equal(eventfd_read(t->p.q[0].err, &n), 0);
	assert_true(virtio_get_status(&t->e.v) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vp_stop_ring(&t->p, 0);
	assert_int_equal(virtio_get_status(&t->e.v) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	vp_stop_ring(&t->p, 1);
	vp_set_ring(&t->p, 0, SIZE, 0);
	assert_echo(t);
}

static void guest_of_before_version_1_is_not_served(void **state)
{
	struct t *t = *state;

	vp_negotiate(&t->p, 0);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_FEATURES,
				   BIT(VHOST_USER_F_PROTOCOL_FEATURES), -1), 0);
	vp_share_memory(&t->p);
	vp_set_ring(&t->p, 0, SIZE, 0);
	assert_int_equal(vp_enable(&t->p, 0, true), 1);
	assert_int_equal(t->e.activations, 0);
}

static void features_that_were_not_offered_are_refused(void **state)
{
	struct t *t = *state;

	vp_negotiate(&t->p, 0);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_FEATURES, V1 | BIT(5), -1), 1);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_FEATURES, UINT64_MAX, -1), 1);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_MAX, -1), 1);
}

/* QEMU names those that it offers its guest by itself. */
static void features_of_the_front_ends_own_are_none_of_ours(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_FEATURES,
				   V1 | BIT(24) | BIT(27) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
				   -1), 0);
	assert_true(t->e.v.features == V1);
	assert_echo(t);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static const uint32_t ring_fds[] = {
	VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_ERR,
};

static void descriptor_that_could_block_is_refused(void **state)
{
	struct t *t = *state;
	int fds[2], file = memfd(0x1000, F_SEAL_SHRINK);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	start(t);
	for (unsigned i = 0; i < ARRAY_SIZE(ring_fds); i++) {
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], 0, fds[1]), 1);
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], 0, file), 1);
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], 0, t->p.channel), 1);
	}
	assert_echo(t);
	close(fds[0]);
	close(fds[1]);
	close(file);
}

static void descriptor_that_is_missing_or_too_much_is_refused(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .u64 = 0 };
	int fds[] = { t->p.q[0].call, t->p.q[0].call };

	vp_negotiate(&t->p, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ring_fds); i++) {
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], 0, -1), 1);
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], VHOST_USER_RING_NO_FD, fds[0]), 1);
		assert_int_equal(vp_do(&t->p, ring_fds[i], &msg, 8, fds, 2), 1);
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], ECHO_QUEUES, fds[0]), 1);
		assert_int_equal(vp_do_u64(&t->p, ring_fds[i], BIT(32), fds[0]), 1);
	}
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_BACKEND_REQ_FD, &msg, 0, NULL, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_GPU_SET_SOCKET, &msg, 0, NULL, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_OWNER, &msg, 0, fds, 1), 1);
	/* A ring that is to be polled is not ours; one without interrupts is. */
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_VRING_KICK, VHOST_USER_RING_NO_FD, -1), 1);
	assert_int_equal(vp_do_u64(&t->p, VHOST_USER_SET_VRING_CALL, VHOST_USER_RING_NO_FD, -1), 0);
}

/* The front end takes the room for interrupts, or never reads them: nobody waits. */
static void interrupt_without_room_keeps_nobody(void **state)
{
	struct t *t = *state;

	start(t);
	assert_int_equal(eventfd_write(t->p.q[0].call, UINT64_MAX - 1), 0);
	ask_echo(t, 0);
	vp_kick(&t->p, 0);
	assert_int_equal(vp_used(&t->p, 0), 6);
}

static void no_descriptor_is_left_behind(void **state)
{
	struct t *t = *state;
	int fds[VHOST_USER_MAX_FDS], first, last;
	struct vhost_user_msg msg = { 0 };

	first = dup(0);
	close(first);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = t->p.q[0].call;
	for (unsigned i = 0; i < 5; i++) {
		start(t);
		assert_echo(t);
		vp_do(&t->p, VHOST_USER_SET_OWNER, &msg, 0, fds, ARRAY_SIZE(fds));
		vp_do(&t->p, VHOST_USER_SET_MEM_TABLE, &msg, 4, fds, ARRAY_SIZE(fds));
		vp_do_u64(&t->p, VHOST_USER_SET_VRING_CALL, 99, fds[0]);
		vp_finish(&t->p);
		settle(t);
		assert_int_equal(t->left, i + 1);
		connect_peer(t);
	}
	vp_finish(&t->p);
	settle(t);
	last = dup(0);
	close(last);
	assert_true(last <= first);
	connect_peer(t);
}

/* --- configuration ---------------------------------------------------------------------------- */

static int config(struct t *t, uint32_t request, uint32_t off, uint32_t size, const char *data,
		  struct vhost_user_msg *msg)
{
	*msg = (struct vhost_user_msg){ .config = { .offset = off, .size = size } };
	memset(msg->config.data, 'x', sizeof(msg->config.data));
	if (data)
		memcpy(msg->config.data, data, size);
	assert_true(vp_send(&t->p, request, msg, VHOST_USER_CONFIG_HEADER + MIN(size, 256u),
			    NULL, 0));
	return request == VHOST_USER_GET_CONFIG ? vp_recv(&t->p, msg) : 0;
}

static void configuration_is_read_and_written(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg;

	assert_int_equal(config(t, VHOST_USER_GET_CONFIG, 0, ECHO_CONFIG_LEN, NULL, &msg), 0);
	assert_int_equal(msg.h.size, VHOST_USER_CONFIG_HEADER + ECHO_CONFIG_LEN);
	assert_memory_equal(msg.config.data, "0123456789", ECHO_CONFIG_LEN);
	config(t, VHOST_USER_SET_CONFIG, 3, 2, "ab", &msg);
	assert_int_equal(config(t, VHOST_USER_GET_CONFIG, 2, 4, NULL, &msg), 0);
	assert_memory_equal(msg.config.data, "2ab5", 4);
}

/* Front ends ask for as much as they know of. */
static void configuration_goes_on_with_zeros(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg;

	assert_int_equal(config(t, VHOST_USER_GET_CONFIG, 8, 100, NULL, &msg), 0);
	assert_int_equal(msg.h.size, VHOST_USER_CONFIG_HEADER + 100);
	assert_memory_equal(msg.config.data, "89\0\0\0", 5);
	assert_int_equal(msg.config.data[99], 0);
	assert_int_equal(config(t, VHOST_USER_GET_CONFIG, 200, 56, NULL, &msg), 0);
	assert_int_equal(msg.config.data[0], 0);
	config(t, VHOST_USER_SET_CONFIG, 9, 4, "abcd", &msg);
	assert_int_equal(config(t, VHOST_USER_GET_CONFIG, 9, 2, NULL, &msg), 0);
	assert_memory_equal(msg.config.data, "a\0", 2);
}

static void configuration_of_no_sense_is_refused(void **state)
{
	struct t *t = *state;
	const struct { uint32_t off, size; } bad[] = {
		{ 0, 257 }, { 0, UINT32_MAX }, { UINT32_MAX, 4 }, { 253, 4 },
		{ UINT32_MAX - 1, UINT32_MAX },
	};
	struct vhost_user_msg msg;

	vp_negotiate(&t->p, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(config(t, VHOST_USER_GET_CONFIG, bad[i].off, bad[i].size, NULL,
					&msg), 0);
		assert_int_equal(msg.h.size, 0);
		msg.config.offset = bad[i].off;
		msg.config.size = bad[i].size;
		assert_int_equal(vp_do(&t->p, VHOST_USER_SET_CONFIG, &msg,
				       VHOST_USER_CONFIG_HEADER + MIN(bad[i].size, 256u), NULL, 0),
				 1);
	}
	/* The message is shorter, or longer, than it says. */
	msg.config.offset = 0;
	msg.config.size = 8;
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_CONFIG, &msg, VHOST_USER_CONFIG_HEADER + 4,
			       NULL, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_CONFIG, &msg, 8, NULL, 0), 1);
	assert_int_equal(vp_do(&t->p, VHOST_USER_SET_CONFIG, &msg, 0, NULL, 0), 1);
}

static void change_of_configuration_is_told(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg;

	start(t);
	pthread_mutex_lock(&t->e.v.lock);
	virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
	assert_int_equal(vhost_user_recv(t->p.channel, &msg, 0), 0);
	assert_int_equal(msg.h.request, VHOST_USER_BACKEND_CONFIG_CHANGE);
	assert_int_equal(msg.h.flags, VHOST_USER_VERSION);
	assert_int_equal(msg.h.size, 0);
}

static void changes_that_nobody_reads_keep_nobody(void **state)
{
	struct t *t = *state;

	start(t);
	pthread_mutex_lock(&t->e.v.lock);
	for (unsigned i = 0; i < 100000; i++)
		virtio_config_changed(&t->e.v);
	pthread_mutex_unlock(&t->e.v.lock);
	assert_echo(t);
}

/* --- front ends that come and go ------------------------------------------------------ */

static void front_end_that_leaves_takes_everything_along(void **state)
{
	struct t *t = *state;

	for (unsigned i = 0; i < 3; i++) {
		start(t);
		assert_echo(t);
		vp_finish(&t->p);
		settle(t);
		assert_int_equal(t->left, i + 1);
		assert_int_equal(t->b.mem.n_regions, 0);
		assert_int_equal(t->b.map.n, 0);
		assert_int_equal(virtio_get_status(&t->e.v), 0);
		connect_peer(t);
	}
}

static void another_connection_takes_the_place_of_the_one_before(void **state)
{
	struct t *t = *state;
	struct vhost_peer old;

	start(t);
	old = t->p;
	connect_peer(t);
	assert_true(vp_is_hung_up(&old));
	assert_int_equal(t->b.mem.n_regions, 0);
	start(t);
	assert_echo(t);
	vp_finish(&old);
}

static int listen_at(struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*addr);

	/* An abstract name of the kernel's choice. */
	assert_int_equal(bind(fd, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "" },
			      sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	memset(addr->sun_path + len - sizeof(sa_family_t), 0,
	       sizeof(*addr) - len);
	return fd;
}

static int dial(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* As the kernel names them: five digits behind a zero. */
	assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(sa_family_t) + 6), 0);
	return fd;
}

static void front_ends_are_served_one_after_the_other(void **state)
{
	struct t *t = *state;
	struct vhost_peer second;
	struct sockaddr_un addr;

	vp_finish(&t->p);
	settle(t);
	assert_int_equal(vhost_user_backend_listen(&t->b, listen_at(&addr)), 0);
	vp_init(&t->p, dial(&addr), t->loop);
	start(t);
	vp_init(&second, dial(&addr), t->loop);
	assert_echo(t);
	vp_finish(&t->p);
	t->p = second;
	start(t);
	assert_echo(t);
}

/* --- noise ---------------------------------------------------------------------------- */

static void request_that_is_not_known_is_refused(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { 0 };
	const uint32_t unknown[] = { 0, 6, 7, 20, 26, 31, 36, 37, 38, 39, 40, 99, UINT32_MAX };

	vp_negotiate(&t->p, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(vp_do(&t->p, unknown[i], &msg, 8, NULL, 0), 1);
}

/* Nobody would learn of a request that failed without an answer. */
static void refusal_without_an_answer_is_the_end(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .state = { 99, 16 } };

	start(t);
	assert_true(vp_send(&t->p, VHOST_USER_SET_VRING_NUM, &msg, 8, NULL, 0));
	assert_true(vp_is_hung_up(&t->p));
	assert_int_equal(t->left, 1);
	assert_int_equal(t->b.mem.n_regions, 0);
}

static void ring_that_is_asked_for_and_not_there_is_the_end(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .state = { .index = ECHO_QUEUES } };

	vp_negotiate(&t->p, 0);
	assert_true(vp_send(&t->p, VHOST_USER_GET_VRING_BASE, &msg, 8, NULL, 0));
	assert_true(vp_is_hung_up(&t->p));
}

static void message_of_another_size_is_refused(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { 0 };

	vp_negotiate(&t->p, 0);
	for (uint32_t r = 1; r < 40; r++) {
		if (r == VHOST_USER_SET_CONFIG || r == VHOST_USER_GET_CONFIG)
			continue;
		msg.h.flags = 0;
		/* Those that are to be answered cannot tell: the end. */
		if (vp_do(&t->p, r, &msg, 44, NULL, 0) == 1)
			continue;
		vp_finish(&t->p);
		connect_peer(t);
		vp_negotiate(&t->p, 0);
	}
	start(t);
	assert_echo(t);
}

static void noise_is_hung_up_on(void **state)
{
	struct t *t = *state;
	static const uint8_t noise[][12] = {
		{ 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },			/* version 0 */
		{ 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 },			/* version 2 */
		{ 1, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255 },		/* endless */
		{ 1, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 0 },		/* too long */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(noise); i++) {
		start(t);
		assert_int_equal(send(t->p.fd, noise[i], 12, 0), 12);
		assert_true(vp_is_hung_up(&t->p));
		vp_finish(&t->p);
		connect_peer(t);
	}
}

static void half_a_message_keeps_nobody(void **state)
{
	struct t *t = *state;
	const struct vhost_user_header h = { VHOST_USER_GET_QUEUE_NUM, VHOST_USER_VERSION, 0 };
	struct vhost_user_msg msg;

	start(t);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(send(t->p.fd, (const char *)&h + 4 * i, 4, 0), 4);
		settle(t);
		assert_echo(t);
	}
	assert_int_equal(vp_recv(&t->p, &msg), 0);
	assert_int_equal(msg.u64, ECHO_QUEUES);
}

static void too_many_descriptors_are_hung_up_on(void **state)
{
	struct t *t = *state;
	char control[CMSG_SPACE(100 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct vhost_user_header h = { VHOST_USER_SET_OWNER, VHOST_USER_VERSION, 0 };
	struct iovec iov = { &h, sizeof(h) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(100 * sizeof(int));
	for (unsigned i = 0; i < 100; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &t->p.fd, sizeof(int));
	assert_true(sendmsg(t->p.fd, &m, 0) > 0);
	settle(t);
	assert_int_equal(t->left, 1);
}

static void front_end_that_reads_no_answers_is_hung_up_on(void **state)
{
	struct t *t = *state;
	struct vhost_user_msg msg = { .config.size = 256 };

	for (unsigned i = 0; i < 100000 && !t->left; i++) {
		msg.h = (struct vhost_user_header){ VHOST_USER_GET_CONFIG, VHOST_USER_VERSION,
						    VHOST_USER_CONFIG_HEADER + 256 };
		vhost_user_send(t->p.fd, &msg, NULL, 0, 0);
		loop_run_once(t->loop, 0);
	}
	assert_int_equal(t->left, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define KEEPER(f) cmocka_unit_test_setup_teardown(f, setup_keeper, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(front_end_learns_what_there_is),
		TEST(rings_are_served),
		TEST(chains_that_lie_ready_need_no_kick),
		TEST(ring_that_comes_later_joins),
		TEST(front_end_without_protocol_features_is_served),
		TEST(base_says_where_to_go_on),
		TEST(base_leaves_chains_in_flight_to_the_next),
		TEST(device_is_reset_when_its_last_ring_stops),
		TEST(reset_of_the_device_disables_rings),
		TEST(disabled_ring_is_not_served),
		KEEPER(device_that_can_keeps_its_state_when_a_ring_stops),
		KEEPER(device_that_can_keeps_its_state_when_all_rings_stop),
		KEEPER(device_that_keeps_its_state_can_be_reset),
		TEST(memory_may_move_under_running_rings),
		KEEPER(device_that_can_keeps_its_state_when_memory_moves),
		TEST(ring_before_its_memory_waits_for_it),
		KEEPER(ring_before_its_memory_waits_for_it),
		TEST(same_memory_again_changes_nothing),
		TEST(memory_of_several_regions_is_found_by_user_addresses),
		TEST(case_77_memory_that_could_shrink_is_refused),
		TEST(memory_that_is_not_there_is_refused),
		TEST(tables_that_do_not_fit_together_are_refused),
		TEST(bad_table_leaves_the_one_before),
		TEST(ring_outside_memory_is_refused),
		TEST(ring_of_a_wrong_size_or_number_is_refused),
		TEST(ring_in_use_cannot_be_changed),
		TEST(ring_of_the_guests_that_breaks_is_reported),
		KEEPER(ring_of_the_guests_that_breaks_is_reported),
		TEST(guest_of_before_version_1_is_not_served),
		TEST(features_that_were_not_offered_are_refused),
		TEST(features_of_the_front_ends_own_are_none_of_ours),
		TEST(descriptor_that_could_block_is_refused),
		TEST(descriptor_that_is_missing_or_too_much_is_refused),
		TEST(interrupt_without_room_keeps_nobody),
		TEST(no_descriptor_is_left_behind),
		TEST(configuration_is_read_and_written),
		TEST(configuration_goes_on_with_zeros),
		TEST(configuration_of_no_sense_is_refused),
		TEST(change_of_configuration_is_told),
		TEST(changes_that_nobody_reads_keep_nobody),
		TEST(front_end_that_leaves_takes_everything_along),
		TEST(another_connection_takes_the_place_of_the_one_before),
		TEST(front_ends_are_served_one_after_the_other),
		TEST(request_that_is_not_known_is_refused),
		TEST(refusal_without_an_answer_is_the_end),
		TEST(ring_that_is_asked_for_and_not_there_is_the_end),
		TEST(message_of_another_size_is_refused),
		TEST(noise_is_hung_up_on),
		TEST(half_a_message_keeps_nobody),
		TEST(too_many_descriptors_are_hung_up_on),
		TEST(front_end_that_reads_no_answers_is_hung_up_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
