/* SPDX-License-Identifier: MIT */
/*
 * Command streams that no driver sends, to microvm-gpu with whatever virglrenderer
 * there is: they are refused, or do nothing, and the next context draws as if nothing
 * had been. Libraries have had their bugs here: one that crashes takes the process
 * along, the device needs a reset, and then it draws again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices/virtio/gpu_proto.h"
#include "tests/gpu_front.h"
#include "tests/have_gl.h"
#include "tests/virgl.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define TO_HOST VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D
#define FROM_HOST VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D
#define ATTACH VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE
#define DESTROY VIRTIO_GPU_CMD_CTX_DESTROY
#define FEATURES                                                                                   \
	(BIT(VIRTIO_GPU_F_VIRGL) | BIT(VIRTIO_GPU_F_CONTEXT_INIT) |                                \
	 BIT(VIRTIO_GPU_F_RESOURCE_BLOB) | VIRTIO_COMMON_FEATURES)
#define DIED VIRTIO_GPU_RESP_ERR_UNSPEC
#define W 64u
#define H 32u
#define BYTES (W * H * 4)
#define ALL VGPU_RECT(0, 0, W, H)
#define HUGE_ 0x7fffffffu

enum { GOOD = 1, BAD = 2 };			/* contexts */
enum { TEXTURE = 1, BUFFER, CUBE, RESULTS };	/* resources */

struct t {
	struct gpu_front f;
	uint32_t *fb;		/* FAKE_RAM2_GPA */
	bool entered;		/* BAD is there, and has not failed yet */
	unsigned deaths;
};

static int setup_with(void **state, const char *option)
{
	struct t *t = calloc(1, sizeof(*t));

	gpu_front_init(&t->f, option);
	gpu_front_start(&t->f, FEATURES);
	t->fb = gmem_ptr(&t->f.r.fake.mem, FAKE_RAM2_GPA, FAKE_RAM2_LEN);
	*state = t;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "virgl,outputs=2");
}

static int setup_impatient(void **state)
{
	return setup_with(state, "virgl,patience=3");
}

static int teardown(void **state)
{
	struct t *t = *state;

	if (t->deaths)
		printf("(the library crashed %u times)\n", t->deaths);
	gpu_front_finish(&t->f);
	free(t);
	return 0;
}

static void make(struct t *t, uint32_t id, uint32_t target, uint32_t format, uint32_t bind,
		 uint32_t width, uint32_t height, uint32_t layers)
{
	const struct virtio_gpu_resource_create_3d c = {
		.resource_id = id, .target = target, .format = format, .bind = bind,
		.width = width, .height = height, .depth = 1, .array_size = layers,
	};

	assert_int_equal(vgpu_create_3d(&t->f.g, c), OK);
}

static uint32_t submit(struct t *t, uint32_t ctx, const struct virgl_stream *s)
{
	return vgpu_submit(&t->f.g, ctx, s->words, 4 * s->n, 4 * s->n);
}

/* Resources for all; the texture has backing. */
static void begin(struct t *t)
{
	make(t, TEXTURE, 2, XRGB, 2 | 8, W, H, 1);
	make(t, BUFFER, 0, 64, 16, 256, 1, 1);
	make(t, CUBE, 4, 1, 8, 16, 16, 6);
	make(t, RESULTS, 0, 64, 1 << 17, 256, 1, 1);
	assert_int_equal(vgpu_attach_range(&t->f.g, TEXTURE, FAKE_RAM2_GPA, BYTES), OK);
}

static void enter(struct t *t, uint32_t ctx)
{
	assert_int_equal(vgpu_ctx_create(&t->f.g, ctx, 0, ""), OK);
	for (uint32_t id = TEXTURE; id <= RESULTS; id++)
		assert_int_equal(vgpu_ctx_command(&t->f.g, ATTACH, ctx, id), OK);
}

static void leave(struct t *t, uint32_t ctx)
{
	assert_int_equal(vgpu_ctx_command(&t->f.g, DESTROY, ctx, 0), OK);
}

static uint32_t transfer(struct t *t, uint32_t ctx, uint32_t type, uint32_t resource,
			 struct virtio_gpu_box box, uint32_t level, uint32_t stride,
			 uint64_t offset)
{
	const struct virtio_gpu_transfer_host_3d c = {
		.box = box, .resource_id = resource, .level = level, .stride = stride,
		.offset = offset,
	};

	return vgpu_transfer_3d(&t->f.g, type, ctx, c);
}

