/* SPDX-License-Identifier: MIT */
/* Memory that a back end lends the guest, and back ends that lie about it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/until.h"
#include "tests/vhost_rig.h"

#define PAGE SHM_PAGE
#define SHM_ID 1
#define SHM_LEN (16ull * PAGE)
#define SHM_PROTOCOL                                                                               \
	(BIT(VHOST_USER_PROTOCOL_F_SHMEM) | BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD))
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

struct t {
	struct vhost_rig rig;
	int fd;		/* a memfd of four pages, sealed: 'a', 'b', 'c' and 'd' */
};

static int make_file(unsigned seals)
{
	int fd = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char page[PAGE];

	assert_true(fd >= 0);
	for (unsigned i = 0; i < 4; i++) {
		memset(page, 'a' + i, sizeof(page));
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void offer_memory(struct vhost_backend *b)
{
	b->protocol |= SHM_PROTOCOL;
	b->shm_id = SHM_ID;
	b->shm_len = SHM_LEN;
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	vhost_rig_init(&t->rig, *(const enum vrig_kind *)*state);
	offer_memory(&t->rig.b);
	t->rig.p.shm_id = SHM_ID;
	t->rig.p.shm_max = SHM_LEN;
	t->fd = make_file(F_SEAL_SHRINK);
	*state = t;
	return 0;
}

static int make(struct t *t)
{
	return vhost_rig_make(&t->rig);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vhost_rig_finish(&t->rig);
	close(t->fd);
	free(t);
	return 0;
}

#define until(t, cond) UNTIL_IN((t)->rig.r.fake.loop, cond)

static void start(struct t *t)
{
	vdrv_start(&t->rig.r.d, t->rig.u.v.offered);
	assert_false(vdrv_get(&t->rig.r.d, VDRV_STATUS) & NEEDS_RESET);
}

static bool is_broken(struct t *t)
{
	return vdrv_get(&t->rig.r.d, VDRV_STATUS) & NEEDS_RESET;
}

/* --- the back end's channel ----------------------------------------------------------- */

static void send_shm(struct t *t, uint32_t request, const struct vhost_user_shm *shm,
		     uint32_t size, const int *fds, unsigned n_fds)
{
	struct vhost_user_msg msg = {
		.h = { request, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, size },
		.shm = *shm,
	};

	assert_int_equal(vhost_user_send(t->rig.b.channel, &msg, fds, n_fds, 0), 0);
}

/* What the front end answers; -1: it hangs up. */
static int reply(struct t *t, uint32_t request)
{
	struct vhost_user_msg msg;
	int ret;

	until(t, (ret = vhost_user_recv(t->rig.b.channel, &msg, 0)) != -EAGAIN);
	if (ret < 0)
		return -1;
	assert_int_equal(msg.h.request, request);
	assert_int_equal(msg.h.size, 8);
	return msg.u64;
}

static int ask(struct t *t, uint32_t request, struct vhost_user_shm shm, int fd)
{
	send_shm(t, request, &shm, sizeof(shm), &fd, fd >= 0);
	return reply(t, request);
}

static int map(struct t *t, uint64_t fd_off, uint64_t off, uint64_t len)
{
	return ask(t, VHOST_USER_BACKEND_SHMEM_MAP,
		   (struct vhost_user_shm){ .id = SHM_ID, .fd_off = fd_off, .off = off, .len = len,
					    .flags = VHOST_USER_SHM_WRITABLE }, t->fd);
}

static int unmap(struct t *t, uint64_t off, uint64_t len)
{
	return ask(t, VHOST_USER_BACKEND_SHMEM_UNMAP,
		   (struct vhost_user_shm){ .id = SHM_ID, .off = off, .len = len }, -1);
}

/* The guest's view. */
static volatile char *guest(struct t *t, uint64_t off)
{
	uint64_t gpa, len;

	assert_true(vdrv_find_shm(&t->rig.r.d, SHM_ID, &gpa, &len));
	assert_int_equal(len, SHM_LEN);
	return vrig_memory(&t->rig.r, gpa + off);
}

/* --- what is lent ------------------------------------------------------------------------ */

static void guest_sees_what_is_mapped(void **state)
{
	struct t *t = *state;
	char byte = 0;

	assert_int_equal(make(t), 0);
	start(t);
	assert_int_equal(*guest(t, 5 * PAGE), 0);
	assert_int_equal(map(t, PAGE, 5 * PAGE, 2 * PAGE), 0);
	assert_int_equal(*guest(t, 5 * PAGE), 'b');
	assert_int_equal(*guest(t, 6 * PAGE), 'c');
	*guest(t, 6 * PAGE) = 'X';
	assert_int_equal(pread(t->fd, &byte, 1, 2 * PAGE), 1);
	assert_int_equal(byte, 'X');
	assert_int_equal(unmap(t, 5 * PAGE, 2 * PAGE), 0);
	assert_int_equal(*guest(t, 5 * PAGE), 0);
	assert_false(is_broken(t));
}

static void no_region_without_all_that_it_takes(void **state)
{
	struct t *t = *state;
	uint64_t gpa, len;

	t->rig.b.protocol &= ~BIT(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD);
	assert_int_equal(make(t), 0);
	assert_false(vdrv_find_shm(&t->rig.r.d, SHM_ID, &gpa, &len));
	assert_int_equal(t->rig.b.seen[VHOST_USER_GET_SHMEM_CONFIG], 0);
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 1);
	assert_false(is_broken(t));
}

static void no_region_that_nobody_wants(void **state)
{
	struct t *t = *state;

	t->rig.p.shm_max = 0;
	assert_int_equal(make(t), 0);
	assert_null(t->rig.u.v.shm);
	assert_int_equal(t->rig.b.seen[VHOST_USER_GET_SHMEM_CONFIG], 0);
}

static void back_end_without_a_region_is_none_with_one(void **state)
{
	struct t *t = *state;

	t->rig.b.shm_len = 0;
	assert_int_equal(make(t), 0);
	assert_null(t->rig.u.v.shm);
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 1);
}

