/* SPDX-License-Identifier: MIT */
/* The table of options, and its two sources: the command line and files. */
#include "vmm/opts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/util.h"

#define BLANKS " \t\r"

/* One command line or one file. */
struct source {
	const struct opt *opts;
	void *config;
	const char *file;	/* NULL: the command line */
	unsigned line;
	unsigned seen[OPTS_MAX];	/* in which line, or argument, + 1 */
};

static struct source source_init(const struct opt *opts, void *config, const char *file)
{
	unsigned n = 0;

	while (opts[n].name)
		n++;
	assert(n <= OPTS_MAX);
	return (struct source){ .opts = opts, .config = config, .file = file };
}

static const struct opt *find_opt(const struct opt *opts, const char *name, size_t len)
{
	for (; opts->name; opts++)
		if (strlen(opts->name) == len && !memcmp(opts->name, name, len))
			return opts;
	return NULL;
}

/* "--memory" or "small.conf:3: memory": what messages begin with. */
static void source_label(const struct source *src, const char *name, char *label, size_t size)
{
	if (src->file)
		snprintf(label, size, "%.200s:%u: %.40s", src->file, src->line, name);
	else
		snprintf(label, size, "--%.40s", name);
}

static int unknown_opt(const struct source *src, const char *word, size_t len)
{
	const char *names[OPTS_MAX + 1], *near, *dashes = src->file ? "" : "--";
	char name[41], label[280];
	unsigned n = 0;

	for (const struct opt *o = src->opts; o->name; o++)
		if (o->help)
			names[n++] = o->name;
	names[n] = NULL;
	snprintf(name, sizeof(name), "%.*s", (int)MIN(len, sizeof(name)), word);
	near = opts_nearest(name, names);
	label[0] = '\0';
	if (src->file)
		snprintf(label, sizeof(label), "%.200s:%u: ", src->file, src->line);
	if (near)
		log_error("%sunknown option %s%s; did you mean %s%s?", label, dashes, name, dashes,
			  near);
	else
		log_error("%sunknown option %s%s; --help lists them", label, dashes, name);
	return -EINVAL;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
			return true;
	return false;
}

/* Notes that @opt was given; false when it was before and may not be again. */
static bool source_note(struct source *src, const struct opt *opt, const char *label)
{
	unsigned *seen = &src->seen[opt - src->opts];

	if (*seen && !opt->multiple) {
		if (src->file)
			log_error("%s: given before, in line %u", label, *seen - 1);
		else
			log_error("%s: given twice", label);
		return false;
	}
	*seen = src->line + 1;
	return true;
}

static int source_set(struct source *src, const struct opt *opt, const char *value)
{
	char label[280];
	struct opt_at at = { .opt = opt, .label = label, .file = src->file };

	source_label(src, opt->name, label, sizeof(label));
	if (!source_note(src, opt, label))
		return -EINVAL;
	if (has_control(value)) {
		log_error("%s: a control character in the value", label);
		return -EINVAL;
	}
	if (!opt->arg && !opt_words_have("on|off", value)) {
		log_error("%s: on or off, not '%.40s'", label, value);
		return -EINVAL;
	}
	return opt->set(src->config, &at, value);
}

/* --- the command line ------------------------------------------------------ */

/* The name behind one or two dashes and its length up to '='; NULL when there is none. */
static const char *opt_name(const char *word, size_t *len)
{
	if (word[0] != '-')
		return NULL;
	word += word[1] == '-' ? 2 : 1;
	*len = strcspn(word, "=");
	return *len ? word : NULL;
}

/* Whether @word is rather the next option than a value. */
static bool is_opt(const struct opt *opts, const char *word)
{
	size_t len;
	const char *name = opt_name(word, &len);

	return !strcmp(word, "--") || (name && find_opt(opts, name, len));
}

static int stray_word(const char *word)
{
	log_error("unexpected word '%.80s': options begin with --, and --help lists them", word);
	return -EINVAL;
}

