/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/capture.h"
#include "vmm/opts.h"
#include "vmm/util.h"

/* --- a table that writes down what it is told -------------------------------- */

struct notes {
	char text[1024];	/* "name=value;" for each call */
	int ret;		/* what set() answers */
	bool in_file;
	char label[300];
};

static int note(void *config, const struct opt_at *at, const char *value)
{
	struct notes *n = config;
	size_t len = strlen(n->text);

	snprintf(n->text + len, sizeof(n->text) - len, "%s=%s;", at->opt->name, value);
	n->in_file = at->file;
	snprintf(n->label, sizeof(n->label), "%s", at->label);
	return n->ret;
}

static const struct opt table[] = {
	{ "kernel", "FILE", "Guest", "what to boot", .set = note },
	{ "append", "STRING", "Guest", "words", .multiple = true, .set = note },
	{ "quiet", NULL, "Talk", "say less", .set = note },
	{ "q", NULL, "Talk", NULL, .set = note },
	{ "cpus", "N", "Guest", "listed after quiet, shown with its group", .set = note },
	{ 0 },
};

/* --- helpers ------------------------------------------------------------------ */

/* One line in the log, of this program, which says @what. */
static void assert_one_line(char *text, const char *what)
{
	char *newline = strchr(text, '\n');

	if (strncmp(text, "microvm: ", 9) || !newline || newline[1] || !strstr(text, what))
		fail_msg("expected one line with '%s', got '%s'", what, text);
	free(text);
}

static int args(struct notes *n, int argc, char *const argv[])
{
	*n = (struct notes){ .ret = n->ret };
	return opts_parse_argv(table, n, argc, argv);
}

#define ARGV(...) ARRAY_SIZE(((char *[]){ "microvm", ##__VA_ARGS__ })), \
	(char *[]){ "microvm", ##__VA_ARGS__, NULL }

#define assert_args(expected, ...) do {				\
	struct notes n_ = { .ret = 0 };				\
	assert_int_equal(args(&n_, ARGV(__VA_ARGS__)), 0);	\
	assert_string_equal(n_.text, expected);			\
} while (0)

#define assert_args_refused(what, ...) do {			\
	struct notes n_ = { .ret = 0 };				\
	struct capture c_;					\
	int ret_;						\
	capture_begin(&c_, 2);					\
	ret_ = args(&n_, ARGV(__VA_ARGS__));			\
	assert_one_line(capture_end(&c_), what);		\
	assert_int_equal(ret_, -EINVAL);			\
} while (0)

static void assert_text(const char *text, const char *expected)
{
	struct notes n = { .ret = 0 };

	assert_int_equal(opts_parse_text(table, &n, "t.conf", text, strlen(text)), 0);
	assert_string_equal(n.text, expected);
}

static void assert_bytes_refused(const char *text, size_t len, int err, const char *what)
{
	struct notes n = { .ret = 0 };
	struct capture c;
	int ret;

	capture_begin(&c, 2);
	ret = opts_parse_text(table, &n, "t.conf", text, len);
	assert_one_line(capture_end(&c), what);
	assert_int_equal(ret, err);
}

static void assert_text_refused(const char *text, const char *what)
{
	assert_bytes_refused(text, strlen(text), -EINVAL, what);
}

/* --- sizes and numbers --------------------------------------------------------- */

static void assert_size(const char *text, uint64_t expected)
{
	uint64_t n = 1;

	assert_int_equal(opt_parse_size(text, &n), 0);
	assert_int_equal(n, expected);
}

static void size_units_are_powers_of_1024(void **state)
{
	assert_size("0", 0);
	assert_size("4096", 4096);
	assert_size("12B", 12);
	assert_size("1K", KiB);
	assert_size("1k", KiB);
	assert_size("512M", 512 * MiB);
	assert_size("512m", 512 * MiB);
	assert_size("512MB", 512 * MiB);
	assert_size("512MiB", 512 * MiB);
	assert_size("4G", 4 * GiB);
	assert_size("2T", 2048 * GiB);
	assert_size("007K", 7 * KiB);
	assert_size("18446744073709551615", UINT64_MAX);
	assert_size("16777215T", 16777215ull << 40);
}