/* Another context draws a colour, and it is seen. */
static void assert_draws(struct t *t)
{
	struct virgl_stream s = { .n = 0 };

	enter(t, GOOD);
	virgl_surface(&s, 1, TEXTURE, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_clear(&s, 0, 1, 0.2f, 1);
	assert_int_equal(submit(t, GOOD, &s), OK);
	assert_int_equal(vgpu_set_scanout(&t->f.g, 0, TEXTURE, ALL), OK);
	assert_int_equal(gpu_front_screenshot(&t->f, W, H), 0x00ff33);
	leave(t, GOOD);
}

/* What a driver does when its device needs a reset. */
static void rise(struct t *t)
{
	GPU_FRONT_UNTIL(&t->f, gpu_front_needs_reset(&t->f));
	vdrv_reset(&t->f.r.d);
	gpu_front_start(&t->f, FEATURES);
	begin(t);
	t->entered = false;
	t->deaths++;
}

/*
 * A context that has not failed yet, for it does nothing any more when it has, sends
 * @s: the answer.
 */
static uint32_t send(struct t *t, const struct virgl_stream *s)
{
	uint32_t type;

	if (!t->entered)
		enter(t, BAD);
	type = submit(t, BAD, s);
	t->entered = type == OK;
	if (type == DIED)
		rise(t);
	else if (!t->entered)
		leave(t, BAD);
	return type;
}

struct bad {
	uint8_t command, object;
	uint8_t n;
	uint32_t words[24];
};

/* What is no use to anybody is refused or does nothing; which, is the library's choice. */
static void assert_answered(uint32_t type)
{
	if (type != OK && type != PARAMETER && type != MEMORY && type != DIED)
		fail_msg("answered %#x", type);
}

/* Each of them alone, and behind a framebuffer that is good. */
static void try_all(struct t *t, const struct bad *all, unsigned n)
{
	begin(t);
	for (unsigned i = 0; i < 2 * n; i++) {
		const struct bad *b = &all[i / 2];
		struct virgl_stream s = { .n = 0 };

		if (i % 2) {
			virgl_surface(&s, 1, TEXTURE, XRGB);
			virgl_framebuffer(&s, 1);
		}
		virgl_cmd(&s, b->command, b->object, b->n, b->words);
		assert_answered(send(t, &s));
	}
	assert_draws(t);
}

#define TRY(state, all) try_all(*(state), all, ARRAY_SIZE(all))

static void case_58_packets_longer_than_what_is_there(void **state)
{
	struct t *t = *state;
	struct virgl_stream s = { .n = 0 };

	begin(t);
	enter(t, BAD);
	for (unsigned command = 0; command < 256; command++) {
		s.n = 0;
		virgl_put(&s, command | (uint32_t)UINT16_MAX << 16);
		assert_int_equal(submit(t, BAD, &s), PARAMETER);
		s.words[0] = command | 2u << 16;
		virgl_put(&s, 0);
		assert_int_equal(submit(t, BAD, &s), PARAMETER);
	}
	/* Nothing that comes before it is done either. */
	s.n = 0;
	virgl_surface(&s, 1, TEXTURE, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_clear(&s, 1, 1, 1, 1);
	virgl_put(&s, VIRGL_NOP | 1u << 16);
	t->fb[0] = 0x123456;
	assert_int_equal(vgpu_transfer(&t->f.g, TEXTURE, ALL, 0), OK);
	assert_int_equal(submit(t, BAD, &s), PARAMETER);
	t->fb[0] = 0;
	assert_int_equal(transfer(t, BAD, FROM_HOST, TEXTURE, (struct virtio_gpu_box){
			 .w = W, .h = H, .d = 1 }, 0, 0, 0), OK);
	assert_int_equal(t->fb[0] & 0xffffff, 0x123456);
	leave(t, BAD);
	assert_draws(t);
}

static void case_58_packets_of_every_length(void **state)
{
	struct t *t = *state;
	static const uint8_t lengths[] = { 1, 3, 5, 12 };

	begin(t);
	for (unsigned command = 0; command < 70; command++) {
		for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
			struct virgl_stream s = { .n = 0 };

			virgl_put(&s, command | (uint32_t)lengths[i] << 16);
			for (unsigned k = 0; k < lengths[i]; k++)
				virgl_put(&s, i % 2 ? UINT32_MAX : 0);
			assert_answered(send(t, &s));
		}
	}
	assert_draws(t);
}

static void case_59_drawing_with_nothing_bound(void **state)
{
	static const struct bad all[] = {
		{ VIRGL_CLEAR, 0, 8, { 4, 0, 0, 0, 0, 0, 0, 0 } },
		{ VIRGL_CLEAR, 0, 8, { UINT32_MAX, 0, 0, 0, 0, 0, 0, 0 } },
		{ VIRGL_DRAW_VBO, 0, 12, { 0, 3, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0 } },
		{ VIRGL_DRAW_VBO, 0, 12, { 0, UINT32_MAX, 4, 1, 1, 0, 0, 0, 0, 0, 2, 0 } },
		{ VIRGL_DRAW_VBO, 0, 12, { 0, 3, UINT32_MAX, 0, 1, 0, 0, 0, 0, 0, 2, 0 } },
		{ VIRGL_DRAW_VBO, 0, 12, { 0, 3, 4, 0, 1, 0, 0, 0, 0, 0, 2, 77 } },
		{ VIRGL_LAUNCH_GRID, 0, 8, { 1, 1, 1, 1, 1, 1, 0, 0 } },
		{ VIRGL_LAUNCH_GRID, 0, 8, { 1, 1, 1, 1, 1, 1, 99, 0 } },
	};

	TRY(state, all);
}

static void case_60_counts_and_slots_above_the_array(void **state)
{
	static const struct bad all[] = {
		{ VIRGL_SET_FRAMEBUFFER_STATE, 0, 11, { 9, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
		{ VIRGL_SET_FRAMEBUFFER_STATE, 0, 3, { UINT32_MAX, 0, 1 } },
		{ VIRGL_SET_FRAMEBUFFER_STATE, 0, 3, { 1, 99, 1 } },
		{ VIRGL_SET_FRAMEBUFFER_STATE, 0, 3, { 1, 0, 99 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_VERTEX_ELEMENTS, 3, { 5, 0, 0 } },
		{ VIRGL_SET_VIEWPORT_STATE, 0, 7, { 16, 0, 0, 0, 0, 0, 0 } },
		{ VIRGL_SET_VIEWPORT_STATE, 0, 7, { UINT32_MAX, 0, 0, 0, 0, 0, 0 } },
		{ VIRGL_SET_SCISSOR_STATE, 0, 3, { 16, 0, 0 } },
		{ VIRGL_SET_SCISSOR_STATE, 0, 3, { UINT32_MAX, 0, 0 } },
		{ VIRGL_SET_SAMPLER_VIEWS, 0, 3, { 0, UINT32_MAX, 0 } },
		{ VIRGL_SET_SAMPLER_VIEWS, 0, 3, { 99, 0, 0 } },
		{ VIRGL_BIND_SAMPLER_STATES, 0, 3, { 0, UINT32_MAX, 0 } },
		{ VIRGL_BIND_SAMPLER_STATES, 0, 3, { UINT32_MAX, 0, 0 } },
		{ VIRGL_SET_CONSTANT_BUFFER, 0, 3, { 99, 0, 0 } },
		{ VIRGL_BIND_SHADER, 0, 2, { 0, 99 } },
		{ VIRGL_BIND_SHADER, 0, 2, { 77, 1 } },
		{ VIRGL_SET_SUB_CTX, 0, 1, { 99 } },
	};

	TRY(state, all);
}

static void case_61_vertex_buffers_out_of_range(void **state)
{
	static const struct bad all[] = {
		{ VIRGL_CREATE_OBJECT, VIRGL_VERTEX_ELEMENTS, 5, { 5, 0, 0, 77, 31 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_VERTEX_ELEMENTS, 5, { 5, 0, 0, 0, 9999 } },
		{ VIRGL_SET_VERTEX_BUFFERS, 0, 3, { 16, UINT32_MAX, BUFFER } },
		{ VIRGL_SET_VERTEX_BUFFERS, 0, 3, { 16, 0, 99 } },
		{ VIRGL_SET_INDEX_BUFFER, 0, 3, { BUFFER, 3, 0 } },
		{ VIRGL_SET_INDEX_BUFFER, 0, 3, { 99, 2, 0 } },
		{ VIRGL_SET_INDEX_BUFFER, 0, 3, { BUFFER, 2, UINT32_MAX } },
	};

	TRY(state, all);
}

static void case_62_blits_and_copies_of_what_is_not_there(void **state)
{
	/* mask, scissor, then twice: resource, level, format, x, y, z, w, h, d */
	static const struct bad all[] = {
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, XRGB, 0, 0, 0, 8, 8, 1,
				       99, 0, XRGB, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, 9999, 0, 0, 0, 8, 8, 1,
				       TEXTURE, 0, 9999, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, XRGB, 0, 0, 0, HUGE_, HUGE_, 1,
				       TEXTURE, 0, XRGB, 0, 0, 0, HUGE_, HUGE_, 1 } },
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 77, XRGB, 0, 0, 0, 8, 8, 1,
				       TEXTURE, 78, XRGB, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, XRGB, 0, 0, 99, 8, 8, 1,
				       CUBE, 0, 1, 0, 0, 99, 8, 8, 1 } },
		{ VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, XRGB, 0, 0, 0, 8, 8, 1,
				       BUFFER, 0, 64, 0, 0, 0, 8, 1, 1 } },
		{ VIRGL_BLIT, 0, 21, { 48, 0, 0, TEXTURE, 0, XRGB, 0, 0, 0, 8, 8, 1,
				       TEXTURE, 0, XRGB, 0, 0, 0, 8, 8, 1 } },
		/* resource, level, x, y, z, resource, level, x, y, z, w, h, d */
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { TEXTURE, 0, 0, 0, 0, 99, 0, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { TEXTURE, 0, 0, 0, 0, TEXTURE, 9, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { TEXTURE, 0, 60, 0, 0, TEXTURE, 0, 0, 0, 0, 8, 8, 1 } },
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { TEXTURE, 0, UINT32_MAX, UINT32_MAX, 0, CUBE, 0, 0, 0, 9, 8, 8, 1 } },
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { BUFFER, 0, HUGE_, 0, 0, BUFFER, 0, 0, 0, 0, HUGE_, 1, 1 } },
		{ VIRGL_RESOURCE_COPY_REGION, 0, 13,
		  { BUFFER, 0, 250, 0, 0, BUFFER, 0, 250, 0, 0, 16, 1, 1 } },
	};

	TRY(state, all);
}

