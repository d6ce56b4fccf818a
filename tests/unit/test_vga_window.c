/* SPDX-License-Identifier: MIT */
/*
 * Registers, and the legacy window against a model that works out each bit of
 * each plane by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/vga_rig.h"
#include "vmm/util.h"

#define WINDOW 0xa0000
#define PLANE (64 << 10)

/* --- the model: planes of bits --------------------------------------------------- */

struct model {
	uint8_t planes[4][PLANE];
	uint8_t latch[4];
	uint8_t map_mask, memory, set_reset, enable, compare, rotate, read_map, mode, dont_care,
		bit_mask;
};

static bool bit(unsigned value, unsigned n)
{
	return value >> n & 1;
}

static bool model_alu(unsigned op, bool value, bool latch)
{
	switch (op) {
	case 1:
		return value && latch;
	case 2:
		return value || latch;
	case 3:
		return value != latch;
	}
	return value;
}

/* Bit @n that a write of @byte brings to @plane. */
static bool model_bit(const struct model *m, uint8_t byte, unsigned plane, unsigned n)
{
	bool latch = bit(m->latch[plane], n), turned = bit(byte, (n + (m->rotate & 7)) % 8);
	bool set = bit(m->set_reset, plane), value, masked = bit(m->bit_mask, n);

	switch (m->mode & 3) {
	case 1:
		return latch;
	case 0:
		value = bit(m->enable, plane) ? set : turned;
		break;
	case 2:
		value = bit(byte, plane);
		break;
	default:
		value = set;
		masked = masked && turned;
	}
	return masked ? model_alu(m->rotate >> 3 & 3, value, latch) : latch;
}

static void model_write(struct model *m, unsigned off, uint8_t byte)
{
	for (unsigned plane = 0; plane < 4; plane++) {
		uint8_t value = 0;
		unsigned at = off;

		if (m->memory & 8) {
			if (plane != off % 4)
				continue;
			at = off - off % 4 + off / 0x4000;
		} else if (!(m->memory & 4)) {
			if (plane % 2 != off % 2)
				continue;
			at = off - off % 2;
		}
		for (unsigned n = 0; n < 8; n++)
			value |= model_bit(m, byte, plane, n) << n;
		if (bit(m->map_mask, plane))
			m->planes[plane][at] = value;
	}
}

static uint8_t model_read(struct model *m, unsigned off)
{
	unsigned plane = m->read_map, at = off;
	uint8_t value = 0;

	if (m->memory & 8) {
		plane = off % 4;
		at = off - off % 4 + off / 0x4000;
	} else if (m->mode & 0x10) {
		plane = (plane & 2) + off % 2;
		at = off - off % 2;
	}
	for (unsigned p = 0; p < 4; p++)
		m->latch[p] = m->planes[p][at];
	if (!(m->mode & 8))
		return m->latch[plane];
	for (unsigned n = 0; n < 8; n++) {
		bool same = true;

		for (unsigned p = 0; p < 4; p++)
			if (bit(m->dont_care, p) && bit(m->latch[p], n) != bit(m->compare, p))
				same = false;
		value |= same << n;
	}
	return value;
}

/* --- random accesses ---------------------------------------------------------------- */

static void set_registers(struct vga_rig *r, struct model *m)
{
	m->map_mask = rand() & 15;
	m->memory = rand() % 3 ? 6 : (rand() & 0xc) | 2;
	m->set_reset = rand() & 15;
	m->enable = rand() & 15;
	m->compare = rand() & 15;
	m->rotate = rand() & 0x1f;
	m->read_map = rand() & 3;
	m->mode = rand() & 0x1b;
	m->dont_care = rand() & 15;
	m->bit_mask = rand();
	rig_reg(r, 0x3c4, 2, m->map_mask);
	rig_reg(r, 0x3c4, 4, m->memory);
	rig_reg(r, 0x3ce, 0, m->set_reset);
	rig_reg(r, 0x3ce, 1, m->enable);
	rig_reg(r, 0x3ce, 2, m->compare);
	rig_reg(r, 0x3ce, 3, m->rotate);
	rig_reg(r, 0x3ce, 4, m->read_map);
	rig_reg(r, 0x3ce, 5, m->mode);
	rig_reg(r, 0x3ce, 7, m->dont_care);
	rig_reg(r, 0x3ce, 8, m->bit_mask);
}