static void size_refuses_what_is_none(void **state)
{
	static const char *const bad[] = {
		"", "M", "-1", "+1", " 1", "1 ", "1 M", "0x10", "1.5G", "12Q", "1MM", "1Mi", "1iB",
		"1BM", "1MBs", "1e3", "\xd9\xa1M",
	};
	uint64_t n = 7;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		if (opt_parse_size(bad[i], &n) != -EINVAL)
			fail_msg("'%s' was taken for a size", bad[i]);
	assert_int_equal(n, 7);
}

static void size_refuses_overflow(void **state)
{
	static const char *const bad[] = {
		"18446744073709551616", "99999999999999999999999", "16777216T", "18014398509481984K",
	};
	uint64_t n = 7;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(opt_parse_size(bad[i], &n), -ERANGE);
	assert_int_equal(n, 7);
}

static void number_takes_its_range_and_nothing_else(void **state)
{
	uint64_t n = 7;

	assert_int_equal(opt_parse_number("1", 1, 255, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(opt_parse_number("255", 1, 255, &n), 0);
	assert_int_equal(n, 255);
	assert_int_equal(opt_parse_number("0", 1, 255, &n), -ERANGE);
	assert_int_equal(opt_parse_number("256", 1, 255, &n), -ERANGE);
	assert_int_equal(opt_parse_number("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(opt_parse_number("", 0, 9, &n), -EINVAL);
	assert_int_equal(opt_parse_number("-1", 0, 9, &n), -EINVAL);
	assert_int_equal(opt_parse_number("1K", 0, 9, &n), -EINVAL);
	assert_int_equal(opt_parse_number(" 1", 0, 9, &n), -EINVAL);
	assert_int_equal(opt_parse_number("1 ", 0, 9, &n), -EINVAL);
	assert_int_equal(n, 255);
}

/* --- words ---------------------------------------------------------------------- */

static void words_are_compared_whole(void **state)
{
	assert_true(opt_words_have("on|off", "on"));
	assert_true(opt_words_have("on|off", "off"));
	assert_true(opt_words_have("pci", "pci"));
	assert_false(opt_words_have("on|off", "o"));
	assert_false(opt_words_have("on|off", "of"));
	assert_false(opt_words_have("on|off", "onn"));
	assert_false(opt_words_have("on|off", "on|off"));
	assert_false(opt_words_have("on|off", ""));
	assert_false(opt_words_have("", "on"));
}

static void nearest_finds_what_was_meant(void **state)
{
	const char *const words[] = { "kernel", "memory", "cpus", "no-reboot", "rng", NULL };

	assert_string_equal(opts_nearest("kernal", words), "kernel");	/* one wrong */
	assert_string_equal(opts_nearest("kernl", words), "kernel");	/* one missing */
	assert_string_equal(opts_nearest("kerrnel", words), "kernel");	/* one too many */
	assert_string_equal(opts_nearest("kenrel", words), "kernel");	/* two swapped */
	assert_string_equal(opts_nearest("mem", words), "memory");	/* a beginning */
	assert_string_equal(opts_nearest("no_reboot", words), "no-reboot");
	assert_string_equal(opts_nearest("rgn", words), "rng");
	assert_string_equal(opts_nearest("cpu", words), "cpus");
}

static void nearest_does_not_guess_wildly(void **state)
{
	const char *const words[] = { "kernel", "rng", NULL };
	const char *const none[] = { NULL };
	char longest[5000];

	assert_null(opts_nearest("disk", words));
	assert_null(opts_nearest("", words));
	assert_null(opts_nearest("k", words));
	assert_null(opts_nearest("xyzzy", words));
	assert_null(opts_nearest("kernel", none));
	memset(longest, 'k', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(opts_nearest(longest, words));
}

static void nearest_prefers_the_closest(void **state)
{
	const char *const words[] = { "serials", "serial", NULL };

	assert_string_equal(opts_nearest("serial", words), "serial");
	assert_string_equal(opts_nearest("seriel", words), "serial");
}

/* --- values ------------------------------------------------------------------- */

static const struct opt_key keys[] = {
	{ "ro", NULL, "read-only" },
	{ "serial", "TEXT", "serial number" },
	{ "bus", "pci|mmio", "where" },
	{ 0 },
};

static void value_is_taken_apart(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse(&v, "--disk", "d.img,ro,serial=7", keys), 0);
	assert_string_equal(v.first, "d.img");
	assert_int_equal(v.n_pairs, 2);
	assert_string_equal(opt_value_get(&v, "serial"), "7");
	assert_string_equal(opt_value_get(&v, "ro"), "");
	assert_null(opt_value_get(&v, "bus"));
	assert_true(opt_value_flag(&v, "ro", false));
	opt_value_finish(&v);
	opt_value_finish(&v);
	assert_null(v.first);
}

static void value_may_have_no_first(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse(&v, "--disk", "bus=mmio,ro=off", keys), 0);
	assert_null(v.first);
	assert_string_equal(opt_value_get(&v, "bus"), "mmio");
	assert_false(opt_value_flag(&v, "ro", true));
	opt_value_finish(&v);
	assert_int_equal(opt_value_parse(&v, "--disk", "", keys), 0);
	assert_null(v.first);
	assert_int_equal(v.n_pairs, 0);
	assert_true(opt_value_flag(&v, "ro", true));
	opt_value_finish(&v);
}

static void value_two_commas_are_one(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse(&v, "--disk", "a,,b,serial=x,,y,,", keys), 0);
	assert_string_equal(v.first, "a,b");
	assert_string_equal(opt_value_get(&v, "serial"), "x,y,");
	opt_value_finish(&v);
	/* From the left: a comma, then an end. */
	assert_int_equal(opt_value_parse(&v, "--disk", "a,,,ro", keys), 0);
	assert_string_equal(v.first, "a,");
	assert_true(opt_value_flag(&v, "ro", false));
	opt_value_finish(&v);
}

static void value_first_may_hold_an_equals_sign_behind_a_slash(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse(&v, "--disk", "./a=b.img,ro", keys), 0);
	assert_string_equal(v.first, "./a=b.img");
	opt_value_finish(&v);
	assert_int_equal(opt_value_parse(&v, "--disk", "=x", keys), 0);
	assert_string_equal(v.first, "=x");
	opt_value_finish(&v);
}

static void value_first_may_be_named(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse_named(&v, "--share", "src=a=b,ro", keys), 0);
	assert_string_equal(v.first, "src=a=b");
	assert_non_null(opt_value_get(&v, "ro"));
	opt_value_finish(&v);
	assert_int_equal(opt_value_parse_named(&v, "--share", "ro", keys), 0);
	assert_null(v.first);
	opt_value_finish(&v);
}