static uint32_t try_shader(struct t *t, enum virgl_shader_type type, const char *text)
{
	static struct virgl_stream s;
	uint32_t answer;

	s.n = 0;
	virgl_shader(&s, 7, type, text);
	answer = send(t, &s);
	assert_answered(answer);
	return answer;
}

static void case_63_shaders_that_are_none(void **state)
{
	struct t *t = *state;
	static const char *const all[] = {
		"", "FRAG", "VERT", "FRAG\n", "FRAG\nDCL", "FRAG\nDCL IN[", "FRAG\nDCL IN[0",
		"FRAG\nDCL IN[99999999999999]\nEND\n", "FRAG\nDCL IN[4294967295], GENERIC\nEND\n",
		"FRAG\nDCL OUT[0], COLOR[4294967295]\nEND\n",
		"FRAG\nDCL TEMP[0..4294967295]\nEND\n", "FRAG\nDCL TEMP[7..3], ARRAY(99)\nEND\n",
		"FRAG\nDCL CONST[99999][0..1]\nEND\n", "FRAG\nDCL SAMP[200]\nEND\n",
		"FRAG\nDCL SVIEW[200], 2D, FLOAT\nEND\n", "FRAG\nIMM[0] FLT32 {\nEND\n",
		"FRAG\nIMM[0] FLT32 { 1, 2, 3, 4, 5, 6, 7, 8 }\nEND\n",
		"FRAG\nPROPERTY NONSENSE 99999999999\nEND\n", "FRAG\nPROPERTY\n",
		"FRAG\nDCL OUT[0], COLOR\n  0: MOV OUT[0], IN[77]\n  1: END\n",
		"FRAG\n  0: TEX OUT[0], IN[0], SAMP[99], 2D\n  1: END\n",
		"FRAG\n  0: ELSE\n  1: ENDIF\n  2: ENDLOOP\n  3: END\n",
		"FRAG\n  0: MOV\n", "FRAG\n  0: MOV OUT[0].xyzwxyzw, IMM[0]\n  1: END\n",
	};

	begin(t);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		try_shader(t, VIRGL_FRAGMENT, all[i]);
		try_shader(t, VIRGL_VERTEX, all[i]);
	}
	assert_draws(t);
}