static void pieces_are_for_rings_that_are_started(void **state)
{
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	assert_int_equal(map(t, 0, 0, PAGE), 1);
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 0);
	assert_int_equal(*guest(t, 0), 'a');
	vdrv_reset(&t->rig.r.d);
	assert_int_equal(*guest(t, 0), 0);
	assert_int_equal(map(t, 0, 0, PAGE), 1);
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 0);
}

static void case_76_what_was_asked_for_before_a_reset_is_not_done_after_it(void **state)
{
	struct t *t = *state;
	const struct vhost_user_shm shm = { .id = SHM_ID, .len = PAGE };

	assert_int_equal(make(t), 0);
	start(t);
	/* The loop has not looked at it when the driver resets the device. */
	send_shm(t, VHOST_USER_BACKEND_SHMEM_MAP, &shm, sizeof(shm), &t->fd, 1);
	vdrv_reset(&t->rig.r.d);
	start(t);
	assert_int_equal(reply(t, VHOST_USER_BACKEND_SHMEM_MAP), 1);
	assert_int_equal(*guest(t, 0), 0);
	assert_int_equal(map(t, 0, 0, PAGE), 0);
}

static void case_76_flood_before_a_reset_ends_the_connection(void **state)
{
	struct t *t = *state;
	const struct vhost_user_shm shm = { .id = SHM_ID, .len = PAGE };

	assert_int_equal(make(t), 0);
	start(t);
	for (unsigned i = 0; i < 100; i++)
		send_shm(t, VHOST_USER_BACKEND_SHMEM_UNMAP, &shm, sizeof(shm), NULL, 0);
	vdrv_reset(&t->rig.r.d);
	until(t, t->rig.b.hang_ups == 1 && t->rig.b.dials == 2);
}