static void value_of_a_key_may_hold_an_equals_sign(void **state)
{
	struct opt_value v;

	assert_int_equal(opt_value_parse(&v, "--disk", "serial=a=b", keys), 0);
	assert_string_equal(opt_value_get(&v, "serial"), "a=b");
	opt_value_finish(&v);
}

static void assert_value_refused(const char *text, const char *what)
{
	struct opt_value v;
	struct capture c;
	int ret;

	capture_begin(&c, 2);
	ret = opt_value_parse(&v, "--disk", text, keys);
	assert_one_line(capture_end(&c), what);
	assert_int_equal(ret, -EINVAL);
	assert_null(v.text);
}

static void value_refusals_name_the_word(void **state)
{
	assert_value_refused("d.img,rw", "--disk: unknown key 'rw'; did you mean 'ro'?");
	assert_value_refused("d.img,seril=7", "did you mean 'serial'?");
	assert_value_refused("d.img,xyzzy=7", "unknown key 'xyzzy'");
	assert_value_refused("seril=7", "did you mean 'serial'?");
	assert_value_refused("d.img,other.img", "unknown key 'other.img'");
	assert_value_refused("d.img,=7", "unknown key ''");
	assert_value_refused("d.img,ro,ro", "'ro' is given twice");
	assert_value_refused("bus=pci,bus=mmio", "'bus' is given twice");
	assert_value_refused("d.img,serial", "'serial' needs a value: serial=TEXT");
	assert_value_refused("d.img,serial=", "'serial' needs a value: serial=TEXT");
	assert_value_refused("d.img,ro=yes", "'ro' is on or off, not 'yes'");
	assert_value_refused("d.img,ro=", "'ro' is on or off, not ''");
	assert_value_refused("d.img,bus=isa", "bus=isa: one of pci|mmio");
	assert_value_refused("d.img,", "a comma with nothing beside it");
	assert_value_refused(",ro", "a comma with nothing beside it");
	assert_value_refused(",", "a comma with nothing beside it");
}