static void case_63_words_without_end(void **state)
{
	struct t *t = *state;
	static char text[8000];

	begin(t);
	memset(text, 'A', sizeof(text) - 1);
	try_shader(t, VIRGL_FRAGMENT, text);
	memcpy(text, "FRAG\nDCL IN[0], ", 16);
	try_shader(t, VIRGL_FRAGMENT, text);
	memset(text, '9', sizeof(text) - 1);
	memcpy(text, "FRAG\nIMM[0] FLT32 {", 19);
	try_shader(t, VIRGL_FRAGMENT, text);
	assert_draws(t);
}

static void case_64_shaders_in_pieces_that_do_not_fit(void **state)
{
	/* handle, type, offset with bit 31 for one that goes on, tokens, outputs, text */
	static const struct bad all[] = {
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, HUGE_, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, UINT32_MAX, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 0x80000004, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 0x80000000, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 0, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 4, UINT32_MAX, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 99, 4, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 4, 300, 99, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 7, 1, 4, 300, UINT32_MAX, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, { 0, 1, 4, 300, 0, 0x47415246 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 5, { 7, 1, 4, 300, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SHADER, 1, { 7 } },
	};
	struct t *t = *state;
	struct virgl_stream s = { .n = 0 };
	const uint32_t first[] = { 7, 1, 4000, 300, 0, 0x47415246 };
	const uint32_t next[] = { 7, 1, 0x80000000 | 3996, 300, 0, 1, 2, 3, 4, 5 };
	const uint32_t back[] = { 7, 1, 0x80000000 | 2, 300, 0, 1 };

	TRY(state, all);
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, first);
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 10, next);
	assert_answered(send(t, &s));
	s.n = 0;
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, first);
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, first);
	assert_answered(send(t, &s));
	s.n = 0;
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, first);
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 6, back);
	assert_answered(send(t, &s));
	assert_draws(t);
}

