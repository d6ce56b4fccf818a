/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "devices/ui/input.h"
#include "vmm/util.h"

/* More than any wheel turns at once; sums cannot overflow. */
#define WHEEL_MAX (1 << 17)
#define WHEEL_NOTCH 120

static bool bit_get(const uint8_t *bits, unsigned n)
{
	return bits[n / 8] >> n % 8 & 1;
}

/* Whether it was different. */
static bool bit_set(uint8_t *bits, unsigned n, bool on)
{
	bool was = bit_get(bits, n);

	if (was != on)
		bits[n / 8] ^= 1u << n % 8;
	return was != on;
}

void input_state_init(struct input_state *s, unsigned n_slots)
{
	memset(s, 0, sizeof(*s));
	s->n_slots = MIN(n_slots, (unsigned)INPUT_MAX_SLOTS);
	for (unsigned i = 0; i < INPUT_MAX_SLOTS; i++)
		s->slots[i].id = -1;
}

/* --- an event ------------------------------------------------------------------ */

static bool value_set(int32_t *to, int32_t value)
{
	bool changed = *to != value;

	*to = value;
	return changed;
}

static bool is_touch(unsigned code)
{
	return code >= INPUT_MT_FIRST && code < INPUT_MT_FIRST + INPUT_MT_CNT;
}

static bool apply_slot(struct input_state *s, int32_t value)
{
	unsigned was = s->slot;

	/* Touches in a slot that there is not are not to land in another. */
	s->slot = value < 0 ? s->n_slots : MIN((unsigned)value, s->n_slots);
	return s->slot != was && s->slot < s->n_slots;
}

static bool apply_touch(struct input_state *s, unsigned code, int32_t value)
{
	/* Without slots, touches are a list and not a state. */
	if (!s->n_slots)
		return true;
	if (s->slot >= s->n_slots)
		return false;
	if (code == ABS_MT_TRACKING_ID)
		return value_set(&s->slots[s->slot].id, MAX(value, -1));
	return value_set(&s->slots[s->slot].value[code - INPUT_MT_FIRST], value);
}

static bool apply_abs(struct input_state *s, unsigned code, int32_t value)
{
	bool first;

	if (s->n_slots && code == ABS_MT_SLOT)
		return apply_slot(s, value);
	if (is_touch(code))
		return apply_touch(s, code, value);
	first = bit_set(s->abs_known, code, true);
	return value_set(&s->abs[code], value) || first;
}

bool input_state_apply(struct input_state *s, uint16_t type, uint16_t code, int32_t value)
{
	switch (type) {
	case EV_KEY:
		return code < KEY_CNT && (value == 0 || value == 1) &&
		       bit_set(s->keys, code, value);
	case EV_SW:
		return code < SW_CNT && bit_set(s->switches, code, value);
	case EV_ABS:
		return code < ABS_CNT && apply_abs(s, code, value);
	case EV_REL:
		return value;
	default:
		return true;
	}
}

bool input_state_key(const struct input_state *s, unsigned code)
{
	return code < KEY_CNT && bit_get(s->keys, code);
}

bool input_state_any_key(const struct input_state *s)
{
	for (unsigned i = 0; i < sizeof(s->keys); i++)
		if (s->keys[i])
			return true;
	return false;
}

/* --- from one state to another ------------------------------------------------------ */

/* A packet in the making. */
struct step {
	struct input_state *from;
	const struct input_state *to;
	const struct input_sink *sink;
	unsigned n, max;
};

/* False: the packet is full. */
static bool step_put(struct step *st, uint16_t type, uint16_t code, int32_t value)
{
	if (st->n + 1 >= st->max)
		return false;
	input_state_apply(st->from, type, code, value);
	input_send(st->sink, type, code, value);
	st->n++;
	return true;
}

static bool step_put_touch(struct step *st, unsigned slot, uint16_t code, int32_t value)
{
	if (st->from->slot != slot && (st->n + 2 >= st->max ||
				       !step_put(st, EV_ABS, ABS_MT_SLOT, slot)))
		return false;
	return step_put(st, EV_ABS, code, value);
}

/* Each of these: false when the packet is full. */