static void value_without_keys_refuses_all(void **state)
{
	struct opt_value v;
	struct capture c;
	int ret;

	capture_begin(&c, 2);
	ret = opt_value_parse(&v, "--x", "a,b", NULL);
	assert_one_line(capture_end(&c), "unknown key 'b'");
	assert_int_equal(ret, -EINVAL);
}

static void value_more_keys_than_there_is_room_for(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
					     "l", "m", "n", "o", "p", "q" };
	struct opt_key many[ARRAY_SIZE(names) + 1] = { { 0 } };
	struct opt_value v;
	struct capture c;
	int ret;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		many[i].name = names[i];
	assert_int_equal(opt_value_parse(&v, "--x", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", many), 0);
	assert_int_equal(v.n_pairs, OPT_MAX_PAIRS);
	opt_value_finish(&v);
	capture_begin(&c, 2);
	ret = opt_value_parse(&v, "--x", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", many);
	assert_one_line(capture_end(&c), "more than 16 keys");
	assert_int_equal(ret, -EINVAL);
}

/* --- the command line ------------------------------------------------------------ */

static void argv_takes_every_form(void **state)
{
	assert_args("kernel=a;", "--kernel", "a");
	assert_args("kernel=a;", "-kernel", "a");
	assert_args("kernel=a;", "--kernel=a");
	assert_args("kernel=a;", "-kernel=a");
	assert_args("kernel=a=b;", "--kernel=a=b");
	assert_args("kernel=;", "--kernel=");
	assert_args("kernel=;", "--kernel", "");
	assert_args("quiet=on;kernel=a;", "--quiet", "--kernel", "a");
	assert_args("quiet=off;", "--quiet=off");
	assert_args("q=on;", "-q");
	assert_args("append=a;append=b;", "--append", "a", "--append", "b");
	assert_args("");
	assert_args("quiet=on;", "--quiet", "--");
}

static void argv_value_may_begin_with_a_dash(void **state)
{
	assert_args("append=-x;", "--append", "-x");
	assert_args("append=-;", "--append", "-");
	assert_args("append=--quiet;", "--append=--quiet");
	assert_args("append=-- sh;", "--append", "-- sh");
}

static void argv_next_option_is_not_a_value(void **state)
{
	assert_args_refused("--kernel needs a value: FILE", "--kernel", "--quiet");
	assert_args_refused("--kernel needs a value: FILE", "--kernel", "--cpus=2");
	assert_args_refused("--kernel needs a value: FILE", "--kernel", "--");
	assert_args_refused("--kernel needs a value: FILE", "--kernel");
}

static void argv_refusals_name_the_word(void **state)
{
	assert_args_refused("unknown option --kernal; did you mean --kernel?", "--kernal", "a");
	assert_args_refused("unknown option --kernal; did you mean --kernel?", "--kernal=a");
	assert_args_refused("unknown option --xyzzy; --help lists them", "-xyzzy");
	assert_args_refused("unknown option --k;", "-k");
	assert_args_refused("unexpected word '--=x'", "--=x");
	assert_args_refused("unknown option --", "---");
	assert_args_refused("unexpected word 'bzImage'", "bzImage");
	assert_args_refused("unexpected word ''", "");
	assert_args_refused("unexpected word '-'", "-");
	assert_args_refused("unexpected word 'x'", "--quiet", "--", "x");
	assert_args_refused("unexpected word '--quiet'", "--", "--quiet");
	assert_args_refused("unexpected word 'off'", "--quiet", "off");
	assert_args_refused("--quiet: on or off, not 'maybe'", "--quiet=maybe");
	assert_args_refused("--quiet: on or off, not ''", "--quiet=");
	assert_args_refused("--kernel: given twice", "--kernel", "a", "--kernel", "b");
	assert_args_refused("--quiet: given twice", "--quiet", "--quiet");
}

static void argv_does_not_suggest_what_help_does_not_show(void **state)
{
	assert_args_refused("unknown option --qq; --help lists them", "--qq");
}

static void argv_refuses_control_characters(void **state)
{
	assert_args_refused("--append: a control character in the value", "--append", "a\nb");
	assert_args_refused("--append: a control character in the value", "--append", "\033[2J");
	assert_args_refused("--append: a control character in the value", "--append", "\177");
	assert_args("append=a\tb;", "--append", "a\tb");
	assert_args("append=\xc3\xa9;", "--append", "\xc3\xa9");
}

static void argv_very_long_words_stay_one_line(void **state)
{
	char word[5000] = "--";

	memset(word + 2, 'k', sizeof(word) - 3);
	assert_args_refused("unknown option --kkk", word);
	assert_args_refused("unexpected word 'kkk", word + 2);
	word[8] = '=';
	assert_args_refused("unknown option --kkkkkk", word);
}

static void argv_passes_on_what_set_returns(void **state)
{
	struct notes n = { .ret = -ECANCELED };

	assert_int_equal(args(&n, ARGV("--quiet", "--bogus")), -ECANCELED);
	assert_string_equal(n.text, "quiet=on;");
	assert_string_equal(n.label, "--quiet");
	assert_false(n.in_file);
}

/* --- files -------------------------------------------------------------------------- */

static void text_takes_every_form(void **state)
{
	assert_text("kernel = a\n", "kernel=a;");
	assert_text("kernel=a", "kernel=a;");
	assert_text("\t kernel\t=  a \t\r\n", "kernel=a;");
	assert_text("append = a  b\n", "append=a  b;");
	assert_text("append = a\nappend = b\n", "append=a;append=b;");
	assert_text("quiet = on\nkernel = a=b", "quiet=on;kernel=a=b;");
	assert_text("quiet = off", "quiet=off;");
	assert_text("", "");
	assert_text("\n\r\n   \n\n", "");
	assert_text("\xef\xbb\xbfkernel = a", "kernel=a;");
}

static void text_comments_begin_a_line_or_follow_a_blank(void **state)
{
	assert_text("# kernel = a\n  # x\n#", "");
	assert_text("kernel = a # b", "kernel=a;");
	assert_text("kernel = a\t#", "kernel=a;");
	assert_text("kernel = a#b", "kernel=a#b;");
	assert_text("kernel =#b", "kernel=#b;");
	assert_text("append = \"a # b\" # c", "append=a # b;");
}

static void text_quotes_keep_what_they_hold(void **state)
{
	assert_text("append = \"  a  \"", "append=  a  ;");
	assert_text("append = \"\"", "append=;");
	assert_text("append = \"a \\\"b\\\" \\\\c\"", "append=a \"b\" \\c;");
	assert_text("append = \"a\"  \t\r", "append=a;");
	/* Only where a value begins. */
	assert_text("append = x=\"a b\"", "append=x=\"a b\";");
	assert_text("append = a\\b", "append=a\\b;");
}

static void text_refusals_name_file_and_line(void **state)
{
	assert_text_refused("\n\nkernal = a\n",
			    "t.conf:3: unknown option kernal; did you mean kernel?");
	assert_text_refused("xyzzy = a", "t.conf:1: unknown option xyzzy; --help lists them");
	assert_text_refused("--kernel = a", "did you mean kernel?");
	assert_text_refused("# c\nkernel\n", "t.conf:2: expected 'name = value', not 'kernel'");
	assert_text_refused("quiet", "t.conf:1: expected 'name = value'");
	assert_text_refused("kernel a", "t.conf:1: expected 'name = value'");
	assert_text_refused("kernel # = a", "t.conf:1: expected 'name = value'");
	assert_text_refused("= a", "t.conf:1: expected 'name = value'");
	assert_text_refused("[guest]", "t.conf:1: expected 'name = value'");
	assert_text_refused("kernel =\n", "t.conf:1: kernel needs a value: FILE");
	assert_text_refused("kernel = # a\n", "t.conf:1: kernel needs a value: FILE");
	assert_text_refused("quiet =\n", "t.conf:1: quiet needs a value: on|off");
	assert_text_refused("quiet = yes\n", "t.conf:1: quiet: on or off, not 'yes'");
	assert_text_refused("kernel = a\n\nkernel = b\n",
			    "t.conf:3: kernel: given before, in line 1");
}

static void text_refuses_broken_quotes(void **state)
{
	assert_text_refused("append = \"a", "t.conf:1: the closing quote is missing");
	assert_text_refused("append = \"", "t.conf:1: the closing quote is missing");
	assert_text_refused("append = \"a\\", "t.conf:1: the closing quote is missing");
	assert_text_refused("append = \"a\nb\"", "t.conf:1: the closing quote is missing");
	assert_text_refused("append = \"a\\n\"", "t.conf:1: '\\n': a backslash in quotes");
	assert_text_refused("append = \"a\" b", "t.conf:1: text after the closing quote");
	assert_text_refused("append = \"a\"#b", "t.conf:1: text after the closing quote");
	assert_text_refused("append = \"a\"\"b\"", "t.conf:1: text after the closing quote");
}

static void text_refuses_control_characters(void **state)
{
	assert_text_refused("append = a\033[2J\n", "t.conf:1: append: a control character");
	assert_text_refused("append = a\rb\n", "t.conf:1: append: a control character");
	assert_text_refused("\033[2J = a\n", "t.conf:1: unknown option ?[2J");
}

static void text_refuses_zero_bytes(void **state)
{
	static const char text[] = "kernel = a\0b\n";

	assert_bytes_refused(text, sizeof(text) - 1, -EINVAL, "t.conf: not a text file");
	assert_bytes_refused("\0", 1, -EINVAL, "t.conf: not a text file");
	assert_bytes_refused("kernel = a\n\0", 12, -EINVAL, "t.conf: not a text file");
}

static void text_refuses_more_than_64_kib(void **state)
{
	char *text = malloc(OPTS_FILE_MAX + 1);
	struct notes n = { .ret = 0 };

	memset(text, '\n', OPTS_FILE_MAX + 1);
	assert_int_equal(opts_parse_text(table, &n, "t.conf", text, OPTS_FILE_MAX), 0);
	assert_bytes_refused(text, OPTS_FILE_MAX + 1, -EFBIG, "t.conf: longer than 64 KiB");
	memset(text, 'a', OPTS_FILE_MAX);
	assert_bytes_refused(text, OPTS_FILE_MAX, -EINVAL, "t.conf:1: expected 'name = value'");
	free(text);
}

static void text_tells_set_where_it_stands(void **state)
{
	struct notes n = { .ret = -ERANGE };

	assert_int_equal(opts_parse_text(table, &n, "d/t.conf", "\nkernel = a\n", 12), -ERANGE);
	assert_string_equal(n.label, "d/t.conf:2: kernel");
	assert_true(n.in_file);
}

/* --- files on disk ------------------------------------------------------------------- */

struct dir {
	char path[64], file[80];
};

static int make_dir(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	strcpy(d->path, "/tmp/microvm-test-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	snprintf(d->file, sizeof(d->file), "%s/t.conf", d->path);
	*state = d;
	return 0;
}

static int remove_dir(void **state)
{
	struct dir *d = *state;

	unlink(d->file);
	rmdir(d->path);
	free(d);
	return 0;
}

static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void assert_file_refused(const char *path, int err, const char *what)
{
	struct notes n = { .ret = 0 };
	struct capture c;
	int ret;

	capture_begin(&c, 2);
	ret = opts_parse_file(table, &n, path);
	assert_one_line(capture_end(&c), what);
	assert_int_equal(ret, err);
}

static void file_is_read(void **state)
{
	struct dir *d = *state;
	struct notes n = { .ret = 0 };

	write_file(d->file, "kernel = a\nquiet = on", 21);
	assert_int_equal(opts_parse_file(table, &n, d->file), 0);
	assert_string_equal(n.text, "kernel=a;quiet=on;");
	assert_true(n.in_file);
}

static void file_errors_name_the_file(void **state)
{
	struct dir *d = *state;

	assert_file_refused(d->file, -ENOENT, "t.conf: No such file or directory");
	assert_file_refused("", -ENOENT, "No such file or directory");
	write_file(d->file, "\nkernal = a\n", 12);
	assert_file_refused(d->file, -EINVAL, "t.conf:2: unknown option kernal");
}

static void case_96_config_is_a_directory(void **state)
{
	struct dir *d = *state;

	assert_file_refused(d->path, -EINVAL, "is a directory");
}

static void case_96_config_is_a_fifo(void **state)
{
	struct dir *d = *state;

	assert_int_equal(mkfifo(d->file, 0600), 0);
	assert_file_refused(d->file, -EINVAL, "not a regular file");
}

static void case_96_config_is_a_device(void **state)
{
	assert_file_refused("/dev/zero", -EINVAL, "not a regular file");
	assert_file_refused("/dev/null", -EINVAL, "not a regular file");
}

static void case_96_config_is_sparse_and_huge(void **state)
{
	struct dir *d = *state;

	write_file(d->file, "#\n", 2);
	assert_int_equal(truncate(d->file, 1ll << 40), 0);
	assert_file_refused(d->file, -EFBIG, "longer than 64 KiB");
}

/* --- help -------------------------------------------------------------------------- */

static void help_is_grouped_and_hides_what_has_no_help(void **state)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	opts_print(table, out);
	fclose(out);
	assert_string_equal(text,
			    "Guest:\n"
			    "  --kernel FILE         what to boot\n"
			    "  --append STRING       words\n"
			    "  --cpus N              listed after quiet, shown with its group\n"
			    "\n"
			    "Talk:\n"
			    "  --quiet               say less\n");
	free(text);
}

static void help_wraps_within_80_columns(void **state)
{
	static const struct opt wide[] = {
		{ "a-very-long-name-of-an-option", "VALUE", "G",
		  "words and words and words and words and words and words and words and words",
		  .set = note },
		{ 0 },
	};
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	opts_print(wide, out);
	fclose(out);
	assert_string_equal(text,
			    "G:\n"
			    "  --a-very-long-name-of-an-option VALUE\n"
			    "                        words and words and words and words and words and words\n"
			    "                        and words and words\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_units_are_powers_of_1024),
		cmocka_unit_test(size_refuses_what_is_none),
		cmocka_unit_test(size_refuses_overflow),
		cmocka_unit_test(number_takes_its_range_and_nothing_else),
		cmocka_unit_test(words_are_compared_whole),
		cmocka_unit_test(nearest_finds_what_was_meant),
		cmocka_unit_test(nearest_does_not_guess_wildly),
		cmocka_unit_test(nearest_prefers_the_closest),
		cmocka_unit_test(value_is_taken_apart),
		cmocka_unit_test(value_may_have_no_first),
		cmocka_unit_test(value_two_commas_are_one),
		cmocka_unit_test(value_first_may_hold_an_equals_sign_behind_a_slash),
		cmocka_unit_test(value_of_a_key_may_hold_an_equals_sign),
		cmocka_unit_test(value_first_may_be_named),
		cmocka_unit_test(value_refusals_name_the_word),
		cmocka_unit_test(value_without_keys_refuses_all),
		cmocka_unit_test(value_more_keys_than_there_is_room_for),
		cmocka_unit_test(argv_takes_every_form),
		cmocka_unit_test(argv_value_may_begin_with_a_dash),
		cmocka_unit_test(argv_next_option_is_not_a_value),
		cmocka_unit_test(argv_refusals_name_the_word),
		cmocka_unit_test(argv_does_not_suggest_what_help_does_not_show),
		cmocka_unit_test(argv_refuses_control_characters),
		cmocka_unit_test(argv_very_long_words_stay_one_line),
		cmocka_unit_test(argv_passes_on_what_set_returns),
		cmocka_unit_test(text_takes_every_form),
		cmocka_unit_test(text_comments_begin_a_line_or_follow_a_blank),
		cmocka_unit_test(text_quotes_keep_what_they_hold),
		cmocka_unit_test(text_refusals_name_file_and_line),
		cmocka_unit_test(text_refuses_broken_quotes),
		cmocka_unit_test(text_refuses_control_characters),
		cmocka_unit_test(text_refuses_zero_bytes),
		cmocka_unit_test(text_refuses_more_than_64_kib),
		cmocka_unit_test(text_tells_set_where_it_stands),
		cmocka_unit_test_setup_teardown(file_is_read, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(file_errors_name_the_file, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(case_96_config_is_a_directory, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(case_96_config_is_a_fifo, make_dir, remove_dir),
		cmocka_unit_test(case_96_config_is_a_device),
		cmocka_unit_test_setup_teardown(case_96_config_is_sparse_and_huge, make_dir,
						remove_dir),
		cmocka_unit_test(help_is_grouped_and_hides_what_has_no_help),
		cmocka_unit_test(help_wraps_within_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
