/* SPDX-License-Identifier: MIT */
/*
 * Blobs of host memory in the guest's, all the way: a driver, a front end with its
 * window, and on another thread a card over a renderer whose blobs are memfds.
 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/gpu.h"
#include "devices/virtio/vhost_user_backend.h"
#include "devices/virtio/vhost_user_frontend.h"
#include "tests/fake_renderer.h"
#include "tests/until.h"
#include "tests/vgpu.h"
#include "tests/vrig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define MAPPED VIRTIO_GPU_RESP_OK_MAP_INFO
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define PAGE SHM_PAGE
#define SHM_ID VIRTIO_GPU_SHM_ID_HOST_VISIBLE
#define SHM_LEN (64ull * PAGE)
#define MAPPABLE VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE

static const struct virtio_ops front_ops = {
	.name = "virtio-gpu",
	.id = VIRTIO_ID_GPU,
	.pci_class = 0x038000,
	VHOST_USER_OPS,
};

struct t {
	struct vrig r;
	struct vhost_user u;
	struct vgpu g;
	/* the other process */
	struct loop *loop;
	pthread_t thread;
	struct vhost_user_backend b;
	struct gpu *gpu;
	struct fake_renderer *renderer;
	int dialled;
	struct loop_work hello;
	sem_t running;
};

static void connect_back_end(void *arg)
{
	struct t *t = arg;

	assert_int_equal(vhost_user_backend_connect(&t->b, t->dialled), 0);
}

static int dial(void *ctx)
{
	struct t *t = ctx;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t->dialled = pair[1];
	loop_call(t->loop, connect_back_end, t);
	return pair[0];
}

static const struct vhost_user_source_ops source = { .dial = dial };

static void *back_end_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void say_running(void *arg)
{
	struct t *t = arg;

	sem_post(&t->running);
}

static void make_back_end(struct t *t)
{
	struct gpu_params params = { .n_outputs = 1, .n_plugged = 1, .hostmem = SHM_LEN };
	const struct vhost_user_backend_params backend = {
		.shm_id = SHM_ID, .shm_len = SHM_LEN,
	};

	assert_int_equal(loop_create(&t->loop), 0);
	vhost_user_backend_init(&t->b, t->loop, "card");
	t->renderer = fake_renderer_create(-1);
	t->renderer->fence_now = true;
	params.renderer = &t->renderer->base;
	assert_int_equal(gpu_create(&t->gpu, t->loop, &t->b.mem, &params), 0);
	vhost_user_backend_attach(&t->b, gpu_device(t->gpu), &backend);
	sem_init(&t->running, 0, 0);
	t->hello = (struct loop_work){ .cb = say_running, .arg = t };
	loop_post(t->loop, &t->hello);
	pthread_create(&t->thread, NULL, back_end_thread, t->loop);
	sem_wait(&t->running);
}

static void make_front_end(struct t *t)
{
	const struct vhost_user_params p = {
		.ops = &front_ops,
		.name = "card",
		.n_queues = 2,
		.queue_size = GPU_QUEUE_SIZE,
		.queue_sizes = (const uint16_t[]){ GPU_QUEUE_SIZE, GPU_CURSOR_QUEUE_SIZE },
		.features = BIT(24) - 1,
		.config_len = sizeof(struct virtio_gpu_config),
		.shm_id = SHM_ID,
		.shm_max = SHM_LEN,
		.timeout_ns = 20000000000ull,
		.redial_ns = 1000000,
		.source = &source,
		.source_ctx = t,
	};

	assert_int_equal(vhost_user_init(&t->u, &p, t->r.fake.loop, &t->r.fake.mem), 0);
	vrig_plug(&t->r, &t->u.v);
}

/* --- the driver ---------------------------------------------------------------------- */

static void kick(void *ctx, unsigned q)
{
	struct t *t = ctx;

	vdrv_kick(&t->r.d, q);
}

static void wait_for_it(void *ctx, unsigned q)
{
	struct t *t = ctx;
	const struct vdrv_ring *ring = &t->r.d.rings[q];

	UNTIL_IN(t->r.fake.loop,
		 __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->used_idx);
}

