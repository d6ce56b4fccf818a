/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/gpu/virgl_shaders.h"
#include "tests/virgl.h"
#include "vmm/util.h"

#define CONTINUES BIT(31)
#define SET_SUB_CTX 28

static bool valid(const char *text)
{
	bool whole, bytes = true;
	struct virgl_text t = { 0 }, one = { 0 };

	whole = virgl_text_valid(&t, text, strlen(text) + 1);
	for (size_t i = 0; i <= strlen(text) && bytes; i++)
		bytes = virgl_text_valid(&one, text + i, 1);
	assert_int_equal(whole, bytes);
	return whole;
}

static void shaders_of_drivers_are_taken(void **state)
{
	static const char *const good[] = {
		"VERT\nDCL IN[0]\nDCL OUT[0], POSITION\nDCL CONST[0..10]\nDCL TEMP[0..16]\n"
		"IMM[0] UINT32 {3212836864, 1073741824, 1101004800, 0}\n"
		"  0: MAD TEMP[1], CONST[4], IN[0].xxxx, TEMP[0]\n  1: END\n",
		"FRAG\nPROPERTY FS_COLOR0_WRITES_ALL_CBUFS 1\nDCL IN[0], GENERIC[99], PERSPECTIVE\n",
		"FRAG\nDCL SAMP[31]\nDCL SVIEW[127], 2D, FLOAT\nDCL IMAGE[31], 2D, WR\nDCL BUFFER[31]\n",
		"VERT\nDCL CONST[31][0..4095]\n  0: MOV OUT[79], CONST[31][ADDR[0].x+4095]\n",
		"GEOM\nDCL IN[][0..79], POSITION\n  0: MOV OUT[0], IN[31][79]\n",
		"FRAG\n  0: TEX TEMP[0], TEMP[1], SAMP[ADDR[0].x+3], 2D\n",
		"FRAG\n  0: TEX TEMP[0], TEMP[1], SAMP[TEMP[4000].x+3], 2D\n",
		"COMP\nDCL HWATOMIC[0..4095][31]\nDCL MEMORY[0], SHARED\nDCL TEMP[0..65535], ARRAY(9)\n",
		"DCL TEMP[7..7]\nDCL TEMP[ 7 . . 8 ]\n  0: MOV TEMP[ADDR[9].x+3], CONST[9][ADDR[9].x+3]\n",
		"", "[", "IN[", "IN[0", "IN[]", "]", "INPUT[100]", "XIN[100]", "IN2[100]",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		if (!valid(good[i]))
			fail_msg("refused: %s", good[i]);
}

static void case_63_registers_that_there_are_not(void **state)
{
	static const char *const bad[] = {
		"DCL IN[4294967295]", "DCL IN[80]", "DCL IN[0..80]", "DCL IN[80..0]", "dcl in[80]",
		"DCL IN [ 80 ]", "DCL IN\n[\t80", "DCL OUT[80]", "DCL SV[80]", "DCL SAMP[32]",
		"DCL SVIEW[128]", "DCL IMAGE[32]", "DCL BUFFER[32]", "DCL TEMP[65536]",
		"DCL CONST[65536]", "DCL CONST[32][0]", "DCL CONST[32] [0]", "DCL CONST[1][65536]",
		"DCL IN[4294967296]", "DCL IN[18446744073709551616]", "DCL IN[0000000080]",
		"DCL IN[0][80]", "IN[ADDR[0].x+80]", "IN[ADDR[65536].x]", "OUT[0],IN[99]",
		"-IN[99]", "|IN[99]|", "[[[[[[[[[", "[65536]",
		/* Ranges that end before they begin. */
		"DCL TEMP[1..0]", "DCL TEMP[10 .. 9]", "DCL CONST[0][65535..6]", "DCL TEMP[7.3]",
		"DCL IN[][9..8]", "DCL TEMP[70..8], ARRAY(1)",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		if (valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

/* --- in streams --------------------------------------------------------------------- */

static void put_piece(struct virgl_stream *s, uint32_t handle, uint32_t type, uint32_t offset,
		      uint32_t outputs, const char *text)
{
	size_t len = strlen(text), n = (len + 3) / 4;
	uint32_t words[64] = { handle, type, offset, 300, outputs };
	unsigned head = 5 + (outputs && type != VIRGL_COMPUTE ? 4 + 2 * outputs : 0);

	memcpy(words + head, text, len);
	virgl_cmd(s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, head + n, words);
}

static void put_sub_ctx(struct virgl_stream *s, uint32_t id)
{
	virgl_cmd(s, SET_SUB_CTX, 0, 1, &id);
}

static bool is_valid(struct virgl_shaders *known, uint32_t ctx, struct virgl_stream *s)
{
	bool ret = virgl_shaders_valid(known, ctx, s->words, s->n);

	s->n = 0;
	return ret;
}

static void case_63_bad_text_behind_what_goes_to_buffers(void **state)
{
	static struct virgl_shaders known;
	static struct virgl_stream s;

	(void)state;
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL IN[7]");
	put_piece(&s, 1, VIRGL_VERTEX, 100, 3, "VERT\nDCL IN[79]");
	put_piece(&s, 1, VIRGL_COMPUTE, 100, 4096, "COMP\nDCL IN[79]");
	assert_true(is_valid(&known, 1, &s));
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL IN[80]");
	assert_false(is_valid(&known, 1, &s));
	put_piece(&s, 1, VIRGL_VERTEX, 100, 3, "VERT\nDCL IN[80]");
	assert_false(is_valid(&known, 1, &s));
	put_piece(&s, 1, VIRGL_COMPUTE, 100, 4096, "COMP\nDCL IN[80]");
	assert_false(is_valid(&known, 1, &s));
	/* More of them than there are words. */
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL IN[7]");
	s.words[5] = UINT32_MAX;
	assert_false(is_valid(&known, 1, &s));
}

#define OUTPUT(reg, components, buffer, offset) \
	((reg) | (components) << 10 | (buffer) << 13 | (uint32_t)(offset) << 16)

/* A shader that writes @n outputs; @strides of four buffers. */
static bool outputs_taken(const uint32_t *strides, const uint32_t *outputs, unsigned n)
{
	struct virgl_shaders known = { 0 };
	static struct virgl_stream s;
	uint32_t words[1000] = { 1, VIRGL_VERTEX, 100, 300, n };

	memcpy(words + 5, strides, 4 * sizeof(*strides));
	for (unsigned i = 0; i < n; i++)
		words[9 + 2 * i] = outputs[i];
	s.n = 0;
	virgl_cmd(&s, VIRGL_CREATE_OBJECT, VIRGL_SHADER, 9 + 2 * n, words);
	return is_valid(&known, 1, &s);
}

static void outputs_of_drivers_are_taken(void **state)
{
	static const uint32_t none[4], strides[4] = { 64, 4, 4, 128 };
	static const uint32_t one[] = { OUTPUT(63, 4, 0, 0) };
	static const uint32_t some[] = {
		OUTPUT(0, 4, 0, 0), OUTPUT(1, 4, 0, 60), OUTPUT(2, 4, 1, 0), OUTPUT(3, 4, 2, 0),
		OUTPUT(4, 1, 3, 100),
	};
	uint32_t many[64];

	(void)state;
	assert_true(outputs_taken(none, one, 1));
	assert_true(outputs_taken(strides, some, ARRAY_SIZE(some)));
	for (unsigned i = 0; i < 64; i++)
		many[i] = OUTPUT(i, 1, 0, i);
	assert_true(outputs_taken(strides, many, 64));
}

static void case_63_outputs_that_there_are_not(void **state)
{
	static const uint32_t strides[4] = { 128, 4, 4, 128 }, far[4] = { UINT32_MAX, 0, 0, 700 };
	uint32_t one, many[200];

	(void)state;
	one = OUTPUT(64, 4, 0, 0);
	assert_false(outputs_taken(strides, &one, 1));
	one = OUTPUT(0, 4, 4, 0);
	assert_false(outputs_taken(strides, &one, 1));
	/* Gaps as long as anything. */
	one = OUTPUT(0, 4, 0, 65535);
	assert_false(outputs_taken(strides, &one, 1));
	one = OUTPUT(0, 4, 0, 0);
	assert_false(outputs_taken(far, &one, 1));
	many[0] = OUTPUT(0, 4, 3, 0);
	many[1] = OUTPUT(0, 4, 0, 0);
	assert_false(outputs_taken(far, many, 2));
	/* To and fro. */
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = OUTPUT(0, 4, i % 2 * 3, 0);
	assert_false(outputs_taken(strides, many, 40));
	assert_false(outputs_taken(strides, many, ARRAY_SIZE(many)));
}

static void case_64_text_in_pieces_is_read_as_one(void **state)
{
	static struct virgl_shaders known;
	static struct virgl_stream s;

	(void)state;
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL IN");
	/* A zero is the end, whatever follows. */
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 12, 0, "[80]");
	assert_true(is_valid(&known, 1, &s));
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");
	assert_true(is_valid(&known, 1, &s));
	/* In the next stream, while others have their own. */
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL TEMP[  ");
	assert_true(is_valid(&known, 2, &s));
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 16, 0, "79] ");
	assert_true(is_valid(&known, 1, &s));
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 20, 0, "IN[80]  ");
	assert_false(is_valid(&known, 1, &s));
}

static void case_64_pieces_that_do_not_go_on_are_refused(void **state)
{
	static struct virgl_shaders known;
	static struct virgl_stream s;

	(void)state;
#define REFUSED(sub, handle, type)                                                                 \
	do {                                                                                       \
		memset(&known, 0, sizeof(known));                                                  \
		put_sub_ctx(&s, 3);                                                                \
		put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");                        \
		assert_true(is_valid(&known, 1, &s));                                              \
		if (sub)                                                                           \
			put_sub_ctx(&s, (sub));                                                    \
		put_piece(&s, (handle), (type), CONTINUES | 16, 0, "1]  ");                        \
		assert_false(is_valid(&known, 1, &s));                                             \
	} while (0)
	REFUSED(4, 1, VIRGL_VERTEX);
	REFUSED(0, 1, VIRGL_VERTEX);
	REFUSED(3, 2, VIRGL_VERTEX);
	REFUSED(3, 1, VIRGL_FRAGMENT);
	/* Of nothing; of another context's. */
	memset(&known, 0, sizeof(known));
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES, 0, "1]  ");
	assert_false(is_valid(&known, 1, &s));
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");
	assert_true(is_valid(&known, 1, &s));
	put_sub_ctx(&s, 3);
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 16, 0, "1]  ");
	assert_false(is_valid(&known, 2, &s));
	/* Where nobody said where: in one stream, and not behind a switch. */
	memset(&known, 0, sizeof(known));
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 16, 0, "1]  ");
	assert_true(is_valid(&known, 1, &s));
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 20, 0, "IN  ");
	assert_false(is_valid(&known, 1, &s));
	put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");
	put_sub_ctx(&s, 4);
	virgl_cmd(&s, VIRGL_CREATE_SUB_CTX, 0, 1, &(uint32_t){ 9 });
	put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 16, 0, "1]  ");
	assert_false(is_valid(&known, 1, &s));
}