static void planes_are_those_of_the_model(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct vga_rig r;

	assert_non_null(m);
	srand(2);
	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_set_mode(&r, &vga_mode_12h);
	memset(r.vram, 0, VGA_MIN_VRAM);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned off = rand() % 2 ? rand() % 16 : rand() % PLANE;
		uint8_t byte = rand();

		if (i % 8 == 0)
			set_registers(&r, m);
		if (rand() % 2) {
			rig_poke(&r, WINDOW + off, 1, byte);
			model_write(m, off, byte);
		} else {
			assert_int_equal(rig_peek(&r, WINDOW + off, 1), model_read(m, off));
		}
	}
	for (unsigned i = 0; i < 4 * PLANE; i++)
		assert_int_equal(r.vram[i], m->planes[i % 4][i / 4]);
	vga_rig_finish(&r);
	free(m);
}

static void accesses_of_several_bytes_are_one_of_each(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_set_mode(&r, &vga_mode_13h);
	for (unsigned size = 1; size <= 8; size *= 2) {
		rig_poke(&r, WINDOW + 16 * size, size, 0x8877665544332211);
		for (unsigned i = 0; i < size; i++)
			assert_int_equal(rig_peek(&r, WINDOW + 16 * size + i, 1), 0x11 * (i + 1));
		assert_int_equal(rig_peek(&r, WINDOW + 16 * size, size),
				 0x8877665544332211 & all_ones(size));
	}
	vga_rig_finish(&r);
}

static void windows_answer_where_they_are(void **state)
{
	static const struct { uint32_t base, len; } maps[] = {
		{ 0xa0000, 0x20000 }, { 0xa0000, 0x10000 },
		{ 0xb0000, 0x8000 }, { 0xb8000, 0x8000 },
	};
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_set_mode(&r, &vga_mode_13h);
	memset(r.vram, 0, VGA_MIN_VRAM);
	for (unsigned n = 0; n < 4; n++) {
		rig_reg(&r, 0x3ce, 6, 1 | n << 2);
		for (uint32_t gpa = 0xa0000; gpa < 0xc0000; gpa += 0x7fff)
			assert_int_equal(rig_peek(&r, gpa, 1),
					 gpa - maps[n].base < maps[n].len ? 0 : 0xff);
		assert_int_equal(rig_peek(&r, maps[n].base + maps[n].len - 1, 1), 0);
	}
	/* "RAM enable" */
	rig_out(&r, 0x3c2, 0x61);
	assert_int_equal(rig_peek(&r, 0xb8000, 1), 0xff);
	vga_rig_finish(&r);
}

static void text_is_at_even_addresses_of_two_planes(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_poke(&r, 0xb8000 + 6, 2, 0x1e41);
	assert_int_equal(r.vram[6 * 4], 0x41);
	assert_int_equal(r.vram[6 * 4 + 1], 0x1e);
	assert_int_equal(rig_peek(&r, 0xb8000 + 6, 2), 0x1e41);
	/* In monochrome, at 0xb0000. */
	rig_out(&r, 0x3c2, 0x66);
	rig_reg(&r, 0x3ce, 6, 0x0a);
	assert_int_equal(rig_peek(&r, 0xb0000 + 6, 2), 0x1e41);
	assert_int_equal(rig_peek(&r, 0xb8000 + 6, 2), 0xffff);
	/* With 128 KiB, A16 chooses the odd addresses. */
	rig_reg(&r, 0x3ce, 6, 0x02);
	rig_poke(&r, 0xb0000 + 6, 2, 0x2f42);
	assert_int_equal(r.vram[7 * 4], 0x42);
	assert_int_equal(r.vram[7 * 4 + 1], 0x2f);
	vga_rig_finish(&r);
}