static void case_71_window_of_a_dead_back_end_is_empty(void **state)
{
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	start(t);
	assert_int_equal(map(t, 0, 3 * PAGE, PAGE), 0);
	vb_kill(&t->rig.b);
	until(t, is_broken(t));
	assert_int_equal(*guest(t, 3 * PAGE), 0);
	start(t);
	until(t, t->rig.b.dials == 2);
	assert_int_equal(map(t, 0, 3 * PAGE, PAGE), 0);
	assert_int_equal(*guest(t, 3 * PAGE), 'a');
}

static void case_77_back_end_whose_memory_is_gone_is_lost(void **state)
{
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 0);
	assert_true(bus_repair(&t->rig.r.fake.mmio));
	assert_int_equal(*guest(t, 0), 0);
	until(t, is_broken(t));
	start(t);
	assert_int_equal(map(t, 0, 0, PAGE), 0);
}

/* --- lies -------------------------------------------------------------------------------- */

static void case_72_region_that_nobody_asked_for(void **state)
{
	static const uint64_t lens[] = { SHM_LEN + PAGE, PAGE + 1, 1, UINT64_MAX, 1ull << 63 };
	struct t *t = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		t->rig.b.shm_len = lens[i];
		assert_int_equal(make(t), -EPROTO);
	}
}

static void case_72_answer_about_regions_is_checked(void **state)
{
	struct t *t = *state;

	for (enum vb_mode mode = VB_DIE; mode < VB_MODES; mode++) {
		if (mode == VB_NACK)
			continue;
		t->rig.b.bad_request = VHOST_USER_GET_SHMEM_CONFIG;
		t->rig.b.bad_connections = 1;
		t->rig.b.mode = mode;
		t->rig.p.timeout_ns = mode == VB_SILENT || mode == VB_PARTIAL ?
				      50000000 : VHOST_RIG_PATIENCE_NS;
		assert_int_equal(make(t), -EPROTO);
		/* Its thread ends before it is told anything else. */
		vb_finish(&t->rig.b);
		vb_init(&t->rig.b);
		offer_memory(&t->rig.b);
	}
}

static void case_72_another_region_after_a_restart(void **state)
{
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	start(t);
	t->rig.b.shm_len = SHM_LEN / 2;
	vb_kill(&t->rig.b);
	until(t, is_broken(t));
	vdrv_reset(&t->rig.r.d);
	until(t, t->rig.b.hang_ups >= 2);
	t->rig.b.shm_len = SHM_LEN;
	until(t, (vdrv_start(&t->rig.r.d, t->rig.u.v.offered), !is_broken(t)));
	assert_int_equal(map(t, 0, 0, PAGE), 0);
}

static void case_75_pieces_outside_or_over_each_other_are_refused(void **state)
{
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	start(t);
	assert_int_equal(map(t, 0, SHM_LEN, PAGE), 1);
	assert_int_equal(map(t, 0, SHM_LEN - PAGE, 2 * PAGE), 1);
	assert_int_equal(map(t, 0, -(uint64_t)PAGE, 2 * PAGE), 1);
	assert_int_equal(map(t, 0, 1, PAGE), 1);
	assert_int_equal(map(t, 0, 0, 0), 1);
	assert_int_equal(map(t, 1, 0, PAGE), 1);
	assert_int_equal(map(t, 4 * PAGE, 0, PAGE), 1);
	assert_int_equal(map(t, 0, 0, 2 * PAGE), 0);
	assert_int_equal(map(t, 0, PAGE, PAGE), 1);
	assert_int_equal(unmap(t, 0, PAGE), 1);
	assert_int_equal(unmap(t, 0, 2 * PAGE), 0);
	assert_int_equal(unmap(t, 0, 2 * PAGE), 1);
	assert_false(is_broken(t));
}

