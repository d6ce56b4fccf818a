/* SPDX-License-Identifier: MIT */
/* The JSON of the control socket: what it takes, what it refuses, what it writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/control/json.h"
#include "vmm/util.h"

/* On the heap and without a byte to spare, so that reading beyond is seen. */
static char *parse(struct json *j, const char *text, size_t len, const char **why)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	assert_int_equal(json_parse(j, copy, len, why), *why ? -EINVAL : 0);
	return copy;
}

static void refused(const char *text, size_t len)
{
	struct json j;
	const char *why = "";
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	if (json_parse(&j, copy, len, &why) == 0)
		fail_msg("taken: %.*s", (int)len, text);
	assert_non_null(why);
	free(copy);
}

static void an_object_is_taken_apart(void **state)
{
	static const char text[] = " {\"a\" : -12,\t\"b\":\"x\\\"\\u00e4\\ud83d\\ude00\\n\", "
		"\"c\":true,\"d\":false,\"e\":null,\"f\":9223372036854775807,"
		"\"g\":-9223372036854775808, \"\":0}\r\n";
	const char *why = NULL;
	struct json j;
	char *copy = parse(&j, text, strlen(text), &why);

	assert_int_equal(j.n, 8);
	assert_int_equal(json_find(&j, "a")->number, -12);
	assert_string_equal(json_find(&j, "b")->text, "x\"\xc3\xa4\xf0\x9f\x98\x80\n");
	assert_int_equal(json_find(&j, "c")->type, JSON_BOOL);
	assert_int_equal(json_find(&j, "c")->number, 1);
	assert_int_equal(json_find(&j, "d")->number, 0);
	assert_int_equal(json_find(&j, "e")->type, JSON_NULL);
	assert_true(json_find(&j, "f")->number == INT64_MAX);
	assert_true(json_find(&j, "g")->number == INT64_MIN);
	assert_int_equal(json_find(&j, "")->number, 0);
	assert_null(json_find(&j, "z"));
	free(copy);
	copy = parse(&j, "{}", 2, &why);
	assert_int_equal(j.n, 0);
	free(copy);
}

static void whatever_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "{", "}", "[]", "1", "\"a\"", "null", "{}{}", "{} x", "{a:1}", "{'a':1}",
		"{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,\"a\":1}", "{\"a\":1 \"b\":2}",
		"{\"a\":1", "{\"a\":\"", "{\"a\":\"x", "{\"a\":[1]}", "{\"a\":{}}",
		"{\"a\":01}", "{\"a\":+1}", "{\"a\":-}", "{\"a\":1.5}", "{\"a\":1e3}",
		"{\"a\":1E3}", "{\"a\":0x1}", "{\"a\":9223372036854775808}",
		"{\"a\":-9223372036854775809}", "{\"a\":tru}", "{\"a\":True}", "{\"a\":nullx}",
		"{\"a\":NaN}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
		"{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud800\\u0041\"}",
		"{\"a\":\"\\udc00\"}", "{\"a\":\"\t\"}", "{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xc3\"}",
		"{\"a\":\"\xff\"}", "{\"a\":- 1}", "{/**/}", "\xef\xbb\xbf{}", "{\"a\\", "{\"a\\u",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		refused(texts[i], strlen(texts[i]));
	refused("{}\0", 3);
	refused("{\"a\0\":1}", 8);
	refused("\0", 1);
}

static void every_beginning_of_a_request_is_refused(void **state)
{
	static const char text[] = "{\"id\":\"\\ud83d\\ude00\",\"cmd\":\"m\xc3\xa4\",\"x\":-17}";

	for (size_t len = 0; len < strlen(text); len++)
		refused(text, len);
}

static void more_names_than_there_is_room_for_are_refused(void **state)
{
	char text[1024] = "{";

	for (unsigned i = 0; i <= JSON_MAX_FIELDS; i++)
		sprintf(text + strlen(text), "%s\"n%u\":%u", i ? "," : "", i, i);
	strcat(text, "}");
	refused(text, strlen(text));
}

static void what_is_written_can_be_read(void **state)
{
	struct json_out o;
	struct json j;
	const char *why = NULL;
	char *copy;

	json_out_begin(&o);
	json_out_text(&o, "a", "\"\\\n\x01\xc3\xa4 \xff\xc3");
	json_out_number(&o, "b", INT64_MIN);
	json_out_bool(&o, "c", true);
	json_out_end(&o);
	assert_int_equal(o.text[o.len - 1], '\n');
	copy = parse(&j, o.text, o.len, &why);
	assert_string_equal(json_find(&j, "a")->text, "\"\\\n\x01\xc3\xa4 ??");
	assert_true(json_find(&j, "b")->number == INT64_MIN);
	free(copy);
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
	char *big = malloc(JSON_OUT_MAX);
	struct json_out o;
	struct json j;
	const char *why = NULL;
	char *copy;

	memset(big, 'x', JSON_OUT_MAX - 1);
	big[JSON_OUT_MAX - 1] = '\0';
	json_out_begin(&o);
	json_out_text(&o, "a", big);
	assert_true(o.full);
	json_out_number(&o, "b", 1);
	for (unsigned i = 0; i < 1000; i++)
		json_out_text(&o, "c", "0123456789");
	json_out_end(&o);
	assert_true(o.full && o.len <= JSON_OUT_MAX);
	json_out_begin(&o);
	json_out_text(&o, "a", big);
	json_out_number(&o, "b", 1);
	json_out_end(&o);
	copy = parse(&j, o.text, o.len, &why);
	assert_int_equal(j.n, 1);
	free(copy);
	free(big);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_taken_apart),
		cmocka_unit_test(whatever_else_is_refused),
		cmocka_unit_test(every_beginning_of_a_request_is_refused),
		cmocka_unit_test(more_names_than_there_is_room_for_are_refused),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(what_does_not_fit_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