/* Of more unfinished ones than are remembered, the oldest is refused. */
static void many_contexts_at_once(void **state)
{
	static struct virgl_shaders known;
	static struct virgl_stream s;

	(void)state;
	for (uint32_t ctx = 0; ctx <= VIRGL_SHADERS; ctx++) {
		put_sub_ctx(&s, 1);
		put_piece(&s, 1, VIRGL_VERTEX, 100, 0, "VERT\nDCL  IN[   ");
		assert_true(is_valid(&known, ctx, &s));
	}
	for (uint32_t ctx = 0; ctx <= VIRGL_SHADERS; ctx++) {
		put_sub_ctx(&s, 1);
		put_piece(&s, 1, VIRGL_VERTEX, CONTINUES | 16, 0, "1]  ");
		assert_int_equal(is_valid(&known, ctx, &s), ctx != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shaders_of_drivers_are_taken),
		cmocka_unit_test(case_63_registers_that_there_are_not),
		cmocka_unit_test(case_63_bad_text_behind_what_goes_to_buffers),
		cmocka_unit_test(outputs_of_drivers_are_taken),
		cmocka_unit_test(case_63_outputs_that_there_are_not),
		cmocka_unit_test(case_64_text_in_pieces_is_read_as_one),
		cmocka_unit_test(case_64_pieces_that_do_not_go_on_are_refused),
		cmocka_unit_test(many_contexts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