/* --- registers ---------------------------------------------------------------------------- */

static void registers_keep_the_bits_that_they_have(void **state)
{
	static const struct { uint16_t port; uint8_t index, bits; } regs[] = {
		{ 0x3c4, 0, 0x03 }, { 0x3c4, 1, 0x3d }, { 0x3c4, 2, 0x0f }, { 0x3c4, 3, 0x3f },
		{ 0x3c4, 4, 0x0e }, { 0x3ce, 0, 0x0f }, { 0x3ce, 3, 0x1f }, { 0x3ce, 4, 0x03 },
		{ 0x3ce, 5, 0x7b }, { 0x3ce, 6, 0x0f }, { 0x3ce, 8, 0xff }, { 0x3d4, 0x0c, 0xff },
		{ 0x3d4, 0x18, 0xff },
	};
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		rig_reg(&r, regs[i].port, regs[i].index, 0xff);
		assert_int_equal(rig_reg_get(&r, regs[i].port, regs[i].index), regs[i].bits);
		rig_reg(&r, regs[i].port, regs[i].index, 0);
		assert_int_equal(rig_reg_get(&r, regs[i].port, regs[i].index), 0);
	}
	rig_out(&r, 0x3c2, 0xa5);
	assert_int_equal(rig_in(&r, 0x3cc), 0xa5);
	rig_out(&r, 0x3da, 0x03);
	assert_int_equal(rig_in(&r, 0x3ca), 0x03);
	vga_rig_finish(&r);
}

static void crtc_timing_is_protected(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	assert_int_equal(rig_reg_get(&r, 0x3d4, 0x11) & 0x80, 0x80);
	for (unsigned i = 0; i < 8; i++)
		rig_reg(&r, 0x3d4, i, 0x00);
	assert_int_equal(rig_reg_get(&r, 0x3d4, 0x01), 0x4f);
	/* But for a bit of line compare. */
	assert_int_equal(rig_reg_get(&r, 0x3d4, 0x07), 0x0f);
	rig_reg(&r, 0x3d4, 0x11, 0x0e);
	rig_reg(&r, 0x3d4, 0x01, 0x27);
	assert_int_equal(rig_reg_get(&r, 0x3d4, 0x01), 0x27);
	vga_rig_finish(&r);
}

static void colour_and_monochrome_addresses(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_reg(&r, 0x3d4, 0x0f, 0x12);
	assert_int_equal(rig_in(&r, 0x3b5), 0xff);
	assert_int_equal(rig_in(&r, 0x3ba), 0xff);
	rig_out(&r, 0x3c2, 0x66);
	assert_int_equal(rig_in(&r, 0x3b5), 0x12);
	assert_int_equal(rig_in(&r, 0x3d5), 0xff);
	rig_reg(&r, 0x3b4, 0x0f, 0x34);
	rig_reg(&r, 0x3d4, 0x0f, 0x56);
	assert_int_equal(rig_in(&r, 0x3b5), 0x34);
	vga_rig_finish(&r);
}

static void attributes_alternate_index_and_data(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_in(&r, 0x3da);
	rig_out(&r, 0x3c0, 0x05);
	rig_out(&r, 0x3c0, 0x2a);
	rig_out(&r, 0x3c0, 0x25);
	assert_int_equal(rig_in(&r, 0x3c1), 0x2a);
	assert_int_equal(rig_in(&r, 0x3c0), 0x25);
	/* Without a look at the status this one is data. */
	rig_out(&r, 0x3c0, 0x11);
	assert_int_equal(rig_in(&r, 0x3c1), 0x11);
	vga_rig_finish(&r);
}