static bool step_end_touches(struct step *st)
{
	for (unsigned i = 0; i < st->to->n_slots; i++) {
		int32_t id = st->from->slots[i].id;

		if (id >= 0 && id != st->to->slots[i].id &&
		    !step_put_touch(st, i, ABS_MT_TRACKING_ID, -1))
			return false;
	}
	return true;
}

static bool step_bits(struct step *st, uint16_t type, const uint8_t *from, const uint8_t *to,
		      unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		for (unsigned diff = from[i] ^ to[i]; diff; diff &= diff - 1) {
			unsigned code = 8 * i + __builtin_ctz(diff);

			if (!step_put(st, type, code, bit_get(to, code)))
				return false;
		}
	return true;
}

static bool step_axes(struct step *st)
{
	for (unsigned i = 0; i < ABS_CNT; i++) {
		bool same = bit_get(st->from->abs_known, i) && st->from->abs[i] == st->to->abs[i];

		if (bit_get(st->to->abs_known, i) && !same &&
		    !step_put(st, EV_ABS, i, st->to->abs[i]))
			return false;
	}
	return true;
}

static bool step_slot(struct step *st, unsigned i)
{
	const struct input_slot *from = &st->from->slots[i], *to = &st->to->slots[i];

	if (from->id != to->id && !step_put_touch(st, i, ABS_MT_TRACKING_ID, to->id))
		return false;
	/* Those of a slot without a touch too: the next one need not name what stays. */
	for (unsigned k = 0; k < INPUT_MT_CNT; k++)
		if (from->value[k] != to->value[k] &&
		    !step_put_touch(st, i, INPUT_MT_FIRST + k, to->value[k]))
			return false;
	return true;
}

static bool step_touches(struct step *st)
{
	for (unsigned i = 0; i < st->to->n_slots; i++)
		if (!step_slot(st, i))
			return false;
	return st->from->slot == st->to->slot || st->to->slot >= st->to->n_slots ||
	       step_put(st, EV_ABS, ABS_MT_SLOT, st->to->slot);
}

static void step_changes(struct step *st)
{
	struct input_state *from = st->from;
	const struct input_state *to = st->to;

	(void)(step_bits(st, EV_KEY, from->keys, to->keys, sizeof(to->keys)) &&
	       step_bits(st, EV_SW, from->switches, to->switches, sizeof(to->switches)) &&
	       step_axes(st) && step_touches(st));
}

unsigned input_state_step(struct input_state *from, const struct input_state *to, unsigned max,
			  const struct input_sink *sink)
{
	struct step st = { .from = from, .to = to, .sink = sink, .max = max };

	/* Touches end in a packet before others may begin in their slots. */
	step_end_touches(&st);
	if (!st.n)
		step_changes(&st);
	if (!st.n)
		return 0;
	input_sync(sink);
	return st.n + 1;
}

void input_state_release(struct input_state *s, const struct input_sink *sink)
{
	struct step st = { .from = s, .sink = sink, .max = UINT32_MAX };
	static const uint8_t none[INPUT_CODES_LEN];

	for (unsigned i = 0; i < s->n_slots; i++)
		if (s->slots[i].id >= 0)
			step_put_touch(&st, i, ABS_MT_TRACKING_ID, -1);
	step_bits(&st, EV_KEY, s->keys, none, sizeof(none));
	if (st.n)
		input_sync(sink);
}

/* --- wheels ------------------------------------------------------------------------ */

void input_wheel_turn(struct input_wheel *w, bool horizontal, int32_t v120,
		      const struct input_sink *sink)
{
	int32_t *rest = &w->rest[horizontal], notches;

	v120 = MIN(MAX(v120, -WHEEL_MAX), WHEEL_MAX);
	/* A turn back begins anew, or the first notch of it would come late. */
	if ((v120 > 0 && *rest < 0) || (v120 < 0 && *rest > 0))
		*rest = 0;
	*rest += v120;
	notches = *rest / WHEEL_NOTCH;
	*rest %= WHEEL_NOTCH;
	if (notches)
		input_send(sink, EV_REL, horizontal ? REL_HWHEEL : REL_WHEEL, notches);
	if (v120)
		input_send(sink, EV_REL, horizontal ? REL_HWHEEL_HI_RES : REL_WHEEL_HI_RES, v120);
}