static void case_72_other_regions_flags_and_files_are_refused(void **state)
{
	struct vhost_user_shm shm = { .id = SHM_ID, .len = PAGE };
	int unsealed = make_file(0), pipes[2];
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	start(t);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_MAP, shm, unsealed), 1);
	assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_MAP, shm, pipes[0]), 1);
	shm.flags = 2;
	assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_MAP, shm, t->fd), 1);
	shm.flags = 1ull << 63;
	assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_MAP, shm, t->fd), 1);
	shm.flags = 0;
	for (unsigned id = 0; id < 256; id++) {
		shm.id = id;
		assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_MAP, shm, t->fd), id != SHM_ID);
		assert_int_equal(ask(t, VHOST_USER_BACKEND_SHMEM_UNMAP, shm, -1), id != SHM_ID);
	}
	assert_false(is_broken(t));
	close(unsealed);
	close(pipes[0]);
	close(pipes[1]);
}

/* Each of them is no message at all. */
static void case_72_messages_of_other_sizes_or_descriptors(void **state)
{
	static const struct { uint32_t request, size; unsigned n_fds; } bad[] = {
		{ VHOST_USER_BACKEND_SHMEM_MAP, 40, 0 },
		{ VHOST_USER_BACKEND_SHMEM_MAP, 40, 2 },
		{ VHOST_USER_BACKEND_SHMEM_MAP, 40, 8 },
		{ VHOST_USER_BACKEND_SHMEM_MAP, 39, 1 },
		{ VHOST_USER_BACKEND_SHMEM_MAP, 41, 1 },
		{ VHOST_USER_BACKEND_SHMEM_MAP, 0, 1 },
		{ VHOST_USER_BACKEND_SHMEM_UNMAP, 40, 1 },
		{ VHOST_USER_BACKEND_SHMEM_UNMAP, 8, 0 },
		{ VHOST_USER_BACKEND_CONFIG_CHANGE, 0, 1 },
		{ 99, 0, 1 },
	};
	const struct vhost_user_shm shm = { .id = SHM_ID, .len = PAGE };
	struct t *t = *state;

	assert_int_equal(make(t), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int fds[] = { t->fd, t->fd, t->fd, t->fd, t->fd, t->fd, t->fd, t->fd };

		until(t, (vdrv_start(&t->rig.r.d, t->rig.u.v.offered), !is_broken(t)));
		send_shm(t, bad[i].request, &shm, bad[i].size, fds, bad[i].n_fds);
		until(t, is_broken(t));
	}
	until(t, (vdrv_start(&t->rig.r.d, t->rig.u.v.offered), !is_broken(t)));
	assert_int_equal(map(t, 0, 0, PAGE), 0);
}

static void case_76_descriptors_are_not_kept(void **state)
{
	struct t *t = *state;
	int before, after;

	assert_int_equal(make(t), 0);
	start(t);
	before = dup(t->fd);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(map(t, 0, i % 13 * PAGE, (1 + i % 3) * PAGE), 0);
		assert_int_equal(map(t, 0, i % 13 * PAGE, PAGE), 1);
		assert_int_equal(unmap(t, i % 13 * PAGE, (1 + i % 3) * PAGE), 0);
	}
	close(before);
	after = dup(t->fd);
	assert_int_equal(after, before);
	close(after);
}

int main(void)
{
	static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX };
#define K(f, kind) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &kinds[kind])
#define T(f) K(f, 1)
	const struct CMUnitTest tests[] = {
		K(guest_sees_what_is_mapped, 0),
		K(guest_sees_what_is_mapped, 1),
		T(no_region_without_all_that_it_takes),
		T(no_region_that_nobody_wants),
		T(back_end_without_a_region_is_none_with_one),
		T(pieces_are_for_rings_that_are_started),
		T(case_71_window_of_a_dead_back_end_is_empty),
		T(case_72_region_that_nobody_asked_for),
		T(case_72_answer_about_regions_is_checked),
		T(case_72_another_region_after_a_restart),
		T(case_72_other_regions_flags_and_files_are_refused),
		T(case_72_messages_of_other_sizes_or_descriptors),
		T(case_75_pieces_outside_or_over_each_other_are_refused),
		T(case_76_what_was_asked_for_before_a_reset_is_not_done_after_it),
		T(case_76_flood_before_a_reset_ends_the_connection),
		T(case_76_descriptors_are_not_kept),
		T(case_77_back_end_whose_memory_is_gone_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