static void dac_counts_by_itself(void **state)
{
	struct vga_rig r;

	vga_rig_init(&r, VGA_MIN_VRAM);
	rig_out(&r, 0x3c8, 0x10);
	assert_int_equal(rig_in(&r, 0x3c7), 0);
	for (unsigned i = 0; i < 6; i++)
		rig_out(&r, 0x3c9, 0xc0 | (i + 1));
	assert_int_equal(rig_in(&r, 0x3c8), 0x12);
	rig_out(&r, 0x3c7, 0x10);
	assert_int_equal(rig_in(&r, 0x3c7), 3);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(rig_in(&r, 0x3c9), i + 1);
	vga_rig_finish(&r);
}

static void waits_for_a_retrace_end(void **state)
{
	struct vga_rig r;
	unsigned seen = 0;

	vga_rig_init(&r, VGA_MIN_VRAM);
	for (unsigned i = 0; i < 4; i++)
		seen |= rig_in(&r, 0x3da) & 8 ? 1 : 2;
	assert_int_equal(seen, 3);
	vga_rig_finish(&r);
}

static void reset_is_as_the_beginning(void **state)
{
	struct vga_rig r, fresh;

	vga_rig_init(&r, VGA_MIN_VRAM);
	vga_rig_init(&fresh, VGA_MIN_VRAM);
	vga_rig_paint(&fresh);
	rig_poke(&r, 0xb8000, 2, 0x1f41);
	vga_rig_paint(&r);
	vga_reset(&r.vga);
	vga_rig_paint(&r);
	assert_memory_equal(r.screen, fresh.screen, 4 * r.width * r.height);
	rig_vbe(&r, 640, 480, 8);
	rig_dac(&r, 7, 1, 2, 3);
	vga_rig_paint(&r);
	rig_out(&r, 0x3c2, 0);
	vga_reset(&r.vga);
	vga_rig_paint(&r);
	assert_int_equal(r.width, fresh.width);
	assert_int_equal(r.height, fresh.height);
	assert_memory_equal(r.screen, fresh.screen, 4 * r.width * r.height);
	assert_memory_equal(r.vram, fresh.vram, VGA_MIN_VRAM);
	assert_int_equal(rig_in(&r, 0x3cc), 0x67);
	vga_rig_finish(&r);
	vga_rig_finish(&fresh);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	static uint8_t memory[16];
	struct vga_config good = {
		.vram = memory, .vram_len = VGA_MIN_VRAM, .canvas = memory,
		.canvas_len = VGA_MIN_CANVAS,
	}, bad;
	struct vga vga;

	bad = good;
	bad.vram_len = VGA_MIN_VRAM / 2;
	assert_int_equal(vga_init(&vga, &bad), -22);
	bad.vram_len = 3 << 20;
	assert_int_equal(vga_init(&vga, &bad), -22);
	bad.vram_len = 2ull * VGA_MAX_VRAM;
	assert_int_equal(vga_init(&vga, &bad), -22);
	bad = good;
	bad.canvas_len--;
	assert_int_equal(vga_init(&vga, &bad), -22);
	vga_finish(&vga);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planes_are_those_of_the_model),
		cmocka_unit_test(accesses_of_several_bytes_are_one_of_each),
		cmocka_unit_test(windows_answer_where_they_are),
		cmocka_unit_test(text_is_at_even_addresses_of_two_planes),
		cmocka_unit_test(registers_keep_the_bits_that_they_have),
		cmocka_unit_test(crtc_timing_is_protected),
		cmocka_unit_test(colour_and_monochrome_addresses),
		cmocka_unit_test(attributes_alternate_index_and_data),
		cmocka_unit_test(dac_counts_by_itself),
		cmocka_unit_test(waits_for_a_retrace_end),
		cmocka_unit_test(reset_is_as_the_beginning),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