static void case_65_transfers_outside(void **state)
{
	struct t *t = *state;
	static const struct {
		struct virtio_gpu_box box;
		uint32_t level, stride;
		uint64_t offset;
	} all[] = {
		{ { 0, 0, 0, 0, H, 1 }, 0, 0, 0 }, { { 0, 0, 0, W, 0, 1 }, 0, 0, 0 },
		{ { 0, 0, 0, W, H, 0 }, 0, 0, 0 }, { { 0, 0, 0, W + 1, H, 1 }, 0, 0, 0 },
		{ { 0, 0, 0, W, H + 1, 1 }, 0, 0, 0 }, { { 0, 0, 0, W, H, 2 }, 0, 0, 0 },
		{ { 1, 0, 0, W, H, 1 }, 0, 0, 0 }, { { 0, 1, 0, W, H, 1 }, 0, 0, 0 },
		{ { 0, 0, 1, W, H, 1 }, 0, 0, 0 }, { { 0, 0, 0, W, H, 1 }, 1, 0, 0 },
		{ { 0, 0, 0, W, H, 1 }, UINT32_MAX, 0, 0 },
		{ { UINT32_MAX, 0, 0, 2, 1, 1 }, 0, 0, 0 },
		{ { 0, UINT32_MAX, 0, 1, 2, 1 }, 0, 0, 0 },
		{ { 0, 0, UINT32_MAX, 1, 1, 2 }, 0, 0, 0 },
		{ { 0x80000000, 0, 0, 0x80000001, 1, 1 }, 0, 0, 0 },
		{ { 0, 0, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX }, 0, 0, 0 },
		{ { 0, 0, 0, W, H, 1 }, 0, 0, 4 }, { { 0, 0, 0, W, H, 1 }, 0, 0, BYTES },
		{ { 0, 0, 0, W, H, 1 }, 0, UINT32_MAX, 0 },
		{ { 0, 0, 0, W, H, 1 }, 0, 4 * W + 4, 0 },
		{ { 0, 0, 0, 1, 2, 1 }, 0, UINT32_MAX - 3, 0 },
	};

	begin(t);
	enter(t, GOOD);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_int_equal(transfer(t, GOOD, TO_HOST, TEXTURE, all[i].box, all[i].level,
					  all[i].stride, all[i].offset), PARAMETER);
		assert_int_equal(transfer(t, GOOD, FROM_HOST, TEXTURE, all[i].box, all[i].level,
					  all[i].stride, all[i].offset), PARAMETER);
	}
	leave(t, GOOD);
	assert_draws(t);
}

