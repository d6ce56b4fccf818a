/* SPDX-License-Identifier: MIT */
/*
 * The card on a loop of its own thread, a driver on another, as with a vCPU that
 * resets the card while it works, while frames are due and monitors change.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/ui/ui_null.h"
#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_rig.h"

#define ROUNDS 1000
#define REFRESH_MHZ 5000000	/* frames come between everything else */
#define PATTERN 0xa5
#define W 64u
#define H 32u
#define ALL VGPU_RECT(0, 0, W, H)
#define COMMAND_BYTES 256u
#define ANSWERS 16u

struct t {
	struct vrig r;
	struct gpu *gpu;
	struct ui_null *ui;
	pthread_t loop;
	struct loop_timer timer;	/* of the loop's thread: a window that is being resized */
	uint32_t width;
	uint64_t commands, answers;
};

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void resize(void *arg)
{
	struct t *t = arg;
	const struct display_sink sink = gpu_sink(t->gpu);

	t->width = 64 + t->width % 1000;
	sink.ops->configure(sink.ctx, 0, &(struct display_output){ .width = ++t->width });
	sink.ops->plug(sink.ctx, 1, t->width & 1);
	loop_timer_arm(t->r.fake.loop, &t->timer, 100000);
}

static int setup(void **state)
{
	const struct gpu_params params = { .n_outputs = 2, .n_plugged = 1 };
	struct t *t = calloc(1, sizeof(*t));
	struct display display;

	vrig_init(&t->r, VRIG_PCI_MSIX);
	assert_int_equal(gpu_create(&t->gpu, t->r.fake.loop, &t->r.fake.mem, &params), 0);
	assert_int_equal(ui_null_create(&t->ui, t->r.fake.loop, REFRESH_MHZ), 0);
	display = ui_null_display(t->ui);
	ui_null_set_sink(t->ui, gpu_sink(t->gpu));
	gpu_set_display(t->gpu, &display);
	vrig_plug(&t->r, gpu_device(t->gpu));
	t->r.racing = true;
	t->timer = (struct loop_timer){ .cb = resize, .arg = t };
	loop_timer_arm(t->r.fake.loop, &t->timer, 0);
	pthread_create(&t->loop, NULL, loop_thread, t->r.fake.loop);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	loop_quit(t->r.fake.loop);
	pthread_join(t->loop, NULL);
	vrig_unplug(&t->r);
	gpu_set_display(t->gpu, NULL);
	gpu_destroy(t->gpu);
	ui_null_destroy(t->ui);
	vrig_finish(&t->r);
	free(t);
	return 0;
}

static void put(struct t *t, unsigned i, const void *cmd, size_t len)
{
	memcpy(vdrv_ptr(&t->r.d, t->commands + i * COMMAND_BYTES, len), cmd, len);
}

enum { CREATE, ATTACH, SHOW, TRANSFER, FLUSH, CURSOR, UNREF, COMMANDS };

static void put_commands(struct t *t)
{
	struct {
		struct virtio_gpu_resource_attach_backing c;
		struct virtio_gpu_mem_entry entry;
	} attach = {
		{ .hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, .resource_id = 1,
		  .nr_entries = 1 },
		{ .addr = GPU_RIG_FB, .length = W * H * 4 },
	};

	t->commands = vdrv_alloc(&t->r.d, COMMANDS * COMMAND_BYTES, 16);
	t->answers = vdrv_alloc(&t->r.d, ANSWERS * 24, 16);
	put(t, CREATE, &(struct virtio_gpu_resource_create_2d){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, .resource_id = 1, .format = 1,
		.width = W, .height = H }, sizeof(struct virtio_gpu_resource_create_2d));
	put(t, ATTACH, &attach, sizeof(attach));
	put(t, SHOW, &(struct virtio_gpu_set_scanout){
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT, .resource_id = 1, .r = ALL },
	    sizeof(struct virtio_gpu_set_scanout));
	put(t, TRANSFER, &(struct virtio_gpu_transfer_to_host_2d){
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, .resource_id = 1, .r = ALL },
	    sizeof(struct virtio_gpu_transfer_to_host_2d));
	put(t, FLUSH, &(struct virtio_gpu_resource_flush){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH, .resource_id = 1, .r = ALL },
	    sizeof(struct virtio_gpu_resource_flush));
	put(t, CURSOR, &(struct virtio_gpu_update_cursor){
		.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR, .pos = { .x = 5 } },
	    sizeof(struct virtio_gpu_update_cursor));
	put(t, UNREF, &(struct virtio_gpu_resource_unref){
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = 1 },
	    sizeof(struct virtio_gpu_resource_unref));
}

static void send(struct t *t, unsigned q, unsigned command, unsigned answer)
{
	const struct vdrv_buf bufs[] = {
		VDRV_OUT(t->commands + command * COMMAND_BYTES, COMMAND_BYTES),
		VDRV_IN(t->answers + answer * 24, 24),
	};

	vdrv_add(&t->r.d.rings[q], bufs, 2);
	if (vdrv_wants_kick(&t->r.d.rings[q]))
		vdrv_kick(&t->r.d, q);
}

static void start(struct t *t)
{
	vdrv_start(&t->r.d, GPU_RIG_FEATURES);
	put_commands(t);
}

/* Once status reads 0, answers and pictures are the driver's own again. */
static void case_22_reset_while_it_works(void **state)
{
	static const uint8_t script[] = { CREATE, ATTACH, SHOW, TRANSFER, FLUSH, TRANSFER, FLUSH,
					  TRANSFER, FLUSH, UNREF, CREATE, ATTACH };
	struct t *t = *state;
	uint8_t *answers, *fb = vdrv_ptr(&t->r.d, GPU_RIG_FB, W * H * 4);
	struct gpu_usage usage;

	for (unsigned i = 0; i < ROUNDS; i++) {
		start(t);
		answers = vdrv_ptr(&t->r.d, t->answers, ANSWERS * 24);
		for (unsigned k = 0; k < ARRAY_SIZE(script); k++) {
			send(t, 0, script[k], k);
			if (k == i % 12)
				send(t, 1, CURSOR, ANSWERS - 1);
		}
		for (unsigned spin = 0; spin < i % 40; spin++)
			sched_yield();
		vdrv_config_read(&t->r.d, 0, 4);
		vdrv_reset(&t->r.d);
		memset(answers, PATTERN, ANSWERS * 24);
		memset(fb, i, W * H * 4);
		sched_yield();
		for (unsigned k = 0; k < ANSWERS * 24; k++)
			assert_int_equal(answers[k], PATTERN);
		gpu_get_usage(t->gpu, &usage);
		assert_int_equal(usage.resources + usage.bytes + usage.backing + usage.parked, 0);
	}
}

static void every_flush_gets_its_frame(void **state)
{
	struct t *t = *state;
	struct vdrv_ring *ring = &t->r.d.rings[0];
	unsigned sent = 3, got = 0;

	start(t);
	for (unsigned i = 0; i < 3; i++)
		send(t, 0, i, i);
	while (got < 5000) {
		if (ring->n_free >= 4) {
			send(t, 0, TRANSFER, 4);
			send(t, 0, FLUSH, 5);
			sent += 2;
		}
		while (vdrv_used(ring, NULL) >= 0)
			got++;
		vdrv_config_write(&t->r.d, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
		vrig_take_config_irq(&t->r);
	}
	while (got < sent)
		got += vdrv_used(ring, NULL) >= 0;
	assert_int_equal(vdrv_used(ring, NULL), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(case_22_reset_while_it_works),
		T(every_flush_gets_its_frame),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