static void wait_for_nothing(void *ctx, unsigned q)
{
}

static void start(struct t *t)
{
	const struct vgpu_port port = { kick, wait_for_it, t };
	struct vdrv *d = &t->r.d;

	vdrv_start(d, t->u.v.offered);
	assert_false(vdrv_get(d, VDRV_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vgpu_init(&t->g, &t->r.fake.mem, &d->rings[0], &d->rings[1],
		  vdrv_alloc(d, VGPU_AREA_BYTES, 4096), port);
}

static int setup(void **state)
{
	struct t *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	vrig_init(&t->r, *(const enum vrig_kind *)*state);
	t->r.racing = true;
	make_back_end(t);
	make_front_end(t);
	start(t);
	*state = t;
	return 0;
}

static void finish_back_end(void *arg)
{
	struct t *t = arg;

	vhost_user_backend_finish(&t->b);
	if (t->renderer->resources || t->renderer->mapped)
		abort();
	gpu_destroy(t->gpu);
}

static int teardown(void **state)
{
	struct t *t = *state;

	vdrv_reset(&t->r.d);
	vrig_unplug(&t->r);
	vhost_user_finish(&t->u);
	loop_call(t->loop, finish_back_end, t);
	loop_quit(t->loop);
	pthread_join(t->thread, NULL);
	loop_destroy(t->loop);
	sem_destroy(&t->running);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static uint32_t create(struct t *t, uint32_t id, uint64_t pages)
{
	return vgpu_create_blob(&t->g, (struct virtio_gpu_resource_create_blob){
		.resource_id = id, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
		.blob_flags = MAPPABLE, .blob_id = 1000 + id, .size = pages * PAGE,
	}, NULL, 0);
}

static uint32_t map(struct t *t, uint32_t id, uint64_t off)
{
	struct virtio_gpu_resource_map_blob c = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = id, .offset = off,
	};
	struct virtio_gpu_resp_map_info info = { 0 };
	uint32_t type = vgpu_send(&t->g, 0, &c, sizeof(c), &info, sizeof(info));

	if (type == MAPPED) {
		assert_int_equal(t->g.last_len, sizeof(info));
		assert_int_equal(info.map_info, VIRTIO_GPU_MAP_CACHE_CACHED);
	} else if (type) {
		assert_int_equal(t->g.last_len, sizeof(info.hdr));
	}
	return type;
}

static uint32_t unmap(struct t *t, uint32_t id)
{
	struct virtio_gpu_resource_unmap_blob c = { .resource_id = id };

	return vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, &c, sizeof(c));
}

/* What the guest reads at @off of the region. */
static const char *guest(struct t *t, uint64_t off)
{
	uint64_t gpa, len;

	assert_true(vdrv_find_shm(&t->r.d, SHM_ID, &gpa, &len));
	assert_int_equal(len, SHM_LEN);
	return vrig_memory(&t->r, gpa + off);
}

/* What is said between is done with the card's lock held: the renderer is on its thread. */
#define RENDERER(t, does)                                                                          \
	do {                                                                                       \
		pthread_mutex_lock(&gpu_device((t)->gpu)->lock);                                   \
		does;                                                                              \
		pthread_mutex_unlock(&gpu_device((t)->gpu)->lock);                                 \
	} while (0)

static unsigned mapped(struct t *t)
{
	unsigned n;

	RENDERER(t, n = t->renderer->mapped);
	return n;
}

/* --- what works ------------------------------------------------------------------------ */

static void guest_sees_the_renderers_memory(void **state)
{
	struct t *t = *state;

	assert_int_equal(create(t, 7, 2), OK);
	assert_int_equal(map(t, 7, 3 * PAGE), MAPPED);
	assert_string_equal(guest(t, 3 * PAGE), "blob 1007");
	assert_string_equal(guest(t, 5 * PAGE), "");
	assert_int_equal(unmap(t, 7), OK);
	assert_string_equal(guest(t, 3 * PAGE), "");
	assert_int_equal(map(t, 7, 0), MAPPED);
	assert_string_equal(guest(t, 0), "blob 1007");
}

static void commands_behind_it_do_not_wait(void **state)
{
	struct t *t = *state;
	unsigned answers = 0;

	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(create(t, i, 1), OK);
	/* More than there is room for on the way. */
	t->g.port.wait = wait_for_nothing;
	for (unsigned i = 1; i <= 20; i++, t->g.request += 64)
		answers += map(t, i, i * PAGE) != 0;
	t->g.request -= 20 * 64;
	answers += t->g.n_late;
	t->g.n_late = 0;
	t->g.port.wait = wait_for_it;
	UNTIL_IN(t->r.fake.loop, answers >= 20 || (vgpu_collect(&t->g) && ++answers >= 20));
	for (unsigned i = 1; i <= 20; i++) {
		char text[16];

		snprintf(text, sizeof(text), "blob %u", 1000 + i);
		assert_string_equal(guest(t, i * PAGE), text);
	}
}

static void window_is_empty_after_a_reset(void **state)
{
	struct t *t = *state;

	assert_int_equal(create(t, 7, 1), OK);
	assert_int_equal(map(t, 7, 0), MAPPED);
	start(t);
	assert_string_equal(guest(t, 0), "");
	assert_int_equal(map(t, 7, 0), RESOURCE);
	assert_int_equal(create(t, 7, 1), OK);
	assert_int_equal(map(t, 7, 0), MAPPED);
}

/* --- what does not ----------------------------------------------------------------------- */

static void case_75_map_outside_of_the_window(void **state)
{
	static const uint64_t offs[] = {
		1, PAGE / 2, SHM_LEN, SHM_LEN - PAGE, SHM_LEN + PAGE, 1ull << 63,
		-2ull * PAGE, -1ull,
	};
	struct t *t = *state;

	assert_int_equal(create(t, 1, 2), OK);
	assert_int_equal(create(t, 2, 65), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(offs); i++)
		assert_int_equal(map(t, 1, offs[i]), PARAMETER);
	assert_int_equal(map(t, 2, 0), PARAMETER);
	assert_int_equal(map(t, 1, SHM_LEN - 2 * PAGE), MAPPED);
}

static void case_75_map_over_another_one_or_twice(void **state)
{
	struct t *t = *state;

	assert_int_equal(create(t, 1, 4), OK);
	assert_int_equal(create(t, 2, 4), OK);
	assert_int_equal(map(t, 1, 4 * PAGE), MAPPED);
	assert_int_equal(map(t, 1, 12 * PAGE), PARAMETER);
	assert_int_equal(map(t, 2, 4 * PAGE), PARAMETER);
	assert_int_equal(map(t, 2, 7 * PAGE), PARAMETER);
	assert_int_equal(map(t, 2, PAGE), PARAMETER);
	assert_int_equal(unmap(t, 2), PARAMETER);
	assert_string_equal(guest(t, 4 * PAGE), "blob 1001");
	assert_int_equal(map(t, 2, 8 * PAGE), MAPPED);
}

static void case_75_what_cannot_be_mapped(void **state)
{
	struct virtio_gpu_resource_create_blob c = {
		.resource_id = 1, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .size = PAGE,
	};
	struct t *t = *state;

	assert_int_equal(vgpu_create_blob(&t->g, c, NULL, 0), OK);
	assert_int_equal(map(t, 1, 0), PARAMETER);
	assert_int_equal(vgpu_create_2d(&t->g, 2, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 32, 32), OK);
	assert_int_equal(map(t, 2, 0), PARAMETER);
	assert_int_equal(map(t, 3, 0), RESOURCE);
	assert_int_equal(unmap(t, 1), PARAMETER);
	assert_int_equal(unmap(t, 3), RESOURCE);
}

static void case_76_unmapped_twice_or_freed_while_mapped(void **state)
{
	struct t *t = *state;

	assert_int_equal(create(t, 1, 1), OK);
	assert_int_equal(unmap(t, 1), PARAMETER);
	assert_int_equal(map(t, 1, 0), MAPPED);
	assert_int_equal(unmap(t, 1), OK);
	assert_int_equal(unmap(t, 1), PARAMETER);
	assert_int_equal(map(t, 1, 0), MAPPED);
	assert_int_equal(vgpu_unref(&t->g, 1), OK);
	assert_string_equal(guest(t, 0), "");
	assert_int_equal(create(t, 1, 2), OK);
	/* The place is free again, and nothing of the first is seen there. */
	assert_int_equal(map(t, 1, 0), MAPPED);
	assert_string_equal(guest(t, 0), "blob 1001");
	assert_string_equal(guest(t, PAGE), "");
	assert_int_equal(mapped(t), 1);
}

static void case_76_unref_on_the_heels_of_map(void **state)
{
	struct virtio_gpu_resource_map_blob c = { .resource_id = 1 };
	struct t *t = *state;
	unsigned answers;

	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(create(t, 1, 1), OK);
		t->g.port.wait = wait_for_nothing;
		answers = vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, &c,
				       sizeof(c)) != 0;
		t->g.request += 64;
		answers += vgpu_unref(&t->g, 1) != 0;
		t->g.request -= 64;
		answers += t->g.n_late;
		t->g.n_late = 0;
		t->g.port.wait = wait_for_it;
		UNTIL_IN(t->r.fake.loop, answers >= 2 || (vgpu_collect(&t->g) && ++answers >= 2));
	}
	assert_int_equal(create(t, 2, 1), OK);
	assert_int_equal(map(t, 2, 0), MAPPED);
	assert_string_equal(guest(t, 0), "blob 1002");
	assert_int_equal(mapped(t), 1);
}