/* The option at argv[@*i]; leaves @*i at its last word. */
static int parse_arg(struct source *src, char *const argv[], int argc, int *i)
{
	size_t len;
	const char *name = opt_name(argv[*i], &len);
	const struct opt *opt;

	if (!name)
		return stray_word(argv[*i]);
	opt = find_opt(src->opts, name, len);
	if (!opt)
		return unknown_opt(src, name, len);
	if (name[len] == '=')
		return source_set(src, opt, name + len + 1);
	if (!opt->arg)
		return source_set(src, opt, "on");
	if (*i + 1 >= argc || is_opt(src->opts, argv[*i + 1])) {
		log_error("--%s needs a value: %s", opt->name, opt->arg);
		return -EINVAL;
	}
	++*i;
	return source_set(src, opt, argv[*i]);
}

int opts_parse_argv(const struct opt *opts, void *config, int argc, char *const argv[])
{
	struct source src = source_init(opts, config, NULL);
	int ret = 0, i;

	for (i = 1; i < argc && strcmp(argv[i], "--") && ret == 0; i++)
		ret = parse_arg(&src, argv, argc, &i);
	if (ret == 0 && i + 1 < argc)
		return stray_word(argv[i + 1]);
	return ret;
}

/* --- files ------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3)))
static int line_error(const struct source *src, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%.200s:%u: %s", src->file, src->line, text);
	return -EINVAL;
}

/* Ends a value before a comment and the blanks at its end; something stands before @text. */
static void trim(char *text)
{
	char *end = text;

	for (char *p = text; *p && !(*p == '#' && strchr(BLANKS, p[-1])); p++)
		if (!strchr(BLANKS, *p))
			end = p + 1;
	*end = '\0';
}

/* @text begins with a double quote; takes the quotes off in place. */
static int unquote(const struct source *src, char *text)
{
	char *out = text, *p = text + 1, *rest;

	for (; *p != '"'; p++) {
		if (*p == '\\' && p[1] != '"' && p[1] != '\\' && p[1])
			return line_error(src, "'\\%c': a backslash in quotes stands before \" or \\",
					  p[1]);
		if (*p == '\\')
			p++;
		if (!*p)
			return line_error(src, "the closing quote is missing");
		*out++ = *p;
	}
	rest = p + 1 + strspn(p + 1, BLANKS);
	if (*rest && !(*rest == '#' && rest > p + 1))
		return line_error(src, "text after the closing quote");
	*out = '\0';
	return 0;
}

static int parse_line(struct source *src, char *line)
{
	char *name = line + strspn(line, BLANKS), *equals, *value;
	const struct opt *opt;
	size_t len;
	int ret;

	if (!*name || *name == '#')
		return 0;
	len = strcspn(name, BLANKS "=");
	equals = name + len + strspn(name + len, BLANKS);
	if (!len || *equals != '=')
		return line_error(src, "expected 'name = value', not '%.40s'", name);
	opt = find_opt(src->opts, name, len);
	if (!opt)
		return unknown_opt(src, name, len);
	value = equals + 1 + strspn(equals + 1, BLANKS);
	if (*value == '"') {
		ret = unquote(src, value);
		if (ret < 0)
			return ret;
		return source_set(src, opt, value);
	}
	trim(value);
	if (!*value)
		return line_error(src, "%s needs a value: %s", opt->name,
				  opt->arg ? opt->arg : "on|off");
	return source_set(src, opt, value);
}

