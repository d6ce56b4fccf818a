/* SPDX-License-Identifier: MIT */
/*
 * microvm-gpu with Vulkan, in its sandbox: contexts of venus, fences of theirs, and
 * memory of the renderer's process in the guest, which is gone when the process is.
 */
#include <linux/virtio_gpu.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/gpu_front.h"
#include "tests/have_gl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define MAPPED VIRTIO_GPU_RESP_OK_MAP_INFO
#define CAPSET_VENUS 4
#define SHM_ID VIRTIO_GPU_SHM_ID_HOST_VISIBLE
#define FEATURES                                                                                   \
	(BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT) |                                \
	 BIT(VIRTIO_GPU_F_RESOURCE_BLOB) | VIRTIO_COMMON_FEATURES)
#define SIZE 0x8000u

static int setup(void **state)
{
	struct gpu_front *f = malloc(sizeof(*f));

	gpu_front_init(f, "virgl,venus,hostmem=16M");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	gpu_front_finish(*state);
	free(*state);
	return 0;
}

/* Whether the library of this machine has venus. */
static bool begin(struct gpu_front *t)
{
	uint64_t gpa, len;

	gpu_front_start(t, FEATURES);
	if (!vdrv_find_shm(&t->r.d, SHM_ID, &gpa, &len)) {
		print_message("without venus\n");
		return false;
	}
	assert_int_equal(len, 16 * MiB);
	assert_int_equal(vdrv_config_read(&t->r.d, offsetof(struct virtio_gpu_config, num_capsets),
					  4), 3);
	assert_int_equal(vgpu_ctx_create(&t->g, 1, CAPSET_VENUS, "vulkan"), OK);
	return true;
}

static uint32_t create(struct gpu_front *t, uint32_t id, uint64_t blob_id)
{
	t->g.next.ctx_id = 1;
	return vgpu_create_blob(&t->g, (struct virtio_gpu_resource_create_blob){
		.resource_id = id, .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D, .blob_id = blob_id,
		.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, .size = SIZE,
	}, NULL, 0);
}

static uint32_t map(struct gpu_front *t, uint32_t id, uint64_t off)
{
	struct virtio_gpu_resource_map_blob c = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = id, .offset = off,
	};
	struct virtio_gpu_resp_map_info info = { 0 };

	return vgpu_send(&t->g, 0, &c, sizeof(c), &info, sizeof(info));
}

static volatile char *guest(struct gpu_front *t, uint64_t off)
{
	uint64_t gpa, len;

	assert_true(vdrv_find_shm(&t->r.d, SHM_ID, &gpa, &len));
	return vrig_memory(&t->r, gpa + off);
}

/* --- tests --------------------------------------------------------------------------- */

static void memory_of_the_renderer_is_the_guests(void **state)
{
	struct virtio_gpu_resource_unmap_blob unmap = { .resource_id = 1 };
	struct gpu_front *t = *state;

	if (!begin(t))
		skip();
	assert_int_equal(create(t, 1, 0), OK);
	assert_int_equal(map(t, 1, 0), MAPPED);
	*guest(t, SIZE - 1) = 'x';
	assert_int_equal(vgpu_command(&t->g, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, &unmap,
				      sizeof(unmap)), OK);
	assert_int_equal(*guest(t, SIZE - 1), 0);
	assert_int_equal(map(t, 1, MiB), MAPPED);
	assert_int_equal(*guest(t, MiB + SIZE - 1), 'x');
	/* Another program's, or none's. */
	assert_int_not_equal(create(t, 2, 77), OK);
	/* OpenGL is there beside it. */
	assert_int_equal(vgpu_ctx_create(&t->g, 2, 0, "opengl"), OK);
	assert_int_equal(vgpu_ctx_command(&t->g, VIRTIO_GPU_CMD_CTX_DESTROY, 1, 0), OK);
	assert_int_equal(*guest(t, MiB + SIZE - 1), 'x');
}

static void fences_of_a_context_come(void **state)
{
	struct gpu_front *t = *state;

	if (!begin(t))
		skip();
	for (unsigned i = 1; i <= 20; i++) {
		t->g.next = (struct virtio_gpu_ctrl_hdr){
			.flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
			.fence_id = i, .ctx_id = 1, .ring_idx = 0,
		};
		assert_int_equal(create(t, i, 0), OK);
		assert_int_equal(t->g.last.fence_id, i);
	}
}

static void case_58_what_is_no_vulkan_is_refused(void **state)
{
	uint32_t words[256];
	struct gpu_front *t = *state;

	if (!begin(t))
		skip();
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = 0x9e3779b1u * (i + 1);
	vgpu_submit(&t->g, 1, words, sizeof(words), sizeof(words));
	vgpu_ctx_command(&t->g, VIRTIO_GPU_CMD_CTX_DESTROY, 1, 0);
	assert_int_equal(vgpu_ctx_create(&t->g, 1, CAPSET_VENUS, "again"), OK);
	assert_int_equal(create(t, 3, 0), OK);
	assert_int_equal(map(t, 3, 0), MAPPED);
}

static void case_71_memory_of_a_process_that_is_killed(void **state)
{
	struct gpu_front *t = *state;

	if (!begin(t))
		skip();
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = gpu_front_child();

		if (pid < 0)
			skip();
		assert_int_equal(create(t, 1, 0), OK);
		assert_int_equal(map(t, 1, 0), MAPPED);
		*guest(t, 0) = 'x';
		kill(pid, SIGKILL);
		GPU_FRONT_UNTIL(t, gpu_front_needs_reset(t));
		assert_int_equal(*guest(t, 0), 0);
		vdrv_reset(&t->r.d);
		assert_true(begin(t));
	}
	assert_int_equal(create(t, 1, 0), OK);
	assert_int_equal(map(t, 1, 0), MAPPED);
	assert_int_equal(*guest(t, 0), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_of_the_renderer_is_the_guests),
		T(fences_of_a_context_come),
		T(case_58_what_is_no_vulkan_is_refused),
		T(case_71_memory_of_a_process_that_is_killed),
	};
	int status;

	if (!have_gl(&status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