static void case_65_inline_writes_outside(void **state)
{
	/* resource, level, usage, stride, layer stride, x, y, z, w, h, d, data */
	static const struct bad all[] = {
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 0, 0, 0, 0, 0, 0, 0, 8, 8, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 0, 0, 0, 0, W, H, 0, 1, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 0, 0, 0, 0, UINT32_MAX, 0, 0, 1, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 0, 0, 0, 0, 0, 0, 0, HUGE_, HUGE_, HUGE_, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 99, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { TEXTURE, 0, 0, UINT32_MAX, UINT32_MAX, 0, 0, 0, 1, 2, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { BUFFER, 0, 0, 0, 0, 255, 0, 0, 4, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12,
		  { BUFFER, 0, 0, 0, 0, 0, 0, 0, 256, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 12, { 99, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0 } },
		{ VIRGL_RESOURCE_INLINE_WRITE, 0, 11, { TEXTURE, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1 } },
	};

	TRY(state, all);
}

static void case_66_formats_and_binds_that_are_none(void **state)
{
	struct t *t = *state;
	struct virtio_gpu_resource_create_3d c = {
		.target = 2, .bind = 2, .width = 4, .height = 4, .depth = 1, .array_size = 1,
	};
	static const uint32_t formats[] = { 0, 313, 400, 9999, 0x7fffffff, UINT32_MAX };

	begin(t);
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		c.resource_id = 10 + i;
		c.format = formats[i];
		assert_answered(vgpu_create_3d(&t->f.g, c));
	}
	/* Every format by itself, that nobody draws to half of them included. */
	for (uint32_t format = 1; format < 313; format++) {
		c.resource_id = 100 + format;
		c.format = format;
		assert_answered(vgpu_create_3d(&t->f.g, c));
	}
	c.format = XRGB;
	for (unsigned bit = 0; bit < 32; bit++) {
		c.resource_id = 1000 + bit;
		c.bind = 1u << bit;
		assert_answered(vgpu_create_3d(&t->f.g, c));
		c.resource_id = 2000 + bit;
		c.bind = 2;
		c.flags = 1u << bit;
		assert_answered(vgpu_create_3d(&t->f.g, c));
		c.flags = 0;
	}
	assert_draws(t);
}

static void case_67_nothing_of_others_is_in_what_was_never_written(void **state)
{
	struct t *t = *state;
	const struct virtio_gpu_box all = { .w = W, .h = H, .d = 1 };
	struct virtio_gpu_box buffer = { .w = 4096, .h = 1, .d = 1 };

	begin(t);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t id = 20 + i;

		if (i % 2)
			make(t, id, 0, 64, 16, 4096, 1, 1);
		else
			make(t, id, 2, XRGB, 2 | 8, W, H, 1);
		assert_int_equal(vgpu_attach_range(&t->f.g, id, FAKE_RAM2_GPA, BYTES), OK);
		assert_int_equal(vgpu_ctx_create(&t->f.g, GOOD, 0, ""), OK);
		assert_int_equal(vgpu_ctx_command(&t->f.g, ATTACH, GOOD, id), OK);
		memset(t->fb, 0x77, BYTES);
		assert_int_equal(transfer(t, GOOD, FROM_HOST, id, i % 2 ? buffer : all, 0, 0,
		    0), OK);
		for (unsigned k = 0; k < (i % 2 ? 4096u : BYTES) / 4; k++)
			if (t->fb[k] & 0xffffff)
				fail_msg("resource %u has %#x at %u", i, t->fb[k], k);
		/* Memory that the next one may get. */
		memset(t->fb, 0x55, BYTES);
		assert_int_equal(transfer(t, GOOD, TO_HOST, id, i % 2 ? buffer : all, 0, 0, 0), OK);
		assert_int_equal(vgpu_unref(&t->f.g, id), OK);
		leave(t, GOOD);
	}
}