static void case_76_mapped_and_unmapped_without_end(void **state)
{
	struct t *t = *state;
	int before = dup(0), after;

	for (unsigned i = 0; i < 400; i++) {
		uint32_t id = 1 + i % 5;

		assert_int_equal(create(t, id, 1 + i % 4), OK);
		assert_int_equal(map(t, id, i % 60 * PAGE), MAPPED);
		if (i % 3)
			assert_int_equal(unmap(t, id), OK);
		assert_int_equal(vgpu_unref(&t->g, id), OK);
	}
	assert_int_equal(create(t, 9, 64), OK);
	assert_int_equal(map(t, 9, 0), MAPPED);
	after = dup(0);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
}

static void case_77_memory_that_could_shrink_is_not_mapped(void **state)
{
	struct t *t = *state;

	RENDERER(t, t->renderer->map_seals = F_SEAL_GROW);
	assert_int_equal(create(t, 1, 1), OK);
	assert_int_equal(map(t, 1, 0), PARAMETER);
	assert_int_equal(mapped(t), 0);
	RENDERER(t, t->renderer->map_seals = 0);
	assert_int_equal(map(t, 1, 0), MAPPED);
}

static void renderer_may_refuse_or_have_too_little(void **state)
{
	struct t *t = *state;

	assert_int_equal(create(t, 1, 2), OK);
	RENDERER(t, t->renderer->error = -ENOTSUP);
	assert_int_equal(map(t, 1, 0), UNSPEC);
	RENDERER(t, t->renderer->error = -ENOMEM);
	assert_int_equal(map(t, 1, 0), MEMORY);
	RENDERER(t, t->renderer->map_short = PAGE);
	assert_int_equal(map(t, 1, 0), PARAMETER);
	assert_int_equal(mapped(t), 0);
	RENDERER(t, t->renderer->map_short = 0);
	assert_int_equal(map(t, 1, 0), MAPPED);
}

int main(void)
{
	static enum vrig_kind kinds[] = { VRIG_MMIO, VRIG_PCI_MSIX };
#define K(f, kind) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, &kinds[kind])
#define T(f) K(f, 1)
	const struct CMUnitTest tests[] = {
		K(guest_sees_the_renderers_memory, 0),
		K(guest_sees_the_renderers_memory, 1),
		T(commands_behind_it_do_not_wait),
		T(window_is_empty_after_a_reset),
		T(renderer_may_refuse_or_have_too_little),
		T(case_75_map_outside_of_the_window),
		T(case_75_map_over_another_one_or_twice),
		T(case_75_what_cannot_be_mapped),
		T(case_76_unmapped_twice_or_freed_while_mapped),
		T(case_76_unref_on_the_heels_of_map),
		T(case_76_mapped_and_unmapped_without_end),
		T(case_77_memory_that_could_shrink_is_not_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