/* @text ends with a NUL that is not part of it. */
static int parse_lines(struct source *src, char *text)
{
	int ret = 0;

	/* Some editors begin a file with a byte order mark. */
	if (!strncmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (text && ret == 0) {
		src->line++;
		ret = parse_line(src, strsep(&text, "\n"));
	}
	return ret;
}

int opts_parse_text(const struct opt *opts, void *config, const char *name, const char *text,
		    size_t len)
{
	struct source src = source_init(opts, config, name);
	char *copy;
	int ret;

	if (len > OPTS_FILE_MAX) {
		log_error("%.200s: longer than %d KiB", name, OPTS_FILE_MAX >> 10);
		return -EFBIG;
	}
	if (memchr(text, '\0', len)) {
		log_error("%.200s: not a text file: it holds a zero byte", name);
		return -EINVAL;
	}
	copy = strndup(text, len);
	if (!copy) {
		log_error("%.200s: out of memory", name);
		return -ENOMEM;
	}
	ret = parse_lines(&src, copy);
	free(copy);
	return ret;
}

static int file_error(const char *path, const char *what, int err)
{
	log_error("%.200s: %s%s", path, what, err ? strerror(err) : "");
	return err ? -err : -EINVAL;
}

/* Reads up to @size bytes; what was read, or negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += n;
	}
	return len;
}

static int parse_fd(const struct opt *opts, void *config, const char *path, int fd)
{
	struct stat st;
	ssize_t len;
	char *text;
	int ret;

	if (fstat(fd, &st) < 0)
		return file_error(path, "", errno);
	if (!S_ISREG(st.st_mode))
		return file_error(path, S_ISDIR(st.st_mode) ? "is a directory" :
				  "not a regular file", 0);
	text = malloc(OPTS_FILE_MAX + 1);
	if (!text)
		return file_error(path, "", ENOMEM);
	/* One byte more than allowed shows that there is more. */
	len = read_all(fd, text, OPTS_FILE_MAX + 1);
	ret = len < 0 ? file_error(path, "", -len) :
			opts_parse_text(opts, config, path, text, len);
	free(text);
	return ret;
}

int opts_parse_file(const struct opt *opts, void *config, const char *path)
{
	/* Not waiting for a writer, should it be a FIFO. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret;

	if (fd < 0)
		return file_error(path, "", errno);
	ret = parse_fd(opts, config, path, fd);
	close(fd);
	return ret;
}

/* --- help -------------------------------------------------------------------- */

#define HELP_COLUMN 24
#define HELP_WIDTH 79

/* Prints @text by words from HELP_COLUMN on, where the cursor is. */
static void print_wrapped(const char *text, FILE *out)
{
	size_t column = HELP_COLUMN, len;

	for (; *text; text += len + strspn(text + len, " ")) {
		len = strcspn(text, " ");
		if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
			fprintf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		if (column > HELP_COLUMN)
			column += fprintf(out, " ");
		column += fprintf(out, "%.*s", (int)len, text);
	}
	fputc('\n', out);
}

static void print_opt(const struct opt *opt, FILE *out)
{
	int column = fprintf(out, "  --%s%s%s", opt->name, opt->arg ? " " : "",
			     opt->arg ? opt->arg : "");

	if (column >= HELP_COLUMN - 1) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s", HELP_COLUMN - column, "");
	print_wrapped(opt->help, out);
}

static bool same_group(const struct opt *a, const struct opt *b)
{
	return a->help && b->help && !strcmp(a->group, b->group);
}

static bool first_of_group(const struct opt *opts, const struct opt *opt)
{
	while (!same_group(opts, opt))
		opts++;
	return opts == opt;
}

int opts_printed(void)
{
	int ret = fflush(stdout) == 0 ? 0 : -errno;

	if (ret < 0)
		log_error("standard output: %s", strerror(-ret));
	return ret;
}

void opts_print(const struct opt *opts, FILE *out)
{
	for (const struct opt *o = opts; o->name; o++) {
		if (!o->help || !first_of_group(opts, o))
			continue;
		fprintf(out, "%s%s:\n", o == opts ? "" : "\n", o->group);
		for (const struct opt *m = o; m->name; m++)
			if (same_group(o, m))
				print_opt(m, out);
	}
}