static void case_68_images_buffers_views_and_queries_out_of_range(void **state)
{
	static const struct bad all[] = {
		/* type, first, then format, access, layers, level, resource */
		{ VIRGL_SET_SHADER_IMAGES, 0, 7, { 1, 0, XRGB, 3, 0, 99, TEXTURE } },
		{ VIRGL_SET_SHADER_IMAGES, 0, 7, { 1, 99, XRGB, 3, 0, 0, TEXTURE } },
		{ VIRGL_SET_SHADER_IMAGES, 0, 7, { 99, 0, XRGB, 3, 0, 0, TEXTURE } },
		{ VIRGL_SET_SHADER_IMAGES, 0, 7, { 1, 0, 9999, 3, 0, 0, TEXTURE } },
		{ VIRGL_SET_SHADER_IMAGES, 0, 7, { 1, UINT32_MAX, XRGB, 3, 0, 0, 99 } },
		/* type, first, then offset, length, resource */
		{ VIRGL_SET_SHADER_BUFFERS, 0, 5, { 1, 99, 0, 16, BUFFER } },
		{ VIRGL_SET_SHADER_BUFFERS, 0, 5, { 1, UINT32_MAX, 0, 16, BUFFER } },
		{ VIRGL_SET_SHADER_BUFFERS, 0, 5, { 99, 0, 0, 16, BUFFER } },
		{ VIRGL_SET_SHADER_BUFFERS, 0, 5, { 1, 0, UINT32_MAX, UINT32_MAX, BUFFER } },
		{ VIRGL_SET_SHADER_BUFFERS, 0, 5, { 1, 0, 0, 16, 99 } },
		{ VIRGL_SET_ATOMIC_BUFFERS, 0, 4, { 99, 0, 16, BUFFER } },
		{ VIRGL_SET_ATOMIC_BUFFERS, 0, 4, { UINT32_MAX, 0, 16, BUFFER } },
		{ VIRGL_SET_ATOMIC_BUFFERS, 0, 4, { 0, UINT32_MAX, UINT32_MAX, BUFFER } },
		/* handle, resource, format, layers or elements, levels, swizzle */
		{ VIRGL_CREATE_OBJECT, VIRGL_SAMPLER_VIEW, 6, { 5, 99, XRGB, 0, 0, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SAMPLER_VIEW, 6, { 5, TEXTURE, 9999, 0, 0, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SAMPLER_VIEW, 6,
		  { 5, TEXTURE, XRGB, UINT32_MAX, UINT32_MAX, UINT32_MAX } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SAMPLER_VIEW, 6, { 5, TEXTURE, XRGB, 0, 0, 0xfff } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SAMPLER_VIEW, 6, { 5, BUFFER, 64, HUGE_, 0, 0x688 } },
		/* handle, resource, format, level, layers */
		{ VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, { 5, 99, XRGB, 0, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, { 5, TEXTURE, 9999, 0, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, { 5, TEXTURE, XRGB, 99, 0 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, { 5, TEXTURE, XRGB, 0, UINT32_MAX } },
		{ VIRGL_CREATE_OBJECT, VIRGL_SURFACE, 5, { 5, CUBE, 1, 0, 9 | 9 << 16 } },
		/* handle, type and index, offset, resource */
		{ VIRGL_CREATE_OBJECT, VIRGL_QUERY, 4, { 5, 0, 0, 99 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_QUERY, 4, { 5, 99, 0, BUFFER } },
		{ VIRGL_CREATE_OBJECT, VIRGL_QUERY, 4, { 5, 0, UINT32_MAX, BUFFER } },
		{ VIRGL_BEGIN_QUERY, 0, 1, { 99 } },
		{ VIRGL_END_QUERY, 0, 1, { 99 } },
		{ VIRGL_GET_QUERY_RESULT, 0, 2, { 99, 1 } },
		{ VIRGL_SET_STREAMOUT_TARGETS, 0, 3, { 0, 99, 99 } },
		{ VIRGL_CREATE_OBJECT, VIRGL_STREAMOUT_TARGET, 4,
		  { 5, BUFFER, UINT32_MAX, UINT32_MAX } },
		{ VIRGL_CREATE_OBJECT, VIRGL_STREAMOUT_TARGET, 4, { 5, 99, 0, 16 } },
		{ VIRGL_CREATE_OBJECT, 99, 4, { 5, 0, 0, 0 } },
		{ VIRGL_BIND_OBJECT, 99, 1, { 5 } },
		{ VIRGL_BIND_OBJECT, VIRGL_BLEND, 1, { 99 } },
		{ VIRGL_DESTROY_OBJECT, VIRGL_SURFACE, 1, { 99 } },
		{ VIRGL_DESTROY_OBJECT, VIRGL_SURFACE, 1, { 1 } },
	};

	TRY(state, all);
}

/* A query's result is written when it is there, which may be after its buffer has gone. */
static void case_69_results_for_memory_that_was_taken_away(void **state)
{
	struct t *t = *state;
	struct virgl_stream s = { .n = 0 };
	const uint32_t query[] = { 5, 0, 0, RESULTS }, handle[] = { 5 }, ask[] = { 5, 0 };

	begin(t);
	assert_int_equal(vgpu_attach_range(&t->f.g, RESULTS, FAKE_RAM2_GPA + 65536, 256), OK);
	enter(t, BAD);
	virgl_surface(&s, 1, TEXTURE, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_QUERY, 4, query);
	virgl_cmd(&s, VIRGL_BEGIN_QUERY, 0, 1, handle);
	virgl_clear(&s, 1, 1, 1, 1);
	virgl_cmd(&s, VIRGL_END_QUERY, 0, 1, handle);
	virgl_cmd(&s, VIRGL_GET_QUERY_RESULT, 0, 2, ask);
	assert_int_equal(submit(t, BAD, &s), OK);
	assert_int_equal(vgpu_detach(&t->f.g, RESULTS), OK);
	assert_int_equal(vgpu_detach(&t->f.g, TEXTURE), OK);
	memset(t->fb, 0x11, 65536 + 256);
	assert_int_equal(vgpu_unref(&t->f.g, RESULTS), OK);
	s.n = 0;
	virgl_cmd(&s, VIRGL_GET_QUERY_RESULT, 0, 2, ask);
	assert_answered(submit(t, BAD, &s));
	leave(t, BAD);
	make(t, RESULTS, 0, 64, 1 << 17, 256, 1, 1);
	assert_draws(t);
	for (unsigned i = 0; i < (65536 + 256) / 4; i++)
		assert_int_equal(t->fb[i], 0x11111111);
}

static void case_49_what_is_shown_is_taken_away(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->f.g;
	struct virgl_stream s = { .n = 0 };

	begin(t);
	enter(t, BAD);
	virgl_surface(&s, 1, TEXTURE, XRGB);
	virgl_framebuffer(&s, 1);
	virgl_clear(&s, 1, 0, 0, 1);
	assert_int_equal(submit(t, BAD, &s), OK);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(vgpu_set_scanout(g, i, TEXTURE, ALL), OK);
	vgpu_cursor(g, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, TEXTURE, 0, 0, 0, 0);
	assert_int_equal(vgpu_unref(g, TEXTURE), OK);
	assert_int_equal(gpu_front_screenshot(&t->f, W, H), -1);
	assert_int_equal(vgpu_flush(g, TEXTURE, ALL), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	/* The framebuffer is still that context's. */
	s.n = 0;
	virgl_clear(&s, 1, 0, 0, 1);
	assert_answered(submit(t, BAD, &s));
	leave(t, BAD);
	make(t, TEXTURE, 2, XRGB, 2 | 8, W, H, 1);
	assert_draws(t);
}

/* As many layers as there are numbers, which the library copies one by one. */
static void case_70_what_takes_for_ever_is_ended(void **state)
{
	static const struct bad endless = {
		VIRGL_BLIT, 0, 21, { 15, 0, 0, TEXTURE, 0, XRGB, 0, 0, 0, HUGE_, HUGE_, HUGE_,
				     TEXTURE, 0, XRGB, 0, 0, 0, HUGE_, HUGE_, HUGE_ },
	};
	struct virgl_stream s = { .n = 0 };
	struct t *t = *state;

	begin(t);
	virgl_cmd(&s, endless.command, endless.object, endless.n, endless.words);
	/* A library may refuse it, too. */
	assert_answered(send(t, &s));
	assert_draws(t);
}

/* 0.10 has a list of what has no type yet: of what is in it twice, one stays behind. */
static void case_56_attached_twice_and_gone(void **state)
{
	struct t *t = *state;
	struct vgpu *g = &t->f.g;
	const struct virtio_gpu_mem_entry page = { FAKE_RAM2_GPA, 4096, 0 };
	const uint32_t type[] = { RESULTS + 1, XRGB, 2, 8, 8, 0, 0, 0, 32, 0 };
	struct virgl_stream s = { .n = 0 };

	begin(t);
	enter(t, BAD);
	t->entered = true;
	for (uint32_t id = RESULTS + 1; id < RESULTS + 3; id++) {
		const struct virtio_gpu_resource_create_blob c = {
			.resource_id = id, .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST, .size = 4096,
			.nr_entries = 1,
		};

		assert_int_equal(vgpu_create_blob(g, c, &page, 1), OK);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(vgpu_ctx_command(g, ATTACH, BAD, id), OK);
		assert_int_equal(vgpu_unref(g, id), OK);
	}
	virgl_cmd(&s, VIRGL_PIPE_RESOURCE_SET_TYPE, 0, ARRAY_SIZE(type), type);
	assert_answered(send(t, &s));
	assert_draws(t);
}

static void case_57_textures_that_nobody_counts(void **state)
{
	static const uint32_t huge[] = { 2, XRGB, 2, 16384, 16384, 1, 1, 0, 0, 0, 1 };
	struct t *t = *state;
	struct virgl_stream s = { .n = 0 };

	begin(t);
	for (unsigned i = 0; i < 100; i++)
		virgl_cmd(&s, VIRGL_PIPE_RESOURCE_CREATE, 0, ARRAY_SIZE(huge), huge);
	assert_int_equal(send(t, &s), PARAMETER);
	assert_draws(t);
}

/* Objects cost the host too; their number is bounded by the length of what made them. */
static void case_57_contexts_of_many_objects(void **state)
{
	struct t *t = *state;
	static struct virgl_stream s;

	begin(t);
	enter(t, BAD);
	for (uint32_t round = 0; round < 20; round++) {
		s.n = 0;
		for (uint32_t i = 0; i < 600; i++)
			virgl_surface(&s, 1 + round * 600 + i, TEXTURE, XRGB);
		assert_answered(submit(t, BAD, &s));
	}
	leave(t, BAD);
	assert_draws(t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(case_58_packets_longer_than_what_is_there),
		T(case_58_packets_of_every_length),
		T(case_59_drawing_with_nothing_bound),
		T(case_60_counts_and_slots_above_the_array),
		T(case_61_vertex_buffers_out_of_range),
		T(case_62_blits_and_copies_of_what_is_not_there),
		T(case_63_shaders_that_are_none),
		T(case_63_words_without_end),
		T(case_64_shaders_in_pieces_that_do_not_fit),
		T(case_65_transfers_outside),
		T(case_65_inline_writes_outside),
		T(case_66_formats_and_binds_that_are_none),
		T(case_67_nothing_of_others_is_in_what_was_never_written),
		T(case_68_images_buffers_views_and_queries_out_of_range),
		T(case_69_results_for_memory_that_was_taken_away),
		T(case_49_what_is_shown_is_taken_away),
		T(case_56_attached_twice_and_gone),
		T(case_57_textures_that_nobody_counts),
		T(case_57_contexts_of_many_objects),
		cmocka_unit_test_setup_teardown(case_70_what_takes_for_ever_is_ended,
						setup_impatient, teardown),
	};
	int status;

	if (!have_gl(&status))
		return status;
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
